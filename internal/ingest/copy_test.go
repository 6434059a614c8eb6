package ingest

import (
	"strings"
	"testing"

	"github.com/tidemill/tidemill/internal/fault"
	"github.com/tidemill/tidemill/internal/row"
)

// copyAll parses data in pieces of the given size and returns the rows, one per line, or the error.
func copyAll(columns row.Schema, f CopyFormat, data string, piece int) string {
	p, err := NewCopyParser(columns, f)
	for err == nil && len(data) > 0 {
		n := min(piece, len(data))
		buf := []byte(data[:n])
		err = p.Write(buf)
		clear(buf) // the parser must not hold on to it
		data = data[n:]
	}
	var b *row.Batch
	if err == nil {
		b, err = p.Finish()
	}
	if err != nil {
		e := fault.From(err)
		return strings.TrimSpace(string(e.Code) + " " + e.Message + "; " + e.Detail)
	}
	var out []string
	for i := range b.Len {
		out = append(out, string(row.AppendRowArrayJSON(nil, b, i)))
	}
	return strings.Join(out, "\n")
}

func testCopy(t *testing.T, f CopyFormat, data, want string) {
	t.Helper()
	for _, piece := range []int{1 << 20, 1, 3} {
		if got := copyAll(testColumns, f, data, piece); got != want {
			t.Errorf("%q in pieces of %d:\ngot  %s\nwant %s", data, piece, got, want)
		}
	}
}

func TestCopyText(t *testing.T) {
	f := func(data, want string) {
		t.Helper()
		testCopy(t, CopyFormat{Format: "text", Null: `\N`}, data, want)
	}
	f("", "")
	f("a\t1\t[]\n", `["a",1,[]]`)
	f("a\t1\t[]", `["a",1,[]]`)
	f("a\t\\N\t\\N\r\nb\t2\t\\N\r\n", "[\"a\",null,null]\n[\"b\",2,null]")
	f("\t1\t\\N\n", `["",1,null]`)
	f(`a\\b\tc\n\r\b\f\v\x41\101\q`+"\t1\t\\N\n", `["a\\b\tc\n\r\u0008\u000c\u000bAAq",1,null]`)
	f("a\\\nb\t1\t\\N\n", `["a\nb",1,null]`)
	f("a\\\\\tb\n", "22P02 invalid input for column \"n\", which is INTEGER: Could not convert string 'b' to INT32; COPY, line 1, column n: \"b\"")
	f("a\\\tb\t1\t\\N\n", `["a\tb",1,null]`)
	f("\\\\N\t1\t\\N\n", `["\\N",1,null]`)
	f("a\t1\t\\N\n\\.\nrest is not read", `["a",1,null]`)
	f("a\t1\t\\N\n\\.", `["a",1,null]`)
	f("a\t1\n", `22P04 missing data for column "doc"; COPY, line 1`)
	f("a\t1\t1\n\n", `22P04 missing data for column "n"; COPY, line 2`)
	f("a\t1\t1\t1\n", `22P04 extra data after last expected column; COPY, line 1`)
	f("a\\\nb\t1\t1\n\\N\t1\t1\n", `23502 null value in column "name" violates its NOT NULL constraint; COPY, line 3, column name`)
	f("a\\377\t1\t1\n", "22021 invalid byte sequence for encoding \"UTF8\"; COPY, line 1, column name: \"a\xef\xbf\xbd\"")
	f("a\\000\t1\t1\n", "22021 invalid byte sequence for encoding \"UTF8\"; COPY, line 1, column name: \"a\xef\xbf\xbd\"")
	f("a\t1\t{\n", `22P02 invalid input for column "doc", which is JSON: Malformed JSON at byte 1 of input: unexpected content.  Input: "{"; COPY, line 1, column doc: "{"`)
	testCopy(t, CopyFormat{Format: "text", Delimiter: '|', Null: ""}, "a||\nb|1|\n", "[\"a\",null,null]\n[\"b\",1,null]")
	testCopy(t, CopyFormat{Format: "text", Null: `\N`, Header: true}, "x\ty\na\t1\t1\n", `["a",1,1]`)
	testCopy(t, CopyFormat{Format: "text", Null: `\N`, Header: true, HeaderMatch: true}, "name\tn\tdoc\na\t1\t1\n", `["a",1,1]`)
	testCopy(t, CopyFormat{Format: "text", Null: `\N`, Header: true, HeaderMatch: true}, "name\tx\tdoc\na\t1\t1\n", `22P04 column name mismatch in header line field 2: got "x", expected "n"; COPY, line 1`)
	testCopy(t, CopyFormat{Format: "text", Null: `\N`, Header: true, HeaderMatch: true}, "name\tn\n", `22P04 wrong number of fields in header line: got 2, expected 3; COPY, line 1`)
	testCopy(t, CopyFormat{Format: "text", Null: `\N`, Header: true, HeaderMatch: true}, "name\tn\tdoc\tx\n", `22P04 wrong number of fields in header line: got more than 3; COPY, line 1`)
}

