package scalar

import (
	"github.com/tidemill/tidemill/internal/row"
)

// inList is Args[0] IN (Args[1:]…): true if equal to one, else null if anything is null, else false.
func inList(s *site, not bool) (native, bool) {
	if len(s.args) < 2 || !s.allSame(len(s.args)) {
		return native{}, false
	}
	flip := b2u(not)
	constants := true
	for _, v := range s.konst[1:] {
		constants = constants && v != nil
	}
	if constants {
		if k := inSet(s, flip); k != nil {
			return native{run: k, nullable: true, cheap: true, firstOnly: true}, true
		}
	}
	compare := compareKernel(equal, s.args[0].Phys())
	if compare == nil {
		return native{}, false
	}
	return native{run: inColumns(compare, flip), nullable: true, cheap: true}, true
}

// inColumns compares with one argument after the other.
func inColumns(equal kernel, flip uint8) kernel {
	var one vec
	return func(b *block, args []*vec, out *vec) {
		dst := results[uint8](out, b.n)
		fill(dst, 0)
		x := args[0]
		for _, y := range args[1:] {
			equal(b, []*vec{x, y}, &one)
			for i, eq := range values[uint8](&one) {
				if eq != 0 && !x.isNull(i) && !y.isNull(i) {
					dst[i] = 1
				}
			}
		}
		for i := range dst {
			if dst[i] == 0 {
				null := x.isNull(i)
				for _, y := range args[1:] {
					null = null || y.isNull(i)
				}
				if null {
					out.setNull(i, b.n)
				}
			}
			dst[i] ^= flip
		}
	}
}

// inSet is the test against constants.
func inSet(s *site, flip uint8) kernel {
	list, null := make([]row.Value, 0, len(s.konst)), false
	for _, v := range s.konst[1:] {
		if v.Null {
			null = true
		} else {
			list = append(list, *v)
		}
	}
	switch s.args[0].Phys() {
	case row.PhysBool, row.PhysUint8:
		return inNumbers(intSet[uint8](list), null, flip)
	case row.PhysInt8:
		return inNumbers(intSet[int8](list), null, flip)
	case row.PhysInt16:
		return inNumbers(intSet[int16](list), null, flip)
	case row.PhysUint16:
		return inNumbers(intSet[uint16](list), null, flip)
	case row.PhysInt32:
		return inNumbers(intSet[int32](list), null, flip)
	case row.PhysUint32:
		return inNumbers(intSet[uint32](list), null, flip)
	case row.PhysInt64:
		return inNumbers(intSet[int64](list), null, flip)
	case row.PhysUint64:
		return inNumbers(intSet[uint64](list), null, flip)
	case row.PhysBytes:
		return inTexts(list, null, flip)
	}
	return nil // compared one by one
}

func intSet[T integer](list []row.Value) []T {
	set := make([]T, len(list))
	for i, v := range list {
		set[i] = T(v.I)
	}
	return set
}

// fewEnough is how many values are found faster by looking at each than by hashing.
const fewEnough = 16

func inNumbers[T integer](list []T, listNull bool, flip uint8) kernel {
	set := make(map[T]struct{}, len(list))
	for _, x := range list {
		set[x] = struct{}{}
	}
	return func(b *block, args []*vec, out *vec) {
		dst, xs := results[uint8](out, b.n), columnOf[T](args[0])
		if len(list) <= fewEnough && !args[0].konst {
			fill(dst, 0)
			for _, y := range list {
				for i, x := range xs.vals[:b.n] {
					dst[i] |= b2u(x == y)
				}
			}
		} else {
			for i := range dst {
				_, in := set[xs.at(i)]
				dst[i] = b2u(in)
			}
		}
		inNulls(b, args[0], out, dst, listNull, flip)
	}
}

func inTexts(list []row.Value, listNull bool, flip uint8) kernel {
	set := make(map[string]struct{}, len(list))
	for _, v := range list {
		set[v.S] = struct{}{}
	}
	return func(b *block, args []*vec, out *vec) {
		dst, xs := results[uint8](out, b.n), textsOf(args[0])
		if len(list) <= fewEnough {
			fill(dst, 0)
			for _, y := range list {
				for i := range dst {
					dst[i] |= b2u(xs.at(i) == y.S)
				}
			}
		} else {
			for i := range dst {
				_, in := set[xs.at(i)]
				dst[i] = b2u(in)
			}
		}
		inNulls(b, args[0], out, dst, listNull, flip)
	}
}

// inNulls makes null what IN leaves unknown and negates for NOT IN.
func inNulls(b *block, x, out *vec, dst []uint8, listNull bool, flip uint8) {
	if x.Valid != nil || listNull {
		for i := range dst {
			if x.isNull(i) || listNull && dst[i] == 0 {
				out.setNull(i, b.n)
			}
		}
	}
	if flip != 0 {
		for i := range dst {
			dst[i] ^= 1
		}
	}
}
