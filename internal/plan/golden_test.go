package plan_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tidemill/tidemill/internal/duck"
	"github.com/tidemill/tidemill/internal/fault"
	"github.com/tidemill/tidemill/internal/plan"
	"github.com/tidemill/tidemill/internal/row"
)

var rewrite = flag.Bool("rewrite", false, "write what the plans are now into testdata")

// world is a set of relations that queries of a test can read.
type world struct {
	planner *duck.Planner
	keys    map[string][]string // of tables
	streams map[string]bool
}

func newWorld(t testing.TB) *world {
	t.Helper()
	p, err := duck.OpenPlanner(duck.PlannerOptions{Timeout: 30 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return &world{planner: p, keys: map[string][]string{}, streams: map[string]bool{}}
}

// define carries out "stream name column TYPE, …" or "table name(key, …) column TYPE, …".
func (w *world) define(t testing.TB, line string) {
	t.Helper()
	kind, rest, _ := strings.Cut(line, " ")
	name, columns, _ := strings.Cut(rest, " ")
	var key []string
	if kind == "table" {
		n, k, ok := strings.Cut(strings.TrimSuffix(name, ")"), "(")
		name = n
		if ok {
			key = strings.Split(k, ",")
		}
		w.keys[name] = key
	} else {
		w.streams[name] = true
	}
	var schema row.Schema
	for _, c := range splitColumns(columns) {
		column, typ, _ := strings.Cut(strings.TrimSpace(c), " ")
		parsed, _ := row.ParseType(typ)
		schema = append(schema, row.Column{Name: column, Type: parsed})
	}
	if err := w.planner.DefineTable(name, schema, key); err != nil {
		t.Fatalf("defining %s: %v", line, err)
	}
}

// splitColumns splits at commas outside of parentheses.
func splitColumns(s string) []string {
	var out []string
	depth, start := 0, 0
	for i, c := range s {
		switch {
		case c == '(':
			depth++
		case c == ')':
			depth--
		case c == ',' && depth == 0:
			out = append(out, s[start:i])
			start = i + 1
		}
	}
	return append(out, s[start:])
}

// decode plans and decodes a query.
func (w *world) decode(t testing.TB, sql string) (plan.Node, duck.Planned, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	planned, err := w.planner.Plan(ctx, sql)
	if err != nil {
		t.Errorf("planning %s: %v", sql, err)
		return nil, planned, err
	}
	n, err := plan.Decode(planned.Plan)
	return n, planned, err
}

// describe is what the golden files hold for a query.
func (w *world) describe(t testing.TB, sql string, optimize bool) string {
	n, planned, err := w.decode(t, sql)
	if err != nil {
		return refused(err)
	}
	var b strings.Builder
	if optimize {
		n = plan.Optimize(n)
		checkOptimized(t, sql, n)
		if err := plan.Check(n); err != nil {
			b.WriteString(refused(err))
		} else {
			b.WriteString(w.properties(n))
		}
	}
	checkTypes(t, sql, n, planned.Columns.Types())
	b.WriteString(plan.Explain(n))
	return b.String()
}

func (w *world) properties(n plan.Node) string {
	key := "-"
	if k := plan.UniqueKey(n, func(r string) []string { return w.keys[r] }); k != nil {
		key = fmt.Sprint(k)
	}
	kind := "changes"
	if plan.AppendOnly(n, func(r string) bool { return w.streams[r] }) {
		kind = "append-only"
	}
	return fmt.Sprintf("reads %v, key %s, %s\n", plan.Relations(n), key, kind)
}

func refused(err error) string {
	var f *fault.Error
	if !errors.As(err, &f) {
		return "error: " + err.Error() + "\n"
	}
	s := "refused: " + f.Message + "\n"
	if f.Hint != "" {
		s += "hint: " + f.Hint + "\n"
	}
	return s
}

// checkTypes compares the columns that a plan has with those that DuckDB announces.
func checkTypes(t testing.TB, sql string, n plan.Node, want []row.Type) {
	t.Helper()
	got := n.Types()
	if len(got) != len(want) {
		t.Errorf("%s: the plan has %d columns, the result %d", sql, len(got), len(want))
		return
	}
	for i := range got {
		if got[i] != want[i] && !strings.Contains(got[i].Name, "ROW(") {
			t.Errorf("%s: column %d has type %s in the plan, %s in the result", sql, i, got[i], want[i])
		}
	}
}

// checkOptimized checks what holds for every optimized plan.
func checkOptimized(t testing.TB, sql string, n plan.Node) {
	t.Helper()
	if err := wellFormed(n); err != nil {
		t.Errorf("%s: %v\n%s", sql, err, plan.Explain(n))
	}
	again := plan.Optimize(n)
	if a, b := plan.Fingerprint(n), plan.Fingerprint(again); a != b {
		t.Errorf("%s: optimizing twice gives another plan:\n%s\nthen\n%s", sql, plan.Explain(n), plan.Explain(again))
	}
}

// wellFormed checks that expressions refer to columns that exist, with the types that they have.
func wellFormed(root plan.Node) error {
	for _, n := range plan.Nodes(root) {
		for _, e := range plan.Exprs(n) {
			if e == nil {
				return fmt.Errorf("%T has an expression that is nil", n)
			}
		}
		check := func(in []row.Type, es ...*plan.Expr) error { return refersTo(n, in, es) }
		var err error
		switch n := n.(type) {
		case *plan.Get:
			if len(n.Columns) != len(n.Schema) || len(n.Columns) == 0 {
				err = fmt.Errorf("a Get with %d columns of %d", len(n.Columns), len(n.Schema))
			} else {
				err = check(n.Types(), n.Filters...)
			}
		case *plan.Join:
			l, r := n.Left.Types(), n.Right.Types()
			for _, k := range n.Keys {
				if k.Left.Type != k.Right.Type {
					err = fmt.Errorf("a key of %s and %s", k.Left.Type, k.Right.Type)
				}
				err = errors.Join(err, check(l, k.Left), check(r, k.Right))
			}
			err = errors.Join(err, check(append(l[:len(l):len(l)], r...), n.Residual...))
		case *plan.Union:
			for _, b := range n.Branches {
				if fmt.Sprint(b.Types()) != fmt.Sprint(n.Types()) {
					err = fmt.Errorf("a branch with %v in a union of %v", b.Types(), n.Types())
				}
			}
		case *plan.Filter, *plan.Project, *plan.Aggregate, *plan.Sort, *plan.Window, *plan.TopN:
			err = check(n.Inputs()[0].Types(), plan.Exprs(n)...)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func refersTo(n plan.Node, in []row.Type, es []*plan.Expr) error {
	var err error
	for _, e := range es {
		e.Walk(func(x *plan.Expr) bool {
			if x.Kind == plan.Column && (x.Index < 0 || x.Index >= len(in) || in[x.Index] != x.Type) {
				err = fmt.Errorf("%T refers to column %d of type %s; below it are %v", n, x.Index, x.Type, in)
			}
			return err == nil
		})
	}
	return err
}

// TestGolden compares plans with testdata/*.txt. In such a file, lines "stream …" and "table …" define relations, and
// "query", "decode" (without the rewrites) or "times" (what is known of time) begins a query that ends at "----"; what follows, up to an empty line, is the plan.
func TestGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no golden files", err)
	}
	for _, f := range files {
		t.Run(strings.TrimSuffix(filepath.Base(f), ".txt"), func(t *testing.T) { golden(t, f) })
	}
}

func golden(t *testing.T, file string) {
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t)
	var out strings.Builder
	lines := strings.Split(strings.TrimRight(string(text), "\n"), "\n")
	for i := 0; i < len(lines); i++ {
		line := lines[i]
		out.WriteString(line + "\n")
		word, _, _ := strings.Cut(line, " ")
		switch word {
		case "stream", "table":
			w.define(t, line)
		case "view":
			name, sql, _ := strings.Cut(strings.TrimPrefix(line, "view "), " ")
			if err := w.planner.DefineView(name, sql); err != nil {
				t.Fatal(err)
			}
		case "query", "decode", "times":
			var sql []string
			for i++; i < len(lines) && lines[i] != "----" && lines[i] != ""; i++ {
				sql = append(sql, lines[i])
			}
			var want strings.Builder
			if i < len(lines) && lines[i] == "----" {
				for i++; i < len(lines) && lines[i] != ""; i++ {
					want.WriteString(lines[i] + "\n")
				}
			}
			query := strings.Join(sql, "\n")
			var got string
			if word == "times" {
				got = w.describeTimes(t, query)
			} else {
				got = w.describe(t, query, word == "query")
			}
			if got != want.String() && !*rewrite {
				t.Errorf("%s\ngives\n%s\nnot\n%s", query, got, want.String())
			}
			out.WriteString(query + "\n----\n" + got + "\n")
		}
	}
	if *rewrite {
		if err := os.WriteFile(file, []byte(strings.TrimRight(out.String(), "\n")+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
