package session_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/tidemill/tidemill/internal/checkpoint"
	"github.com/tidemill/tidemill/internal/log"
	"github.com/tidemill/tidemill/internal/log/memlog"
	"github.com/tidemill/tidemill/internal/session"
)

// watchedLog counts the records that are read of each topic.
type watchedLog struct {
	log.Log
	mu   sync.Mutex
	read map[string]int
}

func (l *watchedLog) ReadRange(ctx context.Context, topic string, from, to log.Offset, fn func(log.Record) error) error {
	return l.Log.ReadRange(ctx, topic, from, to, func(r log.Record) error {
		l.mu.Lock()
		l.read[topic]++
		l.mu.Unlock()
		return fn(r)
	})
}

// saved is a database that is opened again with its checkpoints.
type saved struct {
	t   *testing.T
	log *watchedLog
	dir string
	db  *session.Database
	*client
}

func newSaved(t *testing.T) *saved {
	s := &saved{t: t, log: &watchedLog{Log: memlog.New(memlog.Options{}), read: map[string]int{}}, dir: filepath.Join(t.TempDir(), "checkpoints")}
	s.start(2)
	t.Cleanup(func() {
		s.stop()
		_ = s.log.Close()
	})
	return s
}

func (s *saved) start(workers int) {
	s.t.Helper()
	clear(s.log.read)
	db, err := session.OpenDatabase(s.t.Context(), session.DatabaseOptions{Name: "main", Log: s.log, Logger: slog.New(slog.NewTextHandler(io.Discard, nil)), Workers: workers, CheckpointDir: s.dir})
	if err != nil {
		s.t.Fatal(err)
	}
	s.db, s.client = db, connect(s.t, db)
}

func (s *saved) stop() {
	s.client.Close()
	s.db.Close()
}

const savedViews = `SELECT (SELECT count(*) FROM sums), (SELECT sum(n) FROM sums), (SELECT count(*) FROM joined), (SELECT max(total) FROM top), (SELECT count(*) FROM t)`

func (s *saved) fill() {
	s.must(`CREATE STREAM s (k INTEGER, n BIGINT)`, `CREATE TABLE t (id INTEGER PRIMARY KEY, name VARCHAR)`,
		`CREATE MATERIALIZED VIEW sums AS SELECT k, sum(n) AS n, count(*) AS c FROM s GROUP BY k`,
		`CREATE MATERIALIZED VIEW joined AS SELECT t.name, sums.n FROM sums JOIN t ON t.id = sums.k`,
		`CREATE MATERIALIZED VIEW top AS SELECT name, n AS total FROM joined ORDER BY n DESC LIMIT 3`)
	for i := range 20 {
		s.must(fmt.Sprintf(`INSERT INTO t VALUES (%d, 'name of %d') ON CONFLICT DO UPDATE SET name = excluded.name`, i%7, i), fmt.Sprintf(`INSERT INTO s SELECT x %% 10, x FROM range(%d, %d) t(x)`, i*100, i*100+100))
	}
	s.must(`DELETE FROM t WHERE id = 6`)
}

// TestStartsFromCheckpoint wants a database to be the same after a restart without reading again what its checkpoint has, with any number of workers.
func TestStartsFromCheckpoint(t *testing.T) {
	s := newSaved(t)
	s.fill()
	want := s.must(savedViews)
	for round, workers := range []int{2, 1, 3} {
		s.stop()
		s.start(workers)
		if got := s.must(savedViews); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Fatalf("round %d: %v, want %v", round, got, want)
		}
		for topic, n := range s.log.read {
			if n > 0 && topic != "catalog" && topic != "tx" {
				t.Errorf("round %d: %d records of %s were read again", round, n, topic)
			}
		}
		s.must(`INSERT INTO s VALUES (3, 1000), (77, 5)`, `UPDATE t SET name = name || '!' WHERE id = 3`)
		want = s.must(savedViews)
	}
}

// TestDamagedCheckpoint flips a bit in each file in turn: the database is the same all the same.
func TestDamagedCheckpoint(t *testing.T) {
	s := newSaved(t)
	s.fill()
	want := s.must(savedViews)
	for round := range 3 {
		s.stop()
		files, err := filepath.Glob(filepath.Join(s.dir, "*.ckp"))
		if err != nil || len(files) == 0 {
			t.Fatal(files, err)
		}
		b, err := os.ReadFile(files[len(files)-1])
		if err != nil {
			t.Fatal(err)
		}
		b[len(b)*(round+1)/4] ^= 4
		if err := os.WriteFile(files[len(files)-1], b, 0o644); err != nil {
			t.Fatal(err)
		}
		s.start(2)
		if got := s.must(savedViews); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Fatalf("round %d: %v, want %v", round, got, want)
		}
	}
}

