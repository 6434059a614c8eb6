package dataflow

import (
	"github.com/tidemill/tidemill/internal/dataflow/scalar"
	"github.com/tidemill/tidemill/internal/dataflow/state"
	"github.com/tidemill/tidemill/internal/plan"
	"github.com/tidemill/tidemill/internal/row"
)

// windowCall is one function.
type windowCall struct {
	compute     func(o *windowOp, c *windowCall, p *place, b *row.Builder) string
	typ         row.Type
	column      int   // of the results
	args        []int // stored columns
	filter      int   // stored column with a BOOLEAN, -1 for none
	ignoreNulls bool
	lead        bool // lead, not lag
	frame       frame

	// Of aggregates: slide is nil for what is read from the rows themselves.
	slide  slider
	covers state.Array[extent]

	cursor, far cursor
	dense       int64 // of the row before, in a run
	best        bestSoFar
	add, sub    []uint32
}

// cursor remembers the id at a position, so that the next one is found by a step.
type cursor struct {
	pos int
	id  uint32
}

// at returns the id at a position of the partition, which has it.
func (c *cursor) at(o *windowOp, p *place, pos int) uint32 {
	switch {
	case c.id == state.None || pos < c.pos || pos > c.pos+1:
		c.id = o.trees.Select(&p.part.tree, pos)
	case pos == c.pos+1:
		c.id = o.trees.Next(c.id)
	}
	c.pos = pos
	return c.id
}

// computeRun computes all functions for the rows from position lo up to hi.
func (o *windowOp) computeRun(pid uint32, part *windowPart, lo, hi int) error {
	p := place{part: part, pid: pid, n: o.trees.Len(&part.tree), start: -1, end: -1}
	for i := range o.calls {
		c := &o.calls[i]
		c.cursor.id, c.far.id, c.best.pos, c.dense = state.None, state.None, -1, -1
	}
	id := o.trees.Select(&part.tree, lo)
	for pos := lo; pos < hi; pos++ {
		if p.id, p.pos = id, pos; p.end >= 0 && pos >= p.end {
			p.start, p.end = pos, -1
		} else if p.end < 0 {
			p.start = -1
		}
		failed := ""
		for i := range o.calls {
			c := &o.calls[i]
			if message := c.compute(o, c, &p, o.run.outs[i]); message != "" {
				failed = message
			}
			if o.run.outs[i].ByteLen() > row.Bytes32Max-(row.Bytes32Max>>4) {
				return errText
			}
		}
		if failed != "" {
			o.run.failed = append(o.run.failed, scalar.RowError{Row: int32(len(o.run.ids)), Message: failed})
		}
		o.run.ids = append(o.run.ids, id)
		id = o.trees.Next(id)
	}
	return nil
}

func computeRowNumber(_ *windowOp, _ *windowCall, p *place, b *row.Builder) string {
	b.AppendInt(int64(p.pos) + 1)
	return ""
}

func computeRank(o *windowOp, _ *windowCall, p *place, b *row.Builder) string {
	o.peers(p)
	b.AppendInt(int64(p.start) + 1)
	return ""
}

// computeDenseRank counts on from the row before, whose rank is known: it is computed, or has not changed.
func computeDenseRank(o *windowOp, c *windowCall, p *place, b *row.Builder) string {
	rank := int64(1)
	if p.pos > 0 {
		before := o.trees.Prev(p.id)
		if rank = c.dense; rank < 0 {
			rank = o.results.Int(c.column, before)
		}
		if !o.trees.Peers(before, p.id) {
			rank++
		}
	}
	c.dense = rank
	b.AppendInt(rank)
	return ""
}

func computePercentRank(o *windowOp, _ *windowCall, p *place, b *row.Builder) string {
	o.peers(p)
	if p.n <= 1 {
		b.AppendFloat(0)
		return ""
	}
	b.AppendFloat(float64(p.start) / float64(p.n-1))
	return ""
}

func computeCumeDist(o *windowOp, _ *windowCall, p *place, b *row.Builder) string {
	o.peers(p)
	b.AppendFloat(float64(p.end) / float64(p.n))
	return ""
}

func computeNtile(o *windowOp, c *windowCall, p *place, b *row.Builder) string {
	if o.rows.Null(c.args[0], p.id) {
		b.AppendNull()
		return ""
	}
	tiles := o.rows.Int(c.args[0], p.id)
	if tiles < 1 {
		b.AppendNull()
		return "Invalid Input Error: Argument for ntile must be greater than zero"
	}
	// The first tiles have one row more than the others.
	n, pos := int64(p.n), int64(p.pos)
	tiles = min(tiles, n)
	size := n / tiles
	large := n - tiles*size
	if edge := large * (size + 1); pos < edge {
		b.AppendInt(1 + pos/(size+1))
	} else {
		b.AppendInt(1 + large + (pos-edge)/size)
	}
	return ""
}

