package duck

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tidemill/tidemill/internal/row"
)

var bidSchema = row.Schema{
	{Name: "auction", Type: row.T(row.Int64)}, {Name: "bidder", Type: row.T(row.Int64)}, {Name: "price", Type: row.T(row.Int64)},
	{Name: "channel", Type: row.T(row.String)}, {Name: "url", Type: row.T(row.String)}, {Name: "ts", Type: row.T(row.Timestamp)},
	{Name: "tags", Type: row.ListOf(row.T(row.String))},
}

func openPlanner(t testing.TB, o PlannerOptions) *Planner {
	t.Helper()
	p, err := OpenPlanner(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	if err := p.DefineTable("bid", bidSchema, nil); err != nil {
		t.Fatal(err)
	}
	return p
}

func wantError(t *testing.T, err error, kind Kind, message string) *Error {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("error %v, want a %s error", err, kind)
	}
	if e.Kind != kind || !strings.Contains(e.Message, message) {
		t.Fatalf("error %q %q (hint %q), want %q %q", e.Kind, e.Message, e.Hint, kind, message)
	}
	return e
}

func TestPlan(t *testing.T) {
	p := openPlanner(t, PlannerOptions{})
	got, err := p.Plan(t.Context(), "SELECT channel, count(*) AS n, sum(price), list(url) FROM bid WHERE price > $1::BIGINT GROUP BY channel")
	if err != nil {
		t.Fatal(err)
	}
	if !json.Valid(got.Plan) || !strings.Contains(string(got.Plan), `"LOGICAL_AGGREGATE_AND_GROUP_BY"`) {
		t.Errorf("plan %s", got.Plan)
	}
	want := row.Schema{
		{Name: "channel", Type: row.T(row.String)}, {Name: "n", Type: row.T(row.Int64)}, {Name: "sum(price)", Type: row.T(row.Int128)},
		{Name: "list(url)", Type: row.ListOf(row.T(row.String))},
	}
	if !slices.Equal(got.Columns, want) {
		t.Errorf("columns %v, want %v", got.Columns, want)
	}
	if !slices.Equal(got.Params, []row.Type{row.T(row.Int64)}) || got.Statement != "SELECT" {
		t.Errorf("statement %s, parameters %v", got.Statement, got.Params)
	}
}

func TestPlanErrors(t *testing.T) {
	p := openPlanner(t, PlannerOptions{})
	f := func(sql string, kind Kind, message string, position int, hint string) {
		t.Helper()
		_, err := p.Plan(t.Context(), sql)
		e := wantError(t, err, kind, message)
		if e.Position != position || !strings.Contains(e.Hint, hint) {
			t.Errorf("%s: position %d, hint %q; want %d, %q", sql, e.Position, e.Hint, position, hint)
		}
	}
	f("SELECT nope FROM bid", KindBinder, `Referenced column "nope" not found`, 8, `Candidate bindings`)
	f("SELECT 'üü', nope FROM bid", KindBinder, `Referenced column "nope" not found`, 14, ``)
	f("SELECT 'ü' FROM nix", KindCatalog, "Table with name nix does not exist", 17, "")
	f("SELECT 'ü' FROM WHERE", KindParser, "syntax error", 16, "")
	f("SELECT 'ü', FROM", KindParser, "syntax error at end of input", 16, "")
	f("SELECT 1; SELECT 2", KindUnsupported, "more than one statement", 0, "")
	f("", KindParser, "no statement", 0, "")
	f("-- nothing", KindParser, "no statement", 0, "")
	f("SELECT $1", KindParameter, "$1", 0, "$1::BIGINT")
	f("SELECT ts > $1 - INTERVAL 1 DAY FROM bid", KindParameter, "$1", 0, "$1::BIGINT")
	f("SELECT $name::INT", KindParameter, "$name", 0, "")
	f("SELECT 1\x00", KindParser, "NUL", 9, "")
	f("SELECT '\xff'", KindParser, "UTF-8", 0, "")
	f("CREATE TABLE x (a INT)", KindUnsupported, "only SELECT", 0, "")
	f("COPY bid TO '/tmp/x'", KindPermission, "", 0, "")
	f("ATTACH '/tmp/x.db'", KindUnsupported, "", 0, "")
	f("SET threads = 3", KindUnsupported, "", 0, "")
	f("PRAGMA version", KindBinder, "", 0, "")
	f("SELECT * FROM read_csv('/etc/passwd')", KindPermission, "", 15, "")
	f("SELECT * FROM '/etc/passwd.csv'", KindPermission, "", 0, "")
	f("SELECT * FROM enable_peg_parser()", KindPermission, "enable_peg_parser", 15, "")
	f(`SELECT * FROM "system".main."query"('SELECT 1')`, KindPermission, "query", 29, "")
	f("SELECT '101'::BIT, ts FROM bid", KindNotImplemented, "BIT", 0, "")
}

