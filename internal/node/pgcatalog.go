package node

import (
	"strings"

	"github.com/tidemill/tidemill/internal/catalog"
	"github.com/tidemill/tidemill/internal/pgwire/pgcatalog"
	"github.com/tidemill/tidemill/internal/row"
	"github.com/tidemill/tidemill/internal/session"
)

// postgresView shows a database's relations to pgcatalog.
type postgresView struct{ db *session.Database }

var postgresKinds = map[catalog.Kind]pgcatalog.Kind{catalog.Stream: pgcatalog.Stream, catalog.Table: pgcatalog.Table,
	catalog.View: pgcatalog.View, catalog.MaterializedView: pgcatalog.MaterializedView}

// systemIDs is where the numbers of computed relations begin, above those of any relation.
const systemIDs = 1 << 28

// Name implements pgcatalog.Catalog.
func (p postgresView) Name() string { return p.db.Name() }

// Databases implements pgcatalog.Catalog.
func (p postgresView) Databases() []string { return []string{p.db.Name()} }

// Objects implements pgcatalog.Catalog.
func (p postgresView) Objects() []pgcatalog.Object {
	var out []pgcatalog.Object
	for _, r := range p.db.Relations() {
		o := pgcatalog.Object{ID: uint32(r.ID), Schema: pgcatalog.MainSchema, Name: r.Name, Kind: postgresKinds[r.Kind], Comment: r.Comment, Definition: r.Query}
		if name, is := strings.CutPrefix(r.Name, catalog.SystemSchema+"."); is {
			o.Schema, o.Name = catalog.SystemSchema, name
		}
		if r.Kind == catalog.Table {
			o.PrimaryKey = r.Key
		}
		for i, c := range r.Columns {
			col := pgcatalog.Column{Column: c, Comment: r.ColumnComments[c.Name]}
			if i < len(r.Defaults) {
				col.Default = r.Defaults[i]
			}
			o.Columns = append(o.Columns, col)
		}
		out = append(out, o)
	}
	for i, s := range p.db.SystemRelations() {
		out = append(out, pgcatalog.Object{ID: uint32(systemIDs + i), Schema: catalog.SystemSchema, Name: strings.TrimPrefix(s.Name, catalog.SystemSchema+"."),
			Kind: pgcatalog.View, Columns: plainColumns(s.Columns)})
	}
	return out
}

func plainColumns(s row.Schema) []pgcatalog.Column {
	out := make([]pgcatalog.Column, len(s))
	for i, c := range s {
		out[i].Column = c
	}
	return out
}
