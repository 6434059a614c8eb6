package live

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidemill/tidemill/internal/log/memlog"
	"github.com/tidemill/tidemill/internal/row"
	"github.com/tidemill/tidemill/internal/session"
)

// world is a database in memory whose log survives a restart, and a server of its live queries.
type world struct {
	t      *testing.T
	ctx    context.Context
	log    *memlog.Log
	db     *session.Database
	server *httptest.Server
	// request is what the next live request subscribes to, heartbeat its heartbeat.
	request   atomic.Pointer[session.SubscribeRequest]
	heartbeat time.Duration
	last      string // token of the last statement
}

func newWorld(t *testing.T) *world {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	w := &world{t: t, ctx: ctx, log: memlog.New(memlog.Options{}), heartbeat: time.Hour}
	w.open()
	w.server = httptest.NewServer(http.HandlerFunc(w.serve))
	t.Cleanup(func() {
		cancel()
		w.db.Close()
		w.server.Close()
		_ = w.log.Close()
	})
	w.exec(`CREATE TABLE t (k INTEGER PRIMARY KEY, g VARCHAR, v VARCHAR)`)
	w.exec(`CREATE MATERIALIZED VIEW counts AS SELECT g, count(*) AS n FROM t GROUP BY g`)
	return w
}

func (w *world) open() {
	w.t.Helper()
	db, err := session.OpenDatabase(w.ctx, session.DatabaseOptions{Name: "main", Log: w.log, Logger: slog.New(slog.DiscardHandler), Workers: 1})
	if err != nil {
		w.t.Fatal(err)
	}
	w.db = db
}

// restart opens the database anew over the same log.
func (w *world) restart() {
	w.t.Helper()
	w.db.Close()
	w.open()
}

func (w *world) serve(rw http.ResponseWriter, r *http.Request) {
	ses := w.db.NewSession(session.Options{})
	defer ses.Close()
	sub, err := ses.Subscribe(r.Context(), *w.request.Load())
	if err != nil {
		http.Error(rw, err.Error(), http.StatusBadRequest)
		return
	}
	defer sub.Close()
	ServeEvents(r.Context(), rw, sub, w.heartbeat)
}

// exec runs a statement and returns its first value, as text.
func (w *world) exec(text string) string {
	w.t.Helper()
	ses := w.db.NewSession(session.Options{})
	defer ses.Close()
	p, err := ses.Prepare(w.ctx, text, nil)
	if err != nil {
		w.t.Fatalf("%s: %v", text, err)
	}
	res, err := ses.Execute(w.ctx, p, nil)
	if err != nil {
		w.t.Fatalf("%s: %v", text, err)
	}
	defer res.Close()
	b, err := res.Next(w.ctx)
	if err != nil {
		w.t.Fatalf("%s: %v", text, err)
	}
	w.last = res.Token()
	if b == nil || b.Len == 0 {
		return ""
	}
	return string(row.AppendText(nil, &b.Cols[0], 0))
}

// token is one of all that was written so far.
func (w *world) token() string { return w.last }

// count is how many subscriptions the database knows.
func (w *world) count() string { return w.exec(`SELECT count(*) FROM tidemill.subscriptions`) }

// client is a live query.
type client struct {
	w    *world
	in   *bufio.Reader
	body io.ReadCloser
	stop context.CancelFunc
}

func (w *world) live(r session.SubscribeRequest) *client {
	w.t.Helper()
	if r.Progress == 0 {
		r.Progress = time.Hour
	}
	w.request.Store(&r)
	ctx, cancel := context.WithCancel(w.ctx)
	req, err := http.NewRequestWithContext(ctx, "GET", w.server.URL, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	if res.StatusCode != http.StatusOK || res.Header.Get("Content-Type") != "text/event-stream" {
		w.t.Fatalf("%d %v", res.StatusCode, res.Header)
	}
	c := &client{w: w, in: bufio.NewReader(res.Body), body: res.Body, stop: cancel}
	w.t.Cleanup(c.close)
	return c
}

func (c *client) close() {
	c.stop()
	_ = c.body.Close()
}

// event is what a browser's EventSource makes of a frame.
type event struct{ id, name, data string }

// next reads an event as the standard says: fields by line, dispatched by an empty line, comments left out.
func (c *client) next() event {
	c.w.t.Helper()
	var e event
	for {
		line, err := c.in.ReadString('\n')
		if err != nil {
			c.w.t.Fatalf("the stream ended: %v", err)
		}
		line = strings.TrimSuffix(line, "\n")
		name, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		switch name {
		case "id":
			e.id = value
		case "event":
			e.name = value
		case "data":
			if e.data != "" {
				e.data += "\n"
			}
			e.data += value
		case "":
			if line == "" && e.data != "" {
				return e
			}
		}
	}
}

// wants reads an event and compares it; it returns its id.
func (c *client) wants(name, data string) string {
	c.w.t.Helper()
	e := c.next()
	if e.name != name || e.data != data || e.id == "" {
		c.w.t.Fatalf("event %q with id %q and data %s; want %q %s", e.name, e.id, e.data, name, data)
	}
	return e.id
}

// fold is what a client has.
type fold map[string]int

// take folds an event.
func (f fold) take(t *testing.T, e event) {
	t.Helper()
	var body struct {
		Rows, Inserts, Deletes []json.RawMessage
		Reset                  bool
	}
	if err := json.Unmarshal([]byte(e.data), &body); err != nil {
		t.Fatalf("%v in %s", err, e.data)
	}
	if body.Reset {
		clear(f)
	}
	for _, r := range append(body.Rows, body.Inserts...) {
		f[string(r)]++
	}
	for _, r := range body.Deletes {
		if f[string(r)]--; f[string(r)] == 0 {
			delete(f, string(r))
		}
	}
}
