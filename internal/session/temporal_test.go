package session_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tidemill/tidemill/internal/fault"
	"github.com/tidemill/tidemill/internal/session"
)

// temporalQueries compare table t and stream s with the time; NOW is now(), or the time in the specification.
var temporalQueries = []string{
	`SELECT id, at FROM t WHERE at > NOW - INTERVAL 10 SECONDS`,
	`SELECT id, at FROM t WHERE at >= NOW - INTERVAL 10 SECONDS`,
	`SELECT id, at FROM t WHERE at < NOW - INTERVAL 10 SECONDS`,
	`SELECT id, at FROM t WHERE at <= NOW + INTERVAL 10 SECONDS`,
	`SELECT id, at FROM t WHERE NOW - INTERVAL 10 SECONDS > at`,
	`SELECT id FROM t WHERE NOW - at < INTERVAL 15 SECONDS`,
	`SELECT id, at FROM t WHERE at BETWEEN NOW - INTERVAL 20 SECONDS AND NOW`,
	`SELECT id, at FROM t WHERE at = date_trunc('second', NOW)`,
	`SELECT id, at FROM t WHERE at >= date_trunc('minute', NOW) AND n > 3`,
	`SELECT id, at FROM t WHERE at::DATE = NOW::DATE`,
	`SELECT id, at FROM t WHERE at + INTERVAL 31 DAYS <= date_trunc('day', NOW) + INTERVAL 1 MONTH`,
	`SELECT id, at FROM t WHERE date_trunc('minute', at) = date_trunc('minute', NOW)`,
	`SELECT id FROM t WHERE epoch(at) > epoch(NOW) - 7`,
	`SELECT n, count(*) AS c, sum(id) AS s FROM t WHERE at > NOW - INTERVAL 30 SECONDS GROUP BY n`,
	`SELECT n, max(at) AS m FROM t GROUP BY n HAVING max(at) > NOW - INTERVAL 20 SECONDS`,
	`SELECT t.id, s.n FROM t JOIN s ON t.id = s.id WHERE s.at > NOW - INTERVAL 30 SECONDS`,
	`SELECT t.id, s.n FROM t JOIN s ON t.id = s.id AND s.at <= NOW WHERE t.at + INTERVAL 40 SECONDS > NOW`,
	`SELECT count(*) AS c, sum(n) AS s FROM s WHERE at > NOW - INTERVAL 30 SECONDS AND at <= NOW`,
	`SELECT DISTINCT n FROM s WHERE at > NOW - INTERVAL 10 SECONDS`,
	`SELECT n, count(*) AS c FROM (SELECT n FROM s WHERE at <= NOW UNION ALL SELECT n FROM t WHERE at > NOW) GROUP BY n`,
	`SELECT id, at FROM t LEFT JOIN (SELECT id AS i FROM s WHERE at > NOW - INTERVAL 15 SECONDS) ON i = id`,
}

// TestTemporalFilters wants views with conditions on now() to be what DuckDB answers with the time written out, at every second.
func TestTemporalFilters(t *testing.T) {
	seeds := 2
	if testing.Short() {
		seeds = 1
	}
	for seed := range uint64(seeds) {
		r := rand.New(rand.NewPCG(seed, 2))
		d := newTimed(t)
		d.must(`CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER, at TIMESTAMPTZ)`, `CREATE STREAM s (id INTEGER, n INTEGER, at TIMESTAMPTZ)`)
		for i, q := range temporalQueries {
			d.must(fmt.Sprintf(`CREATE MATERIALIZED VIEW v%d AS %s`, i, strings.ReplaceAll(q, "NOW", "now()")))
		}
		for range 15 {
			d.change(r)
			d.pass(time.Duration(1+r.IntN(5)) * time.Second)
			now := fmt.Sprintf("TIMESTAMPTZ '%s+00'", d.clock.Now().Format("2006-01-02 15:04:05"))
			for i, q := range temporalQueries {
				spec := strings.ReplaceAll(q, "NOW", now)
				got, want := d.must(fmt.Sprintf(`SELECT * FROM v%d`, i)), d.must(spec)
				if !slices.Equal(got, want) {
					t.Fatalf("seed %d, at %s: %s\n%s", seed, now, q, difference(got, want))
				}
			}
			if t.Failed() {
				return
			}
		}
	}
}

// change writes, changes and deletes rows whose time is near the clock's, at full seconds.
func (d *timed) change(r *rand.Rand) {
	d.t.Helper()
	when := func() string {
		if r.IntN(12) == 0 {
			return "NULL"
		}
		return fmt.Sprintf("'%s+00'", d.clock.Now().Add(time.Duration(r.IntN(80)-40)*time.Second).Format("2006-01-02 15:04:05"))
	}
	for range 3 {
		var rows []string
		for range 1 + r.IntN(8) {
			rows = append(rows, fmt.Sprintf("(%d, %d, %s)", r.IntN(12), r.IntN(6), when()))
		}
		switch r.IntN(5) {
		case 0:
			d.must(fmt.Sprintf(`DELETE FROM t WHERE id %% 3 = %d`, r.IntN(3)))
		case 1:
			d.must(fmt.Sprintf(`UPDATE t SET at = %s WHERE id < %d`, when(), r.IntN(8)))
		case 2:
			for _, row := range rows {
				d.must(`INSERT OR REPLACE INTO t VALUES ` + row)
			}
		default:
			d.must(`INSERT INTO s VALUES ` + strings.Join(rows, ", "))
		}
	}
}

