package state

import (
	"math"

	"github.com/tidemill/tidemill/internal/row"
)

// Cover makes ids below n usable with Overwrite and the readers, for columns that stand beside those of another Rows and use its ids.
func (r *Rows) Cover(n uint32) {
	if n <= r.next {
		return
	}
	r.next = n
	for c := range r.cols {
		r.cols[c].grow(n)
	}
}

// Overwrite replaces the value of column c of a row by value i of v.
func (r *Rows) Overwrite(c int, id uint32, v *row.Vec, i int) {
	if col := &r.cols[c]; col.phys == row.PhysBytes {
		r.heap.Free(col.text.At(id))
	}
	r.put(c, id, v, i)
}

// EqualAt reports whether the value of column c of a row equals value i of v; nulls are equal.
func (r *Rows) EqualAt(c int, id uint32, v *row.Vec, i int) bool { return r.equalAt(c, id, v, i) }

// Null reports whether the value of column c of a row is null.
func (r *Rows) Null(c int, id uint32) bool {
	col := &r.cols[c]
	return col.some && *col.nulls.Peek(id)
}

// Int returns the value of column c of a row, of a type of at most 8 bytes that is no float; it must not be null.
func (r *Rows) Int(c int, id uint32) int64 {
	col := &r.cols[c]
	switch col.phys {
	case row.PhysBool, row.PhysUint8:
		return int64(*col.w1.Peek(id))
	case row.PhysInt8:
		return int64(int8(*col.w1.Peek(id)))
	case row.PhysInt16:
		return int64(int16(*col.w2.Peek(id)))
	case row.PhysUint16:
		return int64(*col.w2.Peek(id))
	case row.PhysInt32:
		return int64(int32(*col.w4.Peek(id)))
	case row.PhysUint32:
		return int64(*col.w4.Peek(id))
	default:
		return int64(*col.w8.Peek(id))
	}
}

// Float returns the value of column c of a row, a FLOAT or DOUBLE; it must not be null.
func (r *Rows) Float(c int, id uint32) float64 {
	col := &r.cols[c]
	if col.phys == row.PhysFloat32 {
		return float64(math.Float32frombits(*col.w4.Peek(id)))
	}
	return math.Float64frombits(*col.w8.Peek(id))
}

// Int128 returns the value of column c of a row, of an integer type; it must not be null.
func (r *Rows) Int128(c int, id uint32) row.Int128Value {
	col := &r.cols[c]
	switch col.phys {
	case row.PhysInt128:
		return *col.w16.Peek(id)
	case row.PhysUint64:
		return row.Int128Value{Lo: *col.w8.Peek(id)}
	}
	x := r.Int(c, id)
	return row.Int128Value{Lo: uint64(x), Hi: x >> 63}
}

// AppendTo appends the value of column c of a row to a builder of its type; None appends null.
func (r *Rows) AppendTo(b *row.Builder, c int, id uint32) {
	if id == None || r.Null(c, id) {
		b.AppendNull()
		return
	}
	col := &r.cols[c]
	switch col.phys {
	case row.PhysFloat32, row.PhysFloat64:
		b.AppendFloat(r.Float(c, id))
	case row.PhysInt128:
		b.AppendInt128(*col.w16.Peek(id))
	case row.PhysInterval, row.PhysUUID:
		v := r.Gather(c, []uint32{id})
		b.AppendFrom(&v, 0)
	case row.PhysBytes:
		b.AppendBytes(r.heap.Get(col.text.Peek(id)))
	case row.PhysBool:
		b.AppendBool(*col.w1.Peek(id) != 0)
	default:
		b.AppendInt(r.Int(c, id))
	}
}

// Order maps a value of column c of a row, not null and of at most 8 bytes, to an integer of the same order.
func (r *Rows) Order(c int, id uint32) uint64 {
	const top = 1 << 63
	switch col := &r.cols[c]; col.phys {
	case row.PhysFloat32, row.PhysFloat64:
		return floatBits(r.Float(c, id))
	case row.PhysUint64:
		return *col.w8.Peek(id)
	default:
		return uint64(r.Int(c, id)) ^ top
	}
}
