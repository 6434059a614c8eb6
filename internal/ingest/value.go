package ingest

import (
	"bytes"
	"errors"
	"math"
	"strconv"
	"unicode/utf8"
	"unsafe"

	"github.com/tidemill/tidemill/internal/row"
)

// jsonKind is what a JSON value is, as far as columns differ by it.
type jsonKind uint8

const (
	jsonNull jsonKind = iota
	jsonTrue
	jsonFalse
	jsonNumber
	jsonString
	jsonNested
)

var jsonKindNames = [...]string{jsonNull: "null", jsonTrue: "a boolean", jsonFalse: "a boolean", jsonNumber: "a number", jsonString: "text", jsonNested: "an object or array"}

func validText(text []byte) bool {
	return bytes.IndexByte(text, 0) < 0 && utf8.Valid(text)
}

// putText puts text, which the column's type has a form for or not.
func (s *sink) putText(column int, text []byte) *problem {
	b := &s.cols[column]
	switch b.Type().Kind {
	case row.String, row.Other:
		if !s.clean && !validText(text) {
			return s.badText(column)
		}
		b.AppendBytes(text)
		return nil
	}
	if err := b.AppendParsed(text); err != nil {
		return s.mismatch(column, text, err)
	}
	return nil
}

func (s *sink) badText(column int) *problem {
	return s.problem(column, codeMalformed, "the text for column %q has a NUL character or is not valid UTF-8", s.f.Columns[column].Name)
}

func (s *sink) mismatch(column int, text []byte, err error) *problem {
	message := err.Error()
	if s.f.Columns[column].Type.Kind == row.Enum {
		message = "it is none of them"
	}
	if len(message) > 2*clipMax {
		message = "it cannot be converted"
	}
	return s.problem(column, codeTypeMismatch, "%q is not a value of column %q, which is %s: %s", clip(text), s.f.Columns[column].Name, s.f.Columns[column].Type, clip(message))
}

// putJSON puts a JSON value other than a string; raw is its text.
func (s *sink) putJSON(column int, kind jsonKind, raw []byte) *problem {
	b := &s.cols[column]
	switch k := b.Type().Kind; {
	case kind == jsonNull:
		s.putNull(column)
		return nil
	case k == row.String || k == row.JSON || k == row.Other:
		b.AppendBytes(raw)
		return nil
	case b.Type().Nested():
		return s.putNested(column, raw)
	case kind == jsonNumber:
		return s.putNumber(column, raw)
	case k == row.Bool && kind != jsonNested:
		b.AppendBool(kind == jsonTrue)
		return nil
	}
	return s.wrongKind(column, kind, raw)
}

// putNested puts an array or object into a column of lists, structs or maps; a problem has the path to where it is.
func (s *sink) putNested(column int, raw []byte) *problem {
	err := s.cols[column].AppendJSONValue(raw)
	var at *row.PathError
	switch c := s.f.Columns[column]; {
	case err == nil:
		return nil
	case errors.As(err, &at):
		return s.problem(column, codeTypeMismatch, "%s%s: %s; column %q is %s", c.Name, clip([]byte(at.Path)), clip([]byte(at.Message)), c.Name, clip([]byte(c.Type.String())))
	default:
		return s.problem(column, codeTypeMismatch, "%s; column %q is %s", clip([]byte(err.Error())), c.Name, clip([]byte(c.Type.String())))
	}
}

func (s *sink) wrongKind(column int, kind jsonKind, raw []byte) *problem {
	c := s.f.Columns[column]
	return s.problem(column, codeTypeMismatch, "%s is %s; column %q is %s", clip(raw), jsonKindNames[kind], c.Name, c.Type)
}

func (s *sink) outOfRange(column int, raw []byte) *problem {
	c := s.f.Columns[column]
	return s.problem(column, codeTypeMismatch, "%s is out of range for column %q, which is %s", clip(raw), c.Name, c.Type)
}

