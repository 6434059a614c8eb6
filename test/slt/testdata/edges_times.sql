CREATE TABLE d (id INTEGER PRIMARY KEY, da DATE, ts TIMESTAMP, tz TIMESTAMPTZ, ti TIME, iv INTERVAL);
CREATE STREAM e (ts TIMESTAMP, da DATE, iv INTERVAL);
----
INSERT INTO d VALUES (101, '0001-01-01', '0001-01-01 00:00:00', '1900-01-01 00:00:00+00', '00:00:00', '-1 day'), (102, '9999-12-31', '9999-12-31 23:59:59.999999', '9999-12-31 23:59:59+00', '23:59:59.999999', '100 years'), (103, '1969-12-31', '1969-12-31 23:59:59.999999', '1969-12-31 23:59:59.5+00', '12:00:00.000001', '1 month -30 days'), (104, '2000-02-29', '2000-02-29 12:34:56.789', '2000-02-29 23:30:00-05', '01:02:03.5', '1.5 seconds'), (105, '1970-01-01', '1970-01-01 00:00:00', '1970-01-01 00:00:00+00', '24:00:00', '0 days');
INSERT INTO e VALUES ('1969-12-31 23:59:59.999999', '1969-12-31', '-2 hours'), ('1600-02-29 06:07:08', '1600-02-29', '-1 month'), ('2024-12-30 00:00:00', '2024-12-30', '1 year 2 months 3 days 04:05:06.7'), ('2000-01-01 00:00:00.000001', '1999-12-31', '36 hours');
----
SELECT id, year(da) AS a, month(da) AS b, day(ts) AS c, week(da) AS f, isoyear(da) AS g, dayofweek(da) AS h, yearweek(da) AS i, quarter(ts) AS j, weekday(da) AS k FROM d;
SELECT id, date_trunc('week', da) AS a, date_trunc('century', da) AS b, date_trunc('decade', ts) AS c, date_trunc('hour', ts) AS f, date_trunc('millisecond', ts) AS g, date_trunc('quarter', ts) AS h FROM d;
SELECT time_bucket(INTERVAL 1 DAY, ts) AS a, time_bucket(INTERVAL 7 DAY, da) AS b, time_bucket(INTERVAL 5 MINUTE, ts) AS c, time_bucket(INTERVAL 3 MONTH, da) AS f, time_bucket(INTERVAL 1 YEAR, ts) AS g FROM e;
SELECT ts + iv AS a, ts - iv AS b, da + iv AS c, iv * 3 AS f, -iv AS g, iv::VARCHAR AS h FROM e;
SELECT date_diff('month', da, ts::DATE) AS a, date_diff('year', ts, TIMESTAMP '2024-01-01') AS b, date_sub('month', ts, TIMESTAMP '2024-01-31') AS c, date_diff('week', da, DATE '2000-01-01') AS f, date_diff('millisecond', ts, TIMESTAMP '1970-01-01') AS g FROM e;
SELECT id, epoch(ts) AS a, epoch_ms(ts) AS b, epoch_us(tz) AS c, extract(microsecond FROM ts) AS f, extract(second FROM ti) AS g, extract(millisecond FROM ti) AS h FROM d;
SELECT id, da::VARCHAR AS a, ts::VARCHAR AS b, tz::VARCHAR AS c, ti::VARCHAR AS f, iv::VARCHAR AS g FROM d;
SELECT min(da) AS a, max(da) AS b, min(ts) AS c, max(ts) AS f, min(tz) AS g, max(tz) AS h, min(ti) AS i, max(ti) AS j FROM d;
SELECT ts, count(*) AS c, min(da) AS m FROM e GROUP BY ts;
SELECT d.id, e.da FROM d JOIN e ON d.ts = e.ts;
SELECT d.id, e.ts FROM d JOIN e ON d.iv = e.iv AND d.da >= e.da;
SELECT id, age(ts, TIMESTAMP '2000-01-31') AS a, TIMESTAMP '2024-02-29' - ts AS b, da - DATE '2000-01-01' AS c, tz - TIMESTAMPTZ '2000-01-01 00:00:00+00' AS f FROM d;
SELECT id, last_day(da) AS a, monthname(da) AS b, dayname(ts) AS c, strftime(ts, '%G-W%V-%u %j %p') AS f, century(da) AS g, decade(da) AS h FROM d;
SELECT id, iv > INTERVAL 1 DAY AS a, iv = INTERVAL 0 DAY AS b, extract(day FROM iv) AS c, extract(epoch FROM iv) AS f, extract(month FROM iv) AS g FROM d;
SELECT id, ti + INTERVAL 2 HOUR AS a, ti - INTERVAL 1 SECOND AS b FROM d WHERE ti < TIME '23:00:00';
SELECT id, ts AT TIME ZONE 'Europe/Berlin' AS a, tz AT TIME ZONE 'Asia/Kolkata' AS b, date_trunc('day', tz) AS c FROM d WHERE id <> 101 AND id <> 102;
SELECT id, da IN ('2000-02-29', '1970-01-01') AS a, ts BETWEEN '1969-01-01' AND '2001-01-01' AS b, da = ts AS c FROM d;
