CREATE TABLE a (id INTEGER PRIMARY KEY, k VARCHAR, n INTEGER);
CREATE TABLE b (id INTEGER PRIMARY KEY, k VARCHAR, n INTEGER);
CREATE STREAM s (k VARCHAR, n INTEGER);
----
SELECT a.id, l.n AS ln FROM a, LATERAL (SELECT n FROM b WHERE b.k = a.k) l;
SELECT a.id, l.n AS ln FROM a, LATERAL (SELECT n FROM b WHERE b.n < a.n) l;
SELECT a.id, l.n AS ln FROM a LEFT JOIN LATERAL (SELECT n FROM b WHERE b.n < a.n) l ON true;
SELECT a.id, l.m FROM a, LATERAL (SELECT max(n) AS m FROM b WHERE b.k = a.k) l;
SELECT a.id, l.m FROM a LEFT JOIN LATERAL (SELECT max(n) AS m FROM b WHERE b.k = a.k) l ON true;
SELECT a.id, l.m FROM a LEFT JOIN LATERAL (SELECT max(n) AS m FROM b WHERE b.k = a.k) l ON l.m > 2;
SELECT a.id, l.m, l.c FROM a, LATERAL (SELECT max(n) AS m, count(*) AS c FROM b WHERE b.k = a.k AND b.n < a.n) l;
SELECT a.id, l.k AS lk, l.c FROM a, LATERAL (SELECT k, count(*) AS c FROM s WHERE s.n < a.n GROUP BY k) l;
SELECT a.id, l.v FROM a, LATERAL (SELECT a.n * 2 AS v) l;
SELECT a.id, l.v, m.w FROM a, LATERAL (SELECT a.n + 1 AS v) l, LATERAL (SELECT l.v * 2 AS w) m;
SELECT a.id, l.n AS ln, m.c FROM a, LATERAL (SELECT n FROM b WHERE b.k = a.k) l, LATERAL (SELECT count(*) AS c FROM s WHERE s.n > l.n) m;
SELECT a.id, l.x FROM a, LATERAL (SELECT n AS x FROM b WHERE b.k = a.k UNION ALL SELECT n FROM s WHERE s.k = a.k) l;
SELECT a.id, l.x FROM a, LATERAL (SELECT DISTINCT n AS x FROM b WHERE b.k = a.k) l;
SELECT a.k, sum(l.c) AS t FROM a, LATERAL (SELECT count(*) AS c FROM b WHERE b.n < a.n) l GROUP BY a.k;
SELECT a.id, l.x FROM a LEFT JOIN LATERAL (SELECT b.n + a.n AS x FROM b WHERE b.k = a.k AND b.n > 1) l ON l.x < 6;
