CREATE STREAM r0 (a INTEGER, b VARCHAR, l INTEGER[], s STRUCT(x INTEGER, y VARCHAR));
CREATE TABLE r1 (a INTEGER, b VARCHAR, l INTEGER[], s STRUCT(x INTEGER, y VARCHAR));
----
SELECT t1.a, t2.x FROM r0 AS t1, LATERAL (SELECT avg(t3.a) AS x FROM r1 AS t3 WHERE t1.l = t3.l) AS t2;
SELECT t1.a, t2.x FROM r1 AS t1, LATERAL (SELECT count(*) AS x FROM r0 AS t3 WHERE t1.s = t3.s AND t1.b = t3.b) AS t2;
SELECT t1.a, (SELECT count(*) FROM r0 AS t3 WHERE t1.l = t3.l AND t1.a < t3.a) AS n FROM r1 AS t1;
SELECT t1.a, t1.l FROM r1 AS t1 WHERE EXISTS (SELECT 1 FROM r0 AS t3 WHERE t1.l = t3.l AND t1.a < t3.a);
SELECT t1.a, t1.l FROM r1 AS t1 WHERE NOT EXISTS (SELECT 1 FROM r0 AS t3 WHERE t1.s = t3.s AND t1.a < t3.a);
SELECT t1.a, t1.b IN (SELECT b FROM r0 AS t3 WHERE t1.s = t3.s) AS i FROM r1 AS t1;
SELECT t1.a, t2.* FROM r1 AS t1, LATERAL (SELECT a AS x, b AS y FROM r0 AS t3 WHERE t1.l = t3.l ORDER BY a, b LIMIT 1) AS t2;
SELECT t1.a, t2.* FROM r1 AS t1 LEFT JOIN LATERAL (SELECT max(a) AS m, b AS y FROM r0 AS t3 WHERE t1.l = t3.l GROUP BY b) AS t2 ON true;
SELECT t1.a, t2.x, t4.y FROM r1 AS t1, LATERAL (SELECT sum(a) AS x FROM r0 AS t3 WHERE t1.l = t3.l) AS t2, LATERAL (SELECT count(*) AS y FROM r0 AS t5 WHERE t1.s = t5.s AND t5.a > t2.x) AS t4;
SELECT t1.a, t2.y FROM r1 AS t1, LATERAL (SELECT list_contains(t1.l, t3.a) AS y FROM r0 AS t3 WHERE t3.b = t1.b) AS t2;
SELECT a, (SELECT sum(x) FROM (SELECT len(t1.l) AS x FROM r0 WHERE r0.a = t1.a UNION ALL SELECT 1)) AS y FROM r1 AS t1;
SELECT t6.a, t8.b FROM r0 AS t6, r1 AS t7 JOIN r1 AS t8 ON t7.a = t8.a AND t6.l = t8.l;
