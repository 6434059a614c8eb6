package ingest

import (
	"bytes"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/tidemill/tidemill/internal/row"
)

// depthMax bounds the nesting of an event.
const depthMax = 128

// jsonWalker goes through the fields of an object whose syntax has been checked.
type jsonWalker struct {
	text []byte
	at   int

	// Of the field at hand: its name without the quotes and its value with them, whether they have escapes, how deep the value is nested (0 for
	// none).
	name        []byte
	nameEscaped bool
	value       []byte
	kind        jsonKind
	escaped     bool
	depth       int
}

func (w *jsonWalker) skipBlanks() {
	for w.text[w.at] <= ' ' {
		w.at++
	}
}

// next goes to the next field; false means that there is none.
func (w *jsonWalker) next() bool {
	w.at++ // the opening brace
	if w.value != nil {
		w.at--
		w.skipBlanks()
		if w.text[w.at] == '}' {
			return false
		}
		w.at++ // the comma
	}
	w.skipBlanks()
	if w.text[w.at] == '}' {
		return false
	}
	start := w.at + 1
	w.nameEscaped = w.skipString()
	w.name = w.text[start : w.at-1]
	w.skipBlanks()
	w.at++ // the colon
	w.skipBlanks()
	w.skipValue()
	return true
}

// skipString goes behind the string at hand and reports whether it has escapes.
func (w *jsonWalker) skipString() (escaped bool) {
	text, i := w.text, w.at+1
	if end := plainString(text, i); end >= 0 {
		w.at = end + 1
		return false
	}
	for text[i] != '"' {
		if text[i] == '\\' {
			escaped = true
			i++
		}
		i++
	}
	w.at = i + 1
	return escaped
}

func (w *jsonWalker) skipValue() {
	start := w.at
	w.escaped, w.depth = false, 0
	switch w.text[start] {
	case '"':
		w.kind = jsonString
		w.escaped = w.skipString()
	case '{', '[':
		w.kind = jsonNested
		w.skipNested()
	case 't':
		w.kind = jsonTrue
		w.at += len("true")
	case 'f':
		w.kind = jsonFalse
		w.at += len("false")
	case 'n':
		w.kind = jsonNull
		w.at += len("null")
	default:
		w.kind = jsonNumber
		text, i := w.text, w.at
		for c := text[i]; c > ' ' && c != ',' && c != '}'; c = text[i] {
			i++
		}
		w.at = i
	}
	w.value = w.text[start:w.at]
}

func (w *jsonWalker) skipNested() {
	open := 0
	for {
		switch w.text[w.at] {
		case '"':
			if w.skipString() {
				w.escaped = true
			}
			continue
		case '{', '[':
			open++
			w.depth = max(w.depth, open)
		case '}', ']':
			open--
		}
		w.at++
		if open == 0 {
			return
		}
	}
}

// unquoteName appends the name without escapes; ok is false if it is no text.
func (w *jsonWalker) unquoteName(dst []byte) (out []byte, ok bool) {
	if !w.nameEscaped {
		return append(dst, w.name...), validText(w.name)
	}
	quoted := append(append([]byte{'"'}, w.name...), '"')
	return unquote(dst, quoted)
}

// unquote appends the value, a string, without quotes and escapes; ok is false if it is no text.
func (w *jsonWalker) unquote(dst []byte) (out []byte, ok bool) { return unquote(dst, w.value) }

func unquote(dst, quoted []byte) (out []byte, ok bool) {
	out, err := jsontext.AppendUnquote(dst, quoted)
	return out, err == nil && validText(out)
}

// isJSON reports whether strings go into a column as they are written, with their quotes.
func isJSON(s *sink, column int) bool { return s.f.Columns[column].Type.Kind == row.JSON }

// validEscapes reports whether the escapes of a value that is kept as it is stand for characters: a half of a surrogate pair does not.
func validEscapes(w *jsonWalker) bool {
	if !w.escaped || !bytes.Contains(w.value, []byte(`\u`)) {
		return true
	}
	return jsontext.Value(w.value).IsValid(jsontext.AllowDuplicateNames(true))
}
