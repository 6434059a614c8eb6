package engine

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/tidemill/tidemill/internal/checkpoint"
	"github.com/tidemill/tidemill/internal/dataflow/state"
	"github.com/tidemill/tidemill/internal/row"
	"github.com/tidemill/tidemill/internal/view"
)

// A checkpoint is the state of the engine between two ticks. It is saved as a block of a checkpoint.Journal that says what changed since the block before: granules of
// the views' operators, the changes of the contents of views and tables, and all that is small. So that the first blocks need not be kept for ever, every
// relation is saved as a whole again and again, a part with each block: its blocks from the beginning of such a cycle on are all that is needed once the
// cycle has ended. The contents of a cycle are those of the tick at which it began, which a snapshot keeps; operators are saved page by page as they
// are, since what changes in a page that was saved already is in a later block.
//
// The loop takes images of memory between two ticks; a goroutine encodes and writes them.

const (
	// checkpointEvery is how long after a block the next one is begun if anything has changed.
	checkpointEvery = time.Second
	// checkpointBytes begins a block earlier: when that much has changed in contents, or came in.
	checkpointBytes = 16 << 20
	// wholeBytesMin and wholeBytesMax bound how much of a cycle a block saves.
	wholeBytesMin = 1 << 20
	wholeBytesMax = 8 << 20
	// unitBytes is what a unit takes at least.
	unitBytes = 4 << 10
	// journalBytesMin is what may be stored before anything is saved as a whole again to let go of what is older.
	journalBytesMin = 64 << 20
	// closingBytes bounds what is saved as a whole at the end that was not yet.
	closingBytes = 64 << 20
)

// saver is the loop's part of checkpoints.
type saver struct {
	e       *Engine
	journal *checkpoint.Journal
	units   map[uint64]*unit // by relation
	last    time.Time        // of the last block
	bytes   int64            // changed since
	ticks   int              // since
	writing bool             // a block is being written
	gap     bool             // the last block could not be written: the next one does not follow on the ones before
	overrun bool             // so much has changed while a block is being written that it is no longer noted
	timer   <-chan time.Time
	written chan written
	done    chan struct{} // closed when the goroutine that writes has ended
	blocks  chan *block
	lost    []uint64 // relations that are gone since the last block: what was saved of them means nothing any more

	writtenBytes int64 // bytes, in this run
}

// unit is a relation with state: a table, or a view.
type unit struct {
	id    uint64
	of    any // the *viewState or *input; another one has nothing to do with what was saved
	view  *viewState
	codec *row.Codec // of contents with their weights; nil if they cannot be saved, and the view is always built anew

	changes []view.Change // since the last block
	steps   int64         // of the view at the last block
	size    int64         // when the last block was planned

	// Of the cycle under way.
	running bool
	begun   uint64 // its first block
	cursor  state.Cursor
	paged   bool // the operators are saved
	rows    *view.Iterator
	content bool // so are the contents

	// complete is the first block of the last cycle that has ended, before that of the one before; whole says whether there was one.
	complete, before uint64
	whole            bool
}

// block is what the loop hands to the writer.
type block struct {
	gap    bool
	tick   uint64
	epochs []epoch
	inputs []savedInput
	clocks []byte
	units  []unitPart
	lost   []uint64
}

// savedInput is how far an input was read.
type savedInput struct {
	id, applied, first uint64
}

// unitPart is what a block says of a unit.
type unitPart struct {
	unit    *unit
	codec   *row.Codec
	begin   bool
	born    uint64
	graph   *graphPart // of a view
	changes []view.Change
	// whole says that a part of the cycle is saved: pages, and of the contents about rowBytes bytes read from rows.
	pages    []byte
	paged    bool
	rows     *view.Iterator
	rowBytes int
	schema   int // the version of the contents' columns

	// Set by the writer: there are no more rows; the contents cannot be encoded.
	exhausted bool
	failed    error
}

// graphPart is the state of a view beside its contents.
type graphPart struct {
	mark, shape      uint64
	workers          int
	timing           timing
	ticks, late, bad int64
	numbers, delta   []byte
}

// written is what became of a block.
type written struct {
	block  *block
	number uint64
	err    error
	took   time.Duration
	bytes  int64
}

// newSaver returns the saver of an engine.
func newSaver(e *Engine, j *checkpoint.Journal) *saver {
	return &saver{e: e, journal: j, units: map[uint64]*unit{}, last: time.Now(), written: make(chan written, 1), blocks: make(chan *block, 1), done: make(chan struct{})}
}

