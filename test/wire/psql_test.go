package wire

import (
	"strings"
	"testing"
)

// TestPsqlCatalog asks psql's own commands about relations.
func TestPsqlCatalog(t *testing.T) {
	need(t, "psql", "--version")
	address := node(t)
	greenhouse(t, address)
	f := func(command string, want ...string) {
		t.Helper()
		out := program(t, address, "", "psql", "-X", "-A", "-c", command)
		for _, w := range want {
			if !strings.Contains(out, w) {
				t.Errorf("%s: %q is missing in\n%s", command, w, out)
			}
		}
	}
	f(`\d`, "main|climate|materialized view|", "main|readings|table|", "main|sensors|table|", "main|zones|view|", "(4 rows)")
	f(`\dt`, "main|readings|table|", "(2 rows)")
	f(`\dm`, "main|climate|materialized view|", "(1 row)")
	f(`\dv`, "main|zones|view|", "(1 row)")
	f(`\d sensors`, `Table "main.sensors"`, "id|character varying||not null|", `"sensors_pkey" PRIMARY KEY, btree (id)`)
	f(`\d readings`, "price|numeric(10,2)|", "at|timestamp with time zone|")
	f(`\d+ climate`, `Materialized view "main.climate"`, "avg(value)")
	f(`\dt+`, "all sensors")
	f(`\l`, "main|")
	f(`\dn`, "main|", "tidemill|")
	f(`\du`, "Superuser")
	f(`\df`, "(0 rows)")
	f(`\conninfo`, `database "main" as user "ada"`)
	f(`\d tidemill.streams`, `"tidemill.streams"`)
	f(`\d nothing`, "Did not find any relation named")
	f(`SELECT table_name, table_type FROM information_schema.tables WHERE table_schema = 'main' ORDER BY 1`, "climate|VIEW", "readings|BASE TABLE")
	f(`SELECT 'sensors'::regclass::oid = (SELECT oid FROM pg_class WHERE relname = 'sensors') AS same`, "t\n")
}

func TestPsqlStatements(t *testing.T) {
	need(t, "psql", "--version")
	address := node(t)
	greenhouse(t, address)
	out := program(t, address, `
\copy sensors FROM STDIN WITH (FORMAT csv)
s3,C,"a, b"
\.
SELECT * FROM sensors ORDER BY id;
\copy (SELECT id FROM sensors ORDER BY id) TO STDOUT
BEGIN;
DECLARE c CURSOR FOR SELECT id FROM sensors ORDER BY id;
FETCH 2 FROM c;
COMMIT;
SELECT nope FROM sensors;
SELECT id AS key, zone FROM sensors WHERE id = 's1' \gset
\echo key :key zone :zone
PREPARE q(VARCHAR) AS SELECT zone FROM sensors WHERE id = $1;
EXECUTE q('s2');
SET application_name = 'x';
SHOW application_name;
`, "psql", "-X", "-A", "-t")
	want := `COPY 1
s1|A|air
s2|B|
s3|C|a, b
s1
s2
s3
BEGIN
DECLARE CURSOR
s1
s2
COMMIT
ERROR:`
	if !strings.HasPrefix(out, want) {
		t.Errorf("got\n%s\nwant\n%s", out, want)
	}
	if rest := "key s1 zone A\nPREPARE\nB\nSET\nx\n"; !strings.HasSuffix(out, rest) {
		t.Errorf("got\n%s\nwant at its end\n%s", out, rest)
	}
	if !strings.Contains(out, "LINE 1: SELECT nope") {
		t.Errorf("no position in\n%s", out)
	}
}

// TestPsqlSubscribe follows a view through COPY and through a cursor, as programs do whose driver keeps a result back until it is complete.
func TestPsqlSubscribe(t *testing.T) {
	need(t, "psql", "--version")
	address := node(t)
	greenhouse(t, address)
	out := program(t, address, `
DECLARE c CURSOR FOR SUBSCRIBE TO sensors;
FETCH 100 FROM c WITH (timeout = '1s');
INSERT INTO sensors VALUES ('s9', 'Z', 'new');
FETCH 100 FROM c WITH (timeout = '1s');
CLOSE c;
SET statement_timeout = '500ms';
COPY (SUBSCRIBE TO sensors) TO STDOUT;
`, "psql", "-X", "-A", "-t")
	for _, want := range []string{"|s1|A|air\n", "INSERT 0 1\n", "|s9|Z|new\n", "\ts9\tZ\tnew\n", "canceling statement due to statement timeout"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is missing in\n%s", want, out)
		}
	}
}
