package dataflow

import (
	"math"
	"slices"

	"github.com/tidemill/tidemill/internal/dataflow/scalar"
	"github.com/tidemill/tidemill/internal/dataflow/state"
	"github.com/tidemill/tidemill/internal/fault"
	"github.com/tidemill/tidemill/internal/plan"
	"github.com/tidemill/tidemill/internal/row"
)

// keyedClock follows the event time of each key of a relation whose watermark is one per key. It looks at a step's changes before the operators do, which
// then only read it. It sees all rows, also those that the query leaves out.
type keyedClock struct {
	relation string
	keys     []int // columns of the relation
	time     int
	times    *Times
	ahead    int64 // how far ahead a time may be to count, 0 for any

	set    *state.Set
	latest state.Array[int64] // by key, microseconds; NoWatermark before the first
	before state.Array[int64] // before the step
	moved  []uint32
	stamps toucher
	ids    []uint32
}

// keysMax bounds the keys of a stream that have a watermark of their own.
const keysMax = 1 << 24

var errKeys error = fault.New(fault.LimitExceeded, "more than %d keys of a stream have a watermark of their own", keysMax).
	WithHint("use a watermark for all keys together: leave PER out")

// begin starts a step: what moved in the last one is before.
func (c *keyedClock) begin() {
	for _, id := range c.moved {
		*c.before.At(id) = *c.latest.Peek(id)
	}
	c.moved = c.moved[:0]
}

// observe moves the clock by rows of the relation.
func (c *keyedClock) observe(b *row.Batch) error {
	keys := b.Project(c.keys).Cols
	hash := make([]uint64, b.Len)
	row.Hash(keys, hash)
	c.ids = sized(c.ids, b.Len)
	if c.set.Len()+b.Len > keysMax {
		return errKeys
	}
	added := c.set.FindOrAdd(keys, hash, c.ids, nil)
	c.latest.Grow(c.set.Cap())
	c.before.Grow(c.set.Cap())
	for _, i := range added {
		*c.latest.At(c.ids[i]), *c.before.At(c.ids[i]) = NoWatermark, NoWatermark
	}
	c.stamps.begin(c.set.Cap())
	v, limit := &b.Cols[c.time], int64(math.MaxInt64)
	if c.ahead > 0 && c.times.Taken != 0 {
		limit = c.times.Taken + c.ahead
	}
	for i, id := range c.ids {
		if v.Null(i) || b.Weight(i) < 0 {
			continue
		}
		at := row.Micros(v, i)
		if at > limit || at <= *c.latest.Peek(id) {
			continue
		}
		*c.latest.At(id) = at
		c.stamps.see(id, 0, false)
	}
	for _, t := range c.stamps.seen {
		c.moved = append(c.moved, t.id)
	}
	return nil
}

// find returns the keys of rows, state.None for those that are not known.
func (c *keyedClock) find(keys []row.Vec, n int, out []uint32) []uint32 {
	hash := make([]uint64, n)
	row.Hash(keys, hash)
	out = sized(out, n)
	c.set.FindAll(keys, hash, out)
	return out
}

func (c *keyedClock) bytes() int64 {
	return c.set.Bytes() + c.latest.Bytes() + c.before.Bytes() + c.stamps.bytes()
}

func (c *keyedClock) persist(k *state.Keeper) {
	c.set.Keep(k)
	c.latest.Keep(k)
	k.Then(func() {
		c.before.Grow(c.set.Cap())
		c.set.Each(func(ids []uint32) {
			for _, id := range ids {
				*c.before.At(id) = *c.latest.Peek(id)
			}
		})
	})
}

// keyThreshold is a threshold per key. It is for one shard.
type keyThreshold struct {
	clock   *keyedClock
	typ     row.Type // of the event time
	program *scalar.Program
	mark    *scalar.Program // the watermark itself
}

