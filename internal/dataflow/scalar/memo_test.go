package scalar_test

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/tidemill/tidemill/internal/dataflow/scalar"
	"github.com/tidemill/tidemill/internal/plan"
	"github.com/tidemill/tidemill/internal/row"
)

// counting is a fallback that counts the rows it computes.
type counting struct {
	scalar.Fallback
	rows *int
}

func (c counting) Compile(sql string, args []row.Type, result row.Type) (scalar.FallbackFunc, error) {
	f, err := c.Fallback.Compile(sql, args, result)
	return countingFunc{f, c.rows}, err
}

type countingFunc struct {
	scalar.FallbackFunc
	rows *int
}

func (c countingFunc) Eval(args []row.Vec, n int) (row.Vec, error) {
	*c.rows += n
	return c.FallbackFunc.Eval(args, n)
}

// mapped is what a filter and a projection make of a batch: the rows that pass, the columns and the failures of either.
type mapped struct {
	at          []int32
	cols        []row.Vec
	where, then []scalar.RowError
}

// backwards lists n columns from the last to the first, and turns expressions accordingly.
func backwards(exprs []*plan.Expr, n int) (narrow []int, out []*plan.Expr) {
	var turn func(e *plan.Expr) *plan.Expr
	turn = func(e *plan.Expr) *plan.Expr {
		c := *e
		if c.Kind == plan.Column {
			c.Index = n - 1 - c.Index
		}
		c.Args = slices.Clone(e.Args)
		for i, a := range c.Args {
			c.Args[i] = turn(a)
		}
		return &c
	}
	for i := range n {
		narrow = append(narrow, n-1-i)
	}
	for _, e := range exprs {
		out = append(out, turn(e))
	}
	return narrow, out
}

func run(t *testing.T, where, out *scalar.Program, narrow []int, in *row.Batch, shared bool) (m mapped) {
	t.Helper()
	at, errs, err := where.Select(in)
	if err != nil {
		t.Fatal(err)
	}
	m.at, m.where = slices.Clone(at), errs
	if shared {
		out.Passed(at)
	}
	if m.cols, m.then, err = out.Eval(in.Project(narrow).Gather(at)); err != nil {
		t.Fatal(err)
	}
	return m
}

func TestMapComputesOnce(t *testing.T) {
	r := differential(t)
	rows := 0
	compiler := &scalar.Compiler{Fallback: counting{r.compiler.Fallback, &rows}}
	for _, c := range []struct{ pred, expr, once string }{
		{"ba OR list_min([sa, 'm']) < 'b'", "CASE WHEN ba THEN 'x' ELSE list_min([sa, 'm']) END", "ba IS NOT TRUE"},
		{"list_min([sa, 'm']) < 'b'", "list_min([sa, 'm'])", "true"},
		{"i4a > 0", "CASE WHEN ba THEN list_min([sa, 'm']) WHEN bb THEN list_min([sa, 'm']) || 'x' END", "i4a > 0 AND (ba OR bb)"},
		{"i4a > 0 AND list_min([sa, 'm']) <> 'b'", "CASE WHEN ba THEN list_min([sa, 'm']) ELSE coalesce(sb, list_min([sa, 'm']), list_min([sa, 'm']) || sa) END", "i4a > 0"},
	} {
		exprs, in, err := r.bind(c.pred + ", " + c.expr)
		if err != nil {
			t.Fatal(err)
		}
		narrow, exprs2 := backwards(exprs[1:], len(in.Cols))
		where, out, err := compiler.CompileMap(exprs[:1], exprs2, types(in), narrow)
		if err != nil {
			t.Fatal(err)
		}
		want, err := r.ask("SELECT count(*) FROM t WHERE " + c.once)
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			rows = 0
			if run(t, where, out, narrow, in, true); int64(rows) != want[0].Value(0).I {
				t.Errorf("WHERE %s, %s: computed for %d rows, want %d", c.pred, c.expr, rows, want[0].Value(0).I)
			}
		}
		where.Close()
		out.Close()
	}
}

// TestMapFailsAgain wants a row that failed inside TRY, where that does not matter, to fail where it does.
func TestMapFailsAgain(t *testing.T) {
	r := differential(t)
	const number = "CAST(regexp_extract(sa, '[a-m]+') AS INTEGER)"
	exprs, in, err := r.bind("TRY(" + number + ") IS NULL, " + number)
	if err != nil {
		t.Fatal(err)
	}
	narrow, exprs2 := backwards(exprs[1:], len(in.Cols))
	where, out, err := r.compiler.CompileMap(exprs[:1], exprs2, types(in), narrow)
	if err != nil {
		t.Fatal(err)
	}
	defer where.Close()
	defer out.Close()
	want, err := r.ask("SELECT count(*) FROM t WHERE sa IS NOT NULL")
	if err != nil {
		t.Fatal(err)
	}
	if m := run(t, where, out, narrow, in, true); len(m.where) != 0 || int64(len(m.then)) != want[0].Value(0).I {
		t.Errorf("%d rows fail in the filter and %d after it, want 0 and %d", len(m.where), len(m.then), want[0].Value(0).I)
	}
}

