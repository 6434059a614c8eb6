package row

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"runtime"
	"testing"
)

var nestedTypes = []Type{
	ListOf(T(Int32)), ListOf(ListOf(T(String))), ArrayOf(T(Float64), 2), ListOf(T(Interval)), ListOf(T(Float32)),
	StructOf([]Member{{"a", T(Int16)}, {"b \"c", ListOf(T(Blob))}}), StructOf([]Member{{"", T(Bool)}, {"", T(Interval)}}),
	MapOf(T(String), T(Float32)), ListOf(StructOf([]Member{{"k", MapOf(T(UUID), ListOf(EnumOf([]string{"x", "y"})))}, {"d", DecimalType(38, 2)}, {"j", T(JSON)}, {"h", T(Int128)}})),
}

func TestParseNestedType(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"integer [ ]", "INTEGER[]"},
		{" struct(a int, B varchar[], \"x y\"\"z\" map(int, decimal(4, 1)))", `STRUCT("a" INTEGER, "B" VARCHAR[], "x y""z" MAP(INTEGER, DECIMAL(4,1)))`},
		{"enum('a', 'b''c', ',')", "ENUM('a', 'b''c', ',')"},
		{"timestamp with time zone[3][]", "TIMESTAMP WITH TIME ZONE[3][]"},
		{"ROW(INTEGER, STRUCT(\"a\" DATE))", `ROW(INTEGER, STRUCT("a" DATE))`},
		{"row(a int)", `STRUCT("a" INTEGER)`},
		{"MAP(VARCHAR, ENUM('x')[])", "MAP(VARCHAR, ENUM('x')[])"},
	} {
		got, ok := ParseType(c.in)
		again, ok2 := ParseType(got.String())
		if !ok || !ok2 || got.String() != c.want || got != again {
			t.Errorf("%q is %s (%v), want %s", c.in, got, ok, c.want)
		}
	}
	for _, bad := range []string{"BIT[]", "STRUCT(a BIT)", "STRUCT()", "STRUCT(a)", "STRUCT(a INT, A INT)", "MAP(INT)", "ENUM()", "ENUM('a','a')", "ENUM(a)", "INT[0]", "INT[-1]", "]", "[]", "STRUCT(a INT", "UNION(a INT)", "ROW(a INT, INT)"} {
		if got, ok := ParseType(bad); ok || got.Kind != Other {
			t.Errorf("%q is %s", bad, got)
		}
	}
	deep := "INT"
	for range 10_000 {
		deep += "[]"
	}
	if _, ok := ParseType(deep); ok {
		t.Error("a type is nested without a bound")
	}
}

// Types are what they were after a detour over JSON, and equal ones are equal also when nothing has held on to them for a while.
func TestTypeIdentity(t *testing.T) {
	for _, typ := range allTypes {
		b, err := json.Marshal(Column{Name: "x", Type: typ})
		var back Column
		if err == nil {
			err = json.Unmarshal(b, &back)
		}
		if err != nil || back.Type != typ {
			t.Errorf("%s comes back as %s: %v", typ, back.Type, err)
		}
	}
	if ListOf(T(Int8)) == ListOf(T(Int16)) || ArrayOf(T(Int8), 2) == ListOf(T(Int8)) {
		t.Error("different types are equal")
	}
	for range 3 {
		a := StructOf([]Member{{"only here", T(Int8)}})
		runtime.GC()
		if a != StructOf([]Member{{"only here", T(Int8)}}) {
			t.Error("a type differs from itself")
		}
		runtime.GC()
	}
	var old Type
	if err := json.Unmarshal([]byte(`{"Kind":25,"Width":0,"Scale":0,"Name":"INT"}`), &old); err == nil {
		t.Error("a list without elements was read")
	}
}

