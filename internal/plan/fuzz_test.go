package plan_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tidemill/tidemill/internal/plan"
)

// FuzzDecode checks that no text makes Decode panic, and that whatever it accepts can be worked with.
func FuzzDecode(f *testing.F) {
	for _, s := range seedPlans(f) {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		n, err := plan.Decode(text)
		if err != nil {
			return
		}
		n.Types()
		_ = plan.Explain(n)
		_ = plan.Check(n)
		plan.Relations(n)
		if wellFormed(n) != nil {
			return // the rewrites rely on DuckDB's types
		}
		optimized := plan.Optimize(n)
		if a, b := len(n.Types()), len(optimized.Types()); a != b {
			t.Errorf("%d columns became %d", a, b)
		}
		plan.UniqueKey(optimized, nil)
		_ = plan.Fingerprint(optimized)
	})
}

// seedPlans makes the plans of the golden files' queries.
func seedPlans(f *testing.F) [][]byte {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil {
		f.Fatal(err)
	}
	var plans [][]byte
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		w := newWorld(f)
		for _, block := range strings.Split(string(text), "\n\n") {
			for _, line := range strings.Split(block, "\n") {
				if strings.HasPrefix(line, "stream ") || strings.HasPrefix(line, "table ") {
					w.define(f, line)
				}
			}
			_, query, ok := strings.Cut("\n"+block, "\nquery\n")
			if !ok {
				continue
			}
			query, _, _ = strings.Cut(query, "\n----")
			planned, err := w.planner.Plan(f.Context(), query)
			if err != nil {
				f.Fatalf("%s: %v", query, err)
			}
			plans = append(plans, planned.Plan)
		}
	}
	return plans
}
