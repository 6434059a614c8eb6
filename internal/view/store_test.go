package view

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/tidemill/tidemill/internal/row"
)

var pairSchema = row.Schema{{Name: "k", Type: row.T(row.Int64)}, {Name: "v", Type: row.T(row.Int64)}}

func pair(k, v int64) line {
	return line{row.IntValue(row.T(row.Int64), k), row.IntValue(row.T(row.Int64), v)}
}

// pairs makes a batch of {k, v, weight} triples.
func pairs(rows ...[3]int64) *row.Batch {
	var lines []line
	var weights []int64
	for _, r := range rows {
		lines, weights = append(lines, pair(r[0], r[1])), append(weights, r[2])
	}
	return batchOf(pairSchema, lines, weights)
}

func mustApply(t *testing.T, s *Store, tick uint64, b *row.Batch) {
	t.Helper()
	if err := s.Apply(tick, b); err != nil {
		t.Fatal(err)
	}
}

func contents(t *testing.T, s *Store) []string {
	t.Helper()
	p := s.At()
	defer p.Close()
	return scanLines(t, p, count(len(p.Schema())))
}

func TestRefusedChanges(t *testing.T) {
	s := New(Options{Schema: pairSchema, Key: []int{0}})
	mustApply(t, s, 1, pairs([3]int64{1, 10, 1}, [3]int64{2, 20, 1}))
	s.Publish(1)
	err := s.Apply(2, pairs(
		[3]int64{1, 11, -1}, // another row has the key
		[3]int64{3, 30, -1}, // no such key
		[3]int64{2, 21, 1},  // doubled
		[3]int64{5, 50, 2},  // twice
		[3]int64{4, 40, 1},
	))
	if !errors.Is(err, ErrInconsistent) || !strings.Contains(err.Error(), "4 of 5") {
		t.Fatalf("error %v", err)
	}
	s.Publish(2)
	same(t, "keyed", contents(t, s), []string{"1|10|", "2|20|", "4|40|"})
	changes, ok := s.Changes(1)
	if !ok || len(changes) != 1 {
		t.Fatalf("changes %v %v", changes, ok)
	}
	same(t, "history", linesOf(changes[0].Batch, false), []string{"4|40|"})
	mustApply(t, s, 3, pairs([3]int64{1, 10, -1}, [3]int64{1, 12, 1}, [3]int64{3, 3, 1}))
	s.Publish(3)
	same(t, "after the error", contents(t, s), []string{"1|12|", "2|20|", "3|3|", "4|40|"})

	m := New(Options{Schema: pairSchema})
	mustApply(t, m, 1, pairs([3]int64{1, 1, 3}))
	m.Publish(1)
	err = m.Apply(2, pairs([3]int64{1, 1, -4}, [3]int64{2, 2, -1}, [3]int64{1, 1, math.MaxInt64}, [3]int64{7, 7, 1}))
	if !errors.Is(err, ErrInconsistent) {
		t.Fatalf("error %v", err)
	}
	m.Publish(2)
	same(t, "multiset", contents(t, m), []string{"1|1|", "1|1|", "1|1|", "7|7|"})

	a := New(Options{Schema: pairSchema, AppendOnly: true})
	if err := a.Apply(1, pairs([3]int64{1, 1, 1}, [3]int64{2, 2, -1}, [3]int64{3, 3, 2})); !errors.Is(err, ErrInconsistent) {
		t.Fatalf("error %v", err)
	}
	a.Publish(1)
	same(t, "append-only", contents(t, a), []string{"1|1|", "3|3|", "3|3|"})
}

