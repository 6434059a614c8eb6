package engine

import (
	"context"
	"fmt"

	"github.com/tidemill/tidemill/internal/log"
	"github.com/tidemill/tidemill/internal/record"
	"github.com/tidemill/tidemill/internal/row"
)

// feedRows bounds the rows of one step over history.
const feedRows = 64 << 10

// feedTimed feeds a view with the history of streams that have a watermark and of the views that there are copies of, given by ID and name: group by group in the order in
// which the log took them, with the watermark as it was then, so that what was late is late again. Of streams that the view reads through views without a copy
// only the watermark counts.
func (b *bootstrap) feedTimed(ctx context.Context, e *Engine, names map[uint64]string) error {
	if len(names) == 0 {
		return nil
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	f := timedFeed{b: b, e: e, names: names, wanted: b.wanted(), clocks: newClocks()}
	for _, id := range b.view.time.streams {
		h, err := f.open(ctx, id)
		if err != nil {
			return err
		}
		f.histories = append(f.histories, h)
	}
	f.clocks.follow(b.linkCopies())
	defer func() {
		cancel()
		for _, h := range f.histories {
			for range h.groups {
			}
		}
	}()
	return f.run(ctx)
}

// timedFeed merges the history of several streams.
type timedFeed struct {
	b         *bootstrap
	e         *Engine
	histories []*history
	names     map[uint64]string // what is fed to the view
	wanted    map[uint64]bool   // the streams whose rows are needed
	clocks    *clocks
	step      map[uint64][]*row.Batch
	rows      int
	tx        openRun
}

// history is one stream's, read ahead by a bounded number of groups.
type history struct {
	id     uint64
	groups chan group
	err    error // valid once groups is closed
	head   *group
}

func (f *timedFeed) open(ctx context.Context, id uint64) (*history, error) {
	f.e.queues.Lock()
	in := f.e.queues.inputs[id]
	f.e.queues.Unlock()
	end, ok := f.b.from.applied[id]
	d := f.b.from.decoders[id]
	if in == nil || in.time == nil || d == nil || !ok {
		return nil, fmt.Errorf("reading the history of relation %d: it is gone", id)
	}
	f.clocks.add(id, newClock(*in.time))
	h := &history{id: id, groups: make(chan group, 8)}
	started := f.e.spawn(func() {
		defer close(h.groups)
		var open group
		h.err = f.e.opts.Log.ReadRange(ctx, in.rel.Topic(), 0, end, func(rec log.Record) error {
			if err := f.e.gather(in.time, d, rec, &open); err != nil || !rec.Last {
				return err
			}
			g := open
			open = group{}
			select {
			case h.groups <- g:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			case <-f.e.ctx.Done():
				return ErrClosed
			}
		})
	})
	if !started {
		return nil, ErrClosed
	}
	return h, nil
}

// gather adds a record to the group that is being read, unless it belongs to a transaction that never committed.
func (e *Engine) gather(t *EventTime, d *decoder, rec log.Record, open *group) error {
	b, err := e.visible(d, rec)
	if err != nil || b == nil {
		return err
	}
	h, _, err := record.Parse(rec.Body)
	if err != nil {
		return err
	}
	open.batches = append(open.batches, b)
	open.rows += b.Len
	open.taken, open.tx, open.final = h.Ingested.UnixMicro(), h.Tx, h.Final
	open.spans = append(open.spans, t.spansOf(d.rel, b, rec.Partition, h.Ingested)...)
	return nil
}

func (f *timedFeed) run(ctx context.Context) error {
	f.step = map[uint64][]*row.Batch{}
	if err := f.flush(ctx); err != nil { // what copies hold over nothing
		return err
	}
	for {
		h, err := f.earliest()
		if err != nil {
			return err
		}
		if h == nil {
			if err := f.flush(ctx); err != nil {
				return err
			}
			f.clocks.pass(f.b.at)
			return f.flush(ctx)
		}
		g := h.head
		h.head = nil
		if !f.tx.in(h.id) && (f.clocks.behind(h.id, g.taken, g.spans) || f.rows+g.rows > feedRows) {
			if err := f.flush(ctx); err != nil {
				return err
			}
		}
		f.tx.take(h.id, g)
		f.clocks.take(h.id, g.taken, g.spans)
		if f.wanted[h.id] {
			f.step[h.id] = append(f.step[h.id], g.batches...)
			f.rows += g.rows
		}
	}
}

// earliest is the history whose next group the log took first, nil at the end of all.
func (f *timedFeed) earliest() (*history, error) {
	var first *history
	for _, h := range f.histories {
		if h.head == nil {
			g, ok := <-h.groups
			if !ok {
				if h.err != nil {
					return nil, fmt.Errorf("reading the history of relation %d: %w", h.id, h.err)
				}
				continue
			}
			h.head = &g
		}
		if f.tx.in(h.id) {
			return h, nil
		}
		if first == nil || h.head.taken < first.head.taken {
			first = h
		}
	}
	return first, nil
}

// flush lets the view take what was gathered.
func (f *timedFeed) flush(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	taken := f.clocks.first
	f.clocks.begin()
	changes := map[uint64]*row.Batch{}
	for id, batches := range f.step {
		if b := row.Concat(batches); b != nil && b.Len > 0 {
			changes[id] = b
		}
	}
	f.step, f.rows = map[uint64][]*row.Batch{}, 0
	for _, c := range f.b.copies {
		if err := c.step(f.e, changes, f.b.now, taken); err != nil {
			return err
		}
	}
	in := map[string]*row.Batch{}
	for id, name := range f.names {
		if d := changes[id]; d != nil {
			in[name] = d
		}
	}
	f.b.view.time.taken = taken
	f.b.view.time.at(f.b.view.graph, f.b.now)
	return f.b.apply(f.e, in)
}
