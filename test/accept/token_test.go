package accept

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

var tokenRounds = flag.Int("token.rounds", 400, "writes whose token is handed to a read on another door")

// TestTokenMakesReadsSeeWrites hands each write's token to a read on another door, while others write, and wants the read to see the write.
func TestTokenMakesReadsSeeWrites(t *testing.T) {
	p := start(t, "--data", t.TempDir())
	p.must(`CREATE STREAM ev (id INTEGER, v DOUBLE)`)
	p.must(`CREATE MATERIALIZED VIEW last AS SELECT id, max(v) AS v, count(*) AS n FROM ev GROUP BY id`)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute+time.Duration(*tokenRounds)*50*time.Millisecond)
	defer cancel()
	conn, err := pgx.Connect(ctx, "postgres://tester@"+p.pg+"/main?sslmode=disable")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	// Every round others send a batch beside it: ingest never stops, and what a round reads does not grow without bound.
	var noise sync.WaitGroup
	defer noise.Wait()
	rounds := make(chan int, 4)
	defer close(rounds)
	noise.Go(func() {
		for i := range rounds {
			body := strings.Repeat(fmt.Sprintf("{\"id\":%d,\"v\":1}\n", -1-i%50), 100)
			if res, err := http.Post("http://"+p.http+"/v1/streams/ev", "application/x-ndjson", strings.NewReader(body)); err == nil {
				res.Body.Close()
			}
		}
	})
	for i := range *tokenRounds {
		rounds <- i
		token := p.write(ctx, conn, i)
		if got := p.readAfter(ctx, conn, i, token); got != 1 {
			t.Fatalf("round %d: the read shows %d rows, want the one that was written", i, got)
		}
	}
}

// write inserts an event and returns its token.
func (p *process) write(ctx context.Context, conn *pgx.Conn, i int) string {
	p.t.Helper()
	if i%2 == 0 {
		_, text, header := p.request("POST", "/v1/streams/ev", "application/json", fmt.Sprintf(`{"id":%d,"v":%d}`, i, i))
		var v struct{ Token string }
		if err := json.Unmarshal([]byte(text), &v); err != nil || v.Token == "" || v.Token != header.Get("Tidemill-Token") {
			p.t.Fatalf("no token in %s", text)
		}
		return v.Token
	}
	a := p.must(fmt.Sprintf(`INSERT INTO ev VALUES (%d, %d)`, i, i))
	return a.Token
}

// readAfter counts the rows of an id on one of the doors.
func (p *process) readAfter(ctx context.Context, conn *pgx.Conn, i int, token string) int {
	p.t.Helper()
	switch i % 5 {
	case 0:
		return number(p.sql(fmt.Sprintf(`SELECT count(*) FROM ev WHERE id = %d`, i), token).Rows[0][0])
	case 1:
		_, text, _ := p.request("GET", fmt.Sprintf("/v1/views/last?id=%d", i), "", "", "Tidemill-After", token)
		return strings.Count(text, fmt.Sprintf(`"id":%d,`, i))
	case 2:
		return p.liveRows(ctx, i, token)
	}
	if _, err := conn.Exec(ctx, "SET tidemill.after = '"+token+"'"); err != nil {
		p.t.Fatal(err)
	}
	var n int
	if err := conn.QueryRow(ctx, "SELECT count(*)::int FROM last WHERE id = $1", i).Scan(&n); err != nil {
		p.t.Fatal(err)
	}
	return n
}

// liveRows counts the rows of the first snapshot frame of a live query.
func (p *process) liveRows(ctx context.Context, i int, token string) int {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, "GET", fmt.Sprintf("http://%s/v1/live/last?id=%d&after=%s", p.http, i, url.QueryEscape(token)), nil)
	if err != nil {
		p.t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		p.t.Fatal(err)
	}
	defer res.Body.Close()
	lines := bufio.NewScanner(res.Body)
	for lines.Scan() {
		if data, is := strings.CutPrefix(lines.Text(), "data: "); is {
			return strings.Count(data, fmt.Sprintf(`"id":%d,`, i))
		}
	}
	p.t.Fatalf("the live query ended without a frame: %v", lines.Err())
	return 0
}
