package state

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"math/bits"
	"reflect"
	"unsafe"

	"github.com/tidemill/tidemill/internal/row"
)

// ErrDamaged is wrapped in the error for saved state that does not fit what is loaded from it.
var ErrDamaged = errors.New("saved state is damaged")

// Keeper saves the state of operators and loads it again. Whoever has state shows all of it to a Keeper, always in the same order: Arrays and heaps, of
// which only what was written since the last time is saved, and numbers, which are saved every time. What can be made from these again (hash tables,
// ordered indexes) is not shown but made by a function given to Then.
//
// Saved state is an image of memory: it can be loaded by a program in which the same query has the same state, which Shape tells.
type Keeper struct {
	loading bool
	numbers []byte
	slabs   []slab
	then    []func()
	err     error
}

// slab is an Array or a Heap.
type slab interface {
	// changes appends what was written since the last time.
	changes(dst []byte) []byte
	// forget drops the notes of what was written.
	forget()
	// pageCount and page give everything, page by page.
	pageCount() int
	page(dst []byte, at int) []byte
	// restore reads what changes or page has appended and returns the rest.
	restore(src []byte) ([]byte, error)
	// shape says what an image of the slab looks like.
	shape() string
}

// NewKeeper returns a Keeper that saves what it is shown.
func NewKeeper() *Keeper { return &Keeper{} }

// NewLoader returns a Keeper that loads what it is shown from numbers that another one has saved, and then from images given to Restore.
func NewLoader(numbers []byte) *Keeper { return &Keeper{loading: true, numbers: numbers} }

// Loading says that what is shown is to be set.
func (k *Keeper) Loading() bool { return k.loading }

// Then has f called when everything is loaded; nothing happens when state is saved.
func (k *Keeper) Then(f func()) {
	if k.loading {
		k.then = append(k.then, f)
	}
}

// Number is what Keep takes.
type Number interface {
	~int | ~int8 | ~int16 | ~int32 | ~int64 | ~uint8 | ~uint16 | ~uint32 | ~uint64
}

// Keep saves or loads a number.
func Keep[T Number](k *Keeper, p *T) {
	if !k.loading {
		k.numbers = binary.AppendVarint(k.numbers, int64(*p))
		return
	}
	v, n := binary.Varint(k.numbers)
	if n <= 0 || int64(T(v)) != v {
		k.fail("a number is missing")
		return
	}
	k.numbers = k.numbers[n:]
	*p = T(v)
}

// Bool saves or loads a truth value.
func (k *Keeper) Bool(p *bool) {
	n := uint8(0)
	if *p {
		n = 1
	}
	Keep(k, &n)
	*p = n != 0
}

// Bytes saves or loads a short string of bytes.
func (k *Keeper) Bytes(p *[]byte) {
	n := uint32(len(*p))
	Keep(k, &n)
	if !k.loading {
		k.numbers = append(k.numbers, *p...)
		return
	}
	if uint64(n) > uint64(len(k.numbers)) {
		k.fail("bytes are missing")
		return
	}
	*p = append([]byte(nil), k.numbers[:n]...)
	k.numbers = k.numbers[n:]
}

func (k *Keeper) fail(what string) {
	if k.err == nil {
		k.err = fmt.Errorf("%w: %s", ErrDamaged, what)
	}
}

// Numbers are the numbers shown to a Keeper that saves.
func (k *Keeper) Numbers() []byte { return k.numbers }

// Shape is the same for states of which one can be loaded from what was saved of the other.
func (k *Keeper) Shape() uint64 {
	h := fnv.New64a()
	order := uint16(1)
	_, _ = h.Write(unsafe.Slice((*byte)(unsafe.Pointer(&order)), 2)) // images have the machine's byte order
	for _, s := range k.slabs {
		_, _ = h.Write([]byte(s.shape()))
	}
	return h.Sum64()
}

