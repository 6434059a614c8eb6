package row

import (
	"fmt"
	"math"
)

// CastVec converts a column to another type with DuckDB's casts. Values that do not fit become null and are reported in order of rows. A pair of types without a cast
// gives a column of nulls and one error with row -1.
func CastVec(v *Vec, to Type) (Vec, []RowError) {
	from := v.Type
	switch {
	case from == to:
		return *v, nil
	case from.Phys() == PhysBytes && to.Kind == String && from.Kind != Blob && !from.Nested(), to.Kind == Other && from.Kind == String:
		out := *v
		out.Type = to
		return out, nil
	case to.Kind == String:
		return formatVec(v), nil
	case from.Nested() && to.Nested():
		return castNested(v, to)
	case from.Kind == String || (from.Kind == JSON || from.Kind == Other) && to.Kind != Blob:
		return parseVec(v, to)
	case isNumber(from) && isNumber(to):
		return castNumbers(v, to)
	}
	if out, bad, ok := castTimes(v, to); ok {
		return out, bad
	}
	return NullVec(to, v.Len), []RowError{{Row: -1, Message: fmt.Sprintf("Unimplemented type for cast (%s -> %s)", from, to)}}
}

func isNumber(t Type) bool { return t.IsNumeric() || t.Kind == Bool }

func formatVec(v *Vec) Vec {
	b := NewBuilder(T(String), v.Len)
	var text []byte
	for i := range v.Len {
		if v.Null(i) {
			b.AppendNull()
			continue
		}
		text = AppendText(text[:0], v, i)
		b.AppendBytes(text)
	}
	return b.Finish()
}

func parseVec(v *Vec, to Type) (Vec, []RowError) {
	b := NewBuilder(to, v.Len)
	var bad []RowError
	for i := range v.Len {
		if v.Null(i) {
			b.AppendNull()
		} else if err := b.AppendParsed(v.Bytes(i)); err != nil {
			b.AppendNull()
			bad = append(bad, RowError{Row: i, Message: err.Error()})
		}
	}
	return b.Finish(), bad
}

func castNumbers(v *Vec, to Type) (Vec, []RowError) {
	b := NewBuilder(to, v.Len)
	var bad []RowError
	for i := range v.Len {
		switch {
		case v.Null(i):
			b.AppendNull()
		case !castNumber(b, v, i):
			b.AppendNull()
			bad = append(bad, RowError{Row: i, Message: outOfRange(v, i, to)})
		}
	}
	return b.Finish(), bad
}

func outOfRange(v *Vec, i int, to Type) string {
	text := AppendText(nil, v, i)
	if to.Kind == Decimal {
		return fmt.Sprintf("Could not cast value %s to %s", text, to)
	}
	return fmt.Sprintf("Type %s with value %s can't be cast because the value is out of range for the destination type %s",
		errTypeNames[v.Type.Phys()], text, errTypeNames[to.Phys()])
}

// castNumber appends number i of v, converted; false means that it does not fit and that nothing has been appended.
func castNumber(b *Builder, v *Vec, i int) bool {
	switch {
	case v.Type.Kind == Float32:
		return b.castFloat(float64(Values[float32](v)[i]), Float32)
	case v.Type.Kind == Float64:
		return b.castFloat(Values[float64](v)[i], Float64)
	}
	x, wide := v.int128(i), v.Type.Phys() == PhysInt128
	scale := uint8(0)
	if v.Type.Kind == Decimal {
		scale = v.Type.Scale
	}
	switch b.typ.Kind {
	case Bool:
		b.AppendBool(x.Sign() != 0)
		return true
	case Float32:
		b.AppendFloat(float64(decimalFloat[float32](x, scale, 1<<24, wide)))
		return true
	case Float64:
		b.AppendFloat(decimalFloat[float64](x, scale, 1<<53, wide))
		return true
	case Decimal:
		return b.castScaled(x, scale)
	}
	return b.castInt(x.ScaleDown(scale))
}

// decimalFloat divides as DuckDB does, in the arithmetic of the result: in one step if the mantissa holds x, else the integer part and the
// fraction apart. wide says that x comes from a column of 128-bit values.
func decimalFloat[T float32 | float64](x Int128Value, scale uint8, mantissa uint64, wide bool) T {
	toFloat := func(x Int128Value) T { return T(x.Float64()) }
	if !wide {
		toFloat = narrowFloat[T]
	}
	if scale == 0 {
		return toFloat(x)
	}
	power := T(pow10Table[scale].Float64())
	if m := x.magnitude(); m.hi == 0 && m.lo <= mantissa {
		return toFloat(x) / power
	}
	whole, _ := x.Div(pow10Table[scale])
	rest, _ := x.Mod(pow10Table[scale])
	return toFloat(whole) + toFloat(rest)/power
}

