package session

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/tidemill/tidemill/internal/catalog"
	"github.com/tidemill/tidemill/internal/fault"
	"github.com/tidemill/tidemill/internal/row"
	"github.com/tidemill/tidemill/internal/sql"
)

// mergePlan is a MERGE: a SELECT of which WHEN counts for each row, counted from 1, of the row that is there, and of the row that is to be.
type mergePlan struct {
	to        *stored
	whens     []sql.MergeWhen
	query     *selectPlan
	returning *selectPlan
}

// Names of columns that a MERGE adds to the relations it joins.
const (
	mergeWhich  = "tidemill_merge_when"
	mergeTarget = "tidemill_merge_target"
	mergeSource = "tidemill_merge_source"
)

func (db *Database) planMerge(ctx context.Context, whole string, s *sql.Merge, params []row.Type) (*mergePlan, error) {
	to, err := db.writable(whole, s.Target, "merge into")
	if err != nil {
		return nil, err
	}
	if changes := slices.ContainsFunc(s.When, func(w sql.MergeWhen) bool { return w.Action == sql.MergeUpdate || w.Action == sql.MergeDelete }); changes && len(to.def.Key) == 0 {
		return nil, fault.New(fault.InvalidDefinition, "%q has no primary key: MERGE can only insert into it", to.def.Name).At(sql.PositionAt(whole, s.Target.Pos))
	}
	p := &mergePlan{to: to, whens: s.When}
	if p.returning, err = db.planReturning(ctx, whole, to, s.Alias, s.Returning); err != nil {
		return nil, err
	}
	m := merging{def: to.def, stmt: s, target: s.Alias.Name, source: s.SourceAlias.Name}
	if m.target == "" {
		m.target = to.def.Name
	}
	if strings.EqualFold(m.target, m.source) {
		return nil, fault.New(fault.InvalidName, "target and source of the MERGE are both named %q", m.source).WithHint("give one of them an alias").At(sql.PositionAt(whole, s.SourceAlias.Pos))
	}
	with := ""
	if s.With != nil {
		with = s.With.SQL + " "
	}
	probe := with + "SELECT * FROM " + m.sourceText("")
	source, err := db.planSelect(ctx, probe, sql.Text{SQL: probe}, params)
	if err != nil {
		return nil, unpositioned(err, whole, s.Source)
	}
	m.columns = source.columns.Names()
	text, err := m.query(whole)
	if err != nil {
		return nil, err
	}
	if p.query, err = db.planSelect(ctx, with+text, sql.Text{SQL: with + text}, params); err != nil {
		return nil, unpositioned(err, whole, s.Source)
	}
	return p, nil
}

// merging writes the query of a MERGE.
type merging struct {
	def            *catalog.Relation
	stmt           *sql.Merge
	target, source string   // aliases
	columns        []string // of the source
}

// sourceText is the source as a relation, with further columns.
func (m *merging) sourceText(more string) string {
	text := m.stmt.Source.SQL
	inner := ""
	if len(m.stmt.SourceColumns) > 0 {
		names := make([]string, len(m.stmt.SourceColumns))
		for i, c := range m.stmt.SourceColumns {
			names[i] = sql.Quote(c.Name)
		}
		inner = " AS " + sql.Quote(m.source) + "(" + strings.Join(names, ", ") + ")"
	}
	return "(SELECT *" + more + " FROM " + text + inner + ") AS " + sql.Quote(m.source)
}

func (m *merging) query(whole string) (string, error) {
	target, source := sql.Quote(m.target), sql.Quote(m.source)
	there := fmt.Sprintf("%s.%s", target, mergeTarget)
	given := fmt.Sprintf("%s.%s", source, mergeSource)
	holds := map[sql.MergeMatch]string{
		sql.Matched:            there + " IS NOT NULL AND " + given + " IS NOT NULL",
		sql.NotMatchedByTarget: there + " IS NULL",
		sql.NotMatchedBySource: given + " IS NULL",
	}
	var which strings.Builder
	which.WriteString("CASE")
	var matches [3]bool
	values := make([]strings.Builder, len(m.def.Columns))
	for i := range m.stmt.When {
		w := &m.stmt.When[i]
		matches[w.Match] = true
		fmt.Fprintf(&which, " WHEN %s", holds[w.Match])
		if w.And != nil {
			fmt.Fprintf(&which, " AND (%s)", w.And.SQL)
		}
		fmt.Fprintf(&which, " THEN %d", i+1)
		row, err := m.rowOf(whole, w)
		if err != nil {
			return "", err
		}
		for c, e := range row {
			fmt.Fprintf(&values[c], " WHEN %d THEN CAST((%s) AS %s)", i+1, e, m.def.Columns[c].Type)
		}
	}
	cols := []string{which.String() + " ELSE 0 END AS " + mergeWhich}
	for _, c := range m.def.Columns {
		cols = append(cols, target+"."+sql.Quote(c.Name))
	}
	for c := range values {
		e := fmt.Sprintf("CAST(NULL AS %s)", m.def.Columns[c].Type)
		if values[c].Len() > 0 {
			e = "CASE " + mergeWhich + values[c].String() + " END"
		}
		cols = append(cols, e)
	}
	join := "INNER"
	switch {
	case matches[sql.NotMatchedBySource] && matches[sql.NotMatchedByTarget]:
		join = "FULL"
	case matches[sql.NotMatchedBySource]:
		join = "LEFT"
	case matches[sql.NotMatchedByTarget]:
		join = "RIGHT"
	}
	on := ""
	if m.stmt.On != nil {
		on = m.stmt.On.SQL
	}
	for i, u := range m.stmt.Using {
		if i > 0 {
			on += " AND "
		}
		on += target + "." + sql.Quote(u.Name) + " = " + source + "." + sql.Quote(u.Name)
	}
	return fmt.Sprintf("SELECT %s FROM (SELECT *, TRUE AS %s FROM %s) AS %s %s JOIN %s ON (%s) WHERE %s > 0", strings.Join(cols, ", "), mergeTarget,
		sql.Quote(m.def.Name), target, join, m.sourceText(", TRUE AS "+mergeSource), on, mergeWhich), nil
}

