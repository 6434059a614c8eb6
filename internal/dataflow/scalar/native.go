package scalar

import (
	"github.com/tidemill/tidemill/internal/plan"
	"github.com/tidemill/tidemill/internal/row"
)

// registry maps a function's name to what builds its kernels.
type registry map[string]builder

// builder returns the implementation of a call for its argument types and constants, or ok false.
type builder func(s *site) (native, bool)

// native is the implementation of a call.
type native struct {
	run kernel
	// nullable kernels see nulls and set validity themselves; all others are strict: null in, null out.
	nullable bool
	// cheap kernels cost so little per row that rows nobody asked for may be computed too.
	cheap bool
	// dear kernels cost so much per row that their value is rather kept than computed again.
	dear bool
	// partial kernels leave rows to the fallback, by adding them to the block's hard rows.
	partial bool
	// firstOnly kernels have all arguments but the first built in.
	firstOnly bool
}

// site is a call or cast that is being compiled.
type site struct {
	name  string
	args  []row.Type
	typ   row.Type
	try   bool
	konst []*row.Value // per argument, nil unless it is a constant
}

func (s *site) kind(i int) row.Kind { return s.args[i].Kind }

// is reports whether the arguments have exactly these kinds.
func (s *site) is(kinds ...row.Kind) bool {
	if len(kinds) != len(s.args) {
		return false
	}
	for i, k := range kinds {
		if s.args[i].Kind != k {
			return false
		}
	}
	return true
}

// allSame reports whether there are n arguments, all of one type.
func (s *site) allSame(n int) bool {
	if len(s.args) != n {
		return false
	}
	for _, t := range s.args[1:] {
		if t != s.args[0] {
			return false
		}
	}
	return true
}

// text returns the constant text at argument i.
func (s *site) text(i int) (text string, ok bool) {
	if i >= len(s.konst) || s.konst[i] == nil || s.konst[i].Null || s.kind(i) != row.String {
		return "", false
	}
	return s.konst[i].S, true
}

// newRegistry lists all native functions; two tables must not name the same function.
func newRegistry() registry {
	all := registry{}
	for _, table := range []registry{
		compareTable(), logicTable(), arithTable(), bitTable(), mathTable(), textTable(), likeTable(), regexpTable(),
		timeTable(), partTable(), bucketTable(), intervalTable(), formatTable(), jsonTable(),
	} {
		for name, build := range table {
			if all[name] != nil {
				panic("BUG: two implementations of " + name)
			}
			all[name] = build
		}
	}
	for _, table := range []registry{regexpTable(), jsonTable(), formatTable()} {
		for name := range table {
			all[name] = dear(all[name])
		}
	}
	return all
}

// native resolves a call or cast.
func (c *Compiler) native(e *plan.Expr) (native, bool) {
	c.once.Do(func() { c.natives, c.nested = newRegistry(), nestedTable() })
	if e.SQL != "" && !isPack(e) || e.Volatile || e.Type.Kind == row.Other {
		return native{}, false
	}
	s := &site{name: e.Name, typ: e.Type, try: e.Try, args: make([]row.Type, len(e.Args)), konst: make([]*row.Value, len(e.Args))}
	for i, a := range e.Args {
		s.args[i] = a.Type
		if a.Kind == plan.Constant {
			s.konst[i] = &a.Value
		}
		if a.Type.Kind == row.Other && !isNullTest(e) {
			return native{}, false
		}
	}
	if e.Kind == plan.Cast {
		return castKernel(s)
	}
	table := c.natives
	if s.nested() && !isNullTest(e) {
		table = c.nested
	}
	build := table[e.Name]
	if build == nil {
		return native{}, false
	}
	return build(s)
}

// isNullTest reports whether e only asks whether its argument is null.
func isNullTest(e *plan.Expr) bool {
	return e.Kind == plan.Call && (e.Name == plan.IsNull || e.Name == plan.IsNotNull)
}

// strict wraps a kernel that costs real work per row.
func strict(k kernel) (native, bool) { return native{run: k}, k != nil }

// cheap wraps a kernel of a few instructions per row.
func cheap(k kernel) (native, bool) { return native{run: k, cheap: true}, k != nil }

// dear says that a builder's kernels are dear.
func dear(build builder) builder {
	return func(s *site) (native, bool) {
		n, ok := build(s)
		n.dear = true
		return n, ok
	}
}

// only makes a builder that has one kernel, for arguments of exactly these kinds.
func only(k kernel, kinds ...row.Kind) builder {
	return func(s *site) (native, bool) {
		if !s.is(kinds...) {
			return native{}, false
		}
		return strict(k)
	}
}

