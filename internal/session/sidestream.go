package session

import (
	"context"
	"sync"

	"github.com/tidemill/tidemill/internal/catalog"
	"github.com/tidemill/tidemill/internal/row"
)

// sideStream writes rows of one of Tidemill's own streams beside the requests and ticks that caused them. What does not fit into its queue is
// dropped and counted: telling of bad events must not hold up good ones.
type sideStream struct {
	name, comment string
	columns       row.Schema
	options       map[string]string
	max           int // rows that may wait

	mu      sync.Mutex
	queue   [][]any
	dropped int
	wake    chan struct{}
	cancel  context.CancelFunc
	done    sync.WaitGroup
}

// openSide makes the stream if it is not there yet and starts its writer.
func (db *Database) openSide(ctx context.Context, s *sideStream) error {
	if db.catalog.Get(s.name) == nil {
		r := &catalog.Relation{Kind: catalog.Stream, Name: s.name, Columns: s.columns, Defaults: make([]string, len(s.columns)), Partitions: 1,
			Comment: s.comment, Options: s.options}
		if err := db.createStored(ctx, r); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	s.mu.Lock()
	s.wake, s.cancel = make(chan struct{}, 1), cancel
	if len(s.queue) > 0 {
		s.wake <- struct{}{} // noted before the writer was there
	}
	s.mu.Unlock()
	s.done.Go(func() { db.writeSide(ctx, s) })
	return nil
}

// note queues rows.
func (s *sideStream) note(rows [][]any) {
	s.mu.Lock()
	room := s.max - len(s.queue)
	if room < len(rows) {
		s.dropped += len(rows) - room
		rows = rows[:max(0, room)]
	}
	s.queue = append(s.queue, rows...)
	wake := s.wake
	s.mu.Unlock()
	select {
	case wake <- struct{}{}:
	default:
	}
}

func (s *sideStream) take() ([][]any, int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q, d := s.queue, s.dropped
	s.queue, s.dropped = nil, 0
	return q, d
}

func (s *sideStream) close() {
	s.mu.Lock()
	cancel := s.cancel
	s.mu.Unlock()
	if cancel != nil {
		cancel()
		s.done.Wait()
	}
}

func (db *Database) writeSide(ctx context.Context, s *sideStream) {
	to := db.storedOf(db.catalog.Get(s.name))
	for {
		select {
		case <-s.wake:
		case <-ctx.Done():
			return
		}
		rows, dropped := s.take()
		if dropped > 0 {
			db.logger.Warn("rows of a stream of Tidemill's own were dropped", "stream", s.name, "count", dropped)
		}
		if len(rows) == 0 {
			continue
		}
		w := &rowWriter{bb: row.NewBatchBuilder(s.columns.Types(), len(rows))}
		for _, r := range rows {
			w.add(r...)
		}
		if _, err := db.append(ctx, []write{{to: to, rows: w.bb.Finish(w.n)}}); err != nil && ctx.Err() == nil {
			db.logger.Warn("rows of a stream of Tidemill's own could not be written", "stream", s.name, "count", len(rows), "error", err)
		}
	}
}
