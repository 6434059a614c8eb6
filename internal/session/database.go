package session

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tidemill/tidemill/internal/admission"
	"github.com/tidemill/tidemill/internal/catalog"
	"github.com/tidemill/tidemill/internal/checkpoint"
	"github.com/tidemill/tidemill/internal/dataflow/scalar"
	"github.com/tidemill/tidemill/internal/duck"
	"github.com/tidemill/tidemill/internal/engine"
	"github.com/tidemill/tidemill/internal/fault"
	"github.com/tidemill/tidemill/internal/hub"
	"github.com/tidemill/tidemill/internal/log"
	"github.com/tidemill/tidemill/internal/metrics"
	"github.com/tidemill/tidemill/internal/plan"
	"github.com/tidemill/tidemill/internal/record"
	"github.com/tidemill/tidemill/internal/row"
	"github.com/tidemill/tidemill/internal/token"
	"github.com/tidemill/tidemill/internal/trace"
	"github.com/tidemill/tidemill/internal/view"
)

// Topics of a database that hold no relation.
const (
	catalogTopic = "catalog"
	txTopic      = "tx"
	// identitiesTopic has the relations whose records carry identities, so that the others need not be read for them at the start.
	identitiesTopic = "identities"
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
	// Queries bounds the pull queries that are open at once, 0 is 16.
	Queries int
	// TempDir is where pull queries spill; empty for nowhere.
	TempDir string
	// CheckpointDir is where the engine's state is saved; empty saves nothing, and all state is made from the log at each start.
	CheckpointDir string
	// Metrics, Tracer and Node, which says what tidemill.nodes shows, may be nil.
	Metrics *metrics.Database
	Tracer  *trace.Tracer
	Node    func() NodeInfo
	// ReaderTempBytes bounds what they spill; 0 is nine tenths of what is free on the disk.
	ReaderTempBytes int64
	// Admission bounds what clients have sent and the log has not taken yet; nil is 256 MiB for this database.
	Admission *admission.Budget
	// Now and After are the clock; nil is time.Now and time.After.
	Now   func() time.Time
	After func(time.Duration) <-chan time.Time
	// Elapsed is a clock that nobody sets, for what must not suffer when Now jumps; nil follows Now where that is given, and is the system's otherwise.
	Elapsed func() time.Duration
	// DedupeWindow is how long identities of events and requests are remembered where a relation does not say; 0 is ten minutes.
	DedupeWindow time.Duration
}

// Database is the one door to a database. It is safe for concurrent use.
type Database struct {
	name    string
	log     log.Log
	logger  *slog.Logger
	workers int
	now     func() time.Time
	metrics *metrics.Database
	node    func() NodeInfo
	health  health
	steady  *steadyClock

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
	dedupe    dedupeMemory
	admission *admission.Budget
	rejects   *sideStream
	late      *sideStream
	written   atomic.Pointer[writtenLate] // nil once the log has been replayed
	shared    sharedViews
	foreign   ForeignCatalog

	checkpoints string // the directory, empty for none
	// statements are the positions of what SQL statements wrote, which all reads wait for.
	statements Writes

	ddlMu sync.Mutex // orders changes of the catalog
	gate  gate

	verifications verifications
	txMu          sync.Mutex // orders transactions over several topics
	declaredMu    sync.Mutex // orders transactions with streams that declare what tells their events apart

	storedMu sync.RWMutex
	stored   map[uint64]*stored

	timesMu sync.RWMutex
	times   map[uint64]map[string][]*plan.Expr // of views: the columns that the watermark bounds
	keyed   map[uint64]*plan.KeyedTime         // of streams with one watermark per key
}

// OpenDatabase opens a database over a log: it reads the catalog, rebuilds the views by replaying the log, and returns when all that was
// acknowledged is visible. The caller closes the log after the database.
func OpenDatabase(ctx context.Context, o DatabaseOptions) (*Database, error) {
	db, err := openDatabase(ctx, o)
	if !errors.Is(err, checkpoint.ErrDamaged) || o.CheckpointDir == "" {
		return db, err
	}
	aside := fmt.Sprintf("%s.damaged-%d", o.CheckpointDir, time.Now().UnixMilli())
	o.Logger.Error("the checkpoint cannot be loaded: it is put aside, and all state is made from the log", "error", err, "aside", aside)
	if err := os.Rename(o.CheckpointDir, aside); err != nil {
		return nil, fmt.Errorf("putting a damaged checkpoint aside: %w", err)
	}
	return openDatabase(ctx, o)
}

