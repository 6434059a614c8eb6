package row

import (
	"math"
	"math/rand/v2"
	"testing"
)

// allTypes has every kind, and decimals of every width class.
var allTypes = []Type{
	T(Bool), T(Int8), T(Int16), T(Int32), T(Int64), T(Int128), T(Uint8), T(Uint16), T(Uint32), T(Uint64), T(Float32), T(Float64),
	DecimalType(4, 1), DecimalType(18, 3), DecimalType(18, 18), DecimalType(19, 0), DecimalType(38, 10), DecimalType(38, 38),
	T(String), T(JSON), T(Blob), T(Date), T(Time), T(Timestamp), T(TimestampTZ), T(Interval), {Kind: Other, Name: "BIT"},
	EnumOf([]string{"a", "B c", ""}), ListOf(T(Int32)), ListOf(ListOf(T(String))), ArrayOf(T(Float64), 2),
	StructOf([]Member{{"a", T(Int16)}, {"b \"c", ListOf(T(Blob))}}), StructOf([]Member{{"", T(Bool)}, {"", T(Interval)}}),
	MapOf(T(String), T(Float32)), MapOf(ListOf(T(Date)), StructOf([]Member{{"x", EnumOf([]string{"x", "y"})}, {"d", DecimalType(20, 2)}, {"j", T(JSON)}})),
	T(UUID),
}

// randomValue prefers edges and values that differ little, so that equal ones and neighbors come up.
func randomValue(r *rand.Rand, t Type) Value {
	v := Value{Type: t}
	if r.IntN(8) == 0 {
		v.Null = true
		return v
	}
	n := int64(r.Uint64()) >> r.UintN(64)
	switch t.Kind {
	case Bool:
		v.I = n & 1
	case Float32, Float64:
		v.F = randomFloat(r)
		if t.Kind == Float32 {
			v.F = float64(float32(v.F))
		}
	case Int128:
		x := randomInt128(r)
		v.I, v.H = int64(x.Lo), x.Hi
	case Decimal:
		x, _ := randomInt128(r).Mod(pow10Table[t.Width])
		v.I, v.H = int64(x.Lo), x.Hi
		if t.Width <= 18 {
			v.H = 0
		}
	case String, Blob:
		b := make([]byte, r.IntN(5))
		for i := range b {
			b[i] = "\x00\x01a\xff\"é\\b"[r.IntN(9)]
		}
		v.S = string(b)
		if t.Kind == String {
			v.S = string([]rune(v.S))
		}
	case JSON, Other:
		v.S = []string{`null`, `{"a":1}`, `[1,2]`, `"x"`, `1.50`}[r.IntN(5)]
	case Interval:
		v.V = IntervalValue{Months: int32(n % 40), Days: int32(n % 90), Micros: n % (80 * microsPerDay)}
		if r.IntN(10) == 0 {
			v.V = IntervalValue{Months: int32(r.Uint32()), Days: int32(r.Uint32()), Micros: int64(r.Uint64())}
		}
	case UUID:
		u := make([]byte, 16)
		for i := range u {
			u[i] = byte(r.IntN(3) * 0x7f)
		}
		v.S = string(u)
	case Enum:
		v.I = int64(r.IntN(len(t.EnumValues())))
	case List:
		n := r.IntN(4)
		if size := t.ArraySize(); size > 0 {
			n = size
		}
		elements := make([]Value, n)
		for i := range elements {
			elements[i] = randomValue(r, t.Elem())
		}
		return ListValue(t, elements...)
	case Struct:
		members := make([]Value, len(t.Members()))
		for i, m := range t.Members() {
			members[i] = randomValue(r, m.Type)
		}
		return StructValue(t, members...)
	case Map:
		var keys, values []Value
		seen := map[string]bool{}
		for range r.IntN(4) {
			k := randomValue(r, t.Members()[0].Type)
			if key := string(appendKeyValue(nil, k)); !k.Null && !seen[key] {
				seen[key] = true
				keys, values = append(keys, k), append(values, randomValue(r, t.Members()[1].Type))
			}
		}
		return MapValue(t, keys, values)
	case Time:
		v.I = (n & math.MaxInt64) % (microsPerDay + 1)
	case Date, Timestamp, TimestampTZ:
		v.I = n
		if t.Kind == Date {
			v.I = int64(int32(n))
		}
	default:
		one := Vec{Type: t, Len: 1}
		b := NewBuilder(t, 1)
		b.AppendInt(n)
		one = b.Finish()
		return one.Value(0)
	}
	return v
}

