package pgcatalog

import (
	"hash/fnv"
	"sort"
	"strconv"
	"strings"

	"github.com/tidemill/tidemill/internal/row"
)

// Schema holds the views that stand for pg_catalog's relations and the macros that stand for its functions; InfoSchema holds the views
// that stand for information_schema's; BaseSchema holds the base relations, beside the system relations.
const (
	Schema     = "pgc"
	InfoSchema = "pgi"
	BaseSchema = "tidemill"
)

// Kind is what an Object is.
type Kind uint8

// The kinds. Streams and tables are both tables to a Postgres client.
const (
	Stream Kind = iota
	Table
	View
	MaterializedView
)

// Object is a relation as the catalog describes it.
type Object struct {
	// ID is the relation's number in its database. It is below 1<<29, never 0 and never used again.
	ID      uint32
	Schema  string
	Name    string
	Kind    Kind
	Columns []Column
	// PrimaryKey are the positions in Columns of the key, in the key's order.
	PrimaryKey []int
	Comment    string
	// Definition is the query of a view.
	Definition string
}

// Column is a column of an Object.
type Column struct {
	row.Column
	Comment string
	// Default is the expression of the default, empty if there is none.
	Default string
}

// Catalog says what a database holds. Its methods are called once per scan of a base relation, from any goroutine, and
// return snapshots the caller may keep.
type Catalog interface {
	// Name is the database's name.
	Name() string
	Objects() []Object
	// Databases are the names of all databases that a client can connect to.
	Databases() []string
}

// Relation is a base relation: the views are defined over it.
type Relation struct {
	// Schema is the SQL schema, always BaseSchema.
	Schema string
	Name   string
	// Columns have plain types only.
	Columns row.Schema
	// Rows returns the present rows, all of weight +1.
	Rows func() *row.Batch
}

// MainSchema is the schema of the user's relations, which is on the search path.
const MainSchema = "main"

// Object identifiers of schemas, and where those of relations begin: each relation has four of them.
const (
	mainSchemaOID    = 2200
	pgCatalogOID     = 11
	infoSchemaOID    = 13000
	firstRelationOID = 16384
	firstDatabaseOID = 5
)

// The object identifiers that follow from a relation's.
const (
	relationOID = iota
	indexOID
	constraintOID
	rowTypeOID
	oidsPerRelation
)

func oid(id uint32, which int64) int64 {
	return firstRelationOID + oidsPerRelation*int64(id) + which
}

func schemaOID(name string) int64 {
	switch name {
	case MainSchema:
		return mainSchemaOID
	case "pg_catalog":
		return pgCatalogOID
	case "information_schema":
		return infoSchemaOID
	}
	h := fnv.New32a()
	h.Write([]byte(name))
	return 3_000_000_000 + int64(h.Sum32()&0x3fff_ffff)
}

// Relations are the base relations over a catalog. They have to exist in DuckDB, under their schema and name,
// before the statements of Macros are run.
func Relations(c Catalog) []Relation {
	list := []struct {
		name    string
		columns string
		rows    func(*row.BatchBuilder) int
	}{
		{"pg_base_relation", "oid:l database:t schema:t schema_oid:l name:t kind:t label:t attributes:i comment:t definition:t key_numbers:t key_names:t",
			func(b *row.BatchBuilder) int { return appendObjects(b, c.Name(), c.Objects()) }},
		{"pg_base_column", "relation:l number:i name:t type:l size:i modifier:i not_null:b comment:t default_value:t",
			func(b *row.BatchBuilder) int { return appendColumns(b, c.Objects()) }},
		{"pg_base_schema", "oid:l database:t name:t",
			func(b *row.BatchBuilder) int { return appendSchemas(b, c.Name(), c.Objects()) }},
		{"pg_base_database", "oid:l name:t",
			func(b *row.BatchBuilder) int { return appendDatabases(b, c.Databases()) }},
	}
	out := make([]Relation, len(list))
	for i, l := range list {
		columns := parseColumns(l.columns)
		types := columns.Types()
		out[i] = Relation{Schema: BaseSchema, Name: l.name, Columns: columns, Rows: func() *row.Batch {
			b := row.NewBatchBuilder(types, 16)
			return b.Finish(l.rows(b))
		}}
	}
	return out
}

