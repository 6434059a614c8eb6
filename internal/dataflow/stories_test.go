package dataflow

import (
	"fmt"
	"slices"
	"testing"

	"github.com/tidemill/tidemill/internal/plan"
	"github.com/tidemill/tidemill/internal/row"
)

// inSessions is the oracle for sessions: the rows of each key in the order of time, divided where a gap is too large.
func inSessions(t *testing.T, n *plan.Session, b *row.Batch) *row.Batch {
	t.Helper()
	keys, b := compute(t, b, n.Keys)
	byKey := map[string][]int32{}
	for i := range b.Len {
		k := keyOf(keys.Cols, i)
		byKey[k] = append(byKey[k], int32(i))
	}
	at := row.Values[int64](&b.Cols[n.Time])
	number := int64(0)
	first, last, numbers := make([]int64, b.Len), make([]int64, b.Len), make([]int64, b.Len)
	for _, rows := range byKey {
		slices.SortStableFunc(rows, func(x, y int32) int { return int(at[x] - at[y]) })
		for from := 0; from < len(rows); {
			to := from + 1
			for to < len(rows) && at[rows[to]]-at[rows[to-1]] <= n.Gap {
				to++
			}
			for _, i := range rows[from:to] {
				first[i], last[i], numbers[i] = at[rows[from]], at[rows[to-1]], number
			}
			from = to
			number++
		}
	}
	out := *b
	out.Cols = slices.Clone(b.Cols)
	if n.Numbered {
		out.Cols = append(out.Cols, row.FromValues(i64(), numbers, nil))
	} else {
		out.Cols = append(out.Cols, row.FromValues(timestamp, first, nil), row.FromValues(timestamp, last, nil))
	}
	return &out
}

func floorTo(size, at int64) int64 { return at - at%size }

// byBucket is late when its bucket is closed, belowMark when its time is below the watermark.
func byBucket(size int64) func(string, int64, int64) bool {
	return func(_ string, at, mark int64) bool { return floorTo(size, at) < floorTo(size, mark) }
}

func belowMark(_ string, at, mark int64) bool { return at < mark }

func finalBucket(column int, size int64) *finalRule {
	return &finalRule{column: column, below: func(mark int64) int64 { return floorTo(size, mark) }}
}

const sessionGap = 12 * second

func byGap(_ string, at, mark int64) bool { return at < mark-sessionGap }

func isTimed(in plan.Node) plan.Node {
	return &plan.Filter{Input: in, Predicates: []*plan.Expr{plan.Fn(plan.IsNotNull, boolean(), col(2, timestamp))}}
}

func sessionsOf(in plan.Node) *plan.Session {
	return &plan.Session{Input: isTimed(in), Keys: []*plan.Expr{col(0, i64())}, Time: 2, Gap: sessionGap}
}

// visits counts the rows of each session.
func visits() plan.Node {
	return &plan.Aggregate{Input: sessionsOf(get("l", timedTypes)), Groups: []*plan.Expr{col(0, i64()), col(3, timestamp), col(4, timestamp)}, Calls: counting()}
}

func counting() []plan.AggregateCall {
	return []plan.AggregateCall{{Name: "count_star", Type: i64()}, {Name: "sum", Type: row.T(row.Int128), Args: []*plan.Expr{col(1, i64())}},
		{Name: "max", Type: i64(), Args: []*plan.Expr{col(1, i64())}}}
}

func tumbled(size int64, in plan.Node) plan.Node {
	return &plan.Aggregate{Input: in, Groups: []*plan.Expr{col(0, i64()), bucketOf(size, col(2, timestamp))}, Calls: counting()}
}

func streamNow() *plan.Expr {
	return &plan.Expr{Kind: plan.Cast, Type: timestamp, Args: []*plan.Expr{{Kind: plan.Call, Name: "stream_now", Type: row.T(row.TimestampTZ), Volatile: true}}}
}

// while keeps rows by how their time compares with the time there is, less a span.
func while(in plan.Node, c int, op string, ago int64) plan.Node {
	return &plan.Filter{Input: in, Predicates: []*plan.Expr{cmpExpr(op, col(c, timestamp), shifted("-", streamNow(), ago))}}
}

func ranked() plan.Node {
	return &plan.TopN{Input: &plan.Distinct{Input: minutes(get("l", timedTypes))}, Partition: []*plan.Expr{bucketOf(30*second, col(2, timestamp)), col(0, i64())},
		Order: []plan.SortKey{{Expr: col(1, i64())}, {Expr: col(2, timestamp)}}, Count: 2}
}

