package pgwire

import (
	"encoding/binary"
	"math"

	pg "github.com/tidemill/tidemill/internal/pgwire/pgcatalog"
	"github.com/tidemill/tidemill/internal/row"
)

// Postgres counts days and microseconds from 2000-01-01.
const (
	epochDays   = 10957
	epochMicros = epochDays * dayMicros
)

// appendBinary appends value i, which is not null, in the binary format of the type that pgcatalog.TypeOf gives for it.
func appendBinary(dst []byte, v *row.Vec, i int) []byte {
	be := binary.BigEndian
	switch v.Type.Kind {
	case row.Bool:
		return append(dst, v.Data[i])
	case row.Int8:
		return be.AppendUint16(dst, uint16(int8(v.Data[i])))
	case row.Uint8:
		return be.AppendUint16(dst, uint16(v.Data[i]))
	case row.Int16:
		return be.AppendUint16(dst, uint16(row.Values[int16](v)[i]))
	case row.Uint16:
		return be.AppendUint32(dst, uint32(row.Values[uint16](v)[i]))
	case row.Int32:
		return be.AppendUint32(dst, uint32(row.Values[int32](v)[i]))
	case row.Uint32:
		return be.AppendUint64(dst, uint64(row.Values[uint32](v)[i]))
	case row.Int64:
		return be.AppendUint64(dst, uint64(row.Values[int64](v)[i]))
	case row.Uint64:
		return appendNumeric(dst, row.Int128FromUint64(row.Values[uint64](v)[i]), 0)
	case row.Int128:
		return appendNumeric(dst, row.Values[row.Int128Value](v)[i], 0)
	case row.Decimal:
		if v.Type.Width > 18 {
			return appendNumeric(dst, row.Values[row.Int128Value](v)[i], int(v.Type.Scale))
		}
		return appendNumeric(dst, row.Int128FromInt64(row.Values[int64](v)[i]), int(v.Type.Scale))
	case row.Float32:
		return be.AppendUint32(dst, math.Float32bits(row.Values[float32](v)[i]))
	case row.Float64:
		return be.AppendUint64(dst, math.Float64bits(row.Values[float64](v)[i]))
	case row.Date:
		return be.AppendUint32(dst, uint32(pgDate(row.Values[int32](v)[i])))
	case row.Time:
		return be.AppendUint64(dst, uint64(row.Values[int64](v)[i]))
	case row.Timestamp, row.TimestampTZ:
		return be.AppendUint64(dst, uint64(pgTimestamp(row.Values[int64](v)[i])))
	case row.Interval:
		x := row.Values[row.IntervalValue](v)[i]
		dst = be.AppendUint64(dst, uint64(x.Micros))
		dst = be.AppendUint32(dst, uint32(x.Days))
		return be.AppendUint32(dst, uint32(x.Months))
	case row.UUID:
		return append(dst, v.Data[i*16:i*16+16]...)
	case row.Enum:
		return row.AppendText(dst, v, i)
	case row.List:
		if _, ok := pg.Element(v.Type); ok {
			return appendArrayBinary(dst, v, i)
		}
		return row.AppendJSON(dst, v, i)
	case row.Struct, row.Map:
		return row.AppendJSON(dst, v, i)
	}
	return append(dst, v.Bytes(i)...)
}

func pgDate(days int32) int32 {
	switch {
	case days == row.DateInfinity:
		return math.MaxInt32
	case days == row.DateNegInfinity || days < math.MinInt32+epochDays:
		return math.MinInt32
	}
	return days - epochDays
}

func pgTimestamp(micros int64) int64 {
	switch {
	case micros == row.TimestampInfinity:
		return math.MaxInt64
	case micros == row.TimestampNegInfinity || micros < math.MinInt64+epochMicros:
		return math.MinInt64
	}
	return micros - epochMicros
}

const numericNegative = 0x4000

// appendNumeric writes value/10^scale as Postgres' numeric: digits to the base of 10000, the weight of the first of them,
// the sign, and how many decimal digits there are behind the point.
func appendNumeric(dst []byte, value row.Int128Value, scale int) []byte {
	var text, groups [48]byte
	digits := value.AppendTo(text[:0])
	sign := uint16(0)
	if digits[0] == '-' {
		sign, digits = numericNegative, digits[1:]
	}
	// The decimal digits, filled up with zeros on both sides so that the point is between two groups of four.
	whole := max(len(digits)-scale, 0)
	left := (4 - whole%4) % 4
	if len(digits) < scale {
		left += scale - len(digits)
	}
	right := (4 - scale%4) % 4
	all := groups[:0]
	for range left {
		all = append(all, '0')
	}
	all = append(all, digits...)
	for range right {
		all = append(all, '0')
	}
	weight := (whole+3)/4 - 1
	for len(all) >= 4 && string(all[:4]) == "0000" {
		all, weight = all[4:], weight-1
	}
	for len(all) >= 4 && string(all[len(all)-4:]) == "0000" {
		all = all[:len(all)-4]
	}
	if len(all) == 0 {
		weight, sign = 0, 0
	}
	be := binary.BigEndian
	dst = be.AppendUint16(dst, uint16(len(all)/4))
	dst = be.AppendUint16(dst, uint16(weight))
	dst = be.AppendUint16(dst, sign)
	dst = be.AppendUint16(dst, uint16(scale))
	for ; len(all) > 0; all = all[4:] {
		dst = be.AppendUint16(dst, uint16(all[0]-'0')*1000+uint16(all[1]-'0')*100+uint16(all[2]-'0')*10+uint16(all[3]-'0'))
	}
	return dst
}

// numericText writes a binary numeric as text. ok is false if it is not well-formed.
func numericText(data []byte) (text []byte, ok bool) {
	if len(data) < 8 {
		return nil, false
	}
	be := binary.BigEndian
	n, weight := int(be.Uint16(data)), int(int16(be.Uint16(data[2:])))
	sign, scale := be.Uint16(data[4:]), int(be.Uint16(data[6:])&0x3fff)
	switch sign {
	case 0xC000:
		return []byte("NaN"), true
	case 0xD000:
		return []byte("Infinity"), true
	case 0xF000:
		return []byte("-Infinity"), true
	case 0:
	case numericNegative:
		text = append(text, '-')
	default:
		return nil, false
	}
	// A value of more digits than any of our types has is refused before it is written out.
	if len(data) != 8+2*n || n > 64 || weight > 64 || weight < -128 || scale > 128 {
		return nil, false
	}
	group := func(i int) int {
		if i < 0 || i >= n {
			return 0
		}
		return int(be.Uint16(data[8+2*i:]))
	}
	for i := range n {
		if group(i) > 9999 {
			return nil, false
		}
	}
	text = append(text, '0')
	for i := 0; i <= weight; i++ {
		text = appendFour(text, group(i))
	}
	if scale == 0 {
		return text, true
	}
	text = append(text, '.')
	end := len(text) + scale
	for i := weight + 1; len(text) < end; i++ {
		text = appendFour(text, group(i))
	}
	return text[:end], true
}

func appendFour(dst []byte, n int) []byte {
	return append(dst, byte('0'+n/1000), byte('0'+n/100%10), byte('0'+n/10%10), byte('0'+n%10))
}
