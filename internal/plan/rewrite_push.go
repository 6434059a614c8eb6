package plan

import "slices"

// pushFilters moves predicates towards the inputs and turns equalities between the sides of a join into keys.
func pushFilters(root Node) Node {
	p := pusher{readers: map[Node]int{}, done: map[Node]Node{}}
	for _, n := range Nodes(root) {
		for _, in := range n.Inputs() {
			p.readers[in]++
		}
	}
	return p.node(root, nil)
}

type pusher struct {
	readers map[Node]int
	done    map[Node]Node // of nodes that several read
}

// node rewrites n so that its rows satisfy predicates, which are over its output.
func (p *pusher) node(n Node, predicates []*Expr) Node {
	if p.readers[n] > 1 {
		// What several read stays one node, so the predicates of one of them stay above it.
		out, ok := p.done[n]
		if !ok {
			out = p.push(n, nil)
			p.done[n] = out
		}
		return filtered(out, predicates)
	}
	return p.push(n, predicates)
}

// filtered puts a Filter above n if there is something to filter.
func filtered(n Node, predicates []*Expr) Node {
	if len(predicates) == 0 {
		return n
	}
	return &Filter{Input: n, Predicates: withoutRepeats(predicates)}
}

// withoutRepeats leaves out predicates that equal an earlier one.
func withoutRepeats(predicates []*Expr) []*Expr {
	seen := make(map[string]bool, len(predicates))
	var out []*Expr
	for _, e := range predicates {
		if text := exact(e); !seen[text] {
			seen[text] = true
			out = append(out, e)
		}
	}
	return out
}

func (p *pusher) push(n Node, predicates []*Expr) Node {
	moving, staying := split(predicates, onlyClock)
	return filtered(p.pushInto(n, moving), staying)
}

// split separates the expressions for which f is true from the others.
func split(es []*Expr, f func(*Expr) bool) (yes, no []*Expr) {
	for _, e := range es {
		if f(e) {
			yes = append(yes, e)
		} else {
			no = append(no, e)
		}
	}
	return yes, no
}

func (p *pusher) pushInto(n Node, predicates []*Expr) Node {
	switch n := n.(type) {
	case *Get:
		timeless, temporal := splitTemporal(predicates)
		if len(timeless) == 0 {
			return filtered(n, temporal)
		}
		c := *n
		c.Filters = withoutRepeats(concat(n.Filters, timeless))
		return filtered(&c, temporal)
	case *Filter:
		var all []*Expr
		for _, e := range concat(n.Predicates, predicates) {
			all = conjuncts(all, e)
		}
		return p.node(n.Input, all)
	case *Project:
		return p.project(n, predicates)
	case *Distinct, *Sort:
		return withInputs(n, []Node{p.node(n.Inputs()[0], predicates)})
	case *Union, *SetOp:
		branches := make([]Node, len(n.Inputs()))
		for i, b := range n.Inputs() {
			branches[i] = p.node(b, predicates)
		}
		return withInputs(n, branches)
	case *Unnest:
		return p.unnest(n, predicates)
	case *Aggregate:
		return p.aggregate(n, predicates)
	case *Join:
		return p.join(n, predicates)
	case *Session:
		down, up := onPartition(n.Keys, predicates)
		return filtered(withInputs(n, []Node{p.node(n.Input, down)}), up)
	case *Window:
		down, up := onPartition(n.Partition, predicates)
		return filtered(withInputs(n, []Node{p.node(n.Input, down)}), up)
	case *TopN:
		down, up := onPartition(n.Partition, predicates)
		return filtered(withInputs(n, []Node{p.node(n.Input, down)}), up)
	}
	in := make([]Node, len(n.Inputs()))
	for i, x := range n.Inputs() {
		in[i] = p.node(x, nil)
	}
	return filtered(withInputs(n, in), predicates)
}

// project moves predicates below a projection where they are about columns that it only passes on.
func (p *pusher) project(n *Project, predicates []*Expr) Node {
	down, up := split(predicates, func(e *Expr) bool {
		return e.Walk(func(x *Expr) bool {
			if x.Kind != Column {
				return true
			}
			k := n.Exprs[x.Index].Kind
			return k == Column || k == Constant
		})
	})
	in := p.node(n.Input, inlined(down, n))
	return filtered(withInputs(n, []Node{in}), up)
}

