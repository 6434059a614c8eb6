package dataflow

import (
	"github.com/tidemill/tidemill/internal/dataflow/state"
	"github.com/tidemill/tidemill/internal/fault"
	"github.com/tidemill/tidemill/internal/row"
)

// distinctOp keeps one of equal rows: it counts each row and tells when a count leaves or reaches zero.
// Its input is routed by all columns. Over an append-only input it keeps no counts.
type distinctOp struct {
	appendOnly bool
	set        *state.Set
	counts     state.Array[int64]
	touch      toucher
	scratch    []uint32
	closer     *groupCloser
}

func newDistinct(types []row.Type, appendOnly bool) *distinctOp {
	return &distinctOp{appendOnly: appendOnly, set: state.NewSet(types)}
}

func (o *distinctOp) step(in []port) (*row.Batch, error) {
	var out *row.Batch
	if in[0].rows() > 0 {
		if !o.set.Room(in[0].rows()) {
			return nil, errFull
		}
		out = o.take(&in[0])
	}
	return out, o.closeRows()
}

func (o *distinctOp) take(p *port) *row.Batch {
	n := p.batch.Len
	o.scratch = sized(o.scratch, n)
	added := o.set.FindOrAdd(p.keys, p.hash, o.scratch, nil)
	if o.closer != nil {
		o.closer.add(p.keys, added, o.scratch)
	}
	if o.appendOnly {
		return weightless(p.keys, added, n)
	}
	o.counts.Grow(o.set.Cap())
	o.touch.begin(o.set.Cap())
	for i, id := range o.scratch {
		c := o.counts.At(id)
		o.touch.see(id, int32(i), *c > 0)
		*c += p.batch.Weight(i)
	}
	return o.changes(p)
}

// changes returns the touched rows that came or went, as they are stored: of equal rows that are not identical ('1 month',
// '30 days') the one that goes must be the one that came.
func (o *distinctOp) changes(p *port) *row.Batch {
	var ids []uint32
	var weights []int64
	for _, t := range o.touch.seen {
		if now := *o.counts.Peek(t.id) > 0; now != t.present {
			ids, weights = append(ids, t.id), append(weights, sign(now))
		}
	}
	var out *row.Batch
	if len(ids) > 0 {
		out = &row.Batch{Cols: make([]row.Vec, o.set.Columns()), Len: len(ids), Weights: weights}
		for c := range out.Cols {
			out.Cols[c] = o.set.Gather(c, ids)
		}
	}
	for _, t := range o.touch.seen {
		if *o.counts.Peek(t.id) == 0 {
			if o.closer != nil {
				o.closer.remove(p.keys, int(t.at), t.id)
			}
			o.set.Remove(t.id, p.hash[t.at])
		}
	}
	return out
}

// errFull says that the ids of a shard's state have run out.
var errFull error = fault.New(fault.LimitExceeded, "the state of a view is limited to 4 billion rows or groups per worker").
	WithHint("divide the view by a filter, or run more workers")

func (o *distinctOp) bytes() int64 {
	return o.set.Bytes() + o.counts.Bytes() + o.touch.bytes() + o.closer.bytes()
}

func (o *distinctOp) persist(k *state.Keeper) {
	o.set.Keep(k)
	o.counts.Keep(k)
	o.closer.persist(k, o.set)
}

func sign(inserted bool) int64 {
	if inserted {
		return 1
	}
	return -1
}

// weightless gathers rows of the columns with weight +1.
func weightless(cols []row.Vec, at []int32, n int) *row.Batch {
	if len(at) == 0 {
		return nil
	}
	b := &row.Batch{Cols: cols, Len: n}
	if len(at) == n {
		return b
	}
	return b.Gather(at)
}

func sized(s []uint32, n int) []uint32 {
	if cap(s) < n {
		return make([]uint32, n, n+n/2)
	}
	return s[:n]
}

// toucher lists the ids that a tick touches, each once, with what held before.
type toucher struct {
	stamps state.Array[uint32]
	stamp  uint32
	seen   []touch
}

type touch struct {
	id      uint32
	at      int32 // the first row that touched it
	present bool  // it was there before the tick
}

func (t *toucher) begin(ids uint32) {
	t.stamps.Grow(ids)
	t.stamp++
	if t.stamp == 0 {
		t.stamps = state.Array[uint32]{}
		t.stamps.Grow(ids)
		t.stamp = 1
	}
	t.seen = t.seen[:0]
}

func (t *toucher) see(id uint32, at int32, present bool) {
	if m := t.stamps.At(id); *m != t.stamp {
		*m = t.stamp
		t.seen = append(t.seen, touch{id, at, present})
	}
}

func (t *toucher) bytes() int64 { return t.stamps.Bytes() }
