package duck

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	capi "github.com/duckdb/duckdb-go-bindings"

	"github.com/tidemill/tidemill/internal/row"
)

// PlannerOptions tune a Planner; zero values stand for the defaults given.
type PlannerOptions struct {
	// Connections bounds the plans made at once (4).
	Connections int
	// Timeout bounds the time a plan may take when the context has no earlier deadline (5 s).
	Timeout time.Duration
	// MaxStuck bounds the plans that go on after their caller has given up, because planning cannot be
	// interrupted; while there are that many, Plan fails at once (2).
	MaxStuck int
}

// Planner binds and optimizes statements against relations without rows. It is safe for concurrent use.
type Planner struct {
	timeout time.Duration

	slots    chan struct{} // a token per plan that may run
	maxStuck int

	mu     sync.Mutex // guards all below
	db     *database
	idle   []*plannerConn
	stuck  int
	closed bool

	ddl       sync.Mutex // orders definitions; guards admin, defs, and writes of db and relations
	admin     *conn
	defs      definitions
	relMu     sync.RWMutex
	relations map[string]relation
}

// relation is what a name stands for.
type relation struct {
	view bool
	meaning
}

// plannerConn is a connection with its prepared call of json_serialize_plan.
type plannerConn struct {
	*conn
	db        *database
	serialize *stmt
}

func (c *plannerConn) close() {
	if c.serialize != nil {
		c.serialize.close()
	}
	c.conn.close()
}

// Planned is a bound and optimized statement.
type Planned struct {
	// Plan is DuckDB's logical plan, strict JSON; NaN, Infinity and -Infinity are strings of that text.
	Plan []byte
	// Statement is SELECT, INSERT, UPDATE, DELETE or MERGE.
	Statement string
	// Columns are the result's names and types. A type the engine has no form for is a row.Other with DuckDB's name.
	Columns row.Schema
	// Params are the types of the parameters $1, $2 …
	Params []row.Type
}

// OpenPlanner opens a planner without relations.
func OpenPlanner(o PlannerOptions) (*Planner, error) {
	if o.Connections <= 0 {
		o.Connections = 4
	}
	if o.Timeout <= 0 {
		o.Timeout = 5 * time.Second
	}
	if o.MaxStuck <= 0 {
		o.MaxStuck = 2
	}
	db, admin, err := openPlanning()
	if err != nil {
		return nil, fmt.Errorf("opening the planner: %w", err)
	}
	return &Planner{
		db: db, admin: admin, timeout: o.Timeout, maxStuck: o.MaxStuck,
		slots: make(chan struct{}, o.Connections), relations: map[string]relation{},
	}, nil
}

// openPlanning opens an instance for plans.
func openPlanning() (*database, *conn, error) {
	db, admin, err := openDatabase(access{threads: 1})
	if err != nil {
		return nil, nil, err
	}
	if err := setUpPlanning(admin); err != nil {
		admin.close()
		db.close()
		return nil, nil, err
	}
	return db, admin, nil
}

// reopen puts another instance with the same definitions in the place of one that has become unusable.
func (p *Planner) reopen(broken *database) error {
	p.ddl.Lock()
	defer p.ddl.Unlock()
	return p.reopenLocked(broken)
}

func (p *Planner) reopenLocked(broken *database) error {
	if p.isClosed() {
		return errorf(KindClosed, "the planner is closed")
	}
	if p.db != broken {
		return nil
	}
	db, admin, err := openPlanning()
	if err != nil {
		return fmt.Errorf("opening the planner again: %w", err)
	}
	p.defs.replay(admin)
	p.mu.Lock()
	idle := p.idle
	p.db, p.idle = db, nil
	p.mu.Unlock()
	for _, c := range idle {
		c.close()
	}
	p.admin.close()
	p.admin = admin
	broken.close()
	return nil
}

func setUpPlanning(c *conn) error {
	if err := registerRefusing(c, "stream_now", true, []signature{{result: plainType(capi.TypeTimestampTZ)}}); err != nil {
		return err
	}
	if err := refuseFolding(c); err != nil {
		return err
	}
	if err := registerSessionMarker(c); err != nil {
		return err
	}
	session := signature{params: []func() capi.LogicalType{plainType(capi.TypeVarchar)}, result: plainType(capi.TypeVarchar)}
	if err := registerRefusing(c, "session_text", true, []signature{session}); err != nil {
		return err
	}
	if err := disableOptimizers(c); err != nil {
		return err
	}
	return c.execAll(slices.Concat([]string{"CREATE SCHEMA tidemill"}, nowMacros, sessionMacros, windowMacros(true)))
}

