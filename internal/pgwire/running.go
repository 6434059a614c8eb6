package pgwire

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"
)

// watchAfter is how long a statement runs before somebody looks whether its client is still there.
const watchAfter = 100 * time.Millisecond

// Causes of a statement's interruption.
var (
	errCanceled     = errors.New("canceled by a request of the user")
	errDisconnected = errors.New("the client is gone")
	errTimeout      = errors.New("statement timeout")
)

// running is the statement that a connection runs: what it is interrupted through, and the watch for a client that went away. A context is used
// for one statement after the other until it is cancelled, since most never are.
type running struct {
	parent context.Context
	nc     net.Conn
	in     *reader
	timer  *time.Timer

	mu      sync.Mutex // guards everything below
	ctx     context.Context
	stop    context.CancelCauseFunc
	active  bool
	watched bool // the watch may read the connection
	endless bool // the statement is a subscription
	drained bool
	watcher chan struct{} // closed when the watch has ended; nil if there is none
}

func newRunning(parent context.Context, nc net.Conn, in *reader) *running {
	r := &running{parent: parent, nc: nc, in: in}
	r.ctx, r.stop = context.WithCancelCause(parent)
	r.timer = time.AfterFunc(time.Hour, r.watch)
	r.timer.Stop()
	return r
}

// begin starts a statement. Unless the caller reads the connection while it runs, watched is true.
func (r *running) begin(watched, endless bool) context.Context {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ctx.Err() != nil {
		r.ctx, r.stop = context.WithCancelCause(r.parent)
	}
	r.active, r.watched, r.endless = true, watched, endless
	if endless && r.drained {
		r.stop(errShutdown)
	}
	if watched {
		r.timer.Reset(watchAfter)
	}
	return r.ctx
}

// end ends the statement. Afterwards nobody but the caller reads the connection.
func (r *running) end() {
	r.timer.Stop()
	r.mu.Lock()
	r.active, r.watched, r.endless = false, false, false
	w := r.watcher
	r.watcher = nil
	r.mu.Unlock()
	if w == nil {
		return
	}
	// The watch sits in a read: a deadline in the past gets it out without a loss.
	_ = r.nc.SetReadDeadline(time.Unix(1, 0))
	<-w
	_ = r.nc.SetReadDeadline(time.Time{})
	r.mu.Lock()
	drained := r.drained
	r.mu.Unlock()
	if drained {
		_ = r.nc.SetReadDeadline(time.Unix(1, 0))
	}
}

// watch looks for the end of the stream while a statement runs. It runs on the timer's goroutine.
func (r *running) watch() {
	r.mu.Lock()
	if !r.watched || r.watcher != nil {
		r.mu.Unlock()
		return
	}
	done := make(chan struct{})
	r.watcher = done
	r.mu.Unlock()
	defer close(done)
	for {
		ok, err := r.in.more()
		switch {
		case !ok:
			return // the client is far ahead of us: it is there
		case err != nil:
			var ne net.Error
			if errors.As(err, &ne) && ne.Timeout() {
				return
			}
			r.in.err = err
			r.cancel(errDisconnected)
			return
		}
	}
}

// cancel interrupts the statement, if one runs.
func (r *running) cancel(cause error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.active {
		r.stop(cause)
	}
}

// drain makes the connection end after the statement that runs; a subscription is ended at once.
func (r *running) drain() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.drained = true
	switch {
	case r.endless:
		r.stop(errShutdown)
	case !r.active:
		_ = r.nc.SetReadDeadline(time.Unix(1, 0))
	}
}

func (r *running) draining() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.drained
}

func (r *running) close() {
	r.end()
	r.mu.Lock()
	r.stop(errDisconnected)
	r.mu.Unlock()
}

// setEndless notes that the statement waits for a subscription, so that a shutdown does not wait for it.
func (r *running) setEndless() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.endless = true
	if r.drained {
		r.stop(errShutdown)
	}
}
