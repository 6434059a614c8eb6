package scalar_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/tidemill/tidemill/internal/dataflow/scalar"
	"github.com/tidemill/tidemill/internal/plan"
	"github.com/tidemill/tidemill/internal/row"
)

// selected holds Select against WHERE.
func (r *rig) selected(predicates ...string) {
	r.t.Helper()
	exprs, in, err := r.bind(strings.Join(predicates, ", "))
	if err != nil {
		r.t.Errorf("%s: %v", predicates, err)
		return
	}
	p, err := r.compiler.Compile(exprs, types(in))
	if err != nil {
		r.t.Errorf("%s: %v", predicates, err)
		return
	}
	defer p.Close()
	for range 2 { // the second time over used memory
		at, errs, err := p.Select(in)
		if err != nil || len(errs) > 0 {
			r.t.Errorf("%s: %v %v", predicates, errs, err)
			return
		}
		want, err := r.ask("SELECT coalesce(list(n ORDER BY n)::varchar, '[]') FROM t WHERE (" + strings.Join(predicates, ") AND (") + ")")
		if err != nil {
			r.t.Errorf("%s: oracle: %v", predicates, err)
			return
		}
		if got := strings.ReplaceAll(fmt.Sprint(at), " ", ", "); got != want[0].Str(0) {
			r.t.Errorf("%s: selects\n%s, want\n%s", predicates, got, want[0].Str(0))
		}
	}
}

func TestSelect(t *testing.T) {
	r := differential(t)
	for _, list := range [][]string{
		{"i4a > 0"}, {"i4a > 0", "i4b < 10"}, {"i8a = 1"}, {"i8a <> 1"}, {"5 > i2a"}, {"u1a >= 7"}, {"u8a > 9223372036854775807"}, {"sa = 'abc'"}, {"sa < 'b'"}, {"sa >= 'a'", "sa <> 'abc'"},
		{"dta > DATE '2000-01-01'"}, {"tsa <= TIMESTAMP '2020-01-01'", "tsb IS NOT NULL"}, {"f8a > 1.5"}, {"d9a > 2"}, {"ba"}, {"ba", "NOT bb"}, {"ba AND bb"}, {"ba OR bb"}, {"i4a IS NULL"}, {"i4a IS NOT NULL", "i4a <> 0"},
		{"i4a > 0", "sa LIKE '%a%'", "length(sb) > 2"}, {"sa LIKE '%a%'", "i4a > 0"}, {"i4a > i4b"}, {"i4a > i4b", "i8a < i8b", "sa < sb"}, {"i4a IN (1, 2, 3)"}, {"i4a NOT IN (1, NULL)"}, {"true"}, {"false"}, {"NULL::boolean"},
		{"i4a > 0", "true", "upper(sa) = 'ABC'"}, {"(i4a > 0 AND sa LIKE 'a%') OR length(sb) = 3"}, {"coalesce(i4a, i4b) > 5"}, {"CASE WHEN ba THEN i4a > 0 ELSE sa = 'a' END"}, {"i1a > 0", "i1b > 0", "ba"}, {"reverse(sa) = 'cba'"}, {"i4a > 100", "reverse(sa) < 'm'"}, {"list_min([sa, sb]) < 'b'", "i4a > 0", "list_min([sa, 'm']) < sb"},
		{"regexp_matches(sa, 'a')", "i4a > 0", "date_part('year', tsa) > 1990"}, {"i4a = 1 AND i4b = 2 AND sa = 'zz'"},
	} {
		r.selected(list...)
	}
}

func TestSelectSkipsFailingRows(t *testing.T) {
	r := differential(t)
	exprs, in, err := r.bind("i4a + i4b > 0, i4a <> 0")
	if err != nil {
		t.Fatal(err)
	}
	p, err := r.compiler.Compile(exprs, types(in))
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	at, errs, err := p.Select(in)
	if err != nil || len(errs) == 0 || len(at) == 0 {
		t.Fatalf("%d rows, %d errors, %v", len(at), len(errs), err)
	}
	failed := map[int32]bool{}
	for i, e := range errs {
		if i > 0 && errs[i-1].Row >= e.Row {
			t.Errorf("errors are not ascending: %d, %d", errs[i-1].Row, e.Row)
		}
		if !strings.HasPrefix(e.Message, "Out of Range Error: Overflow in addition of INT32 (") {
			t.Errorf("row %d: %s", e.Row, e.Message)
		}
		failed[e.Row] = true
	}
	for _, i := range at {
		if failed[i] {
			t.Errorf("row %d failed and is selected", i)
		}
	}
}

