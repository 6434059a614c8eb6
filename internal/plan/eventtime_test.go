package plan_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/tidemill/tidemill/internal/plan"
	"github.com/tidemill/tidemill/internal/row"
)

// describeTimes is what a golden file holds of a query's times: for the columns of the result the least values that can still come, over the watermark #0; how long rows of
// joins find matches; and what is compared with now(). In it every stream has a watermark for its column ts; that of the stream dev is one per k.
func (w *world) describeTimes(t testing.TB, sql string) string {
	n, planned, err := w.decode(t, sql)
	if err != nil {
		return refused(err)
	}
	n = plan.Optimize(n)
	types := map[string]row.Type{}
	for _, x := range plan.Nodes(n) {
		if g, ok := x.(*plan.Get); ok && w.streams[g.Relation] {
			if c := g.Schema.Index("ts"); c >= 0 {
				types[g.Relation] = g.Schema[c].Type
			}
		}
	}
	sources := func(relation, column string) []*plan.Expr {
		if typ, ok := types[relation]; ok && column == "ts" {
			return []*plan.Expr{plan.Col(0, typ)}
		}
		return nil
	}
	keyed := func(relation string) *plan.KeyedTime {
		if relation != "dev" {
			return nil
		}
		span := plan.Const(row.Value{Type: row.T(row.Interval), V: row.IntervalValue{Micros: 5_000_000}})
		return &plan.KeyedTime{Column: "ts", Per: []string{"k"}, Mark: plan.Fn("-", types[relation], plan.Col(0, types[relation]), span)}
	}
	times := plan.FindEventTimes(n, sources, keyed, false)
	derived := plan.FindEventTimes(n, sources, keyed, true)
	var b strings.Builder
	for i := range n.Types() {
		name := planned.Columns[i].Name
		switch {
		case times.Column(n, i) != nil:
			fmt.Fprintf(&b, "%s from %s\n", name, bounds(times.Column(n, i)))
		case derived.Column(n, i) != nil:
			fmt.Fprintf(&b, "%s from %s, but for changes of others\n", name, bounds(derived.Column(n, i)))
		}
	}
	for _, x := range plan.Nodes(n) {
		describeNodeTimes(&b, times, x)
	}
	if b.Len() == 0 {
		return "nothing\n"
	}
	return b.String()
}

func describeNodeTimes(b *strings.Builder, times *plan.EventTimes, n plan.Node) {
	switch n := n.(type) {
	case *plan.Join:
		left, right := times.JoinLimits(n)
		for _, l := range left {
			fmt.Fprintf(b, "left rows of the join match while %s is from %s\n", l.Mine, bounds(l.Theirs))
		}
		for _, l := range right {
			fmt.Fprintf(b, "right rows of the join match while %s is from %s\n", l.Mine, bounds(l.Theirs))
		}
	case *plan.Session:
		rows, ends := times.SessionBounds(n)
		if rows != nil {
			fmt.Fprintf(b, "sessions take rows from %s and are kept with ends from %s\n", bounds(rows), bounds(ends))
		}
	case *plan.Filter:
		_, temporal := n.SplitTemporal()
		for _, e := range temporal {
			parts, err := plan.TemporalsOf(e)
			if err != nil {
				b.WriteString(refused(err))
				continue
			}
			for _, p := range parts {
				fmt.Fprintf(b, "%s %s %s of now\n", p.Value, p.Op, p.Bound)
			}
		}
	}
}

func bounds(list []plan.TimeBound) string {
	texts := make([]string, len(list))
	for i := range list {
		texts[i] = fmt.Sprintf("%s of %s", list[i].Threshold(), list[i].Get.Relation)
		if list[i].Mark != nil {
			texts[i] = fmt.Sprintf("%s of %s per %v", list[i].KeyThreshold(), list[i].Get.Relation, list[i].Per)
		}
	}
	return strings.Join(texts, " and ")
}

