package session_test

import (
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tidemill/tidemill/internal/log"
	"github.com/tidemill/tidemill/internal/log/memlog"
	"github.com/tidemill/tidemill/internal/session"
)

// handClock is a clock that a test moves.
type handClock struct {
	mu     sync.Mutex
	now    time.Time
	timers []handTimer
}

type handTimer struct {
	at time.Time
	ch chan time.Time
}

func (c *handClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *handClock) After(d time.Duration) <-chan time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := handTimer{c.now.Add(d), make(chan time.Time, 1)}
	if d <= 0 {
		t.ch <- c.now
	} else {
		c.timers = append(c.timers, t)
	}
	return t.ch
}

func (c *handClock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
	c.timers = slices.DeleteFunc(c.timers, func(t handTimer) bool {
		if t.at.After(c.now) {
			return false
		}
		t.ch <- c.now
		return true
	})
}

// timed is a database whose clock the test moves, over a log that outlives it. It begins at noon of 2024-01-01.
type timed struct {
	t     *testing.T
	log   log.Log
	clock *handClock
	db    *session.Database
	*client
}

var noon = time.Date(2024, 1, 1, 12, 0, 0, 0, time.UTC)

func newTimed(t *testing.T) *timed {
	d := &timed{t: t, log: memlog.New(memlog.Options{}), clock: &handClock{now: noon}}
	d.start()
	d.must(`CREATE TABLE pulse (n INTEGER)`)
	t.Cleanup(func() {
		d.stop()
		if err := d.log.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}

func (d *timed) start() {
	db, err := session.OpenDatabase(d.t.Context(), session.DatabaseOptions{Name: "main", Log: d.log, Workers: 2,
		Logger: slog.New(slog.NewTextHandler(io.Discard, nil)), Now: d.clock.Now, After: d.clock.After})
	if err != nil {
		d.t.Fatal(err)
	}
	d.db, d.client = db, connect(d.t, db)
}

func (d *timed) stop() {
	d.client.Close()
	d.db.Close()
}

func (d *timed) restart() {
	d.stop()
	d.clock.advance(time.Microsecond) // runs are told apart by the time they begin
	d.start()
}

// pass lets time go by; when it returns a tick has seen the new time.
func (d *timed) pass(by time.Duration) {
	d.t.Helper()
	d.clock.advance(by)
	d.must(`INSERT INTO pulse VALUES (1)`, `SELECT 1`)
}

// at is a literal of the event time so many seconds after noon.
func at(seconds float64) string {
	return "TIMESTAMP '" + noon.Add(time.Duration(seconds*float64(time.Second))).Format("2006-01-02 15:04:05.000000") + "'"
}

// insert appends rows as one event batch, a millisecond after what was before: the log tells by its time what came first into which stream.
func (d *timed) insert(stream string, rows ...string) {
	d.t.Helper()
	d.clock.advance(time.Millisecond)
	d.must(`INSERT INTO `+stream+` VALUES `+strings.Join(rows, ", "), `SELECT 1`)
}

// timedViews are queries over streams a and b and table d that all depend on time.
var timedViews = []struct{ name, with, query string }{
	{"counts", "", `SELECT time_bucket(INTERVAL 10 SECONDS, at) AS w, k, count(*) AS n, sum(n) AS s FROM a GROUP BY ALL`},
	{"finals", "emit = 'final'", `SELECT time_bucket(INTERVAL 10 SECONDS, at) AS w, k, count(*) AS n, sum(n) AS s FROM a GROUP BY ALL`},
	{"together", "emit = 'final'", `SELECT date_trunc('minute', at) AS w, count(*) AS n, max(n) AS m FROM (SELECT at, n FROM a UNION ALL SELECT at, n FROM b) GROUP BY ALL`},
	{"evens", "emit = 'final'", `SELECT at, k, n FROM a WHERE n % 2 = 0`},
	{"visits", "", `SELECT k, window_start, window_end, count(*) AS n, sum(n) AS s FROM session(a, at, INTERVAL 7 SECONDS, k) GROUP BY ALL`},
	{"visited", "emit = 'final'", `SELECT k, window_start, window_end, count(*) AS n FROM session(a, at, INTERVAL 7 SECONDS, k) GROUP BY ALL`},
	{"different", "", `SELECT DISTINCT k, date_trunc('minute', at) AS m FROM b`},
	{"near", "", `SELECT a.k, a.at, b.n FROM a JOIN b ON a.k = b.k AND b.at BETWEEN a.at - INTERVAL 5 SECONDS AND a.at + INTERVAL 5 SECONDS`},
	{"nears", "emit = 'final'", `SELECT time_bucket(INTERVAL 10 SECONDS, a.at) AS w, count(*) AS n FROM a JOIN b ON a.k = b.k AND b.at BETWEEN a.at - INTERVAL 5 SECONDS AND a.at + INTERVAL 5 SECONDS GROUP BY ALL`},
	{"recent", "", `SELECT k, count(*) AS n FROM a WHERE at > now()::TIMESTAMP - INTERVAL 30 SECONDS GROUP BY k`},
	{"named", "", `SELECT time_bucket(INTERVAL 10 SECONDS, at) AS w, name, count(*) AS n FROM a JOIN d USING (k) GROUP BY ALL`},
	{"above", "", `SELECT k, count(*) AS n, sum(s) AS s FROM finals GROUP BY k`},
	{"minutes", "emit = 'final'", `SELECT date_trunc('minute', w) AS m, sum(n) AS n FROM finals GROUP BY ALL`},
	{"raw", "", `SELECT k, n, at, at + INTERVAL 1 HOUR AS later FROM a WHERE n % 7 > 0`},
	{"overraw", "", `SELECT time_bucket(INTERVAL 10 SECONDS, later) AS w, count(*) AS n, sum(n) AS s FROM raw GROUP BY ALL`},
	{"finalraw", "emit = 'final'", `SELECT date_trunc('minute', w) AS m, sum(n) AS n FROM overraw GROUP BY ALL`},
	{"either", "", `SELECT k, n, at FROM raw UNION ALL SELECT k, n, at FROM b`},
	{"different2", "", `SELECT DISTINCT k, date_trunc('minute', at) AS m FROM either`},
	{"rawnear", "", `SELECT raw.k, raw.at, b.n FROM raw JOIN b ON raw.k = b.k AND b.at BETWEEN raw.at - INTERVAL 5 SECONDS AND raw.at + INTERVAL 5 SECONDS`},
	{"finalnear", "", `SELECT f.k, f.w, b.n FROM finals AS f JOIN b ON f.k = b.k AND b.at BETWEEN f.w AND f.w + INTERVAL 10 SECONDS`},
	{"finalnamed", "emit = 'final'", `SELECT time_bucket(INTERVAL 10 SECONDS, at) AS w, name, count(*) AS n FROM a JOIN d USING (k) GROUP BY ALL`},
	{"overnamed", "", `SELECT date_trunc('minute', w) AS m, sum(n) AS n FROM finalnamed GROUP BY ALL`},
	{"hops", "emit = 'final'", `SELECT window_start, window_end, k, count(*) AS n FROM hop(a, at, INTERVAL 5 SECONDS, INTERVAL 10 SECONDS) GROUP BY ALL`},
}

func (d *timed) makeViews(suffix string) {
	d.t.Helper()
	for _, v := range timedViews {
		with, query := "", v.query
		if v.with != "" {
			with = " WITH (" + v.with + ")"
		}
		for _, below := range []string{"finals", "raw", "overraw", "either", "finalnamed"} {
			query = strings.ReplaceAll(query+" ", "FROM "+below+" ", "FROM "+below+suffix+" AS "+below+" ")
		}
		d.must(`CREATE MATERIALIZED VIEW ` + v.name + suffix + with + ` AS ` + strings.ReplaceAll(query, " AS finals AS ", " AS "))
	}
}

type timedState struct {
	rows map[string][]string
	late map[string]string
}

// state is the content of the views with a suffix, and how many rows were late for them.
func (d *timed) state(suffix string) timedState {
	d.t.Helper()
	s := timedState{map[string][]string{}, map[string]string{}}
	for _, v := range timedViews {
		s.rows[v.name] = d.must(`SELECT * FROM ` + v.name + suffix)
		s.late[v.name] = strings.Join(d.must(fmt.Sprintf(`SELECT late_rows FROM tidemill.view_status WHERE name = '%s%s'`, v.name, suffix)), ",")
	}
	return s
}

func (d *timed) same(what string, got, want timedState) {
	d.t.Helper()
	for _, v := range timedViews {
		if !slices.Equal(got.rows[v.name], want.rows[v.name]) {
			d.t.Errorf("%s: view %s has %d rows, want %d:\n%s", what, v.name, len(got.rows[v.name]), len(want.rows[v.name]), difference(got.rows[v.name], want.rows[v.name]))
		}
		if got.late[v.name] != want.late[v.name] {
			d.t.Errorf("%s: of view %s %s rows were late, want %s", what, v.name, got.late[v.name], want.late[v.name])
		}
	}
}

// difference lists what is in one of two sorted lists only.
func difference(got, want []string) string {
	var b strings.Builder
	for _, g := range got {
		if !slices.Contains(want, g) {
			fmt.Fprintf(&b, "unexpected %s\n", g)
		}
	}
	for _, w := range want {
		if !slices.Contains(got, w) {
			fmt.Fprintf(&b, "missing %s\n", w)
		}
	}
	return b.String()
}

// TestTimedViewsAgree wants views that were made late, and views after a restart, to be what views that were always there are: in their content and
// in what was too late for them.
func TestTimedViewsAgree(t *testing.T) {
	seeds := 4
	if testing.Short() {
		seeds = 2
	}
	for seed := range uint64(seeds) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { timedViewsAgree(t, rand.New(rand.NewPCG(seed, 1))) })
	}
}

