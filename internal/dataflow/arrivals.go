package dataflow

import (
	"github.com/tidemill/tidemill/internal/dataflow/state"
	"github.com/tidemill/tidemill/internal/row"
)

// arrivals is a sequence in the order of arrival. Of equal values the one that came first is the one that a retraction takes away.
type arrivals struct {
	retract bool
	rows    *state.Rows // append-only: the values, by the id of the link
	values  *state.Set  // else: group, value
	of      members
	links   state.Array[arrivalLink]
	next    uint32
	free    state.Stack
	ends    state.Array[[2]uint32] // per group its first and last link + 1
	chains  state.Array[[2]uint32] // per value its first and last link + 1
	counts  state.Array[int64]     // per value its weight in links, minus what was taken away before it came
	ids     []uint32
}

// arrivalLink is some equal values that came together. Links are ids + 1, 0 for none.
type arrivalLink struct {
	weight       int64
	value        uint32
	before, next uint32 // of the group
	later        uint32 // of the same value
}

func newArrivals(t row.Type, retract bool) *arrivals {
	a := &arrivals{retract: retract}
	if retract {
		a.values = state.NewSet([]row.Type{row.T(row.Uint32), t})
	} else {
		a.rows = state.NewRows([]row.Type{t})
	}
	return a
}

func (a *arrivals) grow(n uint32) {
	a.ends.Grow(n)
	a.of.first.Grow(n)
}

func (a *arrivals) update(groups []uint32, weights []int64, args []row.Vec) {
	if !a.retract {
		a.ids = a.rows.AddAll(args[:1], nil, len(groups), a.ids[:0])
		for k, g := range groups {
			a.push(g, a.ids[k], weight(weights, k))
		}
		return
	}
	cols := []row.Vec{row.FromValues(row.T(row.Uint32), groups, nil), args[0]}
	hash := make([]uint64, len(groups))
	row.Hash(cols, hash)
	a.ids = sized(a.ids, len(groups))
	a.of.add(a.values, groups, a.ids, a.values.FindOrAdd(cols, hash, a.ids, nil))
	a.counts.Grow(a.values.Cap())
	a.chains.Grow(a.values.Cap())
	if weights != nil {
		for k, id := range a.ids {
			if weights[k] < 0 {
				a.take(groups[k], id, -weights[k])
			}
		}
	}
	for k, id := range a.ids {
		if w := weight(weights, k); w > 0 {
			a.give(groups[k], id, w)
		}
	}
	for k, id := range a.ids {
		if c := a.counts.At(id); *c == 0 && a.chains.Peek(id)[0] == 0 && a.values.Find(cols, k, hash[k]) == id {
			a.of.remove(groups[k], id)
			a.values.Remove(id, hash[k])
		}
	}
}

// take takes away w of a value; what is not there yet is taken when it comes.
func (a *arrivals) take(g, id uint32, w int64) {
	chain, count := a.chains.At(id), a.counts.At(id)
	*count -= w
	for w > 0 && chain[0] != 0 {
		at := chain[0] - 1
		l := a.links.At(at)
		n := min(w, l.weight)
		l.weight -= n
		w -= n
		if l.weight > 0 {
			break
		}
		if chain[0] = l.later; chain[0] == 0 {
			chain[1] = 0
		}
		a.unlink(g, at)
	}
}

func (a *arrivals) give(g, id uint32, w int64) {
	chain, count := a.chains.At(id), a.counts.At(id)
	owed := min(max(0, -*count), w)
	*count += w
	if w -= owed; w == 0 {
		return
	}
	at := a.push(g, id, w)
	if chain[1] == 0 {
		chain[0] = at + 1
	} else {
		a.links.At(chain[1] - 1).later = at + 1
	}
	chain[1] = at + 1
}

// push puts a value behind the last of a group.
func (a *arrivals) push(g, value uint32, w int64) uint32 {
	var at uint32
	if a.free.Len() > 0 {
		at = a.free.Pop()
	} else {
		at = a.next
		a.next++
		a.links.Grow(a.next)
	}
	ends := a.ends.At(g)
	*a.links.At(at) = arrivalLink{weight: w, value: value, before: ends[1]}
	if ends[1] == 0 {
		ends[0] = at + 1
	} else {
		a.links.At(ends[1] - 1).next = at + 1
	}
	ends[1] = at + 1
	return at
}

func (a *arrivals) unlink(g, at uint32) {
	l, ends := *a.links.Peek(at), a.ends.At(g)
	if l.before == 0 {
		ends[0] = l.next
	} else {
		a.links.At(l.before - 1).next = l.next
	}
	if l.next == 0 {
		ends[1] = l.before
	} else {
		a.links.At(l.next - 1).before = l.before
	}
	a.free.Push(at)
}

func (a *arrivals) members(group uint32, backwards bool, limit int64, out []uint32) []uint32 {
	ends := a.ends.At(group)
	at := ends[0]
	if backwards {
		at = ends[1]
	}
	for at != 0 && limit > 0 {
		l := a.links.At(at - 1)
		for w := l.weight; w > 0 && limit > 0; w, limit = w-1, limit-1 {
			out = append(out, l.value)
		}
		if at = l.next; backwards {
			at = l.before
		}
	}
	return out
}

func (a *arrivals) gather(ids []uint32) row.Vec {
	if a.retract {
		return a.values.GatherOrNull(1, ids)
	}
	return a.rows.GatherOrNull(0, ids)
}

func (a *arrivals) textBytes(ids []uint32) int64 {
	if a.retract {
		return a.values.TextBytes(1, ids)
	}
	return a.rows.TextBytes(0, ids)
}

func (a *arrivals) reset(group uint32) {
	ends := a.ends.At(group)
	for at := ends[0]; at != 0; at = a.links.Peek(at - 1).next {
		a.free.Push(at - 1)
		if !a.retract {
			a.rows.Remove(a.links.Peek(at - 1).value)
		}
	}
	*ends = [2]uint32{}
	if !a.retract {
		return
	}
	for _, id := range a.of.clear(a.values, group) {
		*a.chains.At(id), *a.counts.At(id) = [2]uint32{}, 0
	}
}

func (a *arrivals) bytes() int64 {
	n := a.links.Bytes() + a.of.bytes() + a.ends.Bytes() + a.chains.Bytes() + a.counts.Bytes() + a.free.Bytes()
	if a.retract {
		return n + a.values.Bytes()
	}
	return n + a.rows.Bytes()
}

func (a *arrivals) persist(k *state.Keeper) {
	if a.retract {
		a.values.Keep(k)
		a.of.persist(k)
	} else {
		a.rows.Keep(k)
	}
	a.links.Keep(k)
	state.Keep(k, &a.next)
	a.free.Keep(k)
	a.ends.Keep(k)
	a.chains.Keep(k)
	a.counts.Keep(k)
}
