package session_test

import "testing"

func TestInsertByName(t *testing.T) {
	r := newRestartable(t)
	r.must(`CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER DEFAULT 7, s VARCHAR)`, `CREATE STREAM e (a INTEGER, "B c" VARCHAR)`,
		`INSERT INTO t BY NAME SELECT 'x' AS S, 1 AS id`, `INSERT INTO t BY NAME FROM (SELECT 2 AS n, 2 AS id)`, `WITH w AS (SELECT 3 AS id, 'w' AS s) INSERT INTO t BY NAME SELECT * FROM w`,
		`INSERT INTO t BY NAME SELECT 5 AS n, 1 AS id ON CONFLICT DO UPDATE SET n = excluded.n`, `INSERT INTO e BY NAME SELECT id AS a, s AS "B c" FROM t`, `INSERT INTO t BY POSITION VALUES (9, 9, 'p')`)
	r.want(`SELECT * FROM t`, "1|5|x", "2|2|NULL", "3|7|w", "9|9|p")
	r.want(`SELECT count(*), count("B c") FROM e`, "3|2")
	r.fails("42703", `INSERT INTO t BY NAME SELECT 4 AS id, 1 AS m`)
	r.fails("42701", `INSERT INTO t BY NAME SELECT 4 AS id, 5 AS id`)
	r.fails("42601", `INSERT INTO t BY NAME VALUES (4)`)
	r.fails("42601", `INSERT INTO t (id) BY NAME SELECT 4 AS id`)
}
