package row

import (
	"encoding/binary"
	"math"
	"unsafe"
)

// Builder makes a Vec value by value. It is not safe for concurrent use. After Finish it starts anew.
type Builder struct {
	typ     Type
	phys    Phys
	n       int
	data    []byte
	offsets []int32
	valid   []byte // nil until the first null
	zone    zoneCache
}

// NewBuilder returns a builder with room for rows values.
func NewBuilder(t Type, rows int) *Builder {
	b := &Builder{}
	b.Reset(t, rows)
	return b
}

// Reset forgets what was appended and starts a column of type t with room for rows values.
func (b *Builder) Reset(t Type, rows int) {
	*b = Builder{typ: t, phys: t.Phys()}
	if b.phys == PhysBytes {
		b.offsets = make([]int32, 1, rows+1)
	} else {
		// Backed by 16-byte values so that every fixed-width value is aligned.
		w := b.phys.Width()
		back := make([]Int128Value, (rows*w+15)/16)
		if len(back) > 0 {
			b.data = unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(back))), len(back)*16)[:0]
		}
	}
}

func (b *Builder) reserveBytes(n int) {
	if b.phys == PhysBytes && cap(b.data) < n {
		b.data = append(make([]byte, 0, n), b.data...)
	}
}

// Len is the number of values appended since the last Finish.
func (b *Builder) Len() int { return b.n }

// Type is the type of the column being built.
func (b *Builder) Type() Type { return b.typ }

// ByteLen is the number of bytes of text or blob appended so far.
func (b *Builder) ByteLen() int {
	if b.phys == PhysBytes {
		return len(b.data)
	}
	return 0
}

// AppendNull appends a null.
func (b *Builder) AppendNull() {
	b.markNull(b.n)
	if b.phys == PhysBytes {
		b.offsets = append(b.offsets, int32(len(b.data)))
	} else {
		var zero [16]byte
		b.data = append(b.data, zero[:b.phys.Width()]...)
	}
	b.n++
}

func (b *Builder) markNull(i int) {
	for len(b.valid) < BitmapBytes(i+1) {
		b.valid = append(b.valid, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff)
	}
	SetNull(b.valid, i)
}

// AppendBool appends to a BOOLEAN column.
func (b *Builder) AppendBool(v bool) {
	var x byte
	if v {
		x = 1
	}
	b.data = append(b.data, x)
	b.n++
}

// AppendInt appends v to a column whose physical form is an integer of any width or a float. The caller has checked
// that v fits.
func (b *Builder) AppendInt(v int64) {
	switch b.phys {
	case PhysBool, PhysInt8, PhysUint8:
		b.data = append(b.data, byte(v))
	case PhysInt16, PhysUint16:
		b.data = binary.LittleEndian.AppendUint16(b.data, uint16(v))
	case PhysInt32, PhysUint32:
		b.data = binary.LittleEndian.AppendUint32(b.data, uint32(v))
	case PhysInt64, PhysUint64:
		b.data = binary.LittleEndian.AppendUint64(b.data, uint64(v))
	case PhysInt128:
		b.data = binary.LittleEndian.AppendUint64(b.data, uint64(v))
		b.data = binary.LittleEndian.AppendUint64(b.data, uint64(v>>63))
	case PhysFloat32:
		b.data = binary.LittleEndian.AppendUint32(b.data, math.Float32bits(float32(v)))
	case PhysFloat64:
		b.data = binary.LittleEndian.AppendUint64(b.data, math.Float64bits(float64(v)))
	default:
		panic("BUG: AppendInt on " + b.typ.String())
	}
	b.n++
}

// AppendFloat appends v to a FLOAT or DOUBLE column.
func (b *Builder) AppendFloat(v float64) {
	if b.phys == PhysFloat32 {
		b.data = binary.LittleEndian.AppendUint32(b.data, math.Float32bits(float32(v)))
	} else {
		b.data = binary.LittleEndian.AppendUint64(b.data, math.Float64bits(v))
	}
	b.n++
}

