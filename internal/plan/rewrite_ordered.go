package plan

import "slices"

// orderInto gives aggregates that are made by the order of their input, which a subquery has sorted, that order as their own: ARRAY(SELECT x … ORDER BY y)
// becomes list(x ORDER BY y).
func orderInto(root Node) Node {
	return rebuild(root, func(n Node, shared func(Node) bool) Node {
		a, ok := n.(*Aggregate)
		if !ok {
			return n
		}
		for i := range a.Calls {
			if c := &a.Calls[i]; c.Distinct && dependsOnOrder(c) {
				return n
			}
		}
		if !slices.ContainsFunc(a.Calls, func(c AggregateCall) bool { return dependsOnOrder(&c) }) {
			return n
		}
		in, keys := unsorted(a.Input, shared)
		if keys == nil {
			return n
		}
		out := *a
		out.Input, out.Calls = in, slices.Clone(a.Calls)
		for i := range out.Calls {
			if c := &out.Calls[i]; dependsOnOrder(c) {
				c.OrderBy = keys
			}
		}
		return &out
	})
}

// unsorted takes away the Sort that n ends in, below filters and projections, and returns the keys as expressions over what is left, whose first columns are
// those of n. keys is nil if there is none.
func unsorted(n Node, shared func(Node) bool) (out Node, keys []SortKey) {
	if shared(n) {
		return nil, nil
	}
	switch n := n.(type) {
	case *Sort:
		return n.Input, n.Keys
	case *Filter:
		in, keys := unsorted(n.Input, shared)
		if keys == nil {
			return nil, nil
		}
		return &Filter{Input: in, Predicates: n.Predicates}, keys
	case *Project:
		in, below := unsorted(n.Input, shared)
		if below == nil {
			return nil, nil
		}
		p := &Project{Input: in, Exprs: slices.Clone(n.Exprs)}
		for _, k := range below {
			keys = append(keys, SortKey{Expr: Col(len(p.Exprs), k.Expr.Type), Descending: k.Descending, NullsFirst: k.NullsFirst})
			p.Exprs = append(p.Exprs, k.Expr)
		}
		return p, keys
	}
	return nil, nil
}
