package dataflow

import (
	"github.com/tidemill/tidemill/internal/plan"
	"github.com/tidemill/tidemill/internal/row"
)

// sortOrder is the order of an aggregate's rows: by columns of its arguments, each ascending or descending. Ties are broken by the other
// columns, ascending, so that the order depends on the rows alone.
type sortOrder struct {
	columns []int
	keys    []plan.SortKey // of the first columns; the others are ascending with nulls last
}

// append appends the sort key of row i, whose bytes sort as the rows do.
func (o *sortOrder) append(dst []byte, cols []row.Vec, i int) []byte {
	const nullFirst, nullLast = 0x00, 0x03 // values begin with 0x01
	for k, c := range o.columns {
		start := len(dst)
		v := &cols[c]
		switch {
		case k >= len(o.keys):
			dst = row.AppendKey(dst, v, i)
		case v.Null(i) && o.keys[k].NullsFirst:
			dst = append(dst, nullFirst)
		case v.Null(i):
			dst = append(dst, nullLast)
		default:
			dst = row.AppendKey(dst, v, i)
			if o.keys[k].Descending {
				for j := start + 1; j < len(dst); j++ {
					dst[j] = ^dst[j]
				}
			}
		}
	}
	return dst
}
