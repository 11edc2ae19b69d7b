-- Public groups: rows outside the list are left out before the clip, and every group of the
-- list is in the answer, with zeros where nothing was found.

-- case: values from the policy, NULL among them
-- policy: clinic
-- plain: SELECT emergency, COUNT(*) FROM visits WHERE patient_id IS NOT NULL GROUP BY emergency
SELECT emergency, COUNT(*) FROM visits GROUP BY emergency;
-- gives
WITH
"source" AS NOT MATERIALIZED (
  SELECT "visits"."patient_id" AS "u",
    "visits"."emergency" AS "k0"
  FROM "main"."visits" AS "visits"
  WHERE (NOT (("visits"."patient_id" IS NULL)))),
"rows" AS NOT MATERIALIZED (
  SELECT "u", "k0"
  FROM "source"),
"heavy" AS MATERIALIZED (
  SELECT "u"
  FROM "rows"
  GROUP BY "u"
  HAVING COUNT(*) > 12),
"domain" AS (
  SELECT DISTINCT "d0"."k0" AS "k0"
  FROM (VALUES (FALSE), (TRUE), (CAST(NULL AS BOOLEAN))) AS "d0"("k0")),
"found" AS (
  SELECT "heavy"."u", "k0", COUNT(*) AS "m0"
  FROM "rows"
  LEFT JOIN "heavy" ON "rows"."u" = "heavy"."u"
  GROUP BY "heavy"."u", "k0"),
"parts" AS MATERIALIZED (
  SELECT "found"."u", "found"."k0", "found"."m0"
  FROM "found"
  INNER JOIN "domain" ON "found"."k0" IS NOT DISTINCT FROM "domain"."k0"),
"norms" AS (
  SELECT "u", SUM(CAST(LEAST(GREATEST("m0", (-2147483647)), 2147483647) AS BIGINT) * CAST(LEAST(GREATEST("m0", (-2147483647)), 2147483647) AS BIGINT)) AS "s0"
  FROM "parts"
  GROUP BY "u"),
"factors" AS (
  SELECT "u", CASE WHEN "s0" <= 160 THEN CAST('1' AS DOUBLE) ELSE LEAST(CAST('1' AS DOUBLE), CAST('12.64990234375' AS DOUBLE) / SQRT(CAST("s0" AS DOUBLE))) END AS "f0"
  FROM "norms"),
"clipped" AS (
  SELECT "parts"."k0", CASE WHEN "parts"."u" IS NULL THEN "m0" * 1024 ELSE CAST(TRUNC(CAST(CAST(LEAST(GREATEST("m0", (-2147483647)), 2147483647) AS BIGINT) AS DOUBLE) * "f0" * CAST('1024' AS DOUBLE)) AS BIGINT) END AS "m0"
  FROM "parts"
  LEFT JOIN "factors" ON "parts"."u" = "factors"."u"),
"totals" AS (
  SELECT "k0", SUM("m0") AS "m0"
  FROM "clipped"
  GROUP BY "k0")
SELECT "domain"."k0", CAST(LEAST(GREATEST(COALESCE("totals"."m0", 0), (-4611686018427387904)), 4611686018427387904) AS BIGINT) AS "m0"
  FROM "domain"
  LEFT JOIN "totals" ON "domain"."k0" IS NOT DISTINCT FROM "totals"."k0"

-- case: values of a public table; each patient is in one group
-- policy: clinic
-- plain: SELECT region, COUNT(*) FROM patients WHERE region IN (SELECT name FROM regions) GROUP BY region
SELECT region, COUNT(*) FROM patients GROUP BY region;
-- gives
WITH
"source" AS (
  SELECT "patients"."patient_id" AS "u",
    "patients"."region" AS "k0"
  FROM "main"."patients" AS "patients"
  WHERE (NOT (("patients"."patient_id" IS NULL)))),
"rows" AS (
  SELECT "u", "k0"
  FROM "source"
  WHERE "k0" IN (SELECT DISTINCT "regions:keys0"."name" AS "k0"
  FROM "main"."regions" AS "regions:keys0"
  WHERE NOT "regions:keys0"."name" IS NULL)),
"parts" AS (
  SELECT "u", MIN("k0") AS "k0",
    COUNT(*) AS "m0"
  FROM "rows"
  GROUP BY "u"),
"factors" AS (
  SELECT "k0", "m0", CASE WHEN ABS(CAST(LEAST(GREATEST("m0", (-2147483647)), 2147483647) AS BIGINT)) <= 1 THEN CAST('1' AS DOUBLE) ELSE LEAST(CAST('1' AS DOUBLE), CAST('1.00048828125' AS DOUBLE) / CAST(ABS(CAST(LEAST(GREATEST("m0", (-2147483647)), 2147483647) AS BIGINT)) AS DOUBLE)) END AS "f0"
  FROM "parts"),
