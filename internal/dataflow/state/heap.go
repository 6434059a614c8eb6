package state

import (
	"encoding/binary"
	"math/bits"
	"unsafe"
)

// Text is a stored byte string: up to 12 bytes in place, longer ones in a Heap with their first four bytes
// in place, so that most comparisons touch one cache line (the form of Umbra and DuckDB).
type Text struct {
	len uint32
	pre [4]byte
	ref uint64 // in place: bytes 4 to 11; else page << 32 | offset
}

const textInPlace = 12

func (t *Text) inPlace() []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(&t.pre)), textInPlace)[:t.len]
}

// Heap keeps byte strings in pages. Freed space is used again for strings of the same size class.
type Heap struct {
	pages [][]byte
	used  int // in the last page
	free  [32]uint64
	bytes int64
}

const (
	heapPageBytes = 256 << 10
	noRef         = 0 // page 0, offset 0 is never handed out: see Heap.room
)

// sizeClass rounds a length up to a power of two, at least 16.
func sizeClass(n int) (class, size int) {
	if n <= 16 {
		return 0, 16
	}
	exp := bits.Len(uint(n-1)) - 1 // 2^exp < n <= 2^(exp+1)
	size = 1 << (exp + 1)
	return exp - 3, size
}

// Put stores a copy of b.
func (h *Heap) Put(b []byte) Text {
	t := Text{len: uint32(len(b))}
	if len(b) <= textInPlace {
		copy(unsafe.Slice((*byte)(unsafe.Pointer(&t.pre)), textInPlace), b)
		return t
	}
	copy(t.pre[:], b)
	class, size := sizeClass(len(b))
	if ref := h.free[class]; ref != noRef {
		slot := h.at(ref)
		h.free[class] = binary.LittleEndian.Uint64(slot)
		t.ref = ref
	} else {
		t.ref = h.room(size)
	}
	copy(h.at(t.ref), b)
	return t
}

func (h *Heap) room(size int) uint64 {
	if len(h.pages) == 0 || h.used+size > len(h.pages[len(h.pages)-1]) {
		page := heapPageBytes
		if len(h.pages) == 0 {
			page = 4 << 10
		}
		if size+16 > page {
			page = size + 16
		}
		h.pages = append(h.pages, make([]byte, page))
		h.bytes += int64(page)
		h.used = 16 // offset 0 stays unused so that no reference is 0
	}
	ref := uint64(len(h.pages)-1)<<32 | uint64(h.used)
	h.used += size
	return ref
}

func (h *Heap) at(ref uint64) []byte { return h.pages[ref>>32][ref&0xffffffff:] }

// Get returns the bytes of t; they are valid until t is freed.
func (h *Heap) Get(t *Text) []byte {
	if t.len <= textInPlace {
		return t.inPlace()
	}
	return h.at(t.ref)[:t.len]
}

// Free gives the space of t back.
func (h *Heap) Free(t *Text) {
	if t.len > textInPlace {
		class, _ := sizeClass(int(t.len))
		binary.LittleEndian.PutUint64(h.at(t.ref), h.free[class])
		h.free[class] = t.ref
	}
	*t = Text{}
}

// Equal reports whether t holds b.
func (h *Heap) Equal(t *Text, b []byte) bool {
	if int(t.len) != len(b) {
		return false
	}
	if t.len <= textInPlace {
		return string(t.inPlace()) == string(b)
	}
	return [4]byte(b[:4]) == t.pre && string(h.at(t.ref)[:t.len]) == string(b)
}

// Bytes is the memory the heap takes.
func (h *Heap) Bytes() int64 { return h.bytes }
