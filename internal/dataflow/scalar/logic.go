package scalar

import (
	"github.com/tidemill/tidemill/internal/plan"
	"github.com/tidemill/tidemill/internal/row"
)

func logicTable() registry {
	return registry{
		plan.Not: onlyCheap(map1(func(x uint8) uint8 { return x ^ 1 }), row.Bool),
		plan.IsNull: func(s *site) (native, bool) {
			return native{run: nullTest(1), nullable: true, cheap: true}, len(s.args) == 1
		},
		plan.IsNotNull: func(s *site) (native, bool) {
			return native{run: nullTest(0), nullable: true, cheap: true}, len(s.args) == 1
		},
		// constant_or_null(constant, x …) is what tests that must be true, but for nulls, are rewritten to.
		"constant_or_null": func(s *site) (native, bool) {
			if len(s.args) < 2 || s.args[0] != s.typ {
				return native{}, false
			}
			return cheap(kernel(constantOrNull))
		},
		plan.In:    func(s *site) (native, bool) { return inList(s, false) },
		plan.NotIn: func(s *site) (native, bool) { return inList(s, true) },
	}
}

// constantOrNull is the first argument; that the others null it is strictness.
func constantOrNull(b *block, args []*vec, out *vec) {
	valid, scratch, own := out.Valid, out.scratchValid, out.ownBits
	identity(b, args[:1], out)
	out.Valid, out.scratchValid, out.ownBits = valid, scratch, own
}

// nullTest gives whenNull for nulls and its opposite for others.
func nullTest(whenNull uint8) kernel {
	return func(b *block, args []*vec, out *vec) {
		dst, a := results[uint8](out, b.n), args[0]
		switch {
		case a.Valid == nil:
			fill(dst, 1-whenNull)
		case a.konst:
			fill(dst, b2u(a.Null(0))^whenNull^1)
		default:
			for i := range dst {
				dst[i] = a.Valid[i>>3]>>(i&7)&1 ^ whenNull
			}
		}
	}
}
