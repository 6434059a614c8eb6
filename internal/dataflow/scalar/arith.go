package scalar

import (
	"fmt"
	"math"
	"math/bits"
	"unsafe"

	"github.com/tidemill/tidemill/internal/row"
)

// arithTable holds + - * / // % and unary minus on numbers; those on dates, times and intervals are tried after.
func arithTable() registry {
	add := firstOf(arithBuilder(opAdd), decimalBuilder(opAdd), addTimes)
	sub := firstOf(negateBuilder, arithBuilder(opSub), decimalBuilder(opSub), subTimes)
	mul := firstOf(arithBuilder(opMul), decimalBuilder(opMul), scaleInterval)
	idiv := arithBuilder(opDiv)
	mod := firstOf(arithBuilder(opMod), decimalBuilder(opMod))
	div := firstOf(floatDivide, divideInterval)
	return registry{
		"+": add, "add": add, "-": sub, "subtract": sub, "*": mul, "multiply": mul,
		"//": idiv, "divide": idiv, "%": mod, "mod": mod, "/": div,
	}
}

type operation uint8

const (
	opAdd operation = iota
	opSub
	opMul
	opDiv // rounds toward zero
	opMod
)

func (op operation) sign() string { return [...]string{"+", "-", "*", "/", "%"}[op] }

func (op operation) String() string {
	return [...]string{"addition", "subtraction", "multiplication", "division", "division"}[op]
}

// overflow is DuckDB's message for a result that does not fit the type.
func (op operation) overflow(t string, x, y any) string {
	if op >= opDiv {
		return fmt.Sprintf("Out of Range Error: Overflow in division of %v / %v", x, y)
	}
	return fmt.Sprintf("Out of Range Error: Overflow in %s of %s (%v %s %v)!", op, t, x, op.sign(), y)
}

// arithBuilder is op on two numbers of one type.
func arithBuilder(op operation) builder {
	return func(s *site) (native, bool) {
		if !s.allSame(2) || s.args[0] != s.typ {
			return native{}, false
		}
		switch s.kind(0) {
		case row.Int8:
			return cheap(intArith[int8](op, "INT8"))
		case row.Int16:
			return cheap(intArith[int16](op, "INT16"))
		case row.Int32:
			return cheap(intArith[int32](op, "INT32"))
		case row.Int64:
			return cheap(intArith[int64](op, "INT64"))
		case row.Uint8:
			return cheap(intArith[uint8](op, "UINT8"))
		case row.Uint16:
			return cheap(intArith[uint16](op, "UINT16"))
		case row.Uint32:
			return cheap(intArith[uint32](op, "UINT32"))
		case row.Uint64:
			return cheap(intArith[uint64](op, "UINT64"))
		case row.Int128:
			return cheap(hugeArith(op))
		case row.Float32:
			return cheap(floatArith[float32](op))
		case row.Float64:
			return cheap(floatArith[float64](op))
		}
		return native{}, false
	}
}

// intArith computes all rows without a branch, noting whether any overflowed, and only then looks for the rows that did.
func intArith[T integer](op operation, name string) kernel {
	if op >= opDiv {
		return intDivide[T](op, name)
	}
	return func(b *block, args []*vec, out *vec) {
		dst, x, y := results[T](out, b.n), values[T](args[0]), values[T](args[1])
		var over bool
		switch {
		case b.n == 0:
		case args[0].konst && args[1].konst:
			over = overColumns(op, x[:1], y[:1], dst[:1])
			fill(dst, dst[0])
		case args[1].konst:
			over = overConstant(op, x[:b.n], y[0], dst)
		case args[0].konst && op == opSub:
			over = overFromConstant(x[0], y[:b.n], dst)
		case args[0].konst:
			over = overConstant(op, y[:b.n], x[0], dst)
		default:
			over = overColumns(op, x[:b.n], y[:b.n], dst)
		}
		if !over {
			return
		}
		xs, ys := columnOf[T](args[0]), columnOf[T](args[1])
		for i := range dst {
			if x, y := xs.at(i), ys.at(i); b.wants(out, i) && overflows(op, x, y) {
				b.fail(i, op.overflow(name, x, y))
			}
		}
	}
}

