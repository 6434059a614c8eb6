package session_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidemill/tidemill/internal/log"
	"github.com/tidemill/tidemill/internal/log/memlog"
	"github.com/tidemill/tidemill/internal/session"
)

// faulty is a log whose appends can be made to fail, and to wait.
type faulty struct {
	log.Log
	fail atomic.Bool
	// failTopic is a topic whose appends fail.
	failTopic atomic.Value
	gate      atomic.Pointer[chan struct{}]
	came      chan struct{} // an append waits at the gate
}

func (f *faulty) Append(ctx context.Context, topic string, group []log.Entry) (log.Offset, error) {
	if g := f.gate.Load(); g != nil {
		f.came <- struct{}{}
		<-*g
	}
	if name, _ := f.failTopic.Load().(string); f.fail.Load() || name == topic {
		return 0, fmt.Errorf("the disk is full: %w", log.ErrUnavailable)
	}
	at, err := f.Log.Append(context.WithoutCancel(ctx), topic, group)
	if err == nil && ctx.Err() != nil {
		return 0, ctx.Err() // it may be there, as the contract says
	}
	return at, err
}

func openFaulty(t *testing.T, now func() time.Time) (*session.Database, *faulty) {
	t.Helper()
	f := &faulty{Log: memlog.New(memlog.Options{}), came: make(chan struct{}, 16)}
	db, err := session.OpenDatabase(t.Context(), session.DatabaseOptions{Name: "main", Log: f, Logger: slog.New(slog.NewTextHandler(io.Discard, nil)), Workers: 1, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		db.Close()
		_ = f.Close()
	})
	return db, f
}

const cloud = `{"specversion":"1.0","type":"t","source":"s","id":%q,"data":{"a":%d}}`

func clouds(ids ...string) string {
	var parts []string
	for i, id := range ids {
		parts = append(parts, fmt.Sprintf(cloud, id, i))
	}
	return "[" + strings.Join(parts, ",") + "]"
}

var (
	batchOptions = session.IngestOptions{ContentType: "application/cloudevents-batch+json"}
	keyOptions   = session.IngestOptions{ContentType: "application/json", IdempotencyKey: "once"}
)

func (c *client) ingest(ctx context.Context, body string, o session.IngestOptions) (session.IngestResult, error) {
	return c.Ingest(ctx, "s", strings.NewReader(body), o)
}

func (c *client) wants(sql, want string) {
	c.t.Helper()
	got, err := c.run(sql)
	if err != nil || strings.Join(got, " ") != want {
		c.t.Errorf("%s: %v %v, want %s", sql, got, err, want)
	}
}

// TestFailedEventsAreNoRepeats: what was not stored is not known when it comes again.
func TestFailedEventsAreNoRepeats(t *testing.T) {
	db, f := openFaulty(t, nil)
	c := connect(t, db)
	c.wants(`CREATE STREAM s (id VARCHAR, a INTEGER)`, "")
	for _, o := range []struct {
		body string
		session.IngestOptions
	}{{clouds("1", "2"), batchOptions}, {`[{"id":"x"}]`, keyOptions}} {
		f.fail.Store(true)
		if _, err := c.ingest(c.ctx, o.body, o.IngestOptions); err == nil {
			t.Fatal("no error of a log that fails")
		}
		f.fail.Store(false)
		for range 3 {
			if r, err := c.ingest(c.ctx, o.body, o.IngestOptions); err != nil || r.Rejected != 0 {
				t.Fatalf("again: %+v %v", r, err)
			}
		}
	}
	c.wants(`SELECT count(*), count(DISTINCT id) FROM s`, "3|3")
}

