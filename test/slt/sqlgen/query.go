package sqlgen

import (
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/tidemill/tidemill/internal/row"
)

// Features are the parts of the grammar; a query is made from some of them.
var Features = []string{"join", "left", "right", "full", "cross", "range", "semi", "asof", "lateral", "derived", "cte", "subquery", "correlated", "group", "sets", "having",
	"window", "frame", "qualify", "top", "distinct", "distincton", "setop", "aggregates", "unnest", "recursive"}

// Generator makes queries over a schema.
type Generator struct {
	rng       *rand.Rand
	relations []Relation
	features  map[string]bool
	names     int
	depth     int
	ctes      []*Node // of the query
	shared    []cte
	last      []column // of the last query
}

// cte is a common table expression that can be read.
type cte struct {
	name string
	cols []column
}

// New returns a generator that takes all chance from rng.
func New(rng *rand.Rand, relations []Relation) *Generator {
	return &Generator{rng: rng, relations: relations}
}

func (g *Generator) one(n int) bool { return g.rng.IntN(n) == 0 }

func (g *Generator) on(feature string) bool { return g.features[feature] }

func pick[T any](g *Generator, s []T) T { return s[g.rng.IntN(len(s))] }

func (g *Generator) name(prefix string) string {
	g.names++
	return fmt.Sprintf("%s%d", prefix, g.names)
}

// Add makes a relation known to the queries that follow.
func (g *Generator) Add(r Relation) { g.relations = append(g.relations, r) }

// Query makes a query.
func (g *Generator) Query() *Node {
	g.features, g.names, g.ctes, g.shared = map[string]bool{}, 0, nil, nil
	for range 1 + g.rng.IntN(6) {
		g.features[pick(g, Features)] = true
	}
	if g.one(3) {
		g.features["group"] = true
	}
	if g.one(3) {
		g.features["join"] = true
	}
	g.depth = g.rng.IntN(3)
	if g.on("recursive") {
		g.recursive()
	}
	if g.on("cte") {
		for range 1 + g.rng.IntN(2) {
			body, cols := g.body(nil, nil, "")
			c := cte{name: g.name("w"), cols: cols}
			g.ctes = append(g.ctes, form(clause, c.name+" AS ({0})", body))
			g.shared = append(g.shared, c)
		}
	}
	body, cols := g.body(nil, nil, "")
	g.last = cols
	if g.ctes == nil {
		return form(fixed, "{0}", body)
	}
	word := "WITH "
	if g.on("recursive") {
		word = "WITH RECURSIVE "
	}
	return form(fixed, "{0}{1}", listOf(terms, word+"{*} ", ", ", g.ctes), body)
}

// body makes a SELECT or a set operation. want are the types of its columns, nil for any; outer is what it may refer to outside of itself.
func (g *Generator) body(want []row.Type, outer []column, prefix string) (*Node, []column) {
	if !g.on("setop") || g.depth <= 0 || g.one(3) {
		return g.sel(want, outer)
	}
	g.depth--
	defer func() { g.depth++ }()
	left, cols := g.sel(want, outer)
	types := make([]row.Type, len(cols))
	for i, c := range cols {
		if types[i] = c.typ; c.approx || !known(c.typ) {
			return left, cols
		}
	}
	right, _ := g.body(types, outer, prefix)
	op := []string{"UNION", "UNION ALL", "UNION ALL", "INTERSECT", "EXCEPT", "INTERSECT ALL", "EXCEPT ALL"}[g.rng.IntN(7)]
	return form(query, "({0}) "+op+" ({1})", left, right), cols
}

// item is a column of a SELECT.
type item struct {
	node   *Node
	approx bool
}

