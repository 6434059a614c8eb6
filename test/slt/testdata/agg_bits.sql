CREATE TABLE m (id INTEGER PRIMARY KEY, g TINYINT, t TINYINT, s SMALLINT, i INTEGER, b BIGINT, h HUGEINT, ut UTINYINT, us USMALLINT, ui UINTEGER, ub UBIGINT, bo BOOLEAN);
CREATE STREAM e (g TINYINT, i INTEGER, ub UBIGINT, h HUGEINT, bo BOOLEAN);
----
SELECT g, bit_and(i) AS a, bit_or(i) AS b, bit_xor(i) AS c FROM m GROUP BY g;
SELECT g, bit_and(t) AS a, bit_or(s) AS b, bit_xor(b) AS c FROM m GROUP BY g;
SELECT g, bit_and(h) AS a, bit_or(h) AS b, bit_xor(h) AS c FROM m GROUP BY g;
SELECT bit_and(ut) AS a, bit_or(us) AS b, bit_xor(ui) AS c, bit_or(ub) AS e FROM m;
SELECT g, bit_and(ub) AS a, bit_xor(ub) AS b, bit_or(ut) AS c FROM m GROUP BY g;
SELECT g, bool_and(bo) AS a, bool_or(bo) AS b, count_if(bo) AS c, countif(i > 0) AS e FROM m GROUP BY g;
SELECT g, bit_and(DISTINCT i) AS a, bit_xor(DISTINCT t) AS b FROM m GROUP BY g;
SELECT g, bit_or(i) FILTER (bo) AS a, bit_and(b) FILTER (i > 0) AS c FROM m GROUP BY g;
SELECT g, bit_and(i) AS a, bit_or(ub) AS b, bit_xor(h) AS c, bit_and(h) AS e FROM e GROUP BY g;
SELECT bit_and(ub) AS a, bit_or(i) AS b, bit_xor(i) AS c, bool_or(bo) AS e, count_if(bo) AS f FROM e;
SELECT bit_xor(n) AS a FROM (SELECT g, count(*) AS n FROM e GROUP BY g);
SELECT bit_or(1 << (abs(g) % 4)) AS a FROM m;
