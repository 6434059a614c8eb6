package view

import (
	"slices"
	"sync/atomic"
)

const (
	pageBits = 9
	pageMask = 1<<pageBits - 1
)

// chunks finds a chunk by its number. Numbers only grow and are never used again, so a stale row id
// finds nothing instead of another row. One writer adds and drops; readers look up without locks.
type chunks struct {
	dir   atomic.Pointer[pageDir]
	next  uint64 // number of the next chunk
	count int    // chunks there are
}

// pageDir is immutable, apart from the pages it points to.
type pageDir struct {
	base  uint64 // number of the first page
	pages []*page
}

type page struct {
	slots [1 << pageBits]atomic.Pointer[chunk]
	count int // the writer's: chunks there are
}

// get returns the chunk of that number, or nil.
func (t *chunks) get(number uint64) *chunk {
	d := t.dir.Load()
	at := number>>pageBits - d.base // wraps round below base
	if at >= uint64(len(d.pages)) || d.pages[at] == nil {
		return nil
	}
	return d.pages[at].slots[number&pageMask].Load()
}

// add gives c the next number.
func (t *chunks) add(c *chunk) (number uint64) {
	number = t.next
	d := t.dir.Load()
	at := number>>pageBits - d.base
	if at == uint64(len(d.pages)) {
		// Appending in place is safe: readers of the old directory do not look beyond its length.
		d = &pageDir{base: d.base, pages: append(d.pages, &page{})}
		t.dir.Store(d)
	}
	p := d.pages[at]
	p.slots[number&pageMask].Store(c)
	p.count++
	t.count++
	t.next++
	return number
}

// drop forgets the chunk of that number.
func (t *chunks) drop(number uint64) {
	d := t.dir.Load()
	at := number>>pageBits - d.base
	p := d.pages[at]
	p.slots[number&pageMask].Store(nil)
	p.count--
	t.count--
	if p.count > 0 || t.next>>pageBits <= number>>pageBits {
		return
	}
	pages := slices.Clone(d.pages)
	pages[at] = nil
	lead := 0
	for lead < len(pages) && pages[lead] == nil {
		lead++
	}
	t.dir.Store(&pageDir{base: d.base + uint64(lead), pages: pages[lead:]})
}

// walk goes through the chunks with numbers from a cursor on and below end.
type walk struct {
	t         *chunks
	next, end uint64
}

// step returns the next chunk, or nil at the end.
func (w *walk) step() (number uint64, c *chunk) {
	d := w.t.dir.Load()
	w.next = max(w.next, d.base<<pageBits)
	for w.next < w.end {
		at := w.next>>pageBits - d.base
		if at >= uint64(len(d.pages)) {
			break
		}
		p := d.pages[at]
		if p == nil {
			w.next = (w.next>>pageBits + 1) << pageBits
			continue
		}
		number = w.next
		w.next++
		if c = p.slots[number&pageMask].Load(); c != nil {
			return number, c
		}
	}
	return 0, nil
}
