package dataflow

import (
	"fmt"
	"strings"

	"github.com/tidemill/tidemill/internal/dataflow/state"
	"github.com/tidemill/tidemill/internal/fault"
	"github.com/tidemill/tidemill/internal/plan"
	"github.com/tidemill/tidemill/internal/row"
)

// equiJoin reports whether a join is for joinOp: an inner join with keys whose condition has no ranges that are worth an index.
func equiJoin(n *plan.Join) bool {
	if n.Kind != plan.Inner || len(n.Keys) == 0 {
		return false
	}
	_, _, ranges := spansOf(n.Residual, len(n.Left.Types()), true)
	return !ranges
}

// joinShape is what a join hands on: emit of the types, which chain is over.
type joinShape struct {
	emit  []joinColumn
	types []row.Type
	// test are the columns that residual reads.
	test          []joinColumn
	testTypes     []row.Type
	residual      []*plan.Expr
	leftN, rightN []bool // the columns of either side that are read
	chain         chain
}

// shapeOf finds the columns that a join has to carry for the chain above it and for its own residual.
func shapeOf(n *plan.Join, left, right []row.Type, c chain) *joinShape {
	s := &joinShape{leftN: make([]bool, len(left)), rightN: make([]bool, len(right)), chain: c}
	types := n.Types()
	need := make([]bool, len(types))
	for i := range need {
		need[i] = c.exprs == nil
	}
	usedColumns(need, c.exprs)
	usedColumns(need, c.preds)
	at := func(i int) joinColumn {
		switch {
		case i < len(left):
			return joinColumn{column: i}
		case n.Kind == plan.Exists:
			return joinColumn{column: joinMark}
		}
		return joinColumn{right: true, column: i - len(left)}
	}
	by := make([]*plan.Expr, len(types))
	for i, is := range need {
		if is {
			by[i] = &plan.Expr{Kind: plan.Column, Index: len(s.emit)}
			s.emit, s.types = append(s.emit, s.reads(at(i))), append(s.types, types[i])
		}
	}
	s.chain.preds = retargetAll(c.preds, by)
	if c.exprs != nil {
		s.chain.exprs = retargetAll(c.exprs, by)
	}
	tested := make([]bool, len(left)+len(right))
	usedColumns(tested, n.Residual)
	by = make([]*plan.Expr, len(tested))
	for i, is := range tested {
		if !is {
			continue
		}
		by[i] = &plan.Expr{Kind: plan.Column, Index: len(s.test)}
		col, typ := joinColumn{column: i}, row.Type{}
		if i < len(left) {
			typ = left[i]
		} else {
			col, typ = joinColumn{right: true, column: i - len(left)}, right[i-len(left)]
		}
		s.test, s.testTypes = append(s.test, s.reads(col)), append(s.testTypes, typ)
	}
	s.residual = retargetAll(n.Residual, by)
	return s
}

func (s *joinShape) reads(c joinColumn) joinColumn {
	switch {
	case c.column == joinMark:
	case c.right:
		s.rightN[c.column] = true
	default:
		s.leftN[c.column] = true
	}
	return c
}

// finish puts the rest of the chain on a join.
func (b *builder) finish(out lowered, s *joinShape) (lowered, error) {
	if s.chain.exprs == nil && s.chain.preds == nil {
		return out, nil
	}
	return b.addMap(out, s.chain)
}

// swapped returns a RIGHT join as the LEFT join it is, and the columns of the former as columns of the latter.
func swapped(n *plan.Join) (*plan.Join, []*plan.Expr) {
	left, right := n.Left.Types(), n.Right.Types()
	out := &plan.Join{Kind: plan.Left, Left: n.Right, Right: n.Left}
	var cols []*plan.Expr
	for i, t := range left {
		cols = append(cols, plan.Col(len(right)+i, t))
	}
	for i, t := range right {
		cols = append(cols, plan.Col(i, t))
	}
	for _, k := range n.Keys {
		out.Keys = append(out.Keys, plan.JoinKey{Left: k.Right, Right: k.Left, NullsEqual: k.NullsEqual})
	}
	out.Residual = substituteAll(n.Residual, cols)
	return out, cols
}

// lowerMatch lowers the joins that joinOp is not for.
func (b *builder) lowerMatch(n *plan.Join, c chain) (lowered, error) {
	switch n.Kind {
	case plan.Right:
		n, cols := swapped(n)
		return b.lowerMatch(n, c.through(cols))
	case plan.AsOf, plan.AsOfLeft, plan.AsOfRight, plan.AsOfFull, plan.Single:
		return b.lowerAsOf(n, c)
	case plan.Mark:
		return lowered{}, fmt.Errorf("BUG: a mark join is left over")
	}
	left, err := b.lower(n.Left)
	if err != nil {
		return lowered{}, err
	}
	right, err := b.lower(n.Right)
	if err != nil {
		return lowered{}, err
	}
	s := shapeOf(n, left.types, right.types, c)
	nd := node{inputs: []int{left.node, right.node}}
	if nd.title, nd.routes, err = b.joinRoutes(n, left, right); err != nil {
		return lowered{}, err
	}
	limitL, limitR := b.joinLimits(n)
	nd.timed = limitL != nil || limitR != nil
	out := lowered{types: s.types, appendOnly: left.appendOnly && right.appendOnly &&
		(n.Kind == plan.Inner || n.Kind == plan.Cross || n.Kind == plan.Semi)}
	for range b.Workers {
		op, err := b.newMatch(n, s, left, right)
		if err != nil {
			return lowered{}, err
		}
		op.title = nd.title
		if op.left.expiry, err = b.newExpiry(limitL, left); err != nil {
			return lowered{}, err
		}
		if op.right.expiry, err = b.newExpiry(limitR, right); err != nil {
			return lowered{}, err
		}
		nd.shards = append(nd.shards, op)
	}
	out.node = b.add(nd)
	return b.finish(out, s)
}