// TestRandomNesting nests lazy expressions at random, so that blocks run over masks, over gathered rows and inside each other.
func TestRandomNesting(t *testing.T) {
	r := differential(t)
	rng := rand.New(rand.NewPCG(3, 4))
	pick := func(list ...string) string { return list[rng.IntN(len(list))] }
	var boolean, text, number func(depth int) string
	boolean = func(depth int) string {
		if depth == 0 {
			return pick("ba", "bb", "i4a > 3", "sa LIKE '%a%'", "tsa IS NULL", "i1a = 7", "sb < sc", "NULL::boolean", "regexp_matches(sa, '[b-d]')")
		}
		switch rng.IntN(5) {
		case 0:
			return "(" + boolean(depth-1) + " AND " + boolean(depth-1) + ")"
		case 1:
			return "(" + boolean(depth-1) + " OR " + boolean(depth-1) + ")"
		case 2:
			return "(NOT " + boolean(depth-1) + ")"
		case 3:
			return "(" + text(depth-1) + " = " + text(depth-1) + ")"
		default:
			return "(" + number(depth-1) + " < " + number(depth-1) + ")"
		}
	}
	text = func(depth int) string {
		if depth == 0 {
			return pick("sa", "sb", "sc", "'k'", "NULL::varchar", "upper(sa)", "sa || sb", "i4a::varchar", "regexp_extract(sb, '[a-m]+')", "regexp_extract(sb, '[a-m]+')")
		}
		switch rng.IntN(4) {
		case 0:
			return "CASE WHEN " + boolean(depth-1) + " THEN " + text(depth-1) + " WHEN " + boolean(depth-1) + " THEN " + text(depth-1) + " ELSE " + text(depth-1) + " END"
		case 1:
			return "coalesce(" + text(depth-1) + ", " + text(depth-1) + ", " + text(depth-1) + ")"
		case 2:
			return "lower(" + text(depth-1) + ")"
		default:
			return "list_min([" + text(depth-1) + ", 'm'])"
		}
	}
	number = func(depth int) string {
		if depth == 0 {
			return pick("i4a", "i4b", "i4c", "length(sa)::int", "5", "NULL::int", "i1a::int", "u2a::int")
		}
		switch rng.IntN(4) {
		case 0:
			return "CASE WHEN " + boolean(depth-1) + " THEN " + number(depth-1) + " ELSE " + number(depth-1) + " END"
		case 1:
			return "coalesce(" + number(depth-1) + ", " + number(depth-1) + ")"
		case 2:
			return "(" + number(depth-1) + " % 1000 + " + number(depth-1) + " % 77)"
		default:
			return "length(" + text(depth-1) + ")::int"
		}
	}
	for range 60 {
		for _, e := range []string{boolean(3), text(3), number(3)} {
			exprs, _, err := r.bind(e)
			if err != nil {
				continue // DuckDB refuses untyped nulls in some places
			}
			r.same(e, options{lenient: true, fallback: len(r.compiler.Fallbacks(exprs)) > 0})
		}
	}
}

func TestNestedTypes(t *testing.T) {
	r := differential(t)
	for _, e := range []string{
		"len(string_split(sa, ','))", "list_sum(list_transform(string_split(sa, ','), lambda x: length(x)))", "string_split(sa, 'b')", "list_contains(string_split(upper(sa), 'B'), upper(sb))",
		"(string_split(sa, ',') IS NULL)", "list_max([i4a, i4b, i4c])", "array_to_string([sa, sb], '-')", "coalesce(string_split(sa, ','), ['x'])",
	} {
		r.same(e, options{fallback: true, bisect: true})
	}
}

func TestVolatileCalls(t *testing.T) {
	r := differential(t)
	exprs, in, err := r.bind("gen_random_uuid()::varchar, gen_random_uuid()::varchar")
	if err != nil {
		t.Fatal(err)
	}
	p, err := r.compiler.Compile(exprs, types(in))
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	cols, _, err := p.Eval(in)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for i := range in.Len {
		seen[cols[0].Str(i)] = true
		seen[cols[1].Str(i)] = true
	}
	if len(seen) != 2*in.Len {
		t.Errorf("%d different values in %d rows of two calls", len(seen), in.Len)
	}
}

