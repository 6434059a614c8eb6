package state

import "github.com/tidemill/tidemill/internal/row"

// Agenda is a multiset of rows, each due at a time of its key: a number from OrderBits. Both are functions of the row; who has no keys uses 0.
type Agenda struct {
	set    *Set
	counts Array[int64]
	due    Array[uint64]
	key    Array[uint32]
	dates  *Calendar
	ids    []uint32
}

// NewAgenda returns an empty agenda for rows of the given types.
func NewAgenda(types []row.Type) *Agenda {
	return &Agenda{set: NewSet(types), dates: NewCalendar()}
}

// Room reports whether n more rows fit.
func (a *Agenda) Room(n int) bool { return a.set.Room(n) }

// Len is the number of different rows.
func (a *Agenda) Len() int { return a.set.Len() }

// Change adds the rows of b with their weights; row i is due at due[i] of keys[i] (nil: of 0). Rows whose weights sum up to nothing are forgotten.
func (a *Agenda) Change(b *row.Batch, due []uint64, keys []uint32) {
	hash := make([]uint64, b.Len)
	row.Hash(b.Cols, hash)
	if cap(a.ids) < b.Len {
		a.ids = make([]uint32, b.Len+b.Len/2)
	}
	ids := a.ids[:b.Len]
	added := a.set.FindOrAdd(b.Cols, hash, ids, nil)
	a.counts.Grow(a.set.Cap())
	a.due.Grow(a.set.Cap())
	a.key.Grow(a.set.Cap())
	for _, i := range added {
		id := ids[i]
		*a.counts.At(id), *a.due.At(id), *a.key.At(id) = 0, due[i], 0
		if keys != nil {
			*a.key.At(id) = keys[i]
		}
		a.dates.Add(*a.key.Peek(id), due[i], id)
	}
	gone := false
	for i, id := range ids {
		n := a.counts.At(id)
		*n += b.Weight(i)
		gone = gone || *n == 0
	}
	if !gone {
		return
	}
	for i, id := range ids {
		// An id that is freed for its first row must not be freed again for its second.
		if n := a.counts.At(id); *n == 0 && a.set.Find(b.Cols, i, hash[i]) == id {
			a.dates.Remove(*a.key.Peek(id), *a.due.Peek(id), id)
			a.set.Remove(id, hash[i])
		}
	}
}

// Take removes the rows of a key that are due below limit and returns those that are there (have a weight above 0), with their weights, in the order in
// which they are due; nil for none.
func (a *Agenda) Take(key uint32, limit uint64) *row.Batch {
	ids := a.dates.Take(key, limit, nil)
	if len(ids) == 0 {
		return nil
	}
	out := &row.Batch{Cols: make([]row.Vec, a.set.Columns()), Len: len(ids)}
	for c := range out.Cols {
		out.Cols[c] = a.set.Gather(c, ids)
	}
	hash := make([]uint64, len(ids))
	row.Hash(out.Cols, hash)
	weights := make([]int64, len(ids))
	there := make([]int32, 0, len(ids))
	for k, id := range ids {
		if weights[k] = *a.counts.Peek(id); weights[k] > 0 {
			there = append(there, int32(k))
		}
		a.set.Remove(id, hash[k])
	}
	out.Weights = weights
	if len(there) == 0 {
		return nil
	}
	if len(there) < len(ids) {
		return out.Gather(there)
	}
	return out
}

// Bytes is the memory the agenda takes.
func (a *Agenda) Bytes() int64 {
	return a.set.Bytes() + a.counts.Bytes() + a.due.Bytes() + a.key.Bytes() + a.dates.Bytes()
}
