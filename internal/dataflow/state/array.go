package state

import "unsafe"

const (
	pageBits = 12
	// PageRows is the number of elements in a full page of an Array.
	PageRows = 1 << pageBits
	pageMask = PageRows - 1
	// firstPageRows is what the first page starts with; it doubles until it is full, so that the state of a small view stays small.
	firstPageRows = 64
)

// Array is a growing array of T in pages. The zero Array is empty and ready.
type Array[T any] struct {
	pages [][]T
}

// Grow makes room for ids below n; new elements are zero.
func (a *Array[T]) Grow(n uint32) {
	a.growFirst(int(min(n, PageRows)))
	for full := (uint64(n) + pageMask) >> pageBits; uint64(len(a.pages)) < full; {
		a.pages = append(a.pages, make([]T, PageRows))
	}
}

func (a *Array[T]) growFirst(n int) {
	if n == 0 {
		return
	}
	if len(a.pages) == 0 {
		a.pages = append(a.pages, nil)
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

// At returns the element of an id below what Grow was called with. The pointer is valid until the next Grow.
func (a *Array[T]) At(id uint32) *T { return &a.pages[id>>pageBits][id&pageMask] }

// Bytes is the memory the array takes.
func (a *Array[T]) Bytes() int64 {
	var zero T
	n := 0
	for _, p := range a.pages {
		n += len(p)
	}
	return int64(n) * int64(unsafe.Sizeof(zero))
}
