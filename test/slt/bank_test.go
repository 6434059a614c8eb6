package slt

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidemill/tidemill/internal/row"
	"github.com/tidemill/tidemill/internal/session"
)

var bankTransfers = flag.Int("bank.transfers", 20_000, "transfers of the bank")

const (
	bankAccounts = 10
	bankSeconds  = 60
	bankLate     = 10 // seconds that a transfer may be late
	bankWriters  = 3
)

// bankJoins are ways to bring credits and debits together. An inner join has no balance of an account before it has both, so with it the first request moves a unit
// around the ring of accounts.
var bankJoins = map[string]struct {
	balance string
	ring    bool
}{
	"inner": {"SELECT c.account, c.credits - d.debits AS balance FROM credits c JOIN debits d ON c.account = d.account", true},
	"full":  {"SELECT coalesce(c.account, d.account) AS account, coalesce(c.credits, 0) - coalesce(d.debits, 0) AS balance FROM credits c FULL JOIN debits d ON c.account = d.account", false},
	"left": {"SELECT a.id AS account, coalesce(c.credits, 0) - coalesce(d.debits, 0) AS balance FROM accounts a LEFT JOIN credits c ON c.account = a.id LEFT JOIN debits d ON d.account = a.id",
		false},
}

// TestBankSumsToNothing moves units between ten accounts, up to ten seconds out of order, and wants the sum over all balances, which come through two
// aggregates and a join, to be 0 in every state that is ever shown: each frame of subscriptions to the balances and to their sum, and each pull.
func TestBankSumsToNothing(t *testing.T) {
	for name, join := range bankJoins {
		t.Run(name, func(t *testing.T) {
			r := &run{t: t, ctx: t.Context(), f: &testFile{name: "bank"}, dir: t.TempDir(), rng: rand.New(rand.NewPCG(1, 1))}
			r.open()
			defer r.close()
			for _, s := range []string{"CREATE STREAM transfers (payer INTEGER, payee INTEGER, amount BIGINT, at TIMESTAMP) WITH (partitions = 2, key = 'payer')", "CREATE TABLE accounts (id INTEGER PRIMARY KEY)",
				fmt.Sprintf("INSERT INTO accounts SELECT i::INTEGER FROM range(%d) r(i)", bankAccounts),
				"CREATE MATERIALIZED VIEW credits AS SELECT payee AS account, sum(amount) AS credits FROM transfers GROUP BY payee",
				"CREATE MATERIALIZED VIEW debits AS SELECT payer AS account, sum(amount) AS debits FROM transfers GROUP BY payer"} {
				r.exec(s)
			}
			r.exec("CREATE MATERIALIZED VIEW balance AS " + join.balance)
			r.exec("CREATE MATERIALIZED VIEW total AS SELECT coalesce(sum(balance), 0) AS total FROM balance")
			b := &bank{run: r, over: make(chan struct{})}
			if join.ring {
				var ring strings.Builder
				for i := range bankAccounts {
					b.transfer(&ring, i, (i+1)%bankAccounts, 0)
				}
				b.send(ring.String())
			}
			b.move()
		})
	}
}

// bank is the test while it runs.
type bank struct {
	*run
	over     chan struct{}
	balances [bankAccounts]atomic.Int64
	states   atomic.Int64
}

// transfer appends a transfer of a unit to a body.
func (b *bank) transfer(body *strings.Builder, from, to, second int) {
	b.balances[from].Add(-1)
	b.balances[to].Add(1)
	fmt.Fprintf(body, "%d,%d,1,2024-02-29 12:%02d:%02d\n", from, to, second/60, second%60)
}

// send stores the transfers of a body as one request, and returns its token.
func (b *bank) send(body string) string {
	ses := b.db.NewSession(session.Options{})
	defer ses.Close()
	res, err := ses.Ingest(b.ctx, "transfers", strings.NewReader("payer,payee,amount,at\n"+body), session.IngestOptions{ContentType: "text/csv"})
	if err != nil || res.Rejected > 0 {
		b.t.Errorf("ingest: %+v, %v", res, err)
	}
	return res.Token
}

