package dataflow

import (
	"github.com/tidemill/tidemill/internal/dataflow/scalar"
	"github.com/tidemill/tidemill/internal/dataflow/state"
	"github.com/tidemill/tidemill/internal/fault"
	"github.com/tidemill/tidemill/internal/row"
)

// matchOp is every join but the plain inner equi-join (joinOp) and those that pick one row (asofOp): LEFT, FULL, SEMI and ANTI joins, a
// join that tells whether there is a match (plan.Exists), and inner joins on ranges, on any condition and on none.
//
// With L and R the inputs so far and dL, dR what a tick brings, the matching pairs change by dL⋈R + (L+dL)⋈dR. Of each
// row of a side whose rows without a match are part of the result, the weight of its matches is kept; after the pairs of a
// tick are found, the rows whose weight or whose being matched has changed are known, and each gives what is its share of the
// result now less what it was before.
//
// Candidates are the rows of the other side with an equal key, all rows without keys, or, if the condition has ranges, the
// rows within them in an ordered index. The residual decides on all of them: a range is only ever wider than the condition.
type matchOp struct {
	title       string
	left, right *matchSide
	emit        []joinColumn
	types       []row.Type // of emit
	// What is part of the result: pairs, rows of a side without a match (with nulls in place of the other's columns),
	// rows of the left side with one.
	pairs          bool
	aloneL, aloneR bool
	matched        bool
	keyless        bool
	residual       *scalar.Program // nil: none
	test           []joinColumn    // what the residual reads
	out            []*row.Batch
	rejects        []Reject
	at, foundAt    []int32
	ids, foundIDs  []uint32
	inRange        []uint32
	weights        []int64
	work           int64
}

// joinMark as the column of a joinColumn stands for whether there is a match.
const joinMark = -1

// matchSide is the state of one input of a matchOp.
type matchSide struct {
	rowTable
	isRight bool
	strict  []bool // per key column: null matches nothing
	counted bool   // marks hold the weight of the matching rows of the other side
	keys    *state.Set
	heads   state.Array[uint32] // first row + 1 by key
	links   state.Array[joinLink]
	span    *span   // nil: no ranges
	expiry  *expiry // nil: rows stay
	keyIDs  []uint32
	found   []uint32
	delta   []int64 // by how much the tick changes the weight of a row, once per row
}

func (o *matchOp) step(in []port) (*row.Batch, error) {
	o.out, o.work = o.out[:0], 0
	defer func() { o.out = nil }()
	for side, s := range []*matchSide{o.left, o.right} {
		p := &in[side]
		if p.rows() == 0 {
			continue
		}
		if o.keyless {
			*p = port{batch: p.batch, hash: make([]uint64, p.batch.Len)}
		}
		if !s.rows.Room(p.rows()) {
			return nil, errFull
		}
		o.dropNulls(p, s)
		if err := o.bound(p, s); err != nil {
			return nil, err
		}
		if p.rows() > 0 {
			if err := s.expiry.eval(p.batch); err != nil {
				return nil, err
			}
		}
	}
	l, r := &in[0], &in[1]
	o.left.enter(l)
	if err := o.probe(l, o.left, o.right); err != nil {
		return nil, err
	}
	o.right.enter(r)
	if err := o.probe(r, o.right, o.left); err != nil {
		return nil, err
	}
	o.settle(o.left, o.aloneL, o.matched)
	o.settle(o.right, o.aloneR, false)
	o.left.sweep(l)
	o.right.sweep(r)
	o.left.free(o.left.expiry.take())
	o.right.free(o.right.expiry.take())
	return row.Concat(o.out), nil
}

// dropNulls takes rows that can match nothing out of p. They need no state.
func (o *matchOp) dropNulls(p *port, s *matchSide) {
	rest, nulls := nullKeys(p, s.strict, nil)
	if nulls == nil {
		return
	}
	if s.isRight && o.aloneR || !s.isRight && o.aloneL {
		b := p.batch.Gather(nulls)
		o.out = append(o.out, o.alone(s.isRight, b.Len, b.Weights, false, func(c int) row.Vec { return b.Cols[c] }))
	}
	*p = p.gather(rest)
}

