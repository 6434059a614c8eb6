package session

import (
	"github.com/tidemill/tidemill/internal/catalog"
	"github.com/tidemill/tidemill/internal/dataflow/state"
	"github.com/tidemill/tidemill/internal/engine"
	"github.com/tidemill/tidemill/internal/row"
	"github.com/tidemill/tidemill/internal/view"
)

// pendingOf joins what a transaction block has written to a relation, in order, as operations; nil if it has written nothing.
func pendingOf(pending []write, relation uint64) *row.Batch {
	var parts []*row.Batch
	for _, w := range pending {
		if w.to.def.ID != relation || w.rows.Len == 0 {
			continue
		}
		b := w.rows
		if b.Weights == nil {
			b = weighted(b, 1)
		}
		parts = append(parts, b)
	}
	return row.Concat(parts)
}

// overlay shows a relation's rows as they will be after the operations of an open transaction block.
type overlay struct {
	base    engine.Iterator
	columns []int
	// of a table with a primary key: the keys that the block has written; of other relations: the rows it deletes, with how many of each.
	key     []int
	touched *state.Set
	left    []int64 // by row of touched, without a key
	added   *row.Batch
	done    bool
}

// newOverlay puts operations on top of a scan of all columns.
func newOverlay(base engine.Iterator, rel *catalog.Relation, ops *row.Batch, columns []int) *overlay {
	o := &overlay{base: base, columns: columns, key: rel.Key}
	if len(rel.Key) > 0 {
		o.last(ops)
		return o
	}
	net := view.Consolidate(ops)
	var gone, come []int32
	for i := range net.Len {
		if net.Weight(i) < 0 {
			gone = append(gone, int32(i))
		} else {
			come = append(come, int32(i))
		}
	}
	removed := net.Gather(gone)
	o.touched = state.NewSet(rel.Columns.Types())
	ids, hash := make([]uint32, removed.Len), make([]uint64, removed.Len)
	row.Hash(removed.Cols, hash)
	o.touched.FindOrAdd(removed.Cols, hash, ids, nil)
	o.left = make([]int64, o.touched.Cap())
	for i, id := range ids {
		o.left[id] -= removed.Weight(i)
	}
	var times []int32
	for _, i := range come {
		for range net.Weight(int(i)) {
			times = append(times, i)
		}
	}
	o.added = net.Gather(times)
	return o
}

// last keeps the last operation on each key.
func (o *overlay) last(ops *row.Batch) {
	keys := ops.Project(o.key).Cols
	types := make([]row.Type, len(keys))
	for i := range keys {
		types[i] = keys[i].Type
	}
	o.touched = state.NewSet(types)
	ids, hash := make([]uint32, ops.Len), make([]uint64, ops.Len)
	row.Hash(keys, hash)
	o.touched.FindOrAdd(keys, hash, ids, nil)
	final := make([]int32, o.touched.Cap())
	for i, id := range ids {
		final[id] = int32(i)
	}
	var come []int32
	for _, i := range final {
		if ops.Weight(int(i)) > 0 {
			come = append(come, i)
		}
	}
	o.added = ops.Gather(come)
}

// Next implements engine.Iterator.
func (o *overlay) Next() (*row.Batch, error) {
	for !o.done {
		b, err := o.base.Next()
		if err != nil {
			return nil, err
		}
		if b == nil {
			o.done = true
			if o.added.Len > 0 {
				return o.project(o.added), nil
			}
			break
		}
		if b = o.untouched(b); b.Len > 0 {
			return o.project(b), nil
		}
	}
	return nil, nil
}

// untouched leaves out the rows that the block has replaced or deleted.
func (o *overlay) untouched(b *row.Batch) *row.Batch {
	cols := b.Cols
	if len(o.key) > 0 {
		cols = b.Project(o.key).Cols
	}
	ids, hash := make([]uint32, b.Len), make([]uint64, b.Len)
	row.Hash(cols, hash)
	o.touched.FindAll(cols, hash, ids)
	keep := make([]int32, 0, b.Len)
	for i, id := range ids {
		switch {
		case id == state.None:
		case len(o.key) > 0:
			continue
		case o.left[id] > 0:
			o.left[id]--
			continue
		}
		keep = append(keep, int32(i))
	}
	if len(keep) == b.Len {
		return b
	}
	return b.Gather(keep)
}

func (o *overlay) project(b *row.Batch) *row.Batch {
	out := &row.Batch{Cols: make([]row.Vec, len(o.columns)), Len: b.Len}
	for i, c := range o.columns {
		if c < 0 {
			out.Cols[i] = row.FromValues(row.T(row.Int64), make([]int64, b.Len), nil)
		} else {
			out.Cols[i] = b.Cols[c]
		}
	}
	return out
}

// Close implements engine.Iterator.
func (o *overlay) Close() { o.base.Close() }

// writtenKeys tells, of the keys that a block has written, whether there is a row now; keys are in their encoded form.
func writtenKeys(r *catalog.Relation, ops *row.Batch) map[string]bool {
	if ops == nil {
		return nil
	}
	out := make(map[string]bool, ops.Len)
	for i := range ops.Len {
		out[keyOfRow(r, ops, i)] = ops.Weight(i) > 0
	}
	return out
}

func keyOfRow(r *catalog.Relation, b *row.Batch, i int) string {
	var k []byte
	for _, c := range r.Key {
		k = row.AppendKey(k, &b.Cols[c], i)
	}
	return string(k)
}
