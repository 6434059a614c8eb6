package engine

import (
	"math"
	"slices"

	"github.com/tidemill/tidemill/internal/dataflow"
)

// clocks are the clocks of several streams, with the views that follow them. What they show depends on the order of the records of all streams and on
// when the log took them, but not on when somebody looks: time passes from one moment at which a partition becomes idle to the next.
type clocks struct {
	of      map[uint64]*clock
	views   []*timing
	related map[uint64][]*clock // by stream: those that a view follows together with it; made when it is asked for
	mixed   map[uint64]bool     // inputs without a watermark that a view with final rows depends on: what they hold when rows become final counts
	now     int64               // how far time has come, microseconds
	first   int64               // when the first record of the tick came into the log, 0 before it
	due     int64               // until then no partition becomes idle
}

func newClocks() *clocks { return &clocks{of: map[uint64]*clock{}, due: math.MaxInt64} }

func (cs *clocks) add(id uint64, c *clock) {
	cs.of[id] = c
	cs.due, cs.related = min(cs.due, c.nextIdle()), nil
}

// follow replaces the views.
func (cs *clocks) follow(views []*timing) { cs.views, cs.related = views, nil }

// begin begins a tick.
func (cs *clocks) begin() {
	for _, c := range cs.of {
		c.begin()
	}
	cs.first = 0
}

// pass lets time go on.
func (cs *clocks) pass(now int64) {
	for cs.due <= now {
		next := int64(math.MaxInt64)
		for _, c := range cs.of {
			next = min(next, c.nextIdle())
		}
		cs.due = next
		if next > now {
			break
		}
		for _, c := range cs.of {
			c.expire(next)
		}
		for _, t := range cs.views {
			t.observe(cs.of)
		}
	}
	cs.now = max(cs.now, now)
}

// take moves the clocks by a group of a stream that the log took at a time.
func (cs *clocks) take(id uint64, taken int64, spans []span) {
	cs.pass(max(cs.now, taken))
	if cs.first == 0 {
		cs.first = taken
	}
	c := cs.of[id]
	if c == nil {
		return
	}
	if c.take(spans) {
		cs.observe(id)
	}
	cs.due = min(cs.due, c.nextIdle())
}

// observe shows the views what a stream's clock has come to.
func (cs *clocks) observe(id uint64) {
	for _, t := range cs.views {
		if slices.Contains(t.streams, id) {
			t.observe(cs.of)
		}
	}
}

// behind reports whether a group has to wait for the next tick: it has rows that may be late by what this tick has taken, which they would not be at the
// tick's beginning. So what is late does not depend on how groups fall into ticks.
func (cs *clocks) behind(id uint64, taken int64, spans []span) bool {
	own := cs.of[id]
	if own == nil {
		cs.pass(max(cs.now, taken))
		return cs.mixed[id] && cs.moved()
	}
	cs.pass(max(cs.now, taken))
	if own.keys != nil && (own.behindKey(spans) || cs.first != 0 && own.ahead(spans, cs.first)) {
		return true
	}
	mark, moved := int64(math.MinInt64), false
	for _, c := range cs.relatedTo(id) {
		mark, moved = max(mark, c.mark), moved || c.moved
	}
	return moved && (cs.overtaken(id) || slices.ContainsFunc(spans, func(s span) bool { return s.timed && s.earliest < mark }))
}

// moved reports whether a watermark has moved since the tick began.
func (cs *clocks) moved() bool {
	for _, c := range cs.of {
		if c.moved || c.keys != nil && len(c.keys.moved) > 0 {
			return true
		}
	}
	return false
}

// overtaken reports whether a view's watermark is ahead of that of a view below it, because the streams of that one were idle: what it has held back comes with its
// streams' next groups, and may be late.
func (cs *clocks) overtaken(id uint64) bool {
	for _, t := range cs.views {
		for _, b := range t.below {
			if t.mark > b.mark && slices.Contains(b.streams, id) {
				return true
			}
		}
	}
	return false
}

func (cs *clocks) relatedTo(id uint64) []*clock {
	if cs.related == nil {
		cs.related = map[uint64][]*clock{}
	}
	found, ok := cs.related[id]
	if ok {
		return found
	}
	var ids []uint64
	for _, t := range cs.views {
		if slices.Contains(t.streams, id) {
			ids = append(ids, t.streams...)
		}
	}
	slices.Sort(ids)
	for _, other := range slices.Compact(ids) {
		if c := cs.of[other]; c != nil {
			found = append(found, c)
		}
	}
	cs.related[id] = found
	return found
}

// timing is what a view knows of time. It belongs to the loop, or to the view's bootstrap before it joins.
type timing struct {
	streams []uint64  // whose watermarks count, nil for none
	below   []*timing // of the views that the view reads
	// mark is the highest that the watermark of the streams together was: the least of those that are not idle. While all are idle it holds.
	mark       int64
	taken      int64 // when the log took the first group of the step, 0 for none
	resolution int64 // microseconds
	times      dataflow.Times
}

func newTiming(streams []uint64, resolution int64) timing {
	return timing{streams: streams, mark: dataflow.NoWatermark, resolution: resolution,
		times: dataflow.Times{Before: dataflow.NoWatermark, After: dataflow.NoWatermark}}
}

func (t *timing) observe(of map[uint64]*clock) {
	mark, some := int64(math.MaxInt64), false
	for _, id := range t.streams {
		if c := of[id]; c != nil && !c.idle {
			mark, some = min(mark, c.mark), true
		}
	}
	if some {
		t.mark = max(t.mark, mark)
	}
}

// at sets the times for the step that follows, at a wall-clock time; moved reports whether the graph may have something to do because of it.
func (t *timing) at(g *dataflow.Graph, now int64) (moved bool) {
	next := t.times
	next.Before, next.After, next.Taken = next.After, t.mark, t.taken
	moved = next.After != next.Before
	if g.AsksForTime() {
		if now -= now % t.resolution; now > next.Now {
			next.Now, moved = now, true
		}
	}
	t.times = next
	g.SetTimes(next)
	return moved
}

// follow tells the clocks which views there are.
func (e *Engine) follow() {
	var views []*timing
	for _, v := range e.views {
		if len(v.time.streams) > 0 {
			v.time.below = e.timesBelow(v)
			views = append(views, &v.time)
		}
	}
	for b := range e.booting {
		if len(b.seen.streams) > 0 {
			b.seen.below = e.timesBelow(b.view)
			views = append(views, &b.seen)
		}
	}
	e.clocks.follow(views)
	e.clocks.mixed = map[uint64]bool{}
	for _, v := range e.views {
		if v.graph.Final() {
			e.mix(v)
		}
	}
}

// mix notes the inputs without a watermark that a view depends on.
func (e *Engine) mix(v *viewState) {
	for _, id := range v.reads {
		if e.clocks.of[id] == nil {
			e.clocks.mixed[id] = true
		}
		for _, other := range e.views {
			if other.rel.ID == id {
				e.mix(other)
			}
		}
	}
}

// timesBelow are the timings of the views that a view reads.
func (e *Engine) timesBelow(v *viewState) []*timing {
	var out []*timing
	for _, other := range e.views {
		for _, id := range v.reads {
			if other.rel.ID == id {
				out = append(out, &other.time)
			}
		}
	}
	return out
}
