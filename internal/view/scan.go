package view

import (
	"io"
	"sync/atomic"

	"github.com/tidemill/tidemill/internal/row"
)

const (
	// scanRows is the least number of rows an iterator collects into a batch, unless it is at the end.
	scanRows = 2048
	// scanTextMax ends a batch early that has that many bytes in one text column. A chunk that alone has more (a
	// single huge row) makes its own batch, so columns stay within 32-bit offsets.
	scanTextMax = 64 << 20
	// scanShareMin is the number of rows from which on a chunk whose rows are all visible is handed out as it is.
	scanShareMin = 1024
)

// Iterator goes through the rows of a snapshot, in no order but that of arrival in append-only relations. It is
// for one goroutine, and keeps the snapshot's memory until Close or the end.
type Iterator struct {
	s       *Store
	v       *version
	columns []int
	zeros   []int64
	closed  bool

	// Of a table: the chunks to come, and where in the present chunk (nil if none is begun) to go on.
	walk   walk
	c      *chunk
	n      int
	slot   int
	copies int64 // left of the row at slot; 0 when it is not begun
	text   int   // bounds the bytes per text column of what fill took

	// Of an append-only relation.
	level, batch int
}

// Scan returns an iterator over the given columns of all rows. Column -1 stands for a BIGINT of no meaning.
func (p *Snapshot) Scan(columns []int) (*Iterator, error) {
	if p.closed.Load() {
		return nil, ErrClosed
	}
	for _, c := range columns {
		if c < -1 || c >= len(p.s.types) {
			return nil, invalid("there is no column %d", c)
		}
	}
	it := &Iterator{s: p.s, v: p.v, columns: columns}
	if t := p.s.table; t != nil {
		it.walk = walk{t: &t.chunks, end: (p.v.next + slotMask) >> slotBits}
	}
	p.s.pin(p.v)
	return it, nil
}

// Next returns the next rows, and io.EOF after the last. The batch may share memory with the store and
// must not be modified; it stays valid after Close.
func (it *Iterator) Next() (*row.Batch, error) {
	if it.closed {
		return nil, io.EOF
	}
	var b *row.Batch
	if it.s.log != nil {
		b = it.nextLogged()
	} else {
		b = it.nextRows()
	}
	if b == nil {
		it.Close()
		return nil, io.EOF
	}
	return b, nil
}

// Close ends the iteration. Closing again does nothing.
func (it *Iterator) Close() {
	if !it.closed {
		it.closed = true
		it.s.unpin(it.v)
	}
}

func (it *Iterator) nextLogged() *row.Batch {
	for it.level < logLevels {
		level := it.v.levels[it.level]
		if it.batch < len(level) {
			b := level[it.batch]
			it.batch++
			if it.level > 0 {
				b = row.Concat(level)
				it.batch = len(level)
			}
			return it.project(b)
		}
		it.level++
		it.batch = 0
	}
	return nil
}

// project returns the iterator's columns of whole rows.
func (it *Iterator) project(b *row.Batch) *row.Batch {
	out := &row.Batch{Cols: make([]row.Vec, len(it.columns)), Len: b.Len}
	for i, c := range it.columns {
		if c < 0 {
			out.Cols[i] = it.meaningless(b.Len)
		} else {
			out.Cols[i] = b.Cols[c]
		}
	}
	return out
}

func (it *Iterator) meaningless(n int) row.Vec {
	if len(it.zeros) < n {
		it.zeros = make([]int64, max(n, scanRows))
	}
	return row.FromValues(row.T(row.Int64), it.zeros[:n:n], nil)
}

// nextRows returns a chunk as it is if all its rows are visible, else collects rows of several.
func (it *Iterator) nextRows() *row.Batch {
	var parts []part
	rows, text := 0, 0
	for rows < scanRows && text < scanTextMax {
		if it.c == nil && !it.begin() {
			break
		}
		if rows > 0 && it.c.maxText(it.n) > scanTextMax {
			break
		}
		if it.slot == 0 && it.copies == 0 && it.n >= scanShareMin && !it.c.anyDead.Load() && it.c.extra.Load() == nil {
			if rows > 0 {
				break
			}
			c := it.c
			it.c = nil
			return it.share(c)
		}
		p := part{c: it.c}
		p.slots = it.fill() // may end the chunk
		if len(p.slots) > 0 {
			parts = append(parts, p)
			rows += len(p.slots)
			text += it.text
		}
	}
	if rows == 0 {
		return nil
	}
	return it.collect(parts, rows)
}

// begin goes to the next chunk.
func (it *Iterator) begin() bool {
	number, c := it.walk.step()
	if c == nil {
		return false
	}
	it.c, it.slot, it.n = c, 0, 0
	if number < it.v.next>>slotBits {
		it.n = c.n // sealed before the version
	} else {
		it.n = int(it.v.next & slotMask)
	}
	return true
}

// fill takes visible rows, with copies, of the present chunk until the batch is full or the chunk is done.
func (it *Iterator) fill() []int32 {
	c, tick := it.c, it.v.tick
	slots := make([]int32, 0, it.n-it.slot)
	if extra := c.extra.Load(); extra != nil {
		return it.fillCopies(slots)
	}
	it.text = c.maxText(it.n)
	for slot, n := it.slot, it.n; slot < n; slot++ {
		if atomic.LoadUint64(&c.del[slot])-1 >= tick {
			slots = append(slots, int32(slot))
		}
	}
	it.c = nil
	return slots
}

func (it *Iterator) fillCopies(slots []int32) []int32 {
	it.text = 0
	for ; it.slot < it.n; it.slot++ {
		if it.copies == 0 {
			if !it.c.visible(it.slot, it.v.tick) {
				continue
			}
			it.copies = it.c.weight(it.slot)
		}
		size := it.c.slotText(it.slot)
		for ; it.copies > 0; it.copies-- {
			if len(slots) == scanRows || it.text >= scanTextMax {
				return slots
			}
			slots = append(slots, int32(it.slot))
			it.text += size
		}
	}
	it.c = nil
	return slots
}

// share returns the rows of a chunk in place.
func (it *Iterator) share(c *chunk) *row.Batch {
	out := &row.Batch{Cols: make([]row.Vec, len(it.columns)), Len: it.n}
	for i, col := range it.columns {
		if col < 0 {
			out.Cols[i] = it.meaningless(it.n)
		} else {
			out.Cols[i] = c.cols[col].vec(it.n)
		}
	}
	return out
}

func (it *Iterator) collect(parts []part, rows int) *row.Batch {
	out := &row.Batch{Cols: make([]row.Vec, len(it.columns)), Len: rows}
	for i, col := range it.columns {
		if col < 0 {
			out.Cols[i] = it.meaningless(rows)
		} else {
			out.Cols[i] = gatherParts(it.s.types[col], col, parts, rows)
		}
	}
	return out
}
