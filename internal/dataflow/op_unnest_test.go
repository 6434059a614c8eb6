package dataflow

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/tidemill/tidemill/internal/plan"
	"github.com/tidemill/tidemill/internal/row"
)

func listOfItems(elem row.Type, items ...*plan.Expr) *plan.Expr {
	return plan.Fn("list_value", row.Type{Kind: row.Other, Name: elem.String() + "[]"}, items...)
}

func seriesOf(name string, args ...*plan.Expr) *plan.Expr {
	return plan.Fn(name, row.Type{Kind: row.Other, Name: "BIGINT[]"}, args...)
}

// unnestedRows repeats each row for its elements, one at a time.
func unnestedRows(t *testing.T, n *plan.Unnest, in *row.Batch) *row.Batch {
	var parts []*row.Batch
	cols := make([][][]*row.Vec, len(n.Lists)) // per list and row its elements
	for k, e := range n.Lists {
		args, kept := compute(t, in, e.Args)
		if kept.Len != in.Len {
			t.Fatal("a list fails")
		}
		for i := range in.Len {
			var elems []*row.Vec
			for a := range args.Cols {
				if e.Name == "list_value" {
					x := args.Cols[a].Gather([]int32{int32(i)})
					elems = append(elems, &x)
				}
			}
			if e.Name != "list_value" && !slices.ContainsFunc(args.Cols, func(v row.Vec) bool { return v.Null(i) }) {
				from, to := row.Values[int64](&args.Cols[0])[i], row.Values[int64](&args.Cols[1])[i]
				step := int64(1)
				if len(e.Args) == 3 {
					step = e.Args[2].Value.V.Micros
				}
				for v := from; v < to || v == to && e.Name == "generate_series"; v += step {
					x := row.FromValues(n.Width[k], []int64{v}, nil)
					elems = append(elems, &x)
				}
			}
			cols[k] = append(cols[k], elems)
		}
	}
	for i := range in.Len {
		longest := 0
		for k := range cols {
			longest = max(longest, len(cols[k][i]))
		}
		for p := range max(longest, map[bool]int{true: 1}[n.Outer]) {
			out := in.Gather([]int32{int32(i)})
			for k := range cols {
				v := row.NullVec(n.Width[k], 1)
				if p < len(cols[k][i]) {
					v = *cols[k][i][p]
				}
				out.Cols = append(out.Cols, v)
			}
			if n.Ordinality {
				v := row.NullVec(i64(), 1)
				if longest > 0 {
					v = row.FromValues(i64(), []int64{int64(p + 1)}, nil)
				}
				out.Cols = append(out.Cols, v)
			}
			parts = append(parts, out)
		}
	}
	z := newZset(n.Types())
	for _, p := range parts {
		z.add(p)
	}
	return z.batch()
}

func TestUnnest(t *testing.T) {
	types := []row.Type{i64(), i64(), text()}
	draw := func(r *rand.Rand, _ string, _ []row.Type) []row.Value {
		return []row.Value{row.IntValue(i64(), int64(r.IntN(9)-2)), randomSmall(r), randomValue(r, text())}
	}
	a, b, s := col(0, i64()), col(1, i64()), col(2, text())
	plans := map[string]func(in plan.Node) plan.Node{
		"items": func(in plan.Node) plan.Node {
			return &plan.Unnest{Input: in, Lists: []*plan.Expr{listOfItems(i64(), a, b, plus(a, b))}, Width: []row.Type{i64()}}
		},
		"series": func(in plan.Node) plan.Node {
			return &plan.Unnest{Input: in, Lists: []*plan.Expr{seriesOf("range", a, b)}, Width: []row.Type{i64()}, Ordinality: true}
		},
		"outer": func(in plan.Node) plan.Node {
			return &plan.Unnest{Input: in, Lists: []*plan.Expr{seriesOf("generate_series", a, b)}, Width: []row.Type{i64()}, Outer: true, Ordinality: true}
		},
		"zipped": func(in plan.Node) plan.Node {
			lists := []*plan.Expr{seriesOf("generate_series", a, b), listOfItems(text(), s, s), seriesOf("range", b, a)}
			return &plan.Unnest{Input: in, Lists: lists, Width: []row.Type{i64(), text(), i64()}, Outer: true}
		},
		"above": func(in plan.Node) plan.Node {
			n := &plan.Unnest{Input: in, Lists: []*plan.Expr{seriesOf("range", a, b)}, Width: []row.Type{i64()}}
			return &plan.Project{Input: &plan.Filter{Input: n, Predicates: []*plan.Expr{less(b, plus(col(3, i64()), num(2)))}}, Exprs: []*plan.Expr{col(3, i64()), s}}
		},
	}
	for name, root := range plans {
		t.Run(name, func(t *testing.T) {
			check(t, scenario{relations: map[string][]row.Type{"t": types}, draw: draw, root: func() plan.Node { return root(get("t", types)) }})
		})
	}
}

