package row

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
)

func TestConversionErrors(t *testing.T) {
	for _, c := range []struct {
		typ        Type
		text, want string
	}{
		{T(Int32), "abc", "Could not convert string 'abc' to INT32"},
		{T(Uint64), "-1", "Could not convert string '-1' to UINT64"},
		{T(Int128), "x", "Could not convert string 'x' to INT128"},
		{T(Bool), "on", "Could not convert string 'on' to BOOL"},
		{T(Float64), "1e", "Could not convert string '1e' to DOUBLE"},
		{DecimalType(5, 2), "1234.567", `Could not convert string "1234.567" to DECIMAL(5,2)`},
		{T(Date), "abc", `invalid date field format: "abc", expected format is (YYYY-MM-DD)`},
		{T(Date), "2020-13-01", `date field value out of range: "2020-13-01"`},
		{T(Time), "abc", `time field value out of range: "abc", expected format is ([YYYY-MM-DD ]HH:MM:SS[.MS])`},
		{T(Timestamp), "abc", `invalid timestamp field format: "abc", expected format is (YYYY-MM-DD HH:MM:SS[.US][±HH[:MM[:SS]]| ZONE])`},
		{T(Interval), "1 fortnight", `extract specifier "fortnight" not recognized`},
		{T(UUID), "abc", "Could not convert string 'abc' to INT128"},
		{T(Blob), "é", `Invalid byte encountered in STRING -> BLOB conversion of string "é". All non-ascii characters must be escaped with hex codes (e.g. \xAA)`},
		{T(TimestampTZ), "2020-01-01 10:00:00 Nowhere/City", "Unknown TimeZone 'Nowhere/City'!"},
	} {
		_, err := ParseValue(c.typ, c.text)
		var conv *ConversionError
		if !errors.As(err, &conv) || conv.Message != c.want {
			t.Errorf("%q as %s: %v, want %s", c.text, c.typ, err, c.want)
		}
	}
}

// A refused text leaves the builder as it was.
func TestRefusedTextAppendsNothing(t *testing.T) {
	for _, typ := range allTypes {
		if typ.Kind == Other {
			continue
		}
		b := NewBuilder(typ, 0)
		b.AppendNull()
		if err := b.AppendParsed([]byte("a\\x41\\\xff")); err == nil {
			t.Fatalf("%s takes nonsense", typ)
		}
		b.AppendNull()
		v := b.Finish()
		if v.Len != 2 || v.Nulls() != 2 {
			t.Fatalf("%s: %d values, %d nulls", typ, v.Len, v.Nulls())
		}
		if typ.Phys() == PhysBytes && (len(v.Offsets) != 3 || len(v.Data) != 0) {
			t.Fatalf("%s: %d offsets, %d bytes", typ, len(v.Offsets), len(v.Data))
		}
	}
}

// Values read back from their text as they were, and so does the text.
func TestTextRoundTrip(t *testing.T) {
	r := rand.New(rand.NewPCG(61, 62))
	for _, typ := range allTypes {
		v := randomVec(r, typ, 2000)
		for i := range v.Len {
			if v.Null(i) || outsideText(v.Value(i)) {
				continue
			}
			text := string(AppendText(nil, &v, i))
			back, err := ParseValue(typ, text)
			if err != nil {
				t.Fatalf("%s %q: %v", typ, text, err)
			}
			one := back.Repeat(1)
			if !Equal(&v, i, &one, 0) {
				t.Fatalf("%s %q reads back as %q", typ, text, AppendText(nil, &one, 0))
			}
		}
	}
}

// outsideText tells the few values whose texts are not read back.
func outsideText(v Value) bool {
	switch v.Type.Kind {
	case Interval:
		return v.V.Micros/microsPerHour > 999_999_999 || v.V.Micros/microsPerHour < -999_999_999
	case Other:
		return strings.HasPrefix(v.S, `"`) // is held as JSON, and its text has no quotes
	case Date:
		return v.I == math.MinInt32
	case Timestamp, TimestampTZ:
		return v.I < -9223372022400000000
	}
	return false
}

