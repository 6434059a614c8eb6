package plan

import (
	"slices"

	"github.com/tidemill/tidemill/internal/row"
)

// columnSet is a set of output columns of a node.
type columnSet []bool

func (s columnSet) has(i int) bool { return i < len(s) && s[i] }

func (s columnSet) add(cols ...int) {
	for _, c := range cols {
		s[c] = true
	}
}

func (s columnSet) list() []int {
	var cols []int
	for i, in := range s {
		if in {
			cols = append(cols, i)
		}
	}
	return cols
}

func allColumns(n int) columnSet {
	s := make(columnSet, n)
	for i := range s {
		s[i] = true
	}
	return s
}

// neededColumns finds for every node which of its output columns are used above; of the root all are.
func neededColumns(root Node) map[Node]columnSet {
	nodes := Nodes(root)
	needs := make(map[Node]columnSet, len(nodes))
	for _, n := range nodes {
		needs[n] = make(columnSet, len(n.Types()))
	}
	needs[root] = allColumns(len(needs[root]))
	for i := len(nodes) - 1; i >= 0; i-- {
		spreadNeeds(nodes[i], needs)
	}
	return needs
}

// spreadNeeds adds to the needs of n's inputs what n takes from them.
func spreadNeeds(n Node, needs map[Node]columnSet) {
	need := needs[n]
	switch n := n.(type) {
	case *Filter:
		needs[n.Input].add(need.list()...)
		needs[n.Input].add(Columns(n.Predicates...)...)
	case *Sort:
		needs[n.Input].add(need.list()...)
		needs[n.Input].add(Columns(Exprs(n)...)...)
	case *Limit:
		needs[n.Input].add(need.list()...)
	case *Project:
		for _, i := range need.list() {
			needs[n.Input].add(Columns(n.Exprs[i])...)
		}
	case *Unnest:
		needs[n.Input].add(n.needs(need)...)
	case *Aggregate:
		needs[n.Input].add(Columns(n.Groups...)...)
		for _, i := range keptCalls(n, need) {
			needs[n.Input].add(Columns(n.Calls[i].exprs()...)...)
		}
	case *Join:
		left, right := joinNeeds(n, need)
		needs[n.Left].add(left...)
		needs[n.Right].add(right...)
	case *Union:
		if len(need) > 0 && len(need.list()) == 0 {
			need.add(0) // branches need a common column
		}
		for _, b := range n.Branches {
			needs[b].add(need.list()...)
		}
	case *Session:
		width := len(n.Input.Types())
		needs[n.Input].add(slices.DeleteFunc(need.list(), func(c int) bool { return c >= width })...)
		needs[n.Input].add(Columns(n.Keys...)...)
		needs[n.Input].add(n.Time)
	case *Window:
		needs[n.Input].add(windowNeeds(n, need)...)
	case *TopN:
		width := len(n.Input.Types())
		needs[n.Input].add(slices.DeleteFunc(need.list(), func(c int) bool { return c >= width })...)
		needs[n.Input].add(Columns(n.exprs()...)...)
	default: // Distinct, Unsupported; Get and Values have no inputs
		for _, in := range n.Inputs() {
			needs[in].add(upTo(len(needs[in]))...)
		}
	}
}

// keptCalls lists the calls of n that are needed. Without groups one is kept, so that there is a row.
func keptCalls(n *Aggregate, need columnSet) []int {
	var kept []int
	for i := range n.Calls {
		if need.has(len(n.Groups)+i) || i == n.SessionEnd-1 {
			kept = append(kept, i)
		}
	}
	if len(kept) == 0 && len(n.Groups) == 0 && len(n.Calls) > 0 {
		kept = []int{0}
	}
	return kept
}

// joinNeeds lists the columns that a join takes from each side.
func joinNeeds(n *Join, need columnSet) (left, right []int) {
	lw, rw := len(n.Left.Types()), len(n.Right.Types())
	l, r := make(columnSet, lw), make(columnSet, rw)
	both := need.list()
	if n.Kind == Semi || n.Kind == Anti || n.Kind == Mark || n.Kind == Exists {
		both = slices.DeleteFunc(both, func(c int) bool { return c >= lw })
	}
	for _, c := range append(both, Columns(n.Residual...)...) {
		if c < lw {
			l.add(c)
		} else {
			r.add(c - lw)
		}
	}
	for _, k := range n.Keys {
		l.add(Columns(k.Left)...)
		r.add(Columns(k.Right)...)
	}
	return l.list(), r.list()
}

// prune drops columns that nobody needs.
func prune(root Node) Node {
	if len(root.Types()) == 0 {
		return root
	}
	p := pruner{needs: neededColumns(root), done: map[Node]pruned{}}
	for _, n := range Nodes(root) {
		p.done[n] = p.node(n)
	}
	return p.done[root].exactly(upTo(len(root.Types())))
}

// pruned is a rewritten node; at says where a column of the old one is now, for the columns that are needed.
type pruned struct {
	Node
	at map[int]int
}

func (x pruned) expr(e *Expr) *Expr {
	return e.Substitute(func(c *Expr) *Expr {
		if x.at[c.Index] == c.Index {
			return c
		}
		return Col(x.at[c.Index], c.Type)
	})
}

func (x pruned) exprs(es []*Expr) []*Expr { return mapExprs(es, x.expr) }

// exactly returns the node with just the given old columns, in that order.
func (x pruned) exactly(cols []int) Node {
	same := len(cols) == len(x.Types())
	at := make([]int, len(cols))
	for i, c := range cols {
		at[i] = x.at[c]
		same = same && at[i] == i
	}
	if same || len(cols) == 0 {
		return x.Node
	}
	return selectColumns(x.Node, at)
}

