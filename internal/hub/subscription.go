package hub

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/tidemill/tidemill/internal/engine"
	"github.com/tidemill/tidemill/internal/row"
	"github.com/tidemill/tidemill/internal/trace"
	"github.com/tidemill/tidemill/internal/view"
)

// ErrClosed ends subscriptions when the hub closes, ErrDropped when their relation is dropped.
var (
	ErrClosed  = errors.New("the node is stopping")
	ErrDropped = errors.New("the relation was dropped")
)

// Frame is what a subscription hands out: rows of a snapshot or the changes of one tick. It is shared by all
// subscriptions that get the same rows, and immutable.
type Frame struct {
	// Tick is the tick that the frame brings its subscriber up to.
	Tick uint64
	// Rows are the rows, with weights in a change; nil in a progress frame.
	Rows *row.Batch
	// Snapshot marks rows of a snapshot; More that others follow; Reset that what the subscriber had is void.
	Snapshot, More, Reset bool
	// Trace is the tick's part in the traces of what it took, nil for none.
	Trace *trace.Tick

	encoded sync.Once
	data    []byte
}

// Progress reports whether the frame only says that everything up to its tick has been handed out.
func (f *Frame) Progress() bool { return f.Rows == nil && !f.Snapshot }

// Encoded returns the frame's data as encode makes it the first time it is asked for.
func (f *Frame) Encoded(encode func(*Frame) []byte) []byte {
	f.encoded.Do(func() { f.data = encode(f) })
	return f.data
}

// Shape is what a subscription wants to see.
type Shape struct {
	Relation uint64
	// Columns and Values are the equality filter: Columns ascending, Values of their types, none null.
	Columns []int
	Values  []row.Value
}

// Add adds the equality of a column and a value that is not null.
func (s *Shape) Add(column int, v row.Value) error {
	at, twice := slices.BinarySearch(s.Columns, column)
	if twice {
		return fmt.Errorf("column %d is given twice", column)
	}
	s.Columns = slices.Insert(s.Columns, at, column)
	s.Values = slices.Insert(s.Values, at, v)
	return nil
}

// Start says where a subscription begins.
type Start struct {
	// After, if Resume is set, is the tick of the last frame the subscriber has.
	Resume bool
	After  uint64
	// NoSnapshot begins with the changes after now.
	NoSnapshot bool
	// Progress is how often a quiet subscription says how far it is; 0 is a second.
	Progress time.Duration
}

// Subscription hands out frames. Next and Close are for one goroutine.
type Subscription struct {
	hub      *Hub
	id       uint64
	relation uint64
	columns  []int
	values   []row.Value
	key      string
	shape    *shape
	bucket   *bucket

	// The subscriber's own.
	at       uint64 // everything up to this tick was handed out
	scan     engine.Iterator
	snap     Snapshot
	pending  *row.Batch // read ahead, to know whether more follows
	reset    bool
	started  bool
	progress time.Duration

	mu     sync.Mutex
	frames []*Frame
	lagged bool
	err    error
	ready  chan struct{} // cap 1
}

// Subscribe opens a subscription.
func (h *Hub) Subscribe(sh Shape, from Start) (*Subscription, error) {
	s := &Subscription{hub: h, relation: sh.Relation, columns: sh.Columns, values: sh.Values, ready: make(chan struct{}, 1), progress: from.Progress}
	if s.progress <= 0 {
		s.progress = time.Second
	}
	for _, v := range sh.Values {
		one := v.Repeat(1)
		s.key = string(row.AppendKey([]byte(s.key), &one, 0))
	}
	if err := h.enter(s); err != nil {
		return nil, err
	}
	err := error(nil)
	switch {
	case from.Resume:
		s.at, s.started = from.After, true
		s.lag()
	case from.NoSnapshot:
		// The snapshot says where it begins, and whether the relation can be read at all.
		if err = s.open(false); err == nil {
			s.closeScan()
			s.started = true
		}
	default:
		err = s.open(false)
	}
	if err != nil {
		h.leave(s)
		return nil, err
	}
	return s, nil
}

// open begins a snapshot.
func (s *Subscription) open(reset bool) error {
	tick, snap, err := s.hub.source.Open(s.relation)
	if err != nil {
		return err
	}
	it, err := snap.Find(s.columns, s.values)
	if err != nil {
		snap.Close()
		return err
	}
	s.at, s.snap, s.scan, s.reset, s.started = tick, snap, it, reset, false
	return nil
}

// push hands a frame over; called with the hub's lock held.
func (s *Subscription) push(f *Frame) {
	s.mu.Lock()
	switch {
	case s.lagged || s.err != nil:
	case len(s.frames) >= framesMax:
		s.frames, s.lagged = nil, true
		s.hub.counts.Behind()
	default:
		s.frames = append(s.frames, f)
	}
	s.mu.Unlock()
	s.signal()
}

