package session

import (
	"context"
	"errors"
	"slices"

	"github.com/tidemill/tidemill/internal/catalog"
	"github.com/tidemill/tidemill/internal/fault"
	"github.com/tidemill/tidemill/internal/row"
	"github.com/tidemill/tidemill/internal/sql"
)

// replaceView gives a plain view another query; it reports false if there is no view of that name. Views that are made from it must mean the same
// afterwards: a materialized one goes on as it is.
func (db *Database) replaceView(ctx context.Context, whole string, s *sql.CreateView) (bool, error) {
	name, err := db.relationName(s.Name)
	if err != nil {
		return false, err
	}
	old := db.catalog.Get(name)
	if old == nil || old.Kind != catalog.View || old.System() {
		return false, nil
	}
	b, err := db.bindView(ctx, whole, old.Name, s.Columns, s.Query)
	if err != nil {
		return false, err
	}
	readers, err := db.bindReaders(ctx, old)
	if err != nil {
		return false, err
	}
	b.depends = slices.DeleteFunc(b.depends, func(id uint64) bool { return id == old.ID })
	r := &catalog.Relation{ID: old.ID, Kind: catalog.View, Name: old.Name, Columns: b.columns, Query: b.query, Create: whole,
		DependsOn: b.depends, Comment: old.Comment, CreatedAt: old.CreatedAt}
	ch := catalog.Change{Put: r}
	// Definitions are read again in the order of their IDs, so what a view reads has to have a lower one.
	later := slices.ContainsFunc(b.depends, func(id uint64) bool { return id > old.ID })
	switch {
	case later && len(readers) == 0:
		r.ID, ch.Drop = db.catalog.NextID(), old.ID
	case later:
		return false, readBy(fault.New(fault.DependentObjects, "cannot replace view %q by a query over newer relations: other views read it", old.Name), relationsOf(readers))
	}
	db.gate.begin()
	defer db.gate.end()
	undo := func(err error) error { return errors.Join(err, db.define(old)) }
	if err := db.define(r); err != nil {
		return false, placed(undo(err), whole, s.Query, s.Query.SQL, nil)
	}
	var broken []*catalog.Relation
	for _, v := range readers {
		same, err := db.sameMeaning(ctx, r, &row.Conversion{}, v)
		if err != nil {
			return false, undo(err)
		}
		if !same || v.frozen {
			broken = append(broken, v.rel)
		}
	}
	if len(broken) > 0 {
		return false, undo(readBy(fault.New(fault.DependentObjects, "cannot replace view %q: other views read it and would change", old.Name), broken))
	}
	if err := db.commitChange(ctx, ch); err != nil {
		return false, undo(err)
	}
	return true, nil
}

func relationsOf(readers []*viewReader) []*catalog.Relation {
	out := make([]*catalog.Relation, len(readers))
	for i, v := range readers {
		out[i] = v.rel
	}
	return out
}
