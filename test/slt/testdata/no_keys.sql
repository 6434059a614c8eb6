CREATE TABLE bag (k VARCHAR, n INTEGER);
CREATE TABLE bag2 (n INTEGER, x DOUBLE, j JSON);
CREATE TABLE one (v HUGEINT);
----
SELECT k, n FROM bag;
SELECT k, n, count(*) AS c FROM bag GROUP BY k, n HAVING count(*) > 1;
SELECT bag.k, bag2.x FROM bag JOIN bag2 ON bag.n = bag2.n;
SELECT a.k, b.k AS k2 FROM bag a JOIN bag b ON a.n = b.n;
SELECT v, count(*) AS c FROM one GROUP BY v;
SELECT sum(v) AS s, min(v) AS lo, max(v) AS hi, avg(v) AS m, count(DISTINCT v) AS d FROM one;
SELECT k, count(DISTINCT n) AS d, sum(DISTINCT n) AS s, min(n) AS lo, max(n) AS hi FROM bag GROUP BY k;
SELECT one.v, bag.k FROM one JOIN bag ON one.v = bag.n;
SELECT j ->> 'a' AS a, sum(x) AS s FROM bag2 GROUP BY a;
SELECT n FROM bag UNION SELECT n FROM bag2 UNION SELECT v FROM one;
SELECT DISTINCT k FROM bag WHERE n IN (SELECT v FROM one);
SELECT * FROM bag2 WHERE x > 3 AND n <> 2;