// TestMapEqualsItsParts holds filters and projections that share what they compute, and fail for some rows, against programs that share nothing.
func TestMapEqualsItsParts(t *testing.T) {
	r := differential(t)
	rng := rand.New(rand.NewPCG(5, 6))
	pick := func(list ...string) string { return list[rng.IntN(len(list))] }
	text := func() string {
		return pick("regexp_extract(sa, '[a-m]+')", "regexp_extract(sa, '[a-m]+')", "list_min([sa, 'm'])", "upper(regexp_extract(sa, '[a-m]+'))", "sb", "TRY(CAST(regexp_extract(sc, '[0-9a]+') AS INTEGER))::varchar")
	}
	number := func() string {
		return pick("CAST(regexp_extract(sc, '[0-9a]+') AS INTEGER)", "CAST(regexp_extract(sc, '[0-9a]+') AS INTEGER)", "length("+text()+")::int", "i4a", "len(list_sort([sa, sb]))::int", "TRY(CAST(regexp_extract(sc, '[0-9a]+') AS INTEGER))")
	}
	boolean := func() string {
		switch rng.IntN(4) {
		case 0:
			return text() + " < " + text()
		case 1:
			return number() + " <> " + number()
		case 2:
			return pick("ba", "bb") + " OR " + text() + " IS NOT NULL"
		}
		return pick("ba", "i4a > 3", "regexp_matches(sa, '[a-d]')")
	}
	value := func() string {
		switch rng.IntN(4) {
		case 0:
			return "CASE WHEN " + boolean() + " THEN " + text() + " WHEN " + boolean() + " THEN " + text() + " ELSE " + text() + " END"
		case 1:
			return "coalesce(" + text() + ", " + text() + ")"
		case 2:
			return number()
		}
		return "CASE WHEN " + boolean() + " THEN " + number() + " ELSE " + number() + " END"
	}
	failures, tried := 0, 0
	for range 120 {
		preds, values := []string{boolean(), boolean()}, []string{value(), value(), value()}
		exprs, in, err := r.bind("(" + strings.Join(append(preds, values...), "), (") + ")")
		if err != nil {
			continue // the planner made it another plan
		}
		narrow, exprs2 := backwards(exprs[len(preds):], len(in.Cols))
		where, out, err := r.compiler.CompileMap(exprs[:len(preds)], exprs2, types(in), narrow)
		if err != nil {
			t.Fatal(err)
		}
		alone, err := r.compiler.Compile(exprs[:len(preds)], types(in))
		if err != nil {
			t.Fatal(err)
		}
		tried++
		for _, part := range []*row.Batch{in, in.Slice(3, in.Len/2), in} {
			got := run(t, where, out, narrow, part, true)
			var want mapped
			for _, e := range exprs2 {
				p, err := r.compiler.Compile([]*plan.Expr{e}, types(part.Project(narrow)))
				if err != nil {
					t.Fatal(err)
				}
				one := run(t, alone, p, narrow, part, false)
				want.at, want.where = one.at, one.where
				want.cols = append(want.cols, one.cols[0])
				for _, f := range one.then {
					if !slices.ContainsFunc(want.then, func(o scalar.RowError) bool { return o.Row == f.Row }) {
						want.then = append(want.then, f)
					}
				}
				p.Close()
			}
			slices.SortFunc(want.then, func(a, b scalar.RowError) int { return int(a.Row - b.Row) })
			failures += len(got.then)
			if !slices.Equal(got.at, want.at) || !slices.Equal(got.where, want.where) || !slices.Equal(got.then, want.then) {
				t.Fatalf("WHERE %s, %s: passed %v, failed %v and %v, want %v, %v and %v", preds, values, got.at, got.where, got.then, want.at, want.where, want.then)
			}
			for c := range got.cols {
				for i := range got.at {
					if !sameValue(&got.cols[c], &want.cols[c], i) && !slices.ContainsFunc(got.then, func(f scalar.RowError) bool { return int(f.Row) == i }) {
						t.Fatalf("WHERE %s: %s of row %d is %s, want %s", preds, values[c], got.at[i], show(&got.cols[c], i), show(&want.cols[c], i))
					}
				}
			}
		}
		where.Close()
		out.Close()
		alone.Close()
	}
	if failures == 0 || tried < 30 {
		t.Errorf("%d failures of %d programs", failures, tried)
	}
}
