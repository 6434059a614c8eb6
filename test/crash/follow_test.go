package crash

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// fold is the content that a subscriber has put together from all frames it ever saw.
type fold struct {
	name string
	// keeps is wanted of the content after each frame.
	keeps func(rows map[string]int) error

	mu     sync.Mutex
	rows   map[string]int // a row as the protocol writes it → how often it is there
	whole  bool           // the snapshot is complete
	digest uint64         // of rows
	tokens map[string]uint64
	order  []string // of tokens, oldest first
	frames int
}

// tokensKept are the tokens that a fold remembers its content's digest for.
const tokensKept = 4000

// digestSeed makes digests of one process comparable.
var digestSeed = maphash.MakeSeed()

func newFold(name string, keeps func(map[string]int) error) *fold {
	return &fold{name: name, keeps: keeps, rows: map[string]int{}, tokens: map[string]uint64{}}
}

// restart forgets everything: a snapshot begins.
func (f *fold) restart() {
	f.rows, f.digest, f.whole = map[string]int{}, 0, false
}

// change adds a row as often as weight says.
func (f *fold) change(row string, weight int) error {
	f.digest += uint64(weight) * maphash.String(digestSeed, row)
	switch n := f.rows[row] + weight; {
	case n < 0:
		return fmt.Errorf("a row that is not there was deleted: %s", row)
	case n == 0:
		delete(f.rows, row)
	default:
		f.rows[row] = n
	}
	return nil
}

// at is called with a whole frame taken: the content is that at token.
func (f *fold) at(token string) error {
	f.whole = true
	f.frames++
	if _, known := f.tokens[token]; !known {
		f.order = append(f.order, token)
		if len(f.order) > tokensKept {
			delete(f.tokens, f.order[0])
			f.order = f.order[1:]
		}
	}
	f.tokens[token] = f.digest
	if f.keeps != nil {
		return f.keeps(f.rows)
	}
	return nil
}

// content is a copy of the rows.
func (f *fold) content() (map[string]int, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return maps.Clone(f.rows), f.whole
}

