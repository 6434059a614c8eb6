package plan

import (
	"github.com/tidemill/tidemill/internal/fault"
	"github.com/tidemill/tidemill/internal/row"
)

// Hints that several refusals share.
const (
	hintUnnest = "Split nested values before they are ingested: one event per element."
	hintLimit  = "Leave ORDER BY and LIMIT out of the view and write them in the query that reads it."
)

// refusal is the error for a construct that cannot be kept up to date.
func refusal(what, hint string) *fault.Error {
	e := fault.New(fault.FeatureNotSupported, "%s cannot be kept up to date in a materialized view", what)
	if hint == "" {
		return e
	}
	return e.WithHint("%s", hint)
}

// unsupported decodes an operator that has no node of its own.
func (d *decoder) unsupported(o object, in []Node) Node {
	n := &Unsupported{Below: in}
	for _, b := range in {
		n.Width = append(n.Width, b.Types()...)
	}
	first := func() {
		if len(in) > 0 {
			n.Width = in[0].Types()
		}
	}
	switch op := o.str("type"); op {
	case "LOGICAL_POSITIONAL_JOIN":
		n.What, n.Hint = "a POSITIONAL JOIN", "Rows of streams and tables have no position; join on a column."
	case "LOGICAL_SAMPLE":
		n.What, n.Hint = "a sample", "Pick rows by a column instead: WHERE hash(id) % 10 = 0."
		first()
	case "LOGICAL_INSERT", "LOGICAL_UPDATE", "LOGICAL_DELETE", "LOGICAL_MERGE_INTO":
		n.What, n.Hint = word(op), "A view is defined by a SELECT."
		n.Width = []row.Type{row.T(row.Int64)}
	default:
		n.What = "the operation " + word(op)
	}
	return n
}