// AppendInt128 appends v to a column with 128-bit values.
func (b *Builder) AppendInt128(v Int128Value) {
	b.data = binary.LittleEndian.AppendUint64(b.data, v.Lo)
	b.data = binary.LittleEndian.AppendUint64(b.data, uint64(v.Hi))
	b.n++
}

// AppendInterval appends to an INTERVAL column.
func (b *Builder) AppendInterval(v IntervalValue) {
	b.data = binary.LittleEndian.AppendUint32(b.data, uint32(v.Months))
	b.data = binary.LittleEndian.AppendUint32(b.data, uint32(v.Days))
	b.data = binary.LittleEndian.AppendUint64(b.data, uint64(v.Micros))
	b.n++
}

// AppendUUID appends to a UUID column.
func (b *Builder) AppendUUID(v UUIDValue) {
	b.data = append(b.data, v[:]...)
	b.n++
}

// AppendBytes appends a copy of v to a column of text or blobs.
func (b *Builder) AppendBytes(v []byte) {
	b.data = append(b.data, v...)
	b.offsets = append(b.offsets, int32(len(b.data)))
	b.n++
}

// AppendString appends to a column of text.
func (b *Builder) AppendString(v string) {
	b.data = append(b.data, v...)
	b.offsets = append(b.offsets, int32(len(b.data)))
	b.n++
}

// AppendFrom appends value i of v, which has the builder's type.
func (b *Builder) AppendFrom(v *Vec, i int) {
	if v.Null(i) {
		b.AppendNull()
		return
	}
	if b.phys == PhysBytes {
		b.AppendBytes(v.Bytes(i))
		return
	}
	w := b.phys.Width()
	b.data = append(b.data, v.Data[i*w:(i+1)*w]...)
	b.n++
}

// AppendVec appends all values of v, which has the builder's type.
func (b *Builder) AppendVec(v *Vec) {
	if v.Len == 0 {
		return
	}
	if v.Valid != nil {
		for i := range v.Len {
			if v.Null(i) {
				b.markNull(b.n + i)
			}
		}
	}
	if b.phys == PhysBytes {
		shift := int32(len(b.data)) - v.Offsets[0]
		b.data = append(b.data, v.Data[v.Offsets[0]:v.Offsets[v.Len]]...)
		for _, o := range v.Offsets[1 : v.Len+1] {
			b.offsets = append(b.offsets, o+shift)
		}
	} else {
		b.data = append(b.data, v.Data[:v.Len*b.phys.Width()]...)
	}
	b.n += v.Len
}

// Truncate drops the values from n on, so that a row that turned out bad can be taken back.
func (b *Builder) Truncate(n int) {
	if n >= b.n {
		return
	}
	if b.phys == PhysBytes {
		b.data = b.data[:b.offsets[n]]
		b.offsets = b.offsets[:n+1]
	} else {
		b.data = b.data[:n*b.phys.Width()]
	}
	if b.valid != nil {
		for i := n; i < b.n && i < len(b.valid)*8; i++ {
			SetValid(b.valid, i)
		}
	}
	b.n = n
}

// Finish returns the column and starts a new one of the same type.
func (b *Builder) Finish() Vec {
	v := Vec{Type: b.typ, Len: b.n, Data: b.data, Offsets: b.offsets, Valid: b.valid}
	if v.Valid != nil {
		for len(v.Valid) < BitmapBytes(v.Len) {
			v.Valid = append(v.Valid, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff)
		}
	}
	b.Reset(b.typ, 0)
	return v
}

// BatchBuilder makes a Batch row by row.
type BatchBuilder struct {
	Cols []Builder
}

// NewBatchBuilder returns a builder for rows of the given types.
func NewBatchBuilder(types []Type, rows int) *BatchBuilder {
	b := &BatchBuilder{Cols: make([]Builder, len(types))}
	for i, t := range types {
		b.Cols[i].Reset(t, rows)
	}
	return b
}

// Finish returns the rows, all of weight +1, and starts anew. Every column must have rows values.
func (b *BatchBuilder) Finish(rows int) *Batch {
	out := &Batch{Cols: make([]Vec, len(b.Cols)), Len: rows}
	for i := range b.Cols {
		out.Cols[i] = b.Cols[i].Finish()
	}
	return out
}
