package state

import (
	"bytes"
	"cmp"
)

// Trees keeps many sequences of ids in the order of a key: ids with equal keys stay in the order in which they were inserted. Each
// sequence is a treap (Seidel, Aragon: "Randomized Search Trees", Algorithmica 1996) whose priorities are hashes of the ids, so that the
// same changes make the same trees. Nodes know the size of what is below them and their parent: an id's position and the id
// at a position take O(log n) expected time, as do insertion and removal; inserting at the end does not search.
//
// An id is in one tree at most. Ids are dense; those of a Rows are meant.
type Trees struct {
	nodes Array[treeNode]
	rests Array[Text] // grown with the first key that has a rest
	heap  Heap
	long  bool
	cap   uint32
}

// Tree is one of the sequences of a Trees; the zero Tree is empty.
type Tree struct{ root, last uint32 }

// treeNode links to others by id + 1; 0 is nothing.
type treeNode struct {
	left, right, up, size uint32
	num                   uint64
	class                 uint8
}

// Key is a place in the order: by Class, then Num, then the bytes of Rest.
type Key struct {
	Class uint8
	Num   uint64
	Rest  []byte
}

// Compare orders keys.
func (k *Key) Compare(o *Key) int {
	if k.Class != o.Class {
		return cmp.Compare(k.Class, o.Class)
	}
	if k.Num != o.Num {
		return cmp.Compare(k.Num, o.Num)
	}
	return bytes.Compare(k.Rest, o.Rest)
}

// Grow makes room for ids below n.
func (t *Trees) Grow(n uint32) {
	t.cap = n
	t.nodes.Grow(n)
	if t.long {
		t.rests.Grow(n)
	}
}

// Bytes is the memory the trees take.
func (t *Trees) Bytes() int64 { return t.nodes.Bytes() + t.rests.Bytes() + t.heap.Bytes() }

func (t *Trees) at(link uint32) *treeNode { return t.nodes.At(link - 1) }

// peek is at for a node that is only read.
func (t *Trees) peek(link uint32) *treeNode { return t.nodes.Peek(link - 1) }

func (t *Trees) sizeOf(link uint32) uint32 {
	if link == 0 {
		return 0
	}
	return t.peek(link).size
}

// Len is the number of ids in the tree.
func (t *Trees) Len(r *Tree) int { return int(t.sizeOf(r.root)) }

// Last is the last id, or None.
func (t *Trees) Last(r *Tree) uint32 { return r.last - 1 }

// Key returns the key of an id that is in a tree; its Rest is valid until the next change.
func (t *Trees) Key(id uint32) Key {
	n := t.nodes.Peek(id)
	k := Key{Class: n.class, Num: n.num}
	if t.long {
		k.Rest = t.heap.Get(t.rests.Peek(id))
	}
	return k
}

// Compare orders a key and that of an id.
func (t *Trees) Compare(k *Key, id uint32) int {
	n := t.nodes.Peek(id)
	if k.Class != n.class {
		return cmp.Compare(k.Class, n.class)
	}
	if k.Num != n.num {
		return cmp.Compare(k.Num, n.num)
	}
	if !t.long {
		return len(k.Rest)
	}
	return bytes.Compare(k.Rest, t.heap.Get(t.rests.Peek(id)))
}

// Peers reports whether the keys of two ids are equal.
func (t *Trees) Peers(a, b uint32) bool {
	x, y := t.nodes.Peek(a), t.nodes.Peek(b)
	if x.num != y.num || x.class != y.class {
		return false
	}
	if !t.long {
		return true
	}
	return bytes.Equal(t.heap.Get(t.rests.Peek(a)), t.heap.Get(t.rests.Peek(b)))
}

// Insert puts an id that is in no tree behind those whose key is not larger.
func (t *Trees) Insert(r *Tree, id uint32, k *Key) {
	n := t.nodes.At(id)
	*n = treeNode{size: 1, num: k.Num, class: k.Class}
	if len(k.Rest) > 0 && !t.long {
		t.long = true
		t.rests.Grow(t.cap)
	}
	if t.long {
		*t.rests.At(id) = t.heap.Put(k.Rest)
	}
	link := id + 1
	switch {
	case r.root == 0:
		r.root, r.last = link, link
		return
	case t.Compare(k, r.last-1) >= 0:
		t.at(r.last).right, n.up = link, r.last
		r.last = link
		for up := n.up; up != 0; up = t.at(up).up {
			t.at(up).size++
		}
	default:
		t.insertBelow(r.root, link, k)
	}
	for n.up != 0 && priority(link) > priority(n.up) {
		t.rotateUp(r, link)
	}
}

func (t *Trees) insertBelow(at, link uint32, k *Key) {
	for {
		n := t.at(at)
		n.size++
		next := &n.right
		if t.Compare(k, at-1) < 0 {
			next = &n.left
		}
		if *next == 0 {
			*next = link
			t.at(link).up = at
			return
		}
		at = *next
	}
}

