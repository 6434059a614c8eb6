package session

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tidemill/tidemill/internal/catalog"
	"github.com/tidemill/tidemill/internal/engine"
	"github.com/tidemill/tidemill/internal/fault"
	"github.com/tidemill/tidemill/internal/hub"
	"github.com/tidemill/tidemill/internal/metrics"
	"github.com/tidemill/tidemill/internal/plan"
	"github.com/tidemill/tidemill/internal/row"
	"github.com/tidemill/tidemill/internal/sql"
	"github.com/tidemill/tidemill/internal/token"
	"github.com/tidemill/tidemill/internal/view"
)

// Open implements hub.Source.
func (db *Database) Open(relation uint64) (uint64, hub.Snapshot, error) {
	snap := db.engine.Snapshot(relation)
	return snap.Tick, &content{snap: snap, relation: relation}, nil
}

// Changes implements hub.Source.
func (db *Database) Changes(relation, after uint64) ([]view.Change, uint64, bool) {
	return db.engine.Changes(relation, after)
}

// content is the content of a relation at a tick, for the hub.
type content struct {
	snap     *engine.Snapshot
	relation uint64
}

// Find implements hub.Snapshot.
func (c *content) Find(columns []int, values []row.Value) (engine.Iterator, error) {
	v, err := c.snap.View(c.relation)
	if err != nil {
		return nil, userError(err)
	}
	if v != nil && len(columns) > 0 {
		b, err := v.Lookup(columns, values, 0)
		if err == nil {
			return &oneBatchIterator{b}, nil
		}
		if !errors.Is(err, view.ErrTooLarge) {
			return nil, err
		}
	}
	it, err := c.snap.Scan(context.Background(), c.relation, nil)
	if err != nil || len(columns) == 0 {
		return it, err
	}
	return newFiltered(it, columns, values), nil
}

// Close implements hub.Snapshot.
func (c *content) Close() { c.snap.Close() }

type oneBatchIterator struct{ b *row.Batch }

func (o *oneBatchIterator) Next() (*row.Batch, error) {
	b := o.b
	o.b = nil
	if b != nil && b.Len == 0 {
		b = nil
	}
	return b, nil
}

func (o *oneBatchIterator) Close() {}

// filtered keeps the rows whose columns equal values.
type filtered struct {
	engine.Iterator
	columns []int
	want    []row.Vec
}

func newFiltered(it engine.Iterator, columns []int, values []row.Value) *filtered {
	f := &filtered{Iterator: it, columns: columns}
	for _, v := range values {
		f.want = append(f.want, v.Repeat(1))
	}
	return f
}

// Next implements engine.Iterator.
func (f *filtered) Next() (*row.Batch, error) {
	for {
		b, err := f.Iterator.Next()
		if b == nil || err != nil {
			return nil, err
		}
		var at []int32
	rows:
		for i := range b.Len {
			for k, c := range f.columns {
				if !row.Equal(&b.Cols[c], i, &f.want[k], 0) {
					continue rows
				}
			}
			at = append(at, int32(i))
		}
		if len(at) > 0 {
			return b.Gather(at), nil
		}
	}
}

// Subscription is a live query. It is for one goroutine.
type Subscription struct {
	db      *Database
	columns row.Schema
	sub     *hub.Subscription
	release func()

	conflate time.Duration
	last     time.Time
	encoder  *row.RowEncoder
	first    bool // the first frame after a failed resume is a snapshot that starts over
	ready    time.Time
}

// Columns describes the rows.
func (s *Subscription) Columns() row.Schema { return s.columns }

// sharedFrame is the frame that an event was made from.
type sharedFrame struct {
	frame   *hub.Frame
	encoder *row.RowEncoder
}

