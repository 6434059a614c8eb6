package crash

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// slots are the keys that a tableWriter has in the table kv.
const slots = 24

// tableWriter upserts, updates and deletes its own rows of kv.
type tableWriter struct {
	id int
	// now is what was last acknowledged; then, unless it is nil, what it is if the last statement counted, which is not known.
	now, then map[int]int64
}

func (w *tableWriter) run(l *life) {
	rng := l.rng(uint64(2000 + w.id))
	if w.then != nil {
		l.violated("the table of client %d was not settled", w.id)
		return
	}
	var conn *pgx.Conn
	defer func() {
		if conn != nil {
			_ = conn.Close(context.Background())
		}
	}()
	for !l.over() && w.then == nil {
		if conn == nil || conn.IsClosed() {
			var err error
			if conn, err = l.connect(l.ctx); err != nil {
				l.pause(20 * time.Millisecond)
				continue
			}
		}
		next := maps.Clone(w.now)
		send := w.choose(l, conn, rng, next)
		w.then = next
		switch l.fateOf("a write to kv", send()) {
		case acked:
			w.now, w.then = next, nil
		case refused:
			w.then = nil
		case unknown:
			w.ask(l)
		}
		if rng.IntN(6) == 0 {
			l.pause(time.Duration(rng.IntN(20)) * time.Millisecond)
		}
	}
}

// ask reads what became of a write that was not answered, in the life that it happened in, if that goes on.
func (w *tableWriter) ask(l *life) {
	for l.pause(100 * time.Millisecond) {
		rows, err := l.sql(l.ctx, fmt.Sprintf(`SELECT client, slot, n FROM kv WHERE client = %d`, w.id))
		if err == nil {
			w.settle(l, rows)
			return
		}
	}
}

// settle compares the stored rows with what is known.
func (w *tableWriter) settle(l *life, rows [][]any) {
	got := map[int]int64{}
	for _, r := range rows {
		if int(number(r[0])) == w.id {
			got[int(number(r[1]))] = number(r[2])
		}
	}
	switch {
	case maps.Equal(got, w.now):
		w.then = nil
	case w.then != nil && maps.Equal(got, w.then):
		w.now, w.then = w.then, nil
	default:
		l.violated("kv: client %d has %v\nacknowledged is %v\nand not answered %v", w.id, got, w.now, w.then)
		w.now, w.then = got, nil
	}
}

// choose makes up a write: it changes next to what it leads to and returns what sends it.
func (w *tableWriter) choose(l *life, conn *pgx.Conn, rng *rand.Rand, next map[int]int64) func() error {
	exec := func(sql string) func() error {
		return func() error {
			ctx, cancel := context.WithTimeout(l.ctx, 30*time.Second)
			defer cancel()
			_, err := conn.Exec(ctx, sql)
			return err
		}
	}
	some := rng.Perm(slots)[:1+rng.IntN(6)]
	slices.Sort(some)
	switch rng.IntN(6) {
	case 0:
		return w.upsertOverHTTP(l, rng, some, next)
	case 1:
		return exec(w.increment(next))
	case 2:
		return exec(w.delete(some, next))
	case 3:
		return exec(w.upsert(rng, some, next))
	case 4:
		for _, s := range some {
			delete(next, s)
		}
		var b strings.Builder
		for _, s := range some {
			fmt.Fprintf(&b, "{\"client\":%d,\"slot\":%d}\n", w.id, s)
		}
		return func() error { return w.post(l, "DELETE", b.String()) }
	}
	first, second, third := w.upsert(rng, some, next), w.increment(next), w.delete(some[:1], next)
	return func() error {
		ctx, cancel := context.WithTimeout(l.ctx, 30*time.Second)
		defer cancel()
		return transact(ctx, l, conn, first, second, third)
	}
}

func transact(ctx context.Context, l *life, conn *pgx.Conn, statements ...string) error {
	tx, err := conn.Begin(ctx)
	if err != nil {
		return err
	}
	for _, s := range statements {
		if _, err := tx.Exec(ctx, s); err != nil {
			_ = tx.Rollback(ctx) // its error says no more than the first one
			return err
		}
	}
	l.totals.commits.Add(1)
	return tx.Commit(ctx)
}

func (w *tableWriter) increment(next map[int]int64) string {
	for s := range next {
		next[s]++
	}
	return fmt.Sprintf(`UPDATE kv SET n = n + 1 WHERE client = %d`, w.id)
}

