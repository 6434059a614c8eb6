package plan

// dropOrder removes every Sort whose order nobody sees.
func dropOrder(root Node) Node {
	o := orderDropper{done: map[orderKey]Node{}}
	return o.node(root, false)
}

type orderKey struct {
	n       Node
	matters bool
}

type orderDropper struct{ done map[orderKey]Node }

// node rewrites n; matters says that something above depends on the order of its rows.
func (o *orderDropper) node(n Node, matters bool) Node {
	key := orderKey{n, matters}
	if out, ok := o.done[key]; ok {
		return out
	}
	below := false
	switch n := n.(type) {
	case *Sort:
		if !matters {
			out := o.node(n.Input, false)
			o.done[key] = out
			return out
		}
	case *Limit:
		below = true
	case *Project, *Filter:
		below = matters
	case *Aggregate:
		for i := range n.Calls {
			below = below || dependsOnOrder(&n.Calls[i])
		}
	}
	in := make([]Node, len(n.Inputs()))
	for i, x := range n.Inputs() {
		in[i] = o.node(x, below)
	}
	out := withInputs(n, in)
	o.done[key] = out
	return out
}

// dependsOnOrder reports whether the aggregate's result is made by the order in which rows arrive.
func dependsOnOrder(c *AggregateCall) bool {
	if len(c.OrderBy) > 0 {
		return false
	}
	switch c.Name {
	case "list", "array_agg", "string_agg", "group_concat", "listagg", "first", "last", "arbitrary":
		return true
	}
	return false
}
