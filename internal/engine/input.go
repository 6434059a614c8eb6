package engine

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync/atomic"

	"github.com/tidemill/tidemill/internal/catalog"
	"github.com/tidemill/tidemill/internal/log"
	"github.com/tidemill/tidemill/internal/record"
	"github.com/tidemill/tidemill/internal/row"
	"github.com/tidemill/tidemill/internal/view"
)

// input is a stream or table: what its reader has decoded and the loop has not yet taken.
type input struct {
	rel    *catalog.Relation // as it was added: for its ID, topic and name
	def    atomic.Pointer[decoder]
	store  *view.Store // of a table; the loop's own
	cancel context.CancelFunc
	space  chan struct{} // cap 1: signalled when the loop took something
	time   *EventTime    // of a stream with a watermark

	// Guarded by Engine.queues.
	queue       []group
	queuedBytes int64
	gone        bool
	replayed    bool // what was in the log at the start is queued or taken
	failed      bool // nothing more comes: its reader stopped at an error

	from  log.Offset    // where reading begins: what is below is in the checkpoint
	first atomic.Uint64 // the offset of the first record that was read
	read  atomic.Uint64 // above the last record that was read
	// underway is when the log took the oldest of what the tick that runs has taken, microseconds, 0 for nothing.
	underway atomic.Int64

	stopped bool // the loop's own: what it holds no longer follows its log
}

// group is what was appended together: it is applied in one tick.
type group struct {
	batches []*row.Batch
	schemas []int      // the version of the schema of each batch
	end     log.Offset // above the last record
	rows    int
	bytes   int64
	tx      record.TxID
	final   bool // the transaction's last group in this topic
	spans   []span
	taken   int64 // when the log took it, microseconds
}

// AddInput adds a stream or table. Before Start nothing is read; afterwards the reader starts at once at the beginning of the topic. store is nil
// for a stream.
func (e *Engine) AddInput(rel *catalog.Relation, store *view.Store, started bool) error {
	in := &input{rel: rel, store: store, space: make(chan struct{}, 1)}
	d, err := newDecoder(rel)
	if err != nil {
		return err
	}
	in.def.Store(d)
	if e.opts.EventTime != nil && rel.Kind == catalog.Stream {
		in.time = e.opts.EventTime(rel)
	}
	if in.time != nil {
		if err := e.call(context.Background(), func() { e.clocks.add(rel.ID, newClock(*in.time)) }); err != nil {
			return err
		}
	}
	e.queues.Lock()
	e.queues.inputs[rel.ID] = in
	e.queues.Unlock()
	fresh := true
	if !started {
		if err := e.call(context.Background(), func() { fresh = e.restoreInput(in, d) }); err != nil {
			return err
		}
	}
	e.published.Lock()
	e.published.applied[rel.ID] = in.from
	e.published.decoders[rel.ID] = d
	if store != nil && fresh {
		store.Publish(e.published.tick)
		e.published.stores[rel.ID] = store
	}
	e.published.Unlock()
	if started && !e.startReader(in, 0, nil) {
		return ErrClosed
	}
	return nil
}

// startReader starts the goroutine that reads an input, unless the engine is closed. If replayed is not nil it is told when everything
// below end was read, or that nothing more of it will be.
func (e *Engine) startReader(in *input, end log.Offset, replayed chan<- error) bool {
	ctx, cancel := context.WithCancel(e.ctx)
	e.queues.Lock()
	in.cancel = cancel
	if in.gone {
		cancel()
	}
	e.queues.Unlock()
	started := e.spawn(func() {
		defer cancel()
		r := reader{e: e, in: in, ctx: ctx, next: in.from}
		if replayed != nil {
			err := e.read(ctx, in, func() error { return e.opts.Log.ReadRange(ctx, in.rel.Topic(), in.from, end, r.take) })
			e.queues.Lock()
			in.replayed = true
			e.queues.Unlock()
			e.signal() // streams with a watermark wait for each other
			replayed <- err
		}
		if !e.hasFailed(in) {
			_ = e.read(ctx, in, func() error { return e.opts.Log.Read(ctx, in.rel.Topic(), max(end, r.next), r.take) })
		}
	})
	if !started {
		cancel()
	}
	return started
}

// read runs a reading of an input's topic. An error of what is stored there stops the relation; only an end of the log or of the engine
// is an error for the caller.
func (e *Engine) read(ctx context.Context, in *input, reading func() error) error {
	err := reading()
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil && e.ctx.Err() == nil:
		return nil // dropped
	case ctx.Err() != nil || errors.Is(err, log.ErrNoTopic) || errors.Is(err, log.ErrClosed):
		return err
	}
	e.queues.Lock()
	in.failed = true
	e.queues.Unlock()
	e.signal() // transactions no longer wait for the input
	e.logger.Error("reading a topic stopped", "relation", in.rel.Name, "error", err)
	err = fmt.Errorf("reading %s: %w", in.rel.Name, err)
	return e.call(ctx, func() {
		e.stopInput(in, err)
		e.reportStopped()
	})
}

