package pgcatalog

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	_ "github.com/duckdb/duckdb-go/v2"

	"github.com/tidemill/tidemill/internal/row"
)

// fixture is a database with a relation of each kind.
type fixture struct{}

func (fixture) Name() string        { return "main" }
func (fixture) Databases() []string { return []string{"main", "other"} }
func (fixture) Objects() []Object {
	col := func(name string, t row.Type, notNull bool) Column {
		return Column{Column: row.Column{Name: name, Type: t, NotNull: notNull}}
	}
	text := row.T(row.String)
	sensors := []Column{col("id", text, true), col("zone", text, false), col("kind", text, false)}
	sensors[1].Comment, sensors[2].Default = "where it stands", "'air'"
	return []Object{
		{ID: 1, Schema: "main", Name: "sensors", Kind: Table, Columns: sensors, PrimaryKey: []int{0}, Comment: "all sensors"},
		{ID: 2, Schema: "main", Name: "readings", Kind: Stream, Columns: []Column{col("sensor", text, true), col("metric", text, false),
			col("value", row.T(row.Float64), false), col("price", row.DecimalType(10, 2), false), col("at", row.T(row.TimestampTZ), false)}},
		{ID: 3, Schema: "main", Name: "climate", Kind: MaterializedView, Columns: []Column{col("sensor", text, false), col("m", row.T(row.Float64), false)},
			PrimaryKey: []int{0}, Definition: "SELECT sensor, avg(value) AS m FROM readings GROUP BY sensor"},
		{ID: 4, Schema: "main", Name: "v", Kind: View, Columns: []Column{col("id", text, false)}, Definition: "SELECT id FROM sensors"},
		{ID: 5, Schema: "tidemill", Name: "streams", Kind: View, Columns: []Column{col("name", text, false), col("n", row.T(row.Int64), false)}},
	}
}

func testSession() *Session {
	return &Session{Database: "main", User: "ada", PID: 4711, Setting: func(name string) (string, bool) {
		for _, s := range Settings() {
			if strings.EqualFold(s.Name, name) {
				return s.Value, true
			}
		}
		return "", false
	}}
}

// openCatalog returns a DuckDB with the catalog of the fixture.
func openCatalog(t *testing.T) *sql.DB {
	t.Helper()
	db, err := sql.Open("duckdb", "?threads=1")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	exec := func(q string) {
		t.Helper()
		if _, err := db.Exec(q); err != nil {
			t.Fatalf("%v\n%s", err, q)
		}
	}
	for _, s := range Schemas() {
		exec(s)
	}
	for _, r := range Relations(fixture{}) {
		loadRelation(t, exec, r)
	}
	start := time.Now()
	for _, m := range Macros() {
		exec(m)
	}
	t.Logf("%d statements in %v", len(Macros()), time.Since(start))
	return db
}

func loadRelation(t *testing.T, exec func(string), r Relation) {
	t.Helper()
	var columns []string
	for _, c := range r.Columns {
		columns = append(columns, c.Name+" "+c.Type.String())
	}
	exec(fmt.Sprintf("CREATE TABLE %s.%s (%s)", r.Schema, r.Name, strings.Join(columns, ", ")))
	b := r.Rows()
	for i := range b.Len {
		var values []string
		for c := range b.Cols {
			v := "NULL"
			if !b.Cols[c].Null(i) {
				v = sqlString(string(row.AppendText(nil, &b.Cols[c], i)))
			}
			values = append(values, v)
		}
		exec(fmt.Sprintf("INSERT INTO %s.%s VALUES (%s)", r.Schema, r.Name, strings.Join(values, ", ")))
	}
}

// ask rewrites and runs a query and returns its rows as text, the columns' names first.
func ask(t *testing.T, db *sql.DB, q string) (string, error) {
	t.Helper()
	text, _ := NewRewriter().Rewrite(q, testSession())
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	rows, err := db.QueryContext(ctx, text)
	if err != nil {
		return "", fmt.Errorf("%w\n%s", err, text)
	}
	defer rows.Close()
	names, err := rows.Columns()
	if err != nil {
		return "", err
	}
	var b strings.Builder
	b.WriteString(strings.Join(names, "|"))
	for rows.Next() {
		values := make([]any, len(names))
		at := make([]any, len(names))
		for i := range values {
			at[i] = &values[i]
		}
		if err := rows.Scan(at...); err != nil {
			return "", err
		}
		for i, v := range values {
			sep := "|"
			if i == 0 {
				sep = "\n"
			}
			if v == nil {
				v = "∅"
			}
			fmt.Fprintf(&b, "%s%v", sep, v)
		}
	}
	return b.String(), rows.Err()
}

func place(q string) string {
	return strings.NewReplacer("{sensors}", "16388", "{readings}", "16392", "{climate}", "16396", "{v}", "16400").Replace(q)
}

// TestToolQueriesRun runs, word for word, what tools ask Postgres.
func TestToolQueriesRun(t *testing.T) {
	db := openCatalog(t)
	for _, file := range []string{"psql.sql", "sqlalchemy.sql", "tools.sql"} {
		text, err := os.ReadFile("testdata/" + file)
		if err != nil {
			t.Fatal(err)
		}
		for _, q := range strings.Split(string(text), ";\n\n") {
			q = place(strings.TrimSuffix(strings.TrimSpace(q), ";"))
			if q == "" {
				continue
			}
			out, err := ask(t, db, q)
			if err != nil {
				t.Errorf("%s: %v", file, err)
			} else if testing.Verbose() && os.Getenv("SHOW") != "" {
				t.Logf("%s\n=> %s", q, out)
			}
		}
	}
}
