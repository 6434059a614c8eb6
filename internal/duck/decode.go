package duck

import (
	"encoding/binary"
	"math"
	"unsafe"

	capi "github.com/duckdb/duckdb-go-bindings"

	"github.com/tidemill/tidemill/internal/row"
)

// vectorSize is the number of rows of a full DuckDB chunk.
const vectorSize = 2048

// duckString is DuckDB's string_t: text of up to 12 bytes is inline, longer text has a 4-byte prefix and
// a pointer.
type duckString struct {
	length uint32
	prefix [4]byte
	ptr    uintptr // or 8 inline bytes
}

const inlineString = 12

// column gathers the values of one result column out of vectors.
type column struct {
	typ     row.Type
	source  uint8 // bytes per value in DuckDB's vector
	width   int   // bytes per value in ours, 0 for text
	n       int
	data    []byte
	offsets []int32
	valid   []byte // nil until the first null
	// Room to start with: what the column before this one took.
	hintRows, hintBytes int
}

func newColumn(t row.Type) column {
	c := column{typ: t, width: t.Phys().Width()}
	c.source = sourceWidth(t)
	return c
}

// sourceWidth is the number of bytes a value of t takes in DuckDB's vectors.
func sourceWidth(t row.Type) uint8 {
	if t.Kind == row.Enum && len(t.EnumValues()) <= math.MaxUint8 {
		return 1
	}
	if t.Kind == row.Decimal {
		switch {
		case t.Width <= 4:
			return 2
		case t.Width <= 9:
			return 4
		case t.Width <= 18:
			return 8
		}
		return 16
	}
	if w := t.Phys().Width(); w > 0 {
		return uint8(w)
	}
	return uint8(unsafe.Sizeof(duckString{}))
}

// append copies the first n values of the vector.
func (c *column) append(vec capi.Vector, n int) error {
	if n == 0 {
		return nil
	}
	c.appendValidity(capi.VectorGetValidity(vec), n)
	if c.typ.Nested() {
		return c.appendNested(vec, n)
	}
	src := capi.VectorGetData(vec)
	if c.width == 0 {
		if err := c.appendText(unsafe.Slice((*duckString)(src), n)); err != nil {
			return err
		}
		c.n += n
		return nil
	}
	c.grow(n)
	at := len(c.data)
	c.data = c.data[:at+n*c.width]
	dst := c.data[at:]
	switch {
	case c.typ.Kind == row.UUID:
		uuidFromDuck(dst, unsafe.Slice((*byte)(src), n*16))
	case int(c.source) == c.width:
		copy(dst, unsafe.Slice((*byte)(src), n*c.width))
	case c.typ.Kind == row.Enum:
		positions := unsafe.Slice((*uint16)(unsafe.Pointer(unsafe.SliceData(dst))), n)
		for i, x := range unsafe.Slice((*uint8)(src), n) {
			positions[i] = uint16(x)
		}
	case c.source == 2:
		widen(dst, unsafe.Slice((*int16)(src), n))
	default:
		widen(dst, unsafe.Slice((*int32)(src), n))
	}
	c.n += n
	return nil
}

func widen[T int16 | int32](dst []byte, src []T) {
	out := unsafe.Slice((*int64)(unsafe.Pointer(unsafe.SliceData(dst))), len(src))
	for i, v := range src {
		out[i] = int64(v)
	}
}

// uuidFromDuck turns 128-bit integers with the top bit flipped into bytes in text order.
func uuidFromDuck(dst, src []byte) {
	for i := 0; i < len(src); i += 16 {
		lower, upper := binary.LittleEndian.Uint64(src[i:]), binary.LittleEndian.Uint64(src[i+8:])
		binary.BigEndian.PutUint64(dst[i:], upper^(1<<63))
		binary.BigEndian.PutUint64(dst[i+8:], lower)
	}
}

// grow makes room for n more fixed-width values, aligned for all widths.
func (c *column) grow(n int) {
	need := len(c.data) + n*c.width
	if need <= cap(c.data) {
		return
	}
	size := max(need, 2*cap(c.data), c.hintRows*c.width)
	back := make([]row.Int128Value, (size+15)/16)
	data := unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(back))), len(back)*16)[:len(c.data)]
	copy(data, c.data)
	c.data = data
}

func (c *column) appendValidity(mask unsafe.Pointer, n int) {
	if mask == nil {
		if c.valid != nil {
			c.extendValid(n)
		}
		return
	}
	src := unsafe.Slice((*byte)(mask), (n+7)/8)
	if c.valid == nil {
		if allValid(src, n) {
			return
		}
		c.extendValid(0)
	}
	at := c.n
	c.extendValid(n)
	if at&7 == 0 {
		copy(c.valid[at>>3:], src)
		if n&7 != 0 {
			c.valid[(at+n)>>3] |= byte(0xff) << (n & 7)
		}
		return
	}
	for i := range n {
		if src[i>>3]&(1<<(i&7)) == 0 {
			row.SetNull(c.valid, at+i)
		}
	}
}

func allValid(mask []byte, n int) bool {
	for _, b := range mask[:n>>3] {
		if b != 0xff {
			return false
		}
	}
	rest := byte(1<<(n&7) - 1)
	return rest == 0 || mask[n>>3]&rest == rest
}

// extendValid makes the bitmap cover n values more than there are, valid where it is new.
func (c *column) extendValid(n int) {
	for want := max(row.BitmapBytes(c.n+n), 8); len(c.valid) < want; {
		c.valid = append(c.valid, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff)
	}
}

func (c *column) null(i int) bool { return c.valid != nil && c.valid[i>>3]&(1<<(i&7)) == 0 }

func (c *column) appendText(src []duckString) error {
	if c.offsets == nil {
		c.offsets = append(make([]int32, 0, max(len(src), c.hintRows)+1), 0)
		c.data = make([]byte, 0, c.hintBytes)
	}
	for i := range src {
		s := &src[i]
		if !c.null(c.n + i) {
			if s.length <= inlineString {
				c.data = append(c.data, unsafe.Slice((*byte)(unsafe.Pointer(&s.prefix)), s.length)...)
			} else {
				if len(c.data)+int(s.length) > row.Bytes32Max {
					return errorf(KindOutOfRange, "the text of one column of a batch exceeds 2 GiB")
				}
				// The pointer is to C memory, which the collector does not move.
				p := *(*unsafe.Pointer)(unsafe.Pointer(&s.ptr))
				c.data = append(c.data, unsafe.Slice((*byte)(p), s.length)...)
			}
		}
		c.offsets = append(c.offsets, int32(len(c.data)))
	}
	return nil
}

// finish returns the values and starts anew.
func (c *column) finish() row.Vec {
	v := row.Vec{Type: c.typ, Len: c.n, Data: c.data, Valid: c.valid, Offsets: c.offsets}
	if c.width == 0 && v.Offsets == nil {
		v.Offsets = []int32{0}
	}
	if v.Valid != nil {
		for len(v.Valid) < row.BitmapBytes(v.Len) {
			v.Valid = append(v.Valid, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff)
		}
	}
	next := newColumn(c.typ)
	next.hintRows, next.hintBytes = c.n, len(c.data)
	*c = next
	return v
}

// size is the number of bytes gathered.
func (c *column) size() int { return len(c.data) }
