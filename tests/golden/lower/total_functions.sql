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

-- case: functions with a domain
-- policy: clinic
-- plain: SELECT COUNT(*) FROM visits WHERE CASE WHEN cost >= 0 THEN sqrt(cost) END > 2 AND CASE WHEN cost > 0 THEN ln(cost) END < 9 AND gcd(visit_id, 6) = 2 AND pow(cost, 2) > 1 AND visit_id * 4 > 8 AND patient_id IS NOT NULL
SELECT COUNT(*) FROM visits WHERE sqrt(cost) > 2 AND ln(cost) < 9 AND gcd(visit_id, 6) = 2 AND cost ^ 2 > 1 AND visit_id << 2 > 8;
-- gives
WITH
"source" AS (
  SELECT "visits"."patient_id" AS "u"
  FROM "main"."visits" AS "visits"
  WHERE (SQRT(CASE WHEN (CAST("visits"."cost" AS DOUBLE) >= 0) THEN CAST("visits"."cost" AS DOUBLE) END) > CAST(2 AS DOUBLE)) AND (LN(CASE WHEN (CAST("visits"."cost" AS DOUBLE) > 0) THEN CAST("visits"."cost" AS DOUBLE) END) < CAST(9 AS DOUBLE)) AND (GCD(NULLIF("visits"."visit_id", CAST('-9223372036854775808' AS BIGINT)), NULLIF(6, CAST('-9223372036854775808' AS BIGINT))) = 2) AND (CASE WHEN NOT (ISNAN(POW(CAST("visits"."cost" AS DOUBLE), CAST(2 AS DOUBLE)))) THEN POW(CAST("visits"."cost" AS DOUBLE), CAST(2 AS DOUBLE)) END > CAST(1 AS DOUBLE)) AND (TRY_CAST((CAST("visits"."visit_id" AS INT128) * (CAST(1 AS INT128) << 2)) AS BIGINT) > 8) AND (NOT (("visits"."patient_id" IS NULL)))),
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

-- case: regular expressions read the start of a text
-- policy: clinic
-- plain: SELECT COUNT(*) FROM visits WHERE regexp_matches(ward, 'S.*y') AND ward LIKE 'S%' AND regexp_replace(ward, '(r)', '<\1>', 'g') <> '' AND levenshtein(ward, 'Surgery') < 9 AND patient_id IS NOT NULL
SELECT COUNT(*) FROM visits WHERE ward ~ 'S.*y' AND ward LIKE 'S%' ESCAPE '!' AND regexp_replace(ward, '(r)', '<\1>', 'g') <> '' AND levenshtein(ward, 'Surgery') < 9;
-- gives
WITH
"source" AS (
  SELECT "visits"."patient_id" AS "u"
  FROM "main"."visits" AS "visits"
  WHERE REGEXP_MATCHES(LEFT("visits"."ward", 1024), 'S.*y') AND LIKE_ESCAPE("visits"."ward", 'S%', '!') AND (LEFT(REGEXP_REPLACE(LEFT("visits"."ward", 1024), '(r)', '<\1>', 'g'), 256) <> '') AND (LEVENSHTEIN(LEFT("visits"."ward", 64), LEFT('Surgery', 64)) < 9) AND (NOT (("visits"."patient_id" IS NULL)))),
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