func (e *Engine) hasFailed(in *input) bool {
	e.queues.Lock()
	defer e.queues.Unlock()
	return in.failed
}

// reader decodes records into groups.
type reader struct {
	e    *Engine
	in   *input
	ctx  context.Context
	open group
	next log.Offset
}

func (r *reader) take(rec log.Record) error {
	h, body, err := record.Parse(rec.Body)
	if err != nil {
		return fmt.Errorf("record %d: %w", rec.Offset, err)
	}
	if r.in.first.Load() == 0 {
		r.in.first.Store(uint64(rec.Offset))
	}
	d := r.in.def.Load()
	b, err := d.decode(h, body)
	if err != nil {
		return fmt.Errorf("record %d: %w", rec.Offset, err)
	}
	r.open.batches, r.open.schemas = append(r.open.batches, b), append(r.open.schemas, d.version())
	r.open.rows += b.Len
	r.open.bytes += int64(len(rec.Body))
	r.open.tx, r.open.final = h.Tx, h.Final
	r.open.taken = h.Ingested.UnixMicro()
	if r.in.time != nil {
		r.open.spans = append(r.open.spans, r.in.time.spansOf(d.rel, b, rec.Partition, h.Ingested)...)
	}
	r.next = rec.Offset + 1
	r.in.read.Store(uint64(r.next))
	if !rec.Last {
		return nil
	}
	r.open.end = r.next
	g := r.open
	r.open = group{}
	return r.e.enqueue(r.ctx, r.in, g)
}

// incompleteLocked reports whether the queue waits for the rest of the transaction at its head: it must come in whatever its size, or
// nothing would ever move again. What bounds it is what a transaction may write.
func (in *input) incompleteLocked() bool {
	return !in.wholeLocked(0)
}

// wholeLocked reports whether all of the transaction that the group at a place in the queue belongs to is there.
func (in *input) wholeLocked(at int) bool {
	tx := in.queue[at].tx
	return tx == (record.TxID{}) || slices.ContainsFunc(in.queue[at:], func(g group) bool { return g.tx == tx && g.final })
}

