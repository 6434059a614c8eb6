package plan

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/tidemill/tidemill/internal/row"
)

// constant decodes a value, {"type":…,"is_null":…,"value":…}, into an expression: a Constant, or a Literal for
// what only DuckDB has a form for.
func (d *decoder) constant(v any) *Expr {
	o := d.object(v, "a constant")
	t := d.typ(o["type"])
	if o.flag("is_null") {
		return Const(row.NullValue(t))
	}
	if t.Kind != row.Other {
		return Const(d.value(t, o["value"]))
	}
	return &Expr{Kind: Call, Type: t, Name: Literal, SQL: d.literal(o, t)}
}

// value decodes the value of a type that rows have a form for.
func (d *decoder) value(t row.Type, v any) row.Value {
	out := row.Value{Type: t}
	switch t.Kind {
	case row.Bool:
		if b, ok := v.(bool); !ok {
			d.fail("%v is no boolean", v)
		} else if b {
			out.I = 1
		}
	case row.Float32, row.Float64:
		out.F = d.float(v)
	case row.Uint64:
		out.I = int64(d.uint(v))
	case row.Int128:
		out.I, out.H = d.wide(v)
	case row.Decimal:
		if t.Phys() == row.PhysInt128 {
			out.I, out.H = d.wide(v)
		} else {
			out.I = d.int(v)
			out.H = out.I >> 63
		}
	case row.UUID:
		lo, hi := d.wide(v)
		out.S = uuidBytes(uint64(hi)^1<<63, uint64(lo))
	case row.String, row.JSON:
		out.S = d.text(v)
	case row.Blob:
		out.S = d.unescape(d.text(v))
	case row.Enum:
		out.I = int64(d.position(v, len(t.EnumValues()), "enum value"))
	case row.List, row.Struct, row.Map:
		return d.nestedValue(t, d.object(v, "a nested constant").list("children"))
	case row.Interval:
		o := d.object(v, "an interval")
		out.V = row.IntervalValue{Months: int32(d.int(o["months"])), Days: int32(d.int(o["days"])), Micros: d.int(o["micros"])}
	default:
		out = row.IntValue(t, d.int(v))
	}
	return out
}

// nestedValue decodes a list, struct or map of its parts.
func (d *decoder) nestedValue(t row.Type, children []any) row.Value {
	defer d.leave(d.enter())
	part := func(t row.Type, v any) row.Value {
		o := d.object(v, "a part of a nested constant")
		if o.flag("is_null") {
			return row.NullValue(t)
		}
		return d.value(t, o["value"])
	}
	parts := make([]row.Value, len(children))
	switch t.Kind {
	case row.Struct:
		if len(parts) != len(t.Members()) {
			d.fail("a struct has %d values for %d members", len(parts), len(t.Members()))
		}
		for i, m := range t.Members() {
			parts[i] = part(m.Type, children[i])
		}
		return row.StructValue(t, parts...)
	case row.Map:
		values := make([]row.Value, len(children))
		for i, e := range children {
			kv := d.object(d.object(e, "a map's entry")["value"], "a map's entry").list("children")
			if len(kv) != 2 {
				d.fail("a map's entry has %d parts", len(kv))
			}
			parts[i], values[i] = part(t.Members()[0].Type, kv[0]), part(t.Members()[1].Type, kv[1])
		}
		return row.MapValue(t, parts, values)
	}
	for i, c := range children {
		parts[i] = part(t.Elem(), c)
	}
	return row.ListValue(t, parts...)
}

func (d *decoder) text(v any) string {
	s, ok := v.(string)
	if !ok {
		d.fail("%v is no text", v)
	}
	return s
}

// wide decodes a 128-bit integer: {"upper":…,"lower":…}, or a plain number.
func (d *decoder) wide(v any) (lo, hi int64) {
	if n, ok := v.(json.Number); ok {
		i := d.int(n)
		return i, i >> 63
	}
	o := d.object(v, "a 128-bit integer")
	upper, _ := o["upper"].(json.Number)
	if h, err := strconv.ParseInt(upper.String(), 10, 64); err == nil {
		hi = h
	} else {
		hi = int64(d.uint(o["upper"]))
	}
	return int64(d.uint(o["lower"])), hi
}

func uuidBytes(hi, lo uint64) string {
	var b [16]byte
	for i := range 8 {
		b[i] = byte(hi >> (56 - 8*i))
		b[8+i] = byte(lo >> (56 - 8*i))
	}
	return string(b[:])
}

// unescape reads DuckDB's text form of a blob: printable bytes stand for themselves, others are \xAB.
func (d *decoder) unescape(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' {
			b.WriteByte(s[i])
			continue
		}
		if i+3 >= len(s) || s[i+1] != 'x' {
			d.fail("a blob is escaped badly")
		}
		x, err := strconv.ParseUint(s[i+2:i+4], 16, 8)
		if err != nil {
			d.fail("a blob is escaped badly")
		}
		b.WriteByte(byte(x))
		i += 3
	}
	return b.String()
}

