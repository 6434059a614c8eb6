package engine

import (
	"context"
	"fmt"
	"slices"

	"github.com/tidemill/tidemill/internal/dataflow"
	"github.com/tidemill/tidemill/internal/log"
	"github.com/tidemill/tidemill/internal/row"
)

// Copy is a graph of a running view that has seen nothing yet. It tells a view that is being built over it what came when, which the content of the running
// view does not: rows of that may be too late for the new one.
type Copy struct {
	Relation uint64
	Graph    *dataflow.Graph
	// Reads maps the names of the relations in the graph to their IDs: streams with a watermark, or views that there is a copy of, too.
	Reads map[string]uint64
}

// copied is a copy while it is used.
type copied struct {
	view  *viewState
	id    uint64
	begun bool
}

// prepareCopies makes the copies ready; it runs on the loop.
func (b *bootstrap) prepareCopies(e *Engine, copies []Copy) {
	for _, c := range copies {
		v := &viewState{graph: c.Graph, reads: c.Reads}
		v.time = newTiming(e.clockedStreams(v), c.Graph.Resolution().Microseconds())
		b.copies = append(b.copies, &copied{view: v, id: c.Relation})
	}
}

// linkCopies tells the timings of the view and its copies of each other.
func (b *bootstrap) linkCopies() []*timing {
	b.view.time.below = b.timesBelow(b.view)
	all := []*timing{&b.view.time}
	for _, c := range b.copies {
		c.view.time.below = b.timesBelow(c.view)
		all = append(all, &c.view.time)
	}
	return all
}

func (b *bootstrap) timesBelow(v *viewState) []*timing {
	var out []*timing
	for _, id := range v.reads {
		if c := b.copyOf(id); c != nil {
			out = append(out, &c.view.time)
		}
	}
	return out
}

// copyOf is the copy of a relation, nil if there is none.
func (b *bootstrap) copyOf(relation uint64) *copied {
	for _, c := range b.copies {
		if c.id == relation {
			return c
		}
	}
	return nil
}

// dropCopiesUnlessWhole gives the copies up if the log does not reach back to all that the running views have seen: then their content has more to tell.
func (b *bootstrap) dropCopiesUnlessWhole(ctx context.Context, e *Engine) error {
	for _, c := range b.copies {
		for _, id := range c.view.time.streams {
			e.queues.Lock()
			in := e.queues.inputs[id]
			e.queues.Unlock()
			if in == nil {
				return fmt.Errorf("reading the history of relation %d: it is gone", id)
			}
			bounds, err := e.opts.Log.Bounds(ctx, in.rel.Topic())
			if err != nil {
				return fmt.Errorf("finding the beginning of %s: %w", in.rel.Name, err)
			}
			if first := log.Offset(in.first.Load()); first != 0 && bounds.First > first {
				b.copies = nil
				return nil
			}
		}
	}
	return nil
}

// step lets a copy take changes by relation, and adds its own.
func (c *copied) step(e *Engine, changes map[uint64]*row.Batch, now, taken int64) error {
	in := map[string]*row.Batch{}
	for name, id := range c.view.reads {
		if d := changes[id]; d != nil {
			in[name] = d
		}
	}
	c.view.time.taken = taken
	moved := c.view.time.at(c.view.graph, now)
	if len(in) == 0 && !moved && c.begun {
		return nil
	}
	c.begun = true
	delta, err := c.view.step(e.opts.Workers, in)
	c.view.graph.TakeLate()
	c.view.graph.TakeRejects()
	if err != nil {
		return err
	}
	if delta != nil && delta.Len > 0 {
		changes[c.id] = delta
	}
	return nil
}

// timedReads are the relations that the view reads of which the history is fed in the order of the log, by ID.
func (b *bootstrap) timedReads() map[uint64]string {
	out := map[uint64]string{}
	for name, id := range b.view.reads {
		if slices.Contains(b.view.time.streams, id) || b.copyOf(id) != nil {
			out[id] = name
		}
	}
	return out
}

// wanted lists the streams whose rows are needed: those that the view or a copy reads.
func (b *bootstrap) wanted() map[uint64]bool {
	out := map[uint64]bool{}
	for _, id := range b.view.reads {
		out[id] = true
	}
	for _, c := range b.copies {
		for _, id := range c.view.reads {
			out[id] = true
		}
	}
	return out
}
