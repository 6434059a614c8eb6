package scalar

import (
	"fmt"
	"math"

	"github.com/tidemill/tidemill/internal/row"
)

// castKernel resolves a cast.
func castKernel(s *site) (native, bool) {
	from, to := s.args[0], s.typ
	switch {
	case from == to:
		return cheap(identity)
	case from.Kind == row.Other || to.Kind == row.Other || from.Kind == row.Invalid || to.Kind == row.Invalid:
		return native{}, false
	case from.Nested() && unnamed(to):
		return native{run: castNested(to, s.try), nullable: true}, true
	case to.Nested() || from.Nested() && to.Kind != row.String || from.Kind == row.Enum && to.Kind != row.String || to.Kind == row.Enum && from.Kind != row.String:
		return native{}, false
	case from.Kind == row.String:
		return strict(parseKernel(to, s.try))
	case to.Kind == row.String:
		if from.Kind == row.JSON {
			return cheap(identity)
		}
		return strict(printKernel)
	case from.Kind == row.Decimal:
		return cheap(castFromDecimal(s))
	case to.Kind == row.Decimal:
		return cheap(castToDecimal(s))
	}
	if k := castTime(s); k != nil {
		return cheap(k)
	}
	return cheap(castNumber(s))
}

// A refusal makes DuckDB's message for a value that cannot be cast; TRY_CAST gives null instead.
type refusal[A row.Fixed] func(A) verdict

// refuse is f, or null for TRY_CAST.
func refuse[A row.Fixed](try bool, f func(A) string) refusal[A] {
	return func(x A) verdict {
		if try {
			return isNull
		}
		return verdict("Conversion Error: " + f(x))
	}
}

// physName is DuckDB's name of a physical type as its messages have it.
func physName(p row.Phys) string {
	switch p {
	case row.PhysBool:
		return "BOOL"
	case row.PhysInt8:
		return "INT8"
	case row.PhysInt16:
		return "INT16"
	case row.PhysInt32:
		return "INT32"
	case row.PhysInt64:
		return "INT64"
	case row.PhysInt128:
		return "INT128"
	case row.PhysUint8:
		return "UINT8"
	case row.PhysUint16:
		return "UINT16"
	case row.PhysUint32:
		return "UINT32"
	case row.PhysUint64:
		return "UINT64"
	case row.PhysFloat32:
		return "FLOAT"
	case row.PhysFloat64:
		return "DOUBLE"
	}
	return "VARCHAR"
}

// outOfRange is the refusal of casts between numbers.
func outOfRange[A row.Fixed](s *site) refusal[A] {
	from, to := physName(s.args[0].Phys()), physName(s.typ.Phys())
	return refuse(s.try, func(x A) string {
		return fmt.Sprintf("Type %s with value %s can't be cast because the value is out of range for the destination type %s", from, show(x), to)
	})
}

// show writes a number as DuckDB's messages do.
func show[A row.Fixed](x A) string {
	switch x := any(x).(type) {
	case float64:
		return formatFloat(x)
	case float32:
		return row.Value{Type: row.T(row.Float32), F: float64(x)}.Text()
	}
	return fmt.Sprint(x)
}

func formatFloat(x float64) string { return row.FloatValue(x).Text() }

// castNumber casts between BOOLEAN, integers and floats.
func castNumber(s *site) kernel {
	switch s.args[0].Kind {
	case row.Bool:
		return castBool(s)
	case row.Int8:
		return castInt[int8](s)
	case row.Int16:
		return castInt[int16](s)
	case row.Int32:
		return castInt[int32](s)
	case row.Int64:
		return castInt[int64](s)
	case row.Uint8:
		return castInt[uint8](s)
	case row.Uint16:
		return castInt[uint16](s)
	case row.Uint32:
		return castInt[uint32](s)
	case row.Uint64:
		return castInt[uint64](s)
	case row.Int128:
		return castHuge(s)
	case row.Float32:
		return castFloat[float32](s)
	case row.Float64:
		return castFloat[float64](s)
	}
	return nil
}

// castBool widens 0 and 1.
func castBool(s *site) kernel {
	if s.typ.Kind == row.Int128 || s.typ.IsInteger() || s.typ.Kind == row.Float32 || s.typ.Kind == row.Float64 {
		as := *s
		as.args = []row.Type{row.T(row.Uint8)}
		return castInt[uint8](&as)
	}
	return nil
}

