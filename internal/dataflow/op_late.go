package dataflow

import (
	"github.com/tidemill/tidemill/internal/dataflow/scalar"
	"github.com/tidemill/tidemill/internal/dataflow/state"
	"github.com/tidemill/tidemill/internal/plan"
	"github.com/tidemill/tidemill/internal/row"
)

// lateOp leaves out the rows of a relation that come too late: what they belong to was closed before the step began. Rows without a time are
// never late. Rows that are below the watermark but whose group is still open pass.
type lateOp struct {
	relation string
	columns  row.Schema
	times    *Times
	checks   []lateCheck
	late     []Late
	count    int64
}

// lateCheck finds the rows whose value is below what was closed.
type lateCheck struct {
	column int             // of the relation: the event time
	value  *scalar.Program // over that column alone; nil for the column itself
	bound  *threshold
	perKey *keyThreshold // nil: bound decides for all keys together
	found  []uint32
}

// lateKept bounds the late rows that one shard describes per step.
const lateKept = 10_000

func (o *lateOp) step(in []port) (*row.Batch, error) {
	b := in[0].batch
	if b == nil {
		return b, nil
	}
	var late []bool
	for i := range o.checks {
		var err error
		if late, err = o.checks[i].find(b, o.times.Before, late); err != nil {
			return nil, err
		}
	}
	if late == nil {
		return b, nil
	}
	on := make([]int32, 0, b.Len)
	for i := range b.Len {
		if !late[i] {
			on = append(on, int32(i))
			continue
		}
		o.note(b, i)
	}
	if len(on) == 0 {
		return nil, nil
	}
	return b.Gather(on), nil
}

func (o *lateOp) note(b *row.Batch, i int) {
	o.count++
	if len(o.late) == lateKept || b.Weight(i) < 0 {
		return
	}
	r := b.Gather([]int32{int32(i)})
	r.Weights = nil
	watermark := o.times.Before
	if c := &o.checks[0]; c.perKey != nil {
		watermark = c.perKey.watermark(c.found[i])
	}
	o.late = append(o.late, Late{Relation: o.relation, Row: r, Columns: o.columns, EventTime: row.Micros(&b.Cols[o.checks[0].column], i), Watermark: watermark})
}

// find marks late rows; it makes late when it finds the first.
func (c *lateCheck) find(b *row.Batch, watermark int64, late []bool) ([]bool, error) {
	limit, ok := c.bound.at(watermark)
	if !ok && c.perKey == nil {
		return late, nil
	}
	v := &b.Cols[c.column]
	var failed []scalar.RowError
	if c.value != nil {
		cols, errs, err := c.value.Eval(b.Project([]int{c.column}))
		if err != nil {
			return nil, err
		}
		v, failed = &cols[0], errs
	}
	var limits row.Vec
	if c.perKey != nil {
		c.found = c.perKey.clock.find(b.Project(c.perKey.clock.keys).Cols, b.Len, c.found)
		var err error
		if limits, err = c.perKey.at(c.found, true); err != nil {
			return nil, err
		}
	}
	for i := range b.Len {
		if c.perKey != nil {
			if limits.Null(i) {
				continue
			}
			limit = state.OrderBits(&limits, i)
		}
		if len(failed) > 0 && failed[0].Row == int32(i) {
			failed = failed[1:] // whatever fails here fails again where it is reported
			continue
		}
		if v.Null(i) || state.OrderBits(v, i) >= limit {
			continue
		}
		if late == nil {
			late = make([]bool, b.Len)
		}
		late[i] = true
	}
	return late, nil
}

func (o *lateOp) takeLate() ([]Late, int64) {
	l, n := o.late, o.count
	o.late, o.count = nil, 0
	return l, n
}

func (o *lateOp) bytes() int64 { return 0 }

func (*lateOp) persist(*state.Keeper) {}

// closing is an operator that frees what is below a bound: rows of the Gets below that belong there are late.
type closing struct {
	bounds []plan.TimeBound // of the value that decides
}

// addLate puts the check for late rows on a source.
func (b *builder) addLate(n *plan.Get, src lowered) (lowered, error) {
	var found []closing
	var own []plan.TimeBound
	for _, c := range b.closings {
		for _, bound := range c.bounds {
			if bound.Get == n {
				found, own = append(found, c), append(own, bound)
			}
		}
	}
	if len(found) == 0 {
		return src, nil
	}
	nd := node{title: "leave out late rows of " + n.Relation, inputs: []int{src.node}, routes: []*router{nil}}
	for range b.Workers {
		op := &lateOp{relation: n.Relation, columns: b.Schema(n.Relation), times: b.g.times}
		for k := range found {
			c := lateCheck{column: n.Columns[own[k].Column]}
			var err error
			if own[k].Value.Kind != plan.Column {
				if c.value, err = b.compile([]*plan.Expr{own[k].Value}, []row.Type{src.types[c.column]}); err != nil {
					return lowered{}, err
				}
			}
			if c.bound, err = b.threshold(found[k].bounds); err != nil {
				return lowered{}, err
			}
			if c.perKey, err = b.keyThreshold(found[k].bounds); err != nil {
				return lowered{}, err
			}
			op.checks = append(op.checks, c)
		}
		nd.shards = append(nd.shards, op)
	}
	return lowered{node: b.add(nd), types: src.types, appendOnly: src.appendOnly}, nil
}
