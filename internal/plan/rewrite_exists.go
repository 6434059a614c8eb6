package plan

import "github.com/tidemill/tidemill/internal/row"

// anyRow writes count(*) over LIMIT 1, which is how DuckDB asks whether a subquery has rows, with an aggregate that changes only
// when the first row comes or the last one goes.
func anyRow(root Node) Node {
	return rebuild(root, func(n Node, _ func(Node) bool) Node {
		a, ok := n.(*Aggregate)
		if !ok || len(a.Groups) > 0 || a.Sets != nil || len(a.Calls) != 1 || a.Calls[0].Name != "count_star" || a.Calls[0].Filter != nil {
			return n
		}
		in := a.Input
		for {
			p, ok := in.(*Project)
			if !ok {
				break
			}
			in = p.Input
		}
		l, ok := in.(*Limit)
		if !ok || l.Count != 1 || l.Offset != 0 {
			return n
		}
		boolean := row.T(row.Bool)
		some := &Aggregate{Input: l.Input, Calls: []AggregateCall{{Name: "bool_or", Args: []*Expr{truth(true)}, Type: boolean}}}
		count := func(n int64) *Expr { return Const(row.IntValue(a.Calls[0].Type, n)) }
		return &Project{Input: some, Exprs: []*Expr{{Kind: Case, Type: a.Calls[0].Type, Args: []*Expr{Fn(IsNull, boolean, Col(0, boolean)), count(0), count(1)}}}}
	})
}
