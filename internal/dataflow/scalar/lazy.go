package scalar

import (
	"fmt"

	"github.com/tidemill/tidemill/internal/plan"
	"github.com/tidemill/tidemill/internal/row"
)

// isLazy reports whether e decides itself for which rows its arguments are evaluated.
func isLazy(e *plan.Expr) bool {
	if e.Kind == plan.Case {
		return true
	}
	if e.Kind != plan.Call {
		return false
	}
	switch e.Name {
	case plan.And, plan.Or, plan.Coalesce, plan.Try:
		return true
	}
	return false
}

// arm is an argument of a lazy expression: a slot of the block the expression is in, or a block of its own.
type arm struct {
	direct *vec
	sub    *block
}

// eval computes the arm for the rows want of b (nil: all), of which there are count. It returns the column and whether it has one row
// per wanted row rather than one per row of b.
func (a *arm) eval(b *block, want []uint8, count int) (v *vec, gathered bool) {
	if a.direct != nil {
		return a.direct, false
	}
	gathered = a.sub.runFor(b, want, count)
	return a.sub.result, gathered
}

func (as *assembly) lazy(sc *scope, e *plan.Expr) (*vec, error) {
	if err := checkLazy(e); err != nil {
		return nil, err
	}
	arms := make([]arm, len(e.Args))
	for i, x := range e.Args {
		var err error
		if i == 0 && e.Name != plan.Try {
			arms[0].direct, err = as.expr(sc, x) // always evaluated, so it is common code
		} else {
			arms[i], err = as.arm(sc, x)
		}
		if err != nil {
			return nil, err
		}
	}
	var nat native
	switch {
	case e.Kind == plan.Case:
		nat.run = (&caseOp{arms: arms}).run
	case e.Name == plan.Coalesce:
		nat.run = (&coalesceOp{arms: arms}).run
	case e.Name == plan.Try:
		nat.run = (&tryOp{arm: arms[0]}).run
	default:
		nat.run = (&junction{arms: arms, and: e.Name == plan.And}).run
	}
	nat.nullable, nat.cheap = true, true
	for i := range arms {
		nat.cheap = nat.cheap && (arms[i].sub == nil || arms[i].sub.cheap)
	}
	return sc.emit(nat, nil, e.Type), nil
}

// checkLazy holds what the kernels below rely on.
func checkLazy(e *plan.Expr) error {
	bad := len(e.Args) == 0
	switch {
	case e.Kind == plan.Case:
		bad = len(e.Args)%2 == 0
		for i, a := range e.Args {
			if i%2 == 0 && i+1 < len(e.Args) {
				bad = bad || a.Type.Kind != row.Bool
			} else {
				bad = bad || a.Type != e.Type
			}
		}
	case e.Name == plan.Try:
		bad = len(e.Args) != 1
		fallthrough
	default:
		for _, a := range e.Args {
			bad = bad || a.Type != e.Type
		}
		if e.Name == plan.And || e.Name == plan.Or {
			bad = bad || e.Type.Kind != row.Bool
		}
	}
	if bad {
		return fmt.Errorf("BUG: arguments of %s do not have the types it takes", callName(e))
	}
	return nil
}

func callName(e *plan.Expr) string {
	if e.Kind == plan.Case {
		return "CASE"
	}
	return e.Name
}

// grow returns s with length n, of unspecified content.
func grow[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n, n+n/4)
	}
	return s[:n]
}

// liveRows makes want the mask of rows that count in b and returns how many there are.
func (b *block) liveRows(want []uint8) int {
	if b.live == nil {
		fill(want, 1)
		return b.n
	}
	copy(want, b.live)
	return count(want)
}

func count(mask []uint8) (n int) {
	for _, m := range mask {
		n += int(m)
	}
	return n
}

// choice assembles a column out of arms: for each row, the arm its value comes from and where it is there.
type choice struct {
	arms []*vec
	from []uint16 // per row, 1 + position in arms; 0: nobody asks for the row
	at   []int32  // per row, the row of the arm
}

