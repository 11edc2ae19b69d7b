-- Counting: rows, values, units.

-- case: rows of one table
-- policy: clinic
-- plain: SELECT COUNT(*) FROM visits WHERE patient_id IS NOT NULL
SELECT COUNT(*) FROM visits;
-- gives
WITH
"source" AS (
  SELECT "visits"."patient_id" AS "u"
  FROM "main"."visits" AS "visits"
  WHERE (NOT (("visits"."patient_id" IS NULL)))),
"rows" AS (
  SELECT "u"
  FROM "source"),
"parts" AS (
  SELECT "u", COUNT(*) AS "m0"
  FROM "rows"
  GROUP BY "u"),
"factors" AS (
  SELECT "m0", CASE WHEN ABS(CAST(LEAST(GREATEST("m0", (-2147483647)), 2147483647) AS BIGINT)) <= 20 THEN CAST('1' AS DOUBLE) ELSE LEAST(CAST('1' AS DOUBLE), CAST('20.00048828125' AS DOUBLE) / CAST(ABS(CAST(LEAST(GREATEST("m0", (-2147483647)), 2147483647) AS BIGINT)) AS DOUBLE)) END AS "f0"
  FROM "parts"),
"clipped" AS (
  SELECT CAST(TRUNC(CAST(CAST(LEAST(GREATEST("m0", (-2147483647)), 2147483647) AS BIGINT) AS DOUBLE) * "f0" * CAST('1024' AS DOUBLE)) AS BIGINT) AS "m0"
  FROM "factors"),
"totals" AS (
  SELECT SUM("m0") AS "m0"
  FROM "clipped")
SELECT CAST(LEAST(GREATEST(COALESCE("totals"."m0", 0), (-4611686018427387904)), 4611686018427387904) AS BIGINT) AS "m0"
  FROM "totals"

-- case: values that are not NULL
-- policy: clinic
-- plain: SELECT COUNT(emergency) FROM visits WHERE patient_id IS NOT NULL
SELECT COUNT(emergency) FROM visits;
-- gives
WITH
"source" AS (
  SELECT "visits"."patient_id" AS "u",
    "visits"."emergency" AS "x0"
  FROM "main"."visits" AS "visits"
  WHERE (NOT (("visits"."patient_id" IS NULL)))),
"rows" AS (
  SELECT "u", "x0"
  FROM "source"),
"parts" AS (
  SELECT "u", COUNT("x0") AS "m0"
  FROM "rows"
  GROUP BY "u"),
"factors" AS (
  SELECT "m0", CASE WHEN ABS(CAST(LEAST(GREATEST("m0", (-2147483647)), 2147483647) AS BIGINT)) <= 20 THEN CAST('1' AS DOUBLE) ELSE LEAST(CAST('1' AS DOUBLE), CAST('20.00048828125' AS DOUBLE) / CAST(ABS(CAST(LEAST(GREATEST("m0", (-2147483647)), 2147483647) AS BIGINT)) AS DOUBLE)) END AS "f0"
  FROM "parts"),
"clipped" AS (
  SELECT CAST(TRUNC(CAST(CAST(LEAST(GREATEST("m0", (-2147483647)), 2147483647) AS BIGINT) AS DOUBLE) * "f0" * CAST('1024' AS DOUBLE)) AS BIGINT) AS "m0"
  FROM "factors"),
"totals" AS (
  SELECT SUM("m0") AS "m0"
  FROM "clipped")
SELECT CAST(LEAST(GREATEST(COALESCE("totals"."m0", 0), (-4611686018427387904)), 4611686018427387904) AS BIGINT) AS "m0"
  FROM "totals"

-- case: units
-- policy: clinic
SELECT COUNT(DISTINCT patient_id) FROM visits;
-- gives
WITH
"source" AS (
  SELECT "visits"."patient_id" AS "u"
  FROM "main"."visits" AS "visits"
  WHERE (NOT (("visits"."patient_id" IS NULL)))),
"rows" AS (
  SELECT "u"
  FROM "source"),
"parts" AS (
  SELECT "u", 1 AS "m0"
  FROM "rows"
  GROUP BY "u"),
"factors" AS (
  SELECT "m0"
  FROM "parts"),
"clipped" AS (
  SELECT 1 AS "m0"
  FROM "factors"),
"totals" AS (
  SELECT SUM("m0") AS "m0"
  FROM "clipped")
SELECT CAST(LEAST(GREATEST(COALESCE("totals"."m0", 0), (-4611686018427387904)), 4611686018427387904) AS BIGINT) AS "m0"
  FROM "totals"
