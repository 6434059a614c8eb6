CREATE TABLE days (d DATE PRIMARY KEY, e DATE, n INTEGER);
CREATE STREAM ticks (at TIMESTAMP, d DATE, n SMALLINT);
----
SELECT d, year(d) AS y, month(d) AS m, day(d) AS dd, dayofweek(d) AS w, dayofyear(d) AS yd, week(d) AS wk, quarter(d) AS q FROM days;
SELECT d, extract(isodow FROM d) AS a, extract(epoch FROM d) AS b, date_part('decade', d) AS c, isoyear(d) AS f, yearweek(d) AS g FROM days;
SELECT d + 1 AS a, d - 30 AS b, d - e AS c, d + INTERVAL 1 MONTH AS f, d - INTERVAL 2 DAY AS g, d + n AS h FROM days;
SELECT date_trunc('month', d) AS a, date_trunc('week', d) AS b, date_trunc('quarter', e) AS c, last_day(d) AS f, monthname(e) AS g, dayname(e) AS h FROM days;
SELECT date_diff('day', d, e) AS a, date_diff('month', d, e) AS b, date_sub('week', d, e) AS c, datediff('year', d, e) AS f FROM days;
SELECT date_trunc('hour', at) AS h, count(*) AS c, sum(n) AS s FROM ticks GROUP BY h;
SELECT at::DATE AS day, hour(at) AS h, count(*) AS c FROM ticks GROUP BY day, h;
SELECT minute(at) AS a, second(at) AS b, extract(millisecond FROM at) AS c, epoch(at) AS f, epoch_ms(at) AS g, epoch_us(at) AS h FROM ticks;
SELECT at + INTERVAL 90 MINUTE AS a, at - INTERVAL 1 MONTH AS b, at - d AS c, age(at, d::TIMESTAMP) AS f, at + n * INTERVAL 1 HOUR AS g FROM ticks;
SELECT date_diff('minute', d::TIMESTAMP, at) AS a, date_diff('hour', at, TIMESTAMP '2024-03-01') AS b, date_sub('hour', d::TIMESTAMP, at) AS c FROM ticks;
SELECT month(e) AS m, min(d) AS lo, max(d) AS hi, count(DISTINCT e) AS c FROM days GROUP BY m;
SELECT days.d, ticks.n FROM days JOIN ticks ON days.d = ticks.d;
SELECT days.e, count(*) AS c FROM days JOIN ticks ON ticks.at::DATE = days.e GROUP BY days.e;
SELECT make_date(2024, 2, 10 + abs(n)::INTEGER) AS a, greatest(d, e) AS b, d = e AS c, d::VARCHAR AS f FROM days;
