package dataflow

import (
	"math"
	"math/bits"

	"github.com/tidemill/tidemill/internal/dataflow/scalar"
	"github.com/tidemill/tidemill/internal/dataflow/state"
	"github.com/tidemill/tidemill/internal/row"
)

// timeMeanAcc is avg over TIME, TIMESTAMP and TIMESTAMPTZ: the mean of the microseconds, rounded as DuckDB does.
type timeMeanAcc struct{ intSumAcc }

func (a *timeMeanAcc) result(groups []uint32) (row.Vec, []scalar.RowError) {
	b := row.NewBuilder(a.typ, len(groups))
	for _, g := range groups {
		if s := a.sums.At(g); s.n <= 0 {
			b.AppendNull()
		} else {
			b.AppendInt(s.roundedMean())
		}
	}
	return b.Finish(), nil
}

// roundedMean is the mean of 64-bit integers without its sign, rounded up if what is left of the division is more than half the number, cut to an integer.
func (s *wideSum) roundedMean() int64 {
	v := *s
	neg := v.hi < 0
	if neg {
		v.negate()
	}
	mean, rest := bits.Div64(v.mid, v.lo, uint64(v.n))
	if rest > uint64(v.n/2) {
		mean++
	}
	if neg {
		return -int64(mean)
	}
	return int64(mean)
}

// intervalMeanAcc is avg over INTERVAL: months, days and microseconds on their own, what is left of months going into days and what is
// left of days into microseconds.
type intervalMeanAcc struct{ sums state.Array[[3]wideSum] }

func (a *intervalMeanAcc) grow(n uint32) { a.sums.Grow(n) }

func (a *intervalMeanAcc) update(groups []uint32, weights []int64, args []row.Vec) {
	for k, iv := range row.Values[row.IntervalValue](&args[0]) {
		s := a.sums.At(groups[k])
		w := weight(weights, k)
		for i, x := range [3]int64{int64(iv.Months), int64(iv.Days), iv.Micros} {
			s[i].add(uint64(x), x>>63, w)
		}
	}
}

func (a *intervalMeanAcc) result(groups []uint32) (row.Vec, []scalar.RowError) {
	b := row.NewBuilder(row.T(row.Interval), len(groups))
	var errs []scalar.RowError
	for k, g := range groups {
		s := a.sums.At(g)
		n := s[0].n
		if n == 0 {
			b.AppendNull()
			continue
		}
		iv, ok := meanInterval(s, n)
		if !ok {
			errs = append(errs, scalar.RowError{Row: int32(k), Message: "Out of Range Error: overflow in avg of INTERVAL"})
			b.AppendNull()
			continue
		}
		b.AppendInterval(iv)
	}
	return b.Finish(), errs
}

func meanInterval(s *[3]wideSum, n int64) (row.IntervalValue, bool) {
	for i, limit := range [3]int64{math.MaxInt32, math.MaxInt32, math.MaxInt64} {
		if x := int64(s[i].lo); !s[i].fits128() || int64(s[i].mid) != x>>63 || x > limit || x < -limit-1 {
			return row.IntervalValue{}, false
		}
	}
	months, days, micros := int64(s[0].lo), int64(s[1].lo), int64(s[2].lo)
	const daysPerMonth, microsPerDay = 30, 24 * 60 * 60 * 1_000_000
	monthsLeft := months % n * daysPerMonth
	// DuckDB adds the remainders of the microseconds to those of the days after these were divided.
	daysLeft := row.Int128FromInt64(days%n + monthsLeft%n)
	carried, ok := daysLeft.Mul(row.Int128FromInt64(microsPerDay))
	if !ok {
		return row.IntervalValue{}, false
	}
	shifted, ok := carried.Div(row.Int128FromInt64(n))
	if !ok {
		return row.IntervalValue{}, false
	}
	return row.IntervalValue{Months: int32(months / n), Days: int32(days/n + monthsLeft/n), Micros: micros/n + micros%n + int64(shifted.Lo)}, true
}

func (a *intervalMeanAcc) reset(group uint32) { *a.sums.At(group) = [3]wideSum{} }
func (a *intervalMeanAcc) bytes() int64       { return a.sums.Bytes() }

func (a *intervalMeanAcc) persist(k *state.Keeper) { a.sums.Keep(k) }