// compare wants a pull to show what the fold had at the same token; it reports whether the fold knows that token.
func (f *fold) compare(l *life, token string, rows []json.RawMessage) bool {
	var digest uint64
	for _, r := range rows {
		digest += maphash.Bytes(digestSeed, r)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	d, known := f.tokens[token]
	if known && d != digest {
		l.violated("%s: a pull shows %d rows under a token at which the fold was another content", f.name, len(rows))
	}
	return known
}

// eventsFollower is a subscriber over Server-Sent Events, which comes back as a browser does.
type eventsFollower struct {
	*fold
	path string // with its query
	pull string // the path that shows the same content
	last string // Last-Event-ID
}

func (e *eventsFollower) run(l *life) {
	rng := l.rng(uint64(5000) + uint64(len(e.name)))
	for !l.isDead() {
		ctx, cancel := context.WithCancel(l.ctx)
		if rng.IntN(3) == 0 { // some connections end before the node does
			time.AfterFunc(time.Duration(50+rng.IntN(700))*time.Millisecond, cancel)
		}
		err := e.connect(ctx, l)
		cancel()
		if err != nil {
			l.violated("following %s: %v", e.name, err)
			return
		}
		select {
		case <-l.dead:
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// connect follows until the connection ends; its error is a violation.
func (e *eventsFollower) connect(ctx context.Context, l *life) error {
	req, err := http.NewRequestWithContext(ctx, "GET", "http://"+l.http+e.path, nil)
	if err != nil {
		return err
	}
	resumed := e.last != ""
	if resumed {
		req.Header.Set("Last-Event-ID", e.last)
	}
	res, err := l.client.Do(req)
	if err != nil {
		return nil
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		text, err := io.ReadAll(res.Body)
		if err != nil || l.isDead() || l.failing.Load() {
			return nil
		}
		return readRefusal(res.StatusCode, text)
	}
	if resumed {
		l.totals.resumes.Add(1)
	}
	in := bufio.NewReaderSize(res.Body, 64<<10)
	first := true
	for {
		id, event, data, err := readFrame(in)
		if err != nil {
			return nil // the connection is over
		}
		if event == "error" {
			if l.isDead() || l.failing.Load() || bytes.Contains(data, []byte("57P01")) {
				return nil
			}
			return fmt.Errorf("the node ended the subscription: %s", data)
		}
		if err := e.take(l, id, event, data, resumed && first); err != nil {
			return err
		}
		first = false
	}
}

func readFrame(in *bufio.Reader) (id, event string, data []byte, err error) {
	for {
		line, err := in.ReadBytes('\n')
		if err != nil {
			return "", "", nil, err
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
			if len(value) == 0 && event != "" {
				return id, event, data, nil
			}
		}
	}
}

// take folds a frame.
func (e *eventsFollower) take(l *life, id, event string, data []byte, resumed bool) error {
	var body struct {
		Rows, Inserts, Deletes []json.RawMessage
		More, Reset            bool
	}
	if err := json.Unmarshal(data, &body); err != nil {
		return fmt.Errorf("%w in %s: %.200s", err, event, data)
	}
	l.totals.frames.Add(1)
	e.mu.Lock()
	defer e.mu.Unlock()
	if id != "" {
		e.last = id
	}
	switch event {
	case "snapshot":
		switch {
		case body.Reset:
			l.totals.resets.Add(1)
			e.restart()
		case e.whole:
			return errors.New("a snapshot that does not say that it starts over")
		}
	case "change":
		if !e.whole {
			return errors.New("a change before the snapshot is complete")
		}
	}
	// What leaves is taken away last: only the whole frame is a state.
	for _, r := range append(body.Rows, body.Inserts...) {
		if err := e.change(string(r), 1); err != nil {
			return err
		}
	}
	for _, r := range body.Deletes {
		if err := e.change(string(r), -1); err != nil {
			return err
		}
	}
	if body.More {
		return nil
	}
	return e.at(id)
}

// settle waits until the fold is what a pull shows. Nothing is written meanwhile.
func (e *eventsFollower) settle(l *life) error {
	deadline := time.Now().Add(waitMax)
	for {
		pulled, err := e.pulled(l)
		if err != nil {
			return err
		}
		rows, whole := e.content()
		if whole && maps.Equal(rows, pulled) {
			return nil
		}
		if time.Now().After(deadline) {
			l.violated("%s: after quiet minutes the fold of all frames differs from a pull: %s", e.name, difference(rows, pulled))
			return nil
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func (e *eventsFollower) pulled(l *life) (map[string]int, error) {
	rows := map[string]int{}
	for cursor := ""; ; {
		separator := "?"
		if strings.Contains(e.pull, "?") {
			separator = "&"
		}
		status, text, _, err := l.do(l.ctx, "GET", e.pull+separator+"limit=5000&cursor="+url.QueryEscape(cursor), "", "")
		if err != nil {
			return nil, err
		}
		if status != http.StatusOK {
			return nil, readRefusal(status, text)
		}
		var page struct {
			Rows   []json.RawMessage
			Cursor string
		}
		if err := json.Unmarshal(text, &page); err != nil {
			return nil, fmt.Errorf("%w in %.200q", err, text)
		}
		for _, r := range page.Rows {
			rows[string(r)]++
		}
		if cursor = page.Cursor; cursor == "" {
			return rows, nil
		}
	}
}

// difference shows some rows that two contents do not share.
func difference(fold, pull map[string]int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d rows and %d", len(fold), len(pull))
	shown := 0
	for r, n := range fold {
		if pull[r] != n && shown < 4 {
			fmt.Fprintf(&b, "\n  fold %d×, pull %d×: %s", n, pull[r], r)
			shown++
		}
	}
	for r, n := range pull {
		if fold[r] == 0 && shown < 8 {
			fmt.Fprintf(&b, "\n  fold 0×, pull %d×: %s", n, r)
			shown++
		}
	}
	return b.String()
}