// A column taken apart and put together again is the same, by parts and by elements.
func TestUnlist(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 7))
	for _, typ := range nestedTypes {
		v := randomVec(r, typ, 500)
		var back Vec
		var err error
		if typ.Kind == Struct {
			back, err = StructVec(typ, v.Unstruct(), v.Len, v.Valid)
		} else {
			offsets, elements := v.Unlist()
			back, err = ListVec(typ, offsets[:v.Len], offsets[1:], &elements, v.Valid)
		}
		if err != nil {
			t.Fatal(err)
		}
		b := NewBuilder(typ, v.Len)
		for i := range v.Len {
			if err := CheckNested(typ, v.Bytes(i)); !v.Null(i) && err != nil {
				t.Fatalf("%s: %v", typ, err)
			}
			if !Equal(&v, i, &back, i) {
				t.Fatalf("%s %q became %q", typ, v.Value(i).Text(), back.Value(i).Text())
			}
			if v.Null(i) {
				b.AppendNull()
				continue
			}
			switch elements := v.Value(i).Elements(); typ.Kind {
			case List:
				b.AppendValue(ListValue(typ, elements...))
			case Struct:
				b.AppendValue(StructValue(typ, elements...))
			default:
				var keys, values []Value
				for _, e := range elements {
					kv := e.Elements()
					keys, values = append(keys, kv[0]), append(values, kv[1])
				}
				b.AppendValue(MapValue(typ, keys, values))
			}
		}
		again := b.Finish()
		for i := range v.Len {
			if !Equal(&v, i, &again, i) {
				t.Fatalf("%s %q became %q", typ, v.Value(i).Text(), again.Value(i).Text())
			}
		}
	}
}

func TestNestedText(t *testing.T) {
	intList, texts := ListOf(T(Int32)), ListOf(T(String))
	object := StructOf([]Member{{"a", T(Int32)}, {"b", texts}})
	table := MapOf(T(String), object)
	for _, c := range []struct {
		t              Type
		in, text, json string
	}{
		{intList, "[1, NULL ,3]", "[1, NULL, 3]", "[1,null,3]"},
		{intList, "{4,NULL}", "[4, NULL]", "[4,null]"},
		{intList, " [] ", "[]", "[]"},
		{intList, "[1,2.0]", "[1, 2]", "[1,2]"},
		{texts, `["a\nb", "", "null", null, "é"]`, "[a\nb, '', 'null', NULL, é]", `["a\nb","","null",null,"é"]`},
		{texts, `[a b, 'c\'d', "x,y"]`, `[a b, 'c\'d', 'x,y']`, `["a b","c'd","x,y"]`},
		{object, `{"b": ["x"], "A": 5}`, `{'a': 5, 'b': [x]}`, `{"a":5,"b":["x"]}`},
		{object, `{b: [x]}`, `{'a': NULL, 'b': [x]}`, `{"a":null,"b":["x"]}`},
		{object, `(7, NULL)`, `{'a': 7, 'b': NULL}`, `{"a":7,"b":null}`},
		{table, `{"k=1": {"a": 1}, "l": null}`, `{'k=1'={'a': 1, 'b': NULL}, l=NULL}`, `{"k=1":{"a":1,"b":null},"l":null}`},
		{table, `{k={'a': 1}}`, `{k={'a': 1, 'b': NULL}}`, `{"k":{"a":1,"b":null}}`},
		{table, `[{"value": {"a": 2}, "key": "k"}]`, `{k={'a': 2, 'b': NULL}}`, `{"k":{"a":2,"b":null}}`},
		{ListOf(EnumOf([]string{"x", "y z"})), `["y z", "x"]`, `[y z, x]`, `["y z","x"]`},
		{StructOf([]Member{{"", T(Bool)}, {"", T(Date)}}), `[true, "2024-01-02"]`, `(true, 2024-01-02)`, `[true,"2024-01-02"]`},
	} {
		v, err := ParseValue(c.t, c.in)
		if err != nil {
			t.Errorf("%s %q: %v", c.t, c.in, err)
			continue
		}
		one := v.Repeat(1)
		if text, js := v.Text(), string(AppendJSON(nil, &one, 0)); text != c.text || js != c.json {
			t.Errorf("%s %q is %q and %q, want %q and %q", c.t, c.in, text, js, c.text, c.json)
		}
	}
}

func TestNestedJSONErrors(t *testing.T) {
	typ := StructOf([]Member{{"a", ListOf(StructOf([]Member{{"n", T(Int8)}, {"at", T(Timestamp)}}))}, {"m", MapOf(T(Int32), T(Bool))}, {"p", ArrayOf(T(Float64), 2)}})
	for in, want := range map[string]string{
		`{"a": [{"n": 1}, {"n": 300}]}`:  `at .a[2].n: Could not convert string '300' to INT8`,
		`{"a": [{"n": 1.5}]}`:            `at .a[1].n: 1.5 is not a whole number`,
		`{"a": 5}`:                       `at .a: 5 is not a value of STRUCT("n" TINYINT, "at" TIMESTAMP)[]`,
		`{"a": [{"x": 1}]}`:              `at .a[1].x: STRUCT("n" TINYINT, "at" TIMESTAMP) has no member of this name`,
		`{"a": [{"at": 1}]}`:             `at .a[1].at: 1 is not a value of TIMESTAMP`,
		`{"m": {"x": true}}`:             `at .m.x: Could not convert string 'x' to INT32`,
		`{"m": {"1": true, "01": true}}`: `at .m.01: the key is there twice`,
		`{"m": [{"value": true}]}`:       `at .m[1]: the key is null or there twice`,
		`{"p": [1]}`:                     `at .p: 1 elements, not 2`,
		`{"a": [], "A": []}`:             `at .A: it is there twice`,
		`[1]`:                            `[1] is not a value of ` + typ.String(),
		`{"a": [}`:                       `Malformed JSON`,
		`null`:                           `null is no value`,
	} {
		b := NewBuilder(typ, 1)
		if err := b.AppendJSONValue([]byte(in)); err == nil || err.Error() != want || b.Len() != 0 {
			t.Errorf("%s: %v, want %s", in, err, want)
		}
	}
}

