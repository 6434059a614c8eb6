package plan

import (
	"slices"

	"github.com/tidemill/tidemill/internal/row"
)

// panes aggregates overlapping windows in two steps: the rows of each pane, the stretch by which the windows slide, are aggregated once, and each window
// combines the results of its panes. A row then costs one step however many windows it is in, and a change one per window of its pane
// (Li et al.: "No Pane, No Gain", SIGMOD Record 2005).
func panes(root Node) Node {
	return rebuild(root, func(n Node, _ func(Node) bool) Node {
		if a, ok := n.(*Aggregate); ok && a.Sets == nil && a.Groupings == nil && a.SessionEnd == 0 && len(a.Calls) > 0 {
			if out := inPanes(a); out != nil {
				return out
			}
		}
		return n
	})
}

// sliding is what a series of window starts says about its windows: at is in the windows that start from back before its pane to the pane.
type sliding struct {
	pane *Expr // over the rows: where the pane begins, of the series' type
	back int64 // microseconds
	step *Expr
}

// slidingOf reads generate_series(time_bucket(slide, at - size + slide), time_bucket(slide, at), slide) with a size that is a multiple of slide, both
// shorter than months; nil for anything else.
func slidingOf(e *Expr) *sliding {
	if e.Kind != Call || e.SQL != "" || e.Name != "generate_series" || len(e.Args) != 3 || e.IsVolatile() {
		return nil
	}
	slide, ok := microsOf(e.Args[2])
	low, lowAt := bucketed(e.Args[0], slide)
	_, at := bucketed(e.Args[1], slide)
	if !ok || slide <= 0 || lowAt == nil || at == nil || low != e.Args[0] || low.Type != e.Args[1].Type {
		return nil
	}
	if t := low.Type.Kind; t != row.Timestamp && t != row.TimestampTZ {
		return nil
	}
	if at.Type.Kind == row.Date && slide%dayMicros != 0 {
		return nil
	}
	back := int64(0)
	for lowAt.Kind == Call && len(lowAt.Args) == 2 && (lowAt.Name == "+" || lowAt.Name == "-") {
		by, short := microsOf(lowAt.Args[1])
		if !short {
			return nil
		}
		if lowAt.Name == "+" {
			by = -by
		}
		back, lowAt = back+by, lowAt.Args[0]
	}
	if back < 0 || back%slide != 0 || exact(uncast(lowAt)) != exact(uncast(at)) {
		return nil
	}
	return &sliding{pane: e.Args[1], back: back, step: e.Args[2]}
}

// microsOf is a constant span of less than a month in microseconds.
func microsOf(e *Expr) (int64, bool) {
	if !isShortSpan(e) {
		return 0, false
	}
	const most = 1 << 60
	v := e.Value.V
	if v.Micros > most || v.Micros < -most || int64(v.Days) > most/dayMicros || int64(v.Days) < -most/dayMicros {
		return 0, false
	}
	return int64(v.Days)*dayMicros + v.Micros, true
}

// bucketed returns the time_bucket by slide that e is, apart from a cast between times, and what it is of.
func bucketed(e *Expr, slide int64) (call, at *Expr) {
	e = uncast(e)
	if e.Kind != Call || e.SQL != "" || e.Name != "time_bucket" || len(e.Args) != 2 {
		return nil, nil
	}
	if width, ok := microsOf(e.Args[0]); !ok || width != slide {
		return nil, nil
	}
	return e, e.Args[1]
}

// uncast takes a cast from a DATE to a TIMESTAMP off.
func uncast(e *Expr) *Expr {
	if e.Kind == Cast && !e.Try && e.Type.Kind == row.Timestamp && e.Args[0].Type.Kind == row.Date {
		return e.Args[0]
	}
	return e
}

// paned is an Aggregate on its way to two.
type paned struct {
	width  int // columns of the rows; the one behind them is the window's start
	inner  *Aggregate
	outer  *Aggregate
	result []*Expr // over outer, if its columns are not the result
}