// lag lets the subscription catch up from the change history.
func (s *Subscription) lag() {
	s.mu.Lock()
	s.frames, s.lagged = nil, true
	s.mu.Unlock()
	s.signal()
}

// end ends the subscription; the first reason counts.
func (s *Subscription) end(err error) {
	s.mu.Lock()
	if s.err == nil {
		s.frames, s.err = nil, err
	}
	s.mu.Unlock()
	s.signal()
}

func (s *Subscription) signal() {
	select {
	case s.ready <- struct{}{}:
	default:
	}
}

// Next returns the next frame. It waits until there is one; about every second without one, it returns a progress
// frame if ticks have passed. After an error the subscription is over.
func (s *Subscription) Next(ctx context.Context) (*Frame, error) {
	if s.scan != nil {
		return s.nextOfSnapshot()
	}
	timer := time.NewTimer(s.progress)
	defer timer.Stop()
	for {
		f, err := s.take()
		if f != nil || err != nil {
			return f, err
		}
		if s.scan != nil {
			return s.nextOfSnapshot()
		}
		select {
		case <-s.ready:
		case <-timer.C:
			if f := s.progressed(); f != nil {
				return f, nil
			}
			timer.Reset(s.progress)
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// nextOfSnapshot returns the next rows of the snapshot; a snapshot without rows is one empty frame.
func (s *Subscription) nextOfSnapshot() (*Frame, error) {
	read := func() (*row.Batch, error) {
		b, err := s.scan.Next()
		if err != nil {
			s.closeScan()
		}
		return b, err
	}
	if !s.started {
		s.started = true
		b, err := read()
		if err != nil {
			return nil, err
		}
		s.pending = b
	}
	f := &Frame{Tick: s.at, Rows: s.pending, Snapshot: true, Reset: s.reset}
	if s.pending != nil {
		next, err := read()
		if err != nil {
			return nil, err
		}
		s.pending, f.More = next, next != nil
	}
	s.reset = false
	if !f.More {
		s.closeScan()
	}
	return f, nil
}

func (s *Subscription) closeScan() {
	if s.scan != nil {
		s.scan.Close()
		s.snap.Close()
		s.scan, s.snap, s.pending = nil, nil, nil
	}
}

// take returns the oldest frame that waits, or what the subscription missed.
func (s *Subscription) take() (*Frame, error) {
	s.mu.Lock()
	if s.err != nil {
		defer s.mu.Unlock()
		return nil, s.err
	}
	if s.lagged {
		s.lagged = false
		s.mu.Unlock()
		return s.catchUp()
	}
	defer s.mu.Unlock()
	for len(s.frames) > 0 {
		f := s.frames[0]
		s.frames[0] = nil
		s.frames = s.frames[1:]
		if f.Tick > s.at {
			s.at = f.Tick
			return f, nil
		}
	}
	s.frames = nil
	return nil, nil
}

// catchUp returns all changes since the last frame as one, or begins a snapshot that starts over.
func (s *Subscription) catchUp() (*Frame, error) {
	changes, upTo, ok := s.hub.source.Changes(s.relation, s.at)
	if !ok {
		s.hub.counts.Reset()
		return nil, s.open(true)
	}
	var parts []*row.Batch
	for _, c := range changes {
		if b := s.matching(c.Batch); b != nil {
			parts = append(parts, b)
		}
	}
	if upTo <= s.at {
		return nil, nil
	}
	s.at = upTo
	f := &Frame{Tick: upTo} // nothing for this subscription: that is progress
	if b := row.Concat(parts); b != nil && b.Len > 0 {
		if b = view.Consolidate(b); b != nil && b.Len > 0 {
			f.Rows = b
		}
	}
	return f, nil
}

// matching returns the rows that the shape wants, nil for none.
func (s *Subscription) matching(b *row.Batch) *row.Batch {
	if b == nil || len(s.columns) == 0 {
		return b
	}
	var at []int32
	var key []byte
	for i := range b.Len {
		key = key[:0]
		for _, c := range s.columns {
			key = row.AppendKey(key, &b.Cols[c], i)
		}
		if string(key) == s.key {
			at = append(at, int32(i))
		}
	}
	if len(at) == 0 {
		return nil
	}
	return b.Gather(at)
}

// progressed returns a progress frame if nothing waits and ticks have passed.
func (s *Subscription) progressed() *Frame {
	tick := s.hub.routed()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.frames) > 0 || s.lagged || s.err != nil || tick <= s.at {
		return nil
	}
	s.at = tick
	return &Frame{Tick: tick}
}

// Relation is what the subscription is to.
func (s *Subscription) Relation() uint64 { return s.relation }

// Close ends the subscription.
func (s *Subscription) Close() {
	s.hub.leave(s)
	s.closeScan()
}
