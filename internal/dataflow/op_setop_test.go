package dataflow

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/tidemill/tidemill/internal/plan"
	"github.com/tidemill/tidemill/internal/row"
)

// setOperation counts the rows of both sides.
func setOperation(n *plan.SetOp, l, r *row.Batch) *row.Batch {
	left, right := newZset(n.Types()), newZset(n.Types())
	left.add(l)
	right.add(r)
	for k, c := range left.n {
		other := right.n[k]
		if !n.All {
			c, other = 1, min(other, 1)
		}
		if n.Except {
			c -= other
		} else {
			c = min(c, other)
		}
		if left.n[k] = c; c <= 0 {
			delete(left.n, k)
		}
	}
	return left.batch()
}

func TestSetOperations(t *testing.T) {
	for _, except := range []bool{false, true} {
		for _, all := range []bool{false, true} {
			for name, types := range map[string][]row.Type{
				"text": {text()}, "float": {row.T(row.Float64), boolean()}, "wide": {row.DecimalType(38, 10), row.T(row.UUID), row.T(row.Int16)},
			} {
				op := func(l, r plan.Node) plan.Node { return &plan.SetOp{Except: except, All: all, Left: l, Right: r} }
				t.Run(fmt.Sprintf("%s/%s", op(nil, nil), name), func(t *testing.T) {
					check(t, scenario{relations: map[string][]row.Type{"t": types, "u": types}, root: func() plan.Node { return op(get("t", types), get("u", types)) }})
				})
			}
		}
	}
}

// One relation may be both sides, and a set operation may read another.
func TestNestedSetOperations(t *testing.T) {
	small := func(r *rand.Rand, _ string, _ []row.Type) []row.Value {
		return []row.Value{row.IntValue(i64(), int64(r.IntN(30))), row.IntValue(i64(), int64(r.IntN(3)))}
	}
	check(t, scenario{relations: map[string][]row.Type{"t": pair}, draw: small, root: func() plan.Node {
		in := get("t", pair)
		some := &plan.Filter{Input: in, Predicates: []*plan.Expr{less(col(0, i64()), num(20))}}
		other := &plan.Filter{Input: in, Predicates: []*plan.Expr{less(num(10), col(0, i64()))}}
		both := &plan.SetOp{All: true, Left: some, Right: other}
		return &plan.Union{Branches: []plan.Node{
			&plan.SetOp{Except: true, All: true, Left: in, Right: both},
			&plan.SetOp{Except: true, Left: both, Right: &plan.Project{Input: other, Exprs: []*plan.Expr{col(1, i64()), col(0, i64())}}},
		}}
	}})
}
