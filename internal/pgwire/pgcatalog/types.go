package pgcatalog

import (
	_ "embed"
	"strconv"
	"strings"

	"github.com/tidemill/tidemill/internal/row"
)

// The object identifiers of Postgres' types that values are sent as or taken from.
const (
	BoolOID        uint32 = 16
	ByteaOID       uint32 = 17
	CharOID        uint32 = 18
	NameOID        uint32 = 19
	Int8OID        uint32 = 20
	Int2OID        uint32 = 21
	Int4OID        uint32 = 23
	TextOID        uint32 = 25
	OidOID         uint32 = 26
	JSONOID        uint32 = 114
	Float4OID      uint32 = 700
	Float8OID      uint32 = 701
	UnknownOID     uint32 = 705
	BpcharOID      uint32 = 1042
	VarcharOID     uint32 = 1043
	DateOID        uint32 = 1082
	TimeOID        uint32 = 1083
	TimestampOID   uint32 = 1114
	TimestamptzOID uint32 = 1184
	IntervalOID    uint32 = 1186
	NumericOID     uint32 = 1700
	UUIDOID        uint32 = 2950
	JSONBOID       uint32 = 3802
)

// PgType is how a type looks to a Postgres client.
type PgType struct {
	OID uint32
	// Size is the number of bytes of a value, -1 if it varies.
	Size int16
	// Modifier is the type's modifier (of a DECIMAL its width and scale), -1 if it has none.
	Modifier int32
}

// TypeOf returns how values of a type are shown to Postgres clients.
func TypeOf(t row.Type) PgType {
	switch t.Kind {
	case row.Bool:
		return PgType{BoolOID, 1, -1}
	case row.Int8, row.Int16, row.Uint8:
		return PgType{Int2OID, 2, -1}
	case row.Int32, row.Uint16:
		return PgType{Int4OID, 4, -1}
	case row.Int64, row.Uint32:
		return PgType{Int8OID, 8, -1}
	case row.Int128, row.Uint64:
		return PgType{NumericOID, -1, -1}
	case row.Decimal:
		return PgType{NumericOID, -1, (int32(t.Width)<<16 | int32(t.Scale)) + 4}
	case row.Float32:
		return PgType{Float4OID, 4, -1}
	case row.Float64:
		return PgType{Float8OID, 8, -1}
	case row.String:
		return PgType{VarcharOID, -1, -1}
	case row.JSON:
		return PgType{JSONOID, -1, -1}
	case row.Blob:
		return PgType{ByteaOID, -1, -1}
	case row.Date:
		return PgType{DateOID, 4, -1}
	case row.Time:
		return PgType{TimeOID, 8, -1}
	case row.Timestamp:
		return PgType{TimestampOID, 8, -1}
	case row.TimestampTZ:
		return PgType{TimestamptzOID, 8, -1}
	case row.Interval:
		return PgType{IntervalOID, 16, -1}
	case row.UUID:
		return PgType{UUIDOID, 16, -1}
	case row.Enum:
		return PgType{VarcharOID, -1, -1}
	case row.List, row.Struct, row.Map:
		if e, ok := Element(t); ok {
			oid, _ := ArrayOf(TypeOf(e).OID)
			return PgType{oid, -1, -1}
		}
		return PgType{JSONOID, -1, -1}
	case row.Other:
		if Nested(t.Name) {
			return PgType{JSONOID, -1, -1}
		}
	}
	return PgType{TextOID, -1, -1}
}

// Element returns the type of a list's elements, for the lists that Postgres clients get as arrays: those of plain values.
func Element(t row.Type) (row.Type, bool) {
	e := t.Elem()
	if t.Kind != row.List || e.Nested() || e.Kind == row.JSON || e.Kind == row.Blob {
		return row.Type{}, false
	}
	return e, true
}

// ArrayOf returns the array type of a type.
func ArrayOf(oid uint32) (array uint32, ok bool) {
	for _, a := range arrayOIDs {
		if a[0] == oid {
			return a[1], true
		}
	}
	return 0, false
}

// ElementOf returns the element type of an array type.
func ElementOf(array uint32) (oid uint32, ok bool) {
	for _, a := range arrayOIDs {
		if a[1] == array {
			return a[0], true
		}
	}
	return 0, false
}

// arrayOIDs are types and their array types.
var arrayOIDs = [...][2]uint32{
	{BoolOID, 1000}, {Int2OID, 1005}, {Int4OID, 1007}, {Int8OID, 1016}, {Float4OID, 1021}, {Float8OID, 1022}, {NumericOID, 1231},
	{TextOID, 1009}, {VarcharOID, 1015}, {DateOID, 1182}, {TimeOID, 1183}, {TimestampOID, 1115}, {TimestamptzOID, 1185},
	{IntervalOID, 1187}, {UUIDOID, 2951},
}

// Nested reports whether the values of a DuckDB type that the engine has no form for are lists, structs, maps or unions, whose text is JSON.
func Nested(name string) bool {
	n := strings.ToUpper(name)
	return strings.HasSuffix(n, "]") || strings.HasPrefix(n, "STRUCT") || strings.HasPrefix(n, "MAP") || strings.HasPrefix(n, "UNION")
}

// types.txt has a line per type with the columns of Postgres' pg_type from oid to typcollation, without
// the namespace and the owner.
//
//go:embed types.txt
var typesText string

// sqlNames are the names that SQL has for types which Postgres calls otherwise.
func sqlNames() map[string]string {
	return map[string]string{
		"bool": "boolean", "int2": "smallint", "int4": "integer", "int8": "bigint", "float4": "real", "float8": "double precision",
		"varchar": "character varying", "bpchar": "character", "char": `"char"`, "varbit": "bit varying",
		"time": "time without time zone", "timetz": "time with time zone",
		"timestamp": "timestamp without time zone", "timestamptz": "timestamp with time zone",
	}
}

// typeRow is a line of types.txt.
type typeRow struct {
	oid, elem int64
	name      string
	fields    []string
}

func typeRows() []typeRow {
	lines := strings.Split(strings.TrimSpace(typesText), "\n")
	rows := make([]typeRow, len(lines))
	for i, l := range lines {
		f := strings.Split(l, "|")
		rows[i] = typeRow{oid: number(f[0]), elem: number(f[9]), name: f[1], fields: f}
	}
	return rows
}

func number(s string) int64 {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		panic("BUG: types.txt: " + err.Error())
	}
	return n
}

// displayName is the type's name as format_type writes it.
func (r *typeRow) displayName(names map[string]string) string {
	name, array := strings.CutPrefix(r.name, "_")
	if n, ok := names[name]; ok {
		name = n
	}
	if array {
		name += "[]"
	}
	return name
}
