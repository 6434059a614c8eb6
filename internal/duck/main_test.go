package duck

import (
	"fmt"
	"os"
	"testing"

	capi "github.com/duckdb/duckdb-go-bindings"
)

// TestMain checks that everything DuckDB gave was given back; the bindings only count with the tag debug_bindings.
func TestMain(m *testing.M) {
	code := m.Run()
	if left := capi.GetAllocationCounts(); left != "" && code == 0 {
		fmt.Fprintf(os.Stderr, "C objects are left:\n%s", left)
		code = 1
	}
	os.Exit(code)
}
