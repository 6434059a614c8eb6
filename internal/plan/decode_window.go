package plan

import (
	"encoding/json"
	"strings"

	"github.com/tidemill/tidemill/internal/row"
)

// window decodes window functions into one Window per partition and order.
func (d *decoder) window(o object, in Node, s scope) Node {
	var (
		windows []*Window
		keys    []string
		places  [][2]int // per function the window and the call
		types   = in.Types()
		width   = len(types)
		refused *Unsupported
	)
	for _, v := range o.list("expressions") {
		e := d.object(v, "a window function")
		call, why := d.windowCall(e, s)
		types = append(types[:len(types):len(types)], call.Type)
		if why != nil {
			refused = why
			continue
		}
		partition, order := typedNulls(d.exprs(e.list("partitions"), s)), d.orders(e.list("orders"), s)
		key := exact(partition...) + "|" + fingerprintOrder(order)
		at := 0
		for at < len(keys) && keys[at] != key {
			at++
		}
		if at == len(keys) {
			keys = append(keys, key)
			windows = append(windows, &Window{Partition: partition, Order: order})
		}
		places = append(places, [2]int{at, len(windows[at].Calls)})
		windows[at].Calls = append(windows[at].Calls, call)
	}
	if refused != nil {
		refused.Width, refused.Below = types, []Node{in}
		return refused
	}
	starts := make([]int, len(windows))
	n, at := in, width
	for i, w := range windows {
		w.Input, starts[i] = n, at
		n = w
		at += len(w.Calls)
	}
	cols := upTo(width)
	for _, p := range places {
		cols = append(cols, starts[p[0]]+p[1])
	}
	for i, c := range cols {
		if i != c {
			return selectColumns(n, cols)
		}
	}
	return n
}

// windowCall decodes a window function; why is not nil for one that cannot be maintained.
func (d *decoder) windowCall(e object, s scope) (c WindowCall, why *Unsupported) {
	defer d.leave(d.enter())
	if class := e.str("expression_class"); class != "BOUND_WINDOW" {
		d.fail("a window function has the class %q", class)
	}
	c.Name, c.IsAggregate = windowName(e), e.str("type") == "WINDOW_AGGREGATE"
	c.Args, c.Type = d.exprs(e.list("children"), s), d.typ(e["return_type"])
	c.Distinct, c.IgnoreNulls = e.flag("distinct"), e.flag("ignore_nulls")
	c.OrderBy = d.orders(e.list("arg_orders"), s)
	if f, ok := e["filters"].(map[string]any); ok {
		c.Filter = d.expr(f, s)
	}
	if data := e.obj("function_data"); e.flag("has_serialize") && len(data) > 0 {
		bind, err := json.Marshal(data)
		if err != nil {
			d.fail("the bind data of %s: %v", c.Name, err)
		}
		c.Bind = bind
	}
	if c.Name == "count" && c.IsAggregate && len(c.Args) == 0 {
		c.Name = "count_star"
	}
	switch {
	case c.IsAggregate:
	case len(c.OrderBy) > 0:
		return c, &Unsupported{What: "an ORDER BY in the arguments of the window function " + c.Name + "()", Hint: "Put the order into OVER (… ORDER BY …)."}
	default:
		if why := d.windowArgs(&c, e, s); why != nil {
			return c, why
		}
	}
	c.Frame = d.frame(e, s)
	if !c.UsesFrame() {
		c.Frame = Frame{}
	}
	return c, nil
}

// windowArgs brings the arguments of a function that is no aggregate into the form that WindowCall describes.
func (d *decoder) windowArgs(c *WindowCall, e object, s scope) *Unsupported {
	want := map[string]int{"row_number": 0, "rank": 0, "dense_rank": 0, "percent_rank": 0, "cume_dist": 0, "ntile": 1, "lag": 1, "lead": 1,
		"first_value": 1, "last_value": 1, "nth_value": 2}
	n, known := want[c.Name]
	if !known {
		return &Unsupported{What: "the window function " + c.Name + "() OVER (…)",
			Hint: "Use lag() and lead() with IGNORE NULLS to find the values before and after, and compute with those."}
	}
	if len(c.Args) != n {
		d.fail("%s has %d arguments", c.Name, len(c.Args))
	}
	if c.Name != "lag" && c.Name != "lead" {
		return nil
	}
	offset, instead := Const(row.IntValue(row.T(row.Int64), 1)), Const(row.NullValue(c.Type))
	if v, ok := e["offset_expr"].(map[string]any); ok {
		offset = d.expr(v, s)
	}
	if v, ok := e["default_expr"].(map[string]any); ok {
		instead = d.expr(v, s)
	}
	c.Args = append(c.Args, offset, instead)
	return nil
}

// frame decodes the frame of a function. Without an order all rows of the partition are peers.
func (d *decoder) frame(e object, s scope) Frame {
	var f Frame
	ordered := len(e.list("orders")) > 0
	bound := func(name string) (b FrameBound) {
		kind := e.str(name)
		word, unit := kind, ""
		if i := strings.LastIndexByte(kind, '_'); i >= 0 {
			word, unit = kind[:i], kind[i+1:]
		}
		switch word {
		case "UNBOUNDED":
			return b
		case "CURRENT_ROW":
			b.Kind = CurrentRow
		case "EXPR_PRECEDING":
			b.Kind = Preceding
		case "EXPR_FOLLOWING":
			b.Kind = Following
		default:
			d.fail("a frame is bounded by %q", kind)
		}
		switch unit {
		case "ROWS":
			f.Unit = FrameRows
		case "RANGE":
			f.Unit = FrameRange
		case "GROUPS":
			f.Unit = FrameGroups
		default:
			d.fail("a frame is bounded by %q", kind)
		}
		if b.Kind != CurrentRow {
			b.Offset = d.expr(e[name+"_expr"], s)
		} else if f.Unit != FrameRows && !ordered {
			b.Kind = Unbounded
		}
		return b
	}
	f.Start, f.End = bound("start"), bound("end")
	switch x := e.str("exclude_clause"); x {
	case "", "NO_OTHER":
	case "CURRENT_ROW":
		f.Exclude = ExcludeCurrentRow
	case "GROUP":
		f.Exclude = ExcludeGroup
	case "TIES":
		f.Exclude = ExcludeTies
	default:
		d.fail("a frame excludes %q", x)
	}
	return f
}

// windowName is the name of a window function as it is written in SQL.
func windowName(e object) string {
	kind := e.str("type")
	if kind == "WINDOW_AGGREGATE" {
		return e.str("name")
	}
	if kind == "WINDOW_RANK_DENSE" {
		return "dense_rank"
	}
	return strings.ToLower(strings.TrimPrefix(kind, "WINDOW_"))
}
