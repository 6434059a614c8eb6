package duck

import "strings"

type tokenKind uint8

const (
	tokenWord   tokenKind = iota // identifier or keyword
	tokenQuoted                  // "identifier"
	tokenString                  // '…', E'…', $$…$$, x'…'
	tokenNumber
	tokenParam // $1, $name, ?
	tokenOp    // operator characters, :: and :=
	tokenPunct // one of ( ) [ ] { } , ; . :
)

// token is a lexical element of SQL; text is as written, without quotes for tokenQuoted.
type token struct {
	kind tokenKind
	text string
	pos  int // byte offset
}

func (t token) punct(c byte) bool { return t.kind == tokenPunct && t.text[0] == c }

// lexer splits SQL into tokens the way DuckDB's scanner does, leaving out comments. It accepts all
// input: what DuckDB would refuse comes out as some token.
type lexer struct {
	s  string
	at int
}

const operatorBytes = "+-*/<>=~!@%^&|`?#"

func (l *lexer) next() (token, bool) {
	l.skipBlank()
	if l.at >= len(l.s) {
		return token{}, false
	}
	start, c := l.at, l.s[l.at]
	tok := func(k tokenKind) (token, bool) { return token{k, l.s[start:l.at], start}, true }
	switch {
	case c == '\'':
		l.quoted('\'', false)
		return tok(tokenString)
	case c == '"':
		l.quoted('"', false)
		text := strings.TrimSuffix(l.s[start+1:l.at], `"`)
		return token{tokenQuoted, strings.ReplaceAll(text, `""`, `"`), start}, true
	case (c == 'e' || c == 'E' || c == 'x' || c == 'X') && l.peek(1) == '\'':
		l.at++
		l.quoted('\'', c == 'e' || c == 'E')
		return tok(tokenString)
	case isDigit(c) || c == '.' && isDigit(l.peek(1)):
		l.number()
		return tok(tokenNumber)
	case isWordStart(c):
		for l.at < len(l.s) && (isWordStart(l.s[l.at]) || isDigit(l.s[l.at]) || l.s[l.at] == '$') {
			l.at++
		}
		return tok(tokenWord)
	case c == '$':
		return tok(l.dollar())
	case c == '?':
		l.at++
		return tok(tokenParam)
	case c == ':' && (l.peek(1) == ':' || l.peek(1) == '='):
		l.at += 2
		return tok(tokenOp)
	case strings.IndexByte(operatorBytes, c) >= 0:
		l.operator()
		return tok(tokenOp)
	default:
		l.at++
		return tok(tokenPunct)
	}
}

func (l *lexer) peek(n int) byte {
	if l.at+n < len(l.s) {
		return l.s[l.at+n]
	}
	return 0
}

func (l *lexer) skipBlank() {
	for l.at < len(l.s) {
		switch c := l.s[l.at]; {
		case c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v':
			l.at++
		case c == '-' && l.peek(1) == '-':
			end := strings.IndexByte(l.s[l.at:], '\n')
			if end < 0 {
				l.at = len(l.s)
				return
			}
			l.at += end + 1
		case c == '/' && l.peek(1) == '*':
			l.blockComment()
		default:
			return
		}
	}
}

// blockComment skips a comment; comments nest.
func (l *lexer) blockComment() {
	for depth := 0; l.at < len(l.s); {
		switch {
		case l.s[l.at] == '/' && l.peek(1) == '*':
			depth++
			l.at += 2
		case l.s[l.at] == '*' && l.peek(1) == '/':
			depth--
			l.at += 2
			if depth == 0 {
				return
			}
		default:
			l.at++
		}
	}
}

// quoted skips text in quotes, in which a doubled quote stands for itself, and with escapes a
// backslash hides the next byte.
func (l *lexer) quoted(q byte, escapes bool) {
	for l.at++; l.at < len(l.s); l.at++ {
		switch c := l.s[l.at]; {
		case escapes && c == '\\':
			l.at++
		case c == q && l.peek(1) == q:
			l.at++
		case c == q:
			l.at++
			return
		}
	}
	l.at = min(l.at, len(l.s))
}

func (l *lexer) number() {
	for l.at < len(l.s) {
		c := l.s[l.at]
		if (c == '+' || c == '-') && l.at > 0 && (l.s[l.at-1] == 'e' || l.s[l.at-1] == 'E') {
			l.at++
			continue
		}
		if !isDigit(c) && !isWordStart(c) && c != '.' {
			return
		}
		l.at++
	}
}

// dollar reads $1, $name, or text in dollar quotes.
func (l *lexer) dollar() tokenKind {
	end := l.at + 1
	for end < len(l.s) && (isWordStart(l.s[end]) || isDigit(l.s[end])) {
		end++
	}
	tag := l.s[l.at:end]
	if end < len(l.s) && l.s[end] == '$' && (len(tag) == 1 || !isDigit(tag[1])) {
		tag = l.s[l.at : end+1]
		if close := strings.Index(l.s[end+1:], tag); close >= 0 {
			l.at = end + 1 + close + len(tag)
		} else {
			l.at = len(l.s)
		}
		return tokenString
	}
	l.at = end
	return tokenParam
}

// operator reads operator characters up to a comment. A trailing sign belongs to what follows ("a =-1").
func (l *lexer) operator() {
	start := l.at
	for l.at < len(l.s) && strings.IndexByte(operatorBytes, l.s[l.at]) >= 0 {
		if c := l.s[l.at]; l.at > start && (c == '-' && l.peek(1) == '-' || c == '/' && l.peek(1) == '*') {
			break
		}
		l.at++
	}
	if text := l.s[start:l.at]; len(text) > 1 && !strings.ContainsAny(text, "~!@#%^&|`?") {
		for l.at > start+1 && (l.s[l.at-1] == '+' || l.s[l.at-1] == '-') {
			l.at--
		}
	}
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func isWordStart(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' || c >= 0x80
}
