// Package tidemill embeds a Tidemill node in a Go program.
//
// Open starts a node over a directory; its methods execute statements, query, ingest events and subscribe to live queries. A node that is
// opened this way is the one that `tidemill serve` runs, with its doors closed unless options open them.
//
//	db, err := tidemill.Open("data")
//	…
//	defer db.Close()
//	_, err = db.Exec(ctx, `CREATE STREAM readings (sensor VARCHAR, value DOUBLE)`)
//
// All methods of DB are safe for concurrent use.
package tidemill

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"strconv"
	"time"

	"github.com/tidemill/tidemill/internal/metrics"
	"github.com/tidemill/tidemill/internal/node"
	"github.com/tidemill/tidemill/internal/row"
	"github.com/tidemill/tidemill/internal/session"
)

// Option changes how a node is opened.
type Option func(*node.Config)

// WithHTTP opens the HTTP door at an address; port 0 takes a free one.
func WithHTTP(addr string) Option { return func(c *node.Config) { c.HTTP = addr } }

// WithPostgres opens the Postgres door at an address; port 0 takes a free one.
func WithPostgres(addr string) Option { return func(c *node.Config) { c.PG = addr } }

// WithWorkers sets the number of shards per operator; the default is the number of cores.
func WithWorkers(n int) Option { return func(c *node.Config) { c.Workers = n } }

// WithLogger sets where the node logs; the default is nowhere.
func WithLogger(l *slog.Logger) Option { return func(c *node.Config) { c.Logger = l } }

// WithInflightBytes bounds the writes that the node has taken and not stored yet, in bytes as they were sent; the default is a 32nd of the memory, 64 MiB to
// 1 GiB.
func WithInflightBytes(n int64) Option { return func(c *node.Config) { c.InflightBytes = n } }

// WithDedupeWindow sets how long repeats are known where a relation does not say; the default is ten minutes.
func WithDedupeWindow(d time.Duration) Option { return func(c *node.Config) { c.DedupeWindow = d } }

// WithInsecure allows doors on addresses that are not loopback although there are no rights yet.
func WithInsecure() Option { return func(c *node.Config) { c.Insecure = true } }

// DB is a running node.
type DB struct {
	node   *node.Node
	writes session.Writes
}

func (db *DB) session() *session.Session {
	return db.node.Database().NewSession(session.Options{Application: "embedded", Door: metrics.Embedded, Writes: &db.writes})
}

// Open starts a node that keeps its data in dir, which is made if it does not exist; an empty dir keeps nothing beyond
// the process. It returns when everything that was acknowledged earlier is visible again.
func Open(dir string, opts ...Option) (*DB, error) {
	c := node.Config{DataDir: dir}
	for _, o := range opts {
		o(&c)
	}
	n, err := node.Start(context.Background(), c)
	if err != nil {
		return nil, fmt.Errorf("opening a node in %q: %w", dir, err)
	}
	return &DB{node: n}, nil
}

// Close stops the node.
func (db *DB) Close() error { return db.node.Close(context.Background()) }

// HTTPAddress and PostgresAddress are where the doors listen, empty if they are closed.
func (db *DB) HTTPAddress() string { return db.node.HTTPAddress() }

// PostgresAddress is where the Postgres door listens, empty if it is closed.
func (db *DB) PostgresAddress() string { return db.node.PGAddress() }

// Result tells what a statement did.
type Result struct {
	// Tag is the command tag: "INSERT 0 3", "CREATE VIEW".
	Tag string
	// Token stands for the statement's write; reads given it see the write.
	Token string
}

// Exec runs one statement and drops its rows. Arguments stand for $1, $2 …: nil, bool, integers, floats, string, []byte, time.Time, or anything
// with a String method.
func (db *DB) Exec(ctx context.Context, sql string, args ...any) (Result, error) {
	rows, err := db.Query(ctx, sql, args...)
	if err != nil {
		return Result{}, err
	}
	defer rows.Close()
	for rows.Next() {
	}
	return Result{Tag: rows.res.Tag(), Token: rows.res.Token()}, rows.Err()
}

