package dataflow

import (
	"github.com/tidemill/tidemill/internal/dataflow/scalar"
	"github.com/tidemill/tidemill/internal/dataflow/state"
	"github.com/tidemill/tidemill/internal/row"
)

// bitsAcc is bit_and, bit_or and bit_xor over integers: per group the number of values, and per bit how many of them have it. Of bit_xor, and of the
// others over an append-only input, one word is all there is to keep.
type bitsAcc struct {
	name   string
	typ    row.Type
	width  uint32 // bits of a value
	n      state.Array[int64]
	counts []state.Array[int64] // per bit; nil of those that keep words
	words  state.Array[[2]uint64]
	kept   bool
}

func newBitsAcc(name string, t row.Type, appendOnly bool) *bitsAcc {
	a := &bitsAcc{name: name, typ: t, width: uint32(t.Phys().Width()) * 8, kept: appendOnly || name == "bit_xor"}
	if !a.kept {
		a.counts = make([]state.Array[int64], a.width)
	}
	return a
}

func (a *bitsAcc) grow(n uint32) {
	a.n.Grow(n)
	if a.kept {
		a.words.Grow(n)
	}
	for i := range a.counts {
		a.counts[i].Grow(n)
	}
}

func (a *bitsAcc) update(groups []uint32, weights []int64, args []row.Vec) {
	v := &args[0]
	wide := v.Type.Phys() == row.PhysInt128
	for k, g := range groups {
		x := [2]uint64{}
		if wide {
			i := row.Values[row.Int128Value](v)[k]
			x = [2]uint64{i.Lo, uint64(i.Hi)}
		} else {
			x[0] = uint64(v.Value(k).I)
		}
		w := weight(weights, k)
		n := a.n.At(g)
		if a.kept {
			a.fold(a.words.At(g), x, *n, w)
		} else {
			for i := range a.width {
				*a.counts[i].At(g) += int64(x[i>>6]>>(i&63)&1) * w
			}
		}
		*n += w
	}
}

func (a *bitsAcc) fold(word *[2]uint64, x [2]uint64, n, w int64) {
	for i := range word {
		switch {
		case a.name == "bit_xor":
			if w&1 != 0 {
				word[i] ^= x[i]
			}
		case a.name == "bit_or":
			word[i] |= x[i]
		case n == 0:
			word[i] = x[i]
		default:
			word[i] &= x[i]
		}
	}
}

func (a *bitsAcc) result(groups []uint32) (row.Vec, []scalar.RowError) {
	b := row.NewBuilder(a.typ, len(groups))
	for _, g := range groups {
		n := *a.n.Peek(g)
		if n == 0 {
			b.AppendNull()
			continue
		}
		word := [2]uint64{}
		if a.kept {
			word = *a.words.Peek(g)
		} else {
			for i := range a.width {
				if c := *a.counts[i].Peek(g); c > 0 && (a.name == "bit_or" || c == n) {
					word[i>>6] |= 1 << (i & 63)
				}
			}
		}
		if a.width == 128 {
			b.AppendInt128(row.Int128Value{Lo: word[0], Hi: int64(word[1])})
		} else {
			b.AppendInt(int64(word[0]))
		}
	}
	return b.Finish(), nil
}

func (a *bitsAcc) reset(group uint32) {
	*a.n.At(group) = 0
	if a.kept {
		*a.words.At(group) = [2]uint64{}
		return
	}
	for i := range a.counts {
		*a.counts[i].At(group) = 0
	}
}

func (a *bitsAcc) bytes() int64 {
	n := a.n.Bytes() + a.words.Bytes()
	for i := range a.counts {
		n += a.counts[i].Bytes()
	}
	return n
}

func (a *bitsAcc) persist(k *state.Keeper) {
	a.n.Keep(k)
	for i := range a.counts {
		a.counts[i].Keep(k)
	}
	a.words.Keep(k)
}
