package sql

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"
)

// checkFragments returns what is wrong with the fragments of a text, or "".
func checkFragments(text string, frags []Fragment) string {
	end := 0
	for i, f := range frags {
		if f.Pos < end || f.Pos+len(f.Text) > len(text) || text[f.Pos:f.Pos+len(f.Text)] != f.Text || f.Text == "" {
			return fmt.Sprintf("fragment %d is not in its place: %+v", i, f)
		}
		if gap := emptyText(text[end:f.Pos]); gap != "" {
			return gap
		}
		end = f.Pos + len(f.Text)
		again, err := Split(f.Text)
		if err != nil || len(again) != 1 {
			return fmt.Sprintf("fragment %d splits into %d: %q (%v)", i, len(again), f.Text, err)
		}
	}
	return emptyText(text[end:])
}

// emptyText says what is left in a text besides spaces, comments and semicolons.
func emptyText(text string) string {
	l := lexer{text: text}
	for {
		t, err := l.next()
		switch {
		case err != nil:
			return err.Message
		case t.kind == eof:
			return ""
		case text[t.start:t.end] != ";":
			return "lost: " + text[t.start:t.end]
		}
	}
}

// checkStatement returns what is wrong with the fragments inside a statement, or "".
func checkStatement(text string, s Statement) string {
	return checkValue(text, reflect.ValueOf(s))
}

func checkValue(text string, v reflect.Value) string {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if !v.IsNil() {
			return checkValue(text, v.Elem())
		}
	case reflect.Slice:
		for i := range v.Len() {
			if problem := checkValue(text, v.Index(i)); problem != "" {
				return problem
			}
		}
	case reflect.Struct:
		switch x := v.Interface().(type) {
		case Text:
			return checkPlace(text, x)
		case Values:
			for _, row := range x.All() {
				for _, t := range row {
					if problem := checkPlace(text, t); problem != "" || t.SQL == "" {
						return "value: " + problem
					}
				}
			}
			return ""
		}
		for i := range v.NumField() {
			f := v.Field(i)
			if pos := f; strings.HasSuffix(v.Type().Field(i).Name, "Pos") && (pos.Int() < 0 || pos.Int() > int64(len(text))) {
				return fmt.Sprintf("%s of %+v is not in the text", v.Type().Field(i).Name, v.Interface())
			}
			if problem := checkValue(text, f); problem != "" {
				return problem
			}
		}
	}
	return ""
}

func checkPlace(text string, t Text) string {
	if t.SQL == "" { // a fragment that is not there
		return ""
	}
	if t.Pos < 0 || t.End() > len(text) || text[t.Pos:t.End()] != t.SQL || strings.Trim(t.SQL, " \t\n\r\f") == "" {
		return fmt.Sprintf("fragment is not in its place: %+v", t)
	}
	return ""
}

// checkPosition returns what is wrong with an error for a text, or "".
func checkPosition(text string, err error) string {
	var e *Error
	switch {
	case !errors.As(err, &e):
		return fmt.Sprintf("not an *Error: %v", err)
	case e.Position < 0 || e.Position > utf8.RuneCountInString(text)+1:
		return fmt.Sprintf("position %d is not in the text", e.Position)
	case len(e.Code) != 5 || e.Message == "" || strings.Contains(e.Message, "\x00"):
		return fmt.Sprintf("bad error %+v", e)
	}
	return ""
}

// seeds adds the inputs of all golden files.
func seeds(f *testing.F) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil {
		f.Fatal(err)
	}
	for _, path := range files {
		data, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		for c := range strings.SplitSeq(string(data), goldenNext) {
			in, _, _ := strings.Cut(c, goldenIs)
			f.Add(in)
		}
	}
}

func FuzzSplit(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, text string) {
		frags, err := Split(text)
		problem := ""
		if err != nil {
			problem = checkPosition(text, err)
		} else {
			problem = checkFragments(text, frags)
		}
		if problem != "" {
			t.Fatal(problem)
		}
		for _, frag := range frags {
			if _, err := Parse(frag.Text); err != nil {
				if problem := checkPosition(text, asError(t, err).Shift(text, frag.Pos)); problem != "" {
					t.Fatal(problem)
				}
			}
		}
	})
}

func FuzzParse(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, text string) {
		s, err := Parse(text)
		problem := ""
		if err != nil {
			problem = checkPosition(text, err)
		} else if s == nil || reflect.ValueOf(s).IsNil() {
			problem = "neither statement nor error"
		} else {
			problem = checkStatement(text, s)
			_ = s.Tag()
		}
		if problem != "" {
			t.Fatal(problem)
		}
	})
}

func FuzzRewrite(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, text string) {
		if _, params, err := Params(text); err == nil {
			for _, p := range params {
				if text[p.Pos] != '$' || p.End > len(text) {
					t.Fatalf("not a parameter: %+v", p)
				}
			}
		}
		out, m := ForDuckDB(text, []string{"VARCHAR", "", "DECIMAL(3,2)"})
		for i := range len(out) + 1 {
			if at := m.Original(i); at < 0 || at > len(text) {
				t.Fatalf("position %d of %q leads to %d", i, out, at)
			}
		}
		if l, ok := ParseLiteral(text); ok && l.Kind == WordValue {
			t.Fatalf("%+v", l)
		}
		if q := Quote(text); text != "" && strings.IndexByte(text, 0) < 0 && utf8.ValidString(text) {
			p := &parser{text: q, lex: lexer{text: q}}
			p.advance()
			if len(text) <= maxName && p.ident("").Name != text {
				t.Fatalf("%q is quoted as %s", text, q)
			}
			if s, ok := decodeString(QuoteLiteral(text)); !ok || s != text {
				t.Fatalf("%q reads back as %q", text, s)
			}
		}
	})
}
