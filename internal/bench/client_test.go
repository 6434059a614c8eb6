package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"strings"
	"testing"
	"time"
)

const clientEnv = "TIDEMILL_BENCH_CLIENT"

// TestClientProcess is not a test but the client that the other tests start.
func TestClientProcess(t *testing.T) {
	if os.Getenv(clientEnv) == "" {
		t.Skip("runs as the child of other tests")
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := ServeClient(ctx, os.Stdin, os.Stdout); err != nil {
		t.Fatal(err)
	}
}

// child is this test program as a client.
func child(t *testing.T) Client {
	t.Helper()
	t.Setenv(clientEnv, "1")
	return Client{os.Args[0], "-test.run=^TestClientProcess$"}
}

func TestIngest(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	r, err := Ingest(ctx, IngestOptions{Client: child(t), Events: 2500, Batch: 1000, Connections: 2, Runs: 1})
	if err != nil {
		t.Fatal(err)
	}
	if r.Ack.Count != 3 || r.PerSecond <= 0 || r.PerCore <= 0 || r.NodeCPU <= 0 || r.ClientCPU <= 0 || r.Bytes < 2500*150 {
		t.Errorf("%+v", r)
	}
}

func TestFreshness(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	o := FreshnessOptions{Client: child(t), Rate: 2000, Batch: 10, Connections: 3, Subscribers: 2, Time: 200 * time.Millisecond}
	r, err := Freshness(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	if r.Requests != 40 || r.Ack.Count != 40 || r.Frame.Count != 80 || r.AckToFrame.Count != 80 || r.Frame.P50 <= 0 || r.Saturated != 0 {
		t.Errorf("%+v", r)
	}
	o.Client, o.Rate, o.Load, o.Saturate = nil, 0, 0.5, 100*time.Millisecond
	if r, err = Freshness(ctx, o); err != nil {
		t.Fatal(err)
	}
	if r.Saturated <= 0 || r.Frame.Count == 0 {
		t.Errorf("%+v", r)
	}
}

func TestPointRead(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	rs, err := PointRead(ctx, PointReadOptions{Client: child(t), Rows: 1000, Clients: []int{1, 2}, Time: 100 * time.Millisecond, Runs: 1, NoPostgres: true})
	if err != nil {
		t.Fatal(err)
	}
	if len(rs) != 2 || rs[1].Clients != 2 || rs[1].Latency.Count == 0 || rs[1].PerCore <= 0 {
		t.Errorf("%+v", rs)
	}
}

func TestServeClientAnswersErrors(t *testing.T) {
	for _, in := range []string{"", "no job\n", "{}\n"} {
		if err := ServeClient(t.Context(), strings.NewReader(in), io.Discard); err == nil {
			t.Errorf("%q is a job", in)
		}
	}
	var out bytes.Buffer
	in := `{"pointread":{"DSN":"postgres://127.0.0.1:1/x?connect_timeout=1","Rows":1,"Clients":1}}` + "\n"
	if err := ServeClient(t.Context(), strings.NewReader(in), &out); err != nil {
		t.Fatal(err)
	}
	var a answer
	if err := json.Unmarshal(out.Bytes(), &a); err != nil || a.Error == "" {
		t.Errorf("no error in %s, %v", out.String(), err)
	}
}

func TestMedianAndLatency(t *testing.T) {
	if m := median([]float64{3, 1, 2, 10}); m != 2.5 {
		t.Errorf("the median is %v", m)
	}
	ds := make([]time.Duration, 1000)
	for i := range ds {
		ds[len(ds)-1-i] = time.Duration(i+1) * time.Millisecond
	}
	if l := latencyOf(ds); l != (Latency{1000, 501, 991, 1000, 1000}) {
		t.Errorf("%+v", l)
	}
	r := medianRun([]PointReadResult{{PerSecond: 5}, {PerSecond: 1}, {PerSecond: 3}})
	if r.PerSecond != 3 {
		t.Errorf("the median run is %v", r)
	}
}
