CREATE TABLE t (id INTEGER PRIMARY KEY, k VARCHAR, n INTEGER);
CREATE STREAM s (k VARCHAR, at TIMESTAMP, n INTEGER);
----
SELECT 1 AS one, 'two' AS two, NULL AS nothing, DATE '2024-01-01' AS d;
SELECT * FROM (VALUES (1, 'a'), (2, 'b'), (2, NULL)) v(n, k);
SELECT k, n FROM s WHERE false;
SELECT count(*) AS c, sum(n) AS s, avg(n) AS a, min(k) AS lo, max(at) AS hi FROM s WHERE 1 = 0;
SELECT k, count(*) AS c FROM t WHERE n > 5 AND n < 3 GROUP BY k;
SELECT t.id, v.label FROM t JOIN (VALUES (1, 'one'), (2, 'two'), (3, 'three')) v(n, label) ON t.n = v.n;
SELECT v.label, count(*) AS c FROM s JOIN (VALUES ('a', 'first'), ('b', 'second'), ('b', 'again')) v(k, label) ON s.k = v.k GROUP BY v.label;
SELECT sum(n) AS total FROM (VALUES (1), (2), (3)) v(n);
SELECT k, n FROM t WHERE n IN (SELECT * FROM (VALUES (1), (4), (7)) v(x));
SELECT id, 'const' AS c, 2.5 AS d, TIMESTAMP '2024-01-01 00:00:00' AS at FROM t WHERE true;
SELECT count(*) AS c FROM s HAVING count(*) > 10;
SELECT 5 AS n UNION ALL SELECT n FROM t WHERE n = 5;
SELECT count(DISTINCT n) AS c, sum(n) FILTER (false) AS f, bool_and(n > 0) AS b FROM t WHERE id > 1000;
SELECT id FROM t WHERE NULL;
