package dataflow

import (
	"math"

	"github.com/tidemill/tidemill/internal/dataflow/scalar"
	"github.com/tidemill/tidemill/internal/dataflow/state"
	"github.com/tidemill/tidemill/internal/row"
)

// asofOp is an ASOF join, in which a row of the left side gets the one row of the right side with an equal key that
// comes next in an order: the last one at or before it, before it, the first one at or after it, or after it. Of right rows at the
// same place the one that arrived last is taken; an equal row that comes again keeps its place.
//
// It is also a SINGLE join (a scalar subquery per row): then all rows are at the same place, and the one that
// arrived first is taken.
//
// Both sides are kept in ordered indexes. A right row that comes or goes concerns the left rows from its place up to that of the next
// right row; those, and the left rows that change themselves, look their right row up again.
type asofOp struct {
	title       string
	left, right *asofSide
	keys        *state.Set          // of both sides
	users       state.Array[uint32] // rows by key
	emit        []joinColumn
	types       []row.Type
	down        bool // the right row is at or before the left one (>=, >)
	exclude     bool // not at the same place (>, <)
	first       bool // of right rows at the same place the first to arrive
	keyless     bool
	// aloneL and aloneR say that rows of a side without a match are part of the result.
	aloneL, aloneR bool
	arrivals       uint64
	frees          *asofFree

	out     []*row.Batch
	rejects []Reject
	looks   []look
	picked  []picked
}

// asofSide is the state of one input of an asofOp. The marks of its left rows are the right row they have + 1, those of its right
// rows the weight of the left rows that have them.
type asofSide struct {
	rowTable
	isRight bool
	strict  []bool
	order   *scalar.Program // nil: all rows are at the same place
	tree    *state.Places
	seqs    state.Array[uint64]
	keyOf   state.Array[uint32]
	// bits and, for an order that 64 bits do not tell, rests are the place of each row.
	bits   state.Array[uint64]
	rests  *state.Rows
	vals   []row.Vec
	keyIDs []uint32
}

// look is a left row that looks for its right row.
type look struct {
	touch int // in seen
	place state.Place
}

// picked is a left row with its right row, or None, in the result.
type picked struct {
	left, right uint32
	weight      int64
}

func (o *asofOp) step(in []port) (*row.Batch, error) {
	defer func() { o.out = nil }()
	for side, s := range []*asofSide{o.left, o.right} {
		if p := &in[side]; p.rows() > 0 {
			if !s.rows.Room(p.rows()) || !o.keys.Room(p.rows()) {
				return nil, errFull
			}
			if o.keyless {
				*p = port{batch: p.batch, hash: make([]uint64, p.batch.Len)}
			}
			if err := o.arrange(p, s); err != nil {
				return nil, err
			}
		}
	}
	o.looks, o.picked = emptied(o.looks), emptied(o.picked)
	o.enter(&in[0], o.left)
	o.enter(&in[1], o.right)
	o.look(&in[0])
	if err := o.pick(); err != nil {
		return nil, err
	}
	o.settle()
	o.sweep(&in[0], o.left)
	o.sweep(&in[1], o.right)
	o.free()
	return row.Concat(o.out), nil
}

// arrange computes the order of the rows of a tick and takes out those that can match nothing, which need no state.
func (o *asofOp) arrange(p *port, s *asofSide) error {
	var order *row.Vec
	if s.order != nil {
		vals, errs, err := s.order.Eval(p.batch)
		if err != nil {
			return err
		}
		if len(errs) > 0 {
			o.rejects = append(o.rejects, rejectRows(o.title, p.batch, errs)...)
			good := port{batch: &row.Batch{Cols: vals, Len: p.batch.Len}}.without(errs)
			*p, vals = p.without(errs), good.batch.Cols
		}
		s.vals = vals
		order = &s.vals[0]
	}
	rest, nulls := nullKeys(p, s.strict, order)
	if nulls == nil {
		return nil
	}
	if s.isRight && o.aloneR || !s.isRight && o.aloneL {
		b := p.batch.Gather(nulls)
		o.out = append(o.out, o.alone(s.isRight, b))
	}
	*p = p.gather(rest)
	if order != nil {
		s.vals = []row.Vec{order.Gather(rest)}
	}
	return nil
}

// alone returns rows of one side, the columns of the other being null.
func (o *asofOp) alone(right bool, b *row.Batch) *row.Batch {
	out := &row.Batch{Cols: make([]row.Vec, len(o.emit)), Len: b.Len, Weights: b.Weights}
	for c, e := range o.emit {
		if e.right == right {
			out.Cols[c] = b.Cols[e.column]
		} else {
			out.Cols[c] = row.NullVec(o.types[c], b.Len)
		}
	}
	return out
}

