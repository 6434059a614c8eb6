package wire

import (
	"os"
	"testing"
)

// python is the interpreter that has the drivers: TIDEMILL_PYTHON, or python3.
func python() string {
	if p := os.Getenv("TIDEMILL_PYTHON"); p != "" {
		return p
	}
	return "python3"
}

func TestPsycopg(t *testing.T) {
	need(t, python(), "-c", "import psycopg")
	address := node(t)
	greenhouse(t, address)
	out := program(t, address, `
import psycopg, datetime, decimal
with psycopg.connect("") as db:
    cur = db.execute("SELECT %s::INTEGER + 1, %s::VARCHAR, %s::TIMESTAMPTZ, %s::DECIMAL(10,2)", (41, "ß", datetime.datetime(2026, 1, 2, tzinfo=datetime.timezone.utc), decimal.Decimal("1.5")))
    n, text, at, price = cur.fetchone()
    print(n, text, at.isoformat(), price)
    with db.cursor(binary=True) as b:
        print(b.execute("SELECT [1, 2], true, DATE '2026-01-02', 1.5::DOUBLE").fetchone())
    with db.cursor() as b:
        b.executemany("INSERT INTO sensors VALUES (%s, %s, %s)", [("m%d" % i, "M", None) for i in range(20)])
    with db.cursor().copy("COPY sensors FROM STDIN") as copy:
        copy.write_row(("c1", "C", None))
    db.commit()
    with db.cursor("named") as named:
        named.itersize = 5
        named.execute("SELECT id FROM sensors WHERE zone = %s ORDER BY id", ("M",))
        print(len(list(named)))
    try:
        with db.transaction():
            db.execute("SELECT nope FROM sensors")
    except psycopg.errors.UndefinedColumn as e:
        print(e.diag.sqlstate)
    with db.pipeline():
        a = db.execute("SELECT 1 AS x")
        b = db.execute("SELECT count(*) FROM sensors WHERE zone = %s", ("M",))
    print(a.fetchone(), b.fetchone())
print(db.closed)
`, python(), "-")
	want := `42 ß 2026-01-02T00:00:00+00:00 1.50
([1, 2], True, datetime.date(2026, 1, 2), 1.5)
20
42703
(1,) (20,)
True
`
	if out != want {
		t.Errorf("got\n%s\nwant\n%s", out, want)
	}
}

func TestSQLAlchemy(t *testing.T) {
	need(t, python(), "-c", "import sqlalchemy, psycopg")
	address := node(t)
	greenhouse(t, address)
	out := program(t, address, `
import os, sqlalchemy as sa
e = sa.create_engine("postgresql+psycopg://ada@%s:%s/main" % (os.environ["PGHOST"], os.environ["PGPORT"]))
i = sa.inspect(e)
print(sorted(i.get_table_names()), i.get_view_names(), i.get_materialized_view_names(), i.default_schema_name)
print([(c["name"], str(c["type"]), c["nullable"]) for c in i.get_columns("readings")])
print(i.get_pk_constraint("sensors")["constrained_columns"], i.get_table_comment("sensors")["text"], i.get_indexes("sensors"), i.get_foreign_keys("sensors"))
t = sa.Table("sensors", sa.MetaData(), autoload_with=e)
with e.begin() as db:
    db.execute(t.insert(), [{"id": "a%d" % i, "zone": "SA", "kind": None} for i in range(3)])
with e.connect() as db:
    print(db.execute(sa.select(sa.func.count()).select_from(t).where(t.c.zone == "SA")).scalar())
    print(db.execute(sa.select(t.c.id).where(t.c.id.in_(["a1", "a2"])).order_by(t.c.id)).all())
`, python(), "-")
	want := `['readings', 'sensors'] ['zones'] ['climate'] main
[('sensor', 'VARCHAR', False), ('metric', 'VARCHAR', True), ('value', 'DOUBLE PRECISION', True), ('price', 'NUMERIC(10, 2)', True), ('at', 'TIMESTAMP', True)]
['id'] all sensors [] []
3
[('a1',), ('a2',)]
`
	if out != want {
		t.Errorf("got\n%s\nwant\n%s", out, want)
	}
}

// TestNodePostgres needs the package pg where node finds it (NODE_PATH).
func TestNodePostgres(t *testing.T) {
	need(t, "node", "-e", "require('pg')")
	address := node(t)
	greenhouse(t, address)
	out := program(t, address, `
const { Client } = require('pg');
(async () => {
  const db = new Client();
  await db.connect();
  console.log((await db.query('SELECT $1::INTEGER AS a, $2::VARCHAR AS b, $3::TIMESTAMPTZ AS c', [1, 'ß', new Date(0)])).rows);
  console.log((await db.query('SELECT version() LIKE $1 AS ok', ['PostgreSQL%'])).rows[0].ok);
  const insert = { name: 'insert', text: 'INSERT INTO sensors VALUES ($1, $2, $3)' };
  for (let i = 0; i < 3; i++) await db.query({ ...insert, values: ['n' + i, 'N', null] });
  console.log((await db.query("SELECT id FROM sensors WHERE zone = 'N' ORDER BY id")).rows.map(r => r.id).join());
  try { await db.query('SELECT nope FROM sensors'); } catch (e) { console.log(e.code, e.position); }
  await db.query('BEGIN'); await db.query("DELETE FROM sensors WHERE zone = 'N'"); await db.query('ROLLBACK');
  console.log((await db.query("SELECT count(*) AS n FROM sensors WHERE zone = 'N'")).rows[0].n);
  await db.end();
})();
`, "node", "-")
	want := `[ { a: 1, b: 'ß', c: 1970-01-01T00:00:00.000Z } ]
true
n0,n1,n2
42703 8
3
`
	if out != want {
		t.Errorf("got\n%s\nwant\n%s", out, want)
	}
}
