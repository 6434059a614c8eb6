package main

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/klauspost/compress/zstd"
)

// recordBytesMax bounds one record of a text file; a node takes no larger events.
const recordBytesMax = 4 << 20

// chunk is a request's worth of a file.
type chunk struct {
	number      int
	contentType string
	body        []byte
	rows        int
	read        int64 // bytes of the file it was made from
	// where says where in the file an event of the chunk is.
	where func(index int) string
}

// source cuts a file into chunks. The cuts depend on the file only, so that a second pass makes the same. It is for one goroutine.
type source struct {
	size   int64 // of the file, 0 if unknown
	next   func(ctx context.Context) (*chunk, error)
	closer []io.Closer
}

// Close frees what the source holds.
func (s *source) Close() error {
	var errs []error
	for i := len(s.closer) - 1; i >= 0; i-- {
		errs = append(errs, s.closer[i].Close())
	}
	s.closer = nil
	return errors.Join(errs...)
}

// counted counts the bytes read.
type counted struct {
	r io.Reader
	n int64
}

// Read implements io.Reader.
func (c *counted) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

// taken is the number of bytes read since the last call.
func (c *counted) taken(before *int64) int64 {
	n := c.n - *before
	*before = c.n
	return n
}

// open finds out the file's format and opens it.
func (l *loading) open(ctx context.Context) (*source, error) {
	format, packed := formatOf(l.name)
	if l.opts.format != "" {
		format = strings.ToLower(l.opts.format)
	}
	if format == "" {
		return nil, usageError{errors.New("the name does not tell the format; use --format csv, ndjson, json, parquet or arrow")}
	}
	if l.opts.delimiter == "" && format == "tsv" {
		l.opts.delimiter = "tab"
	}
	var err error
	if l.identity, err = l.fileIdentity(l.opts.again || l.name == "-"); err != nil {
		return nil, err
	}
	s := &source{}
	switch format {
	case "parquet":
		if packed != "" || l.name == "-" {
			return nil, usageError{errors.New("files of Parquet cannot be compressed as a whole, nor be the standard input")}
		}
		return s, l.openParquet(ctx, s)
	case "arrow":
		return s, l.openArrow(ctx, s, packed)
	case "csv", "tsv", "ndjson", "json":
	default:
		return nil, usageError{fmt.Errorf("format is %q, want csv, ndjson, json, parquet or arrow", format)}
	}
	in, err := l.openText(s, packed)
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	switch format {
	case "json":
		s.next = newJSONFile(in, l.opts.chunk, l.renames).next
	case "ndjson":
		s.next = (&lineFile{in: in, limit: l.opts.chunk, renames: l.renames, line: 1}).next
	default:
		f, err := newCSVFile(in, l.opts.chunk, l.opts.delimiter, l.renames)
		if err != nil {
			return nil, errors.Join(err, s.Close())
		}
		s.next = f.next
	}
	return s, nil
}

// formatOf guesses the format and the compression from a file's name.
func formatOf(name string) (format, packed string) {
	name = strings.ToLower(filepath.Base(name))
	for _, p := range []string{".gz", ".zst"} {
		if strings.HasSuffix(name, p) {
			name, packed = strings.TrimSuffix(name, p), p
		}
	}
	switch filepath.Ext(name) {
	case ".csv":
		return "csv", packed
	case ".tsv":
		return "tsv", packed
	case ".ndjson", ".jsonl":
		return "ndjson", packed
	case ".json":
		return "json", packed
	case ".parquet", ".pq":
		return "parquet", packed
	case ".arrow", ".arrows", ".feather", ".ipc":
		return "arrow", packed
	}
	return "", packed
}

// textInput is a text file, with account of what was read of the file itself.
type textInput struct {
	*bufio.Reader
	file   *counted
	before int64
}

// read is the number of the file's bytes read since the last call.
func (t *textInput) read() int64 { return t.file.taken(&t.before) }

func (l *loading) openText(s *source, packed string) (*textInput, error) {
	in := &textInput{file: &counted{r: l.stdin}}
	if l.name != "-" {
		f, err := os.Open(l.name)
		if err != nil {
			return nil, fmt.Errorf("opening the file: %w", err)
		}
		s.closer = append(s.closer, f)
		info, err := f.Stat()
		if err != nil {
			return nil, fmt.Errorf("opening the file: %w", err)
		}
		if info.Mode().IsRegular() {
			s.size = info.Size()
		}
		in.file.r = f
	}
	var r io.Reader = in.file
	switch packed {
	case ".gz":
		z, err := gzip.NewReader(r)
		if err != nil {
			return nil, fmt.Errorf("reading gzip: %w", err)
		}
		s.closer = append(s.closer, z)
		r = z
	case ".zst":
		z, err := zstd.NewReader(r)
		if err != nil {
			return nil, fmt.Errorf("reading zstd: %w", err)
		}
		s.closer = append(s.closer, z.IOReadCloser())
		r = z
	}
	in.Reader = bufio.NewReaderSize(r, 256<<10)
	if mark, err := in.Peek(3); err == nil && string(mark) == "\ufeff" {
		_, _ = in.Discard(3) // they are there
	}
	return in, nil
}

