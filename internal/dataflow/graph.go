package dataflow

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/tidemill/tidemill/internal/dataflow/state"
	"github.com/tidemill/tidemill/internal/row"
)

// Runner calls f(0) … f(n-1), possibly in parallel, and returns when all have returned.
type Runner func(n int, f func(i int))

// Inline is the Runner that calls one after the other.
func Inline(n int, f func(i int)) {
	for i := range n {
		f(i)
	}
}

// inlineRows is the number of rows below which a tick is run on one goroutine: handing
// work to others costs a few microseconds, which is what a hundred rows cost.
const inlineRows = 256

// Reject is a row that an expression failed on. It takes no part in the result.
type Reject struct {
	Operator string
	Message  string
	// Row holds the failing row of the operator's input, one row long.
	Row *row.Batch
}

// port is what an operator's instance gets on one input in one tick.
type port struct {
	batch *row.Batch // nil: nothing
	keys  []row.Vec  // of a routed input: the values of the key
	hash  []uint64   // and their hashes
	// columns are the positions of the keys in the batch, if that is where they are.
	columns []int
}

func (p *port) rows() int {
	if p.batch == nil {
		return 0
	}
	return p.batch.Len
}

// operator is one instance of an operator: the state and the work of one shard.
type operator interface {
	// step takes the changes of one tick, one port per input, and returns what changes in the output, nil for nothing.
	step(in []port) (*row.Batch, error)
	// bytes is the memory the state takes.
	bytes() int64
	// persist shows the state to a Keeper, between two steps.
	persist(k *state.Keeper)
}

// rejecter is an operator whose expressions can fail for single rows.
type rejecter interface {
	takeRejects() []Reject
}

// node is an operator with its instances.
type node struct {
	title  string
	inputs []int
	routes []*router // per input; nil keeps rows where they are
	shards []operator
	// initial says that the operator has output before any input (an aggregate without groups, constants).
	initial bool
	// timed says that the operator has something to do when the times move, also without input.
	timed bool
}

// Graph maintains one query. It is for one goroutine.
type Graph struct {
	workers    int
	nodes      []node // inputs before users
	sources    map[string][]int
	output     int
	types      []row.Type
	started    bool
	appendOnly bool
	flows      [][]*row.Batch // per node and shard, of the tick in progress
	rejects    []Reject
	late       []Late
	lateCount  int64
	closers    []func()
	times      *Times // operators look at it
	moved      bool   // since the last step
	temporal   bool
	final      bool
	keyed      []*keyedClock
	punctual   []string // relations whose late rows are left out
	resolution time.Duration

	fingerprint uint64
}

// Types are the types of the result's columns.
func (g *Graph) Types() []row.Type { return g.types }

// AppendOnly reports whether the result never loses a row.
func (g *Graph) AppendOnly() bool { return g.appendOnly }

// Reads lists the relations whose changes the graph wants, in alphabetical order.
func (g *Graph) Reads() []string { return slices.Sorted(maps.Keys(g.sources)) }

// Bytes is the memory that the operators' state takes.
func (g *Graph) Bytes() int64 {
	n := int64(0)
	for i := range g.nodes {
		for _, s := range g.nodes[i].shards {
			n += s.bytes()
		}
	}
	for _, c := range g.keyed {
		n += c.bytes()
	}
	return n
}

// Close frees what compiled expressions hold.
func (g *Graph) Close() {
	for _, c := range g.closers {
		c()
	}
	g.closers = nil
}

// Step takes the changes of one tick by relation and returns the changes of the result, one batch per shard with rows; equal rows may
// appear more than once. The first Step also brings what the result holds over empty inputs. After an error the graph's
// state is void.
func (g *Graph) Step(changes map[string]*row.Batch, run Runner) ([]*row.Batch, error) {
	rows := 0
	for name, nodes := range g.sources {
		if b := changes[name]; b != nil && b.Len > 0 {
			rows += b.Len
			for _, n := range nodes {
				g.flows[n] = g.spread(b)
			}
		}
	}
	if rows < inlineRows {
		run = Inline
	}
	failed := g.stepClocks(changes)
	for i := range g.nodes {
		if len(g.nodes[i].inputs) > 0 || g.nodes[i].initial {
			if err := g.stepNode(i, run); err != nil && failed == nil {
				failed = fmt.Errorf("running %s: %w", g.nodes[i].title, err)
			}
		}
	}
	g.started, g.moved = true, false
	var out []*row.Batch
	for _, b := range g.flows[g.output] {
		if b != nil && b.Len > 0 {
			out = append(out, b)
		}
	}
	clear(g.flows)
	return out, failed
}

