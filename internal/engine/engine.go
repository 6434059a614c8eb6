package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tidemill/tidemill/internal/catalog"
	"github.com/tidemill/tidemill/internal/checkpoint"
	"github.com/tidemill/tidemill/internal/dataflow"
	"github.com/tidemill/tidemill/internal/log"
	"github.com/tidemill/tidemill/internal/metrics"
	"github.com/tidemill/tidemill/internal/record"
	"github.com/tidemill/tidemill/internal/row"
	"github.com/tidemill/tidemill/internal/trace"
	"github.com/tidemill/tidemill/internal/view"
)

// Options configures an Engine.
type Options struct {
	Log     log.Log
	Logger  *slog.Logger
	Workers int // shards per operator, at least 1
	// Epoch names this run; it is larger than those before.
	Epoch uint64
	// Committed reports whether a transaction found in the log was committed before this run.
	Committed func(record.TxID) bool
	// OnTick is called on the loop's goroutine after each tick was published; it must not block.
	OnTick func(Tick)
	// OnReject is told of rows that a view had to leave out; it must not block.
	OnReject func(view *catalog.Relation, rejects []dataflow.Reject)
	// OnLate is told of rows that came too late for a view, of which a step describes a bounded number, also while the log is replayed; it must not block.
	OnLate func(view *catalog.Relation, late []dataflow.Late)
	// EventTime returns what is known of a stream's event time, nil for nothing; it may be nil itself.
	EventTime func(stream *catalog.Relation) *EventTime
	// Now and After are the clock; nil is the system's.
	Now   func() time.Time
	After func(time.Duration) <-chan time.Time
	// QueueBytes bounds what is decoded and waits per input; 0 is 64 MiB.
	QueueBytes int64
	// TickRows bounds the rows a tick takes; 0 is 128k. A single group may exceed it.
	TickRows int
	// Checkpoints is where the state is saved; nil saves nothing, and all state is made from the log at each start. The engine closes it.
	Checkpoints *checkpoint.Journal
	// Metrics, Saves and Tracer may be nil.
	Metrics *metrics.Ticks
	Saves   *metrics.Checkpoints
	Tracer  *trace.Tracer
}

// Tick is what one tick changed, by relation.
type Tick struct {
	Number  uint64
	Changes map[uint64]*row.Batch
	// now is the wall-clock time of the tick in microseconds. Of a tick that is kept for a view, mark is the view's watermark after it, taken when the log
	// took the first of its groups.
	now, mark, taken int64
	// Stopped says which relations stopped at an error, nil for none; nothing follows for them.
	Stopped map[uint64]error
	// Trace is the tick's part in the traces of what it took, nil for none.
	Trace *trace.Tick
}

// ErrClosed is returned once the engine is closed.
var ErrClosed = errors.New("the engine is closed")

// Engine runs the ticks of one database.
type Engine struct {
	opts   Options
	logger *slog.Logger
	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	done   sync.WaitGroup
	life   struct {
		sync.Mutex
		closed bool // nothing is added to done any more
	}
	wake  chan struct{} // cap 1: a wake-up is never lost, never doubled
	calls chan func()   // run by the loop between ticks

	// The loop's own; no lock.
	tick    uint64
	views   []*viewState // dependencies before dependents
	booting map[*bootstrap]bool
	halted  map[uint64]error // stopped since the last report
	clocks  *clocks
	saver   *saver  // nil: nothing is saved
	epochs  []epoch // earlier runs
	// restoring is what the checkpoint has, until it is loaded by Start.
	restoring *restoring
	// replaying says that what is taken was in the log before the start: only the log's own time counts.
	replaying bool
	momentDue <-chan time.Time

	queues struct {
		sync.Mutex
		inputs    map[uint64]*input
		committed map[record.TxID][]uint64 // transactions of this run to be applied → participants
		aborted   map[record.TxID]bool
	}

	published struct {
		sync.RWMutex
		tick     uint64
		applied  map[uint64]log.Offset // per stored relation: everything below is in tick
		stores   map[uint64]*view.Store
		decoders map[uint64]*decoder // of the stored relations, as of the tick
		stopped  map[uint64]error
		born     map[uint64]uint64 // views: the tick in which they joined
		times    map[uint64]int64  // views that ask for the time: what it was for them, microseconds
		advanced chan struct{}     // closed and replaced with each tick
	}

	watched  watched
	progress struct {
		tickAt  atomic.Int64 // unix nanoseconds of the last end of a tick
		waiting atomic.Int64 // unix nanoseconds since when work waits, 0 for none
		// at is what the tick that runs is about to change, nil between ticks.
		at atomic.Pointer[catalog.Relation]
	}
}

