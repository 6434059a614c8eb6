package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	stdlog "log"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"github.com/tidemill/tidemill/internal/fault"
	"github.com/tidemill/tidemill/internal/ingest"
	"github.com/tidemill/tidemill/internal/metrics"
	"github.com/tidemill/tidemill/internal/session"
	"github.com/tidemill/tidemill/internal/trace"
)

// Options configures a Server.
type Options struct {
	// Database finds a database by name, "" is the default one.
	Database func(name string) (*session.Database, error)
	Logger   *slog.Logger
	// Problems lists what has stopped moving although work waits.
	Problems func() []session.Problem
	// Metrics and Tracer may be nil.
	Metrics *metrics.Set
	Tracer  *trace.Tracer
	// PProf serves profiles of the process, to clients on this machine unless Insecure.
	PProf, Insecure bool
	// PGAddress is where the Postgres door listens, to be shown; empty if it is off.
	PGAddress string
	// Pages are the files served at "/".
	Pages fs.FS
	// Heartbeat is how long a live query may be quiet before it says that it is there; 0 is 15 seconds.
	Heartbeat time.Duration
	// WriteTimeout is how long a client may take nothing of an answer's rows; 0 is a minute.
	WriteTimeout time.Duration
	// Limits bound what a statement may take, where its session does not say.
	Limits session.Limits
}

// Server is the HTTP door. It is safe for concurrent use.
type Server struct {
	opts   Options
	http   *http.Server
	unused unusedConns
	ctx    context.Context // ends when live queries have to end
	cancel context.CancelFunc
}

const (
	headerTimeout = 10 * time.Second
	idleTimeout   = 2 * time.Minute
	// bodyTimeout bounds how long a body may take to arrive.
	bodyTimeout    = 2 * time.Minute
	headerBytesMax = 64 << 10
	sqlBytesMax    = 64 << 20
)

// NewServer returns a server that serves nothing yet.
func NewServer(o Options) *Server {
	if o.WriteTimeout <= 0 {
		o.WriteTimeout = time.Minute
	}
	s := &Server{opts: o}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.http = &http.Server{Handler: s.handler(), ReadHeaderTimeout: headerTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: headerBytesMax,
		ErrorLog: stdlog.New(httpLog{o.Logger}, "", 0), ConnState: s.connected}
	return s
}

// Serve takes connections until Close; it then returns http.ErrServerClosed.
func (s *Server) Serve(l net.Listener) error { return s.http.Serve(l) }

// Close ends live queries, lets other requests end until ctx ends, and cuts what is left.
func (s *Server) Close(ctx context.Context) error {
	s.cancel()
	// Shutdown would wait some seconds for a request on connections that never had one.
	defer time.AfterFunc(unusedGrace, s.unused.close).Stop()
	if err := s.http.Shutdown(ctx); err != nil {
		return s.http.Close()
	}
	return nil
}

func (s *Server) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/streams/{name}", s.ingest)
	mux.HandleFunc("DELETE /v1/streams/{name}", s.ingest)
	mux.HandleFunc("POST /v1/sql", s.sql)
	mux.HandleFunc("GET /v1/views/{name}", s.lookup)
	mux.HandleFunc("GET /v1/live/{name}", s.live)
	mux.HandleFunc("GET /v1/live", s.live)
	s.observing(mux)
	mux.HandleFunc("GET /openapi.json", s.openapi)
	mux.HandleFunc("GET /v1/node", s.node)
	if s.opts.Pages == nil {
		return s.guarded(mux)
	}
	// The pages have a mux of their own: in one with the requests above, a GET of a path that only takes a POST would be that of a page.
	pages := http.NewServeMux()
	pages.Handle("GET /", http.FileServerFS(s.opts.Pages))
	return s.guarded(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, pattern := mux.Handler(r); pattern == "" && !strings.HasPrefix(r.URL.Path, "/v1/") {
			pages.ServeHTTP(w, r)
			return
		}
		mux.ServeHTTP(w, r)
	}))
}

