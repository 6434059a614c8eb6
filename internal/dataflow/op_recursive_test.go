package dataflow

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"testing"

	"github.com/tidemill/tidemill/internal/fault"
	"github.com/tidemill/tidemill/internal/plan"
	"github.com/tidemill/tidemill/internal/row"
)

func workName(id uint64) string { return fmt.Sprintf("work %d", id) }

// iterated asks the step about the rows of the iteration before until there are none.
func iterated(t *testing.T, n *plan.Recursive, inputs map[string]*zset) *row.Batch {
	t.Helper()
	all, fresh := newZset(n.Types()), evaluate(t, n.Anchor, inputs)
	for i := 0; ; i++ {
		x := newZset(n.Types())
		x.add(fresh)
		for k := range x.n {
			if n.All {
				continue
			}
			if x.n[k] = 1; all.n[k] > 0 {
				delete(x.n, k)
			}
		}
		if len(x.n) == 0 {
			return all.batch()
		}
		if i > 300 {
			t.Fatal("the recursion does not end")
		}
		all.add(x.batch())
		in := maps.Clone(inputs)
		in[workName(n.ID)] = x
		fresh = evaluate(t, n.Step, in)
	}
}

func work(id uint64, types ...row.Type) *plan.WorkTable { return &plan.WorkTable{ID: id, Width: types} }

// closure is the transitive closure of the edges t.
func closure(all bool) plan.Node {
	a, b := col(0, i64()), col(1, i64())
	edges := get("t", pair)
	join := &plan.Join{Kind: plan.Inner, Left: work(1, pair...), Right: edges, Keys: []plan.JoinKey{{Left: b, Right: a}}}
	return &plan.Recursive{ID: 1, All: all, Anchor: edges, Step: &plan.Project{Input: join, Exprs: []*plan.Expr{a, col(3, i64())}}}
}

func recursions() map[string]func() plan.Node {
	a, b := col(0, i64()), col(1, i64())
	one := []row.Type{i64()}
	return map[string]func() plan.Node{
		"closure": func() plan.Node { return closure(false) },
		"twice the work table": func() plan.Node {
			join := &plan.Join{Kind: plan.Inner, Left: work(1, pair...), Right: work(1, pair...), Keys: []plan.JoinKey{{Left: b, Right: a}}}
			return &plan.Recursive{ID: 1, Anchor: get("t", pair), Step: &plan.Project{Input: join, Exprs: []*plan.Expr{a, col(3, i64())}}}
		},
		"counted": func() plan.Node {
			step := &plan.Filter{Input: work(1, pair...), Predicates: []*plan.Expr{less(a, num(6))}}
			return &plan.Recursive{ID: 1, All: true, Anchor: get("t", pair), Step: &plan.Project{Input: step, Exprs: []*plan.Expr{plus(a, num(2)), b}}}
		},
		// The step makes a row of no rows, and what it makes is not monotone.
		"extreme": func() plan.Node {
			largest := &plan.Aggregate{Input: &plan.Filter{Input: work(1, one...), Predicates: []*plan.Expr{less(num(2), a)}},
				Calls: []plan.AggregateCall{{Name: "max", Args: []*plan.Expr{a}, Type: i64()}}}
			step := &plan.Project{Input: largest, Exprs: []*plan.Expr{plus(a, num(-1))}}
			return &plan.Recursive{ID: 1, Anchor: &plan.Project{Input: get("t", pair), Exprs: []*plan.Expr{a}}, Step: step}
		},
		"extreme of all": func() plan.Node {
			least := &plan.Aggregate{Input: work(1, one...), Calls: []plan.AggregateCall{{Name: "min", Args: []*plan.Expr{a}, Type: i64()}}}
			step := &plan.Filter{Input: &plan.Project{Input: least, Exprs: []*plan.Expr{plus(a, num(3))}}, Predicates: []*plan.Expr{less(a, num(12))}}
			other := &plan.Filter{Input: work(1, one...), Predicates: []*plan.Expr{less(a, num(-50))}}
			return &plan.Recursive{ID: 1, All: true, Anchor: &plan.Project{Input: get("t", pair), Exprs: []*plan.Expr{a}},
				Step: &plan.Union{Branches: []plan.Node{step, other}}}
		},
		"except": func() plan.Node {
			ends := &plan.Project{Input: &plan.Join{Kind: plan.Inner, Left: work(1, one...), Right: get("t", pair), Keys: []plan.JoinKey{{Left: a, Right: a}}}, Exprs: []*plan.Expr{col(2, i64())}}
			without := &plan.SetOp{Except: true, Left: ends, Right: &plan.Project{Input: get("u", pair), Exprs: []*plan.Expr{a}}}
			start := &plan.Filter{Input: get("t", pair), Predicates: []*plan.Expr{less(a, num(2))}}
			return &plan.Recursive{ID: 1, Anchor: &plan.Project{Input: start, Exprs: []*plan.Expr{a}}, Step: without}
		},
		// Of what the inner one makes, the outer one takes what the edges u lead to.
		"nested": func() plan.Node {
			inner := &plan.Recursive{ID: 2, Anchor: work(1, one...), Step: &plan.Project{
				Input: &plan.Filter{Input: work(2, one...), Predicates: []*plan.Expr{less(a, num(5))}}, Exprs: []*plan.Expr{plus(a, num(1))}}}
			step := &plan.Project{Input: &plan.Join{Kind: plan.Inner, Left: inner, Right: get("u", pair), Keys: []plan.JoinKey{{Left: a, Right: a}}}, Exprs: []*plan.Expr{col(2, i64())}}
			return &plan.Recursive{ID: 1, Anchor: &plan.Project{Input: get("t", pair), Exprs: []*plan.Expr{b}}, Step: step}
		},
	}
}

