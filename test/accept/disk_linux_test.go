package accept

import (
	"bufio"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// TestFullDisk fills the disk under a node. Writes are refused with that reason at every door, reads and live queries go on, writes are taken again when there is
// room, and of what was acknowledged nothing is missing.
func TestFullDisk(t *testing.T) {
	disk := t.TempDir()
	if err := syscall.Mount("tmpfs", disk, "tmpfs", 0, "size=96m"); err != nil {
		t.Skipf("mounting a small file system: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(disk, syscall.MNT_DETACH) })
	ballast := filepath.Join(disk, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 40<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(disk, "data")
	p := start(t, "--data", dir)
	p.must(`CREATE STREAM ev (client INTEGER, n INTEGER, pad VARCHAR)`)
	p.must(`CREATE STREAM other (a INTEGER)`)
	p.must(`INSERT INTO other VALUES (1)`)
	p.must(`CREATE MATERIALIZED VIEW per_client AS SELECT client, count(*) AS c FROM ev GROUP BY client`)
	live := follow(t, p, "per_client")

	w := fill(p)
	waitFor(t, "a write is refused", func() bool { return w.refused.Load() > 3 })
	began := time.Now()
	for range 20 {
		status, text, header := p.request("POST", "/v1/streams/other", "application/json", `{"a":2}`)
		if status != http.StatusServiceUnavailable || !strings.Contains(text, "53100") || !strings.Contains(text, "no space left") || header.Get("Retry-After") == "" {
			t.Errorf("HTTP on a full disk: %d %s", status, text)
		}
	}
	conn, err := p.postgres(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Exec(t.Context(), `INSERT INTO other VALUES (3)`).ReadAll(); err == nil || !strings.Contains(err.Error(), "53100") {
		t.Errorf("INSERT on a full disk: %v", err)
	}
	if a := p.sql(`CREATE STREAM third (a INTEGER)`, ""); a.Error == nil || a.Error.Code != "53100" {
		t.Errorf("CREATE on a full disk: %+v", a.Error)
	}
	if r := p.must(`SELECT a FROM other`).Rows; len(r) != 1 {
		t.Errorf("reading on a full disk: %v", r)
	}
	if n := number(p.must(`SELECT sum(c) FROM per_client`).Rows[0][0]); int64(n) < w.acked.Load()/2 {
		t.Errorf("the view has %d events, %d were acknowledged", n, w.acked.Load())
	}
	second := follow(t, p, "per_client")
	waitFor(t, "a live query that begins on a full disk has its snapshot", func() bool { return second.frames.Load() > 0 })
	t.Logf("%d acknowledged and %d refused when full; all was refused within %v", w.acked.Load(), w.refused.Load(), time.Since(began))

	// A node that is started on a full disk answers, too.
	w.end()
	p.kill()
	p = start(t, "--data", dir)
	w.check(t, p)
	if a := p.sql(`INSERT INTO other VALUES (4)`, ""); a.Error != nil && a.Error.Code != "53100" {
		t.Errorf("INSERT after a start on a full disk: %+v", a.Error)
	}
	w.stop.Store(false)
	w.start(p)
	waitFor(t, "a write is refused after the start", func() bool { return w.refused.Load() > 10 })
	live = follow(t, p, "per_client")
	waitFor(t, "the snapshot is there", func() bool { return live.frames.Load() > 0 })

	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	n, seen := w.acked.Load(), live.frames.Load()
	waitFor(t, "writes are taken again", func() bool { return w.acked.Load() > n+5 })
	waitFor(t, "the live query goes on", func() bool { return live.frames.Load() > seen })
	w.end()
	w.check(t, p)
	for range 2 {
		p.kill()
		p = start(t, "--data", dir)
		w.check(t, p)
	}
	t.Logf("%d acknowledged, %d refused; what clients were told: %v", w.acked.Load(), w.refused.Load(), w.told)
}

// filling is a load of large events that notes what was acknowledged.
type filling struct {
	acked, refused atomic.Int64
	stop           atomic.Bool
	clients        sync.WaitGroup
	mu             sync.Mutex
	last           [4]int
	told           map[string]int
}

func fill(p *process) *filling {
	w := &filling{told: map[string]int{}}
	w.start(p)
	return w
}

// start goes on where the load ended.
func (w *filling) start(p *process) {
	pad := strings.Repeat("x", 200_000)
	for c := range w.last {
		w.clients.Go(func() {
			for n := w.last[c]; !w.stop.Load(); {
				body := fmt.Sprintf(`{"client":%d,"n":%d,"pad":%q}`, c, n, pad)
				status, text, _ := p.request("POST", "/v1/streams/ev", "application/json", body)
				w.mu.Lock()
				w.told[fmt.Sprint(status)]++
				w.mu.Unlock()
				if status == http.StatusOK && strings.Contains(text, `"accepted":1`) {
					w.acked.Add(1)
					n++
					w.mu.Lock()
					w.last[c] = n
					w.mu.Unlock()
					time.Sleep(5 * time.Millisecond)
					continue
				}
				w.refused.Add(1)
				time.Sleep(50 * time.Millisecond)
			}
		})
	}
}

func (w *filling) end() {
	w.stop.Store(true)
	w.clients.Wait()
}

// check wants each acknowledged event once, and nothing that was refused.
func (w *filling) check(t *testing.T, p *process) {
	t.Helper()
	for c, n := range w.last {
		r := p.must(fmt.Sprintf(`SELECT count(*), count(DISTINCT n), (SELECT c FROM per_client WHERE client = %d) FROM ev WHERE client = %d`, c, c)).Rows[0]
		if number(r[0]) != n || number(r[1]) != n || number(r[2]) != n {
			t.Errorf("client %d: %v events, %v different, %v in the view; %d were acknowledged", c, r[0], r[1], r[2], n)
		}
	}
}

func waitFor(t *testing.T, what string, cond func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !cond(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not in time: %s", what)
		}
	}
}

// following is a live query.
type following struct {
	frames atomic.Int64
	ended  atomic.Bool
}

// follow opens a live query of a view.
func follow(t *testing.T, p *process, view string) *following {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+p.http+"/v1/live/"+view, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("following %s: %v %v", view, res, err)
	}
	f := &following{}
	go func() {
		defer res.Body.Close()
		lines := bufio.NewScanner(res.Body)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			if strings.HasPrefix(lines.Text(), "event: snapshot") || strings.HasPrefix(lines.Text(), "event: change") {
				f.frames.Add(1)
			}
		}
		f.ended.Store(true)
	}()
	return f
}
