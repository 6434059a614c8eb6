package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/ipc"

	"github.com/tidemill/tidemill/internal/duck"
	"github.com/tidemill/tidemill/internal/row"
	"github.com/tidemill/tidemill/internal/sql"
)

const arrowType = "application/vnd.apache.arrow.stream"

// rowsMax bounds the rows of a request that is made from a columnar file.
const rowsMax = 100_000

// relationColumns asks the node for the columns of the relation.
func (l *loading) relationColumns(ctx context.Context) ([]string, error) {
	a, err := l.client.sql(ctx, "DESCRIBE "+sql.Quote(l.relation))
	if err != nil {
		return nil, err
	}
	names := make([]string, len(a.Rows))
	for i, r := range a.Rows {
		names[i] = unquoted(r[0])
	}
	return names, nil
}

// matchColumns finds which of the file's columns the relation has, and under which names.
func (l *loading) matchColumns(ctx context.Context, file []string) (at []int, names []string, err error) {
	have, err := l.relationColumns(ctx)
	if err != nil {
		return nil, nil, err
	}
	renamed := slices.Clone(file)
	if err := renameAll(renamed, l.renames); err != nil {
		return nil, nil, err
	}
	have = append(have, "_deleted")
	for i, n := range renamed {
		if k := slices.IndexFunc(have, func(h string) bool { return strings.EqualFold(h, n) }); k >= 0 && !slices.Contains(names, have[k]) {
			at, names = append(at, i), append(names, have[k])
		}
	}
	if len(at) == 0 {
		return nil, nil, fmt.Errorf("the file's columns (%s) are none of those of %s (%s); --columns says which is which", strings.Join(file, ", "), l.relation, strings.Join(have[:len(have)-1], ", "))
	}
	return at, names, nil
}

// parquetFile makes requests of a fixed number of rows.
type parquetFile struct {
	rows    *duck.Rows
	schema  row.Schema
	limit   int
	perBody int // rows of a request, 0 before the first
	pending []*row.Batch
	held    int // rows pending
	ended   bool
	number  int
}

func (l *loading) openParquet(ctx context.Context, s *source) error {
	rows, err := duck.ReadFile(ctx, l.name, duck.Parquet, nil)
	if err != nil {
		return fmt.Errorf("opening the file: %w", err)
	}
	all := rows.Schema()
	rows.Close()
	at, names, err := l.matchColumns(ctx, all.Names())
	if err != nil {
		return err
	}
	var read, sent row.Schema
	for i, k := range at {
		read = append(read, all[k])
		sent = append(sent, row.Column{Name: names[i], Type: all[k].Type})
	}
	if rows, err = duck.ReadFile(ctx, l.name, duck.Parquet, read); err != nil {
		return fmt.Errorf("opening the file: %w", err)
	}
	s.closer = append(s.closer, closerFunc(rows.Close))
	s.next = (&parquetFile{rows: rows, schema: sent, limit: l.opts.chunk}).next
	return nil
}

type closerFunc func()

// Close implements io.Closer.
func (f closerFunc) Close() error {
	f()
	return nil
}

func (f *parquetFile) next(ctx context.Context) (*chunk, error) {
	for !f.ended && (f.perBody == 0 || f.held < f.perBody) {
		b, err := f.rows.Next(ctx)
		if err != nil {
			return nil, fmt.Errorf("reading row %d: %w", f.number+f.held+1, err)
		}
		if b == nil {
			f.ended = true
			break
		}
		if f.perBody == 0 {
			// How many rows fit follows from the first ones, which are the same in every pass.
			sample := b.Slice(0, min(b.Len, 1024))
			f.perBody = int(max(1, min(rowsMax, int64(f.limit)*int64(sample.Len)/max(1, sample.Size()))))
		}
		f.pending = append(f.pending, b)
		f.held += b.Len
	}
	n := min(f.held, f.perBody)
	if n == 0 {
		return nil, nil
	}
	w := newArrowBody(row.ArrowSchema(f.schema))
	for left := n; left > 0; {
		b := f.pending[0]
		if b.Len <= left {
			f.pending = f.pending[1:]
		} else {
			f.pending[0] = b.Slice(left, b.Len)
			b = b.Slice(0, left)
		}
		rec := row.ToArrow(f.schema, b)
		err := w.Write(rec)
		rec.Release()
		if err != nil {
			return nil, fmt.Errorf("encoding row %d: %w", f.number+n-left+1, err)
		}
		left -= b.Len
	}
	f.held -= n
	first := f.number
	f.number += n
	return w.chunk(n, first, 0)
}

// arrowBody is a request in Arrow's stream format.
type arrowBody struct {
	*ipc.Writer
	buf *bytes.Buffer
}

func newArrowBody(schema *arrow.Schema) *arrowBody {
	buf := &bytes.Buffer{}
	return &arrowBody{ipc.NewWriter(buf, ipc.WithSchema(schema)), buf}
}

