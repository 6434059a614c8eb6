package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tidemill/tidemill/internal/admission"
	"github.com/tidemill/tidemill/internal/fault"
	"github.com/tidemill/tidemill/internal/httpapi"
	"github.com/tidemill/tidemill/internal/log"
	"github.com/tidemill/tidemill/internal/log/jetlog"
	"github.com/tidemill/tidemill/internal/metrics"
	"github.com/tidemill/tidemill/internal/pgwire"
	"github.com/tidemill/tidemill/internal/pgwire/pgcatalog"
	"github.com/tidemill/tidemill/internal/session"
	"github.com/tidemill/tidemill/internal/trace"
)

// DefaultDatabase is the database there always is.
const DefaultDatabase = "main"

// Config says what a node is made of. The zero value of an address turns that door off.
type Config struct {
	// DataDir holds everything that is kept; empty keeps nothing beyond the process.
	DataDir string
	// HTTP and PG are the doors' addresses; port 0 takes a free one.
	HTTP, PG string
	// Workers is the number of shards per operator; 0 is the number of cores.
	Workers int
	// Insecure allows addresses that are not loopback although there are no rights yet.
	Insecure bool
	// PProf serves profiles of the process at /debug/pprof/, to clients on this machine unless Insecure.
	PProf bool
	// TraceRatio is the share of requests that are traced; see package trace. 0 leaves it to the environment, which by default traces nothing.
	TraceRatio float64
	Logger     *slog.Logger
	// InflightBytes bounds what clients have sent and the log has not taken yet, as they sent it; 0 is a 32nd of the memory, 64 MiB to 1 GiB.
	InflightBytes int64
	// DedupeWindow is how long repeated events are known where a relation does not say; 0 is ten minutes.
	DedupeWindow time.Duration
	// QueryMemoryBytes bounds the memory of all queries together, QueryTempBytes what they spill to disk; 0 is a quarter of the memory, and 32 GiB.
	QueryMemoryBytes, QueryTempBytes int64
	// Queries bounds the queries that are open at once; 0 is 16.
	Queries int
	// QueryTimeout bounds the time of a query over HTTP, ResultBytes the bytes of its rows; 0 is a minute, and 1 GiB; negative is no bound.
	QueryTimeout time.Duration
	ResultBytes  int64
}

const (
	defaultQueryTimeout = time.Minute
	defaultResultBytes  = 1 << 30
)

// Node is a running node.
type Node struct {
	config    Config
	logger    *slog.Logger
	metrics   *metrics.Set
	tracer    *trace.Tracer
	log       log.Log
	database  *session.Database
	postgres  *pgcatalog.Door
	http      *httpapi.Server
	pg        *pgwire.Server
	httpAddr  net.Addr
	pgAddr    net.Addr
	serving   sync.WaitGroup
	tempDir   string
	startedAt time.Time
}

// Start builds a node and returns when it takes requests.
func Start(ctx context.Context, c Config) (n *Node, err error) {
	if c.Workers <= 0 {
		c.Workers = runtime.GOMAXPROCS(0)
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	for _, addr := range []string{c.HTTP, c.PG} {
		if err := checkAddress(addr, c.Insecure); err != nil {
			return nil, err
		}
	}
	c = c.withDefaults()
	n = &Node{config: c, logger: c.Logger, metrics: metrics.New(Version()), startedAt: time.Now()}
	defer func() {
		if err != nil {
			err = errors.Join(err, n.Close(context.Background()))
			n = nil
		}
	}()
	if n.tracer, err = trace.Open(ctx, trace.Options{Ratio: c.TraceRatio, Version: Version(), Logger: c.Logger}); err != nil {
		return n, err
	}
	httpL, pgL, err := n.listen()
	if err != nil {
		return n, err
	}
	if err := n.openDatabase(ctx); err != nil {
		closeAll(httpL, pgL)
		return n, err
	}
	n.metrics.Watch(n.state)
	n.serve(httpL, pgL)
	n.logger.Debug("the node takes requests", "http", n.HTTPAddress(), "pg", n.PGAddress(), "data", c.DataDir, "version", Version(), "after", time.Since(n.startedAt))
	return n, nil
}

// checkAddress refuses addresses that others can reach.
func checkAddress(addr string, insecure bool) error {
	if addr == "" || insecure {
		return nil
	}
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return fault.New(fault.InvalidParameterValue, "%q is no address", addr).WithHint("write host:port, for example 127.0.0.1:8080")
	}
	if host == "localhost" {
		return nil
	}
	if ip := net.ParseIP(host); ip == nil || !ip.IsLoopback() {
		return fault.New(fault.InvalidParameterValue, "refusing to listen on %s: everybody who reaches it could read and change everything", addr).
			WithHint("listen on 127.0.0.1, or pass --insecure if the network is trusted")
	}
	return nil
}

// listen takes the ports first, so that a taken port is found before a long replay.
func (n *Node) listen() (httpL, pgL net.Listener, err error) {
	if n.config.HTTP != "" {
		if httpL, err = net.Listen("tcp", n.config.HTTP); err != nil {
			return nil, nil, fmt.Errorf("opening the HTTP door: %w", err)
		}
		n.httpAddr = httpL.Addr()
	}
	if n.config.PG != "" {
		if pgL, err = net.Listen("tcp", n.config.PG); err != nil {
			closeAll(httpL)
			return nil, nil, fmt.Errorf("opening the Postgres door: %w", err)
		}
		n.pgAddr = pgL.Addr()
	}
	return httpL, pgL, nil
}

func closeAll(ls ...net.Listener) {
	for _, l := range ls {
		if l != nil {
			_ = l.Close()
		}
	}
}

