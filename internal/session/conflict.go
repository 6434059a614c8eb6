package session

import (
	"context"
	"fmt"
	"strings"

	"github.com/tidemill/tidemill/internal/catalog"
	"github.com/tidemill/tidemill/internal/dataflow/state"
	"github.com/tidemill/tidemill/internal/fault"
	"github.com/tidemill/tidemill/internal/row"
	"github.com/tidemill/tidemill/internal/sql"
)

// resolveConflicts checks rows that are inserted against those with the same primary key that are there, or appear before them.
func (db *Database) resolveConflicts(ctx context.Context, st *sql.Insert, p *insertPlan, args []row.Value, b *row.Batch, block []write) (*row.Batch, error) {
	r := p.to.def
	pending := pendingOf(block, r.ID)
	all := b
	if pending != nil {
		all = row.Concat([]*row.Batch{{Cols: pending.Cols, Len: pending.Len}, b})
	}
	skip := all.Len - b.Len
	keys := all.Project(r.Key).Cols
	hash := make([]uint64, all.Len)
	row.Hash(keys, hash)
	types := make([]row.Type, len(keys))
	for i := range keys {
		types[i] = keys[i].Type
	}
	set, ids := state.NewSet(types), make([]uint32, all.Len)
	set.FindOrAdd(keys, hash, ids, nil)
	gone := map[uint32]bool{}  // keys whose last pending operation is a deletion
	given := map[uint32]bool{} // keys of the rows before
	updates := st.OnConflict != nil && !st.OnConflict.DoNothing
	seen := make([]bool, set.Cap())
	for i := range skip {
		gone[ids[i]] = pending.Weight(i) < 0
		seen[ids[i]] = true
	}
	there, err := db.existing(r, keys, skip)
	if err != nil {
		return nil, err
	}
	var keep, clash []int32
	for i := skip; i < all.Len; i++ {
		id := ids[i]
		if updates && given[id] {
			return nil, fault.New(cardinalityViolation, "ON CONFLICT DO UPDATE cannot change a row of table %q twice in one statement", r.Name).
				WithDetail("%s", keyText(r, b, i-skip)).WithHint("give each primary key once")
		}
		if updates {
			given[id] = true
		}
		exists := there[i-skip]
		if seen[id] {
			exists = !gone[id]
		}
		if exists {
			clash = append(clash, int32(i-skip))
			continue
		}
		seen[id], gone[id] = true, false
		keep = append(keep, int32(i-skip))
	}
	c := st.OnConflict
	switch {
	case len(clash) == 0:
		return b, nil
	case st.OrIgnore || (c != nil && c.DoNothing):
		return b.Gather(keep), nil
	case c != nil:
		changed, err := db.updateConflicts(ctx, r, p.conflict, args, b.Gather(clash), block)
		if err != nil {
			return nil, err
		}
		return row.Concat([]*row.Batch{b.Gather(keep), changed}), nil
	}
	return nil, duplicateKey(r, b, int(clash[0]))
}

// keyText is the primary key of a row, as "(columns) = (values)".
func keyText(r *catalog.Relation, b *row.Batch, i int) string {
	var names, vals []string
	for _, k := range r.Key {
		names = append(names, r.Columns[k].Name)
		vals = append(vals, string(row.AppendText(nil, &b.Cols[k], i)))
	}
	return fmt.Sprintf("(%s) = (%s)", strings.Join(names, ", "), strings.Join(vals, ", "))
}

func duplicateKey(r *catalog.Relation, b *row.Batch, i int) error {
	return fault.New(fault.UniqueViolation, "table %q already has a row with this primary key", r.Name).
		WithDetail("%s", keyText(r, b, i)).
		WithHint("use INSERT OR REPLACE, or INSERT … ON CONFLICT DO UPDATE SET … or DO NOTHING")
}

// existing reports which of the keys, from the given one on, have a row.
func (db *Database) existing(r *catalog.Relation, keys []row.Vec, from int) ([]bool, error) {
	snap := db.engine.Snapshot(r.ID)
	defer snap.Close()
	v, err := snap.View(r.ID)
	if err != nil {
		return nil, err
	}
	n := keys[0].Len - from
	out := make([]bool, n)
	if v == nil {
		return out, nil
	}
	vals := make([]row.Value, len(keys))
	for i := range n {
		for k := range keys {
			vals[k] = keys[k].Value(from + i)
		}
		b, err := v.Lookup(r.Key, vals, 1)
		if err != nil {
			return nil, err
		}
		out[i] = b.Len > 0
	}
	return out, nil
}
