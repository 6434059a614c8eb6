package plan

import "github.com/tidemill/tidemill/internal/row"

// Node is a relational operator of a bound plan. The set is closed: Get, Values, Filter, Project,
// Aggregate, Session, Join, Union, SetOp, Unnest, Recursive, WorkTable, Distinct, Sort, Limit, TopN, Window and Unsupported.
type Node interface {
	// Types returns the types of the output columns.
	Types() []row.Type
	// Inputs returns the nodes below.
	Inputs() []Node
}

// Get reads a relation.
type Get struct {
	Relation string
	// Columns are the positions of the relation's columns that are read, in output order. Column -1 is a
	// BIGINT of no meaning that stands where DuckDB reads a row id only to count rows.
	Columns []int
	Schema  row.Schema // of the output
	// Filters are predicates over the output columns that rows must satisfy.
	Filters []*Expr
}

// Values is a constant relation.
type Values struct {
	Rows  [][]*Expr // constant expressions
	Width []row.Type
}

// Filter keeps the rows for which all predicates are true.
type Filter struct {
	Input      Node
	Predicates []*Expr
}

// Project computes one column per expression.
type Project struct {
	Input Node
	Exprs []*Expr
}

// AggregateCall is one aggregate function of an Aggregate.
type AggregateCall struct {
	Name     string // DuckDB's: count_star, count, sum, avg, min, max, arg_min, bool_and …
	Args     []*Expr
	Distinct bool
	Filter   *Expr // nil: all rows
	Type     row.Type
	// OrderBy is the order within the aggregate (list(x ORDER BY y)).
	OrderBy []SortKey
	// Bind is the serialised bind data of the aggregate where it has arguments outside Args, else nil.
	Bind []byte
}

// Aggregate groups by Groups; its output is the groups, then the aggregates. Without groups there is
// one row, also over no input.
type Aggregate struct {
	Input Node
	// Groups are the group keys; Sets, if not nil, lists grouping sets as positions in Groups.
	Groups []*Expr
	Sets   [][]int
	Calls  []AggregateCall
	// Groupings are the GROUPING() functions, which come behind the aggregates: each the positions of groups, of which it tells by
	// one bit each, the last the lowest, whether the row's grouping set lacks it.
	Groupings [][]int
	// SessionEnd, if not 0, says that the groups are the sessions of a numbered Session, whose last times are the result of call SessionEnd-1.
	SessionEnd int
}

// JoinKind is the kind of a Join.
type JoinKind uint8

// The kinds of joins.
const (
	Inner JoinKind = iota
	Left
	Right
	Full
	Semi
	Anti
	Mark
	Single
	Cross
	// AsOf and the three after it are ASOF joins by whose rows without a match they keep.
	AsOf
	AsOfLeft
	AsOfRight
	AsOfFull
	// Exists is a Mark that is never null: it tells whether there is a match.
	Exists
)

// JoinKey is one equality of a Join.
type JoinKey struct {
	Left, Right *Expr // over the left and the right input
	// NullsEqual is IS NOT DISTINCT FROM instead of =.
	NullsEqual bool
}

// Join matches rows of two inputs that agree in Keys and satisfy Residual (over left ++ right).
//
// A Mark adds to each left row whether it has a match: null if not, but a comparison with a row of the right side that agrees in
// those Keys in which nulls are equal is null. A Single gives each left row at most one match, the one that arrived
// first. In an ASOF join the Residual is one inequality between the sides, and of the rows that satisfy it a left row gets the nearest; of
// several at the same place the one that arrived last.
type Join struct {
	Kind        JoinKind
	Left, Right Node
	Keys        []JoinKey
	Residual    []*Expr
}

// Union is UNION ALL of inputs with equal types.
type Union struct {
	Branches []Node
}

// Distinct keeps one of equal rows.
type Distinct struct {
	Input Node
}

// SortKey is one term of an ORDER BY.
type SortKey struct {
	Expr       *Expr
	Descending bool
	NullsFirst bool
}

// Sort orders rows. In a maintained view order means nothing by itself.
type Sort struct {
	Input Node
	Keys  []SortKey
}

// Limit keeps Count rows after skipping Offset; Count -1 is no limit.
type Limit struct {
	Input         Node
	Count, Offset int64
}

// Unsupported stands for an operator that plans can hold but Tidemill cannot keep up to date. What names it in
// the words of SQL ("a window function"), Hint says what to write instead. Reads through DuckDB never see it.
type Unsupported struct {
	What, Hint string
	Width      []row.Type
	Below      []Node
}

// Inputs implements Node.
func (n *Get) Inputs() []Node { return nil }

// Inputs implements Node.
func (n *Values) Inputs() []Node { return nil }

// Inputs implements Node.
func (n *Filter) Inputs() []Node { return []Node{n.Input} }

// Inputs implements Node.
func (n *Project) Inputs() []Node { return []Node{n.Input} }

// Inputs implements Node.
func (n *Aggregate) Inputs() []Node { return []Node{n.Input} }

// Inputs implements Node.
func (n *Join) Inputs() []Node { return []Node{n.Left, n.Right} }

// Inputs implements Node.
func (n *Union) Inputs() []Node { return n.Branches }

// Inputs implements Node.
func (n *Distinct) Inputs() []Node { return []Node{n.Input} }

// Inputs implements Node.
func (n *Sort) Inputs() []Node { return []Node{n.Input} }

// Inputs implements Node.
func (n *Limit) Inputs() []Node { return []Node{n.Input} }

// Inputs implements Node.
func (n *Unsupported) Inputs() []Node { return n.Below }

