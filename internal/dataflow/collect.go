package dataflow

import (
	"github.com/tidemill/tidemill/internal/dataflow/scalar"
	"github.com/tidemill/tidemill/internal/dataflow/state"
	"github.com/tidemill/tidemill/internal/row"
)

// collectAcc is the aggregates that show values of a group in an order: list, string_agg, first, last, any_value and the
// forms of min, max, arg_min and arg_max that return n values.
type collectAcc struct {
	form      collectForm
	typ       row.Type
	separator string
	limit     int64 // of a list; 0: all
	rows      rowSequence
}

type collectForm uint8

const (
	collectList collectForm = iota
	collectText
	collectFirst
	collectLast
)

// rowSequence keeps the rows of each group in an order.
type rowSequence interface {
	grow(n uint32)
	update(groups []uint32, weights []int64, args []row.Vec)
	// members appends the ids of a group's first rows, each as often as it is there, at most limit of them; backwards
	// the last ones, from the last.
	members(group uint32, backwards bool, limit int64, out []uint32) []uint32
	// gather returns the values of ids, null for None.
	gather(ids []uint32) row.Vec
	// textBytes is the size of the values of ids if they are texts.
	textBytes(ids []uint32) int64
	reset(group uint32)
	bytes() int64
	persist(k *state.Keeper)
}

func (a *collectAcc) grow(n uint32) { a.rows.grow(n) }

func (a *collectAcc) update(groups []uint32, weights []int64, args []row.Vec) {
	a.rows.update(groups, weights, args)
}

func (a *collectAcc) result(groups []uint32) (row.Vec, []scalar.RowError) {
	switch a.form {
	case collectFirst, collectLast:
		ids := make([]uint32, 0, len(groups))
		for k, g := range groups {
			if ids = a.rows.members(g, a.form == collectLast, 1, ids); len(ids) == k {
				ids = append(ids, state.None)
			}
		}
		return a.rows.gather(ids), nil
	case collectText:
		return a.texts(groups)
	}
	out := newNestedBuilder(a.typ, len(groups))
	limit := a.limit
	if limit == 0 {
		limit = collectMax + 1
	}
	var ids []uint32
	for k, g := range groups {
		ids = a.rows.members(g, false, limit, ids[:0])
		if len(ids) == 0 {
			out.null()
			continue
		}
		if a.tooMany(ids) {
			out.fail(k)
			continue
		}
		v := a.rows.gather(ids)
		for i := range v.Len {
			out.add(&v, i)
		}
		out.end()
	}
	return out.finish()
}

func (a *collectAcc) texts(groups []uint32) (row.Vec, []scalar.RowError) {
	b := row.NewBuilder(a.typ, len(groups))
	var errs []scalar.RowError
	var ids []uint32
	var text []byte
	for k, g := range groups {
		if ids = a.rows.members(g, false, collectMax+1, ids[:0]); len(ids) == 0 {
			b.AppendNull()
			continue
		}
		if a.tooMany(ids) {
			errs = append(errs, tooLarge(k))
			b.AppendNull()
			continue
		}
		v := a.rows.gather(ids)
		text = text[:0]
		for i := range v.Len {
			if i > 0 {
				text = append(text, a.separator...)
			}
			text = append(text, v.Bytes(i)...)
		}
		if b.ByteLen()+len(text) > nestedMax {
			errs = append(errs, tooLarge(k))
			b.AppendNull()
			continue
		}
		b.AppendBytes(text)
	}
	return b.Finish(), errs
}

// collectMax bounds the values that are shown together.
const collectMax = 1 << 26

func (a *collectAcc) tooMany(ids []uint32) bool {
	return len(ids) > collectMax || a.rows.textBytes(ids) > nestedMax
}

func (a *collectAcc) reset(group uint32) { a.rows.reset(group) }
func (a *collectAcc) bytes() int64       { return a.rows.bytes() }

func (a *collectAcc) persist(k *state.Keeper) { a.rows.persist(k) }

// sortedRows is a sequence in an order of columns.
type sortedRows struct {
	order *sortOrder
	value int
	rows  *state.Ranked
	bound int64 // of an append-only input of which no more rows are ever asked for; 0: none
	key   []byte
}

func newSortedRows(t row.Type, value int, order *sortOrder, bound int64) *sortedRows {
	return &sortedRows{order: order, value: value, rows: state.NewRanked([]row.Type{t}), bound: bound}
}

func (s *sortedRows) grow(n uint32) { s.rows.Grow(n) }

func (s *sortedRows) update(groups []uint32, weights []int64, args []row.Vec) {
	for k, g := range groups {
		s.key = s.order.append(s.key[:0], args, k)
		num, rest := state.SplitKey(s.key)
		s.rows.Add(g, num, rest, weight(weights, k), args[s.value:s.value+1], k)
		if s.bound > 0 && s.rows.Len(g) > s.bound {
			s.rows.DropLast(g, s.rows.Len(g)-s.bound)
		}
	}
}

func (s *sortedRows) members(group uint32, backwards bool, limit int64, out []uint32) []uint32 {
	s.rows.Walk(group, backwards, func(id uint32, w int64) bool {
		for ; w > 0 && limit > 0; w, limit = w-1, limit-1 {
			out = append(out, id)
		}
		return limit > 0
	})
	return out
}

func (s *sortedRows) gather(ids []uint32) row.Vec  { return s.rows.Gather(0, ids) }
func (s *sortedRows) textBytes(ids []uint32) int64 { return s.rows.TextBytes(0, ids) }
func (s *sortedRows) reset(group uint32)           { s.rows.Clear(group) }
func (s *sortedRows) bytes() int64                 { return s.rows.Bytes() }

func (s *sortedRows) persist(k *state.Keeper) { s.rows.Keep(k) }