// narrow returns the node without columns other than the given old ones, in any order.
func (x pruned) narrow(cols []int) pruned {
	if len(cols) == 0 || len(cols) == len(x.Types()) {
		return x
	}
	return pruned{x.exactly(cols), positionsOf(cols)}
}

func positionsOf(cols []int) map[int]int {
	at := make(map[int]int, len(cols))
	for i, c := range cols {
		at[c] = i
	}
	return at
}

type pruner struct {
	needs map[Node]columnSet
	done  map[Node]pruned
}

// node rewrites n, whose inputs are done.
func (p *pruner) node(n Node) pruned {
	need := p.needs[n].list()
	switch n := n.(type) {
	case *Get:
		return pruneGet(n, need)
	case *Values:
		return pruneValues(n, need)
	case *Filter:
		in := p.done[n.Input]
		return pruned{&Filter{Input: in.Node, Predicates: in.exprs(n.Predicates)}, in.at}
	case *Sort:
		in := p.done[n.Input]
		keys := slices.Clone(n.Keys)
		for i := range keys {
			keys[i].Expr = in.expr(keys[i].Expr)
		}
		return pruned{&Sort{Input: in.Node, Keys: keys}, in.at}
	case *Limit:
		in := p.done[n.Input]
		return pruned{&Limit{Input: in.Node, Count: n.Count, Offset: n.Offset}, in.at}
	case *Project:
		in := p.done[n.Input]
		if len(need) == 0 {
			return pruned{in.Node, nil} // only the number of rows counts
		}
		out := &Project{Input: in.Node}
		for _, i := range need {
			out.Exprs = append(out.Exprs, in.expr(n.Exprs[i]))
		}
		return pruned{out, positionsOf(need)}
	case *Unnest:
		return p.unnest(n)
	case *Aggregate:
		return p.aggregate(n)
	case *Join:
		return p.join(n)
	case *TopN:
		return p.topN(n)
	case *Session:
		return p.session(n)
	case *Window:
		return p.window(n)
	case *Union:
		out := &Union{}
		for _, b := range n.Branches {
			out.Branches = append(out.Branches, p.done[b].exactly(need))
		}
		return pruned{out, positionsOf(need)}
	}
	in := make([]Node, len(n.Inputs()))
	for i, x := range n.Inputs() {
		in[i] = p.done[x].exactly(upTo(len(x.Types())))
	}
	return pruned{withInputs(n, in), positionsOf(upTo(len(n.Types())))}
}

func pruneGet(n *Get, need []int) pruned {
	kept := append(need, Columns(n.Filters...)...)
	slices.Sort(kept)
	kept = slices.Compact(kept)
	out := &Get{Relation: n.Relation}
	for _, c := range kept {
		out.Columns = append(out.Columns, n.Columns[c])
		out.Schema = append(out.Schema, n.Schema[c])
	}
	if len(kept) == 0 {
		out.Columns, out.Schema = []int{-1}, row.Schema{{Type: row.T(row.Int64)}}
	}
	x := pruned{out, positionsOf(kept)}
	out.Filters = x.exprs(n.Filters)
	return x
}

func pruneValues(n *Values, need []int) pruned {
	if len(need) == 0 && len(n.Width) > 0 {
		need = []int{0}
	}
	out := &Values{}
	for _, c := range need {
		out.Width = append(out.Width, n.Width[c])
	}
	for _, r := range n.Rows {
		kept := make([]*Expr, len(need))
		for i, c := range need {
			kept[i] = r[c]
		}
		out.Rows = append(out.Rows, kept)
	}
	return pruned{out, positionsOf(need)}
}

func (p *pruner) aggregate(n *Aggregate) pruned {
	in := p.done[n.Input]
	out := &Aggregate{Input: in.Node, Groups: in.exprs(n.Groups), Sets: n.Sets}
	at := positionsOf(upTo(len(n.Groups)))
	for _, i := range keptCalls(n, p.needs[n]) {
		at[len(n.Groups)+i] = len(n.Groups) + len(out.Calls)
		out.Calls = append(out.Calls, n.Calls[i].mapped(in.expr))
		if i == n.SessionEnd-1 {
			out.SessionEnd = len(out.Calls)
		}
	}
	return pruned{out, at}
}

func (p *pruner) session(n *Session) pruned {
	in := p.done[n.Input]
	out := n.mapped(in.Node, in.expr)
	at := map[int]int{}
	for old, now := range in.at {
		at[old] = now
	}
	old, now := len(n.Input.Types()), len(in.Types())
	for i := range len(n.Types()) - old {
		at[old+i] = now + i
	}
	return pruned{out, at}
}

func (p *pruner) join(n *Join) pruned {
	l, r := joinNeeds(n, p.needs[n])
	left, right := p.done[n.Left].narrow(l), p.done[n.Right].narrow(r)
	oldWidth, width := len(n.Left.Types()), len(left.Types())
	both := pruned{at: map[int]int{}}
	for _, c := range l {
		both.at[c] = left.at[c]
	}
	for _, c := range r {
		both.at[oldWidth+c] = width + right.at[c]
	}
	out := &Join{Kind: n.Kind, Left: left.Node, Right: right.Node, Residual: both.exprs(n.Residual)}
	for _, k := range n.Keys {
		out.Keys = append(out.Keys, JoinKey{Left: left.expr(k.Left), Right: right.expr(k.Right), NullsEqual: k.NullsEqual})
	}
	if n.Kind == Mark || n.Kind == Exists {
		both.at[oldWidth] = width
	}
	both.Node = out
	return both
}
