package duck

import (
	"slices"
	"strings"
	"testing"
)

func TestLexer(t *testing.T) {
	f := func(sql string, want ...string) {
		t.Helper()
		var got []string
		lex := lexer{s: sql}
		for tok, ok := lex.next(); ok; tok, ok = lex.next() {
			got = append(got, tok.text)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", sql, got, want)
		}
	}
	f("select 'it''s' from \"a\"\"b\"", "select", "'it''s'", "from", `a"b`)
	f(`E'\'x' '\' 1`, `E'\'x'`, `'\'`, "1")
	f("$$ ; $$ $a$ $$ $a$ $1 $name ?", "$$ ; $$", "$a$ $$ $a$", "$1", "$name", "?")
	f("a -- b\n/* c /* d */ e */ f", "a", "f")
	f("1e-5+.5-0x1F 1_000", "1e-5", "+", ".5", "-", "0x1F", "1_000")
	f("a->'b'->>'c'::int:=x", "a", "->", "'b'", "->>", "'c'", "::", "int", ":=", "x")
	f("a=-1 b<>c *--x", "a", "=", "-", "1", "b", "<>", "c", "*")
	f("x'00' xü", "x'00'", "xü")
	f("'open", "'open")
	f(`"open`, "open")
	f("$$open", "$$open")
	f("/* open", []string{}...)
	f("f(a,[1]){};.", "f", "(", "a", ",", "[", "1", "]", ")", "{", "}", ";", ".")
}

func TestLimitsCount(t *testing.T) {
	weights := map[string]int{"v": 7}
	f := func(sql string, want int) {
		t.Helper()
		m, err := checkLimits(sql, func(name string) meaning { return meaning{weight: weights[strings.ToLower(name)]} })
		got := m.weight
		if err != nil || got != want {
			t.Errorf("%s: %d relations, %v; want %d", sql, got, err, want)
		}
	}
	f("SELECT 1", 1)
	f("SELECT * FROM a, b JOIN c ON a.x = c.x, d", 4)
	f("FROM a", 1)
	f("FROM (a JOIN b USING (x))", 2)
	f("SELECT extract(year FROM ts), substring(x FROM 1), trim(BOTH FROM z) FROM a", 1)
	f("SELECT a IS DISTINCT FROM b FROM v", 8) // IS DISTINCT FROM counts as one too many
	f("SELECT * FROM V, main.v, \"v\"", 21)
	f("SELECT * FROM (VALUES (true, 1), (false, 2)) t, b", 1)
	f("WITH x AS (SELECT * FROM a, b), y(c, d) AS NOT MATERIALIZED (SELECT * FROM x, x) SELECT * FROM y, y", 8)
	f("WITH x AS (FROM v) FROM x", 7)
	f("SELECT * FROM a WHERE EXISTS (SELECT 1 FROM b) AND c IN (SELECT d FROM v)", 9)
	f("SELECT * FROM unnest([1, 2]) u(x, y), tumble('bid', ts, INTERVAL 1 SECOND) w", 2)
	f("SELECT * FROM a AS x(p, q), LATERAL (SELECT x.p) l", 1)
	f("INSERT INTO t SELECT * FROM a", 1)
}

func FuzzLimits(f *testing.F) {
	for _, sql := range bombs() {
		if len(sql) < 1000 {
			f.Add(sql)
		}
	}
	f.Fuzz(func(t *testing.T, sql string) {
		lex, last := lexer{s: sql}, -1
		for tok, ok := lex.next(); ok; tok, ok = lex.next() {
			if tok.pos <= last || lex.at <= tok.pos || lex.at > len(sql) {
				t.Fatalf("%q: token %q at %d does not move on", sql, tok.text, tok.pos)
			}
			last = tok.pos
		}
		if m, err := checkLimits(sql, nil); err == nil && m.weight < 1 {
			t.Errorf("%q: %d relations", sql, m.weight)
		}
		if trimmed := trimStatement(sql); !strings.HasPrefix(sql, trimmed) {
			t.Errorf("%q: trimmed to %q", sql, trimmed)
		}
	})
}
