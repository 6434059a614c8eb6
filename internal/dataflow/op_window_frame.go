package dataflow

import (
	"github.com/tidemill/tidemill/internal/dataflow/state"
	"github.com/tidemill/tidemill/internal/plan"
	"github.com/tidemill/tidemill/internal/row"
)

// extent is a range of positions in a partition, hi not included.
type extent struct{ lo, hi uint32 }

// frameBound is a bound of a frame, ready to be found.
type frameBound struct {
	kind   plan.BoundKind
	offset int64 // of rows or groups, if column is -1
	column int   // stored column with the offset, or -1
	value  *rangeBound
}

// frame is a call's frame.
type frame struct {
	unit       plan.FrameUnit
	start, end frameBound
	exclude    plan.Exclusion
}

func (f *frame) whole() bool {
	return f.start.kind == plan.Unbounded && f.end.kind == plan.Unbounded
}

// rangeBound holds, by row, the value at which a RANGE frame begins or ends, as a place in the order.
type rangeBound struct {
	column int // of the batch
	keys   state.Array[boundKey]
	cols   [1]row.Vec
}

// boundKey is a state.Key without a rest.
type boundKey struct {
	num   uint64
	class uint8
}

func (k *boundKey) key() state.Key { return state.Key{Class: k.class, Num: k.num} }

func (b *rangeBound) store(order *state.Order, id uint32, i int) {
	k, _ := order.Key(b.cols[:], i, nil)
	*b.keys.At(id) = boundKey{num: k.Num, class: k.Class}
}

// reach says which rows a change touches: those from so many before to so many behind it, or from the start, or to the end of the
// partition; those of its group and of groups around it; and those whose frames hold its value.
type reach struct {
	all         bool // the whole partition
	start, end  bool
	back, ahead int64
	peers       bool
	groupsBack  int64 // -1 for none
	groupsAhead int64
	ranges      []rangeReach
}

// rangeReach is a frame between values; nil stands for the row's own value.
type rangeReach struct {
	lower, upper     *rangeBound
	fromStart, toEnd bool // that side is unbounded
}

// extend adds what a frame reaches.
func (r *reach) extend(f *frame) {
	if f.whole() && f.exclude == plan.ExcludeNothing {
		r.all = true
		return
	}
	if f.exclude == plan.ExcludeGroup || f.exclude == plan.ExcludeTies {
		r.peers = true
	}
	for _, b := range []*frameBound{&f.start, &f.end} {
		if b.column >= 0 {
			r.all = true
		}
	}
	switch f.unit {
	case plan.FrameRows:
		r.extendRows(f)
	case plan.FrameGroups:
		r.extendGroups(f)
	default:
		r.ranges = append(r.ranges, rangeReach{lower: f.start.value, upper: f.end.value, fromStart: f.start.kind == plan.Unbounded, toEnd: f.end.kind == plan.Unbounded})
	}
}

// extents returns how far behind and before a row its frame, and what lies between it and its frame, can reach.
func (f *frame) extents() (before, behind int64) {
	for _, b := range []*frameBound{&f.start, &f.end} {
		switch b.kind {
		case plan.Preceding:
			before = max(before, b.offset)
		case plan.Following:
			behind = max(behind, b.offset)
		}
	}
	return before, behind
}

func (r *reach) extendRows(f *frame) {
	before, behind := f.extents()
	r.back, r.ahead = max(r.back, behind), max(r.ahead, before)
	r.end = r.end || f.start.kind == plan.Unbounded
	r.start = r.start || f.end.kind == plan.Unbounded
}

func (r *reach) extendGroups(f *frame) {
	before, behind := f.extents()
	r.groupsBack, r.groupsAhead = max(r.groupsBack, behind), max(r.groupsAhead, before)
	r.end = r.end || f.start.kind == plan.Unbounded
	r.start = r.start || f.end.kind == plan.Unbounded
}

