package engine

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidemill/tidemill/internal/catalog"
	"github.com/tidemill/tidemill/internal/log"
	"github.com/tidemill/tidemill/internal/plan"
	"github.com/tidemill/tidemill/internal/record"
	"github.com/tidemill/tidemill/internal/row"
)

// TestGroupsStayWhole: the rows of a group sum to nothing, and so does every tick.
func TestGroupsStayWhole(t *testing.T) {
	w := newWorld(t, func(o *Options) { o.TickRows = 5 })
	w.stream("s")
	w.view("total", triple, sums("s"))
	w.start()
	var writers sync.WaitGroup
	for g := range 4 {
		writers.Go(func() {
			for i := range 50 {
				a, b := int64(i+1), int64(g)
				entries := []log.Entry{w.entry("s", record.TxID{}, false, []op{{0, a, 1}, {0, b, 1}}), w.entry("s", record.TxID{}, false, []op{{0, -a - b, 1}})}
				if _, err := w.log.Append(w.ctx, w.rels["s"].Topic(), entries); err != nil {
					t.Error(err)
				}
			}
		})
	}
	writers.Wait()
	w.waitAll("s")
	ticks := w.seen()
	if len(ticks) < 10 {
		t.Errorf("%d ticks for 200 groups at 5 rows a tick", len(ticks))
	}
	for _, tk := range ticks {
		b := tk.Changes[w.rels["s"].ID]
		sum := int64(0)
		for _, v := range row.Values[int64](&b.Cols[1]) {
			sum += v
		}
		if sum != 0 || b.Len%3 != 0 {
			t.Fatalf("tick %d has %d rows that sum to %d", tk.Number, b.Len, sum)
		}
	}
	w.equal("total", w.content("total"), map[string]int64{`[0,0,600]`: 1})
}

// TestTransactions: the rows of a transaction over two topics come in one tick or never, whatever stands between them.
func TestTransactions(t *testing.T) {
	w := newWorld(t, func(o *Options) { o.QueueBytes = 200 })
	w.stream("a")
	w.stream("b")
	w.start()
	rng := rand.New(rand.NewPCG(1, 2))
	want := map[string]int64{}
	for n := byte(1); n <= 60; n++ {
		tx := txID(10, n)
		participants := []uint64{w.rels["a"].ID, w.rels["b"].ID}
		aborted, early := n%5 == 0, n%3 == 0
		if early && !aborted { // the loop knows before the readers have come so far
			w.e.Commit(tx, participants)
		}
		for _, rel := range []string{"a", "b"} {
			pieces := 1 + rng.IntN(4)
			for p := range pieces {
				if aborted && rel == "b" {
					break
				}
				w.appendTx(rel, tx, p == pieces-1, op{int64(n), 1, 1})
				if rng.IntN(3) == 0 { // another writer in between
					w.append(rel, op{1000, 0, 1})
				}
			}
		}
		switch {
		case aborted:
			w.e.Abort(tx)
		default:
			want[fmt.Sprint(n)] = 1
			if !early {
				w.e.Commit(tx, participants)
			}
		}
	}
	w.waitAll("a")
	w.waitAll("b")
	for _, tk := range w.seen() {
		in := map[string]map[int64]bool{"a": {}, "b": {}}
		for rel, ks := range in {
			if c := tk.Changes[w.rels[rel].ID]; c != nil {
				for _, k := range row.Values[int64](&c.Cols[0]) {
					if k != 1000 {
						ks[k] = true
					}
				}
			}
		}
		if fmt.Sprint(in["a"]) != fmt.Sprint(in["b"]) {
			t.Fatalf("tick %d shows transactions %v in a, %v in b", tk.Number, in["a"], in["b"])
		}
		for k := range in["a"] {
			if want[fmt.Sprint(k)] != 1 {
				t.Fatalf("transaction %d is shown in tick %d: aborted or a second time", k, tk.Number)
			}
			delete(want, fmt.Sprint(k))
		}
	}
	if len(want) > 0 {
		t.Errorf("never shown: %v", want)
	}
}

