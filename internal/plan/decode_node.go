package plan

import (
	"strings"

	"github.com/tidemill/tidemill/internal/row"
)

// node decodes an operator and all below it.
func (d *decoder) node(v any) Node {
	defer d.leave(d.enter())
	o := d.object(v, "an operator")
	switch op := o.str("type"); op {
	case "LOGICAL_MATERIALIZED_CTE":
		return d.materializedCTE(o)
	case "LOGICAL_CTE_REF":
		return d.cteRef(o)
	case "LOGICAL_GET":
		return d.get(o)
	case "LOGICAL_DUMMY_SCAN":
		t := row.T(row.Int32)
		return &Values{Rows: [][]*Expr{{Const(row.NullValue(t))}}, Width: []row.Type{t}}
	case "LOGICAL_EXPRESSION_GET":
		return d.values(o)
	case "LOGICAL_EMPTY_RESULT":
		return &Values{Width: d.types(o.list("return_types"))}
	case "LOGICAL_RECURSIVE_CTE":
		return d.recursiveCTE(o)
	case "LOGICAL_DELIM_JOIN":
		if n := d.lateral(o); n != nil {
			return n
		}
		return d.delimJoin(o)
	case "LOGICAL_DELIM_GET":
		return d.delimGet(o)
	}
	in, s := d.inputs(o)
	switch o.str("type") {
	case "LOGICAL_PROJECTION":
		return &Project{Input: d.single(in), Exprs: typedNulls(d.exprs(o.list("expressions"), s))}
	case "LOGICAL_FILTER":
		return d.filter(o, d.single(in), s)
	case "LOGICAL_AGGREGATE_AND_GROUP_BY":
		return d.aggregation(o, d.single(in), s)
	case "LOGICAL_COMPARISON_JOIN":
		return d.comparisonJoin(o, in)
	case "LOGICAL_ASOF_JOIN":
		return d.asOfJoin(o, in)
	case "LOGICAL_ANY_JOIN":
		return d.anyJoin(o, in, s)
	case "LOGICAL_CROSS_PRODUCT":
		l, r := d.pair(in)
		return &Join{Kind: Cross, Left: l, Right: r}
	case "LOGICAL_UNION":
		return d.union(o, in)
	case "LOGICAL_EXCEPT", "LOGICAL_INTERSECT":
		return d.setOp(o, in)
	case "LOGICAL_DISTINCT":
		return d.distinct(o, d.single(in), s)
	case "LOGICAL_ORDER_BY":
		n := &Sort{Input: d.single(in), Keys: d.orders(o.list("orders"), s)}
		return selectColumns(n, d.positions(o.list("projections"), len(n.Types())))
	case "LOGICAL_UNNEST":
		return d.unnest(o, spread{d.single(in), s.width}, s).Node
	case "LOGICAL_WINDOW":
		if n := d.session(o, in, s); n != nil {
			return n
		}
		return d.window(o, d.single(in), s)
	case "LOGICAL_LIMIT":
		return d.limit(o, d.single(in))
	}
	return d.unsupported(o, in)
}

// inputs decodes the children of o and returns what expressions of o can refer to.
func (d *decoder) inputs(o object) ([]Node, scope) {
	s := scope{bindings: map[uint64]int{}}
	var in []Node
	for _, c := range o.list("children") {
		child := d.node(c)
		d.bind(c, s)
		s.width += len(child.Types())
		in = append(in, child)
	}
	return in, s
}

// tableIndex finds the table index under which an operator's columns are known.
func tableIndex(v any) (any, bool) {
	for {
		m, _ := v.(map[string]any)
		if t, ok := m["table_index"]; ok {
			return t, true
		}
		below := object(m).list("children")
		if len(below) != 1 {
			return nil, false
		}
		v = below[0]
	}
}

// bind notes at which of the columns behind those of s the table indexes of an operator begin, and returns how many columns it has. ok is false if
// that is not known; then those behind are not bound.
func (d *decoder) bind(v any, s scope) (width int, ok bool) {
	if table, is := tableIndex(v); is {
		s.bindings[d.uint(table)] = s.width
	}
	m, _ := v.(map[string]any)
	o := object(m)
	switch o.str("type") {
	case "LOGICAL_PROJECTION":
		return len(o.list("expressions")), true
	case "LOGICAL_DELIM_GET", "LOGICAL_CTE_REF":
		return len(o.list("chunk_types")), true
	case "LOGICAL_AGGREGATE_AND_GROUP_BY":
		groups, calls := len(o.list("groups")), len(o.list("expressions"))
		s.bindings[d.uint(o["group_index"])] = s.width
		s.bindings[d.uint(o["aggregate_index"])] = s.width + groups
		s.bindings[d.uint(o["groupings_index"])] = s.width + groups + calls
		return groups + calls + len(o.list("grouping_functions")), true
	case "LOGICAL_CROSS_PRODUCT", "LOGICAL_COMPARISON_JOIN", "LOGICAL_DELIM_JOIN":
		sides := o.list("children")
		switch kind := o.str("join_type"); {
		case len(sides) != 2 || kind == "MARK" || len(o.list("left_projection_map"))+len(o.list("right_projection_map")) > 0:
			return 0, false
		case kind == "SEMI" || kind == "ANTI":
			return d.bind(sides[0], s)
		}
		for _, c := range sides {
			w, ok := d.bind(c, s)
			if !ok {
				return 0, false
			}
			s.width, width = s.width+w, width+w
		}
		return width, true
	case "LOGICAL_FILTER", "LOGICAL_ORDER_BY", "LOGICAL_LIMIT", "LOGICAL_DISTINCT":
		if below := o.list("children"); len(below) == 1 && len(o.list("projection_map"))+len(o.list("projections")) == 0 {
			return d.bind(below[0], s)
		}
	}
	return 0, false
}

