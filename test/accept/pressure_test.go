package accept

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// postgres connects to the node as a client of Postgres.
func (p *process) postgres(ctx context.Context) (*pgconn.PgConn, error) {
	return pgconn.Connect(ctx, "postgres://test@"+p.pg+"/main?sslmode=disable")
}

// peakMemory is the most memory that the node had, in bytes.
func (p *process) peakMemory() int64 {
	p.t.Helper()
	f, err := os.Open(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		p.t.Skip("the system does not tell the memory of a process")
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		var kb int64
		if _, err := fmt.Sscanf(lines.Text(), "VmHWM: %d kB", &kb); err == nil {
			return kb << 10
		}
	}
	return 0
}

// burst counts what clients were told.
type burst struct {
	mu       sync.Mutex
	statuses map[int]int
	odd      []string
	slowest  time.Duration
	acked    map[string]int // by client: events that were acknowledged
}

func (b *burst) note(status int, took time.Duration, odd string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.statuses[status]++
	b.slowest = max(b.slowest, took)
	if odd != "" && len(b.odd) < 5 {
		b.odd = append(b.odd, odd)
	}
}

func (b *burst) ack(client string, events int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.acked[client] += events
}

// TestBurst sends a hundred times what the node takes at once, over HTTP and with COPY. HTTP clients are told to come again, COPY is held up, memory stays bounded, and what was
// acknowledged is there.
func TestBurst(t *testing.T) {
	p := start(t, "--data", t.TempDir(), "--inflight-bytes", "4MiB")
	p.must(`CREATE STREAM ev (client VARCHAR, n INTEGER, pad VARCHAR)`)
	b := &burst{statuses: map[int]int{}, acked: map[string]int{}}
	var clients sync.WaitGroup
	var copies []*pgconn.PgConn
	for range 8 {
		conn, err := p.postgres(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close(t.Context())
		copies = append(copies, conn)
	}
	stop := time.Now().Add(5 * time.Second)
	for c := range 400 { // of 1 MiB each
		clients.Go(func() { b.post(t, p, fmt.Sprintf("http%d", c), stop) })
	}
	for c, conn := range copies {
		clients.Go(func() { b.copy(t, conn, fmt.Sprintf("copy%d", c), stop) })
	}
	clients.Wait()
	t.Logf("statuses %v, slowest %v, peak memory %d MiB", b.statuses, b.slowest, p.peakMemory()>>20)
	if b.statuses[200] == 0 || b.statuses[429] == 0 || b.statuses[1] == 0 || len(b.odd) > 0 {
		t.Errorf("statuses %v, %v", b.statuses, b.odd)
	}
	got := map[string]int{}
	for _, r := range p.must(`SELECT client, count(*), count(DISTINCT n) FROM ev GROUP BY client`).Rows {
		got[r[0].(string)] = number(r[1])
		if number(r[1]) != number(r[2]) {
			t.Errorf("client %v: %v events, %v different", r[0], r[1], r[2])
		}
	}
	for c, n := range b.acked {
		if got[c] != n {
			t.Errorf("client %s: %d events, %d were acknowledged", c, got[c], n)
		}
	}
	if peak := p.peakMemory(); peak > 1<<30 {
		t.Errorf("the node took %d MiB", peak>>20)
	}
}

func (b *burst) post(t *testing.T, p *process, client string, stop time.Time) {
	const rows = 16
	pad := strings.Repeat("x", 64<<10)
	for n := 0; time.Now().Before(stop); {
		var body bytes.Buffer
		for i := range rows {
			fmt.Fprintf(&body, "{\"client\":%q,\"n\":%d,\"pad\":%q}\n", client, n+i, pad)
		}
		began := time.Now()
		res, err := http.Post("http://"+p.http+"/v1/streams/ev", "application/x-ndjson", &body)
		if err != nil {
			b.note(0, time.Since(began), err.Error())
			continue
		}
		text, err := io.ReadAll(res.Body)
		res.Body.Close()
		odd := ""
		switch {
		case err != nil:
			odd = err.Error()
		case res.StatusCode == http.StatusOK:
			n += rows
			b.ack(client, rows)
		case res.StatusCode != http.StatusTooManyRequests || res.Header.Get("Retry-After") == "" || !strings.Contains(string(text), "inflight-bytes"):
			odd = string(text)
		}
		b.note(res.StatusCode, time.Since(began), odd)
		if res.StatusCode == http.StatusTooManyRequests {
			time.Sleep(200 * time.Millisecond)
		}
	}
}

func (b *burst) copy(t *testing.T, conn *pgconn.PgConn, client string, stop time.Time) {
	pad := strings.Repeat("x", 64<<10)
	for n := 0; time.Now().Before(stop); n += 16 {
		var body bytes.Buffer
		for i := range 16 {
			fmt.Fprintf(&body, "%s\t%d\t%s\n", client, n+i, pad)
		}
		began := time.Now()
		if _, err := conn.CopyFrom(t.Context(), &body, "COPY ev FROM STDIN"); err != nil {
			b.note(-1, time.Since(began), err.Error())
			return
		}
		b.note(1, time.Since(began), "")
		b.ack(client, 16)
	}
}

// endless is a query that takes for ever and little memory.
const endless = `SELECT count(*) FROM range(10000000) a(x), range(10000000) b(y) WHERE (a.x * 7 + b.y) % 1000003 = 5`

// TestRunawayQueryEndsWithItsClient starts more endless queries than run at once, all of whose clients go away: others are answered then.
func TestRunawayQueryEndsWithItsClient(t *testing.T) {
	p := start(t, "--memory", "--query-timeout", "10m")
	for name, begin := range map[string]func() (io.Closer, error){
		"http": func() (io.Closer, error) {
			c, err := net.Dial("tcp", p.http)
			if err == nil {
				body, _ := json.Marshal(map[string]string{"sql": endless})
				_, err = fmt.Fprintf(c, "POST /v1/sql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
			}
			return c, err
		},
		"postgres": func() (io.Closer, error) {
			conn, err := p.postgres(t.Context())
			if err != nil {
				return nil, err
			}
			hijacked, err := conn.Hijack()
			if err != nil {
				return nil, err
			}
			message := append([]byte{'Q', 0, 0, 0, byte(len(endless) + 5)}, append([]byte(endless), 0)...)
			_, err = hijacked.Conn.Write(message)
			return hijacked.Conn, err
		},
	} {
		t.Run(name, func(t *testing.T) {
			var open []io.Closer
			for range 20 {
				c, err := begin()
				if err != nil {
					t.Fatal(err)
				}
				open = append(open, c)
			}
			time.Sleep(500 * time.Millisecond)
			for _, c := range open {
				c.Close()
			}
			began := time.Now()
			p.must(`SELECT count(*) FROM range(100000)`)
			if d := time.Since(began); d > 20*time.Second {
				t.Errorf("a query waited %v for those whose clients are gone", d)
			}
		})
	}
}

// TestQueryBounds: queries that take too much are stopped alone, with an error that names the bound.
func TestQueryBounds(t *testing.T) {
	p := start(t, "--memory", "--query-timeout", "300ms", "--query-memory", "64MiB", "--query-temp", "64MiB", "--result-bytes", "100KiB")
	for query, want := range map[string][2]string{
		endless: {"57014", "--query-timeout"},
		`SET statement_timeout = '400ms'; ` + endless: {"57014", "statement_timeout"},
		`SET statement_timeout = '1min'; SELECT count(DISTINCT x::VARCHAR || 'some text to make it longer') FROM range(20000000) t(x)`: {"53200", "--query-memory"},
		`SELECT x FROM range(100000000) t(x)`: {"54000", "--result-bytes"},
		// Planning it would take minutes, and cannot be interrupted.
		`SELECT count(*) FROM ` + strings.Repeat("range(3), ", 99) + `range(3)`:                     {"54001", ""},
		`SELECT ` + strings.Repeat("list_transform([1], x -> ", 30) + "1" + strings.Repeat(")", 30): {"54001", ""},
	} {
		began := time.Now()
		a := p.sql(query, "")
		if d := time.Since(began); d > 20*time.Second {
			t.Errorf("%.80s: refused after %v", query, d)
		}
		if a.Error == nil || a.Error.Code != want[0] || !strings.Contains(a.Error.Hint, want[1]) {
			t.Errorf("%s: %+v", query, a.Error)
		}
	}
	if a := p.sql(`SET tidemill.result_bytes = '0'; SET statement_timeout = 0; SELECT x FROM range(300000) t(x)`, ""); a.Error != nil || len(a.Rows) != 300_000 {
		t.Errorf("%d rows, %+v", len(a.Rows), a.Error)
	}
	for _, bad := range []string{`SET statement_timeout = 'soon'`, `SET tidemill.result_bytes = '-1'`} {
		if a := p.sql(bad, ""); a.Error == nil || a.Error.Code != "22023" {
			t.Errorf("%s: %+v", bad, a.Error)
		}
	}
	if peak := p.peakMemory(); peak > 1<<30 {
		t.Errorf("the node took %d MiB", peak>>20)
	}
}
