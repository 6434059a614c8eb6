package plan

import (
	"slices"

	"github.com/tidemill/tidemill/internal/row"
)

// expandGroupingSets writes an aggregation by several grouping sets as one aggregation per set over the same input. What
// is not in a set is null there, and GROUPING() is a constant of the set.
func expandGroupingSets(root Node) Node {
	return rebuild(root, func(n Node, _ func(Node) bool) Node {
		a, ok := n.(*Aggregate)
		if !ok || a.Sets == nil && a.Groupings == nil {
			return n
		}
		sets := a.Sets
		if sets == nil {
			sets = [][]int{upTo(len(a.Groups))}
		}
		out := &Union{}
		for _, set := range sets {
			out.Branches = append(out.Branches, a.bySet(set))
		}
		return out
	})
}

// bySet is the part of an aggregation that one of its grouping sets makes.
func (n *Aggregate) bySet(set []int) Node {
	part := &Aggregate{Input: n.Input, Calls: n.Calls}
	var exprs []*Expr
	for i, g := range n.Groups {
		if !slices.Contains(set, i) {
			exprs = append(exprs, Const(row.NullValue(g.Type)))
			continue
		}
		exprs = append(exprs, Col(len(part.Groups), g.Type))
		part.Groups = append(part.Groups, g)
	}
	for i := range n.Calls {
		exprs = append(exprs, Col(len(part.Groups)+i, n.Calls[i].Type))
	}
	for _, args := range n.Groupings {
		bits := int64(0)
		for _, g := range args {
			bits <<= 1
			if !slices.Contains(set, g) {
				bits |= 1
			}
		}
		exprs = append(exprs, Const(row.IntValue(row.T(row.Int64), bits)))
	}
	if len(set) == 0 && len(n.Calls) == 0 {
		// The empty set has one row whatever the input is, and nothing in it is computed.
		t := row.T(row.Int32)
		return &Project{Input: &Values{Rows: [][]*Expr{{Const(row.NullValue(t))}}, Width: []row.Type{t}}, Exprs: exprs}
	}
	return &Project{Input: part, Exprs: exprs}
}