// monotone lists expressions over ts, a TIMESTAMP, z, a TIMESTAMPTZ, and d, a DATE, with what Follows has to say of them.
var monotone = []struct {
	expr    string
	follows bool
}{
	{"ts", true}, {"d", true}, {"ts::DATE", true}, {"z::TIMESTAMP", true}, {"d::TIMESTAMP", true}, {"TRY_CAST(ts AS DATE)", false},
	{"ts + INTERVAL 5 SECONDS", true}, {"ts - INTERVAL 3 DAYS", true}, {"INTERVAL 3 HOURS + ts", true}, {"ts - INTERVAL 1 MONTH", false}, {"ts + INTERVAL 1 YEAR", false},
	{"z - INTERVAL '1 month 2 days'", false}, {"d + INTERVAL 1 MONTH", true}, {"d - INTERVAL '1 month 3 hours'", true}, {"date_trunc('day', ts) - INTERVAL 1 MONTH", true},
	{"date_trunc('hour', ts) - INTERVAL 1 MONTH", false}, {"ts::DATE - INTERVAL 2 MONTHS", true}, {"date_trunc('week', ts) + INTERVAL 1 MONTH", true},
	{"time_bucket(INTERVAL 1 MONTH, ts) + INTERVAL 1 MONTH", true}, {"time_bucket(INTERVAL 7 HOURS, ts) - INTERVAL 1 MONTH", false}, {"d + 3", true}, {"d - 3", true},
	{"time_bucket(INTERVAL 10 SECONDS, ts)", true}, {"time_bucket(INTERVAL 1 MONTH, ts)", true}, {"time_bucket(INTERVAL 1 DAY, ts, INTERVAL 3 HOURS)", true},
	{"time_bucket(INTERVAL 1 DAY, ts, TIMESTAMP '2020-01-01 07:00:00')", true}, {"time_bucket(INTERVAL 1 DAY, z, 'Europe/Berlin')", true}, {"time_bucket(INTERVAL 1 HOUR, z, 'Europe/Berlin')", false},
	{"date_trunc('minute', ts)", true}, {"date_trunc('week', z)", true}, {"date_trunc('quarter', d)", true}, {"last_day(ts)", true}, {"last_day(d)", true},
	{"epoch(ts)", true}, {"epoch_ms(ts)", true}, {"epoch_us(z)", true}, {"epoch_ns(ts)", true}, {"year(ts)", true}, {"decade(d)", true}, {"century(ts)", true},
	{"epoch_ms(ts) // 1000", true}, {"epoch_ms(ts) // -1000", false}, {"epoch_ms(ts) % 1000", false}, {"-epoch_ms(ts)", false}, {"1000 - epoch_ms(ts)", false}, {"epoch(ts) + 7", true},
	{"month(ts)", false}, {"dayofyear(ts)", false}, {"hour(ts)", false}, {"isodow(d)", false}, {"strftime(ts, '%d')", false}, {"ts::TIME", false}, {"ts::VARCHAR", false},
	{"to_timestamp(epoch(ts))", true}, {"make_timestamp(epoch_us(ts))", true}, {"ts - TIMESTAMP '2020-01-01'", true}, {"TIMESTAMP '2020-01-01' - ts", false},
	{"ts + (ts - TIMESTAMP '2020-01-01')", false}, {"greatest(ts, TIMESTAMP '2020-01-01')", false}, {"CASE WHEN ts > TIMESTAMP '2020-01-01' THEN ts END", false},
}

// TestFollows asks DuckDB whether what is said to follow the time does, over times around the ends of days, months and leap years.
func TestFollows(t *testing.T) {
	o, w := newOracle(t), newWorld(t)
	w.define(t, "stream s ts TIMESTAMP, z TIMESTAMPTZ, d DATE")
	times := `WITH s AS (SELECT ts, ts::TIMESTAMPTZ AS z, ts::DATE AS d FROM (
		SELECT TIMESTAMP '2019-12-20 00:00:00' + to_seconds(CAST(i * 7919 AS BIGINT)) AS ts FROM range(9000) r(i)
		UNION ALL SELECT TIMESTAMP '1969-12-31 23:59:00' + to_seconds(i) FROM range(200) r(i))) `
	for _, m := range monotone {
		n, _, err := w.decode(t, "SELECT "+m.expr+" AS x FROM s")
		if err != nil {
			t.Fatal(err)
		}
		p, ok := plan.Optimize(n).(*plan.Project)
		follows := ok && plan.Follows(p.Exprs[0]) || !ok
		if follows != m.follows {
			t.Errorf("%s follows the time: %v", m.expr, follows)
		}
		if !follows {
			continue
		}
		back, err := count(t, o, times+fmt.Sprintf(`SELECT count(*) FROM (SELECT x, lag(x) OVER (ORDER BY ts) AS y FROM (SELECT ts, %s AS x FROM s)) WHERE x < y OR x IS NULL`, m.expr))
		if err != nil || back > 0 {
			t.Errorf("%s goes back at %d times (%v)", m.expr, back, err)
		}
	}
}

// TestEventTimes compares what is known of queries' times with testdata/times/*.txt.
func TestEventTimes(t *testing.T) { golden(t, "testdata/times/eventtime.txt") }