func TestNowStaysSymbolic(t *testing.T) {
	p := openPlanner(t, PlannerOptions{})
	for _, now := range []string{
		"now()", "current_timestamp", "get_current_timestamp()", "transaction_timestamp()", "current_date", "today()", "localtimestamp", "localtime",
		"current_time", "age(ts)", "NOW()", `"now"()`,
	} {
		got, err := p.Plan(t.Context(), "SELECT "+now+" FROM bid")
		if err != nil {
			t.Errorf("%s: %v", now, err)
		} else if !strings.Contains(string(got.Plan), `"stream_now"`) {
			t.Errorf("%s is not symbolic: %s", now, got.Plan)
		}
	}
}

// bombs are statements that explode in DuckDB; each must be planned or refused in short time.
func bombs() map[string]string {
	join := func(n int) string {
		var b strings.Builder
		b.WriteString("SELECT count(*) FROM bid b0")
		for i := 1; i < n; i++ {
			fmt.Fprintf(&b, " JOIN bid b%d ON b%d.auction = b%d.bidder", i, i-1, i)
		}
		return b.String()
	}
	ctes := func(n int) string {
		var b strings.Builder
		b.WriteString("WITH c0 AS (SELECT auction AS a FROM bid)")
		for i := 1; i < n; i++ {
			fmt.Fprintf(&b, ", c%d AS (SELECT x.a FROM c%d x, c%d y WHERE x.a = y.a)", i, i-1, i-1)
		}
		return b.String() + fmt.Sprintf(" SELECT * FROM c%d", n-1)
	}
	return map[string]string{
		"range": "SELECT range(1000000000)", "range of expression": "SELECT range(10**9::BIGINT)", "range 3": "SELECT range(0, 1000000000000, 1)",
		"series": "SELECT generate_series(1, 500000000)", "timestamps": "SELECT generate_series(TIMESTAMP '1000-01-01', TIMESTAMP '3000-01-01', INTERVAL 1 SECOND)",
		"nested": "SELECT len(list_transform(range(1000000000), x -> x + 1))", "where": "SELECT 1 FROM bid WHERE price IN (SELECT unnest(range(1000000000)))",
		"repeat": "SELECT repeat('x', 2000000000)", "repeat 2": "SELECT len(repeat(repeat('x', 100000), 100000))", "repeat list": "SELECT repeat([1], 1000000000)",
		"lpad": "SELECT lpad('x', 2000000000, 'y')", "resize": "SELECT list_resize([1], 1000000000)",
		"bits": "SELECT bitstring('1', 1000000000)", "format": "SELECT format('{:2000000000d}', 1)", "printf": "SELECT printf('%2000000000d', 1)",
		"replace":     "SELECT replace('" + strings.Repeat("a", 300000) + "', 'a', '" + strings.Repeat("b", 300000) + "')",
		"levenshtein": "SELECT levenshtein('" + strings.Repeat("a", 300000) + "', '" + strings.Repeat("b", 300000) + "')",
		"plus 400":    "SELECT " + strings.Repeat("1+", 400) + "1", "plus 155": "SELECT " + strings.Repeat("1+", 155) + "1",
		"plus column": "SELECT " + strings.Repeat("price+", 155) + "1 FROM bid", "nested plus": "SELECT " + strings.Repeat("(1+", 900) + "1" + strings.Repeat(")", 900),
		"concat": "SELECT " + strings.Repeat("url||", 155) + "'x' FROM bid", "casts": "SELECT 1" + strings.Repeat("::INT", 900), "not": "SELECT " + strings.Repeat("NOT ", 900) + "true",
		"minus":     "SELECT " + strings.Repeat("- ", 900) + "1",
		"arrows 14": "SELECT url" + strings.Repeat("->'a'", 14) + " FROM bid", "arrows 50": "SELECT url" + strings.Repeat("->'a'", 50) + " FROM bid",
		"arrows nested": "SELECT " + strings.Repeat("(", 30) + "url" + strings.Repeat("->'a')", 30) + " FROM bid",
		"joins 40":      join(40), "joins 41": join(41), "joins 200": join(200),
		"commas":  "SELECT 1 FROM bid b0" + strings.Repeat(", bid", 100),
		"ctes 11": ctes(11), "ctes 25": ctes(25), "and": "SELECT 1 FROM bid WHERE " + strings.Repeat("price > 1 AND ", 4999) + "true",
		"and 50000": "SELECT 1 FROM bid WHERE " + strings.Repeat("price>1 AND ", 50000) + "true",
		"or":        "SELECT 1 FROM bid WHERE " + strings.Repeat("price > 1 OR ", 4999) + "true",
		"in":        "SELECT 1 FROM bid WHERE price IN (" + strings.Repeat("1,", 200000) + "1)",
		"union":     "SELECT 1 FROM bid" + strings.Repeat(" UNION ALL SELECT 1 FROM bid", 1000),
		"exists":    "SELECT 1 FROM bid WHERE " + strings.Repeat("EXISTS (SELECT 1 FROM bid b WHERE b.price = bid.price) AND ", 100) + "true",
		"scalars":   "SELECT " + strings.Repeat("(SELECT max(price) FROM bid), ", 100) + "1",
		"deep":      "SELECT * FROM " + strings.Repeat("(SELECT * FROM ", 300) + "bid" + strings.Repeat(")", 300),
		"parens":    "SELECT " + strings.Repeat("(", 5000) + "1" + strings.Repeat(")", 5000), "brackets": "SELECT " + strings.Repeat("[", 5000),
		"cube":        "SELECT count(*) FROM bid GROUP BY CUBE(auction, bidder, price, channel, url, ts, tags, auction+1, bidder+1, price+1, price+2, price+3)",
		"case":        "SELECT CASE " + strings.Repeat("WHEN price = 1 THEN 2 ", 500) + "END FROM bid",
		"case nested": "SELECT " + strings.Repeat("CASE WHEN price = 1 THEN 1 ELSE ", 300) + "1" + strings.Repeat(" END", 300) + " FROM bid",
		"large":       "SELECT '" + strings.Repeat("x", MaxStatementBytes) + "'", "columns": "SELECT " + strings.Repeat("price+1, ", 5000) + "1 FROM bid",
		"functions":      "SELECT " + strings.Repeat("abs(", 900) + "price" + strings.Repeat(")", 900) + " FROM bid",
		"between":        "SELECT " + strings.Repeat("price BETWEEN 1 AND ", 300) + "1 FROM bid",
		"recursive":      "WITH RECURSIVE r AS (SELECT 1 AS a UNION ALL SELECT a + 1 FROM r) SELECT * FROM r",
		"coalesce":       "SELECT " + strings.Repeat("coalesce(price, ", 250) + "1" + strings.Repeat(")", 250) + " FROM bid",
		"lambdas":        "SELECT " + strings.Repeat("list_transform([1], x -> ", 12) + "x" + strings.Repeat(")", 12),
		"python lambdas": "SELECT " + strings.Repeat("list_transform([1], lambda x: ", 40) + "x" + strings.Repeat(")", 40),
		"pivot":          "PIVOT bid ON channel USING sum(price)", "windows": "SELECT " + strings.Repeat("sum(price) OVER (PARTITION BY channel ORDER BY ts), ", 300) + "1 FROM bid",
		"in subqueries": "SELECT 1 FROM bid WHERE " + strings.Repeat("price IN (SELECT price FROM bid WHERE ", 30) + "true" + strings.Repeat(")", 30),
		"correlated":    "SELECT 1 FROM bid b0 WHERE " + correlated(12),
	}
}

