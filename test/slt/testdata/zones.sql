CREATE TABLE z (at TIMESTAMPTZ, n INTEGER, k VARCHAR, PRIMARY KEY (at, n));
----
SELECT at, date_trunc('hour', at) AS h, date_trunc('day', at) AS d, year(at) AS y, hour(at) AS hh FROM z;
SELECT at + INTERVAL 1 DAY AS a, at - INTERVAL 30 MINUTE AS b, at - TIMESTAMPTZ '2024-02-01 00:00:00+00' AS c, n FROM z;
SELECT at AT TIME ZONE 'UTC' AS a, at::TIMESTAMP AS b, at::DATE AS c, at::VARCHAR AS d FROM z;
SELECT at AT TIME ZONE 'Europe/Berlin' AS a, timezone('America/New_York', at) AS b FROM z;
SELECT k, min(at) AS lo, max(at) AS hi, count(DISTINCT at) AS c, max(n) AS newest FROM z WHERE n > 0 GROUP BY k;
SELECT date_diff('minute', at, TIMESTAMPTZ '2024-03-01 00:00:00+00') AS a, epoch(at) AS b, epoch_ms(at) AS c, extract(dow FROM at) AS d FROM z;
SELECT x.k, y.n FROM z x JOIN z y ON x.at = y.at AND x.n < y.n;
