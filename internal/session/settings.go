package session

import (
	"fmt"
	"strings"

	"github.com/tidemill/tidemill/internal/fault"
	"github.com/tidemill/tidemill/internal/token"
)

// afterSetting names the setting with the token that reads wait for.
const afterSetting = "tidemill.after"

const (
	// settingsMax bounds the settings of a session, settingBytesMax the value of one.
	settingsMax     = 1000
	settingBytesMax = 64 << 10
)

// Setting returns a setting of the session by its lower-case name.
func (s *Session) Setting(name string) (string, bool) {
	if v, ok := s.settings[name]; ok {
		return v, true
	}
	switch name {
	case afterSetting:
		return "", true
	case timeoutSetting:
		return fmt.Sprintf("%dms", s.opts.Limits.Time.Milliseconds()), true
	case resultBytesSetting:
		return fmt.Sprint(s.opts.Limits.ResultBytes), true
	case "tidemill.workers":
		return fmt.Sprint(s.db.workers), true
	}
	return "", false
}

// Set sets a setting of the session. Those that clients of Postgres set when they connect are taken and have no effect here: where they have
// one, the Postgres door sees to it.
func (s *Session) Set(name, value string) error {
	if err := knownSetting(name); err != nil {
		return err
	}
	if len(value) > settingBytesMax {
		return fault.New(fault.LimitExceeded, "the value of a setting has at most %d bytes", settingBytesMax)
	}
	if _, there := s.settings[name]; !there && len(s.settings) >= settingsMax {
		return fault.New(fault.LimitExceeded, "a session has at most %d settings", settingsMax)
	}
	if err := checkLimit(name, value); err != nil {
		return err
	}
	if name == afterSetting && value != "" {
		if _, err := token.Parse(value); err != nil {
			return userError(err)
		}
	}
	s.settings[name] = value
	return nil
}

// knownSetting refuses the name of a setting that there is not. As in Postgres, a name with a dot belongs to whoever uses it.
func knownSetting(name string) error {
	switch {
	case name == afterSetting, name == resultBytesSetting:
		return nil
	case strings.HasPrefix(name, "tidemill."):
		return fault.New(fault.UndefinedObject, "there is no setting %q that can be set", name).WithHint("tidemill.after takes a token, tidemill.result_bytes a number")
	case strings.Contains(name, ".") || clientSetting(name):
		return nil
	}
	return fault.New(fault.UndefinedObject, "unrecognized configuration parameter %q", name).WithHint("tidemill.after is the setting of a session; SHOW ALL lists what there is")
}

// clientSetting reports whether clients of Postgres are known to set the name.
func clientSetting(name string) bool {
	switch name {
	case "application_name", "backslash_quote", "bytea_output", "check_function_bodies", "client_connection_check_interval", "client_encoding",
		"client_min_messages", "datestyle", "default_table_access_method", "default_tablespace", "default_text_search_config",
		"default_transaction_deferrable", "default_transaction_isolation", "default_transaction_read_only", "escape_string_warning",
		"extra_float_digits", "geqo", "idle_in_transaction_session_timeout", "idle_session_timeout", "intervalstyle", "jit", "lc_messages",
		"lc_monetary", "lc_numeric", "lc_time", "lo_compat_privileges", "lock_timeout", "quote_all_identifiers", "role", "row_security",
		"search_path", "session_authorization", "standard_conforming_strings", "statement_timeout", "synchronize_seqscans", "synchronous_commit",
		"tcp_keepalives_idle", "timezone", "transaction_deferrable", "transaction_isolation", "transaction_read_only",
		"transform_null_equals", "work_mem", "xmloption":
		return true
	}
	return false
}
