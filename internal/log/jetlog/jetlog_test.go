package jetlog

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/tidemill/tidemill/internal/log"
	"github.com/tidemill/tidemill/internal/log/jetlog/frame"
	"github.com/tidemill/tidemill/internal/log/logtest"
)

// testLogger writes what the log says to the test's output if the test fails.
func testLogger(t testing.TB) *slog.Logger {
	var b bytes.Buffer
	w := &lockedWriter{to: &b}
	t.Cleanup(func() {
		if t.Failed() {
			w.mu.Lock()
			defer w.mu.Unlock()
			t.Logf("log:\n%s", b.String())
		}
	})
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: slog.LevelInfo}))
}

func mustOpen(t testing.TB, dir string, o Options) *Log {
	t.Helper()
	if o.Logger == nil {
		o.Logger = testLogger(t)
	}
	l, err := Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func conformance(t *testing.T, o Options, durable bool) {
	logtest.Run(t, func(t *testing.T) (log.Log, func(*testing.T) log.Log) {
		o := o
		o.Logger = testLogger(t)
		dir := filepath.Join(t.TempDir(), "log")
		l := mustOpen(t, dir, o)
		if !durable {
			return l, nil
		}
		return l, func(t *testing.T) log.Log {
			if err := l.Close(); err != nil {
				t.Errorf("Close: %v", err)
			}
			l = mustOpen(t, dir, o)
			return l
		}
	})
}

func TestConformance(t *testing.T) { conformance(t, Options{}, true) }

// TestConformanceWithSmallTail has readers go through the stream nearly always.
func TestConformanceWithSmallTail(t *testing.T) { conformance(t, Options{TailBytes: 1}, true) }

func TestConformanceMemoryOnly(t *testing.T) { conformance(t, Options{MemoryOnly: true}, false) }

func appendBody(t testing.TB, l log.Log, topic string, body []byte) log.Offset {
	t.Helper()
	o, err := l.Append(context.Background(), topic, []log.Entry{{Body: body}})
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func mustCreate(t testing.TB, l log.Log, topic string, c log.TopicConfig) {
	t.Helper()
	if err := l.Create(context.Background(), topic, c); err != nil {
		t.Fatal(err)
	}
}

func readAll(t testing.TB, l log.Log, topic string) ([]log.Record, error) {
	t.Helper()
	b, err := l.Bounds(context.Background(), topic)
	if err != nil {
		t.Fatal(err)
	}
	var rs []log.Record
	err = l.ReadRange(context.Background(), topic, 0, b.Next, func(r log.Record) error {
		rs = append(rs, r)
		return nil
	})
	return rs, err
}

func TestDirectoryIsLocked(t *testing.T) {
	dir := t.TempDir()
	l := mustOpen(t, dir, Options{})
	_, err := Open(dir, Options{Logger: testLogger(t)})
	if !errors.Is(err, log.ErrInUse) {
		t.Fatalf("opening twice: %v", err)
	}
	for _, part := range []string{dir, fmt.Sprintf("process %d", os.Getpid())} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("error %q does not name %q", err, part)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if err := mustOpen(t, dir, Options{}).Close(); err != nil {
		t.Fatal(err)
	}
}

func TestTwoLogsInOneProcess(t *testing.T) {
	a, b := mustOpen(t, t.TempDir(), Options{}), mustOpen(t, t.TempDir(), Options{})
	for i, l := range []*Log{a, b} {
		mustCreate(t, l, "t", log.TopicConfig{Partitions: 1})
		for range i + 1 {
			appendBody(t, l, "t", []byte{byte(i)})
		}
	}
	for i, l := range []*Log{a, b} {
		rs, err := readAll(t, l, "t")
		if err != nil || len(rs) != i+1 || rs[0].Body[0] != byte(i) {
			t.Errorf("log %d: %v, %v", i, rs, err)
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestOpenFails(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if l, err := Open(file, Options{Logger: testLogger(t)}); err == nil {
		l.Close()
		t.Error("a file was opened as a directory")
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "jetstream"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := Open(dir, Options{Logger: testLogger(t)})
	if err == nil {
		l.Close()
		t.Fatal("a directory with a file in place of the store was opened")
	}
	t.Log(err)
	if err := os.Remove(filepath.Join(dir, "jetstream")); err != nil {
		t.Fatal(err)
	}
	if err := mustOpen(t, dir, Options{}).Close(); err != nil {
		t.Error(err)
	}
}

// TestBodiesAreAligned checks the alignment that Arrow buffers in a body can rely on, for records
// from memory and from the stream.
func TestBodiesAreAligned(t *testing.T) {
	dir := t.TempDir()
	l := mustOpen(t, dir, Options{})
	mustCreate(t, l, "t", log.TopicConfig{Partitions: 1})
	for i := range 50 {
		var group []log.Entry
		for j := range 4 {
			group = append(group, log.Entry{Body: make([]byte, (i*j*131+j)%5000)})
		}
		if _, err := l.Append(t.Context(), "t", group); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		rs, err := readAll(t, l, "t")
		if err != nil || len(rs) != 200 {
			t.Fatalf("%d records, %v", len(rs), err)
		}
		for _, r := range rs {
			if len(r.Body) == 0 {
				continue
			}
			at, want := uintptr(unsafe.Pointer(&r.Body[0])), uintptr(8)
			if len(r.Body) >= 1024 {
				want = 64
			}
			if at%want != 0 || cap(r.Body) != len(r.Body) {
				t.Errorf("a body of %d bytes starts at %x, and has room for %d", len(r.Body), at, cap(r.Body))
			}
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		l = mustOpen(t, dir, Options{})
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestTailIsShared checks that readers at the end of a topic get the same memory, and that the memory
// of all tails is bounded.
func TestTailIsShared(t *testing.T) {
	l := mustOpen(t, t.TempDir(), Options{TailBytes: 1 << 20})
	defer l.Close()
	for _, topic := range []string{"a", "b"} {
		mustCreate(t, l, topic, log.TopicConfig{Partitions: 1})
	}
	for i := range 40 {
		appendBody(t, l, []string{"a", "b"}[i%2], make([]byte, 100_000))
	}
	l.tails.mu.Lock()
	bytes, frames := l.tails.bytes, len(l.tails.order)
	l.tails.mu.Unlock()
	if bytes > 1<<20 || bytes < 900_000 || frames != 10 {
		t.Errorf("%d bytes in %d frames are in memory", bytes, frames)
	}
	one, err := readAll(t, l, "a")
	if err != nil {
		t.Fatal(err)
	}
	two, err := readAll(t, l, "a")
	if err != nil {
		t.Fatal(err)
	}
	last := len(one) - 1
	if len(one) != 20 || &one[last].Body[0] != &two[last].Body[0] {
		t.Errorf("two readers got two copies of the last of %d records", len(one))
	}
	if err := l.Delete(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	l.tails.mu.Lock()
	defer l.tails.mu.Unlock()
	if l.tails.bytes > 600_000 {
		t.Errorf("%d bytes are in memory after deleting one of two topics", l.tails.bytes)
	}
}

// TestPositionAtTheEnd checks that a reader whose position the log has lost is told.
func TestPositionAtTheEnd(t *testing.T) {
	l := mustOpen(t, t.TempDir(), Options{})
	defer l.Close()
	mustCreate(t, l, "t", log.TopicConfig{Partitions: 1})
	o := appendBody(t, l, "t", []byte("x"))
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := l.Read(ctx, "t", o+1, nil); err != context.DeadlineExceeded {
		t.Errorf("Read after the last record: %v", err)
	}
	err := l.Read(t.Context(), "t", frame.Offset(3, 0), nil)
	if !errors.Is(err, log.ErrCorrupt) || !strings.Contains(err.Error(), "topic t") || !strings.Contains(err.Error(), fmt.Sprint(uint64(frame.Offset(3, 0)))) {
		t.Errorf("Read from a position that was lost: %v", err)
	}
}

// TestGoroutinesEnd checks that nothing runs on after Close.
func TestGoroutinesEnd(t *testing.T) {
	cycle := func() {
		l := mustOpen(t, t.TempDir(), Options{TailBytes: 1})
		mustCreate(t, l, "t", log.TopicConfig{Partitions: 1, MaxBytes: 1 << 62})
		for range 5 {
			appendBody(t, l, "t", make([]byte, 1000))
		}
		ended := make(chan error, 1)
		reached := make(chan struct{})
		go func() {
			n := 0
			ended <- l.Read(t.Context(), "t", 0, func(log.Record) error {
				if n++; n == 5 {
					close(reached)
				}
				return nil
			})
		}()
		<-reached
		l.refuse(errors.New("test"))
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		if err := <-ended; !errors.Is(err, log.ErrClosed) {
			t.Errorf("Read: %v", err)
		}
	}
	cycle() // what the process starts once and keeps
	before := runtime.NumGoroutine()
	cycle()
	eventually(t, "goroutines end", func() bool { return runtime.NumGoroutine() <= before })
}