func TestTicks(t *testing.T) {
	s := New(Options{Schema: pairSchema, Key: []int{0}})
	mustApply(t, s, 5, pairs([3]int64{1, 1, 1}))
	if err := s.Apply(6, pairs([3]int64{2, 2, 1})); !errors.Is(err, ErrTick) {
		t.Errorf("a second open tick: %v", err)
	}
	s.Publish(4) // before the open tick: nothing happens
	if s.Published() != 0 {
		t.Errorf("published %d", s.Published())
	}
	s.Publish(5)
	if err := s.Apply(5, pairs([3]int64{2, 2, 1})); !errors.Is(err, ErrTick) {
		t.Errorf("a published tick: %v", err)
	}
	if err := s.Apply(6, batchOf(pairSchema[:1], []line{pair(1, 1)[:1]}, nil)); !errors.Is(err, ErrInvalid) {
		t.Errorf("too few columns: %v", err)
	}
	if _, err := s.Snapshot(6); !errors.Is(err, ErrTick) {
		t.Errorf("a tick to come: %v", err)
	}
	p, err := s.Snapshot(4)
	if err != nil || p.Rows() != 0 {
		t.Fatalf("the tick before: %v", err)
	}
	mustApply(t, s, 6, pairs([3]int64{1, 6, 1}, [3]int64{1, 1, -1}))
	s.Publish(6)
	p.Close()
	s.Publish(20)
	s.Publish(21)
	if _, err := s.Snapshot(4); !errors.Is(err, ErrTick) {
		t.Errorf("a tick long gone: %v", err)
	}
	if q, err := s.Snapshot(20); err != nil {
		t.Errorf("the tick before the published: %v", err)
	} else {
		q.Close()
	}
	if _, err := p.Scan([]int{0}); !errors.Is(err, ErrClosed) {
		t.Errorf("scan of a closed snapshot: %v", err)
	}
	if _, err := p.Lookup(nil, nil, 0); !errors.Is(err, ErrClosed) {
		t.Errorf("lookup in a closed snapshot: %v", err)
	}
	if _, _, err := p.Range(RangeQuery{}); !errors.Is(err, ErrClosed) {
		t.Errorf("range of a closed snapshot: %v", err)
	}
}

// A snapshot that stays open over very many changes keeps its state, but not a version per change.
func TestVersionsAreBounded(t *testing.T) {
	s := New(Options{Schema: pairSchema, Key: []int{0}})
	mustApply(t, s, 1, pairs([3]int64{1, 1, 1}))
	s.Publish(1)
	p := s.At()
	var late *Snapshot
	const ticks = 5 * versionsMax
	for tick := uint64(2); tick < ticks; tick++ {
		mustApply(t, s, tick, pairs([3]int64{1, int64(tick) - 1, -1}, [3]int64{1, int64(tick), 1}))
		s.Publish(tick)
		if tick == 700 {
			late = s.At()
		}
	}
	if n := len(s.mu.versions); n > 2*versionsMax+2 {
		t.Errorf("%d versions", n)
	}
	for _, q := range []*Snapshot{p, late} {
		want := []string{fmt.Sprintf("1|%d|", q.Tick())}
		same(t, "scan", scanLines(t, q, []int{0, 1}), want)
		b, err := q.Lookup([]int{0}, pair(1, 0)[:1], 0)
		if err != nil {
			t.Fatal(err)
		}
		same(t, "lookup", linesOf(b, false), want)
	}
	if _, err := s.Snapshot(10); !errors.Is(err, ErrTick) {
		t.Errorf("a tick in between: %v", err)
	}
	if q, err := s.Snapshot(ticks - 500); err != nil {
		t.Error(err)
	} else {
		same(t, "a late tick in between", scanLines(t, q, []int{1}), []string{fmt.Sprintf("%d|", ticks-500)})
		q.Close()
	}
	p.Close()
	late.Close()
	for tick := uint64(ticks); tick < ticks+100; tick++ {
		s.Publish(tick)
	}
	if st := s.Stats(); st.Versions > 200 || st.Bytes > 64<<10 || st.Snapshots != 0 || len(s.mu.versions) > 2 {
		t.Errorf("after the snapshots: %+v, %d versions", st, len(s.mu.versions))
	}
}

