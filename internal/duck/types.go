package duck

import (
	"strconv"
	"strings"

	capi "github.com/duckdb/duckdb-go-bindings"

	"github.com/tidemill/tidemill/internal/row"
)

var capiTypes = map[row.Kind]capi.Type{
	row.Bool: capi.TypeBoolean,
	row.Int8: capi.TypeTinyInt, row.Int16: capi.TypeSmallInt, row.Int32: capi.TypeInteger, row.Int64: capi.TypeBigInt, row.Int128: capi.TypeHugeInt,
	row.Uint8: capi.TypeUTinyInt, row.Uint16: capi.TypeUSmallInt, row.Uint32: capi.TypeUInteger, row.Uint64: capi.TypeUBigInt,
	row.Float32: capi.TypeFloat, row.Float64: capi.TypeDouble,
	row.String: capi.TypeVarchar, row.JSON: capi.TypeVarchar, row.Other: capi.TypeVarchar, row.Blob: capi.TypeBlob,
	row.Date: capi.TypeDate, row.Time: capi.TypeTime, row.Timestamp: capi.TypeTimestamp, row.TimestampTZ: capi.TypeTimestampTZ,
	row.Interval: capi.TypeInterval, row.UUID: capi.TypeUUID,
}

var kindOfCapi = map[capi.Type]row.Kind{
	capi.TypeBoolean: row.Bool,
	capi.TypeTinyInt: row.Int8, capi.TypeSmallInt: row.Int16, capi.TypeInteger: row.Int32, capi.TypeBigInt: row.Int64, capi.TypeHugeInt: row.Int128,
	capi.TypeUTinyInt: row.Uint8, capi.TypeUSmallInt: row.Uint16, capi.TypeUInteger: row.Uint32, capi.TypeUBigInt: row.Uint64,
	capi.TypeFloat: row.Float32, capi.TypeDouble: row.Float64,
	capi.TypeVarchar: row.String, capi.TypeBlob: row.Blob, capi.TypeSQLNull: row.Int32,
	capi.TypeDate: row.Date, capi.TypeTime: row.Time, capi.TypeTimestamp: row.Timestamp, capi.TypeTimestampTZ: row.TimestampTZ,
	capi.TypeTimestampS: row.Timestamp, capi.TypeTimestampMS: row.Timestamp, // a TimestampNS has more digits: an Other
	capi.TypeInterval: row.Interval, capi.TypeUUID: row.UUID,
}

// newLogicalType makes DuckDB's type in whose vectors values of t are exchanged: an Other goes as JSON text.
// The caller destroys it.
func newLogicalType(t row.Type) (capi.LogicalType, bool) {
	if t.Kind == row.Decimal {
		if t.Width < 1 || t.Width > 38 || t.Scale > t.Width {
			return capi.LogicalType{}, false
		}
		return capi.CreateDecimalType(t.Width, t.Scale), true
	}
	if t.Kind == row.Enum || t.Nested() {
		return newNestedType(t)
	}
	id, ok := capiTypes[t.Kind]
	if !ok {
		return capi.LogicalType{}, false
	}
	lt := capi.CreateLogicalType(id)
	if t.Kind == row.JSON || t.Kind == row.Other {
		capi.LogicalTypeSetAlias(lt, "JSON")
	}
	return lt, true
}

// typeOf returns our type for a column of DuckDB's type lt. Types the engine has no form for
// become an Other that carries DuckDB's name.
func typeOf(lt capi.LogicalType) row.Type {
	id := capi.GetTypeId(lt)
	switch {
	case id == capi.TypeDecimal:
		return row.DecimalType(capi.DecimalWidth(lt), capi.DecimalScale(lt))
	case id == capi.TypeVarchar && strings.EqualFold(capi.LogicalTypeGetAlias(lt), "JSON"):
		return row.T(row.JSON)
	}
	if k, ok := kindOfCapi[id]; ok {
		return row.T(k)
	}
	if t, ok := nestedTypeOf(lt); ok {
		return t
	}
	return row.Type{Kind: row.Other, Name: typeName(lt)}
}

