CREATE STREAM g (a VARCHAR, b INTEGER, c DATE, d BOOLEAN, v BIGINT);
CREATE TABLE h (id UINTEGER PRIMARY KEY, a VARCHAR, b SMALLINT, u UUID, bl BLOB, v DOUBLE);
----
SELECT count(*) AS n FROM g;
SELECT a, count(*) AS n FROM g GROUP BY a;
SELECT a, b, sum(v) AS s FROM g GROUP BY a, b;
SELECT a, b, d, min(v) AS lo, max(v) AS hi FROM g GROUP BY a, b, d;
SELECT b % 3 AS r, upper(a) AS u, count(v) AS n FROM g GROUP BY b % 3, upper(a);
SELECT c, d, avg(v) AS m FROM g GROUP BY 1, 2;
SELECT sum(v) AS s FROM g GROUP BY b;
SELECT max(v) - min(v) AS range, sum(v) * 2 + count(*) AS t, a || '!' AS k FROM g GROUP BY a;
SELECT u, count(*) AS n, sum(v) AS s FROM h GROUP BY u;
SELECT bl, a, max(v) AS m FROM h GROUP BY bl, a;
SELECT a, b + 1 AS b1, count(*) AS n FROM h GROUP BY a, b HAVING sum(v) > 10 AND count(*) < 5;
SELECT v > 5 AS big, b IS NULL AS nob, count(*) AS n, avg(v) AS m FROM h GROUP BY ALL;
SELECT a, sum(v) AS s FROM h WHERE v > 0 AND b <> 2 GROUP BY a;
SELECT DISTINCT b, d FROM g WHERE v IS NOT NULL;