func randomSmall(r *rand.Rand) row.Value {
	if r.IntN(8) == 0 {
		return row.NullValue(i64())
	}
	return row.IntValue(i64(), int64(r.IntN(9)-2))
}

func TestSeriesLength(t *testing.T) {
	for _, c := range []struct {
		from, end, step int64
		inclusive       bool
		want            int
		fails           bool
	}{
		{0, 10, 3, false, 4, false}, {0, 9, 3, false, 3, false}, {0, 9, 3, true, 4, false}, {5, 5, 1, false, 0, false}, {5, 5, 1, true, 1, false},
		{5, 1, -2, true, 3, false}, {5, 1, -2, false, 2, false}, {1, 5, -1, true, 0, false}, {1, 5, 0, true, 0, false},
		{math.MinInt64, math.MaxInt64, math.MaxInt64, true, 3, false}, {math.MaxInt64, math.MinInt64, math.MinInt64, true, 2, false},
		{math.MinInt64, math.MaxInt64, 1, true, 0, true}, {0, maxElements, 1, false, maxElements, false}, {0, maxElements, 1, true, 0, true},
	} {
		n, message := seriesLength(c.from, c.end, c.step, c.inclusive)
		if n != c.want || (message != "") != c.fails {
			t.Errorf("%+v: %d %s", c, n, message)
		}
	}
}

func TestElementsOfTexts(t *testing.T) {
	v := row.NewBuilder(text(), 4)
	for _, s := range []string{`["1",null,"-2"]`, `[]`, `["x"]`, `[null]`} {
		v.AppendString(s)
	}
	v.AppendNull()
	in := v.Finish()
	l, errs, err := flatten(&in, row.T(row.Int32), nil)
	if err != nil || len(errs) != 1 || errs[0].Row != 2 {
		t.Fatal(errs, err)
	}
	if !slices.Equal(l.ends, []int32{3, 3, 3, 4, 4}) || l.values.Len != 4 || !l.values.Null(1) || !l.values.Null(3) || row.Values[int32](&l.values)[2] != -2 {
		t.Errorf("%v %v", l.ends, row.Values[int32](&l.values))
	}
	v = row.NewBuilder(text(), 1)
	v.AppendString(`["a\"b\\\n\u0007","é",""]`)
	in = v.Finish()
	if l, _, _ = flatten(&in, text(), nil); l.values.Len != 3 || l.values.Str(0) != "a\"b\\\n\a" || l.values.Str(1) != "é" || l.values.Str(2) != "" {
		t.Errorf("%q", l.values.Data)
	}
}

// FuzzElements reads any text as a list of texts.
func FuzzElements(f *testing.F) {
	f.Add(`["a",null,"b\u0001"]`)
	f.Add(`[`)
	f.Add(`["\u00`)
	f.Fuzz(func(t *testing.T, s string) {
		v := row.NewBuilder(text(), 1)
		v.AppendString(s)
		in := v.Finish()
		for _, elem := range []row.Type{text(), i64(), row.T(row.Blob), row.T(row.Interval)} {
			l, _, err := flatten(&in, elem, nil)
			if err != nil || int(l.ends[0]) != l.values.Len {
				t.Fatal(l.ends, l.values.Len, err)
			}
		}
	})
}

func BenchmarkUnnest(b *testing.B) {
	in := get("t", pair)
	key, val := col(0, i64()), col(1, i64())
	for name, list := range map[string]*plan.Expr{
		"items": listOfItems(i64(), key, val, key, val), "series": seriesOf("range", val, plus(val, num(4))),
	} {
		b.Run(name, func(b *testing.B) {
			s := scenario{relations: map[string][]row.Type{"t": pair}, appendOnly: true, root: func() plan.Node {
				return &plan.Unnest{Input: in, Lists: []*plan.Expr{list}, Width: []row.Type{i64()}}
			}}
			g := s.build(b, 1)
			rows := randomPairs(rand.New(rand.NewPCG(1, 1)), 10_000)
			b.SetBytes(int64(rows.Len))
			for b.Loop() {
				if _, err := g.Step(map[string]*row.Batch{"t": rows}, Inline); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
