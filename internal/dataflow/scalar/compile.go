package scalar

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/tidemill/tidemill/internal/plan"
	"github.com/tidemill/tidemill/internal/row"
)

// maxDepth bounds the nesting of expressions, so that no expression can exhaust the stack.
const maxDepth = 2000

// maxSlots bounds what a program computes. Arms do not share what they compute, so expressions whose parts are shared could otherwise take
// exponential space.
const maxSlots = 1 << 18

var (
	errTooDeep  = errors.New("expression is nested too deeply")
	errTooLarge = errors.New("expression is too large")
)

// assembly is the making of a program's blocks.
type assembly struct {
	c       *Compiler
	input   []row.Type
	columns []int // what the columns of input are in memos, nil for the same
	roots   []*plan.Expr
	memos   *memos
	numbers map[*plan.Expr]int
	moody   map[*plan.Expr]bool // whether an expression is volatile
	slots   int
	closers []*foreign
}

func newAssembly(p *Program) *assembly {
	return &assembly{c: p.compiler, input: p.input, columns: p.columns, roots: p.exprs, memos: p.memos, numbers: map[*plan.Expr]int{}, moody: map[*plan.Expr]bool{}}
}

// scope is a block being made and what has been computed in it.
type scope struct {
	up    *scope
	block *block
	known map[int]*vec // expression number → its slot
}

func newScope(up *scope) *scope {
	return &scope{up: up, block: &block{cheap: true}, known: map[int]*vec{}}
}

func (sc *scope) slot(t row.Type) *vec {
	v := &vec{Vec: row.Vec{Type: t}}
	sc.block.slots = append(sc.block.slots, v)
	return v
}

// lookup finds the slot of an expression that has been computed here or, before this block runs, in a block around.
func (sc *scope) lookup(id int) *vec {
	if v := sc.known[id]; v != nil {
		return v
	}
	if sc.up == nil {
		return nil
	}
	from := sc.up.lookup(id)
	if from == nil {
		return nil
	}
	to := sc.slot(from.Type)
	if from.konst {
		to.konst = true
		to.alias(from)
	} else {
		sc.block.imports = append(sc.block.imports, importSlot{from, to})
	}
	sc.known[id] = to
	return to
}

// volatile reports whether two evaluations of e may differ.
func (as *assembly) volatile(e *plan.Expr) bool {
	v, known := as.moody[e]
	if known {
		return v
	}
	v = e.Volatile
	for _, a := range e.Args {
		v = v || as.volatile(a)
	}
	as.moody[e] = v
	return v
}

// number gives equal expressions equal numbers.
func (as *assembly) number(e *plan.Expr) int {
	if id, ok := as.numbers[e]; ok {
		return id
	}
	index := e.Index
	if e.Kind == plan.Column && as.columns != nil && index >= 0 && index < len(as.columns) {
		index = as.columns[index]
	}
	key := fmt.Appendf(nil, "%d %q %v %d %t %q", e.Kind, e.Name, e.Type, index, e.Try, e.SQL)
	if e.Kind == plan.Constant {
		key = fmt.Appendf(key, " %t %d %d %x %q %v", e.Value.Null, e.Value.I, e.Value.H, e.Value.F, e.Value.S, e.Value.V)
	}
	for _, a := range e.Args {
		key = strconv.AppendInt(append(key, ' '), int64(as.number(a)), 10)
	}
	ids := as.memos.ids
	id, ok := ids[string(key)]
	if !ok {
		id = len(ids)
		ids[string(key)] = id
	}
	as.numbers[e] = id
	return id
}

// checkDepth refuses expressions that recursion could not follow. seen holds the most levels an expression was found to have room for.
func checkDepth(e *plan.Expr, left int, seen map[*plan.Expr]int) error {
	if left == 0 {
		return errTooDeep
	}
	if room, ok := seen[e]; ok && room <= left {
		return nil
	}
	seen[e] = left
	for _, a := range e.Args {
		if err := checkDepth(a, left-1, seen); err != nil {
			return err
		}
	}
	return nil
}

