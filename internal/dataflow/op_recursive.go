package dataflow

import (
	"fmt"

	"github.com/tidemill/tidemill/internal/dataflow/state"
	"github.com/tidemill/tidemill/internal/fault"
	"github.com/tidemill/tidemill/internal/plan"
	"github.com/tidemill/tidemill/internal/row"
)

// recursiveOp is a recursive common table expression. All its input goes to one shard.
//
// There is one graph per iteration: that of iteration l reads what changes in the rows X of iteration l-1 and in the other inputs, and gives what changes in the
// rows R that the step makes of them. A tick goes through the iterations in order until nothing changes any more. With UNION ALL, X of l is R of l; with
// UNION it is what R of l has and R of no earlier iteration. Every iteration is exact by itself, so retractions and steps that are not monotone are too. A graph
// is made when its X begins to have rows, from the contents of the inputs, which are kept for that.
type recursiveOp struct {
	title     string
	all       bool
	needsWork bool // the step makes no rows of no rows
	make      func() (*Graph, error)
	names     []string // of the inputs in the graphs
	levels    []level
	// anchor and inputs are what came in: graphs are made from it.
	anchor  *bag
	inputs  []*bag
	found   *foundRows // of UNION
	rejects []Reject
}

// level is an iteration; level 0 is the anchor.
type level struct {
	graph *Graph // nil for level 0, and while there is nothing to iterate over
	rows  int64  // in X
	made  *bag   // R, if it has to be known when there is nothing to iterate over any more
}

const (
	// maxIterations bounds the iterations of a recursive query.
	maxIterations = 1000
	// maxIterated bounds the rows that change in a tick, over all iterations.
	maxIterated = 1 << 26
	workTable   = "rows of the iteration before"
)

var (
	errIterations error = fault.New(fault.LimitExceeded, "a recursive query is limited to %d iterations", maxIterations).
			WithHint("use UNION instead of UNION ALL if the data has cycles, or bound the depth: … WHERE depth < 100")
	errIterated error = fault.New(fault.LimitExceeded, "a recursive query changed more than %d rows for one batch of changes", maxIterated).
			WithHint("use UNION instead of UNION ALL, or bound the depth: … WHERE depth < 10")
)

func (o *recursiveOp) step(in []port) (*row.Batch, error) {
	if in[0].rows() > 0 {
		if err := o.anchor.add(in[0].batch); err != nil {
			return nil, err
		}
	}
	changes := map[string]*row.Batch{}
	for i, p := range in[1:] {
		if p.rows() > 0 {
			if err := o.inputs[i].add(p.batch); err != nil {
				return nil, err
			}
			changes[o.names[i]] = p.batch
		}
	}
	return o.run(in[0].batch, changes)
}

// run takes what changes in the anchor's rows and in the inputs.
func (o *recursiveOp) run(made *row.Batch, changes map[string]*row.Batch) (*row.Batch, error) {
	if len(o.levels) == 0 {
		o.levels = []level{{}}
	}
	if made != nil && made.Len == 0 {
		made = nil
	}
	var out []*row.Batch
	if o.found != nil {
		o.found.begin()
	}
	total := 0
	for l := 0; ; l++ {
		x, err := o.settle(l, made)
		if err != nil {
			return nil, err
		}
		if x != nil {
			total += x.Len
			out = append(out, x)
		}
		if total > maxIterated {
			return nil, errIterated
		}
		if l+1 >= len(o.levels) && o.levels[l].rows <= 0 && (o.found == nil || !o.found.waiting(l+1)) {
			break
		}
		if made, err = o.iterate(l+1, x, changes); err != nil {
			return nil, err
		}
	}
	o.trim()
	if o.found != nil {
		return o.found.changes(), nil
	}
	return row.Concat(out), nil
}

// settle takes what changes in R of level l and returns what changes in X.
func (o *recursiveOp) settle(l int, made *row.Batch) (*row.Batch, error) {
	x := made
	if o.found != nil {
		var err error
		if x, err = o.found.settle(l, made); err != nil {
			return nil, err
		}
	}
	if x == nil || x.Len == 0 {
		return nil, nil
	}
	for i := range x.Len {
		o.levels[l].rows += x.Weight(i)
	}
	return x, nil
}

