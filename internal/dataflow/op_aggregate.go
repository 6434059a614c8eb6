package dataflow

import (
	"github.com/tidemill/tidemill/internal/dataflow/scalar"
	"github.com/tidemill/tidemill/internal/dataflow/state"
	"github.com/tidemill/tidemill/internal/row"
)

// aggregateOp is GROUP BY. Its input is routed by the group's columns and carries the arguments of the calls.
//
// A tick finds or makes the group of every row, notes what the touched groups looked like, updates the calls'
// states column by column, and returns the difference: the old row of a group that was there, the new row of one that is there now,
// nothing where they are the same. A group is there while the weights of its rows sum up to more than 0.
type aggregateOp struct {
	title  string
	groups *state.Set
	rows   state.Array[int64] // sum of weights per group
	calls  []aggregateCall
	single bool // no group columns: one group that is always there
	owner  bool // this shard has the single group
	begun  bool

	touch      toucher
	ids        []uint32
	selections []*selection // of the tick
	rejects    []Reject
	retract    bool // the input may retract
	closer     *groupCloser
}

// aggregateCall is one aggregate function with where it finds its arguments.
type aggregateCall struct {
	args   []int  // input columns
	nulls  []bool // of them that may be null
	filter int    // input column with a BOOLEAN, -1 for none
	state  accumulator
}

// accumulator is the state of one aggregate function for all groups of a shard. Groups are dense ids; an accumulator's
// zero state is that of an empty group.
type accumulator interface {
	// grow makes room for groups below n.
	grow(n uint32)
	// update adds row k of args with weight weights[k] (nil: +1) to group groups[k]. No argument is null but those that
	// takesNull names.
	update(groups []uint32, weights []int64, args []row.Vec)
	// result returns the values of the groups. The positions of groups whose value cannot be represented are
	// returned with a message.
	result(groups []uint32) (row.Vec, []scalar.RowError)
	// reset empties a group.
	reset(group uint32)
	bytes() int64
	persist(k *state.Keeper)
}

func (o *aggregateOp) step(in []port) (*row.Batch, error) {
	first := o.single && o.owner && !o.begun
	o.begun = true
	p := &in[0]
	if p.rows() == 0 && !first {
		return nil, o.closeGroups()
	}
	if first {
		o.groups.Rows.Add(nil, 0)
		o.grow()
	}
	if p.rows() == 0 {
		return o.difference(p, nil, []uint32{0}, nil), nil
	}
	if !o.groups.Room(p.rows()) {
		return nil, errFull
	}
	o.resolve(p)
	o.touch.begin(o.groups.Cap())
	for i, id := range o.ids {
		o.touch.see(id, int32(i), *o.rows.Peek(id) > 0 || (o.single && !first))
	}
	touched := make([]uint32, len(o.touch.seen))
	for k, t := range o.touch.seen {
		touched[k] = t.id
	}
	old, before := o.present(touched)
	o.update(p)
	out := o.difference(p, old, touched, before)
	return out, o.closeGroups()
}

// resolve sets o.ids to the group of each row.
func (o *aggregateOp) resolve(p *port) {
	o.ids = sized(o.ids, p.batch.Len)
	if o.single {
		clear(o.ids)
		return
	}
	added := o.groups.FindOrAdd(p.keys, p.hash, o.ids, nil)
	o.grow()
	switch {
	case o.closer == nil:
	case o.closer.end != nil:
		o.closer.addEnds(&p.batch.Cols[o.closer.column], added, o.ids, o.groups.Cap())
	default:
		o.closer.add(p.keys, added, o.ids)
	}
}

func (o *aggregateOp) grow() {
	n := o.groups.Cap()
	o.rows.Grow(n)
	for i := range o.calls {
		o.calls[i].state.grow(n)
	}
}

func (o *aggregateOp) update(p *port) {
	weights := p.batch.Weights
	for i, id := range o.ids {
		if weights == nil {
			*o.rows.At(id)++
		} else {
			*o.rows.At(id) += weights[i]
		}
	}
	for i := range o.calls {
		c := &o.calls[i]
		c.update(o.ids, p.batch, o.selected(c, o.ids, p.batch))
	}
	clear(o.selections)
	o.selections = o.selections[:0]
}

func (c *aggregateCall) update(groups []uint32, b *row.Batch, s *selection) {
	args := make([]row.Vec, len(c.args))
	for k, a := range c.args {
		args[k] = b.Cols[a]
	}
	switch {
	case s.all:
		c.state.update(groups, b.Weights, args)
	case len(s.at) > 0:
		for k := range args {
			args[k] = args[k].Gather(s.at)
		}
		c.state.update(s.groups, s.weights, args)
	}
}

// present returns the rows of those touched groups that are there now, and which they are. Groups whose value
// cannot be represented are left out.
func (o *aggregateOp) present(touched []uint32) (*row.Batch, []bool) {
	is := make([]bool, len(touched))
	var ids []uint32
	var pos []int
	for k, id := range touched {
		if o.touch.seen[k].present {
			is[k] = true
			ids, pos = append(ids, id), append(pos, k)
		}
	}
	if len(ids) == 0 {
		return nil, is
	}
	b, errs := o.output(ids)
	if len(errs) > 0 {
		for _, e := range errs {
			is[pos[e.Row]] = false
		}
		b = port{batch: b}.without(errs).batch
	}
	return b, is
}

