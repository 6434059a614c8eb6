package pgcatalog

import (
	_ "embed"
	"fmt"
	"sort"
	"strings"
)

// relations.txt names every relation of pg_catalog and information_schema that there is a view for: a line per relation
// with its columns, which are those of Postgres 16, and a letter for the type of each.
//
//go:embed relations.txt
var relationsText string

// content defines the rows of a view: an expression for the columns that have one, a line each, and what they
// are taken from. Views without content are empty.
type content struct {
	exprs string
	from  string
}

const (
	owner    = "10"
	roleName = "'tidemill'"
)

// sqlTypes maps the letters of relations.txt to a DuckDB type and the value of columns without an expression. The
// numbers and flags of Postgres' catalog are never null, so clients do not expect nulls there.
func sqlTypes() map[string][2]string {
	return map[string][2]string{
		"l": {"BIGINT", "0"}, "i": {"INTEGER", "0"}, "s": {"SMALLINT", "0"}, "b": {"BOOLEAN", "false"}, "f": {"DOUBLE", "0"},
		"t": {"VARCHAR", "NULL"}, "z": {"TIMESTAMP WITH TIME ZONE", "NULL"}, "v": {"INTERVAL", "NULL"},
		"T": {"VARCHAR[]", "NULL"}, "L": {"BIGINT[]", "NULL"}, "S": {"SMALLINT[]", "NULL"}, "F": {"FLOAT[]", "NULL"},
	}
}

// tableOIDs are Postgres' object identifiers of its own catalog, which classify descriptions and dependencies.
func tableOIDs() map[string]int {
	return map[string]int{
		"pg_class": 1259, "pg_type": 1247, "pg_proc": 1255, "pg_attribute": 1249, "pg_namespace": 2615, "pg_attrdef": 2604,
		"pg_constraint": 2606, "pg_extension": 3079, "pg_database": 1262, "pg_authid": 1260, "pg_rewrite": 2618, "pg_trigger": 2620,
		"pg_description": 2609, "pg_index": 2610, "pg_language": 2612, "pg_operator": 2617, "pg_opclass": 2616, "pg_opfamily": 2753,
		"pg_am": 2601, "pg_collation": 3456, "pg_conversion": 2607, "pg_tablespace": 1213, "pg_policy": 3256, "pg_inherits": 2611,
		"pg_foreign_server": 1417, "pg_foreign_data_wrapper": 2328, "pg_cast": 2605, "pg_event_trigger": 3466, "pg_sequence": 2224,
		"pg_statistic_ext": 3381, "pg_publication": 6104, "pg_subscription": 6100, "pg_depend": 2608, "pg_enum": 3501, "pg_range": 3541,
	}
}

// contents are the views that have rows.
func contents() map[string]content {
	keyed := "tidemill.pg_base_relation r WHERE r.key_numbers IS NOT NULL"
	list := "CAST(string_split(r.key_numbers, ',') AS SMALLINT[])"
	all := map[string]content{
		"pg_catalog.pg_class": {classColumns, classFrom},
		"pg_catalog.pg_namespace": {`oid: n.oid
			nspname: n.name
			nspowner: ` + owner, "tidemill.pg_base_schema n"},
		"pg_catalog.pg_attribute": {attributeColumns, "tidemill.pg_base_column c JOIN pgc.base_type t ON t.oid = c.type"},
		"pg_catalog.pg_attrdef": {`oid: c.relation * 2048 + c.number
			adrelid: c.relation
			adnum: c.number
			adbin: c.default_value`, "tidemill.pg_base_column c WHERE c.default_value IS NOT NULL"},
		"pg_catalog.pg_type": {typeColumns, "pgc.base_type t"},
		"pg_catalog.pg_index": {`indexrelid: r.oid + 1
			indrelid: r.oid
			indnatts: len(` + list + `)
			indnkeyatts: len(` + list + `)
			indisunique: true
			indisprimary: true
			indimmediate: true
			indisvalid: true
			indisready: true
			indislive: true
			indkey: ` + list + `
			indcollation: list_transform(` + list + `, lambda x: 0)
			indclass: list_transform(` + list + `, lambda x: 0)
			indoption: list_transform(` + list + `, lambda x: 0)`, keyed},
		"pg_catalog.pg_constraint": {`oid: r.oid + 2
			conname: r.name || '_pkey'
			connamespace: r.schema_oid
			contype: 'p'
			convalidated: true
			conrelid: r.oid
			conindid: r.oid + 1
			confupdtype: ' '
			confdeltype: ' '
			confmatchtype: ' '
			conislocal: true
			connoinherit: true
			conkey: ` + list, keyed},
		"pg_catalog.pg_description": {`objoid: d.objoid
			classoid: 1259
			objsubid: d.objsubid
			description: d.description`, `(SELECT oid AS objoid, 0 AS objsubid, comment AS description FROM tidemill.pg_base_relation WHERE comment IS NOT NULL
				UNION ALL SELECT relation, number, comment FROM tidemill.pg_base_column WHERE comment IS NOT NULL) d`},
	}
	for _, more := range []map[string]content{serverContents(), listContents(), infoContents()} {
		for name, c := range more {
			all[name] = c
		}
	}
	return all
}

