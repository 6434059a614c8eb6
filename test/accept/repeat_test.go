package accept

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// TestRetriesThroughKills writes with retries while the process is killed: every request is repeated until it is answered, and once more. Each event is there once, and
// each repeat is answered like the first.
func TestRetriesThroughKills(t *testing.T) {
	dir := t.TempDir()
	p := start(t, "--data", dir)
	p.must(`CREATE STREAM ev (client INTEGER, n INTEGER) WITH (key = 'client', partitions = 3)`)
	p.must(`CREATE STREAM declared (client INTEGER, n INTEGER) WITH (dedupe = 'client, n')`)
	p.must(`CREATE MATERIALIZED VIEW per_client AS SELECT client, count(*) AS c FROM ev GROUP BY client`)
	var addr atomic.Pointer[string]
	addr.Store(&p.http)
	var stop atomic.Bool
	var clients sync.WaitGroup
	sent := make([]int, 6)
	for c := range sent {
		clients.Go(func() {
			for ; !stop.Load(); sent[c]++ {
				w := retry{t: t, addr: &addr, client: c, n: sent[c]}
				first := w.send()
				if again := w.send(); !reflect.DeepEqual(again, first) && c%3 == 0 {
					t.Errorf("client %d, request %d: answered %v, repeated %v", c, w.n, first, again)
				}
			}
		})
	}
	for round := range 4 {
		time.Sleep(400*time.Millisecond + time.Duration(round)*90*time.Millisecond)
		p.kill()
		p = start(t, "--data", dir)
		addr.Store(&p.http)
	}
	time.Sleep(200 * time.Millisecond)
	stop.Store(true)
	clients.Wait()
	for c, n := range sent {
		from := "ev"
		if c%3 == 2 {
			from = "declared"
		}
		r := p.must(fmt.Sprintf(`SELECT count(*), count(DISTINCT n) FROM %s WHERE client = %d`, from, c)).Rows[0]
		if number(r[0]) != 2*n || number(r[1]) != 2*n {
			t.Errorf("client %d sent %d events: there are %v, %v of them different", c, 2*n, r[0], r[1])
		}
	}
	t.Logf("requests by client: %v", sent)
}

// retry is a request of two events that is repeated until it is answered.
type retry struct {
	t         *testing.T
	addr      *atomic.Pointer[string]
	client, n int
}

func (w *retry) request() (*http.Request, error) {
	table, kind, body := "ev", "application/x-ndjson", fmt.Sprintf("{\"client\":%d,\"n\":%d}\n{\"client\":%d,\"n\":%d}\n{\"nothing\":1}", w.client, 2*w.n, w.client, 2*w.n+1)
	switch w.client % 3 {
	case 1:
		kind = "application/cloudevents-batch+json"
		var events []string
		for i := range 2 {
			events = append(events, fmt.Sprintf(`{"specversion":"1.0","type":"t","source":"c%d","id":"%d","data":{"client":%d,"n":%d}}`, w.client, 2*w.n+i, w.client, 2*w.n+i))
		}
		body = "[" + strings.Join(events, ",") + "]"
	case 2:
		table = "declared"
	}
	req, err := http.NewRequestWithContext(w.t.Context(), http.MethodPost, "http://"+*w.addr.Load()+"/v1/streams/"+table, strings.NewReader(body))
	if err == nil {
		req.Header.Set("Content-Type", kind)
		if w.client%3 == 0 {
			req.Header.Set("Idempotency-Key", fmt.Sprintf("%d-%d", w.client, w.n))
		}
	}
	return req, err
}

// send returns the answer.
func (w *retry) send() map[string]any {
	for {
		req, err := w.request()
		if err != nil {
			w.t.Error(err)
			return nil
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			if w.t.Context().Err() != nil {
				return nil
			}
			time.Sleep(10 * time.Millisecond)
			continue
		}
		text, err := io.ReadAll(res.Body)
		res.Body.Close()
		var answer map[string]any
		if err != nil || res.StatusCode != http.StatusOK || json.Unmarshal(text, &answer) != nil {
			time.Sleep(10 * time.Millisecond)
			continue
		}
		return answer
	}
}
