package session_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/tidemill/tidemill/internal/fault"
	"github.com/tidemill/tidemill/internal/row"
)

// TestConflictIsBound wants names, types and parameters of ON CONFLICT DO UPDATE to be looked at when the statement is prepared, whether there is a conflict or not.
func TestConflictIsBound(t *testing.T) {
	r := newRestartable(t)
	r.must(`CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER NOT NULL DEFAULT 7, s VARCHAR)`, `CREATE TABLE o (n INTEGER)`, `INSERT INTO o VALUES (40)`)
	for code, sets := range map[fault.Code][]string{
		fault.UndefinedColumn:     {`SET missing = 1`, `SET n = missing`, `SET n = excluded.missing`, `SET n = 1 WHERE missing > 1`, `SET n = 1 WHERE t.missing = 1`},
		fault.DuplicateColumn:     {`SET n = 1, n = 2`},
		fault.UndefinedTable:      {`SET n = (SELECT max(x) FROM nowhere)`},
		fault.FeatureNotSupported: {`SET id = 2`, `SET (n, id) = (1, 2)`},
	} {
		for _, set := range sets {
			for _, rows := range []string{`VALUES (1, 1, 'a')`, `SELECT 1, 1, 'a' WHERE false`} {
				text := `INSERT INTO t ` + rows + ` ON CONFLICT DO UPDATE ` + set
				_, err := r.Prepare(r.ctx, text, nil)
				if got := fault.From(err).Code; err == nil || got != code {
					t.Errorf("%s: %v (%s), want %s", text, err, got, code)
				}
			}
		}
	}
	for _, text := range []string{`INSERT INTO t VALUES (1, 1, 'a') ON CONFLICT DO UPDATE SET n = nosuch(n)`,
		`INSERT INTO t VALUES (1, 1, 'a') ON CONFLICT DO UPDATE SET n = $2`} {
		if p, err := r.Prepare(r.ctx, text, nil); err == nil {
			t.Errorf("%s is prepared with the parameters %v", text, p.Params)
		}
	}
}

func TestConflictParameters(t *testing.T) {
	r := newRestartable(t)
	r.must(`CREATE TABLE t (id INTEGER PRIMARY KEY, n SMALLINT NOT NULL, s VARCHAR)`, `INSERT INTO t VALUES (1, 10, 'a')`)
	run := func(text string, types string, args ...row.Value) error {
		t.Helper()
		p, err := r.Prepare(r.ctx, text, nil)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		var names []string
		for _, x := range p.Params {
			names = append(names, x.String())
		}
		if got := strings.Join(names, ","); got != types {
			t.Fatalf("%s has parameters %s, want %s", text, got, types)
		}
		_, err = r.Execute(r.ctx, p, args)
		return err
	}
	i := func(n int64) row.Value { return row.IntValue(row.T(row.Int32), n) }
	small := func(n int64) row.Value { return row.IntValue(row.T(row.Int16), n) }
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(run(`INSERT INTO t VALUES ($1, $2, $3) ON CONFLICT (id) DO UPDATE SET n = $2, s = t.s || excluded.s`, "INTEGER,SMALLINT,VARCHAR", i(1), small(20), row.StringValue("b")))
	r.want(`SELECT * FROM t`, "1|20|ab")
	must(run(`INSERT INTO t VALUES ($1, $3, 'c') ON CONFLICT (id) DO UPDATE SET s = $2, n = t.n + $3 WHERE t.n < $4::INTEGER`, "INTEGER,VARCHAR,SMALLINT,INTEGER", i(1), row.StringValue("d"), small(1), i(30)))
	r.want(`SELECT * FROM t`, "1|21|d")
	must(run(`INSERT INTO t SELECT $1::INTEGER, 5, 'x' ON CONFLICT (id) DO UPDATE SET n = CASE WHEN $2 THEN 1 ELSE 2 END`, "INTEGER,BOOLEAN", i(1), row.BoolValue(true)))
	r.want(`SELECT * FROM t`, "1|1|d")
	must(run(`INSERT INTO t VALUES (2, 2, 'new') ON CONFLICT (id) DO UPDATE SET n = $1`, "SMALLINT", small(9)))
	r.want(`SELECT * FROM t`, "1|1|d", "2|2|new")
	r.fails("23502", `INSERT INTO t VALUES (1, 1, 'a') ON CONFLICT DO UPDATE SET n = NULL`)
	must(run(`INSERT INTO t VALUES ($1, 2, 'q') ON CONFLICT DO NOTHING`, "INTEGER", i(1)))
}

