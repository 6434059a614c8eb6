package pgcatalog

import (
	"fmt"
	"strings"
)

// Macros returns the statements that make the catalog: schemas excepted, which have to exist before (as do the base
// relations), every macro and every view, in the order in which they have to be run. They can be run again.
func Macros() []string {
	out := []string{typeView()}
	for i, m := range macros() {
		out = append(out, "CREATE OR REPLACE MACRO "+Schema+"."+m)
		if i == 0 { // format_type, which a view uses; the other macros use views
			out = append(out, views()...)
		}
	}
	return append(out, "CREATE OR REPLACE MACRO "+InfoSchema+"._pg_expandarray(__l) AS unnest(list_transform(__l, lambda __x, __i: {'x': __x, 'n': __i}))")
}

// Schemas returns the statements that create the schemas.
func Schemas() []string {
	var out []string
	for _, s := range []string{Schema, InfoSchema, BaseSchema} {
		out = append(out, "CREATE SCHEMA IF NOT EXISTS "+s)
	}
	return out
}

// IsCatalogQuery reports whether a text that Rewrite returned reads the views or calls the macros of this package, so that
// it has to be bound where those are.
func IsCatalogQuery(text string) bool {
	tokens, _, ok := scan(text)
	if !ok {
		return false
	}
	for i := range tokens {
		if i+1 < len(tokens) && tokens[i+1].text == "." && (tokens[i].text == Schema || tokens[i].text == InfoSchema) {
			return true
		}
	}
	return false
}

