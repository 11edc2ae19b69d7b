-- Adding up: onto the grid, into the bounds, clipped, summed as integers.

-- case: a sum on a grid of cents
-- policy: clinic
-- plain: SELECT SUM(cost) FROM visits WHERE cost BETWEEN 0 AND 5000 AND patient_id IS NOT NULL
SELECT SUM(cost) FROM visits WHERE cost BETWEEN 0 AND 5000;
-- gives
WITH
"source" AS (
  SELECT "visits"."patient_id" AS "u",
    CAST("visits"."cost" AS DOUBLE) AS "x0"
  FROM "main"."visits" AS "visits"
  WHERE ("visits"."cost" >= CAST('0' AS DECIMAL(10, 2))) AND ("visits"."cost" <= CAST('5000' AS DECIMAL(10, 2))) AND (NOT (("visits"."patient_id" IS NULL)))),
"rows" AS (
  SELECT "u", CAST(CASE WHEN ("x0" * CAST('100' AS DOUBLE)) BETWEEN CAST('0' AS DOUBLE) AND CAST('500000' AS DOUBLE) THEN TRY_CAST(("x0" * CAST('100' AS DOUBLE)) AS INT) WHEN ISFINITE(("x0" * CAST('100' AS DOUBLE))) THEN CASE WHEN ("x0" * CAST('100' AS DOUBLE)) < CAST('0' AS DOUBLE) THEN 0 ELSE 500000 END END AS INT) AS "x0"
  FROM "source"),
"parts" AS (
  SELECT "u", COALESCE(SUM("x0"), 0) AS "m0",
    1 AS "m1"
  FROM "rows"
  GROUP BY "u"),
"factors" AS (
  SELECT "m0", "m1", CASE WHEN ABS(CAST(LEAST(GREATEST("m0", (-2147483647)), 2147483647) AS BIGINT)) <= 10000000 THEN CAST('1' AS DOUBLE) ELSE LEAST(CAST('1' AS DOUBLE), CAST('10000000.5' AS DOUBLE) / CAST(ABS(CAST(LEAST(GREATEST("m0", (-2147483647)), 2147483647) AS BIGINT)) AS DOUBLE)) END AS "f0"
  FROM "parts"),
"clipped" AS (
  SELECT CAST(TRUNC(CAST(CAST(LEAST(GREATEST("m0", (-2147483647)), 2147483647) AS BIGINT) AS DOUBLE) * "f0") AS BIGINT) AS "m0",
    1 AS "m1"
  FROM "factors"),
"totals" AS (
  SELECT SUM("m0") AS "m0",
    SUM("m1") AS "m1"
  FROM "clipped")
SELECT CAST(LEAST(GREATEST(COALESCE("totals"."m0", 0), (-4611686018427387904)), 4611686018427387904) AS BIGINT) AS "m0",
    CAST(LEAST(GREATEST(COALESCE("totals"."m1", 0), (-4611686018427387904)), 4611686018427387904) AS BIGINT) AS "m1"
  FROM "totals"

-- case: an average: the centred sum and its count share one factor
-- policy: clinic
-- plain: SELECT AVG(ROUND(dose_mgy, 3)) FROM mammograms JOIN visits USING (visit_id) WHERE dose_mgy BETWEEN 0 AND 20 AND patient_id IS NOT NULL
SELECT AVG(dose_mgy) FROM mammograms WHERE dose_mgy BETWEEN 0 AND 20;
-- gives
WITH
"source" AS (
  SELECT "mammograms:visits"."patient_id" AS "u",
    "mammograms"."dose_mgy" AS "x0"
  FROM "main"."mammograms" AS "mammograms"
  INNER JOIN "main"."visits" AS "mammograms:visits" ON ("mammograms"."visit_id" = "mammograms:visits"."visit_id")
  WHERE ("mammograms"."dose_mgy" >= CAST(0 AS DOUBLE)) AND ("mammograms"."dose_mgy" <= CAST(20 AS DOUBLE)) AND (NOT (("mammograms:visits"."patient_id" IS NULL)))),
"rows" AS (
  SELECT "u", CAST((CAST(CASE WHEN ("x0" * CAST('1000' AS DOUBLE)) BETWEEN CAST('0' AS DOUBLE) AND CAST('20000' AS DOUBLE) THEN TRY_CAST(("x0" * CAST('1000' AS DOUBLE)) AS INT) WHEN ISFINITE(("x0" * CAST('1000' AS DOUBLE))) THEN CASE WHEN ("x0" * CAST('1000' AS DOUBLE)) < CAST('0' AS DOUBLE) THEN 0 ELSE 20000 END END AS BIGINT) - 10000) AS INT) AS "x0"
  FROM "source"),
"parts" AS (
  SELECT "u", COUNT("x0") AS "m0",
    COALESCE(SUM("x0"), 0) AS "m1"
  FROM "rows"
  GROUP BY "u"),
