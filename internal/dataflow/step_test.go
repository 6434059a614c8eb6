package dataflow

import (
	"errors"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/tidemill/tidemill/internal/dataflow/state"
	"github.com/tidemill/tidemill/internal/plan"
	"github.com/tidemill/tidemill/internal/row"
)

// A row that comes as '1 month' and goes as the equal '30 days' must go as it came for what is computed above.
func TestDistinctTakesBackWhatItGave(t *testing.T) {
	iv := row.T(row.Interval)
	s := scenario{relations: map[string][]row.Type{"t": {iv}}, root: func() plan.Node { return &plan.Distinct{Input: get("t", []row.Type{iv})} }}
	g := s.build(t, 1)
	month, days := row.IntervalValue{Months: 1}, row.IntervalValue{Days: 30}
	for _, step := range []struct {
		v row.IntervalValue
		w int64
	}{{month, 1}, {days, 1}, {month, -1}, {days, -1}} {
		b := &row.Batch{Cols: []row.Vec{row.FromValues(iv, []row.IntervalValue{step.v}, nil)}, Len: 1, Weights: []int64{step.w}}
		out, err := g.Step(map[string]*row.Batch{"t": b}, Inline)
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range out {
			if got := row.Values[row.IntervalValue](&o.Cols[0])[0]; got != month {
				t.Errorf("weight %d brings %v", step.w, got)
			}
		}
	}
}

func TestToucherStampsWrap(t *testing.T) {
	tc := toucher{stamp: 1<<32 - 3}
	for range 6 {
		tc.begin(10)
		for _, id := range []uint32{3, 3, 9} {
			tc.see(id, 0, true)
		}
		if len(tc.seen) != 2 {
			t.Fatalf("stamp %d: %d ids were seen", tc.stamp, len(tc.seen))
		}
	}
}

// What a step returned must not change in later steps.
func TestOutputsAreTheCallersToKeep(t *testing.T) {
	for name, root := range benchPlans() {
		t.Run(name, func(t *testing.T) {
			s := scenario{relations: map[string][]row.Type{"t": pair, "u": pair}, root: root}
			g := s.build(t, 2)
			r := rand.New(rand.NewPCG(1, 1))
			type kept struct {
				b    *row.Batch
				keys []string
			}
			var all []kept
			for range 8 {
				out, err := g.Step(map[string]*row.Batch{"t": randomPairs(r, 500), "u": randomPairs(r, 400)}, parallel)
				if err != nil {
					t.Fatal(err)
				}
				for _, b := range out {
					k := kept{b: b}
					for i := range b.Len {
						k.keys = append(k.keys, keyOf(b.Cols, i))
					}
					all = append(all, k)
				}
			}
			for _, k := range all {
				for i := range k.b.Len {
					if keyOf(k.b.Cols, i) != k.keys[i] {
						t.Fatalf("row %d has changed", i)
					}
				}
			}
		})
	}
}

// The state of groups, rows and keys that have gone is used again.
func TestStateDoesNotGrowForever(t *testing.T) {
	for name, root := range benchPlans() {
		t.Run(name, func(t *testing.T) {
			s := scenario{relations: map[string][]row.Type{"t": pair, "u": pair}, root: root}
			g := s.build(t, 1)
			r := rand.New(rand.NewPCG(1, 1))
			early := int64(0)
			for tick := range 120 {
				b, c := randomPairs(r, 300), randomPairs(r, 300)
				for _, w := range []int64{1, -1} {
					if _, err := g.Step(map[string]*row.Batch{"t": weighted(b, w), "u": weighted(c, w)}, Inline); err != nil {
						t.Fatal(err)
					}
				}
				if tick == 20 {
					early = g.Bytes()
				}
			}
			if g.Bytes() > early*3/2 {
				t.Errorf("%d bytes after 20 ticks, %d after 120", early, g.Bytes())
			}
		})
	}
}

func weighted(b *row.Batch, w int64) *row.Batch {
	out := *b
	out.Weights = make([]int64, b.Len)
	for i := range out.Weights {
		out.Weights[i] = w
	}
	return &out
}

func randomPairs(r *rand.Rand, n int) *row.Batch {
	k, v := make([]int64, n), make([]int64, n)
	for i := range k {
		k[i], v[i] = int64(r.IntN(20_000)), int64(r.IntN(1000))
	}
	return &row.Batch{Cols: []row.Vec{row.FromValues(i64(), k, nil), row.FromValues(i64(), v, nil)}, Len: n}
}

