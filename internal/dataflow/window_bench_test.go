package dataflow

import (
	"fmt"
	"testing"

	"github.com/tidemill/tidemill/internal/plan"
	"github.com/tidemill/tidemill/internal/row"
)

func appendWindows() map[string]func() plan.Node {
	order := []plan.SortKey{{Expr: col(1, i64())}}
	val := col(0, i64())
	of := func(c plan.WindowCall) func() plan.Node {
		return func() plan.Node {
			return &plan.Window{Input: get("t", pair), Order: order, Calls: []plan.WindowCall{c}}
		}
	}
	framed := func(name string, typ row.Type, f plan.Frame) func() plan.Node {
		return of(plan.WindowCall{AggregateCall: aggregateCallOf(name, typ, val), IsAggregate: true, Frame: f})
	}
	cur := plan.FrameBound{Kind: plan.CurrentRow}
	return map[string]func() plan.Node{
		"row_number":     of(plan.WindowCall{AggregateCall: aggregateCallOf("row_number", i64())}),
		"lag":            of(plan.WindowCall{AggregateCall: aggregateCallOf("lag", i64(), val, num(1), num(0))}),
		"sum of 10":      framed("sum", row.T(row.Int128), plan.Frame{Start: bound(plan.Preceding, 10), End: cur}),
		"running sum":    framed("sum", row.T(row.Int128), plan.Frame{Unit: plan.FrameRange, End: cur}),
		"running max":    framed("max", i64(), plan.Frame{Unit: plan.FrameRange, End: cur}),
		"sum of a range": framed("sum", row.T(row.Int128), plan.Frame{Unit: plan.FrameRange, Start: plan.FrameBound{Kind: plan.Preceding, Offset: plan.Fn("-", i64(), col(1, i64()), num(1000))}, End: cur}),
		"max of a range": framed("max", i64(), plan.Frame{Unit: plan.FrameRange, Start: plan.FrameBound{Kind: plan.Preceding, Offset: plan.Fn("-", i64(), col(1, i64()), num(1000))}, End: cur}),
	}
}

// inOrder returns rows with the second column ascending from a number.
func inOrder(from, n int) *row.Batch {
	k, v := make([]int64, n), make([]int64, n)
	for i := range k {
		k[i], v[i] = int64((from+i)*7919%1000), int64(from+i)
	}
	return &row.Batch{Cols: []row.Vec{row.FromValues(i64(), k, nil), row.FromValues(i64(), v, nil)}, Len: n}
}

// BenchmarkWindowAppend appends rows in order, 64 a tick, to histories of different lengths: the cost per row must not grow with it.
func BenchmarkWindowAppend(b *testing.B) {
	const tick = 64
	for name, root := range appendWindows() {
		for _, history := range []int{10_000, 300_000} {
			b.Run(fmt.Sprintf("%s/%d", name, history), func(b *testing.B) {
				s := scenario{relations: map[string][]row.Type{"t": pair}, appendOnly: true, root: root}
				g := s.build(b, 1)
				at := 0
				step := func(n int) {
					if _, err := g.Step(map[string]*row.Batch{"t": inOrder(at, n)}, Inline); err != nil {
						b.Fatal(err)
					}
					at += n
				}
				step(history)
				b.ReportAllocs()
				b.ResetTimer()
				for range b.N {
					step(tick)
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/tick, "ns/row")
			})
		}
	}
}

// A change at the end of a long history touches the rows behind it and no others, in what it returns and in what it computes.
func TestWindowTouchesOnlyWhatChanges(t *testing.T) {
	const history = 50_000
	for name, root := range appendWindows() {
		t.Run(name, func(t *testing.T) {
			s := scenario{relations: map[string][]row.Type{"t": pair}, root: root}
			g := s.build(t, 1)
			if _, err := g.Step(map[string]*row.Batch{"t": inOrder(0, history)}, Inline); err != nil {
				t.Fatal(err)
			}
			op := g.nodes[g.output].shards[0].(*windowOp)
			for k := range 5 {
				from := history - 8 + k
				change := row.Concat([]*row.Batch{weighted(inOrder(from, 1), -1), weighted(inOrder(from, 1), 1), inOrder(history+k, 1)})
				if k == 4 {
					change = weighted(inOrder(history-20, 1), -1)
				}
				out, err := g.Step(map[string]*row.Batch{"t": change}, Inline)
				if err != nil {
					t.Fatal(err)
				}
				if n := len(op.run.ids); n > 1100 || k < 4 && n > 1 {
					t.Errorf("%d rows are computed for change %d", n, k)
				}
				if k < 4 && (len(out) != 1 || out[0].Len != 1) {
					t.Errorf("change %d: %v comes out, not the new row alone", k, out)
				}
			}
		})
	}
}
