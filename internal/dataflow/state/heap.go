package state

import (
	"bytes"
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

// Heap keeps byte strings in pages. Freed space is used again for strings of the same size class. Strings above ownPageBytes
// have pages of their own, which go back to the garbage collector when they are freed.
type Heap struct {
	pages [][]byte
	// written has a bit per heapGranule of a page; resized lists pages that came or went since the heap was saved.
	written [][]uint64
	resized []uint32
	fill    int // the page that new space comes from
	used    int // of its bytes; 0: there is no such page
	free    [sizeClasses]uint64
	empty   []uint32 // positions in pages without a page
	bytes   int64
}

const (
	heapFirstBytes = 4 << 10
	heapPageBytes  = 256 << 10
	ownPageBytes   = heapPageBytes / 8
	heapGranule    = 256
	sizeClasses    = 12 // 16 to ownPageBytes
	noRef          = 0  // page 0, offset 0 is never handed out: see Heap.room
)

// sizeClass rounds a length up to ownPageBytes up to a power of two, at least 16.
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
	if len(b) > ownPageBytes {
		at := h.enter(bytes.Clone(b))
		h.mark(at, 0, len(b))
		t.ref = at << 32
		return t
	}
	class, size := sizeClass(len(b))
	if ref := h.free[class]; ref != noRef {
		slot := h.at(ref)
		h.free[class] = binary.LittleEndian.Uint64(slot)
		t.ref = ref
	} else {
		t.ref = h.room(size)
	}
	copy(h.at(t.ref), b)
	h.mark(t.ref>>32, int(uint32(t.ref)), len(b))
	return t
}

// mark notes that bytes of a page were written.
func (h *Heap) mark(page uint64, from, n int) {
	bits := h.written[page]
	for g := from / heapGranule; g <= (from+n-1)/heapGranule; g++ {
		bits[g>>6] |= 1 << (g & 63)
	}
}

// written bits of a page.
func granuleWords(bytes int) int { return (bytes + heapGranule*64 - 1) / (heapGranule * 64) }

func (h *Heap) room(size int) uint64 {
	if h.used == 0 || h.used+size > len(h.pages[h.fill]) {
		page := min(max(heapFirstBytes, h.bytes, int64(size)*2), heapPageBytes)
		h.fill = int(h.enter(make([]byte, page)))
		h.used = 16 // offset 0 stays unused so that no reference is 0
	}
	ref := uint64(h.fill)<<32 | uint64(h.used)
	h.used += size
	return ref
}

// enter enters a page and returns its number.
func (h *Heap) enter(p []byte) uint64 {
	h.bytes += int64(len(p))
	bits := make([]uint64, granuleWords(len(p)))
	if n := len(h.empty); n > 0 {
		at := h.empty[n-1]
		h.empty = h.empty[:n-1]
		h.pages[at], h.written[at] = p, bits
		h.resized = append(h.resized, at)
		return uint64(at)
	}
	h.pages, h.written = append(h.pages, p), append(h.written, bits)
	h.resized = append(h.resized, uint32(len(h.pages)-1))
	return uint64(len(h.pages) - 1)
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
	switch {
	case t.len <= textInPlace:
	case t.len > ownPageBytes:
		at := uint32(t.ref >> 32)
		h.bytes -= int64(len(h.pages[at]))
		h.pages[at], h.written[at] = nil, nil
		h.empty = append(h.empty, at)
		h.resized = append(h.resized, at)
	default:
		class, _ := sizeClass(int(t.len))
		binary.LittleEndian.PutUint64(h.at(t.ref), h.free[class])
		h.mark(t.ref>>32, int(uint32(t.ref)), 8)
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
