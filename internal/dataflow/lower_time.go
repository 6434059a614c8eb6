package dataflow

import (
	"fmt"
	"time"

	"github.com/tidemill/tidemill/internal/dataflow/state"
	"github.com/tidemill/tidemill/internal/fault"
	"github.com/tidemill/tidemill/internal/plan"
	"github.com/tidemill/tidemill/internal/row"
)

// lowerRoot lowers the whole plan: it finds out first what the watermark closes, since late rows are left out at the sources.
func (b *builder) lowerRoot(root plan.Node) (lowered, error) {
	b.events = plan.FindEventTimes(root, b.eventTime, b.Keyed, false)
	b.findClosings(root)
	column, bounds := -1, []plan.TimeBound(nil)
	if b.Final {
		if column, bounds = b.finalColumn(root); column < 0 {
			return lowered{}, fault.New(fault.InvalidDefinition, "emit = 'final' needs a column from which it can be told when a row is final").
				WithHint("declare a watermark on the stream (WATERMARK FOR at AS at - INTERVAL 10 SECONDS) and put its column, or a time_bucket of it, into the view's columns and its GROUP BY")
		}
		b.closings = append(b.closings, closing{bounds})
	}
	out, err := b.lower(root)
	if err != nil || !b.Final {
		return out, err
	}
	return b.addFinal(out, column, bounds)
}

func (b *builder) eventTime(relation, column string) []*plan.Expr {
	if b.EventTime == nil {
		return nil
	}
	return b.EventTime(relation, column)
}

// finalColumn picks the column that says when a row is final.
func (b *builder) finalColumn(root plan.Node) (int, []plan.TimeBound) {
	derived := plan.FindEventTimes(root, b.eventTime, b.Keyed, true)
	for c, t := range root.Types() {
		if bounds := derived.Column(root, c); bounds != nil && shortOrdered(t) {
			return c, bounds
		}
	}
	return -1, nil
}

func shortOrdered(t row.Type) bool {
	w := t.Phys().Width()
	return w > 0 && w <= 8
}

// findClosings lists what closes by the watermark.
func (b *builder) findClosings(root plan.Node) {
	for _, n := range plan.Nodes(root) {
		switch n := n.(type) {
		case *plan.Aggregate:
			if _, bounds := b.closingGroup(n); bounds != nil {
				b.closings = append(b.closings, closing{bounds})
			}
		case *plan.Session:
			if rows, _ := b.events.SessionBounds(n); rows != nil {
				b.closings = append(b.closings, closing{rows})
			}
		case *plan.Distinct:
			if _, bounds := b.closingColumn(n.Input); bounds != nil {
				b.closings = append(b.closings, closing{bounds})
			}
		case *plan.TopN:
			if _, bounds := b.closingPartition(n.Input, n.Partition); bounds != nil {
				b.closings = append(b.closings, closing{bounds})
			}
		case *plan.Window:
			if _, bounds := b.closingPartition(n.Input, n.Partition); bounds != nil {
				b.closings = append(b.closings, closing{bounds})
			}
		case *plan.SetOp:
			if _, bounds := b.closingColumn(n); bounds != nil {
				b.closings = append(b.closings, closing{bounds})
			}
		case *plan.Join:
			left, right := b.joinLimits(n)
			for _, l := range []*plan.JoinLimit{left, right} {
				if l != nil {
					b.closings = append(b.closings, closing{l.Theirs})
				}
			}
			if bounds := b.asofBounds(n); bounds != nil {
				b.closings = append(b.closings, closing{bounds})
			}
		}
	}
}

// closingGroup is the group column by which an aggregate's groups close, -1 for none.
func (b *builder) closingGroup(n *plan.Aggregate) (int, []plan.TimeBound) {
	if n.Sets != nil {
		return -1, nil
	}
	for i, e := range n.Groups {
		if bounds := b.events.Column(n, i); bounds != nil && shortOrdered(e.Type) {
			return i, bounds
		}
	}
	return -1, nil
}

