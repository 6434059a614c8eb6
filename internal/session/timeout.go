package session

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/tidemill/tidemill/internal/fault"
	"github.com/tidemill/tidemill/internal/row"
	"github.com/tidemill/tidemill/internal/sql"
)

const (
	// timeoutSetting bounds the time of a statement, resultBytesSetting the bytes of a query's rows; 0 is no bound.
	timeoutSetting     = "statement_timeout"
	resultBytesSetting = "tidemill.result_bytes"
)

// Limits bound what a statement of a session may take, where the session's settings do not say; 0 is no bound.
type Limits struct {
	// Time is how long a statement that only reads may take, to its last row.
	Time time.Duration
	// ResultBytes bounds the rows of a query.
	ResultBytes int64
}

// ParseTimeout reads a time as Postgres writes it: milliseconds, or a number with a unit.
func ParseTimeout(s string) (time.Duration, bool) {
	i := 0
	for i < len(s) && (s[i]-'0' < 10 || s[i] == '.') {
		i++
	}
	n, err := strconv.ParseFloat(s[:i], 64)
	if err != nil {
		return 0, false
	}
	unit := time.Millisecond
	switch strings.TrimSpace(s[i:]) {
	case "", "ms":
	case "us":
		unit = time.Microsecond
	case "s":
		unit = time.Second
	case "min":
		unit = time.Minute
	case "h":
		unit = time.Hour
	case "d":
		unit = 24 * time.Hour
	default:
		return 0, false
	}
	if n*float64(unit) > float64(1<<31*time.Millisecond) {
		return 0, false
	}
	return time.Duration(n * float64(unit)), true
}

// checkLimit refuses the value of a setting that bounds statements and cannot be read.
func checkLimit(name, value string) error {
	ok := true
	switch name {
	case timeoutSetting:
		_, ok = ParseTimeout(strings.ToLower(value))
	case resultBytesSetting:
		n, err := strconv.ParseInt(value, 10, 64)
		ok = err == nil && n >= 0
	}
	if !ok {
		return fault.New(fault.InvalidParameterValue, "invalid value for parameter %q: %q", name, value).
			WithHint("statement_timeout is milliseconds, or a number with a unit as in '30s'; tidemill.result_bytes is a number of bytes; 0 is no bound")
	}
	return nil
}

// timeout is how long the statement may take, 0 for ever.
func (s *Session) timeout(p *Prepared) time.Duration {
	if v, set := s.settings[timeoutSetting]; set {
		d, _ := ParseTimeout(strings.ToLower(v))
		return d
	}
	switch p.bound.stmt.(type) {
	case *sql.Select, *sql.Show, *sql.Describe, *sql.Explain:
		return s.opts.Limits.Time
	}
	return 0
}

func (s *Session) resultBytes() int64 {
	if v, set := s.settings[resultBytesSetting]; set {
		n, _ := strconv.ParseInt(v, 10, 64)
		return n
	}
	return s.opts.Limits.ResultBytes
}

// errStatementTimeout is the cause of a context that has ended because a statement took too long.
var errStatementTimeout = errors.New("statement timeout")

// timed runs a statement, at most as long as it may take to its last row.
func (s *Session) timed(ctx context.Context, p *Prepared, run func(context.Context) (*Result, error)) (*Result, error) {
	d := s.timeout(p)
	if d <= 0 {
		return run(ctx)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, d, errStatementTimeout)
	late := func(err error) error {
		if err == nil || !errors.Is(context.Cause(ctx), errStatementTimeout) {
			return err
		}
		return fault.New(fault.QueryCanceled, "canceling statement due to statement timeout").WithDetail("it may take %s", d).
			WithHint("SET statement_timeout = '10min' raises the bound for the session, --query-timeout for all").Wrap(err)
	}
	r, err := run(ctx)
	if err != nil {
		cancel()
		return nil, late(err)
	}
	next, closed := r.next, r.close
	if next != nil {
		r.next = func(reading context.Context) (*row.Batch, error) {
			if ctx.Err() != nil {
				return nil, late(ctx.Err())
			}
			b, err := next(reading)
			return b, late(err)
		}
	}
	r.close = func() {
		if closed != nil {
			closed()
		}
		cancel()
	}
	return r, nil
}

// bounded makes a query's result end with an error where its rows are more than they may be.
func (s *Session) bounded(r *Result) *Result {
	most, next := s.resultBytes(), r.next
	if most <= 0 || next == nil {
		return r
	}
	sent := int64(0)
	r.next = func(ctx context.Context) (*row.Batch, error) {
		b, err := next(ctx)
		if err != nil || b == nil {
			return b, err
		}
		if sent += b.Size(); sent > most {
			return nil, fault.New(fault.LimitExceeded, "the result is larger than a result may be").
				WithDetail("at most %d bytes", most).
				WithHint("ask for less, or raise the bound: SET %s = '%s' for the session, --result-bytes for all", resultBytesSetting, fmt.Sprint(4*most))
		}
		return b, nil
	}
	return r
}
