package session

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tidemill/tidemill/internal/catalog"
	"github.com/tidemill/tidemill/internal/dataflow/scalar"
	"github.com/tidemill/tidemill/internal/duck"
	"github.com/tidemill/tidemill/internal/engine"
	"github.com/tidemill/tidemill/internal/fault"
	"github.com/tidemill/tidemill/internal/hub"
	"github.com/tidemill/tidemill/internal/log"
	"github.com/tidemill/tidemill/internal/plan"
	"github.com/tidemill/tidemill/internal/record"
	"github.com/tidemill/tidemill/internal/row"
	"github.com/tidemill/tidemill/internal/token"
	"github.com/tidemill/tidemill/internal/view"
)

// Topics of a database that hold no relation.
const (
	catalogTopic = "catalog"
	txTopic      = "tx"
)

// DatabaseOptions configures a Database.
type DatabaseOptions struct {
	Name   string
	Log    log.Log
	Logger *slog.Logger
	// Workers is the number of shards per operator, at least 1.
	Workers int
	// ReaderMemoryBytes bounds what pull queries may hold; 0 is a quarter of the machine's memory as DuckDB sees it.
	ReaderMemoryBytes int64
	// TempDir is where pull queries spill; empty for nowhere.
	TempDir string
	// Now and After are the clock; nil is time.Now and time.After.
	Now   func() time.Time
	After func(time.Duration) <-chan time.Time
}

// Database is the one door to a database. It is safe for concurrent use.
type Database struct {
	name    string
	log     log.Log
	logger  *slog.Logger
	workers int
	now     func() time.Time

	catalog   *catalog.Catalog
	planner   *duck.Planner
	reader    *duck.Reader
	evaluator *duck.Evaluator
	compiler  *scalar.Compiler
	engine    *engine.Engine
	started   atomic.Bool // the log has been replayed
	hub       *hub.Hub
	plans     planCache
	system    map[string]*systemRelation
	dedupe    dedupe
	rejects   *sideStream
	late      *sideStream
	written   atomic.Pointer[writtenLate] // nil once the log has been replayed
	shared    sharedViews
	foreign   ForeignCatalog

	// statements are the positions of what SQL statements wrote, which all reads wait for.
	statements Writes

	ddlMu sync.Mutex // orders changes of the catalog
	gate  gate

	verifications verifications
	txMu          sync.Mutex // orders transactions over several topics

	storedMu sync.RWMutex
	stored   map[uint64]*stored

	timesMu sync.RWMutex
	times   map[uint64]map[string][]*plan.Expr // of views: the columns that the watermark bounds
	keyed   map[uint64]*plan.KeyedTime         // of streams with one watermark per key
}

// OpenDatabase opens a database over a log: it reads the catalog, rebuilds the views by replaying the log, and returns when all that was
// acknowledged is visible. The caller closes the log after the database.
func OpenDatabase(ctx context.Context, o DatabaseOptions) (db *Database, err error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	db = &Database{name: o.Name, log: o.Log, logger: o.Logger, workers: max(1, o.Workers), now: o.Now, catalog: catalog.New(), stored: map[uint64]*stored{},
		rejects: newRejects(), late: newLateRows(), times: map[uint64]map[string][]*plan.Expr{}, keyed: map[uint64]*plan.KeyedTime{}}
	defer func() {
		if err != nil {
			db.Close()
		}
	}()
	if err := db.openDuck(o); err != nil {
		return nil, err
	}
	committed, err := db.readHistory(ctx)
	if err != nil {
		return nil, err
	}
	db.hub = hub.New(db)
	db.engine = engine.New(engine.Options{Log: o.Log, Logger: o.Logger, Workers: db.workers, Epoch: uint64(o.Now().UnixMicro()),
		Committed: func(tx record.TxID) bool { return committed[tx] }, OnTick: db.hub.Tick, OnReject: db.rejectRows,
		OnLate: db.noteLate, EventTime: db.eventTime, Now: o.Now, After: o.After})
	if err := db.defineSystem(); err != nil {
		return nil, err
	}
	if err := db.restore(ctx); err != nil {
		return nil, err
	}
	written, err := db.readLate(ctx)
	if err != nil {
		return nil, err
	}
	db.written.Store(written)
	if err := db.engine.Start(ctx); err != nil {
		return nil, fmt.Errorf("replaying the log: %w", err)
	}
	db.started.Store(true)
	db.written.Store(nil)
	for _, s := range []*sideStream{db.rejects, db.late} {
		if err := db.openSide(ctx, s); err != nil {
			return nil, err
		}
	}
	if err := db.openVerifications(ctx); err != nil {
		return nil, err
	}
	return db, nil
}

