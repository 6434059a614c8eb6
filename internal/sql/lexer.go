package sql

import "strings"

type kind uint8

const (
	eof    kind = iota
	word        // a bare identifier or keyword
	quoted      // "an identifier"
	str         // a string literal of any form
	number
	param // $1
	op    // one or more operator characters, also :: := and ..
	punct // one of ( ) [ ] { } , ; . :
	other
)

// token is a piece of the text, from byte start to byte end.
type token struct {
	kind       kind
	start, end int
}

// lexer cuts a text into DuckDB's tokens. It is a value: a copy looks ahead.
type lexer struct {
	text string
	pos  int
	// signs is the end of a run of plus and minus signs in front of which an operator was cut off: up
	// to there each is a token, and none looks at the rest of the run again.
	signs int
}

// maxOperator bounds a run of operator characters, as in DuckDB.
const maxOperator = 64

// next returns the next token; at the end of the text an eof token, again and again.
func (l *lexer) next() (token, *Error) {
	if err := l.skipSpace(); err != nil {
		return token{kind: eof, start: len(l.text), end: len(l.text)}, err
	}
	t := token{start: l.pos}
	var err *Error
	t.kind, err = l.scan()
	t.end = l.pos
	return t, err
}

func (l *lexer) scan() (kind, *Error) {
	if l.pos >= len(l.text) {
		return eof, nil
	}
	c := l.text[l.pos]
	switch {
	case c == '\'':
		return l.str(l.pos, true, false)
	case c == '"':
		return l.quoted()
	case (c == 'e' || c == 'E') && l.at(l.pos+1) == '\'':
		return l.str(l.pos+1, true, true)
	case (c == 'x' || c == 'X' || c == 'b' || c == 'B') && l.at(l.pos+1) == '\'':
		return l.str(l.pos+1, false, false)
	case wordStart(c):
		l.pos = l.wordEnd(l.pos, true)
		return word, nil
	case digit(c) || (c == '.' && digit(l.at(l.pos+1))):
		l.number()
		return number, nil
	case c == '$':
		return l.dollar()
	case c == '?' && digit(l.at(l.pos+1)):
		l.digits(l.pos + 1)
		return param, nil
	case strings.IndexByte("()[]{},;.:", c) >= 0:
		if two := l.text[l.pos:min(l.pos+2, len(l.text))]; two == "::" || two == ":=" || two == ".." {
			l.pos += 2
			return op, nil
		}
		l.pos++
		return punct, nil
	case operatorChar(c):
		return l.operator()
	}
	l.pos++
	return other, nil
}

// at returns the byte at an offset, 0 outside the text (which holds no NUL).
func (l *lexer) at(i int) byte {
	if i < len(l.text) {
		return l.text[i]
	}
	return 0
}

func wordStart(c byte) bool {
	return c == '_' || c >= 0x80 || (lower(c) >= 'a' && lower(c) <= 'z')
}

func operatorChar(c byte) bool { return strings.IndexByte("~!@^&|`+-*/%<>=", c) >= 0 }

// wordEnd returns the end of the word that starts at i.
func (l *lexer) wordEnd(i int, dollars bool) int {
	for i < len(l.text) {
		c := l.text[i]
		if c >= 0x80 && unicodeSpace(l.text[i:]) > 0 {
			break
		}
		if !wordStart(c) && !digit(c) && (c != '$' || !dollars) {
			break
		}
		i++
	}
	return i
}

// unicodeSpace returns the length in bytes of the space that s begins with if it is one of those that
// DuckDB takes as a blank beyond ASCII, else 0.
func unicodeSpace(s string) int {
	switch {
	case strings.HasPrefix(s, "\u00a0"):
		return 2
	case len(s) < 3:
		return 0
	case s[0] == 0xe2 && s[1] == 0x80 && s[2] >= 0x80 && s[2] <= 0x8b: // U+2000 … U+200B
		return 3
	case s[:3] == "\u202f", s[:3] == "\u205f", s[:3] == "\u2060", s[:3] == "\u3000", s[:3] == "\ufeff":
		return 3
	}
	return 0
}

// blank skips spaces and line comments from i and returns the end and whether a line ended in between.
func (l *lexer) blank(i int) (end int, newline bool) {
	for i < len(l.text) {
		switch c := l.text[i]; {
		case c == '\n' || c == '\r':
			newline = true
			i++
		case c == ' ' || c == '\t' || c == '\f':
			i++
		case c == '-' && l.at(i+1) == '-':
			n := strings.IndexAny(l.text[i:], "\n\r")
			if n < 0 {
				return len(l.text), newline
			}
			i += n
		case c >= 0x80 && unicodeSpace(l.text[i:]) > 0:
			i += unicodeSpace(l.text[i:])
		default:
			return i, newline
		}
	}
	return i, newline
}

