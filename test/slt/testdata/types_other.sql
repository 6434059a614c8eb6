CREATE TABLE t (id INTEGER PRIMARY KEY, n BIGINT, at TIMESTAMP, d TIME, b BOOLEAN);
CREATE STREAM s (n INTEGER, at TIMESTAMP);
----
SELECT id, at::TIMESTAMP_NS AS ns, at::TIMESTAMP_S AS ts, at::TIMESTAMP_MS AS ms, d::TIMETZ AS tz FROM t;
SELECT id, make_timestamp_ns(n % 1000000007) AS ns, epoch_ns(make_timestamp_ns(n % 1000000007)) AS e FROM t;
SELECT id FROM t WHERE at::TIMESTAMP_NS > '2000-01-01'::TIMESTAMP_NS;
SELECT id, make_timestamp_ns(n % 1000000007)::VARCHAR AS x, make_timestamp_ns(n % 1000000007)::TIMESTAMP AS y FROM t WHERE at IS NOT NULL;
SELECT at::TIMESTAMP_S AS ts, n FROM s WHERE at::TIMESTAMP_S < TIMESTAMP_S '2200-01-01 00:00:00';
SELECT ts::TIMESTAMP AS ts, count(*) AS c FROM (SELECT at::TIMESTAMP_S AS ts FROM s) GROUP BY ALL;
SELECT id, [make_timestamp_ns(id::BIGINT)] AS l, {'z': d::TIMETZ} AS st FROM t;
SELECT id, CASE WHEN b THEN make_timestamp_ns(5::BIGINT + id) END AS x, coalesce(at::TIMESTAMP_NS, make_timestamp_ns(0)) AS y FROM t;