func (db *Database) openDuck(o DatabaseOptions) (err error) {
	if db.planner, err = duck.OpenPlanner(duck.PlannerOptions{}); err != nil {
		return err
	}
	if db.reader, err = duck.OpenReader(duck.ReaderOptions{Threads: db.workers, MemoryLimitBytes: o.ReaderMemoryBytes, TempDir: o.TempDir}); err != nil {
		return err
	}
	if db.evaluator, err = duck.OpenEvaluator(); err != nil {
		return err
	}
	db.compiler = &scalar.Compiler{Fallback: evaluatorFallback{db.evaluator}}
	return nil
}

// evaluatorFallback lends the evaluator to compiled expressions.
type evaluatorFallback struct{ e *duck.Evaluator }

func (f evaluatorFallback) Compile(sql string, args []row.Type, result row.Type) (scalar.FallbackFunc, error) {
	fn, err := f.e.Compile(sql, args, result)
	if err != nil {
		return nil, err
	}
	return classedFunc{fn}, nil
}

// classedFunc is an expression whose errors read as DuckDB writes them, as those of the native functions do.
type classedFunc struct{ *duck.Func }

// Eval computes the expression.
func (f classedFunc) Eval(args []row.Vec, n int) (row.Vec, error) {
	v, err := f.Func.Eval(args, n)
	var e *duck.Error
	if errors.As(err, &e) {
		err = &duck.Error{Kind: e.Kind, Message: e.Classed(), Hint: e.Hint}
	}
	return v, err
}

