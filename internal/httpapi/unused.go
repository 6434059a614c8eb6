package httpapi

import (
	"net"
	"net/http"
	"sync"
	"time"
)

// unusedGrace is how long, once the server closes, a connection that has not brought a request yet may still bring one.
const unusedGrace = 200 * time.Millisecond

// unusedConns are the connections that have not brought a request yet, such as those that browsers open ahead of need.
type unusedConns struct {
	mu     sync.Mutex
	conns  map[net.Conn]struct{}
	closed bool
}

// note is the server's ConnState.
func (u *unusedConns) note(c net.Conn, state http.ConnState) {
	u.mu.Lock()
	defer u.mu.Unlock()
	switch {
	case state != http.StateNew:
		delete(u.conns, c)
	case u.closed:
		_ = c.Close()
	default:
		if u.conns == nil {
			u.conns = map[net.Conn]struct{}{}
		}
		u.conns[c] = struct{}{}
	}
}

// close closes them, and those that are still to come.
func (u *unusedConns) close() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.closed = true
	for c := range u.conns {
		_ = c.Close()
	}
	u.conns = nil
}
