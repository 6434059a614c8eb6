package dataflow

import (
	"slices"

	"github.com/tidemill/tidemill/internal/dataflow/scalar"
	"github.com/tidemill/tidemill/internal/dataflow/state"
	"github.com/tidemill/tidemill/internal/row"
)

// windowOp computes window functions. Its input is routed by the partition's columns.
//
// The rows of each partition stand in a tree in their order, and with each row what the functions last gave for it. A tick puts the new
// rows in and takes the retracted ones out, finds for each change the range of rows whose frames or neighbours it touches, computes the functions for
// those alone, and returns the rows for which they give something else than before. An aggregate remembers over which rows of a
// partition it stands (its cover); computing it for the next row moves the cover by the rows that enter and leave, so appending in
// order costs the same however long the history is.
type windowOp struct {
	title     string
	keys      *state.Set // the partitions
	single    bool       // there are no partition columns
	orderCols []int
	order     state.Order
	stored    []int // columns of the batch that are kept: those of the input, then arguments
	width     int   // columns of the input, the first ones
	calls     []windowCall
	reach     reach
	bounds    []*rangeBound
	covering  bool // some call has a cover

	rows    *state.Set
	results *state.Rows // by row, a column per call
	trees   state.Trees
	parts   state.Array[windowPart]
	shown   state.Array[bool]   // by row: there is a result
	after   state.Array[uint32] // by row taken out in this tick: the row that came behind it
	dead    state.Array[bool]   // by row taken out in this tick
	gone    []uint32
	changed []windowChange
	touch   toucher
	retract bool // the input may retract

	ids     []uint32
	scratch netter
	sort    []row.Vec
	kept    []row.Vec
	buf     []byte
	run     windowRun
	rejects []Reject
	closer  *groupCloser // of partitions
}

// windowPart is one partition; first is the place of its latest change in changed, plus 1.
type windowPart struct {
	tree  state.Tree
	first uint32
}

// windowChange is a row that came, or one that went; next is the place of the partition's change before it, plus 1.
type windowChange struct {
	id, next uint32
	gone     bool
}

// windowRun is what a tick computes: for ids, in order, a value per call.
type windowRun struct {
	ids    []uint32
	outs   []*row.Builder
	failed []scalar.RowError
}

func (o *windowOp) step(in []port) (*row.Batch, error) {
	var out *row.Batch
	if in[0].rows() > 0 {
		var err error
		if out, err = o.take(&in[0]); err != nil {
			return nil, err
		}
	}
	return out, o.closePartitions()
}

func (o *windowOp) take(p *port) (*row.Batch, error) {
	o.kept = o.kept[:0]
	for _, c := range o.stored {
		o.kept = append(o.kept, p.batch.Cols[c])
	}
	changes := o.scratch.net(&row.Batch{Cols: o.kept, Len: p.batch.Len, Weights: p.batch.Weights}, len(o.stored), o.retract)
	copies := int64(0)
	for k := range changes.at {
		copies += max(0, min(changes.weight(k), state.None))
	}
	if copies > state.None || !o.rows.Room(int(copies)) || !o.keys.Room(p.batch.Len) {
		return nil, errFull
	}
	o.begin(p)
	for k, i := range changes.at {
		for range max(0, -changes.weight(k)) {
			if err := o.remove(changes, k, int(i)); err != nil {
				return nil, err
			}
		}
	}
	for k, i := range changes.at {
		if w := changes.weight(k); w > 0 {
			o.insert(changes, k, int(i), w)
		}
	}
	for _, t := range o.touch.seen {
		if err := o.compute(t.id); err != nil {
			return nil, err
		}
	}
	out, err := o.difference()
	o.sweep(p)
	return out, err
}

// begin finds the partitions of the rows.
func (o *windowOp) begin(p *port) {
	o.ids = sized(o.ids, p.batch.Len)
	if o.single {
		clear(o.ids)
		o.parts.Grow(1)
		o.touch.begin(1)
		o.growParts(1)
	} else {
		added := o.keys.FindOrAdd(p.keys, p.hash, o.ids, nil)
		if o.closer != nil {
			o.closer.add(p.keys, added, o.ids)
		}
		o.parts.Grow(o.keys.Cap())
		o.touch.begin(o.keys.Cap())
		o.growParts(o.keys.Cap())
	}
	for i, id := range o.ids {
		o.touch.see(id, int32(i), true)
	}
	o.sort = o.sort[:0]
	for _, c := range o.orderCols {
		o.sort = append(o.sort, p.batch.Cols[c])
	}
	for _, b := range o.bounds {
		b.cols[0] = p.batch.Cols[b.column]
	}
	o.gone, o.changed = o.gone[:0], o.changed[:0]
	o.run.ids, o.run.failed = o.run.ids[:0], nil
	for i := range o.calls {
		o.run.outs[i].Reset(o.calls[i].typ, 0)
	}
}

