package engine

import (
	"fmt"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tidemill/tidemill/internal/catalog"
	"github.com/tidemill/tidemill/internal/dataflow"
	"github.com/tidemill/tidemill/internal/log"
	"github.com/tidemill/tidemill/internal/row"
	"github.com/tidemill/tidemill/internal/view"
)

// viewState is a running view. It belongs to the loop, but for its counters.
type viewState struct {
	rel   *catalog.Relation
	graph *dataflow.Graph
	store *view.Store
	// reads maps the relations' names in the graph to their IDs.
	reads   map[string]uint64
	shapes  map[uint64]*shape // of the relations that were altered since the graph was compiled
	stopped error
	time    timing
	moved   bool // the times of the tick differ from those of the view's last step
	clock   cpuClock

	ticks, cpuNanos, bytes, rejected, late, watermark atomic.Int64
}

func (e *Engine) loop() {
	defer func() {
		for b := range e.booting {
			b.end(ErrClosed)
		}
	}()
	for {
		select {
		case f := <-e.calls:
			f()
		case <-e.moment():
			e.momentDue = nil
			e.runTick()
		case <-e.saver.alarm():
			e.saver.timer = nil
			e.saver.perhaps()
		case w := <-e.saver.writtenC():
			e.saver.settle(w)
		case <-e.wake:
			for more := true; more && e.ctx.Err() == nil; {
				more = e.runTick()
				select {
				case f := <-e.calls:
					f()
				default:
				}
			}
		case <-e.ctx.Done():
			return
		}
	}
}

// runTick takes what is queued and runs one tick over it. It reports whether more is queued.
func (e *Engine) runTick() (more bool) {
	if len(e.booting) > 0 { // one of them may hold the tick up
		e.progress.waiting.CompareAndSwap(0, e.opts.Now().UnixNano())
	}
	for b := range e.booting {
		b.waitForRoom(e.ctx, e.calls)
	}
	e.clocks.begin()
	now := e.opts.Now().UnixMicro()
	took, more := e.takeQueued()
	if !more && !e.replaying {
		e.clocks.pass(now) // what is queued counts by when the log took it
	}
	moved := e.moveTimes(now)
	if len(took) == 0 && !moved {
		e.progress.waiting.Store(0)
		return more
	}
	begun := time.Now()
	e.progress.waiting.CompareAndSwap(0, e.opts.Now().UnixNano())
	e.tick++
	t := Tick{Number: e.tick, Changes: map[uint64]*row.Batch{}, now: now}
	rows := rowsOf(took)
	t.Trace = e.traced(took, rows)
	applied := make(map[uint64]log.Offset, len(took))
	for i := range took {
		in := took[i].in
		applied[in.rel.ID] = took[i].end
		if len(took[i].groups) > 0 {
			in.underway.Store(took[i].groups[0].taken)
		}
		if in.stopped {
			continue
		}
		e.progress.at.Store(in.rel)
		var delta *row.Batch
		err := guard(func() (err error) {
			delta, err = e.changesOf(&took[i])
			return err
		})
		switch {
		case err != nil:
			e.logger.Error("applying changes failed", "relation", in.rel.Name, "error", err)
			e.stopInput(in, fmt.Errorf("applying changes to %s: %w", in.rel.Name, err))
		case delta != nil && delta.Len > 0:
			t.Changes[in.rel.ID] = delta
		}
	}
	for _, v := range e.views {
		e.stepView(v, t)
	}
	for b := range e.booting {
		b.seen.taken = e.clocks.first
		b.add(t)
	}
	t.Stopped, e.halted = e.halted, nil
	e.progress.at.Store(nil)
	t.Trace.Publish()
	e.publish(t, applied)
	for i := range took {
		took[i].in.underway.Store(0)
	}
	t.Trace.End()
	e.opts.Metrics.Ended(time.Since(begun), rows)
	if e.opts.OnTick != nil {
		e.opts.OnTick(t)
	}
	e.saver.after(t)
	e.progress.tickAt.Store(e.opts.Now().UnixNano())
	if !more {
		e.progress.waiting.Store(0)
	}
	return more
}

// changesOf turns what was taken from an input into the change of its relation.
func (e *Engine) changesOf(t *taken) (*row.Batch, error) {
	var batches []*row.Batch
	def := t.in.def.Load()
	for i := range t.groups {
		for k, b := range t.groups[i].batches {
			batches = append(batches, def.upgrade(b, t.groups[i].schemas[k])) // what was decoded before the relation was altered
		}
	}
	b := row.Concat(batches)
	if b == nil || b.Len == 0 {
		return nil, nil
	}
	if t.in.store == nil {
		return b, nil
	}
	delta := b
	if len(def.rel.Key) > 0 {
		delta = upserts(t.in.store, def.rel.Key, b)
	} else {
		delta = view.Consolidate(delta)
	}
	if delta == nil || delta.Len == 0 {
		return nil, nil
	}
	return delta, t.in.store.Apply(e.tick, delta)
}

func (e *Engine) stepView(v *viewState, t Tick) {
	if v.stopped != nil {
		return
	}
	in := map[string]*row.Batch{}
	for name, id := range v.reads {
		if b := t.Changes[id]; b != nil {
			in[name] = v.input(id, b)
		}
	}
	if len(in) == 0 && !v.moved {
		return
	}
	v.moved = false
	e.progress.at.Store(v.rel)
	t.Trace.Step(v.rel.Name)
	delta, err := v.step(e.opts.Workers, in)
	t.Trace.Stepped(rowsIn(delta))
	if err == nil && delta != nil && delta.Len > 0 {
		if err = guard(func() error { return v.store.Apply(t.Number, delta) }); err == nil {
			t.Changes[v.rel.ID] = delta
		}
	}
	e.takeRejects(v)
	if err != nil {
		e.stopView(v, err)
	}
}

