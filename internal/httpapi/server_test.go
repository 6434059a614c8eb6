package httpapi

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow/ipc"

	"github.com/tidemill/tidemill/internal/fault"
	"github.com/tidemill/tidemill/internal/log/memlog"
	"github.com/tidemill/tidemill/internal/session"
)

// door is a server over a database in memory.
type door struct {
	t   *testing.T
	ctx context.Context
	url string
	s   *Server
}

func open(t *testing.T) *door {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	logger := slog.New(slog.DiscardHandler)
	l := memlog.New(memlog.Options{})
	db, err := session.OpenDatabase(ctx, session.DatabaseOptions{Name: "main", Log: l, Logger: logger, Workers: 1})
	if err != nil {
		t.Fatal(err)
	}
	find := func(name string) (*session.Database, error) {
		if name == "" || name == "main" {
			return db, nil
		}
		return nil, fault.New(fault.InvalidDatabase, "there is no database %q", name)
	}
	s := NewServer(Options{Database: find, Logger: logger, Problems: db.Problems, Pages: Pages(), Heartbeat: 5 * time.Millisecond})
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = s.Serve(ln) }()
	t.Cleanup(func() {
		_ = s.Close(ctx)
		db.Close()
		_ = l.Close()
	})
	d := &door{t: t, ctx: ctx, url: "http://" + ln.Addr().String(), s: s}
	d.sql(`CREATE TABLE t (k INTEGER PRIMARY KEY, v VARCHAR); CREATE STREAM s (a INTEGER, b VARCHAR);
		CREATE MATERIALIZED VIEW n AS SELECT v, count(*) AS c FROM t GROUP BY v`)
	return d
}

func (d *door) do(method, path, body string, headers ...string) (*http.Response, string) {
	d.t.Helper()
	req, err := http.NewRequestWithContext(d.ctx, method, d.url+path, strings.NewReader(body))
	if err != nil {
		d.t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		d.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		d.t.Fatal(err)
	}
	return res, string(b)
}

// sql runs statements and returns the answer.
func (d *door) sql(text string, headers ...string) string {
	d.t.Helper()
	res, body := d.do("POST", "/v1/sql", text, append([]string{"Content-Type", "text/plain"}, headers...)...)
	if res.StatusCode != http.StatusOK {
		d.t.Fatalf("%s: %s", text, body)
	}
	return body
}

