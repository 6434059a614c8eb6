package plan

import (
	"fmt"
	"maps"
	"strconv"

	"github.com/tidemill/tidemill/internal/row"
)

// Recursive is a recursive common table expression: the rows of Anchor, those that Step makes of them, those that it makes of these, and so on until it makes none.
// In Step, the WorkTable of the same ID stands for the rows of the iteration before. Step is not asked about no rows.
type Recursive struct {
	ID uint64
	// All is UNION ALL. Without it, a row counts once, and a row that an earlier iteration has brought is not a new one.
	All          bool
	Anchor, Step Node
}

// WorkTable stands for the rows of the iteration before, in the Step of the Recursive of that ID.
type WorkTable struct {
	ID    uint64
	Width []row.Type
}

// Inputs implements Node.
func (n *Recursive) Inputs() []Node { return []Node{n.Anchor, n.Step} }

// Inputs implements Node.
func (n *WorkTable) Inputs() []Node { return nil }

// Types implements Node.
func (n *Recursive) Types() []row.Type { return n.Anchor.Types() }

// Types implements Node.
func (n *WorkTable) Types() []row.Type { return n.Width }

func (n *Recursive) line() string {
	if n.All {
		return fmt.Sprintf("Recursive %d UNION ALL", n.ID)
	}
	return fmt.Sprintf("Recursive %d UNION", n.ID)
}

// recursiveCTE decodes a recursive query.
func (d *decoder) recursiveCTE(o object) Node {
	children := o.list("children")
	if len(children) != 2 {
		d.fail("a recursive query has %d parts", len(children))
	}
	id := d.uint(o["table_index"])
	anchor := d.node(children[0])
	types := anchor.Types()
	if len(o.list("key_targets")) > 0 {
		return &Unsupported{What: "a recursive query with USING KEY", Hint: "Write it with UNION, and choose among the rows of a key in the query around it.",
			Width: types, Below: []Node{anchor}}
	}
	outer, shadowed := d.ctes[id]
	d.ctes[id] = &WorkTable{ID: id, Width: types}
	step := d.node(children[1])
	delete(d.ctes, id)
	if shadowed {
		d.ctes[id] = outer
	}
	if len(step.Types()) != len(types) {
		d.fail("the parts of a recursive query have different widths")
	}
	return &Recursive{ID: id, All: o.flag("union_all"), Anchor: anchor, Step: step}
}

// Iteration returns Step with relations in the place of what does not change from one iteration to the next: relation work is the WorkTable, and
// relation(i) is input i of those returned. It can be kept up to date by itself.
func (n *Recursive) Iteration(work string, relation func(i int) string) (step Node, inputs []Node) {
	free := map[Node]map[uint64]bool{}
	done := map[Node]Node{}
	for _, x := range Nodes(n.Step) {
		free[x] = freeTables(x, free)
		switch w, ok := x.(*WorkTable); {
		case ok && w.ID == n.ID:
			done[x] = relationOf(work, w.Width)
			continue
		case len(free[x]) == 0:
			continue
		}
		in := make([]Node, len(x.Inputs()))
		for i, below := range x.Inputs() {
			if done[below] == nil {
				done[below] = relationOf(relation(len(inputs)), below.Types())
				inputs = append(inputs, below)
			}
			in[i] = done[below]
		}
		done[x] = withInputs(x, in)
	}
	if done[n.Step] == nil {
		return relationOf(relation(0), n.Step.Types()), []Node{n.Step}
	}
	return done[n.Step], inputs
}

// freeTables are the WorkTables in n whose Recursive is not in n.
func freeTables(n Node, below map[Node]map[uint64]bool) map[uint64]bool {
	if w, ok := n.(*WorkTable); ok {
		return map[uint64]bool{w.ID: true}
	}
	var all map[uint64]bool
	for _, in := range n.Inputs() {
		for id := range below[in] {
			if all == nil {
				all = map[uint64]bool{}
			}
			all[id] = true
		}
	}
	if r, ok := n.(*Recursive); ok {
		all = maps.Clone(all)
		delete(all, r.ID)
	}
	return all
}

func relationOf(name string, types []row.Type) Node {
	g := &Get{Relation: name, Columns: upTo(len(types))}
	for i, t := range types {
		g.Schema = append(g.Schema, row.Column{Name: "c" + strconv.Itoa(i), Type: t})
	}
	return g
}

// NeedsWork reports whether Step makes no rows of no rows by its form.
func (n *Recursive) NeedsWork() bool {
	needs := map[Node]bool{}
	for _, x := range Nodes(n.Step) {
		in := x.Inputs()
		switch x := x.(type) {
		case *WorkTable:
			needs[x] = x.ID == n.ID
		case *Filter, *Project, *Unnest, *Distinct, *Sort, *Limit, *TopN:
			needs[x] = needs[in[0]]
		case *Aggregate:
			needs[x] = len(x.Groups) > 0 && needs[in[0]]
		case *SetOp:
			needs[x] = needs[in[0]] || !x.Except && needs[in[1]]
		case *Union:
			needs[x] = true
			for _, b := range in {
				needs[x] = needs[x] && needs[b]
			}
		case *Join:
			switch x.Kind {
			case Inner, Cross, Semi:
				needs[x] = needs[in[0]] || needs[in[1]]
			case Left, Anti, Mark, Single:
				needs[x] = needs[in[0]]
			}
		}
	}
	return needs[n.Step]
}
