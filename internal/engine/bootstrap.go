package engine

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/tidemill/tidemill/internal/catalog"
	"github.com/tidemill/tidemill/internal/dataflow"
	"github.com/tidemill/tidemill/internal/log"
	"github.com/tidemill/tidemill/internal/row"
	"github.com/tidemill/tidemill/internal/view"
)

// backlogBytes bounds, at first, the changes that are kept for a view that is being built; beyond the bound the loop waits for the view.
const backlogBytes = 256 << 20

// bootstrap is a view that is being built beside the running ones.
type bootstrap struct {
	view  *viewState
	tick  uint64 // the tick whose content it starts from
	from  *Snapshot
	now   int64  // the wall-clock time of that tick
	at    int64  // how far the clocks had come
	seen  timing // what the clocks have shown since; the loop's own
	first Tick   // the times of that tick
	mark  int64  // the watermark of the last tick kept, as far as the clocks and the views that this one reads show it; the loop's own
	// copies are of views that it reads and those below them, dependencies first.
	copies []*copied

	mu      sync.Mutex
	backlog []Tick // of the ticks since
	bytes   int64
	limit   int64         // of bytes; halved with each round of catching up, so that a view slower than its inputs joins too
	room    chan struct{} // closed when the backlog was taken
	ended   chan struct{} // closed when the view joined, failed or was given up
	err     error
}

// AddView builds a view from its inputs' content and lets it join the loop; it returns when the view is live. reads maps the names of
// the relations in the graph to their IDs. The engine takes over graph and store. Before Start it joins at once, or it returns ErrNotSaved if
// the engine begins with a checkpoint that does not have the view.
func (e *Engine) AddView(ctx context.Context, rel *catalog.Relation, graph *dataflow.Graph, store *view.Store, reads map[string]uint64) error {
	return e.AddViewOver(ctx, rel, graph, store, reads, nil)
}

// AddViewOver is AddView for a view for which rows of other views can be too late. copies are of such views and of all below them, dependencies first; a view without a
// copy counts with its content. The engine takes over the copies, too.
func (e *Engine) AddViewOver(ctx context.Context, rel *catalog.Relation, graph *dataflow.Graph, store *view.Store, reads map[string]uint64, copies []Copy) error {
	defer func() {
		for _, c := range copies {
			c.Graph.Close()
		}
	}()
	if !e.enter() {
		graph.Close()
		return ErrClosed
	}
	defer e.done.Done()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(e.ctx, cancel)()
	if restored, err := e.addRestored(ctx, rel, graph, store, reads); restored || err != nil {
		return err
	}
	b := &bootstrap{limit: backlogBytes, room: make(chan struct{}), ended: make(chan struct{})}
	b.view = &viewState{rel: rel, graph: graph, store: store, reads: reads}
	if err := e.call(ctx, func() { e.begin(b, copies) }); err != nil {
		graph.Close()
		return err
	}
	err := e.build(ctx, b)
	if err != nil {
		b.end(err)
		e.watched.drop(rel.ID)
		_ = e.call(context.Background(), func() {
			delete(e.booting, b)
			e.follow()
		})
		graph.Close()
		if e.ctx.Err() != nil {
			return ErrClosed
		}
	}
	return err
}

// begin runs on the loop: the content is that of the last tick, and every later tick is kept for the view.
func (e *Engine) begin(b *bootstrap, copies []Copy) {
	streams := e.clockedStreams(b.view)
	ids := slices.Clone(streams)
	for _, id := range b.view.reads {
		ids = append(ids, id)
	}
	b.from = e.Snapshot(ids...)
	b.tick = b.from.Tick
	b.now, b.at = e.opts.Now().UnixMicro(), e.clocks.now
	b.view.time = newTiming(streams, b.view.graph.Resolution().Microseconds())
	b.seen = newTiming(b.view.time.streams, 0)
	b.seen.observe(e.clocks.of)
	for _, v := range e.views {
		if slices.Equal(v.time.streams, b.seen.streams) {
			b.seen.mark = max(b.seen.mark, v.time.mark)
		}
	}
	b.mark = b.seen.mark
	b.first = Tick{now: b.now, mark: b.mark}
	b.prepareCopies(e, copies)
	e.booting[b] = true
	e.watched.building(b.view)
	e.follow()
}