// guarded answers what the mux refuses in our form, and survives a handler's panic.
func (s *Server) guarded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		out := &plainErrors{ResponseWriter: w, request: r, status: http.StatusOK}
		began := time.Now()
		defer func() {
			p := recover()
			if p != nil && !out.begun {
				out.status = http.StatusInternalServerError
			}
			s.requested(r, out.status, began)
			if p == nil {
				return
			}
			if p != http.ErrAbortHandler {
				s.opts.Logger.Error("BUG: a request panicked", "path", r.URL.Path, "panic", p, "stack", string(debug.Stack()))
			}
			if p == http.ErrAbortHandler || out.begun {
				panic(http.ErrAbortHandler) // net/http cuts the connection: the client must not take a part for the whole
			}
			writeError(w, fault.New(fault.Internal, "internal error"))
		}()
		next.ServeHTTP(out, r)
	})
}

// plainErrors turns the mux's own text answers (404, 405) into our form.
type plainErrors struct {
	http.ResponseWriter
	request *http.Request
	mute    bool
	begun   bool // something of an answer is out
	status  int
}

// WriteHeader implements http.ResponseWriter.
func (p *plainErrors) WriteHeader(status int) {
	p.begun, p.status = true, status
	text := strings.HasPrefix(p.Header().Get("Content-Type"), "text/plain")
	if (status == http.StatusNotFound || status == http.StatusMethodNotAllowed) && text {
		p.mute = true
		f := fault.New(fault.UndefinedObject, "there is nothing at %s", p.request.URL.Path).WithHint("the requests there are are listed at /openapi.json")
		if status == http.StatusMethodNotAllowed {
			f = fault.New(fault.FeatureNotSupported, "%s is not possible at %s", p.request.Method, p.request.URL.Path).WithHint("possible: %s", p.Header().Get("Allow"))
		}
		writeFault(p.ResponseWriter, f, status)
		return
	}
	p.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (p *plainErrors) Write(b []byte) (int, error) {
	p.begun = true
	if p.mute {
		return len(b), nil
	}
	return p.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController through.
func (p *plainErrors) Unwrap() http.ResponseWriter { return p.ResponseWriter }

type errorBody struct {
	Error errorFields `json:"error"`
}

type errorFields struct {
	Code     string `json:"code"`
	Message  string `json:"message"`
	Detail   string `json:"detail,omitempty"`
	Hint     string `json:"hint,omitempty"`
	Position int    `json:"position,omitempty"`
}

func fieldsOf(f *fault.Error) errorFields {
	return errorFields{Code: string(f.Code), Message: f.Message, Detail: f.Detail, Hint: f.Hint, Position: f.Position}
}

func writeError(w http.ResponseWriter, err error) {
	f := fault.From(err)
	status := fault.HTTPStatus(f.Code)
	if errors.Is(err, ingest.ErrContentType) {
		status = http.StatusUnsupportedMediaType
	}
	writeFault(w, f, status)
}

func writeFault(w http.ResponseWriter, f *fault.Error, status int) {
	if status == http.StatusServiceUnavailable || status == http.StatusTooManyRequests {
		w.Header().Set("Retry-After", "1")
	}
	writeJSON(w, status, errorBody{fieldsOf(f)})
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n')) // the client went away: nobody is left to tell
}

// admissionPatience is how long a request waits for room among the writes that the node holds before it is told to come again.
const admissionPatience = time.Second

const (
	tokenHeader = "Tidemill-Token"
	afterHeader = "Tidemill-After"
)

// session opens the request's session; reads of it see what Tidemill-After stands for.
func (s *Server) session(r *http.Request) (*session.Session, error) {
	db, err := s.opts.Database(r.URL.Query().Get("database"))
	if err != nil {
		return nil, err
	}
	ses := db.NewSession(session.Options{Application: "http", Door: metrics.HTTP, Lease: db.Admission().NewLease(admissionPatience), Limits: s.opts.Limits})
	after := r.Header.Get(afterHeader)
	if after == "" {
		after = r.URL.Query().Get("after")
	}
	if after != "" {
		if err := ses.Set("tidemill.after", after); err != nil {
			ses.Close()
			return nil, err
		}
	}
	return ses, nil
}

// until is the context of a request that waits: it ends with the request and when the server closes.
func (s *Server) until(r *http.Request) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(r.Context())
	unlink := context.AfterFunc(s.ctx, cancel)
	return ctx, func() {
		unlink()
		cancel()
	}
}

// node tells a page where the other doors are.
func (s *Server) node(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, map[string]string{"pg": s.opts.PGAddress})
}