// Changes appends an image of what was written since the last Changes or Forget.
func (k *Keeper) Changes(dst []byte) []byte {
	for i, s := range k.slabs {
		mark := len(dst)
		dst = binary.AppendUvarint(dst, uint64(i)+1)
		body := len(dst)
		if dst = s.changes(dst); len(dst) == body {
			dst = dst[:mark]
		}
	}
	return binary.AppendUvarint(dst, 0)
}

// Forget drops the notes of what was written, before everything is saved with Pages.
func (k *Keeper) Forget() {
	for _, s := range k.slabs {
		s.forget()
	}
}

// Cursor is a place in the walk of Pages; the zero Cursor is its beginning.
type Cursor struct{ slab, page int }

// Pages appends an image of everything from a place on, of about the given number of bytes, and returns where to go on; done says that that was all.
func (k *Keeper) Pages(dst []byte, from Cursor, bytes int) (image []byte, next Cursor, done bool) {
	begin := len(dst)
	for ; from.slab < len(k.slabs); from = (Cursor{slab: from.slab + 1}) {
		s := k.slabs[from.slab]
		for n := s.pageCount(); from.page < n; from.page++ {
			if len(dst)-begin >= bytes {
				return binary.AppendUvarint(dst, 0), from, false
			}
			dst = s.page(binary.AppendUvarint(dst, uint64(from.slab)+1), from.page)
		}
	}
	return binary.AppendUvarint(dst, 0), from, true
}

// Restore reads an image, the older ones first.
func (k *Keeper) Restore(image []byte) error {
	for k.err == nil {
		i, n := binary.Uvarint(image)
		if n <= 0 || i > uint64(len(k.slabs)) {
			return fmt.Errorf("%w: it has a part that nothing takes", ErrDamaged)
		}
		image = image[n:]
		if i == 0 {
			if len(image) > 0 {
				return fmt.Errorf("%w: it does not end", ErrDamaged)
			}
			return nil
		}
		if image, k.err = k.slabs[i-1].restore(image); k.err != nil {
			return k.err
		}
	}
	return k.err
}

// Loaded ends the loading: what is not saved is made.
func (k *Keeper) Loaded() error {
	if k.err == nil && len(k.numbers) > 0 {
		k.fail("there are more numbers than state")
	}
	if k.err != nil {
		return k.err
	}
	for _, f := range k.then {
		f()
	}
	for _, s := range k.slabs {
		s.forget()
	}
	return nil
}

// Keep shows the array to a Keeper.
func (a *Array[T]) Keep(k *Keeper) {
	if t := reflect.TypeFor[T](); hasPointers(t) {
		panic(fmt.Sprintf("BUG: an Array of %s cannot be saved: it has pointers", t))
	}
	k.slabs = append(k.slabs, a)
	n := uint32(a.len() / granuleRows) // also what was never written has its place
	if Keep(k, &n); k.loading && k.err == nil {
		a.Grow(uint32(min(uint64(n)*granuleRows, None)))
	}
}

func hasPointers(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Array:
		return hasPointers(t.Elem())
	case reflect.Struct:
		for i := range t.NumField() {
			if hasPointers(t.Field(i).Type) {
				return true
			}
		}
		return false
	}
	return t.Kind() > reflect.Complex128
}

func bytesOf[T any](s []T) []byte {
	if len(s) == 0 {
		return nil
	}
	return unsafe.Slice((*byte)(unsafe.Pointer(&s[0])), len(s)*int(unsafe.Sizeof(s[0])))
}

func (a *Array[T]) shape() string {
	return fmt.Sprintf("array of %d;", unsafe.Sizeof(*new(T)))
}

func (a *Array[T]) forget() { clear(a.written) }

// changes appends the length and then runs of granules: how many to skip, how many follow, their elements; 0 granules end it.
func (a *Array[T]) changes(dst []byte) []byte {
	some := false
	for _, w := range a.written {
		if w != 0 {
			some = true
			break
		}
	}
	if !some {
		return dst
	}
	dst = binary.AppendUvarint(dst, uint64(a.len()))
	end := 0
	for first, n := nextRun(a.written, 0); n > 0; first, n = nextRun(a.written, first+n) {
		dst = a.run(dst, first, n, end)
		end = first + n
	}
	a.forget()
	return append(dst, 0, 0)
}

