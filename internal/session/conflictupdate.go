package session

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/tidemill/tidemill/internal/catalog"
	"github.com/tidemill/tidemill/internal/fault"
	"github.com/tidemill/tidemill/internal/row"
	"github.com/tidemill/tidemill/internal/sql"
)

// conflictPlan is the bound SET of ON CONFLICT DO UPDATE: a SELECT of the rows that become of those that are there and those that were to be inserted, excluded.
// The latter are parameters: a list per column.
type conflictPlan struct {
	query *selectPlan
	// params are the statement's parameters that the query uses, by their numbers; behind them come the lists.
	params []int
}

// planConflict binds ON CONFLICT DO UPDATE SET; types has what is known of the statement's parameters, and is extended. It is nil for other statements.
func (db *Database) planConflict(ctx context.Context, whole string, s *sql.Insert, to *stored, types *[]row.Type) (*conflictPlan, error) {
	c := s.OnConflict
	if c == nil || c.DoNothing {
		return nil, nil
	}
	at := c.Set[0].Value
	text, lists, err := conflictText(to.def, s)
	if err != nil {
		return nil, positionedAt(err, whole, at.Pos)
	}
	p := &conflictPlan{}
	text, given, err := p.number(text, lists, to.def, *types)
	if err != nil {
		return nil, unpositioned(err, whole, at)
	}
	if p.query, err = db.planSelect(ctx, text, sql.Text{SQL: text}, given); err != nil {
		return nil, unpositioned(err, whole, at)
	}
	for i, n := range p.params {
		for len(*types) < n {
			*types = append(*types, row.Type{})
		}
		if (*types)[n-1].Kind == row.Invalid {
			(*types)[n-1] = p.query.params[i]
		}
	}
	return p, nil
}

// conflictText is the query, with the parameters of the statement and, from number lists on, those of the columns.
func conflictText(r *catalog.Relation, s *sql.Insert) (text string, lists int, err error) {
	sets, err := assignments(r, s.OnConflict.Set)
	if err != nil {
		return "", 0, err
	}
	where := ""
	if s.OnConflict.Where != nil {
		where = " WHERE (" + s.OnConflict.Where.SQL + ")"
	}
	used := where
	for _, e := range sets {
		used += " " + e
	}
	if lists, _, err = sql.Params(used); err != nil {
		return "", 0, err
	}
	lists++
	target := sql.Quote(cmp.Or(s.Alias.Name, r.Name))
	cols, given, on := make([]string, len(r.Columns)), make([]string, len(r.Columns)), make([]string, len(r.Key))
	for i, col := range r.Columns {
		cols[i] = target + "." + sql.Quote(col.Name)
		if e, ok := sets[i]; ok {
			cols[i] = fmt.Sprintf("CAST((%s) AS %s)", e, col.Type)
		}
		given[i] = fmt.Sprintf("CAST(unnest($%d) AS %s) AS %s", lists+i, col.Type, sql.Quote(col.Name))
	}
	for i, k := range r.Key {
		name := sql.Quote(r.Columns[k].Name)
		if _, set := sets[k]; set {
			return "", 0, fault.New(fault.FeatureNotSupported, "ON CONFLICT DO UPDATE cannot change column %s: it is part of the primary key", name).
				WithHint("the row has that key already; UPDATE and MERGE give a row another one")
		}
		on[i] = fmt.Sprintf("%s.%s = excluded.%[2]s", target, name)
	}
	text = fmt.Sprintf("SELECT %s FROM %s AS %s JOIN (SELECT %s) AS excluded ON %s", strings.Join(cols, ", "), sql.Quote(r.Name), target, strings.Join(given, ", "), strings.Join(on, " AND "))
	return text + where, lists, nil
}

// number gives the parameters of a text numbers without gaps, those of the columns the last ones, and returns what is known of their types.
func (p *conflictPlan) number(text string, lists int, r *catalog.Relation, types []row.Type) (string, []row.Type, error) {
	_, found, err := sql.Params(text)
	if err != nil {
		return "", nil, err
	}
	for _, f := range found {
		if f.Number < lists && !slices.Contains(p.params, f.Number) {
			p.params = append(p.params, f.Number)
		}
	}
	slices.Sort(p.params)
	given := make([]row.Type, len(p.params), len(p.params)+len(r.Columns))
	for i, n := range p.params {
		if n <= len(types) {
			given[i] = types[n-1]
		}
	}
	for _, c := range r.Columns {
		given = append(given, row.ListOf(listedAs(c.Type)))
	}
	var b strings.Builder
	end := 0
	for _, f := range found {
		n := len(p.params) + f.Number - lists + 1
		if f.Number < lists {
			n = slices.Index(p.params, f.Number) + 1
		}
		fmt.Fprintf(&b, "%s$%d", text[end:f.Pos], n)
		end = f.End
	}
	return b.String() + text[end:], given, nil
}

// listedAs is the type of a column's values in a list: text, in which all of a plain value is kept.
func listedAs(t row.Type) row.Type {
	if t.Nested() {
		return t
	}
	return row.T(row.String)
}

// updateConflicts returns what becomes of the rows of a table that have the primary keys of excluded.
func (db *Database) updateConflicts(ctx context.Context, r *catalog.Relation, p *conflictPlan, args []row.Value, excluded *row.Batch, block []write) (*row.Batch, error) {
	bound := make([]row.Value, 0, len(p.query.params))
	for _, n := range p.params {
		bound = append(bound, args[n-1])
	}
	for c := range excluded.Cols {
		v := &excluded.Cols[c]
		as := listedAs(r.Columns[c].Type)
		values := make([]row.Value, excluded.Len)
		for i := range values {
			switch {
			case v.Null(i):
				values[i] = row.NullValue(as)
			case as.Kind == row.String:
				values[i] = row.StringValue(string(row.AppendText(nil, v, i)))
			default:
				values[i] = v.Value(i)
			}
		}
		bound = append(bound, row.ListValue(row.ListOf(as), values...))
	}
	res, err := db.runSelect(ctx, p.query, bound, block)
	if err != nil {
		return nil, err
	}
	changed, err := collect(ctx, res)
	if err != nil {
		return nil, err
	}
	return db.complete(ctx, r, rangeOf(0, len(r.Columns)), changed)
}
