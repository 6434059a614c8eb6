package dataflow

import (
	"errors"
	"fmt"
	"strings"

	"github.com/tidemill/tidemill/internal/dataflow/state"
	"github.com/tidemill/tidemill/internal/fault"
	"github.com/tidemill/tidemill/internal/plan"
	"github.com/tidemill/tidemill/internal/row"
)

func (b *builder) lowerGet(n *plan.Get, c chain) (lowered, error) {
	src, ok := b.sources[n.Relation]
	if !ok {
		schema := b.Schema(n.Relation)
		src = lowered{types: schema.Types(), appendOnly: b.AppendOnly(n.Relation)}
		src.node = b.add(node{title: "changes of " + n.Relation})
		b.g.sources[n.Relation] = append(b.g.sources[n.Relation], src.node)
		b.sources[n.Relation] = src
	}
	cols := make([]*plan.Expr, len(n.Columns))
	for i, k := range n.Columns {
		if k < 0 {
			cols[i] = plan.Const(row.IntValue(row.T(row.Int64), 0))
		} else {
			cols[i] = plan.Col(k, src.types[k])
		}
	}
	c.preds = append(n.Filters[:len(n.Filters):len(n.Filters)], c.preds...)
	src, err := b.addLate(n, src)
	if err != nil {
		return lowered{}, err
	}
	return b.addMap(src, c.through(cols))
}

func (b *builder) lowerUnion(n *plan.Union) (lowered, error) {
	out := lowered{appendOnly: true}
	nd := node{title: "union all"}
	for _, branch := range n.Branches {
		l, err := b.lower(branch)
		if err != nil {
			return lowered{}, err
		}
		out.types = l.types
		out.appendOnly = out.appendOnly && l.appendOnly
		nd.inputs = append(nd.inputs, l.node)
		nd.routes = append(nd.routes, nil)
	}
	for range b.Workers {
		nd.shards = append(nd.shards, unionOp{})
	}
	out.node = b.add(nd)
	return out, nil
}

func (b *builder) lowerValues(n *plan.Values) (lowered, error) {
	builders := row.NewBatchBuilder(n.Width, len(n.Rows))
	for _, r := range n.Rows {
		if len(r) == 0 {
			continue
		}
		p, err := b.compile(r, nil)
		if err != nil {
			return lowered{}, err
		}
		cols, errs, err := p.Eval(&row.Batch{Len: 1})
		if err != nil {
			return lowered{}, err
		}
		if len(errs) > 0 {
			return lowered{}, fault.New(fault.InvalidParameterValue, "%s", errs[0].Message)
		}
		for c := range cols {
			builders.Cols[c].AppendFrom(&cols[c], 0)
		}
	}
	out := lowered{types: n.Width, appendOnly: true}
	nd := node{title: fmt.Sprintf("%d constant rows", len(n.Rows)), initial: true}
	for w := range b.Workers {
		op := &valuesOp{}
		if w == 0 {
			op.rows = builders.Finish(len(n.Rows))
		}
		nd.shards = append(nd.shards, op)
	}
	out.node = b.add(nd)
	return out, nil
}

func (b *builder) lowerDistinct(n *plan.Distinct) (lowered, error) {
	in, err := b.lower(n.Input)
	if err != nil {
		return lowered{}, err
	}
	if err := comparable(in.types, "DISTINCT"); err != nil {
		return lowered{}, err
	}
	all := make([]int, len(in.types))
	for i := range all {
		all[i] = i
	}
	at, bounds := b.closingColumn(n.Input)
	nd := node{title: "distinct" + kept(in.appendOnly), inputs: []int{in.node}, routes: []*router{byColumns(all)}, timed: bounds != nil}
	for range b.Workers {
		op := newDistinct(in.types, in.appendOnly)
		if op.closer, err = b.newCloser(at, closing{bounds}); err != nil {
			return lowered{}, err
		}
		nd.shards = append(nd.shards, op)
	}
	return lowered{node: b.add(nd), types: in.types, appendOnly: in.appendOnly}, nil
}

// kept says for EXPLAIN whether an operator needs state for retractions.
func kept(appendOnly bool) string {
	if appendOnly {
		return "  (append-only input)"
	}
	return ""
}

func byColumns(cols []int) *router {
	return &router{title: "exchange by " + columnList(cols), columns: cols, dropNulls: make([]bool, len(cols))}
}