// aggregate moves predicates that are about group keys alone below a plain GROUP BY.
func (p *pusher) aggregate(n *Aggregate, predicates []*Expr) Node {
	down, up := split(predicates, func(e *Expr) bool {
		cols := Columns(e)
		return n.Sets == nil && len(cols) > 0 && cols[len(cols)-1] < len(n.Groups)
	})
	down = mapExprs(down, func(e *Expr) *Expr {
		return e.Substitute(func(c *Expr) *Expr { return n.Groups[c.Index] })
	})
	return filtered(withInputs(n, []Node{p.node(n.Input, down)}), up)
}

// join distributes predicates over a join.
func (p *pusher) join(n *Join, predicates []*Expr) Node {
	width := len(n.Left.Types())
	onLeft := func(e *Expr) bool {
		cols := Columns(e)
		return len(cols) == 0 || cols[len(cols)-1] < width
	}
	onRight := func(e *Expr) bool {
		cols := Columns(e)
		return len(cols) > 0 && cols[0] >= width
	}
	out := *n
	var left, right, above []*Expr
	switch n.Kind {
	case Inner, Cross:
		rest := append(allConjuncts(n.Residual), predicates...)
		left, rest = split(rest, onLeft)
		right, rest = split(rest, onRight)
		out.Keys, out.Residual = extractKeys(n.Keys, rest, width)
		if len(out.Keys) > 0 || len(out.Residual) > 0 {
			out.Kind = Inner
		}
	case Left, Semi, Anti, Exists:
		left, above = split(predicates, onLeft)
		out.Keys, out.Residual = extractKeys(n.Keys, allConjuncts(n.Residual), width)
		// A row of the right side that the condition never accepts matches nothing.
		right, out.Residual = split(out.Residual, onRight)
		if n.Kind == Semi {
			var own []*Expr
			own, out.Residual = split(out.Residual, onLeft)
			left = concat(left, own)
		}
	case Right, Full:
		above = predicates
		out.Keys, out.Residual = extractKeys(n.Keys, allConjuncts(n.Residual), width)
	case AsOfRight, AsOfFull:
		above = predicates
	default: // Mark, Single, AsOf, AsOfLeft
		left, above = split(predicates, onLeft)
	}
	right = mapExprs(right, func(e *Expr) *Expr { return e.shift(-width) })
	out.Left, out.Right = p.node(n.Left, left), p.node(n.Right, right)
	return filtered(&out, above)
}

func allConjuncts(es []*Expr) []*Expr {
	var all []*Expr
	for _, e := range es {
		all = conjuncts(all, e)
	}
	return all
}

// extractKeys takes the equalities between the sides of a join out of its condition.
func extractKeys(keys []JoinKey, condition []*Expr, width int) ([]JoinKey, []*Expr) {
	keys = slices.Clip(keys)
	var rest []*Expr
	for _, e := range condition {
		if k, ok := joinKeyOf(e, width); ok {
			keys = append(keys, k)
		} else {
			rest = append(rest, e)
		}
	}
	return keys, rest
}

// joinKeyOf reads e as an equality of an expression over the left side with one over the right.
func joinKeyOf(e *Expr, width int) (JoinKey, bool) {
	if e.Kind != Call || e.Name != Equals && e.Name != NotDistinctFrom || len(e.Args) != 2 || e.IsVolatile() {
		return JoinKey{}, false
	}
	a, b := Columns(e.Args[0]), Columns(e.Args[1])
	if len(a) == 0 || len(b) == 0 {
		return JoinKey{}, false
	}
	l, r := e.Args[0], e.Args[1]
	if a[0] >= width {
		l, r, a, b = r, l, b, a
	}
	if a[len(a)-1] >= width || b[0] < width {
		return JoinKey{}, false
	}
	return JoinKey{Left: l, Right: r.shift(-width), NullsEqual: e.Name == NotDistinctFrom}, true
}
