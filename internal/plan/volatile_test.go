package plan_test

import (
	"testing"

	"github.com/tidemill/tidemill/internal/plan"
	"github.com/tidemill/tidemill/internal/row"
)

// TestVolatileFunctions compares the functions known as volatile with what DuckDB says, so that an upgrade does not
// bring new ones unseen.
func TestVolatileFunctions(t *testing.T) {
	names, err := ask(t, newOracle(t), `SELECT DISTINCT function_name FROM duckdb_functions()
		WHERE function_type = 'scalar' AND stability <> 'CONSISTENT' AND function_name <> 'error'`)
	if err != nil || len(names) < 20 {
		t.Fatal(len(names), err)
	}
	for _, n := range names {
		if !plan.Fn(n.S, row.T(row.Int64)).Volatile {
			t.Errorf("%s is not known as volatile", n.S)
		}
	}
	date := plan.Col(0, row.T(row.Timestamp))
	if plan.Fn("age", row.T(row.Interval), date, date).Volatile || !plan.Fn("age", row.T(row.Interval), date).Volatile {
		t.Error("age depends on the clock exactly if it has one argument")
	}
}
