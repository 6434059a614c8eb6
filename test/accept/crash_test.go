package accept

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// TestAcknowledgedSurvivesKill writes from several clients, kills the process with SIGKILL, restarts it on the same directory, and wants every
// acknowledged event exactly once and a view that agrees with them.
func TestAcknowledgedSurvivesKill(t *testing.T) {
	dir := t.TempDir()
	p := start(t, "--data", dir)
	p.must(`CREATE STREAM ev (client INTEGER, n INTEGER, k VARCHAR) WITH (key = 'client', partitions = 3)`)
	p.must(`CREATE TABLE latest (client INTEGER PRIMARY KEY, n INTEGER)`)
	p.must(`CREATE MATERIALIZED VIEW per_key AS SELECT k, count(*) AS c, sum(n) AS s FROM ev GROUP BY k`)
	acked := map[int]int{} // client → acknowledged events, which are numbered from 0
	for round := range 3 {
		acked = writeUntilKilled(t, p, acked, 300*time.Millisecond+time.Duration(round)*150*time.Millisecond)
		p = start(t, "--data", dir)
		checkAcked(t, p, acked)
	}
	if code := p.stop(); code != 0 {
		t.Errorf("exit code %d after SIGTERM", code)
	}
}

// writeUntilKilled returns how many events each client has written, as far as was acknowledged; the last one may be there without that.
func writeUntilKilled(t *testing.T, p *process, from map[int]int, after time.Duration) map[int]int {
	acked := map[int]int{}
	var mu sync.Mutex
	var clients sync.WaitGroup
	var killed atomic.Bool
	for c := range 4 {
		clients.Go(func() {
			n := from[c]
			for !killed.Load() {
				body := fmt.Sprintf("{\"client\":%d,\"n\":%d,\"k\":\"k%d\"}\n", c, n, n%7)
				res, err := http.Post("http://"+p.http+"/v1/streams/ev", "application/x-ndjson", strings.NewReader(body))
				if err != nil {
					break
				}
				var verdict struct{ Accepted int }
				err = json.NewDecoder(res.Body).Decode(&verdict)
				res.Body.Close()
				if err != nil || verdict.Accepted != 1 {
					break
				}
				n++
			}
			mu.Lock()
			acked[c] = n
			mu.Unlock()
		})
	}
	timer := time.NewTimer(after)
	<-timer.C
	p.kill()
	killed.Store(true)
	clients.Wait()
	return acked
}

// checkAcked wants the events 0 … acked-1 of each client exactly once; one more may be there, which then counts as acknowledged.
func checkAcked(t *testing.T, p *process, acked map[int]int) {
	t.Helper()
	for _, r := range p.must(`SELECT client, count(*), count(DISTINCT n), max(n) FROM ev GROUP BY client`).Rows {
		client, total, distinct, last := number(r[0]), number(r[1]), number(r[2]), number(r[3])
		if total != distinct || total != last+1 || (total != acked[client] && total != acked[client]+1) {
			t.Errorf("client %d: %d events, %d distinct, up to %d; acknowledged were %d", client, total, distinct, last, acked[client])
		}
		acked[client] = total
	}
	differ := p.must(`SELECT count(*) FROM ((SELECT k, count(*) AS c, sum(n) AS s FROM ev GROUP BY k) EXCEPT (SELECT k, c, s FROM per_key))`)
	if number(differ.Rows[0][0]) != 0 {
		t.Errorf("the view differs from its query: %v", p.must(`SELECT * FROM per_key ORDER BY k`).Rows)
	}
}

func number(v any) int {
	n, err := v.(json.Number).Int64()
	if err != nil {
		return -1
	}
	return int(n)
}

// TestDataDirectoryIsExclusive starts a second process on a directory in use.
func TestDataDirectoryIsExclusive(t *testing.T) {
	dir := t.TempDir()
	start(t, "--data", dir)
	out, code := runCommand(t, "serve", "--data", dir, "--http", "127.0.0.1:0", "--pg", "127.0.0.1:0")
	if code != 1 || !strings.Contains(out, "in use") {
		t.Errorf("exit code %d, output %s", code, out)
	}
}

// TestTwoNodes runs two nodes side by side.
func TestTwoNodes(t *testing.T) {
	a, b := start(t, "--memory"), start(t, "--memory")
	a.must(`CREATE TABLE only_a (id INTEGER PRIMARY KEY)`)
	if b.sql(`SELECT * FROM only_a`, "").Error == nil {
		t.Error("a table of one node is in the other")
	}
}