// Next returns the next event; see hub.Subscription.Next.
func (s *Subscription) Next(ctx context.Context) (Event, error) {
	f, err := s.sub.Next(ctx)
	if err != nil {
		return Event{}, subscriptionError(err)
	}
	if f.Rows != nil && !f.Snapshot && s.conflate > 0 {
		f = s.conflated(ctx, f)
	}
	if f.Trace != nil {
		s.ready = time.Now()
	}
	ev := Event{Kind: ChangeEvent, Token: s.db.readToken(f.Tick), Rows: f.Rows, More: f.More, Reset: f.Reset || (f.Snapshot && s.first),
		frame: &sharedFrame{f, s.encoder}}
	if f.More {
		ev.Token = s.db.partToken()
	}
	switch {
	case f.Snapshot:
		ev.Kind = SnapshotEvent
		if s.first {
			s.db.metrics.Subscriptions.Reset()
		}
		s.first = false
		if ev.Rows == nil {
			ev.Rows = row.NewBatchBuilder(s.columns.Types(), 0).Finish(0)
		}
	case f.Progress():
		ev.Kind = ProgressEvent
	}
	s.db.metrics.Subscriptions.Frame(frameKinds[ev.Kind])
	return ev, nil
}

var frameKinds = [...]string{SnapshotEvent: metrics.FrameSnapshot, ChangeEvent: metrics.FrameChange, ProgressEvent: metrics.FrameProgress}

// Wrote says that the event that Next returned last has been written to the client, in so many bytes.
func (s *Subscription) Wrote(ev *Event, n int) {
	s.db.metrics.Subscriptions.Wrote(n)
	ev.frame.frame.Trace.Frame(s.sub.Relation(), n, s.ready, time.Now())
}

// Cut says that the client is given up because it takes nothing.
func (s *Subscription) Cut() { s.db.metrics.Subscriptions.Cut() }

// partToken goes with a part of a snapshot: who comes back with it starts over, since the rest of the snapshot is not in what changes later.
func (db *Database) partToken() string { return token.Token{Database: db.name}.String() }

// conflated joins the changes that arrive until the next one is due.
func (s *Subscription) conflated(ctx context.Context, f *hub.Frame) *hub.Frame {
	due := s.last.Add(s.conflate)
	parts, tick, traced := []*row.Batch{f.Rows}, f.Tick, f.Trace
	for {
		wait := due.Sub(s.db.now())
		if wait <= 0 {
			break
		}
		bounded, cancel := context.WithTimeout(ctx, wait)
		next, err := s.sub.Next(bounded)
		cancel()
		if err != nil {
			break // it is due; or the subscription is over, which the next call says: what was collected is sent all the same
		}
		if next.Snapshot {
			s.last = s.db.now()
			return next // starting over voids what was collected
		}
		tick = next.Tick
		if traced == nil {
			traced = next.Trace
		}
		if next.Rows != nil {
			parts = append(parts, next.Rows)
		}
	}
	s.last = s.db.now()
	if len(parts) == 1 {
		return f
	}
	s.db.metrics.Subscriptions.Conflated(len(parts) - 1)
	out := &hub.Frame{Tick: tick, Trace: traced}
	if b := view.Consolidate(row.Concat(parts)); b != nil && b.Len > 0 {
		out.Rows = b
	}
	return out
}

func subscriptionError(err error) error {
	switch {
	case errors.Is(err, hub.ErrClosed):
		return fault.New(fault.AdminShutdown, "the node is stopping").Wrap(err)
	case errors.Is(err, hub.ErrDropped):
		return fault.New(fault.UndefinedTable, "the relation of the subscription was dropped or altered").WithHint("subscribe again").Wrap(err)
	}
	return userError(err)
}

// Close ends the subscription; it may be called more than once.
func (s *Subscription) Close() {
	if s.sub != nil {
		s.sub.Close()
		s.release()
		s.sub = nil
	}
}

// Tick is the tick of this run that the event brings its subscriber up to.
func (e *Event) Tick() uint64 { return e.frame.frame.Tick }

// JSON is the event's data as the live protocol writes it. It is encoded once and shared by all subscribers that get the same rows.
func (e *Event) JSON() []byte {
	if e.frame == nil || e.Kind == ProgressEvent {
		return []byte("{}")
	}
	if e.Kind == SnapshotEvent {
		return e.frame.snapshotJSON(e)
	}
	return e.frame.frame.Encoded(e.frame.changeJSON)
}

func (f *sharedFrame) snapshotJSON(e *Event) []byte {
	out := append(make([]byte, 0, 64+e.Rows.Len*64), `{"rows":[`...)
	for i := range e.Rows.Len {
		if i > 0 {
			out = append(out, ',')
		}
		out = f.encoder.AppendRow(out, e.Rows, i)
	}
	out = fmt.Appendf(out, `],"more":%t`, e.More)
	if e.Reset {
		out = append(out, `,"reset":true`...)
	}
	return append(out, '}')
}

