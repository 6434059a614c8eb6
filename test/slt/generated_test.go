package slt

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"regexp"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tidemill/tidemill/internal/dataflow"
	"github.com/tidemill/tidemill/internal/dataflow/scalar"
	"github.com/tidemill/tidemill/internal/duck"
	"github.com/tidemill/tidemill/internal/fault"
	"github.com/tidemill/tidemill/internal/plan"
	"github.com/tidemill/tidemill/internal/row"
	"github.com/tidemill/tidemill/test/slt/sqlgen"
)

var (
	genSeed    = flag.Uint64("slt.gen.seed", 1, "first seed of generated queries")
	genQueries = flag.Int("slt.gen.queries", 1200, "generated queries")
	genFor     = flag.Duration("slt.gen.for", 20*time.Second, "how long queries are generated")
	genShow    = flag.Bool("slt.gen.show", false, "print what is refused, does not bind and fails to run, with an example of each")
	genStop    = flag.Int("slt.gen.stop", 5, "failures after which to stop")
)

const (
	queriesPerSchema = 40
	viewsPerSchema   = 3
	genChunks        = 5
	// answerRowsMax bounds the answers that are compared.
	answerRowsMax = 20_000
)

// verdict is what becomes of a query.
type verdict int

const (
	same    verdict = iota
	invalid         // DuckDB does not bind it
	refused         // as not supported
	erring          // DuckDB cannot compute it from the rows, or not in time
	differs         // a failure
)

// tally counts verdicts, with their reasons.
type tally struct {
	counts  [differs + 1]int
	reasons map[verdict]map[string]int
	example map[string]string
}

var varying = regexp.MustCompile(`"[^"]*"|'[^']*'|\b[a-z]?[0-9]+(\.[a-z0-9]+)?\b`)

func (a *tally) add(v verdict, reason, query string) {
	a.counts[v]++
	if reason == "" {
		return
	}
	reason, _, _ = strings.Cut(varying.ReplaceAllString(reason, "…"), "\n")
	if a.reasons[v] == nil {
		a.reasons[v] = map[string]int{}
	}
	a.reasons[v][reason]++
	if old, is := a.example[reason]; !is || len(query) < len(old) {
		a.example[reason] = query
	}
}

func (a *tally) list(t *testing.T, v verdict, title string, examples bool) {
	reasons := a.reasons[v]
	for i, r := range slices.SortedFunc(maps.Keys(reasons), func(x, y string) int { return reasons[y] - reasons[x] }) {
		if i == 40 {
			break
		}
		if examples {
			t.Logf("%s %5d × %s\n\t\t%s", title, reasons[r], r, a.example[r])
		} else {
			t.Logf("%s %5d × %s", title, reasons[r], r)
		}
	}
}

// TestGeneratedDataflow maintains generated queries by themselves, without a log and doors: planned by DuckDB, stepped through random chunks with
// retractions on one worker and on several, from the beginning, from the middle and through a restart, with a view over the query, and compared with
// DuckDB's answer after each chunk.
func TestGeneratedDataflow(t *testing.T) {
	end := time.Now().Add(*genFor)
	all := &tally{reasons: map[verdict]map[string]int{}, example: map[string]string{}}
	total := 0
	judge := func(l *lab, seed uint64, i int, q *sqlgen.Node) verdict {
		total++
		v, reason := l.try(q.String())
		all.add(v, reason, q.String())
		if v == differs {
			l.report(seed, i, q, reason)
		}
		return v
	}
	for seed := *genSeed; total < *genQueries && time.Now().Before(end) && all.counts[differs] < *genStop; seed++ {
		lab := newLab(t, seed)
		for i := 0; i < queriesPerSchema && total < *genQueries && all.counts[differs] < *genStop; i++ {
			if lab.turn = i; i >= queriesPerSchema/2 && i < queriesPerSchema/2+viewsPerSchema {
				lab.view(func(q *sqlgen.Node) verdict { return judge(lab, seed, i, q) })
				continue
			}
			judge(lab, seed, i, lab.gen.Query())
		}
		lab.close()
	}
	t.Logf("%d queries: %d equal, %d refused, %d that DuckDB does not bind, %d that it cannot compute, %d failures", total, all.counts[same], all.counts[refused], all.counts[invalid],
		all.counts[erring], all.counts[differs])
	all.list(t, refused, "refused", *genShow)
	if *genShow {
		all.list(t, invalid, "does not bind", true)
		all.list(t, erring, "cannot be computed", true)
	}
	if total >= 400 && all.counts[invalid] > total/10 {
		t.Errorf("%d of %d queries do not bind: the generator makes nonsense", all.counts[invalid], total)
	}
}