// checkpointDir is where the database's state is saved, empty for nowhere.
func (n *Node) checkpointDir() string {
	if n.config.DataDir == "" {
		return ""
	}
	return filepath.Join(n.config.DataDir, "checkpoints", DefaultDatabase)
}

func (n *Node) openDatabase(ctx context.Context) error {
	temp := filepath.Join(n.config.DataDir, "tmp")
	if n.config.DataDir == "" {
		dir, err := os.MkdirTemp("", "tidemill-")
		if err != nil {
			return fmt.Errorf("making a temporary directory: %w", err)
		}
		n.tempDir, temp = dir, dir
	} else if err := os.MkdirAll(temp, 0o755); err != nil {
		return fmt.Errorf("making the data directory: %w", err)
	}
	var err error
	if n.log, err = n.openLog(); err != nil {
		return err
	}
	n.database, err = session.OpenDatabase(ctx, session.DatabaseOptions{Name: DefaultDatabase, Log: n.log, Logger: n.logger, Workers: n.config.Workers, TempDir: temp, CheckpointDir: n.checkpointDir(),
		Metrics: n.metrics.Database(DefaultDatabase), Tracer: n.tracer, Node: n.info,
		ReaderMemoryBytes: n.config.QueryMemoryBytes, ReaderTempBytes: n.config.QueryTempBytes, Queries: n.config.Queries, Admission: admission.New(n.config.InflightBytes), DedupeWindow: n.config.DedupeWindow})
	if err != nil {
		return fmt.Errorf("opening database %s: %w", DefaultDatabase, err)
	}
	if n.config.PG == "" {
		return nil
	}
	if n.postgres, err = pgcatalog.Open(postgresView{n.database}); err != nil {
		return err
	}
	n.database.SetForeignCatalog(n.postgres)
	return nil
}

func (n *Node) serve(httpL, pgL net.Listener) {
	find := func(name string) (*session.Database, error) {
		if name == "" || strings.EqualFold(name, DefaultDatabase) {
			return n.database, nil
		}
		return nil, fault.New(fault.InvalidDatabase, "there is no database %q", name).WithHint("the database is %q", DefaultDatabase)
	}
	conns := newConnections(n.logger)
	if httpL != nil {
		httpL = conns.limit(httpL, httpTooMany())
		n.http = httpapi.NewServer(httpapi.Options{Database: find, Logger: n.logger, Problems: n.Problems, PGAddress: address(n.pgAddr), Pages: httpapi.Pages(),
			Metrics: n.metrics, Tracer: n.tracer, PProf: n.config.PProf, Insecure: n.config.Insecure,
			Limits: session.Limits{Time: max(0, n.config.QueryTimeout), ResultBytes: max(0, n.config.ResultBytes)}})
		n.serving.Go(func() {
			if err := n.http.Serve(httpL); err != nil && !errors.Is(err, http.ErrServerClosed) {
				n.logger.Error("the HTTP door closed", "error", err)
			}
		})
	}
	if pgL != nil {
		pgL = conns.limit(pgL, pgTooMany())
		n.pg = pgwire.New(pgwire.Options{Database: find, Logger: n.logger, Metrics: n.metrics.Doors()})
		n.serving.Go(func() {
			if err := n.pg.Serve(pgL); err != nil && !errors.Is(err, net.ErrClosed) {
				n.logger.Error("the Postgres door closed", "error", err)
			}
		})
	}
}

func address(a net.Addr) string {
	if a == nil {
		return ""
	}
	return a.String()
}

// HTTPAddress and PGAddress are where the doors listen, empty if they are off.
func (n *Node) HTTPAddress() string { return address(n.httpAddr) }

// PGAddress is where the Postgres door listens, empty if it is off.
func (n *Node) PGAddress() string { return address(n.pgAddr) }

// Ready is the line that tells that the node takes requests.
func (n *Node) Ready() string {
	parts := []string{"ready", "http=" + n.HTTPAddress(), "pg=" + n.PGAddress()}
	return strings.Join(slices.DeleteFunc(parts, func(p string) bool { return strings.HasSuffix(p, "=") }), " ")
}

// Database returns the database.
func (n *Node) Database() *session.Database { return n.database }

// closeTimeout bounds how long requests may take to end when the context given to Close does not.
const closeTimeout = 10 * time.Second

// Close stops taking requests, lets those that run end until ctx ends, and closes everything in reverse order.
func (n *Node) Close(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, closeTimeout)
	defer cancel()
	var errs []error
	n.logger.Info("the node stops")
	if n.http != nil {
		errs = append(errs, n.http.Close(ctx))
	}
	if n.pg != nil {
		errs = append(errs, n.pg.Close(ctx))
	}
	n.serving.Wait()
	if n.database != nil {
		n.database.Close()
	}
	if n.postgres != nil {
		errs = append(errs, n.postgres.Close())
	}
	if n.log != nil {
		errs = append(errs, n.log.Close())
	}
	n.tracer.Close()
	if n.tempDir != "" {
		errs = append(errs, os.RemoveAll(n.tempDir))
	}
	return errors.Join(errs...)
}

// openLog opens the log of the data directory, or one that is kept in memory.
func (n *Node) openLog() (log.Log, error) {
	l, err := jetlog.Open(filepath.Join(n.config.DataDir, "log"), jetlog.Options{Logger: n.logger, MemoryOnly: n.config.DataDir == "", Metrics: n.metrics.Log()})
	switch {
	case errors.Is(err, log.ErrInUse):
		return nil, fault.New(fault.CannotConnectNow, "the data directory %s is in use", n.config.DataDir).
			WithDetail("%s", err.Error()).WithHint("stop the other process, or pass another directory with --data").Wrap(err)
	case err != nil:
		return nil, err
	}
	return l, nil
}