// An index of a primary key is a relation too.
const (
	classFrom = `(SELECT oid, name, schema_oid, kind, attributes, key_numbers IS NOT NULL AS keyed, 2 AS am FROM tidemill.pg_base_relation
		UNION ALL SELECT oid + 1, name || '_pkey', schema_oid, 'i', len(string_split(key_numbers, ',')), false, 403 FROM tidemill.pg_base_relation WHERE key_numbers IS NOT NULL) r`
	classColumns = `oid: r.oid
		relname: r.name
		relnamespace: r.schema_oid
		relowner: ` + owner + `
		relam: CASE WHEN r.kind = 'v' THEN 0 ELSE r.am END
		relfilenode: r.oid
		reltuples: -1
		relhasindex: r.keyed
		relpersistence: 'p'
		relkind: r.kind
		relnatts: r.attributes
		relhasrules: r.kind IN ('v', 'm')
		relispopulated: true
		relreplident: CASE WHEN r.kind IN ('r', 'm') THEN 'd' ELSE 'n' END`
	attributeColumns = `attrelid: c.relation
		attname: c.name
		atttypid: c.type
		attstattarget: -1
		attlen: c.size
		attnum: c.number
		attcacheoff: -1
		atttypmod: c.modifier
		attbyval: t.typbyval
		attalign: t.typalign
		attstorage: t.typstorage
		attcompression: ''
		attnotnull: c.not_null
		atthasdef: c.default_value IS NOT NULL
		attidentity: ''
		attgenerated: ''
		attislocal: true
		attcollation: t.typcollation`
	typeColumns = `oid: t.oid
		typname: t.typname
		typnamespace: 11
		typowner: ` + owner + `
		typlen: t.typlen
		typbyval: t.typbyval
		typtype: t.typtype
		typcategory: t.typcategory
		typispreferred: t.typispreferred
		typisdefined: true
		typdelim: t.typdelim
		typelem: t.typelem
		typarray: t.typarray
		typinput: t.typinput
		typoutput: t.typoutput
		typreceive: t.typreceive
		typsend: t.typsend
		typmodin: '-'
		typmodout: '-'
		typanalyze: '-'
		typalign: t.typalign
		typstorage: t.typstorage
		typtypmod: -1
		typcollation: t.typcollation`
)

