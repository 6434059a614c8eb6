package duck

import (
	"context"
	"time"

	capi "github.com/duckdb/duckdb-go-bindings"

	"github.com/tidemill/tidemill/internal/row"
)

// Rows of a batch are gathered from DuckDB's chunks until one of these is reached.
const (
	batchRows  = 16 << 10
	batchBytes = 4 << 20
	// batchWait ends a batch early once it has a full chunk, so that the rows of a slow query are seen.
	batchWait = 10 * time.Millisecond
)

// Rows is the result of a query. It belongs to one goroutine and must be closed.
type Rows struct {
	conn    *conn
	ctx     context.Context // of the query
	sql     string
	stmt    *selectStmt
	result  *capi.Result
	columns []column
	schema  row.Schema
	end     bool
	err     error
	owned   bool   // the statement is not in a cache
	stop    func() // ends the watch on the query's context
	release func() // gives the connection back
}

// planning says how long preparing a query may take, 0 for ever, and what to do when it goes on without its caller.
type planning struct {
	limit   time.Duration
	givenUp func()
}

// startRows starts a SELECT on the connection, which it gives back with release, also when it fails.
func startRows(ctx context.Context, c *readerConn, p planning, sql string, args []row.Value, release func()) (*Rows, error) {
	r := &Rows{conn: c.conn, ctx: ctx, sql: sql, release: release}
	r.stop = c.interruptOn(ctx)
	if err := r.start(&c.cache, p, args); err != nil {
		err = r.fail(err)
		r.Close()
		return nil, err
	}
	return r, nil
}

// start prepares and executes the statement.
func (r *Rows) start(cache *statements, p planning, args []row.Value) error {
	s := cache.get(r.sql)
	if s == nil {
		var err error
		if s, err = r.plan(p); err != nil {
			return err
		}
		cache.put(s)
	}
	if err := r.execute(s, args); err != nil {
		return err
	}
	if r.adopt() {
		return nil
	}
	// A parameter's value has decided on a type that has to be cast.
	schema := r.resultSchema()
	capi.DestroyResult(r.result)
	r.result = nil
	r.disown(cache)
	wrapped, err := wrapSelect(r.conn, r.sql, schema)
	if err != nil {
		return err
	}
	if err := r.execute(wrapped, args); err != nil {
		return err
	}
	if !r.adopt() {
		return errorf(KindNotImplemented, "the query's result has a column of a type that cannot be read")
	}
	r.schema = schema
	return nil
}

// plan prepares the statement. Planning cannot be interrupted: when the context or the time ends, it goes on without its caller, and
// the connection is given back when it ends.
func (r *Rows) plan(p planning) (*selectStmt, error) {
	if p.limit <= 0 {
		return newSelect(r.conn, r.sql)
	}
	type outcome struct {
		stmt *selectStmt
		err  error
	}
	done := make(chan outcome, 1)
	go func() {
		s, err := newSelect(r.conn, r.sql)
		done <- outcome{s, err}
	}()
	timer := time.NewTimer(p.limit)
	defer timer.Stop()
	var err *Error
	select {
	case o := <-done:
		return o.stmt, o.err
	case <-r.ctx.Done():
		err = interrupted(r.ctx)
	case <-timer.C:
		err = &Error{Kind: KindInterrupted, Message: "planning took longer than it may (at most " + p.limit.String() + ")", Hint: "make the statement smaller: fewer joins and common table expressions, shorter expressions"}
	}
	p.givenUp()
	release := r.release
	r.release = func() {}
	go func() {
		if o := <-done; o.stmt != nil {
			o.stmt.close()
		}
		release()
	}()
	return nil, err
}

func (r *Rows) execute(s *selectStmt, args []row.Value) error {
	r.stmt, r.owned = s, !s.cached
	if err := s.bind(args, r.sql); err != nil {
		return err
	}
	var err error
	r.result, err = s.execute(true, r.sql, s.shift)
	return err
}

func (r *Rows) disown(cache *statements) {
	if r.stmt.cached {
		cache.remove(r.stmt)
	} else {
		r.stmt.close()
	}
	r.stmt = nil
}

