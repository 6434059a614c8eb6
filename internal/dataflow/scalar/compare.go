package scalar

import (
	"bytes"
	"strings"

	"github.com/tidemill/tidemill/internal/plan"
	"github.com/tidemill/tidemill/internal/row"
)

// relation is a comparison operator.
type relation uint8

const (
	equal relation = iota
	notEqual
	less
	lessEqual
	greater
	greaterEqual
	distinct
	notDistinct
)

var relations = map[string]relation{
	plan.Equals: equal, plan.NotEquals: notEqual, plan.Less: less, plan.LessOrEqual: lessEqual,
	plan.Greater: greater, plan.GreaterOrEqual: greaterEqual, plan.DistinctFrom: distinct, plan.NotDistinctFrom: notDistinct,
}

// flipped is the relation with its sides exchanged.
func (r relation) flipped() relation {
	switch r {
	case less:
		return greater
	case lessEqual:
		return greaterEqual
	case greater:
		return less
	case greaterEqual:
		return lessEqual
	}
	return r
}

// holds reports whether the relation holds between sides that compare as c; nulls are not its concern.
func (r relation) holds(c int) bool {
	switch r {
	case equal, notDistinct:
		return c == 0
	case notEqual, distinct:
		return c != 0
	case less:
		return c < 0
	case lessEqual:
		return c <= 0
	case greater:
		return c > 0
	default:
		return c >= 0
	}
}

func compareTable() registry {
	table := registry{}
	for name, rel := range relations {
		table[name] = func(s *site) (native, bool) {
			if !s.allSame(2) {
				return native{}, false
			}
			k := compareKernel(rel, s.args[0].Phys())
			if k == nil {
				return native{}, false
			}
			if rel == distinct || rel == notDistinct {
				return native{run: distinctKernel(rel, k), nullable: true, cheap: true}, true
			}
			return cheap(k)
		}
	}
	return table
}

// compareKernel returns the comparison of non-null values of a physical form.
func compareKernel(rel relation, p row.Phys) kernel {
	switch p {
	case row.PhysBool, row.PhysUint8:
		return compareNumbers[uint8](rel)
	case row.PhysInt8:
		return compareNumbers[int8](rel)
	case row.PhysInt16:
		return compareNumbers[int16](rel)
	case row.PhysUint16:
		return compareNumbers[uint16](rel)
	case row.PhysInt32:
		return compareNumbers[int32](rel)
	case row.PhysUint32:
		return compareNumbers[uint32](rel)
	case row.PhysInt64:
		return compareNumbers[int64](rel)
	case row.PhysUint64:
		return compareNumbers[uint64](rel)
	case row.PhysFloat32:
		return compareFloats[float32](rel)
	case row.PhysFloat64:
		return compareFloats[float64](rel)
	case row.PhysInt128:
		return compareWide(rel, row.Int128Value.Compare)
	case row.PhysInterval:
		return compareWide(rel, row.IntervalValue.Compare)
	case row.PhysUUID:
		return compareWide(rel, func(x, y row.UUIDValue) int { return bytes.Compare(x[:], y[:]) })
	case row.PhysBytes:
		return compareTexts(rel)
	}
	return nil
}

type integer interface {
	int8 | int16 | int32 | int64 | uint8 | uint16 | uint32 | uint64
}

type float interface{ float32 | float64 }

type number interface{ integer | float }

func b2u(b bool) uint8 {
	var x uint8
	if b {
		x = 1
	}
	return x
}

// compareNumbers compares by Go's operators.
func compareNumbers[T number](rel relation) kernel {
	return func(b *block, args []*vec, out *vec) {
		dst, x, y := results[uint8](out, b.n), values[T](args[0]), values[T](args[1])
		switch {
		case args[0].konst && args[1].konst:
			if b.n > 0 {
				compareConstant(rel, x[:1], y[0], dst[:1])
				fill(dst, dst[0])
			}
		case args[1].konst:
			compareConstant(rel, x[:b.n], y[0], dst)
		case args[0].konst:
			compareConstant(rel.flipped(), y[:b.n], x[0], dst)
		default:
			compareColumns(rel, x[:b.n], y[:b.n], dst)
		}
	}
}