// priority mixes the bits of an id (the finalizer of MurmurHash3).
func priority(x uint32) uint32 {
	x ^= x >> 16
	x *= 0x85ebca6b
	x ^= x >> 13
	x *= 0xc2b2ae35
	return x ^ x>>16
}

// rotateUp lets a node and its parent change places.
func (t *Trees) rotateUp(r *Tree, link uint32) {
	n := t.at(link)
	p := n.up
	pn := t.at(p)
	up := pn.up
	if pn.left == link {
		pn.left = n.right
		if n.right != 0 {
			t.at(n.right).up = p
		}
		n.right = p
	} else {
		pn.right = n.left
		if n.left != 0 {
			t.at(n.left).up = p
		}
		n.left = p
	}
	n.size = pn.size
	pn.size = 1 + t.sizeOf(pn.left) + t.sizeOf(pn.right)
	pn.up, n.up = link, up
	t.replace(r, up, p, link)
}

func (t *Trees) replace(r *Tree, up, old, link uint32) {
	switch {
	case up == 0:
		r.root = link
	case t.peek(up).left == old:
		t.at(up).left = link
	default:
		t.at(up).right = link
	}
}

// Remove takes an id out of its tree.
func (t *Trees) Remove(r *Tree, id uint32) {
	t.Unlink(r, id)
	t.Forget(id)
}

// Forget frees the key of an id that Unlink has taken out.
func (t *Trees) Forget(id uint32) {
	if t.long {
		t.heap.Free(t.rests.At(id))
	}
}

// Unlink takes an id out of its tree; its key can still be read.
func (t *Trees) Unlink(r *Tree, id uint32) {
	link := id + 1
	if r.last == link {
		r.last = t.Prev(id) + 1
	}
	n := t.nodes.At(id)
	for n.left != 0 && n.right != 0 {
		child := n.left
		if priority(n.right) > priority(child) {
			child = n.right
		}
		t.rotateUp(r, child)
	}
	child := n.left + n.right // one of them is 0
	if child != 0 {
		t.at(child).up = n.up
	}
	t.replace(r, n.up, link, child)
	for up := n.up; up != 0; up = t.at(up).up {
		t.at(up).size--
	}
}

// Next is the id after one, or None.
func (t *Trees) Next(id uint32) uint32 {
	n := t.nodes.Peek(id)
	if n.right != 0 {
		at := n.right
		for t.peek(at).left != 0 {
			at = t.peek(at).left
		}
		return at - 1
	}
	link := id + 1
	for n.up != 0 && t.peek(n.up).right == link {
		link = n.up
		n = t.peek(link)
	}
	return n.up - 1
}

// Prev is the id before one, or None.
func (t *Trees) Prev(id uint32) uint32 {
	n := t.nodes.Peek(id)
	if n.left != 0 {
		at := n.left
		for t.peek(at).right != 0 {
			at = t.peek(at).right
		}
		return at - 1
	}
	link := id + 1
	for n.up != 0 && t.peek(n.up).left == link {
		link = n.up
		n = t.peek(link)
	}
	return n.up - 1
}

// Position is the number of ids before one in its tree.
func (t *Trees) Position(id uint32) int {
	link := id + 1
	n := t.nodes.Peek(id)
	pos := t.sizeOf(n.left)
	for n.up != 0 {
		up := t.peek(n.up)
		if up.right == link {
			pos += t.sizeOf(up.left) + 1
		}
		link, n = n.up, up
	}
	return int(pos)
}

// Select returns the id at a position, or None if there is none.
func (t *Trees) Select(r *Tree, pos int) uint32 {
	if pos < 0 || pos >= t.Len(r) {
		return None
	}
	rest, at := uint32(pos), r.root
	if pos == t.Len(r)-1 {
		return r.last - 1
	}
	for {
		n := t.peek(at)
		switch left := t.sizeOf(n.left); {
		case rest < left:
			at = n.left
		case rest == left:
			return at - 1
		default:
			rest -= left + 1
			at = n.right
		}
	}
}

// Before counts the ids of a tree whose key is smaller than k, or with equal also those whose key equals it.
func (t *Trees) Before(r *Tree, k *Key, equal bool) int {
	return t.Count(r, func(id uint32) bool {
		c := t.Compare(k, id)
		return c > 0 || equal && c == 0
	})
}

// Count counts the ids for which in is true: they must be the first of the tree.
func (t *Trees) Count(r *Tree, in func(id uint32) bool) int {
	n := uint32(0)
	for at := r.root; at != 0; {
		node := t.peek(at)
		if in(at - 1) {
			n += t.sizeOf(node.left) + 1
			at = node.right
		} else {
			at = node.left
		}
	}
	return int(n)
}
