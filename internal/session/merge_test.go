package session_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/tidemill/tidemill/internal/duck"
	"github.com/tidemill/tidemill/internal/row"
)

func TestMerge(t *testing.T) {
	r := newRestartable(t)
	r.must(`CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER NOT NULL DEFAULT 5, name VARCHAR)`, `CREATE TABLE src (id INTEGER, n INTEGER, gone BOOLEAN)`, `CREATE TABLE bag (n INTEGER)`,
		`CREATE STREAM st (n INTEGER)`, `CREATE MATERIALIZED VIEW total AS SELECT sum(n) AS n, count(*) AS c FROM t`,
		`INSERT INTO t VALUES (1, 10, 'a'), (2, 20, 'b'), (3, 30, 'c')`, `INSERT INTO src VALUES (1, 1, false), (2, 2, true), (4, 4, false), (5, 5, true)`)
	r.must(`MERGE INTO t USING src ON t.id = src.id WHEN MATCHED AND src.gone THEN DELETE WHEN MATCHED THEN UPDATE SET n = t.n + src.n, name = 'm' || t.name
		WHEN NOT MATCHED AND src.gone THEN DO NOTHING WHEN NOT MATCHED THEN INSERT (id, name) VALUES (src.id, 'new') WHEN NOT MATCHED BY SOURCE THEN UPDATE SET name = NULL`)
	r.want(`SELECT * FROM t`, "1|11|ma", "3|30|NULL", "4|5|new")
	r.want(`MERGE INTO t AS x USING (SELECT 3 AS id, 33 AS n UNION ALL SELECT 9, 99) AS y USING (id) WHEN MATCHED THEN UPDATE WHEN NOT MATCHED BY TARGET THEN INSERT BY NAME RETURNING x.id, n * 2 AS twice`, "3|66", "9|198")
	r.want(`SELECT * FROM t WHERE id IN (3, 9)`, "3|33|NULL", "9|99|NULL")
	r.must(`MERGE INTO t USING (VALUES (7, 70, 'seven')) v(a, b, c) ON v.a = t.id WHEN NOT MATCHED THEN INSERT`)
	r.must(`WITH w AS (SELECT 7 AS k) MERGE INTO t USING w ON w.k = t.id WHEN MATCHED AND CASE WHEN t.n > 5 THEN true ELSE false END THEN UPDATE SET id = 8, n = CASE WHEN t.n = 70 THEN 80 END WHEN MATCHED THEN DELETE`)
	r.want(`SELECT * FROM t WHERE id IN (7, 8)`, "8|80|seven")
	r.must(`MERGE INTO t USING range(2) AS g(i) ON g.i = t.id WHEN NOT MATCHED BY SOURCE THEN DELETE`)
	r.want(`SELECT * FROM t`, "1|11|ma")
	r.fails("21000", `MERGE INTO t USING (SELECT 1 AS id UNION ALL SELECT 1) u ON u.id = t.id WHEN MATCHED THEN UPDATE SET n = 0`)
	r.fails("23505", `MERGE INTO t USING (SELECT 1 AS id) u ON false WHEN NOT MATCHED THEN INSERT (id) VALUES (u.id)`)
	r.fails("23505", `MERGE INTO t USING (SELECT 6 AS id UNION ALL SELECT 6) u ON u.id = t.id WHEN NOT MATCHED THEN INSERT (id) VALUES (u.id)`)
	r.fails("23502", `MERGE INTO t USING (SELECT 1 AS id) u ON u.id = t.id WHEN MATCHED THEN UPDATE SET n = NULL`)
	r.fails("P0001", `MERGE INTO t USING (SELECT 1 AS id) u ON u.id = t.id WHEN MATCHED THEN ERROR 'not this one'`)
	r.fails("42P16", `MERGE INTO bag USING src ON bag.n = src.n WHEN MATCHED THEN DELETE`)
	r.fails("42809", `MERGE INTO st USING src ON st.n = src.n WHEN NOT MATCHED THEN INSERT VALUES (1)`)
	r.fails("42703", `MERGE INTO t USING src ON t.id = src.id WHEN MATCHED THEN UPDATE SET nope = 1`)
	r.fails("42602", `MERGE INTO t USING t ON true WHEN MATCHED THEN DELETE`)
	r.must(`MERGE INTO bag USING src ON bag.n = src.n WHEN NOT MATCHED THEN INSERT (n) VALUES (src.n)`, `MERGE INTO bag USING src ON bag.n = src.n WHEN NOT MATCHED THEN INSERT (n) VALUES (src.n)`)
	r.want(`SELECT n FROM bag`, "1", "2", "4", "5")
	r.must(`BEGIN`, `INSERT INTO t VALUES (2, 2, 'two')`, `MERGE INTO t USING src ON t.id = src.id WHEN MATCHED THEN UPDATE SET n = t.n * 100 WHEN NOT MATCHED THEN INSERT (id, n) VALUES (src.id, -1)`, `COMMIT`)
	r.always([]string{`SELECT * FROM t`, "1|1100|ma", "2|200|two", "4|-1|NULL", "5|-1|NULL"}, []string{`SELECT * FROM total`, "1298|4"})
}