// inPanes returns a in two steps, nil if it is no aggregation of sliding windows, or has an aggregate that cannot be combined.
func inPanes(a *Aggregate) Node {
	groups, calls, in := a.Groups, a.Calls, a.Input
	if p, ok := in.(*Project); ok {
		groups, in = inlined(groups, p), p.Input
		calls = slices.Clone(calls)
		for i := range calls {
			calls[i] = calls[i].mapped(func(e *Expr) *Expr { return inline(e, p) })
		}
	}
	var filter []*Expr
	if f, ok := in.(*Filter); ok {
		filter, in = f.Predicates, f.Input
	}
	u, ok := in.(*Unnest)
	if !ok || len(u.Lists) != 1 || u.Outer || u.Ordinality {
		return nil
	}
	s := slidingOf(u.Lists[0])
	if s == nil || u.Width[0] != s.pane.Type {
		return nil
	}
	p := &paned{width: len(u.Input.Types()), inner: &Aggregate{Input: u.Input}, outer: &Aggregate{}}
	if !p.keys(groups, calls, filter) {
		return nil
	}
	pane := len(p.inner.Groups)
	p.inner.Groups = append(p.inner.Groups, s.pane)
	if !p.arguments(calls) {
		return nil
	}
	for i := range calls {
		if !p.call(&calls[i]) {
			return nil
		}
	}
	at := Col(pane, s.pane.Type)
	low := Fn("-", at.Type, at, Const(row.Value{Type: row.T(row.Interval), V: row.IntervalValue{Micros: s.back}}))
	series := *u.Lists[0]
	series.Args = []*Expr{low, at, s.step}
	p.outer.Input = filtered(&Unnest{Input: p.inner, Lists: []*Expr{&series}, Width: u.Width, Even: u.Even}, p.moved(filter))
	p.outer.Groups = p.moved(p.outer.Groups)
	return p.finish()
}

// onStart reports whether an expression reads of the unnested columns only the window's start.
func (p *paned) onStart(e *Expr) bool {
	cols := Columns(e)
	return len(cols) == 1 && cols[0] == p.width
}

// keys divides the groups: those over the rows are groups of panes, those over the window's start of windows. Outer groups still have the start at width,
// and the others as negative columns.
func (p *paned) keys(groups []*Expr, calls []AggregateCall, filter []*Expr) bool {
	some := false
	for _, g := range groups {
		cols := Columns(g)
		switch {
		case g.IsVolatile():
			return false
		case p.onStart(g):
			some = true
			p.outer.Groups = append(p.outer.Groups, g)
		case len(cols) == 0 || cols[len(cols)-1] < p.width:
			p.outer.Groups = append(p.outer.Groups, Col(-1-len(p.inner.Groups), g.Type))
			p.inner.Groups = append(p.inner.Groups, g)
		default:
			return false
		}
	}
	for _, e := range filter {
		if !p.onStart(e) {
			return false
		}
	}
	for i := range calls {
		for _, e := range calls[i].exprs() {
			if cols := Columns(e); e.IsVolatile() || len(cols) > 0 && cols[len(cols)-1] >= p.width {
				return false
			}
		}
	}
	return some
}

// moved rewrites expressions of keys for the windows over the panes' results, which are complete.
func (p *paned) moved(es []*Expr) []*Expr {
	start := len(p.inner.Types())
	return mapExprs(es, func(e *Expr) *Expr {
		return e.Substitute(func(c *Expr) *Expr {
			if c.Index < 0 {
				return Col(-1-c.Index, c.Type)
			}
			return Col(start, c.Type)
		})
	})
}

// distinctMatters reports whether a call sees another result for equal values.
func distinctMatters(c *AggregateCall) bool {
	switch c.Name {
	case "min", "max", "bool_and", "bool_or", "bit_and", "bit_or":
		return false
	}
	return c.Distinct
}

// arguments makes what is aggregated DISTINCT a group of the panes.
func (p *paned) arguments(calls []AggregateCall) bool {
	for i := range calls {
		c := &calls[i]
		if len(c.OrderBy) > 0 || c.Bind != nil {
			return false
		}
		if !distinctMatters(c) {
			continue
		}
		if c.Filter != nil {
			return false
		}
		for _, a := range c.Args {
			if p.grouped(a) < 0 {
				p.inner.Groups = append(p.inner.Groups, a)
			}
		}
	}
	return true
}

// grouped is the group of the panes that e is, -1 for none.
func (p *paned) grouped(e *Expr) int {
	text := exact(e)
	return slices.IndexFunc(p.inner.Groups, func(g *Expr) bool { return g.Type == e.Type && exact(g) == text })
}

