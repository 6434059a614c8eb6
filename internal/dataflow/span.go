package dataflow

import (
	"encoding/binary"
	"math"

	"github.com/tidemill/tidemill/internal/dataflow/scalar"
	"github.com/tidemill/tidemill/internal/dataflow/state"
	"github.com/tidemill/tidemill/internal/row"
)

// span is what a side of a join has to do with the ranges in the join's condition: its rows may be ordered by a value, and each of its
// rows may bound that value of the other side's rows. Bounds are never narrower than the condition.
type span struct {
	program *scalar.Program // over the side's columns
	// tree orders the rows by the program's first result, nil if they need no order.
	tree  *state.Places
	spots state.Array[spot]
	// limits bound the other side's rows.
	limits []limit

	vals []row.Vec // of the tick in progress
}

// spot is where a row is in the tree. Rows whose value is null are not there: they match nothing.
type spot struct {
	bits uint64
	in   bool
}

// limit says that the other side's value is at least, or at most, a value of this side plus an offset.
type limit struct {
	result int // of the program
	upper  bool
	offset int64
}

// eval computes the values for the rows of a tick.
func (s *span) eval(b *row.Batch) (errs []scalar.RowError, err error) {
	if s.program == nil {
		return nil, nil
	}
	s.vals, errs, err = s.program.Eval(b)
	return errs, err
}

// add enters row i of the tick under a key.
func (s *span) add(key, id uint32, i int) {
	if s.tree == nil {
		return
	}
	s.spots.Grow(id + 1)
	v := &s.vals[0]
	if v.Null(i) {
		*s.spots.At(id) = spot{}
		return
	}
	at := spot{bits: coarseBits(v, i), in: true}
	*s.spots.At(id) = at
	s.tree.Add(state.Place{Group: key, Bits: at.bits, ID: id})
}

func (s *span) remove(key, id uint32) {
	if s.tree == nil {
		return
	}
	if at := s.spots.At(id); at.in {
		s.tree.Remove(state.Place{Group: key, Bits: at.bits, ID: id})
	}
}

// bounds returns where in the order of the other side what row i of the tick matches can be; ok is false for nowhere.
func (s *span) bounds(i int) (lo, hi uint64, ok bool) {
	hi = math.MaxUint64
	for _, l := range s.limits {
		v := &s.vals[l.result]
		if v.Null(i) {
			return 0, 0, false
		}
		bits := coarseBits(v, i)
		if l.offset != 0 {
			bits = moved(bits, l.offset, l.upper)
		}
		if l.upper {
			hi = min(hi, bits)
		} else {
			lo = max(lo, bits)
		}
	}
	return lo, hi, lo <= hi
}

func (s *span) bytes() int64 {
	if s.tree == nil {
		return 0
	}
	return s.tree.Bytes() + s.spots.Bytes()
}

// coarseBits maps a non-null value to an integer such that a smaller value never has a larger one.
func coarseBits(v *row.Vec, i int) uint64 {
	switch p := v.Type.Phys(); {
	case p == row.PhysInt128:
		x := row.Values[row.Int128Value](v)[i]
		n, fits := x.Int64()
		if !fits && x.Sign() > 0 {
			n = math.MaxInt64
		} else if !fits {
			n = math.MinInt64
		}
		return uint64(n) ^ 1<<63
	case p.Width() > 0 && p.Width() <= 8:
		return state.OrderBits(v, i)
	}
	var buf [64]byte
	key := row.AppendKey(buf[:0], v, i)[1:] // the first byte says that it is no null
	var first [8]byte
	copy(first[:], key)
	return binary.BigEndian.Uint64(first[:])
}

// moved adds an offset to a signed integer in its OrderBits form. Where that leaves the range of integers, or starts from an infinite
// time, which no offset changes, the result is on the safe side: not above the true one for a lower bound, not below it for an upper one.
func moved(bits uint64, offset int64, upper bool) uint64 {
	const top = 1 << 63
	v := int64(bits ^ top)
	sum := v + offset
	switch {
	case offset > 0 && sum < v:
		sum = math.MaxInt64
	case offset < 0 && sum > v && upper:
		sum = -math.MaxInt64
	case offset < 0 && sum > v:
		sum = math.MinInt64
	}
	if v == math.MaxInt64 || v <= -math.MaxInt64 {
		if upper {
			sum = max(sum, v)
		} else {
			sum = min(sum, v)
		}
	}
	return uint64(sum) ^ top
}
