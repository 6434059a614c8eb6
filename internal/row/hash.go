package row

import (
	"bytes"
	"cmp"
	"math"
	"math/bits"

	"github.com/cespare/xxhash/v2"
)

const (
	nullHash = 0x9e3779b97f4a7c15
	mixA     = 0xff51afd7ed558ccd
	mixB     = 0xc4ceb9fe1a85ec53
)

// mix64 is the finalizer of MurmurHash3 (Austin Appleby, public domain).
func mix64(x uint64) uint64 {
	x ^= x >> 33
	x *= mixA
	x ^= x >> 33
	x *= mixB
	return x ^ x>>33
}

func combine(h, x uint64) uint64 { return mix64(bits.RotateLeft64(h, 23) ^ x) }

// Hash sets out[i] to a hash of row i of the columns, for i below len(out). Equal rows have equal hashes, also across processes
// and versions: partitions and stored state depend on it. Columns compared with each other must have the same type.
func Hash(cols []Vec, out []uint64) {
	for i := range out {
		out[i] = 0
	}
	for c := range cols {
		hashColumn(&cols[c], out)
	}
}

func hashColumn(v *Vec, out []uint64) {
	switch v.Type.Phys() {
	case PhysBool, PhysUint8:
		hashInts[uint8](v, out)
	case PhysInt8:
		hashInts[int8](v, out)
	case PhysInt16:
		hashInts[int16](v, out)
	case PhysUint16:
		hashInts[uint16](v, out)
	case PhysInt32:
		hashInts[int32](v, out)
	case PhysUint32:
		hashInts[uint32](v, out)
	case PhysInt64:
		hashInts[int64](v, out)
	case PhysUint64:
		hashInts[uint64](v, out)
	default:
		hashWide(v, out)
	}
}

type integer interface {
	int8 | int16 | int32 | int64 | uint8 | uint16 | uint32 | uint64
}

func hashInts[T integer](v *Vec, out []uint64) {
	vals := unsafeInts[T](v)[:len(out)]
	if v.Valid == nil {
		for i, x := range vals {
			out[i] = combine(out[i], uint64(int64(x)))
		}
		return
	}
	for i, x := range vals {
		h := uint64(int64(x))
		if v.Null(i) {
			h = nullHash
		}
		out[i] = combine(out[i], h)
	}
}

func unsafeInts[T integer](v *Vec) []T { return Values[T](v) }

func hashWide(v *Vec, out []uint64) {
	if v.Type.Phys() == PhysBytes && v.Valid == nil {
		for i := range out {
			out[i] = combine(out[i], xxhash.Sum64(v.Bytes(i)))
		}
		return
	}
	for i := range out {
		h := uint64(nullHash)
		if !v.Null(i) {
			h = v.wideHash(i)
		}
		out[i] = combine(out[i], h)
	}
}

func (v *Vec) wideHash(i int) uint64 {
	switch v.Type.Phys() {
	case PhysFloat32:
		return hashFloat(float64(Values[float32](v)[i]))
	case PhysFloat64:
		return hashFloat(Values[float64](v)[i])
	case PhysInt128:
		x := Values[Int128Value](v)[i]
		return combine(x.Lo, uint64(x.Hi))
	case PhysInterval:
		m, d, us := Values[IntervalValue](v)[i].normalized()
		return combine(combine(uint64(m), uint64(d)), uint64(us))
	case PhysUUID:
		u := Values[UUIDValue](v)[i]
		return xxhash.Sum64(u[:])
	default:
		return xxhash.Sum64(v.Bytes(i))
	}
}

func hashFloat(f float64) uint64 {
	switch {
	case f == 0:
		f = 0 // -0.0 equals 0.0
	case f != f:
		f = math.NaN()
	}
	return math.Float64bits(f)
}

// normalized carries microseconds into days and days into months as DuckDB does to compare intervals.
func (iv IntervalValue) normalized() (months, days, micros int64) {
	const dayMicros, monthDays = 86_400_000_000, 30
	micros = iv.Micros
	days = int64(iv.Days) + micros/dayMicros
	micros %= dayMicros
	months = int64(iv.Months) + days/monthDays
	days %= monthDays
	return months, days, micros
}

