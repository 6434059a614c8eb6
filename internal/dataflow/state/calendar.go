package state

import "github.com/tidwall/btree"

// Calendar orders ids by when they are due: numbers from OrderBits.
type Calendar struct {
	tree *btree.BTreeG[appointment]
}

type appointment struct {
	due uint64
	id  uint32
}

// NewCalendar returns an empty calendar.
func NewCalendar() *Calendar {
	return &Calendar{tree: btree.NewBTreeGOptions(func(a, b appointment) bool {
		return a.due < b.due || a.due == b.due && a.id < b.id
	}, btree.Options{NoLocks: true})}
}

// Add enters an id.
func (c *Calendar) Add(due uint64, id uint32) { c.tree.Set(appointment{due, id}) }

// Remove takes out an id that was entered for that time.
func (c *Calendar) Remove(due uint64, id uint32) { c.tree.Delete(appointment{due, id}) }

// Take removes the ids that are due below limit and appends them to ids, the earliest first.
func (c *Calendar) Take(limit uint64, ids []uint32) []uint32 {
	for {
		first, ok := c.tree.Min()
		if !ok || first.due >= limit {
			return ids
		}
		c.tree.PopMin()
		ids = append(ids, first.id)
	}
}

// Bytes estimates the memory the calendar takes.
func (c *Calendar) Bytes() int64 { return int64(c.tree.Len()) * 24 }
