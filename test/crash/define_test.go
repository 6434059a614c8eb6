package crash

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"
)

// definer creates, replaces, alters and drops views and tables, over the history that the others write.
type definer struct {
	id      int
	objects []*object
	version int
}

// object is a name that stands for something, or nothing.
type object struct {
	name  string
	table bool
	// now is what the name stands for, as observe tells it, "" for nothing; then is what it stands for if the last statement counted, as far as open is set.
	now, then string
	open      bool
}

func newDefiner(id int) *definer {
	d := &definer{id: id}
	for i := range 3 {
		d.objects = append(d.objects, &object{name: fmt.Sprintf("d%d_%d", id, i)})
	}
	d.objects = append(d.objects, &object{name: fmt.Sprintf("t%d", id), table: true})
	return d
}

// queries of views; the last column's name says which version it is.
var queries = []string{
	`SELECT k, count(*) AS %s FROM ev GROUP BY k`,
	`SELECT e.client, max(e.v + kv.n) AS %s FROM ev e JOIN kv ON kv.slot = e.i %% 24 GROUP BY e.client`,
	`SELECT dst, sum(v)::BIGINT AS %s FROM transfers GROUP BY dst`,
	`SELECT client, slot, n AS %s FROM kv WHERE n %% 2 = 0`,
	`SELECT window_start, count(*) AS %s FROM tumble(ev, at, INTERVAL 10 SECONDS) GROUP BY window_start`,
	`SELECT client, max(c) AS %s FROM per_client GROUP BY client`,
	`SELECT e.k, count(DISTINCT e.client) AS %s FROM ev e LEFT JOIN per_key p ON p.k = e.k GROUP BY e.k`,
	`SELECT client, v, row_number() OVER (PARTITION BY client ORDER BY v DESC, req, i) AS %s FROM ev QUALIFY row_number() OVER (PARTITION BY client ORDER BY v DESC, req, i) <= 3`,
}

func (d *definer) run(l *life) {
	rng := l.rng(uint64(7000 + d.id))
	for l.pause(time.Duration(rng.IntN(150)) * time.Millisecond) {
		o := d.objects[rng.IntN(len(d.objects))]
		if o.open {
			if err := o.settle(l); err != nil {
				continue
			}
		}
		d.version++
		var statement string
		if o.table {
			statement = d.table(o, rng)
		} else {
			statement = d.view(o, rng)
		}
		o.open = true
		_, err := l.sql(l.ctx, statement)
		switch l.fateOf(statement, err) {
		case acked:
			l.totals.defined.Add(1)
			o.now, o.open = o.then, false
		case refused:
			o.open = false
		}
	}
}

func (d *definer) view(o *object, rng *rand.Rand) string {
	if o.now != "" && rng.IntN(3) > 0 {
		o.then = ""
		return "DROP MATERIALIZED VIEW " + o.name
	}
	create := "CREATE MATERIALIZED VIEW "
	if o.now != "" {
		create = "CREATE OR REPLACE MATERIALIZED VIEW "
	}
	name := fmt.Sprintf("def_%d_%d", d.id, d.version)
	o.then = name
	return create + o.name + " AS " + fmt.Sprintf(queries[rng.IntN(len(queries))], name)
}

func (d *definer) table(o *object, rng *rand.Rand) string {
	switch op := rng.IntN(6); {
	case o.now == "":
		column := fmt.Sprintf("first_%d_%d", d.id, d.version)
		o.then = fmt.Sprintf("id,%s rows 0", column)
		return fmt.Sprintf("CREATE TABLE %s (id INTEGER PRIMARY KEY, %s INTEGER)", o.name, column)
	case op == 0:
		o.then = ""
		return "DROP TABLE " + o.name
	case op == 1:
		columns, _, _ := strings.Cut(o.now, " ")
		column := fmt.Sprintf("more_%d_%d", d.id, d.version)
		o.then = fmt.Sprintf("%s,%s rows %d", columns, column, o.count())
		return fmt.Sprintf("ALTER TABLE %s ADD COLUMN %s INTEGER DEFAULT %d", o.name, column, d.version)
	}
	columns, _, _ := strings.Cut(o.now, " ")
	o.then = fmt.Sprintf("%s rows %d", columns, o.count()+3)
	return fmt.Sprintf("INSERT INTO %s (id) SELECT %d + i FROM range(3) AS t(i)", o.name, d.version*10)
}

// count is the number of rows that a table has.
func (o *object) count() (n int) {
	_, rows, _ := strings.Cut(o.now, " rows ")
	if _, err := fmt.Sscan(rows, &n); err != nil {
		return 0
	}
	return n
}

// observe says what the name stands for.
func (o *object) observe(l *life) (string, error) {
	rows, err := l.sql(l.ctx, "DESCRIBE "+o.name)
	var r *refusal
	if errors.As(err, &r) && r.code == "42P01" {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	var columns []string
	for _, r := range rows {
		columns = append(columns, fmt.Sprint(r[0]))
	}
	if !o.table {
		return columns[len(columns)-1], nil
	}
	if rows, err = l.sql(l.ctx, "SELECT count(*) FROM "+o.name); err != nil {
		return "", err
	}
	return fmt.Sprintf("%s rows %d", strings.Join(columns, ","), number(rows[0][0])), nil
}

// settle compares what is defined with what is known, and learns what became of the last statement.
func (o *object) settle(l *life) error {
	got, err := o.observe(l)
	if err != nil {
		return err
	}
	if got != o.now && (!o.open || got != o.then) {
		l.violated("%s is %q; acknowledged is %q, not answered (%t) %q", o.name, got, o.now, o.open, o.then)
	}
	o.now, o.open = got, false
	return nil
}
