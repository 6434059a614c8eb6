package plan

import "strings"

// volatile reports whether the function of that name over that many arguments depends on anything but its
// arguments: the clock, a random generator, a sequence, the session.
func volatile(name string, args int) bool {
	switch strings.ToLower(name) {
	case "random", "setseed", "uuid", "gen_random_uuid", "uuidv4", "uuidv7", "nextval", "currval",
		"stream_now", "now", "today", "current_date", "get_current_time", "get_current_timestamp", "transaction_timestamp", "txid_current",
		"current_connection_id", "current_query", "current_query_id", "current_transaction_id",
		"session_text", "current_database", "current_schema", "current_schemas", "in_search_path",
		"sleep_ms", "write_log", "stats":
		return true
	case "age":
		return args == 1 // age(t) is the time from t to today
	}
	return false
}

// isClock reports whether a volatile function asks for the time.
func isClock(name string) bool {
	switch strings.ToLower(name) {
	case "stream_now", "now", "today", "current_date", "get_current_time", "get_current_timestamp", "transaction_timestamp", "age":
		return true
	}
	return false
}
