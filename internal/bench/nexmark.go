package bench

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"log/slog"
	"runtime"
	"slices"
	"strconv"
	"time"

	"github.com/tidemill/tidemill/internal/bench/nexmark"
	"github.com/tidemill/tidemill/internal/duck"
	"github.com/tidemill/tidemill/internal/ingest"
	"github.com/tidemill/tidemill/internal/log"
	"github.com/tidemill/tidemill/internal/log/memlog"
	"github.com/tidemill/tidemill/internal/record"
	"github.com/tidemill/tidemill/internal/row"
	"github.com/tidemill/tidemill/internal/session"
	"github.com/tidemill/tidemill/internal/token"
)

// ErrMismatch is wrapped in the error for a query that Tidemill and DuckDB answer differently.
var ErrMismatch = errors.New("MISMATCH")

// NexmarkOptions chooses what Nexmark runs.
type NexmarkOptions struct {
	// Events is the number of events, Config says which.
	Events uint64
	Config nexmark.Config
	// Queries are names of queries; empty for all.
	Queries []string
	// Workers is the number of shards per operator, at least 1.
	Workers int
	// Runs is how often each query runs, at least 1.
	Runs int
	// TickEvents is the number of events that are appended at a time (65536).
	TickEvents uint64
	// Progress, if not nil, is told what is about to run.
	Progress func(string)
}

// NexmarkResult is what was measured of one query: medians of the runs.
type NexmarkResult struct {
	Query  string `json:"query"`
	About  string `json:"about"`
	Events uint64 `json:"events"`
	// PerCore is all events, of every kind, by second of CPU time.
	PerCore float64 `json:"events_per_cpu_second"`
	// CPU and DuckCPU are the CPU seconds of keeping the view up to date and of one DuckDB run, Wall and DuckWall the seconds they took.
	CPU      float64 `json:"cpu_s"`
	DuckCPU  float64 `json:"duckdb_cpu_s"`
	Wall     float64 `json:"wall_s"`
	DuckWall float64 `json:"duckdb_wall_s"`
	// R is the median of the runs' ratios CPU ÷ DuckCPU; Low and High are the smallest and largest.
	R    float64 `json:"r"`
	Low  float64 `json:"r_low"`
	High float64 `json:"r_high"`
	// StateBytes is what the operators hold, ViewBytes what the view's content takes.
	StateBytes int64 `json:"state_bytes"`
	ViewBytes  int64 `json:"view_bytes"`
	Rows       int64 `json:"rows"`
}

// Nexmark keeps the view of each query up to date from the log's records of all three streams, one query at a time, and holds it against
// DuckDB, which computes the query once over tables of the same rows and stores the result in a table. Each run of a query is
// a new database; a run of DuckDB follows it. Making the events, encoding them and loading DuckDB's tables is not measured. The first query whose
// view differs from DuckDB's answer ends it with ErrMismatch.
func Nexmark(ctx context.Context, o NexmarkOptions) ([]NexmarkResult, error) {
	queries, err := chosenQueries(o.Queries)
	if err != nil {
		return nil, err
	}
	if o.TickEvents == 0 {
		o.TickEvents = 64 << 10
	}
	r := &nexmarkRun{o: o}
	if err := r.prepare(queries); err != nil {
		return nil, err
	}
	defer r.oracle.Close()
	runs := make([][]pair, len(queries))
	for k := range max(1, o.Runs) {
		for i, q := range queries {
			r.progress("run %d of %d: %s", k+1, max(1, o.Runs), q.Name)
			p, err := r.pair(ctx, q)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", q.Name, err)
			}
			runs[i] = append(runs[i], p)
		}
	}
	out := make([]NexmarkResult, len(queries))
	for i, q := range queries {
		out[i] = summary(q, o.Events, runs[i])
	}
	return out, nil
}

func chosenQueries(names []string) ([]nexmark.Query, error) {
	if len(names) == 0 {
		return nexmark.Queries(), nil
	}
	var out []nexmark.Query
	for _, n := range names {
		q, ok := nexmark.Find(n)
		if !ok {
			var have []string
			for _, q := range nexmark.Queries() {
				have = append(have, q.Name)
			}
			return nil, fmt.Errorf("there is no query %q; there are %v", n, have)
		}
		out = append(out, q)
	}
	return out, nil
}

// pair is a run of Tidemill and the run of DuckDB that follows it.
type pair struct {
	ours, duck            span
	stateBytes, viewBytes int64
	rows                  int64
}

