package engine

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/tidemill/tidemill/internal/catalog"
	"github.com/tidemill/tidemill/internal/checkpoint"
	"github.com/tidemill/tidemill/internal/dataflow"
	"github.com/tidemill/tidemill/internal/dataflow/state"
	"github.com/tidemill/tidemill/internal/log"
	"github.com/tidemill/tidemill/internal/row"
	"github.com/tidemill/tidemill/internal/view"
)

// ErrNotSaved is returned by AddView before Start for a view that is not in the checkpoint from which the engine starts, or not as it is defined now. It is to be added
// after Start, when it can be built from what it reads.
var ErrNotSaved = errors.New("the view is not in the checkpoint")

// restoring is what a checkpoint has, while the engine starts.
type restoring struct {
	head  blockHead
	units map[uint64]*savedUnit
	begun time.Time
}

// savedUnit is what a checkpoint has of a relation.
type savedUnit struct {
	complete, before, begun uint64 // as those of a unit
	whole                   bool
	schema                  int
	born                    uint64
	since                   uint64 // the tick at which the cycle began
	graph                   *graphPart

	// Once the relation was added:
	taken   bool
	view    *viewState
	loader  *state.Keeper
	store   *view.Store
	decode  func(schema int, body []byte) (*row.Batch, error)
	changes []view.Change
}

