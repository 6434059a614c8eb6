package session_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tidemill/tidemill/internal/fault"
)

// mark is the watermark of a view, in seconds after noon.
func (d *timed) mark(view string) string {
	d.t.Helper()
	return strings.Join(d.must(fmt.Sprintf(`SELECT epoch(watermark) - epoch(TIMESTAMPTZ '2024-01-01 12:00:00+00') FROM tidemill.view_status WHERE name = '%s'`, view)), ",")
}

func (d *timed) wantMark(view, want string) {
	d.t.Helper()
	if got := d.mark(view); got != want {
		d.t.Errorf("at %s: the watermark of %s is %s, want %s", d.clock.Now().Format("15:04:05.000"), view, got, want)
	}
}

// TestWatermark scripts T1 and T3: partitions, idle ones, all idle, times far ahead.
func TestWatermark(t *testing.T) {
	d := newTimed(t)
	d.must(`CREATE STREAM s (k INTEGER, at TIMESTAMP, WATERMARK FOR at AS at - INTERVAL 5 SECONDS) WITH (partitions = 2, key = 'k', idle_timeout = '10 seconds')`,
		`CREATE MATERIALIZED VIEW v AS SELECT at, count(*) AS n FROM s GROUP BY ALL`)
	d.wantMark("v", "NULL")
	// Two keys of different partitions: the watermark does not follow the one that is ahead.
	first, second := d.keysApart()
	d.wantMark("v", "15.0")
	d.insert("s", fmt.Sprintf("(%d, %s)", first, at(40)))
	d.wantMark("v", "15.0")
	d.insert("s", fmt.Sprintf("(%d, %s)", second, at(30)))
	d.wantMark("v", "25.0")
	d.insert("s", fmt.Sprintf("(%d, %s)", second, at(10))) // it never goes back
	d.wantMark("v", "25.0")
	d.pass(9 * time.Second)
	d.insert("s", fmt.Sprintf("(%d, %s)", first, at(50)))
	d.wantMark("v", "25.0")
	d.pass(time.Second) // the second partition is idle
	d.wantMark("v", "45.0")
	d.pass(time.Minute) // all are: it holds
	d.wantMark("v", "45.0")
	d.insert("s", fmt.Sprintf("(%d, %s)", second, at(47)))
	d.wantMark("v", "45.0")
	// A time more than a day ahead is taken, but moves nothing.
	d.insert("s", fmt.Sprintf("(%d, %s)", second, at(3*86400)), fmt.Sprintf("(%d, NULL)", second))
	d.wantMark("v", "45.0")
	d.want(`SELECT count(*) FROM v`, "7")
	d.restart()
	d.wantMark("v", "45.0")
}

// keysApart finds two keys in different partitions, all having rows up to 20 seconds after noon.
func (d *timed) keysApart() (first, second int) {
	d.t.Helper()
	d.insert("s", "(0, "+at(20)+")")
	d.wantMark("v", "15.0") // a partition that had nothing yet holds nobody up
	for k := 1; k < 50; k++ {
		d.must(fmt.Sprintf(`CREATE STREAM probe%d (k INTEGER, at TIMESTAMP, WATERMARK FOR at AS at) WITH (partitions = 2, key = 'k')`, k),
			fmt.Sprintf(`CREATE MATERIALIZED VIEW w AS SELECT at, count(*) AS n FROM probe%d GROUP BY ALL`, k))
		d.insert(fmt.Sprintf("probe%d", k), "(0, "+at(20)+")", fmt.Sprintf("(%d, %s)", k, at(10)))
		apart := d.mark("w") == "10.0"
		d.must(`DROP MATERIALIZED VIEW w`, fmt.Sprintf(`DROP STREAM probe%d`, k))
		if apart {
			d.insert("s", fmt.Sprintf("(%d, %s)", k, at(20)))
			return 0, k
		}
	}
	d.t.Fatal("all keys are in one partition")
	return 0, 0
}

