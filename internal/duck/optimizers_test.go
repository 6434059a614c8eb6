package duck

import (
	"slices"
	"testing"
)

// knownOptimizers are those of the pinned DuckDB. When an upgrade changes the list, classify what is new in
// plannerOptimizers or refusedOptimizers.
var knownOptimizers = []string{
	"build_side_probe_side", "column_lifetime", "common_aggregate", "common_subexpressions", "common_subplan", "compressed_materialization",
	"cte_filter_pusher", "cte_inlining", "deliminator", "duplicate_groups", "empty_result_pullup", "expression_rewriter", "extension", "filter_pullup",
	"filter_pushdown", "in_clause", "join_elimination", "join_filter_pushdown", "join_order", "late_materialization", "limit_pushdown",
	"materialized_cte", "regex_range", "reorder_filter", "row_group_pruner", "sampling_pushdown", "statistics_propagation", "sum_rewriter", "top_n",
	"top_n_window_elimination", "unnest_rewriter", "unused_columns", "window_self_join",
}

func TestOptimizersAreClassified(t *testing.T) {
	p := openPlanner(t, PlannerOptions{})
	names, err := p.admin.strings("SELECT name FROM duckdb_optimizers() ORDER BY name")
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(names, knownOptimizers) {
		t.Errorf("optimizer rules %q, want %q", names, knownOptimizers)
	}
	for _, n := range names {
		_, refused := refusedOptimizers[n]
		if allowed := slices.Contains(plannerOptimizers, n); allowed == refused {
			t.Errorf("the optimizer rule %s is in both lists or in neither", n)
		}
	}
	disabled, err := p.admin.strings("SELECT unnest(string_split(current_setting('disabled_optimizers'), ','))")
	if err != nil {
		t.Fatal(err)
	}
	if len(disabled) != len(refusedOptimizers) {
		t.Errorf("%d optimizer rules are off, want %d", len(disabled), len(refusedOptimizers))
	}
}
