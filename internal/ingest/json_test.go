package ingest

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tidemill/tidemill/internal/row"
)

func TestJSON(t *testing.T) {
	f := func(body, want string) {
		t.Helper()
		format := &Format{ContentType: typeJSON, Columns: testColumns, EventBytesMax: 100}
		if got := show(format, decode(t, format, body)); got != want {
			t.Errorf("%s:\ngot  %s\nwant %s", body, got, want)
		}
	}
	f(`{"name":"a","n":1,"doc":{"x":[1, 2]}}`, `0["a",1,{"x":[1, 2]}]`)
	f(" \n{ \"n\" : 1 , \"name\" : \"a\" } \n", `0["a",1,null]`)
	f(`[]`, ``)
	f(` [ ] `, ``)
	f(`[{"name":"a"} , {"name":"b","n":2}]`, "0[\"a\",null,null]\n1[\"b\",2,null]")
	f(`{"NAME":"a","N":1}`, `0["a",1,null]`)
	f(`{"n\u0061me":"a"}`, `0["a",null,null]`)
	f(`{"name":"a","name":"b"}`, `0 duplicate_column name`)
	f(`{"name":"a","NAME":"b"}`, `0 duplicate_column name`)
	f(`{"name":"a","n\u0061me":"b"}`, `0 duplicate_column name`)
	f(`{"name":"a","x":1}`, `0 unknown_column x`)
	f(`{"name":"a","\u0078\n":{}}`, "0 unknown_column x")
	f(`{}`, `0 missing_column name`)
	f(`{"name":null}`, `0 null_not_allowed name`)
	f(`{"name":"a","n":"x"}`, `0 type_mismatch n`)
	f(`{"name":"a\u0000"}`, `0 malformed name`)
	f("{\"name\":\"a\x00\"}", `0 malformed`)
	f("{\"name\":\"a\xff\"}", `0 malformed name`)
	f("{\"name\":\"a\",\"doc\":[\"\xff\"]}", `0 malformed doc`)
	f("{\"name\":\"a\",\"\xff\":1}", `0 malformed`)
	f(`{"name":"a","doc":["\ud800"]}`, `0 malformed doc`)
	f(`{"name":"\ud800"}`, `0 malformed name`)
	f(`{"name":"\ud83d\ude00\"\\\/\b\f\n\r\t\u20ac"}`, `0["😀\"\\/\u0008\u000c\n\r\t€",null,null]`)
	f(`{"name":"a","doc":"text"}`, `0["a",null,"text"]`)
	f(`{"name":"a","doc":"\n"}`, `0["a",null,"\n"]`)
	f(`{"name":"a","doc":null}`, `0["a",null,null]`)
	f(`{"name":{"a": 1}}`, `0["{\"a\": 1}",null,null]`)
	f(`{"name":1.50}`, `0["1.50",null,null]`)
	f(`{"name":false}`, `0["false",null,null]`)
	f(`{"name":"`+strings.Repeat("x", 89)+`"}`, `0["`+strings.Repeat("x", 89)+`",null,null]`)
	f(`{"name":"`+strings.Repeat("x", 90)+`"}`, `0 too_large`)
	f(`[{"name":"`+strings.Repeat("x", 90)+`"},{"name":"a"}]`, "1[\"a\",null,null]\n0 too_large")
	f(`[1,"a",null,[],{"name":"a"}]`, "4[\"a\",null,null]\n0 malformed\n1 malformed\n2 malformed\n3 malformed")
	f(`1`, `0 malformed`)
	f(`{"name":"a"`, `0 malformed`)
	f(`{"name":"a",}`, `0 malformed`)
	f(`{"name":"a" "n":1}`, `0 malformed`)
	f(`{"name":"a","n":01}`, `0 malformed`)
	f(`{"name":"a","n":1.}`, `0 malformed`)
	f(`{"name":"a","n":+1}`, `0 malformed`)
	f(`{"name":"a","n":1e}`, `0 malformed`)
	f(`{"name":"a","n":-}`, `0 malformed`)
	f(`{"name":"a","n":nul}`, `0 malformed`)
	f(`{"name":"a","n":NaN}`, `0 malformed`)
	f("{\"name\":\"a\nb\"}", `0 malformed`)
	f(`{"name":"\x"}`, `0 malformed`)
	f(`{'name':1}`, `0 malformed`)
	f(`{"name":"a"}{"name":"b"}`, "0[\"a\",null,null]\n1 malformed")
	f("{\"name\":\"a\"}\n{\"name\":\"b\"}", "0[\"a\",null,null]\n1 malformed")
	f(`[{"name":"a"}]x`, "0[\"a\",null,null]\n1 malformed")
	f(`[{"name":"a"},{"name":,{"name":"c"}]`, "0[\"a\",null,null]\n1 malformed")
	f(`[{"name":"a"},`, "0[\"a\",null,null]\n1 malformed")
	f(`[{"name":"a"},]`, "0[\"a\",null,null]\n1 malformed")
	f(`[{"name":"a"}`, "0[\"a\",null,null]\n1 malformed")
	f(`[{"name":"a"} {"name":"b"}]`, "0[\"a\",null,null]\n1 malformed")
	f(`[,{"name":"a"}]`, "0 malformed")
	f(`[`, "0 malformed")
	if _, err := Decode(strings.NewReader("  "), &Format{ContentType: typeJSON, Columns: testColumns}); err == nil {
		t.Error("an empty body was taken")
	}
}

