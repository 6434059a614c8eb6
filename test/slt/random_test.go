package slt

import (
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/tidemill/tidemill/internal/row"
	"github.com/tidemill/tidemill/internal/sql"
)

// literal makes a value of a type as SQL text, from a small domain with a few edges.
func literal(rng *rand.Rand, c row.Column) string {
	if !c.NotNull && rng.IntN(9) == 0 {
		return "NULL"
	}
	switch c.Type.Kind {
	case row.Bool:
		return [...]string{"true", "false"}[rng.IntN(2)]
	case row.Int8, row.Int16, row.Int32, row.Int64, row.Int128:
		return fmt.Sprint(rng.IntN(14) - 3)
	case row.Uint8, row.Uint16, row.Uint32, row.Uint64:
		return fmt.Sprint(rng.IntN(12))
	case row.Float32, row.Float64:
		return fmt.Sprintf("%g", float64(rng.IntN(400)-100)/8)
	case row.Decimal:
		return fmt.Sprintf("%d.%02d", rng.IntN(60)-20, rng.IntN(100))
	case row.Blob:
		return [...]string{`'\x00'`, `'ab'`, `'\xFF\x01'`, `''`}[rng.IntN(4)]
	case row.Date:
		return fmt.Sprintf("'2024-0%d-%02d'", 1+rng.IntN(3), 1+rng.IntN(28))
	case row.Time:
		return fmt.Sprintf("'%02d:%02d:00'", rng.IntN(24), rng.IntN(4)*15)
	case row.Timestamp:
		return fmt.Sprintf("'2024-02-%02d %02d:%02d:%02d'", 27+rng.IntN(3), rng.IntN(3), rng.IntN(60), rng.IntN(60))
	case row.TimestampTZ:
		return fmt.Sprintf("'2024-02-%02d %02d:%02d:%02d+00'", 27+rng.IntN(3), rng.IntN(3), rng.IntN(60), rng.IntN(60))
	case row.Interval:
		return [...]string{"'1 day'", "'2 hours'", "'1 month'", "'90 minutes'"}[rng.IntN(4)]
	case row.UUID:
		return fmt.Sprintf("'00000000-0000-0000-0000-00000000000%d'", rng.IntN(8))
	case row.Enum:
		return sql.QuoteLiteral(c.Type.EnumValues()[rng.IntN(len(c.Type.EnumValues()))])
	case row.List, row.Struct, row.Map:
		return nestedLiteral(rng, c.Type)
	case row.JSON:
		return [...]string{`'{"a":1,"b":"x"}'`, `'{"a":2}'`, `'[1,2]'`, `'{"b":"y","c":{"d":[5]}}'`}[rng.IntN(4)]
	}
	return sql.QuoteLiteral([...]string{"a", "b", "c", "d", "north", "south", "Äpfel", "", "a longer text that does not fit in place", "x%y"}[rng.IntN(10)])
}

// nestedLiteral makes a list, struct or map of few parts, so that equal ones come up.
func nestedLiteral(rng *rand.Rand, t row.Type) string {
	var parts []string
	switch t.Kind {
	case row.Struct:
		for _, m := range t.Members() {
			parts = append(parts, sql.QuoteLiteral(m.Name)+": "+literal(rng, row.Column{Type: m.Type}))
		}
		return "{" + strings.Join(parts, ", ") + "}"
	case row.Map:
		seen := map[string]bool{}
		for range rng.IntN(3) {
			if k := literal(rng, row.Column{Type: t.Members()[0].Type, NotNull: true}); !seen[k] {
				seen[k] = true
				parts = append(parts, k+": "+literal(rng, row.Column{Type: t.Members()[1].Type}))
			}
		}
		return "MAP {" + strings.Join(parts, ", ") + "}"
	}
	n := rng.IntN(4)
	if size := t.ArraySize(); size > 0 {
		n = size
	}
	for range n {
		parts = append(parts, literal(rng, row.Column{Type: t.Elem()}))
	}
	return "[" + strings.Join(parts, ", ") + "]"
}

func (r *relation) randomRow(rng *rand.Rand) []string {
	vals := make([]string, len(r.columns))
	for i, c := range r.columns {
		vals[i] = literal(rng, c)
	}
	return vals
}

// model knows which rows a table has, by primary key, so that inserts do not clash.
type model struct {
	r    *relation
	keys map[string][]string // key → the key's literals
	most int                 // rows of a chunk
}

func (m *model) key(vals []string) string {
	var k []string
	for _, c := range m.r.key {
		k = append(k, vals[c])
	}
	return strings.Join(k, "|")
}

func (m *model) where(vals []string) string {
	var terms []string
	for i, c := range m.r.key {
		terms = append(terms, fmt.Sprintf("%s = CAST(%s AS %s)", sql.Quote(m.r.columns[c].Name), vals[i], m.r.columns[c].Type))
	}
	return strings.Join(terms, " AND ")
}

// chunk makes the statements of one chunk for a relation.
func (m *model) chunk(rng *rand.Rand) []string {
	var out []string
	var rows []string
	for range rng.IntN(m.most) {
		vals := m.r.randomRow(rng)
		if len(m.r.key) > 0 {
			k := m.key(vals)
			if m.keys[k] != nil {
				continue
			}
			var lits []string
			for _, c := range m.r.key {
				lits = append(lits, vals[c])
			}
			m.keys[k] = lits
		}
		rows = append(rows, "("+strings.Join(vals, ", ")+")")
	}
	for len(rows) > 0 {
		n := 1 + rng.IntN(len(rows))
		out = append(out, fmt.Sprintf("INSERT INTO %s VALUES %s", sql.Quote(m.r.name), strings.Join(rows[:n], ", ")))
		rows = rows[n:]
	}
	if !m.r.stream {
		out = append(out, m.changes(rng)...)
	}
	return out
}

// changes updates and deletes some rows of a table.
func (m *model) changes(rng *rand.Rand) []string {
	var out []string
	name := sql.Quote(m.r.name)
	if len(m.r.key) == 0 {
		c := m.r.columns[rng.IntN(len(m.r.columns))]
		switch rng.IntN(3) {
		case 0:
			out = append(out, fmt.Sprintf("DELETE FROM %s WHERE %s = CAST(%s AS %s)", name, sql.Quote(c.Name), literal(rng, c), c.Type))
		case 1:
			out = append(out, fmt.Sprintf("UPDATE %s SET %s = CAST(%s AS %s) WHERE %s IS NULL", name, sql.Quote(c.Name), literal(rng, row.Column{Type: c.Type, NotNull: true}), c.Type, sql.Quote(c.Name)))
		}
		return out
	}
	for k, lits := range sorted(m.keys) {
		switch rng.IntN(12) {
		case 0, 1:
			out = append(out, fmt.Sprintf("DELETE FROM %s WHERE %s", name, m.where(lits)))
			delete(m.keys, k)
		case 2, 3:
			var sets []string
			for i, c := range m.r.columns {
				if !m.isKey(i) && rng.IntN(2) == 0 {
					sets = append(sets, fmt.Sprintf("%s = CAST(%s AS %s)", sql.Quote(c.Name), literal(rng, c), c.Type))
				}
			}
			if len(sets) > 0 {
				out = append(out, fmt.Sprintf("UPDATE %s SET %s WHERE %s", name, strings.Join(sets, ", "), m.where(lits)))
			}
		}
	}
	return out
}

func (m *model) isKey(i int) bool {
	for _, k := range m.r.key {
		if k == i {
			return true
		}
	}
	return false
}
