package duck

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	capi "github.com/duckdb/duckdb-go-bindings"

	"github.com/tidemill/tidemill/internal/row"
)

// ReaderOptions tune a Reader; zero values stand for the defaults given.
type ReaderOptions struct {
	// Threads is the number of threads that compute queries, in all (1).
	Threads int
	// Connections bounds the queries that are open at once; further ones wait (16).
	Connections int
	// SlotTimeout bounds the time that a query waits for others to end (1 min).
	SlotTimeout time.Duration
	// MemoryLimitBytes bounds what sorting, joining and grouping may hold (DuckDB's default, 80 % of the machine's memory).
	MemoryLimitBytes int64
	// TempDir is where larger state is spilled to; without it, a query that exceeds the limit fails.
	TempDir string
	// TempBytes bounds what is spilled (DuckDB's default, 90 % of what is free on the disk).
	TempBytes int64
	// AllowedDirs are the directories whose files queries may read; none without.
	AllowedDirs []string
	// PlanTimeout bounds the time that planning a query may take when its context has no earlier deadline (5 s). A plan that takes
	// longer keeps its connection until it ends.
	PlanTimeout time.Duration
}

// Sources supplies the rows of relations to one query, as of one moment. Scan may be called from several
// goroutines at once, and more than once for a relation.
type Sources interface {
	// Scan starts reading the columns at the given positions of a relation's schema; position -1 stands for a column of no
	// meaning when only the number of rows counts. relation is the name as defined, in lower case.
	Scan(relation string, columns []int) (Iterator, error)
}

// rowsPerThread is how many rows make another thread worth its start.
const rowsPerThread = 50_000

// Sizer may be implemented by Sources to tell about how many rows a relation has, for the order of joins.
type Sizer interface {
	// Rows returns an estimate, negative if unknown.
	Rows(relation string) int64
}

// Reader answers SELECTs over relations whose rows Sources supply per query. It is safe for concurrent use.
type Reader struct {
	opts  ReaderOptions
	slots chan struct{}

	mu         sync.RWMutex // guards all below, and running of the instances
	instance   *readerInstance
	schemas    map[string]row.Schema
	views      map[string]meaning
	generation uint64 // changes with every definition
	idle       []*readerConn
	closed     bool

	ddl  sync.Mutex // orders definitions; guards defs, writes of instance, and its admin
	defs definitions
}

// readerInstance is the DuckDB instance of a reader, with the sources of the queries that run in it.
type readerInstance struct {
	db      *database
	admin   *conn
	running map[uint64]Sources
}

func (i *readerInstance) close() {
	i.admin.close()
	i.db.close()
}

// readerConn is a connection with statements prepared on it.
type readerConn struct {
	*conn
	instance *readerInstance
	cache    statements
}

func (c *readerConn) close() {
	c.cache.clear()
	c.conn.close()
}

// OpenReader opens a reader without relations.
func OpenReader(o ReaderOptions) (*Reader, error) {
	if o.Connections <= 0 {
		o.Connections = 16
	}
	if o.SlotTimeout <= 0 {
		o.SlotTimeout = time.Minute
	}
	if o.PlanTimeout <= 0 {
		o.PlanTimeout = 5 * time.Second
	}
	r := &Reader{opts: o, slots: make(chan struct{}, o.Connections), schemas: map[string]row.Schema{}, views: map[string]meaning{}}
	var err error
	if r.instance, err = r.open(); err != nil {
		return nil, fmt.Errorf("opening the reader: %w", err)
	}
	return r, nil
}