func TestJSONMessages(t *testing.T) {
	f := func(body, want string) {
		t.Helper()
		d := decode(t, &Format{ContentType: typeJSON, Columns: testColumns}, body)
		if len(d.Errors) != 1 || d.Errors[0].Message != want {
			t.Errorf("%s:\ngot  %+v\nwant %s", body, d.Errors, want)
		}
	}
	f(`{"name":"a","nane":1}`, `there is no column "nane"; did you mean "name"?`)
	f(`{"name":"a","humidity":1}`, `there is no column "humidity"`)
	f(`{"n":1}`, `column "name" has no value and no default`)
	f(`{"name":null}`, `column "name" must not be null`)
	f(`{"name":"a","n":1.5}`, `1.5 is not a whole number; column "n" is INTEGER`)
	f(`{"name":"a","n":3000000000}`, `3000000000 is out of range for column "n", which is INTEGER`)
	f(`{"name":"a","n":true}`, `true is a boolean; column "n" is INTEGER`)
	f(`{"name":"a","n":[1]}`, `[1] is an object or array; column "n" is INTEGER`)
	f(`{"name":"a","n":"x"}`, `"x" is not a value of column "n", which is INTEGER: Could not convert string 'x' to INT32`)
	f(`{"name":"a","n":1,"n":1}`, `the event has column "n" more than once`)
	f(`[{"name":"a"},{"name"`, `malformed JSON: it ends too early; the rest of the array cannot be read`)
	f(`{"name":"a",}`, `malformed JSON: invalid character '}' at start of string (expecting '"')`)
}

func TestNDJSON(t *testing.T) {
	f := func(body, want string) {
		t.Helper()
		format := &Format{ContentType: typeNDJSON, Columns: testColumns, EventBytesMax: 100}
		if got := show(format, decode(t, format, body)); got != want {
			t.Errorf("%s:\ngot  %s\nwant %s", body, got, want)
		}
	}
	f(``, ``)
	f("\n \r\n\t\n", ``)
	f("{\"name\":\"a\"}\n{\"name\":\"b\"}", "0[\"a\",null,null]\n1[\"b\",null,null]")
	f("{\"name\":\"a\"}\r\n\r\n {\"name\":\"b\"} \r\n", "0[\"a\",null,null]\n1[\"b\",null,null]")
	f("{\"name\":\n{\"name\":\"b\"}\nx\n{\"name\":\"c\"}\n", "1[\"b\",null,null]\n3[\"c\",null,null]\n0 malformed\n2 malformed")
	f("{\"name\":\"a\"}{\"name\":\"b\"}\n{\"name\":\"c\"}", "1[\"c\",null,null]\n0 malformed")
	f("{\"name\":\"a\",\"doc\":[]} x\n{\"name\":\"c\"}", "1[\"c\",null,null]\n0 malformed")
	f("{\"name\"\n:\"a\"}\n", "0 malformed\n1 malformed")
	f(strings.Repeat("x", 101)+"\n{\"name\":\"c\"}", "1[\"c\",null,null]\n0 too_large")
	f("[1]\n{\"name\":\"c\"}", "1[\"c\",null,null]\n0 malformed")
	f("{\"name\":\"a\xff\"}\n{\"name\":\"c\"}", "1[\"c\",null,null]\n0 malformed name")
	f("{\"name\":\"a\",\"n\":1}\n{\"n\":2,\"name\":\"b\"}\n{\"name\":\"c\",\"n\":\"x\"}\n{\"name\":\"d\",\"n\":4}", "0[\"a\",1,null]\n1[\"b\",2,null]\n3[\"d\",4,null]\n2 type_mismatch n")
}

