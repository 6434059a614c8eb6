package state

import (
	"math"
	"unsafe"

	"github.com/tidemill/tidemill/internal/row"
)

// None is the id of no row.
const None = math.MaxUint32

// column holds the values of one column by id. One of the arrays is in use, by the width of the type.
type column struct {
	typ   row.Type
	phys  row.Phys
	w1    Array[uint8]
	w2    Array[uint16]
	w4    Array[uint32]
	w8    Array[uint64]
	w16   Array[row.Int128Value]
	text  Array[Text]
	nulls Array[bool] // grown at the first null
	some  bool        // there was a null
	n     uint32
}

func (c *column) grow(n uint32) {
	c.n = n
	switch c.phys.Width() {
	case 1:
		c.w1.Grow(n)
	case 2:
		c.w2.Grow(n)
	case 4:
		c.w4.Grow(n)
	case 8:
		c.w8.Grow(n)
	case 16:
		c.w16.Grow(n)
	default:
		c.text.Grow(n)
	}
	if c.some {
		c.nulls.Grow(n)
	}
}

func (c *column) bytes() int64 {
	return c.w1.Bytes() + c.w2.Bytes() + c.w4.Bytes() + c.w8.Bytes() + c.w16.Bytes() + c.text.Bytes() + c.nulls.Bytes()
}

// Rows stores rows by a dense id. Freed ids are used again.
type Rows struct {
	cols []column
	heap Heap
	next uint32 // ids below are or were in use
	free Stack
}

// NewRows returns an empty store for rows of the given types.
func NewRows(types []row.Type) *Rows {
	r := &Rows{cols: make([]column, len(types))}
	for i, t := range types {
		r.cols[i].typ, r.cols[i].phys = t, t.Phys()
	}
	return r
}

// Len is the number of rows.
func (r *Rows) Len() int { return int(r.next) - r.free.Len() }

// Cap is above every id in use.
func (r *Rows) Cap() uint32 { return r.next }

// Bytes is the memory the rows take.
func (r *Rows) Bytes() int64 {
	n := r.heap.Bytes() + r.free.Bytes()
	for i := range r.cols {
		n += r.cols[i].bytes()
	}
	return n
}

func (r *Rows) alloc() uint32 {
	if r.free.Len() > 0 {
		return r.free.Pop()
	}
	id := r.fresh()
	for c := range r.cols {
		r.cols[c].grow(r.next)
	}
	return id
}

func (r *Rows) fresh() uint32 {
	if r.next == None {
		panic("BUG: more rows than ids; Room tells before")
	}
	r.next++
	return r.next - 1
}

// Room reports whether n more rows have ids.
func (r *Rows) Room(n int) bool { return uint64(r.Len())+uint64(n) <= None }

// Add stores row i of the columns and returns its id.
func (r *Rows) Add(cols []row.Vec, i int) uint32 {
	id := r.alloc()
	for c := range r.cols {
		r.put(c, id, &cols[c], i)
	}
	return id
}

func (r *Rows) put(c int, id uint32, v *row.Vec, i int) {
	col := &r.cols[c]
	if v.Null(i) {
		if !col.some {
			col.some = true
			col.nulls.Grow(col.n)
		}
		*col.nulls.At(id) = true
		if col.phys == row.PhysBytes {
			*col.text.At(id) = Text{}
		}
		return
	}
	if col.some {
		*col.nulls.At(id) = false
	}
	switch col.phys.Width() {
	case 1:
		*col.w1.At(id) = v.Data[i]
	case 2:
		*col.w2.At(id) = row.Values[uint16](v)[i]
	case 4:
		*col.w4.At(id) = row.Values[uint32](v)[i]
	case 8:
		*col.w8.At(id) = row.Values[uint64](v)[i]
	case 16:
		*col.w16.At(id) = row.Values[row.Int128Value](v)[i]
	default:
		*col.text.At(id) = r.heap.Put(v.Bytes(i))
	}
}

// AddAll stores the rows of the columns at the given positions (all n rows for nil) and appends their ids to out.
func (r *Rows) AddAll(cols []row.Vec, at []int32, n int, out []uint32) []uint32 {
	if at != nil {
		n = len(at)
	}
	first := len(out)
	for range n {
		if r.free.Len() > 0 {
			out = append(out, r.free.Pop())
		} else {
			out = append(out, r.fresh())
		}
	}
	ids := out[first:]
	for c := range r.cols {
		r.cols[c].grow(r.next)
		r.putAll(c, ids, &cols[c], at)
	}
	return out
}

func (r *Rows) putAll(c int, ids []uint32, v *row.Vec, at []int32) {
	col := &r.cols[c]
	if v.Valid != nil || col.some || col.phys == row.PhysBytes {
		for k, id := range ids {
			r.put(c, id, v, position(at, k))
		}
		return
	}
	switch col.phys.Width() {
	case 1:
		scatter(&col.w1, ids, row.Values[uint8](v), at)
	case 2:
		scatter(&col.w2, ids, row.Values[uint16](v), at)
	case 4:
		scatter(&col.w4, ids, row.Values[uint32](v), at)
	case 8:
		scatter(&col.w8, ids, row.Values[uint64](v), at)
	default:
		scatter(&col.w16, ids, row.Values[row.Int128Value](v), at)
	}
}

func position(at []int32, k int) int {
	if at == nil {
		return k
	}
	return int(at[k])
}