// Query runs one statement and returns its rows. A read sees all writes that were made through this DB before; see Exec for the arguments.
func (db *DB) Query(ctx context.Context, sql string, args ...any) (*Rows, error) {
	ses := db.session()
	p, err := ses.Prepare(ctx, sql, nil)
	if err != nil {
		ses.Close()
		return nil, err
	}
	vals := make([]row.Value, len(args))
	for i, a := range args {
		if i < len(p.Params) {
			if vals[i], err = valueOf(a, p.Params[i]); err != nil {
				ses.Close()
				return nil, fmt.Errorf("argument $%d: %w", i+1, err)
			}
		}
	}
	res, err := ses.Execute(ctx, p, vals)
	if err != nil {
		ses.Close()
		return nil, err
	}
	return &Rows{ctx: ctx, ses: ses, res: res, at: -1}, nil
}

// Rows walks the rows of a query. It is for one goroutine.
type Rows struct {
	ctx   context.Context // of the query that the rows belong to
	ses   *session.Session
	res   *session.Result
	batch *row.Batch
	at    int
	err   error
}

// Columns are the names of the columns.
func (r *Rows) Columns() []string { return r.res.Columns.Names() }

// Next goes to the next row; it is false at the end and after an error.
func (r *Rows) Next() bool {
	if r.err != nil {
		return false
	}
	r.at++
	for r.batch == nil || r.at >= r.batch.Len {
		if r.batch, r.err = r.res.Next(r.ctx); r.err != nil || r.batch == nil {
			return false
		}
		r.at = 0
	}
	return true
}

// Values are the current row's values: nil, bool, int64, uint64, float64, string, []byte, time.Time, or *big.Int for HUGEINT. Decimals, intervals, times of
// day, UUIDs, ENUMs and JSON are text, lists []any, structs and maps map[string]any with the members' names and the keys' texts.
func (r *Rows) Values() []any {
	out := make([]any, len(r.batch.Cols))
	for i := range out {
		out[i] = goValue(&r.batch.Cols[i], r.at)
	}
	return out
}

// Token stands for the position that the rows were read at.
func (r *Rows) Token() string { return r.res.Token() }

// Err is the error that ended the rows, nil at a regular end.
func (r *Rows) Err() error { return r.err }

// Close frees the rows; it may be called more than once.
func (r *Rows) Close() {
	r.res.Close()
	r.ses.Close()
}

// IngestResult is the verdict on a request of events.
type IngestResult = session.IngestResult

// IngestOption changes how events are taken.
type IngestOption func(*session.IngestOptions)

// WithIdempotencyKey names a request, so that a repeat within the dedupe window changes nothing and is answered like the first, also after a restart. The
// same key with another body is an error.
func WithIdempotencyKey(key string) IngestOption {
	return func(o *session.IngestOptions) { o.IdempotencyKey = key }
}

// Ingest reads events in a format of the HTTP door (contentType is for example "application/x-ndjson") into a stream or table. Each event has its own
// verdict; the good ones are stored together. While the node holds all the writes that it takes at once, it waits until ctx ends.
func (db *DB) Ingest(ctx context.Context, relation, contentType string, body io.Reader, opts ...IngestOption) (IngestResult, error) {
	ses := db.session()
	defer ses.Close()
	o := session.IngestOptions{ContentType: contentType}
	for _, set := range opts {
		set(&o)
	}
	return ses.Ingest(ctx, relation, body, o)
}

// IngestEvents is Ingest for Go values: each event is a map or a struct that encoding/json turns into an object.
func (db *DB) IngestEvents(ctx context.Context, relation string, events ...any) (IngestResult, error) {
	var body bytes.Buffer
	enc := json.NewEncoder(&body)
	for i, e := range events {
		if err := enc.Encode(e); err != nil {
			return IngestResult{}, fmt.Errorf("encoding event %d: %w", i, err)
		}
	}
	return db.Ingest(ctx, relation, "application/x-ndjson", &body)
}

// Subscription is a live query. It is for one goroutine.
type Subscription struct {
	ses *session.Session
	sub *session.Subscription
}

// Change is one step of a subscription. Applying all steps in order gives the query's rows as of the last one's token.
type Change struct {
	// Token resumes the subscription after this step.
	Token string
	// Snapshot marks rows that were there at the beginning; More says that others follow. Reset says that earlier rows are void.
	Snapshot, More, Reset bool
	// Inserts and Deletes are rows by column name, with values as Rows.Values gives them; both are empty when time has only passed.
	Inserts, Deletes []map[string]any
}

// SubscribeOption changes where a subscription begins.
type SubscribeOption func(*session.SubscribeRequest)

