package view

import (
	"math/bits"
	"sync/atomic"
)

const (
	idBits = 48
	idMask = 1<<idBits - 1
	// tomb stands where an entry was removed.
	tomb = idMask

	subtableMin = 16
	// subtableMax bounds the step by which the index grows: splitting a full sub-table moves at most
	// 0.8 × 16384 entries, about 0.2 ms.
	subtableMax = 1 << 14
	// depthMax bounds the directory: sub-tables of that depth grow instead of being split.
	depthMax = 24
)

// index maps the hash of a key to the id of the newest version of its row. It is an extendible hash table: a
// directory, by the leading bits of the hash, of open-addressing sub-tables of bounded size. An entry
// is a word: 16 bits of the hash, 48 bits of 1 + the row's id. One writer changes it with atomic stores; readers
// probe it with atomic loads, without locks. They may find it in the state of any moment since their
// version was published, which is enough: see the package's doc.
type index struct {
	dir     atomic.Pointer[directory]
	entries int
	bytes   int64
	made    uint64 // sub-tables made so far
}

type directory struct {
	depth uint // leading bits that select
	tabs  []atomic.Pointer[subtable]
}

type subtable struct {
	mask  uint32
	slots []uint64 // read and written atomically
	// The rest is the writer's: the leading 32 bits of each entry's hash, to place it anew, and
	// numbers of slots that are not empty, of entries, and of the first at which to make room.
	high              []uint32
	depth             uint
	used, live, limit int
	retired           bool
}

func (x *index) init() {
	d := &directory{tabs: make([]atomic.Pointer[subtable], 1)}
	d.tabs[0].Store(x.newSubtable(subtableMin, 0))
	x.dir.Store(d)
}

func (x *index) newSubtable(size int, depth uint) *subtable {
	st := &subtable{mask: uint32(size - 1), slots: make([]uint64, size), high: make([]uint32, size), depth: depth}
	x.bytes += int64(size) * 12
	// Hashes fill all sub-tables alike. Limits between 0.6 and 0.8, spread evenly over them, keep them from all
	// growing within the same tick.
	x.made++
	spread := x.made * 0x9e3779b97f4a7c15 >> 56
	st.limit = size*6/10 + size*2/10*int(spread)/256
	return st
}

func pack(h, id uint64) uint64 { return h<<idBits | (id + 1) }

func (x *index) subtable(h uint64) *subtable {
	d := x.dir.Load()
	return d.tabs[h>>(64-d.depth)].Load()
}

// probe visits the ids that may belong to a hash.
type probe struct {
	st  *subtable
	at  uint32
	tag uint64
}

func (x *index) probe(h uint64) probe {
	st := x.subtable(h)
	return probe{st: st, at: uint32(h>>32) & st.mask, tag: h << idBits}
}

func (p *probe) next() (id uint64, ok bool) {
	for {
		e := atomic.LoadUint64(&p.st.slots[p.at])
		if e == 0 {
			return 0, false
		}
		p.at = (p.at + 1) & p.st.mask
		if e&^idMask == p.tag && e != tomb {
			return e&idMask - 1, true
		}
	}
}

// place is where an entry is, or can be put; it holds until the index changes otherwise.
type place struct {
	st *subtable
	at uint32
}

// holds reports whether the entry of id is still at the place. False may also mean that the entry has moved.
func (p place) holds(id uint64) bool {
	return !p.st.retired && p.st.slots[p.at]&idMask == id+1
}

// replace sets the id of an entry.
func (p place) replace(h, id uint64) { atomic.StoreUint64(&p.st.slots[p.at], pack(h, id)) }

// reserve makes sure that one more entry of the hash can be inserted.
func (x *index) reserve(h uint64) {
	if st := x.subtable(h); st.used >= st.limit {
		x.makeRoom(h, st)
	}
}

