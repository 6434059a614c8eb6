package row

import (
	"bytes"
	"encoding/json"
)

// appendOtherText appends the text of a value of an Other type, which is held as JSON: a string without its quotes (of a TIME WITH TIME ZONE, a BIT …), all
// else as it is.
func appendOtherText(dst, held []byte) []byte {
	if n := len(held); n < 2 || held[0] != '"' || held[n-1] != '"' {
		return append(dst, held...)
	}
	if inner := held[1 : len(held)-1]; bytes.IndexByte(inner, '\\') < 0 {
		return append(dst, inner...)
	}
	var s string
	if json.Unmarshal(held, &s) != nil {
		return append(dst, held...)
	}
	return append(dst, s...)
}