// ResumeAfter continues a subscription after the change with this token.
func ResumeAfter(token string) SubscribeOption {
	return func(r *session.SubscribeRequest) { r.Resume = token }
}

// WithoutSnapshot begins with the changes after now.
func WithoutSnapshot() SubscribeOption {
	return func(r *session.SubscribeRequest) { r.NoSnapshot = true }
}

// Subscribe opens a live query: any SELECT that can be kept up to date.
func (db *DB) Subscribe(ctx context.Context, sql string, opts ...SubscribeOption) (*Subscription, error) {
	ses := db.session()
	req := session.SubscribeRequest{SQL: sql}
	for _, o := range opts {
		o(&req)
	}
	sub, err := ses.Subscribe(ctx, req)
	if err != nil {
		ses.Close()
		return nil, err
	}
	return &Subscription{ses, sub}, nil
}

// Next waits for the next step. After an error other than ctx's the subscription is over.
func (s *Subscription) Next(ctx context.Context) (Change, error) {
	ev, err := s.sub.Next(ctx)
	if err != nil {
		return Change{}, err
	}
	c := Change{Token: ev.Token, Snapshot: ev.Kind == session.SnapshotEvent, More: ev.More, Reset: ev.Reset}
	if ev.Rows == nil {
		return c, nil
	}
	names := s.sub.Columns().Names()
	for i := range ev.Rows.Len {
		w := ev.Rows.Weight(i)
		m := make(map[string]any, len(names))
		for k, n := range names {
			m[n] = goValue(&ev.Rows.Cols[k], i)
		}
		for ; w > 0; w-- {
			c.Inserts = append(c.Inserts, m)
		}
		for ; w < 0; w++ {
			c.Deletes = append(c.Deletes, m)
		}
	}
	return c, nil
}

// Close ends the subscription.
func (s *Subscription) Close() {
	s.sub.Close()
	s.ses.Close()
}

// goValue returns a value as a Go type.
func goValue(v *row.Vec, i int) any {
	if v.Null(i) {
		return nil
	}
	x := v.Value(i)
	switch v.Type.Kind {
	case row.Bool:
		return x.I != 0
	case row.Int8, row.Int16, row.Int32, row.Int64, row.Uint8, row.Uint16, row.Uint32:
		return x.I
	case row.Uint64:
		return uint64(x.I)
	case row.Float32, row.Float64:
		return x.F
	case row.Int128:
		n := new(big.Int).Lsh(big.NewInt(x.H), 64)
		return n.Or(n, new(big.Int).SetUint64(uint64(x.I)))
	case row.Blob:
		return []byte(x.S)
	case row.Timestamp, row.TimestampTZ:
		return time.UnixMicro(x.I).UTC()
	case row.Date:
		return time.Unix(x.I*86400, 0).UTC()
	case row.List:
		list := []any{}
		for _, e := range x.Elements() {
			list = append(list, goOf(e))
		}
		return list
	case row.Struct:
		members := map[string]any{}
		for k, e := range x.Elements() {
			name := v.Type.Members()[k].Name
			if name == "" {
				name = strconv.Itoa(k + 1)
			}
			members[name] = goOf(e)
		}
		return members
	case row.Map:
		entries := map[string]any{}
		for _, e := range x.Elements() {
			kv := e.Elements()
			entries[kv[0].Text()] = goOf(kv[1])
		}
		return entries
	}
	return string(row.AppendText(nil, v, i))
}

func goOf(v row.Value) any {
	one := v.Repeat(1)
	return goValue(&one, 0)
}

// valueOf casts an argument to a parameter's type.
func valueOf(a any, t row.Type) (row.Value, error) {
	switch a := a.(type) {
	case nil:
		return row.NullValue(t), nil
	case []byte:
		if t.Kind == row.Blob {
			return row.Value{Type: t, S: string(a)}, nil
		}
		return row.ParseValue(t, string(a))
	case string:
		if t.Kind == row.String {
			return row.StringValue(a), nil
		}
		return row.ParseValue(t, a)
	case time.Time:
		return row.ParseValue(t, a.UTC().Format("2006-01-02 15:04:05.999999"))
	case float64:
		return row.ParseValue(t, strconv.FormatFloat(a, 'g', -1, 64))
	}
	return row.ParseValue(t, fmt.Sprint(a))
}
