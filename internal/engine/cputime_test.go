package engine

import (
	"runtime"
	"testing"
	"time"
)

// TestCPUTime: a step that sleeps uses no processor, one that computes on two goroutines uses both.
func TestCPUTime(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the CPU time of a thread is not known here")
	}
	runtime.LockOSThread() // who sleeps would wake up on any thread
	defer runtime.UnlockOSThread()
	v := &viewState{}
	run := func(n int, f func(int)) (cpu, clock time.Duration) {
		began := time.Now()
		v.clock.beginStep()
		v.parallel(n, f)
		return time.Duration(v.clock.endStep()), time.Since(began)
	}
	if cpu, clock := run(1, func(int) { time.Sleep(50 * time.Millisecond) }); cpu > clock/2 {
		t.Errorf("sleeping for %s took %s of the processors", clock, cpu)
	}
	spin := func(int) {
		var x uint64 = 1
		for range 50_000_000 {
			x = x*6364136223846793005 + 1
		}
		runtime.KeepAlive(x)
	}
	one, _ := run(1, spin)
	if two, _ := run(2, spin); one <= 0 || two < one*3/2 {
		t.Errorf("one computation took %s of the processors, two took %s", one, two)
	}
}

// TestCPUEstimate: short steps between those that are measured count by the clock.
func TestCPUEstimate(t *testing.T) {
	c := &cpuClock{steps: 1, ratio: 0.5}
	c.beginStep()
	for time.Since(c.began) < 100*time.Microsecond {
	}
	if got := time.Duration(c.endStep()); c.on || got < 50*time.Microsecond || got > c.last {
		t.Errorf("%s of %s, measured %t", got, c.last, c.on)
	}
	c.last = 2 * cpuShort
	if c.beginStep(); !c.on {
		t.Error("the step after a long one is not measured")
	}
}
