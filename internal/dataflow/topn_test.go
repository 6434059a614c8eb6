package dataflow

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/tidemill/tidemill/internal/plan"
	"github.com/tidemill/tidemill/internal/row"
)

// sequence is a partition in its order: positions of rows in a batch that also holds the partition's and the order's expressions.
type sequence struct {
	b      *row.Batch // rows, then order expressions
	order  []int
	at     []int
	keys   []plan.SortKey
	groups []int // by position, once they were asked for

	framed   bool
	framePos int
	frameFor plan.Frame
	frame    []int
}

func (s *sequence) compare(x, y int) int {
	for k, c := range s.order {
		v := &s.b.Cols[c]
		nulls := cmp.Compare(boolInt(v.Null(x)), boolInt(v.Null(y)))
		if s.keys[k].NullsFirst {
			nulls = -nulls
		}
		if nulls != 0 {
			return nulls
		}
		if v.Null(x) {
			continue
		}
		c := row.Compare(v, x, v, y)
		if s.keys[k].Descending {
			c = -c
		}
		if c != 0 {
			return c
		}
	}
	return 0
}

// sequences sorts the rows of each partition; equal rows stand once per copy.
func sequences(t *testing.T, b *row.Batch, partition []*plan.Expr, keys []plan.SortKey, more ...*plan.Expr) []*sequence {
	t.Helper()
	width := len(b.Cols)
	exprs := slices.Clone(partition)
	exprs = append(exprs, sortExprs(keys)...)
	exprs = append(exprs, more...)
	cols, b := compute(t, b, exprs)
	all := &row.Batch{Cols: append(slices.Clone(b.Cols), cols.Cols...), Len: b.Len}
	var order []int
	for i := range keys {
		order = append(order, width+len(partition)+i)
	}
	found := map[string]*sequence{}
	var out []*sequence
	for i := range b.Len {
		k := keyOf(all.Cols[width:width+len(partition)], i)
		s := found[k]
		if s == nil {
			s = &sequence{b: all, order: order, keys: keys}
			found[k] = s
			out = append(out, s)
		}
		for range b.Weight(i) {
			s.at = append(s.at, i)
		}
	}
	for _, s := range out {
		slices.SortStableFunc(s.at, s.compare)
	}
	return out
}

func topped(t *testing.T, n *plan.TopN, b *row.Batch) *row.Batch {
	t.Helper()
	width := len(b.Cols)
	var rows [][]row.Value
	for _, s := range sequences(t, b, n.Partition, n.Order) {
		rank, dense := 0, 0
		for k, i := range s.at {
			if k == 0 || s.compare(s.at[k-1], i) != 0 {
				rank, dense = k+1, dense+1
			}
			place := k + 1
			if n.WithTies {
				place = rank
			}
			if n.Dense {
				place = dense
			}
			if int64(place) <= n.Offset || n.Count >= 0 && int64(place) > n.Offset+n.Count {
				continue
			}
			var vs []row.Value
			for c := range width {
				vs = append(vs, s.b.Cols[c].Value(i))
			}
			if n.RankColumn {
				vs = append(vs, row.IntValue(i64(), int64(place)))
			}
			rows = append(rows, vs)
		}
	}
	return batchOf(n.Types(), rows, nil)
}

// allOf orders by every column, after the first ones given, so that ties are copies.
func allOf(types []row.Type, first ...plan.SortKey) []plan.SortKey {
	for i, t := range types {
		first = append(first, plan.SortKey{Expr: col(i, t)})
	}
	return first
}

func drawSmall(r *rand.Rand, _ string, types []row.Type) []row.Value {
	vs := drawAny(r, "", types)
	for i, t := range types {
		if t.Kind == row.Int64 && r.IntN(5) > 0 {
			vs[i] = row.IntValue(t, int64(r.IntN(12)))
		}
	}
	return vs
}

func TestTopN(t *testing.T) {
	types := []row.Type{i64(), text(), i64(), row.T(row.Float64)}
	for _, n := range []plan.TopN{
		{Count: 1}, {Count: 3}, {Count: 3, Offset: 2}, {Count: -1, Offset: 4}, {Count: 0}, {Count: 1, Offset: 1000},
		{Count: 4, RankColumn: true}, {Count: 1, RankColumn: true}, {Count: 2, WithTies: true}, {Count: 3, WithTies: true, RankColumn: true},
		{Count: 2, Dense: true}, {Count: 3, Dense: true, RankColumn: true},
	} {
		for _, parted := range []bool{true, false} {
			t.Run(fmt.Sprintf("%+v,%v", n, parted), func(t *testing.T) {
				check(t, scenario{relations: map[string][]row.Type{"t": types}, draw: drawSmall, root: func() plan.Node {
					c := n
					c.Input = get("t", types)
					c.Order = allOf(types, plan.SortKey{Expr: plus(col(2, i64()), num(0)), Descending: true, NullsFirst: true}, plan.SortKey{Expr: col(3, types[3]), Descending: true})
					if n.WithTies || n.Dense {
						c.Order = []plan.SortKey{{Expr: col(2, i64()), NullsFirst: true}, {Expr: col(1, text()), Descending: true}}
					}
					if parted {
						c.Partition = []*plan.Expr{col(0, i64())}
					}
					return &c
				}})
			})
		}
	}
}

func TestTopNByEveryType(t *testing.T) {
	for k, typ := range allTypes {
		for _, key := range []plan.SortKey{{Expr: col(0, typ)}, {Expr: col(0, typ), Descending: true}, {Expr: col(0, typ), NullsFirst: true}} {
			types := []row.Type{typ, i64()}
			s := scenario{relations: map[string][]row.Type{"t": types}, root: func() plan.Node {
				return &plan.TopN{Input: get("t", types), Order: allOf(types, key), Count: 7, RankColumn: true}
			}}
			t.Run(fmt.Sprintf("%s,%v,%v", typ, key.Descending, key.NullsFirst), func(t *testing.T) { s.run(t, 1+k%3, uint64(k)) })
		}
	}
}