// serverContents are the views about the server: databases, roles, settings.
func serverContents() map[string]content {
	role := `oid: 10
		rolname: ` + roleName + `
		rolsuper: true
		rolinherit: true
		rolcreaterole: true
		rolcreatedb: true
		rolcanlogin: true
		rolreplication: true
		rolbypassrls: true
		rolconnlimit: -1`
	user := `usename: ` + roleName + `
		usesysid: 10
		usecreatedb: true
		usesuper: true
		userepl: true
		usebypassrls: true`
	one := "(SELECT 1 AS one) o"
	return map[string]content{
		"pg_catalog.pg_authid": {role, one},
		"pg_catalog.pg_roles":  {role, one},
		"pg_catalog.pg_user":   {user, one},
		"pg_catalog.pg_shadow": {user, one},
		"pg_catalog.pg_database": {`oid: d.oid
			datname: d.name
			datdba: ` + owner + `
			encoding: 6
			datlocprovider: 'c'
			datallowconn: true
			datconnlimit: -1
			dattablespace: 1663
			datcollate: 'C'
			datctype: 'C'`, "tidemill.pg_base_database d"},
		"pg_catalog.pg_tablespace": {`oid: 1663
			spcname: 'pg_default'
			spcowner: ` + owner, one},
		"pg_catalog.pg_am": {`oid: a.oid
			amname: a.name
			amhandler: a.handler
			amtype: a.kind`, `(VALUES (2, 'heap', 'heap_tableam_handler', 't'), (403, 'btree', 'bthandler', 'i')) a(oid, name, handler, kind)`},
		"pg_catalog.pg_collation": {`oid: c.oid
			collname: c.name
			collnamespace: 11
			collowner: ` + owner + `
			collprovider: c.provider
			collisdeterministic: true
			collencoding: -1
			collcollate: c.locale
			collctype: c.locale`, `(VALUES (100, 'default', 'd', NULL), (950, 'C', 'c', 'C')) c(oid, name, provider, locale)`},
		"pg_catalog.pg_language": {`oid: 14
			lanname: 'sql'
			lanowner: ` + owner + `
			lanpltrusted: true`, one},
		"pg_catalog.pg_settings": {`name: s.name
			setting: s.setting
			category: 'Client Connection Defaults'
			short_desc: ''
			context: s.context
			vartype: s.vartype
			source: 'default'
			boot_val: s.setting
			reset_val: s.setting`, "(VALUES " + settingValues() + ") s(name, setting, vartype, context)"},
		"pg_catalog.pg_timezone_names": {`name: 'UTC'
			abbrev: 'UTC'
			utc_offset: INTERVAL 0 SECOND`, one},
		"information_schema.information_schema_catalog_name": {"catalog_name: n.database", "tidemill.pg_base_schema n WHERE n.name = 'main'"},
		"information_schema.enabled_roles":                   {"role_name: " + roleName, one},
		"information_schema.schemata": {`catalog_name: n.database
			schema_name: n.name
			schema_owner: ` + roleName, "tidemill.pg_base_schema n"},
		"information_schema.character_sets": {`character_set_name: 'UTF8'
			character_repertoire: 'UCS'
			form_of_use: 'UTF8'
			default_collate_catalog: n.database
			default_collate_schema: 'pg_catalog'
			default_collate_name: 'C'`, "tidemill.pg_base_schema n WHERE n.name = 'main'"},
	}
}

// listContents are pg_catalog's lists for people.
func listContents() map[string]content {
	stat := content{`relid: r.oid
		schemaname: r.schema
		relname: r.name`, "tidemill.pg_base_relation r WHERE r.kind = 'r'"}
	return map[string]content{
		"pg_catalog.pg_stat_all_tables":  stat,
		"pg_catalog.pg_stat_user_tables": stat,
		"pg_catalog.pg_stat_database": {`datid: d.oid
			datname: d.name`, "tidemill.pg_base_database d"},
		"pg_catalog.pg_tables": {`schemaname: r.schema
			tablename: r.name
			tableowner: ` + roleName + `
			hasindexes: r.key_numbers IS NOT NULL`, "tidemill.pg_base_relation r WHERE r.kind = 'r'"},
		"pg_catalog.pg_views": {`schemaname: r.schema
			viewname: r.name
			viewowner: ` + roleName + `
			definition: r.definition`, "tidemill.pg_base_relation r WHERE r.kind = 'v'"},
		"pg_catalog.pg_matviews": {`schemaname: r.schema
			matviewname: r.name
			matviewowner: ` + roleName + `
			hasindexes: r.key_numbers IS NOT NULL
			ispopulated: true
			definition: r.definition`, "tidemill.pg_base_relation r WHERE r.kind = 'm'"},
		"pg_catalog.pg_indexes": {`schemaname: r.schema
			tablename: r.name
			indexname: r.name || '_pkey'
			indexdef: ` + indexDefinition("r"), "tidemill.pg_base_relation r WHERE r.key_numbers IS NOT NULL"},
	}
}