// iterate returns what changes in R of level l, given what changes in X of the level before.
func (o *recursiveOp) iterate(l int, x *row.Batch, changes map[string]*row.Batch) (*row.Batch, error) {
	if l >= len(o.levels) {
		if l > maxIterations {
			return nil, errIterations
		}
		o.levels = append(o.levels, level{})
	}
	v := &o.levels[l]
	if o.levels[l-1].rows <= 0 && !o.needsWork {
		return o.end(v), nil
	}
	if v.graph == nil {
		if o.levels[l-1].rows <= 0 {
			return nil, nil
		}
		var err error
		if v.graph, err = o.make(); err != nil {
			return nil, err
		}
		changes = map[string]*row.Batch{}
		for i, b := range o.inputs {
			changes[o.names[i]] = b.batch()
		}
	} else if x == nil && len(changes) == 0 {
		return nil, nil
	}
	all := make(map[string]*row.Batch, len(changes)+1)
	for name, b := range changes {
		all[name] = b
	}
	all[workTable] = x
	out, err := v.graph.Step(all, Inline)
	o.rejects = append(o.rejects, v.graph.TakeRejects()...)
	if err != nil {
		return nil, err
	}
	made := row.Concat(out)
	if !o.needsWork && made != nil {
		if v.made == nil {
			v.made = newBag(v.graph.Types())
		}
		if err := v.made.add(made); err != nil {
			return nil, err
		}
	}
	return made, nil
}

// end frees the graph of a level that has nothing to iterate over, and returns the retraction of what it made.
func (o *recursiveOp) end(v *level) *row.Batch {
	if v.graph != nil {
		v.graph.Close()
		v.graph = nil
	}
	if v.made == nil {
		return nil
	}
	b := v.made.batch()
	v.made = nil
	return retraction(b)
}

// trim frees the levels at the end that have nothing to iterate over, except for one that may soon have again.
func (o *recursiveOp) trim() {
	for n := len(o.levels) - 1; n > 1 && o.levels[n].rows <= 0 && o.levels[n-1].rows <= 0 && o.levels[n-2].rows <= 0; n-- {
		if g := o.levels[n].graph; g != nil {
			g.Close()
		}
		o.levels = o.levels[:n]
	}
}

// Close frees the graphs.
func (o *recursiveOp) Close() {
	for i := range o.levels {
		if g := o.levels[i].graph; g != nil {
			g.Close()
		}
	}
	o.levels = nil
}

func (o *recursiveOp) takeRejects() []Reject {
	r := o.rejects
	o.rejects = nil
	return r
}

// persist shows what came in; the iterations are gone through again when it is loaded.
func (o *recursiveOp) persist(k *state.Keeper) {
	o.anchor.persist(k)
	for _, b := range o.inputs {
		b.persist(k)
	}
	begun := len(o.levels) > 0
	k.Bool(&begun)
	k.Then(func() {
		if !begun {
			return
		}
		changes := map[string]*row.Batch{}
		for i, b := range o.inputs {
			if rows := b.batch(); rows != nil {
				changes[o.names[i]] = rows
			}
		}
		if _, err := o.run(o.anchor.batch(), changes); err != nil {
			k.Fail(err.Error())
		}
	})
}

func (o *recursiveOp) bytes() int64 {
	n := o.anchor.bytes()
	for _, b := range o.inputs {
		n += b.bytes()
	}
	for i := range o.levels {
		if g := o.levels[i].graph; g != nil {
			n += g.Bytes()
		}
		if b := o.levels[i].made; b != nil {
			n += b.bytes()
		}
	}
	if o.found != nil {
		n += o.found.bytes()
	}
	return n
}

