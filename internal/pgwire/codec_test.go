package pgwire

import (
	"encoding/hex"
	"fmt"
	"math"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgtype"

	pg "github.com/tidemill/tidemill/internal/pgwire/pgcatalog"
	"github.com/tidemill/tidemill/internal/row"
)

func vec(t *testing.T, typ row.Type, text string) row.Vec {
	t.Helper()
	b := row.NewBuilder(typ, 1)
	if typ.Kind == row.Blob {
		raw, err := hex.DecodeString(text)
		if err != nil {
			t.Fatal(err)
		}
		b.AppendBytes(raw)
	} else if err := b.AppendParsed([]byte(text)); err != nil {
		t.Fatalf("%s %q: %v", typ, text, err)
	}
	return b.Finish()
}

// codecCases are values with their text in Postgres (version 15 wrote them).
func codecCases() []struct {
	typ      row.Type
	in, want string
} {
	k := row.T
	return []struct {
		typ      row.Type
		in, want string
	}{
		{k(row.Bool), "true", "t"}, {k(row.Bool), "false", "f"},
		{k(row.Int8), "-128", "-128"}, {k(row.Int16), "-32768", "-32768"}, {k(row.Int32), "-2147483648", "-2147483648"},
		{k(row.Int64), "9223372036854775807", "9223372036854775807"}, {k(row.Uint8), "255", "255"}, {k(row.Uint16), "65535", "65535"},
		{k(row.Uint32), "4294967295", "4294967295"}, {k(row.Uint64), "18446744073709551615", "18446744073709551615"},
		{k(row.Int128), "-170141183460469231731687303715884105728", "-170141183460469231731687303715884105728"}, {k(row.Int128), "0", "0"}, {k(row.Int128), "10000", "10000"},
		{row.DecimalType(10, 2), "-12345678.90", "-12345678.90"}, {row.DecimalType(18, 3), "0", "0.000"}, {row.DecimalType(38, 38), "0.00000000000000000000000000000000000001", "0.00000000000000000000000000000000000001"},
		{row.DecimalType(38, 0), "99999999999999999999999999999999999999", "99999999999999999999999999999999999999"}, {row.DecimalType(5, 5), "0.00012", "0.00012"}, {row.DecimalType(9, 4), "10000.0001", "10000.0001"},
		{k(row.Float32), "1.5", "1.5"}, {k(row.Float32), "1234567", "1.234567e+06"}, {k(row.Float64), "1e15", "1e+15"}, {k(row.Float64), "123456789012345", "123456789012345"},
		{k(row.Float64), "0.0001", "0.0001"}, {k(row.Float64), "0.00001", "1e-05"}, {k(row.Float64), "nan", "NaN"}, {k(row.Float64), "-inf", "-Infinity"}, {k(row.Float64), "0.1", "0.1"}, {k(row.Float64), "-0", "-0"},
		{k(row.String), "a\tß", "a\tß"}, {k(row.JSON), `{"a":1}`, `{"a":1}`}, {k(row.Blob), "00ff61", `\x00ff61`},
		{k(row.Date), "2026-11-22", "2026-11-22"}, {k(row.Date), "0044-03-15 (BC)", "0044-03-15 BC"}, {k(row.Date), "0001-01-01", "0001-01-01"}, {k(row.Date), "12345-01-02", "12345-01-02"}, {k(row.Date), "infinity", "infinity"}, {k(row.Date), "-infinity", "-infinity"},
		{k(row.Time), "23:59:59.000001", "23:59:59.000001"}, {k(row.Time), "00:00:00.5", "00:00:00.5"},
		{k(row.Timestamp), "2026-11-22 01:02:03.004", "2026-11-22 01:02:03.004"}, {k(row.Timestamp), "1969-12-31 23:59:59.999999", "1969-12-31 23:59:59.999999"}, {k(row.Timestamp), "infinity", "infinity"},
		{k(row.Timestamp), "0044-03-15 (BC) 12:00:00", "0044-03-15 12:00:00 BC"},
		{k(row.TimestampTZ), "2026-11-22 01:02:03+00", "2026-11-22 01:02:03+00"}, {k(row.TimestampTZ), "-infinity", "-infinity"},
		{k(row.Interval), "14 months 3 days 04:05:06.789", "1 year 2 mons 3 days 04:05:06.789"}, {k(row.Interval), "0 days", "00:00:00"}, {k(row.Interval), "-1 days", "-1 days"},
		{k(row.Interval), "1 month", "1 mon"}, {k(row.Interval), "36 hours", "36:00:00"}, {k(row.Interval), "120 hours 1 second", "120:00:01"},
		{k(row.UUID), "00112233-4455-6677-8899-aabbccddeeff", "00112233-4455-6677-8899-aabbccddeeff"},
	}
}