// putNumber puts a JSON number into a column that is neither text nor JSON.
func (s *sink) putNumber(column int, raw []byte) *problem {
	b := &s.cols[column]
	switch t := b.Type(); {
	case t.Kind == row.Float64 || t.Kind == row.Float32:
		f, err := strconv.ParseFloat(unsafe.String(unsafe.SliceData(raw), len(raw)), t.Phys().Width()*8)
		if err != nil {
			return s.outOfRange(column, raw)
		}
		b.AppendFloat(f)
		return nil
	case t.Kind == row.Decimal:
		if err := b.AppendParsed(raw); err != nil {
			return s.outOfRange(column, raw)
		}
		return nil
	case t.IsInteger():
		return s.putInteger(column, raw)
	case t.Kind == row.Timestamp || t.Kind == row.TimestampTZ:
		micros, ok := s.epochMicros(raw)
		if !ok {
			return s.outOfRange(column, raw)
		}
		b.AppendInt(micros)
		return nil
	}
	return s.wrongKind(column, jsonNumber, raw)
}

func (s *sink) putInteger(column int, raw []byte) *problem {
	text := raw
	if !isPlainInteger(raw) {
		whole, exact, ok := appendScaled(s.scratch[:0], raw, 0)
		s.scratch = whole
		if !ok {
			return s.outOfRange(column, raw)
		}
		if !exact {
			c := s.f.Columns[column]
			return s.problem(column, codeTypeMismatch, "%s is not a whole number; column %q is %s", clip(raw), c.Name, c.Type)
		}
		text = whole
	}
	if s.cols[column].AppendParsed(text) != nil {
		return s.outOfRange(column, raw)
	}
	return nil
}

func isPlainInteger(raw []byte) bool {
	for _, c := range raw {
		if c-'0' > 9 && c != '-' {
			return false
		}
	}
	return true
}

// epochMicros reads a number of milliseconds from 1e11 up, in either direction, else of seconds.
func (s *sink) epochMicros(raw []byte) (int64, bool) {
	whole, _, ok := appendScaled(s.scratch[:0], raw, 0)
	s.scratch = whole
	if !ok {
		return 0, false
	}
	shift := 6
	if digits := bytes.TrimPrefix(whole, []byte("-")); len(digits) >= len("100000000000") {
		shift = 3
	}
	micros, _, ok := appendScaled(s.scratch[:0], raw, shift)
	s.scratch = micros
	if !ok {
		return 0, false
	}
	v, err := strconv.ParseInt(unsafe.String(unsafe.SliceData(micros), len(micros)), 10, 64)
	return v, err == nil && v != row.TimestampInfinity && v != row.TimestampNegInfinity && v != math.MinInt64
}

// scaledDigitsMax bounds the digits of a scaled number; no type holds more than 39.
const scaledDigitsMax = 40

// appendScaled appends the whole part of a JSON number times 10^shift; exact says that there was no other part. ok is false if
// it has more than scaledDigitsMax digits.
func appendScaled(dst, number []byte, shift int) (out []byte, exact, ok bool) {
	negative := number[0] == '-'
	if negative {
		number = number[1:]
	}
	mantissa, exponent := number, 0
	if e := bytes.IndexAny(number, "eE"); e >= 0 {
		mantissa, exponent = number[:e], parseExponent(number[e+1:])
	}
	whole, frac, _ := bytes.Cut(mantissa, []byte{'.'})
	n := len(whole) + len(frac)
	digit := func(i int) byte {
		if i < len(whole) {
			return whole[i]
		}
		return frac[i-len(whole)]
	}
	first := 0
	for first < n && digit(first) == '0' {
		first++
	}
	end := len(whole) + exponent + shift // of the digits of the whole part
	switch {
	case first == n:
		return append(dst, '0'), true, true
	case end <= first:
		return append(dst, '0'), false, true
	case end-first > scaledDigitsMax:
		return dst, false, false
	}
	if negative {
		dst = append(dst, '-')
	}
	for i := first; i < end; i++ {
		if i < n {
			dst = append(dst, digit(i))
		} else {
			dst = append(dst, '0')
		}
	}
	for i := end; i < n; i++ {
		if digit(i) != '0' {
			return dst, false, true
		}
	}
	return dst, true, true
}

// exponentMax is beyond every exponent that matters for a number within a body.
const exponentMax = 4 * bodyBytesMax

func parseExponent(s []byte) int {
	negative := s[0] == '-'
	if negative || s[0] == '+' {
		s = s[1:]
	}
	v := 0
	for _, c := range s {
		v = min(v*10+int(c-'0'), exponentMax)
	}
	if negative {
		return -v
	}
	return v
}