func computeLag(o *windowOp, c *windowCall, p *place, b *row.Builder) string {
	if o.rows.Null(c.args[1], p.id) {
		b.AppendNull()
		return ""
	}
	off := o.rows.Int(c.args[1], p.id)
	off = min(max(off, -int64(p.n)-1), int64(p.n)+1)
	if !c.lead {
		off = -off
	}
	from := uint32(state.None)
	if c.ignoreNulls && off != 0 {
		from = o.nonNull(c.args[0], p.id, int(off))
	} else if pos := p.pos + int(off); pos >= 0 && pos < p.n {
		from = c.cursor.at(o, p, pos)
	}
	if from == state.None {
		o.rows.AppendTo(b, c.args[2], p.id)
	} else {
		o.rows.AppendTo(b, c.args[0], from)
	}
	return ""
}

// nonNull is the row with the off-th value behind a row (before it, if off is negative) that is not null, or None.
func (o *windowOp) nonNull(column int, id uint32, off int) uint32 {
	for off != 0 {
		step := 1
		if off < 0 {
			step = -1
			id = o.trees.Prev(id)
		} else {
			id = o.trees.Next(id)
		}
		if id == state.None {
			return state.None
		}
		if !o.rows.Null(column, id) {
			off -= step
		}
	}
	return id
}

func computeFirstValue(o *windowOp, c *windowCall, p *place, b *row.Builder) string {
	return o.nth(c, p, b, 1)
}

func computeNthValue(o *windowOp, c *windowCall, p *place, b *row.Builder) string {
	if o.rows.Null(c.args[1], p.id) {
		b.AppendNull()
		return ""
	}
	return o.nth(c, p, b, o.rows.Int(c.args[1], p.id))
}

// nth appends the n-th value that the row sees, null if there are not so many.
func (o *windowOp) nth(c *windowCall, p *place, b *row.Builder, n int64) string {
	lo, hi, ok := o.frameOf(&c.frame, p)
	if !ok {
		b.AppendNull()
		return badBound
	}
	spans, count := o.seen(&c.frame, p, lo, hi)
	found := uint32(state.None)
	for _, s := range spans[:count] {
		size := int64(s.hi - s.lo)
		if n < 1 || !c.ignoreNulls && n > size {
			n -= size
			continue
		}
		if !c.ignoreNulls {
			found = c.cursor.at(o, p, int(s.lo)+int(n)-1)
			break
		}
		id := o.trees.Select(&p.part.tree, int(s.lo))
		for range size {
			if !o.rows.Null(c.args[0], id) {
				if n--; n == 0 {
					found = id
					break
				}
			}
			id = o.trees.Next(id)
		}
		if found != state.None {
			break
		}
	}
	o.rows.AppendTo(b, c.args[0], found)
	return ""
}

func computeLastValue(o *windowOp, c *windowCall, p *place, b *row.Builder) string {
	lo, hi, ok := o.frameOf(&c.frame, p)
	if !ok {
		b.AppendNull()
		return badBound
	}
	spans, count := o.seen(&c.frame, p, lo, hi)
	found := uint32(state.None)
	for k := count - 1; k >= 0 && found == state.None; k-- {
		s := spans[k]
		id := c.cursor.at(o, p, int(s.hi)-1)
		for at := s.hi; at > s.lo; at-- {
			if !c.ignoreNulls || !o.rows.Null(c.args[0], id) {
				found = id
				break
			}
			id = o.trees.Prev(id)
		}
	}
	o.rows.AppendTo(b, c.args[0], found)
	return ""
}

const badBound = "Invalid Input Error: a bound of a window frame is null or negative"

// passes reports whether an aggregate takes a row.
func (o *windowOp) passes(c *windowCall, id uint32) bool {
	return c.filter < 0 || !o.rows.Null(c.filter, id) && o.rows.Int(c.filter, id) != 0
}