func (w *arrowBody) chunk(rows, first int, read int64) (*chunk, error) {
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("encoding rows: %w", err)
	}
	return &chunk{contentType: arrowType, body: w.buf.Bytes(), rows: rows, read: read,
		where: func(index int) string { return fmt.Sprintf("row %d", first+index+1) }}, nil
}

// arrowFile passes the record batches of an Arrow file or stream on, with the columns that the relation has.
type arrowFile struct {
	read   func() (arrow.RecordBatch, error) // io.EOF at the end; the batch is valid until the next call
	at     []int
	schema *arrow.Schema
	limit  int
	taken  func() int64
	batch  arrow.RecordBatch // what is left of the last one
	fit    int64             // rows of it that make a request
	number int
}

func (l *loading) openArrow(ctx context.Context, s *source, packed string) error {
	in, err := l.openText(s, packed)
	if err != nil {
		return errors.Join(err, s.Close())
	}
	f := &arrowFile{limit: l.opts.chunk, taken: in.read}
	var schema *arrow.Schema
	if magic, err := in.Peek(6); err == nil && string(magic) == "ARROW1" {
		if l.name == "-" || packed != "" {
			return errors.Join(usageError{errors.New("the file format of Arrow is read from plain files only; its stream format also from elsewhere")}, s.Close())
		}
		schema, err = f.openFile(l.name, s)
		if err != nil {
			return errors.Join(fmt.Errorf("opening the file: %w", err), s.Close())
		}
	} else {
		r, err := ipc.NewReader(in)
		if err != nil {
			return errors.Join(fmt.Errorf("opening the stream: %w", err), s.Close())
		}
		s.closer = append(s.closer, closerFunc(r.Release))
		f.read, schema = r.Read, r.Schema()
	}
	names := make([]string, schema.NumFields())
	for i, c := range schema.Fields() {
		names[i] = c.Name
	}
	at, sent, err := l.matchColumns(ctx, names)
	if err != nil {
		return errors.Join(err, s.Close())
	}
	fields := make([]arrow.Field, len(at))
	for i, k := range at {
		fields[i] = schema.Field(k)
		fields[i].Name = sent[i]
	}
	f.at, f.schema = at, arrow.NewSchema(fields, nil)
	s.closer = append(s.closer, closerFunc(f.drop))
	s.next = f.next
	return nil
}

func (f *arrowFile) openFile(name string, s *source) (*arrow.Schema, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	s.closer = append(s.closer, file)
	r, err := ipc.NewFileReader(file)
	if err != nil {
		return nil, err
	}
	s.closer = append(s.closer, r)
	n := 0
	f.read = func() (arrow.RecordBatch, error) {
		if n == r.NumRecords() {
			return nil, io.EOF
		}
		n++
		return r.RecordBatchAt(n - 1)
	}
	// What was read of the file is only known by the share of its batches.
	done, size := 0, s.size
	f.taken = func() int64 {
		share := size * int64(n-done) / int64(max(1, r.NumRecords()))
		done = n
		return share
	}
	return r.Schema(), nil
}

func (f *arrowFile) drop() {
	if f.batch != nil {
		f.batch.Release()
		f.batch = nil
	}
}

// fetch makes sure that there is a batch; false at the end.
func (f *arrowFile) fetch() (bool, error) {
	for f.batch == nil || f.batch.NumRows() == 0 {
		f.drop()
		rec, err := f.read()
		if errors.Is(err, io.EOF) {
			return false, nil
		}
		if err != nil {
			return false, fmt.Errorf("reading row %d: %w", f.number+1, err)
		}
		cols := make([]arrow.Array, len(f.at))
		for i, k := range f.at {
			cols[i] = rec.Column(k)
		}
		f.batch = array.NewRecordBatch(f.schema, cols, rec.NumRows())
		size := uint64(1)
		for _, c := range cols {
			size += c.Data().SizeInBytes()
		}
		f.fit = max(1, min(rowsMax, int64(f.limit)*f.batch.NumRows()/int64(size)))
	}
	return true, nil
}

func (f *arrowFile) next(ctx context.Context) (*chunk, error) {
	first, rows := f.number, 0
	var w *arrowBody
	for w == nil || w.buf.Len() < f.limit && rows < rowsMax {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		ok, err := f.fetch()
		if err != nil {
			return nil, err
		}
		if !ok {
			break
		}
		if w == nil {
			w = newArrowBody(f.schema)
		}
		n := f.batch.NumRows()
		part := f.batch.NewSlice(0, min(n, f.fit))
		rest := f.batch.NewSlice(part.NumRows(), n)
		f.drop()
		f.batch = rest
		err = w.Write(part)
		rows += int(part.NumRows())
		part.Release()
		if err != nil {
			return nil, fmt.Errorf("encoding row %d: %w", f.number+1, err)
		}
	}
	if w == nil {
		return nil, nil
	}
	f.number += rows
	return w.chunk(rows, first, f.taken())
}