func TestTextIsPostgres(t *testing.T) {
	for _, c := range codecCases() {
		v := vec(t, c.typ, c.in)
		if got := string(appendText(nil, &v, 0, nil)); got != c.want {
			t.Errorf("%s %q: got %q, want %q", c.typ, c.in, got, c.want)
		}
	}
}

// TestBinaryIsWhatPgxReads decodes the binary format with pgx' own codecs, and compares with the text.
func TestBinaryIsWhatPgxReads(t *testing.T) {
	m := pgtype.NewMap()
	for _, c := range codecCases() {
		v := vec(t, c.typ, c.in)
		oid := pg.TypeOf(c.typ).OID
		typ, ok := m.TypeForOID(oid)
		if !ok {
			t.Fatalf("pgx does not know %d", oid)
		}
		if strings.HasSuffix(c.want, "BC") || strings.HasPrefix(c.want, "12345") {
			continue // pgx writes such dates in its own way
		}
		got, err := pgxRead(m, c.typ, typ, pgtype.BinaryFormatCode, appendBinary(nil, &v, 0))
		if err != nil {
			t.Errorf("%s %q: %v", c.typ, c.in, err)
			continue
		}
		want, err := pgxRead(m, c.typ, typ, pgtype.TextFormatCode, []byte(c.want))
		if err != nil || got != want {
			t.Errorf("%s %q: got %v, want %v (%v)", c.typ, c.in, got, want, err)
		}
	}
}

// pgxRead decodes a value and writes it in a form that can be compared.
func pgxRead(m *pgtype.Map, typ row.Type, pgx *pgtype.Type, format int16, data []byte) (string, error) {
	switch typ.Kind {
	case row.Interval:
		var v pgtype.Interval
		err := m.Scan(pgx.OID, format, data, &v)
		return fmt.Sprint(v), err
	case row.Time:
		var v pgtype.Time
		err := m.Scan(pgx.OID, format, data, &v)
		return fmt.Sprint(v), err
	case row.Decimal, row.Int128, row.Uint64:
		var v pgtype.Numeric
		if err := m.Scan(pgx.OID, format, data, &v); err != nil {
			return "", err
		}
		n := new(big.Rat).SetInt(v.Int)
		for ; v.Exp < 0; v.Exp++ {
			n.Quo(n, big.NewRat(10, 1))
		}
		for ; v.Exp > 0; v.Exp-- {
			n.Mul(n, big.NewRat(10, 1))
		}
		return n.String(), nil
	}
	v, err := pgx.Codec.DecodeDatabaseSQLValue(m, pgx.OID, format, data)
	if at, ok := v.(time.Time); ok {
		v = at.UTC()
	}
	if b, ok := v.([]byte); ok {
		v = string(b)
	}
	return fmt.Sprint(v), err
}

// TestParametersComeBack sends what we write as a parameter, in both formats, and expects the same value.
func TestParametersComeBack(t *testing.T) {
	for _, c := range codecCases() {
		v := vec(t, c.typ, c.in)
		oid := pg.TypeOf(c.typ).OID
		want := v.Value(0)
		for _, binaryFormat := range []bool{false, true} {
			data := appendText(nil, &v, 0, nil)
			if binaryFormat {
				data = appendBinary(nil, &v, 0)
			}
			got, err := decodeParam(oid, binaryFormat, data, c.typ)
			if err != nil {
				t.Errorf("%s %q binary %v: %v", c.typ, c.in, binaryFormat, err)
				continue
			}
			if got.Text() != want.Text() || got.Type != want.Type {
				t.Errorf("%s %q binary %v: got %v %q, want %q", c.typ, c.in, binaryFormat, got.Type, got.Text(), want.Text())
			}
		}
	}
}

