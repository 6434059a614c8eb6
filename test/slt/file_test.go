package slt

import (
	"fmt"
	"os"
	"regexp"
	"strings"

	"github.com/tidemill/tidemill/internal/row"
	"github.com/tidemill/tidemill/internal/sql"
)

// testFile is a file of testdata.
type testFile struct {
	name      string
	types     []string // CREATE TYPE statements
	relations []relation
	rows      []string  // statements
	views     []labView // that queries read
	queries   []string
	// mayErr allows DuckDB to fail over some rows: then there is nothing to compare. chunkRows bounds the rows of a chunk; 0 is 25.
	mayErr    bool
	chunkRows int
}

// relation is a stream or table of a test file.
type relation struct {
	name    string
	create  string
	stream  bool
	columns row.Schema
	key     []int
}

var divider = regexp.MustCompile(`(?m)^-{4,}\s*$`)

func readFile(path string) (*testFile, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	parts := divider.Split(string(text), -1)
	if len(parts) < 2 || len(parts) > 3 {
		return nil, fmt.Errorf("%s: %d parts, want schema, rows (optional) and queries", path, len(parts))
	}
	f := &testFile{name: path}
	types := map[string]row.Type{}
	named := func(name string) (row.Type, bool) {
		t, ok := types[strings.ToLower(name)]
		return t, ok
	}
	for _, stmt := range statements(parts[0]) {
		if parsed, _ := sql.Parse(stmt); parsed != nil {
			if s, ok := parsed.(*sql.CreateType); ok {
				f.types = append(f.types, stmt)
				types[strings.ToLower(s.Name.Name)], _ = row.ParseTypeNamed(s.Type.SQL, named)
				continue
			}
		}
		r, err := readRelation(stmt, named)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		f.relations = append(f.relations, r)
	}
	if len(parts) == 3 {
		f.rows = statements(parts[1])
	}
	f.queries = statements(parts[len(parts)-1])
	return f, nil
}

func statements(text string) []string {
	frags, err := sql.Split(text)
	if err != nil {
		panic(err)
	}
	var out []string
	for _, f := range frags {
		if s := strings.TrimSpace(f.Text); s != "" && !onlyComments(s) {
			out = append(out, s)
		}
	}
	return out
}

func onlyComments(s string) bool {
	for line := range strings.Lines(s) {
		if t := strings.TrimSpace(line); t != "" && !strings.HasPrefix(t, "--") {
			return false
		}
	}
	return true
}

func readRelation(stmt string, named func(string) (row.Type, bool)) (relation, error) {
	parsed, err := sql.Parse(stmt)
	if err != nil {
		return relation{}, err
	}
	r := relation{create: stmt}
	var defs []sql.ColumnDef
	switch s := parsed.(type) {
	case *sql.CreateStream:
		r.name, r.stream, defs = s.Name.Name, true, s.Columns
	case *sql.CreateTable:
		r.name, defs = s.Name.Name, s.Columns
		for _, k := range s.PrimaryKey {
			for i, d := range defs {
				if strings.EqualFold(d.Name, k.Name) {
					r.key = append(r.key, i)
				}
			}
		}
	default:
		return r, fmt.Errorf("%q is neither CREATE STREAM nor CREATE TABLE", stmt)
	}
	for i, d := range defs {
		t, ok := row.ParseTypeNamed(d.Type.SQL, named)
		if !ok {
			return r, fmt.Errorf("column %s has type %s", d.Name, d.Type.SQL)
		}
		notNull := d.NotNull
		for _, k := range r.key {
			notNull = notNull || k == i
		}
		r.columns = append(r.columns, row.Column{Name: d.Name, Type: t, NotNull: notNull})
	}
	return r, nil
}

// oracleCreate is the relation as a plain table.
func (r *relation) oracleCreate() string {
	cols := make([]string, len(r.columns))
	for i, c := range r.columns {
		cols[i] = sql.Quote(c.Name) + " " + c.Type.String()
	}
	return fmt.Sprintf("CREATE TABLE %s (%s)", sql.Quote(r.name), strings.Join(cols, ", "))
}