// Close frees the planner. Plans that are still being made end in their own time.
func (p *Planner) Close() error {
	p.ddl.Lock()
	defer p.ddl.Unlock()
	p.mu.Lock()
	p.closed = true
	idle := p.idle
	p.idle = nil
	p.mu.Unlock()
	for _, c := range idle {
		c.close()
	}
	p.admin.close()
	p.db.close()
	return nil
}

// DefineTable makes name stand for a table without rows, replacing what it stood for. "tidemill.x" is x in the schema
// tidemill; any other name is a name in main. primaryKey may be empty.
func (p *Planner) DefineTable(name string, schema row.Schema, primaryKey []string) error {
	q, err := qualified(name)
	if err != nil {
		return err
	}
	if len(schema) == 0 {
		return errorf(KindCatalog, "the table "+name+" has no columns")
	}
	var b strings.Builder
	b.WriteString("CREATE TABLE " + q + " (")
	for i, c := range schema {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(quoteIdent(c.Name) + " " + sqlType(c.Type))
		if c.NotNull {
			b.WriteString(" NOT NULL")
		}
	}
	if len(primaryKey) > 0 {
		b.WriteString(", PRIMARY KEY (")
		for i, k := range primaryKey {
			if i > 0 {
				b.WriteString(", ")
			}
			b.WriteString(quoteIdent(k))
		}
		b.WriteString(")")
	}
	return p.define(name, relation{meaning: meaning{weight: 1}}, func(c *conn) error { return c.exec(b.String() + ")") })
}

// DefineView makes name stand for the query sql, which is bound now, replacing what it stood for.
func (p *Planner) DefineView(name, sql string) error {
	q, err := qualified(name)
	if err != nil {
		return err
	}
	m, err := checkLimits(sql, p.meaning)
	if err != nil {
		return err
	}
	return p.define(name, relation{view: true, meaning: m}, func(c *conn) error { return createView(c, "CREATE VIEW "+q+" AS ", sql) })
}

// createView creates a view as one statement, whatever sql holds.
func createView(c *conn, prefix, sql string) error {
	s, err := c.prepare(prefix, sql, "\n")
	if err != nil {
		return err
	}
	defer s.close()
	r, err := s.execute(false, sql, len(prefix))
	if err != nil {
		return err
	}
	capi.DestroyResult(r)
	return nil
}

// define replaces what a name stands for, in one transaction: if create fails, nothing has changed.
func (p *Planner) define(name string, def relation, create func(*conn) error) error {
	p.ddl.Lock()
	defer p.ddl.Unlock()
	if p.isClosed() {
		return errorf(KindClosed, "the planner is closed")
	}
	key := foldName(name)
	old, exists := p.relation(key)
	err := p.change(func(c *conn) error {
		return inTransaction(c, func() error {
			if exists {
				if err := dropRelation(c, name, old); err != nil {
					return err
				}
			}
			return create(c)
		})
	})
	if err != nil {
		return fmt.Errorf("defining %s: %w", name, err)
	}
	p.defs.put(key, create)
	p.relMu.Lock()
	p.relations[key] = def
	p.relMu.Unlock()
	return nil
}

// Drop forgets what a name stands for; views that use it fail when they are used.
func (p *Planner) Drop(name string) error {
	p.ddl.Lock()
	defer p.ddl.Unlock()
	if p.isClosed() {
		return errorf(KindClosed, "the planner is closed")
	}
	key := foldName(name)
	old, exists := p.relation(key)
	if !exists {
		return errorf(KindCatalog, "there is no relation "+name)
	}
	if err := p.change(func(c *conn) error { return dropRelation(c, name, old) }); err != nil {
		return fmt.Errorf("dropping %s: %w", name, err)
	}
	p.defs.drop(key)
	p.relMu.Lock()
	delete(p.relations, key)
	p.relMu.Unlock()
	return nil
}

