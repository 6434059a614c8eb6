package plan

import (
	"strings"

	"github.com/tidemill/tidemill/internal/row"
)

// Window computes functions over the rows around each row: those of its partition, in an order. Its output is the input's columns, then the
// calls. Rows that the order does not tell apart are peers; where their order matters they stand as they came.
type Window struct {
	Input     Node
	Partition []*Expr
	Order     []SortKey
	Calls     []WindowCall
}

// WindowCall is one function of a Window. If it is no aggregate, its Name is row_number, rank, dense_rank, percent_rank, cume_dist,
// ntile(n), lag(x, offset, default), lead(x, offset, default), first_value(x), last_value(x) or nth_value(x, n), with all those arguments.
type WindowCall struct {
	AggregateCall
	IsAggregate bool
	IgnoreNulls bool
	Frame       Frame
}

// FrameUnit says in what the bounds of a frame are counted.
type FrameUnit uint8

// The units of frames.
const (
	FrameRows FrameUnit = iota
	FrameRange
	FrameGroups
)

// BoundKind is the kind of a bound of a frame.
type BoundKind uint8

// The kinds of bounds. Unbounded is the beginning of the partition for a start, its end for an end.
const (
	Unbounded BoundKind = iota
	CurrentRow
	Preceding
	Following
)

// FrameBound is where a frame starts or ends. Offset, of Preceding and Following, is a number of rows or groups; for
// FrameRange it is the value itself at which the frame begins or ends, of the type of the only order key.
type FrameBound struct {
	Kind   BoundKind
	Offset *Expr
}

// Exclusion says which rows of its frame a row does not see.
type Exclusion uint8

// The exclusions.
const (
	ExcludeNothing Exclusion = iota
	ExcludeCurrentRow
	ExcludeGroup // the row and its peers
	ExcludeTies  // the peers
)

// Frame is the part of the partition that a call is computed over. The zero Frame is the whole partition.
type Frame struct {
	Unit       FrameUnit
	Start, End FrameBound
	Exclude    Exclusion
}

// Inputs implements Node.
func (n *Window) Inputs() []Node { return []Node{n.Input} }

// Types implements Node.
func (n *Window) Types() []row.Type {
	ts := n.Input.Types()
	ts = ts[:len(ts):len(ts)]
	for i := range n.Calls {
		ts = append(ts, n.Calls[i].Type)
	}
	return ts
}

func (n *Window) exprs() []*Expr {
	es := append(n.Partition[:len(n.Partition):len(n.Partition)], orderExprs(n.Order)...)
	for i := range n.Calls {
		es = append(es, n.Calls[i].exprs()...)
	}
	return es
}

// exprs returns the expressions that the call evaluates over the input.
func (c *WindowCall) exprs() []*Expr {
	es := c.AggregateCall.exprs()
	for _, b := range []FrameBound{c.Frame.Start, c.Frame.End} {
		if b.Offset != nil {
			es = append(es, b.Offset)
		}
	}
	return es
}

// mappedCall returns the call with f applied to its expressions.
func (c WindowCall) mappedCall(f func(*Expr) *Expr) WindowCall {
	c.AggregateCall = c.mapped(f)
	for _, b := range []*FrameBound{&c.Frame.Start, &c.Frame.End} {
		if b.Offset != nil {
			b.Offset = f(b.Offset)
		}
	}
	return c
}

// UsesFrame reports whether the call's result depends on its frame.
func (c *WindowCall) UsesFrame() bool {
	switch c.Name {
	case "first_value", "last_value", "nth_value":
		return true
	}
	return c.IsAggregate
}

// windowNeeds lists the input's columns that n needs when need of its own are.
func windowNeeds(n *Window, need columnSet) []int {
	width := len(n.Input.Types())
	kept := false
	var es []*Expr
	var cols []int
	for _, c := range need.list() {
		if c < width {
			cols = append(cols, c)
		} else {
			es, kept = append(es, n.Calls[c-width].exprs()...), true
		}
	}
	if kept {
		es = append(append(es, n.Partition...), orderExprs(n.Order)...)
	}
	return append(cols, Columns(es...)...)
}

// window drops the calls that nobody needs.
func (p *pruner) window(n *Window) pruned {
	in := p.done[n.Input]
	width, below := len(n.Input.Types()), len(in.Types())
	at := map[int]int{}
	for k, v := range in.at {
		at[k] = v
	}
	var calls []WindowCall
	for i, c := range n.Calls {
		if p.needs[n].has(width + i) {
			at[width+i] = below + len(calls)
			calls = append(calls, c.mappedCall(in.expr))
		}
	}
	if len(calls) == 0 {
		return in
	}
	return pruned{&Window{Input: in.Node, Partition: in.exprs(n.Partition), Order: mapOrder(n.Order, in.expr), Calls: calls}, at}
}

func (n *Window) uniqueKeys(below [][]int) [][]int {
	key, plain := columnsOf(n.Partition)
	if !plain {
		return below
	}
	for i := range n.Calls {
		if !n.Calls[i].IsAggregate && n.Calls[i].Name == "row_number" {
			return addKey(below, append(key, len(n.Input.Types())+i))
		}
	}
	return below
}

func (ex *explainer) window(n *Window) string {
	in := ex.of(n.Input)
	s := "Window"
	if len(n.Partition) > 0 {
		s += " of " + ex.list(n.Partition, in, ", ")
	}
	if len(n.Order) > 0 {
		s += " by " + ex.sortKeys(n.Order, in)
	}
	calls := make([]string, len(n.Calls))
	for i := range n.Calls {
		c := &n.Calls[i]
		calls[i] = ex.call(&c.AggregateCall, in)
		if c.IgnoreNulls {
			calls[i] += " ignore nulls"
		}
		if c.UsesFrame() {
			calls[i] += c.Frame.text(func(e *Expr) string { return ex.expr(e, in) })
		}
	}
	return s + ": " + strings.Join(calls, ", ")
}

// text writes a frame, with a blank before it; the whole partition is nothing.
func (f *Frame) text(expr func(*Expr) string) string {
	s := ""
	if f.Start.Kind != Unbounded || f.End.Kind != Unbounded {
		s = [...]string{" rows", " range", " groups"}[f.Unit] + " " + f.Start.text("unbounded preceding", expr) + " to " + f.End.text("unbounded following", expr)
	}
	return s + [...]string{"", " exclude current row", " exclude group", " exclude ties"}[f.Exclude]
}

func (b *FrameBound) text(unbounded string, expr func(*Expr) string) string {
	switch b.Kind {
	case Unbounded:
		return unbounded
	case CurrentRow:
		return "current row"
	case Preceding:
		return expr(b.Offset) + " preceding"
	default:
		return expr(b.Offset) + " following"
	}
}

func fingerprintWindowCall(c *WindowCall) string {
	s := fingerprintCall(&c.AggregateCall)
	if c.IsAggregate {
		s = "aggregate " + s
	}
	if c.IgnoreNulls {
		s += " ignore nulls"
	}
	return s + c.Frame.text(func(e *Expr) string { return exact(e) })
}
