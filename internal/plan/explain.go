package plan

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/tidemill/tidemill/internal/row"
)

// Explain draws the plan as an indented tree, one operator a line, its inputs below it. A column is shown
// by its name where the input has only one of that name, as name#position where it has several, and as #position where it
// has none. An operator that is read by several others is drawn once, with a number in brackets, and referred to by it.
func Explain(n Node) string {
	ex := explainer{labels: map[Node][]string{}, shared: map[Node]int{}, drawn: map[Node]bool{}}
	uses := map[Node]int{}
	for _, x := range Nodes(n) {
		for _, in := range x.Inputs() {
			uses[in]++
		}
	}
	for _, x := range Nodes(n) {
		if uses[x] > 1 {
			ex.shared[x] = len(ex.shared) + 1
		}
	}
	ex.draw(n, 0)
	return ex.b.String()
}

// String writes the expression readably, columns as #0, #1 ….
func (e *Expr) String() string {
	p := printer{column: func(c *Expr) string { return "#" + strconv.Itoa(c.Index) }}
	return p.expr(e)
}

type explainer struct {
	b      strings.Builder
	labels map[Node][]string
	shared map[Node]int
	drawn  map[Node]bool
}

func (ex *explainer) draw(n Node, depth int) {
	ex.b.WriteString(strings.Repeat("  ", depth))
	if id, ok := ex.shared[n]; ok {
		if ex.drawn[n] {
			fmt.Fprintf(&ex.b, "[%d] as above\n", id)
			return
		}
		fmt.Fprintf(&ex.b, "[%d] ", id)
	}
	ex.drawn[n] = true
	ex.b.WriteString(ex.line(n) + "\n")
	for _, in := range n.Inputs() {
		ex.draw(in, depth+1)
	}
}

// line describes one operator.
func (ex *explainer) line(n Node) string {
	switch n := n.(type) {
	case *Get:
		return ex.get(n)
	case *Values:
		return "Values " + ex.rows(n)
	case *Filter:
		return "Filter " + ex.list(n.Predicates, ex.of(n.Input), " and ")
	case *Project:
		return "Project " + ex.list(n.Exprs, ex.of(n.Input), ", ")
	case *Aggregate:
		return ex.aggregate(n)
	case *Join:
		return ex.join(n)
	case *Union:
		return "Union"
	case *Distinct:
		return "Distinct"
	case *SetOp:
		return n.String()
	case *Recursive:
		return n.line()
	case *WorkTable:
		return "Iteration of " + strconv.FormatUint(n.ID, 10)
	case *Unnest:
		return n.line(ex)
	case *Sort:
		return "Sort by " + ex.sortKeys(n.Keys, ex.of(n.Input))
	case *Limit:
		return limitText(n)
	case *TopN:
		return ex.topN(n)
	case *Session:
		return n.line(ex.list(n.Keys, ex.of(n.Input), ", "), ex.of(n.Input)[n.Time])
	case *Window:
		return ex.window(n)
	case *Unsupported:
		return "Unsupported: " + n.What
	}
	return fmt.Sprintf("%T", n)
}

func (ex *explainer) get(n *Get) string {
	s := "Get " + n.Relation + "(" + strings.Join(columnNames(n), ", ") + ")"
	if len(n.Filters) > 0 {
		s += " where " + ex.list(n.Filters, ex.of(n), " and ")
	}
	return s
}

func columnNames(n *Get) []string {
	names := n.Schema.Names()
	for i, c := range n.Columns {
		if c < 0 {
			names[i] = "-"
		}
	}
	return names
}

func (ex *explainer) rows(n *Values) string {
	const shown = 5
	rows := make([]string, 0, shown)
	for _, r := range n.Rows[:min(shown, len(n.Rows))] {
		rows = append(rows, "("+ex.list(r, nil, ", ")+")")
	}
	switch rest := len(n.Rows) - shown; {
	case len(n.Rows) == 0:
		return "(no rows)"
	case rest > 0:
		rows = append(rows, fmt.Sprintf("… %d more", rest))
	}
	return strings.Join(rows, ", ")
}

func (ex *explainer) aggregate(n *Aggregate) string {
	in := ex.of(n.Input)
	s := "Aggregate"
	if len(n.Groups) > 0 {
		s += " by " + ex.list(n.Groups, in, ", ")
	}
	if n.Sets != nil {
		sets := make([]string, len(n.Sets))
		for i, set := range n.Sets {
			at := make([]string, len(set))
			for j, g := range set {
				at[j] = strconv.Itoa(g)
			}
			sets[i] = "(" + strings.Join(at, " ") + ")"
		}
		s += " in sets " + strings.Join(sets, " ")
	}
	calls := make([]string, len(n.Calls))
	for i := range n.Calls {
		calls[i] = ex.call(&n.Calls[i], in)
	}
	for _, g := range n.Groupings {
		calls = append(calls, "grouping("+ints(g)+")")
	}
	if len(calls) > 0 {
		s += ": " + strings.Join(calls, ", ")
	}
	return s
}

