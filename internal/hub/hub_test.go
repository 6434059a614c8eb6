package hub_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/tidemill/tidemill/internal/catalog"
	"github.com/tidemill/tidemill/internal/engine"
	"github.com/tidemill/tidemill/internal/hub"
	"github.com/tidemill/tidemill/internal/log"
	"github.com/tidemill/tidemill/internal/log/memlog"
	"github.com/tidemill/tidemill/internal/record"
	"github.com/tidemill/tidemill/internal/row"
	"github.com/tidemill/tidemill/internal/view"
)

var (
	bigint  = row.T(row.Int64)
	columns = row.Schema{{Name: "k", Type: bigint}, {Name: "g", Type: bigint}}
)

// node is a table in a real engine with a hub.
type node struct {
	t   *testing.T
	ctx context.Context
	log *memlog.Log
	rel *catalog.Relation
	e   *engine.Engine
	h   *hub.Hub
}

type source struct{ e *engine.Engine }

func (s source) Open(relation uint64) (uint64, hub.Snapshot, error) {
	snap := s.e.Snapshot(relation)
	return snap.Tick, content{snap, relation}, nil
}

func (s source) Changes(relation, after uint64) ([]view.Change, uint64, bool) {
	return s.e.Changes(relation, after)
}

type content struct {
	*engine.Snapshot
	relation uint64
}

type once struct{ b *row.Batch }

func (o *once) Next() (*row.Batch, error) {
	b := o.b
	o.b = nil
	return b, nil
}
func (o *once) Close() {}

func (c content) Find(cols []int, values []row.Value) (engine.Iterator, error) {
	v, err := c.View(c.relation)
	if err != nil || len(cols) == 0 {
		return c.Scan(context.Background(), c.relation, nil)
	}
	if v == nil {
		return nil, errors.New("the relation is gone")
	}
	b, err := v.Lookup(cols, values, 0)
	return &once{b}, err
}

func newNode(t *testing.T, historyBytes int64) *node {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	n := &node{t: t, ctx: ctx, log: memlog.New(memlog.Options{})}
	n.rel = &catalog.Relation{ID: 1, Kind: catalog.Table, Name: "t", Columns: columns, Versions: []row.Schema{columns}, Key: []int{0}, Partitions: 1}
	n.must(n.log.Create(ctx, n.rel.Topic(), log.TopicConfig{Partitions: 1}))
	n.e = engine.New(engine.Options{Log: n.log, Logger: slog.New(slog.DiscardHandler), Workers: 1, Epoch: 1, TickRows: 3,
		Committed: func(record.TxID) bool { return false }, OnTick: func(t engine.Tick) { n.h.Tick(t) }})
	n.h = hub.New(source{n.e}, nil)
	n.must(n.e.AddInput(n.rel, view.New(view.Options{Schema: columns, Key: n.rel.Key, HistoryBytes: historyBytes}), false))
	n.must(n.e.Start(ctx))
	t.Cleanup(func() {
		n.h.Close()
		n.e.Close()
		_ = n.log.Close()
	})
	return n
}

func (n *node) must(err error) {
	n.t.Helper()
	if err != nil {
		n.t.Fatal(err)
	}
}

// put upserts (k, g), or deletes k if g is negative.
func (n *node) put(k, g int64) log.Offset {
	c, err := row.NewCodec(columns)
	n.must(err)
	weight := int64(1)
	if g < 0 {
		weight = -1
	}
	body, err := c.Encode(&row.Batch{Cols: []row.Vec{row.FromValues(bigint, []int64{k}, nil), row.FromValues(bigint, []int64{g}, nil)}, Len: 1, Weights: []int64{weight}})
	n.must(err)
	at, err := n.log.Append(n.ctx, n.rel.Topic(), []log.Entry{{Body: append(record.AppendHeader(nil, record.Header{Ops: true}), body...)}})
	n.must(err)
	return at
}

// pull is the content now and its tick.
func (n *node) pull(sh hub.Shape) (map[string]int64, uint64) {
	tick, snap, err := source{n.e}.Open(1)
	n.must(err)
	defer snap.Close()
	it, err := snap.Find(sh.Columns, sh.Values)
	n.must(err)
	defer it.Close()
	m := map[string]int64{}
	for b, err := it.Next(); b != nil; b, err = it.Next() {
		n.must(err)
		n.fold(m, b)
	}
	return m, tick
}

func (n *node) fold(m map[string]int64, b *row.Batch) {
	n.t.Helper()
	for i := range b.Len {
		k := string(row.AppendRowArrayJSON(nil, b, i))
		if m[k] += b.Weight(i); m[k] == 0 {
			delete(m, k)
		} else if m[k] != 1 {
			n.t.Fatalf("row %s is there %d times", k, m[k])
		}
	}
}

// follow folds the subscription's frames until it is at the tick.
func (n *node) follow(s *hub.Subscription, m map[string]int64, at, to uint64) uint64 {
	n.t.Helper()
	more := false
	for at < to || more {
		f, err := s.Next(n.ctx)
		n.must(err)
		if f.Tick < at || (!f.Snapshot && f.Tick == at) {
			n.t.Fatalf("a frame of tick %d after %d", f.Tick, at)
		}
		if f.Reset {
			clear(m)
		}
		if f.Rows != nil {
			n.fold(m, f.Rows)
		}
		at, more = f.Tick, f.More
	}
	return at
}

