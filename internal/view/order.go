package view

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"slices"
	"sync"
	"sync/atomic"
	"unsafe"

	"github.com/tidwall/btree"

	"github.com/tidemill/tidemill/internal/row"
)

const (
	leafKeysMax  = 128
	leafBytesMax = 16 << 10
	// leafRunMax bounds the keys that go into the tree at once, and so the time for which readers wait.
	leafRunMax = 1024
	// orderCatchUp is the number of rows that the builder of the index adds while the writer waits.
	orderCatchUp = 1024
	// orderRounds bounds the builder's attempts to catch up without the writer waiting.
	orderRounds = 16
)

// order is the ordered index: the set of the keys that are in the index, in order, each with its hash. It knows
// nothing of rows and versions (the index does), so an update of a row does not touch it. It is built when first
// asked for, by the one who asks, and kept from then on by the writer.
//
// Keys lie in leaves, immutable blocks of bytes that the tree sorts by their first key: the garbage
// collector sees an object per 100 keys, and readers need the lock only to get from leaf to leaf.
type order struct {
	ready    atomic.Bool
	building sync.Mutex

	mu    sync.RWMutex // held by readers to find a leaf, by the writer to replace some
	tree  *btree.BTreeG[span]
	keys  int64
	bytes int64
}

// span is a leaf with its first key, which aliases it.
type span struct {
	first string
	leaf  leaf
}

// leaf is n (4 bytes), n hashes (8 bytes each), n+1 offsets (4 bytes each), and the keys.
type leaf []byte

func (l leaf) len() int {
	if l == nil {
		return 0
	}
	return int(binary.LittleEndian.Uint32(l))
}

func (l leaf) hash(i int) uint64 { return binary.LittleEndian.Uint64(l[4+8*i:]) }

func (l leaf) key(i int) []byte {
	at := 4 + 8*l.len() + 4*i
	return l[binary.LittleEndian.Uint32(l[at:]):binary.LittleEndian.Uint32(l[at+4:])]
}

