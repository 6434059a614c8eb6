package row

import (
	"math"
	"strconv"
	"unsafe"
)

func (b *Builder) appendParsedFloat(s []byte) error {
	bitSize := 64
	if b.phys == PhysFloat32 {
		bitSize = 32
	}
	f, ok := parseFloat(s, bitSize)
	if !ok {
		return couldNotConvert(s, b.phys)
	}
	b.AppendFloat(f)
	return nil
}

// parseFloat reads a decimal number, inf, infinity or nan in any case, between blanks. What is too large becomes infinite.
func parseFloat(s []byte, bitSize int) (float64, bool) {
	s = s[skipSpaces(s, 0):]
	for len(s) > 0 && isSpace(s[len(s)-1]) {
		s = s[:len(s)-1]
	}
	if len(s) > 0 && s[0] == '+' {
		s = s[1:]
	}
	body := s
	if len(s) > 0 && s[0] == '-' {
		body = s[1:]
	}
	if len(body) == 0 {
		return 0, false
	}
	if !isDigit(body[0]) && body[0] != '.' {
		f, ok := parseFloatWord(body)
		if ok && len(body) != len(s) {
			f = math.Copysign(f, -1)
		}
		return f, ok
	}
	ok, underscores := checkFloat(body)
	if !ok {
		return 0, false
	}
	if underscores {
		clean := make([]byte, 0, len(s))
		for _, c := range s {
			if c != '_' {
				clean = append(clean, c)
			}
		}
		s = clean
	}
	f, _ := strconv.ParseFloat(unsafe.String(unsafe.SliceData(s), len(s)), bitSize) // only out of range is left: ±Inf
	return f, true
}

func parseFloatWord(s []byte) (float64, bool) {
	switch {
	case equalFoldASCII(s, "inf"), equalFoldASCII(s, "infinity"):
		return math.Inf(1), true
	case equalFoldASCII(s, "nan"):
		return math.Copysign(math.NaN(), 1), true
	case hasPrefixFoldASCII(s, "nan(") && s[len(s)-1] == ')':
		for _, c := range s[4 : len(s)-1] {
			if !isDigit(c) && c != '_' && (c|0x20 < 'a' || c|0x20 > 'z') {
				return 0, false
			}
		}
		return math.Copysign(math.NaN(), 1), true
	}
	return 0, false
}

// checkFloat accepts digits [. digits] [e [sign] digits] with a digit before the exponent and single underscores between digits.
func checkFloat(s []byte) (ok, underscores bool) {
	seen := false
	take := func(uint8) bool { seen = true; return true }
	i, ok := scanRun(s, 0, take)
	if ok && i < len(s) && s[i] == '.' {
		i, ok = scanRun(s, i+1, take)
	}
	if !ok || !seen {
		return false, false
	}
	if i < len(s) && s[i]|0x20 == 'e' {
		i++
		if i < len(s) && (s[i] == '+' || s[i] == '-') {
			i++
		}
		seen = false
		if i, ok = scanRun(s, i, take); !ok || !seen {
			return false, false
		}
	}
	for _, c := range s {
		underscores = underscores || c == '_'
	}
	return i == len(s), underscores
}
