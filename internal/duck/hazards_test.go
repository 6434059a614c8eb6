package duck

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tidemill/tidemill/internal/row"
)

func TestHazards(t *testing.T) {
	views := map[string]meaning{}
	check := func(sql string) error {
		_, err := checkLimits(sql, func(name string) meaning { return views[name] })
		return err
	}
	for name, sql := range map[string]string{"lazy": "SELECT CASE WHEN a THEN b END AS x FROM t", "tries": "SELECT TRY(a / b) AS x FROM t"} {
		m, err := checkLimits(sql, nil)
		if err != nil {
			t.Fatal(err)
		}
		views[name] = m
	}
	for _, sql := range []string{
		"SELECT TRY(1 / a), TRY(sqrt(x)), TRY_CAST(a AS INTEGER) IS NULL FROM t WHERE a AND b OR c IN (1, 2)",
		"SELECT CASE WHEN a THEN b END, coalesce(a, b) FROM t WHERE a AND b", "SELECT TRY((a::INTEGER + 1) * 2) FROM t JOIN s ON t.a = s.a AND t.b = s.b",
		"SELECT * FROM lazy", "SELECT x FROM tries WHERE x AND y", "SELECT coalesce(TRY(a * b), 0) AS x, CASE WHEN TRY(a) > 1 THEN b END FROM t",
		"SELECT a, a IN (1, 2) AS y, TRY(a::INTEGER) AS x, b FROM t ORDER BY y", "SELECT x, a IN (1, 2) FROM tries", "SELECT 1 FROM tries, lazy", "SELECT coalesce(TRY($1 + $2), 0)", "SELECT try, a AND b FROM t",
		`SELECT "try" AS isoyear, a OR b FROM t`, "SELECT TRY(a->>'$.x') FROM t", "SELECT 'TRY(CASE)' /* TRY(CASE) */ -- TRY(a) AND b",
	} {
		if err := check(sql); err != nil {
			t.Errorf("%s: %v", sql, err)
		}
	}
	for _, sql := range []string{
		"SELECT TRY(CASE WHEN a THEN b END) FROM t", "SELECT try (coalesce(a + 1, b)) FROM t", `SELECT "try"(ifnull(a + 1, b)) FROM t`, "SELECT TRY(f((a OR b))) FROM t",
		"SELECT TRY(/* */ a IN (b, c)) FROM t", "SELECT TRY(nullif(a, b)) FROM t", "SELECT TRY(split_part(a, b, c)) FROM t", "SELECT TRY((SELECT 1)) FROM t",
		"SELECT TRY(list_transform(l, x -> x + 1)) FROM t", "SELECT TRY(list_transform(l, lambda x: x + 1)) FROM t", "SELECT TRY([x + 1 FOR x IN l]) FROM t",
		"SELECT * FROM (SELECT CASE WHEN a THEN b END AS x FROM t) WHERE TRY(x + 1) > 0", "WITH q AS (SELECT coalesce(a, b) AS x FROM t) SELECT TRY(x + 1) FROM q",
		"SELECT a AND b AS x, TRY(x::INTEGER + 1) FROM t", "SELECT DISTINCT ON (a) CASE WHEN a THEN b END AS x FROM t ORDER BY TRY(x + 1)", "SELECT t.where, a OR b AS x, TRY(f(x)) FROM t",
		"SELECT 1 AS where, a OR b AS x, TRY(f(x)) FROM t", "SELECT TRY(x + 1) FROM lazy", "SELECT a OR b x, TRY(f(x)) FROM t", "SELECT x: a OR b, TRY(f(x)) FROM t",
		"SELECT coalesce(a, b) AS x FROM t ORDER BY TRY(x + 1)", `SELECT coalesce(a, b) "x", TRY(X + 1) FROM t`, "SELECT CASE WHEN a THEN b END x, x AS y, TRY(y + 1) FROM t",
		"SELECT TRY(x + 1) FROM (FROM t SELECT coalesce(a, b) AS x)",
		"SELECT struct_update(s, a := 1) FROM t", "SELECT STRUCT_UPDATE (s, a := 1) FROM t",
	} {
		err := check(sql)
		if err == nil {
			t.Errorf("%s: not refused", sql)
			continue
		}
		if e := wantError(t, err, KindUnsupported, ""); e != nil && e.Hint == "" {
			t.Errorf("%s: no hint", sql)
		}
	}
}

