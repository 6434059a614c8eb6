package dataflow

import (
	"encoding/binary"
	"math"

	"github.com/tidemill/tidemill/internal/dataflow/scalar"
	"github.com/tidemill/tidemill/internal/dataflow/state"
	"github.com/tidemill/tidemill/internal/row"
)

// valueCounts counts how often each value stands in each group.
type valueCounts struct {
	values *state.Set // group, value
	of     members
	counts state.Array[int64]
	touch  toucher
	before []int64 // per touched value
	ids    []uint32
	hash   []uint64
}

func newValueCounts(t row.Type) *valueCounts {
	return &valueCounts{values: state.NewSet([]row.Type{row.T(row.Uint32), t})}
}

// update counts and calls changed for each value whose count is another now, in the order in which they were touched.
func (c *valueCounts) update(groups []uint32, weights []int64, args []row.Vec, changed func(group, id uint32, old, now int64)) {
	cols := append([]row.Vec{row.FromValues(row.T(row.Uint32), groups, nil)}, args[0])
	c.hash = append(c.hash[:0], make([]uint64, len(groups))...)
	row.Hash(cols, c.hash)
	c.ids = sized(c.ids, len(groups))
	c.of.add(c.values, groups, c.ids, c.values.FindOrAdd(cols, c.hash, c.ids, nil))
	c.counts.Grow(c.values.Cap())
	c.touch.begin(c.values.Cap())
	c.before = c.before[:0]
	for k, id := range c.ids {
		n := c.counts.At(id)
		c.touch.see(id, int32(k), true)
		if len(c.touch.seen) > len(c.before) {
			c.before = append(c.before, *n)
		}
		*n += weight(weights, k)
	}
	for i, t := range c.touch.seen {
		now := *c.counts.Peek(t.id)
		if now != c.before[i] {
			changed(groups[t.at], t.id, c.before[i], now)
		}
		if now == 0 {
			c.of.remove(groups[t.at], t.id)
			c.values.Remove(t.id, c.hash[t.at])
		}
	}
}

func (c *valueCounts) reset(group uint32) {
	for _, id := range c.of.clear(c.values, group) {
		*c.counts.At(id) = 0
	}
}

func (c *valueCounts) bytes() int64 {
	return c.values.Bytes() + c.of.bytes() + c.counts.Bytes() + c.touch.bytes() + int64(cap(c.before)*8+cap(c.hash)*8)
}

func (c *valueCounts) persist(k *state.Keeper) {
	c.values.Keep(k)
	c.of.persist(k)
	c.counts.Keep(k)
}

// modeAcc is mode and approx_top_k: the values of a group by how often they stand there, of those that stand there equally often the first
// in an order of the values, or to arrive.
type modeAcc struct {
	counts   *valueCounts
	typ      row.Type
	top      int64 // 0: mode
	arrivals uint64
	arrived  state.Array[uint64] // per value
	order    *state.Ranked       // most frequent first; carries the value's id
	best     state.Array[uint32] // over an append-only input instead of order: the most frequent value's id + 1
	kept     bool
	ties     *sortOrder // nil: by arrival
	id       []uint32
	key      []byte
}

func newModeAcc(in, typ row.Type, top int64, ties *sortOrder, appendOnly bool) *modeAcc {
	a := &modeAcc{counts: newValueCounts(in), typ: typ, top: top, ties: ties, kept: appendOnly && top == 0 && ties == nil, id: make([]uint32, 1)}
	if !a.kept {
		a.order = state.NewRanked([]row.Type{row.T(row.Uint32)})
	}
	return a
}

func (a *modeAcc) grow(n uint32) {
	a.counts.of.first.Grow(n)
	if a.kept {
		a.best.Grow(n)
	} else {
		a.order.Grow(n)
	}
}

func (a *modeAcc) update(groups []uint32, weights []int64, args []row.Vec) {
	a.counts.update(groups, weights, args, func(g, id uint32, old, now int64) {
		a.arrived.Grow(id + 1)
		if old <= 0 && now > 0 {
			a.arrivals++
			*a.arrived.At(id) = a.arrivals
		}
		if a.kept {
			a.see(g, id)
			return
		}
		if old > 0 {
			a.place(g, id, old, -1)
		}
		if now > 0 {
			a.place(g, id, now, 1)
		}
	})
}

func (a *modeAcc) see(g, id uint32) {
	best := a.best.At(g)
	if *best == 0 {
		*best = id + 1
		return
	}
	old, now := *a.counts.counts.Peek(*best - 1), *a.counts.counts.Peek(id)
	if now > old || now == old && *a.arrived.Peek(id) < *a.arrived.Peek(*best - 1) {
		*best = id + 1
	}
}

func (a *modeAcc) place(g, id uint32, n, w int64) {
	if a.ties == nil {
		a.key = binary.BigEndian.AppendUint64(a.key[:0], *a.arrived.Peek(id))
	} else {
		a.key = a.ties.append(a.key[:0], []row.Vec{a.counts.values.Gather(1, []uint32{id})}, 0)
	}
	a.id[0] = id
	a.order.Add(g, math.MaxUint64-uint64(n), a.key, w, []row.Vec{row.FromValues(row.T(row.Uint32), a.id, nil)}, 0)
}

