package dataflow

import (
	"math"
	"math/big"
	"math/rand/v2"
	"testing"

	"github.com/tidemill/tidemill/internal/row"
)

func TestWideSumIsExact(t *testing.T) {
	r := rand.New(rand.NewPCG(6, 6))
	for range 300 {
		var s wideSum
		want := new(big.Int)
		n := int64(0)
		for range 40 {
			lo, hi := r.Uint64(), int64(r.Uint64())
			w := []int64{1, -1, 2, 1 << 20, math.MaxInt32, -1 << 57}[r.IntN(6)]
			if r.IntN(3) == 0 {
				hi = []int64{0, -1, math.MaxInt64, math.MinInt64}[r.IntN(4)]
			}
			s.add(lo, hi, w)
			n += w
			x := bigOf(row.Value{Type: row.T(row.Int128), I: int64(lo), H: hi})
			want.Add(want, x.Mul(x, big.NewInt(w)))
		}
		if got := wideOf(want); got.lo != s.lo || got.mid != s.mid || got.hi != s.hi || s.n != n {
			t.Fatalf("%+v, want %+v", s, got)
		}
		f, _ := new(big.Float).SetInt(want).Float64()
		if math.Abs(s.float()-f) > math.Abs(f)*1e-15 {
			t.Fatalf("%g, want %g", s.float(), f)
		}
	}
}

func floatAcc(values []float64, weights []int64) *floatSumAcc {
	a := &floatSumAcc{}
	a.grow(1)
	a.update(make([]uint32, len(values)), weights, []row.Vec{row.FromValues(row.T(row.Float64), values, nil)})
	return a
}

func TestFloatSumLeavesNoResidue(t *testing.T) {
	inf, nan := math.Inf(1), math.NaN()
	cases := []struct {
		values  []float64
		weights []int64
		want    float64
	}{
		{[]float64{1e16, 1, 1e16}, []int64{1, 1, -1}, 1},
		{[]float64{1e300, 1e16, 1, 1e300, 1e16}, []int64{1, 1, 1, -1, -1}, 1},
		{[]float64{1e308, 1e308, 1e308}, []int64{1, 1, -1}, 1e308},
		{[]float64{1e308, 1e308}, nil, inf},
		{[]float64{1e308, 5e-324, 1e308}, []int64{7, 1, -7}, 5e-324},
		{[]float64{inf, 1, 0.1, inf, 1}, []int64{1, 1, 1, -1, -1}, 0.1},
		{[]float64{nan, inf, -inf, 3, nan, inf}, []int64{1, 1, 1, 1, -1, -1}, -inf},
		{[]float64{inf, -inf}, nil, nan},
		{[]float64{7, 5, 7}, []int64{-1, 1, 1}, 5},
		{[]float64{0.1}, []int64{math.MaxInt64}, 0.1 * float64(math.MaxInt64)},
		{[]float64{0.1, 0.1, 2}, []int64{math.MaxInt64, -math.MaxInt64, 1}, 2},
		{[]float64{nan, nan, 4}, []int64{1 << 40, -1 << 40, 1}, 4},
	}
	for _, c := range cases {
		a := floatAcc(c.values, c.weights)
		v, _ := a.result([]uint32{0})
		if got := v.Value(0).F; math.Float64bits(got) != math.Float64bits(c.want) && !(got != got && c.want != c.want) {
			t.Errorf("%v times %v is %v, want %v", c.values, c.weights, got, c.want)
		}
	}
}

func TestFloatSumIsExactAndForgets(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 9))
	for round := range 400 {
		a := &floatSumAcc{}
		a.grow(1)
		var values []float64
		var at []int
		var weights []int64
		for i := range 1 + r.IntN(60) {
			x := math.Float64frombits(r.Uint64())
			if round%3 == 0 || x-x != 0 {
				x = r.NormFloat64() * math.Pow(10, float64(r.IntN(40)-20))
			}
			values, at = append(values, x), append(at, i)
			weights = append(weights, int64(r.IntN(9)-4)*int64(1+r.IntN(1<<30)*r.IntN(2)))
			a.add(0, x, weights[i])
		}
		v := row.FromValues(row.T(row.Float64), values, nil)
		if got, want := a.value(0, a.sums.At(0)), exactSum(&v, at, weights); math.Float64bits(got) != math.Float64bits(want) && got != want {
			t.Fatalf("%v times %v is %v, want %v", values, weights, got, want)
		}
		for _, i := range r.Perm(len(values)) {
			a.add(0, values[i], -weights[i])
		}
		if s := a.sums.At(0); s.used != 0 || s.wide || s.n != 0 || len(a.wide) != 0 {
			t.Fatalf("something is left: %+v", s)
		}
	}
}

func TestResetForgets(t *testing.T) {
	a := floatAcc([]float64{1e308, 1, 1e-300, math.NaN()}, []int64{3, 1, 1, 1})
	a.reset(0)
	if *a.sums.At(0) != (floatSum{}) || len(a.wide) != 0 {
		t.Error("something is left")
	}
}
