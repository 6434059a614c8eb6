CREATE TABLE t (id BIGINT PRIMARY KEY, k VARCHAR, i8 TINYINT, i16 SMALLINT, i32 INTEGER, i64 BIGINT, h HUGEINT, f FLOAT, x DOUBLE, d DECIMAL(6,2), dd DECIMAL(30,2));
CREATE STREAM s (k VARCHAR, u8 UTINYINT, u16 USMALLINT, u32 UINTEGER, u64 UBIGINT, b BOOLEAN);
----
SELECT k, sum(i8) AS a, sum(i16) AS b, sum(i32) AS c, sum(i64) AS d1, sum(h) AS e FROM t GROUP BY k;
SELECT k, avg(i8) AS a, avg(i16) AS b, avg(i32) AS c, avg(i64) AS d1, avg(h) AS e FROM t GROUP BY k;
SELECT k, sum(f) AS a, sum(x) AS b, sum(d) AS c, sum(dd) AS d1, avg(f) AS e, avg(x) AS g, avg(d) AS m, avg(dd) AS n FROM t GROUP BY k;
SELECT k, sum(u8) AS a, sum(u16) AS b, sum(u32) AS c, sum(u64) AS d, avg(u8) AS e, avg(u64) AS f FROM s GROUP BY k;
SELECT sum(b::INTEGER) AS a, sum(u8 * 2) AS c, sum(u32 + 1) AS d, count(b) AS e FROM s;
SELECT count(i8) AS a, count(x) AS b, count(k) AS c, count(d) AS d1, count(*) AS e FROM t;
SELECT k, count(DISTINCT i8) AS a, count(DISTINCT x) AS b, count(DISTINCT d) AS c, sum(DISTINCT i32) AS d1, avg(DISTINCT i64) AS e, sum(DISTINCT x) AS g FROM t GROUP BY k;
SELECT count(DISTINCT k) AS a, count(DISTINCT u8) AS c, sum(DISTINCT u16) AS d, count(DISTINCT b) AS e, min(DISTINCT u32) AS f FROM s;
SELECT sum(b) AS a FROM s;
SELECT k, mean(x) AS a, sum(i32)::DOUBLE / count(i32) AS b, sum(x) / nullif(count(x), 0) AS c FROM t GROUP BY k;
