package dataflow

import (
	"math"

	"github.com/tidemill/tidemill/internal/plan"
	"github.com/tidemill/tidemill/internal/row"
)

// comparison is a term of a join's condition of the form left + leftOffset op right + rightOffset, with left over the left input
// and right over the right input alone.
type comparison struct {
	left, right             *plan.Expr
	leftOffset, rightOffset int64
	less                    bool // < or <=, else > or >=
}

// comparisonOf reads a term of a condition over left ++ right, of which width columns are the left's. Equality of the types is
// DuckDB's doing.
func comparisonOf(e *plan.Expr, width int) (comparison, bool) {
	if e.Kind != plan.Call || len(e.Args) != 2 || e.IsVolatile() {
		return comparison{}, false
	}
	switch e.Args[0].Type.Kind {
	case row.Other, row.Enum, row.List, row.Struct, row.Map:
		return comparison{}, false
	}
	less := e.Name == plan.Less || e.Name == plan.LessOrEqual
	if !less && e.Name != plan.Greater && e.Name != plan.GreaterOrEqual {
		return comparison{}, false
	}
	a, b := plan.Columns(e.Args[0]), plan.Columns(e.Args[1])
	if len(a) == 0 || len(b) == 0 {
		return comparison{}, false
	}
	l, r := e.Args[0], e.Args[1]
	if a[0] >= width {
		l, r, a, b, less = r, l, b, a, !less
	}
	if a[len(a)-1] >= width || b[0] < width {
		return comparison{}, false
	}
	c := comparison{left: l, right: r.Substitute(func(x *plan.Expr) *plan.Expr { return plan.Col(x.Index-width, x.Type) }), less: less}
	c.left, c.leftOffset = offsetOf(c.left)
	c.right, c.rightOffset = offsetOf(c.right)
	if d := c.leftOffset - c.rightOffset; d == math.MinInt64 || (c.leftOffset < 0) != (c.rightOffset < 0) && (d < 0) != (c.leftOffset < 0) {
		return comparison{}, false
	}
	return c, true
}

// offsetOf splits x + c and x - c, with a constant c that moves each x by the same number of integers, into x and ±c.
func offsetOf(e *plan.Expr) (*plan.Expr, int64) {
	if e.Kind != plan.Call || len(e.Args) != 2 || e.Name != "+" && e.Name != "-" {
		return e, 0
	}
	x, c := e.Args[0], e.Args[1]
	if e.Name == "+" && x.Kind == plan.Constant {
		x, c = c, x
	}
	if c.Kind != plan.Constant || c.Value.Null || x.Type != e.Type {
		return e, 0
	}
	var by int64
	switch k := x.Type.Kind; {
	case k >= row.Int8 && k <= row.Int64 && c.Type == x.Type:
		by = c.Value.I
	case (k == row.Timestamp || k == row.TimestampTZ) && c.Type.Kind == row.Interval && c.Value.V.Months == 0:
		const day, most = 86_400_000_000, 1 << 61
		if days := int64(c.Value.V.Days); days < most/day && days > -most/day && c.Value.V.Micros < most && c.Value.V.Micros > -most {
			by = days*day + c.Value.V.Micros
		} else {
			return e, 0
		}
	default:
		return e, 0
	}
	if by == math.MinInt64 {
		return e, 0
	}
	if e.Name == "-" {
		by = -by
	}
	return x, by
}

// spanPlan is a span before its program is compiled.
type spanPlan struct {
	order  *plan.Expr // nil: none
	exprs  []*plan.Expr
	limits []limit
}

// spansOf finds the ranges in a join's condition. With keys, they are only used if each row bounds the other side's rows from
// both sides by one value: else a key's few rows are looked through faster than kept in order.
func spansOf(condition []*plan.Expr, width int, keyed bool) (left, right spanPlan, some bool) {
	var cs []comparison
	for _, e := range condition {
		for _, t := range terms(nil, e) {
			if c, ok := comparisonOf(t, width); ok {
				cs = append(cs, c)
			}
		}
	}
	if len(cs) == 0 {
		return left, right, false
	}
	l, lBoth := mostBounded(cs, func(c *comparison) *plan.Expr { return c.left })
	r, rBoth := mostBounded(cs, func(c *comparison) *plan.Expr { return c.right })
	if keyed && !(lBoth && rBoth && sameBounds(cs, l, r)) {
		return left, right, false
	}
	left.order, right.order = l, r
	left.exprs, right.exprs = []*plan.Expr{l}, []*plan.Expr{r}
	for _, c := range cs {
		if c.right.String() == r.String() {
			left.bound(c.left, !c.less, c.leftOffset-c.rightOffset)
		}
		if c.left.String() == l.String() {
			right.bound(c.right, c.less, c.rightOffset-c.leftOffset)
		}
	}
	return left, right, true
}

// bound adds that the other side's value is at least, or at most, e + offset.
func (s *spanPlan) bound(e *plan.Expr, upper bool, offset int64) {
	result := -1
	for i, x := range s.exprs {
		if x.String() == e.String() {
			result = i
		}
	}
	if result < 0 {
		result = len(s.exprs)
		s.exprs = append(s.exprs, e)
	}
	s.limits = append(s.limits, limit{result: result, upper: upper, offset: offset})
}

// mostBounded returns the expression of one side that most comparisons are about, first of all one that is bounded from both sides.
func mostBounded(cs []comparison, side func(*comparison) *plan.Expr) (best *plan.Expr, both bool) {
	most := 0
	for i := range cs {
		e := side(&cs[i])
		n, less, more := 0, false, false
		for k := range cs {
			if side(&cs[k]).String() == e.String() {
				n++
				less, more = less || cs[k].less, more || !cs[k].less
			}
		}
		if less && more {
			n += len(cs)
		}
		if n > most {
			best, most, both = e, n, less && more
		}
	}
	return best, both
}

// sameBounds reports whether l is bounded from both sides by r.
func sameBounds(cs []comparison, l, r *plan.Expr) bool {
	less, more := false, false
	for i := range cs {
		if c := &cs[i]; c.left.String() == l.String() && c.right.String() == r.String() {
			less, more = less || c.less, more || !c.less
		}
	}
	return less && more
}

// terms appends the terms of the conjunction e.
func terms(into []*plan.Expr, e *plan.Expr) []*plan.Expr {
	if e.Kind == plan.Call && e.Name == plan.And {
		for _, a := range e.Args {
			into = terms(into, a)
		}
		return into
	}
	return append(into, e)
}