// TestMergeLikeDuckDB runs random MERGEs here and in DuckDB.
func TestMergeLikeDuckDB(t *testing.T) {
	oracle, err := duck.OpenOracle(duck.OracleOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer oracle.Close()
	r := newRestartable(t)
	both := func(text string) {
		t.Helper()
		r.must(text)
		if err := oracle.Exec(text); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
	}
	both(`CREATE TABLE t (id INTEGER PRIMARY KEY, a INTEGER, b VARCHAR)`)
	both(`CREATE TABLE s (id INTEGER PRIMARY KEY, a INTEGER, b VARCHAR)`)
	r.must(`CREATE MATERIALIZED VIEW v AS SELECT b, count(*) AS n, sum(a) AS a FROM t GROUP BY b`)
	rng := rand.New(rand.NewPCG(41, 42))
	pick := func(from ...string) string { return from[rng.IntN(len(from))] }
	for round := range 40 {
		both(`DELETE FROM s`)
		both(fmt.Sprintf(`INSERT INTO s SELECT i, (i * %d) %% 17, 'b' || (i %% %d) FROM range(%d, 30, %d) r(i)`, 1+rng.IntN(50), 1+rng.IntN(5), rng.IntN(10), 1+rng.IntN(4)))
		var whens []string
		var final [3]bool
		for range 1 + rng.IntN(4) {
			and := pick("", "", " AND s.a > 8", " AND s.b = 'b1'")
			kind := rng.IntN(3)
			if final[kind] {
				continue // DuckDB refuses what can never hold
			}
			final[kind] = and == ""
			switch kind {
			case 0:
				whens = append(whens, "WHEN MATCHED"+strings.ReplaceAll(and, "s.b", "t.b")+" THEN "+pick("DELETE", "UPDATE SET a = t.a + s.a", "UPDATE SET a = s.a, b = s.b || t.b[1]", "DO NOTHING", "UPDATE"))
			case 1:
				whens = append(whens, "WHEN NOT MATCHED"+pick("", " BY TARGET")+and+" THEN "+pick("INSERT", "INSERT (id, a) VALUES (s.id, s.a * 2)", "INSERT VALUES (s.id, 1, 'x')", "INSERT BY NAME", "DO NOTHING"))
			default:
				whens = append(whens, "WHEN NOT MATCHED BY SOURCE"+strings.ReplaceAll(and, "s.", "t.")+" THEN "+pick("DELETE", "UPDATE SET a = -1", "DO NOTHING"))
			}
		}
		both(`MERGE INTO t USING s ON t.id = s.id ` + strings.Join(whens, " "))
		got := r.must(`SELECT * FROM t`)
		want, err := oracle.Query(r.ctx, `SELECT * FROM t`)
		if err != nil {
			t.Fatal(err)
		}
		rows, err := textRows(r.ctx, want)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(got, rows) {
			t.Fatalf("round %d: %v: %q, want %q", round, whens, got, rows)
		}
		if got := r.must(`VERIFY VIEW v`); !strings.HasPrefix(got[0], "equal|") {
			t.Fatalf("round %d: %v: %q", round, whens, got)
		}
	}
}

func textRows(ctx context.Context, rows *duck.Rows) ([]string, error) {
	defer rows.Close()
	var out []string
	for {
		b, err := rows.Next(ctx)
		if b == nil || err != nil {
			slices.Sort(out)
			return out, err
		}
		for i := range b.Len {
			out = append(out, rowText(b, i))
		}
	}
}

func TestReturning(t *testing.T) {
	r := newRestartable(t)
	r.must(`CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER DEFAULT 5, name VARCHAR)`, `CREATE STREAM s (n INTEGER, x VARCHAR DEFAULT 'd')`)
	r.want(`INSERT INTO t (id, name) VALUES (1, 'a'), (2, 'b') RETURNING *`, "1|5|a", "2|5|b")
	r.want(`INSERT INTO s (n) SELECT i FROM range(3) r(i) RETURNING n + 1 AS m, x`, "1|d", "2|d", "3|d")
	r.want(`INSERT INTO t VALUES (1, 1, 'again'), (3, 3, 'c') ON CONFLICT DO NOTHING RETURNING id`, "3")
	r.want(`INSERT INTO t VALUES (1, 1, 'x'), (4, 4, 'd') ON CONFLICT (id) DO UPDATE SET n = t.n + excluded.n RETURNING id, n, name`, "1|6|a", "4|4|d")
	r.want(`INSERT INTO t AS u VALUES (4, 1, 'e') ON CONFLICT (id) DO UPDATE SET n = u.n + excluded.n WHERE u.n > 3 RETURNING u.n`, "5")
	r.fails("21000", `INSERT INTO t VALUES (7, 1, 'x'), (7, 2, 'y') ON CONFLICT (id) DO UPDATE SET n = excluded.n`)
	r.want(`INSERT OR REPLACE INTO t VALUES (4, 40, 'D') RETURNING t.n`, "40")
	r.want(`UPDATE t AS u SET n = u.n + d.k FROM (SELECT 1 AS id, 100 AS k) d WHERE u.id = d.id RETURNING u.id, u.n, upper(name)`, "1|106|A")
	r.want(`UPDATE t SET id = id + 10 WHERE id > 2 RETURNING id`, "13", "14")
	r.want(`DELETE FROM t WHERE id > 10 RETURNING name, n`, "D|40", "c|3")
	r.want(`DELETE FROM t WHERE id > 10 RETURNING 1 AS one`)
	r.fails("0A000", `DELETE FROM t RETURNING (SELECT count(*) FROM t)`)
	r.fails("42703", `INSERT INTO t VALUES (9, 9, 'z') RETURNING nope`)
	r.fails("22P02", `INSERT INTO t VALUES (9, 9, 'z') RETURNING CAST(name AS INTEGER)`)
	r.want(`SELECT id, n FROM t`, "1|106", "2|5")
	p, err := r.Prepare(r.ctx, `INSERT INTO t VALUES ($1, $2, 'p') RETURNING id, n`, nil)
	if err != nil || len(p.Columns) != 2 || len(p.Params) != 2 {
		t.Fatal(p, err)
	}
	res, err := r.Execute(r.ctx, p, []row.Value{row.IntValue(row.T(row.Int32), 7), row.IntValue(row.T(row.Int32), 70)})
	if err != nil {
		t.Fatal(err)
	}
	defer res.Close()
	b, err := res.Next(r.ctx)
	if err != nil || b == nil || rowText(b, 0) != "7|70" || res.Tag() != "INSERT 0 1" || res.Token() == "" {
		t.Errorf("%v, %v, %q", b, err, res.Tag())
	}
}