// TestResultsAreKept checks that what an evaluation hands out stays as it is when the program goes on.
func TestResultsAreKept(t *testing.T) {
	r := differential(t)
	exprs, in, err := r.bind("i4a, i4a + 0::int, sa, upper(sa), coalesce(sa, sb), CASE WHEN ba THEN i8a ELSE i8b END, ba AND bb, sa::varchar, i4a % 7, i4a % 7 + 1, (upper(sa) || 'x'), tsa::timestamptz, 5, round(i4a), nullif(sa, sb), CASE WHEN ba THEN upper(sa) ELSE lower(sb) END")
	if err != nil {
		t.Fatal(err)
	}
	p, err := r.compiler.Compile(exprs, types(in))
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	first, _, err := p.Eval(in)
	if err != nil {
		t.Fatal(err)
	}
	kept := make([]row.Vec, len(first))
	for i, v := range first {
		kept[i] = row.Vec{Type: v.Type, Len: v.Len, Data: bytes.Clone(v.Data), Valid: bytes.Clone(v.Valid), Offsets: slices.Clone(v.Offsets)}
	}
	for lo := 0; lo < in.Len; lo += 37 {
		if _, _, err := p.Eval(in.Slice(lo, min(lo+37, in.Len))); err != nil {
			t.Fatal(err)
		}
	}
	for c := range first {
		for i := range in.Len {
			if !row.Equal(&first[c], i, &kept[c], i) {
				t.Fatalf("column %d, row %d was %s and is %s", c, i, show(&kept[c], i), show(&first[c], i))
			}
		}
	}
}

// TestSlices evaluates parts of batches, whose columns begin in the middle of their memory.
func TestSlices(t *testing.T) {
	r := differential(t)
	exprs, in, err := r.bind("upper(sa), i4a % 7, coalesce(sa, sb), sa LIKE '%a%' AND ba, CASE WHEN ba THEN length(sa) END")
	if err != nil {
		t.Fatal(err)
	}
	p, err := r.compiler.Compile(exprs, types(in))
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	whole, _, err := p.Eval(in)
	if err != nil {
		t.Fatal(err)
	}
	for _, cut := range [][2]int{{0, 1}, {3, 3}, {5, 64}, {64, 129}, {77, 400}, {399, 400}} {
		part, _, err := p.Eval(in.Slice(cut[0], cut[1]))
		if err != nil {
			t.Fatal(err)
		}
		for c := range part {
			for i := range cut[1] - cut[0] {
				if !row.Equal(&part[c], i, &whole[c], cut[0]+i) {
					t.Fatalf("rows %v, column %d, row %d: %s, want %s", cut, c, i, show(&part[c], i), show(&whole[c], cut[0]+i))
				}
			}
		}
	}
}

func TestCompilerIsShared(t *testing.T) {
	c := &scalar.Compiler{}
	col := plan.Col(0, row.T(row.Int64))
	e := plan.Fn("+", col.Type, col, plan.Const(row.IntValue(col.Type, 1)))
	vals := []int64{1, 2, 3}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			p, err := c.Compile([]*plan.Expr{e}, []row.Type{col.Type})
			if err != nil {
				t.Error(err)
				return
			}
			defer p.Close()
			cols, _, err := p.Eval(&row.Batch{Len: 3, Cols: []row.Vec{row.FromValues(col.Type, vals, nil)}})
			if err != nil || row.Values[int64](&cols[0])[2] != 4 {
				t.Error(cols, err)
			}
		})
	}
	wg.Wait()
}

func TestCompileErrors(t *testing.T) {
	c := &scalar.Compiler{}
	i8 := row.T(row.Int64)
	deep := plan.Col(0, i8)
	for range 5000 {
		deep = plan.Fn("-", i8, deep)
	}
	for _, f := range []struct {
		want string
		e    *plan.Expr
	}{
		{"parameter $2 has no value", &plan.Expr{Kind: plan.Param, Type: i8, Index: 2}},
		{"column 3 of an input with 1 columns", plan.Col(3, i8)},
		{"column 0 is of type BIGINT, not VARCHAR", plan.Col(0, row.T(row.String))},
		{"nested too deeply", deep},
		{"no_such_function is not available here", plan.Fn("no_such_function", i8, plan.Col(0, i8))},
		{"arguments of CASE", &plan.Expr{Kind: plan.Case, Type: i8, Args: []*plan.Expr{plan.Col(0, i8), plan.Col(0, i8)}}},
	} {
		if _, err := c.Compile([]*plan.Expr{f.e}, []row.Type{i8}); err == nil || !strings.Contains(err.Error(), f.want) {
			t.Errorf("got %v, want %s", err, f.want)
		}
	}
}
