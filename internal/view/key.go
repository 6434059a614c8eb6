package view

import "github.com/tidemill/tidemill/internal/row"

// keyAbove, after the encoded values of leading key columns, is above every key that starts with them: row.AppendKey begins
// each value with a smaller byte.
const keyAbove = 0xff

// keyEnd returns what is above every key that starts with prefix, and below all other keys above it.
func keyEnd(prefix []byte) []byte {
	return append(prefix[:len(prefix):len(prefix)], keyAbove)
}

// appendKeyOf appends the only row of the columns.
func appendKeyOf(dst []byte, cols []row.Vec) []byte {
	for i := range cols {
		dst = row.AppendKey(dst, &cols[i], 0)
	}
	return dst
}

// appendSlotKey appends the encoded key of a row. Any goroutine may call it that may call keyEqual.
func (t *table) appendSlotKey(dst []byte, c *chunk, slot int) []byte {
	var none [8]byte
	for _, k := range t.key {
		col := &c.cols[k]
		if col.null(slot) {
			dst = row.AppendKey(dst, &row.Vec{Type: col.typ, Len: 1, Valid: none[:]}, 0)
			continue
		}
		v := col.one(slot)
		dst = row.AppendKey(dst, &v, 0)
	}
	return dst
}
