package dataflow

import (
	"github.com/tidemill/tidemill/internal/dataflow/scalar"
	"github.com/tidemill/tidemill/internal/dataflow/state"
	"github.com/tidemill/tidemill/internal/row"
)

// keptExtreme is min and max over values of at most 8 bytes that are never retracted: only the best is kept.
type keptExtreme struct {
	typ   row.Type
	max   bool
	order state.Array[uint64] // the best value's place in the order, inverted for max
	some  state.Array[bool]
}

func (a *keptExtreme) grow(n uint32) {
	a.order.Grow(n)
	a.some.Grow(n)
}

func (a *keptExtreme) update(groups []uint32, _ []int64, args []row.Vec) {
	v := &args[0]
	flip := uint64(0)
	if a.max {
		flip = ^flip
	}
	if v.Type.Phys() == row.PhysInt64 {
		for k, x := range row.Values[int64](v) {
			a.see(groups[k], uint64(x)^(1<<63)^flip)
		}
		return
	}
	for k, g := range groups {
		a.see(g, state.OrderBits(v, k)^flip)
	}
}

func (a *keptExtreme) see(g uint32, order uint64) {
	if have := a.some.At(g); !*have {
		*have = true
		*a.order.At(g) = order
	} else if best := a.order.At(g); order < *best {
		*best = order
	}
}

func (a *keptExtreme) result(groups []uint32) (row.Vec, []scalar.RowError) {
	b := row.NewBuilder(a.typ, len(groups))
	flip := uint64(0)
	if a.max {
		flip = ^flip
	}
	for _, g := range groups {
		if !*a.some.Peek(g) {
			b.AppendNull()
			continue
		}
		state.AppendOrderBits(b, *a.order.Peek(g)^flip)
	}
	return b.Finish(), nil
}

func (a *keptExtreme) reset(group uint32) {
	*a.some.At(group) = false
}

func (a *keptExtreme) bytes() int64 { return a.order.Bytes() + a.some.Bytes() }

func (a *keptExtreme) persist(k *state.Keeper) {
	a.order.Keep(k)
	a.some.Keep(k)
}

// orderedExtreme is min, max, arg_min and arg_max with retractions. The rows of the multiset are (value) or, for arg_min and
// arg_max, (by, value): of rows with the same by, arg_min takes the smallest value and arg_max the largest, so
// the answer depends on the rows alone and not on their order.
type orderedExtreme struct {
	max  bool
	arg  bool
	rows *state.Ordered
}

func (a *orderedExtreme) grow(uint32) {}

func (a *orderedExtreme) update(groups []uint32, weights []int64, args []row.Vec) {
	if a.arg {
		args = []row.Vec{args[1], args[0]}
	}
	a.rows.Update(groups, weights, args)
}

func (a *orderedExtreme) result(groups []uint32) (row.Vec, []scalar.RowError) {
	ids := make([]uint32, len(groups))
	for k, g := range groups {
		ids[k] = a.rows.Extreme(g, a.max)
	}
	c := 0
	if a.arg {
		c = 1
	}
	return a.rows.Column(c, ids), nil
}

func (a *orderedExtreme) reset(group uint32) { a.rows.Clear(group) }
func (a *orderedExtreme) bytes() int64       { return a.rows.Bytes() }

func (a *orderedExtreme) persist(k *state.Keeper) { a.rows.Keep(k) }

// distinctAcc hands each distinct value of a group to an inner accumulator once.
type distinctAcc struct {
	inner  accumulator
	values *state.Set // group, value
	of     members
	counts state.Array[int64]
	touch  toucher
	ids    []uint32
	drop   bool // the input may retract
}

func newDistinctAcc(types []row.Type, inner accumulator, retract bool) *distinctAcc {
	return &distinctAcc{inner: inner, drop: retract, values: state.NewSet(append([]row.Type{row.T(row.Uint32)}, types...))}
}

func (a *distinctAcc) grow(n uint32) {
	a.inner.grow(n)
	a.of.first.Grow(n)
}

func (a *distinctAcc) update(groups []uint32, weights []int64, args []row.Vec) {
	all := append([]row.Vec{row.FromValues(row.T(row.Uint32), groups, nil)}, args...)
	hash := make([]uint64, len(groups))
	row.Hash(all, hash)
	a.ids = sized(a.ids, len(groups))
	added := a.values.FindOrAdd(all, hash, a.ids, nil)
	a.of.add(a.values, groups, a.ids, added)
	if !a.drop {
		a.feed(groups, args, added, nil)
		return
	}
	a.counts.Grow(a.values.Cap())
	a.touch.begin(a.values.Cap())
	for k, id := range a.ids {
		n := a.counts.At(id)
		a.touch.see(id, int32(k), *n > 0)
		*n += weight(weights, k)
	}
	var at []int32
	var signs []int64
	for _, t := range a.touch.seen {
		n := *a.counts.Peek(t.id)
		if now := n > 0; now != t.present {
			at, signs = append(at, t.at), append(signs, sign(now))
		}
		if n == 0 {
			a.of.remove(groups[t.at], t.id)
			a.values.Remove(t.id, hash[t.at])
		}
	}
	a.feed(groups, args, at, signs)
}

func (a *distinctAcc) feed(groups []uint32, args []row.Vec, at []int32, signs []int64) {
	if len(at) == 0 {
		return
	}
	if len(at) == len(groups) {
		a.inner.update(groups, signs, args)
		return
	}
	some := make([]uint32, len(at))
	for k, i := range at {
		some[k] = groups[i]
	}
	picked := make([]row.Vec, len(args))
	for c := range args {
		picked[c] = args[c].Gather(at)
	}
	a.inner.update(some, signs, picked)
}

func (a *distinctAcc) result(groups []uint32) (row.Vec, []scalar.RowError) {
	return a.inner.result(groups)
}

func (a *distinctAcc) reset(group uint32) {
	a.inner.reset(group)
	for _, id := range a.of.clear(a.values, group) {
		if a.drop {
			*a.counts.At(id) = 0
		}
	}
}

func (a *distinctAcc) bytes() int64 {
	return a.inner.bytes() + a.values.Bytes() + a.of.bytes() + a.counts.Bytes() + a.touch.bytes()
}

func (a *distinctAcc) persist(k *state.Keeper) {
	a.inner.persist(k)
	a.values.Keep(k)
	a.of.persist(k)
	a.counts.Keep(k)
}
