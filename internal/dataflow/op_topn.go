package dataflow

import (
	"errors"
	"math"

	"github.com/tidemill/tidemill/internal/dataflow/state"
	"github.com/tidemill/tidemill/internal/fault"
	"github.com/tidemill/tidemill/internal/row"
)

// topnOp keeps the first rows of each partition in an order. Its input is routed by the partition's columns.
//
// The rows of a partition are in a tree in their order. By number of rows, each insertion and each removal moves at most one row into the top and
// one out of it, which are found by their positions. Where places are told or compared, the top is walked once per tick and partition
// instead. Over an append-only input only rows that are in the top are kept: nothing can bring back the others.
type topnOp struct {
	keys      *state.Set // the partitions
	single    bool       // there are no partition columns
	orderCols []int
	order     state.Order
	width     int // columns of the rows
	lo, hi    int // the positions that are in the top; hi is MaxInt for no end
	ties      bool
	dense     bool
	places    bool // the output has a column with the place
	retract   bool // the input may retract

	rows   *state.Set
	trees  state.Trees
	parts  state.Array[topPart]
	place  state.Array[uint32] // by row: 0 for what is not in the top
	stamps state.Array[uint32] // the tick that first changed a row's place, plus 1 if it had one before
	stamp  uint32
	was    []placeWas
	gone   []uint32 // rows that are in no tree any more and were in the top before the tick
	touch  toucher  // partitions

	ids     []uint32
	scratch netter
	sort    []row.Vec
	buf     []byte
	closer  *groupCloser // of partitions
}

// topPart is one partition.
type topPart struct {
	tree state.Tree
	// top is the number of rows in the top and full says that no further place is free, when they were last walked; added counts insertions since.
	top, added uint32
	full       bool
}

// placeWas is the place that a row had before the tick.
type placeWas struct{ id, place uint32 }

// walks reports whether the top is found by walking it.
func (o *topnOp) walks() bool { return o.ties || o.dense || o.places }

func (o *topnOp) step(in []port) (*row.Batch, error) {
	var out *row.Batch
	if in[0].rows() > 0 {
		var err error
		if out, err = o.take(&in[0]); err != nil {
			return nil, err
		}
	}
	return out, o.closePartitions()
}

func (o *topnOp) take(p *port) (*row.Batch, error) {
	changes := o.scratch.net(p.batch, o.width, o.retract)
	copies := int64(0)
	for k := range changes.at {
		if w := changes.weight(k); w > 0 {
			copies += min(w, int64(o.hi))
		}
	}
	if copies > math.MaxUint32 || !o.rows.Room(int(copies)) || !o.keys.Room(p.batch.Len) {
		return nil, errFull
	}
	o.begin(p)
	for k, i := range changes.at {
		if w := changes.weight(k); w < 0 {
			if err := o.remove(p, changes, k, int(i), -w); err != nil {
				return nil, err
			}
		}
	}
	for k, i := range changes.at {
		if w := changes.weight(k); w > 0 {
			o.insert(p, changes, k, int(i), w)
		}
	}
	if o.walks() {
		for _, t := range o.touch.seen {
			o.walk(o.parts.At(t.id))
		}
	}
	out, err := o.changes()
	o.sweep(p)
	return out, err
}

// begin finds the partitions of the rows.
func (o *topnOp) begin(p *port) {
	o.ids = sized(o.ids, p.batch.Len)
	if o.single {
		clear(o.ids)
		o.parts.Grow(1)
		o.touch.begin(1)
	} else {
		added := o.keys.FindOrAdd(p.keys, p.hash, o.ids, nil)
		if o.closer != nil {
			o.closer.add(p.keys, added, o.ids)
		}
		o.parts.Grow(o.keys.Cap())
		o.touch.begin(o.keys.Cap())
	}
	for i, id := range o.ids {
		o.touch.see(id, int32(i), true)
	}
	o.sort = o.sort[:0]
	for _, c := range o.orderCols {
		o.sort = append(o.sort, p.batch.Cols[c])
	}
	if o.stamp += 2; o.stamp == 0 {
		o.stamps = state.Array[uint32]{}
		o.stamps.Grow(o.rows.Cap())
		o.stamp = 2
	}
	o.was, o.gone = o.was[:0], o.gone[:0]
}

