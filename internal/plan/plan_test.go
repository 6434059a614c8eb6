package plan

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tidemill/tidemill/internal/fault"
	"github.com/tidemill/tidemill/internal/row"
)

var (
	bigint  = row.T(row.Int64)
	text    = row.T(row.String)
	boolean = row.T(row.Bool)
)

func scan(relation string, columns ...string) *Get {
	g := &Get{Relation: relation}
	for i, c := range columns {
		g.Columns = append(g.Columns, i)
		g.Schema = append(g.Schema, row.Column{Name: c, Type: bigint})
	}
	return g
}

func equal(a, b *Expr) *Expr { return Fn(Equals, boolean, a, b) }

func TestDecodeRejects(t *testing.T) {
	for _, c := range []struct{ name, json, want string }{
		{"nothing", "", "BIT or BIGNUM"},
		{"blanks", " \n", "BIT or BIGNUM"},
		{"no JSON", "{", "unexpected EOF"},
		{"text behind", `{"type":"LOGICAL_DUMMY_SCAN"} {}`, "behind the plan"},
		{"a list", `[]`, "is no object"},
		{"an error", `{"error":true,"error_message":"no such table"}`, "no such table"},
		{"no plan", `{"error":false,"plans":[]}`, "0 plans"},
		{"two plans", `{"plans":[{},{}]}`, "2 plans"},
		{"column out of range", `{"type":"LOGICAL_PROJECTION","children":[{"type":"LOGICAL_DUMMY_SCAN"}],"expressions":[{"expression_class":"BOUND_REF","return_type":{"id":"INTEGER"},"index":1}]}`, "column 1 of 1"},
		{"no input", `{"type":"LOGICAL_PROJECTION","children":[],"expressions":[]}`, "0 inputs"},
		{"wrong constant", `{"type":"LOGICAL_PROJECTION","children":[{"type":"LOGICAL_DUMMY_SCAN"}],"expressions":[{"expression_class":"BOUND_CONSTANT","value":{"type":{"id":"BIGINT"},"is_null":false,"value":"x"}}]}`, "no integer"},
		{"unknown reference", `{"type":"LOGICAL_CTE_REF","cte_index":3,"chunk_types":[]}`, "not in scope"},
	} {
		t.Run(c.name, func(t *testing.T) {
			n, err := Decode([]byte(c.json))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, %v; want an error with %q", n, err, c.want)
			}
		})
	}
}

func TestDecodeIsBounded(t *testing.T) {
	deep := strings.Repeat(`{"type":"LOGICAL_DISTINCT","children":[`, 4000) + `{"type":"LOGICAL_DUMMY_SCAN"}` + strings.Repeat("]}", 4000)
	_, err := Decode([]byte(deep))
	var f *fault.Error
	if !errors.As(err, &f) || f.Code != fault.StatementTooComplex || f.Hint == "" {
		t.Errorf("got %v", err)
	}
}

