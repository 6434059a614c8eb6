package row

import (
	"encoding/binary"
	"errors"
	"fmt"
	"unicode/utf8"
	"unsafe"
)

// keyEnd ends a list within a key: it sorts before every element.
const keyEnd = 0x00

// AppendElement appends value i of v as an element of a list or a member of a struct. The form is AppendKey's, so that keys that are kept
// anyway are elements already.
//
// A list is its elements, ended by AppendListEnd; a struct is its members in order, without an end; a map is its entries, each by AppendMapEntry, ended by AppendListEnd. The bytes go
// into a column by Builder.AppendBytes, or into Value.S.
func AppendElement(dst []byte, v *Vec, i int) []byte { return AppendKey(dst, v, i) }

// AppendNullElement appends a null as an element or member.
func AppendNullElement(dst []byte) []byte { return append(dst, keyNull) }

// AppendNestedElement appends a list, struct or map, whose bytes are given, as an element or member.
func AppendNestedElement(dst, nested []byte) []byte { return append(append(dst, keyValue), nested...) }

// AppendListEnd ends a list or a map.
func AppendListEnd(dst []byte) []byte { return append(dst, keyEnd) }

// AppendMapEntry appends an entry of a map: value i of keys, which is not null, and value j of values.
func AppendMapEntry(dst []byte, keys *Vec, i int, values *Vec, j int) []byte {
	return AppendKey(AppendKey(append(dst, keyValue), keys, i), values, j)
}

// Elements goes through the elements of a list, the entries of a map or the members of a struct:
//
//	for it := row.ElementsOf(v, i); it.Next(); {
//		it.AppendTo(builder) // or it.Null(), it.Value(), it.Key()
//	}
//
// The bytes have been checked where they came in; of damaged ones it yields what is well-formed in front.
type Elements struct {
	element Type
	members []Member // of a struct
	at      int      // members that are done
	rest    []byte
	key     []byte
}

// ElementsOf returns the elements of value i of v, which is not null.
func ElementsOf(v *Vec, i int) Elements { return ElementsIn(v.Type, v.Bytes(i)) }

// ElementsIn returns the elements of a value of type t with the given bytes.
func ElementsIn(t Type, nested []byte) Elements {
	if t.Kind == Struct {
		return Elements{members: t.shape.members, rest: nested}
	}
	return Elements{element: t.Elem(), rest: nested}
}

// Next goes to the next element; false means that there is none.
func (e *Elements) Next() bool {
	if e.members != nil {
		if e.at == len(e.members) {
			return false
		}
		e.element = e.members[e.at].Type
		e.at++
	}
	n := skipElement(e.element, e.rest)
	if n <= 0 {
		return false
	}
	e.key, e.rest = e.rest[:n], e.rest[n:]
	return true
}

// Type is the type of the element.
func (e *Elements) Type() Type { return e.element }

// Key returns the element as AppendElement makes it; it aliases the value.
func (e *Elements) Key() []byte { return e.key }

// Null reports whether the element is null.
func (e *Elements) Null() bool { return e.key[0] == keyNull }

// Nested returns the bytes of an element that is a list, struct or map and not null; they alias the value.
func (e *Elements) Nested() []byte { return e.key[1:] }

// AppendTo appends the element to a column of its type.
func (e *Elements) AppendTo(b *Builder) { b.appendElement(e.key) }

// Value returns the element.
func (e *Elements) Value() Value {
	v, _, _ := decodeKeyValue(e.element, e.key)
	return v
}

// AppendElementOf appends a value of the builder's type that AppendElement or AppendKey has made, and returns what follows it.
func (b *Builder) AppendElementOf(key []byte) (rest []byte, err error) {
	n := skipElement(b.typ, key)
	if n <= 0 {
		return nil, errKey
	}
	b.appendElement(key[:n])
	return key[n:], nil
}

// appendElement appends the value of a whole, well-formed key.
func (b *Builder) appendElement(key []byte) {
	if key[0] == keyNull {
		b.AppendNull()
		return
	}
	key = key[1:]
	be := binary.BigEndian
	switch b.phys {
	case PhysBool, PhysUint8:
		b.data = append(b.data, key[0])
	case PhysInt8:
		b.data = append(b.data, key[0]^0x80)
	case PhysUint16:
		b.data = binary.LittleEndian.AppendUint16(b.data, be.Uint16(key))
	case PhysInt16:
		b.data = binary.LittleEndian.AppendUint16(b.data, be.Uint16(key)^1<<15)
	case PhysUint32:
		b.data = binary.LittleEndian.AppendUint32(b.data, be.Uint32(key))
	case PhysInt32:
		b.data = binary.LittleEndian.AppendUint32(b.data, be.Uint32(key)^1<<31)
	case PhysUint64:
		b.data = binary.LittleEndian.AppendUint64(b.data, be.Uint64(key))
	case PhysInt64:
		b.data = binary.LittleEndian.AppendUint64(b.data, be.Uint64(key)^1<<63)
	case PhysFloat32, PhysFloat64:
		b.AppendFloat(floatFromKey(be.Uint64(key)))
		return
	case PhysBytes:
		if b.typ.Nested() {
			b.AppendBytes(key)
			return
		}
		b.appendKeyText(key)
		return
	default:
		v := Value{Type: b.typ}
		_ = v.setFromKey(b.phys, key)
		b.AppendValue(v)
		return
	}
	b.n++
}

