package scalar

import (
	"fmt"

	"github.com/tidemill/tidemill/internal/row"
)

// pow10 are the powers of ten in 64 bits.
var pow10 = [19]int64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18}

// decimalBuilder is op on two decimals of one physical form, as DuckDB has cast them: for + - and % of one scale, for * of scales that
// add up to the result's.
func decimalBuilder(op operation) builder {
	return func(s *site) (native, bool) {
		if !s.is(row.Decimal, row.Decimal) || s.typ.Kind != row.Decimal {
			return native{}, false
		}
		x, y, r := s.args[0], s.args[1], s.typ
		if x.Phys() != r.Phys() || y.Phys() != r.Phys() {
			return native{}, false
		}
		if op == opMul {
			if x.Scale+y.Scale != r.Scale {
				return native{}, false
			}
		} else if x.Scale != r.Scale || y.Scale != r.Scale {
			return native{}, false
		}
		switch {
		case op == opMod && r.Phys() == row.PhysInt64:
			return cheap(intDivide[int64](opMod, ""))
		case op == opMod:
			return cheap(hugeArith(opMod))
		case r.Phys() == row.PhysInt64:
			return cheap(smallDecimal(op))
		}
		return cheap(largeDecimal(op))
	}
}

// decimalName is what DuckDB calls the operation in messages about decimals.
func (op operation) decimalName() string {
	if op == opSub {
		return "subtract"
	}
	return op.String()
}

// smallDecimal checks results against 18 digits; results that DuckDB does not check cannot be larger.
func smallDecimal(op operation) kernel {
	return func(b *block, args []*vec, out *vec) {
		const limit = 1e18
		xs, ys, dst := columnOf[int64](args[0]), columnOf[int64](args[1]), results[int64](out, b.n)
		over := false
		switch op {
		case opAdd: // two numbers of 18 digits cannot wrap around
			for i := range dst {
				r := xs.at(i) + ys.at(i)
				dst[i] = r
				over = over || r >= limit || r <= -limit
			}
		case opSub:
			for i := range dst {
				r := xs.at(i) - ys.at(i)
				dst[i] = r
				over = over || r >= limit || r <= -limit
			}
		default:
			for i := range dst {
				r, wrapped := mulOver(xs.at(i), ys.at(i))
				dst[i] = r
				over = over || wrapped != 0 || r >= limit || r <= -limit
			}
		}
		if !over {
			return
		}
		for i := range dst {
			x, y := xs.at(i), ys.at(i)
			bad := dst[i] >= limit || dst[i] <= -limit
			if op == opMul {
				_, wrapped := mulOver(x, y)
				bad = bad || wrapped != 0
			}
			if bad && b.wants(out, i) {
				b.fail(i, fmt.Sprintf("Out of Range Error: Overflow in %s of DECIMAL(18) (%d %s %d). "+
					"You might want to add an explicit cast to a bigger decimal.", op.decimalName(), x, op.sign(), y))
			}
		}
	}
}

// largeDecimal checks results against 38 digits.
func largeDecimal(op operation) kernel {
	limit := row.Pow10(38)
	least, _ := limit.Neg()
	return try2(func(x, y row.Int128Value) (row.Int128Value, verdict) {
		r, ok := hugeOp(op, x, y)
		if ok && r.Compare(limit) < 0 && r.Compare(least) > 0 {
			return r, fine
		}
		message := fmt.Sprintf("Out of Range Error: Overflow in %s of DECIMAL(38) (%v %s %v)", op.decimalName(), x, op.sign(), y)
		if op == opMul {
			return r, verdict(message + ". You might want to add an explicit cast to a decimal with a smaller scale.")
		}
		return r, verdict(message + ";")
	})
}
