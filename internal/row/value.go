package row

// Value is a single value of a type, for parameters, keys and literals. Columns of values are Vecs.
type Value struct {
	Type Type
	Null bool
	// I holds integers, dates, times, a BOOLEAN (0 or 1), a small Decimal, and the low half of 128-bit values.
	I int64
	// H holds the high half of a 128-bit value.
	H int64
	// F holds a FLOAT or DOUBLE.
	F float64
	// S holds text, blobs, and a UUID's 16 bytes.
	S string
	// V holds an INTERVAL.
	V IntervalValue
}

// NullValue returns the null of a type.
func NullValue(t Type) Value { return Value{Type: t, Null: true} }

// StringValue returns a VARCHAR.
func StringValue(s string) Value { return Value{Type: T(String), S: s} }

// IntValue returns a value of an integer or date-time type.
func IntValue(t Type, i int64) Value { return Value{Type: t, I: i, H: i >> 63} }

// FloatValue returns a DOUBLE.
func FloatValue(f float64) Value { return Value{Type: T(Float64), F: f} }

// BoolValue returns a BOOLEAN.
func BoolValue(b bool) Value {
	v := Value{Type: T(Bool)}
	if b {
		v.I = 1
	}
	return v
}

// AppendValue appends v, which has the builder's type.
func (b *Builder) AppendValue(v Value) {
	if v.Null {
		b.AppendNull()
		return
	}
	switch b.phys {
	case PhysFloat32, PhysFloat64:
		b.AppendFloat(v.F)
	case PhysInt128:
		b.AppendInt128(Int128Value{Lo: uint64(v.I), Hi: v.H})
	case PhysInterval:
		b.AppendInterval(v.V)
	case PhysUUID:
		var u UUIDValue
		copy(u[:], v.S)
		b.AppendUUID(u)
	case PhysBytes:
		b.AppendString(v.S)
	default:
		b.AppendInt(v.I)
	}
}

// Value returns value i.
func (v *Vec) Value(i int) Value {
	out := Value{Type: v.Type}
	if v.Null(i) {
		out.Null = true
		return out
	}
	switch v.Type.Phys() {
	case PhysBool, PhysUint8:
		out.I = int64(v.Data[i])
	case PhysInt8:
		out.I = int64(int8(v.Data[i]))
	case PhysInt16:
		out.I = int64(Values[int16](v)[i])
	case PhysUint16:
		out.I = int64(Values[uint16](v)[i])
	case PhysInt32:
		out.I = int64(Values[int32](v)[i])
	case PhysUint32:
		out.I = int64(Values[uint32](v)[i])
	case PhysInt64, PhysUint64:
		out.I = Values[int64](v)[i]
	case PhysInt128:
		x := Values[Int128Value](v)[i]
		out.I, out.H = int64(x.Lo), x.Hi
	case PhysFloat32:
		out.F = float64(Values[float32](v)[i])
	case PhysFloat64:
		out.F = Values[float64](v)[i]
	case PhysInterval:
		out.V = Values[IntervalValue](v)[i]
	case PhysUUID:
		u := Values[UUIDValue](v)[i]
		out.S = string(u[:])
	default:
		out.S = string(v.Bytes(i))
	}
	return out
}

// Repeat returns a column of n times the value.
func (v Value) Repeat(n int) Vec {
	if v.Null {
		return NullVec(v.Type, n)
	}
	b := NewBuilder(v.Type, n)
	for range n {
		b.AppendValue(v)
	}
	return b.Finish()
}
