package session_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/tidemill/tidemill/internal/log"
)

// deafLog is a log that takes nothing for some topics while it is told so: what is written there beside the ticks is lost, as it is when the process dies.
type deafLog struct {
	log.Log
	deaf   atomic.Bool
	topics func(topic string) bool
}

func (l *deafLog) Append(ctx context.Context, topic string, entries []log.Entry) (log.Offset, error) {
	if l.deaf.Load() && l.topics(topic) {
		return 0, errors.New("nothing is taken")
	}
	return l.Log.Append(ctx, topic, entries)
}

// TestLateRowsAreNotLost loses late rows that wait to be written: after a restart each is there once, and another restart adds none.
func TestLateRowsAreNotLost(t *testing.T) {
	d := newTimed(t)
	d.must(`CREATE STREAM a (k INTEGER, n INTEGER, at TIMESTAMP, WATERMARK FOR at AS at - INTERVAL 5 SECONDS) WITH (partitions = 3, key = 'k', idle_timeout = '20 seconds')`,
		`CREATE STREAM b (k INTEGER, n INTEGER, at TIMESTAMP, WATERMARK FOR at AS at - INTERVAL 8 SECONDS) WITH (idle_timeout = '30 seconds', future_limit = '1 hour')`,
		`CREATE TABLE d (k INTEGER PRIMARY KEY, name VARCHAR)`, `INSERT INTO d SELECT i, 'k' || (i % 3) FROM range(6) r(i)`)
	d.makeViews("")
	d.wantSoon(`SELECT count(*) FROM tidemill.late_rows`, "0")
	topic := strings.Join(d.must(`SELECT id FROM tidemill.streams WHERE name = 'tidemill.late_rows'`), "")
	deaf := &deafLog{Log: d.log, topics: func(name string) bool { return strings.HasSuffix(name, topic) }}
	d.log = deaf
	d.restart()
	r := rand.New(rand.NewPCG(11, 11))
	d.random(r, 25)
	all := `SELECT (SELECT sum(late_rows) FROM tidemill.view_status) = (SELECT count(*) FROM tidemill.late_rows)`
	d.wantSoon(all, "true")
	some := d.lates()
	deaf.deaf.Store(true)
	d.random(r, 25)
	d.makeViews("_2")
	lost := d.must(`SELECT name, late_rows FROM tidemill.view_status WHERE late_rows > 0`)
	if got := d.lates(); !slices.Equal(got, some) {
		t.Fatalf("the log took late rows: %s", difference(got, some))
	}
	d.stop()
	deaf.deaf.Store(false)
	d.start()
	d.wantSoon(all, "true")
	if got := d.must(`SELECT view, count(*) FROM tidemill.late_rows GROUP BY view`); !slices.Equal(got, lost) {
		t.Errorf("late rows after a restart: %s", difference(got, lost))
	}
	for _, v := range timedViews {
		of := func(suffix string) []string {
			return d.must(fmt.Sprintf(`SELECT replace(relation, '_2', ''), event_time, watermark, event FROM tidemill.late_rows WHERE view = '%s%s'`, v.name, suffix))
		}
		if got, want := of("_2"), of(""); !slices.Equal(got, want) {
			t.Errorf("%s: what was late for a view made later: %s", v.name, difference(got, want))
		}
	}
	full := d.lates()
	d.restart()
	d.random(r, 1)
	d.restart()
	d.wantSoon(all, "true")
	if got := d.lates(); len(got) < len(full) || len(full) <= len(some) {
		t.Errorf("%d, %d, then %d late rows", len(some), len(full), len(got))
	}
}
