package row

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// model is a column as a list of values.
func model(v *Vec) []Value {
	out := make([]Value, v.Len)
	for i := range out {
		out[i] = v.Value(i)
	}
	return out
}

func mustMatch(t *testing.T, what string, v *Vec, want []Value) {
	t.Helper()
	if v.Len != len(want) {
		t.Fatalf("%s: %d values, want %d", what, v.Len, len(want))
	}
	nulls := 0
	for i, w := range want {
		if !sameBits(v.Value(i), w) {
			t.Fatalf("%s: value %d of %s is %+v, want %+v", what, i, v.Type, v.Value(i), w)
		}
		if w.Null {
			nulls++
		}
	}
	if v.Nulls() != nulls {
		t.Fatalf("%s: %d nulls, want %d", what, v.Nulls(), nulls)
	}
}

func sameBits(a, b Value) bool {
	if a.F != a.F && b.F != b.F {
		a.F, b.F = 0, 0
	}
	return a == b
}

func TestVecAgainstModel(t *testing.T) {
	r := rand.New(rand.NewPCG(71, 72))
	for range 400 {
		typ := allTypes[r.IntN(len(allTypes))]
		n := r.IntN(140)
		v := randomVec(r, typ, n)
		want := model(&v)

		lo := r.IntN(n + 1)
		hi := lo + r.IntN(n-lo+1)
		s := v.Slice(lo, hi)
		mustMatch(t, "slice", &s, want[lo:hi])
		s2lo := r.IntN(hi - lo + 1)
		s2 := s.Slice(s2lo, hi-lo)
		mustMatch(t, "slice of a slice", &s2, want[lo+s2lo:hi])

		at := make([]int32, 0, n)
		var picked []Value
		for range n {
			j := r.IntN(n)
			at, picked = append(at, int32(j)), append(picked, want[j])
		}
		g := v.Gather(at)
		mustMatch(t, "gather", &g, picked)
		if hi > lo {
			g = s.Gather(slices.Repeat([]int32{0, int32(hi - lo - 1)}, 3))
			mustMatch(t, "gather of a slice", &g, slices.Repeat([]Value{want[lo], want[hi-1]}, 3))
		}

		b := NewBuilder(typ, r.IntN(2)*n)
		var built []Value
		for range 6 {
			switch r.IntN(5) {
			case 0:
				b.AppendVec(&s)
				built = append(built, want[lo:hi]...)
			case 1:
				b.AppendNull()
				built = append(built, NullValue(typ))
			case 2:
				keep := r.IntN(b.Len() + 1)
				b.Truncate(keep)
				built = built[:keep]
			default:
				for i := lo; i < hi; i++ {
					b.AppendFrom(&v, i)
				}
				built = append(built, want[lo:hi]...)
			}
		}
		made := b.Finish()
		mustMatch(t, "builder", &made, built)
		if b.Len() != 0 {
			t.Fatal("the builder has not started anew")
		}
		null := NullVec(typ, n)
		mustMatch(t, "nulls", &null, slices.Repeat([]Value{NullValue(typ)}, n))
		if n > 0 {
			same := want[0].Repeat(9)
			mustMatch(t, "repeat", &same, slices.Repeat(want[:1], 9))
		}
	}
}

func TestBatchAgainstModel(t *testing.T) {
	r := rand.New(rand.NewPCG(73, 74))
	for range 200 {
		types := []Type{allTypes[r.IntN(len(allTypes))], T(String), T(Int64)}
		var batches []*Batch
		var rows [][]Value
		var weights []int64
		for range r.IntN(5) {
			b := randomBatch(r, types, r.IntN(20))
			if b.Len > 1 && r.IntN(2) == 0 {
				b = b.Slice(1, b.Len)
			}
			batches = append(batches, b)
			for i := range b.Len {
				rows = append(rows, []Value{b.Cols[0].Value(i), b.Cols[1].Value(i), b.Cols[2].Value(i)})
				weights = append(weights, b.Weight(i))
			}
		}
		all := Concat(batches)
		if len(batches) == 0 {
			if all != nil {
				t.Fatal("a batch out of nothing")
			}
			continue
		}
		check := func(what string, b *Batch, at []int) {
			t.Helper()
			if b.Len != len(at) {
				t.Fatalf("%s: %d rows, want %d", what, b.Len, len(at))
			}
			for i, j := range at {
				if b.Weight(i) != weights[j] {
					t.Fatalf("%s: weight %d, want %d", what, b.Weight(i), weights[j])
				}
				for c := range b.Cols {
					if !sameBits(b.Cols[c].Value(i), rows[j][c]) {
						t.Fatalf("%s: %+v, want %+v", what, b.Cols[c].Value(i), rows[j][c])
					}
				}
			}
		}
		index := make([]int, len(rows))
		for i := range index {
			index[i] = i
		}
		check("concat", all, index)
		if all.Len == 0 {
			continue
		}
		var at []int32
		var picked []int
		for range 10 {
			j := r.IntN(all.Len)
			at, picked = append(at, int32(j)), append(picked, j)
		}
		check("gather", all.Gather(at), picked)
		lo := r.IntN(all.Len)
		check("slice", all.Slice(lo, all.Len), index[lo:])
		if p := all.Project([]int{2, 0}); p.Len != all.Len || p.Cols[0].Type != T(Int64) || all.Size() < p.Size() {
			t.Fatalf("projected to %v, %d bytes of %d", p.Cols[0].Type, p.Size(), all.Size())
		}
	}
}