// side is what a join's condition over one of its inputs can refer to.
func (d *decoder) side(v any, width int) scope {
	s := scope{bindings: map[uint64]int{}}
	d.bind(v, s)
	s.width = width
	return s
}

func (d *decoder) single(in []Node) Node {
	if len(in) != 1 {
		d.fail("an operator has %d inputs, not one", len(in))
	}
	return in[0]
}

func (d *decoder) pair(in []Node) (l, r Node) {
	if len(in) != 2 {
		d.fail("a join has %d inputs", len(in))
	}
	return in[0], in[1]
}

func (d *decoder) types(list []any) []row.Type {
	ts := make([]row.Type, len(list))
	for i, v := range list {
		ts[i] = d.typ(v)
	}
	return ts
}

func (d *decoder) positions(list []any, limit int) []int {
	var at []int
	for _, v := range list {
		at = append(at, d.position(v, limit, "column"))
	}
	return at
}

// selectColumns projects n on some of its columns; none means all.
func selectColumns(n Node, cols []int) Node {
	if len(cols) == 0 {
		return n
	}
	types := n.Types()
	exprs := make([]*Expr, len(cols))
	for i, c := range cols {
		exprs[i] = Col(c, types[c])
	}
	return &Project{Input: n, Exprs: exprs}
}

// materializedCTE decodes a definition once; every reference gets the same node.
func (d *decoder) materializedCTE(o object) Node {
	children := o.list("children")
	if len(children) != 2 {
		d.fail("a common table expression has %d parts", len(children))
	}
	index := d.uint(o["table_index"])
	definition := d.node(children[0])
	outer, shadowed := d.ctes[index]
	d.ctes[index] = definition
	main := d.node(children[1])
	if shadowed {
		d.ctes[index] = outer
	} else {
		delete(d.ctes, index)
	}
	return main
}

func (d *decoder) cteRef(o object) Node {
	types := d.types(o.list("chunk_types"))
	n, ok := d.ctes[d.uint(o["cte_index"])]
	if !ok {
		d.fail("a reference to a common table expression that is not in scope")
	}
	if len(n.Types()) != len(types) {
		d.fail("a common table expression has %d columns and is used with %d", len(n.Types()), len(types))
	}
	return n
}

func (d *decoder) values(o object) Node {
	in, s := d.inputs(o)
	n := &Values{Width: d.types(o.list("expr_types"))}
	for _, r := range o.list("expressions") {
		list, _ := r.([]any)
		exprs := d.exprs(list, s)
		if len(exprs) != len(n.Width) {
			d.fail("a row of VALUES has %d columns, not %d", len(exprs), len(n.Width))
		}
		if len(Columns(exprs...)) > 0 {
			return &Unsupported{What: "VALUES that refer to columns", Hint: hintUnnest, Width: n.Width, Below: in}
		}
		n.Rows = append(n.Rows, exprs)
	}
	return n
}

func (d *decoder) filter(o object, in Node, s scope) Node {
	var predicates []*Expr
	for _, e := range d.exprs(o.list("expressions"), s) {
		predicates = conjuncts(predicates, e)
	}
	n := in
	if len(predicates) > 0 {
		n = &Filter{Input: in, Predicates: predicates}
	}
	return selectColumns(n, d.positions(o.list("projection_map"), s.width))
}

func (d *decoder) aggregation(o object, in Node, s scope) Node {
	n := &Aggregate{Input: in, Groups: typedNulls(d.exprs(o.list("groups"), s))}
	for _, e := range o.list("expressions") {
		n.Calls = append(n.Calls, d.aggregate(e, s))
	}
	for _, set := range o.list("grouping_sets") {
		list, _ := set.([]any)
		n.Sets = append(n.Sets, d.positions(list, len(n.Groups)))
	}
	if len(n.Sets) == 1 && len(n.Sets[0]) == len(n.Groups) {
		n.Sets = nil
	}
	for i, set := range n.Sets {
		if set == nil {
			n.Sets[i] = []int{}
		}
	}
	for _, args := range o.list("grouping_functions") {
		list, _ := args.([]any)
		n.Groupings = append(n.Groupings, d.positions(list, len(n.Groups)))
	}
	return n
}

