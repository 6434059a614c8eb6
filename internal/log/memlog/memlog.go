package memlog

import (
	"context"
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tidemill/tidemill/internal/log"
)

// Options of a log; the zero value is usable.
type Options struct {
	// Now is the clock that stamps records and drives MaxAge; nil is time.Now.
	Now func() time.Time
	// First gives the offset of the first record of a topic that is being created; nil starts each
	// topic at 1. It must not return 0.
	First func() log.Offset
	// MaxBytes bounds the memory of all topics together, bodies and about 48 bytes per record;
	// 0 means no bound.
	MaxBytes int64
}

// Log is a log.Log in memory.
type Log struct {
	o       Options
	bytes   atomic.Int64
	closing chan struct{}
	once    sync.Once

	mu     sync.RWMutex
	closed bool
	topics map[string]*topic
	// calls counts the appends and reads under way; it grows only while mu is held and closed is
	// false.
	calls sync.WaitGroup
}

var _ log.Log = (*Log)(nil)

// New makes an empty log.
func New(o Options) *Log {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.First == nil {
		o.First = func() log.Offset { return 1 }
	}
	return &Log{o: o, closing: make(chan struct{}), topics: make(map[string]*topic)}
}

// Create implements log.Log.
func (l *Log) Create(ctx context.Context, name string, c log.TopicConfig) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := log.CheckTopic(name, c); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return log.ErrClosed
	}
	if l.topics[name] != nil {
		return fmt.Errorf("creating topic %s: %w", name, log.ErrTopicExists)
	}
	l.topics[name] = &topic{log: l, name: name, cfg: c, maxAge: c.MaxAge, maxBytes: c.MaxBytes, next: l.o.First(), gone: make(chan struct{})}
	return nil
}

// Delete implements log.Log.
func (l *Log) Delete(ctx context.Context, name string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return log.ErrClosed
	}
	t := l.topics[name]
	if t == nil {
		return fmt.Errorf("deleting topic %s: %w", name, log.ErrNoTopic)
	}
	delete(l.topics, name)
	t.remove()
	return nil
}

// Topics implements log.Log.
func (l *Log) Topics(ctx context.Context) (map[string]log.TopicConfig, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	l.mu.RLock()
	defer l.mu.RUnlock()
	if l.closed {
		return nil, log.ErrClosed
	}
	m := make(map[string]log.TopicConfig, len(l.topics))
	for name, t := range l.topics {
		m[name] = t.config()
	}
	return m, nil
}

// Append implements log.Log.
func (l *Log) Append(ctx context.Context, name string, group []log.Entry) (log.Offset, error) {
	t, err := l.enter(ctx, name)
	if err != nil {
		return 0, fmt.Errorf("appending to topic %s: %w", name, err)
	}
	defer l.calls.Done()
	o, err := t.append(group)
	if err != nil {
		return 0, fmt.Errorf("appending to topic %s: %w", name, err)
	}
	return o, nil
}

// Bounds implements log.Log.
func (l *Log) Bounds(ctx context.Context, name string) (log.Bounds, error) {
	t, err := l.enter(ctx, name)
	if err != nil {
		return log.Bounds{}, fmt.Errorf("reading bounds of topic %s: %w", name, err)
	}
	defer l.calls.Done()
	return t.bounds(), nil
}

// Read implements log.Log.
func (l *Log) Read(ctx context.Context, name string, from log.Offset, fn func(log.Record) error) error {
	return l.ReadRange(ctx, name, from, math.MaxUint64, fn)
}

// ReadRange implements log.Log.
func (l *Log) ReadRange(ctx context.Context, name string, from, to log.Offset, fn func(log.Record) error) error {
	t, err := l.enter(ctx, name)
	if err != nil {
		return fmt.Errorf("reading topic %s: %w", name, err)
	}
	defer l.calls.Done()
	return t.read(ctx, from, to, fn)
}

// Close implements log.Log.
func (l *Log) Close() error {
	l.once.Do(func() {
		l.mu.Lock()
		l.closed = true
		l.mu.Unlock()
		close(l.closing)
	})
	l.calls.Wait()
	l.mu.Lock()
	l.topics = nil
	l.mu.Unlock()
	return nil
}

// Stats returns the number of partitions of each topic, and the bytes that all of them take.
func (l *Log) Stats() (partitions []int, bytes int64) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	for _, t := range l.topics {
		partitions = append(partitions, t.cfg.Partitions)
	}
	return partitions, l.bytes.Load()
}

// enter finds a topic and counts a call; the caller calls calls.Done when err is nil.
func (l *Log) enter(ctx context.Context, name string) (*topic, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	l.mu.RLock()
	defer l.mu.RUnlock()
	if l.closed {
		return nil, log.ErrClosed
	}
	t := l.topics[name]
	if t == nil {
		return nil, log.ErrNoTopic
	}
	l.calls.Add(1)
	return t, nil
}
