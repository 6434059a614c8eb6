package state

import "github.com/tidwall/btree"

// Deadlines holds ids by when they are due, numbers from OrderBits, in steps of a power of two: ids that are due in one step are taken
// together. It is a Calendar for many ids that are not taken out before: an id costs four bytes and, in about the order of time, no search.
type Deadlines struct {
	shift uint
	tree  *btree.BTreeG[*deadline]
	last  *deadline // that was added to
	bytes int64
}

type deadline struct {
	slot uint64
	ids  []uint32
}

const deadlineBytes = 64 // of a deadline without its ids

// NewDeadlines returns an empty Deadlines with steps of 1<<shift.
func NewDeadlines(shift uint) *Deadlines {
	return &Deadlines{shift: shift, tree: btree.NewBTreeGOptions(func(a, b *deadline) bool { return a.slot < b.slot }, btree.Options{NoLocks: true})}
}

// Add enters an id.
func (d *Deadlines) Add(due uint64, id uint32) {
	slot := due >> d.shift
	if d.last == nil || d.last.slot != slot {
		d.find(slot)
	}
	had := cap(d.last.ids)
	d.last.ids = append(d.last.ids, id)
	d.bytes += int64(cap(d.last.ids)-had) * 4
}

func (d *Deadlines) find(slot uint64) {
	at, ok := d.tree.Get(&deadline{slot: slot})
	if !ok {
		at = &deadline{slot: slot}
		d.tree.Set(at)
		d.bytes += deadlineBytes
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
		ids = append(ids, first.ids...)
		d.bytes -= int64(cap(first.ids))*4 + deadlineBytes
		if d.last == first {
			d.last = nil
		}
	}
}

// Bytes estimates the memory that the ids take.
func (d *Deadlines) Bytes() int64 { return d.bytes }
