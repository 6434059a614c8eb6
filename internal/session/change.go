package session

import (
	"context"
	"fmt"
	"strings"

	"github.com/tidemill/tidemill/internal/catalog"
	"github.com/tidemill/tidemill/internal/fault"
	"github.com/tidemill/tidemill/internal/row"
	"github.com/tidemill/tidemill/internal/sql"
	"github.com/tidemill/tidemill/internal/token"
)

// assignments returns the expression per column of a SET list.
func assignments(r *catalog.Relation, set []sql.Assignment) (map[int]string, error) {
	out := map[int]string{}
	for _, a := range set {
		for i, id := range a.Columns {
			at := r.Columns.Index(id.Name)
			if at < 0 {
				return nil, fault.New(fault.UndefinedColumn, "%s %q has no column %q", r.Kind, r.Name, id.Name)
			}
			if _, twice := out[at]; twice {
				return nil, fault.New(fault.DuplicateColumn, "column %q is set twice", id.Name)
			}
			switch {
			case a.Value.IsDefault():
				out[at] = defaultText(r, at)
			case len(a.Columns) == 1:
				out[at] = a.Value.SQL
			default:
				out[at] = fmt.Sprintf("(ROW%s)[%d]", rowText(a.Value.SQL), i+1)
			}
		}
	}
	return out, nil
}

// rowText returns the parenthesised list of (a, b) or ROW(a, b).
func rowText(s string) string {
	s = strings.TrimSpace(s)
	if len(s) > 3 && strings.EqualFold(s[:3], "row") {
		s = strings.TrimSpace(s[3:])
	}
	return s
}

// changePlan is an UPDATE or DELETE: a SELECT of the rows to write.
type changePlan struct {
	to     *stored
	query  *selectPlan
	delete bool
	// returning is the list behind RETURNING, nil without.
	returning *selectPlan
	moved     bool // an UPDATE that sets a column of the primary key: the query yields the old row, then the new one
}

func (db *Database) planUpdate(ctx context.Context, whole string, s *sql.Update, params []row.Type) (*changePlan, error) {
	to, err := db.writable(whole, s.Target, "update")
	if err != nil {
		return nil, err
	}
	r := to.def
	sets, err := assignments(r, s.Set)
	if err != nil {
		return nil, err
	}
	p := &changePlan{to: to, moved: len(r.Key) == 0}
	if p.returning, err = db.planReturning(ctx, whole, to, s.Alias, s.Returning); err != nil {
		return nil, err
	}
	for _, k := range r.Key {
		if _, is := sets[k]; is {
			p.moved = true
		}
	}
	alias := s.Alias.Name
	if alias == "" {
		alias = r.Name
	}
	var cols []string
	if p.moved {
		for _, c := range r.Columns {
			cols = append(cols, sql.Quote(alias)+"."+sql.Quote(c.Name))
		}
	}
	for i, c := range r.Columns {
		if e, ok := sets[i]; ok {
			cols = append(cols, fmt.Sprintf("CAST((%s) AS %s)", e, c.Type))
		} else {
			cols = append(cols, sql.Quote(alias)+"."+sql.Quote(c.Name))
		}
	}
	return p, db.planChange(ctx, whole, p, cols, alias, s.With, s.From, s.Where, params)
}

func (db *Database) planDelete(ctx context.Context, whole string, s *sql.Delete, params []row.Type) (*changePlan, error) {
	to, err := db.writable(whole, s.Target, "delete from")
	if err != nil {
		return nil, err
	}
	alias := s.Alias.Name
	if alias == "" {
		alias = to.def.Name
	}
	var cols []string
	for _, c := range to.def.Columns {
		cols = append(cols, sql.Quote(alias)+"."+sql.Quote(c.Name))
	}
	p := &changePlan{to: to, delete: true}
	if p.returning, err = db.planReturning(ctx, whole, to, s.Alias, s.Returning); err != nil {
		return nil, err
	}
	return p, db.planChange(ctx, whole, p, cols, alias, s.With, s.Using, s.Where, params)
}

