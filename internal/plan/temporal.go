package plan

import (
	"github.com/tidemill/tidemill/internal/fault"
	"github.com/tidemill/tidemill/internal/row"
)

// Temporal is a predicate that compares rows with the time: Value Op Bound. As time passes, Bound grows: with > and >= rows
// leave, with < and <= they enter.
type Temporal struct {
	Value *Expr  // over the input's columns, without the time
	Op    string // Less, LessOrEqual, Greater or GreaterOrEqual
	Bound *Expr  // over column 0, which is the time, TIMESTAMP WITH TIME ZONE; never decreases with it
}

// Leaves reports whether rows that satisfy the predicate cease to do so later, rather than begin to.
func (t *Temporal) Leaves() bool { return t.Op == Greater || t.Op == GreaterOrEqual }

// AsksForTime reports whether e contains now() or one of its relatives.
func AsksForTime(e *Expr) bool {
	return !e.Walk(func(x *Expr) bool { return !(x.Volatile && isClock(x.Name)) })
}

const hintTemporal = "Compare a column with the time, as a condition of its own in WHERE or HAVING: at > now() - INTERVAL 1 HOUR."

const hintMonths = "Months are not equally long, so the time less a month goes back at the ends of some. Write INTERVAL 30 DAYS, or date_trunc('day', now()) - INTERVAL 1 MONTH."

// withMonths reports whether e adds a constant span of months or takes one away.
func withMonths(e *Expr) bool {
	return !e.Walk(func(x *Expr) bool {
		return x.Kind != Constant || x.Type.Kind != row.Interval || x.Value.Null || x.Value.V.Months == 0
	})
}

// TemporalsOf reads a predicate that asks for the time as comparisons with it, all of which must hold.
func TemporalsOf(e *Expr) ([]Temporal, error) {
	refused := fault.New(fault.FeatureNotSupported, "a condition on now() in this form cannot be kept up to date").WithHint(hintTemporal)
	if e.Kind != Call || len(e.Args) != 2 || flipped[e.Name] == "" {
		return nil, refused
	}
	value, op, bound := e.Args[0], e.Name, e.Args[1]
	if AsksForTime(value) {
		value, op, bound = bound, flipped[op], value
	}
	if v, b, ok := distance(value, bound); ok {
		value, bound = v, b
	}
	if withMonths(bound) {
		refused = refused.WithHint(hintMonths)
	}
	isNow := func(x *Expr) bool { return x.Kind == Call && x.Name == "stream_now" && len(x.Args) == 0 }
	if AsksForTime(value) || value.IsVolatile() || len(Columns(value)) == 0 || !monotoneIn(bound, isNow) || !orderedAsNumber(value.Type) {
		return nil, refused
	}
	bound = replaceCalls(bound, isNow, Col(0, row.T(row.TimestampTZ)))
	if op == Equals {
		return []Temporal{{value, GreaterOrEqual, bound}, {value, LessOrEqual, bound}}, nil
	}
	return []Temporal{{value, op, bound}}, nil
}

// flipped is the comparison with its sides exchanged.
var flipped = map[string]string{Less: Greater, LessOrEqual: GreaterOrEqual, Greater: Less, GreaterOrEqual: LessOrEqual, Equals: Equals}

// distance turns a constant span of less than a month, compared with now() - value, into value compared with now() - span; the comparison
// stays.
func distance(span, difference *Expr) (value, bound *Expr, ok bool) {
	if difference.Kind == Call && difference.Name == "normalized_interval" && len(difference.Args) == 1 {
		difference = difference.Args[0]
	}
	if span.Kind == Call && span.Name == "normalized_interval" && len(span.Args) == 1 {
		span = span.Args[0]
	}
	if difference.Kind != Call || difference.Name != "-" || len(difference.Args) != 2 || AsksForTime(difference.Args[1]) ||
		span.Kind != Constant || span.Type.Kind != row.Interval || span.Value.Null || span.Value.V.Months != 0 {
		return nil, nil, false
	}
	now, value := difference.Args[0], difference.Args[1]
	if !isTime(now.Type) || now.Type.Kind == row.Date || now.Type != value.Type {
		return nil, nil, false
	}
	return value, Fn("-", now.Type, now, span), true
}

// orderedAsNumber reports whether values of the type are ordered like the numbers that represent them.
func orderedAsNumber(t row.Type) bool {
	w := t.Phys().Width()
	return w > 0 && w <= 8 && t.Kind != row.Bool
}

// replaceCalls returns e with the calls that match replaced.
func replaceCalls(e *Expr, match func(*Expr) bool, by *Expr) *Expr {
	if match(e) {
		return by
	}
	if len(e.Args) == 0 {
		return e
	}
	out := *e
	out.Args = mapExprs(e.Args, func(a *Expr) *Expr { return replaceCalls(a, match, by) })
	return &out
}

// splitTemporal separates predicates that ask for the time from those that do not.
func splitTemporal(predicates []*Expr) (timeless, temporal []*Expr) {
	return split(predicates, func(e *Expr) bool { return !AsksForTime(e) })
}

// SplitTemporal separates the predicates of a filter that ask for the time from those that do not.
func (n *Filter) SplitTemporal() (timeless, temporal []*Expr) { return splitTemporal(n.Predicates) }

// onlyClock reports whether all that is volatile in e is the time.
func onlyClock(e *Expr) bool {
	return e.Walk(func(x *Expr) bool { return !x.Volatile || isClock(x.Name) })
}
