package dataflow

import (
	"math/rand/v2"
	"testing"

	"github.com/tidemill/tidemill/internal/plan"
	"github.com/tidemill/tidemill/internal/row"
)

var (
	pair     = []row.Type{i64(), i64()}
	keyed    = []row.Type{row.T(row.Int32), i64(), text(), row.T(row.Float64)}
	relation = map[string][]row.Type{"t": keyed}
)

func TestMap(t *testing.T) {
	check(t, scenario{relations: relation, root: func() plan.Node {
		in := &plan.Filter{Input: get("t", keyed), Predicates: []*plan.Expr{less(num(-3), col(1, i64()))}}
		p := &plan.Project{Input: in, Exprs: []*plan.Expr{col(2, text()), plus(col(1, i64()), num(1)), num(7)}}
		return &plan.Sort{Input: &plan.Filter{Input: p, Predicates: []*plan.Expr{less(col(1, i64()), num(900))}}}
	}})
}

func TestGetWithFilterAndWithoutColumns(t *testing.T) {
	check(t, scenario{relations: relation, root: func() plan.Node {
		g := get("t", keyed)
		g.Columns, g.Schema = []int{3, 1}, schemaOf([]row.Type{keyed[3], keyed[1]})
		g.Filters = []*plan.Expr{less(col(1, i64()), num(2))}
		return &plan.Aggregate{Input: &plan.Project{Input: g, Exprs: []*plan.Expr{}}, Calls: []plan.AggregateCall{{Name: "count_star", Type: i64()}}}
	}})
}

// Rows on which an expression fails vanish, and their retractions with them.
func TestRejects(t *testing.T) {
	check(t, scenario{relations: map[string][]row.Type{"t": pair, "u": pair}, root: func() plan.Node {
		p := &plan.Project{Input: get("t", pair), Exprs: []*plan.Expr{narrow(col(0, i64())), col(1, i64())}}
		f := &plan.Filter{Input: p, Predicates: []*plan.Expr{less(narrow(col(1, i64())), col(0, row.T(row.Int8)))}}
		return &plan.Join{Left: f, Right: get("u", pair),
			Keys:     []plan.JoinKey{{Left: plan.Fn("+", i64(), num(1), col(1, i64())), Right: plus(col(0, i64()), col(0, i64()))}},
			Residual: []*plan.Expr{less(plus(col(1, i64()), col(3, i64())), num(1))}}
	}})
}

func TestUnionAndValues(t *testing.T) {
	check(t, scenario{relations: map[string][]row.Type{"t": pair, "u": pair}, root: func() plan.Node {
		shared := get("t", pair)
		vals := &plan.Values{Width: pair, Rows: [][]*plan.Expr{{num(1), num(2)}, {num(1), plan.Const(row.NullValue(i64()))}, {num(1), num(2)}}}
		return &plan.Union{Branches: []plan.Node{shared, get("u", pair), shared, vals}}
	}})
}

func TestValuesWithoutColumns(t *testing.T) {
	check(t, scenario{root: func() plan.Node {
		one := &plan.Values{Rows: [][]*plan.Expr{{}, {}}}
		return &plan.Project{Input: one, Exprs: []*plan.Expr{num(4)}}
	}})
}

func TestDistinct(t *testing.T) {
	for _, types := range [][]row.Type{{i64()}, {row.T(row.Float64)}, {text()}, keyed, allTypes[:4]} {
		check(t, scenario{relations: map[string][]row.Type{"t": types}, root: func() plan.Node {
			return &plan.Distinct{Input: get("t", types)}
		}})
	}
}

