package jetlog

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidemill/tidemill/internal/log"
	"github.com/tidemill/tidemill/internal/log/jetlog/frame"
)

var benchSizes = []struct {
	name string
	n    int
}{{"128B", 128}, {"64KiB", 64 << 10}, {"1MiB", 1 << 20}}

// BenchmarkAppend measures appends of groups of one record.
func BenchmarkAppend(b *testing.B) {
	for _, size := range benchSizes {
		for _, appenders := range []int{1, 64} {
			b.Run(fmt.Sprintf("%s/appenders=%d", size.name, appenders), func(b *testing.B) {
				l := mustOpen(b, b.TempDir(), Options{TailBytes: 16 << 20})
				defer l.Close()
				mustCreate(b, l, "t", log.TopicConfig{Partitions: 1, MaxBytes: 2 << 30})
				body := make([]byte, size.n)
				b.SetBytes(int64(size.n))
				b.ReportAllocs()
				b.ResetTimer()
				var left atomic.Int64
				left.Store(int64(b.N))
				var wg sync.WaitGroup
				for range appenders {
					wg.Go(func() {
						for left.Add(-1) >= 0 {
							if _, err := l.Append(context.Background(), "t", []log.Entry{{Body: body}}); err != nil {
								b.Error(err)
								return
							}
						}
					})
				}
				wg.Wait()
				b.StopTimer()
				end, err := l.Bounds(b.Context(), "t")
				if err != nil {
					b.Fatal(err)
				}
				frames, _ := frame.Split(end.Next)
				b.ReportMetric(float64(b.N)/float64(frames-1), "groups/frame")
			})
		}
	}
}

// BenchmarkRawFile is the measure for BenchmarkAppend: writes of 1 MiB to a file, each fsynced.
func BenchmarkRawFile(b *testing.B) {
	for _, size := range benchSizes {
		b.Run(size.name, func(b *testing.B) {
			f, err := os.Create(filepath.Join(b.TempDir(), "raw"))
			if err != nil {
				b.Fatal(err)
			}
			defer f.Close()
			block := make([]byte, size.n)
			b.SetBytes(int64(size.n))
			for b.Loop() {
				if _, err := f.Write(block); err != nil {
					b.Fatal(err)
				}
				if err := f.Sync(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkTailLatency measures the time from the call of Append to the call of a following reader's
// function.
func BenchmarkTailLatency(b *testing.B) {
	for _, relaxed := range []bool{false, true} {
		b.Run(fmt.Sprintf("relaxed=%v", relaxed), func(b *testing.B) {
			l := mustOpen(b, b.TempDir(), Options{})
			defer l.Close()
			mustCreate(b, l, "t", log.TopicConfig{Partitions: 1, Relaxed: relaxed})
			seen := make(chan time.Time, 1)
			ctx, cancel := context.WithCancel(b.Context())
			var wg sync.WaitGroup
			wg.Go(func() {
				_ = l.Read(ctx, "t", 0, func(log.Record) error { seen <- time.Now(); return nil })
			})
			body := make([]byte, 128)
			var took, acked []time.Duration
			for b.Loop() {
				began := time.Now()
				appendBody(b, l, "t", body)
				acked = append(acked, time.Since(began))
				took = append(took, (<-seen).Sub(began))
			}
			cancel()
			wg.Wait()
			slices.Sort(took)
			slices.Sort(acked)
			b.ReportMetric(float64(took[len(took)/2].Microseconds()), "p50-µs")
			b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-µs")
			b.ReportMetric(float64(acked[len(acked)/2].Microseconds()), "ack-p50-µs")
		})
	}
}

// BenchmarkColdRead reads what no memory of the log holds any more. The system's page cache may.
func BenchmarkColdRead(b *testing.B) {
	for _, c := range []struct {
		name            string
		appenders, size int
		n               int
	}{{"frames=1MiB", 64, 64 << 10, 4000}, {"frames=64KiB", 1, 64 << 10, 4000}, {"frames=128B", 1, 128, 10_000}} {
		b.Run(c.name, func(b *testing.B) {
			l := mustOpen(b, b.TempDir(), Options{TailBytes: 1})
			defer l.Close()
			mustCreate(b, l, "t", log.TopicConfig{Partitions: 1})
			body := make([]byte, c.size)
			var left atomic.Int64
			left.Store(int64(c.n))
			var wg sync.WaitGroup
			for range c.appenders {
				wg.Go(func() {
					for left.Add(-1) >= 0 {
						appendBody(b, l, "t", body)
					}
				})
			}
			wg.Wait()
			end, err := l.Bounds(b.Context(), "t")
			if err != nil {
				b.Fatal(err)
			}
			b.SetBytes(int64(c.n * c.size))
			b.ReportAllocs()
			for b.Loop() {
				n := 0
				if err := l.ReadRange(b.Context(), "t", 0, end.Next, func(log.Record) error { n++; return nil }); err != nil || n != c.n {
					b.Fatal(n, err)
				}
			}
			b.ReportMetric(float64(c.n)*float64(b.N)/b.Elapsed().Seconds(), "records/s")
		})
	}
}

// BenchmarkTailRead reads what is in memory, in many small records.
func BenchmarkTailRead(b *testing.B) {
	l := mustOpen(b, b.TempDir(), Options{})
	defer l.Close()
	mustCreate(b, l, "t", log.TopicConfig{Partitions: 1})
	const groups, records = 20, 10_000
	group := make([]log.Entry, records)
	for i := range group {
		group[i].Body = make([]byte, 64)
	}
	for range groups {
		if _, err := l.Append(b.Context(), "t", group); err != nil {
			b.Fatal(err)
		}
	}
	end, err := l.Bounds(b.Context(), "t")
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if err := l.ReadRange(b.Context(), "t", 0, end.Next, func(log.Record) error { return nil }); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(groups*records)*float64(b.N)/b.Elapsed().Seconds(), "records/s")
}
