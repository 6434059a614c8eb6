package httpapi

import (
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"slices"
	"strings"
	"time"

	"github.com/tidemill/tidemill/internal/fault"
	"github.com/tidemill/tidemill/internal/metrics"
	"github.com/tidemill/tidemill/internal/session"
)

// observing adds the requests by which a node is watched.
func (s *Server) observing(mux *http.ServeMux) {
	mux.HandleFunc("GET /healthz", s.healthz)
	mux.HandleFunc("GET /readyz", s.readyz)
	if s.opts.Metrics != nil {
		mux.Handle("GET /metrics", s.opts.Metrics.Handler())
	}
	if !s.opts.PProf {
		return
	}
	// Importing pprof also adds these to http.DefaultServeMux, which nothing serves.
	for path, h := range map[string]http.HandlerFunc{"": pprof.Index, "cmdline": pprof.Cmdline, "profile": pprof.Profile, "symbol": pprof.Symbol, "trace": pprof.Trace} {
		mux.HandleFunc("GET /debug/pprof/"+path, s.profile(h))
	}
}

// profile answers clients on this machine only, unless the network is trusted: a profile tells what is in memory, and takes time to make.
func (s *Server) profile(h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		host, _, err := net.SplitHostPort(r.RemoteAddr)
		if ip := net.ParseIP(host); !s.opts.Insecure && (err != nil || ip == nil || !ip.IsLoopback()) {
			writeFault(w, fault.New(fault.InvalidAuthorization, "profiles are for clients on this machine").WithHint("ask from there, or run the node with --insecure"), http.StatusForbidden)
			return
		}
		h(w, r)
	}
}

// healthz says that the process is alive, whatever else may be wrong.
func (s *Server) healthz(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, map[string]string{"status": "alive"})
}

// readiness is the answer of /readyz.
type readiness struct {
	Status string `json:"status"` // ready, or not ready
	// Stuck is what does not move although work waits; Stopped are relations that have stopped at an error, whether or not the request leaves them out.
	Stuck   []session.Problem `json:"stuck"`
	Stopped []session.Problem `json:"stopped"`
	Error   *errorFields      `json:"error,omitempty"`
}

// readyz says whether the node takes requests and keeps up. The parameter exclude names kinds of problems that are listed but do not count.
func (s *Server) readyz(w http.ResponseWriter, r *http.Request) {
	excluded := strings.Split(r.URL.Query().Get("exclude"), ",")
	a := readiness{Status: "ready", Stuck: []session.Problem{}, Stopped: []session.Problem{}}
	status := http.StatusOK
	var names []string
	for _, p := range s.opts.Problems() {
		if p.Kind == session.ProblemStopped {
			a.Stopped = append(a.Stopped, p)
		} else {
			a.Stuck = append(a.Stuck, p)
		}
		if !slices.Contains(excluded, p.Kind) {
			names = append(names, p.String())
		}
	}
	if len(names) > 0 {
		a.Status, status = "not ready", http.StatusServiceUnavailable
		f := fieldsOf(fault.New(fault.CannotConnectNow, "the node does not keep up").WithDetail("%s", strings.Join(names, "; ")))
		a.Error = &f
		w.Header().Set("Retry-After", "5")
	}
	writeJSON(w, status, a)
}

// httpLog takes what net/http has to say: clients that go in the middle of something matter to nobody but them, a door that takes nobody any more does.
type httpLog struct{ logger *slog.Logger }

// Write implements io.Writer.
func (l httpLog) Write(line []byte) (int, error) {
	text := strings.TrimSpace(string(line))
	if strings.Contains(text, "Accept error") {
		l.logger.Warn("accepting an HTTP connection failed; trying again", "error", text)
	} else {
		l.logger.Debug("HTTP: " + text)
	}
	return len(line), nil
}

// connected is the server's ConnState.
func (s *Server) connected(c net.Conn, state http.ConnState) {
	s.unused.note(c, state)
	switch state {
	case http.StateNew:
		s.opts.Metrics.Doors().Connected(metrics.HTTP)
	case http.StateClosed, http.StateHijacked:
		s.opts.Metrics.Doors().Disconnected(metrics.HTTP)
	}
}

// requested counts a request that has been answered.
func (s *Server) requested(r *http.Request, status int, began time.Time) {
	route := r.Pattern
	if route == "" {
		route = "none"
	}
	s.opts.Metrics.Doors().Requested(route, status, time.Since(began), strings.Contains(route, "/v1/live"))
}
