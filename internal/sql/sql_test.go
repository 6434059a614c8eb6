package sql

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestQuote(t *testing.T) {
	f := func(name, want string) {
		t.Helper()
		if got := Quote(name); got != want {
			t.Errorf("Quote(%q) = %s, want %s", name, got, want)
		}
	}
	f("a", "a")
	f("Sensor_1", "Sensor_1")
	f("1a", `"1a"`)
	f("", `""`)
	f("a b", `"a b"`)
	f(`a"b`, `"a""b"`)
	f("select", `"select"`)
	f("SELECT", `"SELECT"`)
	f("at", `"at"`)
	f("values", `"values"`)
	f("name", "name")
	f("stream", "stream")
	f("ü", `"ü"`)
	f("a$b", `"a$b"`)
	if got := QuoteLiteral(`it's \ 'so'`); got != `'it''s \ ''so'''` {
		t.Errorf("QuoteLiteral: %s", got)
	}
}

func TestNormalize(t *testing.T) {
	f := func(name, want string) {
		t.Helper()
		if got := Normalize(name); got != want {
			t.Errorf("Normalize(%q) = %q, want %q", name, got, want)
		}
	}
	f("abc", "abc")
	f("aBC_1", "abc_1")
	f("ÄÖ", "ÄÖ") // DuckDB folds ASCII only
	f("\u212a", "\u212a")
}

func TestParseLiteral(t *testing.T) {
	f := func(expr string, want Literal) {
		t.Helper()
		if got, ok := ParseLiteral(expr); !ok || got != want {
			t.Errorf("ParseLiteral(%s) = %+v, %v, want %+v", expr, got, ok, want)
		}
	}
	no := func(expr string) {
		t.Helper()
		if got, ok := ParseLiteral(expr); ok {
			t.Errorf("ParseLiteral(%s) = %+v, want none", expr, got)
		}
	}
	f("NULL", Literal{})
	f("null::INT", Literal{Type: "INT"})
	f("TRUE", Literal{Kind: BoolValue, Value: "true"})
	f(" 12 ", Literal{Kind: NumberValue, Value: "12"})
	f("- 1_000.5e-3", Literal{Kind: NumberValue, Value: "-1000.5e-3"})
	f("+.5", Literal{Kind: NumberValue, Value: ".5"})
	f("5::DECIMAL(3, 2)", Literal{Kind: NumberValue, Value: "5", Type: "DECIMAL(3, 2)"})
	f("'it''s'", Literal{Kind: StringValue, Value: "it's"})
	f(`'a\b'`, Literal{Kind: StringValue, Value: `a\b`})
	f(`E'a\'b\n\x41\101\q''\\'`, Literal{Kind: StringValue, Value: "a'b\nAAq'\\"})
	f("$x$a'$$b$x$", Literal{Kind: StringValue, Value: "a'$$b"})
	f("'a' -- x\n 'b'", Literal{Kind: StringValue, Value: "ab"})
	f("DATE '2026-01-01'", Literal{Kind: StringValue, Value: "2026-01-01", Type: "DATE"})
	f("'x'::timestamp with time zone", Literal{Kind: StringValue, Value: "x", Type: "timestamp with time zone"})
	f("INTERVAL '7 days'", Literal{Kind: IntervalValue, Value: "7 days"})
	f("INTERVAL 7 DAYS", Literal{Kind: IntervalValue, Value: "7 DAYS"})
	f("interval '7' day", Literal{Kind: IntervalValue, Value: "7 day"})
	f("$12", Literal{Kind: ParamValue, Value: "12"})
	f("$1::INT", Literal{Kind: ParamValue, Value: "1", Type: "INT"})
	for _, expr := range []string{"", "a", "1 + 2", "-1::INT", "--1", "- -1", "x'00'", "b'1'", "N'a'", `E'\u0041'`, `E'\xff'`, "E'\\0'",
		"INTERVAL '1.5' HOUR", "INTERVAL 1.5 HOUR", "INTERVAL x DAY", "INTERVAL '1 2' HOUR", "DATE 'x'::INT", "'a' 'b'", "1a", "(1)",
		"DEFAULT", "1;", "'a", "f('x')", "1::", "?1", "$a", "ARRAY[1]", "DATE x'00'"} {
		no(expr)
	}
}

func TestParams(t *testing.T) {
	f := func(text string, highest int, want ...Param) {
		t.Helper()
		got, params, err := Params(text)
		if err != nil || got != highest || !slices.Equal(params, want) {
			t.Errorf("Params(%s) = %d %v %v", text, got, params, err)
		}
	}
	bad := func(text string, position int) {
		t.Helper()
		if _, _, err := Params(text); err == nil || asError(t, err).Position != position {
			t.Errorf("Params(%s) gives %v", text, err)
		}
	}
	f("select 1", 0)
	f("select $2, $1, $2", 2, Param{2, 7, 9}, Param{1, 11, 13}, Param{2, 15, 17})
	f("select '$1', \"$2\", $$ $3 $$, a$4, /* $5 */ $6 -- $7", 6, Param{6, 43, 45})
	bad("select ü, $0", 11)
	bad("select $65536", 8)
	bad("select $99999999999999999999", 8)
	bad("select $1_0", 8)
	bad("select ?", 8)
	bad("select ?1", 8)
	bad("select $name", 8)
	bad("select 'a", 8)
}

