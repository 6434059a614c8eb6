CREATE TABLE m (id INTEGER PRIMARY KEY, g TINYINT, i INTEGER, j TINYINT, d DECIMAL(9,2), s VARCHAR, bo BOOLEAN, da DATE);
CREATE STREAM e (g TINYINT, a INTEGER, b TINYINT, t VARCHAR);
----
SELECT g, count(*) AS n, count(DISTINCT i) AS a, count(DISTINCT i) FILTER (j > 0) AS b, count(DISTINCT i) FILTER (j <= 0) AS c FROM m GROUP BY g;
SELECT count(*) FILTER (bo) AS a, count(i) FILTER (bo) AS b, sum(i) FILTER (bo) AS c, max(i) FILTER (bo) AS d, min(s) FILTER (bo) AS e FROM m;
SELECT g, count(DISTINCT s) AS a, count(DISTINCT s) FILTER (bo) AS b, count(DISTINCT s) FILTER (NOT bo) AS c, count(DISTINCT j) FILTER (bo) AS d, count(DISTINCT j) AS e FROM m GROUP BY g;
SELECT g, sum(DISTINCT i) AS a, sum(DISTINCT i) FILTER (j > 0) AS b, avg(DISTINCT j) AS c, avg(DISTINCT j) FILTER (bo) AS d FROM m GROUP BY g;
SELECT sum(DISTINCT d) AS a, avg(DISTINCT d) FILTER (bo) AS b, count(DISTINCT d) AS c, count(DISTINCT da) AS e FROM m;
SELECT g, count(a) FILTER (b > 0) AS x, count(a) FILTER (b <= 0) AS y, count(DISTINCT a) FILTER (b > 0) AS z, count(DISTINCT a) AS w, count(DISTINCT t) FILTER (b > 0) AS v FROM e GROUP BY g;
SELECT count(*) AS n, count(*) FILTER (a < 0) AS x, count(DISTINCT b) AS y, count(DISTINCT b) FILTER (a < 0) AS z, count(DISTINCT t) AS v, count(DISTINCT t) FILTER (a < 0) AS w FROM e;
SELECT g, sum(DISTINCT a % 10) AS x, sum(DISTINCT a % 10) FILTER (b > 0) AS y, max(DISTINCT b) AS z FROM e GROUP BY g;
SELECT g, count(DISTINCT i) FILTER (s = 'a') AS a, count(DISTINCT i) FILTER (s <> 'a') AS b, count(DISTINCT i) FILTER (s IS NULL) AS c FROM m GROUP BY g;
SELECT g, bool_and(DISTINCT bo) AS a, bool_or(bo) FILTER (i > 0) AS b, count_if(DISTINCT bo) AS c FROM m GROUP BY g;
SELECT m.g, count(DISTINCT m.i) AS a, count(DISTINCT e.a) AS b, count(DISTINCT e.a) FILTER (m.bo) AS c FROM m JOIN e ON m.g = e.g GROUP BY m.g;
SELECT n, count(DISTINCT g) AS a, count(DISTINCT g) FILTER (n > 1) AS b FROM (SELECT g, count(DISTINCT i) AS n FROM m GROUP BY g) GROUP BY n;
SELECT g, median(DISTINCT j) AS a, stddev(DISTINCT j) AS b, bit_xor(DISTINCT j) AS c, entropy(DISTINCT j) AS d FROM m GROUP BY g;
SELECT g, list(DISTINCT j ORDER BY j) FILTER (bo) AS a, string_agg(DISTINCT s, '+' ORDER BY s) FILTER (bo) AS b FROM m GROUP BY g;
SELECT count(DISTINCT g) FILTER (i > 0 AND bo) AS a, count(DISTINCT g) FILTER (i > 0 OR bo) AS b, count(DISTINCT i) FILTER (g > 0) AS c FROM m;
SELECT g, count(*) FILTER (i > 0) AS a, sum(j) FILTER (i > 0) AS b, avg(j) FILTER (i > 0) AS c, min(j) FILTER (i > 0) AS d, arg_max(s, id) FILTER (i > 0) AS e FROM m GROUP BY g;
