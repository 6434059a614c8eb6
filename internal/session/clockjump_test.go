package session_test

import (
	"fmt"
	"io"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidemill/tidemill/internal/log/memlog"
	"github.com/tidemill/tidemill/internal/session"
)

// jumping is a database whose wall clock a test sets, beside a clock that nobody sets.
type jumping struct {
	*client
	clock *handClock   // its timers go by the time that passes
	off   atomic.Int64 // of the wall clock
}

func newJumping(t *testing.T) *jumping {
	j := &jumping{clock: &handClock{now: noon}}
	l := memlog.New(memlog.Options{})
	db, err := session.OpenDatabase(t.Context(), session.DatabaseOptions{Name: "main", Log: l, Workers: 1, Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
		Now:     func() time.Time { return j.clock.Now().Add(time.Duration(j.off.Load())) },
		After:   j.clock.After,
		Elapsed: func() time.Duration { return j.clock.Now().Sub(noon) }})
	if err != nil {
		t.Fatal(err)
	}
	j.client = connect(t, db)
	t.Cleanup(func() {
		j.Close()
		db.Close()
		_ = l.Close()
	})
	return j
}

// jump sets the wall clock by so much.
func (j *jumping) jump(by time.Duration) { j.off.Add(int64(by)) }

// pass lets time go by and waits for a tick that sees it.
func (j *jumping) pass(by time.Duration) {
	j.t.Helper()
	j.clock.advance(by)
	j.must(`INSERT INTO pulse VALUES (1)`, `SELECT 1`)
}

// TestClockJumpsAndWatermarks: a clock that is set hours ahead and back does not make partitions idle from then on: rows that are in time stay in time.
func TestClockJumpsAndWatermarks(t *testing.T) {
	for _, by := range []time.Duration{5 * time.Hour, -5 * time.Hour} {
		t.Run(by.String(), func(t *testing.T) {
			j := newJumping(t)
			j.must(`CREATE TABLE pulse (n INTEGER)`,
				`CREATE STREAM s (k INTEGER, at TIMESTAMP, WATERMARK FOR at AS at) WITH (key = 'k', partitions = 8)`,
				`CREATE MATERIALIZED VIEW w WITH (emit = 'final') AS SELECT time_bucket(INTERVAL 10 SECONDS, at) AS w, count(*) AS n FROM s GROUP BY ALL`)
			insert := func(k int, seconds float64) {
				t.Helper()
				j.clock.advance(time.Second)
				j.must(fmt.Sprintf(`INSERT INTO s VALUES (%d, %s)`, k, at(seconds)), `SELECT 1`)
			}
			step := func(seconds float64) { // two partitions, of which one is behind the other
				t.Helper()
				insert(2, seconds)
				insert(1, seconds+14)
			}
			step(0)
			j.jump(by)
			j.pass(time.Second)
			j.jump(-by)
			j.pass(time.Second)
			step(15) // the jump ahead itself is as if the machine had slept: what was open closed
			for i := range 20 {
				step(float64(20 + 5*i))
			}
			if late := j.must(`SELECT count(*) FROM tidemill.late_rows`); late[0] != "0" {
				t.Errorf("%v rows are late", late)
			}
			// Each closed window has all its rows.
			j.want(`SELECT count(*) FROM w JOIN (SELECT time_bucket(INTERVAL 10 SECONDS, at) AS w, count(*) AS n FROM s GROUP BY ALL) AS t USING (w) WHERE w.n <> t.n`, "0")
			if closed := j.must(`SELECT count(*) >= 9 FROM w`); closed[0] != "true" {
				t.Errorf("the windows do not close: %v", j.must(`SELECT * FROM w`))
			}
			// A partition that stays silent becomes idle, although the clock has been ahead.
			for i := range 20 {
				j.clock.advance(30 * time.Second)
				insert(1, float64(200+10*i))
			}
			if closed := j.must(`SELECT count(*) >= 20 FROM w`); closed[0] != "true" {
				t.Errorf("a silent partition holds the windows: %v", j.must(`SELECT * FROM w`))
			}
		})
	}
}

// TestClockJumpsAndNow: what now() bounds in a view moves on after the clock was set back.
func TestClockJumpsAndNow(t *testing.T) {
	j := newJumping(t)
	j.must(`CREATE TABLE pulse (n INTEGER)`, `CREATE STREAM s (n INTEGER, at TIMESTAMP)`,
		`CREATE MATERIALIZED VIEW recent AS SELECT n FROM s WHERE at > now()::TIMESTAMP - INTERVAL 1 MINUTE`)
	j.must(`INSERT INTO s VALUES (1, `+at(0)+`), (2, `+at(3600)+`)`, `SELECT 1`)
	j.want(`SELECT n FROM recent`, "1", "2")
	j.jump(-5 * time.Hour)
	j.pass(3 * time.Minute) // at half speed
	j.want(`SELECT n FROM recent`, "2")
	j.jump(5 * time.Hour)
	j.pass(time.Hour)
	j.want(`SELECT n FROM recent`)
	j.must(`INSERT INTO s VALUES (3, `+at(7200)+`)`, `SELECT 1`)
	j.want(`SELECT n FROM recent`, "3")
}