// appendKeyText appends what appendKeyBytes has written.
func (b *Builder) appendKeyText(key []byte) {
	for i := 0; i < len(key)-2; i++ {
		b.data = append(b.data, key[i])
		if key[i] == 0 {
			i++ // behind a 0 there is a mark
		}
	}
	b.offsets = append(b.offsets, int32(len(b.data)))
	b.n++
}

// skipElement returns the length of the element of type t at the start of key, or -1 if there is none.
func skipElement(t Type, key []byte) int {
	switch {
	case len(key) == 0 || key[0] != keyValue && key[0] != keyNull:
		return -1
	case key[0] == keyNull:
		return 1
	}
	n := skipValue(t, key[1:])
	if n < 0 {
		return -1
	}
	return 1 + n
}

// skipValue is skipElement without the mark.
func skipValue(t Type, key []byte) int {
	switch t.Kind {
	case List, Map:
		element := t.Elem()
		for n := 0; n < len(key); {
			if key[n] == keyEnd {
				return n + 1
			}
			m := skipElement(element, key[n:])
			if m < 0 {
				return -1
			}
			n += m
		}
		return -1
	case Struct:
		n := 0
		for i := range t.shape.members {
			m := skipElement(t.shape.members[i].Type, key[n:])
			if m < 0 {
				return -1
			}
			n += m
		}
		return n
	}
	if t.Phys() == PhysBytes {
		return skipKeyBytes(key)
	}
	n := keyWidth(t.Phys())
	if n > len(key) {
		return -1
	}
	return n
}

func keyWidth(p Phys) int {
	switch p {
	case PhysFloat32:
		return 8
	case PhysInterval:
		return 24
	}
	return p.Width()
}

func skipKeyBytes(key []byte) int {
	for i := 0; i+1 < len(key); i++ {
		if key[i] != 0 {
			continue
		}
		if i++; key[i] == 0 {
			return i + 1
		}
	}
	return -1
}

// CheckNested returns an error unless the bytes are one value of type t as the engine makes them, which bytes from outside may not be.
func CheckNested(t Type, nested []byte) error {
	rest, err := checkValue(t, nested)
	if err == nil && len(rest) > 0 {
		err = fmt.Errorf("%d bytes left over in a value of %s", len(rest), t)
	}
	return err
}

func checkElement(t Type, key []byte) (rest []byte, err error) {
	switch {
	case len(key) == 0 || key[0] != keyValue && key[0] != keyNull:
		return nil, errKey
	case key[0] == keyNull:
		return key[1:], nil
	}
	return checkValue(t, key[1:])
}

func checkValue(t Type, key []byte) (rest []byte, err error) {
	switch t.Kind {
	case List, Map:
		element := t.Elem()
		for n := 0; len(key) > 0; n++ {
			if key[0] == keyEnd {
				if size := t.ArraySize(); size > 0 && n != size {
					return nil, fmt.Errorf("%d elements in a value of %s", n, t)
				}
				return key[1:], nil
			}
			if t.Kind == Map && (len(key) < 2 || key[0] != keyValue || key[1] != keyValue) {
				return nil, errKey // an entry or its key is null
			}
			if key, err = checkElement(element, key); err != nil {
				return nil, err
			}
		}
		return nil, errKey
	case Struct:
		for _, m := range t.shape.members {
			if key, err = checkElement(m.Type, key); err != nil {
				return nil, err
			}
		}
		return key, nil
	case Enum:
		if len(key) < 2 || int(binary.BigEndian.Uint16(key)) >= len(t.shape.values) {
			return nil, errKey
		}
		return key[2:], nil
	}
	p := t.Phys()
	if p == PhysBytes {
		s, rest, err := decodeKeyBytes(key)
		if err == nil && t.Kind != Blob && !utf8.ValidString(s) {
			err = errKey
		}
		return rest, err
	}
	n := keyWidth(p)
	if len(key) < n || p == PhysNone {
		return nil, errKey
	}
	v := Value{Type: t}
	return key[n:], v.setFromKey(p, key[:n])
}

// ListLen returns the number of elements of value i, a list or map that is not null.
func ListLen(v *Vec, i int) int {
	n := 0
	for it := ElementsOf(v, i); it.Next(); n++ {
	}
	return n
}

