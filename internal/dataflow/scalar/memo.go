package scalar

import (
	"slices"

	"github.com/tidemill/tidemill/internal/plan"
	"github.com/tidemill/tidemill/internal/row"
)

// maxParts bounds the columns that a memo takes values from.
const maxParts = 1 << 15

// memos are what expensive expressions were found to be for the rows of a batch, for all the places that may need them: arms of lazy expressions, which
// each run over rows of their own, and a projection after a filter. A row is computed where it is first needed, so
// nothing is computed, and nothing fails, that would not be without them.
type memos struct {
	ids   map[string]int // structure of an expression → its number
	made  map[int]int    // times that an expression's code was made
	cells map[int]*memo  // by number of expression

	batch uint64 // counts the batches
	n     int    // rows of the batch
	// at are the rows of the batch that are now evaluated, nil for all.
	at []int32
}

func newMemos(cells map[int]*memo) *memos {
	return &memos{ids: map[string]int{}, made: map[int]int{}, cells: cells}
}

// start forgets what was found for the rows of the batch before.
func (m *memos) start(rows int) {
	m.batch++
	m.n, m.at = rows, nil
}

// memo is what is known of one expression.
type memo struct {
	batch uint64   // what it is of
	parts []*vec   // columns with values; they stay as they are until the next batch
	from  []uint16 // per row of the batch, 1 + position in parts; 0: not computed
	in    []int32  // per row of the batch, the row of the part
}

// memoOp is an instruction that takes from a memo what is there and computes the rest.
type memoOp struct {
	memos  *memos
	cell   *memo
	arm    arm
	lacks  []uint8
	choice choice
}

// memoized makes the code of e, whose values are kept in cell.
func (as *assembly) memoized(sc *scope, e *plan.Expr, cell *memo) (*vec, error) {
	sub := newScope(sc)
	v, err := as.newExpr(sub, e)
	if err != nil {
		return nil, err
	}
	if v.konst {
		out := sc.slot(v.Type)
		out.konst = true
		out.alias(v)
		return out, nil
	}
	sub.block.result = v
	op := &memoOp{memos: as.memos, cell: cell, arm: arm{sub: sub.block}}
	return sc.emit(native{run: op.run, nullable: true}, nil, e.Type), nil
}

// row returns the row of the batch that row i of b is.
func (m *memos) row(b *block, i int) int32 {
	at := b.position(i)
	if m.at != nil {
		return m.at[at]
	}
	return at
}

func (op *memoOp) run(b *block, _ []*vec, out *vec) {
	c := op.cell
	if c.batch != op.memos.batch {
		c.batch, c.parts = op.memos.batch, c.parts[:0]
		c.from, c.in = grow(c.from, op.memos.n), grow(c.in, op.memos.n)
		fill(c.from, 0)
	}
	asked, lacking := op.lacking(b)
	if lacking > 0 {
		v, gathered := op.arm.eval(b, op.lacks, lacking)
		if *b.sink.fatal != nil {
			return
		}
		op.keep(b, v, gathered)
		if lacking == asked && !gathered {
			out.alias(v)
			return
		}
		op.choice.start(b.n)
		op.choice.take(v, gathered, op.lacks)
	} else {
		op.choice.start(b.n)
	}
	op.recall(b)
	op.choice.finish(b, out)
}

// lacking marks the rows of b that are asked for and not known, and counts these and all that are asked for.
func (op *memoOp) lacking(b *block) (asked, lacking int) {
	op.lacks = grow(op.lacks, b.n)
	asked = b.liveRows(op.lacks)
	if len(op.cell.parts) == 0 {
		return asked, asked
	}
	for i, l := range op.lacks {
		if l != 0 && op.cell.from[op.memos.row(b, i)] != 0 {
			op.lacks[i] = 0
		} else {
			lacking += int(l)
		}
	}
	return asked, lacking
}

// keep notes where the values just computed are. Rows that failed are left out, so that they fail wherever they are asked for.
func (op *memoOp) keep(b *block, v *vec, gathered bool) {
	c := op.cell
	if len(c.parts) == maxParts {
		return
	}
	c.parts = append(c.parts, v)
	part, j := uint16(len(c.parts)), int32(0)
	for i, l := range op.lacks {
		if l == 0 {
			continue
		}
		from := int32(i)
		if gathered {
			from = j
			j++
		}
		if b.sink.failed != nil && b.sink.has(b.position(i)) {
			continue
		}
		at := op.memos.row(b, i)
		c.from[at], c.in[at] = part, from
	}
}

