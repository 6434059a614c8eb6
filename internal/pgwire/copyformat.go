package pgwire

import (
	"bytes"
	"math"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/tidemill/tidemill/internal/row"
	"github.com/tidemill/tidemill/internal/session"
)

// copyEncoder writes rows in a format of COPY TO. It reuses its buffer.
type copyEncoder struct {
	format  session.CopyFormat
	columns row.Schema
	loc     *time.Location
	cell    []byte
}

// appendRow appends row i as a line.
func (e *copyEncoder) appendRow(dst []byte, b *row.Batch, i int) []byte {
	if e.format.Format == "json" {
		return append(e.appendObject(dst, b, i), '\n')
	}
	for c := range b.Cols {
		if c > 0 {
			dst = append(dst, e.format.Delimiter)
		}
		v := &b.Cols[c]
		if v.Null(i) {
			dst = append(dst, e.format.Null...)
			continue
		}
		e.cell = appendText(e.cell[:0], v, i, e.loc)
		dst = e.appendCell(dst, e.cell, len(b.Cols) == 1)
	}
	return append(dst, '\n')
}

// appendHeader appends the line of the columns' names.
func (e *copyEncoder) appendHeader(dst []byte) []byte {
	for i := range e.columns {
		if i > 0 {
			dst = append(dst, e.format.Delimiter)
		}
		dst = e.appendCell(dst, []byte(e.columns[i].Name), false)
	}
	return append(dst, '\n')
}

func (e *copyEncoder) appendCell(dst, cell []byte, only bool) []byte {
	if e.format.Format == "csv" {
		return e.appendCSV(dst, cell, only)
	}
	for _, c := range cell {
		switch c {
		case '\b':
			dst = append(dst, '\\', 'b')
		case '\f':
			dst = append(dst, '\\', 'f')
		case '\n':
			dst = append(dst, '\\', 'n')
		case '\r':
			dst = append(dst, '\\', 'r')
		case '\t':
			dst = append(dst, '\\', 't')
		case '\v':
			dst = append(dst, '\\', 'v')
		case '\\', e.format.Delimiter:
			dst = append(dst, '\\', c)
		default:
			dst = append(dst, c)
		}
	}
	return dst
}

// appendCSV quotes a value that would be read as something else without: one that looks like NULL, or that has a special character.
// A line of nothing but \. would end the data.
func (e *copyEncoder) appendCSV(dst, cell []byte, only bool) []byte {
	f := &e.format
	quote := string(cell) == f.Null || only && string(cell) == `\.`
	for _, c := range cell {
		if c == f.Delimiter || c == f.Quote || c == '\n' || c == '\r' {
			quote = true
			break
		}
	}
	if !quote {
		return append(dst, cell...)
	}
	dst = append(dst, f.Quote)
	for _, c := range cell {
		if c == f.Quote || c == f.Escape {
			dst = append(dst, f.Escape)
		}
		dst = append(dst, c)
	}
	return append(dst, f.Quote)
}

func (e *copyEncoder) appendObject(dst []byte, b *row.Batch, i int) []byte {
	dst = append(dst, '{')
	for c := range b.Cols {
		if c > 0 {
			dst = append(dst, ',')
		}
		dst = append(appendJSONString(dst, []byte(e.columns[c].Name)), ':')
		dst = e.appendJSON(dst, &b.Cols[c], i)
	}
	return append(dst, '}')
}

func (e *copyEncoder) appendJSON(dst []byte, v *row.Vec, i int) []byte {
	if v.Null(i) {
		return append(dst, "null"...)
	}
	switch v.Type.Kind {
	case row.Bool:
		return strconv.AppendBool(dst, v.Data[i] != 0)
	case row.JSON:
		return append(dst, bytes.TrimSpace(v.Bytes(i))...)
	case row.Float32, row.Float64:
		f := v.Value(i).F
		if f != f || math.IsInf(f, 0) {
			break
		}
		return appendText(dst, v, i, e.loc)
	default:
		if v.Type.IsNumeric() {
			return appendText(dst, v, i, e.loc)
		}
		if pgJSON(v.Type) {
			return append(dst, v.Bytes(i)...)
		}
	}
	e.cell = appendText(e.cell[:0], v, i, e.loc)
	return appendJSONString(dst, e.cell)
}

// appendJSONString writes a JSON string. Bytes that are no UTF-8 become the replacement character.
func appendJSONString(dst, s []byte) []byte {
	const hex = "0123456789abcdef"
	dst = append(dst, '"')
	for len(s) > 0 {
		c := s[0]
		switch {
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
		case c == '\n':
			dst = append(dst, '\\', 'n')
		case c == '\t':
			dst = append(dst, '\\', 't')
		case c == '\r':
			dst = append(dst, '\\', 'r')
		case c < 0x20:
			dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		case c < utf8.RuneSelf:
			dst = append(dst, c)
		default:
			r, n := utf8.DecodeRune(s)
			dst = utf8.AppendRune(dst, r)
			s = s[n:]
			continue
		}
		s = s[1:]
	}
	return append(dst, '"')
}