func indexDefinition(r string) string {
	return fmt.Sprintf(`'CREATE UNIQUE INDEX ' || %[1]s.name || '_pkey ON ' || %[1]s.schema || '.' || %[1]s.name || ' USING btree (' || %[1]s.key_names || ')'`, r)
}

// infoContents are the views of information_schema over relations. Materialized views are listed among the tables, as
// views: Postgres leaves them out, and tools that ask nothing else do not find them then.
func infoContents() map[string]content {
	named := func(prefix, alias string) string {
		return strings.NewReplacer("P", prefix, "A", alias).Replace("P_catalog: A.database\nP_schema: A.schema\nP_name: ")
	}
	table := named("table", "r") + "r.name\n"
	constraint := named("constraint", "r") + "r.name || '_pkey'\n"
	keyed := "tidemill.pg_base_relation r WHERE r.key_numbers IS NOT NULL"
	keys := `(SELECT k.*, unnest(string_split(k.key_numbers, ',')) AS key, generate_subscripts(string_split(k.key_numbers, ','), 1) AS place
		FROM tidemill.pg_base_relation k WHERE k.key_numbers IS NOT NULL) r JOIN tidemill.pg_base_column c ON c.relation = r.oid AND c.number = CAST(r.key AS INTEGER)`
	privilege := "grantor: " + roleName + "\ngrantee: " + roleName + "\n" + table + "privilege_type: p.privilege\nis_grantable: 'YES'\nwith_hierarchy: 'NO'"
	privileges := "tidemill.pg_base_relation r CROSS JOIN (VALUES ('SELECT'), ('INSERT'), ('UPDATE'), ('DELETE')) p(privilege) WHERE p.privilege = 'SELECT' OR r.kind = 'r'"
	return map[string]content{
		"information_schema.tables": {table + `table_type: CASE r.kind WHEN 'r' THEN 'BASE TABLE' ELSE 'VIEW' END
			is_insertable_into: CASE r.kind WHEN 'r' THEN 'YES' ELSE 'NO' END
			is_typed: 'NO'`, "tidemill.pg_base_relation r"},
		"information_schema.views": {table + `view_definition: r.definition
			check_option: 'NONE'
			is_updatable: 'NO'
			is_insertable_into: 'NO'
			is_trigger_updatable: 'NO'
			is_trigger_deletable: 'NO'
			is_trigger_insertable_into: 'NO'`, "tidemill.pg_base_relation r WHERE r.kind = 'v'"},
		"information_schema.columns": {table + infoColumns, "tidemill.pg_base_relation r JOIN tidemill.pg_base_column c ON c.relation = r.oid JOIN pgc.base_type t ON t.oid = c.type"},
		"information_schema.table_constraints": {constraint + table + `constraint_type: 'PRIMARY KEY'
			is_deferrable: 'NO'
			initially_deferred: 'NO'
			enforced: 'YES'`, keyed},
		"information_schema.key_column_usage":        {constraint + table + "column_name: c.name\nordinal_position: r.place\nposition_in_unique_constraint: NULL", keys},
		"information_schema.constraint_column_usage": {constraint + table + "column_name: c.name", keys},
		"information_schema.table_privileges":        {privilege, privileges},
		"information_schema.role_table_grants":       {privilege, privileges},
	}
}