// Unlist takes a column of lists or maps apart: the elements (of a map, its entries as structs) of all values one after the other, and len+1 offsets
// into them. A null has no elements.
func (v *Vec) Unlist() (offsets []int32, elements Vec) {
	t := v.Type.Elem()
	b := NewBuilder(t, v.Len)
	offsets = make([]int32, v.Len+1)
	for i := range v.Len {
		if !v.Null(i) {
			for rest := v.Bytes(i); ; {
				n := skipElement(t, rest)
				if n <= 0 {
					break
				}
				b.appendElement(rest[:n])
				rest = rest[n:]
			}
		}
		offsets[i+1] = int32(b.n)
	}
	return offsets, b.Finish()
}

// Unstruct takes a column of structs apart, into a column per member. The members of a null are null.
func (v *Vec) Unstruct() []Vec {
	members := v.Type.shape.members
	builders := make([]Builder, len(members))
	for k, m := range members {
		builders[k].Reset(m.Type, v.Len)
	}
	for i := range v.Len {
		null := v.Null(i)
		var rest []byte
		if !null {
			rest = v.Bytes(i)
		}
		for k := range builders {
			n := -1
			if !null {
				n = skipElement(members[k].Type, rest)
			}
			if n <= 0 {
				builders[k].AppendNull()
				continue
			}
			builders[k].appendElement(rest[:n])
			rest = rest[n:]
		}
	}
	out := make([]Vec, len(members))
	for k := range builders {
		out[k] = builders[k].Finish()
	}
	return out
}

// ListVec makes a column of lists or maps of type t: value i has the elements from starts[i] up to ends[i]. valid may be nil. It fails
// when the values take more than Bytes32Max bytes.
func ListVec(t Type, starts, ends []int32, elements *Vec, valid []byte) (Vec, error) {
	out := Vec{Type: t, Len: len(starts), Valid: valid, Offsets: make([]int32, len(starts)+1)}
	for i := range starts {
		if valid == nil || valid[i>>3]&(1<<(i&7)) != 0 {
			for j := starts[i]; j < ends[i]; j++ {
				out.Data = AppendKey(out.Data, elements, int(j))
			}
			out.Data = append(out.Data, keyEnd)
			if len(out.Data) > Bytes32Max {
				return Vec{}, errNestedSize
			}
		}
		out.Offsets[i+1] = int32(len(out.Data))
	}
	return out, nil
}

// StructVec makes a column of n structs of type t of a column per member. valid may be nil. It fails when the values take more than Bytes32Max bytes.
func StructVec(t Type, members []Vec, n int, valid []byte) (Vec, error) {
	out := Vec{Type: t, Len: n, Valid: valid, Offsets: make([]int32, n+1)}
	for i := range n {
		if valid == nil || valid[i>>3]&(1<<(i&7)) != 0 {
			for k := range members {
				out.Data = AppendKey(out.Data, &members[k], i)
			}
			if len(out.Data) > Bytes32Max {
				return Vec{}, errNestedSize
			}
		}
		out.Offsets[i+1] = int32(len(out.Data))
	}
	return out, nil
}

var errNestedSize = errors.New("more than 2 GiB of nested values in a column")

// appendKeyValue appends a value as AppendKey does.
func appendKeyValue(dst []byte, v Value) []byte {
	one := v.Repeat(1)
	return AppendKey(dst, &one, 0)
}

// ListValue returns a list of type t with the elements, which have the type t.Elem().
func ListValue(t Type, elements ...Value) Value {
	var b []byte
	for _, e := range elements {
		b = appendKeyValue(b, e)
	}
	return Value{Type: t, S: string(append(b, keyEnd))}
}

// StructValue returns a struct of type t with the members, which have the types of t.Members().
func StructValue(t Type, members ...Value) Value {
	var b []byte
	for _, m := range members {
		b = appendKeyValue(b, m)
	}
	return Value{Type: t, S: string(b)}
}

// MapValue returns a map of type t; keys and values are as long as each other.
func MapValue(t Type, keys, values []Value) Value {
	var b []byte
	for i, k := range keys {
		b = appendKeyValue(appendKeyValue(append(b, keyValue), k), values[i])
	}
	return Value{Type: t, S: string(append(b, keyEnd))}
}

// EnumValue returns the ENUM value at a position of t's values.
func EnumValue(t Type, position int) Value { return Value{Type: t, I: int64(position)} }

// Elements returns the elements of a list, the entries of a map or the members of a struct that is not null.
func (v Value) Elements() []Value {
	var out []Value
	for it := ElementsIn(v.Type, unsafe.Slice(unsafe.StringData(v.S), len(v.S))); it.Next(); {
		out = append(out, it.Value())
	}
	return out
}
