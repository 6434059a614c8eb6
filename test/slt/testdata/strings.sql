CREATE STREAM words (s VARCHAR, t VARCHAR, n INTEGER);
CREATE TABLE dict (s VARCHAR PRIMARY KEY, meaning VARCHAR, n TINYINT);
----
SELECT upper(s) AS a, lower(t) AS b, length(s) AS c, strlen(s) AS d, s || '-' || t AS e FROM words;
SELECT substr(s, 2, 3) AS a, substring(s, 1, abs(n)) AS b, left(s, 2) AS c, right(s, 3) AS d, reverse(s) AS e, s[1] AS f FROM words;
SELECT replace(s, 'o', '0') AS a, trim('  ' || s || ' ') AS b, ltrim(s, 'an') AS c, rtrim(s, 'ht') AS d, lpad(s, 8, '*') AS e, rpad(s, 4, '.') AS f FROM words;
SELECT concat(s, t, n) AS a, concat_ws('/', s, t) AS b, repeat(s, 2) AS c, instr(s, 'o') AS d, position('t' IN s) AS e FROM words;
SELECT starts_with(s, 'no') AS a, contains(s, 'text') AS b, suffix(s, 'th') AS c, prefix(s, 'a') AS d, ascii(s) AS e, chr(65 + abs(n)::INTEGER) AS f FROM words;
SELECT split_part(s, ' ', 2) AS a, translate(s, 'abn', 'xyz') AS b, md5(s) AS c, strip_accents(s) AS d, hex(s) AS e FROM words;
SELECT s < t AS a, s >= 'b' AS b, greatest(s, t) AS c, least(s, t) AS d, coalesce(s, t, 'none') AS e, nullif(s, t) AS f FROM words;
SELECT lower(s) AS k, count(*) AS c, min(t) AS lo, max(t) AS hi FROM words GROUP BY lower(s);
SELECT dict.s, meaning, words.n FROM words JOIN dict ON words.s = dict.s;
SELECT dict.s, words.t FROM words JOIN dict ON upper(words.t) = upper(dict.meaning) AND words.n > dict.n;
SELECT length(meaning) AS l, count(DISTINCT s) AS c, max(s) AS m FROM dict GROUP BY ALL HAVING length(meaning) > 0;
SELECT s, bit_length(s) AS a, ord(s) AS b, unicode(s) AS c, octet_length(encode(s)) AS d FROM dict;
