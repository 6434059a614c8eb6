package dataflow

import (
	"github.com/tidemill/tidemill/internal/dataflow/state"
	"github.com/tidemill/tidemill/internal/row"
)

// rowTable holds the rows of one input of a join, equal rows once with a weight if rows can be retracted. A tick's changes are
// taken in first, so that the rows are as they are at its end, and sweep removes what is gone when nobody needs it any more.
type rowTable struct {
	rows    *state.Rows
	keep    []int // the input columns that rows has
	at      []int // where rows has an input column, -1 for nowhere
	retract bool
	weights state.Array[int64]
	byRow   state.Index // full-row hash → row, if rows can be retracted
	// marks is what the operator keeps of each row: how much it matches, or which row it picked.
	marks state.Array[int64]

	// Of the tick in progress: the row and whether it is new, per row of the port; the rows that are touched.
	ids   []uint32
	fresh []bool
	hash  []uint64
	slot  state.Array[uint32] // place in seen + 1 by row
	seen  []rowTouch
	watch bool // rows are touched also if none can be retracted
}

// rowTouch is what a row was before the tick.
type rowTouch struct {
	id     uint32
	at     int32 // a row of the port that changed it, -1 for none
	weight int64 // 0 for a row that was not there
	mark   int64
}

func newRowTable(types []row.Type, needed []bool, retract, watch bool) rowTable {
	t := rowTable{retract: retract, watch: watch, at: make([]int, len(types))}
	var kept []row.Type
	for c, typ := range types {
		t.at[c] = -1
		if needed[c] || retract {
			t.at[c] = len(t.keep)
			t.keep = append(t.keep, c)
			kept = append(kept, typ)
		}
	}
	t.rows = state.NewRows(kept)
	return t
}

// take takes in the changes of a tick.
func (t *rowTable) take(p *port) {
	n := p.rows()
	t.ids, t.fresh = sized(t.ids, n), sizedBools(t.fresh, n)
	if n == 0 {
		return
	}
	if !t.retract {
		t.insertAll(p.batch)
		return
	}
	t.hash = append(t.hash[:0], make([]uint64, n)...)
	row.Hash(p.batch.Cols, t.hash)
	for i := range n {
		t.change(p.batch, i)
	}
}

func (t *rowTable) insertAll(b *row.Batch) {
	t.ids = t.rows.AddAll(b.Project(t.keep).Cols, nil, b.Len, t.ids[:0])
	t.grow()
	for i, id := range t.ids {
		t.fresh[i] = true
		*t.weights.At(id) = b.Weight(i)
		if t.watch {
			*t.marks.At(id) = 0
			t.seen = append(t.seen, rowTouch{id: id, at: int32(i)})
			*t.slot.At(id) = uint32(len(t.seen))
		}
	}
}

func (t *rowTable) grow() {
	n := t.rows.Cap()
	t.weights.Grow(n)
	if t.watch || t.retract {
		t.marks.Grow(n)
		t.slot.Grow(n)
	}
}

func (t *rowTable) change(b *row.Batch, i int) {
	w := b.Weight(i)
	probe := t.byRow.Find(t.hash[i])
	for id := probe.Next(); id != state.None; id = probe.Next() {
		if !t.rows.Equal(id, b.Cols, i) {
			continue
		}
		touch := t.touch(id)
		touch.at = int32(i)
		*t.weights.At(id) += w
		t.ids[i], t.fresh[i] = id, false
		return
	}
	id := t.rows.Add(b.Cols, i)
	t.grow()
	*t.weights.At(id), *t.marks.At(id) = 0, 0
	t.touch(id).at = int32(i)
	*t.weights.At(id) = w
	t.byRow.Add(t.hash[i], id)
	t.ids[i], t.fresh[i] = id, true
}

// touch notes what a row was before the tick. The result is valid until the next call.
func (t *rowTable) touch(id uint32) *rowTouch {
	s := t.slot.At(id)
	if *s == 0 {
		t.seen = append(t.seen, rowTouch{id: id, at: -1, weight: *t.weights.Peek(id), mark: *t.marks.Peek(id)})
		*s = uint32(len(t.seen))
	}
	return &t.seen[*s-1]
}

// gone reports whether nothing is left of a touched row.
func (t *rowTable) gone(x *rowTouch) bool { return *t.weights.Peek(x.id) == 0 }

// remove frees a row that is gone.
func (t *rowTable) remove(x *rowTouch) {
	t.byRow.Remove(t.hash[x.at], x.id)
	t.rows.Remove(x.id)
}

// done ends the tick.
func (t *rowTable) done() {
	for i := range t.seen {
		*t.slot.At(t.seen[i].id) = 0
	}
	t.seen = emptied(t.seen)
}

// scratchKept bounds the room that is kept from tick to tick for what is noted about single rows.
const scratchKept = 1 << 16

func emptied[T any](s []T) []T {
	if cap(s) > scratchKept {
		return nil
	}
	return s[:0]
}

func sizedBools(s []bool, n int) []bool {
	if cap(s) < n {
		return make([]bool, n, n+n/2)
	}
	return s[:n]
}

func (t *rowTable) bytes() int64 {
	return t.rows.Bytes() + t.weights.Bytes() + t.byRow.Bytes() + t.marks.Bytes() + t.slot.Bytes()
}

func (t *rowTable) persist(k *state.Keeper) {
	t.rows.Keep(k)
	t.weights.Keep(k)
	t.marks.Keep(k)
	k.Then(func() {
		t.slot.Grow(t.rows.Cap())
		if t.retract {
			t.byRow.Fill(t.rows)
		}
	})
}

// nullKeys splits a port in the rows without and with a null in a key column of which strict is set or in the given
// further column: the latter can match nothing. nulls is nil if there are none.
func nullKeys(p *port, strict []bool, further *row.Vec) (rest, nulls []int32) {
	some := further != nil && further.Nulls() > 0
	for k := range p.keys {
		some = some || strict[k] && p.keys[k].Nulls() > 0
	}
	if !some {
		return nil, nil
	}
rows:
	for i := range p.batch.Len {
		for k := range p.keys {
			if strict[k] && p.keys[k].Null(i) {
				nulls = append(nulls, int32(i))
				continue rows
			}
		}
		if further != nil && further.Null(i) {
			nulls = append(nulls, int32(i))
			continue
		}
		rest = append(rest, int32(i))
	}
	return rest, nulls
}
