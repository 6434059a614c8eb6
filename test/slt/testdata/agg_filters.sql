CREATE TABLE t (id INTEGER PRIMARY KEY, k VARCHAR, a INTEGER, x DOUBLE, b BOOLEAN);
CREATE STREAM s (k VARCHAR, a INTEGER, b BOOLEAN);
----
SELECT k, count(*) FILTER (a > 3) AS c, sum(a) FILTER (a > 3) AS s1, sum(a) FILTER (WHERE b) AS s2, avg(x) FILTER (x > 0) AS m FROM t GROUP BY k;
SELECT count(*) FILTER (b) AS t1, count(*) FILTER (NOT b) AS f, count(*) FILTER (b IS NULL) AS n FROM s;
SELECT k, bool_and(b) AS e, bool_or(b) AS o, bool_and(a > 1) AS e1, bool_or(a > 8) FILTER (b) AS o1 FROM s GROUP BY k;
SELECT k, bool_and(b) AS e, bool_or(b) AS o, count_if(b) AS c, count_if(a > 2 AND x < 10) AS c2 FROM t GROUP BY k;
SELECT b, min(a) FILTER (a > 0) AS lo, max(a) FILTER (k > 'b') AS hi, arg_max(k, id) FILTER (a > 2) AS m FROM t GROUP BY b;
SELECT k, count(DISTINCT a) FILTER (b) AS c, sum(DISTINCT a) FILTER (x > 5) AS s FROM t GROUP BY k;
SELECT count_if(a % 2 = 0) AS c, countif(b) AS d FROM s;
SELECT k, sum(a) FILTER (b) - sum(a) FILTER (NOT b) AS diff FROM t GROUP BY k HAVING count(*) FILTER (b) > 1;
