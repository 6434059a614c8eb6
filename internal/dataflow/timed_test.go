package dataflow

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/tidemill/tidemill/internal/dataflow/scalar"
	"github.com/tidemill/tidemill/internal/plan"
	"github.com/tidemill/tidemill/internal/row"
)

const second = int64(1_000_000)

var (
	timestamp  = row.T(row.Timestamp)
	timedTypes = []row.Type{i64(), i64(), timestamp}
)

func interval(micros int64) *plan.Expr {
	return plan.Const(row.Value{Type: row.T(row.Interval), V: row.IntervalValue{Micros: micros}})
}

func bucketOf(micros int64, e *plan.Expr) *plan.Expr {
	return plan.Fn("time_bucket", timestamp, interval(micros), e)
}

func shifted(op string, e *plan.Expr, micros int64) *plan.Expr {
	return plan.Fn(op, timestamp, e, interval(micros))
}

// timedRun feeds rows in about the order of time to a query over streams (k, v, at), with a watermark that follows.
type timedRun struct {
	root    func() plan.Node
	names   []string
	retract bool // rows of which the watermark has not passed are retracted now and then
	// open is for queries that keep state for ever.
	open bool
	// optimize builds the optimized plan.
	optimize bool
}

const (
	timedDelay = 20 * second
	timedStep  = 5 * second
	timedTicks = 120
)

// timedColumn says that the watermark bounds at.
func timedColumn(_, column string) []*plan.Expr {
	if column != "c2" {
		return nil
	}
	return []*plan.Expr{plan.Col(0, timestamp)}
}

func (s *timedRun) build(t testing.TB, workers int, bounded bool) *Graph {
	t.Helper()
	o := Options{Workers: workers, Compiler: &scalar.Compiler{}, AppendOnly: func(string) bool { return !s.retract },
		Schema: func(string) row.Schema { return schemaOf(timedTypes) }}
	if bounded {
		o.EventTime = timedColumn
	}
	root := s.root()
	if s.optimize {
		root = plan.Optimize(root)
	}
	g, err := Build(root, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.Close)
	return g
}

// tick draws the rows of a tick at a time; the watermark was mark before it.
func (s *timedRun) tick(r *rand.Rand, now, mark int64, have *zset) *row.Batch {
	var rows [][]row.Value
	var weights []int64
	for range r.IntN(10) {
		at := now - r.Int64N(timedDelay)
		if r.IntN(40) == 0 {
			at -= 30 * timedDelay // too late
		}
		at -= at % second
		v := []row.Value{row.IntValue(i64(), int64(r.IntN(3))), row.IntValue(i64(), int64(r.IntN(5))), {Type: timestamp, I: at}}
		if r.IntN(30) == 0 {
			v[2] = row.NullValue(timestamp)
		}
		rows, weights = append(rows, v), append(weights, 1)
	}
	if s.retract {
		for _, k := range have.keys() {
			if v := have.rows[k]; !v[2].Null && v[2].I >= mark && r.IntN(8) == 0 {
				rows, weights = append(rows, v), append(weights, -1)
			}
		}
	}
	return batchOf(timedTypes, rows, weights)
}

func (s *timedRun) run(t *testing.T, workers int, seed uint64) {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, uint64(workers)))
	g, twin := s.build(t, workers, true), s.build(t, workers, false)
	inputs := map[string]*zset{}
	for _, name := range s.names {
		inputs[name] = newZset(timedTypes)
	}
	got := newZset(g.Types())
	times := Times{Before: NoWatermark, After: NoWatermark}
	late, early, peak := int64(0), int64(0), int64(0)
	saved := saver{r: r}
	for n := range timedTicks {
		now := int64(1_700_000_000)*second + int64(n)*timedStep
		times.Before, times.After = times.After, now-timedDelay
		changes := map[string]*row.Batch{}
		for _, name := range s.names {
			if r.IntN(5) > 0 {
				b := s.tick(r, now, times.Before, inputs[name])
				changes[name] = b
				inputs[name].add(b)
			}
		}
		g.SetTimes(times)
		out, err := g.Step(changes, parallel)
		if err != nil {
			t.Fatal(err)
		}
		for _, b := range out {
			got.add(b)
		}
		rows, count := g.TakeLate()
		if int64(len(rows)) != count {
			t.Fatalf("%d late rows, of which %d are told", count, len(rows))
		}
		late += count
		for _, l := range rows {
			if l.EventTime >= l.Watermark {
				t.Fatalf("%s is late by the watermark %d", show([]row.Value{l.Row.Cols[2].Value(0)}), l.Watermark)
			}
			l.Row.Weights = []int64{-1}
			inputs[l.Relation].add(l.Row)
			onTime := newZset(timedTypes)
			onTime.add(changes[l.Relation])
			onTime.add(l.Row)
			changes[l.Relation] = onTime.batch()
		}
		if _, err := twin.Step(changes, Inline); err != nil {
			t.Fatal(err)
		}
		saved.save(g)
		if r.IntN(8) == 0 {
			if loaded := saved.load(t, func() *Graph { return s.build(t, workers, true) }); loaded != nil {
				g, saved = loaded, saver{r: r}
			}
		}
		if n < timedTicks/4 {
			early = max(early, g.Bytes())
		}
		peak = max(peak, g.Bytes())
		if n == timedTicks/2 || n == timedTicks-1 {
			want := newZset(g.Types())
			want.add(evaluate(t, s.root(), inputs))
			mustMatch(t, n, got, want)
			if len(want.n) == 0 && n == timedTicks-1 {
				t.Fatal("the query has no result")
			}
		}
	}
	if s.open {
		return
	}
	if late == 0 {
		t.Error("no row was late")
	}
	if peak > early*2 {
		t.Errorf("the state grew from %d bytes after a quarter to %d", early, peak)
	}
	if !s.retract && twin.Bytes() <= peak {
		t.Errorf("the state takes %d bytes, and %d without a watermark", peak, twin.Bytes())
	}
}

