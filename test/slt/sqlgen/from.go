package sqlgen

import (
	"fmt"
	"strings"

	"github.com/tidemill/tidemill/internal/row"
)

// from makes FROM with what is in scope behind it, and conditions that WHERE must have.
func (g *Generator) from(outer []column) (*Node, []column, []*Node) {
	n, scope := g.primary(outer)
	joins := 0
	for _, f := range []string{"join", "left", "right", "full", "cross", "range", "semi", "asof", "lateral"} {
		if g.on(f) {
			joins = 1 + g.rng.IntN(2)
		}
	}
	var where []*Node
	for range joins {
		var cond *Node
		n, scope, cond = g.join(n, scope)
		if cond != nil {
			where = append(where, cond)
		}
	}
	if lists := append(append(of(scope, integers), of(scope, texts)...), of(scope, pairs)...); g.on("unnest") && len(lists) > 0 && g.one(2) {
		a, l := g.name("t"), pick(g, lists)
		n = form(source, "{0}"+pick(g, []string{", unnest(%s) AS %s(u)", " LEFT JOIN LATERAL unnest(%s) AS %s(u) ON true"}), n)
		n.text = fmt.Sprintf(n.text, l.ref, a)
		scope = append(scope, column{ref: a + ".u", typ: l.typ.Elem()})
	} else if g.on("unnest") && g.one(3) {
		a := g.name("t")
		n = form(source, "{0}, unnest([{1}, {2}]) AS "+a+"(u)", n, g.expr(integer, scope, 1), g.expr(integer, scope, 1))
		scope = append(scope, column{ref: a + ".u", typ: integer})
	}
	return form(fixed, " FROM {0}", n), scope, where
}

// primary makes a relation, a derived table or a CTE with an alias.
func (g *Generator) primary(outer []column) (*Node, []column) {
	alias := g.name("t")
	if len(g.shared) > 0 && g.one(2) {
		c := pick(g, g.shared)
		return form(source, c.name+" AS "+alias), qualify(alias, c.cols)
	}
	if g.on("derived") && g.depth > 0 && g.one(2) {
		n, cols := g.body(nil, nil, "")
		return form(source, "({0}) AS "+alias, n), qualify(alias, cols)
	}
	r := pick(g, g.relations)
	return form(source, r.Name+" AS "+alias), columnsOf(alias, &r)
}

func qualify(alias string, cols []column) []column {
	out := make([]column, len(cols))
	for i, c := range cols {
		out[i] = column{ref: alias + "." + c.ref, typ: c.typ, approx: c.approx}
	}
	return out
}

func columnsOf(alias string, r *Relation) []column {
	out := make([]column, len(r.Columns))
	for i, c := range r.Columns {
		out[i] = column{ref: alias + "." + c.Name, typ: c.Type}
	}
	return out
}

// join joins what there is with one more; cond is a condition for WHERE, for a comma join.
func (g *Generator) join(left *Node, scope []column) (n *Node, out []column, cond *Node) {
	kinds := []string{"join"}
	for _, f := range []string{"left", "right", "full", "cross", "range", "semi", "asof", "lateral"} {
		if g.on(f) {
			kinds = append(kinds, f, f)
		}
	}
	k := pick(g, kinds)
	if k == "asof" {
		if n, out := g.asof(left, scope); n != nil {
			return n, out, nil
		}
		k = "join"
	}
	if k == "lateral" {
		return g.lateral(left, scope)
	}
	right, cols := g.primary(nil)
	both := append(append([]column{}, scope...), cols...)
	on := g.equality(scope, cols)
	switch {
	case k == "cross":
		return form(source, "{0} CROSS JOIN {1}", left, right), both, nil
	case k == "range" || on == nil:
		c := form(fixed, "{0}", g.between(scope, cols))
		return form(source, "{0} JOIN {1} ON {2}", left, right, c), both, nil
	case k == "semi":
		word := pick(g, []string{"SEMI", "ANTI"})
		return form(source, "{0} "+word+" JOIN {1} ON {2}", left, right, on), scope, nil
	case k == "join" && g.one(5):
		return form(source, "{0}, {1}", left, right), both, expr(boolean, "{0}", on)
	}
	if g.one(3) {
		on = listOf(list, "{*}", " AND ", []*Node{on, g.expr(boolean, both, 1)})
	}
	word := map[string]string{"join": "JOIN", "left": "LEFT JOIN", "right": "RIGHT JOIN", "full": "FULL JOIN"}[k]
	return form(source, "{0} "+word+" {1} ON {2}", left, right, on), both, nil
}

