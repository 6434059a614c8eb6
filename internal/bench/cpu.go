package bench

import (
	"fmt"
	"slices"
	"syscall"
	"time"
)

// cpuTime is what this process has used of the processors so far, in all its threads.
func cpuTime() (time.Duration, error) {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0, fmt.Errorf("reading the CPU time: %w", err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()), nil
}

// span is what something took.
type span struct {
	cpu, wall time.Duration
}

// measure runs f.
func measure(f func() error) (span, error) {
	before, err := cpuTime()
	if err != nil {
		return span{}, err
	}
	begun := time.Now()
	if err := f(); err != nil {
		return span{}, err
	}
	wall := time.Since(begun)
	after, err := cpuTime()
	return span{after - before, wall}, err
}

// median returns the middle value, the mean of the two in the middle if their number is even.
func median(vs []float64) float64 {
	if len(vs) == 0 {
		return 0
	}
	s := slices.Sorted(slices.Values(vs))
	return (s[(len(s)-1)/2] + s[len(s)/2]) / 2
}

// Latency describes a distribution of times, in milliseconds.
type Latency struct {
	Count int     `json:"count"`
	P50   float64 `json:"p50_ms"`
	P99   float64 `json:"p99_ms"`
	P999  float64 `json:"p999_ms"`
	Max   float64 `json:"max_ms"`
}

// latencyOf sorts ds.
func latencyOf(ds []time.Duration) Latency {
	if len(ds) == 0 {
		return Latency{}
	}
	slices.Sort(ds)
	at := func(q float64) float64 {
		i := min(int(q*float64(len(ds))), len(ds)-1)
		return float64(ds[i]) / float64(time.Millisecond)
	}
	return Latency{len(ds), at(0.5), at(0.99), at(0.999), at(1)}
}
