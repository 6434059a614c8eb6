package main

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func tail(t *testing.T, addr string, args ...string) (out *buffer, stop func()) {
	t.Helper()
	out = &buffer{}
	ctx, cancel := context.WithCancel(t.Context())
	root := newRoot()
	root.SetArgs(append(append([]string{"tail"}, args...), "--server", addr))
	root.SetOut(out)
	root.SetErr(out)
	done := make(chan error, 1)
	go func() { done <- root.ExecuteContext(ctx) }()
	return out, func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

func TestTail(t *testing.T) {
	c := newCLI(t)
	c.sql(`CREATE TABLE t (id INTEGER PRIMARY KEY, zone VARCHAR, v INTEGER); INSERT INTO t VALUES (1, 'a', 10)`)
	out, stop := tail(t, c.addr, "t", "--where", "zone=a", "--snapshot")
	out.waitFor(t, "+  1")
	c.sql(`UPDATE t SET v = 11 WHERE id = 1; INSERT INTO t VALUES (2, 'b', 20), (3, 'a', 30)`)
	out.waitFor(t, "+  3")
	stop()
	got := out.String()
	if strings.Contains(got, "20") || strings.Index(got, "−  1 │ a    │ 10") > strings.Index(got, "+  1 │ a    │ 11") || !strings.Contains(got, "id │ zone │ v") {
		t.Errorf("\n%s", got)
	}
}

func TestTailJSONResumes(t *testing.T) {
	c := newCLI(t)
	c.sql(`CREATE TABLE t (id INTEGER PRIMARY KEY, v INTEGER); INSERT INTO t VALUES (1, 10)`)
	out, stop := tail(t, c.addr, "t", "--format", "json", "--snapshot")
	out.waitFor(t, "snapshot")
	stop()
	type line struct {
		Op, Token string
		Row       map[string]int
	}
	var first line
	if err := json.Unmarshal([]byte(out.String()), &first); err != nil || first.Token == "" || first.Row["v"] != 10 {
		t.Fatalf("%s: %v", out.String(), err)
	}
	c.sql(`DELETE FROM t WHERE id = 1; INSERT INTO t VALUES (2, 20)`)
	out, stop = tail(t, c.addr, "t", "--format", "json", "--resume", first.Token)
	out.waitFor(t, `"id":2`)
	stop()
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != 2 || !strings.Contains(lines[0], `"op":"delete"`) || !strings.Contains(lines[1], `"op":"insert"`) {
		t.Errorf("%q", lines)
	}
}

// When the connection is lost, tail comes back with the token of the last change and misses nothing.
func TestTailComesBack(t *testing.T) {
	c := newCLI(t)
	c.sql(`CREATE STREAM s (n INTEGER); CREATE MATERIALIZED VIEW v AS SELECT n, count(*) AS times FROM s GROUP BY n`)
	target, err := url.Parse("http://" + c.addr)
	if err != nil {
		t.Fatal(err)
	}
	var connections atomic.Int64
	cut := make(chan struct{})
	proxy := httputil.NewSingleHostReverseProxy(target)
	proxy.FlushInterval = -1
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if connections.Add(1) == 1 {
			ctx, cancel := context.WithCancel(r.Context())
			go func() { <-cut; cancel() }()
			r = r.WithContext(ctx)
		}
		proxy.ServeHTTP(w, r)
	}))
	defer server.Close()
	cl, err := newClient(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	out, log := &buffer{}, &buffer{}
	ctx, cancel := context.WithCancel(t.Context())
	f := &follower{client: cl, path: "/v1/live/v", printer: &changePrinter{out: out, json: true}, log: log, wait: time.Millisecond}
	done := make(chan error, 1)
	go func() { done <- f.run(ctx) }()
	waitUntil(t, func() bool { return connections.Load() == 1 }, func() string { return "no connection" })
	c.sql(`INSERT INTO s VALUES (1)`)
	out.waitFor(t, `"n":1,`)
	close(cut)
	c.sql(`INSERT INTO s VALUES (2)`)
	out.waitFor(t, `"n":2`)
	c.sql(`INSERT INTO s VALUES (3)`)
	out.waitFor(t, `"n":3`)
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if n := strings.Count(out.String(), "\n"); n != 3 || connections.Load() < 2 || !strings.Contains(log.String(), "connected again") {
		t.Errorf("%d connections, %s\n%s", connections.Load(), log.String(), out.String())
	}
}

func TestTailErrors(t *testing.T) {
	c := newCLI(t)
	if code, _, errOut := c.run("tail", "nosuch"); code != 1 || !strings.Contains(errOut, "nosuch") {
		t.Errorf("%d %s", code, errOut)
	}
}

// A snapshot that nobody asked for is announced, not shown.
func TestTailWithoutHistory(t *testing.T) {
	out := &buffer{}
	p := &changePrinter{out: out, changesOnly: true}
	for _, f := range []frame{{event: "change", data: []byte(`{"inserts":[{"n":1}],"deletes":[]}`)}, {event: "snapshot", data: []byte(`{"rows":[{"n":1},{"n":2}],"more":false,"reset":true}`)},
		{event: "progress", data: []byte("{}")}, {event: "change", data: []byte(`{"inserts":[{"n":3}],"deletes":[]}`)}} {
		if err := p.frame(f); err != nil {
			t.Fatal(err)
		}
	}
	if got := out.String(); strings.Contains(got, "+ 2") || !strings.Contains(got, "may be missing") || !strings.Contains(got, "+ 3") {
		t.Errorf("\n%s", got)
	}
}