// equality makes an equality of both sides, nil if they have no type in common.
func (g *Generator) equality(a, b []column) *Node {
	var pairs []string
	op := pick(g, []string{"=", "=", "=", "=", "IS NOT DISTINCT FROM"})
	for _, x := range exact(a) {
		for _, y := range exact(b) {
			if x.typ == y.typ && x.typ != boolean && ordered(x.typ) {
				pairs = append(pairs, fmt.Sprintf("%s %s %s", x.ref, op, y.ref))
			}
		}
	}
	if len(pairs) == 0 {
		return nil
	}
	terms := []*Node{leaf(pick(g, pairs))}
	if g.one(3) {
		terms = append(terms, leaf(pick(g, pairs)))
	}
	return listOf(list, "{*}", " AND ", terms)
}

// between makes a condition of both sides that is no equality.
func (g *Generator) between(a, b []column) *Node {
	for range 8 {
		x := pick(g, append(exact(a), column{ref: "1", typ: integer}))
		if ys := of(b, x.typ); len(ys) > 0 && x.typ != boolean && ordered(x.typ) {
			return expr(boolean, fmt.Sprintf("%s %s %s", x.ref, pick(g, []string{"<", "<=", ">", "<>"}), pick(g, ys).ref))
		}
	}
	return g.expr(boolean, append(append([]column{}, a...), b...), 1)
}

// asof joins with the latest row of a relation that has one per key and time.
func (g *Generator) asof(left *Node, scope []column) (*Node, []column) {
	r := pick(g, g.relations)
	var when *row.Column
	for i := range r.Columns {
		if t := r.Columns[i].Type; t == timestamp || t == date || t == decimal {
			when = &r.Columns[i]
		}
	}
	keys := of(scope, r.Columns[0].Type)
	if when == nil || len(keys) == 0 {
		return nil, nil
	}
	times := of(scope, when.Type)
	if len(times) == 0 {
		return nil, nil
	}
	alias, k, w, v := g.name("t"), g.name("x"), g.name("x"), g.name("x")
	// DuckDB lets a null time match where it executes a join with its sides exchanged.
	right := leaf(fmt.Sprintf("(SELECT %s AS %s, %s AS %s, max(%s) AS %s FROM %s WHERE %s IS NOT NULL AND %s IS NOT NULL GROUP BY ALL) AS %s",
		r.Columns[0].Name, k, when.Name, w, r.Columns[1].Name, v, r.Name, r.Columns[0].Name, when.Name, alias))
	word := pick(g, []string{"ASOF JOIN", "ASOF LEFT JOIN"})
	on := leaf(fmt.Sprintf("%s = %s.%s AND coalesce(%s, %s) %s %s.%s", pick(g, keys).ref, alias, k, pick(g, times).ref, constantOf(when.Type), pick(g, []string{">=", ">", "<=", "<"}), alias, w))
	out := append(append([]column{}, scope...), column{ref: alias + "." + k, typ: r.Columns[0].Type}, column{ref: alias + "." + w, typ: when.Type}, column{ref: alias + "." + v, typ: r.Columns[1].Type})
	return form(source, "{0} "+word+" {1} ON {2}", left, right, on), out
}

// lateral joins with a subquery about each row.
func (g *Generator) lateral(left *Node, scope []column) (*Node, []column, *Node) {
	r := pick(g, g.relations)
	alias, inner := g.name("t"), g.name("t")
	cols := columnsOf(inner, &r)
	agg, approx := g.aggregate(cols)
	on := g.equality(scope, cols)
	where := leaf("")
	if on != nil {
		where = form(clause, " WHERE {0}", on)
	}
	c := g.name("x")
	out := append(append([]column{}, scope...), column{ref: alias + "." + c, typ: agg.typ, approx: approx})
	return form(source, "{0}, LATERAL (SELECT {1} AS "+c+" FROM "+r.Name+" AS "+inner+"{2}) AS "+alias, left, agg, where), out, nil
}

