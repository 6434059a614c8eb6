package session

import (
	"errors"
	"slices"

	"github.com/tidemill/tidemill/internal/catalog"
	"github.com/tidemill/tidemill/internal/dataflow/scalar"
	"github.com/tidemill/tidemill/internal/engine"
	"github.com/tidemill/tidemill/internal/plan"
	"github.com/tidemill/tidemill/internal/row"
	"github.com/tidemill/tidemill/internal/view"
)

// fastRead is a SELECT that is answered from a view's index without DuckDB: a point or a range of its key.
type fastRead struct {
	relation uint64
	eqCols   []int // columns of the relation
	eqVals   []*plan.Expr
	from, to *bound // on the first key column that eqCols leaves free
	ranged   bool
	output   []int // columns of the relation
	types    []row.Type
	limit    int
}

type bound struct {
	value     *plan.Expr
	inclusive bool
}

// fastPath recognises a read by key; nil if the query is anything else.
func (db *Database) fastPath(n plan.Node) *fastRead {
	f := &fastRead{limit: -1}
	if l, ok := n.(*plan.Limit); ok && l.Offset == 0 && l.Count > 0 {
		f.limit, n = int(l.Count), l.Input
	}
	var sorted []plan.SortKey
	var project []*plan.Expr
	if s, ok := n.(*plan.Sort); ok {
		sorted, n = s.Keys, s.Input
	}
	if p, ok := n.(*plan.Project); ok {
		project, n = p.Exprs, p.Input
	}
	var preds []*plan.Expr
	if x, ok := n.(*plan.Filter); ok {
		preds, n = x.Predicates, x.Input
	}
	g, ok := n.(*plan.Get)
	if !ok {
		return nil
	}
	r := db.catalog.Get(g.Relation)
	if r == nil || (r.Kind != catalog.Table && r.Kind != catalog.MaterializedView) || len(r.Key) == 0 || slices.Contains(g.Columns, -1) {
		return nil
	}
	f.relation = r.ID
	if !f.project(g, project) || !f.where(g, slices.Concat(g.Filters, preds)) || !f.fits(r) {
		return nil
	}
	if sorted != nil && !f.sortedBy(r, g, project, sorted) {
		return nil
	}
	return f
}

func (f *fastRead) project(g *plan.Get, exprs []*plan.Expr) bool {
	if exprs == nil {
		f.output, f.types = g.Columns, g.Types()
		return true
	}
	for _, e := range exprs {
		if e.Kind != plan.Column {
			return false
		}
		f.output = append(f.output, g.Columns[e.Index])
		f.types = append(f.types, e.Type)
	}
	return true
}

// where takes predicates of the form column op value.
func (f *fastRead) where(g *plan.Get, preds []*plan.Expr) bool {
	bounds := map[int]int{}
	for _, p := range preds {
		if p.Kind != plan.Call || len(p.Args) != 2 || p.Args[0].Kind != plan.Column || !isValue(p.Args[1]) || p.Args[1].Type != p.Args[0].Type {
			return false
		}
		col, val := g.Columns[p.Args[0].Index], p.Args[1]
		switch p.Name {
		case plan.Equals:
			f.eqCols, f.eqVals = append(f.eqCols, col), append(f.eqVals, val)
			continue
		case plan.Greater, plan.GreaterOrEqual:
			if f.from != nil {
				return false
			}
			f.from = &bound{val, p.Name == plan.GreaterOrEqual}
		case plan.Less, plan.LessOrEqual:
			if f.to != nil {
				return false
			}
			f.to = &bound{val, p.Name == plan.LessOrEqual}
		default:
			return false
		}
		bounds[col]++
		f.ranged = true
	}
	if len(bounds) > 1 {
		return false
	}
	for c := range bounds {
		f.eqCols = append(f.eqCols, c) // checked and taken off again by fits
	}
	return len(preds) > 0
}

// fits checks that the equalities, and a range behind them, are a prefix of the key, and orders them like the key.
func (f *fastRead) fits(r *catalog.Relation) bool {
	rangeCol := -1
	if f.ranged {
		rangeCol = f.eqCols[len(f.eqCols)-1]
		f.eqCols = f.eqCols[:len(f.eqCols)-1]
	}
	if len(f.eqCols) > len(r.Key) {
		return false
	}
	vals := make([]*plan.Expr, len(f.eqCols))
	for i, k := range r.Key[:len(f.eqCols)] {
		at := slices.Index(f.eqCols, k)
		if at < 0 {
			return false
		}
		vals[i] = f.eqVals[at]
	}
	if f.ranged && (len(f.eqCols) == len(r.Key) || r.Key[len(f.eqCols)] != rangeCol) {
		return false
	}
	f.eqCols, f.eqVals = r.Key[:len(f.eqCols)], vals
	return true
}

