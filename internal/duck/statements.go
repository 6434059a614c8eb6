package duck

import (
	"strconv"
	"strings"

	capi "github.com/duckdb/duckdb-go-bindings"

	"github.com/tidemill/tidemill/internal/row"
)

// cachedStatements bounds the prepared statements a connection keeps, cachedStatementBytes the text of each.
const (
	cachedStatements     = 32
	cachedStatementBytes = 16 << 10
)

// selectStmt is a prepared SELECT whose columns all arrive as values of our types.
type selectStmt struct {
	*stmt
	sql    string
	shift  int // bytes of SQL before the user's
	schema row.Schema
	cached bool
}

// statements are the most recently used prepared statements of a connection.
type statements struct {
	generation uint64
	list       []*selectStmt // oldest first
}

func (c *statements) use(generation uint64) {
	if c.generation != generation {
		c.clear()
		c.generation = generation
	}
}

func (c *statements) clear() {
	for _, s := range c.list {
		s.close()
	}
	c.list = nil
}

func (c *statements) get(sql string) *selectStmt {
	for i, s := range c.list {
		if s.sql == sql {
			c.list = append(append(c.list[:i], c.list[i+1:]...), s)
			return s
		}
	}
	return nil
}

func (c *statements) put(s *selectStmt) {
	if s.cached || len(s.sql) > cachedStatementBytes {
		return
	}
	if len(c.list) >= cachedStatements {
		c.list[0].close()
		c.list = append(c.list[:0], c.list[1:]...)
	}
	s.cached = true
	c.list = append(c.list, s)
}

// remove takes a statement out of the cache and frees it.
func (c *statements) remove(s *selectStmt) {
	for i, other := range c.list {
		if other == s {
			c.list = append(c.list[:i], c.list[i+1:]...)
			break
		}
	}
	s.close()
}

// newSelect prepares sql so that every column arrives as a value of our types: where one would not, it selects
// from sql, casting those columns.
func newSelect(c *conn, sql string) (*selectStmt, error) {
	s, err := prepareSelect(c, sql)
	if err != nil {
		return nil, err
	}
	out := &selectStmt{stmt: s, sql: sql, schema: s.columns()}
	native := true
	for i := range out.schema {
		lt := capi.PreparedStatementColumnLogicalType(s.s, capi.IdxT(i))
		native = native && (lt.Ptr == nil || capi.GetTypeId(lt) == capi.TypeInvalid || arrivesAs(lt))
		capi.DestroyLogicalType(&lt)
	}
	if native {
		return out, nil
	}
	s.close()
	return wrapSelect(c, sql, out.schema)
}

// wrapSelect prepares a SELECT from sql that casts each column to how it has to arrive.
func wrapSelect(c *conn, sql string, schema row.Schema) (*selectStmt, error) {
	s, shift, err := prepareWrapped(c, sql, schema, columnExpr)
	if err != nil {
		// Some types have no JSON form; their text form will do.
		s, shift, err = prepareWrapped(c, sql, schema, func(col string, t row.Type) string { return "CAST(" + col + " AS VARCHAR)" })
	}
	if err != nil {
		return nil, err
	}
	return &selectStmt{stmt: s, sql: sql, shift: shift, schema: schema}, nil
}

func prepareWrapped(c *conn, sql string, schema row.Schema, other func(col string, t row.Type) string) (*stmt, int, error) {
	var list, names strings.Builder
	for i, col := range schema {
		if i > 0 {
			list.WriteString(", ")
			names.WriteString(", ")
		}
		name := quoteIdent("c" + strconv.Itoa(i))
		names.WriteString(name)
		switch col.Type.Kind {
		case row.Other:
			list.WriteString(other(name, col.Type))
		case row.JSON, row.Invalid:
			list.WriteString(name)
		default:
			list.WriteString(columnExpr(name, col.Type))
		}
	}
	prefix := "SELECT " + list.String() + " FROM ("
	s, err := c.prepare(prefix, trimStatement(sql), "\n) AS q("+names.String()+")")
	return s, len(prefix), err
}

// trimStatement cuts off semicolons and comments at the end of a statement.
func trimStatement(sql string) string {
	end, lex := 0, lexer{s: sql}
	for t, ok := lex.next(); ok; t, ok = lex.next() {
		if !t.punct(';') {
			end = lex.at
		}
	}
	return sql[:end]
}
