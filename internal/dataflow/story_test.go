package dataflow

import (
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/tidemill/tidemill/internal/dataflow/scalar"
	"github.com/tidemill/tidemill/internal/plan"
	"github.com/tidemill/tidemill/internal/row"
)

// A story is what streams (k, n, at) get, group by group, with the wall-clock time. Its rows are in about the order of time: shuffled, some late, some
// without a time, with times at which nothing comes. What a query over it gives must not depend on how its groups are cut into ticks, on the number
// of workers, or on whether the state was saved and loaded in between; and it must be the query over the rows that a rule written down here says are on time.
type story struct {
	groups []storyGroup
	begin  int64
}

type storyGroup struct {
	relation string
	rows     [][]row.Value
	weights  []int64
	now      int64
	future   []bool // rows whose time is too far ahead to move a watermark
}

// eventQuery is a query with the rules that hold for it.
type eventQuery struct {
	root func() plan.Node
	// late says which rows are too late: at is the row's time, mark the watermark of the groups before the row's own.
	late func(relation string, at, mark int64) bool
	// final, for emit = 'final', is the column that decides when a row is final, and the value below which rows are.
	final *finalRule
	// keyed gives each k a watermark of its own; together says that the query has to go by that of all keys nevertheless.
	keyed, together bool
	// changing retracts rows that are on time now and then.
	changing bool
	// asks says that the query asks for the time.
	asks bool
	// streams are the names of what is read; l alone if nil.
	streams []string
}

type finalRule struct {
	column int
	key    int // the column of the result that has k, of keyed queries
	below  func(mark int64) int64
}

const (
	storyGroups  = 100
	storyDelay   = 20 * second
	storyFuture  = 600 * second
	storySeconds = 3 // between groups, on average
)

func (q *eventQuery) names() []string {
	if q.streams == nil {
		return []string{"l"}
	}
	return q.streams
}

func (q *eventQuery) tell(r *rand.Rand) *story {
	s := &story{begin: int64(1_700_000_000) * second}
	now := s.begin
	live := map[string]*zset{}
	marks := newStoryMarks(q)
	for _, name := range q.names() {
		live[name] = newZset(timedTypes)
	}
	for range storyGroups {
		now += r.Int64N(2*storySeconds) * second
		if r.IntN(25) == 0 {
			now += r.Int64N(300) * second
		}
		g := storyGroup{relation: q.names()[r.IntN(len(q.names()))], now: now}
		for range r.IntN(6) {
			at := now - r.Int64N(storyDelay)
			far := false
			switch r.IntN(24) {
			case 0:
				at -= r.Int64N(3 * storyDelay)
			case 1:
				at -= r.Int64N(60 * storyDelay)
			case 2:
				if q.keyed {
					at, far = now+storyFuture+second+r.Int64N(storyFuture), true
				}
			}
			at -= at % second
			v := []row.Value{row.IntValue(i64(), int64(r.IntN(3))), row.IntValue(i64(), int64(r.IntN(5))), {Type: timestamp, I: at}}
			if r.IntN(40) == 0 {
				v[2] = row.NullValue(timestamp)
			}
			g.rows, g.weights, g.future = append(g.rows, v), append(g.weights, 1), append(g.future, far)
		}
		if q.changing {
			z := live[g.relation]
			for _, k := range z.keys() {
				if v := z.rows[k]; z.n[k] > 0 && !v[2].Null && v[2].I >= marks.of(v[0].I) && r.IntN(12) == 0 {
					g.rows, g.weights, g.future = append(g.rows, v), append(g.weights, -1), append(g.future, false)
				}
			}
			z.add(batchOf(timedTypes, g.rows, g.weights))
		}
		marks.take(&g)
		s.groups = append(s.groups, g)
	}
	return s
}

// storyMarks follow the watermark by the rules of the documentation: that of the stream which is furthest behind, or of each key.
type storyMarks struct {
	q      *eventQuery
	latest map[string]int64
	keys   map[int64]int64
	mark   int64
	moved  map[int64]bool // keys, since the tick began
	all    bool           // the watermark of all has moved since
}

func newStoryMarks(q *eventQuery) *storyMarks {
	return &storyMarks{q: q, latest: map[string]int64{}, keys: map[int64]int64{}, mark: NoWatermark, moved: map[int64]bool{}}
}

// of is the watermark by which rows of a key are late.
func (m *storyMarks) of(key int64) int64 {
	if !m.q.keyed || m.q.together {
		return m.mark
	}
	if latest, ok := m.keys[key]; ok {
		return latest - storyDelay
	}
	return NoWatermark
}

