package view

import (
	"bytes"

	"github.com/tidemill/tidemill/internal/row"
)

// matchAll returns the positions of the values that equal needle's only one; nulls are equal. It appends to sel.
func matchAll(v, needle *row.Vec, sel []int32) []int32 {
	if needle.Null(0) {
		for i := range v.Len {
			if v.Null(i) {
				sel = append(sel, int32(i))
			}
		}
		return sel
	}
	from := len(sel)
	switch equalityOf(v.Type) {
	case equal8:
		sel = matchFixed[uint8](v, needle, sel)
	case equal16:
		sel = matchFixed[uint16](v, needle, sel)
	case equal32:
		sel = matchFixed[uint32](v, needle, sel)
	case equal64:
		sel = matchFixed[uint64](v, needle, sel)
	case equal128:
		sel = matchFixed[row.Int128Value](v, needle, sel)
	case equalText:
		sel = matchText(v, needle.Bytes(0), sel)
	default:
		for i := range v.Len {
			if row.Equal(v, i, needle, 0) {
				sel = append(sel, int32(i))
			}
		}
		return sel
	}
	if v.Valid == nil {
		return sel
	}
	keep := from
	for _, i := range sel[from:] {
		if !v.Null(int(i)) {
			sel[keep] = i
			keep++
		}
	}
	return sel[:keep]
}

func matchFixed[T row.Fixed](v, needle *row.Vec, sel []int32) []int32 {
	want := row.Values[T](needle)[0]
	for i, x := range row.Values[T](v) {
		if x == want {
			sel = append(sel, int32(i))
		}
	}
	return sel
}

func matchText(v *row.Vec, want []byte, sel []int32) []int32 {
	for i := range v.Len {
		if from, to := v.Offsets[i], v.Offsets[i+1]; int(to-from) == len(want) && bytes.Equal(v.Data[from:to], want) {
			sel = append(sel, int32(i))
		}
	}
	return sel
}

// matchMore keeps of the positions those whose value equals needle's only one.
func matchMore(v, needle *row.Vec, sel []int32) []int32 {
	keep := 0
	for _, i := range sel {
		if row.Equal(v, int(i), needle, 0) {
			sel[keep] = i
			keep++
		}
	}
	return sel[:keep]
}
