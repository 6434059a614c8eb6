package session

import (
	"encoding/json"
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

func rejectColumns() row.Schema {
	return columnsOf("at TIMESTAMPTZ, relation VARCHAR, source VARCHAR, code VARCHAR, column_name VARCHAR, message VARCHAR, event VARCHAR")
}

// newRejects returns the writer of the stream of rejects.
func newRejects() *sideStream {
	return &sideStream{name: rejectsName, columns: rejectColumns(), comment: "events that were refused, and rows that views had to leave out",
		options: map[string]string{"durability": "relaxed", "retention": rejectsRetention, "retention_bytes": rejectsRetentionBytes}, max: rejectQueueMax}
}

// rejectQueueMax bounds the rejects that wait to be written.
const rejectQueueMax = 10_000

// noteRejects queues rejects.
func (db *Database) noteRejects(rs ...reject) {
	rows := make([][]any, len(rs))
	for i, r := range rs {
		rows[i] = []any{r.at.UnixMicro(), r.relation, orNull(r.source), r.code, orNull(r.column), r.message, orNull(r.event)}
	}
	db.rejects.note(rows)
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
	db.noteRejects(out...)
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
