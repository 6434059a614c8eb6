package plan

import "slices"

// delimJoin decodes a join whose right side reads the distinct values of columns of the left one. The left side becomes one
// node that both the join and the values read.
func (d *decoder) delimJoin(o object) Node {
	children := o.list("children")
	if len(children) != 2 {
		d.fail("a join has %d inputs", len(children))
	}
	left := d.node(children[0])
	exprs := d.exprs(o.list("duplicate_eliminated_columns"), d.side(children[0], len(left.Types())))
	columns := &Distinct{Input: &Project{Input: left, Exprs: exprs}}
	d.delims = append(d.delims, columns)
	right := d.node(children[1])
	d.delims = d.delims[:len(d.delims)-1]
	n := d.comparisons(d.joinKind(o), o, left, right)
	if d.rowNumbered(children[0], left, exprs) {
		return d.joinOutput(o, d.perRow(n, columns, exprs), n)
	}
	return d.joinOutput(o, n, n)
}

// delimGet decodes a reference to the columns that the nearest join around it is correlated by.
func (d *decoder) delimGet(o object) Node {
	types := d.types(o.list("chunk_types"))
	if len(d.delims) == 0 {
		d.fail("correlated columns without a join")
	}
	n := d.delims[len(d.delims)-1]
	have := n.Types()
	same := len(have) == len(types)
	for i := range have {
		same = same && have[i] == types[i]
	}
	if !same {
		d.fail("a join is correlated by columns of types %s and read as %s", typeList(have), typeList(types))
	}
	return n
}

// rowNumbered recognises a lateral join for which DuckDB numbers the left rows by row_number() OVER (), because the columns it is
// correlated by (lists, structs) are not to be compared, and joins on that number, the last column of left.
func (d *decoder) rowNumbered(window any, left Node, columns []*Expr) bool {
	o := d.object(window, "an operator")
	calls := o.list("expressions")
	if o.str("type") != "LOGICAL_WINDOW" || len(calls) != 1 {
		return false
	}
	call := d.object(calls[0], "a window function")
	if call.str("type") != "WINDOW_ROW_NUMBER" || len(call.list("partitions")) > 0 || len(call.list("orders")) > 0 {
		return false
	}
	number := len(left.Types()) - 1
	return slices.ContainsFunc(columns, func(c *Expr) bool { return c.Kind == Column && c.Index == number })
}

var asOfKinds = map[JoinKind]JoinKind{Inner: AsOf, Left: AsOfLeft, Right: AsOfRight, Full: AsOfFull}

// asOfJoin decodes an ASOF join: equalities and one inequality, which becomes the residual.
func (d *decoder) asOfJoin(o object, in []Node) Node {
	kind, ok := asOfKinds[d.joinKind(o)]
	if !ok {
		d.fail("there is no ASOF join of type %q", o.str("join_type"))
	}
	l, r := d.pair(in)
	n := d.comparisons(kind, o, l, r)
	if len(n.Residual) == 1 {
		return d.joinOutput(o, n, n)
	}
	u := &Unsupported{What: "an ASOF JOIN with a condition other than equalities and one inequality",
		Hint: "Put the other conditions into a subquery that is joined, or into WHERE.", Width: n.Types(), Below: in}
	return d.joinOutput(o, u, n)
}