func (c *choice) start(n int) {
	c.arms = c.arms[:0]
	c.from, c.at = grow(c.from, n), grow(c.at, n)
	fill(c.from, 0)
}

// take says that the rows of mask take their values from v, which has a row per row of mask if gathered.
func (c *choice) take(v *vec, gathered bool, mask []uint8) {
	c.arms = append(c.arms, v)
	k, j, in := uint16(len(c.arms)), int32(0), int32(v.mask())
	for i, m := range mask {
		if m == 0 {
			continue
		}
		c.from[i] = k
		if gathered {
			c.at[i] = j
			j++
		} else {
			c.at[i] = int32(i) & in
		}
	}
}

// finish makes out the assembled column.
func (c *choice) finish(b *block, out *vec) {
	for k, v := range c.arms {
		if v.Valid == nil {
			continue
		}
		for i, f := range c.from {
			if f == uint16(k+1) && v.Null(int(c.at[i])) {
				out.setNull(i, b.n)
			}
		}
	}
	switch out.Type.Phys().Width() {
	case 1:
		assemble[uint8](c, out)
	case 2:
		assemble[uint16](c, out)
	case 4:
		assemble[uint32](c, out)
	case 8:
		assemble[uint64](c, out)
	case 16:
		assemble[row.Int128Value](c, out)
	default:
		c.assembleTexts(b, out)
	}
}

func assemble[T row.Fixed](c *choice, out *vec) {
	dst := results[T](out, len(c.from))
	for k, v := range c.arms {
		vals, id := values[T](v), uint16(k+1)
		for i, f := range c.from {
			if f == id {
				dst[i] = vals[c.at[i]]
			}
		}
	}
}

func (c *choice) assembleTexts(b *block, out *vec) {
	size, cols := 0, make([]texts, len(c.arms))
	for k, v := range c.arms {
		cols[k] = texts{v.Data, v.Offsets, -1}
		size += len(v.Data)
	}
	w := writeTexts(out, len(c.from), size)
	for i, k := range c.from {
		if k != 0 && (out.Valid == nil || !out.Null(i)) {
			w.buf = append(w.buf, cols[k-1].at(int(c.at[i]))...)
		}
		w.end()
		if w.full(b) {
			break
		}
	}
	w.finish(b)
}

// caseOp is CASE: arms are condition, value, condition, value … else.
type caseOp struct {
	arms       []arm
	choice     choice
	left, then []uint8
}

func (op *caseOp) run(b *block, _ []*vec, out *vec) {
	op.choice.start(b.n)
	op.left, op.then = grow(op.left, b.n), grow(op.then, b.n)
	left := b.liveRows(op.left)
	k := 0
	for ; k+1 < len(op.arms) && left > 0; k += 2 {
		cond, gathered := op.arms[k].eval(b, op.left, left)
		n := splitTrue(op.left, op.then, cond, gathered)
		if n > 0 {
			v, gathered := op.arms[k+1].eval(b, op.then, n)
			op.choice.take(v, gathered, op.then)
		}
		left -= n
	}
	if left > 0 {
		v, gathered := op.arms[len(op.arms)-1].eval(b, op.left, left)
		op.choice.take(v, gathered, op.left)
	}
	op.choice.finish(b, out)
}

// splitTrue moves the rows for which cond is true from left to then, and counts them.
func splitTrue(left, then []uint8, cond *vec, gathered bool) (n int) {
	vals, j := columnOf[uint8](cond), 0
	for i, l := range left {
		then[i] = 0
		if l == 0 {
			continue
		}
		at := i
		if gathered {
			at = j
			j++
		}
		if vals.at(at) != 0 && !cond.isNull(at) {
			then[i], left[i] = 1, 0
			n++
		}
	}
	return n
}

// coalesceOp is COALESCE.
type coalesceOp struct {
	arms       []arm
	choice     choice
	left, then []uint8
}

func (op *coalesceOp) run(b *block, _ []*vec, out *vec) {
	op.choice.start(b.n)
	op.left, op.then = grow(op.left, b.n), grow(op.then, b.n)
	left := b.liveRows(op.left)
	for k := 0; k < len(op.arms) && left > 0; k++ {
		v, gathered := op.arms[k].eval(b, op.left, left)
		op.choice.take(v, gathered, op.left)
		left = keepNulls(op.left, v, gathered)
	}
	op.choice.finish(b, out)
}

