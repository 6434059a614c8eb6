package jetlog

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/tidemill/tidemill/internal/log"
	"github.com/tidemill/tidemill/internal/log/memlog"
	"github.com/tidemill/tidemill/internal/metrics"
)

const (
	defaultTailBytes   = 128 << 20
	defaultMemoryBytes = 1 << 30
	// closeGrace bounds how long Close waits for appends that the storage does not answer.
	closeGrace = 10 * time.Second
)

// Options of a log; the zero value is usable.
type Options struct {
	// Logger takes what the log and its server have to say; nil is slog.Default().
	Logger *slog.Logger
	// MemoryOnly keeps all topics in memory, whatever their configuration says. The directory is
	// not used and no server is started.
	MemoryOnly bool
	// TailBytes bounds the memory of the newest frames of all topics together, from which readers at
	// the end of a topic are served; 0 is 128 MiB.
	TailBytes int64
	// MemoryBytes bounds the memory of all memory topics together; appends to them fail with
	// log.ErrUnavailable beyond it. 0 is 1 GiB.
	MemoryBytes int64
	// Metrics may be nil.
	Metrics *metrics.Log
}

// Log is a log.Log on a directory.
type Log struct {
	dir        string
	logger     *slog.Logger
	counts     *metrics.Log
	lock       *os.File
	mem        *memlog.Log
	tails      tailCache
	fetches    *semaphore.Weighted
	ends       *ends // nil if MemoryOnly
	probeFirst time.Duration

	running   atomic.Pointer[embedded] // nil if MemoryOnly
	repairMu  sync.Mutex
	repairing atomic.Bool
	refusal   atomic.Pointer[error]

	// manage serializes Create and Delete.
	manage sync.Mutex
	mu     sync.RWMutex
	topics map[string]*topic
	closed bool
	// markers has the stream for each memory topic. manage is held.
	markers map[string]string
	// calls counts the calls under way; it grows only while mu is held and closed is false.
	calls   sync.WaitGroup
	writers sync.WaitGroup
	probing sync.WaitGroup

	closing  chan struct{} // closed when Close begins
	cutoff   chan struct{} // closed when Close does not wait for the storage any longer
	once     sync.Once
	closeErr error
}

var _ log.Log = (*Log)(nil)

// Open opens the log in dir, which is made if it does not exist, and recovers what is there. It fails
// with log.ErrInUse, naming path and process, if the directory is open already.
func Open(dir string, o Options) (*Log, error) {
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.TailBytes <= 0 {
		o.TailBytes = defaultTailBytes
	}
	if o.MemoryBytes <= 0 {
		o.MemoryBytes = defaultMemoryBytes
	}
	l := &Log{
		dir: dir, logger: o.Logger, counts: o.Metrics, probeFirst: probeFirst,
		mem:     memlog.New(memlog.Options{First: clockOffset, MaxBytes: o.MemoryBytes}),
		tails:   tailCache{max: o.TailBytes},
		fetches: semaphore.NewWeighted(maxFetches),
		topics:  make(map[string]*topic),
		markers: make(map[string]string),
		closing: make(chan struct{}), cutoff: make(chan struct{}),
	}
	if o.MemoryOnly {
		return l, nil
	}
	if err := l.open(); err != nil {
		return nil, fmt.Errorf("opening the log in %s: %w", dir, err)
	}
	return l, nil
}

// clockOffset is where the offsets of a memory topic start: no process appends a record per
// nanosecond, so they grow over restarts.
func clockOffset() log.Offset { return log.Offset(time.Now().UnixNano()) }

func (l *Log) open() error {
	if err := os.MkdirAll(l.dir, 0o700); err != nil {
		return err
	}
	lock, err := lockDir(l.dir)
	if err != nil {
		return err
	}
	if err := settle(l.dir, l.logger); err != nil {
		return errors.Join(err, lock.Close())
	}
	e, err := startServer(l.dir, l.logger)
	if err != nil {
		return errors.Join(err, lock.Close())
	}
	if err := l.recover(e); err != nil {
		e.stop()
		if l.ends != nil {
			err = errors.Join(err, l.ends.close())
		}
		return errors.Join(err, lock.Close())
	}
	l.lock = lock
	l.running.Store(e)
	return nil
}

// enter counts a call that has to end before the log closes; its end is calls.Done.
func (l *Log) enter() error {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if l.closed {
		return log.ErrClosed
	}
	l.calls.Add(1)
	return nil
}

// topic finds a durable topic; nil means that mem is to be asked.
func (l *Log) topic(name string) *topic {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.topics[name]
}

func (l *Log) isClosing() bool {
	select {
	case <-l.closing:
		return true
	default:
		return false
	}
}

// Create implements log.Log.
func (l *Log) Create(ctx context.Context, name string, c log.TopicConfig) error {
	if err := l.enter(); err != nil {
		return err
	}
	defer l.calls.Done()
	if l.server() == nil {
		return l.mem.Create(ctx, name, c)
	}
	if err := log.CheckTopic(name, c); err != nil {
		return err
	}
	l.manage.Lock()
	defer l.manage.Unlock()
	if err := l.create(ctx, name, c); err != nil {
		return fmt.Errorf("creating topic %s: %w", name, err)
	}
	return nil
}

