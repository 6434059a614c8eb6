package scalar

import (
	"github.com/tidemill/tidemill/internal/plan"
	"github.com/tidemill/tidemill/internal/row"
)

// fastSelector returns a selector for a comparison of a column with a constant, or nil.
func (as *assembly) fastSelector(m *mainBlock, e *plan.Expr) selector {
	if e.Kind != plan.Call || len(e.Args) != 2 {
		return nil
	}
	rel, known := relations[e.Name]
	col, konst := e.Args[0], e.Args[1]
	if col.Kind == plan.Constant {
		col, konst, rel = konst, col, rel.flipped()
	}
	if !known || rel >= distinct || col.Kind != plan.Column || konst.Kind != plan.Constant || konst.Value.Null || col.Type != konst.Type {
		return nil
	}
	v := m.known[as.number(col)]
	if v == nil {
		return nil
	}
	x := konst.Value
	switch v.Type.Phys() {
	case row.PhysInt8:
		return selectNumbers(v, rel, int8(x.I))
	case row.PhysUint8:
		return selectNumbers(v, rel, uint8(x.I))
	case row.PhysInt16:
		return selectNumbers(v, rel, int16(x.I))
	case row.PhysUint16:
		return selectNumbers(v, rel, uint16(x.I))
	case row.PhysInt32:
		return selectNumbers(v, rel, int32(x.I))
	case row.PhysUint32:
		return selectNumbers(v, rel, uint32(x.I))
	case row.PhysInt64:
		return selectNumbers(v, rel, x.I)
	case row.PhysUint64:
		return selectNumbers(v, rel, uint64(x.I))
	case row.PhysBytes:
		if v.Type.Kind != row.Other {
			return selectTexts(v, rel, x.S)
		}
	}
	return nil
}

// selectNumbers selects the rows of v for which rel holds between the value and y. Positions are written whether or not the row passes, and
// only the count depends on the comparison, so no branch is ever mispredicted.
func selectNumbers[T integer](v *vec, rel relation, y T) selector {
	return func(n int, sel, dst []int32) []int32 {
		xs := values[T](v)
		dst = dst[:cap(dst)]
		if sel != nil {
			return validOnly(v, selectAmong(xs, rel, y, sel, dst))
		}
		return validOnly(v, selectAll(xs, rel, y, dst))
	}
}

func selectAll[T integer](xs []T, rel relation, y T, dst []int32) []int32 {
	k := 0
	switch rel {
	case equal:
		for i, x := range xs {
			dst[k] = int32(i)
			k += int(b2u(x == y))
		}
	case notEqual:
		for i, x := range xs {
			dst[k] = int32(i)
			k += int(b2u(x != y))
		}
	case less:
		for i, x := range xs {
			dst[k] = int32(i)
			k += int(b2u(x < y))
		}
	case lessEqual:
		for i, x := range xs {
			dst[k] = int32(i)
			k += int(b2u(x <= y))
		}
	case greater:
		for i, x := range xs {
			dst[k] = int32(i)
			k += int(b2u(x > y))
		}
	default:
		for i, x := range xs {
			dst[k] = int32(i)
			k += int(b2u(x >= y))
		}
	}
	return dst[:k]
}

func selectAmong[T integer](xs []T, rel relation, y T, sel, dst []int32) []int32 {
	k := 0
	switch rel {
	case equal:
		for _, i := range sel {
			dst[k] = i
			k += int(b2u(xs[i] == y))
		}
	case notEqual:
		for _, i := range sel {
			dst[k] = i
			k += int(b2u(xs[i] != y))
		}
	case less:
		for _, i := range sel {
			dst[k] = i
			k += int(b2u(xs[i] < y))
		}
	case lessEqual:
		for _, i := range sel {
			dst[k] = i
			k += int(b2u(xs[i] <= y))
		}
	case greater:
		for _, i := range sel {
			dst[k] = i
			k += int(b2u(xs[i] > y))
		}
	default:
		for _, i := range sel {
			dst[k] = i
			k += int(b2u(xs[i] >= y))
		}
	}
	return dst[:k]
}

func selectTexts(v *vec, rel relation, y string) selector {
	return func(n int, sel, dst []int32) []int32 {
		xs := textsOf(v)
		if sel == nil {
			for i := range n {
				if textHolds(rel, xs.at(i), y) {
					dst = append(dst, int32(i))
				}
			}
		}
		for _, i := range sel {
			if textHolds(rel, xs.at(int(i)), y) {
				dst = append(dst, i)
			}
		}
		return validOnly(v, dst)
	}
}

func textHolds(rel relation, x, y string) bool {
	switch rel {
	case equal:
		return x == y
	case notEqual:
		return x != y
	case less:
		return x < y
	case lessEqual:
		return x <= y
	case greater:
		return x > y
	default:
		return x >= y
	}
}

// validOnly drops the rows for which v is null.
func validOnly(v *vec, at []int32) []int32 {
	if v.Valid == nil {
		return at
	}
	k := 0
	for _, i := range at {
		at[k] = i
		k += int(v.Valid[i>>3] >> (i & 7) & 1)
	}
	return at[:k]
}
