package duck

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	capi "github.com/duckdb/duckdb-go-bindings"

	"github.com/tidemill/tidemill/internal/row"
)

// ReaderOptions tune a Reader; zero values stand for the defaults given.
type ReaderOptions struct {
	// Threads is the number of threads that compute queries, in all (1).
	Threads int
	// Connections bounds the queries that are open at once; further ones wait (16).
	Connections int
	// MemoryLimitBytes bounds what sorting, joining and grouping may hold (DuckDB's default, 80 % of the machine's memory).
	MemoryLimitBytes int64
	// TempDir is where larger state is spilled to; without it, a query that exceeds the limit fails.
	TempDir string
	// AllowedDirs are the directories whose files queries may read; none without.
	AllowedDirs []string
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
	db      *database
	threads int
	slots   chan struct{}

	mu         sync.RWMutex // guards all below
	schemas    map[string]row.Schema
	views      map[string]int // relations behind each, written out
	generation uint64         // changes with every definition
	running    map[uint64]Sources
	idle       []*readerConn
	closed     bool

	ddl   sync.Mutex // orders definitions; guards admin
	admin *conn
}

// readerConn is a connection with statements prepared on it.
type readerConn struct {
	*conn
	cache statements
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
	db, admin, err := openDatabase(access{threads: o.Threads, memoryLimit: o.MemoryLimitBytes, tempDir: o.TempDir, dirs: o.AllowedDirs})
	if err != nil {
		return nil, fmt.Errorf("opening the reader: %w", err)
	}
	r := &Reader{
		db: db, admin: admin, threads: max(o.Threads, 1), slots: make(chan struct{}, o.Connections),
		schemas: map[string]row.Schema{}, views: map[string]int{}, running: map[uint64]Sources{},
	}
	if err := r.setUp(); err != nil {
		r.Close()
		return nil, fmt.Errorf("opening the reader: %w", err)
	}
	return r, nil
}

func (r *Reader) setUp() error {
	if err := r.admin.exec("CREATE SCHEMA tidemill"); err != nil {
		return err
	}
	if err := boundValues(r.admin); err != nil {
		return err
	}
	return registerScan(r.admin, scanName, &scanFunction{bind: r.bindScan})
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
	r.admin.close()
	r.db.close()
	return nil
}

// bindScan is called by DuckDB when a statement that reads a relation is prepared.
func (r *Reader) bindScan(conn uint64, name string) (*boundScan, error) {
	r.mu.RLock()
	schema, ok := r.schemas[name]
	src := r.running[conn]
	r.mu.RUnlock()
	if !ok {
		return nil, fmt.Errorf("there is no relation %s", name)
	}
	b := &boundScan{schema: schema, rows: -1, threads: r.threads}
	if s, ok := src.(Sizer); ok {
		b.rows = s.Rows(name)
	}
	if b.rows >= 0 {
		b.threads = int(min(int64(r.threads), 1+b.rows/rowsPerThread))
	}
	b.open = func(columns []int) (Iterator, error) {
		r.mu.RLock()
		src := r.running[conn]
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
	for i, c := range schema {
		if i > 0 {
			b.WriteString(", ")
		}
		col := quoteIdent(c.Name)
		if c.Type.Kind == row.Other {
			b.WriteString("CAST(" + col + " AS " + c.Type.Name + ") AS ")
		}
		b.WriteString(col)
	}
	key := foldName(name)
	b.WriteString(" FROM " + scanName + "(" + quoteString(key) + ")")
	r.ddl.Lock()
	defer r.ddl.Unlock()
	r.mu.Lock()
	old, existed := r.schemas[key]
	r.schemas[key] = schema
	r.mu.Unlock()
	err = r.define(key, func() error { return r.admin.exec(b.String()) })
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
	weight, err := checkLimits(sql, r.weight)
	if err != nil {
		return err
	}
	r.ddl.Lock()
	defer r.ddl.Unlock()
	key := foldName(name)
	err = r.define(key, func() error { return createView(r.admin, "CREATE OR REPLACE VIEW "+q+" AS ", sql) })
	if err != nil {
		return fmt.Errorf("defining %s: %w", name, err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.schemas, key)
	r.views[key] = weight
	return nil
}

// weight is the number of relations behind an unqualified name.
func (r *Reader) weight(name string) int {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.views[foldName(name)]
}

func (r *Reader) define(key string, create func() error) error {
	r.mu.RLock()
	closed := r.closed
	r.mu.RUnlock()
	if closed {
		return errorf(KindClosed, "the reader is closed")
	}
	defer r.changed()
	return create()
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
	known := r.views[key] > 0 || r.schemas[key] != nil
	r.mu.RUnlock()
	if !known {
		return errorf(KindCatalog, "there is no relation "+name)
	}
	if err := r.define(key, func() error { return r.admin.exec("DROP VIEW " + q) }); err != nil {
		return fmt.Errorf("dropping %s: %w", name, err)
	}
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
	if _, err := checkLimits(sql, r.weight); err != nil {
		return nil, err
	}
	c, err := r.acquire(ctx)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	if src != nil {
		r.running[c.id] = src
	}
	r.mu.Unlock()
	return startRows(ctx, c, sql, args, func() { r.release(c) })
}

// Describe returns the result's names and types of a single SELECT, without running it. The type of a column that depends on
// a parameter without a type is Invalid.
func (r *Reader) Describe(ctx context.Context, sql string) (row.Schema, error) {
	if _, err := checkLimits(sql, r.weight); err != nil {
		return nil, err
	}
	c, err := r.acquire(ctx)
	if err != nil {
		return nil, err
	}
	defer r.release(c)
	s, err := prepareSelect(c.conn, sql)
	if err != nil {
		return nil, err
	}
	defer s.close()
	return s.columns(), nil
}

func (r *Reader) acquire(ctx context.Context) (*readerConn, error) {
	select {
	case r.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, interrupted(ctx)
	}
	r.mu.Lock()
	if r.closed {
		r.mu.Unlock()
		<-r.slots
		return nil, errorf(KindClosed, "the reader is closed")
	}
	generation := r.generation
	var c *readerConn
	if n := len(r.idle); n > 0 {
		c, r.idle = r.idle[n-1], r.idle[:n-1]
	}
	r.mu.Unlock()
	if c == nil {
		plain, err := r.db.connect()
		if err != nil {
			<-r.slots
			return nil, err
		}
		c = &readerConn{conn: plain}
	}
	c.cache.use(generation)
	return c, nil
}

func (r *Reader) release(c *readerConn) {
	r.mu.Lock()
	delete(r.running, c.id)
	keep := !r.closed
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
		if err := r.define("", func() error { return r.admin.exec(s) }); err != nil {
			return err
		}
	}
	return nil
}