// keepNulls leaves in left only the rows for which v is null, and counts them.
func keepNulls(left []uint8, v *vec, gathered bool) (n int) {
	if v.Valid == nil {
		fill(left, 0)
		return 0
	}
	j := 0
	for i, l := range left {
		if l == 0 {
			continue
		}
		at := i
		if gathered {
			at = j
			j++
		}
		if v.isNull(at) {
			n++
		} else {
			left[i] = 0
		}
	}
	return n
}

// junction is AND or OR with three truth values. A row is decided by the first false (of AND) or true (of OR).
type junction struct {
	arms []arm
	and  bool
	left []uint8
}

func (op *junction) run(b *block, _ []*vec, out *vec) {
	decisive := uint8(1)
	if op.and {
		decisive = 0
	}
	dst := results[uint8](out, b.n)
	op.left = grow(op.left, b.n)
	left := b.liveRows(op.left)
	fresh := true
	for k := range op.arms {
		if left == 0 {
			break
		}
		v, gathered := op.arms[k].eval(b, op.left, left)
		if v.Valid == nil && out.Valid == nil && !gathered && !v.konst {
			left = op.mergeKnown(dst, values[uint8](v), fresh)
		} else {
			left = op.merge(b, out, dst, v, gathered, decisive, fresh)
		}
		fresh = false
	}
}

// mergeKnown is merge where nothing is null: then the rows left are also the rows true so far (of AND) or not true so far (of OR).
func (op *junction) mergeKnown(dst, vals []uint8, first bool) (left int) {
	switch {
	case op.and:
		for i, l := range op.left {
			l &= vals[i]
			op.left[i], dst[i] = l, l
			left += int(l)
		}
	case first:
		for i, l := range op.left {
			t := l & vals[i]
			op.left[i], dst[i] = l^t, t
			left += int(l ^ t)
		}
	default:
		for i, l := range op.left {
			t := l & vals[i]
			op.left[i] = l ^ t
			dst[i] |= t
			left += int(l ^ t)
		}
	}
	return left
}

// merge takes the next argument's truth for the rows that are left, and keeps those not yet decided.
func (op *junction) merge(b *block, out *vec, dst []uint8, v *vec, gathered bool, decisive uint8, first bool) (left int) {
	vals, j := columnOf[uint8](v), 0
	for i, l := range op.left {
		if l == 0 {
			continue
		}
		at := i
		if gathered {
			at = j
			j++
		}
		x, null := vals.at(at), v.Valid != nil && v.isNull(at)
		switch {
		case null:
			if first || out.Valid == nil || !out.Null(i) {
				dst[i] = 1 - decisive
				out.setNull(i, b.n)
			}
			left++
		case x == decisive:
			dst[i], op.left[i] = decisive, 0
			if out.Valid != nil {
				row.SetValid(out.Valid, i)
			}
		default:
			if first {
				dst[i] = x
			}
			left++
		}
	}
	return left
}

// tryOp is TRY: rows that fail become null.
type tryOp struct {
	arm    arm
	sink   sink
	choice choice
	left   []uint8
}

func (op *tryOp) run(b *block, _ []*vec, out *vec) {
	op.left = grow(op.left, b.n)
	left := b.liveRows(op.left)
	op.choice.start(b.n)
	if op.arm.direct != nil {
		op.choice.take(op.arm.direct, false, op.left)
		op.choice.finish(b, out)
		return
	}
	op.sink.reset(b.sink.n, b.sink.fatal)
	outer := b.sink
	b.sink = &op.sink
	gathered := op.arm.sub.runFor(b, op.left, left)
	b.sink = outer
	op.choice.take(op.arm.sub.result, gathered, op.left)
	op.choice.finish(b, out)
	for i := range op.left {
		if op.sink.has(b.position(i)) {
			out.setNull(i, b.n)
		}
	}
}
