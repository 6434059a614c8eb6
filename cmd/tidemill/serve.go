package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"gopkg.in/yaml.v3"

	"github.com/tidemill/tidemill/internal/node"
)

// commands lists the subcommands.
func commands() []*cobra.Command {
	return []*cobra.Command{newServe(), newDemo(), newSQL(), newLoad(), newTail(), newVerify(), newBench(), newDoctor()}
}

// serveFlags are the flags of commands that run a node.
type serveFlags struct {
	data, http, pg, mqtt, config, logLevel string
	logFormat                              string
	memory, insecure, pprof                bool
	traceRatio                             float64
	workers, queries                       int
	inflight, queryMemory, queryTemp       string
	resultBytes                            string
	dedupeWindow, queryTimeout             time.Duration
}

func (f *serveFlags) register(fs *pflag.FlagSet) {
	fs.StringVar(&f.data, "data", "tidemill-data", "directory that holds everything")
	fs.BoolVar(&f.memory, "memory", false, "keep nothing beyond the process")
	fs.StringVar(&f.http, "http", "127.0.0.1:8080", "address of the HTTP door; port 0 takes a free one, empty turns it off")
	fs.StringVar(&f.pg, "pg", "127.0.0.1:5433", "address of the Postgres door")
	fs.StringVar(&f.mqtt, "mqtt", "", "address of the MQTT door; not available in this version, must be empty")
	fs.StringVar(&f.config, "config", "", "YAML file with the same names as the flags")
	fs.IntVar(&f.workers, "workers", 0, "shards per operator; 0 is the number of cores")
	fs.BoolVar(&f.insecure, "insecure", false, "allow addresses that are not loopback although there are no rights")
	fs.StringVar(&f.inflight, "inflight-bytes", "", "the most bytes of writes that are taken and not stored yet, for example 256MiB; empty is a 32nd of the memory, 64 MiB to 1 GiB")
	fs.StringVar(&f.queryMemory, "query-memory", "", "the most memory of all queries together; empty is a quarter of the memory")
	fs.StringVar(&f.queryTemp, "query-temp", "32GiB", "the most bytes that queries spill to disk")
	fs.IntVar(&f.queries, "queries", 16, "the most queries that are open at once; others wait, at most a minute")
	fs.StringVar(&f.resultBytes, "result-bytes", "1GiB", "the most bytes of a query's rows over HTTP; 0 is no bound")
	fs.DurationVar(&f.queryTimeout, "query-timeout", time.Minute, "the most time of a query over HTTP; 0 is no bound")
	fs.DurationVar(&f.dedupeWindow, "dedupe-window", 10*time.Minute, "how long repeated events are known, where a relation does not say")
	fs.StringVar(&f.logLevel, "log-level", "info", "debug, info, warn or error")
	fs.StringVar(&f.logFormat, "log-format", "text", "text, or json for one object a line")
	fs.BoolVar(&f.pprof, "pprof", false, "serve profiles of the process at /debug/pprof/, to clients on this machine")
	fs.Float64Var(&f.traceRatio, "trace-ratio", 0, "share of requests that are traced, 0 to 1; where to is said by OTEL_EXPORTER_OTLP_ENDPOINT and its like")
}

// resolve fills flags that were not given from TIDEMILL_… and the configuration file: the command line wins, then the environment, then the file.
func resolve(fs *pflag.FlagSet) error {
	var failed error
	env := map[string]bool{}
	fs.VisitAll(func(f *pflag.Flag) {
		name := "TIDEMILL_" + strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_"))
		if v, ok := os.LookupEnv(name); ok && !f.Changed {
			env[f.Name] = true
			if err := fs.Set(f.Name, v); err != nil {
				failed = usageError{fmt.Errorf("%s: %w", name, err)}
			}
		}
	})
	file, err := fs.GetString("config")
	if failed != nil || err != nil || file == "" {
		return failed
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("reading the configuration: %w", err)
	}
	values := map[string]any{}
	if err := yaml.Unmarshal(text, &values); err != nil {
		return usageError{fmt.Errorf("reading %s: %w", file, err)}
	}
	for name, v := range values {
		f := fs.Lookup(name)
		if f == nil || name == "config" {
			return usageError{fmt.Errorf("%s: there is no setting %q", file, name)}
		}
		if f.Changed || env[name] {
			continue
		}
		if err := fs.Set(name, fmt.Sprint(v)); err != nil {
			return usageError{fmt.Errorf("%s: %s: %w", file, name, err)}
		}
	}
	return nil
}

