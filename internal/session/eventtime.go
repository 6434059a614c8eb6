package session

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/tidemill/tidemill/internal/catalog"
	"github.com/tidemill/tidemill/internal/engine"
	"github.com/tidemill/tidemill/internal/fault"
	"github.com/tidemill/tidemill/internal/plan"
	"github.com/tidemill/tidemill/internal/row"
	"github.com/tidemill/tidemill/internal/sql"
)

// What holds for the event time of a stream without options.
const (
	idleTimeout = time.Minute
	futureLimit = 24 * time.Hour
)

// watermarkExpr binds a stream's watermark as an expression over column 0, the event time.
func (db *Database) watermarkExpr(ctx context.Context, r *catalog.Relation) (*plan.Expr, error) {
	names := make([]string, len(r.Columns))
	for i, c := range r.Columns {
		names[i] = fmt.Sprintf("CAST(NULL AS %s) AS %s", c.Type, sql.Quote(c.Name))
	}
	text, _ := sql.ForDuckDB(fmt.Sprintf("SELECT (%s) FROM (SELECT %s)", r.Watermark.Expr, strings.Join(names, ", ")), nil)
	planned, err := db.planner.Plan(ctx, text)
	if err != nil {
		return nil, fmt.Errorf("binding the watermark of %s: %w", r.Name, err)
	}
	n, err := plan.Decode(planned.Plan)
	if err != nil {
		return nil, fmt.Errorf("binding the watermark of %s: %w", r.Name, err)
	}
	column := r.Columns[r.Columns.Index(r.Watermark.Column)]
	wrong := fault.New(fault.InvalidDefinition, "the watermark %s does not follow the column %q", r.Watermark.Expr, column.Name).
		WithHint("write %s - INTERVAL 10 SECONDS", sql.Quote(column.Name))
	p, ok := n.(*plan.Project)
	if !ok || len(p.Exprs) != 1 {
		return nil, wrong
	}
	e := p.Exprs[0]
	used := plan.Columns(e)
	if len(used) != 1 || !strings.EqualFold(r.Columns[used[0]].Name, column.Name) || !plan.Follows(e) || !plan.IsTime(e.Type) {
		return nil, wrong
	}
	return e.Substitute(func(c *plan.Expr) *plan.Expr { return plan.Col(0, c.Type) }), nil
}

// eventTime tells the engine how a stream's event time goes on, nil for a stream without a watermark.
func (db *Database) eventTime(r *catalog.Relation) *engine.EventTime {
	if r.Watermark == nil {
		return nil
	}
	e, err := db.watermarkExpr(context.Background(), r)
	if err != nil {
		db.logger.Error("a watermark could not be bound again", "stream", r.Name, "error", err)
		return nil
	}
	column := r.Columns.Index(r.Watermark.Column)
	typ := r.Columns[column].Type
	program, err := db.compiler.Compile([]*plan.Expr{e}, []row.Type{typ})
	if err != nil {
		db.logger.Error("a watermark could not be compiled", "stream", r.Name, "error", err)
		return nil
	}
	db.timesMu.Lock()
	delete(db.keyed, r.ID)
	if len(r.Watermark.Per) > 0 {
		db.keyed[r.ID] = &plan.KeyedTime{Column: r.Watermark.Column, Per: r.Watermark.Per, Mark: e,
			Ahead: durationOption(r, "future_limit", futureLimit).Microseconds()}
	}
	db.timesMu.Unlock()
	return &engine.EventTime{Created: r.CreatedAt, Per: r.Watermark.Per,
		IdleTimeout: durationOption(r, "idle_timeout", idleTimeout), FutureLimit: durationOption(r, "future_limit", futureLimit),
		Mark: func(latest int64) (int64, bool) {
			cols, errs, err := program.Eval(&row.Batch{Cols: []row.Vec{row.TimeVec(typ, latest)}, Len: 1})
			if err != nil || len(errs) > 0 || cols[0].Null(0) {
				return 0, false
			}
			return row.Micros(&cols[0], 0), true
		}}
}

// bounds returns what bounds a relation's column from below, over the watermark.
func (db *Database) bounds(relation, column string) []*plan.Expr {
	r := db.catalog.Get(relation)
	if r == nil {
		return nil
	}
	if r.Watermark != nil && strings.EqualFold(r.Watermark.Column, column) {
		return []*plan.Expr{plan.Col(0, r.Columns[r.Columns.Index(column)].Type)}
	}
	db.timesMu.RLock()
	defer db.timesMu.RUnlock()
	return db.times[r.ID][catalog.Fold(column)]
}

// keyedTime returns what is known of a stream with one watermark per key, nil for others.
func (db *Database) keyedTime(relation string) *plan.KeyedTime {
	r := db.catalog.Get(relation)
	if r == nil {
		return nil
	}
	db.timesMu.RLock()
	defer db.timesMu.RUnlock()
	return db.keyed[r.ID]
}

// setTimes notes which columns of a view the watermark bounds.
func (db *Database) setTimes(r *catalog.Relation, n plan.Node) {
	final := r.Options["emit"] == "final"
	found := plan.FindEventTimes(n, db.bounds, nil, final)
	times := map[string][]*plan.Expr{}
	for i, c := range r.Columns {
		if final && len(times) > 0 {
			break // the first is what decides when a row is final
		}
		for _, b := range found.Column(n, i) {
			times[catalog.Fold(c.Name)] = append(times[catalog.Fold(c.Name)], b.Threshold())
		}
	}
	if len(times) == 0 {
		return
	}
	db.timesMu.Lock()
	defer db.timesMu.Unlock()
	db.times[r.ID] = times
}
