package session_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidemill/tidemill/internal/fault"
	"github.com/tidemill/tidemill/internal/log/memlog"
	"github.com/tidemill/tidemill/internal/row"
	"github.com/tidemill/tidemill/internal/session"
)

func openDatabase(t *testing.T) *session.Database {
	t.Helper()
	l := memlog.New(memlog.Options{})
	db, err := session.OpenDatabase(t.Context(), session.DatabaseOptions{Name: "main", Log: l, Logger: slog.New(slog.NewTextHandler(io.Discard, nil)), Workers: 2})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		db.Close()
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

// client is a session in a test.
type client struct {
	t   *testing.T
	ctx context.Context
	*session.Session
}

func connect(t *testing.T, db *session.Database) *client {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	c := &client{t, ctx, db.NewSession(session.Options{User: "test"})}
	t.Cleanup(func() {
		cancel()
		c.Close()
	})
	return c
}

// run runs a statement and returns its rows as text, columns separated by |.
func (c *client) run(sql string) ([]string, error) {
	p, err := c.Prepare(c.ctx, sql, nil)
	if err != nil {
		return nil, err
	}
	res, err := c.Execute(c.ctx, p, nil)
	if err != nil {
		return nil, err
	}
	defer res.Close()
	var out []string
	for {
		b, err := res.Next(c.ctx)
		if err != nil || b == nil {
			return out, err
		}
		for i := range b.Len {
			out = append(out, rowText(b, i))
		}
	}
}

func rowText(b *row.Batch, i int) string {
	cols := make([]string, len(b.Cols))
	for c := range b.Cols {
		if cols[c] = "NULL"; !b.Cols[c].Null(i) {
			cols[c] = string(row.AppendText(nil, &b.Cols[c], i))
		}
	}
	return strings.Join(cols, "|")
}

// must runs statements that have to succeed and returns the rows of the last, sorted.
func (c *client) must(statements ...string) []string {
	c.t.Helper()
	var out []string
	for _, s := range statements {
		var err error
		if out, err = c.run(s); err != nil {
			c.t.Fatalf("%s: %v", s, err)
		}
	}
	slices.Sort(out)
	return out
}

func (c *client) want(sql string, rows ...string) {
	c.t.Helper()
	if got := c.must(sql); !slices.Equal(got, rows) {
		c.t.Errorf("%s: %q, want %q", sql, got, rows)
	}
}

// fails wants a statement to fail with the code.
func (c *client) fails(code, sql string) {
	c.t.Helper()
	if _, err := c.run(sql); codeOf(err) != code {
		c.t.Errorf("%s: %v (%s), want %s", sql, err, codeOf(err), code)
	}
}

func codeOf(err error) string {
	var f *fault.Error
	if !errors.As(err, &f) {
		return ""
	}
	return string(f.Code)
}

// visible returns once everybody can see what the client has written.
func (c *client) visible() {
	if _, err := c.run("SELECT 1"); err != nil {
		c.t.Error(err)
	}
}

// transact runs statements as a transaction until it is not in conflict with another.
func (c *client) transact(statements ...string) error {
	for {
		err := func() error {
			for _, s := range append(append([]string{"BEGIN"}, statements...), "COMMIT") {
				if _, err := c.run(s); err != nil {
					return fmt.Errorf("%s: %w", s, err)
				}
			}
			return nil
		}()
		if err == nil {
			return nil
		}
		if c.Tx() != session.TxIdle {
			if _, rollback := c.run("ROLLBACK"); rollback != nil {
				return rollback
			}
		}
		if codeOf(err) != "40001" {
			return err
		}
	}
}

// TestBank moves money between ten accounts, as transactions and as single statements, and through a pair of streams. Every state that a subscriber or
// a reader sees has to sum up to nothing.
func TestBank(t *testing.T) {
	db := openDatabase(t)
	c := connect(t, db)
	c.must(`CREATE TABLE accounts (id INTEGER PRIMARY KEY, balance BIGINT)`, `CREATE STREAM debits (id INTEGER, n BIGINT)`, `CREATE STREAM credits (id INTEGER, n BIGINT) WITH (partitions = 2, key = 'id')`,
		`INSERT INTO accounts SELECT i, 0 FROM range(10) r(i)`,
		`CREATE MATERIALIZED VIEW total AS SELECT sum(balance) AS total FROM accounts`,
		`CREATE MATERIALIZED VIEW flows AS SELECT coalesce(sum(n), 0) AS total FROM (SELECT n FROM credits UNION ALL SELECT -n FROM debits)`,
		`CREATE MATERIALIZED VIEW balances AS SELECT id, sum(n) AS n FROM (SELECT id, n FROM credits UNION ALL SELECT id, -n FROM debits) GROUP BY id`,
		`CREATE MATERIALIZED VIEW checked AS SELECT coalesce(sum(n), 0) AS total FROM balances`)
	const writers, transfers = 4, 60
	stop := make(chan struct{})
	var watching, writing sync.WaitGroup
	var states atomic.Int64
	for _, view := range []string{"total", "flows", "checked"} {
		watcher := connect(t, db)
		sub, err := watcher.Subscribe(watcher.ctx, session.SubscribeRequest{Relation: view})
		if err != nil {
			t.Fatal(err)
		}
		watching.Go(func() {
			defer sub.Close()
			states.Add(watchZero(watcher, view, sub, stop))
		})
	}
	reader := connect(t, db)
	watching.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			rows, err := reader.run(`SELECT coalesce((SELECT sum(n) FROM credits), 0) - coalesce((SELECT sum(n) FROM debits), 0), (SELECT sum(balance) FROM accounts), (SELECT total FROM checked)`)
			if err != nil || len(rows) != 1 || rows[0] != "0|0|0" {
				t.Errorf("a reader sees %v, %v", rows, err)
				return
			}
		}
	})
	for w := range writers {
		s := connect(t, db)
		rng := rand.New(rand.NewPCG(uint64(w), 7))
		writing.Go(func() {
			for range transfers {
				from, n := rng.IntN(10), 1+rng.IntN(5)
				to := (from + 1 + rng.IntN(9)) % 10
				statements := []string{fmt.Sprintf(`UPDATE accounts SET balance = balance - %d WHERE id = %d`, n, from), fmt.Sprintf(`UPDATE accounts SET balance = balance + %d WHERE id = %d`, n, to)}
				if rng.IntN(3) == 0 {
					statements = []string{fmt.Sprintf(`UPDATE accounts SET balance = balance + CASE WHEN id = %d THEN -%d ELSE %d END WHERE id IN (%d, %d)`, from, n, n, from, to)}
				}
				statements = append(statements, fmt.Sprintf(`INSERT INTO debits VALUES (%d, %d)`, from, n), fmt.Sprintf(`INSERT INTO credits VALUES (%d, %d), (%d, %d)`, to, n-1, to, 1))
				if err := s.transact(statements...); err != nil {
					t.Errorf("transfer: %v", err)
					return
				}
			}
			if _, err := s.run(`SELECT 1`); err != nil { // sees the writes of its session, as others do from then on
				t.Error(err)
			}
		})
	}
	writing.Wait()
	c.want(`SELECT count(*) FROM debits`, fmt.Sprint(writers*transfers))
	c.want(`SELECT count(*) FROM (SELECT a.id FROM accounts a LEFT JOIN balances b USING (id) WHERE a.balance <> coalesce(b.n, 0))`, "0")
	close(stop)
	watching.Wait()
	if states.Load() == 0 {
		t.Error("no state was seen")
	}
}

