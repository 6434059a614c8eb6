package engine

import (
	"context"
	"fmt"

	"github.com/tidemill/tidemill/internal/catalog"
	"github.com/tidemill/tidemill/internal/row"
	"github.com/tidemill/tidemill/internal/view"
)

// Alter gives a stream or table the schema of rel, a later version of the definition that the engine has. It returns when every new Snapshot has it.
// Views that read the relation go on with the columns they were compiled for, which must all still be there. The rows of a table are put into
// a new store between two ticks; its history of changes begins anew. Records with the new version must not be appended before.
func (e *Engine) Alter(ctx context.Context, rel *catalog.Relation) error {
	d, err := newDecoder(rel)
	if err != nil {
		return err
	}
	var failed error
	if err := e.call(ctx, func() { failed = e.alter(d) }); err != nil {
		return err
	}
	return failed
}

// alter runs on the loop.
func (e *Engine) alter(d *decoder) error {
	e.queues.Lock()
	in := e.queues.inputs[d.rel.ID]
	e.queues.Unlock()
	if in == nil {
		return fmt.Errorf("relation %d is gone", d.rel.ID)
	}
	old := in.def.Load()
	if d.version() < old.version() {
		return fmt.Errorf("BUG: %s is altered from version %d to %d", d.rel.Name, old.version(), d.version())
	}
	step := d.later[old.version()]
	if in.store != nil && !in.stopped && d.version() > old.version() {
		e.tick++
		store, err := restored(in.store, view.Options{Schema: d.rel.Columns, Key: d.rel.Key}, step, e.tick)
		if err != nil {
			return fmt.Errorf("altering %s: %w", d.rel.Name, err)
		}
		in.store = store
	}
	in.def.Store(d)
	for _, v := range e.views {
		v.reshape(old.rel, step)
	}
	for b := range e.booting {
		b.view.reshape(old.rel, step)
	}
	e.published.Lock()
	e.published.decoders[d.rel.ID] = d
	if in.store != nil && !in.stopped {
		e.published.stores[d.rel.ID] = in.store
	}
	e.publishLocked(Tick{Number: e.tick}, nil)
	e.published.Unlock()
	if e.opts.OnTick != nil {
		e.opts.OnTick(Tick{Number: e.tick})
	}
	return nil
}

// restored returns a store with the rows of another one, converted, as of a tick that is still to be published.
func restored(from *view.Store, o view.Options, c *row.Conversion, tick uint64) (*view.Store, error) {
	to := view.New(o)
	snap := from.At()
	defer snap.Close()
	rows, err := snap.Scan(everyColumn(len(snap.Schema())))
	if err != nil {
		return nil, err
	}
	it := storeScan{rows}
	defer it.Close()
	for {
		b, err := it.Next()
		if err != nil {
			return nil, err
		}
		if b == nil {
			return to, nil
		}
		if err := to.Load(tick, c.Apply(b)); err != nil {
			return nil, err
		}
	}
}

// reshape notes that a relation was altered, for a view that reads it.
func (v *viewState) reshape(old *catalog.Relation, c *row.Conversion) {
	for _, id := range v.reads {
		if id != old.ID {
			continue
		}
		if v.shapes == nil {
			v.shapes = map[uint64]*shape{}
		}
		was := v.shapes[id]
		if was == nil {
			was = shapeOf(old.Columns)
		}
		v.shapes[id] = was.after(c)
	}
}

// input returns a change of a relation as the view's graph knows it.
func (v *viewState) input(relation uint64, b *row.Batch) *row.Batch {
	if s := v.shapes[relation]; s != nil && b != nil {
		return s.of(b)
	}
	return b
}