// nexmarkRun holds what all queries share.
type nexmarkRun struct {
	o      NexmarkOptions
	oracle *duck.Oracle
	// ticks are the records to append, of each stream.
	ticks [][3][]log.Entry
}

// nexmarkStreams are the names of the streams, in the order in which there is one thing for each.
func nexmarkStreams() []string { return []string{"person", "auction", "bid"} }

func (r *nexmarkRun) progress(format string, args ...any) {
	if r.o.Progress != nil {
		r.o.Progress(fmt.Sprintf(format, args...))
	}
}

// prepare makes the events, their records and DuckDB's tables.
func (r *nexmarkRun) prepare(queries []nexmark.Query) error {
	r.progress("making %d events", r.o.Events)
	g, err := nexmark.New(r.o.Config)
	if err != nil {
		return err
	}
	schemas := [3]row.Schema{nexmark.Persons(), nexmark.Auctions(), nexmark.Bids()}
	var targets [3]ingest.Target
	for i, s := range schemas {
		c, err := row.NewCodec(s)
		if err != nil {
			return fmt.Errorf("preparing the records of %s: %w", nexmarkStreams()[i], err)
		}
		targets[i] = ingest.Target{Codec: c, Partitions: 1}
	}
	var all [3][]*row.Batch
	now := time.Now()
	for lo := uint64(0); lo < r.o.Events; lo += r.o.TickEvents {
		e := g.Generate(lo, min(lo+r.o.TickEvents, r.o.Events))
		var tick [3][]log.Entry
		for i, b := range []*row.Batch{e.Persons, e.Auctions, e.Bids} {
			if tick[i], err = targets[i].Encode(b, now, record.TxID{}, false); err != nil {
				return fmt.Errorf("encoding events: %w", err)
			}
			all[i] = append(all[i], b)
		}
		r.ticks = append(r.ticks, tick)
	}
	r.progress("loading DuckDB's tables")
	if r.oracle, err = duck.OpenOracle(duck.OracleOptions{Threads: 1}); err != nil {
		return err
	}
	for i, s := range schemas {
		if err := r.oracle.Load(nexmarkStreams()[i], s, all[i]); err != nil {
			r.oracle.Close()
			return err
		}
	}
	for _, q := range queries {
		for _, text := range q.Setup {
			if err := r.oracle.Exec(text); err != nil {
				r.oracle.Close()
				return err
			}
		}
	}
	return nil
}

func (r *nexmarkRun) pair(ctx context.Context, q nexmark.Query) (p pair, err error) {
	view, err := r.ours(ctx, q, &p)
	if err != nil {
		return p, err
	}
	answer, err := r.duck(ctx, q, &p, view)
	if err != nil {
		return p, err
	}
	p.rows = view.rows
	return p, view.same(answer)
}

// ours keeps the view of a query up to date while the records arrive.
func (r *nexmarkRun) ours(ctx context.Context, q nexmark.Query, p *pair) (*digest, error) {
	l := memlog.New(memlog.Options{})
	defer l.Close()
	db, err := session.OpenDatabase(ctx, session.DatabaseOptions{Name: "bench", Log: l, Logger: slog.New(slog.DiscardHandler), Workers: r.o.Workers})
	if err != nil {
		return nil, err
	}
	defer db.Close()
	ses := db.NewSession(session.Options{Application: "bench"})
	defer ses.Close()
	for _, text := range slices.Concat(nexmark.CreateStreams(), q.Setup, []string{"CREATE MATERIALIZED VIEW answer AS " + q.SQL}) {
		if _, err := execute(ctx, ses, text, nil); err != nil {
			return nil, fmt.Errorf("%s: %w", text, err)
		}
	}
	relations, err := relationIDs(ctx, ses)
	if err != nil {
		return nil, err
	}
	runtime.GC()
	p.ours, err = measure(func() error { return r.feed(ctx, l, ses, relations) })
	if err != nil {
		return nil, err
	}
	d := newDigest(maphash.MakeSeed())
	if _, err := execute(ctx, ses, "SELECT * FROM answer", d.add); err != nil {
		return nil, err
	}
	_, err = execute(ctx, ses, "SELECT state_bytes, content_bytes FROM tidemill.view_status WHERE name = 'answer'", func(b *row.Batch) {
		p.stateBytes, p.viewBytes = row.Values[int64](&b.Cols[0])[0], row.Values[int64](&b.Cols[1])[0]
	})
	return d, err
}

