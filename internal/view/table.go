package view

import (
	"fmt"
	"sync/atomic"

	"github.com/tidemill/tidemill/internal/row"
)

// table holds the row versions of a relation that changes: chunks of rows, the index of their keys, and
// what is waiting to be reclaimed. Its methods are the writer's, except where they say otherwise.
type table struct {
	types []row.Type
	// key lists the columns of the index: the relation's key, or all columns of a multiset.
	key      []int
	multiset bool

	chunks chunks
	index  index
	order  order

	open       *chunk // the chunk being filled, nil before the first row
	openNumber uint64
	next       uint64 // id of the next row
	published  uint64 // ids below are published
	rows       int64  // with multiplicity
	live       int    // slots whose row lives
	filled     int    // slots in use, dead or alive
	bytes      int64  // of the chunks

	reclaim reclaim
	scratch scratch
}

// scratch is memory that is used again by each Apply.
type scratch struct {
	keys        []row.Vec
	hashes      []uint64
	minus, plus []int32
	ids, added  []uint64
	killed      []killed
	fresh       []int32
	one         [1]int32
	touched     uint64
}

// killed is a row that an Apply deleted, with its entry in the index and the change that did it.
type killed struct {
	place place
	hash  uint64
	id    uint64
	row   int32
}

// refused lists the rows of a batch that could not be applied.
type refused struct {
	rows  []int32
	first string
}

func (r *refused) add(b *row.Batch, i int32, why string) {
	if len(r.rows) == 0 {
		r.first = fmt.Sprintf("change %d with weight %+d: %s", i, b.Weight(int(i)), why)
	}
	r.rows = append(r.rows, i)
}

func newTable(schema row.Schema, key []int) *table {
	t := &table{types: schema.Types(), key: key}
	if key == nil {
		t.multiset = true
		for i := range schema {
			t.key = append(t.key, i)
		}
	}
	t.chunks.dir.Store(&pageDir{})
	t.index.init()
	t.order.init()
	return t
}

// chunk returns the chunk of a row, or nil if it has been dropped. Any goroutine may call it.
func (t *table) chunk(id uint64) *chunk { return t.chunks.get(id >> slotBits) }

// keysOf sets the scratch to the key columns of b and the hashes of its keys.
func (t *table) keysOf(b *row.Batch) {
	s := &t.scratch
	s.keys = s.keys[:0]
	for _, k := range t.key {
		s.keys = append(s.keys, b.Cols[k])
	}
	s.hashes = resize(s.hashes, b.Len)
	row.Hash(s.keys, s.hashes)
}

func resize[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n, n+n/4)
	}
	return s[:n]
}

// find returns where the entry of key i of keys is, and the id in it; without ok it returns
// where the entry can be inserted.
func (t *table) find(h uint64, keys []row.Vec, i int) (p place, id uint64, ok bool) {
	st := t.index.subtable(h)
	tag, free := h<<idBits, int64(-1)
	for at := uint32(h>>32) & st.mask; ; at = (at + 1) & st.mask {
		switch e := st.slots[at]; {
		case e == 0:
			if free >= 0 {
				at = uint32(free)
			}
			return place{st, at}, 0, false
		case e == tomb:
			if free < 0 {
				free = int64(at)
			}
		case e&^idMask == tag:
			id := e&idMask - 1
			if c := t.chunk(id); c != nil && t.keyEqual(c, int(id&slotMask), keys, i) {
				return place{st, at}, id, true
			}
		}
	}
}

const (
	warmRows = 64
	// warmSlotsMin is the size from which a table does not fit the processor's caches.
	warmSlotsMin = 1 << 15
)

// warm touches what finding the next rows at sel[from:] will touch. Each of them is several cache misses that depend
// on each other; here those of many rows overlap.
func (t *table) warm(sel []int32, from, n int) {
	if t.filled < warmSlotsMin {
		return
	}
	var entries [warmRows]uint64
	n = min(n-from, warmRows)
	for k := range n {
		h := t.scratch.hashes[position(sel, from+k)]
		st := t.index.subtable(h)
		if e := st.slots[uint32(h>>32)&st.mask]; e&^idMask == h<<idBits {
			entries[k] = e & idMask
		}
	}
	var sum uint64
	for _, e := range entries[:n] {
		if e == 0 || e == tomb {
			continue
		}
		slot := int((e - 1) & slotMask)
		c := t.chunk(e - 1)
		if c == nil {
			continue
		}
		sum += c.del[slot]
		for i := range c.cols {
			if k := &c.cols[i]; k.width > 0 {
				sum += uint64(k.fixed[slot*k.width])
			} else {
				sum += uint64(k.offsets[slot])
			}
		}
	}
	t.scratch.touched += sum // so that the loads are not left out
}

