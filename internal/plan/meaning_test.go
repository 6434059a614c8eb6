package plan_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tidemill/tidemill/internal/duck"
	"github.com/tidemill/tidemill/internal/plan"
	"github.com/tidemill/tidemill/internal/row"
)

func newOracle(t testing.TB) *duck.Oracle {
	t.Helper()
	o, err := duck.OpenOracle(duck.OracleOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := o.Close(); err != nil {
			t.Error(err)
		}
	})
	return o
}

// ask returns the first column of a query's rows.
func ask(t testing.TB, o *duck.Oracle, sql string) ([]row.Value, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	rows, err := o.Query(ctx, sql)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []row.Value
	for {
		b, err := rows.Next(ctx)
		if err != nil {
			return nil, err
		}
		if b == nil {
			return out, nil
		}
		for i := range b.Len {
			out = append(out, b.Cols[0].Value(i))
		}
	}
}

// count returns the single number that a query answers.
func count(t testing.TB, o *duck.Oracle, sql string) (int64, error) {
	t.Helper()
	v, err := ask(t, o, sql)
	if err != nil {
		return 0, err
	}
	if len(v) != 1 {
		return 0, fmt.Errorf("%d rows", len(v))
	}
	return v[0].I, nil
}

// randomCell writes a value from a small domain, so that joins and groups meet; unique makes it differ by row.
func randomCell(r *rand.Rand, t row.Type, i int, unique bool) string {
	if !unique && r.IntN(8) == 0 {
		return "NULL"
	}
	n := []int{0, 1, 2, 3, 4, 5, 10}[r.IntN(7)]
	if unique {
		n = i
	}
	switch t.Kind {
	case row.String:
		words := []string{"x", "y", "xyz", "OR", "FRANCE", "GERMANY", "BUILDING", "Brand#12", "a green b", "AIR"}
		if unique {
			return fmt.Sprintf("'k%d'", n)
		}
		return "'" + words[r.IntN(len(words))] + "'"
	case row.Bool:
		return fmt.Sprint(n%2 == 0)
	case row.Float32, row.Float64:
		return fmt.Sprintf("%d.25", n)
	case row.Decimal:
		return fmt.Sprintf("%d.5", n*7)
	case row.Date:
		return fmt.Sprintf("DATE '1994-01-01' + %d", n*100)
	case row.Timestamp, row.TimestampTZ:
		return fmt.Sprintf("TIMESTAMP '2024-01-01 06:00:00' + INTERVAL %d SECONDS", n*4)
	case row.List:
		return fmt.Sprintf("[%d, %d]", n, n+1)
	}
	return fmt.Sprint(n)
}

// fill gives every relation of the world some random rows in the oracle.
func (w *world) fill(t testing.TB, o *duck.Oracle, line string, n int, r *rand.Rand) {
	t.Helper()
	_, rest, _ := strings.Cut(line, " ")
	name, columns, _ := strings.Cut(rest, " ")
	name, _, _ = strings.Cut(name, "(")
	key := map[string]bool{}
	for i, k := range w.keys[name] {
		key[k] = i == 0 // the first column of a key is unique by itself
	}
	var rows []string
	for i := range n {
		var cells []string
		for _, c := range splitColumns(columns) {
			column, typ, _ := strings.Cut(strings.TrimSpace(c), " ")
			parsed, _ := row.ParseType(typ)
			cells = append(cells, randomCell(r, parsed, i, key[column]))
		}
		rows = append(rows, "("+strings.Join(cells, ", ")+")")
	}
	sql := fmt.Sprintf("CREATE TABLE %s (%s); INSERT INTO %s VALUES %s", name, columns, name, strings.Join(rows, ", "))
	if err := o.Exec(sql); err != nil {
		t.Fatalf("filling %s: %v", name, err)
	}
}