// sortedBy reports whether the order asked for is the key's, which is how rows come.
func (f *fastRead) sortedBy(r *catalog.Relation, g *plan.Get, project []*plan.Expr, keys []plan.SortKey) bool {
	rest := r.Key[len(f.eqCols):]
	for i, k := range keys {
		if i >= len(rest) {
			break // the key is unique: nothing is left to order
		}
		if k.Descending || k.NullsFirst || k.Expr.Kind != plan.Column {
			return false
		}
		col := k.Expr.Index
		if project != nil {
			col = project[col].Index
		}
		if g.Columns[col] != rest[i] {
			return false
		}
	}
	f.ranged = f.ranged || len(rest) > 0
	return true
}

// isValue reports whether an expression has the same value for all rows and is cheap to find: a constant, a parameter, or a cast of one.
func isValue(e *plan.Expr) bool {
	for e.Kind == plan.Cast {
		e = e.Args[0]
	}
	return e.Kind == plan.Constant || e.Kind == plan.Param
}

// run answers the read; ok is false if it has to be answered by DuckDB after all (a cast that is not plain).
func (f *fastRead) run(db *Database, snap *engine.Snapshot, args []row.Value) (out *row.Batch, ok bool, err error) {
	v, err := snap.View(f.relation)
	if err != nil || v == nil {
		return nil, false, err
	}
	vals := make([]row.Value, len(f.eqVals))
	for i, e := range f.eqVals {
		if vals[i], ok = db.valueOf(e, args); !ok {
			return nil, false, nil
		}
		if vals[i].Null {
			return row.NewBatchBuilder(f.types, 0).Finish(0), true, nil
		}
	}
	if !f.ranged {
		b, err := v.Lookup(f.eqCols, vals, max(0, f.limit))
		if errors.Is(err, view.ErrTooLarge) {
			return nil, false, nil
		}
		if err != nil {
			return nil, false, err
		}
		return b.Project(f.output), true, nil
	}
	q := view.RangeQuery{Prefix: vals, Limit: max(0, f.limit)}
	if empty, known := f.bounds(db, &q, args); !known {
		return nil, false, nil
	} else if empty {
		return row.NewBatchBuilder(f.types, 0).Finish(0), true, nil
	}
	b, more, err := v.Range(q)
	if err != nil || (more != nil && f.limit < 0) {
		return nil, false, err // more than a look-up returns: DuckDB streams it
	}
	return b.Project(f.output), true, nil
}

func (f *fastRead) bounds(db *Database, q *view.RangeQuery, args []row.Value) (empty, known bool) {
	for i, b := range []*bound{f.from, f.to} {
		if b == nil {
			continue
		}
		v, ok := db.valueOf(b.value, args)
		if !ok {
			return false, false
		}
		if v.Null {
			return true, true
		}
		if i == 0 {
			q.From, q.FromExclusive = &v, !b.inclusive
		} else {
			q.To, q.ToExclusive = &v, !b.inclusive
		}
	}
	return false, true
}

// valueOf computes a constant, a parameter or a cast of one.
func (db *Database) valueOf(e *plan.Expr, args []row.Value) (row.Value, bool) {
	switch e.Kind {
	case plan.Constant:
		return e.Value, true
	case plan.Param:
		if e.Index < 1 || e.Index > len(args) {
			return row.Value{}, false
		}
		return castValue(args[e.Index-1], e.Type)
	}
	v, ok := db.valueOf(e.Args[0], args)
	if !ok {
		return v, false
	}
	return castValue(v, e.Type)
}

// castValue casts a value; ok is false where that fails.
func castValue(v row.Value, to row.Type) (row.Value, bool) {
	if v.Type == to {
		return v, true
	}
	if v.Null {
		return row.NullValue(to), true
	}
	if v.Type.IsInteger() && to.IsInteger() && to.Kind != row.Int128 && v.Type.Kind != row.Int128 && v.I >= 0 && v.I <= 127 {
		return row.IntValue(to, v.I), true
	}
	var c scalar.Compiler
	p, err := c.Compile([]*plan.Expr{{Kind: plan.Cast, Type: to, Args: []*plan.Expr{plan.Const(v)}}}, nil)
	if err != nil {
		return row.Value{}, false
	}
	defer p.Close()
	cols, errs, err := p.Eval(&row.Batch{Len: 1})
	if err != nil || len(errs) > 0 {
		return row.Value{}, false
	}
	return cols[0].Value(0), true
}
