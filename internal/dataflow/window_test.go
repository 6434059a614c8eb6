package dataflow

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/tidemill/tidemill/internal/plan"
	"github.com/tidemill/tidemill/internal/row"
)

// windowed computes each function for each row from the whole partition.
func windowed(t *testing.T, n *plan.Window, b *row.Batch) *row.Batch {
	t.Helper()
	width := len(b.Cols)
	var exprs []*plan.Expr
	type placed struct{ args, start, end, filter int }
	var places []placed
	add := func(e *plan.Expr) int {
		if e == nil {
			return -1
		}
		exprs = append(exprs, e)
		return width + len(n.Partition) + len(n.Order) + len(exprs) - 1
	}
	for i := range n.Calls {
		c := &n.Calls[i]
		p := placed{args: width + len(n.Partition) + len(n.Order) + len(exprs)}
		for _, a := range c.Args {
			add(a)
		}
		p.filter, p.start, p.end = add(c.Filter), add(c.Frame.Start.Offset), add(c.Frame.End.Offset)
		places = append(places, p)
	}
	var rows [][]row.Value
	for _, s := range sequences(t, b, n.Partition, n.Order, exprs...) {
	next:
		for pos, i := range s.at {
			var vs []row.Value
			for c := range width {
				vs = append(vs, s.b.Cols[c].Value(i))
			}
			for k := range n.Calls {
				p := places[k]
				v, ok := s.call(t, &n.Calls[k], pos, p.args, p.start, p.end, p.filter)
				if !ok {
					continue next
				}
				vs = append(vs, v)
			}
			rows = append(rows, vs)
		}
	}
	return batchOf(n.Types(), rows, nil)
}

// groupOf is the number of the group of the row at a position.
func (s *sequence) groupOf(pos int) int {
	for k := len(s.groups); k < len(s.at); k++ {
		if k == 0 {
			s.groups = append(s.groups, 0)
			continue
		}
		g := s.groups[k-1]
		if s.compare(s.at[k-1], s.at[k]) != 0 {
			g++
		}
		s.groups = append(s.groups, g)
	}
	return s.groups[pos]
}

// inFrame reports whether the row at x is on the right side of a bound of the frame of the row at pos.
func (s *sequence) inFrame(f *plan.Frame, b *plan.FrameBound, column int, start bool, pos, x int) bool {
	if b.Kind == plan.Unbounded {
		return true
	}
	sign := 1
	if start {
		sign = -1
	}
	at, here := x, pos
	if f.Unit != plan.FrameRows {
		at, here = s.groupOf(x), s.groupOf(pos)
	}
	if b.Kind == plan.CurrentRow {
		return (at-here)*sign <= 0
	}
	v := s.b.Cols[column].Value(s.at[pos])
	if f.Unit != plan.FrameRange {
		if b.Kind == plan.Preceding {
			here -= int(v.I)
		} else {
			here += int(v.I)
		}
		return (at-here)*sign <= 0
	}
	key := &s.b.Cols[s.order[0]]
	if v.Null {
		return (at-here)*sign <= 0
	}
	if key.Null(s.at[x]) {
		return s.keys[0].NullsFirst != start
	}
	c := row.Compare(key, s.at[x], &s.b.Cols[column], s.at[pos])
	if s.keys[0].Descending {
		c = -c
	}
	return c*sign <= 0
}

func (s *sequence) peersOf(pos int) (first, last int) {
	first, last = pos, pos
	for first > 0 && s.groupOf(first-1) == s.groupOf(pos) {
		first--
	}
	for last+1 < len(s.at) && s.groupOf(last+1) == s.groupOf(pos) {
		last++
	}
	return first, last
}