func (b *builder) newMatch(n *plan.Join, s *joinShape, left, right lowered) (*matchOp, error) {
	op := &matchOp{emit: s.emit, types: s.types, test: s.test, keyless: len(n.Keys) == 0}
	switch n.Kind {
	case plan.Inner, plan.Cross:
		op.pairs = true
	case plan.Left:
		op.pairs, op.aloneL = true, true
	case plan.Full:
		op.pairs, op.aloneL, op.aloneR = true, true, true
	case plan.Semi:
		op.matched = true
	case plan.Anti:
		op.aloneL = true
	case plan.Exists:
		op.matched, op.aloneL = true, true
	}
	lk, rk, strict := keysOf(n)
	op.left = newMatchSide(lk, strict, left, s.leftN, op.aloneL || op.matched)
	op.right = newMatchSide(rk, strict, right, s.rightN, op.aloneR)
	op.right.isRight = true
	var err error
	if op.residual, err = b.compile(s.residual, s.testTypes); err != nil {
		return nil, err
	}
	ls, rs, some := spansOf(n.Residual, len(left.types), len(n.Keys) > 0)
	if !some {
		return op, nil
	}
	if op.left.span, err = b.newSpan(&ls, left.types); err != nil {
		return nil, err
	}
	op.right.span, err = b.newSpan(&rs, right.types)
	return op, err
}

func newMatchSide(keys []*plan.Expr, strict []bool, in lowered, needed []bool, counted bool) *matchSide {
	return &matchSide{rowTable: newRowTable(in.types, needed, !in.appendOnly, counted), strict: strict, counted: counted, keys: state.NewSet(typesOf(keys))}
}

func (b *builder) newSpan(s *spanPlan, types []row.Type) (*span, error) {
	p, err := b.compile(s.exprs, types)
	return &span{program: p, tree: state.NewPlaces(), limits: s.limits}, err
}

// keysOf returns the keys of either side, and which of them a null of matches nothing.
func keysOf(n *plan.Join) (left, right []*plan.Expr, strict []bool) {
	strict = make([]bool, len(n.Keys))
	for i, k := range n.Keys {
		left, right, strict[i] = append(left, k.Left), append(right, k.Right), !k.NullsEqual
	}
	return left, right, strict
}

var joinTitles = map[plan.JoinKind]string{
	plan.Inner: "join", plan.Cross: "cross join", plan.Left: "left join", plan.Full: "full join", plan.Semi: "semi join", plan.Anti: "anti join",
	plan.Exists: "match", plan.Single: "single join", plan.AsOf: "asof join", plan.AsOfLeft: "asof left join",
	plan.AsOfRight: "asof right join", plan.AsOfFull: "asof full join",
}

// joinRoutes decides where the rows of a join meet: with keys on the shard of the key, without them one side stays divided among the shards and the
// other, the right one or one that is a single row, is sent to all of them.
func (b *builder) joinRoutes(n *plan.Join, left, right lowered) (title string, routes []*router, err error) {
	lk, rk, strict := keysOf(n)
	texts := make([]string, len(n.Keys))
	for i, k := range n.Keys {
		op := " = "
		if k.NullsEqual {
			op = " " + plan.NotDistinctFrom + " "
		}
		texts[i] = k.Left.String() + op + k.Right.String()
	}
	title = joinTitles[n.Kind]
	if len(texts) > 0 {
		title += " on " + strings.Join(texts, " AND ")
	}
	if len(n.Residual) > 0 {
		title += " where " + listOf(n.Residual, " AND ")
	}
	if _, _, ranges := spansOf(n.Residual, len(left.types), len(n.Keys) > 0); ranges {
		title += "  (by range)"
	}
	title += kept(left.appendOnly && right.appendOnly)
	if err := comparable(typesOf(lk), "a join"); err != nil {
		return "", nil, err
	}
	if len(n.Keys) == 0 {
		return title, keylessRoutes(n, left, right), nil
	}
	drops := func(alone bool) []bool {
		if alone {
			return make([]bool, len(strict))
		}
		return strict
	}
	var r [2]*router
	if r[0], err = b.keyRouter(lk, left.types, drops(n.Kind != plan.Inner && n.Kind != plan.Semi && n.Kind != plan.AsOf && n.Kind != plan.AsOfRight)); err != nil {
		return "", nil, err
	}
	r[1], err = b.keyRouter(rk, right.types, drops(n.Kind == plan.Full || n.Kind == plan.AsOfRight || n.Kind == plan.AsOfFull))
	return title, r[:], err
}