// open opens an instance for the reader, without relations.
func (r *Reader) open() (*readerInstance, error) {
	o := r.opts
	db, admin, err := openDatabase(access{threads: o.Threads, memoryLimit: o.MemoryLimitBytes, tempDir: o.TempDir, tempBytes: o.TempBytes, dirs: o.AllowedDirs})
	if err != nil {
		return nil, err
	}
	i := &readerInstance{db: db, admin: admin, running: map[uint64]Sources{}}
	if err = admin.execAll(append([]string{"CREATE SCHEMA tidemill"}, windowMacros(false)...)); err == nil {
		err = boundValues(admin)
	}
	if err == nil {
		err = registerScan(admin, scanName, &scanFunction{bind: func(conn uint64, name string) (*boundScan, error) { return r.bindScan(i, conn, name) }})
	}
	if err != nil {
		i.close()
		return nil, err
	}
	return i, nil
}

// reopen puts another instance with the same definitions in the place of one that has become unusable.
func (r *Reader) reopen(broken *readerInstance) error {
	r.ddl.Lock()
	defer r.ddl.Unlock()
	return r.reopenLocked(broken)
}

func (r *Reader) reopenLocked(broken *readerInstance) error {
	r.mu.RLock()
	closed, current := r.closed, r.instance == broken
	r.mu.RUnlock()
	switch {
	case closed:
		return errorf(KindClosed, "the reader is closed")
	case !current:
		return nil
	}
	i, err := r.open()
	if err != nil {
		return fmt.Errorf("opening the reader again: %w", err)
	}
	r.defs.replay(i.admin)
	r.mu.Lock()
	idle := r.idle
	r.instance, r.idle = i, nil
	r.mu.Unlock()
	for _, c := range idle {
		c.close()
	}
	broken.close()
	return nil
}

// Close frees the reader. Queries that are open end with an error, and must still be closed.
func (r *Reader) Close() error {
	r.ddl.Lock()
	defer r.ddl.Unlock()
	r.mu.Lock()
	r.closed = true
	idle := r.idle
	r.idle = nil
	r.mu.Unlock()
	for _, c := range idle {
		c.close()
	}
	r.instance.close()
	return nil
}

// bindScan is called by DuckDB when a statement that reads a relation is prepared.
func (r *Reader) bindScan(i *readerInstance, conn uint64, name string) (*boundScan, error) {
	r.mu.RLock()
	schema, ok := r.schemas[name]
	src := i.running[conn]
	r.mu.RUnlock()
	if !ok {
		return nil, fmt.Errorf("there is no relation %s", name)
	}
	b := &boundScan{schema: schema, rows: -1, threads: max(r.opts.Threads, 1)}
	if s, ok := src.(Sizer); ok {
		b.rows = s.Rows(name)
	}
	if b.rows >= 0 {
		b.threads = int(min(int64(b.threads), 1+b.rows/rowsPerThread))
	}
	b.open = func(columns []int) (Iterator, error) {
		r.mu.RLock()
		src := i.running[conn]
		r.mu.RUnlock()
		if src == nil {
			return nil, errors.New("the query has no sources to read " + name + " from")
		}
		return src.Scan(name, columns)
	}
	return b, nil
}

// DefineTable makes name stand for rows that Sources supply, replacing what it stood for. "tidemill.x" is x in the schema
// tidemill; any other name is a name in main. Columns of a type the engine has no form for are supplied as JSON text and
// have the named type in queries.
func (r *Reader) DefineTable(name string, schema row.Schema) error {
	if len(schema) == 0 {
		return errorf(KindCatalog, "the table "+name+" has no columns")
	}
	q, err := qualified(name)
	if err != nil {
		return err
	}
	var b strings.Builder
	b.WriteString("CREATE OR REPLACE VIEW " + q + " AS SELECT ")
	b.WriteString(columnNames(schema))
	key := foldName(name)
	b.WriteString(" FROM " + scanName + "(" + quoteString(key) + ")")
	r.ddl.Lock()
	defer r.ddl.Unlock()
	r.mu.Lock()
	old, existed := r.schemas[key]
	r.schemas[key] = schema
	r.mu.Unlock()
	err = r.define(key, func(c *conn) error { return c.exec(b.String()) })
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case err == nil:
		delete(r.views, key)
	case existed:
		r.schemas[key] = old
	default:
		delete(r.schemas, key)
	}
	if err != nil {
		return fmt.Errorf("defining %s: %w", name, err)
	}
	return nil
}