// run appends n granules from first on; the run before ended at end.
func (a *Array[T]) run(dst []byte, first, n, end int) []byte {
	dst = binary.AppendUvarint(binary.AppendUvarint(dst, uint64(first-end)), uint64(n))
	for n > 0 {
		page := a.pages[first*granuleRows>>pageBits]
		from := first * granuleRows & pageMask
		take := min(n, (PageRows-from)/granuleRows)
		dst = append(dst, bytesOf(page[from:from+take*granuleRows])...)
		first, n = first+take, n-take
	}
	return dst
}

func (a *Array[T]) pageCount() int { return len(a.pages) }

func (a *Array[T]) page(dst []byte, at int) []byte {
	dst = binary.AppendUvarint(dst, uint64(a.len()))
	dst = a.run(dst, at*PageRows/granuleRows, len(a.pages[at])/granuleRows, 0)
	return append(dst, 0, 0)
}

func (a *Array[T]) restore(src []byte) ([]byte, error) {
	size, src, err := uvarint(src)
	if err != nil || size > None {
		return nil, fmt.Errorf("%w: the length of an array", ErrDamaged)
	}
	a.Grow(uint32(size))
	for at := uint64(0); ; {
		var skip, n uint64
		if skip, src, err = uvarint(src); err == nil {
			n, src, err = uvarint(src)
		}
		if err != nil {
			return nil, err
		}
		if n == 0 {
			return src, nil
		}
		at += skip
		if total := uint64(a.len()) / granuleRows; at > total || n > total-at {
			return nil, fmt.Errorf("%w: it goes beyond an array", ErrDamaged)
		}
		for ; n > 0; n, at = n-1, at+1 {
			first := int(at) * granuleRows
			into := bytesOf(a.pages[first>>pageBits][first&pageMask:][:granuleRows])
			if len(src) < len(into) {
				return nil, fmt.Errorf("%w: an array is cut short", ErrDamaged)
			}
			src = src[copy(into, src):]
		}
	}
}

func uvarint(src []byte) (uint64, []byte, error) {
	v, n := binary.Uvarint(src)
	if n <= 0 {
		return 0, nil, fmt.Errorf("%w: it is cut short", ErrDamaged)
	}
	return v, src[n:], nil
}

// nextRun finds the next run of bits that are set, from a bit on; n is 0 at the end.
func nextRun(words []uint64, from int) (first, n int) {
	w := from >> 6
	if w >= len(words) {
		return 0, 0
	}
	word := words[w] &^ (1<<(from&63) - 1)
	for word == 0 {
		if w++; w == len(words) {
			return 0, 0
		}
		word = words[w]
	}
	first = w<<6 + bits.TrailingZeros64(word)
	word = ^words[w] &^ (1<<(first&63) - 1)
	for word == 0 {
		if w++; w == len(words) {
			return first, w<<6 - first
		}
		word = ^words[w]
	}
	return first, w<<6 + bits.TrailingZeros64(word) - first
}

// Keep shows the stack to a Keeper.
func (s *Stack) Keep(k *Keeper) {
	s.ids.Keep(k)
	Keep(k, &s.n)
}

// Keep shows the heap to a Keeper.
func (h *Heap) Keep(k *Keeper) {
	k.slabs = append(k.slabs, h)
	Keep(k, &h.fill)
	Keep(k, &h.used)
	for i := range h.free {
		ref := int64(h.free[i])
		Keep(k, &ref)
		h.free[i] = uint64(ref)
	}
	n := uint32(len(h.empty))
	Keep(k, &n)
	for i := range n {
		var page uint32
		if !k.loading {
			page = h.empty[i]
		}
		Keep(k, &page)
		if k.err != nil {
			return
		}
		if k.loading {
			h.empty = append(h.empty, page)
		}
	}
	k.Then(func() {
		h.bytes = 0
		for _, p := range h.pages {
			h.bytes += int64(len(p))
		}
	})
}