func columnList(cols []int) string {
	if len(cols) == 0 {
		return "nothing: all to one worker"
	}
	texts := make([]string, len(cols))
	for i, c := range cols {
		texts[i] = fmt.Sprintf("#%d", c)
	}
	return strings.Join(texts, ", ")
}

// comparable refuses types whose equality the engine does not know.
func comparable(types []row.Type, where string) error {
	for _, t := range types {
		if t.Kind == row.Other {
			return fault.New(fault.FeatureNotSupported, "%s over a column of type %s cannot be kept up to date yet", where, t).
				WithHint("use its fields as columns of their own, or cast it to VARCHAR")
		}
	}
	return nil
}

func (b *builder) lowerAggregate(n *plan.Aggregate) (lowered, error) {
	if n.Sets != nil || n.Groupings != nil {
		return lowered{}, errors.New("BUG: an aggregation by grouping sets that Optimize has not written as several")
	}
	if err := comparable(typesOf(n.Groups), "GROUP BY"); err != nil {
		return lowered{}, err
	}
	// The input carries the groups first, then each argument and filter once.
	exprs := append([]*plan.Expr(nil), n.Groups...)
	position := func(e *plan.Expr) int {
		for i, have := range exprs {
			if have == e || (e.Kind == plan.Column && have.Kind == plan.Column && have.Index == e.Index) {
				return i
			}
		}
		exprs = append(exprs, e)
		return len(exprs) - 1
	}
	calls := make([]aggregateCall, len(n.Calls))
	canonical := make([]plan.AggregateCall, len(n.Calls))
	for i := range n.Calls {
		call, err := canonicalCall(n.Calls[i])
		if err != nil {
			return lowered{}, err
		}
		canonical[i] = call
		calls[i].filter = -1
		if call.Filter != nil {
			calls[i].filter = position(call.Filter)
		}
		for _, a := range inputsOf(&call) {
			calls[i].args = append(calls[i].args, position(a))
		}
		calls[i].nulls = takesNull(&call)
	}
	in, err := b.lowerChain(n.Input, chain{exprs: exprs})
	if err != nil {
		return lowered{}, err
	}
	keys := make([]int, len(n.Groups))
	for i := range keys {
		keys[i] = i
	}
	nd := node{title: aggregateTitle(n, calls) + kept(in.appendOnly), inputs: []int{in.node}, routes: []*router{byColumns(keys)}, initial: len(n.Groups) == 0}
	group, bounds := b.closingGroup(n)
	if bounds != nil {
		nd.title += fmt.Sprintf(", closed by #%d", group)
		nd.timed = true
	}
	for w := range b.Workers {
		op := &aggregateOp{title: nd.title, groups: state.NewSet(typesOf(n.Groups)), single: len(n.Groups) == 0, owner: w == 0, retract: !in.appendOnly}
		if op.closer, err = b.newCloser(group, closing{bounds}); err != nil {
			return lowered{}, err
		}
		for i := range calls {
			c := calls[i]
			if c.state, err = newAccumulator(&canonical[i], in.appendOnly); err != nil {
				return lowered{}, err
			}
			op.calls = append(op.calls, c)
		}
		if c, err := b.sessionCloser(n, op.calls); err != nil {
			return lowered{}, err
		} else if c != nil {
			op.closer, nd.timed = c, true
		}
		nd.shards = append(nd.shards, op)
	}
	return lowered{node: b.add(nd), types: n.Types()}, nil
}

func aggregateTitle(n *plan.Aggregate, calls []aggregateCall) string {
	var parts []string
	for i := range n.Calls {
		args := make([]string, len(calls[i].args))
		for k, a := range calls[i].args {
			args[k] = fmt.Sprintf("#%d", a)
		}
		text := n.Calls[i].Name + "(" + strings.Join(args, ", ") + ")"
		if n.Calls[i].Distinct {
			text = n.Calls[i].Name + "(DISTINCT " + strings.Join(args, ", ") + ")"
		}
		if f := calls[i].filter; f >= 0 {
			text += fmt.Sprintf(" FILTER (#%d)", f)
		}
		parts = append(parts, text)
	}
	title := "aggregate " + strings.Join(parts, ", ")
	if len(n.Groups) > 0 {
		keys := make([]int, len(n.Groups))
		for i := range keys {
			keys[i] = i
		}
		title += " by " + columnList(keys)
	}
	return title
}

