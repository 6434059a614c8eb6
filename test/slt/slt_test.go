package slt

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"iter"
	"log/slog"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tidemill/tidemill/internal/duck"
	"github.com/tidemill/tidemill/internal/log/jetlog"
	"github.com/tidemill/tidemill/internal/row"
	"github.com/tidemill/tidemill/internal/session"
	"github.com/tidemill/tidemill/internal/sql"
)

var (
	seedFlag = flag.Uint64("slt.seed", 1, "first seed")
	runsFlag = flag.Int("slt.runs", 1, "seeds per file")
	fileFlag = flag.String("slt.file", "", "only files whose name contains this")
)

func sorted[V any](m map[string]V) iter.Seq2[string, V] {
	return func(yield func(string, V) bool) {
		for _, k := range slices.Sorted(maps.Keys(m)) {
			if v, ok := m[k]; ok && !yield(k, v) {
				return
			}
		}
	}
}

// TestMaintainedEqualsBatch runs every file of testdata with some seeds.
func TestMaintainedEqualsBatch(t *testing.T) {
	paths, err := filepath.Glob("testdata/*.sql")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no test files: %v", err)
	}
	queries := 0
	for _, path := range paths {
		if !strings.Contains(path, *fileFlag) {
			continue
		}
		f, err := readFile(path)
		if err != nil {
			t.Fatal(err)
		}
		queries += len(f.queries)
		for _, seed := range seedsOf(t, path) {
			t.Run(fmt.Sprintf("%s/%d", strings.TrimSuffix(filepath.Base(path), ".sql"), seed), func(t *testing.T) { runFile(t, f, seed) })
		}
	}
	t.Logf("%d queries over %d schemas", queries, len(paths))
}

// seedsOf are the seeds asked for and those that failed once.
func seedsOf(t *testing.T, path string) []uint64 {
	var seeds []uint64
	for i := range *runsFlag {
		seeds = append(seeds, *seedFlag+uint64(i))
	}
	kept, err := os.ReadFile(filepath.Join("testdata", "seeds", strings.TrimSuffix(filepath.Base(path), ".sql")))
	if err == nil {
		for _, s := range strings.Fields(string(kept)) {
			n, err := strconv.ParseUint(s, 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Contains(seeds, n) {
				seeds = append(seeds, n)
			}
		}
	}
	return seeds
}

// run is one file with one seed.
type run struct {
	t      *testing.T
	ctx    context.Context
	f      *testFile
	rng    *rand.Rand
	dir    string
	log    *jetlog.Log
	db     *session.Database
	ses    *session.Session
	oracle *duck.Oracle
	models []*model
	// expect maps views to their queries; folds are subscriptions with what they have seen.
	expect map[string]string
	folds  []*fold
}

func runFile(t *testing.T, f *testFile, seed uint64) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	r := &run{t: t, ctx: ctx, f: f, rng: rand.New(rand.NewPCG(seed, 0)), dir: t.TempDir(), expect: map[string]string{}}
	var err error
	if r.oracle, err = duck.OpenOracle(duck.OracleOptions{}); err != nil {
		t.Fatal(err)
	}
	defer r.oracle.Close()
	r.open()
	defer func() { r.close() }()
	for _, s := range f.types {
		r.both(s)
	}
	for i := range f.relations {
		r.exec(f.relations[i].create)
		if err := r.oracle.Exec(f.relations[i].oracleCreate()); err != nil {
			t.Fatal(err)
		}
		r.models = append(r.models, &model{r: &f.relations[i], keys: map[string][]string{}, most: cmp.Or(f.chunkRows, 25)})
	}
	for _, v := range f.views {
		r.createView(v.name, v.query, v.query)
	}
	r.createViews("first")
	for i, q := range f.queries {
		r.createView(fmt.Sprintf("over_%d", i), fmt.Sprintf("SELECT * FROM first_%d", i), q)
		if i%4 == int(seed)%4 {
			r.subscribe(q)
		}
	}
	for _, s := range f.rows {
		r.both(s)
	}
	chunks := 5
	for c := range chunks {
		if c == chunks/2 {
			r.createViews("middle")
		}
		for _, m := range shuffled(r.rng, r.models) {
			for _, s := range m.chunk(r.rng) {
				r.both(s)
			}
		}
		r.check(fmt.Sprintf("after chunk %d", c))
	}
	r.createViews("last")
	r.check("after the last view was created")
	r.closeFolds()
	r.close()
	r.open()
	r.check("after a restart")
	for _, m := range r.models {
		for _, s := range m.chunk(r.rng) {
			r.both(s)
		}
	}
	r.check("after a chunk after the restart")
}

func shuffled[T any](rng *rand.Rand, s []T) []T {
	out := slices.Clone(s)
	rng.Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
	return out
}

func (r *run) open() {
	quiet := slog.New(slog.DiscardHandler)
	l, err := jetlog.Open(r.dir, jetlog.Options{Logger: quiet})
	if err != nil {
		r.t.Fatal(err)
	}
	db, err := session.OpenDatabase(r.ctx, session.DatabaseOptions{Name: "main", Log: l, Logger: quiet, Workers: 1 + r.rng.IntN(3), CheckpointDir: filepath.Join(r.dir, "checkpoints")})
	if err != nil {
		r.t.Fatal(err)
	}
	r.log, r.db, r.ses = l, db, db.NewSession(session.Options{})
}

