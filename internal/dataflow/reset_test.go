package dataflow

import (
	"testing"

	"github.com/tidemill/tidemill/internal/plan"
	"github.com/tidemill/tidemill/internal/row"
)

// A group that ends with values in it leaves none to the next of its id, and no state.
func TestResetForgetsValues(t *testing.T) {
	x := []*plan.Expr{col(0, i64())}
	vals := []row.Vec{row.FromValues(i64(), []int64{1, 2, 2}, nil)}
	one := []row.Vec{row.FromValues(i64(), []int64{2}, nil)}
	for _, call := range []plan.AggregateCall{
		{Name: "count", Args: x, Type: i64(), Distinct: true}, {Name: "mode", Args: x, Type: i64()}, {Name: "approx_count_distinct", Args: x, Type: i64()},
		{Name: "last", Args: x, Type: i64()}, {Name: "entropy", Args: x, Type: row.T(row.Float64)}, {Name: "bit_xor", Args: x, Type: i64()},
		{Name: "bit_or", Args: x, Type: i64()}, {Name: "max", Args: x, Type: i64()},
	} {
		for _, appendOnly := range []bool{true, false} {
			used, err := newAccumulator(&call, appendOnly)
			if err != nil {
				t.Fatal(err)
			}
			fresh, _ := newAccumulator(&call, appendOnly)
			used.grow(1)
			fresh.grow(1)
			for range 3 {
				used.update([]uint32{0, 0, 0}, nil, vals)
				used.reset(0)
			}
			used.update([]uint32{0}, nil, one)
			fresh.update([]uint32{0}, nil, one)
			got, _ := used.result([]uint32{0})
			want, _ := fresh.result([]uint32{0})
			if !row.Equal(&got, 0, &want, 0) {
				t.Errorf("%s, append-only %v: %v, want %v", call.Name, appendOnly, got.Value(0), want.Value(0))
			}
			if used.bytes() > 2*fresh.bytes() {
				t.Errorf("%s, append-only %v: %d bytes, want %d", call.Name, appendOnly, used.bytes(), fresh.bytes())
			}
		}
	}
}
