package state

import (
	"encoding/binary"

	"github.com/tidemill/tidemill/internal/row"
)

// Order is an ORDER BY over columns.
type Order struct {
	Columns []OrderColumn
}

// OrderColumn is one column of an Order.
type OrderColumn struct {
	Descending, NullsFirst bool
}

// The classes of keys, by their first column.
const (
	classNullsFirst = iota
	classValue
	classNullsLast
)

// Key writes the place of row i of the columns in the order. The key's Rest is in buf, which is returned as far as it is used: hand it
// in again, cut to no bytes, for the next row.
func (o *Order) Key(cols []row.Vec, i int, buf []byte) (Key, []byte) {
	k := Key{Class: classValue}
	if len(o.Columns) == 0 {
		return k, buf
	}
	start := len(buf)
	first := &o.Columns[0]
	short := shortOrder(cols[0].Type.Phys())
	switch {
	case cols[0].Null(i):
		k.Class = first.nullClass()
	case short:
		k.Num = OrderBits(&cols[0], i)
		if first.Descending {
			k.Num = ^k.Num
		}
	default:
		buf = first.append(buf, &cols[0], i)
		var head [8]byte
		copy(head[:], buf[start:])
		k.Num = binary.BigEndian.Uint64(head[:])
	}
	for c := 1; c < len(o.Columns); c++ {
		oc := &o.Columns[c]
		if cols[c].Null(i) {
			buf = append(buf, oc.nullClass())
			continue
		}
		buf = append(buf, classValue)
		buf = oc.append(buf, &cols[c], i)
	}
	k.Rest = buf[start:]
	return k, buf
}

func (oc *OrderColumn) nullClass() uint8 {
	if oc.NullsFirst {
		return classNullsFirst
	}
	return classNullsLast
}

// append writes a value that is not null so that its bytes sort in the column's order.
func (oc *OrderColumn) append(buf []byte, v *row.Vec, i int) []byte {
	start := len(buf)
	buf = row.AppendKey(buf, v, i)
	buf = append(buf[:start], buf[start+1:]...) // without the mark
	if oc.Descending {
		for k := start; k < len(buf); k++ {
			buf[k] = ^buf[k]
		}
	}
	return buf
}

// IsNull reports whether the order's first column is null at the key.
func (k *Key) IsNull() bool { return k.Class != classValue }