// macros are the functions, each with its overloads, as CREATE MACRO takes them. Their parameters have names that no column
// has, since a macro's text is pasted where it is called.
func macros() []string {
	list := []string{
		"format_type(__t, __m) AS " + formatType(),
		"regclass_in(__n) AS " + classNumber("__n"),
		"pg_get_userbyid(__o) AS " + roleName,
		"pg_encoding_to_char(__e) AS CASE __e WHEN 6 THEN 'UTF8' ELSE '' END",
		"pg_char_to_encoding(__n) AS CASE upper(__n) WHEN 'UTF8' THEN 6 WHEN 'UTF-8' THEN 6 ELSE -1 END",
		"getdatabaseencoding() AS 'UTF8'",
		"pg_client_encoding() AS 'UTF8'",
		"pg_get_expr(__e, __r) AS CAST(__e AS VARCHAR), (__e, __r, __p) AS CAST(__e AS VARCHAR)",
		overloads("pg_get_viewdef", "__o", scalar("__b.definition", "__b.oid = "+relationNumber("__o")), "__p"),
		"pg_get_indexdef(__o) AS " + indexDef + ", (__o, __n, __p) AS CASE __n WHEN 0 THEN " + indexDef + " ELSE " + indexColumn + " END",
		overloads("pg_get_constraintdef", "__o", scalar("'PRIMARY KEY (' || __b.key_names || ')'", "__b.oid = __o - 2"), "__p"),
		"obj_description(__o) AS " + relationComment + ", (__o, __c) AS CASE __c WHEN 'pg_class' THEN " + relationComment + " END",
		"col_description(__o, __n) AS (SELECT __b.comment FROM tidemill.pg_base_column __b WHERE __b.relation = __o AND __b.number = __n)",
		"shobj_description(__o, __c) AS CAST(NULL AS VARCHAR)",
		"to_regclass(__n) AS " + classNumber("__n"),
		"regclass_out(__o) AS coalesce(" + className("__o") + ", CAST(__o AS VARCHAR))",
		"to_regtype(__n) AS " + typeNumber("__n"),
		"regtype_in(__n) AS " + typeNumber("__n"),
		"regtype_out(__o) AS pgc.format_type(__o, NULL)",
		"regnamespace_in(__n) AS coalesce(try_cast(__n AS BIGINT), (SELECT __b.oid FROM tidemill.pg_base_schema __b WHERE __b.name = CAST(__n AS VARCHAR)))",
		"regnamespace_out(__o) AS coalesce((SELECT __b.name FROM tidemill.pg_base_schema __b WHERE __b.oid = __o), CAST(__o AS VARCHAR))",
		"to_regnamespace(__n) AS (SELECT __b.oid FROM tidemill.pg_base_schema __b WHERE __b.name = __n)",
		"regrole_in(__n) AS coalesce(try_cast(__n AS BIGINT), 10)",
		"regrole_out(__o) AS " + roleName,
		"regproc_in(__n) AS regexp_replace(CAST(__n AS VARCHAR), '^pg_catalog\\.', '')",
		"regproc_out(__o) AS CAST(__o AS VARCHAR)",
		"to_regproc(__n) AS CAST(NULL AS VARCHAR)",
		"quote_ident(__n) AS CASE WHEN regexp_full_match(__n, '[a-z_][a-z0-9_]*') THEN __n ELSE '\"' || replace(__n, '\"', '\"\"') || '\"' END",
		"quote_literal(__s) AS '''' || replace(CAST(__s AS VARCHAR), '''', '''''') || ''''",
		"quote_nullable(__s) AS coalesce('''' || replace(CAST(__s AS VARCHAR), '''', '''''') || '''', 'NULL')",
		"array_upper(__a, __d) AS nullif(len(__a), 0)",
		"array_lower(__a, __d) AS CASE WHEN len(__a) > 0 THEN 1 END",
		"array_remove(__a, __v) AS list_filter(__a, lambda __x: __x IS DISTINCT FROM __v)",
		"current_setting(__n) AS " + settingOf + ", (__n, __m) AS " + settingOf,
		"set_config(__n, __v, __l) AS __v",
		"pg_size_pretty(__n) AS CASE WHEN abs(__n) < 10240 THEN CAST(__n AS VARCHAR) || ' bytes' WHEN abs(__n) < 10485760 THEN CAST(CAST(__n / 1024 AS BIGINT) AS VARCHAR) || ' kB' " +
			"WHEN abs(__n) < 10737418240 THEN CAST(CAST(__n / 1048576 AS BIGINT) AS VARCHAR) || ' MB' ELSE CAST(CAST(__n / 1073741824 AS BIGINT) AS VARCHAR) || ' GB' END",
		"pg_get_partkeydef(__o) AS CAST(NULL AS VARCHAR)",
		"pg_get_serial_sequence(__t, __c) AS CAST(NULL AS VARCHAR)",
		"pg_sequence_last_value(__o) AS CAST(NULL AS BIGINT)",
		"pg_tablespace_location(__o) AS ''",
		"pg_is_in_recovery() AS false",
		"pg_is_wal_replay_paused() AS false",
		"pg_relation_is_publishable(__o) AS false",
		"pg_my_temp_schema() AS CAST(0 AS BIGINT)",
		"pg_is_other_temp_schema(__o) AS false",
		"pg_encoding_max_length(__e) AS 4",
		"pg_blocking_pids(__p) AS CAST([] AS INTEGER[])",
		"pg_cancel_backend(__p) AS false",
		"pg_terminate_backend(__p) AS false",
		"txid_current() AS CAST(0 AS BIGINT)",
		"pg_current_xact_id() AS CAST(0 AS BIGINT)",
		"pg_postmaster_start_time() AS CAST(NULL AS TIMESTAMPTZ)",
		"pg_conf_load_time() AS CAST(NULL AS TIMESTAMPTZ)",
		"inet_client_addr() AS CAST(NULL AS VARCHAR)",
		"inet_client_port() AS CAST(NULL AS INTEGER)",
		"inet_server_addr() AS CAST(NULL AS VARCHAR)",
		"inet_server_port() AS CAST(NULL AS INTEGER)",
		"row_security_active(__t) AS false",
		"pg_table_is_visible(__o) AS NOT EXISTS (SELECT 1 FROM tidemill.pg_base_relation __b WHERE __b.oid = __o - __o % 4 AND __b.schema <> '" + MainSchema + "')",
	}
	for _, f := range []string{"pg_relation_size", "pg_total_relation_size", "pg_table_size", "pg_indexes_size", "pg_database_size", "pg_tablespace_size"} {
		list = append(list, f+"(__o) AS CAST(0 AS BIGINT)")
	}
	list[len(list)-6] = "pg_relation_size(__o) AS CAST(0 AS BIGINT), (__o, __f) AS CAST(0 AS BIGINT)"
	for _, f := range strings.Fields(`numscans tuples_returned tuples_fetched tuples_inserted tuples_updated tuples_deleted live_tuples dead_tuples blocks_fetched blocks_hit`) {
		list = append(list, "pg_stat_get_"+f+"(__o) AS CAST(0 AS BIGINT)")
	}
	for _, f := range strings.Fields(`type function operator opclass opfamily collation conversion ts_parser ts_dict ts_template ts_config statistics_obj`) {
		list = append(list, "pg_"+f+"_is_visible(__o) AS true")
	}
	for _, f := range strings.Fields("table column any_column database schema function sequence tablespace type language server foreign_data_wrapper") {
		m := "has_" + f + "_privilege(__a, __b) AS true, (__a, __b, __c) AS true"
		if f == "column" {
			m += ", (__a, __b, __c, __d) AS true"
		}
		list = append(list, m)
	}
	list = append(list, "pg_has_role(__a, __b) AS true, (__a, __b, __c) AS true")
	// Functions about objects that do not exist here, of one, two or three arguments.
	for _, f := range strings.Fields(`pg_get_ruledef pg_get_triggerdef pg_get_function_result pg_get_function_arguments pg_get_function_identity_arguments
		pg_get_function_sqlbody pg_get_functiondef pg_get_statisticsobjdef pg_get_statisticsobjdef_columns pg_get_partition_constraintdef pg_describe_object
		pg_get_function_arg_default pg_get_publication_tables`) {
		null := "CAST(NULL AS VARCHAR)"
		list = append(list, fmt.Sprintf("%s(__a) AS %s, (__a, __b) AS %s, (__a, __b, __c) AS %s", f, null, null, null))
	}
	return list
}

