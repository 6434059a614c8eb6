package dataflow

import (
	"maps"
	"slices"

	"math"

	"github.com/tidemill/tidemill/internal/dataflow/scalar"
	"github.com/tidemill/tidemill/internal/dataflow/state"
	"github.com/tidemill/tidemill/internal/row"
)

// floatSum is an exact sum of floats: what was added can be taken out again without a residue, and the result does not depend
// on the order. It is a sum of parts that do not overlap (Shewchuk, "Adaptive Precision Floating-Point Arithmetic", 1997), nearly
// always one or two; sums that need more than fit here have them in the accumulator's map. Values that are not finite are counted.
type floatSum struct {
	parts              [floatParts]float64 // by growing size
	used               uint8
	wide               bool
	n                  int64
	nan, posInf, negIn int64
}

const floatParts = 3

// wideFloat holds the parts of a sum that has many of them, or values so large that adding could overflow.
type wideFloat struct {
	small []float64
	huge  []float64 // times 2^-hugeShift
}

const (
	hugeFrom  = 0x1p960
	hugeShift = 128
)

// addPart adds x to parts, exactly. No number may come near the largest float.
func addPart(parts []float64, x float64) []float64 {
	i := 0
	for _, y := range parts {
		if math.Abs(x) < math.Abs(y) {
			x, y = y, x
		}
		hi := x + y
		if lo := y - (hi - x); lo != 0 {
			parts[i] = lo
			i++
		}
		x = hi
	}
	if x == 0 {
		return parts[:i]
	}
	return append(parts[:i], x)
}

// addProduct adds x*w to parts, exactly.
func addProduct(parts []float64, x float64, w int64) []float64 {
	const exact = 1 << 53
	switch {
	case w == 1:
		return addPart(parts, x)
	case w == -1:
		return addPart(parts, -x)
	case w >= exact || w <= -exact:
		low := w & (1<<32 - 1)
		return addProduct(addProduct(parts, x, low), x*(1<<32), w>>32)
	}
	f := float64(w)
	p := x * f
	if e := math.FMA(x, f, -p); e != 0 {
		parts = addPart(parts, e)
	}
	return addPart(parts, p)
}

// roundParts returns the float nearest to the sum of the parts, ties to even.
func roundParts(parts []float64) float64 {
	n := len(parts)
	if n == 0 {
		return 0
	}
	n--
	hi, lo := parts[n], 0.0
	for n > 0 && lo == 0 {
		n--
		x := hi
		hi = x + parts[n]
		lo = parts[n] - (hi - x)
	}
	if n > 0 && (lo < 0) == (parts[n-1] < 0) { // lo looks like half a unit, and more is below it
		if y := lo * 2; hi+y-hi == y {
			hi += y
		}
	}
	return hi
}

func (w *wideFloat) value() float64 {
	if len(w.huge) == 0 {
		return roundParts(w.small)
	}
	all := append([]float64(nil), w.huge...)
	for _, x := range w.small {
		all = addPart(all, math.Ldexp(x, -hugeShift))
	}
	return math.Ldexp(roundParts(all), hugeShift)
}

// floatSumAcc is sum and avg over FLOAT and DOUBLE.
type floatSumAcc struct {
	sums state.Array[floatSum]
	wide map[uint32]*wideFloat
	avg  bool
}

func (a *floatSumAcc) grow(n uint32) { a.sums.Grow(n) }

func (a *floatSumAcc) update(groups []uint32, weights []int64, args []row.Vec) {
	if args[0].Type.Kind == row.Float32 {
		for k, x := range row.Values[float32](&args[0]) {
			a.add(groups[k], float64(x), weight(weights, k))
		}
		return
	}
	for k, x := range row.Values[float64](&args[0]) {
		a.add(groups[k], x, weight(weights, k))
	}
}

func (a *floatSumAcc) add(g uint32, x float64, w int64) {
	s := a.sums.At(g)
	s.n += w
	if x-x != 0 { // NaN or infinite
		s.addSpecial(x, w)
		return
	}
	if s.wide || x >= hugeFrom || x <= -hugeFrom {
		a.addWide(g, s, x, w)
		return
	}
	var room [floatParts + 2]float64
	copy(room[:], s.parts[:s.used])
	if parts := addProduct(room[:s.used], x, w); len(parts) <= floatParts {
		copy(s.parts[:], parts)
		s.used = uint8(len(parts))
		return
	}
	a.addWide(g, s, x, w)
}