func (f *sharedFrame) changeJSON(fr *hub.Frame) []byte {
	out := append(make([]byte, 0, 64+fr.Rows.Len*64), `{"inserts":[`...)
	out = f.appendRows(out, fr.Rows, func(w int64) int64 { return w })
	out = append(out, `],"deletes":[`...)
	out = f.appendRows(out, fr.Rows, func(w int64) int64 { return -w })
	return append(out, "]}"...)
}

// appendRows appends each row as often as times says for its weight.
func (f *sharedFrame) appendRows(out []byte, b *row.Batch, times func(int64) int64) []byte {
	first := true
	for i := range b.Len {
		for range max(0, times(b.Weight(i))) {
			if !first {
				out = append(out, ',')
			}
			first = false
			out = f.encoder.AppendRow(out, b, i)
		}
	}
	return out
}

// Subscribe opens a live query; see door.
func (s *Session) Subscribe(ctx context.Context, r SubscribeRequest) (*Subscription, error) {
	db := s.db
	if err := db.await(ctx, r.After); err != nil {
		return nil, err
	}
	if err := s.awaitReads(ctx); err != nil {
		return nil, err
	}
	if r.SQL != "" {
		if err := onlySelect(r.SQL); err != nil {
			return nil, err
		}
	}
	for {
		seq, err := db.gate.settled(ctx)
		if err != nil {
			return nil, userError(err)
		}
		sub, err := s.subscribe(ctx, r)
		if db.gate.unchanged(seq) && !errors.Is(err, errAltered) {
			return sub, err
		}
		if err == nil {
			sub.Close()
		}
	}
}

func (s *Session) subscribe(ctx context.Context, r SubscribeRequest) (*Subscription, error) {
	db := s.db
	var shape hub.Shape
	var columns row.Schema
	var err error
	release := func() {}
	if r.SQL != "" {
		shape, columns, release, err = db.shapeOfQuery(ctx, r.SQL, sql.Text{SQL: r.SQL})
	} else {
		shape, columns, err = db.shapeOfRelation(r.Relation, r.Equals)
	}
	if err != nil {
		return nil, userError(err)
	}
	start, reset, err := db.startOf(r)
	if err != nil {
		release()
		return nil, err
	}
	start.Progress = r.Progress
	sub, err := db.hub.Subscribe(shape, start)
	if err != nil {
		release()
		return nil, subscriptionError(err)
	}
	return &Subscription{db: db, columns: columns, sub: sub, release: release, conflate: r.Conflate, encoder: row.NewRowEncoder(columns), first: reset}, nil
}

// onlySelect refuses the text of a subscription that is anything but one query.
func onlySelect(text string) error {
	stmt, err := sql.Parse(text)
	if err != nil {
		return userError(err)
	}
	if _, is := stmt.(*sql.Select); is {
		return nil
	}
	f := fault.New(fault.SyntaxError, "only a SELECT can be subscribed to")
	if tag := stmt.Tag(); tag != "" {
		f = f.WithDetail("this is %s", tag)
	}
	return f.WithHint("POST other statements to /v1/sql")
}

// startOf reads a resume token. One of an earlier run starts over.
func (db *Database) startOf(r SubscribeRequest) (start hub.Start, reset bool, err error) {
	if r.Resume == "" {
		return hub.Start{NoSnapshot: r.NoSnapshot}, false, nil
	}
	t, err := token.Parse(r.Resume)
	if err != nil {
		return start, false, userError(err)
	}
	if t.Database != db.name || !db.engine.Knows(t.Epoch, t.Tick) {
		return hub.Start{}, true, nil
	}
	return hub.Start{Resume: true, After: t.Tick}, false, nil
}