// rowOf returns the expressions of the row that a WHEN makes, nil if it makes none.
func (m *merging) rowOf(whole string, w *sql.MergeWhen) ([]string, error) {
	out := make([]string, len(m.def.Columns))
	switch w.Action {
	case sql.MergeUpdate:
		sets, err := assignments(m.def, w.Set)
		if err != nil {
			return nil, positionedAt(err, whole, w.Pos)
		}
		for c, col := range m.def.Columns {
			e, set := sets[c]
			switch {
			case set:
				out[c] = e
			case len(w.Set) == 0 && m.has(col.Name):
				out[c] = sql.Quote(m.source) + "." + sql.Quote(col.Name)
			default:
				out[c] = sql.Quote(m.target) + "." + sql.Quote(col.Name)
			}
		}
		return out, nil
	case sql.MergeInsert:
		for c := range out {
			out[c] = defaultText(m.def, c)
		}
		return out, m.inserted(whole, w, out)
	}
	return nil, nil
}

func (m *merging) has(column string) bool {
	return slices.ContainsFunc(m.columns, func(c string) bool { return strings.EqualFold(c, column) })
}

// inserted puts the values of an INSERT into the place of their columns.
func (m *merging) inserted(whole string, w *sql.MergeWhen, out []string) error {
	if w.DefaultValues {
		return nil
	}
	if w.ByName {
		for c, col := range m.def.Columns {
			if m.has(col.Name) {
				out[c] = sql.Quote(m.source) + "." + sql.Quote(col.Name)
			}
		}
		return nil
	}
	at, err := targetColumns(m.def, whole, w.Columns)
	if err != nil {
		return err
	}
	n := len(w.Values)
	if n == 0 {
		n = len(m.columns)
	}
	if n > len(at) {
		return fault.New(fault.SyntaxError, "INSERT has %d values for %d columns", n, len(at)).At(sql.PositionAt(whole, w.Pos))
	}
	for i := range n {
		switch {
		case len(w.Values) == 0:
			out[at[i]] = sql.Quote(m.source) + "." + sql.Quote(m.columns[i])
		case !w.Values[i].IsDefault():
			out[at[i]] = w.Values[i].SQL
		}
	}
	return nil
}

// cardinalityViolation is the code for a row that a statement would change twice, raised that of an error that the statement asks for.
const (
	cardinalityViolation fault.Code = "21000"
	raised               fault.Code = "P0001"
)

// merge runs a MERGE.
func (s *Session) merge(ctx context.Context, p *mergePlan, args []row.Value) (*Result, error) {
	return s.exclusively(ctx, p.to, func() (*Result, error) {
		res, err := s.db.runSelect(ctx, p.query, args, s.pending)
		if err != nil {
			return nil, err
		}
		b, err := collect(ctx, res)
		if err != nil {
			return nil, err
		}
		r := p.to.def
		width := len(r.Columns)
		var gone, come, shown []int32 // rows of b: whose old row goes, whose new row comes, whose old row is returned
		for i := range b.Len {
			w := p.whens[b.Cols[0].Value(i).I-1]
			switch w.Action {
			case sql.MergeError:
				message := w.Message
				if message == "" {
					message = "a row of the MERGE has come to THEN ERROR"
				}
				return nil, fault.New(raised, "%s", message)
			case sql.MergeUpdate:
				gone, come = append(gone, int32(i)), append(come, int32(i))
			case sql.MergeInsert:
				come = append(come, int32(i))
			case sql.MergeDelete:
				gone, shown = append(gone, int32(i)), append(shown, int32(i))
			}
		}
		typed := func(from int, at []int32) *row.Batch {
			out := b.Project(rangeOf(from, from+width)).Gather(at)
			for c := range out.Cols {
				out.Cols[c].Type = r.Columns[c].Type
			}
			return out
		}
		old, now := typed(1, gone), typed(1+width, come)
		if err := s.checkMerged(r, old, now, s.pendingRows(p.to)); err != nil {
			return nil, err
		}
		ops := row.Concat([]*row.Batch{weighted(old, -1), weighted(now, 1)})
		rows := row.Concat([]*row.Batch{now, typed(1, shown)})
		return s.writeReturning(ctx, []write{{to: p.to, rows: ops}}, fmt.Sprintf("MERGE %d", len(come)+len(shown)), p.returning, rows)
	})
}

// checkMerged refuses a MERGE that changes a row twice, or makes two of a primary key.
func (s *Session) checkMerged(r *catalog.Relation, old, now, pending *row.Batch) error {
	for c := range now.Cols {
		if r.Columns[c].NotNull && now.Cols[c].Nulls() > 0 {
			return fault.New(fault.NotNullViolation, "column %q of table %q must not be null", r.Columns[c].Name, r.Name)
		}
	}
	if len(r.Key) == 0 {
		return nil
	}
	changed := make(map[string]bool, old.Len)
	for i := range old.Len {
		k := keyOfRow(r, old, i)
		if changed[k] {
			f := duplicateKey(r, old, i)
			d := fault.From(f).Detail
			return fault.New(cardinalityViolation, "MERGE would change a row of %q twice", r.Name).WithDetail("%s", d).WithHint("let at most one row of the source match each row of the target")
		}
		changed[k] = true
	}
	return s.db.checkMoved(r, old, now, pending)
}
