package state

import (
	"cmp"

	"github.com/tidwall/btree"
)

// Place is where a row stands in Places: group by group, in the order of a value (Bits, then Rest), equal values in the order of
// Seq, then of ID.
type Place struct {
	Group, ID uint32
	Bits, Seq uint64
	// Rest is the row.AppendKey form of a value whose order 64 bits do not tell, else empty.
	Rest string
}

// CompareValue orders two places of one group by their values alone.
func (a *Place) CompareValue(b *Place) int {
	if c := cmp.Compare(a.Bits, b.Bits); c != 0 {
		return c
	}
	return cmp.Compare(a.Rest, b.Rest)
}

func (a *Place) compare(b *Place) int {
	if c := cmp.Compare(a.Group, b.Group); c != 0 {
		return c
	}
	if c := a.CompareValue(b); c != 0 {
		return c
	}
	if c := cmp.Compare(a.Seq, b.Seq); c != 0 {
		return c
	}
	return cmp.Compare(a.ID, b.ID)
}

// Places is an ordered index of row ids.
type Places struct {
	tree *btree.BTreeG[Place]
	hint btree.PathHint

	// The functions below find rows with visit, made once, and these.
	visit func(Place) bool
	group uint32
	upTo  uint64
	into  []uint32
	found Place
	some  bool
	one   bool
}

// NewPlaces returns an empty index.
func NewPlaces() *Places {
	t := &Places{tree: btree.NewBTreeGOptions(func(a, b Place) bool { return a.compare(&b) < 0 }, btree.Options{NoLocks: true})}
	t.visit = func(p Place) bool {
		switch {
		case p.Group != t.group:
			return false
		case t.one:
			t.found, t.some = p, true
			return false
		case p.Bits > t.upTo:
			return false
		}
		t.into = append(t.into, p.ID)
		return true
	}
	return t
}

// First returns the first row of a group from the place from on.
func (t *Places) First(from Place) (Place, bool) {
	t.group, t.one, t.some = from.Group, true, false
	t.tree.Ascend(from, t.visit)
	return t.found, t.some
}

// Last returns the last row of a group up to the place from.
func (t *Places) Last(from Place) (Place, bool) {
	t.group, t.one, t.some = from.Group, true, false
	t.tree.Descend(from, t.visit)
	return t.found, t.some
}

// Range appends the rows of a group with Bits from lo to hi, in order.
func (t *Places) Range(group uint32, lo, hi uint64, into []uint32) []uint32 {
	t.group, t.one, t.upTo, t.into = group, false, hi, into
	t.tree.Ascend(Place{Group: group, Bits: lo}, t.visit)
	into, t.into = t.into, nil
	return into
}

// Add enters a row.
func (t *Places) Add(p Place) { t.tree.SetHint(p, &t.hint) }

// Remove takes a row out; p is what it was entered with.
func (t *Places) Remove(p Place) { t.tree.DeleteHint(p, &t.hint) }

// Ascend calls f for the rows of a group from the place from on, upwards, until f returns false.
func (t *Places) Ascend(from Place, f func(Place) bool) {
	t.tree.Ascend(from, func(p Place) bool { return p.Group == from.Group && f(p) })
}

// Descend calls f for the rows of a group from the place from on, downwards, until f returns false.
func (t *Places) Descend(from Place, f func(Place) bool) {
	t.tree.Descend(from, func(p Place) bool { return p.Group == from.Group && f(p) })
}

// Len is the number of rows.
func (t *Places) Len() int { return t.tree.Len() }

// Bytes is an estimate of the memory that the index takes.
func (t *Places) Bytes() int64 { return int64(t.tree.Len()) * 60 }