func (h *Heap) shape() string { return "heap;" }

func (h *Heap) forget() {
	for _, w := range h.written {
		clear(w)
	}
	h.resized = h.resized[:0]
}

// changes appends, per page: its number + 1, its size, and runs of granules as those of an Array; 0 ends it.
func (h *Heap) changes(dst []byte) []byte {
	mark := len(dst)
	resized := map[uint32]bool{}
	for _, p := range h.resized {
		resized[p] = true
	}
	for p, words := range h.written {
		first, n := nextRun(words, 0)
		if n == 0 && !resized[uint32(p)] {
			continue
		}
		dst = h.head(dst, p)
		end := 0
		for ; n > 0; first, n = nextRun(words, first+n) {
			dst = h.run(dst, p, first, n, end)
			end = first + n
		}
		dst = append(dst, 0, 0)
	}
	h.forget()
	if len(dst) == mark {
		return dst
	}
	return append(dst, 0)
}

func (h *Heap) head(dst []byte, p int) []byte {
	return binary.AppendUvarint(binary.AppendUvarint(dst, uint64(p)+1), uint64(len(h.pages[p])))
}

func (h *Heap) run(dst []byte, p, first, n, end int) []byte {
	page := h.pages[p]
	dst = binary.AppendUvarint(binary.AppendUvarint(dst, uint64(first-end)), uint64(n))
	return append(dst, page[first*heapGranule:min((first+n)*heapGranule, len(page))]...)
}

func (h *Heap) pageCount() int { return len(h.pages) }

func (h *Heap) page(dst []byte, p int) []byte {
	dst = h.head(dst, p)
	if n := len(h.pages[p]); n > 0 {
		dst = h.run(dst, p, 0, (n+heapGranule-1)/heapGranule, 0)
	}
	return append(dst, 0, 0, 0)
}

// heapPageMax bounds the size of a page: that of the longest text there can be.
const heapPageMax = 1 << 31

func (h *Heap) restore(src []byte) ([]byte, error) {
	for {
		p, rest, err := uvarint(src)
		if err != nil || p == 0 {
			return rest, err
		}
		size, rest, err := uvarint(rest)
		if err != nil || p > None || size > heapPageMax {
			return nil, fmt.Errorf("%w: a page of a heap", ErrDamaged)
		}
		p--
		for uint64(len(h.pages)) <= p {
			h.pages, h.written = append(h.pages, nil), append(h.written, nil)
		}
		if uint64(len(h.pages[p])) != size {
			h.pages[p], h.written[p] = nil, nil
			if size > 0 {
				h.pages[p], h.written[p] = make([]byte, size), make([]uint64, granuleWords(int(size)))
			}
		}
		if src, err = restorePage(h.pages[p], rest); err != nil {
			return nil, err
		}
	}
}

func restorePage(page, src []byte) ([]byte, error) {
	for at := uint64(0); ; {
		skip, rest, err := uvarint(src)
		if err != nil {
			return nil, err
		}
		n, rest, err := uvarint(rest)
		if err != nil || n == 0 {
			return rest, err
		}
		at += skip
		total := uint64(len(page)+heapGranule-1) / heapGranule
		if at > total || n > total-at {
			return nil, fmt.Errorf("%w: it goes beyond a heap", ErrDamaged)
		}
		into := page[at*heapGranule : min((at+n)*heapGranule, uint64(len(page)))]
		if len(rest) < len(into) {
			return nil, fmt.Errorf("%w: a heap is cut short", ErrDamaged)
		}
		src = rest[copy(into, rest):]
		at += n
	}
}

// Keep shows the rows to a Keeper.
func (r *Rows) Keep(k *Keeper) {
	for i := range r.cols {
		r.cols[i].keep(k)
	}
	r.heap.Keep(k)
	Keep(k, &r.next)
	r.free.Keep(k)
}