func TestAnswersAndErrors(t *testing.T) {
	d := open(t)
	js := []string{"Content-Type", "application/json"}
	for _, c := range []struct {
		method, path, body string
		headers            []string
		status             int
		has                string
	}{
		{"GET", "/healthz", "", nil, 200, "alive"},
		{"GET", "/readyz", "", nil, 200, "ready"},
		{"GET", "/openapi.json", "", nil, 200, "openapi"},
		{"GET", "/readyz?exclude=stopped", "", nil, 200, `"stuck":[]`},
		{"GET", "/metrics", "", nil, 404, "nothing at"},
		{"GET", "/v1/node", "", nil, 200, "pg"},
		{"GET", "/", "", nil, 200, "<"},
		{"POST", "/v1/streams/s", `[{"a":1,"b":"x"},{"a":"no"}]`, js, 200, `"accepted":1,"rejected":1`},
		{"POST", "/v1/streams/s", `<x/>`, []string{"Content-Type", "text/xml"}, 415, "error"},
		{"POST", "/v1/streams/none", `{}`, js, 404, "42P01"},
		{"DELETE", "/v1/streams/s", `{}`, js, 400, "error"},
		{"PUT", "/v1/streams/s", "", nil, 405, "error"},
		{"GET", "/v1/streams/s", "", nil, 405, "POST"},
		{"GET", "/v1/sql", "", nil, 405, "POST"},
		{"POST", "/v1/node", "", nil, 405, "GET"},
		{"GET", "/v1/nothing", "", nil, 404, "error"},
		{"GET", "/v1/live?sql=DROP+TABLE+t", "", nil, 400, "only a SELECT"},
		{"GET", "/v1/live?sql=INSERT+INTO+t+VALUES+(1,'x')", "", nil, 400, "only a SELECT"},
		{"POST", "/v1/sql", `{"sql":"SET colour = 'red'"}`, js, 404, "42704"},
		{"POST", "/v1/sql", `{"sql":"RESET colour"}`, js, 404, "42704"},
		{"POST", "/v1/sql", `{"sql":"SET statement_timeout = 0; SET my.own = 'x'; SHOW my.own"}`, js, 200, `["x"]`},
		{"GET", "/nowhere", "", nil, 404, "error"},
		{"POST", "/v1/sql", `{"sql":"SELECT $1::BIGINT + 1 AS x, $2::VARCHAR AS y, $3::DOUBLE IS NULL","params":[41,"q\"",null]}`, js, 200, `[42,"q\""`},
		{"POST", "/v1/sql", `{"sql":"SELECT 1","params":[1]}`, js, 400, "42P02"},
		{"POST", "/v1/sql", `{"sql":"SELECT 1"} {}`, js, 400, "error"},
		{"POST", "/v1/sql", `{"sequel":"SELECT 1"}`, js, 400, "error"},
		{"POST", "/v1/sql", `{"sql":""}`, js, 400, "error"},
		{"POST", "/v1/sql", `<sql/>`, []string{"Content-Type", "text/xml"}, 415, "error"},
		{"POST", "/v1/sql", `{"sql":"SELECT 1; SELEC 2"}`, js, 400, `"position":11`},
		{"POST", "/v1/sql", `{"sql":"SELECT * FROM nowhere"}`, js, 404, "error"},
		{"POST", "/v1/sql", `{"sql":"COPY t FROM STDIN"}`, js, 501, "error"},
		{"POST", "/v1/sql", `{"sql":"CREATE TABLE t (k INTEGER)"}`, js, 409, "42P07"},
		{"POST", "/v1/sql?database=other", `{"sql":"SELECT 1"}`, js, 404, "3D000"},
		{"GET", "/v1/views/t?limit=0", "", nil, 400, "limit"},
		{"GET", "/v1/views/t?order=up", "", nil, 400, "order"},
		{"GET", "/v1/views/t?after=x", "", nil, 400, "token"},
		{"GET", "/v1/live", "", nil, 400, "error"},
		{"GET", "/v1/live/t?conflate=x", "", nil, 400, "conflate"},
		{"GET", "/v1/live/nowhere", "", nil, 404, "42P01"},
		{"GET", "/v1/live/t", "", []string{"Upgrade", "websocket"}, 501, "error"},
	} {
		res, body := d.do(c.method, c.path, c.body, c.headers...)
		if res.StatusCode != c.status || !strings.Contains(body, c.has) {
			t.Errorf("%s %s %s: %d %.300s; want %d with %s", c.method, c.path, c.body, res.StatusCode, body, c.status, c.has)
		}
	}
}

func TestForms(t *testing.T) {
	d := open(t)
	d.sql(`INSERT INTO t VALUES (1, 'a,"b'), (2, NULL), (3, '')`)
	q := "SELECT k, v FROM t ORDER BY k"
	for accept, want := range map[string]string{
		"application/json":     `"rows":[[1,"a,\"b"],[2,null],[3,""]]`,
		"application/x-ndjson": "{\"k\":1,\"v\":\"a,\\\"b\"}\n{\"k\":2,\"v\":null}\n{\"k\":3,\"v\":\"\"}\n",
		"text/csv":             "k,v\n1,\"a,\"\"b\"\n2,\n3,\"\"\n",
	} {
		if got := d.sql(q, "Accept", accept); !strings.Contains(got, want) {
			t.Errorf("%s: %q, want %q", accept, got, want)
		}
	}
	r, err := ipc.NewReader(bytes.NewReader([]byte(d.sql(q, "Accept", "application/vnd.apache.arrow.stream"))))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Release()
	rows := int64(0)
	for r.Next() {
		rows += r.RecordBatch().NumRows()
	}
	if rows != 3 || r.Err() != nil {
		t.Errorf("%d rows of Arrow, %v", rows, r.Err())
	}
}

func TestPaging(t *testing.T) {
	d := open(t)
	d.sql(`INSERT INTO t SELECT i::INTEGER, 'x' FROM range(10) r(i)`)
	for order, want := range map[string]string{"asc": "2345678", "desc": "8765432"} {
		got, cursor := "", ""
		for range 10 {
			var page struct {
				Rows   []struct{ K int }
				Cursor string
			}
			_, body := d.do("GET", "/v1/views/t?from=2&to=9&limit=3&order="+order+"&cursor="+cursor, "")
			if err := json.Unmarshal([]byte(body), &page); err != nil {
				t.Fatalf("%s: %v", body, err)
			}
			for _, r := range page.Rows {
				got += string(rune('0' + r.K))
			}
			if cursor = page.Cursor; cursor == "" {
				break
			}
		}
		if got != want {
			t.Errorf("%s: %s, want %s", order, got, want)
		}
	}
}