func TestLoad(t *testing.T) {
	s := New(Options{Schema: pairSchema, Key: []int{0}})
	for _, b := range []*row.Batch{pairs([3]int64{1, 1, 1}), pairs([3]int64{2, 2, 1}, [3]int64{3, 3, 1})} {
		if err := s.Load(100, b); err != nil {
			t.Fatal(err)
		}
	}
	s.Publish(100)
	mustApply(t, s, 101, pairs([3]int64{2, 2, -1}))
	s.Publish(101)
	same(t, "loaded", contents(t, s), []string{"1|1|", "3|3|"})
	if _, ok := s.Changes(99); ok || s.HistoryStart() != 100 {
		t.Errorf("history starts at %d", s.HistoryStart())
	}
	if c, ok := s.Changes(100); !ok || len(c) != 1 || c[0].Tick != 101 {
		t.Errorf("changes %v %v", c, ok)
	}
}

func TestHistoryBounds(t *testing.T) {
	s := New(Options{Schema: pairSchema, Key: []int{0}, HistoryTicks: 10})
	bytes := New(Options{Schema: pairSchema, AppendOnly: true, HistoryBytes: 20_000})
	none := New(Options{Schema: pairSchema, HistoryBytes: -1})
	for tick := uint64(1); tick <= 1000; tick++ {
		for _, st := range []*Store{s, bytes, none} {
			mustApply(t, st, tick, pairs([3]int64{int64(tick), 0, 1}))
			st.Publish(tick)
		}
		if n := cap(s.mu.history.changes) + s.mu.history.trimmed; n > 64 {
			t.Fatalf("an array of %d for 10 changes", n)
		}
	}
	if c, ok := s.Changes(990); !ok || len(c) != 10 || s.HistoryStart() != 990 {
		t.Errorf("%d changes, history starts at %d", len(c), s.HistoryStart())
	}
	st := bytes.Stats()
	if st.HistoryBytes > 20_000 || st.HistoryBytes < 10_000 || st.HistoryTicks != 1000-int(st.HistoryStart) {
		t.Errorf("%+v", st)
	}
	// A batch beyond the bound is not kept at all.
	big := make([][3]int64, 5000)
	for i := range big {
		big[i] = [3]int64{int64(i), 0, 1}
	}
	mustApply(t, bytes, 1001, pairs(big...))
	bytes.Publish(1001)
	if st := bytes.Stats(); st.HistoryStart != 1001 || st.HistoryBytes != 0 {
		t.Errorf("%+v", st)
	}
	if c, ok := none.Changes(1000); !ok || len(c) != 0 {
		t.Errorf("without a history: %v %v", c, ok)
	}
	if _, ok := none.Changes(999); ok {
		t.Error("without a history there are changes")
	}
}

func TestFindAndRows(t *testing.T) {
	s := New(Options{Schema: pairSchema, Key: []int{0}})
	mustApply(t, s, 1, pairs([3]int64{1, 1, 1}, [3]int64{2, 2, 1}, [3]int64{3, 3, 1}))
	s.Publish(1)
	mustApply(t, s, 2, pairs([3]int64{2, 2, -1}, [3]int64{2, 22, 1}, [3]int64{3, 3, -1}, [3]int64{4, 4, 1}))
	keys := pairs([3]int64{4}, [3]int64{3}, [3]int64{2}, [3]int64{1}, [3]int64{9})
	at := s.Find(keys.Cols[:1], keys.Len)
	found := make([]bool, len(at))
	for i := range at {
		found[i] = at[i] >= 0
	}
	if !slices.Equal(found, []bool{true, false, true, true, false}) {
		t.Fatalf("found %v", found)
	}
	same(t, "rows", linesOf(s.Rows(at), false), []string{"4|4|", "null|null|", "2|22|", "1|1|", "null|null|"})
	if b := s.Rows(nil); b.Len != 0 || len(b.Cols) != 2 {
		t.Errorf("no rows: %+v", b)
	}
	m := New(Options{Schema: pairSchema})
	if at := m.Find(keys.Cols[:1], 2); !slices.Equal(at, []int64{-1, -1}) {
		t.Errorf("found %v without a key", at)
	}
}

