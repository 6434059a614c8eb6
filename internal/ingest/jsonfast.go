package ingest

import (
	"encoding/binary"
	"math/bits"
)

// fast reads the event at the start of text in one pass, if it is flat, has no escapes and nothing wrong with it, and returns its
// length. Otherwise it returns 0, and half of a row may have to be undone: checking the syntax first and then walking takes twice as long, and most events
// need no message.
func (r *jsonReader) fast(text []byte) int {
	i := 1 // the opening brace
	var w jsonWalker
	for field := 0; ; field++ {
		if i = blanks(text, i); i >= len(text) {
			return 0
		}
		if field == 0 && text[i] == '}' {
			return i + 1
		}
		column := columnUnknown
		if field < len(r.learned) {
			if l := &r.learned[field]; len(text)-i > len(l.quoted) && string(text[i:i+len(l.quoted)]) == string(l.quoted) {
				column = l.column
				i += len(l.quoted)
			}
		}
		if column == columnUnknown {
			end := -1
			if text[i] == '"' {
				end = plainString(text, i+1)
			}
			if end < 0 {
				return 0
			}
			w.name = text[i+1 : end]
			if column = r.column(field, &w); column == columnUnknown {
				return 0
			}
			i = end + 1
		}
		if i = blanks(text, i); i >= len(text) || text[i] != ':' {
			return 0
		}
		i = blanks(text, i+1)
		if !w.plainValue(text, i) {
			return 0
		}
		if r.put(column, &w) != nil {
			return 0
		}
		if i = blanks(text, i+len(w.value)); i >= len(text) {
			return 0
		}
		switch text[i] {
		case ',':
			i++
		case '}':
			return i + 1
		default:
			return 0
		}
	}
}

// blanks returns the first position from i on that is no blank.
func blanks(text []byte, i int) int {
	for i < len(text) && text[i] <= ' ' && (text[i] == ' ' || text[i] == '\n' || text[i] == '\r' || text[i] == '\t') {
		i++
	}
	return i
}

// plainString returns the position of the quote that ends the string whose characters begin at i, or -1 if an escape, a control character or
// the end of text comes before it.
func plainString(text []byte, i int) int {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	for ; i+8 <= len(text); i += 8 {
		// A byte's high bit is set where it is a quote, a backslash or a control character; the lowest such bit is exact.
		x := binary.LittleEndian.Uint64(text[i:])
		quote, escape := x^ones*'"', x^ones*'\\'
		found := ((quote-ones)&^quote | (escape-ones)&^escape | (x-ones*' ')&^x) & highs
		if found == 0 {
			continue
		}
		if i += bits.TrailingZeros64(found) >> 3; text[i] == '"' {
			return i
		}
		return -1
	}
	for ; i < len(text); i++ {
		switch c := text[i]; {
		case c == '"':
			return i
		case c == '\\' || c < ' ':
			return -1
		}
	}
	return -1
}

// plainValue goes to the value at position i, checking its syntax; false is for nested values, for strings with escapes, and for what is no value.
func (w *jsonWalker) plainValue(text []byte, i int) bool {
	if i >= len(text) {
		return false
	}
	end := -1
	switch c := text[i]; c {
	case '"':
		w.kind = jsonString
		end = plainString(text, i+1) + 1
	case 't':
		w.kind = jsonTrue
		end = literal(text, i, "true")
	case 'f':
		w.kind = jsonFalse
		end = literal(text, i, "false")
	case 'n':
		w.kind = jsonNull
		end = literal(text, i, "null")
	default:
		w.kind = jsonNumber
		end = number(text, i)
	}
	if end <= i {
		return false
	}
	w.value = text[i:end]
	return true
}

func literal(text []byte, i int, word string) int {
	if end := i + len(word); end <= len(text) && string(text[i:end]) == word {
		return end
	}
	return -1
}

// number returns the end of the number at position i, or -1 if there is none. What follows it is not looked at.
func number(text []byte, i int) int {
	if i < len(text) && text[i] == '-' {
		i++
	}
	end := digits(text, i)
	if end == i || text[i] == '0' && end > i+1 {
		return -1
	}
	if end < len(text) && text[end] == '.' {
		frac := digits(text, end+1)
		if frac == end+1 {
			return -1
		}
		end = frac
	}
	if end < len(text) && text[end]|0x20 == 'e' {
		i = end + 1
		if i < len(text) && (text[i] == '+' || text[i] == '-') {
			i++
		}
		if end = digits(text, i); end == i {
			return -1
		}
	}
	return end
}

func digits(text []byte, i int) int {
	for i < len(text) && text[i]-'0' <= 9 {
		i++
	}
	return i
}
