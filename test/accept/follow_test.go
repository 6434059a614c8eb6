package accept

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// follower is a subscription over Server-Sent Events and the fold of all its frames.
type follower struct {
	p    *process
	view string

	mu      sync.Mutex
	rows    map[string]int // a row's JSON → how often it is there
	frames  int
	changes int // rows inserted or deleted after the snapshot
	token   string
	whole   bool // the snapshot is complete
	err     error
	moved   chan struct{} // cap 1: something came
}

// follow opens a subscription to a view and folds its frames until the test ends.
func (p *process) follow(view string) *follower {
	p.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	req, err := http.NewRequestWithContext(ctx, "GET", "http://"+p.http+"/v1/live/"+url.PathEscape(view), nil)
	if err != nil {
		p.t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		p.t.Fatal(err)
	}
	if res.StatusCode != http.StatusOK {
		body, _ := io.ReadAll(res.Body)
		p.t.Fatalf("live %s: %d %s", view, res.StatusCode, body)
	}
	f := &follower{p: p, view: view, rows: map[string]int{}, moved: make(chan struct{}, 1)}
	var reader sync.WaitGroup
	reader.Go(func() { f.read(res.Body) })
	p.t.Cleanup(func() {
		cancel()
		_ = res.Body.Close()
		reader.Wait()
	})
	return f
}

// read takes frames until the stream ends.
func (f *follower) read(body io.Reader) {
	in := bufio.NewReader(body)
	var id, event string
	var data []byte
	for {
		line, err := in.ReadBytes('\n')
		if err != nil {
			f.end(err)
			return
		}
		name, value, _ := bytes.Cut(bytes.TrimSuffix(line, []byte("\n")), []byte(": "))
		switch string(name) {
		case "id":
			id = string(value)
		case "event":
			event = string(value)
		case "data":
			data = value
		case "":
			if len(value) > 0 || event == "" {
				continue // a heartbeat, or the end of what is no event
			}
			if err := f.take(id, event, data); err != nil {
				f.end(err)
				return
			}
			event, data = "", nil
		}
	}
}

