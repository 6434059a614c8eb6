package sqlgen

import (
	"fmt"

	"github.com/tidemill/tidemill/internal/row"
)

// column is a column in scope.
type column struct {
	ref    string
	typ    row.Type
	approx bool // computed with rounding: only to be handed on
}

func (g *Generator) literal(t row.Type) *Node {
	if g.one(12) {
		return expr(t, "CAST(NULL AS "+t.String()+")")
	}
	return expr(t, quoted(Literal(g.rng, t), t))
}

// of are the exact columns of a type.
func of(scope []column, t row.Type) []column {
	var out []column
	for _, c := range scope {
		if c.typ == t && !c.approx {
			out = append(out, c)
		}
	}
	return out
}

func exact(scope []column) []column {
	var out []column
	for _, c := range scope {
		if !c.approx && known(c.typ) {
			out = append(out, c)
		}
	}
	return out
}

// expr makes an expression of a type.
func (g *Generator) expr(t row.Type, scope []column, depth int) *Node {
	own := of(scope, t)
	if len(own) > 0 && g.rng.IntN(5) < 3 {
		return expr(t, pick(g, own).ref)
	}
	switch {
	case depth > 0:
	case t == boolean && g.rng.IntN(5) > 0:
		return g.comparison(scope)
	default:
		return g.literal(t)
	}
	sub := func(t row.Type) *Node { return g.expr(t, scope, depth-1) }
	switch g.rng.IntN(12) {
	case 0:
		return g.literal(t)
	case 1:
		return expr(t, "CASE WHEN {0} THEN {1} ELSE {2} END", sub(boolean), sub(t), sub(t))
	case 2:
		return expr(t, "coalesce({0}, {1})", sub(t), sub(t))
	case 3:
		return expr(t, "nullif({0}, {1})", sub(t), sub(t))
	case 4:
		if ordered(t) && t.Kind != row.Blob && t.Kind != row.Enum { // of enums they are texts
			return expr(t, []string{"greatest({0}, {1})", "least({0}, {1})"}[g.rng.IntN(2)], sub(t), sub(t))
		}
	case 5:
		if g.on("subquery") && g.depth > 0 {
			return g.scalarQuery(t, scope)
		}
	}
	if n := g.typed(t, sub); n != nil {
		return n
	}
	if t == boolean {
		return g.condition(scope, depth)
	}
	if len(own) > 0 {
		return expr(t, pick(g, own).ref)
	}
	return g.literal(t)
}

// comparison makes a predicate about a column.
func (g *Generator) comparison(scope []column) *Node {
	cols := exact(scope)
	if len(cols) == 0 {
		return g.literal(boolean)
	}
	c := pick(g, cols)
	if g.one(4) || !ordered(c.typ) {
		return expr(boolean, pick(g, []string{"({0} IS NULL)", "({0} IS NOT NULL)"}), expr(c.typ, c.ref))
	}
	other := g.literal(c.typ)
	if same := of(scope, c.typ); g.one(2) {
		other = expr(c.typ, pick(g, same).ref)
	}
	return expr(boolean, "({0} "+pick(g, comparisons)+" {1})", expr(c.typ, c.ref), other)
}