// note takes in what a tick changed.
func (s *saver) note(t Tick) {
	s.ticks++
	if s.bytes > backlogBytes && s.writing && !s.overrun {
		s.overrun = true // the disk stands still: everything will be saved as a whole again
		for _, u := range s.units {
			u.changes = nil
		}
	}
	for id, b := range t.Changes {
		s.bytes += b.Size()
		if s.overrun {
			continue
		}
		if u := s.units[id]; u != nil {
			u.changes = append(u.changes, view.Change{Tick: t.Number, Batch: b})
		}
	}
}

// after takes in what a tick changed, and saves if it is time to. There may be no saver.
func (s *saver) after(t Tick) {
	if s == nil || s.e.restoring != nil {
		return
	}
	s.note(t)
	select {
	case w := <-s.written:
		s.settle(w)
	default:
	}
	s.perhaps()
}

// writtenC tells what became of the block that is being written.
func (s *saver) writtenC() <-chan written {
	if s == nil {
		return nil
	}
	return s.written
}

// alarm is when the loop has to look again although nothing comes in, nil for never.
func (s *saver) alarm() <-chan time.Time {
	switch {
	case s == nil || s.writing || s.e.restoring != nil:
		return nil
	case s.timer != nil || !s.work():
		return s.timer
	}
	s.timer = time.After(max(0, checkpointEvery-time.Since(s.last)))
	return s.timer
}

// work reports whether there is anything to save.
func (s *saver) work() bool {
	if s.ticks > 0 {
		return true
	}
	for _, u := range s.units {
		if u.codec != nil && !u.whole {
			return true
		}
	}
	return false
}

// perhaps saves if it is time to.
func (s *saver) perhaps() {
	if s == nil || s.writing || s.e.restoring != nil {
		return
	}
	if s.bytes >= checkpointBytes || time.Since(s.last) >= checkpointEvery && s.work() {
		s.save()
	}
}

// save takes a block and hands it to the writer, which must be idle.
func (s *saver) save() {
	s.follow()
	b := &block{gap: s.gap, tick: s.e.tick, epochs: s.epochs(), clocks: s.e.clocks.append(nil)}
	s.e.published.RLock()
	for id, end := range s.e.published.applied {
		in := s.e.inputOf(id)
		if in != nil && !in.stopped {
			b.inputs = append(b.inputs, savedInput{id: id, applied: uint64(end), first: in.first.Load()})
		}
	}
	born := make(map[uint64]uint64, len(s.e.published.born))
	for id, tick := range s.e.published.born {
		born[id] = tick
	}
	s.e.published.RUnlock()
	budgets := s.plan(int(min(max(s.bytes, wholeBytesMin), wholeBytesMax)))
	for _, u := range s.units {
		budget, whole := budgets[u]
		if p, ok := s.part(u, whole, budget); ok {
			p.born = born[u.id]
			b.units = append(b.units, p)
		}
	}
	b.lost, s.lost = s.lost, nil
	s.last, s.bytes, s.ticks, s.timer, s.writing = time.Now(), 0, 0, nil, true
	s.blocks <- b
}

// epochsMax bounds the earlier runs of which tokens are known.
const epochsMax = 64

// epochs are the runs whose ticks the block has.
func (s *saver) epochs() []epoch {
	all := append(slices.Clone(s.e.epochs), epoch{s.e.opts.Epoch, s.e.tick})
	return all[max(0, len(all)-epochsMax):]
}

// follow brings the units in line with the relations there are.
func (s *saver) follow() {
	there := map[uint64]bool{}
	enter := func(id uint64, of any, v *viewState, columns row.Schema) {
		there[id] = true
		if u := s.units[id]; u != nil && u.of == of {
			return
		}
		s.drop(id)
		u := &unit{id: id, of: of, view: v}
		codec, err := contentCodec(columns)
		if err != nil {
			s.e.logger.Info("a view cannot be saved, and is built anew at each start", "relation", id, "why", err)
		} else {
			u.codec = codec
		}
		s.units[id] = u
	}
	for _, v := range s.e.views {
		if v.stopped == nil {
			enter(v.rel.ID, v, v, v.rel.Columns)
		}
	}
	s.e.queues.Lock()
	inputs := make([]*input, 0, len(s.e.queues.inputs))
	for _, in := range s.e.queues.inputs {
		inputs = append(inputs, in)
	}
	s.e.queues.Unlock()
	for _, in := range inputs {
		if in.store != nil && !in.stopped {
			enter(in.rel.ID, in.store, nil, in.def.Load().rel.Columns)
		}
	}
	for id := range s.units {
		if !there[id] {
			s.drop(id)
		}
	}
}