func (r *Rows) resultSchema() row.Schema {
	out := make(row.Schema, capi.ColumnCount(r.result))
	for i := range out {
		lt := capi.ColumnLogicalType(r.result, capi.IdxT(i))
		out[i] = row.Column{Name: capi.ColumnName(r.result, capi.IdxT(i)), Type: typeOf(lt)}
		capi.DestroyLogicalType(&lt)
	}
	return out
}

// adopt makes the columns to gather the result in; false if one has a type that does not arrive as ours.
func (r *Rows) adopt() bool {
	schema := r.resultSchema()
	columns := make([]column, len(schema))
	for i := range schema {
		lt := capi.ColumnLogicalType(r.result, capi.IdxT(i))
		ok := arrivesAs(lt)
		capi.DestroyLogicalType(&lt)
		if !ok {
			return false
		}
		columns[i] = newColumn(schema[i].Type)
	}
	r.columns, r.schema = columns, schema
	if r.stmt.shift == 0 {
		return true
	}
	// The wrapped columns arrive as text; their types are those the wrapped query has.
	r.schema = r.stmt.schema
	for i := range columns {
		columns[i] = newColumn(r.schema[i].Type)
	}
	return true
}

// Schema returns the names and types of the result. Names may repeat.
func (r *Rows) Schema() row.Schema { return r.schema }

// Next returns the next rows, nil at the end. It waits for at least one full chunk of 2048 rows or the end. An error stays.
func (r *Rows) Next(ctx context.Context) (*row.Batch, error) {
	if r.err != nil || r.end {
		return nil, r.err
	}
	if ctx != r.ctx {
		stop := r.conn.interruptOn(ctx)
		defer stop()
	}
	n, err := r.gather()
	if err != nil {
		r.err = err
		if ctx.Err() != nil {
			r.err = interrupted(ctx)
		}
		r.err = r.fail(r.err)
		return nil, r.err
	}
	if n == 0 {
		return nil, nil
	}
	b := &row.Batch{Cols: make([]row.Vec, len(r.columns)), Len: n}
	for i := range r.columns {
		b.Cols[i] = r.columns[i].finish()
	}
	return b, nil
}

// gather fetches chunks into the columns and returns the number of rows.
func (r *Rows) gather() (int, error) {
	rows, start := 0, time.Now()
	for rows+vectorSize <= batchRows {
		if rows >= vectorSize && (r.size() >= batchBytes || time.Since(start) > batchWait) {
			return rows, nil
		}
		if err := r.ctx.Err(); err != nil {
			return 0, interrupted(r.ctx)
		}
		chunk, ok, err := fetch(r.result)
		if err != nil {
			return 0, err
		}
		n := 0
		if ok {
			n, err = r.append(chunk)
			capi.DestroyDataChunk(&chunk)
		}
		if err != nil {
			return 0, err
		}
		if n == 0 {
			r.end = true
			return rows, nil
		}
		rows += n
	}
	return rows, nil
}

func (r *Rows) append(chunk capi.DataChunk) (int, error) {
	n := int(capi.DataChunkGetSize(chunk))
	for i := range r.columns {
		if err := r.columns[i].append(capi.DataChunkGetVector(chunk, capi.IdxT(i)), n); err != nil {
			return 0, err
		}
	}
	return n, nil
}

func (r *Rows) size() int {
	n := 0
	for i := range r.columns {
		n += r.columns[i].size()
	}
	return n
}

// fail makes an error that the end of the query's context has caused unwrap to the context's.
func (r *Rows) fail(err error) error {
	if r.ctx.Err() != nil {
		return interrupted(r.ctx)
	}
	return err
}

// Close ends the query and frees what it holds. It may be called more than once, and at any point.
func (r *Rows) Close() {
	if r.release == nil {
		return
	}
	if r.result != nil && !r.end {
		// Threads may still be producing rows.
		r.conn.interrupt()
	}
	if r.result != nil {
		capi.DestroyResult(r.result)
		r.result = nil
	}
	if r.stmt != nil && r.owned {
		r.stmt.close()
	}
	r.stmt, r.end = nil, true
	r.stop()
	release := r.release
	r.release = nil
	release()
}
