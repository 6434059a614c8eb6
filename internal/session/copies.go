package session

import (
	"context"
	"maps"
	"slices"

	"github.com/tidemill/tidemill/internal/catalog"
	"github.com/tidemill/tidemill/internal/dataflow"
	"github.com/tidemill/tidemill/internal/engine"
	"github.com/tidemill/tidemill/internal/plan"
)

// copiesFor builds the views again that a graph reads and whose rows can be too late for it, with all below them, so that a view that is made now leaves out the rows that
// one which was always there has left out. A view that also depends on a table, on a stream without a watermark or on the wall-clock time has no copy: what it was at
// some time of the log cannot be told from the log of streams. The caller hands the copies to the engine.
func (db *Database) copiesFor(ctx context.Context, g *dataflow.Graph, reads map[string]uint64) ([]engine.Copy, error) {
	if !db.started.Load() {
		return nil, nil // everything is read from its beginning
	}
	c := copier{db: db, done: map[uint64]bool{}}
	for _, name := range slices.Sorted(maps.Keys(reads)) {
		r := db.catalog.ByID(reads[name])
		if r == nil || r.Kind != catalog.MaterializedView || !g.ChecksLateness(name) {
			continue
		}
		mark := len(c.copies)
		whole, err := c.copy(ctx, r)
		if err != nil {
			c.drop(0)
			return nil, err
		}
		if !whole {
			c.drop(mark)
		}
	}
	return c.copies, nil
}

type copier struct {
	db     *Database
	copies []engine.Copy
	done   map[uint64]bool
}

// drop gives up the copies from a position on.
func (c *copier) drop(from int) {
	for _, x := range c.copies[from:] {
		x.Graph.Close()
		delete(c.done, x.Relation)
	}
	c.copies = c.copies[:from]
}

// copy adds a copy of a view behind those of what it reads; it reports false if the log of streams with a watermark is not all that the view depends on.
func (c *copier) copy(ctx context.Context, r *catalog.Relation) (bool, error) {
	if c.done[r.ID] {
		return true, nil
	}
	planned, err := c.db.planner.Plan(ctx, r.Query)
	if err != nil {
		return false, err
	}
	n, err := plan.Decode(planned.Plan)
	if err != nil {
		return false, err
	}
	g, reads, err := c.db.compile(plan.Optimize(n), r)
	if err != nil {
		return false, err
	}
	whole := !g.AsksForTime()
	for _, name := range slices.Sorted(maps.Keys(reads)) {
		below := c.db.catalog.ByID(reads[name])
		switch {
		case !whole || below == nil:
			whole = false
		case below.Kind == catalog.MaterializedView:
			whole, err = c.copy(ctx, below)
		default:
			whole = below.Kind == catalog.Stream && below.Watermark != nil
		}
		if err != nil {
			g.Close()
			return false, err
		}
	}
	if !whole {
		g.Close()
		return false, nil
	}
	c.copies, c.done[r.ID] = append(c.copies, engine.Copy{Relation: r.ID, Graph: g, Reads: reads}), true
	return true, nil
}
