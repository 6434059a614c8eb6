package dataflow

import (
	"github.com/tidemill/tidemill/internal/dataflow/scalar"
	"github.com/tidemill/tidemill/internal/dataflow/state"
	"github.com/tidemill/tidemill/internal/fault"
	"github.com/tidemill/tidemill/internal/plan"
	"github.com/tidemill/tidemill/internal/row"
)

// unnestOp repeats each row for every position in its lists, with the elements beside it. It is linear and has no state.
type unnestOp struct {
	title string
	emit  []int // the input columns in the output
	lists []lister
	// outer keeps rows without elements; ordinality adds the position.
	outer, ordinality bool
	rejects           []Reject
}

// lists are the elements of one list for each row of a batch: those of row i are values from ends[i-1] up to ends[i].
type lists struct {
	values row.Vec
	ends   []int32
	// repeated says that every row has all values, and ends is nil.
	repeated bool
}

func (l *lists) of(i int) (lo, n int32) {
	switch {
	case l.repeated:
		return 0, int32(l.values.Len)
	case i == 0:
		return 0, l.ends[0]
	}
	return l.ends[i-1], l.ends[i] - l.ends[i-1]
}

// lister makes the elements of one list.
type lister interface {
	// elements returns the elements for the rows of b; rows that fail have none.
	elements(b *row.Batch) (lists, []scalar.RowError, error)
}

const (
	// maxElements bounds the elements of one list.
	maxElements = 10_000_000
	// maxUnnested bounds the rows that one tick makes in one shard.
	maxUnnested = 1 << 28
)

var errUnnested error = fault.New(fault.LimitExceeded, "an unnest made more than %d rows of one batch of changes", maxUnnested).
	WithHint("unnest shorter lists, or send smaller batches")

func (o *unnestOp) step(in []port) (*row.Batch, error) {
	b := in[0].batch
	if b == nil {
		return nil, nil
	}
	made := make([]lists, len(o.lists))
	var failed []scalar.RowError
	for k, l := range o.lists {
		var errs []scalar.RowError
		var err error
		if made[k], errs, err = l.elements(b); err != nil {
			return nil, err
		}
		failed = mergeErrors(failed, errs)
	}
	if len(failed) > 0 {
		o.rejects = append(o.rejects, rejectRows(o.title, b, failed)...)
	}
	at, err := o.positions(b.Len, made, failed)
	if err != nil || len(at.row) == 0 {
		return nil, err
	}
	out := b.Project(o.emit).Gather(at.row)
	for k := range made {
		v, err := at.pick(k, &made[k], len(made) == 1 && !o.outer && len(failed) == 0)
		if err != nil {
			return nil, err
		}
		out.Cols = append(out.Cols, v)
	}
	if o.ordinality {
		out.Cols = append(out.Cols, at.ordinality())
	}
	return out, nil
}

// unnested are the rows of the output: each of which row of the input, and for each list of which element, -1 for none.
type unnested struct {
	row   []int32
	from  [][]int32
	index []int64 // from 1; 0 for a row that has no elements
}

func (o *unnestOp) positions(n int, made []lists, failed []scalar.RowError) (unnested, error) {
	at := unnested{from: make([][]int32, len(made))}
	total := int64(0)
	for k := range made {
		if made[k].repeated {
			total += int64(made[k].values.Len) * int64(n)
		} else {
			total = max(total, int64(made[k].values.Len))
		}
	}
	if total > maxUnnested {
		return at, errUnnested
	}
	at.row = make([]int32, 0, total)
	if len(made) == 1 && !o.outer && len(failed) == 0 {
		at.single(&made[0], n, o.ordinality)
		return at, nil
	}
	lo, size := make([]int32, len(made)), make([]int32, len(made))
	for i := range n {
		if len(failed) > 0 && int(failed[0].Row) == i {
			failed = failed[1:]
			continue
		}
		longest := int32(0)
		for k := range made {
			lo[k], size[k] = made[k].of(i)
			longest = max(longest, size[k])
		}
		if longest == 0 && o.outer {
			at.add(int32(i), 0, lo, size)
		}
		for p := range longest {
			at.add(int32(i), p+1, lo, size)
		}
		if len(at.row) > maxUnnested {
			return at, errUnnested
		}
	}
	return at, nil
}

// single adds all elements of a single list.
func (u *unnested) single(l *lists, n int, ordinality bool) {
	for i := range n {
		_, size := l.of(i)
		for range size {
			u.row = append(u.row, int32(i))
		}
		for p := range size {
			if l.repeated {
				u.from[0] = append(u.from[0], p)
			}
			if ordinality {
				u.index = append(u.index, int64(p)+1)
			}
		}
	}
}

// add adds the elements at a position from 1 of the row's lists.
func (u *unnested) add(row, position int32, lo, size []int32) {
	u.row = append(u.row, row)
	u.index = append(u.index, int64(position))
	for k := range lo {
		from := int32(-1)
		if position > 0 && position <= size[k] {
			from = lo[k] + position - 1
		}
		u.from[k] = append(u.from[k], from)
	}
}