func compareConstant[T number](rel relation, xs []T, y T, dst []uint8) {
	dst = dst[:len(xs)]
	switch rel {
	case equal, notDistinct:
		for i, x := range xs {
			dst[i] = b2u(x == y)
		}
	case notEqual, distinct:
		for i, x := range xs {
			dst[i] = b2u(x != y)
		}
	case less:
		for i, x := range xs {
			dst[i] = b2u(x < y)
		}
	case lessEqual:
		for i, x := range xs {
			dst[i] = b2u(x <= y)
		}
	case greater:
		for i, x := range xs {
			dst[i] = b2u(x > y)
		}
	default:
		for i, x := range xs {
			dst[i] = b2u(x >= y)
		}
	}
}

func compareColumns[T number](rel relation, xs, ys []T, dst []uint8) {
	dst, ys = dst[:len(xs)], ys[:len(xs)]
	switch rel {
	case equal, notDistinct:
		for i, x := range xs {
			dst[i] = b2u(x == ys[i])
		}
	case notEqual, distinct:
		for i, x := range xs {
			dst[i] = b2u(x != ys[i])
		}
	case less:
		for i, x := range xs {
			dst[i] = b2u(x < ys[i])
		}
	case lessEqual:
		for i, x := range xs {
			dst[i] = b2u(x <= ys[i])
		}
	case greater:
		for i, x := range xs {
			dst[i] = b2u(x > ys[i])
		}
	default:
		for i, x := range xs {
			dst[i] = b2u(x >= ys[i])
		}
	}
}

// compareFloats compares with NaN equal to itself and above all else.
func compareFloats[T float](rel relation) kernel {
	plain := compareNumbers[T](rel)
	return func(b *block, args []*vec, out *vec) {
		x, y := columnOf[T](args[0]), columnOf[T](args[1])
		if !hasNaN(x.vals) && !hasNaN(y.vals) {
			plain(b, args, out)
			return
		}
		dst := results[uint8](out, b.n)
		for i := range dst {
			dst[i] = b2u(rel.holds(row.CompareFloats(float64(x.at(i)), float64(y.at(i)))))
		}
	}
}

func hasNaN[T float](xs []T) bool {
	nan := false
	for _, x := range xs {
		nan = nan || x != x
	}
	return nan
}

// compareWide compares by a function.
func compareWide[T row.Fixed](rel relation, cmp func(x, y T) int) kernel {
	return func(b *block, args []*vec, out *vec) {
		x, y, dst := columnOf[T](args[0]), columnOf[T](args[1]), results[uint8](out, b.n)
		for i := range dst {
			dst[i] = b2u(rel.holds(cmp(x.at(i), y.at(i))))
		}
	}
}

// compareTexts compares by bytes.
func compareTexts(rel relation) kernel {
	return func(b *block, args []*vec, out *vec) {
		x, y, dst := textsOf(args[0]), textsOf(args[1]), results[uint8](out, b.n)
		switch rel {
		case equal, notDistinct:
			for i := range dst {
				dst[i] = b2u(x.at(i) == y.at(i))
			}
		case notEqual, distinct:
			for i := range dst {
				dst[i] = b2u(x.at(i) != y.at(i))
			}
		default:
			for i := range dst {
				dst[i] = b2u(rel.holds(strings.Compare(x.at(i), y.at(i))))
			}
		}
	}
}

// distinctKernel makes IS [NOT] DISTINCT FROM of a comparison of the values.
func distinctKernel(rel relation, compare kernel) kernel {
	return func(b *block, args []*vec, out *vec) {
		compare(b, args, out)
		x, y := args[0], args[1]
		if x.Valid == nil && y.Valid == nil {
			return
		}
		dst := values[uint8](out)
		for i := range dst {
			if xn, yn := x.isNull(i), y.isNull(i); xn || yn {
				dst[i] = b2u((xn != yn) == (rel == distinct))
			}
		}
	}
}
