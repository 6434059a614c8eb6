package row

import (
	"math"
	"strconv"
)

const (
	microsPerSecond = 1_000_000
	microsPerMinute = 60 * microsPerSecond
	microsPerHour   = 60 * microsPerMinute
	microsPerDay    = 24 * microsPerHour
)

// The infinite dates and timestamps, which are less or greater than all others.
const (
	DateInfinity         int32 = math.MaxInt32
	DateNegInfinity      int32 = -math.MaxInt32
	TimestampInfinity    int64 = math.MaxInt64
	TimestampNegInfinity int64 = -math.MaxInt64
)

// AppendText appends the text of value i as DuckDB's CAST(x AS VARCHAR) writes it, TIMESTAMPTZ in UTC. A null appends nothing.
func AppendText(dst []byte, v *Vec, i int) []byte {
	if v.Null(i) {
		return dst
	}
	switch v.Type.Kind {
	case Bool:
		return strconv.AppendBool(dst, v.Data[i] != 0)
	case Float32:
		return appendFloat(dst, float64(Values[float32](v)[i]), 32)
	case Float64:
		return appendFloat(dst, Values[float64](v)[i], 64)
	case Int128:
		return Values[Int128Value](v)[i].AppendTo(dst)
	case Uint64:
		return strconv.AppendUint(dst, Values[uint64](v)[i], 10)
	case Decimal:
		return appendDecimal(dst, v, i)
	case String, JSON:
		return append(dst, v.Bytes(i)...)
	case Other:
		return appendOtherText(dst, v.Bytes(i))
	case Blob:
		return appendBlobText(dst, v.Bytes(i))
	case Enum:
		return append(dst, v.Type.enumText(int(Values[uint16](v)[i]))...)
	case List, Struct, Map:
		return appendNestedText(dst, v.Type, v.Bytes(i), &leaf{})
	case Date:
		return appendDate(dst, Values[int32](v)[i])
	case Time:
		return appendTime(dst, Values[int64](v)[i])
	case Timestamp:
		return appendTimestamp(dst, Values[int64](v)[i], "")
	case TimestampTZ:
		return appendTimestamp(dst, Values[int64](v)[i], "+00")
	case Interval:
		return Values[IntervalValue](v)[i].AppendTo(dst)
	case UUID:
		return Values[UUIDValue](v)[i].AppendTo(dst)
	default:
		return strconv.AppendInt(dst, v.int(i), 10)
	}
}

// int returns value i of a column whose physical form is an integer of up to 64 bits.
func (v *Vec) int(i int) int64 {
	switch v.Type.Phys() {
	case PhysInt8:
		return int64(int8(v.Data[i]))
	case PhysInt16:
		return int64(Values[int16](v)[i])
	case PhysUint16:
		return int64(Values[uint16](v)[i])
	case PhysInt32:
		return int64(Values[int32](v)[i])
	case PhysUint32:
		return int64(Values[uint32](v)[i])
	case PhysInt64, PhysUint64:
		return Values[int64](v)[i]
	default:
		return int64(v.Data[i])
	}
}

// Text returns the value's text as AppendText writes it, or "NULL".
func (v Value) Text() string {
	if v.Null {
		return "NULL"
	}
	one := v.Repeat(1)
	return string(AppendText(nil, &one, 0))
}

func appendDecimal(dst []byte, v *Vec, i int) []byte {
	if v.Type.Phys() == PhysInt64 {
		x := Values[int64](v)[i]
		m := uint64(x)
		if x < 0 {
			m = -m
		}
		return appendScaled(dst, x < 0, uint128{lo: m}, v.Type)
	}
	x := Values[Int128Value](v)[i]
	return appendScaled(dst, x.Hi < 0, x.magnitude(), v.Type)
}

// appendScaled writes a decimal's magnitude. Without a digit of its own before the point there is none in the text either.
func appendScaled(dst []byte, negative bool, m uint128, t Type) []byte {
	if negative {
		dst = append(dst, '-')
	}
	if t.Scale == 0 {
		return m.appendTo(dst)
	}
	whole, frac := m.quoRem(pow10Table[t.Scale].magnitude())
	if t.Width > t.Scale || whole != (uint128{}) {
		dst = whole.appendTo(dst)
	}
	dst = append(dst, '.')
	if frac.hi == 0 && t.Scale <= 19 {
		return appendPadded(dst, frac.lo, int(t.Scale))
	}
	hi, lo := frac.quoRem(uint128{lo: 1e19})
	if t.Scale > 19 {
		dst = appendPadded(dst, hi.lo, int(t.Scale)-19)
	}
	return appendPadded(dst, lo.lo, 19)
}

const hexUpper = "0123456789ABCDEF"

func appendBlobText(dst, blob []byte) []byte {
	for _, c := range blob {
		if c >= 32 && c < 127 && c != '\\' && c != '"' && c != '\'' {
			dst = append(dst, c)
		} else {
			dst = append(dst, '\\', 'x', hexUpper[c>>4], hexUpper[c&15])
		}
	}
	return dst
}

