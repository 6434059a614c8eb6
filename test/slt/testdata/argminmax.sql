CREATE TABLE r (id INTEGER PRIMARY KEY, k VARCHAR, n INTEGER, x DOUBLE, at TIMESTAMP, s VARCHAR, d DECIMAL(9,2), u UUID, b BOOLEAN);
CREATE TABLE r2 (code VARCHAR PRIMARY KEY, n BIGINT, v VARCHAR, da DATE);
----
SELECT k, arg_max(n, id) AS a, arg_min(n, id) AS b1, arg_max(x, id) AS c, arg_min(s, id) AS d1 FROM r GROUP BY k;
SELECT arg_max(at, id) AS a, arg_min(d, id) AS b1, arg_max(u, id) AS c, arg_max(b, -id) AS e FROM r;
SELECT k, max_by(s, id) AS a, min_by(x, id) AS b1, max(id) AS m FROM r WHERE n > 0 GROUP BY k;
SELECT n, arg_max(v, code) AS a, arg_min(da, code) AS b, arg_max(code, code) AS c FROM r2 GROUP BY n;
SELECT arg_max(code, code) AS a, arg_min(n, code) AS b, count(*) AS c FROM r2;
SELECT q.k, r.s FROM r JOIN (SELECT k, max(id) AS m FROM r GROUP BY k) q ON r.id = q.m;
SELECT latest, count(*) AS c FROM (SELECT k, arg_max(n, id) AS latest FROM r GROUP BY k) GROUP BY latest;
SELECT arg_max(s, id) FILTER (n IS NOT NULL AND s IS NOT NULL) AS a, arg_min(id, id) FILTER (x > 3) AS b1 FROM r;
