package row

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/apache/arrow-go/v18/arrow/float16"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

func TestArrowRoundTrip(t *testing.T) {
	r := rand.New(rand.NewPCG(81, 82))
	s := schemaOf(allTypes)
	got, err := FromArrowSchema(ArrowSchema(s))
	if err != nil || fmt.Sprint(got) != fmt.Sprint(s) {
		t.Fatalf("schema %v, %v", got, err)
	}
	for _, n := range []int{0, 1, 100} {
		b := randomBatch(r, allTypes, n)
		if n > 1 {
			b = b.Slice(3, n)
		}
		b.Weights = nil
		back, err := FromArrow(ToArrow(s, b))
		if err != nil {
			t.Fatal(err)
		}
		mustBeSame(t, back, b)
		// A slice of Arrow's has an offset of its own.
		if n > 1 {
			back, err = FromArrow(ToArrow(s, b).NewSlice(5, 60))
			if err != nil {
				t.Fatal(err)
			}
			mustBeSame(t, back, b.Slice(5, 60))
		}
	}
}

// texts writes a column as its values' texts, with errors in braces.
func texts(v Vec, bad []RowError) string {
	out := make([]string, v.Len)
	for i := range out {
		out[i] = v.Value(i).Text()
	}
	for _, e := range bad {
		if e.Row < 0 {
			return "{" + e.Message + "}"
		}
		out[e.Row] += "{" + e.Message + "}"
	}
	return strings.Join(out, " ")
}

