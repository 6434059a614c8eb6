package plan

import (
	"maps"
	"slices"

	"github.com/tidemill/tidemill/internal/row"
)

// TimeBound bounds from below the values that a column can still get: while the watermark is w, no change brings a value below Value(Base(w)),
// late rows apart.
type TimeBound struct {
	// Get is where the time comes from, Column the position in its output that has it.
	Get    *Get
	Column int
	// Value is over column 0, the value of the Get's column; it never decreases with it.
	Value *Expr
	// Base is over column 0, the watermark in the type of the event time; it is the least value of the Get's column.
	Base *Expr
	// Per, if not nil, are the columns of the node that tell whose watermark counts: the one of those values, which is Mark for the latest
	// event time of theirs. Keys are the same columns of the Get, Mark is over column 0.
	Per, Keys []int
	Mark      *Expr
}

// KeyedTime is what is known of a stream whose watermark is one per value of some columns.
type KeyedTime struct {
	Column string   // the event time
	Per    []string // columns
	Mark   *Expr    // the watermark over column 0, the latest event time
	Ahead  int64    // microseconds by which a time may be ahead of when the log took it to move the watermark, 0 for any
}

// KeyThreshold is Value over Mark: the least value that can still come for a key, over column 0, its latest event time.
func (b *TimeBound) KeyThreshold() *Expr {
	return b.Value.Substitute(func(*Expr) *Expr { return b.Mark })
}

// ofAllKeys drops what the watermark of a single key says from bounds of which there are several: then that of all together counts.
func ofAllKeys(bounds []TimeBound) []TimeBound {
	if len(bounds) < 2 {
		return bounds
	}
	return OfAllKeys(bounds)
}

// OfAllKeys returns bounds by the watermark of all keys of a stream together.
func OfAllKeys(bounds []TimeBound) []TimeBound {
	out := slices.Clone(bounds)
	for i := range out {
		out[i].Per, out[i].Mark = nil, nil
	}
	return out
}

// at moves the keys of bounds to where their columns are now; where one is gone, the watermark of all keys together counts.
func at(bounds []TimeBound, now func(column int) (int, bool)) []TimeBound {
	out := slices.Clone(bounds)
	for i := range out {
		per := make([]int, 0, len(out[i].Per))
		for _, c := range out[i].Per {
			if k, ok := now(c); ok {
				per = append(per, k)
			}
		}
		if out[i].Mark == nil || len(per) < len(out[i].Per) {
			out[i].Per, out[i].Mark = nil, nil
			continue
		}
		out[i].Per = per
	}
	return out
}

// among finds columns of an input among expressions.
func among(exprs []*Expr) func(int) (int, bool) {
	return func(c int) (int, bool) {
		i := slices.IndexFunc(exprs, func(e *Expr) bool { return e.Kind == Column && e.Index == c })
		return i, i >= 0
	}
}

// Threshold is Value over Base: the least value that can still come, over column 0, the watermark.
func (b *TimeBound) Threshold() *Expr {
	return b.Value.Substitute(func(*Expr) *Expr { return b.Base })
}

// boundsMax bounds the bounds that are kept for a column.
const boundsMax = 16

// EventTimes finds the columns that are bounded by the watermark. A column that has several bounds is above the least of them.
type EventTimes struct {
	sources func(relation, column string) []*Expr
	keyed   func(relation string) *KeyedTime
	columns map[Node]map[int][]TimeBound
	// derived takes a column that comes from the event time for bounded, also where changes of other inputs (a table's) bring rows
	// with an old time: good enough to say when a group is complete, not for freeing its state.
	derived bool
}

// FindEventTimes looks at a plan. sources returns the bases of a relation's column, nil for one that no watermark bounds. With derived, columns
// that come from the event time count even if changes of other inputs bring old ones. keyed returns the streams that have one watermark per key; it
// may be nil.
func FindEventTimes(root Node, sources func(relation, column string) []*Expr, keyed func(relation string) *KeyedTime, derived bool) *EventTimes {
	t := &EventTimes{sources: sources, keyed: keyed, columns: map[Node]map[int][]TimeBound{}, derived: derived}
	for _, n := range Nodes(root) {
		t.columns[n] = t.find(n)
	}
	return t
}

