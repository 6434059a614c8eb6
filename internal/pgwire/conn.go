package pgwire

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/tidemill/tidemill/internal/fault"
	pg "github.com/tidemill/tidemill/internal/pgwire/pgcatalog"
	"github.com/tidemill/tidemill/internal/row"
	"github.com/tidemill/tidemill/internal/session"
	"github.com/tidemill/tidemill/internal/sql"
)

const (
	// outputHigh is how much output gathers before it is sent; outputKeep is how large a buffer is kept.
	outputHigh = 64 << 10
	outputKeep = 256 << 10
	// statementsMost and portalsMost bound what a connection keeps.
	statementsMost = 10_000
	portalsMost    = 1_000
	// admissionPatience is how long a client's large messages and writes wait for room among the writes that the node holds; its socket is not read meanwhile.
	admissionPatience = time.Minute
)

// conn is one client. Everything in it belongs to the goroutine of serve, except run.
type conn struct {
	server *Server
	log    *slog.Logger
	nc     net.Conn
	in     *reader
	out    []byte
	run    *running
	endRun func() // run.end, made once
	secure bool

	pid, secret uint32
	user        string
	db          *session.Database
	session     *session.Session
	names       pg.Session

	statements map[string]*statement
	unnamed    *statement
	portals    map[string]*portal
	direct     portal // the unnamed portal, made anew by every Bind

	settings   settings
	readOnly   bool // the block was begun as one that only reads
	savepoints []savepoint
	writes     int // statements of the block that changed something
	token      string
	// skip says that everything up to the next Sync is ignored, after an error in the extended protocol.
	skip bool
}

// errClosed ends a connection that has been told why, or that asked for it.
var errClosed = errors.New("closed")

func newConn(s *Server, nc net.Conn) *conn {
	in := newReader(nc, s.options.MaxMessage)
	run := newRunning(s.life, nc, in)
	return &conn{server: s, log: s.options.Logger, nc: nc, in: in, run: run, endRun: run.end,
		statements: map[string]*statement{}, portals: map[string]*portal{}}
}

// serve runs the connection to its end.
func (c *conn) serve() {
	// At the end of a shutdown the socket is closed under whoever reads or writes it.
	stop := context.AfterFunc(c.server.life, func() { c.nc.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	_ = c.nc.SetDeadline(time.Now().Add(c.server.options.StartupTimeout))
	if err := c.startup(); err != nil {
		c.ended(err)
		return
	}
	_ = c.nc.SetDeadline(time.Time{})
	for {
		if c.run.draining() {
			c.ended(errShutdown)
			return
		}
		kind, data, err := c.in.message()
		if err == nil {
			err = c.message(kind, data)
		}
		if err != nil {
			c.ended(err)
			return
		}
	}
}

// ended tells the client why its connection ends, as far as there is somebody to tell.
func (c *conn) ended(err error) {
	var large *tooLargeError
	var f *fault.Error
	switch {
	case errors.Is(err, errClosed) || errors.Is(err, io.EOF):
	case c.run.draining() || errors.Is(err, errShutdown):
		c.failLast(fault.New(fault.AdminShutdown, "terminating connection because the server is shutting down"))
	case errors.As(err, &large):
		c.failLast(fault.New(fault.LimitExceeded, "%s", large.Error()).WithHint("Send large data with COPY, in pieces."))
	case errors.As(err, &f):
		c.failLast(f)
	case errors.Is(err, errBadLength):
		c.failLast(fault.New(fault.ProtocolViolation, "%s", err.Error()))
	default: // the network
		c.log.Debug("a Postgres connection ended", "error", err)
	}
}

// failLast sends an error after which the connection is closed.
func (c *conn) failLast(err *fault.Error) {
	_ = c.nc.SetWriteDeadline(time.Now().Add(time.Second))
	c.appendError(err, "FATAL", "", 0)
	_, _ = c.nc.Write(c.out)
}

func (c *conn) close() {
	c.run.close()
	for name := range c.portals {
		c.closePortal(name)
	}
	c.direct.close()
	if c.session != nil {
		c.session.Close()
		c.server.unregister(c)
	}
	c.nc.Close()
}

func (c *conn) drain() { c.run.drain() }

func (c *conn) flush() error {
	if len(c.out) == 0 {
		return nil
	}
	err := c.write(c.out)
	if c.out = c.out[:0]; cap(c.out) > outputKeep {
		c.out = nil
	}
	return err
}

// write sends bytes, of which the client must take some in every WriteTimeout: one that does not would hold its query, and what that reads, for ever.
func (c *conn) write(b []byte) error {
	for len(b) > 0 {
		_ = c.nc.SetWriteDeadline(time.Now().Add(c.server.options.WriteTimeout))
		if c.server.life.Err() != nil {
			_ = c.nc.SetWriteDeadline(time.Unix(1, 0)) // it has just been set to that, for the end of a shutdown
		}
		n, err := c.nc.Write(b[:min(len(b), outputHigh)])
		if err != nil {
			return err
		}
		b = b[n:]
	}
	return nil
}

// send appends a message that is not sent for every statement.
func (c *conn) send(m pgproto3.BackendMessage) {
	out, err := m.Encode(c.out)
	if err != nil {
		panic("BUG: encoding a message: " + err.Error())
	}
	c.out = out
}

// message handles one message; an error ends the connection.
func (c *conn) message(kind byte, data []byte) error {
	if c.skip && kind != 'S' && kind != 'X' {
		return nil
	}
	b := body{data: data}
	var err error
	switch kind {
	case 'Q':
		return c.query(&b)
	case 'P':
		err = c.parse(data)
	case 'B':
		err = c.bind(&b)
	case 'D':
		err = c.describe(&b)
	case 'E':
		err = c.execute(&b)
	case 'C':
		err = c.closeMessage(&b)
	case 'H':
		return c.flush()
	case 'S':
		c.skip = false
		return c.ready()
	case 'X':
		return errClosed
	case 'd', 'c', 'f': // left over from a COPY that failed
		return nil
	case 'F':
		err = fault.New(fault.FeatureNotSupported, "function calls of the protocol are not available").WithHint("Use SELECT.")
		c.fail(err, "", 0)
		return c.ready()
	default:
		return fault.New(fault.ProtocolViolation, "invalid message type %d", kind)
	}
	if err == nil {
		return nil
	}
	if fatal(err) {
		return err
	}
	c.fail(err, "", 0)
	c.skip = true
	return nil
}

// fatal reports an error of the connection itself.
func fatal(err error) bool {
	var ne net.Error
	var f *fault.Error
	if errors.As(err, &f) {
		return false
	}
	return errors.As(err, &ne) && !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, errClosed) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, io.EOF) || errors.Is(err, net.ErrClosed) || errors.Is(err, io.ErrClosedPipe) || errors.Is(err, errDisconnected) || errors.Is(err, errShutdown) || errors.Is(err, errConnectionLost)
}

