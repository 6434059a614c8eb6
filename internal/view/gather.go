package view

import (
	"fmt"
	"unsafe"

	"github.com/tidemill/tidemill/internal/row"
)

// resultTextMax bounds the bytes of one text column of a result.
const resultTextMax = 1 << 30

// ref is a row: a slot of a chunk. Without a chunk it stands for a row of nulls.
type ref struct {
	c    *chunk
	slot int32
}

// gatherRefs copies the rows, which the caller knows to take less than 2 GiB of text per column.
func gatherRefs(types []row.Type, refs []ref) *row.Batch {
	b := &row.Batch{Cols: make([]row.Vec, len(types)), Len: len(refs)}
	words := 0
	for _, t := range types {
		words += (len(refs)*t.Phys().Width() + 7) / 8
	}
	block := make([]uint64, words) // one for all columns: point reads are mostly allocation
	for i, t := range types {
		n := (len(refs)*t.Phys().Width() + 7) / 8
		b.Cols[i] = gatherColumn(t, i, refs, block[:n:n])
		block = block[n:]
	}
	return b
}

// gatherResult is gatherRefs for results whose size is the caller's of the package.
func gatherResult(types []row.Type, refs []ref) (*row.Batch, error) {
	for i, t := range types {
		if t.Phys() == row.PhysBytes && textSize(i, refs) > resultTextMax {
			return nil, fmt.Errorf("%w: more than 1 GiB of text in column %d of %d rows", ErrTooLarge, i, len(refs))
		}
	}
	return gatherRefs(types, refs), nil
}

func textSize(col int, refs []ref) (n int64) {
	for _, r := range refs {
		if r.c != nil {
			k := &r.c.cols[col]
			n += int64(k.offsets[r.slot+1] - k.offsets[r.slot])
		}
	}
	return n
}

func gatherColumn(t row.Type, col int, refs []ref, block []uint64) row.Vec {
	var v row.Vec
	switch t.Phys().Width() {
	case 1:
		v = gatherFixed[uint8](t, col, refs, block)
	case 2:
		v = gatherFixed[uint16](t, col, refs, block)
	case 4:
		v = gatherFixed[uint32](t, col, refs, block)
	case 8:
		v = gatherFixed[uint64](t, col, refs, block)
	case 16:
		v = gatherFixed[row.Int128Value](t, col, refs, block)
	default:
		v = gatherText(t, col, refs)
	}
	for i, r := range refs {
		if r.c != nil && !r.c.cols[col].null(int(r.slot)) {
			continue
		}
		if v.Valid == nil {
			v.Valid = row.NewBitmap(len(refs), true)
		}
		row.SetNull(v.Valid, i)
	}
	return v
}

func gatherFixed[T row.Fixed](t row.Type, col int, refs []ref, block []uint64) row.Vec {
	out := unsafe.Slice((*T)(unsafe.Pointer(unsafe.SliceData(block))), len(refs))
	for i, r := range refs {
		if r.c != nil {
			out[i] = fixedAt[T](r.c.cols[col].fixed, int(r.slot))
		}
	}
	return row.FromValues(t, out, nil)
}

func gatherText(t row.Type, col int, refs []ref) row.Vec {
	v := row.Vec{Type: t, Len: len(refs), Offsets: make([]int32, len(refs)+1), Data: make([]byte, 0, textSize(col, refs))}
	for i, r := range refs {
		if r.c != nil {
			v.Data = append(v.Data, r.c.cols[col].str(int(r.slot))...)
		}
		v.Offsets[i+1] = int32(len(v.Data))
	}
	return v
}

// part is rows of one chunk, by slot.
type part struct {
	c     *chunk
	slots []int32
}

// gatherParts copies one column of the rows of all parts, which are n rows.
func gatherParts(t row.Type, col int, parts []part, n int) row.Vec {
	v := row.Vec{Type: t, Len: n}
	switch t.Phys().Width() {
	case 1:
		v = partsFixed[uint8](t, col, parts, n)
	case 2:
		v = partsFixed[uint16](t, col, parts, n)
	case 4:
		v = partsFixed[uint32](t, col, parts, n)
	case 8:
		v = partsFixed[uint64](t, col, parts, n)
	case 16:
		v = partsFixed[row.Int128Value](t, col, parts, n)
	default:
		partsText(&v, col, parts)
	}
	at := 0
	for _, p := range parts {
		if base := p.c.cols[col].nulls.Load(); base != nil {
			for i, slot := range p.slots {
				if *(*byte)(unsafe.Add(unsafe.Pointer(base), slot)) == 0 {
					continue
				}
				if v.Valid == nil {
					v.Valid = row.NewBitmap(n, true)
				}
				row.SetNull(v.Valid, at+i)
			}
		}
		at += len(p.slots)
	}
	return v
}

func partsFixed[T row.Fixed](t row.Type, col int, parts []part, n int) row.Vec {
	out := make([]T, n)
	rest := out
	for _, p := range parts {
		src := values[T](&p.c.cols[col])
		dst := rest[:len(p.slots)]
		for i, slot := range p.slots {
			dst[i] = src[slot]
		}
		rest = rest[len(p.slots):]
	}
	return row.FromValues(t, out, nil)
}

func partsText(v *row.Vec, col int, parts []part) {
	size := 0
	for _, p := range parts {
		offsets := p.c.cols[col].offsets
		for _, slot := range p.slots {
			size += int(offsets[slot+1] - offsets[slot])
		}
	}
	v.Data, v.Offsets = make([]byte, 0, size), make([]int32, 1, v.Len+1)
	for _, p := range parts {
		k := &p.c.cols[col]
		for _, slot := range p.slots {
			v.Data = append(v.Data, k.str(int(slot))...)
			v.Offsets = append(v.Offsets, int32(len(v.Data)))
		}
	}
}

// maxText returns the most bytes of text that the first n slots take in one column.
func (c *chunk) maxText(n int) (most int) {
	for i := range c.cols {
		if k := &c.cols[i]; k.width == 0 {
			most = max(most, int(k.offsets[n]))
		}
	}
	return most
}

// slotText returns the most bytes of text that a slot takes in one column.
func (c *chunk) slotText(slot int) (most int) {
	for i := range c.cols {
		if k := &c.cols[i]; k.width == 0 {
			most = max(most, int(k.offsets[slot+1]-k.offsets[slot]))
		}
	}
	return most
}
