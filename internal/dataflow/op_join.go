package dataflow

import (
	"github.com/tidemill/tidemill/internal/dataflow/scalar"
	"github.com/tidemill/tidemill/internal/dataflow/state"
	"github.com/tidemill/tidemill/internal/fault"
	"github.com/tidemill/tidemill/internal/row"
)

// joinOp is an inner equi-join. Both inputs are routed by the join's key. With L and R the inputs so far and dL, dR
// what a tick brings, the output changes by dL⋈R + (L+dL)⋈dR: each side's changes look up the other side's rows.
//
// A row's weight in the output is the product of the weights. The output has the columns that emit lists; the
// residual predicates see those columns too.
type joinOp struct {
	title    string
	left     *joinSide
	right    *joinSide
	emit     []joinColumn
	residual *scalar.Program // nil: none
	rejects  []Reject
	walker   walker
}

// joinColumn is an output column: column of the left or the right input.
type joinColumn struct {
	right  bool
	column int
}

// joinSide holds the rows of one input by key. The rows of a key are a doubly linked list from the key's head. Kept are the columns that the join emits and, if rows can be
// retracted, all others too, to find the row again.
type joinSide struct {
	keys    *state.Set
	heads   state.Array[uint32] // first row + 1 by key id
	rows    *state.Rows
	links   state.Array[joinLink]
	weights state.Array[int64] // in use if weighted
	retract bool
	// weighted says that there may be weights other than 1: rows can be retracted, or equal rows came as one.
	weighted bool
	byRow    state.Index // full-row hash → row, if rows can be retracted
	keep     []int       // the input columns that rows has
	at       []int       // where rows has an input column, -1 for nowhere
	expiry   *expiry     // nil: rows stay

	ids    []uint32
	hash   []uint64
	warmed uint64 // see state.Index.Warm
}

type joinLink struct{ next, prev, key uint32 } // rows + 1

// newJoinSide returns the empty state of an input with columns of the given types, of which the
// join emits those with needed set.
func newJoinSide(keys, types []row.Type, needed []bool, retract bool) *joinSide {
	s := &joinSide{keys: state.NewSet(keys), retract: retract, weighted: retract, at: make([]int, len(types))}
	var kept []row.Type
	for c, t := range types {
		s.at[c] = -1
		if needed[c] || retract {
			s.at[c] = len(s.keep)
			s.keep = append(s.keep, c)
			kept = append(kept, t)
		}
	}
	s.rows = state.NewRows(kept)
	return s
}

func (o *joinOp) step(in []port) (*row.Batch, error) {
	var out []*row.Batch
	for side, p := range in {
		if p.rows() == 0 {
			continue
		}
		own, other := o.left, o.right
		if side == 1 {
			own, other = other, own
		}
		if !own.rows.Room(p.rows()) {
			return nil, errFull
		}
		b, err := o.match(&p, other, side == 1)
		if err != nil {
			return nil, err
		}
		if b != nil {
			out = append(out, b)
		}
		if err := own.apply(&p); err != nil {
			return nil, err
		}
	}
	o.left.free(o.left.expiry.take())
	o.right.free(o.right.expiry.take())
	return row.Concat(out), nil
}

// match joins the changes of one side with the rows of the other.
func (o *joinOp) match(p *port, other *joinSide, fromRight bool) (*row.Batch, error) {
	if other.keys.Len() == 0 {
		return nil, nil
	}
	other.ids = sized(other.ids, p.batch.Len)
	if p.batch.Len <= warmMatches {
		other.warmed += other.keys.Warm(p.hash)
	}
	other.keys.FindAll(p.keys, p.hash, other.ids)
	at, ids, err := o.walker.match(other, other.ids)
	if err != nil {
		return nil, err
	}
	if len(at) == 0 {
		return nil, nil
	}
	out := &row.Batch{Cols: make([]row.Vec, len(o.emit)), Len: len(at), Weights: other.matchWeights(p.batch, at, ids)}
	for c, e := range o.emit {
		if e.right == fromRight {
			v := &p.batch.Cols[e.column]
			if textBytes(v, at) > maxMatchBytes {
				return nil, errMatches
			}
			out.Cols[c] = v.Gather(at)
			continue
		}
		k := other.at[e.column]
		if other.rows.TextBytes(k, ids) > maxMatchBytes {
			return nil, errMatches
		}
		out.Cols[c] = other.rows.Gather(k, ids)
	}
	return o.filter(out)
}

// maxMatches bounds what one tick's changes of one side may find in one shard.
const (
	maxMatches    = 1 << 28
	maxMatchBytes = 1 << 29 // of one column of text; both sides' together stay below row.Bytes32Max
)

var errMatches error = fault.New(fault.LimitExceeded, "a join found more than %d rows, or 512 MiB of one column, for one batch of changes", maxMatches).
	WithHint("join on a key with fewer equal rows on both sides, or send smaller batches")

func textBytes(v *row.Vec, at []int32) int64 {
	n := int64(0)
	if v.Offsets != nil {
		for _, i := range at {
			n += int64(v.Offsets[i+1] - v.Offsets[i])
		}
	}
	return n
}

func (s *joinSide) matchWeights(b *row.Batch, at []int32, ids []uint32) []int64 {
	if b.Weights == nil && !s.weighted {
		return nil
	}
	w := make([]int64, len(at))
	ones := true
	for k := range w {
		w[k] = b.Weight(int(at[k]))
		if s.weighted {
			w[k] *= *s.weights.Peek(ids[k])
		}
		ones = ones && w[k] == 1
	}
	if ones {
		return nil
	}
	return w
}

