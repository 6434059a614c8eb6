package plan

// topRows writes LIMIT, with the ORDER BY below it, as the first rows of an order that is kept up to date. Without ORDER BY those are the first to come.
func topRows(root Node) Node {
	return rebuild(root, func(n Node, _ func(Node) bool) Node {
		l, ok := n.(*Limit)
		if !ok {
			return n
		}
		if l.Count == 0 {
			return &Values{Width: l.Types()}
		}
		top := &TopN{Input: l.Input, Count: l.Count, Offset: l.Offset}
		if s, ok := l.Input.(*Sort); ok {
			top.Input, top.Order = s.Input, s.Keys
			return top
		}
		in, keys, ok := underOrder(l.Input)
		if !ok {
			return top
		}
		top.Input, top.Order = in.Node, keys
		return selectColumns(top, upTo(in.own))
	})
}

// underOrder finds the ORDER BY whose order the rows of n have. It returns n with the keys of the order carried behind its own columns.
func underOrder(n Node) (in spread, keys []SortKey, ok bool) {
	switch n := n.(type) {
	case *Sort:
		own := len(n.Input.Types())
		exprs := references(n.Input, upTo(own))
		for i, k := range n.Keys {
			exprs = append(exprs, k.Expr)
			k.Expr = Col(own+i, k.Expr.Type)
			keys = append(keys, k)
		}
		return spread{&Project{Input: n.Input, Exprs: exprs}, own}, keys, true
	case *Filter:
		in, keys, ok = underOrder(n.Input)
		return spread{filtered(in.Node, n.Predicates), in.own}, keys, ok
	case *Project:
		if in, keys, ok = underOrder(n.Input); !ok {
			return spread{}, nil, false
		}
		out := arranged(in.Node, in, n.Exprs[:len(n.Exprs):len(n.Exprs)])
		for i := range keys {
			keys[i].Expr = Col(out.own+i, keys[i].Expr.Type)
		}
		return out, keys, true
	}
	return spread{}, nil, false
}
