package node

import (
	"compress/gzip"
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	otlp "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// collected is an OTLP collector in this process.
type collected struct {
	mu      sync.Mutex
	spans   []*otlp.Span
	service string
}

// collect starts a collector and points the environment at it.
func collect(t *testing.T) *collected {
	t.Helper()
	c := &collected{}
	s := httptest.NewServer(http.HandlerFunc(c.serve))
	t.Cleanup(s.Close)
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", s.URL)
	t.Setenv("OTEL_BSP_SCHEDULE_DELAY", "20")
	return c
}

func (c *collected) serve(w http.ResponseWriter, r *http.Request) {
	in := io.Reader(r.Body)
	if r.Header.Get("Content-Encoding") == "gzip" {
		z, err := gzip.NewReader(in)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		in = z
	}
	body, err := io.ReadAll(in)
	var req collector.ExportTraceServiceRequest
	if err == nil {
		err = proto.Unmarshal(body, &req)
	}
	if err != nil || r.URL.Path != "/v1/traces" {
		http.Error(w, "no traces", http.StatusBadRequest)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, rs := range req.ResourceSpans {
		for _, a := range rs.Resource.Attributes {
			if a.Key == "service.name" {
				c.service = a.Value.GetStringValue()
			}
		}
		for _, ss := range rs.ScopeSpans {
			c.spans = append(c.spans, ss.Spans...)
		}
	}
	w.Header().Set("Content-Type", "application/x-protobuf")
}

// of waits until a trace has a span of each name and returns them by name, one of each.
func (c *collected) of(t *testing.T, trace string, names ...string) map[string]*otlp.Span {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		found := map[string]*otlp.Span{}
		c.mu.Lock()
		for _, s := range c.spans {
			if hex.EncodeToString(s.TraceId) == trace {
				found[s.Name] = s
			}
		}
		c.mu.Unlock()
		missing := ""
		for _, n := range names {
			if found[n] == nil {
				missing = n
			}
		}
		if missing == "" {
			return found
		}
		if time.Now().After(deadline) {
			t.Fatalf("no span %q in %v", missing, found)
		}
	}
}

func attribute(s *otlp.Span, key string) string {
	for _, a := range s.Attributes {
		if a.Key == key {
			return a.Value.GetStringValue()
		}
	}
	return ""
}

// TestTrace follows one event from its request to the frame that shows it, by what a collector receives. Requests that are not sampled are not in it.
func TestTrace(t *testing.T) {
	c := collect(t)
	w := start(t, Config{DataDir: t.TempDir(), TraceRatio: 1e-12})
	w.sql(`CREATE STREAM s (k INTEGER); CREATE MATERIALIZED VIEW v AS SELECT k, count(*) AS n FROM s GROUP BY k;
		CREATE MATERIALIZED VIEW w AS SELECT sum(n) AS n FROM v; CREATE STREAM other (k INTEGER); CREATE MATERIALIZED VIEW x AS SELECT count(*) AS n FROM other`)
	const trace, parent = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
	ingest := func(headers ...string) {
		t.Helper()
		if status, body := w.do("POST", "/v1/streams/s", `{"k":7}`, append(headers, "Content-Type", "application/json")...); status != http.StatusOK {
			t.Fatal(body)
		}
	}
	ingest()
	live := make(chan struct{})
	opened := make(chan struct{})
	go func() {
		defer close(live)
		w.live("/v1/live/v", `"more":false`, `"n":2`)
	}()
	go func() {
		defer close(opened)
		for !strings.Contains(w.sql("SELECT count(*) AS subscriptions FROM tidemill.subscriptions"), "[[1]]") {
			time.Sleep(time.Millisecond)
		}
	}()
	<-opened
	ingest("traceparent", "00-"+trace+"-"+parent+"-01")
	<-live
	request := "POST /v1/streams/{name}"
	got := c.of(t, trace, request, "decode", "append", "tick", "view step", "publish", "frame")
	for child, of := range map[string]string{"decode": request, "append": request, "tick": request, "view step": "tick", "publish": "tick", "frame": "tick"} {
		if string(got[child].ParentSpanId) != string(got[of].SpanId) {
			t.Errorf("%q does not belong to %q", child, of)
		}
		if got[child].StartTimeUnixNano < got[request].StartTimeUnixNano || got[child].EndTimeUnixNano < got[child].StartTimeUnixNano {
			t.Errorf("the times of %q are not possible", child)
		}
	}
	if hex.EncodeToString(got[request].ParentSpanId) != parent {
		t.Error("the request does not belong to its client's span")
	}
	if got["frame"].EndTimeUnixNano < got["publish"].StartTimeUnixNano {
		t.Error("the frame was sent before its tick was published")
	}
	steps := map[string]bool{}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range c.spans {
		if hex.EncodeToString(s.TraceId) != trace {
			t.Errorf("a span %q of a request that is not sampled", s.Name)
		}
		if s.Name == "view step" {
			steps[attribute(s, "tidemill.view")] = true
		}
	}
	if !steps["v"] || !steps["w"] || steps["x"] {
		t.Errorf("steps of the views %v", steps)
	}
	if c.service != "tidemill" {
		t.Errorf("the service calls itself %q", c.service)
	}
}

// TestTraceOfSQL: a statement over HTTP is traced, too, and the environment turns traces on as well as the flag does.
func TestTraceOfSQL(t *testing.T) {
	c := collect(t)
	t.Setenv("OTEL_TRACES_EXPORTER", "otlp")
	t.Setenv("OTEL_SERVICE_NAME", "mill")
	w := start(t, Config{})
	w.sql(`CREATE TABLE t (k INTEGER PRIMARY KEY)`)
	const trace = "1af7651916cd43dd8448eb211c80319c"
	status, body := w.do("POST", "/v1/sql", "INSERT INTO t VALUES (1)", "Content-Type", "text/plain", "traceparent", "00-"+trace+"-b7ad6b7169203331-01")
	if status != http.StatusOK {
		t.Fatal(body)
	}
	c.of(t, trace, "POST /v1/sql", "append", "tick", "publish")
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.service != "mill" {
		t.Errorf("the service calls itself %q", c.service)
	}
}

// TestUnreachableCollector: who cannot be told of traces holds nothing up.
func TestUnreachableCollector(t *testing.T) {
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
	t.Setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "100")
	w := start(t, Config{TraceRatio: 1})
	w.sql(`CREATE STREAM s (k INTEGER)`)
	began := time.Now()
	for range 20 {
		w.do("POST", "/v1/streams/s", `{"k":7}`, "Content-Type", "application/json")
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("20 requests took %s", took)
	}
}
