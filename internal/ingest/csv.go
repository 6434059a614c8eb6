package ingest

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/tidemill/tidemill/internal/fault"
)

// csvReader reads rows of comma-separated values as RFC 4180 has them, with LF or CRLF at the end of a row.
type csvReader struct {
	s    *sink
	text []byte
	at   int
	// delimiter stands between fields; special has the bytes that end a field without quotes, or must not be in it.
	delimiter byte
	special   [256]bool
	columns   []int
	single    []byte // a field without its doubled quotes
}

// decodeCSV reads rows of values. The first has the names of the columns, unless the parameter header is absent. Empty lines are no events.
func decodeCSV(body []byte, params map[string]string, s *sink) error {
	s.checkText(body)
	r := &csvReader{s: s, text: body, delimiter: ','}
	if d, has := params["delimiter"]; has {
		if err := r.setDelimiter(d); err != nil {
			return err
		}
	}
	for _, c := range []byte{r.delimiter, '"', '\n'} {
		r.special[c] = true
	}
	if err := r.header(params["header"]); err != nil {
		return err
	}
	s.reserve(1 + bytes.Count(body[r.at:], []byte{'\n'}))
	for r.skipEmpty(); r.at < len(r.text); r.skipEmpty() {
		if err := r.row(); err != nil {
			return err
		}
	}
	return nil
}

func (r *csvReader) setDelimiter(d string) error {
	switch strings.ToLower(d) {
	case "tab", `\t`, "%09":
		d = "\t"
	}
	if len(d) != 1 || d[0] >= 0x80 || strings.ContainsAny(d, "\"\r\n\x00") {
		return fault.New(fault.InvalidParameterValue, "the delimiter of CSV is one ASCII character, not %q", clip(d))
	}
	r.delimiter = d[0]
	return nil
}

// header finds the columns of the fields.
func (r *csvReader) header(header string) error {
	switch strings.ToLower(header) {
	case "absent":
		for c := range r.s.f.Columns {
			r.columns = append(r.columns, c)
		}
		return nil
	case "", "present":
	default:
		return fault.New(fault.InvalidParameterValue, "the parameter header of CSV is present or absent, not %q", clip(header))
	}
	r.skipEmpty()
	if r.at == len(r.text) {
		return fault.New(fault.InvalidText, "the CSV is empty").WithHint("the first line has the names of the columns; send text/csv; header=absent if there is none")
	}
	seen := map[int]bool{}
	for more := true; more; {
		name, _, end, err := r.field()
		if err != "" {
			return fault.New(fault.InvalidText, "malformed header line of the CSV: %s", err)
		}
		column := r.s.column(name)
		if column == columnUnknown || !validText(name) {
			return unknownHeader(name, r.s)
		}
		if seen[column] {
			return fault.New(fault.DuplicateColumn, "the header of the CSV has column %q more than once", clip(name))
		}
		seen[column] = true
		r.columns = append(r.columns, column)
		more = end == fieldEnd
	}
	return nil
}

func unknownHeader(name []byte, s *sink) error {
	err := fault.New(fault.UndefinedColumn, "there is no column %q, which the header of the CSV names", clip(name))
	if near := closest(string(name), s.f.Columns); near != "" {
		return err.WithHint("did you mean %q? The columns are: %s", near, nameList(s.f.Columns.Names()))
	}
	return err.WithHint("the columns are: %s; send text/csv; header=absent if the first line has none", nameList(s.f.Columns.Names()))
}

func nameList(names []string) string {
	const shown = 20
	list := strings.Join(names[:min(len(names), shown)], ", ")
	if len(names) > shown {
		list += fmt.Sprintf(" and %d more", len(names)-shown)
	}
	return list
}

func (r *csvReader) skipEmpty() {
	for r.at < len(r.text) {
		switch {
		case r.text[r.at] == '\n':
			r.at++
		case r.text[r.at] == '\r' && r.at+1 < len(r.text) && r.text[r.at+1] == '\n':
			r.at += 2
		case r.text[r.at] == '\r' && r.at+1 == len(r.text):
			r.at++
		default:
			return
		}
	}
}

// fieldEnding is what a field ends with.
type fieldEnding uint8

const (
	fieldEnd fieldEnding = iota
	rowEnd
)

