package slt

import (
	"errors"
	"math/rand/v2"
	"os"
	"regexp"
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
	{"SELECT k FROM a WHERE k = ANY($1)", "parameter", "filter in the query that reads it"},
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
	{"SELECT k, histogram(n, [1, id]) AS h FROM a GROUP BY k", "histogram with bins that are not constant", "write the bins themselves"},
	{"SELECT k, histogram(n, [1, 1]) AS h FROM a GROUP BY k", "histogram with the same bin twice", "maintained aggregates are"},
	{"SELECT k, bitstring_agg(n) AS b FROM a GROUP BY k", "bitstring_agg", "maintained aggregates are"},
	{"SELECT k, arg_min(n, k ORDER BY id) AS m FROM a GROUP BY k", "arg_min with ORDER BY", "maintained aggregates are"},
	{"SELECT k, max(n, n) AS m FROM a GROUP BY k", "a number of values that is not constant", "write the number itself"},
	{"SELECT n::BIT AS l, count(*) AS c FROM a GROUP BY l", "BIT", "VARCHAR"},
	{"SELECT DISTINCT union_value(k := k) AS l FROM a", "UNION", "VARCHAR"},
	{"SELECT a.n, b.x FROM a JOIN b ON a.n::BIT = b.n::BIT", "BIT", "VARCHAR"},
	{"SELECT name, rows FROM tidemill.view_status", "tidemill.view_status is computed when it is read", "in the query that reads the view"},
	{"PIVOT b ON k USING sum(n)", "PIVOT without the values", "list the values"},
	{"SELECT a.k, b.x FROM a ASOF JOIN b ON a.k = b.k AND a.n >= b.n AND a.id > b.x", "Multiple ASOF JOIN inequalities", ""},
	{"SELECT struct_update({'a': n}, a := 2) AS c FROM a", "struct_update", "build the struct anew"},
	{"SELECT TRY(CASE WHEN n > 1 THEN k::INTEGER END) AS r FROM a", "TRY over CASE", "TRY_CAST"},
	{"SELECT * FROM read_csv('x.csv')", "Cannot access file", ""},
	{"SELECT k, n, k FROM a", `two columns named "k"`, "AS"},
}

// refusedStatements are understood and not available. A session says so when it prepares them; those about connections are not here.
var refusedStatements = []struct{ statement, message, hint string }{
	{"CREATE TABLE t AS SELECT * FROM a", "CREATE TABLE … AS", "INSERT INTO … SELECT"},
	{"CREATE STREAM t AS SELECT * FROM a", "CREATE STREAM … AS", "MATERIALIZED VIEW"},
	{"CREATE OR REPLACE TABLE a (id INTEGER)", "replacing table", "DROP it first"},
	{"CREATE TEMP TABLE t (id INTEGER)", "CREATE TEMP", "DROP the relation"},
	{"CREATE TABLE t (id INTEGER CHECK (id > 0))", "CHECK constraints", "filter them in a view"},
	{"CREATE TABLE t (id INTEGER UNIQUE)", "UNIQUE constraints", "PRIMARY KEY"},
	{"CREATE TABLE t (id INTEGER REFERENCES a)", "foreign keys", "orphans"},
	{"CREATE TABLE t (id INTEGER, twice INTEGER GENERATED ALWAYS AS (id * 2))", "generated columns", "in a view"},
	{"CREATE TABLE t (x BIT)", "columns of type BIT", ""},
	{"CREATE TABLE t (x TIMESTAMP_NS)", "columns of type TIMESTAMP_NS", "nanoseconds as a BIGINT"},
	{"CREATE TABLE t (x TIMESTAMP_S)", "columns of type TIMESTAMP_S", "use TIMESTAMP"},
	{"CREATE TABLE t (x TIMETZ)", "columns of type TIMETZ", "TIME in UTC"},
	{"CREATE TABLE t (at TIMESTAMP, WATERMARK FOR at AS at)", "a table has no watermark", "STREAM"},
	{"CREATE STREAM t (id INTEGER PRIMARY KEY)", "a stream has no primary key", "TABLE"},
	{"CREATE INDEX i ON a (n)", "CREATE INDEX", "MATERIALIZED VIEW"},
	{"CREATE SCHEMA x", "CREATE SCHEMA", "a prefix"},
	{"CREATE DATABASE x", "CREATE DATABASE", "another node"},
	{"CREATE TYPE mood AS ENUM (SELECT k FROM a)", "is not a type that columns can have", "list the values"},
	{"CREATE OR REPLACE TYPE mood AS ENUM ('ok')", "replacing type", "DROP it first"},
	{"ALTER TYPE mood ADD VALUE 'ok'", "ALTER TYPE", "another name"},
	{"CREATE SEQUENCE x", "CREATE SEQUENCE", "uuid()"},
	{"CREATE MACRO f(x) AS x + 1", "CREATE MACRO", "Write the expression"},
	{"CREATE TRIGGER x AFTER INSERT ON a EXECUTE FUNCTION f()", "CREATE TRIGGER", "SUBSCRIBE"},
	{"CREATE SOURCE x", "CREATE SOURCE", "STREAM or TABLE"},
	{"CREATE SINK x FROM a", "CREATE SINK", "SUBSCRIBE"},
	{"CREATE ROLE x", "CREATE ROLE", "loopback"},
	{"GRANT SELECT ON a TO x", "GRANT", "loopback"},
	{"ALTER TABLE a ADD x INTEGER, DROP n", "several changes", "one ALTER per change"},
	{"ALTER TABLE a ALTER n TYPE VARCHAR USING n::VARCHAR", "USING", "Add a column"},
	{"ALTER TABLE a ALTER n SET NOT NULL", "NOT NULL cannot be changed", "anew"},
	{"ALTER STREAM s SET (partitions = 2)", `option "partitions" of a stream cannot be changed`, "anew"},
	{"ALTER STREAM s SET (idle_timeout = '1 hour')", `option "idle_timeout" of a stream cannot be changed`, "anew"},
	{"INSERT INTO a VALUES (1, 'x', 1, NULL) ON CONFLICT DO UPDATE SET id = 2", "part of the primary key", "UPDATE and MERGE"},
	{"UPDATE s SET n = 1", "cannot update", ""},
	{"DELETE FROM s", "cannot delete from", ""},
	{"COPY a FROM 'file.csv'", "no files of the server", "tidemill load"},
	{"EXPLAIN INSERT INTO b VALUES ('x', 1, 2)", "EXPLAIN of INSERT", "EXPLAIN takes"},
	{"EXPLAIN ANALYZE SELECT k FROM a", "EXPLAIN ANALYZE", "tidemill.view_status"},
	{"SET VARIABLE x = 1", "variables", "parameter"},
	{"LISTEN x", "LISTEN", "SUBSCRIBE"},
	{"LOCK TABLE a", "LOCK", "No lock is needed"},
	{"VACUUM", "VACUUM", "nothing to do"},
	{"REFRESH MATERIALIZED VIEW v", "REFRESH", "always up to date"},
	{"ATTACH 'other.db'", "ATTACH", "connect to the other one"},
	{"INSTALL spatial", "INSTALL", "not for users"},
	{"CALL f()", "CALL", "Send the statement itself"},
	{"PREPARE TRANSACTION 'x'", "two-phase commit", "COMMIT"},
	{"COMMIT AND CHAIN", "AND CHAIN", "BEGIN"},
}