func TestArrays(t *testing.T) {
	m := pgtype.NewMap()
	f := func(name, list, want string) {
		t.Helper()
		typ, ok := row.ParseType(name)
		if !ok {
			t.Fatal(name)
		}
		v := vec(t, typ, list)
		if got := string(appendText(nil, &v, 0, nil)); got != want {
			t.Errorf("%s: got %s, want %s", list, got, want)
		}
		oid := pg.TypeOf(typ).OID
		p, known := m.TypeForOID(oid)
		if !known {
			t.Fatalf("pgx does not know %d", oid)
		}
		a, err := p.Codec.DecodeValue(m, oid, pgtype.BinaryFormatCode, appendBinary(nil, &v, 0))
		if err != nil {
			t.Fatal(err)
		}
		b, err := p.Codec.DecodeValue(m, oid, pgtype.TextFormatCode, []byte(want))
		if err != nil || fmt.Sprint(a) != fmt.Sprint(b) {
			t.Errorf("%s: binary is %v, text is %v (%v)", list, a, b, err)
		}
	}
	f("INTEGER[]", "[1, 2,null]", "{1,2,NULL}")
	f("INTEGER[]", "[]", "{}")
	f("BOOLEAN[]", "[true,false]", "{t,f}")
	f("DOUBLE[]", "[1.5,-2]", "{1.5,-2}")
	f("VARCHAR[]", `["a","","b c","null","q\"\\ß\u00e4]",null]`, `{a,"","b c","null","q\"\\ßä]",NULL}`)
	f("DATE[]", `["2026-01-02"]`, "{2026-01-02}")
	f("ENUM('x', 'y z')[]", `["y z", "x"]`, `{"y z",x}`)
	f("STRUCT(a INTEGER)[]", `[{"a": 1}]`, `[{"a":1}]`)
	f("INTEGER[][]", `[[1],null]`, `[[1],null]`)
	f("MAP(VARCHAR, INTEGER)", `{"k": 1}`, `{"k":1}`)
}

