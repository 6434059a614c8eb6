-- The greenhouse: what `tidemill demo` creates and then fills with data that moves by itself.
--
-- Read it from top to bottom. A STREAM takes events and never changes them; a TABLE holds one current row per key; a MATERIALIZED VIEW is a
-- query whose answer is kept up to date with every event, and can be read, or followed live, at any time. Run it elsewhere with
--
--   tidemill sql -f examples/greenhouse/project.sql

-- Every measurement of every sensor. The watermark says how far event time has come: readings may arrive up to 10 seconds out of order.
-- Readings of one sensor stay in order, because the stream is partitioned by it.
CREATE STREAM IF NOT EXISTS readings (
  sensor VARCHAR NOT NULL,
  metric VARCHAR NOT NULL,
  value  DOUBLE,
  at     TIMESTAMPTZ NOT NULL,
  WATERMARK FOR at AS at - INTERVAL 10 SECONDS
) WITH (key = 'sensor', partitions = 2, retention = '7 days');

-- What is known of the zones and of the sensors in them. Change a row, and every view that joins it follows.
CREATE TABLE IF NOT EXISTS zones (
  name VARCHAR PRIMARY KEY,
  kind VARCHAR,               -- greenhouse, outside or machine
  crop VARCHAR
);

CREATE TABLE IF NOT EXISTS sensors (
  id   VARCHAR PRIMARY KEY,
  zone VARCHAR,
  kind VARCHAR,               -- climate, soil, weather, actuator or machine
  unit VARCHAR
);

-- Between which values a metric should stay.
CREATE TABLE IF NOT EXISTS limits (
  zone   VARCHAR,
  metric VARCHAR,
  low    DOUBLE,
  high   DOUBLE,
  PRIMARY KEY (zone, metric)
);

-- The climate of each zone by the minute: a join of a stream with a table, and aggregates. GROUP BY ALL groups by what is not aggregated.
CREATE MATERIALIZED VIEW IF NOT EXISTS climate AS
SELECT s.zone, r.metric, time_bucket(INTERVAL 1 MINUTE, r.at) AS minute,
       avg(r.value) AS mean, min(r.value) AS lowest, max(r.value) AS highest, count(*) AS readings
FROM readings r JOIN sensors s ON s.id = r.sensor
WHERE s.kind <> 'machine'
GROUP BY ALL;

-- The last value of every sensor: arg_max takes the value that belongs to the largest time.
CREATE MATERIALIZED VIEW IF NOT EXISTS latest AS
SELECT r.sensor, s.zone, r.metric, s.unit, arg_max(r.value, r.at) AS value, max(r.at) AS at
FROM readings r JOIN sensors s ON s.id = r.sensor
GROUP BY ALL;

-- How each sensor is doing. One that has gone silent keeps its last_seen while the others move on.
CREATE MATERIALIZED VIEW IF NOT EXISTS health AS
SELECT sensor, count(*) AS readings, min(at) AS first_seen, max(at) AS last_seen
FROM readings
GROUP BY sensor;

-- Sensors that said the same value for half an hour: real air always moves a little, so they are probably stuck.
CREATE MATERIALIZED VIEW IF NOT EXISTS stuck AS
SELECT r.sensor, s.zone, time_bucket(INTERVAL 30 MINUTES, r.at) AS since, min(r.value) AS value, count(*) AS readings
FROM readings r JOIN sensors s ON s.id = r.sensor
WHERE s.kind IN ('climate', 'soil', 'weather')
GROUP BY ALL
HAVING count(*) >= 20 AND min(r.value) = max(r.value);

-- A view over a view and a table: the minutes in which a zone was out of its limits. Try UPDATE limits SET high = 20 WHERE zone = 'north';
CREATE MATERIALIZED VIEW IF NOT EXISTS alarms AS
SELECT c.zone, c.metric, c.minute, c.mean, l.low, l.high
FROM climate c JOIN limits l ON l.zone = c.zone AND l.metric = c.metric
WHERE c.mean < l.low OR c.mean > l.high;

-- The machine that runs the demo watches itself through the same stream.
CREATE MATERIALIZED VIEW IF NOT EXISTS machine AS
SELECT r.sensor, r.metric, s.unit, time_bucket(INTERVAL 5 SECONDS, r.at) AS moment, avg(r.value) AS mean, max(r.value) AS highest
FROM readings r JOIN sensors s ON s.id = r.sensor
WHERE s.kind = 'machine'
GROUP BY ALL;

-- A plain view is only a name for a query: it is computed when it is asked.
CREATE VIEW IF NOT EXISTS board AS
SELECT zone,
       round(avg(value) FILTER (WHERE metric = 'temperature'), 1)   AS temperature,
       round(avg(value) FILTER (WHERE metric = 'humidity'))         AS humidity,
       round(avg(value) FILTER (WHERE metric = 'co2'))              AS co2,
       round(avg(value) FILTER (WHERE metric = 'soil_moisture'), 1) AS soil_moisture,
       round(avg(value) FILTER (WHERE metric = 'heating'))          AS heating,
       round(avg(value) FILTER (WHERE metric = 'vent'))             AS vent,
       max(at) AS at
FROM latest
WHERE zone <> 'machine'
GROUP BY zone;
