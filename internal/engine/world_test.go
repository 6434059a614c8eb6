package engine

import (
	"context"
	"encoding/binary"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tidemill/tidemill/internal/catalog"
	"github.com/tidemill/tidemill/internal/dataflow"
	"github.com/tidemill/tidemill/internal/dataflow/scalar"
	"github.com/tidemill/tidemill/internal/log"
	"github.com/tidemill/tidemill/internal/log/memlog"
	"github.com/tidemill/tidemill/internal/plan"
	"github.com/tidemill/tidemill/internal/record"
	"github.com/tidemill/tidemill/internal/row"
	"github.com/tidemill/tidemill/internal/view"
)

var (
	bigint = row.T(row.Int64)
	pair   = row.Schema{{Name: "k", Type: bigint}, {Name: "v", Type: bigint}}
	triple = row.Schema{{Name: "k", Type: bigint}, {Name: "s", Type: bigint}, {Name: "n", Type: bigint}}
)

// op is a row (k, v) with a weight; in a table an operation.
type op struct{ k, v, w int64 }

// world is a log and a run of an engine over it, with relations of two BIGINT columns.
type world struct {
	t    *testing.T
	ctx  context.Context
	log  *memlog.Log
	e    *Engine
	opts Options
	rels map[string]*catalog.Relation
	last uint64 // ID given to a relation

	mu    sync.Mutex
	ticks []Tick
}

func newWorld(t *testing.T, change func(*Options)) *world {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	w := &world{t: t, ctx: ctx, log: memlog.New(memlog.Options{}), rels: map[string]*catalog.Relation{}}
	w.opts = Options{Log: w.log, Logger: slog.New(slog.DiscardHandler), Workers: 2, Epoch: 10, Committed: func(record.TxID) bool { return false }}
	w.opts.OnTick = func(tk Tick) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.ticks = append(w.ticks, tk)
	}
	if change != nil {
		change(&w.opts)
	}
	w.e = New(w.opts)
	t.Cleanup(func() {
		w.e.Close()
		_ = w.log.Close()
	})
	return w
}

// restart ends the run and prepares the next over the same log, with the same stored relations.
func (w *world) restart() {
	w.t.Helper()
	w.e.Close()
	w.opts.Epoch++
	w.e = New(w.opts)
	w.mu.Lock()
	w.ticks = nil
	w.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(w.rels)) {
		if r := w.rels[name]; r.Stored() {
			w.must(w.e.AddInput(r, w.storeFor(r), false))
		}
	}
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) storeFor(r *catalog.Relation) *view.Store {
	if r.Kind != catalog.Table {
		return nil
	}
	return view.New(view.Options{Schema: r.Columns, Key: r.Key})
}

func (w *world) start() {
	w.t.Helper()
	w.must(w.e.Start(w.ctx))
}

func (w *world) stored(name string, kind catalog.Kind, key []int, started bool) *catalog.Relation {
	w.t.Helper()
	r := &catalog.Relation{ID: w.nextID(), Kind: kind, Name: name, Columns: pair, Versions: []row.Schema{pair}, Key: key, Partitions: 1}
	w.rels[name] = r
	w.must(w.log.Create(w.ctx, r.Topic(), log.TopicConfig{Partitions: 1}))
	w.must(w.e.AddInput(r, w.storeFor(r), started))
	return r
}

func (w *world) stream(name string) *catalog.Relation {
	return w.stored(name, catalog.Stream, nil, false)
}
func (w *world) table(name string) *catalog.Relation {
	return w.stored(name, catalog.Table, []int{0}, false)
}

func (w *world) nextID() uint64 {
	w.last++
	return w.last
}

// all is SELECT * FROM relation.
func all(relation string, s row.Schema) *plan.Get {
	g := &plan.Get{Relation: relation, Schema: s}
	for i := range s {
		g.Columns = append(g.Columns, i)
	}
	return g
}

// sums is SELECT k, sum(v), count(*) FROM relation GROUP BY k.
func sums(relation string) plan.Node {
	return &plan.Aggregate{Input: all(relation, pair), Groups: []*plan.Expr{plan.Col(0, bigint)}, Calls: []plan.AggregateCall{
		{Name: "sum", Args: []*plan.Expr{plan.Col(1, bigint)}, Type: bigint}, {Name: "count_star", Type: bigint}}}
}

