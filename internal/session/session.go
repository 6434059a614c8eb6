package session

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tidemill/tidemill/internal/admission"
	"github.com/tidemill/tidemill/internal/fault"
	"github.com/tidemill/tidemill/internal/log"
	"github.com/tidemill/tidemill/internal/plan"
	"github.com/tidemill/tidemill/internal/row"
	"github.com/tidemill/tidemill/internal/sql"
	"github.com/tidemill/tidemill/internal/token"
)

// Session is one client's session: its settings, its transaction block. It is for one goroutine at a time.
type Session struct {
	db       *Database
	opts     Options
	settings map[string]string

	tx      TxState
	pending []write
	reads   []readMark // tables that the block's statements read before writing

	// own are the positions of this session's writes, which its reads wait for.
	own *Writes

	// lease is this client's part of what the node holds of writes; pendingBytes of it are for those of the open block.
	lease        *admission.Lease
	pendingBytes int64
}

// Writes remembers how far relations were written, so that reads can wait for it. Sessions that share one see each other's
// writes. It is safe for concurrent use.
type Writes struct {
	mu sync.Mutex
	at map[uint64]uint64
}

func (w *Writes) note(ps []token.Position) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.at == nil {
		w.at = map[uint64]uint64{}
	}
	for _, p := range ps {
		w.at[p.Relation] = max(w.at[p.Relation], p.Offset)
	}
}

// open lists the writes that no read has waited for yet.
func (w *Writes) open() []token.Position {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.at) == 0 {
		return nil
	}
	ps := make([]token.Position, 0, len(w.at))
	for rel, at := range w.at {
		ps = append(ps, token.Position{Relation: rel, Offset: at})
	}
	return ps
}

// seen forgets writes that are visible.
func (w *Writes) seen(ps []token.Position) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, p := range ps {
		if w.at[p.Relation] == p.Offset {
			delete(w.at, p.Relation)
		}
	}
}

// readMark says which write to a table a statement of a transaction block had seen last.
type readMark struct {
	table *stored
	last  log.Offset
}

const (
	// pendingRowsMax bounds what a transaction block or one statement may write.
	pendingRowsMax = 20_000_000
)

// boundStatement is what Prepare found.
type boundStatement struct {
	text   string
	stmt   sql.Statement
	sel    *selectPlan
	insert *insertPlan
	change *changePlan
	merge  *mergePlan
	// version of the catalog the plans were made with.
	version uint64
	given   []row.Type
}

// NewSession opens a session.
func (db *Database) NewSession(o Options) *Session {
	own := o.Writes
	if own == nil {
		own = &Writes{}
	}
	lease := o.Lease
	if lease == nil {
		lease = db.admission.NewLease(0)
	}
	return &Session{db: db, opts: o, tx: TxIdle, settings: map[string]string{}, own: own, lease: lease}
}

// Database returns the session's database.
func (s *Session) Database() *Database { return s.db }

// Tx is the state of the transaction block.
func (s *Session) Tx() TxState { return s.tx }

// Fail notes that the client was told of an error: an open transaction block takes nothing more until it ends, or returns to a mark.
func (s *Session) Fail() {
	if s.tx == TxOpen {
		s.tx = TxFailed
	}
}

// Body returns a reader of what the client sends that counts against what the node holds of writes, until the session is closed. said is how much there will
// be, if that is known.
func (s *Session) Body(ctx context.Context, from io.Reader, said int64) io.Reader {
	return admission.NewBody(ctx, from, s.lease, max(0, said))
}

// Mark is the place that the transaction block has come to; see ReturnTo.
func (s *Session) Mark() int { return len(s.pending) }

// ReturnTo takes back what the transaction block has written since a mark of it, and lets a failed block go on.
func (s *Session) ReturnTo(mark int) {
	if s.tx == TxIdle {
		return
	}
	s.tx = TxOpen
	s.pending = slices.Clip(s.pending[:min(mark, len(s.pending))]) // results that are still open read what lies behind
}

// Close ends the session: an open transaction is rolled back.
func (s *Session) Close() {
	s.endTx()
	s.lease.Release()
}

// Prepare parses and binds one statement; see door. An error fails an open transaction block.
func (s *Session) Prepare(ctx context.Context, text string, params []row.Type) (*Prepared, error) {
	stmt, err := sql.Parse(text)
	if err != nil {
		return nil, s.failed(err)
	}
	p := &Prepared{bound: boundStatement{text: text, stmt: stmt, given: params}}
	if err := s.bind(ctx, p); err != nil {
		return nil, s.failed(err)
	}
	return p, nil
}

