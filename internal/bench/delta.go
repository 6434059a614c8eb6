package bench

import (
	"context"
	"fmt"
	"hash/maphash"
	"log/slog"
	"runtime"
	"slices"
	"strconv"
	"time"

	"github.com/tidemill/tidemill/internal/duck"
	"github.com/tidemill/tidemill/internal/ingest"
	"github.com/tidemill/tidemill/internal/log"
	"github.com/tidemill/tidemill/internal/log/memlog"
	"github.com/tidemill/tidemill/internal/record"
	"github.com/tidemill/tidemill/internal/row"
	"github.com/tidemill/tidemill/internal/session"
	"github.com/tidemill/tidemill/internal/token"
)

// DeltaOptions chooses what Delta runs.
type DeltaOptions struct {
	// Histories are the numbers of rows that the views have seen before, ascending.
	Histories []int
	// Rows is the number of rows of a change, Deltas the number of changes.
	Rows, Deltas int
	// Queries are names of queries; empty for all.
	Queries []string
	// Workers is the number of shards per operator.
	Workers int
	// CheckRows is the longest history at which DuckDB's answer is compared.
	CheckRows int
	// Progress, if not nil, is told what is about to run.
	Progress func(string)
}

// DeltaResult is what changes cost one query after one history.
type DeltaResult struct {
	Query   string `json:"query"`
	About   string `json:"about"`
	History int    `json:"history_rows"`
	// Build is the CPU seconds that the history took.
	Build float64 `json:"history_cpu_s"`
	// CPU is the CPU milliseconds per change, from appending its rows to the log until the view shows them; Wall is the time that took.
	CPU  float64 `json:"delta_cpu_ms"`
	Wall Latency `json:"delta_wall"`
	// Rerun is the CPU milliseconds of one DuckDB run, 0 if it was not compared.
	Rerun      float64 `json:"duckdb_rerun_cpu_ms"`
	StateBytes int64   `json:"state_bytes"`
	Rows       int64   `json:"rows"`
}

// Delta measures what a change of some rows costs views with long and with short histories. Each query and history has a database of its own, in
// memory. A view that differs from DuckDB's answer ends it with ErrMismatch.
func Delta(ctx context.Context, o DeltaOptions) ([]DeltaResult, error) {
	var out []DeltaResult
	for _, q := range deltaQueries() {
		if len(o.Queries) > 0 && !slices.Contains(o.Queries, q.name) {
			continue
		}
		for _, n := range o.Histories {
			if o.Progress != nil {
				o.Progress(fmt.Sprintf("%s: a history of %d rows", q.name, n))
			}
			r, err := runDelta(ctx, &o, &q, n)
			if err != nil {
				return nil, fmt.Errorf("%s after %d rows: %w", q.name, n, err)
			}
			if o.Progress != nil {
				o.Progress(fmt.Sprintf("%s after %d rows: %.2f CPU ms", q.name, n, r.CPU))
			}
			out = append(out, r)
		}
	}
	if out == nil {
		return nil, fmt.Errorf("there is no query of %q", o.Queries)
	}
	return out, nil
}

// deltaRun is a query at work.
type deltaRun struct {
	q       *deltaQuery
	log     *memlog.Log
	ses     *session.Session
	target  ingest.Target
	ids     []uint64
	written int // rows so far
	random  uint64
	keep    bool
	rows    [][]*row.Batch // by relation, if they are kept
}

// historyTick is the number of rows of the history that are appended at a time.
const historyTick = 64 << 10

