package jetlog

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidemill/tidemill/internal/log"
)

// load appends numbered records to a topic from several goroutines until it is stopped, and remembers
// which were acknowledged and which were refused.
type load struct {
	wg      sync.WaitGroup
	stop    chan struct{}
	acked   atomic.Int64
	refused atomic.Int64

	mu      sync.Mutex
	offsets map[uint64]log.Offset
	no      map[uint64]error
}

func startLoad(l log.Log, topic string, appenders, size int) *load {
	w := &load{stop: make(chan struct{}), offsets: map[uint64]log.Offset{}, no: map[uint64]error{}}
	for a := range appenders {
		w.wg.Go(func() {
			pace := time.NewTicker(time.Millisecond) // for a caller that is refused at once
			defer pace.Stop()
			for i := uint64(a); ; i += uint64(appenders) {
				select {
				case <-w.stop:
					return
				default:
				}
				b := make([]byte, size)
				binary.LittleEndian.PutUint64(b, i)
				o, err := l.Append(context.Background(), topic, []log.Entry{{Body: b}})
				w.mu.Lock()
				if err != nil {
					w.no[i] = err
					w.refused.Add(1)
				} else {
					w.offsets[i] = o
					w.acked.Add(1)
				}
				w.mu.Unlock()
				if err != nil {
					<-pace.C
				}
			}
		})
	}
	return w
}

func (w *load) end() {
	close(w.stop)
	w.wg.Wait()
}

// check checks that exactly the acknowledged records are in the log, in the order of their offsets.
func (w *load) check(t *testing.T, rs []log.Record) {
	t.Helper()
	seen := map[uint64]bool{}
	for _, r := range rs {
		i := binary.LittleEndian.Uint64(r.Body)
		if o, ok := w.offsets[i]; !ok || seen[i] || o != r.Offset {
			t.Fatalf("record %d at offset %d: acknowledged %v at %d, refused with %v, seen before %v", i, r.Offset, ok, o, w.no[i], seen[i])
		}
		seen[i] = true
	}
	if len(seen) != len(w.offsets) {
		t.Fatalf("%d records are in the log, %d were acknowledged", len(seen), len(w.offsets))
	}
}

func eventually(t *testing.T, what string, cond func() bool) {
	t.Helper()
	deadline := time.After(time.Minute)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !cond() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("waited too long: %s", what)
		}
	}
}

// TestServerIsReplaced replaces the server under appenders and readers, as after a storage error.
func TestServerIsReplaced(t *testing.T) {
	l := mustOpen(t, t.TempDir(), Options{TailBytes: 1}) // readers ask the server
	l.probeFirst = time.Millisecond
	defer l.Close()
	mustCreate(t, l, "t", log.TopicConfig{Partitions: 1})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var readers sync.WaitGroup
	followed := make([][]log.Record, 3)
	reached := make([]atomic.Int64, 3)
	for i := range followed {
		readers.Go(func() {
			err := l.Read(ctx, "t", 0, func(r log.Record) error {
				followed[i] = append(followed[i], r)
				reached[i].Store(int64(r.Offset))
				return nil
			})
			if err != context.Canceled {
				t.Errorf("reader %d: %v", i, err)
			}
		})
	}
	w := startLoad(l, "t", 4, 5000)
	for i := range 5 {
		n := w.acked.Load()
		eventually(t, "appends after the server was replaced", func() bool { return w.acked.Load() > n+20 })
		l.repair(l.server(), fmt.Errorf("test %d", i))
	}
	n := w.acked.Load()
	eventually(t, "appends after the server was replaced", func() bool { return w.acked.Load() > n+20 })
	w.end()
	rs, err := readAll(t, l, "t")
	if err != nil {
		t.Fatal(err)
	}
	w.check(t, rs)
	for _, err := range w.no {
		if !errors.Is(err, log.ErrUnavailable) {
			t.Errorf("an append failed with %v", err)
		}
	}
	last := appendBody(t, l, "t", make([]byte, 8))
	if err := l.ReadRange(t.Context(), "t", last, last+1, func(log.Record) error { return nil }); err != nil {
		t.Error(err)
	}
	for i := range reached {
		eventually(t, "a reader to come to the end", func() bool { return reached[i].Load() >= int64(last) })
	}
	cancel()
	readers.Wait()
	for i, f := range followed {
		for k := 1; k < len(f); k++ {
			if f[k].Offset <= f[k-1].Offset {
				t.Fatalf("reader %d: offset %d after %d", i, f[k].Offset, f[k-1].Offset)
			}
		}
		if len(f) != len(rs)+1 {
			t.Errorf("reader %d saw %d of %d records", i, len(f), len(rs)+1)
		}
	}
	t.Logf("%d acknowledged, %d refused", w.acked.Load(), w.refused.Load())
}

