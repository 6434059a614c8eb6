package session_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// TestVerifyTemporalFilters wants views with conditions on now() to be verified as of the time that they have come to, whatever the clock says.
func TestVerifyTemporalFilters(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 2))
	d := newTimed(t)
	d.must(`CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER, at TIMESTAMPTZ)`, `CREATE STREAM s (id INTEGER, n INTEGER, at TIMESTAMPTZ)`,
		`CREATE VIEW fresh AS SELECT * FROM t WHERE at > now() - INTERVAL 10 SECONDS`)
	queries := temporalQueries
	if testing.Short() {
		queries = queries[:6]
	}
	queries = append([]string{`SELECT n, count(*) AS c FROM fresh GROUP BY n`, `SELECT c + 1 AS c FROM v0 JOIN fresh USING (n)`}, queries...)
	for i, q := range queries {
		with := ""
		if i%3 == 0 {
			with = ` WITH (resolution = '7 seconds')`
		}
		d.must(fmt.Sprintf(`CREATE MATERIALIZED VIEW v%d%s AS %s`, i, with, strings.ReplaceAll(q, "NOW", "now()")))
	}
	verify := func() {
		t.Helper()
		for i, q := range queries {
			if got := d.must(fmt.Sprintf(`VERIFY VIEW v%d`, i)); !strings.Contains(got[0], "equal") {
				t.Fatalf("at %s: %s\n%s", d.clock.Now(), q, strings.Join(got, "\n"))
			}
		}
	}
	verify()
	for range 5 {
		d.change(r)
		d.pass(time.Duration(700+r.IntN(3000)) * time.Millisecond)
		verify()
	}
	d.restart()
	verify()
}
