package plan_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/tidemill/tidemill/internal/plan"
)

// sqlWriter writes a plan as a SELECT, so that DuckDB can say what the plan means. Output columns are named c0, c1 ….
type sqlWriter struct{ err error }

// asSQL writes n; it fails for what has no counterpart in SQL.
func asSQL(n plan.Node) (string, error) {
	w := &sqlWriter{}
	s := w.node(n)
	return s, w.err
}

func (w *sqlWriter) fail(format string, args ...any) string {
	if w.err == nil {
		w.err = fmt.Errorf(format, args...)
	}
	return ""
}

var reference = regexp.MustCompile(`'(?:[^']|'')*'|"(?:[^"]|"")*"|\$[0-9]+`)

// expr writes an expression over columns with the given names.
func (w *sqlWriter) expr(e *plan.Expr, names []string) string {
	text, columns, err := plan.SQLOf(e)
	if err != nil {
		return w.fail("%v", err)
	}
	return reference.ReplaceAllStringFunc(text, func(m string) string {
		var i int
		if _, err := fmt.Sscanf(m, "$%d", &i); err != nil {
			return m
		}
		return names[columns[i-1]]
	})
}

func (w *sqlWriter) exprs(es []*plan.Expr, names []string) []string {
	out := make([]string, len(es))
	for i, e := range es {
		if e.Kind == plan.Call && slices.Contains([]string{"row_number", "json_each", "json_tree"}, e.Name) {
			w.fail("%s() is no scalar function in SQL", e.Name)
		}
		out[i] = w.expr(e, names)
	}
	return out
}

func (w *sqlWriter) list(es []*plan.Expr, names []string) string {
	texts := w.exprs(es, names)
	for i := range texts {
		texts[i] += fmt.Sprintf(" AS c%d", i)
	}
	return strings.Join(texts, ", ")
}

func (w *sqlWriter) where(es []*plan.Expr, names []string) string {
	if len(es) == 0 {
		return ""
	}
	return " WHERE " + strings.Join(w.exprs(es, names), " AND ")
}

func columnNames(prefix string, n int) []string {
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprintf("%sc%d", prefix, i)
	}
	return names
}

func (w *sqlWriter) node(n plan.Node) string {
	switch n := n.(type) {
	case *plan.Get:
		names := make([]string, len(n.Columns))
		list := make([]string, len(n.Columns))
		for i, c := range n.Schema {
			names[i] = `"` + c.Name + `"`
			if n.Columns[i] < 0 {
				names[i] = "CAST(0 AS BIGINT)"
			}
			list[i] = fmt.Sprintf("%s AS c%d", names[i], i)
		}
		return "SELECT " + strings.Join(list, ", ") + " FROM " + n.Relation + w.where(n.Filters, names)
	case *plan.Values:
		return w.values(n)
	case *plan.Filter:
		return "SELECT * FROM (" + w.node(n.Input) + ") t" + w.where(n.Predicates, columnNames("t.", len(n.Input.Types())))
	case *plan.Project:
		return "SELECT " + w.list(n.Exprs, columnNames("t.", len(n.Input.Types()))) + " FROM (" + w.node(n.Input) + ") t"
	case *plan.Aggregate:
		return w.aggregate(n)
	case *plan.Join:
		return w.join(n)
	case *plan.Union:
		parts := make([]string, len(n.Branches))
		for i, b := range n.Branches {
			parts[i] = "(" + w.node(b) + ")"
		}
		return strings.Join(parts, " UNION ALL ")
	case *plan.SetOp:
		return "(" + w.node(n.Left) + ") " + n.String() + " (" + w.node(n.Right) + ")"
	case *plan.Window:
		return w.window(n)
	case *plan.TopN:
		return w.topN(n)
	case *plan.Unnest:
		return w.unnest(n)
	case *plan.Distinct:
		return "SELECT DISTINCT * FROM (" + w.node(n.Input) + ") t"
	}
	return w.fail("%T has no SQL", n)
}

