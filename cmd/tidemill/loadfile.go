package main

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/csv"
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
			return nil, usageError{errors.New("Parquet is read from plain files only")}
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

// csvFile cuts CSV at the ends of records, never within quotes, and puts the header in front of every chunk.
type csvFile struct {
	in          *textInput
	limit       int
	delimiter   byte
	contentType string
	header      []byte
	line        int // of the next record
	rest        []byte
	ended       bool
}

func newCSVFile(in *textInput, limit int, delimiter string, renames map[string]string) (*csvFile, error) {
	f := &csvFile{in: in, limit: limit, delimiter: ',', contentType: "text/csv", line: 1}
	switch strings.ToLower(delimiter) {
	case "", ",":
	case "tab", `\t`, "\t":
		f.delimiter, f.contentType = '\t', "text/csv; delimiter=tab"
	default:
		if len(delimiter) != 1 || strings.Contains("\"\r\n", delimiter) {
			return nil, usageError{fmt.Errorf("the delimiter is %q, want one character", delimiter)}
		}
		f.delimiter, f.contentType = delimiter[0], fmt.Sprintf("text/csv; delimiter=%q", delimiter)
	}
	head, err := f.record()
	if err != nil {
		return nil, fmt.Errorf("reading the header line: %w", err)
	}
	r := csv.NewReader(bytes.NewReader(head))
	r.Comma = rune(f.delimiter)
	names, err := r.Read()
	if err != nil {
		return nil, fmt.Errorf("reading the header line: %w", err)
	}
	if err := renameAll(names, renames); err != nil {
		return nil, err
	}
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	w.Comma = rune(f.delimiter)
	if err := w.Write(names); err != nil {
		return nil, fmt.Errorf("writing the header line: %w", err)
	}
	w.Flush()
	f.header = b.Bytes()
	return f, nil
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

// fill reads until rest has at least n bytes or the file ends.
func (f *csvFile) fill(n int) error {
	for len(f.rest) < n && !f.ended {
		at := len(f.rest)
		f.rest = append(f.rest, make([]byte, max(n-at, 64<<10))...)
		got, err := io.ReadFull(f.in, f.rest[at:])
		f.rest = f.rest[:at+got]
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			f.ended = true
		} else if err != nil {
			return fmt.Errorf("reading line %d: %w", f.line, err)
		}
	}
	return nil
}

// record cuts the first record that is not empty.
func (f *csvFile) record() ([]byte, error) {
	for n := 64 << 10; ; n *= 2 {
		if err := f.fill(n); err != nil {
			return nil, err
		}
		s := csvScan{text: f.rest, delimiter: f.delimiter}
		end, ok := s.record()
		switch {
		case !ok && !f.ended && n < recordBytesMax:
			continue
		case !ok && !f.ended:
			return nil, fmt.Errorf("the record at line %d has more than %d bytes; is a quote not closed?", f.line, recordBytesMax)
		case end == 0:
			return nil, io.ErrUnexpectedEOF
		}
		rec := f.rest[:end]
		f.line += bytes.Count(rec, []byte("\n"))
		f.rest = f.rest[end:]
		if len(bytes.TrimRight(rec, "\r\n")) > 0 {
			return rec, nil
		}
	}
}

// next cuts as many whole records as fit.
func (f *csvFile) next(ctx context.Context) (*chunk, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	for want := f.limit; ; want = len(f.rest) + recordBytesMax {
		if err := f.fill(want); err != nil {
			return nil, err
		}
		s := csvScan{text: f.rest, delimiter: f.delimiter}
		rows := 0
		for s.at < f.limit {
			start := s.at
			end, ok := s.record()
			if !ok && !f.ended {
				s.at = start
				break
			}
			if end == start {
				break
			}
			if len(bytes.TrimRight(f.rest[start:end], "\r\n")) > 0 {
				rows++
			}
		}
		if s.at == 0 && !f.ended {
			if len(f.rest) > f.limit+recordBytesMax {
				return nil, fmt.Errorf("the record at line %d has more than %d bytes; is a quote not closed?", f.line, recordBytesMax)
			}
			continue
		}
		if s.at == 0 {
			return nil, nil
		}
		records, line := f.rest[:s.at:s.at], f.line
		f.line += bytes.Count(records, []byte("\n"))
		f.rest = bytes.Clone(f.rest[s.at:])
		if rows == 0 {
			continue
		}
		delimiter := f.delimiter
		return &chunk{contentType: f.contentType, body: append(bytes.Clone(f.header), records...), rows: rows, read: f.in.read(),
			where: func(index int) string { return fmt.Sprintf("line %d", csvLine(records, delimiter, line, index)) }}, nil
	}
}

// csvLine is the line on which a record begins.
func csvLine(records []byte, delimiter byte, line, index int) int {
	s := csvScan{text: records, delimiter: delimiter}
	for s.at < len(records) {
		start := s.at
		end, _ := s.record()
		if len(bytes.TrimRight(records[start:end], "\r\n")) > 0 {
			if index == 0 {
				break
			}
			index--
		}
		line += bytes.Count(records[start:end], []byte("\n"))
	}
	return line
}

// csvScan finds the ends of records.
type csvScan struct {
	text      []byte
	delimiter byte
	at        int
}

// record goes behind the next record and its line end; ok is false if the text ends before the line does.
func (s *csvScan) record() (end int, ok bool) {
	fieldStart := true
	for s.at < len(s.text) {
		c := s.text[s.at]
		s.at++
		switch {
		case c == '\n':
			return s.at, true
		case c == '"' && fieldStart:
			if !s.quoted() {
				return len(s.text), false
			}
			fieldStart = false
		default:
			fieldStart = c == s.delimiter
		}
	}
	return s.at, false
}

// quoted goes behind the closing quote.
func (s *csvScan) quoted() bool {
	for {
		i := bytes.IndexByte(s.text[s.at:], '"')
		if i < 0 {
			s.at = len(s.text)
			return false
		}
		s.at += i + 1
		if s.at == len(s.text) || s.text[s.at] != '"' {
			return true
		}
		s.at++
	}
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
