package pgwire

import (
	"math"
	"slices"
	"strconv"
	"time"

	pg "github.com/tidemill/tidemill/internal/pgwire/pgcatalog"
	"github.com/tidemill/tidemill/internal/row"
)

// appendText appends value i, which is not null, as Postgres writes it. loc is the zone of a TIMESTAMPTZ, nil for UTC.
func appendText(dst []byte, v *row.Vec, i int, loc *time.Location) []byte {
	switch v.Type.Kind {
	case row.Bool:
		if v.Data[i] != 0 {
			return append(dst, 't')
		}
		return append(dst, 'f')
	case row.Int32:
		return strconv.AppendInt(dst, int64(row.Values[int32](v)[i]), 10)
	case row.Int64:
		return strconv.AppendInt(dst, row.Values[int64](v)[i], 10)
	case row.String, row.JSON:
		return append(dst, v.Bytes(i)...)
	case row.Other:
		if pg.Nested(v.Type.Name) { // which is sent as JSON
			return append(dst, v.Bytes(i)...)
		}
		return row.AppendText(dst, v, i)
	case row.List:
		if _, ok := pg.Element(v.Type); ok {
			return appendArrayText(dst, v, i, loc)
		}
		return row.AppendJSON(dst, v, i)
	case row.Struct, row.Map:
		return row.AppendJSON(dst, v, i)
	case row.Float32:
		return appendFloat(dst, float64(row.Values[float32](v)[i]), 32)
	case row.Float64:
		return appendFloat(dst, row.Values[float64](v)[i], 64)
	case row.Blob:
		return appendHex(dst, v.Bytes(i))
	case row.Date:
		return appendDate(dst, row.Values[int32](v)[i])
	case row.Time:
		return appendClock(dst, row.Values[int64](v)[i])
	case row.Timestamp:
		return appendTimestamp(dst, row.Values[int64](v)[i], nil, false)
	case row.TimestampTZ:
		return appendTimestamp(dst, row.Values[int64](v)[i], loc, true)
	case row.Interval:
		return appendInterval(dst, row.Values[row.IntervalValue](v)[i])
	case row.Decimal:
		return appendDecimal(dst, v, i)
	default:
		// The other integers, UUIDs and ENUMs are written alike by Postgres and DuckDB.
		return row.AppendText(dst, v, i)
	}
}

// appendDecimal writes a digit before the point, which DuckDB leaves out where the type has none.
func appendDecimal(dst []byte, v *row.Vec, i int) []byte {
	start := len(dst)
	dst = row.AppendText(dst, v, i)
	if v.Type.Scale < v.Type.Width {
		return dst
	}
	if dst[start] == '-' {
		start++
	}
	return slices.Insert(dst, start, '0')
}

// appendFloat writes the shortest text that reads back as f. Postgres writes an exponent from 1e15 on (a FLOAT's: 1e6) and below 1e-4.
func appendFloat(dst []byte, f float64, bits int) []byte {
	switch {
	case f != f:
		return append(dst, "NaN"...)
	case math.IsInf(f, 1):
		return append(dst, "Infinity"...)
	case math.IsInf(f, -1):
		return append(dst, "-Infinity"...)
	}
	most := 1e15
	if bits == 32 {
		most = 1e6
	}
	if a := math.Abs(f); a == 0 || a >= 1e-4 && a < most {
		return strconv.AppendFloat(dst, f, 'f', -1, bits)
	}
	return strconv.AppendFloat(dst, f, 'e', -1, bits)
}

func appendHex(dst, b []byte) []byte {
	const digits = "0123456789abcdef"
	dst = append(dst, '\\', 'x')
	for _, c := range b {
		dst = append(dst, digits[c>>4], digits[c&15])
	}
	return dst
}

func appendTwo(dst []byte, n int) []byte {
	return append(dst, byte('0'+n/10), byte('0'+n%10))
}

