package ingest

import (
	"bytes"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/tidemill/tidemill/internal/fault"
	"github.com/tidemill/tidemill/internal/row"
)

// The codes of refused events.
const (
	codeMalformed       = "malformed"
	codeTypeMismatch    = "type_mismatch"
	codeUnknownColumn   = "unknown_column"
	codeMissingColumn   = "missing_column"
	codeNullNotAllowed  = "null_not_allowed"
	codeTooLarge        = "too_large"
	codeDuplicateColumn = "duplicate_column"
)

const (
	// deletedName is the field of a table's events that makes them deletions.
	deletedName = "_deleted"
	// columnDeleted and columnUnknown stand in for positions of columns.
	columnDeleted = -1
	columnUnknown = -2
)

// problem says why an event is refused.
type problem struct {
	code, column, message string
}

// sink makes rows of the values that a decoder finds. A decoder calls begin, then puts values, then commit or reject, for each event.
type sink struct {
	f        *Format
	cols     []row.Builder
	names    map[string]int
	folded   map[string]int // by name in lower case
	required []int          // the columns every new row must have: not null, without default
	notNull  []bool
	isKey    []bool
	out      *Decoded
	weights  []int64
	rows     int
	rowsMax  int
	// clean says that all text of the body is valid UTF-8 without NUL.
	clean   bool
	scratch []byte
	lower   []byte // a name in lower case

	// Of the event at hand: the columns that have a value, whether it is a deletion, which NOT NULL column and which key column is null (-1 for none),
	// and its identity.
	touched []int
	deleted bool
	null    int
	nullKey int
	opSeen  bool
	id      string
}

func newSink(f *Format) *sink {
	n := len(f.Columns)
	s := &sink{f: f, cols: make([]row.Builder, n), names: make(map[string]int, n), folded: make(map[string]int, n),
		notNull: make([]bool, n), isKey: make([]bool, n), out: &Decoded{}}
	if f.Table {
		for _, k := range f.Key {
			s.isKey[k], s.notNull[k] = true, true
		}
	}
	for i := n - 1; i >= 0; i-- { // the first of two that differ in case only wins
		c := f.Columns[i]
		s.cols[i].Reset(c.Type, 0)
		s.names[c.Name] = i
		s.folded[strings.ToLower(c.Name)] = i
		s.notNull[i] = s.notNull[i] || c.NotNull
	}
	for i := range f.Columns {
		if s.notNull[i] && f.defaultOf(i).Null {
			s.required = append(s.required, i)
		}
	}
	if _, is := s.names[deletedName]; !is && f.Table && len(f.Key) > 0 {
		s.names[deletedName] = columnDeleted
	}
	s.rowsMax = rowsMax(f)
	return s
}

func (f *Format) defaultOf(column int) row.Value {
	if column < len(f.Defaults) && f.Defaults[column].Type == f.Columns[column].Type {
		return f.Defaults[column]
	}
	return row.NullValue(f.Columns[column].Type)
}

// rowBytes is what a row takes at least; text comes on top, of which there is no more than in the body.
func rowBytes(f *Format) int {
	n := 12 // weight and index
	for i, c := range f.Columns {
		n += max(4, c.Type.Phys().Width()) + len(f.defaultOf(i).S)
	}
	return n
}

func rowsMax(f *Format) int { return min(row.MaxRows, decodedBytesMax/rowBytes(f)) }

func errTooManyRows(f *Format) error {
	return fault.New(fault.LimitExceeded, "the body has more than %d events, which is all that can be taken at once", rowsMax(f)).
		WithHint("send the events in several requests")
}

// reserve makes room for about that many rows.
func (s *sink) reserve(rows int) {
	rows = min(rows, 64<<10, (8<<20)/rowBytes(s.f))
	for i := range s.cols {
		s.cols[i].Reset(s.f.Columns[i].Type, rows)
	}
	s.out.Index = make([]int32, 0, rows)
}

// checkText notes whether the texts of a body need to be looked at one by one.
func (s *sink) checkText(body []byte) {
	s.clean = validText(body)
}

// column returns the position of the column of a name, columnDeleted or columnUnknown.
func (s *sink) column(name []byte) int {
	if c, ok := s.names[string(name)]; ok {
		return c
	}
	s.lower = s.lower[:0]
	for _, c := range name {
		if c >= utf8.RuneSelf {
			s.lower = append(s.lower[:0], bytes.ToLower(name)...)
			break
		}
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		s.lower = append(s.lower, c)
	}
	if c, ok := s.folded[string(s.lower)]; ok {
		return c
	}
	return columnUnknown
}

func (s *sink) unknownColumn(name []byte) *problem {
	p := &problem{code: codeUnknownColumn, column: clip(name), message: fmt.Sprintf("there is no column %q", clip(name))}
	if len(s.out.Errors) < ErrorsKept {
		if near := closest(string(name), s.f.Columns); near != "" {
			p.message += fmt.Sprintf("; did you mean %q?", near)
		}
	}
	return p
}

func (s *sink) problem(column int, code, format string, args ...any) *problem {
	name := deletedName
	if column >= 0 {
		name = s.f.Columns[column].Name
	}
	p := &problem{code: code, column: name}
	if len(s.out.Errors) < ErrorsKept {
		p.message = fmt.Sprintf(format, args...)
	}
	return p
}