// clockedStreams lists the streams with a watermark that a view reads, itself or through other views.
func (e *Engine) clockedStreams(v *viewState) []uint64 {
	var ids []uint64
	for _, id := range v.reads {
		if e.clocks.of[id] != nil {
			ids = append(ids, id)
		}
		for _, other := range e.views {
			if other.rel.ID == id {
				ids = append(ids, other.time.streams...)
			}
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// build feeds the view with its inputs' content, then with the ticks since, and joins.
func (e *Engine) build(ctx context.Context, b *bootstrap) error {
	defer b.from.Close()
	b.view.time.at(b.view.graph, b.now)
	first := b.first
	if err := b.apply(e, map[string]*row.Batch{}); err != nil {
		return err
	}
	if err := b.dropCopiesUnlessWhole(ctx, e); err != nil {
		return err
	}
	timed := b.timedReads()
	for name, id := range b.view.reads {
		if timed[id] != "" {
			continue
		}
		it, err := b.from.Scan(ctx, id, nil)
		if err != nil {
			return fmt.Errorf("reading %s: %w", name, err)
		}
		err = b.feed(ctx, e, name, it)
		it.Close()
		if err != nil {
			return err
		}
	}
	if err := b.feedTimed(ctx, e, timed); err != nil {
		return err
	}
	b.from.Close()
	if err := b.applyTick(e, first); err != nil {
		return err
	}
	for {
		ticks := b.takeBacklog()
		if len(ticks) <= 2 {
			return e.join(ctx, b, ticks)
		}
		for _, t := range ticks {
			if err := b.applyTick(e, t); err != nil {
				return err
			}
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
}

func (b *bootstrap) feed(ctx context.Context, e *Engine, name string, it Iterator) error {
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		batch, err := it.Next()
		if err != nil || batch == nil {
			return err
		}
		if err := b.apply(e, map[string]*row.Batch{name: batch}); err != nil {
			return err
		}
	}
}

// apply steps the view's graph outside the loop. All that happens before the view joins is one tick of its store.
func (b *bootstrap) apply(e *Engine, in map[string]*row.Batch) error {
	delta, err := b.view.step(e.opts.Workers, in)
	e.takeRejects(b.view)
	if err != nil {
		return err
	}
	if delta == nil || delta.Len == 0 {
		return nil
	}
	return guard(func() error { return b.view.store.Load(b.tick, delta) })
}

func (b *bootstrap) applyTick(e *Engine, t Tick) error {
	in := map[string]*row.Batch{}
	for name, id := range b.view.reads {
		if d := t.Changes[id]; d != nil {
			in[name] = d
		}
	}
	b.view.time.mark, b.view.time.taken = max(b.view.time.mark, t.mark), t.taken
	moved := b.view.timed() && b.view.time.at(b.view.graph, t.now)
	if len(in) == 0 && !moved {
		return nil
	}
	return b.apply(e, in)
}

// join lets the loop take the view over between two ticks, after the ticks that are left.
func (e *Engine) join(ctx context.Context, b *bootstrap, ticks []Tick) error {
	var failed error
	err := e.call(ctx, func() {
		if failed = e.readable(b.view); failed != nil {
			return
		}
		for _, t := range slices.Concat(ticks, b.takeBacklog()) {
			if failed = b.applyTick(e, t); failed != nil {
				return
			}
		}
		delete(e.booting, b)
		e.views = append(e.views, b.view)
		e.follow()
		e.begun(b.view)
		b.end(nil)
	})
	if err != nil {
		return err
	}
	return failed
}

// begun publishes a view that has joined. It gets a tick of its own, so that no token of a view that had its name before falls into its time.
func (e *Engine) begun(v *viewState) {
	if !e.replaying {
		e.tick++
	}
	e.published.Lock()
	e.published.stores[v.rel.ID] = v.store
	e.watched.running(v)
	e.published.born[v.rel.ID] = e.tick
	e.publishLocked(Tick{Number: e.tick}, nil)
	e.published.Unlock()
	if e.opts.OnTick != nil && !e.replaying {
		e.opts.OnTick(Tick{Number: e.tick})
	}
	e.saver.after(Tick{Number: e.tick})
}

// readable reports whether everything that a view reads is there and follows its input.
func (e *Engine) readable(v *viewState) error {
	e.published.RLock()
	defer e.published.RUnlock()
	for name, id := range v.reads {
		if err := e.published.stopped[id]; err != nil {
			return fmt.Errorf("reading %s: %w", name, err)
		}
		_, stored := e.published.applied[id]
		if !stored && e.published.stores[id] == nil {
			return fmt.Errorf("reading %s: relation %d is gone", name, id)
		}
	}
	return nil
}

// add keeps a tick's changes of the relations the view reads.
func (b *bootstrap) add(t Tick) {
	kept := Tick{Number: t.Number, Changes: map[uint64]*row.Batch{}, now: t.now, mark: b.seen.mark, taken: b.seen.taken}
	var size int64
	for _, id := range b.view.reads {
		if d := t.Changes[id]; d != nil {
			kept.Changes[id] = b.view.input(id, d)
			size += d.Size()
		}
	}
	if len(kept.Changes) == 0 && kept.mark == b.mark {
		return
	}
	b.mark = kept.mark
	b.mu.Lock()
	b.backlog = append(b.backlog, kept)
	b.bytes += size
	b.mu.Unlock()
}

func (b *bootstrap) takeBacklog() []Tick {
	b.mu.Lock()
	defer b.mu.Unlock()
	ticks := b.backlog
	b.backlog, b.bytes, b.limit = nil, 0, b.limit/2
	close(b.room)
	b.room = make(chan struct{})
	return ticks
}

// waitForRoom holds the loop while the view is too far behind. Calls go on: the view's joining is one.
func (b *bootstrap) waitForRoom(ctx context.Context, calls <-chan func()) {
	for {
		b.mu.Lock()
		full, room := b.bytes > b.limit, b.room
		b.mu.Unlock()
		if !full {
			return
		}
		select {
		case <-room:
		case f := <-calls:
			f()
		case <-b.ended:
			return
		case <-ctx.Done():
			return
		}
	}
}

func (b *bootstrap) end(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	select {
	case <-b.ended:
	default:
		b.err = err
		close(b.ended)
	}
}

// Drop removes a relation: its reader ends, its view stops.
func (e *Engine) Drop(ctx context.Context, id uint64) error {
	return e.call(ctx, func() {
		e.queues.Lock()
		if in := e.queues.inputs[id]; in != nil {
			in.gone = true
			if in.cancel != nil {
				in.cancel()
			}
			delete(e.queues.inputs, id)
		}
		e.queues.Unlock()
		e.views = slices.DeleteFunc(e.views, func(v *viewState) bool {
			if v.rel.ID == id {
				v.graph.Close()
			}
			return v.rel.ID == id
		})
		e.published.Lock()
		delete(e.clocks.of, id)
		e.follow()
		delete(e.published.stores, id)
		delete(e.published.decoders, id)
		delete(e.published.applied, id)
		delete(e.published.stopped, id)
		delete(e.published.born, id)
		e.watched.drop(id)
		delete(e.published.times, id)
		close(e.published.advanced)
		e.published.advanced = make(chan struct{})
		e.published.Unlock()
	})
}

// applied is the published end of the relations' logs, for a caller that holds e.published.
func (e *Engine) appliedLocked(ids []uint64) map[uint64]log.Offset {
	out := make(map[uint64]log.Offset, len(ids))
	for _, id := range ids {
		if o, ok := e.published.applied[id]; ok {
			out[id] = o
		}
	}
	return out
}