// take folds a frame.
func (f *follower) take(id, event string, data []byte) error {
	var body struct {
		Rows, Inserts, Deletes []json.RawMessage
		More, Reset            bool
	}
	if err := json.Unmarshal(data, &body); err != nil {
		return fmt.Errorf("%w in %s: %.200s", err, event, data)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if body.Reset {
		return errors.New("the subscription was reset")
	}
	switch {
	case id == "":
		return fmt.Errorf("a %s without a token: %.200s", event, data)
	case event == "snapshot" && f.whole:
		return errors.New("a second snapshot")
	case event == "change" && !f.whole:
		return errors.New("a change before the snapshot is complete")
	}
	for _, r := range body.Rows {
		f.rows[string(r)]++
	}
	for _, r := range body.Inserts {
		f.rows[string(r)]++
	}
	for _, r := range body.Deletes {
		f.rows[string(r)]--
	}
	for _, r := range slices.Concat(body.Inserts, body.Deletes) {
		switch n := f.rows[string(r)]; {
		case n == 0:
			delete(f.rows, string(r))
		case n < 0:
			return fmt.Errorf("a row that is not there was deleted: %s", r)
		}
	}
	f.token, f.whole = id, !body.More
	f.frames++
	f.changes += len(body.Inserts) + len(body.Deletes)
	f.signal()
	return nil
}

func (f *follower) end(err error) {
	f.mu.Lock()
	f.err = err
	f.signal()
	f.mu.Unlock()
}

func (f *follower) signal() {
	select {
	case f.moved <- struct{}{}:
	default:
	}
}

// meets waits until the fold is what a pull of the view shows under the same token, and returns it in lines that can be compared.
func (f *follower) meets(floats []string) []line {
	t := f.p.t
	t.Helper()
	deadline := time.After(time.Minute)
	for {
		pulled, token := f.p.pull(f.view)
		f.mu.Lock()
		folded, at, err := maps.Clone(f.rows), f.token, f.err
		f.mu.Unlock()
		if err != nil {
			t.Fatalf("following %s: %v", f.view, err)
		}
		if at == token {
			if !maps.Equal(folded, pulled) {
				t.Fatalf("the fold of %s up to a token has %d rows, the pull at that token %d, or other ones", f.view, len(folded), len(pulled))
			}
			return lines(t, folded, floats)
		}
		select {
		case <-f.moved:
		case <-deadline:
			t.Fatalf("the subscription to %s does not come to the token of a pull: it is at %s with %d rows, the pull at %s with %d", f.view, at, len(folded), token, len(pulled))
		}
	}
}

// pull reads a view page by page, and returns the token of the pages, which is one: nothing is written meanwhile.
func (p *process) pull(view string) (map[string]int, string) {
	p.t.Helper()
	rows, token := map[string]int{}, ""
	for cursor := ""; ; {
		_, text, _ := p.request("GET", "/v1/views/"+url.PathEscape(view)+"?limit=1000&cursor="+url.QueryEscape(cursor), "", "")
		var page struct {
			Rows          []json.RawMessage
			Cursor, Token string
		}
		if err := json.Unmarshal([]byte(text), &page); err != nil || page.Token == "" {
			p.t.Fatalf("reading %s: %v in %.300s", view, err, text)
		}
		if token != "" && page.Token != token {
			p.t.Fatalf("the pages of %s are of two ticks", view)
		}
		token = page.Token
		for _, r := range page.Rows {
			rows[string(r)]++
		}
		if cursor = page.Cursor; cursor == "" {
			return rows, token
		}
	}
}

// ask runs a query on the node and returns its rows in lines that can be compared.
func (p *process) ask(query string, floats []string) []line {
	p.t.Helper()
	status, text, _ := p.request("POST", "/v1/sql", "text/plain", query, "Accept", "application/x-ndjson")
	if status != http.StatusOK {
		p.t.Fatalf("%s: %s", query, text)
	}
	rows := map[string]int{}
	for line := range strings.Lines(text) {
		rows[strings.TrimSpace(line)]++
	}
	return lines(p.t, rows, floats)
}

// line is a row that can be compared: its fields but floats as text, and the floats.
type line struct {
	text   string
	floats []float64
}

// is compares rows, floats to 1e-9 of their size.
func (l line) is(o line) bool {
	return l.text == o.text && slices.EqualFunc(l.floats, o.floats, func(a, b float64) bool {
		return math.Abs(a-b) <= 1e-9*max(math.Abs(a), math.Abs(b))
	})
}

// lines brings rows into an order and a form that can be compared. floats are the columns that are.
func lines(t *testing.T, rows map[string]int, floats []string) []line {
	t.Helper()
	var out []line
	for text, n := range rows {
		dec := json.NewDecoder(strings.NewReader(text))
		dec.UseNumber()
		var fields map[string]any
		if err := dec.Decode(&fields); err != nil {
			t.Fatalf("%v in %s", err, text)
		}
		var l line
		for _, name := range slices.Sorted(maps.Keys(fields)) {
			if number, is := fields[name].(json.Number); is && slices.Contains(floats, name) {
				f, err := number.Float64()
				if err != nil {
					t.Fatal(err)
				}
				l.floats = append(l.floats, f)
				continue
			}
			l.text += fmt.Sprintf("%s=%v ", name, fields[name])
		}
		out = append(out, slices.Repeat([]line{l}, n)...)
	}
	slices.SortFunc(out, func(a, b line) int {
		return cmp.Or(strings.Compare(a.text, b.text), slices.Compare(a.floats, b.floats))
	})
	return out
}

// agrees wants the fold of a subscription to be the pull, and both to be DuckDB's answer to the query. floats are the columns that
// may differ in the last digits.
func (f *follower) agrees(query string, floats ...string) {
	t := f.p.t
	t.Helper()
	got, want := f.meets(floats), f.p.ask(query, floats)
	if len(got) != len(want) {
		t.Errorf("%s: the fold has %d rows, DuckDB's answer %d", f.view, len(got), len(want))
	}
	shown := 0
	for i := range min(len(got), len(want)) {
		if !got[i].is(want[i]) && shown < 5 {
			t.Errorf("%s: the fold has %v\nDuckDB's answer %v", f.view, got[i], want[i])
			shown++
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(want) == 0 || f.changes < len(want) {
		t.Errorf("%s: %d rows to compare, %d changed after the snapshot: the subscription was not there while the rows came", f.view, len(want), f.changes)
	}
	t.Logf("%s: %d rows after %d frames with %d changed rows", f.view, len(want), f.frames, f.changes)
}