// TestConflictValues wants excluded to have exactly the values that were given, of every type.
func TestConflictValues(t *testing.T) {
	r := newRestartable(t)
	types := []string{`BOOLEAN`, `TINYINT`, `UBIGINT`, `HUGEINT`, `FLOAT`, `DOUBLE`, `DECIMAL(30,4)`, `VARCHAR`, `BLOB`, `UUID`, `DATE`, `TIME`, `TIMESTAMP`, `TIMESTAMPTZ`, `INTERVAL`, `JSON`,
		`ENUM('a', 'b''c')`, `INTEGER[]`, `VARCHAR[2]`, `STRUCT(a INTEGER, b VARCHAR[])`, `MAP(VARCHAR, DOUBLE)`}
	values := []string{`true`, `-128`, `18446744073709551615`, `-170141183460469231731687303715884105728`, `1e-38`, `'-0.0'`, `12345678901234567890123456.7891`, `'it''s, "x"'`, `'\x00\xFFa'::BLOB`,
		`'c0ffee00-0000-4000-8000-000000000001'`, `'0044-03-15 (BC)'`, `'23:59:59.999999'`, `'294247-01-10 04:00:54.775806'`, `'2024-02-29 12:00:00.5+02'`, `INTERVAL '1 month 30 days 25 hours'`, `'{"a": [1, null]}'`,
		`'b''c'`, `[1, NULL, 3]`, `['x', 'y, z']`, `{'a': 1, 'b': ['"', NULL]}`, `MAP {'k': 0.1}`}
	columns := []string{"id INTEGER PRIMARY KEY"}
	var sets []string
	for i, typ := range types {
		columns = append(columns, fmt.Sprintf("c%d %s", i, typ))
		sets = append(sets, fmt.Sprintf("c%d = excluded.c%d", i, i))
	}
	all := strings.Join(values, ", ")
	r.must(`CREATE TABLE t (`+strings.Join(columns, ", ")+`)`, `INSERT INTO t VALUES (1, `+all+`)`, `INSERT INTO t (id) VALUES (2), (3)`)
	r.must(`INSERT INTO t VALUES (2, ` + all + `), (4, ` + all + `) ON CONFLICT DO UPDATE SET ` + strings.Join(sets, ", "))
	want := strings.TrimPrefix(r.must(`SELECT * FROM t WHERE id = 1`)[0], "1")
	for _, id := range []string{"2", "4"} {
		r.want(`SELECT * FROM t WHERE id = `+id, id+want)
	}
	r.must(`INSERT INTO t (id) VALUES (2) ON CONFLICT DO UPDATE SET ` + strings.Join(sets, ", "))
	r.want(`SELECT * FROM t WHERE id = 2`, "2"+strings.Repeat("|NULL", len(types)))
	r.must(`CREATE TABLE many (id INTEGER PRIMARY KEY, n BIGINT)`, `INSERT INTO many SELECT i, i FROM range(50000) r(i)`,
		`INSERT INTO many SELECT i, 1 FROM range(60000) r(i) ON CONFLICT DO UPDATE SET n = many.n + excluded.n`)
	r.want(`SELECT count(*), sum(n) FROM many`, fmt.Sprintf("60000|%d", 50000*49999/2+60000))
}
