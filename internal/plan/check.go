package plan

import (
	"slices"

	"github.com/tidemill/tidemill/internal/fault"
)

// Check reports why the result of an optimized plan cannot be kept up to date, or nil if it can. The error is a *fault.Error
// that names the construct in the words of SQL, with a hint at what to write instead. The outermost reason is given first. Which
// aggregate functions can be maintained is known to those who maintain them, not here.
func Check(n Node) error {
	nodes := Nodes(n)
	needs := neededColumns(n)
	for i := len(nodes) - 1; i >= 0; i-- {
		if err := checkNode(nodes[i], needs); err != nil {
			return err
		}
	}
	return nil
}

func checkNode(n Node, needs map[Node]columnSet) error {
	exprs := Exprs(n)
	if f, ok := n.(*Filter); ok {
		timeless, temporal := f.SplitTemporal()
		exprs = timeless
		for _, e := range temporal {
			if _, err := TemporalsOf(e); err != nil {
				return err
			}
		}
	}
	for _, e := range exprs {
		if err := checkExpr(e); err != nil {
			return err
		}
	}
	switch n := n.(type) {
	case *Unsupported:
		return refusal(n.What, n.Hint)
	case *Get:
		for i, c := range n.Columns {
			if c < 0 && needs[n].has(i) {
				return refusal("rowid", "Rows of "+n.Relation+" have no number; use a column that identifies them.")
			}
		}
	case *Sort:
		return refusal("ORDER BY in a subquery whose order decides the result of an aggregate", "Put the order into the aggregate: list(x ORDER BY y).")
	case *Limit:
		return refusal("LIMIT", hintLimit)
	case *Join:
		return checkJoin(n)
	}
	return nil
}

func checkJoin(n *Join) error {
	switch n.Kind {
	case Inner, Cross:
	case Left, Right, Full:
		if n.Kind == Left && len(n.Keys) > 0 && !slices.ContainsFunc(n.Keys, func(k JoinKey) bool { return !k.NullsEqual }) {
			return refusal("a LEFT JOIN or a correlated subquery (which is one)", hintSubquery+" "+hintOuter)
		}
		return refusal(map[JoinKind]string{Left: "LEFT JOIN", Right: "RIGHT JOIN", Full: "FULL JOIN"}[n.Kind], hintOuter)
	case Semi:
		return refusal("EXISTS with a condition other than equality", "Join on equal columns and remove duplicates with DISTINCT.")
	case Anti:
		return refusal("NOT EXISTS (an anti join)", hintAnti)
	case Mark:
		return refusal("NOT IN, or IN inside of an expression, with a subquery", "Use IN (SELECT …) as a condition of its own in WHERE, or a JOIN.")
	case Single:
		return refusal("a correlated subquery", hintSubquery)
	default:
		return refusal("an ASOF JOIN", "Join on equal time buckets.")
	}
	if len(n.Keys) > 0 {
		return nil
	}
	if singleRow(n.Left) || singleRow(n.Right) {
		return refusal("a comparison of every row with one value computed over a whole input (a scalar subquery, or a join with it)",
			"Keep that value as a view of its own and compare in the query that reads both.")
	}
	if n.Kind == Inner || len(n.Residual) > 0 {
		return refusal("a join without an equality between its sides", "Add one: … ON a.key = b.key AND …; a time bucket on both sides also serves.")
	}
	return refusal("a cross product", "Add an equality between the tables: FROM a JOIN b ON a.key = b.key.")
}

// singleRow reports whether n has at most one row by its form.
func singleRow(n Node) bool {
	key := UniqueKey(n, nil)
	return key != nil && len(key) == 0
}

func checkExpr(e *Expr) error {
	var err *fault.Error
	e.Walk(func(x *Expr) bool {
		switch {
		case x.Kind == Param:
			err = refusal("a query with parameters", "Write the values into the view's definition, or filter in the query that reads it.")
		case x.Volatile && isClock(x.Name):
			err = fault.New(fault.FeatureNotSupported, "%s is volatile: a materialized view must give the same answer whenever its inputs are the same", clockName(x.Name)).
				WithHint("The time can be compared with in WHERE and HAVING: at > now() - INTERVAL 1 HOUR. Elsewhere ask for it in the query that reads the view, or store it in a column of the event.")
		case x.Volatile:
			err = fault.New(fault.FeatureNotSupported, "%s() is volatile: a materialized view must give the same answer whenever its inputs are the same", x.Name).
				WithHint("Compute the value when the event is ingested and store it in a column.")
		}
		return err == nil
	})
	if err == nil {
		return nil
	}
	return err
}

// clockName is what users write to get the time.
func clockName(name string) string {
	if name == "stream_now" {
		return "now() (or current_timestamp, current_date …)"
	}
	return name + "()"
}