func (o *windowOp) growParts(n uint32) {
	for i := range o.calls {
		if s := o.calls[i].slide; s != nil {
			s.grow(n)
			o.calls[i].covers.Grow(n)
		}
	}
}

func (o *windowOp) growRows() {
	n := o.rows.Cap()
	o.trees.Grow(n)
	o.results.Cover(n)
	o.shown.Grow(n)
	o.after.Grow(n)
	o.dead.Grow(n)
	for _, b := range o.bounds {
		b.keys.Grow(n)
	}
}

func (o *windowOp) note(part *windowPart, c windowChange) {
	c.next = part.first
	o.changed = append(o.changed, c)
	part.first = uint32(len(o.changed))
}

// insert adds w copies of row i.
func (o *windowOp) insert(changes *netted, k, i int, w int64) {
	pid := o.ids[i]
	part := o.parts.At(pid)
	var key state.Key
	for range w {
		var id uint32
		if o.retract {
			id = o.rows.Add(o.kept, i, changes.hash[k])
		} else {
			id = o.rows.Rows.Add(o.kept, i)
		}
		o.growRows()
		for _, b := range o.bounds {
			b.store(&o.order, id, i)
		}
		key, o.buf = o.order.Key(o.sort, i, o.buf[:0])
		o.trees.Insert(&part.tree, id, &key)
		if o.covering {
			o.cover(pid, part, id, true)
		}
		o.note(part, windowChange{id: id})
	}
}

// remove takes out one copy of row i.
func (o *windowOp) remove(changes *netted, k, i int) error {
	pid := o.ids[i]
	part := o.parts.At(pid)
	id := o.rows.FindLeast(o.kept, i, changes.hash[k])
	if id == state.None {
		return errNoRow
	}
	if o.covering {
		o.cover(pid, part, id, false)
	}
	*o.after.At(id) = o.trees.Next(id)
	*o.dead.At(id) = true
	o.trees.Unlink(&part.tree, id)
	o.rows.Unindex(id, changes.hash[k])
	o.gone = append(o.gone, id)
	o.note(part, windowChange{id: id, gone: true})
	return nil
}

// cover keeps the covers of a partition over the same rows when one has come, or is about to go.
func (o *windowOp) cover(pid uint32, part *windowPart, id uint32, came bool) {
	pos := -1
	for i := range o.calls {
		c := &o.calls[i]
		if c.slide == nil {
			continue
		}
		at := c.covers.At(pid)
		if at.hi == 0 {
			continue
		}
		if pos < 0 {
			pos = o.position(part, id)
		}
		switch x := uint32(pos); {
		case came && x <= at.lo:
			at.lo++
			at.hi++
		case came && x < at.hi:
			at.hi++
			c.slide.move(pid, []uint32{id}, nil)
		case !came && x < at.lo:
			at.lo--
			at.hi--
		case !came && x < at.hi:
			at.hi--
			c.slide.move(pid, nil, []uint32{id})
		}
		if at.lo == at.hi {
			*at = extent{}
		}
	}
}

func (o *windowOp) position(part *windowPart, id uint32) int {
	if id == o.trees.Last(&part.tree) {
		return o.trees.Len(&part.tree) - 1
	}
	return o.trees.Position(id)
}

// compute runs the functions over the rows of a partition that its changes touch.
func (o *windowOp) compute(pid uint32) error {
	part := o.parts.At(pid)
	n := o.trees.Len(&part.tree)
	var spans []extent
	for at := part.first; at != 0; at = o.changed[at-1].next {
		if s := o.reached(part, &o.changed[at-1], n); s.lo < s.hi {
			spans = append(spans, s)
		}
		if o.reach.all {
			break
		}
	}
	part.first = 0
	slices.SortFunc(spans, func(a, b extent) int { return int(a.lo) - int(b.lo) })
	for k := 0; k < len(spans); {
		s := spans[k]
		for k++; k < len(spans) && spans[k].lo <= s.hi; k++ {
			s.hi = max(s.hi, spans[k].hi)
		}
		if err := o.computeRun(pid, part, int(s.lo), int(s.hi)); err != nil {
			return err
		}
	}
	return nil
}