// TestTrimmedLogAndCheckpoint wants views to keep what retention has removed from their streams over restarts, also when the stream has lost a column they do not read.
func TestTrimmedLogAndCheckpoint(t *testing.T) {
	s := newSaved(t)
	s.must(`CREATE STREAM s (junk VARCHAR, k INTEGER, n BIGINT) WITH (retention_bytes = 65536)`, `CREATE MATERIALIZED VIEW sums AS SELECT k, sum(n) AS n, count(*) AS c FROM s GROUP BY k`)
	for i := range 30 {
		s.must(fmt.Sprintf(`INSERT INTO s SELECT repeat('x', 100), x %% 3, x FROM range(%d, %d) t(x)`, i*100, i*100+100))
	}
	want := s.must(`SELECT * FROM sums ORDER BY k`)
	if n := s.must(`SELECT count(*) < 3000 FROM s`); n[0] != "true" {
		t.Fatalf("nothing was removed: %v", n)
	}
	check := func() {
		t.Helper()
		s.stop()
		s.start(2)
		if got := s.must(`SELECT * FROM sums ORDER BY k`); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Fatalf("%v, want %v", got, want)
		}
	}
	check()
	s.must(`ALTER STREAM s DROP COLUMN junk`, `INSERT INTO s VALUES (1, 1000)`)
	want = s.must(`SELECT * FROM sums ORDER BY k`)
	check()
	s.must(`INSERT INTO s VALUES (2, 7)`)
	want = s.must(`SELECT * FROM sums ORDER BY k`)
	check()
}

// TestIrreplaceable gives a view whose state is of another plan, and whose stream was trimmed, up with its state kept, not with what is left of the stream.
func TestIrreplaceable(t *testing.T) {
	s := newSaved(t)
	s.must(`CREATE STREAM s (k INTEGER, n VARCHAR) WITH (retention_bytes = 65536)`, `CREATE MATERIALIZED VIEW sums AS SELECT k, count(*) AS c FROM s GROUP BY k`,
		`CREATE MATERIALIZED VIEW above AS SELECT max(c) AS c FROM sums`, `CREATE TABLE t (id INTEGER PRIMARY KEY)`, `CREATE MATERIALIZED VIEW other AS SELECT count(*) AS c FROM t`)
	for i := range 30 {
		s.must(fmt.Sprintf(`INSERT INTO s SELECT x %% 3, repeat('x', 100) FROM range(%d, %d) t(x)`, i*100, i*100+100))
	}
	s.must(`INSERT INTO t VALUES (1), (2)`)
	for range 2 {
		s.stop()
		s.otherPlans()
		s.start(2)
		s.fails("22023", `SELECT * FROM sums`)
		s.fails("22023", `SELECT * FROM above`)
		s.want(`SELECT * FROM other`, "2")
		if kept, err := filepath.Glob(s.dir + ".kept-*/*.ckp"); err != nil || len(kept) == 0 {
			t.Fatal(kept, err)
		}
	}
	s.must(`DROP MATERIALIZED VIEW above`, `DROP MATERIALIZED VIEW sums`, `CREATE MATERIALIZED VIEW sums AS SELECT k, count(*) AS c FROM s GROUP BY k`)
	s.want(`SELECT count(*) FROM sums`, "3")
}

// otherFingerprints goes through a block as docs/formats/checkpoint.md has it.
func otherFingerprints(b []byte) {
	next := func() uint64 {
		v, n := binary.Uvarint(b)
		b = b[n:]
		return v
	}
	b = b[2:]
	next()
	for n := next(); n > 0; n-- {
		next()
		next()
	}
	for n := next(); n > 0; n-- {
		next()
		next()
		next()
	}
	clocks := next()
	b = b[clocks:]
	for n := next(); n > 0; n-- {
		next()
		for {
			kind := b[0]
			if b = b[1:]; kind == 0 {
				break
			}
			size := next()
			if kind == 2 {
				b[0]++
			}
			b = b[size:]
		}
	}
}

// otherPlans writes the checkpoint again with other fingerprints of the views' plans.
func (s *saved) otherPlans() {
	s.t.Helper()
	from, err := checkpoint.Open(s.dir, checkpoint.Options{})
	if err != nil {
		s.t.Fatal(err)
	}
	to, err := checkpoint.Open(s.dir+".new", checkpoint.Options{})
	if err != nil {
		s.t.Fatal(err)
	}
	if err := to.Scan(func(checkpoint.Block) error { return nil }); err != nil {
		s.t.Fatal(err)
	}
	err = from.Scan(func(b checkpoint.Block) error {
		otherFingerprints(b.Body)
		_, err := to.Append(b.Body)
		return err
	})
	if err != nil {
		s.t.Fatal(err)
	}
	_ = to.Close()
	if err := os.RemoveAll(s.dir); err != nil {
		s.t.Fatal(err)
	}
	if err := os.Rename(s.dir+".new", s.dir); err != nil {
		s.t.Fatal(err)
	}
}