func (a *modeAcc) result(groups []uint32) (row.Vec, []scalar.RowError) {
	if a.top > 0 {
		return a.lists(groups)
	}
	ids := make([]uint32, len(groups))
	for k, g := range groups {
		switch {
		case a.kept:
			ids[k] = *a.best.Peek(g) - 1 // None for 0
		case a.order.Len(g) == 0:
			ids[k] = state.None
		default:
			ids[k] = a.idAt(a.order.At(g, 0))
		}
	}
	return a.counts.values.GatherOrNull(1, ids), nil
}

func (a *modeAcc) idAt(member uint32) uint32 {
	v := a.order.Gather(0, []uint32{member})
	return row.Values[uint32](&v)[0]
}

func (a *modeAcc) lists(groups []uint32) (row.Vec, []scalar.RowError) {
	out := newNestedBuilder(a.typ, len(groups))
	for _, g := range groups {
		if a.order.Len(g) == 0 {
			out.null()
			continue
		}
		var members []uint32
		a.order.Walk(g, false, func(id uint32, _ int64) bool {
			members = append(members, id)
			return int64(len(members)) < a.top
		})
		ids := a.order.Gather(0, members)
		v := a.counts.values.Gather(1, row.Values[uint32](&ids))
		for i := range v.Len {
			out.add(&v, i)
		}
		out.end()
	}
	return out.finish()
}

func (a *modeAcc) reset(group uint32) {
	a.counts.reset(group)
	if a.kept {
		*a.best.At(group) = 0
	} else {
		a.order.Clear(group)
	}
}

func (a *modeAcc) bytes() int64 {
	n := a.counts.bytes() + a.arrived.Bytes() + a.best.Bytes()
	if a.order != nil {
		n += a.order.Bytes()
	}
	return n
}

func (a *modeAcc) persist(k *state.Keeper) {
	a.counts.persist(k)
	state.Keep(k, &a.arrivals)
	a.arrived.Keep(k)
	if a.kept {
		a.best.Keep(k)
	} else {
		a.order.Keep(k)
	}
}

// entropyAcc is entropy: log₂ n - Σ c·log₂ c ÷ n over the counts c of a group's values. The sum is exact, so that no count leaves a trace.
type entropyAcc struct {
	counts *valueCounts
	parts  floatSumAcc
	n      state.Array[[2]int64] // values, different values
}

func (a *entropyAcc) grow(n uint32) {
	a.counts.of.first.Grow(n)
	a.parts.grow(n)
	a.n.Grow(n)
}

func (a *entropyAcc) update(groups []uint32, weights []int64, args []row.Vec) {
	a.counts.update(groups, weights, args, func(g, _ uint32, old, now int64) {
		n := a.n.At(g)
		n[0] += now - old
		for _, c := range [2]struct{ count, w int64 }{{old, -1}, {now, 1}} {
			if c.count > 0 {
				n[1] += c.w
				f := float64(c.count)
				a.parts.add(g, f*math.Log2(f), c.w)
			}
		}
	})
}

func (a *entropyAcc) result(groups []uint32) (row.Vec, []scalar.RowError) {
	out := make([]float64, len(groups))
	for k, g := range groups {
		if n := a.n.At(g); n[1] > 1 {
			total := float64(n[0])
			out[k] = math.Max(0, math.Log2(total)-a.parts.value(g, a.parts.sums.At(g))/total)
		}
	}
	return row.FromValues(row.T(row.Float64), out, nil), nil
}

func (a *entropyAcc) reset(group uint32) {
	a.counts.reset(group)
	a.parts.reset(group)
	*a.n.At(group) = [2]int64{}
}

func (a *entropyAcc) bytes() int64 { return a.counts.bytes() + a.parts.bytes() + a.n.Bytes() }

func (a *entropyAcc) persist(k *state.Keeper) {
	a.counts.persist(k)
	a.parts.persist(k)
	a.n.Keep(k)
}

// histogramAcc is histogram: a map from the values of a group, in order, to how often they stand there.
type histogramAcc struct {
	typ    row.Type
	values *state.Ranked
	key    []byte
}

func (a *histogramAcc) grow(n uint32) { a.values.Grow(n) }

func (a *histogramAcc) update(groups []uint32, weights []int64, args []row.Vec) {
	for k, g := range groups {
		a.key = row.AppendKey(a.key[:0], &args[0], k)
		num, rest := state.SplitKey(a.key)
		a.values.Add(g, num, rest, weight(weights, k), args[:1], k)
	}
}

func (a *histogramAcc) result(groups []uint32) (row.Vec, []scalar.RowError) {
	out := newNestedBuilder(a.typ, len(groups))
	var ids []uint32
	var counts []uint64
	for k, g := range groups {
		ids, counts = ids[:0], counts[:0]
		a.values.Walk(g, false, func(id uint32, n int64) bool {
			ids, counts = append(ids, id), append(counts, uint64(n))
			return true
		})
		if len(ids) == 0 {
			out.null()
			continue
		}
		if a.values.TextBytes(0, ids) > nestedMax {
			out.fail(k)
			continue
		}
		keys, ns := a.values.Gather(0, ids), row.FromValues(row.T(row.Uint64), counts, nil)
		for i := range ids {
			out.entry(&keys, i, &ns, i)
		}
		out.end()
	}
	return out.finish()
}

func (a *histogramAcc) reset(group uint32) { a.values.Clear(group) }
func (a *histogramAcc) bytes() int64       { return a.values.Bytes() }

func (a *histogramAcc) persist(k *state.Keeper) { a.values.Keep(k) }
