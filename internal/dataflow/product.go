package dataflow

import (
	"math"

	"github.com/tidemill/tidemill/internal/dataflow/scalar"
	"github.com/tidemill/tidemill/internal/dataflow/state"
	"github.com/tidemill/tidemill/internal/row"
)

// productAcc is product. A group's product is kept to 106 bits with an exponent of its own, without the zeros and what is not finite, which are counted:
// so what was multiplied can be divided out. A change leaves an error of 2⁻¹⁰⁰ of the product; it would take 10²⁰ changes for it to be seen.
type productAcc struct{ products state.Array[productState] }

type productState struct {
	value                      twoFloat // 0.5 to 1 in size; 0 for 1, the product of nothing
	exp                        int64
	n, zeros, negatives, large int64
	nan                        int64
}

func (a *productAcc) grow(n uint32) { a.products.Grow(n) }

func (a *productAcc) update(groups []uint32, weights []int64, args []row.Vec) {
	for k, x := range row.Values[float64](&args[0]) {
		a.products.At(groups[k]).add(x, weight(weights, k))
	}
}

func (p *productState) add(x float64, w int64) {
	p.n += w
	if math.Signbit(x) {
		p.negatives += w
	}
	switch {
	case x != x:
		p.nan += w
	case x == 0:
		p.zeros += w
	case math.IsInf(x, 0):
		p.large += w
	default:
		p.multiply(math.Abs(x), w)
	}
}

func (p *productState) multiply(x float64, w int64) {
	if p.value.hi == 0 {
		p.value, p.exp = twoFloat{0.5, 0}, 1
	}
	frac, e := math.Frexp(x)
	times := uint64(w)
	if w < 0 {
		times = -times
	}
	by, exp := power(frac, times)
	exp += int64(e) * int64(times)
	if w < 0 {
		by, exp = by.inverse(), -exp
	}
	value, extra := p.value.times(by).normal()
	p.value, p.exp = value, p.exp+exp+extra
}

// inverse is 1 ÷ x.
func (x twoFloat) inverse() twoFloat {
	q := 1 / x.hi
	rest := twoFloat{1, 0}.minus(x.timesFloat(q))
	return quickSum(q, rest.hi/x.hi)
}

func (p *productState) result() float64 {
	f := 1.0
	switch {
	case p.nan != 0 || (p.large != 0 && p.zeros != 0):
		return math.NaN()
	case p.large != 0:
		f = math.Inf(1)
	case p.zeros != 0:
		f = 0
	case p.value.hi != 0:
		f = math.Ldexp(p.value.hi+p.value.lo, int(max(min(p.exp, 1<<20), -1<<20)))
	}
	if p.negatives&1 != 0 {
		return -f
	}
	return f
}

func (a *productAcc) result(groups []uint32) (row.Vec, []scalar.RowError) {
	b := row.NewBuilder(row.T(row.Float64), len(groups))
	for _, g := range groups {
		if p := a.products.At(g); p.n == 0 {
			*p = productState{} // what is left of the factors that went is 1, but for its last digit
			b.AppendNull()
		} else {
			b.AppendFloat(p.result())
		}
	}
	return b.Finish(), nil
}

func (a *productAcc) reset(group uint32) { *a.products.At(group) = productState{} }
func (a *productAcc) bytes() int64       { return a.products.Bytes() }

func (a *productAcc) persist(k *state.Keeper) { a.products.Keep(k) }

// argumentAcc hands one of several arguments to an accumulator. All of them are there, not null.
type argumentAcc struct {
	accumulator
	arg int
}

func (a *argumentAcc) update(groups []uint32, weights []int64, args []row.Vec) {
	a.accumulator.update(groups, weights, args[a.arg:a.arg+1])
}

// compensatedAcc is fsum and favg, DuckDB's sums after Kahan: the exact sum, but nothing that is not finite.
type compensatedAcc struct{ floatSumAcc }

func (a *compensatedAcc) result(groups []uint32) (row.Vec, []scalar.RowError) {
	v, errs := a.floatSumAcc.result(groups)
	out := row.Values[float64](&v)
	for k, f := range out {
		if f-f != 0 {
			out[k] = math.NaN()
		}
	}
	return v, errs
}
