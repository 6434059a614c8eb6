CREATE TABLE wide (id UBIGINT PRIMARY KEY, b BOOLEAN, i8 TINYINT, i16 SMALLINT, i32 INTEGER, i64 BIGINT, i128 HUGEINT, u8 UTINYINT, u16 USMALLINT, u32 UINTEGER, u64 UBIGINT, f FLOAT, x DOUBLE, d4 DECIMAL(4,1), d9 DECIMAL(9,2), d18 DECIMAL(18,3), d38 DECIMAL(38,4), s VARCHAR, j JSON, bl BLOB, da DATE, ti TIME, ts TIMESTAMP, tz TIMESTAMPTZ, iv INTERVAL, u UUID);
CREATE STREAM wides (b BOOLEAN, i8 TINYINT, i16 SMALLINT, i32 INTEGER, i64 BIGINT, i128 HUGEINT, u8 UTINYINT, u16 USMALLINT, u32 UINTEGER, u64 UBIGINT, f FLOAT, x DOUBLE, d4 DECIMAL(4,2), d9 DECIMAL(9,2), d18 DECIMAL(18,3), d38 DECIMAL(38,4), s VARCHAR, j JSON, bl BLOB, da DATE, ti TIME, ts TIMESTAMP, tz TIMESTAMPTZ, iv INTERVAL, u UUID);
----
SELECT * FROM wide;
SELECT * FROM wides;
SELECT * FROM wide WHERE b OR i8 > 3;
SELECT DISTINCT b, i8, i16, i32, i64, i128, u8, u16, u32, u64 FROM wides;
SELECT b, i8, u8, s, da, count(*) AS c FROM wides GROUP BY ALL;
SELECT w.*, v.s AS s2 FROM wide w JOIN wides v ON w.i32 = v.i32 AND w.i8 = v.i8;
SELECT w.id FROM wide w JOIN wides v ON w.i64 = v.i32 AND w.u8 = v.u64;
SELECT w.id, v.d9 FROM wide w JOIN wides v ON w.d4 = v.d9;
SELECT w.id, v.da FROM wide w JOIN wides v ON w.da = v.ts::DATE AND w.b = v.b;
SELECT * FROM wides UNION ALL SELECT * EXCLUDE (id) REPLACE (d4::DECIMAL(4,2) AS d4) FROM wide WHERE i8 IS NOT NULL AND abs(d4) < 50;
SELECT i128, u64, count(*) AS c, max(d38) AS m, min(u) AS lo, max(bl) AS bm FROM wide GROUP BY i128, u64;
SELECT coalesce(d4, d9, d18) AS a, coalesce(i8, i64, i128) AS c, coalesce(f, x) AS e, coalesce(da, ts) AS g, greatest(u8, i32) AS h FROM wides;
SELECT f, x, count(*) AS c FROM wides GROUP BY f, x;
SELECT tz, ti, count(*) AS c FROM wides GROUP BY tz, ti;
