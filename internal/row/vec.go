package row

import (
	"math/bits"
	"unsafe"
)

// IntervalValue is a value of an INTERVAL.
type IntervalValue struct {
	Months, Days int32
	Micros       int64
}

// Int128Value is a signed 128-bit integer in two's complement, little-endian in memory.
type Int128Value struct {
	Lo uint64
	Hi int64
}

// UUIDValue is a UUID in text order.
type UUIDValue [16]byte

// Fixed lists the Go types of fixed-width values.
type Fixed interface {
	bool | int8 | int16 | int32 | int64 | uint8 | uint16 | uint32 | uint64 | float32 | float64 | Int128Value | IntervalValue | UUIDValue
}

// Vec is one column of values; see the package's doc for its layout and ownership.
type Vec struct {
	Type Type
	Len  int
	// Valid is the validity bitmap, nil when there are no nulls; it may be longer than Len bits.
	Valid []byte
	// Data holds the values of a fixed-width type, or the bytes that Offsets points into.
	Data []byte
	// Offsets has Len+1 entries for PhysBytes, and is nil otherwise.
	Offsets []int32
}

// Values returns the column's fixed-width values as a slice of T, which must fit the column's physical form.
// The slice aliases the column.
func Values[T Fixed](v *Vec) []T {
	if v.Len == 0 {
		return nil
	}
	return unsafe.Slice((*T)(unsafe.Pointer(unsafe.SliceData(v.Data))), v.Len)
}

// FromValues makes a column of the fixed-width values, which it takes over. valid may be nil.
func FromValues[T Fixed](t Type, values []T, valid []byte) Vec {
	var zero T
	n := len(values)
	v := Vec{Type: t, Len: n, Valid: valid}
	if n > 0 {
		v.Data = unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(values))), n*int(unsafe.Sizeof(zero)))
	}
	return v
}

// Null reports whether value i is null.
func (v *Vec) Null(i int) bool {
	return v.Valid != nil && v.Valid[i>>3]&(1<<(i&7)) == 0
}

// Nulls counts the nulls.
func (v *Vec) Nulls() int {
	if v.Valid == nil {
		return 0
	}
	valid := 0
	for _, b := range v.Valid[:v.Len>>3] {
		valid += bits.OnesCount8(b)
	}
	if rest := v.Len & 7; rest != 0 {
		valid += bits.OnesCount8(v.Valid[v.Len>>3] & (1<<rest - 1))
	}
	return v.Len - valid
}

// Bytes returns the bytes of value i of a PhysBytes column; they alias the column.
func (v *Vec) Bytes(i int) []byte { return v.Data[v.Offsets[i]:v.Offsets[i+1]] }

// Str returns the text of value i of a PhysBytes column without copying it.
func (v *Vec) Str(i int) string {
	b := v.Data[v.Offsets[i]:v.Offsets[i+1]]
	return unsafe.String(unsafe.SliceData(b), len(b))
}

// BitmapBytes is the number of bytes a validity bitmap of n values takes; it is a multiple of 8.
func BitmapBytes(n int) int { return (n + 63) >> 6 << 3 }

// NewBitmap returns a bitmap of n values, all valid or all null.
func NewBitmap(n int, valid bool) []byte {
	b := make([]byte, BitmapBytes(n))
	if valid {
		for i := range b {
			b[i] = 0xff
		}
	}
	return b
}

// SetNull marks value i null in a bitmap.
func SetNull(bitmap []byte, i int) { bitmap[i>>3] &^= 1 << (i & 7) }

// SetValid marks value i valid in a bitmap.
func SetValid(bitmap []byte, i int) { bitmap[i>>3] |= 1 << (i & 7) }

// AndValid returns the bitmap of n values that are valid in both a and b, either of which may be
// nil for all valid. The result may alias a or b.
func AndValid(a, b []byte, n int) []byte {
	if a == nil {
		return b
	}
	if b == nil {
		return a
	}
	out := make([]byte, BitmapBytes(n))
	for i := range (n + 7) >> 3 {
		out[i] = a[i] & b[i]
	}
	return out
}

// NullVec returns a column of n nulls.
func NullVec(t Type, n int) Vec {
	v := Vec{Type: t, Len: n, Valid: NewBitmap(n, false)}
	if p := t.Phys(); p == PhysBytes {
		v.Offsets = make([]int32, n+1)
	} else {
		v.Data = make([]byte, n*p.Width())
	}
	return v
}

// Gather returns the values at the given positions, in that order.
func (v *Vec) Gather(at []int32) Vec {
	out := Vec{Type: v.Type, Len: len(at)}
	switch v.Type.Phys().Width() {
	case 1:
		out.Data = gather[uint8](v, at)
	case 2:
		out.Data = gather[uint16](v, at)
	case 4:
		out.Data = gather[uint32](v, at)
	case 8:
		out.Data = gather[uint64](v, at)
	case 16:
		out.Data = gather[Int128Value](v, at)
	default:
		out.gatherBytes(v, at)
	}
	if v.Valid != nil {
		out.Valid = make([]byte, BitmapBytes(len(at)))
		for i, j := range at {
			if v.Valid[j>>3]&(1<<(j&7)) != 0 {
				out.Valid[i>>3] |= 1 << (i & 7)
			}
		}
	}
	return out
}

func gather[T Fixed](v *Vec, at []int32) []byte {
	src, dst := Values[T](v), make([]T, len(at))
	for i, j := range at {
		dst[i] = src[j]
	}
	out := FromValues(v.Type, dst, nil)
	return out.Data
}

func (v *Vec) gatherBytes(src *Vec, at []int32) {
	total := 0
	for _, j := range at {
		total += int(src.Offsets[j+1] - src.Offsets[j])
	}
	v.Offsets = make([]int32, len(at)+1)
	v.Data = make([]byte, 0, total)
	for i, j := range at {
		v.Data = append(v.Data, src.Data[src.Offsets[j]:src.Offsets[j+1]]...)
		v.Offsets[i+1] = int32(len(v.Data))
	}
}

// Slice returns the values from lo up to hi. It shares the values and copies at most the bitmap.
func (v *Vec) Slice(lo, hi int) Vec {
	if lo == 0 && hi == v.Len {
		return *v
	}
	out := Vec{Type: v.Type, Len: hi - lo, Data: v.Data}
	if w := v.Type.Phys().Width(); w > 0 {
		out.Data = v.Data[lo*w : hi*w]
	} else {
		out.Offsets = v.Offsets[lo : hi+1]
	}
	if v.Valid != nil {
		out.Valid = sliceBitmap(v.Valid, lo, hi-lo)
	}
	return out
}

func sliceBitmap(b []byte, lo, n int) []byte {
	if lo&7 == 0 {
		return b[lo>>3:]
	}
	out := make([]byte, BitmapBytes(n))
	for i := range n {
		if b[(lo+i)>>3]&(1<<((lo+i)&7)) != 0 {
			out[i>>3] |= 1 << (i & 7)
		}
	}
	return out
}

// Bytes32Max bounds the bytes of one PhysBytes column: offsets are 32 bits.
const Bytes32Max = 1<<31 - 1
