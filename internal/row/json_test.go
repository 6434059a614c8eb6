package row

import (
	"encoding/base64"
	"encoding/json"
	"math/big"
	"math/rand/v2"
	"strings"
	"testing"
	"unicode/utf8"
)

func jsonOf(v Value) string {
	one := v.Repeat(1)
	return string(AppendJSON(nil, &one, 0))
}

func TestAppendJSON(t *testing.T) {
	parsed := func(t Type, s string) Value {
		v, err := ParseValue(t, s)
		if err != nil {
			panic(err)
		}
		return v
	}
	for _, c := range []struct {
		typ        Type
		text, want string
	}{
		{T(Bool), "t", "true"},
		{T(Int64), "-9223372036854775808", "-9223372036854775808"},
		{T(Uint64), "18446744073709551615", "18446744073709551615"},
		{T(Int128), "170141183460469231731687303715884105727", "170141183460469231731687303715884105727"},
		{DecimalType(2, 2), "-.05", "-0.05"},
		{DecimalType(2, 2), ".5", "0.50"},
		{DecimalType(38, 10), "1234567890123456789.5", "1234567890123456789.5000000000"},
		{T(Float64), "1e21", "1e+21"},
		{T(Float64), "1e20", "100000000000000000000"},
		{T(Float64), "-0.5", "-0.5"},
		{T(Float64), "nan", `"NaN"`},
		{T(Float64), "inf", `"Infinity"`},
		{T(Float64), "-inf", `"-Infinity"`},
		{T(Float32), "0.1", "0.1"},
		{T(Date), "2020-01-01", `"2020-01-01"`},
		{T(Date), "2020-01-01 (BC)", `"-002019-01-01"`},
		{T(Date), "12345-01-01", `"+012345-01-01"`},
		{T(Date), "infinity", `"infinity"`},
		{T(Time), "01:02:03.5", `"01:02:03.5"`},
		{T(Timestamp), "2020-01-01 01:02:03", `"2020-01-01T01:02:03"`},
		{T(Timestamp), "2020-01-01 01:02:03.12", `"2020-01-01T01:02:03.120"`},
		{T(Timestamp), "1969-12-31 23:59:59.999999", `"1969-12-31T23:59:59.999999"`},
		{T(TimestampTZ), "2020-01-01 01:02:03.123+01", `"2020-01-01T00:02:03.123Z"`},
		{T(TimestampTZ), "-infinity", `"-infinity"`},
		{T(Interval), "1 day 2 hours", `"1 day 02:00:00"`},
		{T(UUID), "47183823257447bfdb41199ed177d3e4", `"47183823-2574-47bf-db41-199ed177d3e4"`},
		{T(Blob), "\\x00\\xFFa", `"AP9h"`},
		{T(String), "a\"b\\c\n\t\r\x01\u2028é", `"a\"b\\c\n\t\r\u0001\u2028é"`},
		{T(JSON), `{"a": [1, null]}`, `{"a": [1, null]}`},
		{T(JSON), `[1,]`, `"[1,]"`},
		{T(JSON), `NaN`, `"NaN"`},
		{Type{Kind: Other, Name: "INTEGER[]"}, `[1,2]`, `[1,2]`},
		{Type{Kind: Other, Name: "X"}, `1 2`, `"1 2"`},
	} {
		if got := jsonOf(parsed(c.typ, c.text)); got != c.want {
			t.Errorf("%s %q is %s, want %s", c.typ, c.text, got, c.want)
		}
	}
	if got := jsonOf(NullValue(T(String))); got != "null" {
		t.Errorf("null is %s", got)
	}
	if got := jsonOf(StringValue("a\xffb")); got != `"a\ufffdb"` {
		t.Errorf("text that is not UTF-8 is %s", got)
	}
}

// Whatever the values, rows are JSON, and what JSON can hold comes back.
func TestRowJSONIsValid(t *testing.T) {
	r := rand.New(rand.NewPCG(51, 52))
	s := schemaOf(allTypes)
	s[0].Name = "quote\" and \\"
	e := NewRowEncoder(s)
	for range 50 {
		b := randomBatch(r, allTypes, 20)
		for i := range b.Len {
			object := e.AppendRow(nil, b, i)
			d := json.NewDecoder(strings.NewReader(string(object)))
			d.UseNumber()
			var m map[string]any
			if err := d.Decode(&m); err != nil {
				t.Fatalf("%v in %s", err, object)
			}
			if len(m) != len(s) || !utf8.Valid(object) {
				t.Fatalf("%d members in %s", len(m), object)
			}
			if string(AppendRowJSON(nil, s, b, i)) != string(object) {
				t.Fatal("the two object forms differ")
			}
			var array []json.RawMessage
			if err := json.Unmarshal(AppendRowArrayJSON(nil, b, i), &array); err != nil || len(array) != len(s) {
				t.Fatalf("%d elements, %v", len(array), err)
			}
			for c := range s {
				checkMember(t, b.Cols[c].Value(i), m[s[c].Name])
			}
		}
	}
}

func checkMember(t *testing.T, v Value, got any) {
	t.Helper()
	switch {
	case v.Null:
		if got != nil {
			t.Fatalf("null is %v", got)
		}
	case v.Type.IsInteger():
		n, ok := new(big.Int).SetString(got.(json.Number).String(), 10)
		if !ok || n.String() != v.Text() {
			t.Fatalf("%s is %v", v.Text(), got)
		}
	case v.Type.Kind == String:
		if got != v.S {
			t.Fatalf("%q is %q", v.S, got)
		}
	case v.Type.Kind == Blob:
		if raw, err := base64.StdEncoding.DecodeString(got.(string)); err != nil || string(raw) != v.S {
			t.Fatalf("%q is %q", v.S, got)
		}
	case v.Type.Kind == Float64 && v.F-v.F == 0:
		if f, err := got.(json.Number).Float64(); err != nil || f != v.F {
			t.Fatalf("%v is %v", v.F, got)
		}
	}
}

func FuzzJSON(f *testing.F) {
	for _, s := range []string{`{"a":[1,2.5e3,"x\u00e9"],"b":null}`, `[1,]`, `"\ud800\udc00"`, `-0`, `nan`, ` true `, `{"a":{}}`, "\"\xff\""} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, s []byte) {
		strict := validJSON(s)
		if want := json.Valid(s) && utf8.Valid(s); strict && !want {
			t.Fatalf("%q is not JSON", s)
		} else if !strict && want && !strings.Contains(strings.ToLower(string(s)), `\ud`) {
			t.Fatalf("%q is JSON", s) // encoding/json takes lone surrogates
		}
		if _, lenient := scanJSON(s, jsonDuckDB); strict && !lenient {
			t.Fatalf("%q is JSON but not DuckDB's", s)
		}
	})
}
