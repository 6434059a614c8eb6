package view

const (
	// reclaimRowsMin bounds, from below, the rows that one tick's compaction may move and the index entries it
	// may remove; the bound grows with the changes of the tick, so that reclaiming keeps up with them.
	reclaimRowsMin = 1024
	// reclaimChunks bounds the chunks that one tick looks at or drops.
	reclaimChunks = 256
)

// reclaim is what is waiting until no version needs it any more. All queues hold at most an
// entry per row or chunk that is there.
type reclaim struct {
	entries fifo[deadEntry]  // index entries of keys that are gone, by tick
	dead    fifo[deadChunk]  // sealed chunks without a living row, by tick
	quarter fifo[chunkQueue] // sealed chunks of which at most a quarter lives
	half    fifo[chunkQueue] // sealed chunks of which at most a half lives
}

type deadEntry struct {
	hash, id, tick uint64
}

type deadChunk struct {
	number, tick uint64
}

type chunkQueue struct {
	number uint64
}

// fifo is a queue in a slice.
type fifo[T any] struct {
	items []T
	head  int
}

func (q *fifo[T]) push(x T) { q.items = append(q.items, x) }

func (q *fifo[T]) len() int { return len(q.items) - q.head }

func (q *fifo[T]) front() *T { return &q.items[q.head] }

func (q *fifo[T]) pop() T {
	x := q.items[q.head]
	q.head++
	if q.head == len(q.items) {
		q.items, q.head = q.items[:0], 0
		if cap(q.items) > 1<<16 {
			q.items = nil
		}
	} else if q.head >= 1024 && q.head*2 >= len(q.items) {
		n := copy(q.items, q.items[q.head:])
		q.items, q.head = q.items[:n], 0
	}
	return x
}

// sealed takes note of a chunk that gets no more rows.
func (r *reclaim) sealed(number uint64, c *chunk) {
	switch {
	case c.live == 0:
		r.dead.push(deadChunk{number, c.lastDel})
	case c.live <= c.n/4:
		r.quarter.push(chunkQueue{number})
	case c.live <= c.n/2:
		r.half.push(chunkQueue{number})
	}
}

// died takes note of one more row that died in a sealed chunk.
func (r *reclaim) died(number uint64, c *chunk) {
	switch c.live {
	case 0:
		r.dead.push(deadChunk{number, c.lastDel})
	case c.n / 4:
		r.quarter.push(chunkQueue{number})
	case c.n / 2:
		r.half.push(chunkQueue{number})
	}
}

// maintain reclaims what no version at or after the horizon sees, in bounded steps, and moves the living rows
// out of chunks that are mostly dead, as changes of the given tick. It reports whether it moved any.
func (t *table) maintain(tick, horizon uint64, changed int) (moved bool) {
	t.removeEntries(horizon, 4*max(reclaimRowsMin, changed))
	t.dropChunks(horizon)
	budget := max(reclaimRowsMin, changed)
	budget = t.compact(&t.reclaim.quarter, 2, tick, horizon, budget, &moved)
	// A quarter living bounds the memory to four times what lives in the worst case; looking at all of the
	// table brings it to about twice.
	if t.filled-t.live > t.live+2*chunkRows {
		t.compact(&t.reclaim.half, 4, tick, horizon, budget, &moved)
	}
	return moved
}

func (t *table) removeEntries(horizon uint64, budget int) {
	q := &t.reclaim.entries
	var gone []orderKey
	for n := 0; q.len() > 0 && n < budget && q.front().tick <= horizon; n++ {
		e := q.pop()
		p, ok := t.index.findID(e.hash, e.id)
		if !ok {
			continue // replaced by a newer version since
		}
		if t.order.ready.Load() {
			gone = append(gone, orderKey{t.appendSlotKey(nil, t.chunk(e.id), int(e.id&slotMask)), e.hash})
		}
		t.index.remove(p)
	}
	if len(gone) > 0 {
		sortKeys(gone)
		t.order.remove(gone)
	}
}

// dropChunks lets go of chunks that are dead for every version and have no entry in the index.
func (t *table) dropChunks(horizon uint64) {
	r := &t.reclaim
	for n := 0; r.dead.len() > 0 && n < reclaimChunks; n++ {
		d := r.dead.front()
		if d.tick > horizon || (r.entries.len() > 0 && r.entries.front().tick <= d.tick) {
			return
		}
		number := r.dead.pop().number
		c := t.chunks.get(number)
		t.chunks.drop(number)
		t.bytes -= c.bytes
		t.filled -= c.n
	}
}

// compact moves the living rows out of the chunks of a queue, except out of those of which more than
// 1/2, or 3/4 (share 2, 4), is still needed: they go to the end of the queue. It returns what is left of the budget.
func (t *table) compact(q *fifo[chunkQueue], share int, tick, horizon uint64, budget int, moved *bool) int {
	for n := min(q.len(), reclaimChunks/16); n > 0 && budget > 0; n-- {
		at := q.pop()
		c := t.chunks.get(at.number)
		if c == nil || c.live == 0 {
			continue
		}
		needed := 0
		for _, del := range c.del[:c.n] {
			if del == 0 || del > horizon {
				needed++
			}
		}
		if needed*share > c.n*(share-1) {
			q.push(at)
			continue
		}
		budget -= c.live
		t.move(at.number, c, tick)
		*moved = true
	}
	return budget
}

// move makes a new version, the same, of each living row of a chunk.
func (t *table) move(number uint64, c *chunk, tick uint64) {
	b := c.view(c.n)
	t.keysOf(b)
	s := &t.scratch
	sel := s.plus[:0]
	for slot, del := range c.del[:c.n] {
		if del == 0 {
			sel = append(sel, int32(slot))
		}
	}
	t.appendRows(b, sel, len(sel))
	for k, slot := range sel {
		from, to := number<<slotBits|uint64(slot), s.ids[k]
		p, _ := t.index.findID(s.hashes[slot], from)
		t.supersede(p, s.hashes[slot], from, to)
		if w := c.weight(int(slot)); w != 1 {
			t.setWeight(to, w)
		}
		t.kill(c, from, tick)
	}
	s.plus = sel
	clear(s.keys)
}
