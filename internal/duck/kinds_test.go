package duck

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/tidemill/tidemill/internal/row"
)

// allTypes are types of every kind, decimals in every width DuckDB stores differently.
func allTypes() []row.Type {
	var out []row.Type
	for k := row.Bool; k <= row.UUID; k++ {
		if k != row.Decimal {
			out = append(out, row.T(k))
		}
	}
	for _, w := range []uint8{1, 4, 5, 9, 10, 18, 19, 38} {
		out = append(out, row.DecimalType(w, w/2))
	}
	return out
}

// randomVec makes n values of a type, about a fifth of them null (none with nulls false).
func randomVec(r *rand.Rand, t row.Type, n int, nulls bool) row.Vec {
	b := row.NewBuilder(t, n)
	for range n {
		if nulls && r.IntN(5) == 0 {
			b.AppendNull()
		} else {
			b.AppendValue(randomValue(r, t))
		}
	}
	return b.Finish()
}

func randomValue(r *rand.Rand, t row.Type) row.Value {
	v := row.Value{Type: t}
	switch t.Kind {
	case row.Bool:
		v.I = int64(r.IntN(2))
	case row.Int128:
		v.I, v.H = r.Int64()-r.Int64(), r.Int64()-r.Int64()
	case row.Float32:
		v.F = float64(float32(r.NormFloat64()))
	case row.Float64:
		v.F = r.NormFloat64() * 1e10
	case row.Decimal:
		digits := min(int(t.Width), 18)
		bound := int64(1)
		for range digits {
			bound *= 10
		}
		v.I = r.Int64N(2*bound-1) - bound + 1
		v.H = v.I >> 63
		if t.Width > 18 {
			v.H = r.Int64N(200) - 100
		}
	case row.String:
		v.S = randomText(r)
	case row.JSON:
		v.S = fmt.Sprintf(`{"a":%q}`, strings.Repeat("é", r.IntN(12)))
	case row.Blob:
		b := make([]byte, r.IntN(30))
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		v.S = string(b)
	case row.Date:
		v.I = int64(r.IntN(100_000) - 50_000)
	case row.Time:
		v.I = r.Int64N(86_400_000_000)
	case row.Timestamp, row.TimestampTZ:
		v.I = r.Int64N(4e15) - 2e15
	case row.Interval:
		v.V = row.IntervalValue{Months: r.Int32N(1000) - 500, Days: r.Int32N(1000) - 500, Micros: r.Int64N(2e12) - 1e12}
	case row.UUID:
		var u row.UUIDValue
		for i := range u {
			u[i] = byte(r.Uint32())
		}
		v.S = string(u[:])
	default:
		v.I = r.Int64() - r.Int64()
		v = truncateInt(v)
	}
	return v
}

// truncateInt cuts an integer to the width of its type.
func truncateInt(v row.Value) row.Value {
	b := row.NewBuilder(v.Type, 1)
	b.AppendInt(v.I)
	vec := b.Finish()
	return vec.Value(0)
}

func randomText(r *rand.Rand) string {
	switch r.IntN(4) {
	case 0:
		return strings.Repeat("x", r.IntN(14))
	case 1:
		return strings.Repeat("日本", r.IntN(6))
	case 2:
		return fmt.Sprintf("%d'\"\\%d", r.Int(), r.Int())
	default:
		return strings.Repeat("long ", r.IntN(100))
	}
}

func sameVec(t *testing.T, what string, got, want *row.Vec) {
	t.Helper()
	if got.Type != want.Type || got.Len != want.Len {
		t.Fatalf("%s: %d values of %s, want %d of %s", what, got.Len, got.Type, want.Len, want.Type)
	}
	for i := range want.Len {
		if g, w := got.Value(i), want.Value(i); !sameValue(g, w) {
			t.Fatalf("%s: value %d is %+v, want %+v", what, i, g, w)
		}
	}
}

// shown writes text as it is and anything else as its integer.
func shown(v row.Value) string {
	if v.Type.Nested() || v.Type.Kind == row.Enum {
		one := v.Repeat(1)
		return jsonOf(&one, 0)
	}
	if v.Type.Phys() == row.PhysBytes {
		return v.S
	}
	return fmt.Sprint(v.I)
}

func jsonOf(v *row.Vec, i int) string { return string(row.AppendJSON(nil, v, i)) }

// sameValue leaves out the high half where the type has none.
func sameValue(a, b row.Value) bool {
	if a.Type.Phys() != row.PhysInt128 {
		a.H, b.H = 0, 0
	}
	return a == b
}
