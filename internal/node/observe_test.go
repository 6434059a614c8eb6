package node

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// world is a node on disk that has done a little of everything.
type world struct {
	t   *testing.T
	ctx context.Context
	n   *Node
}

func start(t *testing.T, c Config) *world {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	c.HTTP, c.PG, c.Workers = "127.0.0.1:0", "127.0.0.1:0", 2
	n, err := Start(ctx, c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return &world{t, ctx, n}
}

// do makes a request and returns its status and body.
func (w *world) do(method, path, body string, headers ...string) (int, string) {
	w.t.Helper()
	req, err := http.NewRequestWithContext(w.ctx, method, "http://"+w.n.HTTPAddress()+path, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return res.StatusCode, string(b)
}

func (w *world) sql(text string) string {
	w.t.Helper()
	status, body := w.do("POST", "/v1/sql", text, "Content-Type", "text/plain")
	if status != http.StatusOK {
		w.t.Fatalf("%s: %s", text, body)
	}
	return body
}

// live opens a live query and reads frames until one contains a text.
func (w *world) live(path string, frames ...string) {
	w.t.Helper()
	ctx, cancel := context.WithCancel(w.ctx)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, "GET", "http://"+w.n.HTTPAddress()+path, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	in := bufio.NewScanner(res.Body)
	for _, want := range frames {
		if strings.HasPrefix(want, "POST ") {
			path, body, _ := strings.Cut(strings.TrimPrefix(want, "POST "), " ")
			w.do("POST", path, body, "Content-Type", "application/json")
			continue
		}
		for found := false; !found; found = strings.Contains(in.Text(), want) {
			if !in.Scan() {
				w.t.Fatalf("%s ended before %q: %v", path, want, in.Err())
			}
		}
	}
}

// busy does a little of everything.
func (w *world) busy() {
	w.t.Helper()
	w.sql(`CREATE STREAM s (k INTEGER, at TIMESTAMPTZ, WATERMARK FOR at AS at - INTERVAL 1 SECOND); CREATE TABLE t (k INTEGER PRIMARY KEY, v VARCHAR);
		CREATE MATERIALIZED VIEW v AS SELECT k, count(*) AS n FROM s GROUP BY k; INSERT INTO t VALUES (1, 'a')`)
	if status, body := w.do("POST", "/v1/streams/s", `[{"k":1,"at":"2026-01-01T00:00:00Z"},{"k":"x"}]`, "Content-Type", "application/json"); status != 200 {
		w.t.Fatal(body)
	}
	w.live("/v1/live/v", `"more":false`, `POST /v1/streams/s {"k":2,"at":"2026-01-01T00:00:01Z"}`, `"k":2`)
	w.do("GET", "/v1/views/v?k=1", "")
	w.do("GET", "/v1/views/nothing", "")
	w.do("GET", "/v1/nowhere", "")
	w.sql("SELECT count(*) FROM v")
	conn, err := pgx.Connect(w.ctx, "postgres://x@"+w.n.PGAddress()+"/main")
	if err != nil {
		w.t.Fatal(err)
	}
	if _, err := conn.Exec(w.ctx, "INSERT INTO t VALUES (2, 'b')"); err != nil {
		w.t.Fatal(err)
	}
	_ = conn.Close(w.ctx)
}

func (w *world) metrics() (map[string]*dto.MetricFamily, string) {
	w.t.Helper()
	status, text := w.do("GET", "/metrics", "")
	if status != http.StatusOK {
		w.t.Fatal(text)
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(text))
	if err != nil {
		w.t.Fatal(err)
	}
	return families, text
}

// value is that of the series of a metric with labels, as name=value.
func value(t *testing.T, m map[string]*dto.MetricFamily, name string, labels ...string) float64 {
	t.Helper()
	f := m[name]
	if f == nil {
		t.Errorf("there is no metric %s", name)
		return 0
	}
series:
	for _, s := range f.Metric {
		for _, want := range labels {
			if !slices.ContainsFunc(s.Label, func(l *dto.LabelPair) bool { return l.GetName()+"="+l.GetValue() == want }) {
				continue series
			}
		}
		switch {
		case s.Counter != nil:
			return s.Counter.GetValue()
		case s.Gauge != nil:
			return s.Gauge.GetValue()
		case s.Histogram != nil:
			return float64(s.Histogram.GetSampleCount())
		}
	}
	t.Errorf("%s has no series with %q", name, labels)
	return 0
}

// TestMetrics: what was done is counted, by the names and units that Prometheus' conventions ask for.
func TestMetrics(t *testing.T) {
	w := start(t, Config{DataDir: t.TempDir()})
	w.busy()
	m, text := w.metrics()
	f := func(want float64, name string, labels ...string) {
		t.Helper()
		if got := value(t, m, name, labels...); got != want {
			t.Errorf("%s%v is %g, want %g", name, labels, got, want)
		}
	}
	atLeast := func(want float64, name string, labels ...string) {
		t.Helper()
		if got := value(t, m, name, labels...); got < want {
			t.Errorf("%s%v is %g, want at least %g", name, labels, got, want)
		}
	}
	f(3, "tidemill_ingest_events_total", "database=main", "door=http")
	f(1, "tidemill_ingest_events_total", "door=pg")
	f(1, "tidemill_ingest_rejected_total", "door=http")
	f(3, "tidemill_ingest_durable_seconds", "door=http")
	atLeast(90, "tidemill_ingest_bytes_total", "door=http")
	atLeast(4, "tidemill_tick_seconds")
	f(2, "tidemill_view_rows", "view=v")
	f(0, "tidemill_view_stopped", "view=v")
	atLeast(2, "tidemill_view_ticks_total", "view=v")
	atLeast(1, "tidemill_view_state_bytes", "view=v")
	f(1, "tidemill_views", "state=running")
	f(0, "tidemill_input_queued_bytes", "relation=s")
	f(1, "tidemill_subscriptions_total")
	f(1, "tidemill_subscription_frames_total", "kind=change")
	atLeast(50, "tidemill_subscription_bytes_total")
	f(1, "tidemill_query_seconds", "kind=select")
	f(2, "tidemill_query_seconds", "kind=lookup")
	f(1, "tidemill_query_errors_total", "class=user")
	f(0, "tidemill_queries_running")
	atLeast(6, "tidemill_log_appends_total")
	atLeast(4, "tidemill_log_fsync_seconds")
	atLeast(500, "tidemill_log_stored_bytes")
	atLeast(4, "tidemill_log_partitions")
	f(1, "tidemill_ready")
	f(1, "tidemill_connections_total", "door=pg")
	f(1, "tidemill_http_requests_total", "route=none", "status=4xx")
	atLeast(1, "go_goroutines")
	atLeast(0.001, "process_cpu_seconds_total")
	problems, err := promlint.New(strings.NewReader(text)).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		if strings.HasPrefix(p.Metric, "tidemill_") {
			t.Errorf("%s: %s", p.Metric, p.Text)
		}
	}
}

// own are the names of the metrics that are ours.
func own(m map[string]*dto.MetricFamily) []string {
	var out []string
	for name := range m {
		if strings.HasPrefix(name, "tidemill_") {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}

var metricName = regexp.MustCompile(`\b(?:tidemill|go|process)_[a-z_]+`)

// TestMetricsAreDocumented: docs/operations.md lists the metrics there are, with their kind, and no others.
func TestMetricsAreDocumented(t *testing.T) {
	w := start(t, Config{DataDir: t.TempDir()})
	w.busy()
	m, _ := w.metrics()
	text, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	var listed []string
	for line := range strings.Lines(string(text)) {
		cells := strings.Split(line, "|")
		if len(cells) < 5 || !strings.HasPrefix(strings.TrimSpace(cells[1]), "`tidemill_") {
			continue
		}
		name := strings.Trim(strings.TrimSpace(cells[1]), "`")
		listed = append(listed, name)
		if f := m[name]; f != nil && strings.TrimSpace(cells[2]) != strings.ToLower(f.GetType().String()) {
			t.Errorf("%s is a %s, not a %s", name, strings.ToLower(f.GetType().String()), strings.TrimSpace(cells[2]))
		}
		for _, l := range labelsOf(m[name]) {
			if !strings.Contains(cells[3], "`"+l+"`") {
				t.Errorf("the label %s of %s is not documented", l, name)
			}
		}
	}
	slices.Sort(listed)
	for _, name := range own(m) {
		if !slices.Contains(listed, name) {
			t.Errorf("not documented: | `%s` | %s | | %s |", name, strings.ToLower(m[name].GetType().String()), m[name].GetHelp())
		}
	}
	for _, name := range metricName.FindAllString(string(text), -1) {
		if exists(m, name) || name == "tidemill_stuck" || strings.HasSuffix(name, "_") {
			continue // nothing is stuck here
		}
		t.Errorf("docs/operations.md speaks of %s, which is not there", name)
	}
}

func labelsOf(f *dto.MetricFamily) []string {
	if f == nil || len(f.Metric) == 0 {
		return nil
	}
	var out []string
	for _, l := range f.Metric[0].Label {
		out = append(out, l.GetName())
	}
	return out
}

// exists reports whether a name is that of a metric, or of a series of a histogram.
func exists(m map[string]*dto.MetricFamily, name string) bool {
	if m[name] != nil {
		return true
	}
	for _, suffix := range []string{"_bucket", "_sum", "_count"} {
		if base, is := strings.CutSuffix(name, suffix); is && m[base] != nil && m[base].GetType() != dto.MetricType_GAUGE && m[base].GetType() != dto.MetricType_COUNTER {
			return true
		}
	}
	return false
}

// TestDashboard: the Grafana dashboard asks for metrics that are there, with labels that they have.
func TestDashboard(t *testing.T) {
	w := start(t, Config{DataDir: t.TempDir()})
	w.busy()
	m, _ := w.metrics()
	text, err := os.ReadFile("../../deploy/grafana/tidemill.json")
	if err != nil {
		t.Fatal(err)
	}
	var board struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal(text, &board); err != nil {
		t.Fatal(err)
	}
	asked := map[string]bool{}
	for _, p := range board.Panels {
		for _, target := range p.Targets {
			names := metricName.FindAllString(target.Expr, -1)
			if len(names) == 0 {
				t.Errorf("panel %q asks for nothing: %s", p.Title, target.Expr)
			}
			for _, name := range names {
				asked[name] = true
				if !exists(m, name) && name != "tidemill_stuck" {
					t.Errorf("panel %q asks for %s, which is not there", p.Title, name)
				}
			}
		}
	}
	if len(asked) < 25 {
		t.Errorf("the dashboard shows %d metrics only", len(asked))
	}
}

// TestNodes: tidemill.nodes says what /readyz says.
func TestNodes(t *testing.T) {
	w := start(t, Config{})
	if got := w.sql("SELECT status, problems, http, cpus > 0 AND memory_bytes > 1000000 AND started_at <= now() AS known FROM tidemill.nodes"); !strings.Contains(got,
		fmt.Sprintf(`["ready",[],%q,true]`, w.n.HTTPAddress())) {
		t.Error(got)
	}
	if status, body := w.do("GET", "/readyz", ""); status != http.StatusOK || !strings.Contains(body, `"status":"ready"`) {
		t.Error(body)
	}
}

// TestProfiles: profiles are served when they were asked for, and to this machine only.
func TestProfiles(t *testing.T) {
	if status, _ := start(t, Config{}).do("GET", "/debug/pprof/goroutine?debug=1", ""); status != http.StatusNotFound {
		t.Errorf("without the flag: %d", status)
	}
	if status, body := start(t, Config{PProf: true}).do("GET", "/debug/pprof/goroutine?debug=1", ""); status != http.StatusOK || !strings.Contains(body, "goroutine profile") {
		t.Errorf("with it: %d", status)
	}
}