func benchPlans() map[string]func() plan.Node {
	key, val := col(0, i64()), col(1, i64())
	group := func(cs ...plan.AggregateCall) func() plan.Node {
		return func() plan.Node { return &plan.Aggregate{Input: get("t", pair), Groups: []*plan.Expr{key}, Calls: cs} }
	}
	toFloat := &plan.Expr{Kind: plan.Cast, Type: row.T(row.Float64), Args: []*plan.Expr{val}}
	return map[string]func() plan.Node{
		"map": func() plan.Node {
			return &plan.Project{Input: &plan.Filter{Input: get("t", pair), Predicates: []*plan.Expr{less(val, num(500))}}, Exprs: []*plan.Expr{plus(key, val)}}
		},
		"distinct":       func() plan.Node { return &plan.Distinct{Input: get("t", pair)} },
		"sum":            group(plan.AggregateCall{Name: "sum", Args: []*plan.Expr{val}, Type: row.T(row.Int128)}, plan.AggregateCall{Name: "count_star", Type: i64()}),
		"floatsum":       group(plan.AggregateCall{Name: "sum", Args: []*plan.Expr{toFloat}, Type: row.T(row.Float64)}),
		"max":            group(plan.AggregateCall{Name: "max", Args: []*plan.Expr{val}, Type: i64()}),
		"distinct count": group(plan.AggregateCall{Name: "count", Args: []*plan.Expr{val}, Type: i64(), Distinct: true}),
		"join": func() plan.Node {
			return &plan.Join{Left: get("t", pair), Right: get("u", pair), Keys: []plan.JoinKey{{Left: key, Right: key}}}
		},
		"left join": func() plan.Node {
			return &plan.Join{Kind: plan.Left, Left: get("t", pair), Right: get("u", pair), Keys: []plan.JoinKey{{Left: key, Right: key}}}
		},
		"anti join": func() plan.Node {
			return &plan.Join{Kind: plan.Anti, Left: get("t", pair), Right: get("u", pair), Keys: []plan.JoinKey{{Left: key, Right: key}}}
		},
		"asof join": func() plan.Node {
			return &plan.Join{Kind: plan.AsOfLeft, Left: get("t", pair), Right: get("u", pair), Residual: []*plan.Expr{call(">=", val, col(3, i64()))}}
		},
		"interval join": func() plan.Node {
			return &plan.Join{Left: get("t", pair), Right: get("u", pair), Residual: []*plan.Expr{call(">=", key, col(2, i64())), call("<=", key, plus(col(2, i64()), num(1)))}}
		},
	}
}

// benchStep returns a function that runs a tick of rows on a warm graph: rows come in one tick and go in the next.
func benchStep(t testing.TB, root func() plan.Node, appendOnly bool, rows int) func() {
	s := scenario{relations: map[string][]row.Type{"t": pair, "u": pair}, appendOnly: appendOnly, root: root}
	g := s.build(t, 1)
	r := rand.New(rand.NewPCG(1, 1))
	step := func(c map[string]*row.Batch) {
		if _, err := g.Step(c, Inline); err != nil {
			t.Fatal(err)
		}
	}
	for range 10 {
		step(map[string]*row.Batch{"t": randomPairs(r, 4096), "u": randomPairs(r, 512)})
	}
	n := 0
	batches := make([]*row.Batch, 8)
	for i := range batches {
		batches[i] = randomPairs(r, rows)
	}
	return func() {
		b := batches[n/2%len(batches)]
		if !appendOnly {
			b = weighted(b, int64(1-n%2*2))
		}
		n++
		step(map[string]*row.Batch{"t": b})
	}
}

// No operator allocates per row. The trees of min and max with retractions and of joins on an order have nodes to make.
func TestNoAllocationPerRow(t *testing.T) {
	const rows = 4096
	for name, root := range benchPlans() {
		for _, appendOnly := range []bool{true, false} {
			bound := 0.06
			if name == "max" && !appendOnly || strings.Contains(name, "asof") || strings.Contains(name, "interval") {
				bound = 0.5
			}
			step := benchStep(t, root, appendOnly, rows)
			step()
			step()
			if got := testing.AllocsPerRun(6, step) / rows; got > bound {
				t.Errorf("%s (append-only %v): %.3f allocations per row", name, appendOnly, got)
			}
		}
	}
}

func BenchmarkStep(b *testing.B) {
	const rows = 4096
	for name, root := range benchPlans() {
		for mode, appendOnly := range map[string]bool{"append": true, "retract": false} {
			b.Run(name+"/"+mode, func(b *testing.B) {
				step := benchStep(b, root, appendOnly, rows)
				b.ReportAllocs()
				b.ResetTimer()
				for range b.N {
					step()
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/rows, "ns/row")
			})
		}
	}
}

// An append-only side may begin to get equal rows as one with a weight after it has taken rows without.
func TestJoinBeginsToKeepWeights(t *testing.T) {
	s := scenario{relations: map[string][]row.Type{"t": pair, "u": pair}, appendOnly: true, root: benchPlans()["join"]}
	g := s.build(t, 1)
	got := int64(0)
	one := func(w int64) *row.Batch {
		b := &row.Batch{Cols: []row.Vec{row.FromValues(i64(), []int64{1}, nil), row.FromValues(i64(), []int64{2}, nil)}, Len: 1}
		if w != 1 {
			b.Weights = []int64{w}
		}
		return b
	}
	for _, c := range []map[string]*row.Batch{{"t": one(1)}, {"t": one(3)}, {"t": one(1)}, {"u": one(2)}, {"t": one(1), "u": one(1)}} {
		out, err := g.Step(c, Inline)
		if err != nil {
			t.Fatal(err)
		}
		for _, b := range out {
			for i := range b.Len {
				got += b.Weight(i)
			}
		}
	}
	if got != 6*3 {
		t.Errorf("weights sum up to %d, want 18", got)
	}
}

