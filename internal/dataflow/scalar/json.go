package scalar

import (
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/tidemill/tidemill/internal/row"
)

// jsonTable holds extraction from JSON text by a constant path.
//
// Rows with results that DuckDB writes anew (objects, arrays, numbers with a fraction), and whatever is not strict JSON, are computed by
// the fallback.
func jsonTable() registry {
	text, doc := jsonBuilder(true), jsonBuilder(false)
	return registry{
		"->>": text, "json_extract_string": text, "json_extract_path_text": text,
		"->": doc, "json_extract": doc, "json_extract_path": doc,
	}
}

func jsonBuilder(asText bool) builder {
	want := row.JSON
	if asText {
		want = row.String
	}
	return func(s *site) (native, bool) {
		if len(s.args) != 2 || s.kind(0) != row.JSON && s.kind(0) != row.String || s.typ.Kind != want {
			return native{}, false
		}
		path, ok := constantPath(s)
		if !ok {
			return native{}, false
		}
		k := jsonKernel(path, asText, s.kind(0) == row.JSON)
		return native{run: k, partial: true}, true
	}
}

// jsonStep is a key, or for an empty key with index >= 0 a position.
type jsonStep struct {
	key   string
	index int
}

// constantPath reads a path of keys and positions; ok is false for those that only DuckDB knows.
func constantPath(s *site) (path []jsonStep, ok bool) {
	if v := s.konst[1]; s.kind(1) == row.Int64 && v != nil && !v.Null {
		if v.I < 0 || v.I > 1<<30 {
			return nil, false
		}
		return []jsonStep{{index: int(v.I)}}, true
	}
	text, ok := s.text(1)
	switch {
	case !ok || text == "" || text[0] == '/':
		return nil, false
	case text[0] != '$':
		return []jsonStep{{key: text, index: -1}}, true
	}
	for rest := text[1:]; rest != ""; {
		var step jsonStep
		if step, rest, ok = nextStep(rest); !ok {
			return nil, false
		}
		path = append(path, step)
	}
	return path, true
}