// one decodes a value into a column of a type and returns it as text, or the error's code.
func one(t *testing.T, typ row.Type, contentType, body string) string {
	t.Helper()
	format := &Format{ContentType: contentType, Columns: row.Schema{{Name: "v", Type: typ}}}
	d := decode(t, format, body)
	switch {
	case d.Events != 1:
		t.Fatalf("%s: %d events", body, d.Events)
	case d.Rejected == 1:
		return d.Errors[0].Code
	}
	v := d.Rows.Cols[0].Value(0)
	return v.Text()
}

func TestJSONValues(t *testing.T) {
	f := func(typ, value, want string) {
		t.Helper()
		to, _ := row.ParseType(typ)
		if got := one(t, to, typeJSON, `{"v":`+value+`}`); got != want {
			t.Errorf("%s into %s: got %s, want %s", value, typ, got, want)
		}
		if got := one(t, to, typeNDJSON, `{"v" : `+value+` }`); got != want {
			t.Errorf("%s into %s by line: got %s, want %s", value, typ, got, want)
		}
	}
	const bad = codeTypeMismatch
	for _, typ := range []string{"BOOLEAN", "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "FLOAT", "DOUBLE", "DECIMAL(10,2)",
		"DECIMAL(38,10)", "VARCHAR", "JSON", "BLOB", "DATE", "TIME", "TIMESTAMP", "TIMESTAMP WITH TIME ZONE", "INTERVAL", "UUID"} {
		f(typ, "null", "NULL")
		if typ != "VARCHAR" && typ != "JSON" {
			f(typ, `{"a":1}`, bad)
			f(typ, `[1]`, bad)
			f(typ, `[]`, bad)
			if typ != "BLOB" {
				f(typ, `"nonsense"`, bad)
				f(typ, `""`, bad)
			}
		}
		if typ != "VARCHAR" && typ != "JSON" && typ != "BOOLEAN" {
			f(typ, `true`, bad)
		}
	}
	f("BOOLEAN", `true`, "true")
	f("BOOLEAN", `false`, "false")
	f("BOOLEAN", `"true"`, "true")
	f("BOOLEAN", `1`, bad)

	f("TINYINT", `127`, "127")
	f("TINYINT", `-128`, "-128")
	f("TINYINT", `128`, bad)
	f("SMALLINT", `-32768`, "-32768")
	f("SMALLINT", `32768`, bad)
	f("INTEGER", `2147483647`, "2147483647")
	f("INTEGER", `2147483648`, bad)
	f("INTEGER", `1.0`, "1")
	f("INTEGER", `-12.000`, "-12")
	f("INTEGER", `1.5`, bad)
	f("INTEGER", `1e3`, "1000")
	f("INTEGER", `1.5e1`, "15")
	f("INTEGER", `1500e-2`, "15")
	f("INTEGER", `1501e-2`, bad)
	f("INTEGER", `0e999999999999999999999`, "0")
	f("INTEGER", `1e999999999999999999999`, bad)
	f("INTEGER", `1e-999999999999999999999`, bad)
	f("INTEGER", `-0`, "0")
	f("INTEGER", `"12"`, "12")
	f("BIGINT", `9223372036854775807`, "9223372036854775807")
	f("BIGINT", `-9223372036854775808`, "-9223372036854775808")
	f("BIGINT", `9223372036854775808`, bad)
	f("BIGINT", `9007199254740993`, "9007199254740993")
	f("BIGINT", `9007199254740993.0`, "9007199254740993")
	f("BIGINT", `"9007199254740993"`, "9007199254740993")
	f("HUGEINT", `170141183460469231731687303715884105727`, "170141183460469231731687303715884105727")
	f("HUGEINT", `170141183460469231731687303715884105728`, bad)
	f("HUGEINT", `17014118346046923173168730371588410572.7e1`, "170141183460469231731687303715884105727")
	f("UTINYINT", `255`, "255")
	f("UTINYINT", `256`, bad)
	f("UTINYINT", `-1`, bad)
	f("USMALLINT", `65535`, "65535")
	f("UINTEGER", `4294967295`, "4294967295")
	f("UINTEGER", `4294967296`, bad)
	f("UBIGINT", `18446744073709551615`, "18446744073709551615")
	f("UBIGINT", `18446744073709551616`, bad)
	f("UBIGINT", `-1`, bad)

	f("DOUBLE", `12.5`, "12.5")
	f("DOUBLE", `"12.5"`, "12.5")
	f("DOUBLE", `1e308`, "1e+308")
	f("DOUBLE", `1e309`, bad)
	f("DOUBLE", `-1e309`, bad)
	f("DOUBLE", `1e-400`, "0.0")
	f("DOUBLE", strings.Repeat("9", 400), bad)
	f("DOUBLE", `"NaN"`, "nan")
	f("FLOAT", `0.1`, "0.1")
	f("FLOAT", `1e39`, bad)

	f("DECIMAL(10,2)", `12.34`, "12.34")
	f("DECIMAL(10,2)", `99999999.99`, "99999999.99")
	f("DECIMAL(10,2)", `100000000`, bad)
	f("DECIMAL(10,2)", `12.345`, "12.35")
	f("DECIMAL(10,2)", `"12.34"`, "12.34")
	f("DECIMAL(38,10)", `1234567890123456789012345678.0123456789`, "1234567890123456789012345678.0123456789")
	f("DECIMAL(38,10)", `1e30`, bad)

	f("VARCHAR", `"a"`, "a")
	f("VARCHAR", `""`, "")
	f("VARCHAR", `1e5`, "1e5")
	f("VARCHAR", `true`, "true")
	f("VARCHAR", `{"a" : [1]}`, `{"a" : [1]}`)
	f("JSON", `"a"`, `"a"`)
	f("JSON", `1`, "1")
	f("JSON", `{"a":1,"a":2}`, `{"a":1,"a":2}`)
	f("BLOB", `"a\\x01"`, `a\x01`)
	f("BLOB", `"ä"`, bad)
	f("BLOB", `1`, bad)

	f("DATE", `"2026-11-22"`, "2026-11-22")
	f("DATE", `"2026-02-30"`, bad)
	f("DATE", `1`, bad)
	f("TIME", `"17:38:12.345"`, "17:38:12.345")
	f("TIME", `1`, bad)
	f("UUID", `"6ba7b810-9dad-11d1-80b4-00c04fd430c8"`, "6ba7b810-9dad-11d1-80b4-00c04fd430c8")
	f("UUID", `1`, bad)
	f("INTERVAL", `"1 day"`, "1 day")
	f("INTERVAL", `1`, bad)

	f("TIMESTAMP", `"2026-11-22T17:38:12.345Z"`, "2026-11-22 17:38:12.345")
	f("TIMESTAMPTZ", `"2026-11-22T18:38:12.345+01:00"`, "2026-11-22 17:38:12.345+00")
	f("TIMESTAMPTZ", `0`, "1970-01-01 00:00:00+00")
	f("TIMESTAMPTZ", `1700000000`, "2023-11-14 22:13:20+00")
	f("TIMESTAMPTZ", `1700000000.123456`, "2023-11-14 22:13:20.123456+00")
	f("TIMESTAMPTZ", `1700000000.1234569`, "2023-11-14 22:13:20.123456+00")
	f("TIMESTAMPTZ", `1700000000123`, "2023-11-14 22:13:20.123+00")
	f("TIMESTAMPTZ", `1700000000123.5`, "2023-11-14 22:13:20.1235+00")
	f("TIMESTAMPTZ", `1.7e12`, "2023-11-14 22:13:20+00")
	f("TIMESTAMP", `99999999999`, "5138-11-16 09:46:39")
	f("TIMESTAMP", `100000000000`, "1973-03-03 09:46:40")
	f("TIMESTAMP", `-100000000000`, "1966-10-31 14:13:20")
	f("TIMESTAMP", `-1`, "1969-12-31 23:59:59")
	f("TIMESTAMP", `9223372036854775807`, bad)
	f("TIMESTAMP", `1e400`, bad)
}

