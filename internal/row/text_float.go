package row

import (
	"bytes"
	"math"
	"strconv"
)

// appendFloat writes the shortest text that reads back the same, with an exponent below 1e-4 and from 1e16 on.
func appendFloat(dst []byte, f float64, bitSize int) []byte {
	if f != f {
		if math.Signbit(f) {
			dst = append(dst, '-')
		}
		return append(dst, "nan"...)
	}
	if math.IsInf(f, 0) {
		if f < 0 {
			dst = append(dst, '-')
		}
		return append(dst, "inf"...)
	}
	if bitSize == 32 {
		if math.Signbit(f) {
			dst = append(dst, '-')
		}
		var d floatDigits
		d.setFloat32(float32(math.Abs(f)))
		return d.appendTo(dst)
	}
	if a := math.Abs(f); a != 0 && (a < 1e-4 || a >= 1e16) {
		return strconv.AppendFloat(dst, f, 'e', -1, 64)
	}
	dst = strconv.AppendFloat(dst, f, 'f', -1, 64)
	if f == math.Trunc(f) {
		dst = append(dst, ".0"...)
	}
	return dst
}

// floatDigits is the number 0.d1d2d3… times 10 to the power of point.
type floatDigits struct {
	buf    [24]byte
	digits []byte
	point  int
}

// set takes the shortest text that strconv makes of f.
func (d *floatDigits) set(f float64, bitSize int) {
	var text [32]byte
	d.digits = d.buf[:0]
	exp, negative, inExp := 0, false, false
	for _, c := range strconv.AppendFloat(text[:0], f, 'e', -1, bitSize) {
		switch {
		case c == 'e':
			inExp = true
		case c == '-':
			negative = true
		case !isDigit(c):
		case inExp:
			exp = exp*10 + int(c-'0')
		default:
			d.digits = append(d.digits, c)
		}
	}
	if negative {
		exp = -exp
	}
	d.point = exp + 1
}

// setFloat32 takes the shortest digits for a float of 32 bits, unless these are in doubt: the float is halfway between two texts
// of that length, or a text as short is halfway between two floats. Then it takes those for a float of 64 bits, as DuckDB does.
func (d *floatDigits) setFloat32(f float32) {
	d.set(float64(f), 32)
	n := len(d.digits)
	var wide floatDigits
	wide.set(float64(f), 64)
	doubt := len(wide.digits) == n+1 && wide.digits[n] == '5'
	if f >= 1<<22 && !doubt { // below, a number between two floats has too many digits
		below, above := math.Nextafter32(f, 0), math.Nextafter32(f, math.MaxFloat32)
		doubt = d.between(f, below) || d.between(f, above)
	}
	if doubt {
		n = copy(d.buf[:], wide.digits)
		d.digits, d.point = d.buf[:n], wide.point
	}
}

// between reports whether the number halfway between two floats has fewer digits than d, or is d itself.
func (d *floatDigits) between(f, neighbor float32) bool {
	var half floatDigits
	half.set((float64(f)+float64(neighbor))/2, 64)
	return len(half.digits) < len(d.digits) || bytes.Equal(half.digits, d.digits) && half.point == d.point
}

func (d *floatDigits) appendTo(dst []byte) []byte {
	exp := d.point - 1
	if len(d.digits) == 1 && d.digits[0] == '0' {
		return append(dst, "0.0"...)
	}
	if exp < -4 || exp >= 16 {
		dst = append(dst, d.digits[0])
		if len(d.digits) > 1 {
			dst = append(append(dst, '.'), d.digits[1:]...)
		}
		dst = append(dst, 'e', '+')
		if exp < 0 {
			dst[len(dst)-1] = '-'
			exp = -exp
		}
		if exp < 10 {
			dst = append(dst, '0')
		}
		return strconv.AppendInt(dst, int64(exp), 10)
	}
	if d.point <= 0 {
		dst = append(dst, "0."...)
		for range -d.point {
			dst = append(dst, '0')
		}
		return append(dst, d.digits...)
	}
	for i := range max(d.point, len(d.digits)) {
		if i == d.point {
			dst = append(dst, '.')
		}
		if i < len(d.digits) {
			dst = append(dst, d.digits[i])
		} else {
			dst = append(dst, '0')
		}
	}
	if len(d.digits) <= d.point {
		dst = append(dst, ".0"...)
	}
	return dst
}
