package httpapi

import (
	"bufio"
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidemill/tidemill/internal/log/memlog"
	"github.com/tidemill/tidemill/internal/session"
)

// TestResumeAndRestart: a live query resumes with its token, as a header or parameter; after a restart of the node it starts over and says so; with
// snapshot=false it begins with the changes.
func TestResumeAndRestart(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	l := memlog.New(memlog.Options{})
	defer func() { _ = l.Close() }()
	var db atomic.Pointer[session.Database]
	start := func() {
		opened, err := session.OpenDatabase(ctx, session.DatabaseOptions{Name: "main", Log: l, Logger: slog.New(slog.DiscardHandler), Workers: 1})
		if err != nil {
			t.Fatal(err)
		}
		db.Store(opened)
	}
	start()
	s := NewServer(Options{Database: func(string) (*session.Database, error) { return db.Load(), nil }, Logger: slog.New(slog.DiscardHandler),
		Problems: func() []session.Problem { return nil }})
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = s.Serve(ln) }()
	defer func() {
		_ = s.Close(ctx)
		db.Load().Close()
	}()
	d := &door{t: t, ctx: ctx, url: "http://" + ln.Addr().String(), s: s}
	d.sql(`CREATE TABLE t (k INTEGER PRIMARY KEY, v VARCHAR); CREATE MATERIALIZED VIEW n AS SELECT v, count(*) AS c FROM t GROUP BY v`)
	first, _ := d.post("/v1/streams/t", `{"k":1,"v":"a"}`, "Content-Type", "application/json")
	f := d.follow("/v1/live/n?after="+first.Token, "")
	token := f.wants("snapshot", `{"rows":[{"v":"a","c":1}],"more":false}`)
	f.stop()
	second, _ := d.post("/v1/streams/t", `{"k":2,"v":"a"}`, "Content-Type", "application/json")
	missed := `{"inserts":[{"v":"a","c":2}],"deletes":[{"v":"a","c":1}]}`
	for _, how := range []struct{ path, header string }{{"/v1/live/n?", token}, {"/v1/live/n?lastEventId=" + token, ""},
		{"/v1/live?sql=" + url.QueryEscape("SELECT * FROM n"), token}, {"/v1/live/n?v=a", token}} {
		f = d.follow(how.path+"&after="+second.Token, how.header)
		f.wants("change", missed)
		f.stop()
	}
	f = d.follow("/v1/live/n?snapshot=false&after="+second.Token, "")
	d.post("/v1/streams/t", `{"k":3,"v":"b"}`, "Content-Type", "application/json")
	f.wants("change", `{"inserts":[{"v":"b","c":1}],"deletes":[]}`)
	// The node restarts under a client, which comes back by itself.
	old := db.Load()
	old.Close()
	if e, data := f.next(); e != "error" || !strings.Contains(data, `"57P01"`) {
		t.Errorf("the end is told as %s %s", e, data)
	}
	f.stop()
	start()
	for _, path := range []string{"/v1/live/t", "/v1/live/t?snapshot=false"} {
		f = d.follow(path, token)
		token2 := f.wants("snapshot", `{"rows":[{"k":1,"v":"a"},{"k":2,"v":"a"},{"k":3,"v":"b"}],"more":false,"reset":true}`)
		f.stop()
		v, _ := d.post("/v1/streams/t", `{"k":4,"v":"d"}`, "Content-Type", "application/json")
		f = d.follow(path+map[bool]string{true: "&", false: "?"}[strings.Contains(path, "?")]+"after="+v.Token, token2)
		f.wants("change", `{"inserts":[{"k":4,"v":"d"}],"deletes":[]}`)
		f.stop()
		v, _ = d.post("/v1/streams/t", `{"k":4,"_deleted":true}`, "Content-Type", "application/json")
		d.after(v.Token, `SELECT count(*) FROM t`, `[[3]]`)
	}
	// Whatever is no token is refused, not taken for an old one.
	if res, text := d.do("GET", "/v1/live/t", "", "Last-Event-ID", "nonsense"); res.StatusCode != 400 {
		t.Errorf("a token of nonsense: %d %s", res.StatusCode, text)
	}
}

// following is a live query.
type following struct {
	d    *door
	in   *bufio.Reader
	stop func()
	id   string
}

func (d *door) follow(path, last string) *following {
	d.t.Helper()
	ctx, cancel := context.WithCancel(d.ctx)
	req, err := http.NewRequestWithContext(ctx, "GET", d.url+path, nil)
	if err != nil {
		d.t.Fatal(err)
	}
	if last != "" {
		req.Header.Set("Last-Event-ID", last)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		d.t.Fatal(err)
	}
	if res.StatusCode != http.StatusOK {
		d.t.Fatalf("live %s: %d", path, res.StatusCode)
	}
	return &following{d: d, in: bufio.NewReader(res.Body), stop: func() { cancel(); _ = res.Body.Close() }}
}

// next returns the next frame that is not progress.
func (f *following) next() (event, data string) {
	f.d.t.Helper()
	for {
		line, err := f.in.ReadString('\n')
		if err != nil {
			f.d.t.Fatalf("the live query ended: %v", err)
		}
		line = strings.TrimSuffix(line, "\n")
		switch name, value, _ := strings.Cut(line, ": "); name {
		case "id":
			f.id = value
		case "event":
			event = value
		case "data":
			if event != "progress" {
				return event, value
			}
		}
	}
}

func (f *following) wants(event, data string) string {
	f.d.t.Helper()
	if e, got := f.next(); e != event || got != data {
		f.d.t.Fatalf("%s %s, want %s %s", e, got, event, data)
	}
	return f.id
}