// feed appends the records tick by tick, and waits until the view shows each.
func (r *nexmarkRun) feed(ctx context.Context, l log.Log, ses *session.Session, relations [3]uint64) error {
	at := token.Token{Database: "bench", Positions: make([]token.Position, 0, 3)}
	for _, tick := range r.ticks {
		at.Positions = at.Positions[:0]
		for i, entries := range tick {
			if len(entries) == 0 {
				continue
			}
			offset, err := appendGroups(ctx, l, "r"+strconv.FormatUint(relations[i], 10), entries)
			if err != nil {
				return err
			}
			at.Positions = append(at.Positions, token.Position{Relation: relations[i], Offset: uint64(offset)})
		}
		if _, err := ses.Lookup(ctx, session.LookupRequest{Relation: "answer", Limit: 1, After: at.String()}); err != nil {
			return fmt.Errorf("waiting for the view: %w", err)
		}
	}
	return nil
}

// appendGroups appends entries in groups of the size a log takes.
func appendGroups(ctx context.Context, l log.Log, topic string, entries []log.Entry) (at log.Offset, err error) {
	for len(entries) > 0 {
		n, size := 0, 0
		for n < len(entries) && (n == 0 || size+len(entries[n].Body) <= log.MaxGroupBytes) {
			size += len(entries[n].Body)
			n++
		}
		if at, err = l.Append(ctx, topic, entries[:n]); err != nil {
			return 0, err
		}
		entries = entries[n:]
	}
	return at, nil
}

func relationIDs(ctx context.Context, ses *session.Session) (ids [3]uint64, err error) {
	_, err = execute(ctx, ses, "SELECT name, id FROM tidemill.streams", func(b *row.Batch) {
		for i := range b.Len {
			if at := slices.Index(nexmarkStreams(), b.Cols[0].Str(i)); at >= 0 {
				ids[at] = uint64(row.Values[int64](&b.Cols[1])[i])
			}
		}
	})
	return ids, err
}

// duck runs the query once.
func (r *nexmarkRun) duck(ctx context.Context, q nexmark.Query, p *pair, like *digest) (*digest, error) {
	runtime.GC()
	var err error
	if p.duck, err = measure(func() error { return r.oracle.Exec("CREATE OR REPLACE TABLE answer AS " + q.SQL) }); err != nil {
		return nil, err
	}
	d, err := answerDigest(ctx, r.oracle, like.seed)
	if err != nil {
		return nil, err
	}
	return d, r.oracle.Exec("DROP TABLE answer")
}

// answerDigest is the digest of DuckDB's table answer.
func answerDigest(ctx context.Context, oracle *duck.Oracle, seed maphash.Seed) (*digest, error) {
	rows, err := oracle.Query(ctx, "SELECT * FROM answer")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	d := newDigest(seed)
	for {
		b, err := rows.Next(ctx)
		if err != nil {
			return nil, err
		}
		if b == nil {
			return d, nil
		}
		d.add(b)
	}
}

// execute runs a statement, hands its rows to each, and returns the token.
func execute(ctx context.Context, ses *session.Session, text string, each func(*row.Batch)) (string, error) {
	p, err := ses.Prepare(ctx, text, nil)
	if err != nil {
		return "", err
	}
	res, err := ses.Execute(ctx, p, nil)
	if err != nil {
		return "", err
	}
	defer res.Close()
	for {
		b, err := res.Next(ctx)
		if err != nil {
			return "", err
		}
		if b == nil {
			return res.Token(), nil
		}
		if each != nil && b.Len > 0 {
			each(b)
		}
	}
}

func summary(q nexmark.Query, events uint64, runs []pair) NexmarkResult {
	of := func(f func(p *pair) float64) []float64 {
		out := make([]float64, len(runs))
		for i := range runs {
			out[i] = f(&runs[i])
		}
		return out
	}
	ratios := of(func(p *pair) float64 { return p.ours.cpu.Seconds() / max(p.duck.cpu, time.Microsecond).Seconds() })
	last := runs[len(runs)-1]
	out := NexmarkResult{Query: q.Name, About: q.About, Events: events,
		CPU: median(of(func(p *pair) float64 { return p.ours.cpu.Seconds() })), DuckCPU: median(of(func(p *pair) float64 { return p.duck.cpu.Seconds() })),
		Wall: median(of(func(p *pair) float64 { return p.ours.wall.Seconds() })), DuckWall: median(of(func(p *pair) float64 { return p.duck.wall.Seconds() })),
		R: median(ratios), Low: slices.Min(ratios), High: slices.Max(ratios), StateBytes: last.stateBytes, ViewBytes: last.viewBytes, Rows: last.rows}
	out.PerCore = float64(events) / max(out.CPU, 1e-6)
	return out
}
