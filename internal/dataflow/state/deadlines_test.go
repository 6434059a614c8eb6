package state

import (
	"math/rand/v2"
	"testing"
)

func TestDeadlines(t *testing.T) {
	for _, shift := range []uint{0, 3, 20} {
		r := rand.New(rand.NewPCG(1, uint64(shift)))
		d := NewDeadlines(shift)
		due := map[uint32]uint64{}
		next, limit := uint32(0), uint64(0)
		for range 300 {
			for range r.IntN(20) {
				at := limit + uint64(r.IntN(100))<<shift + uint64(r.IntN(1<<shift))
				d.Add(at, next)
				due[next] = at
				next++
			}
			limit += uint64(r.IntN(20)) << shift
			got := d.Take(limit, nil)
			for _, id := range got {
				if at, ok := due[id]; !ok || at >= limit {
					t.Fatalf("id %d is due at %d, and was taken at %d", id, at, limit)
				}
				delete(due, id)
			}
			for id, at := range due {
				if at>>shift < limit>>shift {
					t.Fatalf("id %d is due at %d, and was not taken at %d", id, at, limit)
				}
			}
		}
		d.Take(^uint64(0), nil)
		if d.tree.Len() != 0 {
			t.Fatalf("%d steps are left", d.tree.Len())
		}
	}
}
