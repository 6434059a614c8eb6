package scalar

import (
	"errors"
	"unsafe"

	"github.com/tidemill/tidemill/internal/row"
)

// vec is a column in the course of an evaluation.
type vec struct {
	row.Vec
	konst   bool // one value, Len 1, that stands for every row
	escapes bool // is handed out, so its memory is taken anew each time

	// scratchData and scratchValid say that the part lies in memory that the next evaluation overwrites.
	scratchData, scratchValid bool
	ownBits                   bool // Valid is this slot's own, so a kernel may write to it

	mem  []row.Int128Value // reused for fixed-width values; aligned for all of them
	bits []byte            // reused for Valid
	offs []int32           // reused for Offsets
	text []byte            // reused for bytes
}

// mask is what an index is and-ed with: 0 for a constant, all ones otherwise.
func (v *vec) mask() int {
	if v.konst {
		return 0
	}
	return -1
}

// isNull reports whether row i is null, also for a constant.
func (v *vec) isNull(i int) bool { return v.Valid != nil && v.Null(i&v.mask()) }

// alias makes v the same column as o, of v's type.
func (v *vec) alias(o *vec) {
	typ := v.Type
	v.Vec = o.Vec
	v.Type = typ
	v.scratchData, v.scratchValid = o.scratchData, o.scratchValid
}

// setNull makes row i of n null.
func (v *vec) setNull(i, n int) {
	if !v.ownBits {
		old := v.Valid
		v.newBits(n)
		if old == nil {
			fill(v.Valid, 0xff)
		} else {
			copy(v.Valid, old[:(n+7)>>3])
		}
	}
	row.SetNull(v.Valid, i)
}

// newBits gives v a bitmap of its own for n rows, of unspecified content.
func (v *vec) newBits(n int) {
	size := row.BitmapBytes(n)
	if v.escapes {
		v.Valid = make([]byte, size)
	} else {
		if cap(v.bits) < size {
			v.bits = make([]byte, size+size/4)
		}
		v.Valid = v.bits[:size]
	}
	v.scratchValid = !v.escapes
	v.ownBits = true
}

func fill[T any](s []T, x T) {
	for i := range s {
		s[i] = x
	}
}

// results gives out memory for n values of T and returns it, of unspecified content.
func results[T row.Fixed](out *vec, n int) []T {
	var zero T
	out.Len, out.Offsets = n, nil
	out.scratchData = !out.escapes
	if n == 0 {
		out.Data = nil
		return nil
	}
	size := n * int(unsafe.Sizeof(zero))
	words := (size + 15) / 16
	mem := out.mem
	if out.escapes {
		mem = make([]row.Int128Value, words)
	} else if len(mem) < words {
		mem = make([]row.Int128Value, words+words/4)
		out.mem = mem
	}
	out.Data = unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(mem))), size)
	return unsafe.Slice((*T)(unsafe.Pointer(unsafe.SliceData(mem))), n)
}

// values returns the fixed-width values of v: one for a constant.
func values[T row.Fixed](v *vec) []T { return row.Values[T](&v.Vec) }

// column reads fixed-width values row by row, of a constant too.
type column[T row.Fixed] struct {
	vals []T
	mask int
}

func columnOf[T row.Fixed](v *vec) column[T] { return column[T]{values[T](v), v.mask()} }

func (c column[T]) at(i int) T { return c.vals[i&c.mask] }

// texts reads text or blobs row by row, of a constant too.
type texts struct {
	data []byte
	offs []int32
	mask int
}

func textsOf(v *vec) texts { return texts{v.Data, v.Offsets, v.mask()} }

// bytes returns the bytes of row i, which alias the column.
func (t texts) bytes(i int) []byte {
	i &= t.mask
	return t.data[t.offs[i]:t.offs[i+1]]
}

// at returns the text of row i, which aliases the column.
func (t texts) at(i int) string {
	b := t.bytes(i)
	return unsafe.String(unsafe.SliceData(b), len(b))
}

