package dataflow

import (
	"math"
	"math/big"
	"slices"
	"testing"

	"github.com/tidemill/tidemill/internal/dataflow/scalar"
	"github.com/tidemill/tidemill/internal/plan"
	"github.com/tidemill/tidemill/internal/row"
)

// evaluate answers the query over whole inputs in the simplest way: nested loops, maps and big numbers. Only scalar expressions
// are computed as the operators do.
func evaluate(t *testing.T, n plan.Node, inputs map[string]*zset) *row.Batch {
	t.Helper()
	switch n := n.(type) {
	case *plan.Get:
		b := inputs[n.Relation].batch().Project(n.Columns)
		return choose(t, b, n.Filters)
	case *plan.Filter:
		return choose(t, evaluate(t, n.Input, inputs), n.Predicates)
	case *plan.Sort:
		return evaluate(t, n.Input, inputs)
	case *plan.Project:
		out, _ := compute(t, evaluate(t, n.Input, inputs), n.Exprs)
		return out
	case *plan.Union:
		z := newZset(n.Types())
		for _, b := range n.Branches {
			z.add(evaluate(t, b, inputs))
		}
		return z.batch()
	case *plan.Distinct:
		z := newZset(n.Types())
		z.add(evaluate(t, n.Input, inputs))
		for k := range z.n {
			z.n[k] = 1
		}
		return z.batch()
	case *plan.Unnest:
		return unnestedRows(t, n, evaluate(t, n.Input, inputs))
	case *plan.Recursive:
		return iterated(t, n, inputs)
	case *plan.WorkTable:
		return inputs[workName(n.ID)].batch()
	case *plan.SetOp:
		return setOperation(n, evaluate(t, n.Left, inputs), evaluate(t, n.Right, inputs))
	case *plan.Values:
		var parts []*row.Batch
		for _, r := range n.Rows {
			b, _ := compute(t, &row.Batch{Len: 1}, r)
			parts = append(parts, b)
		}
		return row.Concat(parts)
	case *plan.Join:
		l, r := evaluate(t, n.Left, inputs), evaluate(t, n.Right, inputs)
		switch n.Kind {
		case plan.Inner:
			if len(n.Keys) > 0 {
				return joined(t, n, l, r)
			}
		case plan.AsOf, plan.AsOfLeft, plan.AsOfRight, plan.AsOfFull:
			return nearestRows(t, n, l, r)
		}
		return matchedRows(t, n, l, r)
	case *plan.Aggregate:
		return grouped(t, n, evaluate(t, n.Input, inputs))
	case *plan.Window:
		return windowed(t, n, evaluate(t, n.Input, inputs))
	case *plan.Session:
		return inSessions(t, n, evaluate(t, n.Input, inputs))
	case *plan.TopN:
		return topped(t, n, evaluate(t, n.Input, inputs))
	}
	t.Fatalf("no oracle for %T", n)
	return nil
}

func typesIn(b *row.Batch) []row.Type {
	var ts []row.Type
	for i := range b.Cols {
		ts = append(ts, b.Cols[i].Type)
	}
	return ts
}

// compute returns the expressions' values for the rows where none fails, and those rows.
func compute(t *testing.T, b *row.Batch, es []*plan.Expr) (out, kept *row.Batch) {
	t.Helper()
	if len(es) == 0 {
		return &row.Batch{Len: b.Len, Weights: b.Weights}, b
	}
	p, err := (&scalar.Compiler{}).Compile(es, typesIn(b))
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	cols, errs, err := p.Eval(b)
	if err != nil {
		t.Fatal(err)
	}
	bad := map[int32]bool{}
	for _, e := range errs {
		bad[e.Row] = true
	}
	var at []int32
	for i := range int32(b.Len) {
		if !bad[i] {
			at = append(at, i)
		}
	}
	out = &row.Batch{Cols: cols, Len: b.Len, Weights: b.Weights}
	return out.Gather(at), b.Gather(at)
}

