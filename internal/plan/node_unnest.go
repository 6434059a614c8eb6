package plan

import (
	"strconv"

	"github.com/tidemill/tidemill/internal/row"
)

// Unnest repeats each row of its input for every position in its lists, with the elements at that position beside it. A list that is shorter
// than the longest of its row gives nulls; a row whose lists are all empty or null gives nothing.
type Unnest struct {
	Input Node
	Lists []*Expr    // of list types, over the input
	Width []row.Type // of the elements, per list
	// Even says that the lists of a row are equally long.
	Even bool
	// Outer keeps a row whose lists are all empty or null, with nulls beside it.
	Outer bool
	// Ordinality adds a BIGINT column with the position, from 1; it is null where Outer keeps a row.
	Ordinality bool
}

// Inputs implements Node.
func (n *Unnest) Inputs() []Node { return []Node{n.Input} }

// Types implements Node: the columns of the input, the elements, the position.
func (n *Unnest) Types() []row.Type {
	ts := concat(n.Input.Types(), n.Width)
	if n.Ordinality {
		ts = append(ts, row.T(row.Int64))
	}
	return ts
}

// line describes the operator for Explain.
func (n *Unnest) line(ex *explainer) string {
	s := "Unnest " + ex.list(n.Lists, ex.of(n.Input), ", ")
	if n.Outer {
		s += " outer"
	}
	if n.Ordinality {
		s += " with ordinality"
	}
	return s
}

func (n *Unnest) fingerprint() string {
	return exact(n.Lists...) + typeList(n.Width) + strconv.FormatBool(n.Outer) + strconv.FormatBool(n.Ordinality)
}

// needs lists what n takes from its input.
func (n *Unnest) needs(need columnSet) []int {
	width := len(n.Input.Types())
	var cols []int
	for _, c := range need.list() {
		if c < width {
			cols = append(cols, c)
		}
	}
	for _, i := range n.keptLists(need) {
		cols = append(cols, Columns(n.Lists[i])...)
	}
	return cols
}

// keptLists are the lists that decide how many rows there are, or whose elements are needed.
func (n *Unnest) keptLists(need columnSet) []int {
	width := len(n.Input.Types())
	var kept []int
	for i := range n.Lists {
		if !n.Even || need.has(width+i) {
			kept = append(kept, i)
		}
	}
	if len(kept) == 0 {
		kept = []int{0}
	}
	return kept
}

func (p *pruner) unnest(n *Unnest) pruned {
	need := p.needs[n]
	old := len(n.Input.Types())
	in := p.done[n.Input].narrow(columnSet(n.inputColumns(need)).list())
	width := len(in.Types())
	out := &Unnest{Input: in.Node, Even: n.Even, Outer: n.Outer, Ordinality: n.Ordinality && need.has(old+len(n.Lists))}
	at := make(map[int]int, width)
	for c, to := range in.at {
		at[c] = to
	}
	for _, i := range n.keptLists(need) {
		at[old+i] = width + len(out.Lists)
		out.Lists = append(out.Lists, in.expr(n.Lists[i]))
		out.Width = append(out.Width, n.Width[i])
	}
	if out.Ordinality {
		at[old+len(n.Lists)] = width + len(out.Lists)
	}
	return pruned{out, at}
}

// inputColumns is the set of the input's columns that n takes.
func (n *Unnest) inputColumns(need columnSet) []bool {
	s := make(columnSet, len(n.Input.Types()))
	s.add(n.needs(need)...)
	return s
}

// unnest moves predicates that are about the input alone below it.
func (p *pusher) unnest(n *Unnest, predicates []*Expr) Node {
	width := len(n.Input.Types())
	down, up := split(predicates, func(e *Expr) bool {
		cols := Columns(e)
		return len(cols) > 0 && cols[len(cols)-1] < width
	})
	return filtered(withInputs(n, []Node{p.node(n.Input, down)}), up)
}

// ofUnnest finds the unique keys: those of the input with the position.
func (u *uniqueness) ofUnnest(n *Unnest) [][]int {
	if !n.Ordinality {
		return nil
	}
	var keys [][]int
	for _, k := range u.keys[n.Input] {
		keys = addKey(keys, concat(k, []int{len(n.Types()) - 1}))
	}
	return keys
}

// crossLists replaces cross products with the elements of constant lists.
func crossLists(root Node) Node {
	return rebuild(root, func(n Node, _ func(Node) bool) Node {
		j, ok := n.(*Join)
		if !ok || j.Kind != Cross && j.Kind != Inner || len(j.Keys) > 0 {
			return n
		}
		if u, exprs := constantLists(j.Right); u != nil {
			return filtered(crossUnnest(j.Left, u, exprs, true), j.Residual)
		}
		if u, exprs := constantLists(j.Left); u != nil {
			return filtered(crossUnnest(j.Right, u, exprs, false), j.Residual)
		}
		return n
	})
}

// constantLists returns the Unnest of constant lists that n is, and the expressions over it that are the columns of n.
func constantLists(n Node) (*Unnest, []*Expr) {
	p, ok := n.(*Project)
	if ok {
		n = p.Input
	}
	u, is := n.(*Unnest)
	if !is || constantRow(u.Input) == nil {
		return nil, nil
	}
	if ok {
		return u, p.Exprs
	}
	return u, references(u, upTo(len(u.Types())))
}

// crossUnnest writes the cross product of side with exprs over the elements of constant lists as an Unnest of side. first says that side is the left one.
func crossUnnest(side Node, lists *Unnest, exprs []*Expr, first bool) Node {
	values := constantRow(lists.Input)
	out := &Unnest{Input: side, Width: lists.Width, Even: lists.Even, Outer: lists.Outer, Ordinality: lists.Ordinality,
		Lists: mapExprs(lists.Lists, func(e *Expr) *Expr { return e.Substitute(func(c *Expr) *Expr { return values[c.Index] }) })}
	width := len(side.Types())
	left := references(side, upTo(width))
	right := mapExprs(exprs, func(e *Expr) *Expr {
		return e.Substitute(func(c *Expr) *Expr {
			if c.Index < len(values) {
				return values[c.Index]
			}
			return Col(width+c.Index-len(values), c.Type)
		})
	})
	if !first {
		left, right = right, left
	}
	return &Project{Input: out, Exprs: concat(left, right)}
}

// mergeUnnest computes lists where they are unnested instead of in a projection below, which is then done above, to the elements.
func mergeUnnest(n *Unnest, shared func(Node) bool) Node {
	below, ok := n.Input.(*Project)
	if !ok || shared(below) || !mergeable(below, shared, n.Lists) {
		return n
	}
	used := make(columnSet, len(below.Exprs))
	used.add(Columns(n.Lists...)...)
	for i, e := range below.Exprs {
		if e.Kind != Column && e.Kind != Constant && !used.has(i) {
			return n
		}
	}
	out := *n
	out.Input, out.Lists = below.Input, inlined(n.Lists, below)
	exprs := below.Exprs
	types := out.Types()
	for i := len(below.Input.Types()); i < len(types); i++ {
		exprs = append(exprs[:len(exprs):len(exprs)], Col(i, types[i]))
	}
	return &Project{Input: &out, Exprs: exprs}
}
