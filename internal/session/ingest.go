package session

import (
	"container/list"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/tidemill/tidemill/internal/catalog"
	"github.com/tidemill/tidemill/internal/engine"
	"github.com/tidemill/tidemill/internal/fault"
	"github.com/tidemill/tidemill/internal/ingest"
	"github.com/tidemill/tidemill/internal/row"
	"github.com/tidemill/tidemill/internal/sql"
	"github.com/tidemill/tidemill/internal/view"
)

const (
	// bodyBytesMax bounds a request's body, eventBytesMax one event in it.
	bodyBytesMax  = 64 << 20
	eventBytesMax = 4 << 20
	// errorsShown bounds the errors that an answer lists.
	errorsShown = 100
)

// Ingest reads events into a stream or table; see door. The good events of a request are one tick.
func (s *Session) Ingest(ctx context.Context, relation string, body io.Reader, o IngestOptions) (IngestResult, error) {
	db := s.db
	rel, err := db.catalog.Lookup(strings.TrimPrefix(relation, "main."))
	if err != nil {
		return IngestResult{}, err
	}
	if !rel.Stored() || rel.System() {
		return IngestResult{}, fault.New(fault.WrongObjectType, "%q is a %s and takes no events", rel.Name, rel.Kind).WithHint("send them to a stream or table")
	}
	if o.Delete && (rel.Kind != catalog.Table || len(rel.Key) == 0) {
		return IngestResult{}, fault.New(fault.WrongObjectType, "rows can be deleted only from a table with a primary key, %q is not one", rel.Name)
	}
	if o.IdempotencyKey != "" {
		done, answer, err := db.dedupe.begin(ctx, rel.ID, o.IdempotencyKey, db.now())
		if err != nil || done == nil {
			return answer, err
		}
		r, err := s.ingest(ctx, rel, body, o)
		done(r, err)
		return r, err
	}
	return s.ingest(ctx, rel, body, o)
}

func (s *Session) ingest(ctx context.Context, rel *catalog.Relation, body io.Reader, o IngestOptions) (IngestResult, error) {
	db := s.db
	to := db.storedOf(rel)
	if to == nil {
		return IngestResult{}, fault.New(fault.UndefinedTable, "%s %q was dropped", rel.Kind, rel.Name)
	}
	rel = to.def
	defaults, err := db.defaultsOf(ctx, rel)
	if err != nil {
		return IngestResult{}, err
	}
	f := &ingest.Format{ContentType: o.ContentType, Columns: rel.Columns, Defaults: defaults, Table: rel.Kind == catalog.Table, Delete: o.Delete,
		Key: rel.Key, CloudEvent: o.CloudEvent, BodyBytesMax: bodyBytesMax, EventBytesMax: eventBytesMax, BodyBytes: o.BodyBytes}
	if o.MaxBytes > 0 {
		f.BodyBytesMax = o.MaxBytes
	}
	d, err := ingest.Decode(body, f)
	if err != nil {
		return IngestResult{}, userError(err)
	}
	db.noteRejected(rel, d)
	r := IngestResult{Accepted: d.Rows.Len, Rejected: d.Rejected, Errors: []IngestError{}, Relaxed: rel.Options["durability"] == "relaxed"}
	for _, e := range d.Errors[:min(len(d.Errors), errorsShown)] {
		r.Errors = append(r.Errors, IngestError{Index: e.Index, Code: e.Code, Column: e.Column, Message: e.Message})
	}
	if rel.Kind == catalog.Table {
		if err := to.acquire(ctx); err != nil {
			return IngestResult{}, userError(err)
		}
		defer to.release()
	}
	// A client that goes while its events are stored, or only closes its side, may come back with the same ones: whether they are there must be known.
	ps, err := db.appendNew(context.WithoutCancel(ctx), to, d)
	if err != nil {
		return IngestResult{}, userError(err)
	}
	s.wrote(ps)
	r.Token = db.writeToken(ps)
	return r, nil
}

// defaultsOf computes the columns' defaults, nil if there are none.
func (db *Database) defaultsOf(ctx context.Context, rel *catalog.Relation) ([]row.Value, error) {
	var out []row.Value
	for i, d := range rel.Defaults {
		if d == "" {
			continue
		}
		if out == nil {
			for _, c := range rel.Columns {
				out = append(out, row.NullValue(c.Type))
			}
		}
		v, err := db.defaultValue(ctx, rel, i)
		if err != nil {
			return nil, err
		}
		out[i] = v
	}
	return out, nil
}

