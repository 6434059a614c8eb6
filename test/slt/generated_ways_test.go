package slt

import (
	"context"
	"fmt"
	"strings"

	"github.com/tidemill/tidemill/internal/duck"
	"github.com/tidemill/tidemill/internal/row"
	"github.com/tidemill/tidemill/internal/sql"
)

// way is one way to maintain a query.
type way struct {
	maintained *maintained
	workers    int
	begins     int // the chunk at which it begins, with what is there by then
	restarts   int // the chunk after which it is built again and reads everything once more, 0 for none
}

func (w *way) String() string {
	s := fmt.Sprintf("%d workers, made at chunk %d", w.workers, w.begins)
	if w.restarts > 0 {
		s += fmt.Sprintf(", restarted after chunk %d", w.restarts)
	}
	return s
}

// ways are from the beginning on one worker, with a restart on several, and from the middle on any number.
func (l *lab) ways() []way {
	return []way{{workers: 1}, {workers: 2 + l.turn%2, restarts: 1 + l.turn%(genChunks-1)}, {workers: 1 + l.turn%3, begins: genChunks / 2}}
}

// into is what a way takes in at a chunk, nil before it begins. After a restart that is each change there ever was, at once.
func (l *lab) into(w *way, planned duck.Planned, chunk int) (map[string]*row.Batch, error) {
	switch {
	case chunk < w.begins:
		return nil, nil
	case chunk == w.begins && chunk > 0:
		return l.contents[chunk], nil
	case w.restarts == 0 || chunk != w.restarts:
		return l.deltas[chunk], nil
	}
	w.maintained.g.Close()
	again, err := l.build(planned, w.workers)
	if err != nil {
		return nil, err
	}
	w.maintained = again
	all := map[string][]*row.Batch{}
	for _, d := range l.deltas[:chunk+1] {
		for name, b := range d {
			all[name] = append(all[name], b)
		}
	}
	in := map[string]*row.Batch{}
	for name, parts := range all {
		in[name] = row.Concat(parts)
	}
	return in, nil
}

// over is a view on the view of a query.
type over struct {
	l          *lab
	under      string
	text       string
	maintained *maintained // nil if there can be none
}

// overName is what a view on a query reads it as.
const overName = "under"

// viewOver makes a view that counts the rows of a query, by all columns but floats, which may be inexact.
func (l *lab) viewOver(planned duck.Planned, text string) (*over, error) {
	o := &over{l: l, under: text}
	var cols []string
	schema := make(row.Schema, len(planned.Columns))
	for i, c := range planned.Columns {
		schema[i] = row.Column{Name: fmt.Sprintf("u%d", i), Type: c.Type}
		switch c.Type.Kind {
		case row.Float32, row.Float64:
			cols = append(cols, fmt.Sprintf("count(u%d)", i))
		case row.Other, row.JSON:
			return o, nil
		default:
			cols = append(cols, schema[i].Name)
		}
	}
	o.text = fmt.Sprintf("SELECT %s, count(*) AS n FROM %s GROUP BY ALL", strings.Join(cols, ", "), overName)
	if err := l.planner.DefineTable(overName, schema, nil); err != nil {
		return nil, err
	}
	p, err := l.planner.Plan(l.t.Context(), o.text)
	if err != nil {
		return nil, err
	}
	l.over = schema
	o.maintained, err = l.build(p, 1+(l.turn+1)%3)
	return o, err
}

func (o *over) close() {
	if o.maintained != nil {
		o.maintained.g.Close()
	}
}

// follow takes a chunk's changes of the view below and compares.
func (o *over) follow(ctx context.Context, chunk int, changes []*row.Batch) (verdict, string) {
	if o.maintained == nil {
		return same, ""
	}
	in := map[string]*row.Batch{}
	if len(changes) > 0 {
		in[overName] = row.Concat(changes)
	}
	if err := o.maintained.step(in); err != nil {
		return differs, fmt.Sprintf("chunk %d, a view over it: %v", chunk, err)
	}
	names := make([]string, len(o.l.over))
	for i, c := range o.l.over {
		names[i] = sql.Quote(c.Name)
	}
	if err := o.l.oracles[chunk].Exec(fmt.Sprintf("CREATE OR REPLACE VIEW %s(%s) AS %s", overName, strings.Join(names, ", "), o.under)); err != nil {
		return differs, err.Error()
	}
	want, err := o.l.answer(ctx, chunk, o.text)
	if err != nil {
		return erring, err.Error()
	}
	if diff := o.maintained.rows.differ(want); diff != "" {
		return differs, fmt.Sprintf("after chunk %d, a view over it (%s):\n%s", chunk, o.text, diff)
	}
	return same, ""
}
