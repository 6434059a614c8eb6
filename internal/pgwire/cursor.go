package pgwire

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/tidemill/tidemill/internal/fault"
	"github.com/tidemill/tidemill/internal/row"
	"github.com/tidemill/tidemill/internal/session"
	"github.com/tidemill/tidemill/internal/sql"
)

// subscribeText is the SUBSCRIBE of a DECLARE: everything behind the word FOR.
func subscribeText(text string) string {
	before := ""
	for i := 0; i < len(text); {
		end, word := skipPiece(text, i)
		if word && strings.EqualFold(text[i:end], "SUBSCRIBE") && strings.EqualFold(before, "FOR") {
			return text[i:]
		}
		if word {
			before = text[i:end]
		}
		i = end
	}
	return text
}

// skipPiece returns the end of the word, quoted name, comment or other character at i, and whether it is a word.
func skipPiece(text string, i int) (end int, word bool) {
	switch c := text[i]; {
	case c == '"':
		if n := strings.IndexByte(text[i+1:], '"'); n >= 0 {
			return i + n + 2, false
		}
		return len(text), false
	case strings.HasPrefix(text[i:], "--"):
		if n := strings.IndexByte(text[i:], '\n'); n >= 0 {
			return i + n, false
		}
		return len(text), false
	case strings.HasPrefix(text[i:], "/*"):
		return skipComment(text, i), false
	case c|0x20-'a' < 26 || c == '_' || c >= 0x80:
		for end = i; end < len(text) && (text[end]|0x20-'a' < 26 || text[end] == '_' || text[end] >= 0x80 || text[end]-'0' < 10); end++ {
		}
		return end, true
	}
	return i + 1, false
}

// cursor returns the portal of a name, as FETCH wants it.
func (c *conn) cursor(name string) (*portal, error) {
	p, ok := c.portals[name]
	if !ok || p.stmt == nil {
		return nil, fault.New(fault.InvalidCursorName, "cursor %s does not exist", strconv.Quote(name))
	}
	return p, nil
}

// runDeclare opens a cursor. Its statement runs in a context of its own, since it outlives this one.
func (c *conn) runDeclare(ctx context.Context, p *portal, o *sql.Declare) error {
	cur, err := c.newPortal(o.Name.Name)
	if err != nil {
		return err
	}
	own, cancel := context.WithCancel(c.server.life)
	unlink := context.AfterFunc(ctx, cancel)
	cur.stmt, cur.args, cur.stop = p.stmt.inner, append([]row.Value(nil), p.args...), cancel
	cur.hold = o.Hold || c.session.Tx() == session.TxIdle
	cur.started = true
	err = c.startSession(own, cur)
	if !unlink() && err == nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		c.closePortal(o.Name.Name)
	}
	return err
}

// runFetch sends the next rows of a cursor in the place of the portal.
func (c *conn) runFetch(ctx context.Context, p *portal, o *sql.Fetch) error {
	cur, err := c.cursor(o.Name.Name)
	if err != nil {
		return err
	}
	timeout, err := fetchTimeout(o.Options)
	if err != nil {
		return err
	}
	most := o.Count
	if most == sql.FetchAll {
		most = 1 << 62
	}
	rows, err := c.gather(ctx, cur, most, timeout)
	if err != nil {
		return err
	}
	n := 0
	if rows != nil {
		n = rows.Len
	}
	p.local = rows
	p.tag = "FETCH " + strconv.Itoa(n)
	return nil
}

// fetchRowsMost bounds the rows of one FETCH, which are held in memory.
const fetchRowsMost = 1 << 20

// gather takes up to most rows off a cursor. From a subscription it takes what there is after waiting for the first row, or what comes within the timeout.
func (c *conn) gather(ctx context.Context, cur *portal, most int64, timeout *time.Duration) (*row.Batch, error) {
	wait := ctx
	if cur.stmt.endless && timeout != nil {
		var cancel context.CancelFunc
		wait, cancel = context.WithTimeout(ctx, *timeout)
		defer cancel()
	}
	if cur.stmt.endless {
		c.run.setEndless()
	}
	var parts []*row.Batch
	n := int64(0)
	for n < min(most, fetchRowsMost) {
		b, err := cur.next(wait)
		if err != nil {
			if ctx.Err() == nil && wait.Err() != nil { // the time is over
				break
			}
			return nil, err
		}
		if b == nil {
			break
		}
		stop := min(int64(b.Len), int64(cur.at)+most-n)
		parts = append(parts, b.Slice(cur.at, int(stop)))
		n += stop - int64(cur.at)
		cur.at = int(stop)
		if cur.stmt.endless && timeout == nil {
			break
		}
	}
	return row.Concat(parts), nil
}

// fetchTimeout reads WITH (timeout = '1s'); nil if it is not given.
func fetchTimeout(options sql.Options) (*time.Duration, error) {
	if len(options) == 0 {
		return nil, nil
	}
	o := options[0]
	if o.Key != "timeout" || len(options) > 1 {
		return nil, fault.New(fault.InvalidParameterValue, "FETCH has no option but timeout").WithHint("Write FETCH n FROM c WITH (timeout = '1s').")
	}
	d, ok := parseTimeout(o.Value)
	if !ok {
		return nil, fault.New(fault.InvalidParameterValue, "invalid timeout %q", shorten(o.Value)).WithHint("Write it like '1s', '500ms' or '2 minutes'.")
	}
	return &d, nil
}

// parseTimeout reads a duration as Go, Postgres or an interval writes it; a bare number is seconds.
func parseTimeout(s string) (time.Duration, bool) {
	if n, err := strconv.ParseFloat(s, 64); err == nil && n >= 0 && n < 1e9 {
		return time.Duration(n * float64(time.Second)), true
	}
	if d, err := time.ParseDuration(s); err == nil && d >= 0 {
		return d, true
	}
	if d, ok := session.ParseTimeout(strings.ToLower(s)); ok {
		return d, true
	}
	v, err := row.ParseValue(row.T(row.Interval), s)
	if err != nil || v.V.Months != 0 || v.V.Micros < 0 || v.V.Days < 0 || v.V.Days > 365 {
		return 0, false
	}
	return time.Duration(v.V.Micros)*time.Microsecond + time.Duration(v.V.Days)*24*time.Hour, true
}

func (c *conn) runClose(o *sql.Close) error {
	if o.All {
		for name := range c.portals {
			c.closePortal(name)
		}
		return nil
	}
	if _, err := c.cursor(o.Name.Name); err != nil {
		return err
	}
	c.closePortal(o.Name.Name)
	return nil
}