// overColumns sets dst to xs op ys and reports whether any result, also of a row that is null, overflowed.
func overColumns[T integer](op operation, xs, ys, dst []T) bool {
	dst, ys = dst[:len(xs)], ys[:len(xs)]
	var bad T
	switch op {
	case opAdd:
		if isSigned[T]() {
			for i, x := range xs {
				y := ys[i]
				r := x + y
				dst[i] = r
				bad |= (x ^ r) & (y ^ r)
			}
			return isNegative(bad)
		}
		for i, x := range xs {
			r := x + ys[i]
			dst[i] = r
			bad |= T(b2u(r < x))
		}
	case opSub:
		if isSigned[T]() {
			for i, x := range xs {
				y := ys[i]
				r := x - y
				dst[i] = r
				bad |= (x ^ y) & (x ^ r)
			}
			return isNegative(bad)
		}
		for i, x := range xs {
			dst[i] = x - ys[i]
			bad |= T(b2u(x < ys[i]))
		}
	default:
		for i, x := range xs {
			r, over := mulOver(x, ys[i])
			dst[i] = r
			bad |= T(over)
		}
	}
	return bad != 0
}

// overConstant is overColumns with a constant right side.
func overConstant[T integer](op operation, xs []T, y T, dst []T) bool {
	dst = dst[:len(xs)]
	var bad T
	switch op {
	case opAdd:
		if isSigned[T]() {
			for i, x := range xs {
				r := x + y
				dst[i] = r
				bad |= (x ^ r) & (y ^ r)
			}
			return isNegative(bad)
		}
		for i, x := range xs {
			r := x + y
			dst[i] = r
			bad |= T(b2u(r < x))
		}
	case opSub:
		if isSigned[T]() {
			for i, x := range xs {
				r := x - y
				dst[i] = r
				bad |= (x ^ y) & (x ^ r)
			}
			return isNegative(bad)
		}
		for i, x := range xs {
			dst[i] = x - y
			bad |= T(b2u(x < y))
		}
	default:
		for i, x := range xs {
			r, over := mulOver(x, y)
			dst[i] = r
			bad |= T(over)
		}
	}
	return bad != 0
}

// overFromConstant is subtraction from a constant.
func overFromConstant[T integer](x T, ys, dst []T) bool {
	dst = dst[:len(ys)]
	var bad T
	if isSigned[T]() {
		for i, y := range ys {
			r := x - y
			dst[i] = r
			bad |= (x ^ y) & (x ^ r)
		}
		return isNegative(bad)
	}
	for i, y := range ys {
		dst[i] = x - y
		bad |= T(b2u(x < y))
	}
	return bad != 0
}

func isSigned[T integer]() bool {
	var zero T
	return zero-1 < zero
}

func isNegative[T integer](x T) bool { return x < 0 }

// mulOver multiplies; over is 1 if the product does not fit.
func mulOver[T integer](x, y T) (r T, over uint8) {
	r = x * y
	switch {
	case unsafe.Sizeof(x) == 8 && isSigned[T]():
		hi, lo := bits.Mul64(uint64(x), uint64(y))
		hi -= uint64(int64(x)>>63)&uint64(y) + uint64(int64(y)>>63)&uint64(x)
		return r, b2u(hi != uint64(int64(lo)>>63))
	case unsafe.Sizeof(x) == 8:
		hi, _ := bits.Mul64(uint64(x), uint64(y))
		return r, b2u(hi != 0)
	case isSigned[T]():
		return r, b2u(int64(x)*int64(y) != int64(r))
	}
	return r, b2u(uint64(x)*uint64(y) != uint64(r))
}

func overflows[T integer](op operation, x, y T) bool {
	var dst [1]T
	return overColumns(op, []T{x}, []T{y}, dst[:])
}

// intDivide is // and %, null for a zero divisor.
func intDivide[T integer](op operation, name string) kernel {
	return func(b *block, args []*vec, out *vec) {
		xs, ys, dst := columnOf[T](args[0]), columnOf[T](args[1]), results[T](out, b.n)
		for i := range dst {
			x, y := xs.at(i), ys.at(i)
			switch {
			case y == 0:
				dst[i] = 0
				out.setNull(i, b.n)
			case isSigned[T]() && y+1 == 0:
				// DuckDB refuses the remainder as it does the quotient.
				if x != 0 && x == -x && b.wants(out, i) {
					b.fail(i, op.overflow(name, x, y))
				}
				dst[i] = 0
				if op == opDiv {
					dst[i] = -x
				}
			case op == opDiv:
				dst[i] = x / y
			default:
				dst[i] = x % y
			}
		}
	}
}