// output returns the result rows of groups.
func (o *aggregateOp) output(ids []uint32) (*row.Batch, []scalar.RowError) {
	keys := o.groups.Columns()
	b := &row.Batch{Cols: make([]row.Vec, 0, keys+len(o.calls)), Len: len(ids)}
	for c := range keys {
		b.Cols = append(b.Cols, o.groups.Gather(c, ids))
	}
	var failed []scalar.RowError
	for i := range o.calls {
		v, errs := o.calls[i].state.result(ids)
		b.Cols = append(b.Cols, v)
		failed = mergeErrors(failed, errs)
	}
	return b, failed
}

func mergeErrors(a, b []scalar.RowError) []scalar.RowError {
	if len(a) == 0 {
		return b
	}
	var out []scalar.RowError
	for len(a) > 0 || len(b) > 0 {
		switch {
		case len(b) == 0 || (len(a) > 0 && a[0].Row < b[0].Row):
			out, a = append(out, a[0]), a[1:]
		case len(a) == 0 || b[0].Row < a[0].Row:
			out, b = append(out, b[0]), b[1:]
		default:
			out, a, b = append(out, a[0]), a[1:], b[1:]
		}
	}
	return out
}

// difference returns what changed in the touched groups; old holds the rows of those with before set, in order.
func (o *aggregateOp) difference(p *port, old *row.Batch, touched []uint32, before []bool) *row.Batch {
	live := make([]uint32, 0, len(touched))
	liveAt := make([]int, 0, len(touched))
	for k, id := range touched {
		if o.single || *o.rows.Peek(id) > 0 {
			live, liveAt = append(live, id), append(liveAt, k)
		}
	}
	now, errs := o.output(live)
	failed := make(map[int32]bool, len(errs))
	if len(errs) > 0 {
		o.rejects = append(o.rejects, rejectRows(o.title, now, errs)...)
		for _, e := range errs {
			failed[e.Row] = true
		}
	}
	keys := o.groups.Columns()
	var oldAt, newAt []int32
	oldPos, n := int32(0), 0
	for k := range touched {
		was, is := before != nil && before[k], n < len(liveAt) && liveAt[n] == k
		same := was && is && !failed[int32(n)] && row.EqualRows(old.Cols[keys:], int(oldPos), now.Cols[keys:], n)
		if was && !same {
			oldAt = append(oldAt, oldPos)
		}
		if is && !same && !failed[int32(n)] {
			newAt = append(newAt, int32(n))
		}
		if was {
			oldPos++
		}
		if is {
			n++
		}
	}
	o.sweep(p, touched)
	return deltaOf(old, oldAt, now, newAt)
}

// sweep frees the touched groups that are gone.
func (o *aggregateOp) sweep(p *port, touched []uint32) {
	if o.single || !o.retract {
		return
	}
	for k, id := range touched {
		if *o.rows.Peek(id) == 0 {
			for i := range o.calls {
				o.calls[i].state.reset(id)
			}
			at := int(o.touch.seen[k].at)
			switch {
			case o.closer == nil:
			case o.closer.end != nil:
				o.closer.dates.Remove(0, *o.closer.due.Peek(id), id)
			default:
				o.closer.remove(p.keys, at, id)
			}
			o.groups.Remove(id, p.hash[at])
		}
	}
}

// deltaOf returns the chosen rows of old with weight -1 and of now with weight +1.
func deltaOf(old *row.Batch, oldAt []int32, now *row.Batch, newAt []int32) *row.Batch {
	switch {
	case len(oldAt) == 0 && len(newAt) == 0:
		return nil
	case len(oldAt) == 0:
		return weightless(now.Cols, newAt, now.Len)
	}
	gone := &row.Batch{Cols: old.Cols, Len: old.Len}
	if len(oldAt) < old.Len {
		gone = gone.Gather(oldAt)
	}
	out := gone
	if come := weightless(now.Cols, newAt, now.Len); come != nil {
		out = row.Concat([]*row.Batch{gone, come})
	}
	out.Weights = weightsOf(len(oldAt), len(newAt))
	return out
}

func weightsOf(gone, come int) []int64 {
	w := make([]int64, gone+come)
	for i := range w {
		w[i] = sign(i >= gone)
	}
	return w
}

func (o *aggregateOp) takeRejects() []Reject {
	r := o.rejects
	o.rejects = nil
	return r
}

func (o *aggregateOp) bytes() int64 {
	n := o.groups.Bytes() + o.rows.Bytes() + o.touch.bytes() + o.closer.bytes()
	for i := range o.calls {
		n += o.calls[i].state.bytes()
	}
	return n
}

func (o *aggregateOp) persist(k *state.Keeper) {
	k.Bool(&o.begun)
	o.groups.Keep(k)
	o.rows.Keep(k)
	for i := range o.calls {
		o.calls[i].state.persist(k)
	}
	o.closer.persist(k, o.groups)
}
