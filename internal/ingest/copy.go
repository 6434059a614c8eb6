package ingest

import (
	"bytes"
	"fmt"
	"unicode/utf8"

	"github.com/tidemill/tidemill/internal/fault"
	"github.com/tidemill/tidemill/internal/row"
)

// copyBytesMax bounds the data of one COPY.
const copyBytesMax = 1 << 30

// CopyFormat says how the data of a COPY is written.
type CopyFormat struct {
	// Format is "text" or "csv".
	Format string
	// Delimiter stands between values; 0 is a tab in text and a comma in csv. Quote and Escape are for csv; 0 is the
	// double quote, and the Quote.
	Delimiter, Quote, Escape byte
	// Null is how a null is written: \N in text and nothing in csv by default, which the caller fills in.
	Null string
	// Header says that the first line has the names of the columns; with HeaderMatch these must be the right ones.
	Header, HeaderMatch bool
}

// CopyParser reads the data of a Postgres client's COPY … FROM STDIN. The first bad row fails the COPY. It is not safe for concurrent use.
type CopyParser struct {
	columns row.Schema
	format  CopyFormat
	csv     bool
	cols    *row.BatchBuilder
	rows    int
	rowsMax int
	total   int64

	// pending is what has arrived of the row at hand; the first scanned bytes of it have been looked at for its end, which
	// left them within quotes, behind an escape, or not.
	pending         []byte
	scanned         int
	quoted, escaped bool
	// line is the number of the line the row at hand begins on, from 1.
	line int

	headerSeen bool
	ended      bool
	err        error
	scratch    []byte
}

// NewCopyParser returns a parser for rows of the given columns, in their order. A format that makes no sense is a *fault.Error.
func NewCopyParser(columns row.Schema, f CopyFormat) (*CopyParser, error) {
	p := &CopyParser{columns: columns, format: f, csv: f.Format == "csv", line: 1}
	if !p.csv && f.Format != "text" {
		return nil, fault.New(fault.InvalidParameterValue, "COPY format %q not recognized", clip(f.Format))
	}
	d := &p.format
	if d.Delimiter == 0 {
		d.Delimiter = '\t'
		if p.csv {
			d.Delimiter = ','
		}
	}
	if d.Quote == 0 {
		d.Quote = '"'
	}
	if d.Escape == 0 {
		d.Escape = d.Quote
	}
	if err := p.check(); err != nil {
		return nil, err
	}
	f2 := &Format{Columns: columns}
	p.rowsMax = rowsMax(f2)
	p.cols = row.NewBatchBuilder(columns.Types(), min(1024, (1<<20)/rowBytes(f2)))
	return p, nil
}

func (p *CopyParser) check() error {
	d := &p.format
	switch {
	case d.Delimiter == '\n' || d.Delimiter == '\r':
		return fault.New(fault.InvalidParameterValue, "COPY delimiter cannot be newline or carriage return")
	case !p.csv && bytes.IndexByte([]byte(`\.abcdefghijklmnopqrstuvwxyz0123456789`), d.Delimiter) >= 0:
		return fault.New(fault.InvalidParameterValue, "COPY delimiter cannot be %q", string(rune(d.Delimiter)))
	case bytes.ContainsAny([]byte(d.Null), "\r\n"):
		return fault.New(fault.InvalidParameterValue, "COPY null representation cannot use newline or carriage return")
	case bytes.IndexByte([]byte(d.Null), d.Delimiter) >= 0:
		return fault.New(fault.InvalidParameterValue, "COPY delimiter must not appear in the NULL specification")
	case !p.csv:
		return nil
	case d.Quote == d.Delimiter:
		return fault.New(fault.InvalidParameterValue, "COPY delimiter and quote must be different")
	case d.Quote == '\n' || d.Quote == '\r' || d.Escape == '\n' || d.Escape == '\r':
		return fault.New(fault.InvalidParameterValue, "COPY quote and escape cannot be newline or carriage return")
	case bytes.IndexByte([]byte(d.Null), d.Quote) >= 0:
		return fault.New(fault.InvalidParameterValue, "CSV quote character must not appear in the NULL specification")
	}
	return nil
}

// Write takes the next piece of the data, cut anywhere. The piece may change afterwards. An error is a *fault.Error and stays.
func (p *CopyParser) Write(data []byte) error {
	if p.err != nil || p.ended {
		return p.err
	}
	if p.total += int64(len(data)); p.total > copyBytesMax {
		p.err = fault.New(fault.LimitExceeded, "COPY takes at most %d bytes", copyBytesMax).WithHint("copy the rows in several steps")
		return p.err
	}
	p.pending = append(p.pending, data...)
	done := 0
	for p.err == nil && !p.ended {
		end := p.recordEnd(p.pending[done:])
		if end < 0 {
			break
		}
		p.err = p.record(p.pending[done : done+end])
		done += end + 1
	}
	n := copy(p.pending, p.pending[done:])
	p.pending = p.pending[:n]
	return p.err
}

// Finish returns the rows, all of weight +1, in the order they came. Errors are *fault.Error.
func (p *CopyParser) Finish() (*row.Batch, error) {
	if p.err == nil && !p.ended && len(p.pending) > 0 {
		if p.quoted {
			p.err = p.bad("unterminated CSV quoted field")
		} else {
			p.err = p.record(p.pending)
		}
	}
	if p.err != nil {
		return nil, p.err
	}
	p.ended = true
	p.pending = nil
	rows := p.rows
	p.rows = 0
	return p.cols.Finish(rows), nil
}

