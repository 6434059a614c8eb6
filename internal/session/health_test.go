package session

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidemill/tidemill/internal/log"
	"github.com/tidemill/tidemill/internal/log/memlog"
)

// TestLook: a part counts as stuck when it has stood still for long enough while work waited, and no longer when it moves.
func TestLook(t *testing.T) {
	h, now := &health{}, time.Unix(1000, 0)
	tick := part{kind: ProblemTick, name: "main", waits: true}
	f := func(after time.Duration, want string, parts ...part) {
		t.Helper()
		now = now.Add(after)
		var got []string
		for _, p := range h.look(now, parts) {
			got = append(got, fmt.Sprintf("%s %s %d", p.Kind, p.Name, p.Seconds))
		}
		if s := strings.Join(got, ", "); s != want {
			t.Errorf("%q, want %q", s, want)
		}
	}
	at := func(p part, at uint64) part {
		p.at[0] = at
		return p
	}
	f(0, "", tick)
	f(29*time.Second, "", tick)
	f(time.Second, "tick main 30", tick)
	f(20*time.Second, "tick main 50", tick)
	f(time.Second, "", at(tick, 1))
	f(29*time.Second, "", at(tick, 1))
	idle := tick
	idle.waits = false
	f(time.Second, "", at(idle, 1))
	f(time.Hour, "", at(tick, 1)) // it was idle before
	f(time.Minute, "tick main 60", at(tick, 1))
	input := part{kind: ProblemInput, name: "s", id: 1, waits: true}
	other := part{kind: ProblemInput, name: "r", id: 2, waits: true}
	f(time.Second, "", input)
	f(30*time.Second, "input s 30", input, other)
	f(30*time.Second, "input s 60, input r 30", input, other)
	dead := part{kind: ProblemStopped, name: "v", id: 3, stopped: errors.New("broken")}
	f(0, "stopped v 0", dead)
	f(5*time.Second, "stopped v 5", dead)
	f(-time.Hour, "stopped v -3595", dead) // a clock that jumps does no harm
}

// heldLog holds what readers of a topic read.
type heldLog struct {
	log.Log
	topic atomic.Pointer[string]
	held  chan struct{}
}

func (l *heldLog) Read(ctx context.Context, topic string, from log.Offset, fn func(log.Record) error) error {
	return l.Log.Read(ctx, topic, from, func(r log.Record) error {
		if held := l.topic.Load(); held != nil && *held == topic {
			select {
			case <-l.held:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return fn(r)
	})
}

// clocked is a database whose clock the test moves.
type clocked struct {
	*Database
	t    *testing.T
	skew atomic.Int64
	log  *heldLog
}

func openClocked(t *testing.T) *clocked {
	t.Helper()
	c := &clocked{t: t, log: &heldLog{Log: memlog.New(memlog.Options{}), held: make(chan struct{})}}
	var err error
	c.Database, err = OpenDatabase(t.Context(), DatabaseOptions{Name: "main", Log: c.log, Logger: slog.New(slog.DiscardHandler), Workers: 1,
		Now: func() time.Time { return time.Now().Add(time.Duration(c.skew.Load())) }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.Close()
		_ = c.log.Close()
	})
	return c
}

func (c *clocked) exec(text string) *Result {
	c.t.Helper()
	s := c.NewSession(Options{})
	defer s.Close()
	p, err := s.Prepare(c.t.Context(), text, nil)
	if err != nil {
		c.t.Fatalf("%s: %v", text, err)
	}
	r, err := s.Execute(c.t.Context(), p, nil)
	if err != nil {
		c.t.Fatalf("%s: %v", text, err)
	}
	return r
}

// pass lets time go on, a step of the watch at a time, and returns what is wrong then.
func (c *clocked) pass(d time.Duration) []Problem {
	for ; d > 0; d -= watchEvery {
		c.Problems()
		c.skew.Add(int64(watchEvery))
	}
	return c.Problems()
}

func (c *clocked) lag(view string) time.Duration {
	views, _, _ := c.engine.Status(c.now())
	for _, v := range views {
		if v.Name == view {
			return v.Lag
		}
	}
	c.t.Errorf("there is no view %s", view)
	return 0
}

// TestStuckInput: a stream whose reader hangs is named within a minute, and the database is well again when it goes on.
func TestStuckInput(t *testing.T) {
	c := openClocked(t)
	c.exec(`CREATE STREAM s (k INTEGER)`)
	c.exec(`CREATE STREAM other (k INTEGER)`)
	c.exec(`CREATE MATERIALIZED VIEW v AS SELECT k, count(*) AS n FROM s GROUP BY k`)
	if ps := c.pass(time.Minute); len(ps) > 0 {
		t.Fatalf("idle: %v", ps)
	}
	topic := c.catalog.Get("s").Topic()
	c.log.topic.Store(&topic)
	c.exec(`INSERT INTO s VALUES (1)`)
	c.exec(`INSERT INTO other VALUES (1)`)
	for c.engine.Position(c.catalog.Get("other").ID) == 0 {
		time.Sleep(time.Millisecond)
	}
	if ps := c.pass(20 * time.Second); len(ps) > 0 {
		t.Errorf("too soon: %v", ps)
	}
	if ps := c.pass(20 * time.Second); len(ps) != 1 || ps[0].Kind != ProblemInput || ps[0].Name != "s" || c.Healthy() == nil {
		t.Errorf("a reader that hangs: %v", ps)
	}
	close(c.log.held)
	for deadline := time.Now().Add(20 * time.Second); len(c.Problems()) > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("it goes on, and is not well: %v", c.Problems())
		}
	}
}

