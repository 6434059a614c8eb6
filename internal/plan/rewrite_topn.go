package plan

import (
	"math"

	"github.com/tidemill/tidemill/internal/row"
)

// topN turns a filter that bounds row_number(), rank() or dense_rank() into a TopN: of each partition only the first rows are looked at.
func topN(root Node) Node {
	return rebuild(root, func(n Node, shared func(Node) bool) Node {
		f, ok := n.(*Filter)
		if !ok {
			return n
		}
		w, ok := f.Input.(*Window)
		if !ok || shared(w) || len(w.Calls) != 1 || w.Calls[0].IsAggregate {
			return n
		}
		switch w.Calls[0].Name {
		case "row_number", "rank", "dense_rank":
			return bounded(f, w)
		}
		return n
	})
}

// bounded rewrites the filter f over the ranking window w, if f has an upper bound for the place.
func bounded(f *Filter, w *Window) Node {
	width := len(w.Input.Types())
	low, high := int64(1), int64(math.MaxInt64)
	var rest []*Expr
	for _, e := range f.Predicates {
		lo, hi, ok := placeBounds(e, width)
		if !ok {
			rest = append(rest, e)
			continue
		}
		low, high = max(low, lo), min(high, hi)
	}
	if high < low || high == math.MaxInt64 {
		return f
	}
	name := w.Calls[0].Name
	top := &TopN{Input: w.Input, Partition: w.Partition, Order: w.Order, Count: high, WithTies: name == "rank", Dense: name == "dense_rank"}
	if low == high && (name == "row_number" || high == 1) {
		// The place is known.
		top.Offset, top.Count = low-1, 1
		if (top.WithTies || top.Dense) && high > MaxRanked {
			return f
		}
		types := w.Types()
		exprs := make([]*Expr, len(types))
		for i, t := range types {
			exprs[i] = Col(i, t)
		}
		exprs[width] = Const(row.IntValue(types[width], high))
		return filtered(&Project{Input: top, Exprs: exprs}, rest)
	}
	if high > MaxRanked {
		return f
	}
	top.RankColumn = true
	if low > 1 {
		rest = append(rest, Fn(GreaterOrEqual, row.T(row.Bool), Col(width, row.T(row.Int64)), Const(row.IntValue(row.T(row.Int64), low))))
	}
	return filtered(top, rest)
}

// placeBounds reads a predicate as bounds of the column with the place.
func placeBounds(e *Expr, place int) (low, high int64, ok bool) {
	low, high = 1, math.MaxInt64
	if e.Kind != Call || len(e.Args) != 2 {
		return 0, 0, false
	}
	name, column, bound := e.Name, e.Args[0], e.Args[1]
	if column.Kind == Constant {
		column, bound = bound, column
		flipped := map[string]string{Less: Greater, Greater: Less, LessOrEqual: GreaterOrEqual, GreaterOrEqual: LessOrEqual, Equals: Equals}
		name = flipped[name]
	}
	if column.Kind != Column || column.Index != place || bound.Kind != Constant || bound.Value.Null || bound.Type != row.T(row.Int64) {
		return 0, 0, false
	}
	v := bound.Value.I
	switch name {
	case Equals:
		return v, v, v >= 1
	case Less:
		return low, v - 1, v > math.MinInt64
	case LessOrEqual:
		return low, v, v < math.MaxInt64
	case Greater:
		return v + 1, high, v < math.MaxInt64
	case GreaterOrEqual:
		return v, high, true
	}
	return 0, 0, false
}
