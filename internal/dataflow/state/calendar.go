package state

import "github.com/tidwall/btree"

// Calendar orders the ids of each of several keys by when they are due: numbers from OrderBits. Who has no keys uses 0.
type Calendar struct {
	tree  *btree.BTreeG[appointment]
	taken []appointment
}

type appointment struct {
	due uint64
	id  uint32
	key uint32
}

// NewCalendar returns an empty calendar.
func NewCalendar() *Calendar {
	return &Calendar{tree: btree.NewBTreeGOptions(func(a, b appointment) bool {
		if a.key != b.key {
			return a.key < b.key
		}
		return a.due < b.due || a.due == b.due && a.id < b.id
	}, btree.Options{NoLocks: true})}
}

// Add enters an id.
func (c *Calendar) Add(key uint32, due uint64, id uint32) { c.tree.Set(appointment{due, id, key}) }

// Remove takes out an id that was entered for that time.
func (c *Calendar) Remove(key uint32, due uint64, id uint32) {
	c.tree.Delete(appointment{due, id, key})
}

// Take removes the ids of a key that are due below limit and appends them to ids, the earliest first.
func (c *Calendar) Take(key uint32, limit uint64, ids []uint32) []uint32 {
	first := len(ids)
	c.tree.Ascend(appointment{key: key}, func(a appointment) bool {
		if a.key != key || a.due >= limit {
			return false
		}
		c.taken = append(c.taken, a)
		ids = append(ids, a.id)
		return true
	})
	if len(ids) > first {
		for _, a := range c.taken {
			c.tree.Delete(a)
		}
		c.taken = c.taken[:0]
	}
	return ids
}

// Bytes estimates the memory the calendar takes.
func (c *Calendar) Bytes() int64 { return int64(c.tree.Len()) * 24 }
