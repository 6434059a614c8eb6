package plan

import (
	"encoding/json"
	"strconv"
	"strings"

	"github.com/tidemill/tidemill/internal/row"
)

// scope says what an expression's column references mean.
type scope struct {
	// width bounds BOUND_REF positions; negative: unbounded.
	width int
	// bindings holds, for a BOUND_COLUMN_REF, the position at which a table index begins.
	bindings map[uint64]int
}

var comparisons = map[string]string{
	"COMPARE_EQUAL": Equals, "COMPARE_NOTEQUAL": NotEquals,
	"COMPARE_LESSTHAN": Less, "COMPARE_LESSTHANOREQUALTO": LessOrEqual,
	"COMPARE_GREATERTHAN": Greater, "COMPARE_GREATERTHANOREQUALTO": GreaterOrEqual,
	"COMPARE_DISTINCT_FROM": DistinctFrom, "COMPARE_NOT_DISTINCT_FROM": NotDistinctFrom,
}

var operators = map[string]string{
	"COMPARE_IN": In, "COMPARE_NOT_IN": NotIn, "OPERATOR_NOT": Not, "OPERATOR_IS_NULL": IsNull, "OPERATOR_IS_NOT_NULL": IsNotNull,
	"OPERATOR_COALESCE": Coalesce, "OPERATOR_TRY": Try,
}

// exprs decodes a list of expressions.
func (d *decoder) exprs(list []any, s scope) []*Expr {
	out := make([]*Expr, len(list))
	for i, v := range list {
		out[i] = d.expr(v, s)
	}
	return out
}

func (d *decoder) expr(v any, s scope) *Expr {
	defer d.leave(d.enter())
	o := d.object(v, "an expression")
	switch class := o.str("expression_class"); class {
	case "BOUND_REF":
		t := d.typ(o["return_type"])
		i := d.uint(o["index"])
		if s.width >= 0 && i >= uint64(s.width) || i > 1<<31 {
			d.fail("an expression refers to column %d of %d", i, s.width)
		}
		return columnOf(int(i), t)
	case "BOUND_COLUMN_REF":
		return d.columnRef(o, s)
	case "BOUND_CONSTANT":
		return d.constant(o["value"])
	case "BOUND_PARAMETER":
		return d.parameter(o)
	case "BOUND_CAST":
		return &Expr{Kind: Cast, Type: d.typ(o["return_type"]), Args: []*Expr{d.expr(o["child"], s)}, Try: o.flag("try_cast")}
	case "BOUND_CASE":
		return d.caseExpr(o, s)
	case "BOUND_COMPARISON":
		return Fn(d.comparison(o.str("type")), row.T(row.Bool), d.expr(o["left"], s), d.expr(o["right"], s))
	case "BOUND_BETWEEN":
		return d.between(o, s)
	case "BOUND_CONJUNCTION":
		name := And
		if o.str("type") == "CONJUNCTION_OR" {
			name = Or
		}
		return Fn(name, row.T(row.Bool), d.exprs(o.list("children"), s)...)
	case "BOUND_OPERATOR":
		return d.operator(o, s)
	case "BOUND_FUNCTION":
		return d.function(o, s)
	default:
		d.refuse("an expression of class "+class, "")
		return nil
	}
}

func (d *decoder) comparison(kind string) string {
	name, ok := comparisons[kind]
	if !ok {
		d.fail("there is no comparison %q", kind)
	}
	return name
}

func (d *decoder) columnRef(o object, s scope) *Expr {
	b := o.obj("binding")
	table := d.uint(b["table_index"])
	base, ok := s.bindings[table]
	if !ok {
		d.fail("an expression refers to table index %d, which is not below it", table)
	}
	i := d.uint(b["column_index"])
	if i > 1<<31 || s.width >= 0 && i+uint64(base) >= uint64(s.width) {
		d.fail("an expression refers to column %d of table index %d", i, table)
	}
	return columnOf(base+int(i), d.typ(o["return_type"]))
}

// columnOf is a column; one of bare NULLs is not read, so that the operator below can give it any type.
func columnOf(i int, t row.Type) *Expr {
	if t == nullType {
		return Const(row.NullValue(t))
	}
	return Col(i, t)
}

// typedNulls are expressions of which those of bare NULLs are nulls of the type that DuckDB hands them out with.
func typedNulls(list []*Expr) []*Expr {
	for i, e := range list {
		if e.Type == nullType {
			list[i] = Const(row.NullValue(row.T(row.Int32)))
		}
	}
	return list
}

func (d *decoder) parameter(o object) *Expr {
	n, err := strconv.Atoi(o.str("identifier"))
	if err != nil || n < 1 {
		d.refuse("the named parameter $"+o.str("identifier"), "Use numbered parameters: $1, $2 …")
	}
	t := d.typ(o["return_type"])
	if t == nullType || t.Kind == row.Other && (t.Name == "INVALID" || t.Name == "UNKNOWN") {
		// Inside of a pushed-down filter only the parameter's data knows the type.
		t = d.typ(d.object(o.obj("parameter_data")["value"], "a parameter's value")["type"])
	}
	return &Expr{Kind: Param, Type: t, Index: n}
}

