CREATE STREAM ev (k VARCHAR, n INTEGER, x DOUBLE);
CREATE TABLE dim (k VARCHAR PRIMARY KEY, g VARCHAR, w INTEGER);
----
WITH a AS (SELECT k, sum(n) AS s FROM ev GROUP BY k) SELECT k, s FROM a WHERE s > 3;
WITH a AS (SELECT k, count(*) AS c FROM ev GROUP BY k) SELECT p.k AS k1, q.k AS k2, p.c FROM a p JOIN a q ON p.c = q.c AND p.k < q.k;
WITH a AS (SELECT k, n FROM ev WHERE n > 0), b AS (SELECT k, max(n) AS m FROM a GROUP BY k) SELECT a.k, a.n FROM a JOIN b ON a.k = b.k AND a.n = b.m;
WITH a AS MATERIALIZED (SELECT k, count(*) AS c, sum(x) AS s FROM ev GROUP BY k) SELECT g, sum(c) AS c FROM a JOIN dim ON a.k = dim.k GROUP BY g UNION ALL SELECT k, c FROM a WHERE s > 10;
WITH a AS (SELECT g, count(*) AS c FROM dim GROUP BY g), b AS (SELECT c, count(*) AS n FROM a GROUP BY c) SELECT a.g, b.n FROM a JOIN b ON a.c = b.c;
WITH a(p, q) AS (SELECT k, n FROM ev UNION ALL SELECT g, w FROM dim) SELECT p, min(q) AS lo, max(q) AS hi FROM a GROUP BY p;
WITH big AS (SELECT k FROM ev GROUP BY k HAVING count(*) > 2) SELECT dim.k, dim.g FROM dim JOIN big ON big.k = dim.k;
WITH d AS NOT MATERIALIZED (SELECT DISTINCT k FROM ev) SELECT count(*) AS n, count(k) AS m FROM d;
WITH a AS (SELECT k, n, x FROM ev WHERE x > 0) SELECT 'n' AS what, sum(n)::DOUBLE AS v FROM a UNION ALL SELECT 'x', sum(x) FROM a UNION ALL SELECT 'c', count(*)::DOUBLE FROM a;
