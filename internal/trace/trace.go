package trace

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// Options configures a Tracer.
type Options struct {
	// Ratio is the share of requests that are traced, 0 to 1. Those that say that they are traced already are, whatever it is.
	Ratio   float64
	Version string
	Logger  *slog.Logger
}

// Enabled reports whether there is something to trace: a ratio above 0, or the environment asks for it with OTEL_TRACES_EXPORTER=otlp.
func Enabled(ratio float64) bool {
	if strings.EqualFold(os.Getenv("OTEL_SDK_DISABLED"), "true") {
		return false
	}
	return ratio > 0 || strings.EqualFold(os.Getenv("OTEL_TRACES_EXPORTER"), "otlp")
}

// Tracer starts traces.
type Tracer struct {
	provider *sdk.TracerProvider
	tracer   trace.Tracer
	w3c      propagation.TraceContext
	logger   *slog.Logger
	marks    marks
}

// Open returns a tracer that exports to where the environment says (OTEL_EXPORTER_OTLP_ENDPOINT and its like), or nil if tracing is off. Without a ratio the
// sampler, too, is that of the environment (OTEL_TRACES_SAMPLER).
func Open(ctx context.Context, o Options) (*Tracer, error) {
	if !Enabled(o.Ratio) {
		return nil, nil
	}
	exporter, err := otlptracehttp.New(ctx)
	if err != nil {
		return nil, fmt.Errorf("configuring the export of traces: %w", err)
	}
	about, err := resource.New(ctx, resource.WithTelemetrySDK(),
		resource.WithAttributes(attribute.String("service.name", "tidemill"), attribute.String("service.version", o.Version)), resource.WithFromEnv())
	if err != nil {
		return nil, fmt.Errorf("describing the source of traces: %w", err)
	}
	options := []sdk.TracerProviderOption{sdk.WithBatcher(&reporting{SpanExporter: exporter, logger: o.Logger}), sdk.WithResource(about)}
	if o.Ratio > 0 {
		options = append(options, sdk.WithSampler(sdk.ParentBased(sdk.TraceIDRatioBased(o.Ratio))))
	}
	p := sdk.NewTracerProvider(options...)
	return &Tracer{provider: p, tracer: p.Tracer("github.com/tidemill/tidemill"), logger: o.Logger}, nil
}

// closeTimeout bounds how long the end of a node waits for the last traces to be sent.
const closeTimeout = 2 * time.Second

// Close sends what has ended, as far as that can be done soon, and stops the exporter.
func (t *Tracer) Close() {
	if t == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	if err := t.provider.Shutdown(ctx); err != nil {
		t.logger.Warn("the last traces could not be sent", "error", err)
	}
}

// reporting logs failures of the exporter instead of handing them to OpenTelemetry's global handler.
type reporting struct {
	sdk.SpanExporter
	logger *slog.Logger
	failed bool // the last export; only one runs at a time
}

// ExportSpans implements sdk.SpanExporter.
func (r *reporting) ExportSpans(ctx context.Context, spans []sdk.ReadOnlySpan) error {
	err := r.SpanExporter.ExportSpans(ctx, spans)
	if err != nil && !r.failed {
		r.logger.Warn("traces cannot be exported and are dropped until they can", "error", err)
	}
	if err == nil && r.failed {
		r.logger.Info("traces are exported again")
	}
	r.failed = err != nil
	return nil
}

// Span is a part of a trace that takes some time. A nil Span is none.
type Span struct {
	tracer *Tracer
	span   trace.Span
}

type spanKey struct{}

// Request begins a trace, or goes on with the one that the request's headers name, unless it is not to be sampled: then the span is nil.
func (t *Tracer) Request(ctx context.Context, header http.Header, name string) (context.Context, *Span) {
	if t == nil {
		return ctx, nil
	}
	ctx, span := t.tracer.Start(t.w3c.Extract(ctx, propagation.HeaderCarrier(header)), name, trace.WithSpanKind(trace.SpanKindServer))
	if !span.IsRecording() {
		return ctx, nil
	}
	s := &Span{t, span}
	return context.WithValue(ctx, spanKey{}, s), s
}

// Start begins a span under that of the context, nil if it has none.
func Start(ctx context.Context, name string) (context.Context, *Span) {
	parent, _ := ctx.Value(spanKey{}).(*Span)
	if parent == nil {
		return ctx, nil
	}
	ctx, span := parent.tracer.tracer.Start(ctx, name)
	s := &Span{parent.tracer, span}
	return context.WithValue(ctx, spanKey{}, s), s
}

// Set says something about the span: a text, a number or a truth.
func (s *Span) Set(key string, value any) *Span {
	if s == nil {
		return nil
	}
	s.span.SetAttributes(attributeOf(key, value))
	return s
}

func attributeOf(key string, value any) attribute.KeyValue {
	switch v := value.(type) {
	case int:
		return attribute.Int(key, v)
	case int64:
		return attribute.Int64(key, v)
	case uint64:
		return attribute.Int64(key, int64(v))
	case bool:
		return attribute.Bool(key, v)
	case string:
		return attribute.String(key, v)
	}
	return attribute.String(key, fmt.Sprint(value))
}

// End ends the span, with the error that it ended with or nil.
func (s *Span) End(err error) {
	if s == nil {
		return
	}
	if err != nil {
		s.span.RecordError(err)
		s.span.SetStatus(codes.Error, err.Error())
	}
	s.span.End()
}
