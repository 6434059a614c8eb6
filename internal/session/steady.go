package session

import (
	"sync"
	"time"
)

// steadyClock is the time that rows are taken at and views follow. It never goes back: where the machine's clock is set back it goes on at half speed until that has
// caught up, so that partitions do not become idle, and windows do not close, by a jump back and forth. Where the machine's clock is set forward it follows, since nobody can
// tell that from a machine that slept. It is safe for concurrent use.
type steadyClock struct {
	wall    func() time.Time
	elapsed func() time.Duration

	mu   sync.Mutex
	last time.Time
	at   time.Duration // of elapsed, when last was given
}

// newSteadyClock returns a clock that is not before least.
func newSteadyClock(wall func() time.Time, elapsed func() time.Duration, least time.Time) *steadyClock {
	return &steadyClock{wall: wall, elapsed: elapsed, last: least, at: elapsed()}
}

// now returns the time, without a monotonic reading.
func (c *steadyClock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	wall, at := c.wall().Round(0), c.elapsed()
	passed := max(0, at-c.at)
	c.at = max(c.at, at)
	if wall.Before(c.last) {
		c.last = c.last.Add(passed / 2)
	} else {
		c.last = wall
	}
	return c.last
}
