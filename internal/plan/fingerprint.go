package plan

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
)

// Fingerprint returns a canonical text of the plan: two plans have the same text exactly if they have the same operators
// with the same expressions over the same relations, so that they can share one dataflow. Whether equal parts are
// one node or several makes no difference, nor does the order of the predicates of a filter. The text depends on this
// version of the program.
func Fingerprint(n Node) string {
	return FingerprintBy(n, func(_ string, column int) int { return column })
}

// FingerprintBy is Fingerprint with other numbers for the columns of relations, so that a plan keeps its text when columns that it does not read come or go.
func FingerprintBy(n Node, column func(relation string, column int) int) string {
	f := fingerprinter{ids: map[string]int{}, nodes: map[Node]int{}, column: column}
	for _, x := range Nodes(n) {
		f.add(x)
	}
	return strings.Join(f.lines, "\n")
}

// fingerprinter writes one line per distinct operator; operators refer to their inputs by line.
type fingerprinter struct {
	lines []string
	ids   map[string]int
	nodes map[Node]int
	// column numbers the columns of relations.
	column func(relation string, column int) int
}

func (f *fingerprinter) add(n Node) {
	line := f.line(n)
	id, ok := f.ids[line]
	if !ok {
		id = len(f.lines)
		f.ids[line] = id
		f.lines = append(f.lines, line)
	}
	f.nodes[n] = id
}

func (f *fingerprinter) line(n Node) string {
	var b strings.Builder
	part := func(name, text string) {
		b.WriteString(" " + name + "{" + text + "}")
	}
	for _, in := range n.Inputs() {
		b.WriteString(" @" + strconv.Itoa(f.nodes[in]))
	}
	switch n := n.(type) {
	case *Get:
		part("get", strconv.Quote(n.Relation))
		columns := make([]int, len(n.Columns))
		for i, c := range n.Columns {
			if columns[i] = c; c >= 0 {
				columns[i] = f.column(n.Relation, c)
			}
		}
		part("columns", ints(columns))
		part("types", typeList(n.Types()))
		part("where", sorted(n.Filters))
	case *Values:
		part("values", typeList(n.Width))
		for _, r := range n.Rows {
			part("row", exact(r...))
		}
	case *Filter:
		part("filter", sorted(n.Predicates))
	case *Project:
		part("project", exact(n.Exprs...))
	case *Aggregate:
		part("group", exact(n.Groups...))
		for _, s := range n.Sets {
			part("set", ints(s))
		}
		for _, g := range n.Groupings {
			part("grouping", ints(g))
		}
		for i := range n.Calls {
			part("call", fingerprintCall(&n.Calls[i]))
		}
		if n.SessionEnd != 0 {
			part("session end", strconv.Itoa(n.SessionEnd))
		}
	case *Join:
		part(joinNames[n.Kind], fingerprintKeys(n.Keys))
		part("where", sorted(n.Residual))
	case *Union:
		part("union", "")
	case *Distinct:
		part("distinct", "")
	case *Recursive:
		part("recursive", n.line())
	case *WorkTable:
		part("iteration", strconv.FormatUint(n.ID, 10)+typeList(n.Width))
	case *Unnest:
		part("unnest", n.fingerprint())
	case *SetOp:
		part("setop", n.String())
	case *Sort:
		part("sort", fingerprintOrder(n.Keys))
	case *Limit:
		part("limit", strconv.FormatInt(n.Count, 10)+" "+strconv.FormatInt(n.Offset, 10))
	case *Session:
		part("session", n.line(exact(n.Keys...), strconv.Itoa(n.Time)))
	case *Window:
		part("window", exact(n.Partition...))
		part("order", fingerprintOrder(n.Order))
		for i := range n.Calls {
			part("call", fingerprintWindowCall(&n.Calls[i]))
		}
	case *TopN:
		part("top", n.keptBy())
		part("partition", exact(n.Partition...))
		part("order", fingerprintOrder(n.Order))
	case *Unsupported:
		part("unsupported", strconv.Quote(n.What))
		part("types", typeList(n.Width))
	}
	return b.String()
}

func fingerprintCall(c *AggregateCall) string {
	s := strconv.Quote(c.Name) + exact(c.Args...) + " " + c.Type.String()
	if c.Distinct {
		s += " distinct"
	}
	if c.Filter != nil {
		s += " filter " + exact(c.Filter)
	}
	if len(c.OrderBy) > 0 {
		s += " order " + fingerprintOrder(c.OrderBy)
	}
	return s + " " + string(c.Bind)
}

func fingerprintKeys(keys []JoinKey) string {
	texts := make([]string, len(keys))
	for i, k := range keys {
		texts[i] = exact(k.Left) + exact(k.Right) + strconv.FormatBool(k.NullsEqual)
	}
	slices.Sort(texts)
	return strings.Join(texts, ", ")
}

func fingerprintOrder(keys []SortKey) string {
	texts := make([]string, len(keys))
	for i, k := range keys {
		texts[i] = exact(k.Expr) + " " + strconv.FormatBool(k.Descending) + " " + strconv.FormatBool(k.NullsFirst)
	}
	return strings.Join(texts, ", ")
}

// sorted writes predicates that all must hold, in an order of their own.
func sorted(es []*Expr) string {
	texts := make([]string, len(es))
	for i, e := range es {
		texts[i] = exact(e)
	}
	slices.SortFunc(texts, cmp.Compare[string])
	return strings.Join(texts, "")
}

// exact writes expressions so that different ones have different texts. Unlike SQL it can write every expression.
func exact(es ...*Expr) string {
	var b strings.Builder
	for _, e := range es {
		b.WriteByte('(')
		switch e.Kind {
		case Column:
			b.WriteString("#" + strconv.Itoa(e.Index))
		case Param:
			b.WriteString("$" + strconv.Itoa(e.Index))
		case Constant:
			b.WriteString("=" + exactLiteral(e.Value))
		case Cast:
			b.WriteString("cast " + strconv.FormatBool(e.Try))
		case Case:
			b.WriteString("case")
		case Call:
			b.WriteString(strconv.Quote(e.Name))
			if e.SQL != "" {
				b.WriteString(strconv.Quote(e.SQL))
			}
		}
		b.WriteString(":" + e.Type.String() + exact(e.Args...) + ")")
	}
	return b.String()
}

func ints(list []int) string {
	texts := make([]string, len(list))
	for i, v := range list {
		texts[i] = strconv.Itoa(v)
	}
	return strings.Join(texts, " ")
}
