package view

import (
	"unsafe"

	"github.com/tidemill/tidemill/internal/row"
)

// columnsOf returns one value per column, which may repeat, as columns of one row.
func columnsOf(schema row.Schema, columns []int, vals []row.Value) ([]row.Vec, error) {
	out := make([]row.Vec, len(columns))
	block := make([]uint64, len(columns))
	for i, c := range columns {
		if c < 0 || c >= len(schema) {
			return nil, invalid("there is no column %d", c)
		}
		v, err := oneValue(schema[c], vals[i], &block[i])
		if err != nil {
			return nil, err
		}
		out[i] = v
	}
	return out, nil
}

// oneValue returns a column of one value. It may live in word, which must not change from then on.
func oneValue(col row.Column, v row.Value, word *uint64) (row.Vec, error) {
	if v.Null {
		return row.NullVec(col.Type, 1), nil
	}
	same := v.Type.Phys() == col.Type.Phys()
	if v.Type.Kind == row.Decimal || col.Type.Kind == row.Decimal {
		same = v.Type == col.Type
	}
	if !same {
		return row.Vec{}, invalid("column %s is %s, the value %s", col.Name, col.Type, v.Type)
	}
	v.Type = col.Type
	switch col.Type.Phys() {
	case row.PhysInt64, row.PhysUint64:
		*word = uint64(v.I)
		return row.Vec{Type: col.Type, Len: 1, Data: unsafe.Slice((*byte)(unsafe.Pointer(word)), 8)}, nil
	case row.PhysBytes:
		if len(v.S) <= row.Bytes32Max {
			ends := (*[2]int32)(unsafe.Pointer(word))
			ends[1] = int32(len(v.S))
			return row.Vec{Type: col.Type, Len: 1, Data: unsafe.Slice(unsafe.StringData(v.S), len(v.S)), Offsets: ends[:]}, nil
		}
		return row.Vec{}, invalid("the value of column %s has %d bytes", col.Name, len(v.S))
	default:
		return v.Repeat(1), nil
	}
}
