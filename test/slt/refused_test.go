package slt

import (
	"errors"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/tidemill/tidemill/internal/fault"
)

// refusedSchema is what the queries of TestRefusedQueries read.
var refusedSchema = []string{
	"CREATE TABLE a (id INTEGER PRIMARY KEY, k VARCHAR, n INTEGER, at TIMESTAMP)",
	"CREATE TABLE b (k VARCHAR, n INTEGER, x DOUBLE)",
	"CREATE STREAM s (k VARCHAR, n INTEGER, at TIMESTAMP)",
}

// refusedQueries have parts that cannot be maintained. message is what the error must name, hint what it must advise.
var refusedQueries = []struct{ query, message, hint string }{
	{"SELECT k FROM a LIMIT 10%", "LIMIT with a percentage", "in the query that reads it"},
	{"SELECT k FROM a LIMIT (SELECT max(n) FROM b)", "LIMIT with a percentage or an expression", "in the query that reads it"},
	{"SELECT k FROM a TABLESAMPLE reservoir(20%)", "sample", "hash(id)"},
	{"WITH RECURSIVE r(x, d) USING KEY (x) AS (SELECT n, 0 FROM a UNION SELECT x, d + 1 FROM r WHERE d < 3) SELECT x FROM r", "USING KEY", "UNION"},
	{"SELECT current_database() AS d, k FROM a", "current_database depends on the session", "in the query that reads the view"},
	{"SELECT k FROM a WHERE k = current_user", "current_user depends on the session", "in the query that reads the view"},
	{"SELECT k FROM a WHERE k = ANY($1)", "parameter", ""},
	{"SELECT a.id, e.fullkey FROM a, json_each(a.k, '$.x') AS e", "fullkey of json_each() with a path", "json_extract"},
	{"SELECT a.k, b.x FROM a POSITIONAL JOIN b", "POSITIONAL JOIN", "join on a column"},
	{"SELECT k, fill(n) OVER (ORDER BY at) AS f FROM a", "fill()", "IGNORE NULLS"},
	{"SELECT k, first_value(n ORDER BY id) OVER (PARTITION BY k) AS f FROM a", "first_value()", "OVER (… ORDER BY …)"},
	{"SELECT k, sum(n) OVER (ORDER BY id::HUGEINT RANGE 3 PRECEDING) AS f FROM a", "RANGE frame with an offset over an order of type HUGEINT", "use ROWS"},
	{"SELECT * FROM a USING SAMPLE 10%", "sample", "hash(id)"},
	{"SELECT rowid AS r, k FROM a", "rowid", "identifies"},
	{"SELECT k, now() AS t FROM a", "now()", "the query that reads the view"},
	{"SELECT k FROM s WHERE at > current_timestamp::TIMESTAMP - INTERVAL 1 HOUR OR k IS NULL", "now() in this form", "as a condition of its own"},
	{"SELECT k, random() AS r FROM a", "random()", "when the event is ingested"},
	{"SELECT uuid() AS u, k FROM a", "uuid()", "when the event is ingested"},
	{"SELECT k, histogram(n, [1, 2]) AS h FROM a GROUP BY k", "histogram over (INTEGER, INTEGER[])", "maintained aggregates are"},
	{"SELECT k, bitstring_agg(n) AS b FROM a GROUP BY k", "bitstring_agg", "maintained aggregates are"},
	{"SELECT k, arg_min(n, k ORDER BY id) AS m FROM a GROUP BY k", "arg_min with ORDER BY", "maintained aggregates are"},
	{"SELECT k, max(n, n) AS m FROM a GROUP BY k", "a number of values that is not constant", "write the number itself"},
	{"SELECT n::BIT AS l, count(*) AS c FROM a GROUP BY l", "BIT", "VARCHAR"},
	{"SELECT DISTINCT union_value(k := k) AS l FROM a", "UNION", "VARCHAR"},
	{"SELECT a.n, b.x FROM a JOIN b ON a.n::BIT = b.n::BIT", "BIT", "VARCHAR"},
	{"SELECT k, n, k FROM a", `two columns named "k"`, "AS"},
}

// TestRefusedQueries checks that what cannot be maintained is refused when the view is created, in words that help, and that
// nothing of the view remains.
func TestRefusedQueries(t *testing.T) {
	r := &run{t: t, ctx: t.Context(), dir: t.TempDir(), rng: rand.New(rand.NewPCG(1, 0))}
	r.open()
	defer r.close()
	for _, s := range refusedSchema {
		r.exec(s)
	}
	for _, c := range refusedQueries {
		_, err := r.query("CREATE MATERIALIZED VIEW v AS " + c.query)
		var f *fault.Error
		switch {
		case err == nil:
			t.Errorf("accepted: %s", c.query)
			r.exec("DROP MATERIALIZED VIEW v")
			continue
		case !errors.As(err, &f):
			t.Errorf("%s\nis no error for a user: %v", c.query, err)
			continue
		case f.Code == fault.Internal || f.Code == fault.SyntaxError:
			t.Errorf("%s\nhas code %s: %v", c.query, f.Code, err)
		}
		if !strings.Contains(f.Message, c.message) {
			t.Errorf("%s\nthe message %q does not name %q", c.query, f.Message, c.message)
		}
		if !strings.Contains(f.Hint, c.hint) {
			t.Errorf("%s\nthe hint %q does not advise %q", c.query, f.Hint, c.hint)
		}
		if _, err := r.query("SELECT * FROM v"); err == nil {
			t.Errorf("%s\nleft a view behind", c.query)
		}
	}
	r.exec("CREATE MATERIALIZED VIEW v AS SELECT k, count(*) AS c FROM s GROUP BY k")
}
