package dataflow

import (
	"bytes"

	"github.com/tidemill/tidemill/internal/dataflow/scalar"
	"github.com/tidemill/tidemill/internal/dataflow/state"
	"github.com/tidemill/tidemill/internal/row"
)

// keptRow keeps, of rows that are never retracted, one per group: the first or last in an order, or to arrive. It is min, max, arg_min, arg_max, first, last and
// any_value over append-only inputs.
type keptRow struct {
	order *sortOrder // nil: arrival
	last  bool
	value int // the argument that is the result
	rows  *state.Rows
	keys  *state.Rows         // the sort keys, by the same ids
	ids   state.Array[uint32] // per group the id of the row + 1
	key   []byte
}

func newKeptRow(t row.Type, value int, order *sortOrder, last bool) *keptRow {
	a := &keptRow{order: order, last: last, value: value, rows: state.NewRows([]row.Type{t})}
	if order != nil {
		a.keys = state.NewRows([]row.Type{row.T(row.Blob)})
	}
	return a
}

func (a *keptRow) grow(n uint32) { a.ids.Grow(n) }

func (a *keptRow) update(groups []uint32, _ []int64, args []row.Vec) {
	var all *row.Vec
	if a.order != nil {
		keys := row.NewBuilder(row.T(row.Blob), len(groups))
		for k := range groups {
			a.key = a.order.append(a.key[:0], args, k)
			keys.AppendBytes(a.key)
		}
		v := keys.Finish()
		all = &v
	}
	for k, g := range groups {
		id := a.ids.At(g)
		if *id != 0 {
			if !a.better(*id-1, all, k) {
				continue
			}
			a.rows.Remove(*id - 1)
			if all != nil {
				a.keys.Remove(*id - 1)
			}
		}
		*id = a.rows.Add(args[a.value:], k) + 1
		if all != nil {
			a.keys.Add([]row.Vec{*all}, k)
		}
	}
}

func (a *keptRow) better(id uint32, keys *row.Vec, k int) bool {
	if keys == nil {
		return a.last
	}
	c := bytes.Compare(keys.Bytes(k), a.keys.Text(0, id))
	return a.last && c > 0 || !a.last && c < 0
}

func (a *keptRow) result(groups []uint32) (row.Vec, []scalar.RowError) {
	ids := make([]uint32, len(groups))
	for k, g := range groups {
		ids[k] = *a.ids.Peek(g) - 1 // None for 0
	}
	return a.rows.GatherOrNull(0, ids), nil
}

func (a *keptRow) reset(group uint32) {
	if id := a.ids.At(group); *id != 0 {
		a.rows.Remove(*id - 1)
		if a.keys != nil {
			a.keys.Remove(*id - 1)
		}
		*id = 0
	}
}

func (a *keptRow) bytes() int64 {
	n := a.rows.Bytes() + a.ids.Bytes()
	if a.keys != nil {
		n += a.keys.Bytes()
	}
	return n
}

func (a *keptRow) persist(k *state.Keeper) {
	a.rows.Keep(k)
	if a.keys != nil {
		a.keys.Keep(k)
	}
	a.ids.Keep(k)
}