// difference returns the rows that went or give something else now, then the new ones.
func (o *windowOp) difference() (*row.Batch, error) {
	outs := make([]row.Vec, len(o.calls))
	for i := range outs {
		outs[i] = o.run.outs[i].Finish()
	}
	failed := make(map[int32]bool, len(o.run.failed))
	for _, e := range o.run.failed {
		failed[e.Row] = true
	}
	var old, now []uint32
	var at []int32
	for _, id := range o.gone {
		if *o.shown.Peek(id) {
			old = append(old, id)
		}
	}
	for k, id := range o.run.ids {
		shown, fails := o.shown.At(id), failed[int32(k)]
		if *shown && !fails && o.same(id, outs, k) {
			continue
		}
		if *shown {
			old = append(old, id)
		}
		if !fails {
			now, at = append(now, id), append(at, int32(k))
		}
		*shown = !fails
	}
	o.reject()
	if len(old)+len(now) == 0 {
		return nil, nil
	}
	out := &row.Batch{Len: len(old) + len(now)}
	for c := range o.width {
		all := append(old[:len(old):len(old)], now...)
		if o.rows.TextBytes(c, all) > row.Bytes32Max {
			return nil, errText
		}
		out.Cols = append(out.Cols, o.rows.Gather(c, all))
	}
	for c := range o.calls {
		if o.results.TextBytes(c, old) > row.Bytes32Max/2 {
			return nil, errText
		}
		parts := []*row.Batch{{Cols: []row.Vec{o.results.Gather(c, old)}, Len: len(old)}, {Cols: []row.Vec{outs[c].Gather(at)}, Len: len(at)}}
		out.Cols = append(out.Cols, row.Concat(parts).Cols[0])
		for k, id := range now {
			o.results.Overwrite(c, id, &outs[c], int(at[k]))
		}
	}
	if len(old) > 0 {
		out.Weights = weightsOf(len(old), len(now))
	}
	return out, nil
}

// same reports whether the functions give for a row what they gave before.
func (o *windowOp) same(id uint32, outs []row.Vec, k int) bool {
	for c := range outs {
		if !o.results.EqualAt(c, id, &outs[c], k) {
			return false
		}
	}
	return true
}

// reject tells of the rows that a function failed for.
func (o *windowOp) reject() {
	for _, e := range o.run.failed {
		if len(o.rejects) == rejectsKept {
			return
		}
		b := &row.Batch{Len: 1}
		for c := range o.width {
			b.Cols = append(b.Cols, o.rows.Gather(c, []uint32{o.run.ids[e.Row]}))
		}
		o.rejects = append(o.rejects, Reject{Operator: o.title, Message: e.Message, Row: b})
	}
}

// sweep frees the rows that went, and partitions without rows.
func (o *windowOp) sweep(p *port) {
	for _, id := range o.gone {
		*o.shown.At(id), *o.dead.At(id) = false, false
		o.trees.Forget(id)
		o.rows.Rows.Remove(id)
	}
	for _, t := range o.touch.seen {
		if part := o.parts.At(t.id); o.trees.Len(&part.tree) == 0 {
			*part = windowPart{}
			if !o.single {
				if o.closer != nil {
					o.closer.remove(p.keys, int(t.at), t.id)
				}
				o.keys.Remove(t.id, p.hash[t.at])
			}
		}
	}
}

func (o *windowOp) takeRejects() []Reject {
	r := o.rejects
	o.rejects = nil
	return r
}

func (o *windowOp) bytes() int64 {
	n := o.keys.Bytes() + o.rows.Bytes() + o.results.Bytes() + o.trees.Bytes() + o.parts.Bytes() + o.touch.bytes() +
		o.shown.Bytes() + o.after.Bytes() + o.dead.Bytes() + o.closer.bytes()
	for _, b := range o.bounds {
		n += b.keys.Bytes()
	}
	for i := range o.calls {
		if s := o.calls[i].slide; s != nil {
			n += s.bytes() + o.calls[i].covers.Bytes()
		}
	}
	return n
}

func (o *windowOp) persist(k *state.Keeper) {
	o.keys.Keep(k)
	o.rows.Keep(k)
	o.results.Keep(k)
	o.trees.Keep(k)
	o.parts.Keep(k)
	o.shown.Keep(k)
	for _, b := range o.bounds {
		b.keys.Keep(k)
	}
	for i := range o.calls {
		if c := &o.calls[i]; c.slide != nil {
			c.slide.persist(k)
			c.covers.Keep(k)
		}
	}
	o.closer.persist(k, o.keys)
	k.Then(func() {
		o.after.Grow(o.rows.Cap())
		o.dead.Grow(o.rows.Cap())
	})
}