func (m *storyMarks) take(g *storyGroup) {
	for i, v := range g.rows {
		if g.weights[i] < 0 || v[2].Null || g.future[i] {
			continue
		}
		if at, ok := m.latest[g.relation]; !ok || v[2].I > at {
			m.latest[g.relation] = v[2].I
		}
		if at, ok := m.keys[v[0].I]; !ok || v[2].I > at {
			m.keys[v[0].I] = v[2].I
			m.moved[v[0].I] = true
		}
	}
	least, all := int64(0), true
	if m.q.keyed {
		m.settle(slices.Min(append(slices.Collect(maps.Values(m.keys)), math.MaxInt64)), len(m.keys) > 0)
		return
	}
	for i, name := range m.q.names() {
		at, ok := m.latest[name]
		all = all && ok
		if i == 0 || at < least {
			least = at
		}
	}
	m.settle(least, all)
}

func (m *storyMarks) settle(least int64, some bool) {
	if some && least-storyDelay > m.mark {
		m.mark, m.all = least-storyDelay, true
	}
}

// behind reports whether a group has to wait for the next tick, as the engine has it.
func (m *storyMarks) behind(g *storyGroup) bool {
	for i, v := range g.rows {
		if g.weights[i] < 0 || v[2].Null {
			continue
		}
		if m.all && v[2].I < m.mark || m.q.keyed && m.moved[v[0].I] && v[2].I < m.of(v[0].I) {
			return true
		}
	}
	return false
}

func (q *eventQuery) build(t *testing.T, workers int) *Graph {
	t.Helper()
	o := Options{Workers: workers, Compiler: &scalar.Compiler{}, AppendOnly: func(string) bool { return !q.changing }, Final: q.final != nil,
		Schema: func(string) row.Schema { return schemaOf(timedTypes) }, EventTime: timedColumn}
	if q.keyed {
		o.Keyed = func(string) *plan.KeyedTime {
			return &plan.KeyedTime{Column: "c2", Per: []string{"c0"}, Mark: shifted("-", col(0, timestamp), storyDelay), Ahead: storyFuture}
		}
	}
	g, err := Build(plan.Optimize(q.root()), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.Close)
	return g
}

// told is what has come of a story so far.
type told struct {
	inputs map[string]*zset // the rows on time
	late   map[string]int64 // by relation, row and watermark
	marks  *storyMarks
	now    int64
	finals *zset // rows that must have been told as final
}

// run plays a story in ticks cut at random.
func (q *eventQuery) run(t *testing.T, s *story, workers int, r *rand.Rand) {
	t.Helper()
	g := q.build(t, workers)
	x := told{inputs: map[string]*zset{}, late: map[string]int64{}, marks: newStoryMarks(q), finals: newZset(g.Types())}
	for _, name := range q.names() {
		x.inputs[name] = newZset(timedTypes)
	}
	got, late := newZset(g.Types()), map[string]int64{}
	times := Times{Before: NoWatermark, After: NoWatermark}
	large := []int{1, 3, 12}[r.IntN(3)]
	saved := saver{r: r}
	for at, tick := 0, 0; at < len(s.groups); tick++ {
		x.marks.moved, x.marks.all = map[int64]bool{}, false
		changes := map[string]*row.Batch{}
		room := r.IntN(large + 1)
		times.Taken = s.groups[at].now
		for first := at; at < len(s.groups) && room > 0; room-- {
			gr := &s.groups[at]
			if at > first && x.marks.behind(gr) {
				break
			}
			q.judge(gr, &x)
			x.marks.take(gr)
			changes[gr.relation] = row.Concat([]*row.Batch{changes[gr.relation], batchOf(timedTypes, gr.rows, gr.weights)})
			x.now = gr.now
			at++
		}
		times.Before, times.After, times.Now = times.After, x.marks.mark, x.now
		g.SetTimes(times)
		out, err := g.Step(changes, parallel)
		if err != nil {
			t.Fatal(err)
		}
		for _, b := range out {
			q.checkFinal(t, b, &x)
			got.add(b)
		}
		rows, count := g.TakeLate()
		if int64(len(rows)) != count {
			t.Fatalf("%d late rows, of which %d are told", count, len(rows))
		}
		for i := range rows {
			late[lateText(rows[i].Relation, rows[i].Row, rows[i].Watermark)]++
		}
		q.compareLate(t, tick, late, x.late)
		if saved.save(g); r.IntN(8) == 0 {
			if loaded := saved.load(t, func() *Graph { return q.build(t, workers) }); loaded != nil {
				g, saved = loaded, saver{r: r}
			}
		}
		if tick%15 == 14 || at == len(s.groups) {
			mustMatch(t, tick, got, q.expected(t, g, &x))
		}
	}
	if len(late) == 0 && q.late != nil {
		t.Error("nothing was late")
	}
	if len(got.n) == 0 {
		t.Error("the query has no result")
	}
}

