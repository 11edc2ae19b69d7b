-- Queries on the shop with everything that is answered, each once.

SELECT COUNT(*) FROM customers;

SELECT COUNT(*) AS n, COUNT(note), COUNT(DISTINCT customer_id), COUNT(DISTINCT note),
  COUNT(DISTINCT (status, kind)) FROM orders;

SELECT SUM(amount), AVG(amount), MIN(amount), MAX(amount), MEDIAN(amount) FROM orders;

SELECT SUM(DISTINCT amount), AVG(DISTINCT amount) FROM orders;

SELECT STDDEV(income), VAR_POP(income), VAR_SAMP(income), STDDEV_POP(income) FROM
  customers;

SELECT CORR(price, quantity), COVAR_POP(price, quantity), REGR_SLOPE(price, quantity),
  COVAR_SAMP(price, quantity) FROM line_items;

SELECT QUANTILE_CONT(amount, 0.25), QUANTILE_DISC(amount, [0.1, 0.9]) FROM orders;

SELECT PERCENTILE_CONT(0.5) WITHIN GROUP (ORDER BY amount) FROM orders;

SELECT MIN(placed_on), MAX(paid_at), MEDIAN(placed_on) FROM orders;

SELECT BOOL_OR(express), BOOL_AND(amount > 5) FROM orders;

SELECT COUNT_IF(amount > 5), COUNT(*) FILTER (WHERE express), SUM(amount) FILTER
  (WHERE status = 'open') FROM orders;

SELECT APPROX_COUNT_DISTINCT(note) FROM orders;

SELECT status, COUNT(*) FROM orders GROUP BY status;

SELECT note, COUNT(*), SUM(amount) FROM orders GROUP BY note;

SELECT city, birth_year, COUNT(*) FROM customers GROUP BY ALL ORDER BY ALL;

SELECT kind, status, express, COUNT(*) AS n FROM orders GROUP BY 1, 2, 3 HAVING n > 3
  ORDER BY n DESC LIMIT 5 OFFSET 1;

SELECT date_trunc('month', placed_on) AS m, SUM(amount) FROM orders GROUP BY m;

SELECT EXTRACT(year FROM paid_at) AS y, COUNT(*) FROM orders GROUP BY y;

SELECT status, kind, COUNT(*), GROUPING(status) FROM orders GROUP BY ROLLUP(status,
  kind);

SELECT status, kind, SUM(amount) FROM orders GROUP BY CUBE(status, kind);

SELECT status, kind, SUM(amount) FROM orders GROUP BY GROUPING SETS ((status), (kind),
  ());

SELECT DISTINCT status FROM orders;

SELECT DISTINCT note FROM orders;

SELECT status, COUNT(*) AS n, RANK() OVER (ORDER BY COUNT(*) DESC) FROM orders GROUP
  BY status QUALIFY RANK() OVER (ORDER BY COUNT(*) DESC) <= 2;

SELECT status, COUNT(*) * 100.0 / SUM(COUNT(*)) OVER () AS share FROM orders GROUP BY
  status;

SELECT c.city, COUNT(*) FROM orders o JOIN customers c ON o.customer_id =
  c.customer_id GROUP BY c.city;

SELECT c.city, COUNT(*), SUM(o.amount) FROM customers c LEFT JOIN orders o ON
  o.customer_id = c.customer_id GROUP BY c.city;

SELECT COUNT(*), SUM(amount), SUM(income) FROM customers c FULL JOIN orders o ON
  o.customer_id = c.customer_id;

SELECT COUNT(*) FROM orders RIGHT JOIN customers USING (customer_id);

SELECT p.category, COUNT(*), SUM(l.price * l.quantity) FROM line_items l JOIN products
  p USING (product_id) GROUP BY p.category;

SELECT p.category, COUNT(l.item_id), SUM(l.price) FROM products p LEFT JOIN line_items
  l ON p.product_id = l.product_id GROUP BY p.category;

SELECT COUNT(*) FROM orders o JOIN line_items l ON l.order_id = o.order_id JOIN
  customers c ON c.customer_id = o.customer_id JOIN products p ON p.product_id =
  l.product_id WHERE p.list_price > 1 AND c.income > 1000;

