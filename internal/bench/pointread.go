package bench

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tidemill/tidemill/internal/node"
)

// PointReadOptions chooses what PointRead runs.
type PointReadOptions struct {
	Client Client
	// Rows is the size of the table.
	Rows int
	// Clients are the numbers of connections that read at once, one measurement each.
	Clients []int
	// Time is how long a measurement takes.
	Time time.Duration
	Runs int
	// NoPostgres leaves PostgreSQL out.
	NoPostgres bool
	Progress   func(string)
}

// PointReadResult is what was measured of one system with a number of clients: the run with the median rate.
type PointReadResult struct {
	System  string `json:"system"`
	Clients int    `json:"clients"`
	// PerSecond is reads by second.
	PerSecond float64 `json:"reads_per_second"`
	// PerCore is reads by CPU second of the node, 0 for PostgreSQL.
	PerCore float64 `json:"reads_per_cpu_second,omitempty"`
	Latency Latency `json:"latency"`
	Note    string  `json:"note,omitempty"`
}

const pointReadQuery = "SELECT name, score FROM kv WHERE id = $1"

// PointRead reads rows of a table by primary key with a prepared statement over Postgres wire, from a durable node and, in turns, from
// PostgreSQL if its server is installed. Every row read is checked.
func PointRead(ctx context.Context, o PointReadOptions) ([]PointReadResult, error) {
	say := o.Progress
	if say == nil {
		say = func(string) {}
	}
	systems := []pointReadSystem{{name: "tidemill"}}
	var out []PointReadResult
	err := withNode(ctx, func(n *node.Node) error {
		systems[0].dsn = "postgres://bench@" + n.PGAddress() + "/main?sslmode=disable"
		var absent string
		if !o.NoPostgres {
			say("starting a private PostgreSQL")
			pg, err := startPostgres(ctx)
			switch {
			case errors.Is(err, errNoPostgres):
				absent = err.Error()
			case err != nil:
				return err
			default:
				defer pg.stop()
				systems = append(systems, pointReadSystem{name: "postgresql " + pg.version, dsn: pg.dsn})
			}
		}
		for _, s := range systems {
			say("filling the table of " + s.name)
			if err := fillPointRead(ctx, s.dsn, o.Rows); err != nil {
				return fmt.Errorf("filling the table of %s: %w", s.name, err)
			}
		}
		var err error
		if out, err = pointReads(ctx, o, systems, say); err == nil && absent != "" {
			out = append(out, PointReadResult{System: "postgresql", Note: absent})
		}
		return err
	})
	return out, err
}

type pointReadSystem struct{ name, dsn string }

func pointReads(ctx context.Context, o PointReadOptions, systems []pointReadSystem, say func(string)) ([]PointReadResult, error) {
	var out []PointReadResult
	for _, clients := range o.Clients {
		runs := make([][]PointReadResult, len(systems))
		for range max(1, o.Runs) {
			for i, s := range systems {
				say(fmt.Sprintf("%s, %d clients", s.name, clients))
				var r pointReadResult
				u, err := o.Client.do(ctx, job{PointRead: &pointReadJob{DSN: s.dsn, Rows: o.Rows, Clients: clients, Seconds: o.Time.Seconds()}}, &r)
				if err != nil {
					return nil, fmt.Errorf("reading from %s: %w", s.name, err)
				}
				p := PointReadResult{System: s.name, Clients: clients, PerSecond: float64(r.Latency.Count) / u.client.wall.Seconds(), Latency: r.Latency}
				if i == 0 {
					p.PerCore = float64(r.Latency.Count) / max(u.node.cpu, time.Microsecond).Seconds()
				}
				runs[i] = append(runs[i], p)
			}
		}
		for i := range systems {
			out = append(out, medianRun(runs[i]))
		}
	}
	return out, nil
}

// medianRun is the run with the median rate.
func medianRun(runs []PointReadResult) PointReadResult {
	for i := range runs {
		below := 0
		for k := range runs {
			if runs[k].PerSecond < runs[i].PerSecond || runs[k].PerSecond == runs[i].PerSecond && k < i {
				below++
			}
		}
		if below == len(runs)/2 {
			return runs[i]
		}
	}
	return runs[0]
}

// nameOf and scoreOf are what the row of an ID holds.
func nameOf(id int64) string { return fmt.Sprintf("name of %d", id) }

func scoreOf(id int64) int64 { return id*2654435761%1_000_003 + 1 }

func fillPointRead(ctx context.Context, dsn string, rows int) error {
	c, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return err
	}
	defer c.Close(context.WithoutCancel(ctx))
	if _, err := c.Exec(ctx, "CREATE TABLE kv (id BIGINT PRIMARY KEY, name VARCHAR, score BIGINT)"); err != nil {
		return err
	}
	var text strings.Builder
	for id := range int64(rows) {
		fmt.Fprintf(&text, "%d,%s,%d\n", id, nameOf(id), scoreOf(id))
	}
	if _, err := c.PgConn().CopyFrom(ctx, strings.NewReader(text.String()), "COPY kv FROM STDIN (FORMAT csv)"); err != nil {
		return err
	}
	var n int
	if err := c.QueryRow(ctx, "SELECT count(*) FROM kv").Scan(&n); err != nil {
		return err
	}
	if n != rows {
		return fmt.Errorf("the table has %d of %d rows", n, rows)
	}
	return nil
}

type pointReadJob struct {
	DSN           string
	Rows, Clients int
	Seconds       float64
}

type pointReadResult struct{ Latency Latency }

type pointReadLoad struct {
	job   pointReadJob
	conns []*pgx.Conn
}

// warmUp is how many reads a connection makes before it is measured.
const warmUp = 100

func (l *pointReadLoad) prepare(ctx context.Context) error {
	for i := range l.job.Clients {
		c, err := pgx.Connect(ctx, l.job.DSN)
		if err != nil {
			return err
		}
		l.conns = append(l.conns, c)
		if _, err := c.Prepare(ctx, "read", pointReadQuery); err != nil {
			return err
		}
		r := rand.New(rand.NewPCG(uint64(i), 0))
		for range warmUp {
			if err := readOne(ctx, c, r.Int64N(int64(l.job.Rows))); err != nil {
				return err
			}
		}
	}
	return nil
}

func readOne(ctx context.Context, c *pgx.Conn, id int64) error {
	var name string
	var score int64
	if err := c.QueryRow(ctx, "read", id).Scan(&name, &score); err != nil {
		return fmt.Errorf("reading row %d: %w", id, err)
	}
	if score != scoreOf(id) || name != nameOf(id) {
		return fmt.Errorf("row %d is %q, %d", id, name, score)
	}
	return nil
}

func (l *pointReadLoad) run(ctx context.Context) (any, error) {
	until := time.Now().Add(time.Duration(l.job.Seconds * float64(time.Second)))
	times := make([][]time.Duration, len(l.conns))
	err := inParallel(len(l.conns), func(i int) error {
		r := rand.New(rand.NewPCG(uint64(i), 1))
		for begun := time.Now(); begun.Before(until); {
			if err := readOne(ctx, l.conns[i], r.Int64N(int64(l.job.Rows))); err != nil {
				return err
			}
			now := time.Now()
			times[i] = append(times[i], now.Sub(begun))
			begun = now
		}
		return nil
	})
	var all []time.Duration
	for _, ts := range times {
		all = append(all, ts...)
	}
	return pointReadResult{latencyOf(all)}, err
}

func (l *pointReadLoad) close() {
	for _, c := range l.conns {
		_ = c.Close(context.Background())
	}
}