// shapeOfRelation is the shape of a view or table and equalities in text form.
func (db *Database) shapeOfRelation(name string, equals []Equality) (hub.Shape, row.Schema, error) {
	rel, err := db.catalog.Lookup(strings.TrimPrefix(strings.TrimPrefix(name, "main."), "public."))
	if err != nil {
		return hub.Shape{}, nil, err
	}
	if rel.Kind == catalog.View {
		return hub.Shape{}, nil, fault.New(fault.WrongObjectType, "%q is a plain view, only a name for a query", rel.Name).
			WithHint("subscribe to SELECT * FROM %s, or make it a materialized view", sql.Quote(rel.Name))
	}
	sh := hub.Shape{Relation: rel.ID}
	for _, e := range equals {
		at := rel.Columns.Index(e.Column)
		if at < 0 {
			return hub.Shape{}, nil, fault.New(fault.UndefinedColumn, "%s %q has no column %q", rel.Kind, rel.Name, e.Column).
				WithHint("its columns are %s", strings.Join(rel.Columns.Names(), ", "))
		}
		v, err := row.ParseValue(rel.Columns[at].Type, e.Value)
		if err != nil {
			return hub.Shape{}, nil, fault.New(fault.InvalidText, "%q is not a value of column %q", e.Value, rel.Columns[at].Name).WithDetail("%s", err.Error())
		}
		if err := sh.Add(at, v); err != nil {
			return hub.Shape{}, nil, err
		}
	}
	return sh, rel.Columns, nil
}

// shapeOfQuery is the shape of a SELECT: equalities on a relation if that is all it is, else a view of its own that all
// subscribers of the same query share.
func (db *Database) shapeOfQuery(ctx context.Context, whole string, query sql.Text) (hub.Shape, row.Schema, func(), error) {
	p, err := db.planSelect(ctx, whole, query, nil)
	if err != nil {
		return hub.Shape{}, nil, nil, err
	}
	if len(p.params) > 0 {
		return hub.Shape{}, nil, nil, fault.New(fault.UndefinedParameter, "a subscription's query cannot have parameters")
	}
	if p.node == nil {
		return hub.Shape{}, nil, nil, fault.New(fault.FeatureNotSupported, "this query cannot be kept up to date")
	}
	if sh, ok := db.routedShape(p); ok {
		return sh, p.columns, func() {}, nil
	}
	id, release, err := db.shared.acquire(ctx, db, p)
	if err != nil {
		return hub.Shape{}, nil, nil, positioned(err, whole, query)
	}
	return hub.Shape{Relation: id}, p.columns, release, nil
}

// routedShape recognises SELECT * FROM relation WHERE column = constant AND ….
func (db *Database) routedShape(p *selectPlan) (hub.Shape, bool) {
	n := p.node
	if pr, ok := n.(*plan.Project); ok {
		for i, e := range pr.Exprs {
			if e.Kind != plan.Column || e.Index != i {
				return hub.Shape{}, false
			}
		}
		if len(pr.Exprs) != len(pr.Input.Types()) {
			return hub.Shape{}, false
		}
		n = pr.Input
	}
	var preds []*plan.Expr
	if f, ok := n.(*plan.Filter); ok {
		preds, n = f.Predicates, f.Input
	}
	g, ok := n.(*plan.Get)
	if !ok {
		return hub.Shape{}, false
	}
	rel := db.catalog.Get(g.Relation)
	if rel == nil || len(g.Columns) != len(rel.Columns) || !slices.IsSorted(g.Columns) || slices.Contains(g.Columns, -1) {
		return hub.Shape{}, false
	}
	sh := hub.Shape{Relation: rel.ID}
	for _, e := range slices.Concat(g.Filters, preds) {
		if e.Kind != plan.Call || e.Name != plan.Equals || e.Args[0].Kind != plan.Column || e.Args[1].Kind != plan.Constant ||
			e.Args[0].Type != e.Args[1].Type || e.Args[1].Value.Null {
			return hub.Shape{}, false
		}
		if sh.Add(g.Columns[e.Args[0].Index], e.Args[1].Value) != nil {
			return hub.Shape{}, false
		}
	}
	return sh, true
}

// subscribeColumns are the columns of SUBSCRIBE's rows over Postgres wire.
func (s *Session) subscribeColumns(ctx context.Context, whole string, st *sql.Subscribe) (row.Schema, error) {
	columns := row.Schema{{Name: "tidemill_token", Type: row.T(row.String)}, {Name: "tidemill_progressed", Type: row.T(row.Bool)}, {Name: "tidemill_weight", Type: row.T(row.Int64)}}
	query, err := s.subscribeQuery(st)
	if err != nil {
		return nil, err
	}
	p, err := s.db.planSelect(ctx, whole, query, nil)
	if err != nil {
		return nil, err
	}
	return append(columns, p.columns...), nil
}