// DefineView makes name stand for the query sql, which is bound now, replacing what it stood for.
func (r *Reader) DefineView(name, sql string) error {
	q, err := qualified(name)
	if err != nil {
		return err
	}
	m, err := checkLimits(sql, r.meaning)
	if err != nil {
		return err
	}
	r.ddl.Lock()
	defer r.ddl.Unlock()
	key := foldName(name)
	err = r.define(key, func(c *conn) error { return createView(c, "CREATE OR REPLACE VIEW "+q+" AS ", sql) })
	if err != nil {
		return fmt.Errorf("defining %s: %w", name, err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.schemas, key)
	r.views[key] = m
	return nil
}

// meaning is what is behind an unqualified name.
func (r *Reader) meaning(name string) meaning {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.views[foldName(name)]
}

// define runs what makes a definition and keeps it. ddl is held.
func (r *Reader) define(key string, create func(*conn) error) error {
	if err := r.change(create); err != nil {
		return err
	}
	r.defs.put(key, create)
	return nil
}

// change runs f, once more in another instance if this one has become unusable. ddl is held.
func (r *Reader) change(f func(*conn) error) error {
	r.mu.RLock()
	closed, i := r.closed, r.instance
	r.mu.RUnlock()
	if closed {
		return errorf(KindClosed, "the reader is closed")
	}
	defer r.changed()
	err := f(i.admin)
	if isUnusable(err) && r.reopenLocked(i) == nil {
		err = f(r.instance.admin)
	}
	return err
}

// changed makes every connection forget its prepared statements.
func (r *Reader) changed() {
	r.mu.Lock()
	r.generation++
	r.mu.Unlock()
}

// Drop forgets what a name stands for; views that use it fail when they are used.
func (r *Reader) Drop(name string) error {
	q, err := qualified(name)
	if err != nil {
		return err
	}
	r.ddl.Lock()
	defer r.ddl.Unlock()
	key := foldName(name)
	r.mu.RLock()
	known := r.views[key].weight > 0 || r.schemas[key] != nil
	r.mu.RUnlock()
	if !known {
		return errorf(KindCatalog, "there is no relation "+name)
	}
	if err := r.change(func(c *conn) error { return c.exec("DROP VIEW " + q) }); err != nil {
		return fmt.Errorf("dropping %s: %w", name, err)
	}
	r.defs.drop(key)
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.schemas, key)
	delete(r.views, key)
	return nil
}

// Query starts a single SELECT with the arguments for $1, $2 … and returns its rows as they are computed. What
// src supplies is read while the query runs, up to Rows.Close. It fails with an *Error; when the context ends, which also stops
// the returned rows, the error unwraps to the context's.
func (r *Reader) Query(ctx context.Context, sql string, args []row.Value, src Sources) (*Rows, error) {
	return r.query(ctx, sql, args, src, func(*readerConn) error { return nil }, r.release)
}

// query is Query on a connection that was made ready by prepare and is given back by release.
func (r *Reader) query(ctx context.Context, sql string, args []row.Value, src Sources, prepare func(*readerConn) error, release func(*readerConn)) (*Rows, error) {
	if _, err := checkLimits(sql, r.meaning); err != nil {
		return nil, err
	}
	var rows *Rows
	err := r.withConn(ctx, func(c *readerConn) (err error) {
		if err := prepare(c); err != nil {
			release(c)
			return err
		}
		if src != nil {
			r.mu.Lock()
			c.instance.running[c.id] = src
			r.mu.Unlock()
		}
		p := planning{limit: r.opts.PlanTimeout, givenUp: func() { r.forget(c) }} // the caller is free to close the sources then
		rows, err = startRows(ctx, c, p, sql, args, func() { release(c) })
		return err
	})
	return rows, err
}

