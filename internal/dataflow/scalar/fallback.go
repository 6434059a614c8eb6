package scalar

import (
	"fmt"

	"github.com/tidemill/tidemill/internal/plan"
	"github.com/tidemill/tidemill/internal/row"
)

// salvageWays is into how many parts the rows of a failed evaluation are split to find the ones that fail.
const salvageWays = 8

// fallback makes the code of an expression that DuckDB computes: e itself over columns computed here, and with it
// those arguments whose values have no form here (lists, structs …).
func (as *assembly) fallback(sc *scope, e *plan.Expr) (*vec, error) {
	if as.c.Fallback == nil {
		return nil, fmt.Errorf("%s is not available here", callName(e))
	}
	frag := &fragment{as: as, sc: sc, at: map[*vec]int{}}
	body, err := frag.cut(e)
	if err != nil {
		return nil, err
	}
	text, columns, err := plan.SQLOf(body)
	if err != nil {
		return nil, fmt.Errorf("writing %s as SQL: %w", callName(e), err)
	}
	f := &foreign{sql: text, result: e.Type}
	for _, c := range columns {
		f.from = append(f.from, frag.args[c])
	}
	if f.whole, err = as.c.Fallback.Compile(text, typesOf(f.from), e.Type); err != nil {
		return nil, fmt.Errorf("preparing %s: %w", callName(e), err)
	}
	as.closers = append(as.closers, f)
	return sc.emit(native{run: f.run, nullable: true}, nil, e.Type), nil
}

func typesOf(cols []*vec) []row.Type {
	types := make([]row.Type, len(cols))
	for i, v := range cols {
		types[i] = v.Type
	}
	return types
}

// fragment is the part of an expression that goes to the fallback.
type fragment struct {
	as   *assembly
	sc   *scope
	args []*vec // its columns
	at   map[*vec]int
}

// cut returns e with every argument that can be computed here replaced by a column.
func (f *fragment) cut(e *plan.Expr) (*plan.Expr, error) {
	out := *e
	out.Args = make([]*plan.Expr, len(e.Args))
	for i, a := range e.Args {
		var err error
		switch {
		case a.Kind == plan.Constant:
			out.Args[i] = a // many functions need their constants while binding
		case f.as.c.absorbed(a):
			out.Args[i], err = f.cut(a)
		default:
			out.Args[i], err = f.column(a)
		}
		if err != nil {
			return nil, err
		}
	}
	return &out, nil
}

// absorbed reports whether an argument of a call that DuckDB computes has to be computed there with it. A TRY is not, because it is not safe there; see
// salvage. A nested value that DuckDB computes anyway stays there.
func (c *Compiler) absorbed(a *plan.Expr) bool {
	if a.Kind == plan.Column || a.Kind == plan.Constant || a.Name == plan.Try {
		return false
	}
	if a.Type.Nested() {
		_, is := c.needsFallback(a)
		return is && !a.Volatile
	}
	return a.Type.Kind == row.Other
}

func (f *fragment) column(e *plan.Expr) (*plan.Expr, error) {
	v, err := f.as.expr(f.sc, e)
	if err != nil {
		return nil, err
	}
	k, ok := f.at[v]
	if !ok {
		k = len(f.args)
		f.args = append(f.args, v)
		f.at[v] = k
	}
	return plan.Col(k, e.Type), nil
}

// foreign is an instruction that the fallback computes.
type foreign struct {
	sql    string
	from   []*vec // the columns that $1, $2 … stand for
	result row.Type
	whole  FallbackFunc
	args   []row.Vec
}

// Close frees what the fallback holds.
func (f *foreign) Close() {
	if f.whole != nil {
		f.whole.Close()
	}
}

func (f *foreign) run(b *block, _ []*vec, out *vec) {
	out.Vec = f.rows(b, nil)
	out.scratchData, out.scratchValid = false, false
}

// rows computes the rows at the given positions, or all for nil.
func (f *foreign) rows(b *block, at []int32) row.Vec {
	n := b.n
	if at != nil {
		n = len(at)
	}
	f.args = f.args[:0]
	for _, a := range f.from {
		switch {
		case a.konst:
			f.args = append(f.args, a.Value(0).Repeat(n))
		case at != nil:
			f.args = append(f.args, a.Gather(at))
		default:
			f.args = append(f.args, a.Vec)
		}
	}
	v, err := f.eval(f.args, n)
	if err != nil {
		build := row.NewBuilder(f.result, n)
		f.salvage(b, build, at, 0, n, err)
		v = build.Finish()
	}
	if v.Type != f.result || v.Len != n {
		b.stop(fmt.Errorf("BUG: %s gave %d values of type %s for %d rows of type %s", f.sql, v.Len, v.Type, n, f.result))
		return row.NullVec(f.result, n)
	}
	return v
}

func (f *foreign) eval(args []row.Vec, n int) (row.Vec, error) {
	if n == 0 {
		return row.NullVec(f.result, 0), nil
	}
	return f.whole.Eval(args, n)
}

// salvage appends the values of the rows from lo up to hi, which failed together with cause, and notes the ones that fail by
// themselves. It asks again for ever smaller parts: DuckDB's TRY, which would find the rows at once, can corrupt its memory
// when a CASE or COALESCE fails below it.
func (f *foreign) salvage(b *block, build *row.Builder, at []int32, lo, hi int, cause error) {
	if hi-lo == 1 {
		i := lo
		if at != nil {
			i = int(at[lo])
		}
		b.fail(i, cause.Error())
		build.AppendNull()
		return
	}
	step := (hi - lo + salvageWays - 1) / salvageWays
	for ; lo < hi; lo += step {
		end := min(lo+step, hi)
		v, err := f.eval(sliceAll(f.args, lo, end), end-lo)
		if err != nil {
			f.salvage(b, build, at, lo, end, err)
			continue
		}
		build.AppendVec(&v)
	}
}

func sliceAll(cols []row.Vec, lo, hi int) []row.Vec {
	part := make([]row.Vec, len(cols))
	for k := range cols {
		part[k] = cols[k].Slice(lo, hi)
	}
	return part
}