// typed makes an expression of one of the functions of a type, nil for none.
func (g *Generator) typed(t row.Type, sub func(row.Type) *Node) *Node {
	type maker struct {
		text string
		args []row.Type
	}
	var all []maker
	switch t {
	case integer:
		all = []maker{{"({0} + {1})", []row.Type{integer, integer}}, {"({0} - {1})", []row.Type{integer, integer}}, {"({0} * 3)", []row.Type{integer}}, {"({0} % 4)", []row.Type{integer}},
			{"(- {0})", []row.Type{integer}}, {"abs({0})", []row.Type{integer}}, {"({0} // 2)", []row.Type{integer}}, {"TRY_CAST({0} AS INTEGER)", []row.Type{text}}, {"CAST({0} AS INTEGER)", []row.Type{bigint}},
			{"{0}[1]", []row.Type{integers}}, {"{0}[-1]", []row.Type{integers}}, {"struct_extract({0}, 'a')", []row.Type{pair}}, {"list_max({0})", []row.Type{integers}}, {"struct_extract({0}[1], 'a')", []row.Type{pairs}},
			{"CAST({0} AS INTEGER)", []row.Type{boolean}}, {"ascii({0})", []row.Type{text}}, {"CAST({0} AS INTEGER)", []row.Type{decimal}}, {"({0} & {1})", []row.Type{integer, integer}}, {"xor({0}, {1})", []row.Type{integer, integer}}}
	case bigint:
		all = []maker{{"len({0})", []row.Type{integers}}, {"len({0})", []row.Type{texts}}, {"len({0})", []row.Type{pairs}}, {"CAST(cardinality({0}) AS BIGINT)", []row.Type{counts}}, {"({0} + {1})", []row.Type{bigint, integer}}, {"({0} * {1})", []row.Type{bigint, integer}}, {"length({0})", []row.Type{text}}, {"strlen({0})", []row.Type{text}},
			{"date_diff('minute', {0}, {1})", []row.Type{timestamp, timestamp}}, {"day({0})", []row.Type{date}}, {"hour({0})", []row.Type{timestamp}}, {"({0} - {1})", []row.Type{date, date}},
			{"instr({0}, {1})", []row.Type{text, text}}, {"({0} % nullif({1}, 0))", []row.Type{bigint, bigint}}, {"date_part('doy', {0})", []row.Type{date}}, {"epoch_ms({0})", []row.Type{timestamp}}}
	case hugeint:
		all = []maker{{"({0} + {1})", []row.Type{hugeint, bigint}}, {"CAST({0} AS HUGEINT)", []row.Type{integer}}}
	case double:
		all = []maker{{"({0} + {1})", []row.Type{double, double}}, {"({0} - {1})", []row.Type{double, double}}, {"({0} * 0.5::DOUBLE)", []row.Type{double}}, {"CAST({0} AS DOUBLE)", []row.Type{integer}}, {"abs({0})", []row.Type{double}},
			{"floor({0})", []row.Type{double}}, {"ceil({0})", []row.Type{double}}}
	case decimal:
		all = []maker{{"CAST({0} + {1} AS DECIMAL(9,2))", []row.Type{decimal, decimal}}, {"CAST({0} * 2 AS DECIMAL(9,2))", []row.Type{decimal}}, {"CAST({0} AS DECIMAL(9,2))", []row.Type{integer}}, {"CAST(round({0}, 1) AS DECIMAL(9,2))", []row.Type{decimal}}, {"abs({0})", []row.Type{decimal}}}
	case text:
		all = []maker{{"{0}[1]", []row.Type{texts}}, {"struct_extract({0}, 'b')", []row.Type{pair}}, {"array_to_string({0}, '-')", []row.Type{texts}}, {"CAST({0} AS VARCHAR)", []row.Type{integers}},
			{"CAST({0} AS VARCHAR)", []row.Type{pair}}, {"CAST({0} AS VARCHAR)", []row.Type{color}}, {"upper({0})", []row.Type{text}}, {"lower({0})", []row.Type{text}}, {"({0} || {1})", []row.Type{text, text}}, {"substr({0}, 1, 2)", []row.Type{text}}, {"replace({0}, 'a', 'z')", []row.Type{text}},
			{"CAST({0} AS VARCHAR)", []row.Type{integer}}, {"CAST({0} AS VARCHAR)", []row.Type{date}}, {"CAST({0} AS VARCHAR)", []row.Type{decimal}}, {"strftime({0}, '%Y-%m-%d %H')", []row.Type{timestamp}}, {"reverse({0})", []row.Type{text}}, {"concat({0}, '-', {1})", []row.Type{text, integer}},
			{"left({0}, 1)", []row.Type{text}}, {"lpad({0}, 3, '*')", []row.Type{text}}, {"trim({0}, 'a')", []row.Type{text}}, {"split_part({0}, 'o', 1)", []row.Type{text}}, {"CAST({0} AS VARCHAR)", []row.Type{boolean}}, {"if({0}, {1}, 'no')", []row.Type{boolean, text}}}
	case date:
		all = []maker{{"CAST({0} AS DATE)", []row.Type{timestamp}}, {"({0} + {1})", []row.Type{date, integer}}, {"last_day({0})", []row.Type{date}}}
	case timestamp:
		all = []maker{{"date_trunc('hour', {0})", []row.Type{timestamp}}, {"time_bucket(INTERVAL '15 minutes', {0})", []row.Type{timestamp}}, {"({0} + INTERVAL '1 hour')", []row.Type{timestamp}}, {"CAST({0} AS TIMESTAMP)", []row.Type{date}}, {"({0} - INTERVAL '1 day')", []row.Type{timestamp}}}
	case boolean:
		all = []maker{{"({0} AND {1})", []row.Type{boolean, boolean}}, {"({0} OR {1})", []row.Type{boolean, boolean}}, {"(NOT {0})", []row.Type{boolean}}, {"({0} LIKE 'a%')", []row.Type{text}}, {"contains({0}, 'o')", []row.Type{text}}, {"({0} BETWEEN {1} AND {2})", []row.Type{integer, integer, integer}},
			{"({0} IN (1, 2, 3))", []row.Type{integer}}, {"({0} NOT IN ('a', 'b'))", []row.Type{text}}, {"({0} IS NULL)", []row.Type{boolean}}, {"({0} IS TRUE)", []row.Type{boolean}}, {"starts_with({0}, {1})", []row.Type{text, text}}}
		all = append(all, maker{"list_contains({0}, {1})", []row.Type{integers, integer}}, maker{"list_contains({0}, {1})", []row.Type{texts, text}}, maker{"list_has_any({0}, {1})", []row.Type{texts, texts}}, maker{"({0} = 'red')", []row.Type{color}})
		if g.one(2) {
			return nil // a condition
		}
	case integers:
		all = []maker{{"[{0}, {1}]", []row.Type{integer, integer}}, {"list_concat({0}, {1})", []row.Type{integers, integers}}, {"list_append({0}, {1})", []row.Type{integers, integer}}, {"list_sort({0})", []row.Type{integers}},
			{"list_filter({0}, lambda v: v > 1)", []row.Type{integers}}, {"list_transform({0}, lambda v: v + 1)", []row.Type{integers}}, {"{0}[2:]", []row.Type{integers}}, {"list_reverse({0})", []row.Type{integers}},
			{"list_transform({0}, lambda v: v.a)", []row.Type{pairs}}, {"map_values({0})", []row.Type{counts}}}
	case texts:
		all = []maker{{"[{0}, {1}]", []row.Type{text, text}}, {"list_concat({0}, {1})", []row.Type{texts, texts}}, {"string_split({0}, 'o')", []row.Type{text}}, {"map_keys({0})", []row.Type{counts}}, {"{0}[:1]", []row.Type{texts}}}
	case pair:
		all = []maker{{"struct_pack(a := {0}, b := {1})", []row.Type{integer, text}}, {"{0}[1]", []row.Type{pairs}}}
	case pairs:
		all = []maker{{"[{0}, {1}]", []row.Type{pair, pair}}, {"list_concat({0}, {1})", []row.Type{pairs, pairs}}}
	}
	if len(all) == 0 || g.one(6) {
		return nil
	}
	m := all[g.rng.IntN(len(all))]
	kids := make([]*Node, len(m.args))
	for i, a := range m.args {
		kids[i] = sub(a)
	}
	return expr(t, m.text, kids...)
}

