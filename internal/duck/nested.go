package duck

import (
	"fmt"
	"runtime"
	"strings"
	"unsafe"

	capi "github.com/duckdb/duckdb-go-bindings"

	"github.com/tidemill/tidemill/internal/row"
)

// Nested values are exchanged in vectors of DuckDB's nested types, except that an ARRAY goes as a LIST.

// newNestedType is newLogicalType for lists, structs, maps and ENUMs.
func newNestedType(t row.Type) (lt capi.LogicalType, ok bool) {
	switch t.Kind {
	case row.Enum:
		return capi.CreateEnumType(t.EnumValues()), true
	case row.List:
		element, ok := newLogicalType(t.Elem())
		if !ok {
			return lt, false
		}
		defer capi.DestroyLogicalType(&element)
		return capi.CreateListType(element), true
	}
	members := t.Members()
	types, names := make([]capi.LogicalType, 0, len(members)), make([]string, len(members))
	defer func() {
		for i := range types {
			capi.DestroyLogicalType(&types[i])
		}
	}()
	for i, m := range members {
		mt, ok := newLogicalType(m.Type)
		if !ok {
			return lt, false
		}
		types, names[i] = append(types, mt), m.Name
	}
	if t.Kind == row.Map {
		return capi.CreateMapType(types[0], types[1]), true
	}
	return capi.CreateStructType(types, names), true
}

// nestedTypeOf is typeOf for DuckDB's nested types and ENUMs; ok is false for all others.
func nestedTypeOf(lt capi.LogicalType) (t row.Type, ok bool) {
	switch capi.GetTypeId(lt) {
	case capi.TypeList:
		return row.ListOf(childType(capi.ListTypeChildType(lt))), true
	case capi.TypeArray:
		return row.ArrayOf(childType(capi.ArrayTypeChildType(lt)), int(capi.ArrayTypeArraySize(lt))), true
	case capi.TypeMap:
		return row.MapOf(childType(capi.MapTypeKeyType(lt)), childType(capi.MapTypeValueType(lt))), true
	case capi.TypeStruct:
		members := make([]row.Member, capi.StructTypeChildCount(lt))
		for i := range members {
			at := capi.IdxT(i)
			members[i] = row.Member{Name: capi.StructTypeChildName(lt, at), Type: childType(capi.StructTypeChildType(lt, at))}
		}
		return row.StructOf(members), true
	case capi.TypeEnum:
		values := make([]string, capi.EnumDictionarySize(lt))
		for i := range values {
			values[i] = capi.EnumDictionaryValue(lt, capi.IdxT(i))
		}
		return row.EnumOf(values), true
	}
	return row.Type{}, false
}

// childType is typeOf of a type that it destroys.
func childType(lt capi.LogicalType) row.Type {
	defer capi.DestroyLogicalType(&lt)
	return typeOf(lt)
}

// partsArrive is arrivesAs for the parts of a nested type.
func partsArrive(lt capi.LogicalType) bool {
	arrives := func(part capi.LogicalType) bool {
		defer capi.DestroyLogicalType(&part)
		return arrivesAs(part)
	}
	switch capi.GetTypeId(lt) {
	case capi.TypeList:
		return arrives(capi.ListTypeChildType(lt))
	case capi.TypeMap:
		return arrives(capi.MapTypeKeyType(lt)) && arrives(capi.MapTypeValueType(lt))
	case capi.TypeStruct:
		for i := range capi.StructTypeChildCount(lt) {
			if !arrives(capi.StructTypeChildType(lt, i)) {
				return false
			}
		}
	}
	return true
}

// exchanged returns the type in whose vectors values of t are exchanged: t with lists instead of arrays. named is false for a struct
// without names, for which SQL has no name.
func exchanged(t row.Type) (ex row.Type, named bool) {
	switch t.Kind {
	case row.List:
		element, named := exchanged(t.Elem())
		return row.ListOf(element), named
	case row.Struct, row.Map:
		members, named := make([]row.Member, len(t.Members())), true
		for i, m := range t.Members() {
			part, ok := exchanged(m.Type)
			members[i] = row.Member{Name: m.Name, Type: part}
			named = named && ok && m.Name != ""
		}
		if t.Kind == row.Map {
			return row.MapOf(members[0].Type, members[1].Type), named
		}
		return row.StructOf(members), named
	}
	return t, true
}

// importExpr returns SQL that makes a value of t of the column named col, which holds it as it is exchanged.
func importExpr(col string, t row.Type) string {
	if ex, named := exchanged(t); t.Kind == row.Other || ex != t && named {
		return "CAST(" + col + " AS " + t.String() + ")"
	}
	return col
}

// lentColumn is a column that is lent to DuckDB, with the parts of a nested one as columns of their own.
type lentColumn struct {
	vec     row.Vec
	offsets []int32 // of a list or map
	parts   []lentColumn
}

// lend checks that v holds n values of type t in memory that can be read without looking again, takes it apart, and pins its text.
func lend(v *row.Vec, t row.Type, n int, pins *runtime.Pinner) (lentColumn, error) {
	if t.Nested() && v.Type != t {
		return lentColumn{}, fmt.Errorf("has type %s instead of %s", v.Type, t)
	}
	if err := admitColumn(v, t, n); err != nil {
		return lentColumn{}, err
	}
	c := lentColumn{vec: *v}
	if !t.Nested() {
		if t.Phys().Width() == 0 && len(v.Data) > 0 {
			pins.Pin(unsafe.SliceData(v.Data))
		}
		return c, nil
	}
	if v.Len > n {
		c.vec = v.Slice(0, n)
	}
	var parts []row.Vec
	if t.Kind == row.Struct {
		parts = c.vec.Unstruct()
	} else {
		offsets, elements := c.vec.Unlist()
		c.offsets, parts = offsets, []row.Vec{elements}
	}
	for i := range parts {
		part, err := lend(&parts[i], parts[i].Type, parts[i].Len, pins)
		if err != nil {
			return lentColumn{}, err
		}
		c.parts = append(c.parts, part)
	}
	return c, nil
}