func (s timedRun) check(t *testing.T, name string) {
	t.Helper()
	for _, workers := range []int{1, 3} {
		t.Run(fmt.Sprintf("%s,%d", name, workers), func(t *testing.T) { s.run(t, workers, uint64(workers)) })
	}
}

func keysOn(e ...*plan.Expr) (keys []plan.JoinKey) {
	for i := 0; i < len(e); i += 2 {
		keys = append(keys, plan.JoinKey{Left: e[i], Right: e[i+1]})
	}
	return keys
}

func cmpExpr(op string, a, b *plan.Expr) *plan.Expr { return plan.Fn(op, boolean(), a, b) }

// intervalJoin matches rows with equal keys whose times are close.
func intervalJoin(kind plan.JoinKind, keyed bool) plan.Node {
	la, ra := col(2, timestamp), col(5, timestamp)
	j := &plan.Join{Kind: kind, Left: get("l", timedTypes), Right: get("r", timedTypes),
		Residual: []*plan.Expr{cmpExpr(">=", la, shifted("-", ra, 10*second)), cmpExpr("<=", la, shifted("+", ra, 3*second))}}
	if keyed {
		j.Keys = keysOn(col(0, i64()), col(0, i64()))
	} else {
		j.Residual = append(j.Residual, cmpExpr("=", col(0, i64()), col(3, i64())))
	}
	return j
}

func bucketJoin(kind plan.JoinKind) plan.Node {
	return &plan.Join{Kind: kind, Left: get("l", timedTypes), Right: get("r", timedTypes),
		Keys: keysOn(bucketOf(10*second, col(2, timestamp)), bucketOf(10*second, col(2, timestamp)), col(0, i64()), col(0, i64()))}
}

func TestTimedJoins(t *testing.T) {
	names := []string{"l", "r"}
	for _, kind := range []plan.JoinKind{plan.Inner, plan.Left, plan.Right, plan.Full, plan.Semi, plan.Anti, plan.Exists} {
		for _, retract := range []bool{false, true} {
			counted := retract && kind != plan.Inner
			name := fmt.Sprintf("%d,%v", kind, retract)
			timedRun{root: func() plan.Node { return intervalJoin(kind, true) }, names: names, retract: retract, open: counted}.check(t, "interval"+name)
			timedRun{root: func() plan.Node { return bucketJoin(kind) }, names: names, retract: retract, open: counted}.check(t, "bucket"+name)
		}
		timedRun{root: func() plan.Node { return intervalJoin(kind, false) }, names: names}.check(t, fmt.Sprintf("keyless%d", kind))
	}
}

// minutes brings rows down to keys and buckets of time.
func minutes(in plan.Node) plan.Node {
	return &plan.Project{Input: in, Exprs: []*plan.Expr{col(0, i64()), col(1, i64()), bucketOf(10*second, col(2, timestamp))}}
}

func TestTimedAboveJoins(t *testing.T) {
	for _, kind := range []plan.JoinKind{plan.Inner, plan.Left, plan.Full, plan.Anti} {
		grouped := func() plan.Node {
			j := &plan.Join{Kind: kind, Left: minutes(get("l", timedTypes)), Right: minutes(get("r", timedTypes)),
				Keys: keysOn(col(2, timestamp), col(2, timestamp), col(0, i64()), col(0, i64()))}
			return &plan.Aggregate{Input: j, Groups: []*plan.Expr{col(0, i64()), col(2, timestamp)},
				Calls: []plan.AggregateCall{{Name: "count_star", Type: i64()}}}
		}
		for _, retract := range []bool{false, true} {
			timedRun{root: grouped, names: []string{"l", "r"}, retract: retract, open: retract && kind != plan.Inner}.check(t, fmt.Sprintf("%d,%v", kind, retract))
		}
	}
}