// Types implements Node.
func (n *Get) Types() []row.Type { return n.Schema.Types() }

// Types implements Node.
func (n *Values) Types() []row.Type { return n.Width }

// Types implements Node.
func (n *Filter) Types() []row.Type { return n.Input.Types() }

// Types implements Node.
func (n *Project) Types() []row.Type { return exprTypes(n.Exprs) }

// Types implements Node.
func (n *Aggregate) Types() []row.Type {
	ts := exprTypes(n.Groups)
	for i := range n.Calls {
		ts = append(ts, n.Calls[i].Type)
	}
	for range n.Groupings {
		ts = append(ts, row.T(row.Int64))
	}
	return ts
}

// Types implements Node.
func (n *Join) Types() []row.Type {
	l := n.Left.Types()
	switch n.Kind {
	case Semi, Anti:
		return l
	case Mark, Exists:
		return append(l[:len(l):len(l)], row.T(row.Bool))
	default:
		return append(l[:len(l):len(l)], n.Right.Types()...)
	}
}

// Types implements Node.
func (n *Union) Types() []row.Type { return n.Branches[0].Types() }

// Types implements Node.
func (n *Distinct) Types() []row.Type { return n.Input.Types() }

// Types implements Node.
func (n *Sort) Types() []row.Type { return n.Input.Types() }

// Types implements Node.
func (n *Limit) Types() []row.Type { return n.Input.Types() }

// Types implements Node.
func (n *Unsupported) Types() []row.Type { return n.Width }

func exprTypes(es []*Expr) []row.Type {
	ts := make([]row.Type, len(es))
	for i, e := range es {
		ts[i] = e.Type
	}
	return ts
}

// Nodes returns n and all nodes below it, each once although several may share it, inputs before those that read
// them.
func Nodes(n Node) []Node {
	var list []Node
	seen := map[Node]bool{}
	var visit func(Node)
	visit = func(n Node) {
		if seen[n] {
			return
		}
		seen[n] = true
		for _, in := range n.Inputs() {
			visit(in)
		}
		list = append(list, n)
	}
	visit(n)
	return list
}

// withInputs returns n reading in instead of its inputs: n itself if they are the same.
func withInputs(n Node, in []Node) Node {
	same := true
	for i, old := range n.Inputs() {
		same = same && old == in[i]
	}
	if same {
		return n
	}
	switch n := n.(type) {
	case *Filter:
		c := *n
		c.Input = in[0]
		return &c
	case *Project:
		c := *n
		c.Input = in[0]
		return &c
	case *Aggregate:
		c := *n
		c.Input = in[0]
		return &c
	case *Join:
		c := *n
		c.Left, c.Right = in[0], in[1]
		return &c
	case *Unnest:
		c := *n
		c.Input = in[0]
		return &c
	case *Union:
		return &Union{Branches: in}
	case *Distinct:
		return &Distinct{Input: in[0]}
	case *Recursive:
		c := *n
		c.Anchor, c.Step = in[0], in[1]
		return &c
	case *SetOp:
		c := *n
		c.Left, c.Right = in[0], in[1]
		return &c
	case *Sort:
		c := *n
		c.Input = in[0]
		return &c
	case *Limit:
		c := *n
		c.Input = in[0]
		return &c
	case *Unsupported:
		c := *n
		c.Below = in
		return &c
	case *TopN:
		c := *n
		c.Input = in[0]
		return &c
	case *Session:
		c := *n
		c.Input = in[0]
		return &c
	case *Window:
		c := *n
		c.Input = in[0]
		return &c
	}
	return n
}

// Exprs returns the expressions that n evaluates itself. Those of a Join's keys refer to the columns of their side
// alone.
func Exprs(n Node) []*Expr {
	switch n := n.(type) {
	case *Get:
		return n.Filters
	case *Values:
		var es []*Expr
		for _, r := range n.Rows {
			es = append(es, r...)
		}
		return es
	case *Filter:
		return n.Predicates
	case *Project:
		return n.Exprs
	case *Unnest:
		return n.Lists
	case *Aggregate:
		es := n.Groups[:len(n.Groups):len(n.Groups)]
		for i := range n.Calls {
			es = append(es, n.Calls[i].exprs()...)
		}
		return es
	case *Join:
		var es []*Expr
		for _, k := range n.Keys {
			es = append(es, k.Left, k.Right)
		}
		return append(es, n.Residual...)
	case *Sort:
		es := make([]*Expr, len(n.Keys))
		for i, k := range n.Keys {
			es[i] = k.Expr
		}
		return es
	case *TopN:
		return n.exprs()
	case *Session:
		return n.Keys
	case *Window:
		return n.exprs()
	}
	return nil
}

// exprs returns the expressions that the call evaluates over the input.
func (c *AggregateCall) exprs() []*Expr {
	es := c.Args[:len(c.Args):len(c.Args)]
	if c.Filter != nil {
		es = append(es, c.Filter)
	}
	for _, k := range c.OrderBy {
		es = append(es, k.Expr)
	}
	return es
}

// mapped returns the call with f applied to its expressions.
func (c AggregateCall) mapped(f func(*Expr) *Expr) AggregateCall {
	c.Args = mapExprs(c.Args, f)
	if c.Filter != nil {
		c.Filter = f(c.Filter)
	}
	if c.OrderBy != nil {
		keys := make([]SortKey, len(c.OrderBy))
		for i, k := range c.OrderBy {
			k.Expr = f(k.Expr)
			keys[i] = k
		}
		c.OrderBy = keys
	}
	return c
}