func TestForDuckDB(t *testing.T) {
	types := []string{"VARCHAR", "", "DECIMAL(3,2)"}
	f := func(text, want string) {
		t.Helper()
		got, m := ForDuckDB(text, types)
		if got != want {
			t.Errorf("ForDuckDB(%s)\n= %s\nwant %s", text, got, want)
		}
		// Each character that was kept leads to itself.
		for i := range got {
			at := m.Original(i)
			if at < 0 || at > len(text) {
				t.Errorf("%s: position %d leads to %d", got, i, at)
			}
			if strings.IndexByte("xyz", got[i]) >= 0 && text[at] != got[i] {
				t.Errorf("%s: position %d leads to %q", got, i, text[at:])
			}
		}
	}
	f("select x", "select x")
	f("select $1, y", "select ($1::VARCHAR), y")
	f("$3 = x and $2 = y or $1 = z and $4 = z", "($3::DECIMAL(3,2)) = x and $2 = y or ($1::VARCHAR) = z and $4 = z")
	f("select '$1', x", "select '$1', x")
	f("select at - interval 1 day, r.at as AT, x", `select "at" - interval 1 day, r."at" as "AT", x`)
	f("select at AT TIME ZONE 'x', x at time zone y", `select "at" AT TIME ZONE 'x', x at time zone y`)
	f("from t AT (VERSION => 1) x", "from t AT (VERSION => 1) x")
	f("x at time", `x "at" time`)
	f(`select "at", 'at', $at, x /* at */`, `select "at", 'at', $at, x /* at */`)
	f("select\u00a0x,\u2003'\u2003' y\ufeff, at", "select  x,   '\u2003' y   , \"at\"")
	f("select 'x, $1", "select 'x, $1")

	text, m := TypeParams("at = $1", types)
	if text != "at = ($1::VARCHAR)" {
		t.Errorf("TypeParams: %s", text)
	}
	for pos, want := range map[int]int{0: 0, 4: 4, 5: 5, 6: 5, 7: 6, 8: 5, 16: 5, 99: 5} {
		if got := m.Original(pos); got != want {
			t.Errorf("Original(%d) = %d, want %d", pos, got, want)
		}
	}
	if got := (Map{}).Original(7); got != 7 {
		t.Errorf("Original of the zero Map: %d", got)
	}
}

func TestErrorPositions(t *testing.T) {
	text := "SELECT 'ü€𝄞'; CREATE TABEL t"
	frags, err := Split(text)
	if err != nil || len(frags) != 2 {
		t.Fatal(frags, err)
	}
	_, err = Parse(frags[1].Text)
	e := asError(t, err)
	if e.Position != 8 {
		t.Errorf("position in the fragment: %d", e.Position)
	}
	if got := e.Shift(text, frags[1].Pos).Position; got != 22 {
		t.Errorf("position in the text: %d", got)
	}
	if got := (&Error{}).Shift(text, 5).Position; got != 0 {
		t.Errorf("no position becomes %d", got)
	}
	for offset, want := range map[int]int{-1: 1, 0: 1, 8: 9, 10: 10, 13: 11, 17: 12, len(text): 29, 1000: 29} {
		if got := PositionAt(text, offset); got != want {
			t.Errorf("PositionAt(%d) = %d, want %d", offset, got, want)
		}
	}
}

func TestValues(t *testing.T) {
	s, err := Parse("INSERT INTO t VALUES (1, 'ü', DEFAULT), (f(1, 2))")
	if err != nil {
		t.Fatal(err)
	}
	v := s.(*Insert).Values
	if v.Len() != 2 || v.Width(0) != 3 || v.Width(1) != 1 {
		t.Fatalf("%d rows", v.Len())
	}
	if got := v.Row(1); len(got) != 1 || got[0] != (Text{"f(1, 2)", 42}) {
		t.Errorf("row 1: %v", got)
	}
	if !v.At(0, 2).IsDefault() || v.At(0, 1).IsDefault() {
		t.Error("DEFAULT is not recognised")
	}
	for i, row := range v.All() {
		if !slices.Equal(row, v.Row(i)) {
			t.Errorf("row %d: %v", i, row)
		}
		break
	}
}

func TestTag(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		s, err := Parse(text)
		if err != nil || s.Tag() != want {
			t.Errorf("%s: %v %v", text, s, err)
		}
	}
	f("select 1", "SELECT")
	f("", "")
	f("create table t (a int)", "CREATE TABLE")
	f("create table t as select 1", "SELECT")
	f("drop materialized view v", "DROP MATERIALIZED VIEW")
	f("start transaction", "START TRANSACTION")
	f("end", "COMMIT")
	f("discard temporary", "DISCARD TEMP")
	f("close all", "CLOSE CURSOR ALL")
	f("deallocate all", "DEALLOCATE ALL")
	f("declare c cursor for select 1", "DECLARE CURSOR")
}

