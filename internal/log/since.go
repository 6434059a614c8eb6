package log

import (
	"context"
	"errors"
	"time"
)

// sinceSpan is the number of offsets among which Since does not look closer.
const sinceSpan = 1 << 20

// errFirst ends a reading after its first record.
var errFirst = errors.New("the first record is there")

// Since returns an offset from which reading sees every record that was appended at t or later, and not many that are older. It
// reads a record at each step of a bisection of the topic.
func Since(ctx context.Context, l Log, topic string, t time.Time) (Offset, error) {
	b, err := l.Bounds(ctx, topic)
	if err != nil {
		return 0, err
	}
	lo, hi := b.First, b.Next // what is older than t ends in between
	for hi-lo > sinceSpan {
		mid := lo + (hi-lo)/2
		var first Record
		found := false
		err := l.ReadRange(ctx, topic, mid, hi, func(r Record) error {
			first, found = r, true
			return errFirst
		})
		switch {
		case err != nil && !errors.Is(err, errFirst):
			return 0, err
		case found && first.Appended.Before(t):
			lo = first.Offset + 1
		default:
			hi = mid
		}
	}
	return lo, nil
}
