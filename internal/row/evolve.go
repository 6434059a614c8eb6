package row

// Conversion leads from the rows of one version of a schema to those of a later one.
type Conversion struct {
	// To is the later schema.
	To Schema
	// From has, per column of To, its position in the earlier schema, or -1 for a column that is new.
	From []int
	// Fill has, per column of To, the value that earlier rows have in it if it is new. A missing one is null.
	Fill []Value
}

// Apply returns the rows of a batch of the earlier schema in the later one. Columns whose type has changed are cast; what does not fit becomes
// null. Columns that have not changed are shared.
func (c *Conversion) Apply(b *Batch) *Batch {
	out := &Batch{Cols: make([]Vec, len(c.To)), Len: b.Len, Weights: b.Weights}
	for i, col := range c.To {
		if at := c.From[i]; at >= 0 {
			out.Cols[i], _ = CastVec(&b.Cols[at], col.Type)
			continue
		}
		v := NullValue(col.Type)
		if i < len(c.Fill) && c.Fill[i].Type == col.Type {
			v = c.Fill[i]
		}
		out.Cols[i] = v.Repeat(b.Len)
	}
	return out
}
