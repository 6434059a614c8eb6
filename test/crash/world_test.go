package crash

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"time"
)

// schema is what every era begins with.
var schema = []string{
	`CREATE STREAM ev (client INTEGER NOT NULL, req BIGINT NOT NULL, i INTEGER NOT NULL, size INTEGER, k VARCHAR, v BIGINT, at TIMESTAMP) WITH (key = 'client', partitions = 3)`,
	`CREATE TABLE kv (client INTEGER, slot INTEGER, n BIGINT, PRIMARY KEY (client, slot))`,
	`CREATE TABLE checking (id INTEGER PRIMARY KEY, amount BIGINT)`,
	`CREATE TABLE savings (id INTEGER PRIMARY KEY, amount BIGINT)`,
	`CREATE STREAM moves (client INTEGER, req BIGINT, id INTEGER, v BIGINT)`,
	`CREATE STREAM transfers (client INTEGER, req BIGINT, src INTEGER, dst INTEGER, v BIGINT) WITH (key = 'src', partitions = 2)`,
	fmt.Sprintf(`INSERT INTO checking SELECT i, %d FROM range(%d) AS t(i)`, opening, accounts),
	fmt.Sprintf(`INSERT INTO savings SELECT i, %d FROM range(%d) AS t(i)`, opening, accounts),
	`CREATE MATERIALIZED VIEW per_key AS SELECT k, count(*) AS c, sum(v)::BIGINT AS s FROM ev GROUP BY k`,
	`CREATE MATERIALIZED VIEW per_client AS SELECT client, count(*) AS c, sum(v)::BIGINT AS s, max(req) AS last FROM ev GROUP BY client`,
	`CREATE MATERIALIZED VIEW torn AS SELECT client, req, count(*) AS c, max(size) AS size FROM ev GROUP BY client, req HAVING count(*) <> max(size)`,
	`CREATE MATERIALIZED VIEW kept AS SELECT client, count(*) AS c, sum(n)::BIGINT AS s FROM kv GROUP BY client`,
	`CREATE MATERIALIZED VIEW met AS SELECT e.client, count(*) AS c, sum(kv.n)::BIGINT AS s FROM ev e JOIN kv ON kv.client = e.client AND kv.slot = e.i GROUP BY e.client`,
	`CREATE MATERIALIZED VIEW top AS SELECT client, req, i, v FROM ev ORDER BY v DESC, client, req, i LIMIT 10`,
	`CREATE MATERIALIZED VIEW total AS SELECT sum(amount)::BIGINT AS total FROM (SELECT amount FROM checking UNION ALL SELECT amount FROM savings)`,
	`CREATE MATERIALIZED VIEW drift AS SELECT s.id, s.amount - m.v AS off FROM savings s LEFT JOIN (SELECT id, sum(v)::BIGINT AS v FROM moves GROUP BY id) m ON m.id = s.id
		WHERE s.amount <> 1000 + coalesce(m.v, 0)`,
	`CREATE MATERIALIZED VIEW credits AS SELECT dst AS id, sum(v)::BIGINT AS v FROM transfers GROUP BY dst`,
	`CREATE MATERIALIZED VIEW debits AS SELECT src AS id, sum(v)::BIGINT AS v FROM transfers GROUP BY src`,
	`CREATE MATERIALIZED VIEW balance AS SELECT coalesce(c.id, d.id) AS id, coalesce(c.v, 0) - coalesce(d.v, 0) AS v FROM credits c FULL JOIN debits d ON d.id = c.id`,
	`CREATE MATERIALIZED VIEW zero AS SELECT coalesce(sum(v), 0)::BIGINT AS z FROM balance`,
}

// views are the materialized ones of the schema.
var views = []string{"per_key", "per_client", "torn", "kept", "met", "top", "total", "drift", "credits", "debits", "balance", "zero"}

// The invariants of every frame.
func holdsNothing(rows map[string]int) error {
	for r := range rows {
		return fmt.Errorf("the view is never to have a row, and has %s", r)
	}
	return nil
}

func holdsOnly(row string) func(map[string]int) error {
	return func(rows map[string]int) error {
		if len(rows) != 1 || rows[row] != 1 {
			return fmt.Errorf("the view is always to be %s, and is %v", row, rows)
		}
		return nil
	}
}

// actor is a client that lives through all lives of a node.
type actor interface{ run(l *life) }

// subscriber is an actor that folds frames.
type subscriber interface {
	actor
	settle(l *life) error
}

// clients are all clients of an era.
type clients struct {
	ledgers     []*ledger
	tables      []*tableWriter
	definers    []*definer
	actors      []actor
	subscribers []subscriber
	probe       *prober
}

