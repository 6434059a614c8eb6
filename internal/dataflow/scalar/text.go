package scalar

import (
	"crypto/md5"
	"encoding/hex"
	"math"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/tidemill/tidemill/internal/plan"
	"github.com/tidemill/tidemill/internal/row"
)

// maxText bounds what one row's repeat and padding may give, so that one row cannot take all memory.
const maxText = 16 << 20

const textTooLong = "Out of Range Error: the result would be longer than 16 MiB"

func textTable() registry {
	str, i64, i32 := row.String, row.Int64, row.Int32
	lower, upper := only(textToText(appendLower), str), only(textToText(appendUpper), str)
	length := only(fromText(func(s string) int64 { return int64(utf8.RuneCountInString(s)) }), str)
	starts := only(fromTexts(func(s, p string) uint8 { return b2u(strings.HasPrefix(s, p)) }), str, str)
	ends := only(fromTexts(func(s, p string) uint8 { return b2u(strings.HasSuffix(s, p)) }), str, str)
	position := only(fromTexts(positionOf), str, str)
	slice := firstOf(only(substringKernel, str, i64), only(substringKernel, str, i64, i64))
	return registry{
		"||":     firstOf(only(concatPair, str, str), only(concatPair, row.Blob, row.Blob)),
		"concat": concatBuilder, "concat_ws": concatSeparated,
		"length": length, "len": length, "char_length": length, "character_length": length,
		"strlen":     only(fromText(func(s string) int64 { return int64(len(s)) }), str),
		"bit_length": only(fromText(func(s string) int64 { return int64(len(s)) * 8 }), str),
		"lower":      lower, "lcase": lower, "upper": upper, "ucase": upper,
		"trim": trimBuilder(true, true), "ltrim": trimBuilder(true, false), "rtrim": trimBuilder(false, true),
		"substring": slice, "substr": slice,
		"left":     only(toText(leftText), str, i64),
		"right":    only(toText(rightText), str, i64),
		"replace":  only(toText(replaceText), str, str, str),
		"contains": only(fromTexts(func(s, p string) uint8 { return b2u(strings.Contains(s, p)) }), str, str),
		"prefix":   starts, "starts_with": starts, "^@": starts, "suffix": ends, "ends_with": ends,
		"repeat":   only(toText(repeatText), str, i64),
		"lpad":     only(toText(padText(true)), str, i32, str),
		"rpad":     only(toText(padText(false)), str, i32, str),
		"position": position, "strpos": position, "instr": position,
		"ascii":      only(fromText(func(s string) int32 { return firstRune(s, 0) }), str),
		"unicode":    only(fromText(func(s string) int32 { return firstRune(s, -1) }), str),
		"ord":        only(fromText(func(s string) int32 { return firstRune(s, -1) }), str),
		"chr":        only(toText(chrText), i32),
		"md5":        only(textToText(appendMD5), str),
		"reverse":    reverseBuilder,
		splitElement: splitBuilder,
	}
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

func appendLower(dst []byte, s string) []byte {
	for i := range len(s) {
		c := s[i]
		if c >= utf8.RuneSelf {
			return appendMapped(dst, s[i:], unicode.ToLower)
		}
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		dst = append(dst, c)
	}
	return dst
}

func appendUpper(dst []byte, s string) []byte {
	for i := range len(s) {
		c := s[i]
		if c >= utf8.RuneSelf {
			return appendMapped(dst, s[i:], upperRune)
		}
		if 'a' <= c && c <= 'z' {
			c -= 'a' - 'A'
		}
		dst = append(dst, c)
	}
	return dst
}

// upperRune is Unicode's simple mapping, with the capital sharp s that DuckDB writes.
func upperRune(r rune) rune {
	if r == 'ß' {
		return 'ẞ'
	}
	return unicode.ToUpper(r)
}

func appendMapped(dst []byte, s string, f func(rune) rune) []byte {
	for _, r := range s {
		dst = utf8.AppendRune(dst, f(r))
	}
	return dst
}

// reverseBuilder reverses ASCII; other text has characters of several code points, which DuckDB keeps together.
func reverseBuilder(s *site) (native, bool) {
	if !s.is(row.String) {
		return native{}, false
	}
	return native{run: func(b *block, args []*vec, out *vec) {
		x := textsOf(args[0])
		w := writeTexts(out, b.n, len(x.data))
		for i := range b.n {
			if b.wants(out, i) {
				s := x.at(i)
				if !isASCII(s) {
					b.hard = append(b.hard, int32(i))
					s = ""
				}
				for k := len(s) - 1; k >= 0; k-- {
					w.buf = append(w.buf, s[k])
				}
			}
			w.end()
			if w.full(b) {
				break
			}
		}
		w.finish(b)
	}, partial: true}, true
}

func firstRune(s string, empty int32) int32 {
	if s == "" {
		return empty
	}
	r, _ := utf8.DecodeRuneInString(s)
	return r
}

// positionOf is the position of p in s in code points from 1, or 0.
func positionOf(s, p string) int64 {
	i := strings.Index(s, p)
	if i < 0 {
		return 0
	}
	return int64(utf8.RuneCountInString(s[:i])) + 1
}

func appendMD5(dst []byte, s string) []byte {
	sum := md5.Sum([]byte(s))
	return hex.AppendEncode(dst, sum[:])
}

// concatPair is || of text or of blobs.
func concatPair(b *block, args []*vec, out *vec) {
	x, y := textsOf(args[0]), textsOf(args[1])
	w := writeTexts(out, b.n, len(x.data)+len(y.data))
	for i := range b.n {
		if out.Valid == nil || !out.Null(i) {
			w.buf = append(append(w.buf, x.at(i)...), y.at(i)...)
		}
		w.end()
		if w.full(b) {
			break
		}
	}
	w.finish(b)
}

func (s *site) allText() bool {
	for i := range s.args {
		if s.kind(i) != row.String {
			return false
		}
	}
	return len(s.args) > 0
}

// concatBuilder is concat, to which a null is an empty text.
func concatBuilder(s *site) (native, bool) {
	if !s.allText() || s.typ.Kind != row.String {
		return native{}, false
	}
	return native{run: func(b *block, args []*vec, out *vec) { concat(b, args, out, nil) }, nullable: true}, true
}

// concatSeparated is concat_ws, which skips nulls but is null for a null separator.
func concatSeparated(s *site) (native, bool) {
	if !s.allText() || len(s.args) < 2 || s.typ.Kind != row.String {
		return native{}, false
	}
	return native{run: func(b *block, args []*vec, out *vec) { concat(b, args[1:], out, args[0]) }, nullable: true}, true
}

func concat(b *block, args []*vec, out *vec, separator *vec) {
	cols := make([]texts, len(args))
	for k, a := range args {
		cols[k] = textsOf(a)
	}
	w := writeTexts(out, b.n, 0)
	for i := range b.n {
		sep := ""
		if separator != nil {
			if separator.isNull(i) {
				out.setNull(i, b.n)
				w.end()
				continue
			}
			sep = textsOf(separator).at(i)
		}
		first := true
		for k, a := range args {
			if a.isNull(i) {
				continue
			}
			if !first {
				w.buf = append(w.buf, sep...)
			}
			first = false
			w.buf = append(w.buf, cols[k].at(i)...)
		}
		w.end()
		if w.full(b) {
			break
		}
	}
	w.finish(b)
}

// trimBuilder trims spaces of any kind, or the given characters.
func trimBuilder(left, right bool) builder {
	trim := func(s string, in func(rune) bool) string {
		if left {
			s = strings.TrimLeftFunc(s, in)
		}
		if right {
			s = strings.TrimRightFunc(s, in)
		}
		return s
	}
	space := func(r rune) bool { return r == ' ' || r >= utf8.RuneSelf && unicode.Is(unicode.Zs, r) }
	return firstOf(
		only(textToText(func(dst []byte, s string) []byte { return append(dst, trim(s, space)...) }), row.String),
		only(toText(func(args []*vec) func([]byte, int) ([]byte, verdict) {
			x, set := textsOf(args[0]), textsOf(args[1])
			return func(dst []byte, i int) ([]byte, verdict) {
				chars := set.at(i)
				return append(dst, trim(x.at(i), func(r rune) bool { return strings.ContainsRune(chars, r) })...), fine
			}
		}), row.String, row.String),
	)
}

const (
	maxSubstring = math.MaxUint32
	minSubstring = -math.MaxUint32 - 1
)

// substringKernel is substring(text, from [, length]).
func substringKernel(b *block, args []*vec, out *vec) {
	toText(func(args []*vec) func([]byte, int) ([]byte, verdict) {
		x, from := textsOf(args[0]), columnOf[int64](args[1])
		length := column[int64]{vals: []int64{maxSubstring}}
		if len(args) == 3 {
			length = columnOf[int64](args[2])
		}
		return func(dst []byte, i int) ([]byte, verdict) {
			s, says := substring(x.at(i), from.at(i), length.at(i))
			return append(dst, s...), says
		}
	})(b, args, out)
}

// substring cuts by code points. Position 0 is the one before the first, a negative one counts from the end, and a
// negative length reaches backwards.
func substring(s string, from, length int64) (string, verdict) {
	if says := supported("offset", from); says != fine {
		return "", says
	}
	if says := supported("length", length); says != fine {
		return "", says
	}
	n := int64(len(s))
	ascii := isASCII(s)
	if !ascii {
		n = int64(utf8.RuneCountInString(s))
	}
	start := from - 1
	if from < 0 {
		start = n + from
	}
	end := start + length
	if length < 0 {
		start, end = end, start
	}
	start, end = min(max(start, 0), n), min(max(end, 0), n)
	if start >= end {
		return "", fine
	}
	if ascii {
		return s[start:end], fine
	}
	lo := runeOffset(s, start)
	return s[lo : lo+runeOffset(s[lo:], end-start)], fine
}

func supported(what string, x int64) verdict {
	switch {
	case x > maxSubstring:
		return verdict("Out of Range Error: Substring " + what + " outside of supported range (> 4294967295)")
	case x < minSubstring:
		return verdict("Out of Range Error: Substring " + what + " outside of supported range (< -4294967296)")
	}
	return fine
}

// runeOffset is the byte offset of code point n of s, or its length.
func runeOffset(s string, n int64) int {
	for i := range s {
		if n == 0 {
			return i
		}
		n--
	}
	return len(s)
}

func leftText(args []*vec) func([]byte, int) ([]byte, verdict) {
	x, count := textsOf(args[0]), columnOf[int64](args[1])
	return func(dst []byte, i int) ([]byte, verdict) {
		s, n := x.at(i), count.at(i)
		if n >= 0 {
			s, says := substring(s, 1, n)
			return append(dst, s...), says
		}
		size := int64(utf8.RuneCountInString(s))
		return append(dst, s[:runeOffset(s, max(0, size+n))]...), fine
	}
}

func rightText(args []*vec) func([]byte, int) ([]byte, verdict) {
	x, count := textsOf(args[0]), columnOf[int64](args[1])
	return func(dst []byte, i int) ([]byte, verdict) {
		s, n := x.at(i), count.at(i)
		size := int64(utf8.RuneCountInString(s))
		skip := size - n
		if n < 0 {
			skip = size
			if n > -size {
				skip = -n
			}
		}
		return append(dst, s[runeOffset(s, max(0, skip)):]...), fine
	}
}

func replaceText(args []*vec) func([]byte, int) ([]byte, verdict) {
	x, old, by := textsOf(args[0]), textsOf(args[1]), textsOf(args[2])
	return func(dst []byte, i int) ([]byte, verdict) {
		s, from, to := x.at(i), old.at(i), by.at(i)
		if from == "" {
			return append(dst, s...), fine
		}
		for {
			at := strings.Index(s, from)
			if at < 0 {
				return append(dst, s...), fine
			}
			dst = append(append(dst, s[:at]...), to...)
			s = s[at+len(from):]
		}
	}
}

func repeatText(args []*vec) func([]byte, int) ([]byte, verdict) {
	x, count := textsOf(args[0]), columnOf[int64](args[1])
	return func(dst []byte, i int) ([]byte, verdict) {
		s, n := x.at(i), count.at(i)
		if s == "" || n <= 0 {
			return dst, fine
		}
		if n > maxText/int64(len(s)) {
			return dst, textTooLong
		}
		for range n {
			dst = append(dst, s...)
		}
		return dst, fine
	}
}

// padText cuts or fills a text to a length in code points.
func padText(left bool) func(args []*vec) func([]byte, int) ([]byte, verdict) {
	side := "RPAD"
	if left {
		side = "LPAD"
	}
	return func(args []*vec) func([]byte, int) ([]byte, verdict) {
		x, length, fill := textsOf(args[0]), columnOf[int32](args[1]), textsOf(args[2])
		return func(dst []byte, i int) ([]byte, verdict) {
			s, n, pad := x.at(i), int64(length.at(i)), fill.at(i)
			if n > maxText {
				return dst, textTooLong
			}
			have := int64(utf8.RuneCountInString(s))
			if have >= n {
				return append(dst, s[:runeOffset(s, max(0, n))]...), fine
			}
			if pad == "" {
				return dst, verdict("Invalid Input Error: Insufficient padding in " + side + ".")
			}
			if !left {
				dst = append(dst, s...)
			}
			for missing, per := n-have, int64(utf8.RuneCountInString(pad)); missing > 0; missing -= per {
				dst = append(dst, pad[:runeOffset(pad, min(missing, per))]...)
			}
			if left {
				dst = append(dst, s...)
			}
			return dst, fine
		}
	}
}

func chrText(args []*vec) func([]byte, int) ([]byte, verdict) {
	x := columnOf[int32](args[0])
	return func(dst []byte, i int) ([]byte, verdict) {
		r := x.at(i)
		if !utf8.ValidRune(r) {
			return dst, verdict("Invalid Input Error: Invalid UTF8 Codepoint " + show(r))
		}
		return utf8.AppendRune(dst, r), fine
	}
}

// splitElement is our name for array_extract(string_split(text, separator), n), which is what split_part becomes.
const splitElement = "split element"

// simplified rewrites forms whose parts have no native value but whose whole has.
func simplified(e *plan.Expr) *plan.Expr {
	if e.Kind != plan.Call || e.Type.Kind != row.String || len(e.Args) != 2 || e.Args[0].Kind != plan.Call || len(e.Args[0].Args) != 2 {
		return e
	}
	switch e.Name {
	case "array_extract", "list_extract", "list_element":
	default:
		return e
	}
	split := e.Args[0]
	switch split.Name {
	case "string_split", "str_split", "string_to_array", "split":
	default:
		return e
	}
	if sep := split.Args[1]; sep.Kind != plan.Constant || sep.Value.Null || sep.Value.S == "" || sep.Type.Kind != row.String {
		return e // an empty separator splits by what is one character to a reader
	}
	return plan.Fn(splitElement, e.Type, split.Args[0], split.Args[1], e.Args[1])
}

// splitBuilder gives part n of a text, from 1, or from the end for a negative n; null if there is none.
func splitBuilder(s *site) (native, bool) {
	sep, ok := s.text(1)
	if !ok || !s.is(row.String, row.String, row.Int64) {
		return native{}, false
	}
	return strict(toText(func(args []*vec) func([]byte, int) ([]byte, verdict) {
		x, index := textsOf(args[0]), columnOf[int64](args[2])
		return func(dst []byte, i int) ([]byte, verdict) {
			part, ok := splitPart(x.at(i), sep, index.at(i))
			return append(dst, part...), verdictIf(!ok, isNull)
		}
	}))
}

func splitPart(s, sep string, n int64) (part string, ok bool) {
	parts := int64(strings.Count(s, sep)) + 1
	if n < 0 {
		n += parts + 1
	}
	if n < 1 || n > parts {
		return "", false
	}
	for ; n > 1; n-- {
		s = s[strings.Index(s, sep)+len(sep):]
	}
	part, _, _ = strings.Cut(s, sep)
	return part, true
}
