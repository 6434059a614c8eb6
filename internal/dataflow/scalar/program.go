package scalar

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/tidemill/tidemill/internal/plan"
	"github.com/tidemill/tidemill/internal/row"
)

// Program is a list of compiled expressions over rows of one shape. It is for one goroutine.
type Program struct {
	compiler *Compiler
	exprs    []*plan.Expr
	input    []row.Type
	closers  []*foreign
	// selects says that the expressions are predicates. columns are those of the batch that input stands for in memos, nil for the same.
	selects bool
	columns []int
	memos   *memos
	follows bool // the next Eval is over rows that a filter passed

	// main computes all expressions; its results are in outs. Made when first needed.
	main *mainBlock
	outs []*vec
	// base holds the input columns for preds, the steps of Select. Made when first needed.
	base  *mainBlock
	preds []predicate

	sink  sink
	fatal error
	sel   []int32
	next  []int32
	mask  []uint8
}

// mainBlock is the outermost block, whose first slots are the input columns.
type mainBlock struct {
	*scope
	cols []*vec // per input column
}

func newMain(as *assembly) *mainBlock {
	m := &mainBlock{scope: newScope(nil)}
	for i, t := range as.input {
		v := m.slot(t)
		m.cols = append(m.cols, v)
		m.known[as.number(plan.Col(i, t))] = v
	}
	return m
}

// load points the input slots to the columns of a batch.
func (m *mainBlock) load(b *row.Batch, s *sink) {
	for i, v := range m.cols {
		v.Vec = b.Cols[i]
	}
	m.block.n, m.block.rows, m.block.live, m.block.sink = b.Len, nil, nil, s
}

func (p *Program) buildEval() (*assembly, error) {
	as := newAssembly(p)
	defer func() { p.closers = append(p.closers, as.closers...) }()
	m := newMain(as)
	outs, seen := make([]*vec, len(p.exprs)), map[*plan.Expr]int{}
	for i, e := range p.exprs {
		if err := checkDepth(e, maxDepth, seen); err != nil {
			return nil, err
		}
		var err error
		if outs[i], err = as.expr(m.scope, e); err != nil {
			return nil, err
		}
	}
	for _, v := range outs {
		v.escapes = true
	}
	p.main, p.outs = m, outs
	return as, nil
}

// Eval computes one column per expression. Rows for which an expression fails are listed in errs (each row once, ascending);
// their values are unspecified. The columns are immutable and the caller's to keep. An err concerns the batch
// as a whole: the fallback broke, or a column grew beyond its bounds.
func (p *Program) Eval(b *row.Batch) (cols []row.Vec, errs []RowError, err error) {
	if p.main == nil {
		if _, err := p.buildEval(); err != nil {
			return nil, nil, err
		}
	}
	if err := p.check(b); err != nil {
		return nil, nil, err
	}
	if !p.follows {
		p.memos.start(b.Len)
	}
	p.follows = false
	cols = make([]row.Vec, len(p.outs))
	if b.Len == 0 {
		for i, e := range p.exprs {
			cols[i] = row.NullVec(e.Type, 0)
		}
		return cols, nil, nil
	}
	p.fatal = nil
	p.sink.reset(b.Len, &p.fatal)
	p.main.load(b, &p.sink)
	p.main.block.run()
	if p.fatal != nil {
		return nil, nil, p.fatal
	}
	for i, v := range p.outs {
		cols[i] = v.release(b.Len)
	}
	return cols, p.failures(), nil
}

// release returns v as a column that outlives the evaluation.
func (v *vec) release(n int) row.Vec {
	if v.konst {
		return v.Value(0).Repeat(n)
	}
	out := v.Vec
	if v.scratchValid && out.Valid != nil {
		out.Valid = slices.Clone(out.Valid[:row.BitmapBytes(n)])
	}
	if v.scratchData {
		if out.Offsets != nil {
			b := row.NewBuilder(v.Type, n)
			b.AppendVec(&v.Vec)
			data := b.Finish()
			out.Data, out.Offsets = data.Data, data.Offsets
		} else {
			out.Data = slices.Clone(out.Data)
		}
	}
	return out
}

func (p *Program) failures() []RowError {
	errs := p.sink.errs
	p.sink.errs = nil
	slices.SortFunc(errs, func(a, b RowError) int { return cmp.Compare(a.Row, b.Row) })
	return errs
}

func (p *Program) check(b *row.Batch) error {
	if len(b.Cols) != len(p.input) {
		return fmt.Errorf("BUG: batch has %d columns, program takes %d", len(b.Cols), len(p.input))
	}
	for i := range p.input {
		if b.Cols[i].Type != p.input[i] || b.Cols[i].Len != b.Len {
			return fmt.Errorf("BUG: column %d is %d values of type %s, program takes %d of type %s",
				i, b.Cols[i].Len, b.Cols[i].Type, b.Len, p.input[i])
		}
	}
	return nil
}

// Close frees what the fallback holds. The program must not be used afterwards.
func (p *Program) Close() {
	for _, f := range p.closers {
		f.Close()
	}
	p.closers = nil
}