// scalarQuery makes a subquery of one value.
func (g *Generator) scalarQuery(t row.Type, scope []column) *Node {
	r := pick(g, g.relations)
	alias := g.name("t")
	cols := columnsOf(alias, &r)
	where := leaf("")
	if g.on("correlated") {
		if on := g.equality(scope, cols); on != nil {
			where = form(clause, " WHERE {0}", on)
		}
	} else if g.one(2) {
		where = form(clause, " WHERE {0}", g.expr(boolean, cols, 1))
	}
	value := g.expr(t, cols, 1)
	f := "(SELECT max({0}) FROM " + r.Name + " AS " + alias + "{1})"
	switch {
	case t == bigint && g.one(2):
		f = "(SELECT count({0}) FROM " + r.Name + " AS " + alias + "{1})"
	case !ordered(t) || g.one(4):
		f = "(SELECT {0} FROM " + r.Name + " AS " + alias + "{1} ORDER BY " + g.total(cols) + " LIMIT 1)"
	}
	return expr(t, f, value, where)
}

// predicateQuery makes EXISTS, IN or a comparison with a subquery.
func (g *Generator) predicateQuery(scope []column) *Node {
	not := pick(g, []string{"", "", "NOT "})
	if cols := exact(scope); len(cols) > 0 && g.one(2) {
		c := pick(g, cols)
		sub, _ := g.body([]row.Type{c.typ}, nil, "")
		return expr(boolean, "("+c.ref+" "+not+"IN ({0}))", sub)
	}
	r := pick(g, g.relations)
	alias := g.name("t")
	cols := columnsOf(alias, &r)
	var where []*Node
	if on := g.equality(scope, cols); on != nil && (g.on("correlated") || g.one(2)) {
		where = append(where, on)
	}
	where = append(where, g.expr(boolean, cols, 1))
	return expr(boolean, "("+not+"EXISTS (SELECT 1 FROM "+r.Name+" AS "+alias+"{0}))", listOf(terms, " WHERE {*}", " AND ", where))
}

// grouped makes a SELECT with GROUP BY.
func (g *Generator) grouped(from, filter *Node, scope []column) (*Node, []column) {
	cols := exact(scope)
	var items []item
	var keys []string
	sets := g.on("sets") && g.one(2)
	for range g.rng.IntN(4) {
		if len(cols) == 0 {
			break
		}
		c := pick(g, cols)
		key := expr(c.typ, c.ref)
		if !sets && g.one(3) {
			key = g.expr(c.typ, scope, 1)
		}
		items = append(items, item{key, false})
		keys = append(keys, c.ref)
	}
	n := len(items)
	if sets && n > 0 && g.one(2) {
		items = append(items, item{expr(bigint, "grouping("+strings.Join(keys, ", ")+")"), false})
	}
	for range 1 + g.rng.IntN(3) {
		a, approx := g.aggregate(scope)
		items = append(items, item{a, approx})
	}
	nodes, out := g.named(items)
	group := leaf("")
	if n > 0 {
		var names []string
		for _, c := range out[:n] {
			names = append(names, c.ref)
		}
		all := strings.Join(names, ", ")
		if sets {
			all = strings.Join(keys, ", ")
			group = leaf(" GROUP BY " + pick(g, []string{"ROLLUP (" + all + ")", "CUBE (" + all + ")", "GROUPING SETS ((" + all + "), (" + keys[0] + "), ())", "GROUPING SETS ((" + all + "), (" + all + "))"}))
		} else {
			group = leaf(" GROUP BY " + all)
		}
	}
	having := leaf("")
	if g.on("having") {
		a, approx := g.aggregate(scope)
		if !approx && known(a.typ) && a.typ.Width < 38 {
			having = form(clause, " HAVING {0}", expr(boolean, fmt.Sprintf("({0} %s {1})", pick(g, comparisons)), a, g.literal(a.typ)))
		}
	}
	q := form(query, "SELECT {0}{1}{2}{3}{4}", nodes, from, filter, group, having)
	approx := false
	for _, c := range out {
		approx = approx || c.approx
	}
	if g.on("top") && g.one(2) && !approx {
		q = g.topOf(q, out)
	}
	return q, out
}

// groupedAs makes a SELECT with GROUP BY whose columns have these types.
func (g *Generator) groupedAs(want []row.Type, from, filter *Node, scope []column) (*Node, []column) {
	var items []item
	for _, t := range want {
		n := g.expr(t, scope, 1)
		if ordered(t) && g.one(3) {
			n = expr(t, pick(g, []string{"min({0})", "max({0})"}), n)
		}
		items = append(items, item{n, false})
	}
	nodes, out := g.named(items)
	return form(query, "SELECT {0}{1}{2} GROUP BY ALL", nodes, from, filter), out
}