// textWriter fills a column of text in row order.
type textWriter struct {
	out  *vec
	offs []int32
	buf  []byte
	n    int // rows written
}

// writeTexts starts a column of rows texts in out; guess is how many bytes they may take.
func writeTexts(out *vec, rows, guess int) *textWriter {
	w := &textWriter{out: out}
	if out.escapes {
		w.offs, w.buf = make([]int32, rows+1), make([]byte, 0, guess)
		return w
	}
	if cap(out.offs) < rows+1 {
		out.offs = make([]int32, rows+1+rows/4)
	}
	w.offs, w.buf = out.offs[:rows+1], out.text[:0]
	w.offs[0] = 0
	return w
}

// end ends the current row's text, which has been appended to w.buf.
func (w *textWriter) end() {
	w.n++
	w.offs[w.n] = int32(len(w.buf))
}

// add writes a row.
func (w *textWriter) add(s string) {
	w.buf = append(w.buf, s...)
	w.end()
}

var errColumnTooLarge = errors.New("a column of text would exceed 2 GiB")

// full reports whether the column has outgrown its offsets, in which case the evaluation is over.
func (w *textWriter) full(b *block) bool {
	if len(w.buf) <= row.Bytes32Max {
		return false
	}
	b.stop(errColumnTooLarge)
	w.buf = w.buf[:0]
	fill(w.offs, 0)
	return true
}

// finish makes what was written the column's values.
func (w *textWriter) finish(b *block) {
	w.full(b)
	w.out.Len, w.out.Offsets, w.out.Data = len(w.offs)-1, w.offs, w.buf
	w.out.scratchData = !w.out.escapes
	if !w.out.escapes {
		w.out.text = w.buf
	}
}

// kernel computes out from args for the b.n rows of b. Its arguments may be constants. For a strict kernel the
// validity of out is set before it runs.
type kernel func(b *block, args []*vec, out *vec)

type instruction struct {
	run    kernel
	args   []*vec
	out    *vec
	strict bool
}

// importSlot is a column that a block takes from the one around it.
type importSlot struct{ from, to *vec }

// block is straight-line code over slots; see the package's doc.
type block struct {
	slots   []*vec
	code    []instruction
	imports []importSlot
	result  *vec
	cheap   bool // all instructions are cheap, so evaluating too many rows costs less than gathering

	// State of the current evaluation.
	n    int
	rows []int32 // the position of each row in the program's batch; nil: the same
	live []uint8 // 1 for the rows whose failures count; nil: all
	sink *sink

	hard []int32 // rows that the running kernel leaves to the fallback
	sel  []int32 // reused: rows of the surrounding block
	ids  []int32 // reused: rows of the program's batch
}

// sink collects the failures of an evaluation.
type sink struct {
	n      int
	failed []byte // bitmap over the program's batch, nil before the first failure
	errs   []RowError
	fatal  *error
}

func (s *sink) reset(n int, fatal *error) {
	s.n, s.failed, s.errs, s.fatal = n, nil, nil, fatal
}

func (s *sink) has(i int32) bool {
	return s.failed != nil && s.failed[i>>3]&(1<<(i&7)) != 0
}

// position returns the position of row i in the program's batch.
func (b *block) position(i int) int32 {
	if b.rows == nil {
		return int32(i)
	}
	return b.rows[i]
}

// alive reports whether a failure of row i counts: kernels ask before they make a message.
func (b *block) alive(i int) bool { return b.live == nil || b.live[i] != 0 }

// wants reports whether the value of row i is asked for: it is not null in a strict kernel's out, and alive.
func (b *block) wants(out *vec, i int) bool {
	return (out.Valid == nil || out.Valid[i>>3]&(1<<(i&7)) != 0) && (b.live == nil || b.live[i] != 0)
}

// fail notes that row i failed; only the first failure of a row is kept.
func (b *block) fail(i int, message string) {
	if !b.alive(i) {
		return
	}
	at := b.position(i)
	if b.sink.has(at) {
		return
	}
	if b.sink.failed == nil {
		b.sink.failed = make([]byte, row.BitmapBytes(b.sink.n))
	}
	row.SetValid(b.sink.failed, int(at))
	b.sink.errs = append(b.sink.errs, RowError{Row: at, Message: message})
}