// literal writes the non-null constant o of an Other type as SQL.
func (d *decoder) literal(o object, t row.Type) string {
	info := d.object(o["type"], "a type").obj("type_info")
	switch id := d.object(o["type"], "a type").str("id"); id {
	case "ENUM":
		values := info.list("values")
		text, _ := values[d.position(o["value"], len(values), "enum value")].(string)
		return "CAST(" + quoteText(text) + " AS " + t.Name + ")"
	case "UHUGEINT":
		lo, hi := d.wide(o["value"])
		return "CAST('" + uint128Text(uint64(hi), uint64(lo)) + "' AS UHUGEINT)"
	case "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS":
		return timestampLiteral(id, d.int(o["value"]))
	case "LIST", "ARRAY", "MAP", "STRUCT", "UNION":
		return d.nested(id, d.object(o["value"], "a nested constant").list("children"), info, t)
	}
	d.refuse("a constant of type "+t.Name, "Write the value as a type that Tidemill computes with.")
	return ""
}

// uint128Text writes an unsigned 128-bit integer.
func uint128Text(hi, lo uint64) string {
	if int64(hi) >= 0 {
		return row.Int128Value{Lo: lo, Hi: int64(hi)}.String()
	}
	// The top bit is set: divide by ten by hand.
	var digits [40]byte
	i := len(digits)
	for hi != 0 || lo != 0 {
		var rem uint64
		for _, w := range [...]*uint64{&hi, &lo} {
			q := *w
			upper := rem<<32 | q>>32
			lower := upper%10<<32 | q&0xffffffff
			*w, rem = upper/10<<32|lower/10, lower%10
		}
		i--
		digits[i] = byte('0' + rem)
	}
	return string(digits[i:])
}

func timestampLiteral(id string, v int64) string {
	switch {
	case v == infiniteMicros:
		return "CAST('infinity' AS " + id + ")"
	case v == -infiniteMicros:
		return "CAST('-infinity' AS " + id + ")"
	case id == "TIMESTAMP_NS":
		return fmt.Sprintf("make_timestamp_ns(CAST(%d AS BIGINT))", v)
	case id == "TIMESTAMP_S":
		return fmt.Sprintf("CAST(make_timestamp(CAST(%d AS BIGINT) * 1000000) AS TIMESTAMP_S)", v)
	}
	return fmt.Sprintf("CAST(make_timestamp(CAST(%d AS BIGINT) * 1000) AS TIMESTAMP_MS)", v)
}

// nested writes a list, array, map, struct or union.
func (d *decoder) nested(id string, children []any, info object, t row.Type) string {
	defer d.leave(d.enter())
	items := make([]string, len(children))
	if id != "MAP" {
		for i, c := range children {
			items[i] = d.item(c)
		}
	}
	switch id {
	case "ARRAY":
		return "array_value(" + strings.Join(items, ", ") + ")"
	case "MAP":
		return d.mapLiteral(children, t)
	case "STRUCT":
		members := info.list("child_types")
		if strings.HasPrefix(t.Name, unnamedStruct) {
			return "row(" + strings.Join(items, ", ") + ")"
		}
		for i := range items {
			if i >= len(members) {
				d.fail("a struct has more values than members")
			}
			items[i] = quoteText(d.object(members[i], "a member").str("first")) + ": " + items[i]
		}
		return "{" + strings.Join(items, ", ") + "}"
	case "UNION":
		return d.unionLiteral(children, info, t)
	}
	if len(items) == 0 {
		return "CAST([] AS " + t.Name + ")"
	}
	return "[" + strings.Join(items, ", ") + "]"
}

// item writes a constant inside of another.
func (d *decoder) item(v any) string {
	e := d.constant(v)
	if e.Kind == Constant {
		return exactLiteral(e.Value)
	}
	return e.SQL
}

func (d *decoder) mapLiteral(entries []any, t row.Type) string {
	items := make([]string, len(entries))
	for i, e := range entries {
		kv := d.object(d.object(e, "a map's entry")["value"], "a map's entry").list("children")
		if len(kv) != 2 {
			d.fail("a map's entry has %d parts", len(kv))
		}
		items[i] = d.item(kv[0]) + ": " + d.item(kv[1])
	}
	return "CAST(MAP {" + strings.Join(items, ", ") + "} AS " + t.Name + ")"
}

// unionLiteral writes a union: its children are the tag and a value for every member, null but for the one.
func (d *decoder) unionLiteral(children []any, info object, t row.Type) string {
	members := unionMembers(info.list("child_types"))
	if len(children) == 0 {
		d.fail("a union without a tag")
	}
	tag := d.position(d.object(children[0], "a union's tag")["value"], len(members), "union member")
	at := tag + 1
	if len(children) == 2 {
		at = 1
	}
	if at >= len(children) {
		d.fail("a union without its value")
	}
	name := quoteIdent(d.object(members[tag], "a member").str("first"))
	return "CAST(union_value(" + name + " := " + d.item(children[at]) + ") AS " + t.Name + ")"
}