func (db *Database) noteRejected(rel *catalog.Relation, d *ingest.Decoded) {
	if len(d.Errors) == 0 {
		return
	}
	now := db.now()
	out := make([]reject, len(d.Errors))
	for i, e := range d.Errors {
		out[i] = reject{at: now, relation: rel.Name, source: "ingest", code: e.Code, column: e.Column, message: e.Message, event: strings.ToValidUTF8(string(e.Event), "�")}
	}
	db.noteRejects(out...)
}

const (
	// dedupeWindow is how long an identity is remembered, dedupeMax how many are at most.
	dedupeWindow = 10 * time.Minute
	dedupeMax    = 1_000_000
)

// dedupe remembers the identities of requests and events, with the answers to requests.
type dedupe struct {
	mu    sync.Mutex
	known map[identity]*list.Element
	order list.List // of *remembered, oldest first
}

type identity struct {
	relation uint64
	key      string
}

type remembered struct {
	id     identity
	at     time.Time
	ended  chan struct{} // closed when answer and failed are valid; shared by the events of a request
	answer IngestResult
	failed bool
}

func (d *dedupe) trimLocked(now time.Time) {
	for e := d.order.Front(); e != nil; e = d.order.Front() {
		r := e.Value.(*remembered)
		if now.Sub(r.at) < dedupeWindow && d.order.Len() <= dedupeMax {
			return
		}
		d.forgetLocked(r)
	}
}

func (d *dedupe) forgetLocked(r *remembered) {
	if e := d.known[r.id]; e != nil && e.Value == r {
		d.order.Remove(e)
		delete(d.known, r.id)
	}
}

func (d *dedupe) addLocked(r *remembered) {
	if d.known == nil {
		d.known = map[identity]*list.Element{}
	}
	d.known[r.id] = d.order.PushBack(r)
}

// begin notes the key of a request. If it is new, done must be called with the outcome; a failed request is forgotten. Otherwise
// done is nil and answer is that of the first request, which is waited for.
func (d *dedupe) begin(ctx context.Context, relation uint64, key string, now time.Time) (done func(IngestResult, error), answer IngestResult, err error) {
	if len(key) > 256 {
		return nil, answer, fault.New(fault.InvalidParameterValue, "the Idempotency-Key has %d bytes, at most 256", len(key))
	}
	id := identity{relation, "request:" + key}
	for {
		d.mu.Lock()
		d.trimLocked(now)
		e := d.known[id]
		if e == nil {
			r := &remembered{id: id, at: now, ended: make(chan struct{})}
			d.addLocked(r)
			d.mu.Unlock()
			return func(res IngestResult, err error) { d.finish(r, res, err) }, answer, nil
		}
		d.mu.Unlock()
		r := e.Value.(*remembered)
		select {
		case <-r.ended:
		case <-ctx.Done():
			return nil, answer, ctx.Err()
		}
		if !r.failed {
			return nil, r.answer, nil
		}
	}
}

func (d *dedupe) finish(r *remembered, res IngestResult, err error) {
	d.mu.Lock()
	r.answer, r.failed = res, err != nil
	if r.failed {
		d.forgetLocked(r)
	}
	d.mu.Unlock()
	close(r.ended)
}

// Lookup reads a view or table by key; see door.
func (s *Session) Lookup(ctx context.Context, q LookupRequest) (*LookupResult, error) {
	db := s.db
	if err := db.await(ctx, q.After); err != nil {
		return nil, err
	}
	if err := s.awaitReads(ctx); err != nil {
		return nil, err
	}
	for {
		seq, err := db.gate.settled(ctx)
		if err != nil {
			return nil, userError(err)
		}
		if r, err := s.lookup(ctx, q); db.gate.unchanged(seq) {
			return r, err
		}
	}
}

