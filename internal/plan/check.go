package plan

import (
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
		if n.Kind == Mark {
			return refusal("IN, ANY or ALL with a subquery under a condition of another form", "Compare one column with the subquery's column, and write the rest into the subquery.")
		}
	}
	return nil
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
		case x.Volatile && x.Name == sessionText:
			err = fault.New(fault.FeatureNotSupported, "%s depends on the session that asks: a materialized view has the same answer for all", sessionName(x)).
				WithHint("Ask for it in the query that reads the view, or write the value into the view's definition.")
		case x.Volatile && x.Name == rowNumber:
			err = refusal("a number of rows that have no order", "Order them: row_number() OVER (ORDER BY …).")
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

// sessionText is the function that stands for what the session is asked about itself; its argument says what.
const sessionText = "session_text"

func sessionName(call *Expr) string {
	if len(call.Args) == 1 && call.Args[0].Kind == Constant {
		return call.Args[0].Value.S
	}
	return "a function"
}

// clockName is what users write to get the time.
func clockName(name string) string {
	if name == "stream_now" {
		return "now() (or current_timestamp, current_date …)"
	}
	return name + "()"
}
