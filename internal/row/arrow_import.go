package row

import (
	"errors"
	"fmt"
	"math"
	"unicode/utf8"
	"unsafe"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/float16"
)

// RowError says why a value did not convert. The value is null in the result.
type RowError struct {
	// Row is the position of the value, or -1 when the column as a whole cannot be read; then all its values are null.
	Row     int
	Message string
}

// CastArrow converts an Arrow column, of any origin, to a column of type to with DuckDB's casts, sharing memory where the layouts agree. Values that do not fit
// become null and are reported in order. It never panics: offsets, lengths and indices are checked before use. Text that is not UTF-8 does not fit.
func CastArrow(col arrow.Array, to Type) (out Vec, bad []RowError) {
	return castArrow(col, to, false)
}

// castArrow is CastArrow; trusted says that the values have been checked when they were written, so that only the layout needs to be.
func castArrow(col arrow.Array, to Type, trusted bool) (out Vec, bad []RowError) {
	defer func() {
		if r := recover(); r != nil {
			out, bad = unreadable(col, to, fmt.Errorf("damaged array: %v", r))
		}
	}()
	if n := col.Len(); n < 0 || n > MaxRows {
		return NullVec(to, 0), []RowError{{Row: -1, Message: fmt.Sprintf("%d values in a column; at most %d are allowed", n, MaxRows)}}
	}
	v, bad, err := readArrow(col.Data(), to, trusted)
	if err != nil {
		return unreadable(col, to, err)
	}
	if v.Type == to {
		return v, bad
	}
	out, more := CastVec(&v, to)
	return out, mergeRowErrors(bad, more)
}

func unreadable(col arrow.Array, to Type, err error) (Vec, []RowError) {
	return NullVec(to, min(max(col.Len(), 0), MaxRows)), []RowError{{Row: -1, Message: err.Error()}}
}

func mergeRowErrors(a, b []RowError) []RowError {
	if len(a) == 0 {
		return b
	}
	out := make([]RowError, 0, len(a)+len(b))
	for len(a) > 0 && len(b) > 0 {
		if a[0].Row <= b[0].Row {
			out, a = append(out, a[0]), a[1:]
		} else {
			out, b = append(out, b[0]), b[1:]
		}
	}
	return append(append(out, a...), b...)
}

// arrowSource is an array's layout: what is read from it is checked against its bounds.
type arrowSource struct {
	len, off int
	buffers  [][]byte
	valid    []byte // as in a Vec
	// trusted says that values need no check.
	trusted bool
}

var errTruncated = errors.New("a buffer of the array is too short")

func openArrow(d arrow.ArrayData, trusted bool) (*arrowSource, error) {
	s := &arrowSource{len: d.Len(), off: d.Offset(), trusted: trusted}
	if s.len < 0 || s.len > MaxRows || s.off < 0 || s.off > math.MaxInt32 {
		return nil, fmt.Errorf("array of length %d at offset %d", s.len, s.off)
	}
	for _, b := range d.Buffers() {
		var raw []byte
		if b != nil {
			raw = b.Bytes()
		}
		s.buffers = append(s.buffers, raw)
	}
	nulls := d.NullN()
	if d.DataType().ID() == arrow.NULL {
		nulls = 0
	}
	return s, s.openValidity(nulls)
}

// openValidity reads the validity bitmap of an array with that many nulls, less than 0 if the number is not known.
func (s *arrowSource) openValidity(nulls int) error {
	bitmap := s.buffer(0)
	switch {
	case nulls == 0 || s.len == 0 || nulls < 0 && len(bitmap) == 0:
		return nil
	case len(bitmap) < (s.off+s.len+7)>>3:
		return errTruncated
	}
	s.valid = sliceBitmap(bitmap, s.off, s.len)
	return nil
}

func (s *arrowSource) buffer(i int) []byte {
	if i >= len(s.buffers) {
		return nil
	}
	return s.buffers[i]
}

// fixed returns the bytes of the values, each of width bytes and aligned to align.
func (s *arrowSource) fixed(width, align int) ([]byte, error) {
	b, off := s.buffer(1), s.off
	if len(b) < (off+s.len)*width {
		return nil, errTruncated
	}
	return aligned(b[off*width:(off+s.len)*width:(off+s.len)*width], align), nil
}