// TestRefusedStatements checks that they are refused in words that help.
func TestRefusedStatements(t *testing.T) {
	r := &run{t: t, ctx: t.Context(), dir: t.TempDir(), rng: rand.New(rand.NewPCG(1, 0))}
	r.open()
	defer r.close()
	for _, s := range refusedSchema {
		r.exec(s)
	}
	for _, c := range refusedStatements {
		_, err := r.query(c.statement)
		var f *fault.Error
		switch {
		case !errors.As(err, &f) || f.Code == fault.Internal || f.Code == fault.SyntaxError:
			t.Errorf("%s\nanswers %v", c.statement, err)
		case !strings.Contains(f.Message, c.message) || !strings.Contains(f.Hint, c.hint):
			t.Errorf("%s\nsays %q and advises %q, want %q and %q", c.statement, f.Message, f.Hint, c.message, c.hint)
		}
	}
}

// TestReferenceListsWhatIsRefused compares the tables of the SQL reference with the lists of these tests, both ways.
func TestReferenceListsWhatIsRefused(t *testing.T) {
	text, err := os.ReadFile("../../docs/sql.md")
	if err != nil {
		t.Fatal(err)
	}
	_, refused, _ := strings.Cut(string(text), "\n## What is refused\n")
	refused, _, _ = strings.Cut(refused, "\n## ")
	listed := map[string]bool{}
	for _, m := range regexp.MustCompile("(?m)^\\| `([^`]+)` \\| [^|]+ \\| [^|]+ \\|$").FindAllStringSubmatch(refused, -1) {
		if listed[m[1]] {
			t.Errorf("the reference lists twice: %s", m[1])
		}
		listed[m[1]] = true
	}
	if rows := strings.Count(refused, "\n| `"); rows != len(listed) {
		t.Errorf("%d rows of the tables, %d have the form of a refusal", rows, len(listed))
	}
	for _, c := range refusedQueries {
		if !listed[c.query] {
			t.Errorf("the reference does not list: %s", c.query)
		}
		delete(listed, c.query)
	}
	for _, c := range refusedStatements {
		if !listed[c.statement] {
			t.Errorf("the reference does not list: %s", c.statement)
		}
		delete(listed, c.statement)
	}
	for q := range listed {
		t.Errorf("the reference lists what no test refuses: %s", q)
	}
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
