package plan

import "github.com/tidemill/tidemill/internal/row"

// markToExists writes IN, ANY and ALL with a subquery, whose result may be null, as a join that only tells whether there is a
// match, and one with what makes the difference between false and null: whether the subquery has rows, and nulls among them.
func markToExists(root Node) Node {
	root = rebuild(root, func(n Node, shared func(Node) bool) Node {
		f, ok := n.(*Filter)
		if !ok || shared(f.Input) {
			return n
		}
		if j, ok := f.Input.(*Join); ok && j.Kind == Mark {
			return unmarked(f, j)
		}
		return n
	})
	return rebuild(root, func(n Node, _ func(Node) bool) Node {
		j, ok := n.(*Join)
		if !ok || j.Kind != Mark {
			return n
		}
		m, ok := marking(j)
		switch {
		case !ok:
			return n
		case m == nil:
			return withKind(j, Exists)
		}
		width := len(j.Left.Types())
		yes := Col(width, row.T(row.Bool))
		in, nulls := m.joined(withKind(j, Exists))
		mark := &Expr{Kind: Case, Type: row.T(row.Bool), Args: []*Expr{yes, truth(true), Fn(IsNull, row.T(row.Bool), nulls), truth(false),
			anyOf(append([]*Expr{nulls}, m.leftNull...)), Const(row.NullValue(row.T(row.Bool))), truth(false)}}
		return &Project{Input: in, Exprs: append(allOf(j.Left), mark)}
	})
}

// unmarked writes a filter for the rows whose mark is false as an anti join.
func unmarked(f *Filter, j *Join) Node {
	width := len(j.Left.Types())
	isNot := func(e *Expr) bool {
		return e.Kind == Call && e.Name == Not && e.Args[0].Kind == Column && e.Args[0].Index == width
	}
	m, ok := marking(j)
	nots, rest := split(allConjuncts(f.Predicates), isNot)
	if len(nots) == 0 || !ok {
		return f
	}
	rest = mapExprs(rest, func(e *Expr) *Expr {
		return e.Substitute(func(c *Expr) *Expr {
			if c.Index == width {
				return truth(false)
			}
			return c
		})
	})
	in := Node(withKind(j, Anti))
	if m != nil {
		boolean := row.T(row.Bool)
		var nulls *Expr
		in, nulls = m.joined(in)
		known := Fn(Not, boolean, anyOf(append([]*Expr{nulls}, m.leftNull...)))
		rest = append(rest, anyOf([]*Expr{Fn(IsNull, boolean, nulls), known}))
	}
	if len(rest) > 0 { // over in, whose columns behind the left ones are not the mark
		in = &Filter{Input: in, Predicates: rest}
	}
	return &Project{Input: in, Exprs: append(allOf(j.Left), truth(false))}
}

// mark is what tells null from false in the mark of a join.
type mark struct {
	// leftNull are whether the left operands are null.
	leftNull []*Expr
	// state is over the rows of the right side that a left row is compared with: null without rows, else whether one has a null
	// operand. Its columns are the keys that say which rows are compared, then the state.
	state *Aggregate
	keys  []JoinKey
}

// marking returns nil for a join whose mark is never null; ok is false if it compares other than one side with the other.
func marking(j *Join) (m *mark, ok bool) {
	m = &mark{}
	boolean, width := row.T(row.Bool), len(j.Left.Types())
	var groups, rightNull []*Expr
	for _, k := range j.Keys {
		if k.NullsEqual {
			m.keys = append(m.keys, JoinKey{Left: k.Left, Right: Col(len(groups), k.Right.Type), NullsEqual: true})
			groups = append(groups, k.Right)
			continue
		}
		m.leftNull = append(m.leftNull, Fn(IsNull, boolean, k.Left))
		rightNull = append(rightNull, Fn(IsNull, boolean, k.Right))
	}
	for _, e := range j.Residual {
		if e.Kind != Call || !isComparison(e.Name) || len(e.Args) != 2 {
			return nil, false
		}
		for _, a := range e.Args {
			switch cols := Columns(a); {
			case len(cols) == 0:
			case cols[0] >= width:
				rightNull = append(rightNull, Fn(IsNull, boolean, a.shift(-width)))
			case cols[len(cols)-1] < width:
				m.leftNull = append(m.leftNull, Fn(IsNull, boolean, a))
			default:
				return nil, false
			}
		}
	}
	if len(m.leftNull) == 0 && len(rightNull) == 0 {
		return nil, true
	}
	if len(rightNull) == 0 {
		rightNull = append(rightNull, truth(false))
	}
	m.state = &Aggregate{Input: j.Right, Groups: groups, Calls: []AggregateCall{{Name: "bool_or", Args: []*Expr{anyOf(rightNull)}, Type: boolean}}}
	return m, true
}

// joined joins in, which begins with the columns of the marked join's left side, with the state, and returns where that is.
func (m *mark) joined(in Node) (Node, *Expr) {
	j := &Join{Kind: Left, Left: in, Right: m.state, Keys: m.keys}
	if len(m.keys) == 0 {
		j.Kind = Cross
	}
	return j, Col(len(in.Types())+len(m.keys), row.T(row.Bool))
}

func withKind(j *Join, kind JoinKind) *Join {
	c := *j
	c.Kind = kind
	return &c
}

func truth(b bool) *Expr { return Const(row.BoolValue(b)) }

func anyOf(es []*Expr) *Expr {
	if len(es) == 1 {
		return es[0]
	}
	return Fn(Or, row.T(row.Bool), es...)
}

// allOf returns references to the columns of n.
func allOf(n Node) []*Expr {
	types := n.Types()
	es := make([]*Expr, len(types), len(types)+1)
	for i, t := range types {
		es[i] = Col(i, t)
	}
	return es
}
