package session

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"github.com/tidemill/tidemill/internal/catalog"
	"github.com/tidemill/tidemill/internal/dataflow/state"
	"github.com/tidemill/tidemill/internal/fault"
	"github.com/tidemill/tidemill/internal/plan"
	"github.com/tidemill/tidemill/internal/row"
	"github.com/tidemill/tidemill/internal/sql"
)

// resolveConflicts checks rows that are inserted against those with the same primary key that are there, or appear before them.
func (db *Database) resolveConflicts(ctx context.Context, st *sql.Insert, to *stored, b *row.Batch, block []write) (*row.Batch, error) {
	r := to.def
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
		return db.updateConflicts(ctx, st, to, b, keep, clash, block)
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

// updateConflicts is ON CONFLICT DO UPDATE: rows of keys that are there become SET of old and excluded.
func (db *Database) updateConflicts(ctx context.Context, st *sql.Insert, to *stored, b *row.Batch, keep, clash []int32, block []write) (*row.Batch, error) {
	r, c := to.def, st.OnConflict
	sets, err := assignments(r, c.Set)
	if err != nil {
		return nil, err
	}
	target := sql.Quote(cmp.Or(st.Alias.Name, r.Name))
	cols := make([]string, len(r.Columns))
	for i, col := range r.Columns {
		cols[i] = target + "." + sql.Quote(col.Name)
		if e, ok := sets[i]; ok {
			cols[i] = fmt.Sprintf("CAST((%s) AS %s)", e, col.Type)
		}
	}
	var on []string
	for _, k := range r.Key {
		on = append(on, fmt.Sprintf("%s.%s = excluded.%s", target, sql.Quote(r.Columns[k].Name), sql.Quote(r.Columns[k].Name)))
	}
	text := fmt.Sprintf("SELECT %s FROM %s AS %s JOIN %s AS excluded ON %s", strings.Join(cols, ", "), sql.Quote(r.Name), target, literalRows(r, b, clash), strings.Join(on, " AND "))
	if c.Where != nil {
		text += " WHERE (" + c.Where.SQL + ")"
	}
	p, err := db.planSelect(ctx, text, sql.Text{SQL: text}, nil)
	if err != nil {
		return nil, fault.From(userError(err)).At(0)
	}
	res, err := db.runSelect(ctx, p, nil, block)
	if err != nil {
		return nil, err
	}
	changed, err := collect(ctx, res)
	if err != nil {
		return nil, err
	}
	for i := range changed.Cols {
		changed.Cols[i].Type = r.Columns[i].Type
	}
	return row.Concat([]*row.Batch{b.Gather(keep), changed}), nil
}

// literalRows writes rows as a relation of SQL text.
func literalRows(r *catalog.Relation, b *row.Batch, at []int32) string {
	var s strings.Builder
	s.WriteString("(SELECT * FROM (VALUES ")
	for n, i := range at {
		if n > 0 {
			s.WriteString(", ")
		}
		s.WriteByte('(')
		for c := range b.Cols {
			if c > 0 {
				s.WriteString(", ")
			}
			if b.Cols[c].Null(int(i)) {
				fmt.Fprintf(&s, "CAST(NULL AS %s)", r.Columns[c].Type)
				continue
			}
			if b.Cols[c].Type.Nested() { // whose texts do not tell everything
				literal, _, err := plan.SQLOf(plan.Const(b.Cols[c].Value(int(i))))
				if err == nil {
					s.WriteString(literal)
					continue
				}
			}
			fmt.Fprintf(&s, "CAST(%s AS %s)", sql.QuoteLiteral(string(row.AppendText(nil, &b.Cols[c], int(i)))), r.Columns[c].Type)
		}
		s.WriteByte(')')
	}
	names := make([]string, len(r.Columns))
	for i := range names {
		names[i] = sql.Quote(r.Columns[i].Name)
	}
	fmt.Fprintf(&s, ") AS v(%s))", strings.Join(names, ", "))
	return s.String()
}
