package sqlgen

import (
	"fmt"

	"github.com/tidemill/tidemill/internal/row"
)

// recursive makes a recursive CTE that ends: after a few rounds that it counts, or as UNION over few numbers.
func (g *Generator) recursive() {
	c := cte{name: g.name("w"), cols: []column{{typ: integer}, {typ: integer}}}
	c.cols[0].ref, c.cols[1].ref = g.name("x"), g.name("x")
	k, d := c.cols[0].ref, c.cols[1].ref
	r, s := pick(g, g.relations), pick(g, g.relations)
	a, b := g.name("t"), g.name("t")
	all := pick(g, []string{" UNION ", " UNION ALL "})
	start := fmt.Sprintf("SELECT %s, 0 FROM %s", r.Columns[0].Name, r.Name)
	if g.one(3) {
		start = fmt.Sprintf("SELECT %s.%s, 0 FROM %s AS %s WHERE ", a, r.Columns[0].Name, r.Name, a) + g.expr(boolean, columnsOf(a, &r), 1).String()
	}
	join := fmt.Sprintf("%s AS %s JOIN %s AS %s ON %s.%s = %s.%s", c.name, a, s.Name, b, b, s.Columns[0].Name, a, k)
	with := append(columnsOf(b, &s), column{ref: a + "." + k, typ: integer}, column{ref: a + "." + d, typ: integer})
	var step string
	switch g.rng.IntN(8) {
	case 0:
		step = fmt.Sprintf("SELECT %s * 2, %s + 1 FROM %s WHERE %s < 3", k, d, c.name, d)
	case 1:
		step = fmt.Sprintf("SELECT %s.%s + 1, %s + 1 FROM %s WHERE %s < 2", b, s.Columns[0].Name, d, join, d)
	case 2: // what can be reached, with no bound but that there are few numbers
		all = " UNION "
		step = fmt.Sprintf("SELECT abs(%s) %% 5, 1 FROM %s", g.expr(integer, with, 1), join)
	case 3:
		step = fmt.Sprintf("SELECT %s, %s.%s + 1 FROM %s WHERE %s.%s < 2 AND %s", g.expr(integer, with, 1), a, d, join, a, d, g.expr(boolean, with, 1))
	case 4: // two references
		all = " UNION "
		step = fmt.Sprintf("SELECT abs(%s.%s + %s.%s) %% 7, %s.%s + 1 FROM %s AS %s JOIN %s AS %s ON %s.%s = %s.%s WHERE %s.%s < 2", a, k, b, k, a, d, c.name, a, c.name, b, a, d, b, d, a, d)
	case 5:
		step = fmt.Sprintf("SELECT %s.%s + 1, %s.%s + 1 FROM %s AS %s WHERE %s.%s < 3 AND %s (SELECT 1 FROM %s AS %s WHERE %s.%s = %s.%s)", a, k, a, d, c.name, a, a, d,
			pick(g, []string{"EXISTS", "NOT EXISTS"}), s.Name, b, b, s.Columns[0].Name, a, k)
	case 6:
		step = fmt.Sprintf("SELECT DISTINCT %s.%s, %s + 1 FROM %s WHERE %s < 2", b, s.Columns[0].Name, d, join, d)
	default:
		step = fmt.Sprintf("SELECT CAST(count(*) AS INTEGER), %s + 1 FROM %s WHERE %s < 2 GROUP BY %s, %s", d, join, d, d, k)
	}
	g.ctes = append(g.ctes, leaf(fmt.Sprintf("%s(%s, %s) AS (%s%s%s)", c.name, k, d, start, all, step)))
	g.shared = append(g.shared, c)
}

// View makes a query as View asks for its columns: an integer, a text and then its others, so that queries over the view are made like those over a
// relation. The relation's types are those of the generator; nil if the query has columns that are only to be handed on.
func (g *Generator) View(name string) (*Node, *Relation) {
	q := g.Query()
	inner := g.name("t")
	items := []string{"CAST(1 AS INTEGER)", "'a'"}
	r := &Relation{Name: name, Columns: row.Schema{{Name: "a" + name, Type: integer}, {Name: "b" + name, Type: text}}}
	for _, c := range g.last {
		ref := inner + "." + c.ref
		switch {
		case c.approx || !known(c.typ):
			return nil, nil
		case c.typ == integer && items[0][0] == 'C':
			items[0] = ref
		case c.typ == text && items[1][0] == '\'':
			items[1] = ref
		default:
			r.Columns = append(r.Columns, row.Column{Name: fmt.Sprintf("%c%s", 'a'+len(items), name), Type: c.typ})
			items = append(items, ref)
		}
	}
	for i, item := range items {
		items[i] = item + " AS " + r.Columns[i].Name
	}
	nodes := make([]*Node, len(items))
	for i, item := range items {
		nodes[i] = leaf(item)
	}
	return form(query, "SELECT {0} FROM ({1}) AS "+inner, listOf(fixed, "{*}", ", ", nodes), q), r
}
