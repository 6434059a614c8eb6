package engine

import (
	"math"
	"time"

	"github.com/tidemill/tidemill/internal/catalog"
	"github.com/tidemill/tidemill/internal/dataflow"
	"github.com/tidemill/tidemill/internal/row"
)

// EventTime says how far the event time of a stream has come.
type EventTime struct {
	// Mark returns the watermark for the latest event time, both in microseconds since 1970-01-01 UTC; ok is false if it has none. It never
	// decreases with its argument. It is called by one goroutine at a time.
	Mark func(latest int64) (mark int64, ok bool)
	// IdleTimeout is how long a partition counts without a record; FutureLimit how far ahead of its ingestion an event's time may be
	// to move the watermark.
	IdleTimeout, FutureLimit time.Duration
	// Per are columns each of whose values has a watermark of its own, nil for one per partition. Then that of the stream is the least of those that are
	// not idle.
	Per []string
	// Created is when the stream was made: before its first record it counts as if it had one then.
	Created time.Time
}

// clock follows the watermark of one stream: that of the partition that is furthest behind, of those that are not idle. It
// never goes back.
type clock struct {
	of    EventTime
	parts map[uint16]*partClock
	keys  *keyClocks // of a stream with a watermark per key
	mark  int64      // dataflow.NoWatermark until the first event with a time
	moved bool       // since the tick began
	seen  int64      // when the last record was taken into the log, microseconds; at first the stream's creation
	idle  bool
}

// partClock is a partition's part: the latest event time, and when its last record came.
type partClock struct {
	latest, seen int64
	some, idle   bool
}

func newClock(of EventTime) *clock {
	c := &clock{of: of, parts: map[uint16]*partClock{}, mark: dataflow.NoWatermark, seen: of.Created.UnixMicro()}
	if of.Per != nil {
		c.keys = newKeyClocks()
	}
	return c
}

// span is the event time of a group's rows in one partition, or of one key.
type span struct {
	key              []byte // of a stream with a watermark per key: the key's form
	partition        uint16
	earliest, latest int64 // latest leaves out times too far in the future
	timed, counts    bool  // whether there is an earliest, a latest
	ingested         int64
}

// spansOf finds the event times of a batch of the relation.
func (t *EventTime) spansOf(rel *catalog.Relation, b *row.Batch, partition uint16, ingested time.Time) []span {
	if t.Per != nil {
		return t.keySpans(rel, b, ingested)
	}
	return []span{t.spanOf(rel, b, partition, ingested)}
}

func (t *EventTime) spanOf(rel *catalog.Relation, b *row.Batch, partition uint16, ingested time.Time) span {
	s := span{partition: partition, ingested: ingested.UnixMicro(), earliest: math.MaxInt64, latest: math.MinInt64}
	limit := s.ingested + t.FutureLimit.Microseconds()
	v := &b.Cols[rel.Columns.Index(rel.Watermark.Column)]
	for i := range b.Len {
		if v.Null(i) || b.Weight(i) < 0 {
			continue
		}
		at := row.Micros(v, i)
		s.timed = true
		s.earliest = min(s.earliest, at)
		if at <= limit {
			s.counts = true
			s.latest = max(s.latest, at)
		}
	}
	return s
}

// nextIdle is when the next partition becomes idle if nothing comes.
func (c *clock) nextIdle() int64 {
	next, timeout := int64(math.MaxInt64), c.of.IdleTimeout.Microseconds()
	if !c.idle {
		next = c.seen + timeout
	}
	if c.keys != nil {
		if first, ok := c.keys.seen.Min(); ok {
			next = min(next, first.at+timeout)
		}
	}
	for _, p := range c.parts {
		if !p.idle {
			next = min(next, p.seen+timeout)
		}
	}
	return next
}

// expire makes partitions idle that had no record for long, and moves the mark to that of the others.
func (c *clock) expire(now int64) {
	timeout := c.of.IdleTimeout.Microseconds()
	if !c.idle && now-c.seen >= timeout {
		c.idle, c.moved = true, true
	}
	if c.keys != nil {
		c.keys.expire(now - timeout)
		c.settle()
		return
	}
	changed := false
	for _, p := range c.parts {
		if !p.idle && now-p.seen >= timeout {
			p.idle, changed = true, true
		}
	}
	if changed {
		c.settle()
	}
}

// take moves the clock by what a group brings; it reports whether that changed what it shows.
func (c *clock) take(spans []span) (changed bool) {
	mark, idle := c.mark, c.idle
	for _, s := range spans {
		if c.of.Per != nil {
			c.seen, c.idle = max(c.seen, s.ingested), false
			c.takeKey(s)
			continue
		}
		p := c.parts[s.partition]
		if p == nil {
			p = &partClock{}
			c.parts[s.partition] = p
		}
		p.seen, p.idle = max(p.seen, s.ingested), false
		c.seen, c.idle = max(c.seen, s.ingested), false
		if s.counts && (!p.some || s.latest > p.latest) {
			p.latest, p.some = s.latest, true
		}
	}
	c.settle()
	changed = c.mark != mark || c.idle != idle
	c.moved = c.moved || changed
	return changed
}

func (c *clock) settle() {
	least, some := int64(math.MaxInt64), false
	for _, p := range c.parts {
		if p.some && !p.idle {
			least, some = min(least, p.latest), true
		}
	}
	if c.keys != nil {
		least, some = c.keys.least()
	}
	if !some {
		return // all are idle: the mark holds
	}
	if mark, ok := c.of.Mark(least); ok && mark > c.mark {
		c.mark, c.moved = mark, true
	}
}

// timed reports whether time means anything to the view.
func (v *viewState) timed() bool { return len(v.time.streams) > 0 || v.graph.AsksForTime() }

// nextMoment is when the loop has to look at the time again although nothing comes in, nil for never.
func (e *Engine) nextMoment() <-chan time.Time {
	wait := time.Duration(0)
	for _, v := range e.views {
		if v.stopped != nil || !v.timed() {
			continue
		}
		r := time.Duration(v.time.resolution) * time.Microsecond
		if !v.graph.AsksForTime() {
			r = time.Second // idleness
		}
		if wait == 0 || r < wait {
			wait = r
		}
	}
	if wait == 0 {
		return nil
	}
	now := e.opts.Now()
	return e.opts.After(now.Truncate(wait).Add(wait).Sub(now))
}

// begin begins a tick.
func (c *clock) begin() {
	c.moved = false
	if c.keys != nil {
		c.keys.begin()
	}
}
