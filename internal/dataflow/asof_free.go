package dataflow

import (
	"slices"

	"github.com/tidemill/tidemill/internal/dataflow/state"
	"github.com/tidemill/tidemill/internal/plan"
)

// asofFree finds the rows of an ASOF join that no row on time can touch any more. It needs the watermark to bound the order of both sides. Where the right row is at or
// before the left one, left rows below the bound are done, and of right rows below it all but the last one of a key. Where it is at or after, right rows below the
// bound are done, and with them the left rows that have them; a left row without a right one waits. A nil asofFree frees nothing.
type asofFree struct {
	times       *Times
	bound       *threshold
	left, right *state.Calendar // left is nil where left rows go with right ones
	ids, gone   []uint32
}

// asofBounds bounds the order of an ASOF join from below, for both sides together; nil unless both have bounds.
func (b *builder) asofBounds(n *plan.Join) []plan.TimeBound {
	if n.Kind != plan.AsOf && n.Kind != plan.AsOfLeft {
		return nil
	}
	order, _, ok := nearest(n, len(n.Left.Types()))
	if !ok || !shortOrdered(order.left.Type) || order.left.Type != order.right.Type {
		return nil
	}
	l, r := b.events.Of(n.Left, order.left), b.events.Of(n.Right, order.right)
	if l == nil || r == nil {
		return nil
	}
	return plan.OfAllKeys(slices.Concat(l, r))
}

func (b *builder) newAsOfFree(bounds []plan.TimeBound, down bool) (*asofFree, error) {
	if bounds == nil {
		return nil, nil
	}
	f := &asofFree{times: b.g.times, right: state.NewCalendar()}
	if down {
		f.left = state.NewCalendar()
	}
	var err error
	f.bound, err = b.threshold(bounds)
	return f, err
}

// of is the calendar of a side.
func (f *asofFree) of(right bool) *state.Calendar {
	switch {
	case f == nil:
		return nil
	case right:
		return f.right
	}
	return f.left
}

// free removes what is done.
func (o *asofOp) free() {
	f := o.frees
	if f == nil {
		return
	}
	limit, ok := f.bound.at(f.times.After)
	if !ok {
		return
	}
	if f.left != nil {
		f.gone = f.left.Take(0, limit, f.gone[:0])
		o.forget(o.left, f.gone)
	}
	f.ids = f.right.Take(0, limit, f.ids[:0])
	var at state.Place
	collect := func(p state.Place) bool {
		if p != at {
			f.gone = append(f.gone, p.ID)
		}
		return true
	}
	for _, id := range f.ids {
		at = o.right.place(id)
		f.gone = f.gone[:0]
		if o.down {
			o.right.tree.Descend(at, collect)
			o.forget(o.right, f.gone)
			continue
		}
		o.walkLeft(at, collect)
		o.forget(o.left, f.gone)
		o.forget(o.right, append(f.gone[:0], id))
	}
}

// forget removes rows of a side.
func (o *asofOp) forget(s *asofSide, ids []uint32) {
	if len(ids) == 0 {
		return
	}
	for _, id := range ids {
		s.tree.Remove(s.place(id))
	}
	if s.retract {
		unindexRows(s.rows, &s.byRow, ids)
	}
	var empty []uint32
	for _, id := range ids {
		key := *s.keyOf.Peek(id)
		if *o.users.At(key)--; *o.users.Peek(key) == 0 {
			empty = append(empty, key)
		}
		*s.weights.At(id) = 0
		s.rows.Remove(id)
	}
	hash := hashesOf(o.keys, empty)
	for k, key := range empty {
		o.keys.Remove(key, hash[k])
	}
}

func (f *asofFree) bytes() int64 {
	if f == nil {
		return 0
	}
	n := f.right.Bytes()
	if f.left != nil {
		n += f.left.Bytes()
	}
	return n
}