// bound computes the values that ranges are about.
func (o *matchOp) bound(p *port, s *matchSide) error {
	if s.span == nil || p.rows() == 0 {
		return nil
	}
	errs, err := s.span.eval(p.batch)
	if len(errs) > 0 {
		o.rejects = append(o.rejects, rejectRows(o.title, p.batch, errs)...)
		*p = p.without(errs)
		_, err = s.span.eval(p.batch)
	}
	return err
}

// enter takes in the changes of a tick.
func (s *matchSide) enter(p *port) {
	s.take(p)
	n := p.rows()
	if n == 0 {
		return
	}
	s.keyIDs = sized(s.keyIDs, n)
	s.keys.FindOrAdd(p.keys, p.hash, s.keyIDs, nil)
	s.heads.Grow(s.keys.Cap())
	s.links.Grow(s.rows.Cap())
	for i, id := range s.ids {
		if s.fresh[i] {
			s.link(id, s.keyIDs[i])
			s.expiry.add(i, id)
			if s.span != nil {
				s.span.add(s.keyIDs[i], id, i)
			}
		}
	}
}

func (s *matchSide) link(r, key uint32) {
	head := s.heads.At(key)
	*s.links.At(r) = joinLink{next: *head, key: key}
	if *head != 0 {
		s.links.At(*head - 1).prev = r + 1
	}
	*head = r + 1
}

// sweep removes the rows that are gone.
func (s *matchSide) sweep(p *port) {
	if s.retract {
		for i := range s.seen {
			if x := &s.seen[i]; s.gone(x) {
				s.unlink(x.id, p.hash[x.at])
				s.expiry.remove(x.id)
				s.remove(x)
			}
		}
	}
	s.done()
}

func (s *matchSide) unlink(r uint32, keyHash uint64) {
	if key, last := s.cut(r); last {
		s.keys.Remove(key, keyHash)
	}
}