func (s *Session) lookup(ctx context.Context, q LookupRequest) (*LookupResult, error) {
	db := s.db
	shape, columns, err := db.shapeOfRelation(q.Relation, q.Equals)
	if err != nil {
		return nil, err
	}
	rel := db.catalog.ByID(shape.Relation)
	if rel == nil {
		return nil, fault.New(fault.UndefinedTable, "%q was dropped", q.Relation)
	}
	if rel.Kind == catalog.Stream {
		return nil, fault.New(fault.WrongObjectType, "%q is a stream and has no keys to look up", rel.Name).WithHint("query it with SELECT, or make a materialized view of it")
	}
	snap := db.engine.Snapshot(rel.ID)
	defer snap.Close()
	v, err := snap.View(rel.ID)
	if err != nil || v == nil {
		return nil, userError(err)
	}
	if q.Limit <= 0 || q.Limit > lookupMax {
		q.Limit = lookupMax
	}
	out := &LookupResult{Columns: columns, Token: db.readToken(snap.Tick)}
	prefix, rest := keyPrefix(rel, shape.Columns, shape.Values)
	if rest || (len(rel.Key) == 0) {
		if q.From != nil || q.To != nil || q.Cursor != "" {
			return nil, fault.New(fault.FeatureNotSupported, "%q cannot be read by range or page with this filter", rel.Name).
				WithHint("filter by leading columns of its key (%v), or use SELECT", keyNames(rel))
		}
		if len(shape.Columns) == 0 {
			out.Rows, err = firstRows(ctx, snap, rel, q.Limit)
		} else {
			out.Rows, err = v.Lookup(shape.Columns, shape.Values, q.Limit)
		}
		return out, userError(err)
	}
	r := view.RangeQuery{Prefix: prefix, Limit: q.Limit, Descending: q.Desc}
	if r.From, err = boundValue(rel, len(prefix), q.From); err != nil {
		return nil, err
	}
	if r.To, err = boundValue(rel, len(prefix), q.To); err != nil {
		return nil, err
	}
	r.ToExclusive = true
	if r.After, err = base64.RawURLEncoding.DecodeString(q.Cursor); err != nil {
		return nil, fault.New(fault.InvalidParameterValue, "malformed cursor").WithHint("pass on a cursor exactly as it was returned")
	}
	if len(r.After) == 0 {
		r.After = nil
	}
	var next []byte
	if out.Rows, next, err = v.Range(r); err != nil {
		return nil, userError(err)
	}
	if next != nil {
		out.Next = base64.RawURLEncoding.EncodeToString(next)
	}
	return out, nil
}

// lookupMax bounds the rows of one page.
const lookupMax = 10_000

// keyPrefix splits equalities into values of leading key columns; rest is true if some are on other columns.
func keyPrefix(rel *catalog.Relation, columns []int, values []row.Value) (prefix []row.Value, rest bool) {
	for _, k := range rel.Key {
		at := -1
		for i, c := range columns {
			if c == k {
				at = i
			}
		}
		if at < 0 {
			break
		}
		prefix = append(prefix, values[at])
	}
	return prefix, len(prefix) < len(columns)
}

func boundValue(rel *catalog.Relation, at int, text *string) (*row.Value, error) {
	if text == nil {
		return nil, nil
	}
	if at >= len(rel.Key) {
		return nil, fault.New(fault.InvalidParameterValue, "a range needs a key column that is not fixed")
	}
	v, err := row.ParseValue(rel.Columns[rel.Key[at]].Type, *text)
	if err != nil {
		return nil, fault.New(fault.InvalidText, "%q is not a value of column %q", *text, rel.Columns[rel.Key[at]].Name).WithDetail("%s", err.Error())
	}
	return &v, nil
}

// firstRows returns rows in no particular order.
func firstRows(ctx context.Context, snap *engine.Snapshot, rel *catalog.Relation, limit int) (*row.Batch, error) {
	it, err := snap.Scan(ctx, rel.ID, nil)
	if err != nil {
		return nil, err
	}
	defer it.Close()
	var parts []*row.Batch
	for n := 0; n < limit; {
		b, err := it.Next()
		if err != nil {
			return nil, err
		}
		if b == nil {
			break
		}
		if b.Len > limit-n {
			b = b.Slice(0, limit-n)
		}
		parts = append(parts, b)
		n += b.Len
	}
	if len(parts) == 0 {
		return row.NewBatchBuilder(rel.Columns.Types(), 0).Finish(0), nil
	}
	return row.Concat(parts), nil
}

