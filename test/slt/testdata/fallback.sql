CREATE STREAM s (k VARCHAR, n INTEGER, at TIMESTAMP, d DATE, x DOUBLE);
CREATE TABLE r (k VARCHAR PRIMARY KEY, m INTEGER);
----
SELECT k, list_value(k, n::VARCHAR)::VARCHAR AS a, strftime(at, '%Y/%m %H:%M') AS b, levenshtein(k, 'north') AS c FROM s;
SELECT string_split(k, ' ')[1] AS a, string_split(k, 'o')[2] AS b, len(string_split(k, 'a')) AS c FROM s;
SELECT strftime(d, '%A %d. %B') AS a, try_strptime(k, '%Y') AS b, strptime('2024-01-0' || abs(n % 9 + 1), '%Y-%m-%d') AS c FROM s WHERE n > 0;
SELECT jaccard(k || 'x', 'nortx') AS a, jaro_winkler_similarity(k, 'south') AS b, hamming(right('xyz' || k, 3), 'nor') AS c, damerau_levenshtein(k, 'sotuh') AS d FROM s;
SELECT {'k': k, 'n': n}::VARCHAR AS a, struct_extract({'p': n}, 'p') AS b, map(['a'], [n])::VARCHAR AS c, row(n, k)::VARCHAR AS d FROM s;
SELECT list_sum([n, 1, 2]) AS a, list_max([n, 4]) AS b, [x * 2 FOR x IN [n, 1]]::VARCHAR AS c, list_contains([1, 2, n], 3) AS d, array_length([n, n]) AS e FROM s;
SELECT format('{} is {}', k, n) AS a, printf('%05d', n) AS b, to_json(k) AS c, base64(encode(k)) AS d, sha256(k) AS e FROM s;
SELECT strftime(at, '%H') AS h, count(*) AS c, sum(levenshtein(k, 'a')) AS l FROM s GROUP BY h;
SELECT r.m, s.n FROM s JOIN r ON levenshtein(s.k, '') = r.m;
SELECT k, bar(n, 0, 10, 5) AS a, url_encode(k) AS b, to_base(abs(n), 2) AS c, formatReadableSize(abs(n) * 1000) AS d FROM s WHERE jaro_similarity(k, 'north') < 0.5;
SELECT DISTINCT string_split_regex(k, '[ou]')[1] AS a FROM s;
SELECT list_value(m, m + 1)::VARCHAR AS l, count(*) AS c FROM r GROUP BY l;
