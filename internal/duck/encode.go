package duck

import (
	"encoding/binary"
	"errors"
	"fmt"
	"unicode/utf8"
	"unsafe"

	capi "github.com/duckdb/duckdb-go-bindings"

	"github.com/tidemill/tidemill/internal/row"
)

// admitColumn checks that v holds n values of type t in memory that can be read without looking again.
func admitColumn(v *row.Vec, t row.Type, n int) error {
	if v.Type.Phys() != t.Phys() || v.Type != t && (t.Kind == row.Decimal || t.Kind == row.Enum || v.Type.Nested()) {
		return fmt.Errorf("has type %s instead of %s", v.Type, t)
	}
	if v.Len < n || v.Valid != nil && len(v.Valid) < (n+7)/8 {
		return fmt.Errorf("has %d values instead of %d", v.Len, n)
	}
	if w := t.Phys().Width(); w > 0 {
		if len(v.Data) < n*w {
			return errors.New("has fewer bytes than values")
		}
		return admitEnum(v, n)
	}
	if len(v.Offsets) < n+1 {
		return errors.New("has fewer offsets than values")
	}
	return admitText(v, t.Kind != row.Blob && !t.Nested(), n)
}

// admitEnum checks that an ENUM's positions are among its values.
func admitEnum(v *row.Vec, n int) error {
	if v.Type.Kind != row.Enum {
		return nil
	}
	values := len(v.Type.EnumValues())
	for i, x := range row.Values[uint16](v)[:n] {
		if int(x) >= values && !v.Null(i) {
			return fmt.Errorf("has the value %d of an ENUM with %d", x, values)
		}
	}
	return nil
}

// admitText checks offsets and, for text, UTF-8, which DuckDB relies on.
func admitText(v *row.Vec, text bool, n int) error {
	last := v.Offsets[0]
	if last < 0 {
		return errors.New("has a negative offset")
	}
	for _, o := range v.Offsets[1 : n+1] {
		if o < last {
			return errors.New("has offsets out of order")
		}
		last = o
	}
	if int(last) > len(v.Data) {
		return errors.New("has offsets past its bytes")
	}
	if !text {
		return nil
	}
	if all := v.Data[v.Offsets[0]:last]; !utf8.Valid(all) {
		return errors.New("holds text that is not UTF-8")
	}
	// The bytes together are UTF-8; each value is, unless one begins inside a character.
	for _, o := range v.Offsets[:n] {
		if int(o) < len(v.Data) && o < last && !utf8.RuneStart(v.Data[o]) {
			return errors.New("holds text that is not UTF-8")
		}
	}
	return nil
}

// writeVector writes n values of v from position from on into a vector of the type newLogicalType gave. v has been
// admitted.
func writeVector(vec capi.Vector, v *row.Vec, from, n int) {
	if n == 0 {
		return
	}
	dst := capi.VectorGetData(vec)
	w := v.Type.Phys().Width()
	switch {
	case w == 0:
		writeText(unsafe.Slice((*duckString)(dst), n), v, from)
	case v.Type.Kind == row.UUID:
		uuidToDuck(unsafe.Slice((*byte)(dst), n*16), v.Data[from*16:(from+n)*16])
	case v.Type.Kind == row.Enum && sourceWidth(v.Type) == 1:
		narrow(unsafe.Slice((*uint8)(dst), n), row.Values[uint16](v)[from:])
	case v.Type.Kind == row.Decimal && v.Type.Width <= 4:
		narrow(unsafe.Slice((*int16)(dst), n), row.Values[int64](v)[from:])
	case v.Type.Kind == row.Decimal && v.Type.Width <= 9:
		narrow(unsafe.Slice((*int32)(dst), n), row.Values[int64](v)[from:])
	default:
		copy(unsafe.Slice((*byte)(dst), n*w), v.Data[from*w:(from+n)*w])
	}
	if v.Valid != nil {
		writeValidity(vec, v, from, n)
	}
}

func narrow[T int16 | int32 | uint8, F int64 | uint16](dst []T, src []F) {
	for i := range dst {
		dst[i] = T(src[i])
	}
}

func uuidToDuck(dst, src []byte) {
	for i := 0; i < len(src); i += 16 {
		upper, lower := binary.BigEndian.Uint64(src[i:]), binary.BigEndian.Uint64(src[i+8:])
		binary.LittleEndian.PutUint64(dst[i:], lower)
		binary.LittleEndian.PutUint64(dst[i+8:], upper^(1<<63))
	}
}

// writeText writes string_t's: short text inline, long text as a pointer into v's pinned bytes. The pointer
// is stored as an integer, because a pointer store would make the collector look at what C memory held before.
func writeText(dst []duckString, v *row.Vec, from int) {
	offsets := v.Offsets[from : from+len(dst)+1]
	base := uintptr(unsafe.Pointer(unsafe.SliceData(v.Data)))
	for i := range dst {
		lo, hi := offsets[i], offsets[i+1]
		s := &dst[i]
		s.length = uint32(hi - lo)
		if hi-lo <= inlineString {
			var inline [inlineString]byte
			copy(inline[:], v.Data[lo:hi])
			*(*[inlineString]byte)(unsafe.Pointer(&s.prefix)) = inline
			continue
		}
		copy(s.prefix[:], v.Data[lo:lo+4])
		s.ptr = base + uintptr(lo)
	}
}

