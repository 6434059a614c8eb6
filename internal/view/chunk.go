package view

import (
	"encoding/binary"
	"sync/atomic"
	"unsafe"

	"github.com/tidemill/tidemill/internal/row"
)

const (
	slotBits  = 11
	chunkRows = 1 << slotBits // the most rows a chunk holds
	slotMask  = chunkRows - 1
	// chunkRowsMin is the size of the first chunk of a small relation: a view of one row that
	// changes each tick must not take the memory of 2048.
	chunkRowsMin = 64
	// chunkTextMax bounds the bytes of one text column in a chunk, so that offsets stay within 32 bits
	// and one chunk within what a compaction step may copy. A single larger value gets its own chunk.
	chunkTextMax = 16 << 20
)

// chunk holds the versions of up to chunkRows rows, column by column. The writer appends at n; a slot
// never changes once it is published, except that its row dies (del).
type chunk struct {
	cols []column
	// del is the tick at which the row of a slot died, 0 while it lives. Read and written atomically.
	del []uint64
	// prev is 1 + the id of the version before this one of the same key, 0 if there is none.
	prev []uint64
	// extra is the multiplicity of the row less one, nil when all are 1.
	extra atomic.Pointer[[]int64]
	// anyDead is false as long as no row of the chunk has died.
	anyDead atomic.Bool

	// The rest is the writer's. Readers may use n of a chunk that was sealed before their version.
	n, live int
	sealed  bool
	lastDel uint64
	bytes   int64
}

// column is one column of a chunk.
type column struct {
	typ   row.Type
	kind  equality
	width int // 0 for text
	// fixed holds the values of a fixed-width type, for all slots.
	fixed []byte
	// offsets has one entry more than there are slots; text holds the writer's view of the bytes, and base
	// points to them for the readers. The bytes move when they grow; what was written never changes.
	offsets []int32
	text    []byte
	base    atomic.Pointer[byte]
	// nulls has one byte per slot, 1 for null, so that setting one touches no other row's; nil
	// until the first null.
	nulls atomic.Pointer[byte]
	slots int
}

// equality says how values of a column are compared.
type equality uint8

const (
	equal8 equality = iota
	equal16
	equal32
	equal64
	equal128
	equalText
	equalOther // floats, intervals
)

func equalityOf(t row.Type) equality {
	switch p := t.Phys(); p {
	case row.PhysFloat32, row.PhysFloat64, row.PhysInterval:
		return equalOther
	case row.PhysBytes:
		return equalText
	default:
		switch p.Width() {
		case 1:
			return equal8
		case 2:
			return equal16
		case 4:
			return equal32
		case 8:
			return equal64
		default:
			return equal128
		}
	}
}

func newChunk(types []row.Type, rows int) *chunk {
	c := &chunk{cols: make([]column, len(types)), del: make([]uint64, rows), prev: make([]uint64, rows)}
	c.bytes = int64(rows)*16 + int64(len(types))*int64(unsafe.Sizeof(column{}))
	for i, t := range types {
		k := &c.cols[i]
		k.typ, k.kind, k.width, k.slots = t, equalityOf(t), t.Phys().Width(), rows
		if k.width == 0 {
			k.offsets = make([]int32, rows+1)
			c.bytes += int64(len(k.offsets)) * 4
			continue
		}
		// Made of 8-byte words for the alignment of the values.
		words := make([]uint64, (rows*k.width+7)/8)
		k.fixed = unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(words))), rows*k.width)
		c.bytes += int64(len(words)) * 8
	}
	return c
}

func (c *chunk) room() int { return len(c.del) - c.n }

// fit returns how many of the n rows of b at sel[lo:] (all rows from lo on when sel is nil) fit into the chunk by
// their text; at least 1 if the chunk is empty.
func (c *chunk) fit(b *row.Batch, sel []int32, lo, n int) int {
	for i := range c.cols {
		v := &b.Cols[i]
		if c.cols[i].width > 0 || v.Len == 0 {
			continue
		}
		size := len(c.cols[i].text)
		if size+int(v.Offsets[v.Len]-v.Offsets[0]) <= chunkTextMax {
			continue
		}
		for k := range n {
			j := position(sel, lo+k)
			if size += int(v.Offsets[j+1] - v.Offsets[j]); size > chunkTextMax {
				n = k
				break
			}
		}
	}
	if n == 0 && c.n == 0 {
		return 1
	}
	return n
}

