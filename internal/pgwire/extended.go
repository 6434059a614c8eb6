package pgwire

import (
	"context"
	"errors"
	"strconv"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/tidemill/tidemill/internal/fault"
	"github.com/tidemill/tidemill/internal/row"
	"github.com/tidemill/tidemill/internal/session"
)

func asFault(err error, f **fault.Error) bool { return errors.As(err, f) }

// begin starts what may be cancelled: the context ends with a request of the user, the client, or the timeout. done has to be called.
func (c *conn) begin(watched, endless bool) (ctx context.Context, done func()) {
	ctx = c.run.begin(watched, endless)
	if c.settings.timeout == 0 {
		return ctx, c.endRun
	}
	ctx, cancel := context.WithTimeoutCause(ctx, c.settings.timeout, errTimeout)
	return ctx, func() {
		cancel()
		c.run.end()
	}
}

// interrupted says of an error of a statement that was cut short what cut it.
func interrupted(ctx context.Context, err error) error {
	if err == nil || ctx.Err() == nil {
		return err
	}
	if !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) && !isCancel(err) {
		return err
	}
	switch cause := context.Cause(ctx); {
	case errors.Is(cause, errTimeout):
		return fault.New(fault.QueryCanceled, "canceling statement due to statement timeout").WithHint("SET statement_timeout raises the bound; 0 is none.")
	case errors.Is(cause, errDisconnected), errors.Is(cause, errShutdown):
		return cause
	default:
		return fault.New(fault.QueryCanceled, "canceling statement due to user request")
	}
}

// parse is Parse: a statement gets a name.
func (c *conn) parse(data []byte) error {
	var m pgproto3.Parse
	if err := m.Decode(data); err != nil {
		return fault.New(fault.ProtocolViolation, "invalid Parse message")
	}
	if m.Name != "" {
		if _, taken := c.statements[m.Name]; taken {
			return fault.New(fault.DuplicateStatement, "prepared statement %s already exists", strconv.Quote(m.Name))
		}
		if len(c.statements) >= statementsMost {
			return fault.New(fault.LimitExceeded, "too many prepared statements: at most %d per connection", statementsMost).WithHint("DEALLOCATE those that are no longer used.")
		}
	} else {
		c.unnamed = nil
	}
	ctx, done := c.begin(true, false)
	s, err := c.prepare(ctx, m.Query, m.ParameterOIDs)
	err = interrupted(ctx, err)
	done()
	if err != nil {
		return err
	}
	if m.Name == "" {
		c.unnamed = s
	} else {
		c.statements[m.Name] = s
	}
	c.out = appendEmpty(c.out, '1')
	return nil
}

func (c *conn) statement(name []byte) (*statement, error) {
	if len(name) == 0 {
		if c.unnamed == nil {
			return nil, fault.New(fault.InvalidStatementName, "unnamed prepared statement does not exist")
		}
		return c.unnamed, nil
	}
	s, ok := c.statements[string(name)]
	if !ok {
		return nil, fault.New(fault.InvalidStatementName, "prepared statement %s does not exist", strconv.Quote(string(name)))
	}
	return s, nil
}

// portal returns the portal of that name, the one without a name if it is empty.
func (c *conn) portal(name []byte) (*portal, error) {
	if len(name) == 0 {
		if c.direct.stmt == nil {
			return nil, fault.New(fault.InvalidCursorName, "portal \"\" does not exist")
		}
		return &c.direct, nil
	}
	p, ok := c.portals[string(name)]
	if !ok {
		return nil, fault.New(fault.InvalidCursorName, "portal %s does not exist", strconv.Quote(string(name)))
	}
	return p, nil
}

// newPortal makes room for a portal; the one without a name replaces the last.
func (c *conn) newPortal(name string) (*portal, error) {
	if name == "" {
		c.direct.close()
		return &c.direct, nil
	}
	if _, taken := c.portals[name]; taken {
		return nil, fault.New(fault.DuplicateCursor, "cursor %s already exists", strconv.Quote(name))
	}
	if len(c.portals) >= portalsMost {
		return nil, fault.New(fault.LimitExceeded, "too many cursors and portals: at most %d per connection", portalsMost).WithHint("CLOSE those that are no longer used.")
	}
	p := &portal{}
	c.portals[name] = p
	return p, nil
}

