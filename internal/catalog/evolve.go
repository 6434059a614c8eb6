package catalog

import (
	"fmt"

	"github.com/tidemill/tidemill/internal/row"
)

// Alteration is how a version of a relation's schema came from the one before.
type Alteration struct {
	// From has, per column, its position in the version before, or -1 for a column that is new.
	From []int
	// Fill has, per column, the text of the value that rows written before have in it if it is new; nil is null.
	Fill []*string `json:",omitempty"`
}

// ColumnID numbers a column of the relation as it is now; the column keeps its number through alterations.
func (r *Relation) ColumnID(column int) int {
	for v := len(r.Alterations); v > 0; v-- {
		from := r.Alterations[v-1].From
		if column >= len(from) || from[column] < 0 {
			return v<<16 | column
		}
		column = from[column]
	}
	return column
}

// Conversion leads from the rows of a version of the relation's schema to those of the last one. Columns are followed through the
// alterations in between, not by their names: a column that was dropped and added again is another one.
func (r *Relation) Conversion(version int) (*row.Conversion, error) {
	last := len(r.Versions) - 1
	if version < 0 || version > last || len(r.Alterations) != last {
		return nil, fmt.Errorf("version %d of %s is not one of its %d, with %d alterations", version, r.Name, last+1, len(r.Alterations))
	}
	c := &row.Conversion{To: r.Columns, From: make([]int, len(r.Columns)), Fill: make([]row.Value, len(r.Columns))}
	for i, col := range r.Columns {
		at := i
		for v := last; v > version && at >= 0; v-- {
			a := r.Alterations[v-1]
			if at >= len(a.From) || len(a.From) != len(r.Versions[v]) || a.From[at] >= len(r.Versions[v-1]) {
				return nil, fmt.Errorf("the alteration of %s to version %d does not fit its columns", r.Name, v)
			}
			if a.From[at] < 0 && at < len(a.Fill) && a.Fill[at] != nil {
				value, err := row.ParseValue(r.Versions[v][at].Type, *a.Fill[at])
				if err != nil {
					return nil, fmt.Errorf("the value of column %s of %s before version %d: %w", col.Name, r.Name, v, err)
				}
				one := value.Repeat(1)
				widened, _ := row.CastVec(&one, col.Type)
				c.Fill[i] = widened.Value(0)
			}
			at = a.From[at]
		}
		c.From[i] = max(at, -1)
	}
	return c, nil
}
