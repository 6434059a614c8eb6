package dataflow

import (
	"math"
	"math/bits"

	"github.com/tidemill/tidemill/internal/dataflow/scalar"
	"github.com/tidemill/tidemill/internal/dataflow/state"
	"github.com/tidemill/tidemill/internal/row"
)

func weight(weights []int64, k int) int64 {
	if weights == nil {
		return 1
	}
	return weights[k]
}

// countAcc is count(*), count(x) and regr_count.
type countAcc struct {
	n   state.Array[int64]
	typ row.Type // BIGINT if it is the zero Type
}

func (a *countAcc) grow(n uint32) { a.n.Grow(n) }

func (a *countAcc) update(groups []uint32, weights []int64, _ []row.Vec) {
	if weights == nil {
		for _, g := range groups {
			*a.n.At(g)++
		}
		return
	}
	for k, g := range groups {
		*a.n.At(g) += weights[k]
	}
}

func (a *countAcc) result(groups []uint32) (row.Vec, []scalar.RowError) {
	out := make([]int64, len(groups))
	for k, g := range groups {
		out[k] = *a.n.Peek(g)
	}
	if a.typ.Kind == row.Uint32 {
		b := row.NewBuilder(a.typ, len(out))
		for _, n := range out {
			b.AppendInt(n)
		}
		return b.Finish(), nil
	}
	return row.FromValues(row.T(row.Int64), out, nil), nil
}

func (a *countAcc) reset(group uint32) { *a.n.At(group) = 0 }
func (a *countAcc) bytes() int64       { return a.n.Bytes() }

func (a *countAcc) persist(k *state.Keeper) { a.n.Keep(k) }

// boolAcc counts true and false: bool_and, bool_or, count_if.
type boolAcc struct {
	name string
	n    state.Array[[2]int64] // false, true
}

func (a *boolAcc) grow(n uint32) { a.n.Grow(n) }

func (a *boolAcc) update(groups []uint32, weights []int64, args []row.Vec) {
	for k, g := range groups {
		a.n.At(g)[args[0].Data[k]&1] += weight(weights, k)
	}
}

func (a *boolAcc) result(groups []uint32) (row.Vec, []scalar.RowError) {
	typ := row.T(row.Bool)
	if a.name == "count_if" {
		typ = row.T(row.Int128)
	}
	b := row.NewBuilder(typ, len(groups))
	for _, g := range groups {
		no, yes := a.n.Peek(g)[0], a.n.Peek(g)[1]
		switch {
		case no == 0 && yes == 0: // count_if too: DuckDB counts nothing as null
			b.AppendNull()
		case a.name == "count_if":
			b.AppendInt(yes)
		case a.name == "bool_and":
			b.AppendBool(no == 0)
		default:
			b.AppendBool(yes > 0)
		}
	}
	return b.Finish(), nil
}

func (a *boolAcc) reset(group uint32) { *a.n.At(group) = [2]int64{} }
func (a *boolAcc) bytes() int64       { return a.n.Bytes() }

func (a *boolAcc) persist(k *state.Keeper) { a.n.Keep(k) }

// wideSum is a sum of integers that cannot overflow: 192 bits, and the number of values.
type wideSum struct {
	lo, mid uint64
	hi, n   int64
}

func (s *wideSum) add(lo uint64, hi int64, w int64) {
	if w != 1 {
		s.addScaled(lo, hi, w)
		return
	}
	var c uint64
	s.lo, c = bits.Add64(s.lo, lo, 0)
	s.mid, c = bits.Add64(s.mid, uint64(hi), c)
	s.hi += hi>>63 + int64(c)
	s.n++
}

func (s *wideSum) addScaled(lo uint64, hi int64, w int64) {
	one := wideSum{}
	neg, times := w < 0, uint64(w)
	if neg {
		times = -times
	}
	h1, l1 := bits.Mul64(lo, times)
	h2, l2 := bits.Mul64(uint64(hi), times)
	var c uint64
	one.lo = l1
	one.mid, c = bits.Add64(h1, l2, 0)
	one.hi = int64(h2 + c)
	if hi < 0 {
		one.hi -= int64(times)
	}
	if neg {
		one.negate()
	}
	s.lo, c = bits.Add64(s.lo, one.lo, 0)
	s.mid, c = bits.Add64(s.mid, one.mid, c)
	s.hi += one.hi + int64(c)
	s.n += w
}