// Equal reports whether value i of a equals value j of b, which have the same type; nulls are equal.
func Equal(a *Vec, i int, b *Vec, j int) bool {
	if an, bn := a.Null(i), b.Null(j); an || bn {
		return an && bn
	}
	switch a.Type.Phys() {
	case PhysBool, PhysInt8, PhysUint8:
		return a.Data[i] == b.Data[j]
	case PhysInt16, PhysUint16:
		return Values[uint16](a)[i] == Values[uint16](b)[j]
	case PhysInt32, PhysUint32:
		return Values[uint32](a)[i] == Values[uint32](b)[j]
	case PhysInt64, PhysUint64:
		return Values[uint64](a)[i] == Values[uint64](b)[j]
	case PhysInt128:
		return Values[Int128Value](a)[i] == Values[Int128Value](b)[j]
	case PhysUUID:
		return Values[UUIDValue](a)[i] == Values[UUIDValue](b)[j]
	case PhysBytes:
		return a.Str(i) == b.Str(j)
	default:
		return Compare(a, i, b, j) == 0
	}
}

// EqualRows reports whether row i of a equals row j of b in all columns.
func EqualRows(a []Vec, i int, b []Vec, j int) bool {
	for c := range a {
		if !Equal(&a[c], i, &b[c], j) {
			return false
		}
	}
	return true
}

// Compare orders value i of a and value j of b, which have the same type: negative, 0 or positive. Nulls are
// equal and last.
func Compare(a *Vec, i int, b *Vec, j int) int {
	an, bn := a.Null(i), b.Null(j)
	if an || bn {
		return cmp.Compare(b2i(an), b2i(bn))
	}
	switch a.Type.Phys() {
	case PhysBool, PhysUint8:
		return cmp.Compare(a.Data[i], b.Data[j])
	case PhysInt8:
		return cmp.Compare(int8(a.Data[i]), int8(b.Data[j]))
	case PhysInt16:
		return cmp.Compare(Values[int16](a)[i], Values[int16](b)[j])
	case PhysUint16:
		return cmp.Compare(Values[uint16](a)[i], Values[uint16](b)[j])
	case PhysInt32:
		return cmp.Compare(Values[int32](a)[i], Values[int32](b)[j])
	case PhysUint32:
		return cmp.Compare(Values[uint32](a)[i], Values[uint32](b)[j])
	case PhysInt64:
		return cmp.Compare(Values[int64](a)[i], Values[int64](b)[j])
	case PhysUint64:
		return cmp.Compare(Values[uint64](a)[i], Values[uint64](b)[j])
	case PhysInt128:
		return Values[Int128Value](a)[i].Compare(Values[Int128Value](b)[j])
	case PhysFloat32:
		return CompareFloats(float64(Values[float32](a)[i]), float64(Values[float32](b)[j]))
	case PhysFloat64:
		return CompareFloats(Values[float64](a)[i], Values[float64](b)[j])
	case PhysInterval:
		return Values[IntervalValue](a)[i].Compare(Values[IntervalValue](b)[j])
	case PhysUUID:
		x, y := Values[UUIDValue](a)[i], Values[UUIDValue](b)[j]
		return bytes.Compare(x[:], y[:])
	default:
		return bytes.Compare(a.Bytes(i), b.Bytes(j))
	}
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

// Compare orders two 128-bit integers.
func (x Int128Value) Compare(y Int128Value) int {
	if c := cmp.Compare(x.Hi, y.Hi); c != 0 {
		return c
	}
	return cmp.Compare(x.Lo, y.Lo)
}

// Compare orders two intervals by their length with 30-day months and 24-hour days.
func (iv IntervalValue) Compare(o IntervalValue) int {
	am, ad, au := iv.normalized()
	bm, bd, bu := o.normalized()
	if c := cmp.Compare(am, bm); c != 0 {
		return c
	}
	if c := cmp.Compare(ad, bd); c != 0 {
		return c
	}
	return cmp.Compare(au, bu)
}

// CompareFloats orders floats with NaN equal to itself and above all others.
func CompareFloats(a, b float64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	case a == b:
		return 0
	}
	return cmp.Compare(b2i(a != a), b2i(b != b))
}