// call adds an aggregate: what panes compute, what windows make of it, and how that is the result. It reports whether it can.
func (p *paned) call(c *AggregateCall) bool {
	if distinctMatters(c) {
		out := c.mapped(func(e *Expr) *Expr { return Col(p.grouped(e), e.Type) })
		p.result = append(p.result, p.window(out))
		return true
	}
	one := len(c.Args) == 1
	huge, big := row.T(row.Int128), row.T(row.Int64)
	switch c.Name {
	case "count_star", "count", "count_if", "countif":
		if !c.Type.IsInteger() {
			return false
		}
		n := p.combined("sum", c, huge)
		p.result = append(p.result, castTo(n, c.Type))
	case "min", "max", "bool_and", "bool_or", "bit_and", "bit_or", "bit_xor":
		if !one {
			return false
		}
		p.result = append(p.result, p.combined(c.Name, c, c.Type))
	case "sum", "sum_no_overflow":
		if !one || !addable(c.Args[0].Type) {
			return false
		}
		partial := *c
		partial.Name, partial.Type = "sum", sumType(c.Args[0].Type)
		p.result = append(p.result, castTo(p.combined("sum", &partial, partial.Type), c.Type))
	case "avg", "mean":
		if !one || !addable(c.Args[0].Type) || c.Type.Kind != row.Float64 {
			return false
		}
		sum, count := *c, *c
		sum.Name, sum.Type = "sum", sumType(c.Args[0].Type)
		count.Name, count.Type = "count", big
		p.result = append(p.result, Fn("/", c.Type, castTo(p.combined("sum", &sum, sum.Type), c.Type), castTo(p.combined("sum", &count, huge), c.Type)))
	default:
		return false
	}
	return true
}

// addable reports whether sums of sums of a type are its sums: they do not overflow where the whole does not.
func addable(t row.Type) bool {
	switch {
	case t.Kind == row.Int128:
		return false
	case t.Kind == row.Decimal:
		return t.Width <= 28
	}
	return t.IsInteger() || t.Kind == row.Float32 || t.Kind == row.Float64
}

// sumType is the type of a sum.
func sumType(t row.Type) row.Type {
	switch {
	case t.Kind == row.Decimal:
		return row.DecimalType(38, t.Scale)
	case t.IsInteger():
		return row.T(row.Int128)
	}
	return row.T(row.Float64)
}

func castTo(e *Expr, t row.Type) *Expr {
	if e.Type == t {
		return e
	}
	return &Expr{Kind: Cast, Type: t, Args: []*Expr{e}}
}

// combined lets panes compute c, windows name of that, and returns it.
func (p *paned) combined(name string, c *AggregateCall, t row.Type) *Expr {
	partial := *c
	partial.Distinct = false
	at := -1
	for i := range p.inner.Calls {
		if fingerprintCall(&p.inner.Calls[i]) == fingerprintCall(&partial) && p.inner.Calls[i].Type == partial.Type {
			at = i
		}
	}
	if at < 0 {
		at = len(p.inner.Calls)
		p.inner.Calls = append(p.inner.Calls, partial)
	}
	return p.window(AggregateCall{Name: name, Args: []*Expr{Col(len(p.inner.Groups)+at, partial.Type)}, Type: t})
}

// window adds a call of the windows and returns its result.
func (p *paned) window(c AggregateCall) *Expr {
	for i := range p.outer.Calls {
		if have := &p.outer.Calls[i]; have.Type == c.Type && fingerprintCall(have) == fingerprintCall(&c) {
			return Col(len(p.outer.Groups)+i, c.Type)
		}
	}
	p.outer.Calls = append(p.outer.Calls, c)
	return Col(len(p.outer.Groups)+len(p.outer.Calls)-1, c.Type)
}

func (p *paned) finish() Node {
	exprs := make([]*Expr, 0, len(p.outer.Groups)+len(p.result))
	for i, g := range p.outer.Groups {
		exprs = append(exprs, Col(i, g.Type))
	}
	out := &Project{Input: p.outer, Exprs: append(exprs, p.result...)}
	if isIdentity(out) {
		return p.outer
	}
	return out
}