func (db *Database) planChange(ctx context.Context, whole string, p *changePlan, cols []string, alias string, with, from, where *sql.Text, params []row.Type) error {
	var b strings.Builder
	if with != nil {
		b.WriteString(with.SQL + " ")
	}
	b.WriteString("SELECT " + strings.Join(cols, ", ") + " FROM " + sql.Quote(p.to.def.Name) + " AS " + sql.Quote(alias))
	if from != nil {
		b.WriteString(", " + from.SQL)
	}
	pos := 0
	if where != nil {
		b.WriteString(" WHERE ")
		pos = where.Pos - b.Len()
		b.WriteString(where.SQL)
	}
	var err error
	p.query, err = db.planSelect(ctx, whole, sql.Text{SQL: b.String(), Pos: pos}, params)
	return err
}

// change runs an UPDATE or DELETE.
func (s *Session) change(ctx context.Context, p *changePlan, args []row.Value) (*Result, error) {
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
		rows := b.Project(rangeOf(0, width))
		verb, ops := "UPDATE", rows
		switch {
		case p.delete:
			verb, ops = "DELETE", weighted(rows, -1)
		case p.moved:
			rows = b.Project(rangeOf(width, 2*width))
			ops = row.Concat([]*row.Batch{weighted(b.Project(rangeOf(0, width)), -1), weighted(rows, 1)})
		}
		for c := range rows.Cols {
			if !p.delete && r.Columns[c].NotNull && rows.Cols[c].Nulls() > 0 {
				return nil, fault.New(fault.NotNullViolation, "column %q of table %q must not be null", r.Columns[c].Name, r.Name)
			}
		}
		if p.moved && len(r.Key) > 0 {
			if err := s.db.checkMoved(r, b.Project(rangeOf(0, width)), rows, s.pendingRows(p.to)); err != nil {
				return nil, err
			}
		}
		for c := range ops.Cols {
			ops.Cols[c].Type = r.Columns[c].Type
			rows.Cols[c].Type = r.Columns[c].Type
		}
		return s.writeReturning(ctx, []write{{to: p.to, rows: ops}}, fmt.Sprintf("%s %d", verb, b.Len), p.returning, rows)
	})
}

// checkMoved refuses an UPDATE of the primary key that would run into another row.
func (db *Database) checkMoved(r *catalog.Relation, old, now, pending *row.Batch) error {
	written := writtenKeys(r, pending)
	leaving, arriving := map[string]bool{}, map[string]bool{}
	for i := range old.Len {
		leaving[keyOfRow(r, old, i)] = true
	}
	there, err := db.existing(r, now.Project(r.Key).Cols, 0)
	if err != nil {
		return err
	}
	for i := range now.Len {
		k := keyOfRow(r, now, i)
		exists := there[i]
		if now, is := written[k]; is {
			exists = now
		}
		if arriving[k] || (exists && !leaving[k]) {
			return duplicateKey(r, now, i)
		}
		arriving[k] = true
	}
	return nil
}

func rangeOf(lo, hi int) []int {
	out := make([]int, 0, hi-lo)
	for i := lo; i < hi; i++ {
		out = append(out, i)
	}
	return out
}

func weighted(b *row.Batch, w int64) *row.Batch {
	out := &row.Batch{Cols: b.Cols, Len: b.Len, Weights: make([]int64, b.Len)}
	for i := range out.Weights {
		out.Weights[i] = w
	}
	return out
}

// exclusively runs f while this session alone may write the table, and sees all earlier writes to it.
func (s *Session) exclusively(ctx context.Context, to *stored, f func() (*Result, error)) (*Result, error) {
	if err := to.acquire(ctx); err != nil {
		return nil, userError(err)
	}
	defer to.release()
	if s.db.storedOf(to.def) != to {
		return nil, errAltered
	}
	if err := s.awaitOwn(ctx); err != nil {
		return nil, err
	}
	last := to.lastWrite()
	if last > 0 {
		if err := s.db.awaitPositions(ctx, []token.Position{{Relation: to.def.ID, Offset: uint64(last)}}); err != nil {
			return nil, err
		}
	}
	if s.tx == TxOpen {
		s.readAt(to, last)
	}
	return f()
}
