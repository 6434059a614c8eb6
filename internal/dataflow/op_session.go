package dataflow

import (
	"math"

	"github.com/tidwall/btree"

	"github.com/tidemill/tidemill/internal/dataflow/state"
	"github.com/tidemill/tidemill/internal/row"
)

// sessionOp numbers the sessions of each key: runs of rows none of which is further than gap behind the one before it. Its input is routed by the keys;
// its output is the input's rows with the number of their session. A row that comes between two sessions joins them, one that goes may divide one:
// then the rows of the smaller part get another number, so that a row is renumbered at most as often as the size of what it belongs to doubles.
// With bounds the output has the first and the last time of the session instead of its number.
//
// A session's rows are freed when the watermark says that no row finds them any more; its number is then given to another.
type sessionOp struct {
	times   *Times
	time    int // the input's column with the time
	gap     int64
	retract bool
	ends    *threshold // nil: nothing is freed
	bounds  bool

	keys     *state.Set
	keyRows  state.Array[int64] // rows per key
	rows     *state.Rows
	weights  state.Array[int64]
	session  state.Array[uint32] // by row
	byRow    state.Index         // full-row hash → row, if rows can be retracted
	order    *btree.BTreeG[moment]
	sessions state.Array[sessionState]
	next     uint32
	free     state.Stack // numbers that are not in use
	dates    *state.Calendar
	due      state.Array[uint64] // by session, where it is in dates

	touch   toucher
	before  []sessionWas  // by touched row
	spans   *sessionSpans // nil without bounds
	dropped []uint32      // rows whose ids are free once the step is over
	ids     []uint32
	hash    []uint64
}

// moment is a row's place in its key's order.
type moment struct {
	key uint32
	at  int64
	id  uint32
}

type sessionState struct {
	key, size  uint32
	start, end int64
}

type sessionWas struct {
	weight  int64
	session uint32
}

func newSession(keys, types []row.Type, time int, gap int64, retract, bounds bool) *sessionOp {
	o := &sessionOp{bounds: bounds, time: time, gap: gap, retract: retract, keys: state.NewSet(keys), rows: state.NewRows(types), dates: state.NewCalendar(),
		order: btree.NewBTreeGOptions(func(a, b moment) bool {
			if a.key != b.key {
				return a.key < b.key
			}
			return a.at < b.at || a.at == b.at && a.id < b.id
		}, btree.Options{NoLocks: true})}
	if bounds {
		o.spans = &sessionSpans{}
	}
	return o
}

func (o *sessionOp) step(in []port) (*row.Batch, error) {
	var out *row.Batch
	if p := &in[0]; p.rows() > 0 {
		if !o.rows.Room(p.rows()) {
			return nil, errFull
		}
		o.take(p)
		out = o.changes()
	}
	o.close()
	return out, nil
}

func (o *sessionOp) take(p *port) {
	n := p.batch.Len
	o.ids = sized(o.ids, n)
	o.keys.FindOrAdd(p.keys, p.hash, o.ids, nil)
	o.keyRows.Grow(o.keys.Cap())
	if o.retract {
		o.hash = append(o.hash[:0], make([]uint64, n)...)
		row.Hash(p.batch.Cols, o.hash)
	}
	// Every row that may be touched has an id below the capacity after the batch.
	o.touch.begin(o.rows.Cap() + uint32(n))
	o.spans.begin()
	o.before = o.before[:0]
	at := row.Values[int64](&p.batch.Cols[o.time])
	for i := range n {
		o.change(p, i, at[i])
	}
}

// touched notes what a row was like before the step, once.
func (o *sessionOp) touched(id uint32, was sessionWas) {
	seen := len(o.touch.seen)
	o.touch.see(id, 0, true)
	if len(o.touch.seen) > seen {
		o.before = append(o.before, was)
	}
}

func (o *sessionOp) was(id uint32) sessionWas {
	return sessionWas{*o.weights.Peek(id), *o.session.Peek(id)}
}

// change adds row i of p with its weight.
func (o *sessionOp) change(p *port, i int, at int64) {
	w := p.batch.Weight(i)
	if o.retract {
		probe := o.byRow.Find(o.hash[i])
		for r := probe.Next(); r != state.None; r = probe.Next() {
			if !o.rows.Equal(r, p.batch.Cols, i) {
				continue
			}
			o.touched(r, o.was(r))
			have := o.weights.At(r)
			if *have += w; *have == 0 {
				o.byRow.Remove(o.hash[i], r)
				o.leave(moment{o.ids[i], at, r})
			}
			return
		}
	}
	r := o.rows.Add(p.batch.Cols, i)
	o.weights.Grow(o.rows.Cap())
	o.session.Grow(o.rows.Cap())
	o.touched(r, sessionWas{})
	*o.weights.At(r) = w
	if o.retract {
		o.byRow.Add(o.hash[i], r)
	}
	o.enter(moment{o.ids[i], at, r})
}

