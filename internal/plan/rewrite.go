package plan

// Rewrite is one named step of Optimize: it turns a plan into one with the same result.
type Rewrite struct {
	// Name identifies the rewrite in EXPLAIN and in tests, Doc says in one sentence what it does.
	Name, Doc string
	// Apply returns the rewritten plan. It does not change its argument; unchanged parts are shared.
	Apply func(Node) Node
}

// Rewrites lists the steps of Optimize in the order in which they are applied.
func Rewrites() []Rewrite {
	return []Rewrite{
		{"any-row", "Asks whether a subquery has rows without counting them.", anyRow},
		{"grouping-sets", "Writes GROUPING SETS, ROLLUP and CUBE as one GROUP BY per grouping set over the same input, combined by UNION ALL.", expandGroupingSets},
		{"top-rows", "Writes LIMIT, with the ORDER BY below it, as the first rows of an order.", topRows},
		{"order-into", "Puts the ORDER BY of a subquery into the aggregates over it that are made by its order.", orderInto},
		{"drop-order", "Removes ORDER BY without LIMIT: in a maintained view order means nothing.", dropOrder},
		{"mark-to-exists", "Splits IN, ANY and ALL with a subquery into whether there is a match and what makes it null.", markToExists},
		{"merge", "Merges operators that follow each other: filters, projections into what reads them, unions into unions.", mergeAll},
		{"join-constants", "Replaces a join with a single constant row by the constants.", joinConstants},
		{"cross-lists", "Writes the cross product with the elements of constant lists as an unnest of each row.", crossLists},
		{"push-filters", "Moves predicates down to the inputs they are about, and equalities between the sides of a join into its keys.", pushFilters},
		{"top-n", "Looks only at the first rows of each partition where a filter bounds their row_number(), rank() or dense_rank().", topN},
		{"semi-to-inner", "Turns IN (SELECT …) and EXISTS into a join with the distinct keys of the subquery.", semiToInner},
		{"sessions", "Lets aggregates per session find their groups by the session's number.", fuseSessions},
		{"panes", "Aggregates overlapping windows by what they share: each stretch of time once, and each window out of those.", panes},
		{"single-to-left", "Turns scalar subqueries that have one row at most by their form into outer joins, and first(x) into a scalar subquery.", singleToLeft},
		{"distinct-matches", "Removes duplicates from what is only asked for matches.", distinctMatches},
		{"drop-distinct", "Removes DISTINCT where rows are distinct already or become so above, and writes GROUP BY without aggregates as DISTINCT.", dropDistinct},
		{"prune", "Reads and carries only the columns that are needed above.", prune},
		{"inner-to-semi", "Turns a comparison with a single row, of which nothing else is needed, into a semi join.", innerToSemi},
	}
}

// maxRounds bounds how often Optimize goes through the rewrites; two or three rounds are usual.
const maxRounds = 8

// Optimize applies all Rewrites in order, again and again until nothing changes. A node that several others read is
// still one node afterwards, so that its work is done once.
func Optimize(n Node) Node {
	before := Fingerprint(n)
	for range maxRounds {
		for _, r := range Rewrites() {
			n = r.Apply(n)
		}
		after := Fingerprint(n)
		if after == before {
			break
		}
		before = after
	}
	return n
}

// rebuild applies f to every node of a plan, inputs first, each once: f gets the node with its inputs already
// rewritten. shared reports whether more than one node reads the given rewritten node.
func rebuild(root Node, f func(n Node, shared func(Node) bool) Node) Node {
	nodes := Nodes(root)
	readers := map[Node]int{}
	for _, n := range nodes {
		for _, in := range n.Inputs() {
			readers[in]++
		}
	}
	done := make(map[Node]Node, len(nodes))
	sharedNew := map[Node]bool{}
	for _, n := range nodes {
		in := make([]Node, len(n.Inputs()))
		for i, old := range n.Inputs() {
			in[i] = done[old]
		}
		out := f(withInputs(n, in), func(n Node) bool { return sharedNew[n] })
		done[n] = out
		if readers[n] > 1 {
			sharedNew[out] = true
		}
	}
	return done[root]
}
