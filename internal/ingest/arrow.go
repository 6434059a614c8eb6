package ingest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/tidemill/tidemill/internal/fault"
	"github.com/tidemill/tidemill/internal/row"
)

const (
	// arrowMetadataMax bounds a message's metadata, arrowInflatedMax a buffer of a compressed message.
	arrowMetadataMax = 16 << 20
	arrowInflatedMax = 128 << 20
)

// arrowReader reads record batches. Values are cast a column at a time, and then the bad rows are left out.
type arrowReader struct {
	f   *Format
	out *Decoded
	// columns has the position in the stream of each column, -1 for none; deleted that of _deleted.
	columns []int
	deleted int
	parts   []*row.Batch
	rows    int
	// bytes is what parts take.
	bytes int64
}

// decodeArrow reads an Arrow IPC stream. Its columns are matched by name; one that the relation does not have refuses the body.
func decodeArrow(body []byte, f *Format) (*Decoded, error) {
	in, err := row.NewArrowReader(bytes.NewReader(body), row.ArrowLimits{Metadata: min(len(body)+1, arrowMetadataMax), Body: len(body) + 1, Inflated: arrowInflatedMax})
	if err != nil {
		return nil, badArrow(err)
	}
	defer in.Release()
	r := &arrowReader{f: f, out: &Decoded{}, deleted: columnUnknown}
	if err := r.match(in.Schema()); err != nil {
		return nil, err
	}
	for {
		rec, err := in.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			r.cutOff(err)
			break
		}
		if err := r.batch(rec); err != nil {
			return nil, err
		}
	}
	return r.finish(), nil
}

func badArrow(err error) *fault.Error {
	return fault.New(fault.InvalidText, "the body is not a readable Arrow IPC stream").WithDetail("%s", clip(err.Error())).Wrap(err)
}

// cutOff refuses what follows the last good batch, as one event.
func (r *arrowReader) cutOff(err error) {
	p := &problem{code: codeMalformed, message: "the rest of the Arrow stream cannot be read: " + clip(err.Error())}
	r.out.reject(r.out.Events, p, nil)
	r.out.Events++
}

func (r *arrowReader) match(schema *arrow.Schema) error {
	s := newSink(r.f)
	r.columns = make([]int, len(r.f.Columns))
	for i := range r.columns {
		r.columns[i] = -1
	}
	for i, field := range schema.Fields() {
		c := s.column([]byte(field.Name))
		switch {
		case c == columnUnknown:
			err := fault.New(fault.UndefinedColumn, "there is no column %q, which the Arrow schema has", clip(field.Name))
			if near := closest(field.Name, r.f.Columns); near != "" {
				return err.WithHint("did you mean %q? The columns are: %s", near, nameList(r.f.Columns.Names()))
			}
			return err.WithHint("the columns are: %s", nameList(r.f.Columns.Names()))
		case c == columnDeleted && r.deleted >= 0, c >= 0 && r.columns[c] >= 0:
			return fault.New(fault.DuplicateColumn, "the Arrow schema has column %q more than once", clip(field.Name))
		case c == columnDeleted:
			r.deleted = i
		default:
			r.columns[c] = i
		}
	}
	return nil
}

// rowProblems holds the first problem of each bad row of a batch. There may be very many rows in very few bytes, so rows share problems where they can.
type rowProblems struct {
	of []*problem // nil while there are none
	n  int
}

func (m *rowProblems) add(at int, p *problem) {
	if m.of == nil {
		m.of = make([]*problem, m.n)
	}
	if m.of[at] == nil {
		m.of[at] = p
	}
}

// at returns the problem of a row, nil for none.
func (m *rowProblems) at(i int) *problem {
	if m.of == nil {
		return nil
	}
	return m.of[i]
}