// reached is the range of positions, of n, that a change touches.
func (o *windowOp) reached(part *windowPart, c *windowChange, n int) extent {
	r := &o.reach
	if r.all || r.start && r.end {
		return extent{0, uint32(n)}
	}
	pos, id := n, c.id
	for id != state.None && *o.dead.Peek(id) {
		id = *o.after.Peek(id)
	}
	if id != state.None {
		pos = o.position(part, id)
	}
	lo, hi := int64(pos)-r.back, int64(pos)+r.ahead+1
	if c.gone && r.ahead == 0 && r.back == 0 {
		hi = int64(pos) // the row behind is not touched by itself
	}
	if r.peers || r.groupsBack >= 0 {
		lo, hi = o.reachedGroups(part, c.id, lo, hi)
	}
	for i := range r.ranges {
		from, to := o.reachedRange(part, &r.ranges[i], c.id)
		if from < to {
			if lo >= hi {
				lo, hi = from, to
			}
			lo, hi = min(lo, from), max(hi, to)
		}
	}
	if r.start {
		lo, hi = 0, max(hi, int64(pos))
	}
	if r.end {
		lo, hi = min(lo, int64(pos)), int64(n)
	}
	return extent{uint32(max(lo, 0)), uint32(min(max(hi, 0), int64(n)))}
}

// reachedGroups widens a range by the groups around that of a row, which may be gone.
func (o *windowOp) reachedGroups(part *windowPart, id uint32, lo, hi int64) (from, to int64) {
	key := o.trees.Key(id)
	from = int64(o.trees.Before(&part.tree, &key, false))
	to = int64(o.trees.Before(&part.tree, &key, true))
	n := int64(o.trees.Len(&part.tree))
	for k := int64(0); k <= o.reach.groupsBack && from > 0; k++ {
		at := o.trees.Key(o.trees.Select(&part.tree, int(from-1)))
		from = int64(o.trees.Before(&part.tree, &at, false))
	}
	for k := int64(0); k <= o.reach.groupsAhead && to < n; k++ {
		at := o.trees.Key(o.trees.Select(&part.tree, int(to)))
		to = int64(o.trees.Before(&part.tree, &at, true))
	}
	return min(lo, from), max(hi, to)
}

// reachedRange is the range of the rows whose frames hold the value of a row.
func (o *windowOp) reachedRange(part *windowPart, r *rangeReach, id uint32) (lo, hi int64) {
	k := o.trees.Key(id)
	boundOf := func(b *rangeBound, x uint32) state.Key {
		if b == nil {
			return o.trees.Key(x)
		}
		key := b.keys.At(x)
		return key.key()
	}
	hi = int64(o.trees.Len(&part.tree))
	if !r.fromStart {
		hi = int64(o.trees.Count(&part.tree, func(x uint32) bool {
			lower := boundOf(r.lower, x)
			return lower.Compare(&k) <= 0
		}))
	}
	if !r.toEnd {
		lo = int64(o.trees.Count(&part.tree, func(x uint32) bool {
			upper := boundOf(r.upper, x)
			return upper.Compare(&k) < 0
		}))
	}
	return lo, hi
}

// place is a row for which functions are computed.
type place struct {
	part       *windowPart
	pid, id    uint32
	pos, n     int
	start, end int // of its group; end is -1 until it is known
}

// peers finds the row's group.
func (o *windowOp) peers(p *place) {
	if p.end >= 0 {
		return
	}
	key := o.trees.Key(p.id)
	if p.start < 0 {
		p.start = p.pos
		if prev := o.trees.Prev(p.id); prev != state.None && o.trees.Peers(prev, p.id) {
			p.start = o.trees.Before(&p.part.tree, &key, false)
		}
	}
	p.end = p.pos + 1
	if next := o.trees.Next(p.id); next != state.None && o.trees.Peers(next, p.id) {
		p.end = o.trees.Before(&p.part.tree, &key, true)
	}
}

