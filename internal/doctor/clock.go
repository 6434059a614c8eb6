package doctor

import (
	"context"
	"fmt"
	"time"
)

const (
	// clockTime is how long the clocks are watched at least.
	clockTime = 300 * time.Millisecond
	// driftMost is how far they may go apart per second: NTP slews by at most a two-thousandth.
	driftMost = 2 * time.Millisecond
)

// watchClock begins to watch the clocks; the function it returns tells how they ran since.
func watchClock() func(context.Context) ClockFacts {
	began := time.Now()
	return func(ctx context.Context) ClockFacts {
		if left := clockTime - time.Since(began); left > 0 {
			select {
			case <-time.After(left):
			case <-ctx.Done():
			}
		}
		now := time.Now()
		over := now.Sub(began)
		return ClockFacts{Now: now, Over: over, Drift: now.Round(0).Sub(began.Round(0)) - over, Synchronized: synchronized()}
	}
}

func judgeClock(c ClockFacts) []Finding {
	if c.Now.IsZero() {
		return nil
	}
	x := Finding{Check: "clock", Verdict: OK, Found: fmt.Sprintf("%s; wall and monotonic clock went %s apart in %s", c.Now.UTC().Format(time.RFC3339), c.Drift.Abs().Round(time.Microsecond), c.Over.Round(time.Millisecond))}
	switch {
	case c.Now.Year() < 2025:
		x.Verdict, x.Means, x.Raise = Fail, "the time is wrong: events from now look as if they were far in the future", "set the clock"
	case c.Over > 0 && c.Drift.Abs() > time.Duration(float64(driftMost)*max(1, c.Over.Seconds())):
		x.Verdict, x.Means = Warn, "the wall clock jumps; temporal filters and idle streams follow it"
		x.Raise = "let NTP slew the clock rather than step it"
	}
	out := []Finding{x}
	if c.Synchronized != nil {
		n := Finding{Check: "NTP", Verdict: OK, Found: "the kernel says that the clock is synchronized"}
		if !*c.Synchronized {
			n.Verdict, n.Found = Warn, "the kernel says that the clock is not synchronized"
			n.Means, n.Raise = "lateness and freshness are measured against other machines' clocks", "run chrony, ntpd or systemd-timesyncd"
		}
		out = append(out, n)
	}
	return out
}
