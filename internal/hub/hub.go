package hub

import (
	"sync"

	"github.com/tidemill/tidemill/internal/engine"
	"github.com/tidemill/tidemill/internal/metrics"
	"github.com/tidemill/tidemill/internal/row"
	"github.com/tidemill/tidemill/internal/view"
)

// Source is where the hub gets what it did not see pass by.
type Source interface {
	// Open returns the content of a relation at the last published tick.
	Open(relation uint64) (tick uint64, snap Snapshot, err error)
	// Changes returns the changes of a relation after a tick up to the published one; ok is false if the history does not reach back.
	Changes(relation, after uint64) (changes []view.Change, upTo uint64, ok bool)
}

// Snapshot is the content of a relation at a tick.
type Snapshot interface {
	// Find returns an iterator over the rows whose columns equal the values.
	Find(columns []int, values []row.Value) (engine.Iterator, error)
	Close()
}

const (
	// framesMax bounds the frames that wait for one subscription, ticksMax the ticks that wait to be routed.
	framesMax = 256
	ticksMax  = 4096
)

// Hub routes the ticks of one database.
type Hub struct {
	source Source
	counts *metrics.Subscriptions
	wake   chan struct{} // cap 1
	done   chan struct{}
	wait   sync.WaitGroup

	queue struct {
		sync.Mutex
		ticks []engine.Tick
		lost  bool // ticks were dropped: every subscription has to catch up
	}

	mu struct {
		sync.Mutex
		tick      uint64 // routed up to here
		relations map[uint64]*relation
		count     int
		lastID    uint64
		closed    bool
	}
}

// relation holds the subscriptions to one relation.
type relation struct {
	shapes []*shape
}

// shape holds the subscriptions that fix the same columns.
type shape struct {
	columns []int
	buckets map[string]*bucket // by the encoded values
}

// bucket holds the subscriptions with the same values.
type bucket struct {
	key  string
	subs map[*Subscription]struct{}
}

// New starts a hub; counts may be nil.
func New(source Source, counts *metrics.Subscriptions) *Hub {
	h := &Hub{source: source, counts: counts, wake: make(chan struct{}, 1), done: make(chan struct{})}
	h.mu.relations = map[uint64]*relation{}
	h.wait.Go(h.run)
	return h
}

// Close ends all subscriptions and waits for the hub's goroutine.
func (h *Hub) Close() {
	h.mu.Lock()
	if h.mu.closed {
		h.mu.Unlock()
		return
	}
	h.mu.closed = true
	for _, r := range h.mu.relations {
		r.each(func(s *Subscription) { s.end(ErrClosed) })
	}
	h.mu.Unlock()
	close(h.done)
	h.wait.Wait()
}

// Count is the number of open subscriptions.
func (h *Hub) Count() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.mu.count
}

// Tick takes a published tick. It never blocks: when the hub is far behind, ticks are dropped and subscriptions catch up
// from the change history.
func (h *Hub) Tick(t engine.Tick) {
	h.queue.Lock()
	if len(h.queue.ticks) >= ticksMax {
		h.queue.ticks = h.queue.ticks[:0]
		h.queue.lost = true
	}
	h.queue.ticks = append(h.queue.ticks, t)
	h.queue.Unlock()
	select {
	case h.wake <- struct{}{}:
	default:
	}
}

func (h *Hub) run() {
	for {
		select {
		case <-h.wake:
		case <-h.done:
			return
		}
		h.queue.Lock()
		ticks, lost := h.queue.ticks, h.queue.lost
		h.queue.ticks, h.queue.lost = nil, false
		h.queue.Unlock()
		if lost {
			h.mu.Lock()
			for _, r := range h.mu.relations {
				r.each(func(s *Subscription) {
					s.lag()
					h.counts.Behind()
				})
			}
			h.mu.Unlock()
		}
		for _, t := range ticks {
			h.route(t)
		}
	}
}

// route hands one tick's changes to the subscriptions.
func (h *Hub) route(t engine.Tick) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for id, err := range t.Stopped {
		if r := h.mu.relations[id]; r != nil {
			r.each(func(s *Subscription) { s.end(err) })
		}
	}
	for id, b := range t.Changes {
		if r := h.mu.relations[id]; r != nil && b != nil && b.Len > 0 {
			for _, s := range r.shapes {
				s.route(&t, b)
			}
		}
	}
	h.mu.tick = t.Number
}

func (s *shape) route(t *engine.Tick, b *row.Batch) {
	if len(s.columns) == 0 {
		for _, bk := range s.buckets {
			bk.send(&Frame{Tick: t.Number, Rows: b, Trace: t.Trace})
		}
		return
	}
	at := map[*bucket][]int32{}
	var key []byte
	for i := range b.Len {
		key = key[:0]
		for _, c := range s.columns {
			key = row.AppendKey(key, &b.Cols[c], i)
		}
		if bk := s.buckets[string(key)]; bk != nil {
			at[bk] = append(at[bk], int32(i))
		}
	}
	for bk, rows := range at {
		bk.send(&Frame{Tick: t.Number, Rows: b.Gather(rows), Trace: t.Trace})
	}
}

func (b *bucket) send(f *Frame) {
	for s := range b.subs {
		s.push(f)
	}
}

func (r *relation) each(f func(*Subscription)) {
	for _, s := range r.shapes {
		for _, b := range s.buckets {
			for sub := range b.subs {
				f(sub)
			}
		}
	}
}

// Drop ends the subscriptions to a relation that is gone.
func (h *Hub) Drop(id uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if r := h.mu.relations[id]; r != nil {
		r.each(func(s *Subscription) { s.end(ErrDropped) })
	}
}

// enter adds a subscription.
func (h *Hub) enter(s *Subscription) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.mu.closed {
		return ErrClosed
	}
	r := h.mu.relations[s.relation]
	if r == nil {
		r = &relation{}
		h.mu.relations[s.relation] = r
	}
	sh := r.shape(s.columns)
	b := sh.buckets[s.key]
	if b == nil {
		b = &bucket{key: s.key, subs: map[*Subscription]struct{}{}}
		sh.buckets[s.key] = b
	}
	b.subs[s] = struct{}{}
	s.shape, s.bucket = sh, b
	h.mu.count++
	h.counts.Opened()
	h.mu.lastID++
	s.id = h.mu.lastID
	return nil
}

func (r *relation) shape(columns []int) *shape {
	for _, s := range r.shapes {
		if equalInts(s.columns, columns) {
			return s
		}
	}
	s := &shape{columns: columns, buckets: map[string]*bucket{}}
	r.shapes = append(r.shapes, s)
	return s
}

func equalInts(a, b []int) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

// leave takes a subscription out, and its shape when it was the last.
func (h *Hub) leave(s *Subscription) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if s.bucket == nil {
		return
	}
	delete(s.bucket.subs, s)
	h.mu.count--
	h.counts.Closed()
	if len(s.bucket.subs) == 0 {
		delete(s.shape.buckets, s.bucket.key)
	}
	r := h.mu.relations[s.relation]
	if len(s.shape.buckets) == 0 {
		kept := r.shapes[:0]
		for _, sh := range r.shapes {
			if sh != s.shape {
				kept = append(kept, sh)
			}
		}
		r.shapes = kept
	}
	if len(r.shapes) == 0 {
		delete(h.mu.relations, s.relation)
	}
	s.bucket = nil
}

// routed is the tick up to which everything has been handed out.
func (h *Hub) routed() uint64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.mu.tick
}
