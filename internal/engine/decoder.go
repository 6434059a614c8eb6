package engine

import (
	"fmt"

	"github.com/tidemill/tidemill/internal/catalog"
	"github.com/tidemill/tidemill/internal/record"
	"github.com/tidemill/tidemill/internal/row"
)

// decoder reads the records of a stream or table as rows of the last version of its schema, whichever version they were written with. It is
// immutable.
type decoder struct {
	rel    *catalog.Relation
	codecs []*row.Codec      // by version
	later  []*row.Conversion // by version, to the last one
}

func newDecoder(rel *catalog.Relation) (*decoder, error) {
	d := &decoder{rel: rel}
	for v, s := range rel.Versions {
		c, err := row.NewCodec(s)
		if err != nil {
			return nil, fmt.Errorf("preparing to read %s: %w", rel.Name, err)
		}
		later, err := rel.Conversion(v)
		if err != nil {
			return nil, fmt.Errorf("preparing to read %s: %w", rel.Name, err)
		}
		d.codecs, d.later = append(d.codecs, c), append(d.later, later)
	}
	return d, nil
}

// version is that of the rows that decode returns.
func (d *decoder) version() int { return len(d.codecs) - 1 }

func (d *decoder) decode(h record.Header, body []byte) (*row.Batch, error) {
	if int(h.Schema) >= len(d.codecs) {
		return nil, fmt.Errorf("%w: schema version %d of %s is not known", record.ErrMalformed, h.Schema, d.rel.Name)
	}
	b, err := d.codecs[h.Schema].Decode(body)
	if err != nil {
		return nil, err
	}
	return d.upgrade(b, int(h.Schema)), nil
}

// upgrade returns rows of a version as those of the last one.
func (d *decoder) upgrade(b *row.Batch, version int) *row.Batch {
	if version == d.version() {
		return b
	}
	return d.later[version].Apply(b)
}

// shape leads from a relation's columns as they are to the ones that a graph was compiled for.
type shape struct {
	types []row.Type // of the columns that the graph knows
	at    []int      // where they are; -1 if the column is gone, which only happens to columns that the graph does not read
}

// shapeOf is the shape of a relation that has not changed since the graph was compiled.
func shapeOf(columns row.Schema) *shape {
	s := &shape{types: columns.Types(), at: make([]int, len(columns))}
	for i := range s.at {
		s.at[i] = i
	}
	return s
}

// after returns the shape once the relation was altered.
func (s *shape) after(c *row.Conversion) *shape {
	now := make([]int, 0, len(c.To))
	for to, from := range c.From {
		for len(now) <= from {
			now = append(now, -1)
		}
		if from >= 0 {
			now[from] = to
		}
	}
	out := &shape{types: s.types, at: make([]int, len(s.at))}
	for i, p := range s.at {
		out.at[i] = -1
		if p >= 0 && p < len(now) && now[p] >= 0 && c.To[now[p]].Type == s.types[i] {
			out.at[i] = now[p]
		}
	}
	return out
}

// of returns rows of the relation as the graph knows them.
func (s *shape) of(b *row.Batch) *row.Batch {
	out := &row.Batch{Cols: make([]row.Vec, len(s.at)), Len: b.Len, Weights: b.Weights}
	for i, p := range s.at {
		if p < 0 {
			out.Cols[i] = row.NullVec(s.types[i], b.Len)
		} else {
			out.Cols[i] = b.Cols[p]
		}
	}
	return out
}