// watchZero applies what a subscription sends and wants its only row to be 0 in every state; it returns the number of states.
func watchZero(c *client, view string, sub *session.Subscription, stop <-chan struct{}) int64 {
	ctx, cancel := context.WithCancel(c.ctx)
	defer cancel()
	go func() {
		select {
		case <-stop:
			cancel()
		case <-ctx.Done():
		}
	}()
	states, content := int64(0), map[string]int64{}
	for {
		ev, err := sub.Next(ctx)
		switch {
		case err != nil && ctx.Err() != nil:
			return states
		case err != nil:
			c.t.Errorf("%s: %v", view, err)
			return states
		case ev.Reset:
			content = map[string]int64{}
		}
		if ev.Rows == nil || ev.Kind == session.ProgressEvent {
			states++
			continue
		}
		for i := range ev.Rows.Len {
			k := rowText(ev.Rows, i)
			if content[k] += ev.Rows.Weight(i); content[k] == 0 {
				delete(content, k)
			}
		}
		if states++; !ev.More && (len(content) != 1 || content["0"] != 1) {
			c.t.Errorf("%s shows %v", view, content)
			return states
		}
	}
}

// TestConcurrentSessions writes, reads, subscribes, and creates and drops views at once.
func TestConcurrentSessions(t *testing.T) {
	db := openDatabase(t)
	c := connect(t, db)
	c.must(`CREATE STREAM ev (k INTEGER, n INTEGER)`, `CREATE TABLE names (k INTEGER PRIMARY KEY, name VARCHAR)`,
		`CREATE MATERIALIZED VIEW per_key AS SELECT k, count(*) AS c, sum(n) AS s FROM ev GROUP BY k`)
	const rounds = 25
	var all sync.WaitGroup
	work := func(f func(s *client, rng *rand.Rand, round int) error) {
		s, rng := connect(t, db), rand.New(rand.NewPCG(rand.Uint64(), 1))
		all.Go(func() {
			for round := range rounds {
				if err := f(s, rng, round); err != nil {
					t.Errorf("round %d: %v", round, err)
					return
				}
			}
			s.visible()
		})
	}
	for range 2 {
		work(func(s *client, rng *rand.Rand, _ int) error {
			_, err := s.run(fmt.Sprintf(`INSERT INTO ev SELECT i %% 7, %d FROM range(100) r(i)`, rng.IntN(50)))
			return err
		})
		work(func(s *client, rng *rand.Rand, _ int) error {
			_, err := s.run(fmt.Sprintf(`INSERT OR REPLACE INTO names VALUES (%d, 'n%d')`, rng.IntN(7), rng.IntN(100)))
			return err
		})
	}
	work(func(s *client, _ *rand.Rand, _ int) error {
		rows, err := s.run(`SELECT (SELECT count(*) FROM ev) - coalesce((SELECT sum(c) FROM per_key), 0), (SELECT coalesce(sum(n), 0) FROM ev) - coalesce((SELECT sum(s) FROM per_key), 0)`)
		if err == nil && (len(rows) != 1 || rows[0] != "0|0") {
			err = fmt.Errorf("a read of two moments: %v", rows)
		}
		return err
	})
	for v := range 2 {
		work(func(s *client, _ *rand.Rand, round int) error {
			name := fmt.Sprintf("v%d_%d", v, round)
			if _, err := s.run(`CREATE MATERIALIZED VIEW ` + name + ` AS SELECT names.name, sum(ev.n) AS s FROM ev JOIN names ON names.k = ev.k GROUP BY names.name`); err != nil {
				return err
			}
			rows, err := s.run(`SELECT count(*) FROM (SELECT name, s FROM ` + name + ` EXCEPT SELECT names.name, sum(ev.n) FROM ev JOIN names ON names.k = ev.k GROUP BY names.name)`)
			if err == nil && rows[0] != "0" {
				err = fmt.Errorf("the new view %s differs from its query in %v rows", name, rows)
			}
			if _, dropped := s.run(`DROP MATERIALIZED VIEW ` + name); dropped != nil || err != nil {
				return errors.Join(err, dropped)
			}
			return nil
		})
	}
	for range 2 {
		work(func(s *client, _ *rand.Rand, round int) error {
			req := session.SubscribeRequest{Relation: "per_key"}
			if round%2 == 1 {
				req = session.SubscribeRequest{SQL: `SELECT k, sum(n) AS s FROM ev WHERE n > 10 GROUP BY k`}
			}
			sub, err := s.Subscribe(s.ctx, req)
			if err != nil {
				return err
			}
			defer sub.Close()
			for more := true; more; {
				ev, err := sub.Next(s.ctx)
				if err != nil {
					return err
				}
				more = ev.More
			}
			return nil
		})
	}
	all.Wait()
	c.want(`SELECT count(*) FROM ev`, fmt.Sprint(2*rounds*100))
	c.want(`SELECT count(*) FROM (SELECT * FROM per_key EXCEPT SELECT k, count(*), sum(n) FROM ev GROUP BY k)`, "0")
}

