package jetlog

import (
	"log/slog"
	"testing"
	"time"

	"github.com/tidemill/tidemill/internal/log"
)

// TestStats: what the log holds is counted, on disk and in memory, and a topic whose writer waits for the disk is named.
func TestStats(t *testing.T) {
	l, err := Open(t.TempDir(), Options{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	}()
	for name, c := range map[string]log.TopicConfig{"disk": {Partitions: 3}, "memory": {Partitions: 2, Memory: true}} {
		if err := l.Create(t.Context(), name, c); err != nil {
			t.Fatal(err)
		}
		if _, err := l.Append(t.Context(), name, []log.Entry{{Body: make([]byte, 1000)}}); err != nil {
			t.Fatal(err)
		}
	}
	if st := l.Stats(); st.Topics != 2 || st.Partitions != 5 || st.StoredBytes < 1000 || st.StoredBytes > 10_000 || st.Refusal != nil || l.Refusal() != nil {
		t.Errorf("%+v", st)
	}
	if s := l.Standing(0); len(s) > 0 {
		t.Errorf("nothing is written, and yet %v stands", s)
	}
	d := l.topic("disk")
	d.mu.Lock()
	d.busy, d.writing = true, time.Now().Add(-time.Minute)
	d.mu.Unlock()
	if s := l.Standing(30 * time.Second); len(s) != 1 || s["disk"] < 59*time.Second {
		t.Errorf("a writer that waits: %v", s)
	}
	if s := l.Standing(2 * time.Minute); len(s) > 0 {
		t.Errorf("too soon: %v", s)
	}
	d.mu.Lock()
	d.busy = false
	d.mu.Unlock()
}