func TestJSONDepth(t *testing.T) {
	f := func(depth int, want string) {
		t.Helper()
		nested := strings.Repeat("[", depth) + strings.Repeat("]", depth)
		got := one(t, row.T(row.JSON), typeJSON, `{"v":`+nested+`}`)
		if got == nested {
			got = "kept"
		}
		if got != want {
			t.Errorf("%d: got %s, want %s", depth, clip(got), want)
		}
	}
	f(1, "kept")
	f(depthMax-1, "kept")
	f(depthMax, codeMalformed)
	f(9000, codeMalformed)
	f(1_000_000, codeMalformed)
}

func TestJSONWide(t *testing.T) {
	var columns row.Schema
	var event strings.Builder
	for i := range 10_000 {
		name := fmt.Sprintf("c%d", i)
		columns = append(columns, row.Column{Name: name, Type: row.T(row.Int32)})
		fmt.Fprintf(&event, `,"%s":%d`, name, i)
	}
	format := &Format{ContentType: typeNDJSON, Columns: columns}
	d := decode(t, format, strings.Repeat("{"+event.String()[1:]+"}\n", 20))
	if d.Rows.Len != 20 || row.Values[int32](&d.Rows.Cols[9999])[19] != 9999 {
		t.Errorf("%d rows, errors %v", d.Rows.Len, d.Errors)
	}
}

