CREATE TABLE fl (k UINTEGER PRIMARY KEY, x DOUBLE, f FLOAT, n BIGINT);
CREATE STREAM fs (k UINTEGER, y DOUBLE, g FLOAT);
----
SELECT k, x + f AS a, x - 1 AS b, x * 2.5 AS c, -x AS d, x / 4 AS e, f * f AS h FROM fl;
SELECT k, x / f AS a, x % 3 AS b, f + n AS c, f / 2 AS d FROM fl;
SELECT k, floor(x) AS a, ceil(x) AS b, round(x) AS c, round(x, 2) AS d, trunc(x) AS e, abs(f) AS h FROM fl;
SELECT k, sqrt(abs(x)) AS a, exp(x / 10) AS b, ln(abs(x) + 1) AS c, log10(abs(x) + 1) AS d, log2(abs(x) + 2) AS e, pow(x, 2) AS h FROM fl;
SELECT k, sin(x) AS a, cos(x) AS b, tan(x / 100) AS c, atan(x) AS d, atan2(x, 2) AS e, degrees(x) AS h, radians(x) AS i FROM fl;
SELECT k, x::FLOAT AS a, f::DOUBLE AS b, x::BIGINT AS c, x::INTEGER AS d, f::VARCHAR AS e, x::VARCHAR AS h FROM fl;
SELECT k, isnan(x) AS a, isinf(x) AS b, isfinite(f) AS c, sign(x) AS d, greatest(x, f) AS e, cbrt(x) AS h FROM fl;
SELECT f, count(*) AS c, sum(x) AS s, avg(f) AS a FROM fl GROUP BY f;
SELECT sum(f) AS sf, sum(x) AS sx, avg(f) AS af, min(f) AS mf, max(f) AS xf, sum(n) AS sn FROM fl;
SELECT fl.k, y, g FROM fl JOIN fs ON fl.k = fs.k WHERE y > x;
SELECT fl.k, fs.k AS k2 FROM fl JOIN fs ON fl.f = fs.g AND fs.y <> 0;
SELECT DISTINCT floor(y / 5) AS bucket FROM fs;