// A hot key must cost the same per row however many rows it has.
func TestHotKeyIsLinear(t *testing.T) {
	side := newJoinSide([]row.Type{i64()}, pair, []bool{true, true}, true)
	const n = 200_000
	vals := make([]int64, n)
	for i := range vals {
		vals[i] = int64(i)
	}
	b := &row.Batch{Cols: []row.Vec{row.FromValues(i64(), make([]int64, n), nil), row.FromValues(i64(), vals, nil)}, Len: n}
	p := port{batch: b, keys: b.Cols[:1], hash: make([]uint64, n)}
	row.Hash(p.keys, p.hash)
	side.apply(&p)
	p.batch = weighted(b, -1)
	side.apply(&p)
	if side.rows.Len() != 0 || side.keys.Len() != 0 || side.byRow.Len() != 0 {
		t.Errorf("%d rows and %d keys are left", side.rows.Len(), side.keys.Len())
	}
	if id := side.keys.Find(p.keys, 0, p.hash[0]); id != state.None {
		t.Errorf("the key is still there")
	}
}

// A rejected row is told of once, not again when it is retracted.
func TestRetractionOfARejectIsNoReject(t *testing.T) {
	s := scenario{relations: map[string][]row.Type{"t": pair}, root: func() plan.Node {
		return &plan.Project{Input: get("t", pair), Exprs: []*plan.Expr{narrow(col(0, i64()))}}
	}}
	g := s.build(t, 2)
	b := batchOf(pair, [][]row.Value{{row.IntValue(i64(), 1000), row.IntValue(i64(), 1)}, {row.IntValue(i64(), 5), row.IntValue(i64(), 2)}}, nil)
	for w, want := range map[int64]int{1: 1, -1: 0} {
		out, err := g.Step(map[string]*row.Batch{"t": weighted(b, w)}, Inline)
		if err != nil || len(out) != 1 || out[0].Len != 1 || out[0].Weight(0) != w {
			t.Fatalf("weight %d: %v, %v", w, out, err)
		}
		if got := g.TakeRejects(); len(got) != want {
			t.Errorf("weight %d: %d rejects, want %d", w, len(got), want)
		}
	}
}

// A value under no group may fail to be represented and come back when what was too much is retracted.
func TestOverflowComesBack(t *testing.T) {
	s := scenario{relations: map[string][]row.Type{"t": pair}, root: func() plan.Node {
		return &plan.Aggregate{Input: get("t", pair), Calls: []plan.AggregateCall{{Name: "sum_no_overflow", Args: []*plan.Expr{col(0, i64())}, Type: i64()}}}
	}}
	g := s.build(t, 1)
	most := batchOf(pair, [][]row.Value{{row.IntValue(i64(), 1<<62), row.IntValue(i64(), 0)}}, nil)
	sum := newZset([]row.Type{i64()})
	for i, c := range []struct {
		w    int64
		rows int
	}{{1, 1}, {1, 0}, {-1, 1}, {2, 0}, {-3, 1}} {
		out, err := g.Step(map[string]*row.Batch{"t": weighted(most, c.w)}, Inline)
		if err != nil {
			t.Fatal(err)
		}
		for _, b := range out {
			sum.add(b)
		}
		if len(sum.n) != c.rows {
			t.Errorf("step %d: %d rows, want %d", i, len(sum.n), c.rows)
		}
	}
}

// More text than a column can hold is an error of the tick, not a crash, from either side.
func TestJoinRefusesTooMuchText(t *testing.T) {
	types := []row.Type{i64(), text()}
	s := scenario{relations: map[string][]row.Type{"t": types, "u": pair}, root: func() plan.Node {
		return &plan.Join{Left: get("t", types), Right: get("u", pair), Keys: []plan.JoinKey{{Left: col(0, i64()), Right: col(0, i64())}}}
	}}
	many := make([][]row.Value, 600)
	for i := range many {
		many[i] = []row.Value{row.IntValue(i64(), 1), row.IntValue(i64(), int64(i))}
	}
	long := batchOf(types, [][]row.Value{{row.IntValue(i64(), 1), row.StringValue(strings.Repeat("x", 1<<20))}}, nil)
	for _, order := range [][]string{{"t", "u"}, {"u", "t"}} {
		g := s.build(t, 1)
		all := map[string]*row.Batch{"t": long, "u": batchOf(pair, many, nil)}
		if _, err := g.Step(map[string]*row.Batch{order[0]: all[order[0]]}, Inline); err != nil {
			t.Fatal(err)
		}
		if _, err := g.Step(map[string]*row.Batch{order[1]: all[order[1]]}, Inline); !errors.Is(err, errMatches) {
			t.Errorf("%v: %v", order, err)
		}
	}
}
