package row

import "math"

// intRange holds the bounds of a physical integer type of up to 64 bits.
type intRange struct {
	min int64
	max uint64
}

var intRanges = [...]intRange{
	PhysInt8: {math.MinInt8, math.MaxInt8}, PhysInt16: {math.MinInt16, math.MaxInt16},
	PhysInt32: {math.MinInt32, math.MaxInt32}, PhysInt64: {math.MinInt64, math.MaxInt64},
	PhysUint8: {0, math.MaxUint8}, PhysUint16: {0, math.MaxUint16},
	PhysUint32: {0, math.MaxUint32}, PhysUint64: {0, math.MaxUint64},
}

func (b *Builder) appendParsedInt(s []byte) error {
	r := intRanges[b.phys]
	v, ok := parseShortInt(s)
	if !ok || v < r.min || v > 0 && uint64(v) > r.max {
		if v, ok = parseLongInt(s, b.phys, r); !ok {
			return couldNotConvert(s, b.phys)
		}
	}
	b.AppendInt(v)
	return nil
}

// parseShortInt reads the common form: an optional minus and up to 18 digits.
func parseShortInt(s []byte) (v int64, ok bool) {
	digits := s
	if len(s) > 0 && s[0] == '-' {
		digits = s[1:]
	}
	if len(digits) == 0 || len(digits) > 18 {
		return 0, false
	}
	for _, c := range digits {
		d := c - '0'
		if d > 9 {
			return 0, false
		}
		v = v*10 + int64(d)
	}
	if len(digits) != len(s) {
		v = -v
	}
	return v, true
}

// numberSink takes a number in the forms DuckDB reads integers and decimals in, digit by digit. Each method
// returns false to refuse the number.
type numberSink interface {
	digit(d uint8) bool
	// hex and binary take a digit of a 0x or 0b number.
	hex(d uint8) bool
	binary(d uint8) bool
	// fraction takes a digit behind the point.
	fraction(d uint8) bool
	// exponent ends the number.
	exponent(e int16) bool
	// finish ends a number without exponent.
	finish() bool
}

// scanNumber reads blanks, a sign, digits with single underscores between them, a point, digits, an exponent, blanks. It is
// as lenient as DuckDB: a sign or exponent mark followed by blanks stands for 0. start(negative) yields the sink.
func scanNumber(s []byte, unsigned bool, start func(negative bool) numberSink) bool {
	s = s[skipSpaces(s, 0):]
	if len(s) == 0 {
		return false
	}
	if s[0] == '-' {
		if unsigned {
			for _, c := range s[1:] {
				if c != '0' {
					return false
				}
			}
		}
		return scanDigits(s, 1, true, start(true))
	}
	sink := start(false)
	if len(s) > 1 && s[0] == '0' {
		switch s[1] {
		case 'x', 'X':
			return scanBased(s[2:], 16, sink.hex) && sink.finish()
		case 'b', 'B':
			return scanBased(s[2:], 2, sink.binary) && sink.finish()
		}
	}
	if s[0] == '+' {
		return scanDigits(s, 1, true, sink)
	}
	return scanDigits(s, 0, true, sink)
}

func scanBased(s []byte, base byte, take func(uint8) bool) bool {
	for i := 0; i < len(s); i++ {
		d := hexDigit(s[i])
		if d >= base || !take(d) {
			return false
		}
		if i+1 < len(s) && s[i+1] == '_' {
			i++
			if i+1 == len(s) || hexDigit(s[i+1]) >= base {
				return false
			}
		}
	}
	return len(s) > 0
}

func scanDigits(s []byte, start int, mayHaveExponent bool, sink numberSink) bool {
	i, ok := scanRun(s, start, sink.digit)
	if !ok {
		return false
	}
	if i == len(s) {
		return sink.finish() && i > start
	}
	if s[i] == '.' {
		before := i > start
		frac := i + 1
		if i, ok = scanRun(s, frac, sink.fraction); !ok || !before && i == frac {
			return false
		}
		if i == len(s) {
			return sink.finish()
		}
	}
	if isSpace(s[i]) {
		return skipSpaces(s, i) == len(s) && sink.finish()
	}
	if !mayHaveExponent || s[i]|0x20 != 'e' || i == start || i+1 == len(s) {
		return false
	}
	return scanExponent(s[i+1:], sink)
}

func scanExponent(s []byte, sink numberSink) bool {
	e := exponentSink{negative: s[0] == '-'}
	start := 0
	if s[0] == '-' || s[0] == '+' {
		start = 1
	}
	return scanDigits(s, start, false, &e) && sink.exponent(e.v)
}

// scanRun passes digits on, with a single underscore allowed between two of them, and returns where they end.
func scanRun(s []byte, i int, take func(uint8) bool) (end int, ok bool) {
	for i < len(s) && isDigit(s[i]) {
		if !take(s[i] - '0') {
			return i, false
		}
		i++
		if i < len(s) && s[i] == '_' {
			i++
			if i == len(s) || !isDigit(s[i]) {
				return i, false
			}
		}
	}
	return i, true
}

