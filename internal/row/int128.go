package row

import (
	"math"
	"math/bits"
	"strconv"
)

// MinInt128 and MaxInt128 are the bounds of a 128-bit integer. DuckDB's HUGEINT takes them all.
var (
	MinInt128 = Int128Value{Hi: math.MinInt64}
	MaxInt128 = Int128Value{Lo: math.MaxUint64, Hi: math.MaxInt64}
)

// maxPow10 is the largest power of ten in a 128-bit integer.
const maxPow10 = 38

var pow10Table = makePow10()

func makePow10() (t [maxPow10 + 1]Int128Value) {
	t[0].Lo = 1
	for i := 1; i < len(t); i++ {
		t[i], _ = t[i-1].Mul(Int128Value{Lo: 10})
	}
	return t
}

// Pow10 returns 10 to the power of n, which is at most 38.
func Pow10(n uint8) Int128Value { return pow10Table[n] }

// Int128FromInt64 widens v.
func Int128FromInt64(v int64) Int128Value { return Int128Value{Lo: uint64(v), Hi: v >> 63} }

// Int128FromUint64 widens v.
func Int128FromUint64(v uint64) Int128Value { return Int128Value{Lo: v} }

// Int128FromFloat64 drops the digits behind the point of f. ok is false for NaN and for what does not fit.
func Int128FromFloat64(f float64) (v Int128Value, ok bool) {
	const two64, two127 = 1 << 64, 1 << 127
	if !(f >= -two127 && f < two127) {
		return v, false
	}
	m := math.Abs(math.Trunc(f))
	hi := math.Floor(m / two64)
	v = Int128Value{Lo: uint64(m - hi*two64), Hi: int64(uint64(hi))}
	if f < 0 {
		v = v.negWrap()
	}
	return v, true
}

// Float64 converts as DuckDB's cast to DOUBLE does: the two halves are rounded one by one.
func (x Int128Value) Float64() float64 {
	if x.Hi == -1 {
		return -float64(math.MaxUint64-x.Lo) - 1
	}
	return float64(x.Lo) + float64(float64(x.Hi)*(1<<64))
}

// Int64 narrows x; ok is false when it does not fit.
func (x Int128Value) Int64() (v int64, ok bool) {
	v = int64(x.Lo)
	return v, x.Hi == v>>63
}

// Uint64 narrows x; ok is false when it does not fit.
func (x Int128Value) Uint64() (v uint64, ok bool) { return x.Lo, x.Hi == 0 }

// Sign is -1, 0 or +1.
func (x Int128Value) Sign() int {
	switch {
	case x.Hi < 0:
		return -1
	case x.Hi == 0 && x.Lo == 0:
		return 0
	}
	return 1
}

// Add returns x+y; ok is false on overflow, and then the sum is wrapped around.
func (x Int128Value) Add(y Int128Value) (sum Int128Value, ok bool) {
	lo, carry := bits.Add64(x.Lo, y.Lo, 0)
	hi, _ := bits.Add64(uint64(x.Hi), uint64(y.Hi), carry)
	sum = Int128Value{Lo: lo, Hi: int64(hi)}
	return sum, (x.Hi^sum.Hi)&(y.Hi^sum.Hi) >= 0
}

// Sub returns x-y; ok is false on overflow, and then the difference is wrapped around.
func (x Int128Value) Sub(y Int128Value) (diff Int128Value, ok bool) {
	lo, borrow := bits.Sub64(x.Lo, y.Lo, 0)
	hi, _ := bits.Sub64(uint64(x.Hi), uint64(y.Hi), borrow)
	diff = Int128Value{Lo: lo, Hi: int64(hi)}
	return diff, (x.Hi^y.Hi)&(x.Hi^diff.Hi) >= 0
}

// Neg returns -x; ok is false for the smallest integer.
func (x Int128Value) Neg() (neg Int128Value, ok bool) {
	return x.negWrap(), x != MinInt128
}

func (x Int128Value) negWrap() Int128Value {
	lo, borrow := bits.Sub64(0, x.Lo, 0)
	hi, _ := bits.Sub64(0, uint64(x.Hi), borrow)
	return Int128Value{Lo: lo, Hi: int64(hi)}
}

// Mul returns x*y; ok is false on overflow, and then the product is unspecified.
func (x Int128Value) Mul(y Int128Value) (product Int128Value, ok bool) {
	negative := (x.Hi ^ y.Hi) < 0
	a, b := x.magnitude(), y.magnitude()
	if a.hi != 0 && b.hi != 0 {
		return product, false
	}
	hi, lo := bits.Mul64(a.lo, b.lo)
	over1, cross1 := bits.Mul64(a.hi, b.lo)
	over2, cross2 := bits.Mul64(a.lo, b.hi)
	hi, carry := bits.Add64(hi, cross1|cross2, 0)
	return fromMagnitude(uint128{hi: hi, lo: lo}, negative, over1|over2|carry == 0)
}

// Div returns the quotient x/y rounded toward zero; ok is false when y is 0 and on overflow.
func (x Int128Value) Div(y Int128Value) (quo Int128Value, ok bool) {
	if y == (Int128Value{}) {
		return quo, false
	}
	q, _ := x.magnitude().quoRem(y.magnitude())
	return fromMagnitude(q, (x.Hi^y.Hi) < 0, true)
}

