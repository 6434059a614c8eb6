package scalar

import (
	"encoding/json"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"

	"github.com/tidemill/tidemill/internal/plan"
	"github.com/tidemill/tidemill/internal/row"
)

// TestCommonSubexpressions counts instructions: what occurs twice is computed once, also inside an arm, and constants not at all.
func TestCommonSubexpressions(t *testing.T) {
	i8, boolean := row.T(row.Int64), row.T(row.Bool)
	a, b := plan.Col(0, i8), plan.Col(1, i8)
	sum := func() *plan.Expr { return plan.Fn("+", i8, a, b) }
	one := plan.Const(row.IntValue(i8, 1))
	two := plan.Fn("+", i8, one, one)
	cond := plan.Fn(plan.Greater, boolean, sum(), two)
	exprs := []*plan.Expr{
		sum(),
		plan.Fn("*", i8, sum(), sum()),
		{Kind: plan.Case, Type: i8, Args: []*plan.Expr{cond, plan.Fn("-", i8, sum(), two), sum()}},
	}
	p, err := (&Compiler{}).Compile(exprs, []row.Type{i8, i8})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if n := len(p.main.block.code); n != 4 { // +, *, > and CASE
		t.Errorf("%d instructions", n)
	}
	x := row.FromValues(i8, []int64{1, 2, -3}, nil)
	cols, errs, err := p.Eval(&row.Batch{Len: 3, Cols: []row.Vec{x, x}})
	if err != nil || len(errs) > 0 {
		t.Fatal(errs, err)
	}
	if got := row.Values[int64](&cols[2]); got[0] != 2 || got[1] != 2 || got[2] != -6 {
		t.Error(got)
	}
}

// TestArmsSeeOnlyTheirRows checks that a failure counts only where the arm is asked for, over masks and over gathered rows.
func TestArmsSeeOnlyTheirRows(t *testing.T) {
	i8, str := row.T(row.Int64), row.T(row.String)
	a := plan.Col(0, i8)
	big := plan.Const(row.IntValue(i8, 1<<62))
	cond := plan.Fn(plan.Less, row.T(row.Bool), a, plan.Const(row.IntValue(i8, 2)))
	cheapArm := plan.Fn("*", i8, a, big)
	costly := plan.Fn("strlen", i8, plan.Fn("repeat", str, plan.Const(row.StringValue("x")), plan.Fn("*", i8, a, big)))
	for _, arm := range []*plan.Expr{cheapArm, costly} {
		e := &plan.Expr{Kind: plan.Case, Type: i8, Args: []*plan.Expr{cond, arm, a}}
		p, err := (&Compiler{}).Compile([]*plan.Expr{e}, []row.Type{i8})
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		_, errs, err := p.Eval(&row.Batch{Len: 5, Cols: []row.Vec{row.FromValues(i8, []int64{7, -5, 9, 0, -6}, nil)}})
		if err != nil {
			t.Fatal(err)
		}
		if len(errs) != 2 || errs[0].Row != 1 || errs[1].Row != 4 {
			t.Errorf("%s: %v", arm.Name, errs)
		}
	}
}

// TestSharedParts compiles expressions whose parts occur exponentially often.
func TestSharedParts(t *testing.T) {
	i8 := row.T(row.Int64)
	sum, choice := plan.Col(0, i8), plan.Col(0, i8)
	for range 60 {
		sum = plan.Fn("+", i8, sum, sum)
		cond := plan.Fn(plan.Less, row.T(row.Bool), choice, plan.Const(row.IntValue(i8, 0)))
		choice = &plan.Expr{Kind: plan.Case, Type: i8, Args: []*plan.Expr{cond, plan.Fn("-", i8, choice), choice}}
	}
	c := &Compiler{}
	p, err := c.Compile([]*plan.Expr{sum, choice}, []row.Type{i8})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	cols, errs, err := p.Eval(&row.Batch{Len: 1, Cols: []row.Vec{row.FromValues(i8, []int64{-1}, nil)}})
	if err != nil || len(errs) > 0 || row.Values[int64](&cols[0])[0] != -1<<60 || row.Values[int64](&cols[1])[0] != 1 {
		t.Error(cols, errs, err)
	}
	if names := c.Fallbacks([]*plan.Expr{sum, choice}); names != nil {
		t.Error(names)
	}
	arms := plan.Col(0, i8)
	for range 60 {
		cond := plan.Fn(plan.Less, row.T(row.Bool), plan.Col(0, i8), plan.Const(row.IntValue(i8, 0)))
		arms = &plan.Expr{Kind: plan.Case, Type: i8, Args: []*plan.Expr{cond, plan.Fn("-", i8, arms), plan.Fn("abs", i8, arms)}}
	}
	if _, err := c.Compile([]*plan.Expr{arms}, []row.Type{i8}); err != errTooLarge {
		t.Error(err)
	}
}

func TestLikeAgainstRegexp(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	text := func(letters string, n int) string {
		runes, b := []rune(letters), strings.Builder{}
		for range rng.IntN(n) {
			b.WriteRune(runes[rng.IntN(len(runes))])
		}
		return b.String()
	}
	for range 20000 {
		s, p := text("aabé", 9), text("aabé%%_", 7)
		re := regexp.MustCompile(`(?s)\A` + strings.NewReplacer("%", ".*", "_", ".").Replace(p) + `\z`)
		if want := re.MatchString(s); like(s, p) != want {
			t.Fatalf("%q LIKE %q is not %t", s, p, want)
		}
	}
	if glob(strings.Repeat("a", 5000), strings.Repeat("*a", 200)+"b") {
		t.Error("glob")
	}
}

// FuzzExtract holds the reader of JSON against the standard library's: it must not break, nor take what is no JSON, and texts must be the same.
func FuzzExtract(f *testing.F) {
	for _, doc := range []string{`{"a":1}`, `{"a":"x\u00e9\ud83d\ude00\n"}`, `{"b":{"a":[1,2]},"a":true}`, `[{"a":null}]`, `{"a":1`, `{"a":01}`, `{"a":"\ud800"}`, ` {"a" : -5 } `} {
		f.Add(doc)
	}
	path := []jsonStep{{key: "a", index: -1}}
	f.Fuzz(func(t *testing.T, doc string) {
		got, result := extract(nil, doc, path, true, false)
		extract(nil, doc, path, false, true)
		if result == jsonHard {
			return
		}
		if !json.Valid([]byte(doc)) {
			t.Fatalf("%q is not JSON", doc)
		}
		var object map[string]json.RawMessage
		if json.Unmarshal([]byte(doc), &object) != nil || strings.Count(doc, `"a"`) != 1 || result != jsonFound {
			return
		}
		var text string
		if json.Unmarshal(object["a"], &text) == nil && object["a"][0] == '"' && text != string(got) && !strings.Contains(text, "\ufffd") {
			t.Fatalf("%q: %q, want %q", doc, got, text)
		}
	})
}
