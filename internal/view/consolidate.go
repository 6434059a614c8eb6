package view

import "github.com/tidemill/tidemill/internal/row"

// Consolidate merges equal rows by adding up their weights, and drops those whose weights add up to
// 0. Rows stay in the order in which they first appear. A batch without weights, or with nothing to merge or to drop, is
// returned as it is. Weights come back as nil when all are +1.
func Consolidate(b *row.Batch) *row.Batch {
	var c Consolidator
	return c.Consolidate(b)
}

// Consolidator is Consolidate with memory that is used again. It is for one goroutine at a time.
type Consolidator struct {
	hashes  []uint64
	table   []int32 // 1 + the position of a row; 0 is free
	weights []int64
	keep    []int32
}

// Consolidate is the function of the same name.
func (c *Consolidator) Consolidate(b *row.Batch) *row.Batch {
	if b == nil || b.Weights == nil {
		return b
	}
	n := b.Len
	c.hashes = resize(c.hashes, n)
	row.Hash(b.Cols, c.hashes)
	c.table = resize(c.table, pow2(2*n))
	clear(c.table)
	c.weights = append(c.weights[:0], b.Weights[:n]...)
	c.merge(b)

	c.keep = c.keep[:0]
	ones := true
	for i, w := range c.weights {
		if w != 0 {
			c.keep = append(c.keep, int32(i))
			ones = ones && w == 1
		}
	}
	out := b
	if len(c.keep) < n {
		out = (&row.Batch{Cols: b.Cols, Len: n}).Gather(c.keep)
		if !ones {
			out.Weights = make([]int64, len(c.keep))
			for k, i := range c.keep {
				out.Weights[k] = c.weights[i]
			}
		}
	} else if ones {
		out = &row.Batch{Cols: b.Cols, Len: n}
	}
	return out
}

// merge adds the weight of each row to that of the first row equal to it.
func (c *Consolidator) merge(b *row.Batch) {
	mask := uint64(len(c.table) - 1)
	for i, h := range c.hashes {
		for at := h & mask; ; at = (at + 1) & mask {
			first := int(c.table[at]) - 1
			if first < 0 {
				c.table[at] = int32(i + 1)
				break
			}
			if c.hashes[first] == h && row.EqualRows(b.Cols, first, b.Cols, i) {
				c.weights[first] += c.weights[i]
				c.weights[i] = 0
				break
			}
		}
	}
}
