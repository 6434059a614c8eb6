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
	// perKey, if not nil, closes each key of the relation below by its own time; keyAt are the columns that have it.
	perKey *keyThreshold
	keyAt  []int
	dates  *state.Calendar
	ids    []uint32
	found  []uint32
	// end, if not nil, is the call whose result decides: the group is a session, and column one of the input.
	end *aggregateCall
	due state.Array[uint64] // by group, where it is in dates, if end is not nil
}

// add enters new keys: rows added of the key's columns, with their ids by row.
func (c *groupCloser) add(keys []row.Vec, added []int32, ids []uint32) {
	v := &keys[c.column]
	if c.perKey == nil {
		for _, i := range added {
			if !v.Null(int(i)) {
				c.dates.Add(0, state.OrderBits(v, int(i)), ids[i])
			}
		}
		return
	}
	if len(added) == 0 {
		return
	}
	some := make([]row.Vec, len(c.keyAt))
	for k, at := range c.keyAt {
		some[k] = keys[at].Gather(added)
	}
	c.found = c.perKey.clock.find(some, len(added), c.found)
	for k, i := range added {
		if !v.Null(int(i)) && c.found[k] != state.None {
			c.dates.Add(c.found[k], state.OrderBits(v, int(i)), ids[i])
		}
	}
}

// remove takes out a key that is gone for another reason.
func (c *groupCloser) remove(keys []row.Vec, i int, id uint32) {
	v := &keys[c.column]
	if v.Null(i) {
		return
	}
	key := uint32(0)
	if c.perKey != nil {
		some := make([]row.Vec, len(c.keyAt))
		for k, at := range c.keyAt {
			some[k] = keys[at].Gather([]int32{int32(i)})
		}
		if c.found = c.perKey.clock.find(some, 1, c.found); c.found[0] == state.None {
			return
		}
		key = c.found[0]
	}
	c.dates.Remove(key, state.OrderBits(v, i), id)
}

// closed returns the ids that are closed since the last call; the slice is valid until the next.
func (c *groupCloser) closed() ([]uint32, error) {
	c.ids = c.ids[:0]
	if c.perKey == nil {
		if limit, ok := c.bound.at(c.times.After); ok {
			c.ids = c.dates.Take(0, limit, c.ids)
		}
		return c.ids, nil
	}
	moved := c.perKey.clock.movedKeys()
	if len(moved) == 0 {
		return nil, nil
	}
	limits, err := c.perKey.at(moved, false)
	if err != nil {
		return nil, err
	}
	for k, key := range moved {
		if !limits.Null(k) {
			c.ids = c.dates.Take(key, state.OrderBits(&limits, k), c.ids)
		}
	}
	return c.ids, nil
}

// persist enters the keys of a set again when it has been loaded.
func (c *groupCloser) persist(k *state.Keeper, keys *state.Set) {
	if c == nil {
		return
	}
	c.due.Keep(k)
	k.Then(func() {
		keys.Each(func(ids []uint32) {
			if c.end != nil {
				for _, id := range ids {
					c.dates.Add(0, *c.due.Peek(id), id)
				}
				return
			}
			cols, all := make([]row.Vec, keys.Columns()), make([]int32, len(ids))
			for i := range cols {
				cols[i] = keys.Gather(i, ids)
			}
			for i := range all {
				all[i] = int32(i)
			}
			c.add(cols, all, ids)
		})
	})
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
	c.dates.Add(0, due, id)
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
func (o *aggregateOp) closeGroups() error {
	if o.closer == nil {
		return nil
	}
	ids, err := o.closer.closed()
	if err != nil {
		return err
	}
	if o.closer.end != nil && len(ids) > 0 {
		ids = o.closer.over(ids)
	}
	if len(ids) == 0 {
		return nil
	}
	hash := hashesOf(o.groups, ids)
	for k, id := range ids {
		for i := range o.calls {
			o.calls[i].state.reset(id)
		}
		*o.rows.At(id) = 0
		o.groups.Remove(id, hash[k])
	}
	return nil
}

// closeRows forgets the rows that are closed: an equal one would be late.
func (o *distinctOp) closeRows() error {
	if o.closer == nil {
		return nil
	}
	ids, err := o.closer.closed()
	if err != nil || len(ids) == 0 {
		return err
	}
	hash := hashesOf(o.set, ids)
	for k, id := range ids {
		if !o.appendOnly {
			*o.counts.At(id) = 0
		}
		o.set.Remove(id, hash[k])
	}
	return nil
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
	g := &groupCloser{times: b.g.times, column: c, bound: t, dates: state.NewCalendar()}
	if isKeyed(bounds.bounds) {
		g.keyAt = bounds.bounds[0].Per
		g.perKey, err = b.keyThreshold(bounds.bounds)
	}
	return g, err
}

// closePartitions frees the partitions that are closed. What was in their top stays in the result.
func (o *topnOp) closePartitions() error {
	if o.closer == nil {
		return nil
	}
	ids, err := o.closer.closed()
	if err != nil {
		return err
	}
	hash := hashesOf(o.keys, ids)
	for k, pid := range ids {
		part := o.parts.At(pid)
		rows := treeRows(&o.trees, &part.tree)
		if o.retract {
			unindexSet(o.rows, rows)
		}
		for _, id := range rows {
			*o.place.At(id) = 0
			o.trees.Forget(id)
			o.rows.Rows.Remove(id)
		}
		*part = topPart{}
		o.keys.Remove(pid, hash[k])
	}
	return nil
}

// closePartitions frees the partitions that are closed. What the functions gave for their rows stays in the result.
func (o *windowOp) closePartitions() error {
	if o.closer == nil {
		return nil
	}
	ids, err := o.closer.closed()
	if err != nil {
		return err
	}
	hash := hashesOf(o.keys, ids)
	for k, pid := range ids {
		part := o.parts.At(pid)
		rows := treeRows(&o.trees, &part.tree)
		if o.retract {
			unindexSet(o.rows, rows)
		}
		for i := range o.calls {
			if c := &o.calls[i]; c.slide != nil {
				at := c.covers.At(pid)
				c.slide.move(pid, nil, rows[at.lo:at.hi])
				*at = extent{}
			}
		}
		for _, id := range rows {
			*o.shown.At(id) = false
			o.trees.Forget(id)
			o.rows.Rows.Remove(id)
		}
		*part = windowPart{}
		o.keys.Remove(pid, hash[k])
	}
	return nil
}

// treeRows returns the ids of a tree, in order.
func treeRows(t *state.Trees, tree *state.Tree) []uint32 {
	ids := make([]uint32, 0, t.Len(tree))
	if len(ids) == cap(ids) {
		return nil
	}
	for id := t.Select(tree, 0); id != state.None; id = t.Next(id) {
		ids = append(ids, id)
	}
	return ids
}

// unindexSet makes rows be found no more.
func unindexSet(s *state.Set, ids []uint32) {
	hash := hashesOf(s, ids)
	for k, id := range ids {
		s.Unindex(id, hash[k])
	}
}
