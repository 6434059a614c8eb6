CREATE STREAM n (a TINYINT, b SMALLINT, c INTEGER, d BIGINT, e HUGEINT);
CREATE STREAM n2 (a UTINYINT, b USMALLINT, c UINTEGER, d UBIGINT, x INTEGER);
----
SELECT a + 1 AS p, a - b AS q, a * b AS r, -a AS s, +a AS t FROM n;
SELECT b + c AS p, c * d AS q, d - a AS r, e + d AS s, e * 2 AS t FROM n;
SELECT a / b AS p, c / 4 AS q, d // 3 AS r, d % 4 AS s, c // d AS t, a % c AS u FROM n;
SELECT abs(a) AS p, abs(c) AS q, sign(d) AS r, greatest(a, b, c) AS s, least(c, d) AS t FROM n;
SELECT c & 6 AS p, c | 9 AS q, xor(c, d::INTEGER) AS r, ~d AS s, (abs(c) << 2) AS t, d >> 1 AS u FROM n;
SELECT a + b AS p, b * c AS q, c + d AS r, d * 2 AS s, a::INTEGER - x AS t FROM n2;
SELECT a % 5 AS p, b // 2 AS q, c / 8 AS r, d % 7 AS s, a::DOUBLE / b AS t FROM n2;
SELECT gcd(c, d) AS p, lcm(c, d) AS q, factorial(abs(c)::INTEGER) AS r, bit_count(c) AS s FROM n;
SELECT a = b AS p, b < c AS q, c >= d AS r, d <> e AS s, a IS NULL AS t, e IS NOT NULL AS u FROM n;
SELECT even(c) AS p, round(c, -1) AS q, pow(c, 2) AS r, sqrt(abs(d)) AS s FROM n;
