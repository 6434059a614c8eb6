package trace

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"testing"
	"time"

	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
)

// recording is a tracer that keeps its spans.
func recording(t *testing.T) (*Tracer, *tracetest.SpanRecorder) {
	t.Helper()
	r := tracetest.NewSpanRecorder()
	p := sdk.NewTracerProvider(sdk.WithSpanProcessor(r))
	tr := &Tracer{provider: p, tracer: p.Tracer("test"), logger: slog.New(slog.DiscardHandler)}
	t.Cleanup(tr.Close)
	return tr, r
}

// TestOff: what does not trace does nothing, and allocates nothing.
func TestOff(t *testing.T) {
	t.Setenv("OTEL_TRACES_EXPORTER", "")
	tr, err := Open(t.Context(), Options{})
	if tr != nil || err != nil {
		t.Fatalf("%v %v", tr, err)
	}
	failure := errors.New("x")
	ctx, header, now := t.Context(), http.Header{"Traceparent": {"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}}, time.Now()
	if n := testing.AllocsPerRun(100, func() {
		ctx, s := tr.Request(ctx, header, "x")
		ctx, child := Start(ctx, "y")
		child.Set("a", "b").End(failure)
		Await(ctx, 1, now)()
		k := tr.Tick()
		k.Land(1, 2)
		k = k.Begin(1, 1)
		k.Step("v")
		k.Stepped(1)
		k.Publish()
		k.End()
		k.Frame(1, 1, now, now)
		s.End(nil)
	}); n != 0 {
		t.Errorf("%g allocations", n)
	}
	tr.Close()
}

func TestEnabled(t *testing.T) {
	f := func(ratio float64, exporter, disabled string, want bool) {
		t.Helper()
		t.Setenv("OTEL_TRACES_EXPORTER", exporter)
		t.Setenv("OTEL_SDK_DISABLED", disabled)
		if Enabled(ratio) != want {
			t.Errorf("%g %q %q", ratio, exporter, disabled)
		}
	}
	f(0, "", "", false)
	f(0, "none", "", false)
	f(0.5, "", "", true)
	f(0, "otlp", "", true)
	f(0.5, "otlp", "true", false)
}

// TestTickOfSeveral: a tick that takes the writes of two requests is in both traces, once each, and its frames up to the bound.
func TestTickOfSeveral(t *testing.T) {
	tr, r := recording(t)
	at := time.UnixMicro(1_000_000)
	for i := range 2 {
		ctx, s := tr.Request(t.Context(), http.Header{}, "request")
		Await(ctx, 7, at.Add(time.Duration(i)*time.Microsecond))
		s.End(nil)
	}
	if k := tr.Tick(); k.Begin(1, 1) != nil {
		t.Error("a tick that took nothing has spans")
	}
	k := tr.Tick()
	k.Land(7, at.UnixMicro())
	k.Land(7, at.UnixMicro()+1)
	k.Land(8, at.UnixMicro())
	k = k.Begin(2, 2)
	k.End()
	for range framesMax + 10 {
		k.Frame(7, 10, at, at)
	}
	ticks, frames, traces := 0, 0, map[string]bool{}
	for _, s := range r.Ended() {
		switch s.Name() {
		case "tick":
			ticks++
			traces[s.SpanContext().TraceID().String()] = true
		case "frame":
			frames++
		}
	}
	if ticks != 2 || len(traces) != 2 || frames != 2*framesMax {
		t.Errorf("%d ticks in %d traces, %d frames", ticks, len(traces), frames)
	}
	if tr.Tick() != nil {
		t.Error("marks are left")
	}
}

// TestMarks: marks are bounded, those of writes that failed are gone, and old ones make room.
func TestMarks(t *testing.T) {
	tr, _ := recording(t)
	ctx, s := tr.Request(context.Background(), http.Header{}, "request")
	defer s.End(nil)
	at := time.UnixMicro(1_000_000_000)
	Await(ctx, 1, at)()
	if tr.Tick() != nil {
		t.Error("the mark of a write that failed is left")
	}
	for i := range 2 * marksMax {
		Await(ctx, 1, at.Add(time.Duration(i)))
		Await(ctx, uint64(i), at)
	}
	if n := tr.marks.count.Load(); n != marksMax {
		t.Errorf("%d marks", n)
	}
	Await(ctx, 1, at.Add(time.Hour))
	if n := tr.marks.count.Load(); n != 1 {
		t.Errorf("%d marks an hour later", n)
	}
}