-- case: spans of time are constants, or within limits
-- policy: clinic
-- plain: SELECT COUNT(*) FROM visits WHERE visited_on + INTERVAL 1 MONTH > DATE '2020-06-01' AND visited_on + visit_id::INT % 5 > DATE '2019-01-01' AND visited_on - to_days((visit_id % 9)::INT) > DATE '2018-01-01' AND date_diff('month', visited_on, DATE '2024-01-01') > 3 AND patient_id IS NOT NULL
SELECT COUNT(*) FROM visits WHERE visited_on + INTERVAL 1 MONTH > DATE '2020-06-01' AND visited_on + visit_id % 5 > DATE '2019-01-01' AND visited_on - INTERVAL (visit_id % 9) DAY > DATE '2018-01-01' AND date_diff('month', visited_on, DATE '2024-01-01') > 3;
-- gives
WITH
"source" AS (
  SELECT "visits"."patient_id" AS "u"
  FROM "main"."visits" AS "visits"
  WHERE ((CAST(CASE WHEN ("visits"."visited_on" < CAST('0001-01-01' AS DATE)) THEN CAST('0001-01-01' AS DATE) WHEN ("visits"."visited_on" > CAST('9999-12-31' AS DATE)) THEN CAST('9999-12-31' AS DATE) ELSE "visits"."visited_on" END AS TIMESTAMP) + CAST('1 months' AS INTERVAL)) > CAST('2020-06-01 00:00:00' AS TIMESTAMP)) AND ((CASE WHEN ("visits"."visited_on" < CAST('0001-01-01' AS DATE)) THEN CAST('0001-01-01' AS DATE) WHEN ("visits"."visited_on" > CAST('9999-12-31' AS DATE)) THEN CAST('9999-12-31' AS DATE) ELSE "visits"."visited_on" END + TRY_CAST(CASE WHEN TRY_CAST((CAST("visits"."visit_id" AS DOUBLE) % NULLIF(CAST(5 AS DOUBLE), 0)) AS BIGINT) BETWEEN (-3660000) AND 3660000 THEN TRY_CAST((CAST("visits"."visit_id" AS DOUBLE) % NULLIF(CAST(5 AS DOUBLE), 0)) AS BIGINT) END AS INT)) > CAST('2019-01-01' AS DATE)) AND ((CAST(CASE WHEN ("visits"."visited_on" < CAST('0001-01-01' AS DATE)) THEN CAST('0001-01-01' AS DATE) WHEN ("visits"."visited_on" > CAST('9999-12-31' AS DATE)) THEN CAST('9999-12-31' AS DATE) ELSE "visits"."visited_on" END AS TIMESTAMP) - TO_DAYS(TRY_CAST(CASE WHEN TRY_CAST((CAST("visits"."visit_id" AS DOUBLE) % NULLIF(CAST(9 AS DOUBLE), 0)) AS BIGINT) BETWEEN (-3660000) AND 3660000 THEN TRY_CAST((CAST("visits"."visit_id" AS DOUBLE) % NULLIF(CAST(9 AS DOUBLE), 0)) AS BIGINT) END AS INT))) > CAST('2018-01-01 00:00:00' AS TIMESTAMP)) AND (DATE_DIFF('month', CAST(CASE WHEN ("visits"."visited_on" < CAST('0001-01-01' AS DATE)) THEN CAST('0001-01-01' AS DATE) WHEN ("visits"."visited_on" > CAST('9999-12-31' AS DATE)) THEN CAST('9999-12-31' AS DATE) ELSE "visits"."visited_on" END AS TIMESTAMP), CAST(CAST('2024-01-01' AS DATE) AS TIMESTAMP)) > 3) AND (NOT (("visits"."patient_id" IS NULL)))),
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

-- case: lists have elements or NULL
-- policy: clinic
-- plain: SELECT COUNT(*) FROM visits WHERE string_split(ward, 'r')[1] <> 'x' AND list_contains([visit_id, 3], 3) AND greatest(visit_id, 5) > 3 AND patient_id IS NOT NULL
SELECT COUNT(*) FROM visits WHERE string_split(ward, 'r')[1] <> 'x' AND list_contains([visit_id, 3], 3) AND list_max([visit_id, 5]) > 3;
-- gives
WITH
"source" AS (
  SELECT "visits"."patient_id" AS "u"
  FROM "main"."visits" AS "visits"
  WHERE (LIST_EXTRACT(STRING_SPLIT(LEFT("visits"."ward", 1024), 'r'), 1) <> 'x') AND LIST_CONTAINS(CAST(LIST_VALUE("visits"."visit_id", 3) AS BIGINT[]), 3) AND (LIST_MAX(CAST(LIST_VALUE("visits"."visit_id", 5) AS BIGINT[])) > 3) AND (NOT (("visits"."patient_id" IS NULL)))),
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
