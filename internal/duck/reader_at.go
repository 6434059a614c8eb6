package duck

import (
	"context"
	"strings"
	"time"
)

// QueryAt is Query for a SELECT without parameters as of a time: now() and its relatives give that time, also in views that it reads.
func (r *Reader) QueryAt(ctx context.Context, sql string, at time.Time, src Sources) (*Rows, error) {
	return r.query(ctx, sql, nil, src, func(c *readerConn) error { return stopClock(c.conn, at) }, r.discard)
}

// stopClock makes the connection take a time for the current one, for good: macros in its temporary schema win over all other functions.
func stopClock(c *conn, at time.Time) error {
	literal := "TIMESTAMPTZ " + quoteString(at.UTC().Format("2006-01-02 15:04:05.000000")+"+00")
	for _, m := range nowMacros {
		m = strings.Replace(m, "CREATE MACRO", "CREATE TEMP MACRO", 1)
		if err := c.exec(strings.ReplaceAll(m, "stream_now()", literal)); err != nil {
			return err
		}
	}
	return nil
}

// discard closes a connection that is of no use to other queries.
func (r *Reader) discard(c *readerConn) {
	r.forget(c)
	c.close()
	<-r.slots
}
