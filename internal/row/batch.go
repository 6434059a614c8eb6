package row

// Batch is a set of columns of one length with a weight per row; see the package's doc.
type Batch struct {
	Cols []Vec
	Len  int
	// Weights has an entry per row, never 0; nil means +1 for every row.
	Weights []int64
}

// Weight returns the weight of row i.
func (b *Batch) Weight(i int) int64 {
	if b.Weights == nil {
		return 1
	}
	return b.Weights[i]
}

// Gather returns the rows at the given positions, in that order.
func (b *Batch) Gather(at []int32) *Batch {
	out := &Batch{Cols: make([]Vec, len(b.Cols)), Len: len(at)}
	for i := range b.Cols {
		out.Cols[i] = b.Cols[i].Gather(at)
	}
	if b.Weights != nil {
		out.Weights = make([]int64, len(at))
		for i, j := range at {
			out.Weights[i] = b.Weights[j]
		}
	}
	return out
}

// Slice returns the rows from lo up to hi, sharing memory.
func (b *Batch) Slice(lo, hi int) *Batch {
	if lo == 0 && hi == b.Len {
		return b
	}
	out := &Batch{Cols: make([]Vec, len(b.Cols)), Len: hi - lo}
	for i := range b.Cols {
		out.Cols[i] = b.Cols[i].Slice(lo, hi)
	}
	if b.Weights != nil {
		out.Weights = b.Weights[lo:hi]
	}
	return out
}

// Project returns the batch with only the columns at the given positions, sharing memory.
func (b *Batch) Project(cols []int) *Batch {
	out := &Batch{Cols: make([]Vec, len(cols)), Len: b.Len, Weights: b.Weights}
	for i, c := range cols {
		out.Cols[i] = b.Cols[c]
	}
	return out
}

// Size is the number of bytes the batch's values take.
func (b *Batch) Size() int64 {
	n := int64(len(b.Weights) * 8)
	for i := range b.Cols {
		c := &b.Cols[i]
		n += int64(len(c.Valid))
		if c.Offsets != nil {
			n += int64(len(c.Offsets)*4) + int64(c.Offsets[c.Len]-c.Offsets[0])
		} else {
			n += int64(len(c.Data))
		}
	}
	return n
}

// Concat returns the rows of all batches, which must have the same column types, one after the
// other. A single non-empty batch is returned as it is; with no rows at all the result is the first batch,
// or nil without batches.
func Concat(batches []*Batch) *Batch {
	var live []*Batch
	rows, weighted := 0, false
	for _, b := range batches {
		if b != nil && b.Len > 0 {
			live = append(live, b)
			rows += b.Len
			weighted = weighted || b.Weights != nil
		}
	}
	switch {
	case len(live) == 1:
		return live[0]
	case len(live) == 0 && len(batches) == 0:
		return nil
	case len(live) == 0:
		return batches[0]
	}
	out := &Batch{Cols: make([]Vec, len(live[0].Cols)), Len: rows}
	for c := range out.Cols {
		out.Cols[c] = concatColumn(live, c, rows)
	}
	if weighted {
		out.Weights = make([]int64, 0, rows)
		for _, b := range live {
			for i := range b.Len {
				out.Weights = append(out.Weights, b.Weight(i))
			}
		}
	}
	return out
}

func concatColumn(live []*Batch, c, rows int) Vec {
	b := NewBuilder(live[0].Cols[c].Type, rows)
	size := 0
	for _, l := range live {
		if v := &l.Cols[c]; v.Offsets != nil {
			size += int(v.Offsets[v.Len] - v.Offsets[0])
		}
	}
	b.reserveBytes(size)
	for _, l := range live {
		b.AppendVec(&l.Cols[c])
	}
	return b.Finish()
}
