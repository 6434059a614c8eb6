CREATE STREAM ev (k VARCHAR, g INTEGER, n INTEGER, big BIGINT, x DOUBLE, d DECIMAL(10,2), b BOOLEAN, at TIMESTAMP);
CREATE TABLE tv (id INTEGER PRIMARY KEY, k VARCHAR, n INTEGER, at TIMESTAMPTZ, day DATE);
----
INSERT INTO ev VALUES ('a', 1, 1, 10, 1.5, 1.25, true, '2024-01-01 00:00:00'), ('a', 1, 2, NULL, 2.5, 2.25, false, '2024-01-01 00:00:30'), ('a', 2, 3, 30, NULL, NULL, NULL, '2024-01-01 00:02:00'), ('b', 1, 4, 9223372036854775807, 4.5, 4.25, true, '2024-01-01 00:00:10'), ('a', 1, NULL, 9223372036854775807, 5.5, 5.25, false, '2024-01-01 00:01:10'), ('c', 1, NULL, NULL, NULL, NULL, NULL, '2024-01-01 00:01:10'), ('c', NULL, 7, 1, 1, 1, true, NULL);
INSERT INTO tv VALUES (1001, 'a', 1, '2024-01-01 00:00:00+00', '2024-01-01'), (1002, 'a', 2, '2024-01-01 00:00:50+00', '2024-01-03'), (1003, 'b', 3, '2024-01-01 00:00:00+00', NULL), (1004, 'a', 3, '2024-01-01 00:01:40+00', '2024-02-01');
----
SELECT window_start, window_end, count(*) AS n, count(n) AS c, sum(n) AS s, avg(n) AS m, min(k) AS lo, max(x) AS hi FROM hop(ev, at, INTERVAL 10 SECONDS, INTERVAL 1 MINUTE) GROUP BY ALL;
SELECT k, g, window_end, sum(big) AS s, avg(big) AS m, sum(x) AS x, avg(x) AS mx, sum(d) AS d, avg(d) AS md FROM hop(ev, at, INTERVAL 20 SECONDS, INTERVAL 2 MINUTES) GROUP BY ALL;
SELECT window_end, bool_and(b) AS a, bool_or(b) AS o, bit_and(n) AS ba, bit_or(n) AS bo, bit_xor(n) AS bx, count_if(b) AS ci FROM hop(ev, at, INTERVAL 1 MINUTE, INTERVAL 3 MINUTES) GROUP BY ALL;
SELECT window_end, count(*) FILTER (n > 1) AS n, sum(n) FILTER (b) AS s, avg(x) FILTER (k = 'a') AS m FROM hop(ev, at, INTERVAL 1 MINUTE, INTERVAL 1 MINUTE) GROUP BY ALL;
SELECT window_end, count(DISTINCT k) AS keys, sum(DISTINCT n) AS s, count(*) AS n, min(DISTINCT n) AS lo FROM hop(tv, at, INTERVAL 30 SECONDS, INTERVAL 90 SECONDS) GROUP BY ALL;
SELECT k, window_end, count(DISTINCT n) AS n, avg(n) AS m FROM hop(tv, at, INTERVAL 1 HOUR, INTERVAL 2 DAYS) WHERE n < 100 GROUP BY ALL HAVING count(*) > 1;
SELECT window_start, sum(n) AS n, max(n) AS hi FROM hop(tv, day, INTERVAL 1 DAY, INTERVAL 7 DAYS) GROUP BY ALL;
SELECT window_start, count(*) AS n FROM hop(tv, day, INTERVAL 12 HOURS, INTERVAL 2 DAYS) GROUP BY ALL;
SELECT window_end, count(*) AS n FROM hop(ev, at, INTERVAL 40 SECONDS, INTERVAL 1 MINUTE) GROUP BY ALL;
SELECT window_end, median(n) AS m FROM hop(ev, at, INTERVAL 10 SECONDS, INTERVAL 1 MINUTE) GROUP BY ALL;
SELECT upper(k) AS u, window_start + INTERVAL 1 HOUR AS w, sum(n + 1) AS s FROM hop(ev, at, INTERVAL 15 SECONDS, INTERVAL 1 MINUTE) WHERE window_start >= '2023-12-31 23:59:30' GROUP BY ALL;
SELECT k, count(*) AS n FROM hop(ev, at, INTERVAL 15 SECONDS, INTERVAL 1 MINUTE) GROUP BY k;
SELECT window_end, max(n) AS hi FROM (SELECT k, window_end, count(*) AS n FROM hop(ev, at, INTERVAL 30 SECONDS, INTERVAL 3 MINUTES) GROUP BY ALL) GROUP BY window_end;
