package scalar

import (
	"math"

	"github.com/tidemill/tidemill/internal/row"
)

// roundFloat is round(x) and round(x, digits) of floats.
func roundFloat(s *site) (native, bool) {
	switch {
	case s.is(row.Float64):
		return cheap(map1(func(x float64) float64 { return math.Round(x) }))
	case s.is(row.Float32):
		return cheap(map1(func(x float32) float32 { return float32(math.Round(float64(x))) }))
	case s.is(row.Float64, row.Int32) && s.konst[1] != nil && !s.konst[1].Null:
		digits := int32(s.konst[1].I)
		modifier := roundModifier(digits)
		return cheap(map1(func(x float64) float64 { return roundBy(x, digits, modifier) }).keepFirst())
	case s.is(row.Float64, row.Int32):
		return cheap(map2(roundDigits[float64]))
	case s.is(row.Float32, row.Int32):
		return cheap(map2(roundDigits[float32]))
	}
	return native{}, false
}

// roundDigits rounds half away from zero in the way DuckDB does it, through multiplication by a power of ten.
func roundDigits[T float](x T, digits int32) T { return roundBy(x, digits, roundModifier(digits)) }

// roundModifier is the power of ten that brings the last digit to keep before the point, or behind it.
func roundModifier(digits int32) float64 { return math.Pow(10, math.Abs(float64(digits))) }

func roundBy[T float](x T, digits int32, modifier float64) T {
	if digits < 0 {
		r := math.Round(float64(x)/modifier) * modifier
		if math.IsInf(r, 0) || math.IsNaN(r) {
			return 0
		}
		return T(r)
	}
	r := math.Round(float64(x)*modifier) / modifier
	if math.IsInf(r, 0) || math.IsNaN(r) {
		return x
	}
	return T(r)
}

// roundInteger is round(x) and round(x, digits) of integers; like DuckDB's it wraps around at the ends of a type.
func roundInteger(s *site) (native, bool) {
	if integerKind := len(s.args) > 0 && s.args[0].IsInteger() && s.args[0] == s.typ; !integerKind {
		return native{}, false
	}
	if len(s.args) == 1 {
		return cheap(identity)
	}
	if s.kind(1) != row.Int32 {
		return native{}, false
	}
	switch s.kind(0) {
	case row.Int8:
		return cheap(map2(roundInt[int8]))
	case row.Int16:
		return cheap(map2(roundInt[int16]))
	case row.Int32:
		return cheap(map2(roundInt[int32]))
	case row.Int64:
		return cheap(map2(roundInt[int64]))
	}
	return native{}, false
}

func roundInt[T int8 | int16 | int32 | int64](x T, digits int32) T {
	switch {
	case digits >= 0:
		return x
	case digits <= -19:
		return 0
	}
	power := pow10[-digits]
	half := power / 2
	if x < 0 {
		half = -half
	}
	return T((int64(x) + half) / power * power)
}

type roundMode uint8

const (
	roundHalf roundMode = iota
	roundUp
	roundDown
	roundToZero
)

// decimalRound takes decimals to the scale of the result, or, with a negative constant number of digits, further.
func decimalRound(mode roundMode) builder {
	return func(s *site) (native, bool) {
		if len(s.args) == 0 || s.kind(0) != row.Decimal || s.typ.Kind != row.Decimal || s.args[0].Phys() != s.typ.Phys() {
			return native{}, false
		}
		from, to, zeros := s.args[0].Scale, s.typ.Scale, 0
		if len(s.args) == 2 {
			if mode != roundHalf && mode != roundToZero || s.konst[1] == nil || s.konst[1].Null || s.kind(1) != row.Int32 {
				return native{}, false
			}
			zeros = int(max(-s.konst[1].I, 0))
		}
		if to > from || len(s.args) > 2 {
			return native{}, false
		}
		drop := int(from-to) + zeros
		if s.typ.Phys() != row.PhysInt64 {
			return roundLarge(mode, drop, zeros)
		}
		if drop >= len(pow10) || zeros > 0 && zeros >= int(s.args[0].Width-from) {
			// DuckDB answers 0 without looking, also for a null.
			zero := func(b *block, _ []*vec, out *vec) { fill(results[int64](out, b.n), 0) }
			return native{run: zero, nullable: true, cheap: true}, true
		}
		power, back := pow10[drop], pow10[zeros]
		return cheap(map1(func(x int64) int64 { return roundTo(mode, x, power) * back }))
	}
}

// roundLarge is decimalRound in 128 bits, for what stays behind the point.
func roundLarge(mode roundMode, drop, zeros int) (native, bool) {
	if zeros > 0 || drop > 38 {
		return native{}, false
	}
	power, one := row.Pow10(uint8(drop)), row.Int128Value{Lo: 1}
	return cheap(map1(func(x row.Int128Value) row.Int128Value {
		if mode == roundHalf {
			return x.ScaleDown(uint8(drop))
		}
		q, _ := x.Div(power)
		r, _ := x.Mod(power)
		switch sign := r.Sign(); {
		case mode == roundUp && sign > 0:
			q, _ = q.Add(one)
		case mode == roundDown && sign < 0:
			q, _ = q.Sub(one)
		}
		return q
	}))
}

func roundTo(mode roundMode, x, power int64) int64 {
	q, r := x/power, x%power
	switch mode {
	case roundHalf:
		if r >= power-r {
			return q + int64(b2u(power > 1))
		}
		if -r >= power+r {
			return q - int64(b2u(power > 1))
		}
	case roundUp:
		return q + int64(b2u(r > 0))
	case roundDown:
		return q - int64(b2u(r < 0))
	}
	return q
}