// arrivesAs reports whether vectors of DuckDB's type lt can be read as values of typeOf(lt) as they are; the
// others have to be cast in SQL (see columnExpr).
func arrivesAs(lt capi.LogicalType) bool {
	switch id := capi.GetTypeId(lt); id {
	case capi.TypeTimestampS, capi.TypeTimestampMS, capi.TypeSQLNull:
		return false
	case capi.TypeDecimal:
		return true
	case capi.TypeList, capi.TypeStruct, capi.TypeMap, capi.TypeEnum:
		return typeOf(lt).Kind != row.Other && partsArrive(lt)
	default:
		_, ok := kindOfCapi[id]
		return ok
	}
}

// columnExpr returns SQL that makes the column named col, of type t, arrive as a value of t.
func columnExpr(col string, t row.Type) string {
	if t.Kind == row.Other {
		return "CAST(to_json(" + col + ") AS VARCHAR)"
	}
	ex, named := exchanged(t)
	if !named {
		return col
	}
	return "CAST(" + col + " AS " + ex.String() + ")"
}

// sqlType is the type as DDL writes it.
func sqlType(t row.Type) string { return t.String() }

var plainNames = map[capi.Type]string{
	capi.TypeUHugeInt: "UHUGEINT", capi.TypeBit: "BIT", capi.TypeBigNum: "BIGNUM", capi.TypeTimeTZ: "TIME WITH TIME ZONE", capi.TypeTimeNS: "TIME_NS",
	capi.TypeGeometry: "GEOMETRY", capi.TypeVariant: "VARIANT", capi.TypeAny: "ANY", capi.TypeSQLNull: "\"NULL\"",
	capi.TypeTimestampS: "TIMESTAMP_S", capi.TypeTimestampMS: "TIMESTAMP_MS", capi.TypeTimestampNS: "TIMESTAMP_NS",
}

// typeName writes a type as SQL does, so that it can stand in DDL again.
func typeName(lt capi.LogicalType) string {
	switch id := capi.GetTypeId(lt); id {
	case capi.TypeList:
		return childName(capi.ListTypeChildType(lt)) + "[]"
	case capi.TypeArray:
		return childName(capi.ArrayTypeChildType(lt)) + "[" + strconv.FormatUint(uint64(capi.ArrayTypeArraySize(lt)), 10) + "]"
	case capi.TypeMap:
		return "MAP(" + childName(capi.MapTypeKeyType(lt)) + ", " + childName(capi.MapTypeValueType(lt)) + ")"
	case capi.TypeStruct:
		return membersName("STRUCT", int(capi.StructTypeChildCount(lt)), func(i int) (string, capi.LogicalType) {
			return capi.StructTypeChildName(lt, capi.IdxT(i)), capi.StructTypeChildType(lt, capi.IdxT(i))
		})
	case capi.TypeUnion:
		return membersName("UNION", int(capi.UnionTypeMemberCount(lt)), func(i int) (string, capi.LogicalType) {
			return capi.UnionTypeMemberName(lt, capi.IdxT(i)), capi.UnionTypeMemberType(lt, capi.IdxT(i))
		})
	case capi.TypeEnum:
		return enumName(lt)
	default:
		if n, ok := plainNames[id]; ok {
			return n
		}
		if t := typeOf(lt); t.Kind != row.Other {
			return t.String()
		}
		return "UNKNOWN"
	}
}

func childName(lt capi.LogicalType) string {
	defer capi.DestroyLogicalType(&lt)
	return typeName(lt)
}

func membersName(kind string, n int, member func(i int) (string, capi.LogicalType)) string {
	var b strings.Builder
	b.WriteString(kind + "(")
	for i := range n {
		if i > 0 {
			b.WriteString(", ")
		}
		name, lt := member(i)
		b.WriteString(quoteIdent(name) + " " + childName(lt))
	}
	return b.String() + ")"
}

func enumName(lt capi.LogicalType) string {
	var b strings.Builder
	b.WriteString("ENUM(")
	for i := range capi.EnumDictionarySize(lt) {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(quoteString(capi.EnumDictionaryValue(lt, capi.IdxT(i))))
	}
	return b.String() + ")"
}

func quoteIdent(s string) string  { return `"` + strings.ReplaceAll(s, `"`, `""`) + `"` }
func quoteString(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }
