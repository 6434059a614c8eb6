package session

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/tidemill/tidemill/internal/catalog"
	"github.com/tidemill/tidemill/internal/duck"
	"github.com/tidemill/tidemill/internal/engine"
	"github.com/tidemill/tidemill/internal/fault"
	"github.com/tidemill/tidemill/internal/log"
	"github.com/tidemill/tidemill/internal/plan"
	"github.com/tidemill/tidemill/internal/row"
	"github.com/tidemill/tidemill/internal/sql"
)

// selectPlan is a bound SELECT.
type selectPlan struct {
	text      string // as it is given to DuckDB
	params    []row.Type
	columns   row.Schema
	node      plan.Node // nil if the plan has no form of ours; then relations is everything
	relations []uint64
	schemas   []int // the version of the schema of each relation
	fast      *fastRead
	version   uint64 // of the catalog
	foreign   bool   // answered by the foreign catalog
}

// schema is what a plan's rows look like, nil without a plan.
func (p *selectPlan) schema() row.Schema {
	if p == nil {
		return nil
	}
	return p.columns
}

// ForeignCatalog answers queries over the catalog of another system, which its clients ask: Postgres'.
type ForeignCatalog interface {
	// Owns reports whether a query is one over that catalog.
	Owns(text string) bool
	Describe(ctx context.Context, text string) (row.Schema, error)
	Query(ctx context.Context, text string, args []row.Value) (*duck.Rows, error)
}

// SetForeignCatalog is called once, before the first session.
func (db *Database) SetForeignCatalog(c ForeignCatalog) { db.foreign = c }

// Relations lists the definitions of all relations, oldest first.
func (db *Database) Relations() []*catalog.Relation { return db.catalog.All() }

// SystemRelation is a relation that is computed when it is read.
type SystemRelation struct {
	Name    string
	Columns row.Schema
}

// SystemRelations lists the relations that are computed when they are read.
func (db *Database) SystemRelations() []SystemRelation {
	var out []SystemRelation
	for _, s := range systemRelations() {
		out = append(out, SystemRelation{s.name, s.columns})
	}
	return out
}

// planForeign binds a query over the foreign catalog. Parameters without a type are text.
func (db *Database) planForeign(ctx context.Context, frag sql.Text, params []row.Type) (*selectPlan, error) {
	n, _, err := sql.Params(frag.SQL)
	if err != nil {
		return nil, userError(err)
	}
	types := make([]row.Type, n)
	for i := range types {
		types[i] = row.T(row.String)
		if i < len(params) && params[i].Kind != row.Invalid {
			types[i] = params[i]
		}
	}
	p := &selectPlan{params: types, foreign: true}
	p.text, _ = sql.ForDuckDB(frag.SQL, typeNames(types))
	if p.columns, err = db.foreign.Describe(ctx, p.text); err != nil {
		return nil, fault.From(userError(err)).At(0)
	}
	return p, nil
}

// planCache keeps the plans of recent statements.
type planCache struct {
	mu    sync.Mutex
	plans map[string]*selectPlan
}

// plansKept bounds the plan cache; a full one starts anew.
const plansKept = 2000

func (c *planCache) get(key string, version uint64) *selectPlan {
	c.mu.Lock()
	defer c.mu.Unlock()
	if p := c.plans[key]; p != nil && p.version == version {
		return p
	}
	return nil
}

func (c *planCache) put(key string, p *selectPlan) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.plans == nil || len(c.plans) >= plansKept {
		c.plans = map[string]*selectPlan{}
	}
	c.plans[key] = p
}

// planSelect binds a SELECT that is a fragment of a statement. Types of parameters that are given are taken, others inferred.
func (db *Database) planSelect(ctx context.Context, whole string, frag sql.Text, params []row.Type) (*selectPlan, error) {
	if db.foreign != nil && db.foreign.Owns(frag.SQL) {
		return db.planForeign(ctx, frag, params)
	}
	for {
		seq, err := db.gate.settled(ctx)
		if err != nil {
			return nil, err
		}
		p, err := db.planOnce(ctx, whole, frag, params)
		if db.gate.unchanged(seq) {
			return p, err
		}
	}
}