func (l *Log) create(ctx context.Context, name string, c log.TopicConfig) error {
	all, err := l.all(ctx)
	if err != nil {
		return err
	}
	if _, ok := all[name]; ok {
		return log.ErrTopicExists
	}
	if err := l.refused(); err != nil {
		return err
	}
	s, err := streamConfig(name, c)
	if err != nil {
		return err
	}
	if _, err := l.server().js.CreateStream(ctx, s); err != nil {
		l.undo(ctx, s.Name)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return fmt.Errorf("%w: %w", log.ErrUnavailable, err)
	}
	if c.Memory {
		l.markers[name] = s.Name
		return l.mem.Create(ctx, name, c)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.topics[name] = newTopic(l, name, s.Name, c, 1, time.Time{})
	return nil
}

// Delete implements log.Log.
func (l *Log) Delete(ctx context.Context, name string) error {
	if err := l.enter(); err != nil {
		return err
	}
	defer l.calls.Done()
	if l.server() == nil {
		return l.mem.Delete(ctx, name)
	}
	l.manage.Lock()
	defer l.manage.Unlock()
	if err := l.delete(ctx, name); err != nil {
		return fmt.Errorf("deleting topic %s: %w", name, err)
	}
	return nil
}

func (l *Log) delete(ctx context.Context, name string) error {
	t := l.topic(name)
	if t == nil {
		marker, ok := l.markers[name]
		if !ok {
			return log.ErrNoTopic
		}
		if err := l.dropStream(ctx, marker); err != nil {
			return err
		}
		delete(l.markers, name)
		return l.mem.Delete(ctx, name)
	}
	l.mu.Lock()
	delete(l.topics, name)
	l.mu.Unlock()
	t.retire()
	l.ends.forget(t.stream)
	err := l.dropStream(ctx, t.stream)
	if err != nil {
		// The stream is still there, and so is the topic, as if opened anew.
		t.mu.Lock()
		again := newTopic(l, name, t.stream, t.configLocked(), t.next, t.newest)
		again.trimmed = t.trimmed
		t.mu.Unlock()
		l.mu.Lock()
		l.topics[name] = again
		l.mu.Unlock()
	}
	return err
}

// retire ends the topic's readers and appenders and waits for its writer.
func (t *topic) retire() {
	t.mu.Lock()
	close(t.gone)
	running := t.running
	t.mu.Unlock()
	if running {
		<-t.written
	}
	t.log.tails.forget(t)
}

// Topics implements log.Log.
func (l *Log) Topics(ctx context.Context) (map[string]log.TopicConfig, error) {
	if err := l.enter(); err != nil {
		return nil, err
	}
	defer l.calls.Done()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return l.all(ctx)
}

func (l *Log) all(ctx context.Context) (map[string]log.TopicConfig, error) {
	m, err := l.mem.Topics(ctx)
	if err != nil {
		return nil, err
	}
	l.mu.RLock()
	defer l.mu.RUnlock()
	for name, t := range l.topics {
		m[name] = t.config()
	}
	return m, nil
}

// Append implements log.Log.
func (l *Log) Append(ctx context.Context, name string, group []log.Entry) (log.Offset, error) {
	if err := l.enter(); err != nil {
		return 0, err
	}
	defer l.calls.Done()
	o, err := l.appendTo(ctx, name, group)
	l.counts.Appended(len(group), bodyBytes(group), err)
	return o, err
}

func (l *Log) appendTo(ctx context.Context, name string, group []log.Entry) (log.Offset, error) {
	t := l.topic(name)
	if t == nil {
		return l.mem.Append(ctx, name, group)
	}
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	o, err := t.append(ctx, group)
	if err != nil {
		return 0, fmt.Errorf("appending to topic %s: %w", name, err)
	}
	return o, nil
}

// Bounds implements log.Log.
func (l *Log) Bounds(ctx context.Context, name string) (log.Bounds, error) {
	if err := l.enter(); err != nil {
		return log.Bounds{}, err
	}
	defer l.calls.Done()
	t := l.topic(name)
	if t == nil {
		return l.mem.Bounds(ctx, name)
	}
	b, err := t.bounds(ctx)
	if err != nil {
		return log.Bounds{}, fmt.Errorf("reading bounds of topic %s: %w", name, err)
	}
	return b, nil
}

// Read implements log.Log.
func (l *Log) Read(ctx context.Context, name string, from log.Offset, fn func(log.Record) error) error {
	return l.ReadRange(ctx, name, from, math.MaxUint64, fn)
}

// ReadRange implements log.Log.
func (l *Log) ReadRange(ctx context.Context, name string, from, to log.Offset, fn func(log.Record) error) error {
	if err := l.enter(); err != nil {
		return err
	}
	defer l.calls.Done()
	t := l.topic(name)
	if t == nil {
		return l.mem.ReadRange(ctx, name, from, to, fn)
	}
	if from >= to {
		return nil
	}
	err := t.read(ctx, from, to, fn)
	var p passed
	switch {
	case err == nil:
		return nil
	case errors.As(err, &p):
		return p.error
	case ctx.Err() != nil && errors.Is(err, ctx.Err()):
		return ctx.Err()
	}
	return fmt.Errorf("reading topic %s: %w", name, err)
}

// Close implements log.Log. It waits for the storage to answer, at most 10 seconds; appends whose fate
// is not known then return an error that wraps context.DeadlineExceeded.
func (l *Log) Close() error {
	l.once.Do(func() { l.closeErr = l.close() })
	return l.closeErr
}

func (l *Log) close() error {
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
	close(l.closing)
	grace := time.AfterFunc(closeGrace, func() { close(l.cutoff) })
	defer grace.Stop()
	// The memory log's readers are among the calls.
	err := l.mem.Close()
	l.calls.Wait()
	l.writers.Wait()
	l.probing.Wait()
	if e := l.server(); e != nil {
		e.stop()
	}
	if l.ends != nil {
		err = errors.Join(err, l.ends.close())
	}
	if l.lock != nil {
		err = errors.Join(err, l.lock.Close())
	}
	return err
}
