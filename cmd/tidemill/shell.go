package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/tidemill/tidemill/internal/sql"
)

// shell runs statements and prints what they return. It is for one goroutine.
type shell struct {
	client      *client
	out, errOut io.Writer
	accept      string // of the format that is printed as it comes; empty for tables
	style       style
	quiet       bool
	script      bool

	settings []string // SET statements, which every request begins with: each request has a session of its own
	block    []string // the statements of an open transaction block, nil outside
	last     string   // the last statement, for \watch
	changed  bool     // a statement may have changed what there is
}

// statement runs one statement.
func (s *shell) statement(ctx context.Context, text string) error {
	parts, err := sql.Split(text)
	if err != nil {
		return asFault(err)
	}
	if len(parts) == 0 {
		return nil
	}
	stmt, err := sql.Parse(parts[0].Text)
	if err != nil {
		// The node says what is wrong, in the same words.
		return s.request(ctx, text, 0)
	}
	switch st := stmt.(type) {
	case *sql.Begin:
		if s.block == nil {
			s.block = []string{text}
			if !s.script && !s.quiet {
				fmt.Fprintln(s.errOut, "BEGIN (the block is sent as one at COMMIT)")
			}
			return nil
		}
	case *sql.Commit, *sql.Rollback:
		if s.block != nil {
			return s.endBlock(ctx, text)
		}
	case *sql.Subscribe:
		if s.block == nil {
			return s.subscribe(ctx, st)
		}
	case *sql.Set, *sql.Reset:
		if s.block == nil {
			return s.set(ctx, text)
		}
	}
	if s.block != nil {
		if len(s.block) >= blockMax {
			return fmt.Errorf("the transaction block has more than %d statements", blockMax)
		}
		s.block = append(s.block, text)
		return nil
	}
	s.last = text
	return s.request(ctx, text, 0)
}

// blockMax bounds the statements of a transaction block.
const blockMax = 100_000

// endBlock sends a transaction block, unless it is rolled back: then nothing of it ever left.
func (s *shell) endBlock(ctx context.Context, text string) error {
	block := s.block
	s.block = nil
	var b strings.Builder
	for _, t := range append(block, text) {
		b.WriteString(terminated(t))
	}
	return s.request(ctx, b.String(), 0)
}

// terminated is a statement with its semicolon and a line end, so that others can follow.
func terminated(text string) string {
	text = strings.TrimRight(text, " \t\r\n")
	if !strings.HasSuffix(text, ";") || openComment(text) {
		text += "\n;"
	}
	return text + "\n"
}

// set makes a setting part of all later requests.
func (s *shell) set(ctx context.Context, text string) error {
	if err := s.request(ctx, text, 0); err != nil {
		return err
	}
	const most = 200
	if len(s.settings) < most {
		s.settings = append(s.settings, terminated(text))
	}
	return nil
}

// request sends statements and prints the answer. skip is the number of characters in front of the text that positions do not count.
func (s *shell) request(ctx context.Context, text string, skip int) error {
	prefix := strings.Join(s.settings, "")
	skip += utf8.RuneCountInString(prefix)
	start := time.Now()
	var err error
	if s.accept != "" {
		err = s.copyAnswer(ctx, prefix+text)
	} else {
		var a *answer
		if a, err = s.client.sql(ctx, prefix+text); err == nil {
			s.print(a, time.Since(start))
		}
	}
	s.changed = s.changed || err == nil
	return shifted(err, skip)
}

func (s *shell) copyAnswer(ctx context.Context, text string) error {
	body, err := s.client.send(ctx, text, s.accept)
	if err != nil {
		return err
	}
	defer func() { _ = body.Close() }() // it was read
	r := bufio.NewReader(body)
	if first, err := r.Peek(2); errors.Is(err, io.EOF) || s.accept == "text/csv" && bytes.HasPrefix(first, []byte("\n")) {
		return nil // a command returns no rows
	}
	if _, err := io.Copy(s.out, r); err != nil {
		return fmt.Errorf("reading the answer: %w", err)
	}
	return nil
}

// shifted takes characters in front of the user's text off an error's position.
func shifted(err error, skip int) error {
	f := faultIn(err)
	if f == nil || skip == 0 || f.Position == 0 {
		return err
	}
	return f.At(max(0, f.Position-skip))
}

// print writes an answer as a table, or a command's tag.
func (s *shell) print(a *answer, took time.Duration) {
	tag := a.Tag
	if len(a.Columns) > 0 {
		names := make([]string, len(a.Columns))
		for i, c := range a.Columns {
			names[i] = c.Name
		}
		rows := make([][]cell, len(a.Rows))
		for i, r := range a.Rows {
			rows[i] = make([]cell, len(r))
			for k, v := range r {
				rows[i][k] = cellOf(v)
			}
		}
		drawTable(s.out, names, rows, s.style)
		tag = countOf(len(rows), "row")
	}
	if !s.quiet {
		fmt.Fprintf(s.out, "%s (%s)\n", tag, tookText(took))
	}
}

func countOf(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func tookText(d time.Duration) string {
	if d < time.Second {
		return fmt.Sprintf("%.1f ms", float64(d)/float64(time.Millisecond))
	}
	return d.Round(time.Millisecond).String()
}

// subscribe follows a live query until ctx ends.
func (s *shell) subscribe(ctx context.Context, st *sql.Subscribe) error {
	query := "SELECT * FROM " + st.Target.String()
	switch {
	case st.Query != nil:
		query = st.Query.SQL
	case st.Where != nil:
		query += " WHERE " + st.Where.SQL
	}
	q := url.Values{"sql": {query}}
	if o, ok := st.Options.Get("snapshot"); ok && strings.EqualFold(o.Value, "false") {
		q.Set("snapshot", "false")
	}
	p := &changePrinter{out: s.out, style: s.style, changesOnly: q.Get("snapshot") == "false", json: s.accept != "" && s.accept != "text/csv"}
	f := &follower{client: s.client, path: "/v1/live?" + q.Encode(), printer: p, log: s.errOut}
	return f.run(ctx)
}
