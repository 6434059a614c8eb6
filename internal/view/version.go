package view

import (
	"fmt"
	"slices"
	"sort"
	"sync/atomic"

	"github.com/tidemill/tidemill/internal/row"
)

// versionsMax bounds the versions that are kept because an older one is pinned, without being pinned themselves.
const versionsMax = 1024

// version is the relation's state from one tick to another. All but refs and last is immutable.
type version struct {
	tick, last uint64 // the ticks it is valid for, both included; last is unset for the newest
	next       uint64 // rows with lower ids were there
	rows       int64
	levels     [logLevels][]*row.Batch // of an append-only relation
	starts     []int64
	refs       int // snapshots and iterators on it
}

// Snapshot is the relation's content at a tick. It never changes, and may be used by several goroutines. It
// keeps the memory of what it shows until Close.
type Snapshot struct {
	s      *Store
	v      *version
	tick   uint64
	closed atomic.Bool
}

// At returns a snapshot at the published tick.
func (s *Store) At() *Snapshot {
	s.mu.Lock()
	defer s.mu.Unlock()
	v := s.mu.versions[len(s.mu.versions)-1]
	v.refs++
	return &Snapshot{s: s, v: v, tick: s.mu.published}
}

// Snapshot returns a snapshot at a tick, which is at most the published one. The published tick and the one
// published before it are always available; older ones are as long as a snapshot at the same or an older tick is
// open, although beyond 1024 changes after the oldest snapshot ticks in between may be gone. It returns an error
// that wraps ErrTick for other ticks.
func (s *Store) Snapshot(tick uint64) (*Snapshot, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if tick > s.mu.published {
		return nil, fmt.Errorf("taking a snapshot at tick %d: %w: the published tick is %d", tick, ErrTick, s.mu.published)
	}
	versions := s.mu.versions
	i := sort.Search(len(versions), func(i int) bool { return versions[i].tick > tick }) - 1
	if i < 0 || (i < len(versions)-1 && versions[i].last < tick) {
		return nil, fmt.Errorf("taking a snapshot at tick %d: %w: it is no longer kept, the oldest is %d", tick, ErrTick, versions[0].tick)
	}
	versions[i].refs++
	return &Snapshot{s: s, v: versions[i], tick: tick}, nil
}

func (s *Store) pin(v *version) {
	s.mu.Lock()
	v.refs++
	s.mu.Unlock()
}

func (s *Store) pinOldest() *version {
	s.mu.Lock()
	defer s.mu.Unlock()
	v := s.mu.versions[0]
	v.refs++
	return v
}

func (s *Store) unpin(v *version) {
	s.mu.Lock()
	v.refs--
	s.mu.Unlock()
}

// trimVersions, called with mu held, drops the versions nobody needs: before is the tick published before the
// last one.
func (s *Store) trimVersions(before uint64) {
	versions := s.mu.versions
	drop := 0
	for drop+1 < len(versions) && versions[drop].refs == 0 && versions[drop].last < before {
		drop++
	}
	clear(versions[:drop])
	versions = versions[drop:]
	if len(versions) > 2*versionsMax {
		unpinned := len(versions) - versionsMax // drop those among the oldest
		i := 0
		versions = slices.DeleteFunc(versions, func(v *version) bool {
			i++
			return i <= unpinned && v.refs == 0
		})
	}
	s.mu.versions = versions
}

// Close lets go of the snapshot. Iterators that were started from it go on. Closing again does nothing.
func (p *Snapshot) Close() {
	if !p.closed.Swap(true) {
		p.s.unpin(p.v)
	}
}

// Tick is the tick the snapshot shows.
func (p *Snapshot) Tick() uint64 { return p.tick }

// Rows is the number of rows, copies counted.
func (p *Snapshot) Rows() int64 { return p.v.rows }

// Schema returns the relation's columns.
func (p *Snapshot) Schema() row.Schema { return p.s.opts.Schema }