// Lines that open brackets without end must not make reading quadratic.
func TestJSONNoQuadraticTime(t *testing.T) {
	f := func(contentType, body string) {
		t.Helper()
		start := time.Now()
		decode(t, &Format{ContentType: contentType, Columns: testColumns}, body)
		if took := time.Since(start); took > 20*time.Second {
			t.Errorf("%d bytes took %s", len(body), took)
		}
	}
	f(typeNDJSON, strings.Repeat("[1,\n", 1<<18))
	f(typeNDJSON, strings.Repeat("{\"name\":\n", 1<<17))
	f(typeJSON, "["+strings.Repeat("{\"name\":1.},", 1<<17))
	f(typeJSON, strings.Repeat("[", 1<<20))
	f(typeCSV, "name\n"+strings.Repeat("\"\n", 1<<19))
	f(typeCSV, "name\n"+strings.Repeat("\"a\"b\n", 1<<18))
}

func TestAppendScaled(t *testing.T) {
	f := func(number string, shift int, want string, wantExact, wantOK bool) {
		t.Helper()
		got, exact, ok := appendScaled(nil, []byte(number), shift)
		if ok != wantOK || ok && (string(got) != want || exact != wantExact) {
			t.Errorf("%s: got %s %v %v", number, got, exact, ok)
		}
	}
	f("0", 0, "0", true, true)
	f("-0.000", 3, "0", true, true)
	f("12.34", 0, "12", false, true)
	f("12.34", 1, "123", false, true)
	f("12.34", 2, "1234", true, true)
	f("-12.34", 4, "-123400", true, true)
	f("0.0012e3", 0, "1", false, true)
	f("0.0012e4", 0, "12", true, true)
	f("1200E-2", 0, "12", true, true)
	f("0.0001", 3, "0", false, true)
	f("1e39", 0, "1"+strings.Repeat("0", 39), true, true)
	f("1e40", 0, "", false, false)
}

// What the fast way reads must be what the checked way reads.
func FuzzJSON(f *testing.F) {
	for _, s := range []string{benchEvent, `{"name":"a","n":1,"doc":{"x":[1,"\u00e4\ud83d\ude00"]}}`, `[{"name":"a"},{"NAME":"b","n":1.0e1}]`, "{\"name\":\"a\"}\n{\"n\":2,\"name\":\"b\"}\nx\n",
		`{"name":null,"n":"12"}`, `{"name":"a","n":1e5,"_deleted":true}`, `{"name":true , "doc":-0.5E-7}`, "[1,{\"name\":\"\xff\"}]", `{"specversion":"1.0","id":"1","source":"s","type":"t","data":{"name":"a"}}`,
		`{"specversion":"1.0","id":"1","source":"s","type":"t","data_base64":"eyJuYW1lIjoiYSJ9"}`} {
		f.Add(s, true)
		f.Add(s, false)
	}
	f.Fuzz(func(t *testing.T, body string, table bool) {
		format := &Format{Columns: testColumns, Table: table, Key: []int{0}, EventBytesMax: 1 << 10}
		for _, media := range []string{typeJSON, typeNDJSON, typeCloud, typeCloudBatch} {
			format.ContentType = media
			if d, err := Decode(strings.NewReader(body), format); err == nil {
				check(t, format, d)
			}
		}
		fast, slow := newSink(format), newSink(format)
		a, b := newJSONReader([]byte(body), fast), newJSONReader([]byte(body), slow)
		at := blanks([]byte(body), 0)
		if at == len(body) {
			return
		}
		endA, pA, errA := a.value(0, at, len(body), false)
		endB, pB, errB := b.checked(0, at, len(body), false)
		if errA != nil || errB != nil || (pA == nil) != (pB == nil) || endA != endB {
			t.Fatalf("%d %v %v, %d %v %v", endA, pA, errA, endB, pB, errB)
		}
		dA, dB := fast.finish(), slow.finish()
		if diff := sameDecoded(format, dA, dB); diff != "" {
			t.Fatal(diff)
		}
		if pA == nil && !json.Valid([]byte(strings.ToValidUTF8(body[at:endA], "?"))) {
			t.Fatalf("%q is no JSON", body[at:endA])
		}
	})
}
