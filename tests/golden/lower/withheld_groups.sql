-- Groups that are not public come with a count of units, on which withholding is decided.

-- case: norm clip
-- policy: clinic
-- plain: SELECT ward, COUNT(*) FROM visits WHERE ward IS NOT NULL AND patient_id IS NOT NULL GROUP BY ward
SELECT ward, COUNT(*) FROM visits WHERE ward IS NOT NULL GROUP BY ward;
-- gives
WITH
"source" AS (
  SELECT "visits"."patient_id" AS "u",
    "visits"."ward" AS "k0"
  FROM "main"."visits" AS "visits"
  WHERE (NOT (("visits"."ward" IS NULL))) AND (NOT (("visits"."patient_id" IS NULL)))),
"rows" AS (
  SELECT "u", "k0"
  FROM "source"),
"parts" AS MATERIALIZED (
  SELECT "u", "k0", 1 AS "m0",
    COUNT(*) AS "m1"
  FROM "rows"
  GROUP BY "u", "k0"),
"norms" AS (
  SELECT "u", COUNT(*) AS "g",
    SUM(CAST(LEAST(GREATEST("m1", (-2147483647)), 2147483647) AS BIGINT) * CAST(LEAST(GREATEST("m1", (-2147483647)), 2147483647) AS BIGINT)) AS "s1"
  FROM "parts"
  GROUP BY "u"),
"factors" AS (
  SELECT "u", "g", CASE WHEN "s1" <= 160 THEN CAST('1' AS DOUBLE) ELSE LEAST(CAST('1' AS DOUBLE), CAST('12.64990234375' AS DOUBLE) / SQRT(CAST("s1" AS DOUBLE))) END AS "f0"
  FROM "norms"),
"clipped" AS (
  SELECT "parts"."k0", CASE WHEN "g" <= 1 THEN 1024 WHEN "g" > 128 THEN 0 ELSE CAST(TRUNC(CAST('1024' AS DOUBLE) * SQRT(CAST('1' AS DOUBLE) / CAST("g" AS DOUBLE))) AS BIGINT) END AS "m0",
    CAST(TRUNC(CAST(CAST(LEAST(GREATEST("m1", (-2147483647)), 2147483647) AS BIGINT) AS DOUBLE) * "f0" * CAST('1024' AS DOUBLE)) AS BIGINT) AS "m1"
  FROM "parts"
  INNER JOIN "factors" ON "parts"."u" = "factors"."u"),
"totals" AS (
  SELECT "k0", SUM("m0") AS "m0",
    SUM("m1") AS "m1"
  FROM "clipped"
  GROUP BY "k0"
  HAVING (SUM("m0") > 0))
SELECT "k0", CAST(LEAST(GREATEST(COALESCE("totals"."m0", 0), (-4611686018427387904)), 4611686018427387904) AS BIGINT) AS "m0",
    CAST(LEAST(GREATEST(COALESCE("totals"."m1", 0), (-4611686018427387904)), 4611686018427387904) AS BIGINT) AS "m1"
  FROM "totals"

-- case: truncation: eight groups of each patient, chosen by a keyed hash
-- policy: clinic
-- bounding: truncate
-- plain: SELECT ward, COUNT(*) FROM visits WHERE ward IS NOT NULL AND patient_id IS NOT NULL GROUP BY ward
SELECT ward, COUNT(*) FROM visits WHERE ward IS NOT NULL GROUP BY ward;
-- gives
WITH
"source" AS (
  SELECT "visits"."patient_id" AS "u",
    "visits"."ward" AS "k0"
  FROM "main"."visits" AS "visits"
  WHERE (NOT (("visits"."ward" IS NULL))) AND (NOT (("visits"."patient_id" IS NULL)))),
"rows" AS (
  SELECT "u", "k0"
  FROM "source"),
"parts" AS (
  SELECT "u", "k0", 1 AS "m0",
    COUNT(*) AS "m1"
  FROM "rows"
  GROUP BY "u", "k0"),
"kept" AS (
  SELECT "u", "k0", "m0", "m1"
  FROM (SELECT "u", "k0", "m0", "m1", ROW_NUMBER() OVER (PARTITION BY "u" ORDER BY MD5(CONCAT_WS('|', 'dpquery-groups-1', CAST("u" AS TEXT), CAST("k0" AS TEXT))), "k0") AS "rank"
  FROM "parts") AS ranked
  WHERE ("rank" <= 8)),
"factors" AS (
  SELECT "k0", "m0", "m1", CASE WHEN ABS(CAST(LEAST(GREATEST("m1", (-2147483647)), 2147483647) AS BIGINT)) <= 8 THEN CAST('1' AS DOUBLE) ELSE LEAST(CAST('1' AS DOUBLE), CAST('8.00048828125' AS DOUBLE) / CAST(ABS(CAST(LEAST(GREATEST("m1", (-2147483647)), 2147483647) AS BIGINT)) AS DOUBLE)) END AS "f0"
  FROM "kept"),
"clipped" AS (
  SELECT "factors"."k0", 1024 AS "m0",
    CAST(TRUNC(CAST(CAST(LEAST(GREATEST("m1", (-2147483647)), 2147483647) AS BIGINT) AS DOUBLE) * "f0" * CAST('1024' AS DOUBLE)) AS BIGINT) AS "m1"
  FROM "factors"),
"totals" AS (
  SELECT "k0", SUM("m0") AS "m0",
    SUM("m1") AS "m1"
  FROM "clipped"
  GROUP BY "k0"
  HAVING (SUM("m0") > 0))
SELECT "k0", CAST(LEAST(GREATEST(COALESCE("totals"."m0", 0), (-4611686018427387904)), 4611686018427387904) AS BIGINT) AS "m0",
    CAST(LEAST(GREATEST(COALESCE("totals"."m1", 0), (-4611686018427387904)), 4611686018427387904) AS BIGINT) AS "m1"
  FROM "totals"
