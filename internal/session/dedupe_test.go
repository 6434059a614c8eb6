package session_test

import (
	"fmt"
	"io"
	"log/slog"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidemill/tidemill/internal/fault"
	"github.com/tidemill/tidemill/internal/log"
	"github.com/tidemill/tidemill/internal/log/memlog"
	"github.com/tidemill/tidemill/internal/session"
)

// openOn opens a database over a log that outlives it.
func openOn(t *testing.T, l log.Log, o session.DatabaseOptions) (*session.Database, *client) {
	t.Helper()
	o.Name, o.Log, o.Logger, o.Workers = "main", l, slog.New(slog.NewTextHandler(io.Discard, nil)), 1
	db, err := session.OpenDatabase(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	return db, connect(t, db)
}

// TestRepeatsAfterRestart: identities are stored with the events, so a database that is opened again on the log knows them.
func TestRepeatsAfterRestart(t *testing.T) {
	l := memlog.New(memlog.Options{})
	db, c := openOn(t, l, session.DatabaseOptions{})
	c.wants(`CREATE STREAM s (id VARCHAR, a INTEGER NOT NULL) WITH (partitions = 3, key = 'id')`, "")
	keyed := session.IngestOptions{ContentType: "application/x-ndjson", IdempotencyKey: "k1"}
	body := "{\"id\":\"x\",\"a\":1}\n{\"id\":\"y\",\"a\":\"no\"}\n{\"id\":\"z\",\"a\":3}\n"
	first, err := c.ingest(c.ctx, body, keyed)
	if err != nil || first.Accepted != 2 || first.Rejected != 1 || len(first.Errors) != 1 {
		t.Fatalf("%+v %v", first, err)
	}
	if _, err := c.ingest(c.ctx, clouds("1", "2", "3"), batchOptions); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		db.Close()
		db, c = openOn(t, l, session.DatabaseOptions{})
		again, err := c.ingest(c.ctx, body, keyed)
		if err != nil || !reflect.DeepEqual(again, first) {
			t.Errorf("the repeat is answered %+v, %v; the first was %+v", again, err, first)
		}
		if _, err := c.ingest(c.ctx, body+"\n", keyed); codeOf(err) != string(fault.IdempotencyKeyReused) {
			t.Errorf("another body: %v", err)
		}
		other := keyed
		other.ContentType = "application/jsonl"
		if _, err := c.ingest(c.ctx, body, other); codeOf(err) != string(fault.IdempotencyKeyReused) {
			t.Errorf("another content type: %v", err)
		}
		if r, err := c.ingest(c.ctx, clouds("3", "1"), batchOptions); err != nil || r.Accepted != 2 {
			t.Errorf("%+v %v", r, err)
		}
		c.wants(`SELECT count(*) FROM s`, "5")
	}
	if _, err := c.ingest(c.ctx, clouds("4", "1"), batchOptions); err != nil {
		t.Fatal(err)
	}
	c.wants(`SELECT count(*) FROM s`, "6")
}

// TestLargeRequestIsOnce: a request that is too large for one group is a transaction; its identities count like its rows.
func TestLargeRequestIsOnce(t *testing.T) {
	l := &faulty{Log: memlog.New(memlog.Options{}), came: make(chan struct{}, 16)}
	db, c := openOn(t, l, session.DatabaseOptions{})
	c.wants(`CREATE STREAM s (id VARCHAR, a VARCHAR)`, "")
	var parts []string
	for i := range 300 {
		parts = append(parts, fmt.Sprintf(`{"specversion":"1.0","type":"t","source":"s","id":"%d","data":{"a":"%s"}}`, i, strings.Repeat("x", 30_000)))
	}
	o := batchOptions
	o.IdempotencyKey = "large"
	body := "[" + strings.Join(parts, ",") + "]"
	l.failTopic.Store("tx") // the pieces are in the log, the commit is not
	if _, err := c.ingest(c.ctx, body, o); err == nil {
		t.Fatal("no error")
	}
	l.failTopic.Store("")
	for range 3 {
		db.Close()
		db, c = openOn(t, l, session.DatabaseOptions{})
		if r, err := c.ingest(c.ctx, body, o); err != nil || r.Accepted != 300 {
			t.Fatalf("%+v %v", r.Accepted, err)
		}
		if r, err := c.ingest(c.ctx, body, batchOptions); err != nil || r.Accepted != 300 {
			t.Fatalf("%+v %v", r.Accepted, err)
		}
		c.wants(`SELECT count(*) FROM s`, "300")
	}
}