func (r *arrowReader) batch(rec arrow.RecordBatch) error {
	n := int(rec.NumRows())
	if r.out.Events+n > rowsMax(r.f) {
		return errTooManyRows(r.f)
	}
	deleted, bad, err := r.deletions(rec, n)
	if err != nil {
		return err
	}
	b := &row.Batch{Cols: make([]row.Vec, len(r.columns)), Len: n}
	for c, at := range r.columns {
		if at < 0 {
			b.Cols[c] = r.f.defaultOf(c).Repeat(n)
		} else if err := r.cast(rec.Column(at), c, &b.Cols[c], bad); err != nil {
			return err
		}
		r.checkColumn(c, at >= 0, &b.Cols[c], deleted, bad)
	}
	if r.f.Table {
		b.Weights = weightsOf(deleted, n)
		r.clearDeleted(b, deleted)
	}
	r.checkSizes(b, bad)
	if r.bytes += b.Size(); r.bytes > decodedBytesMax {
		return fault.New(fault.LimitExceeded, "the rows of the Arrow stream take more than %d bytes", decodedBytesMax).WithHint("send them in several requests")
	}
	r.keep(b, bad)
	return nil
}

// cast converts a column; what does not fit is a problem of its row.
func (r *arrowReader) cast(col arrow.Array, c int, to *row.Vec, bad *rowProblems) error {
	v, errs := row.CastArrow(col, r.f.Columns[c].Type)
	*to = v
	if len(errs) > 0 && errs[0].Row < 0 || v.Len != col.Len() {
		why := "its values cannot be read"
		if len(errs) > 0 {
			why = clip(errs[0].Message)
		}
		return fault.New(fault.DatatypeMismatch, "column %q of the Arrow stream cannot be read as %s", clip(r.f.Columns[c].Name), r.f.Columns[c].Type).WithDetail("%s", why)
	}
	for i, e := range errs {
		p := &problem{code: codeTypeMismatch, column: r.f.Columns[c].Name}
		if len(r.out.Errors)+i < ErrorsKept {
			p.message = fmt.Sprintf("the value is not one of column %q, which is %s: %s", p.column, r.f.Columns[c].Type, clip(e.Message))
		}
		bad.add(e.Row, p)
	}
	return nil
}

// checkColumn looks for nulls where there must be none, and for NUL characters in text.
func (r *arrowReader) checkColumn(c int, present bool, v *row.Vec, deleted []bool, bad *rowProblems) {
	column := r.f.Columns[c]
	key := r.isKey(c)
	if (key || column.NotNull) && v.Nulls() > 0 || key && !present {
		null := &problem{code: codeNullNotAllowed, column: column.Name, message: fmt.Sprintf("column %q must not be null", column.Name)}
		if !present {
			null = &problem{code: codeMissingColumn, column: column.Name, message: fmt.Sprintf("column %q has no value and no default", column.Name)}
		}
		for i := range v.Len {
			gone := deleted != nil && deleted[i]
			if gone && key && !present || v.Null(i) && (key || !gone) {
				bad.add(i, null)
			}
		}
	}
	k := column.Type.Kind
	if k != row.String && k != row.JSON && k != row.Other || v.Len == 0 {
		return
	}
	if text := v.Data[v.Offsets[0]:v.Offsets[v.Len]]; bytes.IndexByte(text, 0) < 0 && (k != row.Other || utf8.Valid(text)) {
		return
	}
	notText := &problem{code: codeMalformed, column: column.Name, message: fmt.Sprintf("the text for column %q has a NUL character or is not valid UTF-8", column.Name)}
	for i := range v.Len {
		if !v.Null(i) && !validText(v.Bytes(i)) {
			bad.add(i, notText)
		}
	}
}

func (r *arrowReader) isKey(c int) bool {
	if r.f.Table {
		for _, k := range r.f.Key {
			if k == c {
				return true
			}
		}
	}
	return false
}

