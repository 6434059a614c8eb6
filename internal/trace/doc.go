// Package trace follows single requests through the node: from the request over the log, the tick and the views to the frames that subscribers get. It is the only
// package that knows OpenTelemetry.
//
// A Tracer starts traces for a share of the requests, and for those that come with a sampled traceparent (W3C Trace Context), and sends them with OTLP over
// HTTP. What belongs to a request hangs from its context: Start makes a span under that of the context, and does nothing if there is none.
//
// Behind the log the context is gone: what reaches a tick are records. So a traced write leaves a mark (Tracer.Await) of where and when the node took it, and
// the tick that takes a group with that mark belongs to its trace, too (Tick). Marks are by relation and microsecond: two requests that enter a relation
// in the same microsecond share the tick that comes first. The tick gets a span in each trace, with the steps of the views as its children, and hands
// itself on with its changes, so that each frame that is made of them is a span as well.
//
// A nil *Tracer, *Span or *Tick is one that does not trace: its methods return at once, so that tracing that is off costs a comparison.
//
// # Bounds
//
// Up to marksMax writes wait for their ticks, a tick belongs to tracesMax traces and shows framesMax frames; what is beyond is not traced. The exporter holds
// a bounded number of spans (OTEL_BSP_MAX_QUEUE_SIZE) and drops the others; it never holds up the work that they are about.
//
// # Concurrency
//
// A Tracer is safe for concurrent use and owns the exporter's goroutine, which Close ends. Spans belong to the goroutine that started them. A Tick is built by the
// engine's loop; once it has ended, Frame is safe for concurrent use.
package trace
