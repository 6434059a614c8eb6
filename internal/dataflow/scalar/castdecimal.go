package scalar

import (
	"fmt"
	"math"

	"github.com/tidemill/tidemill/internal/row"
)

// castToDecimal casts BOOLEAN, integers and floats to a decimal.
func castToDecimal(s *site) kernel {
	switch s.args[0].Kind {
	case row.Bool:
		return boolToDecimal(s.typ)
	case row.Int8:
		return intToDecimal(s, widen[int8])
	case row.Int16:
		return intToDecimal(s, widen[int16])
	case row.Int32:
		return intToDecimal(s, widen[int32])
	case row.Int64:
		return intToDecimal(s, widen[int64])
	case row.Uint8:
		return intToDecimal(s, widen[uint8])
	case row.Uint16:
		return intToDecimal(s, widen[uint16])
	case row.Uint32:
		return intToDecimal(s, widen[uint32])
	case row.Uint64:
		return intToDecimal(s, widen[uint64])
	case row.Int128:
		return intToDecimal(s, func(x row.Int128Value) row.Int128Value { return x })
	case row.Float32:
		return floatToDecimal[float32](s)
	case row.Float64:
		return floatToDecimal[float64](s)
	}
	return nil
}

// boolToDecimal writes true as 1, and where there is no digit for it as the smallest fraction, like DuckDB.
func boolToDecimal(t row.Type) kernel {
	one := row.Int128Value{Lo: 1}
	if t.Width > t.Scale {
		one = row.Pow10(t.Scale)
	}
	if t.Phys() == row.PhysInt64 {
		return map1(func(x uint8) int64 { return int64(one.Lo) * int64(x&1) })
	}
	return map1(func(x uint8) row.Int128Value {
		if x&1 == 0 {
			return row.Int128Value{}
		}
		return one
	})
}

func couldNotCast(t row.Type, x any) string {
	return fmt.Sprintf("Could not cast value %v to %s", x, t)
}

func intToDecimal[A row.Fixed](s *site, wide func(A) row.Int128Value) kernel {
	bad := refuse(s.try, func(x A) string { return couldNotCast(s.typ, x) })
	limit := row.Pow10(s.typ.Width - s.typ.Scale)
	if s.typ.Phys() == row.PhysInt64 {
		small, power := int64(limit.Lo), pow10[s.typ.Scale]
		return try1(func(x A) (int64, verdict) {
			v, ok := wide(x).Int64()
			if !ok || v >= small || v <= -small {
				return 0, bad(x)
			}
			return v * power, fine
		})
	}
	least, _ := limit.Neg()
	power := row.Pow10(s.typ.Scale)
	return try1(func(x A) (row.Int128Value, verdict) {
		v := wide(x)
		if v.Compare(limit) >= 0 || v.Compare(least) <= 0 {
			return v, bad(x)
		}
		v, _ = v.Mul(power)
		return v, fine
	})
}

func floatToDecimal[A float](s *site) kernel {
	bad := refuse(s.try, func(x A) string {
		if math.IsNaN(float64(x)) || math.IsInf(float64(x), 0) {
			return couldNotCast(s.typ, formatFloat(float64(x)))
		}
		return couldNotCast(s.typ, fmt.Sprintf("%f", x))
	})
	power, limit := math.Pow10(int(s.typ.Scale)), math.Pow10(int(s.typ.Width))
	if s.typ.Phys() == row.PhysInt64 {
		return try1(func(x A) (int64, verdict) {
			r := roundedScale(x, power)
			if !(r > -limit && r < limit) {
				return 0, bad(x)
			}
			return int64(r), fine
		})
	}
	return try1(func(x A) (row.Int128Value, verdict) {
		r := roundedScale(x, power)
		v, ok := row.Int128FromFloat64(r)
		if !ok || !(r > -limit && r < limit) {
			return v, bad(x)
		}
		return v, fine
	})
}

// roundedScale is x times a power of ten, rounded half away from zero.
func roundedScale[A float](x A, power float64) float64 {
	return float64(A(math.Round(float64(x) * power)))
}

// castFromDecimal casts decimals to numbers and to other decimals.
func castFromDecimal(s *site) kernel {
	if s.typ.Kind == row.Decimal {
		return decimalToDecimal(s)
	}
	small := s.args[0].Phys() == row.PhysInt64
	switch s.typ.Kind {
	case row.Bool:
		if small {
			return map1(func(x int64) uint8 { return b2u(x != 0) })
		}
		return map1(func(x row.Int128Value) uint8 { return b2u(x.Sign() != 0) })
	case row.Int8:
		return decimalToInt[int8](s)
	case row.Int16:
		return decimalToInt[int16](s)
	case row.Int32:
		return decimalToInt[int32](s)
	case row.Int64:
		return decimalToInt[int64](s)
	case row.Uint8:
		return decimalToInt[uint8](s)
	case row.Uint16:
		return decimalToInt[uint16](s)
	case row.Uint32:
		return decimalToInt[uint32](s)
	case row.Uint64:
		return decimalToInt[uint64](s)
	case row.Int128:
		scale := s.args[0].Scale
		if small {
			power := pow10[scale]
			return map1(func(x int64) row.Int128Value { return row.Int128FromInt64(roundTo(roundHalf, x, power)) })
		}
		return map1(func(x row.Int128Value) row.Int128Value { return x.ScaleDown(scale) })
	case row.Float32:
		return decimalToFloat[float32](s, 1<<24)
	case row.Float64:
		return decimalToFloat[float64](s, 1<<53)
	}
	return nil
}

