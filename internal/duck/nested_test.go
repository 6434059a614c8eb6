package duck

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/tidemill/tidemill/internal/row"
)

// randomNested makes a type of at most that depth.
func randomNested(r *rand.Rand, depth int, leaves []row.Type) row.Type {
	if depth == 0 {
		return leaves[r.IntN(len(leaves))]
	}
	part := func() row.Type { return randomNested(r, r.IntN(depth), leaves) }
	switch r.IntN(6) {
	case 0:
		members := make([]row.Member, 1+r.IntN(3))
		for i := range members {
			members[i] = row.Member{Name: fmt.Sprintf("m%d \"x'", i), Type: part()}
		}
		return row.StructOf(members)
	case 1:
		return row.MapOf(part(), part())
	case 2:
		return row.ArrayOf(part(), 1+r.IntN(3))
	case 3:
		values := make([]string, 1+r.IntN(3)*200)
		for i := range values {
			values[i] = fmt.Sprintf("v'%d", i)
		}
		return row.EnumOf(values)
	}
	return row.ListOf(part())
}

// nestedValue makes a value whose leaves come from leaf.
func nestedValue(r *rand.Rand, t row.Type, leaf func(row.Type) row.Value) row.Value {
	part := func(t row.Type) row.Value {
		if r.IntN(6) == 0 {
			return row.NullValue(t)
		}
		return nestedValue(r, t, leaf)
	}
	switch t.Kind {
	case row.Enum:
		return row.EnumValue(t, r.IntN(len(t.EnumValues())))
	case row.List:
		parts := make([]row.Value, r.IntN(4))
		if n := t.ArraySize(); n > 0 {
			parts = make([]row.Value, n)
		}
		for i := range parts {
			parts[i] = part(t.Elem())
		}
		return row.ListValue(t, parts...)
	case row.Struct:
		parts := make([]row.Value, len(t.Members()))
		for i, m := range t.Members() {
			parts[i] = part(m.Type)
		}
		return row.StructValue(t, parts...)
	case row.Map:
		var keys, values []row.Value
		seen := map[string]bool{}
		for range r.IntN(4) {
			k := nestedValue(r, t.Members()[0].Type, leaf)
			one := k.Repeat(1)
			if key := string(row.AppendKey(nil, &one, 0)); !seen[key] {
				seen[key] = true
				keys, values = append(keys, k), append(values, part(t.Members()[1].Type))
			}
		}
		return row.MapValue(t, keys, values)
	}
	return leaf(t)
}

// Nested values of random types come through a table, an expression and a parameter as they were, and DuckDB agrees on their text,
// order and equality.
func TestNestedRoundTrip(t *testing.T) {
	r := rand.New(rand.NewPCG(11, 12))
	o, err := OpenOracle(OracleOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	e, err := OpenEvaluator()
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	small := []string{"", "a", "NULL", "a b", "x,y", "it's", "\\", "é\"", "{k=v}", " "}
	leaf := func(typ row.Type) row.Value {
		switch {
		case typ.Kind == row.String && r.IntN(2) == 0:
			return row.StringValue(small[r.IntN(len(small))])
		case typ.IsInteger() && typ.Kind != row.Int128:
			return row.IntValue(typ, int64(r.IntN(3)))
		}
		return randomValue(r, typ)
	}
	for range 60 {
		typ := row.Type{}
		for !typ.Nested() && typ.Kind != row.Enum {
			typ = randomNested(r, 3, allTypes())
		}
		b := row.NewBuilder(typ, 3000)
		n := 1 + r.IntN(4000)
		for range n {
			if r.IntN(7) == 0 {
				b.AppendNull()
			} else {
				b.AppendValue(nestedValue(r, typ, leaf))
			}
		}
		v := b.Finish()
		if err := o.Load("t", row.Schema{{Name: "v", Type: typ}}, []*row.Batch{{Len: n, Cols: []row.Vec{v}}}); err != nil {
			t.Fatalf("%s: %v", typ, err)
		}
		got := ask(t, o, "SELECT v, v::VARCHAR AS text FROM t")
		sameVec(t, typ.String(), &got.Cols[0], &v)
		for i := range n {
			if want := got.Cols[1].Str(i); !v.Null(i) && !strings.Contains(typ.String(), "INTERVAL") && string(row.AppendText(nil, &v, i)) != want {
				t.Fatalf("%s: the text is %q, want %q", typ, row.AppendText(nil, &v, i), want)
			}
		}
		f, err := e.Compile("$1", []row.Type{typ}, typ)
		if err != nil {
			t.Fatalf("%s: %v", typ, err)
		}
		same, err := f.Eval([]row.Vec{v}, n)
		f.Close()
		if err != nil {
			t.Fatalf("%s: %v", typ, err)
		}
		sameVec(t, typ.String(), &same, &v)
		if !strings.Contains(typ.String(), "JSON") {
			sameOrder(t, o, &v)
		}
		for i := range min(n, 5) {
			if v.Null(i) {
				continue
			}
			rows, err := o.Query(t.Context(), "SELECT $1::"+typ.String(), v.Value(i))
			if err != nil {
				t.Fatalf("%s as a parameter: %v", typ, err)
			}
			back, err := readAll(rows)
			if err != nil || !row.Equal(&back.Cols[0], 0, &v, i) {
				t.Fatalf("%s as a parameter: %v %v", typ, back, err)
			}
		}
	}
}

// sameOrder compares neighbors of the column v of the table t.
func sameOrder(t *testing.T, o *Oracle, v *row.Vec) {
	t.Helper()
	got := ask(t, o, "SELECT v < w, v = w, v > w FROM (SELECT v, lead(v) OVER (ORDER BY i) AS w, i FROM (SELECT v, row_number() OVER () AS i FROM t)) ORDER BY i")
	for i := range v.Len - 1 {
		if v.Null(i) || v.Null(i+1) {
			continue
		}
		c := row.Compare(v, i, v, i+1)
		for k, want := range []bool{c < 0, c == 0, c > 0} {
			if got.Cols[k].Value(i).I != 0 != want {
				t.Fatalf("%s: %s and %s compare as %d", v.Type, v.Value(i).Text(), v.Value(i+1).Text(), c)
			}
		}
	}
}
