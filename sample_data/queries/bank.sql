-- Alert rate by channel
SELECT
  channel,
  COUNT(*) AS transfers,
  100.0 * SUM(CASE WHEN alert THEN 1 ELSE 0 END) / COUNT(*) AS alert_percent
FROM transfers
GROUP BY channel
ORDER BY alert_percent DESC;

-- Alert rate of transfers with listed countries and with others
SELECT
  k.listed,
  COUNT(*) AS transfers,
  SUM(t.amount) AS euro,
  100.0 * SUM(CASE WHEN t.alert THEN 1 ELSE 0 END) / COUNT(*) AS alert_percent
FROM transfers AS t
JOIN countries AS k ON t.country = k.code
WHERE t.amount BETWEEN 0 AND 50000
GROUP BY k.listed
ORDER BY k.listed;

-- Cash just below the reporting threshold, by year
SELECT EXTRACT(year FROM booked_at) AS year, COUNT(*) AS payments
FROM transfers
WHERE channel = 'cash' AND amount BETWEEN 9000 AND 9999.99
GROUP BY EXTRACT(year FROM booked_at)
ORDER BY year;

-- Customers with an alert, by segment
SELECT c.segment, COUNT(DISTINCT a.customer_id) AS customers
FROM transfers AS t
JOIN accounts AS a ON t.account_id = a.account_id
JOIN customers AS c ON a.customer_id = c.customer_id
WHERE t.alert
GROUP BY c.segment
ORDER BY customers DESC;

-- Turnover by continent of the counterparty
SELECT k.continent, COUNT(*) AS transfers, SUM(t.amount) / 1000000 AS million_euro
FROM transfers AS t
JOIN countries AS k ON t.country = k.code
WHERE t.amount BETWEEN 0 AND 50000
GROUP BY k.continent
ORDER BY million_euro DESC;

-- Turnover by month and the customer's risk class in 2025
SELECT
  date_trunc('month', t.booked_at) AS month,
  c.risk,
  COUNT(*) AS transfers,
  SUM(t.amount) AS euro
FROM transfers AS t
JOIN accounts AS a ON t.account_id = a.account_id
JOIN customers AS c ON a.customer_id = c.customer_id
WHERE
  t.booked_at >= DATE '2025-01-01'
  AND c.risk IN ('low', 'medium')
  AND t.amount BETWEEN 0 AND 50000
GROUP BY date_trunc('month', t.booked_at), c.risk
ORDER BY month, c.risk;

-- Ten most frequent partner countries outside the home country
SELECT country, COUNT(*) AS transfers
FROM transfers
WHERE country <> 'LU'
GROUP BY country
HAVING COUNT(*) > 100
ORDER BY transfers DESC
LIMIT 10;

-- Accounts by currency, rare currencies are withheld
SELECT currency, COUNT(*) AS accounts
FROM accounts
WHERE kind IN ('current', 'savings')
GROUP BY currency
ORDER BY accounts DESC;
