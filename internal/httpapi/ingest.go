package httpapi

import (
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/tidemill/tidemill/internal/fault"
	"github.com/tidemill/tidemill/internal/session"
)

// bodyBytesMax bounds a request of events.
const bodyBytesMax = 64 << 20

const (
	// refusedBytes and refusedTime bound what is read, and dropped, of a body that there is no room for.
	refusedBytes = 16 << 20
	refusedTime  = 5 * time.Second
)

// drainBody reads and drops what is left of a body, so that a client that sends all of it before it reads the answer gets one. Who asks
// before sending is told at once.
func drainBody(deadline *http.ResponseController, r *http.Request) {
	if r.Header.Get("Expect") != "" {
		return
	}
	_ = deadline.SetReadDeadline(time.Now().Add(refusedTime))
	_, _ = io.CopyN(io.Discard, r.Body, refusedBytes)
	_ = deadline.SetReadDeadline(time.Time{})
}

// ingest takes events into a stream or table.
func (s *Server) ingest(w http.ResponseWriter, r *http.Request) {
	ctx, span := s.opts.Tracer.Request(r.Context(), r.Header, r.Pattern)
	ses, err := s.session(r)
	defer func() { span.End(err) }()
	if err != nil {
		writeError(w, err)
		return
	}
	defer ses.Close()
	if r.ContentLength > bodyBytesMax {
		writeError(w, fault.New(fault.LimitExceeded, "the body has %d bytes, at most %d are taken", r.ContentLength, bodyBytesMax).WithHint("send the events in several requests"))
		return
	}
	deadline := http.NewResponseController(w)
	_ = deadline.SetReadDeadline(time.Now().Add(bodyTimeout)) // not supported: the server's own time-outs hold
	o := session.IngestOptions{ContentType: r.Header.Get("Content-Type"), IdempotencyKey: r.Header.Get("Idempotency-Key"), Delete: r.Method == http.MethodDelete, MaxBytes: bodyBytesMax, BodyBytes: max(0, r.ContentLength)}
	for name, vals := range r.Header {
		if attr, is := strings.CutPrefix(strings.ToLower(name), "ce-"); is && len(vals) > 0 {
			if o.CloudEvent == nil {
				o.CloudEvent = map[string]string{}
			}
			o.CloudEvent[attr] = vals[0]
		}
	}
	span.Set("tidemill.relation", r.PathValue("name"))
	res, err := ses.Ingest(ctx, r.PathValue("name"), r.Body, o)
	if err != nil {
		if fault.From(err).Code == fault.Overloaded {
			drainBody(deadline, r)
		}
		writeError(w, err)
		return
	}
	_ = deadline.SetReadDeadline(time.Time{})
	w.Header().Set(tokenHeader, res.Token)
	writeJSON(w, http.StatusOK, res)
}
