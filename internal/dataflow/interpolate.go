package dataflow

import (
	"math"
	"sort"

	"github.com/tidemill/tidemill/internal/row"
)

// interpolated appends the continuous quantile: between the two values that surround the place (n-1)q, as DuckDB computes it in each type.
func (a *quantileAcc) interpolated(b *row.Builder, g uint32, n int64, q float64) {
	place := float64(n-1) * q
	lo, hi := math.Floor(place), math.Ceil(place)
	from := a.at(g, int64(lo))
	to := from
	if hi != lo {
		to = a.at(g, int64(hi))
	}
	b.AppendValue(between(a.elem, from, place-lo, to, lo == hi))
}

// between is the value at the fraction d of the way from lo to hi, in type t.
func between(t row.Type, lo row.Value, d float64, hi row.Value, exact bool) row.Value {
	switch {
	case t.Kind == row.Float64 || t.Kind == row.Float32:
		return floatBetween(t, floatOf(lo), d, floatOf(hi), exact)
	case exact && lo.Type.Kind != row.Date:
		return lo
	case t.Phys() == row.PhysInt128:
		x := floatBetween(row.T(row.Float64), floatOf(lo), d, floatOf(hi), false).F
		v, _ := row.Int128FromFloat64(x)
		return row.Value{Type: t, I: int64(v.Lo), H: v.Hi}
	case t.Kind == row.Decimal:
		return row.IntValue(t, lo.I+int64(float64(hi.I-lo.I)*d))
	}
	return row.IntValue(t, timeBetween(microsOf(lo), d, microsOf(hi), exact))
}

func floatBetween(t row.Type, lo, d, hi float64, exact bool) row.Value {
	v := row.Value{Type: t, F: lo}
	if !exact {
		v.F = float64(lo*(1-d)) + float64(hi*d)
	}
	return v
}

func timeBetween(lo int64, d float64, hi int64, exact bool) int64 {
	if exact {
		return lo
	}
	f := math.Round(float64(float64(lo)*(1-d)) + float64(float64(hi)*d))
	switch {
	case f >= math.MaxInt64:
		return math.MaxInt64
	case f <= math.MinInt64:
		return math.MinInt64
	}
	return int64(f)
}

// microsOf is a time, timestamp or date in microseconds.
func microsOf(v row.Value) int64 {
	if v.Type.Kind != row.Date {
		return v.I
	}
	switch v.I {
	case math.MaxInt32:
		return math.MaxInt64
	case -math.MaxInt32:
		return -math.MaxInt64
	}
	return v.I * 24 * 60 * 60 * 1_000_000
}

// deviation appends the median absolute deviation: the median of the distances from the median. The values below the median, read backwards, and those
// from it on are two ordered lists of distances, in which the place is found by bisection.
func (a *quantileAcc) deviation(b *row.Builder, g uint32, n int64) {
	place := float64(n-1) / 2
	lo, hi := int64(math.Floor(place)), int64(math.Ceil(place))
	elem := a.elem
	middle := elem
	if elem.Kind == row.Interval {
		middle = row.T(row.Timestamp)
	}
	m := between(middle, a.at(g, lo), place-float64(lo), a.at(g, hi), lo == hi)
	split := int64(sort.Search(int(n), func(i int) bool { return !a.below(a.at(g, int64(i)), m) }))
	distance := func(k int64) row.Value {
		return nthSmallest(k, split, n-split,
			func(i int64) row.Value { return a.distance(a.at(g, split-1-i), m) },
			func(i int64) row.Value { return a.distance(a.at(g, split+i), m) })
	}
	from := distance(lo)
	to := from
	if lo != hi {
		to = distance(hi)
	}
	v := between(middle, from, place-float64(lo), to, lo == hi)
	if elem.Kind == row.Interval {
		const day = 24 * 60 * 60 * 1_000_000
		b.AppendInterval(row.IntervalValue{Days: int32(v.I / day), Micros: v.I % day})
		return
	}
	b.AppendValue(v)
}

func (a *quantileAcc) below(x, m row.Value) bool {
	switch {
	case a.elem.Kind == row.Float64 || a.elem.Kind == row.Float32:
		return row.CompareFloats(x.F, m.F) < 0
	case a.elem.Kind == row.Interval:
		return microsOf(x) < m.I
	}
	return int128Of(x).Compare(int128Of(m)) < 0
}

func int128Of(v row.Value) row.Int128Value { return row.Int128Value{Lo: uint64(v.I), Hi: v.H} }

// distance is |x - m|, at most the largest of the type.
func (a *quantileAcc) distance(x, m row.Value) row.Value {
	switch {
	case a.elem.Kind == row.Float64:
		return row.Value{Type: a.elem, F: math.Abs(x.F - m.F)}
	case a.elem.Kind == row.Float32:
		return row.Value{Type: a.elem, F: math.Abs(float64(float32(x.F) - float32(m.F)))}
	case a.elem.Kind == row.Interval:
		x = row.IntValue(m.Type, microsOf(x))
	}
	d, ok := int128Of(x).Sub(int128Of(m))
	if ok && d.Sign() < 0 {
		d, ok = d.Neg()
	}
	lo, hi := integerRange(m.Type)
	if !ok || d.Compare(hi) > 0 || d.Compare(lo) < 0 {
		d = hi
	}
	return row.Value{Type: m.Type, I: int64(d.Lo), H: d.Hi}
}

// nthSmallest returns the value at place k of two ascending lists of p and q values put together.
func nthSmallest(k, p, q int64, left, right func(int64) row.Value) row.Value {
	least, most := max(0, k-q), min(k, p)
	i := least + int64(sort.Search(int(most-least), func(d int) bool {
		i := least + int64(d)
		return k-i == 0 || !lessValue(left(i), right(k-i-1))
	}))
	switch {
	case i == p:
		return right(k - i)
	case k-i == q:
		return left(i)
	}
	if l, r := left(i), right(k-i); lessValue(l, r) {
		return l
	} else {
		return r
	}
}

func lessValue(x, y row.Value) bool {
	if k := x.Type.Kind; k == row.Float64 || k == row.Float32 {
		return row.CompareFloats(x.F, y.F) < 0
	}
	return int128Of(x).Compare(int128Of(y)) < 0
}