// insert puts an entry at a place that find returned after reserve.
func (x *index) insert(p place, h, id uint64) {
	st := p.st
	if st.slots[p.at] == 0 {
		st.used++
	}
	st.live++
	x.entries++
	st.high[p.at] = uint32(h >> 32)
	atomic.StoreUint64(&st.slots[p.at], pack(h, id))
}

// findID returns the place of the entry of exactly that row.
func (x *index) findID(h, id uint64) (place, bool) {
	st, want := x.subtable(h), pack(h, id)
	for at := uint32(h>>32) & st.mask; ; at = (at + 1) & st.mask {
		switch st.slots[at] {
		case want:
			return place{st, at}, true
		case 0:
			return place{}, false
		}
	}
}

// remove takes an entry out.
func (x *index) remove(p place) {
	st, at := p.st, p.at
	st.live--
	x.entries--
	if st.slots[(at+1)&st.mask] != 0 {
		atomic.StoreUint64(&st.slots[at], tomb)
		return
	}
	// Probes would stop at the next slot anyway: the slot, and tombs before it, can become empty.
	for {
		atomic.StoreUint64(&st.slots[at], 0)
		st.used--
		at = (at - 1) & st.mask
		if st.slots[at] != tomb {
			return
		}
	}
}

func (x *index) makeRoom(h uint64, st *subtable) {
	size := len(st.slots)
	switch {
	case st.live*2 < st.limit:
		x.rebuild(h, st, size)
	case size < subtableMax || st.depth >= depthMax || st.uniform():
		x.rebuild(h, st, size*2)
	default:
		x.split(h, st)
	}
}

// uniform reports whether all hashes begin with the same 32 bits, so that no split would separate them.
func (st *subtable) uniform() bool {
	first, some := uint32(0), false
	for i, e := range st.slots {
		if e == 0 || e == tomb {
			continue
		}
		if some && st.high[i] != first {
			return false
		}
		first, some = st.high[i], true
	}
	return true
}

func (st *subtable) place(e uint64, high uint32) {
	at := high & st.mask
	for st.slots[at] != 0 {
		at = (at + 1) & st.mask
	}
	st.slots[at] = e
	st.high[at] = high
	st.used++
	st.live++
}

func (x *index) retire(st *subtable) {
	st.retired = true
	x.bytes -= int64(len(st.slots)) * 12
}

// rebuild replaces a sub-table by one of the given size without tombs.
func (x *index) rebuild(h uint64, st *subtable, size int) {
	fresh := x.newSubtable(size, st.depth)
	for i, e := range st.slots {
		if e != 0 && e != tomb {
			fresh.place(e, st.high[i])
		}
	}
	x.retire(st)
	x.setAll(h, st.depth, fresh)
}

// split replaces a sub-table by two, by one more bit of the hash.
func (x *index) split(h uint64, st *subtable) {
	var half [2]*subtable
	for i := range half {
		half[i] = x.newSubtable(len(st.slots), st.depth+1)
	}
	for i, e := range st.slots {
		if e != 0 && e != tomb {
			half[st.high[i]>>(31-st.depth)&1].place(e, st.high[i])
		}
	}
	x.retire(st)
	d := x.dir.Load()
	if d.depth == st.depth {
		twice := &directory{depth: d.depth + 1, tabs: make([]atomic.Pointer[subtable], 2*len(d.tabs))}
		for i := range twice.tabs {
			twice.tabs[i].Store(d.tabs[i/2].Load())
		}
		x.dir.Store(twice)
	}
	for i := range half {
		bit := uint64(i) << (63 - st.depth)
		x.setAll(h&^(1<<(63-st.depth))|bit, st.depth+1, half[i])
	}
}

// setAll points every directory entry that shares the leading depth bits of h to st.
func (x *index) setAll(h uint64, depth uint, st *subtable) {
	d := x.dir.Load()
	n := 1 << (d.depth - depth)
	first := int(h>>(64-depth)) * n
	for i := range n {
		d.tabs[first+i].Store(st)
	}
}

// pow2 returns the smallest power of two that is at least n.
func pow2(n int) int { return 1 << bits.Len(uint(max(n, 1)-1)) }
