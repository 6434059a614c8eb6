CREATE STREAM ev (id INTEGER, attrs MAP(VARCHAR, INTEGER), deep MAP(INTEGER, VARCHAR[]));
CREATE TABLE conf (k VARCHAR PRIMARY KEY, m MAP(VARCHAR, INTEGER), s MAP(DATE, STRUCT(a INTEGER)));
----
INSERT INTO ev VALUES (1, MAP {'a': 1, 'b c': NULL}, MAP {1: ['x'], 2: NULL}), (2, MAP {}, NULL), (3, NULL, MAP {5: []});
INSERT INTO conf VALUES ('one', MAP {'a': 1, 'b c': NULL}, MAP {DATE '2024-01-01': {'a': 5}}), ('two', NULL, MAP {});
----
SELECT id, attrs, deep FROM ev;
SELECT attrs, count(*) AS c FROM ev GROUP BY attrs;
SELECT DISTINCT deep FROM ev;
SELECT min(attrs) AS a, max(attrs) AS b, max(deep) AS c FROM ev;
SELECT id, attrs['a'] AS a, attrs['nope'] AS b, deep[1] AS c, deep[1][1] AS d FROM ev;
SELECT id, map_keys(attrs) AS a, map_values(attrs) AS b, cardinality(attrs) AS c, map_entries(deep) AS d FROM ev;
SELECT id, element_at(attrs, 'a') AS a, map_extract(attrs, 'b') AS b, map_contains(attrs, 'a') AS c, len(map_keys(deep)) AS d FROM ev;
SELECT id, MAP {'k': id} AS a, MAP {[id]: {'x': id}} AS b, map_from_entries([{'k': 'q', 'v': id}]) AS c, MAP {} AS d FROM ev WHERE id IS NOT NULL;
SELECT ev.id, conf.k FROM ev JOIN conf ON ev.attrs = conf.m;
SELECT id FROM ev WHERE attrs = MAP {'a': 1} OR attrs['a'] > 2;
SELECT attrs['a'] AS a, count(*) AS c, sum(attrs['b']) AS s FROM ev GROUP BY a;
SELECT id, attrs::VARCHAR AS a, to_json(attrs)::VARCHAR AS b, deep::VARCHAR AS c FROM ev;
SELECT k, m, s FROM conf;
SELECT s, m, count(*) AS c FROM conf GROUP BY s, m;
SELECT k, s[DATE '2024-01-01'].a AS a, map_values(s)[1].a AS b, map_keys(s) AS c FROM conf;
SELECT k, coalesce(m, MAP {'none': 0}) AS a, CASE WHEN k > 'b' THEN m END AS b FROM conf;
SELECT count(DISTINCT attrs) AS a, count(deep) AS b FROM ev;
SELECT attrs FROM ev UNION SELECT m FROM conf;
SELECT id, list_transform(map_entries(attrs), lambda e: e.key) AS a, map_concat(attrs, MAP {'z': 9}) AS b FROM ev;
SELECT map_keys(attrs)[1] AS k1, max(id) AS m FROM ev GROUP BY k1;
SELECT k FROM conf WHERE map_contains(m, 'a') AND cardinality(m) < 3;
SELECT id, unnest(map_entries(attrs)) AS e FROM ev;
SELECT id, unnest(map_keys(deep)) AS k, unnest(map_values(deep)) AS v FROM ev;