// TestServerDies stops the server without anyone being told: the writer finds out.
func TestServerDies(t *testing.T) {
	l := mustOpen(t, t.TempDir(), Options{})
	l.probeFirst = time.Millisecond
	defer l.Close()
	mustCreate(t, l, "t", log.TopicConfig{Partitions: 1})
	w := startLoad(l, "t", 4, 100)
	for range 2 {
		n := w.acked.Load()
		eventually(t, "appends", func() bool { return w.acked.Load() > n+20 })
		l.server().stop()
	}
	n := w.acked.Load()
	eventually(t, "appends after the server died", func() bool { return w.acked.Load() > n+20 })
	w.end()
	rs, err := readAll(t, l, "t")
	if err != nil {
		t.Fatal(err)
	}
	w.check(t, rs)
}

// TestFence writes to the stream behind the log's back: the next frame must not be stored somewhere
// else, and the topic must say that it is damaged.
func TestFence(t *testing.T) {
	l := mustOpen(t, t.TempDir(), Options{})
	defer l.Close()
	mustCreate(t, l, "t", log.TopicConfig{Partitions: 1})
	appendBody(t, l, "t", []byte("mine"))
	if _, err := l.server().js.Publish(t.Context(), l.topic("t").subject, []byte("foreign")); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := l.Append(t.Context(), "t", []log.Entry{{Body: []byte("mine")}}); !errors.Is(err, log.ErrCorrupt) {
			t.Errorf("Append: %v", err)
		}
	}
}

// TestSameFrameTwice sends a frame that is already stored, as after an answer that got lost.
func TestSameFrameTwice(t *testing.T) {
	l := mustOpen(t, t.TempDir(), Options{})
	defer l.Close()
	mustCreate(t, l, "t", log.TopicConfig{Partitions: 1})
	appendBody(t, l, "t", []byte("once"))
	tp := l.topic("t")
	tp.mu.Lock()
	f := tp.hot[0]
	tp.mu.Unlock()
	other := newTopic(l, "t", tp.stream, tp.cfg, 1, time.Time{}) // a writer that does not know
	defer other.link.close()
	if err := other.publish(f); err != nil {
		t.Errorf("a frame that is stored already: %v", err)
	}
	rs, err := readAll(t, l, "t")
	if err != nil || len(rs) != 1 {
		t.Errorf("%d records, %v", len(rs), err)
	}
}

// TestRelaxedSurvivesRefusal checks that what a relaxed topic has acknowledged is stored although the
// storage refused it at first.
func TestRelaxedSurvivesRefusal(t *testing.T) {
	l := mustOpen(t, t.TempDir(), Options{})
	l.probeFirst = time.Millisecond
	defer l.Close()
	mustCreate(t, l, "t", log.TopicConfig{Partitions: 1, Relaxed: true})
	w := startLoad(l, "t", 2, 1000)
	for i := range 3 {
		n := w.acked.Load()
		eventually(t, "appends", func() bool { return w.acked.Load() > n+100 })
		l.repair(l.server(), fmt.Errorf("test %d", i))
	}
	w.end()
	var last log.Offset
	for _, o := range w.offsets {
		last = max(last, o)
	}
	eventually(t, "acknowledged records are readable", func() bool {
		b, err := l.Bounds(t.Context(), "t")
		return err == nil && b.Next > last
	})
	rs, err := readAll(t, l, "t")
	if err != nil {
		t.Fatal(err)
	}
	w.check(t, rs)
}
