package session_test

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tidemill/tidemill/internal/log/memlog"
	"github.com/tidemill/tidemill/internal/row"
	"github.com/tidemill/tidemill/internal/session"
)

// TestBlockSeesItsOwnWrites runs transaction blocks whose statements build on each other and wants the result of running them one by one.
func TestBlockSeesItsOwnWrites(t *testing.T) {
	f := func(before, block, want string) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		l := memlog.New(memlog.Options{})
		defer l.Close()
		db, err := session.OpenDatabase(ctx, session.DatabaseOptions{Name: "main", Log: l, Logger: slog.New(slog.DiscardHandler), Workers: 2})
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		s := db.NewSession(session.Options{})
		defer s.Close()
		run := func(text string) []string {
			var out []string
			for stmt := range strings.SplitSeq(text, ";") {
				if strings.TrimSpace(stmt) == "" {
					continue
				}
				p, err := s.Prepare(ctx, stmt, nil)
				if err != nil {
					t.Fatalf("%s: %v", stmt, err)
				}
				res, err := s.Execute(ctx, p, nil)
				if err != nil {
					t.Fatalf("%s: %v", stmt, err)
				}
				for {
					b, err := res.Next(ctx)
					if err != nil {
						t.Fatalf("%s: %v", stmt, err)
					}
					if b == nil {
						break
					}
					for i := range b.Len {
						var line []byte
						for c := range b.Cols {
							line = append(row.AppendText(line, &b.Cols[c], i), ' ')
						}
						out = append(out, strings.TrimSpace(string(line)))
					}
				}
				res.Close()
			}
			slices.Sort(out)
			return out
		}
		run(`CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER); CREATE TABLE bag (n INTEGER);
			CREATE MATERIALIZED VIEW v AS SELECT n, count(*) AS c FROM bag GROUP BY n`)
		run(before)
		run("BEGIN;" + block + "; COMMIT")
		got := strings.Join(run(`SELECT 't', * FROM t`), ", ") + "; " + strings.Join(run(`SELECT n, c FROM v`), ", ")
		if got != want {
			t.Errorf("%s | %s: got %q, want %q", before, block, got, want)
		}
	}
	f("INSERT INTO bag VALUES (6)", "DELETE FROM bag; DELETE FROM bag", "; ")
	f("INSERT INTO bag VALUES (6), (6)", "UPDATE bag SET n = n + 1; UPDATE bag SET n = n + 1", "; 8 2")
	f("", "INSERT INTO t VALUES (1, 6); DELETE FROM t WHERE id = 1", "; ")
	f("", "INSERT INTO t VALUES (1, 6); UPDATE t SET n = 9 WHERE id = 1", "t 1 9; ")
	f("INSERT INTO t VALUES (1, 6)", "UPDATE t SET n = n + 1; UPDATE t SET n = n + 1", "t 1 8; ")
	f("INSERT INTO t VALUES (9, 1)", "DELETE FROM t WHERE id = 9; UPDATE t SET n = 5 WHERE id = 9", "; ")
	f("INSERT INTO t VALUES (9, 1)", "UPDATE t SET id = 10 WHERE id = 9; UPDATE t SET id = 11 WHERE id = 9", "t 10 1; ")
	f("", "INSERT INTO t VALUES (1, 1) ON CONFLICT DO NOTHING; INSERT INTO t VALUES (1, 2) ON CONFLICT (id) DO UPDATE SET n = t.n + excluded.n", "t 1 3; ")
	f("INSERT INTO t VALUES (1, 1)", "INSERT INTO t VALUES (2, 2); INSERT INTO bag SELECT n FROM t", "t 1 1, t 2 2; 1 1, 2 1")
	f("INSERT INTO t VALUES (1, 1)", "DELETE FROM t; INSERT INTO t VALUES (1, 7)", "t 1 7; ")
	f("INSERT INTO t VALUES (true, 2.5e0), (2, '3')", "DELETE FROM t WHERE id = 2", "t 1 2; ")
}

// TestStatementsAreSeenByAll wants what a statement of one session wrote in the next read of another.
func TestStatementsAreSeenByAll(t *testing.T) {
	db := openDatabase(t)
	a, b := connect(t, db), connect(t, db)
	a.must(`CREATE TABLE t (id INTEGER PRIMARY KEY)`, `CREATE MATERIALIZED VIEW m AS SELECT count(*) AS n FROM t`)
	for i := range 100 {
		a.must(fmt.Sprintf(`INSERT INTO t VALUES (%d)`, i))
		b.want(`SELECT n FROM m`, fmt.Sprint(i+1))
	}
}