func (b *builder) lowerJoin(n *plan.Join, c chain) (lowered, error) {
	if !equiJoin(n) {
		return b.lowerMatch(n, c)
	}
	left, err := b.lower(n.Left)
	if err != nil {
		return lowered{}, err
	}
	right, err := b.lower(n.Right)
	if err != nil {
		return lowered{}, err
	}
	width := len(left.types) + len(right.types)
	need := make([]bool, width)
	if c.exprs == nil {
		for i := range need {
			need[i] = true
		}
	}
	usedColumns(need, c.exprs)
	usedColumns(need, c.preds)
	usedColumns(need, n.Residual)
	all := append(left.types[:len(left.types):len(left.types)], right.types...)
	by := make([]*plan.Expr, width)
	out := lowered{appendOnly: left.appendOnly && right.appendOnly}
	var emit []joinColumn
	for i := range width {
		if need[i] {
			by[i] = &plan.Expr{Kind: plan.Column, Index: len(emit)}
			emit = append(emit, joinColumn{right: i >= len(left.types), column: i - boolInt(i >= len(left.types))*len(left.types)})
			out.types = append(out.types, all[i])
		}
	}
	if out.node, err = b.addJoin(n, left, right, need, emit, retargetAll(n.Residual, by), out.types); err != nil {
		return lowered{}, err
	}
	c.preds = retargetAll(c.preds, by)
	if c.exprs != nil {
		c.exprs = retargetAll(c.exprs, by)
	}
	if c.exprs == nil && c.preds == nil {
		return out, nil
	}
	return b.addMap(out, c)
}

func boolInt(x bool) int {
	if x {
		return 1
	}
	return 0
}

func retargetAll(es []*plan.Expr, by []*plan.Expr) []*plan.Expr {
	if es == nil {
		return nil
	}
	out := make([]*plan.Expr, len(es))
	for i, e := range es {
		out[i] = retarget(e, by)
	}
	return out
}

func (b *builder) addJoin(n *plan.Join, left, right lowered, need []bool, emit []joinColumn, residual []*plan.Expr, types []row.Type) (int, error) {
	var lk, rk []*plan.Expr
	drop := make([]bool, len(n.Keys))
	texts := make([]string, len(n.Keys))
	for i, k := range n.Keys {
		lk, rk, drop[i] = append(lk, k.Left), append(rk, k.Right), !k.NullsEqual
		texts[i] = k.Left.String() + " = " + k.Right.String()
	}
	if err := comparable(typesOf(lk), "a join"); err != nil {
		return 0, err
	}
	title := "join on " + strings.Join(texts, " AND ")
	if len(residual) > 0 {
		title += " where " + listOf(residual, " AND ")
	}
	title += kept(left.appendOnly && right.appendOnly)
	lr, err := b.keyRouter(lk, left.types, drop)
	if err != nil {
		return 0, err
	}
	rr, err := b.keyRouter(rk, right.types, drop)
	if err != nil {
		return 0, err
	}
	limitL, limitR := b.joinLimits(n)
	nd := node{title: title, inputs: []int{left.node, right.node}, routes: []*router{lr, rr}, timed: limitL != nil || limitR != nil}
	for range b.Workers {
		op := &joinOp{title: title, emit: emit,
			left:  newJoinSide(typesOf(lk), left.types, need[:len(left.types)], !left.appendOnly),
			right: newJoinSide(typesOf(rk), right.types, need[len(left.types):], !right.appendOnly)}
		if op.residual, err = b.compile(residual, types); err != nil {
			return 0, err
		}
		if op.left.expiry, err = b.newExpiry(limitL, left); err != nil {
			return 0, err
		}
		if op.right.expiry, err = b.newExpiry(limitR, right); err != nil {
			return 0, err
		}
		nd.shards = append(nd.shards, op)
	}
	return b.add(nd), nil
}

func (b *builder) keyRouter(keys []*plan.Expr, in []row.Type, drop []bool) (*router, error) {
	r := &router{title: "exchange by " + listOf(keys, ", "), dropNulls: drop}
	plain := true
	for _, k := range keys {
		plain = plain && k.Kind == plan.Column
	}
	if plain {
		for _, k := range keys {
			r.columns = append(r.columns, k.Index)
		}
		return r, nil
	}
	for range b.Workers {
		p, err := b.compile(keys, in)
		if err != nil {
			return nil, err
		}
		r.programs = append(r.programs, p)
	}
	return r, nil
}