// correlated nests EXISTS n deep, each level correlated with the one around it.
func correlated(n int) string {
	var b strings.Builder
	for i := 1; i <= n; i++ {
		fmt.Fprintf(&b, "EXISTS (SELECT 1 FROM bid b%d WHERE b%d.price = b%d.price AND ", i, i, i-1)
	}
	return b.String() + "true" + strings.Repeat(")", n)
}

func TestBombs(t *testing.T) {
	p := openPlanner(t, PlannerOptions{Timeout: time.Minute})
	for name, sql := range bombs() {
		start := time.Now()
		_, err := p.Plan(t.Context(), sql)
		took := time.Since(start)
		t.Logf("%-16s %8.1f ms  %.120v", name, took.Seconds()*1000, err)
		var e *Error
		if err != nil && (!errors.As(err, &e) || e.Kind == KindInternal || e.Kind == KindInterrupted) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestPlannerRelations(t *testing.T) {
	p := openPlanner(t, PlannerOptions{})
	ok := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	plans := func(sql string, columns string) {
		t.Helper()
		got, err := p.Plan(t.Context(), sql)
		ok(err)
		if g := fmt.Sprint(got.Columns.Names()); g != columns {
			t.Errorf("%s: columns %s, want %s", sql, g, columns)
		}
	}
	ok(p.DefineTable("tidemill.views", row.Schema{{Name: "name", Type: row.T(row.String)}}, nil))
	plans("FROM tidemill.views", "[name]")
	ok(p.DefineView("cheap", "SELECT auction, price AS p FROM bid WHERE price < 10 -- cheap"))
	plans("FROM CHEAP", "[auction p]")
	ok(p.DefineTable("cheap", row.Schema{{Name: `we"ird`, Type: row.DecimalType(10, 2), NotNull: true}, {Name: "k", Type: row.T(row.UUID)}}, []string{"k"}))
	plans("FROM cheap", `[we"ird k]`)
	ok(p.DefineView("Cheap", "SELECT 1 AS one"))
	plans("FROM cheap", "[one]")
	ok(p.DefineTable("a.b", row.Schema{{Name: "x", Type: row.T(row.Int8)}}, nil))
	plans(`FROM "a.b"`, "[x]")
	wantError(t, p.DefineView("cheap", "SELECT nope FROM bid"), KindBinder, "nope")
	plans("FROM cheap", "[one]") // what failed has changed nothing
	wantError(t, p.DefineTable("cheap", nil, nil), KindCatalog, "no columns")
	wantError(t, p.DefineTable("", bidSchema, nil), KindCatalog, "name")
	wantError(t, p.DefineView("x", "SELECT 1; SELECT 2"), KindUnsupported, "more than one")
	ok(p.Drop("cheap"))
	_, err := p.Plan(t.Context(), "FROM cheap")
	wantError(t, err, KindCatalog, "cheap")
	wantError(t, p.Drop("cheap"), KindCatalog, "no relation")

	// Views count as what is behind them.
	ok(p.DefineView("v0", "SELECT a.auction FROM bid a JOIN bid b USING (auction)"))
	refused := false
	for i := 1; i < 20 && !refused; i++ {
		err := p.DefineView(fmt.Sprintf("v%d", i), fmt.Sprintf("SELECT a.auction FROM v%d a JOIN v%d b USING (auction)", i-1, i-1))
		if err != nil {
			wantError(t, err, KindLimit, "relations")
			refused = true
		}
	}
	if !refused {
		t.Error("views grew without bound")
	}
}

func TestPlanChanges(t *testing.T) {
	p := openPlanner(t, PlannerOptions{})
	if err := p.DefineTable("kv", row.Schema{{Name: "k", Type: row.T(row.String)}, {Name: "v", Type: row.T(row.Int64)}}, []string{"k"}); err != nil {
		t.Fatal(err)
	}
	for sql, want := range map[string]string{
		"INSERT INTO kv VALUES ('a', $1) ON CONFLICT (k) DO UPDATE SET v = excluded.v": "INSERT",
		"UPDATE kv SET v = v + 1 WHERE k = 'a'":                                        "UPDATE",
		"DELETE FROM kv WHERE v < 3":                                                   "DELETE",
		"VALUES (1, 'x')":                                                              "SELECT",
	} {
		got, err := p.Plan(t.Context(), sql)
		if err != nil || got.Statement != want {
			t.Errorf("%s: %s %v", sql, got.Statement, err)
		}
	}
	// Nothing was executed.
	if n, err := p.admin.strings("SELECT count(*)::VARCHAR FROM kv"); err != nil || n[0] != "0" {
		t.Errorf("%v rows, %v", n, err)
	}
}

func TestPlanIsStrictJSON(t *testing.T) {
	p := openPlanner(t, PlannerOptions{})
	got, err := p.Plan(t.Context(), `SELECT 'NaN'::DOUBLE, 'inf'::DOUBLE, '-inf'::FLOAT, ['nan'::DOUBLE], 'NaN, "Infinity' || url, 18446744073709551615::UBIGINT FROM bid`)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"value":"NaN"`, `"value":"Infinity"`, `"value":"-Infinity"`, `NaN, \"Infinity`, "18446744073709551615"} {
		if !strings.Contains(string(got.Plan), want) {
			t.Errorf("%s is not in %s", want, got.Plan)
		}
	}
	f := func(in, want string) {
		t.Helper()
		if got := string(strictJSON([]byte(in))); got != want {
			t.Errorf("%s became %s, want %s", in, got, want)
		}
	}
	f(`[NaN,-Infinity,Infinity,"NaN","\"NaN"]`, `["NaN","-Infinity","Infinity","NaN","\"NaN"]`)
	f(`{"Infinity":-1}`, `{"Infinity":-1}`)
	f(`"NaN\`, `"NaN\`)
}

func TestPlannerInParallel(t *testing.T) {
	p := openPlanner(t, PlannerOptions{})
	var wg sync.WaitGroup
	for g := range 6 {
		wg.Go(func() {
			for i := range 30 {
				if g == 0 {
					if err := p.DefineTable("other", bidSchema[:1+i%3], nil); err != nil {
						t.Error(err)
					}
					continue
				}
				got, err := p.Plan(t.Context(), fmt.Sprintf("SELECT price + %d AS p FROM bid", g))
				if err != nil || len(got.Columns) != 1 || !strings.Contains(string(got.Plan), fmt.Sprint(g)) {
					t.Errorf("%v %v", got.Columns, err)
				}
			}
		})
	}
	wg.Wait()
}

func TestPlanTimeout(t *testing.T) {
	p := openPlanner(t, PlannerOptions{MaxStuck: 1, Timeout: 5 * time.Millisecond})
	slow := "SELECT " + strings.Repeat("1+", maxOperatorChain-1) + "1"
	_, err := p.Plan(t.Context(), slow)
	e := wantError(t, err, KindInterrupted, "planning took longer")
	if !errors.Is(e, context.DeadlineExceeded) {
		t.Errorf("%v is not the context's error", e)
	}
	_, err = p.Plan(t.Context(), "SELECT 1")
	wantError(t, err, KindLimit, "busy with 1 statements")
	_, err = p.PlanKnown(t.Context(), "SELECT 1")
	wantError(t, err, KindLimit, "busy with 1 statements")
	p.timeout = time.Minute
	for start := time.Now(); err != nil && time.Since(start) < time.Minute; {
		runtime.Gosched()
		_, err = p.Plan(t.Context(), "SELECT 1")
	}
	if err != nil {
		t.Errorf("the planner stays busy: %v", err)
	}
	p.timeout = time.Nanosecond // too short for any
	if _, err := p.PlanKnown(t.Context(), "SELECT 1"); err != nil {
		t.Errorf("a known statement: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = p.Plan(ctx, slow)
	if e := wantError(t, err, KindInterrupted, "canceled"); !errors.Is(e, context.Canceled) {
		t.Errorf("%v is not the context's error", e)
	}
}

func TestPlannerClosed(t *testing.T) {
	p := openPlanner(t, PlannerOptions{})
	p.Close()
	_, err := p.Plan(t.Context(), "SELECT 1")
	wantError(t, err, KindClosed, "")
	wantError(t, p.DefineTable("x", bidSchema, nil), KindClosed, "")
	wantError(t, p.Drop("bid"), KindClosed, "")
}

// FuzzPlan plans any text: it must be planned or refused, never end the process or take long.
func FuzzPlan(f *testing.F) {
	for _, sql := range bombs() {
		if len(sql) < 1000 {
			f.Add(sql)
		}
	}
	for _, sql := range []string{
		"SELECT channel, count(*) FROM bid WHERE price > 10 GROUP BY ROLLUP (channel) ORDER BY 2 LIMIT 3",
		"SELECT *, row_number() OVER (PARTITION BY auction ORDER BY price DESC) AS rn FROM bid QUALIFY rn <= 3",
		"WITH x AS MATERIALIZED (FROM bid) SELECT * FROM x a LEFT JOIN x b USING (auction), UNNEST(a.tags) u(t)",
		"SELECT E'\\'', $tag$ a $tag$, x'00', \"we\"\"ird\" /* /* */ */ -- c\n FROM bid",
		"INSERT INTO bid SELECT * FROM bid", "SELECT $1::INT + ?", "PIVOT bid ON channel IN ('a', 'b') USING sum(price)", "SELECT 'NaN'::DOUBLE",
	} {
		f.Add(sql)
	}
	p := openPlanner(f, PlannerOptions{Timeout: 20 * time.Second})
	f.Fuzz(func(t *testing.T, sql string) {
		got, err := p.Plan(t.Context(), sql)
		var e *Error
		switch {
		case err == nil && !json.Valid(got.Plan):
			t.Errorf("%q: the plan is not JSON", sql)
		case err != nil && (!errors.As(err, &e) || e.Message == "" || e.Position < 0 || e.Position > len(sql)+1):
			t.Errorf("%q: %#v", sql, err)
		case err != nil && e.Kind == KindInterrupted:
			t.Errorf("%q: took too long", sql)
		}
	})
}

func BenchmarkPlan(b *testing.B) {
	p := openPlanner(b, PlannerOptions{})
	for b.Loop() {
		if _, err := p.Plan(b.Context(), "SELECT channel, count(*) AS n FROM bid WHERE price > 10 GROUP BY channel"); err != nil {
			b.Fatal(err)
		}
	}
}
