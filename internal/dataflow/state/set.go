package state

import "github.com/tidemill/tidemill/internal/row"

// Set stores rows and finds them by their content. Ids are dense and stay while the row is in the set.
type Set struct {
	Rows
	index Index
	// one64 says that rows are a single 8-byte integer, the most frequent key, which is compared in place.
	one64 bool
}

// NewSet returns an empty set of rows of the given types.
func NewSet(types []row.Type) *Set {
	s := &Set{Rows: *NewRows(types)}
	if len(types) == 1 {
		p := types[0].Phys()
		s.one64 = p == row.PhysInt64 || p == row.PhysUint64
	}
	return s
}

// Bytes is the memory the set takes.
func (s *Set) Bytes() int64 { return s.Rows.Bytes() + s.index.Bytes() }

// Find returns the id of row i of the columns, whose hash is given, or None.
func (s *Set) Find(cols []row.Vec, i int, hash uint64) uint32 {
	p := s.index.Find(hash)
	for {
		id := p.Next()
		if id == None || s.Equal(id, cols, i) {
			return id
		}
	}
}

// FindLeast is Find for a set in which equal rows may stand several times: of those it returns the least id, whatever the order in which they came.
func (s *Set) FindLeast(cols []row.Vec, i int, hash uint64) uint32 {
	least := uint32(None)
	p := s.index.Find(hash)
	for id := p.Next(); id != None; id = p.Next() {
		if id < least && s.Equal(id, cols, i) {
			least = id
		}
	}
	return least
}

// FindAll sets out[i] to the id of row i of the columns, or None, for each hash.
func (s *Set) FindAll(cols []row.Vec, hash []uint64, out []uint32) {
	if s.one64 && cols[0].Valid == nil && !s.cols[0].some {
		vals, stored := row.Values[uint64](&cols[0]), &s.cols[0].w8
		for i, h := range hash {
			p := s.index.Find(h)
			id := p.Next()
			for id != None && *stored.Peek(id) != vals[i] {
				id = p.Next()
			}
			out[i] = id
		}
		return
	}
	for i, h := range hash {
		out[i] = s.Find(cols, i, h)
	}
}

// FindOrAdd sets out[i] to the id of row i of the columns for each hash, adding rows that are not there. The positions of
// the rows that were added are appended to added.
func (s *Set) FindOrAdd(cols []row.Vec, hash []uint64, out []uint32, added []int32) []int32 {
	fast := s.one64 && cols[0].Valid == nil && !s.cols[0].some
	var vals []uint64
	if fast {
		vals = row.Values[uint64](&cols[0])
	}
	for i, h := range hash {
		var id uint32
		if fast {
			p := s.index.Find(h)
			for id = p.Next(); id != None && *s.cols[0].w8.Peek(id) != vals[i]; id = p.Next() {
			}
		} else {
			id = s.Find(cols, i, h)
		}
		if id == None {
			id = s.Rows.Add(cols, i)
			s.index.Add(h, id)
			added = append(added, int32(i))
		}
		out[i] = id
	}
	return added
}

// Add stores row i of the columns without looking whether it is there.
func (s *Set) Add(cols []row.Vec, i int, hash uint64) uint32 {
	id := s.Rows.Add(cols, i)
	s.index.Add(hash, id)
	return id
}

// Remove takes a row out.
func (s *Set) Remove(id uint32, hash uint64) {
	s.index.Remove(hash, id)
	s.Rows.Remove(id)
}

// Unindex makes a row that is in the set be found no more; it stays until Rows.Remove frees its id.
func (s *Set) Unindex(id uint32, hash uint64) { s.index.Remove(hash, id) }