func parseColumns(spec string) row.Schema {
	var s row.Schema
	for _, f := range strings.Fields(spec) {
		name, code, _ := strings.Cut(f, ":")
		kind := map[string]row.Kind{"l": row.Int64, "i": row.Int32, "t": row.String, "b": row.Bool}[code]
		s = append(s, row.Column{Name: name, Type: row.T(kind)})
	}
	return s
}

// cells appends the values of one row, in the order of the columns.
type cells struct {
	b *row.BatchBuilder
	i int
}

func (c *cells) int(v int64) {
	c.b.Cols[c.i].AppendInt(v)
	c.i++
}

func (c *cells) bool(v bool) {
	c.b.Cols[c.i].AppendBool(v)
	c.i++
}

func (c *cells) text(v string) {
	c.b.Cols[c.i].AppendString(v)
	c.i++
}

// optional appends a text, null if it is empty.
func (c *cells) optional(v string) {
	if v == "" {
		c.b.Cols[c.i].AppendNull()
		c.i++
		return
	}
	c.text(v)
}

func appendObjects(b *row.BatchBuilder, database string, objects []Object) int {
	for i := range objects {
		o := &objects[i]
		kind, label := "r", "stream"
		switch o.Kind {
		case Table:
			label = "table"
		case View:
			kind, label = "v", "view"
		case MaterializedView:
			kind, label = "m", "materialized view"
		}
		var numbers, names []string
		for _, k := range o.PrimaryKey {
			numbers = append(numbers, strconv.Itoa(k+1))
			names = append(names, quoteIdent(o.Columns[k].Name))
		}
		c := cells{b: b}
		c.int(oid(o.ID, relationOID))
		c.text(database)
		c.text(o.Schema)
		c.int(schemaOID(o.Schema))
		c.text(o.Name)
		c.text(kind)
		c.text(label)
		c.int(int64(len(o.Columns)))
		c.optional(o.Comment)
		c.optional(o.Definition)
		c.optional(strings.Join(numbers, ","))
		c.optional(strings.Join(names, ", "))
	}
	return len(objects)
}

func appendColumns(b *row.BatchBuilder, objects []Object) int {
	n := 0
	for i := range objects {
		for j := range objects[i].Columns {
			col := &objects[i].Columns[j]
			t := TypeOf(col.Type)
			c := cells{b: b}
			c.int(oid(objects[i].ID, relationOID))
			c.int(int64(j + 1))
			c.text(col.Name)
			c.int(int64(t.OID))
			c.int(int64(t.Size))
			c.int(int64(t.Modifier))
			c.bool(col.NotNull)
			c.optional(col.Comment)
			c.optional(col.Default)
			n++
		}
	}
	return n
}

func appendSchemas(b *row.BatchBuilder, database string, objects []Object) int {
	names := map[string]bool{MainSchema: true, "pg_catalog": true, "information_schema": true}
	for i := range objects {
		names[objects[i].Schema] = true
	}
	sorted := make([]string, 0, len(names))
	for n := range names {
		sorted = append(sorted, n)
	}
	sort.Strings(sorted)
	for _, n := range sorted {
		c := cells{b: b}
		c.int(schemaOID(n))
		c.text(database)
		c.text(n)
	}
	return len(sorted)
}

func appendDatabases(b *row.BatchBuilder, names []string) int {
	for _, n := range names {
		id := int64(firstDatabaseOID)
		if n != "main" {
			id = schemaOID("database " + n)
		}
		c := cells{b: b}
		c.int(id)
		c.text(n)
	}
	return len(names)
}

// quoteIdent quotes a name where Postgres' quote_ident does.
func quoteIdent(name string) string {
	plain := name != "" && name[0]-'0' >= 10
	for i := range len(name) {
		if c := name[i]; c-'a' >= 26 && c-'0' >= 10 && c != '_' {
			plain = false
		}
	}
	if plain {
		return name
	}
	return `"` + strings.ReplaceAll(name, `"`, `""`) + `"`
}