func TestCopyCSV(t *testing.T) {
	f := func(data, want string) {
		t.Helper()
		testCopy(t, CopyFormat{Format: "csv"}, data, want)
	}
	f("", "")
	f("a,1,[]\n", `["a",1,[]]`)
	f("a,,\r\nb,2,\r\n", "[\"a\",null,null]\n[\"b\",2,null]")
	f("\"\",1,\n", `["",1,null]`)
	f("\"a \"\"b\"\",\n\r\nc\",1,\"{}\"\nd,2,\n", "[\"a \\\"b\\\",\\n\\r\\nc\",1,{}]\n[\"d\",2,null]")
	f("a\"b,c\"d,1,\n", `["ab,cd",1,null]`)
	f("a,1,\n\\.\nx", `["a",1,null]`)
	f("a,1\n", `22P04 missing data for column "doc"; COPY, line 1`)
	f("a,1,,\n", `22P04 extra data after last expected column; COPY, line 1`)
	f("\"a\nb\",1,\nc,x,\n", `22P02 invalid input for column "n", which is INTEGER: Could not convert string 'x' to INT32; COPY, line 3, column n: "x"`)
	f(",1,\n", `23502 null value in column "name" violates its NOT NULL constraint; COPY, line 1, column name`)
	f("a,1,\n\"b,1,\nc,1,\n", `22P04 unterminated CSV quoted field; COPY, line 2`)
	f("a\xff,1,\n", "22021 invalid byte sequence for encoding \"UTF8\"; COPY, line 1, column name: \"a\xef\xbf\xbd\"")
	testCopy(t, CopyFormat{Format: "csv", Null: "NULL", Delimiter: ';', Quote: '\'', Escape: '\\'}, "'a\\'b\\\\';NULL;NULL\n'NULL';1;'\"\"'\n", "[\"a'b\\\\\",null,null]\n[\"NULL\",1,\"\"]")
	testCopy(t, CopyFormat{Format: "csv", Header: true}, "\"x\ny\",1\na,1,1\n", `["a",1,1]`)
	testCopy(t, CopyFormat{Format: "csv", Header: true, HeaderMatch: true}, "name,\"n\",doc\r\na,1,1\r\n", `["a",1,1]`)
}

func TestCopyTypes(t *testing.T) {
	f := func(typ, data, want string) {
		t.Helper()
		to, _ := row.ParseType(typ)
		if got, _, _ := strings.Cut(copyAll(row.Schema{{Name: "v", Type: to}}, CopyFormat{Format: "text", Null: `\N`}, data, 1<<20), " "); got != want {
			t.Errorf("%q as %s: got %s, want %s", data, typ, got, want)
		}
	}
	const bad = "22P02"
	f("BOOLEAN", "t\n", "[true]")
	f("BOOLEAN", "x\n", bad)
	f("BIGINT", "9223372036854775807\n", "[9223372036854775807]")
	f("BIGINT", "9223372036854775808\n", bad)
	f("DOUBLE", "1.5\n", "[1.5]")
	f("DOUBLE", "x\n", bad)
	f("DECIMAL(10,2)", "1.50\n", "[1.50]")
	f("DECIMAL(10,2)", "123456789012\n", bad)
	f("DATE", "2026-11-22\n", `["2026-11-22"]`)
	f("DATE", "2026-13-22\n", bad)
	f("TIME", "17:38\n", `["17:38:00"]`)
	f("TIMESTAMP", "2026-11-22\n", `["2026-11-22T00:00:00"]`)
	f("TIMESTAMPTZ", "x\n", bad)
	f("UUID", "6ba7b810-9dad-11d1-80b4-00c04fd430c8\n", `["6ba7b810-9dad-11d1-80b4-00c04fd430c8"]`)
	f("UUID", "6ba7\n", bad)
	f("BLOB", `\\x4142`+"\n", `["QUI="]`)
	f("BLOB", `a\\x42`+"\n", `["YUI="]`)
	f("BLOB", `\\x4`+"\n", bad)
	f("VARCHAR", "\\N\n", "[null]")
	f("VARCHAR", "\n", `[""]`)
}

