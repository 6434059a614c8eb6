package admission

import (
	"container/list"
	"context"
	"sync"
	"time"

	"github.com/tidemill/tidemill/internal/fault"
)

// Budget is a bound on bytes. It is safe for concurrent use.
type Budget struct {
	max int64

	mu      sync.Mutex
	used    int64
	held    list.List // of *Lease that hold something, oldest first
	waiting list.List // of *waiter, in the order they came
	refused int64
}

// New returns a budget of so many bytes, at least one.
func New(bytes int64) *Budget { return &Budget{max: max(1, bytes)} }

// Usage is the state of a budget.
type Usage struct {
	Max, Used int64
	Waiting   int
	Refused   int64 // requests that were refused since the start
}

// Usage returns how much of the budget is used.
func (b *Budget) Usage() Usage {
	b.mu.Lock()
	defer b.mu.Unlock()
	return Usage{Max: b.max, Used: b.used, Waiting: b.waiting.Len(), Refused: b.refused}
}

// Lease is the part of a budget that one client holds. It is for one goroutine at a time.
type Lease struct {
	budget   *Budget
	patience time.Duration
	place    *list.Element // in budget.held
	want     *list.Element // in budget.waiting
	bytes    int64
}

// waiter is a lease that wants to grow.
type waiter struct {
	lease   *Lease
	bytes   int64
	granted chan struct{}
}

// NewLease returns a lease that holds nothing yet. Growing waits at most as long as patience for others, 0 for as long as its context.
func (b *Budget) NewLease(patience time.Duration) *Lease {
	return &Lease{budget: b, patience: patience}
}

// Grow adds bytes to the lease, when there is room for them. The error is the context's, or a *fault.Error: LimitExceeded for more than any lease
// may hold, Overloaded when patience has run out. After an error the lease is as before.
func (l *Lease) Grow(ctx context.Context, bytes int64) error {
	if bytes <= 0 {
		return nil
	}
	b := l.budget
	b.mu.Lock()
	if l.bytes+bytes > b.max {
		b.mu.Unlock()
		return fault.New(fault.LimitExceeded, "a client's writes that are not stored yet take at most %s at once", size(b.max)).
			WithHint("send less at once, or raise the bound with --inflight-bytes")
	}
	w := &waiter{lease: l, bytes: bytes, granted: make(chan struct{})}
	l.want = b.waiting.PushBack(w)
	b.grantLocked()
	b.mu.Unlock()
	var tired <-chan time.Time
	if l.patience > 0 {
		select {
		case <-w.granted:
			return nil
		default:
		}
		timer := time.NewTimer(l.patience)
		defer timer.Stop()
		tired = timer.C
	}
	select {
	case <-w.granted:
		return nil
	case <-tired:
	case <-ctx.Done():
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	select {
	case <-w.granted: // meanwhile
		return nil
	default:
	}
	b.waiting.Remove(l.want)
	l.want = nil
	b.grantLocked() // others may have waited behind it
	if ctx.Err() != nil {
		return ctx.Err()
	}
	b.refused++
	return fault.New(fault.Overloaded, "the node holds all the writes that it takes at once").
		WithDetail("%s wait to be stored, at most %s are taken", size(b.used), size(b.max)).
		WithHint("send it again in a moment; the bound is raised with --inflight-bytes")
}

// grantLocked lets those grow whose turn it is.
func (b *Budget) grantLocked() {
	for b.waiting.Len() > 0 {
		at := b.nextLocked()
		w := at.Value.(*waiter)
		oldest := b.held.Len() == 0 || b.held.Front().Value.(*Lease) == w.lease
		if b.used+w.bytes > b.max && !oldest {
			return
		}
		b.waiting.Remove(at)
		w.lease.want = nil
		if w.lease.place == nil {
			w.lease.place = b.held.PushBack(w.lease)
		}
		w.lease.bytes += w.bytes
		b.used += w.bytes
		close(w.granted)
	}
}

// nextLocked returns the waiter whose turn it is: the oldest lease that holds something, else who came first.
func (b *Budget) nextLocked() *list.Element {
	for h := b.held.Front(); h != nil; h = h.Next() {
		if at := h.Value.(*Lease).want; at != nil {
			return at
		}
	}
	return b.waiting.Front()
}

// Shrink gives bytes back, at most those that the lease holds.
func (l *Lease) Shrink(bytes int64) {
	b := l.budget
	b.mu.Lock()
	defer b.mu.Unlock()
	bytes = min(bytes, l.bytes)
	l.bytes -= bytes
	b.used -= bytes
	if l.bytes == 0 && l.place != nil {
		b.held.Remove(l.place)
		l.place = nil
	}
	b.grantLocked()
}

// Bytes is what the lease holds.
func (l *Lease) Bytes() int64 {
	l.budget.mu.Lock()
	defer l.budget.mu.Unlock()
	return l.bytes
}

// Release gives everything back; the lease can grow again.
func (l *Lease) Release() { l.Shrink(1 << 62) }