func TestTimedPartitions(t *testing.T) {
	order := []plan.SortKey{{Expr: col(1, i64())}, {Expr: col(2, timestamp)}}
	parts := []*plan.Expr{bucketOf(30*second, col(2, timestamp)), col(0, i64())}
	distinct := func(name string) plan.Node { return &plan.Distinct{Input: minutes(get(name, timedTypes))} }
	for name, root := range map[string]func() plan.Node{
		"topn": func() plan.Node { return &plan.TopN{Input: distinct("l"), Partition: parts, Order: order, Count: 2} },
		"ranked": func() plan.Node {
			return &plan.TopN{Input: distinct("l"), Partition: parts, Order: order[:1], Count: 2, WithTies: true, RankColumn: true}
		},
		"window": func() plan.Node {
			return &plan.Window{Input: get("l", timedTypes), Partition: parts, Order: order, Calls: []plan.WindowCall{
				{AggregateCall: plan.AggregateCall{Name: "rank", Type: i64()}},
				{AggregateCall: plan.AggregateCall{Name: "sum", Type: row.T(row.Int128), Args: []*plan.Expr{col(1, i64())}}, IsAggregate: true,
					Frame: plan.Frame{Unit: plan.FrameRange, End: plan.FrameBound{Kind: plan.CurrentRow}}}}}
		},
		"intersect": func() plan.Node {
			return &plan.SetOp{Left: minutes(get("l", timedTypes)), Right: minutes(get("r", timedTypes)), All: true}
		},
		"except": func() plan.Node {
			return &plan.SetOp{Left: minutes(get("l", timedTypes)), Right: minutes(get("r", timedTypes)), Except: true}
		},
	} {
		for _, retract := range []bool{false, true} {
			timedRun{root: root, names: []string{"l", "r"}, retract: retract}.check(t, fmt.Sprintf("%s,%v", name, retract))
		}
	}
}

// hop counts the rows of overlapping windows.
func hop(size, slide int64) plan.Node {
	at := col(2, timestamp)
	list := plan.Fn("generate_series", row.Type{Kind: row.Other, Name: "TIMESTAMP[]"},
		bucketOf(slide, shifted("+", shifted("-", at, size), slide)), bucketOf(slide, at), interval(slide))
	start := col(3, timestamp)
	return &plan.Aggregate{Input: &plan.Unnest{Input: get("l", timedTypes), Lists: []*plan.Expr{list}, Width: []row.Type{timestamp}},
		Groups: []*plan.Expr{col(0, i64()), start, shifted("+", start, size)}, Calls: []plan.AggregateCall{
			{Name: "count_star", Type: i64()}, {Name: "sum", Type: row.T(row.Int128), Args: []*plan.Expr{col(1, i64())}},
			{Name: "max", Type: i64(), Args: []*plan.Expr{col(1, i64())}}, {Name: "count", Type: i64(), Args: []*plan.Expr{col(1, i64())}, Distinct: true}}}
}

func TestTimedHops(t *testing.T) {
	for _, retract := range []bool{false, true} {
		for _, optimize := range []bool{false, true} {
			timedRun{root: func() plan.Node { return hop(60*second, 10*second) }, names: []string{"l"}, retract: retract, optimize: optimize}.check(t,
				fmt.Sprintf("%v,%v", retract, optimize))
		}
	}
}

// TestFinalHops checks that each window is told once, when no row on time can be in it any more.
func TestFinalHops(t *testing.T) {
	s := timedRun{root: func() plan.Node { return hop(60*second, 10*second) }, names: []string{"l"}}
	g, err := Build(plan.Optimize(s.root()), Options{Workers: 2, Compiler: &scalar.Compiler{}, AppendOnly: func(string) bool { return true }, Final: true,
		Schema: func(string) row.Schema { return schemaOf(timedTypes) }, EventTime: timedColumn})
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	r := rand.New(rand.NewPCG(1, 1))
	all, got := newZset(timedTypes), newZset(g.Types())
	times := Times{Before: NoWatermark, After: NoWatermark}
	begin := int64(1_700_000_000) * second
	for n := range timedTicks {
		now := begin + int64(n)*timedStep
		times.Before, times.After = times.After, now-timedDelay
		b := s.tick(r, now, times.Before, all)
		all.add(b)
		g.SetTimes(times)
		out, err := g.Step(map[string]*row.Batch{"l": b}, Inline)
		if err != nil {
			t.Fatal(err)
		}
		late, _ := g.TakeLate()
		for _, l := range late {
			l.Row.Weights = []int64{-1}
			all.add(l.Row)
		}
		for _, b := range out {
			for i := range b.Len {
				if b.Weight(i) != 1 || row.Values[int64](&b.Cols[2])[i] > times.After {
					t.Fatalf("tick %d: a window is told with weight %d that ends at %d, the watermark being %d", n, b.Weight(i), row.Values[int64](&b.Cols[2])[i], times.After)
				}
			}
			got.add(b)
		}
	}
	want := newZset(g.Types())
	whole := evaluate(t, s.root(), map[string]*zset{"l": all})
	for i := range whole.Len {
		if end := row.Values[int64](&whole.Cols[2])[i]; end <= times.After {
			want.add(whole.Gather([]int32{int32(i)}))
		}
	}
	mustMatch(t, timedTicks, got, want)
}
