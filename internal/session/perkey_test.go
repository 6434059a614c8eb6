package session_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// perKey is the specification of a stream whose keys each have a watermark of their own: it takes groups of rows and knows what is late for which view. All
// times are seconds after noon.
type perKey struct {
	latest, seen map[int]float64 // by key; seen is when its last row came, of keys that count for the watermark of all
	all          float64         // the watermark of all keys together
	counts       map[string]map[[2]int][2]int
	late         map[string][]string
}

const (
	perDelay  = 5
	perIdle   = 40
	perFuture = 60
	perBucket = 10
	perNever  = -1e9
)

func newPerKey() *perKey {
	return &perKey{latest: map[int]float64{}, seen: map[int]float64{}, all: perNever,
		counts: map[string]map[[2]int][2]int{"own": {}, "shared": {}}, late: map[string][]string{}}
}

type perRow struct {
	k, n int
	at   float64
	null bool
}

func bucketAt(at float64) int {
	b := int(at) / perBucket
	if at < float64(b*perBucket) {
		b--
	}
	return b
}

// pass lets keys become idle one after the other.
func (p *perKey) pass(now float64) {
	for len(p.seen) > 0 {
		first := slices.Min(slices.Collect(maps.Values(p.seen)))
		if now-first < perIdle-1e-9 {
			return
		}
		maps.DeleteFunc(p.seen, func(_ int, at float64) bool { return at == first })
		p.settle()
	}
}

func (p *perKey) settle() {
	least, some := 0.0, false
	for k := range p.seen {
		if !some || p.latest[k] < least {
			least, some = p.latest[k], true
		}
	}
	if some {
		p.all = max(p.all, least-perDelay)
	}
}

// take judges a group by what was before it, then moves the watermarks.
func (p *perKey) take(now float64, rows []perRow) {
	p.pass(now)
	for _, r := range rows {
		own := perNever
		if at, ok := p.latest[r.k]; ok {
			own = at - perDelay
		}
		for view, mark := range map[string]float64{"own": own, "shared": p.all} {
			if !r.null && mark > perNever && bucketAt(r.at) < bucketAt(mark) {
				p.late[view] = append(p.late[view], fmt.Sprintf("%.3f|%.3f|%d|%d", r.at, mark, r.k, r.n))
				continue
			}
			if r.null {
				continue
			}
			g := [2]int{bucketAt(r.at), r.k}
			if view == "shared" {
				g[1] = 0
			}
			c := p.counts[view][g]
			p.counts[view][g] = [2]int{c[0] + 1, c[1] + r.n}
		}
	}
	for _, r := range rows {
		if at, ok := p.latest[r.k]; !r.null && r.at <= now+perFuture && (!ok || r.at > at) {
			p.latest[r.k] = r.at
		}
	}
	for _, r := range rows {
		if _, ok := p.latest[r.k]; ok {
			p.seen[r.k] = now
		}
	}
	p.settle()
}

// rows are the lines that a view must have; with final only those of buckets that the watermark has passed.
func (p *perKey) rows(view string, final bool) []string {
	out := []string{}
	for g, c := range p.counts[view] {
		mark := p.all
		if view == "own" {
			mark = perNever
			if at, ok := p.latest[g[1]]; ok {
				mark = at - perDelay
			}
		}
		if final && (mark == perNever || g[0] >= bucketAt(mark)) {
			continue
		}
		out = append(out, fmt.Sprintf("%d|%d|%d|%d", g[0], g[1], c[0], c[1]))
	}
	slices.Sort(out)
	return out
}

// perViews are the views of the test, by name, with what they are specified by.
var perViews = []struct {
	name, with, of string
	query          string
}{
	{"own", "", "own", `SELECT time_bucket(INTERVAL 10 SECONDS, at) AS w, k, count(*) AS n, sum(n) AS s FROM s WHERE at IS NOT NULL GROUP BY ALL`},
	{"own_final", " WITH (emit = 'final')", "own", `SELECT time_bucket(INTERVAL 10 SECONDS, at) AS w, k, count(*) AS n, sum(n) AS s FROM s WHERE at IS NOT NULL GROUP BY ALL`},
	{"shared", "", "shared", `SELECT time_bucket(INTERVAL 10 SECONDS, at) AS w, 0 AS k, count(*) AS n, sum(n) AS s FROM s WHERE at IS NOT NULL GROUP BY ALL`},
	{"shared_final", " WITH (emit = 'final')", "shared", `SELECT time_bucket(INTERVAL 10 SECONDS, at) AS w, 0 AS k, count(*) AS n, sum(n) AS s FROM s WHERE at IS NOT NULL GROUP BY ALL`},
}

func (d *timed) makePerViews(suffix string) {
	d.t.Helper()
	for _, v := range perViews {
		d.must(`CREATE MATERIALIZED VIEW ` + v.name + suffix + v.with + ` AS ` + v.query)
	}
}

// samePer compares views with their specification.
func (d *timed) samePer(what, suffix string, p *perKey) {
	d.t.Helper()
	for _, v := range perViews {
		got := d.must(fmt.Sprintf(`SELECT floor((epoch(w) - epoch(TIMESTAMP '2024-01-01 12:00:00')) / %d)::BIGINT, k, n, s FROM %s%s`, perBucket, v.name, suffix))
		if want := p.rows(v.of, v.with != ""); !slices.Equal(got, want) {
			d.t.Errorf("%s: %s\n%s", what, v.name, difference(got, want))
		}
		if got, want := d.must(fmt.Sprintf(`SELECT late_rows FROM tidemill.view_status WHERE name = '%s%s'`, v.name, suffix))[0], fmt.Sprint(len(p.late[v.of])); got != want {
			d.t.Errorf("%s: of %s %s rows were late, want %s", what, v.name, got, want)
		}
	}
}