SELECT SUM(seconds) FROM picks NATURAL JOIN line_items;

SELECT COUNT(*) FROM orders a JOIN orders b ON a.customer_id = b.customer_id AND
  a.placed_on < b.placed_on;

SELECT COUNT(*) FROM orders o, products p WHERE o.kind = p.category AND o.amount >
  p.list_price;

SELECT COUNT(*) FROM orders o CROSS JOIN (VALUES (1, 'x'), (2, 'y')) AS v(a, b) WHERE
  o.order_id > v.a;

SELECT COUNT(*) FROM orders o JOIN generate_series(1, 12) AS m(n) ON EXTRACT(month
  FROM o.placed_on) = m.n;

SELECT m.n, COUNT(o.order_id) FROM generate_series(1, 12) AS m(n) LEFT JOIN orders o
  ON EXTRACT(month FROM o.placed_on) = m.n GROUP BY m.n;

SELECT COUNT(*) FROM orders o ASOF JOIN orders p ON o.customer_id = p.customer_id AND
  o.paid_at >= p.paid_at;

SELECT COUNT(*) FROM customers c SEMI JOIN orders o ON c.customer_id = o.customer_id;

SELECT COUNT(*) FROM customers c ANTI JOIN orders o ON c.customer_id = o.customer_id;

SELECT COUNT(*) FROM customers c WHERE EXISTS (SELECT 1 FROM orders o WHERE
  o.customer_id = c.customer_id AND o.amount > 5);

SELECT COUNT(*) FROM customers c WHERE NOT EXISTS (SELECT 1 FROM orders o WHERE
  o.customer_id = c.customer_id);

SELECT COUNT(*) FROM customers WHERE customer_id IN (SELECT customer_id FROM orders
  WHERE amount > 5);

SELECT COUNT(*) FROM customers WHERE customer_id NOT IN (SELECT customer_id FROM
  orders);

SELECT COUNT(*) FROM orders WHERE kind IN (SELECT category FROM products WHERE
  list_price > 1);

SELECT COUNT(*) FROM orders WHERE kind NOT IN (SELECT category FROM products);

SELECT COUNT(*) FROM customers c WHERE (SELECT SUM(amount) FROM orders o WHERE
  o.customer_id = c.customer_id) > 10;

SELECT SUM(LEAST(GREATEST((SELECT MAX(amount) FROM orders o WHERE o.customer_id =
  c.customer_id), 0), 10)) FROM customers c;

SELECT COUNT(*) FROM orders WHERE amount > (SELECT AVG(amount) FROM orders);

SELECT COUNT(*) FROM orders WHERE amount > ANY (SELECT list_price FROM products);

SELECT COUNT(*) FROM orders WHERE amount >= ALL (SELECT list_price FROM products WHERE
  list_price IS NOT NULL);

SELECT COUNT(*) FROM line_items l WHERE price > (SELECT AVG(list_price) FROM products
  p WHERE p.product_id = l.product_id);

SELECT COUNT(*) FROM orders o WHERE amount > (SELECT AVG(amount) FROM orders p WHERE
  p.kind = o.kind);

WITH big AS (SELECT * FROM orders WHERE amount > 5) SELECT status, COUNT(*) FROM big
  GROUP BY status;

WITH t AS (SELECT status, COUNT(*) AS n FROM orders GROUP BY status) SELECT MAX(n),
  MIN(n) FROM t;

WITH t AS (SELECT note FROM orders GROUP BY note) SELECT t.note, COUNT(*) FROM orders
  JOIN t USING (note) GROUP BY t.note;

SELECT COUNT(*) FROM (SELECT customer_id, SUM(amount) AS s, COUNT(*) AS n FROM orders
  GROUP BY customer_id) WHERE s > 10 AND n > 1;

SELECT n, COUNT(*) FROM (SELECT customer_id, COUNT(*) AS n FROM orders GROUP BY
  customer_id) GROUP BY n;

SELECT AVG(LEAST(a, 100)) FROM (SELECT customer_id, GREATEST(AVG(amount), 0) AS a,
  MAX(note) AS m, MEDIAN(amount) AS d, STDDEV(amount) AS s, BOOL_OR(express) AS e,
  MIN(placed_on) AS p, COUNT(DISTINCT kind) AS k FROM orders GROUP BY customer_id
  HAVING COUNT(*) > 0) WHERE m > 'a' AND d > -5 AND (s > 0 OR s IS NULL) AND e AND p >
  DATE '2024-01-01' AND k > 0;

