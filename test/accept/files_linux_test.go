package accept

import (
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestTooManyConnections opens more connections than the process may have files. Those there were go on, the node writes and answers on them, new ones are told why they are
// refused, and are taken when others have gone.
func TestTooManyConnections(t *testing.T) {
	p := startLimited(t, "ulimit -n 256", "--data", t.TempDir())
	p.must(`CREATE STREAM ev (a INTEGER)`)
	p.must(`CREATE MATERIALIZED VIEW v AS SELECT count(*) AS c FROM ev`)
	conn, err := p.postgres(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	live := follow(t, p, "v")
	waitFor(t, "the snapshot is there", func() bool { return live.frames.Load() > 0 })
	var idle []net.Conn
	for i := range 600 {
		addr := p.http
		if i%3 == 0 {
			addr = p.pg
		}
		c, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		idle = append(idle, c)
	}
	time.Sleep(300 * time.Millisecond)
	for range 20 { // new files are written, and the old connections go on
		seen := live.frames.Load()
		if _, err := conn.Exec(t.Context(), `INSERT INTO ev VALUES (1)`).ReadAll(); err != nil {
			t.Fatalf("on an old connection: %v", err)
		}
		waitFor(t, "the live query goes on", func() bool { return live.frames.Load() > seen })
	}
	if _, err := conn.Exec(t.Context(), `CREATE STREAM ev2 (a INTEGER); INSERT INTO ev2 VALUES (1)`).ReadAll(); err != nil {
		t.Errorf("a new stream: %v", err)
	}
	fresh := &http.Client{Transport: &http.Transport{}}
	defer fresh.CloseIdleConnections()
	res, err := fresh.Get("http://" + p.http + "/healthz")
	if err != nil {
		t.Fatal(err)
	}
	text, _ := io.ReadAll(res.Body)
	res.Body.Close()
	if res.StatusCode != http.StatusServiceUnavailable || !strings.Contains(string(text), "53300") || res.Header.Get("Retry-After") == "" {
		t.Errorf("one connection too many: %d %s", res.StatusCode, text)
	}
	if _, err := p.postgres(t.Context()); err == nil || !strings.Contains(err.Error(), "53300") {
		t.Errorf("one connection too many: %v", err)
	}
	for _, c := range idle {
		c.Close()
	}
	waitFor(t, "new connections are taken", func() bool {
		c, err := p.postgres(t.Context())
		if err == nil {
			c.Close(t.Context())
		}
		return err == nil
	})
	if a := p.must(`SELECT c FROM v`); number(a.Rows[0][0]) != 20 {
		t.Errorf("%v events", a.Rows)
	}
	if live.ended.Load() {
		t.Error("the live query ended")
	}
}
