package pgwire

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"strings"
	"unicode/utf8"

	"github.com/tidemill/tidemill/internal/fault"
	pg "github.com/tidemill/tidemill/internal/pgwire/pgcatalog"
	"github.com/tidemill/tidemill/internal/row"
)

// paramType is the type that a client's declaration of a parameter stands for. Invalid is one to be inferred.
func paramType(oid uint32) row.Type {
	switch oid {
	case pg.BoolOID:
		return row.T(row.Bool)
	case pg.Int2OID:
		return row.T(row.Int16)
	case pg.Int4OID:
		return row.T(row.Int32)
	case pg.Int8OID, pg.OidOID:
		return row.T(row.Int64)
	case pg.Float4OID:
		return row.T(row.Float32)
	case pg.Float8OID:
		return row.T(row.Float64)
	case pg.TextOID, pg.VarcharOID, pg.BpcharOID, pg.NameOID, pg.CharOID:
		return row.T(row.String)
	case pg.JSONOID, pg.JSONBOID:
		return row.T(row.JSON)
	case pg.ByteaOID:
		return row.T(row.Blob)
	case pg.DateOID:
		return row.T(row.Date)
	case pg.TimeOID:
		return row.T(row.Time)
	case pg.TimestampOID:
		return row.T(row.Timestamp)
	case pg.TimestamptzOID:
		return row.T(row.TimestampTZ)
	case pg.IntervalOID:
		return row.T(row.Interval)
	case pg.UUIDOID:
		return row.T(row.UUID)
	}
	if element, ok := pg.ElementOf(oid); ok && element != pg.NumericOID {
		return row.ListOf(paramType(element))
	}
	// A NUMERIC has no scale of its own: the place it is used in decides.
	return row.Type{}
}

func invalidParam(oid uint32) error {
	return fault.New("22P03", "incorrect binary data format in a parameter of type %d", oid)
}

// decodeParam reads a parameter, which is not null, that was sent as a value of type oid, and makes it one of the type
// the statement wants (Invalid for whatever it is).
func decodeParam(oid uint32, binaryFormat bool, data []byte, want row.Type) (row.Value, error) {
	if !binaryFormat {
		if want.Kind == row.Invalid {
			if want = paramType(oid); want.Kind == row.Invalid {
				want = row.T(row.String)
			}
		}
		return decodeText(data, want)
	}
	v, err := decodeBinary(oid, data, want)
	if err != nil || want.Kind == row.Invalid || v.Type == want {
		return v, err
	}
	return convert(v, want)
}

// decodeText reads Postgres' text forms, of which most are also DuckDB's.
func decodeText(data []byte, want row.Type) (row.Value, error) {
	if err := checkText(data); err != nil {
		return row.Value{}, err
	}
	if want.IsInteger() {
		if n, ok := plainInt(data); ok && fits(n, want.Kind) {
			return row.IntValue(want, n), nil
		}
	}
	s := string(data)
	switch want.Kind {
	case row.String:
		return row.Value{Type: want, S: s}, nil
	case row.Bool:
		if b, ok := parseBool(strings.TrimSpace(s)); ok {
			return row.BoolValue(b), nil
		}
	case row.Blob:
		b, ok := parseBytea(data)
		if !ok {
			return row.Value{}, fault.New(fault.InvalidText, "invalid input syntax for type bytea")
		}
		return row.Value{Type: want, S: string(b)}, nil
	case row.Date, row.Timestamp, row.TimestampTZ:
		if t, ok := strings.CutSuffix(s, " BC"); ok {
			day, clock, _ := strings.Cut(t, " ")
			s = strings.TrimSpace(day + " (BC) " + clock)
		}
	case row.Interval:
		s = strings.ReplaceAll(strings.ReplaceAll(s, " mons", " months"), " mon ", " month ")
		s = strings.ReplaceAll(s, " +", " ")
	case row.List:
		if strings.HasPrefix(s, "{") && !want.Elem().Nested() {
			return arrayText(s, want)
		}
	case row.Other:
		return row.Value{Type: want, S: s}, nil
	}
	return parse(s, want)
}

