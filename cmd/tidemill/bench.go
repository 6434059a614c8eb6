package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/pprof"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/tidemill/tidemill/internal/bench"
	"github.com/tidemill/tidemill/internal/bench/nexmark"
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
	cmd.AddCommand(newBenchNexmark(), newBenchIngest(), newBenchFreshness(), newBenchPointRead(), newBenchDelta(), newBenchClient())
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
			for _, q := range o.Queries {
				if _, ok := nexmark.Find(q); !ok {
					return usageError{fmt.Errorf("there is no query %q; see docs/benchmarks.md", q)}
				}
			}
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

// newBenchClient is what the benchmarks start as their client.
func newBenchClient() *cobra.Command {
	return &cobra.Command{Use: "client", Hidden: true, Short: "The client's side of a benchmark, on the standard input and output", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return bench.ServeClient(cmd.Context(), cmd.InOrStdin(), cmd.OutOrStdout())
		}}
}

// benchClient is this program as the client.
func benchClient() (bench.Client, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("finding this program: %w", err)
	}
	return bench.Client{self, "bench", "client"}, nil
}

func newBenchIngest() *cobra.Command {
	f, o := &benchFlags{}, bench.IngestOptions{}
	cmd := &cobra.Command{Use: "ingest", Short: "Send events as JSON over HTTP into a durable stream", Args: noArgs,
		Long: "A client process sends Nexmark bids as newline-delimited JSON over HTTP to a node in a temporary directory. Every request is answered after\n" +
			"its events are fsynced. Events by CPU second count the node's CPU time alone."}
	cmd.Flags().IntVar(&o.Events, "events", 500_000, "bids to send")
	cmd.Flags().IntVar(&o.Batch, "batch", 1000, "events in a request")
	cmd.Flags().IntVar(&o.Connections, "connections", 16, "requests at a time")
	cmd.Flags().IntVar(&o.Runs, "runs", 3, "runs, of which the median is shown")
	cmd.Flags().Uint64Var(&o.Seed, "seed", 1, "decides on the events")
	f.register(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) (err error) {
		if err := f.check(); err != nil {
			return err
		}
		if o.Events < 1 || o.Batch < 1 || o.Connections < 1 || o.Runs < 1 {
			return usageError{fmt.Errorf("events, batch, connections and runs are at least 1")}
		}
		if o.Client, err = benchClient(); err != nil {
			return err
		}
		o.Progress = progress(cmd.ErrOrStderr())
		return f.profiled(func() error {
			r, err := bench.Ingest(cmd.Context(), o)
			if err != nil {
				return err
			}
			return f.write(cmd.OutOrStdout(), r, func(w io.Writer) {
				fmt.Fprintln(w, "events\tbatch\tconnections\tevents/s\tevents/s/core\tMB/s\tnode CPU s\tclient CPU s\tack p50 ms\tp99\tp99.9\t")
				fmt.Fprintf(w, "%d\t%d\t%d\t%.0f\t%.0f\t%.0f\t%.2f\t%.2f\t%.2f\t%.2f\t%.2f\t\n", r.Events, r.Batch, r.Connections, r.PerSecond, r.PerCore,
					float64(r.Bytes)/1e6/r.Wall, r.NodeCPU, r.ClientCPU, r.Ack.P50, r.Ack.P99, r.Ack.P999)
			})
		})
	}
	return cmd
}

func newBenchFreshness() *cobra.Command {
	f, o := &benchFlags{}, bench.FreshnessOptions{}
	cmd := &cobra.Command{Use: "freshness", Short: "Measure how soon subscribers are told of an event", Args: noArgs,
		Long: "A client process sends events to a node in a temporary directory at a fixed rate, whether or not earlier ones were answered, and subscribes to a\n" +
			"view of them. Times are from the moment at which a request was to be sent to the fsynced answer and to the Server-Sent Event that shows it."}
	cmd.Flags().Float64Var(&o.Load, "load", 0.5, "share of the rate that saturates the node")
	cmd.Flags().Float64Var(&o.Rate, "rate", 0, "events per second instead of a share")
	cmd.Flags().IntVar(&o.Batch, "batch", 100, "events in a request")
	cmd.Flags().IntVar(&o.Connections, "connections", 32, "senders, one request at a time each")
	cmd.Flags().IntVar(&o.Subscribers, "subscribers", 10, "live queries")
	cmd.Flags().DurationVar(&o.Time, "time", 10*time.Second, "how long to send")
	cmd.Flags().DurationVar(&o.Saturate, "saturate", 3*time.Second, "how long to find the rate that saturates the node")
	f.register(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) (err error) {
		if err := f.check(); err != nil {
			return err
		}
		if o.Load <= 0 || o.Rate < 0 || o.Batch < 1 || o.Connections < 1 || o.Subscribers < 1 || o.Time <= 0 || o.Saturate <= 0 {
			return usageError{fmt.Errorf("load, batch, connections, subscribers and times are above 0")}
		}
		if o.Client, err = benchClient(); err != nil {
			return err
		}
		o.Progress = progress(cmd.ErrOrStderr())
		return f.profiled(func() error {
			r, err := bench.Freshness(cmd.Context(), o)
			if err != nil {
				return err
			}
			return f.write(cmd.OutOrStdout(), r, func(w io.Writer) { drawFreshness(w, r) })
		})
	}
	return cmd
}