// isoYears makes DuckDB fail inside, after which the instance is unusable. The unit is not a literal, which would be refused.
const isoYears = "date_diff('iso' || 'year', $1, $2)"

var isoYearArgs = []row.Value{
	mustParse("0522-06-12 (BC) 06:50:19.300936+00"), mustParse("3600-05-24 20:25:12.711267+00"),
}

func mustParse(text string) row.Value {
	v, err := row.ParseValue(row.T(row.TimestampTZ), text)
	if err != nil {
		panic(err)
	}
	return v
}

func TestReaderSurvivesAnUnusableInstance(t *testing.T) {
	r := openReader(t, ReaderOptions{Threads: 1})
	schema := row.Schema{{Name: "a", Type: row.T(row.Int64)}}
	src := snapshot{"t": {{Len: 2, Cols: []row.Vec{row.FromValues(row.T(row.Int64), []int64{3, 4}, nil)}}}}
	for _, err := range []error{
		r.Exec("CREATE SCHEMA s", "CREATE MACRO s.twice(x) AS 2 * x"), r.DefineTable("t", schema), r.DefineTable("gone", schema),
		r.DefineView("v", "SELECT sum(s.twice(a)) AS n FROM t"), r.DefineView("broken", "SELECT * FROM gone"), r.Drop("gone"),
		r.DefineTable("base", schema), r.DefineView("early", "SELECT * FROM base"), r.DefineView("base", "SELECT 1 AS a FROM t"),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	good := func() {
		t.Helper()
		for sql, want := range map[string]string{"SELECT n FROM v": "14", "SELECT count(*) FROM early": "2"} {
			if got := oneValue(t, r, sql, src); got != want {
				t.Errorf("%s = %s, want %s", sql, got, want)
			}
		}
	}
	good()
	for range 3 {
		fails(t, r)
		var all sync.WaitGroup
		for range 4 {
			all.Go(good)
		}
		all.Wait()
	}
	fails(t, r)
	if err := r.DefineView("w", "SELECT a FROM t"); err != nil {
		t.Errorf("defining in an unusable instance: %v", err)
	}
	fails(t, r)
	if cols, err := r.Describe(t.Context(), "SELECT * FROM w"); err != nil || len(cols) != 1 {
		t.Errorf("describing: %v, %v", cols, err)
	}
	good()
}

// fails runs the query that makes the reader's instance unusable.
func fails(t *testing.T, r *Reader) {
	t.Helper()
	rows, err := r.Query(t.Context(), "SELECT "+isoYears+" FROM range(3)", isoYearArgs, nil)
	if err == nil {
		_, err = rows.Next(t.Context())
		rows.Close()
	}
	wantError(t, err, KindInternal, "")
}

func oneValue(t *testing.T, r *Reader, sql string, src Sources) string {
	rows, err := r.Query(t.Context(), sql, nil, src)
	if err != nil {
		t.Errorf("%s: %v", sql, err)
		return ""
	}
	defer rows.Close()
	b, err := rows.Next(t.Context())
	if err != nil || b == nil || b.Len != 1 {
		t.Errorf("%s: %v, %v", sql, b, err)
		return ""
	}
	return shown(b.Cols[0].Value(0))
}

func TestEvaluatorSurvivesAnUnusableInstance(t *testing.T) {
	e := openEvaluator(t)
	zoned := row.T(row.TimestampTZ)
	bad := compile(t, e, isoYears, row.T(row.Int64), zoned, zoned)
	other := compile(t, e, "$1 + 1", row.T(row.Int64), row.T(row.Int64))
	for range 3 {
		_, err := bad.Eval([]row.Vec{isoYearArgs[0].Repeat(5), isoYearArgs[1].Repeat(5)}, 5)
		wantError(t, err, KindInternal, "")
		for name, f := range map[string]*Func{"before": other, "after": compile(t, e, "$1 + 1", row.T(row.Int64), row.T(row.Int64))} {
			got, err := f.Eval([]row.Vec{row.IntValue(row.T(row.Int64), 41).Repeat(3)}, 3)
			if err != nil || shown(got.Value(2)) != "42" {
				t.Errorf("compiled %s: %v", name, err)
			}
		}
	}
	year := mustParse("2000-01-01 00:00:00+00")
	got, err := bad.Eval([]row.Vec{year.Repeat(1), year.Repeat(1)}, 1)
	if err != nil || shown(got.Value(0)) != "0" {
		t.Errorf("good rows of the same expression: %v", err)
	}
}

func TestPlannerSurvivesAnUnusableInstance(t *testing.T) {
	p := openPlanner(t, PlannerOptions{Timeout: time.Minute})
	if err := p.DefineView("v", "SELECT auction FROM bid"); err != nil {
		t.Fatal(err)
	}
	constant := strings.NewReplacer("$1", "TIMESTAMPTZ '0522-06-12 (BC) 06:50:19.300936+00'", "$2", "TIMESTAMPTZ '3600-05-24 20:25:12.711267+00'").Replace(isoYears)
	for range 3 {
		if _, err := p.Plan(t.Context(), "SELECT "+constant); err != nil {
			t.Log(err)
		}
		if _, err := p.Plan(t.Context(), "SELECT count(*) FROM v"); err != nil {
			t.Errorf("planning after it: %v", err)
		}
	}
	_, _ = p.Plan(t.Context(), "SELECT "+constant)
	if err := p.DefineView("w", "SELECT * FROM v"); err != nil {
		t.Errorf("defining after it: %v", err)
	}
}

func TestClassed(t *testing.T) {
	e := openEvaluator(t)
	for sql, want := range map[string]string{
		"CAST($1 AS TINYINT)": "Conversion Error: ", "$1 * 9223372036854775807": "Out of Range Error: ", "error($1::VARCHAR)": "Invalid Input Error: ",
	} {
		_, err := compile(t, e, sql, row.T(row.Int64), row.T(row.Int64)).Eval([]row.Vec{row.IntValue(row.T(row.Int64), 1000).Repeat(1)}, 1)
		if de, ok := asError(err); !ok || !strings.HasPrefix(de.Classed(), want) {
			t.Errorf("%s: %v", sql, err)
		}
	}
}

func TestReaderPlanTimeout(t *testing.T) {
	r := openReader(t, ReaderOptions{Connections: 1, PlanTimeout: time.Millisecond})
	slow := "SELECT " + strings.Repeat("1+", maxOperatorChain-1) + "1"
	_, err := r.Query(t.Context(), slow, nil, snapshot{})
	wantError(t, err, KindInterrupted, "planning took longer")
	// The only connection comes back when the plan is made.
	r.opts.PlanTimeout = time.Minute
	if got := oneValue(t, r, "SELECT 42", snapshot{}); got != "42" {
		t.Errorf("after it: %s", got)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err = r.Query(ctx, slow, nil, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("%v is not the context's error", err)
	}
}

func TestIsoYears(t *testing.T) {
	p := openPlanner(t, PlannerOptions{Timeout: time.Minute})
	if err := p.DefineTable("times", row.Schema{{Name: "z", Type: row.T(row.TimestampTZ)}, {Name: "ts", Type: row.T(row.Timestamp)}, {Name: "d", Type: row.T(row.Date)}}, nil); err != nil {
		t.Fatal(err)
	}
	for _, sql := range []string{"SELECT date_diff('year', z, now()), isoyear(z) FROM times", "SELECT date_diff('isoyear', ts, d), datesub('isoyear', d, ts) FROM times", "SELECT 'isoyear' FROM times"} {
		if _, err := p.Plan(t.Context(), sql); err != nil {
			t.Errorf("%s: %v", sql, err)
		}
	}
	for _, sql := range []string{
		"SELECT date_diff('isoyear', z, now()) FROM times", "SELECT 1 FROM times WHERE datediff('ISOyear', ts, z) > 1", "SELECT max(date_sub('isoyear', z, z)) FROM times", "SELECT datesub('iso' || 'year', z, z) FROM times",
	} {
		_, err := p.Plan(t.Context(), sql)
		if e := wantError(t, err, KindUnsupported, "isoyear"); e != nil && e.Hint == "" {
			t.Errorf("%s: no hint", sql)
		}
	}
}
