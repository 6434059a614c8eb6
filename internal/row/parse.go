package row

import (
	"fmt"
	"time"
	"unicode/utf8"
	"unsafe"
)

// ConversionError says why a text or a value has no form in a type, in DuckDB's words.
type ConversionError struct {
	Message string
}

// Error returns the message.
func (e *ConversionError) Error() string { return e.Message }

func conversionError(format string, args ...any) error {
	return &ConversionError{Message: fmt.Sprintf(format, args...)}
}

// errTypeNames are the names DuckDB gives physical types in messages.
var errTypeNames = [...]string{
	PhysBool: "BOOL", PhysInt8: "INT8", PhysInt16: "INT16", PhysInt32: "INT32", PhysInt64: "INT64", PhysInt128: "INT128",
	PhysUint8: "UINT8", PhysUint16: "UINT16", PhysUint32: "UINT32", PhysUint64: "UINT64",
	PhysFloat32: "FLOAT", PhysFloat64: "DOUBLE", PhysInterval: "INTERVAL", PhysUUID: "INT128", PhysBytes: "VARCHAR",
}

func couldNotConvert(s []byte, p Phys) error {
	return conversionError("Could not convert string '%s' to %s", s, errTypeNames[p])
}

// AppendParsed appends the value that DuckDB's CAST(text AS type) makes of s. On an error, always a *ConversionError,
// nothing is appended. TIMESTAMPTZ without an offset is UTC; text and Other columns take
// any valid UTF-8 as it is. Lists, structs and maps are read from JSON as well as from DuckDB's text, lists
// also from Postgres' {1,2}.
func (b *Builder) AppendParsed(s []byte) error {
	switch b.typ.Kind {
	case String, Other:
		if !utf8.Valid(s) {
			return conversionError("Invalid unicode (byte sequence mismatch) detected in text")
		}
		b.AppendBytes(s)
		return nil
	case Bool:
		return b.appendParsedBool(s)
	case Int8, Int16, Int32, Int64, Uint8, Uint16, Uint32, Uint64:
		return b.appendParsedInt(s)
	case Int128:
		v, ok := parseHuge(s)
		if !ok {
			return couldNotConvert(s, PhysInt128)
		}
		b.AppendInt128(v)
		return nil
	case Float32, Float64:
		return b.appendParsedFloat(s)
	case Decimal:
		return b.appendParsedDecimal(s)
	case JSON:
		return b.appendParsedJSON(s)
	case Blob:
		return b.appendParsedBlob(s)
	case Date:
		return b.appendParsedDate(s)
	case Time:
		return b.appendParsedTime(s)
	case Timestamp:
		return b.appendParsedTimestamp(s)
	case TimestampTZ:
		return b.appendParsedTimestampTZ(s)
	case Interval:
		v, err := parseInterval(s)
		if err != nil {
			return err
		}
		b.AppendInterval(v)
		return nil
	case Enum:
		i := b.typ.EnumIndex(string(s))
		if i < 0 {
			return conversionError("Could not convert string '%s' to UINT8", s)
		}
		b.AppendInt(int64(i))
		return nil
	case List, Struct, Map:
		return b.appendParsedNested(s)
	case UUID:
		v, ok := parseUUID(s)
		if !ok {
			return couldNotConvert(s, PhysInt128)
		}
		b.AppendUUID(v)
		return nil
	default:
		return conversionError("Unsupported type %s", b.typ)
	}
}

// ParseValue returns the value that DuckDB's CAST(s AS type) gives; an error is a *ConversionError.
func ParseValue(t Type, s string) (Value, error) {
	b := NewBuilder(t, 1)
	if err := b.AppendParsed(unsafe.Slice(unsafe.StringData(s), len(s))); err != nil {
		return Value{}, err
	}
	v := b.Finish()
	return v.Value(0), nil
}

func (b *Builder) appendParsedBool(s []byte) error {
	switch len(s) {
	case 1:
		switch s[0] {
		case 't', 'T', 'y', 'Y', '1':
			b.AppendBool(true)
			return nil
		case 'f', 'F', 'n', 'N', '0':
			b.AppendBool(false)
			return nil
		}
	case 2, 3, 4, 5:
		if equalFoldASCII(s, "true") || equalFoldASCII(s, "yes") {
			b.AppendBool(true)
			return nil
		}
		if equalFoldASCII(s, "false") || equalFoldASCII(s, "no") {
			b.AppendBool(false)
			return nil
		}
	}
	return couldNotConvert(s, PhysBool)
}

// equalFoldASCII compares s with lower, which is in lower case.
func equalFoldASCII(s []byte, lower string) bool {
	return len(s) == len(lower) && hasPrefixFoldASCII(s, lower)
}

func hasPrefixFoldASCII(s []byte, lower string) bool {
	if len(s) < len(lower) {
		return false
	}
	for i := range len(lower) {
		if toLower(s[i]) != lower[i] {
			return false
		}
	}
	return true
}

func toLower(c byte) byte {
	if c >= 'A' && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}

func isDigit(c byte) bool { return c-'0' < 10 }

func isSpace(c byte) bool { return c == ' ' || c-'\t' < 5 }

func skipSpaces(s []byte, i int) int {
	for i < len(s) && isSpace(s[i]) {
		i++
	}
	return i
}

// hexDigit returns the value of a hexadecimal digit, or 16 and more.
func hexDigit(c byte) byte {
	switch {
	case isDigit(c):
		return c - '0'
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10
	case c >= 'A' && c <= 'F':
		return c - 'A' + 10
	}
	return 0xff
}

// parseUUID reads 32 hexadecimal digits with dashes anywhere between them, in braces or not.
func parseUUID(s []byte) (u UUIDValue, ok bool) {
	if len(s) > 0 && s[0] == '{' {
		if s[len(s)-1] != '}' {
			return u, false
		}
		s = s[1 : len(s)-1]
	}
	n := 0
	for _, c := range s {
		if c == '-' {
			continue
		}
		d := hexDigit(c)
		if d > 15 || n == 32 {
			return u, false
		}
		u[n>>1] = u[n>>1]<<4 | d
		n++
	}
	return u, n == 32
}

func (b *Builder) appendParsedBlob(s []byte) error {
	start := len(b.data)
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c > 127:
			b.data = b.data[:start]
			return conversionError("Invalid byte encountered in STRING -> BLOB conversion of string \"%s\". All non-ascii characters must be escaped with hex codes (e.g. \\xAA)", s)
		case c != '\\':
			b.data = append(b.data, c)
		case i+3 >= len(s):
			b.data = b.data[:start]
			return conversionError("Invalid hex escape code encountered in string -> blob conversion of string \"%s\": unterminated escape code at end of blob", s)
		case s[i+1] != 'x' || hexDigit(s[i+2]) > 15 || hexDigit(s[i+3]) > 15:
			b.data = b.data[:start]
			return conversionError("Invalid hex escape code encountered in string -> blob conversion of string \"%s\": %s", s, s[i:i+4])
		default:
			b.data = append(b.data, hexDigit(s[i+2])<<4|hexDigit(s[i+3]))
			i += 3
		}
	}
	b.offsets = append(b.offsets, int32(len(b.data)))
	b.n++
	return nil
}

func (b *Builder) appendParsedJSON(s []byte) error {
	if at, ok := scanJSON(s, jsonDuckDB); !ok {
		return conversionError("Malformed JSON at byte %d of input: unexpected content.  Input: \"%s\"", at, s)
	}
	b.AppendBytes(s)
	return nil
}

// zoneCache remembers the last time zone named in a column's texts.
type zoneCache struct {
	name string
	zone *time.Location
}
