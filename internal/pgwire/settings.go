package pgwire

import (
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/tidemill/tidemill/internal/fault"
	"github.com/tidemill/tidemill/internal/session"
)

// reported are the settings whose values a client is told at the start and whenever they change.
var reported = [...]string{"server_version", "server_encoding", "client_encoding", "application_name", "default_transaction_read_only",
	"in_hot_standby", "is_superuser", "session_authorization", "DateStyle", "IntervalStyle", "TimeZone", "integer_datetimes",
	"standard_conforming_strings", "search_path"}

// settings are what a client has set. Names are in lower case.
type settings struct {
	// defaults are those of this connection: what it was started with.
	defaults map[string]string
	values   map[string]string
	// before has what SET LOCAL changed; a missing value was the default.
	before map[string]*string

	loc      *time.Location // nil is UTC
	timeout  time.Duration  // of a statement; 0 is none
	readOnly bool           // outside of transaction blocks
}

// setting returns the value that a client sees.
func (c *conn) setting(name string) (string, bool) {
	if v, ok := c.settings.values[name]; ok {
		return v, true
	}
	if v, ok := c.settings.defaults[name]; ok {
		return v, true
	}
	if s, ok := c.server.settings[name]; ok {
		return s.Value, true
	}
	if v, ok := c.session.Setting(name); ok {
		return v, true
	}
	if name == "tidemill.token" {
		return c.token, true
	}
	return "", false
}

// set applies a setting of the startup, which becomes the connection's default.
func (c *conn) set(name, value string) error {
	name = strings.ToLower(name)
	if err := c.assign(name, value); err != nil {
		return err
	}
	if v, ok := c.settings.values[name]; ok {
		c.settings.defaults[name] = v
		delete(c.settings.values, name)
	}
	return nil
}

// assign sets a setting for the rest of the session.
func (c *conn) assign(name, value string) error {
	known, isKnown := c.server.settings[name]
	switch {
	case isKnown && known.Fixed:
		return fault.New("55P02", "parameter %q cannot be changed", known.Name)
	case isKnown:
		v, err := c.check(name, value)
		if err != nil {
			return err
		}
		c.keep(name, v)
		return nil
	}
	switch {
	case strings.HasPrefix(name, "tidemill."):
		return c.session.Set(name, value)
	case !strings.Contains(name, "."):
		return fault.New(fault.UndefinedObject, "unrecognized configuration parameter %q", name).WithHint("SHOW ALL lists the settings.")
	}
	if len(c.settings.values) > 1000 || len(value) > 1<<20 {
		return fault.New(fault.LimitExceeded, "too many settings")
	}
	c.keep(name, value)
	return nil
}

func (c *conn) keep(name, value string) {
	if c.settings.values == nil {
		c.settings.values = map[string]string{}
	}
	c.settings.values[name] = value
}

// check returns the value as it is kept, and applies those that have an effect.
func (c *conn) check(name, value string) (string, error) {
	invalid := fault.New(fault.InvalidParameterValue, "invalid value for parameter %q: %q", c.server.settings[name].Name, shorten(value))
	low := strings.ToLower(strings.TrimSpace(value))
	switch name {
	case "client_encoding":
		switch strings.NewReplacer("-", "", "_", "").Replace(low) {
		case "utf8", "unicode", "default", "auto":
			return "UTF8", nil
		case "sqlascii":
			return "SQL_ASCII", nil
		}
		return "", invalid.WithHint("Text is sent and read in UTF8.")
	case "datestyle":
		for _, w := range strings.FieldsFunc(low, func(r rune) bool { return r == ',' || r == ' ' }) {
			switch w {
			case "iso", "mdy", "dmy", "ymd", "us", "european", "euro", "noneuropean":
			default:
				return "", invalid.WithHint("Dates are written in the ISO style.")
			}
		}
		return "ISO, MDY", nil
	case "intervalstyle":
		if low != "postgres" {
			return "", invalid.WithHint("Intervals are written in the style postgres.")
		}
		return low, nil
	case "bytea_output":
		if low != "hex" {
			return "", invalid.WithHint("A BLOB is written as hex.")
		}
		return low, nil
	case "standard_conforming_strings":
		if on, ok := parseBool(low); !ok || !on {
			return "", invalid.WithHint("Strings are always standard-conforming.")
		}
		return "on", nil
	case "timezone":
		return c.setZone(value, invalid)
	case "statement_timeout", "lock_timeout", "idle_session_timeout", "idle_in_transaction_session_timeout":
		d, ok := session.ParseTimeout(low)
		if !ok {
			return "", invalid
		}
		if name == "statement_timeout" {
			c.settings.timeout = d
		}
		return durationText(d), nil
	case "default_transaction_read_only", "transaction_read_only":
		on, ok := parseBool(low)
		if !ok {
			return "", invalid
		}
		if name == "transaction_read_only" && c.status() == session.TxIdle {
			return onOff(on), nil
		}
		c.settings.readOnly = on
		return onOff(on), nil
	case "role", "session_authorization":
		if low != "none" && low != "default" && value != c.user {
			return "", fault.New(fault.InvalidAuthorization, "cannot become %q", shorten(value))
		}
		return value, nil
	case "transaction_isolation", "default_transaction_isolation":
		switch low {
		case "serializable", "repeatable read", "read committed", "read uncommitted":
			return "serializable", nil // every transaction is
		}
		return "", invalid
	case "extra_float_digits":
		if n, err := strconv.Atoi(low); err != nil || n < -15 || n > 3 {
			return "", invalid
		}
		return low, nil
	}
	if c.server.settings[name].Type == "bool" {
		on, ok := parseBool(low)
		if !ok {
			return "", invalid
		}
		return onOff(on), nil
	}
	if len(value) > 64<<10 {
		return "", invalid
	}
	return value, nil
}