func newClients() *clients {
	ev, moves, transfers := newLedger("ev"), newLedger("moves"), newLedger("transfers")
	c := &clients{ledgers: []*ledger{ev, moves, transfers}, probe: &prober{ledgers: []*ledger{ev, moves, transfers}}}
	for i := range 3 {
		c.actors = append(c.actors, &eventWriter{id: i, ledger: ev})
	}
	for i := range 2 {
		w := &tableWriter{id: i, now: map[int]int64{}}
		c.tables = append(c.tables, w)
		c.actors = append(c.actors, w, &banker{id: i, ledger: moves})
		d := newDefiner(i)
		c.definers = append(c.definers, d)
		c.actors = append(c.actors, d)
	}
	c.actors = append(c.actors, &sender{id: 0, ledger: transfers})
	total := fmt.Sprintf("%d", 2*accounts*opening)
	events := []*eventsFollower{
		{fold: newFold("per_key", nil), path: "/v1/live/per_key", pull: "/v1/views/per_key"},
		{fold: newFold("per_client of one", nil), path: "/v1/live/per_client?client=1", pull: "/v1/views/per_client?client=1"},
		{fold: newFold("kept", nil), path: "/v1/live/kept", pull: "/v1/views/kept"},
		{fold: newFold("met", nil), path: "/v1/live/met", pull: "/v1/views/met"},
		{fold: newFold("kv", nil), path: "/v1/live/kv", pull: "/v1/views/kv"},
		{fold: newFold("torn", holdsNothing), path: "/v1/live/torn", pull: "/v1/views/torn"},
		{fold: newFold("drift", holdsNothing), path: "/v1/live/drift", pull: "/v1/views/drift"},
		{fold: newFold("total", holdsOnly(`{"total":`+total+`}`)), path: "/v1/live/total", pull: "/v1/views/total"},
		{fold: newFold("zero", holdsOnly(`{"z":0}`)), path: "/v1/live/zero", pull: "/v1/views/zero"},
	}
	p := &puller{}
	for _, e := range events {
		c.subscribers = append(c.subscribers, e)
		p.folds = append(p.folds, e)
	}
	for _, r := range []*rowsFollower{
		{fold: newFold("per_client", nil), query: "per_client"},
		{fold: newFold("total", holdsOnly("|"+total)), query: "total"},
		{fold: newFold("balance", nil), query: "balance"},
	} {
		c.subscribers = append(c.subscribers, r)
	}
	c.actors = append(c.actors, p)
	return c
}

// puller reads while the others write.
type puller struct{ folds []*eventsFollower }

func (p *puller) run(l *life) {
	rng := l.rng(8000)
	for l.pause(time.Duration(rng.IntN(20)) * time.Millisecond) {
		if err := p.pull(l, rng); err != nil && !l.isDead() && !l.failing.Load() && l.pause(200*time.Millisecond) {
			l.violated("reading: %v", err)
			return
		}
		l.totals.pulls.Add(1)
	}
}

// together are queries over several relations whose columns agree in every tick.
var together = []string{
	`SELECT (SELECT count(*) FROM ev), (SELECT coalesce(sum(c), 0) FROM per_key)::BIGINT, (SELECT coalesce(sum(c), 0) FROM per_client)::BIGINT`,
	`SELECT (SELECT coalesce(sum(v), 0) FROM credits)::BIGINT, (SELECT coalesce(sum(v), 0) FROM debits)::BIGINT, (SELECT coalesce(sum(v), 0) FROM transfers)::BIGINT`,
	`SELECT (SELECT count(*) FROM kv), (SELECT coalesce(sum(c), 0) FROM kept)::BIGINT`,
	fmt.Sprintf(`SELECT (SELECT sum(amount) FROM checking)::BIGINT + (SELECT sum(amount) FROM savings)::BIGINT, %d`, 2*accounts*opening),
	fmt.Sprintf(`SELECT (SELECT coalesce(sum(v), 0) FROM moves)::BIGINT, (SELECT sum(amount) FROM savings)::BIGINT - %d`, accounts*opening),
}