// TestClientGoesWhileStoring: events that were being stored when their client went are there once when it comes back.
func TestClientGoesWhileStoring(t *testing.T) {
	for name, o := range map[string]struct {
		body string
		session.IngestOptions
	}{"event": {clouds("1"), batchOptions}, "request": {`[{"id":"1"}]`, keyOptions}} {
		t.Run(name, func(t *testing.T) {
			db, f := openFaulty(t, nil)
			c := connect(t, db)
			c.wants(`CREATE STREAM s (id VARCHAR, a INTEGER)`, "")
			gate := make(chan struct{})
			f.gate.Store(&gate)
			ctx, leave := context.WithCancel(c.ctx)
			var first sync.WaitGroup
			first.Go(func() { _, _ = c.ingest(ctx, o.body, o.IngestOptions) })
			<-f.came
			f.gate.Store(nil)
			leave()
			close(gate)
			first.Wait()
			if r, err := c.ingest(c.ctx, o.body, o.IngestOptions); err != nil || r.Accepted != 1 {
				t.Fatalf("%+v, %v", r, err)
			}
			c.wants(`SELECT count(*) FROM s`, "1")
		})
	}
}

// TestRepeatMeetsTheFirst: a repeat that comes while the first is stored waits for it, is answered like it, and its token stands for it.
func TestRepeatMeetsTheFirst(t *testing.T) {
	for _, fails := range []bool{false, true} {
		t.Run(fmt.Sprintf("fails=%t", fails), func(t *testing.T) {
			db, f := openFaulty(t, nil)
			c := connect(t, db)
			c.wants(`CREATE STREAM s (id VARCHAR, a INTEGER)`, "")
			gate := make(chan struct{})
			f.gate.Store(&gate)
			f.fail.Store(fails)
			var first, second sync.WaitGroup
			first.Go(func() {
				if _, err := c.ingest(c.ctx, clouds("1", "2"), batchOptions); (err != nil) != fails {
					t.Errorf("the first: %v", err)
				}
			})
			<-f.came
			f.gate.Store(nil)
			other := connect(t, db)
			answered := make(chan struct{})
			second.Go(func() {
				defer close(answered)
				r, err := other.ingest(other.ctx, clouds("2", "1", "2"), batchOptions)
				if err != nil || r.Accepted != 3 {
					t.Errorf("the second: %+v %v", r, err)
					return
				}
				reader := connect(t, db)
				if err := reader.Set("tidemill.after", r.Token); err != nil {
					t.Error(err)
				}
				reader.wants(`SELECT count(*), count(DISTINCT id) FROM s`, "2|2")
			})
			select {
			case <-answered:
				t.Error("the repeat is answered before the first is stored")
			case <-time.After(20 * time.Millisecond):
			}
			if fails {
				// The first fails; the second, which stores the events then, does not.
				once := make(chan struct{})
				f.gate.Store(&once)
				close(gate)
				first.Wait()
				<-f.came
				f.gate.Store(nil)
				f.fail.Store(false)
				close(once)
			} else {
				close(gate)
			}
			first.Wait()
			second.Wait()
		})
	}
}

// TestDedupeWindow: an identity is remembered for ten minutes.
func TestDedupeWindow(t *testing.T) {
	var at atomic.Int64
	start := time.Date(2024, 2, 29, 0, 0, 0, 0, time.UTC)
	db, _ := openFaulty(t, func() time.Time { return start.Add(time.Duration(at.Load())) })
	c := connect(t, db)
	c.wants(`CREATE STREAM s (id VARCHAR, a INTEGER)`, "")
	for _, step := range []struct {
		at   time.Duration
		want string
	}{{0, "2"}, {9*time.Minute + 59*time.Second, "2"}, {10 * time.Minute, "4"}, {19 * time.Minute, "4"}, {21 * time.Minute, "6"}} {
		at.Store(int64(step.at))
		for range 2 {
			if _, err := c.ingest(c.ctx, clouds("1"), batchOptions); err != nil {
				t.Fatal(err)
			}
			if _, err := c.ingest(c.ctx, `[{"id":"x"}]`, keyOptions); err != nil {
				t.Fatal(err)
			}
		}
		c.wants(`SELECT count(*) FROM s`, step.want)
	}
}
