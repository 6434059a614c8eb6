package view

import (
	"fmt"
	"slices"

	"github.com/tidemill/tidemill/internal/row"
)

// Lookup returns the rows whose given columns equal the values, at most limit of them (0: all, up to
// ResultRowsMax), in no particular order. Nulls are equal here. If the columns include the relation's key it is answered by
// the key index, if they include leading columns of the key by the ordered index (see Range), else by a scan.
// The values must have the columns' types; errors wrap ErrInvalid, ErrTooLarge or are ErrClosed.
func (p *Snapshot) Lookup(columns []int, values []row.Value, limit int) (*row.Batch, error) {
	if p.closed.Load() {
		return nil, ErrClosed
	}
	if len(columns) != len(values) {
		return nil, invalid("%d values for %d columns", len(values), len(columns))
	}
	want, err := columnsOf(p.s.opts.Schema, columns, values)
	if err != nil {
		return nil, err
	}
	if limit <= 0 || limit > ResultRowsMax {
		limit = ResultRowsMax + 1
	}
	if p.s.log != nil {
		return p.scanLogged(columns, want, limit)
	}
	t := p.s.table
	lead := make([]row.Vec, 0, len(t.key))
	for _, k := range t.key {
		i := slices.Index(columns, k)
		if i < 0 {
			break
		}
		lead = append(lead, want[i])
	}
	g := gathering{p: p, columns: columns, want: want, limit: limit}
	var one [1]ref
	switch {
	case len(lead) == len(t.key):
		g.refs = one[:0]
		if r, ok := p.byKey(lead); ok {
			g.add(r)
		}
	case len(lead) > 0 && !t.multiset:
		g.byPrefix(lead)
	default:
		g.scan()
	}
	return g.result()
}

// byKey finds the row of a key.
func (p *Snapshot) byKey(key []row.Vec) (ref, bool) {
	t := p.s.table
	var hash [1]uint64
	row.Hash(key, hash[:])
	for pr := t.index.probe(hash[0]); ; {
		id, ok := pr.next()
		if !ok {
			return ref{}, false
		}
		if c := t.chunk(id); c != nil && t.keyEqual(c, int(id&slotMask), key, 0) {
			return t.resolve(p.v, id)
		}
	}
}

// gathering collects the rows of a table that match.
type gathering struct {
	p       *Snapshot
	columns []int
	want    []row.Vec
	limit   int
	refs    []ref
}

func (g *gathering) full() bool { return len(g.refs) >= g.limit }

// add adds the row, with its copies, if it matches.
func (g *gathering) add(r ref) {
	for i, c := range g.columns {
		if !r.c.cols[c].equal(int(r.slot), &g.want[i], 0) {
			return
		}
	}
	g.addCopies(r)
}

func (g *gathering) addCopies(r ref) {
	for w := r.c.weight(int(r.slot)); w > 0 && !g.full(); w-- {
		g.refs = append(g.refs, r)
	}
}

func (g *gathering) byPrefix(lead []row.Vec) {
	prefix := appendKeyOf(nil, lead)
	g.p.s.ensureOrder()
	for it := newOrderIterator(g.p, prefix, keyEnd(prefix), false); !g.full(); {
		r, _, ok := it.next()
		if !ok {
			return
		}
		g.add(r)
	}
}

// scan looks at all rows, a column at a time.
func (g *gathering) scan() {
	it := &Iterator{v: g.p.v, walk: walk{t: &g.p.s.table.chunks, end: (g.p.v.next + slotMask) >> slotBits}}
	sel := make([]int32, 0, chunkRows)
	for !g.full() && it.begin() {
		if len(g.columns) == 0 {
			sel = allOf(it.n, sel[:0])
		}
		for i, c := range g.columns {
			v := it.c.cols[c].vec(it.n)
			if i == 0 {
				sel = matchAll(&v, &g.want[i], sel[:0])
			} else {
				sel = matchMore(&v, &g.want[i], sel)
			}
			if len(sel) == 0 {
				break
			}
		}
		for _, slot := range sel {
			if !g.full() && it.c.visible(int(slot), g.p.v.tick) {
				g.addCopies(ref{it.c, slot})
			}
		}
	}
}

func allOf(n int, sel []int32) []int32 {
	for i := range n {
		sel = append(sel, int32(i))
	}
	return sel
}

func (g *gathering) result() (*row.Batch, error) {
	if len(g.refs) > ResultRowsMax {
		return nil, fmt.Errorf("%w: more than %d rows", ErrTooLarge, ResultRowsMax)
	}
	return gatherResult(g.p.s.types, g.refs)
}

// scanLogged is Lookup on an append-only relation.
func (p *Snapshot) scanLogged(columns []int, want []row.Vec, limit int) (*row.Batch, error) {
	var found []*row.Batch
	rows, size := 0, int64(0)
	for _, level := range p.v.levels {
		for _, b := range level {
			if rows >= limit {
				break
			}
			sel := matchBatch(b, columns, want)
			if len(sel) == 0 {
				continue
			}
			m := b.Gather(sel[:min(len(sel), limit-rows)])
			rows += m.Len
			if size += m.Size(); size > resultTextMax {
				return nil, fmt.Errorf("%w: more than 1 GiB", ErrTooLarge)
			}
			found = append(found, m)
		}
	}
	if rows > ResultRowsMax {
		return nil, fmt.Errorf("%w: more than %d rows", ErrTooLarge, ResultRowsMax)
	}
	if rows == 0 {
		return gatherRefs(p.s.types, nil), nil
	}
	return row.Concat(found), nil
}

func matchBatch(b *row.Batch, columns []int, want []row.Vec) []int32 {
	if len(columns) == 0 {
		return allOf(b.Len, nil)
	}
	sel := matchAll(&b.Cols[columns[0]], &want[0], nil)
	for i, c := range columns[1:] {
		sel = matchMore(&b.Cols[c], &want[i+1], sel)
	}
	return sel
}

// resolve returns the version of a row that v sees, given the newest version in the index. Any goroutine may
// call it.
func (t *table) resolve(v *version, id uint64) (ref, bool) {
	for id >= v.next {
		c := t.chunk(id)
		if c == nil {
			return ref{}, false
		}
		prev := c.prev[id&slotMask]
		if prev == 0 {
			return ref{}, false
		}
		id = prev - 1
	}
	c := t.chunk(id)
	if c == nil || !c.visible(int(id&slotMask), v.tick) {
		return ref{}, false
	}
	return ref{c, int32(id & slotMask)}, true
}