// insert adds w copies of row i.
func (o *topnOp) insert(p *port, changes *netted, k, i int, w int64) {
	part := o.parts.At(o.ids[i])
	var key state.Key
	key, o.buf = o.order.Key(o.sort, i, o.buf[:0])
	for range w {
		if !o.retract && o.outside(part, &key) {
			return
		}
		var id uint32
		if o.retract {
			id = o.rows.Add(p.batch.Cols, i, changes.hash[k])
		} else {
			id = o.rows.Rows.Add(p.batch.Cols, i)
		}
		o.grow()
		o.trees.Insert(&part.tree, id, &key)
		part.added++
		if !o.walks() {
			o.enter(part, id)
		}
	}
}

func (o *topnOp) grow() {
	n := o.rows.Cap()
	o.trees.Grow(n)
	o.place.Grow(n)
	o.stamps.Grow(n)
}

// outside reports whether a row that comes now cannot be in the top.
func (o *topnOp) outside(part *topPart, key *state.Key) bool {
	last := o.trees.Last(&part.tree)
	if last == state.None {
		return o.hi == 0
	}
	switch {
	case o.dense:
		return part.full && o.trees.Compare(key, last) > 0
	case o.trees.Len(&part.tree) < o.hi:
		return false
	case o.ties:
		return o.trees.Compare(key, last) > 0
	}
	return o.trees.Compare(key, last) >= 0
}

// enter brings the top up to date after the insertion of a row.
func (o *topnOp) enter(part *topPart, id uint32) {
	n := o.trees.Len(&part.tree)
	pos := 0
	if o.lo > 0 || n > o.hi {
		pos = o.trees.Position(id)
	}
	if pos >= o.hi {
		return
	}
	if pos >= o.lo {
		o.set(id, 1)
	} else if n > o.lo {
		o.set(o.trees.Select(&part.tree, o.lo), 1)
	}
	if n > o.hi {
		out := o.trees.Select(&part.tree, o.hi)
		o.set(out, 0)
		if !o.retract {
			o.drop(part, out)
		}
	}
}

// remove takes out w copies of row i.
func (o *topnOp) remove(p *port, changes *netted, k, i int, w int64) error {
	part := o.parts.At(o.ids[i])
	for range w {
		id := o.rows.FindLeast(p.batch.Cols[:o.width], i, changes.hash[k])
		if id == state.None {
			return errNoRow
		}
		if !o.walks() {
			o.leave(part, id)
		}
		o.set(id, 0)
		o.rows.Unindex(id, changes.hash[k])
		o.drop(part, id)
	}
	return nil
}

// errNoRow says that an operator below retracts what it has not given.
var errNoRow = errors.New("BUG: a row is retracted that is not there")

// leave brings the top up to date before the removal of a row.
func (o *topnOp) leave(part *topPart, id uint32) {
	n := o.trees.Len(&part.tree)
	pos := 0
	if o.lo > 0 || n > o.hi {
		pos = o.trees.Position(id)
	}
	if pos >= o.hi {
		return
	}
	if pos < o.lo && n > o.lo {
		o.set(o.trees.Select(&part.tree, o.lo), 0)
	}
	if n > o.hi {
		o.set(o.trees.Select(&part.tree, o.hi), 1)
	}
}

// drop takes a row that is not in the top out of its tree, and frees it unless its old place must still be told.
func (o *topnOp) drop(part *topPart, id uint32) {
	o.trees.Remove(&part.tree, id)
	if *o.stamps.Peek(id) == o.stamp|1 {
		o.gone = append(o.gone, id)
		return
	}
	o.rows.Rows.Remove(id)
}

// set notes the new place of a row.
func (o *topnOp) set(id, place uint32) {
	have := o.place.At(id)
	if *have == place {
		return
	}
	if s := o.stamps.At(id); *s&^1 != o.stamp {
		*s = o.stamp
		if *have != 0 {
			*s |= 1
		}
		o.was = append(o.was, placeWas{id, *have})
	}
	*have = place
}

