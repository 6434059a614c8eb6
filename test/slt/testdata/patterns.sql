CREATE TABLE docs (id SMALLINT PRIMARY KEY, title VARCHAR, body VARCHAR);
----
SELECT id, title FROM docs WHERE title LIKE 'n%';
SELECT id, title FROM docs WHERE title LIKE '%th' AND body NOT LIKE '%text%';
SELECT id, title LIKE '_o%h' AS a, title LIKE '%o%' AS b, title LIKE '' AS c, title LIKE 'x!%y' ESCAPE '!' AS d FROM docs;
SELECT id, title ILIKE 'NORTH' AS a, title ILIKE 'äPF%' AS b, body NOT ILIKE '%LONG%' AS c FROM docs;
SELECT id, body FROM docs WHERE title LIKE body || '%';
SELECT id, regexp_matches(title, '^[a-d]$') AS a, title ~ 'o.th' AS b, regexp_full_match(title, '[a-z]+') AS c FROM docs;
SELECT id, regexp_replace(title, '[aeiou]', '#') AS a, regexp_replace(title, '([a-z])([a-z])', '\2\1', 'g') AS b FROM docs;
SELECT id, regexp_extract(body, '([a-z]+) ([a-z]+)', 2) AS a, regexp_extract(title, 'o(.)t') AS b FROM docs;
SELECT id, title SIMILAR TO '(north|south)' AS a, body GLOB 'a*' AS b FROM docs;
SELECT title LIKE '%o%' AS has, count(*) AS c, max(id) AS m FROM docs GROUP BY has;
SELECT id FROM docs WHERE regexp_matches(body, 'LONG', 'i') OR title LIKE 'a' OR title LIKE '%x%';
