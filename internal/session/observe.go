package session

import (
	"io"
	"time"

	"github.com/tidemill/tidemill/internal/ingest"
	"github.com/tidemill/tidemill/internal/metrics"
)

// countedBody counts what is read of a body of events.
type countedBody struct {
	io.Reader
	n int64
}

// Read implements io.Reader.
func (c *countedBody) Read(b []byte) (int, error) {
	n, err := c.Reader.Read(b)
	c.n += int64(n)
	return n, err
}

// door counts what comes by the session's door.
func (s *Session) door() *metrics.IngestDoor { return s.db.metrics.Ingest.Door(s.opts.Door) }

// countRejects counts the events of a body that were refused: by reason as far as the reasons are kept.
func countRejects(door *metrics.IngestDoor, d *ingest.Decoded) {
	for _, e := range d.Errors {
		door.Rejected(e.Code, 1)
	}
	door.Rejected("not_described", d.Rejected-len(d.Errors))
}

// countWrites counts the rows that a statement or block has stored.
func (s *Session) countWrites(ws []write, began time.Time) {
	n, bytes := 0, int64(0)
	for _, w := range ws {
		if w.rows != nil {
			n += w.rows.Len
			bytes += w.rows.Size()
		}
	}
	if n > 0 {
		s.door().Stored(n, bytes, began)
	}
}

// failed notes an error that the client is about to be told.
func (s *Session) failed(err error) error {
	s.Fail()
	err = userError(err)
	s.db.metrics.Queries.Failed(err)
	return err
}

// time lets a result of a pull query, begun at a time, tell when its rows are handed out.
func (r *Result) time(q *metrics.Queries, began time.Time) *Result {
	q.Begun()
	r.queries, r.began = q, began
	return r
}

func (r *Result) timed(err error) {
	if r.queries != nil {
		r.queries.Failed(err)
		r.queries.Ended(metrics.Select, r.began)
		r.queries = nil
	}
}