func (p *puller) pull(l *life, rng *rand.Rand) error {
	if rng.IntN(3) == 0 {
		q := together[rng.IntN(len(together))]
		rows, err := l.sql(l.ctx, q)
		if err != nil {
			return err
		}
		for _, v := range rows[0][1:] {
			if v != rows[0][0] {
				l.violated("one read shows several ticks: %s is %v", q, rows[0])
			}
		}
		return nil
	}
	f := p.folds[rng.IntN(len(p.folds))]
	status, text, _, err := l.do(l.ctx, "GET", f.pull, "", "")
	if err != nil {
		return err
	}
	if status != http.StatusOK {
		return readRefusal(status, text)
	}
	var page struct {
		Rows   []json.RawMessage
		Token  string
		Cursor string
	}
	if err := json.Unmarshal(text, &page); err != nil {
		return fmt.Errorf("%w in %.200q", err, text)
	}
	if page.Cursor == "" && f.compare(l, page.Token, page.Rows) {
		l.totals.compared.Add(1)
	}
	return nil
}

// prober wants every relation to take writes again after the disk has recovered.
type prober struct{ ledgers []*ledger }

// probing is the client number of probes.
const probing = 90

func (p *prober) recovered(l *life) {
	columns := map[string]string{"ev": "client, req, i, size, v", "moves": "client, req, v", "transfers": "client, req, src, dst, v"}
	for _, g := range p.ledgers {
		for began := time.Now(); ; {
			number := g.begin(probing, 1, 0)
			values := map[string]string{"ev": fmt.Sprintf("%d, %d, 0, 1, 0", probing, number), "moves": fmt.Sprintf("%d, %d, 0", probing, number),
				"transfers": fmt.Sprintf("%d, %d, 0, 0, 0", probing, number)}
			_, err := l.sql(l.ctx, fmt.Sprintf("INSERT INTO %s (%s) VALUES (%s)", g.relation, columns[g.relation], values[g.relation]))
			f := l.fateOf("a probe", err)
			g.end(probing, number, f, false)
			if f == acked {
				l.totals.recovered.Add(1)
				break
			}
			if time.Since(began) > waitMax {
				l.violated("%s does not take writes minutes after the disk has recovered: %v", g.relation, err)
				break
			}
			if !l.pause(50 * time.Millisecond) {
				return
			}
		}
	}
}

// check wants a node that has just started to have everything.
func (c *clients) check(l *life, t *totals) error {
	for _, g := range c.ledgers {
		if err := g.settle(l, t); err != nil {
			return err
		}
	}
	rows, err := l.sql(l.ctx, `SELECT client, slot, n FROM kv`)
	if err != nil {
		return err
	}
	for _, w := range c.tables {
		w.settle(l, rows)
	}
	check := slices.Clone(views)
	for _, d := range c.definers {
		for _, o := range d.objects {
			if err := o.settle(l); err != nil {
				return fmt.Errorf("looking at %s: %w", o.name, err)
			}
			if !o.table && o.now != "" {
				check = append(check, o.name)
			}
		}
	}
	if err := c.model(l); err != nil {
		return err
	}
	for _, v := range check {
		if err := verify(l, v); err != nil {
			return fmt.Errorf("verifying %s: %w", v, err)
		}
		t.verified++
	}
	for _, s := range c.subscribers {
		if err := s.settle(l); err != nil {
			return err
		}
	}
	return nil
}

// verify lets the node compare a view with DuckDB's answer.
func verify(l *life, view string) error {
	rows, err := l.sql(l.ctx, "VERIFY VIEW "+view)
	if err != nil {
		return err
	}
	if rows[0][0] != "equal" {
		l.violated("%s is not what its query says: %v", view, rows[:min(len(rows), 6)])
	}
	return nil
}

// model compares views with what the clients know to be stored.
func (c *clients) model(l *life) error {
	counts, sums := c.ledgers[0].stored()
	rows, err := l.sql(l.ctx, `SELECT client, c, s FROM per_client`)
	if err != nil {
		return err
	}
	seen := map[int]bool{}
	for _, r := range rows {
		client := int(number(r[0]))
		seen[client] = true
		if want, known := counts[client]; known && (number(r[1]) != want || number(r[2]) != sums[client]) {
			l.violated("per_client: client %d has %v rows with sum %v, stored are %d with %d", client, r[1], r[2], want, sums[client])
		}
	}
	for client, want := range counts {
		if want > 0 && !seen[client] {
			l.violated("per_client: client %d is missing", client)
		}
	}
	rows, err = l.sql(l.ctx, `SELECT (SELECT total FROM total), (SELECT count(*) FROM drift), (SELECT z FROM zero), (SELECT count(*) FROM torn)`)
	if err != nil {
		return err
	}
	for i, want := range []int64{2 * accounts * opening, 0, 0, 0} {
		if number(rows[0][i]) != want {
			l.violated("the invariants total, drift, zero, torn are %v", rows[0])
		}
	}
	return nil
}
