package state

import "github.com/tidwall/btree"

// Deadlines holds ids by when they are due, numbers from OrderBits, in steps of a power of two: ids that are due in one step are taken
// together. It is a Calendar for many ids that are not taken out before: an id costs four bytes and, in about the order of time, no search.
type Deadlines struct {
	shift uint
	tree  *btree.BTreeG[*deadline]
	last  *deadline // that was added to
	next  Array[uint32]
}

// deadline is a list of ids, linked by id + 1.
type deadline struct {
	slot        uint64
	first, last uint32
}

const deadlineBytes = 64

// NewDeadlines returns an empty Deadlines with steps of 1<<shift.
func NewDeadlines(shift uint) *Deadlines {
	return &Deadlines{shift: shift, tree: btree.NewBTreeGOptions(func(a, b *deadline) bool { return a.slot < b.slot }, btree.Options{NoLocks: true})}
}

// Add enters an id that is not there.
func (d *Deadlines) Add(due uint64, id uint32) {
	slot := due >> d.shift
	if d.last == nil || d.last.slot != slot {
		d.find(slot)
	}
	d.next.Grow(id + 1)
	*d.next.At(id) = 0
	if d.last.first == 0 {
		d.last.first = id + 1
	} else {
		*d.next.At(d.last.last - 1) = id + 1
	}
	d.last.last = id + 1
}

func (d *Deadlines) find(slot uint64) {
	at, ok := d.tree.Get(&deadline{slot: slot})
	if !ok {
		at = &deadline{slot: slot}
		d.tree.Set(at)
	}
	d.last = at
}

// Take removes the ids of the steps that are over at limit, all due below it, and appends them to ids, the earliest first.
func (d *Deadlines) Take(limit uint64, ids []uint32) []uint32 {
	for {
		first, ok := d.tree.Min()
		if !ok || first.slot >= limit>>d.shift {
			return ids
		}
		d.tree.PopMin()
		for at := first.first; at != 0; at = *d.next.Peek(at - 1) {
			ids = append(ids, at-1)
		}
		if d.last == first {
			d.last = nil
		}
	}
}

// Bytes estimates the memory that the ids take.
func (d *Deadlines) Bytes() int64 { return int64(d.tree.Len())*deadlineBytes + d.next.Bytes() }

// Keep shows the deadlines to a Keeper.
func (d *Deadlines) Keep(k *Keeper) {
	d.next.Keep(k)
	n := uint32(d.tree.Len())
	Keep(k, &n)
	if !k.loading {
		d.tree.Scan(func(at *deadline) bool {
			slot := int64(at.slot)
			Keep(k, &slot)
			Keep(k, &at.first)
			Keep(k, &at.last)
			return true
		})
		return
	}
	for i := uint32(0); i < n && k.err == nil; i++ {
		at := &deadline{}
		var slot int64
		Keep(k, &slot)
		Keep(k, &at.first)
		Keep(k, &at.last)
		at.slot = uint64(slot)
		d.tree.Set(at)
	}
}