var comparisons = []string{"=", "<>", "<", "<=", ">", ">=", "=", "IS DISTINCT FROM", "IS NOT DISTINCT FROM"}

// condition makes a predicate over the scope.
func (g *Generator) condition(scope []column, depth int) *Node {
	if g.on("subquery") && g.depth > 0 && g.one(4) {
		return g.predicateQuery(scope)
	}
	cols := exact(scope)
	if len(cols) == 0 {
		return expr(boolean, "({0} < {1})", g.literal(integer), g.literal(integer))
	}
	if g.one(3) {
		return g.comparison(scope)
	}
	c := pick(g, cols)
	if !ordered(c.typ) {
		return g.comparison(scope)
	}
	return expr(boolean, fmt.Sprintf("({0} %s {1})", comparisons[g.rng.IntN(len(comparisons))]), g.expr(c.typ, scope, depth-1), g.expr(c.typ, scope, depth-1))
}

// rounded makes an expression that is computed with rounding, over exact ones.
func (g *Generator) rounded(scope []column) *Node {
	a, b := g.expr(double, scope, 1), g.expr(integer, scope, 1)
	return expr(double, []string{"({0} / nullif({1}, 0))", "sqrt(abs({0} + {1}))", "ln(abs({0} + {1}) + 1)", "exp(least({0} + {1}, 5))", "sin({0} + {1})", "power(abs({0} + {1}) + 1, 0.3)"}[g.rng.IntN(6)], a, b)
}