// TestConflictForms runs what INSERT and UPDATE do with keys that are there.
func TestConflictForms(t *testing.T) {
	c := connect(t, openDatabase(t))
	c.must(`CREATE TABLE t (a INTEGER, b VARCHAR, n INTEGER, PRIMARY KEY (a, b))`, `CREATE MATERIALIZED VIEW m AS SELECT b, sum(n) AS n, count(*) AS c FROM t GROUP BY b`,
		`INSERT INTO t VALUES (1, 'x', 1), (2, 'x', 2), (3, 'y', 3)`)
	c.fails("23505", `INSERT INTO t VALUES (9, 'z', 9), (1, 'x', 5)`)
	c.fails("23505", `INSERT INTO t VALUES (9, 'z', 9), (9, 'z', 8)`)
	c.want(`SELECT count(*) FROM t`, "3")
	c.must(`INSERT OR IGNORE INTO t VALUES (1, 'x', 100), (4, 'y', 4)`)
	c.want(`SELECT * FROM t`, "1|x|1", "2|x|2", "3|y|3", "4|y|4")
	c.must(`INSERT OR REPLACE INTO t VALUES (1, 'x', 10), (5, 'y', 5)`)
	c.must(`INSERT INTO t VALUES (1, 'x', 0) ON CONFLICT DO NOTHING`, `INSERT INTO t VALUES (2, 'x', 5) ON CONFLICT (a, b) DO UPDATE SET n = t.n * 10 + excluded.n`,
		`INSERT INTO t VALUES (3, 'y', 5) ON CONFLICT (a, b) DO UPDATE SET n = excluded.n WHERE t.n > 100`)
	c.want(`SELECT * FROM t`, "1|x|10", "2|x|25", "3|y|3", "4|y|4", "5|y|5")
	c.want(`SELECT * FROM m`, "x|35|2", "y|12|3")
	c.must(`UPDATE t SET a = a + 1`)
	c.want(`SELECT * FROM t`, "2|x|10", "3|x|25", "4|y|3", "5|y|4", "6|y|5")
	c.must(`UPDATE t SET a = 7 - a, b = 'x' WHERE a IN (2, 5)`)
	c.fails("23505", `UPDATE t SET a = 3, b = 'x' WHERE a = 6`)
	c.fails("23505", `UPDATE t SET a = 1, b = 'z'`)
	c.fails("23502", `UPDATE t SET a = NULL WHERE a = 6`)
	c.want(`SELECT * FROM t`, "2|x|4", "3|x|25", "4|y|3", "5|x|10", "6|y|5")
	c.want(`SELECT * FROM m`, "x|39|3", "y|8|2")
	c.must(`DELETE FROM t USING (SELECT 4 AS k UNION ALL SELECT 6) d WHERE t.a = d.k`)
	c.want(`SELECT * FROM m`, "x|39|3")
	c.must(`TRUNCATE t`)
	c.want(`SELECT * FROM m`)
}

