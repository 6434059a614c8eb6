package plan

import (
	"math"
	"strings"

	"github.com/tidemill/tidemill/internal/row"
)

// nullType is the type of a bare NULL.
var nullType = row.Type{Kind: row.Other, Name: `"NULL"`}

// unnamedStruct begins the name of a struct without member names, for which SQL has no type, within a type that is an Other.
const unnamedStruct = "ROW("

var plainTypes = map[string]row.Kind{
	"BOOLEAN": row.Bool, "TINYINT": row.Int8, "SMALLINT": row.Int16, "INTEGER": row.Int32, "BIGINT": row.Int64, "HUGEINT": row.Int128,
	"UTINYINT": row.Uint8, "USMALLINT": row.Uint16, "UINTEGER": row.Uint32, "UBIGINT": row.Uint64,
	"FLOAT": row.Float32, "DOUBLE": row.Float64, "BLOB": row.Blob, "DATE": row.Date, "TIME": row.Time,
	"TIMESTAMP": row.Timestamp, "TIMESTAMP WITH TIME ZONE": row.TimestampTZ, "INTERVAL": row.Interval, "UUID": row.UUID,
}

// typ decodes a logical type: {"id":…,"type_info":{…}}.
func (d *decoder) typ(v any) row.Type {
	defer d.leave(d.enter())
	o := d.object(v, "a type")
	id, info := o.str("id"), o.obj("type_info")
	if k, ok := plainTypes[id]; ok {
		return row.T(k)
	}
	switch id {
	case "VARCHAR":
		if strings.EqualFold(info.str("alias"), "JSON") {
			return row.T(row.JSON)
		}
		return row.T(row.String)
	case "DECIMAL":
		w, s := d.uint(info["width"]), d.uint(info["scale"])
		if w < 1 || w > 38 || s > w {
			d.fail("a DECIMAL(%d,%d)", w, s)
			return row.DecimalType(18, 3)
		}
		return row.DecimalType(uint8(w), uint8(s))
	case "NULL":
		return nullType
	case "LIST":
		return row.ListOf(d.part(info["child_type"]))
	case "ARRAY":
		return row.ArrayOf(d.part(info["child_type"]), int(min(d.uint(info["size"]), math.MaxInt32)))
	case "STRUCT":
		return row.StructOf(d.members(info.list("child_types")))
	case "UNION":
		return other("UNION" + strings.TrimPrefix(row.StructOf(d.members(unionMembers(info.list("child_types")))).String(), "STRUCT"))
	case "MAP":
		kv := d.object(info["child_type"], "a map's entry").obj("type_info").list("child_types")
		if len(kv) != 2 {
			d.fail("a MAP of %d columns", len(kv))
			return nullType
		}
		return row.MapOf(d.member(kv[0]), d.member(kv[1]))
	case "ENUM":
		values := make([]string, len(info.list("values")))
		for i, v := range info.list("values") {
			values[i], _ = v.(string)
		}
		return row.EnumOf(values)
	}
	return other(id)
}

func other(name string) row.Type { return row.Type{Kind: row.Other, Name: name} }

// unionMembers leaves out the tag with which a union's list of members begins.
func unionMembers(members []any) []any {
	if len(members) > 0 {
		if first, ok := members[0].(map[string]any); ok && object(first).str("first") == "" {
			return members[1:]
		}
	}
	return members
}

// member decodes the type of a {"first":name,"second":type}.
func (d *decoder) member(v any) row.Type { return d.part(d.object(v, "a member")["second"]) }

// part is the type of a part of a nested value. One of bare NULLs is an INTEGER, as DuckDB hands it out.
func (d *decoder) part(v any) row.Type {
	if t := d.typ(v); t != nullType {
		return t
	}
	return row.T(row.Int32)
}

func (d *decoder) members(members []any) []row.Member {
	out := make([]row.Member, len(members))
	for i, m := range members {
		out[i] = row.Member{Name: d.object(m, "a member").str("first"), Type: d.member(m)}
	}
	return out
}