func (w *sqlWriter) unnest(n *plan.Unnest) string {
	if n.Outer || n.Ordinality {
		return w.fail("this unnest has no SQL")
	}
	names := columnNames("t.", len(n.Input.Types()))
	list := append([]string{}, names...)
	for i, e := range w.exprs(n.Lists, names) {
		list = append(list, fmt.Sprintf("unnest(%s) AS c%d", e, len(names)+i))
	}
	return "SELECT " + strings.Join(list, ", ") + " FROM (" + w.node(n.Input) + ") t"
}

func (w *sqlWriter) values(n *plan.Values) string {
	var rows []string
	for _, r := range n.Rows {
		rows = append(rows, "SELECT "+w.list(r, nil))
	}
	if len(rows) > 0 {
		return strings.Join(rows, " UNION ALL ")
	}
	var nulls []string
	for i, t := range n.Width {
		nulls = append(nulls, fmt.Sprintf("CAST(NULL AS %s) AS c%d", t, i))
	}
	return "SELECT " + strings.Join(nulls, ", ") + " WHERE false"
}

func (w *sqlWriter) aggregate(n *plan.Aggregate) string {
	names := columnNames("t.", len(n.Input.Types()))
	groups := w.exprs(n.Groups, names)
	list := make([]string, 0, len(groups)+len(n.Calls))
	for i, g := range groups {
		list = append(list, fmt.Sprintf("%s AS c%d", g, i))
	}
	for i := range n.Calls {
		list = append(list, fmt.Sprintf("%s AS c%d", w.call(&n.Calls[i], names), len(groups)+i))
	}
	for i, args := range n.Groupings {
		var of []string
		for _, g := range args {
			of = append(of, groups[g])
		}
		list = append(list, fmt.Sprintf("grouping(%s) AS c%d", strings.Join(of, ", "), len(groups)+len(n.Calls)+i))
	}
	s := "SELECT " + strings.Join(list, ", ") + " FROM (" + w.node(n.Input) + ") t"
	switch {
	case n.Sets != nil:
		sets := make([]string, len(n.Sets))
		for i, set := range n.Sets {
			var in []string
			for _, g := range set {
				in = append(in, groups[g])
			}
			sets[i] = "(" + strings.Join(in, ", ") + ")"
		}
		s += " GROUP BY GROUPING SETS (" + strings.Join(sets, ", ") + ")"
	case len(groups) > 0:
		s += " GROUP BY " + strings.Join(groups, ", ")
	}
	return s
}

func (w *sqlWriter) call(c *plan.AggregateCall, names []string) string {
	if len(c.Bind) > 0 {
		return w.fail("%s has arguments in its bind data", c.Name)
	}
	s := `"` + c.Name + `"(`
	if c.Distinct {
		s += "DISTINCT "
	}
	s += strings.Join(w.exprs(c.Args, names), ", ")
	for i, k := range c.OrderBy {
		word := ", "
		if i == 0 {
			word = " ORDER BY "
		}
		s += word + w.expr(k.Expr, names)
		if k.Descending {
			s += " DESC"
		}
		if k.NullsFirst {
			s += " NULLS FIRST"
		}
	}
	s += ")"
	if c.Filter != nil {
		s += " FILTER (WHERE " + w.expr(c.Filter, names) + ")"
	}
	return s
}

func (w *sqlWriter) join(n *plan.Join) string {
	words := map[plan.JoinKind]string{
		plan.Inner: "JOIN", plan.Left: "LEFT JOIN", plan.Right: "RIGHT JOIN", plan.Full: "FULL JOIN", plan.Semi: "SEMI JOIN", plan.Anti: "ANTI JOIN", plan.Cross: "CROSS JOIN",
	}
	word, ok := words[n.Kind]
	if !ok {
		return w.fail("join kind %d has no SQL", n.Kind)
	}
	l, r := columnNames("l.", len(n.Left.Types())), columnNames("r.", len(n.Right.Types()))
	both := append(l[:len(l):len(l)], r...)
	conditions := w.exprs(n.Residual, both)
	for _, k := range n.Keys {
		op := " = "
		if k.NullsEqual {
			op = " IS NOT DISTINCT FROM "
		}
		conditions = append(conditions, w.expr(k.Left, l)+op+w.expr(k.Right, r))
	}
	visible := both
	if n.Kind == plan.Semi || n.Kind == plan.Anti {
		visible = l
	}
	list := make([]string, len(visible))
	for i, c := range visible {
		list[i] = fmt.Sprintf("%s AS c%d", c, i)
	}
	s := "SELECT " + strings.Join(list, ", ") + " FROM (" + w.node(n.Left) + ") l " + word + " (" + w.node(n.Right) + ") r"
	if n.Kind == plan.Cross {
		return s
	}
	if len(conditions) == 0 {
		conditions = []string{"true"}
	}
	return s + " ON " + strings.Join(conditions, " AND ")
}

