package dataflow

import (
	"fmt"
	"testing"

	"github.com/tidemill/tidemill/internal/plan"
	"github.com/tidemill/tidemill/internal/row"
)

// timedBatch has n rows, a millisecond apart, from a number on.
func timedBatch(from, n int) *row.Batch {
	b := row.NewBatchBuilder(timedTypes, n)
	for i := range n {
		at := int64(from + i)
		b.Cols[0].AppendInt(at * 7 % 1000)
		b.Cols[1].AppendInt(at % 10)
		b.Cols[2].AppendInt(at * 1000)
	}
	return b.Finish(n)
}

// benchmarkTimed feeds long streams in order; a watermark two seconds behind or none.
func benchmarkTimed(b *testing.B, s timedRun, bounded bool) {
	const tick = 1000
	g := s.build(b, 1, bounded)
	times := Times{Before: NoWatermark, After: NoWatermark}
	n := 0
	b.ResetTimer()
	for range b.N {
		times.Before, times.After = times.After, int64(n-2000)*1000
		g.SetTimes(times)
		batch := timedBatch(n, tick)
		changes := map[string]*row.Batch{}
		for _, name := range s.names {
			changes[name] = batch
		}
		if _, err := g.Step(changes, Inline); err != nil {
			b.Fatal(err)
		}
		n += tick
	}
	b.ReportMetric(float64(b.N)*tick*float64(len(s.names))/b.Elapsed().Seconds(), "rows/s")
	b.ReportMetric(float64(g.Bytes())/1024, "KiB")
}

func BenchmarkIntervalJoin(b *testing.B) {
	for _, bounded := range []bool{false, true} {
		b.Run(fmt.Sprintf("watermark=%v", bounded), func(b *testing.B) {
			benchmarkTimed(b, timedRun{root: func() plan.Node { return intervalJoin(plan.Inner, true) }, names: []string{"l", "r"}}, bounded)
		})
	}
}

func BenchmarkHop(b *testing.B) {
	for _, panes := range []int64{1, 10, 100, 1000} {
		for _, optimize := range []bool{false, true} {
			if panes == 1000 && !optimize {
				continue
			}
			b.Run(fmt.Sprintf("windows=%d,panes=%v", panes, optimize), func(b *testing.B) {
				root := func() plan.Node {
					a := hop(panes*second, second).(*plan.Aggregate)
					return &plan.Aggregate{Input: a.Input, Groups: a.Groups[1:], Calls: a.Calls[:3]}
				}
				benchmarkTimed(b, timedRun{root: root, names: []string{"l"}, optimize: optimize}, true)
			})
		}
	}
}