func keylessRoutes(n *plan.Join, left, right lowered) []*router {
	divided := func(l lowered) *router {
		all := make([]int, len(l.types))
		for i := range all {
			all[i] = i
		}
		return byColumns(all)
	}
	everywhere := func() *router { return &router{title: "to every worker", broadcast: true} }
	switch key := plan.UniqueKey(n.Left, nil); {
	case n.Kind == plan.Full || n.Kind == plan.AsOfRight || n.Kind == plan.AsOfFull:
		return []*router{byColumns(nil), byColumns(nil)}
	case (n.Kind == plan.Inner || n.Kind == plan.Cross) && key != nil && len(key) == 0:
		return []*router{everywhere(), divided(right)}
	}
	return []*router{divided(left), everywhere()}
}

// lowerAsOf lowers the joins in which a row of the left side gets one row of the right side.
func (b *builder) lowerAsOf(n *plan.Join, c chain) (lowered, error) {
	if n.Kind == plan.Single && len(n.Residual) > 0 {
		return lowered{}, fmt.Errorf("BUG: a single join with a residual is left over")
	}
	left, err := b.lower(n.Left)
	if err != nil {
		return lowered{}, err
	}
	right, err := b.lower(n.Right)
	if err != nil {
		return lowered{}, err
	}
	order := comparison{}
	op := ""
	if n.Kind != plan.Single {
		var ok bool
		if order, op, ok = nearest(n, len(left.types)); !ok {
			return lowered{}, fault.New(fault.FeatureNotSupported, "an ASOF JOIN with a condition other than equalities and one inequality cannot be kept up to date").
				WithHint("put the other conditions into a subquery, or into WHERE")
		}
	}
	s := shapeOf(n, left.types, right.types, c)
	bounds := b.asofBounds(n)
	nd := node{inputs: []int{left.node, right.node}, timed: bounds != nil}
	if nd.title, nd.routes, err = b.joinRoutes(n, left, right); err != nil {
		return lowered{}, err
	}
	for range b.Workers {
		o, err := b.newAsOf(n, s, left, right, order)
		if err != nil {
			return lowered{}, err
		}
		o.title = nd.title
		o.first = n.Kind == plan.Single
		o.down = o.first || !order.less
		o.exclude = op == plan.Less || op == plan.Greater
		if o.frees, err = b.newAsOfFree(bounds, o.down); err != nil {
			return lowered{}, err
		}
		nd.shards = append(nd.shards, o)
	}
	return b.finish(lowered{node: b.add(nd), types: s.types}, s)
}

// nearest reads the one inequality of an ASOF join, with the name of its comparison.
func nearest(n *plan.Join, width int) (comparison, string, bool) {
	if len(n.Residual) != 1 {
		return comparison{}, "", false
	}
	c, ok := comparisonOf(n.Residual[0], width)
	if !ok {
		return comparison{}, "", false
	}
	// The order must be exactly that of the condition, offsets included.
	e := n.Residual[0]
	c.left, c.right = e.Args[0], e.Args[1]
	if plan.Columns(c.left)[0] >= width {
		c.left, c.right = c.right, c.left
	}
	c.right = c.right.Substitute(func(x *plan.Expr) *plan.Expr { return plan.Col(x.Index-width, x.Type) })
	return c, e.Name, true
}

func (b *builder) newAsOf(n *plan.Join, s *joinShape, left, right lowered, order comparison) (*asofOp, error) {
	lk, rk, strict := keysOf(n)
	o := &asofOp{emit: s.emit, types: s.types, keyless: len(n.Keys) == 0, keys: state.NewSet(typesOf(rk)),
		aloneL: n.Kind == plan.Single || n.Kind == plan.AsOfLeft || n.Kind == plan.AsOfFull,
		aloneR: n.Kind == plan.AsOfRight || n.Kind == plan.AsOfFull,
		left:   newAsOfSide(left, s.leftN, strict[:len(lk)]), right: newAsOfSide(right, s.rightN, strict[:len(rk)])}
	o.right.isRight = true
	if order.left == nil {
		return o, nil
	}
	var err error
	if w := order.left.Type.Phys().Width(); w == 0 || w > 8 {
		blob := []row.Type{row.T(row.Blob)}
		o.left.rests, o.right.rests = state.NewRows(blob), state.NewRows(blob)
	}
	if o.left.order, err = b.compile([]*plan.Expr{order.left}, left.types); err != nil {
		return nil, err
	}
	o.right.order, err = b.compile([]*plan.Expr{order.right}, right.types)
	return o, err
}

func newAsOfSide(in lowered, needed, strict []bool) *asofSide {
	return &asofSide{rowTable: newRowTable(in.types, needed, !in.appendOnly, true), strict: strict, tree: state.NewPlaces()}
}
