package session_test

import "testing"

func TestNamedTypes(t *testing.T) {
	r := newRestartable(t)
	r.must(`CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy')`, `CREATE TYPE "Place" AS STRUCT(x INTEGER, m Mood)`, `CREATE TYPE IF NOT EXISTS mood AS INTEGER`, `CREATE TYPE cents AS BIGINT`,
		`CREATE TABLE people (id INTEGER PRIMARY KEY, m mood DEFAULT 'ok'::mood, was MOOD[], at "Place", "by" MAP(mood, cents))`,
		`CREATE STREAM s (id INTEGER, m main.mood)`)
	r.must(`INSERT INTO people VALUES (1, 'happy', ['sad', 'ok'], {'x': 1, 'm': 'sad'}, MAP {'ok': 5}), (2, 'sad', NULL, NULL, NULL)`, `INSERT INTO people (id) VALUES (3)`,
		`CREATE MATERIALIZED VIEW better AS SELECT id, m::mood AS m FROM people WHERE m > 'sad'::mood`, `CREATE VIEW cast_here AS SELECT id, TRY_CAST('ok' AS mood) AS m, 5::cents AS c FROM people`)
	r.always([]string{`SHOW TYPES`, "Place|STRUCT(\"x\" INTEGER, \"m\" ENUM('sad', 'ok', 'happy'))", "cents|BIGINT", "mood|ENUM('sad', 'ok', 'happy')"},
		[]string{`SELECT * FROM better`, "1|happy", "3|ok"},
		[]string{`SELECT max(m) FROM people WHERE m <> 'happy'`, "ok"},
		[]string{`SELECT DISTINCT m, c, typeof(m) FROM cast_here`, "ok|5|ENUM('sad', 'ok', 'happy')"},
		[]string{`SELECT was[1] = 'sad'::mood FROM people WHERE id = 1`, "true"})
	r.must(`ALTER TABLE people ADD COLUMN later mood DEFAULT 'happy'`, `UPDATE people SET m = 'happy'::mood WHERE id = 2`)
	r.want(`SELECT id, later FROM people WHERE id = 2`, "2|happy")
	r.want(`SHOW TYPES LIKE 'M%'`, "mood|ENUM('sad', 'ok', 'happy')")
	r.fails("42P07", `CREATE TYPE MOOD AS ENUM ('a')`)
	r.fails("42P07", `CREATE TYPE bit AS ENUM ('a')`)
	r.fails("42P07", `CREATE TYPE "integer" AS ENUM ('a')`)
	r.fails("0A000", `CREATE TYPE t AS BIT`)
	r.fails("0A000", `CREATE TYPE t AS nothing`)
	r.fails("0A000", `CREATE TYPE t AS ENUM (SELECT 'a')`)
	r.fails("0A000", `CREATE TYPE t AS ENUM ('a', 'a')`)
	r.fails("0A000", `CREATE OR REPLACE TYPE mood AS ENUM ('a')`)
	r.fails("42602", `CREATE TYPE tidemill.x AS ENUM ('a')`)
	r.fails("42601", `CREATE TYPE x ENUM ('a')`)
	r.fails("0A000", `DROP TYPE mood CASCADE`)
	r.fails("0A000", `ALTER TYPE mood ADD VALUE 'x'`)
	r.fails("42704", `DROP TYPE nothing`)
	r.fails("2BP01", `DROP TYPE cents, mood`)
	r.must(`DROP TYPE IF EXISTS nothing, "place"`, `DROP VIEW cast_here`, `DROP MATERIALIZED VIEW better`, `ALTER TABLE people ALTER m DROP DEFAULT`, `DROP TYPE cents, mood, mood`)
	r.fails("0A000", `CREATE TABLE x (m mood)`)
	r.always([]string{`SHOW TYPES`}, []string{`SELECT id, m FROM people`, "1|happy", "2|happy", "3|ok"})
	create := r.must(`SHOW CREATE TABLE people`)
	r.must(`DROP TABLE people`, create[0], `CREATE TYPE mood AS ENUM ('new')`)
	r.want(`SELECT 'new'::mood`, "new")
}
