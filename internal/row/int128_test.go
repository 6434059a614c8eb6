package row

import (
	"math"
	"math/big"
	"math/rand/v2"
	"testing"
)

func bigOf(x Int128Value) *big.Int {
	b := big.NewInt(x.Hi)
	b.Lsh(b, 64)
	return b.Add(b, new(big.Int).SetUint64(x.Lo))
}

var (
	bigMin = bigOf(MinInt128)
	bigMax = bigOf(MaxInt128)
)

func inRange(b *big.Int) bool { return b.Cmp(bigMin) >= 0 && b.Cmp(bigMax) <= 0 }

// randomInt128 prefers edges and numbers of every length.
func randomInt128(r *rand.Rand) Int128Value {
	edges := []Int128Value{{}, {Lo: 1}, {Lo: math.MaxUint64, Hi: -1}, MinInt128, MaxInt128, {Lo: math.MaxUint64}, {Hi: 1}, {Hi: -1}, {Lo: 1 << 63}, {Lo: 1 << 63, Hi: -1}}
	switch r.IntN(4) {
	case 0:
		return edges[r.IntN(len(edges))]
	case 1:
		v := pow10Table[r.IntN(len(pow10Table))]
		v, _ = v.Add(Int128FromInt64(int64(r.IntN(3) - 1)))
		if r.IntN(2) == 0 {
			v = v.negWrap()
		}
		return v
	}
	v := Int128Value{Lo: r.Uint64(), Hi: int64(r.Uint64())}
	switch n := r.UintN(128); {
	case n < 64:
		return Int128Value{Lo: v.Lo>>n | uint64(v.Hi)<<(64-n), Hi: v.Hi >> n}
	default:
		return Int128Value{Lo: uint64(v.Hi >> (n - 64)), Hi: v.Hi >> 63}
	}
}

func TestInt128AgainstBig(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	check := func(op string, x, y, got Int128Value, ok bool, want *big.Int) {
		t.Helper()
		if fits := inRange(want); ok != fits || (fits && bigOf(got).Cmp(want) != 0) {
			t.Fatalf("%s %s %s = %s (%v), want %s", x, op, y, got, ok, want)
		}
	}
	for range 30_000 {
		x, y := randomInt128(r), randomInt128(r)
		bx, by := bigOf(x), bigOf(y)
		v, ok := x.Add(y)
		check("+", x, y, v, ok, new(big.Int).Add(bx, by))
		v, ok = x.Sub(y)
		check("-", x, y, v, ok, new(big.Int).Sub(bx, by))
		v, ok = x.Mul(y)
		check("*", x, y, v, ok, new(big.Int).Mul(bx, by))
		v, ok = x.Neg()
		check("neg", x, y, v, ok, new(big.Int).Neg(bx))
		if y.Sign() != 0 {
			v, ok = x.Div(y)
			check("/", x, y, v, ok, new(big.Int).Quo(bx, by))
			v, ok = x.Mod(y)
			check("%", x, y, v, ok, new(big.Int).Rem(bx, by))
		}
		if c := x.Compare(y); c != bx.Cmp(by) {
			t.Fatalf("%s compared with %s is %d", x, y, c)
		}
		if x.Sign() != bx.Sign() {
			t.Fatalf("sign of %s is %d", x, x.Sign())
		}
		if x.String() != bx.String() {
			t.Fatalf("text of %s is %s", bx, x)
		}
		if back, ok := ParseInt128(bx.String()); !ok || back != x {
			t.Fatalf("parsing %s gave %s, %v", bx, back, ok)
		}
	}
}

func TestInt128Scale(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 20_000 {
		x, n := randomInt128(r), uint8(r.IntN(41))
		p := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(n)), nil)
		up := new(big.Int).Mul(bigOf(x), p)
		if v, ok := x.ScaleUp(n); ok != inRange(up) || ok && bigOf(v).Cmp(up) != 0 {
			t.Fatalf("%s scaled up by %d is %s, %v", x, n, v, ok)
		}
		q, rem := new(big.Int).QuoRem(bigOf(x), p, new(big.Int))
		if rem.Abs(rem).Lsh(rem, 1).Cmp(p) >= 0 {
			q.Add(q, big.NewInt(int64(x.Sign())))
		}
		if v := x.ScaleDown(n); bigOf(v).Cmp(q) != 0 {
			t.Fatalf("%s scaled down by %d is %s, want %s", x, n, v, q)
		}
	}
}

func TestInt128Floats(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for range 20_000 {
		x := randomInt128(r)
		exact, _ := new(big.Float).SetInt(bigOf(x)).Float64()
		if got := x.Float64(); math.Abs(got-exact) > math.Abs(exact)*0x1p-51 {
			t.Fatalf("%s as a float is %v, want about %v", x, got, exact)
		}
		f := math.Ldexp(r.Float64()*2-1, r.IntN(140))
		want, _ := big.NewFloat(f).Int(nil)
		if got, ok := Int128FromFloat64(f); ok != inRange(want) || ok && bigOf(got).Cmp(want) != 0 {
			t.Fatalf("%v as an integer is %s, %v; want %s", f, got, ok, want)
		}
	}
	for _, f := range []float64{math.NaN(), math.Inf(1), math.Inf(-1), 0x1p127} {
		if _, ok := Int128FromFloat64(f); ok {
			t.Errorf("%v fits", f)
		}
	}
	if v, ok := Int128FromFloat64(-0x1p127); !ok || v != MinInt128 {
		t.Errorf("-2^127 is %s, %v", v, ok)
	}
}

func TestParseInt128Rejects(t *testing.T) {
	for _, s := range []string{"", "-", "+", "1 ", " 1", "1a", "--1", "170141183460469231731687303715884105728", "-170141183460469231731687303715884105729", "999999999999999999999999999999999999999999"} {
		if v, ok := ParseInt128(s); ok {
			t.Errorf("%q parsed as %s", s, v)
		}
	}
}