// bind is Bind: a statement with values for its parameters becomes a portal.
func (c *conn) bind(b *body) error {
	portalName, statementName := b.cstring(), b.cstring()
	s, err := c.statement(statementName)
	if err != nil {
		return err
	}
	if c.status() == session.TxFailed && !endsBlock(s) {
		return errFailedBlock()
	}
	p, err := c.newPortal(string(portalName))
	if err != nil {
		return err
	}
	if err := c.bindTo(p, s, b); err != nil {
		p.close()
		if len(portalName) > 0 {
			delete(c.portals, string(portalName))
		}
		return err
	}
	c.out = appendEmpty(c.out, '2')
	return nil
}

func (c *conn) bindTo(p *portal, s *statement, b *body) error {
	codes, err := readFormats(b, nil)
	if err != nil {
		return err
	}
	n := b.uint16()
	if n != len(s.oids) && !b.bad {
		return fault.New(fault.ProtocolViolation, "bind message supplies %d parameters, but the prepared statement requires %d", n, len(s.oids))
	}
	if len(codes) > 1 && len(codes) != n {
		return fault.New(fault.ProtocolViolation, "bind message has %d parameter formats but %d parameters", len(codes), n)
	}
	p.args = p.args[:0]
	for i := range n {
		size := b.int32()
		if size == -1 {
			p.args = append(p.args, row.NullValue(s.params[i]))
			continue
		}
		data := b.take(size)
		if b.bad {
			break
		}
		v, err := decodeParam(s.oids[i], codes.binary(i), data, s.params[i])
		if err != nil {
			return inParameter(err, i)
		}
		p.args = append(p.args, v)
	}
	if p.formats, err = readFormats(b, p.formats[:0]); err != nil {
		return err
	}
	if err := b.end("Bind"); err != nil {
		return err
	}
	if k := len(p.formats); k > 1 && k != len(s.columns) {
		return fault.New(fault.ProtocolViolation, "bind message has %d result formats but query has %d columns", k, len(s.columns))
	}
	p.stmt = s
	return nil
}

// inParameter says which parameter an error is about.
func inParameter(err error, i int) error {
	var f *fault.Error
	if asFault(err, &f) && f.Detail == "" {
		return f.WithDetail("It is the value of parameter $%d.", i+1)
	}
	return err
}

func readFormats(b *body, f formats) (formats, error) {
	for range b.uint16() {
		code := b.uint16()
		if b.bad {
			break
		}
		if code > 1 {
			return nil, fault.New(fault.ProtocolViolation, "unsupported format code: %d", code)
		}
		f = append(f, int16(code))
	}
	return f, nil
}

// describe is Describe: what parameters a statement takes, and what rows it or a portal returns.
func (c *conn) describe(b *body) error {
	kind, name := b.byte(), b.cstring()
	if err := b.end("Describe"); err != nil {
		return err
	}
	switch kind {
	case 'S':
		s, err := c.statement(name)
		if err != nil {
			return err
		}
		c.out = appendParameterDescription(c.out, s.oids)
		return c.describeRows(s, nil)
	case 'P':
		p, err := c.portal(name)
		if err != nil {
			return err
		}
		return c.describeRows(p.stmt, p.formats)
	}
	return fault.New(fault.ProtocolViolation, "invalid Describe message subtype %d", kind)
}

func (c *conn) describeRows(s *statement, f formats) error {
	if s.columns == nil {
		c.out = appendEmpty(c.out, 'n')
	} else {
		c.out = appendRowDescription(c.out, s.columns, f)
	}
	return nil
}

// execute is Execute: a portal's rows, all or as many as the client wants now.
func (c *conn) execute(b *body) error {
	name, most := b.cstring(), b.int32()
	if err := b.end("Execute"); err != nil {
		return err
	}
	p, err := c.portal(name)
	if err != nil {
		return err
	}
	if p.stmt.verb == "" {
		c.out = appendEmpty(c.out, 'I')
		return nil
	}
	return c.runPortal(p, int64(max(most, 0)), false)
}

// closeMessage is Close: of a statement or portal, which need not exist.
func (c *conn) closeMessage(b *body) error {
	kind, name := b.byte(), b.cstring()
	if err := b.end("Close"); err != nil {
		return err
	}
	switch {
	case kind == 'S' && len(name) == 0:
		c.unnamed = nil
	case kind == 'S':
		delete(c.statements, string(name))
	case kind == 'P' && len(name) == 0:
		c.direct.close()
	case kind == 'P':
		c.closePortal(string(name))
	default:
		return fault.New(fault.ProtocolViolation, "invalid Close message subtype %d", kind)
	}
	c.out = appendEmpty(c.out, '3')
	return nil
}
