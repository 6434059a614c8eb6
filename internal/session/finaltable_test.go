package session_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// TestFinalRowsKeepTheirTable changes a table beside a stream whose windows become final: each row keeps what the table held then, also when the log is read again.
func TestFinalRowsKeepTheirTable(t *testing.T) {
	d := newTimed(t)
	d.must(`CREATE STREAM s (k INTEGER, at TIMESTAMP, WATERMARK FOR at AS at - INTERVAL 2 SECONDS) WITH (idle_timeout = '15 seconds')`,
		`CREATE TABLE d (k INTEGER PRIMARY KEY, name VARCHAR)`, `INSERT INTO d VALUES (0, 'x'), (1, 'x'), (2, 'x')`,
		`CREATE VIEW named AS SELECT time_bucket(INTERVAL 10 SECONDS, at) AS w, k, name FROM s JOIN d USING (k)`,
		`CREATE MATERIALIZED VIEW f WITH (emit = 'final') AS SELECT w, name, count(*) AS n FROM named GROUP BY ALL`)
	r := rand.New(rand.NewPCG(3, 3))
	for i := range 120 {
		d.clock.advance(time.Duration(r.IntN(3000)) * time.Millisecond)
		if r.IntN(3) == 0 {
			d.must(fmt.Sprintf(`UPDATE d SET name = 'n%d' WHERE k = %d`, i, r.IntN(3)))
			continue
		}
		if r.IntN(20) == 0 {
			d.pass(20 * time.Second)
		}
		d.insert("s", fmt.Sprintf("(%d, %s)", r.IntN(3), at(d.clock.Now().Sub(noon).Seconds())))
	}
	before := d.must(`SELECT * FROM f`)
	if len(before) < 10 {
		t.Fatalf("%d rows are final", len(before))
	}
	d.restart()
	if got := d.must(`SELECT * FROM f`); !slices.Equal(got, before) {
		t.Errorf("after a restart:\n%s", difference(got, before))
	}
}