// neighbours are the rows next to m in its key's order, with their sessions.
func (o *sessionOp) neighbours(m moment) (before, after moment, hasBefore, hasAfter bool) {
	o.order.Descend(m, func(x moment) bool {
		if x == m {
			return true
		}
		before, hasBefore = x, x.key == m.key
		return false
	})
	o.order.Ascend(m, func(x moment) bool {
		if x == m {
			return true
		}
		after, hasAfter = x, x.key == m.key
		return false
	})
	return before, after, hasBefore, hasAfter
}

// enter puts a new row into the session it belongs to, and joins two that it connects.
func (o *sessionOp) enter(m moment) {
	before, after, hasBefore, hasAfter := o.neighbours(m)
	o.order.Set(m)
	*o.keyRows.At(m.key)++
	hasBefore = hasBefore && m.at-before.at <= o.gap
	hasAfter = hasAfter && after.at-m.at <= o.gap
	var s uint32
	switch {
	case hasBefore && hasAfter:
		s = o.join(before, after)
	case hasBefore:
		s = *o.session.Peek(before.id)
	case hasAfter:
		s = *o.session.Peek(after.id)
	default:
		s = o.begin(m)
	}
	*o.session.At(m.id) = s
	o.spans.note(o, s)
	x := o.sessions.At(s)
	x.size++
	x.start, x.end = min(x.start, m.at), max(x.end, m.at)
}

// begin makes an empty session.
func (o *sessionOp) begin(m moment) uint32 {
	var s uint32
	if o.free.Len() > 0 {
		s = o.free.Pop()
	} else {
		s = o.next
		o.next++
		o.sessions.Grow(o.next)
		o.due.Grow(o.next)
	}
	o.spans.note(o, s)
	*o.sessions.At(s) = sessionState{key: m.key, start: m.at, end: m.at}
	if o.ends != nil {
		o.schedule(s)
	}
	return s
}

const orderTop = 1 << 63

func (o *sessionOp) schedule(s uint32) {
	due := uint64(o.sessions.Peek(s).end) ^ orderTop
	*o.due.At(s) = due
	o.dates.Add(0, due, s)
}

func (o *sessionOp) end(s uint32) {
	if o.ends != nil {
		o.dates.Remove(0, *o.due.Peek(s), s)
	}
	o.free.Push(s)
}

// join makes one of the sessions of two rows next to each other.
func (o *sessionOp) join(before, after moment) uint32 {
	a, b := *o.session.Peek(before.id), *o.session.Peek(after.id)
	if a == b {
		return a
	}
	from, to, start, forward := b, a, after, true
	if o.sessions.Peek(a).size < o.sessions.Peek(b).size {
		from, to, start, forward = a, b, before, false
	}
	o.renumber(start, forward, from, to)
	o.spans.note(o, from)
	o.spans.note(o, to)
	x, y := o.sessions.At(to), o.sessions.Peek(from)
	x.size += y.size
	x.start, x.end = min(x.start, y.start), max(x.end, y.end)
	o.end(from)
	return to
}

// renumber gives the rows of a session from start on, in one direction, another.
func (o *sessionOp) renumber(start moment, forward bool, from, to uint32) {
	visit := func(x moment) bool {
		if x.key != start.key || *o.session.Peek(x.id) != from {
			return false
		}
		o.touched(x.id, o.was(x.id))
		*o.session.At(x.id) = to
		return true
	}
	if forward {
		o.order.Ascend(start, visit)
	} else {
		o.order.Descend(start, visit)
	}
}

// leave takes a row out of its session, and divides it if the row held it together.
func (o *sessionOp) leave(m moment) {
	before, after, hasBefore, hasAfter := o.neighbours(m)
	o.order.Delete(m)
	*o.keyRows.At(m.key)--
	o.dropped = append(o.dropped, m.id)
	s := *o.session.Peek(m.id)
	hasBefore = hasBefore && *o.session.Peek(before.id) == s
	hasAfter = hasAfter && *o.session.Peek(after.id) == s
	o.spans.note(o, s)
	o.sessions.At(s).size--
	switch {
	case o.sessions.Peek(s).size == 0:
		o.end(s)
	case !hasBefore:
		o.sessions.At(s).start = after.at
	case !hasAfter:
		o.sessions.At(s).end = before.at
	case hasBefore && after.at-before.at > o.gap:
		o.divide(s, before, after)
	}
}

// divide makes two sessions of one between two rows: the smaller part gets the new number.
func (o *sessionOp) divide(s uint32, before, after moment) {
	size := o.smaller(s, before, after)
	left := size < 0
	if left {
		size = -size
	}
	n := o.begin(after)
	o.sessions.At(n).size = uint32(size)
	o.sessions.At(s).size -= uint32(size)
	if left {
		o.sessions.At(n).start, o.sessions.At(n).end = o.sessions.Peek(s).start, before.at
		o.sessions.At(s).start = after.at
		o.renumber(before, false, s, n)
		return
	}
	o.sessions.At(n).end = o.sessions.Peek(s).end
	o.sessions.At(s).end = before.at
	o.renumber(after, true, s, n)
}

