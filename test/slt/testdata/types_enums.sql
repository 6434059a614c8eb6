CREATE STREAM ev (id INTEGER, size ENUM('small', 'medium', 'LARGE'), mood ENUM('z', 'y', 'it''s'), moods ENUM('z', 'y', 'it''s')[]);
CREATE TABLE price (size ENUM('small', 'medium', 'LARGE') PRIMARY KEY, amount DECIMAL(10,2), name VARCHAR);
----
INSERT INTO ev VALUES (1, 'small', 'z', ['z', NULL]), (2, 'LARGE', NULL, []), (3, NULL, 'it''s', NULL);
----
SELECT id, size, mood, moods FROM ev;
SELECT size, count(*) AS c, max(id) AS m FROM ev GROUP BY size;
SELECT DISTINCT mood, size FROM ev;
SELECT min(size) AS a, max(size) AS b, min(mood) AS c, max(moods) AS d FROM ev;
SELECT id FROM ev WHERE size = 'medium' OR mood IN ('z', 'y');
SELECT id FROM ev WHERE size > 'small'::ENUM('small', 'medium', 'LARGE');
SELECT id, size::VARCHAR AS a, size || '!' AS b, upper(mood) AS c, length(size) AS d, enum_code(mood) AS e FROM ev;
SELECT ev.id, price.amount FROM ev JOIN price ON ev.size = price.size;
SELECT ev.id, price.amount FROM ev JOIN price ON ev.mood::VARCHAR = price.name AND ev.size >= price.size WHERE ev.id > 1;
SELECT size, amount FROM price WHERE size <> 'small';
SELECT size, name, amount FROM price;
SELECT moods, count(*) AS c FROM ev GROUP BY moods;
SELECT id, moods[1] AS a, list_contains(moods, 'z') AS b, len(moods) AS c, list_transform(moods, lambda x: x::VARCHAR || id) AS d FROM ev;
SELECT id, coalesce(size, 'small') AS a, CASE WHEN id > 3 THEN size ELSE 'LARGE' END AS b, CASE size WHEN 'small' THEN 1 ELSE 2 END AS c FROM ev;
SELECT mood::VARCHAR AS m, size, sum(id) AS s FROM ev GROUP BY ALL;
SELECT id, 'y'::ENUM('x', 'y') AS a, {'e': size} AS b, [size, 'small'] AS c FROM ev;
SELECT size FROM ev UNION SELECT size FROM price;
SELECT count(DISTINCT size) AS a, count(mood) AS b FROM ev;
