package dataflow

import (
	"github.com/tidemill/tidemill/internal/dataflow/state"
	"github.com/tidemill/tidemill/internal/row"
)

// foundRows are the rows that the iterations of a recursive UNION make, with how often each level makes them. A row belongs to the first level that
// makes it. Levels are settled in ascending order in each tick.
type foundRows struct {
	set     *state.Set
	rows    state.Array[foundRow]
	entries state.Array[foundAt]
	free    []uint32 // entries
	next    uint32
	stamp   uint64
	touched []uint32 // rows of this tick
	// later holds, by level, the rows to look at again there, leaving those that belonged there and belong to an earlier level now.
	later, leaving map[int][]uint32
	ids            []uint32
}

type foundRow struct {
	hash, stamp uint64
	first       uint32 // its first entry + 1, by ascending level
	level       int32  // that it belongs to + 1, 0 for none
	was         bool   // it belonged to a level before the tick
}

// foundAt says how often a level makes a row.
type foundAt struct {
	level uint32
	next  uint32 // entry + 1
	count int64
}

func newFoundRows(types []row.Type) *foundRows {
	return &foundRows{set: state.NewSet(types), later: map[int][]uint32{}, leaving: map[int][]uint32{}}
}

func (f *foundRows) begin() {
	f.stamp++
	f.touched = f.touched[:0]
}

// waiting reports whether rows have to be looked at on that level or a later one.
func (f *foundRows) waiting(level int) bool {
	for l := range f.later {
		if l >= level {
			return true
		}
	}
	for l := range f.leaving {
		if l >= level {
			return true
		}
	}
	return false
}

// settle takes what changes in what the level makes, and returns what changes in the rows that belong to it.
func (f *foundRows) settle(level int, made *row.Batch) (*row.Batch, error) {
	var ids []uint32
	var weights []int64
	for _, id := range f.leaving[level] {
		ids, weights = append(ids, id), append(weights, -1)
	}
	look := f.later[level]
	delete(f.leaving, level)
	delete(f.later, level)
	if made != nil && made.Len > 0 {
		if err := f.count(level, made); err != nil {
			return nil, err
		}
		look = append(look, f.ids...)
	}
	for _, id := range look {
		if w := f.place(id, level); w != 0 {
			ids, weights = append(ids, id), append(weights, w)
		}
	}
	if len(ids) == 0 {
		return nil, nil
	}
	return gathered(f.set, ids, weights), nil
}

func (f *foundRows) count(level int, made *row.Batch) error {
	if !f.set.Room(made.Len) {
		return errFull
	}
	hash := make([]uint64, made.Len)
	row.Hash(made.Cols, hash)
	f.ids = sized(f.ids, made.Len)
	added := f.set.FindOrAdd(made.Cols, hash, f.ids, nil)
	f.rows.Grow(f.set.Cap())
	for _, i := range added {
		*f.rows.At(f.ids[i]) = foundRow{hash: hash[i]}
	}
	for i, id := range f.ids {
		r := f.rows.At(id)
		if r.stamp != f.stamp {
			r.stamp, r.was = f.stamp, r.level != 0
			f.touched = append(f.touched, id)
		}
		f.countAt(r, uint32(level), made.Weight(i))
	}
	return nil
}

// countAt adds w to how often the level makes the row.
func (f *foundRows) countAt(r *foundRow, level uint32, w int64) {
	before, at := uint32(0), r.first
	for at != 0 && f.entries.Peek(at-1).level < level {
		before, at = at, f.entries.Peek(at-1).next
	}
	if at != 0 && f.entries.Peek(at-1).level == level {
		e := f.entries.At(at - 1)
		if e.count += w; e.count == 0 {
			f.link(r, before, e.next)
			f.free = append(f.free, at-1)
		}
		return
	}
	id := f.next
	if n := len(f.free); n > 0 {
		id, f.free = f.free[n-1], f.free[:n-1]
	} else {
		f.next++
		f.entries.Grow(f.next)
	}
	*f.entries.At(id) = foundAt{level: level, next: at, count: w}
	f.link(r, before, id+1)
}

// link makes at follow the entry before, or be the first for 0.
func (f *foundRows) link(r *foundRow, before, at uint32) {
	if before == 0 {
		r.first = at
	} else {
		f.entries.At(before - 1).next = at
	}
}

// earliest is the first level that makes the row, -1 for none.
func (f *foundRows) earliest(r *foundRow) int {
	for at := r.first; at != 0; {
		e := f.entries.At(at - 1)
		if e.count > 0 {
			return int(e.level)
		}
		at = e.next
	}
	return -1
}

// place decides whether a row belongs to the level, and returns what that changes there. Earlier levels are settled; what later ones make may be
// that of before the tick, so rows that leave for them are looked at again there.
func (f *foundRows) place(id uint32, level int) int64 {
	r := f.rows.At(id)
	first, has := f.earliest(r), int(r.level)-1
	switch {
	case first == level && has != level:
		if has > level {
			f.leaving[has] = append(f.leaving[has], id)
		}
		r.level = int32(level) + 1
		return 1
	case first != level && has == level:
		r.level = 0
		if first > level {
			f.later[first] = append(f.later[first], id)
		}
		return -1
	case has < 0 && first > level:
		f.later[first] = append(f.later[first], id)
	}
	return 0
}

// changes returns the rows that came or went in the tick, and frees those that no level makes any more.
func (f *foundRows) changes() *row.Batch {
	var ids []uint32
	var weights []int64
	for _, id := range f.touched {
		if r := f.rows.At(id); (r.level != 0) != r.was {
			ids, weights = append(ids, id), append(weights, sign(r.level != 0))
		}
	}
	var out *row.Batch
	if len(ids) > 0 {
		out = gathered(f.set, ids, weights)
	}
	for _, id := range f.touched {
		if r := f.rows.At(id); r.first == 0 {
			f.set.Remove(id, r.hash)
		}
	}
	return out
}

func (f *foundRows) bytes() int64 {
	return f.set.Bytes() + f.rows.Bytes() + f.entries.Bytes() + int64(cap(f.free)+cap(f.touched)+cap(f.ids))*4
}
