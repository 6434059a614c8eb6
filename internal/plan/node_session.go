package plan

import (
	"slices"
	"time"

	"github.com/tidemill/tidemill/internal/row"
)

// Session divides the rows that agree in Keys into sessions: runs of rows none of which is further than Gap behind the one before it. The output is
// the input's columns, then the first and the last time of the row's session. Rows without a time must have been left out.
type Session struct {
	Input Node
	Keys  []*Expr
	Time  int   // the input's column with the time, a timestamp
	Gap   int64 // microseconds
	// Numbered gives a BIGINT that tells the sessions of a key apart, instead of the times: it stays when a session grows.
	Numbered bool
}

// Inputs implements Node.
func (n *Session) Inputs() []Node { return []Node{n.Input} }

// Types implements Node.
func (n *Session) Types() []row.Type {
	in := n.Input.Types()
	t := in[n.Time]
	if n.Numbered {
		return append(in[:len(in):len(in)], row.T(row.Int64))
	}
	return append(in[:len(in):len(in)], t, t)
}

// line says for EXPLAIN and for fingerprints what makes the sessions.
func (n *Session) line(keys, at string) string {
	s := "Session of " + at + " by " + keys + " gap " + (time.Duration(n.Gap) * time.Microsecond).String()
	if n.Numbered {
		s += " numbered"
	}
	return s
}

// mapped returns n over another input, with f applied to its expressions.
func (n *Session) mapped(in Node, f func(*Expr) *Expr) *Session {
	c := *n
	c.Input, c.Keys = in, mapExprs(n.Keys, f)
	c.Time = f(Col(n.Time, n.Input.Types()[n.Time])).Index
	return &c
}

// sessionMarker is the function by which the planner writes down a session's bounds: time, gap, and whether the end is meant.
const sessionMarker = "stream_session"

// session decodes the window functions that session() is planned as, nil if o is something else.
func (d *decoder) session(o object, in []Node, s scope) Node {
	list := o.list("expressions")
	n := &Session{Gap: -1}
	ends := make([]bool, 0, len(list))
	for _, v := range list {
		w := d.object(v, "a window function")
		args := w.list("children")
		if len(args) != 1 {
			return nil
		}
		arg, _ := args[0].(map[string]any)
		if object(arg).str("name") != sessionMarker {
			return nil
		}
		call := d.expr(args[0], s)
		if len(call.Args) != 3 || call.Args[1].Kind != Constant || call.Args[1].Value.Null || call.Args[2].Kind != Constant {
			d.refuse("session() with a gap that is not a constant", "Write the gap as an interval: session(rel, at, INTERVAL 5 MINUTES, key).")
		}
		gap := call.Args[1].Value.V
		if gap.Months != 0 || gap.Days < 0 || gap.Micros < 0 {
			d.refuse("session() with a gap of months or a negative one", "Write the gap in days, hours, minutes or seconds.")
		}
		n.Gap = int64(gap.Days)*24*60*60*1_000_000 + gap.Micros
		if call.Args[0].Kind != Column {
			d.refuse("session() over an expression", "Name the column with the time: session(rel, at, INTERVAL 5 MINUTES, key).")
		}
		n.Time, n.Keys = call.Args[0].Index, d.exprs(w.list("partitions"), s)
		ends = append(ends, call.Args[2].Value.I != 0)
	}
	if len(list) == 0 {
		return nil
	}
	n.Input = d.single(in)
	width := len(n.Input.Types())
	cols := upTo(width)
	for _, end := range ends {
		cols = append(cols, width+boolIndex(end))
	}
	return selectColumns(n, cols)
}

func boolIndex(b bool) int {
	if b {
		return 1
	}
	return 0
}

// fuseSessions lets aggregates per session find their groups by the session's number: then a session that grows changes one group, not all its rows.
func fuseSessions(root Node) Node {
	return rebuild(root, func(n Node, shared func(Node) bool) Node {
		a, ok := n.(*Aggregate)
		if !ok || a.Sets != nil {
			return n
		}
		s, ok := a.Input.(*Session)
		if !ok || s.Numbered || !sessionsApart(a, s) {
			return n
		}
		return fuseSession(a, s)
	})
}

// sessionsApart reports whether the groups of a are the sessions of s: all its keys and nothing else, and its bounds.
func sessionsApart(a *Aggregate, s *Session) bool {
	first := len(s.Input.Types())
	keys := map[string]bool{}
	for _, k := range s.Keys {
		keys[exact(k)] = false
	}
	bounds := false
	for _, g := range a.Groups {
		if g.Kind == Column && g.Index >= first {
			bounds = true
			continue
		}
		if _, is := keys[exact(g)]; !is {
			return false
		}
		keys[exact(g)] = true
	}
	for i := range a.Calls {
		if cols := Columns(a.Calls[i].exprs()...); len(cols) > 0 && cols[len(cols)-1] >= first {
			return false
		}
	}
	for _, there := range keys {
		if !there {
			return false
		}
	}
	return bounds
}

// fuseSession groups by the session's number, and computes its bounds as aggregates.
func fuseSession(a *Aggregate, s *Session) Node {
	numbered := *s
	numbered.Numbered = true
	first := len(s.Input.Types())
	t := s.Input.Types()[s.Time]
	out := &Aggregate{Input: &numbered, Calls: slices.Clone(a.Calls)}
	exprs := make([]*Expr, 0, len(a.Types()))
	at := make([]int, len(a.Groups)) // of groups that are not bounds
	for i, g := range a.Groups {
		if g.Kind != Column || g.Index < first {
			at[i] = len(out.Groups)
			out.Groups = append(out.Groups, g)
		}
	}
	out.Groups = append(out.Groups, Col(first, row.T(row.Int64)))
	start := len(out.Groups) + len(out.Calls)
	for _, name := range []string{"min", "max"} {
		out.Calls = append(out.Calls, AggregateCall{Name: name, Args: []*Expr{Col(s.Time, t)}, Type: t})
	}
	out.SessionEnd = len(out.Calls)
	for i, g := range a.Groups {
		if g.Kind == Column && g.Index >= first {
			exprs = append(exprs, Col(start+g.Index-first, t))
		} else {
			exprs = append(exprs, Col(at[i], g.Type))
		}
	}
	for i := range a.Calls {
		exprs = append(exprs, Col(len(out.Groups)+i, a.Calls[i].Type))
	}
	return &Project{Input: out, Exprs: exprs}
}
