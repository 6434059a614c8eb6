CREATE TABLE a (id INTEGER PRIMARY KEY, g TINYINT, v INTEGER, x FLOAT);
CREATE TABLE b (id TINYINT, sub TINYINT, v INTEGER, PRIMARY KEY (id, sub));
CREATE TABLE c (g TINYINT PRIMARY KEY, label VARCHAR, flag BOOLEAN);
----
SELECT g, min(v) AS lo, max(v) AS hi, min(x) AS lx, max(x) AS hx FROM a GROUP BY g;
SELECT c.label, min(a.v) AS lo, max(a.v) AS hi, count(DISTINCT a.x) AS d FROM a JOIN c ON a.g = c.g GROUP BY c.label;
SELECT max(m) AS mm, min(m) AS mn FROM (SELECT g, max(v) AS m FROM a GROUP BY g);
SELECT DISTINCT m FROM (SELECT g, max(v) AS m FROM a GROUP BY g);
SELECT p.g, p.m, q.m AS bm FROM (SELECT g, max(v) AS m FROM a GROUP BY g) p JOIN (SELECT id, min(v) AS m FROM b GROUP BY id) q ON p.g = q.id;
SELECT a.id, b.sub, c.label FROM a JOIN b ON a.v = b.v JOIN c ON c.g = a.g WHERE c.flag;
SELECT v FROM a WHERE g IN (SELECT g FROM c WHERE flag) UNION SELECT v FROM b WHERE id IN (SELECT g FROM c WHERE NOT flag);
SELECT label, sum(n) AS s FROM (SELECT c.label, count(*) AS n FROM c JOIN a ON a.g = c.g GROUP BY c.label UNION ALL SELECT c.label, count(*) FROM c JOIN b ON b.id = c.g GROUP BY c.label) GROUP BY label;
SELECT id, count(*) AS subs, arg_max(v, sub) AS last FROM b GROUP BY id HAVING max(sub) > 3;
SELECT x.id, y.id AS id2 FROM a x JOIN a y ON x.v = y.v AND x.g = y.g WHERE x.id < y.id;
SELECT n, count(*) AS c FROM (SELECT v, count(*) AS n FROM (SELECT v FROM a UNION ALL SELECT v FROM b) GROUP BY v) GROUP BY n;
