package ingest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/tidemill/tidemill/internal/fault"
)

// jsonReader reads events in JSON. Plain events take a fast way (see fast). For all others, and to say what is wrong with an event, jsontext checks
// the syntax, and what it has passed is then walked without further checks.
type jsonReader struct {
	s     *sink
	cloud bool // events are CloudEvents in JSON
	body  []byte
	dec   jsontext.Decoder
	buf   bytes.Buffer
	// learned has the column of each field by its position in the events before: events of one source have their fields in one order.
	learned []learnedField
	name    []byte
	attrs   []cloudAttribute
}

type learnedField struct {
	quoted []byte // the name in quotes
	column int
}

func newJSONReader(body []byte, s *sink) *jsonReader {
	s.checkText(body)
	return &jsonReader{s: s, body: body}
}

// decodeJSON reads an object or an array of objects, of plain events or CloudEvents.
func decodeJSON(body []byte, media string, s *sink) error {
	r := newJSONReader(body, s)
	r.cloud = media == typeCloud || media == typeCloudBatch
	at := blanks(body, 0)
	if at == len(body) {
		return fault.New(fault.InvalidText, "the body is empty").WithHint("send an object or an array of objects")
	}
	if body[at] == '[' {
		return r.array(at + 1)
	}
	end, p, err := r.value(0, at, len(body), false)
	switch {
	case err != nil:
		return err
	case p != nil:
		s.reject(0, p, body[at:])
	default:
		r.trailing(1, end)
	}
	return nil
}

// array reads the elements of an array from position at on.
func (r *jsonReader) array(at int) error {
	body := r.body
	r.s.reserve(1 + len(body)/128)
	for i := 0; ; i++ {
		at = blanks(body, at)
		if i == 0 && at < len(body) && body[at] == ']' {
			r.trailing(i, at+1)
			return nil
		}
		end, p, err := r.value(i, at, len(body), false)
		if err != nil {
			return err
		}
		if p != nil {
			r.cutOff(i, at, p)
			return nil
		}
		switch at = blanks(body, end); {
		case at < len(body) && body[at] == ',':
			at++
		case at < len(body) && body[at] == ']':
			r.trailing(i+1, at+1)
			return nil
		case at == len(body):
			r.cutOff(i+1, at, malformed(io.ErrUnexpectedEOF))
			return nil
		default:
			r.cutOff(i+1, at, &problem{code: codeMalformed, message: "malformed JSON: neither a comma nor the end of the array follows an element"})
			return nil
		}
	}
}

// cutOff refuses all of an array from position at on, as event number index.
func (r *jsonReader) cutOff(index, at int, p *problem) {
	p.message += "; the rest of the array cannot be read"
	r.s.begin()
	r.s.reject(index, p, r.body[at:])
}

// trailing refuses what follows a body's JSON value, which ends at position at, as event number index.
func (r *jsonReader) trailing(index, at int) {
	if at = blanks(r.body, at); at < len(r.body) {
		r.s.begin()
		r.s.reject(index, &problem{code: codeMalformed, message: "text follows the JSON value; send several events as an array, or one per line as " + typeNDJSON}, r.body[at:])
	}
}

// decodeNDJSON reads an object per line. Blank lines are no events.
func decodeNDJSON(body []byte, s *sink) error {
	r := newJSONReader(body, s)
	s.reserve(1 + bytes.Count(body, []byte{'\n'}))
	for at := 0; at < len(body); {
		end := len(body)
		if n := bytes.IndexByte(body[at:], '\n'); n >= 0 {
			end = at + n
		}
		if at = blanks(body[:end], at); at < end {
			if err := r.line(at, end); err != nil {
				return err
			}
		}
		at = end + 1
	}
	return nil
}

// line reads the event that is at body[lo:hi], but for blanks at the end. With more on the line it is refused as a whole.
func (r *jsonReader) line(lo, hi int) error {
	for blanks(r.body[:hi], hi-1) == hi {
		hi--
	}
	index := r.s.out.Events
	p := r.s.tooLarge(hi - lo)
	if p == nil {
		var err error
		if _, p, err = r.value(index, lo, hi, true); err != nil || p == nil {
			return err
		}
	}
	r.s.begin()
	r.s.reject(index, p, r.body[lo:hi])
	return nil
}

// value reads event number index, which begins at body[lo] and ends before hi, and returns where it ends. If it is malformed, p says why, and the event is still to be
// refused. With whole set it must end at hi.
func (r *jsonReader) value(index, lo, hi int, whole bool) (end int, p *problem, err error) {
	if lo < hi && r.body[lo] == '{' && !r.cloud {
		r.s.begin()
		if n := r.fast(r.body[lo:hi]); n > 0 && n <= r.s.f.eventMax() && (!whole || lo+n == hi) {
			if p, err = r.s.commit(index); p == nil {
				return lo + n, nil, err
			}
		}
		r.s.undo()
	}
	return r.checked(index, lo, hi, whole)
}

