package plan

import "slices"

// Relations returns the relations that the plan reads, sorted, each once.
func Relations(n Node) []string {
	var names []string
	for _, x := range Nodes(n) {
		if g, ok := x.(*Get); ok {
			names = append(names, g.Relation)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// AppendOnly reports whether the result never loses a row, given which relations never do: then the operators above need no
// state for retractions, and the result can be a sink's or a stream's input.
func AppendOnly(n Node, isAppendOnly func(relation string) bool) bool {
	for _, x := range Nodes(n) {
		switch x := x.(type) {
		case *Get:
			if !isAppendOnly(x.Relation) {
				return false
			}
		case *Filter:
			if slices.ContainsFunc(x.Predicates, AsksForTime) {
				return false
			}
		case *Values, *Project, *Union, *Unnest, *Distinct, *Sort:
		case *SetOp:
			if x.Except {
				return false
			}
		case *Join:
			if x.Kind != Inner && x.Kind != Cross && x.Kind != Semi {
				return false
			}
		default:
			return false
		}
	}
	return true
}

// maxKeys bounds how many keys are tracked per operator.
const maxKeys = 8

// UniqueKey returns output columns in which no two rows of the result agree (nulls agree), or nil if none can be
// proved. An empty key that is not nil says that there is at most one row. keyOf returns the names of a relation's primary
// key, nil for none; it may be nil itself.
func UniqueKey(n Node, keyOf func(relation string) []string) []int {
	if keyOf == nil {
		keyOf = func(string) []string { return nil }
	}
	u := uniqueness{keyOf: keyOf, keys: map[Node][][]int{}}
	for _, x := range Nodes(n) {
		u.keys[x] = u.find(x)
	}
	var best []int
	for _, k := range u.keys[n] {
		if best == nil || len(k) < len(best) {
			best = k
		}
	}
	return best
}

// uniqueness finds the unique keys of operators whose inputs it has seen.
type uniqueness struct {
	keyOf func(string) []string
	keys  map[Node][][]int
}

func (u *uniqueness) find(n Node) [][]int {
	switch n := n.(type) {
	case *Get:
		return u.ofGet(n)
	case *Values:
		if len(n.Rows) <= 1 {
			return [][]int{{}}
		}
	case *Filter, *Sort, *Limit:
		return u.keys[n.Inputs()[0]]
	case *Project:
		return throughExprs(u.keys[n.Input], n.Exprs)
	case *Aggregate:
		return u.ofAggregate(n)
	case *TopN:
		return n.uniqueKeys(u.keys[n.Input])
	case *Window:
		return n.uniqueKeys(u.keys[n.Input])
	case *Distinct:
		return addKey(u.keys[n.Input], upTo(len(n.Types())))
	case *Recursive:
		if !n.All {
			return addKey(nil, upTo(len(n.Types())))
		}
	case *Unnest:
		return u.ofUnnest(n)
	case *SetOp:
		return u.ofSetOp(n)
	case *Join:
		return u.ofJoin(n)
	}
	return nil
}

func (u *uniqueness) ofGet(n *Get) [][]int {
	names := u.keyOf(n.Relation)
	if len(names) == 0 {
		return nil
	}
	key := make([]int, len(names))
	for i, name := range names {
		if key[i] = n.Schema.Index(name); key[i] < 0 {
			return nil
		}
	}
	return addKey(nil, key)
}

// throughExprs translates keys of an input into keys of columns computed from it: all their columns must be among
// the expressions.
func throughExprs(keys [][]int, exprs []*Expr) [][]int {
	at := map[int]int{}
	for i, e := range exprs {
		if _, ok := at[e.Index]; e.Kind == Column && !ok {
			at[e.Index] = i
		}
	}
	var out [][]int
next:
	for _, k := range keys {
		mapped := make([]int, len(k))
		for i, c := range k {
			j, ok := at[c]
			if !ok {
				continue next
			}
			mapped[i] = j
		}
		out = addKey(out, mapped)
	}
	return out
}

func (u *uniqueness) ofAggregate(n *Aggregate) [][]int {
	if n.Sets != nil {
		return nil
	}
	return addKey(throughExprs(u.keys[n.Input], n.Groups), upTo(len(n.Groups)))
}

func (u *uniqueness) ofJoin(n *Join) [][]int {
	left, right := u.keys[n.Left], u.keys[n.Right]
	offset := len(n.Left.Types())
	switch n.Kind {
	case Semi, Anti, Mark, Exists, Single, AsOf, AsOfLeft:
		return left
	case Inner, Left, Cross:
	default:
		return nil
	}
	var out [][]int
	matchesOne := func(keys [][]int, side func(JoinKey) *Expr) bool {
		return slices.ContainsFunc(keys, func(k []int) bool {
			return !slices.ContainsFunc(k, func(c int) bool {
				return !slices.ContainsFunc(n.Keys, func(jk JoinKey) bool { return side(jk).Kind == Column && side(jk).Index == c })
			})
		})
	}
	if matchesOne(right, func(k JoinKey) *Expr { return k.Right }) {
		for _, k := range left {
			out = addKey(out, k)
		}
	}
	shifted := make([][]int, len(right))
	for i, k := range right {
		shifted[i] = make([]int, len(k))
		for j, c := range k {
			shifted[i][j] = c + offset
		}
	}
	if n.Kind != Left && matchesOne(left, func(k JoinKey) *Expr { return k.Left }) {
		for _, k := range shifted {
			out = addKey(out, k)
		}
	}
	for _, l := range left {
		for _, r := range shifted {
			out = addKey(out, concat(l, r))
		}
	}
	if n.Kind != Left {
		out = equivalents(out, n.Keys, offset)
	}
	return out
}

// equivalents adds the keys in which a join's column of one side is replaced by the equal one of the other.
func equivalents(keys [][]int, equal []JoinKey, offset int) [][]int {
	for i := 0; i < len(keys) && i < maxKeys; i++ {
		for _, jk := range equal {
			if jk.Left.Kind != Column || jk.Right.Kind != Column {
				continue
			}
			l, r := jk.Left.Index, jk.Right.Index+offset
			if at := slices.Index(keys[i], l); at >= 0 {
				keys = addKey(keys, replaced(keys[i], at, r))
			}
			if at := slices.Index(keys[i], r); at >= 0 {
				keys = addKey(keys, replaced(keys[i], at, l))
			}
		}
	}
	return keys
}

func replaced(key []int, at, c int) []int {
	out := slices.Clone(key)
	out[at] = c
	return out
}

// addKey adds a key as a sorted set, unless a known one says as much or there are too many.
func addKey(keys [][]int, key []int) [][]int {
	key = slices.Clone(key)
	slices.Sort(key)
	key = slices.Compact(key)
	if key == nil {
		key = []int{}
	}
	for _, k := range keys {
		if len(keys) >= maxKeys || contains(key, k) {
			return keys
		}
	}
	return append(keys[:len(keys):len(keys)], key)
}

// contains reports whether the sorted set has all elements of the sorted subset.
func contains(set, subset []int) bool {
	for _, c := range subset {
		if _, ok := slices.BinarySearch(set, c); !ok {
			return false
		}
	}
	return true
}
