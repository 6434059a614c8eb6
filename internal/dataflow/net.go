package dataflow

import (
	"github.com/tidemill/tidemill/internal/dataflow/state"
	"github.com/tidemill/tidemill/internal/row"
)

// netter sums up what a batch does to each row, so that operators that keep single rows never meet a retraction before what it retracts, nor
// one that comes back.
type netter struct {
	out netted
	ids []uint32
}

// netted are the rows of a batch that change, in the order in which they came first.
type netted struct {
	at      []int32
	weights []int64  // nil: all of at are +1
	hash    []uint64 // of the row's content; nil where nothing is ever retracted
}

func (n *netted) weight(k int) int64 {
	if n.weights == nil {
		return 1
	}
	return n.weights[k]
}

// net returns the changes that a batch makes, of which the first width columns are the rows. Hashes are made only for inputs that may retract.
func (n *netter) net(b *row.Batch, width int, retract bool) *netted {
	n.out.at = n.out.at[:0]
	n.out.weights = b.Weights
	for i := range b.Len {
		n.out.at = append(n.out.at, int32(i))
	}
	if !retract {
		return &n.out
	}
	if cap(n.out.hash) < b.Len {
		n.out.hash = make([]uint64, b.Len)
	}
	hash := n.out.hash[:b.Len]
	clear(hash)
	row.Hash(b.Cols[:width], hash)
	n.out.hash = hash
	for _, w := range b.Weights {
		if w < 0 {
			n.sumUp(b, width)
			break
		}
	}
	return &n.out
}

// sumUp joins equal rows.
func (n *netter) sumUp(b *row.Batch, width int) {
	types := make([]row.Type, width)
	for c := range types {
		types[c] = b.Cols[c].Type
	}
	set := state.NewSet(types)
	n.ids = sized(n.ids, b.Len)
	first := set.FindOrAdd(b.Cols[:width], n.out.hash, n.ids, nil)
	sum := make([]int64, len(first))
	for i, id := range n.ids {
		sum[id] += b.Weights[i]
	}
	n.out.at = n.out.at[:0]
	weights, hash := make([]int64, 0, len(first)), make([]uint64, 0, len(first))
	for k, i := range first {
		if sum[k] != 0 {
			n.out.at = append(n.out.at, i)
			weights, hash = append(weights, sum[k]), append(hash, n.out.hash[i])
		}
	}
	n.out.weights, n.out.hash = weights, hash
}
