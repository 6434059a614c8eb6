package view

import (
	"sort"

	"github.com/tidemill/tidemill/internal/row"
)

// Change is what one tick changed. Batch is shared and must not be modified.
type Change struct {
	Tick  uint64
	Batch *row.Batch
}

// changeOverhead is what a Change and the headers of its batch take beside the values.
const changeOverhead = 128

// history keeps the newest changes within bounds. It is guarded by Store.mu.
type history struct {
	bytesMax int64
	ticksMax int
	changes  []Change // by tick; entries are never overwritten, so readers share the slice
	sizes    []int64
	trimmed  int // entries before changes that its array still holds
	bytes    int64
	start    uint64 // every change after this tick is held
}

func (h *history) push(c Change) {
	size := c.Batch.Size() + changeOverhead + int64(len(c.Batch.Cols))*96
	h.changes = append(h.changes, c)
	h.sizes = append(h.sizes, size)
	h.bytes += size
	drop := 0
	for h.bytes > h.bytesMax || (h.ticksMax > 0 && len(h.changes)-drop > h.ticksMax) {
		h.bytes -= h.sizes[drop]
		h.start = h.changes[drop].Tick
		drop++
		if drop == len(h.changes) {
			break
		}
	}
	if drop == 0 {
		return
	}
	h.changes, h.sizes, h.trimmed = h.changes[drop:], h.sizes[drop:], h.trimmed+drop
	// What was trimmed stays in memory as long as the array does: replace it before that is much.
	if h.trimmed > 16+len(h.changes)/8 {
		h.changes = append(make([]Change, 0, len(h.changes)+len(h.changes)/4+1), h.changes...)
		h.sizes = append(make([]int64, 0, cap(h.changes)), h.sizes...)
		h.trimmed = 0
	}
}

// restart forgets all changes: the content at the tick did not come about by changes.
func (h *history) restart(tick uint64) {
	h.changes, h.sizes, h.trimmed, h.bytes, h.start = nil, nil, 0, 0, tick
}

// Changes returns every change with a tick above after and up to the published tick, in order, one
// per tick that changed anything. ok is false when the history no longer reaches back so far.
func (s *Store) Changes(after uint64) (changes []Change, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	h := &s.mu.history
	if after < s.historyStart() {
		return nil, false
	}
	i := sort.Search(len(h.changes), func(i int) bool { return h.changes[i].Tick > after })
	return h.changes[i:len(h.changes):len(h.changes)], true
}

// HistoryStart returns the tick from which on Changes succeeds.
func (s *Store) HistoryStart() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.historyStart()
}

func (s *Store) historyStart() uint64 {
	if s.opts.HistoryBytes < 0 {
		return s.mu.published
	}
	return s.mu.history.start
}

// Stats describes a store as of the last Publish, and its snapshots as of now.
type Stats struct {
	Rows       int64 // copies counted
	Versions   int64 // row versions held, those of Rows and older ones
	Bytes      int64 // of rows and indexes, without the history
	Chunks     int   // or batches, of an append-only relation
	OrderKeys  int64 // keys in the ordered index; 0 when there is none
	Published  uint64
	OldestTick uint64 // the oldest tick of which a snapshot can be taken
	Snapshots  int    // open snapshots and iterators

	HistoryBytes int64
	HistoryTicks int // with changes
	HistoryStart uint64
}

// Stats returns the store's present size.
func (s *Store) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.mu.stats
	st.Published = s.mu.published
	st.OldestTick = s.mu.versions[0].tick
	for _, v := range s.mu.versions {
		st.Snapshots += v.refs
	}
	st.HistoryBytes, st.HistoryTicks, st.HistoryStart = s.mu.history.bytes, len(s.mu.history.changes), s.historyStart()
	return st
}

func (t *table) stats() Stats {
	keys, bytes := t.order.size()
	return Stats{Rows: t.rows, Versions: int64(t.filled), Bytes: t.bytes + t.index.bytes + bytes, Chunks: t.chunks.count, OrderKeys: keys}
}