// walk sets the places of a partition's rows.
func (o *topnOp) walk(part *topPart) {
	top := o.topSize(part)
	place := uint32(0)
	id := o.trees.Select(&part.tree, 0)
	before := uint32(state.None)
	for i := range uint32(top) {
		switch peer := before != state.None && o.trees.Peers(before, id); {
		case !o.places:
			place = 1
		case o.dense && !peer:
			place++
		case !o.dense && !(peer && o.ties):
			place = i + 1
		}
		o.set(id, place)
		before, id = id, o.trees.Next(id)
	}
	rest := int(part.added) + max(0, int(part.top)-top)
	for ; id != state.None && (rest > 0 || !o.retract); rest-- {
		next := o.trees.Next(id)
		o.set(id, 0)
		if !o.retract {
			o.drop(part, id)
		}
		id = next
	}
	part.top, part.added = uint32(top), 0
}

// topSize is the number of rows that belong to the top.
func (o *topnOp) topSize(part *topPart) int {
	n := o.trees.Len(&part.tree)
	if o.dense {
		at, groups := 0, 0
		for ; at < n && groups < o.hi; groups++ {
			key := o.trees.Key(o.trees.Select(&part.tree, at))
			at = o.trees.Before(&part.tree, &key, true)
		}
		part.full = groups == o.hi
		return at
	}
	if n <= o.hi {
		return n
	}
	if o.ties {
		key := o.trees.Key(o.trees.Select(&part.tree, o.hi-1))
		return o.trees.Before(&part.tree, &key, true)
	}
	return o.hi
}

// changes returns the rows that left the top, then those that came, or changed places.
func (o *topnOp) changes() (*row.Batch, error) {
	var ids []uint32
	var places, weights []int64
	for _, w := range o.was {
		if w.place != 0 && w.place != *o.place.Peek(w.id) {
			ids, places, weights = append(ids, w.id), append(places, int64(w.place)), append(weights, -1)
		}
	}
	gone := len(ids)
	for _, w := range o.was {
		if now := *o.place.Peek(w.id); now != 0 && now != w.place {
			ids, places, weights = append(ids, w.id), append(places, int64(now)), append(weights, 1)
		}
	}
	if len(ids) == 0 {
		return nil, nil
	}
	out := &row.Batch{Cols: make([]row.Vec, o.width), Len: len(ids)}
	if gone > 0 {
		out.Weights = weights
	}
	for c := range out.Cols {
		if o.rows.TextBytes(c, ids) > row.Bytes32Max {
			return nil, errText
		}
		out.Cols[c] = o.rows.Gather(c, ids)
	}
	if o.places {
		out.Cols = append(out.Cols, row.FromValues(row.T(row.Int64), places, nil))
	}
	return out, nil
}

// errText says that a tick's changes do not fit into a column.
var errText error = fault.New(fault.LimitExceeded, "one tick changes more than 2 GiB of text in one column of a view").
	WithHint("write less at a time, or divide the view by a filter")

// sweep frees the rows that are gone, and partitions without rows.
func (o *topnOp) sweep(p *port) {
	for _, id := range o.gone {
		o.rows.Rows.Remove(id)
	}
	for _, t := range o.touch.seen {
		if part := o.parts.At(t.id); o.trees.Len(&part.tree) == 0 {
			*part = topPart{}
			if !o.single {
				if o.closer != nil {
					o.closer.remove(p.keys, int(t.at), t.id)
				}
				o.keys.Remove(t.id, p.hash[t.at])
			}
		}
	}
}

func (o *topnOp) bytes() int64 {
	return o.keys.Bytes() + o.rows.Bytes() + o.trees.Bytes() + o.parts.Bytes() + o.place.Bytes() + o.stamps.Bytes() + o.touch.bytes() + o.closer.bytes()
}

func (o *topnOp) persist(k *state.Keeper) {
	o.keys.Keep(k)
	o.rows.Keep(k)
	o.trees.Keep(k)
	o.parts.Keep(k)
	o.place.Keep(k)
	o.closer.persist(k, o.keys)
	k.Then(func() { o.stamps.Grow(o.rows.Cap()) })
}