// smaller is the number of rows of the smaller part of a session that is divided between two rows, negative for the earlier part.
func (o *sessionOp) smaller(s uint32, before, after moment) int {
	left, right := o.order.Iter(), o.order.Iter()
	defer left.Release()
	defer right.Release()
	okLeft, okRight := left.Seek(before), right.Seek(after)
	for n := 1; ; n++ {
		okLeft = okLeft && left.Prev()
		if !okLeft || left.Item().key != before.key || *o.session.Peek(left.Item().id) != s {
			return -n
		}
		okRight = okRight && right.Next()
		if !okRight || right.Item().key != after.key || *o.session.Peek(right.Item().id) != s {
			return n
		}
	}
}

// changes returns what became of the touched rows, and frees those that are gone.
func (o *sessionOp) changes() *row.Batch {
	c := sessionChanges{bounds: o.bounds}
	for k, t := range o.touch.seen {
		was, now := o.before[k], o.was(t.id)
		c.was, c.now = o.spans.before(o, was.session), o.spans.now(o, now.session)
		if was.session == now.session && c.was == c.now {
			c.add(t.id, now.session, c.now, now.weight-was.weight)
			continue
		}
		c.add(t.id, was.session, c.was, -was.weight)
		c.add(t.id, now.session, c.now, now.weight)
	}
	o.spans.moved(o, &c)
	var out *row.Batch
	if len(c.ids) > 0 {
		out = o.changed(&c)
	}
	for _, id := range o.dropped {
		*o.weights.At(id) = 0
		o.rows.Remove(id)
	}
	o.dropped = o.dropped[:0]
	return out
}

// changed makes the output of changes.
func (o *sessionOp) changed(c *sessionChanges) *row.Batch {
	out := &row.Batch{Cols: make([]row.Vec, 0, o.rows.Columns()+2), Len: len(c.ids), Weights: c.weights}
	for k := range o.rows.Columns() {
		out.Cols = append(out.Cols, o.rows.Gather(k, c.ids))
	}
	if !o.bounds {
		out.Cols = append(out.Cols, row.FromValues(row.T(row.Int64), c.numbers, nil))
		return out
	}
	t := out.Cols[o.time].Type
	out.Cols = append(out.Cols, row.FromValues(t, c.starts, nil), row.FromValues(t, c.ends, nil))
	return out
}

// close frees the sessions that no row on time, or late by less than a gap, can touch any more.
func (o *sessionOp) close() {
	if o.ends == nil {
		return
	}
	limit, ok := o.ends.at(o.times.After)
	if !ok {
		return
	}
	var gone []uint32
	for _, s := range o.dates.Take(0, limit, nil) {
		if uint64(o.sessions.Peek(s).end)^orderTop >= limit {
			o.schedule(s) // it has gone on since
			continue
		}
		gone = append(gone, s)
	}
	for _, s := range gone {
		o.forget(s)
	}
}

func (o *sessionOp) forget(s uint32) {
	var rows []moment
	o.order.Descend(moment{o.sessions.Peek(s).key, o.sessions.Peek(s).end, math.MaxUint32}, func(x moment) bool {
		if x.key != o.sessions.Peek(s).key || *o.session.Peek(x.id) != s {
			return false
		}
		rows = append(rows, x)
		return true
	})
	if o.retract {
		o.unindex(rows)
	}
	for _, m := range rows {
		o.order.Delete(m)
		*o.weights.At(m.id) = 0
		o.rows.Remove(m.id)
	}
	o.free.Push(s)
	key := o.sessions.Peek(s).key
	if n := o.keyRows.At(key); true {
		if *n -= int64(len(rows)); *n == 0 {
			o.keys.Remove(key, hashesOf(o.keys, []uint32{key})[0])
		}
	}
}

func (o *sessionOp) unindex(rows []moment) {
	ids := make([]uint32, len(rows))
	for k, m := range rows {
		ids[k] = m.id
	}
	unindexRows(o.rows, &o.byRow, ids)
}

func (o *sessionOp) bytes() int64 {
	return o.spans.bytes() + o.keys.Bytes() + o.keyRows.Bytes() + o.rows.Bytes() + o.weights.Bytes() + o.session.Bytes() + o.byRow.Bytes() +
		int64(o.order.Len())*32 + o.sessions.Bytes() + o.free.Bytes() + o.dates.Bytes() + o.due.Bytes() + o.touch.bytes()
}

func (o *sessionOp) persist(k *state.Keeper) {
	o.keys.Keep(k)
	o.keyRows.Keep(k)
	o.rows.Keep(k)
	o.weights.Keep(k)
	o.session.Keep(k)
	o.sessions.Keep(k)
	state.Keep(k, &o.next)
	o.free.Keep(k)
	o.due.Keep(k)
	k.Then(func() {
		if o.retract {
			o.byRow.Fill(o.rows)
		}
		var booked []bool
		o.rows.Each(func(ids []uint32) {
			for _, id := range ids {
				s := *o.session.Peek(id)
				o.order.Set(moment{o.sessions.Peek(s).key, o.rows.Int(o.time, id), id})
				for uint32(len(booked)) <= s {
					booked = append(booked, false)
				}
				if o.ends != nil && !booked[s] {
					booked[s] = true
					o.dates.Add(0, *o.due.Peek(s), s)
				}
			}
		})
	})
}
