package scalar

import (
	"fmt"
	"math/bits"
	"unsafe"

	"github.com/tidemill/tidemill/internal/row"
)

// bitTable holds the bitwise operators on integers of up to 64 bits.
func bitTable() registry {
	return registry{
		"&": bitBuilder(bitAnd), "|": bitBuilder(bitOr), "xor": bitBuilder(bitXor),
		"<<": bitBuilder(bitLeft), ">>": bitBuilder(bitRight), "~": bitBuilder(bitNot), "bit_count": bitBuilder(bitCount),
	}
}

type bitOperation uint8

const (
	bitAnd bitOperation = iota
	bitOr
	bitXor
	bitLeft
	bitRight
	bitNot
	bitCount
)

func bitBuilder(op bitOperation) builder {
	return func(s *site) (native, bool) {
		arity := 2
		if op >= bitNot {
			arity = 1
		}
		if !s.allSame(arity) {
			return native{}, false
		}
		switch s.kind(0) {
		case row.Int8:
			return cheap(bitKernel[int8](op))
		case row.Int16:
			return cheap(bitKernel[int16](op))
		case row.Int32:
			return cheap(bitKernel[int32](op))
		case row.Int64:
			return cheap(bitKernel[int64](op))
		case row.Uint8:
			return cheap(bitKernel[uint8](op))
		case row.Uint16:
			return cheap(bitKernel[uint16](op))
		case row.Uint32:
			return cheap(bitKernel[uint32](op))
		case row.Uint64:
			return cheap(bitKernel[uint64](op))
		}
		return native{}, false
	}
}

func bitKernel[T integer](op bitOperation) kernel {
	var zero T
	width := T(unsafe.Sizeof(zero) * 8)
	switch op {
	case bitAnd:
		return map2(func(x, y T) T { return x & y })
	case bitOr:
		return map2(func(x, y T) T { return x | y })
	case bitXor:
		return map2(func(x, y T) T { return x ^ y })
	case bitLeft:
		return try2(func(x, y T) (T, verdict) { return shiftLeft(x, y, width) })
	case bitRight:
		return map2(func(x, y T) T {
			if y < 0 || y >= width {
				return 0
			}
			return x >> y
		})
	case bitNot:
		return map1(func(x T) T { return ^x })
	default:
		return map1(func(x T) int8 {
			return int8(bits.OnesCount64(uint64(x) & (1<<(unsafe.Sizeof(x)*8) - 1)))
		})
	}
}

func shiftLeft[T integer](x, y, width T) (T, verdict) {
	maxShift := width
	if !isSigned[T]() {
		maxShift++
	}
	switch {
	case x < 0:
		return 0, verdict(fmt.Sprintf("Out of Range Error: Cannot left-shift negative number %d", x))
	case y < 0:
		return 0, verdict(fmt.Sprintf("Out of Range Error: Cannot left-shift by negative number %d", y))
	case y >= maxShift && x == 0:
		return 0, fine
	case y >= maxShift:
		return 0, verdict(fmt.Sprintf("Out of Range Error: Left-shift value %d is out of range", y))
	case y == 0:
		return x, fine
	}
	bound := T(1) << (maxShift - y - 1)
	if x >= bound {
		return 0, verdict(fmt.Sprintf("Out of Range Error: Overflow in left shift (%d << %d)", x, y))
	}
	return x << y, fine
}
