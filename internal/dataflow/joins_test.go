package dataflow

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/tidemill/tidemill/internal/plan"
	"github.com/tidemill/tidemill/internal/row"
)

// matchedRows answers a join in the simplest way: it looks at every pair.
func matchedRows(t *testing.T, n *plan.Join, l, r *row.Batch) *row.Batch {
	t.Helper()
	pairs, at := &row.Batch{}, [2][]int32{}
	for i := range int32(l.Len) {
		for j := range int32(r.Len) {
			at[0], at[1] = append(at[0], i), append(at[1], j)
			pairs.Weights = append(pairs.Weights, l.Weight(int(i))*r.Weight(int(j)))
		}
	}
	// Two columns more say which rows a pair is of.
	for side, b := range []*row.Batch{l, r} {
		pairs.Cols = append(pairs.Cols, b.Gather(at[side]).Cols...)
	}
	pairs.Cols = append(pairs.Cols, row.FromValues(row.T(row.Int32), at[0], nil), row.FromValues(row.T(row.Int32), at[1], nil))
	pairs.Len = len(at[0])
	if pairs.Len == 0 {
		pairs.Weights = nil
	}
	pairs = choose(t, pairs, conditionOf(n, len(l.Cols)))
	width := len(pairs.Cols) - 2
	lhit, rhit := make([]bool, l.Len), make([]bool, r.Len)
	for k := range pairs.Len {
		lhit[row.Values[int32](&pairs.Cols[width])[k]], rhit[row.Values[int32](&pairs.Cols[width+1])[k]] = true, true
	}
	matches := &row.Batch{Cols: pairs.Cols[:width], Len: pairs.Len, Weights: pairs.Weights}
	lone := padded(l, lhit, false, nil, typesIn(r))
	out := []*row.Batch{matches}
	switch n.Kind {
	case plan.Left:
		out = append(out, lone)
	case plan.Right:
		out = append(out, padded(r, rhit, false, typesIn(l), nil))
	case plan.Full:
		out = append(out, lone, padded(r, rhit, false, typesIn(l), nil))
	case plan.Semi:
		return padded(l, lhit, true, nil, nil)
	case plan.Anti:
		return padded(l, lhit, false, nil, nil)
	case plan.Exists:
		yes, no := padded(l, lhit, true, nil, nil), padded(l, lhit, false, nil, nil)
		yes.Cols, no.Cols = append(yes.Cols, row.BoolValue(true).Repeat(yes.Len)), append(no.Cols, row.BoolValue(false).Repeat(no.Len))
		out = []*row.Batch{yes, no}
	}
	return row.Concat(out)
}

func conditionOf(n *plan.Join, width int) []*plan.Expr {
	var all []*plan.Expr
	for _, k := range n.Keys {
		name := plan.Equals
		if k.NullsEqual {
			name = plan.NotDistinctFrom
		}
		right := k.Right.Substitute(func(c *plan.Expr) *plan.Expr { return plan.Col(c.Index+width, c.Type) })
		all = append(all, plan.Fn(name, boolean(), k.Left, right))
	}
	return append(all, n.Residual...)
}

// padded returns the rows of b that were hit, or not, between nulls of the given types.
func padded(b *row.Batch, hit []bool, want bool, before, behind []row.Type) *row.Batch {
	var at []int32
	for i, h := range hit {
		if h == want {
			at = append(at, int32(i))
		}
	}
	some := b.Gather(at)
	out := &row.Batch{Len: some.Len, Weights: some.Weights}
	for _, t := range before {
		out.Cols = append(out.Cols, row.NullVec(t, some.Len))
	}
	out.Cols = append(out.Cols, some.Cols...)
	for _, t := range behind {
		out.Cols = append(out.Cols, row.NullVec(t, some.Len))
	}
	return out
}