SELECT COUNT(*) FROM (SELECT customer_id, amount, ROW_NUMBER() OVER (PARTITION BY
  customer_id ORDER BY placed_on DESC) AS r FROM orders) WHERE r = 1;

SELECT SUM(amount) FROM (SELECT * FROM orders QUALIFY ROW_NUMBER() OVER (PARTITION BY
  customer_id ORDER BY amount DESC) <= 3);

SELECT COUNT(*) FROM (SELECT customer_id, LAG(placed_on) OVER (PARTITION BY
  customer_id ORDER BY placed_on) AS before, placed_on FROM orders) WHERE placed_on >
  before;

SELECT COUNT(*) FROM (SELECT customer_id, SUM(amount) OVER (PARTITION BY customer_id
  ORDER BY placed_on ROWS BETWEEN 2 PRECEDING AND CURRENT ROW) AS s, FIRST_VALUE(note)
  OVER (PARTITION BY customer_id ORDER BY paid_at) AS f, NTILE(4) OVER (PARTITION BY
  customer_id ORDER BY amount) AS q, RANK() OVER (PARTITION BY customer_id ORDER BY
  amount) AS r, PERCENT_RANK() OVER (PARTITION BY customer_id ORDER BY amount) AS pr,
  LEAD(amount, 2) OVER (PARTITION BY customer_id ORDER BY placed_on) AS l, AVG(amount)
  OVER (PARTITION BY customer_id) AS a, COUNT(*) OVER (PARTITION BY customer_id) AS c,
  NTH_VALUE(amount, 2) OVER (PARTITION BY customer_id ORDER BY placed_on) AS nv FROM
  orders) WHERE s > 0 OR f = 'x' OR q = 1 OR r = 2 OR pr > 0.5 OR l > 1 OR a > 2 OR c
  > 3 OR nv > 1;

SELECT COUNT(*) FROM (SELECT DISTINCT customer_id, status FROM orders);

SELECT COUNT(*) FROM (SELECT DISTINCT ON (customer_id) customer_id, amount FROM orders
  ORDER BY customer_id, placed_on) WHERE amount > 0;

SELECT COUNT(*) FROM (SELECT DISTINCT status, kind FROM orders);

SELECT COUNT(*) FROM (SELECT customer_id FROM orders UNION SELECT customer_id FROM
  customers);

SELECT COUNT(*) FROM (SELECT customer_id, note FROM orders UNION ALL SELECT
  customer_id, name FROM customers) t WHERE note LIKE 'A%';

SELECT COUNT(*) FROM (SELECT customer_id FROM customers EXCEPT SELECT customer_id FROM
  orders);

SELECT COUNT(*) FROM (SELECT customer_id FROM customers INTERSECT SELECT customer_id
  FROM orders);

SELECT COUNT(*) FROM orders TABLESAMPLE BERNOULLI (50%);

SELECT COUNT(*) FROM customers c, LATERAL (SELECT amount FROM orders o WHERE
  o.customer_id = c.customer_id ORDER BY placed_on DESC LIMIT 1) AS x WHERE x.amount >
  5;

SELECT COUNT(*) FROM customers c LEFT JOIN LATERAL (SELECT SUM(amount) AS s FROM
  orders o WHERE o.customer_id = c.customer_id) AS x ON TRUE WHERE x.s > 5;

SELECT COUNT(*) FROM orders UNION ALL SELECT COUNT(*) FROM customers;

SELECT status, COUNT(*) FROM orders GROUP BY status UNION ALL SELECT 'all', COUNT(*)
  FROM orders ORDER BY 2;

SELECT a.n, b.m FROM (SELECT COUNT(*) AS n FROM orders) a CROSS JOIN (SELECT COUNT(*)
  AS m FROM customers) b;

SELECT a.status, a.n * 1.0 / b.n FROM (SELECT status, COUNT(*) AS n FROM orders GROUP
  BY status) a JOIN (SELECT COUNT(*) AS n FROM orders) b ON TRUE;

