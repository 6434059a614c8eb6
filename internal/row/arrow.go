package row

import (
	"fmt"
	"math"
	"unsafe"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

// Keys of Arrow field metadata. MetaType holds the DuckDB name of a type that the Arrow type alone does not tell.
const (
	MetaType      = "tidemill.type"
	metaExtension = "ARROW:extension:name"
	metaExtData   = "ARROW:extension:metadata"
	extUUID       = "arrow.uuid"
	extJSON       = "arrow.json"
)

// ArrowSchema returns the Arrow form of a schema; FromArrowSchema reads it back.
func ArrowSchema(s Schema) *arrow.Schema {
	fields := make([]arrow.Field, len(s))
	for i, c := range s {
		fields[i] = arrow.Field{Name: c.Name, Type: arrowType(c.Type), Nullable: !c.NotNull, Metadata: arrowMetadata(c.Type)}
	}
	return arrow.NewSchema(fields, nil)
}

func arrowMetadata(t Type) arrow.Metadata {
	switch t.Kind {
	case Int128, Other, Enum, List, Struct, Map:
		return arrow.NewMetadata([]string{MetaType}, []string{t.String()})
	case UUID:
		return arrow.NewMetadata([]string{metaExtension, metaExtData}, []string{extUUID, ""})
	case JSON:
		return arrow.NewMetadata([]string{metaExtension, metaExtData}, []string{extJSON, ""})
	}
	return arrow.Metadata{}
}

var arrowTypes = [kindCount]arrow.DataType{
	Bool: arrow.FixedWidthTypes.Boolean,
	Int8: arrow.PrimitiveTypes.Int8, Int16: arrow.PrimitiveTypes.Int16, Int32: arrow.PrimitiveTypes.Int32, Int64: arrow.PrimitiveTypes.Int64,
	Uint8: arrow.PrimitiveTypes.Uint8, Uint16: arrow.PrimitiveTypes.Uint16, Uint32: arrow.PrimitiveTypes.Uint32, Uint64: arrow.PrimitiveTypes.Uint64,
	Int128:  &arrow.Decimal128Type{Precision: 38},
	Float32: arrow.PrimitiveTypes.Float32, Float64: arrow.PrimitiveTypes.Float64,
	String: arrow.BinaryTypes.String, JSON: arrow.BinaryTypes.String, Other: arrow.BinaryTypes.String, Blob: arrow.BinaryTypes.Binary,
	Date: arrow.FixedWidthTypes.Date32, Time: arrow.FixedWidthTypes.Time64us,
	Timestamp: &arrow.TimestampType{Unit: arrow.Microsecond}, TimestampTZ: arrow.FixedWidthTypes.Timestamp_us,
	Interval: arrow.FixedWidthTypes.MonthDayNanoInterval, UUID: &arrow.FixedSizeBinaryType{ByteWidth: 16},
}

func arrowType(t Type) arrow.DataType {
	if t.Kind == Decimal {
		return &arrow.Decimal128Type{Precision: int32(t.Width), Scale: int32(t.Scale)}
	}
	if t.shape != nil {
		return arrowNested(t)
	}
	if dt := arrowTypes[t.Kind]; dt != nil {
		return dt
	}
	return arrow.BinaryTypes.String
}

// FromArrowSchema returns the schema whose columns can hold the values of an Arrow schema's. Besides what ArrowSchema makes it takes the other widths,
// units and layouts of the same kinds of data, and dictionaries of them; a null column becomes text.
func FromArrowSchema(as *arrow.Schema) (Schema, error) {
	s := make(Schema, as.NumFields())
	for i, f := range as.Fields() {
		t, ok := columnType(f.Type, f.Metadata)
		if !ok {
			return nil, fmt.Errorf("column %q: Arrow type %s is not supported", f.Name, f.Type)
		}
		s[i] = Column{Name: f.Name, Type: t, NotNull: !f.Nullable}
	}
	return s, nil
}

// columnType takes a field's metadata into account, which decides only between types of one physical form.
func columnType(dt arrow.DataType, meta arrow.Metadata) (Type, bool) {
	t, ok := typeFromArrow(dt)
	if !ok {
		return t, false
	}
	if name, has := meta.GetValue(MetaType); has {
		if named, ok := storedType(dt, name); ok {
			return named, true
		}
		if named, ok := ParseType(name); ok && named.shape != nil && (named.Kind == t.Kind && t.shape != nil && arrow.TypeEqual(arrowNested(named), dt) || named.Kind == Enum && dt.ID() == arrow.DICTIONARY && t.Kind == String) {
			return named, true
		}
		switch {
		case t == DecimalType(38, 0) && name == "HUGEINT":
			return T(Int128), true
		case t.Kind == String:
			return Type{Kind: Other, Name: name}, true
		}
	}
	if ext, has := meta.GetValue(metaExtension); has && ext == extJSON && t.Kind == String {
		return T(JSON), true
	}
	if fsb, is := dt.(*arrow.FixedSizeBinaryType); is && fsb.ByteWidth == 16 {
		if ext, _ := meta.GetValue(metaExtension); ext == extUUID {
			return T(UUID), true
		}
	}
	return t, true
}

// typeFromArrow returns the type that holds an Arrow type's values.
func typeFromArrow(dt arrow.DataType) (Type, bool) {
	switch d := dt.(type) {
	case arrow.ExtensionType:
		t, ok := typeFromArrow(d.StorageType())
		switch {
		case d.ExtensionName() == extJSON && t.Kind == String:
			return T(JSON), true
		case d.ExtensionName() == extUUID && arrow.TypeEqual(d.StorageType(), arrowTypes[UUID]):
			return T(UUID), true
		}
		return t, ok
	case *arrow.DictionaryType:
		if d.ValueType.ID() == arrow.DICTIONARY {
			return Type{}, false
		}
		return typeFromArrow(d.ValueType)
	case *arrow.TimestampType:
		if d.TimeZone != "" {
			return T(TimestampTZ), true
		}
		return T(Timestamp), true
	case *arrow.Decimal256Type:
		return Type{}, false
	case arrow.DecimalType:
		p, sc := d.GetPrecision(), d.GetScale()
		if p < 1 || p > 38 || sc < 0 || sc > p {
			return Type{}, false
		}
		return DecimalType(uint8(p), uint8(sc)), true
	}
	if t, is, ok := nestedFromArrowType(dt, typeDepthMax); is {
		return t, ok
	}
	k, ok := kindsOfArrow[dt.ID()]
	return T(k), ok
}

var kindsOfArrow = map[arrow.Type]Kind{
	arrow.NULL: String, arrow.BOOL: Bool,
	arrow.INT8: Int8, arrow.INT16: Int16, arrow.INT32: Int32, arrow.INT64: Int64,
	arrow.UINT8: Uint8, arrow.UINT16: Uint16, arrow.UINT32: Uint32, arrow.UINT64: Uint64,
	arrow.FLOAT16: Float32, arrow.FLOAT32: Float32, arrow.FLOAT64: Float64,
	arrow.STRING: String, arrow.LARGE_STRING: String, arrow.STRING_VIEW: String,
	arrow.BINARY: Blob, arrow.LARGE_BINARY: Blob, arrow.BINARY_VIEW: Blob, arrow.FIXED_SIZE_BINARY: Blob,
	arrow.DATE32: Date, arrow.DATE64: Date, arrow.TIME32: Time, arrow.TIME64: Time,
	arrow.INTERVAL_MONTHS: Interval, arrow.INTERVAL_DAY_TIME: Interval, arrow.INTERVAL_MONTH_DAY_NANO: Interval, arrow.DURATION: Interval,
}

// ToArrow returns the batch, whose columns have the schema's types, in Arrow's form; weights are left out. Values are shared except those of BOOLEAN, INTERVAL and DECIMAL of up
// to 18 digits. An interval beyond ±292 years of microseconds is carried into days.
func ToArrow(s Schema, b *Batch) arrow.RecordBatch {
	return toArrow(ArrowSchema(s), b)
}

func toArrow(as *arrow.Schema, b *Batch) arrow.RecordBatch {
	cols := make([]arrow.Array, len(b.Cols), len(b.Cols)+1)
	for i := range b.Cols {
		cols[i] = toArrowArray(as.Field(i).Type, &b.Cols[i])
	}
	return array.NewRecordBatch(as, cols, int64(b.Len))
}

func toArrowArray(dt arrow.DataType, v *Vec) arrow.Array {
	buffers := make([]*memory.Buffer, 2, 3)
	nulls := v.Nulls()
	if nulls > 0 {
		buffers[0] = memory.NewBufferBytes(v.Valid[:(v.Len+7)>>3])
	}
	switch {
	case v.Type.shape != nil && dt.ID() != arrow.BINARY && dt.ID() != arrow.UINT16:
		return nestedToArrow(dt, v, buffers[0], nulls)
	case v.Type.Phys() == PhysBytes:
		offsets := v.Offsets
		if len(offsets) == 0 {
			offsets = []int32{0}
		}
		buffers[1] = memory.NewBufferBytes(unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(offsets))), (v.Len+1)*4))
		buffers = append(buffers, memory.NewBufferBytes(v.Data))
	case v.Type.Kind == Bool:
		buffers[1] = memory.NewBufferBytes(packBools(v.Data[:v.Len]))
	case v.Type.Kind == Interval:
		buffers[1] = memory.NewBufferBytes(intervalsToNanos(v))
	case v.Type.Kind == Decimal && v.Type.Width <= 18:
		buffers[1] = memory.NewBufferBytes(widenDecimals(v))
	default:
		buffers[1] = memory.NewBufferBytes(v.Data[:v.Len*v.Type.Phys().Width()])
	}
	return array.MakeFromData(array.NewData(dt, v.Len, buffers, nil, nulls, 0))
}

