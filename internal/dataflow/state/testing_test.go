package state

import (
	"math"
	"math/rand/v2"
	"strings"

	"github.com/tidemill/tidemill/internal/row"
)

var allTypes = []row.Type{
	row.T(row.Bool), row.T(row.Int8), row.T(row.Int16), row.T(row.Int32), row.T(row.Int64), row.T(row.Int128),
	row.T(row.Uint8), row.T(row.Uint16), row.T(row.Uint32), row.T(row.Uint64), row.T(row.Float32), row.T(row.Float64),
	row.DecimalType(4, 1), row.DecimalType(18, 3), row.DecimalType(38, 10), row.T(row.String), row.T(row.JSON), row.T(row.Blob),
	row.T(row.Date), row.T(row.Time), row.T(row.Timestamp), row.T(row.TimestampTZ), row.T(row.Interval), row.T(row.UUID),
	{Kind: row.Other, Name: "INTEGER[]"},
}

// randomValue draws from few values, with the edges of the type among them.
func randomValue(r *rand.Rand, t row.Type, nulls bool) row.Value {
	if nulls && r.IntN(6) == 0 {
		return row.NullValue(t)
	}
	v := row.Value{Type: t}
	n := int64(r.IntN(7) - 3)
	switch t.Phys() {
	case row.PhysBool:
		v.I = n & 1
	case row.PhysUint8, row.PhysUint16, row.PhysUint32, row.PhysUint64:
		v.I = n & 7
		if t.Kind == row.Uint64 && r.IntN(3) == 0 {
			v.I = -1 - v.I
		}
	case row.PhysFloat32, row.PhysFloat64:
		v.F = []float64{0, math.Copysign(0, -1), math.NaN(), math.Inf(1), math.Inf(-1), 1.5, -1.5, 2, -2}[r.IntN(9)]
	case row.PhysInt128:
		v.I, v.H = n, int64(r.IntN(3)-1)
	case row.PhysInterval:
		v.V = row.IntervalValue{Months: int32(r.IntN(2)), Days: int32(r.IntN(2) * 30), Micros: n * 43_200_000_000}
	case row.PhysUUID:
		u := make([]byte, 16)
		u[r.IntN(16)] = byte(r.IntN(3) * 0x7f)
		v.S = string(u)
	case row.PhysBytes:
		v.S = strings.Repeat("k", r.IntN(3)*6) + []string{"", "a", "b", "\x00", "é"}[r.IntN(5)]
	default:
		v.I = n
	}
	return v
}

func vecOf(t row.Type, values []row.Value) row.Vec {
	b := row.NewBuilder(t, len(values))
	for _, v := range values {
		b.AppendValue(v)
	}
	return b.Finish()
}

func randomVec(r *rand.Rand, t row.Type, n int, nulls bool) row.Vec {
	values := make([]row.Value, n)
	for i := range values {
		values[i] = randomValue(r, t, nulls)
	}
	return vecOf(t, values)
}

func rowKey(cols []row.Vec, i int) string {
	var key []byte
	for c := range cols {
		key = row.AppendKey(key, &cols[c], i)
	}
	return string(key)
}

// identical compares bit by bit, so that what was stored is what comes back.
func identical(a, b row.Value) bool {
	if math.Float64bits(a.F) != math.Float64bits(b.F) && !(a.F != a.F && b.F != b.F) {
		return false
	}
	a.F, b.F = 0, 0
	return a == b
}

func hashed(cols []row.Vec, n int) []uint64 {
	h := make([]uint64, n)
	row.Hash(cols, h)
	return h
}