// aligned returns b, or a copy of it if it is not aligned.
func aligned(b []byte, align int) []byte {
	if len(b) == 0 || uintptr(unsafe.Pointer(unsafe.SliceData(b)))%uintptr(align) == 0 {
		return b
	}
	out := aligned8(len(b))
	copy(out, b)
	return out
}

// aligned8 returns n bytes aligned for every type of value.
func aligned8(n int) []byte {
	if n == 0 {
		return []byte{}
	}
	back := make([]uint64, (n+7)/8)
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(back))), len(back)*8)[:n]
}

// fixedValues views the values of an array of fixed width.
func fixedValues[T any](s *arrowSource) ([]T, error) {
	var zero T
	b, err := s.fixed(int(unsafe.Sizeof(zero)), int(unsafe.Alignof(zero)))
	if err != nil || s.len == 0 {
		return nil, err
	}
	return unsafe.Slice((*T)(unsafe.Pointer(unsafe.SliceData(b))), s.len), nil
}

// offsets returns the value offsets, which never fall and end within limit bytes.
func offsetsOf[T int32 | int64](s *arrowSource, limit int) ([]T, error) {
	var zero T
	width := int(unsafe.Sizeof(zero))
	b, off := s.buffer(1), s.off
	if s.len == 0 {
		return []T{0}, nil
	}
	if len(b) < (off+s.len+1)*width {
		return nil, errTruncated
	}
	b = aligned(b[off*width:(off+s.len+1)*width], width)
	offsets := unsafe.Slice((*T)(unsafe.Pointer(unsafe.SliceData(b))), s.len+1)
	if err := checkOffsets(offsets, limit); err != nil {
		return nil, err
	}
	return offsets, nil
}

func checkOffsets[T int32 | int64](offsets []T, limit int) error {
	last := T(0)
	for _, o := range offsets {
		if o < last {
			return errors.New("offsets of the array fall")
		}
		last = o
	}
	if int64(last) > int64(limit) {
		return errTruncated
	}
	return nil
}

// readArrow returns an array's values as a column of the type that fits it best, preferably to.
func readArrow(d arrow.ArrayData, to Type, trusted bool) (Vec, []RowError, error) {
	s, err := openArrow(d, trusted)
	if err != nil {
		return Vec{}, nil, err
	}
	switch dt := d.DataType().(type) {
	case arrow.ExtensionType:
		return readArrow(array.NewData(dt.StorageType(), d.Len(), d.Buffers(), d.Children(), d.NullN(), d.Offset()), to, trusted)
	case *arrow.DictionaryType:
		return s.readDictionary(dt, d.Dictionary(), to)
	case *arrow.NullType:
		return NullVec(to, s.len), nil, nil
	case *arrow.ListType, *arrow.LargeListType, *arrow.FixedSizeListType, *arrow.MapType, *arrow.StructType:
		return s.readNested(d, to)
	case *arrow.BooleanType:
		v, err := s.readBools()
		return v, nil, err
	case *arrow.StringType, *arrow.LargeStringType, *arrow.StringViewType, *arrow.BinaryType, *arrow.LargeBinaryType, *arrow.BinaryViewType, *arrow.FixedSizeBinaryType:
		return s.readBytes(dt, to)
	case arrow.DecimalType:
		return s.readDecimals(dt, to)
	case *arrow.TimestampType, *arrow.Date32Type, *arrow.Date64Type, *arrow.Time32Type, *arrow.Time64Type:
		return s.readTimes(dt)
	case *arrow.MonthIntervalType, *arrow.DayTimeIntervalType, *arrow.MonthDayNanoIntervalType, *arrow.DurationType:
		return s.readIntervals(dt)
	case *arrow.Float16Type:
		halves, err := fixedValues[float16.Num](s)
		if err != nil {
			return Vec{}, nil, err
		}
		out := make([]float32, s.len)
		for i, h := range halves {
			out[i] = h.Float32()
		}
		return FromValues(T(Float32), out, s.valid), nil, nil
	default:
		t, ok := typeFromArrow(dt)
		if !ok {
			return Vec{}, nil, fmt.Errorf("unsupported Arrow type %s", dt)
		}
		w := t.Phys().Width()
		b, err := s.fixed(w, w)
		v := Vec{Type: t, Len: s.len, Data: b, Valid: s.valid}
		if to.Kind == Enum && t.Kind == Uint16 && err == nil {
			v.Type = to // as the log stores it
			err = checkStored(&v)
		}
		return v, nil, err
	}
}

