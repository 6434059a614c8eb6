package dataflow

import (
	"math"

	"github.com/tidemill/tidemill/internal/dataflow/state"
	"github.com/tidemill/tidemill/internal/plan"
	"github.com/tidemill/tidemill/internal/row"
)

// slider is an aggregate over a changing set of rows per partition.
type slider interface {
	grow(n uint32)
	// move takes rows into and out of the set of a partition.
	move(group uint32, add, sub []uint32)
	// appendTo appends the value, or null and returns why it cannot be represented.
	appendTo(b *row.Builder, group uint32) string
	bytes() int64
	persist(k *state.Keeper)
}

// slideOver has what sliders read.
type slideOver struct {
	rows   *state.Rows
	arg    int // stored column, -1 for none
	filter int // stored column, -1 for none
}

// takes reports whether the row counts.
func (s *slideOver) takes(id uint32) bool {
	if s.arg >= 0 && s.rows.Null(s.arg, id) {
		return false
	}
	return s.filter < 0 || !s.rows.Null(s.filter, id) && s.rows.Int(s.filter, id) != 0
}

// countSlide is count.
type countSlide struct {
	slideOver
	n state.Array[int64]
}

func (s *countSlide) grow(n uint32) { s.n.Grow(n) }

func (s *countSlide) move(group uint32, add, sub []uint32) {
	n := s.n.At(group)
	if s.arg < 0 && s.filter < 0 {
		*n += int64(len(add) - len(sub))
		return
	}
	for _, id := range add {
		if s.takes(id) {
			*n++
		}
	}
	for _, id := range sub {
		if s.takes(id) {
			*n--
		}
	}
}

func (s *countSlide) appendTo(b *row.Builder, group uint32) string {
	b.AppendInt(*s.n.Peek(group))
	return ""
}

func (s *countSlide) bytes() int64 { return s.n.Bytes() }

func (s *countSlide) persist(k *state.Keeper) { s.n.Keep(k) }

// sumSlide is sum and avg over integers and decimals.
type sumSlide struct {
	slideOver
	sums  state.Array[wideSum]
	avg   bool
	scale float64
}

func (s *sumSlide) grow(n uint32) { s.sums.Grow(n) }

func (s *sumSlide) move(group uint32, add, sub []uint32) {
	sum := s.sums.At(group)
	for _, id := range add {
		if s.takes(id) {
			x := s.rows.Int128(s.arg, id)
			sum.add(x.Lo, x.Hi, 1)
		}
	}
	for _, id := range sub {
		if s.takes(id) {
			x := s.rows.Int128(s.arg, id)
			sum.add(x.Lo, x.Hi, -1)
		}
	}
}

func (s *sumSlide) appendTo(b *row.Builder, group uint32) string {
	sum := s.sums.At(group)
	wide := b.Type().Phys() == row.PhysInt128
	switch {
	case sum.n == 0:
		b.AppendNull()
	case s.avg:
		b.AppendFloat(sum.float() / s.scale / float64(sum.n))
	case !sum.fits128() || !wide && int64(sum.mid) != int64(sum.lo)>>63:
		b.AppendNull()
		return "Out of Range Error: overflow in sum"
	case wide:
		b.AppendInt128(row.Int128Value{Lo: sum.lo, Hi: int64(sum.mid)})
	default:
		b.AppendInt(int64(sum.lo))
	}
	return ""
}

func (s *sumSlide) bytes() int64 { return s.sums.Bytes() }

func (s *sumSlide) persist(k *state.Keeper) { s.sums.Keep(k) }

// floatSlide is sum and avg over floats.
type floatSlide struct {
	slideOver
	acc *floatSumAcc
}

func (s *floatSlide) grow(n uint32) { s.acc.grow(n) }

func (s *floatSlide) move(group uint32, add, sub []uint32) {
	for _, id := range add {
		if s.takes(id) {
			s.acc.add(group, s.rows.Float(s.arg, id), 1)
		}
	}
	for _, id := range sub {
		if s.takes(id) {
			s.acc.add(group, s.rows.Float(s.arg, id), -1)
		}
	}
}

func (s *floatSlide) appendTo(b *row.Builder, group uint32) string {
	switch sum := s.acc.sums.At(group); {
	case sum.n == 0:
		b.AppendNull()
	case s.acc.avg:
		b.AppendFloat(s.acc.value(group, sum) / float64(sum.n))
	default:
		b.AppendFloat(s.acc.value(group, sum))
	}
	return ""
}

