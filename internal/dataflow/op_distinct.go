package dataflow

import (
	"github.com/tidemill/tidemill/internal/dataflow/state"
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
}

func newDistinct(types []row.Type, appendOnly bool) *distinctOp {
	return &distinctOp{appendOnly: appendOnly, set: state.NewSet(types)}
}

func (o *distinctOp) step(in []port) (*row.Batch, error) {
	p := &in[0]
	n := p.batch.Len
	o.scratch = sized(o.scratch, n)
	if o.appendOnly {
		added := o.set.FindOrAdd(p.keys, p.hash, o.scratch, nil)
		return weightless(p.keys, added, n), nil
	}
	o.set.FindOrAdd(p.keys, p.hash, o.scratch, nil)
	o.counts.Grow(o.set.Cap())
	o.touch.begin(o.set.Cap())
	for i, id := range o.scratch {
		c := o.counts.At(id)
		o.touch.see(id, int32(i), *c > 0)
		*c += p.batch.Weight(i)
	}
	var at []int32
	var weights []int64
	for _, t := range o.touch.seen {
		now := *o.counts.At(t.id) > 0
		if now != t.present {
			at = append(at, t.at)
			weights = append(weights, sign(now))
		}
		if *o.counts.At(t.id) == 0 {
			o.set.Remove(t.id, p.hash[t.at])
		}
	}
	if len(at) == 0 {
		return nil, nil
	}
	out := weightless(p.keys, at, n)
	out.Weights = weights
	return out, nil
}

func (o *distinctOp) bytes() int64 { return o.set.Bytes() + o.counts.Bytes() + o.touch.bytes() }

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
