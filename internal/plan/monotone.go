package plan

import (
	"strings"

	"github.com/tidemill/tidemill/internal/row"
)

// monotoneIn reports whether e never decreases when the value at the leaf that is accepts grows, everything else in it being constant.
// The session's time zone is UTC, so casts between dates and timestamps keep the order.
func monotoneIn(e *Expr, leaf func(*Expr) bool) bool {
	if leaf(e) {
		return true
	}
	switch e.Kind {
	case Cast:
		return !e.Try && isTime(e.Type) && isTime(e.Args[0].Type) && monotoneIn(e.Args[0], leaf)
	case Call:
		if e.Volatile || e.SQL != "" {
			return false
		}
		return monotoneCall(e, leaf)
	}
	return false
}

// Follows reports whether e is over one column and never decreases when that grows.
func Follows(e *Expr) bool {
	return len(Columns(e)) == 1 && monotoneIn(e, func(x *Expr) bool { return x.Kind == Column })
}

// IsTime reports whether a type is a point in time: DATE, TIMESTAMP or TIMESTAMP WITH TIME ZONE.
func IsTime(t row.Type) bool { return isTime(t) }

func isTime(t row.Type) bool {
	return t.Kind == row.Date || t.Kind == row.Timestamp || t.Kind == row.TimestampTZ
}

func monotoneCall(e *Expr, leaf func(*Expr) bool) bool {
	constant := func(es ...*Expr) bool {
		for _, x := range es {
			if !x.IsConstant() {
				return false
			}
		}
		return true
	}
	switch name := strings.ToLower(e.Name); name {
	case "+":
		if len(e.Args) != 2 {
			return false
		}
		a, b := e.Args[0], e.Args[1]
		return constant(b) && keepsOrder(a, b) && monotoneIn(a, leaf) || constant(a) && keepsOrder(b, a) && monotoneIn(b, leaf)
	case "-":
		return len(e.Args) == 2 && constant(e.Args[1]) && keepsOrder(e.Args[0], e.Args[1]) && monotoneIn(e.Args[0], leaf)
	case "//":
		return len(e.Args) == 2 && positiveInteger(e.Args[1]) && monotoneIn(e.Args[0], leaf)
	case "epoch", "epoch_ms", "epoch_us", "epoch_ns", "year", "decade", "century", "millennium", "last_day", "make_timestamp", "to_timestamp":
		return len(e.Args) == 1 && monotoneIn(e.Args[0], leaf)
	case "date_trunc", "datetrunc":
		return len(e.Args) == 2 && constant(e.Args[0]) && monotoneIn(e.Args[1], leaf)
	case "time_bucket":
		return len(e.Args) >= 2 && constant(e.Args[0]) && constant(e.Args[2:]...) && zoneKeepsOrder(e) && monotoneIn(e.Args[1], leaf)
	}
	return false
}

func positiveInteger(e *Expr) bool {
	return e.Kind == Constant && !e.Value.Null && e.Type.IsInteger() && e.Value.I > 0 && e.Value.H == 0
}

// keepsOrder reports whether times keep their order when a span is added. Months are not equally long: the 30th at 23:00 and the 31st at 01:00 change places a month on
// where that has 30 days, so times with months added must all be at the same time of day.
func keepsOrder(time, span *Expr) bool {
	if !isTime(time.Type) || span.Type.Kind != row.Interval || span.Kind == Constant && (span.Value.Null || span.Value.V.Months == 0) {
		return true
	}
	return sameTimeOfDay(time)
}

// sameTimeOfDay reports whether all values of an expression are at one time of the day.
func sameTimeOfDay(e *Expr) bool {
	if e.Type.Kind == row.Date {
		return true
	}
	switch {
	case e.Kind == Cast:
		return isTime(e.Args[0].Type) && sameTimeOfDay(e.Args[0])
	case e.Kind != Call:
		return false
	}
	switch strings.ToLower(e.Name) {
	case "date_trunc", "datetrunc":
		return len(e.Args) == 2 && e.Args[0].Kind == Constant && !e.Args[0].Value.Null && wholeDays[strings.ToLower(e.Args[0].Value.S)]
	case "time_bucket":
		w := e.Args[0]
		return len(e.Args) == 2 && w.Kind == Constant && !w.Value.Null && w.Type.Kind == row.Interval && w.Value.V.Micros == 0
	}
	return false
}

// wholeDays are the parts of a time that date_trunc cuts at midnight.
var wholeDays = map[string]bool{"day": true, "week": true, "month": true, "quarter": true, "year": true, "decade": true, "century": true, "millennium": true}

// zoneKeepsOrder reports whether a time_bucket does not cut an hour that a zone has twice: it has no zone, or whole days.
func zoneKeepsOrder(e *Expr) bool {
	for _, a := range e.Args[2:] {
		if a.Type.Kind == row.String {
			w := e.Args[0]
			return w.Kind == Constant && w.Type.Kind == row.Interval && w.Value.V.Micros == 0
		}
	}
	return true
}
