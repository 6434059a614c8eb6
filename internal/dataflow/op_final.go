package dataflow

import (
	"github.com/tidemill/tidemill/internal/dataflow/state"
	"github.com/tidemill/tidemill/internal/row"
)

// finalOp holds rows back until the watermark says that they are final, and tells each of them once then. What changes of a row after that is no news;
// rows of the input's relations that come too late are left out where they come in (lateOp).
type finalOp struct {
	times  *Times
	column int // of the input: the time that is bounded
	bound  *threshold
	held   *state.Agenda
	due    []uint64
}

func (o *finalOp) step(in []port) (*row.Batch, error) {
	before, begun := uint64(0), false
	if b := in[0].batch; b != nil {
		if !o.held.Room(b.Len) {
			return nil, errFull
		}
		before, begun = o.bound.at(o.times.Before)
		o.hold(b, before, begun)
	}
	limit, ok := o.bound.at(o.times.After)
	if !ok {
		return nil, nil
	}
	return o.held.Take(limit), nil
}

// hold keeps the rows that are not final yet. A row without a time is never final.
func (o *finalOp) hold(b *row.Batch, before uint64, begun bool) {
	v := &b.Cols[o.column]
	at := make([]int32, 0, b.Len)
	o.due = o.due[:0]
	for i := range b.Len {
		if v.Null(i) {
			continue
		}
		due := state.OrderBits(v, i)
		if begun && due < before {
			continue
		}
		at, o.due = append(at, int32(i)), append(o.due, due)
	}
	if len(at) > 0 {
		o.held.Change(b.Gather(at), o.due)
	}
}

func (o *finalOp) bytes() int64 { return o.held.Bytes() }