func timedViewsAgree(t *testing.T, r *rand.Rand) {
	d := newTimed(t)
	d.must(`CREATE STREAM a (k INTEGER, n INTEGER, at TIMESTAMP, WATERMARK FOR at AS at - INTERVAL 5 SECONDS) WITH (partitions = 3, key = 'k', idle_timeout = '20 seconds')`,
		`CREATE STREAM b (k INTEGER, n INTEGER, at TIMESTAMP, WATERMARK FOR at AS at - INTERVAL 8 SECONDS) WITH (idle_timeout = '30 seconds', future_limit = '1 hour')`,
		`CREATE TABLE d (k INTEGER PRIMARY KEY, name VARCHAR)`)
	d.must(`INSERT INTO d SELECT i, 'k' || (i % 3) FROM range(6) r(i)`)
	d.makeViews("")
	d.random(r, 40)
	d.makeViews("_2")
	d.same("made later", d.state("_2"), d.state(""))
	d.random(r, 30)
	before := d.state("")
	d.same("made later, then running", d.state("_2"), before)
	lates := d.lates()
	d.restart()
	d.same("after a restart", d.state(""), before)
	d.same("made later, after a restart", d.state("_2"), before)
	if got := d.lates(); !slices.Equal(got, lates) {
		t.Errorf("late rows after a restart: %s", difference(got, lates))
	}
	d.random(r, 20)
	d.makeViews("_3")
	before = d.state("")
	d.same("going on after a restart", d.state("_2"), before)
	d.same("made after a restart", d.state("_3"), before)
}

