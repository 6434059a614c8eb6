package session

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tidemill/tidemill/internal/catalog"
	"github.com/tidemill/tidemill/internal/sql"
)

// createText writes the statement that makes a relation as it is defined now, once it is no longer the one that made it.
func createText(r *catalog.Relation) string {
	var b strings.Builder
	fmt.Fprintf(&b, "CREATE %s %s", strings.ToUpper(string(r.Kind)), sql.Quote(r.Name))
	if !r.Stored() {
		writeOptions(&b, r)
		return b.String() + " AS " + r.Query
	}
	b.WriteString(" (")
	for i, c := range r.Columns {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(sql.Quote(c.Name) + " " + c.Type.String())
		if c.NotNull && !slices.Contains(r.Key, i) {
			b.WriteString(" NOT NULL")
		}
		if i < len(r.Defaults) && r.Defaults[i] != "" {
			b.WriteString(" DEFAULT " + r.Defaults[i])
		}
	}
	if len(r.Key) > 0 {
		b.WriteString(", PRIMARY KEY (" + strings.Join(columnNames(r, r.Key), ", ") + ")")
	}
	if w := r.Watermark; w != nil {
		fmt.Fprintf(&b, ", WATERMARK FOR %s AS %s", sql.Quote(w.Column), w.Expr)
		for i, per := range w.Per {
			b.WriteString([2]string{" PER (", ", "}[min(i, 1)] + sql.Quote(per))
		}
		if len(w.Per) > 0 {
			b.WriteString(")")
		}
	}
	b.WriteString(")")
	writeOptions(&b, r)
	return b.String()
}

func writeOptions(b *strings.Builder, r *catalog.Relation) {
	var options []string
	for k, v := range r.Options {
		switch k {
		case "key":
			v = plainNames(r, r.PartitionKey)
		case "dedupe":
			v = plainNames(r, r.DedupeKey)
		}
		options = append(options, fmt.Sprintf("%s = %s", k, sql.QuoteLiteral(v)))
	}
	if len(options) > 0 {
		slices.Sort(options)
		b.WriteString(" WITH (" + strings.Join(options, ", ") + ")")
	}
}

// plainNames lists columns as options name them.
func plainNames(r *catalog.Relation, at []int) string {
	names := make([]string, len(at))
	for i, p := range at {
		names[i] = r.Columns[p].Name
	}
	return strings.Join(names, ", ")
}

func columnNames(r *catalog.Relation, at []int) []string {
	names := make([]string, len(at))
	for i, p := range at {
		names[i] = sql.Quote(r.Columns[p].Name)
	}
	return names
}