// macroNames are the names of the functions, and of those that Rewrite replaces itself.
func macroNames() map[string]bool {
	names := map[string]bool{}
	for _, m := range macros() {
		name, _, _ := strings.Cut(m, "(")
		names[name] = true
	}
	return names
}

const (
	relationComment = "(SELECT __b.comment FROM tidemill.pg_base_relation __b WHERE __b.oid = __o)"
	settingOf       = "(SELECT __b.setting FROM pgc.pg_settings __b WHERE lower(__b.name) = lower(__n))"
	indexColumn     = "(SELECT trim(string_split(__b.key_names, ',')[__n]) FROM tidemill.pg_base_relation __b WHERE __b.oid = __o - 1)"
)

var indexDef = scalar(indexDefinition("__b"), "__b.oid = __o - 1")

func scalar(expr, where string) string {
	return "(SELECT " + expr + " FROM tidemill.pg_base_relation __b WHERE " + where + ")"
}

// overloads defines a function of one argument that may have a second, which does not matter.
func overloads(name, arg, body, second string) string {
	return fmt.Sprintf("%s(%s) AS %s, (%s, %s) AS %s", name, arg, body, arg, second, body)
}

// formatType writes a type as SQL names it.
func formatType() string {
	names := sqlNames()
	var b strings.Builder
	b.WriteString("CASE WHEN __t = 1700 AND __m > 4 THEN 'numeric(' || ((__m - 4) >> 16) || ',' || ((__m - 4) & 65535) || ')' ELSE CASE __t")
	for _, t := range typeRows() {
		fmt.Fprintf(&b, " WHEN %d THEN '%s'", t.oid, t.displayName(names))
	}
	b.WriteString(" WHEN 0 THEN '-' ELSE CASE WHEN __t IS NOT NULL THEN '???' END END END")
	return b.String()
}

// classNumber finds a relation by its number or its name, qualified or not.
func classNumber(name string) string {
	text := "CAST(" + name + " AS VARCHAR)"
	plain := "replace(regexp_replace(" + text + `, '^(pg_catalog|information_schema)\.', ''), '"', '')`
	var b strings.Builder
	fmt.Fprintf(&b, "coalesce(try_cast(%s AS BIGINT), CASE %s", name, plain)
	for _, n := range sortedKeys(tableOIDs()) {
		fmt.Fprintf(&b, " WHEN '%s' THEN %d", n, tableOIDs()[n])
	}
	fmt.Fprintf(&b, " END, (SELECT min(__b.oid) FROM pgc.pg_class __b WHERE __b.relname = %s AND __b.relnamespace = %d)", plain, mainSchemaOID)
	fmt.Fprintf(&b, ", (SELECT min(__b.oid) FROM tidemill.pg_base_relation __b WHERE __b.schema || '.' || __b.name = replace(%s, '\"', '')))", text)
	return b.String()
}

// relationNumber is classNumber for what is most often a number.
func relationNumber(o string) string { return "pgc.regclass_in(" + o + ")" }

// className writes a relation's name, qualified if it is not on the search path.
func className(o string) string {
	return "(SELECT CASE WHEN __b.relnamespace = " + fmt.Sprint(mainSchemaOID) + " THEN __b.relname ELSE (SELECT __s.name FROM tidemill.pg_base_schema __s WHERE __s.oid = __b.relnamespace) || '.' || __b.relname END FROM pgc.pg_class __b WHERE __b.oid = " + o + ")"
}

// typeNumber finds a type by its number or by one of its names.
func typeNumber(name string) string {
	names := sqlNames()
	seen := map[string]bool{}
	var b strings.Builder
	fmt.Fprintf(&b, `coalesce(try_cast(%s AS BIGINT), CASE replace(regexp_replace(lower(CAST(%s AS VARCHAR)), '^pg_catalog\.', ''), '"', '')`, name, name)
	add := func(n string, oid int64) {
		if n = strings.ReplaceAll(n, `"`, ""); !seen[n] {
			seen[n] = true
			fmt.Fprintf(&b, " WHEN '%s' THEN %d", n, oid)
		}
	}
	for _, t := range typeRows() {
		if t.name != "char" {
			add(t.displayName(names), t.oid)
		}
	}
	for _, t := range typeRows() {
		add(t.name, t.oid)
		if short, ok := strings.CutPrefix(t.name, "_"); ok {
			add(short+"[]", t.oid)
		}
	}
	add("int", int64(Int4OID))
	add("decimal", int64(NumericOID))
	add("float", int64(Float8OID))
	b.WriteString(" END)")
	return b.String()
}