// addView builds a view; relations that are unknown to the world get the ID 999.
func (w *world) addView(name string, columns row.Schema, n plan.Node) error {
	appendOnly := func(rel string) bool {
		r := w.rels[rel]
		return r != nil && (r.Kind == catalog.Stream || r.AppendOnly)
	}
	schema := func(rel string) row.Schema {
		if strings.HasPrefix(name, "bad") { // see wider
			return triple
		}
		if r := w.rels[rel]; r != nil {
			return r.Columns
		}
		return pair
	}
	g, err := dataflow.Build(n, dataflow.Options{Workers: w.opts.Workers, Compiler: &scalar.Compiler{}, AppendOnly: appendOnly, Schema: schema})
	if err != nil {
		return err
	}
	reads := map[string]uint64{}
	for _, rel := range g.Reads() {
		reads[rel] = 999
		if r := w.rels[rel]; r != nil {
			reads[rel] = r.ID
		}
	}
	r := &catalog.Relation{ID: w.nextID(), Kind: catalog.MaterializedView, Name: name, Columns: columns, AppendOnly: g.AppendOnly()}
	w.rels[name] = r
	return w.e.AddView(w.ctx, r, g, view.New(view.Options{Schema: columns, AppendOnly: r.AppendOnly}), reads)
}

func (w *world) view(name string, columns row.Schema, n plan.Node) {
	w.t.Helper()
	w.must(w.addView(name, columns, n))
}

func batchOf(ops []op) *row.Batch {
	k, v, wt := make([]int64, len(ops)), make([]int64, len(ops)), make([]int64, len(ops))
	for i, o := range ops {
		k[i], v[i], wt[i] = o.k, o.v, o.w
		if o.w == 0 {
			wt[i] = 1
		}
	}
	return &row.Batch{Cols: []row.Vec{row.FromValues(bigint, k, nil), row.FromValues(bigint, v, nil)}, Len: len(ops), Weights: wt}
}

func (w *world) entry(rel string, tx record.TxID, final bool, ops []op) log.Entry {
	c, err := row.NewCodec(pair)
	if err != nil {
		panic(err)
	}
	b := batchOf(ops)
	table := w.rels[rel].Kind == catalog.Table
	if !table {
		b.Weights = nil
	}
	body, err := c.Encode(b)
	if err != nil {
		panic(err)
	}
	return log.Entry{Body: append(record.AppendHeader(nil, record.Header{Ops: table, Ingested: time.UnixMicro(1), Tx: tx, Final: final}), body...)}
}

// append writes a group of one record.
func (w *world) append(rel string, ops ...op) log.Offset {
	w.t.Helper()
	return w.appendTx(rel, record.TxID{}, false, ops...)
}

func (w *world) appendTx(rel string, tx record.TxID, final bool, ops ...op) log.Offset {
	w.t.Helper()
	at, err := w.log.Append(w.ctx, w.rels[rel].Topic(), []log.Entry{w.entry(rel, tx, final, ops)})
	w.must(err)
	return at
}

func (w *world) waitFor(rel string, at log.Offset) {
	w.t.Helper()
	w.must(w.e.WaitFor(w.ctx, w.rels[rel].ID, at))
}

// waitAll returns when everything that is in the relation's topic is visible.
func (w *world) waitAll(rel string) {
	w.t.Helper()
	b, err := w.log.Bounds(w.ctx, w.rels[rel].Topic())
	w.must(err)
	last := log.Offset(0) // offsets are not dense
	w.must(w.log.ReadRange(w.ctx, w.rels[rel].Topic(), 0, b.Next, func(r log.Record) error {
		last = r.Offset
		return nil
	}))
	w.waitFor(rel, last)
}

// txID names a transaction of an epoch.
func txID(epoch uint64, n byte) record.TxID {
	var tx record.TxID
	binary.BigEndian.PutUint64(tx[:8], epoch)
	tx[15] = n
	return tx
}

// contentAt is a relation's rows with their number.
func (w *world) contentAt(s *Snapshot, rel string) (map[string]int64, error) {
	it, err := s.Scan(w.ctx, w.rels[rel].ID, nil)
	if err != nil {
		return nil, err
	}
	defer it.Close()
	out := map[string]int64{}
	for {
		b, err := it.Next()
		if err != nil {
			return nil, err
		}
		if b == nil {
			return out, nil
		}
		fold(out, b)
	}
}

func (w *world) content(rel string) map[string]int64 {
	w.t.Helper()
	s := w.e.Snapshot(w.rels[rel].ID)
	defer s.Close()
	m, err := w.contentAt(s, rel)
	w.must(err)
	return m
}

// fold applies a change to a multiset of rows.
func fold(m map[string]int64, b *row.Batch) {
	for i := range b.Len {
		key := string(row.AppendRowArrayJSON(nil, b, i))
		if m[key] += b.Weight(i); m[key] == 0 {
			delete(m, key)
		}
	}
}

func (w *world) equal(what string, got, want map[string]int64) {
	w.t.Helper()
	if !maps.Equal(got, want) {
		w.t.Fatalf("%s: got %v, want %v", what, got, want)
	}
}

func (w *world) seen() []Tick {
	w.must(w.e.call(w.ctx, func() {})) // a tick is told of after it was published: let the loop finish it
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.ticks)
}