func TestBounds(t *testing.T) {
	f := func(text, code string) {
		t.Helper()
		_, err := Parse(text)
		if code == "" {
			if err != nil {
				t.Errorf("%s: %v", shorten(text), err)
			}
			return
		}
		if err == nil || asError(t, err).Code != code || asError(t, err).Message == "" {
			t.Errorf("%s: %v, want code %s", shorten(text), err, code)
		}
	}
	long := strings.Repeat("a", maxName)
	f("DROP VIEW "+long, "")
	f("DROP VIEW "+long+"a", codeNameTooLong)
	f("DROP VIEW \""+strings.Repeat("ü", 128)+`"`, codeNameTooLong)
	f("SELECT "+strings.Repeat("(", maxDepth)+"1"+strings.Repeat(")", maxDepth), "")
	f("SELECT "+strings.Repeat("(", maxDepth+1)+"1"+strings.Repeat(")", maxDepth+1), codeTooComplex)
	f("SELECT '"+strings.Repeat("a", maxStatement-9)+"'", "")
	f("SELECT '"+strings.Repeat("a", maxStatement)+"'", codeTooLarge)
	f("INSERT INTO t VALUES ('"+strings.Repeat("a", maxStatement)+"')", "")
	f("INSERT INTO t VALUES (f('"+strings.Repeat("a", maxStatement)+"'))", codeTooLarge)
	f("INSERT INTO t SELECT '"+strings.Repeat("a", maxStatement)+"'", codeTooLarge)
	f("EXPLAIN SELECT '"+strings.Repeat("a", maxStatement)+"'", codeTooLarge)
	f("INSERT INTO t VALUES "+strings.Repeat("(1),", maxStatement/4)+"(2)", "")
	f("INSERT INTO t VALUES ('"+strings.Repeat("a", maxData)+"')", codeTooLarge)
	f("INSERT INTO t (a"+strings.Repeat(",a", maxItems)+") VALUES (1)", codeTooManyItems)
	f("DROP VIEW a"+strings.Repeat(",a", maxItems), codeTooManyItems)
	f("SELECT 1 "+strings.Repeat("+", maxOperator+1)+" 1", codeSyntax)
	f("SELECT 1\x00", codeBadText)
	f("SELECT '\xff'", codeBadText)
	for _, text := range []string{"a\x00", "é\xc3"} {
		if _, err := Split(text); err == nil || asError(t, err).Position != 2 {
			t.Errorf("Split(%q): %v", text, err)
		}
	}
}

// TestLinear gives every function much of what makes careless scanners quadratic. The bound is loose:
// quadratic work would take hours.
func TestLinear(t *testing.T) {
	size, most := 1<<18, 10*time.Second
	if testing.Short() {
		size, most = 1<<16, 2*time.Second
	}
	for _, unit := range []string{"(", ")", "[(", "'", "\"", "''", "' \n", "E'\\", "$", "$a", "$a$", "$$", "/*", "/* */", "-", "--\n", "- ", "+", "+- ",
		strings.Repeat("+", maxOperator) + " ", ";", "a", "1", "1_", "1.", ".", "a.", ",", ", a", "with (", "on conflict ", "not null ", "\u00a0", "é",
		"'' \n", "at ", "$1 ", "::", ":", "?", "?1", "and ", "a = 1 and ", "case ", "emit changes "} {
		body := strings.Repeat(unit, size/len(unit))
		start := time.Now()
		for _, head := range []string{"", "INSERT INTO t VALUES (", "INSERT INTO t VALUES (1) ", "WITH ", "COPY t ", "EXPLAIN "} {
			_, _ = Parse(head + body)
		}
		for _, head := range []string{"CREATE STREAM s (a ", "CREATE STREAM s (a INT DEFAULT ", "CREATE TABLE t (a INT) WITH (", "SUBSCRIBE TO v WHERE ", "UPDATE t SET a = ", "SELECT "} {
			_, _ = Parse(head + body[:size/2])
		}
		_, _ = Split(body)
		_, _, _ = Params(body)
		_, _ = ForDuckDB(body, []string{"INT"})
		_, _ = ParseLiteral(body)
		if d := time.Since(start); d > most {
			t.Errorf("%q takes %v", unit, d)
		} else if testing.Verbose() {
			t.Logf("%q takes %v", unit, d)
		}
	}
}

func ExampleParse() {
	s, err := Parse("CREATE STREAM readings (at TIMESTAMPTZ, WATERMARK FOR at AS at - INTERVAL 10 SECONDS)")
	if err != nil {
		fmt.Println(err)
		return
	}
	w := s.(*CreateStream).Watermark
	fmt.Println(w.Column.Name, "|", w.Expr.SQL, "|", w.Expr.Pos)
	_, err = Parse("CREATE STREM readings (at TIMESTAMPTZ)")
	e := err.(*Error)
	fmt.Println(e.Position, e.Message, e.Hint)
	// Output:
	// at | at - INTERVAL 10 SECONDS | 60
	// 8 syntax error at or near "STREM" Did you mean STREAM?
}