// New returns an engine without relations. Add those there are, then Start it.
func New(o Options) *Engine {
	if o.QueueBytes == 0 {
		o.QueueBytes = 64 << 20
	}
	if o.TickRows == 0 {
		o.TickRows = 128 << 10
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.After == nil {
		o.After = time.After
	}
	e := &Engine{clocks: newClocks(), replaying: true, opts: o, logger: o.Logger, wake: make(chan struct{}, 1), calls: make(chan func()), tick: 1, booting: map[*bootstrap]bool{}}
	e.ctx, e.cancel = context.WithCancel(context.Background())
	e.queues.inputs = map[uint64]*input{}
	e.queues.committed = map[record.TxID][]uint64{}
	e.queues.aborted = map[record.TxID]bool{}
	e.published.tick = 1
	e.published.applied = map[uint64]log.Offset{}
	e.published.stores = map[uint64]*view.Store{}
	e.published.decoders = map[uint64]*decoder{}
	e.published.stopped = map[uint64]error{}
	e.published.born = map[uint64]uint64{}
	e.published.times = map[uint64]int64{}
	e.published.advanced = make(chan struct{})
	if o.Checkpoints != nil {
		e.saver = newSaver(e, o.Checkpoints)
		e.done.Go(e.saver.write)
	}
	e.done.Go(e.loop)
	return e
}

// Recover looks at what was saved. It is called before anything is added, if there are Checkpoints.
func (e *Engine) Recover() error {
	return e.callErr(context.Background(), func() (err error) {
		e.restoring, err = index(e.saver.journal, func(err error) {
			e.logger.Error("a checkpoint is damaged: falling back to the one before", "error", err)
		})
		if err != nil {
			return fmt.Errorf("looking at the checkpoints: %w", err)
		}
		r := e.restoring
		if r == nil {
			return nil
		}
		e.tick = max(e.tick, r.head.tick)
		e.published.Lock()
		e.published.tick = e.tick
		e.published.Unlock()
		e.epochs = r.head.epochs
		return nil
	})
}

// enter makes Close wait for the caller, until it calls e.done.Done. It reports false once the engine is closed.
func (e *Engine) enter() bool {
	e.life.Lock()
	defer e.life.Unlock()
	if e.life.closed {
		return false
	}
	e.done.Add(1)
	return true
}

// spawn runs f on a goroutine that Close waits for, unless the engine is closed.
func (e *Engine) spawn(f func()) bool {
	if !e.enter() {
		return false
	}
	go func() {
		defer e.done.Done()
		f()
	}()
	return true
}

// Epoch names this run.
func (e *Engine) Epoch() uint64 { return e.opts.Epoch }

// Start reads what the inputs' topics hold and returns when all of it is in a published tick; from then on the engine follows the log.
// A topic with a damaged record stops its relation and what reads it, not the others.
func (e *Engine) Start(ctx context.Context) error {
	if err := e.callErr(ctx, e.restoreGuarded); err != nil {
		return err
	}
	e.queues.Lock()
	inputs := slices.Collect(maps.Values(e.queues.inputs))
	e.queues.Unlock()
	replayed := make(chan error, len(inputs))
	for _, in := range inputs {
		bounds, err := e.opts.Log.Bounds(ctx, in.rel.Topic())
		if err != nil {
			return fmt.Errorf("finding the end of %s: %w", in.rel.Name, err)
		}
		if in.from > 0 && bounds.First > in.from {
			e.logger.Error("records were removed by retention before views had seen them: the node was not running for longer than they were kept, or fell back to an old checkpoint",
				"relation", in.rel.Name, "from", in.from, "to", bounds.First)
		}
		if !e.startReader(in, bounds.Next, replayed) {
			return ErrClosed
		}
	}
	for range inputs {
		select {
		case err := <-replayed:
			if err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		case <-e.ctx.Done():
			return ErrClosed
		}
	}
	if err := e.drain(ctx, inputs); err != nil {
		return err
	}
	return e.call(ctx, func() {
		e.replaying = false
		e.runTick() // the time that has passed since the last record
	})
}

// drain waits until the loop has taken everything that is queued for the inputs.
func (e *Engine) drain(ctx context.Context, inputs []*input) error {
	for {
		advanced := e.advancedC()
		e.queues.Lock()
		left := 0
		for _, in := range inputs {
			left += len(in.queue)
		}
		e.queues.Unlock()
		if left == 0 {
			return e.call(ctx, func() {}) // the tick that took the last of it is over
		}
		select {
		case <-advanced:
		case <-ctx.Done():
			return ctx.Err()
		case <-e.ctx.Done():
			return ErrClosed
		}
	}
}

func (e *Engine) advancedC() chan struct{} {
	e.published.RLock()
	defer e.published.RUnlock()
	return e.published.advanced
}

// Close stops the readers, the loop and the views that are being built, and waits for them. Closing again does nothing.
func (e *Engine) Close() {
	e.life.Lock()
	again := e.life.closed
	e.life.closed = true
	e.life.Unlock()
	if e.saver != nil && !again {
		_ = e.call(context.Background(), func() { e.saver.close() })
	}
	e.cancel()
	e.done.Wait()
	for _, v := range e.views {
		v.graph.Close()
	}
	e.views = nil
}

// call runs f on the loop's goroutine between two ticks and waits for it.
func (e *Engine) call(ctx context.Context, f func()) error {
	ran := make(chan struct{})
	select {
	case e.calls <- func() { defer close(ran); f() }:
	case <-ctx.Done():
		return ctx.Err()
	case <-e.ctx.Done():
		return ErrClosed
	}
	<-ran // what the loop has taken it runs, also while it closes
	return nil
}

// callErr is call for a function that may fail.
func (e *Engine) callErr(ctx context.Context, f func() error) error {
	var failed error
	if err := e.call(ctx, func() { failed = f() }); err != nil {
		return err
	}
	return failed
}

func (e *Engine) signal() {
	select {
	case e.wake <- struct{}{}:
	default:
	}
}

// Position is the published end of a stored relation: everything below it is visible.
func (e *Engine) Position(relation uint64) log.Offset {
	e.published.RLock()
	defer e.published.RUnlock()
	return e.published.applied[relation]
}

// Tick is the number of the last published tick.
func (e *Engine) Tick() uint64 {
	e.published.RLock()
	defer e.published.RUnlock()
	return e.published.tick
}

// WaitFor returns when the record at an offset of a relation is visible.
func (e *Engine) WaitFor(ctx context.Context, relation uint64, at log.Offset) error {
	return e.wait(ctx, func() (bool, error) {
		applied, known := e.published.applied[relation]
		// A relation that stopped will not get there; who reads it is told why.
		return !known || applied > at || e.published.stopped[relation] != nil, nil
	})
}

// WaitForTick returns when a tick of this run is published.
func (e *Engine) WaitForTick(ctx context.Context, tick uint64) error {
	return e.wait(ctx, func() (bool, error) { return e.published.tick >= tick, nil })
}

func (e *Engine) wait(ctx context.Context, reached func() (bool, error)) error {
	for {
		e.published.RLock()
		ok, err := reached()
		advanced := e.published.advanced
		e.published.RUnlock()
		if ok || err != nil {
			return err
		}
		select {
		case <-advanced:
		case <-ctx.Done():
			return ctx.Err()
		case <-e.ctx.Done():
			return ErrClosed
		}
	}
}

// Stuck returns since when work waits without a tick ending, 0 if none does.
func (e *Engine) Stuck(now time.Time) time.Duration {
	since := e.progress.waiting.Load()
	if since == 0 {
		return 0
	}
	if t := e.progress.tickAt.Load(); t > since {
		since = t
	}
	return now.Sub(time.Unix(0, since))
}