// change runs f, once more in another instance if this one has become unusable. ddl is held.
func (p *Planner) change(f func(*conn) error) error {
	err := f(p.admin)
	if isUnusable(err) && p.reopenLocked(p.db) == nil {
		err = f(p.admin)
	}
	return err
}

func dropRelation(c *conn, name string, r relation) error {
	q, err := qualified(name)
	if err != nil {
		return err
	}
	if r.view {
		return c.exec("DROP VIEW " + q)
	}
	return c.exec("DROP TABLE " + q)
}

func inTransaction(c *conn, f func() error) error {
	if err := c.exec("BEGIN"); err != nil {
		return err
	}
	if err := f(); err != nil {
		return errors.Join(err, c.exec("ROLLBACK"))
	}
	return c.exec("COMMIT")
}

func (p *Planner) relation(key string) (relation, bool) {
	p.relMu.RLock()
	defer p.relMu.RUnlock()
	r, ok := p.relations[key]
	return r, ok
}

// meaning is what is behind an unqualified name.
func (p *Planner) meaning(name string) meaning {
	r, _ := p.relation(foldName(name))
	return r.meaning
}

func (p *Planner) isClosed() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.closed
}

// Plan plans one SELECT, INSERT, UPDATE, DELETE or MERGE. It fails with an *Error; when the context ends or the
// planner's timeout passes first, the plan is given up.
func (p *Planner) Plan(ctx context.Context, sql string) (Planned, error) {
	return p.planWithin(ctx, sql, p.timeout)
}

// knownPatience is how long a plan may take of a statement that has been planned before: its size is known to be bearable, so what takes long is the
// wait for a processor.
const knownPatience = 5 * time.Minute

// PlanKnown is Plan for a statement that has been planned before, perhaps by an earlier process. It takes its time.
func (p *Planner) PlanKnown(ctx context.Context, sql string) (Planned, error) {
	return p.planWithin(ctx, sql, max(p.timeout, knownPatience))
}

func (p *Planner) planWithin(ctx context.Context, sql string, limit time.Duration) (Planned, error) {
	if _, err := checkLimits(sql, p.meaning); err != nil {
		return Planned{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	db := p.instance()
	planned, err := p.plan(ctx, sql, limit)
	if isUnusable(err) && p.reopen(db) == nil {
		planned, err = p.plan(ctx, sql, limit)
	}
	return planned, err
}

func (p *Planner) instance() *database {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.db
}

func (p *Planner) plan(ctx context.Context, sql string, limit time.Duration) (Planned, error) {
	select {
	case p.slots <- struct{}{}:
	case <-ctx.Done():
		return Planned{}, p.gaveUp(ctx, limit)
	}
	c, err := p.acquire()
	if err != nil {
		<-p.slots
		return Planned{}, err
	}
	type outcome struct {
		planned Planned
		err     error
	}
	done := make(chan outcome, 1)
	run := &planRun{planner: p, conn: c}
	go func() {
		planned, err := plan(c, sql)
		done <- outcome{planned, err}
		run.end()
	}()
	select {
	case o := <-done:
		return o.planned, o.err
	case <-ctx.Done():
		if !run.abandon() {
			o := <-done
			return o.planned, o.err
		}
		c.interrupt()
		return Planned{}, p.gaveUp(ctx, limit)
	}
}

// planRun decides what becomes of a connection whose plan may outlive its caller.
type planRun struct {
	planner   *Planner
	conn      *plannerConn
	mu        sync.Mutex
	ended     bool
	abandoned bool
}

// end returns the connection, or closes it when the caller is gone: it may have been interrupted.
func (r *planRun) end() {
	r.mu.Lock()
	r.ended = true
	abandoned := r.abandoned
	r.mu.Unlock()
	p := r.planner
	p.mu.Lock()
	keep := !abandoned && !p.closed && r.conn.db == p.db
	if keep {
		p.idle = append(p.idle, r.conn)
	}
	if abandoned {
		p.stuck--
	}
	p.mu.Unlock()
	if !keep {
		r.conn.close()
	}
	if !abandoned {
		<-p.slots
	}
}

// abandon frees the plan's slot while the plan goes on, and counts it as stuck; false if the plan has ended.
func (r *planRun) abandon() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ended {
		return false
	}
	r.abandoned = true
	r.planner.mu.Lock()
	r.planner.stuck++
	r.planner.mu.Unlock()
	<-r.planner.slots
	return true
}

func (p *Planner) gaveUp(ctx context.Context, limit time.Duration) error {
	e := &Error{Kind: KindInterrupted, Message: "planning was canceled", cause: context.Cause(ctx)}
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		e.Message = "planning took longer than it may (at most " + limit.String() + ")"
		e.Hint = "make the statement smaller: fewer joins and common table expressions, shorter expressions"
	}
	return e
}