func hugeArith(op operation) kernel {
	return try2(func(x, y row.Int128Value) (row.Int128Value, verdict) {
		r, ok := hugeOp(op, x, y)
		if ok && !(op == opMod && x == row.MinInt128 && y == row.Int128FromInt64(-1)) {
			return r, fine
		}
		if op >= opDiv && y == (row.Int128Value{}) {
			return r, isNull
		}
		return r, verdict(op.overflow("INT128", x, y))
	})
}

func hugeOp(op operation, x, y row.Int128Value) (row.Int128Value, bool) {
	switch op {
	case opAdd:
		return x.Add(y)
	case opSub:
		return x.Sub(y)
	case opMul:
		return x.Mul(y)
	case opDiv:
		return x.Div(y)
	default:
		return x.Mod(y)
	}
}

func floatArith[T float](op operation) kernel {
	switch op {
	case opDiv:
		return floatDivision[T](true)
	case opMod:
		return map2(func(x, y T) T { return T(math.Mod(float64(x), float64(y))) })
	}
	return func(b *block, args []*vec, out *vec) {
		xs, ys, dst := columnOf[T](args[0]), columnOf[T](args[1]), results[T](out, b.n)
		switch op {
		case opAdd:
			for i := range dst {
				dst[i] = xs.at(i) + ys.at(i)
			}
		case opSub:
			for i := range dst {
				dst[i] = xs.at(i) - ys.at(i)
			}
		default:
			for i := range dst {
				dst[i] = xs.at(i) * ys.at(i)
			}
		}
	}
}

// floatDivision is / and, with null for a zero divisor, //.
func floatDivision[T float](nullForZero bool) kernel {
	return func(b *block, args []*vec, out *vec) {
		xs, ys, dst := columnOf[T](args[0]), columnOf[T](args[1]), results[T](out, b.n)
		for i := range dst {
			y := ys.at(i)
			dst[i] = xs.at(i) / y
			if nullForZero && y == 0 {
				out.setNull(i, b.n)
			}
		}
	}
}

func floatDivide(s *site) (native, bool) {
	switch {
	case s.is(row.Float64, row.Float64):
		return cheap(floatDivision[float64](false))
	case s.is(row.Float32, row.Float32):
		return cheap(floatDivision[float32](false))
	}
	return native{}, false
}

// negateBuilder is unary minus. Unsigned numbers wrap around, as in DuckDB.
func negateBuilder(s *site) (native, bool) {
	if len(s.args) != 1 || s.args[0] != s.typ {
		return native{}, false
	}
	switch s.args[0].Phys() {
	case row.PhysInt8:
		return cheap(negateSigned[int8]())
	case row.PhysInt16:
		return cheap(negateSigned[int16]())
	case row.PhysInt32:
		return cheap(negateSigned[int32]())
	case row.PhysInt64:
		return cheap(negateSigned[int64]())
	case row.PhysUint8:
		return cheap(map1(func(x uint8) uint8 { return -x }))
	case row.PhysUint16:
		return cheap(map1(func(x uint16) uint16 { return -x }))
	case row.PhysUint32:
		return cheap(map1(func(x uint32) uint32 { return -x }))
	case row.PhysUint64:
		return cheap(map1(func(x uint64) uint64 { return -x }))
	case row.PhysFloat32:
		return cheap(map1(func(x float32) float32 { return -x }))
	case row.PhysFloat64:
		return cheap(map1(func(x float64) float64 { return -x }))
	case row.PhysInt128:
		return cheap(try1(func(x row.Int128Value) (row.Int128Value, verdict) {
			r, ok := x.Neg()
			return r, verdictIf(!ok, negationOverflow)
		}))
	case row.PhysInterval:
		return cheap(try1(func(x row.IntervalValue) (row.IntervalValue, verdict) {
			r := row.IntervalValue{Months: -x.Months, Days: -x.Days, Micros: -x.Micros}
			over := x.Months == math.MinInt32 || x.Days == math.MinInt32 || x.Micros == math.MinInt64
			return r, verdictIf(over, negationOverflow)
		}))
	}
	return native{}, false
}

const negationOverflow = "Out of Range Error: Overflow in negation of numeric value!"

func verdictIf(bad bool, message verdict) verdict {
	if bad {
		return message
	}
	return fine
}

func negateSigned[T int8 | int16 | int32 | int64]() kernel {
	return try1(func(x T) (T, verdict) { return -x, verdictIf(x != 0 && x == -x, negationOverflow) })
}
