package pgwire

import (
	"encoding/binary"
	"errors"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/tidemill/tidemill/internal/fault"
	"github.com/tidemill/tidemill/internal/metrics"
	pg "github.com/tidemill/tidemill/internal/pgwire/pgcatalog"
	"github.com/tidemill/tidemill/internal/session"
)

// The codes that stand where a startup message has its version.
const (
	cancelCode = 80877102
	sslCode    = 80877103
	gssCode    = 80877104
)

const defaultDatabase = "main"

// startup takes the messages before the first statement: requests for encryption, then a cancel request, after which
// the connection ends, or the parameters of the connection.
func (c *conn) startup() error {
	for range 4 { // SSL, GSS, and the message itself, in any order
		data, err := c.in.startup()
		if err != nil {
			return err
		}
		b := body{data: data}
		switch version := uint32(b.int32()); {
		case version == sslCode:
			err = c.startTLS()
		case version == gssCode:
			_, err = c.nc.Write([]byte{'N'})
		case version == cancelCode:
			pid, secret := b.int32(), b.int32()
			if !b.bad {
				c.server.cancel(uint32(pid), uint32(secret))
			}
			return errClosed
		case version>>16 == 3:
			return c.open(version, &b)
		default:
			return fault.New(fault.FeatureNotSupported, "unsupported frontend protocol %d.%d: server supports 3.0 to 3.2", version>>16, version&0xffff)
		}
		if err != nil {
			return err
		}
	}
	return fault.New(fault.ProtocolViolation, "invalid startup message")
}

// parameters reads the names and values of a startup message.
func parameters(b *body) (map[string]string, error) {
	m := map[string]string{}
	for {
		name := b.cstring()
		if b.bad {
			return nil, fault.New(fault.ProtocolViolation, "invalid startup message")
		}
		if len(name) == 0 {
			return m, b.end("startup")
		}
		value := b.cstring()
		if err := errors.Join(checkText(name), checkText(value)); err != nil {
			return nil, err
		}
		m[string(name)] = string(value)
	}
}

// open opens the session.
func (c *conn) open(version uint32, b *body) error {
	m, err := parameters(b)
	if err != nil {
		return err
	}
	c.negotiate(version, m)
	c.user = m["user"]
	if c.user == "" {
		c.user = "tidemill"
	}
	if m["replication"] != "" && m["replication"] != "false" && m["replication"] != "off" && m["replication"] != "0" {
		return fault.New(fault.FeatureNotSupported, "replication connections are not available").WithHint("Use SUBSCRIBE to follow changes.")
	}
	if c.db, err = c.findDatabase(m["database"]); err != nil {
		return err
	}
	if err := c.server.register(c); err != nil {
		return err
	}
	lease := c.db.Admission().NewLease(admissionPatience)
	c.in.room, c.in.done = func(n int64) error { return lease.Grow(c.server.life, n) }, lease.Shrink
	c.session = c.db.NewSession(session.Options{User: c.user, Application: m["application_name"], Door: metrics.Postgres, Lease: lease})
	c.names = pg.Session{Database: c.db.Name(), User: c.user, PID: c.pid, Setting: c.setting}
	c.settings.defaults = map[string]string{"session_authorization": c.user}
	if err := c.startSettings(m); err != nil {
		return err
	}
	c.send(&pgproto3.AuthenticationOk{})
	for _, name := range reported {
		v, _ := c.setting(strings.ToLower(name))
		c.send(&pgproto3.ParameterStatus{Name: name, Value: v})
	}
	c.send(&pgproto3.BackendKeyData{ProcessID: c.pid, SecretKey: binary.BigEndian.AppendUint32(nil, c.secret)})
	return c.ready()
}

// negotiate tells a client that asks for a later version, or for options that the protocol does not have here, what it gets.
func (c *conn) negotiate(version uint32, m map[string]string) {
	const newest = pgproto3.ProtocolVersion32
	var unknown []string
	for name := range m {
		if strings.HasPrefix(name, "_pq_.") {
			unknown = append(unknown, name)
		}
	}
	if version > newest || len(unknown) > 0 {
		c.send(&pgproto3.NegotiateProtocolVersion{NewestMinorProtocol: min(version, newest), UnrecognizedOptions: unknown})
	}
}

// findDatabase finds the database of a connection. Clients that were told no database send the user's name: they get the default one
// unless there is one of that name.
func (c *conn) findDatabase(name string) (*session.Database, error) {
	asked := name
	if name == "" {
		asked = c.user
	}
	db, err := c.server.options.Database(asked)
	if err != nil && asked == c.user {
		if db, err := c.server.options.Database(defaultDatabase); err == nil {
			return db, nil
		}
	}
	if err != nil || db == nil {
		return nil, fault.New(fault.InvalidDatabase, "database %s does not exist", strconv.Quote(asked)).
			WithHint("The default database is %s.", strconv.Quote(defaultDatabase))
	}
	return db, nil
}

// startSettings applies the parameters that are settings, and those in options ("-c name=value").
func (c *conn) startSettings(m map[string]string) error {
	for name, value := range m {
		switch name {
		case "user", "database", "replication", "options":
			continue
		}
		if strings.HasPrefix(name, "_pq_.") {
			continue
		}
		if err := c.startSetting(name, value); err != nil {
			return err
		}
	}
	words := optionWords(m["options"])
	for i := 0; i < len(words); i++ {
		w := words[i]
		switch {
		case w == "-c" && i+1 < len(words):
			i++
			w = words[i]
		case strings.HasPrefix(w, "--"):
			w = w[2:]
		case strings.HasPrefix(w, "-c"):
			w = w[2:]
		default:
			return fault.New(fault.ProtocolViolation, "invalid command-line argument for server process: %s", w)
		}
		name, value, _ := strings.Cut(w, "=")
		if err := c.startSetting(strings.ReplaceAll(name, "-", "_"), value); err != nil {
			return err
		}
	}
	return nil
}

// startSetting is set, but lets settings pass that only Postgres has: a client that sends one with its startup should not be kept out.
func (c *conn) startSetting(name, value string) error {
	err := c.set(name, value)
	var f *fault.Error
	if asFault(err, &f) && f.Code == fault.UndefinedObject {
		c.log.Debug("a client's setting is not known", "name", name)
		return nil
	}
	return err
}

// optionWords splits at spaces; a backslash keeps the character behind it.
func optionWords(s string) []string {
	var words []string
	var w []byte
	in := false
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '\\' && i+1 < len(s):
			i++
			w, in = append(w, s[i]), true
		case s[i] == ' ' || s[i] == '\t' || s[i] == '\n':
			if in {
				words = append(words, string(w))
			}
			w, in = w[:0], false
		default:
			w, in = append(w, s[i]), true
		}
	}
	if in {
		words = append(words, string(w))
	}
	return words
}