// Persist shows the state of all operators to a Keeper, between two steps. A graph that has loaded it goes on as the one that saved it; it must be of the same
// plan and the same number of workers. What was rejected or late and not taken yet is not part of it.
func (g *Graph) Persist(k *state.Keeper) {
	k.Bool(&g.started)
	for _, c := range g.keyed {
		c.persist(k)
	}
	for i := range g.nodes {
		for _, s := range g.nodes[i].shards {
			s.persist(k)
		}
	}
}

// Fingerprint is that of the plan and of what else decides what the state means.
func (g *Graph) Fingerprint() uint64 { return g.fingerprint }

// Workers is the number of shards per operator.
func (g *Graph) Workers() int { return g.workers }

// TakeRejects returns the rows that were left out since the last call.
func (g *Graph) TakeRejects() []Reject {
	r := g.rejects
	g.rejects = nil
	return r
}

// spread divides a source's rows among the workers.
func (g *Graph) spread(b *row.Batch) []*row.Batch {
	out := make([]*row.Batch, g.workers)
	if b.Len < inlineRows || g.workers == 1 {
		out[0] = b
		return out
	}
	for w := range out {
		lo, hi := b.Len*w/g.workers, b.Len*(w+1)/g.workers
		out[w] = b.Slice(lo&^7, hiAligned(hi, b.Len))
	}
	return out
}

// hiAligned keeps slices at multiples of 8 so that bitmaps need no copying.
func hiAligned(hi, n int) int {
	if hi == n {
		return n
	}
	return hi &^ 7
}

func (g *Graph) stepNode(i int, run Runner) error {
	n := &g.nodes[i]
	awake := n.initial && !g.started || n.timed && g.moved
	idle := !awake
	for _, in := range n.inputs {
		if g.flows[in] != nil {
			idle = false
		}
	}
	if idle {
		return nil
	}
	ports, err := g.route(n, run)
	if err != nil {
		return err
	}
	out := make([]*row.Batch, g.workers)
	errs := make([]error, g.workers)
	run(g.workers, func(w int) {
		live := awake
		for p := range ports[w] {
			ports[w][p].assemble()
			live = live || ports[w][p].rows() > 0
		}
		if live {
			in := make([]port, len(ports[w]))
			for p := range in {
				in[p] = ports[w][p].port
			}
			out[w], errs[w] = n.shards[w].step(in)
		}
	})
	some := false
	for w := range out {
		if errs[w] != nil {
			return errs[w]
		}
		some = some || (out[w] != nil && out[w].Len > 0)
		if r, ok := n.shards[w].(rejecter); ok {
			g.rejects = append(g.rejects, r.takeRejects()...)
		}
		if l, ok := n.shards[w].(later); ok {
			late, count := l.takeLate()
			g.late, g.lateCount = append(g.late, late...), g.lateCount+count
		}
	}
	if some {
		g.flows[i] = out
	}
	return nil
}

// Explain describes the graph, the result's operator first, its inputs indented below.
func (g *Graph) Explain() string {
	var b strings.Builder
	seen := map[int]bool{}
	var walk func(n int, prefix, branch string)
	walk = func(n int, prefix, branch string) {
		nd := &g.nodes[n]
		b.WriteString(prefix + branch + nd.title)
		if seen[n] && len(nd.inputs) > 0 {
			b.WriteString("  (shared, see above)\n")
			return
		}
		seen[n] = true
		b.WriteByte('\n')
		below := prefix
		switch branch {
		case "├─ ":
			below += "│  "
		case "└─ ":
			below += "   "
		}
		for k, in := range nd.inputs {
			next := "├─ "
			if k == len(nd.inputs)-1 {
				next = "└─ "
			}
			if r := nd.routes[k]; r != nil && g.workers > 1 {
				b.WriteString(below + next + r.title + "\n")
				deeper := "│  "
				if next == "└─ " {
					deeper = "   "
				}
				walk(in, below+deeper, "└─ ")
				continue
			}
			walk(in, below, next)
		}
	}
	walk(g.output, "", "")
	return b.String()
}
