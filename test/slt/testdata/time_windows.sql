CREATE STREAM ev (k VARCHAR, g INTEGER, n INTEGER, at TIMESTAMP);
CREATE TABLE tv (id INTEGER PRIMARY KEY, k VARCHAR, n INTEGER, at TIMESTAMPTZ);
----
INSERT INTO ev VALUES ('a', 1, 1, '2024-01-01 00:00:00'), ('a', 1, 2, '2024-01-01 00:00:30'), ('a', 2, 3, '2024-01-01 00:02:00'), ('b', 1, 4, '2024-01-01 00:00:10'), ('a', 1, 5, '2024-01-01 00:01:10');
INSERT INTO tv VALUES (1001, 'a', 1, '2024-01-01 00:00:00+00'), (1002, 'a', 2, '2024-01-01 00:00:50+00'), (1003, 'b', 3, '2024-01-01 00:00:00+00'), (1004, 'a', 3, '2024-01-01 00:01:40+00');
----
SELECT window_start, window_end, count(*) AS n FROM tumble(ev, at, INTERVAL 1 MINUTE) GROUP BY ALL;
SELECT k, window_start, sum(n) AS n FROM tumble(tv, at, INTERVAL 1 DAY) GROUP BY ALL;
SELECT k, window_start, window_end, count(*) AS n, min(n) AS lo FROM hop(ev, at, INTERVAL 30 SECONDS, INTERVAL 2 MINUTES) GROUP BY ALL;
SELECT window_end, count(DISTINCT k) AS n FROM hop(tv, at, INTERVAL 1 HOUR, INTERVAL 90 MINUTES) GROUP BY ALL;
SELECT * FROM hop(tv, at, INTERVAL 7 DAYS, INTERVAL 10 DAYS) WHERE n > 1;
SELECT k, window_start, window_end, count(*) AS n, sum(n) AS s FROM session(ev, at, INTERVAL 1 MINUTE, k) GROUP BY ALL;
SELECT k, window_end, count(*) AS n FROM session(tv, at, INTERVAL 1 MINUTE, k) GROUP BY k, window_start, window_end;
SELECT window_start, window_end, count(*) AS n FROM session(ev, at, INTERVAL 40 SECONDS) GROUP BY ALL;
SELECT * FROM session(tv, at, INTERVAL 12 HOURS, k);
SELECT * FROM session(ev, at, INTERVAL 400 DAYS, k, g);
SELECT k, g, window_start, count(*) AS n FROM session(ev, at, INTERVAL 10 DAYS, k) GROUP BY ALL;
SELECT window_start, count(*) AS n FROM session(ev, at, INTERVAL 100 DAYS, k) GROUP BY ALL;
SELECT k, max(window_end - window_start) AS longest FROM session(tv, at, INTERVAL 30 DAYS, k) GROUP BY k;
SELECT k, window_start, count(*) FILTER (n > 1) AS n FROM session(ev, at, INTERVAL 1000 DAYS, k) WHERE k <> 'a' GROUP BY ALL;
SELECT k, window_start, window_end, avg(n) AS m FROM session(tv, at, INTERVAL 3000 DAYS, k) WHERE n > 0 GROUP BY ALL;
