CREATE STREAM ev (id INTEGER, body JSON, tags VARCHAR[], pos STRUCT(x INTEGER, y VARCHAR));
CREATE TABLE doc (k INTEGER PRIMARY KEY, j JSON, js JSON[]);
----
INSERT INTO ev VALUES (1, '{"a":1,"b":{"c":[1,2,{"d":"x"}]},"e":null}', ['a'], {'x': 1, 'y': 'q'}), (2, '[]', [], NULL), (3, '"text"', NULL, {'x': NULL, 'y': NULL}), (4, '3.5', NULL, NULL), (5, 'null', NULL, NULL);
INSERT INTO doc VALUES (100, '{"k":[1,2,3]}', ['{"a":1}', NULL, '"x"']);
----
SELECT id, body -> 'a' AS a, body ->> 'b' AS b, body -> '$.b.c[2].d' AS c, body ->> '$.b.c[2].d' AS d FROM ev;
SELECT id, json_extract(body, '$.b.c') AS a, json_extract_string(body, 'e') AS b, json_extract(body, '$.e') AS c FROM ev;
SELECT id, json_array_length(body) AS a, json_array_length(body, '$.b.c') AS b, json_type(body) AS c, json_type(body, '$.a') AS d, json_valid(body::VARCHAR) AS e FROM ev;
SELECT id, json_keys(body) AS a, json_structure(body)::VARCHAR AS b, json_contains(body, '1') AS c FROM ev;
SELECT json_type(body) AS t, count(*) AS c, min(id) AS m FROM ev GROUP BY t;
SELECT json_keys(body) AS k, count(*) AS c FROM ev GROUP BY k;
SELECT id, to_json(tags) AS a, to_json(pos) AS b, json_object('id', id, 'tags', tags) AS c, json_array(id, pos) AS d FROM ev;
SELECT id, (to_json(pos) ->> 'y') AS a, from_json(body, '{"a":"INTEGER"}') AS b FROM ev WHERE json_type(body) = 'OBJECT';
SELECT id, json_extract(body, ['$.a', '$.b']) AS a, json_extract_string(body, ['$.a', '$.e']) AS b FROM ev;
SELECT id, body::VARCHAR AS a, CAST(body -> '$.c.d' AS INTEGER[]) AS b FROM ev WHERE json_type(body) = 'OBJECT';
SELECT k, js, js[1] ->> 'a' AS a, len(js) AS b FROM doc;
SELECT js, count(*) AS c FROM doc GROUP BY js;
SELECT k, json_transform(j, '{"a":"BIGINT","b":"VARCHAR"}') AS a FROM doc WHERE json_type(j) = 'OBJECT';
SELECT DISTINCT json_extract(body, '$.a') AS a FROM ev;
SELECT a.id, b.k FROM ev a JOIN doc b ON (a.body ->> 'a') = (b.j ->> 'a');
SELECT sum((body ->> 'a')::INTEGER) AS s, count(body -> 'b') AS c FROM ev;
SELECT id, json_merge_patch(body, '{"z":1}') AS a, json_quote(id) AS b FROM ev WHERE json_type(body) = 'OBJECT';
SELECT id, json_exists(body, '$.a') AS a, json_value(body, '$.a') AS b FROM ev;