func (d *decoder) caseExpr(o object, s scope) *Expr {
	e := &Expr{Kind: Case, Type: d.typ(o["return_type"])}
	for _, c := range o.list("case_checks") {
		check := d.object(c, "a branch of CASE")
		e.Args = append(e.Args, d.expr(check["when_expr"], s), d.expr(check["then_expr"], s))
	}
	e.Args = append(e.Args, d.expr(o["else_expr"], s))
	return e
}

func (d *decoder) between(o object, s scope) *Expr {
	input, lower, upper := d.expr(o["input"], s), d.expr(o["lower"], s), d.expr(o["upper"], s)
	lowerOp, upperOp := Greater, Less
	if o.flag("lower_inclusive") {
		lowerOp = GreaterOrEqual
	}
	if o.flag("upper_inclusive") {
		upperOp = LessOrEqual
	}
	t := row.T(row.Bool)
	return Fn(And, t, Fn(lowerOp, t, input, lower), Fn(upperOp, t, input, upper))
}

func (d *decoder) operator(o object, s scope) *Expr {
	name, ok := operators[o.str("type")]
	if !ok {
		d.refuse("the operator "+o.str("type"), "")
	}
	args := d.exprs(o.list("children"), s)
	if len(args) == 0 {
		d.fail("the operator %s has no arguments", name)
	}
	return Fn(name, d.typ(o["return_type"]), args...)
}

// function decodes a call of a scalar function.
func (d *decoder) function(o object, s scope) *Expr {
	e := Fn(o.str("name"), d.typ(o["return_type"]), d.exprs(o.list("children"), s)...)
	if e.Name == "" {
		d.fail("a function has no name")
	}
	data := o.obj("function_data")
	if lambda, ok := data["lambda_expr"]; ok {
		e.SQL = d.lambdaCall(e, data, lambda)
		return e
	}
	switch e.Name {
	case "struct_pack", "struct_insert", "union_value":
		e.SQL = d.namedCall(e.Name, len(e.Args), memberNames(o["return_type"]))
	case "struct_update":
		// DuckDB 1.5 loses the names of its arguments when it optimizes, and then reads memory that is not there.
		d.refuse("struct_update()", "Write the struct out: struct_pack(a := …, b := …).")
	case "array_slice", "list_slice":
		e.SQL = sliceCall(e.Args)
	case "list_aggr", "list_aggregate", "array_aggr", "array_aggregate", "aggregate":
		e.SQL = d.listAggregate(e, data)
	case "row":
		e.SQL = "row" + argumentList(0, len(e.Args))
	case "date_part", "datepart":
		if names := memberNames(data["stype"]); len(e.Args) == 1 && len(names) > 0 {
			for i := range names {
				names[i] = quoteText(names[i])
			}
			e.SQL = quoteIdent(e.Name) + "([" + strings.Join(names, ", ") + "], $1)"
		}
	}
	return e
}

// sliceCall writes a slice that lacks a bound, which DuckDB has as an empty list, in the syntax that allows it.
func sliceCall(args []*Expr) string {
	open := func(i int) bool {
		return i < len(args) && (args[i].Name == Literal || args[i].Kind == Constant && args[i].Type.Kind == row.List)
	}
	if !open(1) && !open(2) {
		return ""
	}
	bounds := []string{"", "", ""}
	for i := 1; i < len(args) && i <= len(bounds); i++ {
		if !open(i) {
			bounds[i-1] = "$" + strconv.Itoa(i+1)
		}
	}
	if len(args) < 4 {
		return "($1)[" + bounds[0] + ":" + bounds[1] + "]"
	}
	if bounds[1] == "" {
		bounds[1] = "-"
	}
	return "($1)[" + strings.Join(bounds, ":") + "]"
}

// listAggregate writes the aggregate of a list whose arguments besides the list are in the bind data.
func (d *decoder) listAggregate(e *Expr, data object) string {
	aggregate := data.obj("bind_data").obj("aggr_expr")
	bind := aggregate.obj("function_data")
	var extra string
	switch name := aggregate.str("name"); {
	case len(bind) == 0 || len(e.Args) != 2 || name == "median" || name == "bitstring_agg":
		return ""
	case bind["separator"] != nil:
		extra = quoteText(bind.str("separator"))
	case bind["quantiles"] != nil:
		var items []string
		for _, q := range bind.list("quantiles") {
			items = append(items, d.item(q))
		}
		extra = strings.Join(items, ", ")
		if len(items) != 1 {
			extra = "[" + extra + "]"
		}
	default:
		d.refuse("the aggregate "+name+"() of a list", "Unnest the list before it is ingested and use GROUP BY.")
	}
	return quoteIdent(e.Name) + "($1, $2, " + extra + ")"
}