// errConnectionLost marks an error of writing to the client.
var errConnectionLost = errors.New("connection lost")

// status is the state of the transaction block.
func (c *conn) status() session.TxState { return c.session.Tx() }

// ready tells the client that it can go on, and sends everything.
func (c *conn) ready() error {
	s := c.status()
	if s == session.TxIdle {
		c.transactionEnded()
	}
	c.out = appendReady(c.out, byte(s))
	return c.flush()
}

// forgetBlock drops what is known of a transaction block.
func (c *conn) forgetBlock() {
	c.readOnly, c.writes, c.savepoints = false, 0, nil
}

// refuseWrite refuses a statement that changes something where only reading is allowed.
func (c *conn) refuseWrite(s *statement) error {
	readOnly := c.readOnly
	if c.session.Tx() == session.TxIdle {
		readOnly = c.settings.readOnly
	}
	if s.writes && readOnly {
		return fault.New(fault.ReadOnly, "cannot execute %s in a read-only transaction", s.verb)
	}
	return nil
}

// transactionEnded drops what lives no longer than the transaction.
func (c *conn) transactionEnded() {
	c.forgetBlock()
	c.settings.endLocal(c)
	c.direct.close()
	for name, p := range c.portals {
		if !p.hold {
			c.closePortal(name)
		}
	}
}

// fail sends an error and notes that it ended the transaction block. text is the statement, if its error has a position in a text that begins
// at byte offset.
func (c *conn) fail(err error, whole string, offset int) {
	if c.session != nil {
		c.session.Fail()
	}
	c.appendError(c.faultOf(err), "ERROR", whole, offset)
}

// faultOf makes an error one for users. What went wrong inside stays in the log.
func (c *conn) faultOf(err error) *fault.Error {
	var f *fault.Error
	var s *sql.Error
	switch {
	case errors.As(err, &f):
		return f
	case errors.As(err, &s):
		return &fault.Error{Code: fault.Code(s.Code), Message: s.Message, Detail: s.Detail, Hint: s.Hint, Position: s.Position}
	case errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded):
		return fault.From(err)
	}
	c.log.Error("a Postgres statement failed inside", "error", err, "database", c.names.Database)
	return fault.New(fault.Internal, "internal error").WithHint("the server's log has the details")
}

func isCancel(err error) bool {
	var f *fault.Error
	return errors.As(err, &f) && f.Code == fault.QueryCanceled
}

func (c *conn) appendError(f *fault.Error, severity, whole string, offset int) {
	e := pgproto3.ErrorResponse{Severity: severity, SeverityUnlocalized: severity, Code: string(f.Code), Message: cut(f.Message),
		Detail: cut(f.Detail), Hint: cut(f.Hint)}
	if f.Position > 0 {
		e.Position = int32(f.Position)
		if offset > 0 {
			e.Position += int32(sql.PositionAt(whole, offset) - 1)
		}
	}
	c.send(&e)
}

// cut makes a text one that a zero-terminated field can carry.
func cut(s string) string {
	for i := range len(s) {
		if s[i] == 0 {
			return s[:i]
		}
	}
	return s
}

func (c *conn) notice(severity string, code fault.Code, message string) {
	c.send(&pgproto3.NoticeResponse{Severity: severity, SeverityUnlocalized: severity, Code: string(code), Message: message})
}

// startTLS answers a request for encryption.
func (c *conn) startTLS() error {
	if c.server.options.TLS == nil || c.secure {
		_, err := c.nc.Write([]byte{'N'})
		return err
	}
	if c.in.r != c.in.w { // what came before the handshake was not protected by it
		return fault.New(fault.ProtocolViolation, "received unencrypted data after SSL request")
	}
	if _, err := c.nc.Write([]byte{'S'}); err != nil {
		return err
	}
	t := tls.Server(c.nc, c.server.options.TLS)
	if err := t.HandshakeContext(c.server.life); err != nil {
		return err
	}
	c.nc, c.secure = t, true
	c.in.src, c.run.nc = t, t
	return nil
}

// values is a result that the connection makes itself: text columns, all rows at once.
func values(columns row.Schema, rows [][]string) *row.Batch {
	b := row.NewBatchBuilder(columns.Types(), len(rows))
	for _, r := range rows {
		for i, v := range r {
			b.Cols[i].AppendString(v)
		}
	}
	return b.Finish(len(rows))
}

func textColumns(names ...string) row.Schema {
	s := make(row.Schema, len(names))
	for i, n := range names {
		s[i] = row.Column{Name: n, Type: row.T(row.String)}
	}
	return s
}
