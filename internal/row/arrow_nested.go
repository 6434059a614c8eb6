package row

import (
	"errors"
	"fmt"
	"strings"
	"unsafe"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

// storedSchema is ArrowSchema for the records of the log, in which nested values are kept as they are in memory and ENUMs as positions.
func storedSchema(s Schema) *arrow.Schema {
	fields := ArrowSchema(s).Fields()
	for i, c := range s {
		switch {
		case c.Type.Nested():
			fields[i].Type = arrow.BinaryTypes.Binary
		case c.Type.Kind == Enum:
			fields[i].Type = arrow.PrimitiveTypes.Uint16
		}
	}
	return arrow.NewSchema(fields, nil)
}

// storedType returns the type that a field of a storedSchema names, if its Arrow type is that of one.
func storedType(dt arrow.DataType, name string) (Type, bool) {
	if id := dt.ID(); id != arrow.BINARY && id != arrow.UINT16 {
		return Type{}, false
	}
	t, ok := ParseType(name)
	return t, ok && (t.Nested() && dt.ID() == arrow.BINARY || t.Kind == Enum && dt.ID() == arrow.UINT16)
}

// arrowNested returns the Arrow form of a nested type or an ENUM.
func arrowNested(t Type) arrow.DataType {
	field := func(m Member) arrow.Field {
		return arrow.Field{Name: m.Name, Type: arrowType(m.Type), Nullable: true, Metadata: arrowMetadata(m.Type)}
	}
	switch t.Kind {
	case Enum:
		return &arrow.DictionaryType{IndexType: arrow.PrimitiveTypes.Uint16, ValueType: arrow.BinaryTypes.String, Ordered: true}
	case List:
		return arrow.ListOfField(field(Member{"item", t.Elem()}))
	case Map:
		key, value := field(t.shape.members[0]), field(t.shape.members[1])
		key.Nullable = false
		return arrow.MapOfFields(key, value)
	}
	fields := make([]arrow.Field, len(t.shape.members))
	for i, m := range t.shape.members {
		fields[i] = field(m)
	}
	return arrow.StructOf(fields...)
}

// nestedToArrow returns the array of a nested column or an ENUM; the validity bitmap is nil without nulls.
func nestedToArrow(dt arrow.DataType, v *Vec, validity *memory.Buffer, nulls int) arrow.Array {
	switch d := dt.(type) {
	case *arrow.DictionaryType:
		values := NewBuilder(T(String), len(v.Type.shape.values))
		for _, s := range v.Type.shape.values {
			values.AppendString(s)
		}
		texts := values.Finish()
		dict := toArrowArray(d.ValueType, &texts)
		index := []*memory.Buffer{validity, memory.NewBufferBytes(v.Data[:v.Len*2])}
		return array.NewDictionaryData(array.NewDataWithDictionary(dt, v.Len, index, nulls, 0, dict.Data().(*array.Data)))
	case *arrow.StructType:
		members := v.Unstruct()
		children := make([]arrow.ArrayData, len(members))
		for i := range members {
			children[i] = toArrowArray(d.Field(i).Type, &members[i]).Data()
		}
		return array.MakeFromData(array.NewData(dt, v.Len, []*memory.Buffer{validity}, children, nulls, 0))
	}
	offsets, elements := v.Unlist()
	var child arrow.ArrayData
	if m, is := dt.(*arrow.MapType); is {
		child = toArrowArray(m.Elem(), &elements).Data()
	} else {
		child = toArrowArray(dt.(arrow.ListLikeType).Elem(), &elements).Data()
	}
	raw := memory.NewBufferBytes(unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(offsets))), len(offsets)*4))
	return array.MakeFromData(array.NewData(dt, v.Len, []*memory.Buffer{validity, raw}, []arrow.ArrayData{child}, nulls, 0))
}