func position(sel []int32, k int) int {
	if sel == nil {
		return k
	}
	return int(sel[k])
}

// fill appends n rows of b: those at sel[lo:lo+n], or from lo on when sel is nil.
func (c *chunk) fill(b *row.Batch, sel []int32, lo, n int) {
	for i := range c.cols {
		k, v := &c.cols[i], &b.Cols[i]
		if sel != nil {
			k.fillSelected(c, v, sel[lo:lo+n])
		} else {
			k.fillRun(c, v, lo, n)
		}
		if v.Valid == nil {
			continue
		}
		for j := range n {
			if v.Null(position(sel, lo+j)) {
				k.setNull(c, c.n+j)
			}
		}
	}
	c.n += n
	c.live += n
}

func (k *column) fillRun(c *chunk, v *row.Vec, lo, n int) {
	if k.width > 0 {
		copy(k.fixed[c.n*k.width:], v.Data[lo*k.width:(lo+n)*k.width])
		return
	}
	from, to := v.Offsets[lo], v.Offsets[lo+n]
	k.grow(c, int(to-from))
	shift := int32(len(k.text)) - from
	k.text = append(k.text, v.Data[from:to]...)
	out := k.offsets[c.n+1:]
	for i, o := range v.Offsets[lo+1 : lo+n+1] {
		out[i] = o + shift
	}
}

func (k *column) fillSelected(c *chunk, v *row.Vec, sel []int32) {
	at, n := c.n, len(sel)
	switch k.width {
	case 1:
		fillFixed[uint8](k, at, v, sel)
	case 2:
		fillFixed[uint16](k, at, v, sel)
	case 4:
		fillFixed[uint32](k, at, v, sel)
	case 8:
		fillFixed[uint64](k, at, v, sel)
	case 16:
		fillFixed[row.Int128Value](k, at, v, sel)
	default:
		need := 0
		for _, j := range sel {
			need += int(v.Offsets[j+1] - v.Offsets[j])
		}
		k.grow(c, need)
		out := k.offsets[at+1 : at+1+n]
		for i, j := range sel {
			k.text = append(k.text, v.Data[v.Offsets[j]:v.Offsets[j+1]]...)
			out[i] = int32(len(k.text))
		}
	}
}

func fillFixed[T row.Fixed](k *column, at int, v *row.Vec, sel []int32) {
	dst, src := values[T](k)[at:at+len(sel)], row.Values[T](v)
	for i, j := range sel {
		dst[i] = src[j]
	}
}

// values returns all slots of a fixed-width column.
func values[T row.Fixed](k *column) []T {
	return unsafe.Slice((*T)(unsafe.Pointer(unsafe.SliceData(k.fixed))), k.slots)
}

// grow makes room for need more bytes of text.
func (k *column) grow(c *chunk, need int) {
	if len(k.text)+need <= cap(k.text) {
		return
	}
	size := max(len(k.text)+need, min(2*cap(k.text), chunkTextMax), 256)
	bigger := make([]byte, len(k.text), size)
	copy(bigger, k.text)
	c.bytes += int64(cap(bigger) - cap(k.text))
	k.text = bigger
	k.base.Store(unsafe.SliceData(bigger))
}

func (k *column) setNull(c *chunk, slot int) {
	p := k.nulls.Load()
	if p == nil {
		p = unsafe.SliceData(make([]byte, k.slots))
		c.bytes += int64(k.slots)
		*(*byte)(unsafe.Add(unsafe.Pointer(p), slot)) = 1
		k.nulls.Store(p)
		return
	}
	*(*byte)(unsafe.Add(unsafe.Pointer(p), slot)) = 1
}

func (k *column) null(slot int) bool {
	p := k.nulls.Load()
	return p != nil && *(*byte)(unsafe.Add(unsafe.Pointer(p), slot)) != 0
}

func (k *column) str(slot int) string {
	from, to := k.offsets[slot], k.offsets[slot+1]
	if from == to {
		return ""
	}
	return unsafe.String((*byte)(unsafe.Add(unsafe.Pointer(k.base.Load()), from)), to-from)
}

