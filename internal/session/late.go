package session

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"math"
	"strconv"
	"time"

	"github.com/tidemill/tidemill/internal/catalog"
	"github.com/tidemill/tidemill/internal/dataflow"
	"github.com/tidemill/tidemill/internal/log"
	"github.com/tidemill/tidemill/internal/record"
	"github.com/tidemill/tidemill/internal/row"
)

// lateName is the stream of rows that came too late for a view. It is a stream like any other.
const lateName = catalog.SystemSchema + ".late_rows"

const (
	lateRetention      = "7 days"
	lateAge            = "168h"
	lateRetentionBytes = "268435456"
	// lateQueueMax bounds the late rows that wait to be written.
	lateQueueMax = 1_000_000
)

func newLateRows() *sideStream {
	columns := columnsOf("at TIMESTAMPTZ, view VARCHAR, relation VARCHAR, event_time TIMESTAMPTZ, watermark TIMESTAMPTZ, lateness INTERVAL, reason VARCHAR, event JSON, view_id BIGINT")
	return &sideStream{name: lateName, columns: columns, comment: "rows that came too late for a view",
		options: map[string]string{"durability": "relaxed", "retention": lateRetention, "retention_bytes": lateRetentionBytes}, max: lateQueueMax}
}

// noteLate notes rows that came too late; it runs on the engine's loop. While the log is replayed it notes those that were not written before the database was
// closed or died: rows come late again in the same order and by the same watermarks.
func (db *Database) noteLate(v *catalog.Relation, late []dataflow.Late) {
	if v.CreatedAt.IsZero() {
		return // what a subscription leaves out is only counted
	}
	now := db.now().UnixMicro()
	rows, written := make([][]any, 0, len(late)), db.written.Load()
	for i := range late {
		l := &late[i]
		if written.has(v.ID, l) {
			continue
		}
		event := string(row.AppendRowJSON(nil, l.Columns, l.Row, 0))
		rows = append(rows, []any{now, v.Name, l.Relation, l.EventTime, l.Watermark, time.Duration(l.Watermark-l.EventTime) * time.Microsecond,
			"the state it belongs to is closed", event, int64(v.ID)})
	}
	db.late.note(rows)
}

// writtenLate counts the late rows that are in the stream of late rows when the database is opened, by what tells them apart, so that a replay writes what is missing and
// nothing else. Of rows that are alike the first ones are written. A nil writtenLate has none.
type writtenLate struct {
	seed  maphash.Seed
	count map[uint64]int32
	// horizon is the time, in microseconds, of which rows that the log took before it may have been there once: the stream of late rows does not reach back for ever.
	horizon int64
}

func (w *writtenLate) key(view uint64, relation string, at, watermark int64) uint64 {
	return maphash.Comparable(w.seed, struct {
		view          uint64
		relation      string
		at, watermark int64
	}{view, relation, at, watermark})
}

// has reports whether a row that is late again has been written, and counts it off.
func (w *writtenLate) has(view uint64, l *dataflow.Late) bool {
	if w == nil {
		return false
	}
	k := w.key(view, l.Relation, l.EventTime, l.Watermark)
	if n := w.count[k]; n > 0 {
		w.count[k] = n - 1
		return true
	}
	return l.Taken < w.horizon
}

// readLate reads what is in the stream of late rows.
func (db *Database) readLate(ctx context.Context) (*writtenLate, error) {
	w := &writtenLate{seed: maphash.MakeSeed(), count: map[uint64]int32{}, horizon: math.MinInt64}
	r := db.catalog.Get(lateName)
	if r == nil {
		return w, nil
	}
	var codecs []*row.Codec
	for _, s := range r.Versions {
		c, err := row.NewCodec(s)
		if err != nil {
			return nil, fmt.Errorf("preparing to read %s: %w", lateName, err)
		}
		codecs = append(codecs, c)
	}
	bytes, oldest := int64(0), int64(math.MaxInt64)
	err := db.readTopic(ctx, r.Topic(), func(body []byte) error {
		h, rest, err := record.Parse(body)
		if err != nil {
			return err
		}
		if int(h.Schema) >= len(codecs) {
			return record.ErrMalformed
		}
		b, err := codecs[h.Schema].Decode(rest)
		if err != nil {
			return err
		}
		bytes, oldest = bytes+int64(len(body)), min(oldest, h.Ingested.UnixMicro())
		db.countLate(w, b, r.Versions[h.Schema])
		return nil
	})
	if err != nil && !errors.Is(err, log.ErrNoTopic) {
		return nil, err
	}
	if age, err := time.ParseDuration(lateAge); err == nil {
		w.horizon = db.now().Add(-age).UnixMicro()
	}
	if most, err := strconv.ParseInt(lateRetentionBytes, 10, 64); err == nil && bytes > most/4 {
		w.horizon = max(w.horizon, oldest) // it may have been longer
	}
	return w, nil
}

// countLate counts rows of the stream. A number may have been another view's before, whose creation failed.
func (db *Database) countLate(w *writtenLate, b *row.Batch, s row.Schema) {
	relation := &b.Cols[s.Index("relation")]
	noted, ids := row.Values[int64](&b.Cols[s.Index("at")]), row.Values[int64](&b.Cols[s.Index("view_id")])
	at, mark := row.Values[int64](&b.Cols[s.Index("event_time")]), row.Values[int64](&b.Cols[s.Index("watermark")])
	for i := range b.Len {
		view := uint64(ids[i])
		if r := db.catalog.ByID(view); r != nil && noted[i] >= r.CreatedAt.UnixMicro() {
			w.count[w.key(view, relation.Value(i).S, at[i], mark[i])]++
		}
	}
}