// pick returns the elements of list k. whole says that they are all values, in order, unless the values are repeated.
func (u *unnested) pick(k int, l *lists, whole bool) (row.Vec, error) {
	if whole && !l.repeated {
		return l.values, nil
	}
	from := u.from[k]
	var valid []byte
	for i, p := range from {
		if p >= 0 {
			continue
		}
		if valid == nil {
			valid = row.NewBitmap(len(from), true)
		}
		row.SetNull(valid, i)
		from[i] = 0 // what stands under a null does not matter
	}
	if l.values.Len == 0 {
		return row.NullVec(l.values.Type, len(from)), nil
	}
	if textBytes(&l.values, from) > maxMatchBytes {
		return row.Vec{}, errUnnested
	}
	v := l.values.Gather(from)
	v.Valid = row.AndValid(v.Valid, valid, v.Len)
	return v, nil
}

func (u *unnested) ordinality() row.Vec {
	var valid []byte
	for i, p := range u.index {
		if p == 0 {
			if valid == nil {
				valid = row.NewBitmap(len(u.index), true)
			}
			row.SetNull(valid, i)
		}
	}
	return row.FromValues(row.T(row.Int64), u.index, valid)
}

func (o *unnestOp) takeRejects() []Reject {
	r := o.rejects
	o.rejects = nil
	return r
}

func (o *unnestOp) bytes() int64 { return 0 }

func (*unnestOp) persist(*state.Keeper) {}

// lowerUnnest lowers an Unnest with the filters and projections above it, of which it only emits the columns that they read.
func (b *builder) lowerUnnest(n *plan.Unnest, c chain) (lowered, error) {
	in, err := b.lower(n.Input)
	if err != nil {
		return lowered{}, err
	}
	types := n.Types()
	need := make([]bool, len(types))
	for i := range need {
		need[i] = c.exprs == nil || i >= len(in.types)
	}
	usedColumns(need, c.exprs)
	usedColumns(need, c.preds)
	by := make([]*plan.Expr, len(types))
	out := lowered{appendOnly: in.appendOnly}
	var emit []int
	for i, t := range types {
		if need[i] {
			by[i] = &plan.Expr{Kind: plan.Column, Index: len(out.types)}
			out.types = append(out.types, t)
			if i < len(in.types) {
				emit = append(emit, i)
			}
		}
	}
	title := "unnest " + listOf(n.Lists, ", ")
	nd := node{title: title, inputs: []int{in.node}, routes: []*router{nil}}
	for range b.Workers {
		op := &unnestOp{title: title, emit: emit, outer: n.Outer, ordinality: n.Ordinality}
		walks := map[string]*jsonWalk{}
		for i, e := range n.Lists {
			l, err := b.lister(e, n.Width[i], in.types, walks)
			if err != nil {
				return lowered{}, err
			}
			op.lists = append(op.lists, l)
		}
		nd.shards = append(nd.shards, op)
	}
	out.node = b.add(nd)
	if c.exprs == nil && c.preds == nil {
		return out, nil
	}
	return b.addMap(out, chain{preds: retargetAll(c.preds, by), exprs: retargetAll(c.exprs, by)})
}

// lister compiles a list over columns of the types of in.
func (b *builder) lister(e *plan.Expr, elem row.Type, in []row.Type, walks map[string]*jsonWalk) (lister, error) {
	args := e.Args
	switch {
	case isJSONList(e):
		return b.jsonLister(e, in, walks)
	case e.IsConstant() && !isSeries(e, elem):
		return b.constantList(e, elem)
	case isItems(e, elem):
		p, err := b.compile(args, in)
		if err != nil {
			return nil, err
		}
		return &itemList{items: p, elem: elem}, nil
	case isSeries(e, elem):
		p, err := b.compile(args, in)
		if err != nil {
			return nil, err
		}
		return &seriesList{args: p, elem: elem, inclusive: e.Name == "generate_series"}, nil
	}
	list := listExpr(e, elem)
	p, err := b.compile([]*plan.Expr{list}, in)
	if err != nil {
		return nil, err
	}
	return listerOf(p, list, elem), nil
}

// listExpr is the expression to compile for a list that no other lister makes.
func listExpr(e *plan.Expr, elem row.Type) *plan.Expr {
	if e.Type.Kind == row.List && e.Type.Elem() == elem {
		return e
	}
	return elementTexts(e, elem)
}

func listerOf(p *scalar.Program, list *plan.Expr, elem row.Type) lister {
	if list.Type.Kind == row.List && list.Type.Elem() == elem {
		return &valueList{p}
	}
	return &textList{list: p, elem: elem}
}

// constantList computes a list that is the same for all rows once.
func (b *builder) constantList(e *plan.Expr, elem row.Type) (lister, error) {
	list := listExpr(e, elem)
	p, err := b.Compiler.Compile([]*plan.Expr{list}, nil)
	if err != nil {
		return nil, err
	}
	defer p.Close()
	l, errs, err := listerOf(p, list, elem).elements(&row.Batch{Len: 1})
	if err != nil {
		return nil, err
	}
	if len(errs) > 0 {
		return nil, fault.New(fault.InvalidParameterValue, "%s", errs[0].Message)
	}
	l.repeated, l.ends = true, nil
	return &constantList{l}, nil
}

// isItems reports whether e is a list written out, of elements of that very type.
func isItems(e *plan.Expr, elem row.Type) bool {
	if e.Kind != plan.Call || e.SQL != "" || e.Name != "list_value" && e.Name != "unpivot_list" || len(e.Args) == 0 {
		return false
	}
	for _, a := range e.Args {
		if a.Type != elem {
			return false
		}
	}
	return true
}
