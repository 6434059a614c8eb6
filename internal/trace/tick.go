package trace

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/trace"
)

const (
	marksMax  = 1024       // writes that wait for their ticks
	marksKept = 60_000_000 // microseconds after which a mark is given up if there are too many: its relation was dropped, or stands still
	tracesMax = 16         // traces that a tick belongs to
	framesMax = 32         // frames that a tick shows in each trace
)

// mark is where and when the node took a write.
type mark struct {
	relation uint64
	taken    int64 // microseconds
}

// marks are the writes that wait for their ticks.
type marks struct {
	count atomic.Int32
	mu    sync.Mutex
	at    map[mark][]context.Context
}

// Await makes the tick that takes a write part of the trace of the context, if that is one. taken is the time that the write's records carry. It is called before
// the write is appended, and forget when that failed.
func Await(ctx context.Context, relation uint64, taken time.Time) (forget func()) {
	s, _ := ctx.Value(spanKey{}).(*Span)
	if s == nil {
		return func() {}
	}
	ms := &s.tracer.marks
	m := mark{relation, taken.UnixMicro()}
	ms.mu.Lock()
	defer ms.mu.Unlock()
	if int(ms.count.Load()) >= marksMax && !ms.trimLocked(m.taken-marksKept) {
		return func() {}
	}
	if ms.at == nil {
		ms.at = map[mark][]context.Context{}
	}
	ms.at[m] = append(ms.at[m], context.WithoutCancel(ctx))
	ms.count.Add(1)
	return func() { ms.take(m) }
}

// trimLocked gives up marks from before a time; it reports whether there is room again.
func (ms *marks) trimLocked(before int64) bool {
	for m, traces := range ms.at {
		if m.taken < before {
			delete(ms.at, m)
			ms.count.Add(-int32(len(traces)))
		}
	}
	return int(ms.count.Load()) < marksMax
}

func (ms *marks) take(m mark) []context.Context {
	ms.mu.Lock()
	defer ms.mu.Unlock()
	found := ms.at[m]
	delete(ms.at, m)
	ms.count.Add(-int32(len(found)))
	return found
}

// Tick is a tick that belongs to traces; nil for none.
type Tick struct {
	tracer  *Tracer
	traces  []context.Context // those of the writes; after Begin those of the tick's own spans
	spans   []trace.Span
	steps   []trace.Span
	frames  atomic.Int32
	publish []trace.Span
}

// Tick returns a tick that groups can be landed in, or nil if no write waits for one.
func (t *Tracer) Tick() *Tick {
	if t == nil || t.marks.count.Load() == 0 {
		return nil
	}
	return &Tick{tracer: t}
}

// Land makes the tick part of the traces of a write that it takes.
func (t *Tick) Land(relation uint64, taken int64) {
	if t == nil {
		return
	}
	t.traces = append(t.traces, t.tracer.marks.take(mark{relation, taken})...)
	t.traces = t.traces[:min(len(t.traces), tracesMax)]
}

// Begin begins the tick's spans. It returns nil if no write landed.
func (t *Tick) Begin(number uint64, rows int) *Tick {
	if t == nil || len(t.traces) == 0 {
		return nil
	}
	for i, ctx := range t.traces {
		ctx, span := t.tracer.tracer.Start(ctx, "tick")
		span.SetAttributes(attributeOf("tidemill.tick", number), attributeOf("tidemill.rows", rows))
		t.traces[i], t.spans = ctx, append(t.spans, span)
	}
	return t
}

// Step begins the step of a view.
func (t *Tick) Step(view string) {
	if t == nil {
		return
	}
	for _, ctx := range t.traces {
		_, span := t.tracer.tracer.Start(ctx, "view step")
		span.SetAttributes(attributeOf("tidemill.view", view))
		t.steps = append(t.steps, span)
	}
}

// Stepped ends it, with the number of rows that changed in the view.
func (t *Tick) Stepped(changed int) {
	if t == nil {
		return
	}
	for _, span := range t.steps {
		span.SetAttributes(attributeOf("tidemill.rows", changed))
		span.End()
	}
	t.steps = t.steps[:0]
}

// Publish begins the publishing of the tick.
func (t *Tick) Publish() {
	if t == nil {
		return
	}
	for _, ctx := range t.traces {
		_, span := t.tracer.tracer.Start(ctx, "publish")
		t.publish = append(t.publish, span)
	}
}

// End ends the publishing and the tick. From now on it only takes frames.
func (t *Tick) End() {
	if t == nil {
		return
	}
	for _, span := range t.publish {
		span.End()
	}
	for _, span := range t.spans {
		span.End()
	}
}

// Frame notes a frame of the tick's changes: from when it was there for its subscriber until it was written.
func (t *Tick) Frame(relation uint64, bytes int, ready, written time.Time) {
	if t == nil || t.frames.Add(1) > framesMax {
		return
	}
	for _, ctx := range t.traces {
		_, span := t.tracer.tracer.Start(ctx, "frame", trace.WithTimestamp(ready))
		span.SetAttributes(attributeOf("tidemill.relation", relation), attributeOf("tidemill.bytes", bytes))
		span.End(trace.WithTimestamp(written))
	}
}
