package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/tidemill/tidemill/internal/sql"
)

// untimed takes times out of output.
func untimed(s string) string {
	return regexp.MustCompile(`\([0-9.]+ ?m?s\)`).ReplaceAllString(s, "(T)")
}

func TestSQLDrawsTables(t *testing.T) {
	c := newCLI(t)
	code, out, errOut := c.run("sql", "-c", `SELECT * FROM (VALUES (1, 'a', 1.5, true), (-20, 'a longer one', NULL, NULL), (3, '日本', 0.25, false)) AS v(n, text, x, b) ORDER BY n`)
	want := `
┌─────┬──────────────┬──────┬───────┐
│   n │ text         │    x │ b     │
├─────┼──────────────┼──────┼───────┤
│ -20 │ a longer one │ NULL │ NULL  │
│   1 │ a            │ 1.50 │ true  │
│   3 │ 日本         │ 0.25 │ false │
└─────┴──────────────┴──────┴───────┘
3 rows (T)
`
	if got := "\n" + untimed(out); code != 0 || got != want {
		t.Errorf("exit code %d %s\n%s", code, errOut, got)
	}
	_, out, _ = c.run("sql", "-x", "-q", "-c", `SELECT 1 AS n, 'two' || chr(10) || 'lines' AS text`)
	if want := "── row 1 ────\nn    │ 1\ntext │ two\\nlines\n"; out != want {
		t.Errorf("expanded:\n%s", out)
	}
	if _, out, _ = c.run("sql", "-q", "-c", `SELECT 1 AS n WHERE false`); !strings.Contains(out, "│ n │") {
		t.Errorf("a table without rows:\n%s", out)
	}
}

func TestSQLFormats(t *testing.T) {
	c := newCLI(t)
	c.sql(`CREATE TABLE t (id INTEGER PRIMARY KEY, name VARCHAR); INSERT INTO t VALUES (1, 'a,b'), (2, NULL)`)
	for format, want := range map[string]string{"csv": "id,name\n1,\"a,b\"\n2,\n", "ndjson": `{"id":1,"name":"a,b"}` + "\n" + `{"id":2,"name":null}` + "\n"} {
		if code, out, errOut := c.run("sql", "--format", format, "-c", "SELECT * FROM t ORDER BY id"); code != 0 || out != want {
			t.Errorf("%s: %d %q %s", format, code, out, errOut)
		}
	}
	code, out, _ := c.run("sql", "--format", "json", "-c", "SELECT * FROM t ORDER BY id")
	if a := (answer{}); code != 0 || json.Unmarshal([]byte(out), &a) != nil || len(a.Rows) != 2 {
		t.Errorf("json: %d %s", code, out)
	}
}

