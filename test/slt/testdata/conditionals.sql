CREATE TABLE c (a INTEGER, b VARCHAR, x DOUBLE, f BOOLEAN, g BOOLEAN, PRIMARY KEY (a, b));
----
SELECT a, b, CASE WHEN x > 10 THEN 'high' WHEN x > 0 THEN 'low' ELSE 'negative' END AS k FROM c;
SELECT a, b, CASE a WHEN 1 THEN 'one' WHEN 2 THEN 'two' END AS k, CASE WHEN f THEN a ELSE -a END AS v FROM c;
SELECT a, b, coalesce(x, a, 0) AS p, nullif(a, 3) AS q, ifnull(x, -1) AS r, if(f, 1, 2) AS s FROM c;
SELECT a, b, a IN (1, 3, 5) AS p, b IN ('a', 'b', NULL) AS q, a NOT IN (2, 4) AS r, x IN (1.5, 2.0) AS s FROM c;
SELECT a, b, a BETWEEN 2 AND 5 AS p, x NOT BETWEEN 0 AND 9.5 AS q, b BETWEEN 'a' AND 'd' AS r FROM c;
SELECT a, b, f AND g AS p, f OR g AS q, NOT f AS r, f IS TRUE AS s, g IS NOT FALSE AS t, f IS NULL AS u, f = g AS v FROM c;
SELECT a, b, x IS DISTINCT FROM a AS p, f IS NOT DISTINCT FROM g AS q FROM c WHERE x IS NOT NULL OR f;
SELECT a, b, CASE WHEN a <> 0 THEN 12 // a END AS p, CASE WHEN x > 0 THEN sqrt(x) ELSE 0 END AS q FROM c;
SELECT coalesce(f, false) AS k, CASE WHEN a > 4 THEN 'big' ELSE 'small' END AS z, count(*) AS n, sum(CASE WHEN g THEN x END) AS s FROM c GROUP BY k, z;
SELECT a, b FROM c WHERE CASE WHEN f THEN a > 3 ELSE x < 5 END;
SELECT a, b FROM c WHERE NOT (a > 3 AND (f OR x < 2)) AND coalesce(b, 'z') <> 'c';
