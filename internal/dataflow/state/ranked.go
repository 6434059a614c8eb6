package state

import (
	"bytes"
	"encoding/binary"

	"github.com/tidemill/tidemill/internal/row"
)

// Ranked keeps, per group, a multiset in order and finds the member of a rank, after any insertions and removals, in time logarithmic in
// the group's distinct members. A member is found by its key, of which the order is that of bytes.Compare; it carries a row.
//
// It is a treap per group (Seidel and Aragon, "Randomized Search Trees", Algorithmica 1996) whose nodes know the weight below them.
// Priorities are hashes of ids, so that the same changes make the same tree.
type Ranked struct {
	nodes Array[rankedNode]
	rest  Array[Text] // of a key what is behind its first eight bytes
	heap  Heap
	rows  *Rows // nil: members carry nothing
	roots Array[uint32]
	next  uint32
	free  Stack
	path  []uint32
}

// rankedNode is a member. Links are ids + 1, 0 for none.
type rankedNode struct {
	num         uint64 // the first eight bytes of the key
	weight, sum int64  // its own; with all below
	left, right uint32
}

// NewRanked returns an empty Ranked whose members carry rows of the types; without types they carry nothing.
func NewRanked(types []row.Type) *Ranked {
	r := &Ranked{}
	if len(types) > 0 {
		r.rows = NewRows(types)
	}
	return r
}

// Grow makes room for groups below n.
func (r *Ranked) Grow(n uint32) { r.roots.Grow(n) }

// Bytes is the memory it takes.
func (r *Ranked) Bytes() int64 {
	n := r.nodes.Bytes() + r.rest.Bytes() + r.heap.Bytes() + r.roots.Bytes() + r.free.Bytes()
	if r.rows != nil {
		n += r.rows.Bytes()
	}
	return n
}

// Len is the sum of the weights of a group's members.
func (r *Ranked) Len(group uint32) int64 {
	if root := *r.roots.Peek(group); root != 0 {
		return r.nodes.Peek(root - 1).sum
	}
	return 0
}

// Add adds w to the weight of the member with the key, which begins with the eight bytes of num and goes on with rest; a member
// of weight 0 is taken out. One that is new carries row i of cols. A weight may be negative in between.
func (r *Ranked) Add(group uint32, num uint64, rest []byte, w int64, cols []row.Vec, i int) {
	if w == 0 {
		return
	}
	root := r.roots.At(group)
	r.path = r.path[:0]
	at := *root
	for at != 0 {
		n := r.nodes.Peek(at - 1)
		c := r.compare(num, rest, at-1, n)
		if c == 0 {
			break
		}
		r.path = append(r.path, at-1)
		if c < 0 {
			at = n.left
		} else {
			at = n.right
		}
	}
	for _, id := range r.path {
		r.nodes.At(id).sum += w
	}
	if at == 0 {
		r.insert(root, r.alloc(num, rest, w, cols, i))
		return
	}
	n := r.nodes.At(at - 1)
	n.weight += w
	n.sum += w
	if n.weight == 0 {
		r.remove(root, at-1)
	}
}

func (r *Ranked) compare(num uint64, rest []byte, id uint32, n *rankedNode) int {
	switch {
	case num < n.num:
		return -1
	case num > n.num:
		return 1
	}
	return bytes.Compare(rest, r.restOf(id))
}

func (r *Ranked) restOf(id uint32) []byte {
	if len(r.rest.pages) == 0 {
		return nil
	}
	return r.heap.Get(r.rest.Peek(id))
}

func (r *Ranked) alloc(num uint64, rest []byte, w int64, cols []row.Vec, i int) uint32 {
	var id uint32
	switch {
	case r.rows != nil:
		id = r.rows.Add(cols, i)
	case r.free.Len() > 0:
		id = r.free.Pop()
	case r.next == None:
		panic("BUG: more members than ids; Room tells before")
	default:
		id = r.next
	}
	r.next = max(r.next, id+1)
	r.nodes.Grow(r.next)
	*r.nodes.At(id) = rankedNode{num: num, weight: w, sum: w}
	if len(rest) > 0 || len(r.rest.pages) > 0 {
		r.rest.Grow(r.next)
		*r.rest.At(id) = r.heap.Put(rest)
	}
	return id
}

// treapPriority is the priority of a node: its parent's is smaller.
func treapPriority(id uint32) uint32 {
	x := id*0x9e3779b1 + 0x7f4a7c15
	x = (x ^ x>>16) * 0x85ebca6b
	x = (x ^ x>>13) * 0xc2b2ae35
	return x ^ x>>16
}

// insert hangs a new node under the last of the path and lifts it to where its treapPriority belongs.
func (r *Ranked) insert(root *uint32, id uint32) {
	if len(r.path) == 0 {
		*root = id + 1
		return
	}
	n := r.nodes.At(id)
	parent := r.path[len(r.path)-1]
	p := r.nodes.At(parent)
	if r.compare(n.num, r.restOf(id), parent, p) < 0 {
		p.left = id + 1
	} else {
		p.right = id + 1
	}
	for k := len(r.path) - 1; k >= 0; k-- {
		parent := r.path[k]
		if treapPriority(parent) <= treapPriority(id) {
			return
		}
		r.lift(parent, id)
		if k == 0 {
			*root = id + 1
		} else {
			r.relink(r.path[k-1], parent, id)
		}
	}
}

