package state

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/tidemill/tidemill/internal/row"
)

type member struct {
	cols  []row.Vec
	i     int
	count int64
}

func (m *member) less(o *member) bool {
	for c := range m.cols {
		if d := row.Compare(&m.cols[c], m.i, &o.cols[c], o.i); d != 0 {
			return d < 0
		}
	}
	return false
}

func TestOrderedAgainstModel(t *testing.T) {
	shapes := [][]row.Type{}
	for _, typ := range allTypes {
		shapes = append(shapes, []row.Type{typ}, []row.Type{typ, row.T(row.String)}, []row.Type{row.T(row.Int32), typ})
	}
	for _, types := range shapes {
		r := rand.New(rand.NewPCG(8, uint64(len(types))))
		o := NewOrdered(types)
		o.stamp = 1<<32 - 20 // the stamps wrap on the way
		model := map[uint32]map[string]*member{}
		for range 60 {
			orderedStep(r, o, types, model)
			if r.IntN(6) == 0 {
				g := uint32(r.IntN(5))
				o.Clear(g)
				delete(model, g)
			}
			checkOrdered(t, o, model)
		}
		for g := range uint32(5) {
			o.Clear(g)
		}
		if o.set.Len() != 0 || o.tree.Len() != 0 {
			t.Fatalf("%v: %d rows and %d items are left", types, o.set.Len(), o.tree.Len())
		}
	}
}

// orderedStep applies changes some of whose retractions come before their insertions.
func orderedStep(r *rand.Rand, o *Ordered, types []row.Type, model map[uint32]map[string]*member) {
	n := 1 + r.IntN(30)
	cols := make([]row.Vec, len(types))
	for c := range types {
		cols[c] = randomVec(r, types[c], n, false)
	}
	var groups []uint32
	var weights []int64
	var at []int32
	change := func(g uint32, w int64, i int) {
		groups, weights, at = append(groups, g), append(weights, w), append(at, int32(i))
		key := rowKey(cols, i)
		if model[g] == nil {
			model[g] = map[string]*member{}
		}
		m := model[g][key]
		if m == nil {
			m = &member{cols: cols, i: i}
			model[g][key] = m
		}
		if m.count += w; m.count == 0 {
			delete(model[g], key)
		}
	}
	for i := range n {
		g := uint32(r.IntN(5))
		have := int64(0)
		if m := model[g][rowKey(cols, i)]; m != nil {
			have = m.count
		}
		switch r.IntN(4) {
		case 0:
			change(g, 2, i)
		case 1:
			change(g, -1-have, i) // below what is there, for a moment
			change(g, 1+have, i)
		default:
			if have > 0 {
				change(g, -have, i)
			} else {
				change(g, 1, i)
			}
		}
	}
	for c := range cols {
		v := cols[c].Gather(at)
		cols[c] = v
	}
	for g := range model {
		for _, m := range model[g] {
			if &m.cols[0] == &cols[0] {
				for k, i := range at {
					if int(i) == m.i && groups[k] == g {
						m.i = k
						break
					}
				}
			}
		}
	}
	o.Update(groups, weights, cols)
}

func checkOrdered(t *testing.T, o *Ordered, model map[uint32]map[string]*member) {
	t.Helper()
	for g := range uint32(6) {
		var least, most *member
		for _, m := range model[g] {
			if least == nil || m.less(least) {
				least = m
			}
			if most == nil || most.less(m) {
				most = m
			}
		}
		for largest, want := range map[bool]*member{false: least, true: most} {
			id := o.Extreme(g, largest)
			if (id == None) != (want == nil) {
				t.Fatalf("%v: extreme of group %d (largest %v) is %d, want %+v", o.types, g, largest, id, want)
			}
			if want == nil {
				continue
			}
			for c := range o.types {
				v := o.Column(c, []uint32{id, None})
				if !row.Equal(&v, 0, &want.cols[c], want.i) || !v.Null(1) {
					t.Fatalf("%v: extreme of group %d (largest %v) is %+v, want %+v", o.types, g, largest, v.Value(0), want.cols[c].Value(want.i))
				}
			}
		}
	}
}

func TestOrderBitsKeepOrder(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 5))
	for _, typ := range allTypes {
		if !shortOrder(typ.Phys()) {
			continue
		}
		t.Run(fmt.Sprint(typ), func(t *testing.T) {
			v := randomVec(r, typ, 80, false)
			for i := range v.Len {
				for j := range v.Len {
					a, b := OrderBits(&v, i), OrderBits(&v, j)
					if c := row.Compare(&v, i, &v, j); (c < 0) != (a < b) || (c == 0) != (a == b) {
						t.Fatalf("%+v and %+v have %x and %x", v.Value(i), v.Value(j), a, b)
					}
				}
				b := row.NewBuilder(typ, 1)
				AppendOrderBits(b, OrderBits(&v, i))
				if back := b.Finish(); !row.Equal(&back, 0, &v, i) {
					t.Fatalf("%+v comes back as %+v", v.Value(i), back.Value(0))
				}
			}
		})
	}
}

func TestOrderedNegativeCountsAreNoMembers(t *testing.T) {
	o := NewOrdered([]row.Type{row.T(row.Int64)})
	one := []row.Vec{row.FromValues(row.T(row.Int64), []int64{4}, nil)}
	o.Update([]uint32{0}, []int64{-1}, one)
	if id := o.Extreme(0, false); id != None {
		t.Errorf("a row of weight -1 is the smallest")
	}
	o.Update([]uint32{0}, []int64{2}, one)
	if id := o.Extreme(0, false); id == None {
		t.Errorf("the row is missing")
	}
	o.Update([]uint32{0}, []int64{-1}, one)
	if o.set.Len() != 0 || o.tree.Len() != 0 {
		t.Errorf("something is left")
	}
}

func BenchmarkSetFindOrAdd(b *testing.B) {
	const n = 4096
	r := rand.New(rand.NewPCG(1, 1))
	vals := make([]int64, n)
	for i := range vals {
		vals[i] = int64(r.IntN(100_000))
	}
	cols := []row.Vec{row.FromValues(row.T(row.Int64), vals, nil)}
	hash, ids := hashed(cols, n), make([]uint32, n)
	s := NewSet([]row.Type{row.T(row.Int64)})
	b.ReportAllocs()
	for b.Loop() {
		s.FindOrAdd(cols, hash, ids, nil)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/row")
}
