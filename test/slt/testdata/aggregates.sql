CREATE STREAM ev (k VARCHAR, n INTEGER, x DOUBLE, d DECIMAL(10,2), b BOOLEAN, at TIMESTAMP);
CREATE TABLE t (id INTEGER PRIMARY KEY, k VARCHAR, n BIGINT, x DOUBLE, d DECIMAL(20,2), b BOOLEAN);
----
SELECT k, count(*) AS c, count(n) AS cn, sum(n) AS s, avg(n) AS a, min(n) AS lo, max(n) AS hi FROM ev GROUP BY k;
SELECT k, count(*) AS c, count(n) AS cn, sum(n) AS s, avg(n) AS a, min(n) AS lo, max(n) AS hi FROM t GROUP BY k;
SELECT count(*) AS c, sum(x) AS s, avg(x) AS a, min(x) AS lo, max(x) AS hi FROM t;
SELECT count(*) AS c, sum(d) AS s, avg(d) AS a, min(d) AS lo, max(d) AS hi FROM ev;
SELECT k, count(DISTINCT n) AS c, sum(DISTINCT n) AS s FROM t GROUP BY k;
SELECT k, count(DISTINCT n) FILTER (x > 0) AS c, sum(n) FILTER (b) AS s, max(x) FILTER (NOT b) AS m FROM t GROUP BY k;
SELECT b, bool_and(n > 2) AS every, bool_or(n > 8) AS some, count_if(x > 3) AS c FROM t GROUP BY b;
SELECT k, min(k) AS lo, max(d) AS hi, arg_max(n, id) AS newest, arg_min(k, id) AS oldest FROM t GROUP BY k;
SELECT min(at) AS lo, max(at) AS hi, min(k) AS klo, max(k) AS khi FROM ev;
SELECT time_bucket(INTERVAL 10 MINUTE, at) AS w, count(*) AS c, sum(n) AS s FROM ev GROUP BY w;
SELECT k, b, count(*) AS c FROM t GROUP BY ALL HAVING count(*) > 1;
SELECT DISTINCT k, b FROM t;
SELECT DISTINCT n % 3 AS m FROM ev;