func (p *Planner) acquire() (*plannerConn, error) {
	p.mu.Lock()
	switch {
	case p.closed:
		p.mu.Unlock()
		return nil, errorf(KindClosed, "the planner is closed")
	case p.stuck >= p.maxStuck:
		p.mu.Unlock()
		return nil, errorf(KindLimit, fmt.Sprintf("the planner is busy with %d statements that exceeded their time; try again later", p.maxStuck))
	case len(p.idle) > 0:
		c := p.idle[len(p.idle)-1]
		p.idle = p.idle[:len(p.idle)-1]
		p.mu.Unlock()
		return c, nil
	}
	db := p.db
	p.mu.Unlock()
	c, err := db.connect()
	if err != nil {
		return nil, err
	}
	pc := &plannerConn{conn: c, db: db}
	if err = c.exec("SET scalar_subquery_error_on_multiple_rows = false"); err == nil {
		pc.serialize, err = c.prepare("", "SELECT CAST(json_serialize_plan(?::VARCHAR, skip_null := true, optimize := true) AS VARCHAR)", "")
	}
	if err != nil {
		pc.close()
		return nil, err
	}
	return pc, nil
}

var plannedStatements = map[capi.StatementType]string{
	capi.StatementTypeSelect: "SELECT", capi.StatementTypeInsert: "INSERT", capi.StatementTypeUpdate: "UPDATE",
	capi.StatementTypeDelete: "DELETE", capi.StatementTypeMergeInto: "MERGE",
}

func plan(c *plannerConn, sql string) (Planned, error) {
	var out Planned
	if err := describe(c, sql, &out); err != nil {
		return Planned{}, err
	}
	var err error
	if out.Plan, err = serialized(c.serialize, sql); isUnbound(err) {
		out.Plan, err = unoptimized(c, sql)
	}
	if err != nil {
		return Planned{}, err
	}
	if err := refuseIsoYears(out.Plan, sql); err != nil {
		return Planned{}, err
	}
	return out, nil
}

// serialized is the plan that a call of json_serialize_plan writes.
func serialized(call *stmt, sql string) ([]byte, error) {
	if err := call.bind([]row.Value{row.StringValue(sql)}, sql); err != nil {
		return nil, err
	}
	r, err := call.execute(false, sql, 0)
	if err != nil {
		return nil, err
	}
	defer capi.DestroyResult(r)
	text, err := firstString(r)
	if err != nil {
		return nil, err
	}
	return unwrapPlan([]byte(text), sql)
}

// isUnbound reports whether the optimizer left a plan whose columns DuckDB does not find again, as it does with EXISTS in the step
// of a recursive query.
func isUnbound(err error) bool {
	var e *Error
	return errors.As(err, &e) && strings.Contains(e.Message, "Failed to bind column reference")
}

// unoptimized plans as plan does, without the optimizer, of which the plan package has what matters most.
func unoptimized(c *plannerConn, sql string) ([]byte, error) {
	call, err := c.prepare("", "SELECT CAST(json_serialize_plan(?::VARCHAR, skip_null := true, optimize := false) AS VARCHAR)", "")
	if err != nil {
		return nil, err
	}
	defer call.close()
	return serialized(call, sql)
}

// describe prepares the statement, which gives better errors than the serialization, and the names and types.
func describe(c *plannerConn, sql string, out *Planned) error {
	s, err := c.prepare("", sql, "")
	if err != nil {
		return err
	}
	defer s.close()
	kind, ok := plannedStatements[s.kind()]
	if !ok {
		return errorf(KindUnsupported, "only SELECT, INSERT, UPDATE, DELETE and MERGE can be planned")
	}
	out.Statement = kind
	if out.Params, err = s.params(true); err != nil {
		return err
	}
	out.Columns = s.columns()
	return nil
}
