package plan_test

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"github.com/tidemill/tidemill/internal/duck"
	"github.com/tidemill/tidemill/internal/plan"
)

// kinds has a column of every type.
const kinds = "b BOOLEAN, i8 TINYINT, i16 SMALLINT, i32 INTEGER, i64 BIGINT, i128 HUGEINT, u8 UTINYINT, u16 USMALLINT, u32 UINTEGER, u64 UBIGINT, " +
	"f32 FLOAT, f64 DOUBLE, d DECIMAL(10,2), dd DECIMAL(30,5), s VARCHAR, j JSON, bl BLOB, da DATE, ti TIME, ts TIMESTAMP, tz TIMESTAMPTZ, iv INTERVAL, u UUID, " +
	"l INTEGER[], ls VARCHAR[], st STRUCT(a INTEGER, b VARCHAR), m MAP(INTEGER, VARCHAR), e ENUM('sad', 'ok', 'happy')"

const kindsRows = `INSERT INTO kinds
SELECT i % 3 = 0, (i % 200 - 100)::TINYINT, (i * 37 % 1000 - 500)::SMALLINT, i * 7919 % 100 - 50, i * 104729 - 1000000, i::HUGEINT * 1000000007 * (i % 2 * 2 - 1),
  (i % 200)::UTINYINT, i::USMALLINT, i::UINTEGER, (i * i)::UBIGINT, (i / 8)::FLOAT, i * 1.5 - 40, (i * 1.25 - 30)::DECIMAL(10,2), (i * 12345.678 - 100000)::DECIMAL(30,5),
  ['', 'a', 'Abc', 'x,y,z', 'straße', '  pad ', '12', 'http://h/a/b/c', '2024-05-06', 'a%b_c'][i % 10 + 1],
  ['{"a": 1, "b": {"c": [1, 2, 3]}}', '[1, "x"]', '{"a": "text"}', 'null', '"s"'][i % 5 + 1], ('\x0' || (i % 10) || 'z')::BLOB,
  DATE '2020-02-25' + (i * 11)::INTEGER, TIME '00:00:00' + to_seconds(i * 997 % 86400), TIMESTAMP '2023-12-31 23:59:58.5' + to_seconds(i * 100003),
  TIMESTAMPTZ '2020-01-01 00:00:00+00' + to_seconds(i * 5000011), to_months((i % 5)::INTEGER) + to_days((i % 40)::INTEGER) + to_milliseconds(i * 777),
  ('00000000-0000-4000-8000-' || lpad(i::VARCHAR, 12, '0'))::UUID, [i % 5, NULL, i % 3], ['p', 'q' || i % 3], {'a': i % 4, 'b': 'm' || i % 2}, MAP {i % 3: 'one', 7: 'seven'},
  ['sad', 'ok', 'happy'][i % 3 + 1]::ENUM('sad', 'ok', 'happy')
FROM range(60) r(i)
UNION ALL SELECT NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
UNION ALL SELECT true, 127, 32767, 2147483647, 9223372036854775807, 170141183460469231731687303715884105727, 255, 65535, 4294967295, 18446744073709551615,
  'inf', 'nan', 99999999.99, 9999999999999999999999999.99999, 'z' || chr(10) || '''q"', '{}', '\xFF\x00'::BLOB, 'infinity', '23:59:59.999999', 'infinity', '-infinity',
  INTERVAL '-7 months 100 days -1 microsecond', 'ffffffff-ffff-ffff-ffff-ffffffffffff', [], [], {'a': NULL, 'b': ''}, MAP {}, 'happy'`

func newKinds(t testing.TB) (*world, *duck.Oracle) {
	t.Helper()
	w, o := newWorld(t), newOracle(t)
	w.define(t, "stream kinds "+kinds)
	if err := o.Exec("CREATE TABLE kinds (" + kinds + "); " + kindsRows); err != nil {
		t.Fatal(err)
	}
	return w, o
}

