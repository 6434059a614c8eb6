CREATE TABLE t (id INTEGER PRIMARY KEY, a VARCHAR, b SMALLINT, v INTEGER, w INTEGER);
CREATE STREAM s (a VARCHAR, q1 INTEGER, q2 INTEGER, q3 INTEGER, x DOUBLE);
----
SELECT * FROM (SELECT a, b, v FROM t) PIVOT (sum(v) FOR b IN (0, 1, 2, 3));
SELECT * FROM (SELECT a, b, v FROM t) PIVOT (count(*) AS c, max(v) AS m FOR b IN (0, 1) GROUP BY a);
SELECT * FROM (SELECT a, b % 2 AS p, v FROM t) PIVOT (min(v) FOR p IN (0, 1) a IN ('a', 'b'));
PIVOT (SELECT a, b, v FROM t) ON b IN (1, 2) USING sum(v) GROUP BY a;
PIVOT t ON a IN ('a', 'b', 'c') USING count(*) GROUP BY b;
SELECT * FROM s UNPIVOT (q FOR name IN (q1, q2, q3));
SELECT * FROM s UNPIVOT INCLUDE NULLS (q FOR name IN (q1, q2, q3));
UNPIVOT (SELECT a, q1, q2 FROM s) ON q1, q2 INTO NAME n VALUE q;
SELECT name, sum(q) AS total FROM (FROM s UNPIVOT (q FOR name IN (q1, q2, q3))) GROUP BY name;
UNPIVOT t ON (v, b) AS first, (w, id) AS second INTO NAME n VALUE p, q;