// TestMeaning checks that plans, decoded and optimized, have the results of the queries they were made from, and that
// what is said of their keys is true. The queries are those of the golden files.
func TestMeaning(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if f == filepath.Join("testdata", "forms.txt") {
			continue // expressions are TestSQLOf's
		}
		t.Run(strings.TrimSuffix(filepath.Base(f), ".txt"), func(t *testing.T) { meaning(t, f) })
	}
}

func meaning(t *testing.T, file string) {
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	w, o := newWorld(t), newOracle(t)
	r := rand.New(rand.NewPCG(1, 2))
	compared, empty := 0, 0
	lines := strings.Split(string(text), "\n")
	for i := 0; i < len(lines); i++ {
		word, _, _ := strings.Cut(lines[i], " ")
		switch word {
		case "stream", "table":
			w.define(t, lines[i])
			w.fill(t, o, lines[i], 60, r)
		case "query":
			var sql []string
			for i++; i < len(lines) && lines[i] != "----" && lines[i] != ""; i++ {
				sql = append(sql, lines[i])
			}
			query := strings.Join(sql, "\n")
			rows, ok := w.compare(t, o, query)
			if ok {
				compared++
			}
			if ok && rows == 0 {
				empty++
			}
		}
	}
	t.Logf("%d queries compared, %d of them without rows", compared, empty)
	if compared == 0 {
		t.Error("nothing was compared")
	}
}

// compare runs a query and its plans, and reports how many rows it has; ok is false if the plan cannot be run.
func (w *world) compare(t *testing.T, o *duck.Oracle, query string) (rows int64, ok bool) {
	if orderMatters(query) {
		return 0, false
	}
	n, _, err := w.decode(t, query)
	if err != nil {
		return 0, false
	}
	optimized := plan.Optimize(n)
	for _, x := range []plan.Node{n, optimized} {
		sql, err := asSQL(x)
		if err != nil {
			continue
		}
		difference := fmt.Sprintf("WITH given__ AS MATERIALIZED (SELECT CAST(COLUMNS(*) AS VARCHAR) FROM (%s)), planned__ AS MATERIALIZED (SELECT CAST(COLUMNS(*) AS VARCHAR) FROM (%s)) "+
			"SELECT count(*) FROM ((FROM given__ EXCEPT ALL FROM planned__) UNION ALL (FROM planned__ EXCEPT ALL FROM given__))", query, sql)
		d, err := count(t, o, difference)
		if err != nil {
			t.Errorf("%s\nas\n%s\n%v", query, sql, err)
			continue
		}
		if d != 0 {
			t.Errorf("%s\nand its plan differ in %d rows:\n%s\n%s", query, d, plan.Explain(x), sql)
		}
		if rows, err = count(t, o, "SELECT count(*) FROM ("+query+")"); err != nil {
			t.Error(err)
		}
		ok = true
		if key := plan.UniqueKey(x, func(r string) []string { return w.keys[r] }); key != nil {
			names := []string{"1"}
			for _, k := range key {
				names = append(names, fmt.Sprintf("c%d", k))
			}
			twice, err := count(t, o, fmt.Sprintf("SELECT count(*) FROM (SELECT 1 FROM (%s) GROUP BY %s HAVING count(*) > 1)", sql, strings.Join(names[min(1, len(key)):], ", ")))
			if len(key) == 0 {
				twice = max(0, rows-1)
			}
			if err != nil || twice > 0 {
				t.Errorf("%s: the key %v is not unique (%d, %v)", query, key, twice, err)
			}
		}
	}
	return rows, ok
}

// orderMatters reports whether the answer depends on the order in which rows come, or on chance.
func orderMatters(query string) bool {
	for _, word := range []string{"list(", "first(", "last(", "any_value(", "string_agg(", "limit", "random()", "uuid()", "sample", "approx", "arg_max", "positional", "insert ", "delete ", "update ", "$1", "now()", "current_date", "age(", "rowid", "current_user"} {
		if strings.Contains(query, word) {
			return true
		}
	}
	return false
}