// bind plans a statement against the catalog as it is now.
func (s *Session) bind(ctx context.Context, p *Prepared) error {
	for {
		seq, err := s.db.gate.settled(ctx)
		if err != nil {
			return err
		}
		if err = s.bindOnce(ctx, p); s.db.gate.unchanged(seq) {
			return err
		}
	}
}

func (s *Session) bindOnce(ctx context.Context, p *Prepared) (err error) {
	b := &p.bound
	b.version = s.db.catalog.Version()
	switch st := b.stmt.(type) {
	case *sql.Select:
		if b.sel, err = s.db.planSelect(ctx, b.text, st.Text, b.given); err == nil {
			p.Params, p.Columns = b.sel.params, b.sel.columns
		}
	case *sql.Insert:
		if b.insert, err = s.db.planInsert(ctx, b.text, st, b.given); err == nil {
			p.Params, p.Columns = b.insert.params, b.insert.returning.schema()
		}
	case *sql.Update:
		if b.change, err = s.db.planUpdate(ctx, b.text, st, b.given); err == nil {
			p.Params, p.Columns = b.change.query.params, b.change.returning.schema()
		}
	case *sql.Delete:
		if b.change, err = s.db.planDelete(ctx, b.text, st, b.given); err == nil {
			p.Params, p.Columns = b.change.query.params, b.change.returning.schema()
		}
	case *sql.Merge:
		if b.merge, err = s.db.planMerge(ctx, b.text, st, b.given); err == nil {
			p.Params, p.Columns = b.merge.query.params, b.merge.returning.schema()
		}
	case *sql.Subscribe:
		p.Columns, err = s.subscribeColumns(ctx, b.text, st)
	case *sql.VerifyView:
		p.Columns = verifyColumns()
	case *sql.Show:
		p.Columns = showColumns(st)
	case *sql.ShowCreate:
		p.Columns = row.Schema{{Name: "create_statement", Type: row.T(row.String)}}
	case *sql.Describe:
		p.Columns = describeColumns()
	case *sql.Explain:
		p.Columns = row.Schema{{Name: "plan", Type: row.T(row.String)}}
	case *sql.Copy:
		if !st.From {
			p.Columns, err = s.copyColumns(ctx, b.text, st)
		}
	}
	return err
}

// Execute runs a prepared statement; see door.
func (s *Session) Execute(ctx context.Context, p *Prepared, args []row.Value) (*Result, error) {
	if len(args) != len(p.Params) {
		return nil, fault.New(fault.UndefinedParameter, "%d parameters for a statement that takes %d", len(args), len(p.Params))
	}
	if s.tx == TxFailed && !endsTx(p.bound.stmt) {
		return nil, fault.New(fault.FailedTransaction, "the transaction has failed: statements are ignored until it ends").WithHint("ROLLBACK")
	}
	r, err := s.timed(ctx, p, func(ctx context.Context) (*Result, error) { return s.execute(ctx, p, args) })
	if err != nil {
		return nil, s.failed(err)
	}
	return r, nil
}

func endsTx(st sql.Statement) bool {
	switch st.(type) {
	case *sql.Commit, *sql.Rollback:
		return true
	}
	return false
}

// attemptsMax bounds how often a statement is planned anew because relations are altered while it runs.
const attemptsMax = 10

func (s *Session) execute(ctx context.Context, p *Prepared, args []row.Value) (*Result, error) {
	for attempt := 1; ; attempt++ {
		r, err := s.executeOnce(ctx, p, args)
		if !errors.Is(err, errAltered) || attempt == attemptsMax {
			return r, err
		}
		p.bound.version = staleVersion
	}
}

// staleVersion is no version of a catalog.
const staleVersion = math.MaxUint64