// lift makes a child the parent of its parent.
func (r *Ranked) lift(parent, child uint32) {
	p, c := r.nodes.At(parent), r.nodes.At(child)
	if p.left == child+1 {
		p.left, c.right = c.right, parent+1
	} else {
		p.right, c.left = c.left, parent+1
	}
	c.sum = p.sum
	p.sum = p.weight + r.sumOf(p.left) + r.sumOf(p.right)
}

func (r *Ranked) sumOf(link uint32) int64 {
	if link == 0 {
		return 0
	}
	return r.nodes.Peek(link - 1).sum
}

func (r *Ranked) relink(parent, from, to uint32) {
	if p := r.nodes.At(parent); p.left == from+1 {
		p.left = to + 1
	} else {
		p.right = to + 1
	}
}

// remove takes out a node of weight 0 whose ancestors are the path: it sinks until it has one child at most.
func (r *Ranked) remove(root *uint32, id uint32) {
	for {
		n := r.nodes.At(id)
		next := n.left | n.right
		if n.left != 0 && n.right != 0 {
			next = n.left
			if treapPriority(n.right-1) < treapPriority(n.left-1) {
				next = n.right
			}
			r.lift(id, next-1)
			r.replace(root, id, next)
			r.path = append(r.path, next-1)
			continue
		}
		r.replace(root, id, next)
		break
	}
	if len(r.rest.pages) > 0 {
		r.heap.Free(r.rest.At(id))
	}
	if r.rows != nil {
		r.rows.Remove(id)
	} else {
		r.free.Push(id)
	}
}

// replace puts a link where the path leads to id.
func (r *Ranked) replace(root *uint32, id, link uint32) {
	if len(r.path) == 0 {
		*root = link
		return
	}
	if p := r.nodes.At(r.path[len(r.path)-1]); p.left == id+1 {
		p.left = link
	} else {
		p.right = link
	}
}

// At returns the id of the member at the place k of a group in which every member stands as often as its weight says, 0 ≤ k < Len.
func (r *Ranked) At(group uint32, k int64) uint32 {
	at := *r.roots.Peek(group)
	for at != 0 {
		n := r.nodes.Peek(at - 1)
		if below := r.sumOf(n.left); k < below {
			at = n.left
		} else if k -= below; k < n.weight {
			return at - 1
		} else {
			k -= n.weight
			at = n.right
		}
	}
	return None
}

// Walk calls f with the members of a group and their weights in order, or from the last to the first, until f returns false.
func (r *Ranked) Walk(group uint32, backwards bool, f func(id uint32, weight int64) bool) {
	stack := r.path[:0]
	at := *r.roots.Peek(group)
	for at != 0 || len(stack) > 0 {
		for at != 0 {
			stack = append(stack, at-1)
			if n := r.nodes.Peek(at - 1); backwards {
				at = n.right
			} else {
				at = n.left
			}
		}
		id := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		n := r.nodes.Peek(id)
		if !f(id, n.weight) {
			break
		}
		if at = n.right; backwards {
			at = n.left
		}
	}
	r.path = stack[:0]
}

// DropLast takes away w of the weight of the last member of a group, or what it has if that is less, and returns how much that was.
func (r *Ranked) DropLast(group uint32, w int64) int64 {
	root := r.roots.At(group)
	at := *root
	if at == 0 {
		return 0
	}
	r.path = r.path[:0]
	for n := r.nodes.Peek(at - 1); n.right != 0; n = r.nodes.Peek(at - 1) {
		r.path = append(r.path, at-1)
		at = n.right
	}
	n := r.nodes.At(at - 1)
	w = min(w, n.weight)
	for _, id := range r.path {
		r.nodes.At(id).sum -= w
	}
	n.weight -= w
	n.sum -= w
	if n.weight == 0 {
		r.remove(root, at-1)
	}
	return w
}

// Num returns the first eight bytes of a member's key.
func (r *Ranked) Num(id uint32) uint64 { return r.nodes.Peek(id).num }

// Gather returns column c of the members' rows; None gives null.
func (r *Ranked) Gather(c int, ids []uint32) row.Vec { return r.rows.GatherOrNull(c, ids) }

// TextBytes is the number of bytes that column c of the members' rows takes if it is one of texts, 0 for others.
func (r *Ranked) TextBytes(c int, ids []uint32) int64 { return r.rows.TextBytes(c, ids) }

// Clear takes out all members of a group; it costs as much as there are.
func (r *Ranked) Clear(group uint32) {
	for r.DropLast(group, 1<<62) > 0 {
	}
}

// Room reports whether n more members have ids.
func (r *Ranked) Room(n int) bool { return uint64(r.next)+uint64(n) <= None }

// SplitKey splits a key into its first eight bytes as a number, zeros filling up a shorter one, and the others. Keys no one of which is a prefix of another
// keep their order.
func SplitKey(key []byte) (num uint64, rest []byte) {
	if len(key) >= 8 {
		return binary.BigEndian.Uint64(key), key[8:]
	}
	var b [8]byte
	copy(b[:], key)
	return binary.BigEndian.Uint64(b[:]), nil
}
