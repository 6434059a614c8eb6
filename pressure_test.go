package tidemill_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tidemill/tidemill"
)

// TestIdempotencyKey: a repeat is known also after the node was opened again.
func TestIdempotencyKey(t *testing.T) {
	dir := t.TempDir()
	first := ""
	for round := range 2 {
		db, err := tidemill.Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := db.Exec(t.Context(), `CREATE STREAM IF NOT EXISTS s (a INTEGER)`); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			r, err := db.Ingest(t.Context(), "s", "application/json", strings.NewReader(`[{"a":1},{"a":2}]`), tidemill.WithIdempotencyKey("k"))
			if err != nil || r.Accepted != 2 || (first != "" && r.Token != first) {
				t.Fatalf("%+v %v, the first token was %s", r, err, first)
			}
			first = r.Token
		}
		if _, err := db.Ingest(t.Context(), "s", "application/json", strings.NewReader(`[{"a":3}]`), tidemill.WithIdempotencyKey("k")); err == nil {
			t.Error("another body is taken")
		}
		rows, err := db.Query(t.Context(), `SELECT count(*) FROM s`)
		if err != nil || !rows.Next() || rows.Values()[0] != int64(2) {
			t.Errorf("round %d: %v", round, err)
		}
		rows.Close()
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// slowBody is a body that does not come to its end before it is told to.
type slowBody struct {
	text io.Reader
	end  chan struct{}
}

func (b *slowBody) Read(p []byte) (int, error) {
	n, err := b.text.Read(p)
	if err == io.EOF {
		<-b.end
	}
	return n, err
}

// TestIngestWaitsForRoom: the embedded API waits while others hold all that the node takes, as long as its context.
func TestIngestWaitsForRoom(t *testing.T) {
	db, err := tidemill.Open("", tidemill.WithInflightBytes(600<<10))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(t.Context(), `CREATE STREAM s (a VARCHAR)`); err != nil {
		t.Fatal(err)
	}
	slow := &slowBody{text: strings.NewReader(`{"a":"` + strings.Repeat("x", 500<<10) + `"}`), end: make(chan struct{})}
	var other sync.WaitGroup
	other.Go(func() {
		if _, err := db.Ingest(t.Context(), "s", "application/json", slow); err != nil {
			t.Error(err)
		}
	})
	var refused error
	for deadline := time.Now().Add(20 * time.Second); refused == nil && time.Now().Before(deadline); {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		_, refused = db.Ingest(ctx, "s", "application/json", strings.NewReader(`{"a":"`+strings.Repeat("y", 300<<10)+`"}`))
		cancel()
	}
	if !errors.Is(refused, context.DeadlineExceeded) {
		t.Errorf("while there is no room: %v", refused)
	}
	close(slow.end)
	other.Wait()
	if _, err := db.Ingest(t.Context(), "s", "application/json", strings.NewReader(`{"a":"z"}`)); err != nil {
		t.Error(err)
	}
}