// enter takes in the changes of a tick: afterwards the index has the rows that are there at its end.
func (o *asofOp) enter(p *port, s *asofSide) {
	s.take(p)
	n := p.rows()
	if n == 0 {
		return
	}
	s.keyIDs = sized(s.keyIDs, n)
	o.keys.FindOrAdd(p.keys, p.hash, s.keyIDs, nil)
	o.users.Grow(o.keys.Cap())
	s.seqs.Grow(s.rows.Cap())
	s.keyOf.Grow(s.rows.Cap())
	s.bits.Grow(s.rows.Cap())
	if s.rests != nil {
		s.rests.Cover(s.rows.Cap())
	}
	for i, id := range s.ids {
		if s.fresh[i] {
			*o.users.At(s.keyIDs[i])++
			*s.keyOf.At(id) = s.keyIDs[i]
			*s.seqs.At(id) = o.arrival(s)
			s.setPlace(id, i)
			if c := o.frees.of(s.isRight); c != nil {
				c.Add(0, *s.bits.Peek(id), id)
			}
		}
	}
	for i := range s.seen {
		x := &s.seen[i]
		now, before := *s.weights.Peek(x.id) > 0, x.weight > 0
		if x.at >= 0 && now != before {
			if pl := s.place(x.id); now {
				s.tree.Add(pl)
			} else {
				s.tree.Remove(pl)
			}
		}
	}
}

// arrival numbers the rows of a side so that the one to be preferred at a place comes first where the search comes from.
func (o *asofOp) arrival(s *asofSide) uint64 {
	if !s.isRight {
		return 1
	}
	o.arrivals++
	if o.down != o.first {
		return o.arrivals
	}
	return ^o.arrivals
}

// setPlace notes where row i of the tick, which is stored as id, is.
func (s *asofSide) setPlace(id uint32, i int) {
	if s.order == nil {
		return
	}
	v := &s.vals[0]
	if s.rests == nil {
		*s.bits.At(id) = state.OrderBits(v, i)
		return
	}
	b := row.NewBuilder(row.T(row.Blob), 1)
	b.AppendBytes(row.AppendKey(nil, v, i))
	rest := b.Finish()
	s.rests.Overwrite(0, id, &rest, 0)
}

// place returns where a row is.
func (s *asofSide) place(id uint32) state.Place {
	pl := state.Place{Group: *s.keyOf.Peek(id), ID: id, Seq: *s.seqs.Peek(id), Bits: *s.bits.Peek(id)}
	if s.rests != nil {
		pl.Rest = string(s.rests.Text(0, id))
	}
	return pl
}

// look lists the left rows that have to look for their right row.
func (o *asofOp) look(p *port) {
	for i := range o.left.seen {
		o.looks = append(o.looks, look{i, o.left.place(o.left.seen[i].id)})
	}
	for i := range o.right.seen {
		x := &o.right.seen[i]
		if (*o.right.weights.Peek(x.id) > 0) != (x.weight > 0) {
			o.concern(o.right.place(x.id))
		}
	}
}

// concern lists the left rows whose right row may be, or have been, the one at a place.
func (o *asofOp) concern(at state.Place) {
	next, some, better := o.next(at)
	if better {
		return
	}
	o.walkLeft(at, func(l state.Place) bool {
		if some {
			c := l.CompareValue(&next)
			if !o.down {
				c = -c
			}
			if c > 0 || c == 0 && !o.exclude {
				return false
			}
		}
		if *o.left.slot.Peek(l.ID) == 0 {
			o.left.touch(l.ID)
			o.looks = append(o.looks, look{len(o.left.seen) - 1, l})
		}
		return true
	})
}

// next returns the place of the next right row away from where searches come from. better says that there is a row at the
// same place that is preferred to the given one.
func (o *asofOp) next(at state.Place) (next state.Place, some, better bool) {
	low, high := ends(at)
	var best state.Place
	if o.down {
		best, better = o.right.tree.Last(high)
		next, some = o.right.tree.First(high)
	} else {
		best, better = o.right.tree.First(low)
		next, some = o.right.tree.Last(low)
	}
	better = better && best.CompareValue(&at) == 0 && best.ID != at.ID && (best.Seq > at.Seq) == o.down
	return next, some, better
}

// ends returns the places before and behind all rows with the same value.
func ends(at state.Place) (low, high state.Place) {
	low, high = at, at
	low.Seq, low.ID = 0, 0
	high.Seq, high.ID = math.MaxUint64, math.MaxUint32
	return low, high
}

// walkLeft calls f for the left rows that a right row at a place can be for, from there on, until f returns false.
func (o *asofOp) walkLeft(at state.Place, f func(state.Place) bool) {
	low, high := ends(at)
	switch {
	case o.down && !o.exclude:
		o.left.tree.Ascend(low, f)
	case o.down:
		o.left.tree.Ascend(high, f)
	case !o.exclude:
		o.left.tree.Descend(high, f)
	default:
		o.left.tree.Descend(low, f)
	}
}

// search returns the right row for a left row's place.
func (o *asofOp) search(at state.Place) uint32 {
	low, high := ends(at)
	var found state.Place
	var some bool
	switch {
	case o.down && !o.exclude:
		found, some = o.right.tree.Last(high)
	case o.down:
		found, some = o.right.tree.Last(low)
	case !o.exclude:
		found, some = o.right.tree.First(low)
	default:
		found, some = o.right.tree.First(high)
	}
	if !some {
		return state.None
	}
	return found.ID
}

