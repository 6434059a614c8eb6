package duck

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/tidemill/tidemill/internal/row"
)

func openEvaluator(t testing.TB) *Evaluator {
	t.Helper()
	e, err := OpenEvaluator()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	return e
}

func compile(t testing.TB, e *Evaluator, sql string, result row.Type, args ...row.Type) *Func {
	t.Helper()
	f, err := e.Compile(sql, args, result)
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	t.Cleanup(f.Close)
	return f
}

func TestEvaluatorEveryType(t *testing.T) {
	e := openEvaluator(t)
	rng := rand.New(rand.NewPCG(5, 6))
	for _, typ := range allTypes() {
		f := compile(t, e, "CASE WHEN $2 THEN $1 END", typ, typ, row.T(row.Bool))
		for _, n := range []int{1, 7, 2048, 2049, 9000} {
			in := randomVec(rng, typ, n, n != 7)
			yes := row.BoolValue(true).Repeat(n)
			got, err := f.Eval([]row.Vec{in, yes}, n)
			if err != nil {
				t.Fatalf("%s: %v", typ, err)
			}
			sameVec(t, typ.String(), &got, &in)
		}
		got, err := f.Eval([]row.Vec{row.NullVec(typ, 0), row.NullVec(row.T(row.Bool), 0)}, 0)
		if err != nil || got.Len != 0 || got.Type != typ {
			t.Errorf("%s: no rows gave %d values of %s, %v", typ, got.Len, got.Type, err)
		}
	}
}

func TestEvaluatorExpressions(t *testing.T) {
	e := openEvaluator(t)
	str, big := row.T(row.String), row.T(row.Int64)
	f := func(sql string, result row.Type, want string, args ...row.Value) {
		t.Helper()
		var types []row.Type
		var vecs []row.Vec
		for _, a := range args {
			types = append(types, a.Type)
			vecs = append(vecs, a.Repeat(3000))
		}
		got, err := compile(t, e, sql, result, types...).Eval(vecs, 3000)
		if err != nil {
			t.Errorf("%s: %v", sql, err)
			return
		}
		if g := shown(got.Value(2999)); g != want || got.Len != 3000 || got.Type != result {
			t.Errorf("%s = %s, want %s", sql, g, want)
		}
	}
	f("regexp_extract($1, '[0-9]+')", str, "42", row.StringValue("abc42def and more"))
	f(`"+"($1, $1)`, big, "14", row.IntValue(big, 7))
	f(`"~~"($1, 'x%')`, row.T(row.Bool), "1", row.StringValue("xyz"))
	f("$1 || '$1' || \"$1\" || $$ $1 $$ /* $1 */", str, "a$1a $1 ", row.StringValue("a"))
	f("list_transform([$1, 2], x -> x + $1)", row.ListOf(row.T(row.Int64)), "[14,9]", row.IntValue(big, 7))
	f("list_sum($1)", row.T(row.Int128), "6", row.ListValue(row.ListOf(row.T(row.Int32)), row.IntValue(row.T(row.Int32), 1), row.NullValue(row.T(row.Int32)), row.IntValue(row.T(row.Int32), 5)))
	f("$1->>'$.a'", str, "x", row.Value{Type: row.T(row.JSON), S: `{"a":"x"}`})
	f("42", big, "42")
	f("$2 - $1 -- comment", big, "3", row.IntValue(big, 4), row.IntValue(big, 7))
	f("TIMESTAMP_S '2020-01-02 03:04:05'", row.T(row.Timestamp), "1577934245000000")

	bad := func(sql string, kind Kind, message string) {
		t.Helper()
		_, err := e.Compile(sql, []row.Type{big}, big)
		wantError(t, err, kind, message)
	}
	bad("nope($1)", KindCatalog, "nope")
	bad("$2", KindParameter, "no argument $2")
	bad("$x", KindParameter, "no argument $x")
	bad("1) FROM range(3); DROP TABLE x; SELECT (1", KindParser, "")
	bad("1); DROP TABLE x; SELECT (1", KindParser, "")
	bad("1)); DROP TABLE x; SELECT upper(((1", KindParser, "")
	bad("1) AS BIGINT); SELECT CAST((1", KindUnsupported, "more than one")
	bad("", KindParser, "")
	bad("$1 +", KindParser, "")
}

func TestEvaluatorErrors(t *testing.T) {
	e := openEvaluator(t)
	big := row.T(row.Int64)
	f := compile(t, e, "ln($1)", row.T(row.Float64), big)
	b := row.NewBuilder(big, 5000)
	for i := range 5000 {
		b.AppendInt(int64(4999 - i))
	}
	v := b.Finish()
	_, err := f.Eval([]row.Vec{v}, 5000)
	wantError(t, err, KindOutOfRange, "logarithm of zero")
	if got, err := f.Eval([]row.Vec{v}, 4999); err != nil || got.Len != 4999 {
		t.Errorf("after an error: %v", err)
	}
	_, err = f.Eval(nil, 3)
	wantError(t, err, KindParameter, "1 arguments, 0")
	if _, err := f.Eval([]row.Vec{v}, 6000); err == nil {
		t.Error("too short a column was taken")
	}
	if _, err := f.Eval([]row.Vec{row.NullVec(row.T(row.String), 3)}, 3); err == nil {
		t.Error("a column of another type was taken")
	}
	f.Close()
	_, err = f.Eval([]row.Vec{v}, 1)
	wantError(t, err, KindClosed, "")
}

func TestEvaluatorInParallel(t *testing.T) {
	e := openEvaluator(t)
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			f, err := e.Compile(fmt.Sprintf("$1 * %d", g), []row.Type{row.T(row.Int64)}, row.T(row.Int64))
			if err != nil {
				t.Error(err)
				return
			}
			defer f.Close()
			for i := range 50 {
				n := 1 + i*97
				got, err := f.Eval([]row.Vec{row.IntValue(row.T(row.Int64), int64(i)).Repeat(n)}, n)
				if err != nil || got.Value(n-1).I != int64(i*g) {
					t.Errorf("%v %v", got.Value(n-1), err)
					return
				}
			}
		})
	}
	wg.Wait()
	if len(e.funcs) != 0 {
		t.Errorf("%d expressions are left", len(e.funcs))
	}
}

func BenchmarkEval(b *testing.B) {
	e := openEvaluator(b)
	for _, n := range []int{1, 10_000} {
		for _, sql := range []string{"upper($1)", "regexp_extract($1, '[0-9]+')"} {
			b.Run(fmt.Sprintf("%s/%d", sql, n), func(b *testing.B) {
				f := compile(b, e, sql, row.T(row.String), row.T(row.String))
				v := []row.Vec{row.StringValue("some text with 42 in it").Repeat(n)}
				for b.Loop() {
					if _, err := f.Eval(v, n); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
