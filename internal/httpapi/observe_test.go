package httpapi

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/tidemill/tidemill/internal/session"
)

// TestReadiness: the answer names what is wrong; what is left out is listed and does not count.
func TestReadiness(t *testing.T) {
	var problems []session.Problem
	s := NewServer(Options{Logger: slog.New(slog.DiscardHandler), Problems: func() []session.Problem { return problems }})
	f := func(query string, status, stuck, stopped int, detail string) {
		t.Helper()
		w := httptest.NewRecorder()
		s.handler().ServeHTTP(w, httptest.NewRequest("GET", "/readyz"+query, nil))
		var a readiness
		if err := json.Unmarshal(w.Body.Bytes(), &a); err != nil {
			t.Fatal(err)
		}
		said := ""
		if a.Error != nil {
			said = a.Error.Detail
		}
		if w.Code != status || len(a.Stuck) != stuck || len(a.Stopped) != stopped || said != detail || (a.Status == "ready") != (status == 200) {
			t.Errorf("%s: %d %s", query, w.Code, w.Body)
		}
		alive := httptest.NewRecorder()
		if s.handler().ServeHTTP(alive, httptest.NewRequest("GET", "/healthz", nil)); alive.Code != 200 {
			t.Errorf("not alive: %d", alive.Code)
		}
	}
	f("", 200, 0, 0, "")
	problems = []session.Problem{{Kind: session.ProblemStopped, Name: "v", Reason: "broken"}}
	f("", 503, 0, 1, "stopped v: broken")
	f("?exclude=stopped", 200, 0, 1, "")
	problems = append(problems, session.Problem{Kind: session.ProblemTick, Name: "main", Reason: "slow", Seconds: 31})
	f("", 503, 1, 1, "stopped v: broken; tick main: slow")
	f("?exclude=stopped", 503, 1, 1, "tick main: slow")
	f("?exclude=stopped,tick", 200, 1, 1, "")
	f("?exclude=all", 503, 1, 1, "stopped v: broken; tick main: slow")
}

// TestProfilesStayHere: clients on other machines get no profiles, unless the network is trusted.
func TestProfilesStayHere(t *testing.T) {
	for _, insecure := range []bool{false, true} {
		s := NewServer(Options{Logger: slog.New(slog.DiscardHandler), PProf: true, Insecure: insecure})
		for from, here := range map[string]bool{"127.0.0.1:1": true, "[::1]:1": true, "192.0.2.1:1": false, "nonsense": false} {
			r := httptest.NewRequest("GET", "/debug/pprof/cmdline", nil)
			r.RemoteAddr = from
			w := httptest.NewRecorder()
			if s.handler().ServeHTTP(w, r); (w.Code == http.StatusOK) != (here || insecure) {
				t.Errorf("from %s, insecure %t: %d", from, insecure, w.Code)
			}
		}
	}
}

// TestHTTPLog: a door that takes nobody is a warning, a client that goes is not.
func TestHTTPLog(t *testing.T) {
	var out bytes.Buffer
	l := httpLog{slog.New(slog.NewTextHandler(&out, nil))}
	for _, line := range []string{"http: TLS handshake error from 192.0.2.1:1: EOF\n", "http: Accept error: too many open files; retrying in 5ms\n"} {
		if n, err := l.Write([]byte(line)); n != len(line) || err != nil {
			t.Error(n, err)
		}
	}
	if s := out.String(); strings.Count(s, "\n") != 1 || !strings.Contains(s, "level=WARN") || !strings.Contains(s, "too many open files") {
		t.Error(s)
	}
}
