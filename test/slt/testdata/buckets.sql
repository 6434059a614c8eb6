CREATE STREAM readings (at TIMESTAMP, tz TIMESTAMPTZ, day DATE, v DOUBLE, k VARCHAR);
----
SELECT time_bucket(INTERVAL 1 SECOND, at) AS w, count(*) AS c FROM readings GROUP BY w;
SELECT time_bucket(INTERVAL 30 SECOND, at) AS w, k, sum(v) AS s FROM readings GROUP BY w, k;
SELECT time_bucket(INTERVAL 7 MINUTE, at) AS w, avg(v) AS a, max(v) AS m FROM readings GROUP BY w;
SELECT time_bucket(INTERVAL 3 HOUR, at) AS w, count(DISTINCT k) AS c FROM readings GROUP BY w;
SELECT time_bucket(INTERVAL 2 DAY, at) AS w, min(v) AS lo, max(v) AS hi FROM readings GROUP BY w;
SELECT time_bucket(INTERVAL 1 WEEK, day) AS w, count(*) AS c FROM readings GROUP BY w;
SELECT time_bucket(INTERVAL 1 MONTH, day) AS w, count(*) AS c, sum(v) AS s FROM readings GROUP BY w;
SELECT time_bucket(INTERVAL 2 MONTH, at) AS w, k, count(*) AS c FROM readings GROUP BY ALL;
SELECT time_bucket(INTERVAL 15 MINUTE, tz) AS w, count(*) AS c FROM readings GROUP BY w;
SELECT time_bucket(INTERVAL 1 HOUR, at, INTERVAL 20 MINUTE) AS w, count(*) AS c FROM readings GROUP BY w;
SELECT time_bucket(INTERVAL 1 DAY, at, TIMESTAMP '2024-01-01 06:00:00') AS w, count(*) AS c FROM readings GROUP BY w;
SELECT at, time_bucket(INTERVAL 1 YEAR, at) AS y, time_bucket(INTERVAL 10 MINUTE, at) + INTERVAL 10 MINUTE AS closing FROM readings;
SELECT a.k, count(*) AS c FROM readings a JOIN readings b ON a.k = b.k AND time_bucket(INTERVAL 6 HOUR, a.at) = time_bucket(INTERVAL 6 HOUR, b.at) GROUP BY a.k;