// TestTransactionLargerThanTheQueue: what must be taken together comes in, whatever its size.
func TestTransactionLargerThanTheQueue(t *testing.T) {
	w := newWorld(t, func(o *Options) { o.QueueBytes = 1 })
	w.stream("a")
	w.start()
	tx := txID(10, 1)
	var at log.Offset
	for i := range 20 {
		at = w.appendTx("a", tx, i == 19, op{int64(i), 1, 1})
	}
	w.e.Commit(tx, []uint64{w.rels["a"].ID})
	w.waitFor("a", at)
	if n := len(w.content("a")); n != 20 || len(w.seen()) != 1 {
		t.Errorf("%d rows in %d ticks, want 20 in one", n, len(w.seen()))
	}
}

func TestTransactionsOfEarlierRuns(t *testing.T) {
	done := map[record.TxID]bool{txID(10, 1): true}
	w := newWorld(t, func(o *Options) { o.Committed = func(tx record.TxID) bool { return done[tx] } })
	w.stream("a")
	w.table("b")
	for n := byte(1); n <= 3; n++ {
		w.appendTx("a", txID(10, n), true, op{int64(n), 1, 1})
		w.appendTx("b", txID(10, n), n != 3, op{int64(n), 1, 1}) // the third was cut short
	}
	w.appendTx("a", txID(99, 1), true, op{9, 9, 1}) // the clock has gone back since
	w.append("a", op{7, 7, 1})
	w.restart()
	w.start()
	w.equal("a", w.content("a"), map[string]int64{"[1,1]": 1, "[7,7]": 1})
	w.equal("b", w.content("b"), map[string]int64{"[1,1]": 1})
}

// TestOpenTransaction: nothing behind an open transaction is shown, everything of other relations is.
func TestOpenTransaction(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		w.stream("a")
		w.stream("b")
		w.start()
		w.appendTx("a", txID(10, 1), true, op{1, 1, 1})
		w.append("a", op{2, 2, 1})
		w.append("b", op{3, 3, 1})
		synctest.Wait()
		w.equal("a", w.content("a"), map[string]int64{})
		w.equal("b", w.content("b"), map[string]int64{"[3,3]": 1})
		w.e.Abort(txID(10, 1))
		synctest.Wait()
		w.equal("a after the abort", w.content("a"), map[string]int64{"[2,2]": 1})
	})
}

// TestDamagedParticipant: a transaction does not wait for a relation whose log is damaged.
func TestDamagedParticipant(t *testing.T) {
	w := newWorld(t, nil)
	w.stream("a")
	w.stream("b")
	w.start()
	_, err := w.log.Append(w.ctx, w.rels["a"].Topic(), []log.Entry{{Body: []byte("?")}})
	w.must(err)
	tx := txID(10, 1)
	w.appendTx("a", tx, true, op{1, 1, 1})
	at := w.appendTx("b", tx, true, op{1, 1, 1})
	w.e.Commit(tx, []uint64{w.rels["a"].ID, w.rels["b"].ID})
	w.waitFor("b", at)
}

func TestUpserts(t *testing.T) {
	for _, c := range []struct {
		name string
		ops  []op
		want string // changes, by weight then row
	}{
		{"no-op", []op{{1, 10, 1}}, ""},
		{"replaced", []op{{1, 11, 1}}, "-[1,10] +[1,11]"},
		{"the last one wins", []op{{1, 11, 1}, {1, 12, 1}, {1, 13, 1}}, "-[1,10] +[1,13]"},
		{"there and back", []op{{1, 11, 1}, {1, 10, 1}}, ""},
		{"deleted", []op{{1, 0, -1}}, "-[1,10]"},
		{"deleted and inserted", []op{{1, 0, -1}, {1, 20, 1}}, "-[1,10] +[1,20]"},
		{"deleted and inserted the same", []op{{1, 0, -1}, {1, 10, 1}}, ""},
		{"inserted and deleted", []op{{5, 1, 1}, {5, 0, -1}}, ""},
		{"deleted what is not there", []op{{6, 0, -1}}, ""},
		{"inserted", []op{{7, 70, 1}}, "+[7,70]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, nil)
			w.table("t")
			w.start()
			w.waitFor("t", w.append("t", op{1, 10, 1}))
			w.waitFor("t", w.append("t", c.ops...))
			ticks, got := w.seen(), []string{}
			if b := ticks[len(ticks)-1].Changes[w.rels["t"].ID]; b != nil {
				for i := range b.Len {
					got = append(got, map[int64]string{1: "+", -1: "-"}[b.Weight(i)]+string(row.AppendRowArrayJSON(nil, b, i)))
				}
			}
			if s := strings.Join(got, " "); s != c.want {
				t.Errorf("got %q, want %q", s, c.want)
			}
		})
	}
}