// pick looks up the right rows and emits the left rows for which something has changed.
func (o *asofOp) pick() error {
	for _, k := range o.looks {
		x := &o.left.seen[k.touch]
		now, mark := *o.left.weights.Peek(x.id), o.left.marks.At(x.id)
		before := uint32(x.mark) - 1 // None for a mark of 0
		found := uint32(state.None)
		if now != 0 {
			found = o.search(k.place)
		}
		*mark = int64(found + 1)
		if found == before && now == x.weight {
			continue
		}
		if found == before {
			o.give(x.id, found, now-x.weight)
			continue
		}
		o.give(x.id, before, -x.weight)
		o.give(x.id, found, now)
	}
	if len(o.picked) == 0 {
		return nil
	}
	return o.emitPicked()
}

func (o *asofOp) give(left, right uint32, weight int64) {
	if weight == 0 {
		return
	}
	if right == state.None && !o.aloneL {
		return
	}
	o.picked = append(o.picked, picked{left, right, weight})
	if o.aloneR && right != state.None {
		o.right.touch(right)
		*o.right.marks.At(right) += weight
	}
}

func (o *asofOp) emitPicked() error {
	if len(o.picked) > maxMatches {
		return errMatches
	}
	n := len(o.picked)
	ids := [2][]uint32{make([]uint32, n), make([]uint32, n)}
	b := &row.Batch{Cols: make([]row.Vec, len(o.emit)), Len: n, Weights: make([]int64, n)}
	for i, p := range o.picked {
		ids[0][i], ids[1][i], b.Weights[i] = p.left, p.right, p.weight
	}
	for c, e := range o.emit {
		s := o.left
		if e.right {
			s = o.right
		}
		rows := ids[boolInt(e.right)]
		if s.rows.TextBytes(s.at[e.column], rows) > maxMatchBytes {
			return errMatches
		}
		b.Cols[c] = s.rows.GatherOrNull(s.at[e.column], rows)
	}
	o.out = append(o.out, b)
	return nil
}

// settle emits the right rows that no left row has, as far as that has changed.
func (o *asofOp) settle() {
	if !o.aloneR {
		return
	}
	s := o.right
	var ids []uint32
	var weights []int64
	for i := range s.seen {
		x := &s.seen[i]
		now, before := int64(0), int64(0)
		if *s.marks.Peek(x.id) == 0 {
			now = *s.weights.Peek(x.id)
		}
		if x.mark == 0 {
			before = x.weight
		}
		if now != before {
			ids, weights = append(ids, x.id), append(weights, now-before)
		}
	}
	if len(ids) == 0 {
		return
	}
	b := &row.Batch{Cols: make([]row.Vec, len(s.at)), Len: len(ids), Weights: weights}
	for _, e := range o.emit {
		if e.right {
			b.Cols[e.column] = s.rows.Gather(s.at[e.column], ids)
		}
	}
	o.out = append(o.out, o.alone(true, b))
}

func (o *asofOp) sweep(p *port, s *asofSide) {
	if s.retract {
		for i := range s.seen {
			if x := &s.seen[i]; s.gone(x) {
				key := *s.keyOf.Peek(x.id)
				if users := o.users.At(key); *users == 1 {
					*users = 0
					o.keys.Remove(key, p.hash[x.at])
				} else {
					*users--
				}
				if c := o.frees.of(s.isRight); c != nil {
					c.Remove(0, *s.bits.Peek(x.id), x.id)
				}
				s.remove(x)
			}
		}
	}
	s.done()
}

func (o *asofOp) takeRejects() []Reject {
	r := o.rejects
	o.rejects = nil
	return r
}

func (o *asofOp) bytes() int64 {
	return o.frees.bytes() + o.left.bytes() + o.right.bytes() + o.keys.Bytes() + o.users.Bytes()
}

func (o *asofOp) persist(k *state.Keeper) {
	o.keys.Keep(k)
	o.users.Keep(k)
	state.Keep(k, &o.arrivals)
	o.left.persist(k, o.frees.of(false))
	o.right.persist(k, o.frees.of(true))
}

func (s *asofSide) bytes() int64 {
	return s.rowTable.bytes() + s.tree.Bytes() + s.seqs.Bytes() + s.keyOf.Bytes()
}

func (s *asofSide) persist(k *state.Keeper, free *state.Calendar) {
	s.rowTable.persist(k)
	s.seqs.Keep(k)
	s.keyOf.Keep(k)
	s.bits.Keep(k)
	if s.rests != nil {
		s.rests.Keep(k)
	}
	k.Then(func() {
		s.rows.Each(func(ids []uint32) {
			for _, id := range ids {
				if *s.weights.Peek(id) > 0 {
					s.tree.Add(s.place(id))
				}
				if free != nil {
					free.Add(0, *s.bits.Peek(id), id)
				}
			}
		})
	})
}
