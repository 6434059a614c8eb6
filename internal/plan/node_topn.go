package plan

import (
	"slices"
	"strconv"

	"github.com/tidemill/tidemill/internal/row"
)

// TopN keeps, of the rows that agree in Partition, those that are at places Offset+1 to Offset+Count in the given order; Count -1
// keeps all behind the offset. Rows that the order does not tell apart keep the order in which they came. Without Partition all rows
// are together. The output is the input's columns and, with RankColumn, the place of the row as a BIGINT.
//
// With Ties or Dense, places are those of rank() or dense_rank(): equal rows have one place, and Count bounds the place, not the number
// of rows. Then, and with RankColumn, Offset is 0 and Count at most MaxRanked.
type TopN struct {
	Input         Node
	Partition     []*Expr
	Order         []SortKey
	Count, Offset int64
	WithTies      bool
	Dense         bool
	RankColumn    bool
}

// MaxRanked bounds the Count of a TopN that tells or compares places: each of them can change with every row.
const MaxRanked = 10_000

// Inputs implements Node.
func (n *TopN) Inputs() []Node { return []Node{n.Input} }

// Types implements Node.
func (n *TopN) Types() []row.Type {
	ts := n.Input.Types()
	if n.RankColumn {
		ts = append(ts[:len(ts):len(ts)], row.T(row.Int64))
	}
	return ts
}

// exprs returns the expressions that n evaluates over its input.
func (n *TopN) exprs() []*Expr { return append(slices.Clone(n.Partition), orderExprs(n.Order)...) }

func orderExprs(keys []SortKey) []*Expr {
	es := make([]*Expr, len(keys))
	for i, k := range keys {
		es[i] = k.Expr
	}
	return es
}

func mapOrder(keys []SortKey, f func(*Expr) *Expr) []SortKey {
	out := slices.Clone(keys)
	for i := range out {
		out[i].Expr = f(out[i].Expr)
	}
	return out
}

// mapped returns n over another input, with f applied to its expressions.
func (n *TopN) mapped(in Node, f func(*Expr) *Expr) *TopN {
	c := *n
	c.Input, c.Partition, c.Order = in, mapExprs(n.Partition, f), mapOrder(n.Order, f)
	return &c
}

// keptBy says for EXPLAIN and for fingerprints what decides.
func (n *TopN) keptBy() string {
	s := "rows"
	switch {
	case n.Dense:
		s = "dense_rank"
	case n.WithTies:
		s = "rank"
	}
	s += " " + strconv.FormatInt(n.Count, 10) + " " + strconv.FormatInt(n.Offset, 10)
	if n.RankColumn {
		s += " numbered"
	}
	return s
}

func (n *TopN) uniqueKeys(below [][]int) [][]int {
	key, plain := columnsOf(n.Partition)
	if !plain || n.WithTies || n.Dense {
		return below
	}
	switch {
	case n.Count == 1:
		return addKey(below, key)
	case n.RankColumn:
		return addKey(below, append(key, len(n.Input.Types())))
	}
	return below
}

// columnsOf returns the columns that expressions are; plain says that they are all columns.
func columnsOf(es []*Expr) (cols []int, plain bool) {
	cols = []int{}
	for _, e := range es {
		if e.Kind != Column {
			return nil, false
		}
		cols = append(cols, e.Index)
	}
	return cols, true
}

// onPartition separates the predicates that are true or false for whole partitions: they are about partition columns alone.
func onPartition(partition, predicates []*Expr) (down, up []*Expr) {
	is := map[int]bool{}
	for _, e := range partition {
		if e.Kind == Column {
			is[e.Index] = true
		}
	}
	return split(predicates, func(e *Expr) bool {
		cols := Columns(e)
		return len(cols) > 0 && !slices.ContainsFunc(cols, func(c int) bool { return !is[c] })
	})
}

func (ex *explainer) topN(n *TopN) string {
	in := ex.of(n.Input)
	s := "TopN " + n.keptBy()
	if len(n.Partition) > 0 {
		s += " of each " + ex.list(n.Partition, in, ", ")
	}
	if len(n.Order) > 0 {
		s += " by " + ex.sortKeys(n.Order, in)
	}
	return s
}

func (p *pruner) topN(n *TopN) pruned {
	in := p.done[n.Input]
	c := n.mapped(in.Node, in.expr)
	width := len(n.Input.Types())
	c.RankColumn = n.RankColumn && p.needs[n].has(width)
	at := map[int]int{}
	for k, v := range in.at {
		at[k] = v
	}
	if c.RankColumn {
		at[width] = len(in.Types())
	}
	return pruned{c, at}
}
