package session

import (
	"context"

	"github.com/tidemill/tidemill/internal/fault"
	"github.com/tidemill/tidemill/internal/row"
	"github.com/tidemill/tidemill/internal/sql"
)

// columnsByName writes INSERT … BY NAME as an INSERT into the columns that the query has.
func (db *Database) columnsByName(ctx context.Context, whole string, s *sql.Insert, given []row.Type) (*sql.Insert, error) {
	if s.DefaultValues || s.Values != nil || len(s.Columns) > 0 {
		return nil, fault.New(fault.SyntaxError, "INSERT … BY NAME takes the names of the columns from a query").WithHint("write INSERT INTO t BY NAME SELECT 1 AS a, or list the columns: INSERT INTO t (a) VALUES (1)").
			At(sql.PositionAt(whole, s.Target.Pos))
	}
	frag := s.Query
	if s.With != nil {
		frag = sql.Text{SQL: s.With.SQL + " " + s.Query.SQL, Pos: s.With.Pos}
	}
	query, err := db.planSelect(ctx, whole, frag, given)
	if err != nil {
		return nil, err
	}
	named := *s
	named.ByName, named.Columns = false, nil
	for _, c := range query.columns {
		named.Columns = append(named.Columns, sql.Ident{Name: c.Name, Pos: s.Query.Pos})
	}
	return &named, nil
}
