package ingest

import (
	"strings"
	"testing"

	"github.com/tidemill/tidemill/internal/fault"
	"github.com/tidemill/tidemill/internal/row"
)

func TestCSV(t *testing.T) {
	f := func(contentType, body, want string) {
		t.Helper()
		format := &Format{ContentType: contentType, Columns: testColumns, EventBytesMax: 100}
		d, err := Decode(strings.NewReader(body), format)
		got := ""
		if err != nil {
			got = string(fault.From(err).Code) + " " + err.Error()
		} else {
			check(t, format, d)
			got = show(format, d)
		}
		if got != want {
			t.Errorf("%q:\ngot  %s\nwant %s", body, got, want)
		}
	}
	f("text/csv", "name,n,doc\na,1,[]\n", `0["a",1,[]]`)
	f("text/csv", "\ufeffname,n,doc\na,1,[]", `0["a",1,[]]`)
	f("text/csv", "name\r\na\r\nb\r\n\r\n", "0[\"a\",null,null]\n1[\"b\",null,null]")
	f("text/csv", "n,NAME\n1,a\n\n\n2,b\n\n", "0[\"a\",1,null]\n1[\"b\",2,null]")
	f("text/csv", "\"n\",\"name\"\n,\"\"\n\"\",a\n,", "0[\"\",null,null]\n1 type_mismatch n\n2 null_not_allowed name")
	f("text/csv", "name,n\n\"a \"\"b\"\", \nc\",1\nd,2", "0[\"a \\\"b\\\", \\nc\",1,null]\n1[\"d\",2,null]")
	f("text/csv", "name,n\r\n\"a\",\"1\"\r\n\"b\",\"2\"\r", "0[\"a\",1,null]\n1[\"b\",2,null]")
	f("text/csv", "name,n\na\nb,1,2\nc,3", "2[\"c\",3,null]\n0 malformed\n1 malformed")
	f("text/csv", "name,n\na\"b,1\n\"a\"b,1\nc,3", "2[\"c\",3,null]\n0 malformed\n1 malformed")
	f("text/csv", "name,n\na,1\n\"b,2\nc,3\n", "0[\"a\",1,null]\n1 malformed")
	f("text/csv", "name,n\na,x\nb,1", "1[\"b\",1,null]\n0 type_mismatch n")
	f("text/csv", "name,n\na\xff,1\nb\x00,1\nä,1", "2[\"ä\",1,null]\n0 malformed name\n1 malformed name")
	f("text/csv", "name\n"+strings.Repeat("x", 101)+"\na", "1[\"a\",null,null]\n0 too_large")
	f("text/csv", "n\n1", "0 missing_column name")
	f("text/csv; header=absent", "a,1,{}\nb,,\n", "0[\"a\",1,{}]\n1[\"b\",null,null]")
	f("text/csv; header=absent", "a,1\n", "0 malformed")
	f("text/csv; header=present", "name\na", `0["a",null,null]`)
	f("text/csv; header=x", "name\na", `22023 the parameter header of CSV is present or absent, not "x"`)
	f(`text/csv; delimiter=";"`, "name;n\na,b;1", `0["a,b",1,null]`)
	f(`text/csv; delimiter=tab`, "name\tn\na\t1", `0["a",1,null]`)
	f(`text/csv; delimiter="\\t"`, "name\tn\na\t1", `0["a",1,null]`)
	f(`text/csv; delimiter="|"`, "name|n\n\"a\"|1", `0["a",1,null]`)
	f(`text/csv; delimiter="ab"`, "name", `22023 the delimiter of CSV is one ASCII character, not "ab"`)
	f(`text/csv; delimiter="\""`, "name", `22023 the delimiter of CSV is one ASCII character, not "\""`)
	f("text/csv", "", `22P02 the CSV is empty (the first line has the names of the columns; send text/csv; header=absent if there is none)`)
	f("text/csv; header=absent", "", ``)
	f("text/csv", "name\n", ``)
	f("text/csv", "nane\na", `42703 there is no column "nane", which the header of the CSV names (did you mean "name"? The columns are: name, n, doc)`)
	f("text/csv", "1,2\na", `42703 there is no column "1", which the header of the CSV names (the columns are: name, n, doc; send text/csv; header=absent if the first line has none)`)
	f("text/csv", "name,Name\na,b", `42701 the header of the CSV has column "Name" more than once`)
	f("text/csv", "\"name\nx", `22P02 malformed header line of the CSV: a quote is not closed`)
}

func TestCSVValues(t *testing.T) {
	f := func(typ, value, want string) {
		t.Helper()
		to, _ := row.ParseType(typ)
		if got := one(t, to, typeCSV, "v\n"+value+"\n"); got != want {
			t.Errorf("%s into %s: got %s, want %s", value, typ, got, want)
		}
	}
	const bad = codeTypeMismatch
	for _, typ := range []string{"BOOLEAN", "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "FLOAT", "DOUBLE", "DECIMAL(10,2)",
		"DECIMAL(38,10)", "JSON", "DATE", "TIME", "TIMESTAMP", "TIMESTAMP WITH TIME ZONE", "INTERVAL", "UUID"} {
		f(typ, "nonsense", bad)
		f(typ, `""`, bad)
	}
	f("VARCHAR", `""`, "")
	f("VARCHAR", ` a `, " a ")
	f("BOOLEAN", "t", "true")
	f("INTEGER", "-12", "-12")
	f("INTEGER", "2147483648", bad)
	f("BIGINT", "9223372036854775807", "9223372036854775807")
	f("HUGEINT", "170141183460469231731687303715884105727", "170141183460469231731687303715884105727")
	f("UBIGINT", "18446744073709551615", "18446744073709551615")
	f("DOUBLE", "12.5", "12.5")
	f("DECIMAL(10,2)", "12.34", "12.34")
	f("DATE", "2026-11-22", "2026-11-22")
	f("TIME", "17:38:12", "17:38:12")
	f("TIMESTAMP", "2026-11-22 17:38:12", "2026-11-22 17:38:12")
	f("TIMESTAMPTZ", "2026-11-22 17:38:12+01", "2026-11-22 16:38:12+00")
	f("INTERVAL", "2 hours", "02:00:00")
	f("UUID", "6ba7b810-9dad-11d1-80b4-00c04fd430c8", "6ba7b810-9dad-11d1-80b4-00c04fd430c8")
	f("JSON", `"{""a"":1}"`, `{"a":1}`)
	f("BLOB", `\x41`, "A")
}

func FuzzCSV(f *testing.F) {
	for _, s := range []string{"name,n,doc\na,1,[]\n", "\"n\",\"name\"\n,\"\"\n\"\",a\n,", "name,n\n\"a \"\"b\"\", \nc\",1\r\nd,2", "name\n\"a\"b\n\"", "name,_deleted\na,true"} {
		f.Add(s, true, false)
		f.Add(s, false, true)
	}
	f.Fuzz(func(t *testing.T, body string, table, absent bool) {
		format := &Format{ContentType: typeCSV, Columns: testColumns, Table: table, Key: []int{0}, EventBytesMax: 1 << 10}
		if absent {
			format.ContentType += "; header=absent; delimiter=\";\""
		}
		if d, err := Decode(strings.NewReader(body), format); err == nil {
			check(t, format, d)
		}
	})
}