// move makes all transfers while everything is watched.
func (b *bank) move() {
	t := b.t
	start := time.Now()
	var watching, writing sync.WaitGroup
	for _, view := range []string{"balance", "total"} {
		sub, err := b.ses.Subscribe(b.ctx, session.SubscribeRequest{Relation: view, Progress: 5 * time.Millisecond})
		if err != nil {
			t.Fatal(err)
		}
		watching.Go(func() { b.watch(view, sub) })
	}
	watching.Go(b.pulls)
	tokens := make([]string, bankWriters)
	for w := range bankWriters {
		writing.Go(func() { tokens[w] = b.write(rand.New(rand.NewPCG(uint64(w), 5)), *bankTransfers/bankWriters) })
	}
	writing.Wait()
	reader := b.db.NewSession(session.Options{})
	defer reader.Close()
	for _, token := range tokens {
		if err := reader.Set("tidemill.after", token); err != nil {
			t.Fatal(err)
		}
		b.read(reader, "SELECT count(*) FROM total")
	}
	took := time.Since(start)
	for i := range bankAccounts {
		want := b.balances[i].Load()
		if got := b.read(reader, fmt.Sprintf("SELECT coalesce(sum(balance), 0)::BIGINT FROM balance WHERE account = %d", i)); got != want {
			t.Errorf("account %d has %d, want %d", i, got, want)
		}
	}
	close(b.over)
	watching.Wait()
	if b.states.Load() < 10 && *bankTransfers >= 1000 {
		t.Errorf("only %d states were seen", b.states.Load())
	}
	t.Logf("%d transfers in %s (%.0f a second), %d states seen", *bankTransfers, took.Round(time.Millisecond), float64(*bankTransfers)/took.Seconds(), b.states.Load())
}

// write sends transfers in requests of random size, and returns the last one's token.
func (b *bank) write(rng *rand.Rand, n int) (token string) {
	for done := 0; done < n; {
		size := min(1+rng.IntN([]int{4, 100, max(1, *bankTransfers/100)}[rng.IntN(3)]), n-done)
		var body strings.Builder
		for range size {
			from := rng.IntN(bankAccounts)
			second := max(0, bankSeconds*done/n-rng.IntN(bankLate+1))
			b.transfer(&body, from, (from+1+rng.IntN(bankAccounts-1))%bankAccounts, second)
			done++
		}
		token = b.send(body.String())
	}
	return token
}

// watch folds a subscription and sums up its last column after every frame.
func (b *bank) watch(view string, sub *session.Subscription) {
	defer sub.Close()
	ctx, cancel := context.WithCancel(b.ctx)
	defer cancel()
	go func() {
		select {
		case <-b.over:
			cancel()
		case <-ctx.Done():
		}
	}()
	rows, sum := multiset{}, int64(0)
	for {
		ev, err := sub.Next(ctx)
		switch {
		case err != nil && ctx.Err() != nil:
			return
		case err != nil:
			b.t.Errorf("%s: %v", view, err)
			return
		case ev.Reset:
			rows, sum = multiset{}, 0
		}
		if ev.Rows == nil {
			continue
		}
		rows.add(ev.Rows)
		sum += lastColumn(ev.Rows)
		if ev.More {
			continue
		}
		b.states.Add(1)
		for _, r := range rows {
			if r.n != 1 {
				b.t.Errorf("%s has %d times %s", view, r.n, r.text)
			}
		}
		if sum != 0 || (view == "total" && len(rows) != 1) {
			b.t.Errorf("%s sums up to %d over %d rows", view, sum, len(rows))
			return
		}
	}
}

// lastColumn sums up the last column, by weight.
func lastColumn(rows *row.Batch) (sum int64) {
	v := &rows.Cols[len(rows.Cols)-1]
	for i := range rows.Len {
		n, _ := strconv.ParseInt(string(row.AppendText(nil, v, i)), 10, 64)
		sum += n * rows.Weight(i)
	}
	return sum
}

// pulls asks for the sum in several ways, all of which see one tick.
func (b *bank) pulls() {
	ses := b.db.NewSession(session.Options{})
	defer ses.Close()
	for {
		select {
		case <-b.over:
			return
		case <-time.After(2 * time.Millisecond):
		}
		off := b.read(ses, `SELECT (abs((SELECT coalesce(sum(balance), 0) FROM balance)) + abs((SELECT total FROM total)) +
			abs((SELECT coalesce(sum(credits), 0) FROM credits) - (SELECT coalesce(sum(debits), 0) FROM debits)))::BIGINT`)
		if b.states.Add(1); off != 0 {
			b.t.Errorf("a pull sees sums that are off by %d", off)
			return
		}
	}
}

// read returns the only value of a query.
func (b *bank) read(ses *session.Session, query string) int64 {
	p, err := ses.Prepare(b.ctx, query, nil)
	if err != nil {
		b.t.Error(err)
		return 0
	}
	res, err := ses.Execute(b.ctx, p, nil)
	if err != nil {
		b.t.Error(err)
		return 0
	}
	defer res.Close()
	rows, err := res.Next(b.ctx)
	if err != nil || rows == nil || rows.Len != 1 {
		b.t.Errorf("%s: %v", query, err)
		return 0
	}
	return rows.Cols[0].Value(0).I
}
