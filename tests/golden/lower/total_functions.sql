-- Every expression yields a value or NULL on every row: nothing raises.

-- case: division, remainder and casts
-- policy: clinic
-- plain: SELECT COUNT(*) FROM visits WHERE cost / (cost - 100) > 2 AND visit_id % 7 = 1 AND TRY_CAST(ward AS INTEGER) IS NULL AND patient_id IS NOT NULL
SELECT COUNT(*) FROM visits WHERE cost / (cost - 100) > 2 AND visit_id % 7 = 1 AND CAST(ward AS INTEGER) IS NULL;
-- gives
WITH
"source" AS (
  SELECT "visits"."patient_id" AS "u"
  FROM "main"."visits" AS "visits"
  WHERE ((CAST("visits"."cost" AS DOUBLE) / NULLIF((CAST("visits"."cost" AS DOUBLE) - CAST(100 AS DOUBLE)), 0)) > CAST(2 AS DOUBLE)) AND (TRY_CAST((CAST("visits"."visit_id" AS DOUBLE) % NULLIF(CAST(7 AS DOUBLE), 0)) AS BIGINT) = 1) AND (TRY_CAST("visits"."ward" AS BIGINT) IS NULL) AND (NOT (("visits"."patient_id" IS NULL)))),
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

-- case: dates of any year
-- policy: clinic
-- plain: SELECT COUNT(*) FROM visits WHERE week(visited_on) < 10 AND date_trunc('month', visited_on) = '2021-02-01' AND patient_id IS NOT NULL
SELECT COUNT(*) FROM visits WHERE week(visited_on) < 10 AND date_trunc('month', visited_on) = '2021-02-01';
-- gives
WITH
"source" AS (
  SELECT "visits"."patient_id" AS "u"
  FROM "main"."visits" AS "visits"
  WHERE (WEEK(CASE WHEN ("visits"."visited_on" < CAST('0001-01-01' AS DATE)) THEN CAST('0001-01-01' AS DATE) WHEN ("visits"."visited_on" > CAST('9999-12-31' AS DATE)) THEN CAST('9999-12-31' AS DATE) ELSE "visits"."visited_on" END) < 10) AND (DATE_TRUNC('month', CASE WHEN ("visits"."visited_on" < CAST('0001-01-01' AS DATE)) THEN CAST('0001-01-01' AS DATE) WHEN ("visits"."visited_on" > CAST('9999-12-31' AS DATE)) THEN CAST('9999-12-31' AS DATE) ELSE "visits"."visited_on" END) = CAST('2021-02-01 00:00:00' AS TIMESTAMP)) AND (NOT (("visits"."patient_id" IS NULL)))),
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

-- case: text is cut, patterns are constants
-- policy: clinic
-- plain: SELECT COUNT(*) FROM visits WHERE ward || '!' LIKE 'S%' AND REPLACE(ward, 'a', 'bb') <> 'x' AND patient_id IS NOT NULL
SELECT COUNT(*) FROM visits WHERE ward || '!' LIKE 'S%' AND REPLACE(ward, 'a', 'bb') <> 'x';
-- gives
WITH
"source" AS (
  SELECT "visits"."patient_id" AS "u"
  FROM "main"."visits" AS "visits"
  WHERE (LEFT(("visits"."ward" || '!'), 256) LIKE 'S%') AND (LEFT(REPLACE(LEFT("visits"."ward", 1024), 'a', 'bb'), 256) <> 'x') AND (NOT (("visits"."patient_id" IS NULL)))),
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