// TestTimeAloneMovesViews wants a row to leave at its second without anything being written, and a subscriber to be told.
func TestTimeAloneMovesViews(t *testing.T) {
	d := newTimed(t)
	d.must(`CREATE TABLE t (id INTEGER PRIMARY KEY, at TIMESTAMPTZ)`,
		`CREATE MATERIALIZED VIEW v AS SELECT id FROM t WHERE at > now() - INTERVAL 10 SECONDS`,
		`CREATE MATERIALIZED VIEW n AS SELECT count(*) AS n FROM v`,
		`INSERT INTO t VALUES (1, '2024-01-01 12:00:00+00'), (2, '2024-01-01 12:00:03+00')`)
	d.want(`SELECT id FROM v`, "1", "2")
	sub, err := d.Subscribe(d.ctx, session.SubscribeRequest{Relation: "n"})
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Close()
	counts := map[string]int64{}
	next := func(want string) {
		t.Helper()
		for counts[want] != 1 || len(counts) != 1 {
			ev, err := sub.Next(d.ctx)
			if err != nil {
				t.Fatalf("waiting for %s, having %v: %v", want, counts, err)
			}
			if ev.Rows == nil {
				continue
			}
			for i := range ev.Rows.Len {
				k := rowText(ev.Rows, i)
				if counts[k] += ev.Rows.Weight(i); counts[k] == 0 {
					delete(counts, k)
				}
			}
		}
	}
	next("2")
	d.pass(9 * time.Second) // 12:00:09
	d.want(`SELECT id FROM v`, "1", "2")
	d.clock.advance(time.Second) // 12:00:10: the first is not above the bound any more
	next("1")
	d.want(`SELECT id FROM v`, "2")
	d.clock.advance(3 * time.Second)
	next("0")
	d.want(`SELECT id FROM v`)
}

func TestResolution(t *testing.T) {
	d := newTimed(t)
	d.must(`CREATE TABLE t (id INTEGER PRIMARY KEY, at TIMESTAMPTZ)`,
		`CREATE MATERIALIZED VIEW fine WITH (resolution = '100 milliseconds') AS SELECT id FROM t WHERE at > now()`,
		`CREATE MATERIALIZED VIEW usual AS SELECT id FROM t WHERE at > now()`,
		`CREATE MATERIALIZED VIEW coarse WITH (resolution = '1 minute') AS SELECT id FROM t WHERE at > now()`,
		`INSERT INTO t VALUES (1, '2024-01-01 12:00:00.25+00'), (2, '2024-01-01 12:00:01+00'), (3, '2024-01-01 12:01:00+00')`)
	for _, step := range []struct {
		by                  time.Duration
		fine, usual, coarse string
	}{
		{200 * time.Millisecond, "123", "123", "123"}, {100 * time.Millisecond, "23", "123", "123"}, {700 * time.Millisecond, "3", "3", "123"},
		{58 * time.Second, "3", "3", "123"}, {time.Second, "", "", ""},
	} {
		d.pass(step.by)
		for view, want := range map[string]string{"fine": step.fine, "usual": step.usual, "coarse": step.coarse} {
			if got := strings.Join(d.must(`SELECT id FROM `+view), ""); got != want {
				t.Errorf("at %s: %s has %s, want %s", d.clock.Now(), view, got, want)
			}
		}
	}
	d.fails("22023", `CREATE MATERIALIZED VIEW x WITH (resolution = '1 millisecond') AS SELECT id FROM t WHERE at > now()`)
}

// TestTimeInFormsThatAreRefused wants what cannot be kept up to date to be refused with what to write instead.
func TestTimeInFormsThatAreRefused(t *testing.T) {
	d := newTimed(t)
	d.must(`CREATE STREAM s (id INTEGER, n INTEGER, at TIMESTAMPTZ, WATERMARK FOR at AS at - INTERVAL 5 SECONDS)`)
	for _, q := range []string{
		`SELECT id, now() AS n FROM s`, `SELECT id FROM s WHERE at <> now()`, `SELECT id FROM s WHERE at > now() OR n = 1`, `SELECT id FROM s WHERE extract(hour FROM now()) > n`,
		`SELECT id FROM s WHERE now() - at > INTERVAL 1 MONTH`, `SELECT id FROM s WHERE at > now() - INTERVAL 1 MONTH`, `SELECT id FROM s WHERE hour(at) = hour(now())`, `SELECT id FROM s WHERE random() < 0.5 AND at > now()`,
		`SELECT count(*) FILTER (WHERE at > now()) FROM s`,
	} {
		_, err := d.run(`CREATE MATERIALIZED VIEW v AS ` + q)
		if codeOf(err) != "0A000" {
			t.Errorf("%s: %v", q, err)
		}
	}
	for _, q := range []string{`SELECT count(*) AS n FROM s`, `SELECT id, count(*) AS n FROM s GROUP BY id`, `SELECT hour(at) AS h, count(*) AS n FROM s GROUP BY ALL`} {
		_, err := d.run(`CREATE MATERIALIZED VIEW v WITH (emit = 'final') AS ` + q)
		if codeOf(err) != string(fault.InvalidDefinition) {
			t.Errorf("final %s: %v", q, err)
		}
	}
}