func (ex *explainer) call(c *AggregateCall, in []string) string {
	s := c.Name + "("
	if c.Name == "count_star" {
		s = "count(*"
	}
	if c.Distinct {
		s += "distinct "
	}
	s += ex.list(c.Args, in, ", ")
	if len(c.OrderBy) > 0 {
		s += " order by " + ex.sortKeys(c.OrderBy, in)
	}
	s += ")"
	if len(c.Bind) > 0 {
		s += " with " + string(c.Bind)
	}
	if c.Filter != nil {
		s += " filter (" + ex.expr(c.Filter, in) + ")"
	}
	return s
}

var joinNames = map[JoinKind]string{
	Inner: "inner", Left: "left", Right: "right", Full: "full", Semi: "semi", Anti: "anti", Mark: "mark", Single: "single", Cross: "cross", AsOf: "asof",
	AsOfLeft: "asof left", AsOfRight: "asof right", AsOfFull: "asof full", Exists: "exists",
}

func (ex *explainer) join(n *Join) string {
	l, r := ex.of(n.Left), ex.of(n.Right)
	s := "Join " + joinNames[n.Kind]
	for i, k := range n.Keys {
		word, op := " and ", " = "
		if i == 0 {
			word = " on "
		}
		if k.NullsEqual {
			op = " " + NotDistinctFrom + " "
		}
		s += word + ex.expr(k.Left, l) + op + ex.expr(k.Right, r)
	}
	if len(n.Residual) > 0 {
		s += " where " + ex.list(n.Residual, concat(l, r), " and ")
	}
	return s
}

func (ex *explainer) sortKeys(keys []SortKey, in []string) string {
	terms := make([]string, len(keys))
	for i, k := range keys {
		terms[i] = ex.expr(k.Expr, in)
		if k.Descending {
			terms[i] += " desc"
		}
		if k.NullsFirst {
			terms[i] += " nulls first"
		}
	}
	return strings.Join(terms, ", ")
}

func limitText(n *Limit) string {
	s := "Limit"
	if n.Count >= 0 {
		s += " " + strconv.FormatInt(n.Count, 10)
	}
	if n.Offset > 0 {
		s += " offset " + strconv.FormatInt(n.Offset, 10)
	}
	return s
}

func (ex *explainer) list(es []*Expr, in []string, sep string) string {
	texts := make([]string, len(es))
	for i, e := range es {
		texts[i] = ex.expr(e, in)
	}
	return strings.Join(texts, sep)
}

// expr writes e over columns with the given labels.
func (ex *explainer) expr(e *Expr, in []string) string {
	p := printer{column: func(c *Expr) string {
		position := "#" + strconv.Itoa(c.Index)
		if c.Index >= len(in) || in[c.Index] == "" {
			return position
		}
		for i, l := range in {
			if l == in[c.Index] && i != c.Index {
				return l + position
			}
		}
		return in[c.Index]
	}}
	text := p.expr(e)
	if strings.HasPrefix(text, "(") && strings.HasSuffix(text, ")") && e.Kind == Call && e.Name != Or {
		text = text[1 : len(text)-1]
	}
	return text
}

// of returns a name for each output column of n, empty for what is computed.
func (ex *explainer) of(n Node) []string {
	if l, ok := ex.labels[n]; ok {
		return l
	}
	l := ex.label(n)
	ex.labels[n] = l
	return l
}

func (ex *explainer) label(n Node) []string {
	switch n := n.(type) {
	case *Get:
		return columnNames(n)
	case *Project:
		return carried(n.Exprs, ex.of(n.Input))
	case *Aggregate:
		return concat(carried(n.Groups, ex.of(n.Input)), make([]string, len(n.Calls)+len(n.Groupings)))
	case *Filter, *Distinct, *Sort, *Limit, *Union, *SetOp:
		return ex.of(n.Inputs()[0])
	case *TopN, *Unnest, *Session, *Window:
		in := n.Inputs()[0]
		return concat(ex.of(in), make([]string, len(n.Types())-len(in.Types())))
	case *Join:
		switch n.Kind {
		case Semi, Anti:
			return ex.of(n.Left)
		case Mark, Exists:
			return concat(ex.of(n.Left), []string{""})
		}
		return concat(ex.of(n.Left), ex.of(n.Right))
	}
	return make([]string, len(n.Types()))
}

// carried names the expressions that are mere columns.
func carried(es []*Expr, in []string) []string {
	l := make([]string, len(es))
	for i, e := range es {
		if e.Kind == Column && e.Index < len(in) {
			l[i] = in[e.Index]
		}
	}
	return l
}

func concat[T any](a, b []T) []T { return append(a[:len(a):len(a)], b...) }

func typeList(ts []row.Type) string {
	names := make([]string, len(ts))
	for i, t := range ts {
		names[i] = t.String()
	}
	return "(" + strings.Join(names, ", ") + ")"
}