// frameOf returns the rows of the frame of the row at a position. It remembers the last one: the calls of a test share a frame.
func (s *sequence) frameOf(f *plan.Frame, pos, start, end int) []int {
	if s.framed && s.framePos == pos && s.frameFor == *f {
		return s.frame
	}
	first, last := s.peersOf(pos)
	s.frame, s.framed, s.framePos, s.frameFor = nil, true, pos, *f
	for x := range s.at {
		peer := x >= first && x <= last
		hidden := f.Exclude == plan.ExcludeCurrentRow && x == pos || f.Exclude == plan.ExcludeGroup && peer || f.Exclude == plan.ExcludeTies && peer && x != pos
		if !hidden && s.inFrame(f, &f.Start, start, true, pos, x) && s.inFrame(f, &f.End, end, false, pos, x) {
			s.frame = append(s.frame, s.at[x])
		}
	}
	return s.frame
}

func (s *sequence) call(t *testing.T, c *plan.WindowCall, pos, args, start, end, filter int) (row.Value, bool) {
	t.Helper()
	i := s.at[pos]
	arg := func(k, at int) row.Value { return s.b.Cols[args+k].Value(at) }
	first, last := s.peersOf(pos)
	n := len(s.at)
	var frame []int
	if c.UsesFrame() {
		frame = s.frameOf(&c.Frame, pos, start, end)
	}
	if c.IsAggregate {
		all := *s.b
		all.Weights = nil
		var cols []int
		for k := range c.Args {
			cols = append(cols, args+k)
		}
		return aggregated(t, &c.AggregateCall, &all, frame, cols, filter)
	}
	switch c.Name {
	case "row_number":
		return row.IntValue(c.Type, int64(pos)+1), true
	case "rank":
		return row.IntValue(c.Type, int64(first)+1), true
	case "dense_rank":
		return row.IntValue(c.Type, int64(s.groupOf(pos))+1), true
	case "percent_rank":
		return row.FloatValue(float64(first) / float64(max(1, n-1))), true
	case "cume_dist":
		return row.FloatValue(float64(last+1) / float64(n)), true
	case "ntile":
		tiles := int(arg(0, i).I)
		tile, left := 1, n
		for at := 0; ; tile++ {
			size := (left + tiles - tile) / (tiles - tile + 1)
			if at += size; pos < at {
				return row.IntValue(c.Type, int64(tile)), true
			}
			left -= size
		}
	case "lag", "lead":
		off, dir := int(arg(1, i).I), -1
		if (c.Name == "lead") != (off < 0) {
			dir = 1
		}
		at := pos
		for off = max(off, -off); off > 0; {
			if at += dir; at < 0 || at >= n {
				return arg(2, i), true
			}
			if !c.IgnoreNulls || !arg(0, s.at[at]).Null {
				off--
			}
		}
		return arg(0, s.at[at]), true
	}
	var seen []row.Value
	for _, x := range frame {
		if v := arg(0, x); !c.IgnoreNulls || !v.Null {
			seen = append(seen, v)
		}
	}
	nth := 1
	switch c.Name {
	case "last_value":
		nth = len(seen)
	case "nth_value":
		nth = int(arg(1, i).I)
	}
	if nth < 1 || nth > len(seen) {
		return row.NullValue(c.Type), true
	}
	return seen[nth-1], true
}

var windowTypes = []row.Type{i64(), text(), i64(), row.T(row.Float64)}

func bound(kind plan.BoundKind, n int64) plan.FrameBound {
	b := plan.FrameBound{Kind: kind}
	if kind == plan.Preceding || kind == plan.Following {
		b.Offset = num(n)
	}
	return b
}

func aggregateCallOf(name string, typ row.Type, args ...*plan.Expr) plan.AggregateCall {
	return plan.AggregateCall{Name: name, Type: typ, Args: args}
}