// closingPartition is the expression by which the partitions that keys make close, -1 for none: by the watermark of all keys of a stream together.
func (b *builder) closingPartition(in plan.Node, keys []*plan.Expr) (int, []plan.TimeBound) {
	for i, e := range keys {
		if bounds := b.events.Of(in, e); bounds != nil && shortOrdered(e.Type) {
			return i, plan.OfAllKeys(bounds)
		}
	}
	return -1, nil
}

// closingColumn is the column by which rows of a node close, -1 for none.
func (b *builder) closingColumn(n plan.Node) (int, []plan.TimeBound) {
	for c, t := range n.Types() {
		if bounds := b.events.Column(n, c); bounds != nil && shortOrdered(t) {
			return c, bounds
		}
	}
	return -1, nil
}

func (b *builder) addFinal(in lowered, column int, bounds []plan.TimeBound) (lowered, error) {
	title := fmt.Sprintf("hold back until #%d is below the watermark", column)
	nd := node{title: title, inputs: []int{in.node}, routes: []*router{b.spreadRouter(in)}, timed: true}
	for range b.Workers {
		op := &finalOp{times: b.g.times, column: column, held: state.NewAgenda(in.types)}
		var err error
		if op.bound, err = b.threshold(bounds); err != nil {
			return lowered{}, err
		}
		if isKeyed(bounds) {
			op.keyAt = bounds[0].Per
			if op.perKey, err = b.keyThreshold(bounds); err != nil {
				return lowered{}, err
			}
		}
		nd.shards = append(nd.shards, op)
	}
	return lowered{node: b.add(nd), types: in.types, appendOnly: true}, nil
}

// lowerTemporal lowers a filter that compares with the time: what does not is applied before.
func (b *builder) lowerTemporal(n *plan.Filter, timeless, temporal []*plan.Expr, c chain) (lowered, error) {
	in, err := b.lowerChain(n.Input, chain{preds: timeless})
	if err != nil {
		return lowered{}, err
	}
	if in, err = b.addTemporal(in, temporal); err != nil {
		return lowered{}, err
	}
	if c.preds == nil && c.exprs == nil {
		return in, nil
	}
	return b.addMap(in, c)
}

// lowerSession lowers a session, numbered or with its bounds.
func (b *builder) lowerSession(n *plan.Session) (lowered, error) {
	in, err := b.lower(n.Input)
	if err != nil {
		return lowered{}, err
	}
	if err := comparable(typesOf(n.Keys), "session()"); err != nil {
		return lowered{}, err
	}
	r, err := b.keyRouter(n.Keys, in.types, make([]bool, len(n.Keys)))
	if err != nil {
		return lowered{}, err
	}
	_, ends := b.events.SessionBounds(n)
	title := fmt.Sprintf("sessions of #%d with a gap of %s by %s", n.Time, time.Duration(n.Gap)*time.Microsecond, listOf(n.Keys, ", "))
	nd := node{title: title + kept(in.appendOnly), inputs: []int{in.node}, routes: []*router{r}, timed: ends != nil}
	for range b.Workers {
		op := newSession(typesOf(n.Keys), in.types, n.Time, n.Gap, !in.appendOnly, !n.Numbered)
		op.times = b.g.times
		if op.ends, err = b.threshold(ends); err != nil {
			return lowered{}, err
		}
		nd.shards = append(nd.shards, op)
	}
	return lowered{node: b.add(nd), types: n.Types()}, nil
}

// sessionCloser returns what closes groups that are sessions, nil if nothing bounds their ends.
func (b *builder) sessionCloser(n *plan.Aggregate, calls []aggregateCall) (*groupCloser, error) {
	s, ok := n.Input.(*plan.Session)
	if n.SessionEnd == 0 || !ok {
		return nil, nil
	}
	_, ends := b.events.SessionBounds(s)
	end := &calls[n.SessionEnd-1]
	c, err := b.newCloser(end.args[0], closing{ends})
	if c != nil {
		c.end = end
	}
	return c, err
}