// readHistory folds the catalog's changelog and returns the committed transactions.
func (db *Database) readHistory(ctx context.Context) (map[record.TxID]bool, error) {
	for _, topic := range []string{catalogTopic, txTopic} {
		if err := db.log.Create(ctx, topic, log.TopicConfig{Partitions: 1}); err != nil && !errors.Is(err, log.ErrTopicExists) {
			return nil, fmt.Errorf("creating topic %s: %w", topic, err)
		}
	}
	err := db.readTopic(ctx, catalogTopic, func(body []byte) error {
		ch, err := catalog.DecodeChange(body)
		if err == nil {
			db.catalog.Apply(ch)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	committed := map[record.TxID]bool{}
	err = db.readTopic(ctx, txTopic, func(body []byte) error {
		if len(body) != len(record.TxID{}) {
			return record.ErrMalformed
		}
		committed[record.TxID(body)] = true
		return nil
	})
	return committed, err
}

func (db *Database) readTopic(ctx context.Context, topic string, take func([]byte) error) error {
	b, err := db.log.Bounds(ctx, topic)
	if err == nil {
		err = db.log.ReadRange(ctx, topic, 0, b.Next, func(r log.Record) error { return take(r.Body) })
	}
	if err != nil {
		return fmt.Errorf("reading topic %s: %w", topic, err)
	}
	return nil
}

// restore defines everything that is in the catalog. A view that cannot be built again is reported and left out; what it reads goes on.
func (db *Database) restore(ctx context.Context) error {
	for _, r := range db.catalog.All() {
		if err := db.ensureTopic(ctx, r); err != nil {
			return err
		}
		if err := db.define(r); err != nil {
			return fmt.Errorf("defining %s %s: %w", r.Kind, r.Name, err)
		}
		var err error
		switch r.Kind {
		case catalog.Stream, catalog.Table:
			err = db.openStored(r, false)
		case catalog.MaterializedView:
			if err = db.startView(ctx, r); err != nil && ctx.Err() == nil {
				db.logger.Error("a view could not be built again", "view", r.Name, "error", err)
				err = nil
			}
		}
		if err != nil {
			return fmt.Errorf("opening %s %s: %w", r.Kind, r.Name, err)
		}
	}
	return nil
}

// ensureTopic makes the topic of a relation whose creation was cut short between the catalog and the topic.
func (db *Database) ensureTopic(ctx context.Context, r *catalog.Relation) error {
	if !r.Stored() {
		return nil
	}
	c, err := topicConfig(r)
	if err != nil {
		return err
	}
	if err := db.log.Create(ctx, r.Topic(), c); err != nil && !errors.Is(err, log.ErrTopicExists) {
		return fmt.Errorf("creating the topic of %s: %w", r.Name, err)
	}
	return nil
}

// define makes a relation known to DuckDB.
func (db *Database) define(r *catalog.Relation) error {
	if r.Kind == catalog.View {
		if err := db.planner.DefineView(r.Name, r.Query); err != nil {
			return err
		}
		return db.reader.DefineView(r.Name, r.Query)
	}
	if err := db.planner.DefineTable(r.Name, r.Columns, nil); err != nil {
		return err
	}
	return db.reader.DefineTable(r.Name, r.Columns)
}

func (db *Database) undefine(r *catalog.Relation) error {
	return errors.Join(db.planner.Drop(r.Name), db.reader.Drop(r.Name))
}

// openStored makes a stream or table readable and writable.
func (db *Database) openStored(r *catalog.Relation, started bool) error {
	s, err := newStored(r, nil)
	if err != nil {
		return err
	}
	var store *view.Store
	if r.Kind == catalog.Table {
		store = view.New(view.Options{Schema: r.Columns, Key: r.Key})
	}
	if err := db.engine.AddInput(r, store, started); err != nil {
		return err
	}
	db.storedMu.Lock()
	db.stored[r.ID] = s
	db.storedMu.Unlock()
	return nil
}

func (db *Database) storedOf(r *catalog.Relation) *stored {
	db.storedMu.RLock()
	defer db.storedMu.RUnlock()
	return db.stored[r.ID]
}

// Name is the database's name.
func (db *Database) Name() string { return db.name }

// Close stops the database. Sessions must have been closed.
func (db *Database) Close() {
	if db.hub != nil {
		db.hub.Close()
	}
	db.verifications.close()
	db.rejects.close()
	db.late.close()
	if db.engine != nil {
		db.engine.Close()
	}
	if db.evaluator != nil {
		_ = db.evaluator.Close()
	}
	if db.reader != nil {
		_ = db.reader.Close()
	}
	if db.planner != nil {
		_ = db.planner.Close()
	}
}

// Healthy returns an error that names what has stopped moving although work waits.
func (db *Database) Healthy() error {
	if stuck := db.engine.Stuck(db.now()); stuck > stuckAfter {
		return fmt.Errorf("database %s: work has waited for a tick for %s", db.name, stuck.Round(time.Second))
	}
	return nil
}

// stuckAfter is how long a tick may take before the node no longer calls itself ready.
const stuckAfter = 30 * time.Second

// writeToken is the token of a write.
func (db *Database) writeToken(ps []token.Position) string {
	if len(ps) == 0 {
		return db.readToken(db.engine.Tick())
	}
	return token.Token{Database: db.name, Positions: ps}.String()
}

// readToken is the token of what a tick shows.
func (db *Database) readToken(tick uint64) string {
	return token.Token{Database: db.name, Epoch: db.engine.Epoch(), Tick: tick}.String()
}

// await returns when reads see what a token stands for.
func (db *Database) await(ctx context.Context, text string) error {
	if text == "" {
		return nil
	}
	t, err := token.Parse(text)
	if err != nil {
		return userError(err)
	}
	if t.Database != db.name {
		return fault.New(fault.InvalidParameterValue, "the token is of database %q, this is %q", t.Database, db.name)
	}
	if t.Epoch == db.engine.Epoch() {
		// A tick of an earlier run is visible: a run starts with all that was acknowledged.
		if err := db.engine.WaitForTick(ctx, t.Tick); err != nil {
			return userError(err)
		}
	}
	return db.awaitPositions(ctx, t.Positions)
}

func (db *Database) awaitPositions(ctx context.Context, ps []token.Position) error {
	for _, p := range ps {
		if err := db.engine.WaitFor(ctx, p.Relation, log.Offset(p.Offset)); err != nil {
			return userError(err)
		}
	}
	return nil
}

// Tick is the number of the last tick that reads see.
func (db *Database) Tick() uint64 { return db.engine.Tick() }