var joinKinds = map[string]JoinKind{
	"INNER": Inner, "LEFT": Left, "RIGHT": Right, "FULL": Full, "OUTER": Full, "SEMI": Semi, "ANTI": Anti, "MARK": Mark, "SINGLE": Single,
}

func (d *decoder) joinKind(o object) JoinKind {
	k, ok := joinKinds[o.str("join_type")]
	if !ok {
		d.fail("there is no join of type %q", o.str("join_type"))
	}
	return k
}

// comparisonJoin decodes a join on comparisons, each of an expression over the left input with one over the right.
func (d *decoder) comparisonJoin(o object, in []Node) Node {
	l, r := d.pair(in)
	n := d.comparisons(d.joinKind(o), o, l, r)
	return d.joinOutput(o, n, n)
}

// comparisons decodes the conditions of a join.
func (d *decoder) comparisons(kind JoinKind, o object, l, r Node) *Join {
	n := &Join{Kind: kind, Left: l, Right: r}
	lw, rw := len(l.Types()), len(r.Types())
	below := o.list("children")
	ls, rs := d.side(below[0], lw), d.side(below[1], rw)
	for _, c := range o.list("conditions") {
		cond := d.object(c, "a join condition")
		name := d.comparison(cond.str("comparison"))
		left, right := d.expr(cond["left"], ls), d.expr(cond["right"], rs)
		if name == Equals || name == NotDistinctFrom {
			n.Keys = append(n.Keys, JoinKey{Left: left, Right: right, NullsEqual: name == NotDistinctFrom})
			continue
		}
		n.Residual = append(n.Residual, Fn(name, row.T(row.Bool), left, right.shift(lw)))
	}
	if p, ok := o["predicate"].(map[string]any); ok {
		n.Residual = conjuncts(n.Residual, d.expr(p, scope{width: lw + rw}))
	}
	return n
}

func (d *decoder) anyJoin(o object, in []Node, s scope) Node {
	l, r := d.pair(in)
	n := &Join{Kind: d.joinKind(o), Left: l, Right: r, Residual: conjuncts(nil, d.expr(o["condition"], s))}
	return d.joinOutput(o, n, n)
}

// joinOutput applies the projection maps of a join, which list the columns of each side that it hands on, to n, which stands for it.
func (d *decoder) joinOutput(o object, n Node, j *Join) Node {
	lw, rw := len(j.Left.Types()), len(j.Right.Types())
	left, right := d.positions(o.list("left_projection_map"), lw), d.positions(o.list("right_projection_map"), rw)
	if left == nil && right == nil {
		return n
	}
	if left == nil {
		left = upTo(lw)
	}
	switch j.Kind {
	case Semi, Anti:
		right = nil
	case Mark:
		right = []int{0}
	default:
		if right == nil {
			right = upTo(rw)
		}
	}
	cols := left
	for _, c := range right {
		cols = append(cols, lw+c)
	}
	return selectColumns(n, cols)
}

func upTo(n int) []int {
	at := make([]int, n)
	for i := range at {
		at[i] = i
	}
	return at
}

func (d *decoder) union(o object, in []Node) Node {
	if len(in) == 0 {
		d.fail("a UNION of nothing")
	}
	for _, b := range in {
		if len(b.Types()) != len(in[0].Types()) {
			d.fail("the branches of a UNION have different widths")
		}
	}
	return &Union{Branches: in}
}

func (d *decoder) distinct(o object, in Node, s scope) Node {
	targets := typedNulls(d.exprs(o.list("distinct_targets"), s))
	covered := Columns(targets...)
	if o.str("distinct_type") == "DISTINCT" && len(covered) == s.width {
		return &Distinct{Input: in}
	}
	return &TopN{Input: in, Partition: targets, Order: d.orders(o.obj("order_by").list("orders"), s), Count: 1}
}

func (d *decoder) limit(o object, in Node) Node {
	count, counted := d.limitBound(o.obj("limit_val"), -1)
	offset, offsetOK := d.limitBound(o.obj("offset_val"), 0)
	if !counted || !offsetOK {
		return &Unsupported{What: "LIMIT with a percentage or an expression", Hint: hintLimit, Width: in.Types(), Below: []Node{in}}
	}
	return &Limit{Input: in, Count: count, Offset: offset}
}

// limitBound reads a bound of a LIMIT, which is unset unless it is there; ok is false for one that is no constant.
func (d *decoder) limitBound(o object, unset int64) (n int64, ok bool) {
	switch o.str("type") {
	case "", "UNSET":
		return unset, true
	case "CONSTANT_VALUE":
		return d.int(o["constant_integer"]), true
	}
	return 0, false
}

// word turns DuckDB's name of an operator into words: "LOGICAL_COPY_TO_FILE" into "COPY TO FILE".
func word(op string) string {
	return strings.ReplaceAll(strings.TrimPrefix(op, "LOGICAL_"), "_", " ")
}