// equal reports whether the value of a slot equals value i of v; nulls are equal.
func (k *column) equal(slot int, v *row.Vec, i int) bool {
	if kn, vn := k.null(slot), v.Null(i); kn || vn {
		return kn && vn
	}
	switch k.kind {
	case equal64:
		return fixedAt[uint64](k.fixed, slot) == fixedAt[uint64](v.Data, i)
	case equal32:
		return fixedAt[uint32](k.fixed, slot) == fixedAt[uint32](v.Data, i)
	case equal16:
		return fixedAt[uint16](k.fixed, slot) == fixedAt[uint16](v.Data, i)
	case equal8:
		return k.fixed[slot] == v.Data[i]
	case equal128:
		return fixedAt[row.Int128Value](k.fixed, slot) == fixedAt[row.Int128Value](v.Data, i)
	case equalText:
		return k.str(slot) == v.Str(i)
	default:
		one := row.Vec{Type: k.typ, Len: k.slots, Data: k.fixed}
		return row.Compare(&one, slot, v, i) == 0
	}
}

func fixedAt[T row.Fixed](data []byte, i int) T {
	var zero T
	// The bounds check is that of the last byte of the value.
	w := int(unsafe.Sizeof(zero))
	_ = data[i*w+w-1]
	return *(*T)(unsafe.Add(unsafe.Pointer(unsafe.SliceData(data)), i*w))
}

// one returns a column of only the value of a slot, which must not be null.
func (k *column) one(slot int) row.Vec {
	v := row.Vec{Type: k.typ, Len: 1}
	if k.width > 0 {
		v.Data = k.fixed[slot*k.width : (slot+1)*k.width]
		return v
	}
	v.Offsets = k.offsets[slot : slot+2]
	v.Data = unsafe.Slice(k.base.Load(), v.Offsets[1])
	return v
}

// vec returns the first n slots as a column that shares the chunk's memory.
func (k *column) vec(n int) row.Vec {
	v := row.Vec{Type: k.typ, Len: n}
	if k.width > 0 {
		v.Data = k.fixed[: n*k.width : n*k.width]
	} else {
		v.Offsets = k.offsets[: n+1 : n+1]
		v.Data = unsafe.Slice(k.base.Load(), v.Offsets[n])
	}
	if p := k.nulls.Load(); p != nil {
		v.Valid = packValid(unsafe.Slice(p, n))
	}
	return v
}

// packValid turns null flags into a validity bitmap, or nil if none is set.
func packValid(nulls []byte) []byte {
	// spread moves bit 0 of byte i of a word to bit 56+i.
	const spread = 0x0102040810204080
	out, any := row.NewBitmap(len(nulls), true), byte(0)
	full := len(nulls) &^ 7
	for i := 0; i < full; i += 8 {
		b := byte(binary.LittleEndian.Uint64(nulls[i:]) * spread >> 56)
		out[i>>3] = ^b
		any |= b
	}
	for i := full; i < len(nulls); i++ {
		if nulls[i] != 0 {
			row.SetNull(out, i)
			any = 1
		}
	}
	if any == 0 {
		return nil
	}
	return out
}

// view returns the first n slots of all columns, sharing the chunk's memory.
func (c *chunk) view(n int) *row.Batch {
	b := &row.Batch{Cols: make([]row.Vec, len(c.cols)), Len: n}
	for i := range c.cols {
		b.Cols[i] = c.cols[i].vec(n)
	}
	return b
}

// weight returns the multiplicity of the row of a slot.
func (c *chunk) weight(slot int) int64 {
	if p := c.extra.Load(); p != nil {
		return (*p)[slot] + 1
	}
	return 1
}

// setWeight sets the multiplicity of the row of a slot that is not yet published.
func (c *chunk) setWeight(slot int, w int64) {
	p := c.extra.Load()
	if p == nil {
		if w == 1 {
			return
		}
		s := make([]int64, len(c.del))
		c.bytes += int64(len(s)) * 8
		s[slot] = w - 1
		c.extra.Store(&s)
		return
	}
	(*p)[slot] = w - 1
}

// visible reports whether the row of a published slot is alive at a tick.
func (c *chunk) visible(slot int, tick uint64) bool {
	// 0 (alive) wraps round to the largest number.
	return atomic.LoadUint64(&c.del[slot])-1 >= tick
}