func TestCastForeignArrow(t *testing.T) {
	mem := memory.DefaultAllocator
	build := func(dt arrow.DataType, fill func(array.Builder)) arrow.Array {
		b := array.NewBuilder(mem, dt)
		fill(b)
		b.AppendNull()
		return b.NewArray()
	}
	fromText := func(dt arrow.DataType, values ...string) arrow.Array {
		return build(dt, func(b array.Builder) {
			for _, s := range values {
				if err := b.AppendValueFromString(s); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
	dict := &arrow.DictionaryType{IndexType: arrow.PrimitiveTypes.Int8, ValueType: arrow.BinaryTypes.String}
	for _, c := range []struct {
		arr  arrow.Array
		to   Type
		want string
	}{
		{fromText(arrow.BinaryTypes.LargeString, "a", "", "long text beyond twelve bytes"), T(String), "a  long text beyond twelve bytes NULL"},
		{fromText(arrow.BinaryTypes.StringView, "a", "", "long text beyond twelve bytes"), T(String), "a  long text beyond twelve bytes NULL"},
		{fromText(dict, "x", "y", "x"), T(String), "x y x NULL"},
		{fromText(dict, "1", "y", "1"), T(Int16), "1 NULL{Could not convert string 'y' to INT16} 1 NULL"},
		{fromText(arrow.FixedWidthTypes.Date64, "2020-01-02"), T(Date), "2020-01-02 NULL"},
		{fromText(arrow.FixedWidthTypes.Time32ms, "01:02:03.004"), T(Time), "01:02:03.004 NULL"},
		{fromText(arrow.FixedWidthTypes.Time32s, "01:02:03"), T(Time), "01:02:03 NULL"},
		{fromText(arrow.FixedWidthTypes.Time64ns, "01:02:03.000004"), T(Time), "01:02:03.000004 NULL"},
		{fromText(arrow.FixedWidthTypes.Timestamp_ns, "1969-12-31 23:59:59.999999999Z"), T(TimestampTZ), "1969-12-31 23:59:59.999999+00 NULL"},
		{fromText(&arrow.TimestampType{Unit: arrow.Second}, "2020-01-01"), T(Timestamp), "2020-01-01 00:00:00 NULL"},
		{fromText(&arrow.TimestampType{Unit: arrow.Millisecond}, "2020-01-01 01:02:03.004"), T(TimestampTZ), "2020-01-01 01:02:03.004+00 NULL"},
		{fromText(&arrow.TimestampType{Unit: arrow.Millisecond}, "2020-01-01 01:02:03.004"), T(Date), "2020-01-01 NULL"},
		{build(&arrow.TimestampType{Unit: arrow.Second}, func(b array.Builder) { b.(*array.TimestampBuilder).Append(math.MaxInt64 / 10) }), T(Timestamp),
			"NULL{922337203685477580 is out of range for TIMESTAMP} NULL"},
		{build(&arrow.Decimal32Type{Precision: 5, Scale: 2}, func(b array.Builder) { b.(*array.Decimal32Builder).Append(12345) }), DecimalType(18, 3), "123.450 NULL"},
		{build(&arrow.Decimal64Type{Precision: 15, Scale: 2}, func(b array.Builder) { b.(*array.Decimal64Builder).Append(-5) }), T(Float64), "-0.05 NULL"},
		{build(&arrow.Decimal128Type{Precision: 5, Scale: 2}, func(b array.Builder) {
			b.(*array.Decimal128Builder).Append(decimal128.FromI64(99999))
			b.(*array.Decimal128Builder).Append(decimal128.FromI64(100000))
		}), DecimalType(5, 2), "999.99 NULL{100000 has more digits than DECIMAL(5,2)} NULL"},
		{build(arrow.FixedWidthTypes.Float16, func(b array.Builder) { b.(*array.Float16Builder).Append(float16.New(1.5)) }), T(Float64), "1.5 NULL"},
		{array.NewNull(2), T(Int32), "NULL NULL"},
		{array.NewNull(2), T(String), "NULL NULL"},
		{fromText(arrow.PrimitiveTypes.Int64, "127", "128"), T(Int8), "127 NULL{Type INT64 with value 128 can't be cast because the value is out of range for the destination type INT8} NULL"},
		{fromText(arrow.PrimitiveTypes.Uint8, "7"), T(Int128), "7 NULL"},
		{fromText(arrow.PrimitiveTypes.Float64, "2.5", "nan"), T(Int32), "2 NULL{Type DOUBLE with value nan can't be cast because the value is out of range for the destination type INT32} NULL"},
		{fromText(arrow.FixedWidthTypes.Boolean, "true", "false"), T(Int32), "1 0 NULL"},
		{fromText(arrow.PrimitiveTypes.Int32, "5"), T(String), "5 NULL"},
		{fromText(arrow.BinaryTypes.String, `{"a":1}`, `{`), T(JSON), `{"a":1} NULL{Malformed JSON at byte 1 of input: unexpected content.  Input: "{"} NULL`},
		{build(arrow.BinaryTypes.String, func(b array.Builder) { b.(*array.StringBuilder).Append("\xff"); b.(*array.StringBuilder).Append("é") }), T(String),
			"NULL{text is not valid UTF-8} é NULL"},
		{build(arrow.BinaryTypes.LargeBinary, func(b array.Builder) { b.(*array.BinaryBuilder).Append([]byte("\xffa")) }), T(Blob), "\\xFFa NULL"},
		{build(arrow.FixedWidthTypes.MonthInterval, func(b array.Builder) { b.(*array.MonthIntervalBuilder).Append(14) }), T(Interval), "1 year 2 months NULL"},
		{build(arrow.FixedWidthTypes.DayTimeInterval, func(b array.Builder) {
			b.(*array.DayTimeIntervalBuilder).Append(arrow.DayTimeInterval{Days: 1, Milliseconds: 5})
		}), T(Interval), "1 day 00:00:00.005 NULL"},
		{build(arrow.FixedWidthTypes.Duration_s, func(b array.Builder) { b.(*array.DurationBuilder).Append(61) }), T(Interval), "00:01:01 NULL"},
		{fromText(arrow.PrimitiveTypes.Int32, "5"), T(UUID), "{Unimplemented type for cast (INTEGER -> UUID)}"},
		{build(arrow.ListOf(arrow.PrimitiveTypes.Int8), func(array.Builder) {}), T(Int8), "{Unimplemented type for cast (TINYINT[] -> TINYINT)}"},
	} {
		if got := texts(CastArrow(c.arr, c.to)); got != c.want {
			t.Errorf("%s as %s is %s, want %s", c.arr.DataType(), c.to, got, c.want)
		}
	}
}

// Arrays whose buffers do not agree with each other are reported, not read.
func TestCastHostileArrow(t *testing.T) {
	buf := func(b ...byte) *memory.Buffer { return memory.NewBufferBytes(b) }
	data := func(dt arrow.DataType, n, nulls, off int, buffers ...*memory.Buffer) arrow.Array {
		return hostile{data: array.NewData(dt, n, buffers, nil, nulls, off), n: n}
	}
	str, i64, view := arrow.BinaryTypes.String, arrow.PrimitiveTypes.Int64, arrow.BinaryTypes.StringView
	dict := &arrow.DictionaryType{IndexType: arrow.PrimitiveTypes.Int8, ValueType: i64}
	values := array.NewData(i64, 1, []*memory.Buffer{nil, buf(make([]byte, 8)...)}, nil, 0, 0)
	for i, arr := range []arrow.Array{
		data(i64, 2, 0, 0, nil, buf(make([]byte, 15)...)),
		data(i64, 1, 0, 1, nil, buf(make([]byte, 8)...)),
		data(i64, 1, 0, math.MaxInt, nil, buf(make([]byte, 8)...)),
		data(i64, -1, 0, 0, nil, buf()),
		data(i64, math.MaxInt, 0, 0, nil, buf()),
		data(i64, 9, 1, 0, buf(1), buf(make([]byte, 72)...)),
		data(i64, 1, 1, 0, nil, buf(make([]byte, 8)...)),
		data(i64, 1, 0, 0),
		data(str, 1, 0, 0, nil, buf(0, 0, 0, 0, 9, 0, 0, 0), buf('a')),
		data(str, 2, 0, 0, nil, buf(0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0), buf('a')),
		data(str, 1, 0, 0, nil, buf(0xff, 0xff, 0xff, 0xff, 1, 0, 0, 0), buf('a')),
		data(str, 1, 0, 0, nil, buf(0, 0, 0, 0), buf('a')),
		data(str, 1, 0, 0, nil, nil, nil),
		data(arrow.BinaryTypes.LargeString, 1, 0, 0, nil, buf(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x70), buf('a')),
		data(view, 1, 0, 0, nil, buf(0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)),
		data(view, 1, 0, 0, nil, buf(20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0), buf('a')),
		data(view, 1, 0, 0, nil, buf(20, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0x7f, 0, 0, 0, 0), buf('a')),
		data(&arrow.FixedSizeBinaryType{ByteWidth: -1}, 1, 0, 0, nil, buf(1)),
		data(&arrow.FixedSizeBinaryType{ByteWidth: math.MaxInt32}, 2, 0, 0, nil, buf(1)),
		data(arrow.FixedWidthTypes.Boolean, 9, 0, 0, nil, buf(1)),
		data(arrow.Null, math.MaxInt, 0, 0),
		hostile{data: array.NewDataWithDictionary(dict, 2, []*memory.Buffer{nil, buf(0, 1)}, 0, 0, values), n: 2},
		hostile{data: array.NewDataWithDictionary(dict, 2, []*memory.Buffer{nil, buf(0, 0xff)}, 0, 0, values), n: 2},
		hostile{data: array.NewDataWithDictionary(dict, 2, []*memory.Buffer{nil, buf(0, 0)}, 0, 0, nil), n: 2},
		data(&arrow.Decimal128Type{Precision: 38, Scale: -2}, 1, 0, 0, nil, buf(make([]byte, 16)...)),
	} {
		for _, to := range []Type{T(Int64), T(String), T(Blob)} {
			v, bad := CastArrow(arr, to)
			if len(bad) == 0 || bad[0].Row != -1 || v.Nulls() != v.Len || v.Type != to {
				t.Errorf("array %d as %s: %d values, %v", i, to, v.Len, bad)
			}
		}
	}
}

// hostile is an array that has not gone through arrow-go's own checks.
type hostile struct {
	arrow.Array
	data arrow.ArrayData
	n    int
}

func (h hostile) Len() int                 { return h.n }
func (h hostile) Data() arrow.ArrayData    { return h.data }
func (h hostile) DataType() arrow.DataType { return h.data.DataType() }

func TestArrowReader(t *testing.T) {
	r := rand.New(rand.NewPCG(83, 84))
	s := schemaOf(allTypes)
	b := randomBatch(r, allTypes, 50)
	b.Weights = nil
	write := func(options ...ipc.Option) []byte {
		var out bytes.Buffer
		w := ipc.NewWriter(&out, append(options, ipc.WithSchema(ArrowSchema(s)))...)
		if err := w.Write(ToArrow(s, b)); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		return out.Bytes()
	}
	plain, packed := write(), write(ipc.WithZstd())
	limits := ArrowLimits{Metadata: 1 << 20, Body: 1 << 20, Inflated: 1 << 20}
	for _, stream := range [][]byte{plain, packed} {
		reader, err := NewArrowReader(bytes.NewReader(stream), limits)
		if err != nil {
			t.Fatal(err)
		}
		rec, err := reader.Read()
		if err != nil {
			t.Fatal(err)
		}
		back, err := FromArrow(rec)
		if err != nil {
			t.Fatal(err)
		}
		mustBeSame(t, back, b)
	}
	for name, try := range map[string]struct {
		stream []byte
		limits ArrowLimits
	}{
		"compressed": {packed, ArrowLimits{Metadata: 1 << 20, Body: 1 << 20}},
		"long body":  {plain, ArrowLimits{Metadata: 1 << 20, Body: 100}},
		"cut":        {plain[:len(plain)/2], limits},
	} {
		if err := readAll(try.stream, try.limits); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	for range 1500 {
		stream := plain
		if r.IntN(3) == 0 {
			stream = packed
		}
		bad := bytes.Clone(stream)
		for range 1 + r.IntN(3) {
			bad[r.IntN(min(len(bad), 6000))] = byte(r.Uint32())
		}
		_ = readAll(bad, limits) // an error or other values, no panic
	}
}

func readAll(stream []byte, limits ArrowLimits) error {
	reader, err := NewArrowReader(bytes.NewReader(stream), limits)
	if err != nil {
		return err
	}
	for reader.Next() {
		b, err := FromArrow(reader.RecordBatch())
		if err != nil {
			return err
		}
		touch(b)
	}
	return reader.Err()
}

func FuzzArrowReader(f *testing.F) {
	r := rand.New(rand.NewPCG(85, 86))
	s := schemaOf(allTypes)
	var out bytes.Buffer
	w := ipc.NewWriter(&out, ipc.WithSchema(ArrowSchema(s)), ipc.WithLZ4())
	b := randomBatch(r, allTypes, 3)
	b.Weights = nil
	if err := w.Write(ToArrow(s, b)); err != nil {
		f.Fatal(err)
	}
	f.Add(out.Bytes())
	f.Fuzz(func(_ *testing.T, stream []byte) {
		_ = readAll(stream, ArrowLimits{Metadata: 1 << 16, Body: 1 << 16, Inflated: 1 << 16})
	})
}