// narrowFloat converts an integer of 64 bits, signed or not.
func narrowFloat[T float32 | float64](x Int128Value) T {
	if x.Hi == 0 {
		return T(x.Lo)
	}
	return T(int64(x.Lo))
}

// int128 returns value i of a column of integers, decimals or booleans.
func (v *Vec) int128(i int) Int128Value {
	switch v.Type.Phys() {
	case PhysInt128:
		return Values[Int128Value](v)[i]
	case PhysUint64:
		return Int128FromUint64(Values[uint64](v)[i])
	}
	return Int128FromInt64(v.int(i))
}

func (b *Builder) castInt(x Int128Value) bool {
	if b.phys == PhysInt128 {
		b.AppendInt128(x)
		return true
	}
	r := intRanges[b.phys]
	if x.Compare(Int128FromInt64(r.min)) < 0 || x.Compare(Int128FromUint64(r.max)) > 0 {
		return false
	}
	b.AppendInt(int64(x.Lo))
	return true
}

func (b *Builder) castScaled(x Int128Value, scale uint8) bool {
	ok := true
	if to := b.typ.Scale; to >= scale {
		x, ok = x.ScaleUp(to - scale)
	} else {
		x = x.ScaleDown(scale - to)
	}
	if !ok || !x.magnitude().less(pow10Table[b.typ.Width].magnitude()) {
		return false
	}
	if b.phys == PhysInt128 {
		b.AppendInt128(x)
	} else {
		b.AppendInt(int64(x.Lo))
	}
	return true
}

func (b *Builder) castFloat(f float64, from Kind) bool {
	switch b.typ.Kind {
	case Bool:
		b.AppendBool(f != 0)
		return true
	case Float64:
		b.AppendFloat(f)
		return true
	case Float32:
		if math.IsInf(float64(float32(f)), 0) && !math.IsInf(f, 0) {
			return false
		}
		b.AppendFloat(f)
		return true
	case Decimal:
		return b.castScaledFloat(f, from)
	case Int128:
		x, ok := Int128FromFloat64(math.RoundToEven(f))
		if ok = ok && x != MinInt128; ok {
			b.AppendInt128(x)
		}
		return ok
	}
	if r := intRanges[b.phys]; f < float64(r.min) {
		return false // even if rounding would bring it into range
	}
	x, ok := Int128FromFloat64(math.RoundToEven(f))
	return ok && b.castInt(x)
}

// castScaledFloat rounds half away from zero; a FLOAT is rounded once more to its own precision.
func (b *Builder) castScaledFloat(f float64, from Kind) bool {
	f = math.Round(f * pow10Table[b.typ.Scale].Float64())
	if from == Float32 {
		f = float64(float32(f))
	}
	x, ok := Int128FromFloat64(f)
	return ok && math.Abs(f) < pow10Table[b.typ.Width].Float64() && b.castScaled(x, b.typ.Scale)
}

// castTimes converts between dates and timestamps; ok is false for other types.
func castTimes(v *Vec, to Type) (out Vec, bad []RowError, ok bool) {
	var convert func(int64) (int64, bool)
	switch from := v.Type.Kind; {
	case from == Timestamp && to.Kind == TimestampTZ, from == TimestampTZ && to.Kind == Timestamp:
		out = *v
		out.Type = to
		return out, nil, true
	case from == Date && (to.Kind == Timestamp || to.Kind == TimestampTZ):
		convert = func(days int64) (int64, bool) {
			switch int32(days) {
			case DateInfinity:
				return TimestampInfinity, true
			case DateNegInfinity:
				return TimestampNegInfinity, true
			}
			micros, fault := joinTimestamp(int32(days), 0)
			return micros, fault == timeOK
		}
	case (from == Timestamp || from == TimestampTZ) && to.Kind == Date:
		convert = func(micros int64) (int64, bool) {
			switch micros {
			case TimestampInfinity:
				return int64(DateInfinity), true
			case TimestampNegInfinity:
				return int64(DateNegInfinity), true
			}
			day, _ := splitTimestamp(micros)
			return int64(day), true
		}
	case (from == Timestamp || from == TimestampTZ) && to.Kind == Time:
		convert = func(micros int64) (int64, bool) {
			_, inDay := splitTimestamp(micros)
			return inDay, finite(micros)
		}
	default:
		return Vec{}, nil, false
	}
	b := NewBuilder(to, v.Len)
	for i := range v.Len {
		if v.Null(i) {
			b.AppendNull()
			continue
		}
		if x, fits := convert(v.int(i)); fits {
			b.AppendInt(x)
			continue
		}
		b.AppendNull()
		bad = append(bad, RowError{Row: i, Message: fmt.Sprintf("%s is out of range for %s", AppendText(nil, v, i), to)})
	}
	return b.Finish(), bad, true
}