// TestStuckTick: a tick that does not end is named by what it is busy with, and the views show how old they are.
func TestStuckTick(t *testing.T) {
	c := openClocked(t)
	c.exec(`CREATE STREAM s (k VARCHAR)`)
	c.exec(`CREATE MATERIALIZED VIEW v AS SELECT k::INTEGER AS n FROM s`)
	c.rejects.mu.Lock() // the tick cannot tell of the row that it leaves out
	ses := c.NewSession(Options{})
	defer ses.Close()
	if _, err := ses.Ingest(t.Context(), "s", strings.NewReader(`{"k":"x"}`), IngestOptions{ContentType: "application/json"}); err != nil {
		t.Fatal(err)
	}
	for _, _, tick := c.engine.Status(c.now()); tick.At != "v"; _, _, tick = c.engine.Status(c.now()) {
		time.Sleep(time.Millisecond)
	}
	ps := c.pass(40 * time.Second)
	if len(ps) != 2 || ps[0].Kind != ProblemTick || ps[0].Name != "v" || ps[1].Name != "s" {
		t.Errorf("a tick that does not end: %v", ps)
	}
	if lag := c.lag("v"); lag < 40*time.Second || lag > time.Minute {
		t.Errorf("the view lags by %s", lag)
	}
	if st := c.State(); st.Waiting < 40*time.Second || len(st.Problems) != 2 {
		t.Errorf("the metrics say %+v", st)
	}
	c.rejects.mu.Unlock()
	for deadline := time.Now().Add(20 * time.Second); len(c.Problems()) > 0 || c.lag("v") > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("the tick has ended, and the database is not well: %v", c.Problems())
		}
	}
}

// TestStoppedView: a relation that has stopped is named at once, with its error, and is no longer named when it is gone.
func TestStoppedView(t *testing.T) {
	c := openClocked(t)
	c.exec(`CREATE STREAM s (k INTEGER)`)
	c.exec(`CREATE MATERIALIZED VIEW v AS SELECT k, count(*) AS n FROM s GROUP BY k`)
	if _, err := c.log.Append(t.Context(), c.catalog.Get("s").Topic(), []log.Entry{{Body: []byte("no record")}}); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(20 * time.Second); len(c.Problems()) < 2; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("nothing has stopped: %v", c.Problems())
		}
	}
	for i, p := range c.Problems() {
		if p.Kind != ProblemStopped || p.Name != []string{"s", "v"}[i] || !strings.Contains(p.Reason, "record") {
			t.Errorf("%v", p)
		}
	}
	if lag := c.lag("v"); lag <= 0 {
		t.Error("a view that has stopped does not lag")
	}
	c.exec(`CREATE VIEW later AS SELECT 1 AS one`)
	c.noteUnbuilt(c.catalog.Get("later"), errors.New("it could not be built again"))
	if ps := c.Problems(); len(ps) != 3 || ps[2].Kind != ProblemStopped || ps[2].Name != "later" {
		t.Errorf("a view that could not be built again: %v", ps)
	}
	c.exec(`DROP VIEW later`)
	c.exec(`DROP MATERIALIZED VIEW v`)
	c.exec(`DROP STREAM s`)
	if ps := c.Problems(); len(ps) > 0 {
		t.Errorf("they are gone: %v", ps)
	}
}