// keyEqual may be called by any goroutine that found the row in the index or knows it to be published.
func (t *table) keyEqual(c *chunk, slot int, keys []row.Vec, i int) bool {
	for j, k := range t.key {
		if !c.cols[k].equal(slot, &keys[j], i) {
			return false
		}
	}
	return true
}

func rowEqual(c *chunk, slot int, cols []row.Vec, i int) bool {
	for k := range cols {
		if !c.cols[k].equal(slot, &cols[k], i) {
			return false
		}
	}
	return true
}

// appendRows appends the n rows of b at sel[0:n] (the first n when sel is nil) and sets scratch.ids
// to their ids. They are in no index yet.
func (t *table) appendRows(b *row.Batch, sel []int32, n int) {
	t.scratch.ids = resize(t.scratch.ids, n)
	for lo := 0; lo < n; {
		if t.open == nil || t.open.room() == 0 {
			t.openChunk(n - lo)
		}
		c := t.open
		take := c.fit(b, sel, lo, min(c.room(), n-lo))
		if take == 0 {
			t.openChunk(n - lo)
			continue
		}
		first, before := t.openNumber<<slotBits|uint64(c.n), c.bytes
		c.fill(b, sel, lo, take)
		t.bytes += c.bytes - before
		t.live += take
		t.filled += take
		t.next = first + uint64(take)
		for k := range take {
			t.scratch.ids[lo+k] = first + uint64(k)
		}
		lo += take
	}
}

// openChunk seals the open chunk and opens one that suits the size of the relation.
func (t *table) openChunk(more int) {
	if c := t.open; c != nil {
		c.sealed = true
		t.reclaim.sealed(t.openNumber, c)
	}
	size := chunkRowsMin
	for size < chunkRows && size < max(more, t.live/2) {
		size *= 2
	}
	t.open = newChunk(t.types, size)
	t.openNumber = t.chunks.add(t.open)
	t.bytes += t.open.bytes
	t.next = t.openNumber << slotBits
}

// kill ends the life of a row.
func (t *table) kill(c *chunk, id, tick uint64) {
	atomic.StoreUint64(&c.del[id&slotMask], tick)
	if c.lastDel == 0 {
		c.anyDead.Store(true)
	}
	c.lastDel = tick
	c.live--
	t.live--
	if c.sealed {
		t.reclaim.died(id>>slotBits, c)
	}
}

// apply makes the changes of b in the given tick, except those it refuses.
func (t *table) apply(tick uint64, b *row.Batch) refused {
	var r refused
	t.keysOf(b)
	s := &t.scratch
	s.killed, s.fresh = s.killed[:0], s.fresh[:0]
	if t.multiset {
		t.applyMultiset(tick, b, &r)
	} else {
		plus, n := t.split(b, &r)
		t.deleteRows(tick, b, &r)
		t.insertRows(tick, b, plus, n, &r)
	}
	for _, k := range s.killed {
		// What was replaced by a newer version has no entry left that would have to go.
		if k.place.st.retired || k.place.holds(k.id) {
			t.reclaim.entries.push(deadEntry{hash: k.hash, id: k.id, tick: tick})
		}
	}
	if t.order.ready.Load() && len(s.fresh) > 0 {
		t.order.add(orderKeys(s.keys, s.hashes, s.fresh))
	}
	clear(s.keys)
	clear(s.killed)
	return r
}

// split sets scratch.minus to the rows to be deleted, and returns how many are to be inserted, and which (nil for
// all from the first on).
func (t *table) split(b *row.Batch, r *refused) (plus []int32, n int) {
	s := &t.scratch
	s.minus, s.plus = s.minus[:0], s.plus[:0]
	if b.Weights == nil {
		return nil, b.Len
	}
	for i, w := range b.Weights[:b.Len] {
		switch w {
		case 1:
			s.plus = append(s.plus, int32(i))
		case -1:
			s.minus = append(s.minus, int32(i))
		default:
			r.add(b, int32(i), "a key has one row")
		}
	}
	return s.plus, len(s.plus)
}

func (t *table) deleteRows(tick uint64, b *row.Batch, r *refused) {
	s := &t.scratch
	for n, i := range s.minus {
		if n%warmRows == 0 {
			t.warm(s.minus, n, len(s.minus))
		}
		h := s.hashes[i]
		p, id, ok := t.find(h, s.keys, int(i))
		if !ok {
			r.add(b, i, "no row has its key")
			continue
		}
		c, slot := t.chunk(id), int(id&slotMask)
		if c.del[slot] != 0 || !rowEqual(c, slot, b.Cols, int(i)) {
			r.add(b, i, "the row of its key is another or deleted")
			continue
		}
		t.kill(c, id, tick)
		t.rows--
		s.killed = append(s.killed, killed{place: p, hash: h, id: id, row: i})
	}
}