func (s *floatSlide) bytes() int64 { return s.acc.bytes() }

func (s *floatSlide) persist(k *state.Keeper) { s.acc.persist(k) }

// accSlide is any aggregate with an accumulator.
type accSlide struct {
	state   accumulator
	columns []int  // stored columns with the arguments
	nulls   []bool // of them that may be null
	filter  int    // stored column, -1 for none
	rows    *state.Rows
	// value is the last one, of group, while nothing has moved.
	value   row.Vec
	message string
	group   uint32
	valid   bool

	ids, groups []uint32
	weights     []int64
}

func (s *accSlide) grow(n uint32) { s.state.grow(n) }

func (s *accSlide) move(group uint32, add, sub []uint32) {
	s.ids, s.groups, s.weights = s.ids[:0], s.groups[:0], s.weights[:0]
	s.take(group, sub, -1)
	s.take(group, add, 1)
	if len(s.ids) == 0 {
		return
	}
	s.valid = false
	args := make([]row.Vec, len(s.columns))
	for k, c := range s.columns {
		args[k] = s.rows.Gather(c, s.ids)
	}
	s.state.update(s.groups, s.weights, args)
}

func (s *accSlide) take(group uint32, ids []uint32, weight int64) {
next:
	for _, id := range ids {
		if s.filter >= 0 && (s.rows.Null(s.filter, id) || s.rows.Int(s.filter, id) == 0) {
			continue
		}
		for k, c := range s.columns {
			if !s.nulls[k] && s.rows.Null(c, id) {
				continue next
			}
		}
		s.ids, s.groups, s.weights = append(s.ids, id), append(s.groups, group), append(s.weights, weight)
	}
}

func (s *accSlide) appendTo(b *row.Builder, group uint32) string {
	if !s.valid || s.group != group {
		v, errs := s.state.result([]uint32{group})
		s.value, s.group, s.valid, s.message = v, group, true, ""
		if len(errs) > 0 {
			s.message = errs[0].Message
		}
	}
	if s.message != "" {
		b.AppendNull()
		return s.message
	}
	b.AppendFrom(&s.value, 0)
	return ""
}

func (s *accSlide) bytes() int64 { return s.state.bytes() }

func (s *accSlide) persist(k *state.Keeper) { s.state.persist(k) }

// newSlider returns the aggregate of a call whose arguments are in the stored columns args.
func newSlider(c *plan.WindowCall, rows *state.Rows, args []int, filter int) (slider, error) {
	over := slideOver{rows: rows, arg: -1, filter: filter}
	if len(args) > 0 {
		over.arg = args[0]
	}
	if !c.Distinct && len(c.OrderBy) == 0 {
		switch {
		case c.Name == "count_star", c.Name == "count" && len(args) == 1:
			return &countSlide{slideOver: over}, nil
		case len(args) == 1 && (c.Name == "sum" || c.Name == "sum_no_overflow" || c.Name == "avg" || c.Name == "mean"):
			in, avg := c.Args[0].Type, c.Name == "avg" || c.Name == "mean"
			switch acc := sumAccumulator(in, c.Type, avg).(type) {
			case *floatSumAcc:
				return &floatSlide{slideOver: over, acc: acc}, nil
			case *intSumAcc:
				return &sumSlide{slideOver: over, avg: avg, scale: math.Pow10(int(in.Scale))}, nil
			}
		}
	}
	acc, err := newAccumulator(&c.AggregateCall, false)
	if err != nil {
		return nil, err
	}
	return &accSlide{state: acc, columns: args, nulls: takesNull(&c.AggregateCall), filter: filter, rows: rows}, nil
}

// canonicalWindowCall is canonicalCall for a window: aggregates for which the order of the rows matters take them in the window's order.
func canonicalWindowCall(c plan.WindowCall, order []plan.SortKey) (plan.WindowCall, error) {
	var err error
	if c.AggregateCall, err = canonicalCall(c.AggregateCall); err != nil || len(c.OrderBy) > 0 {
		return c, err
	}
	switch c.Name {
	case "list", "string_agg", "first", "last", "any_value":
		c.OrderBy = order
	}
	return c, nil
}
