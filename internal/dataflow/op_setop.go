package dataflow

import (
	"strings"

	"github.com/tidemill/tidemill/internal/dataflow/state"
	"github.com/tidemill/tidemill/internal/plan"
	"github.com/tidemill/tidemill/internal/row"
)

// setOp is INTERSECT or EXCEPT, plain or ALL. Both inputs are routed by all columns. It counts each row per side; how often the row
// is in the output is a function of the two counts, and a tick brings the difference.
type setOp struct {
	except, all bool
	// retract says that a count can fall: only then does a row ever leave the state.
	retract bool
	set     *state.Set
	counts  state.Array[sideCounts]
	before  state.Array[sideCounts] // of the rows that the tick touches
	stamps  state.Array[uint32]
	stamp   uint32
	touched []touchedRow
	ids     []uint32
	closer  *groupCloser
}

type sideCounts struct{ left, right int64 }

type touchedRow struct {
	id   uint32
	hash uint64
}

// times is how often a row is in the output.
func (o *setOp) times(c sideCounts) int64 {
	switch {
	case o.all && o.except:
		return max(0, c.left-max(0, c.right))
	case o.all:
		return max(0, min(c.left, c.right))
	}
	if c.left > 0 && (c.right > 0) != o.except {
		return 1
	}
	return 0
}

func (o *setOp) step(in []port) (*row.Batch, error) {
	if !o.set.Room(in[0].rows() + in[1].rows()) {
		return nil, errFull
	}
	o.stamp++
	if o.stamp == 0 {
		o.stamps, o.stamp = state.Array[uint32]{}, 1
	}
	o.touched = o.touched[:0]
	for side := range in {
		if in[side].rows() > 0 {
			o.count(&in[side], side == 1)
		}
	}
	out := o.changes()
	return out, o.closeRows()
}

// stored returns a row as columns.
func (o *setOp) stored(id uint32) []row.Vec {
	cols := make([]row.Vec, o.set.Columns())
	for c := range cols {
		cols[c] = o.set.Gather(c, []uint32{id})
	}
	return cols
}

// closeRows forgets the rows that are closed: an equal one would be late.
func (o *setOp) closeRows() error {
	if o.closer == nil {
		return nil
	}
	ids, err := o.closer.closed()
	if err != nil {
		return err
	}
	hash := hashesOf(o.set, ids)
	for k, id := range ids {
		*o.counts.At(id) = sideCounts{}
		o.set.Remove(id, hash[k])
	}
	return nil
}

// count adds the changes of one side.
func (o *setOp) count(p *port, right bool) {
	o.ids = sized(o.ids, p.batch.Len)
	added := o.set.FindOrAdd(p.keys, p.hash, o.ids, nil)
	if o.closer != nil {
		o.closer.add(p.keys, added, o.ids)
	}
	o.counts.Grow(o.set.Cap())
	o.before.Grow(o.set.Cap())
	o.stamps.Grow(o.set.Cap())
	for i, id := range o.ids {
		c := o.counts.At(id)
		if m := o.stamps.At(id); *m != o.stamp {
			*m = o.stamp
			*o.before.At(id) = *c
			o.touched = append(o.touched, touchedRow{id, p.hash[i]})
		}
		if right {
			c.right += p.batch.Weight(i)
		} else {
			c.left += p.batch.Weight(i)
		}
	}
}

// changes returns the touched rows that are now there more or less often, as they are stored, and frees those that neither side has.
func (o *setOp) changes() *row.Batch {
	var ids []uint32
	var weights []int64
	for _, t := range o.touched {
		if w := o.times(*o.counts.Peek(t.id)) - o.times(*o.before.Peek(t.id)); w != 0 {
			ids, weights = append(ids, t.id), append(weights, w)
		}
	}
	var out *row.Batch
	if len(ids) > 0 {
		out = &row.Batch{Cols: make([]row.Vec, o.set.Columns()), Len: len(ids), Weights: weights}
		for c := range out.Cols {
			out.Cols[c] = o.set.Gather(c, ids)
		}
	}
	if o.retract {
		for _, t := range o.touched {
			if *o.counts.Peek(t.id) == (sideCounts{}) {
				if o.closer != nil {
					o.closer.remove(o.stored(t.id), 0, t.id)
				}
				o.set.Remove(t.id, t.hash)
			}
		}
	}
	return out
}

func (o *setOp) bytes() int64 {
	return o.set.Bytes() + o.counts.Bytes() + o.before.Bytes() + o.stamps.Bytes() + o.closer.bytes()
}

func (o *setOp) persist(k *state.Keeper) {
	o.set.Keep(k)
	o.counts.Keep(k)
	o.closer.persist(k, o.set)
}

func (b *builder) lowerSetOp(n *plan.SetOp) (lowered, error) {
	left, err := b.lower(n.Left)
	if err != nil {
		return lowered{}, err
	}
	right, err := b.lower(n.Right)
	if err != nil {
		return lowered{}, err
	}
	if err := comparable(left.types, n.String()); err != nil {
		return lowered{}, err
	}
	all := make([]int, len(left.types))
	for i := range all {
		all[i] = i
	}
	appendOnly := left.appendOnly && right.appendOnly
	at, bounds := b.closingColumn(n)
	nd := node{timed: bounds != nil, title: strings.ToLower(n.String()) + kept(appendOnly), inputs: []int{left.node, right.node}, routes: []*router{byColumns(all), byColumns(all)}}
	for range b.Workers {
		op := &setOp{except: n.Except, all: n.All, retract: !appendOnly, set: state.NewSet(left.types)}
		if op.closer, err = b.newCloser(at, closing{bounds}); err != nil {
			return lowered{}, err
		}
		nd.shards = append(nd.shards, op)
	}
	return lowered{node: b.add(nd), types: left.types, appendOnly: appendOnly && !n.Except}, nil
}