func castInt[A integer](s *site) kernel {
	switch s.typ.Kind {
	case row.Bool:
		return map1(func(x A) uint8 { return b2u(x != 0) })
	case row.Int8:
		return intToInt[A, int8](s)
	case row.Int16:
		return intToInt[A, int16](s)
	case row.Int32:
		return intToInt[A, int32](s)
	case row.Int64:
		return intToInt[A, int64](s)
	case row.Uint8:
		return intToInt[A, uint8](s)
	case row.Uint16:
		return intToInt[A, uint16](s)
	case row.Uint32:
		return intToInt[A, uint32](s)
	case row.Uint64:
		return intToInt[A, uint64](s)
	case row.Int128:
		return map1(widen[A])
	case row.Float32:
		return convert[A, float32]
	case row.Float64:
		return convert[A, float64]
	}
	return nil
}

// convert is Go's conversion, where every value has an image.
func convert[A, B number](b *block, args []*vec, out *vec) {
	xs, dst := columnOf[A](args[0]), results[B](out, b.n)
	if args[0].konst {
		fill(dst, B(xs.vals[0]))
		return
	}
	for i, x := range xs.vals[:b.n] {
		dst[i] = B(x)
	}
}

func widen[A integer](x A) row.Int128Value {
	if isSigned[A]() {
		return row.Int128FromInt64(int64(x))
	}
	return row.Int128FromUint64(uint64(x))
}

func intToInt[A, B integer](s *site) kernel {
	bad := outOfRange[A](s)
	return func(b *block, args []*vec, out *vec) {
		convert[A, B](b, args, out)
		xs, dst := columnOf[A](args[0]), values[B](out)
		lost := false
		for i, r := range dst {
			x := xs.at(i)
			lost = lost || A(r) != x || (r < 0) != (x < 0)
		}
		if !lost {
			return
		}
		for i, r := range dst {
			if x := xs.at(i); (A(r) != x || (r < 0) != (x < 0)) && b.wants(out, i) {
				out.settle(b, i, bad(x))
			}
		}
	}
}

func castHuge(s *site) kernel {
	switch s.typ.Kind {
	case row.Bool:
		return map1(func(x row.Int128Value) uint8 { return b2u(x.Sign() != 0) })
	case row.Int8:
		return hugeToInt[int8](s)
	case row.Int16:
		return hugeToInt[int16](s)
	case row.Int32:
		return hugeToInt[int32](s)
	case row.Int64:
		return hugeToInt[int64](s)
	case row.Uint8:
		return hugeToInt[uint8](s)
	case row.Uint16:
		return hugeToInt[uint16](s)
	case row.Uint32:
		return hugeToInt[uint32](s)
	case row.Uint64:
		return hugeToInt[uint64](s)
	case row.Float64:
		return map1(row.Int128Value.Float64)
	case row.Float32:
		return map1(func(x row.Int128Value) float32 {
			if x.Hi == -1 {
				return -float32(math.MaxUint64-x.Lo) - 1
			}
			return float32(x.Lo) + float32(float32(x.Hi)*(1<<64))
		})
	}
	return nil
}

// narrow is the integer of a narrower type with the value of x, if there is one.
func narrow[B integer](x row.Int128Value) (B, bool) {
	r := B(x.Lo)
	return r, widen(r) == x
}

func hugeToInt[B integer](s *site) kernel {
	bad := outOfRange[row.Int128Value](s)
	return try1(func(x row.Int128Value) (B, verdict) {
		r, ok := narrow[B](x)
		if !ok {
			return 0, bad(x)
		}
		return r, fine
	})
}

func castFloat[A float](s *site) kernel {
	switch s.typ.Kind {
	case row.Bool:
		return map1(func(x A) uint8 { return b2u(x != 0) })
	case row.Int8:
		return floatToInt[A, int8](s, math.MinInt8, math.MaxInt8+1)
	case row.Int16:
		return floatToInt[A, int16](s, math.MinInt16, math.MaxInt16+1)
	case row.Int32:
		return floatToInt[A, int32](s, math.MinInt32, math.MaxInt32+1)
	case row.Int64:
		return floatToInt[A, int64](s, math.MinInt64, math.MaxInt64+1)
	case row.Uint8:
		return floatToInt[A, uint8](s, 0, math.MaxUint8+1)
	case row.Uint16:
		return floatToInt[A, uint16](s, 0, math.MaxUint16+1)
	case row.Uint32:
		return floatToInt[A, uint32](s, 0, math.MaxUint32+1)
	case row.Uint64:
		return floatToInt[A, uint64](s, 0, math.MaxUint64+1)
	case row.Int128:
		bad := outOfRange[A](s)
		return try1(func(x A) (row.Int128Value, verdict) {
			r, ok := row.Int128FromFloat64(math.RoundToEven(float64(x)))
			if !ok {
				return r, bad(x)
			}
			return r, fine
		})
	case row.Float64:
		return convert[A, float64]
	case row.Float32:
		bad := outOfRange[A](s)
		return try1(func(x A) (float32, verdict) {
			r := float32(x)
			if math.IsInf(float64(r), 0) && !math.IsInf(float64(x), 0) {
				return r, bad(x)
			}
			return r, fine
		})
	}
	return nil
}