// deletions says which rows are deletions, nil for none.
func (r *arrowReader) deletions(rec arrow.RecordBatch, n int) ([]bool, *rowProblems, error) {
	bad := &rowProblems{n: n}
	if !r.f.Table || !r.f.Delete && r.deleted < 0 {
		return nil, bad, nil
	}
	deleted := make([]bool, n)
	if r.deleted >= 0 {
		v, errs := row.CastArrow(rec.Column(r.deleted), row.T(row.Bool))
		if len(errs) > 0 && errs[0].Row < 0 || v.Len != n {
			return nil, nil, fault.New(fault.DatatypeMismatch, "column %q of the Arrow stream is not a BOOLEAN", deletedName)
		}
		notBool := &problem{code: codeTypeMismatch, column: deletedName, message: fmt.Sprintf("%q is true or false", deletedName)}
		for _, e := range errs {
			bad.add(e.Row, notBool)
		}
		for i := range deleted {
			deleted[i] = !v.Null(i) && v.Data[i] != 0
		}
	}
	for i := range deleted {
		deleted[i] = deleted[i] || r.f.Delete
	}
	return deleted, bad, nil
}

func weightsOf(deleted []bool, n int) []int64 {
	w := make([]int64, n)
	for i := range w {
		w[i] = 1
		if deleted != nil && deleted[i] {
			w[i] = -1
		}
	}
	return w
}

// clearDeleted makes the columns besides the key null in deletions.
func (r *arrowReader) clearDeleted(b *row.Batch, deleted []bool) {
	for c := range b.Cols {
		if deleted == nil || r.isKey(c) {
			continue
		}
		v := &b.Cols[c]
		valid := row.NewBitmap(v.Len, true)
		copy(valid, v.Valid[:min(len(v.Valid), (v.Len+7)>>3)])
		for i, gone := range deleted {
			if gone {
				row.SetNull(valid, i)
			}
		}
		v.Valid = valid
	}
}

// checkSizes looks for rows beyond the bound of an event.
func (r *arrowReader) checkSizes(b *row.Batch, bad *rowProblems) {
	limit := r.f.eventMax()
	if b.Size() <= int64(limit) {
		return
	}
	sizes := make([]int, b.Len)
	for c := range b.Cols {
		v := &b.Cols[c]
		w := v.Type.Phys().Width()
		for i := range sizes {
			if sizes[i] += w; w == 0 {
				sizes[i] += int(v.Offsets[i+1] - v.Offsets[i])
			}
		}
	}
	large := &problem{code: codeTooLarge, message: fmt.Sprintf("the row has more than the %d bytes that are taken", limit)}
	for i, n := range sizes {
		if n > limit {
			bad.add(i, large)
		}
	}
}

// keep takes the good rows over and refuses the bad ones.
func (r *arrowReader) keep(b *row.Batch, bad *rowProblems) {
	first := r.out.Events
	r.out.Events += b.Len
	good := make([]int32, 0, b.Len)
	for i := range b.Len {
		if p := bad.at(i); p != nil {
			r.out.reject(first+i, p, r.event(b, i, p))
			continue
		}
		good = append(good, int32(i))
		r.out.Index = append(r.out.Index, int32(first+i))
	}
	if len(good) < b.Len {
		b = b.Gather(good)
	}
	r.rows += b.Len
	if b.Len > 0 {
		r.parts = append(r.parts, b)
	}
}

// event returns the row as JSON, with null for what did not fit.
func (r *arrowReader) event(b *row.Batch, i int, p *problem) []byte {
	if len(r.out.Errors) >= ErrorsKept || p.code == codeTooLarge {
		return nil
	}
	return row.AppendRowJSON(nil, r.f.Columns, b, i)
}

func (r *arrowReader) finish() *Decoded {
	r.out.Rows = row.Concat(r.parts)
	if r.out.Rows == nil {
		r.out.Rows = row.NewBatchBuilder(r.f.Columns.Types(), 0).Finish(0)
	}
	return r.out
}