// windowed makes a SELECT with window functions. Its order is by all columns, so that only equal rows are tied.
func (g *Generator) windowed(from, filter *Node, scope []column) (*Node, []column) {
	var items []item
	for _, c := range scope {
		if g.one(2) {
			items = append(items, item{expr(c.typ, c.ref), false})
		}
	}
	if len(items) == 0 {
		items = append(items, item{expr(scope[0].typ, scope[0].ref), false})
	}
	// Of several functions only one is about the position of a row: which of two equal rows is first may differ from one to the other.
	peers := func() item {
		return item{expr(bigint, pick(g, []string{"rank()", "dense_rank()", "count(*)"})+" OVER ("+g.partition(scope)+"ORDER BY "+pick(g, scope).ref+")"), false}
	}
	if items = append(items, g.window(scope)); g.one(2) {
		items = append(items, peers())
	}
	nodes, out := g.named(items)
	qualify := leaf("")
	switch {
	case g.on("qualify") && g.one(2):
		qualify = form(clause, " QUALIFY {0} <= 2", peers().node)
	case g.on("qualify"):
		for i := range items {
			if strings.Contains(items[i].node.text, " OVER (") {
				nodes.kids[i] = form(fixed, "{0} AS "+out[i].ref, peers().node)
				out[i] = column{ref: out[i].ref, typ: bigint}
			}
		}
		w := g.window(scope)
		for w.approx || w.node.typ != bigint {
			w = item{expr(bigint, "row_number() OVER ("+g.partition(scope)+"ORDER BY "+g.total(scope)+")"), false}
		}
		qualify = form(clause, " QUALIFY {0} <= 2", w.node)
	}
	return form(query, "SELECT {0}{1}{2}{3}", nodes, from, filter, qualify), out
}

func (g *Generator) partition(scope []column) string {
	if g.one(4) {
		return ""
	}
	return "PARTITION BY " + pick(g, scope).ref + " "
}

// window makes a window function.
func (g *Generator) window(scope []column) item {
	total := g.partition(scope) + "ORDER BY " + g.total(scope)
	c := pick(g, scope)
	peers := g.partition(scope) + "ORDER BY " + c.ref
	frame := ""
	if g.on("frame") {
		frame = pick(g, []string{" ROWS BETWEEN 2 PRECEDING AND CURRENT ROW", " ROWS BETWEEN UNBOUNDED PRECEDING AND 1 FOLLOWING", " ROWS BETWEEN 1 PRECEDING AND 1 FOLLOWING EXCLUDE CURRENT ROW",
			" ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING", " GROUPS BETWEEN 1 PRECEDING AND 1 FOLLOWING", " ROWS BETWEEN 3 PRECEDING AND 1 PRECEDING", " RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW EXCLUDE TIES"})
	}
	arg := g.expr(c.typ, scope, 1)
	switch g.rng.IntN(10) {
	case 0:
		return item{expr(bigint, "row_number() OVER ("+total+")"), false}
	case 1:
		return item{expr(bigint, pick(g, []string{"rank()", "dense_rank()"})+" OVER ("+peers+")"), false}
	case 2:
		return item{expr(c.typ, pick(g, []string{"lag({0})", "lead({0})", "lag({0}, 2)"})+" OVER ("+total+")", arg), false}
	case 3:
		return item{expr(c.typ, pick(g, []string{"first_value({0})", "last_value({0})", "nth_value({0}, 2)"})+" OVER ("+total+frame+")", arg), false}
	case 4:
		return item{expr(double, pick(g, []string{"percent_rank()", "cume_dist()"})+" OVER ("+peers+")"), true}
	case 5:
		return item{expr(bigint, "ntile(3) OVER ("+total+")"), false}
	case 6:
		return item{expr(bigint, "count({0}) OVER ("+total+frame+")", arg), false}
	case 7:
		return item{expr(hugeint, "sum({0}) OVER ("+total+frame+")", g.expr(integer, scope, 1)), false}
	case 8:
		return item{expr(bigint, "count(*) OVER ("+peers+")"), false}
	}
	if !ordered(c.typ) {
		return item{expr(bigint, "count(*) OVER ("+strings.TrimSpace(g.partition(scope))+")"), false}
	}
	return item{expr(c.typ, pick(g, []string{"min({0})", "max({0})"})+" OVER ("+total+frame+")", arg), false}
}