func smallPair(r *rand.Rand, _ string, _ []row.Type) []row.Value {
	return []row.Value{row.IntValue(i64(), int64(r.IntN(14)-2)), row.IntValue(i64(), int64(r.IntN(14)-2))}
}

func TestRecursive(t *testing.T) {
	for name, root := range recursions() {
		t.Run(name, func(t *testing.T) {
			check(t, scenario{relations: map[string][]row.Type{"t": pair, "u": pair}, draw: smallPair, root: root, reordered: true})
		})
	}
}

func TestRecursionIsBounded(t *testing.T) {
	s := scenario{relations: map[string][]row.Type{"t": pair}, root: func() plan.Node { return closure(true) }}
	g := s.build(t, 1)
	loop := batchOf(pair, [][]row.Value{{row.IntValue(i64(), 1), row.IntValue(i64(), 1)}}, []int64{1})
	_, err := g.Step(map[string]*row.Batch{"t": loop}, Inline)
	var f *fault.Error
	if !errors.As(err, &f) || f.Code != fault.LimitExceeded {
		t.Errorf("a cycle under UNION ALL gives %v", err)
	}
}

// What a recursion no longer needs is freed.
func TestRecursionGivesBack(t *testing.T) {
	s := scenario{relations: map[string][]row.Type{"t": pair}, root: func() plan.Node { return closure(false) }}
	g := s.build(t, 1)
	chain := make([][]row.Value, 200)
	for i := range chain {
		chain[i] = []row.Value{row.IntValue(i64(), int64(i)), row.IntValue(i64(), int64(i+1))}
	}
	b := batchOf(pair, chain, make([]int64, len(chain)))
	early := int64(0)
	for round := range 6 {
		for _, w := range []int64{1, -1} {
			if _, err := g.Step(map[string]*row.Batch{"t": weighted(b, w)}, Inline); err != nil {
				t.Fatal(err)
			}
		}
		if round == 0 {
			early = g.Bytes()
		}
	}
	if g.Bytes() > early*5/4 {
		t.Errorf("%d bytes after a round, %d after six", early, g.Bytes())
	}
}

// BenchmarkClosure changes one of 1,000 edges at a time.
func BenchmarkClosure(b *testing.B) {
	s := scenario{relations: map[string][]row.Type{"t": pair}, root: func() plan.Node { return closure(false) }}
	g := s.build(b, 1)
	r := rand.New(rand.NewPCG(1, 1))
	edge := func() []row.Value {
		from := r.IntN(900)
		return []row.Value{row.IntValue(i64(), int64(from)), row.IntValue(i64(), int64(from+1+r.IntN(100)))}
	}
	edges := make([][]row.Value, 1000)
	weights := make([]int64, len(edges))
	for i := range edges {
		edges[i], weights[i] = edge(), 1
	}
	step := func(rows [][]row.Value, weights []int64) {
		if _, err := g.Step(map[string]*row.Batch{"t": batchOf(pair, rows, weights)}, Inline); err != nil {
			b.Fatal(err)
		}
	}
	step(edges, weights)
	b.ReportMetric(float64(g.Bytes())/1e6, "MB")
	for b.Loop() {
		k := r.IntN(len(edges))
		was := edges[k]
		edges[k] = edge()
		step([][]row.Value{was, edges[k]}, []int64{-1, 1})
	}
	b.ReportMetric(float64(g.Bytes())/1e6, "MB")
}
