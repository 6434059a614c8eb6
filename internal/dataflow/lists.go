package dataflow

import (
	"bytes"
	"fmt"
	"math"

	"github.com/tidemill/tidemill/internal/dataflow/scalar"
	"github.com/tidemill/tidemill/internal/plan"
	"github.com/tidemill/tidemill/internal/row"
)

// constantList has the same elements for every row.
type constantList struct{ all lists }

func (l *constantList) elements(*row.Batch) (lists, []scalar.RowError, error) { return l.all, nil, nil }

// itemList is a list that is written out: an expression for each element.
type itemList struct {
	items *scalar.Program
	elem  row.Type
}

func (l *itemList) elements(b *row.Batch) (lists, []scalar.RowError, error) {
	cols, errs, err := l.items.Eval(b)
	if err != nil {
		return lists{}, nil, err
	}
	if int64(b.Len)*int64(len(cols)) > maxUnnested {
		return lists{}, nil, errUnnested
	}
	build := row.NewBuilder(l.elem, b.Len*len(cols))
	for c := range cols {
		if cols[c].Offsets != nil && build.ByteLen()+len(cols[c].Data) > maxMatchBytes {
			return lists{}, nil, errUnnested
		}
		build.AppendVec(&cols[c])
	}
	out := lists{ends: make([]int32, b.Len)}
	at := make([]int32, 0, b.Len*len(cols))
	for i := range b.Len {
		for c := range cols {
			at = append(at, int32(c*b.Len+i))
		}
		out.ends[i] = int32(len(at))
	}
	values := build.Finish()
	out.values = values.Gather(at)
	return out, errs, nil
}

// valueList is any list of a type that rows have a form for.
type valueList struct{ list *scalar.Program }

func (l *valueList) elements(b *row.Batch) (lists, []scalar.RowError, error) {
	cols, errs, err := l.list.Eval(b)
	if err != nil {
		return lists{}, nil, err
	}
	offsets, values := cols[0].Unlist()
	if values.Len > maxUnnested {
		return lists{}, nil, errUnnested
	}
	return lists{values: values, ends: offsets[1:]}, errs, nil
}

// textList is a list of a type that rows have no form for; the elements travel as texts, see elementTexts.
type textList struct {
	list *scalar.Program
	elem row.Type
}

// elementTexts returns the expression whose value is the list e with its elements as DuckDB writes them: as VARCHAR, or as JSON where rows have no form
// for their type.
func elementTexts(e *plan.Expr, elem row.Type) *plan.Expr {
	element := "CAST(x AS VARCHAR)"
	if elem.Kind == row.Other {
		element = "CASE WHEN x IS NULL THEN NULL ELSE CAST(to_json(x) AS VARCHAR) END"
	}
	return &plan.Expr{Kind: plan.Call, Name: "list_transform", Args: []*plan.Expr{e}, Type: row.Type{Kind: row.Other, Name: "VARCHAR[]"},
		SQL: "list_transform($1, (lambda x: " + element + "))"}
}

func (l *textList) elements(b *row.Batch) (lists, []scalar.RowError, error) {
	cols, errs, err := l.list.Eval(b)
	if err != nil {
		return lists{}, nil, err
	}
	return flatten(&cols[0], l.elem, errs)
}

// flatten reads the elements of a column of lists of texts, which is JSON: arrays of strings and nulls.
func flatten(v *row.Vec, elem row.Type, errs []scalar.RowError) (lists, []scalar.RowError, error) {
	out := lists{ends: make([]int32, v.Len)}
	build := row.NewBuilder(elem, v.Len)
	var failed []scalar.RowError
	var scratch []byte
	for i := range v.Len {
		start := build.Len()
		if !v.Null(i) {
			var err error
			if scratch, err = appendElements(build, elem, v.Bytes(i), scratch); err != nil {
				build.Truncate(start)
				failed = append(failed, scalar.RowError{Row: int32(i), Message: err.Error()})
			}
			if build.ByteLen() > maxMatchBytes || build.Len() > maxUnnested {
				return lists{}, nil, errUnnested
			}
		}
		out.ends[i] = int32(build.Len())
	}
	out.values = build.Finish()
	return out, mergeErrors(errs, failed), nil
}

// appendElements appends the elements of one JSON array of strings and nulls.
func appendElements(build *row.Builder, elem row.Type, text, scratch []byte) ([]byte, error) {
	plain := elem.Kind == row.String || elem.Kind == row.JSON || elem.Kind == row.Other
	for i := 1; i < len(text) && text[i] != ']'; {
		if text[i] == ',' {
			i++
		}
		if text[i] != '"' {
			build.AppendNull()
			i += len("null")
			continue
		}
		scratch, i = unquote(scratch[:0], text, i+1)
		if plain {
			build.AppendBytes(scratch)
		} else if err := build.AppendParsed(scratch); err != nil {
			//lint:ignore ST1005 as DuckDB writes it
			return scratch, fmt.Errorf("Conversion Error: %w", err)
		}
	}
	return scratch, nil
}