func (s *arrowSource) readDictionary(dt *arrow.DictionaryType, dict arrow.ArrayData, to Type) (Vec, []RowError, error) {
	if dict == nil {
		return Vec{}, nil, errors.New("dictionary is missing")
	}
	if dict.Len() < 0 || dict.Len() > MaxRows || dict.DataType().ID() == arrow.DICTIONARY {
		return Vec{}, nil, errors.New("dictionary is not usable")
	}
	values, bad, err := readArrow(dict, to, s.trusted)
	if err != nil {
		return Vec{}, nil, err
	}
	at, err := s.dictionaryIndices(dt, values.Len)
	if err != nil {
		return Vec{}, nil, err
	}
	size := int64(0)
	if values.Offsets != nil {
		for i, j := range at {
			if s.valid == nil || s.valid[i>>3]&(1<<(i&7)) != 0 {
				size += int64(values.Offsets[j+1] - values.Offsets[j])
			}
		}
		if size > Bytes32Max {
			return Vec{}, nil, errors.New("more than 2 GiB of text in a column")
		}
	}
	out := gatherValid(&values, at, s.valid)
	return out, spreadRowErrors(bad, at, &out), nil
}

// dictionaryIndices returns an index below n for every row; under a null it is the first.
func (s *arrowSource) dictionaryIndices(dt *arrow.DictionaryType, n int) ([]int32, error) {
	t, ok := typeFromArrow(dt.IndexType)
	if !ok || !t.IsInteger() || t.Kind == Int128 {
		return nil, fmt.Errorf("dictionary index of type %s", dt.IndexType)
	}
	w := t.Phys().Width()
	b, err := s.fixed(w, w)
	if err != nil {
		return nil, err
	}
	idx := Vec{Type: t, Len: s.len, Data: b, Valid: s.valid}
	at := make([]int32, s.len)
	for i := range at {
		if idx.Null(i) {
			continue
		}
		j := idx.int(i)
		if j < 0 || j >= int64(n) {
			return nil, fmt.Errorf("dictionary index %d of %d values", j, n)
		}
		at[i] = int32(j)
	}
	return at, nil
}

// gatherValid is Gather for the valid rows and null for the others, whose position may be out of range.
func gatherValid(v *Vec, at []int32, valid []byte) Vec {
	if valid == nil {
		return v.Gather(at)
	}
	b := NewBuilder(v.Type, len(at))
	for i, j := range at {
		if valid[i>>3]&(1<<(i&7)) == 0 {
			b.AppendNull()
		} else {
			b.AppendFrom(v, int(j))
		}
	}
	return b.Finish()
}

// spreadRowErrors moves a dictionary's errors to the rows that use the entry.
func spreadRowErrors(bad []RowError, at []int32, out *Vec) []RowError {
	if len(bad) == 0 {
		return nil
	}
	messages := map[int32]string{}
	for _, e := range bad {
		messages[int32(e.Row)] = e.Message
	}
	var spread []RowError
	for i, j := range at {
		if m, is := messages[j]; is && out.Null(i) {
			spread = append(spread, RowError{Row: i, Message: m})
		}
	}
	return spread
}

func (s *arrowSource) readBools() (Vec, error) {
	bitmap, off := s.buffer(1), s.off
	if len(bitmap) < (off+s.len+7)>>3 {
		return Vec{}, errTruncated
	}
	out := make([]byte, s.len)
	for i := range out {
		j := off + i
		out[i] = bitmap[j>>3] >> (j & 7) & 1
	}
	return Vec{Type: T(Bool), Len: s.len, Data: out, Valid: s.valid}, nil
}

