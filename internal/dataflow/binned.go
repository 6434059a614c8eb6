package dataflow

import (
	"encoding/json"
	"math"
	"slices"
	"sort"

	"github.com/tidemill/tidemill/internal/dataflow/scalar"
	"github.com/tidemill/tidemill/internal/dataflow/state"
	"github.com/tidemill/tidemill/internal/fault"
	"github.com/tidemill/tidemill/internal/plan"
	"github.com/tidemill/tidemill/internal/row"
)

// binsMax bounds the bins of a histogram.
const binsMax = 1000

// binnedAcc is histogram(x, bins) and histogram_exact(x, bins): how many values are in each bin, which are the values up to its bound and above the one before,
// or equal to it; and in none of them.
type binnedAcc struct {
	typ    row.Type
	exact  bool
	bounds row.Vec // in order; behind them, the key of the values in no bin
	bins   int
	n      state.Array[int64]   // values
	counts []state.Array[int64] // per bin, then of no bin
}

// binsOf is how the bins of a histogram stand in the Bind of a canonical call.
type binsOf struct {
	Type string
	List []byte // a value of the type
}

// bindBins moves the bins of histogram(x, bins) from the arguments to the Bind.
func bindBins(c plan.AggregateCall) (plan.AggregateCall, error) {
	list := c.Args[1]
	if list.Kind != plan.Constant || list.Value.Null {
		return c, fault.New(fault.FeatureNotSupported, "the aggregate %s with bins that are not constant cannot be kept up to date", c.Name).WithHint("write the bins themselves: %s(x, [1, 10, 100])", c.Name)
	}
	bind, err := json.Marshal(binsOf{list.Type.String(), []byte(list.Value.S)})
	c.Args, c.Bind = c.Args[:1:1], bind
	return c, err
}

func newBinnedAcc(c *plan.AggregateCall, in row.Type) (accumulator, error) {
	var bind binsOf
	if err := json.Unmarshal(c.Bind, &bind); err != nil {
		return nil, err
	}
	list, ok := row.ParseType(bind.Type)
	other, known := noBin(in)
	if !ok || list.Kind != row.List || list.Elem() != in || !known || c.Type != row.MapOf(in, row.T(row.Uint64)) {
		return nil, nil
	}
	values := row.Value{Type: list, S: string(bind.List)}.Elements()
	b := row.NewBuilder(in, len(values)+1)
	for _, v := range values {
		if v.Null || math.IsNaN(v.F) {
			return nil, refuseAggregate(c, "with a bin that is null or no number")
		}
		b.AppendValue(v)
	}
	bounds := b.Finish()
	at := rangeTo(len(values))
	slices.SortFunc(at, func(i, k int) int { return row.Compare(&bounds, i, &bounds, k) })
	sorted := row.NewBuilder(in, len(values)+1)
	for n, i := range at {
		if n > 0 && row.Equal(&bounds, at[n-1], &bounds, i) {
			return nil, refuseAggregate(c, "with the same bin twice")
		}
		sorted.AppendValue(values[i])
	}
	if len(values) > binsMax {
		return nil, fault.New(fault.LimitExceeded, "%d bins; a histogram that is kept up to date has at most %d", len(values), binsMax)
	}
	sorted.AppendValue(other)
	return &binnedAcc{typ: c.Type, exact: c.Name == "histogram_exact", bounds: sorted.Finish(), bins: len(values), counts: make([]state.Array[int64], len(values)+1)}, nil
}

func rangeTo(n int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = i
	}
	return out
}

// noBin is the key that DuckDB gives the values in no bin.
func noBin(t row.Type) (row.Value, bool) {
	switch {
	case t.Kind == row.Uint64:
		return row.IntValue(t, -1), true
	case t.IsInteger() && t.Kind != row.Int128:
		bits := t.Phys().Width() * 8
		if t.Kind < row.Uint8 || t.Kind > row.Uint64 {
			bits--
		}
		return row.IntValue(t, int64(uint64(1)<<bits-1)), true
	case t.Kind == row.Float32 || t.Kind == row.Float64:
		return row.Value{Type: t, F: math.Inf(1)}, true
	case t.Kind == row.String:
		return row.StringValue(""), true
	case t.Kind == row.Date:
		return row.IntValue(t, math.MaxInt32), true
	case t.Kind == row.Timestamp || t.Kind == row.TimestampTZ:
		return row.IntValue(t, math.MaxInt64), true
	}
	return row.Value{}, false
}

func (a *binnedAcc) grow(n uint32) {
	a.n.Grow(n)
	for i := range a.counts {
		a.counts[i].Grow(n)
	}
}

func (a *binnedAcc) update(groups []uint32, weights []int64, args []row.Vec) {
	v := &args[0]
	for k, g := range groups {
		w := weight(weights, k)
		*a.n.At(g) += w
		*a.counts[a.bin(v, k)].At(g) += w
	}
}

// bin is the bin of a value. DuckDB puts what is no number into the first.
func (a *binnedAcc) bin(v *row.Vec, k int) int {
	if w := v.Type.Phys(); (w == row.PhysFloat32 || w == row.PhysFloat64) && math.IsNaN(v.Value(k).F) {
		if a.exact {
			return a.bins
		}
		return 0
	}
	at := sort.Search(a.bins, func(i int) bool { return row.Compare(&a.bounds, i, v, k) >= 0 })
	if a.exact && at < a.bins && !row.Equal(&a.bounds, at, v, k) {
		return a.bins
	}
	return at
}

func (a *binnedAcc) result(groups []uint32) (row.Vec, []scalar.RowError) {
	out := newNestedBuilder(a.typ, len(groups))
	counts := make([]uint64, len(a.counts))
	ns := row.FromValues(row.T(row.Uint64), counts, nil)
	for _, g := range groups {
		if *a.n.Peek(g) == 0 {
			out.null()
			continue
		}
		for i := range counts {
			if counts[i] = uint64(*a.counts[i].Peek(g)); i < a.bins || counts[i] > 0 {
				out.entry(&a.bounds, i, &ns, i)
			}
		}
		out.end()
	}
	return out.finish()
}

func (a *binnedAcc) reset(group uint32) {
	*a.n.At(group) = 0
	for i := range a.counts {
		*a.counts[i].At(group) = 0
	}
}

func (a *binnedAcc) bytes() int64 {
	n := a.n.Bytes()
	for i := range a.counts {
		n += a.counts[i].Bytes()
	}
	return n
}

func (a *binnedAcc) persist(k *state.Keeper) {
	a.n.Keep(k)
	for i := range a.counts {
		a.counts[i].Keep(k)
	}
}
