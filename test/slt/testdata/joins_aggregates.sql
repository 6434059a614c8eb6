CREATE STREAM visit (usr INTEGER, page VARCHAR, ms INTEGER, at TIMESTAMP);
CREATE TABLE usr (id INTEGER PRIMARY KEY, name VARCHAR, score DOUBLE);
CREATE TABLE page (path VARCHAR PRIMARY KEY, owner INTEGER);
----
SELECT u.name, v.n, v.total FROM usr u JOIN (SELECT usr, count(*) AS n, sum(ms) AS total FROM visit GROUP BY usr) v ON v.usr = u.id;
SELECT a.page, a.n, b.best FROM (SELECT page, count(*) AS n FROM visit GROUP BY page) a JOIN (SELECT page, max(ms) AS best FROM visit GROUP BY page) b ON a.page = b.page;
SELECT u.id, p.path, q.n FROM usr u JOIN page p ON p.owner = u.id JOIN (SELECT page, count(*) AS n FROM visit GROUP BY page) q ON q.page = p.path;
SELECT v.usr, v.ms FROM visit v JOIN (SELECT usr, avg(ms) AS a FROM visit GROUP BY usr) m ON m.usr = v.usr AND v.ms > m.a;
SELECT v.usr, v.ms, v.page FROM visit v JOIN (SELECT usr, max(ms) AS m FROM visit GROUP BY usr) x ON x.usr = v.usr AND x.m = v.ms;
SELECT u.name, count(*) AS n, sum(q.c) AS s FROM usr u JOIN (SELECT usr, page, count(*) AS c FROM visit GROUP BY usr, page) q ON q.usr = u.id GROUP BY u.name HAVING sum(q.c) > 1;
SELECT d.page, p.owner FROM (SELECT DISTINCT page FROM visit) d JOIN page p ON p.path = d.page;
SELECT n, count(*) AS users FROM (SELECT u.id, count(*) AS n FROM usr u JOIN visit v ON v.usr = u.id GROUP BY u.id) GROUP BY n;
SELECT w, max(n) AS busiest FROM (SELECT time_bucket(INTERVAL 1 HOUR, v.at) AS w, p.owner, count(*) AS n FROM visit v JOIN page p ON p.path = v.page GROUP BY w, p.owner) GROUP BY w;