// expr makes the code of e in sc and returns its slot.
func (as *assembly) expr(sc *scope, e *plan.Expr) (*vec, error) {
	if as.volatile(e) {
		return as.newExpr(sc, e)
	}
	id := as.number(e)
	if v := sc.lookup(id); v != nil {
		return v, nil
	}
	var v *vec
	var err error
	if cell := as.memos.cells[id]; cell != nil {
		v, err = as.memoized(sc, e, cell)
	} else {
		v, err = as.newExpr(sc, e)
	}
	if err != nil {
		return nil, err
	}
	as.memos.made[id]++
	sc.known[id] = v
	return v, nil
}

func (as *assembly) newExpr(sc *scope, e *plan.Expr) (*vec, error) {
	if as.slots++; as.slots > maxSlots {
		return nil, errTooLarge
	}
	e = simplified(e)
	switch e.Kind {
	case plan.Constant:
		return sc.constant(e.Value), nil
	case plan.Column:
		if e.Index < 0 || e.Index >= len(as.input) {
			return nil, fmt.Errorf("BUG: column %d of an input with %d columns", e.Index, len(as.input))
		}
		return nil, fmt.Errorf("BUG: column %d is of type %s, not %s", e.Index, as.input[e.Index], e.Type)
	case plan.Param:
		return nil, fmt.Errorf("parameter $%d has no value", e.Index)
	}
	if isLazy(e) {
		return as.lazy(sc, e)
	}
	nat, ok := as.c.native(e)
	if !ok {
		return as.fallback(sc, e)
	}
	used := e.Args
	if nat.firstOnly {
		used = used[:1]
	}
	args := make([]*vec, len(used))
	constant := true
	for i, a := range used {
		v, err := as.expr(sc, a)
		if err != nil {
			return nil, err
		}
		args[i] = v
		constant = constant && v.konst
		if v.konst && v.Null(0) && !nat.nullable {
			return sc.constant(row.NullValue(e.Type)), nil
		}
	}
	if nat.partial {
		return as.hybrid(sc, e, nat, args)
	}
	if constant {
		if v := fold(nat, args, e.Type); v != nil {
			sc.block.slots = append(sc.block.slots, v)
			return v, nil
		}
	}
	return sc.emit(nat, args, e.Type), nil
}

func (sc *scope) constant(v row.Value) *vec {
	slot := sc.slot(v.Type)
	slot.Vec, slot.konst = v.Repeat(1), true
	return slot
}

func (sc *scope) emit(nat native, args []*vec, t row.Type) *vec {
	out := sc.slot(t)
	sc.block.code = append(sc.block.code, instruction{run: nat.run, args: args, out: out, strict: !nat.nullable})
	sc.block.cheap = sc.block.cheap && nat.cheap
	return out
}

// fold computes a call of constants while compiling, or returns nil when it fails: it may never be evaluated.
func fold(nat native, args []*vec, t row.Type) *vec {
	var fatal error
	s := &sink{}
	s.reset(1, &fatal)
	out := &vec{Vec: row.Vec{Type: t}, escapes: true}
	b := &block{n: 1, sink: s, code: []instruction{{run: nat.run, args: args, out: out, strict: !nat.nullable}}}
	b.run()
	if fatal != nil || len(s.errs) > 0 {
		return nil
	}
	out.konst, out.escapes, out.ownBits = true, false, false
	return out
}

// arm makes e a block of its own under sc, for evaluation on only some rows. An expression that costs nothing is direct instead: a slot of sc.
func (as *assembly) arm(sc *scope, e *plan.Expr) (arm, error) {
	if e.Kind == plan.Constant || e.Kind == plan.Column || sc.lookup(as.number(e)) != nil {
		v, err := as.expr(sc, e)
		return arm{direct: v}, err
	}
	sub := newScope(sc)
	v, err := as.expr(sub, e)
	if err != nil {
		return arm{}, err
	}
	sub.block.result = v
	if v.konst {
		direct := sc.slot(v.Type)
		direct.konst = true
		direct.alias(v)
		return arm{direct: direct}, nil
	}
	return arm{sub: sub.block}, nil
}