// ceiling returns the position of the first key at or after a key.
func (l leaf) ceiling(key []byte) int {
	lo, hi := 0, l.len()
	for lo < hi {
		mid := (lo + hi) / 2
		if bytes.Compare(l.key(mid), key) < 0 {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo
}

func (l leaf) appendAll(keys []orderKey) []orderKey {
	for i := range l.len() {
		keys = append(keys, orderKey{l.key(i), l.hash(i)})
	}
	return keys
}

// orderKey is an encoded key with its hash.
type orderKey struct {
	key  []byte
	hash uint64
}

func newSpan(keys []orderKey) span {
	n, size := len(keys), 0
	for _, k := range keys {
		size += len(k.key)
	}
	head := 4 + 8*n + 4*(n+1)
	l := make(leaf, head, head+size)
	binary.LittleEndian.PutUint32(l, uint32(n))
	for i, k := range keys {
		binary.LittleEndian.PutUint64(l[4+8*i:], k.hash)
		binary.LittleEndian.PutUint32(l[4+8*n+4*i:], uint32(len(l)))
		l = append(l, k.key...)
	}
	binary.LittleEndian.PutUint32(l[head-4:], uint32(len(l)))
	return span{first: text(l.key(0)), leaf: l}
}

// text returns bytes that never change as a string.
func text(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

func (o *order) init() {
	o.tree = btree.NewBTreeGOptions(func(a, b span) bool { return a.first < b.first }, btree.Options{NoLocks: true})
}

func (o *order) size() (keys, bytes int64) {
	o.mu.RLock()
	defer o.mu.RUnlock()
	return o.keys, o.bytes
}

// at returns the leaf in which a key is or would be, and the first key of the leaf after it, which is empty
// behind the last one. Without ok there are no leaves.
func (o *order) at(key []byte) (s span, after string, ok bool) {
	o.tree.Descend(span{first: text(key)}, func(it span) bool {
		s, ok = it, true
		return false
	})
	if !ok {
		s, ok = o.tree.Min()
	}
	if ok {
		o.tree.Ascend(s, func(it span) bool {
			after = it.first
			return it.first == s.first
		})
		if after == s.first {
			after = ""
		}
	}
	return s, after, ok
}

// ceiling returns the leaf with the first key at or after a key.
func (o *order) ceiling(key []byte) (l leaf, ok bool) {
	o.mu.RLock()
	defer o.mu.RUnlock()
	o.tree.Descend(span{first: text(key)}, func(it span) bool {
		l, ok = it.leaf, it.leaf.ceiling(key) < it.leaf.len()
		return false
	})
	if !ok {
		o.tree.Ascend(span{first: text(key)}, func(it span) bool {
			l, ok = it.leaf, true
			return false
		})
	}
	return l, ok
}

// below returns the leaf with the last key before a key.
func (o *order) below(key []byte) (l leaf, ok bool) {
	o.mu.RLock()
	defer o.mu.RUnlock()
	o.tree.Descend(span{first: text(key)}, func(it span) bool {
		l, ok = it.leaf, it.first < text(key)
		return !ok
	})
	return l, ok
}

// replace puts leaves in the place of others. It is one step for readers: no key is missing in between.
func (o *order) replace(old, fresh []span) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, s := range old {
		o.keys -= int64(s.leaf.len())
		o.bytes -= int64(cap(s.leaf))
		o.tree.Delete(s)
	}
	for _, s := range fresh {
		o.keys += int64(s.leaf.len())
		o.bytes += int64(cap(s.leaf))
		o.tree.Set(s)
	}
}

// add adds keys, which are sorted; those that are there already stay.
func (o *order) add(keys []orderKey) {
	var all []orderKey
	for len(keys) > 0 {
		old, after, ok := o.at(keys[0].key)
		n := run(keys, after)
		all = mergeKeys(all[:0], old.leaf, keys[:n])
		if had := old.leaf.len(); len(all) > had {
			fill := leafKeysMax * 3 / 4
			if after == "" && (had == 0 || bytes.Compare(old.leaf.key(had-1), keys[0].key) < 0) {
				fill = leafKeysMax // keys that come in order fill their leaves
			}
			var gone []span
			if ok {
				gone = []span{old}
			}
			o.replace(gone, cut(all, fill))
		}
		keys = keys[n:]
	}
}

// run counts the leading keys that are below after, if after is not empty.
func run(keys []orderKey, after string) int {
	n := 0
	for n < len(keys) && n < leafRunMax && (after == "" || text(keys[n].key) < after) {
		n++
	}
	return n
}

// mergeKeys appends the keys of a leaf (or none) and of more, which is sorted, in order and each once.
func mergeKeys(dst []orderKey, l leaf, more []orderKey) []orderKey {
	i, n := 0, l.len()
	for k, m := range more {
		if k > 0 && bytes.Equal(m.key, more[k-1].key) {
			continue
		}
		for i < n && bytes.Compare(l.key(i), m.key) < 0 {
			dst = append(dst, orderKey{l.key(i), l.hash(i)})
			i++
		}
		if i == n || !bytes.Equal(l.key(i), m.key) {
			dst = append(dst, m)
		}
	}
	for ; i < n; i++ {
		dst = append(dst, orderKey{l.key(i), l.hash(i)})
	}
	return dst
}

// cut makes leaves of keys: evenly filled ones, but for those of long keys, or, with the
// most keys a leaf may have, full ones.
func cut(keys []orderKey, fill int) []span {
	var out []span
	if len(keys) > leafKeysMax && fill < leafKeysMax {
		pieces := (len(keys) + fill - 1) / fill
		fill = (len(keys) + pieces - 1) / pieces
	} else {
		fill = leafKeysMax
	}
	for len(keys) > 0 {
		n, size := 0, 0
		for n < len(keys) && n < fill && (n == 0 || size+len(keys[n].key) <= leafBytesMax) {
			size += len(keys[n].key)
			n++
		}
		out = append(out, newSpan(keys[:n]))
		keys = keys[n:]
	}
	return out
}

// remove removes keys, which are sorted, as far as they are there.
func (o *order) remove(keys []orderKey) {
	var left []orderKey
	for len(keys) > 0 {
		old, after, ok := o.at(keys[0].key)
		if !ok {
			return
		}
		n := run(keys, after)
		left = left[:0]
		for i, gone := 0, keys[:n]; i < old.leaf.len(); i++ {
			key := old.leaf.key(i)
			for len(gone) > 0 && bytes.Compare(gone[0].key, key) < 0 {
				gone = gone[1:]
			}
			if len(gone) == 0 || !bytes.Equal(gone[0].key, key) {
				left = append(left, orderKey{key, old.leaf.hash(i)})
			}
		}
		o.shrink(old, after, left)
		keys = keys[n:]
	}
}

// shrink leaves of a leaf only the given keys, together with the next leaf when both are small.
func (o *order) shrink(old span, after string, left []orderKey) {
	if len(left) == old.leaf.len() {
		return
	}
	gone := []span{old}
	if len(left) < leafKeysMax/4 && after != "" {
		next, ok := o.tree.Get(span{first: after})
		if ok && next.leaf.len() < leafKeysMax/2 && len(next.leaf) < leafBytesMax/2 {
			left = next.leaf.appendAll(left)
			gone = append(gone, next)
		}
	}
	o.replace(gone, cut(left, leafKeysMax))
}

// orderKeys returns the sorted keys of the given rows of the key columns.
func orderKeys(cols []row.Vec, hashes []uint64, at []int32) []orderKey {
	var buf []byte
	keys := make([]orderKey, len(at))
	ends := make([]int, len(at))
	for k, i := range at {
		for c := range cols {
			buf = row.AppendKey(buf, &cols[c], int(i))
		}
		ends[k] = len(buf)
	}
	from := 0
	for k, i := range at {
		keys[k] = orderKey{buf[from:ends[k]], hashes[i]}
		from = ends[k]
	}
	sortKeys(keys)
	return keys
}

// sortKeys sorts keys. It compares the eight bytes after what all have in common first, which spares most
// comparisons a look at the keys.
func sortKeys(keys []orderKey) {
	if len(keys) < 2 {
		return
	}
	common := len(keys[0].key)
	for _, k := range keys[1:] {
		n := 0
		for n < common && n < len(k.key) && k.key[n] == keys[0].key[n] {
			n++
		}
		common = n
	}
	type prefixed struct {
		prefix uint64
		orderKey
	}
	ps := make([]prefixed, len(keys))
	for i, k := range keys {
		var first [8]byte
		copy(first[:], k.key[common:])
		ps[i] = prefixed{binary.BigEndian.Uint64(first[:]), k}
	}
	slices.SortFunc(ps, func(a, b prefixed) int {
		if c := cmp.Compare(a.prefix, b.prefix); c != 0 {
			return c
		}
		return bytes.Compare(a.key, b.key)
	})
	for i := range ps {
		keys[i] = ps[i].orderKey
	}
}