func choose(t *testing.T, b *row.Batch, preds []*plan.Expr) *row.Batch {
	t.Helper()
	for _, p := range preds {
		is, rows := compute(t, b, []*plan.Expr{p})
		var at []int32
		for i := range rows.Len {
			if !is.Cols[0].Null(i) && is.Cols[0].Data[i] != 0 {
				at = append(at, int32(i))
			}
		}
		b = rows.Gather(at)
	}
	return b
}

func joined(t *testing.T, n *plan.Join, l, r *row.Batch) *row.Batch {
	t.Helper()
	var lk, rk []*plan.Expr
	for _, k := range n.Keys {
		lk, rk = append(lk, k.Left), append(rk, k.Right)
	}
	lkeys, l := compute(t, l, lk)
	rkeys, r := compute(t, r, rk)
	byKey := map[string][]int{}
	usable := func(keys *row.Batch, i int) bool {
		for k := range n.Keys {
			if keys.Cols[k].Null(i) && !n.Keys[k].NullsEqual {
				return false
			}
		}
		return true
	}
	for j := range r.Len {
		if usable(rkeys, j) {
			k := keyOf(rkeys.Cols, j)
			byKey[k] = append(byKey[k], j)
		}
	}
	var la, ra []int32
	var weights []int64
	for i := range l.Len {
		if !usable(lkeys, i) {
			continue
		}
		for _, j := range byKey[keyOf(lkeys.Cols, i)] {
			la, ra = append(la, int32(i)), append(ra, int32(j))
			weights = append(weights, l.Weight(i)*r.Weight(j))
		}
	}
	out := l.Gather(la)
	out.Cols = append(out.Cols, r.Gather(ra).Cols...)
	out.Weights = weights
	return choose(t, out, n.Residual)
}

func grouped(t *testing.T, n *plan.Aggregate, b *row.Batch) *row.Batch {
	t.Helper()
	exprs := slices.Clone(n.Groups)
	type place struct {
		args   []int
		filter int
	}
	var places []place
	for i := range n.Calls {
		p := place{filter: -1}
		for _, a := range n.Calls[i].Args {
			p.args = append(p.args, len(exprs))
			exprs = append(exprs, a)
		}
		if f := n.Calls[i].Filter; f != nil {
			p.filter = len(exprs)
			exprs = append(exprs, f)
		}
		places = append(places, p)
	}
	b, _ = compute(t, b, exprs)
	groups := map[string][]int{}
	var order []string
	for i := range b.Len {
		k := keyOf(b.Cols[:len(n.Groups)], i)
		if groups[k] == nil {
			order = append(order, k)
		}
		groups[k] = append(groups[k], i)
	}
	if len(n.Groups) == 0 && len(order) == 0 {
		order = []string{""}
	}
	var rows [][]row.Value
next:
	for _, k := range order {
		var out []row.Value
		for c := range n.Groups {
			out = append(out, b.Cols[c].Value(groups[k][0]))
		}
		for i := range n.Calls {
			v, ok := aggregated(t, &n.Calls[i], b, groups[k], places[i].args, places[i].filter)
			if !ok {
				continue next
			}
			out = append(out, v)
		}
		rows = append(rows, out)
	}
	return batchOf(n.Types(), rows, nil)
}