// framedCalls are calls of each kind over a frame; those of exact have one answer only if no two different rows are peers.
func framedCalls(f plan.Frame, exact bool) []plan.WindowCall {
	i, s, x := col(2, i64()), col(1, text()), col(3, row.T(row.Float64))
	filtered := aggregateCallOf("count", i64(), s)
	filtered.Filter = less(i, num(6))
	distinct := aggregateCallOf("sum", row.T(row.Int128), i)
	distinct.Distinct = true
	calls := []plan.AggregateCall{
		aggregateCallOf("count_star", i64()), filtered, aggregateCallOf("sum", row.T(row.Int128), i), aggregateCallOf("avg", row.T(row.Float64), i), aggregateCallOf("sum", row.T(row.Float64), x),
		aggregateCallOf("min", i64(), i), aggregateCallOf("max", row.T(row.Float64), x), aggregateCallOf("max", text(), s), distinct, aggregateCallOf("bool_and", boolean(), less(i, num(9))),
		aggregateCallOf("arg_min", text(), s, i),
	}
	var out []plan.WindowCall
	for _, c := range calls {
		out = append(out, plan.WindowCall{AggregateCall: c, IsAggregate: true, Frame: f})
	}
	if exact {
		for _, nulls := range []bool{false, true} {
			out = append(out, plan.WindowCall{AggregateCall: aggregateCallOf("first_value", i64(), i), IgnoreNulls: nulls, Frame: f},
				plan.WindowCall{AggregateCall: aggregateCallOf("last_value", text(), s), IgnoreNulls: nulls, Frame: f},
				plan.WindowCall{AggregateCall: aggregateCallOf("nth_value", i64(), i, num(3)), IgnoreNulls: nulls, Frame: f})
		}
	}
	return out
}

func windowScenario(order []plan.SortKey, partition []*plan.Expr, calls ...plan.WindowCall) scenario {
	return scenario{relations: map[string][]row.Type{"t": windowTypes}, draw: drawWindow, root: func() plan.Node {
		return &plan.Window{Input: get("t", windowTypes), Partition: partition, Order: order, Calls: calls}
	}}
}

func drawWindow(r *rand.Rand, _ string, types []row.Type) []row.Value {
	vs := drawAny(r, "", types)
	vs[0] = row.IntValue(types[0], int64(r.IntN(25)))
	if r.IntN(8) > 0 {
		vs[2] = row.IntValue(types[2], int64(r.IntN(15)))
	} else {
		vs[2] = row.NullValue(types[2])
	}
	return vs
}

// checkWindow runs a scenario less often than check: its oracle is slow.
func checkWindow(t *testing.T, s scenario) {
	t.Helper()
	s.small = true
	s.run(t, 2, 1)
	s.appendOnly = true
	s.run(t, 1, 2)
}

func TestWindowFrames(t *testing.T) {
	none, cur, pre, fol := plan.Unbounded, plan.CurrentRow, plan.Preceding, plan.Following
	frames := []plan.Frame{
		{}, {Start: bound(none, 0), End: bound(cur, 0)}, {Start: bound(pre, 3), End: bound(cur, 0)}, {Start: bound(cur, 0), End: bound(none, 0)},
		{Start: bound(pre, 2), End: bound(fol, 2)}, {Start: bound(pre, 4), End: bound(pre, 2)}, {Start: bound(fol, 1), End: bound(fol, 3)},
		{Start: bound(none, 0), End: bound(pre, 2)}, {Start: bound(none, 0), End: bound(fol, 1)}, {Start: bound(fol, 2), End: bound(none, 0)}, {Start: bound(pre, 1000), End: bound(fol, 0)},
		{Start: bound(fol, 3), End: bound(fol, 1)},
	}
	partition := []*plan.Expr{col(0, i64())}
	for _, unit := range []plan.FrameUnit{plan.FrameRows, plan.FrameGroups} {
		for k, f := range frames {
			f.Unit = unit
			for _, exclude := range []plan.Exclusion{plan.Exclusion(k % 4), plan.Exclusion((k + 1 + int(unit)) % 4)} {
				f.Exclude = exclude
				if underRace && int(exclude)%2 == k%2 {
					continue
				}
				t.Run(fmt.Sprintf("%d,%d,%d", unit, k, exclude), func(t *testing.T) {
					checkWindow(t, windowScenario(allOf(windowTypes, plan.SortKey{Expr: col(2, i64()), Descending: k%2 == 1, NullsFirst: k%3 == 1}), partition, framedCalls(f, true)...))
					if unit == plan.FrameGroups {
						checkWindow(t, windowScenario([]plan.SortKey{{Expr: col(2, i64()), Descending: k%2 == 0}}, partition, framedCalls(f, false)...))
					}
				})
			}
		}
	}
}

