package session

import (
	"context"
	"sync"

	"github.com/tidemill/tidemill/internal/fault"
)

// errAltered says that the definition of a relation changed between the planning of a statement and its run: it is planned again.
var errAltered = fault.New(fault.SerializationFailure, "the definition of a relation changed while the statement ran").WithHint("run the statement again")

// gate tells those that read definitions and contents whether both belong together: an alteration changes the planner, the reader, the
// catalog and the engine one after the other.
type gate struct {
	mu   sync.Mutex
	seq  uint64
	open chan struct{} // closed when the alteration under way is over; nil if there is none
}

// begin says that an alteration is under way. One at a time.
func (g *gate) begin() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.seq++
	g.open = make(chan struct{})
}

// end says that it is over.
func (g *gate) end() {
	g.mu.Lock()
	defer g.mu.Unlock()
	close(g.open)
	g.open = nil
}

// settled waits while an alteration is under way, and returns the number of those there were.
func (g *gate) settled(ctx context.Context) (uint64, error) {
	for {
		g.mu.Lock()
		seq, open := g.seq, g.open
		g.mu.Unlock()
		if open == nil {
			return seq, nil
		}
		select {
		case <-open:
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
}

// unchanged reports whether no alteration began since settled returned seq.
func (g *gate) unchanged(seq uint64) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.seq == seq
}
