package dataflow

import (
	"github.com/tidemill/tidemill/internal/dataflow/scalar"
	"github.com/tidemill/tidemill/internal/dataflow/state"
	"github.com/tidemill/tidemill/internal/row"
)

// mapOp filters and projects: it is linear and has no state. Columns that only the predicates read are not copied, and what both compute with
// effort is computed once.
type mapOp struct {
	title string
	// where is nil for no filter.
	where *scalar.Program
	// narrow are the input columns that the projection reads, nil for all in place.
	narrow []int
	// exprs is nil if the output is narrow as it is.
	exprs   *scalar.Program
	rejects []Reject
}

func (o *mapOp) step(in []port) (*row.Batch, error) {
	b := in[0].batch
	if b == nil {
		return nil, nil
	}
	var at []int32
	if o.where != nil {
		var errs []scalar.RowError
		var err error
		at, errs, err = o.where.Select(b)
		if err != nil {
			return nil, err
		}
		if len(errs) > 0 {
			o.rejects = append(o.rejects, rejectRows(o.title, b, errs)...)
		}
		if len(at) == 0 {
			return nil, nil
		}
	}
	if o.narrow != nil {
		b = b.Project(o.narrow)
	}
	if len(at) == b.Len {
		at = nil
	}
	if at != nil {
		b = b.Gather(at)
	}
	if o.exprs == nil {
		return b, nil
	}
	if o.where != nil {
		o.exprs.Passed(at)
	}
	return o.project(b)
}

func (o *mapOp) project(b *row.Batch) (*row.Batch, error) {
	cols, errs, err := o.exprs.Eval(b)
	if err != nil {
		return nil, err
	}
	out := &row.Batch{Cols: cols, Len: b.Len, Weights: b.Weights}
	if len(errs) == 0 {
		return out, nil
	}
	o.rejects = append(o.rejects, rejectRows(o.title, b, errs)...)
	p := port{batch: out}
	return p.without(errs).batch, nil
}

func (o *mapOp) takeRejects() []Reject {
	r := o.rejects
	o.rejects = nil
	return r
}

func (o *mapOp) bytes() int64 { return 0 }

func (*mapOp) persist(*state.Keeper) {}

// unionOp passes on the rows of all its inputs.
type unionOp struct{}

func (unionOp) step(in []port) (*row.Batch, error) {
	var got []*row.Batch
	for i := range in {
		if in[i].rows() > 0 {
			got = append(got, in[i].batch)
		}
	}
	return row.Concat(got), nil
}

func (unionOp) bytes() int64 { return 0 }

func (unionOp) persist(*state.Keeper) {}

// valuesOp brings constant rows in the first tick.
type valuesOp struct{ rows *row.Batch }

func (o *valuesOp) step([]port) (*row.Batch, error) {
	b := o.rows
	o.rows = nil
	return b, nil
}

func (o *valuesOp) bytes() int64 { return 0 }

func (o *valuesOp) persist(k *state.Keeper) {
	given := o.rows == nil
	if k.Bool(&given); given {
		o.rows = nil
	}
}