func runDelta(ctx context.Context, o *DeltaOptions, q *deltaQuery, history int) (res DeltaResult, err error) {
	res = DeltaResult{Query: q.name, About: q.about, History: history}
	l := memlog.New(memlog.Options{})
	defer l.Close()
	db, err := session.OpenDatabase(ctx, session.DatabaseOptions{Name: "bench", Log: l, Logger: slog.New(slog.DiscardHandler), Workers: o.Workers})
	if err != nil {
		return res, err
	}
	defer db.Close()
	r := &deltaRun{q: q, log: l, ses: db.NewSession(session.Options{Application: "bench"}), keep: history <= o.CheckRows, random: 1}
	defer r.ses.Close()
	if err := r.define(ctx); err != nil {
		return res, err
	}
	build, err := measure(func() error {
		for r.written < history {
			if err := r.append(ctx, r.next(history, min(historyTick, history-r.written), false)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return res, err
	}
	res.Build = build.cpu.Seconds()
	if err := r.change(ctx, o, &res); err != nil {
		return res, err
	}
	return res, r.finish(ctx, &res)
}

// define makes the relations and the view.
func (r *deltaRun) define(ctx context.Context) error {
	codec, err := row.NewCodec(deltaSchema())
	if err != nil {
		return err
	}
	r.target = ingest.Target{Codec: codec, Partitions: 1, Ops: r.q.tables}
	kind, key := "STREAM", ""
	if r.q.tables {
		kind, key = "TABLE", " PRIMARY KEY"
	}
	var texts []string
	for _, name := range r.q.relations {
		texts = append(texts, "CREATE "+kind+" "+name+" (id BIGINT"+key+", k BIGINT, v BIGINT, ts TIMESTAMP)")
	}
	for _, text := range append(texts, "CREATE MATERIALIZED VIEW answer AS "+r.q.sql) {
		if _, err := execute(ctx, r.ses, text, nil); err != nil {
			return fmt.Errorf("%s: %w", text, err)
		}
	}
	catalog := "streams"
	if r.q.tables {
		catalog = "tables"
	}
	r.ids, r.rows = make([]uint64, len(r.q.relations)), make([][]*row.Batch, len(r.q.relations))
	_, err = execute(ctx, r.ses, "SELECT name, id FROM tidemill."+catalog, func(b *row.Batch) {
		for i := range b.Len {
			if at := slices.Index(r.q.relations, b.Cols[0].Str(i)); at >= 0 {
				r.ids[at] = uint64(row.Values[int64](&b.Cols[1])[i])
			}
		}
	})
	return err
}

// next makes n rows, of the history of a length or of a change after it.
func (r *deltaRun) next(history, n int, delta bool) []*row.Batch {
	builders := make([]*row.BatchBuilder, len(r.q.relations))
	for i := range builders {
		builders[i] = row.NewBatchBuilder(deltaSchema().Types(), n)
	}
	for range n {
		relation, at := r.written%len(builders), r.written/len(builders)
		e := r.q.row(r, relation, at, history/len(builders), delta)
		c := builders[relation].Cols
		for k, v := range []int64{e.id, e.k, e.v, e.at} {
			c[k].AppendInt(v)
		}
		r.written++
	}
	out := make([]*row.Batch, len(builders))
	for i, b := range builders {
		out[i] = b.Finish(b.Cols[0].Len())
		if r.keep {
			r.rows[i] = append(r.rows[i], out[i])
		}
	}
	return out
}

// encoded makes a batch's records.
func (r *deltaRun) encoded(batches []*row.Batch) ([][]log.Entry, error) {
	out := make([][]log.Entry, len(batches))
	for i, b := range batches {
		var err error
		if out[i], err = r.target.Encode(b, time.Now(), record.TxID{}, false); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (r *deltaRun) append(ctx context.Context, batches []*row.Batch) error {
	entries, err := r.encoded(batches)
	if err != nil {
		return err
	}
	return r.appendEntries(ctx, entries)
}

// appendEntries appends records and waits until the view shows them.
func (r *deltaRun) appendEntries(ctx context.Context, entries [][]log.Entry) error {
	at := token.Token{Database: "bench"}
	for i, es := range entries {
		if len(es) == 0 {
			continue
		}
		offset, err := appendGroups(ctx, r.log, "r"+strconv.FormatUint(r.ids[i], 10), es)
		if err != nil {
			return err
		}
		at.Positions = append(at.Positions, token.Position{Relation: r.ids[i], Offset: uint64(offset)})
	}
	if _, err := r.ses.Lookup(ctx, session.LookupRequest{Relation: "answer", Limit: 1, After: at.String()}); err != nil {
		return fmt.Errorf("waiting for the view: %w", err)
	}
	return nil
}

// change measures the changes.
func (r *deltaRun) change(ctx context.Context, o *DeltaOptions, res *DeltaResult) error {
	deltas := make([][][]log.Entry, o.Deltas)
	for i := range deltas {
		var err error
		if deltas[i], err = r.encoded(r.next(res.History, o.Rows, true)); err != nil {
			return err
		}
	}
	runtime.GC()
	walls := make([]time.Duration, len(deltas))
	all, err := measure(func() error {
		for i, entries := range deltas {
			begun := time.Now()
			if err := r.appendEntries(ctx, entries); err != nil {
				return err
			}
			walls[i] = time.Since(begun)
		}
		return nil
	})
	res.CPU = all.cpu.Seconds() * 1000 / float64(max(len(deltas), 1))
	res.Wall = latencyOf(walls)
	return err
}

// finish reads the view's status and holds its content against DuckDB's answer.
func (r *deltaRun) finish(ctx context.Context, res *DeltaResult) error {
	_, err := execute(ctx, r.ses, "SELECT state_bytes, rows FROM tidemill.view_status WHERE name = 'answer'", func(b *row.Batch) {
		res.StateBytes, res.Rows = row.Values[int64](&b.Cols[0])[0], row.Values[int64](&b.Cols[1])[0]
	})
	if err != nil || !r.keep {
		return err
	}
	view := newDigest(maphash.MakeSeed())
	if _, err := execute(ctx, r.ses, "SELECT * FROM answer", view.add); err != nil {
		return err
	}
	oracle, err := duck.OpenOracle(duck.OracleOptions{Threads: 1})
	if err != nil {
		return err
	}
	defer oracle.Close()
	for i, name := range r.q.relations {
		if err := r.load(oracle, name, r.rows[i]); err != nil {
			return err
		}
	}
	rerun, err := measure(func() error { return oracle.Exec("CREATE TABLE answer AS " + r.q.sql) })
	if err != nil {
		return err
	}
	res.Rerun = rerun.cpu.Seconds() * 1000
	answer, err := answerDigest(ctx, oracle, view.seed)
	if err != nil {
		return err
	}
	return view.same(answer)
}

// load makes DuckDB's table of a relation: all rows of a stream, the last of each key of a table.
func (r *deltaRun) load(oracle *duck.Oracle, name string, rows []*row.Batch) error {
	if !r.q.tables {
		return oracle.Load(name, deltaSchema(), rows)
	}
	if err := oracle.Load(name+"_changes", deltaSchema(), rows); err != nil {
		return err
	}
	return oracle.Exec("CREATE TABLE " + name + " AS SELECT * FROM " + name + "_changes QUALIFY row_number() OVER (PARTITION BY id ORDER BY ts DESC) = 1")
}
