// Package house holds the tests of the house itself: which package may import which, and that each says what it is.
package house

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/tidemill/tidemill/"

// order lists the packages along the path of the data, the deepest last: a package may import only what is behind it. Packages on one line
// do not import each other.
var order = [][]string{
	{"cmd/tidemill"},
	{"internal/bench", "internal/bench/nexmark", "internal/demo"},
	{"."},
	{"internal/node"},
	{"internal/pgwire", "internal/httpapi"},
	{"internal/live", "internal/pgwire/pgcatalog"},
	{"internal/session"},
	{"internal/hub"},
	{"internal/engine"},
	{"internal/ingest"},
	{"internal/dataflow"},
	{"internal/dataflow/scalar", "internal/dataflow/state"},
	{"internal/plan"},
	{"internal/view", "internal/catalog", "internal/duck", "internal/log/jetlog", "internal/log/memlog", "internal/log/logtest"},
	{"examples/greenhouse", "internal/log/jetlog/frame", "internal/checkpoint"},
	{"internal/metrics", "internal/admission"},
	{"internal/sql", "internal/fault", "internal/token", "internal/record", "internal/log", "internal/row", "internal/trace", "internal/doctor"},
}

// exceptions are imports against the order, each with its reason.
var exceptions = map[string]string{
	"internal/log/jetlog → internal/log/memlog": "topics in memory are the in-memory log's",
	"internal/bench → internal/bench/nexmark":   "the benchmark's workload",
}

// wrapped are heavy dependencies and the only packages that may import them.
var wrapped = map[string][]string{
	"github.com/duckdb/":               {"internal/duck"},
	"github.com/nats-io/":              {"internal/log/jetlog"},
	"github.com/jackc/pgx/v5/pgproto3": {"internal/pgwire"},
	"github.com/prometheus/":           {"internal/metrics"},
	"go.opentelemetry.io/":             {"internal/trace"},
}

// imports returns the imports of every package's code without tests.
func imports(t *testing.T) (map[string][]string, map[string]string) {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	out, docs := map[string][]string{}, map[string]string{}
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (strings.HasPrefix(d.Name(), ".") && path != root || d.Name() == "testdata" || d.Name() == "node_modules") {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly|parser.ParseComments)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, filepath.Dir(path))
		if err != nil {
			return err
		}
		if f.Doc != nil {
			docs[rel] += f.Doc.Text()
		}
		for _, i := range f.Imports {
			out[rel] = append(out[rel], strings.Trim(i.Path.Value, `"`))
		}
		if out[rel] == nil {
			out[rel] = []string{}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out, docs
}

// TestImportsFollowTheData fails when a package imports one that stands before it on the path of the data.
func TestImportsFollowTheData(t *testing.T) {
	level := map[string]int{}
	for i, ps := range order {
		for _, p := range ps {
			level[p] = i
		}
	}
	all, _ := imports(t)
	for pkg, imps := range all {
		own, known := level[pkg]
		if !known {
			if strings.HasPrefix(pkg, "internal/") || strings.HasPrefix(pkg, "cmd/") {
				t.Errorf("%s has no place in the order of the house: add it to this test, with thought", pkg)
			}
			continue
		}
		for _, i := range imps {
			if !strings.HasPrefix(i+"/", module) {
				continue
			}
			to := strings.TrimPrefix(i+"/", module)
			to = strings.TrimSuffix(to, "/")
			if to == "" {
				to = "."
			}
			if exceptions[pkg+" → "+to] != "" || level[to] > own {
				continue
			}
			t.Errorf("%s imports %s, which does not stand behind it on the path of the data", pkg, to)
		}
	}
}

// TestHeavyDependenciesAreWrapped fails when a heavy dependency is used outside its one package.
func TestHeavyDependenciesAreWrapped(t *testing.T) {
	all, _ := imports(t)
	for pkg, imps := range all {
		for _, i := range imps {
			for dep, owners := range wrapped {
				if strings.HasPrefix(i, dep) && !slices.ContainsFunc(owners, func(o string) bool { return pkg == o || strings.HasPrefix(pkg, o+"/") }) && !strings.HasPrefix(pkg, "test/") {
					t.Errorf("%s imports %s; only %v may", pkg, i, owners)
				}
			}
		}
	}
}

// TestPackagesSayWhatTheyAre fails for a package without a package comment.
func TestPackagesSayWhatTheyAre(t *testing.T) {
	all, docs := imports(t)
	for pkg := range all {
		if len(docs[pkg]) < 40 {
			t.Errorf("%s has no package doc that says what it is", pkg)
		}
	}
}

// TestNoLeftovers fails for words that mark unfinished work.
func TestNoLeftovers(t *testing.T) {
	root := "../.."
	words := []string{"TO" + "DO", "FIX" + "ME", "XX" + "X:"}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && d.Name() == ".git" {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(path, ".go") {
			return nil
		}
		text, err := os.ReadFile(path)
		for _, w := range words {
			if strings.Contains(string(text), w) {
				t.Errorf("%s contains %s", path, w)
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
