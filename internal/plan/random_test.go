package plan_test

import (
	"math/rand/v2"
	"testing"

	"github.com/tidemill/tidemill/internal/plan"
)

// queries makes random SELECTs with the columns c0 BIGINT, c1 VARCHAR, c2 BIGINT over the relations a, b and t.
type queries struct{ r *rand.Rand }

func (g *queries) pick(list ...string) string { return list[g.r.IntN(len(list))] }

func (g *queries) predicate(x string) string {
	return g.pick(x+"c0 > 2", x+"c1 = 'x'", x+"c2 <> 3", x+"c0 = "+x+"c2", x+"c1 IS NOT NULL AND "+x+"c0 < 5", x+"c2 IN (1, 2, 10)", "("+x+"c0 = 1 OR "+x+"c2 = 2)",
		x+"c1 LIKE 'x%'", x+"c0 + 1 = 3", "abs("+x+"c2) BETWEEN 1 AND 4", x+"c1 IS NULL")
}

func (g *queries) query(depth int) string {
	if depth == 0 {
		return g.pick("SELECT k AS c0, s AS c1, v AS c2 FROM a", "SELECT k AS c0, s AS c1, w AS c2 FROM b", "SELECT id AS c0, name AS c1, n AS c2 FROM t",
			"SELECT k AS c0, s AS c1, v * 2 AS c2 FROM a WHERE v > 0")
	}
	q := func() string { return "(" + g.query(depth-1) + ")" }
	switch g.r.IntN(17) {
	case 14, 15:
		return "SELECT * FROM (" + q() + g.pick(" EXCEPT ", " EXCEPT ALL ", " INTERSECT ", " INTERSECT ALL ") + q() + ")" + g.pick("", " WHERE "+g.predicate(""))
	case 16:
		return "SELECT * FROM (SELECT c0, c1, " + g.pick("count(*)", "sum(c2)::BIGINT", "grouping(c1, c0)", "grouping(c0)") + " AS c2 FROM " + q() + " GROUP BY " +
			g.pick("ROLLUP (c0, c1)", "CUBE (c1, c0)", "GROUPING SETS ((c0), (c1), (c0, c1))", "GROUPING SETS ((), (c0), (c0)), c1") + g.pick("", " HAVING grouping(c0) = 0") + ")" + g.pick("", " WHERE "+g.predicate(""))
	case 0:
		return "SELECT * FROM " + q() + " WHERE " + g.predicate("")
	case 1:
		return "SELECT c2 AS c0, c1, c0 + 1 AS c2 FROM " + q()
	case 2:
		return "SELECT c0, min(c1) AS c1, " + g.pick("sum(c2)::BIGINT", "count(*)", "max(c2)", "count(DISTINCT c1)", "count(*) FILTER (c2 > 1)") + " AS c2 FROM " + q() + " GROUP BY c0" +
			g.pick("", " HAVING count(*) > 1", " HAVING c0 > 1", " HAVING sum(c2) > 3 AND c0 < 9")
	case 3:
		return "SELECT count(*) AS c0, max(c1) AS c1, sum(c2)::BIGINT AS c2 FROM " + q()
	case 4, 5:
		return "SELECT x.c0, y.c1, x.c2 - y.c2 AS c2 FROM " + q() + " x " + g.pick("JOIN", "JOIN", "JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN") + " " + q() + " y ON x.c0 = y.c0" +
			g.pick("", " AND x.c1 = y.c1", " AND x.c2 < y.c2", " AND x.c2 > 1", " AND (x.c2 > 1 OR y.c2 > 1)", " AND y.c1 = 'x'") + g.pick("", " WHERE "+g.predicate("x."), " WHERE "+g.predicate("y."))
	case 6:
		return "SELECT x.c0, y.c1, x.c2 FROM " + q() + " x, " + q() + " y WHERE x.c0 = y." + g.pick("c0", "c2", "c2 + 1") + " AND " + g.predicate("x.") + " AND " + g.predicate("y.")
	case 7:
		return "SELECT * FROM " + q() + " x WHERE " + g.pick("c0 IN (SELECT c2 FROM ", "c1 IN (SELECT c1 FROM ", "(c0, c1) IN (SELECT c0, c1 FROM ", "EXISTS (SELECT 1 FROM ") + q() + " y " + g.pick("WHERE y.c0 = x.c0)", "WHERE y.c0 > 1)")
	case 8:
		return "SELECT * FROM " + q() + " x WHERE NOT EXISTS (SELECT 1 FROM " + q() + " y WHERE y.c0 = x.c0)"
	case 9:
		return "SELECT * FROM (" + q() + " UNION " + g.pick("ALL ", "") + q() + ")" + g.pick("", " WHERE "+g.predicate(""))
	case 10:
		return "SELECT DISTINCT " + g.pick("*", "c0, c1, c0 AS c2", "c0, 'k' AS c1, c2") + " FROM " + q()
	case 11:
		return "WITH q AS " + q() + " SELECT x.c0, y.c1, x.c2 FROM q x JOIN q y ON x.c0 = y." + g.pick("c0", "c2") + g.pick("", " WHERE "+g.predicate("x."))
	case 12:
		return "SELECT x.c0, x.c1, p AS c2 FROM " + q() + " x, (SELECT 2 AS p, 'x' AS w) WHERE " + g.pick("c2 > p", "c1 = w", "c0 = p + 1", "true")
	}
	return "SELECT * FROM (SELECT * FROM " + q() + " x ORDER BY c2) WHERE " + g.pick("c0 = (SELECT max(c0) FROM ", "c2 > (SELECT min(c2) FROM ") + q() + ")"
}

// TestRandomQueries checks random queries as TestMeaning does those of the golden files.
func TestRandomQueries(t *testing.T) {
	w, o := newWorld(t), newOracle(t)
	r := rand.New(rand.NewPCG(5, 6))
	for _, line := range []string{
		"stream a k BIGINT, v BIGINT, s VARCHAR", "stream b k BIGINT, w BIGINT, s VARCHAR", "table t(id) id BIGINT, name VARCHAR, n INTEGER",
	} {
		w.define(t, line)
		w.fill(t, o, line, 15, r)
	}
	g := &queries{r: rand.New(rand.NewPCG(7, 8))}
	compared, maintained := 0, 0
	rounds := 200
	if testing.Short() {
		rounds = 60
	}
	for range rounds {
		q := "SELECT c0, c1, c2 FROM (" + g.query(1+g.r.IntN(3)) + ")"
		if _, err := w.planner.Plan(t.Context(), q); err != nil {
			continue // DuckDB has limits of its own
		}
		n, _, err := w.decode(t, q)
		if err != nil {
			t.Fatalf("%s: %v", q, err)
		}
		n = plan.Optimize(n)
		checkOptimized(t, q, n)
		if plan.Check(n) == nil {
			maintained++
		}
		if _, ok := w.compare(t, o, q); ok {
			compared++
		}
		if t.Failed() {
			return
		}
	}
	if compared < rounds*6/10 || maintained < rounds*4/10 {
		t.Errorf("only %d queries compared, %d maintained", compared, maintained)
	}
	t.Logf("%d compared, %d maintained", compared, maintained)
}