// TestLateRows scripts T2: a row whose group is open counts, one whose group is closed is noted with all that is known of it.
func TestLateRows(t *testing.T) {
	d := newTimed(t)
	d.must(`CREATE STREAM s (k VARCHAR, n INTEGER, at TIMESTAMPTZ, WATERMARK FOR at AS at - INTERVAL 5 SECONDS)`,
		`CREATE MATERIALIZED VIEW v AS SELECT time_bucket(INTERVAL 10 SECONDS, at) AS w, count(*) AS n FROM s GROUP BY ALL`,
		`CREATE MATERIALIZED VIEW f WITH (emit = 'final') AS SELECT time_bucket(INTERVAL 10 SECONDS, at) AS w, count(*) AS n FROM s GROUP BY ALL`,
		`CREATE MATERIALIZED VIEW plain AS SELECT k, count(*) AS n FROM s GROUP BY k`)
	utc := func(seconds int) string { return fmt.Sprintf("'2024-01-01 12:00:%02d+00'", seconds) }
	d.insert("s", "('a', 1, "+utc(1)+")", "('b', 2, "+utc(12)+")")
	d.insert("s", "('c', 3, "+utc(3)+")") // below the watermark of 7 s, in an open group
	d.want(`SELECT w, n FROM v`, "2024-01-01 12:00:00+00|2", "2024-01-01 12:00:10+00|1")
	d.want(`SELECT w, n FROM f`)
	d.insert("s", "('d', 4, "+utc(15)+")") // the watermark is 10 s
	d.want(`SELECT w, n FROM f`, "2024-01-01 12:00:00+00|2")
	d.insert("s", "('e', 5, "+utc(9)+")", "('f', 6, "+utc(14)+")", "('g', 7, NULL)")
	d.want(`SELECT w, n FROM v`, "2024-01-01 12:00:00+00|2", "2024-01-01 12:00:10+00|3", "NULL|1")
	d.want(`SELECT w, n FROM f`, "2024-01-01 12:00:00+00|2")
	d.want(`SELECT sum(n) FROM plain`, "7")
	d.want(`SELECT name, late_rows, watermark FROM tidemill.view_status ORDER BY name`, "f|1|2024-01-01 12:00:10+00", "plain|0|2024-01-01 12:00:10+00", "v|1|2024-01-01 12:00:10+00")
	want := func(view string) string {
		return view + `|s|2024-01-01 12:00:09+00|2024-01-01 12:00:10+00|00:00:01|the state it belongs to is closed|{"k":"e","n":5,"at":"2024-01-01T12:00:09Z"}`
	}
	d.wantSoon(`SELECT view, relation, event_time, watermark, lateness, reason, event FROM tidemill.late_rows`, want("f"), want("v"))
	d.restart()
	d.want(`SELECT w, n FROM v`, "2024-01-01 12:00:00+00|2", "2024-01-01 12:00:10+00|3", "NULL|1")
	d.want(`SELECT w, n FROM f`, "2024-01-01 12:00:00+00|2")
	d.want(`SELECT name, late_rows FROM tidemill.view_status ORDER BY name`, "f|1", "plain|0", "v|1")
	d.want(`SELECT view, relation, event_time, watermark, lateness, reason, event FROM tidemill.late_rows`, want("f"), want("v"))
}

// wantSoon waits for what is written beside the ticks.
func (c *client) wantSoon(sql string, rows ...string) {
	c.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !slices.Equal(c.must(sql), rows) && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond)
	}
	c.want(sql, rows...)
}