func (db *Database) planOnce(ctx context.Context, whole string, frag sql.Text, params []row.Type) (*selectPlan, error) {
	key := cacheKey(frag.SQL, params)
	version := db.catalog.Version()
	if p := db.plans.get(key, version); p != nil {
		return p, nil
	}
	text, m := sql.ForDuckDB(frag.SQL, typeNames(params))
	planned, err := db.planner.Plan(ctx, text)
	if err != nil {
		return nil, placed(err, whole, frag, text, &m)
	}
	if planned.Statement != "SELECT" {
		return nil, fault.New(fault.FeatureNotSupported, "%s cannot stand here", planned.Statement)
	}
	p := &selectPlan{text: text, params: planned.Params, columns: planned.Columns, version: version}
	if n, err := plan.Decode(planned.Plan); err == nil {
		p.node = plan.Optimize(n)
		p.relations = db.relationIDs(plan.Relations(p.node))
		p.fast = db.fastPath(p.node)
	} else {
		p.relations = db.allIDs()
	}
	for _, id := range p.relations {
		p.schemas = append(p.schemas, db.schemaOf(id))
	}
	db.plans.put(key, p)
	return p, nil
}

// schemaOf counts the versions of a relation's schema, 0 if it is not there.
func (db *Database) schemaOf(id uint64) int {
	if r := db.catalog.ByID(id); r != nil {
		return 1 + len(r.Versions)
	}
	return 0
}

// fresh reports whether the relations have the columns that a query was planned with.
func (db *Database) fresh(p *selectPlan) bool {
	for i, id := range p.relations {
		if db.schemaOf(id) != p.schemas[i] {
			return false
		}
	}
	return true
}

func cacheKey(text string, params []row.Type) string {
	if len(params) == 0 {
		return text
	}
	return strings.Join(typeNames(params), ",") + "\x00" + text
}

// typeNames are the names DuckDB knows; an empty name leaves the type open.
func typeNames(params []row.Type) []string {
	names := make([]string, len(params))
	for i, t := range params {
		if t.Kind != row.Invalid {
			names[i] = t.String()
		}
	}
	return names
}

func (db *Database) relationIDs(names []string) []uint64 {
	ids := make([]uint64, 0, len(names))
	for _, n := range names {
		if r := db.catalog.Get(n); r != nil && r.Kind != catalog.View {
			ids = append(ids, r.ID)
		}
	}
	return ids
}

func (db *Database) allIDs() []uint64 {
	var ids []uint64
	for _, r := range db.catalog.All() {
		if r.Kind != catalog.View {
			ids = append(ids, r.ID)
		}
	}
	return ids
}

// runSelect answers a SELECT at the last tick, as changed by the writes of an open transaction block.
func (db *Database) runSelect(ctx context.Context, p *selectPlan, args []row.Value, pending []write) (*Result, error) {
	if p.foreign {
		rows, err := db.foreign.Query(ctx, p.text, args)
		if err != nil {
			return nil, fault.From(userError(err)).At(0)
		}
		return &Result{Columns: p.columns, tag: "SELECT", next: rows.Next, close: rows.Close}, nil
	}
	for {
		seq, err := db.gate.settled(ctx)
		if err != nil {
			return nil, userError(err)
		}
		if !db.fresh(p) {
			return nil, errAltered
		}
		r, err := db.readOnce(ctx, p, args, pending)
		if db.gate.unchanged(seq) {
			return r, err
		}
		if err == nil {
			r.Close()
		}
	}
}

// readOnce answers a SELECT, rightly unless a relation is altered meanwhile.
func (db *Database) readOnce(ctx context.Context, p *selectPlan, args []row.Value, pending []write) (*Result, error) {
	snap := db.engine.Snapshot(p.relations...)
	if p.fast != nil && pendingOf(pending, p.fast.relation) == nil {
		b, ok, err := p.fast.run(db, snap, args)
		if err != nil {
			snap.Close()
			return nil, userError(err)
		}
		if ok {
			tick := snap.Tick
			snap.Close()
			r := oneBatch(p.columns, b)
			r.token, r.tag = db.readToken(tick), "SELECT"
			return r, nil
		}
	}
	src := newSources(ctx, db, snap, p.relations, pending)
	rows, err := db.reader.Query(ctx, p.text, args, src)
	if err != nil {
		snap.Close()
		return nil, userError(src.cause(err))
	}
	r := &Result{Columns: p.columns, tag: "SELECT", token: db.readToken(snap.Tick)}
	r.next = func(ctx context.Context) (*row.Batch, error) {
		b, err := rows.Next(ctx)
		return b, userError(src.cause(err))
	}
	r.close = func() {
		rows.Close()
		snap.Close()
	}
	return r, nil
}