// onlyCheap is only for a cheap kernel.
func onlyCheap(k kernel, kinds ...row.Kind) builder {
	return func(s *site) (native, bool) {
		if !s.is(kinds...) {
			return native{}, false
		}
		return cheap(k)
	}
}

// firstOf tries builders in order.
func firstOf(builders ...builder) builder {
	return func(s *site) (native, bool) {
		for _, b := range builders {
			if n, ok := b(s); ok {
				return n, true
			}
		}
		return native{}, false
	}
}

// map1 applies a total function to every row, nulls and all.
func map1[A, R row.Fixed](f func(A) R) kernel {
	return func(b *block, args []*vec, out *vec) {
		a, dst := columnOf[A](args[0]), results[R](out, b.n)
		for i := range dst {
			dst[i] = f(a.at(i))
		}
	}
}

// map2 applies a total function of two arguments to every row.
func map2[A, B, R row.Fixed](f func(A, B) R) kernel {
	return func(b *block, args []*vec, out *vec) {
		x, y, dst := columnOf[A](args[0]), columnOf[B](args[1]), results[R](out, b.n)
		for i := range dst {
			dst[i] = f(x.at(i), y.at(i))
		}
	}
}

// A verdict is what a function says of a row besides its value: fine, null (the value is null though no argument was), or DuckDB's error message.
type verdict string

const (
	fine   verdict = ""
	isNull verdict = "\x00null"
)

// settle does what the verdict on row i says.
func (v *vec) settle(b *block, i int, says verdict) {
	switch says {
	case fine:
	case isNull:
		v.setNull(i, b.n)
	default:
		b.fail(i, string(says))
	}
}

// try1 applies a function that may fail or give null to the rows that are asked for.
func try1[A, R row.Fixed](f func(A) (R, verdict)) kernel {
	return func(b *block, args []*vec, out *vec) {
		a, dst := columnOf[A](args[0]), results[R](out, b.n)
		for i := range dst {
			if !b.wants(out, i) {
				continue
			}
			r, says := f(a.at(i))
			dst[i] = r
			if says != fine {
				out.settle(b, i, says)
			}
		}
	}
}

// try2 is try1 for two arguments.
func try2[A, B, R row.Fixed](f func(A, B) (R, verdict)) kernel {
	return func(b *block, args []*vec, out *vec) {
		x, y, dst := columnOf[A](args[0]), columnOf[B](args[1]), results[R](out, b.n)
		for i := range dst {
			if !b.wants(out, i) {
				continue
			}
			r, says := f(x.at(i), y.at(i))
			dst[i] = r
			if says != fine {
				out.settle(b, i, says)
			}
		}
	}
}

// fromText applies a function of text.
func fromText[R row.Fixed](f func(string) R) kernel {
	return func(b *block, args []*vec, out *vec) {
		a, dst := textsOf(args[0]), results[R](out, b.n)
		for i := range dst {
			if b.wants(out, i) {
				dst[i] = f(a.at(i))
			}
		}
	}
}

// fromTexts applies a function of two texts.
func fromTexts[R row.Fixed](f func(x, y string) R) kernel {
	return func(b *block, args []*vec, out *vec) {
		x, y, dst := textsOf(args[0]), textsOf(args[1]), results[R](out, b.n)
		for i := range dst {
			if b.wants(out, i) {
				dst[i] = f(x.at(i), y.at(i))
			}
		}
	}
}

// toText applies a function that appends the text of a row to dst; it sees row numbers, and reads its arguments
// through what prepare returns.
func toText(prepare func(args []*vec) func(dst []byte, i int) ([]byte, verdict)) kernel {
	return func(b *block, args []*vec, out *vec) {
		guess := 0
		for _, a := range args {
			if !a.konst {
				guess += len(a.Data)
			}
		}
		f, w := prepare(args), writeTexts(out, b.n, min(guess, 1<<20))
		for i := range b.n {
			if !b.wants(out, i) {
				w.end()
				continue
			}
			start := len(w.buf)
			buf, says := f(w.buf, i)
			w.buf = buf
			if says != fine {
				w.buf = w.buf[:start]
				out.settle(b, i, says)
			}
			w.end()
			if w.full(b) {
				break
			}
		}
		w.finish(b)
	}
}

// textToText applies a total function that appends a text made of a text.
func textToText(f func(dst []byte, s string) []byte) kernel {
	return toText(func(args []*vec) func([]byte, int) ([]byte, verdict) {
		a := textsOf(args[0])
		return func(dst []byte, i int) ([]byte, verdict) { return f(dst, a.at(i)), fine }
	})
}
