package row

// Upgrade returns the rows of a batch of schema from in schema to. Columns are matched by name, without regard to case; those only in from vanish,
// those only in to get their default: defaults[i] is that of to[i], and a missing one is null. Columns whose type has changed are cast; what does not fit becomes null.
func Upgrade(b *Batch, from, to Schema, defaults []Value) *Batch {
	out := &Batch{Cols: make([]Vec, len(to)), Len: b.Len, Weights: b.Weights}
	for i, c := range to {
		at := from.Index(c.Name)
		if at >= 0 {
			out.Cols[i], _ = CastVec(&b.Cols[at], c.Type)
			continue
		}
		v := NullValue(c.Type)
		if i < len(defaults) && defaults[i].Type == c.Type {
			v = defaults[i]
		}
		out.Cols[i] = v.Repeat(b.Len)
	}
	return out
}
