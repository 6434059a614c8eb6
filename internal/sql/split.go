package sql

import (
	"strings"
	"unicode/utf8"
)

// Fragment is one statement of a text.
type Fragment struct {
	// Text is the statement without the semicolon behind it. Comments before, in and behind it are kept.
	Text string
	// Pos is its byte offset in the whole text.
	Pos int
}

// Split cuts a text into statements at the semicolons that are not part of a string, a quoted
// identifier or a comment. Statements of spaces and comments only are left out. It does not look
// further into a statement; Parse does. An error is an *Error.
func Split(text string) ([]Fragment, error) {
	if err := checkText(text); err != nil {
		return nil, err
	}
	var list []Fragment
	l := lexer{text: text}
	begin, empty := 0, true
	for {
		t, err := l.next()
		if err != nil {
			return nil, err
		}
		semicolon := t.kind == punct && text[t.start] == ';'
		if !semicolon && t.kind != eof {
			empty = false
			continue
		}
		if !empty {
			list = append(list, trimmed(text, begin, t.start))
		}
		if t.kind == eof {
			return list, nil
		}
		begin, empty = t.end, true
	}
}

// trimmed is the fragment between two offsets without the ASCII spaces around it.
func trimmed(text string, begin, end int) Fragment {
	const spaces = " \t\n\r\f"
	s := strings.TrimLeft(text[begin:end], spaces)
	pos := end - len(s)
	return Fragment{Text: strings.TrimRight(s, spaces), Pos: pos}
}

// checkText refuses bytes that cannot be part of a text.
func checkText(text string) *Error {
	if i := strings.IndexByte(text, 0); i >= 0 {
		return newError(text, i, codeBadText, "invalid byte in the SQL text: 0x00")
	}
	if utf8.ValidString(text) {
		return nil
	}
	for i, r := range text {
		if r == utf8.RuneError {
			if _, n := utf8.DecodeRuneInString(text[i:]); n == 1 {
				return newError(text, i, codeBadText, "invalid byte sequence for encoding \"UTF8\": 0x%02x", text[i]).
					hint("Send the SQL text in UTF-8.")
			}
		}
	}
	return nil
}
