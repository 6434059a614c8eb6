CREATE TABLE l (id INTEGER PRIMARY KEY, k VARCHAR, n INTEGER, xs INTEGER[]);
CREATE TABLE b (id INTEGER PRIMARY KEY, k VARCHAR, n INTEGER, s VARCHAR);
----
SELECT id, ARRAY(SELECT x FROM unnest(l.xs) t(x) ORDER BY x) AS f FROM l;
SELECT id, ARRAY(SELECT x FROM unnest(l.xs) t(x) ORDER BY x DESC NULLS LAST) AS f FROM l;
SELECT id, ARRAY(SELECT x * 2 FROM unnest(l.xs) t(x) WHERE x > 0 ORDER BY -x) AS f FROM l;
SELECT l.id, ARRAY(SELECT b.id FROM b WHERE b.k = l.k ORDER BY b.n, b.id) AS f FROM l;
SELECT l.id, ARRAY(SELECT b.s || '!' FROM b WHERE b.k = l.k AND b.n < l.n ORDER BY b.id DESC) AS f FROM l;
SELECT list(id) AS f, string_agg(s, ',') AS g, count(*) AS c, sum(n) AS t FROM (SELECT * FROM b ORDER BY n DESC, id);
SELECT k, list(m) AS f FROM (SELECT k, n + 1 AS m FROM b WHERE n IS NOT NULL ORDER BY k, id) GROUP BY k;
SELECT first(s) AS f, last(id) AS g FROM (SELECT s, id FROM (SELECT * FROM b ORDER BY n, id) WHERE s <> 'a');
SELECT ARRAY(SELECT DISTINCT n FROM b ORDER BY n) AS f;
SELECT list(x) AS f FROM (SELECT n AS x, id FROM b UNION ALL SELECT n, id + 1000 FROM l ORDER BY 2);
SELECT to_json(list(s)) AS j, json_group_array(n) AS g FROM (FROM b ORDER BY id DESC);
