package view

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"sort"

	"github.com/tidemill/tidemill/internal/row"
)

// RangeQuery selects rows in the order of the relation's key (of all columns from the first on, for a multiset; of
// arrival, for an append-only relation, where only After, Limit and Descending apply). Nulls are above all values.
type RangeQuery struct {
	// Prefix gives the values of leading key columns, at most all of them.
	Prefix []row.Value
	// From and To bound the key column after those of Prefix; nil leaves that side open. A bounded column that is
	// null is outside, as in SQL.
	From, To *row.Value
	// FromExclusive and ToExclusive leave out the bound itself.
	FromExclusive, ToExclusive bool
	// After is a cursor: only rows behind it, in the order of the query. Nil starts at the beginning.
	After []byte
	// Limit bounds the rows returned; 0 stands for ResultRowsMax.
	Limit int
	// Descending turns the order round.
	Descending bool
}

// Range returns rows in order and, when there are more, the cursor behind them, else nil. A cursor is opaque, stays
// good for later snapshots of the relation, and must be used with the same query.
// The first Range of a relation builds its ordered index, which takes some tenths of a second per million rows
// and is paid by the caller alone. Errors wrap ErrInvalid, ErrTooLarge or are ErrClosed.
func (p *Snapshot) Range(q RangeQuery) (rows *row.Batch, next []byte, err error) {
	if p.closed.Load() {
		return nil, nil, ErrClosed
	}
	if q.Limit <= 0 || q.Limit > ResultRowsMax {
		q.Limit = ResultRowsMax
	}
	if p.s.log != nil {
		return p.rangeLogged(q)
	}
	lo, hi, err := p.bounds(q)
	if err != nil {
		return nil, nil, err
	}
	copies, after, err := readCursor(q.After)
	if err != nil {
		return nil, nil, err
	}
	if q.After != nil {
		lo, hi = moveBounds(lo, hi, after, copies, q.Descending)
	}
	p.s.ensureOrder()
	refs, next := p.page(newOrderIterator(p, lo, hi, q.Descending), q.Limit, copies, after)
	rows, err = gatherResult(p.s.types, refs)
	if err != nil {
		return nil, nil, err
	}
	return rows, next, nil
}

// page takes up to limit rows. Of the row with the key after, copies have been returned before.
func (p *Snapshot) page(it *orderIterator, limit int, copies int64, after []byte) (refs []ref, next []byte) {
	var last []byte
	var taken int64
	for {
		r, key, ok := it.next()
		if !ok {
			return refs, nil
		}
		have, skip := r.c.weight(int(r.slot)), int64(0)
		if copies > 0 && bytes.Equal(key, after) {
			skip = min(copies, have)
		}
		if have == skip {
			continue
		}
		if len(refs) == limit {
			return refs, appendCursor(nil, taken, last)
		}
		take := min(have-skip, int64(limit-len(refs)))
		for range take {
			refs = append(refs, r)
		}
		if skip+take < have {
			return refs, appendCursor(nil, skip+take, key)
		}
		last, taken = key, 0
	}
}

// bounds returns the encoded bounds of a query: lo <= key < hi.
func (p *Snapshot) bounds(q RangeQuery) (lo, hi []byte, err error) {
	schema, key := p.s.opts.Schema, p.s.table.key
	bounded := q.From != nil || q.To != nil
	if len(q.Prefix) > len(key) || (bounded && len(q.Prefix) == len(key)) {
		return nil, nil, invalid("the key has %d columns", len(key))
	}
	vals, err := columnsOf(schema, key[:len(q.Prefix)], q.Prefix)
	if err != nil {
		return nil, nil, err
	}
	prefix := appendKeyOf(nil, vals)
	if !bounded {
		return prefix, keyEnd(prefix), nil
	}
	column := schema[key[len(q.Prefix)]]
	null := row.NullVec(column.Type, 1)
	lo, hi = prefix, row.AppendKey(prefix[:len(prefix):len(prefix)], &null, 0)
	if q.From != nil {
		if lo, err = appendBound(prefix, column, *q.From, q.FromExclusive); err != nil {
			return nil, nil, err
		}
	}
	if q.To != nil {
		if hi, err = appendBound(prefix, column, *q.To, !q.ToExclusive); err != nil {
			return nil, nil, err
		}
	}
	return lo, hi, nil
}

// appendBound returns the key of a value behind a prefix, or what is above all keys that have it.
func appendBound(prefix []byte, column row.Column, v row.Value, above bool) ([]byte, error) {
	if v.Null {
		return nil, invalid("a bound of column %s is null", column.Name)
	}
	vec, err := oneValue(column, v, new(uint64))
	if err != nil {
		return nil, err
	}
	b := row.AppendKey(prefix[:len(prefix):len(prefix)], &vec, 0)
	if above {
		b = keyEnd(b)
	}
	return b, nil
}

// moveBounds leaves out what a cursor has passed; the row it stands at only if none of its copies are left.
func moveBounds(lo, hi, after []byte, copies int64, descending bool) ([]byte, []byte) {
	behind := append(after[:len(after):len(after)], 0)
	from, to := behind, after
	if copies > 0 {
		from, to = after, behind
	}
	if descending {
		if bytes.Compare(to, hi) < 0 {
			hi = to
		}
	} else if bytes.Compare(from, lo) > 0 {
		lo = from
	}
	return lo, hi
}

