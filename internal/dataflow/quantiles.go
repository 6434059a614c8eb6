package dataflow

import (
	"encoding/json"
	"fmt"
	"math"
	"math/bits"

	"github.com/tidemill/tidemill/internal/dataflow/scalar"
	"github.com/tidemill/tidemill/internal/dataflow/state"
	"github.com/tidemill/tidemill/internal/row"
)

// quantileAcc is median, quantile_cont, quantile_disc, mad, approx_quantile and reservoir_quantile: a group's values in order, with the place of each.
// approx_quantile keeps numbers rounded to approxBits binary digits, so that the state is bounded by the digits and not by the values.
type quantileAcc struct {
	kind   quantileKind
	in     row.Type
	typ    row.Type // of the result
	elem   row.Type // of one quantile
	list   bool
	desc   bool
	want   []quantile
	short  bool // the order of a value is its eight bytes
	values *state.Ranked
	key    []byte
}

type quantileKind uint8

const (
	quantileDisc quantileKind = iota
	quantileCont
	quantileMad
	quantileApprox
)

// approxBits are the digits behind the first that approx_quantile keeps: a number is off by 2⁻⁹ of itself at most.
const approxBits = 8

// quantile is one fraction; one that was written as a decimal is num ÷ den exactly.
type quantile struct {
	f        float64
	num, den int64
}

// quantilesOf reads the bind data of an aggregate with fractions.
func quantilesOf(bind []byte) (qs []quantile, desc bool, err error) {
	var data struct {
		Desc      bool              `json:"desc"`
		Quantiles []json.RawMessage `json:"quantiles"`
	}
	if err := json.Unmarshal(bind, &data); err != nil {
		return nil, false, fmt.Errorf("reading the fractions of a quantile: %w", err)
	}
	for _, text := range data.Quantiles {
		q, err := quantileOf(text)
		if err != nil {
			return nil, false, fmt.Errorf("reading the fractions of a quantile: %w", err)
		}
		qs = append(qs, q)
	}
	return qs, data.Desc, nil
}

func quantileOf(text []byte) (q quantile, err error) {
	if err := json.Unmarshal(text, &q.f); err == nil {
		return q, q.check()
	}
	var v struct {
		Type struct {
			ID   string `json:"id"`
			Info struct {
				Scale uint8 `json:"scale"`
			} `json:"type_info"`
		} `json:"type"`
		Value json.Number `json:"value"`
	}
	if err := json.Unmarshal(text, &v); err != nil {
		return q, err
	}
	if v.Type.ID != "DECIMAL" {
		if q.f, err = v.Value.Float64(); err != nil {
			return q, err
		}
		return q, q.check()
	}
	if q.num, err = v.Value.Int64(); err != nil || v.Type.Info.Scale > 18 {
		return q, fmt.Errorf("the fraction %s is not known", text)
	}
	q.den = int64(row.Pow10(v.Type.Info.Scale).Lo)
	q.f = float64(q.num) / float64(q.den)
	return q, q.check()
}

func (q quantile) check() error {
	if q.f >= 0 && q.f <= 1 {
		return nil
	}
	return fmt.Errorf("the fraction %v is not between 0 and 1", q.f)
}

// index is the place of the discrete quantile among n values.
func (q quantile) index(n int64) int64 {
	below := int64(0)
	if q.den > 0 {
		hi, lo := bits.Mul64(uint64(n), uint64(q.den-q.num))
		d, _ := bits.Div64(hi, lo, uint64(q.den))
		below = int64(d)
	} else {
		below = int64(math.Floor(float64(n) - float64(float64(n)*q.f)))
	}
	return max(1, n-below) - 1
}

func newQuantileAcc(kind quantileKind, in, typ, elem row.Type, list, desc bool, want []quantile) *quantileAcc {
	a := &quantileAcc{kind: kind, in: in, typ: typ, elem: elem, list: list, desc: desc, want: want}
	w := in.Phys().Width()
	a.short = kind == quantileApprox || w > 0 && w <= 8
	if a.short {
		a.values = state.NewRanked(nil)
	} else {
		a.values = state.NewRanked([]row.Type{in})
	}
	return a
}

func (a *quantileAcc) grow(n uint32) { a.values.Grow(n) }

func (a *quantileAcc) update(groups []uint32, weights []int64, args []row.Vec) {
	v := &args[0]
	for k, g := range groups {
		switch {
		case a.kind == quantileApprox && a.in.IsNumeric():
			a.values.Add(g, roundedKey(floatAt(v, k)), nil, weight(weights, k), nil, 0)
		case a.short:
			a.values.Add(g, state.OrderBits(v, k), nil, weight(weights, k), nil, 0)
		default:
			a.key = row.AppendKey(a.key[:0], v, k)
			num, rest := state.SplitKey(a.key)
			a.values.Add(g, num, rest, weight(weights, k), args[:1], k)
		}
	}
}

