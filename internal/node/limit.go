package node

import (
	"encoding/binary"
	"io"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// filesKept is the part of the files that the process may have open that connections do not get: the log needs them, and a node that cannot open a
	// file cannot write.
	filesKept = 4
	// connectionsLeast is what is taken however few files there may be.
	connectionsLeast = 16
	// lingerMost bounds the refused connections that are open until the client has read why, lingerTime for how long.
	lingerMost = 32
	lingerTime = 200 * time.Millisecond
	// refusedEvery is how often refusals are logged.
	refusedEvery = 10 * time.Second
)

// connections bounds the connections of all doors together by the files that the process may have open. Those there are stay; new ones are told
// that there are too many.
type connections struct {
	most   int64
	logger *slog.Logger

	open, lingering atomic.Int64
	mu              sync.Mutex
	refused         int
	logged          time.Time
}

func newConnections(logger *slog.Logger) *connections {
	files := openFilesMost()
	return &connections{most: max(connectionsLeast, files-files/filesKept-2*lingerMost), logger: logger}
}

// limit returns the listener with the bound; reply is sent to clients for whom there is no room.
func (c *connections) limit(l net.Listener, reply []byte) net.Listener {
	if l == nil {
		return nil
	}
	return &limitedListener{Listener: l, all: c, reply: reply}
}

type limitedListener struct {
	net.Listener
	all   *connections
	reply []byte
}

// Accept implements net.Listener. Its errors are those of the system, also that there are too many files, which the doors wait out.
func (l *limitedListener) Accept() (net.Conn, error) {
	for {
		nc, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if l.all.open.Add(1) <= l.all.most {
			return &countedConn{Conn: nc, all: l.all}, nil
		}
		l.all.open.Add(-1)
		l.all.refuse(nc, l.reply)
	}
}

// refuse tells a client why and closes its connection.
func (c *connections) refuse(nc net.Conn, reply []byte) {
	c.mu.Lock()
	c.refused++
	if now := time.Now(); now.Sub(c.logged) >= refusedEvery {
		c.logger.Warn("connections are refused: there are as many as the process may have", "most", c.most, "refused", c.refused, "hint", "raise the limit of open files (ulimit -n)")
		c.logged = now
	}
	c.mu.Unlock()
	if c.lingering.Add(1) > lingerMost {
		c.lingering.Add(-1)
		_ = nc.Close()
		return
	}
	go func() { // ends with the deadline
		defer c.lingering.Add(-1)
		defer nc.Close()
		_ = nc.SetDeadline(time.Now().Add(lingerTime))
		var some [512]byte
		if _, err := nc.Read(some[:]); err != nil { // a client does not expect an answer before it has asked
			return
		}
		_, _ = nc.Write(reply)
		if half, is := nc.(interface{ CloseWrite() error }); is {
			_ = half.CloseWrite()
			_, _ = io.Copy(io.Discard, nc) // to close at once would take the reply back
		}
	}()
}

// countedConn gives its place back when it is closed.
type countedConn struct {
	net.Conn
	all  *connections
	once sync.Once
}

// Close implements net.Conn.
func (c *countedConn) Close() error {
	c.once.Do(func() { c.all.open.Add(-1) })
	return c.Conn.Close()
}

// CloseWrite lets net/http end an answer before the connection.
func (c *countedConn) CloseWrite() error {
	if half, is := c.Conn.(interface{ CloseWrite() error }); is {
		return half.CloseWrite()
	}
	return nil
}

const tooManyText = "too many connections: the process has no more files"

// httpTooMany and pgTooMany are the replies to clients for whom there is no room.
func httpTooMany() []byte {
	body := `{"error":{"code":"53300","message":"` + tooManyText + `","hint":"try again later; ulimit -n of the node bounds them"}}` + "\n"
	return []byte("HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nRetry-After: 1\r\nConnection: close\r\n\r\n" + body)
}

func pgTooMany() []byte {
	fields := "SFATAL\x00VFATAL\x00C53300\x00M" + tooManyText + "\x00\x00"
	return append(binary.BigEndian.AppendUint32([]byte{'E'}, uint32(4+len(fields))), fields...)
}
