CREATE TABLE a (id INTEGER PRIMARY KEY, x INTEGER, name VARCHAR);
CREATE TABLE b (id INTEGER PRIMARY KEY, a_id INTEGER, y INTEGER);
CREATE STREAM s (a_id INTEGER, b_id INTEGER, v DOUBLE);
----
SELECT a.id, a.name, b.id AS bid, b.y FROM a JOIN b ON b.a_id = a.id;
SELECT a.name, s.v FROM s JOIN a ON a.id = s.a_id WHERE s.v > 2;
SELECT a.name, b.y, s.v FROM s JOIN a ON a.id = s.a_id JOIN b ON b.id = s.b_id;
SELECT a.name, count(*) AS n, sum(s.v) AS v FROM s, a WHERE a.id = s.a_id GROUP BY a.name;
SELECT a1.id AS i, a2.id AS j FROM a a1 JOIN a a2 ON a1.x = a2.x AND a1.id < a2.id;
SELECT a.id, b.id AS bid FROM a JOIN b ON a.id + 1 = b.a_id AND b.y > a.x;
SELECT a.id, b.id AS bid FROM a JOIN b ON a.id IS NOT DISTINCT FROM b.a_id;
SELECT x, count(*) AS c FROM (SELECT x FROM a UNION ALL SELECT y FROM b) GROUP BY x;
SELECT a.x, max(q.m) AS m FROM a JOIN (SELECT a_id, max(y) AS m FROM b GROUP BY a_id) q ON q.a_id = a.id GROUP BY a.x;
SELECT DISTINCT a.name FROM a JOIN s ON s.a_id = a.id JOIN b ON b.id = s.b_id;
