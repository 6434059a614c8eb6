package row

import (
	"encoding/base64"
	"math"
	"strconv"
	"unicode/utf8"
)

// AppendJSON appends the JSON form of value i: numbers exactly as numbers however large, except NaN, Infinity and -Infinity, which are strings; dates and
// times in ISO 8601, TIMESTAMPTZ with a Z; blobs in base64; intervals and UUIDs as text; JSON and Other columns as they are, or as a string if that is no JSON; null. Lists are arrays,
// structs and maps objects.
func AppendJSON(dst []byte, v *Vec, i int) []byte {
	if v.Null(i) {
		return append(dst, "null"...)
	}
	switch v.Type.Kind {
	case String:
		return appendJSONString(dst, v.Bytes(i))
	case JSON, Other:
		if s := v.Bytes(i); !validJSON(s) {
			return appendJSONString(dst, s)
		}
		return append(dst, v.Bytes(i)...)
	case Enum:
		return appendJSONString(dst, []byte(v.Type.enumText(int(Values[uint16](v)[i]))))
	case List, Struct, Map:
		return appendNestedJSON(dst, v.Type, v.Bytes(i), &leaf{})
	case Blob:
		dst = append(dst, '"')
		dst = base64.StdEncoding.AppendEncode(dst, v.Bytes(i))
		return append(dst, '"')
	case Float32:
		return appendJSONFloat(dst, float64(Values[float32](v)[i]), 32)
	case Float64:
		return appendJSONFloat(dst, Values[float64](v)[i], 64)
	case Decimal:
		return appendJSONDecimal(dst, v, i)
	case Timestamp:
		return appendJSONTimestamp(dst, Values[int64](v)[i], "")
	case TimestampTZ:
		return appendJSONTimestamp(dst, Values[int64](v)[i], "Z")
	case Date:
		dst = appendISODate(append(dst, '"'), Values[int32](v)[i])
		return append(dst, '"')
	case Time, Interval, UUID:
		dst = AppendText(append(dst, '"'), v, i)
		return append(dst, '"')
	default:
		return AppendText(dst, v, i)
	}
}

func validJSON(s []byte) bool {
	_, ok := scanJSON(s, jsonStrict)
	return ok
}

func appendJSONFloat(dst []byte, f float64, bitSize int) []byte {
	switch {
	case f != f:
		return append(dst, `"NaN"`...)
	case math.IsInf(f, 1):
		return append(dst, `"Infinity"`...)
	case math.IsInf(f, -1):
		return append(dst, `"-Infinity"`...)
	}
	format := byte('f')
	if a := math.Abs(f); a != 0 && (a < 1e-6 || a >= 1e21) {
		format = 'e'
	}
	return strconv.AppendFloat(dst, f, format, -1, bitSize)
}

// appendJSONDecimal writes a digit before the point also where DuckDB's text has none.
func appendJSONDecimal(dst []byte, v *Vec, i int) []byte {
	start := len(dst)
	dst = appendDecimal(dst, v, i)
	at := start
	if dst[at] == '-' {
		at++
	}
	if dst[at] == '.' {
		dst = append(dst, 0)
		copy(dst[at+1:], dst[at:])
		dst[at] = '0'
	}
	return dst
}

// appendISODate writes years before 1 and after 9999 with a sign and at least six digits, as ISO 8601 does by agreement.
func appendISODate(dst []byte, days int32) []byte {
	if days == DateInfinity || days == DateNegInfinity {
		return appendDate(dst, days)
	}
	y, m, d := CivilDate(days)
	if y >= 1 && y <= 9999 {
		return appendCivil(dst, y, m, d)
	}
	sign := byte('+')
	if y < 0 {
		sign, y = '-', -y
	}
	width := 6
	if y > 999_999 {
		width = 7
	}
	dst = appendPadded(append(dst, sign), uint64(y), width)
	return append(dst, '-', byte('0'+m/10), byte('0'+m%10), '-', byte('0'+d/10), byte('0'+d%10))
}

