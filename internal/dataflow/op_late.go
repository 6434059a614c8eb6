package dataflow

import (
	"fmt"

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
	var late []int32
	for i := range o.checks {
		var err error
		if late, err = o.checks[i].find(b, o.times.Before, late, int32(i+1)); err != nil {
			return nil, err
		}
	}
	if late == nil {
		return b, nil
	}
	on := make([]int32, 0, b.Len)
	for i := range b.Len {
		if late[i] == 0 {
			on = append(on, int32(i))
			continue
		}
		o.note(b, i, &o.checks[late[i]-1])
	}
	if len(on) == 0 {
		return nil, nil
	}
	return b.Gather(on), nil
}

// note keeps row i, which a check has found.
func (o *lateOp) note(b *row.Batch, i int, c *lateCheck) {
	o.count++
	if len(o.late) == lateKept || b.Weight(i) < 0 {
		return
	}
	r := b.Gather([]int32{int32(i)})
	r.Weights = nil
	watermark := o.times.Before
	if c.perKey != nil {
		watermark = c.perKey.watermark(c.found[i])
	}
	o.late = append(o.late, Late{Relation: o.relation, Row: r, Columns: o.columns, EventTime: row.Micros(&b.Cols[c.column], i), Watermark: watermark, Taken: o.times.Taken})
}

// find marks the late rows that no check before has found; it makes late when it finds the first.
func (c *lateCheck) find(b *row.Batch, watermark int64, late []int32, mark int32) ([]int32, error) {
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
			late = make([]int32, b.Len)
		}
		if late[i] == 0 {
			late[i] = mark
		}
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

// ownCheck is a check of a relation's rows, before it is compiled.
type ownCheck struct {
	column int // of the relation
	value  *plan.Expr
	bounds []plan.TimeBound
}

// lateChecks finds what decides whether rows of a relation are late for a query, however often that reads it: a row is in all of the
// query or in none. Each check is told once.
func (b *builder) lateChecks(relation string) []ownCheck {
	var out []ownCheck
	seen := map[string]bool{}
	for _, c := range b.closings {
		for _, own := range c.bounds {
			if own.Get.Relation != relation {
				continue
			}
			check := ownCheck{own.Get.Columns[own.Column], own.Value, c.bounds}
			text := fmt.Sprint(check.column, check.value, isKeyed(c.bounds))
			for i := range c.bounds {
				text += " " + c.bounds[i].Threshold().String()
			}
			if !seen[text] {
				seen[text] = true
				out = append(out, check)
			}
		}
	}
	return out
}

// addLate puts the check for late rows on a source.
func (b *builder) addLate(n *plan.Get, src lowered) (lowered, error) {
	if l, ok := b.punctual[n.Relation]; ok {
		return l, nil
	}
	checks := b.lateChecks(n.Relation)
	if len(checks) == 0 {
		return src, nil
	}
	nd := node{title: "leave out late rows of " + n.Relation, inputs: []int{src.node}, routes: []*router{nil}}
	for range b.Workers {
		op := &lateOp{relation: n.Relation, columns: b.Schema(n.Relation), times: b.g.times}
		for _, own := range checks {
			c := lateCheck{column: own.column}
			var err error
			if own.value.Kind != plan.Column {
				if c.value, err = b.compile([]*plan.Expr{own.value}, []row.Type{src.types[c.column]}); err != nil {
					return lowered{}, err
				}
			}
			if c.bound, err = b.threshold(own.bounds); err != nil {
				return lowered{}, err
			}
			if c.perKey, err = b.keyThreshold(own.bounds); err != nil {
				return lowered{}, err
			}
			op.checks = append(op.checks, c)
		}
		nd.shards = append(nd.shards, op)
	}
	out := lowered{node: b.add(nd), types: src.types, appendOnly: src.appendOnly}
	b.punctual[n.Relation] = out
	b.g.punctual = append(b.g.punctual, n.Relation)
	return out, nil
}
