package state

import (
	"cmp"
	"math"

	"github.com/tidwall/btree"

	"github.com/tidemill/tidemill/internal/row"
)

// Ordered keeps, per group, a multiset of rows and finds the smallest and the largest of them after any insertions and
// removals. Rows are ordered by their columns from the first to the last, as row.Compare does; no column is null.
type Ordered struct {
	set    *Set // group, then the columns
	counts Array[int64]
	tree   *btree.BTreeG[orderedItem]
	types  []row.Type
	short  bool // the first 8 bytes of the order say it all

	mark  Array[uint32] // stamp of the last batch that touched the row
	stamp uint32
	touch []touched
}

type touched struct {
	id      uint32
	at      int32
	hash    uint64
	present bool
}

type orderedItem struct {
	group, id uint32
	num       uint64
	rest      string
}

// NewOrdered returns an empty multiset of rows of the given types.
func NewOrdered(types []row.Type) *Ordered {
	o := &Ordered{types: types, set: NewSet(append([]row.Type{row.T(row.Uint32)}, types...))}
	o.tree = btree.NewBTreeGOptions(func(a, b orderedItem) bool { return a.compare(&b) < 0 }, btree.Options{NoLocks: true})
	o.short = len(types) == 1 && shortOrder(types[0].Phys())
	return o
}

func shortOrder(p row.Phys) bool {
	return p.Width() > 0 && p.Width() <= 8
}

func (a *orderedItem) compare(b *orderedItem) int {
	if c := cmp.Compare(a.group, b.group); c != 0 {
		return c
	}
	if c := cmp.Compare(a.num, b.num); c != 0 {
		return c
	}
	return cmp.Compare(a.rest, b.rest)
}

// Update adds (weight > 0) and removes (weight < 0) the rows i of cols to and from the groups; nil weights are all +1.
func (o *Ordered) Update(groups []uint32, weights []int64, cols []row.Vec) {
	all := append([]row.Vec{row.FromValues(row.T(row.Uint32), groups, nil)}, cols...)
	hash := make([]uint64, len(groups))
	row.Hash(all, hash)
	ids := make([]uint32, len(groups))
	o.set.FindOrAdd(all, hash, ids, nil)
	o.counts.Grow(o.set.Cap())
	o.mark.Grow(o.set.Cap())
	if o.stamp++; o.stamp == 0 {
		o.mark = Array[uint32]{}
		o.mark.Grow(o.set.Cap())
		o.stamp = 1
	}
	o.touch = o.touch[:0]
	for i, id := range ids {
		n := o.counts.At(id)
		if m := o.mark.At(id); *m != o.stamp {
			*m = o.stamp
			o.touch = append(o.touch, touched{id: id, at: int32(i), hash: hash[i], present: *n > 0})
		}
		if weights == nil {
			*n++
		} else {
			*n += weights[i]
		}
	}
	for _, t := range o.touch {
		o.settle(t, all)
	}
}

func (o *Ordered) settle(t touched, all []row.Vec) {
	n := *o.counts.Peek(t.id)
	switch present := n > 0; {
	case present && !t.present:
		o.tree.Set(o.item(all, int(t.at), t.id))
	case t.present && !present:
		o.tree.Delete(o.item(all, int(t.at), t.id))
	}
	if n == 0 {
		o.set.Remove(t.id, t.hash)
	}
}

func (o *Ordered) item(all []row.Vec, i int, id uint32) orderedItem {
	it := orderedItem{group: row.Values[uint32](&all[0])[i], id: id}
	v := &all[1]
	if shortOrder(v.Type.Phys()) {
		it.num = OrderBits(v, i)
		if o.short {
			return it
		}
		all = all[1:]
	}
	var key []byte
	for c := 1; c < len(all); c++ {
		key = row.AppendKey(key, &all[c], i)
	}
	it.rest = string(key)
	return it
}

// OrderBits maps a non-null value of at most 8 bytes to an integer of the same order.
func OrderBits(v *row.Vec, i int) uint64 {
	const top = 1 << 63
	switch v.Type.Phys() {
	case row.PhysFloat32:
		return floatBits(float64(row.Values[float32](v)[i]))
	case row.PhysFloat64:
		return floatBits(row.Values[float64](v)[i])
	case row.PhysUint64:
		return row.Values[uint64](v)[i]
	case row.PhysInt64:
		return uint64(row.Values[int64](v)[i]) ^ top
	}
	return uint64(v.Value(i).I) ^ top
}

func floatBits(f float64) uint64 {
	if f != f {
		return math.MaxUint64
	}
	if f == 0 {
		f = 0
	}
	b := math.Float64bits(f)
	if b>>63 == 1 {
		return ^b
	}
	return b | 1<<63
}

// Extreme returns the id of the group's smallest (or largest) row, or None; Column gives its values.
func (o *Ordered) Extreme(group uint32, largest bool) uint32 {
	found := uint32(None)
	if largest {
		o.tree.Descend(orderedItem{group: group + 1}, func(it orderedItem) bool {
			if it.group > group {
				return true
			}
			if it.group == group {
				found = it.id
			}
			return false
		})
		return found
	}
	o.tree.Ascend(orderedItem{group: group}, func(it orderedItem) bool {
		if it.group == group {
			found = it.id
		}
		return false
	})
	return found
}

// Column returns the values of column c (counted without the group) for ids; None gives null.
func (o *Ordered) Column(c int, ids []uint32) row.Vec { return o.set.GatherOrNull(c+1, ids) }

// Clear removes all rows of a group; it costs as much as the group has rows.
func (o *Ordered) Clear(group uint32) {
	for {
		id := o.Extreme(group, false)
		if id == None {
			return
		}
		cols := make([]row.Vec, len(o.types)+1)
		for c := range cols {
			cols[c] = o.set.Gather(c, []uint32{id})
		}
		var hash [1]uint64
		row.Hash(cols, hash[:])
		o.tree.Delete(o.item(cols, 0, id))
		*o.counts.At(id) = 0
		o.set.Remove(id, hash[0])
	}
}

// Bytes is the memory the multiset takes; the tree's part is an estimate.
func (o *Ordered) Bytes() int64 {
	return o.set.Bytes() + o.counts.Bytes() + o.mark.Bytes() + int64(o.tree.Len())*48
}

// AppendOrderBits appends the value that OrderBits maps to bits to a builder of its type.
func AppendOrderBits(b *row.Builder, bits uint64) {
	const top = 1 << 63
	switch b.Type().Phys() {
	case row.PhysFloat32, row.PhysFloat64:
		switch {
		case bits == math.MaxUint64:
			b.AppendFloat(math.NaN())
		case bits>>63 == 1:
			b.AppendFloat(math.Float64frombits(bits &^ top))
		default:
			b.AppendFloat(math.Float64frombits(^bits))
		}
	case row.PhysUint64:
		b.AppendInt(int64(bits))
	default:
		b.AppendInt(int64(bits ^ top))
	}
}

// OrderValue is the value of type t that OrderBits maps to bits.
func OrderValue(t row.Type, bits uint64) row.Value {
	const top = 1 << 63
	switch t.Phys() {
	case row.PhysFloat32, row.PhysFloat64:
		v := row.Value{Type: t}
		switch {
		case bits == math.MaxUint64:
			v.F = math.NaN()
		case bits>>63 == 1:
			v.F = math.Float64frombits(bits &^ top)
		default:
			v.F = math.Float64frombits(^bits)
		}
		return v
	case row.PhysUint64:
		return row.Value{Type: t, I: int64(bits)}
	}
	return row.IntValue(t, int64(bits^top))
}