func (s *Session) executeOnce(ctx context.Context, p *Prepared, args []row.Value) (r *Result, err error) {
	if p.bound.version != s.db.catalog.Version() {
		params, columns := p.Params, p.Columns
		if err := s.bind(ctx, p); err != nil {
			return nil, err
		}
		if !slices.Equal(params, p.Params) || (columns != nil && !slices.Equal(columns.Types(), p.Columns.Types())) {
			return nil, fault.New(fault.FeatureNotSupported, "the columns of the prepared statement have changed").WithHint("prepare it again")
		}
	}
	if s.pending, err = s.db.current(s.pending); err != nil {
		return nil, err
	}
	b := &p.bound
	switch st := b.stmt.(type) {
	case *sql.Empty:
		return &Result{}, nil
	case *sql.Select:
		began := time.Now()
		if err := s.awaitReads(ctx); err != nil {
			return nil, err
		}
		if r, err = s.db.runSelect(ctx, b.sel, args, s.pending); err != nil {
			return nil, err
		}
		return s.bounded(r).time(s.db.metrics.Queries, began), nil
	case *sql.Insert:
		return s.insert(ctx, b.text, st, b.insert, args)
	case *sql.Update, *sql.Delete:
		return s.change(ctx, b.change, args)
	case *sql.Merge:
		return s.merge(ctx, b.merge, args)
	case *sql.Truncate:
		return s.truncate(ctx, b.text, st)
	case *sql.Subscribe:
		return s.subscribeRows(ctx, b.text, st)
	case *sql.Copy:
		return s.copy(ctx, b.text, st)
	case *sql.Explain:
		return s.explain(ctx, b.text, st)
	case *sql.Show:
		return s.show(ctx, st)
	case *sql.ShowCreate:
		return s.showCreate(st)
	case *sql.Describe:
		return s.describe(ctx, b.text, st)
	case *sql.Begin, *sql.Commit, *sql.Rollback, *sql.SetTransaction:
		return s.transaction(ctx, st)
	case *sql.Set, *sql.Reset, *sql.Discard, *sql.Unlisten:
		return s.setting(st)
	case *sql.VerifyView:
		return s.verifyStatement(ctx, b.text, st)
	}
	return s.define(ctx, b)
}

// define runs the statements that change the catalog.
func (s *Session) define(ctx context.Context, b *boundStatement) (*Result, error) {
	if s.tx == TxOpen {
		return nil, fault.New(fault.ActiveTransaction, "%s cannot run inside a transaction block", b.stmt.Tag()).WithHint("COMMIT first")
	}
	var tag string
	var err error
	switch st := b.stmt.(type) {
	case *sql.CreateStream:
		tag, err = s.db.createStream(ctx, b.text, st)
	case *sql.CreateTable:
		tag, err = s.db.createTable(ctx, b.text, st)
	case *sql.CreateView:
		tag, err = s.db.createView(ctx, b.text, st)
	case *sql.CreateMaterializedView:
		if err = s.awaitReads(ctx); err == nil {
			tag, err = s.db.createMaterializedView(ctx, b.text, st)
		}
	case *sql.Drop:
		tag, err = s.db.drop(ctx, b.text, st)
	case *sql.Comment:
		tag, err = s.db.comment(ctx, b.text, st)
	case *sql.Alter:
		tag, err = s.db.alter(ctx, b.text, st)
	case *sql.CreateType:
		tag, err = s.db.createType(ctx, b.text, st)
	case *sql.DropType:
		tag, err = s.db.dropType(ctx, b.text, st)
	default:
		return nil, fault.New(fault.FeatureNotSupported, "%s is not available here", b.stmt.Tag())
	}
	if err != nil {
		return nil, err
	}
	return &Result{tag: tag, token: s.db.readToken(s.db.engine.Tick())}, nil
}

// finalTag adds the number of rows to the tags that carry it.
func (r *Result) finalTag() string {
	if r.tag == "SELECT" {
		return fmt.Sprintf("SELECT %d", r.count)
	}
	return r.tag
}

// awaitReads waits until a read sees the token of the session's setting, the session's own writes, and what statements of all sessions
// have written.
func (s *Session) awaitReads(ctx context.Context) error {
	if err := s.db.await(ctx, s.settings[afterSetting]); err != nil {
		return err
	}
	if err := s.awaitOwn(ctx); err != nil {
		return err
	}
	return s.db.awaitWrites(ctx, &s.db.statements)
}

func (s *Session) awaitOwn(ctx context.Context) error { return s.db.awaitWrites(ctx, s.own) }

func (db *Database) awaitWrites(ctx context.Context, w *Writes) error {
	ps := w.open()
	if len(ps) == 0 {
		return nil
	}
	if err := db.awaitPositions(ctx, ps); err != nil {
		return err
	}
	w.seen(ps)
	return nil
}

// write stores rows now or, in a transaction block, at COMMIT.
func (s *Session) write(ctx context.Context, ws []write, tag string) (*Result, error) {
	size := int64(0)
	for _, w := range ws {
		if w.rows != nil {
			size += w.rows.Size()
		}
	}
	if err := s.lease.Grow(ctx, size); err != nil {
		return nil, err
	}
	if s.tx != TxOpen {
		began := time.Now()
		defer s.lease.Shrink(size)
		ps, err := s.db.append(ctx, ws)
		if err != nil {
			s.door().Failed(err)
			return nil, userError(err)
		}
		s.stated(ps)
		s.countWrites(ws, began)
		return &Result{tag: tag, token: s.db.writeToken(ps)}, nil
	}
	s.pendingBytes += size // until the block ends, however
	n := 0
	for _, w := range slices.Concat(s.pending, ws) {
		n += w.rows.Len
	}
	if n > pendingRowsMax {
		return nil, fault.New(fault.LimitExceeded, "a transaction writes at most %d rows", pendingRowsMax).WithHint("COMMIT in between")
	}
	s.pending = append(s.pending, ws...)
	return &Result{tag: tag}, nil
}