func (s *wideSum) negate() {
	var c uint64
	s.lo, c = bits.Add64(^s.lo, 1, 0)
	s.mid, c = bits.Add64(^s.mid, 0, c)
	s.hi = ^s.hi + int64(c)
}

func (s *wideSum) fits128() bool { return s.hi == int64(s.mid)>>63 }

func (s *wideSum) float() float64 {
	v := *s
	neg := v.hi < 0
	if neg {
		v.negate()
	}
	f := math.Ldexp(float64(uint64(v.hi)), 128) + math.Ldexp(float64(v.mid), 64) + float64(v.lo)
	if neg {
		return -f
	}
	return f
}

// intSumAcc is sum and avg over integers and decimals.
type intSumAcc struct {
	sums  state.Array[wideSum]
	typ   row.Type
	avg   bool
	scale float64 // of a decimal's avg: the power of ten to divide by
}

func (a *intSumAcc) grow(n uint32) { a.sums.Grow(n) }

func (a *intSumAcc) update(groups []uint32, weights []int64, args []row.Vec) {
	v := &args[0]
	switch v.Type.Phys() {
	case row.PhysBool, row.PhysUint8:
		addInts(a, groups, weights, row.Values[uint8](v))
	case row.PhysInt8:
		addInts(a, groups, weights, row.Values[int8](v))
	case row.PhysInt16:
		addInts(a, groups, weights, row.Values[int16](v))
	case row.PhysUint16:
		addInts(a, groups, weights, row.Values[uint16](v))
	case row.PhysInt32:
		addInts(a, groups, weights, row.Values[int32](v))
	case row.PhysUint32:
		addInts(a, groups, weights, row.Values[uint32](v))
	case row.PhysInt64:
		addInts(a, groups, weights, row.Values[int64](v))
	case row.PhysUint64:
		for k, x := range row.Values[uint64](v) {
			a.sums.At(groups[k]).add(x, 0, weight(weights, k))
		}
	default:
		for k, x := range row.Values[row.Int128Value](v) {
			a.sums.At(groups[k]).add(x.Lo, x.Hi, weight(weights, k))
		}
	}
}

func addInts[T int8 | int16 | int32 | int64 | uint8 | uint16 | uint32](a *intSumAcc, groups []uint32, weights []int64, vals []T) {
	if weights == nil {
		for k, g := range groups {
			x := int64(vals[k])
			a.sums.At(g).add(uint64(x), x>>63, 1)
		}
		return
	}
	for k, g := range groups {
		x := int64(vals[k])
		a.sums.At(g).add(uint64(x), x>>63, weights[k])
	}
}

func (a *intSumAcc) result(groups []uint32) (row.Vec, []scalar.RowError) {
	b := row.NewBuilder(a.typ, len(groups))
	var errs []scalar.RowError
	for k, g := range groups {
		s := a.sums.At(g)
		switch {
		case s.n == 0:
			b.AppendNull()
		case a.avg:
			b.AppendFloat(s.float() / a.scale / float64(s.n))
		case !s.fits128() || (a.typ.Phys() != row.PhysInt128 && int64(s.mid) != int64(s.lo)>>63):
			errs = append(errs, scalar.RowError{Row: int32(k), Message: "Out of Range Error: overflow in sum"})
			b.AppendNull()
		case a.typ.Phys() == row.PhysInt128:
			b.AppendInt128(row.Int128Value{Lo: s.lo, Hi: int64(s.mid)})
		default:
			b.AppendInt(int64(s.lo))
		}
	}
	return b.Finish(), errs
}

func (a *intSumAcc) reset(group uint32) { *a.sums.At(group) = wideSum{} }
func (a *intSumAcc) bytes() int64       { return a.sums.Bytes() }

func (a *intSumAcc) persist(k *state.Keeper) { a.sums.Keep(k) }
