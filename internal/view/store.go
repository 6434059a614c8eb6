package view

import (
	"errors"
	"fmt"
	"sync"

	"github.com/tidemill/tidemill/internal/row"
)

var (
	// ErrInconsistent is wrapped in the error of Apply and Load for changes that contradict the content.
	ErrInconsistent = errors.New("changes contradict the content")
	// ErrInvalid is wrapped in the error for arguments that do not fit the relation or each other.
	ErrInvalid = errors.New("invalid argument")
	// ErrTick is wrapped in the error for a snapshot at a tick that is not published yet or no longer kept,
	// and of Apply for a tick that is not after the published one.
	ErrTick = errors.New("tick is not available")
	// ErrClosed is returned by a snapshot or iterator after Close.
	ErrClosed = errors.New("snapshot is closed")
	// ErrTooLarge is wrapped in the error for a result beyond ResultRowsMax rows or 1 GiB of text in a column.
	ErrTooLarge = errors.New("result is too large")
)

// ResultRowsMax bounds the rows of one Lookup or Range. Scans have no such bound.
const ResultRowsMax = 1 << 24

// DefaultHistoryBytes is the bound of the change history when Options.HistoryBytes is 0.
const DefaultHistoryBytes = 32 << 20

func invalid(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrInvalid, fmt.Sprintf(format, args...))
}

// Options describe the relation a Store holds.
type Options struct {
	Schema row.Schema
	// Key lists the columns of a unique key, in the order by which Range sorts. Nil makes the relation a multiset of rows;
	// an empty key that is not nil makes it a relation of at most one row.
	Key []int
	// AppendOnly promises that no row is ever deleted. Without a key the store then keeps the applied batches
	// themselves; with a key it makes no difference.
	AppendOnly bool
	// HistoryBytes bounds the memory of the change history: 0 stands for DefaultHistoryBytes, negative for no
	// history at all.
	HistoryBytes int64
	// HistoryTicks bounds the number of ticks with changes in the history; 0 means no bound but HistoryBytes.
	HistoryTicks int
}

// Store holds the contents of one relation. One goroutine at a time, the writer, calls Load, Apply, Publish, Find
// and Rows; everything else may be called by any number of goroutines at any time.
type Store struct {
	opts   Options
	types  []row.Type
	writer sync.Mutex // held by the writer's methods; see order.go for who else takes it, and briefly
	table  *table     // nil when append-only
	log    *appendLog // nil unless append-only
	open   openTick

	// mu guards what readers and the writer share beyond the published rows. It is never held for longer than a few
	// operations on slices of versions.
	mu struct {
		sync.Mutex
		versions  []*version // oldest first; never empty
		published uint64
		history   history
		stats     Stats
	}
}

// openTick is what has been applied since the last Publish.
type openTick struct {
	tick    uint64 // 0: nothing yet
	batches []*row.Batch
	rows    int
	loaded  bool
}

// New returns an empty store at tick 0. It panics if a key column is not in the schema.
func New(o Options) *Store {
	for _, k := range o.Key {
		if k < 0 || k >= len(o.Schema) {
			panic(fmt.Sprintf("BUG: key column %d of a relation of %d columns", k, len(o.Schema)))
		}
	}
	if o.HistoryBytes == 0 {
		o.HistoryBytes = DefaultHistoryBytes
	}
	s := &Store{opts: o, types: o.Schema.Types()}
	first := &version{}
	if o.AppendOnly && o.Key == nil {
		s.log = &appendLog{}
	} else {
		s.table = newTable(o.Schema, o.Key)
	}
	s.mu.versions = []*version{first}
	s.mu.history = history{bytesMax: o.HistoryBytes, ticksMax: o.HistoryTicks}
	return s
}

// Schema returns the relation's columns.
func (s *Store) Schema() row.Schema { return s.opts.Schema }

// Key returns the columns of the relation's key, nil for a multiset.
func (s *Store) Key() []int { return s.opts.Key }

// Apply makes the changes of a tick, which become visible with Publish. The tick must be after the published one,
// and the same until Publish. delta is kept (by the history, and by an append-only store), so neither it nor its
// columns may change any more. A row of weight n stands for n insertions, of -n for n deletions; the changes of a
// batch are made as if at once, so deletions may stand behind the insertions that replace them. It
// should be consolidated.
//
// Changes that contradict the content (a deleted row is not there, a key would be doubled) are left out, of the
// history too, and reported by an error that wraps ErrInconsistent; the others are made.
func (s *Store) Apply(tick uint64, delta *row.Batch) error {
	s.writer.Lock()
	defer s.writer.Unlock()
	return s.apply(tick, delta, false)
}

// Load is Apply for restoring a saved content: the rows become visible with Publish(tick) but are no changes, so
// the history begins anew behind that tick. A content may be loaded in several batches of the same tick.
func (s *Store) Load(tick uint64, rows *row.Batch) error {
	s.writer.Lock()
	defer s.writer.Unlock()
	return s.apply(tick, rows, true)
}

func (s *Store) apply(tick uint64, delta *row.Batch, load bool) error {
	if delta == nil || delta.Len == 0 {
		return nil
	}
	if err := s.checkApply(tick, delta); err != nil {
		return err
	}
	var r refused
	if s.log != nil {
		r = s.log.append(delta)
	} else {
		r = s.table.apply(tick, delta)
	}
	s.open.tick = tick
	s.open.rows += delta.Len
	s.open.loaded = s.open.loaded || load
	if len(r.rows) == 0 {
		s.open.batches = append(s.open.batches, delta)
		return nil
	}
	s.open.batches = append(s.open.batches, without(delta, r.rows))
	return fmt.Errorf("applying tick %d: %w: %d of %d changes refused, the first: %s",
		tick, ErrInconsistent, len(r.rows), delta.Len, r.first)
}

