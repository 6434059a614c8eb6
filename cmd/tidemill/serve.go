package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"

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
	data, http, pg, mqtt, config, logLevel, logFormat string
	memory, insecure, pprof                           bool
	workers                                           int
	traceRatio                                        float64
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