// readBytes returns text as a column of to if that holds text, else as VARCHAR, and binary data as a blob, or a UUID if to is that.
func (s *arrowSource) readBytes(dt arrow.DataType, to Type) (Vec, []RowError, error) {
	t := T(Blob)
	isText := false
	switch dt.ID() {
	case arrow.STRING, arrow.LARGE_STRING, arrow.STRING_VIEW:
		t, isText = T(String), true
		if to.Kind == Other {
			t = to
		}
	}
	v := Vec{Type: t, Len: s.len, Valid: s.valid}
	var err error
	switch dt := dt.(type) {
	case *arrow.StringType, *arrow.BinaryType:
		v.Data = s.buffer(2)
		v.Offsets, err = offsetsOf[int32](s, len(v.Data))
	case *arrow.LargeStringType, *arrow.LargeBinaryType:
		err = s.readLarge(&v)
	case *arrow.FixedSizeBinaryType:
		if to.Kind == UUID && dt.ByteWidth == 16 {
			b, err := s.fixed(16, 1)
			return Vec{Type: to, Len: s.len, Data: b, Valid: s.valid}, nil, err
		}
		err = s.readFixedBinary(&v, dt.ByteWidth)
	default:
		err = s.readViews(&v)
	}
	if s.trusted && to.Phys() == PhysBytes {
		v.Type = to
	} else if to.Nested() && !isText && err == nil {
		v.Type = to // as the log stores it
		err = checkStored(&v)
	}
	if err != nil || !isText || s.trusted {
		return v, nil, err
	}
	bad := rejectInvalidText(&v)
	if to.Kind == JSON {
		var more []RowError
		v, more = parseVec(&v, to)
		bad = mergeRowErrors(bad, more)
	}
	return v, bad, nil
}

func rejectInvalidText(v *Vec) (bad []RowError) {
	if v.Len > 0 && utf8.Valid(v.Data[v.Offsets[0]:v.Offsets[v.Len]]) && startsClean(v) {
		return nil
	}
	for i := range v.Len {
		if v.Null(i) || utf8.Valid(v.Bytes(i)) {
			continue
		}
		v.Valid = ownBitmap(v.Valid, v.Len, len(bad) == 0)
		SetNull(v.Valid, i)
		bad = append(bad, RowError{Row: i, Message: "text is not valid UTF-8"})
	}
	return bad
}

// startsClean reports whether no value begins within a character.
func startsClean(v *Vec) bool {
	end := int(v.Offsets[v.Len])
	for _, o := range v.Offsets[:v.Len] {
		if int(o) < end && !utf8.RuneStart(v.Data[o]) {
			return false
		}
	}
	return true
}

// ownBitmap returns a bitmap that may be written to: a copy of shared the first time, then the same.
func ownBitmap(bitmap []byte, n int, first bool) []byte {
	if !first {
		return bitmap
	}
	own := NewBitmap(n, true)
	if bitmap != nil {
		copy(own, bitmap[:(n+7)>>3])
	}
	return own
}

func (s *arrowSource) readLarge(v *Vec) error {
	data := s.buffer(2)
	offsets, err := offsetsOf[int64](s, len(data))
	if err != nil {
		return err
	}
	first, last := offsets[0], offsets[len(offsets)-1]
	if last-first > Bytes32Max {
		return errors.New("more than 2 GiB of text in a column")
	}
	v.Data = data[first:last]
	v.Offsets = make([]int32, len(offsets))
	for i, o := range offsets {
		v.Offsets[i] = int32(o - first)
	}
	return nil
}

func (s *arrowSource) readFixedBinary(v *Vec, width int) error {
	if width < 0 || int64(width)*int64(s.len) > Bytes32Max {
		return fmt.Errorf("%d values of %d bytes", s.len, width)
	}
	b, err := s.fixed(width, 1)
	if err != nil {
		return err
	}
	v.Data = b
	v.Offsets = make([]int32, s.len+1)
	for i := range v.Offsets {
		v.Offsets[i] = int32(i * width)
	}
	return nil
}

// readViews reads the layout of 16-byte views: a length of 32 bits, then up to 12 bytes inline, or a prefix, a buffer's number and
// an offset into it.
func (s *arrowSource) readViews(v *Vec) error {
	type view struct{ size, _, buffer, offset int32 }
	views, err := fixedValues[view](s)
	if err != nil {
		return err
	}
	raw, err := s.fixed(16, 4)
	if err != nil {
		return err
	}
	v.Offsets = make([]int32, s.len+1)
	for i, w := range views {
		if !v.Null(i) {
			if w.size < 0 || int64(len(v.Data))+int64(w.size) > Bytes32Max {
				return errors.New("a view's length is out of range")
			}
			from := raw[i*16+4 : i*16+16]
			if w.size > 12 {
				if w.buffer < 0 || w.buffer > math.MaxInt32-2 || w.offset < 0 {
					return errTruncated
				}
				from = s.buffer(int(w.buffer) + 2)
				if int64(w.offset)+int64(w.size) > int64(len(from)) {
					return errTruncated
				}
				from = from[w.offset:]
			}
			v.Data = append(v.Data, from[:w.size]...)
		}
		v.Offsets[i+1] = int32(len(v.Data))
	}
	return nil
}
