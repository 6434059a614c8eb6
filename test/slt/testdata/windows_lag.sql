CREATE TABLE t (id INTEGER PRIMARY KEY, k VARCHAR, n INTEGER, x DOUBLE, u UUID, iv INTERVAL, b BOOLEAN);
CREATE STREAM s (k VARCHAR, at TIMESTAMP, v DOUBLE);
----
SELECT id, lag(n) OVER (ORDER BY id) AS p, lead(n) OVER (ORDER BY id) AS q FROM t;
SELECT id, lag(n, 2) OVER (PARTITION BY k ORDER BY id) AS p, lead(k, 3) OVER (ORDER BY id) AS q FROM t;
SELECT id, lag(n, 1, 0) OVER (PARTITION BY k ORDER BY id) AS p, lead(n, 1, id) OVER (PARTITION BY k ORDER BY id) AS q FROM t;
SELECT id, lag(n IGNORE NULLS) OVER (ORDER BY id) AS p, lead(n, 2 IGNORE NULLS) OVER (ORDER BY id) AS q FROM t;
SELECT id, lag(k, 1, 'none' IGNORE NULLS) OVER (PARTITION BY n ORDER BY id) AS p FROM t;
SELECT id, lag(n, 0) OVER (ORDER BY id) AS p, lag(n, -1) OVER (ORDER BY id) AS q, lead(n, -2) OVER (ORDER BY id) AS r FROM t;
SELECT id, lag(n, id % 3) OVER (ORDER BY id) AS p, lead(k, n % 2, k) OVER (ORDER BY id) AS q FROM t WHERE n IS NOT NULL;
SELECT id, n - lag(n) OVER (PARTITION BY k ORDER BY id) AS diff FROM t;
SELECT id, lag(u) OVER (ORDER BY id) AS u, lead(iv) OVER (ORDER BY id) AS iv, lag(b) OVER (ORDER BY id) AS b, lead(x) OVER (ORDER BY id) AS x FROM t;
SELECT id, lag(id) OVER (ORDER BY n DESC, id) AS a, lag(id) OVER (ORDER BY k NULLS FIRST, id DESC) AS b FROM t;
SELECT id, lag(n + 1) OVER (ORDER BY id) AS p, lead(upper(k)) OVER (ORDER BY id) AS q FROM t;
SELECT id, coalesce(n, last_value(n IGNORE NULLS) OVER (ORDER BY id)) AS filled FROM t;
SELECT id, n > lag(n) OVER (ORDER BY id) AS grew, lag(n) OVER w - lead(n) OVER w AS d FROM t WINDOW w AS (PARTITION BY b ORDER BY id);
-- sessions: a row begins one if it comes more than 20 minutes after the one before
SELECT k, at, v, sum(begins) OVER (PARTITION BY k ORDER BY at, v ROWS UNBOUNDED PRECEDING) AS session FROM (SELECT k, at, v, CASE WHEN at - lag(at) OVER (PARTITION BY k ORDER BY at, v) > INTERVAL 20 MINUTES THEN 1 ELSE 0 END AS begins FROM s);
SELECT k, session, count(*) AS c, min(at) AS lo, max(at) AS hi FROM (SELECT k, at, sum(begins) OVER (PARTITION BY k ORDER BY at, v ROWS UNBOUNDED PRECEDING) AS session FROM (SELECT k, at, v, CASE WHEN at - lag(at) OVER (PARTITION BY k ORDER BY at, v) > INTERVAL 20 MINUTES THEN 1 ELSE 0 END AS begins FROM s)) GROUP BY k, session;
SELECT k, at, v, v - lag(v, 1, v) OVER (PARTITION BY k ORDER BY at, v) AS change FROM s WHERE v IS NOT NULL;
SELECT k, max(gap) AS longest FROM (SELECT k, at - lag(at) OVER (PARTITION BY k ORDER BY at) AS gap FROM s) GROUP BY k;
SELECT id, first_value(id) OVER (ORDER BY id) AS f, lag(id, 5) OVER (ORDER BY id) AS l, row_number() OVER (ORDER BY id) AS r, sum(n) OVER (ORDER BY id ROWS 1 PRECEDING) AS s FROM t;
SELECT a.id, a.p, b.k FROM (SELECT id, lag(id) OVER (ORDER BY id) AS p FROM t) a JOIN t b ON b.id = a.p;
SELECT id, p FROM (SELECT id, k, lag(n) OVER (PARTITION BY k ORDER BY id) AS p FROM t) WHERE k = 'a';
