package memlog_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/tidemill/tidemill/internal/log"
	"github.com/tidemill/tidemill/internal/log/logtest"
	"github.com/tidemill/tidemill/internal/log/memlog"
)

func TestConformance(t *testing.T) {
	logtest.Run(t, func(t *testing.T) (log.Log, func(*testing.T) log.Log) {
		return memlog.New(memlog.Options{}), nil
	})
}

func appendOne(t *testing.T, l log.Log, topic string, n int) error {
	t.Helper()
	_, err := l.Append(t.Context(), topic, []log.Entry{{Body: make([]byte, n)}})
	return err
}

func count(t *testing.T, l log.Log, topic string) int {
	t.Helper()
	b, err := l.Bounds(t.Context(), topic)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	if err := l.ReadRange(t.Context(), topic, b.First, b.Next, func(log.Record) error { n++; return nil }); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestAgeFollowsTheClock(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	l := memlog.New(memlog.Options{Now: func() time.Time { return now }})
	defer l.Close()
	if err := l.Create(t.Context(), "t", log.TopicConfig{Partitions: 1, MaxAge: time.Minute}); err != nil {
		t.Fatal(err)
	}
	for i := range 10 {
		if err := appendOne(t, l, "t", 1); err != nil {
			t.Fatal(err)
		}
		now = now.Add(10 * time.Second)
		if want := min(i+1, 6); count(t, l, "t") != want {
			t.Errorf("after %d appends %d records are left, want %d", i+1, count(t, l, "t"), want)
		}
	}
	now = now.Add(-time.Hour) // a clock that goes back removes nothing and keeps the order of times
	if err := appendOne(t, l, "t", 1); err != nil {
		t.Fatal(err)
	}
	var last time.Time
	err := l.ReadRange(t.Context(), "t", 0, 12, func(r log.Record) error {
		if r.Appended.Before(last) {
			return errors.New("time goes back")
		}
		last = r.Appended
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func TestMemoryIsBounded(t *testing.T) {
	l := memlog.New(memlog.Options{MaxBytes: 100_000})
	defer l.Close()
	for _, topic := range []string{"a", "b"} {
		if err := l.Create(t.Context(), topic, log.TopicConfig{Partitions: 1}); err != nil {
			t.Fatal(err)
		}
	}
	if err := appendOne(t, l, "a", 60_000); err != nil {
		t.Fatal(err)
	}
	if err := appendOne(t, l, "b", 60_000); !errors.Is(err, log.ErrUnavailable) {
		t.Errorf("error %v, want %v", err, log.ErrUnavailable)
	}
	if n := count(t, l, "b"); n != 0 {
		t.Errorf("%d records of a refused append", n)
	}
	if err := l.Delete(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	if err := appendOne(t, l, "b", 60_000); err != nil {
		t.Errorf("after room was made: %v", err)
	}
}

func TestSizeKeepsTheNewest(t *testing.T) {
	l := memlog.New(memlog.Options{MaxBytes: 10_000})
	defer l.Close()
	if err := l.Create(t.Context(), "t", log.TopicConfig{Partitions: 1, MaxBytes: 3000}); err != nil {
		t.Fatal(err)
	}
	for range 100 {
		if err := appendOne(t, l, "t", 1000); err != nil {
			t.Fatal(err)
		}
	}
	if n := count(t, l, "t"); n != 2 {
		t.Errorf("%d records are left, want 2", n)
	}
	if err := appendOne(t, l, "t", 5000); err != nil {
		t.Fatal(err)
	}
	if n := count(t, l, "t"); n != 1 {
		t.Errorf("%d records are left, want the newest, which is larger than the bound", n)
	}
}

func BenchmarkAppend(b *testing.B) {
	l := memlog.New(memlog.Options{})
	defer l.Close()
	ctx := context.Background()
	if err := l.Create(ctx, "t", log.TopicConfig{Partitions: 1, MaxBytes: 64 << 20}); err != nil {
		b.Fatal(err)
	}
	group := []log.Entry{{Body: make([]byte, 128)}}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := l.Append(ctx, "t", group); err != nil {
			b.Fatal(err)
		}
	}
}
