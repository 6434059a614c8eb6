CREATE STREAM ev (id INTEGER, body JSON, note VARCHAR);
CREATE TABLE kind (a VARCHAR PRIMARY KEY, label VARCHAR, doc JSON);
----
SELECT id, body ->> 'a' AS a, body ->> 'b' AS b, body ->> '$.c.d[0]' AS d FROM ev;
SELECT id, body -> 'c' AS c, body ->> '$[1]' AS e, body ->> 'missing' AS m FROM ev;
SELECT body ->> 'b' AS b, count(*) AS c, sum((body ->> 'a')::INTEGER) AS s FROM ev GROUP BY b;
SELECT id FROM ev WHERE (body ->> 'a')::INTEGER > 1 OR (body ->> 'b') = 'y';
SELECT id, json_extract_string(body, '$.b') AS a, json_extract(body, '$.a')::BIGINT AS b, json_type(body) AS c, json_valid(note) AS d FROM ev;
SELECT id, json_array_length(body) AS a, json_exists(body, '$.c') AS b, body::VARCHAR AS c, json_type(body, '$.a') AS d FROM ev;
SELECT ev.id, kind.label FROM ev JOIN kind ON (ev.body ->> 'b') = (kind.doc ->> 'b');
SELECT body, count(*) AS c FROM ev GROUP BY body;
SELECT DISTINCT body -> '$.a' AS a FROM ev WHERE body IS NOT NULL;
SELECT a, doc ->> '$.b' AS b, upper(doc ->> '$.b') || label AS c FROM kind;