// floatToInt rounds half to even. Like DuckDB it checks the range before rounding, so the fractions just below the
// bound wrap around.
func floatToInt[A float, B integer](s *site, least, bound float64) kernel {
	bad := outOfRange[A](s)
	return try1(func(x A) (B, verdict) {
		f := float64(x)
		if !(f >= least && f < bound) {
			return 0, bad(x)
		}
		f = math.RoundToEven(f)
		if f >= 1<<63 {
			return B(uint64(f)), fine
		}
		return B(int64(f)), fine
	})
}

// castTime casts between DATE, TIMESTAMP and TIMESTAMP WITH TIME ZONE, which is UTC.
func castTime(s *site) kernel {
	from, to := s.args[0].Kind, s.typ.Kind
	stamp := func(k row.Kind) bool { return k == row.Timestamp || k == row.TimestampTZ }
	switch {
	case from == row.Timestamp && to == row.TimestampTZ:
		return castZone("Date out of range in timestamp conversion", "ICU date overflows timestamp range")
	case from == row.TimestampTZ && to == row.Timestamp:
		const message = "Unable to convert TIMESTAMPTZ to local TIMESTAMP"
		return castZone(message, message)
	case stamp(from) && to == row.Date:
		return map1(dateOf)
	case from == row.Timestamp && to == row.Time:
		return try1(func(x int64) (int64, verdict) {
			if isInfinite(row.Timestamp, x) {
				if s.try {
					return 0, isNull
				}
				return 0, verdict("Invalid Input Error: Type INT64 with value " + row.IntValue(s.args[0], x).Text() +
					" can't be cast to the destination type INT64")
			}
			return floorMod(x, dayMicros), fine
		})
	case from == row.Date && stamp(to):
		return try1(func(x int32) (int64, verdict) {
			r, ok := stampOf(x)
			switch {
			case ok:
				return r, fine
			case s.try && to == row.Timestamp: // DuckDB's TRY_CAST to TIMESTAMP WITH TIME ZONE fails
				return 0, isNull
			}
			if to == row.TimestampTZ {
				return 0, invalidDate(x)
			}
			return 0, verdict("Conversion Error: " + noStamp(x))
		})
	}
	return nil
}

// noStamp is the message for a date that no timestamp reaches.
func noStamp(d int32) string {
	return "Type INT32 with value " + row.IntValue(row.T(row.Date), int64(d)).Text() + " can't be cast to the destination type INT64"
}

// invalidDate is noStamp where DuckDB casts for itself.
func invalidDate(d int32) verdict { return verdict("Invalid Input Error: " + noStamp(d)) }

// castZone takes timestamps to and from UTC, which changes nothing; but at the ends, where the calendar gives up, it fails, even for TRY_CAST.
func castZone(low, high verdict) kernel {
	const top = math.MaxInt64 / 1000 * 1000
	outside := func(x int64) bool { return (x >= top || x < minTimestamp) && !isInfinite(row.Timestamp, x) }
	return func(b *block, args []*vec, out *vec) {
		identity(b, args, out)
		for i, x := range values[int64](out) {
			if outside(x) && b.wants(out, i) {
				if x < 0 {
					b.fail(i, "Conversion Error: "+string(low))
				} else {
					b.fail(i, "Conversion Error: "+string(high))
				}
			}
		}
	}
}

// parseKernel casts text.
func parseKernel(to row.Type, try bool) kernel {
	return func(b *block, args []*vec, out *vec) {
		src, build := textsOf(args[0]), row.NewBuilder(to, b.n)
		for i := range b.n {
			if !b.wants(out, i) {
				build.AppendNull()
				continue
			}
			if err := build.AppendParsed(src.bytes(i)); err != nil {
				build.AppendNull()
				if !try {
					b.fail(i, "Conversion Error: "+err.Error())
				}
			}
		}
		out.Vec = build.Finish()
		out.scratchData, out.scratchValid, out.ownBits = false, false, true
	}
}

// printKernel casts to text.
func printKernel(b *block, args []*vec, out *vec) {
	a, in := args[0], args[0].mask()
	w := writeTexts(out, b.n, 8*b.n)
	for i := range b.n {
		if out.Valid == nil || !out.Null(i) {
			w.buf = row.AppendText(w.buf, &a.Vec, i&in)
		}
		w.end()
		if w.full(b) {
			break
		}
	}
	w.finish(b)
}