func oneBatch(columns row.Schema, b *row.Batch) *Result {
	r := &Result{Columns: columns}
	r.next = func(context.Context) (*row.Batch, error) {
		out := b
		b = nil
		if out != nil && out.Len == 0 {
			out = nil
		}
		return out, nil
	}
	return r
}

// collect reads a result to its end.
func collect(ctx context.Context, r *Result) (*row.Batch, error) {
	defer r.Close()
	var batches []*row.Batch
	for {
		b, err := r.Next(ctx)
		if err != nil {
			return nil, err
		}
		if b == nil {
			break
		}
		batches = append(batches, b)
	}
	if len(batches) == 0 {
		return row.NewBatchBuilder(r.Columns.Types(), 0).Finish(0), nil
	}
	return row.Concat(batches), nil
}

// sources supplies one query with rows as of one tick.
type sources struct {
	ctx  context.Context
	db   *Database
	snap *engine.Snapshot
	// relations are those of the query, by their folded names.
	relations map[string]*catalog.Relation
	// pending are the writes of the transaction block that asks.
	pending []write
	// damaged is the first error that tells of damage: DuckDB hands on only its text.
	damaged atomic.Pointer[error]
}

func newSources(ctx context.Context, db *Database, snap *engine.Snapshot, relations []uint64, pending []write) *sources {
	s := &sources{ctx: ctx, db: db, snap: snap, relations: make(map[string]*catalog.Relation, len(relations)), pending: pending}
	for _, id := range relations {
		if r := db.catalog.ByID(id); r != nil {
			s.relations[catalog.Fold(r.Name)] = r
		}
	}
	return s
}

// cause returns the error behind one of a query.
func (s *sources) cause(err error) error {
	if damaged := s.damaged.Load(); err != nil && damaged != nil {
		return *damaged
	}
	return err
}

func (s *sources) note(err error) {
	if errors.Is(err, log.ErrCorrupt) {
		s.damaged.CompareAndSwap(nil, &err)
	}
}

// notedIterator tells its sources of damage.
type notedIterator struct {
	duck.Iterator
	of *sources
}

// Next implements duck.Iterator.
func (i *notedIterator) Next() (*row.Batch, error) {
	b, err := i.Iterator.Next()
	i.of.note(err)
	return b, err
}

// Scan implements duck.Sources.
func (s *sources) Scan(relation string, columns []int) (duck.Iterator, error) {
	it, err := s.scan(relation, columns)
	if err != nil {
		s.note(err)
		return nil, err
	}
	return &notedIterator{it, s}, nil
}

func (s *sources) scan(relation string, columns []int) (duck.Iterator, error) {
	if sys := s.db.system[catalog.Fold(relation)]; sys != nil {
		return sys.scan(s.ctx, s.db, columns)
	}
	r := s.relations[catalog.Fold(relation)]
	if r == nil {
		return nil, fmt.Errorf("relation %s is gone", relation)
	}
	ops := pendingOf(s.pending, r.ID)
	if ops == nil {
		return s.snap.Scan(s.ctx, r.ID, columns)
	}
	base, err := s.snap.Scan(s.ctx, r.ID, nil)
	if err != nil {
		return nil, err
	}
	return newOverlay(base, r, ops, columns), nil
}

// Rows implements duck.Sizer.
func (s *sources) Rows(relation string) int64 {
	if r := s.relations[catalog.Fold(relation)]; r != nil {
		if v, err := s.snap.View(r.ID); err == nil && v != nil {
			return v.Rows()
		}
	}
	return -1
}
