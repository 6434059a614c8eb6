package state

// warmFrom is how many entries an index has at least for its memory to be worth asking for ahead: smaller ones are in the processor's caches.
const warmFrom = 1 << 15

// Warm reads the places where hashes are looked up first, so that look-ups of some hundreds that follow need not wait for memory one after the other. The
// result has no meaning; a caller keeps it, or the reads are left out as useless.
func (x *Index) Warm(hashes []uint64) (sum uint64) {
	if x.n < warmFrom {
		return 0
	}
	for _, h := range hashes {
		t := &x.tables[h%indexTables]
		if n := len(t.slots); n > 0 {
			sum += t.slots[int(h>>32)&(n-1)]
		}
	}
	return sum
}

// Warm is Index.Warm for look-ups in the set.
func (s *Set) Warm(hashes []uint64) uint64 { return s.index.Warm(hashes) }