func TestWindowRanges(t *testing.T) {
	i := col(2, i64())
	minus := func(n int64) *plan.Expr { return plan.Fn("-", i64(), i, num(n)) }
	none, cur, pre, fol := plan.FrameBound{}, plan.FrameBound{Kind: plan.CurrentRow}, plan.Preceding, plan.Following
	for k, f := range []plan.Frame{
		{End: cur}, {Start: cur}, {Start: cur, End: cur},
		{Start: plan.FrameBound{Kind: pre, Offset: minus(2)}, End: cur}, {Start: plan.FrameBound{Kind: pre, Offset: minus(3)}, End: plan.FrameBound{Kind: fol, Offset: plus(i, num(1))}},
		{Start: none, End: plan.FrameBound{Kind: pre, Offset: minus(2)}}, {Start: plan.FrameBound{Kind: fol, Offset: plus(i, num(2))}, End: none},
		{Start: plan.FrameBound{Kind: pre, Offset: minus(4)}, End: plan.FrameBound{Kind: pre, Offset: minus(2)}},
	} {
		f.Unit = plan.FrameRange
		for _, exclude := range []plan.Exclusion{plan.ExcludeNothing, plan.ExcludeCurrentRow, plan.ExcludeGroup, plan.ExcludeTies} {
			f.Exclude = exclude
			for _, first := range []bool{false, true} {
				t.Run(fmt.Sprintf("%d,%d,%v", k, exclude, first), func(t *testing.T) {
					checkWindow(t, windowScenario([]plan.SortKey{{Expr: i, NullsFirst: first}}, []*plan.Expr{col(0, i64())}, framedCalls(f, false)...))
				})
			}
		}
	}
}

func TestWindowRanks(t *testing.T) {
	plain := func(name string, typ row.Type, args ...*plan.Expr) plan.WindowCall {
		return plan.WindowCall{AggregateCall: aggregateCallOf(name, typ, args...)}
	}
	f64 := row.T(row.Float64)
	ranks := []plan.WindowCall{plain("rank", i64()), plain("dense_rank", i64()), plain("percent_rank", f64), plain("cume_dist", f64)}
	var nulls []plan.WindowCall
	for k, n := range []int64{0, 1, 3, -2} {
		for _, name := range []string{"lag", "lead"} {
			c := plain(name, i64(), col(2, i64()), num(n), col(0, i64()))
			c.IgnoreNulls = k%2 == 1
			nulls = append(nulls, c)
		}
	}
	for _, parted := range []bool{true, false} {
		var partition []*plan.Expr
		if parted {
			partition = []*plan.Expr{col(0, i64()), plus(col(0, i64()), num(1))}
		}
		all := allOf(windowTypes, plan.SortKey{Expr: col(3, f64), Descending: true})
		peers := []plan.SortKey{{Expr: col(1, text()), NullsFirst: true}}
		for k, s := range []scenario{
			windowScenario(all, partition, plain("row_number", i64())), windowScenario(all, partition, plain("ntile", i64(), num(4)), plain("row_number", i64())),
			windowScenario(peers, partition, ranks...), windowScenario(peers, partition, ranks[0]), windowScenario(peers, partition, ranks[1]), windowScenario(all, partition, ranks...),
			windowScenario(all, partition, nulls[0], nulls[1], nulls[4], nulls[5]), windowScenario(all, partition, nulls...), windowScenario(all, partition, nulls[2]), windowScenario(all, partition, nulls[3]),
		} {
			t.Run(fmt.Sprintf("%v,%d", parted, k), func(t *testing.T) {
				if !parted && k >= 2 && k <= 5 {
					t.Skip("the oracle takes too long")
				}
				checkWindow(t, s)
			})
		}
	}
}