// plainInt reads decimal digits with an optional minus, which is what clients send; other forms are left to the parser of SQL.
func plainInt(s []byte) (int64, bool) {
	digits := s
	if len(s) > 0 && s[0] == '-' {
		digits = s[1:]
	}
	if len(digits) == 0 || len(digits) > 18 {
		return 0, false
	}
	n := int64(0)
	for _, c := range digits {
		if c-'0' > 9 {
			return 0, false
		}
		n = n*10 + int64(c-'0')
	}
	if len(digits) < len(s) {
		n = -n
	}
	return n, true
}

// checkText refuses what is not text: zero bytes and anything but UTF-8.
func checkText(data []byte) error {
	if i := bytes.IndexByte(data, 0); i >= 0 {
		return fault.New(fault.CharacterNotInText, "invalid byte sequence for encoding \"UTF8\": 0x00")
	}
	if utf8.Valid(data) {
		return nil
	}
	for i := 0; i < len(data); {
		r, n := utf8.DecodeRune(data[i:])
		if r == utf8.RuneError && n <= 1 {
			return fault.New(fault.CharacterNotInText, "invalid byte sequence for encoding \"UTF8\": 0x%02x", data[i])
		}
		i += n
	}
	return nil
}

func parse(s string, want row.Type) (row.Value, error) {
	v, err := row.ParseValue(want, s)
	var bad *row.ConversionError
	if errors.As(err, &bad) {
		code := fault.InvalidText
		switch want.Kind {
		case row.Date, row.Time, row.Timestamp, row.TimestampTZ, row.Interval:
			code = fault.InvalidDatetime
		}
		return v, fault.New(code, "invalid input syntax for type %s: %q", strings.ToLower(want.String()), shorten(s)).WithDetail("%s", bad.Message)
	}
	return v, err
}

func shorten(s string) string {
	const most = 100
	if len(s) <= most {
		return s
	}
	cut := most
	for cut > 0 && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + "…"
}

// parseBool reads the words that Postgres takes for a boolean, which may be shortened as long as they are unique.
func parseBool(s string) (value, ok bool) {
	s = strings.ToLower(s)
	switch {
	case s == "":
		return false, false
	case s == "1" || s == "on" || strings.HasPrefix("true", s) || strings.HasPrefix("yes", s):
		return true, true
	case s == "0" || s == "off" || s == "of" || strings.HasPrefix("false", s) || strings.HasPrefix("no", s):
		return false, true
	}
	return false, false
}

// parseBytea reads \x… or the escape format.
func parseBytea(s []byte) ([]byte, bool) {
	if len(s) >= 2 && s[0] == '\\' && s[1] == 'x' {
		return parseHex(s[2:])
	}
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] != '\\':
			out = append(out, s[i])
		case i+1 < len(s) && s[i+1] == '\\':
			out = append(out, '\\')
			i++
		case i+3 < len(s) && octal(s[i+1]) && s[i+1] <= '3' && octal(s[i+2]) && octal(s[i+3]):
			out = append(out, (s[i+1]-'0')<<6|(s[i+2]-'0')<<3|(s[i+3]-'0'))
			i += 3
		default:
			return nil, false
		}
	}
	return out, true
}

func octal(c byte) bool { return c >= '0' && c <= '7' }

func parseHex(s []byte) ([]byte, bool) {
	out := make([]byte, 0, len(s)/2)
	for i := 0; i < len(s); i++ {
		if s[i] == ' ' || s[i] == '\n' || s[i] == '\t' || s[i] == '\r' {
			continue
		}
		if i+1 >= len(s) || hexDigit(s[i]) > 15 || hexDigit(s[i+1]) > 15 {
			return nil, false
		}
		out = append(out, hexDigit(s[i])<<4|hexDigit(s[i+1]))
		i++
	}
	return out, true
}