func (t *table) insertRows(tick uint64, b *row.Batch, plus []int32, n int, r *refused) {
	s := &t.scratch
	t.appendRows(b, plus, n)
	gone := s.killed
	for k, id := range s.ids[:n] {
		i := int32(position(plus, k))
		h := s.hashes[i]
		for len(gone) > 0 && gone[0].row < i-1 {
			gone = gone[1:]
		}
		if t.followsDeletion(gone, h, i) {
			t.supersede(gone[0].place, h, gone[0].id, id)
			t.rows++
			continue
		}
		if k%warmRows == 0 {
			t.warm(plus, k, n)
		}
		t.index.reserve(h)
		p, head, ok := t.find(h, s.keys, int(i))
		if !ok {
			t.index.insert(p, h, id)
			s.fresh = append(s.fresh, i)
			t.rows++
			continue
		}
		died := t.chunk(head).del[head&slotMask]
		if died == 0 {
			t.kill(t.chunk(id), id, tick)
			r.add(b, i, "a row has its key already")
			continue
		}
		t.supersede(p, h, head, id)
		if died != tick {
			s.fresh = append(s.fresh, i)
		}
		t.rows++
	}
}

// followsDeletion reports whether row i replaces the first of the deleted rows, which stands beside it in the
// batch, as in the changes of an aggregate. Then its place is known.
func (t *table) followsDeletion(gone []killed, h uint64, i int32) bool {
	if len(gone) == 0 || gone[0].hash != h || gone[0].row > i+1 || !gone[0].place.holds(gone[0].id) {
		return false
	}
	keys := t.scratch.keys
	return row.EqualRows(keys, int(i), keys, int(gone[0].row))
}

// supersede makes id the newest version of the key whose newest version was head.
func (t *table) supersede(p place, h, head, id uint64) {
	t.chunk(id).prev[id&slotMask] = head + 1
	p.replace(h, id)
}

// applyMultiset changes the multiplicities of rows: one version holds all copies of a row.
func (t *table) applyMultiset(tick uint64, b *row.Batch, r *refused) {
	s := &t.scratch
	s.plus = s.plus[:0]
	for i := range b.Len {
		if b.Weight(i) > 0 {
			s.plus = append(s.plus, int32(i))
		}
	}
	// The rows that are added are appended at once, column by column. Those that turn out to take copies away and
	// leave some, which are few, are appended one by one.
	t.appendRows(b, s.plus, len(s.plus))
	s.added = append(s.added[:0], s.ids...)
	ids := s.added
	for i := range b.Len {
		if i%warmRows == 0 {
			t.warm(nil, i, b.Len)
		}
		w := b.Weight(i)
		added := noRow
		if w > 0 {
			added, ids = ids[0], ids[1:]
		}
		t.addCopies(tick, b, i, w, added, r)
	}
}

const noRow = ^uint64(0)

// addCopies adds w copies of row i of b. added is the row's slot, if one has been appended.
func (t *table) addCopies(tick uint64, b *row.Batch, i int, w int64, added uint64, r *refused) {
	s := &t.scratch
	h := s.hashes[i]
	t.index.reserve(h)
	p, head, ok := t.find(h, s.keys, i)
	var c *chunk
	var have int64
	died := uint64(0)
	if ok {
		c = t.chunk(head)
		if died = c.del[head&slotMask]; died == 0 {
			have = c.weight(int(head & slotMask))
		}
	}
	want := have + w
	bad := want < 0 || (w > 0 && want < have)
	// Nobody has seen a version that is not published yet: it can change in place.
	inPlace := have > 0 && want > 0 && head >= t.published
	if (bad || inPlace) && added != noRow {
		t.kill(t.chunk(added), added, tick)
	}
	if bad {
		r.add(b, int32(i), fmt.Sprintf("there are %d such rows", have))
		return
	}
	t.rows += w
	if inPlace {
		t.setWeight(head, want)
		return
	}
	if have > 0 {
		t.kill(c, head, tick)
	}
	if want == 0 {
		s.killed = append(s.killed, killed{place: p, hash: h, id: head, row: int32(i)})
		return
	}
	if added == noRow {
		s.one[0] = int32(i)
		t.appendRows(b, s.one[:], 1)
		added = s.ids[0]
	}
	t.setWeight(added, want)
	if !ok {
		t.index.insert(p, h, added)
		s.fresh = append(s.fresh, int32(i))
		return
	}
	t.supersede(p, h, head, added)
	if have == 0 && died != tick {
		s.fresh = append(s.fresh, int32(i))
	}
}

func (t *table) setWeight(id uint64, w int64) {
	c := t.chunk(id)
	before := c.bytes
	c.setWeight(int(id&slotMask), w)
	t.bytes += c.bytes - before
}