// TestFoldEqualsPull: whatever is cut, resumed and missed under heavy writes, the fold of the frames is the content.
func TestFoldEqualsPull(t *testing.T) {
	for round := range 20 {
		n := newNode(t, []int64{0, 2000}[round%2])
		stop, cancel := context.WithCancel(n.ctx)
		var writers sync.WaitGroup
		writers.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(round), 0))
			for i := 0; i < 3000 && stop.Err() == nil; i++ {
				n.put(rng.Int64N(12), rng.Int64N(4)-1)
			}
		})
		for run := range 50 {
			rng := rand.New(rand.NewPCG(uint64(round), uint64(run+1)))
			var sh hub.Shape
			sh.Relation = 1
			if rng.IntN(2) == 0 {
				n.must(sh.Add(1, row.IntValue(bigint, rng.Int64N(3))))
			}
			m, at := map[string]int64{}, uint64(0)
			start := hub.Start{Progress: time.Millisecond}
			for range 1 + rng.IntN(3) {
				s, err := n.h.Subscribe(sh, start)
				n.must(err)
				if !start.Resume {
					clear(m)
					at = 0
				}
				at = n.follow(s, m, at, n.e.Tick())
				s.Close()
				start.Resume, start.After = true, at
			}
			// At rest: everything up to one tick that a pull sees.
			if run == 49 {
				cancel()
				writers.Wait()
				n.must(n.e.WaitFor(n.ctx, 1, n.put(99, 1)))
				want, tick := n.pull(sh)
				s, err := n.h.Subscribe(sh, start)
				n.must(err)
				n.follow(s, m, at, tick)
				s.Close()
				if !maps.Equal(m, want) {
					t.Fatalf("round %d: the fold is %v, the pull %v", round, m, want)
				}
			}
		}
		cancel()
		writers.Wait()
		if c := n.h.Count(); c != 0 {
			t.Fatalf("%d subscriptions are left", c)
		}
		n.h.Close()
		n.e.Close()
	}
}

// TestLagResetsOrCatchesUp: a subscriber that sleeps holds few frames, costs others nothing, and gets one change or a new beginning.
func TestLagResetsOrCatchesUp(t *testing.T) {
	for name, c := range map[string]struct {
		history int64
		reset   bool
	}{"history reaches": {0, false}, "history is short": {1000, true}} {
		t.Run(name, func(t *testing.T) {
			n := newNode(t, c.history)
			sleeper, err := n.h.Subscribe(hub.Shape{Relation: 1}, hub.Start{})
			n.must(err)
			defer sleeper.Close()
			late, err := n.h.Subscribe(hub.Shape{Relation: 1}, hub.Start{NoSnapshot: true, Progress: time.Millisecond})
			n.must(err)
			defer late.Close()
			m, awake := map[string]int64{}, map[string]int64{}
			n.follow(sleeper, m, 0, 1)
			var tick uint64
			for i := range 300 {
				n.must(n.e.WaitFor(n.ctx, 1, n.put(int64(i%5), int64(i))))
				tick = n.follow(late, awake, tick, n.e.Tick())
			}
			f, err := sleeper.Next(n.ctx)
			n.must(err)
			if f.Reset != c.reset {
				t.Errorf("reset is %t, want %t", f.Reset, c.reset)
			}
			if f.Reset {
				clear(m)
			}
			n.fold(m, f.Rows)
			if want, _ := n.pull(hub.Shape{Relation: 1}); !maps.Equal(m, want) || !maps.Equal(awake, want) {
				t.Errorf("the folds are %v and %v, the pull is %v", m, awake, want)
			}
		})
	}
}

func TestEnds(t *testing.T) {
	n := newNode(t, 0)
	open := func(start hub.Start) *hub.Subscription {
		s, err := n.h.Subscribe(hub.Shape{Relation: 1}, start)
		n.must(err)
		return s
	}
	a, b := open(hub.Start{NoSnapshot: true}), open(hub.Start{Resume: true, After: n.e.Tick()})
	n.h.Drop(1)
	for _, s := range []*hub.Subscription{a, b} {
		if _, err := s.Next(n.ctx); !errors.Is(err, hub.ErrDropped) {
			t.Errorf("after the drop: %v", err)
		}
		s.Close()
		s.Close()
	}
	broken, closing := open(hub.Start{NoSnapshot: true}), open(hub.Start{NoSnapshot: true})
	failure := errors.New("the view stopped")
	n.h.Tick(engine.Tick{Number: n.e.Tick(), Stopped: map[uint64]error{1: failure}})
	if _, err := broken.Next(n.ctx); !errors.Is(err, failure) {
		t.Errorf("after the relation stopped: %v", err)
	}
	closing.Close()
	last := open(hub.Start{NoSnapshot: true})
	n.h.Close()
	n.h.Close()
	if _, err := last.Next(n.ctx); !errors.Is(err, hub.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
	if _, err := n.h.Subscribe(hub.Shape{Relation: 1}, hub.Start{}); !errors.Is(err, hub.ErrClosed) {
		t.Errorf("Subscribe after Close: %v", err)
	}
	broken.Close()
	last.Close()
	if c := n.h.Count(); c != 0 {
		t.Errorf("%d subscriptions are left", c)
	}
}

func TestNoSnapshotOfNothing(t *testing.T) {
	n := newNode(t, 0)
	if _, err := n.h.Subscribe(hub.Shape{Relation: 77}, hub.Start{NoSnapshot: true}); err == nil || n.h.Count() != 0 {
		t.Errorf("a subscription to nothing: %v, %d open", err, n.h.Count())
	}
}

func TestShapeAdd(t *testing.T) {
	var sh hub.Shape
	for _, c := range []int{3, 1, 2} {
		if err := sh.Add(c, row.IntValue(bigint, int64(c))); err != nil {
			t.Fatal(err)
		}
	}
	if fmt.Sprint(sh.Columns) != "[1 2 3]" || sh.Values[0].I != 1 || sh.Add(2, row.IntValue(bigint, 1)) == nil {
		t.Errorf("columns %v, values %v", sh.Columns, sh.Values)
	}
}