func TestDecodeNonFinite(t *testing.T) {
	const project = `{"type":"LOGICAL_PROJECTION","children":[{"type":"LOGICAL_DUMMY_SCAN"}],"expressions":[%s]}`
	const constant = `{"expression_class":"BOUND_CONSTANT","value":{"type":{"id":"%s"},"is_null":false,"value":%s}}`
	var exprs []string
	for _, c := range [][2]string{{"DOUBLE", "NaN"}, {"DOUBLE", "-Infinity"}, {"FLOAT", "Infinity"}, {"DOUBLE", `"NaN"`}, {"VARCHAR", `"NaN \" Infinity"`}} {
		exprs = append(exprs, fmt.Sprintf(constant, c[0], c[1]))
	}
	n, err := Decode([]byte(fmt.Sprintf(project, strings.Join(exprs, ","))))
	if err != nil {
		t.Fatal(err)
	}
	want := `Project nan, -inf, inf, nan, 'NaN " Infinity'` + "\n  Values (NULL)\n"
	if got := Explain(n); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// TestManyReaders walks a plan in which every node is read twice, so that it has 2^60 paths.
func TestManyReaders(t *testing.T) {
	done := make(chan string, 1)
	go func() {
		var n Node = &Project{Input: scan("a", "x"), Exprs: []*Expr{Fn("hash", bigint, Col(0, bigint))}}
		for range 60 {
			n = &Aggregate{
				Input:  &Union{Branches: []Node{n, &Filter{Input: n, Predicates: []*Expr{equal(Col(0, bigint), Col(0, bigint))}}}},
				Groups: []*Expr{Col(0, bigint)}, Calls: []AggregateCall{{Name: "count_star", Type: bigint}},
			}
			n = &Project{Input: n, Exprs: []*Expr{Fn("+", bigint, Col(0, bigint), Col(1, bigint))}}
		}
		n = Optimize(n)
		UniqueKey(n, nil)
		AppendOnly(n, func(string) bool { return true })
		if err := Check(n); err != nil {
			t.Error(err)
		}
		done <- Fingerprint(n) + Explain(n)
	}()
	select {
	case s := <-done:
		if len(s) > 1<<20 {
			t.Errorf("%d bytes", len(s))
		}
	case <-time.After(30 * time.Second):
		t.Fatal("a plan with shared parts is walked along every path")
	}
}

func TestFingerprint(t *testing.T) {
	filter := func(es ...*Expr) Node { return &Filter{Input: scan("a", "x", "y"), Predicates: es} }
	one, two := Const(row.IntValue(bigint, 1)), Const(row.IntValue(bigint, 2))
	x, y := equal(Col(0, bigint), one), equal(Col(1, bigint), two)
	shared := scan("a", "x")
	same := [][2]Node{
		{filter(x, y), filter(y, x)},
		{&Union{Branches: []Node{shared, shared}}, &Union{Branches: []Node{scan("a", "x"), scan("a", "x")}}},
	}
	for i, p := range same {
		if a, b := Fingerprint(p[0]), Fingerprint(p[1]); a != b {
			t.Errorf("%d: %s is not %s", i, a, b)
		}
	}
	different := []Node{
		filter(x), filter(y), filter(x, y), filter(Fn(Less, boolean, Col(0, bigint), one)), filter(equal(Col(0, bigint), Const(row.StringValue("1")))),
		scan("a", "x"), scan("b", "x"), &Distinct{Input: shared}, &Sort{Input: shared, Keys: []SortKey{{Expr: Col(0, bigint)}}}, &Limit{Input: shared, Count: 1}, &Limit{Input: shared, Count: 2},
		&Project{Input: shared, Exprs: []*Expr{{Kind: Cast, Type: text, Args: []*Expr{Col(0, bigint)}}}},
		&Project{Input: shared, Exprs: []*Expr{{Kind: Cast, Type: text, Args: []*Expr{Col(0, bigint)}, Try: true}}},
		&Join{Kind: Inner, Left: shared, Right: shared, Keys: []JoinKey{{Left: Col(0, bigint), Right: Col(0, bigint)}}},
		&Join{Kind: Inner, Left: shared, Right: shared, Keys: []JoinKey{{Left: Col(0, bigint), Right: Col(0, bigint), NullsEqual: true}}},
		&Join{Kind: Left, Left: shared, Right: shared, Keys: []JoinKey{{Left: Col(0, bigint), Right: Col(0, bigint)}}},
		&Aggregate{Input: shared, Calls: []AggregateCall{{Name: "sum", Args: []*Expr{Col(0, bigint)}, Type: bigint}}},
		&Aggregate{Input: shared, Calls: []AggregateCall{{Name: "sum", Args: []*Expr{Col(0, bigint)}, Type: bigint, Distinct: true}}},
		&Aggregate{Input: shared, Calls: []AggregateCall{{Name: "sum", Args: []*Expr{Col(0, bigint)}, Type: bigint, Filter: equal(Col(0, bigint), one)}}},
		&Aggregate{Input: shared, Groups: []*Expr{Col(0, bigint)}}, &Aggregate{Input: shared, Groups: []*Expr{Col(0, bigint)}, Sets: [][]int{{}, {0}}},
		&Values{Width: []row.Type{bigint}}, &Values{Width: []row.Type{bigint}, Rows: [][]*Expr{{one}}}, &Values{Width: []row.Type{bigint}, Rows: [][]*Expr{{two}}},
		&Union{Branches: []Node{shared, shared}}, &Union{Branches: []Node{shared, scan("b", "x")}},
		&Unsupported{What: "w", Width: []row.Type{bigint}},
	}
	seen := map[string]int{}
	for i, n := range different {
		f := Fingerprint(n)
		if j, ok := seen[f]; ok {
			t.Errorf("%d and %d have the same fingerprint %s", i, j, f)
		}
		seen[f] = i
	}
}

func TestUniqueKey(t *testing.T) {
	keys := func(r string) []string { return map[string][]string{"t": {"id"}, "u": {"p", "q"}}[r] }
	key := func(l, r int) []JoinKey { return []JoinKey{{Left: Col(l, bigint), Right: Col(r, bigint)}} }
	tt, u, a := scan("t", "id", "x"), scan("u", "p", "q"), scan("a", "k", "v")
	count := []AggregateCall{{Name: "count_star", Type: bigint}}
	for i, c := range []struct {
		n    Node
		want string
	}{
		{tt, "[0]"}, {u, "[0 1]"}, {a, "<nil>"}, {scan("t", "x"), "<nil>"},
		{&Filter{Input: tt}, "[0]"}, {&Sort{Input: tt}, "[0]"}, {&Limit{Input: tt}, "[0]"},
		{selectColumns(tt, []int{1, 0}), "[1]"}, {selectColumns(tt, []int{1}), "<nil>"}, {selectColumns(u, []int{1}), "<nil>"},
		{&Distinct{Input: a}, "[0 1]"}, {&Distinct{Input: tt}, "[0]"},
		{&Aggregate{Input: a, Calls: count}, "[]"}, {&Aggregate{Input: a, Groups: []*Expr{Col(1, bigint)}, Calls: count}, "[0]"},
		{&Aggregate{Input: tt, Groups: []*Expr{Col(1, bigint), Col(0, bigint)}, Calls: count}, "[1]"},
		{&Aggregate{Input: a, Groups: []*Expr{Col(1, bigint)}, Sets: [][]int{{0}, {}}}, "<nil>"},
		{&Values{Width: []row.Type{bigint}}, "[]"}, {&Union{Branches: []Node{tt, tt}}, "<nil>"}, {&Unsupported{}, "<nil>"},
		{&Join{Kind: Inner, Left: a, Right: tt, Keys: key(0, 0)}, "<nil>"}, // a has none
		{&Join{Kind: Inner, Left: u, Right: tt, Keys: key(0, 0)}, "[0 1]"},
		{&Join{Kind: Inner, Left: tt, Right: u, Keys: key(0, 0)}, "[2 3]"},
		{&Join{Kind: Inner, Left: tt, Right: u, Keys: key(1, 1)}, "[0 2 3]"},
		{&Join{Kind: Inner, Left: tt, Right: scan("t", "id", "x"), Keys: key(1, 1)}, "[0 2]"},
		{&Join{Kind: Left, Left: tt, Right: u, Keys: key(0, 0)}, "[0 2 3]"}, {&Join{Kind: Left, Left: u, Right: tt, Keys: key(0, 0)}, "[0 1]"},
		{&Join{Kind: Full, Left: tt, Right: tt, Keys: key(0, 0)}, "<nil>"}, {&Join{Kind: Semi, Left: tt, Right: a, Keys: key(0, 0)}, "[0]"},
		{&Join{Kind: Cross, Left: tt, Right: u}, "[0 2 3]"},
		{selectColumns(&Join{Kind: Inner, Left: u, Right: tt, Keys: key(0, 0)}, []int{2, 1}), "[0 1]"},
	} {
		got := "<nil>"
		if k := UniqueKey(c.n, keys); k != nil {
			got = fmt.Sprint(k)
		}
		if got != c.want {
			t.Errorf("%d: %s\ngot %s, want %s", i, Explain(c.n), got, c.want)
		}
	}
}

func TestAppendOnly(t *testing.T) {
	streams := func(r string) bool { return r == "a" || r == "b" }
	a, b, tt := scan("a", "x"), scan("b", "x"), scan("t", "x")
	key := []JoinKey{{Left: Col(0, bigint), Right: Col(0, bigint)}}
	for i, c := range []struct {
		n    Node
		want bool
	}{
		{a, true}, {tt, false}, {&Filter{Input: a}, true}, {&Union{Branches: []Node{a, b}}, true}, {&Union{Branches: []Node{a, tt}}, false},
		{&Distinct{Input: a}, true}, {&Aggregate{Input: a}, false}, {&Limit{Input: a}, false}, {&Values{}, true},
		{&Join{Kind: Inner, Left: a, Right: b, Keys: key}, true}, {&Join{Kind: Inner, Left: a, Right: tt, Keys: key}, false},
		{&Join{Kind: Left, Left: a, Right: b, Keys: key}, false}, {&Join{Kind: Anti, Left: a, Right: b, Keys: key}, false}, {&Unsupported{}, false},
	} {
		if got := AppendOnly(c.n, streams); got != c.want {
			t.Errorf("%d: %s: got %v", i, Explain(c.n), got)
		}
	}
}

func TestFill(t *testing.T) {
	got := fill(`f($1, '$1 ''$2', "a$1", $2, $3, $, '$2`, []string{"x", "$1"})
	if want := `f(x, '$1 ''$2', "a$1", $1, $3, $, '$2`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestUint128Text(t *testing.T) {
	for _, c := range []struct {
		hi, lo uint64
		want   string
	}{
		{0, 0, "0"}, {0, 12, "12"}, {1, 0, "18446744073709551616"},
		{1<<64 - 1, 1<<64 - 1, "340282366920938463463374607431768211455"}, {1 << 63, 0, "170141183460469231731687303715884105728"},
	} {
		if got := uint128Text(c.hi, c.lo); got != c.want {
			t.Errorf("got %s, want %s", got, c.want)
		}
	}
}

func TestRewritesAreDescribed(t *testing.T) {
	names := map[string]bool{}
	for _, r := range Rewrites() {
		if r.Name == "" || r.Doc == "" || r.Apply == nil || names[r.Name] {
			t.Errorf("%+v", r)
		}
		names[r.Name] = true
	}
}