// copyColumns are the columns of COPY … TO STDOUT.
func (s *Session) copyColumns(ctx context.Context, whole string, st *sql.Copy) (row.Schema, error) {
	if st.Subscribe != nil {
		return s.subscribeColumns(ctx, whole, st.Subscribe)
	}
	p, err := s.db.planSelect(ctx, whole, s.copyQuery(st), nil)
	if err != nil {
		return nil, err
	}
	return p.columns, nil
}

func (s *Session) copyQuery(st *sql.Copy) sql.Text {
	if st.Query != nil {
		return *st.Query
	}
	cols := "*"
	if len(st.Columns) > 0 {
		names := make([]string, len(st.Columns))
		for i, c := range st.Columns {
			names[i] = sql.Quote(c.Name)
		}
		cols = strings.Join(names, ", ")
	}
	return sql.Text{SQL: "SELECT " + cols + " FROM " + st.Target.String()}
}

// copy runs COPY.
func (s *Session) copy(ctx context.Context, whole string, st *sql.Copy) (*Result, error) {
	format := CopyFormat{Format: st.Options.Format, Delimiter: st.Options.Delimiter, Quote: st.Options.Quote, Escape: st.Options.Escape, Null: st.Options.Null, Header: st.Options.Header}
	switch format.Format {
	case "text", "csv":
	default:
		return nil, fault.New(fault.FeatureNotSupported, "COPY in format %s is not available", format.Format).WithHint("use FORMAT text or csv; JSON and Arrow go over HTTP")
	}
	if st.From {
		return s.copyFrom(ctx, whole, st, format)
	}
	var r *Result
	var err error
	if st.Subscribe != nil {
		r, err = s.subscribeRows(ctx, whole, st.Subscribe)
	} else {
		var p *selectPlan
		if err = s.awaitReads(ctx); err == nil {
			if p, err = s.db.planSelect(ctx, whole, s.copyQuery(st), nil); err == nil {
				r, err = s.db.runSelect(ctx, p, nil, s.pending)
			}
		}
	}
	if err != nil {
		return nil, err
	}
	r.tag, r.CopyOut = "COPY", &format
	return r, nil
}

func (s *Session) copyFrom(ctx context.Context, whole string, st *sql.Copy, format CopyFormat) (*Result, error) {
	to, err := s.db.writable(whole, st.Target, "insert into")
	if err != nil {
		return nil, err
	}
	columns, err := targetColumns(to.def, whole, st.Columns)
	if err != nil {
		return nil, err
	}
	var schema row.Schema
	for _, c := range columns {
		schema = append(schema, to.def.Columns[c])
	}
	parser, err := ingest.NewCopyParser(schema, ingest.CopyFormat{Format: format.Format, Delimiter: format.Delimiter, Quote: format.Quote, Escape: format.Escape,
		Null: format.Null, Header: format.Header, HeaderMatch: st.Options.HeaderMatch})
	if err != nil {
		return nil, userError(err)
	}
	r := &Result{tag: "COPY 0"}
	in := &CopyIn{Columns: schema, Format: format}
	in.write = func(_ context.Context, data []byte) error { return userError(parser.Write(data)) }
	in.abort = func() { parser = nil }
	in.finish = func(ctx context.Context) (int64, error) {
		b, err := parser.Finish()
		if err != nil {
			return 0, userError(err)
		}
		done, err := s.copyRows(ctx, to, columns, b)
		if err != nil {
			s.Fail()
			return 0, userError(err)
		}
		r.tag, r.token = fmt.Sprintf("COPY %d", b.Len), done.token
		return int64(b.Len), nil
	}
	r.Copy = in
	return r, nil
}

// copyRows stores the rows of a COPY as an INSERT does.
func (s *Session) copyRows(ctx context.Context, to *stored, columns []int, b *row.Batch) (*Result, error) {
	rows, err := s.db.complete(ctx, to.def, columns, b)
	if err != nil {
		return nil, err
	}
	if len(to.def.Key) == 0 {
		return s.write(ctx, []write{{to, rows}}, "")
	}
	return s.exclusively(ctx, to, func() (*Result, error) {
		checked, err := s.db.resolveConflicts(ctx, &sql.Insert{}, &insertPlan{to: to}, nil, rows, s.pending)
		if err != nil {
			return nil, err
		}
		return s.write(ctx, []write{{to, checked}}, "")
	})
}
