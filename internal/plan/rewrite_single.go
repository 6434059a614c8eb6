package plan

import (
	"slices"

	"github.com/tidemill/tidemill/internal/row"
)

// singleToLeft writes scalar subqueries as outer joins where one row at most matches anyway, and brings the others into the form in
// which they are kept up to date: a join on keys alone.
func singleToLeft(root Node) Node {
	return rebuild(root, func(n Node, _ func(Node) bool) Node {
		switch n := n.(type) {
		case *Join:
			switch {
			case n.Kind != Single:
			case matchesOne(n.Right, n.Keys):
				return withKind(n, Left)
			case len(n.Residual) > 0:
				return singleOnKeys(n)
			}
		case *Aggregate:
			if isFirst(n) {
				return firstAsSingle(n)
			}
		}
		return n
	})
}

// matchesOne reports whether no two rows of n agree in the right sides of the keys.
func matchesOne(n Node, keys []JoinKey) bool {
	u := uniqueness{keyOf: func(string) []string { return nil }, keys: map[Node][][]int{}}
	for _, x := range Nodes(n) {
		u.keys[x] = u.find(x)
	}
	return slices.ContainsFunc(u.keys[n], func(unique []int) bool {
		return !slices.ContainsFunc(unique, func(c int) bool {
			return !slices.ContainsFunc(keys, func(k JoinKey) bool { return k.Right.Kind == Column && k.Right.Index == c })
		})
	})
}

// singleOnKeys writes a SINGLE join with a residual as one on the left columns that its condition reads, with what an inner join finds
// for each combination of them.
func singleOnKeys(n *Join) Node {
	width := len(n.Left.Types())
	var cols []int
	for _, c := range Columns(n.Residual...) {
		if c < width {
			cols = append(cols, c)
		}
	}
	for _, k := range n.Keys {
		cols = append(cols, Columns(k.Left)...)
	}
	slices.Sort(cols)
	cols = slices.Compact(cols)
	types, at := n.Left.Types(), positionsOf(cols)
	var exprs []*Expr
	for _, c := range cols {
		exprs = append(exprs, Col(c, types[c]))
	}
	onCols := func(e *Expr) *Expr {
		return e.Substitute(func(c *Expr) *Expr {
			if c.Index < width {
				return Col(at[c.Index], c.Type)
			}
			return Col(c.Index-width+len(cols), c.Type)
		})
	}
	found := &Join{Kind: Inner, Left: &Distinct{Input: &Project{Input: n.Left, Exprs: exprs}}, Right: n.Right, Residual: mapExprs(n.Residual, onCols)}
	for _, k := range n.Keys {
		k.Left = onCols(k.Left)
		found.Keys = append(found.Keys, k)
	}
	out := &Join{Kind: Single, Left: n.Left, Right: found}
	for i, e := range exprs {
		out.Keys = append(out.Keys, JoinKey{Left: e, Right: Col(i, e.Type), NullsEqual: true})
	}
	keep := allOf(n.Left)
	for i, t := range n.Right.Types() {
		keep = append(keep, Col(width+len(cols)+i, t))
	}
	return &Project{Input: out, Exprs: keep}
}

// isFirst reports whether an aggregate takes the first row of its input, as DuckDB writes scalar subqueries.
func isFirst(n *Aggregate) bool {
	if len(n.Groups) > 0 || n.Sets != nil || len(n.Calls) == 0 {
		return false
	}
	return !slices.ContainsFunc(n.Calls, func(c AggregateCall) bool {
		return c.Name != "first" || c.Filter != nil || c.Distinct || len(c.OrderBy) > 0 || len(c.Args) != 1 || c.Args[0].Type != c.Type
	})
}

// firstAsSingle writes first(…) over a whole input as a scalar subquery of one row: the first row to arrive, or nulls.
func firstAsSingle(n *Aggregate) Node {
	one := &Values{Rows: [][]*Expr{{truth(true)}}, Width: []row.Type{row.T(row.Bool)}}
	var args, out []*Expr
	for i, c := range n.Calls {
		args = append(args, c.Args[0])
		out = append(out, Col(i+1, c.Type))
	}
	return &Project{Input: &Join{Kind: Single, Left: one, Right: &Project{Input: n.Input, Exprs: args}}, Exprs: out}
}

// distinctMatches removes duplicates from the right side of joins that only ask whether there is a match, so that
// left rows are looked at only when the first match comes or the last one goes.
func distinctMatches(root Node) Node {
	return rebuild(root, func(n Node, _ func(Node) bool) Node {
		j, ok := n.(*Join)
		if !ok || j.Kind != Anti && j.Kind != Exists || len(j.Residual) > 0 || len(j.Keys) == 0 || matchesOne(j.Right, j.Keys) {
			return n
		}
		out := &Join{Kind: j.Kind, Left: j.Left}
		right := make([]*Expr, len(j.Keys))
		for i, k := range j.Keys {
			right[i] = k.Right
			out.Keys = append(out.Keys, JoinKey{Left: k.Left, Right: Col(i, k.Right.Type), NullsEqual: k.NullsEqual})
		}
		out.Right = &Distinct{Input: &Project{Input: j.Right, Exprs: right}}
		return out
	})
}
