package dataflow

import (
	"slices"

	"github.com/tidemill/tidemill/internal/dataflow/state"
	"github.com/tidemill/tidemill/internal/fault"
	"github.com/tidemill/tidemill/internal/plan"
	"github.com/tidemill/tidemill/internal/row"
)

// windowLowering finds the places of a Window's columns: in the batch, and among those that are kept.
type windowLowering struct {
	x      extended
	stored []int // columns of the batch
	bounds []int // columns of the batch with the values that RANGE frames are bounded by
	reach  reach
}

// keep returns the stored column that holds e.
func (w *windowLowering) keep(e *plan.Expr) int {
	c := w.x.at(e)
	if at := slices.Index(w.stored, c); at >= 0 {
		return at
	}
	w.stored = append(w.stored, c)
	return len(w.stored) - 1
}

// callPlan is a call with its places; each shard makes a windowCall of it.
type callPlan struct {
	call   *plan.WindowCall
	args   []int
	filter int
	frame  frame
	// lower and upper are positions in bounds, -1 for none.
	lower, upper int
}

func (b *builder) lowerWindow(n *plan.Window) (lowered, error) {
	if err := comparable(typesOf(append(n.Partition[:len(n.Partition):len(n.Partition)], sortExprs(n.Order)...)), "PARTITION BY or ORDER BY"); err != nil {
		return lowered{}, err
	}
	w := windowLowering{x: extended{types: n.Input.Types()}, reach: reach{groupsBack: -1, groupsAhead: -1}}
	for i := range w.x.types {
		w.stored = append(w.stored, i)
	}
	keys := w.x.all(n.Partition)
	orderCols, order := w.x.order(n.Order)
	calls := make([]callPlan, len(n.Calls))
	for i := range n.Calls {
		var err error
		if calls[i], err = w.plan(n, &n.Calls[i]); err != nil {
			return lowered{}, err
		}
	}
	in, err := w.x.lower(b, n.Input)
	if err != nil {
		return lowered{}, err
	}
	title := windowTitle(n, keys) + kept(in.appendOnly)
	at, bounds := b.closingPartition(n.Input, n.Partition)
	nd := node{title: title, inputs: []int{in.node}, routes: []*router{byColumns(keys)}, timed: bounds != nil}
	for range b.Workers {
		op := &windowOp{title: title, keys: state.NewSet(typesOf(n.Partition)), single: len(keys) == 0, orderCols: orderCols, order: order, stored: w.stored,
			width: len(w.x.types), reach: w.reach, retract: !in.appendOnly}
		if err := op.open(&w, in.types, calls); err != nil {
			return lowered{}, err
		}
		if op.closer, err = b.newCloser(at, closing{bounds}); err != nil {
			return lowered{}, err
		}
		nd.shards = append(nd.shards, op)
	}
	return lowered{node: b.add(nd), types: n.Types()}, nil
}

// open makes the state of one shard.
func (o *windowOp) open(w *windowLowering, in []row.Type, calls []callPlan) error {
	types := make([]row.Type, len(w.stored))
	for i, c := range w.stored {
		types[i] = in[c]
	}
	o.rows = state.NewSet(types)
	var results []row.Type
	for _, c := range w.bounds {
		o.bounds = append(o.bounds, &rangeBound{column: c})
	}
	for i := range calls {
		c, err := o.newCall(&calls[i], i)
		if err != nil {
			return err
		}
		o.covering = o.covering || c.slide != nil
		o.calls = append(o.calls, c)
		o.run.outs = append(o.run.outs, row.NewBuilder(c.typ, 0))
		results = append(results, c.typ)
		if calls[i].call.UsesFrame() {
			o.reach.extend(&c.frame)
		}
	}
	o.results = state.NewRows(results)
	return nil
}

func (o *windowOp) newCall(p *callPlan, column int) (windowCall, error) {
	c := windowCall{typ: p.call.Type, column: column, args: p.args, filter: p.filter, ignoreNulls: p.call.IgnoreNulls, frame: p.frame}
	if p.lower >= 0 {
		c.frame.start.value = o.bounds[p.lower]
	}
	if p.upper >= 0 {
		c.frame.end.value = o.bounds[p.upper]
	}
	if !p.call.IsAggregate {
		c.lead = p.call.Name == "lead"
		c.compute = windowFunctions[p.call.Name]
		return c, nil
	}
	c.compute = computeAggregate
	name := p.call.Name
	if width := c.typ.Phys().Width(); (name == "min" || name == "max") && len(p.args) == 1 && width > 0 && width <= 8 && p.call.Args[0].Type == c.typ {
		c.compute = computeExtreme
		if name == "max" {
			c.best.flip = ^uint64(0)
		}
	}
	var err error
	c.slide, err = newSlider(p.call, &o.rows.Rows, p.args, p.filter)
	return c, err
}

