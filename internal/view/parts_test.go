package view

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/tidemill/tidemill/internal/row"
)

// The index against a map, through growth, splits and removals; with a share of equal tags.
func TestIndexModel(t *testing.T) {
	var x index
	x.init()
	r := rand.New(rand.NewPCG(1, 1))
	ids := map[uint64]uint64{} // id to hash
	var order []uint64
	for id := range uint64(300_000) {
		h := r.Uint64()
		if r.IntN(4) == 0 {
			h &^= 0xffff
		}
		x.reserve(h)
		st := x.subtable(h)
		at := uint32(h>>32) & st.mask
		for st.slots[at] != 0 && st.slots[at] != tomb {
			at = (at + 1) & st.mask
		}
		x.insert(place{st, at}, h, id)
		ids[id] = h
		order = append(order, id)
		for r.IntN(3) == 0 && len(order) > 0 {
			i := r.IntN(len(order))
			gone := order[i]
			order[i] = order[len(order)-1]
			order = order[:len(order)-1]
			p, ok := x.findID(ids[gone], gone)
			if !ok {
				t.Fatalf("id %d is not there", gone)
			}
			x.remove(p)
			if _, ok := x.findID(ids[gone], gone); ok {
				t.Fatalf("id %d is still there", gone)
			}
			delete(ids, gone)
		}
	}
	if x.entries != len(ids) {
		t.Errorf("%d entries, want %d", x.entries, len(ids))
	}
	for id, h := range ids {
		found := false
		for p := x.probe(h); ; {
			got, ok := p.next()
			if !ok {
				break
			}
			found = found || got == id
		}
		if !found {
			t.Fatalf("id %d is not found", id)
		}
	}
	if perEntry := float64(x.bytes) / float64(x.entries); perEntry > 40 {
		t.Errorf("%.1f bytes per entry", perEntry)
	}
}

// Very many equal hashes end in a large sub-table instead of endless splits.
func TestIndexOfEqualHashes(t *testing.T) {
	var x index
	x.init()
	h := uint64(0xabcdef)
	for id := range uint64(14_000) {
		x.reserve(h)
		st := x.subtable(h)
		at := (uint32(h>>32) + uint32(id)) & st.mask // as if probed for
		for st.slots[at] != 0 {
			at = (at + 1) & st.mask
		}
		x.insert(place{st, at}, h, id)
	}
	if n := len(x.dir.Load().tabs); n > 1 || x.entries != 14_000 {
		t.Errorf("directory of %d, %d entries", n, x.entries)
	}
}

func TestOrderModel(t *testing.T) {
	var o order
	o.init()
	r := rand.New(rand.NewPCG(2, 2))
	want := map[string]uint64{}
	randomKeys := func(n int) []orderKey {
		keys := make([]orderKey, n)
		for i := range keys {
			k := fmt.Appendf(nil, "common%0*d", 1+r.IntN(6), r.IntN(20_000))
			if r.IntN(500) == 0 {
				k = append(k, bytes.Repeat([]byte("y"), 9000)...)
			}
			keys[i] = orderKey{k, uint64(len(k))}
		}
		sortKeys(keys)
		return keys
	}
	for round := range 400 {
		keys := randomKeys(1 + r.IntN(100))
		if round == 100 {
			keys = randomKeys(5000)
		}
		if r.IntN(2) == 0 || round < 100 {
			o.add(keys)
			for _, k := range keys {
				want[string(k.key)] = k.hash
			}
		} else {
			for k, h := range want {
				if len(keys) > 300 {
					break
				}
				keys = append(keys, orderKey{[]byte(k), h})
			}
			sortKeys(keys)
			o.remove(keys)
			for _, k := range keys {
				delete(want, string(k.key))
			}
		}
		if round%20 == 0 {
			checkOrder(t, &o, want)
		}
	}
	checkOrder(t, &o, want)
	all := make([]orderKey, 0, len(want))
	for k := range want {
		all = append(all, orderKey{key: []byte(k)})
	}
	sortKeys(all)
	o.remove(all)
	if keys, bytes := o.size(); keys != 0 || bytes != 0 || o.tree.Len() != 0 {
		t.Errorf("%d keys, %d bytes, %d leaves are left", keys, bytes, o.tree.Len())
	}
}