// recordEnd returns the position of the line end that ends the row at the start of text, or -1.
func (p *CopyParser) recordEnd(text []byte) int {
	if p.csv {
		return p.csvRecordEnd(text)
	}
	for {
		n := bytes.IndexByte(text[p.scanned:], '\n')
		if n < 0 {
			p.scanned = len(text)
			return -1
		}
		end := p.scanned + n
		backslashes := 0
		for end-backslashes > 0 && text[end-backslashes-1] == '\\' {
			backslashes++
		}
		if backslashes%2 == 0 {
			p.scanned = 0
			return end
		}
		p.scanned = end + 1
	}
}

func (p *CopyParser) csvRecordEnd(text []byte) int {
	quote, escape := p.format.Quote, p.format.Escape
	for i := p.scanned; i < len(text); i++ {
		c := text[i]
		switch {
		case c == '\n' && !p.quoted:
			p.scanned, p.escaped = 0, false
			return i
		case p.quoted && escape != quote && c == escape && !p.escaped:
			p.escaped = true
			continue
		case c == quote && !p.escaped:
			p.quoted = !p.quoted
		}
		p.escaped = false
	}
	p.scanned = len(text)
	return -1
}

// record reads a row without its line feed.
func (p *CopyParser) record(text []byte) error {
	lines := 1 + bytes.Count(text, []byte{'\n'})
	if n := len(text); n > 0 && text[n-1] == '\r' && (p.csv || n < 2 || text[n-2] != '\\') {
		text = text[:n-1]
	}
	var err error
	switch {
	case p.format.Header && !p.headerSeen:
		p.headerSeen = true
		if p.format.HeaderMatch {
			err = p.matchHeader(text)
		}
	case string(text) == `\.`:
		p.ended = true
	default:
		err = p.row(text)
	}
	p.line += lines
	return err
}

// row reads the values of a row into the columns.
func (p *CopyParser) row(text []byte) error {
	if p.rows >= p.rowsMax {
		return fault.New(fault.LimitExceeded, "COPY takes at most %d rows of these columns at once", p.rowsMax).WithHint("copy the rows in several steps")
	}
	if len(p.columns) == 0 && len(text) > 0 {
		return p.bad("extra data after last expected column")
	}
	rest, more := text, len(p.columns) > 0
	for c := range p.columns {
		if !more {
			return p.bad(fmt.Sprintf("missing data for column %q", p.columns[c].Name))
		}
		var value []byte
		var null bool
		value, null, rest, more = p.value(rest)
		if null {
			if p.columns[c].NotNull {
				return p.at(fault.New(fault.NotNullViolation, "null value in column %q violates its NOT NULL constraint", p.columns[c].Name), c, nil)
			}
			p.cols.Cols[c].AppendNull()
			continue
		}
		if err := p.put(c, value); err != nil {
			return err
		}
	}
	if more {
		return p.bad("extra data after last expected column")
	}
	p.rows++
	return nil
}

// value reads the next value of a row; more says that another one follows in rest. The value is valid until the next call.
func (p *CopyParser) value(text []byte) (value []byte, null bool, rest []byte, more bool) {
	if p.csv {
		return p.csvValue(text)
	}
	return p.textValue(text)
}

func (p *CopyParser) put(c int, value []byte) error {
	b := &p.cols.Cols[c]
	switch k := b.Type().Kind; {
	case bytes.IndexByte(value, 0) >= 0 || !utf8.Valid(value):
		return p.at(fault.New(fault.CharacterNotInText, "invalid byte sequence for encoding \"UTF8\""), c, value)
	case k == row.String || k == row.Other:
		b.AppendBytes(value)
		return nil
	case k == row.Blob:
		if raw, is := p.hexBytes(value); is {
			b.AppendBytes(raw)
			return nil
		}
	}
	if err := b.AppendParsed(value); err != nil {
		return p.at(fault.New(fault.InvalidText, "invalid input for column %q, which is %s: %s", p.columns[c].Name, b.Type(), clip(err.Error())), c, value)
	}
	return nil
}

// bad is an error of the format, in the row at hand.
func (p *CopyParser) bad(message string) error {
	return fault.New(fault.BadCopyFileFormat, "%s", message).WithDetail("COPY, line %d", p.line)
}

// at adds to an error where it happened.
func (p *CopyParser) at(err *fault.Error, c int, value []byte) error {
	if value == nil {
		return err.WithDetail("COPY, line %d, column %s", p.line, p.columns[c].Name)
	}
	return err.WithDetail("COPY, line %d, column %s: %q", p.line, p.columns[c].Name, clip(value))
}

func (p *CopyParser) matchHeader(text []byte) error {
	rest, more := text, true
	for c := range p.columns {
		if !more {
			return p.bad(fmt.Sprintf("wrong number of fields in header line: got %d, expected %d", c, len(p.columns)))
		}
		var name []byte
		var null bool
		name, null, rest, more = p.value(rest)
		if null || string(name) != p.columns[c].Name {
			return p.bad(fmt.Sprintf("column name mismatch in header line field %d: got %q, expected %q", c+1, clip(name), p.columns[c].Name))
		}
	}
	if more {
		return p.bad(fmt.Sprintf("wrong number of fields in header line: got more than %d", len(p.columns)))
	}
	return nil
}
