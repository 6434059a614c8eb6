CREATE TABLE f (id INTEGER PRIMARY KEY, x DOUBLE, g FLOAT, k VARCHAR);
CREATE STREAM e (x DOUBLE, g FLOAT);
----
INSERT INTO f VALUES (101, 'nan', 'nan', 'a'), (102, 'inf', '-inf', 'a'), (103, '-inf', 'inf', 'b'), (104, '-0', 0, 'b'), (105, 1e308, 3e38, 'c'), (106, 5e-324, 1e-45, 'c'), (107, 'nan', 1, 'd');
INSERT INTO e VALUES ('nan', 'inf'), ('nan', 'nan'), ('0', '-0'), ('-0', '0'), ('inf', 1), (1e-300, 1e-40);
UPDATE f SET x = 'inf' WHERE id = 107;
DELETE FROM f WHERE id = 103;
----
SELECT id, x, g FROM f WHERE x > 3;
SELECT id, x = x AS a, x < 'inf'::DOUBLE AS b, g >= 'nan'::FLOAT AS c, isnan(x) AS d, isinf(g) AS e FROM f;
SELECT x, count(*) AS c FROM e GROUP BY x;
SELECT g, count(*) AS c FROM e GROUP BY g;
SELECT DISTINCT x FROM f;
SELECT count(DISTINCT x) AS a, count(DISTINCT g) AS b, min(x) AS c, max(x) AS d, min(g) AS e, max(g) AS h FROM f;
SELECT count(DISTINCT x) AS a, count(DISTINCT g) AS b, min(x) AS c, max(x) AS d, min(g) AS e, max(g) AS h FROM e;
SELECT f.id, e.g FROM f JOIN e ON f.x = e.x;
SELECT f.id, e.x FROM f JOIN e ON f.g = e.g AND e.x <= f.x;
SELECT k, min(x) AS a, max(g) AS b FROM f GROUP BY k;
SELECT id, abs(x) AS a, -x AS b, floor(g) AS c, sign(x) AS d, greatest(x, g) AS e, least(x, g) AS h FROM f;
SELECT id, TRY_CAST(x AS BIGINT) AS a, TRY_CAST(g AS SMALLINT) AS b, TRY_CAST(x AS DECIMAL(10,2)) AS c, x::VARCHAR AS d, g::VARCHAR AS e FROM f;
SELECT id, TRY_CAST(x AS FLOAT) AS a, g::DOUBLE AS b, coalesce(nullif(x, 'nan'), 0) AS c FROM f;
SELECT sum(x) FILTER (abs(x) < 1e300) AS a, avg(g) FILTER (abs(g) < 1e30) AS b FROM f;
SELECT k, sum(CASE WHEN x <> 'inf' AND x <> 'nan' AND x < 1e300 THEN x END) AS s FROM f GROUP BY k;
SELECT id FROM f WHERE x IN ('nan', 'inf', 0.0);
SELECT id FROM f WHERE x BETWEEN -1 AND 'inf';