// TestTablesAgainstModel: random operations, groups joined into ticks at random, against a map.
func TestTablesAgainstModel(t *testing.T) {
	for seed := range uint64(20) {
		w := newWorld(t, func(o *Options) { o.TickRows = int(seed%7) + 1 })
		w.table("t")
		w.stored("bag", catalog.Table, nil, false)
		w.start()
		rng := rand.New(rand.NewPCG(seed, 1))
		keyed, bag := map[int64]int64{}, map[op]int64{}
		for range 40 {
			var ops, bagOps []op
			for range 1 + rng.IntN(4) {
				o := op{rng.Int64N(8), rng.Int64N(3), 1}
				if rng.IntN(3) == 0 {
					o.w = -1
					delete(keyed, o.k)
				} else {
					keyed[o.k] = o.v
				}
				ops = append(ops, o)
				row := op{o.k, o.v, 1}
				if o.w < 0 && bag[row] == 0 {
					continue // a table without key has only rows deleted that are there
				}
				bag[row] += o.w
				bagOps = append(bagOps, o)
			}
			w.append("t", ops...)
			if len(bagOps) > 0 {
				w.append("bag", bagOps...)
			}
		}
		w.waitAll("t")
		w.waitAll("bag")
		wantKeyed, wantBag := map[string]int64{}, map[string]int64{}
		for k, v := range keyed {
			wantKeyed[fmt.Sprintf("[%d,%d]", k, v)] = 1
		}
		for o, n := range bag {
			if n > 0 {
				wantBag[fmt.Sprintf("[%d,%d]", o.k, o.v)] = n
			}
		}
		w.equal("table", w.content("t"), wantKeyed)
		w.equal("table without key", w.content("bag"), wantBag)
		folded := map[string]int64{}
		for _, tk := range w.seen() {
			if b := tk.Changes[w.rels["t"].ID]; b != nil {
				fold(folded, b)
			}
		}
		w.equal("fold of the changes", folded, wantKeyed)
		w.e.Close()
	}
}