// Of returns the bounds of an expression over the output of n, nil if it has none.
func (t *EventTimes) Of(n Node, e *Expr) []TimeBound { return through(t.columns[n], e) }

// Column returns the bounds of a column of n.
func (t *EventTimes) Column(n Node, c int) []TimeBound { return t.columns[n][c] }

// through returns the bounds of an expression over columns with the given bounds.
func through(columns map[int][]TimeBound, e *Expr) []TimeBound {
	used := Columns(e)
	if len(used) != 1 || len(columns[used[0]]) == 0 || !monotoneIn(e, func(x *Expr) bool { return x.Kind == Column }) {
		return nil
	}
	bounds := slices.Clone(columns[used[0]])
	for i := range bounds {
		value := bounds[i].Value
		bounds[i].Value = e.Substitute(func(*Expr) *Expr { return value })
	}
	return bounds
}

func (t *EventTimes) find(n Node) map[int][]TimeBound {
	switch n := n.(type) {
	case *Get:
		return t.ofGet(n)
	case *Filter:
		if _, temporal := n.SplitTemporal(); len(temporal) > 0 && !t.derived {
			return nil // rows leave at any age
		}
		return t.columns[n.Input]
	case *Sort, *Distinct:
		return t.columns[n.Inputs()[0]]
	case *Unnest:
		return t.ofUnnest(n)
	case *TopN:
		return t.ofPartition(n.Input, n.Partition)
	case *Window:
		return t.ofPartition(n.Input, n.Partition)
	case *SetOp:
		return t.ofSetOp(n)
	case *Session:
		return t.ofSession(n)
	case *Project:
		return t.ofExprs(n.Input, n.Exprs)
	case *Aggregate:
		if n.Sets != nil {
			return nil
		}
		return t.ofAggregate(n)
	case *Union:
		return t.ofUnion(n)
	case *Join:
		return t.ofJoin(n)
	}
	return nil
}

func (t *EventTimes) ofGet(n *Get) map[int][]TimeBound {
	out := map[int][]TimeBound{}
	for i := range n.Schema {
		if n.Columns[i] < 0 {
			continue
		}
		for _, base := range t.sources(n.Relation, n.Schema[i].Name) {
			out[i] = append(out[i], TimeBound{Get: n, Column: i, Value: Col(0, n.Schema[i].Type), Base: base})
		}
	}
	if t.keyed != nil {
		t.addKeys(n, out)
	}
	return out
}

// addKeys notes whose watermark counts, if the columns that tell are read.
func (t *EventTimes) addKeys(n *Get, out map[int][]TimeBound) {
	k := t.keyed(n.Relation)
	if k == nil {
		return
	}
	var per []int
	for _, name := range k.Per {
		if c := n.Schema.Index(name); c >= 0 {
			per = append(per, c)
		}
	}
	c := n.Schema.Index(k.Column)
	if c < 0 || len(per) < len(k.Per) || len(out[c]) != 1 {
		return
	}
	out[c][0].Per, out[c][0].Keys, out[c][0].Mark = per, per, k.Mark
}

func (t *EventTimes) ofExprs(in Node, exprs []*Expr) map[int][]TimeBound {
	out := map[int][]TimeBound{}
	for i, e := range exprs {
		if b := through(t.columns[in], e); b != nil {
			out[i] = at(b, among(exprs))
		}
	}
	return out
}

// ofPartition finds the bounded columns of rows that stand or fall with others of their partition: those it is made of.
func (t *EventTimes) ofPartition(in Node, partition []*Expr) map[int][]TimeBound {
	if t.derived {
		return t.columns[in]
	}
	out := map[int][]TimeBound{}
	for _, e := range partition {
		if e.Kind == Column && t.columns[in][e.Index] != nil {
			out[e.Index] = t.columns[in][e.Index]
		}
	}
	return out
}