// listEntry is DuckDB's list_entry_t.
type listEntry struct{ offset, length uint64 }

// write writes n values from position from on into a vector of the type newLogicalType gave.
func (c *lentColumn) write(vec capi.Vector, from, n int) {
	switch {
	case n == 0:
		return
	case c.parts == nil:
		writeVector(vec, &c.vec, from, n)
		return
	case c.offsets == nil:
		for i := range c.parts {
			c.parts[i].write(capi.StructVectorGetChild(vec, capi.IdxT(i)), from, n)
		}
	default:
		lo := int(c.offsets[from])
		total := int(c.offsets[from+n]) - lo
		capi.ListVectorReserve(vec, capi.IdxT(total))
		capi.ListVectorSetSize(vec, capi.IdxT(total))
		entries := unsafe.Slice((*listEntry)(capi.VectorGetData(vec)), n)
		for i := range entries {
			at := int(c.offsets[from+i])
			entries[i] = listEntry{uint64(at - lo), uint64(int(c.offsets[from+i+1]) - at)}
		}
		c.parts[0].write(capi.ListVectorGetChild(vec), lo, total)
	}
	if c.vec.Valid != nil {
		writeValidity(vec, &c.vec, from, n)
	}
}

// appendNested is column.append for a nested column, whose validity has been appended.
func (c *column) appendNested(vec capi.Vector, n int) error {
	if c.offsets == nil {
		c.offsets = append(make([]int32, 0, max(n, c.hintRows)+1), 0)
		c.data = make([]byte, 0, c.hintBytes)
	}
	if c.typ.Kind == row.Struct {
		return c.appendStructs(vec, n)
	}
	elements := newColumn(c.typ.Elem())
	size := int(capi.ListVectorGetSize(vec))
	if err := elements.append(capi.ListVectorGetChild(vec), size); err != nil {
		return err
	}
	from := elements.finish()
	for i, e := range unsafe.Slice((*listEntry)(capi.VectorGetData(vec)), n) {
		if !c.null(c.n + i) {
			if e.length > uint64(size) || e.offset > uint64(size)-e.length {
				return errorf(KindInternal, "a list reaches beyond its elements")
			}
			for j := e.offset; j < e.offset+e.length; j++ {
				c.data = row.AppendElement(c.data, &from, int(j))
			}
			c.data = row.AppendListEnd(c.data)
		}
		if err := c.endNested(); err != nil {
			return err
		}
	}
	c.n += n
	return nil
}

func (c *column) appendStructs(vec capi.Vector, n int) error {
	members := make([]row.Vec, len(c.typ.Members()))
	for k, m := range c.typ.Members() {
		part := newColumn(m.Type)
		if err := part.append(capi.StructVectorGetChild(vec, capi.IdxT(k)), n); err != nil {
			return err
		}
		members[k] = part.finish()
	}
	for i := range n {
		if !c.null(c.n + i) {
			for k := range members {
				c.data = row.AppendElement(c.data, &members[k], i)
			}
		}
		if err := c.endNested(); err != nil {
			return err
		}
	}
	c.n += n
	return nil
}

func (c *column) endNested() error {
	if len(c.data) > row.Bytes32Max {
		return errorf(KindOutOfRange, "the values of one column of a batch exceed 2 GiB")
	}
	c.offsets = append(c.offsets, int32(len(c.data)))
	return nil
}

// newNestedValue makes DuckDB's value of a list, struct, map or ENUM that is not null.
func newNestedValue(v row.Value) (out capi.Value, err error) {
	lt, ok := newLogicalType(v.Type)
	if !ok || v.Type.Nested() && row.CheckNested(v.Type, []byte(v.S)) != nil {
		return out, errorf(KindParameter, "an argument is not a value of "+v.Type.String())
	}
	defer capi.DestroyLogicalType(&lt)
	if v.Type.Kind == row.Enum {
		return capi.CreateEnumValue(lt, uint64(v.I)), nil
	}
	var parts, others []capi.Value
	defer func() {
		for _, p := range append(parts, others...) {
			capi.DestroyValue(&p)
		}
	}()
	add := func(to *[]capi.Value, e row.Value) {
		if err == nil {
			var p capi.Value
			if p, err = newValue(e); err == nil {
				*to = append(*to, p)
			}
		}
	}
	for _, e := range v.Elements() {
		if v.Type.Kind == row.Map {
			kv := e.Elements()
			add(&parts, kv[0])
			add(&others, kv[1])
			continue
		}
		add(&parts, e)
	}
	if err != nil {
		return out, err
	}
	switch v.Type.Kind {
	case row.Map:
		return capi.CreateMapValue(lt, parts, others), nil
	case row.Struct:
		return capi.CreateStructValue(lt, parts), nil
	}
	element, _ := newLogicalType(v.Type.Elem())
	defer capi.DestroyLogicalType(&element)
	if v.Type.ArraySize() > 0 {
		return capi.CreateArrayValue(element, parts), nil
	}
	return capi.CreateListValue(element, parts), nil
}

// columnNames writes a list of columns that make values as they are exchanged values of the schema's types.
func columnNames(schema row.Schema) string {
	list := make([]string, len(schema))
	for i, c := range schema {
		name := quoteIdent(c.Name)
		if list[i] = importExpr(name, c.Type); list[i] != name {
			list[i] += " AS " + name
		}
	}
	return strings.Join(list, ", ")
}