// moveTimes tells the views what time it is; it reports whether that alone gives one of them something to do.
func (e *Engine) moveTimes(now int64) bool {
	some := false
	for _, v := range e.views {
		if v.stopped == nil && v.timed() {
			v.time.taken = e.clocks.first
			v.moved = v.time.at(v.graph, now) || v.moved
			v.watermark.Store(max(0, v.time.times.After))
			some = some || v.moved
		}
	}
	return some
}

// moment is the loop's timer; it is made anew when it has fired, and when views have come or gone.
func (e *Engine) moment() <-chan time.Time {
	if e.momentDue == nil && !e.replaying {
		e.momentDue = e.nextMoment()
	}
	return e.momentDue
}

func (e *Engine) takeRejects(v *viewState) {
	if late, n := v.graph.TakeLate(); n > 0 {
		v.late.Add(n)
		if e.opts.OnLate != nil {
			e.opts.OnLate(v.rel, late)
		}
	}
	if r := v.graph.TakeRejects(); len(r) > 0 {
		v.rejected.Add(int64(len(r)))
		if e.opts.OnReject != nil && !e.replaying {
			e.opts.OnReject(v.rel, r)
		}
	}
}

// stopView stops a view, and those that read it, at an error: a view that has missed a change is never served.
func (e *Engine) stopView(v *viewState, err error) {
	v.stopped = err
	e.logger.Error("a view stopped", "view", v.rel.Name, "error", err)
	e.stop(v.rel.ID, fmt.Errorf("view %s stopped: %w", v.rel.Name, err))
	e.stopReaders(v.rel, err)
}

// stopInput stops a stream or table, and what reads it.
func (e *Engine) stopInput(in *input, err error) {
	if in.stopped {
		return
	}
	in.stopped = true
	e.stopReaders(in.rel, err) // first: who waits for the input then finds all of them stopped
	e.stop(in.rel.ID, err)
}

// stopReaders stops the views that read a relation that stopped.
func (e *Engine) stopReaders(rel *catalog.Relation, cause error) {
	for _, d := range e.views {
		for _, id := range d.reads {
			if id == rel.ID && d.stopped == nil {
				e.stopView(d, fmt.Errorf("it reads %s, which stopped: %w", rel.Name, cause))
			}
		}
	}
}

// stop marks a relation as one whose content no longer follows its input: from now on reading it is an error.
func (e *Engine) stop(relation uint64, err error) {
	if e.halted == nil {
		e.halted = map[uint64]error{}
	}
	e.halted[relation] = err
	e.published.Lock()
	defer e.published.Unlock()
	e.published.stopped[relation] = err
	e.watched.stop(relation, e.opts.Now())
	delete(e.published.stores, relation)
	close(e.published.advanced)
	e.published.advanced = make(chan struct{})
}

// Refuse makes the reading of a relation that is not there fail with a reason, until it is dropped.
func (e *Engine) Refuse(relation uint64, why error) {
	e.published.Lock()
	defer e.published.Unlock()
	e.published.stopped[relation] = why
}

// reportStopped tells of relations that stopped between two ticks.
func (e *Engine) reportStopped() {
	if e.opts.OnTick != nil && len(e.halted) > 0 {
		e.opts.OnTick(Tick{Number: e.tick, Stopped: e.halted})
	}
	e.halted = nil
}

// guard runs f and makes a panic in it an error.
func guard(f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("BUG: %v\n%s", p, debug.Stack())
		}
	}()
	return f()
}

// step runs the view's graph. A panic in it is an error of this view alone.
func (v *viewState) step(workers int, in map[string]*row.Batch) (delta *row.Batch, err error) {
	v.clock.beginStep()
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("BUG: %v\n%s", p, debug.Stack())
		}
		v.ticks.Add(1)
		v.cpuNanos.Add(v.clock.endStep())
		v.bytes.Store(v.graph.Bytes())
	}()
	out, err := v.graph.Step(in, v.parallel)
	if err != nil {
		return nil, err
	}
	delta = row.Concat(out)
	if v.graph.AppendOnly() || delta == nil {
		return delta, nil
	}
	return view.Consolidate(delta), nil
}

// parallel is a dataflow.Runner on goroutines. A panic in one of them is handed to the caller.
func (v *viewState) parallel(n int, f func(int)) {
	var group sync.WaitGroup
	var first atomic.Pointer[string]
	guarded := func(i int) {
		defer func() {
			if p := recover(); p != nil {
				text := fmt.Sprintf("%v\n%s", p, debug.Stack())
				first.CompareAndSwap(nil, &text)
			}
		}()
		f(i)
	}
	for i := 1; i < n; i++ {
		group.Go(func() {
			begun := v.clock.beginPart()
			guarded(i)
			v.clock.endPart(begun)
		})
	}
	guarded(0)
	v.clock.wait()
	group.Wait()
	v.clock.goOn()
	if p := first.Load(); p != nil {
		panic(*p)
	}
}

// publish makes a tick visible: all relations at once.
func (e *Engine) publish(t Tick, applied map[uint64]log.Offset) {
	e.published.Lock()
	defer e.published.Unlock()
	e.publishLocked(t, applied)
}

func (e *Engine) publishLocked(t Tick, applied map[uint64]log.Offset) {
	for _, s := range e.published.stores {
		s.Publish(t.Number)
	}
	e.published.tick = t.Number
	for _, v := range e.views {
		if v.graph.AsksForTime() {
			e.published.times[v.rel.ID] = v.time.times.Now
		}
	}
	for id, end := range applied {
		if _, there := e.published.applied[id]; there {
			e.published.applied[id] = end
		}
	}
	close(e.published.advanced)
	e.published.advanced = make(chan struct{})
}
