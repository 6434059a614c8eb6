package memlog

import (
	"context"
	"fmt"
	"slices"
	"sort"
	"sync"
	"time"

	"github.com/tidemill/tidemill/internal/log"
)

// recordOverhead is what a record is counted with besides its body.
const recordOverhead = 48

// group is what one Append stored. Its entries are never changed.
type group struct {
	first   log.Offset
	at      time.Time
	entries []log.Entry
	bytes   int64
}

// next is the position after the group. The offset before it belongs to no record.
func (g *group) next() log.Offset { return g.first + log.Offset(len(g.entries)) + 1 }

type topic struct {
	log  *Log
	name string
	cfg  log.TopicConfig
	// gone is closed when the topic is deleted.
	gone chan struct{}

	mu       sync.Mutex
	maxAge   time.Duration // as cfg has it, or Retain has changed it; so with maxBytes
	maxBytes int64
	groups   []group // oldest first
	bytes    int64
	next     log.Offset
	last     time.Time
	wake     chan struct{} // closed by the next append; nil while nobody waits
}

func (t *topic) append(entries []log.Entry) (log.Offset, error) {
	n, err := t.cfg.CheckGroup(entries)
	if err != nil {
		return 0, err
	}
	bytes := int64(n) + recordOverhead*int64(len(entries))
	t.mu.Lock()
	defer t.mu.Unlock()
	select {
	case <-t.gone:
		return 0, log.ErrNoTopic
	default:
	}
	now := t.log.o.Now()
	if now.Before(t.last) {
		now = t.last
	}
	t.last = now
	t.expire(now)
	if limit := t.maxBytes; limit > 0 {
		t.drop(func(*group) bool { return t.bytes+bytes > limit })
	}
	if total, limit := t.log.bytes.Add(bytes), t.log.o.MaxBytes; limit > 0 && total > limit {
		t.log.bytes.Add(-bytes)
		return 0, fmt.Errorf("%w: the log's memory of %d bytes is used up", log.ErrUnavailable, limit)
	}
	g := group{first: t.next, at: now, entries: slices.Clone(entries), bytes: bytes}
	t.groups = append(t.groups, g)
	t.bytes += bytes
	t.next = g.next()
	if t.wake != nil {
		close(t.wake)
		t.wake = nil
	}
	return g.first + log.Offset(len(entries)) - 1, nil
}

// expire removes what is older than maxAge. mu is held.
func (t *topic) expire(now time.Time) {
	if t.maxAge <= 0 {
		return
	}
	oldest := now.Add(-max(t.maxAge, 100*time.Millisecond))
	t.drop(func(g *group) bool { return g.at.Before(oldest) })
}

// drop removes groups from the oldest on for as long as cond holds. mu is held.
func (t *topic) drop(cond func(*group) bool) {
	n := 0
	var freed int64
	for n < len(t.groups) && cond(&t.groups[n]) {
		freed += t.groups[n].bytes
		t.bytes -= t.groups[n].bytes
		t.groups[n] = group{}
		n++
	}
	t.groups = t.groups[n:]
	t.log.bytes.Add(-freed)
}

// remove ends readers and appenders and frees the records.
func (t *topic) remove() {
	t.mu.Lock()
	defer t.mu.Unlock()
	close(t.gone)
	t.drop(func(*group) bool { return true })
	t.groups = nil
}

func (t *topic) bounds() log.Bounds {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.expire(t.log.o.Now())
	b := log.Bounds{First: t.next, Next: t.next, Newest: t.last}
	if len(t.groups) > 0 {
		b.First = t.groups[0].first
	}
	return b
}

// find returns the first group that has a record at or after pos. If there is none it returns the
// position after all groups and a channel that is closed at the next append.
func (t *topic) find(pos log.Offset) (g group, ok bool, next log.Offset, wake <-chan struct{}) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.expire(t.log.o.Now())
	i := sort.Search(len(t.groups), func(i int) bool {
		return t.groups[i].first+log.Offset(len(t.groups[i].entries)) > pos
	})
	if i < len(t.groups) {
		return t.groups[i], true, t.next, nil
	}
	if t.wake == nil {
		t.wake = make(chan struct{})
	}
	return group{}, false, t.next, t.wake
}

func (t *topic) read(ctx context.Context, from, to log.Offset, fn func(log.Record) error) error {
	if b := t.bounds(); from < to && from > b.Next {
		return fmt.Errorf("reading topic %s: %w: asked for offset %d, but it ends at %d", t.name, log.ErrCorrupt, from, b.Next)
	}
	for pos := from; pos < to; {
		if err := t.ended(ctx); err != nil {
			return err
		}
		g, ok, next, wake := t.find(pos)
		if ok {
			if err := t.deliver(ctx, &g, pos, to, fn); err != nil {
				return err
			}
			pos = g.next()
			continue
		}
		if next >= to {
			return nil
		}
		select {
		case <-wake:
		case <-ctx.Done():
		case <-t.gone:
		case <-t.log.closing:
		}
	}
	return nil
}

// ended returns why a reader must stop, nil if it need not.
func (t *topic) ended(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.gone:
		return fmt.Errorf("reading topic %s: %w", t.name, log.ErrNoTopic)
	case <-t.log.closing:
		return fmt.Errorf("reading topic %s: %w", t.name, log.ErrClosed)
	default:
		return nil
	}
}

func (t *topic) deliver(ctx context.Context, g *group, from, to log.Offset, fn func(log.Record) error) error {
	i := 0
	if from > g.first {
		i = int(from - g.first)
	}
	for ; i < len(g.entries); i++ {
		r := log.Record{
			Partition: g.entries[i].Partition,
			Offset:    g.first + log.Offset(i),
			Appended:  g.at,
			Last:      i == len(g.entries)-1,
			Body:      g.entries[i].Body,
		}
		if r.Offset >= to {
			return nil
		}
		if err := t.ended(ctx); err != nil {
			return err
		}
		if err := fn(r); err != nil {
			return err
		}
	}
	return nil
}
