package scalar

import (
	"fmt"

	"github.com/tidemill/tidemill/internal/plan"
	"github.com/tidemill/tidemill/internal/row"
)

// predicate is one step of Select: a comparison that goes straight from a column to positions, or a block.
type predicate struct {
	fast selector
	arm  arm
}

// selector appends to dst the positions among sel (nil: all of n) for which a predicate is true. dst has room for all of them.
type selector func(n int, sel, dst []int32) []int32

func (p *Program) buildSelect() (*assembly, error) {
	as := newAssembly(p)
	defer func() { p.closers = append(p.closers, as.closers...) }()
	m := newMain(as)
	var preds []predicate
	seen := map[*plan.Expr]int{}
	for _, e := range p.exprs {
		if e.Type.Kind != row.Bool {
			return nil, fmt.Errorf("BUG: predicate of type %s", e.Type)
		}
		if err := checkDepth(e, maxDepth, seen); err != nil {
			return nil, err
		}
		for _, c := range conjuncts(nil, e) {
			pr := predicate{fast: as.fastSelector(m, c)}
			if pr.fast == nil {
				var err error
				if pr.arm, err = as.arm(m.scope, c); err != nil {
					return nil, err
				}
			}
			preds = append(preds, pr)
		}
	}
	p.base, p.preds = m, preds
	return as, nil
}

// conjuncts appends the predicates that all must be true for e to be true.
func conjuncts(dst []*plan.Expr, e *plan.Expr) []*plan.Expr {
	if e.Kind == plan.Call && e.Name == plan.And {
		for _, a := range e.Args {
			dst = conjuncts(dst, a)
		}
		return dst
	}
	return append(dst, e)
}

// Select evaluates the expressions as predicates, in order, and returns the positions of the rows for which all are true, ascending; rows
// that fail are not selected and listed in errs. A predicate is evaluated only for rows that passed those before it.
// The positions are valid until the next call.
func (p *Program) Select(b *row.Batch) (at []int32, errs []RowError, err error) {
	if p.base == nil {
		if _, err := p.buildSelect(); err != nil {
			return nil, nil, err
		}
	}
	if err := p.check(b); err != nil {
		return nil, nil, err
	}
	p.memos.start(b.Len)
	p.fatal = nil
	p.sink.reset(b.Len, &p.fatal)
	p.base.load(b, &p.sink)
	p.base.block.run()
	var sel []int32 // nil: all rows
	for i := range p.preds {
		if sel != nil && len(sel) == 0 || b.Len == 0 {
			break
		}
		p.next = grow(p.next, b.Len)
		sel = p.step(&p.preds[i], sel, p.next[:0])
		p.sel, p.next = p.next, p.sel
		if p.fatal != nil {
			return nil, nil, p.fatal
		}
	}
	if sel == nil {
		sel = grow(p.sel, b.Len)
		for i := range sel {
			sel[i] = int32(i)
		}
		p.sel = sel
	}
	return sel, p.failures(), nil
}

// step applies one predicate to the rows sel (nil: all) and appends those that pass to dst.
func (p *Program) step(pr *predicate, sel, dst []int32) []int32 {
	b := p.base.block
	if pr.fast != nil {
		return pr.fast(b.n, sel, dst)
	}
	var v *vec
	gathered := false
	switch sub := pr.arm.sub; {
	case sub == nil:
		v = pr.arm.direct
	case sel == nil:
		gathered = sub.runFor(b, nil, b.n)
		v = sub.result
	case sub.cheap && len(sel) > b.n/4:
		p.mask = grow(p.mask, b.n)
		fill(p.mask, 0)
		for _, i := range sel {
			p.mask[i] = 1
		}
		gathered = sub.runFor(b, p.mask, len(sel))
		v = sub.result
	default:
		sub.sink, sub.sel = b.sink, sel
		sub.gather(b)
		sub.run()
		sub.sel = nil // it is the program's memory
		gathered, v = true, sub.result
	}
	if p.fatal != nil {
		return dst
	}
	return p.passed(v, gathered, sel, dst)
}

// passed appends the rows of sel (nil: all) for which v is true and no failure is noted.
func (p *Program) passed(v *vec, gathered bool, sel, dst []int32) []int32 {
	dst = dst[:cap(dst)]
	vals, k := values[uint8](v), 0
	switch {
	case v.konst:
		if vals[0] == 0 || v.isNull(0) {
			return dst[:0]
		}
		for i := range p.base.block.n {
			if sel != nil && i >= len(sel) {
				break
			}
			dst[k] = int32(i)
			if sel != nil {
				dst[k] = sel[i]
			}
			k++
		}
	case sel == nil && v.Valid == nil:
		for i, x := range vals {
			dst[k] = int32(i)
			k += int(x & 1)
		}
	case sel == nil:
		for i, x := range vals {
			dst[k] = int32(i)
			k += int(x & 1 & (v.Valid[i>>3] >> (i & 7)))
		}
	default:
		for j, i := range sel {
			at := j
			if !gathered {
				at = int(i)
			}
			x := vals[at] & 1
			if v.Valid != nil {
				x &= v.Valid[at>>3] >> (at & 7)
			}
			dst[k] = i
			k += int(x)
		}
	}
	return p.withoutFailed(dst[:k])
}

// withoutFailed drops the rows that failed.
func (p *Program) withoutFailed(sel []int32) []int32 {
	if p.sink.failed == nil {
		return sel
	}
	k := 0
	for _, i := range sel {
		if !p.sink.has(i) {
			sel[k] = i
			k++
		}
	}
	return sel[:k]
}