func packBools(values []byte) []byte {
	out := make([]byte, (len(values)+7)>>3)
	for i, b := range values {
		out[i>>3] |= (b & 1) << (i & 7)
	}
	return out
}

func intervalsToNanos(v *Vec) []byte {
	out := make([]IntervalValue, v.Len)
	for i, iv := range Values[IntervalValue](v) {
		if iv.Micros > math.MaxInt64/1000 || iv.Micros < math.MinInt64/1000 {
			days := int64(iv.Days) + iv.Micros/microsPerDay
			iv.Days = int32(min(max(days, math.MinInt32), math.MaxInt32))
			iv.Micros %= microsPerDay
		}
		iv.Micros *= 1000
		out[i] = iv
	}
	vec := FromValues(v.Type, out, nil)
	return vec.Data
}

func widenDecimals(v *Vec) []byte {
	out := make([]Int128Value, v.Len)
	for i, x := range Values[int64](v) {
		out[i] = Int128FromInt64(x)
	}
	vec := FromValues(v.Type, out, nil)
	return vec.Data
}

// FromArrow returns a record batch's rows with the types of FromArrowSchema, sharing memory where the layouts agree. Values that do
// not fit are errors; CastArrow tells them one by one.
func FromArrow(rec arrow.RecordBatch) (*Batch, error) {
	s, err := FromArrowSchema(rec.Schema())
	if err != nil {
		return nil, err
	}
	return fromArrow(s.Types(), rec, false)
}

func fromArrow(types []Type, rec arrow.RecordBatch, trusted bool) (*Batch, error) {
	rows := rec.NumRows()
	if rows < 0 || rows > MaxRows {
		return nil, fmt.Errorf("%d rows in a batch; at most %d are allowed", rows, MaxRows)
	}
	if int(rec.NumCols()) < len(types) {
		return nil, fmt.Errorf("%d columns, want %d", rec.NumCols(), len(types))
	}
	b := &Batch{Cols: make([]Vec, len(types)), Len: int(rows)}
	for i, t := range types {
		col := rec.Column(i)
		if int64(col.Len()) != rows {
			return nil, fmt.Errorf("column %d has %d values, want %d", i, col.Len(), rows)
		}
		v, bad := castArrow(col, t, trusted)
		if len(bad) > 0 {
			return nil, fmt.Errorf("column %d, row %d: %s", i, bad[0].Row, bad[0].Message)
		}
		b.Cols[i] = v
	}
	return b, nil
}

// MaxRows bounds the rows of a batch that comes from outside.
const MaxRows = 1 << 24