// sqlOfQuery returns what SQLOf makes of the only expression of SELECT expr FROM kinds, over the columns of kinds.
func (w *world) sqlOfQuery(t testing.TB, expr string) (string, *plan.Expr, error) {
	t.Helper()
	n, _, err := w.decode(t, "SELECT "+expr+" AS r FROM kinds")
	if err != nil {
		return "", nil, err
	}
	p, ok := n.(*plan.Project)
	if !ok {
		return "", nil, fmt.Errorf("a %T", n)
	}
	get, ok := p.Input.(*plan.Get)
	for !ok {
		// The cast of what is handed out makes a projection of its own.
		inner, is := p.Input.(*plan.Project)
		if !is {
			return "", nil, fmt.Errorf("a %T below the projection", p.Input)
		}
		p = inner
		get, ok = p.Input.(*plan.Get)
	}
	names := make([]string, len(get.Schema))
	for i, c := range get.Schema {
		names[i] = `"` + c.Name + `"`
	}
	writer := &sqlWriter{}
	text := writer.expr(p.Exprs[0], names)
	return text, p.Exprs[0], writer.err
}

// sameValues compares an expression with what SQLOf writes for it, over all rows of kinds, in value and type. Both may
// fail for the same rows. rows is how many have a value.
func (w *world) sameValues(t testing.TB, o *duck.Oracle, expr string) (rows int64) {
	t.Helper()
	text, e, err := w.sqlOfQuery(t, expr)
	if err != nil {
		t.Errorf("%s: %v", expr, err)
		return 0
	}
	sql := fmt.Sprintf("SELECT count(*) FROM kinds WHERE TRY(CAST((%s) AS VARCHAR)) IS DISTINCT FROM TRY(CAST((%s) AS VARCHAR)) OR replace(typeof(%s), '\"NULL\"', 'INTEGER') <> typeof(%s)", expr, text, expr, text)
	n, err := count(t, o, sql)
	if err != nil {
		t.Errorf("%s\nas\n%s\n%v", expr, text, err)
		return 0
	}
	if n != 0 {
		t.Errorf("%s\nas\n%s\ndiffers in %d rows", expr, text, n)
	}
	if got, err := ask(t, o, "SELECT typeof("+text+") FROM kinds LIMIT 1"); err != nil || len(got) != 1 || e.Type.Kind != 0 && !sameType(got[0].S, e.Type.String()) {
		t.Errorf("%s has type %s in the plan, %v (%v) in DuckDB", expr, e.Type, got, err)
	}
	rows, err = count(t, o, "SELECT count(*) FROM kinds WHERE TRY(CAST(("+text+") AS VARCHAR)) IS NOT NULL")
	if err != nil {
		t.Error(err)
	}
	return rows
}

// sameType compares type names; DuckDB quotes the names of members only where it must.
func sameType(duckdb, ours string) bool {
	plain := func(s string) string {
		return strings.ReplaceAll(strings.ReplaceAll(s, `"`, ""), "ROW(", "STRUCT(")
	}
	return plain(duckdb) == plain(ours) || ours == "JSON" && duckdb == "VARCHAR"
}

// TestSQLOf checks the expressions listed in testdata/expressions, one a line.
func TestSQLOf(t *testing.T) {
	w, o := newKinds(t)
	f, err := os.Open("testdata/expressions")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	tried := 0
	for lines.Scan() {
		expr := strings.TrimSpace(lines.Text())
		if expr == "" || strings.HasPrefix(expr, "#") {
			continue
		}
		tried++
		if rows := w.sameValues(t, o, expr); rows == 0 {
			t.Errorf("%s has no value in any row", expr)
		}
	}
	if err := lines.Err(); err != nil || tried < 200 {
		t.Errorf("%d expressions tried, %v", tried, err)
	}
}

// TestSQLOfRandom does the same for random expressions.
func TestSQLOfRandom(t *testing.T) {
	w, o := newKinds(t)
	g := &generator{r: rand.New(rand.NewPCG(3, 4))}
	unplanned := 0
	for range 250 {
		expr := g.expr(g.pick("number", "text", "boolean", "time"), 4)
		if _, err := w.planner.Plan(t.Context(), "SELECT "+expr+" FROM kinds"); err != nil {
			unplanned++
			continue
		}
		w.sameValues(t, o, expr)
		if t.Failed() {
			return
		}
	}
	if unplanned > 100 {
		t.Errorf("%d of 250 expressions have no plan", unplanned)
	}
}

// generator makes random expressions over kinds.
type generator struct{ r *rand.Rand }

func (g *generator) pick(list ...string) string { return list[g.r.IntN(len(list))] }

