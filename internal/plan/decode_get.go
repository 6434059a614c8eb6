package plan

import (
	"slices"
	"strings"

	"github.com/tidemill/tidemill/internal/row"
)

// get decodes a scan.
func (d *decoder) get(o object) Node {
	data := o.obj("function_data")
	if o.str("name") != "seq_scan" || data.str("table") == "" || len(o.list("children")) > 0 {
		return d.tableFunction(o)
	}
	n := &Get{Relation: relationName(data.str("schema"), data.str("table"))}
	names, types := o.list("names"), o.list("returned_types")
	if len(names) != len(types) {
		d.fail("a relation has %d names for %d columns", len(names), len(types))
	}
	for _, v := range o.list("column_indexes") {
		d.readColumn(n, d.columnIndex(v), names, types)
	}
	width := len(n.Columns)
	for _, v := range o.obj("table_filters").list("filters") {
		f := d.object(v, "a table filter")
		key := d.position(f["key"], len(names), "filtered column")
		at := slices.Index(n.Columns, key)
		if at < 0 {
			at = len(n.Columns)
			d.readColumn(n, uint64(key), names, types)
		}
		if e := d.tableFilter(f["value"], Col(at, n.Schema[at].Type), types[key]); e != nil {
			n.Filters = conjuncts(n.Filters, e)
		}
	}
	out := d.positions(o.list("projection_ids"), width)
	if out == nil && len(n.Columns) > width {
		out = upTo(width)
	}
	return selectColumns(n, out)
}

// relationName is the name of a relation as users write it: schema main goes without saying.
func relationName(schema, table string) string {
	if schema == "" || schema == "main" {
		return table
	}
	return schema + "." + table
}

// columnIndex reads an entry of column_indexes.
func (d *decoder) columnIndex(v any) uint64 {
	o := d.object(v, "a column index")
	if has, ok := o["has_index"].(bool); ok && !has {
		d.fail("a scan reads a part of a column")
	}
	return d.uint(o["index"])
}

// readColumn adds a column to those that n reads.
func (d *decoder) readColumn(n *Get, index uint64, names, types []any) {
	switch {
	case index < uint64(len(names)):
		n.Columns = append(n.Columns, int(index))
		n.Schema = append(n.Schema, row.Column{Name: d.text(names[index]), Type: d.typ(types[index])})
	case index == none:
		n.Columns = append(n.Columns, -1)
		n.Schema = append(n.Schema, row.Column{Type: row.T(row.Int64)})
	default:
		d.refuse("a virtual column of "+n.Relation, "Use the relation's own columns.")
	}
}

// tableFilter decodes a predicate on col, whose type is typ. It returns nil for what is only a hint and always true.
func (d *decoder) tableFilter(v any, col *Expr, typ any) *Expr {
	defer d.leave(d.enter())
	o := d.object(v, "a table filter")
	boolean := row.T(row.Bool)
	switch kind := o.str("filter_type"); kind {
	case "OPTIONAL_FILTER", "DYNAMIC_FILTER", "BLOOM_FILTER", "SELECTIVITY_OPTIONAL_FILTER":
		return nil
	case "CONSTANT_COMPARISON":
		return Fn(d.comparison(o.str("comparison_type")), boolean, col, d.constant(o["constant"]))
	case "IS_NULL":
		return Fn(IsNull, boolean, col)
	case "IS_NOT_NULL":
		return Fn(IsNotNull, boolean, col)
	case "IN_FILTER":
		args := []*Expr{col}
		for _, c := range o.list("values") {
			args = append(args, d.constant(c))
		}
		return Fn(In, boolean, args...)
	case "CONJUNCTION_AND", "CONJUNCTION_OR":
		return d.filterConjunction(o, kind, col, typ)
	case "STRUCT_EXTRACT":
		return d.structFilter(o, col, typ)
	case "EXPRESSION_FILTER":
		e := d.expr(o["expr"], scope{width: 1})
		return e.Substitute(func(*Expr) *Expr { return col })
	default:
		d.fail("there is no table filter of type %q", kind)
		return nil
	}
}

func (d *decoder) filterConjunction(o object, kind string, col *Expr, typ any) *Expr {
	name := And
	if kind == "CONJUNCTION_OR" {
		name = Or
	}
	var args []*Expr
	for _, c := range o.list("child_filters") {
		e := d.tableFilter(c, col, typ)
		if e == nil && name == Or {
			return nil
		}
		if e != nil {
			args = append(args, e)
		}
	}
	switch len(args) {
	case 0:
		return nil
	case 1:
		return args[0]
	}
	return Fn(name, row.T(row.Bool), args...)
}

// structFilter decodes a predicate on a member of a struct.
func (d *decoder) structFilter(o object, col *Expr, typ any) *Expr {
	members := d.object(typ, "a type").obj("type_info").list("child_types")
	m := d.object(members[d.position(o["child_idx"], len(members), "struct member")], "a member")
	name := m.str("first")
	if name == "" {
		d.refuse("a filter on a member of an unnamed struct", "Name the members of the struct.")
	}
	member := Fn("struct_extract", d.typ(m["second"]), col, Const(row.StringValue(name)))
	return d.tableFilter(o["child_filter"], member, m["second"])
}

// tableFunction decodes a scan that is not one of a relation.
func (d *decoder) tableFunction(o object) Node {
	in, _ := d.inputs(o)
	over := spread{oneRow(), 0}
	if len(in) == 1 {
		over = spread{in[0], len(in[0].Types())}
	}
	if len(in) <= 1 {
		if out, ok := d.listFunction(o, over); ok {
			return selectColumns(out.Node, upTo(out.own))
		}
	}
	n := &Unsupported{Below: in}
	types := o.list("returned_types")
	for _, v := range o.list("column_indexes") {
		if i := d.columnIndex(v); i < uint64(len(types)) {
			n.Width = append(n.Width, d.typ(types[i]))
		} else {
			n.Width = append(n.Width, row.T(row.Int64))
		}
	}
	if len(in) == 1 {
		below := in[0].Types()
		for _, i := range d.positions(o.list("projected_input"), len(below)) {
			n.Width = append(n.Width, below[i])
		}
		if ordinality, ok := o["ordinality_idx"]; ok && d.uint(ordinality) != none {
			n.Width = append(n.Width, row.T(row.Int64))
		}
	}
	name := strings.ToLower(o.str("name"))
	n.What = "the table function " + name + "()"
	n.Hint = "A view can only read streams, tables and views; load what the function returns into a table."
	if name == "unnest" || len(in) > 0 {
		n.What, n.Hint = name+"() in FROM", hintUnnest
	}
	return n
}