// stop ends the evaluation with an error that is no row's fault. The first one counts.
func (b *block) stop(err error) {
	if *b.sink.fatal == nil {
		*b.sink.fatal = err
	}
}

func (b *block) run() {
	for k := range b.code {
		if *b.sink.fatal != nil {
			return
		}
		in := &b.code[k]
		in.out.ownBits = false
		if in.strict {
			b.strictValid(in.out, in.args)
		} else {
			in.out.Valid = nil
		}
		in.run(b, in.args, in.out)
	}
}

// strictValid makes out valid where all args are.
func (b *block) strictValid(out *vec, args []*vec) {
	out.Valid, out.scratchValid = nil, false
	for _, a := range args {
		switch {
		case a.konst || a.Valid == nil:
		case out.Valid == nil:
			out.Valid, out.scratchValid = a.Valid, a.scratchValid
		default:
			bytes := (b.n + 7) >> 3
			old := out.Valid[:bytes]
			if !out.ownBits {
				out.newBits(b.n)
			}
			dst := out.Valid[:bytes]
			for i, x := range a.Valid[:bytes] {
				dst[i] = old[i] & x
			}
		}
	}
}

// runFor evaluates b for the rows of the surrounding block up that want says, of which there are count (nil: all). It
// reports whether the result has one row per wanted row rather than one per row of up.
func (b *block) runFor(up *block, want []uint8, count int) (gathered bool) {
	b.sink = up.sink
	if want == nil || count == up.n || b.cheap {
		b.n, b.rows, b.live = up.n, up.rows, up.live
		if want != nil && count < up.n {
			b.live = want
		}
		for _, im := range b.imports {
			im.to.alias(im.from)
		}
		b.run()
		return false
	}
	b.sel = positions(b.sel[:0], want)
	b.gather(up)
	b.run()
	return true
}

// gather takes the rows b.sel of the surrounding block.
func (b *block) gather(up *block) {
	b.n, b.live = len(b.sel), nil
	b.rows = b.sel
	if up.rows != nil {
		b.ids = b.ids[:0]
		for _, i := range b.sel {
			b.ids = append(b.ids, up.rows[i])
		}
		b.rows = b.ids
	}
	for _, im := range b.imports {
		im.to.gather(im.from, b.sel)
	}
}

// positions appends the rows of a mask.
func positions(dst []int32, mask []uint8) []int32 {
	for i, m := range mask {
		if m != 0 {
			dst = append(dst, int32(i))
		}
	}
	return dst
}

func (v *vec) gather(from *vec, at []int32) {
	v.ownBits = false
	v.Valid, v.scratchValid = nil, false
	if from.Valid != nil {
		v.newBits(len(at))
		fill(v.Valid, 0)
		for i, j := range at {
			v.Valid[i>>3] |= from.Valid[j>>3] >> (j & 7) & 1 << (i & 7)
		}
	}
	switch v.Type.Phys().Width() {
	case 1:
		gatherFixed[uint8](v, from, at)
	case 2:
		gatherFixed[uint16](v, from, at)
	case 4:
		gatherFixed[uint32](v, from, at)
	case 8:
		gatherFixed[uint64](v, from, at)
	case 16:
		gatherFixed[row.Int128Value](v, from, at)
	default:
		w := writeTexts(v, len(at), 0)
		src := textsOf(from)
		for _, j := range at {
			w.add(src.at(int(j)))
		}
		w.out.Len, w.out.Offsets, w.out.Data = len(at), w.offs, w.buf
		w.out.scratchData, w.out.text = true, w.buf
	}
}

func gatherFixed[T row.Fixed](v, from *vec, at []int32) {
	src, dst := values[T](from), results[T](v, len(at))
	for i, j := range at {
		dst[i] = src[j]
	}
}
