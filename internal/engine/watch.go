package engine

import (
	"cmp"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/tidemill/tidemill/internal/log"
	"github.com/tidemill/tidemill/internal/row"
	"github.com/tidemill/tidemill/internal/trace"
)

// watched is what can be told of the views without the loop, which may be stuck. Its lock is the innermost one.
type watched struct {
	mu    sync.Mutex
	views map[uint64]*viewState
	built map[uint64]bool      // they have joined the loop
	ended map[uint64]time.Time // when relations stopped
}

func (w *watched) add(v *viewState, joined bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.views == nil {
		w.views, w.built = map[uint64]*viewState{}, map[uint64]bool{}
	}
	w.views[v.rel.ID], w.built[v.rel.ID] = v, joined
}

func (w *watched) building(v *viewState) { w.add(v, false) }

func (w *watched) running(v *viewState) {
	v.watermark.Store(max(0, v.time.times.After))
	w.add(v, true)
}

func (w *watched) drop(id uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.views, id)
	delete(w.built, id)
	delete(w.ended, id)
}

func (w *watched) stop(id uint64, now time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ended == nil {
		w.ended = map[uint64]time.Time{}
	}
	w.ended[id] = now
}

// ViewStatus says how a view is doing. Its counters are those of this run.
type ViewStatus struct {
	Relation uint64
	Name     string
	// Building says that the view has not joined yet: its content is not there.
	Building                bool
	Rows, Bytes, StateBytes int64
	// Ticks counts the steps, CPUNanos what they took of the processors; on systems that do not tell the time of a thread, what the clock says.
	Ticks, CPUNanos, RejectCount int64
	// LateCount is the number of rows that came too late, Watermark how far event time has come in microseconds, 0 if that is not known.
	LateCount, Watermark int64
	// Lag is the age of the oldest event that is in the log and not in the view.
	Lag     time.Duration
	Stopped error
}

// InputStatus says how a stream or table is doing.
type InputStatus struct {
	Relation    uint64
	Name        string
	Applied     log.Offset // everything below is in a published tick
	Read        log.Offset // everything below is decoded
	QueuedBytes int64
	Waiting     bool // something is decoded and in no published tick
	Lag         time.Duration
	Stopped     error
}

// TickStatus says how the loop is doing.
type TickStatus struct {
	Number uint64
	// Waiting says that work waits for a tick to end; At is what the tick is about to change, if it runs.
	Waiting bool
	At      string
}

// Status describes the views and inputs, in the order in which they were created, and the loop. It does not wait for the loop.
func (e *Engine) Status(now time.Time) ([]ViewStatus, []InputStatus, TickStatus) {
	tick := TickStatus{Waiting: e.progress.waiting.Load() != 0}
	if r := e.progress.at.Load(); r != nil {
		tick.At = r.Name
	}
	inputs := e.inputStatus(now)
	e.published.RLock()
	tick.Number = e.published.tick
	stopped := maps.Clone(e.published.stopped)
	for i := range inputs {
		inputs[i].Applied = e.published.applied[inputs[i].Relation]
	}
	e.published.RUnlock()
	lags := make(map[uint64]time.Duration, len(inputs))
	for i := range inputs {
		inputs[i].Stopped = stopped[inputs[i].Relation]
		lags[inputs[i].Relation] = inputs[i].Lag
	}
	return e.viewStatus(now, stopped, lags), inputs, tick
}

func (e *Engine) inputStatus(now time.Time) []InputStatus {
	e.queues.Lock()
	defer e.queues.Unlock()
	out := make([]InputStatus, 0, len(e.queues.inputs))
	for id, in := range e.queues.inputs {
		oldest := in.underway.Load()
		if oldest == 0 && len(in.queue) > 0 {
			oldest = in.queue[0].taken
		}
		s := InputStatus{Relation: id, Name: in.rel.Name, Read: log.Offset(in.read.Load()), QueuedBytes: in.queuedBytes, Waiting: oldest != 0}
		if oldest != 0 {
			s.Lag = max(0, now.Sub(time.UnixMicro(oldest)))
		}
		out = append(out, s)
	}
	slices.SortFunc(out, func(a, b InputStatus) int { return cmp.Compare(a.Relation, b.Relation) })
	return out
}

func (e *Engine) viewStatus(now time.Time, stopped map[uint64]error, lags map[uint64]time.Duration) []ViewStatus {
	w := &e.watched
	w.mu.Lock()
	defer w.mu.Unlock()
	out := make([]ViewStatus, 0, len(w.views))
	for _, id := range slices.Sorted(maps.Keys(w.views)) { // what a view reads was there before it
		v := w.views[id]
		s := ViewStatus{Relation: id, Name: v.rel.Name, Building: !w.built[id], StateBytes: v.bytes.Load(), Ticks: v.ticks.Load(), CPUNanos: v.cpuNanos.Load(),
			RejectCount: v.rejected.Load(), LateCount: v.late.Load(), Watermark: v.watermark.Load(), Stopped: stopped[id]}
		for _, from := range v.reads {
			s.Lag = max(s.Lag, lags[from])
		}
		if since, ended := w.ended[id]; ended {
			s.Lag = max(s.Lag, now.Sub(since))
		}
		lags[id] = s.Lag
		st := v.store.Stats()
		s.Rows, s.Bytes = st.Rows, st.Bytes
		out = append(out, s)
	}
	return out
}

func rowsOf(took []taken) int {
	n := 0
	for i := range took {
		for k := range took[i].groups {
			n += took[i].groups[k].rows
		}
	}
	return n
}

func rowsIn(b *row.Batch) int {
	if b == nil {
		return 0
	}
	return b.Len
}

// traced is the part of a tick in the traces of what it has taken, nil for none.
func (e *Engine) traced(took []taken, rows int) *trace.Tick {
	t := e.opts.Tracer.Tick()
	if t == nil {
		return nil
	}
	for i := range took {
		for k := range took[i].groups {
			t.Land(took[i].in.rel.ID, took[i].groups[k].taken)
		}
	}
	return t.Begin(e.tick, rows)
}