// floatAt is the number i of v as a float.
func floatAt(v *row.Vec, i int) float64 { return floatOf(v.Value(i)) }

func floatOf(v row.Value) float64 {
	switch v.Type.Phys() {
	case row.PhysFloat32, row.PhysFloat64:
		return v.F
	case row.PhysInt128:
		return row.Int128Value{Lo: uint64(v.I), Hi: v.H}.Float64()
	case row.PhysUint64:
		return float64(uint64(v.I))
	}
	return float64(v.I)
}

// roundedKey is the order of a float rounded to approxBits digits.
func roundedKey(f float64) uint64 {
	const cut = 52 - approxBits
	if f-f == 0 {
		b := math.Float64bits(f)
		if r := (b + 1<<(cut-1)) >> cut << cut; r&^(1<<63) < math.Float64bits(math.Inf(1)) {
			b = r
		}
		f = math.Float64frombits(b)
	}
	one := row.FromValues(row.T(row.Float64), []float64{f}, nil)
	return state.OrderBits(&one, 0)
}

// at is the value at place k of a group in the order of the fractions.
func (a *quantileAcc) at(g uint32, k int64) row.Value {
	if a.desc {
		k = a.values.Len(g) - 1 - k
	}
	id := a.values.At(g, k)
	if a.short {
		t := a.in
		if a.kind == quantileApprox && t.IsNumeric() {
			t = row.T(row.Float64)
		}
		return state.OrderValue(t, a.values.Num(id))
	}
	v := a.values.Gather(0, []uint32{id})
	return v.Value(0)
}

func (a *quantileAcc) result(groups []uint32) (row.Vec, []scalar.RowError) {
	if a.list {
		return a.lists(groups)
	}
	b := row.NewBuilder(a.typ, len(groups))
	for _, g := range groups {
		if n := a.values.Len(g); n <= 0 {
			b.AppendNull()
		} else {
			a.append(b, g, n, a.want[0])
		}
	}
	return b.Finish(), nil
}

func (a *quantileAcc) lists(groups []uint32) (row.Vec, []scalar.RowError) {
	out := newNestedBuilder(a.typ, len(groups))
	one := row.NewBuilder(a.elem, len(a.want))
	for _, g := range groups {
		n := a.values.Len(g)
		if n <= 0 {
			out.null()
			continue
		}
		for _, q := range a.want {
			a.append(one, g, n, q)
		}
		v := one.Finish()
		for i := range v.Len {
			out.add(&v, i)
		}
		out.end()
	}
	return out.finish()
}

// append appends one quantile of a group of n values.
func (a *quantileAcc) append(b *row.Builder, g uint32, n int64, q quantile) {
	switch a.kind {
	case quantileCont:
		a.interpolated(b, g, n, q.f)
	case quantileMad:
		a.deviation(b, g, n)
	case quantileApprox:
		appendNumber(b, a.at(g, q.index(n)))
	default:
		b.AppendValue(a.at(g, q.index(n)))
	}
}

// appendNumber appends v to a column of another number type, rounded.
func appendNumber(b *row.Builder, v row.Value) {
	switch t := b.Type(); {
	case v.Type.Kind != row.Float64 || t.Kind == row.Float64 || t.Kind == row.Float32:
		b.AppendValue(v)
	case v.F != v.F:
		b.AppendNull()
	default:
		f := math.Round(v.F)
		x, ok := row.Int128FromFloat64(f)
		lo, hi := integerRange(t)
		switch {
		case !ok && f < 0, ok && x.Compare(lo) < 0:
			x = lo
		case !ok, x.Compare(hi) > 0:
			x = hi
		}
		b.AppendValue(row.Value{Type: t, I: int64(x.Lo), H: x.Hi})
	}
}

// integerRange is the least and the greatest value of a type whose values are integers.
func integerRange(t row.Type) (lo, hi row.Int128Value) {
	p := t.Phys()
	if p == row.PhysInt128 {
		return row.Int128Value{Hi: math.MinInt64}, row.Int128Value{Lo: math.MaxUint64, Hi: math.MaxInt64}
	}
	bits := p.Width() * 8
	if p >= row.PhysUint8 && p <= row.PhysUint64 {
		return lo, row.Int128FromUint64(math.MaxUint64 >> (64 - bits))
	}
	return row.Int128FromInt64(math.MinInt64 >> (64 - bits)), row.Int128FromInt64(math.MaxInt64 >> (64 - bits))
}

func (a *quantileAcc) reset(group uint32) { a.values.Clear(group) }
func (a *quantileAcc) bytes() int64       { return a.values.Bytes() }

func (a *quantileAcc) persist(k *state.Keeper) { a.values.Keep(k) }
