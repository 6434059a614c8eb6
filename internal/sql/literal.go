package sql

import (
	"strings"
	"unicode/utf8"
)

// Literal is a constant as it stands in a text.
type Literal struct {
	// Kind is how it is written. It is never WordValue.
	Kind ValueKind
	// Value is the text of a string, "true" or "false", the digits of a number without plus and
	// underscores, the text of an interval, the number of a parameter. Empty for NULL.
	Value string
	// Type is the type a literal is cast to, as it was written (DATE '2026-01-01', '2026-01-01'::DATE);
	// empty if there is none. An interval has none.
	Type string
}

// ParseLiteral recognises an expression that is nothing but a literal: NULL, a boolean, a number with an
// optional sign, a string, an interval, a parameter, or one of them with a type. It reports false for
// everything else, also for the forms whose meaning is better left to DuckDB (such as a cast of a
// negative number: the cast binds first).
func ParseLiteral(expr string) (Literal, bool) {
	p := &parser{text: expr, lex: lexer{text: expr}}
	p.advance()
	l, ok := p.literal()
	return l, ok && p.err == nil && p.tok.kind == eof
}

// literal takes a literal. Where it reports false, what it took is undefined.
func (p *parser) literal() (Literal, bool) {
	var l Literal
	signed := false
	switch {
	case p.tok.kind == number || p.isPunct("-") || p.isPunct("+"):
		signed = p.tok.kind != number
		l.Kind, l.Value = NumberValue, p.plainNumber()
	case p.tok.kind == param && p.text[p.tok.start] == '$':
		l.Kind, l.Value = ParamValue, p.word()[1:]
		p.advance()
	case p.tok.kind == str:
		if !p.literalString(&l) {
			return l, false
		}
	case p.is("NULL"):
		p.advance()
	case p.is("TRUE", "FALSE"):
		l.Kind, l.Value = BoolValue, Normalize(p.word())
		p.advance()
	case p.is("INTERVAL"):
		return p.literalInterval()
	case p.isName(p.tok) && p.peek().kind == str && p.peek().start != p.tok.end:
		l.Type = p.word()
		p.advance()
		if !p.literalString(&l) || l.Kind != StringValue {
			return l, false
		}
	default:
		return l, false
	}
	if p.isPunct("::") {
		if signed || l.Type != "" {
			return l, false
		}
		p.advance()
		l.Type = p.dataType("").SQL
	}
	return l, p.err == nil
}

// plainNumber is signedNumber without advice.
func (p *parser) plainNumber() string {
	sign := ""
	if p.isPunct("-") || p.isPunct("+") {
		sign = strings.TrimPrefix(p.word(), "+")
		p.advance()
	}
	if p.tok.kind != number {
		p.unexpected("a number")
		return ""
	}
	v := strings.ReplaceAll(p.word(), "_", "")
	p.advance()
	return sign + v
}

func (p *parser) literalString(l *Literal) bool {
	s := p.word()
	var ok bool
	l.Kind = StringValue
	l.Value, ok = decodeString(s)
	p.advance()
	return ok
}

// literalInterval takes an interval. A unit behind a text that is more than digits is left to DuckDB,
// which cuts fractions off.
func (p *parser) literalInterval() (Literal, bool) {
	next := p.peek()
	if next.kind != str && next.kind != number {
		return Literal{}, false
	}
	l := Literal{Kind: IntervalValue, Value: p.interval()}
	if p.err != nil || !wordStart(p.text[p.last-1]) {
		return l, p.err == nil
	}
	amount := l.Value[:strings.LastIndexByte(l.Value, ' ')]
	for i := range len(amount) {
		if !digit(amount[i]) {
			return l, false
		}
	}
	return l, amount != ""
}

// decodeString returns what a string literal stands for. It reports false for the escape sequences
// that DuckDB does not have or that make bytes which are no text.
func decodeString(s string) (string, bool) {
	switch c := lower(s[0]); {
	case c == '$':
		n := strings.IndexByte(s[1:], '$') + 2
		return s[n : len(s)-n], true
	case c == 'x' || c == 'b':
		return "", false
	case c == 'e':
		return decodeSegments(s, 2, true)
	}
	if body := s[1 : len(s)-1]; strings.IndexByte(body, '\'') < 0 {
		return body, true
	}
	return decodeSegments(s, 1, false)
}

// decodeSegments decodes a string whose text begins at i: it may hold doubled quotes and escapes and be
// continued on other lines.
func decodeSegments(s string, i int, escapes bool) (string, bool) {
	var b strings.Builder
	l := lexer{text: s}
	for i < len(s) {
		c := s[i]
		switch {
		case c == '\'' && l.at(i+1) == '\'':
			b.WriteByte('\'')
			i += 2
		case c == '\'':
			next, _ := l.blank(i + 1)
			i = next + 1
		case c == '\\' && escapes:
			n := decodeEscape(&b, s[i+1:])
			if n == 0 {
				return "", false
			}
			i += 1 + n
		default:
			b.WriteByte(c)
			i++
		}
	}
	return b.String(), utf8.ValidString(b.String()) && strings.IndexByte(b.String(), 0) < 0
}

// decodeEscape writes what an escape sequence stands for, s beginning behind its backslash, and returns
// its length, 0 for one that is not available.
func decodeEscape(b *strings.Builder, s string) int {
	c := s[0]
	switch c {
	case 'b':
		c = '\b'
	case 'f':
		c = '\f'
	case 'n':
		c = '\n'
	case 'r':
		c = '\r'
	case 't':
		c = '\t'
	case 'u', 'U':
		return 0
	case 'x':
		return decodeDigits(b, s, 1, 3, 16)
	case '0', '1', '2', '3', '4', '5', '6', '7':
		return decodeDigits(b, s, 0, 3, 8)
	}
	b.WriteByte(c)
	return 1
}

// decodeDigits writes the byte whose digits are s[from:to] or fewer.
func decodeDigits(b *strings.Builder, s string, from, to int, base int) int {
	v, i := 0, from
	for i < to && i < len(s) {
		d := strings.IndexByte("0123456789abcdef"[:base], lower(s[i]))
		if d < 0 {
			break
		}
		v = v*base + d
		i++
	}
	if i == from { // \x without digits is an x
		b.WriteByte(s[0])
		return 1
	}
	b.WriteByte(byte(v))
	return i
}