// nextStep reads .key, ."key" or [n].
func nextStep(s string) (step jsonStep, rest string, ok bool) {
	step.index = -1
	switch {
	case strings.HasPrefix(s, `."`):
		step.key, rest, ok = strings.Cut(s[2:], `"`)
		return step, rest, ok && step.key != "" && !strings.Contains(step.key, `\`)
	case s[0] == '.':
		n := 1
		for n < len(s) && (s[n] == '_' || s[n] >= utf8.RuneSelf || '0' <= s[n] && s[n] <= '9' || 'a' <= s[n]|0x20 && s[n]|0x20 <= 'z') {
			n++
		}
		step.key = s[1:n]
		return step, s[n:], n > 1 && (n == len(s) || s[n] == '.' || s[n] == '[')
	case s[0] == '[':
		digits, rest, found := strings.Cut(s[1:], "]")
		if !found || digits == "" || len(digits) > 9 {
			return step, "", false
		}
		step.index = 0
		for _, c := range []byte(digits) {
			if c < '0' || c > '9' {
				return step, "", false
			}
			step.index = step.index*10 + int(c-'0')
		}
		return step, rest, true
	}
	return step, "", false
}

// jsonKernel extracts by path. A trusted document is known to be JSON, so reading ends at the value found.
func jsonKernel(path []jsonStep, asText, trusted bool) kernel {
	return func(b *block, args []*vec, out *vec) {
		docs, w := textsOf(args[0]), writeTexts(out, b.n, 16*b.n)
		for i := range b.n {
			if !b.wants(out, i) {
				w.end()
				continue
			}
			start := len(w.buf)
			var got jsonResult
			w.buf, got = extract(w.buf, docs.at(i), path, asText, trusted)
			switch got {
			case jsonNothing:
				out.setNull(i, b.n)
			case jsonHard:
				w.buf = w.buf[:start]
				b.hard = append(b.hard, int32(i))
			}
			w.end()
			if w.full(b) {
				break
			}
		}
		w.finish(b)
	}
}

type jsonResult uint8

const (
	jsonFound   jsonResult = iota
	jsonNothing            // no such value, or as text null
	jsonHard               // for the fallback
)

// extract appends the value at path in doc.
func extract(dst []byte, doc string, path []jsonStep, asText, trusted bool) ([]byte, jsonResult) {
	p := jsonReader{s: doc}
	lo, hi, ok := p.find(path, trusted)
	if !ok {
		return dst, jsonHard
	}
	if !trusted || lo < 0 {
		p.blanks()
		if p.i != len(doc) {
			return dst, jsonHard
		}
	}
	if lo < 0 {
		return dst, jsonNothing
	}
	value := doc[lo:hi]
	switch value[0] {
	case '{', '[':
		return dst, jsonHard
	case 'n':
		if asText {
			return dst, jsonNothing
		}
		return append(dst, value...), jsonFound
	case 't', 'f':
		return append(dst, value...), jsonFound
	case '"':
		return appendJSONText(dst, value, asText)
	}
	if len(value) > 18 || value == "-0" || strings.ContainsAny(value, ".eE") {
		return dst, jsonHard
	}
	return append(dst, value...), jsonFound
}

// appendJSONText appends a quoted text, or its meaning.
func appendJSONText(dst []byte, quoted string, meaning bool) ([]byte, jsonResult) {
	if !strings.Contains(quoted, `\`) {
		if meaning {
			quoted = quoted[1 : len(quoted)-1]
		}
		return append(dst, quoted...), jsonFound
	}
	if !meaning {
		return dst, jsonHard
	}
	return AppendUnescaped(dst, quoted[1:len(quoted)-1]), jsonFound
}

// AppendUnescaped appends what the inside of a valid JSON string means.
func AppendUnescaped(dst []byte, s string) []byte {
	for i := 0; i < len(s); {
		if s[i] != '\\' {
			dst = append(dst, s[i])
			i++
			continue
		}
		switch c := s[i+1]; c {
		case 'b':
			dst = append(dst, '\b')
		case 'f':
			dst = append(dst, '\f')
		case 'n':
			dst = append(dst, '\n')
		case 'r':
			dst = append(dst, '\r')
		case 't':
			dst = append(dst, '\t')
		case 'u':
			r := rune(hex4(s[i+2:]))
			if utf16.IsSurrogate(r) {
				r = utf16.DecodeRune(r, rune(hex4(s[i+8:])))
				i += 6
			}
			dst = utf8.AppendRune(dst, r)
			i += 4
		default:
			dst = append(dst, c)
		}
		i += 2
	}
	return dst
}

// hex4 reads four hexadecimal digits, or gives -1.
func hex4(s string) (x int) {
	if len(s) < 4 {
		return -1
	}
	for _, c := range []byte(s[:4]) {
		x <<= 4
		switch {
		case '0' <= c && c <= '9':
			x |= int(c - '0')
		case 'a' <= c|0x20 && c|0x20 <= 'f':
			x |= int(c|0x20-'a') + 10
		default:
			return -1
		}
	}
	return x
}

// jsonDepth is how deeply nested documents are read here.
const jsonDepth = 100

// jsonReader reads strict JSON; its methods report false for anything else.
type jsonReader struct {
	s     string
	i     int
	depth int
}

func (p *jsonReader) blanks() {
	for p.i < len(p.s) {
		switch p.s[p.i] {
		case ' ', '\t', '\n', '\r':
			p.i++
		default:
			return
		}
	}
}

func (p *jsonReader) next(c byte) bool {
	p.blanks()
	if p.i < len(p.s) && p.s[p.i] == c {
		p.i++
		return true
	}
	return false
}

// find reads one value and, in it, the value at path: doc[lo:hi], lo < 0 if there is none. With early set it stops there.
func (p *jsonReader) find(path []jsonStep, early bool) (lo, hi int, ok bool) {
	p.blanks()
	if len(path) == 0 {
		lo = p.i
		ok = p.skip()
		return lo, p.i, ok
	}
	if p.i == len(p.s) {
		return -1, 0, false
	}
	step := &path[0]
	switch {
	case p.s[p.i] == '{' && step.index < 0:
		return p.findKey(step.key, path[1:], early)
	case p.s[p.i] == '[' && step.index >= 0:
		return p.findIndex(step.index, path[1:], early)
	}
	return -1, 0, p.skip()
}

func (p *jsonReader) findKey(key string, rest []jsonStep, early bool) (lo, hi int, ok bool) {
	lo = -1
	p.i++
	if p.next('}') {
		return lo, 0, true
	}
	for seen := false; ; {
		p.blanks()
		from := p.i
		if !p.text() {
			return -1, 0, false
		}
		name := p.s[from+1 : p.i-1]
		if !p.next(':') || strings.Contains(name, `\`) {
			return -1, 0, false
		}
		if !seen && name == key {
			seen = true
			if lo, hi, ok = p.find(rest, early); !ok || early && lo >= 0 {
				return lo, hi, ok
			}
		} else if !p.skip() {
			return -1, 0, false
		}
		if p.next(',') {
			continue
		}
		return lo, hi, p.next('}')
	}
}

func (p *jsonReader) findIndex(index int, rest []jsonStep, early bool) (lo, hi int, ok bool) {
	lo = -1
	p.i++
	if p.next(']') {
		return lo, 0, true
	}
	for n := 0; ; n++ {
		if n == index {
			if lo, hi, ok = p.find(rest, early); !ok || early && lo >= 0 {
				return lo, hi, ok
			}
		} else if !p.skip() {
			return -1, 0, false
		}
		if p.next(',') {
			continue
		}
		return lo, hi, p.next(']')
	}
}

// skip reads one value.
func (p *jsonReader) skip() bool {
	p.blanks()
	if p.i == len(p.s) {
		return false
	}
	switch c := p.s[p.i]; c {
	case '"':
		return p.text()
	case '{', '[':
		p.depth++
		ok := p.depth < jsonDepth && p.skipNested(c)
		p.depth--
		return ok
	case 't':
		return p.word("true")
	case 'f':
		return p.word("false")
	case 'n':
		return p.word("null")
	}
	return p.number()
}

func (p *jsonReader) skipNested(open byte) bool {
	p.i++
	if p.next(open + 2) {
		return true
	}
	for {
		if open == '{' {
			p.blanks()
			if !p.text() || !p.next(':') {
				return false
			}
		}
		if !p.skip() {
			return false
		}
		if p.next(',') {
			continue
		}
		return p.next(open + 2)
	}
}

func (p *jsonReader) word(w string) bool {
	if !strings.HasPrefix(p.s[p.i:], w) {
		return false
	}
	p.i += len(w)
	return true
}

func (p *jsonReader) digits() bool {
	from := p.i
	for p.i < len(p.s) && p.s[p.i]-'0' < 10 {
		p.i++
	}
	return p.i > from
}

func (p *jsonReader) number() bool {
	if p.s[p.i] == '-' {
		p.i++
	}
	from := p.i
	if !p.digits() || p.s[from] == '0' && p.i > from+1 {
		return false
	}
	if p.i < len(p.s) && p.s[p.i] == '.' {
		p.i++
		if !p.digits() {
			return false
		}
	}
	if p.i < len(p.s) && p.s[p.i]|0x20 == 'e' {
		p.i++
		if p.i < len(p.s) && (p.s[p.i] == '+' || p.s[p.i] == '-') {
			p.i++
		}
		return p.digits()
	}
	return true
}

// text reads a quoted text.
func (p *jsonReader) text() bool {
	if p.i == len(p.s) || p.s[p.i] != '"' {
		return false
	}
	for p.i++; p.i < len(p.s); p.i++ {
		switch c := p.s[p.i]; {
		case c == '"':
			p.i++
			return true
		case c < ' ':
			return false
		case c == '\\':
			if !p.escape() {
				return false
			}
		}
	}
	return false
}

// escape reads what follows a backslash up to its last byte.
func (p *jsonReader) escape() bool {
	p.i++
	if p.i == len(p.s) {
		return false
	}
	switch p.s[p.i] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return true
	case 'u':
	default:
		return false
	}
	r := hex4(p.s[p.i+1:])
	if r < 0 {
		return false
	}
	p.i += 4
	if !utf16.IsSurrogate(rune(r)) {
		return true
	}
	if !strings.HasPrefix(p.s[p.i+1:], `\u`) {
		return false
	}
	low := hex4(p.s[p.i+3:])
	p.i += 6
	return low >= 0 && utf16.DecodeRune(rune(r), rune(low)) != utf8.RuneError
}
