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
	perKey *keyThreshold // nil: bound decides for all keys together
	keyAt  []int         // the columns that have the key
	held   *state.Agenda
	found  []uint32
	due    []uint64
}

func (o *finalOp) step(in []port) (*row.Batch, error) {
	if b := in[0].batch; b != nil {
		if !o.held.Room(b.Len) {
			return nil, errFull
		}
		if err := o.hold(b); err != nil {
			return nil, err
		}
	}
	if o.perKey == nil {
		limit, ok := o.bound.at(o.times.After)
		if !ok {
			return nil, nil
		}
		return o.held.Take(0, limit), nil
	}
	moved := o.perKey.clock.movedKeys()
	limits, err := o.perKey.at(moved, false)
	if err != nil {
		return nil, err
	}
	var out []*row.Batch
	for k, key := range moved {
		if !limits.Null(k) {
			out = append(out, o.held.Take(key, state.OrderBits(&limits, k)))
		}
	}
	return row.Concat(out), nil
}

// hold keeps the rows that are not final yet. A row without a time is never final.
func (o *finalOp) hold(b *row.Batch) error {
	v := &b.Cols[o.column]
	limit, known := uint64(0), false
	var limits row.Vec
	var keys []uint32
	if o.perKey == nil {
		limit, known = o.bound.at(o.times.Before)
	} else {
		o.found = o.perKey.clock.find(pick(b.Cols, o.keyAt), b.Len, o.found)
		var err error
		if limits, err = o.perKey.at(o.found, true); err != nil {
			return err
		}
	}
	at := make([]int32, 0, b.Len)
	o.due = o.due[:0]
	for i := range b.Len {
		if o.perKey != nil {
			if known = !limits.Null(i); known {
				limit = state.OrderBits(&limits, i)
			}
			if o.found[i] == state.None {
				continue
			}
		}
		if v.Null(i) {
			continue
		}
		due := state.OrderBits(v, i)
		if known && due < limit {
			continue
		}
		at, o.due = append(at, int32(i)), append(o.due, due)
		if o.perKey != nil {
			keys = append(keys, o.found[i])
		}
	}
	if len(at) > 0 {
		o.held.Change(b.Gather(at), o.due, keys)
	}
	return nil
}

func (o *finalOp) bytes() int64 { return o.held.Bytes() }

func (o *finalOp) persist(k *state.Keeper) { o.held.Keep(k) }
