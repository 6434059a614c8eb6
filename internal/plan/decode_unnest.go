package plan

import (
	"strings"

	"github.com/tidemill/tidemill/internal/row"
)

// spread is a node whose first own columns are those that DuckDB's plan knows. Others are carried behind them; see lateral.
type spread struct {
	Node
	own int
}

// arranged projects on the given columns and those that in carries; n begins with the columns of in.
func arranged(n Node, in spread, own []*Expr) spread {
	types := n.Types()
	exprs := own
	for c := in.own; c < len(in.Types()); c++ {
		exprs = append(exprs, Col(c, types[c]))
	}
	return spread{&Project{Input: n, Exprs: exprs}, len(own)}
}

// unnest decodes a LOGICAL_UNNEST: its output is the columns below it, then the elements.
func (d *decoder) unnest(o object, in spread, s scope) spread {
	n := &Unnest{Input: in.Node}
	for _, v := range o.list("expressions") {
		e := d.object(v, "an unnest")
		if class := e.str("expression_class"); class != "BOUND_UNNEST" {
			d.fail("an unnest has the class %q", class)
		}
		n.Lists = append(n.Lists, d.expr(e["child"], s))
		n.Width = append(n.Width, d.typ(e["return_type"]))
	}
	if len(n.Lists) == 0 {
		d.fail("an unnest of nothing")
	}
	types := n.Types()
	var own []*Expr
	for i := range in.own {
		own = append(own, Col(i, types[i]))
	}
	for i := range n.Lists {
		at := len(in.Types()) + i
		own = append(own, Col(at, types[at]))
	}
	return arranged(n, in, own)
}

// JSONColumn is a column of json_each and json_tree.
type JSONColumn struct {
	Name string
	Type row.Type
	// Position says that the value depends on where in the document the value is.
	Position bool
}

// JSONColumns are the columns of json_each and json_tree. In an Unnest, the list of one of them is a call of that function with the
// number of the column as an argument behind those of SQL.
var JSONColumns = [...]JSONColumn{
	{Name: "key", Type: row.T(row.String)}, {Name: "value", Type: row.T(row.JSON)}, {Name: "type", Type: row.T(row.String)}, {Name: "atom", Type: row.T(row.JSON)},
	{Name: "id", Type: row.T(row.Uint64), Position: true}, {Name: "parent", Type: row.T(row.Uint64), Position: true},
	{Name: "fullkey", Type: row.T(row.String), Position: true}, {Name: "path", Type: row.T(row.String), Position: true},
}

// elements returns the lists whose elements a table function returns, nil for a function that is not known to be one of lists.
func (d *decoder) elements(function string, args []*Expr, types []any) *Unnest {
	if len(args) == 0 {
		return nil
	}
	switch function {
	case "unnest", "range", "generate_series":
		if len(types) == 0 {
			d.fail("%s() has no columns", function)
		}
		elem := d.typ(types[0])
		list := args[0]
		if function != "unnest" {
			list = Fn(function, row.ListOf(elem), args...)
		}
		return &Unnest{Lists: []*Expr{list}, Width: []row.Type{elem}, Even: true}
	case "json_each", "json_tree":
		n := &Unnest{Even: true}
		for i, c := range JSONColumns {
			n.Lists = append(n.Lists, Fn(function, row.ListOf(c.Type), concat(args, []*Expr{Const(row.IntValue(row.T(row.Int64), int64(i)))})...))
			n.Width = append(n.Width, c.Type)
		}
		return n
	}
	return nil
}

// listFunction decodes a table function that returns the elements of lists, over in, whose first columns are its arguments; without arguments
// there, they are constants. ok is false for other functions.
func (d *decoder) listFunction(o object, in spread) (out spread, ok bool) {
	types := o.list("returned_types")
	ordinality := -1
	if v, ok := o["ordinality_idx"]; ok && d.uint(v) != none {
		ordinality = d.position(v, len(types), "ordinality")
	}
	n := d.elements(strings.ToLower(o.str("name")), d.functionArgs(o, in), types)
	if n == nil {
		return spread{}, false
	}
	n.Input, n.Ordinality = in.Node, ordinality >= 0
	width := len(in.Types())
	all := n.Types()
	var own []*Expr
	for _, v := range o.list("column_indexes") {
		switch i := d.columnIndex(v); {
		case i >= uint64(len(types)): // only the number of rows counts
			own = append(own, Const(row.IntValue(row.T(row.Int64), 0)))
		case int(i) == ordinality:
			own = append(own, Col(len(all)-1, all[len(all)-1]))
		case int(i) < len(n.Lists):
			own = append(own, Col(width+int(i), all[width+int(i)]))
		default:
			d.fail("a table function has no column %d", i)
		}
	}
	if at := d.positions(o.list("projection_ids"), len(own)); at != nil {
		chosen := make([]*Expr, len(at))
		for i, c := range at {
			chosen[i] = own[c]
		}
		own = chosen
	}
	for _, i := range d.positions(o.list("projected_input"), in.own) {
		own = append(own, Col(i, all[i]))
	}
	return arranged(n, in, own), true
}

// functionArgs are the arguments of a table function.
func (d *decoder) functionArgs(o object, in spread) []*Expr {
	var args []*Expr
	if len(o.list("children")) == 0 {
		for _, v := range o.list("parameters") {
			args = append(args, d.constant(v))
		}
		return args
	}
	types := in.Types()
	for i, t := range d.types(o.list("input_table_types")) {
		if i >= in.own {
			d.fail("a table function has more arguments than columns below it")
		}
		e := Col(i, types[i])
		if types[i] != t {
			e = &Expr{Kind: Cast, Type: t, Args: []*Expr{e}}
		}
		args = append(args, e)
	}
	return args
}

// oneRow is a relation of one row.
func oneRow() Node {
	t := row.T(row.Int32)
	return &Values{Rows: [][]*Expr{{Const(row.NullValue(t))}}, Width: []row.Type{t}}
}
