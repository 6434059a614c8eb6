package plan

import "github.com/tidemill/tidemill/internal/row"

// DuckDB writes FROM a, unnest(a.l) as a join of a with its own distinct lists, each unnested, on the list; and numbers the rows of a to join on the
// number where lists are costly to compare. When what it does to the distinct values is done to each row alone, it can be done to the rows of a
// themselves, without the join.

// lateral decodes a LOGICAL_DELIM_JOIN whose right side works on each row of the left side alone, else returns nil.
func (d *decoder) lateral(o object) Node {
	kind := o.str("join_type")
	children := o.list("children")
	if kind != "INNER" && kind != "LEFT" || len(children) != 2 || len(o.list("conditions")) == 0 {
		return nil
	}
	chain := d.rowwise(children[1])
	if chain == nil || kind == "LEFT" && !keepsRows(chain) {
		return nil
	}
	for _, c := range o.list("conditions") {
		if d.object(c, "a join condition").str("comparison") != "COMPARE_NOT_DISTINCT_FROM" {
			return nil
		}
	}
	l := laterals{d: d, left: d.numbered(children[0]), outer: kind == "LEFT"}
	l.dup = d.exprs(o.list("duplicate_eliminated_columns"), scope{width: len(l.left.Types())})
	right, ok := l.chain(chain)
	if !ok {
		return nil
	}
	return l.join(o, right)
}

// rowwise returns the operators from v down to a LOGICAL_DELIM_GET if there are no others than those that work on each row alone, else nil.
func (d *decoder) rowwise(v any) []object {
	var chain []object
	lists := false
	for len(chain) < maxDepth {
		o, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		chain = append(chain, o)
		switch op := object(o).str("type"); op {
		case "LOGICAL_DELIM_GET":
			if !lists {
				return nil
			}
			return chain
		case "LOGICAL_UNNEST", "LOGICAL_EXPRESSION_GET", "LOGICAL_GET":
			lists = true
		case "LOGICAL_PROJECTION", "LOGICAL_FILTER":
		default:
			return nil
		}
		below := object(o).list("children")
		if len(below) != 1 {
			return nil
		}
		v = below[0]
	}
	return nil
}

// keepsRows reports whether a row of the left side can only be lost in the one Unnest that the chain has, which then can keep it.
func keepsRows(chain []object) bool {
	unnests := 0
	for _, o := range chain {
		switch o.str("type") {
		case "LOGICAL_UNNEST", "LOGICAL_GET":
			unnests++
		case "LOGICAL_FILTER":
			return false
		}
	}
	return unnests <= 1
}

// rowNumber is the name of the call that stands for DuckDB's numbers of rows. Nothing may depend on them.
const rowNumber = "row_number"

// numbered decodes the left side. The number of its rows that DuckDB may have added is a volatile call, which a view refuses if it
// is used for anything.
func (d *decoder) numbered(v any) Node {
	o := d.object(v, "an operator")
	fns := o.list("expressions")
	if below := o.list("children"); o.str("type") == "LOGICAL_FILTER" && len(below) == 1 {
		in := d.numbered(below[0])
		return d.filter(o, in, scope{width: len(in.Types())})
	}
	if o.str("type") != "LOGICAL_WINDOW" || len(fns) != 1 || len(o.list("children")) != 1 {
		return d.node(v)
	}
	w := d.object(fns[0], "a window function")
	if w.str("type") != "WINDOW_ROW_NUMBER" || len(w.list("partitions"))+len(w.list("orders")) > 0 {
		return d.node(v)
	}
	in := d.node(o.list("children")[0])
	number := Fn(rowNumber, row.T(row.Int64))
	number.Volatile = true
	n := &Project{Input: in}
	for i, t := range in.Types() {
		n.Exprs = append(n.Exprs, Col(i, t))
	}
	n.Exprs = append(n.Exprs, number)
	return n
}

// laterals does to the rows of left what a chain of operators does to their distinct columns dup.
type laterals struct {
	d     *decoder
	left  Node
	dup   []*Expr
	outer bool
}

