package httpapi

import (
	"net/http"
	"strings"
	"time"

	"github.com/tidemill/tidemill/internal/fault"
	"github.com/tidemill/tidemill/internal/live"
	"github.com/tidemill/tidemill/internal/session"
)

// live answers a query for ever, as Server-Sent Events.
func (s *Server) live(w http.ResponseWriter, r *http.Request) {
	if strings.EqualFold(r.Header.Get("Upgrade"), "websocket") {
		writeError(w, fault.New(fault.FeatureNotSupported, "live queries over WebSocket are not available in this version").WithHint("request it as Server-Sent Events, without Upgrade"))
		return
	}
	ses, err := s.session(r)
	if err != nil {
		writeError(w, err)
		return
	}
	defer ses.Close()
	q := r.URL.Query()
	req := session.SubscribeRequest{Relation: r.PathValue("name"), SQL: q.Get("sql"), Resume: r.Header.Get("Last-Event-ID"), NoSnapshot: q.Get("snapshot") == "false"}
	if req.Resume == "" {
		req.Resume = q.Get("lastEventId")
	}
	switch {
	case req.Relation == "" && req.SQL == "":
		writeError(w, fault.New(fault.InvalidParameterValue, "the request names no query").WithHint("GET /v1/live/{view} or GET /v1/live?sql=SELECT…"))
		return
	case req.Relation != "":
		req.Equals, req.SQL = equalities(q), ""
	}
	if v := q.Get("conflate"); v != "" {
		if req.Conflate, err = time.ParseDuration(v); err != nil || req.Conflate < 0 || req.Conflate > time.Hour {
			writeError(w, fault.New(fault.InvalidParameterValue, "conflate is %q, want a span of time up to an hour", v).WithHint("write for example 250ms"))
			return
		}
	}
	ctx, stop := s.until(r)
	defer stop()
	sub, err := ses.Subscribe(ctx, req)
	if err != nil {
		writeError(w, err)
		return
	}
	defer sub.Close()
	live.ServeEvents(ctx, w, sub, s.opts.Heartbeat)
}