func openDatabase(ctx context.Context, o DatabaseOptions) (db *Database, err error) {
	if o.Elapsed == nil {
		now := time.Now
		if o.Now != nil {
			now = o.Now
		}
		began := now()
		o.Elapsed = func() time.Duration { return now().Sub(began) }
	}
	system := o.Now == nil
	if system {
		o.Now = time.Now
	}
	if o.DedupeWindow <= 0 {
		o.DedupeWindow = defaultDedupeWindow
	}
	if o.Metrics == nil {
		o.Metrics = &metrics.Database{}
	}
	db = &Database{metrics: o.Metrics, node: o.Node, name: o.Name, log: o.Log, logger: o.Logger, workers: max(1, o.Workers), now: o.Now, catalog: catalog.New(), stored: map[uint64]*stored{},
		rejects: newRejects(), late: newLateRows(), times: map[uint64]map[string][]*plan.Expr{}, keyed: map[uint64]*plan.KeyedTime{}}
	if db.admission = o.Admission; db.admission == nil {
		db.admission = admission.New(admissionBytes)
	}
	db.checkpoints = o.CheckpointDir
	db.dedupe.most = dedupeBytesMax
	db.dedupe.window, db.dedupe.elapsed = min(o.DedupeWindow, maxDedupeWindow), o.Elapsed
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
	var journal *checkpoint.Journal
	if o.CheckpointDir != "" {
		if journal, err = checkpoint.Open(o.CheckpointDir, checkpoint.Options{}); err != nil {
			return nil, err
		}
	}
	least := time.Time{}
	if system { // a clock that is given is what tests say it is
		if least, err = db.newestRecord(ctx); err != nil {
			return nil, err
		}
	}
	db.steady = newSteadyClock(o.Now, o.Elapsed, least.Add(time.Microsecond))
	db.hub = hub.New(db, o.Metrics.Subscriptions)
	db.engine = engine.New(engine.Options{Log: o.Log, Logger: o.Logger, Workers: db.workers, Epoch: uint64(db.steady.now().UnixMicro()),
		Committed: func(tx record.TxID) bool { return committed[tx] }, OnTick: db.hub.Tick, OnReject: db.rejectRows,
		OnLate: db.noteLate, EventTime: db.eventTime, Now: db.steady.now, After: o.After, Checkpoints: journal, Metrics: o.Metrics.Ticks, Saves: o.Metrics.Checkpoints, Tracer: o.Tracer})
	if journal != nil {
		if err := db.engine.Recover(); err != nil {
			return nil, err
		}
	}
	if err := db.defineSystem(); err != nil {
		return nil, err
	}
	unsaved, err := db.restore(ctx)
	if err != nil {
		return nil, err
	}
	if err := db.restoreIdentities(ctx, committed); err != nil {
		return nil, fmt.Errorf("reading back which events were stored: %w", err)
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
	for _, r := range unsaved {
		if err := db.startView(ctx, r); err != nil {
			if ctx.Err() != nil {
				return nil, err
			}
			db.logger.Error("a view could not be built again", "view", r.Name, "error", err)
			db.noteUnbuilt(r, err)
		}
	}
	for _, s := range []*sideStream{db.rejects, db.late} {
		if err := db.openSide(ctx, s); err != nil {
			return nil, err
		}
	}
	if err := db.openVerifications(ctx); err != nil {
		return nil, err
	}
	db.watch()
	return db, nil
}

func (db *Database) openDuck(o DatabaseOptions) (err error) {
	if db.planner, err = duck.OpenPlanner(duck.PlannerOptions{}); err != nil {
		return err
	}
	if db.reader, err = duck.OpenReader(duck.ReaderOptions{Threads: db.workers, Connections: o.Queries, MemoryLimitBytes: o.ReaderMemoryBytes, TempDir: o.TempDir, TempBytes: o.ReaderTempBytes}); err != nil {
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
	for topic, most := range map[string]int64{catalogTopic: 0, txTopic: 0, identitiesTopic: identitiesBytes} {
		if err := db.log.Create(ctx, topic, log.TopicConfig{Partitions: 1, MaxBytes: most}); err != nil && !errors.Is(err, log.ErrTopicExists) {
			return nil, fmt.Errorf("creating topic %s: %w", topic, err)
		}
	}
	var dropped []string // topics
	err := db.readTopic(ctx, catalogTopic, func(body []byte) error {
		ch, err := catalog.DecodeChange(body)
		if err != nil {
			return err
		}
		if r := db.catalog.ByID(ch.Drop); r != nil && r.Stored() {
			dropped = append(dropped, r.Topic())
		}
		db.catalog.Apply(ch)
		return nil
	})
	if err != nil {
		return nil, err
	}
	if err := db.finishDrops(ctx, dropped); err != nil {
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

// newestRecord is a time that no record of the log is after.
func (db *Database) newestRecord(ctx context.Context) (newest time.Time, err error) {
	topics, err := db.log.Topics(ctx)
	if err != nil {
		return newest, err
	}
	for t := range topics {
		b, err := db.log.Bounds(ctx, t)
		if err != nil {
			return newest, fmt.Errorf("finding the end of topic %s: %w", t, err)
		}
		if b.Newest.After(newest) {
			newest = b.Newest
		}
	}
	return newest, nil
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

// restore defines everything that is in the catalog. A view that cannot be built again is reported and left out; what it reads goes on. Views that the
// checkpoint does not have are returned: they are to be built once the engine has started.
func (db *Database) restore(ctx context.Context) (unsaved []*catalog.Relation, err error) {
	for _, t := range db.catalog.Types() {
		if err := db.defineType(t); err != nil {
			return nil, fmt.Errorf("defining type %s: %w", t.Name, err)
		}
	}
	for _, r := range db.catalog.All() {
		if err := db.ensureTopic(ctx, r); err != nil {
			return nil, err
		}
		if err := db.define(r); err != nil {
			return nil, fmt.Errorf("defining %s %s: %w", r.Kind, r.Name, err)
		}
		var err error
		switch r.Kind {
		case catalog.Stream, catalog.Table:
			err = db.openStored(r, false)
		case catalog.MaterializedView:
			if err = db.startView(ctx, r); errors.Is(err, engine.ErrNotSaved) && db.irreplaceable(ctx, r) {
				err = db.setAside(r, err)
				db.logger.Error("a view could not be built again", "view", r.Name, "error", err)
				db.noteUnbuilt(r, err)
				err = nil
			} else if errors.Is(err, engine.ErrNotSaved) {
				db.logger.Info("a view is built again", "view", r.Name, "why", err)
				unsaved, err = append(unsaved, r), nil
			} else if err != nil && ctx.Err() == nil {
				db.logger.Error("a view could not be built again", "view", r.Name, "error", err)
				db.noteUnbuilt(r, err)
				err = nil
			}
		}
		if err != nil {
			return nil, fmt.Errorf("opening %s %s: %w", r.Kind, r.Name, err)
		}
	}
	return unsaved, nil
}

// finishDrops deletes the topics of relations whose drop was cut short between the catalog and the topic.
func (db *Database) finishDrops(ctx context.Context, dropped []string) error {
	topics, err := db.log.Topics(ctx)
	if err != nil {
		return err
	}
	for _, name := range dropped {
		if _, is := topics[name]; !is {
			continue
		}
		if err := db.log.Delete(ctx, name); err != nil {
			db.logger.Warn("the data of a dropped relation cannot be deleted", "topic", name, "error", err)
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
	err = db.log.Create(ctx, r.Topic(), c)
	if errors.Is(err, log.ErrTopicExists) {
		return db.retain(ctx, r, c)
	}
	if err != nil {
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
	s, err := db.newStored(r, nil)
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

// admissionBytes bounds the writes of a database that is given no budget.
const admissionBytes = 256 << 20

// Admission bounds what clients have sent and the log has not taken yet.
func (db *Database) Admission() *admission.Budget { return db.admission }

// Name is the database's name.
func (db *Database) Name() string { return db.name }

// Close stops the database. Sessions must have been closed.
func (db *Database) Close() {
	db.health.close()
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
