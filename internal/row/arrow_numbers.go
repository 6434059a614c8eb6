package row

import (
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
)

// readDecimals returns a column of the decimal type itself, or of HUGEINT if that is wanted and there are no digits behind the point.
func (s *arrowSource) readDecimals(dt arrow.DecimalType, to Type) (Vec, []RowError, error) {
	t, ok := typeFromArrow(dt)
	if !ok {
		return Vec{}, nil, fmt.Errorf("unsupported Arrow type %s", dt)
	}
	if dt.ID() == arrow.DECIMAL128 && to.Kind == Int128 && t.Scale == 0 {
		b, err := s.fixed(16, 8)
		return Vec{Type: to, Len: s.len, Data: b, Valid: s.valid}, nil, err
	}
	var wide []Int128Value
	switch dt.ID() {
	case arrow.DECIMAL32:
		small, err := fixedValues[int32](s)
		if err != nil {
			return Vec{}, nil, err
		}
		wide = widen(small)
	case arrow.DECIMAL64:
		small, err := fixedValues[int64](s)
		if err != nil {
			return Vec{}, nil, err
		}
		wide = widen(small)
	default:
		var err error
		if wide, err = fixedValues[Int128Value](s); err != nil {
			return Vec{}, nil, err
		}
	}
	v, bad := limitDecimals(wide, s.valid, t)
	return v, bad, nil
}

// narrowDecimals fills v, of up to 18 digits, with values that have been checked when they were written, or an error if they do not even fit 64 bits.
func narrowDecimals(wide []Int128Value, v *Vec) error {
	narrow := make([]int64, len(wide))
	for i, x := range wide {
		var ok bool
		if narrow[i], ok = x.Int64(); !ok && !v.Null(i) {
			return fmt.Errorf("%s in a column of %s", x, v.Type)
		}
	}
	*v = FromValues(v.Type, narrow, v.Valid)
	return nil
}

func widen[T int32 | int64](small []T) []Int128Value {
	wide := make([]Int128Value, len(small))
	for i, x := range small {
		wide[i] = Int128FromInt64(int64(x))
	}
	return wide
}

// limitDecimals makes a column of values that have no more digits than their type allows.
func limitDecimals(wide []Int128Value, valid []byte, t Type) (Vec, []RowError) {
	v := FromValues(t, wide, valid)
	limit := pow10Table[t.Width].magnitude()
	var bad []RowError
	for i := range wide {
		if wide[i].magnitude().less(limit) || v.Null(i) {
			continue
		}
		v.Valid = ownBitmap(v.Valid, v.Len, len(bad) == 0)
		SetNull(v.Valid, i)
		bad = append(bad, RowError{Row: i, Message: fmt.Sprintf("%s has more digits than %s", wide[i], t)})
	}
	if t.Phys() == PhysInt64 {
		narrow := make([]int64, len(wide))
		for i := range wide {
			narrow[i] = int64(wide[i].Lo)
		}
		return FromValues(t, narrow, v.Valid), bad
	}
	return v, bad
}

// readTimes converts dates and times of any unit to days or microseconds.
func (s *arrowSource) readTimes(dt arrow.DataType) (Vec, []RowError, error) {
	t, _ := typeFromArrow(dt)
	switch dt := dt.(type) {
	case *arrow.Date32Type:
		b, err := s.fixed(4, 4)
		return Vec{Type: t, Len: s.len, Data: b, Valid: s.valid}, nil, err
	case *arrow.Date64Type:
		millis, err := fixedValues[int64](s)
		if err != nil {
			return Vec{}, nil, err
		}
		v, bad := rescaleTimes(millis, s.valid, t, 1, microsPerDay/1000)
		return v, bad, nil
	case *arrow.Time32Type:
		small, err := fixedValues[int32](s)
		if err != nil {
			return Vec{}, nil, err
		}
		wide := make([]int64, len(small))
		for i, x := range small {
			wide[i] = int64(x)
		}
		mul, div := unitScale(dt.Unit)
		v, bad := rescaleTimes(wide, s.valid, t, mul, div)
		return v, bad, nil
	default:
		unit := arrow.Microsecond
		if u, is := dt.(arrow.TemporalWithUnit); is {
			unit = u.TimeUnit()
		}
		values, err := fixedValues[int64](s)
		if err != nil {
			return Vec{}, nil, err
		}
		if unit == arrow.Microsecond && (s.trusted || t.Kind != Time) {
			return FromValues(t, values, s.valid), nil, nil
		}
		mul, div := unitScale(unit)
		v, bad := rescaleTimes(values, s.valid, t, mul, div)
		return v, bad, nil
	}
}

// unitScale returns what to multiply with and to divide by to get microseconds.
func unitScale(u arrow.TimeUnit) (mul, div int64) {
	switch u {
	case arrow.Second:
		return 1_000_000, 1
	case arrow.Millisecond:
		return 1000, 1
	case arrow.Nanosecond:
		return 1, 1000
	}
	return 1, 1
}

func rescaleTimes(values []int64, valid []byte, t Type, mul, div int64) (Vec, []RowError) {
	b := NewBuilder(t, len(values))
	src := Vec{Len: len(values), Valid: valid}
	var bad []RowError
	for i, x := range values {
		if src.Null(i) {
			b.AppendNull()
			continue
		}
		y := x * mul
		fits := y/mul == x
		if y%div < 0 && t.Kind != Time {
			y -= div // toward the past
		}
		y /= div
		switch t.Kind {
		case Time:
			fits = fits && y >= 0 && y <= microsPerDay
		case Date:
			fits = fits && int64(int32(y)) == y
		}
		if !fits {
			b.AppendNull()
			bad = append(bad, RowError{Row: i, Message: fmt.Sprintf("%d is out of range for %s", x, t)})
			continue
		}
		b.AppendInt(y)
	}
	return b.Finish(), bad
}

func (s *arrowSource) readIntervals(dt arrow.DataType) (Vec, []RowError, error) {
	out := make([]IntervalValue, s.len)
	switch dt := dt.(type) {
	case *arrow.MonthIntervalType:
		months, err := fixedValues[int32](s)
		if err != nil {
			return Vec{}, nil, err
		}
		for i, m := range months {
			out[i].Months = m
		}
	case *arrow.DayTimeIntervalType:
		pairs, err := fixedValues[arrow.DayTimeInterval](s)
		if err != nil {
			return Vec{}, nil, err
		}
		for i, p := range pairs {
			out[i] = IntervalValue{Days: p.Days, Micros: int64(p.Milliseconds) * 1000}
		}
	case *arrow.DurationType:
		values, err := fixedValues[int64](s)
		if err != nil {
			return Vec{}, nil, err
		}
		mul, div := unitScale(dt.Unit)
		v, bad := rescaleTimes(values, s.valid, T(Timestamp), mul, div)
		for i, x := range Values[int64](&v) {
			out[i].Micros = x
		}
		return FromValues(T(Interval), out, v.Valid), bad, nil
	default:
		values, err := fixedValues[IntervalValue](s)
		if err != nil {
			return Vec{}, nil, err
		}
		return fromNanos(values, s.valid), nil, nil
	}
	return FromValues(T(Interval), out, s.valid), nil, nil
}

func fromNanos(values []IntervalValue, valid []byte) Vec {
	out := make([]IntervalValue, len(values))
	for i, x := range values {
		x.Micros /= 1000
		out[i] = x
	}
	return FromValues(T(Interval), out, valid)
}