func computeAggregate(o *windowOp, c *windowCall, p *place, b *row.Builder) string {
	lo, hi, ok := o.frameOf(&c.frame, p)
	if !ok {
		b.AppendNull()
		return badBound
	}
	o.moveCover(c, p, lo, hi)
	if c.frame.exclude == plan.ExcludeNothing {
		return c.slide.appendTo(b, p.pid)
	}
	spans, n := o.seen(&c.frame, p, lo, hi)
	c.sub = c.sub[:0]
	at := lo
	for _, s := range spans[:n] {
		c.sub = o.collect(c.sub, p, at, int(s.lo))
		at = int(s.hi)
	}
	c.sub = o.collect(c.sub, p, at, hi)
	hidden := c.sub
	if len(hidden) > 0 {
		c.slide.move(p.pid, nil, hidden)
	}
	message := c.slide.appendTo(b, p.pid)
	if len(hidden) > 0 {
		c.slide.move(p.pid, hidden, nil)
	}
	return message
}

// moveCover lets the aggregate of a partition stand over the rows from lo up to hi.
func (o *windowOp) moveCover(c *windowCall, p *place, lo, hi int) {
	at := c.covers.At(p.pid)
	from, to := int(at.lo), int(at.hi)
	if from == lo && to == hi || from == to && lo == hi {
		return
	}
	c.add, c.sub = c.add[:0], c.sub[:0]
	if hi <= from || to <= lo {
		c.sub = o.collect(c.sub, p, from, to)
		c.add = o.collect(c.add, p, lo, hi)
	} else {
		c.sub = o.collect(c.sub, p, from, min(lo, to))
		c.sub = o.collect(c.sub, p, max(hi, from), to)
		c.add = o.collect(c.add, p, lo, min(from, hi))
		if max(to, lo) < hi {
			c.add = o.collectFrom(c.add, &c.far, p, max(to, lo), hi)
		}
	}
	c.slide.move(p.pid, c.add, c.sub)
	*at = extent{uint32(lo), uint32(hi)}
	if lo == hi {
		*at = extent{}
	}
}

// collect appends the ids from position lo up to hi.
func (o *windowOp) collect(ids []uint32, p *place, lo, hi int) []uint32 {
	if lo >= hi {
		return ids
	}
	id := o.trees.Select(&p.part.tree, lo)
	for range hi - lo {
		ids = append(ids, id)
		id = o.trees.Next(id)
	}
	return ids
}

// collectFrom is collect with a cursor.
func (o *windowOp) collectFrom(ids []uint32, c *cursor, p *place, lo, hi int) []uint32 {
	for pos := lo; pos < hi; pos++ {
		ids = append(ids, c.at(o, p, pos))
	}
	return ids
}

// bestSoFar is the best value up to a position.
type bestSoFar struct {
	pos  int
	some bool
	num  uint64 // its place in the order, inverted for max
	flip uint64
}

// smallFrame is the number of rows up to which a frame's minimum is found by looking at all of them.
const smallFrame = 64

// computeExtreme is min and max of values of at most 8 bytes: of a small frame by looking at the rows, of a frame that begins with the partition and ends
// with the row from the result of the row before; else as any other aggregate.
func computeExtreme(o *windowOp, c *windowCall, p *place, b *row.Builder) string {
	lo, hi, ok := o.frameOf(&c.frame, p)
	if !ok {
		b.AppendNull()
		return badBound
	}
	e := &c.best
	switch {
	case hi-lo <= smallFrame:
		e.some = false
		spans, n := o.seen(&c.frame, p, lo, hi)
		for _, s := range spans[:n] {
			o.scan(c, p, int(s.lo), int(s.hi))
		}
	case lo == 0 && c.frame.start.kind == plan.Unbounded && c.frame.end.kind == plan.CurrentRow && c.frame.exclude == plan.ExcludeNothing:
		from := p.pos
		if c.frame.unit != plan.FrameRows {
			from = p.start
		}
		if e.pos < from { // else a peer's result, which is the row's too
			if e.pos != from-1 {
				before := o.trees.Select(&p.part.tree, from-1)
				if e.some = !o.results.Null(c.column, before); e.some {
					e.num = o.results.Order(c.column, before) ^ e.flip
				}
			}
			o.scan(c, p, from, hi)
		}
	default:
		return computeAggregate(o, c, p, b)
	}
	e.pos = p.pos
	if !e.some {
		b.AppendNull()
	} else {
		state.AppendOrderBits(b, e.num^e.flip)
	}
	return ""
}

// scan takes the rows from position lo up to hi into c.best.
func (o *windowOp) scan(c *windowCall, p *place, lo, hi int) {
	if lo >= hi {
		return
	}
	e := &c.best
	id := c.cursor.at(o, p, lo)
	for range hi - lo {
		if !o.rows.Null(c.args[0], id) && o.passes(c, id) {
			if num := o.rows.Order(c.args[0], id) ^ e.flip; !e.some || num < e.num {
				e.some, e.num = true, num
			}
		}
		id = o.trees.Next(id)
	}
}