// TestWatermarkPerKey plays random events to views of a stream with a watermark per key: shuffled, late, far ahead, with keys that are idle. Views that were always there,
// that were made later, and those after a restart have to be what the specification says.
func TestWatermarkPerKey(t *testing.T) {
	seeds := uint64(3)
	if testing.Short() {
		seeds = 1
	}
	for seed := range seeds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { watermarkPerKey(t, rand.New(rand.NewPCG(seed, 5))) })
	}
}

func watermarkPerKey(t *testing.T, r *rand.Rand) {
	d := newTimed(t)
	d.must(fmt.Sprintf(`CREATE STREAM s (k INTEGER, n INTEGER, at TIMESTAMP, WATERMARK FOR at AS at - INTERVAL %d SECONDS PER k)
		WITH (partitions = 3, key = 'k', idle_timeout = '%d seconds', future_limit = '%d seconds')`, perDelay, perIdle, perFuture))
	d.makePerViews("")
	p := newPerKey()
	d.playPer(r, p, 60)
	d.samePer("live", "", p)
	d.makePerViews("_2")
	d.samePer("made later", "_2", p)
	d.playPer(r, p, 30)
	d.samePer("made later, then running", "_2", p)
	d.wantSoon(`SELECT count(*) FROM tidemill.late_rows WHERE view = 'own'`, fmt.Sprint(len(p.late["own"])))
	slices.Sort(p.late["own"])
	d.want(`SELECT format('{:.3f}', epoch(event_time) - epoch(TIMESTAMPTZ '2024-01-01 12:00:00+00')), format('{:.3f}', epoch(watermark) - epoch(TIMESTAMPTZ '2024-01-01 12:00:00+00')),
		event->>'k', event->>'n' FROM tidemill.late_rows WHERE view = 'own'`, p.late["own"]...)
	d.restart()
	d.samePer("after a restart", "", p)
	d.samePer("made later, after a restart", "_2", p)
	d.playPer(r, p, 30)
	d.samePer("going on after a restart", "", p)
	if len(p.late["own"]) == 0 || len(p.late["shared"]) == 0 {
		t.Error("nothing was late")
	}
}

// playPer lets time pass and events come. Keys are at different times: each is behind the clock by its number times seven seconds.
func (d *timed) playPer(r *rand.Rand, p *perKey, steps int) {
	d.t.Helper()
	now := func() float64 { return d.clock.Now().Sub(noon).Seconds() }
	for range steps {
		if r.IntN(3) == 0 {
			d.pass(time.Duration(r.IntN(8_000)) * time.Millisecond)
		}
		if r.IntN(15) == 0 {
			d.pass(time.Duration(r.IntN(90)) * time.Second)
		}
		var rows []perRow
		var texts []string
		for range 1 + r.IntN(6) {
			x := perRow{k: r.IntN(4), n: r.IntN(100)}
			x.at = now() - float64(7*x.k) - float64(r.IntN(perDelay*1000))/1000
			text := ""
			switch r.IntN(14) {
			case 0:
				x.at -= float64(r.IntN(60))
			case 1:
				x.at = now() + perFuture + float64(r.IntN(3000))/1000 - 1 // around the limit
			case 2:
				x.null, text = true, "NULL"
			}
			x.at = float64(int64(x.at*1000)) / 1000
			if !x.null {
				text = at(x.at)
			}
			rows, texts = append(rows, x), append(texts, fmt.Sprintf("(%d, %d, %s)", x.k, x.n, text))
		}
		d.insert("s", texts...)
		p.take(now(), rows)
	}
	p.pass(now())
}

// TestLargeWriteIsJudgedAsOne writes more than a group of the log or a tick takes, the latest times first: nothing of it is late, also when it is read again.
func TestLargeWriteIsJudgedAsOne(t *testing.T) {
	if testing.Short() {
		t.Skip("writes 40 MB")
	}
	d := newTimed(t)
	d.must(`CREATE STREAM s (n BIGINT, filler VARCHAR, at TIMESTAMP, WATERMARK FOR at AS at - INTERVAL 5 SECONDS)`)
	view := `CREATE MATERIALIZED VIEW v%d AS SELECT time_bucket(INTERVAL 10 SECONDS, at) AS w, count(*) AS n FROM s GROUP BY ALL`
	d.must(fmt.Sprintf(view, 1), `INSERT INTO s SELECT i, repeat(md5(i::VARCHAR), 4), TIMESTAMP '2024-01-01 12:00:00' - to_milliseconds(i * 10) FROM range(300000) r(i)`,
		fmt.Sprintf(view, 2))
	want := func() {
		t.Helper()
		for _, v := range []string{"v1", "v2"} {
			d.want(fmt.Sprintf(`SELECT (SELECT sum(n) FROM %s), late_rows FROM tidemill.view_status WHERE name = '%[1]s'`, v), "300000|0")
		}
	}
	want()
	d.restart()
	want()
}