// A cursor is the number of copies of its row that have been returned, 0 for all of them, and the row's key; or the
// position of the next row, in an append-only relation.
func appendCursor(dst []byte, copies int64, key []byte) []byte {
	return append(binary.AppendUvarint(dst, uint64(copies)), key...)
}

func readCursor(b []byte) (copies int64, key []byte, err error) {
	if b == nil {
		return 0, nil, nil
	}
	n, size := binary.Uvarint(b)
	if size <= 0 || int64(n) < 0 {
		return 0, nil, invalid("the cursor is damaged")
	}
	return int64(n), b[size:], nil
}

// orderIterator goes through the rows a snapshot sees, by key. Leaves it has passed may have been replaced since: it
// finds the next one by the last key.
type orderIterator struct {
	p          *Snapshot
	lo, hi     []byte
	descending bool
	leaf       leaf
	at         int
	buf        []byte
}

func newOrderIterator(p *Snapshot, lo, hi []byte, descending bool) *orderIterator {
	return &orderIterator{p: p, lo: lo, hi: hi, descending: descending}
}

// next returns the next row and its key, which never changes.
func (it *orderIterator) next() (ref, []byte, bool) {
	for {
		key, hash, ok := it.step()
		if !ok {
			return ref{}, nil, false
		}
		if r, ok := it.find(key, hash); ok {
			return r, key, true
		}
	}
}

func (it *orderIterator) step() (key []byte, hash uint64, ok bool) {
	if bytes.Compare(it.lo, it.hi) >= 0 {
		return nil, 0, false
	}
	o := &it.p.s.table.order
	if it.leaf == nil {
		if it.descending {
			if it.leaf, ok = o.below(it.hi); !ok {
				return nil, 0, false
			}
			it.at = it.leaf.ceiling(it.hi) - 1
		} else {
			if it.leaf, ok = o.ceiling(it.lo); !ok {
				return nil, 0, false
			}
			it.at = it.leaf.ceiling(it.lo)
		}
	}
	l := it.leaf
	key, hash = l.key(it.at), l.hash(it.at)
	if it.descending {
		it.hi = key
		it.at--
	} else {
		it.at++
	}
	switch {
	case it.descending && it.at < 0:
		it.leaf = nil
	case !it.descending && it.at == l.len():
		it.leaf, it.lo = nil, append(key[:len(key):len(key)], 0)
	}
	if it.descending {
		return key, hash, bytes.Compare(key, it.lo) >= 0
	}
	return key, hash, bytes.Compare(key, it.hi) < 0
}

// find returns the row of an encoded key.
func (it *orderIterator) find(key []byte, hash uint64) (ref, bool) {
	t := it.p.s.table
	for pr := t.index.probe(hash); ; {
		id, ok := pr.next()
		if !ok {
			return ref{}, false
		}
		c := t.chunk(id)
		if c == nil {
			continue
		}
		it.buf = t.appendSlotKey(it.buf[:0], c, int(id&slotMask))
		if bytes.Equal(it.buf, key) {
			return t.resolve(it.p.v, id)
		}
	}
}

// rangeLogged pages through an append-only relation.
func (p *Snapshot) rangeLogged(q RangeQuery) (*row.Batch, []byte, error) {
	if len(q.Prefix) > 0 || q.From != nil || q.To != nil {
		return nil, nil, invalid("the relation has no key")
	}
	lo, hi := int64(0), p.v.rows
	if q.After != nil {
		at, rest, err := readCursor(q.After)
		if err != nil || len(rest) > 0 {
			return nil, nil, invalid("the cursor is damaged")
		}
		if q.Descending {
			hi = min(hi, at)
		} else {
			lo = min(hi, at)
		}
	}
	var next []byte
	if hi-lo > int64(q.Limit) {
		if q.Descending {
			lo = hi - int64(q.Limit)
			next = appendCursor(nil, lo, nil)
		} else {
			hi = lo + int64(q.Limit)
			next = appendCursor(nil, hi, nil)
		}
	}
	b, err := p.logged(lo, hi)
	if err != nil {
		return nil, nil, err
	}
	if q.Descending {
		at := make([]int32, b.Len)
		for i := range at {
			at[i] = int32(b.Len - 1 - i)
		}
		b = b.Gather(at)
	}
	return b, next, nil
}

// logged returns the rows of an append-only relation from one position to another.
func (p *Snapshot) logged(lo, hi int64) (*row.Batch, error) {
	first, size := int64(0), int64(0)
	var found []*row.Batch
	for level, batches := range p.v.levels {
		i := 0
		if level == 0 {
			if i = sort.Search(len(p.v.starts), func(i int) bool { return p.v.starts[i] > lo }) - 1; i < 0 {
				i = 0
			} else {
				first = p.v.starts[i]
			}
		}
		for ; i < len(batches) && first < hi; i++ {
			b := batches[i]
			from, to := max(lo-first, 0), min(hi-first, int64(b.Len))
			first += int64(b.Len)
			if from >= to {
				continue
			}
			b = b.Slice(int(from), int(to))
			if size += b.Size(); size > resultTextMax {
				return nil, fmt.Errorf("%w: more than 1 GiB", ErrTooLarge)
			}
			found = append(found, b)
		}
	}
	if len(found) == 0 {
		return gatherRefs(p.s.types, nil), nil
	}
	return row.Concat(found), nil
}
