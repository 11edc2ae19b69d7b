-- Women screened and recall rate by year
SELECT
  EXTRACT(year FROM v.visited_on) AS year,
  COUNT(*) AS mammograms,
  100.0 * SUM(CASE WHEN m.recalled THEN 1 ELSE 0 END) / COUNT(*) AS recall_percent
FROM mammograms AS m
JOIN visits AS v ON m.visit_id = v.visit_id
WHERE v.visited_on BETWEEN DATE '2016-01-01' AND DATE '2025-12-31'
GROUP BY EXTRACT(year FROM v.visited_on)
ORDER BY year;

-- Cancers found per 1,000 mammograms by age at screening
SELECT
  CASE
    WHEN EXTRACT(year FROM v.visited_on) - p.birth_year < 60 THEN '50-59'
    WHEN EXTRACT(year FROM v.visited_on) - p.birth_year < 70 THEN '60-69'
    ELSE '70-74'
  END AS age_group,
  COUNT(*) AS mammograms,
  1000.0 * SUM(CASE WHEN m.finding = 'cancer' THEN 1 ELSE 0 END) / COUNT(*) AS per_1000
FROM mammograms AS m
JOIN visits AS v ON m.visit_id = v.visit_id
JOIN patients AS p ON v.patient_id = p.patient_id
WHERE p.birth_year BETWEEN 1940 AND 1976 AND v.ward IN ('Screening', 'Mobile screening')
GROUP BY age_group
ORDER BY age_group;

-- Participants by region
SELECT p.region, COUNT(DISTINCT p.patient_id) AS screened
FROM patients AS p
JOIN visits AS v ON v.patient_id = p.patient_id
WHERE v.ward LIKE '%screening' OR v.ward = 'Screening'
GROUP BY p.region
ORDER BY screened DESC;

-- Mean glandular dose by breast density
SELECT density, COUNT(dose_mgy) AS measured, AVG(dose_mgy) AS mean_dose_mgy
FROM mammograms
WHERE dose_mgy BETWEEN 0 AND 20
GROUP BY density
ORDER BY density;

-- Visits and mean cost by ward, small wards are withheld
SELECT ward, COUNT(*) AS visits, AVG(cost) AS mean_cost
FROM visits
WHERE cost BETWEEN 0 AND 5000
GROUP BY ward
HAVING COUNT(*) > 500
ORDER BY visits DESC;

-- BI-RADS categories in towns and in the country
SELECT r.urban, m.birads, COUNT(*) AS mammograms
FROM mammograms AS m
JOIN visits AS v ON m.visit_id = v.visit_id
JOIN patients AS p ON v.patient_id = p.patient_id
LEFT JOIN regions AS r ON p.region = r.name
WHERE m.birads BETWEEN 0 AND 6
GROUP BY r.urban, m.birads
ORDER BY r.urban, m.birads;

-- Biopsy results, and the size of what was found
SELECT result, COUNT(*) AS biopsies, AVG(size_mm) AS mean_size_mm
FROM biopsies
GROUP BY result
ORDER BY result;

-- Emergency visits per quarter since 2020, the five busiest quarters
SELECT date_trunc('quarter', visited_on) AS quarter, COUNT(*) AS visits
FROM visits
WHERE emergency AND visited_on BETWEEN DATE '2020-01-01' AND DATE '2025-12-31'
GROUP BY date_trunc('quarter', visited_on)
ORDER BY visits DESC
LIMIT 5;