// CivilDate returns the year (astronomical: 0 is 1 BC), month and day of a day counted from 1970-01-01 in the proleptic
// Gregorian calendar.
func CivilDate(days int32) (year, month, day int) {
	// Days are counted from 0000-03-01 in 400-year eras, so that the leap day is a year's last.
	z := int64(days) + 719468
	era := z / 146097
	if z < 0 {
		era = (z - 146096) / 146097
	}
	doe := z - era*146097
	yoe := (doe - doe/1460 + doe/36524 - doe/146096) / 365
	doy := doe - (365*yoe + yoe/4 - yoe/100)
	mp := (5*doy + 2) / 153
	day = int(doy - (153*mp+2)/5 + 1)
	month = int(mp + 3)
	year = int(yoe + era*400)
	if month > 12 {
		month -= 12
		year++
	}
	return year, month, day
}

// DateFromCivil is the inverse of CivilDate; ok is false for a day that does not exist or is beyond DuckDB's dates,
// which go from 5877642-06-25 (BC) to 5881580-07-10.
func DateFromCivil(year, month, day int) (days int32, ok bool) {
	if month < 1 || month > 12 || day < 1 || year < -5877641 || year > 5881580 || day > daysInMonth(year, month) {
		return 0, false
	}
	y, m := int64(year), int64(month)
	if m <= 2 {
		y--
		m += 12
	}
	era := y / 400
	if y < 0 {
		era = (y - 399) / 400
	}
	yoe := y - era*400
	doy := (153*(m-3)+2)/5 + int64(day) - 1
	n := era*146097 + yoe*365 + yoe/4 - yoe/100 + doy - 719468
	return int32(n), n > int64(DateNegInfinity) && n < int64(DateInfinity)
}

func daysInMonth(year, month int) int {
	switch month {
	case 2:
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	case 4, 6, 9, 11:
		return 30
	}
	return 31
}

func appendDate(dst []byte, days int32) []byte {
	switch days {
	case DateInfinity:
		return append(dst, "infinity"...)
	case DateNegInfinity:
		return append(dst, "-infinity"...)
	}
	y, m, d := CivilDate(days)
	return appendCivil(dst, y, m, d)
}

func appendCivil(dst []byte, y, m, d int) []byte {
	bc := y <= 0
	if bc {
		y = 1 - y
	}
	if y < 10000 {
		dst = append(dst, byte('0'+y/1000), byte('0'+y/100%10), byte('0'+y/10%10), byte('0'+y%10))
	} else {
		dst = strconv.AppendInt(dst, int64(y), 10)
	}
	dst = append(dst, '-', byte('0'+m/10), byte('0'+m%10), '-', byte('0'+d/10), byte('0'+d%10))
	if bc {
		dst = append(dst, " (BC)"...)
	}
	return dst
}

// appendTime writes microseconds since midnight; hours may have more than two digits.
func appendTime(dst []byte, micros int64) []byte {
	if micros < 0 {
		dst = append(dst, '-')
	}
	return appendClock(dst, magnitude64(micros))
}

func magnitude64(v int64) uint64 {
	if v < 0 {
		return -uint64(v)
	}
	return uint64(v)
}

func appendClock(dst []byte, micros uint64) []byte {
	h := micros / microsPerHour
	if h < 10 {
		dst = append(dst, '0')
	}
	dst = strconv.AppendUint(dst, h, 10)
	m, s := micros/microsPerMinute%60, micros/microsPerSecond%60
	dst = append(dst, ':', byte('0'+m/10), byte('0'+m%10), ':', byte('0'+s/10), byte('0'+s%10))
	frac := micros % microsPerSecond
	if frac == 0 {
		return dst
	}
	width := 6
	for frac%10 == 0 {
		frac /= 10
		width--
	}
	return appendPadded(append(dst, '.'), frac, width)
}

// splitTimestamp returns the day and the microseconds in it.
func splitTimestamp(micros int64) (day int32, inDay int64) {
	d := micros / microsPerDay
	inDay = micros % microsPerDay
	if inDay < 0 {
		inDay += microsPerDay
		d--
	}
	return int32(d), inDay
}

func appendTimestamp(dst []byte, micros int64, zone string) []byte {
	switch micros {
	case TimestampInfinity:
		return append(dst, "infinity"...)
	case TimestampNegInfinity:
		return append(dst, "-infinity"...)
	}
	day, inDay := splitTimestamp(micros)
	dst = append(appendDate(dst, day), ' ')
	return append(appendClock(dst, uint64(inDay)), zone...)
}

// AppendTo appends the interval as DuckDB writes it: "1 year 2 months 3 days 04:05:06.7".
func (iv IntervalValue) AppendTo(dst []byte) []byte {
	start := len(dst)
	part := func(n int32, unit string) {
		if n == 0 {
			return
		}
		if len(dst) > start {
			dst = append(dst, ' ')
		}
		dst = strconv.AppendInt(dst, int64(n), 10)
		dst = append(dst, unit...)
		if n != 1 && n != -1 {
			dst = append(dst, 's')
		}
	}
	part(iv.Months/12, " year")
	part(iv.Months%12, " month")
	part(iv.Days, " day")
	if iv.Micros == 0 && len(dst) > start {
		return dst
	}
	if len(dst) > start {
		dst = append(dst, ' ')
	}
	return appendTime(dst, iv.Micros)
}

const hexLower = "0123456789abcdef"

// AppendTo appends the UUID in lower case with dashes.
func (u UUIDValue) AppendTo(dst []byte) []byte {
	for i, c := range u {
		if i == 4 || i == 6 || i == 8 || i == 10 {
			dst = append(dst, '-')
		}
		dst = append(dst, hexLower[c>>4], hexLower[c&15])
	}
	return dst
}
