package duck

import (
	"fmt"
	"slices"
	"strings"
)

// plannerOptimizers are the optimizer rules the planner runs. It is an allowlist, because
// json_serialize_plan resolves column bindings before types and fails with an internal error after any rule that
// changes an already typed plan, and because rules that read statistics would read those of empty tables.
var plannerOptimizers = []string{
	"expression_rewriter", "filter_pullup", "filter_pushdown", "cte_filter_pusher", "join_order", "deliminator",
	"cte_inlining", "empty_result_pullup", "common_aggregate", "duplicate_groups", "extension",
}

// refusedOptimizers are all others known, with the reason each is off. A rule in neither list is new in
// this version of DuckDB: OpenPlanner leaves it off, and a test asks for it to be classified.
var refusedOptimizers = map[string]string{
	"unused_columns":             "binding error on every CTE with an unused column; the plan package prunes columns",
	"statistics_propagation":     "reads the statistics of empty tables",
	"build_side_probe_side":      "flips join sides by cardinality; binding errors",
	"top_n_window_elimination":   "fails on row_number() <= k and hides the top-N pattern",
	"late_materialization":       "fails with top_n, adds joins on row ids",
	"column_lifetime":            "adds projection maps everywhere; binding errors",
	"in_clause":                  "IN lists become mark joins",
	"join_filter_pushdown":       "reorders conditions, adds dynamic filters",
	"row_group_pruner":           "adds row group order options",
	"top_n":                      "a second form of LIMIT over ORDER BY",
	"window_self_join":           "a second form of window aggregates",
	"sum_rewriter":               "a second form of sum(x + constant)",
	"common_subplan":             "a second form of repeated subqueries",
	"unnest_rewriter":            "a second form of unnest",
	"common_subexpressions":      "adds projections",
	"limit_pushdown":             "a second form of LIMIT",
	"sampling_pushdown":          "a second form of SAMPLE",
	"reorder_filter":             "reorders conditions by a run-time adaptive cost",
	"compressed_materialization": "adds casts for storage",
	"materialized_cte":           "decides on materialization by statistics",
	"join_elimination":           "needs constraints we do not hold to",
	"regex_range":                "adds redundant range predicates",
}

// disableOptimizers turns off every rule of this DuckDB that is not on the allowlist, and refuses to
// go on when an allowed rule does not exist.
func disableOptimizers(c *conn) error {
	names, err := c.strings("SELECT name FROM duckdb_optimizers()")
	if err != nil {
		return fmt.Errorf("listing optimizer rules: %w", err)
	}
	var off []string
	for _, n := range names {
		if !slices.Contains(plannerOptimizers, n) {
			off = append(off, n)
		}
	}
	for _, n := range plannerOptimizers {
		if !slices.Contains(names, n) {
			return errorf(KindInternal, "this DuckDB has no optimizer rule "+n)
		}
	}
	return c.exec("SET GLOBAL disabled_optimizers = " + quoteString(strings.Join(off, ",")))
}
