package main

import (
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strings"
)

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