// windowFunctions are the functions that are no aggregates.
var windowFunctions = map[string]func(*windowOp, *windowCall, *place, *row.Builder) string{
	"row_number": computeRowNumber, "rank": computeRank, "dense_rank": computeDenseRank, "percent_rank": computePercentRank, "cume_dist": computeCumeDist,
	"ntile": computeNtile, "lag": computeLag, "lead": computeLag, "first_value": computeFirstValue, "last_value": computeLastValue, "nth_value": computeNthValue,
}

// plan finds the places of a call, and adds what it reaches, unless that is its frame.
func (w *windowLowering) plan(n *plan.Window, c *plan.WindowCall) (p callPlan, err error) {
	p = callPlan{call: c, filter: -1, lower: -1, upper: -1}
	if c.IsAggregate {
		canonical, err := canonicalWindowCall(*c, n.Order)
		if err != nil {
			return p, err
		}
		c = &canonical
		p.call = c
	}
	args := c.Args
	if c.IsAggregate {
		args = inputsOf(&c.AggregateCall)
	}
	for _, a := range args {
		p.args = append(p.args, w.keep(a))
	}
	if c.Filter != nil {
		p.filter = w.keep(c.Filter)
	}
	if c.UsesFrame() {
		return p, w.frame(n, c, &p)
	}
	r := &w.reach
	switch c.Name {
	case "row_number", "rank", "dense_rank":
		r.end = true
	case "lag", "lead":
		w.neighbours(c)
	default:
		r.all = true
	}
	return p, nil
}

// neighbours adds what lag and lead reach.
func (w *windowLowering) neighbours(c *plan.WindowCall) {
	r, off := &w.reach, c.Args[1]
	if off.Kind != plan.Constant || off.Value.Null {
		r.all = true
		return
	}
	n, back := off.Value.I, c.Name == "lead"
	if n < 0 {
		n, back = -max(n, -1<<40), !back
	}
	n = min(n, 1<<40)
	switch {
	case c.IgnoreNulls && back:
		r.start = true
	case c.IgnoreNulls:
		r.end = true
	case back:
		r.back = max(r.back, n)
	default:
		r.ahead = max(r.ahead, n)
	}
}

// frame finds the places of a frame's bounds.
func (w *windowLowering) frame(n *plan.Window, c *plan.WindowCall, p *callPlan) error {
	p.frame = frame{unit: c.Frame.Unit, exclude: c.Frame.Exclude}
	for _, side := range []struct {
		from *plan.FrameBound
		to   *frameBound
		at   *int
	}{{&c.Frame.Start, &p.frame.start, &p.lower}, {&c.Frame.End, &p.frame.end, &p.upper}} {
		side.to.kind, side.to.column = side.from.Kind, -1
		e := side.from.Offset
		switch {
		case e == nil:
		case c.Frame.Unit == plan.FrameRange:
			if err := rangeable(n, e); err != nil {
				return err
			}
			*side.at = w.bound(e)
			w.reach.all = w.reach.all || !steady(e, n.Order[0].Expr)
		case e.Kind == plan.Constant && !e.Value.Null && e.Value.I >= 0:
			side.to.offset = min(e.Value.I, 1<<40)
		default:
			side.to.column = w.keep(e)
		}
	}
	return nil
}

func (w *windowLowering) bound(e *plan.Expr) int {
	c := w.x.at(e)
	if at := slices.Index(w.bounds, c); at >= 0 {
		return at
	}
	w.bounds = append(w.bounds, c)
	return len(w.bounds) - 1
}

// rangeable refuses values that RANGE frames cannot be bounded by.
func rangeable(n *plan.Window, e *plan.Expr) error {
	if len(n.Order) == 1 && n.Order[0].Expr.Type == e.Type {
		if width := e.Type.Phys().Width(); width > 0 && width <= 8 {
			return nil
		}
	}
	return fault.New(fault.FeatureNotSupported, "a RANGE frame with an offset over an order of type %s cannot be kept up to date", e.Type).
		WithHint("order by one column of an integer, floating-point, DATE or TIMESTAMP type, or use ROWS")
}

// steady reports whether a bound moves with the order: it is the order's value plus or minus a constant.
func steady(bound, key *plan.Expr) bool {
	if bound.Kind == plan.Cast {
		bound = bound.Args[0]
	}
	if bound.Kind != plan.Call || bound.Name != "+" && bound.Name != "-" || len(bound.Args) != 2 {
		return false
	}
	text := key.String()
	same := func(e *plan.Expr) bool {
		return e.String() == text || key.Kind == plan.Cast && key.Args[0].String() == e.String() || e.Kind == plan.Cast && e.Args[0].String() == text
	}
	return same(bound.Args[0]) && bound.Args[1].IsConstant() || bound.Name == "+" && same(bound.Args[1]) && bound.Args[0].IsConstant()
}

func windowTitle(n *plan.Window, keys []int) string {
	title := "window "
	for i := range n.Calls {
		if i > 0 {
			title += ", "
		}
		title += n.Calls[i].Name + "(" + listOf(n.Calls[i].Args, ", ") + ")"
	}
	if len(keys) > 0 {
		title += " of each " + columnList(keys)
	}
	return title + orderText(n.Order)
}
