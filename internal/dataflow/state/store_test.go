package state

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/tidemill/tidemill/internal/row"
)

func TestArrayGrowsToAnySize(t *testing.T) {
	sizes := []uint32{0, 1, 63, 64, 65, 4095, 4096, 4097, 8191, 8192, 8193, 20000}
	for _, first := range sizes {
		for _, second := range sizes {
			var a Array[uint32]
			a.Grow(first)
			for id := range first {
				*a.At(id) = id + 1
			}
			a.Grow(second)
			for id := range max(first, second) {
				want := uint32(0)
				if id < first {
					want = id + 1
				}
				if got := *a.At(id); got != want {
					t.Fatalf("%d, then %d: element %d is %d, want %d", first, second, id, got, want)
				}
			}
		}
	}
}

func TestArrayGrowsOneByOne(t *testing.T) {
	var a Array[uint64]
	for n := range uint32(3 * PageRows) {
		a.Grow(n + 1)
		*a.At(n) = uint64(n)
	}
	for n := range uint32(3 * PageRows) {
		if *a.At(n) != uint64(n) {
			t.Fatalf("element %d is %d", n, *a.At(n))
		}
	}
	if got, want := a.Bytes(), int64(3*PageRows*8+3*PageRows>>wordBits*8); got != want {
		t.Fatalf("%d bytes, want %d", got, want)
	}
}

func TestHeapAgainstModel(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var h Heap
	texts := map[int]*Text{}
	model := map[int]string{}
	edges := []int{0, 1, 11, 12, 13, 15, 16, 17, 31, 32, 33, 4079, 4080, 4096, ownPageBytes - 1, ownPageBytes, ownPageBytes + 1, heapPageBytes, heapPageBytes + 1, 700_000}
	for i := range 4000 {
		if k := r.IntN(60); model[k] != "" || texts[k] != nil {
			if !h.Equal(texts[k], []byte(model[k])) || string(h.Get(texts[k])) != model[k] {
				t.Fatalf("step %d: text of %d bytes has changed", i, len(model[k]))
			}
			h.Free(texts[k])
			delete(texts, k)
			delete(model, k)
		} else {
			n := r.IntN(40)
			if r.IntN(8) == 0 {
				n = edges[r.IntN(len(edges))]
			}
			s := strings.Repeat(string(rune('a'+r.IntN(26))), n)
			v := h.Put([]byte(s))
			texts[k], model[k] = &v, s
		}
	}
	for k, s := range model {
		if string(h.Get(texts[k])) != s || !h.Equal(texts[k], []byte(s)) || h.Equal(texts[k], []byte(s+"x")) {
			t.Fatalf("text of %d bytes has changed", len(s))
		}
		if len(s) > 0 && h.Equal(texts[k], []byte("\xff"+s[1:])) {
			t.Fatalf("text of %d bytes equals another", len(s))
		}
	}
	pages := int64(0)
	for _, p := range h.pages {
		pages += int64(len(p))
	}
	if h.Bytes() != pages {
		t.Fatalf("%d bytes counted, %d there", h.Bytes(), pages)
	}
}

func TestHeapReusesSpace(t *testing.T) {
	for _, n := range []int{13, 100, 5000, ownPageBytes, ownPageBytes + 1, 300_000} {
		var h Heap
		b := []byte(strings.Repeat("x", n))
		first := int64(0)
		for round := range 50 {
			var texts []Text
			for range 20 {
				texts = append(texts, h.Put(b))
			}
			if round == 0 {
				first = h.Bytes()
			}
			for i := range texts {
				h.Free(&texts[i])
			}
		}
		if h.Bytes() > first {
			t.Errorf("texts of %d bytes: %d bytes after the first round, %d after the last", n, first, h.Bytes())
		}
		if n > ownPageBytes && h.Bytes() != 0 {
			t.Errorf("texts of %d bytes: %d bytes are kept", n, h.Bytes())
		}
	}
}

// Large texts between small ones must not leave the pages of the small ones half empty.
func TestHeapMixedSizes(t *testing.T) {
	var h Heap
	want := int64(0)
	for range 200 {
		h.Put(make([]byte, 100))
		h.Put(make([]byte, heapPageBytes+1))
		want += 128 + heapPageBytes + 1
	}
	if h.Bytes() > want+2*heapPageBytes {
		t.Fatalf("%d bytes for %d", h.Bytes(), want)
	}
}

