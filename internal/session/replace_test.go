package session_test

import (
	"strings"
	"testing"
)

func TestReplaceView(t *testing.T) {
	r := newRestartable(t)
	r.must(`CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER)`, `INSERT INTO t VALUES (1, 10), (2, 20)`, `CREATE OR REPLACE VIEW v AS SELECT id FROM t`, `CREATE VIEW w AS SELECT 1 AS x`)
	r.want(`SELECT * FROM v`, "1", "2")
	r.must(`CREATE OR REPLACE VIEW v AS SELECT id, n * 2 AS twice FROM t`, `COMMENT ON VIEW v IS 'two'`)
	r.want(`SELECT * FROM v`, "1|20", "2|40")
	r.must(`CREATE TABLE later (x INTEGER)`, `INSERT INTO later VALUES (7)`, `CREATE OR REPLACE VIEW v (a) AS SELECT x FROM later`)
	r.always([]string{`SELECT a FROM v`, "7"}, []string{`SELECT * FROM w`, "1"})
	r.must(`CREATE MATERIALIZED VIEW m AS SELECT sum(a) AS a FROM v`)
	r.fails("2BP01", `CREATE OR REPLACE VIEW v AS SELECT x + 1 AS a FROM later`)
	r.must(`CREATE OR REPLACE VIEW v AS SELECT x AS a FROM (SELECT x FROM later)`) // the same, said otherwise
	r.must(`CREATE OR REPLACE VIEW v AS SELECT x AS a, 5 AS more FROM later`)
	r.must(`INSERT INTO later VALUES (1)`)
	r.always([]string{`SELECT * FROM m`, "8"}, []string{`SELECT * FROM v`, "1|5", "7|5"})
	r.fails("0A000", `CREATE OR REPLACE TABLE t (id INTEGER)`)
	r.fails("0A000", `CREATE OR REPLACE VIEW t AS SELECT 1 AS x`)
	r.fails("0A000", `CREATE OR REPLACE MATERIALIZED VIEW m AS SELECT 1 AS x`)
	if _, err := r.run(`CREATE OR REPLACE VIEW w AS SELECT x FROM w`); err == nil {
		t.Error("a view of itself")
	}
	r.always([]string{`SELECT * FROM w`, "1"}, []string{`SELECT * FROM m`, "8"})
}

func TestExplainExpressions(t *testing.T) {
	r := newRestartable(t)
	r.must(`CREATE STREAM s (a INTEGER, b VARCHAR)`)
	text := strings.Join(r.must(`EXPLAIN SELECT a + 1 AS x, jaro_similarity(b, 'x') AS y FROM s`), "\n")
	if !strings.Contains(text, "native: ") || !strings.Contains(text, "DuckDB (jaro_similarity): ") {
		t.Errorf("explained as\n%s", text)
	}
}
