package session_test

import (
	"strings"
	"testing"
	"time"
)

// TestAlterRetention wants retention to change at once and after a restart, and what views have counted to stay.
func TestAlterRetention(t *testing.T) {
	r := newRestartable(t)
	r.must(`CREATE STREAM s (n INTEGER)`, `CREATE MATERIALIZED VIEW c AS SELECT count(*) AS n FROM s`, `INSERT INTO s VALUES (1), (2)`)
	r.must(`ALTER STREAM s SET (retention = '200 milliseconds')`)
	for deadline := time.Now().Add(10 * time.Second); len(r.must(`SELECT * FROM s`)) > 0; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("rows beyond the retention are still there")
		}
	}
	r.want(`SELECT * FROM c`, "2")
	r.must(`ALTER STREAM s SET (retention = '1 hour', retention_bytes = 1000000)`, `INSERT INTO s VALUES (3)`)
	if got := r.must(`SHOW CREATE STREAM s`); !strings.Contains(got[0], "retention = '1 hour', retention_bytes = '1000000'") {
		t.Error(got)
	}
	r.stop()
	r.start()
	r.want(`SELECT * FROM s`, "3")
	r.must(`ALTER STREAM s RESET (retention, retention_bytes)`, `ALTER STREAM s RESET (retention)`)
	r.want(`SELECT options FROM tidemill.streams WHERE name = 's'`, "{}")
	r.stop()
	r.start()
	r.must(`INSERT INTO s VALUES (4)`)
	r.want(`SELECT * FROM s`, "3", "4")
}

func TestAlterOptionsThatStay(t *testing.T) {
	r := newRestartable(t)
	r.must(`CREATE STREAM s (n INTEGER, at TIMESTAMP, WATERMARK FOR at AS at PER (n)) WITH (key = 'n', partitions = 2)`, `CREATE TABLE t (n INTEGER PRIMARY KEY)`,
		`CREATE MATERIALIZED VIEW v AS SELECT n FROM s`, `CREATE VIEW p AS SELECT n FROM s`)
	for _, set := range []string{`key = 'at'`, `partitions = 3`, `durability = 'relaxed'`, `storage = 'memory'`, `idle_timeout = '2 minutes'`, `future_limit = '2 days'`} {
		r.fails("0A000", `ALTER STREAM s SET (`+set+`)`)
	}
	r.fails("22023", `ALTER STREAM s SET (partitions = 0)`)
	r.fails("22023", `ALTER STREAM s SET (retention = 'soon')`)
	r.fails("22023", `ALTER STREAM s SET (colour = 'red')`)
	r.fails("22023", `ALTER STREAM s RESET (colour)`)
	r.fails("0A000", `ALTER STREAM s RESET (key)`)
	r.fails("22023", `ALTER TABLE t SET (retention = '1 day')`)
	r.fails("0A000", `ALTER MATERIALIZED VIEW v SET (emit = 'final')`)
	r.fails("22023", `ALTER MATERIALIZED VIEW v SET (resolution = '1 microsecond')`)
	r.fails("0A000", `ALTER VIEW p SET (verify = '1 day')`)
	r.fails("42601", `ALTER STREAM s RESET retention`)
	r.must(`ALTER STREAM s SET (partitions = 2)`, `ALTER STREAM s RESET (idle_timeout)`, `ALTER STREAM s SET (retention = '1 day')`, `ALTER MATERIALIZED VIEW v SET (verify = '1 hour', resolution = '5 seconds')`,
		`ALTER MATERIALIZED VIEW v RESET (verify)`)
	create := r.must(`SHOW CREATE STREAM s`)
	if !strings.HasSuffix(create[0], `, WATERMARK FOR "at" AS at PER (n)) WITH (key = 'n', partitions = '2', retention = '1 day')`) {
		t.Error(create)
	}
	r.must(`DROP STREAM s CASCADE`, create[0])
	r.want(`SHOW CREATE STREAM s`, create[0])
}

// TestAlterResolution wants a view to look at the time as often as it is told, from then on and after a restart.
func TestAlterResolution(t *testing.T) {
	d := newTimed(t)
	d.must(`CREATE TABLE t (id INTEGER PRIMARY KEY, at TIMESTAMPTZ)`,
		`CREATE MATERIALIZED VIEW v WITH (resolution = '1 hour') AS SELECT id FROM t WHERE at > now()`,
		`INSERT INTO t VALUES (1, '`+d.clock.Now().Add(10*time.Second).Format(time.RFC3339)+`'), (2, '`+d.clock.Now().Add(time.Minute).Format(time.RFC3339)+`')`)
	d.pass(20 * time.Second)
	if got := d.must(`SELECT * FROM v`); len(got) != 2 {
		t.Fatal(got)
	}
	d.must(`ALTER MATERIALIZED VIEW v SET (resolution = '1 second')`)
	d.pass(time.Second)
	if got := d.must(`SELECT * FROM v`); len(got) != 1 {
		t.Fatal(got)
	}
	d.restart()
	d.pass(time.Minute)
	if got := d.must(`SELECT * FROM v`); len(got) != 0 {
		t.Fatal(got)
	}
}
