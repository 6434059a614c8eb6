package plan

import (
	"fmt"
	"slices"

	"github.com/tidemill/tidemill/internal/row"
)

// perRow decodes a numbered join: what n.Right makes of a row of columns goes to the row of n.Left that has its number, and to no
// other. It makes the same of rows with the same values, so all that the number is used for, which is to tell rows of columns apart, can be done with the values
// themselves. They take the number's place.
func (d *decoder) perRow(n *Join, columns *Distinct, exprs []*Expr) Node {
	window, ok := n.Left.(*Window)
	number := len(n.Left.Types()) - 1
	types := n.Left.Types()
	var values []*Expr
	nested := false
	for _, e := range exprs {
		if e.Kind == Column && e.Index == number {
			continue
		}
		values = append(values, e)
		nested = nested || e.Type.Kind == row.List || e.Type.Kind == row.Struct || e.Type.Kind == row.Map
	}
	u := &Unsupported{What: "a subquery that is correlated by a number of a row", Hint: "Correlate it by columns.", Width: n.Types(), Below: []Node{n.Left}}
	for _, x := range Nodes(n.Right) {
		if x, is := x.(*Unsupported); is && x.Hint == hintUnnest {
			u.What, u.Hint = x.What, x.Hint
			return u
		}
	}
	if !ok || !nested || len(window.Types()) != len(window.Input.Types())+1 {
		return u
	}
	left := &Project{Input: window.Input}
	for i, t := range types[:number] {
		left.Exprs = append(left.Exprs, Col(i, t))
	}
	left.Exprs = append(left.Exprs, together(values))
	n.Left, columns.Input = left, &Project{Input: left, Exprs: exprs}
	retype(n, map[Node]bool{left: true})
	out := &Project{Input: n}
	for i, t := range n.Types() {
		if i == number {
			out.Exprs = append(out.Exprs, Const(row.NullValue(row.T(row.Int64))))
		} else {
			out.Exprs = append(out.Exprs, Col(i, t))
		}
	}
	return out
}

// together is one value that tells apart what values do.
func together(values []*Expr) *Expr {
	if len(values) == 1 {
		return values[0]
	}
	members := make([]row.Member, len(values))
	for i, v := range values {
		members[i] = row.Member{Name: fmt.Sprintf("c%d", i), Type: v.Type}
	}
	return Fn("struct_pack", row.StructOf(members), values...)
}

// retype gives references to columns the types that the columns below have now. done are nodes that need no look.
func retype(n Node, done map[Node]bool) {
	if done[n] {
		return
	}
	done[n] = true
	for _, in := range n.Inputs() {
		retype(in, done)
	}
	switch n := n.(type) {
	case *Join:
		left, right := n.Left.Types(), n.Right.Types()
		for _, k := range n.Keys {
			retypeColumns([]*Expr{k.Left}, left)
			retypeColumns([]*Expr{k.Right}, right)
		}
		retypeColumns(n.Residual, slices.Concat(left, right))
	case *Union, *SetOp, *Recursive, *Get, *Values, *Unsupported:
	default:
		if in := n.Inputs(); len(in) == 1 {
			retypeColumns(Exprs(n), in[0].Types())
		}
	}
	switch n := n.(type) {
	case *Aggregate:
		for i := range n.Calls {
			if c := &n.Calls[i]; c.Name == "first" && len(c.Args) == 1 {
				c.Type = c.Args[0].Type
			}
		}
	case *Window:
		for i := range n.Calls {
			if c := &n.Calls[i]; c.Name == "first" && len(c.Args) == 1 {
				c.Type = c.Args[0].Type
			}
		}
	}
}

func retypeColumns(exprs []*Expr, types []row.Type) {
	for _, e := range exprs {
		e.Walk(func(x *Expr) bool {
			if x.Kind == Column && x.Index < len(types) {
				x.Type = types[x.Index]
			}
			return true
		})
	}
}
