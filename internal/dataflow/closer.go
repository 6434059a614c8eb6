package dataflow

import (
	"github.com/tidemill/tidemill/internal/dataflow/state"
	"github.com/tidemill/tidemill/internal/row"
)

// groupCloser finds the keys of an operator that no row on time can touch any more. A nil groupCloser closes nothing.
type groupCloser struct {
	times  *Times
	column int // of the key
	bound  *threshold
	dates  *state.Calendar
	ids    []uint32
	// end, if not nil, is the call whose result decides: the group is a session, and column one of the input.
	end *aggregateCall
	due state.Array[uint64] // by group, where it is in dates, if end is not nil
}

// add enters new keys: the rows added of the key's column v, with their ids by row.
func (c *groupCloser) add(v *row.Vec, added []int32, ids []uint32) {
	for _, i := range added {
		if !v.Null(int(i)) {
			c.dates.Add(state.OrderBits(v, int(i)), ids[i])
		}
	}
}

// remove takes out a key that is gone for another reason.
func (c *groupCloser) remove(v *row.Vec, i int, id uint32) {
	if !v.Null(i) {
		c.dates.Remove(state.OrderBits(v, i), id)
	}
}

// closed returns the ids that are closed since the last call; the slice is valid until the next.
func (c *groupCloser) closed() []uint32 {
	limit, ok := c.bound.at(c.times.After)
	if !ok {
		return nil
	}
	c.ids = c.dates.Take(limit, c.ids[:0])
	return c.ids
}

func (c *groupCloser) bytes() int64 {
	if c == nil {
		return 0
	}
	return c.dates.Bytes()
}

// hashesOf hashes stored rows again.
func hashesOf(s *state.Set, ids []uint32) []uint64 {
	cols := make([]row.Vec, s.Columns())
	for c := range cols {
		cols[c] = s.Gather(c, ids)
	}
	hash := make([]uint64, len(ids))
	row.Hash(cols, hash)
	return hash
}

// addEnds is add for sessions: v has times of the rows that made them.
func (c *groupCloser) addEnds(v *row.Vec, added []int32, ids []uint32, groups uint32) {
	c.due.Grow(groups)
	for _, i := range added {
		c.schedule(ids[i], state.OrderBits(v, int(i)))
	}
}

func (c *groupCloser) schedule(id uint32, due uint64) {
	*c.due.At(id) = due
	c.dates.Add(due, id)
}

// over keeps of sessions that seem to be closed those that are; the others have gone on since.
func (c *groupCloser) over(ids []uint32) []uint32 {
	limit, _ := c.bound.at(c.times.After)
	ends, _ := c.end.state.result(ids)
	kept := ids[:0]
	for k, id := range ids {
		if end := state.OrderBits(&ends, k); end >= limit {
			c.schedule(id, end)
		} else {
			kept = append(kept, id)
		}
	}
	return kept
}

// closeGroups frees the state of the groups that are closed. What they have come to stays in the result.
func (o *aggregateOp) closeGroups() {
	if o.closer == nil {
		return
	}
	ids := o.closer.closed()
	if o.closer.end != nil && len(ids) > 0 {
		ids = o.closer.over(ids)
	}
	if len(ids) == 0 {
		return
	}
	hash := hashesOf(o.groups, ids)
	for k, id := range ids {
		for i := range o.calls {
			o.calls[i].state.reset(id)
		}
		*o.rows.At(id) = 0
		o.groups.Remove(id, hash[k])
	}
}

// closeRows forgets the rows that are closed: an equal one would be late.
func (o *distinctOp) closeRows() {
	if o.closer == nil {
		return
	}
	ids := o.closer.closed()
	if len(ids) == 0 {
		return
	}
	hash := hashesOf(o.set, ids)
	for k, id := range ids {
		if !o.appendOnly {
			*o.counts.At(id) = 0
		}
		o.set.Remove(id, hash[k])
	}
}

// newCloser returns what closes the keys of one shard by one of their columns, nil without bounds.
func (b *builder) newCloser(c int, bounds closing) (*groupCloser, error) {
	if bounds.bounds == nil {
		return nil, nil
	}
	t, err := b.threshold(bounds.bounds)
	if err != nil {
		return nil, err
	}
	return &groupCloser{times: b.g.times, column: c, bound: t, dates: state.NewCalendar()}, nil
}