func drawFreshness(w io.Writer, r *bench.FreshnessResult) {
	if r.Saturated > 0 {
		fmt.Fprintf(w, "The node is saturated by %.0f events/s.\n", r.Saturated)
	}
	fmt.Fprintf(w, "Sent: %.0f events/s in %d requests of %d events, to %d subscribers; the node used %.2f cores, the client %.2f.\n",
		r.Rate, r.Requests, r.Batch, r.Subscribers, r.NodeCores, r.ClientCores)
	fmt.Fprintln(w, "ms\tp50\tp99\tp99.9\tmax\t")
	for _, l := range []struct {
		name string
		of   bench.Latency
	}{{"send → ack", r.Ack}, {"send → frame", r.Frame}, {"ack → frame", r.AckToFrame}} {
		fmt.Fprintf(w, "%s\t%.2f\t%.2f\t%.2f\t%.2f\t\n", l.name, l.of.P50, l.of.P99, l.of.P999, l.of.Max)
	}
}

func newBenchPointRead() *cobra.Command {
	f, o := &benchFlags{}, bench.PointReadOptions{}
	cmd := &cobra.Command{Use: "pointread", Short: "Read rows by primary key over Postgres wire, beside PostgreSQL", Args: noArgs,
		Long: "A client process reads rows of a table by primary key with a prepared statement, from a node and, in turns, from a private PostgreSQL server if one\n" +
			"is installed. Both listen on the loopback; PostgreSQL has the settings it comes with."}
	cmd.Flags().IntVar(&o.Rows, "rows", 100_000, "rows of the table")
	cmd.Flags().IntSliceVar(&o.Clients, "clients", []int{1, 8}, "connections that read at once, one measurement each")
	cmd.Flags().DurationVar(&o.Time, "time", 3*time.Second, "how long a measurement takes")
	cmd.Flags().IntVar(&o.Runs, "runs", 3, "runs of each, of which the median is shown")
	cmd.Flags().BoolVar(&o.NoPostgres, "no-postgres", false, "leave PostgreSQL out")
	f.register(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) (err error) {
		if err := f.check(); err != nil {
			return err
		}
		if o.Rows < 1 || o.Runs < 1 || o.Time <= 0 || len(o.Clients) == 0 || slices.Min(o.Clients) < 1 {
			return usageError{fmt.Errorf("rows, clients, runs and time are above 0")}
		}
		if o.Client, err = benchClient(); err != nil {
			return err
		}
		o.Progress = progress(cmd.ErrOrStderr())
		return f.profiled(func() error {
			results, err := bench.PointRead(cmd.Context(), o)
			if err != nil {
				return err
			}
			return f.write(cmd.OutOrStdout(), results, func(w io.Writer) { drawPointReads(w, results) })
		})
	}
	return cmd
}

func drawPointReads(w io.Writer, results []bench.PointReadResult) {
	fmt.Fprintln(w, "system\tclients\treads/s\treads/s/core\tp50 ms\tp99 ms\tp99.9 ms\t")
	for _, r := range results {
		if r.Note != "" {
			fmt.Fprintf(w, "%s\t%s\t\n", r.System, r.Note)
			continue
		}
		perCore := "–"
		if r.PerCore > 0 {
			perCore = fmt.Sprintf("%.0f", r.PerCore)
		}
		fmt.Fprintf(w, "%s\t%d\t%.0f\t%s\t%.3f\t%.3f\t%.3f\t\n", r.System, r.Clients, r.PerSecond, perCore, r.Latency.P50, r.Latency.P99, r.Latency.P999)
	}
}