func hexDigit(c byte) byte {
	switch {
	case c-'0' < 10:
		return c - '0'
	case c|0x20-'a' < 6:
		return c | 0x20 - 'a' + 10
	}
	return 255
}

// decodeBinary reads the binary format of a type.
func decodeBinary(oid uint32, data []byte, want row.Type) (row.Value, error) {
	if size := fixedSize(oid); size != 0 && len(data) != size {
		return row.Value{}, invalidParam(oid)
	}
	be := binary.BigEndian
	switch oid {
	case pg.BoolOID:
		return row.BoolValue(data[0] != 0), nil
	case pg.Int2OID:
		return row.IntValue(row.T(row.Int16), int64(int16(be.Uint16(data)))), nil
	case pg.Int4OID:
		return row.IntValue(row.T(row.Int32), int64(int32(be.Uint32(data)))), nil
	case pg.Int8OID:
		return row.IntValue(row.T(row.Int64), int64(be.Uint64(data))), nil
	case pg.OidOID:
		return row.IntValue(row.T(row.Int64), int64(be.Uint32(data))), nil
	case pg.Float4OID:
		return row.Value{Type: row.T(row.Float32), F: float64(math.Float32frombits(be.Uint32(data)))}, nil
	case pg.Float8OID:
		return row.FloatValue(math.Float64frombits(be.Uint64(data))), nil
	case pg.NumericOID:
		return decodeNumeric(data, want)
	case pg.ByteaOID:
		return row.Value{Type: row.T(row.Blob), S: string(data)}, nil
	case pg.DateOID:
		return row.IntValue(row.T(row.Date), dateFromPg(int32(be.Uint32(data)))), nil
	case pg.TimeOID:
		micros := int64(be.Uint64(data))
		if micros < 0 || micros > dayMicros {
			return row.Value{}, invalidParam(oid)
		}
		return row.IntValue(row.T(row.Time), micros), nil
	case pg.TimestampOID:
		return row.IntValue(row.T(row.Timestamp), timestampFromPg(int64(be.Uint64(data)))), nil
	case pg.TimestamptzOID:
		return row.IntValue(row.T(row.TimestampTZ), timestampFromPg(int64(be.Uint64(data)))), nil
	case pg.IntervalOID:
		return row.Value{Type: row.T(row.Interval), V: row.IntervalValue{
			Micros: int64(be.Uint64(data)), Days: int32(be.Uint32(data[8:])), Months: int32(be.Uint32(data[12:])),
		}}, nil
	case pg.UUIDOID:
		return row.Value{Type: row.T(row.UUID), S: string(data)}, nil
	case pg.JSONBOID:
		if len(data) == 0 || data[0] != 1 {
			return row.Value{}, invalidParam(oid)
		}
		return decodeText(data[1:], row.T(row.JSON))
	case pg.JSONOID:
		return decodeText(data, row.T(row.JSON))
	case pg.TextOID, pg.VarcharOID, pg.BpcharOID, pg.NameOID, pg.CharOID, pg.UnknownOID, 0:
		if want.Kind == row.Invalid {
			want = row.T(row.String)
		}
		return decodeText(data, want)
	}
	if _, ok := pg.ElementOf(oid); ok {
		return arrayBinary(oid, data)
	}
	return row.Value{}, fault.New(fault.FeatureNotSupported, "parameters of type %d are not accepted in binary format", oid).
		WithHint("Send the parameter as text.")
}

// fixedSize is the size of a type's binary format, 0 if it varies.
func fixedSize(oid uint32) int {
	switch oid {
	case pg.BoolOID:
		return 1
	case pg.Int2OID:
		return 2
	case pg.Int4OID, pg.OidOID, pg.Float4OID, pg.DateOID:
		return 4
	case pg.Int8OID, pg.Float8OID, pg.TimeOID, pg.TimestampOID, pg.TimestamptzOID:
		return 8
	case pg.IntervalOID, pg.UUIDOID:
		return 16
	}
	return 0
}