// TestSerialization wants the second of two transactions that have read and changed the same table to fail with 40001, and others to pass.
func TestSerialization(t *testing.T) {
	db := openDatabase(t)
	a, b := connect(t, db), connect(t, db)
	a.must(`CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER)`, `CREATE STREAM s (n INTEGER)`, `INSERT INTO t VALUES (1, 0), (2, 0)`)
	a.must(`BEGIN`, `UPDATE t SET n = n + 1 WHERE id = 1`)
	b.must(`BEGIN`, `UPDATE t SET n = n + 1 WHERE id = 1`, `INSERT INTO s VALUES (1)`, `COMMIT`)
	a.fails("40001", `COMMIT`)
	if a.Tx() != session.TxIdle {
		t.Errorf("the block is %c after a failed COMMIT", a.Tx())
	}
	a.want(`SELECT * FROM t`, "1|1", "2|0")
	a.must(`BEGIN`, `INSERT INTO s VALUES (2)`)
	b.must(`INSERT INTO s VALUES (3)`)
	a.want(`SELECT n FROM s`, "1", "2", "3")
	a.must(`COMMIT`)
	a.want(`SELECT n FROM s`, "1", "2", "3")
	b.must(`BEGIN`, `INSERT INTO s VALUES (4)`)
	b.fails("22P02", `INSERT INTO s SELECT CAST('x' AS INTEGER)`)
	b.fails("25P02", `SELECT 1`)
	b.must(`ROLLBACK`, `BEGIN`)
	b.fails("42P01", `SELECT * FROM nowhere`) // also what fails before it runs
	b.fails("25P02", `SELECT 1`)
	b.must(`ROLLBACK`)
	a.want(`SELECT count(*) FROM s`, "3")
}

// TestCopy loads rows as COPY does: all of them or none.
func TestCopy(t *testing.T) {
	c := connect(t, openDatabase(t))
	c.must(`CREATE TABLE t (id INTEGER PRIMARY KEY, name VARCHAR)`, `CREATE MATERIALIZED VIEW n AS SELECT count(*) AS n FROM t`)
	load := func(sql string, parts ...string) (int64, error) {
		p, err := c.Prepare(c.ctx, sql, nil)
		if err != nil {
			return 0, err
		}
		res, err := c.Execute(c.ctx, p, nil)
		if err != nil {
			return 0, err
		}
		defer res.Close()
		for _, part := range parts {
			if err := res.Copy.Write(c.ctx, []byte(part)); err != nil {
				res.Copy.Abort()
				return 0, err
			}
		}
		return res.Copy.Finish(c.ctx)
	}
	if n, err := load(`COPY t (name, id) FROM STDIN (FORMAT csv, HEADER)`, "name,i", "d\n\"a,", "b\",1\nc,2", "\n"); n != 2 || err != nil {
		t.Errorf("%d rows, %v", n, err)
	}
	if n, err := load(`COPY t FROM STDIN`, "3\tx\n4\t\\N\n"); n != 2 || err != nil {
		t.Errorf("%d rows, %v", n, err)
	}
	for _, bad := range []string{"5\ta\nx\tb\n", "6\ta\n6\tb\n", "7\ta\n1\tb\n", "8\n", "9\ta\tb\n"} {
		if _, err := load(`COPY t FROM STDIN`, bad); codeOf(err) == "" || strings.HasPrefix(codeOf(err), "XX") {
			t.Errorf("%q: %v", bad, err)
		}
	}
	c.want(`SELECT * FROM t`, "1|a,b", "2|c", "3|x", "4|NULL")
	c.want(`SELECT n FROM n`, "4")
}
