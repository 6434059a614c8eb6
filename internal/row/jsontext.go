package row

import "unicode/utf8"

// jsonDialect says which texts count as JSON.
type jsonDialect bool

const (
	jsonStrict jsonDialect = false
	// jsonDuckDB also takes trailing commas and inf, infinity and nan in any case.
	jsonDuckDB jsonDialect = true
)

// scanJSON checks that s is one JSON value between blanks, without recursion; at is the first byte that is wrong.
func scanJSON(s []byte, dialect jsonDialect) (at int, ok bool) {
	p := jsonScanner{text: s, dialect: dialect}
	p.stack = p.small[:0]
	ok = p.document()
	return p.at, ok
}

type jsonScanner struct {
	text    []byte
	at      int
	dialect jsonDialect
	stack   []byte // the open brackets
	small   [64]byte
}

func (p *jsonScanner) skipBlanks() {
	for p.at < len(p.text) {
		if c := p.text[p.at]; c != ' ' && c != '\n' && c != '\t' && c != '\r' {
			return
		}
		p.at++
	}
}

func (p *jsonScanner) document() bool {
	for {
		closed, ok := p.value()
		if !ok {
			return false
		}
		if closed {
			if ok, done := p.afterValue(); !ok || done {
				return ok
			}
		}
	}
}

// value reads a scalar, or the start of an array or object with the first key; closed says that a value has ended.
func (p *jsonScanner) value() (closed, ok bool) {
	p.skipBlanks()
	if p.at == len(p.text) {
		return false, false
	}
	switch c := p.text[p.at]; {
	case c == '{' || c == '[':
		p.at++
		p.stack = append(p.stack, c)
		p.skipBlanks()
		if p.at < len(p.text) && p.text[p.at] == c+2 {
			p.at++
			p.stack = p.stack[:len(p.stack)-1]
			return true, true
		}
		return false, c == '[' || p.key()
	case c == '"':
		return true, p.str()
	case c == '-' || isDigit(c):
		return true, p.number()
	default:
		return true, p.word()
	}
}

// afterValue reads the commas and closing brackets up to the next value; done says that the document has ended.
func (p *jsonScanner) afterValue() (ok, done bool) {
	for {
		p.skipBlanks()
		if len(p.stack) == 0 {
			return p.at == len(p.text), true
		}
		open := p.stack[len(p.stack)-1]
		if p.at == len(p.text) {
			return false, false
		}
		if p.text[p.at] == ',' {
			p.at++
			p.skipBlanks()
			trailing := p.dialect == jsonDuckDB && p.at < len(p.text) && p.text[p.at] == open+2
			if !trailing {
				return open == '[' || p.key(), false
			}
		}
		if p.text[p.at] != open+2 {
			return false, false
		}
		p.at++
		p.stack = p.stack[:len(p.stack)-1]
	}
}

func (p *jsonScanner) key() bool {
	p.skipBlanks()
	if p.at == len(p.text) || p.text[p.at] != '"' || !p.str() {
		return false
	}
	p.skipBlanks()
	if p.at == len(p.text) || p.text[p.at] != ':' {
		return false
	}
	p.at++
	return true
}

func (p *jsonScanner) str() bool {
	for p.at++; p.at < len(p.text); {
		switch c := p.text[p.at]; {
		case c == '"':
			p.at++
			return true
		case c == '\\':
			if !p.escape() {
				return false
			}
		case c < ' ':
			return false
		case c < utf8.RuneSelf:
			p.at++
		default:
			r, n := utf8.DecodeRune(p.text[p.at:])
			if r == utf8.RuneError && n == 1 {
				return false
			}
			p.at += n
		}
	}
	return false
}

func (p *jsonScanner) escape() bool {
	rest := p.text[p.at:]
	if len(rest) < 2 {
		return false
	}
	switch rest[1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		p.at += 2
		return true
	case 'u':
	default:
		return false
	}
	unit, ok := hexUnit(rest)
	if !ok || unit>>10 == 0xdc00>>10 {
		return false
	}
	p.at += 6
	if unit>>10 != 0xd800>>10 {
		return true
	}
	low, ok := hexUnit(rest[6:])
	p.at += 6
	return ok && low>>10 == 0xdc00>>10
}

// hexUnit reads \uXXXX.
func hexUnit(s []byte) (unit uint16, ok bool) {
	if len(s) < 6 || s[0] != '\\' || s[1] != 'u' {
		return 0, false
	}
	for _, c := range s[2:6] {
		d := hexDigit(c)
		if d > 15 {
			return 0, false
		}
		unit = unit<<4 | uint16(d)
	}
	return unit, true
}

func (p *jsonScanner) digits() bool {
	start := p.at
	for p.at < len(p.text) && isDigit(p.text[p.at]) {
		p.at++
	}
	return p.at > start
}

func (p *jsonScanner) number() bool {
	if p.text[p.at] == '-' {
		p.at++
		if p.at < len(p.text) && !isDigit(p.text[p.at]) {
			return p.dialect == jsonDuckDB && p.floatWord()
		}
	}
	zero := p.at < len(p.text) && p.text[p.at] == '0'
	start := p.at
	if !p.digits() || zero && p.at > start+1 {
		return false
	}
	if p.at < len(p.text) && p.text[p.at] == '.' {
		p.at++
		if !p.digits() {
			return false
		}
	}
	if p.at < len(p.text) && p.text[p.at]|0x20 == 'e' {
		p.at++
		if p.at < len(p.text) && (p.text[p.at] == '+' || p.text[p.at] == '-') {
			p.at++
		}
		return p.digits()
	}
	return true
}

func (p *jsonScanner) word() bool {
	for _, w := range [...]string{"true", "false", "null"} {
		if end := p.at + len(w); end <= len(p.text) && string(p.text[p.at:end]) == w {
			p.at = end
			return true
		}
	}
	return p.dialect == jsonDuckDB && p.floatWord()
}

func (p *jsonScanner) floatWord() bool {
	for _, w := range [...]string{"infinity", "inf", "nan"} {
		if hasPrefixFoldASCII(p.text[p.at:], w) {
			p.at += len(w)
			return true
		}
	}
	return false
}