func (w *tableWriter) delete(some []int, next map[int]int64) string {
	for _, s := range some {
		delete(next, s)
	}
	return fmt.Sprintf(`DELETE FROM kv WHERE client = %d AND slot IN (%s)`, w.id, join(some))
}

func (w *tableWriter) upsert(rng *rand.Rand, some []int, next map[int]int64) string {
	var values []string
	for _, s := range some {
		next[s] = rng.Int64N(1_000_000)
		values = append(values, fmt.Sprintf("(%d,%d,%d)", w.id, s, next[s]))
	}
	return `INSERT INTO kv (client, slot, n) VALUES ` + strings.Join(values, ",") + ` ON CONFLICT (client, slot) DO UPDATE SET n = excluded.n`
}

// upsertOverHTTP upserts some rows and deletes others in one request.
func (w *tableWriter) upsertOverHTTP(l *life, rng *rand.Rand, some []int, next map[int]int64) func() error {
	var b strings.Builder
	for _, s := range some {
		if rng.IntN(4) == 0 {
			delete(next, s)
			fmt.Fprintf(&b, "{\"client\":%d,\"slot\":%d,\"_deleted\":true}\n", w.id, s)
			continue
		}
		next[s] = rng.Int64N(1_000_000)
		fmt.Fprintf(&b, "{\"client\":%d,\"slot\":%d,\"n\":%d}\n", w.id, s, next[s])
	}
	return func() error { return w.post(l, "POST", b.String()) }
}

func (w *tableWriter) post(l *life, method, body string) error {
	status, text, _, err := l.do(l.ctx, method, "/v1/streams/kv", "application/x-ndjson", body)
	if err == nil && status != http.StatusOK {
		err = readRefusal(status, text)
	}
	return err
}

func join(some []int) string {
	var b strings.Builder
	for i, s := range some {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprint(&b, s)
	}
	return b.String()
}

// The bank: money moves between two tables, and each move is noted in a stream, in one transaction.
const (
	accounts = 8
	opening  = 1000
)

// banker moves money in transactions over three relations, against other bankers.
type banker struct {
	id     int
	ledger *ledger // of moves
}

func (b *banker) run(l *life) {
	rng := l.rng(uint64(3000 + b.id))
	var conn *pgx.Conn
	defer func() {
		if conn != nil {
			_ = conn.Close(context.Background())
		}
	}()
	for !l.over() {
		if conn == nil || conn.IsClosed() {
			var err error
			if conn, err = l.connect(l.ctx); err != nil {
				l.pause(20 * time.Millisecond)
				continue
			}
		}
		from, to, amount := rng.IntN(accounts), rng.IntN(accounts), 1+rng.Int64N(20)
		number := b.ledger.begin(b.id, 1, amount)
		ctx, cancel := context.WithTimeout(l.ctx, 30*time.Second)
		err := transact(ctx, l, conn,
			fmt.Sprintf(`UPDATE checking SET amount = amount - %d WHERE id = %d`, amount, from),
			fmt.Sprintf(`UPDATE savings SET amount = amount + %d WHERE id = %d`, amount, to),
			fmt.Sprintf(`INSERT INTO moves VALUES (%d, %d, %d, %d)`, b.id, number, to, amount))
		cancel()
		b.ledger.end(b.id, number, l.fateOf("a transfer", err), false)
		if rng.IntN(4) == 0 {
			l.pause(time.Duration(rng.IntN(20)) * time.Millisecond)
		}
	}
}

// sender streams transfers between accounts: every one is a credit and a debit.
type sender struct {
	id     int
	ledger *ledger // of transfers
}

func (s *sender) run(l *life) {
	rng := l.rng(uint64(4000 + s.id))
	for !l.over() {
		number, rows, sum := s.ledger.next(s.id), 1+rng.IntN(30), int64(0)
		var b strings.Builder
		for range rows {
			v := 1 + rng.Int64N(9)
			sum += v
			fmt.Fprintf(&b, "{\"client\":%d,\"req\":%d,\"src\":%d,\"dst\":%d,\"v\":%d}\n", s.id, number, rng.IntN(accounts), rng.IntN(accounts), v)
		}
		s.ledger.begin(s.id, int64(rows), sum)
		status, text, _, err := l.do(l.ctx, "POST", "/v1/streams/transfers", "application/x-ndjson", b.String())
		if err == nil && status != http.StatusOK {
			err = readRefusal(status, text)
		}
		s.ledger.end(s.id, number, l.fateOf("a request to transfers", err), false)
		if rng.IntN(3) == 0 {
			l.pause(time.Duration(rng.IntN(30)) * time.Millisecond)
		}
	}
}