// recall takes the rows that were known before.
func (op *memoOp) recall(b *block) {
	c, to := op.cell, &op.choice
	base := uint16(len(to.arms))
	to.arms = append(to.arms, c.parts...)
	for i := range to.from {
		if to.from[i] != 0 || !b.alive(i) {
			continue
		}
		if at := op.memos.row(b, i); c.from[at] != 0 {
			to.from[i], to.at[i] = base+c.from[at], c.in[at]
		}
	}
}

// worthwhile makes memos for the expressions that are expensive and whose code was made in several places. A part of such an expression gets one
// only if it is needed outside of it, too.
func (m *memos) worthwhile(stages []*assembly) map[int]*memo {
	uses, first := map[int]int{}, map[int]*plan.Expr{}
	var order []int
	var walk func(as *assembly, e *plan.Expr)
	walk = func(as *assembly, e *plan.Expr) {
		id := as.number(e)
		if uses[id]++; uses[id] > 1 {
			return
		}
		for _, a := range e.Args {
			walk(as, a)
		}
		first[id] = e
		order = append(order, id) // parts before the whole
	}
	for _, as := range stages {
		for _, e := range as.roots {
			walk(as, e)
		}
	}
	again := func(id int) bool { return uses[id] > 1 && m.made[id] > 1 && len(first[id].Args) > 0 }
	if !slices.ContainsFunc(order, again) {
		return nil
	}
	cells, dear := map[int]*memo{}, map[int]bool{}
	c, moods := stages[0].c, stages[0]
	for _, id := range order {
		e := first[id]
		dear[id] = c.dear(e)
		for _, a := range e.Args {
			dear[id] = dear[id] || dear[m.numberOf(stages, a)]
		}
		if dear[id] && again(id) && !moods.volatile(e) {
			cells[id] = &memo{}
		}
	}
	return cells
}

// numberOf finds the number that one of the stages gave an expression.
func (m *memos) numberOf(stages []*assembly, e *plan.Expr) int {
	for _, as := range stages {
		if id, ok := as.numbers[e]; ok {
			return id
		}
	}
	return -1
}

// dear reports whether a call costs so much by itself that keeping its value for later is cheaper.
func (c *Compiler) dear(e *plan.Expr) bool {
	if e = simplified(e); e.Kind != plan.Call && e.Kind != plan.Cast || isLazy(e) {
		return false
	}
	nat, ok := c.native(e)
	return !ok || nat.dear
}

// CompileMap makes the programs of a filter over columns of the types of input and of what is computed from the rows that pass it: preds and exprs. The
// second takes only the columns that narrow lists, nil for all; exprs are over those. What both need is computed once per row, if Select of the
// first is followed by Passed and Eval of the second. The programs are nil for no expressions.
func (c *Compiler) CompileMap(preds, exprs []*plan.Expr, input []row.Type, narrow []int) (where, out *Program, err error) {
	var stages []*Program
	if len(preds) > 0 {
		where = &Program{compiler: c, exprs: preds, input: input, selects: true}
		stages = append(stages, where)
	}
	if len(exprs) > 0 {
		below := input
		if narrow != nil {
			below = make([]row.Type, len(narrow))
			for i, k := range narrow {
				below[i] = input[k]
			}
		}
		out = &Program{compiler: c, exprs: exprs, input: below, columns: narrow}
		stages = append(stages, out)
	}
	if err := build(stages); err != nil {
		return nil, nil, err
	}
	return where, out, nil
}

// build makes the code of programs that share memos: once to see what there is to share, and again if there is something.
func build(stages []*Program) error {
	var cells map[int]*memo
	for {
		m := newMemos(cells)
		var made []*assembly
		for _, p := range stages {
			as, err := p.build(m)
			if err != nil {
				for _, p := range stages {
					p.Close()
				}
				return err
			}
			made = append(made, as)
		}
		if cells != nil || len(made) == 0 {
			return nil
		}
		if cells = m.worthwhile(made); len(cells) == 0 {
			return nil
		}
		for _, p := range stages {
			p.Close()
		}
	}
}

func (p *Program) build(m *memos) (*assembly, error) {
	if p.memos = m; p.selects {
		return p.buildSelect()
	}
	return p.buildEval()
}

// Passed says that the next batch for Eval is the rows at of the batch that Select of the program's filter has just been given, nil for all of them. The
// positions must stay until then.
func (p *Program) Passed(at []int32) { p.memos.at, p.follows = at, true }