// sel makes a SELECT.
func (g *Generator) sel(want []row.Type, outer []column) (*Node, []column) {
	g.depth--
	defer func() { g.depth++ }()
	from, scope, where := g.from(outer)
	for range g.rng.IntN(3) {
		in := scope
		if len(outer) > 0 && g.one(2) {
			in = append(append([]column{}, scope...), outer...)
		}
		where = append(where, g.expr(boolean, in, 2))
	}
	filter := leaf("")
	if len(where) > 0 {
		filter = listOf(terms, " WHERE {*}", " AND ", where)
	}
	if want == nil {
		if g.on("group") && g.one(2) {
			return g.grouped(from, filter, scope)
		}
		if g.on("window") && g.one(2) && len(exact(scope)) == len(scope) {
			return g.windowed(from, filter, scope)
		}
	} else if g.on("group") && g.one(3) {
		return g.groupedAs(want, from, filter, scope)
	}
	items := g.items(want, scope)
	head, tail := g.ends(want, items, scope)
	nodes, cols := g.named(items)
	n := form(query, "SELECT "+head+"{0}{1}{2}"+tail.text, nodes, from, filter)
	if tail.byAll {
		n = g.topOf(n, cols)
	}
	return n, cols
}

// items are the columns of a plain SELECT.
func (g *Generator) items(want []row.Type, scope []column) []item {
	var items []item
	for _, t := range want {
		items = append(items, item{g.expr(t, scope, 2), false})
	}
	if want != nil {
		return items
	}
	for range 1 + g.rng.IntN(4) {
		switch cols := exact(scope); {
		case g.one(8):
			items = append(items, item{g.rounded(scope), true})
		case g.on("unnest") && g.one(3) && len(append(of(scope, integers), of(scope, pairs)...)) > 0:
			l := pick(g, append(of(scope, integers), of(scope, pairs)...))
			items = append(items, item{expr(l.typ.Elem(), "unnest({0})", expr(l.typ, l.ref)), false})
		case g.on("unnest") && g.one(3):
			items = append(items, item{expr(integer, "unnest([{0}, {1}])", g.expr(integer, scope, 1), g.expr(integer, scope, 1)), false})
		case len(cols) == 0 || len(scope) > len(cols) && g.one(3):
			c := pick(g, scope)
			items = append(items, item{expr(c.typ, c.ref), c.approx})
		default:
			items = append(items, item{g.expr(pick(g, cols).typ, scope, 2), false})
		}
	}
	return items
}

type ending struct {
	text  string
	byAll bool
}

// ends decides on DISTINCT, DISTINCT ON and LIMIT.
func (g *Generator) ends(want []row.Type, items []item, scope []column) (head string, tail ending) {
	for _, i := range items {
		if i.approx || strings.HasPrefix(i.node.text, "unnest(") {
			return "", ending{}
		}
	}
	switch {
	case g.on("distinct") && g.one(2):
		return "DISTINCT ", ending{}
	case g.on("distincton") && want == nil && g.one(2) && len(exact(scope)) == len(scope) && len(scope) > 0:
		on := pick(g, scope).ref
		return "DISTINCT ON (" + on + ") ", ending{text: " ORDER BY " + on + ", " + g.total(scope)}
	case g.on("top") && g.one(2):
		return "", ending{byAll: true}
	}
	return "", ending{}
}

// total is an order by all columns.
func (g *Generator) total(scope []column) string {
	var parts []string
	for _, i := range g.rng.Perm(len(scope)) {
		parts = append(parts, scope[i].ref+pick(g, []string{"", " DESC", " NULLS FIRST", " DESC NULLS LAST"}))
	}
	return strings.Join(parts, ", ")
}

// topOf keeps some rows of a query, in the order of all its columns.
func (g *Generator) topOf(n *Node, cols []column) *Node {
	limit := fmt.Sprintf(" LIMIT %d", 1+g.rng.IntN(6))
	if g.one(3) {
		limit += fmt.Sprintf(" OFFSET %d", g.rng.IntN(4))
	}
	return form(query, "SELECT * FROM ({0}) ORDER BY "+g.total(cols)+limit, n)
}

// named gives the items names that nothing else in the query has.
func (g *Generator) named(items []item) (*Node, []column) {
	var nodes []*Node
	var cols []column
	for _, i := range items {
		c := column{ref: g.name("x"), typ: i.node.typ, approx: i.approx}
		cols = append(cols, c)
		nodes = append(nodes, form(fixed, "{0} AS "+c.ref, i.node))
	}
	return listOf(list, "{*}", ", ", nodes), cols
}
