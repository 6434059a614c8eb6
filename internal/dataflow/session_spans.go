package dataflow

import "math"

// sessionSpans notes the bounds that sessions had before a step, of those that it changes. A nil sessionSpans notes nothing.
type sessionSpans struct {
	stamps toucher
	was    []sessionSpan // by touched session
	slot   []int32       // by session, where it is in was
}

type sessionSpan struct{ start, end int64 }

// sessionChanges are rows of a session operator's output.
type sessionChanges struct {
	ids                   []uint32
	numbers, starts, ends []int64
	weights               []int64
	was, now              sessionSpan // of the row in hand
	bounds                bool        // starts and ends are asked for, else numbers
}

func (c *sessionChanges) add(id, session uint32, span sessionSpan, w int64) {
	if w == 0 {
		return
	}
	c.ids, c.weights = append(c.ids, id), append(c.weights, w)
	if !c.bounds {
		c.numbers = append(c.numbers, int64(session))
		return
	}
	c.starts, c.ends = append(c.starts, span.start), append(c.ends, span.end)
}

func (x *sessionSpans) begin() {
	if x != nil {
		x.stamps.begin(uint32(len(x.slot)))
		x.was = x.was[:0]
	}
}

// note keeps the bounds of a session as they are before it changes for the first time in a step.
func (x *sessionSpans) note(o *sessionOp, s uint32) {
	if x == nil {
		return
	}
	if int(s) >= len(x.slot) {
		x.slot = append(x.slot, make([]int32, int(o.next)-len(x.slot))...)
		x.stamps.stamps.Grow(uint32(len(x.slot)))
	}
	seen := len(x.stamps.seen)
	x.stamps.see(s, 0, true)
	if len(x.stamps.seen) > seen {
		x.slot[s] = int32(len(x.was))
		x.was = append(x.was, x.now(o, s))
	}
}

// before are the bounds that a session had before the step.
func (x *sessionSpans) before(o *sessionOp, s uint32) sessionSpan {
	if x == nil || s >= o.next {
		return sessionSpan{}
	}
	if int(s) < len(x.slot) && *x.stamps.stamps.Peek(s) == x.stamps.stamp {
		return x.was[x.slot[s]]
	}
	return x.now(o, s)
}

func (x *sessionSpans) now(o *sessionOp, s uint32) sessionSpan {
	if x == nil || s >= o.next {
		return sessionSpan{}
	}
	return sessionSpan{o.sessions.Peek(s).start, o.sessions.Peek(s).end}
}

// moved adds the rows that the step has not touched, but whose session has other bounds now.
func (x *sessionSpans) moved(o *sessionOp, c *sessionChanges) {
	if x == nil {
		return
	}
	for k, t := range x.stamps.seen {
		s, was := o.sessions.Peek(t.id), x.was[k]
		now := x.now(o, t.id)
		if s.size == 0 || was == now {
			continue
		}
		o.order.Descend(moment{s.key, s.end, math.MaxUint32}, func(m moment) bool {
			if m.key != s.key || *o.session.Peek(m.id) != t.id {
				return false
			}
			if *o.touch.stamps.Peek(m.id) != o.touch.stamp {
				w := *o.weights.Peek(m.id)
				c.add(m.id, t.id, was, -w)
				c.add(m.id, t.id, now, w)
			}
			return true
		})
	}
}

func (x *sessionSpans) bytes() int64 {
	if x == nil {
		return 0
	}
	return x.stamps.bytes() + int64(cap(x.slot))*4 + int64(cap(x.was))*16
}