// field reads the next field; fault says what is wrong with it. Its value is valid until the next call.
func (r *csvReader) field() (value []byte, quoted bool, end fieldEnding, fault string) {
	text, i := r.text, r.at
	if i < len(text) && text[i] == '"' {
		return r.quotedField()
	}
	for i < len(text) && !r.special[text[i]] {
		i++
	}
	value = text[r.at:i]
	switch {
	case i == len(text):
		r.at, end = i, rowEnd
	case text[i] == r.delimiter:
		r.at = i + 1
		return value, false, fieldEnd, ""
	case text[i] == '\n':
		r.at, end = i+1, rowEnd
	default:
		r.at = i
		return nil, false, rowEnd, "a quote within a field that does not begin with one"
	}
	if n := len(value); n > 0 && value[n-1] == '\r' {
		value = value[:n-1]
	}
	return value, false, end, ""
}

func (r *csvReader) quotedField() (value []byte, quoted bool, end fieldEnding, fault string) {
	text, start := r.text, r.at+1
	doubled := false
	i := start
	for {
		n := bytes.IndexByte(text[i:], '"')
		if n < 0 {
			r.at = len(text)
			return nil, true, rowEnd, "a quote is not closed"
		}
		i += n
		if i+1 == len(text) || text[i+1] != '"' {
			break
		}
		doubled = true
		i += 2
	}
	value = text[start:i]
	if doubled {
		r.single = r.single[:0]
		for rest := value; ; {
			n := bytes.IndexByte(rest, '"')
			if n < 0 {
				r.single = append(r.single, rest...)
				break
			}
			r.single = append(r.single, rest[:n+1]...)
			rest = rest[n+2:]
		}
		value = r.single
	}
	rest := text[i+1:]
	switch {
	case len(rest) == 0 || len(rest) == 1 && rest[0] == '\r':
		r.at, end = len(text), rowEnd
	case rest[0] == r.delimiter:
		r.at, end = i+2, fieldEnd
	case rest[0] == '\n':
		r.at, end = i+2, rowEnd
	case rest[0] == '\r' && rest[1] == '\n':
		r.at, end = i+3, rowEnd
	default:
		r.at = i + 1
		return nil, true, rowEnd, "text follows the closing quote of a field"
	}
	return value, true, end, ""
}

// row reads an event. A row with a misplaced quote ends at the end of the line.
func (r *csvReader) row() error {
	s, start, index := r.s, r.at, r.s.out.Events
	s.begin()
	var p *problem
	n := 0
	for more := true; more; n++ {
		value, quoted, end, bad := r.field()
		if bad != "" {
			p = &problem{code: codeMalformed, message: "malformed CSV: " + bad}
			if skip := bytes.IndexByte(r.text[r.at:], '\n'); skip >= 0 {
				r.at += skip + 1
			} else {
				r.at = len(r.text)
			}
			n = len(r.columns)
			break
		}
		if n < len(r.columns) && p == nil {
			p = r.put(r.columns[n], value, quoted)
		}
		more = end == fieldEnd
	}
	event := bytes.TrimRight(r.text[start:r.at], "\r\n")
	if n != len(r.columns) {
		p = &problem{code: codeMalformed, message: fmt.Sprintf("the row has %d fields instead of %d", n, len(r.columns))}
	}
	if large := s.tooLarge(len(event)); large != nil {
		p = large
	}
	return s.end(index, p, event)
}

func (r *csvReader) put(column int, value []byte, quoted bool) *problem {
	if column == columnDeleted {
		return r.putDeleted(value)
	}
	if p := r.s.take(column); p != nil {
		return p
	}
	if len(value) == 0 && !quoted {
		r.s.putNull(column)
		return nil
	}
	return r.s.putText(column, value)
}

func (r *csvReader) putDeleted(value []byte) *problem {
	switch strings.ToLower(string(value[:min(len(value), 8)])) {
	case "true", "t", "1", "yes", "y":
		return r.s.setDeleted(true)
	case "", "false", "f", "0", "no", "n":
		return r.s.setDeleted(false)
	}
	return r.s.problem(columnDeleted, codeTypeMismatch, "%q is true or false, not %q", deletedName, clip(value))
}