// Describe returns the result's names and types of a single SELECT, without running it. The type of a column that depends on
// a parameter without a type is Invalid.
func (r *Reader) Describe(ctx context.Context, sql string) (row.Schema, error) {
	if _, err := checkLimits(sql, r.meaning); err != nil {
		return nil, err
	}
	var columns row.Schema
	err := r.withConn(ctx, func(c *readerConn) error {
		defer r.release(c)
		s, err := prepareSelect(c.conn, sql)
		if err != nil {
			return err
		}
		defer s.close()
		columns = s.columns()
		return nil
	})
	return columns, err
}

// withConn runs f, which takes over the connection, once more in another instance if this one has become unusable.
func (r *Reader) withConn(ctx context.Context, f func(*readerConn) error) error {
	r.mu.RLock()
	i := r.instance
	r.mu.RUnlock()
	run := func() error {
		c, err := r.acquire(ctx)
		if err != nil {
			return err
		}
		return f(c)
	}
	err := run()
	if isUnusable(err) && r.reopen(i) == nil {
		err = run()
	}
	return err
}

// takeSlot waits until fewer queries are open than may be.
func (r *Reader) takeSlot(ctx context.Context) error {
	select {
	case r.slots <- struct{}{}:
		return nil
	default:
	}
	timer := time.NewTimer(r.opts.SlotTimeout)
	defer timer.Stop()
	select {
	case r.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return interrupted(ctx)
	case <-timer.C:
		return &Error{Kind: KindBusy, Message: fmt.Sprintf("too many queries are open: %d for %s, which is the most", cap(r.slots), r.opts.SlotTimeout)}
	}
}

func (r *Reader) acquire(ctx context.Context) (*readerConn, error) {
	if err := r.takeSlot(ctx); err != nil {
		return nil, err
	}
	r.mu.Lock()
	if r.closed {
		r.mu.Unlock()
		<-r.slots
		return nil, errorf(KindClosed, "the reader is closed")
	}
	generation, i := r.generation, r.instance
	var c *readerConn
	if n := len(r.idle); n > 0 {
		c, r.idle = r.idle[n-1], r.idle[:n-1]
	}
	r.mu.Unlock()
	if c == nil {
		plain, err := i.db.connect()
		if err != nil {
			<-r.slots
			return nil, err
		}
		c = &readerConn{conn: plain, instance: i}
	}
	c.cache.use(generation)
	return c, nil
}

// forget takes away the sources of what runs on the connection.
func (r *Reader) forget(c *readerConn) {
	r.mu.Lock()
	delete(c.instance.running, c.id)
	r.mu.Unlock()
}

func (r *Reader) release(c *readerConn) {
	r.mu.Lock()
	delete(c.instance.running, c.id)
	keep := !r.closed && c.instance == r.instance
	if keep {
		r.idle = append(r.idle, c)
	}
	r.mu.Unlock()
	if !keep {
		c.close()
	}
	<-r.slots
}

// prepareSelect prepares a single statement that only reads.
func prepareSelect(c *conn, sql string) (*stmt, error) {
	s, err := c.prepare("", sql, "")
	if err != nil {
		return nil, err
	}
	if s.kind() != capi.StatementTypeSelect {
		s.close()
		return nil, errorf(KindUnsupported, "only a SELECT can be run here")
	}
	return s, nil
}

func interrupted(ctx context.Context) *Error {
	e := &Error{Kind: KindInterrupted, Message: "the query was canceled", cause: context.Cause(ctx)}
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		e.Message = "the query took longer than it may"
	}
	return e
}

// Exec runs statements that set the instance up: schemas, views and macros that queries may then use. It is not for text of users.
func (r *Reader) Exec(statements ...string) error {
	r.ddl.Lock()
	defer r.ddl.Unlock()
	for _, s := range statements {
		if err := r.define(s, func(c *conn) error { return c.exec(s) }); err != nil {
			return err
		}
	}
	return nil
}