// memberNames lists the names of the members of a struct or union type.
func memberNames(typ any) []string {
	o, _ := typ.(map[string]any)
	members := object(o).obj("type_info").list("child_types")
	if object(o).str("id") == "UNION" {
		members = unionMembers(members)
	}
	var names []string
	for _, m := range members {
		member, _ := m.(map[string]any)
		names = append(names, object(member).str("first"))
	}
	return names
}

// namedCall writes a call whose last arguments are named: the names are the last of names.
func (d *decoder) namedCall(function string, args int, names []string) string {
	unnamed := 0
	if function == "struct_insert" {
		unnamed = 1
	}
	names = names[max(0, len(names)-(args-unnamed)):]
	if args < unnamed || len(names) != args-unnamed {
		d.fail("the names of the arguments of %s are unknown", function)
	}
	var b strings.Builder
	b.WriteString(function + "(")
	for i := range args {
		if i > 0 {
			b.WriteString(", ")
		}
		if i >= unnamed {
			b.WriteString(quoteIdent(names[i-unnamed]) + " := ")
		}
		b.WriteString("$" + strconv.Itoa(i+1))
	}
	return b.String() + ")"
}

func argumentList(from, to int) string {
	refs := make([]string, 0, to-from)
	for i := from; i < to; i++ {
		refs = append(refs, "$"+strconv.Itoa(i+1))
	}
	return "(" + strings.Join(refs, ", ") + ")"
}

// lambdaCall writes a call that takes a lambda. The lambda's body refers to its own parameters first, last one first,
// then to what it captures, which are the arguments behind the list (and behind the initial value of a reduction).
func (d *decoder) lambdaCall(e *Expr, data object, lambda any) string {
	params := 1
	if strings.HasSuffix(e.Name, "reduce") {
		params = 2
	}
	if data.flag("has_index") {
		params++
	}
	fixed := 1
	if data.flag("has_initial") {
		fixed = 2
	}
	if len(e.Args) < fixed {
		d.fail("%s has %d arguments", e.Name, len(e.Args))
	}
	// A lambda inside of another has a lower height, so that names never hide those around them.
	prefix := "x" + strconv.Itoa(lambdaHeight(lambda)) + "_"
	p := printer{exact: true, column: func(c *Expr) string {
		if c.Index < params {
			return prefix + strconv.Itoa(params-c.Index)
		}
		return "$" + strconv.Itoa(c.Index-params+fixed+1)
	}}
	body := p.expr(d.expr(lambda, scope{width: params + len(e.Args) - fixed}))
	if p.err != nil {
		d.refuse("this lambda ("+p.err.Error()+")", "Write it with types that SQL has names for.")
	}
	names := make([]string, params)
	for i := range names {
		names[i] = prefix + strconv.Itoa(i+1)
	}
	text := quoteIdent(e.Name) + "($1, (lambda " + strings.Join(names, ", ") + ": " + body + ")"
	if fixed == 2 {
		text += ", $2"
	}
	return text + ")"
}

// lambdaHeight is 1 for a lambda without lambdas inside of it, else one more than the highest of those.
func lambdaHeight(v any) int {
	h := 0
	switch x := v.(type) {
	case map[string]any:
		for k, e := range x {
			if k == "lambda_expr" {
				h = max(h, lambdaHeight(e))
			} else {
				h = max(h, lambdaHeight(e)-1)
			}
		}
	case []any:
		for _, e := range x {
			h = max(h, lambdaHeight(e)-1)
		}
	}
	return h + 1
}

// aggregate decodes a call of an aggregate function.
func (d *decoder) aggregate(v any, s scope) AggregateCall {
	defer d.leave(d.enter())
	o := d.object(v, "an aggregate")
	if class := o.str("expression_class"); class != "BOUND_AGGREGATE" {
		d.fail("an aggregate has the class %q", class)
	}
	c := AggregateCall{
		Name: o.str("name"), Args: typedNulls(d.exprs(o.list("children"), s)), Type: d.typ(o["return_type"]),
		Distinct: o.str("aggregate_type") == "DISTINCT",
		OrderBy:  d.orders(o.obj("order_bys").list("orders"), s),
	}
	if c.Type == nullType {
		c.Type = row.T(row.Int32)
	}
	if f, ok := o["filter"].(map[string]any); ok {
		c.Filter = d.expr(f, s)
	}
	if data := o.obj("function_data"); o.flag("has_serialize") && len(data) > 0 {
		bind, err := json.Marshal(data)
		if err != nil {
			d.fail("the bind data of %s: %v", c.Name, err)
		}
		c.Bind = bind
	}
	return c
}

// orders decodes the terms of an ORDER BY.
func (d *decoder) orders(list []any, s scope) []SortKey {
	var keys []SortKey
	for _, v := range list {
		o := d.object(v, "a term of ORDER BY")
		keys = append(keys, SortKey{
			Expr: typedNulls([]*Expr{d.expr(o["expression"], s)})[0], Descending: o.str("type") == "DESCENDING", NullsFirst: o.str("null_order") == "NULLS FIRST",
		})
	}
	return keys
}