func (g *generator) expr(typ string, depth int) string {
	if depth == 0 || g.r.IntN(6) == 0 {
		return g.leaf(typ)
	}
	sub := func(typ string) string { return g.expr(typ, depth-1) }
	if g.r.IntN(8) == 0 {
		return g.pick(
			"CASE WHEN "+sub("boolean")+" THEN "+sub(typ)+" ELSE "+sub(typ)+" END",
			"coalesce("+sub(typ)+", "+sub(typ)+")",
			"nullif("+sub(typ)+", "+sub(typ)+")",
		)
	}
	switch typ {
	case "number":
		return g.pick(
			"("+sub(typ)+g.pick(" + ", " - ", " * ", " / ", " // ", " % ")+sub(typ)+")",
			"abs("+sub(typ)+")", "round("+sub(typ)+", 1)", "floor("+sub(typ)+")", "(-"+sub(typ)+")",
			"length("+sub("text")+")", g.pick("year", "month", "day", "hour", "epoch")+"("+sub("time")+")",
			"TRY_CAST("+sub("text")+" AS "+g.pick("INTEGER", "DOUBLE", "DECIMAL(12,3)")+")",
			"TRY_CAST("+sub("number")+" AS "+g.pick("INTEGER", "DOUBLE", "DECIMAL(12,3)", "HUGEINT", "UBIGINT")+")",
			"greatest("+sub(typ)+", "+sub(typ)+")",
		)
	case "text":
		return g.pick(
			"upper("+sub(typ)+")", "("+sub(typ)+" || "+sub(typ)+")", "substring("+sub(typ)+", 2, 3)", "replace("+sub(typ)+", 'a', '$1')",
			"CAST("+sub(g.pick("number", "boolean", "time"))+" AS VARCHAR)", "regexp_replace("+sub(typ)+", '[a-c]+', '<\\0>', 'g')", "split_part("+sub(typ)+", ',', 2)",
			"strftime("+sub("time")+", '%Y-%m-%d %H')", "concat("+sub(typ)+", "+sub("number")+", NULL, 'it''s')",
		)
	case "boolean":
		return g.pick(
			"("+sub("number")+g.pick(" < ", " <= ", " = ", " <> ", " > ", " IS DISTINCT FROM ")+sub("number")+")",
			"("+sub("text")+g.pick(" < ", " = ", " LIKE ", " IS NOT DISTINCT FROM ")+sub("text")+")",
			"("+sub("time")+g.pick(" < ", " >= ")+sub("time")+")",
			"("+sub(typ)+g.pick(" AND ", " OR ")+sub(typ)+")", "(NOT "+sub(typ)+")", "("+sub(g.pick("number", "text"))+" IS NULL)",
			"("+sub("number")+" BETWEEN "+sub("number")+" AND "+sub("number")+")", "("+sub("text")+" IN ('a', "+sub("text")+", NULL))",
			"("+sub("text")+" SIMILAR TO '[a-z]+')",
		)
	}
	return g.pick(
		"("+sub("time")+g.pick(" + ", " - ")+"INTERVAL "+g.pick("1 HOUR", "'2 months 3 days'", "90 SECONDS")+")",
		"date_trunc("+g.pick("'hour'", "'month'", "'week'")+", "+sub("time")+")", "time_bucket(INTERVAL "+g.pick("10 MINUTES", "1 MONTH", "7 DAYS")+", "+sub("time")+")",
		"CAST("+sub("time")+" AS TIMESTAMP)",
	)
}

func (g *generator) leaf(typ string) string {
	switch typ {
	case "number":
		return g.pick("i8", "i16", "i32", "i64", "u8", "u16", "u32", "f32", "f64", "d", "dd", "i128", "7", "-3", "0", "1.5", "2e3", "NULL::INTEGER", "100::BIGINT", "0.001")
	case "text":
		return g.pick("s", "s", "'a'", "'it''s'", "'$1'", "''", "j->>'a'", "NULL::VARCHAR", "e::VARCHAR")
	case "boolean":
		return g.pick("b", "true", "false", "NULL::BOOLEAN", "(i32 > 3)")
	}
	return g.pick("ts", "ts", "da", "TIMESTAMP '2024-02-29 12:34:56.789'", "NULL::TIMESTAMP", "DATE '2020-01-31'")
}