func TestAppendParsedDoesNotAllocate(t *testing.T) {
	for _, c := range []struct {
		typ  Type
		text string
	}{
		{T(Int64), "-1234567"}, {T(Float64), "1234.5"}, {T(Float32), "0.25"}, {DecimalType(18, 3), "12345.67"}, {T(Date), "2020-01-02"},
		{T(Timestamp), "2020-01-02 03:04:05.678"}, {T(TimestampTZ), "2020-01-02T03:04:05.678+05:30"}, {T(Interval), "1 day 2 hours"},
		{T(UUID), "47183823-2574-4bfd-b411-99ed177d3e43"}, {T(Bool), "true"}, {T(Int128), "12345"}, {T(Time), "01:02:03"},
	} {
		b := NewBuilder(c.typ, 1100)
		text := []byte(c.text)
		if n := testing.AllocsPerRun(1000, func() {
			if err := b.AppendParsed(text); err != nil {
				t.Fatal(err)
			}
		}); n != 0 {
			t.Errorf("%s: %v allocations", c.typ, n)
		}
	}
}

func FuzzAppendParsed(f *testing.F) {
	for i := range allTypes {
		for _, s := range []string{"", "1", "-2.5e3", "2020-01-01 10:00:00+05:30", "1 day 2 hours ago", "true", "\\x41", "47183823-2574-4bfd-b411-99ed177d3e43", `{"a":[1]}`, "inf", "0x1F", "1_0"} {
			f.Add(i, []byte(s))
		}
	}
	f.Fuzz(func(t *testing.T, i int, s []byte) {
		typ := allTypes[uint(i)%uint(len(allTypes))]
		b := NewBuilder(typ, 1)
		err := b.AppendParsed(s)
		if err != nil {
			var conv *ConversionError
			if !errors.As(err, &conv) || b.Len() != 0 {
				t.Fatalf("%T, %d values", err, b.Len())
			}
			return
		}
		v := b.Finish()
		if v.Len != 1 {
			t.Fatalf("%d values", v.Len)
		}
		if outsideText(v.Value(0)) {
			return
		}
		text := AppendText(nil, &v, 0)
		back, err := ParseValue(typ, string(text))
		if err != nil {
			t.Fatalf("%s: %q became %q, which does not parse: %v", typ, s, text, err)
		}
		one := back.Repeat(1)
		if !Equal(&v, 0, &one, 0) {
			t.Fatalf("%s: %q became %q and then %q", typ, s, text, AppendText(nil, &one, 0))
		}
	})
}

func BenchmarkText(b *testing.B) {
	texts := map[Type]string{
		T(Int64): "123456789", T(Float64): "1234.5678", DecimalType(18, 3): "12345.678", T(Timestamp): "2020-01-02 03:04:05.678",
		T(TimestampTZ): "2020-01-02T03:04:05.678Z", T(Date): "2020-01-02", T(Interval): "1 day 02:03:04", T(UUID): "47183823-2574-4bfd-b411-99ed177d3e43",
		T(String): "some ordinary text",
	}
	for typ, s := range texts {
		text := []byte(s)
		name := strings.ReplaceAll(typ.String(), " ", "_")
		b.Run("parse/"+name, func(b *testing.B) {
			b.ReportAllocs()
			col := NewBuilder(typ, 1024)
			for b.Loop() {
				if col.Len() == 1024 {
					col.Truncate(0)
				}
				if err := col.AppendParsed(text); err != nil {
					b.Fatal(err)
				}
			}
		})
		v, err := ParseValue(typ, s)
		if err != nil {
			b.Fatal(err)
		}
		col := v.Repeat(1)
		var buf []byte
		b.Run("text/"+name, func(b *testing.B) {
			for b.Loop() {
				buf = AppendText(buf[:0], &col, 0)
			}
		})
		b.Run("json/"+name, func(b *testing.B) {
			for b.Loop() {
				buf = AppendJSON(buf[:0], &col, 0)
			}
		})
	}
}

func BenchmarkHash(b *testing.B) {
	_, batch := benchBatch(10_000)
	out := make([]uint64, batch.Len)
	for i := range batch.Cols {
		b.Run(fmt.Sprint(batch.Cols[i].Type), func(b *testing.B) {
			for b.Loop() {
				Hash(batch.Cols[i:i+1], out)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(batch.Len), "ns/row")
		})
	}
}
