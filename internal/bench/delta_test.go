package bench

import (
	"context"
	"testing"
	"time"
)

// TestDeltasAreDuckDBs holds the views against DuckDB's answers after histories and changes.
func TestDeltasAreDuckDBs(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	results, err := Delta(ctx, DeltaOptions{Histories: []int{5000}, Rows: 100, Deltas: 5, Workers: 2, CheckRows: 5000})
	if err != nil {
		t.Fatal(err)
	}
	if len(results) != len(deltaQueries()) {
		t.Errorf("%d results", len(results))
	}
	for _, r := range results {
		if r.Rows == 0 || r.Rerun == 0 {
			t.Errorf("%s: %d rows, DuckDB took %v ms", r.Query, r.Rows, r.Rerun)
		}
	}
	if _, err := Delta(ctx, DeltaOptions{Histories: []int{10}, Queries: []string{"none"}}); err == nil {
		t.Error("an unknown query runs")
	}
}