// ofUnnest bounds the elements of series besides the input's columns: none is below the first.
func (t *EventTimes) ofUnnest(n *Unnest) map[int][]TimeBound {
	out := maps.Clone(t.columns[n.Input])
	for i, e := range n.Lists {
		if first := seriesStart(e); first != nil && first.Type == n.Width[i] {
			if bounds := t.Of(n.Input, first); bounds != nil {
				out[len(n.Input.Types())+i] = bounds
			}
		}
	}
	return out
}

// seriesStart is where a series begins that only goes up, nil for what is no such series.
func seriesStart(e *Expr) *Expr {
	if e.Kind != Call || e.SQL != "" || e.Name != "generate_series" && e.Name != "range" || len(e.Args) != 3 {
		return nil
	}
	if by := e.Args[2]; by.Kind != Constant || by.Value.Null || by.Type.Kind != row.Interval || by.Value.V.Months < 0 || by.Value.V.Days < 0 || by.Value.V.Micros < 0 {
		return nil
	}
	return e.Args[0]
}

func (t *EventTimes) ofSetOp(n *SetOp) map[int][]TimeBound {
	in := n.Inputs()
	out := map[int][]TimeBound{}
	for c, own := range t.columns[in[0]] {
		if other := t.columns[in[1]][c]; other != nil && len(own)+len(other) <= boundsMax {
			out[c] = ofAllKeys(concat(own, other))
		}
	}
	return out
}

// earlier moves bounds back by a span.
func earlier(bounds []TimeBound, micros int64) []TimeBound {
	out := slices.Clone(bounds)
	for i := range out {
		out[i].Value = Fn("-", out[i].Value.Type, out[i].Value, Const(row.Value{Type: row.T(row.Interval), V: row.IntervalValue{Micros: micros}}))
	}
	return out
}

// ofSession bounds the last times of sessions: a row can still prolong one that ended Gap before it.
func (t *EventTimes) ofSession(n *Session) map[int][]TimeBound {
	bounds := t.columns[n.Input][n.Time]
	if n.Numbered || bounds == nil {
		return nil
	}
	return map[int][]TimeBound{len(n.Input.Types()) + 1: earlier(bounds, n.Gap)}
}

func (t *EventTimes) ofAggregate(n *Aggregate) map[int][]TimeBound {
	out := t.ofExprs(n.Input, n.Groups)
	if s, ok := n.Input.(*Session); ok && n.SessionEnd != 0 {
		if bounds := t.columns[s.Input][s.Time]; bounds != nil {
			out[len(n.Groups)+n.SessionEnd-1] = at(earlier(bounds, s.Gap), among(n.Groups))
		}
	}
	return out
}

// SessionBounds bounds the times of the rows that a session takes, and the ends of the sessions whose state must be kept for them: rows that are
// late by up to a gap still find theirs. Both are over the watermark; nil if nothing bounds the time.
func (t *EventTimes) SessionBounds(n *Session) (rows, ends []TimeBound) {
	bounds := t.columns[n.Input][n.Time]
	if bounds == nil {
		return nil, nil
	}
	rows, ends = slices.Clone(bounds), slices.Clone(bounds)
	for i := range bounds {
		before := func(micros int64) *Expr {
			return Fn("-", bounds[i].Base.Type, bounds[i].Base, Const(row.Value{Type: row.T(row.Interval), V: row.IntervalValue{Micros: micros}}))
		}
		rows[i].Base, ends[i].Base = before(n.Gap), before(2*n.Gap)
		rows[i].Mark, ends[i].Mark = nil, nil // sessions close by the watermark of all keys together
	}
	return rows, ends
}

func (t *EventTimes) ofUnion(n *Union) map[int][]TimeBound {
	out := map[int][]TimeBound{}
columns:
	for c := range n.Types() {
		var all []TimeBound
		for _, b := range n.Branches {
			bounds := t.columns[b][c]
			if bounds == nil && !isNothing(b) {
				continue columns
			}
			all = append(all, bounds...)
		}
		if len(all) <= boundsMax {
			out[c] = ofAllKeys(all)
		}
	}
	return out
}

func isNothing(n Node) bool {
	v, ok := n.(*Values)
	return ok && len(v.Rows) == 0
}

