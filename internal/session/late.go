package session

import (
	"time"

	"github.com/tidemill/tidemill/internal/catalog"
	"github.com/tidemill/tidemill/internal/dataflow"
	"github.com/tidemill/tidemill/internal/row"
)

// lateName is the stream of rows that came too late for a view. It is a stream like any other.
const lateName = catalog.SystemSchema + ".late_rows"

const (
	lateRetention      = "7 days"
	lateRetentionBytes = "268435456"
	// lateQueueMax bounds the late rows that wait to be written.
	lateQueueMax = 1_000_000
)

func newLateRows() *sideStream {
	columns := columnsOf("at TIMESTAMPTZ, view VARCHAR, relation VARCHAR, event_time TIMESTAMPTZ, watermark TIMESTAMPTZ, lateness INTERVAL, reason VARCHAR, event JSON")
	return &sideStream{name: lateName, columns: columns, comment: "rows that came too late for a view",
		options: map[string]string{"durability": "relaxed", "retention": lateRetention, "retention_bytes": lateRetentionBytes}, max: lateQueueMax}
}

// noteLate notes rows that came too late; it runs on the engine's loop.
func (db *Database) noteLate(v *catalog.Relation, late []dataflow.Late) {
	now := db.now().UnixMicro()
	rows := make([][]any, 0, len(late))
	for i := range late {
		l := &late[i]
		event := string(row.AppendRowJSON(nil, l.Columns, l.Row, 0))
		rows = append(rows, []any{now, v.Name, l.Relation, l.EventTime, l.Watermark, time.Duration(l.Watermark-l.EventTime) * time.Microsecond,
			"the state it belongs to is closed", event})
	}
	db.late.note(rows)
}