// TestViewsJoinAndAgree: views that are added while writers run equal those that were there from the start, in every snapshot, and so
// they do after a restart.
func TestViewsJoinAndAgree(t *testing.T) {
	w := newWorld(t, func(o *Options) { o.TickRows = 50 })
	w.stream("s")
	w.table("t")
	define := func(suffix string) {
		w.view("s"+suffix, triple, sums("s"))
		w.view("t"+suffix, triple, sums("t"))
		w.view("v"+suffix, triple, all("t0", triple))
		w.view("c"+suffix, pair, all("s", pair))
	}
	define("0")
	w.start()
	stop, cancel := context.WithCancel(w.ctx)
	var writers sync.WaitGroup
	for _, rel := range []string{"s", "t"} {
		entries := make([]log.Entry, 64) // encoded before: w.rels changes below
		rng := rand.New(rand.NewPCG(7, 7))
		for i := range entries {
			var ops []op
			for range 1 + rng.IntN(5) {
				o := op{rng.Int64N(20), rng.Int64N(100), 1}
				if rel == "t" && rng.IntN(4) == 0 {
					o.w = -1
				}
				ops = append(ops, o)
			}
			entries[i] = w.entry(rel, record.TxID{}, false, ops)
		}
		topic := w.rels[rel].Topic()
		writers.Go(func() {
			for i := 0; stop.Err() == nil && i < 4000; i++ {
				if _, err := w.log.Append(w.ctx, topic, entries[i%len(entries):i%len(entries)+1]); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	compare := func(n int) {
		var ids []uint64
		for _, r := range w.rels {
			ids = append(ids, r.ID)
		}
		s := w.e.Snapshot(ids...)
		defer s.Close()
		for _, p := range []string{"s", "t", "v", "c"} {
			want, err := w.contentAt(s, p+"0")
			w.must(err)
			for i := 1; i <= n; i++ {
				got, err := w.contentAt(s, fmt.Sprint(p, i))
				w.must(err)
				w.equal(fmt.Sprintf("view %s%d at tick %d", p, i, s.Tick), got, want)
			}
		}
		want, err := w.contentAt(s, "s") // the stream itself, out of the log, at the same tick
		w.must(err)
		got, err := w.contentAt(s, "c0")
		w.must(err)
		w.equal("the stream's copy", got, want)
	}
	for _, rel := range []string{"s", "t"} { // the load is there before it is to be borne
		w.must(w.log.ReadRange(w.ctx, w.rels[rel].Topic(), 0, 20, func(log.Record) error { return nil }))
	}
	for n := 1; n <= 4; n++ {
		define(fmt.Sprint(n))
		compare(n)
		compare(n)
	}
	w.must(w.e.Drop(w.ctx, w.rels["v2"].ID)) // under load
	delete(w.rels, "v2")
	w.view("v2", triple, all("t0", triple))
	compare(4)
	cancel()
	writers.Wait()
	w.waitAll("s")
	w.waitAll("t")
	compare(4)
	before := map[string]map[string]int64{}
	for _, rel := range []string{"s", "t", "s0", "t0", "v0", "c0"} {
		before[rel] = w.content(rel)
	}
	w.restart()
	define("0")
	w.start()
	for rel, want := range before {
		w.equal(rel+" after the restart", w.content(rel), want)
	}
}

// TestBacklogBound: with no room for a backlog the loop waits for the view, and the view still joins.
func TestBacklogBound(t *testing.T) {
	w := newWorld(t, nil)
	w.stream("s")
	w.start()
	w.waitFor("s", w.append("s", op{1, 1, 1}))
	b := &bootstrap{limit: 1, room: make(chan struct{}), ended: make(chan struct{})}
	b.view = &viewState{reads: map[string]uint64{"s": w.rels["s"].ID}}
	if b.add(Tick{Number: 2, Changes: map[uint64]*row.Batch{}}); b.bytes != 0 || len(b.backlog) != 0 {
		t.Fatal("a tick that changes nothing of the view's inputs was kept")
	}
	b.add(Tick{Number: 2, Changes: map[uint64]*row.Batch{w.rels["s"].ID: batchOf([]op{{1, 1, 1}})}})
	calls, ran, went := make(chan func()), make(chan bool), make(chan bool)
	go func() {
		b.waitForRoom(w.ctx, calls)
		close(went)
	}()
	calls <- func() { close(ran) } // the loop is held, and answers
	<-ran
	select {
	case <-went:
		t.Fatal("the loop went on beyond the bound")
	default:
	}
	if got := b.takeBacklog(); len(got) != 1 {
		t.Errorf("%d ticks in the backlog, want 1", len(got))
	}
	<-went
}

// wider reads a third column that the relation does not have: it panics at the first row.
func wider(relation string) plan.Node {
	return &plan.Aggregate{Input: all(relation, triple), Groups: []*plan.Expr{plan.Col(2, bigint)}, Calls: []plan.AggregateCall{{Name: "count_star", Type: bigint}}}
}

func TestPanicStopsOneView(t *testing.T) {
	w := newWorld(t, nil)
	w.stream("s")
	w.view("good", triple, sums("s"))
	w.view("bad", pair, wider("s"))
	w.view("overbad", pair, all("bad", pair))
	w.start()
	at := w.append("s", op{1, 1, 1})
	w.waitFor("s", at)
	w.equal("good", w.content("good"), map[string]int64{"[1,1,1]": 1})
	for _, name := range []string{"bad", "overbad"} {
		s := w.e.Snapshot(w.rels[name].ID)
		if _, err := w.contentAt(s, name); err == nil || !strings.Contains(err.Error(), "view "+name+" stopped") {
			t.Errorf("reading %s: %v", name, err)
		}
		s.Close()
		if _, _, ok := w.e.Changes(w.rels[name].ID, 1); ok {
			t.Errorf("%s has changes to offer", name)
		}
	}
	ticks := w.seen()
	if st := ticks[len(ticks)-1].Stopped; len(st) != 2 {
		t.Errorf("the tick reports %v as stopped, want two views", st)
	}
	if err := w.addView("late", pair, all("bad", pair)); err == nil {
		t.Error("a view over a stopped one was built")
	}
	w.waitFor("s", w.append("s", op{1, 2, 1}))
	w.equal("good goes on", w.content("good"), map[string]int64{"[1,3,2]": 1})
	st, _, _ := w.e.Status(time.Now())
	if len(st) != 3 || st[0].Stopped != nil || st[1].Stopped == nil || st[2].Stopped == nil {
		t.Errorf("status: %+v", st)
	}
	// A view whose building panics is not added, and everything else goes on.
	if err := w.addView("badlate", pair, wider("s")); err == nil {
		t.Error("a view that panics was built")
	}
	w.must(w.e.Drop(w.ctx, w.rels["overbad"].ID))
	w.must(w.e.Drop(w.ctx, w.rels["bad"].ID))
	w.waitFor("s", w.append("s", op{1, 3, 1}))
	w.equal("good goes on", w.content("good"), map[string]int64{"[1,6,3]": 1})
}

func TestDamagedRecordStopsOneRelation(t *testing.T) {
	w := newWorld(t, nil)
	w.stream("a")
	w.stream("b")
	define := func() {
		w.view("va", triple, sums("a"))
		w.view("vb", triple, sums("b"))
	}
	define()
	w.start()
	w.waitFor("a", w.append("a", op{1, 1, 1}))
	at, err := w.log.Append(w.ctx, w.rels["a"].Topic(), []log.Entry{{Body: []byte("no record")}})
	w.must(err)
	check := func() {
		t.Helper()
		w.must(w.e.WaitFor(w.ctx, w.rels["a"].ID, at)) // stopped: nothing to wait for, who reads it is told why
		for _, name := range []string{"a", "va"} {
			s := w.e.Snapshot(w.rels[name].ID)
			if _, err := w.contentAt(s, name); !errors.Is(err, record.ErrMalformed) {
				t.Errorf("reading %s: %v", name, err)
			}
			s.Close()
		}
		w.waitFor("b", w.append("b", op{2, 2, 1}))
		if len(w.content("vb")) != 1 || len(w.content("b")) == 0 {
			t.Error("b does not go on")
		}
	}
	check()
	w.restart()
	define()
	w.start()
	check()
	w.must(w.e.Drop(w.ctx, w.rels["va"].ID))
	w.must(w.e.Drop(w.ctx, w.rels["a"].ID))
	w.must(w.e.WaitFor(w.ctx, w.rels["a"].ID, at)) // gone: nothing to wait for
}

func TestAddViewErrors(t *testing.T) {
	w := newWorld(t, nil)
	w.stream("s")
	w.start()
	if err := w.addView("nowhere", pair, all("nobody", pair)); err == nil {
		t.Error("a view over nothing was built")
	}
	w.append("s", op{1, 1, 1})
	w.waitAll("s")
	canceled, cancel := context.WithCancel(w.ctx)
	cancel()
	whole := w.ctx
	w.ctx = canceled
	if err := w.addView("canceled", pair, all("s", pair)); !errors.Is(err, context.Canceled) {
		t.Errorf("AddView of a canceled caller: %v", err)
	}
	w.ctx = whole
	w.e.Close()
	w.e.Close()
	if err := w.addView("late", pair, all("s", pair)); !errors.Is(err, ErrClosed) {
		t.Errorf("AddView after Close: %v", err)
	}
	if err := w.e.Drop(w.ctx, 1); !errors.Is(err, ErrClosed) {
		t.Errorf("Drop after Close: %v", err)
	}
	s := w.e.Snapshot(w.rels["s"].ID)
	if _, err := s.Scan(w.ctx, w.rels["s"].ID, nil); !errors.Is(err, ErrClosed) {
		t.Errorf("Scan after Close: %v", err)
	}
	if err := w.e.WaitFor(w.ctx, w.rels["s"].ID, 99); !errors.Is(err, ErrClosed) {
		t.Errorf("WaitFor after Close: %v", err)
	}
}

// TestCloseWhileBusy: in the bubble, a goroutine that is left over fails the test.
func TestCloseWhileBusy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(o *Options) { o.QueueBytes, o.TickRows = 500, 2 })
		w.stream("s")
		w.table("t")
		w.view("vs", triple, sums("s"))
		w.start()
		entries := map[string][]log.Entry{}
		for _, rel := range []string{"s", "t"} {
			entries[w.rels[rel].Topic()] = []log.Entry{w.entry(rel, record.TxID{}, false, []op{{1, 2, 1}, {2, 3, 1}})}
		}
		snap := w.e.Snapshot(w.rels["s"].ID, w.rels["t"].ID)
		defer snap.Close()
		for topic, group := range entries {
			for range 500 {
				_, err := w.log.Append(w.ctx, topic, group)
				w.must(err)
			}
		}
		it, err := w.e.Snapshot(w.rels["s"].ID).Scan(w.ctx, w.rels["s"].ID, nil)
		w.must(err)
		defer it.Close()
		var others sync.WaitGroup
		others.Go(func() {
			for i := 0; ; i++ {
				if err := w.addView(fmt.Sprint("x", i), triple, sums("s")); err != nil {
					if !errors.Is(err, ErrClosed) {
						t.Errorf("building while closing: %v", err)
					}
					return
				}
			}
		})
		others.Go(func() {
			if err := w.e.WaitForTick(w.ctx, 1<<40); !errors.Is(err, ErrClosed) {
				t.Errorf("waiting while closing: %v", err)
			}
		})
		w.must(w.e.WaitForTick(w.ctx, 20))
		w.e.Close()
		others.Wait()
	})
}