// frameOf returns the positions of a row's frame; ok is false if a bound is no count.
func (o *windowOp) frameOf(f *frame, p *place) (lo, hi int, ok bool) {
	if f.whole() {
		return 0, p.n, true
	}
	hi = p.n
	switch f.unit {
	case plan.FrameRows:
		if f.start.kind != plan.Unbounded {
			off, fine := o.offset(&f.start, p)
			if !fine {
				return 0, 0, false
			}
			lo = p.pos + off
		}
		if f.end.kind != plan.Unbounded {
			off, fine := o.offset(&f.end, p)
			if !fine {
				return 0, 0, false
			}
			hi = p.pos + off + 1
		}
	case plan.FrameGroups:
		o.peers(p)
		if f.start.kind != plan.Unbounded {
			off, fine := o.offset(&f.start, p)
			if !fine {
				return 0, 0, false
			}
			lo, _ = o.group(p, off)
		}
		if f.end.kind != plan.Unbounded {
			off, fine := o.offset(&f.end, p)
			if !fine {
				return 0, 0, false
			}
			_, hi = o.group(p, off)
		}
	default:
		o.peers(p)
		if f.start.kind != plan.Unbounded {
			lo = o.rangeStart(&f.start, p)
		}
		if f.end.kind != plan.Unbounded {
			hi = o.rangeEnd(&f.end, p)
		}
	}
	lo, hi = min(max(lo, 0), p.n), min(max(hi, 0), p.n)
	return lo, max(lo, hi), true
}

func (o *windowOp) rangeStart(b *frameBound, p *place) int {
	if b.kind == plan.CurrentRow {
		return p.start
	}
	key := b.value.keys.At(p.id).key()
	if key.IsNull() {
		return p.start
	}
	return o.trees.Before(&p.part.tree, &key, false)
}

func (o *windowOp) rangeEnd(b *frameBound, p *place) int {
	if b.kind == plan.CurrentRow {
		return p.end
	}
	key := b.value.keys.At(p.id).key()
	if key.IsNull() {
		return p.end
	}
	return o.trees.Before(&p.part.tree, &key, true)
}

// offset is the number of rows or groups from the current one to a bound, as far as the partition has any.
func (o *windowOp) offset(b *frameBound, p *place) (int, bool) {
	off := b.offset
	if b.column >= 0 {
		if o.rows.Null(b.column, p.id) {
			return 0, false
		}
		off = o.rows.Int(b.column, p.id)
	}
	if off < 0 {
		return 0, false
	}
	// One more than there are leaves the partition on either side.
	at := int(min(off, int64(p.n)+1))
	switch b.kind {
	case plan.Preceding:
		return -at, true
	case plan.Following:
		return at, true
	}
	return 0, true
}

// group is the range of the group that is so many groups from the row's own.
func (o *windowOp) group(p *place, off int) (lo, hi int) {
	lo, hi = p.start, p.end
	for ; off < 0; off++ {
		if lo == 0 {
			return 0, 0
		}
		at := o.trees.Key(o.trees.Select(&p.part.tree, lo-1))
		lo, hi = o.trees.Before(&p.part.tree, &at, false), lo
	}
	for ; off > 0; off-- {
		if hi == p.n {
			return p.n, p.n
		}
		at := o.trees.Key(o.trees.Select(&p.part.tree, hi))
		lo, hi = hi, o.trees.Before(&p.part.tree, &at, true)
	}
	return lo, hi
}

// seen returns the up to three parts of a frame that are left by its exclusion.
func (o *windowOp) seen(f *frame, p *place, lo, hi int) (parts [3]extent, n int) {
	add := func(a, b int) {
		if a = max(a, lo); a < min(b, hi) {
			parts[n] = extent{uint32(a), uint32(min(b, hi))}
			n++
		}
	}
	switch f.exclude {
	case plan.ExcludeNothing:
		add(lo, hi)
	case plan.ExcludeCurrentRow:
		add(lo, p.pos)
		add(p.pos+1, hi)
	default:
		o.peers(p)
		add(lo, p.start)
		if f.exclude == plan.ExcludeTies {
			add(p.pos, p.pos+1)
		}
		add(p.end, hi)
	}
	return parts, n
}