// exponentSink takes a 16-bit exponent.
type exponentSink struct {
	v        int16
	negative bool
}

func (e *exponentSink) digit(d uint8) bool {
	v := int32(e.v) * 10
	if e.negative {
		v -= int32(d)
	} else {
		v += int32(d)
	}
	e.v = int16(v)
	return int32(e.v) == v
}

func (e *exponentSink) hex(uint8) bool      { return false }
func (e *exponentSink) binary(uint8) bool   { return false }
func (e *exponentSink) fraction(uint8) bool { return false }
func (e *exponentSink) exponent(int16) bool { return false }
func (e *exponentSink) finish() bool        { return true }

// parseLongInt reads what parseShortInt does not: blanks, plus signs, fractions, exponents, hexadecimal, binary.
func parseLongInt(s []byte, p Phys, r intRange) (int64, bool) {
	if p == PhysUint64 {
		sink := &intSink[uint64]{max: math.MaxUint64}
		ok := scanNumber(s, true, func(negative bool) numberSink { sink.negative = negative; return sink })
		return int64(sink.whole), ok
	}
	sink := &intSink[int64]{min: r.min, max: int64(r.max)}
	unsigned := r.min == 0
	ok := scanNumber(s, unsigned, func(negative bool) numberSink { sink.negative = negative; return sink })
	return sink.whole, ok
}

// intSink takes an integer of up to 64 bits as DuckDB does, which keeps whole and fraction digits apart in 64 bits each. The
// fraction decides by its first digit whether to round away from zero; digits that do not fit are dropped.
type intSink[T int64 | uint64] struct {
	whole, frac T
	fracDigits  int32
	min, max    T
	negative    bool
}

func (n *intSink[T]) signed() bool { return ^T(0) < 0 }

// limits are those of T, not those of the column's type.
func (n *intSink[T]) limits() (least, most T) {
	if n.signed() {
		most = math.MaxInt64
		return -most - 1, most
	}
	return 0, ^T(0)
}

func (n *intSink[T]) digit(d uint8) bool  { return n.shiftIn(10, d) }
func (n *intSink[T]) hex(d uint8) bool    { return n.shiftIn(16, d) }
func (n *intSink[T]) binary(d uint8) bool { return n.shiftIn(2, d) }

func (n *intSink[T]) shiftIn(base T, d uint8) bool {
	least, most := n.limits()
	if n.negative {
		if n.whole < (least+T(d))/base {
			return false
		}
		n.whole = n.whole*base - T(d)
		return true
	}
	if n.whole > (most-T(d))/base {
		return false
	}
	n.whole = n.whole*base + T(d)
	return true
}

func (n *intSink[T]) fraction(d uint8) bool {
	if _, most := n.limits(); n.frac > (most-T(d))/10 {
		return true
	}
	n.fracDigits++
	n.frac = n.frac*10 + T(d)
	return true
}

func (n *intSink[T]) finish() bool {
	if n.whole < n.min || n.whole > n.max {
		return false
	}
	for n.frac > 10 {
		n.frac /= 10
		n.fracDigits--
	}
	switch {
	case n.fracDigits != 1 || n.frac < 5:
		return true
	case n.negative:
		n.whole--
		return n.whole+1 != n.min
	default:
		n.whole++
		return n.whole-1 != n.max
	}
}

func (n *intSink[T]) exponent(e int16) bool {
	if e < 0 {
		return n.shiftRight(-int32(e))
	}
	for i := e; i > 0 && n.whole != 0; i-- {
		v := n.whole * 10
		if v/10 != n.whole {
			return false
		}
		n.whole = v
	}
	if n.frac == 0 {
		return n.finish()
	}
	moved, rest, ok := n.splitFraction(int32(e))
	if !ok {
		return false
	}
	old := n.whole
	if n.negative {
		n.whole -= moved
		ok = (n.whole <= old) == (moved >= 0)
	} else {
		n.whole += moved
		ok = (n.whole >= old) == (moved >= 0)
	}
	n.frac = rest
	return ok && n.finish()
}

func (n *intSink[T]) shiftRight(places int32) bool {
	n.frac = 0
	for ; places > 0 && n.whole != 0; places-- {
		n.frac = n.whole % 10
		n.whole /= 10
	}
	if places > 0 {
		n.frac = 0
	}
	if n.negative {
		n.frac = -n.frac
	}
	n.fracDigits = 1
	return n.finish()
}

// splitFraction splits off the first digits of the fraction, which an exponent moves before the point.
func (n *intSink[T]) splitFraction(places int32) (moved, rest T, ok bool) {
	cut := n.fracDigits - places
	n.fracDigits = cut
	maxCut := int32(20)
	if n.signed() {
		maxCut = 19
	}
	switch {
	case cut > maxCut:
		return 0, 0, true
	case cut > 0:
		power := T(1)
		for range cut {
			power *= 10 // wraps around at maxCut, as in DuckDB
		}
		return n.frac / power, n.frac % power, true
	}
	for range -cut {
		v := n.frac * 10
		if v/10 != n.frac {
			return 0, 0, false
		}
		n.frac = v
	}
	return n.frac, 0, true
}
