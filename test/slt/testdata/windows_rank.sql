CREATE TABLE t (id INTEGER PRIMARY KEY, k VARCHAR, n INTEGER, x DOUBLE, d DATE);
CREATE STREAM s (k VARCHAR, n INTEGER, at TIMESTAMP);
----
-- the order of row_number must be total: by the primary key, or by every column
SELECT id, row_number() OVER (ORDER BY id) AS r FROM t;
SELECT id, k, row_number() OVER (PARTITION BY k ORDER BY id DESC) AS r FROM t;
SELECT k, n, at, row_number() OVER (PARTITION BY k ORDER BY n, at, k) AS r FROM s;
SELECT k, n, at, row_number() OVER (PARTITION BY k, n ORDER BY at DESC) AS r FROM s;
SELECT id, k, n, rank() OVER (PARTITION BY k ORDER BY n) AS r FROM t;
SELECT id, k, n, dense_rank() OVER (PARTITION BY k ORDER BY n DESC) AS r FROM t;
SELECT id, rank() OVER (ORDER BY n DESC NULLS FIRST) AS r, dense_rank() OVER (ORDER BY n DESC NULLS FIRST) AS q FROM t;
SELECT id, percent_rank() OVER (PARTITION BY k ORDER BY n) AS p, cume_dist() OVER (PARTITION BY k ORDER BY n) AS c FROM t;
SELECT k, n, percent_rank() OVER (ORDER BY n, k) AS p, cume_dist() OVER (ORDER BY n, k) AS c FROM s;
SELECT id, ntile(3) OVER (ORDER BY id) AS b, ntile(100) OVER (PARTITION BY k ORDER BY id) AS c FROM t;
SELECT id, ntile(abs(id) % 4 + 1) OVER (ORDER BY id) AS b FROM t;
SELECT id, rank() OVER (ORDER BY x + n) AS r FROM t;
SELECT id, rank() OVER (PARTITION BY n % 3 ORDER BY x * 2, d) AS r FROM t;
SELECT id, rank() OVER (ORDER BY k, n DESC, x NULLS FIRST, d DESC NULLS LAST) AS r FROM t;
SELECT id, rank() OVER (PARTITION BY k ORDER BY n) AS a, rank() OVER (PARTITION BY n ORDER BY x) AS b, rank() OVER (ORDER BY d) AS c FROM t;
SELECT id, rank() OVER () AS a, dense_rank() OVER () AS b, percent_rank() OVER (PARTITION BY k) AS p, cume_dist() OVER () AS c FROM t;
SELECT r, count(*) AS c, sum(n) AS s FROM (SELECT n, rank() OVER (PARTITION BY k ORDER BY n) AS r FROM t) GROUP BY r;
SELECT k, n, r FROM (SELECT k, n, dense_rank() OVER (PARTITION BY k ORDER BY n) AS r FROM s) WHERE k = 'a' AND n > 2;
SELECT id, rank() OVER (ORDER BY c) AS r FROM (SELECT k AS id, count(*) AS c FROM s GROUP BY k);
SELECT t.id, s.n, rank() OVER (PARTITION BY t.id ORDER BY s.at) AS r FROM t JOIN s ON s.k = t.k AND s.n = t.n;
SELECT id, rank() OVER w AS r, dense_rank() OVER w AS d FROM t WINDOW w AS (PARTITION BY k ORDER BY d);
SELECT id, r, rank() OVER (ORDER BY r) AS q FROM (SELECT id, rank() OVER (PARTITION BY k ORDER BY n) AS r FROM t);
SELECT a.id, b.r FROM t a JOIN (SELECT id, rank() OVER (ORDER BY n) AS r FROM t) b ON a.id = b.r;
