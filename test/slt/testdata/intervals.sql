CREATE TABLE slot (ti TIME PRIMARY KEY, len INTERVAL, n INTEGER);
CREATE STREAM use (ti TIME, len INTERVAL, who VARCHAR, at TIMESTAMP);
----
SELECT ti, hour(ti) AS h, minute(ti) AS m, ti + INTERVAL 2 HOUR AS a, ti - INTERVAL 45 MINUTE AS b, ti::VARCHAR AS s FROM slot;
SELECT ti, len + INTERVAL 1 DAY AS a, len - INTERVAL 1 HOUR AS b, len * 2 AS c, -len AS d, len::VARCHAR AS s FROM slot;
SELECT at + len AS a, at - len AS b, len > INTERVAL 1 DAY AS c, len = INTERVAL 90 MINUTE AS d FROM use;
SELECT who, min(ti) AS lo, max(ti) AS hi, count(DISTINCT len) AS c FROM use GROUP BY who;
SELECT slot.n, use.who FROM slot JOIN use ON slot.ti = use.ti;
SELECT slot.n, use.who FROM slot JOIN use ON slot.len = use.len WHERE use.ti > slot.ti;
SELECT extract(hour FROM len) AS a, extract(day FROM len) AS b, epoch(len) AS c, date_part('month', len) AS d FROM use;
SELECT to_minutes(n) AS a, to_hours(n) AS b, to_days(n) AS c, to_seconds(n) AS d, to_months(n) AS e, n * INTERVAL 1 MINUTE AS f FROM slot;
SELECT DISTINCT len, hour(ti) AS h FROM use;
