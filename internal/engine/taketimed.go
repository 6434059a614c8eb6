package engine

import (
	"slices"

	"github.com/tidemill/tidemill/internal/record"
)

// openRun is a transaction of several groups of which some have been taken, but not the last: they are one step with what lies between them, as they were when the
// transaction was committed.
type openRun struct {
	stream uint64
	tx     record.TxID
	open   bool
}

// in reports whether the next group of a stream belongs to the run.
func (r *openRun) in(stream uint64) bool { return r.open && r.stream == stream }

// take notes a group that was taken.
func (r *openRun) take(stream uint64, g *group) {
	switch {
	case !r.open:
		*r = openRun{stream, g.tx, g.tx != (record.TxID{}) && !g.final}
	case r.stream == stream && r.tx == g.tx && g.final:
		r.open = false
	}
}

// takeTimedLocked takes groups from the streams with a watermark, and from what is to be seen together with them, in the order in which the log took them: what is late for a view of several streams
// depends on it. While the log is replayed it waits for the stream that has nothing to show yet.
func (e *Engine) takeTimedLocked(ins []*input, rows int) (took []taken, more bool) {
	slices.SortFunc(ins, func(a, b *input) int { return int(a.rel.ID) - int(b.rel.ID) })
	m := timedMerge{e: e, ins: ins, n: make([]int, len(ins)), out: make([]taken, len(ins)), blocked: make([]bool, len(ins)), txs: map[record.TxID]bool{}}
	for rows > 0 || m.run.open {
		i, ok := m.earliest()
		if !ok {
			break
		}
		took, n := m.take(i)
		if !took {
			more = true // the next tick begins with it
			break
		}
		rows -= n
	}
	for i, in := range ins {
		more = more || rows <= 0 && m.n[i] < len(in.queue)
		in.dropLocked(m.n[i])
		if m.out[i].end > 0 {
			took = append(took, m.out[i])
		}
	}
	return took, more
}

type timedMerge struct {
	e       *Engine
	ins     []*input
	n       []int // groups taken, per input
	out     []taken
	blocked []bool // the next group belongs to an open transaction
	run     openRun
	txs     map[record.TxID]bool // transactions of which groups were taken
}

// earliest is the input whose next group the log took first; ok is false if there is none, or if it is not known yet.
func (m *timedMerge) earliest() (first int, ok bool) {
	for i, in := range m.ins {
		waiting := m.e.replaying && !in.replayed && !in.failed && !in.gone
		switch {
		case m.run.open && !m.run.in(in.rel.ID) || m.blocked[i]:
		case m.n[i] == len(in.queue):
			if waiting {
				return 0, false
			}
		case waiting && !m.run.open && !in.wholeLocked(m.n[i]) && m.e.verdictLocked(in.queue[m.n[i]].tx) == txApplied:
			return 0, false // a transaction is taken as one
		case !ok || in.queue[m.n[i]].taken < m.ins[first].queue[m.n[first]].taken:
			first, ok = i, true
		}
	}
	return first, ok
}

// take takes the next group of an input and returns its rows; ok is false if it has to wait for the next tick.
func (m *timedMerge) take(i int) (ok bool, rows int) {
	in := m.ins[i]
	g := &in.queue[m.n[i]]
	if g.tx != (record.TxID{}) {
		switch m.e.verdictLocked(g.tx) {
		case txOpen, txCommitted:
			m.blocked[i] = true
			return true, 0
		case txAborted:
			m.out[i].in, m.out[i].end = in, g.end
			m.n[i]++
			return true, 0
		}
	}
	if !m.run.in(in.rel.ID) && !m.txs[g.tx] && m.e.clocks.behind(in.rel.ID, g.taken, g.spans) {
		return false, 0
	}
	m.run.take(in.rel.ID, g)
	if g.tx != (record.TxID{}) {
		m.txs[g.tx] = true
	}
	m.e.clocks.take(in.rel.ID, g.taken, g.spans)
	m.out[i].in, m.out[i].end = in, g.end
	m.out[i].groups = append(m.out[i].groups, *g)
	m.n[i]++
	return true, g.rows
}
