package pgwire

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/tidemill/tidemill/internal/fault"
	"github.com/tidemill/tidemill/internal/metrics"
	pg "github.com/tidemill/tidemill/internal/pgwire/pgcatalog"
	"github.com/tidemill/tidemill/internal/session"
)

// Options configures a Server.
type Options struct {
	// Database finds a database by name; an error is shown to the client.
	Database func(name string) (*session.Database, error)
	// Logger is required.
	Logger *slog.Logger
	// Metrics may be nil.
	Metrics *metrics.Doors
	// TLS is nil to refuse encryption.
	TLS *tls.Config
	// MaxConnections bounds the connections, cancel requests excepted; default 1000.
	MaxConnections int
	// MaxMessage bounds the size of a message in bytes; default 64 MiB.
	MaxMessage int
	// StartupTimeout bounds the time a client has until its startup is complete; default 10 s.
	StartupTimeout time.Duration
	// WriteTimeout bounds the time in which a client takes nothing of what it is sent; default 1 min.
	WriteTimeout time.Duration
}

func (o Options) withDefaults() Options {
	if o.MaxConnections <= 0 {
		o.MaxConnections = 1000
	}
	if o.MaxMessage <= 0 {
		o.MaxMessage = 64 << 20
	}
	if o.StartupTimeout <= 0 {
		o.StartupTimeout = 10 * time.Second
	}
	if o.WriteTimeout <= 0 {
		o.WriteTimeout = time.Minute
	}
	return o
}

// startupsMost is how many more sockets than connections there may be: those that are about to cancel, or to be told that there are too many.
const startupsMost = 64

// Server takes Postgres clients. Its methods are safe for concurrent use.
type Server struct {
	options  Options
	rewriter *pg.Rewriter
	settings map[string]pg.Setting
	// life ends when everything has to stop at once.
	life context.Context
	kill context.CancelCauseFunc
	done sync.WaitGroup

	mu        sync.Mutex // guards everything below
	closed    bool
	listeners map[net.Listener]struct{}
	sockets   map[*conn]struct{}
	conns     map[uint32]*conn
	lastPID   uint32
}

var errShutdown = errors.New("shutdown")

// New returns a server that has no listener yet.
func New(o Options) *Server {
	s := &Server{options: o.withDefaults(), rewriter: pg.NewRewriter(), settings: map[string]pg.Setting{},
		listeners: map[net.Listener]struct{}{}, sockets: map[*conn]struct{}{}, conns: map[uint32]*conn{}}
	for _, x := range pg.Settings() {
		s.settings[strings.ToLower(x.Name)] = x
	}
	s.life, s.kill = context.WithCancelCause(context.Background())
	return s
}

// Serve takes connections from l, which it owns, until Close is called or l fails. After Close it returns nil.
func (s *Server) Serve(l net.Listener) error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		l.Close()
		return nil
	}
	s.listeners[l] = struct{}{}
	s.mu.Unlock()
	pause := time.Millisecond
	for {
		nc, err := l.Accept()
		if err != nil {
			if s.stopping() {
				return nil
			}
			var ne net.Error
			if errors.As(err, &ne) && ne.Timeout() || isTemporary(err) {
				s.options.Logger.Warn("accepting a Postgres connection failed; trying again", "error", err, "pause", pause)
				select {
				case <-time.After(pause):
				case <-s.life.Done():
					return nil
				}
				pause = min(2*pause, time.Second)
				continue
			}
			l.Close()
			return fmt.Errorf("accepting Postgres connections on %s: %w", l.Addr(), err)
		}
		pause = time.Millisecond
		if c := s.admit(nc); c != nil {
			go s.handle(c)
		} else {
			nc.Close()
		}
	}
}

// isTemporary reports the errors of Accept that pass, as when the process has too many files open.
func isTemporary(err error) bool {
	var t interface{ Temporary() bool }
	return errors.As(err, &t) && t.Temporary()
}

func (s *Server) stopping() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed
}

// admit makes a connection of a socket, unless there are too many.
func (s *Server) admit(nc net.Conn) *conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || len(s.sockets) >= s.options.MaxConnections+startupsMost {
		s.options.Metrics.Denied(metrics.Postgres)
		return nil
	}
	c := newConn(s, nc)
	s.sockets[c] = struct{}{}
	s.done.Add(1)
	return c
}

// handle serves one socket to its end. A panic ends the connection, not the process.
func (s *Server) handle(c *conn) {
	defer func() {
		if p := recover(); p != nil {
			s.options.Logger.Error("BUG: a Postgres connection panicked", "panic", p, "stack", string(debug.Stack()))
			c.failLast(fault.New(fault.Internal, "internal error").WithHint("the server's log has the details"))
		}
		c.close()
		s.mu.Lock()
		delete(s.sockets, c)
		s.mu.Unlock()
		s.done.Done()
	}()
	c.serve()
}

// register makes a connection one that can be cancelled, and gives it its number and secret.
func (s *Server) register(c *conn) error {
	var random [8]byte
	if _, err := rand.Read(random[:]); err != nil {
		return fmt.Errorf("making a secret key: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		return fault.New(fault.CannotConnectNow, "the server is shutting down")
	case len(s.conns) >= s.options.MaxConnections:
		s.options.Metrics.Denied(metrics.Postgres)
		return fault.New(fault.TooManyConnections, "too many clients already").
			WithDetail("At most %d connections are accepted.", s.options.MaxConnections)
	}
	for {
		s.lastPID = (s.lastPID + 1) & 0x7fffffff
		if _, taken := s.conns[s.lastPID]; !taken && s.lastPID != 0 {
			break
		}
	}
	c.pid, c.secret = s.lastPID, binary.BigEndian.Uint32(random[:])
	s.conns[c.pid] = c
	s.options.Metrics.Connected(metrics.Postgres)
	return nil
}

func (s *Server) unregister(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conns[c.pid] == c {
		delete(s.conns, c.pid)
		s.options.Metrics.Disconnected(metrics.Postgres)
	}
}

// cancel interrupts the statement that a connection runs, if the secret is its.
func (s *Server) cancel(pid, secret uint32) {
	s.mu.Lock()
	c := s.conns[pid]
	s.mu.Unlock()
	var a, b [4]byte
	binary.BigEndian.PutUint32(a[:], secret)
	if c == nil {
		return
	}
	binary.BigEndian.PutUint32(b[:], c.secret)
	if subtle.ConstantTimeCompare(a[:], b[:]) == 1 {
		c.run.cancel(errCanceled)
	}
}

// Connections is the number of clients that are connected.
func (s *Server) Connections() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.conns)
}

// Close takes no more connections, lets each statement that runs come to its end (subscriptions, which have none, are ended) and
// then closes its connection. When ctx ends it interrupts what still runs. It returns when no goroutine is left.
func (s *Server) Close(ctx context.Context) error {
	s.mu.Lock()
	s.closed = true
	for l := range s.listeners {
		l.Close()
	}
	conns := make([]*conn, 0, len(s.sockets))
	for c := range s.sockets {
		conns = append(conns, c)
	}
	s.mu.Unlock()
	for _, c := range conns {
		c.drain()
	}
	finished := make(chan struct{})
	go func() {
		s.done.Wait()
		close(finished)
	}()
	select {
	case <-finished:
		s.kill(errShutdown)
		return nil
	case <-ctx.Done():
	}
	s.kill(errShutdown)
	<-finished
	return ctx.Err()
}