// nestedFromArrowType returns the type that holds the values of a nested Arrow type; is says that it is one.
func nestedFromArrowType(dt arrow.DataType, depth int) (t Type, is, ok bool) {
	switch d := dt.(type) {
	case *arrow.MapType:
		key, ok := columnTypeWithin(d.KeyField(), depth)
		value, ok2 := columnTypeWithin(d.ItemField(), depth)
		if !ok || !ok2 {
			return Type{}, true, false
		}
		t = MapOf(key, value)
	case *arrow.StructType:
		members := make([]Member, d.NumFields())
		for i, f := range d.Fields() {
			m, ok := columnTypeWithin(f, depth)
			if !ok {
				return Type{}, true, false
			}
			members[i] = Member{f.Name, m}
		}
		t = StructOf(members)
	case *arrow.ListType, *arrow.LargeListType, *arrow.FixedSizeListType:
		element, ok := columnTypeWithin(dt.(arrow.ListLikeType).ElemField(), depth)
		if !ok {
			return Type{}, true, false
		}
		t = ListOf(element)
	default:
		return Type{}, false, false
	}
	return t, true, t.Kind != Other
}

func columnTypeWithin(f arrow.Field, depth int) (Type, bool) {
	if depth == 0 {
		return Type{}, false
	}
	if t, is, ok := nestedFromArrowType(f.Type, depth-1); is {
		return t, ok
	}
	return columnType(f.Type, f.Metadata)
}

// readNested returns the values of a nested array as a column of to if that is nested, else of the type that fits. A part that does
// not fit makes the whole value null.
func (s *arrowSource) readNested(d arrow.ArrayData, to Type) (Vec, []RowError, error) {
	t := to
	if !t.Nested() {
		own, _, ok := nestedFromArrowType(d.DataType(), typeDepthMax)
		if !ok {
			return Vec{}, nil, fmt.Errorf("unsupported Arrow type %s", d.DataType())
		}
		t = own
	}
	if dt, is := d.DataType().(*arrow.StructType); is {
		return s.readStruct(dt, d, t)
	}
	if t.Kind == Struct || len(d.Children()) != 1 {
		return Vec{}, nil, fmt.Errorf("a list cannot be read as %s", t)
	}
	child := d.Children()[0]
	starts, ends, err := s.listBounds(d.DataType(), child.Len())
	if err != nil {
		return Vec{}, nil, err
	}
	elements, bad, err := castChild(child, t.Elem(), s.trusted)
	if err != nil {
		return Vec{}, nil, err
	}
	valid, errs := s.valid, []RowError(nil)
	reject := func(i int, message string) {
		valid = ownBitmap(valid, s.len, len(errs) == 0)
		SetNull(valid, i)
		errs = append(errs, RowError{Row: i, Message: message})
	}
	for i := range starts {
		if valid != nil && valid[i>>3]&(1<<(i&7)) == 0 {
			continue
		}
		for len(bad) > 0 && bad[0].Row < int(starts[i]) {
			bad = bad[1:]
		}
		switch size := t.ArraySize(); {
		case len(bad) > 0 && bad[0].Row < int(ends[i]):
			reject(i, fmt.Sprintf("at [%d]: %s", bad[0].Row-int(starts[i])+1, bad[0].Message))
		case size > 0 && int(ends[i]-starts[i]) != size:
			reject(i, fmt.Sprintf("%d elements, not %d", ends[i]-starts[i], size))
		case t.Kind == Map && badEntries(&elements, int(starts[i]), int(ends[i])):
			reject(i, "Map keys must be unique and not null")
		}
	}
	v, err := ListVec(t, starts, ends, &elements, valid)
	return v, errs, err
}

// badEntries reports whether a map with the entries from lo up to hi would have a key that is null or there twice.
func badEntries(entries *Vec, lo, hi int) bool {
	keyType := entries.Type.shape.members[0].Type
	seen := make(map[string]bool, hi-lo)
	for i := lo; i < hi; i++ {
		if entries.Null(i) {
			return true
		}
		b := entries.Bytes(i)
		key := b[:skipElement(keyType, b)]
		if key[0] == keyNull || seen[string(key)] {
			return true
		}
		seen[string(key)] = true
	}
	return false
}

