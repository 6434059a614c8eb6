package view

import (
	"sync/atomic"

	"github.com/tidemill/tidemill/internal/row"
)

// ensureOrder builds the ordered index if there is none yet. The caller reads the rows beside the writer, and holds it
// up only to learn how far it is, and for the last few rows.
//
// The index must have every key that is in the hash index, apart from keys whose row had died by the tick of the
// oldest version there is: no snapshot sees them, and the writer adds them if they come back. What died later is not
// reclaimed while that version is pinned, so nothing is missed and nothing has to be taken out again.
func (s *Store) ensureOrder() {
	t, o := s.table, &s.table.order
	if o.ready.Load() {
		return
	}
	o.building.Lock()
	defer o.building.Unlock()
	if o.ready.Load() {
		return
	}
	s.writer.Lock()
	oldest := s.pinOldest()
	upTo := t.next
	s.writer.Unlock()
	defer s.unpin(oldest)
	o.add(t.collectKeys(0, upTo, oldest.tick))
	for round := 0; ; round++ {
		s.writer.Lock()
		from := upTo
		upTo = t.next
		if upTo-from <= orderCatchUp || round == orderRounds {
			o.add(t.collectKeys(from, upTo, oldest.tick))
			o.ready.Store(true)
			s.writer.Unlock()
			return
		}
		s.writer.Unlock()
		o.add(t.collectKeys(from, upTo, oldest.tick))
	}
}

// collectKeys returns the sorted keys of the rows with ids from on and below upTo that were alive after a tick.
func (t *table) collectKeys(from, upTo, tick uint64) []orderKey {
	w := walk{t: &t.chunks, next: from >> slotBits, end: (upTo + slotMask) >> slotBits}
	var keys []orderKey
	cols := make([]row.Vec, len(t.key))
	for {
		number, c := w.step()
		if c == nil {
			break
		}
		slot, n := 0, int(upTo&slotMask)
		if number < upTo>>slotBits {
			n = c.n
		}
		if number == from>>slotBits {
			slot = int(from & slotMask)
		}
		for i, k := range t.key {
			cols[i] = c.cols[k].vec(n)
		}
		hashes := make([]uint64, n)
		row.Hash(cols, hashes)
		var buf []byte
		for ; slot < n; slot++ {
			if del := atomic.LoadUint64(&c.del[slot]); del != 0 && del <= tick {
				continue
			}
			at := len(buf)
			for i := range cols {
				buf = row.AppendKey(buf, &cols[i], slot)
			}
			// buf may move as it grows; the keys so far keep the bytes they have.
			keys = append(keys, orderKey{buf[at:len(buf):len(buf)], hashes[slot]})
		}
	}
	sortKeys(keys)
	return keys
}