// appendCivil writes a date without its era and reports whether it is before Christ.
func appendCivil(dst []byte, days int32) ([]byte, bool) {
	y, m, d := row.CivilDate(days)
	bc := y <= 0
	if bc {
		y = 1 - y
	}
	if y < 1000 {
		dst = append(dst, "000"[:3-digitsBelow1000(y)]...)
	}
	dst = strconv.AppendInt(dst, int64(y), 10)
	dst = appendTwo(append(dst, '-'), m)
	return appendTwo(append(dst, '-'), d), bc
}

// digitsBelow1000 is one less than the number of digits.
func digitsBelow1000(y int) int {
	switch {
	case y >= 100:
		return 2
	case y >= 10:
		return 1
	}
	return 0
}

func appendDate(dst []byte, days int32) []byte {
	switch days {
	case row.DateInfinity:
		return append(dst, "infinity"...)
	case row.DateNegInfinity:
		return append(dst, "-infinity"...)
	}
	dst, bc := appendCivil(dst, days)
	if bc {
		dst = append(dst, " BC"...)
	}
	return dst
}

// appendClock writes microseconds, not negative, as hours, minutes and seconds.
func appendClock(dst []byte, micros int64) []byte {
	seconds := micros / 1e6
	if h := seconds / 3600; h < 100 {
		dst = appendTwo(dst, int(h))
	} else {
		dst = strconv.AppendInt(dst, h, 10)
	}
	dst = appendTwo(append(dst, ':'), int(seconds/60%60))
	dst = appendTwo(append(dst, ':'), int(seconds%60))
	fraction := int(micros % 1e6)
	if fraction == 0 {
		return dst
	}
	dst = append(dst, '.')
	for unit := 100_000; fraction > 0; unit /= 10 {
		dst = append(dst, byte('0'+fraction/unit))
		fraction %= unit
	}
	return dst
}

const dayMicros = 86_400_000_000

func appendTimestamp(dst []byte, micros int64, loc *time.Location, zoned bool) []byte {
	switch micros {
	case row.TimestampInfinity:
		return append(dst, "infinity"...)
	case row.TimestampNegInfinity:
		return append(dst, "-infinity"...)
	}
	offset := 0
	if loc != nil {
		_, offset = time.UnixMicro(micros).In(loc).Zone()
		micros += int64(offset) * 1e6
	}
	days, clock := micros/dayMicros, micros%dayMicros
	if clock < 0 {
		days, clock = days-1, clock+dayMicros
	}
	dst, bc := appendCivil(dst, int32(days))
	dst = appendClock(append(dst, ' '), clock)
	if zoned {
		dst = appendOffset(dst, offset)
	}
	if bc {
		dst = append(dst, " BC"...)
	}
	return dst
}

func appendOffset(dst []byte, seconds int) []byte {
	sign := byte('+')
	if seconds < 0 {
		sign, seconds = '-', -seconds
	}
	dst = appendTwo(append(dst, sign), seconds/3600)
	if m, s := seconds/60%60, seconds%60; m != 0 || s != 0 {
		dst = appendTwo(append(dst, ':'), m)
		if s != 0 {
			dst = appendTwo(append(dst, ':'), s)
		}
	}
	return dst
}

// appendInterval writes Postgres' style: 1 year 2 mons -3 days +04:05:06.
func appendInterval(dst []byte, v row.IntervalValue) []byte {
	start := len(dst)
	before := false // the last part was negative
	part := func(n int64, unit string) {
		if n == 0 {
			return
		}
		if len(dst) > start {
			dst = append(dst, ' ')
		}
		if before && n > 0 {
			dst = append(dst, '+')
		}
		dst = append(strconv.AppendInt(dst, n, 10), unit...)
		if n != 1 {
			dst = append(dst, 's')
		}
		before = n < 0
	}
	part(int64(v.Months/12), " year")
	part(int64(v.Months%12), " mon")
	part(int64(v.Days), " day")
	if v.Micros == 0 && len(dst) > start {
		return dst
	}
	if len(dst) > start {
		dst = append(dst, ' ')
	}
	switch {
	case v.Micros < 0:
		dst = append(dst, '-')
	case before:
		dst = append(dst, '+')
	}
	if v.Micros == math.MinInt64 {
		return append(dst, "2562047788:00:54.775808"...)
	}
	return appendClock(dst, max(v.Micros, -v.Micros))
}
