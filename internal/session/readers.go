package session

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/tidemill/tidemill/internal/catalog"
	"github.com/tidemill/tidemill/internal/fault"
	"github.com/tidemill/tidemill/internal/plan"
	"github.com/tidemill/tidemill/internal/row"
	"github.com/tidemill/tidemill/internal/sql"
)

// viewReader is a view that reads a relation which is to be altered.
type viewReader struct {
	rel *catalog.Relation
	// plain is the plan of its query, named that of its query with the columns it has now listed by name.
	plain, named plan.Node
	// frozen says that from now on the columns are listed: its query alone would have others.
	frozen bool
}

// frozenQuery is the view's query with the view's columns, whatever its * stands for.
func (v *viewReader) frozenQuery() string {
	names := make([]string, len(v.rel.Columns))
	for i, c := range v.rel.Columns {
		names[i] = sql.Quote(c.Name)
	}
	return fmt.Sprintf("SELECT %s FROM (%s) AS %s", strings.Join(names, ", "), v.rel.Query, sql.Quote(v.rel.Name))
}

// bindReaders plans the queries of the views that read a relation as it is.
func (db *Database) bindReaders(ctx context.Context, r *catalog.Relation) ([]*viewReader, error) {
	var out []*viewReader
	for _, d := range db.catalog.Dependents(r.ID) {
		v := &viewReader{rel: d}
		var err error
		if v.plain, _, err = db.planText(ctx, d.Query); err != nil {
			return nil, fmt.Errorf("planning view %s: %w", d.Name, err)
		}
		if v.named, _, err = db.planText(ctx, v.frozenQuery()); err != nil {
			return nil, fmt.Errorf("planning view %s: %w", d.Name, err)
		}
		out = append(out, v)
	}
	return out, nil
}

func (db *Database) planText(ctx context.Context, query string) (plan.Node, row.Schema, error) {
	planned, err := db.planner.Plan(ctx, query)
	if err != nil {
		return nil, nil, err
	}
	n, err := plan.Decode(planned.Plan)
	if err != nil {
		return nil, nil, err
	}
	return plan.Optimize(n), planned.Columns, nil
}

// checkReaders wants every reader to have the same plan over the relation as it is defined now, and notes for which of them the columns have to be listed
// for that. A view's plan decides what it means, today and after a restart.
func (db *Database) checkReaders(ctx context.Context, whole string, r *catalog.Relation, step *row.Conversion, readers []*viewReader, s *sql.Alter) error {
	var broken []*catalog.Relation
	for _, v := range readers {
		same, err := db.sameMeaning(ctx, r, step, v)
		if err != nil {
			return err
		}
		if !same {
			broken = append(broken, v.rel)
			continue
		}
		if v.frozen && v.rel.Kind == catalog.View { // what names it is bound to it as the planner has it
			if err := db.planner.DefineView(v.rel.Name, v.frozenQuery()); err != nil {
				return userError(err)
			}
		}
	}
	if len(broken) == 0 {
		return nil
	}
	verb := map[sql.AlterAction]string{sql.AlterAddColumn: "add", sql.AlterDropColumn: "drop", sql.AlterColumnType: "change the type of", sql.AlterRenameColumn: "rename"}[s.Action]
	f := fault.New(fault.DependentObjects, "cannot %s column %q of %s %q: views read it", verb, s.Column.Name, r.Kind, r.Name)
	if s.Action == sql.AlterAddColumn {
		f = fault.New(fault.DependentObjects, "cannot add column %q to %s %q: views would mean something else with it", s.Column.Name, r.Kind, r.Name)
	}
	return readBy(f, broken).At(sql.PositionAt(whole, s.Column.Pos))
}

func (db *Database) sameMeaning(ctx context.Context, r *catalog.Relation, step *row.Conversion, v *viewReader) (bool, error) {
	now, columns, err := db.planText(ctx, v.rel.Query)
	before := v.plain
	if err == nil && len(columns) > len(v.rel.Columns) {
		v.frozen = true
		before = v.named
		now, columns, err = db.planText(ctx, v.frozenQuery())
	}
	if ctx.Err() != nil {
		return false, userError(ctx.Err())
	}
	if err != nil || len(columns) != len(v.rel.Columns) {
		return false, nil
	}
	for i, c := range columns {
		if !strings.EqualFold(c.Name, v.rel.Columns[i].Name) || c.Type != v.rel.Columns[i].Type {
			return false, nil
		}
	}
	moveColumns(before, r.Name, step)
	return plan.Fingerprint(before) == plan.Fingerprint(now), nil
}

// moveColumns lets a plan read the columns of a relation where they are after a step.
func moveColumns(n plan.Node, relation string, step *row.Conversion) {
	for _, x := range plan.Nodes(n) {
		g, is := x.(*plan.Get)
		if !is || !strings.EqualFold(g.Relation, relation) {
			continue
		}
		moved := make([]int, len(g.Columns))
		for i, old := range g.Columns {
			moved[i] = -2 // gone
			if old < 0 {
				moved[i] = old
			}
			for to, from := range step.From {
				if from >= 0 && from == old {
					moved[i] = to
				}
			}
		}
		g.Columns = moved
	}
}

// defineReaders tells planner and reader of the plain views whose columns have to be listed, or takes that back.
func (db *Database) defineReaders(readers []*viewReader, frozen bool) error {
	var errs []error
	for _, v := range readers {
		if v.rel.Kind != catalog.View || !v.frozen {
			continue
		}
		query := v.rel.Query
		if frozen {
			query = v.frozenQuery()
		}
		errs = append(errs, db.planner.DefineView(v.rel.Name, query), db.reader.DefineView(v.rel.Name, query))
	}
	return errors.Join(errs...)
}
