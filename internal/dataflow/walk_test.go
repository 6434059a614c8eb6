package dataflow

import (
	"math/rand/v2"
	"testing"

	"github.com/tidemill/tidemill/internal/row"
)

// walkSide is the side of a join with rows of random keys, about ten of each.
func walkSide(rng *rand.Rand, rows int) *joinSide {
	types := []row.Type{row.T(row.Int64)}
	s := newJoinSide(types, types, []bool{true}, false)
	for done := 0; done < rows; {
		n := min(rows-done, 1<<16)
		p := walkPort(rng, n, rows/10)
		s.insertAll(&p)
		done += n
	}
	return s
}

func walkPort(rng *rand.Rand, n, keys int) port {
	vals := make([]int64, n)
	for i := range vals {
		vals[i] = rng.Int64N(int64(keys))
	}
	v := row.FromValues(row.T(row.Int64), vals, nil)
	p := port{batch: &row.Batch{Cols: []row.Vec{v}, Len: n}, keys: []row.Vec{v}, hash: make([]uint64, n)}
	row.Hash(p.keys, p.hash)
	return p
}

// matchOneByOne follows one list after the other.
func matchOneByOne(s *joinSide, ids []uint32) (at []int32, rows []uint32) {
	for i, k := range ids {
		if k == ^uint32(0) {
			continue
		}
		for r := *s.heads.Peek(k); r != 0; r = s.links.Peek(r - 1).next {
			at, rows = append(at, int32(i)), append(rows, r-1)
		}
	}
	return at, rows
}

func TestWalkKeepsOrder(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	var w walker
	for _, keys := range []int{1, 7, 100, 1000} {
		s := walkSide(rng, 10*keys)
		for _, n := range []int{0, 1, 63, 64, 65, 500} {
			p := walkPort(rng, n, keys+keys/2+1) // some of them not there
			ids := make([]uint32, n)
			s.keys.FindAll(p.keys, p.hash, ids)
			wantAt, wantRows := matchOneByOne(s, ids)
			at, rows, err := w.match(s, ids)
			if err != nil || len(at) != len(wantAt) || len(rows) != len(wantRows) {
				t.Fatalf("%d keys, %d rows: %d matches, %v; want %d", keys, n, len(at), err, len(wantAt))
			}
			for i := range at {
				if at[i] != wantAt[i] || rows[i] != wantRows[i] {
					t.Fatalf("%d keys, %d rows: match %d is of %d with %d, want %d with %d", keys, n, i, at[i], rows[i], wantAt[i], wantRows[i])
				}
			}
		}
	}
}

// BenchmarkWalk looks up 1,000 keys of ten rows each, side by side and one by one, in short and long histories.
func BenchmarkWalk(b *testing.B) {
	for _, size := range []struct {
		name string
		rows int
	}{{"100k", 100_000}, {"3M", 3_000_000}} {
		rng := rand.New(rand.NewPCG(3, 4))
		s := walkSide(rng, size.rows)
		ids := make([]uint32, 1000)
		look := func() {
			p := walkPort(rng, len(ids), size.rows/10)
			s.keys.FindAll(p.keys, p.hash, ids)
		}
		var w walker
		b.Run(size.name+"/together", func(b *testing.B) {
			for b.Loop() {
				b.StopTimer()
				look()
				b.StartTimer()
				if _, _, err := w.match(s, ids); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(size.name+"/one by one", func(b *testing.B) {
			for b.Loop() {
				b.StopTimer()
				look()
				b.StartTimer()
				matchOneByOne(s, ids)
			}
		})
	}
}
