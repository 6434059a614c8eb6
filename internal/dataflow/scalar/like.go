package scalar

import (
	"strings"
	"unicode/utf8"

	"github.com/tidemill/tidemill/internal/row"
)

// likeTable holds LIKE, ILIKE and GLOB. Patterns have no escape character: that form of LIKE is a function of its own.
func likeTable() registry {
	return registry{
		"~~": likeBuilder(false, 0), "!~~": likeBuilder(false, 1),
		"~~*": likeBuilder(true, 0), "!~~*": likeBuilder(true, 1),
		"~~~": only(fromTexts(func(s, p string) uint8 { return b2u(glob(s, p)) }), row.String, row.String),
	}
}

func likeBuilder(fold bool, flip uint8) builder {
	return func(s *site) (native, bool) {
		if !s.is(row.String, row.String) {
			return native{}, false
		}
		if pattern, ok := s.text(1); ok && !fold {
			return strict(likeConstant(pattern, flip))
		}
		return strict(func(b *block, args []*vec, out *vec) {
			x, p, dst := textsOf(args[0]), textsOf(args[1]), results[uint8](out, b.n)
			var low, lowPattern []byte
			for i := range dst {
				if !b.wants(out, i) {
					continue
				}
				s, pattern := x.at(i), p.at(i)
				if fold {
					low, lowPattern = appendLower(low[:0], s), appendLower(lowPattern[:0], pattern)
					s, pattern = string(low), string(lowPattern)
				}
				dst[i] = b2u(like(s, pattern)) ^ flip
			}
		})
	}
}

// likeConstant matches one pattern; without _ it is a search for its pieces in order.
func likeConstant(pattern string, flip uint8) kernel {
	match := func(s string) bool { return like(s, pattern) }
	if !strings.Contains(pattern, "_") && strings.Contains(pattern, "%") {
		pieces := strings.Split(pattern, "%")
		first, last := pieces[0], pieces[len(pieces)-1]
		middle := pieces[1 : len(pieces)-1]
		match = func(s string) bool { return likePieces(s, first, middle, last) }
		if first == "" && last == "" && len(middle) == 1 {
			match = func(s string) bool { return strings.Contains(s, middle[0]) }
		}
	}
	return fromText(func(s string) uint8 { return b2u(match(s)) ^ flip }).keepFirst()
}

// keepFirst lets a kernel see only the first argument.
func (k kernel) keepFirst() kernel {
	return func(b *block, args []*vec, out *vec) { k(b, args[:1], out) }
}

func likePieces(s, first string, middle []string, last string) bool {
	if len(s) < len(first)+len(last) || !strings.HasPrefix(s, first) || !strings.HasSuffix(s, last) {
		return false
	}
	s = s[len(first) : len(s)-len(last)]
	for _, p := range middle {
		i := strings.Index(s, p)
		if i < 0 {
			return false
		}
		s = s[i+len(p):]
	}
	return true
}

// like matches % with any text and _ with one code point, going back to the last % at a mismatch.
func like(s, p string) bool {
	si, pi, backS, backP := 0, 0, 0, -1
	for si < len(s) {
		switch {
		case pi < len(p) && p[pi] == '%':
			pi++
			backS, backP = si, pi
		case pi < len(p) && p[pi] == '_':
			si += runeLen(s, si)
			pi++
		case pi < len(p) && p[pi] == s[si]:
			si++
			pi++
		case backP >= 0:
			backS += runeLen(s, backS)
			si, pi = backS, backP
		default:
			return false
		}
	}
	for pi < len(p) && p[pi] == '%' {
		pi++
	}
	return pi == len(p)
}

func runeLen(s string, i int) int {
	if s[i] < utf8.RuneSelf {
		return 1
	}
	_, n := utf8.DecodeRuneInString(s[i:])
	return n
}

// glob matches bytes: * any text, ? one byte, [a-z] and [!a-z] a class, \ the next byte as it is. At a mismatch it goes back to the
// last *.
func glob(s, p string) bool {
	back, backS := "", ""
	star := false
	for s != "" {
		if p != "" && p[0] == '*' {
			p = strings.TrimLeft(p, "*")
			star, back, backS = true, p, s
			continue
		}
		if rest, ok := globByte(s[0], p); ok {
			s, p = s[1:], rest
			continue
		}
		if !star {
			return false
		}
		backS = backS[1:]
		s, p = backS, back
	}
	return strings.Trim(p, "*") == ""
}

// globByte matches c with the first element of a pattern and returns what follows it.
func globByte(c byte, p string) (rest string, ok bool) {
	if p == "" {
		return "", false
	}
	switch p[0] {
	case '?':
		return p[1:], true
	case '[':
		matched, rest, ok := globClass(c, p[1:])
		return rest, ok && matched
	case '\\':
		if len(p) == 1 {
			return "", false
		}
		return p[2:], p[1] == c
	}
	return p[1:], p[0] == c
}

// globClass matches c with the class that begins p (behind its bracket) and returns the pattern behind it; ok is false
// for a class without end.
func globClass(c byte, p string) (matched bool, rest string, ok bool) {
	invert := false
	if p != "" && p[0] == '!' {
		invert = true
		p = p[1:]
	}
	for first := true; p != "" && (first || p[0] != ']'); first = false {
		if len(p) >= 3 && p[1] == '-' && p[2] != ']' {
			matched = matched || p[0] <= c && c <= p[2]
			p = p[3:]
			continue
		}
		matched = matched || p[0] == c
		p = p[1:]
	}
	if p == "" {
		return false, "", false
	}
	return matched != invert, p[1:], true
}