// at returns the least values that can still come for keys, before or after the step; null where nothing is known.
func (t *keyThreshold) at(ids []uint32, before bool) (row.Vec, error) {
	b := row.NewBuilder(t.typ, len(ids))
	for _, id := range ids {
		mark := int64(NoWatermark)
		switch {
		case id == state.None:
		case before:
			mark = *t.clock.before.Peek(id)
		default:
			mark = *t.clock.latest.Peek(id)
		}
		if mark == NoWatermark {
			b.AppendNull()
			continue
		}
		one := row.TimeVec(t.typ, mark)
		b.AppendFrom(&one, 0)
	}
	cols, errs, err := t.program.Eval(&row.Batch{Cols: []row.Vec{b.Finish()}, Len: len(ids)})
	if err != nil {
		return row.Vec{}, err
	}
	v := cols[0]
	if len(errs) > 0 {
		valid := row.NewBitmap(v.Len, true)
		for _, e := range errs {
			row.SetNull(valid, int(e.Row))
		}
		v.Valid = row.AndValid(v.Valid, valid, v.Len)
	}
	return v, nil
}

// keyedClockOf returns the graph's clock for the relation of a bound.
func (b *builder) keyedClockOf(bound *plan.TimeBound) *keyedClock {
	g := bound.Get
	for _, c := range b.g.keyed {
		if c.relation == g.Relation {
			return c
		}
	}
	c := &keyedClock{relation: g.Relation, time: g.Columns[bound.Column], times: b.g.times, ahead: b.Keyed(g.Relation).Ahead}
	var types []row.Type
	for _, k := range bound.Keys {
		c.keys = append(c.keys, g.Columns[k])
		types = append(types, g.Schema[k].Type)
	}
	c.set = state.NewSet(types)
	b.g.keyed = append(b.g.keyed, c)
	return c
}

// keyThreshold compiles the bound that each key has for itself, nil if there is none.
func (b *builder) keyThreshold(bounds []plan.TimeBound) (*keyThreshold, error) {
	if !isKeyed(bounds) {
		return nil, nil
	}
	e := bounds[0].KeyThreshold()
	t := &keyThreshold{clock: b.keyedClockOf(&bounds[0]), typ: columnType(e)}
	var err error
	if t.program, err = b.compile([]*plan.Expr{e}, []row.Type{t.typ}); err != nil {
		return nil, err
	}
	t.mark, err = b.compile([]*plan.Expr{bounds[0].Mark}, []row.Type{t.typ})
	return t, err
}

// watermark is that of a key before the step, NoWatermark if it is not known.
func (t *keyThreshold) watermark(id uint32) int64 {
	if id == state.None || *t.clock.before.Peek(id) == NoWatermark {
		return NoWatermark
	}
	cols, errs, err := t.mark.Eval(&row.Batch{Cols: []row.Vec{row.TimeVec(t.typ, *t.clock.before.Peek(id))}, Len: 1})
	if err != nil || len(errs) > 0 || cols[0].Null(0) {
		return NoWatermark
	}
	return row.Micros(&cols[0], 0)
}

// isKeyed reports whether a bound is that of each key for itself.
func isKeyed(bounds []plan.TimeBound) bool { return len(bounds) == 1 && bounds[0].Mark != nil }

// stepClocks lets the clocks of keys see a step's changes.
func (g *Graph) stepClocks(changes map[string]*row.Batch) error {
	for _, c := range g.keyed {
		c.begin()
		if b := changes[c.relation]; b != nil && b.Len > 0 {
			if err := c.observe(b); err != nil {
				return err
			}
			g.moved = g.moved || len(c.moved) > 0
		}
	}
	return nil
}

// pick returns the columns at the given positions.
func pick(cols []row.Vec, at []int) []row.Vec {
	out := make([]row.Vec, len(at))
	for i, c := range at {
		out[i] = cols[c]
	}
	return out
}

// movedKeys lists the keys that moved, in the order of their ids, so that what closes together closes in one order.
func (c *keyedClock) movedKeys() []uint32 {
	ids := slices.Clone(c.moved)
	slices.Sort(ids)
	return ids
}
