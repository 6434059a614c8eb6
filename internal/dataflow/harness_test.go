package dataflow

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/tidemill/tidemill/internal/dataflow/scalar"
	"github.com/tidemill/tidemill/internal/plan"
	"github.com/tidemill/tidemill/internal/row"
)

var allTypes = []row.Type{
	row.T(row.Bool), row.T(row.Int8), row.T(row.Int16), row.T(row.Int32), row.T(row.Int64), row.T(row.Int128),
	row.T(row.Uint8), row.T(row.Uint16), row.T(row.Uint32), row.T(row.Uint64), row.T(row.Float32), row.T(row.Float64),
	row.DecimalType(4, 1), row.DecimalType(18, 3), row.DecimalType(38, 10), row.T(row.String), row.T(row.JSON), row.T(row.Blob),
	row.T(row.Date), row.T(row.Time), row.T(row.Timestamp), row.T(row.TimestampTZ), row.T(row.Interval), row.T(row.UUID),
}

func i64() row.Type                    { return row.T(row.Int64) }
func text() row.Type                   { return row.T(row.String) }
func boolean() row.Type                { return row.T(row.Bool) }
func col(i int, t row.Type) *plan.Expr { return plan.Col(i, t) }
func num(n int64) *plan.Expr           { return plan.Const(row.IntValue(i64(), n)) }
func less(a, b *plan.Expr) *plan.Expr  { return plan.Fn("<", boolean(), a, b) }
func plus(a, b *plan.Expr) *plan.Expr  { return plan.Fn("+", i64(), a, b) }
func schemaOf(types []row.Type) (s row.Schema) {
	for i, t := range types {
		s = append(s, row.Column{Name: fmt.Sprintf("c%d", i), Type: t})
	}
	return s
}

// narrow is a cast that fails for what does not fit.
func narrow(e *plan.Expr) *plan.Expr {
	return &plan.Expr{Kind: plan.Cast, Type: row.T(row.Int8), Args: []*plan.Expr{e}}
}

func randomValue(r *rand.Rand, t row.Type) row.Value {
	if r.IntN(6) == 0 {
		return row.NullValue(t)
	}
	v := row.Value{Type: t}
	n := int64(r.IntN(7) - 3)
	switch t.Phys() {
	case row.PhysBool:
		v.I = n & 1
	case row.PhysUint8, row.PhysUint16, row.PhysUint32, row.PhysUint64:
		v.I = n & 7
		if t.Kind == row.Uint64 && r.IntN(3) == 0 {
			v.I = -1 - v.I
		}
	case row.PhysInt64:
		v.I = n
		if t.Kind == row.Int64 && r.IntN(5) == 0 {
			v.I = []int64{math.MaxInt64, math.MinInt64, 1000, -1000}[r.IntN(4)]
		}
	case row.PhysFloat32:
		v.F = float64(float32([]float64{0, math.Copysign(0, -1), math.NaN(), math.Inf(1), math.Inf(-1), 1.5, 3e38, -3e38, 1e-45, 0.1}[r.IntN(10)]))
	case row.PhysFloat64:
		v.F = []float64{0, math.Copysign(0, -1), 1e16, -1e16, 1, 0.1, 0.3, 1.7e308, -1.7e308, 5e-324, 1e300, 3, math.NaN(), math.Inf(1), math.Inf(-1), 1e-300}[r.IntN(16)]
	case row.PhysInt128:
		v.I, v.H = n, int64(r.IntN(3)-1)
		if t.Kind == row.Int128 && r.IntN(4) == 0 {
			v.H = (1<<62 + 1<<61) * int64(1-2*r.IntN(2))
		}
	case row.PhysInterval:
		v.V = row.IntervalValue{Months: int32(n)}
	case row.PhysUUID:
		u := make([]byte, 16)
		u[r.IntN(16)] = byte(r.IntN(3) * 0x7f)
		v.S = string(u)
	case row.PhysBytes:
		v.S = []string{"", "a", "b", "é", strings.Repeat("long ", 5)}[r.IntN(5)]
	default:
		v.I = n
	}
	return v
}

// zset is a multiset of rows with weights, found by their content.
type zset struct {
	types []row.Type
	rows  map[string][]row.Value
	n     map[string]int64
}

func newZset(types []row.Type) *zset {
	return &zset{types: types, rows: map[string][]row.Value{}, n: map[string]int64{}}
}

