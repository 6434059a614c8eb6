package dataflow

import (
	"math"
	"math/big"

	"github.com/tidemill/tidemill/internal/dataflow/scalar"
	"github.com/tidemill/tidemill/internal/dataflow/state"
	"github.com/tidemill/tidemill/internal/row"
)

// momentsAcc is the aggregates that are made of sums of powers and products of one or two DOUBLE columns: variances, covariances, regressions,
// skewness and kurtosis. The sums are exact, so that what is retracted leaves nothing behind, and they are subtracted from each other with
// enough digits: the result is what the values say, however far they lie from zero.
type momentsAcc struct {
	name   string
	cols   []int // the arguments that are read: x, or x and y
	terms  []momentTerm
	counts state.Array[momentCount]
	sums   []state.Array[partSum]
	wide   map[uint32][]*big.Float
	limit  float64 // absolute values other than 0 between 1/limit and limit keep every sum and every product of sums in range
}

// momentTerm is x^px * y^py.
type momentTerm struct{ px, py int }

// momentCount is the number of values of a group, and how many of x and of y are not finite.
type momentCount struct{ n, strangeX, strangeY int64 }

// partSum is a sum of parts that do not overlap, as in floatSum.
type partSum struct {
	parts [partSumParts]float64
	used  uint8
}

const partSumParts = 6

// wideBits holds sums of the fourth powers of any floats exactly.
const wideBits = 9216

func (s *partSum) add(x float64, w int64) bool {
	if x == 0 {
		return true
	}
	var room [partSumParts + 2]float64
	copy(room[:], s.parts[:s.used])
	parts := addProduct(room[:s.used], x, w)
	if len(parts) > partSumParts {
		return false
	}
	s.used = uint8(copy(s.parts[:], parts))
	return true
}

// product splits x*y into two floats whose sum it is.
func product(x, y float64) (hi, lo float64) {
	hi = x * y
	return hi, math.FMA(x, y, -hi)
}

// addTerm adds w times the term's value to s.
func (t momentTerm) addTerm(s *partSum, x, y float64, w int64) bool {
	switch {
	case t.px == 1 && t.py == 0:
		return s.add(x, w)
	case t.px == 0 && t.py == 1:
		return s.add(y, w)
	case t.px == 1 && t.py == 1:
		hi, lo := product(x, y)
		return s.add(lo, w) && s.add(hi, w)
	case t.py == 2:
		x = y
	}
	hi, lo := product(x, x)
	switch t.px + t.py {
	case 2:
		return s.add(lo, w) && s.add(hi, w)
	case 3:
		a, b := product(hi, x)
		c, d := product(lo, x)
		return s.add(d, w) && s.add(c, w) && s.add(b, w) && s.add(a, w)
	default:
		a, b := product(hi, hi)
		c, d := product(2*hi, lo)
		e, f := product(lo, lo)
		return s.add(f, w) && s.add(e, w) && s.add(d, w) && s.add(c, w) && s.add(b, w) && s.add(a, w)
	}
}

func newMomentsAcc(name string, cols []int, terms []momentTerm) *momentsAcc {
	a := &momentsAcc{name: name, cols: cols, terms: terms, limit: 0x1p200, sums: make([]state.Array[partSum], len(terms))}
	for _, t := range terms {
		if t.px+t.py > 2 {
			a.limit = 0x1p100
		}
	}
	return a
}

func (a *momentsAcc) grow(n uint32) {
	a.counts.Grow(n)
	for i := range a.sums {
		a.sums[i].Grow(n)
	}
}

func (a *momentsAcc) update(groups []uint32, weights []int64, args []row.Vec) {
	xs := row.Values[float64](&args[a.cols[0]])
	ys := xs
	if len(a.cols) > 1 {
		ys = row.Values[float64](&args[a.cols[1]])
	}
	for k, g := range groups {
		a.add(g, xs[k], ys[k], weight(weights, k))
	}
}

func (a *momentsAcc) add(g uint32, x, y float64, w int64) {
	c := a.counts.At(g)
	c.n += w
	oddX, oddY := x-x != 0, y-y != 0
	if oddX || oddY {
		if oddX {
			c.strangeX += w
		}
		if oddY {
			c.strangeY += w
		}
		return
	}
	if a.wide[g] == nil && a.tame(x) && a.tame(y) {
		var room [5]partSum
		done := true
		for i, t := range a.terms {
			room[i] = *a.sums[i].Peek(g)
			done = done && t.addTerm(&room[i], x, y, w)
		}
		if done {
			for i := range a.terms {
				*a.sums[i].At(g) = room[i]
			}
			return
		}
	}
	a.addWide(g, x, y, w)
}

func (a *momentsAcc) tame(x float64) bool {
	x = math.Abs(x)
	return x == 0 || x <= a.limit && x*a.limit >= 1
}

