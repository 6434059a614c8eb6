package dataflow

import (
	"bytes"
	"math"
	"slices"
	"strconv"

	"github.com/tidemill/tidemill/internal/dataflow/scalar"
	"github.com/tidemill/tidemill/internal/row"
)

// nestedBuilder makes a column of lists or maps: for each value null, or add and entry as often as there are members and then end. It is
// the one place that knows the form in which the engine carries nested values.
type nestedBuilder struct {
	out  *row.Builder
	text []byte
	errs []scalar.RowError
}

// nestedMax bounds the bytes of the nested values in one column, which has 32-bit offsets.
const nestedMax = row.Bytes32Max / 2

func newNestedBuilder(t row.Type, n int) *nestedBuilder {
	return &nestedBuilder{out: row.NewBuilder(t, n)}
}

// null appends a null.
func (b *nestedBuilder) null() { b.out.AppendNull() }

// add adds value i of v to the list.
func (b *nestedBuilder) add(v *row.Vec, i int) {
	b.open('[')
	b.text = appendNested(b.text, v, i)
}

// entry adds a key and a value to the map.
func (b *nestedBuilder) entry(k *row.Vec, i int, v *row.Vec, j int) {
	b.open('{')
	start := len(b.text)
	b.text = appendNested(b.text, k, i)
	if b.text[start] != '"' {
		b.text = append(slices.Insert(b.text, start, '"'), '"')
	}
	b.text = append(b.text, ':')
	b.text = appendNested(b.text, v, j)
}

func (b *nestedBuilder) open(c byte) {
	if len(b.text) == 0 {
		b.text = append(b.text, c)
	} else {
		b.text = append(b.text, ',')
	}
}

// end appends the list or map that was made of what was added since the last end. One that does not fit is an error of its row, and null.
func (b *nestedBuilder) end() {
	if b.out.ByteLen()+len(b.text) > nestedMax {
		b.errs = append(b.errs, tooLarge(b.out.Len()))
		b.out.AppendNull()
	} else {
		closing := byte(']')
		if b.text[0] == '{' {
			closing = '}'
		}
		b.out.AppendBytes(append(b.text, closing))
	}
	b.text = b.text[:0]
}

func tooLarge(at int) scalar.RowError {
	return scalar.RowError{Row: int32(at), Message: "Out of Range Error: the collected values of one tick are limited to 1 GiB"}
}

func (b *nestedBuilder) finish() (row.Vec, []scalar.RowError) { return b.out.Finish(), b.errs }

// appendNested writes a value as DuckDB's to_json does.
func appendNested(dst []byte, v *row.Vec, i int) []byte {
	if v.Null(i) {
		return append(dst, "null"...)
	}
	switch v.Type.Kind {
	case row.Float32, row.Float64:
		return appendNestedFloat(dst, v, i)
	case row.String:
		return row.AppendJSON(dst, v, i)
	case row.JSON, row.Other:
		return append(dst, v.Bytes(i)...)
	case row.Blob:
		text := row.NewBuilder(row.T(row.String), 1)
		text.AppendBytes(row.AppendText(nil, v, i))
		out := text.Finish()
		return row.AppendJSON(dst, &out, 0)
	case row.Date, row.Time, row.Timestamp, row.TimestampTZ, row.Interval, row.UUID:
		return append(row.AppendText(append(dst, '"'), v, i), '"')
	default:
		return row.AppendText(dst, v, i)
	}
}

func appendNestedFloat(dst []byte, v *row.Vec, i int) []byte {
	f, bits := v.Value(i).F, 64
	if v.Type.Kind == row.Float32 {
		bits = 32
	}
	switch a := math.Abs(f); {
	case f != f:
		return append(dst, "NaN"...)
	case math.IsInf(f, 0):
		if f < 0 {
			dst = append(dst, '-')
		}
		return append(dst, "Infinity"...)
	case a != 0 && (a < 1e-6 || a >= 1e21):
		text := strconv.AppendFloat(nil, f, 'e', -1, bits)
		return append(dst, bytes.Replace(text, []byte("e+"), []byte("e"), 1)...)
	}
	start := len(dst)
	dst = strconv.AppendFloat(dst, f, 'f', -1, bits)
	if bytes.IndexByte(dst[start:], '.') < 0 {
		dst = append(dst, ".0"...)
	}
	return dst
}