// TestQueueBound: what is decoded and waits stays within QueueBytes while the loop is busy.
func TestQueueBound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(o *Options) { o.QueueBytes = 2000 })
		w.stream("s")
		w.start()
		release, held := make(chan struct{}), make(chan struct{})
		go func() {
			_ = w.e.call(w.ctx, func() { close(held); <-release })
		}()
		<-held
		for i := range 100 {
			w.append("s", op{int64(i), 1, 1})
		}
		synctest.Wait() // the reader can do no more
		w.e.queues.Lock()
		in := w.e.queues.inputs[w.rels["s"].ID]
		bytes, groups := in.queuedBytes, len(in.queue)
		w.e.queues.Unlock()
		if bytes > 2000 || groups == 0 || groups >= 100 {
			t.Errorf("%d groups of %d bytes wait, the bound is 2000", groups, bytes)
		}
		close(release)
		w.waitAll("s")
		if n := len(w.content("s")); n != 100 {
			t.Errorf("%d rows, want 100", n)
		}
		if stuck := w.e.Stuck(time.Now()); stuck > time.Second {
			t.Errorf("stuck for %s with nothing to do", stuck)
		}
	})
}

// TestScanCanceled: who cancels a scan gets the context's error.
func TestScanCanceled(t *testing.T) {
	w := newWorld(t, nil)
	w.stream("s")
	w.start()
	for range 50 {
		w.append("s", op{1, 1, 1})
	}
	w.waitAll("s")
	s := w.e.Snapshot(w.rels["s"].ID)
	defer s.Close()
	ctx, cancel := context.WithCancel(w.ctx)
	it, err := s.Scan(ctx, w.rels["s"].ID, []int{1, -1})
	w.must(err)
	b, err := it.Next()
	if err != nil || len(b.Cols) != 2 || row.Values[int64](&b.Cols[0])[0] != 1 {
		t.Fatalf("the first batch: %v, %v", b, err)
	}
	cancel()
	for err == nil && b != nil {
		b, err = it.Next()
	}
	if !errors.Is(err, context.Canceled) {
		t.Errorf("after the cancellation: %v", err)
	}
	it.Close()
}