// lab is a schema with changes in chunks, DuckDB with the rows after each chunk, and a planner.
type lab struct {
	t         *testing.T
	turn      int // of the query: decides on the workers
	relations []sqlgen.Relation
	gen       *sqlgen.Generator
	planner   *duck.Planner
	evaluator *duck.Evaluator
	oracles   []*duck.Oracle
	deltas    []map[string]*row.Batch // per chunk
	contents  []map[string]*row.Batch // after each chunk
	views     []labView
	over      row.Schema // of the query that is tried, as a view over it reads it
}

// labView is a view that queries read like a relation.
type labView struct{ name, query string }

func newLab(t *testing.T, seed uint64) *lab {
	t.Helper()
	rng := rand.New(rand.NewPCG(seed, 17))
	l := &lab{t: t, relations: sqlgen.Schema(rng)}
	l.gen = sqlgen.New(rng, l.relations)
	var err error
	must := func() {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	l.planner, err = duck.OpenPlanner(duck.PlannerOptions{})
	must()
	l.evaluator, err = duck.OpenEvaluator()
	must()
	for _, r := range l.relations {
		var key []string
		for _, k := range r.Key {
			key = append(key, r.Columns[k].Name)
		}
		err = l.planner.DefineTable(r.Name, r.Columns, key)
		must()
	}
	rows := map[string]*liveRows{}
	for range genChunks {
		delta, content := map[string]*row.Batch{}, map[string]*row.Batch{}
		o, oerr := duck.OpenOracle(duck.OracleOptions{})
		err = oerr
		must()
		l.oracles = append(l.oracles, o)
		for i := range l.relations {
			r := &l.relations[i]
			if rows[r.Name] == nil {
				rows[r.Name] = &liveRows{t: t, r: r}
			}
			if d := rows[r.Name].chunk(rng); d.Len > 0 {
				delta[r.Name] = d
			}
			content[r.Name] = rows[r.Name].content()
			err = o.Load(r.Name, r.Columns, []*row.Batch{content[r.Name]})
			must()
		}
		l.deltas, l.contents = append(l.deltas, delta), append(l.contents, content)
	}
	return l
}

func (l *lab) close() {
	for _, o := range l.oracles {
		_ = o.Close()
	}
	_ = l.evaluator.Close()
	_ = l.planner.Close()
}

// view makes a view that the queries that follow may read, if it is found to be maintained as it should.
func (l *lab) view(judge func(*sqlgen.Node) verdict) {
	name := fmt.Sprintf("v%d", len(l.views))
	q, r := l.gen.View(name)
	if q == nil || judge(q) != same {
		return
	}
	planned, err := l.planner.Plan(l.t.Context(), q.String())
	if err != nil {
		l.t.Fatal(err)
	}
	for i, c := range planned.Columns {
		if r.Columns[i].Type != c.Type {
			return // of a type that the generator did not expect
		}
	}
	if err := l.planner.DefineTable(name, r.Columns, nil); err != nil {
		l.t.Fatal(err)
	}
	m, err := l.build(planned, 1+l.turn%3)
	if err != nil {
		l.t.Fatal(err)
	}
	defer m.g.Close()
	var sum []*row.Batch
	for c := range genChunks {
		out, err := m.change(l.deltas[c])
		if err != nil {
			l.t.Fatal(err)
		}
		if sum = append(sum, out...); len(out) > 0 {
			l.deltas[c][name] = row.Concat(out)
		}
		if len(sum) > 0 {
			l.contents[c][name] = row.Concat(sum)
		}
		// A table, because DuckDB (1.5.5) sometimes computes a view that a query reads twice differently from the view by itself.
		if err := l.oracles[c].Exec(fmt.Sprintf("CREATE TABLE %s AS %s", name, q)); err != nil {
			l.t.Fatal(err)
		}
	}
	l.relations = append(l.relations, *r)
	l.views = append(l.views, labView{name, q.String()})
	l.gen.Add(*r)
}

// liveRows are the rows of a relation.
type liveRows struct {
	t    *testing.T
	r    *sqlgen.Relation
	rows [][]row.Value
}

func (s *liveRows) random(rng *rand.Rand) []row.Value {
	out := make([]row.Value, len(s.r.Columns))
	for i, c := range s.r.Columns {
		if !c.NotNull && rng.IntN(8) == 0 {
			out[i] = row.NullValue(c.Type)
			continue
		}
		v, err := row.ParseValue(c.Type, sqlgen.Literal(rng, c.Type))
		if err != nil {
			s.t.Fatal(err)
		}
		out[i] = v
	}
	return out
}

// taken reports whether a row has the key of one that is there.
func (s *liveRows) taken(vals []row.Value) bool {
	return len(s.r.Key) > 0 && slices.ContainsFunc(s.rows, func(o []row.Value) bool {
		for _, k := range s.r.Key {
			if o[k] != vals[k] {
				return false
			}
		}
		return true
	})
}

// chunk changes the rows and returns how.
func (s *liveRows) chunk(rng *rand.Rand) *row.Batch {
	bb := row.NewBatchBuilder(s.r.Columns.Types(), 0)
	var weights []int64
	emit := func(vals []row.Value, w int64) {
		for i, v := range vals {
			bb.Cols[i].AppendValue(v)
		}
		weights = append(weights, w)
	}
	if !s.r.Stream {
		kept := s.rows[:0:0]
		for _, vals := range s.rows {
			if rng.IntN(4) == 0 {
				emit(vals, -1)
			} else {
				kept = append(kept, vals)
			}
		}
		s.rows = kept
	}
	for range rng.IntN(9) {
		if vals := s.random(rng); !s.taken(vals) {
			s.rows = append(s.rows, vals)
			emit(vals, 1)
		}
	}
	b := bb.Finish(len(weights))
	b.Weights = weights
	return b
}

func (s *liveRows) content() *row.Batch {
	bb := row.NewBatchBuilder(s.r.Columns.Types(), len(s.rows))
	for _, vals := range s.rows {
		for i, v := range vals {
			bb.Cols[i].AppendValue(v)
		}
	}
	return bb.Finish(len(s.rows))
}

type labFallback struct{ e *duck.Evaluator }

func (f labFallback) Compile(sql string, args []row.Type, result row.Type) (scalar.FallbackFunc, error) {
	return f.e.Compile(sql, args, result)
}

// try maintains a query through all chunks.
func (l *lab) try(text string) (v verdict, reason string) {
	defer func() {
		if p := recover(); p != nil {
			v, reason = differs, fmt.Sprintf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	ctx, cancel := context.WithTimeout(l.t.Context(), 20*time.Second)
	defer cancel()
	planned, err := l.planner.Plan(ctx, text)
	if err != nil {
		return invalid, err.Error()
	}
	ways := l.ways()
	for i := range ways {
		if ways[i].maintained, err = l.build(planned, ways[i].workers); err != nil {
			return unbuilt(err)
		}
		defer func() { ways[i].maintained.g.Close() }()
	}
	over, err := l.viewOver(planned, text)
	if err != nil {
		return unbuilt(err)
	}
	defer over.close()
	for c := range genChunks {
		want, err := l.answer(ctx, c, text)
		if err != nil {
			return erring, err.Error()
		}
		for i := range ways {
			w := &ways[i]
			in, err := l.into(w, planned, c)
			if err != nil {
				return differs, "building again: " + err.Error()
			}
			if in == nil {
				continue
			}
			out, err := w.maintained.change(in)
			if err != nil {
				return differs, fmt.Sprintf("chunk %d, %s: %v", c, w, err)
			}
			for _, b := range out {
				w.maintained.rows.add(b)
			}
			if diff := w.maintained.rows.differ(want); diff != "" {
				return differs, fmt.Sprintf("after chunk %d, %s, %d rows rejected:\n%s", c, w, w.maintained.rejected, diff)
			}
			if i == 0 {
				if v, reason := over.follow(ctx, c, out); v == differs {
					return v, reason
				}
			}
		}
	}
	return same, ""
}

// unbuilt tells a refusal from a failure.
func unbuilt(err error) (verdict, string) {
	var f *fault.Error
	if errors.As(err, &f) && f.Code == fault.FeatureNotSupported {
		return refused, f.Message
	}
	return differs, "building: " + err.Error()
}

// maintained is a query's dataflow and the sum of its changes.
type maintained struct {
	g        *dataflow.Graph
	rows     multiset
	rejected int
}

func (l *lab) build(p duck.Planned, workers int) (*maintained, error) {
	n, err := plan.Decode(p.Plan)
	if err != nil {
		return nil, fault.New(fault.FeatureNotSupported, "the plan is not understood: %s", err) // as a session takes it
	}
	n = plan.Optimize(n)
	if err := plan.Check(n); err != nil {
		return nil, err
	}
	find := func(name string) *sqlgen.Relation {
		if name == overName {
			return &sqlgen.Relation{Name: name, Columns: l.over}
		}
		return &l.relations[slices.IndexFunc(l.relations, func(r sqlgen.Relation) bool { return r.Name == name })]
	}
	g, err := dataflow.Build(n, dataflow.Options{Workers: workers, Compiler: &scalar.Compiler{Fallback: labFallback{l.evaluator}},
		AppendOnly: func(name string) bool { return find(name).Stream }, Schema: func(name string) row.Schema { return find(name).Columns }})
	if err != nil {
		return nil, err
	}
	return &maintained{g: g, rows: multiset{}}, nil
}

func (m *maintained) step(in map[string]*row.Batch) error {
	out, err := m.change(in)
	for _, b := range out {
		m.rows.add(b)
	}
	return err
}

// change steps through changes of relations and returns the query's.
func (m *maintained) change(in map[string]*row.Batch) ([]*row.Batch, error) {
	changes := map[string]*row.Batch{}
	for _, name := range m.g.Reads() {
		if b := in[name]; b != nil && b.Len > 0 {
			changes[name] = b
		}
	}
	out, err := m.g.Step(changes, dataflow.Inline)
	m.rejected += len(m.g.TakeRejects())
	return out, err
}

func (l *lab) answer(ctx context.Context, chunk int, text string) (multiset, error) {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	rows, err := l.oracles[chunk].Query(ctx, text)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	out, n := multiset{}, 0
	for {
		b, err := rows.Next(ctx)
		if err != nil || b == nil {
			return out, err
		}
		if n += b.Len; n > answerRowsMax {
			return nil, errors.New("the answer is too large")
		}
		out.add(b)
	}
}

// report makes a failing query small and tells of it.
func (l *lab) report(seed uint64, i int, q *sqlgen.Node, reason string) {
	l.t.Helper()
	whole := q.String()
	q.Shrink(func(sql string) bool {
		v, _ := l.try(sql)
		return v == differs
	}, 1500)
	v, small := l.try(q.String())
	if v != differs {
		small = reason
	}
	var schema strings.Builder
	for _, r := range l.relations[:len(l.relations)-len(l.views)] {
		schema.WriteString(r.Create() + ";\n")
	}
	for _, v := range l.views {
		fmt.Fprintf(&schema, "CREATE MATERIALIZED VIEW %s AS %s;\n", v.name, v.query)
	}
	l.t.Errorf("seed %d, query %d: %s\n%swhole: %s\nsmall: %s", seed, i, small, schema.String(), whole, q.String())
}
