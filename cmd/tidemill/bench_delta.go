package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tidemill/tidemill/internal/bench"
)

func newBenchDelta() *cobra.Command {
	f, o := &benchFlags{}, bench.DeltaOptions{}
	queries := ""
	cmd := &cobra.Command{Use: "delta", Short: "Change a few rows after short and after long histories", Args: noArgs,
		Long: "For each query and length of history a new database in memory gets a materialized view and the rows of the history. Then changes are appended, one\n" +
			"at a time, until the view shows each. A change should cost as much after a long history as after a short one. The views are held against\n" +
			"DuckDB up to a length; if one differs, nothing is printed but MISMATCH. 30 million rows need about 8 GB of memory."}
	cmd.Flags().IntSliceVar(&o.Histories, "histories", []int{1_000_000, 30_000_000}, "rows before the changes, one measurement each")
	cmd.Flags().IntVar(&o.Rows, "rows", 1000, "rows of a change")
	cmd.Flags().IntVar(&o.Deltas, "deltas", 50, "changes")
	cmd.Flags().StringVar(&queries, "queries", "", "aggregate, join, topn, window, join5, session, with commas between; empty runs all")
	cmd.Flags().IntVar(&o.Workers, "workers", 1, "shards per operator")
	cmd.Flags().IntVar(&o.CheckRows, "check", 1_000_000, "the longest history after which views are held against DuckDB")
	f.register(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := f.check(); err != nil {
			return err
		}
		if len(o.Histories) == 0 || slices.Min(o.Histories) < 1000 || o.Rows < 1 || o.Deltas < 1 || o.Workers < 1 {
			return usageError{fmt.Errorf("histories are at least 1000, rows, deltas and workers at least 1")}
		}
		if queries != "" {
			o.Queries = strings.Split(queries, ",")
		}
		o.Progress = progress(cmd.ErrOrStderr())
		return f.profiled(func() error {
			results, err := bench.Delta(cmd.Context(), o)
			if err != nil {
				return err
			}
			return f.write(cmd.OutOrStdout(), results, func(w io.Writer) { drawDeltas(w, results) })
		})
	}
	return cmd
}

func drawDeltas(w io.Writer, results []bench.DeltaResult) {
	fmt.Fprintln(w, "query\thistory rows\thistory CPU s\tchange CPU ms\tp50 ms\tmax ms\tDuckDB run CPU ms\tstate bytes\trows\t")
	for _, r := range results {
		rerun := "–"
		if r.Rerun > 0 {
			rerun = fmt.Sprintf("%.0f", r.Rerun)
		}
		fmt.Fprintf(w, "%s\t%d\t%.2f\t%.2f\t%.2f\t%.2f\t%s\t%d\t%d\t\n", r.Query, r.History, r.Build, r.CPU, r.Wall.P50, r.Wall.Max, rerun, r.StateBytes, r.Rows)
	}
}