func (o *joinOp) filter(b *row.Batch) (*row.Batch, error) {
	if o.residual == nil {
		return b, nil
	}
	at, errs, err := o.residual.Select(b)
	if err != nil {
		return nil, err
	}
	if len(errs) > 0 {
		o.rejects = append(o.rejects, rejectRows(o.title, b, errs)...)
	}
	switch len(at) {
	case 0:
		return nil, nil
	case b.Len:
		return b, nil
	}
	return b.Gather(at), nil
}

// apply takes the changes of one side into its state.
func (s *joinSide) apply(p *port) error {
	if err := s.expiry.eval(p.batch); err != nil {
		return err
	}
	if !s.retract {
		s.insertAll(p)
		return nil
	}
	n := p.batch.Len
	s.hash = append(s.hash[:0], make([]uint64, n)...)
	row.Hash(p.batch.Cols, s.hash)
	for lo := 0; lo < n; lo += warmRows {
		hi := min(lo+warmRows, n)
		s.warmed += s.byRow.Warm(s.hash[lo:hi]) + s.keys.Warm(p.hash[lo:hi])
		for i := lo; i < hi; i++ {
			s.change(p, i)
		}
	}
	return nil
}

// warmRows is how many rows are taken in with their indexes' memory asked for ahead, warmMatches how many are looked up so at most: what they read
// must still be in the processor's caches when they are.
const (
	warmRows    = 128
	warmMatches = 1 << 13
)

func (s *joinSide) insertAll(p *port) {
	s.ids = sized(s.ids, p.batch.Len)
	s.keys.FindOrAdd(p.keys, p.hash, s.ids, nil)
	s.heads.Grow(s.keys.Cap())
	rows := s.rows.AddAll(p.batch.Project(s.keep).Cols, nil, p.batch.Len, make([]uint32, 0, p.batch.Len))
	s.links.Grow(s.rows.Cap())
	for i, r := range rows {
		s.link(r, s.ids[i])
		s.expiry.add(i, r)
	}
	if p.batch.Weights != nil {
		s.weigh(s.rows.Cap())
	}
	if s.weighted {
		s.weights.Grow(s.rows.Cap())
		for i, r := range rows {
			*s.weights.At(r) = p.batch.Weight(i)
		}
	}
}

// weigh begins to keep weights: rows below n have been of weight 1.
func (s *joinSide) weigh(n uint32) {
	if s.weighted {
		return
	}
	s.weighted = true
	s.weights.Grow(n)
	for r := range n {
		*s.weights.At(r) = 1
	}
}

func (s *joinSide) link(r, key uint32) {
	head := s.heads.At(key)
	*s.links.At(r) = joinLink{next: *head, key: key}
	if *head != 0 {
		s.links.At(*head - 1).prev = r + 1
	}
	*head = r + 1
}

// change adds row i of p with its weight.
func (s *joinSide) change(p *port, i int) {
	w := p.batch.Weight(i)
	probe := s.byRow.Find(s.hash[i])
	for r := probe.Next(); r != state.None; r = probe.Next() {
		if !s.rows.Equal(r, p.batch.Cols, i) {
			continue
		}
		have := s.weights.At(r)
		if *have += w; *have == 0 {
			s.unlink(r, p.hash[i])
			s.byRow.Remove(s.hash[i], r)
			s.expiry.remove(r)
			s.rows.Remove(r)
		}
		return
	}
	key := s.keys.Find(p.keys, i, p.hash[i])
	if key == state.None {
		key = s.keys.Add(p.keys, i, p.hash[i])
		s.heads.Grow(s.keys.Cap())
		*s.heads.At(key) = 0
	}
	r := s.rows.Add(p.batch.Cols, i)
	s.links.Grow(s.rows.Cap())
	s.weights.Grow(s.rows.Cap())
	*s.weights.At(r) = w
	s.link(r, key)
	s.byRow.Add(s.hash[i], r)
	s.expiry.add(i, r)
}

func (s *joinSide) unlink(r uint32, keyHash uint64) {
	if key, last := s.cut(r); last {
		s.keys.Remove(key, keyHash)
	}
}

// cut takes a row out of the list of its key, and reports whether it was the last there.
func (s *joinSide) cut(r uint32) (key uint32, last bool) {
	l := *s.links.Peek(r)
	if l.prev != 0 {
		s.links.At(l.prev - 1).next = l.next
	} else {
		*s.heads.At(l.key) = l.next
	}
	if l.next != 0 {
		s.links.At(l.next - 1).prev = l.prev
	}
	return l.key, *s.heads.Peek(l.key) == 0
}

func (o *joinOp) takeRejects() []Reject {
	r := o.rejects
	o.rejects = nil
	return r
}

func (o *joinOp) bytes() int64 { return o.left.bytes() + o.right.bytes() }

func (o *joinOp) persist(k *state.Keeper) {
	o.left.persist(k)
	o.right.persist(k)
}

func (s *joinSide) bytes() int64 {
	return s.keys.Bytes() + s.heads.Bytes() + s.rows.Bytes() + s.links.Bytes() + s.weights.Bytes() + s.byRow.Bytes() + s.expiry.bytes()
}

func (s *joinSide) persist(k *state.Keeper) {
	s.keys.Keep(k)
	s.heads.Keep(k)
	s.rows.Keep(k)
	s.links.Keep(k)
	s.weights.Keep(k)
	k.Bool(&s.weighted)
	if s.retract {
		k.Then(func() { s.byRow.Fill(s.rows) })
	}
	s.expiry.persist(k, s.rows)
}
