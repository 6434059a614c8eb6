package session

import (
	"context"
	"strings"

	"github.com/tidemill/tidemill/internal/duck"
	"github.com/tidemill/tidemill/internal/fault"
	"github.com/tidemill/tidemill/internal/plan"
	"github.com/tidemill/tidemill/internal/row"
	"github.com/tidemill/tidemill/internal/sql"
)

// planReturning binds the list behind RETURNING: a query over the target, which will be given the rows that the statement wrote. It is nil without a
// list.
func (db *Database) planReturning(ctx context.Context, whole string, to *stored, alias sql.Ident, list *sql.Text) (*selectPlan, error) {
	if list == nil {
		return nil, nil
	}
	name := alias.Name
	if name == "" {
		name = to.def.Name
	}
	head := "SELECT "
	text := head + list.SQL + " FROM " + sql.Quote(to.def.Name) + " AS " + sql.Quote(name)
	p, err := db.planSelect(ctx, whole, sql.Text{SQL: text, Pos: list.Pos - len(head)}, nil)
	if err != nil {
		return nil, err
	}
	reads := 0
	if p.node != nil {
		for _, n := range plan.Nodes(p.node) {
			if g, is := n.(*plan.Get); is {
				reads++
				if !strings.EqualFold(g.Relation, to.def.Name) {
					reads++
				}
			}
		}
	}
	if len(p.params) > 0 || reads != 1 {
		return nil, fault.New(fault.FeatureNotSupported, "RETURNING takes expressions over the columns of %q, without parameters and queries", to.def.Name).
			At(sql.PositionAt(whole, list.Pos))
	}
	return p, nil
}

// writeReturning stores the writes of a statement; with a RETURNING list the result has what the list makes of rows, which are those the statement has
// written or deleted.
func (s *Session) writeReturning(ctx context.Context, ws []write, tag string, list *selectPlan, rows *row.Batch) (*Result, error) {
	if list == nil {
		return s.write(ctx, ws, tag)
	}
	out, err := s.db.returned(ctx, list, rows)
	if err != nil {
		return nil, err
	}
	r, err := s.write(ctx, ws, tag)
	if err != nil {
		return nil, err
	}
	made := oneBatch(list.columns, out)
	made.tag, made.token = r.tag, r.token
	return made, nil
}

// returned computes a RETURNING list. It comes before the write: an expression that fails fails the statement.
func (db *Database) returned(ctx context.Context, list *selectPlan, rows *row.Batch) (*row.Batch, error) {
	made, err := db.reader.Query(ctx, list.text, nil, &rowSource{&row.Batch{Cols: rows.Cols, Len: rows.Len}})
	if err != nil {
		return nil, userError(err)
	}
	if !db.fresh(list) {
		made.Close()
		return nil, errAltered
	}
	res := &Result{Columns: list.columns, next: made.Next, close: made.Close}
	b, err := collect(ctx, res)
	return b, userError(err)
}

// rowSource supplies a query with the rows of the one relation it reads.
type rowSource struct{ rows *row.Batch }

// Scan implements duck.Sources.
func (s *rowSource) Scan(_ string, columns []int) (duck.Iterator, error) {
	out := &row.Batch{Cols: make([]row.Vec, len(columns)), Len: s.rows.Len}
	for i, c := range columns {
		if c < 0 {
			out.Cols[i] = row.FromValues(row.T(row.Int64), make([]int64, s.rows.Len), nil)
		} else {
			out.Cols[i] = s.rows.Cols[c]
		}
	}
	return &oneBatchIterator{out}, nil
}

// Rows implements duck.Sizer.
func (s *rowSource) Rows(string) int64 { return int64(s.rows.Len) }
