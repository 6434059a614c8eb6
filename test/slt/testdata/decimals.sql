CREATE TABLE p (id INTEGER PRIMARY KEY, a DECIMAL(4,2), b DECIMAL(9,2), c DECIMAL(18,6), d DECIMAL(38,4), n INTEGER);
CREATE STREAM q (id INTEGER, a DECIMAL(10,3), b DECIMAL(15,0));
----
SELECT id, a + b AS s, a - 1.5 AS t, b * a AS u, b * 2 AS v FROM p;
SELECT id, c + a AS s, d - b AS t, c * 3 AS u, -d AS v, b + n AS w FROM p;
SELECT id, a / b AS s, d / 4 AS t, b % 3 AS u, n * a AS v FROM p;
SELECT id, round(b, 1) AS r, round(c) AS t, floor(a) AS f, ceil(d) AS e, trunc(b) AS g, abs(a) AS h FROM p;
SELECT id, a::INTEGER AS i, b::DOUBLE AS x, c::DECIMAL(10,2) AS y, d::VARCHAR AS s, n::DECIMAL(6,2) AS m FROM p;
SELECT n, sum(a) AS sa, sum(b) AS sb, sum(c) AS sc, sum(d) AS sd, count(c) AS k FROM p GROUP BY n;
SELECT avg(a) AS aa, min(b) AS lo, max(c) AS hi, avg(d) AS ad, min(d) AS ld, max(d) AS hd FROM p;
SELECT a, count(*) AS c FROM q GROUP BY a HAVING sum(b) > 3;
SELECT p.id, q.a FROM p JOIN q ON p.n = q.id AND p.b > q.a;
SELECT p.id, q.id AS qid FROM p JOIN q ON round(p.b) = q.b;
SELECT id, CASE WHEN a > b THEN a ELSE b END AS m, greatest(a, b) AS g, least(b, c) AS l FROM p WHERE a <> b;
SELECT sum(DISTINCT n) AS sn, count(DISTINCT a) AS ca, sum(b) FILTER (a > 0) AS sb, avg(b) FILTER (a < 0) AS ab FROM p;
