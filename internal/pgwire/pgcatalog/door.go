package pgcatalog

import (
	"context"
	"fmt"
	"strings"

	"github.com/tidemill/tidemill/internal/duck"
	"github.com/tidemill/tidemill/internal/row"
)

// Door answers rewritten queries. It is safe for concurrent use.
type Door struct {
	reader *duck.Reader
	base   map[string]Relation
}

// Open makes a door to a catalog.
func Open(c Catalog) (*Door, error) {
	r, err := duck.OpenReader(duck.ReaderOptions{Threads: 1})
	if err != nil {
		return nil, err
	}
	d := &Door{reader: r, base: map[string]Relation{}}
	if err := d.setUp(c); err != nil {
		return nil, fmt.Errorf("setting up the catalog of Postgres: %w", err)
	}
	return d, nil
}

func (d *Door) setUp(c Catalog) error {
	if err := d.reader.Exec(Schemas()...); err != nil {
		return err
	}
	for _, rel := range Relations(c) {
		name := rel.Schema + "." + rel.Name
		d.base[strings.ToLower(name)] = rel
		if err := d.reader.DefineTable(name, rel.Columns); err != nil {
			return err
		}
	}
	return d.reader.Exec(Macros()...)
}

// Owns reports whether a text is a query for this door.
func (d *Door) Owns(text string) bool { return IsCatalogQuery(text) }

// Describe returns the columns of a query.
func (d *Door) Describe(ctx context.Context, text string) (row.Schema, error) {
	return d.reader.Describe(ctx, text)
}

// Query runs a query.
func (d *Door) Query(ctx context.Context, text string, args []row.Value) (*duck.Rows, error) {
	return d.reader.Query(ctx, text, args, d)
}

// Scan implements duck.Sources.
func (d *Door) Scan(relation string, columns []int) (duck.Iterator, error) {
	rel, ok := d.base[relation]
	if !ok {
		return nil, fmt.Errorf("there is no relation %s", relation)
	}
	b := rel.Rows()
	out := &row.Batch{Cols: make([]row.Vec, len(columns)), Len: b.Len}
	for i, c := range columns {
		if c < 0 {
			out.Cols[i] = row.FromValues(row.T(row.Int64), make([]int64, b.Len), nil)
		} else {
			out.Cols[i] = b.Cols[c]
		}
	}
	return &once{out}, nil
}

// Close frees the door.
func (d *Door) Close() error { return d.reader.Close() }

type once struct{ b *row.Batch }

// Next implements duck.Iterator.
func (o *once) Next() (*row.Batch, error) {
	b := o.b
	o.b = nil
	return b, nil
}

// Close implements duck.Iterator.
func (o *once) Close() {}
