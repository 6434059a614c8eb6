package pgcatalog

import "strings"

type tokenKind uint8

const (
	wordToken tokenKind = iota
	quotedToken
	stringToken
	numberToken
	paramToken
	opToken
	punctToken
)

// token is a piece of SQL text.
type token struct {
	kind tokenKind
	// lead is the space and the comments before the token.
	lead string
	text string
	// alias is the name that Postgres would give to a column made by the expression which begins here; empty
	// if that is left to DuckDB.
	alias string
}

// lower is the token's text as a name: bare words in lower case, quoted ones as they are.
func (t *token) lower() string {
	switch t.kind {
	case wordToken:
		return strings.ToLower(t.text)
	case quotedToken:
		return strings.ReplaceAll(t.text[1:len(t.text)-1], `""`, `"`)
	}
	return ""
}

// is reports whether the token is the given punctuation, operator or bare word (in lower case).
func (t *token) is(s string) bool {
	switch t.kind {
	case wordToken:
		return strings.EqualFold(t.text, s)
	case punctToken, opToken:
		return t.text == s
	}
	return false
}

func (t *token) name() bool { return t.kind == wordToken || t.kind == quotedToken }

// scan cuts a text into tokens; tail is the space behind the last one. ok is false where a string, name or comment is not closed.
func scan(text string) (tokens []token, tail string, ok bool) {
	tokens = make([]token, 0, len(text)/4+4)
	for pos := 0; ; {
		start, closed := skipSpace(text, pos)
		if !closed {
			return nil, "", false
		}
		if start == len(text) {
			return tokens, text[pos:], true
		}
		kind, end := scanToken(text, start)
		if end < 0 {
			return nil, "", false
		}
		tokens = append(tokens, token{kind: kind, lead: text[pos:start], text: text[start:end]})
		pos = end
	}
}

func skipSpace(s string, i int) (end int, closed bool) {
	for i < len(s) {
		switch {
		case s[i] == ' ' || s[i]-'\t' < 5:
			i++
		case strings.HasPrefix(s[i:], "--"):
			n := strings.IndexByte(s[i:], '\n')
			if n < 0 {
				return len(s), true
			}
			i += n + 1
		case strings.HasPrefix(s[i:], "/*"):
			if i = skipComment(s, i); i < 0 {
				return 0, false
			}
		default:
			return i, true
		}
	}
	return i, true
}

// skipComment returns the end of the comment, which may hold others, that begins at i.
func skipComment(s string, i int) int {
	for depth := 0; i+1 < len(s); {
		switch s[i : i+2] {
		case "/*":
			depth++
			i += 2
		case "*/":
			depth--
			i += 2
			if depth == 0 {
				return i
			}
		default:
			i++
		}
	}
	return -1
}

func scanToken(s string, i int) (tokenKind, int) {
	c := s[i]
	next := byte(0)
	if i+1 < len(s) {
		next = s[i+1]
	}
	switch {
	case c == '\'':
		return stringToken, quoteEnd(s, i, '\'', false)
	case (c == 'e' || c == 'E') && next == '\'':
		return stringToken, quoteEnd(s, i+1, '\'', true)
	case strings.IndexByte("xXbBnN", c) >= 0 && next == '\'':
		return stringToken, quoteEnd(s, i+1, '\'', false)
	case c == '"':
		return quotedToken, quoteEnd(s, i, '"', false)
	case wordStart(c):
		for i < len(s) && (wordStart(s[i]) || s[i]-'0' < 10 || s[i] == '$') {
			i++
		}
		return wordToken, i
	case c-'0' < 10 || c == '.' && next-'0' < 10:
		for i < len(s) && (s[i]-'0' < 10 || s[i] == '.' || wordStart(s[i])) {
			i++
		}
		return numberToken, i
	case c == '$':
		return dollar(s, i)
	case strings.HasPrefix(s[i:], "::"):
		return opToken, i + 2
	case operatorChar(c):
		return opToken, operatorEnd(s, i)
	}
	return punctToken, i + 1
}

func wordStart(c byte) bool { return c|0x20-'a' < 26 || c == '_' || c >= 0x80 }

func operatorChar(c byte) bool { return strings.IndexByte("+-*/<>=~!@#%^&|`?", c) >= 0 }

func operatorEnd(s string, i int) int {
	for begin := i; i < len(s) && operatorChar(s[i]); i++ {
		if i > begin && (strings.HasPrefix(s[i:], "--") || strings.HasPrefix(s[i:], "/*")) {
			break
		}
	}
	return i
}

// quoteEnd returns the end of what the quote at i begins, -1 if it is not closed.
func quoteEnd(s string, i int, quote byte, escapes bool) int {
	for i++; i < len(s); i++ {
		switch {
		case s[i] == '\\' && escapes:
			i++
		case s[i] != quote:
		case i+1 < len(s) && s[i+1] == quote:
			i++
		default:
			return i + 1
		}
	}
	return -1
}

// dollar scans $1 and $tag$…$tag$.
func dollar(s string, i int) (tokenKind, int) {
	end := i + 1
	for end < len(s) && s[end]-'0' < 10 {
		end++
	}
	if end > i+1 {
		return paramToken, end
	}
	for end < len(s) && (wordStart(s[end]) || s[end]-'0' < 10) {
		end++
	}
	if end == len(s) || s[end] != '$' {
		return punctToken, i + 1
	}
	tag := s[i : end+1]
	n := strings.Index(s[end+1:], tag)
	if n < 0 {
		return stringToken, -1
	}
	return stringToken, end + 1 + n + len(tag)
}
