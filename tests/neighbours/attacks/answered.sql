-- which column holds the unit, when the analyst names columns
SELECT COUNT(*) FROM (SELECT stay AS c1, person AS "a b" FROM visits) d;  -- *
SELECT COUNT(*) FROM (SELECT stay AS c1, person AS c1 FROM visits) d;  -- *
SELECT COUNT(*) FROM (SELECT stay AS "C1", person AS "c 1" FROM visits) d;  -- *
SELECT COUNT(*) FROM (SELECT DISTINCT stay AS c1, person AS "a b" FROM visits) d;  -- *
SELECT COUNT(*) FROM (SELECT stay AS c1, person AS "a b" FROM visits UNION ALL SELECT born, id FROM people) d;  -- *
SELECT COUNT(*) FROM (SELECT d."Person", v.person AS p, COUNT(*) AS n FROM (SELECT visit, stay AS "Person" FROM visits) d JOIN visits v ON v.visit = d.visit GROUP BY d."Person", v.person) e;  -- *
SELECT COUNT(*) FROM (SELECT d.k2, d.person, v.person AS p, COUNT(*) AS n FROM (SELECT visit, stay AS k2, big AS person FROM visits) d JOIN visits v ON v.visit = d.visit GROUP BY d.k2, d.person, v.person) e;  -- *
SELECT COUNT(*) FROM (SELECT stay AS __unit, ward AS "__UNIT" FROM visits) d;
SELECT COUNT(*) FROM exams JOIN (VALUES (1, 2)) AS "exams:visits"(person, x) ON n = x;
SELECT COUNT(*) FROM visits JOIN (VALUES (5, 2)) AS "VISITS_2"(stay, x) USING (stay);
WITH visits AS (SELECT stay AS person, ward FROM visits) SELECT COUNT(*) FROM visits;
SELECT ward AS u, stay AS x0, COUNT(*) AS m0 FROM visits AS parts GROUP BY 1, 2;

-- rows that are nobody's, and outer joins in a row
SELECT COUNT(*) FROM visits v FULL JOIN bills b USING (person);
SELECT COUNT(DISTINCT v.person), COUNT(DISTINCT b.person) FROM visits v FULL JOIN bills b ON v.person = b.person;
SELECT COUNT(*) FROM visits a LEFT JOIN exams e ON e.visit = a.visit JOIN bills b ON b.person = a.person FULL JOIN visits c ON a.visit = c.visit;  -- *
SELECT COUNT(*) FROM visits v LEFT JOIN (visits w JOIN exams e ON e.visit = w.visit) ON w.person = v.person AND w.stay > v.stay;
SELECT COUNT(*) FROM regions r JOIN people p ON p.region = r.name LEFT JOIN visits v ON v.person = p.id RIGHT JOIN bills b ON b.person = p.id;
SELECT COUNT(*) FROM visits a FULL JOIN bills b ON a.person = b.person AND a.visit = b.visit WHERE a.visit IS NULL;
SELECT COUNT(*) FROM bills o WHERE EXISTS (SELECT 1 FROM (SELECT * FROM visits WHERE person = o.person) a FULL JOIN (SELECT * FROM bills WHERE person = o.person) b ON a.visit = b.visit WHERE a.visit IS NULL);
SELECT COUNT(*) FROM exams o WHERE EXISTS (SELECT 1 FROM (SELECT person FROM visits v WHERE v.visit = o.visit) a FULL JOIN visits b ON a.person = b.person WHERE b.visit = o.visit);

-- subqueries in subqueries
SELECT COUNT(*) FROM visits v WHERE EXISTS (SELECT 1 FROM exams e WHERE e.visit = v.visit AND EXISTS (SELECT 1 FROM findings f WHERE f.exam = e.exam AND f.size > v.cost));
SELECT COUNT(*) FROM visits v WHERE EXISTS (SELECT 1 FROM exams e WHERE e.visit = v.visit AND e.dose > (SELECT AVG(b.amount) FROM bills b WHERE b.person = v.person));
SELECT COUNT(*) FROM people p WHERE p.sex IN (SELECT ward FROM visits v WHERE v.person = p.id EXCEPT SELECT 'a' FROM bills b WHERE b.person = p.id);
SELECT COUNT(*) FROM people p, LATERAL (SELECT DISTINCT ON (ward) stay FROM visits v WHERE v.person = p.id ORDER BY ward, stay) l;
SELECT COUNT(*) FROM people p, LATERAL (SELECT v.ward, ROW_NUMBER() OVER (ORDER BY v.stay) AS r FROM visits v WHERE v.person = p.id) l WHERE l.r = 1;
SELECT COUNT(*) FROM visits v WHERE (SELECT w.ward FROM visits w WHERE w.person = v.person LIMIT 2) = v.ward;
SELECT COUNT(*) FROM visits v WHERE EXISTS (SELECT 1 FROM (SELECT * FROM visits TABLESAMPLE BERNOULLI (50 PERCENT)) w WHERE w.person = v.person);
SELECT COUNT(*) FROM visits v WHERE (v.person IN (SELECT p.id FROM people p WHERE p.sex = 'f')) IS NULL;
SELECT COUNT(*) FROM visits v WHERE v.person NOT IN (SELECT person FROM bills EXCEPT SELECT id FROM people);

-- sets of sets
SELECT COUNT(*) FROM (SELECT person FROM visits UNION SELECT person FROM bills EXCEPT SELECT id FROM people) d;
SELECT COUNT(*) FROM ((SELECT person, ward FROM visits UNION ALL SELECT person, 'b' FROM bills) INTERSECT SELECT id, sex FROM people) d;
SELECT COUNT(*) FROM (SELECT visit FROM exams EXCEPT SELECT visit FROM visits WHERE stay > 0) d;

-- where rows are units
SELECT c.label, COUNT(*), COUNT(DISTINCT c.code), MEDIAN(s.reading) FROM (SELECT * FROM sensors UNION ALL SELECT * FROM sensors) s JOIN codes c ON c.code >= s.code GROUP BY 1;  -- *
SELECT g.x, COUNT(*) FROM (SELECT reading FROM sensors) s JOIN generate_series(1, 5) g(x) ON s.reading < g.x GROUP BY g.x;  -- *

-- limits
SELECT urgent, COUNT(*) FILTER (WHERE stay <= 5 AND stay < 9), COUNT(*) FILTER (WHERE stay >= 5) FROM visits GROUP BY urgent;  -- *
SELECT urgent, ward, COUNT(*) FROM visits GROUP BY CUBE (urgent, ward);  -- *
SELECT urgent, stay, SUM(weight) FILTER (WHERE cost > 1) FROM visits GROUP BY GROUPING SETS ((stay), (urgent));  -- *
SELECT COUNT(*) FROM (SELECT SUM(stay) FILTER (WHERE urgent) OVER (PARTITION BY person) AS s FROM visits) d WHERE s > 1;  -- *
SELECT CAST(amount AS VARCHAR) AS k, COUNT(*) FROM bills GROUP BY k;  -- *
SELECT COUNT(DISTINCT CAST(amount AS VARCHAR)) FROM bills;
