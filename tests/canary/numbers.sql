-- Questions about a column {c} of numbers, in the world `types`.

SELECT SUM({c}), AVG({c}), SUM(DISTINCT {c}), STDDEV({c}), VAR_POP({c}) FROM units;

SELECT label, SUM({c}), AVG({c}) FILTER (WHERE yes) FROM units GROUP BY label;

SELECT QUANTILE_CONT({c}, 0.25), QUANTILE_DISC({c}, 0.9) FROM units GROUP BY yes;

SELECT CORR({c}, dbl), COVAR_SAMP(dbl, {c}), REGR_SLOPE({c}, small) FROM units;

SELECT SUM(LEAST(GREATEST(a + b + d + e, -5), 5)) FROM (SELECT unit, SUM({c}) AS a,
  AVG({c}) AS b, MEDIAN({c}) AS d, STDDEV({c}) AS e FROM units GROUP BY unit);

SELECT COUNT(*) FROM (SELECT SUM({c}) OVER (PARTITION BY unit ORDER BY big) AS a,
  AVG({c}) OVER (PARTITION BY unit) AS b FROM units) WHERE a > b;

SELECT SUM(LEAST(GREATEST({c} * {c} - {c} / {c} + {c} % {c}, 0), 9)) FROM units;

SELECT SUM(CASE WHEN {c} > 0 THEN {c} ELSE -{c} END) FROM units WHERE {c} < 100;

SELECT COUNT(*) FROM units JOIN listed ON units.{c} = listed.number;

SELECT number, SUM({c}) FROM listed LEFT JOIN units ON {c} = number GROUP BY number;

SELECT COUNT(*) FROM units WHERE {c} IN (SELECT size FROM listed);

SELECT COUNT(*) FROM units WHERE {c} > (SELECT AVG({c}) FROM units);

SELECT COUNT(*) FROM units WHERE {c} IN (1, 2.5, NULL) OR {c} BETWEEN 1 AND 1e300;

SELECT {c} // 10 AS k, COUNT(*) FROM units GROUP BY k;