// TestDeclaredKey: the columns that a stream declares tell its events apart, whatever brings them.
func TestDeclaredKey(t *testing.T) {
	l := memlog.New(memlog.Options{})
	db, c := openOn(t, l, session.DatabaseOptions{})
	c.wants(`CREATE STREAM s (a INTEGER, b VARCHAR, c INTEGER) WITH (dedupe = 'a, b', dedupe_window = '1 hour')`, "")
	c.wants(`CREATE TABLE other (id INTEGER PRIMARY KEY)`, "")
	ndjson := session.IngestOptions{ContentType: "application/x-ndjson"}
	post := func(body string, accepted int) {
		t.Helper()
		if r, err := c.ingest(c.ctx, body, ndjson); err != nil || r.Accepted != accepted {
			t.Errorf("%+v %v", r, err)
		}
	}
	post("{\"a\":1,\"b\":\"x\",\"c\":1}\n{\"a\":1,\"b\":\"y\",\"c\":2}\n{\"a\":1,\"b\":\"x\",\"c\":3}", 3)
	c.wants(`SELECT a, b, c FROM s ORDER BY ALL`, "1|x|1 1|y|2")
	c.wants(`INSERT INTO s VALUES (1, 'x', 9), (2, 'x', 4)`, "")
	c.wants(`BEGIN`, "")
	c.wants(`INSERT INTO s VALUES (2, 'x', 9), (3, 'x', 5), (3, 'x', 9)`, "")
	c.wants(`INSERT INTO other VALUES (1)`, "")
	c.wants(`COMMIT`, "")
	db.Close()
	_, c = openOn(t, l, session.DatabaseOptions{})
	post(`{"a":3,"b":"x","c":9}`, 1)
	post(`{"a":null,"b":"x","c":6}`, 1) // without a whole key every event is new
	post(`{"a":null,"b":"x","c":6}`, 1)
	c.wants(`INSERT INTO s VALUES (2, 'x', 9), (4, 'x', 7)`, "")
	c.wants(`SELECT a, b, c FROM s ORDER BY c`, "1|x|1 1|y|2 2|x|4 3|x|5 NULL|x|6 NULL|x|6 4|x|7")
	for stmt, want := range map[string]fault.Code{
		`ALTER STREAM s DROP COLUMN b`:                                            fault.DependentObjects,
		`CREATE STREAM t (a INTEGER) WITH (dedupe = 'b')`:                         fault.UndefinedColumn,
		`CREATE TABLE t (a INTEGER PRIMARY KEY) WITH (dedupe = 'a')`:              fault.InvalidParameterValue,
		`CREATE STREAM t (a INTEGER) WITH (dedupe = 'a', dedupe_window = '1 yr')`: fault.InvalidParameterValue,
	} {
		if _, err := c.run(stmt); codeOf(err) != string(want) {
			t.Errorf("%s: %v", stmt, err)
		}
	}
}