func (s *Session) wrote(ps []token.Position) { s.own.note(ps) }

// stated notes what a statement wrote: unlike ingested events, which may come all the time, every session's reads wait for it.
func (s *Session) stated(ps []token.Position) {
	s.wrote(ps)
	s.db.statements.note(ps)
}

// pendingRows are the operations on a table that the open transaction has collected, or nil.
func (s *Session) pendingRows(to *stored) *row.Batch {
	return pendingOf(s.pending, to.def.ID)
}

// readAt remembers which state of a table a statement of the block has read.
func (s *Session) readAt(to *stored, last log.Offset) {
	for _, m := range s.reads {
		if m.table.storedWrites == to.storedWrites {
			return
		}
	}
	s.reads = append(s.reads, readMark{to, last})
}

func (s *Session) endTx() {
	s.tx, s.pending, s.reads = TxIdle, nil, nil
	s.lease.Shrink(s.pendingBytes)
	s.pendingBytes = 0
}

func (s *Session) transaction(ctx context.Context, st sql.Statement) (*Result, error) {
	switch st := st.(type) {
	case *sql.Begin:
		if s.tx == TxOpen {
			return nil, fault.New(fault.ActiveTransaction, "there is already a transaction in progress")
		}
		s.tx = TxOpen
		return &Result{tag: st.Tag()}, nil
	case *sql.Rollback:
		s.endTx()
		return &Result{tag: "ROLLBACK"}, nil
	case *sql.SetTransaction:
		return &Result{tag: st.Tag()}, nil
	}
	if s.tx != TxOpen {
		failed := s.tx == TxFailed
		s.endTx()
		if failed {
			return &Result{tag: "ROLLBACK"}, nil
		}
		return &Result{tag: "COMMIT"}, nil
	}
	ws, reads := s.pending, s.reads
	held := s.pendingBytes
	s.pendingBytes = 0
	s.endTx()
	defer s.lease.Shrink(held)
	return s.commit(ctx, ws, reads)
}

// commit appends a block's writes, if nobody else wrote the tables that the block read.
func (s *Session) commit(ctx context.Context, ws []write, reads []readMark) (*Result, error) {
	ws, err := s.db.current(ws)
	if err != nil {
		return nil, err
	}
	sortMarks(reads)
	for i, m := range reads {
		if err := m.table.acquire(ctx); err != nil {
			for _, held := range reads[:i] {
				held.table.release()
			}
			return nil, userError(err)
		}
	}
	defer func() {
		for _, m := range reads {
			m.table.release()
		}
	}()
	for _, m := range reads {
		if m.table.lastWrite() != m.last {
			return nil, fault.New(fault.SerializationFailure, "could not serialize: table %q was changed by somebody else since the transaction read it", m.table.def.Name).
				WithHint("run the transaction again")
		}
	}
	began := time.Now()
	ps, err := s.db.append(ctx, ws)
	if err != nil {
		s.door().Failed(err)
		return nil, userError(err)
	}
	s.stated(ps)
	s.countWrites(ws, began)
	return &Result{tag: "COMMIT", token: s.db.writeToken(ps)}, nil
}

func sortMarks(ms []readMark) {
	for i := range ms {
		for j := i; j > 0 && ms[j].table.def.ID < ms[j-1].table.def.ID; j-- {
			ms[j], ms[j-1] = ms[j-1], ms[j]
		}
	}
}

func (s *Session) setting(st sql.Statement) (*Result, error) {
	var err error
	switch st := st.(type) {
	case *sql.Set:
		value := strings.Join(st.Values, ", ")
		if !st.Default {
			err = s.Set(st.Name, value)
			break
		}
		if err = knownSetting(st.Name); err == nil {
			delete(s.settings, st.Name)
		}
	case *sql.Reset:
		if st.All {
			clear(s.settings)
			break
		}
		if err = knownSetting(st.Name); err == nil {
			delete(s.settings, st.Name)
		}
	case *sql.Discard:
		if s.tx == TxOpen {
			return nil, fault.New(fault.ActiveTransaction, "DISCARD ALL cannot run inside a transaction block")
		}
		clear(s.settings)
	}
	if err != nil {
		return nil, err
	}
	return &Result{tag: st.Tag()}, nil
}

