CREATE TABLE e (id INTEGER PRIMARY KEY, k TINYINT, i8 TINYINT, i16 SMALLINT, i64 BIGINT, h HUGEINT, u8 UTINYINT, u64 UBIGINT, f FLOAT, x DOUBLE, d DECIMAL(6,2), dd DECIMAL(30,2));
CREATE TABLE e2 (id INTEGER PRIMARY KEY, k VARCHAR, b BOOLEAN, s VARCHAR, bl BLOB, da DATE, ti TIME, ts TIMESTAMP, tz TIMESTAMPTZ, u UUID, iv INTERVAL, j JSON);
----
SELECT k, min(i8) AS a, max(i8) AS b, min(i16) AS c, max(i16) AS d1, min(i64) AS e1, max(i64) AS f1, min(h) AS g, max(h) AS h1 FROM e GROUP BY k;
SELECT k, min(u8) AS a, max(u8) AS b, min(u64) AS c, max(u64) AS d1, min(f) AS e1, max(f) AS f1, min(x) AS g, max(x) AS h1 FROM e GROUP BY k;
SELECT min(d) AS a, max(d) AS b, min(dd) AS c, max(dd) AS d1, max(id) AS e1, min(k) AS f1 FROM e;
SELECT k, min(b) AS a, max(b) AS c, min(s) AS d, max(s) AS e1, min(bl) AS f, max(bl) AS g FROM e2 GROUP BY k;
SELECT k, min(da) AS a, max(da) AS b1, min(ti) AS c, max(ti) AS d, min(ts) AS e1, max(ts) AS f FROM e2 GROUP BY k;
SELECT b, min(tz) AS a, max(tz) AS b1, min(u) AS c, max(u) AS d FROM e2 GROUP BY b;
SELECT min(s || k) AS a, max(length(s)) AS b1, min(ts - INTERVAL 1 DAY) AS c, max(id * 2) AS d FROM e2;
SELECT k, min(x + f) AS a, max(-x) AS b, max(i64) - min(i64) AS c FROM e WHERE x IS NOT NULL GROUP BY k;
SELECT min(iv) AS a, max(iv) AS b1 FROM e2 WHERE iv < INTERVAL 1 DAY;