func onOff(on bool) string {
	if on {
		return "on"
	}
	return "off"
}

// setZone sets the zone that timestamps are written in: a name, or hours east of UTC.
func (c *conn) setZone(value string, invalid *fault.Error) (string, error) {
	switch strings.ToLower(value) {
	case "utc", "gmt", "z", "zulu", "etc/utc", "default", "local", "":
		c.settings.loc = nil
		return "UTC", nil
	}
	if h, err := strconv.ParseFloat(value, 64); err == nil && h >= -24 && h <= 24 {
		seconds := int(h * 3600)
		name := "<" + string(appendOffset(nil, seconds)) + ">" + string(appendOffset(nil, -seconds))
		c.settings.loc = time.FixedZone(name, seconds)
		return name, nil
	}
	loc, err := time.LoadLocation(value)
	if err != nil {
		return "", invalid.WithHint("Use a name like Europe/Paris, or UTC.")
	}
	c.settings.loc = loc
	return loc.String(), nil
}

// durationText writes a duration in the largest unit it is a whole number of, as SHOW does.
func durationText(d time.Duration) string {
	if d == 0 {
		return "0"
	}
	for _, u := range []struct {
		size time.Duration
		name string
	}{{24 * time.Hour, "d"}, {time.Hour, "h"}, {time.Minute, "min"}, {time.Second, "s"}} {
		if d%u.size == 0 {
			return strconv.FormatInt(int64(d/u.size), 10) + u.name
		}
	}
	return strconv.FormatInt(d.Milliseconds(), 10) + "ms"
}

// resetSetting takes a setting back to the connection's default.
func (c *conn) resetSetting(name string) error {
	delete(c.settings.values, name)
	v, ok := c.settings.defaults[name]
	if !ok {
		s, known := c.server.settings[name]
		if !known {
			if strings.Contains(name, ".") && !strings.HasPrefix(name, "tidemill.") {
				return nil
			}
			return c.session.Set(name, "")
		}
		v = s.Value
	}
	if c.server.settings[name].Fixed {
		return fault.New("55P02", "parameter %q cannot be changed", name)
	}
	if _, known := c.server.settings[name]; known {
		if _, err := c.check(name, v); err != nil {
			return err
		}
	}
	return nil
}

func (c *conn) resetAll() error {
	names := make([]string, 0, len(c.settings.values))
	for n := range c.settings.values {
		names = append(names, n)
	}
	for _, n := range names {
		if err := c.resetSetting(n); err != nil {
			return err
		}
		c.report(n)
	}
	return nil
}

// report tells the client the value of a setting, if it is one that clients are told.
func (c *conn) report(name string) {
	for _, r := range reported {
		if strings.EqualFold(r, name) {
			v, _ := c.setting(name)
			c.send(&pgproto3.ParameterStatus{Name: r, Value: cut(v)})
		}
	}
}

// setLocal notes what SET LOCAL is going to change.
func (s *settings) setLocal(name string) {
	if s.before == nil {
		s.before = map[string]*string{}
	}
	if _, noted := s.before[name]; noted {
		return
	}
	s.before[name] = nil
	if v, ok := s.values[name]; ok {
		s.before[name] = &v
	}
}

// endLocal takes back what SET LOCAL changed.
func (s *settings) endLocal(c *conn) {
	if s.before == nil {
		return
	}
	before := s.before
	s.before = nil
	for name, v := range before {
		if v == nil {
			_ = c.resetSetting(name)
		} else {
			_ = c.assign(name, *v)
		}
		c.report(name)
	}
}

// allSettings are the rows of SHOW ALL.
func (c *conn) allSettings() [][]string {
	var rows [][]string
	for name, s := range c.server.settings {
		v, _ := c.setting(name)
		rows = append(rows, []string{s.Name, v, ""})
	}
	for name, v := range c.settings.values {
		if _, known := c.server.settings[name]; !known {
			rows = append(rows, []string{name, v, ""})
		}
	}
	sort.Slice(rows, func(i, j int) bool { return strings.ToLower(rows[i][0]) < strings.ToLower(rows[j][0]) })
	return rows
}