func TestCastNested(t *testing.T) {
	f := func(from Type, in string, to Type, want string) {
		t.Helper()
		v, err := ParseValue(from, in)
		if err != nil {
			t.Fatal(err)
		}
		one := v.Repeat(1)
		out, bad := CastVec(&one, to)
		got := out.Value(0)
		if text := got.Text(); text != want || (len(bad) > 0) != got.Null {
			t.Errorf("%s as %s is %s %v, want %s", in, to, text, bad, want)
		}
	}
	f(ListOf(T(Int32)), "[1, NULL]", ListOf(T(String)), "[1, NULL]")
	f(ListOf(T(Int32)), "[1, 300]", ListOf(T(Int8)), "NULL")
	f(ListOf(T(Int32)), "[1, 2]", ArrayOf(T(Int32), 3), "NULL")
	f(ArrayOf(T(Int32), 2), "[1, 2]", ListOf(T(Float64)), "[1.0, 2.0]")
	f(StructOf([]Member{{"a", T(Int32)}, {"b", T(String)}}), "{'a': 1, 'b': x}", StructOf([]Member{{"B", T(String)}, {"c", T(Int8)}}), "{'B': x, 'c': NULL}")
	f(MapOf(T(String), T(Int32)), "{1=2}", MapOf(T(Int8), T(String)), "{1=2}")
	f(MapOf(T(String), T(Int32)), "{1=2, 01=3}", MapOf(T(Int8), T(String)), "NULL")
	f(ListOf(T(Int32)), "[1]", T(String), "[1]")
	f(T(JSON), `{"x": [1]}`, MapOf(T(String), ListOf(T(Int32))), "{x=[1]}")
}

// FuzzNested takes bytes as values of nested types: what the check lets pass is read without a panic, and its JSON and its parts make the same value.
func FuzzNested(f *testing.F) {
	r := rand.New(rand.NewPCG(5, 9))
	for i, typ := range nestedTypes {
		for range 4 {
			if v := randomValue(r, typ); !v.Null {
				f.Add(i, []byte(v.S))
			}
		}
	}
	f.Fuzz(func(t *testing.T, i int, b []byte) {
		typ := nestedTypes[uint(i)%uint(len(nestedTypes))]
		if n := skipValue(typ, b); n > len(b) {
			t.Fatal("a value is longer than its bytes")
		}
		build := NewBuilder(typ, 1)
		if build.AppendJSONValue(b) == nil {
			made := build.Finish()
			if err := CheckNested(typ, made.Bytes(0)); err != nil {
				t.Fatalf("%q made a value that is none: %v", b, err)
			}
		}
		if build.AppendParsed(b) == nil {
			made := build.Finish()
			if err := CheckNested(typ, made.Bytes(0)); err != nil {
				t.Fatalf("%q made a value that is none: %v", b, err)
			}
		}
		if CheckNested(typ, b) != nil {
			return
		}
		v := Value{Type: typ, S: string(b)}
		one := v.Repeat(1)
		if !json.Valid(AppendJSON(nil, &one, 0)) {
			t.Fatalf("%q is written as %q", b, AppendJSON(nil, &one, 0))
		}
		key := AppendKey(nil, &one, 0)
		back, err := DecodeKey([]Type{typ}, key)
		if err != nil || back[0].S != v.S {
			t.Fatalf("%q reads back as %v: %v", b, back, err)
		}
		if len(v.Elements()) == 0 && typ.Kind == Struct {
			t.Fatal("a struct without members")
		}
		for range v.Text() {
		}
		if rest, err := build.AppendElementOf(key); err != nil || len(rest) > 0 || !bytes.Equal(build.data, b) {
			t.Fatalf("%q is appended as %q: %v", b, build.data, err)
		}
	})
}