PIVOT (SELECT status, kind, COUNT(*) AS n FROM orders GROUP BY ALL) ON status USING
  SUM(n);

SELECT * FROM products;

SELECT category, COUNT(*), AVG(list_price) FROM products GROUP BY category;

SELECT COUNT(*) FROM products p WHERE EXISTS (SELECT 1 FROM line_items l WHERE
  l.product_id = p.product_id);

SELECT p.product_id, (SELECT COUNT(*) FROM line_items l WHERE l.product_id =
  p.product_id) AS n FROM products p;

SELECT COUNT(*), SUM(reading), AVG(reading) FROM sensors;

SELECT station, COUNT(*) FROM sensors GROUP BY station;

SELECT CASE WHEN amount > 100 THEN 'big' WHEN amount IS NULL THEN NULL ELSE 'small'
  END AS size, COUNT(*) FROM orders GROUP BY size;

SELECT SUM(CASE WHEN express THEN amount ELSE 0 END), SUM(LEAST(GREATEST(LENGTH(note),
  0), 10)) FROM orders;

SELECT COUNT(*) FROM orders WHERE TRY_CAST(note AS INTEGER) BETWEEN 1 AND 5 OR
  CAST(note AS DATE) > DATE '2024-01-01' OR CAST(note AS DOUBLE) > 1 OR CAST(note AS
  BOOLEAN) OR CAST(amount AS VARCHAR) LIKE '9%' OR CAST(note AS TIMESTAMP) IS NULL;

SELECT COUNT(*) FROM orders WHERE order_id // 0 = 1 OR order_id % 0 = 1 OR amount / 0
  > 1 OR -order_id < 0 OR ABS(order_id) > 1 OR ROUND(amount, 2) > 1 OR FLOOR(amount) =
  1 OR CEIL(amount) = 2 OR order_id * order_id * order_id * order_id > 5 OR
  NULLIF(order_id, 3) IS NULL OR COALESCE(amount, 0) = 0;

SELECT COUNT(*) FROM orders WHERE UPPER(note) = 'X' OR LOWER(note) || note || note
  LIKE '%x%' OR LEFT(note, 3) = 'abc' OR SUBSTRING(note, 2, 3) = 'x' OR TRIM(note) =
  '' OR REPLACE(note, 'a', 'bb') = 'bb' OR note ILIKE 'a_' OR note IN ('a', 'b') OR
  starts_with(note, 'x') OR CONTAINS(note, 'y') OR RIGHT(note, 2) = 'zz';

SELECT COUNT(*) FROM orders WHERE EXTRACT(week FROM placed_on) = 3 OR EXTRACT(dow FROM
  paid_at) = 1 OR EXTRACT(hour FROM paid_at) = 3 OR date_trunc('week', placed_on) >
  DATE '2024-02-01' OR quarter(placed_on) = 2 OR dayofyear(placed_on) = 6 OR
  EXTRACT(second FROM paid_at) = 5;

SELECT COUNT(*) FROM orders WHERE placed_on BETWEEN '2024-02-01' AND '2024-03-01' AND
  paid_at >= placed_on AND amount <> 3 AND (status IS DISTINCT FROM 'open') AND NOT
  express;

SELECT COUNT(*) FROM customers WHERE income > 5 AND birth_year IN (1950, 1951, NULL);

SELECT birth_year // 10 * 10 AS decade, COUNT(*) FROM customers GROUP BY decade;

SELECT COUNT(*) FROM string_split('a,b', ',');

SELECT WITH DIFFERENTIAL_PRIVACY OPTIONS (epsilon = 0.5, max_groups_contributed = 2)
  status, COUNT(*), SUM(amount, contribution_bounds_per_group => (0, 500)) FROM orders
  GROUP BY status;

SELECT (SELECT COUNT(*) FROM customers) AS a, (SELECT COUNT(*) FROM orders) AS b;

FROM orders SELECT COUNT(*);

SELECT SUM(l.quantity * l.price) / SUM(o.amount) FROM line_items l JOIN orders o USING
  (order_id);

SELECT COUNT(*) FROM line_items l JOIN payments p ON p.order_id = l.order_id;