func appendJSONTimestamp(dst []byte, micros int64, zone string) []byte {
	switch micros {
	case TimestampInfinity:
		return append(dst, `"infinity"`...)
	case TimestampNegInfinity:
		return append(dst, `"-infinity"`...)
	}
	day, inDay := splitTimestamp(micros)
	dst = appendISODate(append(dst, '"'), day)
	dst = append(dst, 'T')
	s := inDay / microsPerSecond
	h, m := s/3600, s/60%60
	s %= 60
	dst = append(dst, byte('0'+h/10), byte('0'+h%10), ':', byte('0'+m/10), byte('0'+m%10), ':', byte('0'+s/10), byte('0'+s%10))
	if frac := uint64(inDay % microsPerSecond); frac%1000 != 0 {
		dst = appendPadded(append(dst, '.'), frac, 6)
	} else if frac != 0 {
		dst = appendPadded(append(dst, '.'), frac/1000, 3)
	}
	dst = append(dst, zone...)
	return append(dst, '"')
}

// jsonPlain has the bytes that stand for themselves in a JSON string.
var jsonPlain = makeJSONPlain()

func makeJSONPlain() (t [256]bool) {
	for c := ' '; c < utf8.RuneSelf; c++ {
		t[c] = c != '"' && c != '\\'
	}
	return t
}

// appendJSONString quotes s. Bytes that are not UTF-8 become the replacement character; U+2028 and U+2029, which some
// readers take for line ends, are escaped.
func appendJSONString(dst, s []byte) []byte {
	dst = append(dst, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if jsonPlain[c] {
			i++
			continue
		}
		if c >= utf8.RuneSelf {
			r, n := utf8.DecodeRune(s[i:])
			if r != '\u2028' && r != '\u2029' && (r != utf8.RuneError || n > 1) {
				i += n
				continue
			}
			dst = append(dst, s[start:i]...)
			dst = append(dst, '\\', 'u', hexLower[r>>12&15], hexLower[r>>8&15], hexLower[r>>4&15], hexLower[r&15])
			i += n
			start = i
			continue
		}
		dst = append(dst, s[start:i]...)
		switch c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\n':
			dst = append(dst, '\\', 'n')
		case '\r':
			dst = append(dst, '\\', 'r')
		case '\t':
			dst = append(dst, '\\', 't')
		default:
			dst = append(dst, '\\', 'u', '0', '0', hexLower[c>>4], hexLower[c&15])
		}
		i++
		start = i
	}
	return append(append(dst, s[start:]...), '"')
}

// RowEncoder writes rows of one schema as JSON. It is immutable and safe for concurrent use.
type RowEncoder struct {
	keys [][]byte // `"name":` with the brace or comma before it
}

// NewRowEncoder returns the encoder for rows of a schema.
func NewRowEncoder(s Schema) *RowEncoder {
	e := &RowEncoder{keys: make([][]byte, len(s))}
	for i, c := range s {
		key := []byte{','}
		if i == 0 {
			key[0] = '{'
		}
		e.keys[i] = append(appendJSONString(key, []byte(c.Name)), ':')
	}
	return e
}

// AppendRow appends row i of the batch as an object. Columns of one name are written one after the other.
func (e *RowEncoder) AppendRow(dst []byte, b *Batch, i int) []byte {
	if len(e.keys) == 0 {
		return append(dst, "{}"...)
	}
	for c, key := range e.keys {
		dst = AppendJSON(append(dst, key...), &b.Cols[c], i)
	}
	return append(dst, '}')
}

// AppendRowJSON appends row i of the batch as an object; for many rows a RowEncoder is faster.
func AppendRowJSON(dst []byte, s Schema, b *Batch, i int) []byte {
	return NewRowEncoder(s).AppendRow(dst, b, i)
}

// AppendRowArrayJSON appends row i of the batch as an array.
func AppendRowArrayJSON(dst []byte, b *Batch, i int) []byte {
	dst = append(dst, '[')
	for c := range b.Cols {
		if c > 0 {
			dst = append(dst, ',')
		}
		dst = AppendJSON(dst, &b.Cols[c], i)
	}
	return append(dst, ']')
}
