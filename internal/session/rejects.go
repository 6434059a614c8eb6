package session

import (
	"context"
	"encoding/json"
	"sync"
	"time"

	"github.com/tidemill/tidemill/internal/catalog"
	"github.com/tidemill/tidemill/internal/dataflow"
	"github.com/tidemill/tidemill/internal/row"
)

// rejectsName is the stream of events that were refused and of rows that a view had to leave out. It is a stream like any other: it can be
// selected, subscribed to and used in views.
const rejectsName = catalog.SystemSchema + ".rejects"

// rejectsRetention bounds the stream of rejects.
const (
	rejectsRetention      = "7 days"
	rejectsRetentionBytes = "67108864"
)

// reject is a row of the stream.
type reject struct {
	at                                      time.Time
	relation, code, column, message, source string
	event                                   string
}

// rejectLog writes rejects beside the requests that caused them. What does not fit into its queue is dropped and counted: telling of bad events
// must not hold up good ones.
type rejectLog struct {
	mu      sync.Mutex
	queue   []reject
	dropped int
	wake    chan struct{}
	cancel  context.CancelFunc
	done    sync.WaitGroup
}

const rejectQueueMax = 10_000

func rejectColumns() row.Schema {
	return columnsOf("at TIMESTAMPTZ, relation VARCHAR, source VARCHAR, code VARCHAR, column_name VARCHAR, message VARCHAR, event VARCHAR")
}

// openRejects makes the stream if it is not there yet and starts its writer.
func (db *Database) openRejects(ctx context.Context) error {
	if db.catalog.Get(rejectsName) == nil {
		r := &catalog.Relation{Kind: catalog.Stream, Name: rejectsName, Columns: rejectColumns(), Defaults: make([]string, len(rejectColumns())), Partitions: 1,
			Comment: "events that were refused, and rows that views had to leave out",
			Options: map[string]string{"durability": "relaxed", "retention": rejectsRetention, "retention_bytes": rejectsRetentionBytes}}
		if err := db.createStored(ctx, r); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	db.rejects.mu.Lock()
	db.rejects.wake, db.rejects.cancel = make(chan struct{}, 1), cancel
	db.rejects.mu.Unlock()
	db.rejects.done.Go(func() { db.writeRejects(ctx) })
	return nil
}

// note queues rejects.
func (l *rejectLog) note(rs ...reject) {
	l.mu.Lock()
	room := rejectQueueMax - len(l.queue)
	if room < len(rs) {
		l.dropped += len(rs) - room
		rs = rs[:max(0, room)]
	}
	l.queue = append(l.queue, rs...)
	wake := l.wake
	l.mu.Unlock()
	select {
	case wake <- struct{}{}:
	default:
	}
}

func (l *rejectLog) take() ([]reject, int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	q, d := l.queue, l.dropped
	l.queue, l.dropped = nil, 0
	return q, d
}

func (l *rejectLog) close() {
	l.mu.Lock()
	cancel := l.cancel
	l.mu.Unlock()
	if cancel != nil {
		cancel()
		l.done.Wait()
	}
}

func (db *Database) writeRejects(ctx context.Context) {
	to := db.storedOf(db.catalog.Get(rejectsName))
	for {
		select {
		case <-db.rejects.wake:
		case <-ctx.Done():
			return
		}
		rs, dropped := db.rejects.take()
		if dropped > 0 {
			db.logger.Warn("descriptions of refused events were dropped", "count", dropped)
		}
		if len(rs) == 0 {
			continue
		}
		w := &rowWriter{bb: row.NewBatchBuilder(rejectColumns().Types(), len(rs))}
		for _, r := range rs {
			w.add(r.at.UnixMicro(), r.relation, orNull(r.source), r.code, orNull(r.column), r.message, orNull(r.event))
		}
		if _, err := db.append(ctx, []write{{to, w.bb.Finish(w.n)}}); err != nil && ctx.Err() == nil {
			db.logger.Warn("refused events could not be noted", "count", len(rs), "error", err)
		}
	}
}

// rejectRows notes rows that a view left out; it runs on the engine's loop.
func (db *Database) rejectRows(v *catalog.Relation, rs []dataflow.Reject) {
	if db.catalog.ByID(v.ID) == nil && v.Name == "" {
		return
	}
	now := db.now()
	out := make([]reject, len(rs))
	for i, r := range rs {
		out[i] = reject{at: now, relation: v.Name, source: r.Operator, code: "expression_failed", message: r.Message, event: rowText1(r.Row)}
	}
	db.rejects.note(out...)
}

// rowText1 writes the first row of a batch as a JSON array.
func rowText1(b *row.Batch) string {
	if b == nil || b.Len == 0 {
		return ""
	}
	vals := make([]any, len(b.Cols))
	for i := range b.Cols {
		if !b.Cols[i].Null(0) {
			vals[i] = string(row.AppendText(nil, &b.Cols[i], 0))
		}
	}
	text, err := json.Marshal(vals)
	if err != nil {
		return ""
	}
	return string(text)
}