func TestNewCopyParser(t *testing.T) {
	f := func(format CopyFormat, want string) {
		t.Helper()
		_, err := NewCopyParser(testColumns, format)
		got := ""
		if err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%+v: got %s, want %s", format, got, want)
		}
	}
	f(CopyFormat{Format: "text", Null: `\N`}, "")
	f(CopyFormat{Format: "csv", Delimiter: '\t', Quote: '\'', Escape: '\\', Null: "null"}, "")
	f(CopyFormat{Format: "binary"}, `COPY format "binary" not recognized`)
	f(CopyFormat{Format: "text", Delimiter: '\n'}, "COPY delimiter cannot be newline or carriage return")
	f(CopyFormat{Format: "text", Delimiter: 'a'}, `COPY delimiter cannot be "a"`)
	f(CopyFormat{Format: "text", Null: "a\tb"}, "COPY delimiter must not appear in the NULL specification")
	f(CopyFormat{Format: "text", Null: "\n"}, "COPY null representation cannot use newline or carriage return")
	f(CopyFormat{Format: "csv", Quote: ','}, "COPY delimiter and quote must be different")
	f(CopyFormat{Format: "csv", Quote: '\n'}, "COPY quote and escape cannot be newline or carriage return")
	f(CopyFormat{Format: "csv", Null: `"`}, "CSV quote character must not appear in the NULL specification")
}

func TestCopyBound(t *testing.T) {
	p, err := NewCopyParser(testColumns, CopyFormat{Format: "csv"})
	if err != nil {
		t.Fatal(err)
	}
	p.total = copyBytesMax - 1
	if err := p.Write([]byte("ab")); fault.From(err).Code != fault.LimitExceeded {
		t.Errorf("got %v", err)
	}
	if _, err := p.Finish(); fault.From(err).Code != fault.LimitExceeded {
		t.Errorf("got %v", err)
	}
	p, _ = NewCopyParser(testColumns, CopyFormat{Format: "csv"})
	p.rowsMax = 1
	if err := p.Write([]byte("a,1,\nb,1,\n")); fault.From(err).Code != fault.LimitExceeded {
		t.Errorf("got %v", err)
	}
}

func FuzzCopy(f *testing.F) {
	for _, s := range []string{"a\t1\t[]\n", "a\\\nb\t\\N\t\\N\r\n\\.\nx", "\"a \"\"b\"\",\n\r\nc\",1,\"{}\"\nd,2,\n", "name\tn\tdoc\na\t1\t1\n", "'a\\'b\\\\',NULL,\n\"x"} {
		for mode := range byte(5) {
			f.Add(s, mode, 1)
		}
	}
	f.Fuzz(func(t *testing.T, data string, mode byte, piece int) {
		format := [...]CopyFormat{{Format: "text", Null: `\N`}, {Format: "csv"}, {Format: "csv", Quote: '\'', Escape: '\\', Null: "NULL"}, {Format: "text", Delimiter: ',', Header: true, HeaderMatch: true},
			{Format: "csv", Delimiter: '\t', Header: true, Null: "x"}}[mode%5]
		whole := copyAll(testColumns, format, data, len(data)+1)
		if pieces := copyAll(testColumns, format, data, 1+(piece&0xff)); whole != pieces {
			t.Fatalf("%s\nin pieces:\n%s", whole, pieces)
		}
	})
}
