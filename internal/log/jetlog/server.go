package jetlog

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	serverName = "tidemill"
	// maxPayload is the largest message: a frame and a few hundred bytes of headers.
	maxPayload = 8 << 20
	// maxPending is what the server holds for a connection that does not read fast enough before it
	// cuts it. Fetches under way stay below it (maxFetches).
	maxPending = 256 << 20
	// unbounded is given to the server as the size of its storage. It reserves each topic's MaxBytes
	// from it and would otherwise refuse topics by a guess made at start; what bounds the storage
	// is the disk.
	unbounded = 1 << 62
	// serverMemory is the server's memory for streams. None of ours is in memory.
	serverMemory = 1 << 20
)

// embedded is a running server and the connections to it. Writers and managers use pub, readers
// use get, so that acknowledgements do not queue behind data that is read back.
type embedded struct {
	srv *server.Server
	pub *nats.Conn
	get *nats.Conn
	js  jetstream.JetStream
}

// startServer starts a server on dir and recovers its streams, which takes as long as it takes: after
// a crash every stream that was being written is scanned.
func startServer(dir string, logger *slog.Logger) (*embedded, error) {
	o := &server.Options{
		ServerName:             serverName,
		DontListen:             true,
		NoSigs:                 true,
		JetStream:              true,
		DisableJetStreamBanner: true,
		StoreDir:               dir,
		SyncAlways:             true,
		JetStreamMaxStore:      unbounded,
		JetStreamMaxMemory:     serverMemory,
		MaxPayload:             maxPayload,
		MaxPending:             maxPending,
	}
	srv, err := server.NewServer(o)
	if err != nil {
		return nil, fmt.Errorf("configuring the server: %w", err)
	}
	fatal := new(fatalError)
	srv.SetLoggerV2(&serverLog{to: logger, fatal: fatal}, false, false, false)
	srv.Start() // returns when it has started: it does not listen
	e := &embedded{srv: srv}
	if err := fatal.get(); err != nil {
		e.stop()
		return nil, err
	}
	if err := e.connect(); err != nil {
		e.stop()
		return nil, err
	}
	return e, nil
}

func (e *embedded) connect() error {
	for _, c := range []struct {
		name string
		conn **nats.Conn
	}{{"append", &e.pub}, {"read", &e.get}} {
		nc, err := nats.Connect("", nats.InProcessServer(e.srv), nats.Name(c.name),
			nats.MaxReconnects(-1), nats.ReconnectWait(10*time.Millisecond))
		if err != nil {
			return fmt.Errorf("connecting to the server: %w", err)
		}
		*c.conn = nc
	}
	js, err := jetstream.New(e.pub)
	if err != nil {
		return fmt.Errorf("connecting to the server: %w", err)
	}
	e.js = js
	return nil
}

func (e *embedded) stop() {
	for _, nc := range []*nats.Conn{e.pub, e.get} {
		if nc != nil {
			nc.Close()
		}
	}
	e.srv.Shutdown()
	e.srv.WaitForShutdown()
}

// frozen returns what keeps the stream from taking messages at all, or "".
func (e *embedded) frozen(stream string) string {
	h := e.srv.Healthz(&server.HealthzOptions{Account: server.DEFAULT_GLOBAL_ACCOUNT, Stream: stream})
	if h.StatusCode == 404 {
		return ""
	}
	return h.Error
}

// streams lists all streams with their state.
func (e *embedded) streams(ctx context.Context) ([]*jetstream.StreamInfo, error) {
	var all []*jetstream.StreamInfo
	list := e.js.ListStreams(ctx)
	for info := range list.Info() {
		all = append(all, info)
	}
	if err := list.Err(); err != nil {
		return nil, fmt.Errorf("listing streams: %w", err)
	}
	return all, nil
}

// fatalError keeps the first error after which the server cannot go on.
type fatalError struct {
	mu  sync.Mutex
	err error
}

func (f *fatalError) set(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err == nil {
		f.err = err
	}
}

func (f *fatalError) get() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.err
}

// serverLog passes the server's messages on. Its notices are our debug level, except those that
// tell of pressure.
type serverLog struct {
	to    *slog.Logger
	fatal *fatalError
}

func (s *serverLog) Noticef(format string, v ...any) {
	msg := fmt.Sprintf(format, v...)
	if strings.Contains(msg, "Slow Consumer") || strings.Contains(msg, "stalled") {
		s.to.Warn("storage: " + msg)
		return
	}
	s.to.Debug("storage: " + msg)
}

func (s *serverLog) Warnf(format string, v ...any) {
	s.to.Warn("storage: " + fmt.Sprintf(format, v...))
}

func (s *serverLog) Errorf(format string, v ...any) {
	s.to.Error("storage: " + fmt.Sprintf(format, v...))
}

// Fatalf is called where the server would end its process.
func (s *serverLog) Fatalf(format string, v ...any) {
	msg := fmt.Sprintf(format, v...)
	s.to.Error("storage cannot go on: " + msg)
	s.fatal.set(fmt.Errorf("server: %s", msg))
}

func (s *serverLog) Debugf(format string, v ...any) {}
func (s *serverLog) Tracef(format string, v ...any) {}