// chain decodes operators, the lowest last.
func (l *laterals) chain(ops []object) (spread, bool) {
	o := ops[0]
	if len(ops) == 1 {
		exprs := l.dup
		for i, t := range l.left.Types() {
			exprs = append(exprs, Col(i, t))
		}
		return spread{&Project{Input: l.left, Exprs: exprs}, len(l.dup)}, true
	}
	in, ok := l.chain(ops[1:])
	if !ok {
		return spread{}, false
	}
	d, s := l.d, scope{width: in.own, bindings: map[uint64]int{}}
	if table, ok := tableIndex(map[string]any(ops[1])); ok {
		s.bindings[d.uint(table)] = 0
	}
	switch o.str("type") {
	case "LOGICAL_PROJECTION":
		return arranged(in.Node, in, d.exprs(o.list("expressions"), s)), true
	case "LOGICAL_FILTER":
		var predicates []*Expr
		for _, e := range d.exprs(o.list("expressions"), s) {
			predicates = conjuncts(predicates, e)
		}
		kept := d.positions(o.list("projection_map"), in.own)
		if kept == nil {
			kept = upTo(in.own)
		}
		return arranged(filtered(in.Node, predicates), in, references(in, kept)), true
	case "LOGICAL_EXPRESSION_GET":
		return l.rows(o, in, s), true
	case "LOGICAL_UNNEST":
		return l.kept(d.unnest(o, in, s)), true
	}
	out, ok := d.listFunction(o, in)
	if !ok {
		return spread{}, false
	}
	return l.kept(out), true
}

func references(n Node, at []int) []*Expr {
	types := n.Types()
	out := make([]*Expr, len(at))
	for i, c := range at {
		out[i] = Col(c, types[c])
	}
	return out
}

// rows decodes VALUES that refer to the row: one projection per row of the VALUES.
func (l *laterals) rows(o object, in spread, s scope) spread {
	out := &Union{}
	width := 0
	for _, r := range o.list("expressions") {
		list, _ := r.([]any)
		part := arranged(in.Node, in, l.d.exprs(list, s))
		if width = part.own; width != len(o.list("expr_types")) {
			l.d.fail("a row of VALUES has %d columns", width)
		}
		out.Branches = append(out.Branches, part.Node)
	}
	if len(out.Branches) == 0 {
		l.d.fail("VALUES without rows")
	}
	return spread{out, width}
}

// kept makes the Unnest below a projection keep rows without elements if the join is an outer one. The columns that the right side gives besides the
// elements must be null for such rows.
func (l *laterals) kept(n spread) spread {
	if !l.outer {
		return n
	}
	p := n.Node.(*Project)
	u := *p.Input.(*Unnest)
	u.Outer = true
	position := len(u.Types())
	if u.Ordinality {
		position--
	}
	u.Ordinality = true
	out := &Project{Input: &u}
	for i, e := range p.Exprs {
		if i < n.own && e.Index < len(u.Input.Types()) {
			there := Fn(IsNotNull, row.T(row.Bool), Col(position, row.T(row.Int64)))
			e = &Expr{Kind: Case, Type: e.Type, Args: []*Expr{there, e, Const(row.NullValue(e.Type))}}
		}
		out.Exprs = append(out.Exprs, e)
	}
	return spread{out, n.own}
}

// join returns the columns of the left side and those of the right one. The join's conditions hold by themselves where they compare a column with itself.
func (l *laterals) join(o object, right spread) Node {
	d := l.d
	width := len(l.left.Types())
	var predicates []*Expr
	for _, c := range o.list("conditions") {
		cond := d.object(c, "a join condition")
		a := d.expr(cond["left"], scope{width: width}).shift(right.own)
		b := d.expr(cond["right"], scope{width: right.own})
		if l.outer || a.Kind == Column && b.Kind == Column && origin(right.Node, a.Index) == origin(right.Node, b.Index) {
			continue
		}
		predicates = append(predicates, Fn(NotDistinctFrom, row.T(row.Bool), a, b))
	}
	n := filtered(right.Node, predicates)
	types := n.Types()
	left, own := d.positions(o.list("left_projection_map"), width), d.positions(o.list("right_projection_map"), right.own)
	if left == nil {
		left = upTo(width)
	}
	if own == nil {
		own = upTo(right.own)
	}
	out := &Project{Input: n}
	for _, c := range left {
		out.Exprs = append(out.Exprs, Col(right.own+c, types[right.own+c]))
	}
	for _, c := range own {
		out.Exprs = append(out.Exprs, Col(c, types[c]))
	}
	return out
}

// source is a column of a node.
type source struct {
	n      Node
	column int
}

// origin follows a column down to where it is not merely passed on.
func origin(n Node, column int) source {
	for {
		switch x := n.(type) {
		case *Filter:
			n = x.Input
		case *Project:
			if x.Exprs[column].Kind != Column {
				return source{n, column}
			}
			n, column = x.Input, x.Exprs[column].Index
		case *Unnest:
			if column >= len(x.Input.Types()) {
				return source{n, column}
			}
			n = x.Input
		case *Union:
			from := origin(x.Branches[0], column)
			for _, b := range x.Branches[1:] {
				if origin(b, column) != from {
					return source{n, column}
				}
			}
			return from
		default:
			return source{n, column}
		}
	}
}
