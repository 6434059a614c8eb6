package sql

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var rewriteGolden = flag.Bool("rewrite", false, "write what comes out into the files of testdata")

// A file of testdata holds cases: the input, a line ----, what is expected up to a line of equals signs.
const (
	goldenIs   = "\n----\n"
	goldenNext = "====\n"
)

// golden runs a function over the cases of a file.
func golden(t *testing.T, path string, f func(string) string) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	for c := range strings.SplitSeq(string(data), goldenNext) {
		if strings.TrimSpace(c) == "" {
			continue
		}
		in, want, ok := strings.Cut(c, goldenIs)
		if !ok && !*rewriteGolden {
			t.Fatalf("%s: no ---- in case %q", path, c)
		}
		in = strings.TrimSuffix(in, "\n")
		got := f(in)
		if got != want && !*rewriteGolden {
			t.Errorf("%s: %s\ngot:\n%s\nwant:\n%s", path, in, got, want)
		}
		out.WriteString(in + goldenIs + got + goldenNext)
	}
	if *rewriteGolden {
		if err := os.WriteFile(path, []byte(out.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func asError(t *testing.T, err error) *Error {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("not an *Error: %v", err)
	}
	return e
}

func TestParseGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/parse_*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no files", err)
	}
	for _, path := range files {
		golden(t, path, func(in string) string {
			s, err := Parse(in)
			if err != nil {
				return dumpError(asError(t, err))
			}
			if problem := checkStatement(in, s); problem != "" {
				t.Errorf("%s: %s", in, problem)
			}
			return dump(s)
		})
	}
}

func TestSplitGolden(t *testing.T) {
	golden(t, "testdata/split.txt", func(in string) string {
		frags, err := Split(in)
		if err != nil {
			return dumpError(asError(t, err))
		}
		if problem := checkFragments(in, frags); problem != "" {
			t.Errorf("%s: %s", in, problem)
		}
		var b strings.Builder
		for _, f := range frags {
			dumpText := Text{SQL: f.Text, Pos: f.Pos}
			b.WriteString(dump(dumpText))
		}
		return b.String()
	})
}
