-- a row of two people
SELECT COUNT(*) FROM visits a JOIN visits b ON a.ward = b.ward;
SELECT COUNT(*) FROM visits a JOIN visits b ON a.person = b.person OR a.ward = b.ward;
SELECT COUNT(*) FROM visits a JOIN visits b ON NOT (a.person <> b.person);
SELECT COUNT(*) FROM visits a JOIN visits b ON COALESCE(a.person, 0) = COALESCE(b.person, 0);
SELECT COUNT(*) FROM visits a, visits b WHERE CASE WHEN a.person = b.person THEN TRUE END;
SELECT COUNT(*) FROM bills b JOIN visits v ON b.visit = v.visit;
SELECT COUNT(*) FROM sensors s JOIN sensors t ON s.code = t.code;
SELECT COUNT(*) FROM visits a ASOF JOIN visits b ON a.stay >= b.stay;
SELECT COUNT(*) FROM visits a ASOF JOIN visits b ON a.ward = b.ward AND a.stay >= b.stay;
SELECT COUNT(*) FROM visits v, sensors s;

-- a unit by its name alone
SELECT COUNT(*) FROM (SELECT stay AS person FROM visits) d JOIN bills USING (person);
SELECT COUNT(*) FROM (SELECT person + 0 AS person FROM visits) d JOIN bills USING (person);
SELECT COUNT(*) FROM (SELECT CASE WHEN urgent THEN person END AS person FROM visits) d JOIN bills USING (person);
SELECT COUNT(*) FROM (SELECT stay, person FROM visits) AS d(person, stay) JOIN bills b ON b.person = d.person;
SELECT COUNT(*) FROM (SELECT person, stay FROM visits UNION ALL SELECT born, id FROM people) u JOIN bills b ON u.person = b.person;

-- what many people decide together
SELECT COUNT(*) FROM visits v WHERE EXISTS (SELECT 1 FROM bills b WHERE b.amount > v.cost);
SELECT COUNT(*) FILTER (WHERE EXISTS (SELECT 1 FROM bills b WHERE b.amount > v.cost)) FROM visits v;  -- *
SELECT SUM(CASE WHEN EXISTS (SELECT 1 FROM bills b WHERE b.amount > v.cost) THEN 1 ELSE 0 END) FROM visits v;  -- *
SELECT COUNT(DISTINCT CASE WHEN EXISTS (SELECT 1 FROM bills b WHERE b.amount > v.cost) THEN 1 END) FROM visits v;  -- *
SELECT COUNT(*) FROM visits v GROUP BY CASE WHEN EXISTS (SELECT 1 FROM bills b WHERE b.amount > v.cost) THEN 1 ELSE 0 END;  -- *
SELECT COUNT(*) FROM visits v JOIN codes c ON v.code = c.code AND EXISTS (SELECT 1 FROM bills b WHERE b.amount > v.cost);
SELECT COUNT(*) FROM visits v LEFT JOIN codes c ON v.code = c.code AND EXISTS (SELECT 1 FROM bills b WHERE b.amount > v.cost);
SELECT COUNT(*) FROM (SELECT person, EXISTS (SELECT 1 FROM bills b WHERE b.amount > v.cost) AS n FROM visits v) d WHERE n;
SELECT COUNT(*) FROM (SELECT ROW_NUMBER() OVER (PARTITION BY person ORDER BY EXISTS (SELECT 1 FROM bills b WHERE b.amount > v.cost)) AS n FROM visits v) d;
SELECT MAX(CASE WHEN v.cost > ALL (SELECT b.amount FROM bills b) THEN 1 ELSE 0 END) FROM visits v;
SELECT COUNT(*) FROM visits v WHERE v.person IN (SELECT id + 0 FROM people);
SELECT COUNT(*) FROM visits v WHERE v.person IN (SELECT p.born FROM people p);
SELECT COUNT(*) FROM visits v WHERE v.person >= ANY (SELECT id FROM people);
SELECT COUNT(*) FROM visits v WHERE v.person IN (SELECT id FROM people ORDER BY born LIMIT 1);
SELECT COUNT(*) FROM visits v WHERE v.person IN (SELECT MAX(person) FROM bills GROUP BY visit, person + 0);
SELECT COUNT(*) FROM people p WHERE p.sex IN (SELECT ward FROM visits v WHERE v.person = p.id UNION ALL SELECT 'f' FROM bills);
SELECT COUNT(*) FROM people p WHERE EXISTS (SELECT 1 FROM visits v, bills b WHERE v.person = p.id OR b.person = p.id);
SELECT COUNT(*) FROM people p WHERE EXISTS (SELECT 1 FROM visits v FULL JOIN bills b ON b.person = v.person WHERE b.person = p.id);
SELECT COUNT(*) FROM codes c FULL JOIN visits v ON c.code = v.code;
SELECT COUNT(*) FROM codes c LEFT JOIN visits v ON c.code = v.code;
SELECT COUNT(*) FROM (SELECT ROW_NUMBER() OVER (ORDER BY stay) AS n FROM visits) d;
SELECT COUNT(*) FROM (SELECT ROW_NUMBER() OVER (PARTITION BY CAST(person AS VARCHAR) ORDER BY stay) AS n FROM visits) d;
SELECT COUNT(*) FROM (SELECT room, ROW_NUMBER() OVER (PARTITION BY room ORDER BY reading) AS n FROM sensors) d;
SELECT COUNT(*) FROM (SELECT stay FROM visits ORDER BY stay LIMIT 3) d;
SELECT COUNT(*) FROM (SELECT born AS x FROM people INTERSECT SELECT stay FROM visits) d;
SELECT COUNT(*) FROM (SELECT id FROM people EXCEPT SELECT stay FROM visits) d;
SELECT COUNT(*) FROM (SELECT room FROM sensors EXCEPT SELECT label FROM codes) d;
SELECT room, COUNT(*) FROM (SELECT room FROM sensors) TABLESAMPLE BERNOULLI (50 PERCENT) GROUP BY room;  -- *