func TestInterval(t *testing.T) {
	f := func(months, days int32, micros int64, want string) {
		t.Helper()
		if got := string(appendInterval(nil, row.IntervalValue{Months: months, Days: days, Micros: micros})); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	f(0, 0, 0, "00:00:00")
	f(-13, 3, 0, "-1 years -1 mons +3 days")
	f(1, -2, 3_000_000, "1 mon -2 days +00:00:03")
	f(0, 1, -1, "1 day -00:00:00.000001")
	f(0, 0, -3_600_000_000, "-01:00:00")
	f(24, 0, 0, "2 years")
	f(0, 0, math.MinInt64, "-2562047788:00:54.775808")
}

func TestTimeZone(t *testing.T) {
	loc, err := time.LoadLocation("America/St_Johns")
	if err != nil {
		t.Skip(err)
	}
	v := vec(t, row.T(row.TimestampTZ), "2026-01-01 12:00:00+00")
	if got, want := string(appendText(nil, &v, 0, loc)), "2026-01-01 08:30:00-03:30"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestParameterForms(t *testing.T) {
	f := func(oid uint32, binaryFormat bool, data string, want row.Type, text string) {
		t.Helper()
		v, err := decodeParam(oid, binaryFormat, []byte(data), want)
		if text == "error" {
			if err == nil {
				t.Errorf("%q as %s: no error but %v", data, want, v)
			}
			return
		}
		if err != nil {
			t.Errorf("%q as %s: %v", data, want, err)
			return
		}
		if got := v.Type.String() + " " + v.Text(); got != text {
			t.Errorf("%q as %s: got %s, want %s", data, want, got, text)
		}
	}
	k := row.T
	f(0, false, "12", row.Type{}, "VARCHAR 12")
	f(0, false, "12", k(row.Int16), "SMALLINT 12")
	f(0, false, "x", k(row.Int16), "error")
	f(0, false, "70000", k(row.Int16), "error")
	f(0, false, "yes", k(row.Bool), "BOOLEAN true")
	f(0, false, "of", k(row.Bool), "BOOLEAN false")
	f(pg.Int8OID, true, "\x00\x00\x00\x00\x00\x00\x00\x05", k(row.Int32), "INTEGER 5")
	f(pg.Int8OID, true, "\x00\x00\x00\x01\x00\x00\x00\x05", k(row.Int32), "error")
	f(pg.Int4OID, true, "\x00\x00\x00\x05", k(row.Float64), "DOUBLE 5.0")
	f(pg.Int4OID, true, "\x00\x00\x00\x05", row.DecimalType(10, 2), "DECIMAL(10,2) 5.00")
	f(pg.Int4OID, true, "\x00\x00\x05", k(row.Int32), "error")
	f(pg.Int4OID, true, "\x00\x00\x00\x05", k(row.String), "VARCHAR 5")
	f(pg.TextOID, true, "2026-01-02", k(row.Date), "DATE 2026-01-02")
	f(pg.TextOID, true, "a\x00b", k(row.String), "error")
	f(pg.TextOID, true, "a\xff", k(row.String), "error")
	f(pg.JSONBOID, true, "\x01{}", k(row.JSON), "JSON {}")
	f(pg.ByteaOID, false, `\x6162`, k(row.Blob), `BLOB ab`)
	f(pg.ByteaOID, false, `a\\\001`, k(row.Blob), `BLOB a\x5C\x01`)
	f(pg.ByteaOID, false, `a\`, k(row.Blob), `error`)
	ints := row.ListOf(row.T(row.Int32))
	f(1007, false, "{1,2,NULL}", ints, "INTEGER[] [1, 2, NULL]")
	f(1007, false, "{}", ints, "INTEGER[] []")
	f(1007, false, "{1,x}", ints, "error")
	f(1007, false, "{1", ints, "error")
	f(1009, false, `{a,"b \"c",null,"null"}`, row.ListOf(row.T(row.String)), `VARCHAR[] [a, 'b "c', NULL, 'null']`)
	array, err := hex.DecodeString("00000001" + "00000001" + "00000017" + "00000002" + "00000001" + "00000004" + "00000007" + "ffffffff")
	if err != nil {
		t.Fatal(err)
	}
	f(1007, true, string(array), ints, "INTEGER[] [7, NULL]")
	f(1007, true, string(array[:20]), ints, "error")
	f(pg.NumericOID, true, "\x00\x01\x00\x00\x00\x00\x00\x02\x00\x05", row.Type{}, "DECIMAL(3,2) 5.00")
	f(pg.NumericOID, true, "\x00\x01", row.Type{}, "error")
}

func FuzzDecodeParam(f *testing.F) {
	f.Add(uint32(1700), true, []byte("\x00\x01\x00\x00\x00\x00\x00\x02\x00\x05"), uint8(0))
	f.Add(uint32(1007), true, []byte("\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x17\x00\x00\x00\x01\x00\x00\x00\x01\x00\x00\x00\x04\x00\x00\x00\x07"), uint8(3))
	f.Add(uint32(1009), false, []byte(`{a,"b"}`), uint8(23))
	f.Add(uint32(1186), false, []byte("1 mon 2 days"), uint8(21))
	f.Fuzz(func(t *testing.T, oid uint32, binaryFormat bool, data []byte, kind uint8) {
		want := row.T(row.Kind(kind % uint8(row.Other)))
		switch want.Kind {
		case row.Decimal:
			want = row.DecimalType(20, 3)
		case row.Invalid:
			if kind > 100 {
				want = row.ListOf(row.T(row.String))
			}
		}
		v, err := decodeParam(oid, binaryFormat, data, want)
		if err == nil && want.Kind != row.Invalid && v.Type != want {
			t.Errorf("got a %s for a %s", v.Type, want)
		}
	})
}
