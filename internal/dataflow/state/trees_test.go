package state

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/tidemill/tidemill/internal/row"
)

// treeModel is a Tree as a sorted list.
type treeModel struct {
	ids  []uint32
	keys map[uint32]int64
}

func (m *treeModel) insert(id uint32, key int64) {
	at := 0
	for at < len(m.ids) && m.keys[m.ids[at]] <= key {
		at++
	}
	m.ids = slices.Insert(m.ids, at, id)
	m.keys[id] = key
}

func treeKeyFor(key int64, long bool) Key {
	if long {
		return Key{Class: 1, Num: 7, Rest: []byte{byte(key>>8) ^ 0x80, byte(key), 'x', 'y', 'z', 'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i'}}
	}
	return Key{Class: 1, Num: uint64(key) ^ 1<<63}
}

func TestTreesAgreeWithSortedLists(t *testing.T) {
	for _, long := range []bool{false, true} {
		r := rand.New(rand.NewPCG(1, 2))
		var trees Trees
		var roots [3]Tree
		models := [3]treeModel{}
		for i := range models {
			models[i].keys = map[uint32]int64{}
		}
		var free []uint32
		for id := range uint32(400) {
			free = append(free, id)
		}
		trees.Grow(400)
		for step := range 6000 {
			k := r.IntN(3)
			m, root := &models[k], &roots[k]
			if len(free) > 0 && (len(m.ids) == 0 || r.IntN(5) < 3) {
				at := r.IntN(len(free))
				id := free[at]
				free = slices.Delete(free, at, at+1)
				key := int64(r.IntN(60))
				if r.IntN(3) == 0 {
					key = int64(step) + 60 // at the end
				}
				kk := treeKeyFor(key, long)
				trees.Insert(root, id, &kk)
				m.insert(id, key)
			} else if len(m.ids) > 0 {
				at := r.IntN(len(m.ids))
				id := m.ids[at]
				trees.Remove(root, id)
				m.ids = slices.Delete(m.ids, at, at+1)
				free = append(free, id)
			}
			if step%20 == 0 || step < 200 {
				checkTree(t, &trees, root, m, long)
			}
		}
	}
}

func checkTree(t *testing.T, trees *Trees, root *Tree, m *treeModel, long bool) {
	t.Helper()
	if trees.Len(root) != len(m.ids) {
		t.Fatalf("%d ids, want %d", trees.Len(root), len(m.ids))
	}
	last := uint32(None)
	for pos, id := range m.ids {
		next := uint32(None)
		if pos+1 < len(m.ids) {
			next = m.ids[pos+1]
		}
		if trees.Select(root, pos) != id || trees.Position(id) != pos || trees.Prev(id) != last || trees.Next(id) != next {
			t.Fatalf("position %d: id %d is at %d between %d and %d, want %d between %d and %d", pos, trees.Select(root, pos), trees.Position(id), trees.Prev(id), trees.Next(id), id, last, next)
		}
		if last != None && trees.Peers(last, id) != (m.keys[last] == m.keys[id]) {
			t.Fatalf("position %d: wrong about peers", pos)
		}
		last = id
	}
	if trees.Last(root) != last || trees.Select(root, -1) != None || trees.Select(root, len(m.ids)) != None {
		t.Fatal("wrong at the ends")
	}
	for key := int64(-1); key < 62; key += 3 {
		less, upTo := 0, 0
		for _, id := range m.ids {
			if m.keys[id] < key {
				less++
			}
			if m.keys[id] <= key {
				upTo++
			}
		}
		k := treeKeyFor(key, long)
		if key >= 0 && (trees.Before(root, &k, false) != less || trees.Before(root, &k, true) != upTo) {
			t.Fatalf("key %d: %d before and %d up to it, want %d and %d", key, trees.Before(root, &k, false), trees.Before(root, &k, true), less, upTo)
		}
	}
}

func TestRowsBesideRows(t *testing.T) {
	types := []row.Type{row.T(row.String), row.T(row.Int16), row.T(row.Float32), row.T(row.Bool), row.DecimalType(30, 2), row.T(row.UUID)}
	r := NewRows(types)
	r.Cover(10)
	b := row.NewBatchBuilder(types, 2)
	for _, text := range []string{"a text that does not fit in place", "short"} {
		b.Cols[0].AppendString(text)
		b.Cols[1].AppendInt(-5)
		b.Cols[2].AppendFloat(1.5)
		b.Cols[3].AppendBool(true)
		b.Cols[4].AppendInt128(row.Int128Value{Lo: 9, Hi: -1})
		b.Cols[5].AppendNull()
	}
	in := b.Finish(2)
	for i := range 2 {
		for c := range types {
			r.Overwrite(c, 7, &in.Cols[c], i)
			if !r.EqualAt(c, 7, &in.Cols[c], i) {
				t.Errorf("column %d is not what was written", c)
			}
			out := row.NewBuilder(types[c], 2)
			r.AppendTo(out, c, 7)
			r.AppendTo(out, c, None)
			v := out.Finish()
			if !v.Null(1) || v.Null(0) != in.Cols[c].Null(i) || !v.Null(0) && row.Compare(&v, 0, &in.Cols[c], i) != 0 {
				t.Errorf("column %d is not appended as it was written", c)
			}
		}
	}
	if !r.Null(5, 7) || r.Int(1, 7) != -5 || r.Float(2, 7) != 1.5 || r.Int(3, 7) != 1 {
		t.Error("values are not what was written")
	}
}