// Mod returns the remainder of x/y, which has the sign of x; ok is false when y is 0.
func (x Int128Value) Mod(y Int128Value) (rem Int128Value, ok bool) {
	if y == (Int128Value{}) {
		return rem, false
	}
	_, r := x.magnitude().quoRem(y.magnitude())
	return fromMagnitude(r, x.Hi < 0, true)
}

// ScaleUp returns x times 10 to the power of n; ok is false on overflow.
func (x Int128Value) ScaleUp(n uint8) (v Int128Value, ok bool) {
	if n > maxPow10 {
		return Int128Value{}, x == (Int128Value{})
	}
	return x.Mul(pow10Table[n])
}

// ScaleDown returns x divided by 10 to the power of n, rounded half away from zero.
func (x Int128Value) ScaleDown(n uint8) Int128Value {
	switch {
	case n == 0:
		return x
	case n > maxPow10:
		return Int128Value{} // |x| is below half of 10^39
	}
	p := pow10Table[n].magnitude()
	q, r := x.magnitude().quoRem(p)
	if half := (uint128{hi: p.hi >> 1, lo: p.hi<<63 | p.lo>>1}); !r.less(half) {
		q.lo++ // a quotient by 10 or more leaves room below 2^128
		if q.lo == 0 {
			q.hi++
		}
	}
	v, _ := fromMagnitude(q, x.Hi < 0, true)
	return v
}

// String returns x in decimal.
func (x Int128Value) String() string { return string(x.AppendTo(nil)) }

// AppendTo appends x in decimal.
func (x Int128Value) AppendTo(dst []byte) []byte {
	if v, ok := x.Int64(); ok {
		return strconv.AppendInt(dst, v, 10)
	}
	if x.Hi < 0 {
		dst = append(dst, '-')
	}
	return x.magnitude().appendTo(dst)
}

// ParseInt128 reads an optional sign and decimal digits, nothing else.
func ParseInt128(s string) (v Int128Value, ok bool) {
	digits := s
	if s != "" && (s[0] == '-' || s[0] == '+') {
		digits = s[1:]
	}
	if digits == "" {
		return v, false
	}
	var m uint128
	for _, c := range []byte(digits) {
		if c < '0' || c > '9' {
			return v, false
		}
		if m, ok = m.mulAdd(10, uint64(c-'0')); !ok {
			return v, false
		}
	}
	return fromMagnitude(m, s[0] == '-', true)
}

// uint128 is the magnitude of an Int128Value.
type uint128 struct{ hi, lo uint64 }

func (x Int128Value) magnitude() uint128 {
	if x.Hi < 0 {
		x = x.negWrap()
	}
	return uint128{hi: uint64(x.Hi), lo: x.Lo}
}

// fromMagnitude gives m its sign; ok is fits and that the result is in range.
func fromMagnitude(m uint128, negative, fits bool) (v Int128Value, ok bool) {
	v = Int128Value{Lo: m.lo, Hi: int64(m.hi)}
	if negative {
		v = v.negWrap()
		return v, fits && (v.Hi < 0 || m == uint128{})
	}
	return v, fits && v.Hi >= 0
}

func (m uint128) less(o uint128) bool { return m.hi < o.hi || m.hi == o.hi && m.lo < o.lo }

func (m uint128) mulAdd(f, a uint64) (uint128, bool) {
	hi, lo := bits.Mul64(m.lo, f)
	over, cross := bits.Mul64(m.hi, f)
	hi, c1 := bits.Add64(hi, cross, 0)
	lo, c2 := bits.Add64(lo, a, 0)
	hi, c3 := bits.Add64(hi, 0, c2)
	return uint128{hi: hi, lo: lo}, over|c1|c3 == 0
}

// quoRem divides by d, which is not 0.
func (m uint128) quoRem(d uint128) (q, r uint128) {
	if d.hi == 0 {
		hi, rem := bits.Div64(0, m.hi, d.lo)
		lo, rem := bits.Div64(rem, m.lo, d.lo)
		return uint128{hi: hi, lo: lo}, uint128{lo: rem}
	}
	// Hacker's Delight 9-5: the estimate from the upper halves is at most one too large; one less is at most one too small.
	n := uint(bits.LeadingZeros64(d.hi))
	top := d.hi<<n | d.lo>>1>>(63-n)
	est, _ := bits.Div64(m.hi>>1, m.hi<<63|m.lo>>1, top)
	est >>= 63 - n
	if est != 0 {
		est--
	}
	hi, lo := bits.Mul64(est, d.lo)
	lo, borrow := bits.Sub64(m.lo, lo, 0)
	hi, _ = bits.Sub64(m.hi, hi+est*d.hi, borrow)
	r = uint128{hi: hi, lo: lo}
	if !r.less(d) {
		est++
		r.lo, borrow = bits.Sub64(r.lo, d.lo, 0)
		r.hi, _ = bits.Sub64(r.hi, d.hi, borrow)
	}
	return uint128{lo: est}, r
}

func (m uint128) appendTo(dst []byte) []byte {
	const chunk = 1e19
	if m.hi == 0 {
		return strconv.AppendUint(dst, m.lo, 10)
	}
	q, r := m.quoRem(uint128{lo: chunk})
	dst = q.appendTo(dst)
	return appendPadded(dst, r.lo, 19)
}

// appendPadded appends v with leading zeros to width digits.
func appendPadded(dst []byte, v uint64, width int) []byte {
	var buf [20]byte
	for i := width - 1; i >= 0; i-- {
		buf[i] = byte('0' + v%10)
		v /= 10
	}
	return append(dst, buf[:width]...)
}