// TestClosedStateIsFreed wants groups, different rows and sessions to be freed when the watermark has passed them.
func TestClosedStateIsFreed(t *testing.T) {
	d := newTimed(t)
	d.must(`CREATE STREAM s (k INTEGER, n INTEGER, at TIMESTAMP, WATERMARK FOR at AS at - INTERVAL 5 SECONDS)`)
	views := []string{`SELECT time_bucket(INTERVAL 10 SECONDS, at) AS w, k, count(DISTINCT n) AS n FROM s GROUP BY ALL`, `SELECT DISTINCT at, k FROM s`,
		`SELECT k, window_start, window_end, count(*) AS n FROM session(s, at, INTERVAL 5 SECONDS, k) GROUP BY ALL`,
		`SELECT window_start, k, count(*) AS n FROM hop(s, at, INTERVAL 5 SECONDS, INTERVAL 10 SECONDS) GROUP BY ALL`}
	for i, q := range views {
		d.must(fmt.Sprintf(`CREATE MATERIALIZED VIEW v%d AS %s`, i, q))
	}
	bytes := func() (out [4]int64) {
		for i := range views {
			if _, err := fmt.Sscan(d.must(fmt.Sprintf(`SELECT state_bytes FROM tidemill.view_status WHERE name = 'v%d'`, i))[0], &out[i]); err != nil {
				t.Fatal(err)
			}
		}
		return out
	}
	var early, late [4]int64
	for round := range 40 {
		from := noon.Add(time.Duration(round) * time.Minute).Format("2006-01-02 15:04:05")
		d.must(fmt.Sprintf(`INSERT INTO s SELECT i %% 100, i, TIMESTAMP '%s' + to_milliseconds(i * 20) FROM range(2000) r(i)`, from), `SELECT 1`)
		switch round {
		case 3:
			early = bytes()
		case 39:
			late = bytes()
		}
	}
	for i := range views {
		if late[i] > early[i]*3/2 {
			t.Errorf("%s: the state takes %d bytes, then %d", views[i], early[i], late[i])
		}
	}
}

// TestTimedDefinitions drops and alters what depends on time, and looks at what EXPLAIN says.
func TestTimedDefinitions(t *testing.T) {
	d := newTimed(t)
	d.must(`CREATE STREAM s (k INTEGER, at TIMESTAMP, WATERMARK FOR at AS at - INTERVAL 5 SECONDS)`,
		`CREATE MATERIALIZED VIEW f WITH (emit = 'final') AS SELECT time_bucket(INTERVAL 10 SECONDS, at) AS w, count(*) AS n FROM s GROUP BY ALL`,
		`CREATE MATERIALIZED VIEW m WITH (emit = 'final') AS SELECT date_trunc('minute', w) AS m, sum(n) AS n FROM f GROUP BY ALL`,
		`CREATE MATERIALIZED VIEW r AS SELECT k FROM s WHERE at > now()::TIMESTAMP - INTERVAL 1 MINUTE`)
	d.insert("s", "(1, "+at(5)+")", "(2, "+at(30)+")", "(3, "+at(70)+")")
	d.want(`SELECT * FROM f`, "2024-01-01 12:00:00|1", "2024-01-01 12:00:30|1")
	d.want(`SELECT * FROM m`, "2024-01-01 12:00:00|2")
	d.must(`ALTER STREAM s ADD COLUMN n INTEGER DEFAULT 7`)
	d.insert("s", "(4, "+at(100)+", 1)", "(5, "+at(20)+", 2)")
	d.want(`SELECT n, late_rows FROM (SELECT count(*) AS n FROM f), tidemill.view_status WHERE name = 'f'`, "3|1")
	d.wantSoon(`SELECT event FROM tidemill.late_rows WHERE view = 'f'`, `{"k":5,"at":"2024-01-01T12:00:20"}`)
	for _, s := range []string{`DROP STREAM s`, `ALTER STREAM s DROP COLUMN at`, `ALTER STREAM s RENAME COLUMN at TO t`} {
		if _, err := d.run(s); err == nil {
			t.Errorf("%s went through", s)
		}
	}
	plan := strings.Join(d.must(`EXPLAIN SELECT k FROM s WHERE at > now()::TIMESTAMP - INTERVAL 1 MINUTE`), "\n")
	if !strings.Contains(plan, "while") {
		t.Errorf("EXPLAIN says\n%s", plan)
	}
	d.restart()
	d.want(`SELECT count(*) FROM f`, "3")
	d.must(`DROP MATERIALIZED VIEW r`, `DROP MATERIALIZED VIEW m`, `DROP MATERIALIZED VIEW f`, `DROP STREAM s`)
	d.pass(time.Minute)
	d.must(`CREATE STREAM s (k INTEGER, at TIMESTAMP)`)
	d.fails(string(fault.InvalidDefinition), `CREATE MATERIALIZED VIEW f WITH (emit = 'final') AS SELECT time_bucket(INTERVAL 10 SECONDS, at) AS w, count(*) AS n FROM s GROUP BY ALL`)
}
