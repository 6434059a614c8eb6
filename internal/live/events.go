package live

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/tidemill/tidemill/internal/fault"
	"github.com/tidemill/tidemill/internal/session"
)

const (
	// defaultHeartbeat keeps proxies and clients from taking a quiet stream for a dead one.
	defaultHeartbeat = 15 * time.Second
	// writeTimeout is how long a client may take to accept a frame before it is cut; it comes back with its token.
	writeTimeout = 30 * time.Second
	// retryMillis is the delay that clients are told to wait before they come back.
	retryMillis = 1000
)

var kindNames = map[session.EventKind]string{session.SnapshotEvent: "snapshot", session.ChangeEvent: "change", session.ProgressEvent: "progress"}

// ServeEvents writes a subscription's events until ctx ends, the client goes or is too slow, or the subscription ends. A stream that is
// quiet for a heartbeat says so; 0 is 15 seconds.
func ServeEvents(ctx context.Context, w http.ResponseWriter, sub *session.Subscription, heartbeat time.Duration) {
	if heartbeat <= 0 {
		heartbeat = defaultHeartbeat
	}
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no")
	w.WriteHeader(http.StatusOK)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	out := &frames{w: w, rc: http.NewResponseController(w), heartbeat: heartbeat}
	if out.send(fmt.Appendf(nil, "retry: %d\n\n", retryMillis)) != nil {
		return
	}
	out.startBeating(cancel)
	defer func() {
		if out.stopBeating(); out.tooSlow {
			sub.Cut()
		}
	}()
	for {
		ev, err := sub.Next(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			out.fail(err)
			return
		}
		n, err := out.event(&ev)
		if err != nil {
			return
		}
		sub.Wrote(&ev, n)
	}
}

// frames writes to one client.
type frames struct {
	rc        *http.ResponseController
	buf       []byte
	heartbeat time.Duration

	mu   sync.Mutex // held while writing
	w    http.ResponseWriter
	beat *time.Timer
	over bool
	// tooSlow says that the client took too long to accept something.
	tooSlow bool
}

// startBeating sends a heartbeat whenever nothing else was sent for as long; gone is called when the client no longer takes it. It is a timer rather than
// a deadline of the wait for events, so that what an event is being put together from is never given up.
func (f *frames) startBeating(gone func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.beat = time.AfterFunc(f.heartbeat, func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		if !f.over && f.sendLocked([]byte(": heartbeat\n\n")) != nil {
			gone()
		}
	})
}

// stopBeating waits for a heartbeat under way: nothing is written afterwards.
func (f *frames) stopBeating() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.over = true
	f.beat.Stop()
}

// event writes an event and returns the bytes it took.
func (f *frames) event(ev *session.Event) (int, error) {
	b := append(f.buf[:0], "id: "...)
	b = append(b, ev.Token...)
	b = append(b, "\nevent: "...)
	b = append(b, kindNames[ev.Kind]...)
	b = append(b, "\ndata: "...)
	b = append(b, ev.JSON()...)
	f.buf = append(b, "\n\n"...)
	return len(f.buf), f.send(f.buf)
}

func (f *frames) send(b []byte) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.sendLocked(b)
}

func (f *frames) sendLocked(b []byte) error {
	_ = f.rc.SetWriteDeadline(time.Now().Add(writeTimeout)) // a writer without deadlines is a test's
	if _, err := f.w.Write(b); err != nil {
		f.tooSlow = errors.Is(err, os.ErrDeadlineExceeded)
		return err
	}
	if f.beat != nil {
		f.beat.Reset(f.heartbeat)
	}
	return f.rc.Flush()
}

// fail tells the client why the stream ends.
func (f *frames) fail(err error) {
	e := fault.From(err)
	body, merr := json.Marshal(map[string]any{"error": map[string]any{"code": string(e.Code), "message": e.Message, "detail": e.Detail, "hint": e.Hint}})
	if merr == nil {
		_ = f.send(fmt.Appendf(nil, "event: error\ndata: %s\n\n", body)) // the client may be gone
	}
}
