package state

import "unsafe"

const (
	pageBits = 12
	// PageRows is the number of elements in a full page of an Array.
	PageRows = 1 << pageBits
	pageMask = PageRows - 1
	// firstPageRows is what the first page starts with; it doubles until it is full, so that the state of a small view stays small.
	firstPageRows = 64

	// granuleBits is the number of elements, as a power of two, that are saved together when one of them was written.
	granuleBits = 4
	granuleRows = 1 << granuleBits
	// A word of written bits stands for 64 granules.
	wordBits = granuleBits + 6
)

// Array is a growing array of T, which holds no pointers, in pages. It knows what was written since it was last saved. The zero Array is empty and ready.
type Array[T any] struct {
	pages   [][]T
	written []uint64 // a bit per granule
}

// Grow makes room for ids below n; new elements are zero.
func (a *Array[T]) Grow(n uint32) {
	a.growFirst(int(min(n, PageRows)))
	full := (uint64(n) + pageMask) >> pageBits
	if uint64(len(a.pages)) >= full {
		return
	}
	for uint64(len(a.pages)) < full {
		a.pages = append(a.pages, make([]T, PageRows))
	}
	a.written = append(a.written, make([]uint64, len(a.pages)*(PageRows>>wordBits)-len(a.written))...)
}

func (a *Array[T]) growFirst(n int) {
	if n == 0 {
		return
	}
	if len(a.pages) == 0 {
		a.pages = append(a.pages, nil)
		a.written = make([]uint64, PageRows>>wordBits)
	}
	if len(a.pages[0]) >= n {
		return
	}
	size := firstPageRows
	for size < n {
		size *= 2
	}
	page := make([]T, size)
	copy(page, a.pages[0])
	a.pages[0] = page
}

// At returns the element of an id below what Grow was called with, to be written. The pointer is valid until the next Grow; what is written through it
// after the state was saved is not noticed.
func (a *Array[T]) At(id uint32) *T {
	a.written[id>>wordBits] |= 1 << (id >> granuleBits & 63)
	return &a.pages[id>>pageBits][id&pageMask]
}

// Peek is At for an element that is only read.
func (a *Array[T]) Peek(id uint32) *T { return &a.pages[id>>pageBits][id&pageMask] }

// Bytes is the memory the array takes.
func (a *Array[T]) Bytes() int64 {
	var zero T
	n := 0
	for _, p := range a.pages {
		n += len(p)
	}
	return int64(n)*int64(unsafe.Sizeof(zero)) + int64(len(a.written))*8
}

// len is the number of elements there is room for.
func (a *Array[T]) len() int {
	if len(a.pages) == 0 {
		return 0
	}
	return (len(a.pages)-1)*PageRows + len(a.pages[0])
}

// Stack is a stack of ids.
type Stack struct {
	ids Array[uint32]
	n   uint32
}

// Push puts an id on top.
func (s *Stack) Push(id uint32) {
	s.n++
	s.ids.Grow(s.n)
	*s.ids.At(s.n - 1) = id
}

// Pop takes the id on top off; there must be one.
func (s *Stack) Pop() uint32 {
	s.n--
	return *s.ids.Peek(s.n)
}

// Len is the number of ids.
func (s *Stack) Len() int { return int(s.n) }

// Bytes is the memory the stack takes.
func (s *Stack) Bytes() int64 { return s.ids.Bytes() }