// nearestRows answers an ASOF join whose right side has no two rows with the same key and place.
func nearestRows(t *testing.T, n *plan.Join, l, r *row.Batch) *row.Batch {
	t.Helper()
	order, _, _ := nearest(n, len(l.Cols))
	inner := *n
	inner.Kind = plan.Inner
	var at [2][]int32
	rhit := make([]bool, r.Len)
	places, _ := compute(t, r, []*plan.Expr{order.right})
	numbered := func(b *row.Batch) *row.Batch {
		return &row.Batch{Cols: append(slices.Clone(b.Cols), row.FromValues(row.T(row.Int32), upToInt32(b.Len), nil)), Len: b.Len}
	}
	// The left number stands behind the columns of both sides, so that the condition still finds its columns.
	rn := numbered(r)
	ln := row.FromValues(row.T(row.Int32), upToInt32(l.Len), nil)
	best := make([]int32, l.Len)
	for i := range l.Len {
		best[i] = -1
	}
	found := pairsOf(t, &inner, &row.Batch{Cols: l.Cols, Len: l.Len}, rn, ln)
	last := len(found.Cols) - 1
	for k := range found.Len {
		i, j := row.Values[int32](&found.Cols[last])[k], row.Values[int32](&found.Cols[last-1])[k]
		if best[i] >= 0 && (row.Compare(&places.Cols[0], int(j), &places.Cols[0], int(best[i])) > 0) == order.less {
			continue
		}
		best[i] = j
	}
	for i, j := range best {
		at[0], at[1] = append(at[0], int32(i)), append(at[1], j)
		if j >= 0 {
			rhit[j] = true
		}
	}
	var li, ri, lone []int32
	for k, j := range at[1] {
		if j >= 0 {
			li, ri = append(li, at[0][k]), append(ri, j)
		} else {
			lone = append(lone, at[0][k])
		}
	}
	pairs := l.Gather(li)
	pairs.Cols = append(pairs.Cols, r.Gather(ri).Cols...)
	out := []*row.Batch{pairs}
	if n.Kind == plan.AsOfLeft || n.Kind == plan.AsOfFull {
		out = append(out, padded(l.Gather(lone), make([]bool, len(lone)), false, nil, typesIn(r)))
	}
	if n.Kind == plan.AsOfRight || n.Kind == plan.AsOfFull {
		out = append(out, padded(r, rhit, false, typesIn(l), nil))
	}
	return row.Concat(out)
}

// pairsOf returns the pairs that satisfy a join's condition, and a column of the left side behind.
func pairsOf(t *testing.T, n *plan.Join, l, r *row.Batch, behind row.Vec) *row.Batch {
	t.Helper()
	var at [2][]int32
	for i := range int32(l.Len) {
		for j := range int32(r.Len) {
			at[0], at[1] = append(at[0], i), append(at[1], j)
		}
	}
	out := l.Gather(at[0])
	out.Cols = append(append(out.Cols, r.Gather(at[1]).Cols...), behind.Gather(at[0]))
	return choose(t, out, conditionOf(n, len(l.Cols)))
}

func upToInt32(n int) []int32 {
	out := make([]int32, n)
	for i := range out {
		out[i] = int32(i)
	}
	return out
}

// few draws rows of small numbers, with nulls, so that keys and ranges meet.
func few(r *rand.Rand, _ string, types []row.Type) []row.Value {
	vs := make([]row.Value, len(types))
	for i, t := range types {
		if r.IntN(9) == 0 {
			vs[i] = row.NullValue(t)
		} else {
			vs[i] = row.IntValue(t, int64(r.IntN(24)))
		}
	}
	return vs
}

var triple = []row.Type{i64(), i64(), i64()}

func call(name string, a, b *plan.Expr) *plan.Expr { return plan.Fn(name, boolean(), a, b) }

func TestJoinsOfEveryKind(t *testing.T) {
	k, v, w := col(0, i64()), col(1, i64()), col(2, i64())
	rk, rv, rw := col(3, i64()), col(4, i64()), col(5, i64())
	equal, same := []plan.JoinKey{{Left: k, Right: k}}, []plan.JoinKey{{Left: k, Right: k, NullsEqual: true}, {Left: plus(v, num(1)), Right: v}}
	interval := []*plan.Expr{call(">=", v, plan.Fn("-", i64(), rv, num(3))), call("<=", v, plus(rv, num(2)))}
	for name, c := range map[string]struct {
		keys     []plan.JoinKey
		residual []*plan.Expr
	}{
		"keys":             {equal, nil},
		"keys, null equal": {same, nil},
		"keys, residual":   {equal, []*plan.Expr{call("<>", v, rv)}},
		"keys, interval":   {equal, interval},
		"interval":         {nil, interval},
		"between":          {nil, []*plan.Expr{call(">=", v, rv), call("<", v, rw)}},
		"less":             {nil, []*plan.Expr{call("<", v, rv)}},
		"unequal":          {nil, []*plan.Expr{call("<>", v, rv), call("<", w, num(6))}},
		"or":               {nil, []*plan.Expr{plan.Fn(plan.Or, boolean(), call("=", k, rk), call("<", plus(v, rv), num(3)))}},
		"nothing":          {nil, nil},
	} {
		for _, kind := range []plan.JoinKind{plan.Inner, plan.Left, plan.Right, plan.Full, plan.Semi, plan.Anti, plan.Exists} {
			t.Run(fmt.Sprintf("%s/%d", name, kind), func(t *testing.T) {
				t.Parallel()
				s := scenario{relations: map[string][]row.Type{"t": triple, "u": triple}, draw: few, sizes: []int{0, 1, 3, 10}, root: func() plan.Node {
					return &plan.Join{Kind: kind, Left: get("t", triple), Right: get("u", triple), Keys: c.keys, Residual: c.residual}
				}}
				check(t, s)
			})
		}
	}
}

