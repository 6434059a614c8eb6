package live

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"encoding/json"

	"github.com/tidemill/tidemill/internal/fault"
	"github.com/tidemill/tidemill/internal/session"
)

const (
	// heartbeat keeps proxies and clients from taking a quiet stream for a dead one.
	heartbeat = 15 * time.Second
	// writeTimeout is how long a client may take to accept a frame before it is cut; it comes back with its token.
	writeTimeout = 30 * time.Second
	// retryMillis is the delay that clients are told to wait before they come back.
	retryMillis = 1000
)

var kindNames = map[session.EventKind]string{session.SnapshotEvent: "snapshot", session.ChangeEvent: "change", session.ProgressEvent: "progress"}

// ServeEvents writes a subscription's events until ctx ends, the client goes or is too slow, or the subscription ends.
func ServeEvents(ctx context.Context, w http.ResponseWriter, sub *session.Subscription) {
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no")
	w.WriteHeader(http.StatusOK)
	out := &frames{w: w, rc: http.NewResponseController(w)}
	if out.send(fmt.Appendf(nil, "retry: %d\n\n", retryMillis)) != nil {
		return
	}
	for {
		waiting, cancel := context.WithTimeout(ctx, heartbeat)
		ev, err := sub.Next(waiting)
		cancel()
		switch {
		case ctx.Err() != nil:
			return
		case errors.Is(err, context.DeadlineExceeded):
			err = out.send([]byte(": heartbeat\n\n"))
		case err != nil:
			out.fail(err)
			return
		default:
			err = out.event(&ev)
		}
		if err != nil {
			return
		}
	}
}

// frames writes to one client.
type frames struct {
	w   http.ResponseWriter
	rc  *http.ResponseController
	buf []byte
}

func (f *frames) event(ev *session.Event) error {
	b := append(f.buf[:0], "id: "...)
	b = append(b, ev.Token...)
	b = append(b, "\nevent: "...)
	b = append(b, kindNames[ev.Kind]...)
	b = append(b, "\ndata: "...)
	b = append(b, ev.JSON()...)
	f.buf = append(b, "\n\n"...)
	return f.send(f.buf)
}

func (f *frames) send(b []byte) error {
	_ = f.rc.SetWriteDeadline(time.Now().Add(writeTimeout)) // a writer without deadlines is a test's
	if _, err := f.w.Write(b); err != nil {
		return err
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