func TestRowsAgainstModel(t *testing.T) {
	for seed := range uint64(6) {
		r := rand.New(rand.NewPCG(seed, 7))
		rows := NewRows(allTypes)
		model := map[uint32][]row.Value{}
		for step := range 60 {
			n := 1 + r.IntN(200)
			cols := make([]row.Vec, len(allTypes))
			for c, typ := range allTypes {
				cols[c] = randomVec(r, typ, n, step > 10 && r.IntN(2) == 0) // nulls appear late
			}
			var at []int32
			for i := range int32(n) {
				if r.IntN(2) == 0 {
					at = append(at, i)
				}
			}
			var ids []uint32
			switch r.IntN(3) {
			case 0:
				at = nil
				ids = rows.AddAll(cols, nil, n, nil)
			case 1:
				at = append([]int32{0}, at...)
				ids = rows.AddAll(cols, at, 0, nil)
			default:
				at = nil
				for i := range n {
					ids = append(ids, rows.Add(cols, i))
				}
			}
			for k, id := range ids {
				if model[id] != nil {
					t.Fatalf("id %d is given twice", id)
				}
				for c := range cols {
					model[id] = append(model[id], cols[c].Value(position(at, k)))
				}
				if !rows.Equal(id, cols, position(at, k)) {
					t.Fatalf("row %d does not equal what was stored", id)
				}
			}
			for id := range model {
				if r.IntN(3) == 0 {
					rows.Remove(id)
					delete(model, id)
				}
			}
			checkRows(t, rows, model)
		}
	}
}

func checkRows(t *testing.T, rows *Rows, model map[uint32][]row.Value) {
	t.Helper()
	if rows.Len() != len(model) {
		t.Fatalf("%d rows, want %d", rows.Len(), len(model))
	}
	var ids []uint32
	for id := range model {
		if id >= rows.Cap() {
			t.Fatalf("id %d is not below %d", id, rows.Cap())
		}
		ids = append(ids, id, None)
	}
	var known []uint32
	for i := 0; i < len(ids); i += 2 {
		known = append(known, ids[i])
	}
	for c := range rows.Columns() {
		v, some := rows.Gather(c, known), rows.GatherOrNull(c, ids)
		if v.Len != len(known) || v.Type != allTypes[c] {
			t.Fatalf("column %d: %d values of %s", c, v.Len, v.Type)
		}
		for k, id := range known {
			if !identical(v.Value(k), model[id][c]) || !identical(some.Value(2*k), model[id][c]) {
				t.Fatalf("column %d (%s), id %d: %+v, want %+v", c, v.Type, id, v.Value(k), model[id][c])
			}
			if !some.Null(2*k + 1) {
				t.Fatalf("column %d: no row gives %+v", c, some.Value(2*k+1))
			}
		}
	}
}

func TestRowsOfNothing(t *testing.T) {
	rows := NewRows(allTypes)
	for c, typ := range allTypes {
		if v := rows.GatherOrNull(c, []uint32{None, None}); v.Len != 2 || v.Nulls() != 2 || v.Type != typ {
			t.Errorf("%s: %+v", typ, v)
		}
		if v := rows.Gather(c, nil); v.Len != 0 {
			t.Errorf("%s: %d values", typ, v.Len)
		}
	}
	if !rows.Room(None) || rows.Room(None+1) {
		t.Error("room for the wrong number of rows")
	}
}

// Equal must agree with row.Equal for all pairs of values.
func TestRowsEqualAgreesWithRow(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 3))
	for _, typ := range allTypes {
		v := randomVec(r, typ, 60, true)
		rows := NewRows([]row.Type{typ})
		ids := rows.AddAll([]row.Vec{v}, nil, v.Len, nil)
		for i, id := range ids {
			for j := range v.Len {
				if got, want := rows.Equal(id, []row.Vec{v}, j), row.Equal(&v, i, &v, j); got != want {
					t.Fatalf("%s: %+v = %+v is %v", typ, v.Value(i), v.Value(j), got)
				}
			}
		}
	}
}