func keyOf(cols []row.Vec, i int) string {
	var key []byte
	for c := range cols {
		key = row.AppendKey(key, &cols[c], i)
	}
	return string(key)
}

func (z *zset) add(b *row.Batch) {
	for i := range b.Len {
		k := keyOf(b.Cols, i)
		if z.rows[k] == nil {
			z.rows[k] = []row.Value{}
			for c := range b.Cols {
				z.rows[k] = append(z.rows[k], b.Cols[c].Value(i))
			}
		}
		if z.n[k] += b.Weight(i); z.n[k] == 0 {
			delete(z.n, k)
			delete(z.rows, k)
		}
	}
}

func (z *zset) keys() []string {
	ks := make([]string, 0, len(z.n))
	for k := range z.n {
		ks = append(ks, k)
	}
	slices.Sort(ks)
	return ks
}

func (z *zset) batch() *row.Batch {
	var rows [][]row.Value
	var weights []int64
	for _, k := range z.keys() {
		rows, weights = append(rows, z.rows[k]), append(weights, z.n[k])
	}
	return batchOf(z.types, rows, weights)
}

func batchOf(types []row.Type, rows [][]row.Value, weights []int64) *row.Batch {
	b := row.NewBatchBuilder(types, len(rows))
	for _, r := range rows {
		for c, v := range r {
			b.Cols[c].AppendValue(v)
		}
	}
	out := b.Finish(len(rows))
	if slices.ContainsFunc(weights, func(w int64) bool { return w != 1 }) {
		out.Weights = weights
	}
	return out
}

// change draws a tick's changes of z and applies them: new rows, equal rows again, weights above 1, retractions, and retractions
// that come before what they retract.
func (z *zset) change(r *rand.Rand, n int, appendOnly bool, draw func(r *rand.Rand) []row.Value) *row.Batch {
	var rows [][]row.Value
	var weights []int64
	have := z.keys()
	emit := func(v []row.Value, w int64) { rows, weights = append(rows, v), append(weights, w) }
	gone := map[string]bool{}
	for range n {
		kind := r.IntN(8)
		switch {
		case kind == 0:
			emit(draw(r), 2)
		case kind < 4 || appendOnly || len(have) == 0 && kind < 7:
			emit(draw(r), 1)
		case kind < 7:
			k := have[r.IntN(len(have))]
			if !gone[k] {
				gone[k] = true
				emit(z.rows[k], -z.n[k])
			}
		default:
			v := draw(r)
			emit(v, -1)
			emit(v, 1)
		}
	}
	b := batchOf(z.types, rows, weights)
	z.add(b)
	return b
}

func parallel(n int, f func(int)) {
	var g sync.WaitGroup
	for i := range n {
		g.Go(func() { f(i) })
	}
	g.Wait()
}

// scenario is a query over some relations.
type scenario struct {
	relations  map[string][]row.Type
	appendOnly bool
	draw       func(r *rand.Rand, relation string, types []row.Type) []row.Value
	root       func() plan.Node
	sizes      []int // of ticks; nil: all sizes
	small      bool  // the oracle is slow: ticks are small
	reordered  bool  // the order of the result's rows is another one when the state was saved and loaded
}

func get(relation string, types []row.Type) *plan.Get {
	cols := make([]int, len(types))
	for i := range cols {
		cols[i] = i
	}
	return &plan.Get{Relation: relation, Columns: cols, Schema: schemaOf(types)}
}

func drawAny(r *rand.Rand, _ string, types []row.Type) []row.Value {
	vs := make([]row.Value, len(types))
	for i, t := range types {
		vs[i] = randomValue(r, t)
	}
	return vs
}