// addWide adds to a sum whose parts are in the map, or go there now, and takes them back when they fit again.
func (a *floatSumAcc) addWide(g uint32, s *floatSum, x float64, w int64) {
	wide := a.wide[g]
	if wide == nil {
		if a.wide == nil {
			a.wide = map[uint32]*wideFloat{}
		}
		wide = &wideFloat{small: append([]float64(nil), s.parts[:s.used]...)}
		a.wide[g], s.wide = wide, true
	}
	if math.Abs(x) >= hugeFrom {
		wide.huge = addProduct(wide.huge, math.Ldexp(x, -hugeShift), w)
	} else {
		wide.small = addProduct(wide.small, x, w)
	}
	if len(wide.huge) == 0 && len(wide.small) <= floatParts {
		s.used, s.wide = uint8(copy(s.parts[:], wide.small)), false
		delete(a.wide, g)
	}
}

func (s *floatSum) addSpecial(x float64, w int64) {
	switch {
	case x != x:
		s.nan += w
	case x > 0:
		s.posInf += w
	default:
		s.negIn += w
	}
}

func (a *floatSumAcc) value(g uint32, s *floatSum) float64 {
	switch {
	case s.nan != 0 || (s.posInf != 0 && s.negIn != 0):
		return math.NaN()
	case s.posInf != 0:
		return math.Inf(1)
	case s.negIn != 0:
		return math.Inf(-1)
	case s.wide:
		return a.wide[g].value()
	}
	return roundParts(s.parts[:s.used])
}

func (a *floatSumAcc) result(groups []uint32) (row.Vec, []scalar.RowError) {
	b := row.NewBuilder(row.T(row.Float64), len(groups))
	for _, g := range groups {
		s := a.sums.Peek(g)
		switch {
		case s.n == 0:
			b.AppendNull()
		case a.avg:
			b.AppendFloat(a.value(g, s) / float64(s.n))
		default:
			b.AppendFloat(a.value(g, s))
		}
	}
	return b.Finish(), nil
}

func (a *floatSumAcc) reset(group uint32) {
	*a.sums.At(group) = floatSum{}
	delete(a.wide, group)
}

// wideBytes is roughly what an entry of the map takes.
const wideBytes = 160

func (a *floatSumAcc) bytes() int64 { return a.sums.Bytes() + int64(len(a.wide))*wideBytes }

func (a *floatSumAcc) persist(k *state.Keeper) {
	a.sums.Keep(k)
	keepMap(k, &a.wide, func(g uint32, w *wideFloat) *wideFloat {
		if w == nil {
			w = &wideFloat{}
		}
		keepFloats(k, &w.small)
		keepFloats(k, &w.huge)
		return w
	})
}

// keepMap saves or loads the entries of a map; entry saves one, or loads it if it is given the zero value.
func keepMap[T any](k *state.Keeper, m *map[uint32]T, entry func(group uint32, v T) T) {
	groups := slices.Sorted(maps.Keys(*m))
	n := uint32(len(groups))
	state.Keep(k, &n)
	for i := uint32(0); i < n && k.Err() == nil; i++ {
		var g uint32
		if !k.Loading() {
			g = groups[i]
		}
		state.Keep(k, &g)
		v := entry(g, (*m)[g])
		if !k.Loading() {
			continue
		}
		if *m == nil {
			*m = map[uint32]T{}
		}
		(*m)[g] = v
	}
}

func keepFloats(k *state.Keeper, fs *[]float64) {
	n := uint32(len(*fs))
	state.Keep(k, &n)
	for i := uint32(0); i < n && k.Err() == nil; i++ {
		if k.Loading() {
			*fs = append(*fs, 0)
		}
		bits := int64(math.Float64bits((*fs)[i]))
		state.Keep(k, &bits)
		(*fs)[i] = math.Float64frombits(uint64(bits))
	}
}
