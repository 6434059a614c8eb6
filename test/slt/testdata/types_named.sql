CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');
CREATE TYPE place AS STRUCT(x INTEGER, m mood);
CREATE TYPE cents AS BIGINT;
CREATE TABLE p (id INTEGER PRIMARY KEY, m mood, ms mood[], at place, c cents);
CREATE STREAM s (m mood, c cents, t VARCHAR);
----
SELECT m, count(*) AS n, sum(c) AS c FROM p GROUP BY m;
SELECT id, m FROM p WHERE m > 'sad'::mood;
SELECT id, TRY_CAST(s.t AS mood) AS tm, s.c FROM p JOIN s USING (m);
SELECT id, p.at.m AS pm, p.at.m < m AS less FROM p;
SELECT u, count(*) AS n FROM (SELECT unnest(ms) AS u FROM p) GROUP BY u;
SELECT max(m) AS a, min(m) AS b FROM s WHERE m <> CAST('ok' AS mood);
SELECT id, {'x': id, 'm': 'happy'}::place AS pl, CASE WHEN id > 3 THEN m ELSE 'sad'::mood END AS e FROM p;
SELECT id, c::DOUBLE::cents AS cc, [m, 'ok'::mood] AS l FROM p;
SELECT m, enum_code(m) AS code, enum_range(m) AS r FROM s;
