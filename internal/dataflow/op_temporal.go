package dataflow

import (
	"math"

	"github.com/tidemill/tidemill/internal/dataflow/scalar"
	"github.com/tidemill/tidemill/internal/dataflow/state"
	"github.com/tidemill/tidemill/internal/plan"
	"github.com/tidemill/tidemill/internal/row"
)

// temporalOp is a filter that compares rows with the time. As the time goes on, rows leave (at > now() - …) or enter (at <= now()). Those that
// have left never come back, so they are forgotten; those that have entered stay and need no state either.
type temporalOp struct {
	title   string
	times   *Times
	leaves  bool
	strict  bool            // of < and >: a value equal to the bound does not satisfy the predicate
	value   *scalar.Program // nil: column is the value
	column  int
	now     *scalar.Program // over the time
	limit   uint64          // rows below it have left, or have entered
	known   bool
	kept    *state.Agenda // rows that will leave, or will enter
	due     []uint64
	rejects []Reject
}

func (o *temporalOp) step(in []port) (*row.Batch, error) {
	// The time moves first: what it drives out is retracted here, and changes of it that come now find it gone.
	moved, err := o.advance()
	if err != nil {
		return nil, err
	}
	if moved != nil && o.leaves {
		moved.Weights = negated(moved)
	}
	b := in[0].batch
	if b == nil {
		return moved, nil
	}
	changed, err := o.take(b)
	if err != nil {
		return nil, err
	}
	return row.Concat([]*row.Batch{moved, changed}), nil
}

func negated(b *row.Batch) []int64 {
	w := make([]int64, b.Len)
	for i := range w {
		w[i] = -b.Weight(i)
	}
	return w
}

// take applies changes and returns what of them is in the result.
func (o *temporalOp) take(b *row.Batch) (*row.Batch, error) {
	if !o.kept.Room(b.Len) {
		return nil, errFull
	}
	v := &b.Cols[o.column]
	if o.value != nil {
		cols, errs, err := o.value.Eval(b)
		if err != nil {
			return nil, err
		}
		v = &cols[0]
		if len(errs) > 0 {
			o.rejects = append(o.rejects, rejectRows(o.title, b, errs)...)
			p := port{batch: b, keys: cols}.without(errs)
			b, v = p.batch, &p.keys[0]
		}
	}
	var keep, pass []int32
	o.due = o.due[:0]
	for i := range b.Len {
		if v.Null(i) {
			continue
		}
		due := state.OrderBits(v, i)
		switch over := o.known && due < o.limit; {
		case over && o.leaves:
		case over:
			pass = append(pass, int32(i))
		default:
			keep, o.due = append(keep, int32(i)), append(o.due, due)
		}
	}
	if len(keep) > 0 {
		kept := b
		if len(keep) < b.Len {
			kept = b.Gather(keep)
		}
		o.kept.Change(kept, o.due, nil)
		if o.leaves {
			return kept, nil
		}
	}
	if len(pass) == 0 {
		return nil, nil
	}
	return b.Gather(pass), nil
}

// advance moves the limit to what the time says and returns the rows that it passes.
func (o *temporalOp) advance() (*row.Batch, error) {
	cols, errs, err := o.now.Eval(&row.Batch{Cols: []row.Vec{row.FromValues(row.T(row.TimestampTZ), []int64{o.times.Now}, nil)}, Len: 1})
	if err != nil || len(errs) > 0 || cols[0].Null(0) {
		return nil, err // a time for which the bound has no value moves nothing
	}
	limit := state.OrderBits(&cols[0], 0)
	// Rows leave at >= below the bound, at > also when they are equal to it; they enter at < below it, at <= also when equal.
	if o.leaves == o.strict && limit < math.MaxUint64 {
		limit++
	}
	if o.known && limit <= o.limit {
		return nil, nil
	}
	o.limit, o.known = limit, true
	return o.kept.Take(0, limit), nil
}

func (o *temporalOp) takeRejects() []Reject {
	r := o.rejects
	o.rejects = nil
	return r
}

func (o *temporalOp) bytes() int64 { return o.kept.Bytes() }

func (o *temporalOp) persist(k *state.Keeper) {
	o.kept.Keep(k)
	limit := int64(o.limit)
	state.Keep(k, &limit)
	o.limit = uint64(limit)
	k.Bool(&o.known)
}

// addTemporal puts filters that compare with the time on a node.
func (b *builder) addTemporal(in lowered, predicates []*plan.Expr) (lowered, error) {
	for _, e := range predicates {
		parts, err := plan.TemporalsOf(e)
		if err != nil {
			return lowered{}, err
		}
		for i := range parts {
			if in, err = b.addOneTemporal(in, &parts[i], e); err != nil {
				return lowered{}, err
			}
		}
	}
	return in, nil
}

func (b *builder) addOneTemporal(in lowered, t *plan.Temporal, e *plan.Expr) (lowered, error) {
	b.g.temporal = true
	title := "while " + e.String()
	if !t.Leaves() {
		title = "as soon as " + e.String()
	}
	nd := node{title: title, inputs: []int{in.node}, routes: []*router{b.spreadRouter(in)}, timed: true}
	for range b.Workers {
		op := &temporalOp{title: title, times: b.g.times, leaves: t.Leaves(), strict: t.Op == plan.Less || t.Op == plan.Greater,
			kept: state.NewAgenda(in.types)}
		var err error
		if op.now, err = b.compile([]*plan.Expr{t.Bound}, []row.Type{row.T(row.TimestampTZ)}); err != nil {
			return lowered{}, err
		}
		if t.Value.Kind == plan.Column {
			op.column = t.Value.Index
		} else if op.value, err = b.compile([]*plan.Expr{t.Value}, in.types); err != nil {
			return lowered{}, err
		}
		nd.shards = append(nd.shards, op)
	}
	return lowered{node: b.add(nd), types: in.types, appendOnly: in.appendOnly && !t.Leaves()}, nil
}

// spreadRouter sends equal rows to the same worker where an insertion and its retraction could otherwise end up on two.
func (b *builder) spreadRouter(in lowered) *router {
	if in.appendOnly {
		return nil
	}
	all := make([]int, len(in.types))
	for i := range all {
		all[i] = i
	}
	return byColumns(all)
}
