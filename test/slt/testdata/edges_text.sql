CREATE TABLE t (k VARCHAR PRIMARY KEY, v VARCHAR, b BLOB, j JSON);
CREATE STREAM s (k VARCHAR, v VARCHAR);
----
INSERT INTO t VALUES ('日本語', '🦆 quack', '\x00\x00', '{"a":"日"}'), ('naïve', 'e' || chr(769), '\x00', '"x"'), (' ', '  ', '', 'null'), ('ß', 'ẞ', '\xFF\xFF', '[]'), ('line' || chr(10) || 'two', chr(9), 'tab', '12.50');
INSERT INTO s VALUES ('日本語', 'İstanbul'), ('🦆', 'ǅ'), ('123456789012', '1234567890123'), ('12345678901', 'A%_\'), ('', '\n'), ('''', '"');
UPDATE t SET v = 'changed and made longer than twelve' WHERE k = 'ß';
----
SELECT k, length(k) AS a, strlen(k) AS b, upper(k) AS c, lower(v) AS d, reverse(k) AS e, left(v, 1) AS f, substr(k, 2, 2) AS g FROM t;
SELECT k, length(v) AS a, upper(v) AS b, lower(v) AS c, reverse(v) AS d, right(v, 2) AS e, lpad(k, 6, '語') AS f, ascii(v) AS g FROM s;
SELECT k, k LIKE '_本_' AS a, v LIKE '%\%' AS b, k LIKE '_' AS c, v ILIKE '%ISTANBUL' AS d, k < v AS e, k >= 'z' AS f FROM s;
SELECT t.k, s.v FROM t JOIN s ON t.k = s.k;
SELECT t.k, s.k AS k2 FROM t JOIN s ON length(t.k) = length(s.k) AND t.k <> s.k;
SELECT upper(k) AS u, count(*) AS c, min(v) AS lo, max(v) AS hi FROM s GROUP BY u;
SELECT k, trim(v) AS a, replace(k, '本', '') AS b, position('語' IN k) AS c, split_part(k, chr(10), 2) AS d, strip_accents(v) AS e, regexp_replace(k, '[^a-z]', '', 'g') AS f FROM t;
SELECT k, b::VARCHAR AS a, octet_length(b) AS c, hex(b) AS d, md5(k) AS e, b > '\x00'::BLOB AS f FROM t;
SELECT min(b) AS lo, max(b) AS hi, count(DISTINCT b) AS c, min(k) AS lk, max(k) AS hk, arg_max(v, k) AS m FROM t;
SELECT k, j ->> '$.a' AS a, json_type(j) AS b, j::VARCHAR AS c, j ->> '$' AS d FROM t;
SELECT concat(k, '|', v) AS a, k || v AS b, translate(k, '日1', '月I') AS c, starts_with(k, '日') AS d, contains(v, 'anb') AS e FROM s;
SELECT DISTINCT v FROM s UNION SELECT v FROM t;
SELECT k FROM t WHERE v IN ('  ', 'a', '🦆 quack') OR k IN ('naïve', 'south');
SELECT k, regexp_extract(v, '(\w+) (\w+)', 1) AS a, v ~ '^.$' AS b, ord(k) AS c, TRY_CAST(trim(k) AS INTEGER) AS d, TRY_CAST(k AS BIGINT) AS e FROM s;
