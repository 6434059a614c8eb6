package engine

import (
	"sync/atomic"
	"time"
)

const (
	// cpuEvery is how many short steps are estimated for each one that is measured: asking for a thread's time is a call of the operating system,
	// four for each part of a step, which would cost more than many a step.
	cpuEvery = 16
	// cpuShort is how long a step may take to be a short one. What follows a longer one is measured.
	cpuShort = time.Millisecond
)

// cpuClock counts what the steps of a view take of the processors. A step runs in parts: one on the caller's goroutine and others on goroutines of their own.
// Every long step and one of cpuEvery short ones are measured; the others are taken to have the same ratio of CPU time to time. It belongs to the
// view's caller, but for measured.
type cpuClock struct {
	began    time.Time
	on       bool // this step is measured
	own      cpuMeter
	measured atomic.Int64 // of the step's parts that have ended
	steps    uint
	last     time.Duration // how long the step before took
	ratio    float64       // of CPU time to time, in the last step measured
}

func (c *cpuClock) beginStep() {
	c.began = time.Now()
	c.on = c.steps%cpuEvery == 0 || c.last > cpuShort
	c.steps++
	c.measured.Store(0)
	c.own = c.beginPart()
}

// endStep returns the CPU time of the step, in nanoseconds.
func (c *cpuClock) endStep() int64 {
	c.endPart(c.own)
	c.last = time.Since(c.began)
	if !c.on {
		return int64(c.ratio * float64(c.last))
	}
	used := c.measured.Load()
	c.ratio = float64(used) / float64(max(1, c.last))
	return used
}

// wait says that the caller waits for the other parts: its thread may run one of them meanwhile. goOn says that it no longer does.
func (c *cpuClock) wait() { c.endPart(c.own) }

func (c *cpuClock) goOn() { c.own = c.beginPart() }

func (c *cpuClock) beginPart() (m cpuMeter) {
	if c.on {
		m.thread, m.used = threadCPU()
		m.began = time.Now()
	}
	return m
}

func (c *cpuClock) endPart(m cpuMeter) {
	if !c.on {
		return
	}
	spent := time.Since(m.began)
	if thread, used := threadCPU(); thread != 0 && thread == m.thread {
		spent = min(spent, used-m.used)
	}
	c.measured.Add(int64(spent))
}

// cpuMeter is the beginning of a part. The operating system counts by thread, and a goroutine may be moved to another one: then, and where threads are not
// counted, the clock has to do, which is an upper bound.
type cpuMeter struct {
	thread int
	used   time.Duration
	began  time.Time
}