func (s *Store) checkApply(tick uint64, b *row.Batch) error {
	if published := s.Published(); tick <= published {
		return fmt.Errorf("applying tick %d: %w: tick %d is published", tick, ErrTick, published)
	}
	if s.open.tick != 0 && s.open.tick != tick {
		return fmt.Errorf("applying tick %d: %w: tick %d is not published yet", tick, ErrTick, s.open.tick)
	}
	if len(b.Cols) != len(s.types) {
		return fmt.Errorf("applying tick %d: %w", tick, invalid("%d columns for a relation of %d", len(b.Cols), len(s.types)))
	}
	for i := range b.Cols {
		if got := b.Cols[i].Type; got.Phys() != s.types[i].Phys() {
			return fmt.Errorf("applying tick %d: %w", tick, invalid("column %s is %s, not %s", s.opts.Schema[i].Name, s.types[i], got))
		}
	}
	return nil
}

// without returns b without the rows at the given positions, in any order.
func without(b *row.Batch, rows []int32) *row.Batch {
	out := make([]bool, b.Len)
	for _, i := range rows {
		out[i] = true
	}
	keep := make([]int32, 0, b.Len-len(rows))
	for i := range b.Len {
		if !out[i] {
			keep = append(keep, int32(i))
		}
	}
	return b.Gather(keep)
}

// Publish makes what has been applied visible, as of the given tick, and reclaims a bounded amount of what no
// snapshot needs any more. It is cheap when nothing has been applied, and does nothing when the tick is
// not after the published one, or before that of the changes.
func (s *Store) Publish(tick uint64) {
	s.writer.Lock()
	defer s.writer.Unlock()
	s.mu.Lock()
	stale, horizon := tick <= s.mu.published, s.mu.versions[0].tick
	s.mu.Unlock()
	if stale || tick < s.open.tick {
		return
	}
	v := &version{tick: tick}
	changed := s.open.tick != 0
	var stats Stats
	if s.log != nil {
		s.log.fill(v)
		stats = s.log.stats()
	} else {
		changed = s.table.maintain(tick, horizon, s.open.rows) || changed
		s.table.published = s.table.next
		v.next, v.rows = s.table.next, s.table.rows
		stats = s.table.stats()
	}
	change, kept := s.openChange(tick)

	s.mu.Lock()
	defer s.mu.Unlock()
	before := s.mu.published
	if changed {
		s.mu.versions[len(s.mu.versions)-1].last = tick - 1
		s.mu.versions = append(s.mu.versions, v)
	}
	s.mu.published = tick
	s.trimVersions(before)
	if !kept {
		s.mu.history.restart(tick)
	} else if change.Batch != nil {
		s.mu.history.push(change)
	}
	s.mu.stats = stats
	s.open = openTick{batches: s.open.batches[:0]}
}

// openChange returns the changes of the open tick as one batch, nil if there are none. Without kept there are changes
// that the history does not take.
func (s *Store) openChange(tick uint64) (c Change, kept bool) {
	c.Tick = tick
	size := int64(0)
	for _, b := range s.open.batches {
		size += b.Size()
	}
	switch {
	case s.open.loaded || (len(s.open.batches) > 0 && size > min(s.opts.HistoryBytes, resultTextMax)):
		clear(s.open.batches)
		return c, false
	case len(s.open.batches) == 1:
		c.Batch = s.open.batches[0]
	case len(s.open.batches) > 1:
		c.Batch = Consolidate(row.Concat(s.open.batches))
	}
	clear(s.open.batches)
	if c.Batch != nil && c.Batch.Len == 0 {
		c.Batch = nil
	}
	return c, true
}

// Published returns the tick last published.
func (s *Store) Published() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mu.published
}

// Find returns, for each of the n keys, the id of its row in the newest state, changes of the open tick
// included, or -1 if there is none. keys has one column per key column. Ids are valid until the next Apply or Publish. It
// is for the writer only, and returns -1 for every key if the relation has no key.
func (s *Store) Find(keys []row.Vec, n int) []int64 {
	at := make([]int64, n)
	for i := range at {
		at[i] = -1
	}
	t := s.table
	if t == nil || t.multiset || len(keys) != len(t.key) {
		return at
	}
	s.writer.Lock()
	defer s.writer.Unlock()
	hashes := resize(t.scratch.hashes, n)
	t.scratch.hashes = hashes
	row.Hash(keys, hashes)
	for i, h := range hashes {
		if _, id, ok := t.find(h, keys, i); ok && t.chunk(id).del[id&slotMask] == 0 {
			at[i] = int64(id)
		}
	}
	return at
}

// Rows returns the rows with the given ids, which Find has returned since the last Apply or Publish; a negative id
// gives a row of nulls. It is for the writer only, which asks for less than 2 GiB of text at once.
func (s *Store) Rows(ids []int64) *row.Batch {
	s.writer.Lock()
	defer s.writer.Unlock()
	refs := make([]ref, len(ids))
	for i, id := range ids {
		if s.table != nil && id >= 0 {
			refs[i] = ref{s.table.chunk(uint64(id)), int32(id & slotMask)}
		}
	}
	return gatherRefs(s.types, refs)
}