// aggregate makes an aggregate over the scope; approx says that it is computed with rounding.
func (g *Generator) aggregate(scope []column) (n *Node, approx bool) {
	cols := exact(scope)
	if len(cols) == 0 || g.one(6) {
		return g.filtered(expr(bigint, "count(*){9}"), scope), false
	}
	some := func() row.Type { return pick(g, cols).typ }
	t := some()
	arg := func(t row.Type) *Node { return g.expr(t, scope, 1) }
	distinct := ""
	if g.one(5) && !shaped(t) {
		distinct = "DISTINCT "
	}
	switch g.rng.IntN(14) {
	case 0:
		return g.filtered(expr(bigint, "count("+distinct+"{0}){9}", arg(t)), scope), false
	case 1, 2:
		return g.filtered(expr(hugeint, "sum("+distinct+"{0}){9}", arg(integer)), scope), false
	case 3:
		return g.filtered(expr(double, "sum("+distinct+"{0}){9}", arg(double)), scope), false
	case 4, 5:
		if !ordered(t) {
			t = integer
		}
		return g.filtered(expr(t, []string{"min({0}){9}", "max({0}){9}"}[g.rng.IntN(2)], arg(t)), scope), false
	case 6:
		return g.filtered(expr(row.DecimalType(38, 2), "sum("+distinct+"{0}){9}", arg(decimal)), scope), false
	case 7:
		return g.filtered(expr(double, []string{"avg(", "avg(", "stddev_samp(", "var_pop(", "var_samp(", "stddev_pop("}[g.rng.IntN(6)]+distinct+"{0}){9}", arg([]row.Type{integer, double, decimal}[g.rng.IntN(3)])), scope), true
	case 8:
		return g.filtered(expr(boolean, []string{"bool_and({0}){9}", "bool_or({0}){9}"}[g.rng.IntN(2)], arg(boolean)), scope), false
	case 9:
		return g.filtered(expr(integer, []string{"bit_and({0}){9}", "bit_or({0}){9}", "bit_xor({0}){9}"}[g.rng.IntN(3)], arg(integer)), scope), false
	}
	if !g.on("aggregates") {
		return g.filtered(expr(bigint, "count({0}){9}", arg(t)), scope), false
	}
	return g.rareAggregate(t, arg, scope)
}

// rareAggregate makes one of the aggregates that are not maintained by a few numbers.
func (g *Generator) rareAggregate(t row.Type, arg func(row.Type) *Node, scope []column) (n *Node, approx bool) {
	if shaped(t) || !ordered(t) {
		t = integer // no order of nested values within aggregates
	}
	a := arg(t)
	switch g.rng.IntN(13) {
	case 10:
		return g.filtered(expr(integers, "list({0} ORDER BY {0} NULLS FIRST){9}", arg(integer)), scope), false
	case 11:
		return g.filtered(expr(texts, "array_agg({0} ORDER BY {0} DESC NULLS LAST){9}", arg(text)), scope), false
	case 12:
		return g.filtered(expr(text, "string_agg(DISTINCT {0}, '/' ORDER BY {0} DESC){9}", arg(text)), scope), false
	case 0:
		s := arg(text)
		return g.filtered(expr(text, "string_agg({0}, ',' ORDER BY {0}){9}", s), scope), false
	case 1:
		return g.filtered(expr(text, "array_to_string(list({0} ORDER BY {0} DESC NULLS LAST){9}, ';')", arg(integer)), scope), false
	case 2:
		return g.filtered(expr(t, []string{"first({0} ORDER BY {0}){9}", "last({0} ORDER BY {0} NULLS FIRST){9}"}[g.rng.IntN(2)], a), scope), false
	case 3:
		return g.filtered(expr(double, "median({0}){9}", arg([]row.Type{integer, double}[g.rng.IntN(2)])), scope), true
	case 4:
		return g.filtered(expr(integer, "quantile_disc({0}, 0.25){9}", arg(integer)), scope), false
	case 5:
		return g.filtered(expr(double, "quantile_cont({0}, 0.75){9}", arg(double)), scope), true
	case 6:
		return g.filtered(expr(bigint, "len(list(DISTINCT {0}){9})", a), scope), false
	case 7:
		return g.filtered(expr(hugeint, "count_if({0}){9}", arg(boolean)), scope), false
	case 8:
		return g.filtered(expr(double, "covar_pop({0}, {1}){9}", arg(double), arg(integer)), scope), true
	}
	x := arg(integer) // the value is the ordering one: no ties between others
	return g.filtered(expr(integer, []string{"arg_min({0}, {0}){9}", "arg_max({0}, {0}){9}"}[g.rng.IntN(2)], x), scope), false
}

// filtered puts a FILTER at {9} of an aggregate, or nothing.
func (g *Generator) filtered(n *Node, scope []column) *Node {
	f := leaf("")
	if g.one(4) {
		f = form(clause, " FILTER (WHERE {0})", g.expr(boolean, scope, 1))
	}
	for len(n.kids) < 9 {
		n.kids = append(n.kids, &Node{gone: true})
	}
	n.kids = append(n.kids, f)
	return n
}
