package plan

import "github.com/tidemill/tidemill/internal/row"

// joinConstants replaces joins with one constant row.
func joinConstants(root Node) Node {
	return rebuild(root, func(n Node, _ func(Node) bool) Node {
		j, ok := n.(*Join)
		if !ok || j.Kind != Inner && j.Kind != Cross {
			return n
		}
		lw, rw := len(j.Left.Types()), len(j.Right.Types())
		if r := constantRow(j.Left); r != nil {
			return constantJoin(j, j.Right, rw, func(i int, t row.Type) *Expr {
				if i < lw {
					return r[i]
				}
				return Col(i-lw, t)
			})
		}
		if r := constantRow(j.Right); r != nil {
			return constantJoin(j, j.Left, lw, func(i int, t row.Type) *Expr {
				if i >= lw {
					return r[i-lw]
				}
				return Col(i, t)
			})
		}
		return n
	})
}

// constantRow returns the row of a relation that is known to have exactly one, else nil.
func constantRow(n Node) []*Expr {
	v, ok := n.(*Values)
	if !ok || len(v.Rows) != 1 {
		return nil
	}
	for _, e := range v.Rows[0] {
		if !e.IsConstant() {
			return nil
		}
	}
	return v.Rows[0]
}

// constantJoin writes j as a filter and a projection of the side that is not constant; at gives what a column of j is.
func constantJoin(j *Join, side Node, width int, at func(i int, t row.Type) *Expr) Node {
	lw := len(j.Left.Types())
	replace := func(e *Expr) *Expr {
		return e.Substitute(func(c *Expr) *Expr { return at(c.Index, c.Type) })
	}
	predicates := mapExprs(j.Residual, replace)
	for _, k := range j.Keys {
		name := Equals
		if k.NullsEqual {
			name = NotDistinctFrom
		}
		predicates = append(predicates, replace(Fn(name, row.T(row.Bool), k.Left, k.Right.shift(lw))))
	}
	types := j.Types()
	exprs := make([]*Expr, len(types))
	for i, t := range types {
		exprs[i] = at(i, t)
	}
	return &Project{Input: filtered(side, predicates), Exprs: exprs}
}

// semiToInner writes a semi join on equalities as an inner join with the distinct keys of the right side: then no row of
// the left side matches twice, and no operator of its own is needed.
func semiToInner(root Node) Node {
	return rebuild(root, func(n Node, _ func(Node) bool) Node {
		j, ok := n.(*Join)
		if !ok || j.Kind != Semi || len(j.Residual) > 0 || len(j.Keys) == 0 {
			return n
		}
		right := make([]*Expr, len(j.Keys))
		keys := make([]JoinKey, len(j.Keys))
		for i, k := range j.Keys {
			right[i] = k.Right
			keys[i] = JoinKey{Left: k.Left, Right: Col(i, k.Right.Type), NullsEqual: k.NullsEqual}
		}
		inner := &Join{
			Kind: Inner, Left: j.Left, Keys: keys,
			Right: &Distinct{Input: &Project{Input: j.Right, Exprs: right}},
		}
		return selectColumns(inner, upTo(len(j.Left.Types())))
	})
}

// dropDistinct removes needless DISTINCT and writes GROUP BY without aggregates as DISTINCT, which is known to be
// append-only over append-only inputs.
func dropDistinct(root Node) Node {
	return rebuild(root, func(n Node, shared func(Node) bool) Node {
		switch n := n.(type) {
		case *Distinct:
			if UniqueKey(n.Input, nil) != nil {
				return n.Input
			}
			return withInputs(n, []Node{withoutDistinct(n.Input, shared)})
		case *Aggregate:
			if len(n.Calls) == 0 && len(n.Groups) > 0 && n.Sets == nil {
				return &Distinct{Input: withoutDistinct(&Project{Input: n.Input, Exprs: n.Groups}, shared)}
			}
		}
		return n
	})
}

// withoutDistinct removes a DISTINCT in n, the input of another one.
func withoutDistinct(n Node, shared func(Node) bool) Node {
	if shared(n) {
		return n
	}
	switch n := n.(type) {
	case *Distinct:
		return n.Input
	case *Project, *Filter, *Union:
		in := make([]Node, len(n.Inputs()))
		for i, x := range n.Inputs() {
			in[i] = withoutDistinct(x, shared)
		}
		return withInputs(n, in)
	}
	return n
}