// TestDedupeWindowAndRestart: the window counts the time that a node runs: what was inside when it stopped is inside when it starts, however long that takes and
// whatever time it is then.
func TestDedupeWindowAndRestart(t *testing.T) {
	for name, c := range map[string]struct {
		before, ran time.Duration // from the events to the stop, from the start to the repeat
		known       bool
	}{"inside": {5 * time.Minute, 4 * time.Minute, true}, "outside": {5 * time.Minute, 6 * time.Minute, false}, "long ago": {time.Hour, 0, false}} {
		t.Run(name, func(t *testing.T) {
			var at atomic.Int64
			now := func() time.Time { return time.Unix(1_700_000_000, 0).Add(time.Duration(at.Load())) }
			l := memlog.New(memlog.Options{Now: now})
			db, cl := openOn(t, l, session.DatabaseOptions{Now: now})
			cl.wants(`CREATE STREAM s (id VARCHAR, a INTEGER)`, "")
			cl.wants(`CREATE STREAM later (a INTEGER)`, "")
			if _, err := cl.ingest(cl.ctx, clouds("1"), batchOptions); err != nil {
				t.Fatal(err)
			}
			at.Add(int64(c.before))
			cl.wants(`INSERT INTO later VALUES (1)`, "")
			db.Close()
			at.Add(int64(100 * time.Hour))
			_, cl = openOn(t, l, session.DatabaseOptions{Now: now})
			at.Add(int64(c.ran))
			if _, err := cl.ingest(cl.ctx, clouds("1"), batchOptions); err != nil {
				t.Fatal(err)
			}
			cl.wants(`SELECT count(*) FROM s`, map[bool]string{true: "1", false: "2"}[c.known])
		})
	}
}

// TestIdentitiesOfALongRun: what came late in a long run is known after it, too.
func TestIdentitiesOfALongRun(t *testing.T) {
	var at atomic.Int64
	now := func() time.Time { return time.Unix(1_700_000_000, 0).Add(time.Duration(at.Load())) }
	l := memlog.New(memlog.Options{Now: now})
	db, c := openOn(t, l, session.DatabaseOptions{Now: now})
	c.wants(`CREATE STREAM s (id VARCHAR, a INTEGER)`, "")
	for i := range 40 {
		if _, err := c.ingest(c.ctx, clouds(fmt.Sprint(i)), batchOptions); err != nil {
			t.Fatal(err)
		}
		at.Add(int64(time.Minute))
	}
	db.Close()
	_, c = openOn(t, l, session.DatabaseOptions{Now: now})
	for i := 25; i < 40; i++ { // of which the last ten are inside the window
		if _, err := c.ingest(c.ctx, clouds(fmt.Sprint(i)), batchOptions); err != nil {
			t.Fatal(err)
		}
	}
	c.wants(`SELECT count(*) FROM s`, "45")
}

// TestDedupeWindowAndClockJumps: a clock that is set does not make the node forget, or remember for ever.
func TestDedupeWindowAndClockJumps(t *testing.T) {
	var wall, steady atomic.Int64
	now := func() time.Time { return time.Unix(1_700_000_000, 0).Add(time.Duration(wall.Load())) }
	l := memlog.New(memlog.Options{Now: now})
	_, c := openOn(t, l, session.DatabaseOptions{Now: now, Elapsed: func() time.Duration { return time.Duration(steady.Load()) }})
	c.wants(`CREATE STREAM s (id VARCHAR, a INTEGER)`, "")
	for i, step := range []struct {
		wall, steady time.Duration
		want         string
	}{{0, 0, "1"}, {5 * time.Hour, time.Minute, "1"}, {-5 * time.Hour, 9 * time.Minute, "1"}, {-5 * time.Hour, 11 * time.Minute, "2"}, {-9 * time.Hour, 20 * time.Minute, "2"}} {
		wall.Store(int64(step.wall))
		steady.Store(int64(step.steady))
		if _, err := c.ingest(c.ctx, clouds("1"), batchOptions); err != nil {
			t.Fatal(err)
		}
		if got, err := c.run(`SELECT count(*) FROM s`); err != nil || got[0] != step.want {
			t.Errorf("step %d: %v %v, want %s", i, got, err, step.want)
		}
	}
}