// JoinLimit says that a row of one side finds no new match once Mine of it is below what the other side's Theirs can still be.
type JoinLimit struct {
	Mine *Expr // over the side's own columns
	// Theirs bounds the other side's expression that Mine must not be below.
	Theirs []TimeBound
}

// JoinLimits returns for both sides of a join what limits how long its rows can find matches, nil for nothing.
func (t *EventTimes) JoinLimits(n *Join) (left, right []JoinLimit) {
	lw := len(n.Left.Types())
	for _, k := range n.Keys {
		if b := t.Of(n.Right, k.Right); b != nil && !k.NullsEqual {
			left = append(left, JoinLimit{k.Left, b})
		}
		if b := t.Of(n.Left, k.Left); b != nil && !k.NullsEqual {
			right = append(right, JoinLimit{k.Right, b})
		}
	}
	var terms []*Expr
	for _, e := range n.Residual {
		terms = conjuncts(terms, e)
	}
	for _, e := range terms {
		if e.Kind != Call || len(e.Args) != 2 || flipped[e.Name] == "" || e.Name == Equals {
			continue
		}
		above, below := e.Args[0], e.Args[1] // above >= below
		if e.Name == Less || e.Name == LessOrEqual {
			above, below = below, above
		}
		above, below = balanced(above, below)
		a, b := Columns(above), Columns(below)
		switch {
		case len(a) == 0 || len(b) == 0:
		case a[len(a)-1] < lw && b[0] >= lw:
			if bounds := t.Of(n.Right, below.shift(-lw)); bounds != nil {
				left = append(left, JoinLimit{above, bounds})
			}
		case a[0] >= lw && b[len(b)-1] < lw:
			if bounds := t.Of(n.Left, below); bounds != nil {
				right = append(right, JoinLimit{above.shift(-lw), bounds})
			}
		}
	}
	return left, right
}

// balanced moves constant spans of less than a month from the upper side of a comparison to the lower, so that the upper is a
// plain column where it can be.
func balanced(above, below *Expr) (*Expr, *Expr) {
	for above.Kind == Call && (above.Name == "+" || above.Name == "-") && len(above.Args) == 2 && above.Type == above.Args[0].Type &&
		isTime(above.Type) && above.Type.Kind != row.Date && below.Type == above.Type && isShortSpan(above.Args[1]) {
		other := "-"
		if above.Name == "-" {
			other = "+"
		}
		below = Fn(other, below.Type, below, above.Args[1])
		above = above.Args[0]
	}
	return above, below
}

func isShortSpan(e *Expr) bool {
	return e.Kind == Constant && e.Type.Kind == row.Interval && !e.Value.Null && e.Value.V.Months == 0
}

// ofJoin finds the columns that stay bounded although a change of one side meets old rows of the other: those that must not be below a bounded
// expression of the other side. Nulls in place of a side's columns are below nothing. In an ASOF join a change of the right side can also put an old right
// row in the place of another: the limits of right columns are those that are equal for both, or that the better row exceeds.
func (t *EventTimes) ofJoin(n *Join) map[int][]TimeBound {
	lw := len(n.Left.Types())
	leftLimits, rightLimits := t.JoinLimits(n)
	out := map[int][]TimeBound{}
	if n.Kind == Mark && !t.derived {
		return out // a null of the right side concerns all left rows
	}
	add := func(c, offset int, own []TimeBound, limits []JoinLimit) {
		if own == nil {
			return
		}
		for _, l := range limits {
			if l.Mine.Kind == Column && l.Mine.Index == c && len(own)+len(l.Theirs) <= boundsMax {
				out[c+offset] = ofAllKeys(concat(own, l.Theirs)) // a row of the other side that is still to come can meet this one
				return
			}
		}
		if t.derived {
			out[c+offset] = at(own, func(c int) (int, bool) { return c + offset, true })
		}
	}
	for c, own := range t.columns[n.Left] {
		add(c, 0, own, leftLimits)
	}
	switch n.Kind {
	case Semi, Anti, Mark, Exists:
		return out
	}
	for c, own := range t.columns[n.Right] {
		add(c, lw, own, rightLimits)
	}
	return out
}