// What is above a join takes columns of it in another order, or none of one side.
func TestJoinsUnderProjections(t *testing.T) {
	v := col(1, i64())
	for _, kind := range []plan.JoinKind{plan.Inner, plan.Left, plan.Right, plan.Full} {
		for _, out := range [][]*plan.Expr{{col(4, i64()), col(0, i64())}, {col(5, i64())}, {plus(col(2, i64()), num(1))}} {
			check(t, scenario{relations: map[string][]row.Type{"t": triple, "u": triple}, draw: few, sizes: []int{1, 3, 10}, root: func() plan.Node {
				j := &plan.Join{Kind: kind, Left: get("t", triple), Right: get("u", triple), Keys: []plan.JoinKey{{Left: v, Right: v}}, Residual: []*plan.Expr{call("<", v, col(5, i64()))}}
				return &plan.Project{Input: j, Exprs: out}
			}})
		}
	}
}

func TestAsOfJoins(t *testing.T) {
	k, v, rv := col(0, i64()), col(1, i64()), col(4, i64())
	distinct := func() plan.Node {
		places := &plan.Distinct{Input: &plan.Project{Input: get("u", triple), Exprs: []*plan.Expr{k, v}}}
		return &plan.Project{Input: places, Exprs: []*plan.Expr{k, col(1, i64()), plus(k, num(1))}}
	}
	for _, op := range []string{">=", ">", "<=", "<"} {
		for _, kind := range []plan.JoinKind{plan.AsOf, plan.AsOfLeft, plan.AsOfRight, plan.AsOfFull} {
			for _, keys := range [][]plan.JoinKey{nil, {{Left: k, Right: k}}, {{Left: k, Right: k, NullsEqual: true}}} {
				t.Run(fmt.Sprintf("%s/%d/%d", op, kind, len(keys)), func(t *testing.T) {
					t.Parallel()
					check(t, scenario{relations: map[string][]row.Type{"t": triple, "u": triple}, draw: few, sizes: []int{0, 1, 3, 10}, root: func() plan.Node {
						right := distinct()
						if keys == nil { // then the places alone must be different
							right = &plan.Project{Input: &plan.Distinct{Input: &plan.Project{Input: get("u", triple), Exprs: []*plan.Expr{v}}},
								Exprs: []*plan.Expr{num(7), k, plus(k, num(1))}}
						}
						return &plan.Join{Kind: kind, Left: get("t", triple), Right: right, Keys: keys, Residual: []*plan.Expr{call(op, v, rv)}}
					}})
				})
			}
		}
	}
}

// Of right rows at the same place the last to arrive is taken; when it goes, the one before it.
func TestAsOfTies(t *testing.T) {
	s := scenario{relations: map[string][]row.Type{"t": pair, "u": pair}}
	for _, op := range []string{">=", "<="} {
		s.root = func() plan.Node {
			return &plan.Join{Kind: plan.AsOfLeft, Left: get("t", pair), Right: get("u", pair), Residual: []*plan.Expr{call(op, col(0, i64()), col(2, i64()))}}
		}
		mustGive(t, &s, []map[string][][3]int64{{"t": {{5, 1, 1}}}, {"u": {{5, 10, 1}}}, {"u": {{5, 11, 1}, {5, 12, 1}}}, {"u": {{5, 12, -1}}}, {"u": {{5, 11, -1}, {5, 10, -1}}}},
			[]int64{-1, 10, 12, 11, -1}, 3)
	}
}