// lates lists the noted late rows.
func (d *timed) lates() []string {
	d.t.Helper()
	return d.must(`SELECT view, relation, event_time, watermark, lateness, event, count(*) FROM tidemill.late_rows GROUP BY ALL`)
}

// random lets time pass and events come, some of them late.
func (d *timed) random(r *rand.Rand, steps int) {
	d.t.Helper()
	for range steps {
		if r.IntN(3) == 0 {
			d.pass(time.Duration(r.IntN(12_000)) * time.Millisecond)
		}
		if r.IntN(12) == 0 {
			d.pass(time.Duration(r.IntN(60)) * time.Second)
		}
		for _, s := range []string{"a", "b"} {
			if r.IntN(3) == 0 {
				continue
			}
			var rows []string
			for range 1 + r.IntN(6) {
				behind := r.Float64() * 8
				switch r.IntN(12) {
				case 0:
					behind *= 10
				case 1:
					behind = -3600 * 30 // in the future
				}
				when := at(d.clock.Now().Sub(noon).Seconds() - behind)
				if r.IntN(20) == 0 {
					when = "NULL"
				}
				rows = append(rows, fmt.Sprintf("(%d, %d, %s)", r.IntN(6), r.IntN(100), when))
			}
			d.insert(s, rows...)
		}
	}
}
