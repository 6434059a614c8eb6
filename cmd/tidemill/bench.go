package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/pprof"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/tidemill/tidemill/internal/bench"
)

// benchFlags are the flags that all benchmarks have.
type benchFlags struct {
	out, cpuProfile string
}

func newBench() *cobra.Command {
	cmd := &cobra.Command{Use: "bench", Short: "Measure this machine with this program", Args: noArgs,
		Long: "The built-in benchmarks. They run in processes and temporary directories of their own and leave nothing behind.\n" +
			"Run them on a machine that does nothing else; docs/benchmarks.md says what they measure.",
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() }}
	cmd.AddCommand(newBenchNexmark())
	return cmd
}

func (f *benchFlags) register(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.out, "out", "table", "table or json")
	cmd.Flags().StringVar(&f.cpuProfile, "cpuprofile", "", "file for a CPU profile of this process, preparations included")
}

func (f *benchFlags) check() error {
	if f.out != "table" && f.out != "json" {
		return usageError{fmt.Errorf("out is %q, want table or json", f.out)}
	}
	return nil
}

// write writes a result as JSON, or as the table that draw makes of it.
func (f *benchFlags) write(w io.Writer, result any, draw func(io.Writer)) error {
	if f.out == "json" {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return e.Encode(result)
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	draw(t)
	return t.Flush()
}

// progress tells on w what runs.
func progress(w io.Writer) func(string) {
	return func(what string) { fmt.Fprintln(w, what) }
}

func newBenchNexmark() *cobra.Command {
	f, o := &benchFlags{}, bench.NexmarkOptions{}
	queries := ""
	cmd := &cobra.Command{Use: "nexmark", Short: "Keep the Nexmark queries up to date, and hold them against DuckDB", Args: noArgs,
		Long: "For each query a new database in memory gets a materialized view and then the events, as log records, until the view shows all of them.\n" +
			"Then DuckDB runs the query once over the same rows in its tables and stores the result. R is our CPU time ÷ DuckDB's: what it costs to have been up to\n" +
			"date all the time, in runs of DuckDB. The two must have the same result, else nothing is printed but MISMATCH."}
	cmd.Flags().Uint64Var(&o.Events, "events", 1_000_000, "events of all kinds; 46 of 50 are bids")
	cmd.Flags().StringVar(&queries, "queries", "", "names of queries, with commas between; empty runs all")
	cmd.Flags().IntVar(&o.Workers, "workers", 1, "shards per operator")
	cmd.Flags().IntVar(&o.Runs, "runs", 3, "runs of each query, of which the medians are shown")
	cmd.Flags().Uint64Var(&o.Config.Seed, "seed", 1, "decides on the events")
	cmd.Flags().Uint64Var(&o.Config.Rate, "rate", 10_000, "events in a second of event time")
	cmd.Flags().Uint64Var(&o.Config.OutOfOrderGroup, "shuffle", 1, "events that are shuffled among themselves; 1 keeps them in order")
	cmd.Flags().Uint64Var(&o.TickEvents, "tick", 64<<10, "events that are appended at a time")
	f.register(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := f.check(); err != nil {
			return err
		}
		if o.Events == 0 || o.Runs < 1 || o.Workers < 1 || o.TickEvents == 0 {
			return usageError{fmt.Errorf("events, runs, workers and tick are at least 1")}
		}
		if queries != "" {
			o.Queries = strings.Split(queries, ",")
		}
		o.Progress = progress(cmd.ErrOrStderr())
		return f.profiled(func() error {
			results, err := bench.Nexmark(cmd.Context(), o)
			if err != nil {
				return err
			}
			return f.write(cmd.OutOrStdout(), results, func(w io.Writer) { drawNexmark(w, results) })
		})
	}
	return cmd
}

// profiled runs a benchmark with a CPU profile of this process, if one was asked for.
func (f *benchFlags) profiled(run func() error) error {
	if f.cpuProfile == "" {
		return run()
	}
	file, err := os.Create(f.cpuProfile)
	if err != nil {
		return fmt.Errorf("making the CPU profile: %w", err)
	}
	if err := pprof.StartCPUProfile(file); err != nil {
		return errors.Join(fmt.Errorf("making the CPU profile: %w", err), file.Close())
	}
	err = run()
	pprof.StopCPUProfile()
	return errors.Join(err, file.Close())
}

func drawNexmark(w io.Writer, results []bench.NexmarkResult) {
	fmt.Fprintln(w, "query\tevents\tevents/s/core\tCPU s\tDuckDB CPU s\tR\tR min–max\tstate bytes\tview bytes\trows\tdigest\t")
	for _, r := range results {
		fmt.Fprintf(w, "%s\t%d\t%.0f\t%.3f\t%.3f\t%.1f\t%.1f–%.1f\t%d\t%d\t%d\tok\t\n", r.Query, r.Events, r.PerCore, r.CPU, r.DuckCPU, r.R, r.Low, r.High,
			r.StateBytes, r.ViewBytes, r.Rows)
	}
}