func TestEmptyKey(t *testing.T) {
	s := New(Options{Schema: pairSchema, Key: []int{}})
	mustApply(t, s, 1, pairs([3]int64{1, 1, 1}))
	s.Publish(1)
	mustApply(t, s, 2, pairs([3]int64{1, 1, -1}, [3]int64{2, 2, 1}))
	if err := s.Apply(2, pairs([3]int64{3, 3, 1})); !errors.Is(err, ErrInconsistent) {
		t.Errorf("a second row: %v", err)
	}
	s.Publish(2)
	p := s.At()
	defer p.Close()
	b, err := p.Lookup(nil, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "lookup", linesOf(b, false), []string{"2|2|"})
	if b, _, err = p.Range(RangeQuery{}); err != nil {
		t.Fatal(err)
	}
	same(t, "range", linesOf(b, false), []string{"2|2|"})
}

func TestInvalidArguments(t *testing.T) {
	s := New(Options{Schema: keyedSchema, Key: keyedKey})
	p := s.At()
	defer p.Close()
	one, null := row.StringValue("x"), row.NullValue(row.T(row.Int32))
	_, scan := p.Scan([]int{6})
	_, few := p.Lookup([]int{0}, nil, 0)
	_, column := p.Lookup([]int{-1}, []row.Value{one}, 0)
	_, typ := p.Lookup([]int{2}, []row.Value{one}, 0)
	ranged := func(q RangeQuery) error {
		_, _, err := p.Range(q)
		return err
	}
	for name, err := range map[string]error{
		"scan": scan, "few": few, "column": column, "type": typ,
		"prefix":  ranged(RangeQuery{Prefix: []row.Value{one, one, one}}),
		"cursor":  ranged(RangeQuery{After: []byte{}}),
		"bound":   ranged(RangeQuery{Prefix: []row.Value{one}, From: &one}),
		"null":    ranged(RangeQuery{Prefix: []row.Value{one}, To: &null}),
		"too far": ranged(RangeQuery{Prefix: []row.Value{one, row.IntValue(row.T(row.Int32), 1)}, To: &one}),
	} {
		if !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Endless updates and churn of keys must not grow the store.
func TestMemoryIsBounded(t *testing.T) {
	for _, key := range [][]int{{0}, nil} {
		s := New(Options{Schema: pairSchema, Key: key, HistoryBytes: -1})
		r := rand.New(rand.NewPCG(1, 2))
		now := map[int64]int64{}
		var least, most int64 = math.MaxInt64, 0
		const keys, ticks = 10_000, 250
		for tick := uint64(1); tick <= ticks; tick++ {
			var rows [][3]int64
			seen := map[int64]bool{}
			for range 3000 {
				k := r.Int64N(keys)
				if r.IntN(2) == 0 {
					k = r.Int64N(100)
				}
				if seen[k] {
					continue
				}
				seen[k] = true
				if v, ok := now[k]; ok {
					rows = append(rows, [3]int64{k, v, -1})
					delete(now, k)
				}
				if r.IntN(4) > 0 {
					now[k] = int64(tick)
					rows = append(rows, [3]int64{k, int64(tick), 1})
				}
			}
			mustApply(t, s, tick, pairs(rows...))
			s.Publish(tick)
			if tick == 100 {
				// The ordered index is kept too.
				p := s.At()
				if _, _, err := p.Range(RangeQuery{Limit: 1}); err != nil {
					t.Fatal(err)
				}
				p.Close()
			}
			if tick > 110 {
				least, most = min(least, s.Stats().Bytes), max(most, s.Stats().Bytes)
			}
		}
		st := s.Stats()
		if most > 2*least || st.Versions > 4*st.Rows || st.OrderKeys > 2*st.Rows || int64(s.table.index.entries) > 2*st.Rows {
			t.Errorf("key %v: between %d and %d bytes; %d index entries, %+v", key, least, most, s.table.index.entries, st)
		}
		// Everything goes, and so does its memory.
		var rows [][3]int64
		for k, v := range now {
			rows = append(rows, [3]int64{k, v, -1})
		}
		mustApply(t, s, ticks+1, pairs(rows...))
		for tick := uint64(ticks + 1); tick < ticks+50; tick++ {
			s.Publish(tick)
		}
		if st := s.Stats(); st.Rows != 0 || st.Chunks > 1 || s.table.index.entries != 0 || st.OrderKeys != 0 || len(contents(t, s)) != 0 {
			t.Errorf("key %v: after deleting all: %d index entries, %+v", key, s.table.index.entries, st)
		}
	}
}

// Large texts fill chunks by bytes rather than by rows, and copies of them never overflow a batch.
func TestLargeTexts(t *testing.T) {
	schema := row.Schema{{Name: "k", Type: row.T(row.Int64)}, {Name: "s", Type: row.T(row.String)}}
	big := strings.Repeat("x", 3<<20)
	s := New(Options{Schema: schema})
	var lines []line
	for i := range 13 {
		l := line{row.IntValue(schema[0].Type, int64(i)), row.StringValue(big)}
		if i == 7 {
			l[1].S = strings.Repeat(big, 8) // more than a chunk should hold
		}
		lines = append(lines, l)
	}
	weights := make([]int64, len(lines))
	for i := range weights {
		weights[i] = 1
	}
	weights[3] = 40
	mustApply(t, s, 1, batchOf(schema, lines, weights))
	s.Publish(1)
	for tick := uint64(2); tick < 4; tick++ {
		s.Publish(tick)
	}
	p := s.At()
	defer p.Close()
	it, err := p.Scan([]int{1, 0})
	if err != nil {
		t.Fatal(err)
	}
	rows, size := 0, 0
	for {
		b, err := it.Next()
		if err != nil {
			break
		}
		if len(b.Cols[0].Data) > 2*scanTextMax {
			t.Errorf("a batch of %d bytes", len(b.Cols[0].Data))
		}
		for i := range b.Len {
			rows, size = rows+1, size+len(b.Cols[0].Bytes(i))
		}
	}
	if rows != 52 || size != (51+8)*len(big) {
		t.Errorf("%d rows, %d bytes", rows, size)
	}
	if st := s.Stats(); st.Chunks < 3 || st.Bytes > 128<<20 {
		t.Errorf("%+v", st)
	}
}

// Long rows of an append-only relation are not copied together beyond what a batch should have.
func TestAppendOnlyLargeTexts(t *testing.T) {
	schema := row.Schema{{Name: "s", Type: row.T(row.String)}}
	s := New(Options{Schema: schema, AppendOnly: true, HistoryBytes: 1 << 20})
	size := 0
	for tick := uint64(1); tick <= 120; tick++ {
		n := []int{1 << 10, 200 << 10, 300 << 10, 9 << 20}[(tick*tick/7)%4]
		size += n
		mustApply(t, s, tick, batchOf(schema, []line{{row.StringValue(strings.Repeat("x", n))}}, nil))
		s.Publish(tick)
	}
	p := s.At()
	defer p.Close()
	it, err := p.Scan([]int{0})
	if err != nil {
		t.Fatal(err)
	}
	for {
		b, err := it.Next()
		if err != nil {
			break
		}
		got := len(b.Cols[0].Data)
		if got > 32<<20 {
			t.Errorf("a batch of %d bytes", got)
		}
		size -= got
	}
	if size != 0 || p.Rows() != 120 {
		t.Errorf("%d bytes are missing of %d rows", size, p.Rows())
	}
}
