package plan

import "slices"

// mergeAll merges operators that follow each other.
func mergeAll(root Node) Node {
	out := rebuild(root, func(n Node, shared func(Node) bool) Node {
		switch n := n.(type) {
		case *Filter:
			return mergeFilter(n, shared)
		case *Project:
			return mergeProject(n, shared)
		case *Aggregate:
			return mergeAggregate(n, shared)
		case *Unnest:
			return mergeUnnest(n, shared)
		case *Union:
			return mergeUnion(n, shared)
		case *Distinct:
			if _, ok := n.Input.(*Distinct); ok {
				return n.Input
			}
		}
		return n
	})
	return out
}

func mergeFilter(n *Filter, shared func(Node) bool) Node {
	if len(n.Predicates) == 0 {
		return n.Input
	}
	if below, ok := n.Input.(*Filter); ok && !shared(below) {
		return &Filter{Input: below.Input, Predicates: concat(below.Predicates, n.Predicates)}
	}
	return n
}

func mergeProject(n *Project, shared func(Node) bool) Node {
	for {
		if isIdentity(n) {
			return n.Input
		}
		switch below := n.Input.(type) {
		case *Project:
			if !mergeable(below, shared, n.Exprs) {
				return n
			}
			n = &Project{Input: below.Input, Exprs: inlined(n.Exprs, below)}
		case *Get:
			if shared(below) {
				return n
			}
			return projectGet(n, below)
		case *Values:
			return projectValues(n, below)
		default:
			return n
		}
	}
}

func isIdentity(n *Project) bool {
	if len(n.Exprs) != len(n.Input.Types()) {
		return false
	}
	for i, e := range n.Exprs {
		if e.Kind != Column || e.Index != i {
			return false
		}
	}
	return true
}

// mergeable reports whether the projection can be computed inside of the expressions that read it without computing
// anything twice.
func mergeable(below *Project, shared func(Node) bool, readers []*Expr) bool {
	uses := make([]int, len(below.Exprs))
	for _, e := range readers {
		e.Walk(func(x *Expr) bool {
			if x.Kind == Column {
				uses[x.Index]++
			}
			return true
		})
	}
	for i, e := range below.Exprs {
		trivial := e.Kind == Column || e.Kind == Constant
		if !trivial && (shared(below) || uses[i] > 1 || e.IsVolatile()) {
			return false
		}
	}
	return true
}

// inlined replaces references to columns of below by its expressions.
func inlined(es []*Expr, below *Project) []*Expr {
	return mapExprs(es, func(e *Expr) *Expr { return inline(e, below) })
}

func inline(e *Expr, below *Project) *Expr {
	return e.Substitute(func(c *Expr) *Expr { return below.Exprs[c.Index] })
}

// projectGet lets the scan itself select and order the columns, if that is all the projection does.
func projectGet(n *Project, below *Get) Node {
	at := map[int]int{}
	out := &Get{Relation: below.Relation}
	for i, e := range n.Exprs {
		if _, twice := at[e.Index]; e.Kind != Column || twice {
			return n
		}
		at[e.Index] = i
		out.Columns = append(out.Columns, below.Columns[e.Index])
		out.Schema = append(out.Schema, below.Schema[e.Index])
	}
	for _, c := range Columns(below.Filters...) {
		if _, kept := at[c]; !kept {
			return n
		}
	}
	if len(out.Columns) == 0 {
		return n
	}
	out.Filters = mapExprs(below.Filters, func(e *Expr) *Expr {
		return e.Substitute(func(c *Expr) *Expr { return Col(at[c.Index], c.Type) })
	})
	return out
}

// projectValues computes a projection of constant rows as far as it only selects columns and adds constants.
func projectValues(n *Project, below *Values) Node {
	for _, e := range n.Exprs {
		if e.Kind != Column && !e.IsConstant() {
			return n
		}
	}
	out := &Values{Width: n.Types()}
	for _, r := range below.Rows {
		out.Rows = append(out.Rows, mapExprs(n.Exprs, func(e *Expr) *Expr {
			return e.Substitute(func(c *Expr) *Expr { return r[c.Index] })
		}))
	}
	return out
}

func mergeAggregate(n *Aggregate, shared func(Node) bool) Node {
	if exprs := firstOfOne(n); exprs != nil {
		return mergeProject(&Project{Input: n.Input, Exprs: exprs}, shared)
	}
	below, ok := n.Input.(*Project)
	if !ok || !mergeable(below, shared, Exprs(n)) {
		return n
	}
	out := &Aggregate{Input: below.Input, Groups: inlined(n.Groups, below), Sets: n.Sets, Groupings: n.Groupings, SessionEnd: n.SessionEnd}
	for _, c := range n.Calls {
		out.Calls = append(out.Calls, c.mapped(func(e *Expr) *Expr { return inline(e, below) }))
	}
	return out
}

// firstOfOne returns the arguments of the calls if they only pick the first row of an input that has exactly one, as
// DuckDB writes scalar subqueries, else nil.
func firstOfOne(n *Aggregate) []*Expr {
	if len(n.Groups) > 0 || n.Sets != nil || !exactlyOneRow(n.Input) {
		return nil
	}
	var exprs []*Expr
	for _, c := range n.Calls {
		if c.Name != "first" || c.Filter != nil || len(c.Args) != 1 || c.Args[0].Type != c.Type {
			return nil
		}
		exprs = append(exprs, c.Args[0])
	}
	return exprs
}

// exactlyOneRow reports whether n has one row by its form, never none.
func exactlyOneRow(n Node) bool {
	for {
		switch x := n.(type) {
		case *Project:
			n = x.Input
		case *Values:
			return len(x.Rows) == 1
		case *Aggregate:
			return len(x.Groups) == 0 && x.Sets == nil
		default:
			return false
		}
	}
}

func mergeUnion(n *Union, shared func(Node) bool) Node {
	if len(n.Branches) == 1 {
		return n.Branches[0]
	}
	nested := func(b Node) bool {
		u, ok := b.(*Union)
		return ok && !shared(u)
	}
	if !slices.ContainsFunc(n.Branches, nested) {
		return n
	}
	out := &Union{}
	for _, b := range n.Branches {
		if nested(b) {
			out.Branches = append(out.Branches, b.(*Union).Branches...)
		} else {
			out.Branches = append(out.Branches, b)
		}
	}
	return out
}
