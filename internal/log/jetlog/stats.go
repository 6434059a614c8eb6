package jetlog

import (
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/tidemill/tidemill/internal/log"
)

// Stats says what the log holds.
type Stats struct {
	StoredBytes        int64 // on disk, or in memory if that is where all is kept
	Topics, Partitions int
	// Refusal is why the log takes no writes, nil if it does.
	Refusal error
}

func bodyBytes(group []log.Entry) int {
	n := 0
	for i := range group {
		n += len(group[i].Body)
	}
	return n
}

// Refusal returns why the log takes no writes, nil if it does.
func (l *Log) Refusal() error { return l.refused() }

// Standing returns the topics that a frame has been written to for longer than over without an answer of the storage, and for how long.
func (l *Log) Standing(over time.Duration) map[string]time.Duration {
	l.mu.RLock()
	defer l.mu.RUnlock()
	out := map[string]time.Duration{}
	for name, t := range l.topics {
		t.mu.Lock()
		if since := time.Since(t.writing); t.busy && since > over {
			out[name] = since
		}
		t.mu.Unlock()
	}
	return out
}

// Stats returns what the log holds now. It asks nothing that may have to wait for the storage.
func (l *Log) Stats() Stats {
	st := Stats{Refusal: l.refused()}
	l.mu.RLock()
	for _, t := range l.topics {
		st.Topics++
		st.Partitions += t.cfg.Partitions
	}
	l.mu.RUnlock()
	memory, bytes := l.mem.Stats()
	for _, partitions := range memory {
		st.Topics++
		st.Partitions += partitions
	}
	e := l.server()
	if e == nil {
		st.StoredBytes = bytes
		return st
	}
	if z, err := e.srv.Jsz(&server.JSzOptions{}); err == nil {
		st.StoredBytes = int64(z.Store)
	}
	return st
}
