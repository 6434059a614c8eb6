package session

import (
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/tidemill/tidemill/internal/admission"
	"github.com/tidemill/tidemill/internal/catalog"
	"github.com/tidemill/tidemill/internal/engine"
	"github.com/tidemill/tidemill/internal/fault"
	"github.com/tidemill/tidemill/internal/ingest"
	"github.com/tidemill/tidemill/internal/metrics"
	"github.com/tidemill/tidemill/internal/record"
	"github.com/tidemill/tidemill/internal/row"
	"github.com/tidemill/tidemill/internal/sql"
	"github.com/tidemill/tidemill/internal/token"
	"github.com/tidemill/tidemill/internal/trace"
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
	to := db.storedOf(rel)
	if to == nil {
		return IngestResult{}, fault.New(fault.UndefinedTable, "%s %q was dropped", rel.Kind, rel.Name)
	}
	if sized, is := body.(interface{ Len() int }); is {
		o.BodyBytes = int64(sized.Len())
	}
	in := admission.NewBody(ctx, body, s.lease, o.BodyBytes)
	defer func() { s.lease.Shrink(in.Taken()) }()
	body = in
	if o.IdempotencyKey != "" {
		return s.ingestOnce(ctx, to, body, o)
	}
	return s.ingest(ctx, to, body, o, nil)
}

func (o *IngestOptions) bodyMax() int64 {
	if o.MaxBytes > 0 {
		return o.MaxBytes
	}
	return bodyBytesMax
}

// ingest reads and stores events. once, if not nil, is the request that they came with, which is stored with them.
func (s *Session) ingest(ctx context.Context, to *stored, events io.Reader, o IngestOptions, once *record.Request) (r IngestResult, err error) {
	db, rel := s.db, to.def
	began, door, body := time.Now(), s.door(), &countedBody{Reader: events}
	defer func() { door.Failed(err) }()
	defaults, err := db.defaultsOf(ctx, rel)
	if err != nil {
		return IngestResult{}, err
	}
	f := &ingest.Format{ContentType: o.ContentType, Columns: rel.Columns, Defaults: defaults, Table: rel.Kind == catalog.Table, Delete: o.Delete,
		Key: rel.Key, CloudEvent: o.CloudEvent, BodyBytesMax: o.bodyMax(), EventBytesMax: eventBytesMax, BodyBytes: o.BodyBytes}
	_, span := trace.Start(ctx, "decode")
	d, err := ingest.Decode(body, f)
	span.Set("tidemill.bytes", body.n).End(err)
	if err != nil {
		return IngestResult{}, userError(err)
	}
	db.noteRejected(rel, d)
	countRejects(door, d)
	r = IngestResult{Accepted: d.Rows.Len, Rejected: d.Rejected, Errors: []IngestError{}, Relaxed: rel.Options["durability"] == "relaxed"}
	for _, e := range d.Errors[:min(len(d.Errors), errorsShown)] {
		r.Errors = append(r.Errors, IngestError{Index: e.Index, Code: e.Code, Column: e.Column, Message: e.Message})
	}
	w := write{to: to, rows: d.Rows}
	if once != nil {
		if once.Answer, err = storedAnswer(r); err != nil {
			return IngestResult{}, err
		}
		w.ids.Request = once
	}
	if rel.Kind == catalog.Table {
		if err := to.acquire(ctx); err != nil {
			return IngestResult{}, userError(err)
		}
		defer to.release()
	}
	// A client that goes while its events are stored, or only closes its side, may come back with the same ones: whether they are there must be known.
	var ps []token.Position
	ctx = context.WithoutCancel(ctx)
	if d.IDs != nil && len(rel.DedupeKey) == 0 {
		ps, err = db.appendNew(ctx, w, eventIDs(d.IDs))
	} else {
		ps, err = db.append(ctx, []write{w})
	}
	if err != nil {
		return IngestResult{}, userError(err)
	}
	s.wrote(ps)
	door.Stored(d.Rows.Len, body.n, began)
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

// Lookup reads a view or table by key; see door.
func (s *Session) Lookup(ctx context.Context, q LookupRequest) (r *LookupResult, err error) {
	db := s.db
	counts, began := db.metrics.Queries, time.Now()
	counts.Begun()
	defer func() {
		counts.Failed(err)
		counts.Ended(metrics.Lookup, began)
	}()
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

// copyStep is by how much a COPY's part of what the node holds of writes grows at least.
const copyStep = 256 << 10

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
	held, used := int64(0), int64(0)
	release := func() {
		s.lease.Shrink(held)
		held, used = 0, 0
	}
	in.write = func(ctx context.Context, data []byte) error {
		if used += int64(len(data)); used > held {
			more := max(copyStep, used-held)
			if err := s.lease.Grow(ctx, more); err != nil {
				return err
			}
			held += more
		}
		return userError(parser.Write(data))
	}
	in.abort = func() {
		parser = nil
		release()
	}
	in.finish = func(ctx context.Context) (int64, error) {
		defer release()
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
		return s.write(ctx, []write{{to: to, rows: rows}}, "")
	}
	return s.exclusively(ctx, to, func() (*Result, error) {
		checked, err := s.db.resolveConflicts(ctx, &sql.Insert{}, &insertPlan{to: to}, nil, rows, s.pending)
		if err != nil {
			return nil, err
		}
		return s.write(ctx, []write{{to: to, rows: checked}}, "")
	})
}