// index goes through the journal and returns what is in it, nil for nothing.
func index(j *checkpoint.Journal, damaged func(error)) (*restoring, error) {
	for {
		r, broken, err := scanIndex(j)
		if err != nil {
			if !errors.Is(err, checkpoint.ErrDamaged) {
				return nil, err
			}
			damaged(err) // what comes before is good, and scanned again
			continue
		}
		if broken == 0 {
			return r, nil
		}
		// Blocks after one that was lost are of no use before everything was saved as a whole again.
		err = j.Scan(func(b checkpoint.Block) error {
			if b.Number >= broken {
				return checkpoint.ErrCut
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
}

// scanIndex scans the journal; broken is the first block to do without, 0 for none.
func scanIndex(j *checkpoint.Journal) (r *restoring, broken uint64, err error) {
	var before []uint64 // relations that were whole before the last gap
	var cut uint64
	begins := map[uint64]*savedUnit{}
	err = j.Scan(func(b checkpoint.Block) error {
		s := scanner{b: b.Body}
		head := s.head()
		if s.err == nil && head.gap {
			if r != nil {
				before, cut = wholeOf(r.units), b.Number
			}
			r = nil
		}
		if r == nil {
			r = &restoring{units: map[uint64]*savedUnit{}, begun: time.Now()}
		}
		head.clocks = slices.Clone(head.clocks)
		r.head = head
		s.parts(func(id uint64, kind section, body []byte) { r.note(id, kind, body, b.Number, begins) })
		return s.err
	})
	if err != nil {
		return nil, 0, err
	}
	for _, id := range before {
		if u := r.units[id]; u == nil || !u.whole {
			return nil, cut, nil
		}
	}
	return r, 0, nil
}

func wholeOf(units map[uint64]*savedUnit) (ids []uint64) {
	for id, u := range units {
		if u.whole {
			ids = append(ids, id)
		}
	}
	return ids
}

// note takes in a section's place in the order of blocks. begins holds what is known of cycles that have not ended.
func (r *restoring) note(id uint64, kind section, body []byte, number uint64, begins map[uint64]*savedUnit) {
	u := r.units[id]
	if u == nil {
		u = &savedUnit{}
		r.units[id] = u
	}
	s := scanner{b: body}
	switch kind {
	case sectionLost:
		delete(r.units, id)
		delete(begins, id)
	case sectionBegin:
		begins[id] = &savedUnit{begun: number, schema: int(s.uvarint()), born: s.uvarint(), since: r.head.tick}
	case sectionGraph:
		g := s.graph()
		u.graph = &g
	case sectionWhole:
		if c := begins[id]; c != nil {
			u.before, u.complete = u.complete, c.begun
			if !u.whole {
				u.before = c.begun
			}
			u.whole, u.schema, u.born, u.since = true, c.schema, c.born, c.since
			delete(begins, id)
		}
	}
}

// saved returns what the checkpoint has of a relation that is being added, nil if there is nothing to start from.
func (e *Engine) saved(id uint64) *savedUnit {
	if e.restoring == nil {
		return nil
	}
	if u := e.restoring.units[id]; u != nil && u.whole {
		return u
	}
	return nil
}

// SavedWorkers is the number of shards with which a view was saved that is to be added before Start, 0 if it was not.
func (e *Engine) SavedWorkers(relation uint64) int {
	if u := e.saved(relation); u != nil && u.graph != nil {
		return u.graph.workers
	}
	return 0
}

// restoreInput prepares a stream or table to go on from the checkpoint.
func (e *Engine) restoreInput(in *input, d *decoder) (fresh bool) {
	if e.restoring == nil {
		return true
	}
	at, ok := slices.BinarySearchFunc(sortedInputs(e.restoring.head.inputs), in.rel.ID, func(s savedInput, id uint64) int {
		if s.id < id {
			return -1
		}
		if s.id > id {
			return 1
		}
		return 0
	})
	if !ok {
		return true
	}
	from := e.restoring.head.inputs[at]
	if in.store != nil {
		u := e.saved(in.rel.ID)
		if u == nil || u.schema >= len(d.codecs) {
			return true
		}
		u.taken, u.store = true, in.store
		u.decode = func(schema int, body []byte) (*row.Batch, error) {
			if schema >= len(d.codecs) {
				return nil, fmt.Errorf("version %d of the columns of %s is not known", schema, in.rel.Name)
			}
			b, err := d.codecs[schema].Decode(body)
			if err != nil {
				return nil, err
			}
			return d.upgrade(b, schema), nil
		}
	}
	if in.rel.Options["storage"] == "memory" {
		return in.store == nil // its topic begins anew with each start
	}
	in.from = log.Offset(from.applied)
	in.first.Store(from.first)
	return in.store == nil
}

// restoreView lets a view go on from the checkpoint; ok is false if it cannot.
func (e *Engine) restoreView(rel *catalog.Relation, graph *dataflow.Graph, store *view.Store, reads map[string]uint64) (ok bool, why string) {
	u := e.saved(rel.ID)
	if u == nil || u.graph == nil {
		return false, "it is not in the checkpoint"
	}
	for name, id := range reads {
		in := e.inputOf(id)
		switch other := e.restoring.units[id]; {
		case in != nil && in.store == nil && in.from > 0:
		case in != nil && in.store == nil && !e.inHead(id):
			return false, fmt.Sprintf("%s is not in the checkpoint", name)
		case in != nil && in.store == nil:
		case other == nil || !other.taken:
			return false, fmt.Sprintf("%s is not in the checkpoint", name)
		}
	}
	if u.graph.mark != graph.Fingerprint() || u.graph.workers != graph.Workers() {
		return false, "its query is planned in another way now"
	}
	codec, err := contentCodec(rel.Columns)
	if err != nil {
		return false, err.Error()
	}
	loader := state.NewLoader(u.graph.numbers)
	graph.Persist(loader)
	if err := loader.Err(); err != nil || loader.Shape() != u.graph.shape {
		return false, "its state is laid out in another way now"
	}
	v := &viewState{rel: rel, graph: graph, store: store, reads: reads}
	v.time = newTiming(e.clockedStreams(v), graph.Resolution().Microseconds())
	v.time.mark, v.time.taken, v.time.times = u.graph.timing.mark, u.graph.timing.taken, u.graph.timing.times
	graph.SetTimes(v.time.times)
	v.ticks.Store(u.graph.ticks)
	v.late.Store(u.graph.late)
	v.rejected.Store(u.graph.bad)
	u.taken, u.view, u.store, u.loader = true, v, store, loader
	u.decode = func(_ int, body []byte) (*row.Batch, error) { return codec.Decode(body) }
	e.views = append(e.views, v)
	e.follow()
	e.watched.running(v)
	return true, ""
}

func (e *Engine) inHead(id uint64) bool {
	return slices.ContainsFunc(e.restoring.head.inputs, func(s savedInput) bool { return s.id == id })
}

// restore loads what the checkpoint has of the relations that were added, and begins where it ends.
func (e *Engine) restore() error {
	r := e.restoring
	if r == nil {
		return nil
	}
	first := e.saver.journal.Next()
	for _, u := range r.units {
		if u.taken {
			first = min(first, u.complete)
		}
	}
	var failed error
	err := e.saver.journal.Scan(func(b checkpoint.Block) error {
		if b.Number < first {
			return nil
		}
		s := scanner{b: b.Body}
		head := s.head()
		s.parts(func(id uint64, kind section, body []byte) {
			if u := r.units[id]; u != nil && u.taken && b.Number >= u.complete && failed == nil {
				failed = u.load(kind, body, head.tick)
			}
		})
		return errors.Join(s.err, failed)
	})
	if err != nil {
		return fmt.Errorf("loading the checkpoint: %w", err)
	}
	for _, id := range slices.Sorted(maps.Keys(r.units)) {
		u := r.units[id]
		if !u.taken {
			e.saver.lost = append(e.saver.lost, id)
			continue
		}
		if err := u.finish(r.head.tick); err != nil {
			return fmt.Errorf("loading the checkpoint of relation %d: %w", id, err)
		}
		e.saver.restored(id, u)
		e.published.Lock()
		e.published.stores[id] = u.store
		if u.view != nil {
			e.published.born[id] = u.born
		}
		e.published.Unlock()
	}
	cs := scanner{b: r.head.clocks}
	if cs.clocks(e.clocks); cs.err != nil {
		return fmt.Errorf("loading the checkpoint: %w", cs.err)
	}
	e.restoring = nil
	e.logger.Info("loaded the checkpoint", "tick", r.head.tick, "relations", len(e.saver.units), "bytes", e.saver.journal.Bytes(), "took", time.Since(r.begun).Round(time.Millisecond))
	return nil
}

// restoreGuarded is restore for a checkpoint of which nothing is known but its checksums: what it makes go wrong is damage.
func (e *Engine) restoreGuarded() error {
	err := guard(e.restore)
	if err != nil && !errors.Is(err, checkpoint.ErrDamaged) {
		err = fmt.Errorf("%w: %w", checkpoint.ErrDamaged, err)
	}
	return err
}

// SavedSince is the offset of the first record of a stream that the saved views have seen, 0 if it is not in the checkpoint; saved says whether the checkpoint has state
// of a relation. They are asked before Start.
func (e *Engine) SavedSince(relation uint64) (first log.Offset, saved bool) {
	_ = e.call(context.Background(), func() {
		if e.restoring == nil {
			return
		}
		for _, in := range e.restoring.head.inputs {
			if in.id == relation {
				first = log.Offset(in.first)
			}
		}
		saved = e.saved(relation) != nil
	})
	return first, saved
}

// load takes in one section.
func (u *savedUnit) load(kind section, body []byte, tick uint64) error {
	s := scanner{b: body}
	switch kind {
	case sectionDelta, sectionPages:
		if u.loader == nil {
			return fmt.Errorf("%w: operators of a table", checkpoint.ErrDamaged)
		}
		return u.loader.Restore(body)
	case sectionRows:
		schema := int(s.uvarint())
		for _, b := range s.batches(u.decode, schema) {
			if b.Len == 0 {
				continue
			}
			if err := u.store.Load(u.since, b); err != nil {
				return err
			}
		}
	case sectionChanges:
		schema := int(s.uvarint())
		for len(s.b) > 0 && s.err == nil {
			at := s.uvarint()
			batches := s.batches(u.decode, schema)
			if at > u.since && len(batches) > 0 {
				u.changes = append(u.changes, view.Change{Tick: at, Batch: row.Concat(batches)})
			}
		}
	}
	return s.err
}

// finish makes what was loaded the relation's content as of a tick.
func (u *savedUnit) finish(tick uint64) error {
	u.store.Publish(u.since)
	for _, c := range u.changes {
		if err := u.store.Apply(c.Tick, c.Batch); err != nil {
			return err
		}
		u.store.Publish(c.Tick)
	}
	u.changes = nil
	u.store.Publish(tick)
	if u.loader == nil {
		return nil
	}
	return u.loader.Loaded()
}

// restored enters a relation that goes on from the checkpoint.
func (s *saver) restored(id uint64, from *savedUnit) {
	u := &unit{id: id, of: from.store, view: from.view, complete: from.complete, before: from.before, whole: true}
	if u.view != nil {
		u.of, u.steps = u.view, u.view.ticks.Load()
	}
	columns := from.store.Schema()
	if u.codec, _ = contentCodec(columns); u.codec == nil {
		s.lost = append(s.lost, id)
		return
	}
	s.units[id] = u
}

// Knows reports whether a tick of a run is one that this run has, too: its own, or one from before the checkpoint that it began with.
func (e *Engine) Knows(epoch, tick uint64) bool {
	if epoch == e.opts.Epoch {
		return tick <= e.Tick()
	}
	for _, p := range e.epochs {
		if p.number == epoch {
			return tick <= p.last
		}
	}
	return false
}

// addRestored adds a view that goes on from the checkpoint; restored is false if there is none.
func (e *Engine) addRestored(ctx context.Context, rel *catalog.Relation, graph *dataflow.Graph, store *view.Store, reads map[string]uint64) (restored bool, err error) {
	why := ""
	err = e.call(ctx, func() {
		if e.restoring == nil {
			return
		}
		restored, why = e.restoreView(rel, graph, store, reads)
	})
	if err != nil || why != "" {
		graph.Close()
	}
	if err == nil && why != "" {
		err = fmt.Errorf("%w: %s", ErrNotSaved, why)
	}
	return restored, err
}
