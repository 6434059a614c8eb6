package dataflow

import "github.com/tidemill/tidemill/internal/dataflow/state"

// members lists which rows of a set belong to each group, so that those of a group that ends can be removed.
type members struct {
	first state.Array[uint32]    // per group an id + 1
	links state.Array[[2]uint32] // per id the ones before and after + 1
}

// add notes the rows that a set has added for groups, at the given positions of ids.
func (m *members) add(set *state.Set, groups, ids []uint32, added []int32) {
	m.links.Grow(set.Cap())
	for _, k := range added {
		first, id := m.first.At(groups[k]), ids[k]
		*m.links.At(id) = [2]uint32{0, *first}
		if *first != 0 {
			m.links.At(*first - 1)[0] = id + 1
		}
		*first = id + 1
	}
}

// remove forgets a row of a group.
func (m *members) remove(group, id uint32) {
	l := *m.links.Peek(id)
	if l[0] == 0 {
		*m.first.At(group) = l[1]
	} else {
		m.links.At(l[0] - 1)[1] = l[1]
	}
	if l[1] != 0 {
		m.links.At(l[1] - 1)[0] = l[0]
	}
}

// clear removes the rows of a group from the set and returns what their ids were.
func (m *members) clear(set *state.Set, group uint32) []uint32 {
	var ids []uint32
	first := m.first.At(group)
	for at := *first; at != 0; at = m.links.Peek(at - 1)[1] {
		ids = append(ids, at-1)
	}
	*first = 0
	if len(ids) == 0 {
		return nil
	}
	for k, h := range hashesOf(set, ids) {
		set.Remove(ids[k], h)
	}
	return ids
}

func (m *members) bytes() int64 { return m.first.Bytes() + m.links.Bytes() }

func (m *members) persist(k *state.Keeper) {
	m.first.Keep(k)
	m.links.Keep(k)
}