func writeValidity(vec capi.Vector, v *row.Vec, from, n int) {
	src := v.Valid
	if from&7 == 0 && allValid(src[from>>3:], n) {
		return
	}
	capi.VectorEnsureValidityWritable(vec)
	mask := capi.VectorGetValidity(vec)
	if mask == nil {
		return
	}
	dst := unsafe.Slice((*byte)(mask), max(vectorSize, n+63)/64*8)
	if from&7 == 0 {
		copy(dst, src[from>>3:(from+n+7)>>3])
		return
	}
	for i := range n {
		if v.Null(from + i) {
			row.SetNull(dst, i)
		} else {
			row.SetValid(dst, i)
		}
	}
}

// newValue makes DuckDB's value of v, to be bound to a parameter. The caller destroys it.
func newValue(v row.Value) (capi.Value, error) {
	if v.Null {
		return nullValue(v.Type), nil
	}
	switch v.Type.Kind {
	case row.Bool:
		return capi.CreateBool(v.I != 0), nil
	case row.Int8:
		return capi.CreateInt8(int8(v.I)), nil
	case row.Int16:
		return capi.CreateInt16(int16(v.I)), nil
	case row.Int32:
		return capi.CreateInt32(int32(v.I)), nil
	case row.Int64:
		return capi.CreateInt64(v.I), nil
	case row.Uint8:
		return capi.CreateUInt8(uint8(v.I)), nil
	case row.Uint16:
		return capi.CreateUInt16(uint16(v.I)), nil
	case row.Uint32:
		return capi.CreateUInt32(uint32(v.I)), nil
	case row.Uint64:
		return capi.CreateUInt64(uint64(v.I)), nil
	case row.Int128:
		return capi.CreateHugeInt(capi.NewHugeInt(uint64(v.I), v.H)), nil
	case row.Decimal:
		return decimalValue(v)
	case row.Float32:
		return capi.CreateFloat(float32(v.F)), nil
	case row.Float64:
		return capi.CreateDouble(v.F), nil
	case row.Interval:
		return capi.CreateInterval(capi.NewInterval(v.V.Months, v.V.Days, v.V.Micros)), nil
	default:
		return newTimeOrText(v)
	}
}

func newTimeOrText(v row.Value) (capi.Value, error) {
	switch v.Type.Kind {
	case row.Date:
		return capi.CreateDate(capi.NewDate(int32(v.I))), nil
	case row.Time:
		return capi.CreateTime(capi.NewTime(v.I)), nil
	case row.Timestamp:
		return capi.CreateTimestamp(capi.NewTimestamp(v.I)), nil
	case row.TimestampTZ:
		return capi.CreateTimestampTZ(capi.NewTimestamp(v.I)), nil
	case row.UUID:
		var u [16]byte
		copy(u[:], v.S)
		return capi.CreateUUID(capi.NewUHugeInt(binary.BigEndian.Uint64(u[8:]), binary.BigEndian.Uint64(u[:8]))), nil
	case row.Enum, row.List, row.Struct, row.Map:
		return newNestedValue(v)
	case row.Blob:
		return capi.CreateBlob([]byte(v.S)), nil
	case row.String, row.JSON, row.Other:
		if !utf8.ValidString(v.S) {
			return capi.Value{}, errorf(KindParameter, "a text argument is not UTF-8")
		}
		return capi.CreateVarchar(v.S), nil
	default:
		return capi.Value{}, errorf(KindParameter, "an argument has no type")
	}
}

// decimalValue keeps the sign of a small decimal, whose high half callers may leave out.
func decimalValue(v row.Value) (capi.Value, error) {
	hi := v.H
	if v.Type.Width <= 18 {
		hi = v.I >> 63
	}
	if v.Type.Width < 1 || v.Type.Width > 38 || v.Type.Scale > v.Type.Width {
		return capi.Value{}, errorf(KindParameter, "an argument has the type "+v.Type.String())
	}
	return capi.CreateDecimal(capi.NewDecimal(v.Type.Width, v.Type.Scale, capi.NewHugeInt(uint64(v.I), hi))), nil
}

func nullValue(row.Type) capi.Value { return capi.CreateNullValue() }

// bind sets all parameters of the statement.
func (s *stmt) bind(args []row.Value, sql string) error {
	want := int(capi.NParams(s.s))
	if want != len(args) {
		return errorf(KindParameter, fmt.Sprintf("the statement has %d parameters, %d arguments are given", want, len(args)))
	}
	for i, a := range args {
		v, err := newValue(a)
		if err != nil {
			return err
		}
		state := capi.BindValue(s.s, capi.IdxT(i+1), v)
		capi.DestroyValue(&v)
		if state != capi.StateSuccess {
			return errorf(KindParameter, fmt.Sprintf("argument %d: %s", i+1, capi.PrepareError(s.s)))
		}
	}
	return nil
}