func (s *saver) drop(id uint64) {
	u := s.units[id]
	if u == nil {
		return
	}
	if u.rows != nil {
		u.rows.Close()
	}
	if u.whole || u.running {
		s.lost = append(s.lost, id)
	}
	delete(s.units, id)
}

// plan divides the bytes that a block saves of whole units among them: those that were never saved as a whole come first, the small ones before the large; what is left
// goes to the one whose cycle is under way, or whose last one began first. Once all were saved as a whole, that is done again only when there is much to let go of.
func (s *saver) plan(bytes int) map[*unit]int {
	var order []*unit
	total := int64(0)
	running := false
	for _, u := range s.units {
		if u.codec == nil {
			continue
		}
		order = append(order, u)
		u.size = u.bytes()
		total += u.size
		running = running || u.running
		if !u.whole {
			bytes = wholeBytesMax
		}
	}
	again := s.journal.Bytes() > max(journalBytesMin, 3*total)
	slices.SortFunc(order, func(a, b *unit) int {
		switch {
		case a.whole != b.whole:
			return flagOrder(b.whole)
		case !a.whole:
			return cmp.Or(cmp.Compare(a.size, b.size), cmp.Compare(a.id, b.id))
		case a.running != b.running:
			return flagOrder(a.running)
		}
		return cmp.Or(cmp.Compare(a.complete, b.complete), cmp.Compare(a.id, b.id))
	})
	out := map[*unit]int{}
	for _, u := range order {
		size := int(min(u.size, math.MaxInt32)) + unitBytes
		switch {
		case bytes <= 0:
			return out
		case u.whole && !u.running && !again:
		case u.running:
			out[u], bytes = bytes, 0
		case size <= bytes:
			out[u] = 2*size + unitBytes // what is encoded may be larger than what is in memory
			bytes -= size
		case !running: // one large unit at a time
			out[u], bytes = bytes, 0
		}
	}
	return out
}

// flagOrder puts what has a flag first.
func flagOrder(a bool) int {
	if a {
		return -1
	}
	return 1
}

// bytes is about what the unit takes when it is saved as a whole.
func (u *unit) bytes() int64 {
	if u.view != nil {
		return u.view.bytes.Load() + u.view.store.Stats().Bytes
	}
	return u.of.(*view.Store).Stats().Bytes
}

// part is what a block says of a unit; ok is false for nothing. Until its first cycle has begun there is nothing to say.
func (s *saver) part(u *unit, whole bool, budget int) (p unitPart, ok bool) {
	if u.codec == nil || !whole && !u.running && !u.whole {
		u.changes = nil
		return p, false
	}
	p = unitPart{unit: u, codec: u.codec, changes: u.changes, begin: whole && !u.running}
	u.changes = nil
	if in := s.e.inputOf(u.id); in != nil {
		p.schema = in.def.Load().version()
	}
	if p.begin {
		u.running, u.cursor, u.paged, u.content = true, state.Cursor{}, u.view == nil, false
		u.rows = contentOf(u)
	}
	if u.view != nil && (u.view.ticks.Load() != u.steps || whole) {
		k := state.NewKeeper()
		u.view.graph.Persist(k)
		p.graph = &graphPart{mark: u.view.graph.Fingerprint(), shape: k.Shape(), workers: u.view.graph.Workers(), timing: u.view.time,
			ticks: u.view.ticks.Load(), late: u.view.late.Load(), bad: u.view.rejected.Load(), numbers: k.Numbers()}
		if p.begin && !u.whole {
			k.Forget()
		} else {
			p.graph.delta = k.Changes(nil)
		}
		if whole && !u.paged {
			p.pages, u.cursor, u.paged = k.Pages(nil, u.cursor, budget)
			p.paged = true
		}
		u.steps = p.graph.ticks
	}
	if whole && !u.content {
		p.rows, p.rowBytes = u.rows, max(budget-len(p.pages), wholeBytesMin/4)
	}
	return p, true
}