func (s *scenario) build(t testing.TB, workers int) *Graph {
	t.Helper()
	g, err := Build(s.root(), Options{Workers: workers, Compiler: &scalar.Compiler{},
		AppendOnly: func(string) bool { return s.appendOnly },
		Schema:     func(rel string) row.Schema { return schemaOf(s.relations[rel]) }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.Close)
	return g
}

// run feeds random ticks to the graph and compares the sum of what comes out with the oracle's answer after each.
func (s *scenario) run(t *testing.T, workers int, seed uint64) {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, uint64(workers)))
	g, twin := s.build(t, workers), s.build(t, workers)
	draw := s.draw
	if draw == nil {
		draw = drawAny
	}
	names := []string{}
	inputs := map[string]*zset{}
	for name, types := range s.relations {
		names = append(names, name)
		inputs[name] = newZset(types)
	}
	slices.Sort(names)
	got := newZset(g.Types())
	sizes := s.sizes
	if sizes == nil {
		sizes = []int{0, 1, 3, 20, 60, inlineRows, 3 * inlineRows}
	}
	if s.small {
		sizes = []int{0, 1, 3, 20, 60, 90}
	}
	saved := saver{r: r}
	for tick := range 14 {
		changes := map[string]*row.Batch{}
		for _, name := range names {
			if n := sizes[r.IntN(len(sizes))]; n > 0 && r.IntN(4) > 0 {
				changes[name] = inputs[name].change(r, n, s.appendOnly, func(r *rand.Rand) []row.Value { return draw(r, name, s.relations[name]) })
			}
			if tick == 7 && !s.appendOnly { // everything goes
				changes[name] = inputs[name].negative(changes[name])
				inputs[name] = newZset(s.relations[name])
			}
		}
		out, err := g.Step(changes, parallel)
		if err != nil {
			t.Fatal(err)
		}
		again, err := twin.Step(changes, Inline)
		if err != nil {
			t.Fatal(err)
		}
		if s.reordered {
			sum := newZset(g.Types())
			for _, b := range out {
				sum.add(b)
			}
			for _, b := range again {
				sum.add(retraction(b))
			}
			mustMatch(t, tick, sum, newZset(g.Types()))
		} else {
			mustBeIdentical(t, out, again)
		}
		for _, b := range out {
			got.add(b)
		}
		want := newZset(g.Types())
		want.add(evaluate(t, s.root(), inputs))
		mustMatch(t, tick, got, want)
		rejects, twins := g.TakeRejects(), twin.TakeRejects()
		if len(rejects) != len(twins) {
			t.Fatalf("tick %d: %d rejects, then %d", tick, len(rejects), len(twins))
		}
		saved.save(twin)
		if r.IntN(3) == 0 {
			if loaded := saved.load(t, func() *Graph { return s.build(t, workers) }); loaded != nil {
				twin, saved = loaded, saver{r: r}
			}
		}
	}
}

// negative returns what takes z away together with the changes just made to it.
func (z *zset) negative(made *row.Batch) *row.Batch {
	b := z.batch()
	w := make([]int64, b.Len)
	for i := range w {
		w[i] = -b.Weight(i)
	}
	b.Weights = w
	if made == nil {
		return b
	}
	return row.Concat([]*row.Batch{b, made})
}

func mustBeIdentical(t *testing.T, a, b []*row.Batch) {
	t.Helper()
	if len(a) != len(b) {
		t.Fatalf("%d batches, then %d", len(a), len(b))
	}
	for k := range a {
		if a[k].Len != b[k].Len {
			t.Fatalf("%d rows, then %d", a[k].Len, b[k].Len)
		}
		for i := range a[k].Len {
			if a[k].Weight(i) != b[k].Weight(i) || keyOf(a[k].Cols, i) != keyOf(b[k].Cols, i) {
				t.Fatalf("row %d differs", i)
			}
		}
	}
}

func mustMatch(t *testing.T, tick int, got, want *zset) {
	t.Helper()
	for k, n := range want.n {
		if got.n[k] != n {
			t.Fatalf("tick %d: row %s has weight %d, want %d", tick, show(want.rows[k]), got.n[k], n)
		}
	}
	for k, n := range got.n {
		if want.n[k] != n {
			t.Fatalf("tick %d: row %s has weight %d, want %d", tick, show(got.rows[k]), n, want.n[k])
		}
	}
}

func show(vs []row.Value) string {
	var parts []string
	for _, v := range vs {
		b := row.NewBuilder(v.Type, 1)
		b.AppendValue(v)
		vec := b.Finish()
		text := "NULL"
		if !v.Null {
			text = string(row.AppendText(nil, &vec, 0))
		}
		parts = append(parts, text)
	}
	return "(" + strings.Join(parts, ", ") + ")"
}

// check runs a scenario over 1, 2 and 3 workers, with and without retractions.
func check(t *testing.T, s scenario) {
	t.Helper()
	for workers := 1; workers <= 3; workers++ {
		for _, appendOnly := range []bool{false, true} {
			s.appendOnly = appendOnly
			t.Run(fmt.Sprintf("workers=%d,append=%v", workers, appendOnly), func(t *testing.T) {
				s := s
				seeds := uint64(2)
				if testing.Short() || underRace {
					seeds = 1
				}
				for seed := range seeds {
					s.run(t, workers, seed)
				}
			})
		}
	}
}
