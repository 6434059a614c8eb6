package dataflow

import "math"

// twoFloat is an unevaluated sum of two floats, about 106 bits of precision (Dekker, "A floating-point technique for extending the available
// precision", 1971). It is only for values far from overflow.
type twoFloat struct{ hi, lo float64 }

func twoSum(a, b float64) twoFloat {
	s := a + b
	t := s - a
	return twoFloat{s, (a - (s - t)) + (b - t)}
}

func (x twoFloat) plusFloat(y float64) twoFloat {
	s := twoSum(x.hi, y)
	return quickSum(s.hi, s.lo+x.lo)
}

// quickSum is twoSum where |a| ≥ |b|.
func quickSum(a, b float64) twoFloat {
	s := a + b
	return twoFloat{s, b - (s - a)}
}

func (x twoFloat) minus(y twoFloat) twoFloat {
	s, t := twoSum(x.hi, -y.hi), twoSum(x.lo, -y.lo)
	s = quickSum(s.hi, s.lo+t.hi)
	return quickSum(s.hi, s.lo+t.lo)
}

func (x twoFloat) times(y twoFloat) twoFloat {
	hi, lo := product(x.hi, y.hi)
	return quickSum(hi, lo+float64(x.hi*y.lo)+float64(x.lo*y.hi))
}

func (x twoFloat) timesFloat(y float64) twoFloat {
	hi, lo := product(x.hi, y)
	return quickSum(hi, lo+float64(x.lo*y))
}

// power is x to the power of n ≥ 0, for x of 0.5 to 1, and the power of two to multiply it with.
func power(x float64, n uint64) (twoFloat, int64) {
	out, base := twoFloat{1, 0}, twoFloat{x, 0}
	exp, baseExp := int64(0), int64(0)
	for ; n > 0; n >>= 1 {
		if n&1 != 0 {
			e := int64(0)
			out, e = out.times(base).normal()
			exp += e + baseExp
		}
		e := int64(0)
		base, e = base.times(base).normal()
		baseExp = 2*baseExp + e
	}
	return out, exp
}

// normal brings x between 0.5 and 1 and returns the power of two that was taken out.
func (x twoFloat) normal() (twoFloat, int64) {
	_, e := math.Frexp(x.hi)
	return twoFloat{math.Ldexp(x.hi, -e), math.Ldexp(x.lo, -e)}, int64(e)
}
