package dataflow

import (
	"math"

	"github.com/tidemill/tidemill/internal/dataflow/scalar"
	"github.com/tidemill/tidemill/internal/dataflow/state"
	"github.com/tidemill/tidemill/internal/plan"
	"github.com/tidemill/tidemill/internal/row"
)

// expiry finds the rows of one input of a join that no change of the other input can match any more: those whose value is below all that the other
// can still bring. A retraction of such a row still finds what it matched, for that other row can be matched by it. A nil expiry finds nothing.
type expiry struct {
	times *Times
	value *scalar.Program // over the input's columns
	bound *threshold
	// dates is for rows that are never retracted, calendar, with due by row, for others.
	dates    *state.Deadlines
	calendar *state.Calendar
	due      state.Array[uint64]

	vals   row.Vec // of the tick in progress
	failed []bool
	ids    []uint32
}

// timeStep is by how many bits times are shortened where rows are ordered by when they are freed: steps of about a second.
const timeStep = 20

// newExpiry returns what frees the rows of one input for one shard, nil without a limit.
func (b *builder) newExpiry(l *plan.JoinLimit, in lowered) (*expiry, error) {
	if l == nil {
		return nil, nil
	}
	e := &expiry{times: b.g.times}
	var err error
	if e.value, err = b.compile([]*plan.Expr{l.Mine}, in.types); err != nil {
		return nil, err
	}
	if e.bound, err = b.threshold(l.Theirs); err != nil {
		return nil, err
	}
	switch {
	case !in.appendOnly:
		e.calendar = state.NewCalendar()
	case l.Mine.Type.Phys().Width() == 8 && plan.IsTime(l.Mine.Type):
		e.dates = state.NewDeadlines(timeStep)
	default:
		e.dates = state.NewDeadlines(0)
	}
	return e, nil
}

// eval computes the values of the rows of a tick. A row whose value fails is never freed: the failure is told where the condition is evaluated.
func (e *expiry) eval(b *row.Batch) error {
	if e == nil {
		return nil
	}
	cols, errs, err := e.value.Eval(b)
	if err != nil {
		return err
	}
	e.vals, e.failed = cols[0], nil
	if len(errs) > 0 {
		e.failed = make([]bool, b.Len)
		for _, x := range errs {
			e.failed[x.Row] = true
		}
	}
	return nil
}

// never is when a row is due for which there is no time.
const never = math.MaxUint64

// add enters row i of the tick, which is stored as id. A null matches nothing.
func (e *expiry) add(i int, id uint32) {
	if e == nil {
		return
	}
	if e.failed != nil && e.failed[i] {
		if e.calendar != nil {
			e.due.Grow(id + 1)
			*e.due.At(id) = never
		}
		return
	}
	due := uint64(0)
	if !e.vals.Null(i) {
		due = state.OrderBits(&e.vals, i)
	}
	if e.dates != nil {
		e.dates.Add(due, id)
		return
	}
	e.due.Grow(id + 1)
	*e.due.At(id) = due
	e.calendar.Add(0, due, id)
}

// remove takes out a row that is gone for another reason.
func (e *expiry) remove(id uint32) {
	if e != nil && e.calendar != nil {
		e.due.Grow(id + 1)
		e.calendar.Remove(0, *e.due.Peek(id), id)
	}
}

// take returns the rows that are to be freed since the last call; the slice is valid until the next.
func (e *expiry) take() []uint32 {
	if e == nil {
		return nil
	}
	limit, ok := e.bound.at(e.times.After)
	if !ok {
		return nil
	}
	if e.dates != nil {
		e.ids = e.dates.Take(limit, e.ids[:0])
	} else {
		e.ids = e.calendar.Take(0, limit, e.ids[:0])
	}
	return e.ids
}

func (e *expiry) persist(k *state.Keeper, rows *state.Rows) {
	switch {
	case e == nil:
	case e.dates != nil:
		e.dates.Keep(k)
	default:
		e.due.Keep(k)
		k.Then(func() {
			rows.Each(func(ids []uint32) {
				for _, id := range ids {
					if due := *e.due.Peek(id); due != never {
						e.calendar.Add(0, due, id)
					}
				}
			})
		})
	}
}

