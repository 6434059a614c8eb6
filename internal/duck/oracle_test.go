package duck

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/tidemill/tidemill/internal/row"
)

func openOracle(t testing.TB, opts OracleOptions) *Oracle {
	t.Helper()
	o, err := OpenOracle(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { o.Close() })
	return o
}

func ask(t testing.TB, o *Oracle, sql string, args ...row.Value) *row.Batch {
	t.Helper()
	rows, err := o.Query(t.Context(), sql, args...)
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	b, err := readAll(rows)
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return b
}

func TestOracle(t *testing.T) {
	o := openOracle(t, OracleOptions{Threads: 2})
	rng := rand.New(rand.NewPCG(7, 8))
	var schema row.Schema
	b := &row.Batch{Len: 5000}
	for i, typ := range allTypes() {
		schema = append(schema, row.Column{Name: fmt.Sprintf("c%d", i), Type: typ})
		b.Cols = append(b.Cols, randomVec(rng, typ, b.Len, true))
	}
	if err := o.Load("t", schema, []*row.Batch{b, {Cols: b.Cols}, b}); err != nil {
		t.Fatal(err)
	}
	got := ask(t, o, "SELECT * FROM t")
	want := row.Concat([]*row.Batch{b, b})
	for i := range schema {
		sameVec(t, schema[i].Type.String(), &got.Cols[i], &want.Cols[i])
	}
	weighted := &row.Batch{Len: 3, Weights: []int64{2, 0, 3}, Cols: []row.Vec{row.FromValues(row.T(row.Int64), []int64{1, 5, 10}, nil)}}
	if err := o.Load("t", intSchema, []*row.Batch{weighted}); err != nil {
		t.Fatal(err)
	}
	if got := ask(t, o, "SELECT sum(n) FROM t WHERE n > $1", row.IntValue(row.T(row.Int64), 0)); got.Cols[0].Value(0).I != 32 {
		t.Errorf("sum %d", got.Cols[0].Value(0).I)
	}
	weighted.Weights[1] = -1
	wantError(t, o.Load("t", intSchema, []*row.Batch{weighted}), KindInvalidInput, "weight -1")
	if err := o.Exec("CREATE TABLE u AS SELECT 1 AS a; INSERT INTO u VALUES (2)"); err != nil {
		t.Fatal(err)
	}
	if got := ask(t, o, "SELECT count(*) FROM u"); got.Cols[0].Value(0).I != 2 {
		t.Error("Exec did not run both statements")
	}
	wantError(t, o.Exec("SELECT * FROM read_text('/etc/passwd')"), KindPermission, "")
	list := row.Schema{{Name: "l", Type: row.ListOf(row.T(row.Int32))}}
	lb := row.NewBuilder(list[0].Type, 1)
	lb.AppendValue(row.ListValue(list[0].Type, row.IntValue(row.T(row.Int32), 1), row.IntValue(row.T(row.Int32), 2)))
	if err := o.Load("l", list, []*row.Batch{{Len: 1, Cols: []row.Vec{lb.Finish()}}}); err != nil {
		t.Fatal(err)
	}
	if got := ask(t, o, "SELECT unnest(l) FROM l"); got.Len != 2 {
		t.Errorf("%d elements", got.Len)
	}
}

func TestReadFile(t *testing.T) {
	dir := t.TempDir()
	o := openOracle(t, OracleOptions{Files: true})
	path := func(name string) string { return filepath.Join(dir, name) }
	for name, opts := range map[string]string{"a.parquet": "FORMAT parquet", "we[i]rd *'?.csv": "FORMAT csv, HEADER", "a.ndjson": "FORMAT json", "a.json": "FORMAT json, ARRAY"} {
		sql := "COPY (SELECT i AS n, 'text ' || i AS s, lpad(i::VARCHAR, 5, '0') AS code, [i] AS l FROM range(10000) t(i)) TO " + quoteString(path(name)) + " (" + opts + ")"
		if err := o.Exec(sql); err != nil {
			t.Fatal(err)
		}
		columns := row.Schema{{Name: "code", Type: row.T(row.String)}, {Name: "N", Type: row.T(row.Float64)}, {Name: "l", Type: row.ListOf(row.T(row.Int64))}}
		if name == "a.ndjson" || name == "a.json" {
			columns[1].Name = "n"
		}
		rows, err := ReadFile(t.Context(), path(name), FormatOf(name), columns)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		schema := rows.Schema()
		b, err := readAll(rows)
		if err != nil || !slices.Equal(schema, columns) || b.Len != 10000 || b.Cols[0].Str(7) != "00007" || b.Cols[1].Value(9999).F != 9999 || jsonOf(&b.Cols[2], 3) != "[3]" {
			t.Errorf("%s: %v %v", name, schema, err)
		}
		if rows, err = ReadFile(t.Context(), path(name), FormatOf(name), nil); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		schema = rows.Schema()
		if b, err = readAll(rows); err != nil || b.Len != 10000 || len(schema) != 4 || schema[0] != (row.Column{Name: "n", Type: row.T(row.Int64)}) {
			t.Errorf("%s: %v %v", name, schema, err)
		}
	}
	_, err := ReadFile(t.Context(), path("a.parquet"), Parquet, row.Schema{{Name: "nope", Type: row.T(row.Int64)}})
	wantError(t, err, KindBinder, "nope")
	_, err = ReadFile(t.Context(), path("missing.csv"), CSV, nil)
	wantError(t, err, KindIO, "missing.csv")
	_, err = ReadFile(t.Context(), path("a.parquet"), "xml", nil)
	wantError(t, err, KindInvalidInput, "xml")
	if err := os.WriteFile(path("bad.csv"), []byte("a,b\n1,2\nx,y\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	rows, err := ReadFile(t.Context(), path("bad.csv"), CSV, row.Schema{{Name: "a", Type: row.T(row.Int64)}})
	if err == nil {
		_, err = readAll(rows)
	}
	t.Logf("%v", err)
	if err == nil {
		t.Error("text was read as a number")
	}
}