// TestLive: the grammar of frames, resuming, heartbeats and the end when the server closes.
func TestLive(t *testing.T) {
	d := open(t)
	live := func(path, last string) (*bufio.Reader, func()) {
		ctx, cancel := context.WithCancel(d.ctx)
		req, _ := http.NewRequestWithContext(ctx, "GET", d.url+path, nil)
		req.Header.Set("Last-Event-ID", last)
		res, err := http.DefaultClient.Do(req)
		if err != nil || res.StatusCode != 200 || res.Header.Get("Content-Type") != "text/event-stream" {
			t.Fatalf("live: %v %v", res, err)
		}
		return bufio.NewReader(res.Body), func() { cancel(); _ = res.Body.Close() }
	}
	until := func(r *bufio.Reader, prefix string) (id, line string) {
		t.Helper()
		for {
			line, err := r.ReadString('\n')
			if err != nil {
				t.Fatalf("waiting for %q: %v", prefix, err)
			}
			if rest, is := strings.CutPrefix(line, "id: "); is {
				id = strings.TrimSpace(rest)
			}
			if strings.HasPrefix(line, prefix) {
				return id, line
			}
		}
	}
	r, stop := live("/v1/live/t?v=a", "")
	until(r, "event: snapshot")
	until(r, `data: {"rows":[],"more":false}`)
	until(r, ": heartbeat")
	d.sql(`INSERT INTO t VALUES (1, 'a'), (2, 'b')`)
	id, _ := until(r, `data: {"inserts":[{"k":1,"v":"a"}],"deletes":[]}`)
	stop()
	d.sql(`UPDATE t SET v = 'c' WHERE k = 1`)
	r, stop = live("/v1/live/t?v=a", id)
	until(r, `data: {"inserts":[],"deletes":[{"k":1,"v":"a"}]}`)
	stop()
	r, stop = live("/v1/live?sql=SELECT+count(*)+AS+n+FROM+t&conflate=1ms", "")
	defer stop()
	until(r, `data: {"rows":[{"n":2}],"more":false}`)
	if err := d.s.Close(d.ctx); err != nil {
		t.Errorf("Close with a live query open: %v", err)
	}
	if _, err := io.ReadAll(r); err != nil {
		t.Errorf("the live query's end: %v", err)
	}
}

// TestPanicCutsTheAnswer: a part of an answer is never taken for the whole.
func TestPanicCutsTheAnswer(t *testing.T) {
	d := open(t)
	for name, p := range map[string]any{"bug": "bug", "abort": http.ErrAbortHandler} {
		h := d.s.guarded(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, "part")
			panic(p)
		}))
		func() {
			defer func() {
				if recover() != http.ErrAbortHandler {
					t.Errorf("%s: the connection is not cut", name)
				}
			}()
			h.ServeHTTP(discard{http.Header{}}, httptest.NewRequest("GET", "/x", nil))
		}()
	}
}

type discard struct{ h http.Header }

func (d discard) Header() http.Header         { return d.h }
func (d discard) Write(b []byte) (int, error) { return len(b), nil }
func (d discard) WriteHeader(int)             {}

// TestTokenOfLargeAnswer wants the token in the header of an answer that is sent before its end is known.
func TestTokenOfLargeAnswer(t *testing.T) {
	d := open(t)
	for _, accept := range []string{"application/json", "application/x-ndjson", "text/csv", "application/vnd.apache.arrow.stream"} {
		res, body := d.do("POST", "/v1/sql", "SELECT i, repeat('x', 100) AS x FROM range(20000) r(i)", "Content-Type", "text/plain", "Accept", accept)
		if res.StatusCode != http.StatusOK || len(body) < bufferedBytes || res.Header.Get(tokenHeader) == "" {
			t.Errorf("%s: status %d, %d bytes, token %q", accept, res.StatusCode, len(body), res.Header.Get(tokenHeader))
		}
	}
}

// TestCloseWithUnusedConnection wants a server to close at once although a client has opened a connection that it does not use.
func TestCloseWithUnusedConnection(t *testing.T) {
	s := NewServer(Options{Logger: slog.New(slog.DiscardHandler), Problems: func() []session.Problem { return nil }})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	if res, err := http.Get("http://" + l.Addr().String() + "/healthz"); err != nil || res.Body.Close() != nil {
		t.Fatal(err)
	}
	begun := time.Now()
	if err := s.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if took := time.Since(begun); took > 2*time.Second {
		t.Errorf("closing took %s", took)
	}
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		t.Error(err)
	}
}
