CREATE TABLE l (id INTEGER PRIMARY KEY, k VARCHAR, n INTEGER, x DOUBLE);
CREATE TABLE r (k VARCHAR, n INTEGER, d DATE, x DOUBLE);
CREATE STREAM e (k VARCHAR, n BIGINT);
----
SELECT l.id, r.n FROM l JOIN r ON l.k = r.k;
SELECT l.id, r.d FROM l JOIN r ON l.k IS NOT DISTINCT FROM r.k;
SELECT l.id, r.d FROM l JOIN r ON l.k IS NOT DISTINCT FROM r.k AND l.n = r.n;
SELECT l.id, r.d FROM l JOIN r ON l.k = r.k AND l.n IS NOT DISTINCT FROM r.n AND l.x > r.x;
SELECT l.id, e.n FROM l JOIN e ON coalesce(l.k, '') = coalesce(e.k, '') AND e.n IS NOT NULL;
SELECT l.id, e.k FROM l JOIN e ON l.n = e.n WHERE l.k IS NULL;
SELECT a.k, count(*) AS c FROM r a JOIN r b ON a.n IS NOT DISTINCT FROM b.n GROUP BY a.k;
SELECT l.id, r.n AS rn, e.n AS en FROM l JOIN r ON l.k IS NOT DISTINCT FROM r.k JOIN e ON e.k IS NOT DISTINCT FROM r.k;
SELECT l.id, r.k FROM l JOIN r ON l.x = r.x AND (l.n < r.n OR r.n IS NULL);
SELECT r.k, sum(l.n) AS s, count(r.d) AS c FROM l JOIN r ON l.k = r.k OR (l.k = r.k AND l.n = r.n) GROUP BY r.k;