func bigFloat(x float64) *big.Float { return new(big.Float).SetPrec(wideBits).SetFloat64(x) }

// addWide adds to a group whose sums do not fit in parts.
func (a *momentsAcc) addWide(g uint32, x, y float64, w int64) {
	if a.wide == nil {
		a.wide = map[uint32][]*big.Float{}
	}
	sums := a.wide[g]
	if sums == nil {
		for i := range a.terms {
			sums = append(sums, a.sums[i].At(g).big())
			*a.sums[i].At(g) = partSum{}
		}
		a.wide[g] = sums
	}
	for i, t := range a.terms {
		p := new(big.Float).SetPrec(wideBits).SetInt64(w)
		for range t.px {
			p.Mul(p, bigFloat(x))
		}
		for range t.py {
			p.Mul(p, bigFloat(y))
		}
		sums[i].Add(sums[i], p)
	}
}

func (s *partSum) big() *big.Float {
	out := bigFloat(0)
	for _, p := range s.parts[:s.used] {
		out.Add(out, bigFloat(p))
	}
	return out
}

// bigSum is the sum of term i exactly.
func (a *momentsAcc) bigSum(g uint32, i int) *big.Float {
	if w := a.wide[g]; w != nil {
		return w[i]
	}
	return a.sums[i].At(g).big()
}

// central is Σ(u-ū)(v-v̄) of a group, where term uv is the sum of the products and u and v are the terms of the sums.
func (a *momentsAcc) central(g uint32, n int64, uv, u, v int) float64 {
	if a.wide[g] == nil {
		whole := twoOf(a.sums[uv].At(g)).timesFloat(float64(n))
		rest := whole.minus(twoOf(a.sums[u].At(g)).times(twoOf(a.sums[v].At(g))))
		if math.Abs(rest.hi) >= 0x1p-45*math.Abs(whole.hi) && n < 1<<53 {
			return rest.hi / float64(n)
		}
	}
	count := new(big.Float).SetPrec(wideBits).SetInt64(n)
	d := new(big.Float).SetPrec(wideBits).Mul(a.bigSum(g, u), a.bigSum(g, v))
	d.Sub(new(big.Float).SetPrec(wideBits).Mul(a.bigSum(g, uv), count), d)
	f, _ := new(big.Float).SetPrec(64).Quo(d, count).Float64()
	return f
}

func (a *momentsAcc) mean(g uint32, n int64, u int) float64 {
	count := new(big.Float).SetPrec(wideBits).SetInt64(n)
	f, _ := new(big.Float).SetPrec(64).Quo(a.bigSum(g, u), count).Float64()
	return f
}

func twoOf(s *partSum) twoFloat {
	t := twoFloat{}
	for _, p := range s.parts[:s.used] {
		t = t.plusFloat(p)
	}
	return t
}

func (a *momentsAcc) result(groups []uint32) (row.Vec, []scalar.RowError) {
	b := row.NewBuilder(row.T(row.Float64), len(groups))
	var errs []scalar.RowError
	for k, g := range groups {
		c := *a.counts.Peek(g)
		if c.n == 0 {
			delete(a.wide, g) // nothing is left
		}
		f, null, failed := a.value(g, c)
		switch {
		case failed != "":
			errs = append(errs, scalar.RowError{Row: int32(k), Message: "Out of Range Error: " + failed + " is out of range!"})
			b.AppendNull()
		case null:
			b.AppendNull()
		default:
			b.AppendFloat(f)
		}
	}
	return b.Finish(), errs
}

func (a *momentsAcc) reset(group uint32) {
	*a.counts.At(group) = momentCount{}
	for i := range a.sums {
		*a.sums[i].At(group) = partSum{}
	}
	delete(a.wide, group)
}

func (a *momentsAcc) persist(k *state.Keeper) {
	a.counts.Keep(k)
	for i := range a.sums {
		a.sums[i].Keep(k)
	}
	keepMap(k, &a.wide, func(_ uint32, sums []*big.Float) []*big.Float {
		for i := range a.terms {
			var text []byte
			if !k.Loading() {
				text = sums[i].Append(nil, 'p', 0)
			}
			k.Bytes(&text)
			if k.Loading() {
				f, _, err := new(big.Float).SetPrec(wideBits).Parse(string(text), 0)
				if err != nil {
					k.Fail("a sum is no number")
					f = bigFloat(0)
				}
				sums = append(sums, f)
			}
		}
		return sums
	})
}

func (a *momentsAcc) bytes() int64 {
	n := a.counts.Bytes() + int64(len(a.wide)*len(a.terms))*wideBits/8
	for i := range a.sums {
		n += a.sums[i].Bytes()
	}
	return n
}