// Equal, Compare and Hash agree with each other, and Compare is an order.
func TestOrderIsConsistent(t *testing.T) {
	r := rand.New(rand.NewPCG(75, 76))
	for _, typ := range allTypes {
		v := randomVec(r, typ, 300)
		hashes := make([]uint64, v.Len)
		Hash([]Vec{v}, hashes)
		for range 4_000 {
			i, j, k := r.IntN(v.Len), r.IntN(v.Len), r.IntN(v.Len)
			ij := Compare(&v, i, &v, j)
			if cmp.Compare(ij, 0) != -cmp.Compare(Compare(&v, j, &v, i), 0) {
				t.Fatalf("%s: %s and %s compare one way only", typ, v.Value(i).Text(), v.Value(j).Text())
			}
			if eq := Equal(&v, i, &v, j); eq != (ij == 0) {
				t.Fatalf("%s: %s and %s are equal: %v, compare as %d", typ, v.Value(i).Text(), v.Value(j).Text(), eq, ij)
			}
			if ij == 0 && hashes[i] != hashes[j] {
				t.Fatalf("%s: %s and %s are equal with other hashes", typ, v.Value(i).Text(), v.Value(j).Text())
			}
			if ij <= 0 && Compare(&v, j, &v, k) <= 0 && Compare(&v, i, &v, k) > 0 {
				t.Fatalf("%s: %s, %s, %s are in a circle", typ, v.Value(i).Text(), v.Value(j).Text(), v.Value(k).Text())
			}
		}
	}
}

// Hashes are part of stored state: they never change.
func TestHashIsFrozen(t *testing.T) {
	b := NewBatchBuilder([]Type{T(Int32), T(String), T(Float64), T(Int128), T(Interval), T(UUID)}, 2)
	for i := range 2 {
		b.Cols[0].AppendInt(int64(i) - 1)
		b.Cols[1].AppendString(fmt.Sprint("text", i))
		b.Cols[2].AppendFloat(float64(i) * 0.5)
		b.Cols[3].AppendInt128(Int128Value{Lo: uint64(i), Hi: -1})
		b.Cols[4].AppendInterval(IntervalValue{Months: 1, Days: int32(i), Micros: 2})
		b.Cols[5].AppendUUID(UUIDValue{1, byte(i)})
	}
	batch := b.Finish(2)
	got := make([]uint64, 2)
	Hash(batch.Cols, got)
	if want := []uint64{0x68eb8fcbf34ff96, 0xf42878ae795741a0}; !slices.Equal(got, want) {
		t.Errorf("hashes %#x, want %#x", got, want)
	}
}

func TestCivilDate(t *testing.T) {
	r := rand.New(rand.NewPCG(77, 78))
	for range 20_000 {
		days := int32(r.Uint32()) >> r.UintN(20)
		if days <= DateNegInfinity || days == DateInfinity {
			continue
		}
		y, m, d := CivilDate(days)
		if back, ok := DateFromCivil(y, m, d); !ok || back != days {
			t.Fatalf("day %d is %d-%d-%d, which is day %d, %v", days, y, m, d, back, ok)
		}
	}
	for _, bad := range [][3]int{{2020, 0, 1}, {2020, 13, 1}, {2020, 2, 30}, {2021, 2, 29}, {1900, 2, 29}, {2020, 4, 31}, {2020, 1, 0}, {5881580, 7, 11}, {-5877641, 6, 24}, {1 << 40, 1, 1}} {
		if days, ok := DateFromCivil(bad[0], bad[1], bad[2]); ok {
			t.Errorf("%v is day %d", bad, days)
		}
	}
}

func TestParseTypeReadsBack(t *testing.T) {
	for _, typ := range allTypes {
		if got, ok := ParseType(typ.String()); got != typ || ok == (typ.Kind == Other) {
			t.Errorf("%s reads back as %s, %v", typ, got, ok)
		}
	}
}
