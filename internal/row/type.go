package row

import (
	"fmt"
	"strconv"
	"strings"
)

// Kind is the logical type of a value, without its parameters.
type Kind uint8

// The kinds. Other is any DuckDB type the engine does not compute with (unions, bit strings …):
// its values are carried as JSON text and can only be passed through and shown.
const (
	Invalid Kind = iota
	Bool
	Int8
	Int16
	Int32
	Int64
	Int128 // HUGEINT
	Uint8
	Uint16
	Uint32
	Uint64
	Float32
	Float64
	Decimal // scaled integer: 64 bits up to 18 digits, else 128 bits
	String
	JSON // text that holds JSON; compares as text
	Blob
	Date        // days since 1970-01-01, int32
	Time        // microseconds since midnight, int64
	Timestamp   // microseconds since 1970-01-01 00:00:00 without zone, int64
	TimestampTZ // microseconds since 1970-01-01 00:00:00 UTC, int64
	Interval    // IntervalValue
	UUID        // 16 bytes in text order
	Other
	Enum   // the position of the value in the type's list
	List   // with elements of one type, also an ARRAY; see Nested values in the package's doc
	Struct // of members
	Map    // a list of STRUCT(key, value)
	kindCount
)

// Phys is the physical form of a kind's values in a Vec.
type Phys uint8

// The physical forms.
const (
	PhysNone Phys = iota
	PhysBool
	PhysInt8
	PhysInt16
	PhysInt32
	PhysInt64
	PhysInt128
	PhysUint8
	PhysUint16
	PhysUint32
	PhysUint64
	PhysFloat32
	PhysFloat64
	PhysInterval
	PhysUUID
	PhysBytes
)

var physOf = [kindCount]Phys{
	Bool: PhysBool, Int8: PhysInt8, Int16: PhysInt16, Int32: PhysInt32, Int64: PhysInt64, Int128: PhysInt128,
	Uint8: PhysUint8, Uint16: PhysUint16, Uint32: PhysUint32, Uint64: PhysUint64,
	Float32: PhysFloat32, Float64: PhysFloat64, Decimal: PhysInt64,
	String: PhysBytes, JSON: PhysBytes, Blob: PhysBytes, Other: PhysBytes,
	Date: PhysInt32, Time: PhysInt64, Timestamp: PhysInt64, TimestampTZ: PhysInt64,
	Interval: PhysInterval, UUID: PhysUUID,
	Enum: PhysUint16, List: PhysBytes, Struct: PhysBytes, Map: PhysBytes,
}

var widthOf = [...]int{
	PhysBool: 1, PhysInt8: 1, PhysInt16: 2, PhysInt32: 4, PhysInt64: 8, PhysInt128: 16,
	PhysUint8: 1, PhysUint16: 2, PhysUint32: 4, PhysUint64: 8, PhysFloat32: 4, PhysFloat64: 8,
	PhysInterval: 16, PhysUUID: 16, PhysBytes: 0,
}

// Width is the number of bytes a value takes, 0 for PhysBytes.
func (p Phys) Width() int { return widthOf[p] }

// Type is a logical type. Types are comparable with ==.
type Type struct {
	Kind Kind
	// Width and Scale are those of a Decimal: digits in all, digits behind the point.
	Width, Scale uint8
	// Name is DuckDB's name of an Other type, else empty.
	Name string
	// shape describes an Enum, List, Struct or Map, and is nil otherwise.
	shape *shape
}

// T returns the type of a kind without parameters.
func T(k Kind) Type { return Type{Kind: k} }

// DecimalType returns DECIMAL(width, scale).
func DecimalType(width, scale uint8) Type { return Type{Kind: Decimal, Width: width, Scale: scale} }

// Phys returns the physical form of the type's values.
func (t Type) Phys() Phys {
	if t.Kind == Decimal && t.Width > 18 {
		return PhysInt128
	}
	return physOf[t.Kind]
}

var kindNames = [kindCount]string{
	Invalid: "INVALID", Bool: "BOOLEAN", Int8: "TINYINT", Int16: "SMALLINT", Int32: "INTEGER", Int64: "BIGINT", Int128: "HUGEINT",
	Uint8: "UTINYINT", Uint16: "USMALLINT", Uint32: "UINTEGER", Uint64: "UBIGINT", Float32: "FLOAT", Float64: "DOUBLE",
	Decimal: "DECIMAL", String: "VARCHAR", JSON: "JSON", Blob: "BLOB", Date: "DATE", Time: "TIME", Timestamp: "TIMESTAMP",
	TimestampTZ: "TIMESTAMP WITH TIME ZONE", Interval: "INTERVAL", UUID: "UUID", Other: "OTHER",
	Enum: "ENUM", List: "LIST", Struct: "STRUCT", Map: "MAP",
}

// String returns DuckDB's name of the type; ParseType reads it back.
func (t Type) String() string {
	switch t.Kind {
	case Decimal:
		return fmt.Sprintf("DECIMAL(%d,%d)", t.Width, t.Scale)
	case Other:
		return t.Name
	default:
		if t.shape != nil {
			return t.shape.text
		}
		return kindNames[t.Kind]
	}
}

// IsInteger reports whether values are integers of any width.
func (t Type) IsInteger() bool { return t.Kind >= Int8 && t.Kind <= Uint64 }