// renameAll gives columns their names in the relation. A name to replace that is not there is an error.
func renameAll(names []string, renames map[string]string) error {
	used := 0
	for i, n := range names {
		if to, ok := renames[strings.ToLower(strings.TrimSpace(n))]; ok {
			names[i] = to
			used++
		}
	}
	if used < len(renames) {
		for from := range renames {
			found := false
			for _, to := range names {
				found = found || strings.EqualFold(to, renames[from])
			}
			if !found {
				return usageError{fmt.Errorf("columns renames %q, which the file does not have; it has %s", from, strings.Join(names, ", "))}
			}
		}
	}
	return nil
}

// lineFile cuts NDJSON at line ends.
type lineFile struct {
	in      *textInput
	limit   int
	renames map[string]string
	line    int
	ended   bool
}

func (f *lineFile) next(ctx context.Context) (*chunk, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	var body []byte
	var lines []int
	for !f.ended && len(body) < f.limit {
		text, err := f.readLine()
		if errors.Is(err, io.EOF) {
			f.ended = true
		} else if err != nil {
			return nil, fmt.Errorf("reading line %d: %w", f.line, err)
		}
		if trimmed := bytes.TrimSpace(text); len(trimmed) > 0 {
			body = append(append(body, renameFields(trimmed, f.renames)...), '\n')
			lines = append(lines, f.line)
		}
		f.line++
	}
	if len(lines) == 0 {
		return nil, nil
	}
	return &chunk{contentType: "application/x-ndjson", body: body, rows: len(lines), read: f.in.read(),
		where: func(index int) string { return fmt.Sprintf("line %d", lines[min(index, len(lines)-1)]) }}, nil
}

// readLine returns the next line; with io.EOF it is the last.
func (f *lineFile) readLine() ([]byte, error) {
	var line []byte
	for {
		part, err := f.in.ReadSlice('\n')
		line = append(line, part...)
		if !errors.Is(err, bufio.ErrBufferFull) {
			return line, err
		}
		if len(line) > recordBytesMax {
			return nil, fmt.Errorf("the line has more than %d bytes", recordBytesMax)
		}
	}
}

// renameFields renames the fields of an object. What is no object stays as it is: the node says what is wrong with it.
func renameFields(text []byte, renames map[string]string) []byte {
	var o object
	if len(renames) == 0 || len(text) == 0 || text[0] != '{' || json.Unmarshal(text, &o) != nil {
		return text
	}
	out := []byte{'{'}
	for i, n := range o.names {
		if to, ok := renames[strings.ToLower(n)]; ok {
			n = to
		}
		name, err := json.Marshal(n)
		if err != nil {
			return text
		}
		if i > 0 {
			out = append(out, ',')
		}
		out = append(append(append(out, name...), ':'), o.values[i]...)
	}
	return append(out, '}')
}

// jsonFile reads an array of objects, or objects one after the other.
type jsonFile struct {
	in      *textInput
	dec     *json.Decoder
	limit   int
	renames map[string]string
	started bool
	array   bool
	number  int // of the next event
}

func newJSONFile(in *textInput, limit int, renames map[string]string) *jsonFile {
	return &jsonFile{in: in, dec: json.NewDecoder(in), limit: limit, renames: renames}
}

// start finds out whether the file is an array.
func (f *jsonFile) start() error {
	f.started = true
	for {
		c, err := f.in.Peek(1)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		switch c[0] {
		case ' ', '\t', '\r', '\n':
			_, _ = f.in.Discard(1) // it is there
			continue
		case '[':
			f.array = true
			_, err = f.dec.Token()
		}
		return err
	}
}

func (f *jsonFile) next(ctx context.Context) (*chunk, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if !f.started {
		if err := f.start(); err != nil {
			return nil, fmt.Errorf("reading JSON: %w", err)
		}
	}
	var body []byte
	first, n := f.number, 0
	for len(body) < f.limit && f.dec.More() {
		var v json.RawMessage
		if err := f.dec.Decode(&v); err != nil {
			return nil, fmt.Errorf("reading event %d: %w", f.number+1, err)
		}
		var line bytes.Buffer
		if err := json.Compact(&line, renameFields(v, f.renames)); err != nil {
			return nil, fmt.Errorf("reading event %d: %w", f.number+1, err)
		}
		body = append(append(body, line.Bytes()...), '\n')
		f.number++
		n++
	}
	if n == 0 {
		if f.array {
			if _, err := f.dec.Token(); err != nil && !errors.Is(err, io.EOF) {
				return nil, fmt.Errorf("reading the end of the array: %w", err)
			}
			f.array = false
		}
		return nil, nil
	}
	return &chunk{contentType: "application/x-ndjson", body: body, rows: n, read: f.in.read(),
		where: func(index int) string { return fmt.Sprintf("event %d", first+index+1) }}, nil
}