"factors" AS (
  SELECT "m0", "m1", CASE WHEN ABS(CAST(LEAST(GREATEST("m0", (-2147483647)), 2147483647) AS BIGINT)) <= 6 AND ABS(CAST(LEAST(GREATEST("m1", (-2147483647)), 2147483647) AS BIGINT)) <= 60000 THEN CAST('1' AS DOUBLE) ELSE LEAST(CAST('1' AS DOUBLE), CAST('6.00048828125' AS DOUBLE) / CAST(ABS(CAST(LEAST(GREATEST("m0", (-2147483647)), 2147483647) AS BIGINT)) AS DOUBLE), CAST('60000.5' AS DOUBLE) / CAST(ABS(CAST(LEAST(GREATEST("m1", (-2147483647)), 2147483647) AS BIGINT)) AS DOUBLE)) END AS "f0"
  FROM "parts"),
"clipped" AS (
  SELECT CAST(TRUNC(CAST(CAST(LEAST(GREATEST("m0", (-2147483647)), 2147483647) AS BIGINT) AS DOUBLE) * "f0" * CAST('1024' AS DOUBLE)) AS BIGINT) AS "m0",
    CAST(TRUNC(CAST(CAST(LEAST(GREATEST("m1", (-2147483647)), 2147483647) AS BIGINT) AS DOUBLE) * "f0") AS BIGINT) AS "m1"
  FROM "factors"),
"totals" AS (
  SELECT SUM("m0") AS "m0",
    SUM("m1") AS "m1"
  FROM "clipped")
SELECT CAST(LEAST(GREATEST(COALESCE("totals"."m0", 0), (-4611686018427387904)), 4611686018427387904) AS BIGINT) AS "m0",
    CAST(LEAST(GREATEST(COALESCE("totals"."m1", 0), (-4611686018427387904)), 4611686018427387904) AS BIGINT) AS "m1"
  FROM "totals"

-- case: whole numbers need no rounding
-- policy: clinic
-- plain: SELECT SUM(birads), AVG(birads) FROM mammograms JOIN visits USING (visit_id) WHERE birads BETWEEN 0 AND 6 AND patient_id IS NOT NULL
SELECT SUM(birads), AVG(birads) FROM mammograms WHERE birads BETWEEN 0 AND 6;
-- gives
WITH
"source" AS (
  SELECT "mammograms:visits"."patient_id" AS "u",
    "mammograms"."birads" AS "x0"
  FROM "main"."mammograms" AS "mammograms"
  INNER JOIN "main"."visits" AS "mammograms:visits" ON ("mammograms"."visit_id" = "mammograms:visits"."visit_id")
  WHERE ("mammograms"."birads" >= 0) AND ("mammograms"."birads" <= 6) AND (NOT (("mammograms:visits"."patient_id" IS NULL)))),
"rows" AS (
  SELECT "u", CAST((CAST(CASE WHEN "x0" < 0 THEN 0 WHEN "x0" > 6 THEN 6 ELSE "x0" END AS BIGINT) - 3) AS INT) AS "x0"
  FROM "source"),
"parts" AS (
  SELECT "u", COALESCE(SUM("x0"), 0) AS "m0",
    COUNT("x0") AS "m1",
    1 AS "m2"
  FROM "rows"
  GROUP BY "u"),
"factors" AS (
  SELECT "m0", "m1", "m2", CASE WHEN ABS(CAST(LEAST(GREATEST("m0", (-2147483647)), 2147483647) AS BIGINT)) <= 18 AND ABS(CAST(LEAST(GREATEST("m1", (-2147483647)), 2147483647) AS BIGINT)) <= 6 THEN CAST('1' AS DOUBLE) ELSE LEAST(CAST('1' AS DOUBLE), CAST('18.00048828125' AS DOUBLE) / CAST(ABS(CAST(LEAST(GREATEST("m0", (-2147483647)), 2147483647) AS BIGINT)) AS DOUBLE), CAST('6.00048828125' AS DOUBLE) / CAST(ABS(CAST(LEAST(GREATEST("m1", (-2147483647)), 2147483647) AS BIGINT)) AS DOUBLE)) END AS "f0"
  FROM "parts"),
"clipped" AS (
  SELECT CAST(TRUNC(CAST(CAST(LEAST(GREATEST("m0", (-2147483647)), 2147483647) AS BIGINT) AS DOUBLE) * "f0" * CAST('1024' AS DOUBLE)) AS BIGINT) AS "m0",
    CAST(TRUNC(CAST(CAST(LEAST(GREATEST("m1", (-2147483647)), 2147483647) AS BIGINT) AS DOUBLE) * "f0" * CAST('1024' AS DOUBLE)) AS BIGINT) AS "m1",
    1 AS "m2"
  FROM "factors"),
"totals" AS (
  SELECT SUM("m0") AS "m0",
    SUM("m1") AS "m1",
    SUM("m2") AS "m2"
  FROM "clipped")
SELECT CAST(LEAST(GREATEST(COALESCE("totals"."m0", 0), (-4611686018427387904)), 4611686018427387904) AS BIGINT) AS "m0",
    CAST(LEAST(GREATEST(COALESCE("totals"."m1", 0), (-4611686018427387904)), 4611686018427387904) AS BIGINT) AS "m1",
    CAST(LEAST(GREATEST(COALESCE("totals"."m2", 0), (-4611686018427387904)), 4611686018427387904) AS BIGINT) AS "m2"
  FROM "totals"