func checkOrder(t *testing.T, o *order, want map[string]uint64) {
	t.Helper()
	var got []string
	o.tree.Scan(func(s span) bool {
		if s.first != string(s.leaf.key(0)) {
			t.Fatalf("leaf of %q starts with %q", s.first, s.leaf.key(0))
		}
		for i := range s.leaf.len() {
			k := string(s.leaf.key(i))
			if h, ok := want[k]; !ok || h != s.leaf.hash(i) {
				t.Fatalf("key %.40q is there", k)
			}
			got = append(got, k)
		}
		return true
	})
	if !slices.IsSorted(got) || len(got) != len(want) || o.keys != int64(len(got)) {
		t.Fatalf("%d keys, want %d, counted %d", len(got), len(want), o.keys)
	}
}

func TestConsolidate(t *testing.T) {
	b := pairs([3]int64{1, 1, 1}, [3]int64{2, 2, 1}, [3]int64{1, 1, -1}, [3]int64{3, 3, 2}, [3]int64{2, 2, 4}, [3]int64{1, 1, 1})
	out := Consolidate(b)
	same(t, "merged", linesOf(out, false), []string{"1|1|", "2|2|", "3|3|"})
	if !slices.Equal(out.Weights, []int64{1, 5, 2}) {
		t.Errorf("weights %v", out.Weights)
	}
	if b.Weights[1] != 1 {
		t.Error("the batch was changed")
	}
	plain := batchOf(pairSchema, []line{pair(1, 1), pair(1, 1)}, nil)
	if Consolidate(plain) != plain || Consolidate(nil) != nil {
		t.Error("a batch without weights was not returned as it is")
	}
	distinct := pairs([3]int64{1, 1, 1}, [3]int64{1, 2, -1})
	if Consolidate(distinct) != distinct {
		t.Error("a consolidated batch was not returned as it is")
	}
	if out := Consolidate(pairs([3]int64{1, 1, 1}, [3]int64{1, 2, 1})); out.Weights != nil || out.Len != 2 {
		t.Errorf("weights %v of insertions", out.Weights)
	}
	if out := Consolidate(pairs([3]int64{1, 1, 1}, [3]int64{1, 1, -1})); out.Len != 0 {
		t.Errorf("%d rows of nothing", out.Len)
	}
	f := row.FromValues(row.T(row.Float64), []float64{0, math.Copysign(0, -1), math.NaN(), math.NaN()}, nil)
	out = Consolidate(&row.Batch{Cols: []row.Vec{f}, Len: 4, Weights: []int64{1, 1, 1, -1}})
	if out.Len != 1 || out.Weights[0] != 2 {
		t.Errorf("floats: %+v", out)
	}
	// With the same memory again.
	var c Consolidator
	for range 3 {
		if out := c.Consolidate(b); out.Len != 3 {
			t.Errorf("%d rows", out.Len)
		}
	}
}

// A cursor from outside is refused or taken as a position, whatever it is.
func FuzzCursor(f *testing.F) {
	s := New(Options{Schema: pairSchema, Key: []int{0}})
	multi := New(Options{Schema: pairSchema})
	logged := New(Options{Schema: pairSchema, AppendOnly: true})
	for _, st := range []*Store{s, multi, logged} {
		if err := st.Apply(1, pairs([3]int64{1, 1, 1}, [3]int64{2, 2, 1}, [3]int64{3, 3, 1})); err != nil {
			f.Fatal(err)
		}
		st.Publish(1)
		p := st.At()
		_, next, err := p.Range(RangeQuery{Limit: 1})
		if err != nil {
			f.Fatal(err)
		}
		f.Add(next, true)
		p.Close()
	}
	f.Add([]byte{}, false)
	f.Add(bytes.Repeat([]byte{0xff}, 11), false)
	f.Fuzz(func(t *testing.T, cursor []byte, descending bool) {
		for _, st := range []*Store{s, multi, logged} {
			p := st.At()
			b, next, err := p.Range(RangeQuery{After: cursor, Descending: descending, Limit: 2})
			if err == nil && (b.Len > 2 || (next != nil && b.Len != 2)) {
				t.Errorf("%d rows, next %x", b.Len, next)
			}
			p.Close()
		}
	})
}