func (b *builder) lowerRecursive(n *plan.Recursive) (lowered, error) {
	types := n.Types()
	if !n.All {
		if err := comparable(types, "a recursive query with UNION"); err != nil {
			return lowered{}, err
		}
	}
	names := []string{}
	body, inputs := n.Iteration(workTable, func(i int) string { return fmt.Sprintf("input %d", i) })
	known := map[string]lowered{workTable: {types: types}}
	nd := node{title: "recursive union"}
	if n.All {
		nd.title += " all"
	}
	var inputTypes [][]row.Type
	for i, in := range append([]plan.Node{n.Anchor}, inputs...) {
		l, err := b.lower(in)
		if err != nil {
			return lowered{}, err
		}
		nd.inputs, nd.routes = append(nd.inputs, l.node), append(nd.routes, byColumns(nil))
		if i == 0 {
			continue
		}
		if err := comparable(l.types, "a recursive query"); err != nil {
			return lowered{}, err
		}
		names = append(names, fmt.Sprintf("input %d", i-1))
		known[names[i-1]] = l
		inputTypes = append(inputTypes, l.types)
	}
	o := b.Options
	o.Workers, o.Column = 1, nil // its inputs are no relations
	o.AppendOnly = func(relation string) bool { return known[relation].appendOnly }
	o.Schema = func(relation string) (s row.Schema) {
		for _, t := range known[relation].types {
			s = append(s, row.Column{Type: t})
		}
		return s
	}
	compile := func() (*Graph, error) { return Build(body, o) }
	first, err := compile() // what it refuses is refused now
	if err != nil {
		return lowered{}, err
	}
	first.Close()
	for range b.Workers {
		op := &recursiveOp{title: nd.title, all: n.All, needsWork: n.NeedsWork(), make: compile, names: names, anchor: newBag(types)}
		if !n.All {
			op.found = newFoundRows(types)
		}
		for _, ts := range inputTypes {
			op.inputs = append(op.inputs, newBag(ts))
		}
		b.g.closers = append(b.g.closers, op.Close)
		nd.shards = append(nd.shards, op)
	}
	return lowered{node: b.add(nd), types: types}, nil
}

// bag is a multiset of rows.
type bag struct {
	set    *state.Set
	counts state.Array[int64]
	touch  toucher
	ids    []uint32
}

func newBag(types []row.Type) *bag { return &bag{set: state.NewSet(types)} }

func (s *bag) add(b *row.Batch) error {
	if !s.set.Room(b.Len) {
		return errFull
	}
	hash := make([]uint64, b.Len)
	row.Hash(b.Cols, hash)
	s.ids = sized(s.ids, b.Len)
	s.set.FindOrAdd(b.Cols, hash, s.ids, nil)
	s.counts.Grow(s.set.Cap())
	s.touch.begin(s.set.Cap())
	for i, id := range s.ids {
		s.touch.see(id, int32(i), false)
		*s.counts.At(id) += b.Weight(i)
	}
	for _, t := range s.touch.seen {
		if *s.counts.Peek(t.id) == 0 {
			s.set.Remove(t.id, hash[t.at])
		}
	}
	return nil
}

// batch returns all rows, nil for none.
func (s *bag) batch() *row.Batch {
	var ids []uint32
	var weights []int64
	for id := range s.set.Cap() {
		if c := *s.counts.Peek(id); c != 0 {
			ids, weights = append(ids, id), append(weights, c)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	return gathered(s.set, ids, weights)
}

func (s *bag) bytes() int64 { return s.set.Bytes() + s.counts.Bytes() + s.touch.bytes() }

func (s *bag) persist(k *state.Keeper) {
	s.set.Keep(k)
	s.counts.Keep(k)
}

func gathered(set *state.Set, ids []uint32, weights []int64) *row.Batch {
	b := &row.Batch{Cols: make([]row.Vec, set.Columns()), Len: len(ids), Weights: weights}
	for c := range b.Cols {
		b.Cols[c] = set.Gather(c, ids)
	}
	return b
}

// retraction takes back what b brought.
func retraction(b *row.Batch) *row.Batch {
	if b == nil {
		return nil
	}
	out := *b
	out.Weights = negated(b)
	return &out
}