"clipped" AS (
  SELECT "factors"."k0", CAST(TRUNC(CAST(CAST(LEAST(GREATEST("m0", (-2147483647)), 2147483647) AS BIGINT) AS DOUBLE) * "f0" * CAST('1024' AS DOUBLE)) AS BIGINT) AS "m0"
  FROM "factors"),
"totals" AS (
  SELECT "k0", SUM("m0") AS "m0"
  FROM "clipped"
  GROUP BY "k0"),
"domain" AS (
  SELECT DISTINCT "d0"."k0" AS "k0"
  FROM (SELECT DISTINCT "regions:keys0"."name" AS "k0"
  FROM "main"."regions" AS "regions:keys0"
  WHERE NOT "regions:keys0"."name" IS NULL) AS "d0"("k0"))
SELECT "domain"."k0", CAST(LEAST(GREATEST(COALESCE("totals"."m0", 0), (-4611686018427387904)), 4611686018427387904) AS BIGINT) AS "m0"
  FROM "domain"
  LEFT JOIN "totals" ON "domain"."k0" IS NOT DISTINCT FROM "totals"."k0"

-- case: years
-- policy: clinic
-- plain: SELECT year(visited_on), COUNT(*) FROM visits WHERE visited_on BETWEEN '2020-01-01' AND '2022-12-31' AND patient_id IS NOT NULL GROUP BY 1
SELECT year(visited_on) AS y, COUNT(*) FROM visits WHERE visited_on BETWEEN '2020-01-01' AND '2022-12-31' GROUP BY y;
-- gives
WITH
"source" AS NOT MATERIALIZED (
  SELECT "visits"."patient_id" AS "u",
    YEAR("visits"."visited_on") AS "k0"
  FROM "main"."visits" AS "visits"
  WHERE ("visits"."visited_on" >= CAST('2020-01-01' AS DATE)) AND ("visits"."visited_on" <= CAST('2022-12-31' AS DATE)) AND (NOT (("visits"."patient_id" IS NULL)))),
"rows" AS NOT MATERIALIZED (
  SELECT "u", "k0"
  FROM "source"),
"heavy" AS MATERIALIZED (
  SELECT "u"
  FROM "rows"
  GROUP BY "u"
  HAVING COUNT(*) > 12),
"domain" AS (
  SELECT DISTINCT "d0"."k0" AS "k0"
  FROM (VALUES (2020), (2021), (2022)) AS "d0"("k0")),
"found" AS (
  SELECT "heavy"."u", "k0", COUNT(*) AS "m0"
  FROM "rows"
  LEFT JOIN "heavy" ON "rows"."u" = "heavy"."u"
  GROUP BY "heavy"."u", "k0"),
"parts" AS MATERIALIZED (
  SELECT "found"."u", "found"."k0", "found"."m0"
  FROM "found"
  INNER JOIN "domain" ON "found"."k0" IS NOT DISTINCT FROM "domain"."k0"),
"norms" AS (
  SELECT "u", SUM(CAST(LEAST(GREATEST("m0", (-2147483647)), 2147483647) AS BIGINT) * CAST(LEAST(GREATEST("m0", (-2147483647)), 2147483647) AS BIGINT)) AS "s0"
  FROM "parts"
  GROUP BY "u"),
"factors" AS (
  SELECT "u", CASE WHEN "s0" <= 160 THEN CAST('1' AS DOUBLE) ELSE LEAST(CAST('1' AS DOUBLE), CAST('12.64990234375' AS DOUBLE) / SQRT(CAST("s0" AS DOUBLE))) END AS "f0"
  FROM "norms"),
"clipped" AS (
  SELECT "parts"."k0", CASE WHEN "parts"."u" IS NULL THEN "m0" * 1024 ELSE CAST(TRUNC(CAST(CAST(LEAST(GREATEST("m0", (-2147483647)), 2147483647) AS BIGINT) AS DOUBLE) * "f0" * CAST('1024' AS DOUBLE)) AS BIGINT) END AS "m0"
  FROM "parts"
  LEFT JOIN "factors" ON "parts"."u" = "factors"."u"),
"totals" AS (
  SELECT "k0", SUM("m0") AS "m0"
  FROM "clipped"
  GROUP BY "k0")
SELECT "domain"."k0", CAST(LEAST(GREATEST(COALESCE("totals"."m0", 0), (-4611686018427387904)), 4611686018427387904) AS BIGINT) AS "m0"
  FROM "domain"
  LEFT JOIN "totals" ON "domain"."k0" IS NOT DISTINCT FROM "totals"."k0"
