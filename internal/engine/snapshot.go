package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/tidemill/tidemill/internal/log"
	"github.com/tidemill/tidemill/internal/record"
	"github.com/tidemill/tidemill/internal/row"
	"github.com/tidemill/tidemill/internal/view"
)

// Snapshot is the content of some relations at one tick. It keeps what it shows until Close.
type Snapshot struct {
	// Tick is the tick it shows.
	Tick uint64
	e    *Engine

	mu       sync.Mutex
	stores   map[uint64]*view.Snapshot
	applied  map[uint64]log.Offset
	decoders map[uint64]*decoder
	stopped  map[uint64]error
	times    map[uint64]int64
}

// Iterator walks a relation's rows in batches.
type Iterator interface {
	// Next returns the next rows, nil at the end.
	Next() (*row.Batch, error)
	Close()
}

// Snapshot returns the content of the relations at the last published tick.
func (e *Engine) Snapshot(relations ...uint64) *Snapshot {
	e.published.RLock()
	defer e.published.RUnlock()
	s := &Snapshot{Tick: e.published.tick, e: e, stores: map[uint64]*view.Snapshot{}, applied: e.appliedLocked(relations),
		decoders: map[uint64]*decoder{}, stopped: map[uint64]error{}, times: map[uint64]int64{}}
	for _, id := range relations {
		if st := e.published.stores[id]; st != nil {
			s.stores[id] = st.At()
		}
		if d := e.published.decoders[id]; d != nil {
			s.decoders[id] = d
		}
		if err := e.published.stopped[id]; err != nil {
			s.stopped[id] = err
		}
		if at, ok := e.published.times[id]; ok {
			s.times[id] = at
		}
	}
	return s
}

// Close frees what the snapshot keeps; it may be called more than once.
func (s *Snapshot) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, st := range s.stores {
		st.Close()
		delete(s.stores, id)
	}
}

// View returns the stored content of a view or table, for look-ups, or nil.
func (s *Snapshot) View(relation uint64) (*view.Snapshot, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stores[relation], s.stopped[relation]
}

// Time is what now() was for a view at the snapshot's tick; ok is false for a view that does not ask for the time, and for other relations.
func (s *Snapshot) Time(relation uint64) (at time.Time, ok bool) {
	us, ok := s.times[relation]
	return time.UnixMicro(us).UTC(), ok
}

// Scan walks all rows of a relation; columns lists the columns wanted, nil for all, -1 for a column of no meaning.
func (s *Snapshot) Scan(ctx context.Context, relation uint64, columns []int) (Iterator, error) {
	st, err := s.View(relation)
	if err != nil {
		return nil, err
	}
	if st != nil {
		if columns == nil {
			columns = everyColumn(len(st.Schema()))
		}
		it, err := st.Scan(columns)
		if err != nil {
			return nil, err
		}
		return storeScan{it}, nil
	}
	end, ok := s.applied[relation]
	if !ok {
		return nil, fmt.Errorf("relation %d is not in the snapshot", relation)
	}
	return s.e.scanTopic(ctx, s.decoders[relation], end, columns)
}

// storeScan walks a view or table.
type storeScan struct{ *view.Iterator }

// Next implements Iterator.
func (s storeScan) Next() (*row.Batch, error) {
	b, err := s.Iterator.Next()
	if errors.Is(err, io.EOF) {
		return nil, nil
	}
	return b, err
}

func everyColumn(n int) []int {
	cols := make([]int, n)
	for i := range cols {
		cols[i] = i
	}
	return cols
}

// topicScan reads a stream's rows from the log, ahead of the caller by a bounded number of batches.
type topicScan struct {
	batches chan *row.Batch
	err     error // valid once batches is closed
	cancel  context.CancelFunc
}

func (e *Engine) scanTopic(ctx context.Context, d *decoder, end log.Offset, columns []int) (Iterator, error) {
	ctx, cancel := context.WithCancel(ctx)
	t := &topicScan{batches: make(chan *row.Batch, 8), cancel: cancel}
	started := e.spawn(func() {
		defer close(t.batches)
		t.err = e.opts.Log.ReadRange(ctx, d.rel.Topic(), 0, end, func(rec log.Record) error {
			b, err := e.visible(d, rec)
			if err != nil || b == nil {
				return err
			}
			if columns != nil {
				b = projectRows(b, columns)
			}
			select {
			case t.batches <- b:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			case <-e.ctx.Done():
				return ErrClosed
			}
		})
	})
	if !started {
		cancel()
		return nil, ErrClosed
	}
	return t, nil
}

// visible decodes a record, nil if it belongs to a transaction that never committed.
func (e *Engine) visible(d *decoder, rec log.Record) (*row.Batch, error) {
	h, body, err := record.Parse(rec.Body)
	if err != nil {
		return nil, err
	}
	if h.Tx != (record.TxID{}) && e.startedBefore(h.Tx) && !e.opts.Committed(h.Tx) {
		return nil, nil
	}
	e.queues.Lock()
	aborted := e.queues.aborted[h.Tx]
	e.queues.Unlock()
	if aborted {
		return nil, nil
	}
	return d.decode(h, body)
}

func projectRows(b *row.Batch, columns []int) *row.Batch {
	out := &row.Batch{Cols: make([]row.Vec, len(columns)), Len: b.Len}
	for i, c := range columns {
		if c < 0 {
			out.Cols[i] = row.FromValues(row.T(row.Int64), make([]int64, b.Len), nil)
		} else {
			out.Cols[i] = b.Cols[c]
		}
	}
	return out
}

// Next implements Iterator.
func (t *topicScan) Next() (*row.Batch, error) {
	b, ok := <-t.batches
	if !ok {
		return nil, t.err
	}
	return b, nil
}

// Close implements Iterator.
func (t *topicScan) Close() {
	t.cancel()
	for range t.batches {
	}
}

// Changes returns the changes of a view or table after a tick of this run up to the published one; ok is false if the history does
// not reach back.
func (e *Engine) Changes(relation, after uint64) (changes []view.Change, upTo uint64, ok bool) {
	e.published.RLock()
	defer e.published.RUnlock()
	st := e.published.stores[relation]
	if st == nil || after < e.published.born[relation] {
		return nil, e.published.tick, false
	}
	changes, ok = st.Changes(after)
	return changes, e.published.tick, ok
}

// FirstRead is the offset of the first record of a stream or table that was read in this run, 0 if there was none: what views have counted begins there, or
// later.
func (e *Engine) FirstRead(relation uint64) log.Offset {
	e.queues.Lock()
	in := e.queues.inputs[relation]
	e.queues.Unlock()
	if in == nil {
		return 0
	}
	return log.Offset(in.first.Load())
}
