package state

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/tidemill/tidemill/internal/row"
)

// Random changes of some groups; ranks, order and sums must be those of a sorted slice.
func TestRankedIsASortedMultiset(t *testing.T) {
	for _, long := range []bool{false, true} {
		t.Run(fmt.Sprintf("long=%v", long), func(t *testing.T) { testRanked(t, long) })
	}
}

func testRanked(t *testing.T, long bool) {
	const groups = 3
	r := rand.New(rand.NewPCG(1, 2))
	types := []row.Type{row.T(row.Int64)}
	k := NewRanked(types)
	k.Grow(groups)
	want := [groups][]int64{}
	for range 20_000 {
		g := uint32(r.IntN(groups))
		v := int64(r.IntN(300))
		w := int64(r.IntN(3) + 1)
		at, there := slices.BinarySearch(want[g], v)
		if there && r.IntN(5) < 3 {
			have := int64(0)
			for at+int(have) < len(want[g]) && want[g][at+int(have)] == v {
				have++
			}
			w = -min(w, have)
			want[g] = slices.Delete(want[g], at, at+int(-w))
		} else {
			want[g] = slices.Insert(want[g], at, slices.Repeat([]int64{v}, int(w))...)
		}
		cols := []row.Vec{row.FromValues(types[0], []int64{v}, nil)}
		num, rest := keyFor(v, long)
		k.Add(g, num, rest, w, cols, 0)
		if k.Len(g) != int64(len(want[g])) {
			t.Fatalf("length %d, want %d", k.Len(g), len(want[g]))
		}
		if n := len(want[g]); n > 0 {
			at := r.IntN(n)
			got := k.Gather(0, []uint32{k.At(g, int64(at))})
			if x := row.Values[int64](&got)[0]; x != want[g][at] {
				t.Fatalf("rank %d is %d, want %d", at, x, want[g][at])
			}
		}
		if r.IntN(400) == 0 {
			n := k.DropLast(g, 2)
			want[g] = want[g][:len(want[g])-int(n)]
		}
		if r.IntN(5000) == 0 {
			k.Clear(g)
			want[g] = nil
		}
	}
	for g := range want {
		mustWalk(t, k, uint32(g), want[g])
	}
	for g := range uint32(groups) {
		k.Clear(g)
	}
	if k.rows.Len() != 0 {
		t.Errorf("%d rows are left", k.rows.Len())
	}
}

func mustWalk(t *testing.T, k *Ranked, g uint32, want []int64) {
	t.Helper()
	for _, backwards := range []bool{false, true} {
		var got []int64
		k.Walk(g, backwards, func(id uint32, w int64) bool {
			v := k.Gather(0, []uint32{id})
			got = append(got, slices.Repeat([]int64{row.Values[int64](&v)[0]}, int(w))...)
			return true
		})
		if backwards {
			slices.Reverse(got)
		}
		if !slices.Equal(got, want) {
			t.Fatalf("walked %v, want %v", got, want)
		}
	}
}

func keyFor(v int64, long bool) (uint64, []byte) {
	if !long {
		return uint64(v), nil
	}
	return SplitKey(append([]byte("the same "), binary.BigEndian.AppendUint64(nil, uint64(v))...))
}

func TestRankedIsBalanced(t *testing.T) {
	k := NewRanked(nil)
	k.Grow(1)
	const n = 1 << 16
	for i := range uint64(n) {
		k.Add(0, i, nil, 1, nil, 0)
	}
	deepest := 0
	var depth func(link uint32, d int)
	depth = func(link uint32, d int) {
		deepest = max(deepest, d)
		if link != 0 {
			depth(k.nodes.At(link-1).left, d+1)
			depth(k.nodes.At(link-1).right, d+1)
		}
	}
	depth(*k.roots.At(0), 0)
	if deepest > 64 {
		t.Errorf("%d deep", deepest)
	}
	for i := range uint64(n) {
		k.Add(0, i, nil, -1, nil, 0)
	}
	if k.Len(0) != 0 || k.free.Len() != n {
		t.Errorf("%d are left", n-k.free.Len())
	}
}