func scatter[T any](a *Array[T], ids []uint32, vals []T, at []int32) {
	if at == nil {
		for k, id := range ids {
			*a.At(id) = vals[k]
		}
		return
	}
	for k, id := range ids {
		*a.At(id) = vals[at[k]]
	}
}

// Remove frees an id.
func (r *Rows) Remove(id uint32) {
	for c := range r.cols {
		if col := &r.cols[c]; col.phys == row.PhysBytes {
			r.heap.Free(col.text.At(id))
		}
	}
	r.free.Push(id)
}

// Gather returns the values of column c for the ids.
func (r *Rows) Gather(c int, ids []uint32) row.Vec {
	col := &r.cols[c]
	v := row.Vec{Type: col.typ, Len: len(ids)}
	switch col.phys.Width() {
	case 1:
		v = pick(col.typ, &col.w1, ids)
	case 2:
		v = pick(col.typ, &col.w2, ids)
	case 4:
		v = pick(col.typ, &col.w4, ids)
	case 8:
		v = pick(col.typ, &col.w8, ids)
	case 16:
		v = pick(col.typ, &col.w16, ids)
	default:
		r.gatherText(col, ids, &v)
	}
	if col.some {
		v.Valid = col.validity(ids)
	}
	return v
}

func pick[T row.Fixed](t row.Type, a *Array[T], ids []uint32) row.Vec {
	out := make([]T, len(ids))
	for k, id := range ids {
		out[k] = *a.Peek(id)
	}
	return row.FromValues(t, out, nil)
}

func (r *Rows) gatherText(col *column, ids []uint32, v *row.Vec) {
	size := 0
	for _, id := range ids {
		size += int(col.text.Peek(id).len)
	}
	v.Offsets = make([]int32, len(ids)+1)
	v.Data = make([]byte, 0, size)
	for k, id := range ids {
		v.Data = append(v.Data, r.heap.Get(col.text.Peek(id))...)
		v.Offsets[k+1] = int32(len(v.Data))
	}
}

func (c *column) validity(ids []uint32) []byte {
	var valid []byte
	for k, id := range ids {
		if *c.nulls.Peek(id) {
			if valid == nil {
				valid = row.NewBitmap(len(ids), true)
			}
			row.SetNull(valid, k)
		}
	}
	return valid
}

// Equal reports whether the first len(cols) columns of row id equal row i of cols, nulls being equal.
func (r *Rows) Equal(id uint32, cols []row.Vec, i int) bool {
	for c := range cols {
		if !r.equalAt(c, id, &cols[c], i) {
			return false
		}
	}
	return true
}

func (r *Rows) equalAt(c int, id uint32, v *row.Vec, i int) bool {
	col := &r.cols[c]
	if stored, given := col.some && *col.nulls.Peek(id), v.Null(i); stored || given {
		return stored && given
	}
	switch col.phys {
	case row.PhysBytes:
		return r.heap.Equal(col.text.Peek(id), v.Bytes(i))
	case row.PhysFloat32:
		return row.CompareFloats(float64(math.Float32frombits(*col.w4.Peek(id))), float64(row.Values[float32](v)[i])) == 0
	case row.PhysFloat64:
		return row.CompareFloats(math.Float64frombits(*col.w8.Peek(id)), row.Values[float64](v)[i]) == 0
	case row.PhysInterval:
		return (*row.IntervalValue)(unsafe.Pointer(col.w16.At(id))).Compare(row.Values[row.IntervalValue](v)[i]) == 0
	}
	switch col.phys.Width() {
	case 1:
		return *col.w1.Peek(id) == v.Data[i]
	case 2:
		return *col.w2.Peek(id) == row.Values[uint16](v)[i]
	case 4:
		return *col.w4.Peek(id) == row.Values[uint32](v)[i]
	case 8:
		return *col.w8.Peek(id) == row.Values[uint64](v)[i]
	default:
		return *col.w16.Peek(id) == row.Values[row.Int128Value](v)[i]
	}
}

// TextBytes is the number of bytes that the values of column c for the ids take in a column of texts, 0 for other columns.
func (r *Rows) TextBytes(c int, ids []uint32) int64 {
	n := int64(0)
	if col := &r.cols[c]; col.phys == row.PhysBytes {
		for _, id := range ids {
			if id != None {
				n += int64(col.text.Peek(id).len)
			}
		}
	}
	return n
}

// GatherOrNull is Gather in which None gives null.
func (r *Rows) GatherOrNull(c int, ids []uint32) row.Vec {
	var valid []byte
	var known []uint32
	for k, id := range ids {
		if id != None {
			continue
		}
		if valid == nil {
			valid = row.NewBitmap(len(ids), true)
			known = append(known, ids...)
		}
		row.SetNull(valid, k)
		known[k] = 0 // any row: what stands under a null does not matter
	}
	switch {
	case valid == nil:
		return r.Gather(c, ids)
	case r.next == 0:
		return row.NullVec(r.cols[c].typ, len(ids))
	}
	v := r.Gather(c, known)
	v.Valid = row.AndValid(v.Valid, valid, v.Len)
	return v
}

// Columns is the number of columns.
func (r *Rows) Columns() int { return len(r.cols) }

// Text returns the bytes of column c, which is one of texts, of a row; they are valid until the row is removed.
func (r *Rows) Text(c int, id uint32) []byte { return r.heap.Get(r.cols[c].text.Peek(id)) }
