package row

import (
	"math"
	"math/bits"
)

func parseHuge(s []byte) (Int128Value, bool) {
	if v, ok := parseShortInt(s); ok {
		return Int128FromInt64(v), true
	}
	sink := &hugeSink{}
	ok := scanNumber(s, false, func(negative bool) numberSink { sink.negative = negative; return sink })
	return sink.v, ok
}

// hugeSink takes a HUGEINT: a magnitude and the digits behind the point, each of 128 bits.
type hugeSink struct {
	whole, frac uint128
	fracDigits  int
	negative    bool
	v           Int128Value
}

func (n *hugeSink) digit(d uint8) (ok bool) {
	n.whole, ok = n.whole.mulAdd(10, uint64(d))
	return ok && (n.whole.hi>>63 == 0 || n.negative)
}

func (n *hugeSink) hex(uint8) bool    { return false }
func (n *hugeSink) binary(uint8) bool { return false }

func (n *hugeSink) fraction(d uint8) (ok bool) {
	n.fracDigits++
	n.frac, ok = n.frac.mulAdd(10, uint64(d))
	return ok && n.frac.hi>>63 == 0
}

func (n *hugeSink) finish() (ok bool) {
	if n.v, ok = fromMagnitude(n.whole, n.negative, true); !ok {
		return false
	}
	f, digits := n.frac, n.fracDigits
	for ; digits > maxPow10; digits -= maxPow10 {
		f, _ = f.quoRem(pow10Table[maxPow10].magnitude())
	}
	if digits == 0 {
		return true
	}
	if first, _ := f.quoRem(pow10Table[digits-1].magnitude()); first.hi == 0 && first.lo < 5 {
		return true
	}
	if n.negative {
		n.v, ok = n.v.Sub(Int128Value{Lo: 1})
	} else {
		n.v, ok = n.v.Add(Int128Value{Lo: 1})
	}
	return ok
}

func (n *hugeSink) exponent(e int16) (ok bool) {
	switch {
	case e < -maxPow10:
		return true
	case e < 0:
		n.whole, n.frac = n.whole.quoRem(pow10Table[-e].magnitude())
		n.fracDigits = int(-e)
		return n.finish()
	}
	if n.whole != (uint128{}) {
		if n.whole, ok = n.whole.shift10(int(e)); !ok {
			return false
		}
	}
	if n.frac == (uint128{}) {
		return n.finish()
	}
	n.fracDigits -= int(e)
	moved, rest := uint128{}, n.frac
	switch {
	case n.fracDigits <= 0:
		if moved, ok = n.frac.shift10(-n.fracDigits); !ok {
			return false
		}
		rest, n.fracDigits = uint128{}, 0
	case n.fracDigits <= maxPow10:
		moved, rest = n.frac.quoRem(pow10Table[n.fracDigits].magnitude())
	}
	lo, carry := bits.Add64(n.whole.lo, moved.lo, 0)
	hi, carry := bits.Add64(n.whole.hi, moved.hi, carry)
	n.whole, n.frac = uint128{hi: hi, lo: lo}, rest
	return carry == 0 && n.finish()
}

// shift10 multiplies by a power of ten; ok is false when the product has more than 128 bits.
func (m uint128) shift10(n int) (v uint128, ok bool) {
	if n > maxPow10 {
		return m, false
	}
	for ok = true; n > 0 && ok; n-- {
		m, ok = m.mulAdd(10, 0)
	}
	return m, ok
}

func (b *Builder) appendParsedDecimal(s []byte) error {
	v, ok := parseShortDecimal(s, b.typ)
	if ok {
		b.AppendInt(v)
		return nil
	}
	sink := newDecimalSink(b.typ)
	if !scanNumber(s, false, func(negative bool) numberSink { sink.negative = negative; return sink }) {
		return conversionError("Could not convert string \"%s\" to %s", s, b.typ)
	}
	x, _ := fromMagnitude(sink.v, sink.negative, true)
	if b.phys == PhysInt128 {
		b.AppendInt128(x)
	} else {
		b.AppendInt(int64(x.Lo))
	}
	return nil
}

