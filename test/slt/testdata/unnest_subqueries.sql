CREATE STREAM r0 (a0 INTEGER, b0 VARCHAR);
CREATE TABLE r1 (a0 INTEGER, b0 VARCHAR);
----
SELECT u, t1.a0 AS x FROM r0 AS t1, unnest([a0, (SELECT max(t4.a0) FROM r1 AS t4)]) AS t3(u);
SELECT u, t1.a0 AS x FROM r1 AS t1, unnest([(SELECT min(t4.a0) FROM r1 AS t4), a0, (SELECT max(t4.a0) FROM r1 AS t4)]) AS t3(u);
SELECT u, t1.a0 AS x FROM r1 AS t1 LEFT JOIN LATERAL unnest([a0, (SELECT count(*) FROM r0 AS t4 WHERE b0 = 'a')]) AS t3(u) ON true;
SELECT u, t1.a0 AS x FROM r1 AS t1, unnest([a0, (SELECT max(t4.a0) FROM r0 AS t4 WHERE t4.b0 = t1.b0)]) AS t3(u);
SELECT t1.a0 AS x, (SELECT sum(u) FROM unnest([t1.a0, (SELECT count(*) FROM r1)]) AS t(u)) AS s FROM r0 AS t1;
SELECT u, t1.a0 AS x FROM r0 AS t1, unnest([a0, (SELECT t4.a0 FROM r1 AS t4 ORDER BY a0, b0 LIMIT 1)]) AS t3(u);
SELECT u, t1.a0 AS x FROM r0 AS t1, range(a0, (SELECT max(t4.a0) FROM r1 AS t4)) AS t3(u);
SELECT u, t1.a0 AS x FROM r0 AS t1, unnest((SELECT list(a0 ORDER BY a0) FROM r1 AS t4 GROUP BY ROLLUP (b0) HAVING b0 IS NULL AND grouping(b0) = 1)) AS t3(u);
SELECT u FROM unnest([(SELECT max(t4.a0) FROM r1 AS t4), 2]) AS t3(u);