func numbered() plan.Node {
	return &plan.Window{Input: get("l", timedTypes), Partition: []*plan.Expr{bucketOf(30*second, col(2, timestamp)), col(0, i64())},
		Order: []plan.SortKey{{Expr: col(2, timestamp)}}, Calls: []plan.WindowCall{
			{AggregateCall: plan.AggregateCall{Name: "rank", Type: i64()}},
			{AggregateCall: plan.AggregateCall{Name: "sum", Type: row.T(row.Int128), Args: []*plan.Expr{col(1, i64())}}, IsAggregate: true,
				Frame: plan.Frame{Unit: plan.FrameRange, End: plan.FrameBound{Kind: plan.CurrentRow}}}}}
}

// since joins rows of l with those of r that are not after them: rows of r are asked for for ever, those of l until r is past them.
func since() plan.Node {
	return &plan.Join{Kind: plan.Inner, Left: get("l", timedTypes), Right: get("r", timedTypes), Keys: keysOn(col(0, i64()), col(0, i64())),
		Residual: []*plan.Expr{cmpExpr(">=", col(2, timestamp), col(5, timestamp))}}
}

// selfSince is since with l on both sides.
func selfSince() plan.Node {
	j := since().(*plan.Join)
	j.Right = get("l", timedTypes)
	return j
}

// asof gives rows of l the nearest place of r.
func asof(kind plan.JoinKind, op string) plan.Node {
	places := &plan.Distinct{Input: &plan.Project{Input: get("r", timedTypes), Exprs: []*plan.Expr{col(0, i64()), col(2, timestamp)}}}
	return &plan.Join{Kind: kind, Left: get("l", timedTypes), Right: places, Keys: keysOn(col(0, i64()), col(0, i64())),
		Residual: []*plan.Expr{cmpExpr(op, col(2, timestamp), col(4, timestamp))}}
}

func unionOf(ins ...plan.Node) plan.Node { return &plan.Union{Branches: ins} }