func TestIndexAgainstModel(t *testing.T) {
	// Hashes that meet in few homes of one sub-table, and ones that spread.
	spaces := map[string]func(r *rand.Rand) uint64{
		"same":      func(r *rand.Rand) uint64 { return 5 },
		"few homes": func(r *rand.Rand) uint64 { return uint64(r.IntN(40))<<32 | 3 },
		"one table": func(r *rand.Rand) uint64 { return uint64(r.Uint32()) << 32 },
		"end":       func(r *rand.Rand) uint64 { return (0xffffffff-uint64(r.IntN(3)))<<32 | 1 },
		"spread":    func(r *rand.Rand) uint64 { return r.Uint64() },
	}
	for name, draw := range spaces {
		t.Run(name, func(t *testing.T) {
			r := rand.New(rand.NewPCG(9, 1))
			var x Index
			model := map[uint32]uint64{}
			if p := x.Find(7); p.Next() != None {
				t.Fatal("an empty index has an id")
			}
			for step := range 6000 {
				id := uint32(r.IntN(300))
				if h, in := model[id]; in {
					x.Remove(h, id)
					delete(model, id)
				} else {
					h := draw(r)
					x.Add(h, id)
					model[id] = h
				}
				if step%50 == 0 {
					checkIndex(t, &x, model)
				}
			}
		})
	}
}

func checkIndex(t *testing.T, x *Index, model map[uint32]uint64) {
	t.Helper()
	if x.Len() != len(model) {
		t.Fatalf("%d entries, want %d", x.Len(), len(model))
	}
	for id, h := range model {
		seen := map[uint32]bool{}
		p := x.Find(h)
		for got := p.Next(); got != None; got = p.Next() {
			if seen[got] || model[got]>>32 != h>>32 {
				t.Fatalf("id %d twice or under another hash", got)
			}
			seen[got] = true
		}
		if !seen[id] {
			t.Fatalf("id %d is not found", id)
		}
	}
}

func TestIndexRefusesUnknown(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("removing what is not there went unnoticed")
		}
	}()
	var x Index
	x.Add(1, 1)
	x.Remove(1, 2)
}

func TestIndexTakesTheLastId(t *testing.T) {
	var x Index
	x.Add(9, None-1)
	if p := x.Find(9); p.Next() != None-1 {
		t.Error("the last id is lost")
	}
	x.Remove(9, None-1)
}

func TestSetAgainstModel(t *testing.T) {
	shapes := [][]row.Type{{row.T(row.Int64)}, {row.T(row.Uint64)}, {row.T(row.Float64)}, {row.T(row.String)}, {row.T(row.Interval), row.T(row.Int8)}, allTypes[:3], {row.T(row.Float32), row.T(row.String)}}
	for _, types := range shapes {
		t.Run(fmt.Sprint(types), func(t *testing.T) {
			r := rand.New(rand.NewPCG(4, uint64(len(types))))
			s := NewSet(types)
			model := map[string]uint32{}
			hashes := map[uint32]uint64{}
			for step := range 200 {
				n := 1 + r.IntN(50)
				cols := make([]row.Vec, len(types))
				for c := range types {
					cols[c] = randomVec(r, types[c], n, step > 50)
				}
				if types[0].Kind == row.Int64 {
					vals := row.Values[int64](&cols[0])
					for i := range vals {
						vals[i] *= int64(r.IntN(1000))
					}
				}
				hash := hashed(cols, n)
				ids := make([]uint32, n)
				s.FindAll(cols, hash, ids)
				for i, id := range ids {
					if want, in := model[rowKey(cols, i)]; (id != None) != in || in && id != want {
						t.Fatalf("found %d, want %d (%v)", id, want, in)
					}
				}
				added := s.FindOrAdd(cols, hash, ids, nil)
				for i, id := range ids {
					k := rowKey(cols, i)
					want, in := model[k]
					isNew := len(added) > 0 && added[0] == int32(i)
					if in == isNew || in && want != id {
						t.Fatalf("row %d got id %d (new %v), want %d (in %v)", i, id, isNew, want, in)
					}
					if isNew {
						added = added[1:]
					}
					model[k], hashes[id] = id, hash[i]
				}
				for k, id := range model {
					if r.IntN(4) == 0 {
						s.Remove(id, hashes[id])
						delete(model, k)
					}
				}
				if s.Len() != len(model) {
					t.Fatalf("%d rows, want %d", s.Len(), len(model))
				}
			}
			if s.Cap() > 4000 {
				t.Errorf("ids go up to %d", s.Cap())
			}
		})
	}
}