// subscribeQuery is the SELECT that a SUBSCRIBE stands for.
func (s *Session) subscribeQuery(st *sql.Subscribe) (sql.Text, error) {
	if st.Query != nil && st.Where == nil {
		return *st.Query, nil
	}
	from := ""
	if st.Query != nil {
		from = "(" + st.Query.SQL + ")"
	} else {
		name, err := s.db.relationName(st.Target)
		if err != nil {
			return sql.Text{}, err
		}
		if _, err := s.db.catalog.Lookup(name); err != nil {
			return sql.Text{}, err
		}
		from = st.Target.String()
	}
	text := "SELECT * FROM " + from
	if st.Where == nil {
		return sql.Text{SQL: text}, nil
	}
	text += " WHERE "
	return sql.Text{SQL: text + st.Where.SQL, Pos: st.Where.Pos - len(text)}, nil
}

// subscribeRows runs SUBSCRIBE: a result that never ends.
func (s *Session) subscribeRows(ctx context.Context, whole string, st *sql.Subscribe) (*Result, error) {
	if s.tx == TxOpen && len(s.pending) > 0 {
		return nil, fault.New(fault.ActiveTransaction, "SUBSCRIBE cannot follow writes in a transaction block").WithHint("COMMIT first")
	}
	req := SubscribeRequest{}
	progress := false
	for _, o := range st.Options {
		switch o.Key {
		case "snapshot":
			req.NoSnapshot = o.Value == "false"
		case "progress":
			progress = o.Value == "true"
		case "resume", "after":
			req.Resume = o.Value
		default:
			return nil, fault.New(fault.InvalidParameterValue, "SUBSCRIBE has no option %q", o.Key).WithHint("options are snapshot, progress and resume").At(sql.PositionAt(whole, o.Pos))
		}
	}
	query, err := s.subscribeQuery(st)
	if err != nil {
		return nil, err
	}
	columns, err := s.subscribeColumns(ctx, whole, st)
	if err != nil {
		return nil, err
	}
	req.SQL = query.SQL
	sub, err := s.Subscribe(ctx, req)
	if err != nil {
		return nil, err
	}
	r := &Result{Columns: columns, tag: "SUBSCRIBE", close: sub.Close}
	r.next = func(ctx context.Context) (*row.Batch, error) {
		for {
			ev, err := sub.Next(ctx)
			if err != nil {
				return nil, err
			}
			if b := subscribeBatch(&ev, columns, progress); b != nil {
				ev.frame.frame.Trace.Frame(sub.sub.Relation(), 0, sub.ready, time.Now())
				return b, nil
			}
		}
	}
	return r, nil
}

// subscribeBatch puts an event into the form of SUBSCRIBE's rows, nil if it shows nothing. The weight of a row that says that what was sent before is
// void, because a snapshot follows, is null, as is that of one that says how far the subscription is.
func subscribeBatch(ev *Event, columns row.Schema, progress bool) *row.Batch {
	done := progress && (ev.Kind != SnapshotEvent || !ev.More)
	n := 0
	if ev.Rows != nil {
		n = ev.Rows.Len
	}
	bb := row.NewBatchBuilder(columns.Types(), n+2)
	total := 0
	mark := func(progressed bool) {
		bb.Cols[0].AppendString(ev.Token)
		bb.Cols[1].AppendBool(progressed)
		for c := 2; c < len(columns); c++ {
			bb.Cols[c].AppendNull()
		}
		total++
	}
	if ev.Reset {
		mark(false)
	}
	for i := range n {
		bb.Cols[0].AppendString(ev.Token)
		bb.Cols[1].AppendBool(false)
		bb.Cols[2].AppendInt(ev.Rows.Weight(i))
		for c := 3; c < len(columns); c++ {
			bb.Cols[c].AppendFrom(&ev.Rows.Cols[c-3], i)
		}
		total++
	}
	if done {
		mark(true)
	}
	if total == 0 {
		return nil
	}
	return bb.Finish(total)
}