// truncate deletes all rows of a table.
func (s *Session) truncate(ctx context.Context, whole string, st *sql.Truncate) (*Result, error) {
	p, err := s.db.planDelete(ctx, whole, &sql.Delete{Target: st.Target}, nil)
	if err != nil {
		return nil, err
	}
	r, err := s.change(ctx, p, nil)
	if err == nil {
		r.tag = st.Tag()
	}
	return r, err
}

// explain describes how a statement is run: the dataflow of a query that is kept up to date, or how it is read.
func (s *Session) explain(ctx context.Context, whole string, st *sql.Explain) (*Result, error) {
	if st.Analyze {
		return nil, fault.New(fault.FeatureNotSupported, "EXPLAIN ANALYZE is not available").
			WithHint("EXPLAIN shows how a query is read and maintained; tidemill.view_status tells what a view costs")
	}
	var query sql.Text
	switch inner := st.Statement.(type) {
	case *sql.Select:
		query = inner.Text
	case *sql.CreateMaterializedView:
		query = inner.Query
	case *sql.CreateView:
		query = inner.Query
	case *sql.Subscribe:
		if inner.Query == nil {
			return textLines("plan", "subscription to "+inner.Target.String()+", routed by its key columns"), nil
		}
		query = *inner.Query
	default:
		return nil, fault.New(fault.FeatureNotSupported, "EXPLAIN of %s is not available", st.Statement.Tag()).WithHint("EXPLAIN takes a SELECT, SUBSCRIBE or CREATE … VIEW")
	}
	p, err := s.db.planSelect(ctx, whole, query, nil)
	if err != nil {
		return nil, err
	}
	return textLines("plan", s.db.explainPlan(p)...), nil
}

func (db *Database) explainPlan(p *selectPlan) []string {
	var out []string
	if p.fast != nil {
		out = append(out, "read: by key, from the index")
	} else {
		out = append(out, "read: by DuckDB, over a snapshot at one tick")
	}
	if p.node == nil {
		return append(out, "maintained: not possible: the plan has a form that is not known")
	}
	g, _, err := db.compile(p.node, nil)
	if err != nil {
		f := fault.From(err)
		out = append(out, "maintained: not possible: "+f.Message)
		if f.Hint != "" {
			out = append(out, "  hint: "+f.Hint)
		}
		return out
	}
	defer g.Close()
	mode := "changes may retract rows"
	if g.AppendOnly() {
		mode = "append-only"
	}
	out = append(out, fmt.Sprintf("maintained: by %d workers, %s", db.workers, mode))
	for line := range strings.Lines(g.Explain()) {
		out = append(out, "  "+strings.TrimRight(line, "\n"))
	}
	return append(out, db.explainExpressions(p.node)...)
}

// explainExpressions says of each expression of a plan whether it is computed natively or which of its functions DuckDB computes. Columns are numbered as in
// the operator's input.
func (db *Database) explainExpressions(n plan.Node) []string {
	var out, all []string
	seen := map[string]bool{}
	for _, x := range plan.Nodes(n) {
		for _, e := range plan.Exprs(x) {
			if e == nil || e.Kind == plan.Column || e.Kind == plan.Constant || seen[e.String()] {
				continue
			}
			seen[e.String()] = true
			names := slices.DeleteFunc(db.compiler.Fallbacks([]*plan.Expr{e}), func(n string) bool { return n == "stream_now" })
			if len(names) == 0 {
				out = append(out, "  native: "+e.String())
				continue
			}
			out = append(out, fmt.Sprintf("  DuckDB (%s): %s", strings.Join(names, ", "), e))
			for _, name := range names {
				if !slices.Contains(all, name) {
					all = append(all, name)
				}
			}
		}
	}
	if len(out) > 0 {
		out = append([]string{"expressions:"}, out...)
	}
	if len(all) > 0 {
		out = append(out, "computed by DuckDB: "+strings.Join(all, ", "))
	}
	return out
}

// textLines is a result of one text column.
func textLines(column string, lines ...string) *Result {
	b := row.NewBuilder(row.T(row.String), len(lines))
	for _, l := range lines {
		b.AppendString(l)
	}
	r := oneBatch(row.Schema{{Name: column, Type: row.T(row.String)}}, &row.Batch{Cols: []row.Vec{b.Finish()}, Len: len(lines)})
	r.tag = "EXPLAIN"
	return r
}