func (f *serveFlags) nodeConfig(stderr io.Writer) (node.Config, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(f.logLevel)); err != nil {
		return node.Config{}, usageError{fmt.Errorf("log-level is %q, want debug, info, warn or error", f.logLevel)}
	}
	if f.mqtt != "" {
		return node.Config{}, usageError{fmt.Errorf("the MQTT door is not available in this version")}
	}
	if f.traceRatio < 0 || f.traceRatio > 1 {
		return node.Config{}, usageError{fmt.Errorf("trace-ratio is %g, want 0 to 1", f.traceRatio)}
	}
	logger, err := newLogger(stderr, f.logFormat, level)
	if err != nil {
		return node.Config{}, err
	}
	c := node.Config{DataDir: f.data, HTTP: f.http, PG: f.pg, Workers: f.workers, Insecure: f.insecure, PProf: f.pprof, TraceRatio: f.traceRatio, Logger: logger}
	if err := f.bounds(&c); err != nil {
		return c, err
	}
	if f.memory {
		c.DataDir = ""
	} else if f.data == "" {
		return c, usageError{fmt.Errorf("data is empty; pass a directory, or --memory to keep nothing")}
	}
	return c, nil
}

func newLogger(w io.Writer, format string, level slog.Level) (*slog.Logger, error) {
	o := &slog.HandlerOptions{Level: level}
	switch format {
	case "text":
		return slog.New(slog.NewTextHandler(w, o)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(w, o)), nil
	}
	return nil, usageError{fmt.Errorf("log-format is %q, want text or json", format)}
}

// bounds reads the flags that bound what clients may take.
func (f *serveFlags) bounds(c *node.Config) error {
	for _, b := range []struct {
		name, text string
		to         *int64
	}{{"inflight-bytes", f.inflight, &c.InflightBytes}, {"query-memory", f.queryMemory, &c.QueryMemoryBytes},
		{"query-temp", f.queryTemp, &c.QueryTempBytes}, {"result-bytes", f.resultBytes, &c.ResultBytes}} {
		n, err := parseBytes(b.text)
		if err != nil {
			return usageError{fmt.Errorf("%s is %q, want a number of bytes as in 256MiB", b.name, b.text)}
		}
		*b.to = n
	}
	c.Queries = f.queries
	c.DedupeWindow, c.QueryTimeout = f.dedupeWindow, f.queryTimeout
	// What is 0 in a configuration has its default.
	if c.QueryTimeout == 0 {
		c.QueryTimeout = -1
	}
	if c.ResultBytes == 0 {
		c.ResultBytes = -1
	}
	return nil
}

// parseBytes reads a number of bytes with an optional unit; nothing is 0.
func parseBytes(s string) (int64, error) {
	if s = strings.TrimSpace(s); s == "" {
		return 0, nil
	}
	unit := int64(1)
	for i, u := range []string{"KiB", "MiB", "GiB", "TiB"} {
		if number, is := strings.CutSuffix(s, u); is {
			s, unit = strings.TrimSpace(number), 1<<(10*(i+1))
			break
		}
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 0 || n > (1<<62)/unit {
		return 0, fmt.Errorf("%q is no number of bytes", s)
	}
	return n * unit, nil
}

func newServe() *cobra.Command {
	f := &serveFlags{}
	cmd := &cobra.Command{Use: "serve", Short: "Run a node", Args: noArgs}
	f.register(cmd.Flags())
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := resolve(cmd.Flags()); err != nil {
			return err
		}
		c, err := f.nodeConfig(cmd.ErrOrStderr())
		if err != nil {
			return err
		}
		return serve(cmd.Context(), c, cmd.ErrOrStderr(), nil)
	}
	return cmd
}

// serve runs a node until ctx ends. started, if not nil, is called once it takes requests; the function it returns is called before the node closes.
func serve(ctx context.Context, c node.Config, stderr io.Writer, started func(*node.Node) (stop func(), err error)) error {
	n, err := node.Start(ctx, c)
	if err != nil {
		return err
	}
	fmt.Fprintln(stderr, n.Ready())
	if started != nil {
		stop, err := started(n)
		if err != nil {
			return errors.Join(err, n.Close(context.WithoutCancel(ctx)))
		}
		<-ctx.Done()
		stop()
	}
	<-ctx.Done()
	return n.Close(context.WithoutCancel(ctx))
}