// IsNumeric reports whether values are numbers.
func (t Type) IsNumeric() bool { return t.Kind >= Int8 && t.Kind <= Decimal }

var typeNames = map[string]Kind{
	"BOOLEAN": Bool, "BOOL": Bool, "LOGICAL": Bool,
	"TINYINT": Int8, "INT1": Int8, "SMALLINT": Int16, "INT2": Int16, "SHORT": Int16, "INT16": Int16,
	"INTEGER": Int32, "INT": Int32, "INT4": Int32, "SIGNED": Int32, "INT32": Int32,
	"BIGINT": Int64, "INT8": Int64, "LONG": Int64, "INT64": Int64, "HUGEINT": Int128, "INT128": Int128,
	"UTINYINT": Uint8, "UINT8": Uint8, "USMALLINT": Uint16, "UINT16": Uint16, "UINTEGER": Uint32, "UINT32": Uint32, "UBIGINT": Uint64, "UINT64": Uint64,
	"FLOAT": Float32, "FLOAT4": Float32, "REAL": Float32, "DOUBLE": Float64, "FLOAT8": Float64, "DOUBLE PRECISION": Float64,
	"VARCHAR": String, "TEXT": String, "STRING": String, "CHAR": String, "BPCHAR": String, "CHARACTER VARYING": String, "CHARACTER": String, "NVARCHAR": String,
	"JSON": JSON, "JSONB": JSON, "BLOB": Blob, "BYTEA": Blob, "BINARY": Blob, "VARBINARY": Blob,
	"DATE": Date, "TIME": Time, "TIME WITHOUT TIME ZONE": Time,
	"TIMESTAMP": Timestamp, "DATETIME": Timestamp, "TIMESTAMP WITHOUT TIME ZONE": Timestamp, "TIMESTAMP_US": Timestamp,
	"TIMESTAMPTZ": TimestampTZ, "TIMESTAMP WITH TIME ZONE": TimestampTZ,
	"INTERVAL": Interval, "UUID": UUID, "GUID": UUID,
}

// ParseType reads a type as it is written in SQL ("DECIMAL(10,2)", "timestamp with time zone").
// A type the engine has no form for ("UNION(a INTEGER)", "BIT") comes back as an Other with ok false.
func ParseType(s string) (t Type, ok bool) { return ParseTypeNamed(s, nil) }

// ParseTypeNamed is ParseType for a text that may use types that have been given names: named finds the type of a name.
func ParseTypeNamed(s string, named func(name string) (Type, bool)) (t Type, ok bool) {
	if len(s) > typeTextMax {
		return Type{Kind: Other, Name: s}, false
	}
	return typeParser{named}.parse(s, typeDepthMax)
}

// typeParser reads the texts of types.
type typeParser struct {
	named func(name string) (Type, bool) // nil: no other names
}

func (p typeParser) parse(s string, depth int) (t Type, ok bool) {
	s = strings.TrimSpace(s)
	if t, is, ok := p.shaped(s, depth); is {
		return t, ok
	}
	name := strings.ToUpper(strings.Join(strings.Fields(s), " "))
	base, args := name, ""
	if i := strings.IndexByte(name, '('); i >= 0 && strings.HasSuffix(name, ")") {
		base, args = strings.TrimSpace(name[:i]), name[i+1:len(name)-1]
	}
	if base == "DECIMAL" || base == "NUMERIC" || base == "DEC" {
		return parseDecimalType(args)
	}
	k, known := typeNames[base]
	if !known && p.named != nil {
		if unquoted, rest, quoted := unquoteSQL(s, '"'); quoted && rest == "" {
			s = unquoted
		}
		if t, ok = p.named(s); ok {
			return t, true
		}
	}
	if !known || (args != "" && k != String && k != Timestamp && k != TimestampTZ && k != Time && k != Blob) {
		return Type{Kind: Other, Name: s}, false
	}
	return T(k), true
}

func parseDecimalType(args string) (Type, bool) {
	t := DecimalType(18, 3)
	if args == "" {
		return t, true
	}
	w, sc, two := strings.Cut(args, ",")
	width, err := strconv.Atoi(strings.TrimSpace(w))
	scale := 0
	if err == nil && two {
		scale, err = strconv.Atoi(strings.TrimSpace(sc))
	}
	if err != nil || width < 1 || width > 38 || scale < 0 || scale > width {
		return Type{Kind: Other, Name: "DECIMAL(" + args + ")"}, false
	}
	return DecimalType(uint8(width), uint8(scale)), true
}

// Column is a named, typed column of a Schema.
type Column struct {
	Name    string
	Type    Type
	NotNull bool
}

// Schema is an ordered list of columns. Names are unique without regard to case in a relation;
// a query's result may repeat them.
type Schema []Column

// Index returns the position of the column of that name, without regard to case, or -1.
func (s Schema) Index(name string) int {
	for i := range s {
		if s[i].Name == name {
			return i
		}
	}
	for i := range s {
		if strings.EqualFold(s[i].Name, name) {
			return i
		}
	}
	return -1
}

// Types returns the columns' types.
func (s Schema) Types() []Type {
	ts := make([]Type, len(s))
	for i := range s {
		ts[i] = s[i].Type
	}
	return ts
}

// Names returns the columns' names.
func (s Schema) Names() []string {
	ns := make([]string, len(s))
	for i := range s {
		ns[i] = s[i].Name
	}
	return ns
}
