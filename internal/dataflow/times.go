package dataflow

import (
	"math"
	"slices"
	"time"

	"github.com/tidemill/tidemill/internal/dataflow/scalar"
	"github.com/tidemill/tidemill/internal/dataflow/state"
	"github.com/tidemill/tidemill/internal/plan"
	"github.com/tidemill/tidemill/internal/row"
)

// NoWatermark is the watermark before anything is known of event time.
const NoWatermark = math.MinInt64

// Times are the times of a step, in microseconds since 1970-01-01 UTC. They are inputs: nothing here looks at a clock.
type Times struct {
	// Now is what temporal filters compare with. It never goes back.
	Now int64
	// Before and After are the watermark of all inputs together before and after the step's changes; NoWatermark if there is none.
	// They never go back. A row is late by Before; After decides what is closed.
	Before, After int64
	// Taken is when the log took the first of the step's changes: it says which times are too far ahead to move the watermark of a key. Of a step
	// whose changes the log took at several times none may lie between what the first and what its own limit allows. 0 is for no limit.
	Taken int64
}

// Late is a row that came too late for what it belongs to.
type Late struct {
	Relation string
	// Row is the row of the relation, one row long, its weight being +1; Columns are its columns, which are the relation's when the graph was built.
	Row     *row.Batch
	Columns row.Schema
	// EventTime is the row's, Watermark the one it was late by; microseconds since 1970-01-01 UTC.
	EventTime, Watermark int64
	// Taken is Times.Taken of the step.
	Taken int64
}

// SetTimes sets the times of the steps that follow.
func (g *Graph) SetTimes(t Times) {
	if t.Now != g.times.Now || t.Before != g.times.Before || t.After != g.times.After {
		g.moved = true
	}
	*g.times = t
}

// AsksForTime reports whether the result changes while time passes.
func (g *Graph) AsksForTime() bool { return g.temporal }

// Resolution is how often the time is to be looked at.
func (g *Graph) Resolution() time.Duration { return g.resolution }

// Final reports whether rows are told once, when they are final.
func (g *Graph) Final() bool { return g.final }

// ChecksLateness reports whether rows of a relation can be too late for the query.
func (g *Graph) ChecksLateness(relation string) bool { return slices.Contains(g.punctual, relation) }

// TakeLate returns the late rows since the last call, of which a step describes a bounded number, and how many there were.
func (g *Graph) TakeLate() ([]Late, int64) {
	l, n := g.late, g.lateCount
	g.late, g.lateCount = nil, 0
	return l, n
}

// later is an operator that leaves out late rows.
type later interface {
	takeLate() ([]Late, int64)
}

// threshold is the least value that can still come, as a number of state.OrderBits. It is for one shard.
type threshold struct {
	times  *Times
	bounds []boundProgram
	known  int64 // the watermark that bits is for
	bits   uint64
	ok     bool
}

type boundProgram struct {
	typ     row.Type // of the watermark
	program *scalar.Program
}

// threshold compiles bounds; nil for none.
func (b *builder) threshold(bounds []plan.TimeBound) (*threshold, error) {
	if len(bounds) == 0 {
		return nil, nil
	}
	t := &threshold{times: b.g.times, known: NoWatermark}
	for i := range bounds {
		e := bounds[i].Threshold()
		typ := columnType(e)
		p, err := b.compile([]*plan.Expr{e}, []row.Type{typ})
		if err != nil {
			return nil, err
		}
		t.bounds = append(t.bounds, boundProgram{typ, p})
	}
	return t, nil
}

// columnType is the type of the one column of an expression.
func columnType(e *plan.Expr) (t row.Type) {
	e.Walk(func(x *plan.Expr) bool {
		if x.Kind == plan.Column {
			t = x.Type
		}
		return x.Kind != plan.Column
	})
	return t
}

// at returns the least value that can still come at a watermark; ok is false while nothing is known.
func (t *threshold) at(watermark int64) (bits uint64, ok bool) {
	if watermark == NoWatermark {
		return 0, false
	}
	if watermark == t.known {
		return t.bits, t.ok
	}
	t.known, t.ok = watermark, false
	for i := range t.bounds {
		cols, errs, err := t.bounds[i].program.Eval(&row.Batch{Cols: []row.Vec{row.TimeVec(t.bounds[i].typ, watermark)}, Len: 1})
		if err != nil || len(errs) > 0 || cols[0].Null(0) {
			t.ok = false
			return 0, false
		}
		if bits := state.OrderBits(&cols[0], 0); i == 0 || bits < t.bits {
			t.bits = bits
		}
		t.ok = true
	}
	return t.bits, t.ok
}