func calls(in []row.Type, at int, distinct bool, filter *plan.Expr) []plan.AggregateCall {
	typ := in[at]
	x := []*plan.Expr{col(at, typ)}
	cs := []plan.AggregateCall{{Name: "count", Args: x, Type: i64()}, {Name: "min", Args: x, Type: typ}, {Name: "max", Args: x, Type: typ},
		{Name: "arg_min", Args: []*plan.Expr{x[0], col(1, in[1])}, Type: typ}, {Name: "arg_max", Args: []*plan.Expr{col(1, in[1]), x[0]}, Type: in[1]}}
	switch k := typ.Kind; {
	case k == row.Bool:
		cs = append(cs, plan.AggregateCall{Name: "bool_and", Args: x, Type: typ}, plan.AggregateCall{Name: "bool_or", Args: x, Type: typ}, plan.AggregateCall{Name: "count_if", Args: x, Type: row.T(row.Int128)},
			plan.AggregateCall{Name: "sum", Args: x, Type: row.T(row.Int128)})
	case k == row.Float32 || k == row.Float64:
		cs = append(cs, plan.AggregateCall{Name: "sum", Args: x, Type: row.T(row.Float64)}, plan.AggregateCall{Name: "avg", Args: x, Type: row.T(row.Float64)})
	case typ.IsInteger():
		cs = append(cs, plan.AggregateCall{Name: "sum", Args: x, Type: row.T(row.Int128)}, plan.AggregateCall{Name: "avg", Args: x, Type: row.T(row.Float64)})
		if k == row.Int64 {
			cs = append(cs, plan.AggregateCall{Name: "sum_no_overflow", Args: x, Type: i64()})
		}
	case k == row.Decimal:
		cs = append(cs, plan.AggregateCall{Name: "sum", Args: x, Type: row.DecimalType(38, typ.Scale)}, plan.AggregateCall{Name: "avg", Args: x, Type: row.T(row.Float64)})
	}
	for i := range cs {
		cs[i].Distinct, cs[i].Filter = distinct, filter
	}
	return cs
}

func TestAggregatesOfEveryType(t *testing.T) {
	for n, typ := range allTypes {
		in := []row.Type{row.T(row.Int16), text(), typ, boolean()}
		t.Run(typ.String(), func(t *testing.T) {
			s := scenario{relations: map[string][]row.Type{"t": in}, root: func() plan.Node {
				cs := append([]plan.AggregateCall{{Name: "count_star", Type: i64()}}, calls(in, 2, false, nil)...)
				cs = append(cs, calls(in, 2, true, nil)...)
				cs = append(cs, calls(in, 2, false, col(3, boolean()))...)
				return &plan.Aggregate{Input: get("t", in), Groups: []*plan.Expr{col(0, in[0])}, Calls: cs}
			}}
			for _, s.appendOnly = range []bool{false, true} {
				s.run(t, 1+n%3, uint64(n))
			}
		})
	}
}

// A failing group hides its whole row; the calls with and without overflow must not be mixed up.
func TestAggregateByManyKeys(t *testing.T) {
	check(t, scenario{relations: relation, root: func() plan.Node {
		return &plan.Aggregate{Input: get("t", keyed), Groups: []*plan.Expr{col(2, text()), plus(col(1, i64()), num(1)), col(3, keyed[3])},
			Calls: []plan.AggregateCall{{Name: "sum", Args: []*plan.Expr{col(1, i64())}, Type: row.T(row.Int128)}, {Name: "count_star", Type: i64()}}}
	}})
}

func TestGlobalAggregate(t *testing.T) {
	check(t, scenario{relations: map[string][]row.Type{"t": pair}, root: func() plan.Node {
		return &plan.Aggregate{Input: get("t", pair), Calls: calls(pair, 1, false, nil)}
	}})
}

func TestGlobalAggregateOnItsOwn(t *testing.T) {
	for workers := 1; workers <= 3; workers++ {
		s := scenario{relations: map[string][]row.Type{"t": pair}, root: func() plan.Node {
			return &plan.Aggregate{Input: get("t", pair), Calls: []plan.AggregateCall{{Name: "count_star", Type: i64()}}}
		}}
		g := s.build(t, workers)
		out, err := g.Step(nil, parallel)
		if err != nil || len(out) != 1 || out[0].Len != 1 || out[0].Cols[0].Value(0).I != 0 {
			t.Fatalf("first tick: %v, %v", out, err)
		}
		if out, err = g.Step(nil, parallel); err != nil || len(out) != 0 {
			t.Fatalf("second tick: %v, %v", out, err)
		}
	}
}

