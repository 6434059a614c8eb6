CREATE TABLE m (id INTEGER PRIMARY KEY, g TINYINT, t TINYINT, i INTEGER, b BIGINT, ub UBIGINT, f FLOAT, d DOUBLE, dc DECIMAL(8,2), s VARCHAR, dt DATE, ts TIMESTAMP, tz TIMESTAMPTZ);
CREATE STREAM e (g TINYINT, i INTEGER, d DOUBLE, s VARCHAR);
----
SELECT g, histogram(i, [0, 3, 10]) AS h, histogram_exact(i, [0, 1, 2]) AS x FROM m GROUP BY g;
SELECT g, histogram(t, [10, 1, 5]) AS h, histogram(b, [2]) AS x, histogram(ub, [1, 3]) AS y FROM m GROUP BY g;
SELECT histogram(d, [0, 1.5, 10]) AS h, histogram(f, [1, 2]) AS x, histogram_exact(d, [0, 1]) AS y FROM m;
SELECT histogram(dc, [0, 1.5]) AS h FROM m;
SELECT g, histogram(s, ['a', 'b']) AS h, histogram_exact(s, ['a', '']) AS x FROM m GROUP BY g;
SELECT histogram(dt, [DATE '2024-01-01', DATE '2024-02-01']) AS h, histogram(ts, [TIMESTAMP '2024-01-01', TIMESTAMP '2030-01-01']) AS x, histogram(tz, [TIMESTAMPTZ '2024-01-01 00:00:00+00']) AS y FROM m;
SELECT g, histogram(i, [0, 5]) FILTER (i <> 2) AS h, histogram(DISTINCT i, [0, 5]) AS x FROM m GROUP BY g;
SELECT g, histogram(i, [0, 2, 4, 6, 8]) AS h FROM e GROUP BY g;
SELECT g, histogram(d, equi_width_bins(0::DOUBLE, 10::DOUBLE, 4, true)) AS h FROM e GROUP BY g;
SELECT id, histogram(i, [1, 3]) OVER (PARTITION BY g ORDER BY id ROWS 2 PRECEDING) AS h FROM m;
SELECT k, sum(v) AS n FROM (SELECT unnest(map_entries(histogram(i, [1, 3])), recursive := true) FROM m GROUP BY g) AS t(k, v) GROUP BY k;
