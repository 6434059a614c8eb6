package dataflow

import (
	"fmt"
	"hash/fnv"
	"strings"
	"time"

	"github.com/tidemill/tidemill/internal/dataflow/scalar"
	"github.com/tidemill/tidemill/internal/fault"
	"github.com/tidemill/tidemill/internal/plan"
	"github.com/tidemill/tidemill/internal/row"
)

// Options says how a graph is built.
type Options struct {
	// Workers is the number of shards, at least 1.
	Workers int
	// Compiler compiles scalar expressions.
	Compiler *scalar.Compiler
	// AppendOnly reports whether a relation never loses a row.
	AppendOnly func(relation string) bool
	// Schema returns the columns of a relation's changes.
	Schema func(relation string) row.Schema
	// EventTime returns what bounds a relation's column from below, over column 0, the watermark; nil for nothing. It may be nil itself.
	EventTime func(relation, column string) []*plan.Expr
	// Keyed returns what is known of a stream that has one watermark per key, nil for others; it may be nil itself.
	Keyed func(relation string) *plan.KeyedTime
	// Column numbers a relation's columns for the fingerprint, the same ones when others come or go; nil numbers them by position.
	Column func(relation string, column int) int
	// Final tells each row once, when the watermark says that it is final.
	Final bool
	// Resolution is how often filters that compare with the time look at it; 0 is a second.
	Resolution time.Duration
}

// Build compiles an optimized plan. What cannot be maintained is refused with a *fault.Error that says what and what to write
// instead. The caller closes the graph.
func Build(root plan.Node, o Options) (*Graph, error) {
	b := &builder{Options: o, memo: map[plan.Node]lowered{}, sources: map[string]lowered{}, punctual: map[string]lowered{}}
	b.g = &Graph{workers: o.Workers, sources: map[string][]int{}, times: &Times{Before: NoWatermark, After: NoWatermark}, final: o.Final}
	out, err := b.lowerRoot(root)
	if err != nil {
		b.g.Close()
		return nil, err
	}
	b.g.output, b.g.types, b.g.appendOnly = out.node, out.types, out.appendOnly
	if b.g.resolution = o.Resolution; b.g.resolution <= 0 {
		b.g.resolution = time.Second
	}
	b.g.flows = make([][]*row.Batch, len(b.g.nodes))
	h := fnv.New64a()
	column := o.Column
	if column == nil {
		column = func(_ string, c int) int { return c }
	}
	_, _ = fmt.Fprintf(h, "%s %v %v", plan.FingerprintBy(root, column), b.g.types, o.Final)
	b.g.fingerprint = h.Sum64()
	return b.g, nil
}

type builder struct {
	Options
	g       *Graph
	memo    map[plan.Node]lowered
	sources map[string]lowered
	// punctual are the sources without late rows, of relations that can have some.
	punctual map[string]lowered
	// events are the columns that the watermark bounds, closings the operators that free state by it.
	events   *plan.EventTimes
	closings []closing
}

// lowered is a node of the graph with what is known of its output.
type lowered struct {
	node       int
	types      []row.Type
	appendOnly bool
}

// chain is a run of filters and projections above an operator: first preds, then exprs, both over the columns of what is below.
// Nil exprs keep the columns.
type chain struct {
	preds, exprs []*plan.Expr
}

func (b *builder) lower(n plan.Node) (lowered, error) {
	if l, ok := b.memo[n]; ok {
		return l, nil
	}
	l, err := b.lowerChain(n, chain{})
	if err == nil {
		b.memo[n] = l
	}
	return l, err
}

// lowerChain lowers n with the filters and projections of c on top, taking up those that n consists of.
func (b *builder) lowerChain(n plan.Node, c chain) (lowered, error) {
	switch n := n.(type) {
	case *plan.Filter:
		if timeless, temporal := n.SplitTemporal(); len(temporal) > 0 {
			return b.lowerTemporal(n, timeless, temporal, c)
		}
		return b.lowerChain(n.Input, chain{preds: append(n.Predicates[:len(n.Predicates):len(n.Predicates)], c.preds...), exprs: c.exprs})
	case *plan.Sort:
		return b.lowerChain(n.Input, c)
	case *plan.Project:
		if c.preds == nil && c.exprs == nil {
			return b.lowerChain(n.Input, chain{exprs: n.Exprs})
		}
		if simple(n.Exprs) {
			return b.lowerChain(n.Input, c.through(n.Exprs))
		}
	case *plan.Get:
		return b.lowerGet(n, c)
	case *plan.Join:
		return b.lowerJoin(n, c)
	case *plan.Unnest:
		return b.lowerUnnest(n, c)
	}
	if c.preds == nil && c.exprs == nil {
		return b.lowerOperator(n)
	}
	in, err := b.lower(n)
	if err != nil {
		return lowered{}, err
	}
	return b.addMap(in, c)
}

func (b *builder) lowerOperator(n plan.Node) (lowered, error) {
	switch n := n.(type) {
	case *plan.Aggregate:
		return b.lowerAggregate(n)
	case *plan.Distinct:
		return b.lowerDistinct(n)
	case *plan.Session:
		return b.lowerSession(n)
	case *plan.SetOp:
		return b.lowerSetOp(n)
	case *plan.Recursive:
		return b.lowerRecursive(n)
	case *plan.Union:
		return b.lowerUnion(n)
	case *plan.Values:
		return b.lowerValues(n)
	case *plan.Unsupported:
		return lowered{}, fault.New(fault.FeatureNotSupported, "%s cannot be kept up to date yet", n.What).WithHint("%s", n.Hint)
	case *plan.TopN:
		return b.lowerTopN(n)
	case *plan.Window:
		return b.lowerWindow(n)
	case *plan.Limit:
		return lowered{}, fault.New(fault.FeatureNotSupported, "LIMIT cannot be kept up to date yet").
			WithHint("keep the view without LIMIT, and use ORDER BY … LIMIT when you read it")
	}
	return lowered{}, fault.New(fault.FeatureNotSupported, "this query cannot be kept up to date yet").WithDetail("operator %T", n)
}