func (c *column) keep(k *Keeper) {
	switch c.phys.Width() {
	case 1:
		c.w1.Keep(k)
	case 2:
		c.w2.Keep(k)
	case 4:
		c.w4.Keep(k)
	case 8:
		c.w8.Keep(k)
	case 16:
		c.w16.Keep(k)
	default:
		c.text.Keep(k)
	}
	c.nulls.Keep(k)
	k.Bool(&c.some)
	Keep(k, &c.n)
}

// rowsAtOnce bounds how many rows Each gathers together.
const rowsAtOnce = 4096

// Each calls f with the ids of all rows, in order, some at a time.
func (r *Rows) Each(f func(ids []uint32)) {
	freed := make([]uint64, (uint64(r.next)+63)/64)
	for i := range r.free.n {
		id := *r.free.ids.Peek(i)
		freed[id>>6] |= 1 << (id & 63)
	}
	ids := make([]uint32, 0, rowsAtOnce)
	for id := range r.next {
		if freed[id>>6]>>(id&63)&1 != 0 {
			continue
		}
		if ids = append(ids, id); len(ids) == rowsAtOnce {
			f(ids)
			ids = ids[:0]
		}
	}
	if len(ids) > 0 {
		f(ids)
	}
}

// Hashes calls f with the ids of all rows and the hashes of their columns.
func (r *Rows) Hashes(f func(ids []uint32, hash []uint64)) {
	cols, hash := make([]row.Vec, len(r.cols)), make([]uint64, rowsAtOnce)
	r.Each(func(ids []uint32) {
		for c := range cols {
			cols[c] = r.Gather(c, ids)
		}
		clear(hash)
		row.Hash(cols, hash[:len(ids)])
		f(ids, hash)
	})
}

// Keep shows the set to a Keeper. Rows that were made not to be found any more must be gone.
func (s *Set) Keep(k *Keeper) {
	s.Rows.Keep(k)
	k.Then(func() { s.index.fill(&s.Rows) })
}

// Fill enters all rows under their hashes, as an index over whole rows has them.
func (x *Index) Fill(r *Rows) { x.fill(r) }

func (x *Index) fill(r *Rows) {
	r.Hashes(func(ids []uint32, hash []uint64) {
		for i, id := range ids {
			x.Add(hash[i], id)
		}
	})
}

// Keep shows the multiset to a Keeper.
func (o *Ordered) Keep(k *Keeper) {
	o.set.Keep(k)
	o.counts.Keep(k)
	k.Then(func() {
		o.set.Each(func(ids []uint32) {
			cols := make([]row.Vec, len(o.types)+1)
			for c := range cols {
				cols[c] = o.set.Gather(c, ids)
			}
			for i, id := range ids {
				if *o.counts.Peek(id) > 0 {
					o.tree.Set(o.item(cols, i, id))
				}
			}
		})
	})
}

// Keep shows it to a Keeper.
func (r *Ranked) Keep(k *Keeper) {
	r.nodes.Keep(k)
	r.rest.Keep(k)
	r.heap.Keep(k)
	if r.rows != nil {
		r.rows.Keep(k)
	}
	r.roots.Keep(k)
	Keep(k, &r.next)
	r.free.Keep(k)
}

// Keep shows the trees to a Keeper.
func (t *Trees) Keep(k *Keeper) {
	t.nodes.Keep(k)
	t.rests.Keep(k)
	t.heap.Keep(k)
	k.Bool(&t.long)
	Keep(k, &t.cap)
}

// Keep shows the agenda to a Keeper.
func (a *Agenda) Keep(k *Keeper) {
	a.set.Keep(k)
	a.counts.Keep(k)
	a.due.Keep(k)
	a.key.Keep(k)
	k.Then(func() {
		a.set.Each(func(ids []uint32) {
			for _, id := range ids {
				a.dates.Add(*a.key.Peek(id), *a.due.Peek(id), id)
			}
		})
	})
}

// Err is the first thing that was wrong with what is loaded.
func (k *Keeper) Err() error { return k.err }

// Fail says that what is loaded is damaged.
func (k *Keeper) Fail(what string) { k.fail(what) }