func (e *expiry) bytes() int64 {
	switch {
	case e == nil:
		return 0
	case e.dates != nil:
		return e.dates.Bytes()
	}
	return e.calendar.Bytes() + e.due.Bytes()
}

// joinLimits are the limits by which the rows of a join's inputs are freed, nil for inputs that keep theirs. Of an input whose rows are part of the result by
// having or lacking a match, rows are freed only if none is ever retracted: its going would have to know.
func (b *builder) joinLimits(n *plan.Join) (left, right *plan.JoinLimit) {
	countedLeft, countedRight := false, false
	switch n.Kind {
	case plan.Inner, plan.Cross:
	case plan.Left, plan.Semi, plan.Anti, plan.Exists:
		countedLeft = true
	case plan.Right:
		countedRight = true
	case plan.Full:
		countedLeft, countedRight = true, true
	default:
		return nil, nil
	}
	ls, rs := b.events.JoinLimits(n)
	if !countedLeft || b.neverRetracts(n.Left) {
		left = usable(ls)
	}
	if !countedRight || b.neverRetracts(n.Right) {
		right = usable(rs)
	}
	return left, right
}

// usable picks the first limit whose values are numbers of state.OrderBits. The watermark of all keys of a stream together counts.
func usable(limits []plan.JoinLimit) *plan.JoinLimit {
next:
	for i := range limits {
		l := &limits[i]
		if !shortOrdered(l.Mine.Type) {
			continue
		}
		for k := range l.Theirs {
			if l.Theirs[k].Value.Type != l.Mine.Type {
				continue next
			}
		}
		return &plan.JoinLimit{Mine: l.Mine, Theirs: plan.OfAllKeys(l.Theirs)}
	}
	return nil
}

// neverRetracts reports whether the rows of a node all stay, for nodes of which that is easily seen.
func (b *builder) neverRetracts(n plan.Node) bool {
	switch n := n.(type) {
	case *plan.Get:
		return b.AppendOnly(n.Relation)
	case *plan.Filter:
		_, temporal := n.SplitTemporal()
		return len(temporal) == 0 && b.neverRetracts(n.Input)
	case *plan.Project, *plan.Sort, *plan.Distinct, *plan.Unnest:
		return b.neverRetracts(n.Inputs()[0])
	case *plan.Union:
		for _, in := range n.Branches {
			if !b.neverRetracts(in) {
				return false
			}
		}
		return true
	case *plan.Join:
		return (n.Kind == plan.Inner || n.Kind == plan.Semi) && b.neverRetracts(n.Left) && b.neverRetracts(n.Right)
	}
	return false
}

// free removes rows that have expired.
func (s *joinSide) free(ids []uint32) { freeRows(s.keys, s.rows, &s.byRow, s.retract, ids, s.cut) }

// free removes rows that have expired.
func (s *matchSide) free(ids []uint32) {
	for _, r := range ids {
		*s.weights.At(r) = 0
	}
	freeRows(s.keys, s.rows, &s.byRow, s.retract, ids, s.cut)
}

// freeRows removes rows, and the keys that cut says have lost their last one.
func freeRows(keys *state.Set, rows *state.Rows, byRow *state.Index, indexed bool, ids []uint32, cut func(uint32) (key uint32, last bool)) {
	if len(ids) == 0 {
		return
	}
	if indexed {
		unindexRows(rows, byRow, ids)
	}
	var empty []uint32
	for _, r := range ids {
		if key, last := cut(r); last {
			empty = append(empty, key)
		}
		rows.Remove(r)
	}
	hash := hashesOf(keys, empty)
	for k, key := range empty {
		keys.Remove(key, hash[k])
	}
}

// unindexRows takes rows out of an index by the hash of whole rows.
func unindexRows(rows *state.Rows, byRow *state.Index, ids []uint32) {
	cols := make([]row.Vec, rows.Columns())
	for c := range cols {
		cols[c] = rows.Gather(c, ids)
	}
	hash := make([]uint64, len(ids))
	row.Hash(cols, hash)
	for k, id := range ids {
		byRow.Remove(hash[k], id)
	}
}
