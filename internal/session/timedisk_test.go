package session_test

import (
	"io"
	"log/slog"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/tidemill/tidemill/internal/log/jetlog"
)

// TestTimeOnDisk restarts over a log in a directory: views, their late rows and what is noted of these stay as they are.
func TestTimeOnDisk(t *testing.T) {
	dir := t.TempDir()
	quiet := slog.New(slog.NewTextHandler(io.Discard, nil))
	open := func() *jetlog.Log {
		l, err := jetlog.Open(dir, jetlog.Options{Logger: quiet})
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	d := &timed{t: t, clock: &handClock{now: noon}}
	disk := open()
	shut := func() {
		d.stop()
		if err := disk.Close(); err != nil {
			t.Error(err)
		}
	}
	d.log = disk
	d.start()
	d.must(`CREATE TABLE pulse (n INTEGER)`,
		`CREATE STREAM a (k INTEGER, n INTEGER, at TIMESTAMP, WATERMARK FOR at AS at - INTERVAL 5 SECONDS) WITH (partitions = 2, key = 'k', idle_timeout = '20 seconds')`,
		`CREATE STREAM b (k INTEGER, n INTEGER, at TIMESTAMP, WATERMARK FOR at AS at - INTERVAL 8 SECONDS)`,
		`CREATE TABLE d (k INTEGER PRIMARY KEY, name VARCHAR)`, `INSERT INTO d SELECT i, 'k' || (i % 3) FROM range(6) r(i)`)
	d.makeViews("")
	r := rand.New(rand.NewPCG(7, 7))
	var lates []string
	for range 2 {
		d.random(r, 20)
		before := d.state("")
		d.wantSoon(`SELECT (SELECT sum(late_rows) FROM tidemill.view_status) = (SELECT count(*) FROM tidemill.late_rows)`, "true")
		lates = d.lates()
		shut()
		d.clock.advance(time.Microsecond)
		disk = open()
		d.log = disk
		d.start()
		d.same("after a restart", d.state(""), before)
		if got := d.lates(); !slices.Equal(got, lates) {
			t.Errorf("late rows after a restart: %s", difference(got, lates))
		}
	}
	shut()
	if len(lates) == 0 {
		t.Error("nothing was late")
	}
}
