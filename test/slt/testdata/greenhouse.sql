CREATE STREAM readings (sensor VARCHAR, at TIMESTAMP, temperature DOUBLE, humidity FLOAT, battery UTINYINT);
CREATE TABLE sensors (id VARCHAR PRIMARY KEY, house INTEGER, bench VARCHAR, active BOOLEAN, installed DATE);
CREATE TABLE houses (id INTEGER PRIMARY KEY, name VARCHAR, low DOUBLE, high DOUBLE);
----
SELECT r.sensor, r.at, r.temperature, s.bench FROM readings r JOIN sensors s ON s.id = r.sensor WHERE s.active;
SELECT s.house, time_bucket(INTERVAL 5 MINUTE, r.at) AS w, avg(r.temperature) AS t, max(r.humidity) AS h, count(*) AS n FROM readings r JOIN sensors s ON s.id = r.sensor GROUP BY s.house, w;
SELECT h.name, r.at, r.temperature FROM readings r JOIN sensors s ON s.id = r.sensor JOIN houses h ON h.id = s.house WHERE r.temperature > h.high OR r.temperature < h.low;
SELECT sensor, count(*) AS n, min(at) AS since, max(at) AS latest, min(battery) AS lowest FROM readings GROUP BY sensor;
SELECT s.bench, count(DISTINCT s.id) AS sensors, sum(r.temperature * 1.8 + 32) / count(r.temperature) AS fahrenheit FROM readings r JOIN sensors s ON s.id = r.sensor GROUP BY s.bench;
SELECT h.name, count(*) FILTER (r.temperature > h.high) AS hot, count(*) FILTER (r.temperature < h.low) AS cold FROM readings r JOIN sensors s ON s.id = r.sensor JOIN houses h ON h.id = s.house GROUP BY h.name HAVING count(*) > 2;
SELECT id, house FROM sensors WHERE id IN (SELECT sensor FROM readings WHERE battery < 4);
SELECT a.sensor, a.w, a.t - b.t AS warmer FROM (SELECT sensor, time_bucket(INTERVAL 1 DAY, at) AS w, avg(temperature) AS t FROM readings GROUP BY sensor, w) a JOIN (SELECT sensor, time_bucket(INTERVAL 1 DAY, at) + INTERVAL 1 DAY AS w, avg(temperature) AS t FROM readings GROUP BY sensor, w) b ON a.sensor = b.sensor AND a.w = b.w;
SELECT DISTINCT h.name, s.bench FROM sensors s JOIN houses h ON h.id = s.house JOIN readings r ON r.sensor = s.id WHERE r.humidity > 5;
SELECT date_diff('day', installed, DATE '2024-04-01') // 10 AS age, count(*) AS n, bool_or(active) AS some FROM sensors GROUP BY age;