func TestSQLErrors(t *testing.T) {
	c := newCLI(t)
	code, out, errOut := c.run("sql", "-c", "SELECT 1 AS one;\nSELECT 'ä' AS x,\n       nosuch FROM (SELECT 1 AS some);")
	if code != 1 || !strings.Contains(out, "│ one │") {
		t.Errorf("exit code %d, %s", code, out)
	}
	if !strings.Contains(errOut, "\nLINE 2:        nosuch FROM (SELECT 1 AS some);\n               ^\n") || !strings.Contains(errOut, "error: ") {
		t.Errorf("the error is shown as\n%s", errOut)
	}
	file := filepath.Join(t.TempDir(), "x.sql")
	if err := os.WriteFile(file, []byte("-- first\nSELECT 1;\n\nSELECT 2; -- second\nSELEC 3;\nSELECT 4;\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	code, out, errOut = c.run("sql", "-q", "-f", file)
	if code != 1 || strings.Count(out, "┌") != 2 || !strings.Contains(errOut, "x.sql\nLINE 5: SELEC 3;\n        ^") {
		t.Errorf("exit code %d\n%s\n%s", code, out, errOut)
	}
	if code, _, errOut = c.run("sql", "-c", "SELECT 'open"); code != 1 || !strings.Contains(errOut, "unterminated") {
		t.Errorf("exit code %d, %s", code, errOut)
	}
	long := "SELECT " + strings.Repeat("1 + ", 100) + "nosuch" + strings.Repeat(" + 1", 100)
	if _, _, errOut = c.run("sql", "-c", long); !strings.Contains(errOut, "…") || strings.Contains(errOut, strings.Repeat("1 + ", 50)) {
		t.Errorf("a long line is shown as\n%s", errOut)
	}
}

func TestSQLBlocksAndSettings(t *testing.T) {
	c := newCLI(t)
	code, _, errOut := c.run("sql", "-c", `CREATE TABLE t (id INTEGER PRIMARY KEY); BEGIN; INSERT INTO t VALUES (1); INSERT INTO t VALUES (2); COMMIT;
		BEGIN; INSERT INTO t VALUES (3); ROLLBACK; SET application_name = 'x'; SELECT * FROM t`)
	if code != 0 {
		t.Fatal(errOut)
	}
	if got := c.sql("SELECT sum(id) AS s FROM t"); got != "s\n3\n" {
		t.Errorf("sum %q", got)
	}
	if code, _, errOut = c.run("sql", "-c", "BEGIN; INSERT INTO t VALUES (9)"); code != 1 || !strings.Contains(errOut, "COMMIT") {
		t.Errorf("a block without an end: %d %s", code, errOut)
	}
	// A position behind settings is still the one in the statement.
	if _, _, errOut = c.run("sql", "-c", "SET application_name = 'x'; SELECT nosuch FROM t"); !strings.Contains(errOut, "LINE 1: SELECT nosuch FROM t\n               ^") {
		t.Errorf("behind a setting:\n%s", errOut)
	}
}

func TestSQLMeta(t *testing.T) {
	c := newCLI(t)
	c.sql(`CREATE STREAM s (a INTEGER, at TIMESTAMP); CREATE TABLE t (id INTEGER PRIMARY KEY); CREATE MATERIALIZED VIEW m AS SELECT a, count(*) AS n, max(at) AS at FROM s GROUP BY a; CREATE VIEW v AS SELECT 1 AS one`)
	for command, want := range map[string][]string{`\d`: {"│ s ", "│ t ", "│ m ", "│ v "}, `\dt`: {"│ t "}, `\dv`: {"│ m ", "│ v "}, `\ds`: {"│ s "}} {
		code, out, errOut := c.run("sql", "-c", command)
		if code != 0 || strings.Count(out, "\n") != len(want)+5 {
			t.Errorf("%s: %d\n%s%s", command, code, out, errOut)
		}
		for _, w := range want {
			if !strings.Contains(out, w) {
				t.Errorf("%s has no %q:\n%s", command, w, out)
			}
		}
	}
	if _, out, _ := c.run("sql", "-c", `\d m`); !strings.Contains(out, "│ a ") || !strings.Contains(out, "CREATE MATERIALIZED VIEW m AS") {
		t.Errorf(`\d m:`+"\n%s", out)
	}
	if code, _, errOut := c.run("sql", "-c", `\nonsense`); code != 1 || !strings.Contains(errOut, `\?`) {
		t.Errorf("%d %s", code, errOut)
	}
	if code, _, errOut := c.run("sql", "-c", `\d nosuch`); code != 1 || !strings.Contains(errOut, "nosuch") {
		t.Errorf("%d %s", code, errOut)
	}
}

// typist types lines.
type typist struct {
	lines   []string
	prompts []string
	history []string
}

func (s *typist) Readline() (string, error) {
	if len(s.lines) == 0 {
		return "", io.EOF
	}
	l := s.lines[0]
	s.lines = s.lines[1:]
	return l, nil
}

func (s *typist) SetPrompt(p string)         { s.prompts = append(s.prompts, strings.TrimSpace(p)) }
func (s *typist) SaveHistory(l string) error { s.history = append(s.history, l); return nil }

func newTestShell(t *testing.T, addr string) (*shell, *buffer) {
	cl, err := newClient(addr)
	if err != nil {
		t.Fatal(err)
	}
	out := &buffer{}
	return &shell{client: cl, out: out, errOut: out}, out
}

func TestShell(t *testing.T) {
	s, out := newTestShell(t, startNode(t))
	in := &typist{lines: []string{"", "CREATE TABLE t (id INTEGER PRIMARY KEY,", "  name VARCHAR);", "INSERT INTO t VALUES (1, 'it''s; fine'); SELECT name", "FROM t;", "SELECT nosuch;",
		`\x`, "SELECT 7 AS seven;", `\x`, "BEGIN;", "INSERT INTO t VALUES (2, 'b');", "COMMIT;", "SELECT count(*) AS n FROM t", ";", `\q`, "SELECT 'never';"}}
	refreshed := 0
	if err := s.loop(t.Context(), in, func(context.Context) { refreshed++ }); err != nil {
		t.Fatal(err)
	}
	got := out.String()
	for _, want := range []string{"CREATE TABLE (", "INSERT 0 1 (", "│ it's; fine │", "error: ", "LINE 1: SELECT nosuch;\n               ^", "seven │ 7", "│ n │", "│ 2 │"} {
		if !strings.Contains(got, want) {
			t.Errorf("there is no %q in\n%s", want, got)
		}
	}
	if strings.Contains(got, "never") || refreshed == 0 {
		t.Errorf("%d refreshes\n%s", refreshed, got)
	}
	if want := "CREATE TABLE t (id INTEGER PRIMARY KEY, name VARCHAR);"; in.history[0] != want {
		t.Errorf("history %q", in.history)
	}
	if !slices.Contains(in.prompts, "->") || !slices.Contains(in.prompts, "tidemill*>") {
		t.Errorf("prompts %q", in.prompts)
	}
}

func TestShellSubscribe(t *testing.T) {
	addr := startNode(t)
	s, out := newTestShell(t, addr)
	c := &cli{t, addr}
	c.sql(`CREATE TABLE t (id INTEGER PRIMARY KEY, name VARCHAR); INSERT INTO t VALUES (1, 'first')`)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.statement(ctx, "SUBSCRIBE TO t WHERE id < 10;") }()
	out.waitFor(t, "first")
	c.sql(`INSERT INTO t VALUES (2, 'second'); INSERT INTO t VALUES (20, 'other')`)
	out.waitFor(t, "second")
	c.sql(`DELETE FROM t WHERE id = 1`)
	out.waitFor(t, "−  1")
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if got := out.String(); strings.Contains(got, "other") || !strings.Contains(got, "+  2") {
		t.Errorf("\n%s", got)
	}
	if err := s.statement(t.Context(), "SUBSCRIBE TO nosuch;"); err == nil || !strings.Contains(err.Error(), "nosuch") {
		t.Errorf("a relation that there is not: %v", err)
	}
}

func TestWatch(t *testing.T) {
	s, out := newTestShell(t, startNode(t))
	if err := s.meta(t.Context(), `\watch 1`); err == nil {
		t.Error("nothing to watch, and no error")
	}
	if err := s.statement(t.Context(), "SELECT 42 AS answer;"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.meta(ctx, `\watch 0.1`) }()
	waitUntil(t, func() bool { return strings.Count(out.String(), "│     42 │") >= 3 }, out.String)
	cancel()
	<-done
}

func TestCompleter(t *testing.T) {
	c := newCLI(t)
	c.sql(`CREATE STREAM readings (sensor VARCHAR, value DOUBLE)`)
	cl, err := newClient(c.addr)
	if err != nil {
		t.Fatal(err)
	}
	words := &completer{client: cl}
	words.refresh(t.Context())
	for line, want := range map[string]string{"SELECT sen": "sor ", "select * fr": "om ", "SELECT * FR": "OM ", "SELECT r.val": "ue ", `\d read`: "ings ", "SELECT * FROM tidemill.st": "reams ", `\wa`: "tch "} {
		got, n := words.Do([]rune(line), len([]rune(line)))
		var all []string
		for _, g := range got {
			all = append(all, string(g))
		}
		if !slices.Contains(all, want) || n == 0 {
			t.Errorf("%q completes to %q", line, all)
		}
	}
}

func TestStatementEnd(t *testing.T) {
	for text, want := range map[string]string{"SELECT 1": "SELECT 1", "SELECT 1; SELECT 2": "SELECT 1;", "SELECT ';' ; x": "SELECT ';' ;", "-- a; b\nSELECT 1;x": "-- a; b\nSELECT 1;", "SELECT 1 -- ; no\n; y": "SELECT 1 -- ; no\n;",
		"SELECT /* ; */ 1;z": "SELECT /* ; */ 1;", `SELECT "a;b";z`: `SELECT "a;b";`, "SELECT $$;$$;z": "SELECT $$;$$;", ";SELECT 1;": ";"} {
		end, err := statementEnd(text)
		if err != nil || text[:end] != want {
			t.Errorf("%q: %q, %v", text, text[:end], err)
		}
	}
}

// Cutting a text statement by statement finds the same statements as cutting it at once.
func FuzzStatementEnd(f *testing.F) {
	for _, s := range []string{"SELECT 1; SELECT ';'", "-- ;\n;SELECT 'a''b;';;", "$a$;$a$;/*;*/x", `"a;""b";`, "SELECT 1 -- ;"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		all, err := sql.Split(text)
		if err != nil || len(text) > 2000 {
			return
		}
		var got []string
		for rest := text; rest != ""; {
			end, err := statementEnd(rest)
			if err != nil || end <= 0 {
				t.Fatalf("%q in %q: %d, %v", rest, text, end, err)
			}
			parts, err := sql.Split(rest[:end])
			if err != nil {
				t.Fatalf("%q in %q: %v", rest[:end], text, err)
			}
			for _, p := range parts {
				got = append(got, p.Text)
			}
			rest = rest[end:]
		}
		if len(got) != len(all) {
			t.Fatalf("%q: %q", text, got)
		}
		for i := range all {
			if strings.TrimSpace(got[i]) != strings.TrimSpace(all[i].Text) && !strings.Contains(all[i].Text, "--") && !strings.Contains(all[i].Text, "/*") {
				t.Errorf("%q: statement %d is %q, want %q", text, i, got[i], all[i].Text)
			}
		}
	})
}

func TestSQLFromStandardInput(t *testing.T) {
	addr := startNode(t)
	var out, errOut bytes.Buffer
	if code := run([]string{"sql", "--server", addr, "--format", "csv"}, strings.NewReader("SELECT 1 AS a;\n\\d\nSELECT 2 AS b;"), &out, &errOut); code != 0 || !strings.HasSuffix(out.String(), "b\n2\n") {
		t.Errorf("%d %q %s", code, out.String(), errOut.String())
	}
}