func (w *sqlWriter) over(partition []*plan.Expr, order []plan.SortKey, names []string) string {
	s := ""
	if len(partition) > 0 {
		s = "PARTITION BY " + strings.Join(w.exprs(partition, names), ", ")
	}
	for i, k := range order {
		word := ", "
		if i == 0 {
			word = " ORDER BY "
		}
		s += word + w.expr(k.Expr, names)
		if k.Descending {
			s += " DESC"
		}
		if k.NullsFirst {
			s += " NULLS FIRST"
		} else {
			s += " NULLS LAST"
		}
	}
	return s
}

func (w *sqlWriter) topN(n *plan.TopN) string {
	names := columnNames("t.", len(n.Input.Types()))
	place := "row_number"
	switch {
	case n.WithTies:
		place = "rank"
	case n.Dense:
		place = "dense_rank"
	}
	s := fmt.Sprintf("SELECT t.*, %s() OVER (%s) AS c%d FROM (%s) t", place, w.over(n.Partition, n.Order, names), len(names), w.node(n.Input))
	shown := columnNames("u.", len(n.Types()))
	s = fmt.Sprintf("SELECT %s FROM (%s) u WHERE u.c%d > %d", strings.Join(shown, ", "), s, len(names), n.Offset)
	if n.Count >= 0 {
		s += fmt.Sprintf(" AND u.c%d <= %d", len(names), n.Offset+n.Count)
	}
	return s
}

func (w *sqlWriter) window(n *plan.Window) string {
	names := columnNames("t.", len(n.Input.Types()))
	list := []string{"t.*"}
	for i := range n.Calls {
		c := &n.Calls[i]
		call := c.AggregateCall
		filter := call.Filter
		call.Filter = nil
		s := w.call(&call, names)
		if c.Name == "count_star" {
			s = "count(*)"
		}
		if c.IgnoreNulls {
			s = strings.TrimSuffix(s, ")") + " IGNORE NULLS)"
		}
		if filter != nil {
			s += " FILTER (WHERE " + w.expr(filter, names) + ")"
		}
		list = append(list, fmt.Sprintf("%s OVER (%s%s) AS c%d", s, w.over(n.Partition, n.Order, names), w.frame(c, names), len(names)+i))
	}
	return "SELECT " + strings.Join(list, ", ") + " FROM (" + w.node(n.Input) + ") t"
}

func (w *sqlWriter) frame(c *plan.WindowCall, names []string) string {
	if !c.UsesFrame() {
		return ""
	}
	bound := func(b plan.FrameBound, side string) string {
		switch {
		case b.Kind == plan.Unbounded:
			return "UNBOUNDED " + side
		case b.Kind == plan.CurrentRow:
			return "CURRENT ROW"
		case c.Frame.Unit == plan.FrameRange:
			return w.fail("the offset of a RANGE is not in the plan")
		case b.Kind == plan.Preceding:
			return w.expr(b.Offset, names) + " PRECEDING"
		}
		return w.expr(b.Offset, names) + " FOLLOWING"
	}
	return " " + [...]string{"ROWS", "RANGE", "GROUPS"}[c.Frame.Unit] + " BETWEEN " + bound(c.Frame.Start, "PRECEDING") + " AND " + bound(c.Frame.End, "FOLLOWING") +
		[...]string{"", " EXCLUDE CURRENT ROW", " EXCLUDE GROUP", " EXCLUDE TIES"}[c.Frame.Exclude]
}