// cut takes a row out of the list of its key, and reports whether it was the last there.
func (s *matchSide) cut(r uint32) (key uint32, last bool) {
	l := *s.links.Peek(r)
	if s.span != nil {
		s.span.remove(l.key, r)
	}
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

// probe finds the pairs of the changes of one side with the rows of the other, and counts and emits them.
func (o *matchOp) probe(p *port, own, other *matchSide) error {
	if p.rows() == 0 || other.keys.Len() == 0 {
		return nil
	}
	o.foundAt, o.foundIDs = emptied(o.foundAt), emptied(o.foundIDs)
	o.at, o.ids = o.at[:0], o.ids[:0]
	other.found = sized(other.found, p.batch.Len)
	other.keys.FindAll(p.keys, p.hash, other.found)
	every := o.pairs || other.counted // else only what is new has matches that are not known
	own.net(p)
	for i, k := range other.found {
		if k == state.None || own.delta[i] == 0 || !every && !own.fresh[i] {
			continue
		}
		var err error
		if other.span != nil {
			err = o.within(p, own, other, i, k)
		} else {
			err = o.equal(p, other, i, k)
		}
		if err != nil {
			return err
		}
	}
	if err := o.decide(p, other); err != nil {
		return err
	}
	o.count(p, own, other)
	return o.emitPairs(p, own, other)
}

// net computes by how much the tick changes each row, so that what comes and goes in one tick meets nothing.
func (s *matchSide) net(p *port) {
	s.delta = s.delta[:0]
	for i, id := range s.ids {
		if !s.retract {
			s.delta = append(s.delta, p.batch.Weight(i))
			continue
		}
		x := &s.seen[*s.slot.Peek(id)-1]
		if int(x.at) != i { // it is changed again further down
			s.fresh[x.at] = s.fresh[x.at] || s.fresh[i]
			s.delta = append(s.delta, 0)
			continue
		}
		s.delta = append(s.delta, *s.weights.Peek(id)-x.weight)
	}
}

// candidateBlock is the number of candidates that the residual is evaluated for at a time.
const candidateBlock = 1 << 14

// maxWork bounds the candidates that one tick's changes may have in one shard.
const maxWork = 1 << 32

var errWork error = fault.New(fault.LimitExceeded, "a join compared more than %d pairs of rows for one batch of changes", maxWork).
	WithHint("add an equality or a range between the sides, or send smaller batches")

func (o *matchOp) equal(p *port, other *matchSide, i int, key uint32) error {
	for r := *other.heads.Peek(key); r != 0; r = other.links.Peek(r - 1).next {
		if *other.weights.Peek(r - 1) == 0 {
			continue
		}
		o.at, o.ids = append(o.at, int32(i)), append(o.ids, r-1)
		if len(o.at) >= candidateBlock {
			if err := o.decide(p, other); err != nil {
				return err
			}
		}
	}
	return nil
}

func (o *matchOp) within(p *port, own, other *matchSide, i int, key uint32) error {
	lo, hi, ok := own.span.bounds(i)
	if !ok {
		return nil
	}
	o.inRange = other.span.tree.Range(key, lo, hi, emptied(o.inRange))
	for _, id := range o.inRange {
		if *other.weights.Peek(id) == 0 {
			continue
		}
		o.at, o.ids = append(o.at, int32(i)), append(o.ids, id)
		if len(o.at) >= candidateBlock {
			if err := o.decide(p, other); err != nil {
				return err
			}
		}
	}
	return nil
}

// decide moves the candidates that the residual accepts to the pairs that are found.
func (o *matchOp) decide(p *port, other *matchSide) error {
	if o.work += int64(len(o.at)); o.work > maxWork {
		return errWork
	}
	if len(o.at) == 0 {
		return nil
	}
	if o.residual == nil {
		o.foundAt, o.foundIDs = append(o.foundAt, o.at...), append(o.foundIDs, o.ids...)
	} else if err := o.evaluate(p, other); err != nil {
		return err
	}
	o.at, o.ids = o.at[:0], o.ids[:0]
	if len(o.foundAt) > maxMatches {
		return errMatches
	}
	return nil
}

func (o *matchOp) evaluate(p *port, other *matchSide) error {
	b, err := o.gather(p, other, o.test, o.at, o.ids)
	if err != nil {
		return err
	}
	yes, errs, err := o.residual.Select(b)
	if err != nil {
		return err
	}
	if len(errs) > 0 {
		b.Weights = make([]int64, b.Len)
		for k, i := range o.at {
			b.Weights[k] = p.batch.Weight(int(i)) * *other.weights.Peek(o.ids[k])
		}
		o.rejects = append(o.rejects, rejectRows(o.title, b, errs)...)
		o.rejects = o.rejects[:min(len(o.rejects), rejectsKept)]
	}
	for _, k := range yes {
		o.foundAt, o.foundIDs = append(o.foundAt, o.at[k]), append(o.foundIDs, o.ids[k])
	}
	return nil
}

// gather returns columns of pairs of a row of p and a row of the other side.
func (o *matchOp) gather(p *port, other *matchSide, cols []joinColumn, at []int32, ids []uint32) (*row.Batch, error) {
	b := &row.Batch{Cols: make([]row.Vec, len(cols)), Len: len(at)}
	for c, e := range cols {
		if e.right != other.isRight {
			v := &p.batch.Cols[e.column]
			if textBytes(v, at) > maxMatchBytes {
				return nil, errMatches
			}
			b.Cols[c] = v.Gather(at)
			continue
		}
		k := other.at[e.column]
		if other.rows.TextBytes(k, ids) > maxMatchBytes {
			return nil, errMatches
		}
		b.Cols[c] = other.rows.Gather(k, ids)
	}
	return b, nil
}

// count adds the pairs to what the rows of either side match.
func (o *matchOp) count(p *port, own, other *matchSide) {
	if own.counted {
		for k, i := range o.foundAt {
			if own.fresh[i] {
				*own.marks.At(own.ids[i]) += *other.weights.Peek(o.foundIDs[k])
			}
		}
	}
	if other.counted {
		for k, id := range o.foundIDs {
			other.touch(id)
			*other.marks.At(id) += own.delta[o.foundAt[k]]
		}
	}
}

func (o *matchOp) emitPairs(p *port, own, other *matchSide) error {
	if !o.pairs || len(o.foundAt) == 0 {
		return nil
	}
	b, err := o.gather(p, other, o.emit, o.foundAt, o.foundIDs)
	if err != nil {
		return err
	}
	ones := true
	o.weights = o.weights[:0]
	for k, i := range o.foundAt {
		w := own.delta[i] * *other.weights.Peek(o.foundIDs[k])
		ones = ones && w == 1
		o.weights = append(o.weights, w)
	}
	if !ones {
		b.Weights = append([]int64(nil), o.weights...)
	}
	o.weights = emptied(o.weights)
	o.out = append(o.out, b)
	return nil
}

// settle emits what the rows of a side contribute by having a match, or none, as far as that has changed.
func (o *matchOp) settle(s *matchSide, alone, matched bool) {
	for _, want := range []struct{ emit, match bool }{{alone, false}, {matched, true}} {
		if !want.emit {
			continue
		}
		var ids []uint32
		var weights []int64
		ones := true
		for i := range s.seen {
			x := &s.seen[i]
			now, before := int64(0), int64(0)
			if (*s.marks.Peek(x.id) > 0) == want.match {
				now = *s.weights.Peek(x.id)
			}
			if (x.mark > 0) == want.match {
				before = x.weight
			}
			if w := now - before; w != 0 {
				ids, weights = append(ids, x.id), append(weights, w)
				ones = ones && w == 1
			}
		}
		if len(ids) == 0 {
			continue
		}
		if ones {
			weights = nil
		}
		o.out = append(o.out, o.alone(s.isRight, len(ids), weights, want.match, func(c int) row.Vec { return s.rows.Gather(s.at[c], ids) }))
	}
}

// alone returns n rows of one side, the columns of the other being null; own gives a column of the side.
func (o *matchOp) alone(right bool, n int, weights []int64, match bool, own func(column int) row.Vec) *row.Batch {
	b := &row.Batch{Cols: make([]row.Vec, len(o.emit)), Len: n, Weights: weights}
	for c, e := range o.emit {
		switch {
		case e.column == joinMark:
			b.Cols[c] = row.BoolValue(match).Repeat(n)
		case e.right == right:
			b.Cols[c] = own(e.column)
		default:
			b.Cols[c] = row.NullVec(o.types[c], n)
		}
	}
	return b
}

func (o *matchOp) takeRejects() []Reject {
	r := o.rejects
	o.rejects = nil
	return r
}

func (o *matchOp) bytes() int64 { return o.left.bytes() + o.right.bytes() }

func (o *matchOp) persist(k *state.Keeper) {
	o.left.persist(k)
	o.right.persist(k)
}

func (s *matchSide) bytes() int64 {
	n := s.rowTable.bytes() + s.keys.Bytes() + s.heads.Bytes() + s.links.Bytes() + s.expiry.bytes()
	if s.span != nil {
		n += s.span.bytes()
	}
	return n
}

func (s *matchSide) persist(k *state.Keeper) {
	s.rowTable.persist(k)
	s.keys.Keep(k)
	s.heads.Keep(k)
	s.links.Keep(k)
	s.expiry.persist(k, s.rows)
	if s.span == nil || s.span.tree == nil {
		return
	}
	s.span.spots.Keep(k)
	k.Then(func() {
		s.rows.Each(func(ids []uint32) {
			for _, id := range ids {
				if at := s.span.spots.Peek(id); at.in {
					s.span.tree.Add(state.Place{Group: s.links.Peek(id).key, Bits: at.bits, ID: id})
				}
			}
		})
	})
}
