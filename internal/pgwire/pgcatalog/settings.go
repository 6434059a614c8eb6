package pgcatalog

import (
	"fmt"
	"strings"
)

// Setting is a Postgres setting that clients ask for or set.
type Setting struct {
	// Name is as Postgres spells it; settings are looked up without regard to case.
	Name string
	// Value is the default.
	Value string
	// Type is Postgres' vartype: bool, integer, real, string or enum.
	Type string
	// Fixed settings cannot be set by a client.
	Fixed bool
}

// ServerVersion is the version of Postgres whose behaviour clients can expect.
const (
	ServerVersion    = "16.0"
	serverVersionNum = "160000"
)

// VersionText is what version() returns.
const VersionText = "PostgreSQL " + ServerVersion + " (Tidemill)"

// Settings returns the settings that Postgres clients use, with their defaults, ordered by name.
func Settings() []Setting {
	return []Setting{
		{"application_name", "", "string", false},
		{"backslash_quote", "safe_encoding", "enum", false},
		{"bytea_output", "hex", "enum", false},
		{"check_function_bodies", "on", "bool", false},
		{"client_connection_check_interval", "0", "integer", false},
		{"client_encoding", "UTF8", "string", false},
		{"client_min_messages", "notice", "enum", false},
		{"DateStyle", "ISO, MDY", "string", false},
		{"default_table_access_method", "heap", "string", false},
		{"default_tablespace", "", "string", false},
		{"default_text_search_config", "pg_catalog.simple", "string", false},
		{"default_transaction_deferrable", "off", "bool", false},
		{"default_transaction_isolation", "serializable", "enum", false},
		{"default_transaction_read_only", "off", "bool", false},
		{"escape_string_warning", "on", "bool", false},
		{"extra_float_digits", "1", "integer", false},
		{"geqo", "on", "bool", false},
		{"idle_in_transaction_session_timeout", "0", "integer", false},
		{"idle_session_timeout", "0", "integer", false},
		{"in_hot_standby", "off", "bool", true},
		{"integer_datetimes", "on", "bool", true},
		{"IntervalStyle", "postgres", "enum", false},
		{"is_superuser", "on", "bool", true},
		{"jit", "off", "bool", false},
		{"lc_collate", "C", "string", true},
		{"lc_ctype", "C", "string", true},
		{"lc_messages", "C", "string", false},
		{"lc_monetary", "C", "string", false},
		{"lc_numeric", "C", "string", false},
		{"lc_time", "C", "string", false},
		{"listen_addresses", "localhost", "string", true},
		{"lo_compat_privileges", "off", "bool", false},
		{"lock_timeout", "0", "integer", false},
		{"max_connections", "100", "integer", true},
		{"max_identifier_length", "255", "integer", true},
		{"max_index_keys", "32", "integer", true},
		{"quote_all_identifiers", "off", "bool", false},
		{"role", "none", "string", false},
		{"row_security", "on", "bool", false},
		{"search_path", `"$user", main`, "string", false},
		{"server_encoding", "UTF8", "string", true},
		{"server_version", ServerVersion, "string", true},
		{"server_version_num", serverVersionNum, "integer", true},
		{"session_authorization", "tidemill", "string", false},
		{"ssl", "off", "bool", true},
		{"standard_conforming_strings", "on", "bool", false},
		{"statement_timeout", "0", "integer", false},
		{"synchronize_seqscans", "on", "bool", false},
		{"synchronous_commit", "on", "enum", false},
		{"tcp_keepalives_idle", "0", "integer", false},
		{"TimeZone", "UTC", "string", false},
		{"transaction_deferrable", "off", "bool", false},
		{"transaction_isolation", "serializable", "enum", false},
		{"transaction_read_only", "off", "bool", false},
		{"transform_null_equals", "off", "bool", false},
		{"wal_level", "logical", "enum", true},
		{"work_mem", "4096", "integer", false},
		{"xmloption", "content", "enum", false},
	}
}

// settingValues is the list of the settings as SQL rows.
func settingValues() string {
	var rows []string
	for _, s := range Settings() {
		context := "user"
		if s.Fixed {
			context = "internal"
		}
		rows = append(rows, fmt.Sprintf("('%s', '%s', '%s', '%s')", s.Name, s.Value, s.Type, context))
	}
	return strings.Join(rows, ", ")
}