// A scalar subquery takes the first row to arrive.
func TestSingleTakesTheFirst(t *testing.T) {
	s := scenario{relations: map[string][]row.Type{"t": pair, "u": pair}, root: func() plan.Node {
		return &plan.Join{Kind: plan.Single, Left: get("t", pair), Right: get("u", pair), Keys: []plan.JoinKey{{Left: col(0, i64()), Right: col(0, i64())}}}
	}}
	mustGive(t, &s, []map[string][][3]int64{{"t": {{5, 1, 1}}}, {"u": {{5, 10, 1}, {5, 11, 1}}}, {"u": {{5, 12, 1}, {5, 10, -1}}}, {"u": {{5, 11, -1}}}, {"u": {{5, 12, -1}, {6, 1, 1}}}},
		[]int64{-1, 10, 11, 12, -1}, 3)
}

// mustGive feeds ticks of rows (two columns and a weight) and looks at a column of the one row that there is, -1 for null.
func mustGive(t *testing.T, s *scenario, ticks []map[string][][3]int64, want []int64, column int) {
	t.Helper()
	g := s.build(t, 2)
	got := newZset(g.Types())
	for i, tick := range ticks {
		changes := map[string]*row.Batch{}
		for name, rows := range tick {
			var vs [][]row.Value
			var ws []int64
			for _, r := range rows {
				vs, ws = append(vs, []row.Value{row.IntValue(i64(), r[0]), row.IntValue(i64(), r[1])}), append(ws, r[2])
			}
			changes[name] = batchOf(pair, vs, ws)
		}
		out, err := g.Step(changes, Inline)
		if err != nil {
			t.Fatal(err)
		}
		for _, b := range out {
			got.add(b)
		}
		if len(got.n) != 1 {
			t.Fatalf("tick %d: %d rows", i, len(got.n))
		}
		for k := range got.n {
			v := got.rows[k][column]
			if v.Null != (want[i] < 0) || !v.Null && v.I != want[i] {
				t.Errorf("tick %d gives %s, want %d", i, show(got.rows[k]), want[i])
			}
		}
	}
}

// A tick emits nothing for what comes and goes in it, and nothing twice.
func TestMatchesAreNet(t *testing.T) {
	s := scenario{relations: map[string][]row.Type{"t": pair, "u": pair}, root: func() plan.Node {
		return &plan.Join{Kind: plan.Left, Left: get("t", pair), Right: get("u", pair), Keys: []plan.JoinKey{{Left: col(0, i64()), Right: col(0, i64())}}}
	}}
	g := s.build(t, 1)
	one := func(ws ...int64) *row.Batch {
		rows := make([][]row.Value, len(ws))
		for i := range rows {
			rows[i] = []row.Value{row.IntValue(i64(), 1), row.IntValue(i64(), 2)}
		}
		b := batchOf(pair, rows, nil)
		b.Weights = ws
		return b
	}
	for i, c := range []struct {
		changes map[string]*row.Batch
		rows    int
	}{
		{map[string]*row.Batch{"t": one(1)}, 1},
		{map[string]*row.Batch{"u": one(1, -1)}, 0},
		{map[string]*row.Batch{"u": one(1)}, 2},
		{map[string]*row.Batch{"u": one(-1, 1), "t": one(1, -1)}, 0},
		{map[string]*row.Batch{"u": one(1, 1)}, 1},
		{map[string]*row.Batch{"t": one(-1)}, 1},
	} {
		out, err := g.Step(c.changes, Inline)
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for _, b := range out {
			n += b.Len
		}
		if n != c.rows {
			t.Errorf("tick %d changes %d rows, want %d", i, n, c.rows)
		}
	}
}

// An offset moves a bound to the safe side where it leaves the range of integers, and not at all from an infinite time.
func TestMoved(t *testing.T) {
	const top = 1 << 63
	bits := func(v int64) uint64 { return uint64(v) ^ top }
	const most = 1<<63 - 1
	for _, c := range []struct {
		v, by int64
		upper bool
		want  int64
	}{
		{5, 3, true, 8}, {5, -3, false, 2}, {most - 1, 5, true, most}, {most - 1, 5, false, most},
		{-most + 1, -5, true, -most}, {-most + 1, -5, false, -most - 1},
		{most, -5, true, most}, {most, -5, false, most - 5}, {-most, 5, true, -most + 5}, {-most, 5, false, -most},
	} {
		if got := int64(moved(bits(c.v), c.by, c.upper) ^ top); got != c.want {
			t.Errorf("%d%+d, upper %v: %d, want %d", c.v, c.by, c.upper, got, c.want)
		}
	}
}
