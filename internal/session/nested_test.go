package session_test

import (
	"strings"
	"testing"

	"github.com/tidemill/tidemill/internal/session"
)

// TestNestedIngest sends nested values in JSON, as text and as literals; each event has a verdict of its own, with the path to what is wrong.
func TestNestedIngest(t *testing.T) {
	c := connect(t, openDatabase(t))
	c.must(`CREATE STREAM ev (id INTEGER, tags VARCHAR[], pos STRUCT(x INTEGER, hist DOUBLE[]), attrs MAP(VARCHAR, INTEGER), size ENUM('small', 'LARGE'), pair INTEGER[2])`,
		`CREATE MATERIALIZED VIEW by_tags AS SELECT tags, count(*) AS n FROM ev GROUP BY tags`,
		`CREATE MATERIALIZED VIEW parts AS SELECT id, pos.x AS x, pos.hist[1] AS h, attrs['a'] AS a, size FROM ev WHERE id IS NOT NULL`)
	send := func(contentType, body string) session.IngestResult {
		t.Helper()
		res, err := c.Ingest(c.ctx, "ev", strings.NewReader(body), session.IngestOptions{ContentType: contentType})
		if err != nil {
			t.Fatal(err)
		}
		return res
	}
	res := send("application/json", `[
		{"id": 1, "tags": ["a", "b c", null], "pos": {"hist": [1.5], "X": 7}, "attrs": {"a": 1, "b": null}, "size": "LARGE", "pair": [1, 2]},
		{"id": 2, "tags": [], "pos": {}, "attrs": {}},
		{"id": 3, "tags": "[a, 'b c', NULL]"},
		{"id": 4, "tags": [1, {"x": 2}]},
		{"id": 5, "tags": {"a": 1}},
		{"id": 6, "pos": {"x": 1, "hist": [1, "x"]}},
		{"id": 7, "pos": {"y": 1}},
		{"id": 8, "attrs": {"a": 1.5}},
		{"id": 9, "size": "medium"},
		{"id": 10, "pair": [1]},
		{"id": 11, "tags": 5}]`)
	if res.Accepted != 4 || res.Rejected != 7 {
		t.Errorf("%d accepted, %d rejected", res.Accepted, res.Rejected)
	}
	for i, want := range []string{"{\"a\": 1} is not a value of VARCHAR[]", "pos.hist[2]: ", "pos.y: ", "attrs.a: 1.5 is not a whole number", "ENUM('small', 'LARGE')", "1 elements, not 2", "5 is not a value of VARCHAR[]"} {
		if i >= len(res.Errors) || !strings.Contains(res.Errors[i].Message, want) || res.Errors[i].Code != "type_mismatch" {
			t.Errorf("refusal %d of %+v does not name %s", i, res.Errors, want)
		}
	}
	if res := send("text/csv", "id,tags,attrs,size\n20,\"{x,\"\"y z\"\"}\",\"{\"\"a\"\": 5}\",small\n21,nonsense,,\n"); res.Accepted != 1 || res.Rejected != 1 {
		t.Errorf("CSV: %+v", res)
	}
	c.must(`INSERT INTO ev VALUES (30, ['a', 'b c', NULL], {'x': 9, 'hist': []}, MAP {'a': 3}, 'small', [3, 4])`,
		`INSERT INTO ev (id, tags) SELECT id + 100, list_reverse(tags) FROM ev WHERE id = 1`)
	c.want(`SELECT id, tags, pos, attrs, size, pair FROM ev WHERE id IN (1, 2, 20, 30) ORDER BY id`,
		"1|[a, b c, NULL]|{'x': 7, 'hist': [1.5]}|{a=1, b=NULL}|LARGE|[1, 2]", "20|[x, y z]|NULL|{a=5}|small|NULL",
		"2|[]|{'x': NULL, 'hist': NULL}|{}|NULL|NULL", "30|[a, b c, NULL]|{'x': 9, 'hist': []}|{a=3}|small|[3, 4]")
	c.want(`SELECT tags, n FROM by_tags WHERE n > 1`, "[a, b c, NULL]|3")
	c.want(`SELECT n FROM by_tags WHERE tags = ['x', 'y z']`, "1")
	c.want(`SELECT * FROM parts WHERE a IS NOT NULL ORDER BY id`, "1|7|1.5|1|LARGE", "20|NULL|NULL|5|small", "30|9|NULL|3|small")
	c.want(`SELECT min(size)::VARCHAR, max(size)::VARCHAR FROM ev`, "small|LARGE")
}

// TestNestedTables has keys of nested types and an ENUM, and changes by key.
func TestNestedTables(t *testing.T) {
	c := connect(t, openDatabase(t))
	c.must(`CREATE TABLE t (k STRUCT(a INTEGER, b VARCHAR) PRIMARY KEY, v INTEGER[])`, `CREATE TABLE e (size ENUM('s', 'L') PRIMARY KEY, n INTEGER)`,
		`CREATE MATERIALIZED VIEW n AS SELECT v, count(*) AS n FROM t GROUP BY v`,
		`INSERT INTO t VALUES ({'a': 1, 'b': 'x'}, [1]), ({'a': 1, 'b': NULL}, [1]), ({'a': 2, 'b': 'it''s'}, NULL)`)
	c.fails("23505", `INSERT INTO t VALUES ({'a': 1, 'b': NULL}, [2])`)
	c.must(`INSERT INTO t VALUES ({'a': 1, 'b': 'x'}, [5]) ON CONFLICT (k) DO UPDATE SET v = list_concat(t.v, excluded.v)`, `UPDATE t SET v = [9] WHERE k = {'a': 2, 'b': 'it''s'}`,
		`DELETE FROM t WHERE k.a = 1 AND k.b IS NULL`, `INSERT INTO e VALUES ('s', 1), ('L', 2)`, `INSERT OR REPLACE INTO e VALUES ('s', 5)`)
	c.want(`SELECT k, v FROM t ORDER BY k`, "{'a': 1, 'b': x}|[1, 5]", `{'a': 2, 'b': 'it\'s'}|[9]`)
	c.want(`SELECT v, n FROM n ORDER BY v`, "[1, 5]|1", "[9]|1")
	c.want(`SELECT size, n FROM e ORDER BY size`, "L|2", "s|5")
	c.want(`SELECT n FROM e WHERE size = 'L'`, "2")
	c.fails("22P02", `INSERT INTO e VALUES ('M', 2)`)
	for _, bad := range []string{`CREATE TABLE u (a BIT[])`, `CREATE STREAM u (a mood)`, `CREATE STREAM u (a ENUM('x', 'x'))`, `CREATE STREAM u (a STRUCT(b nope))`} {
		c.fails("0A000", bad)
	}
}
