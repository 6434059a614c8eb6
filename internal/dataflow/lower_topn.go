package dataflow

import (
	"fmt"
	"math"
	"strconv"

	"github.com/tidemill/tidemill/internal/dataflow/state"
	"github.com/tidemill/tidemill/internal/fault"
	"github.com/tidemill/tidemill/internal/plan"
	"github.com/tidemill/tidemill/internal/row"
)

// extended is the input of an operator with columns added for what it computes: the input's own come first.
type extended struct {
	types []row.Type
	extra []*plan.Expr
}

// at returns the column that holds e, and adds one if there is none.
func (x *extended) at(e *plan.Expr) int {
	if e.Kind == plan.Column {
		return e.Index
	}
	text := e.String()
	for i, have := range x.extra {
		if have == e || have.Type == e.Type && have.String() == text && !e.IsVolatile() {
			return len(x.types) + i
		}
	}
	x.extra = append(x.extra, e)
	return len(x.types) + len(x.extra) - 1
}

func (x *extended) all(es []*plan.Expr) []int {
	at := make([]int, len(es))
	for i, e := range es {
		at[i] = x.at(e)
	}
	return at
}

// order returns the columns of an ORDER BY, and how they are ordered.
func (x *extended) order(keys []plan.SortKey) (cols []int, o state.Order) {
	for _, k := range keys {
		cols = append(cols, x.at(k.Expr))
		o.Columns = append(o.Columns, state.OrderColumn{Descending: k.Descending, NullsFirst: k.NullsFirst})
	}
	return cols, o
}

// lower lowers the input with the added columns.
func (x *extended) lower(b *builder, n plan.Node) (lowered, error) {
	if len(x.extra) == 0 {
		return b.lower(n)
	}
	exprs := make([]*plan.Expr, 0, len(x.types)+len(x.extra))
	for i, t := range x.types {
		exprs = append(exprs, plan.Col(i, t))
	}
	return b.lowerChain(n, chain{exprs: append(exprs, x.extra...)})
}

func (b *builder) lowerTopN(n *plan.TopN) (lowered, error) {
	ranked := n.RankColumn || n.WithTies || n.Dense
	if ranked && (n.Offset != 0 || n.Count < 0 || n.Count > plan.MaxRanked) {
		return lowered{}, fault.New(fault.FeatureNotSupported, "places beyond %d, or behind an offset, cannot be kept up to date", plan.MaxRanked).
			WithHint("ask for fewer rows, or filter by the place in the query that reads the view")
	}
	var types []row.Type
	for _, e := range append(n.Partition[:len(n.Partition):len(n.Partition)], sortExprs(n.Order)...) {
		types = append(types, e.Type)
	}
	if err := comparable(types, "PARTITION BY or ORDER BY"); err != nil {
		return lowered{}, err
	}
	x := extended{types: n.Input.Types()}
	keys := x.all(n.Partition)
	orderCols, order := x.order(n.Order)
	in, err := x.lower(b, n.Input)
	if err != nil {
		return lowered{}, err
	}
	hi := math.MaxInt
	if n.Count >= 0 && n.Count < math.MaxInt-n.Offset {
		hi = int(n.Offset + n.Count)
	}
	at, bounds := b.closingPartition(n.Input, n.Partition)
	nd := node{title: topTitle(n, keys) + kept(in.appendOnly), inputs: []int{in.node}, routes: []*router{byColumns(keys)}, timed: bounds != nil}
	for range b.Workers {
		op := &topnOp{keys: state.NewSet(typesOf(n.Partition)), single: len(keys) == 0, orderCols: orderCols, order: order,
			width: len(x.types), lo: int(n.Offset), hi: hi, ties: n.WithTies, dense: n.Dense, places: n.RankColumn, retract: !in.appendOnly, rows: state.NewSet(x.types)}
		if op.closer, err = b.newCloser(at, closing{bounds}); err != nil {
			return lowered{}, err
		}
		nd.shards = append(nd.shards, op)
	}
	return lowered{node: b.add(nd), types: n.Types()}, nil
}

func sortExprs(keys []plan.SortKey) []*plan.Expr {
	es := make([]*plan.Expr, len(keys))
	for i, k := range keys {
		es[i] = k.Expr
	}
	return es
}

func topTitle(n *plan.TopN, keys []int) string {
	title := "top "
	if n.Count >= 0 {
		title += strconv.FormatInt(n.Count, 10)
	}
	switch {
	case n.Dense:
		title += " by dense_rank"
	case n.WithTies:
		title += " by rank"
	}
	if n.Offset > 0 {
		title += fmt.Sprintf(" behind %d", n.Offset)
	}
	if len(keys) > 0 {
		title += " of each " + columnList(keys)
	}
	if n.RankColumn {
		title += ", numbered"
	}
	return title + orderText(n.Order)
}

func orderText(keys []plan.SortKey) string {
	text := ""
	for i, k := range keys {
		if i == 0 {
			text = " by "
		} else {
			text += ", "
		}
		text += k.Expr.String()
		if k.Descending {
			text += " desc"
		}
		if k.NullsFirst {
			text += " nulls first"
		}
	}
	return text
}