func lateText(relation string, b *row.Batch, mark int64) string {
	vs := make([]row.Value, len(b.Cols))
	for c := range b.Cols {
		vs[c] = b.Cols[c].Value(0)
	}
	return fmt.Sprintf("%s%s below %d", relation, show(vs), mark)
}

// judge puts the rows of a group among those on time or the late ones.
func (q *eventQuery) judge(g *storyGroup, x *told) {
	for i, v := range g.rows {
		mark := x.marks.of(v[0].I)
		one := batchOf(timedTypes, [][]row.Value{v}, g.weights[i:i+1])
		if q.late != nil && !v[2].Null && mark != NoWatermark && q.late(g.relation, v[2].I, mark) {
			x.late[lateText(g.relation, one, mark)]++
			continue
		}
		x.inputs[g.relation].add(one)
	}
}

func (q *eventQuery) compareLate(t *testing.T, tick int, got, want map[string]int64) {
	t.Helper()
	for k, n := range want {
		if got[k] != n {
			t.Fatalf("tick %d: %s was late %d times, want %d", tick, k, got[k], n)
		}
	}
	for k, n := range got {
		if want[k] != n {
			t.Fatalf("tick %d: %s was late %d times, want %d", tick, k, n, want[k])
		}
	}
}

// expected is the query's answer over the rows on time, as far as it is final.
func (q *eventQuery) expected(t *testing.T, g *Graph, x *told) *zset {
	t.Helper()
	root := q.root()
	if q.asks {
		root = atTime(root, x.now)
	}
	all := evaluate(t, root, x.inputs)
	want := newZset(g.Types())
	if q.final == nil {
		want.add(all)
		return want
	}
	for i := range all.Len {
		if v := all.Cols[q.final.column].Value(i); !v.Null && q.isFinal(all, i, x) {
			want.add(all.Gather([]int32{int32(i)}))
		}
	}
	return want
}

func (q *eventQuery) isFinal(b *row.Batch, i int, x *told) bool {
	mark := x.marks.mark
	if q.keyed {
		mark = x.marks.of(b.Cols[q.final.key].Value(i).I)
	}
	return mark != NoWatermark && b.Cols[q.final.column].Value(i).I < q.final.below(mark)
}

// checkFinal wants rows of a query whose rows are final to be so.
func (q *eventQuery) checkFinal(t *testing.T, b *row.Batch, x *told) {
	t.Helper()
	if q.final == nil {
		return
	}
	for i := range b.Len {
		if b.Weight(i) < 1 || !q.isFinal(b, i, x) {
			t.Fatalf("a row is told with weight %d that is not final", b.Weight(i))
		}
	}
}

// check plays several stories, each cut differently for one worker and for three.
func (q eventQuery) check(t *testing.T) {
	t.Helper()
	seeds := uint64(2)
	if testing.Short() || underRace {
		seeds = 1
	}
	for seed := range seeds {
		s := q.tell(rand.New(rand.NewPCG(seed, 77)))
		for _, workers := range []int{1, 3} {
			t.Run(fmt.Sprintf("%d,workers=%d", seed, workers), func(t *testing.T) {
				q.run(t, s, workers, rand.New(rand.NewPCG(seed, uint64(workers))))
			})
		}
	}
}

// atTime returns a plan with the time written out.
func atTime(n plan.Node, now int64) plan.Node {
	value := plan.Const(row.Value{Type: row.T(row.TimestampTZ), I: now})
	var write func(e *plan.Expr) *plan.Expr
	write = func(e *plan.Expr) *plan.Expr {
		if e.Kind == plan.Call && e.Name == "stream_now" {
			return value
		}
		c := *e
		c.Args = make([]*plan.Expr, len(e.Args))
		for i, a := range e.Args {
			c.Args[i] = write(a)
		}
		return &c
	}
	switch n := n.(type) {
	case *plan.Filter:
		c := *n
		c.Input, c.Predicates = atTime(n.Input, now), make([]*plan.Expr, len(n.Predicates))
		for i, p := range n.Predicates {
			c.Predicates[i] = write(p)
		}
		return &c
	case *plan.Aggregate:
		c := *n
		c.Input = atTime(n.Input, now)
		return &c
	case *plan.Project:
		c := *n
		c.Input = atTime(n.Input, now)
		return &c
	case *plan.Distinct:
		return &plan.Distinct{Input: atTime(n.Input, now)}
	case *plan.Join:
		c := *n
		c.Left, c.Right = atTime(n.Left, now), atTime(n.Right, now)
		return &c
	}
	return n
}