func aggregated(t *testing.T, c *plan.AggregateCall, b *row.Batch, rows, args []int, filter int) (row.Value, bool) {
	t.Helper()
	var at []int
	var weights []int64
	seen := map[string]bool{}
rows:
	for _, i := range rows {
		if filter >= 0 && (b.Cols[filter].Null(i) || b.Cols[filter].Data[i] == 0) {
			continue
		}
		var key []byte
		for _, a := range args {
			if b.Cols[a].Null(i) {
				continue rows
			}
			key = row.AppendKey(key, &b.Cols[a], i)
		}
		w := b.Weight(i)
		if c.Distinct {
			if seen[string(key)] {
				continue
			}
			seen[string(key)], w = true, 1
		}
		at, weights = append(at, i), append(weights, w)
	}
	total := int64(0)
	for _, w := range weights {
		total += w
	}
	if c.Name == "count" || c.Name == "count_star" {
		return row.IntValue(c.Type, total), true
	}
	if len(at) == 0 {
		return row.NullValue(c.Type), true
	}
	v := &b.Cols[args[0]]
	switch c.Name {
	case "bool_and", "bool_or", "count_if":
		yes := int64(0)
		for k, i := range at {
			yes += int64(v.Data[i]) * weights[k]
		}
		switch c.Name {
		case "bool_and":
			return row.BoolValue(yes == total), true
		case "bool_or":
			return row.BoolValue(yes > 0), true
		}
		return row.IntValue(c.Type, yes), true
	case "min", "max":
		return extreme(b, at, []int{args[0]}, c.Name == "max").Cols[0].Value(0), true
	case "arg_min", "arg_max":
		return extreme(b, at, []int{args[1], args[0]}, c.Name == "arg_max").Cols[1].Value(0), true
	case "sum", "avg", "sum_no_overflow":
		if k := v.Type.Kind; k == row.Float32 || k == row.Float64 {
			f := exactSum(v, at, weights)
			if c.Name == "avg" {
				f /= float64(total)
			}
			return row.FloatValue(f), true
		}
		return intSum(c, v, at, weights, total)
	}
	t.Fatalf("no oracle for %s", c.Name)
	return row.Value{}, false
}

func extreme(b *row.Batch, at, by []int, largest bool) *row.Batch {
	best := at[0]
	for _, i := range at {
		for _, c := range by {
			d := row.Compare(&b.Cols[c], i, &b.Cols[c], best)
			if largest {
				d = -d
			}
			if d < 0 {
				best = i
			}
			if d != 0 {
				break
			}
		}
	}
	return b.Project(by).Gather([]int32{int32(best)})
}

func exactSum(v *row.Vec, at []int, weights []int64) float64 {
	sum := new(big.Float).SetPrec(2400)
	var nan, pos, neg bool
	for k, i := range at {
		switch f := v.Value(i).F; {
		case f != f:
			nan = true
		case math.IsInf(f, 1):
			pos = true
		case math.IsInf(f, -1):
			neg = true
		default:
			x := new(big.Float).SetPrec(2400).SetFloat64(f)
			sum.Add(sum, x.Mul(x, new(big.Float).SetInt64(weights[k])))
		}
	}
	switch {
	case nan || pos && neg:
		return math.NaN()
	case pos:
		return math.Inf(1)
	case neg:
		return math.Inf(-1)
	}
	f, _ := sum.Float64()
	return f
}

func bigOf(v row.Value) *big.Int {
	x := big.NewInt(v.I)
	switch v.Type.Phys() {
	case row.PhysUint64:
		x.SetUint64(uint64(v.I))
	case row.PhysInt128:
		x.SetInt64(v.H)
		x.Lsh(x, 64)
		x.Add(x, new(big.Int).SetUint64(uint64(v.I)))
	}
	return x
}

func wideOf(x *big.Int) (w wideSum) {
	m := new(big.Int).And(x, new(big.Int).SetUint64(math.MaxUint64))
	w.lo = m.Uint64()
	m.And(m.Rsh(x, 64), new(big.Int).SetUint64(math.MaxUint64))
	w.mid = m.Uint64()
	w.hi = m.Rsh(x, 128).Int64()
	return w
}

func intSum(c *plan.AggregateCall, v *row.Vec, at []int, weights []int64, total int64) (row.Value, bool) {
	sum := new(big.Int)
	for k, i := range at {
		x := bigOf(v.Value(i))
		sum.Add(sum, x.Mul(x, big.NewInt(weights[k])))
	}
	wide := wideOf(sum)
	if c.Name == "avg" {
		return row.FloatValue(wide.float() / math.Pow10(int(v.Type.Scale)) / float64(total)), true
	}
	bits := uint(127)
	if c.Type.Phys() == row.PhysInt64 {
		bits = 63
	}
	bound := new(big.Int).Lsh(big.NewInt(1), bits)
	if sum.Cmp(bound) >= 0 || sum.Cmp(bound.Neg(bound)) < 0 {
		return row.Value{}, false
	}
	return row.Value{Type: c.Type, I: int64(wide.lo), H: int64(wide.mid)}, true
}
