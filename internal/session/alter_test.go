package session_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tidemill/tidemill/internal/log/memlog"
	"github.com/tidemill/tidemill/internal/session"
)

// restartable is a database over a log that outlives it.
type restartable struct {
	t   *testing.T
	log *memlog.Log
	dir string // of checkpoints
	db  *session.Database
	*client
}

func newRestartable(t *testing.T) *restartable {
	r := &restartable{t: t, log: memlog.New(memlog.Options{}), dir: t.TempDir()}
	r.start()
	t.Cleanup(func() {
		r.stop()
		if err := r.log.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

func (r *restartable) start() {
	db, err := session.OpenDatabase(r.t.Context(), session.DatabaseOptions{Name: "main", Log: r.log, Logger: slog.New(slog.NewTextHandler(io.Discard, nil)), Workers: 2, CheckpointDir: r.dir})
	if err != nil {
		r.t.Fatal(err)
	}
	r.db, r.client = db, connect(r.t, db)
}

func (r *restartable) stop() {
	r.client.Close()
	r.db.Close()
}

// always wants a query to have the rows now and after a restart, at which it restarts.
func (r *restartable) always(wants ...[]string) {
	r.t.Helper()
	for range 2 {
		for _, w := range wants {
			r.want(w[0], w[1:]...)
		}
		r.stop()
		r.start()
	}
}

func TestAddColumn(t *testing.T) {
	r := newRestartable(t)
	r.must(`CREATE STREAM s (k INTEGER, n INTEGER)`, `CREATE TABLE t (id INTEGER PRIMARY KEY, v VARCHAR)`, `CREATE TABLE bag (x INTEGER)`,
		`CREATE MATERIALIZED VIEW sums AS SELECT k, sum(n) AS n FROM s GROUP BY k`, `CREATE VIEW names AS SELECT * FROM t`,
		`CREATE MATERIALIZED VIEW everything AS SELECT * FROM t`, `CREATE MATERIALIZED VIEW through AS SELECT count(*) AS c FROM names`,
		`CREATE MATERIALIZED VIEW bags AS SELECT x, count(*) AS c FROM bag GROUP BY x`,
		`INSERT INTO s VALUES (1, 10), (2, 20)`, `INSERT INTO t VALUES (1, 'a'), (2, 'b')`, `INSERT INTO bag VALUES (7), (7), (8)`)
	r.must(`ALTER STREAM s ADD COLUMN note VARCHAR DEFAULT 'none'`, `ALTER TABLE t ADD COLUMN n DECIMAL(10,2) NOT NULL DEFAULT 1.5`, `ALTER TABLE bag ADD y DATE`)
	r.must(`ALTER TABLE t ADD COLUMN IF NOT EXISTS n INTEGER`)
	r.want(`SELECT * FROM s`, "1|10|none", "2|20|none")
	r.want(`SELECT * FROM t`, "1|a|1.50", "2|b|1.50")
	r.must(`INSERT INTO s VALUES (1, 5, 'new')`, `INSERT INTO s (k, n) VALUES (2, 6)`, `UPDATE t SET n = 7, v = 'A' WHERE id = 1`, `INSERT INTO t (id, v) VALUES (3, 'c')`,
		`INSERT INTO bag VALUES (7, DATE '2024-01-01')`, `DELETE FROM bag WHERE x = 8`)
	r.always([]string{`SELECT * FROM s`, "1|10|none", "1|5|new", "2|20|none", "2|6|none"},
		[]string{`SELECT * FROM t`, "1|A|7.00", "2|b|1.50", "3|c|1.50"},
		[]string{`SELECT n FROM t WHERE id = 1`, "7.00"},
		[]string{`SELECT * FROM bag`, "7|2024-01-01", "7|NULL", "7|NULL"},
		[]string{`SELECT * FROM sums`, "1|15", "2|26"},
		[]string{`SELECT * FROM names`, "1|A", "2|b", "3|c"},
		[]string{`SELECT * FROM everything`, "1|A", "2|b", "3|c"},
		[]string{`SELECT * FROM through`, "3"},
		[]string{`SELECT * FROM bags`, "7|3"})
	r.must(`INSERT INTO t VALUES (4, 'd', 4)`, `CREATE MATERIALIZED VIEW later AS SELECT note, count(*) AS c FROM s GROUP BY note`)
	r.want(`SELECT * FROM everything WHERE id = 4`, "4|d")
	r.want(`SELECT * FROM later`, "new|1", "none|3")
	r.fails("42701", `ALTER TABLE t ADD COLUMN V INTEGER`)
	r.fails("23502", `ALTER TABLE t ADD COLUMN w INTEGER NOT NULL`)
	r.fails("42P16", `ALTER TABLE t ADD COLUMN w DOUBLE DEFAULT random()`)
	r.fails("42P16", `ALTER TABLE t ADD COLUMN w TIMESTAMPTZ DEFAULT now()`)
	r.fails("0A000", `ALTER TABLE t ADD COLUMN w BIT`)
	r.fails("42809", `ALTER STREAM t ADD COLUMN w INTEGER`)
	r.fails("42809", `ALTER STREAM tidemill.rejects ADD COLUMN w INTEGER`)
	r.fails("42P01", `ALTER TABLE nowhere ADD COLUMN w INTEGER`)
	r.must(`ALTER TABLE IF EXISTS nowhere ADD COLUMN w INTEGER`)
}

// TestAddColumnThatChangesViews wants an added column to be refused when a view would mean something else with it.
func TestAddColumnThatChangesViews(t *testing.T) {
	r := newRestartable(t)
	r.must(`CREATE TABLE a (id INTEGER PRIMARY KEY, x INTEGER)`, `CREATE TABLE b (id INTEGER PRIMARY KEY, y INTEGER)`,
		`CREATE MATERIALIZED VIEW natural_one AS SELECT x, y FROM a NATURAL JOIN b`, `INSERT INTO a VALUES (1, 2)`, `INSERT INTO b VALUES (1, 3)`)
	r.fails("2BP01", `ALTER TABLE b ADD COLUMN x INTEGER`)
	r.must(`ALTER TABLE b ADD COLUMN z INTEGER DEFAULT 4`, `INSERT INTO b (id, y) VALUES (2, 5)`, `INSERT INTO a VALUES (2, 6)`)
	r.always([]string{`SELECT * FROM natural_one`, "2|3", "6|5"}, []string{`SELECT * FROM b`, "1|3|4", "2|5|4"})
	r.must(`CREATE MATERIALIZED VIEW distinct_ones AS SELECT DISTINCT * FROM b`)
	r.fails("2BP01", `ALTER TABLE b ADD COLUMN w INTEGER`)
	r.want(`SELECT * FROM b`, "1|3|4", "2|5|4")
	r.must(`INSERT INTO b VALUES (3, 3, 3)`)
}

func TestDropRenameAndWidenColumns(t *testing.T) {
	r := newRestartable(t)
	r.must(`CREATE TABLE t (gone INTEGER, id INTEGER PRIMARY KEY, kept INTEGER, small SMALLINT, d DECIMAL(4,1))`,
		`CREATE STREAM s (a INTEGER, b VARCHAR, c INTEGER, at TIMESTAMP, WATERMARK FOR at AS at - INTERVAL 1 SECOND) WITH (key = 'c', partitions = 2)`,
		`CREATE MATERIALIZED VIEW kepts AS SELECT id, kept FROM t`, `CREATE MATERIALIZED VIEW cs AS SELECT c, count(*) AS n FROM s GROUP BY c`,
		`INSERT INTO t VALUES (9, 1, 11, 5, 1.5), (8, 2, 12, 6, 2.5)`, `INSERT INTO s VALUES (1, 'x', 3, NULL), (2, 'y', 4, NULL)`)
	r.fails("2BP01", `ALTER TABLE t DROP COLUMN kept`)
	r.fails("2BP01", `ALTER TABLE t RENAME COLUMN kept TO held`)
	r.fails("2BP01", `ALTER TABLE t ALTER COLUMN kept TYPE BIGINT`)
	r.fails("2BP01", `ALTER TABLE t DROP COLUMN id`)
	r.fails("2BP01", `ALTER STREAM s DROP COLUMN c`)
	r.fails("2BP01", `ALTER STREAM s DROP COLUMN at`)
	r.fails("42703", `ALTER TABLE t DROP COLUMN nothing`)
	r.must(`ALTER TABLE t DROP COLUMN IF EXISTS nothing`, `ALTER TABLE t DROP COLUMN gone`, `ALTER STREAM s DROP a`)
	r.must(`UPDATE t SET kept = kept + 1 WHERE id = 2`, `INSERT INTO t VALUES (3, 13, 7, 3.5)`, `INSERT INTO s VALUES ('z', 4, NULL)`)
	r.must(`ALTER TABLE t ALTER small TYPE BIGINT`, `ALTER TABLE t ALTER COLUMN d SET DATA TYPE DECIMAL(20,3)`, `ALTER TABLE t RENAME small TO large`)
	r.fails("42804", `ALTER TABLE t ALTER large TYPE INTEGER`)
	r.fails("42804", `ALTER TABLE t ALTER d TYPE DECIMAL(20,2)`)
	r.fails("42804", `ALTER TABLE t ALTER large TYPE VARCHAR`)
	r.fails("0A000", `ALTER TABLE t ALTER large SET NOT NULL`)
	r.must(`INSERT INTO t VALUES (4, 14, 9000000000, 12345.678)`, `ALTER TABLE t ADD COLUMN gone INTEGER`, `INSERT INTO t VALUES (5, 15, 0, 0, 55)`)
	r.always([]string{`SELECT * FROM t`, "1|11|5|1.500|NULL", "2|13|6|2.500|NULL", "3|13|7|3.500|NULL", "4|14|9000000000|12345.678|NULL", "5|15|0|0.000|55"},
		[]string{`SELECT large FROM t WHERE id = 4`, "9000000000"},
		[]string{`SELECT * FROM s`, "x|3|NULL", "y|4|NULL", "z|4|NULL"},
		[]string{`SELECT * FROM kepts`, "1|11", "2|13", "3|13", "4|14", "5|15"}, []string{`SELECT * FROM cs`, "3|1", "4|2"})
	r.must(`ALTER TABLE t ALTER COLUMN gone SET DEFAULT 1 + 1`, `INSERT INTO t (id) VALUES (6)`, `ALTER TABLE t ALTER COLUMN gone DROP DEFAULT`, `INSERT INTO t (id) VALUES (7)`)
	r.want(`SELECT id, gone FROM t WHERE id > 5`, "6|2", "7|NULL")
	r.fails("2BP01", `ALTER TABLE t RENAME TO u`)
	r.must(`DROP MATERIALIZED VIEW kepts`, `ALTER TABLE t RENAME TO u`, `INSERT INTO u (id) VALUES (8)`, `ALTER MATERIALIZED VIEW cs RENAME TO by_c`)
	r.fails("42P01", `SELECT * FROM t`)
	r.always([]string{`SELECT count(*) FROM u`, "8"}, []string{`SELECT * FROM by_c`, "3|1", "4|2"})
	statement := r.must(`SHOW CREATE TABLE u`)[0]
	r.must(strings.Replace(statement, `TABLE u `, `TABLE copied `, 1), `INSERT INTO copied SELECT * FROM u`)
}

// TestAlterUnderLoad alters a table while it is written, read and subscribed to.
func TestAlterUnderLoad(t *testing.T) {
	r := newRestartable(t)
	r.must(`CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER)`, `CREATE STREAM s (n INTEGER)`, `CREATE MATERIALIZED VIEW m AS SELECT count(*) AS c, sum(n) AS n FROM t`,
		`CREATE MATERIALIZED VIEW sm AS SELECT count(*) AS c, sum(n) AS n FROM s`)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	stop, rounds := make(chan struct{}), make(chan struct{})
	var all sync.WaitGroup
	work := func(f func(c *client, round int) error) {
		c := connect(t, r.db)
		all.Go(func() {
			for round := 0; ; round++ {
				select {
				case <-stop:
					return
				default:
				}
				if err := f(c, round); err != nil && codeOf(err) != "40001" {
					t.Errorf("round %d: %v (%s)", round, err, codeOf(err))
					return
				}
				select {
				case rounds <- struct{}{}:
				default:
				}
			}
		})
	}
	run := func(text string, args ...any) func(*client, int) error {
		return func(c *client, round int) error {
			_, err := c.run(fmt.Sprintf(text, append([]any{round % 50}, args...)...))
			return err
		}
	}
	work(run(`INSERT OR REPLACE INTO t (id, n) VALUES (%d, 1)`))
	work(run(`UPDATE t SET n = n + 1 WHERE id = %d`))
	work(run(`INSERT INTO s (n) VALUES (%d)`))
	work(func(c *client, round int) error {
		return c.transact(fmt.Sprintf(`INSERT INTO t (id, n) VALUES (%d, 1) ON CONFLICT DO UPDATE SET n = t.n + 1`, round%50), `INSERT INTO s (n) VALUES (1)`)
	})
	work(func(c *client, _ int) error {
		_, err := c.Ingest(c.ctx, "s", strings.NewReader(`[{"n":1},{"n":2}]`), session.IngestOptions{ContentType: "application/json"})
		return err
	})
	work(func(c *client, _ int) error {
		rows, err := c.run(`SELECT (SELECT count(*) FROM t) - (SELECT c FROM m), (SELECT coalesce(sum(n), 0) FROM t) - (SELECT coalesce(n, 0) FROM m),
			(SELECT count(*) FROM s) - (SELECT c FROM sm), (SELECT coalesce(sum(n), 0) FROM s) - (SELECT coalesce(n, 0) FROM sm)`)
		if err == nil && !slices.Equal(rows, []string{"0|0|0|0"}) {
			err = fmt.Errorf("a read of two moments: %v", rows)
		}
		return err
	})
	work(func(c *client, _ int) error {
		sub, err := c.Subscribe(c.ctx, session.SubscribeRequest{SQL: `SELECT n, count(*) AS c FROM t GROUP BY n`})
		if err == nil {
			defer sub.Close()
			_, err = sub.Next(c.ctx)
		}
		if codeOf(err) == "42P01" { // what ended with the alteration
			err = nil
		}
		return err
	})
	for i := range 8 {
		for range 10 { // the others go on between two alterations
			select {
			case <-rounds:
			case <-ctx.Done():
				t.Fatal("nobody goes on")
			}
		}
		r.must(fmt.Sprintf(`ALTER TABLE t ADD COLUMN x%d INTEGER DEFAULT %d`, i, i), fmt.Sprintf(`ALTER STREAM s ADD COLUMN x%d VARCHAR`, i))
		if i%2 == 1 {
			r.must(fmt.Sprintf(`ALTER TABLE t DROP COLUMN x%d`, i-1), fmt.Sprintf(`ALTER STREAM s DROP COLUMN x%d`, i-1))
		}
	}
	close(stop)
	all.Wait()
	check := []string{`SELECT (SELECT count(*) FROM t) = (SELECT c FROM m), (SELECT sum(n) FROM t) = (SELECT n FROM m), (SELECT sum(n) FROM s) = (SELECT n FROM sm), (SELECT count(*) FROM t WHERE x7 IS DISTINCT FROM 7)`, "true|true|true|0"}
	r.always(check)
}

// TestAlterInsideTransactions wants a block that has written before an alteration to commit what it meant.
func TestAlterInsideTransactions(t *testing.T) {
	r := newRestartable(t)
	r.must(`CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER)`, `CREATE STREAM s (a INTEGER, b INTEGER)`)
	other := connect(t, r.db)
	r.must(`BEGIN`, `INSERT INTO t VALUES (1, 10)`, `INSERT INTO s VALUES (1, 2)`)
	other.must(`ALTER TABLE t ADD COLUMN m INTEGER DEFAULT 5`, `ALTER STREAM s DROP COLUMN a`)
	r.want(`SELECT * FROM t`, "1|10|5")
	r.must(`INSERT INTO t VALUES (2, 20, 6)`, `INSERT INTO s VALUES (3)`, `UPDATE t SET n = n + 1`, `COMMIT`)
	r.always([]string{`SELECT * FROM t`, "1|11|5", "2|21|6"}, []string{`SELECT * FROM s`, "2", "3"})
	// A prepared statement goes on, unless its own columns have changed.
	insert, err := r.Prepare(r.ctx, `INSERT INTO t VALUES (3, 30, 7)`, nil)
	if err != nil {
		t.Fatal(err)
	}
	all, err := r.Prepare(r.ctx, `SELECT * FROM t`, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.must(`ALTER TABLE t ADD COLUMN o VARCHAR DEFAULT 'o'`)
	if res, err := r.Execute(r.ctx, insert, nil); err != nil {
		t.Error(err)
	} else {
		res.Close()
	}
	if _, err := r.Execute(r.ctx, all, nil); codeOf(err) != "0A000" {
		t.Errorf("a prepared statement whose columns have changed: %v", err)
	}
	r.want(`SELECT * FROM t WHERE id = 3`, "3|30|7|o")
}

// TestAlterEndsSubscriptions wants a subscription to the altered table itself to end, and others to go on.
func TestAlterEndsSubscriptions(t *testing.T) {
	r := newRestartable(t)
	r.must(`CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER)`, `INSERT INTO t VALUES (1, 1)`)
	direct, err := r.Subscribe(r.ctx, session.SubscribeRequest{Relation: "t"})
	if err != nil {
		t.Fatal(err)
	}
	defer direct.Close()
	summed, err := r.Subscribe(r.ctx, session.SubscribeRequest{SQL: `SELECT sum(n) AS n FROM t`})
	if err != nil {
		t.Fatal(err)
	}
	defer summed.Close()
	for _, sub := range []*session.Subscription{direct, summed} {
		if ev, err := sub.Next(r.ctx); err != nil || ev.Kind != session.SnapshotEvent {
			t.Fatal(ev, err)
		}
	}
	r.must(`ALTER TABLE t ADD COLUMN m INTEGER`, `INSERT INTO t VALUES (2, 5, 5)`)
	for {
		ev, err := direct.Next(r.ctx)
		if err != nil {
			if codeOf(err) != "42P01" {
				t.Error(err)
			}
			break
		}
		if ev.Kind != session.ProgressEvent {
			t.Fatalf("an event after the alteration: %+v", ev)
		}
	}
	for {
		ev, err := summed.Next(r.ctx)
		if err != nil {
			t.Fatal(err)
		}
		if ev.Kind == session.ChangeEvent {
			if got := string(ev.JSON()); !strings.Contains(got, `"n":6`) {
				t.Errorf("got %s", got)
			}
			break
		}
	}
}
