package dataflow

import (
	"slices"

	"github.com/tidemill/tidemill/internal/row"
)

// selection is the rows of a tick that some aggregates are about: those that pass a filter and have no null in some columns.
// Calls with the same filter and columns share it.
type selection struct {
	filter  int   // -1: none
	columns []int // those with nulls in this tick that must have none
	all     bool  // every row; the rest is not set
	at      []int32
	groups  []uint32
	weights []int64
}

// selected returns the rows that a call is about. It is computed once per tick.
func (o *aggregateOp) selected(c *aggregateCall, groups []uint32, b *row.Batch) *selection {
	var columns []int
	for k, a := range c.args {
		if b.Cols[a].Valid != nil && !c.nulls[k] {
			columns = append(columns, a)
		}
	}
	for _, s := range o.selections {
		if s.filter == c.filter && slices.Equal(s.columns, columns) {
			return s
		}
	}
	s := &selection{filter: c.filter, columns: columns}
	o.selections = append(o.selections, s)
	if s.all = c.filter < 0 && columns == nil; s.all {
		return s
	}
	s.choose(b)
	if s.all = len(s.at) == b.Len; s.all {
		return s
	}
	s.groups = make([]uint32, len(s.at))
	for k, i := range s.at {
		s.groups[k] = groups[i]
	}
	if b.Weights != nil {
		s.weights = make([]int64, len(s.at))
		for k, i := range s.at {
			s.weights[k] = b.Weights[i]
		}
	}
	return s
}

func (s *selection) choose(b *row.Batch) {
	var valid []byte
	for _, c := range s.columns {
		valid = row.AndValid(valid, b.Cols[c].Valid, b.Len)
	}
	var pass []byte
	if s.filter >= 0 {
		f := &b.Cols[s.filter]
		pass, valid = f.Data, row.AndValid(valid, f.Valid, b.Len)
	}
	s.at = make([]int32, 0, b.Len)
	for i := range b.Len {
		if (valid == nil || valid[i>>3]&(1<<(i&7)) != 0) && (pass == nil || pass[i] != 0) {
			s.at = append(s.at, int32(i))
		}
	}
}
