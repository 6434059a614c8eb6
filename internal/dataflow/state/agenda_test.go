package state

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/tidemill/tidemill/internal/row"
)

// TestCalendar compares with a map.
func TestCalendar(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	c, model := NewCalendar(), map[uint32]uint64{}
	for range 5000 {
		id := uint32(r.IntN(200))
		switch due, there := model[id]; {
		case r.IntN(20) == 0:
			limit, key := r.Uint64N(100), uint32(r.IntN(3))
			var want []uint32
			for i, at := range model {
				if at < limit && i%3 == key {
					want = append(want, i)
				}
			}
			slices.SortFunc(want, func(a, b uint32) int {
				return int(model[a])*1000 + int(a) - int(model[b])*1000 - int(b)
			})
			for _, i := range want {
				delete(model, i)
			}
			if got := c.Take(key, limit, nil); !slices.Equal(got, want) {
				t.Fatalf("below %d are %v, want %v", limit, got, want)
			}
		case there:
			c.Remove(id%3, due, id)
			delete(model, id)
		default:
			model[id] = r.Uint64N(100)
			c.Add(id%3, model[id], id)
		}
		if c.Bytes() != int64(len(model))*24 {
			t.Fatalf("%d bytes for %d", c.Bytes(), len(model))
		}
	}
}

// TestAgenda compares with maps: rows come and go with weights, several at once, and are taken when they are due.
func TestAgenda(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 2))
	a, model := NewAgenda([]row.Type{row.T(row.Int64), row.T(row.String)}), map[int64]int64{}
	dueOf := func(v int64) uint64 { return uint64(v * 7 % 50) }
	keyOf := func(v int64) uint32 { return uint32(v & 1) }
	rows := func(vs []int64, w []int64) *row.Batch {
		k, s := row.NewBuilder(row.T(row.Int64), len(vs)), row.NewBuilder(row.T(row.String), len(vs))
		for _, v := range vs {
			k.AppendValue(row.IntValue(row.T(row.Int64), v))
			s.AppendValue(row.Value{Type: row.T(row.String), S: string(rune('a' + v%26))})
		}
		return &row.Batch{Cols: []row.Vec{k.Finish(), s.Finish()}, Len: len(vs), Weights: w}
	}
	for range 3000 {
		if r.IntN(8) == 0 {
			limit, key := r.Uint64N(60), uint32(r.IntN(2))
			want := map[int64]int64{}
			for v, n := range model {
				if dueOf(v) < limit && keyOf(v) == key {
					if n > 0 {
						want[v] = n
					}
					delete(model, v)
				}
			}
			last := uint64(0)
			b := a.Take(key, limit)
			if b != nil {
				for i := range b.Len {
					v := b.Cols[0].Value(i).I
					if want[v] != b.Weight(i) || dueOf(v) < last {
						t.Fatalf("row %d has weight %d, want %d", v, b.Weight(i), want[v])
					}
					delete(want, v)
					last = dueOf(v)
				}
			}
			if len(want) > 0 {
				t.Fatalf("missing %v", want)
			}
			continue
		}
		var vs, w []int64
		var due []uint64
		for range 1 + r.IntN(12) {
			v, n := int64(r.IntN(60)), int64(r.IntN(5)-2)
			if n == 0 || r.IntN(3) == 0 && model[v] != 0 {
				n = -model[v]
			}
			if n == 0 {
				continue
			}
			vs, w, due = append(vs, v), append(w, n), append(due, dueOf(v))
			if model[v] += n; model[v] == 0 {
				delete(model, v)
			}
		}
		if len(vs) > 0 {
			keys := make([]uint32, len(vs))
			for i, v := range vs {
				keys[i] = keyOf(v)
			}
			a.Change(rows(vs, w), due, keys)
		}
		if a.Len() != len(model) {
			t.Fatalf("%d rows, want %d", a.Len(), len(model))
		}
	}
}