func decimalToInt[B integer](s *site) kernel {
	bad := refuse(s.try, func(scaled row.Int128Value) string {
		return fmt.Sprintf("Failed to cast decimal value %v to type %s", scaled, physName(s.typ.Phys()))
	})
	scale := s.args[0].Scale
	if s.args[0].Phys() == row.PhysInt64 {
		power := pow10[scale]
		return try1(func(x int64) (B, verdict) {
			v := roundTo(roundHalf, x, power)
			r := B(v)
			if int64(r) != v || (r < 0) != (v < 0) {
				return 0, bad(row.Int128FromInt64(v))
			}
			return r, fine
		})
	}
	return try1(func(x row.Int128Value) (B, verdict) {
		v := x.ScaleDown(scale)
		r, ok := narrow[B](v)
		if !ok {
			return 0, bad(v)
		}
		return r, fine
	})
}

// decimalToFloat divides by the power of ten; numbers too large for the float's digits are taken apart at the point first.
func decimalToFloat[B float](s *site, exact int64) kernel {
	scale := s.args[0].Scale
	power := B(math.Pow10(int(scale)))
	if s.args[0].Phys() == row.PhysInt64 {
		whole := pow10[scale]
		return map1(func(x int64) B {
			if scale == 0 || x <= exact && x >= -exact {
				return B(x) / power
			}
			return B(x/whole) + B(B(x%whole)/power)
		})
	}
	toFloat := func(x row.Int128Value) B {
		if _, wide := any(B(0)).(float32); wide && x.Hi != -1 {
			return B(x.Lo) + B(B(x.Hi)*(1<<64))
		}
		return B(x.Float64())
	}
	whole, top := row.Pow10(scale), row.Int128FromInt64(exact)
	return map1(func(x row.Int128Value) B {
		neg, _ := x.Neg()
		if scale == 0 || x.Compare(top) <= 0 && neg.Compare(top) <= 0 {
			return toFloat(x) / power
		}
		q, _ := x.Div(whole)
		r, _ := x.Mod(whole)
		return toFloat(q) + B(toFloat(r)/power)
	})
}

func decimalToDecimal(s *site) kernel {
	from, to := s.args[0], s.typ
	if from.Phys() == row.PhysInt64 && to.Phys() == row.PhysInt64 {
		return smallToSmall(s)
	}
	bad := refuse(s.try, func(x row.Int128Value) string {
		return refusedDecimal(to, row.Value{Type: from, I: int64(x.Lo), H: x.Hi}.Text())
	})
	limit := row.Pow10(to.Width)
	least, _ := limit.Neg()
	rescale := func(x row.Int128Value) (row.Int128Value, verdict) {
		v, ok := x, true
		if to.Scale >= from.Scale {
			v, ok = x.ScaleUp(to.Scale - from.Scale)
		} else {
			v = x.ScaleDown(from.Scale - to.Scale)
		}
		if !ok || v.Compare(limit) >= 0 || v.Compare(least) <= 0 {
			return v, bad(x)
		}
		return v, fine
	}
	switch {
	case from.Phys() == row.PhysInt64:
		return try1(func(x int64) (row.Int128Value, verdict) { return rescale(row.Int128FromInt64(x)) })
	case to.Phys() == row.PhysInt64:
		return try1(func(x row.Int128Value) (int64, verdict) {
			v, says := rescale(x)
			return int64(v.Lo), says
		})
	}
	return try1(rescale)
}

func refusedDecimal(to row.Type, x string) string {
	return fmt.Sprintf("Casting value %q to type %s failed: value is out of range!", x, to)
}

func smallToSmall(s *site) kernel {
	from, to := s.args[0], s.typ
	bad := refuse(s.try, func(x int64) string { return refusedDecimal(to, row.IntValue(from, x).Text()) })
	if to.Scale >= from.Scale {
		power := pow10[to.Scale-from.Scale]
		if to.Width-to.Scale >= from.Width-from.Scale {
			return map1(func(x int64) int64 { return x * power })
		}
		limit := pow10[to.Width-(to.Scale-from.Scale)]
		return try1(func(x int64) (int64, verdict) {
			if x >= limit || x <= -limit {
				return 0, bad(x)
			}
			return x * power, fine
		})
	}
	power, limit := pow10[from.Scale-to.Scale], pow10[to.Width]
	return try1(func(x int64) (int64, verdict) {
		r := roundTo(roundHalf, x, power)
		if r >= limit || r <= -limit {
			return 0, bad(x)
		}
		return r, fine
	})
}