// enqueue hands a group to the loop; it waits while the input's queue is full.
func (e *Engine) enqueue(ctx context.Context, in *input, g group) error {
	for {
		e.queues.Lock()
		if in.gone {
			e.queues.Unlock()
			return context.Canceled
		}
		if len(in.queue) == 0 || in.queuedBytes+g.bytes <= e.opts.QueueBytes || in.incompleteLocked() {
			in.queue = append(in.queue, g)
			in.queuedBytes += g.bytes
			e.queues.Unlock()
			e.signal()
			return nil
		}
		e.queues.Unlock()
		select {
		case <-in.space:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Commit tells the engine that a transaction of this run is in the log as a whole; it is applied in one tick.
func (e *Engine) Commit(tx record.TxID, participants []uint64) {
	e.queues.Lock()
	e.queues.committed[tx] = participants
	e.queues.Unlock()
	e.signal()
}

// Abort tells the engine that a transaction of this run will never commit.
func (e *Engine) Abort(tx record.TxID) {
	e.queues.Lock()
	e.queues.aborted[tx] = true
	e.queues.Unlock()
	e.signal()
}

// taken is what a tick takes from one input.
type taken struct {
	in     *input
	groups []group
	end    log.Offset
}

// takeQueued takes what the next tick may apply from all inputs: whole groups, up to the bound of rows, and of a transaction
// everything or nothing.
func (e *Engine) takeQueued() (took []taken, more bool) {
	e.queues.Lock()
	defer e.queues.Unlock()
	// A transaction comes first: what of it is late depends on what the ticks before have taken alone.
	took, applied := e.takeTransactionLocked(nil)
	budget := e.opts.TickRows
	ids := make([]uint64, 0, len(e.queues.inputs))
	var timed []*input
	for id, in := range e.queues.inputs {
		switch {
		case in.time != nil || e.clocks.mixed[id]:
			timed = append(timed, in)
		case len(in.queue) > 0:
			ids = append(ids, id)
		}
	}
	take := func(t taken) {
		for i := range t.groups {
			budget -= t.groups[i].rows
		}
		if t.end > 0 {
			took = addGroups(took, t)
		}
	}
	if len(timed) > 0 {
		var ts []taken
		ts, more = e.takeTimedLocked(timed, max(1, budget*len(timed)/(len(timed)+len(ids))))
		for _, t := range ts {
			take(t)
		}
	}
	slices.Sort(ids)
	for k, id := range ids {
		t, left := e.takeFromLocked(e.queues.inputs[id], max(1, budget/(len(ids)-k)))
		take(t)
		more = more || left
	}
	if !applied {
		applied = e.transactionReadyLocked()
	}
	return took, more || applied
}

// takeFromLocked takes groups from one input up to the first that belongs to an open transaction.
func (e *Engine) takeFromLocked(in *input, rows int) (t taken, more bool) {
	t.in = in
	n := 0
	for n < len(in.queue) && rows > 0 {
		g := &in.queue[n]
		if g.tx != (record.TxID{}) {
			verdict := e.verdictLocked(g.tx)
			if verdict == txOpen || verdict == txCommitted {
				break
			}
			if verdict == txApplied {
				t.groups = append(t.groups, *g)
			}
			t.end = g.end
			n++
			continue
		}
		t.groups = append(t.groups, *g)
		t.end = g.end
		rows -= g.rows
		n++
	}
	more = n < len(in.queue) && rows <= 0
	in.dropLocked(n)
	return t, more
}

func (in *input) dropLocked(n int) {
	if n == 0 {
		return
	}
	for i := range n {
		in.queuedBytes -= in.queue[i].bytes
	}
	in.queue = slices.Delete(in.queue, 0, n)
	select {
	case in.space <- struct{}{}:
	default:
	}
}

type txVerdict uint8

const (
	txOpen      txVerdict = iota // not decided yet: wait
	txCommitted                  // of this run: apply all participants together
	txApplied                    // committed before this run: apply like any other group
	txAborted                    // skip
)

func (e *Engine) verdictLocked(tx record.TxID) txVerdict {
	switch {
	case e.queues.aborted[tx]:
		return txAborted
	case e.queues.committed[tx] != nil:
		return txCommitted
	case e.opts.Committed(tx):
		return txApplied
	case e.startedBefore(tx):
		return txAborted
	}
	return txOpen
}

// startedBefore reports whether a transaction was begun by another run, which must be an earlier one: its ID begins with the epoch.
func (e *Engine) startedBefore(tx record.TxID) bool {
	epoch := uint64(0)
	for _, b := range tx[:8] {
		epoch = epoch<<8 | uint64(b)
	}
	return epoch != e.opts.Epoch
}

// headsLocked returns how many groups there are at the head of each participant's queue up to a transaction's last; ready is false while one is not
// there yet.
func (e *Engine) headsLocked(tx record.TxID, participants []uint64) (lengths map[uint64]int, ready bool) {
	lengths = make(map[uint64]int, len(participants))
	for _, id := range participants {
		in := e.queues.inputs[id]
		if in == nil {
			continue
		}
		n := e.headLocked(in, tx)
		lengths[id] = n
		// Of an input that stopped the rest never comes; nobody reads it.
		if n == 0 && !in.failed {
			return nil, false
		}
	}
	return lengths, true
}

func (e *Engine) transactionReadyLocked() bool {
	for tx, participants := range e.queues.committed {
		if _, ready := e.headsLocked(tx, participants); ready {
			return true
		}
	}
	return false
}

// takeTransactionLocked adds a committed transaction whose groups are all at the head of their queues. Groups of others that were appended
// between its own are taken with it.
func (e *Engine) takeTransactionLocked(took []taken) ([]taken, bool) {
	for tx, participants := range e.queues.committed {
		lengths, ready := e.headsLocked(tx, participants)
		if !ready {
			continue
		}
		for _, id := range slices.Sorted(maps.Keys(lengths)) {
			n := lengths[id]
			if n == 0 {
				continue
			}
			in := e.queues.inputs[id]
			groups := slices.DeleteFunc(slices.Clone(in.queue[:n]), func(g group) bool { return e.isAbortedLocked(g.tx) })
			for i := range groups {
				e.clocks.take(id, groups[i].taken, groups[i].spans)
			}
			took = addGroups(took, taken{in: in, groups: groups, end: groups[len(groups)-1].end})
			in.dropLocked(n)
		}
		delete(e.queues.committed, tx)
		return took, true
	}
	return took, false
}

func (e *Engine) isAbortedLocked(tx record.TxID) bool {
	return tx != (record.TxID{}) && e.verdictLocked(tx) == txAborted
}

// headLocked returns the number of groups at the head of the queue up to the last one of a transaction, 0 while that is not there or
// something else has to be decided first.
func (e *Engine) headLocked(in *input, tx record.TxID) int {
	if len(in.queue) == 0 || in.queue[0].tx != tx {
		return 0
	}
	for n := range in.queue {
		g := &in.queue[n]
		switch {
		case g.tx == tx && g.final:
			return n + 1
		case g.tx == tx || g.tx == (record.TxID{}):
		default:
			if v := e.verdictLocked(g.tx); v == txOpen || v == txCommitted {
				return 0
			}
		}
	}
	return 0
}

func addGroups(took []taken, t taken) []taken {
	for i := range took {
		if took[i].in == t.in {
			took[i].groups, took[i].end = append(took[i].groups, t.groups...), t.end
			return took
		}
	}
	return append(took, t)
}