// checked is value without the fast way.
func (r *jsonReader) checked(index, lo, hi int, whole bool) (end int, p *problem, err error) {
	// UTF-8 is checked per event, so that a bad event in an array does not spoil the rest; names are checked against the columns.
	r.buf = *bytes.NewBuffer(r.body[lo:hi:hi])
	r.dec.Reset(&r.buf, jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	v, syntax := r.dec.ReadValue()
	if syntax != nil {
		r.s.begin()
		return 0, malformed(syntax), nil
	}
	if end = lo + int(r.dec.InputOffset()); whole && end < hi {
		r.s.begin()
		return end, &problem{code: codeMalformed, message: "text follows the JSON value; there is one event per line"}, nil
	}
	return end, nil, r.event(index, v)
}

// malformed says where an event is not JSON.
func malformed(err error) *problem {
	p := &problem{code: codeMalformed, message: "malformed JSON"}
	var syntax *jsontext.SyntacticError
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF):
		p.message += ": it ends too early"
	case errors.As(err, &syntax) && syntax.Err != nil:
		p.message += ": " + clip(strings.TrimPrefix(syntax.Err.Error(), "jsontext: "))
		if syntax.JSONPointer != "" {
			p.message += fmt.Sprintf(" at %q", clip(string(syntax.JSONPointer)))
		}
	}
	return p
}

// event reads event number index, whose syntax is right.
func (r *jsonReader) event(index int, v []byte) error {
	s := r.s
	s.begin()
	p := s.tooLarge(len(v))
	switch {
	case p != nil:
	case v[0] != '{':
		p = &problem{code: codeMalformed, message: "an event is an object, not " + clip(v)}
	case r.cloud:
		p = r.cloudEvent(v)
	default:
		p = r.object(v)
	}
	return s.end(index, p, v)
}

// end keeps the event at hand, or refuses it if it has a problem.
func (s *sink) end(index int, p *problem, event []byte) error {
	if p == nil {
		var err error
		if p, err = s.commit(index); err != nil {
			return err
		}
	}
	if p != nil {
		s.reject(index, p, event)
	}
	return nil
}

// object puts the fields of an object, whose syntax is right, into the columns of their names.
func (r *jsonReader) object(v []byte) *problem {
	w := jsonWalker{text: v}
	for field := 0; w.next(); field++ {
		column := r.column(field, &w)
		if column == columnUnknown {
			name, ok := w.unquoteName(r.name[:0])
			r.name = name
			if !ok {
				return badName()
			}
			return r.s.unknownColumn(name)
		}
		if p := r.put(column, &w); p != nil {
			return p
		}
	}
	return nil
}

func badName() *problem {
	return &problem{code: codeMalformed, message: "the name of a field is not valid UTF-8"}
}

// column finds the column of the field at which w stands.
func (r *jsonReader) column(field int, w *jsonWalker) int {
	if field < len(r.learned) && !w.nameEscaped {
		if l := &r.learned[field]; len(l.quoted) > 2 && string(l.quoted[1:len(l.quoted)-1]) == string(w.name) {
			return l.column
		}
	}
	if w.nameEscaped {
		name, ok := w.unquoteName(r.name[:0])
		r.name = name
		if !ok {
			return columnUnknown
		}
		return r.s.column(name)
	}
	column := r.s.column(w.name)
	if column == columnUnknown || field > len(r.s.cols) {
		return column
	}
	for len(r.learned) <= field {
		r.learned = append(r.learned, learnedField{column: columnUnknown})
	}
	l := &r.learned[field]
	l.quoted = append(append(append(l.quoted[:0], '"'), w.name...), '"')
	l.column = column
	return column
}

// put puts the value at which w stands.
func (r *jsonReader) put(column int, w *jsonWalker) *problem {
	s := r.s
	if column == columnDeleted {
		if w.kind != jsonTrue && w.kind != jsonFalse && w.kind != jsonNull {
			return s.problem(columnDeleted, codeTypeMismatch, "%s is %s; %q is true or false", clip(w.value), jsonKindNames[w.kind], deletedName)
		}
		return s.setDeleted(w.kind == jsonTrue)
	}
	if p := s.take(column); p != nil {
		return p
	}
	if w.depth > depthMax-1 {
		return &problem{code: codeMalformed, column: s.f.Columns[column].Name, message: fmt.Sprintf("the event is nested deeper than %d levels", depthMax)}
	}
	if w.kind != jsonString || isJSON(s, column) {
		if !s.clean && !validText(w.value) || !validEscapes(w) {
			return s.badText(column)
		}
		return s.putJSON(column, w.kind, w.value)
	}
	if !w.escaped {
		return s.putText(column, w.value[1:len(w.value)-1])
	}
	text, ok := w.unquote(s.scratch[:0])
	s.scratch = text
	if !ok {
		return s.badText(column)
	}
	return s.putText(column, text)
}