func randomFloat(r *rand.Rand) float64 {
	switch r.IntN(4) {
	case 0:
		return []float64{0, math.Copysign(0, -1), math.NaN(), math.Copysign(math.NaN(), -1), math.Inf(1), math.Inf(-1), 1, -1, math.MaxFloat64, math.SmallestNonzeroFloat64}[r.IntN(10)]
	case 1:
		return float64(r.IntN(7) - 3)
	}
	return math.Float64frombits(r.Uint64())
}

func randomVec(r *rand.Rand, t Type, n int) Vec {
	b := NewBuilder(t, n)
	for range n {
		v := randomValue(r, t)
		if v.Null && n%3 == 0 {
			for v.Null { // a column without nulls
				v = randomValue(r, t)
			}
		}
		b.AppendValue(v)
	}
	return b.Finish()
}

func schemaOf(types []Type) Schema {
	s := make(Schema, len(types))
	for i, t := range types {
		s[i] = Column{Name: string(rune('a'+i%26)) + string(rune('a'+i/26)), Type: t, NotNull: i%5 == 0}
	}
	return s
}

func randomBatch(r *rand.Rand, types []Type, n int) *Batch {
	b := &Batch{Cols: make([]Vec, len(types)), Len: n}
	for i, t := range types {
		b.Cols[i] = randomVec(r, t, n)
	}
	if r.IntN(2) == 0 {
		b.Weights = make([]int64, n)
		for i := range b.Weights {
			b.Weights[i] = int64(1 + r.IntN(3)*-2)
		}
	}
	return b
}

// mustBeSame compares two batches value by value, with nulls and weights.
func mustBeSame(t *testing.T, got, want *Batch) {
	t.Helper()
	if got.Len != want.Len || len(got.Cols) != len(want.Cols) {
		t.Fatalf("%d rows and %d columns, want %d and %d", got.Len, len(got.Cols), want.Len, len(want.Cols))
	}
	for c := range want.Cols {
		g, w := &got.Cols[c], &want.Cols[c]
		if g.Type != w.Type || g.Len != w.Len {
			t.Fatalf("column %d has %d values of %s, want %d of %s", c, g.Len, g.Type, w.Len, w.Type)
		}
		for i := range want.Len {
			if !sameValue(g.Value(i), w.Value(i)) {
				t.Fatalf("column %d (%s) row %d is %+v, want %+v", c, w.Type, i, g.Value(i), w.Value(i))
			}
		}
	}
	for i := range want.Len {
		if got.Weight(i) != want.Weight(i) {
			t.Fatalf("weight of row %d is %d, want %d", i, got.Weight(i), want.Weight(i))
		}
	}
}

// sameValue compares bits, except of intervals that Arrow cannot hold as they are.
func sameValue(a, b Value) bool {
	if a.Type.Kind == Interval && (b.V.Micros > math.MaxInt64/1000 || b.V.Micros < math.MinInt64/1000) {
		return a.V.Compare(b.V) == 0 || b.V.Days > math.MaxInt32-200_000_000 || b.V.Days < math.MinInt32+200_000_000
	}
	if a.F != b.F || math.IsNaN(a.F) {
		if math.Float64bits(a.F) != math.Float64bits(b.F) {
			return false
		}
		a.F, b.F = 0, 0
	}
	return a == b
}