// contentOf begins to read the contents of a relation as they are now.
func contentOf(u *unit) *view.Iterator {
	var store *view.Store
	if u.view != nil {
		store = u.view.store
	} else {
		store = u.of.(*view.Store)
	}
	snapshot := store.At()
	defer snapshot.Close()
	it, err := snapshot.Scan(everyColumn(len(store.Schema())))
	if err != nil {
		panic(fmt.Sprintf("BUG: scanning a snapshot that is open: %v", err))
	}
	return it
}

// settle takes in what became of the block that was written.
func (s *saver) settle(w written) {
	s.writing = false
	if s.overrun && w.err == nil {
		w.err = fmt.Errorf("writing took %s, in which too much changed to be kept for the next one", w.took.Round(time.Millisecond))
	}
	s.overrun = false
	if w.err != nil {
		if !s.gap {
			s.e.logger.Warn("a checkpoint could not be written; the one before is kept, and it is tried again", "error", w.err)
		}
		s.gap = true
		s.e.opts.Saves.Failed()
		for _, u := range s.units { // what was taken is lost: everything has to be saved as a whole again
			if u.rows != nil {
				u.rows.Close()
			}
			*u = unit{id: u.id, of: u.of, view: u.view, codec: u.codec}
		}
		return
	}
	if s.gap {
		s.e.logger.Info("checkpoints are written again")
	}
	s.gap = false
	s.e.opts.Saves.Saved(w.took, w.bytes, s.journal.Bytes())
	s.writtenBytes += w.bytes
	for i := range w.block.units {
		p := &w.block.units[i]
		u := p.unit
		if p.failed != nil && s.units[u.id] == u {
			s.e.logger.Warn("a relation cannot be saved, and is built anew at each start", "relation", u.id, "error", p.failed)
			s.drop(u.id)
			s.units[u.id] = &unit{id: u.id, of: u.of, view: u.view}
			continue
		}
		if s.units[u.id] != u || !u.running {
			continue
		}
		if p.begin {
			u.begun = w.number
		}
		if p.exhausted {
			u.content = true
			u.rows.Close()
			u.rows = nil
		}
		if u.paged && u.content && (p.exhausted || p.paged) {
			u.running = false
			u.before, u.complete, u.whole = u.complete, u.begun, true
			if u.before == 0 {
				u.before = u.begun
			}
		}
	}
	s.trim()
}

// trim lets go of blocks that neither the last checkpoint nor the one before needs.
func (s *saver) trim() {
	first := s.journal.Next()
	for _, u := range s.units {
		switch {
		case u.codec == nil:
		case !u.whole:
			return
		default:
			first = min(first, u.before)
		}
	}
	if err := s.journal.Drop(first); err != nil {
		s.e.logger.Warn("an old checkpoint could not be removed", "error", err)
	}
}

// write is the goroutine that writes blocks; it ends when the channel of blocks is closed.
func (s *saver) write() {
	defer close(s.done)
	for b := range s.blocks {
		begun := time.Now()
		body, err := b.append(nil)
		var number uint64
		if err == nil {
			number, err = s.journal.Append(body)
		}
		s.written <- written{block: b, number: number, err: err, took: time.Since(begun), bytes: int64(len(body))}
	}
}

// close saves what has changed since the last block and ends the writer.
func (s *saver) close() {
	if s.writing {
		s.settle(<-s.written)
	}
	for left := int64(closingBytes); s.e.restoring == nil && s.work() && left > 0 && !s.gap; {
		before := s.writtenBytes
		s.save()
		s.settle(<-s.written)
		left -= s.writtenBytes - before + wholeBytesMin
	}
	close(s.blocks)
	<-s.done
	for _, u := range s.units {
		if u.rows != nil {
			u.rows.Close()
		}
	}
	if err := s.journal.Close(); err != nil {
		s.e.logger.Warn("closing checkpoints failed", "error", err)
	}
}

// inputOf is the input of a relation, or nil.
func (e *Engine) inputOf(id uint64) *input {
	e.queues.Lock()
	defer e.queues.Unlock()
	return e.queues.inputs[id]
}

// Checkpoint saves the state now and returns when it is durable.
func (e *Engine) Checkpoint(ctx context.Context) error {
	var failed error
	err := e.call(ctx, func() {
		s := e.saver
		if s == nil {
			failed = fmt.Errorf("nothing is saved: the data is in memory only")
			return
		}
		if s.writing {
			s.settle(<-s.written)
		}
		s.save()
		w := <-s.written
		failed = w.err
		s.settle(w)
	})
	if err != nil {
		return err
	}
	return failed
}
