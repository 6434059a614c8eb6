package pgcatalog

import (
	"strings"
	"testing"

	"github.com/tidemill/tidemill/internal/row"
)

func TestRewrite(t *testing.T) {
	r := NewRewriter()
	f := func(in, want string) {
		t.Helper()
		got, changed := r.Rewrite(in, testSession())
		if got != want || changed != (in != want) {
			t.Errorf("%s\n got %s (%v)\nwant %s", in, got, changed, want)
		}
	}
	same := func(in string) { t.Helper(); f(in, in) }
	same("SELECT 1")
	same("SELECT pg_tables_of_mine FROM t -- pg_class")
	same("SELECT 'pg_catalog.pg_class', \"current_user\" FROM t")
	same("SELECT a ~ 'x' FROM t WHERE version = 3")
	same("SELECT t.current_user, t.version() FROM t")
	same("SELECT 'open pg_catalog")
	f("SELECT version()", `SELECT 'PostgreSQL 16.0 (Tidemill)' AS "version"`)
	f("select pg_catalog.version() as v", `select 'PostgreSQL 16.0 (Tidemill)' as v`)
	f("SELECT current_schema", `SELECT 'main' AS "current_schema"`)
	f("SELECT a::jsonb, CAST(b AS jsonb)", `SELECT a::JSON, CAST(b AS JSON)`)
	f("SELECT * FROM public.readings", "SELECT * FROM main.readings")
	f("SELECT count(*) FROM pg_class", `SELECT count(*) AS "count" FROM pgc.pg_class`)
	f("SELECT c.oid FROM pg_catalog.pg_class AS c WHERE relname OPERATOR(pg_catalog.~) '^a$' COLLATE pg_catalog.default",
		"SELECT c.oid FROM pgc.pg_class AS c WHERE relname ~ '(?s).*(^a$).*'")
	f("SELECT 1 FROM pg_class WHERE relname !~* 'x'", "SELECT 1 FROM pgc.pg_class WHERE relname !~ '(?is).*(x).*'")
	f("SELECT 'a'::regclass", `SELECT pgc.regclass_in('a') AS "regclass"`)
	f("SELECT c.oid::regclass, c.oid::regclass::text, f(c.x)::regtype FROM c", `SELECT pgc.regclass_out(c.oid) AS "oid", pgc.regclass_out(c.oid)::text, pgc.regtype_out(f(c.x)) AS "f" FROM c`)
	f("SELECT 1 FROM c WHERE c.oid = $1::regclass AND 'b'::regclass = c.oid", "SELECT 1 FROM c WHERE c.oid = pgc.regclass_in($1) AND pgc.regclass_in('b') = c.oid")
	f("SELECT CAST(CAST(a AS regclass) AS text)", "SELECT CAST(pgc.regclass_out(a) AS text)")
	f("SELECT current_setting('server_version_num')::int", "SELECT '160000'::int")
	f("SELECT current_setting('nope', true)", `SELECT CAST(NULL AS VARCHAR) AS "current_setting"`)
	f("SELECT a = any('{1,-2}') FROM pg_index", "SELECT a = any([1, -2]) FROM pgc.pg_index")
	f("SELECT x FROM pg_catalog.unnest(ARRAY[1]) x", "SELECT x FROM unnest(ARRAY[1]) x(x)")
	f("SELECT table_name FROM information_schema.tables", "SELECT table_name FROM pgi.tables")
	f("SELECT pg_backend_pid() + 1", "SELECT 4711 + 1")
	f("SELECT 1 /* \n pg */ , current_database ( ) -- end", `SELECT 1 /* 
 pg */ , 'main' AS "current_database" -- end`)
}

// TestViewsHaveAllColumns compares the views with the relations they stand for: a misspelt column of a content would be lost silently.
func TestViewsHaveAllColumns(t *testing.T) {
	columns := map[string]map[string]bool{}
	for _, line := range strings.Split(strings.TrimSpace(relationsText), "\n") {
		name, list, _ := strings.Cut(line, " ")
		columns[name] = map[string]bool{}
		for _, c := range strings.Fields(list) {
			id, _, _ := strings.Cut(c, ":")
			columns[name][id] = true
		}
	}
	for name, c := range contents() {
		if columns[name] == nil {
			t.Errorf("%s has content but is no relation", name)
		}
		for id := range parseExprs(c.exprs) {
			if !columns[name][id] {
				t.Errorf("%s has no column %s", name, id)
			}
		}
	}
}

func TestTypesAreInTheCatalog(t *testing.T) {
	known := map[int64]bool{}
	for _, r := range typeRows() {
		known[r.oid] = true
	}
	var types []row.Type
	for k := row.Bool; k <= row.Other; k++ {
		types = append(types, row.T(k))
		if p := TypeOf(row.ListOf(row.T(k))); k != row.Other && !known[int64(p.OID)] {
			t.Errorf("a list of %s is shown as type %d, which pg_type does not have", row.T(k), p.OID)
		}
	}
	for _, name := range []string{"ENUM('a')", "STRUCT(a INTEGER)", "MAP(VARCHAR, INTEGER)", "INTEGER[][]", "ENUM('a')[]"} {
		typ, _ := row.ParseType(name)
		types = append(types, typ)
	}
	for _, typ := range types {
		if p := TypeOf(typ); !known[int64(p.OID)] {
			t.Errorf("%s is shown as type %d, which pg_type does not have", typ, p.OID)
		}
	}
}

func FuzzRewrite(f *testing.F) {
	for _, s := range []string{"SELECT a::regclass", "SELECT CAST(x AS regtype), (a.b).c::regclass FROM pg_class c, unnest(a) x WHERE a ~ '^x' COLLATE \"default\"",
		"::regclass", "CAST(AS regclass)", "a)::regclass", "OPERATOR(pg_catalog.", "pg_catalog.", "current_setting('a', ", "SELECT '{'", "$a$ pg_ $a$", "/*/**/"} {
		f.Add(s)
	}
	r := NewRewriter()
	f.Fuzz(func(t *testing.T, text string) {
		got, changed := r.Rewrite(text, testSession())
		if !changed && got != text {
			t.Errorf("%q became %q but is not changed", text, got)
		}
	})
}
