CREATE TABLE by_uuid (u UUID PRIMARY KEY, v VARCHAR, n INTEGER);
CREATE TABLE by_blob (bl BLOB PRIMARY KEY, n BIGINT);
CREATE TABLE by_time (at TIMESTAMP, ti TIME, n INTEGER, PRIMARY KEY (ti, at));
CREATE TABLE by_decimal (d DECIMAL(9,2) PRIMARY KEY, b BOOLEAN);
CREATE TABLE by_bool (b BOOLEAN, i TINYINT, s VARCHAR, x DOUBLE, PRIMARY KEY (b, i, s));
CREATE STREAM s (u UUID, bl BLOB, d DECIMAL(12,3), at TIMESTAMP, b BOOLEAN, h HUGEINT);
----
SELECT u, v FROM by_uuid WHERE n > 1;
SELECT k.v, s.d FROM by_uuid k JOIN s ON s.u = k.u;
SELECT k.n, s.h FROM by_blob k JOIN s ON s.bl = k.bl;
SELECT k.b, s.h FROM by_decimal k JOIN s ON s.d = k.d;
SELECT k.n, s.b FROM by_time k JOIN s ON s.at = k.at;
SELECT k.i, k.s, s.h FROM by_bool k JOIN s ON s.b = k.b AND s.h = k.i;
SELECT b, s, sum(x) AS t, count(*) AS c FROM by_bool GROUP BY b, s;
SELECT bl, max(n) AS m FROM by_blob GROUP BY bl HAVING max(n) > 2;
SELECT at::DATE AS d, min(ti) AS lo, max(n) AS hi FROM by_time GROUP BY d;
SELECT arg_max(v, u) AS a, min(u) AS b, count(DISTINCT n) AS c FROM by_uuid;
SELECT arg_min(b, d) AS a, max(d) AS m FROM by_decimal;
SELECT x.u, y.u AS v FROM by_uuid x JOIN by_uuid y ON x.n = y.n AND x.u < y.u;