// simple reports whether expressions are only columns and constants.
func simple(exprs []*plan.Expr) bool {
	for _, e := range exprs {
		if e.Kind != plan.Column && e.Kind != plan.Constant {
			return false
		}
	}
	return true
}

// through rewrites a chain over the output of a projection into one over its input.
func (c chain) through(exprs []*plan.Expr) chain {
	out := chain{preds: substituteAll(c.preds, exprs), exprs: exprs}
	if c.exprs != nil {
		out.exprs = substituteAll(c.exprs, exprs)
	}
	return out
}

func substituteAll(es, by []*plan.Expr) []*plan.Expr {
	if es == nil {
		return nil
	}
	out := make([]*plan.Expr, len(es))
	for i, e := range es {
		out[i] = substitute(e, by)
	}
	return out
}

// substitute replaces column i by by[i].
func substitute(e *plan.Expr, by []*plan.Expr) *plan.Expr {
	if e.Kind == plan.Column {
		return by[e.Index]
	}
	if len(e.Args) == 0 {
		return e
	}
	c := *e
	c.Args = substituteAll(e.Args, by)
	return &c
}

// usedColumns marks the columns that expressions read.
func usedColumns(used []bool, es []*plan.Expr) {
	for _, e := range es {
		if e.Kind == plan.Column {
			used[e.Index] = true
		}
		usedColumns(used, e.Args)
	}
}

func (b *builder) add(n node) int {
	b.g.nodes = append(b.g.nodes, n)
	return len(b.g.nodes) - 1
}

func (b *builder) compile(es []*plan.Expr, in []row.Type) (*scalar.Program, error) {
	if len(es) == 0 {
		return nil, nil
	}
	p, err := b.Compiler.Compile(es, in)
	if err != nil {
		return nil, err
	}
	b.g.closers = append(b.g.closers, p.Close)
	return p, nil
}

// addMap puts the filters and projections of a chain on a node.
func (b *builder) addMap(in lowered, c chain) (lowered, error) {
	title := c.title(in.types)
	narrow, exprs := narrowed(c.exprs, len(in.types))
	below := in.types
	if narrow != nil {
		below = make([]row.Type, len(narrow))
		for i, k := range narrow {
			below[i] = in.types[k]
		}
	}
	out := lowered{types: below, appendOnly: in.appendOnly}
	if exprs != nil {
		out.types = typesOf(exprs)
	}
	n := node{title: title, inputs: []int{in.node}, routes: []*router{nil}}
	for range b.Workers {
		op := &mapOp{title: title, narrow: narrow}
		var err error
		if op.where, op.exprs, err = b.Compiler.CompileMap(c.preds, exprs, in.types, narrow); err != nil {
			return lowered{}, err
		}
		for _, p := range []*scalar.Program{op.where, op.exprs} {
			if p != nil {
				b.g.closers = append(b.g.closers, p.Close)
			}
		}
		n.shards = append(n.shards, op)
	}
	out.node = b.add(n)
	return out, nil
}

// narrowed splits a projection into the columns it reads and the expressions over those; exprs is nil when
// picking columns is all there is to do.
func narrowed(exprs []*plan.Expr, width int) (narrow []int, rest []*plan.Expr) {
	if exprs == nil {
		return nil, nil
	}
	plain := true
	for _, e := range exprs {
		plain = plain && e.Kind == plan.Column
	}
	if plain {
		narrow = make([]int, len(exprs))
		for i, e := range exprs {
			narrow[i] = e.Index
		}
		return narrow, nil
	}
	used := make([]bool, width)
	usedColumns(used, exprs)
	by := make([]*plan.Expr, width)
	narrow = []int{}
	for c, u := range used {
		if u {
			by[c] = &plan.Expr{Kind: plan.Column, Index: len(narrow)}
			narrow = append(narrow, c)
		}
	}
	rest = make([]*plan.Expr, len(exprs))
	for i, e := range exprs {
		rest[i] = retarget(e, by)
	}
	return narrow, rest
}

// retarget is substitute for column-to-column maps: the types stay.
func retarget(e *plan.Expr, by []*plan.Expr) *plan.Expr {
	c := *e
	if e.Kind == plan.Column {
		c.Index = by[e.Index].Index
		return &c
	}
	if len(e.Args) > 0 {
		c.Args = make([]*plan.Expr, len(e.Args))
		for i, a := range e.Args {
			c.Args[i] = retarget(a, by)
		}
	}
	return &c
}

func typesOf(es []*plan.Expr) []row.Type {
	ts := make([]row.Type, len(es))
	for i, e := range es {
		ts[i] = e.Type
	}
	return ts
}

func (c chain) title(in []row.Type) string {
	var parts []string
	if len(c.preds) > 0 {
		parts = append(parts, "filter "+listOf(c.preds, " AND "))
	}
	if c.exprs != nil {
		parts = append(parts, "project "+listOf(c.exprs, ", "))
	}
	if len(parts) == 0 {
		return fmt.Sprintf("pass %d columns", len(in))
	}
	return strings.Join(parts, "; ")
}

func listOf(es []*plan.Expr, sep string) string {
	texts := make([]string, len(es))
	for i, e := range es {
		texts[i] = e.String()
	}
	return strings.Join(texts, sep)
}
