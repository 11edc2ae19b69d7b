-- The path to the unit is joined by the planner; units of joined tables are made equal.

-- case: two hops that the query does not mention
-- policy: clinic
-- plain: SELECT COUNT(*) FROM biopsies JOIN mammograms USING (mammogram_id) JOIN visits USING (visit_id) WHERE patient_id IS NOT NULL
SELECT COUNT(*) FROM biopsies;
-- gives
WITH
"source" AS (
  SELECT "biopsies:mammograms:visits"."patient_id" AS "u"
  FROM "main"."biopsies" AS "biopsies"
  INNER JOIN "main"."mammograms" AS "biopsies:mammograms" ON ("biopsies"."mammogram_id" = "biopsies:mammograms"."mammogram_id")
  INNER JOIN "main"."visits" AS "biopsies:mammograms:visits" ON ("biopsies:mammograms"."visit_id" = "biopsies:mammograms:visits"."visit_id")
  WHERE (NOT (("biopsies:mammograms:visits"."patient_id" IS NULL)))),
"rows" AS (
  SELECT "u"
  FROM "source"),
"parts" AS (
  SELECT "u", COUNT(*) AS "m0"
  FROM "rows"
  GROUP BY "u"),
"factors" AS (
  SELECT "m0", CASE WHEN ABS(CAST(LEAST(GREATEST("m0", (-2147483647)), 2147483647) AS BIGINT)) <= 3 THEN CAST('1' AS DOUBLE) ELSE LEAST(CAST('1' AS DOUBLE), CAST('3.00048828125' AS DOUBLE) / CAST(ABS(CAST(LEAST(GREATEST("m0", (-2147483647)), 2147483647) AS BIGINT)) AS DOUBLE)) END AS "f0"
  FROM "parts"),
"clipped" AS (
  SELECT CAST(TRUNC(CAST(CAST(LEAST(GREATEST("m0", (-2147483647)), 2147483647) AS BIGINT) AS DOUBLE) * "f0" * CAST('1024' AS DOUBLE)) AS BIGINT) AS "m0"
  FROM "factors"),
"totals" AS (
  SELECT SUM("m0") AS "m0"
  FROM "clipped")
SELECT CAST(LEAST(GREATEST(COALESCE("totals"."m0", 0), (-4611686018427387904)), 4611686018427387904) AS BIGINT) AS "m0"
  FROM "totals"

-- case: a join along a foreign key
-- policy: clinic
SELECT COUNT(*) FROM visits AS v JOIN patients AS p ON v.patient_id = p.patient_id;
-- gives
WITH
"source" AS (
  SELECT "visits"."patient_id" AS "u"
  FROM "main"."visits" AS "visits"
  INNER JOIN "main"."patients" AS "patients" ON ("visits"."patient_id" = "patients"."patient_id")
  WHERE ("patients"."patient_id" = "visits"."patient_id") AND (NOT (("visits"."patient_id" IS NULL)))),
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

-- case: a public table on the side
-- policy: clinic
-- plain: SELECT r.urban, COUNT(*) FROM patients AS p LEFT JOIN regions AS r ON p.region = r.name GROUP BY r.urban
SELECT r.urban, COUNT(*) FROM patients AS p LEFT JOIN regions AS r ON p.region = r.name GROUP BY r.urban;
-- gives
WITH
"source" AS NOT MATERIALIZED (
  SELECT "patients"."patient_id" AS "u",
    "regions"."urban" AS "k0"
  FROM "main"."patients" AS "patients"
  LEFT JOIN "main"."regions" AS "regions" ON ("patients"."region" = "regions"."name")
  WHERE (NOT (("patients"."patient_id" IS NULL)))),
"rows" AS NOT MATERIALIZED (
  SELECT "u", "k0"
  FROM "source"),
"heavy" AS MATERIALIZED (
  SELECT "u"
  FROM "rows"
  GROUP BY "u"
  HAVING COUNT(*) > 1),
"domain" AS (
  SELECT DISTINCT "d0"."k0" AS "k0"
  FROM (SELECT DISTINCT "regions"."urban" AS "k0"
  FROM (VALUES (TRUE), (FALSE)) AS "has"("partner")
  LEFT JOIN "main"."regions" AS "regions" ON "has"."partner") AS "d0"("k0")),
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
  SELECT "u", CASE WHEN "s0" <= 1 THEN CAST('1' AS DOUBLE) ELSE LEAST(CAST('1' AS DOUBLE), CAST('1.00048828125' AS DOUBLE) / SQRT(CAST("s0" AS DOUBLE))) END AS "f0"
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
