-- Questions about a column {c} of any type, in the world `types`.

SELECT {c}, COUNT(*) FROM units GROUP BY {c};

SELECT COUNT({c}), COUNT(DISTINCT {c}), COUNT(DISTINCT ({c}, yes)) FROM units;

SELECT DISTINCT {c} FROM units;

SELECT COUNT(*) FROM (SELECT DISTINCT unit, {c} FROM units);

SELECT COUNT(*) FROM (SELECT DISTINCT {c} FROM units);

SELECT COUNT(*) FROM (SELECT DISTINCT ON (unit) * FROM units ORDER BY unit, {c});

SELECT COUNT(*) FROM (SELECT unit, {c}, COUNT(*) AS n FROM units GROUP BY ALL) WHERE n
  > 1;

SELECT COUNT(*) FROM (SELECT unit, MIN({c}) AS a, MAX({c}) AS b, COUNT(DISTINCT {c})
  AS n FROM units GROUP BY unit) WHERE a < b AND n > 1;

SELECT COUNT(*) FROM (SELECT unit, {c}, LAG({c}) OVER (PARTITION BY unit ORDER BY {c}
  DESC NULLS LAST) AS a, FIRST_VALUE({c}) OVER (PARTITION BY unit ORDER BY big) AS b
  FROM units) WHERE a = {c} OR b <> {c};

SELECT COUNT(*) FROM (SELECT *, MAX({c}) OVER (PARTITION BY unit ORDER BY {c} ROWS 2
  PRECEDING) AS a, ROW_NUMBER() OVER (PARTITION BY unit, {c}) AS n FROM units) WHERE a
  >= {c} AND n = 1;

SELECT COUNT(*) FROM (SELECT unit, {c} FROM units UNION SELECT unit, {c} FROM units
  WHERE yes);

SELECT COUNT(*) FROM (SELECT unit, {c} FROM units UNION ALL SELECT unit, {c} FROM
  units WHERE yes);

SELECT COUNT(*) FROM (SELECT unit, {c} FROM units EXCEPT SELECT unit, {c} FROM units
  WHERE yes);

SELECT COUNT(*) FROM (SELECT unit, {c} FROM units EXCEPT ALL SELECT unit, {c} FROM
  units WHERE yes);

SELECT COUNT(*) FROM (SELECT unit, {c} FROM units INTERSECT SELECT unit, {c} FROM
  units WHERE yes);

SELECT COUNT(*) FROM units a JOIN units b ON a.unit = b.unit AND a.{c} = b.{c};

SELECT COUNT(*) FROM units a LEFT JOIN units b ON a.unit = b.unit AND a.{c} < b.{c}
  WHERE b.{c} IS NULL;

SELECT COUNT(*) FROM units a FULL JOIN units b USING (unit, {c});

SELECT COUNT(*) FROM units a WHERE EXISTS (SELECT 1 FROM units b WHERE a.unit = b.unit
  AND a.{c} > b.{c});

SELECT COUNT(*) FROM units a WHERE {c} NOT IN (SELECT {c} FROM units b WHERE a.unit =
  b.unit AND yes);

SELECT COUNT(*) FROM units a WHERE {c} >= ALL (SELECT {c} FROM units b WHERE a.unit =
  b.unit);

SELECT COUNT(*) FROM units a WHERE {c} = (SELECT {c} FROM units b WHERE a.unit =
  b.unit ORDER BY big LIMIT 1);

SELECT COUNT(*) FROM units a WHERE {c} = (SELECT MAX({c}) FROM units b WHERE a.unit =
  b.unit);

SELECT COUNT(*) FROM units a, LATERAL (SELECT {c} FROM units b WHERE a.unit = b.unit
  ORDER BY {c} DESC LIMIT 2) AS x;

SELECT COUNT(*) FROM units a ASOF JOIN units b ON a.unit = b.unit AND a.{c} >= b.{c};

SELECT COUNT(*) FROM units WHERE {c} IN (SELECT {c} FROM units GROUP BY {c});

WITH k AS (SELECT {c}, COUNT(*) AS n FROM units GROUP BY {c}) SELECT COUNT(*) FROM
  units JOIN k USING ({c}) WHERE k.n > 1;

SELECT COUNT(*) FROM units WHERE {c} IS DISTINCT FROM NULL AND COALESCE({c},
  NULLIF({c}, {c})) BETWEEN {c} AND GREATEST({c}, LEAST({c}, {c}));

SELECT CASE WHEN {c} IS NULL THEN NULL WHEN yes THEN {c} END AS k, COUNT(*) FROM units
  GROUP BY k;

SELECT yes, MIN({c}) FROM units GROUP BY yes;

SELECT MAX({c}) FILTER (WHERE yes), MEDIAN({c}) FROM units;

SELECT COUNT(*) FROM units WHERE {c} < (SELECT MAX({c}) FROM units);

SELECT COUNT(*) FROM units WHERE {c} > (SELECT MEDIAN({c}) FROM units);

SELECT TRY_CAST({c} AS BOOLEAN) AS k, COUNT(*) FROM units GROUP BY k;

SELECT TRY_CAST({c} AS TINYINT) AS k, COUNT(*) FROM units GROUP BY k;

SELECT TRY_CAST({c} AS INTEGER) AS k, COUNT(*) FROM units GROUP BY k;

SELECT TRY_CAST({c} AS BIGINT) AS k, COUNT(*) FROM units GROUP BY k;

SELECT TRY_CAST({c} AS DOUBLE) AS k, COUNT(*) FROM units GROUP BY k;

SELECT TRY_CAST({c} AS DECIMAL(9, 2)) AS k, COUNT(*) FROM units GROUP BY k;

SELECT TRY_CAST({c} AS VARCHAR) AS k, COUNT(*) FROM units GROUP BY k;

SELECT TRY_CAST({c} AS DATE) AS k, COUNT(*) FROM units GROUP BY k;

SELECT TRY_CAST({c} AS TIMESTAMP) AS k, COUNT(*) FROM units GROUP BY k;

SELECT TRY_CAST({c} AS TIME) AS k, COUNT(*) FROM units GROUP BY k;

SELECT COUNT(*) FROM units, UNNEST({c}) AS t(e) WHERE e IS NOT NULL;

SELECT e, COUNT(*) FROM units LEFT JOIN UNNEST({c}) AS t(e) ON TRUE GROUP BY e;