func decodeNumeric(data []byte, want row.Type) (row.Value, error) {
	text, ok := numericText(data)
	if !ok {
		return row.Value{}, invalidParam(pg.NumericOID)
	}
	if want.Kind == row.Invalid {
		want = numericType(text)
	}
	return parse(string(text), want)
}

// numericType is the type a number has as it is written: of a NUMERIC that nothing says more about.
func numericType(text []byte) row.Type {
	whole, fraction, _ := bytes.Cut(text, []byte("."))
	scale := len(fraction)
	width := max(len(bytes.TrimLeft(whole, "-0"))+scale, 1)
	if width > 38 {
		return row.T(row.Float64)
	}
	return row.DecimalType(uint8(width), uint8(scale))
}

func dateFromPg(days int32) int64 {
	switch days {
	case math.MaxInt32:
		return int64(row.DateInfinity)
	case math.MinInt32:
		return int64(row.DateNegInfinity)
	}
	return min(int64(days)+epochDays, int64(row.DateInfinity)-1)
}

func timestampFromPg(micros int64) int64 {
	switch {
	case micros > math.MaxInt64-epochMicros:
		return row.TimestampInfinity
	case micros == math.MinInt64:
		return row.TimestampNegInfinity
	}
	return micros + epochMicros
}

// convert makes v a value of another type, exactly or not at all.
func convert(v row.Value, want row.Type) (row.Value, error) {
	switch {
	case v.Type.IsInteger() && want.IsInteger() && v.Type.Kind != row.Int128:
		if fits(v.I, want.Kind) {
			return row.IntValue(want, v.I), nil
		}
		return v, fault.New(fault.NumericOutOfRange, "value %d is out of range for type %s", v.I, strings.ToLower(want.String()))
	case v.Type.IsInteger() && (want.Kind == row.Float64 || want.Kind == row.Float32):
		return row.Value{Type: want, F: float64(v.I)}, nil
	case v.Type.Kind == row.Float32 && want.Kind == row.Float64, v.Type.Kind == row.Float64 && want.Kind == row.Float32:
		return row.Value{Type: want, F: v.F}, nil
	case v.Type.Kind == row.String && want.Kind != row.Blob || v.Type.Kind == row.JSON && want.Kind == row.String:
		return decodeText([]byte(v.S), want)
	case v.Type.Kind == row.Other && want.Kind == row.Other:
		v.Type = want
		return v, nil
	case v.Type.Nested() && want.Nested():
		one := v.Repeat(1)
		out, bad := row.CastVec(&one, want)
		if len(bad) > 0 {
			return v, fault.New(fault.InvalidText, "the parameter is no value of %s", want).WithDetail("%s", bad[0].Message)
		}
		return out.Value(0), nil
	case v.Type.Kind == row.Timestamp && want.Kind == row.TimestampTZ, v.Type.Kind == row.TimestampTZ && want.Kind == row.Timestamp:
		v.Type = want
		return v, nil
	case v.Type.Kind == row.Date && (want.Kind == row.Timestamp || want.Kind == row.TimestampTZ):
		return row.IntValue(want, v.I*dayMicros), nil
	}
	return parse(v.Text(), want)
}

func fits(v int64, k row.Kind) bool {
	switch k {
	case row.Int8:
		return v == int64(int8(v))
	case row.Int16:
		return v == int64(int16(v))
	case row.Int32:
		return v == int64(int32(v))
	case row.Uint8:
		return v == int64(uint8(v))
	case row.Uint16:
		return v == int64(uint16(v))
	case row.Uint32:
		return v == int64(uint32(v))
	case row.Uint64:
		return v >= 0
	}
	return true
}

// pgJSON reports whether a type's values are JSON text.
func pgJSON(t row.Type) bool { return pg.TypeOf(t).OID == pg.JSONOID && t.Kind != row.JSON }
