package scalar

import (
	"fmt"
	"math"

	"github.com/tidemill/tidemill/internal/row"
)

func mathTable() registry {
	pow := onlyCheap(map2(power), row.Float64, row.Float64)
	ceil := firstOf(floatBuilder(math.Ceil), decimalRound(roundUp))
	return registry{
		"abs": absBuilder, "@": absBuilder,
		"sign":  signBuilder,
		"floor": firstOf(floatBuilder(math.Floor), decimalRound(roundDown)),
		"ceil":  ceil, "ceiling": ceil,
		"trunc": firstOf(integerIdentity, floatBuilder(math.Trunc), decimalRound(roundToZero)),
		"round": firstOf(roundInteger, roundFloat, decimalRound(roundHalf)),
		"even":  onlyCheap(map1(even), row.Float64),
		"pow":   pow, "power": pow, "^": pow, "**": pow,
		"sqrt":    onlyCheap(try1(squareRoot), row.Float64),
		"cbrt":    onlyCheap(map1(math.Cbrt), row.Float64),
		"exp":     onlyCheap(map1(math.Exp), row.Float64),
		"ln":      logarithm(naturalLog),
		"log":     firstOf(logarithm(log10), onlyCheap(try2(logBase), row.Float64, row.Float64)),
		"log10":   logarithm(log10),
		"log2":    logarithm(math.Log2),
		"sin":     finite(math.Sin),
		"cos":     finite(math.Cos),
		"tan":     finite(math.Tan),
		"atan":    onlyCheap(map1(math.Atan), row.Float64),
		"atan2":   onlyCheap(map2(math.Atan2), row.Float64, row.Float64),
		"pi":      func(s *site) (native, bool) { return constantFloat(math.Pi), len(s.args) == 0 },
		"degrees": onlyCheap(map1(func(x float64) float64 { return x * (180 / math.Pi) }), row.Float64),
		"radians": onlyCheap(map1(func(x float64) float64 { return x * (math.Pi / 180) }), row.Float64),
		"isnan":   floatTest(math.IsNaN),
		"isinf":   firstOf(floatTest(func(x float64) bool { return math.IsInf(x, 0) }), timeTest(isInfinite)),
		"isfinite": firstOf(floatTest(func(x float64) bool { return !math.IsInf(x, 0) && !math.IsNaN(x) }),
			timeTest(func(k row.Kind, x int64) bool { return !isInfinite(k, x) })),
		"greatest": extreme(greater),
		"least":    extreme(less),
	}
}

func constantFloat(x float64) native {
	return native{run: func(b *block, _ []*vec, out *vec) { fill(results[float64](out, b.n), x) }, cheap: true}
}

func floatTest(f func(float64) bool) builder {
	return firstOf(
		onlyCheap(map1(func(x float64) uint8 { return b2u(f(x)) }), row.Float64),
		onlyCheap(map1(func(x float32) uint8 { return b2u(f(float64(x))) }), row.Float32),
	)
}

// floatBuilder applies f to DOUBLE and FLOAT.
func floatBuilder(f func(float64) float64) builder {
	return firstOf(
		onlyCheap(map1(f), row.Float64),
		onlyCheap(map1(func(x float32) float32 { return float32(f(float64(x))) }), row.Float32),
	)
}

func absBuilder(s *site) (native, bool) {
	if len(s.args) != 1 {
		return native{}, false
	}
	switch s.args[0].Kind {
	case row.Int8:
		return cheap(absSigned[int8]())
	case row.Int16:
		return cheap(absSigned[int16]())
	case row.Int32:
		return cheap(absSigned[int32]())
	case row.Int64:
		return cheap(absSigned[int64]())
	case row.Uint8, row.Uint16, row.Uint32, row.Uint64:
		return cheap(identity)
	case row.Float32:
		return cheap(map1(func(x float32) float32 { return float32(math.Abs(float64(x))) }))
	case row.Float64:
		return cheap(map1(math.Abs))
	case row.Decimal:
		if s.args[0].Phys() == row.PhysInt64 {
			return cheap(map1(func(x int64) int64 { return max(x, -x) }))
		}
		fallthrough
	case row.Int128:
		return cheap(try1(func(x row.Int128Value) (row.Int128Value, verdict) {
			if x.Hi >= 0 {
				return x, fine
			}
			r, ok := x.Neg()
			return r, verdictIf(!ok, verdict(absOverflow(x)))
		}))
	}
	return native{}, false
}

func absOverflow(x any) string { return fmt.Sprintf("Out of Range Error: Overflow on abs(%v)", x) }

func absSigned[T int8 | int16 | int32 | int64]() kernel {
	return try1(func(x T) (T, verdict) {
		if x >= 0 {
			return x, fine
		}
		if x == -x {
			return x, verdict(absOverflow(x))
		}
		return -x, fine
	})
}

// identity is the argument itself, perhaps of another type of the same form.
func identity(b *block, args []*vec, out *vec) {
	a := args[0]
	if a.konst && b.n != 1 {
		var c choice
		c.start(b.n)
		c.arms = append(c.arms, a)
		fill(c.from, 1)
		fill(c.at, 0)
		c.finish(b, out)
		return
	}
	out.alias(a)
}

func integerIdentity(s *site) (native, bool) {
	if len(s.args) == 1 && s.args[0].IsInteger() && s.args[0] == s.typ {
		return cheap(identity)
	}
	return native{}, false
}