func (s *sink) begin() {
	s.touched = s.touched[:0]
	s.deleted, s.opSeen, s.null, s.nullKey, s.id = s.f.Delete, false, -1, -1, ""
}

// has reports whether the event at hand has a value for a column.
func (s *sink) has(column int) bool { return s.cols[column].Len() > s.rows }

// take notes that a column is about to get its value; it must not have one.
func (s *sink) take(column int) *problem {
	if s.has(column) {
		return s.problem(column, codeDuplicateColumn, "the event has column %q more than once", s.f.Columns[column].Name)
	}
	s.touched = append(s.touched, column)
	return nil
}

func (s *sink) putNull(column int) {
	s.cols[column].AppendNull()
	switch {
	case s.isKey[column]:
		s.nullKey = column
	case s.notNull[column] && s.null < 0:
		s.null = column
	}
}

// setDeleted takes the value of the field _deleted.
func (s *sink) setDeleted(deleted bool) *problem {
	if s.opSeen {
		return s.problem(columnDeleted, codeDuplicateColumn, "the event has %q more than once", deletedName)
	}
	s.opSeen = true
	s.deleted = s.deleted || deleted
	return nil
}

// commit completes the row of the event at hand, event number index of the body, and keeps it. With a problem nothing is kept, and the caller has to
// reject the event.
func (s *sink) commit(index int) (*problem, error) {
	if s.rows >= s.rowsMax {
		return nil, errTooManyRows(s.f)
	}
	var p *problem
	if s.deleted {
		p = s.completeDeletion()
	} else if s.null >= 0 || s.nullKey >= 0 || len(s.touched) < len(s.cols) {
		p = s.complete()
	}
	if p != nil {
		return p, nil
	}
	s.rows++
	s.out.Events++
	s.out.Index = append(s.out.Index, int32(index))
	if s.f.Table {
		w := int64(1)
		if s.deleted {
			w = -1
		}
		s.weights = append(s.weights, w)
	}
	if s.id != "" {
		s.out.IDs = append(s.out.IDs, s.id)
	}
	return nil, nil
}

func (s *sink) complete() *problem {
	if p := s.nullProblem(); p != nil {
		return p
	}
	if len(s.touched) == len(s.cols) {
		return nil
	}
	for _, c := range s.required {
		if !s.has(c) {
			return s.missing(c)
		}
	}
	for c := range s.cols {
		if b := &s.cols[c]; b.Len() == s.rows {
			s.touched = append(s.touched, c)
			if c < len(s.f.Defaults) {
				b.AppendValue(s.f.defaultOf(c))
			} else {
				b.AppendNull()
			}
		}
	}
	return nil
}

func (s *sink) missing(column int) *problem {
	return s.problem(column, codeMissingColumn, "column %q has no value and no default", s.f.Columns[column].Name)
}

func (s *sink) nullProblem() *problem {
	c := max(s.null, s.nullKey)
	if c < 0 {
		return nil
	}
	return s.problem(c, codeNullNotAllowed, "column %q must not be null", s.f.Columns[c].Name)
}

// completeDeletion keeps the key and makes the other columns null.
func (s *sink) completeDeletion() *problem {
	s.null = -1
	if p := s.nullProblem(); p != nil {
		return p
	}
	for _, k := range s.f.Key {
		if !s.has(k) {
			return s.problem(k, codeMissingColumn, "a deletion needs key column %q", s.f.Columns[k].Name)
		}
	}
	for c := range s.cols {
		if s.isKey[c] {
			continue
		}
		if s.has(c) {
			s.cols[c].Truncate(s.rows)
		} else {
			s.touched = append(s.touched, c)
		}
		s.cols[c].AppendNull()
	}
	return nil
}

// reject refuses the event at hand and takes back what there is of its row. event is the event's text.
func (s *sink) reject(index int, p *problem, event []byte) {
	s.undo()
	s.out.Events++
	s.out.reject(index, p, event)
}

// undo takes back what there is of the row of the event at hand.
func (s *sink) undo() {
	for _, c := range s.touched {
		s.cols[c].Truncate(s.rows)
	}
	s.touched = s.touched[:0]
}

func (d *Decoded) reject(index int, p *problem, event []byte) {
	d.Rejected++
	if len(d.Errors) < ErrorsKept {
		d.Errors = append(d.Errors, EventError{Index: index, Code: p.code, Column: p.column, Message: p.message, Event: bytes.Clone(event[:min(len(event), EventKept)])})
	}
}

// finish returns what was decoded.
func (s *sink) finish() *Decoded {
	b := &row.Batch{Cols: make([]row.Vec, len(s.cols)), Len: s.rows, Weights: s.weights}
	for i := range s.cols {
		b.Cols[i] = s.cols[i].Finish()
	}
	s.out.Rows = b
	return s.out
}

// tooLarge is the problem of an event beyond the bound, nil for others.
func (s *sink) tooLarge(size int) *problem {
	if limit := s.f.eventMax(); size > limit {
		return &problem{code: codeTooLarge, message: fmt.Sprintf("the event has %d bytes, at most %d are taken", size, limit)}
	}
	return nil
}