const infoColumns = `column_name: c.name
	ordinal_position: c.number
	column_default: c.default_value
	is_nullable: CASE WHEN c.not_null THEN 'NO' ELSE 'YES' END
	data_type: pgc.format_type(c.type, NULL)
	character_maximum_length: NULL
	character_octet_length: CASE WHEN c.type IN (25, 1043) THEN 1073741824 END
	numeric_precision: CASE WHEN c.type = 1700 AND c.modifier > 4 THEN (c.modifier - 4) >> 16 ELSE CASE c.type WHEN 21 THEN 16 WHEN 23 THEN 32 WHEN 20 THEN 64 WHEN 700 THEN 24 WHEN 701 THEN 53 END END
	numeric_precision_radix: CASE WHEN c.type = 1700 THEN 10 WHEN c.type IN (20, 21, 23, 700, 701) THEN 2 END
	numeric_scale: CASE WHEN c.type = 1700 AND c.modifier > 4 THEN (c.modifier - 4) & 65535 WHEN c.type IN (20, 21, 23) THEN 0 END
	datetime_precision: CASE WHEN c.type = 1082 THEN 0 WHEN c.type IN (1083, 1114, 1184, 1186) THEN 6 END
	interval_precision: NULL
	udt_catalog: r.database
	udt_schema: 'pg_catalog'
	udt_name: t.typname
	maximum_cardinality: NULL
	dtd_identifier: CAST(c.number AS VARCHAR)
	is_self_referencing: 'NO'
	is_identity: 'NO'
	identity_cycle: 'NO'
	is_generated: 'NEVER'
	is_updatable: CASE r.kind WHEN 'r' THEN 'YES' ELSE 'NO' END`

// relationNames returns the names of the views by the schema that Postgres has them in.
func relationNames() map[string]map[string]bool {
	names := map[string]map[string]bool{"pg_catalog": {}, "information_schema": {}}
	for _, line := range strings.Split(strings.TrimSpace(relationsText), "\n") {
		full, _, _ := strings.Cut(line, " ")
		schema, name, _ := strings.Cut(full, ".")
		names[schema][name] = true
	}
	return names
}

// views returns the statements that create the views.
func views() []string {
	rows, types, oids := contents(), sqlTypes(), tableOIDs()
	var out []string
	for _, line := range strings.Split(strings.TrimSpace(relationsText), "\n") {
		full, columns, _ := strings.Cut(line, " ")
		schema, name, _ := strings.Cut(full, ".")
		target := Schema
		if schema == "information_schema" {
			target = InfoSchema
		}
		c, filled := rows[full]
		exprs := parseExprs(c.exprs)
		exprs["tableoid"] = fmt.Sprint(oids[name])
		var b strings.Builder
		fmt.Fprintf(&b, "CREATE OR REPLACE VIEW %s.%s AS SELECT ", target, name)
		for i, column := range strings.Fields(columns) {
			id, letter, _ := strings.Cut(column, ":")
			e, ok := exprs[id]
			if !ok {
				e = types[letter][1]
			}
			if i > 0 {
				b.WriteString(", ")
			}
			fmt.Fprintf(&b, `CAST(%s AS %s) AS "%s"`, e, types[letter][0], id)
		}
		switch {
		case filled:
			b.WriteString(" FROM " + c.from)
		default:
			b.WriteString(" WHERE false")
		}
		out = append(out, b.String())
	}
	return out
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}

// parseExprs reads lines of "column: expression".
func parseExprs(text string) map[string]string {
	m := map[string]string{}
	for _, line := range strings.Split(text, "\n") {
		if name, e, ok := strings.Cut(strings.TrimSpace(line), ": "); ok {
			m[name] = e
		}
	}
	return m
}

// typeView is the base of pg_type.
func typeView() string {
	var b strings.Builder
	b.WriteString("CREATE OR REPLACE VIEW pgc.base_type AS SELECT * FROM (VALUES ")
	for i, t := range typeRows() {
		if i > 0 {
			b.WriteString(", ")
		}
		f := t.fields
		fmt.Fprintf(&b, "(%s, '%s', %s, %t, '%s', '%s', %t, '%s', %s, %s, '%s', '%s', '%s', '%s', '%s', '%s', %s)",
			f[0], f[1], f[2], f[3] == "t", f[4], f[5], f[6] == "t", f[7], f[9], f[10], f[11], f[12], f[13], f[14], f[15], f[16], f[17])
	}
	b.WriteString(") t(oid, typname, typlen, typbyval, typtype, typcategory, typispreferred, typdelim, typelem, typarray, typinput, typoutput, typreceive, typsend, typalign, typstorage, typcollation)")
	return b.String()
}
