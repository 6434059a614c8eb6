package engine

import (
	"github.com/tidemill/tidemill/internal/dataflow/state"
	"github.com/tidemill/tidemill/internal/row"
	"github.com/tidemill/tidemill/internal/view"
)

// upserts turns operations on a table (weight > 0: upsert, < 0: delete by key), in order, into the table's change: the last
// operation on a key counts, and one that changes nothing is left out.
func upserts(store *view.Store, key []int, ops *row.Batch) *row.Batch {
	keys := ops.Project(key).Cols
	hash := make([]uint64, ops.Len)
	row.Hash(keys, hash)
	types := make([]row.Type, len(key))
	for i := range keys {
		types[i] = keys[i].Type
	}
	set, ids := state.NewSet(types), make([]uint32, ops.Len)
	set.FindOrAdd(keys, hash, ids, nil)
	last := make([]int32, set.Cap())
	for i, id := range ids {
		last[id] = int32(i)
	}
	final := ops
	if len(last) < ops.Len {
		final = ops.Gather(last)
	}
	at := store.Find(final.Project(key).Cols, final.Len)
	old := store.Rows(at)
	var gone, come []int32
	for i, id := range at {
		upsert := final.Weight(i) > 0
		same := id >= 0 && upsert && row.EqualRows(old.Cols, i, final.Cols, i)
		if id >= 0 && !same {
			gone = append(gone, int32(i))
		}
		if upsert && !same {
			come = append(come, int32(i))
		}
	}
	return difference(old, gone, final, come)
}

// difference returns rows of old with weight -1, then rows of now with weight +1.
func difference(old *row.Batch, gone []int32, now *row.Batch, come []int32) *row.Batch {
	if len(gone) == 0 && len(come) == 0 {
		return nil
	}
	weights := make([]int64, 0, len(gone)+len(come))
	for range gone {
		weights = append(weights, -1)
	}
	for range come {
		weights = append(weights, 1)
	}
	a, b := old.Gather(gone), now.Gather(come)
	a.Weights, b.Weights = nil, nil
	out := *row.Concat([]*row.Batch{a, b})
	out.Weights = weights
	return &out
}