// unquote appends the JSON string whose inside begins at i, and returns where it ends.
func unquote(dst, text []byte, i int) ([]byte, int) {
	end := i
	for end < len(text) && text[end] != '"' {
		if text[end] == '\\' {
			end++
		}
		end++
	}
	end = min(end, len(text))
	inside := text[i:end]
	if bytes.IndexByte(inside, '\\') < 0 {
		return append(dst, inside...), end + 1
	}
	return scalar.AppendUnescaped(dst, string(inside)), end + 1
}

// seriesList is range() or generate_series(), of integers or timestamps.
type seriesList struct {
	args      *scalar.Program
	elem      row.Type
	inclusive bool // generate_series
}

// isSeries reports whether e is a series that seriesList makes: of BIGINT, or of timestamps with a constant step that has no months.
func isSeries(e *plan.Expr, elem row.Type) bool {
	if e.Kind != plan.Call || e.SQL != "" || e.Name != "range" && e.Name != "generate_series" || len(e.Args) == 0 || len(e.Args) > 3 {
		return false
	}
	switch elem.Kind {
	case row.Int64:
		for _, a := range e.Args {
			if a.Type != elem {
				return false
			}
		}
		return true
	case row.Timestamp, row.TimestampTZ:
		if len(e.Args) != 3 || e.Args[0].Type != elem || e.Args[1].Type != elem {
			return false
		}
		step := e.Args[2]
		return step.Kind == plan.Constant && step.Type.Kind == row.Interval && !step.Value.Null && step.Value.V.Months == 0 &&
			int64(step.Value.V.Days)*step.Value.V.Micros >= 0
	}
	return false
}

func (l *seriesList) elements(b *row.Batch) (lists, []scalar.RowError, error) {
	cols, errs, err := l.args.Eval(b)
	if err != nil {
		return lists{}, nil, err
	}
	out := lists{ends: make([]int32, b.Len)}
	var values []int64
	var failed []scalar.RowError
	bad := errs
rows:
	for i := range b.Len {
		out.ends[i] = int32(len(values))
		if len(bad) > 0 && int(bad[0].Row) == i {
			bad = bad[1:]
			continue
		}
		for c := range cols {
			if cols[c].Null(i) {
				continue rows
			}
		}
		n, from, step, message := l.series(cols, i)
		if message != "" {
			failed = append(failed, scalar.RowError{Row: int32(i), Message: message})
			continue
		}
		if len(values)+n > maxUnnested {
			return lists{}, nil, errUnnested
		}
		for k := range n {
			values = append(values, from+int64(k)*step)
		}
		out.ends[i] = int32(len(values))
	}
	out.values = row.FromValues(l.elem, values, nil)
	return out, mergeErrors(errs, failed), nil
}

// series returns the number of elements of row i, the first and the step between them.
func (l *seriesList) series(cols []row.Vec, i int) (n int, from, step int64, message string) {
	end, step := row.Values[int64](&cols[0])[i], 1
	if len(cols) > 1 {
		from, end = end, row.Values[int64](&cols[1])[i]
	}
	if len(cols) == 3 {
		step = l.step(&cols[2], i)
	}
	if l.elem.Kind != row.Int64 && (infinite(from) || infinite(end)) {
		return 0, 0, 0, "Invalid Input Error: RANGE with infinite bounds is not supported"
	}
	n, message = seriesLength(from, end, step, l.inclusive)
	return n, from, step, message
}

func (l *seriesList) step(v *row.Vec, i int) int64 {
	if l.elem.Kind == row.Int64 {
		return row.Values[int64](v)[i]
	}
	const day = 86_400_000_000
	iv := row.Values[row.IntervalValue](v)[i]
	return int64(iv.Days)*day + iv.Micros
}

func infinite(t int64) bool { return t == math.MaxInt64 || t == -math.MaxInt64 }

// seriesLength is the number of elements of from, from+step … up to end. A step of 0 makes none.
func seriesLength(from, end, step int64, inclusive bool) (n int, message string) {
	var gap, stride uint64
	switch {
	case step > 0 && from <= end:
		gap, stride = uint64(end)-uint64(from), uint64(step)
	case step < 0 && from >= end:
		gap, stride = uint64(from)-uint64(end), -uint64(step)
	default:
		return 0, ""
	}
	if !inclusive {
		if gap == 0 {
			return 0, ""
		}
		gap--
	}
	if gap/stride >= maxElements {
		return 0, fmt.Sprintf("Out of Range Error: a series of more than %d elements", maxElements)
	}
	return int(gap/stride) + 1, ""
}