func storyQueries() map[string]eventQuery {
	both := []string{"l", "r"}
	l := func() plan.Node { return get("l", timedTypes) }
	r := func() plan.Node { return get("r", timedTypes) }
	earliest := func(_ string, at, mark int64) bool {
		return floorTo(10*second, at-50*second) < floorTo(10*second, mark-50*second)
	}
	byKey := func(f *finalRule) *finalRule { f.key = 0; return f }
	return map[string]eventQuery{
		"tumble":          {root: func() plan.Node { return tumbled(10*second, l()) }, late: byBucket(10 * second)},
		"tumble,changing": {root: func() plan.Node { return tumbled(10*second, l()) }, late: byBucket(10 * second), changing: true},
		"tumble,final":    {root: func() plan.Node { return tumbled(10*second, l()) }, late: byBucket(10 * second), final: finalBucket(1, 10*second)},
		"tumble,final,changing": {root: func() plan.Node { return tumbled(10*second, l()) }, late: byBucket(10 * second),
			final: finalBucket(1, 10*second), changing: true},
		"rows,final":   {root: l, late: belowMark, final: finalBucket(2, 1)},
		"hop":          {root: func() plan.Node { return hop(60*second, 10*second) }, late: earliest},
		"hop,changing": {root: func() plan.Node { return hop(60*second, 10*second) }, late: earliest, changing: true},
		"hop,final": {root: func() plan.Node { return hop(60*second, 10*second) }, late: earliest,
			final: &finalRule{column: 1, below: func(mark int64) int64 { return floorTo(10*second, mark-50*second) }}},
		"session":               {root: visits, late: byGap},
		"session,changing":      {root: visits, late: byGap, changing: true},
		"session,rows":          {root: func() plan.Node { return sessionsOf(l()) }, late: byGap},
		"session,rows,changing": {root: func() plan.Node { return sessionsOf(l()) }, late: byGap, changing: true},
		"session,final":         {root: visits, late: belowMark, final: &finalRule{column: 2, below: func(mark int64) int64 { return mark - sessionGap }}},
		"session,ends": {root: func() plan.Node {
			return &plan.Aggregate{Input: sessionsOf(l()), Groups: []*plan.Expr{col(4, timestamp)}, Calls: counting()}
		}, late: belowMark},
		"distinct":             {root: func() plan.Node { return &plan.Distinct{Input: l()} }, late: belowMark},
		"interval":             {root: func() plan.Node { return intervalJoin(plan.Inner, true) }, late: belowMark, streams: both},
		"interval,changing":    {root: func() plan.Node { return intervalJoin(plan.Inner, true) }, late: belowMark, streams: both, changing: true},
		"interval,left":        {root: func() plan.Node { return intervalJoin(plan.Left, true) }, late: belowMark, streams: both},
		"interval,full":        {root: func() plan.Node { return intervalJoin(plan.Full, false) }, late: belowMark, streams: both},
		"interval,anti":        {root: func() plan.Node { return intervalJoin(plan.Anti, true) }, late: belowMark, streams: both},
		"bucket,left":          {root: func() plan.Node { return bucketJoin(plan.Left) }, late: byBucket(10 * second), streams: both},
		"since":                {root: since, late: func(rel string, at, mark int64) bool { return rel == "r" && at < mark }, streams: both},
		"since,self":           {root: selfSince, late: belowMark},
		"buckets of two sizes": {root: func() plan.Node { return unionOf(tumbled(10*second, l()), tumbled(60*second, l())) }, late: byBucket(10 * second)},
		"union,final": {root: func() plan.Node { return tumbled(10*second, unionOf(l(), r())) }, late: byBucket(10 * second), streams: both,
			final: finalBucket(1, 10*second)},
		"top":               {root: ranked, late: byBucket(10 * second)},
		"top,changing":      {root: ranked, late: byBucket(10 * second), changing: true},
		"window":            {root: numbered, late: byBucket(30 * second)},
		"window,changing":   {root: numbered, late: byBucket(30 * second), changing: true},
		"except":            {root: func() plan.Node { return &plan.SetOp{Left: minutes(l()), Right: minutes(r()), Except: true} }, late: byBucket(10 * second), streams: both},
		"leaving":           {root: func() plan.Node { return tumbled(10*second, while(l(), 2, ">", 30*second)) }, asks: true},
		"leaving,changing":  {root: func() plan.Node { return while(l(), 2, ">=", 30*second) }, asks: true, changing: true},
		"entering":          {root: func() plan.Node { return while(l(), 2, "<=", 30*second) }, asks: true},
		"entering,changing": {root: func() plan.Node { return while(l(), 2, "<", 30*second) }, asks: true, changing: true},
		"leaving groups":    {root: func() plan.Node { return while(tumbled(10*second, l()), 1, ">", 60*second) }, asks: true},
		"leaving joins": {root: func() plan.Node { return while(intervalJoin(plan.Inner, true), 5, ">", 40*second) }, asks: true, streams: both,
			late: func(rel string, at, mark int64) bool { return rel == "l" && at < mark }},
		"asof":        {root: func() plan.Node { return asof(plan.AsOf, ">=") }, late: belowMark, streams: both},
		"asof,left":   {root: func() plan.Node { return asof(plan.AsOfLeft, ">") }, late: belowMark, streams: both},
		"asof,after":  {root: func() plan.Node { return asof(plan.AsOfLeft, "<=") }, late: belowMark, streams: both},
		"asof,behind": {root: func() plan.Node { return asof(plan.AsOf, "<") }, late: belowMark, streams: both},
		"asof,full": {root: func() plan.Node { return asof(plan.AsOfFull, ">=") }, streams: both,
			late: func(rel string, at, mark int64) bool { return rel == "r" && at < mark }},
		"asof,changing":       {root: func() plan.Node { return asof(plan.AsOf, ">=") }, late: belowMark, streams: both, changing: true},
		"asof,after,changing": {root: func() plan.Node { return asof(plan.AsOfLeft, "<=") }, late: belowMark, streams: both, changing: true},
		"keyed":               {root: func() plan.Node { return tumbled(10*second, l()) }, late: byBucket(10 * second), keyed: true},
		"keyed,final":         {root: func() plan.Node { return tumbled(10*second, l()) }, late: byBucket(10 * second), keyed: true, final: byKey(finalBucket(1, 10*second))},
		"keyed,distinct":      {root: func() plan.Node { return &plan.Distinct{Input: l()} }, late: belowMark, keyed: true},
		"keyed,hop":           {root: func() plan.Node { return hop(60*second, 10*second) }, late: earliest, keyed: true},
		"keyed,together": {root: func() plan.Node {
			return &plan.Aggregate{Input: l(), Groups: []*plan.Expr{bucketOf(10*second, col(2, timestamp))}, Calls: counting()}
		}, late: byBucket(10 * second), keyed: true, together: true},
		"keyed,session": {root: visits, late: byGap, keyed: true, together: true},
	}
}

// TestStories plays stories over queries of every kind that time has to do with.
func TestStories(t *testing.T) {
	queries := storyQueries()
	for name := range queries {
		t.Run(name, func(t *testing.T) { queries[name].check(t) })
	}
}

// TestTimedAsOf wants ASOF joins to free what the watermark has passed.
func TestTimedAsOf(t *testing.T) {
	for _, op := range []string{">=", ">", "<=", "<"} {
		for _, retract := range []bool{false, true} {
			timedRun{root: func() plan.Node { return asof(plan.AsOfLeft, op) }, names: []string{"l", "r"}, retract: retract}.check(t, fmt.Sprintf("%s,%v", op, retract))
		}
	}
}
