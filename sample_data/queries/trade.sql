-- Imports and exports by year
SELECT
  year(declared_on) AS year,
  direction,
  COUNT(*) AS declarations,
  SUM(value_eur) / 1000000 AS million_euro
FROM declarations
WHERE value_eur BETWEEN 0 AND 200000
GROUP BY year(declared_on), direction
ORDER BY year, direction;

-- Exports by section of the nomenclature
SELECT g.section, COUNT(*) AS declarations, SUM(d.value_eur) AS euro
FROM declarations AS d
JOIN goods AS g ON d.good_code = g.code
WHERE d.direction = 'export' AND d.value_eur BETWEEN 0 AND 200000
GROUP BY g.section
ORDER BY euro DESC;

-- Number of firms importing, by chapter
SELECT good_code, COUNT(DISTINCT firm_id) AS firms
FROM declarations
WHERE direction = 'import'
GROUP BY good_code
HAVING COUNT(DISTINCT firm_id) >= 20
ORDER BY firms DESC;

-- Price per kilogram of the machinery chapters, by trade bloc
SELECT
  k.bloc,
  SUM(d.value_eur) / SUM(d.weight_kg) AS euro_per_kg
FROM declarations AS d
JOIN countries AS k ON d.country = k.code
WHERE
  d.good_code IN ('84', '85')
  AND d.value_eur BETWEEN 0 AND 200000
  AND d.weight_kg BETWEEN 0 AND 40000
GROUP BY k.bloc
ORDER BY k.bloc;

-- Trade through the months of 2020
SELECT date_trunc('month', declared_on) AS month, COUNT(*) AS declarations
FROM declarations
WHERE declared_on BETWEEN DATE '2020-01-01' AND DATE '2020-12-31'
GROUP BY date_trunc('month', declared_on)
ORDER BY month;

-- Mean value of a declaration by size of firm
SELECT f.size, COUNT(*) AS declarations, AVG(d.value_eur) AS mean_euro
FROM declarations AS d
JOIN firms AS f ON d.firm_id = f.firm_id
WHERE d.value_eur BETWEEN 0 AND 200000
GROUP BY f.size
ORDER BY mean_euro;

-- The five largest import partners
SELECT country, SUM(value_eur) AS euro
FROM declarations
WHERE direction = 'import' AND value_eur BETWEEN 0 AND 200000
GROUP BY country
ORDER BY euro DESC
LIMIT 5;

-- Customs offices and firms that use them, small offices are withheld
SELECT
  COALESCE(office, 'not recorded') AS office,
  COUNT(*) AS declarations,
  COUNT(DISTINCT firm_id) AS firms
FROM declarations
GROUP BY COALESCE(office, 'not recorded')
ORDER BY declarations DESC;