func (r *run) close() {
	if r.db == nil {
		return
	}
	r.ses.Close()
	r.db.Close()
	if err := r.log.Close(); err != nil {
		r.t.Errorf("closing the log: %v", err)
	}
	r.db = nil
}

func (r *run) exec(stmt string) {
	r.t.Helper()
	if _, err := r.query(stmt); err != nil {
		r.t.Fatalf("%v\nin: %s", err, stmt)
	}
}

func (r *run) both(stmt string) {
	r.t.Helper()
	r.exec(stmt)
	text, _ := sql.ForDuckDB(stmt, nil)
	if err := r.oracle.Exec(text); err != nil {
		r.t.Fatalf("the oracle: %v\nin: %s", err, stmt)
	}
}

func (r *run) query(stmt string) (*row.Batch, error) {
	p, err := r.ses.Prepare(r.ctx, stmt, nil)
	if err != nil {
		return nil, err
	}
	res, err := r.ses.Execute(r.ctx, p, nil)
	if err != nil {
		return nil, err
	}
	defer res.Close()
	var parts []*row.Batch
	for {
		b, err := res.Next(r.ctx)
		if err != nil {
			return nil, err
		}
		if b == nil {
			return row.Concat(parts), nil
		}
		parts = append(parts, b)
	}
}

func (r *run) createViews(prefix string) {
	for i, q := range r.f.queries {
		r.createView(fmt.Sprintf("%s_%d", prefix, i), q, q)
	}
}

// createView makes a view of a query; its content is that of spec in DuckDB.
func (r *run) createView(name, query, spec string) {
	r.t.Helper()
	r.exec(fmt.Sprintf("CREATE MATERIALIZED VIEW %s AS %s", name, strings.TrimSuffix(query, ";")))
	r.expect[name] = strings.TrimSuffix(spec, ";")
}

// check compares every view and subscription with DuckDB.
func (r *run) check(when string) {
	r.t.Helper()
	for _, v := range r.f.views {
		// If a view cannot be computed, what reads it cannot either.
		if err := r.oracle.Exec(fmt.Sprintf("CREATE OR REPLACE TABLE %s AS %s", v.name, v.query)); err != nil && r.oracle.Exec("DROP TABLE IF EXISTS "+v.name) != nil {
			r.t.Fatalf("the oracle: %v\nin: %s", err, v.query)
		}
	}
	answers := map[string]multiset{}
	answer := func(q string) multiset {
		if _, ok := answers[q]; !ok {
			answers[q] = r.oracleRows(q)
		}
		return answers[q]
	}
	for name, q := range sorted(r.expect) {
		want := answer(q)
		if want == nil {
			continue
		}
		got, err := r.query("SELECT * FROM " + name)
		if err != nil {
			r.t.Fatalf("%s: reading %s: %v\nquery: %s", when, name, err, q)
		}
		rows := multiset{}
		if got != nil {
			rows.add(got)
		}
		if diff := rows.differ(want); diff != "" {
			r.t.Fatalf("%s: view %s differs from DuckDB\nquery: %s\n%s", when, name, q, diff)
		}
	}
	for _, f := range r.folds {
		f.catchUp()
		want := answer(f.query)
		if want == nil {
			continue
		}
		if diff := f.rows.differ(want); diff != "" {
			r.t.Fatalf("%s: a subscription differs from DuckDB\nquery: %s\n%s", when, f.query, diff)
		}
	}
}

// oracleRows is DuckDB's answer; nil if it cannot compute one and the file's queries may be such.
func (r *run) oracleRows(q string) multiset {
	text, _ := sql.ForDuckDB(q, nil)
	fail := func(err error) multiset {
		if !r.f.mayErr {
			r.t.Fatalf("the oracle: %v\nin: %s", err, q)
		}
		return nil
	}
	rows, err := r.oracle.Query(r.ctx, text)
	if err != nil {
		return fail(err)
	}
	defer rows.Close()
	out := multiset{}
	for {
		b, err := rows.Next(r.ctx)
		if err != nil {
			return fail(err)
		}
		if b == nil {
			return out
		}
		out.add(b)
	}
}

// fold is a subscription and the sum of what it sent.
type fold struct {
	r     *run
	query string
	ses   *session.Session
	sub   *session.Subscription
	rows  multiset
	at    uint64 // the tick of the last event
	more  bool
}

func (r *run) subscribe(q string) {
	q = strings.TrimSuffix(q, ";")
	f := &fold{r: r, query: q, ses: r.db.NewSession(session.Options{}), rows: multiset{}}
	var err error
	if f.sub, err = f.ses.Subscribe(r.ctx, session.SubscribeRequest{SQL: q, Progress: 5 * time.Millisecond}); err != nil {
		r.t.Fatalf("subscribing: %v\nin: %s", err, q)
	}
	r.folds = append(r.folds, f)
}

// catchUp takes events until the token of the node's present state has been reached.
func (f *fold) catchUp() {
	f.r.exec("SELECT 1") // waits for the session's own writes
	want := f.r.db.Tick()
	for f.more || f.at < want {
		ev, err := f.sub.Next(f.r.ctx)
		if err != nil {
			f.r.t.Fatalf("subscription: %v\nquery: %s", err, f.query)
		}
		if ev.Reset {
			clear(f.rows)
		}
		if ev.Rows != nil {
			f.rows.add(ev.Rows)
		}
		f.at, f.more = ev.Tick(), ev.More
	}
}

func (r *run) closeFolds() {
	for _, f := range r.folds {
		f.sub.Close()
		f.ses.Close()
	}
	r.folds = nil
}