// skipSpace skips spaces and comments of both kinds.
func (l *lexer) skipSpace() *Error {
	for {
		l.pos, _ = l.blank(l.pos)
		if l.at(l.pos) != '/' || l.at(l.pos+1) != '*' {
			return nil
		}
		start, depth := l.pos, 1
		i := l.pos + 2
		for depth > 0 {
			n := strings.IndexAny(l.text[i:], "*/")
			if n < 0 {
				l.pos = len(l.text)
				return newError(l.text, start, codeSyntax, "unterminated /* comment")
			}
			i += n
			switch {
			case l.text[i] == '*' && l.at(i+1) == '/':
				depth--
				i += 2
			case l.text[i] == '/' && l.at(i+1) == '*':
				depth++
				i += 2
			default:
				i++
			}
		}
		l.pos = i
	}
}

// str scans a string whose opening quote is at open. A doubled quote stands for a quote unless the
// string is a bit string; escapes are backslashes. Two strings with a line break between are one.
func (l *lexer) str(open int, doubling, escapes bool) (kind, *Error) {
	stops := "'"
	if escapes {
		stops = `'\`
	}
	start := l.pos
	for i := open + 1; ; {
		n := strings.IndexAny(l.text[min(i, len(l.text)):], stops)
		if n < 0 {
			l.pos = len(l.text)
			return eof, newError(l.text, start, codeSyntax, "unterminated quoted string at or near \"%s\"", shorten(l.text[start:]))
		}
		i += n
		if l.text[i] == '\\' {
			i += 2
			continue
		}
		if doubling && l.at(i+1) == '\'' {
			i += 2
			continue
		}
		l.pos = i + 1
		next, newline := l.blank(l.pos)
		if !newline || l.at(next) != '\'' {
			return str, nil
		}
		i = next + 1
	}
}

func (l *lexer) quoted() (kind, *Error) {
	start := l.pos
	for i := start + 1; ; i += 2 {
		n := strings.IndexByte(l.text[i:], '"')
		if n < 0 {
			l.pos = len(l.text)
			return eof, newError(l.text, start, codeSyntax, "unterminated quoted identifier at or near \"%s\"", shorten(l.text[start:]))
		}
		i += n
		if l.at(i+1) != '"' {
			l.pos = i + 1
			break
		}
	}
	if l.pos == start+2 {
		l.pos = len(l.text)
		return eof, newError(l.text, start, codeSyntax, "zero-length delimited identifier").hint("A name has at least one character.")
	}
	return quoted, nil
}

// dollar scans $1, $$text$$ and $tag$text$tag$, or a lone dollar sign.
func (l *lexer) dollar() (kind, *Error) {
	start := l.pos
	i := start + 1
	if digit(l.at(i)) {
		l.digits(i)
		return param, nil
	}
	if i < len(l.text) && wordStart(l.text[i]) {
		i = l.wordEnd(i, false)
	}
	if l.at(i) != '$' {
		l.pos = start + 1
		return other, nil
	}
	tag := l.text[start : i+1]
	n := strings.Index(l.text[i+1:], tag)
	if n < 0 {
		l.pos = len(l.text)
		return eof, newError(l.text, start, codeSyntax, "unterminated dollar-quoted string at or near \"%s\"", shorten(l.text[start:]))
	}
	l.pos = i + 1 + n + len(tag)
	return str, nil
}

// digits moves behind the digits at i, which may be grouped by single underscores.
func (l *lexer) digits(i int) {
	for digit(l.at(i)) || (l.at(i) == '_' && digit(l.at(i+1))) {
		i++
	}
	l.pos = i
}

func (l *lexer) number() {
	l.digits(l.pos)
	if l.at(l.pos) == '.' && l.at(l.pos+1) != '.' {
		l.pos++
		if digit(l.at(l.pos)) {
			l.digits(l.pos)
		}
	}
	if c := l.at(l.pos); c == 'e' || c == 'E' {
		i := l.pos + 1
		if l.at(i) == '+' || l.at(i) == '-' {
			i++
		}
		if digit(l.at(i)) {
			l.digits(i)
		}
	}
}

// operator scans an operator: it ends where a comment begins, and a plus or minus at its end is an
// operator of its own unless the operator has a character that no standard operator has.
func (l *lexer) operator() (kind, *Error) {
	if l.pos < l.signs {
		l.pos++
		return op, nil
	}
	start, end, special := l.pos, l.pos, -1
	for end < len(l.text) && operatorChar(l.text[end]) {
		c, next := l.text[end], l.at(end+1)
		if end > start && ((c == '-' && next == '-') || (c == '/' && next == '*')) {
			break
		}
		if special < 0 && strings.IndexByte("~!@^&|`%", c) >= 0 {
			special = end
		}
		end++
		if end-start > maxOperator {
			l.pos = len(l.text)
			return eof, newError(l.text, start, codeSyntax, "operator too long at or near \"%s\"", shorten(l.text[start:end])).
				hint("An operator has at most %d characters.", maxOperator)
		}
	}
	l.signs = end
	for end > start+1 && (l.text[end-1] == '+' || l.text[end-1] == '-') && (special < 0 || special > end-2) {
		end--
	}
	l.pos = end
	return op, nil
}