// castChild is castArrow with whole-column errors apart.
func castChild(d arrow.ArrayData, to Type, trusted bool) (Vec, []RowError, error) {
	v, bad := castArrow(array.MakeFromData(d), to, trusted)
	if len(bad) > 0 && bad[0].Row < 0 {
		return Vec{}, nil, errors.New(bad[0].Message)
	}
	return v, bad, nil
}

// listBounds returns where the elements of each list are among n.
func (s *arrowSource) listBounds(dt arrow.DataType, n int) (starts, ends []int32, err error) {
	switch d := dt.(type) {
	case *arrow.FixedSizeListType:
		size := int(d.Len())
		if size < 0 || (s.off+s.len)*size > n {
			return nil, nil, errTruncated
		}
		starts, ends = make([]int32, s.len), make([]int32, s.len)
		for i := range starts {
			starts[i], ends[i] = int32((s.off+i)*size), int32((s.off+i+1)*size)
		}
		return starts, ends, nil
	case *arrow.LargeListType:
		wide, err := offsetsOf[int64](s, n)
		if err != nil {
			return nil, nil, err
		}
		offsets := make([]int32, len(wide))
		for i, o := range wide {
			offsets[i] = int32(o)
		}
		return offsets[:s.len], offsets[1:], nil
	}
	offsets, err := offsetsOf[int32](s, n)
	if err != nil {
		return nil, nil, err
	}
	return offsets[:s.len], offsets[1:], checkOffsets(offsets, n)
}

func (s *arrowSource) readStruct(dt *arrow.StructType, d arrow.ArrayData, t Type) (Vec, []RowError, error) {
	if t.Kind != Struct || len(d.Children()) != dt.NumFields() {
		return Vec{}, nil, fmt.Errorf("a struct cannot be read as %s", t)
	}
	members := make([]Vec, len(t.shape.members))
	var bad []RowError
	for k, m := range t.shape.members {
		at := k
		if m.Name != "" {
			if at = fieldNamed(dt, m.Name); at < 0 {
				members[k] = NullVec(m.Type, s.len)
				continue
			}
		}
		if at >= len(d.Children()) || d.Children()[at].Len() < s.off+s.len {
			return Vec{}, nil, errTruncated
		}
		v, errs, err := castChild(array.NewSliceData(d.Children()[at], int64(s.off), int64(s.off+s.len)), m.Type, s.trusted)
		if err != nil {
			return Vec{}, nil, err
		}
		members[k] = v
		for i := range errs {
			errs[i].Message = "at ." + m.Name + ": " + errs[i].Message
		}
		bad = mergeRowErrors(bad, errs)
	}
	valid, errs := s.valid, []RowError(nil)
	for _, e := range bad {
		if valid != nil && valid[e.Row>>3]&(1<<(e.Row&7)) == 0 {
			continue // null, or another member has been bad
		}
		valid = ownBitmap(valid, s.len, len(errs) == 0)
		SetNull(valid, e.Row)
		errs = append(errs, e)
	}
	v, err := StructVec(t, members, s.len, valid)
	return v, errs, err
}

func fieldNamed(dt *arrow.StructType, name string) int {
	for i, f := range dt.Fields() {
		if f.Name == name {
			return i
		}
	}
	for i, f := range dt.Fields() {
		if strings.EqualFold(f.Name, name) {
			return i
		}
	}
	return -1
}

// checkStored returns an error unless the bytes of a column that was stored are values of its type.
func checkStored(v *Vec) error {
	switch {
	case v.Type.Nested():
		for i := range v.Len {
			if !v.Null(i) {
				if err := CheckNested(v.Type, v.Bytes(i)); err != nil {
					return err
				}
			}
		}
	case v.Type.Kind == Enum:
		n := len(v.Type.shape.values)
		for i, x := range Values[uint16](v) {
			if int(x) >= n && !v.Null(i) {
				return fmt.Errorf("value %d of an ENUM with %d", x, n)
			}
		}
	}
	return nil
}