// parseShortDecimal reads the common form: an optional minus, digits, a point, digits; at most 18 digits, none to
// be rounded off.
func parseShortDecimal(s []byte, t Type) (v int64, ok bool) {
	i, negative := 0, false
	if len(s) > 0 && s[0] == '-' {
		i, negative = 1, true
	}
	if len(s)-i > 18 {
		return 0, false
	}
	whole := i
	for ; i < len(s) && isDigit(s[i]); i++ {
		v = v*10 + int64(s[i]-'0')
	}
	wholeDigits, frac := i-whole, 0
	if i < len(s) && s[i] == '.' {
		for i++; i < len(s) && isDigit(s[i]); i++ {
			v = v*10 + int64(s[i]-'0')
			frac++
		}
	}
	if i != len(s) || wholeDigits == 0 || frac > int(t.Scale) || wholeDigits > int(t.Width-t.Scale) || wholeDigits+int(t.Scale) > 18 {
		return 0, false
	}
	v *= int64(pow10Table[int(t.Scale)-frac].Lo)
	if negative {
		v = -v
	}
	return v, true
}

// decimalSink takes a DECIMAL as DuckDB does: leading digits up to width-scale, then as many digits behind the
// point as the store holds, of which an exponent may bring some forward.
type decimalSink struct {
	v                  uint128
	limit              uint128 // the first magnitude with more digits than width
	storeTenth         uint128 // the largest magnitude of the store, divided by 10
	storeDigits        int
	width, scale       int
	digits, fracDigits int
	excess             int // digits behind the point to take off
	roundSeen          bool
	roundUp            bool
	hasExponent        bool
	positiveExponent   bool
	negative           bool
}

func newDecimalSink(t Type) *decimalSink {
	n := &decimalSink{width: int(t.Width), scale: int(t.Scale), limit: pow10Table[t.Width].magnitude()}
	store := MaxInt128.magnitude()
	switch {
	case t.Width <= 4:
		n.storeDigits, store = 4, uint128{lo: math.MaxInt16}
	case t.Width <= 9:
		n.storeDigits, store = 9, uint128{lo: math.MaxInt32}
	case t.Width <= 18:
		n.storeDigits, store = 18, uint128{lo: math.MaxInt64}
	default:
		n.storeDigits = 38
	}
	n.storeTenth, _ = store.quoRem(uint128{lo: 10})
	return n
}

func (n *decimalSink) digit(d uint8) bool {
	if d == 0 && n.v == (uint128{}) {
		return true
	}
	if n.digits == n.width-n.scale || n.storeTenth.less(n.v) {
		return false
	}
	n.digits++
	n.v, _ = n.v.mulAdd(10, uint64(d))
	return true
}

func (n *decimalSink) hex(uint8) bool    { return false }
func (n *decimalSink) binary(uint8) bool { return false }

func (n *decimalSink) fraction(d uint8) bool {
	if n.fracDigits == n.scale && !n.roundSeen {
		n.roundSeen, n.roundUp = true, d >= 5
	}
	if n.digits+n.fracDigits >= n.storeDigits {
		return true
	}
	n.fracDigits++
	n.v, _ = n.v.mulAdd(10, uint64(d))
	return true
}

func (n *decimalSink) exponent(e int16) bool {
	n.hasExponent = e != 0
	shift := int(e)
	if e > 0 {
		n.positiveExponent = true
		if over := max(n.fracDigits-n.scale, 0); over > shift {
			n.excess, shift = over-shift, 0
		} else {
			shift -= over
		}
	}
	if !n.finish() {
		return false
	}
	for range shift {
		if !n.digit(0) {
			return false
		}
		if n.v == (uint128{}) {
			break
		}
	}
	up := false
	for range -shift {
		if up = n.dropDigit(); n.v == (uint128{}) {
			break
		}
	}
	if up {
		n.v, _ = n.v.mulAdd(1, 1)
	}
	return true
}

// dropDigit takes the last digit off and reports whether it rounds up.
func (n *decimalSink) dropDigit() bool {
	q, r := n.v.quoRem(uint128{lo: 10})
	n.v = q
	return r.lo >= 5
}

func (n *decimalSink) finish() bool {
	if !n.positiveExponent && n.fracDigits > n.scale {
		n.excess = n.fracDigits - n.scale
	}
	if n.excess > 0 {
		up := false
		for range n.excess {
			up = n.dropDigit()
		}
		if n.positiveExponent && up {
			n.v, _ = n.v.mulAdd(1, 1)
		}
		n.fracDigits = n.scale
	}
	if !n.hasExponent && n.roundUp {
		n.v, _ = n.v.mulAdd(1, 1)
	}
	n.v, _ = n.v.shift10(max(n.scale-n.fracDigits, 0))
	return n.v.less(n.limit)
}
