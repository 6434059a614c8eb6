package jetlog

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/tidemill/tidemill/internal/log"
	"github.com/tidemill/tidemill/internal/log/jetlog/frame"
)

const (
	// frameTarget is the size at which a frame takes no further groups.
	frameTarget = 1 << 20
	// minFrameTarget is the same for topics with a small MaxBytes.
	minFrameTarget = 64 << 10
	// queueBytes bounds what is waiting to be written to a topic; Append waits beyond it.
	queueBytes = 64 << 20
	// relaxedRetry is the pause before a frame of a relaxed topic is offered again.
	relaxedRetry = 200 * time.Millisecond
)

// batch is the groups that become one frame.
type batch struct {
	groups  [][]log.Entry
	records int
	size    int   // upper bound of the frame's bytes
	weight  int64 // what its groups took of the topic's room
	done    chan struct{}
	// number and err are set before done is closed. In a relaxed topic number is set from the start,
	// because there no frame is given up.
	number uint64
	err    error
}

// topic is a durable topic. Its writer goroutine starts with the first append and ends when the topic
// is deleted or the log closes.
type topic struct {
	log     *Log
	name    string
	stream  string
	subject string
	cfg     log.TopicConfig // but for what retention says
	room    *semaphore.Weighted
	// gone is closed when the topic is being deleted.
	gone chan struct{}
	// work has an element when there may be something for the writer to do.
	work chan struct{}
	// written is closed when the writer has ended.
	written chan struct{}

	mu      sync.Mutex
	target  int           // the size of a frame
	next    uint64        // all frames below are durable, and may be read
	hot     []frame.Frame // the frames below next that are in memory, without gaps
	wake    chan struct{}
	pending []*batch // oldest first; only the last one takes further groups
	newest  time.Time
	busy    bool      // a batch is being written
	writing time.Time // since when, if one is
	running bool
	stopped bool
	broken  error
	lost    uint64 // all frames below were durable, though the stream no longer has those from next on; 0 if it has all
	// retention is that of cfg until Retain changes it; trimmed says that there was one before: frames at the beginning may be gone.
	retention retention
	trimmed   bool

	// Only the writer uses these.
	link link
	last time.Time
}

// newTopic returns the topic of a stream whose next frame has the number next, and whose newest was appended no later than newest.
func newTopic(l *Log, name, stream string, c log.TopicConfig, next uint64, newest time.Time) *topic {
	kept := retention{c.MaxAge, c.MaxBytes}
	return &topic{
		log: l, name: name, cfg: c, next: next, target: kept.frameTarget(), retention: kept, newest: newest, last: newest,
		stream: stream, subject: subjectPrefix + stream,
		room:    semaphore.NewWeighted(queueBytes),
		gone:    make(chan struct{}),
		work:    make(chan struct{}, 1),
		written: make(chan struct{}),
	}
}

