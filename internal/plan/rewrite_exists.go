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

// innerToSemi writes an inner join with at most one row per row of the left side, of which nothing but the comparison is needed, as a
// semi join: then a left row that passes is not retracted and given again whenever what it is compared with changes.
func innerToSemi(root Node) Node {
	needs := neededColumns(root)
	replaced := map[Node]bool{}
	for _, n := range Nodes(root) {
		j, ok := n.(*Join)
		if !ok || j.Kind != Inner && j.Kind != Cross || len(j.Keys) > 0 && len(j.Residual) == 0 || !matchesOne(j.Right, j.Keys) {
			continue
		}
		need, width := needs[n], len(j.Left.Types())
		replaced[n] = len(need) > width && len(columnSet(need[width:]).list()) == 0
	}
	return rebuildFrom(root, func(old, n Node) Node {
		if !replaced[old] {
			return n
		}
		j := n.(*Join)
		out := allOf(j.Left)
		for _, t := range j.Right.Types() {
			out = append(out, Const(row.NullValue(t)))
		}
		return &Project{Input: withKind(j, Semi), Exprs: out}
	})
}

// rebuildFrom is rebuild with a function that also gets the node as it was.
func rebuildFrom(root Node, f func(old, n Node) Node) Node {
	done := map[Node]Node{}
	for _, n := range Nodes(root) {
		in := make([]Node, len(n.Inputs()))
		for i, old := range n.Inputs() {
			in[i] = done[old]
		}
		done[n] = f(n, withInputs(n, in))
	}
	return done[root]
}