func drawKeys(r *rand.Rand, _ string, types []row.Type) []row.Value {
	vs := drawAny(r, "", types)
	if r.IntN(5) > 0 {
		vs[0] = row.IntValue(types[0], int64(r.IntN(300))) // many keys that empty and are used again
	}
	return vs
}

func TestJoin(t *testing.T) {
	rels := map[string][]row.Type{"l": keyed, "r": {row.T(row.Int32), text(), i64()}}
	for _, nulls := range []bool{false, true} {
		check(t, scenario{relations: rels, draw: drawKeys, root: func() plan.Node {
			j := &plan.Join{Left: get("l", rels["l"]), Right: get("r", rels["r"]),
				Keys:     []plan.JoinKey{{Left: col(0, keyed[0]), Right: col(0, keyed[0]), NullsEqual: nulls}, {Left: col(2, text()), Right: col(1, text())}},
				Residual: []*plan.Expr{less(col(1, i64()), col(6, i64()))}}
			return &plan.Project{Input: &plan.Filter{Input: j, Predicates: []*plan.Expr{less(num(-3), col(6, i64()))}}, Exprs: []*plan.Expr{col(3, keyed[3]), col(5, text()), plus(col(1, i64()), num(0))}}
		}})
	}
}

func TestJoinOfEveryType(t *testing.T) {
	for n, typ := range allTypes {
		rels := map[string][]row.Type{"l": {typ, i64()}, "r": {text(), typ}}
		s := scenario{relations: rels, root: func() plan.Node {
			return &plan.Distinct{Input: &plan.Join{Left: get("l", rels["l"]), Right: get("r", rels["r"]), Keys: []plan.JoinKey{{Left: col(0, typ), Right: col(1, typ)}}}}
		}}
		t.Run(typ.String(), func(t *testing.T) { s.run(t, 1+n%3, uint64(n)) })
	}
}

func TestSelfJoinOfSharedNode(t *testing.T) {
	check(t, scenario{relations: map[string][]row.Type{"t": pair}, draw: drawKeys, root: func() plan.Node {
		agg := &plan.Aggregate{Input: get("t", pair), Groups: []*plan.Expr{col(0, i64())}, Calls: []plan.AggregateCall{{Name: "max", Args: []*plan.Expr{col(1, i64())}, Type: i64()}}}
		j := &plan.Join{Left: agg, Right: agg, Keys: []plan.JoinKey{{Left: col(0, i64()), Right: col(1, i64())}}}
		return &plan.Aggregate{Input: j, Calls: []plan.AggregateCall{{Name: "count_star", Type: i64()}}}
	}})
	check(t, scenario{relations: map[string][]row.Type{"t": pair}, draw: drawKeys, root: func() plan.Node {
		in := get("t", pair)
		return &plan.Join{Left: in, Right: in, Keys: []plan.JoinKey{{Left: col(0, i64()), Right: col(0, i64())}}}
	}})
}

func TestJoinUnderCount(t *testing.T) {
	check(t, scenario{relations: map[string][]row.Type{"t": pair, "u": pair}, draw: drawKeys, root: func() plan.Node {
		j := &plan.Join{Left: get("t", pair), Right: get("u", pair), Keys: []plan.JoinKey{{Left: col(0, i64()), Right: col(0, i64())}},
			Residual: []*plan.Expr{less(col(1, i64()), col(3, i64()))}}
		return &plan.Aggregate{Input: &plan.Filter{Input: j, Predicates: []*plan.Expr{less(col(3, i64()), num(900))}}, Calls: []plan.AggregateCall{{Name: "count_star", Type: i64()}}}
	}})
}