// append queues the group and waits for its frame, or for its place in the queue if the topic is
// relaxed.
func (t *topic) append(ctx context.Context, group []log.Entry) (log.Offset, error) {
	if _, err := t.cfg.CheckGroup(group); err != nil {
		return 0, err
	}
	if err := t.log.refused(); err != nil {
		return 0, err
	}
	bound := frame.Bound(group)
	if err := t.room.Acquire(ctx, int64(bound)); err != nil {
		return 0, err
	}
	b, index, err := t.enqueue(slices.Clone(group), bound)
	if err != nil {
		t.room.Release(int64(bound))
		return 0, err
	}
	if t.cfg.Relaxed {
		return frame.Offset(b.number, index), nil
	}
	select {
	case <-b.done:
		if b.err != nil {
			return 0, b.err
		}
		return frame.Offset(b.number, index), nil
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

// enqueue puts the group into a batch and returns it with the index of the group's last record.
func (t *topic) enqueue(group []log.Entry, bound int) (*batch, int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.broken != nil:
		return nil, 0, t.broken
	case t.deleted():
		return nil, 0, log.ErrNoTopic
	case t.stopped || t.log.isClosing():
		return nil, 0, log.ErrClosed
	}
	var b *batch
	if n := len(t.pending); n > 0 {
		b = t.pending[n-1]
	}
	if b == nil || b.size+bound > t.target || b.records+len(group) > frame.MaxRecords {
		b = &batch{size: frame.HeaderBytes, done: make(chan struct{}), number: t.endLocked()}
		t.pending = append(t.pending, b)
	}
	b.groups = append(b.groups, group)
	b.records += len(group)
	b.size += bound
	b.weight += int64(bound)
	if !t.running {
		t.running = true
		t.log.writers.Go(t.write)
	}
	t.nudge()
	return b, b.records - 1, nil
}

// endLocked is the number of the first frame that nothing is queued for. mu is held.
func (t *topic) endLocked() uint64 {
	n := t.next + uint64(len(t.pending))
	if t.busy {
		n++
	}
	return n
}

func (t *topic) nudge() {
	select {
	case t.work <- struct{}{}:
	default:
	}
}

func (t *topic) deleted() bool {
	select {
	case <-t.gone:
		return true
	default:
		return false
	}
}

// write is the writer goroutine.
func (t *topic) write() {
	defer close(t.written)
	defer t.link.close()
	for {
		b, number, ok := t.take()
		if !ok {
			return
		}
		if b == nil {
			select {
			case <-t.work:
			case <-t.gone:
			case <-t.log.closing:
			}
			continue
		}
		t.commit(b, number)
	}
}

// take returns the batch to be written next and its frame's number, or nil if there is none. It
// returns false when the writer has to end: at once if the topic is deleted, after the last batch
// if the log closes.
func (t *topic) take() (*batch, uint64, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.deleted() {
		t.stopped = true
		for _, b := range t.pending {
			t.finish(b, log.ErrNoTopic)
		}
		t.pending = nil
		return nil, 0, false
	}
	if len(t.pending) == 0 {
		t.stopped = t.log.isClosing()
		return nil, 0, !t.stopped
	}
	b := t.pending[0]
	t.pending[0] = nil
	t.pending = t.pending[1:]
	t.busy, t.writing = true, time.Now()
	return b, t.next, true
}

// finish tells the batch's appenders how it went.
func (t *topic) finish(b *batch, err error) {
	b.err = err
	close(b.done)
	t.room.Release(b.weight)
}

// commit stores the batch as the frame of this number.
func (t *topic) commit(b *batch, number uint64) {
	now := time.Now()
	if now.Before(t.last) {
		now = t.last
	}
	t.last = now
	f := frame.Encode(number, now, b.groups)
	b.groups = nil
	began := time.Now()
	err := t.publish(f)
	if t.cfg.Relaxed {
		err = t.insist(f, err)
	}
	if err == nil {
		t.log.counts.Synced(time.Since(began))
		if !t.cfg.Relaxed {
			b.number = number
		}
		t.admit(f)
	} else {
		t.mu.Lock()
		t.busy = false
		if errors.Is(err, log.ErrCorrupt) {
			t.broken = err
		}
		t.mu.Unlock()
	}
	t.finish(b, err)
}

// insist offers a frame whose groups are already acknowledged until it is stored. It gives up, with
// a message, when the topic is deleted or damaged or the log closes.
func (t *topic) insist(f frame.Frame, err error) error {
	for errors.Is(err, log.ErrUnavailable) && !t.deleted() {
		closing := t.log.isClosing()
		if err = t.publish(f); err == nil || closing {
			break
		}
		select {
		case <-time.After(relaxedRetry):
		case <-t.gone:
		case <-t.log.closing:
		}
	}
	if err != nil && !t.deleted() {
		t.log.logger.Error("acknowledged records of a relaxed topic are lost",
			"topic", t.name, "records", f.Count, "offset", uint64(frame.Offset(f.Number, 0)), "error", err)
	}
	return err
}

// admit makes a durable frame visible to readers.
func (t *topic) admit(f frame.Frame) {
	t.mu.Lock()
	t.next = f.Number + 1
	t.newest = f.At
	t.busy = false
	t.hot = append(t.hot, f)
	if t.wake != nil {
		close(t.wake)
		t.wake = nil
	}
	t.mu.Unlock()
	if err := t.log.ends.note(t.stream, f.Number); err != nil {
		t.log.logger.Warn("how far a topic went is not noted", "topic", t.name, "error", err)
	}
	t.log.tails.add(t, f)
}

// bounds returns what can be read.
func (t *topic) bounds(ctx context.Context) (log.Bounds, error) {
	first, err := t.first(ctx)
	if err != nil {
		return log.Bounds{}, err
	}
	t.mu.Lock()
	next, newest := max(t.next, t.lost), t.newest
	t.mu.Unlock()
	return log.Bounds{First: frame.Offset(min(first, next), 0), Next: frame.Offset(next, 0), Newest: newest}, nil
}

// first returns the number of the oldest frame that the stream holds, or of the next one if it holds
// none.
func (t *topic) first(ctx context.Context) (uint64, error) {
	if !t.mayLackFrames() {
		return 1, nil
	}
	var first uint64
	err := t.log.retry(ctx, func(ctx context.Context, e *embedded) error {
		s, err := e.js.Stream(ctx, t.stream)
		if err != nil {
			return err
		}
		first = s.CachedInfo().State.FirstSeq
		return nil
	}, t.gone)
	if err != nil {
		if t.deleted() {
			return 0, log.ErrNoTopic
		}
		return 0, fmt.Errorf("asking for the first frame: %w", err)
	}
	return max(first, 1), nil
}
