package state

// Index is a hash table from 64-bit hashes to ids. It stores 32 bits of each hash with the id, so it
// grows without looking at the rows; who looks up compares the rows whose hash agrees. It is split into sub-tables that grow one at a time, so
// that no insertion waits for more than a 64th of the whole. Linear probing; removal shifts back, so there are no tombstones.
type Index struct {
	tables [indexTables]table
	n      int
}

const (
	indexTables  = 64
	indexMinimum = 8
)

type table struct {
	slots []uint64 // upper half of the hash << 32 | id + 1; 0 is free
	used  int
}

func slotOf(hash uint64, id uint32) uint64 { return hash>>32<<32 | (uint64(id) + 1) }

func (t *table) home(slot uint64) int { return int(slot>>32) & (len(t.slots) - 1) }

// Len is the number of entries.
func (x *Index) Len() int { return x.n }

// Bytes is the memory the index takes.
func (x *Index) Bytes() int64 {
	n := int64(0)
	for i := range x.tables {
		n += int64(len(x.tables[i].slots)) * 8
	}
	return n
}

// Add enters an id under a hash; the same hash may be entered many times.
func (x *Index) Add(hash uint64, id uint32) {
	t := &x.tables[hash%indexTables]
	if (t.used+1)*4 > len(t.slots)*3 {
		t.grow()
	}
	t.insert(slotOf(hash, id))
	t.used++
	x.n++
}

func (t *table) insert(slot uint64) {
	mask := len(t.slots) - 1
	p := t.home(slot)
	for t.slots[p] != 0 {
		p = (p + 1) & mask
	}
	t.slots[p] = slot
}

func (t *table) grow() {
	old := t.slots
	t.slots = make([]uint64, max(indexMinimum, len(old)*2))
	for _, s := range old {
		if s != 0 {
			t.insert(s)
		}
	}
}

// Remove takes the entry of an id out; it must be there.
func (x *Index) Remove(hash uint64, id uint32) {
	t := &x.tables[hash%indexTables]
	mask := len(t.slots) - 1
	want := slotOf(hash, id)
	p := int(want>>32) & mask
	for t.slots[p] != want {
		if t.slots[p] == 0 {
			panic("BUG: removing an id that is not in the index")
		}
		p = (p + 1) & mask
	}
	t.used--
	x.n--
	for {
		t.slots[p] = 0
		q := p
		for {
			q = (q + 1) & mask
			if t.slots[q] == 0 {
				return
			}
			if h := t.home(t.slots[q]); (q-h)&mask >= (q-p)&mask {
				break
			}
		}
		t.slots[p] = t.slots[q]
		p = q
	}
}

// Probe walks the ids entered under hashes that agree with hash in the stored bits.
type Probe struct {
	slots []uint64
	tag   uint64
	pos   int
}

// Find starts a walk; Next returns the ids.
func (x *Index) Find(hash uint64) Probe {
	t := &x.tables[hash%indexTables]
	return Probe{slots: t.slots, tag: hash >> 32, pos: int(hash>>32) & (len(t.slots) - 1)}
}

// Next returns the next id, or None.
func (p *Probe) Next() uint32 {
	for len(p.slots) > 0 {
		s := p.slots[p.pos]
		if s == 0 {
			break
		}
		p.pos = (p.pos + 1) & (len(p.slots) - 1)
		if s>>32 == p.tag {
			return uint32(s) - 1
		}
	}
	return None
}