func signBuilder(s *site) (native, bool) {
	if len(s.args) != 1 {
		return native{}, false
	}
	switch s.args[0].Kind {
	case row.Int8:
		return cheap(map1(signOf[int8]))
	case row.Int16:
		return cheap(map1(signOf[int16]))
	case row.Int32:
		return cheap(map1(signOf[int32]))
	case row.Int64:
		return cheap(map1(signOf[int64]))
	case row.Uint8:
		return cheap(map1(signOf[uint8]))
	case row.Uint16:
		return cheap(map1(signOf[uint16]))
	case row.Uint32:
		return cheap(map1(signOf[uint32]))
	case row.Uint64:
		return cheap(map1(signOf[uint64]))
	case row.Float32:
		return cheap(map1(signOf[float32]))
	case row.Float64:
		return cheap(map1(signOf[float64]))
	case row.Int128:
		return cheap(map1(func(x row.Int128Value) int8 { return int8(x.Sign()) }))
	}
	return native{}, false
}

func signOf[T number](x T) int8 { return int8(b2u(x > 0)) - int8(b2u(x < 0)) }

func squareRoot(x float64) (float64, verdict) {
	return math.Sqrt(x), verdictIf(x < 0, "Out of Range Error: cannot take square root of a negative number")
}

// least64 is the least normal number; Go's logarithm is wrong below it on some machines.
const least64 = 0x1p-1022

func naturalLog(x float64) float64 {
	if x < least64 {
		return math.Log(x*(1<<52)) - 52*math.Ln2
	}
	return math.Log(x)
}

func log10(x float64) float64 {
	if x < least64 {
		return math.Log10(x*(1<<52)) - 52*(math.Ln2/math.Ln10)
	}
	return math.Log10(x)
}

func power(x, y float64) float64 {
	if x > 0 && x < least64 {
		return math.Pow(x*(1<<52), y) * math.Pow(2, -52*y)
	}
	return math.Pow(x, y)
}

const (
	logOfNegative = "Out of Range Error: cannot take logarithm of a negative number"
	logOfZero     = "Out of Range Error: cannot take logarithm of zero"
)

func logarithm(f func(float64) float64) builder {
	return onlyCheap(try1(func(x float64) (float64, verdict) {
		if x <= 0 {
			return 0, logRefusal(x)
		}
		return f(x), fine
	}), row.Float64)
}

func logRefusal(x float64) verdict {
	if x < 0 {
		return logOfNegative
	}
	return logOfZero
}

// logBase is log(base, x).
func logBase(base, x float64) (float64, verdict) {
	if base <= 0 {
		return 0, logRefusal(base)
	}
	divisor := log10(base)
	if divisor == 0 {
		return 0, "Out of Range Error: divison by zero in based logarithm"
	}
	if x <= 0 {
		return 0, logRefusal(x)
	}
	return log10(x) / divisor, fine
}

// finite is a function that refuses infinities.
func finite(f func(float64) float64) builder {
	return onlyCheap(try1(func(x float64) (float64, verdict) {
		if math.IsInf(x, 0) {
			return 0, verdict("Out of Range Error: input value " + formatFloat(x) + " is out of range for numeric function")
		}
		return f(x), fine
	}), row.Float64)
}

func even(x float64) float64 {
	var r float64
	if x >= 0 {
		r = math.Ceil(x)
	} else {
		r = -math.Ceil(-x)
	}
	if math.Mod(r, 2) != 0 {
		if x >= 0 {
			return r + 1
		}
		return r - 1
	}
	return r
}

// extreme is greatest (keep: greater) or least (keep: less) of any number of arguments of one type; nulls do not take part.
func extreme(keep relation) builder {
	return func(s *site) (native, bool) {
		if len(s.args) == 0 || !s.allSame(len(s.args)) || s.kind(0) == row.Other {
			return native{}, false
		}
		if s.kind(0) == row.Interval {
			return native{}, false // DuckDB chooses between intervals of equal length by another order
		}
		k := extremeKernel(keep, s.args[0].Phys())
		if s.kind(0) == row.Float32 && k != nil {
			k = withoutNegativeZero(k)
		}
		return native{run: k, nullable: true, cheap: s.args[0].Phys() != row.PhysBytes}, k != nil
	}
}

// withoutNegativeZero makes negative zeros positive, as DuckDB does for FLOAT.
func withoutNegativeZero(k kernel) kernel {
	return func(b *block, args []*vec, out *vec) {
		k(b, args, out)
		if len(args) == 1 {
			return
		}
		vals := values[float32](out)
		for i, x := range vals {
			vals[i] = x + 0
		}
	}
}

func extremeKernel(keep relation, p row.Phys) kernel {
	compare := compareKernel(keep, p)
	if compare == nil {
		return nil
	}
	var better vec
	return func(b *block, args []*vec, out *vec) {
		var c choice
		c.start(b.n)
		// The best so far is assembled anew after each argument only for columns; two arguments need one pass.
		best := args[0]
		for k, a := range args[1:] {
			better.Valid = nil
			compare(b, []*vec{a, best}, &better)
			pick(b, &c, best, a, values[uint8](&better))
			if k == len(args)-2 {
				c.finish(b, out)
				return
			}
			next := &vec{Vec: row.Vec{Type: out.Type}, escapes: true}
			c.finish(b, next)
			best = next
		}
		identity(b, args, out)
	}
}

// pick chooses challenger over best where wins says so or best is null.
func pick(b *block, c *choice, best, challenger *vec, wins []uint8) {
	c.start(b.n)
	c.arms = append(c.arms, best, challenger)
	for i := range b.n {
		arm := 1
		if !challenger.isNull(i) && (best.isNull(i) || wins[i] != 0) {
			arm = 2
		}
		c.from[i] = uint16(arm)
		c.at[i] = int32(i & c.arms[arm-1].mask())
	}
}
